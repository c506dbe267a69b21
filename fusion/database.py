"""The store's database: SQLite (WAL) by default, PostgreSQL by URL."""

import sqlite3
import time
from typing import Any, Final

import sqlalchemy as sa

from edge.messages import RefusedError

WAIT_S: Final = 5  # for whoever writes, and for a connection
_RETRY_S: Final = 0.01


class StoreUnavailableError(RefusedError):
    """The database cannot be reached or written now; the same call may succeed later."""


def connect(url: str) -> sa.Engine:
    """Make the pool of connections for a store's address; opens none.

    Raises:
        RefusedError: The address is not one of SQLite or PostgreSQL.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        # Not shown: it may hold a password.
        msg = "the store's address is not a URL such as sqlite:///tuanbien.db or postgresql://…"
        raise RefusedError(msg) from None
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        # IMMEDIATE: a writer waits at its beginning, not half way, where it could only give up.
        engine = sa.create_engine(
            parsed, connect_args={"timeout": WAIT_S, "isolation_level": "IMMEDIATE"}
        )
        sa.event.listen(engine, "connect", _set_up_sqlite)
        return engine
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            connect_args={"connect_timeout": WAIT_S},
        )
    msg = f"the store {shown(parsed)} is neither sqlite:///… nor postgresql://…"
    raise RefusedError(msg)


def shown(url: sa.URL) -> str:
    """Return an address as anybody may see it: without its password."""
    return url.render_as_string(hide_password=True)


def _set_up_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection
    connection.execute(f"PRAGMA busy_timeout={WAIT_S * 1000}")
    _to_wal(connection)
    connection.execute("PRAGMA synchronous=NORMAL")


def _to_wal(connection: Any) -> None:  # noqa: ANN401 - a DBAPI connection
    """Turn a file to WAL. SQLite does not wait for the lock of that, busy_timeout or not."""
    gives_up_s = time.monotonic() + WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # or a kind of it
            if not is_busy or time.monotonic() > gives_up_s:
                raise
            time.sleep(_RETRY_S)
        else:
            return
