"""Debian's PostgreSQL on a data folder of its own, for tests and benchmarks."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WITHIN_S = 15.0


class NoPostgresError(Exception):
    """There is none on this machine that we could run."""


@contextmanager
def running_postgres(port: int) -> Iterator[str]:
    """Run the server on a loopback port; give its address without a database.

    Raises:
        NoPostgresError: It is not installed, or would run as root only.
    """
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    path = os.pathsep.join([*map(str, reversed(folders)), os.environ.get("PATH", "")])
    initdb, postgres = shutil.which("initdb", path=path), shutil.which("postgres", path=path)
    if initdb is None or postgres is None:
        msg = "PostgreSQL is not installed"
        raise NoPostgresError(msg)
    account = _account()
    folder = Path(tempfile.mkdtemp(prefix="tuanbien-postgres-"))  # pytest's own is root's alone
    if account:
        shutil.chown(folder, account, account)
    data = folder / "data"
    subprocess.run(
        [initdb, "-D", data, "-U", "tuanbien", "-A", "trust", "-E", "UTF8", "--no-sync"],
        cwd=folder,
        user=account,
        check=True,
        capture_output=True,
    )
    server = subprocess.Popen(
        [postgres, "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", folder, "-F"],
        cwd=folder,
        user=account,
        stderr=subprocess.DEVNULL,
    )
    address = f"postgresql://tuanbien@127.0.0.1:{port}"
    try:
        gives_up_s = time.monotonic() + WITHIN_S
        while not _accepts(f"{address}/postgres"):
            assert time.monotonic() < gives_up_s, "PostgreSQL did not come in time"
            time.sleep(0.05)
        yield address
    finally:
        server.send_signal(signal.SIGINT)  # do not wait for clients
        server.wait(10)
        shutil.rmtree(folder)


def _account() -> str | None:
    """Return whom the server runs as: it refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    msg = "PostgreSQL refuses root, and there is no account `postgres` or `nobody`"
    raise NoPostgresError(msg)


def _accepts(address: str) -> bool:
    import psycopg  # noqa: PLC0415 - an edge-only install has none

    try:
        psycopg.connect(address, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
