"""Sessions: who is logged in, from when until when.

A session's id is 256 random bits that only the browser has. It ends when nothing was heard of it
for `idle_s` (an open map is heard), `whole_s` after the log-in in any case, and at once when the
account's password, role, unit, sectors or state changes.
"""

import secrets
from typing import Final, NamedTuple

import sqlalchemy as sa

from edge.messages import UtcTime
from fusion.tables import ACCOUNT, LOGIN_SESSION
from maps.people.book import Book, digest_of

WRITTEN_EVERY_S: Final = 60.0
IDLE_S: Final = 30 * 60.0
WHOLE_S: Final = 12 * 3600.0
CLOCK_BACK_S: Final = 300.0  # servers of several machines may differ


class Lifetime(NamedTuple):
    """How long a session lasts."""

    idle_s: float = IDLE_S
    whole_s: float = WHOLE_S


class Session(NamedTuple):
    """Somebody who is logged in, as their account stands now."""

    digest: str
    account: str
    shown_name: str
    role: str
    unit: str | None
    sectors: str
    must_change: bool


class Sessions:
    """All sessions of the accounts in one book."""

    def __init__(self, book: Book, lifetime: Lifetime) -> None:
        """Take over where they are written down."""
        self._book = book
        self._lifetime = lifetime

    def begin(self, account: str, *, now: UtcTime, ending: str | None = None) -> str:
        """Begin a session and return its id; the browser's last one (`ending`, an id) ends."""
        session_id = secrets.token_urlsafe(32)
        oldest = now.after(-self._lifetime.whole_s)
        with self._book.transaction() as connection:
            over = LOGIN_SESSION.c.began_at < oldest
            if ending is not None:
                over |= LOGIN_SESSION.c.digest == digest_of(ending)
            connection.execute(sa.delete(LOGIN_SESSION).where(over))
            row = {"account": account, "began_at": now, "seen_at": now}
            connection.execute(
                sa.insert(LOGIN_SESSION).values(digest=digest_of(session_id), **row)
            )
            connection.execute(
                sa.update(ACCOUNT).where(ACCOUNT.c.account == account).values(logged_in_at=now)
            )
        return session_id

    def find(self, session_id: str, *, now: UtcTime) -> Session | None:
        """Return a session that has not ended, and note that it was heard of."""
        return self.look_up(digest_of(session_id), now=now)

    def look_up(self, digest: str, *, now: UtcTime) -> Session | None:
        """Return the session of a digest that has not ended, and note that it was heard of."""
        query = (
            sa.select(LOGIN_SESSION.c.began_at, LOGIN_SESSION.c.seen_at, ACCOUNT)
            .join(ACCOUNT, ACCOUNT.c.account == LOGIN_SESSION.c.account)
            .where(LOGIN_SESSION.c.digest == digest, ACCOUNT.c.locked.is_(False))
        )
        with self._book.reading() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        idle_s = now.seconds_since(UtcTime.of(row.seen_at))
        whole_s = now.seconds_since(UtcTime.of(row.began_at))
        is_over = idle_s >= self._lifetime.idle_s or whole_s >= self._lifetime.whole_s
        # One that a wrong clock began or heard of in the future would not end for years.
        if is_over or min(idle_s, whole_s) < -CLOCK_BACK_S:
            self.end(digest)
            return None
        if idle_s >= min(WRITTEN_EVERY_S, self._lifetime.idle_s / 4.0):
            heard = sa.update(LOGIN_SESSION).where(LOGIN_SESSION.c.digest == digest)
            with self._book.transaction() as connection:
                connection.execute(heard.values(seen_at=now))
        return Session(
            digest=digest,
            account=row.account,
            shown_name=row.shown_name,
            role=row.role,
            unit=row.unit,
            sectors=row.sectors,
            must_change=row.must_change,
        )

    def end(self, digest: str) -> None:
        """End a session."""
        with self._book.transaction() as connection:
            connection.execute(sa.delete(LOGIN_SESSION).where(LOGIN_SESSION.c.digest == digest))


def end_all(connection: sa.Connection, account: str) -> int:
    """End every session of an account, in the transaction that changes it; return how many."""
    ended = connection.execute(sa.delete(LOGIN_SESSION).where(LOGIN_SESSION.c.account == account))
    return int(ended.rowcount)


def csrf_token(session_id: str) -> str:
    """Return what a page of this session must send with every change: made from its id."""
    return digest_of(f"csrf {session_id}")
