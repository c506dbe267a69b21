"""The whole chain as child processes on loopback: broker, fusion, maps; then whoever watches."""

import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import httpx

from edge.frames import Clock
from edge.messages import RefusedError, UtcTime
from fusion.broker import running_broker
from fusion.sector import Sector, load_sector
from maps.demo.landscape import TIMEZONE
from maps.demo.processes import Child, Children

READY_WITHIN_S: Final = 60.0
_HOST: Final = "127.0.0.1"
_LOOK_EVERY_S: Final = 0.1
_ANSWER_WITHIN_S: Final = 2.0

Say = Callable[[str], None]


class Plan(NamedTuple):
    """What to run it on.

    Attributes:
        sector_file: `sector.toml`.
        run_folder: Where store, journal, broker and logs of this run are kept.
        port: Of the page; 0 takes a free one.
        clock_offset_s: Added to this machine's clock by every process.
    """

    sector_file: Path
    run_folder: Path
    port: int
    clock_offset_s: float


class Chain(NamedTuple):
    """A chain that runs."""

    sector: Sector
    broker_url: str
    page_url: str
    clock: Clock
    clock_offset_s: float
    children: Children

    def wait_until_live(self) -> None:
        """Wait for the page, with its broker, store and fusion behind it.

        Raises:
            RefusedError: A process ended meanwhile, or it took too long.
        """
        deadline_s = time.monotonic() + READY_WITHIN_S
        while not self._is_live():
            self.children.check()
            if time.monotonic() > deadline_s:
                msg = (
                    f"the map on {self.page_url} is not live after {READY_WITHIN_S:.0f} s; "
                    f"see {self.children.logs}"
                )
                raise RefusedError(msg)
            time.sleep(_LOOK_EVERY_S)

    def _is_live(self) -> bool:
        try:
            health = httpx.get(f"{self.page_url}/healthz", timeout=_ANSWER_WITHIN_S)
            snapshot = httpx.get(f"{self.page_url}/api/v1/snapshot", timeout=_ANSWER_WITHIN_S)
            return health.is_success and bool(snapshot.json()["beat"]["fusion_online"])
        except (httpx.HTTPError, ValueError, KeyError):
            return False


@contextmanager
def folder_for(data: Path | None) -> Iterator[Path]:
    """Give the folder of the world's files: the user's, or one that is removed at the end."""
    if data is not None:
        yield data
        return
    folder = Path(tempfile.mkdtemp(prefix="tuanbien-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_folder_in(folder: Path) -> Path:
    """Name a folder for this run: an earlier run's night would mix with this one's."""
    now = datetime.now(ZoneInfo(TIMEZONE))
    return folder / f"run-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def night_offset_s() -> float:
    """Return what this machine's clock lacks to 23:40 of this day in the fictional sector."""
    now = datetime.now(ZoneInfo(TIMEZONE))
    return (now.replace(hour=23, minute=40, second=0, microsecond=0) - now) / timedelta(seconds=1)


@contextmanager
def running_chain(plan: Plan, *, say: Say) -> Iterator[Chain]:
    """Run the broker, and start fusion and maps, while the block lasts.

    Raises:
        RefusedError: The port is in use, the sector is wrong, or the broker does not come up.
    """
    sector = load_sector(plan.sector_file)
    port = _page_port(plan.port)
    page_url = f"http://{_HOST}:{port}"
    offset = f"--clock-offset-s={plan.clock_offset_s!r}"
    store_url = f"sqlite:///{plan.run_folder / 'tuanbien.db'}"
    with (
        running_broker(host=_HOST, port=0, store_dir=plan.run_folder / "broker") as broker,
        Children(plan.run_folder / "logs") as children,
    ):
        say(f"broker ready on {broker.url}")
        children.watch(Child("broker", broker.process, broker.log))
        address = ("--broker", broker.url, "--store", store_url, offset)
        evidence = ("--evidence", str(plan.run_folder / "evidence"))
        journal = ("--journal", str(plan.run_folder / "journal"))
        children.start_tuanbien(
            "fusion", "fusion", "serve", str(plan.sector_file), *address, *journal, *evidence
        )
        children.start_tuanbien(
            "maps",
            *("maps", "serve", str(plan.sector_file), *address, *evidence, "--port", str(port)),
            "--without-login",  # nothing but fiction, on this machine
        )
        clock = partial(UtcTime.read_clock, offset_s=plan.clock_offset_s)
        yield Chain(sector, broker.url, page_url, clock, plan.clock_offset_s, children)


def _page_port(port: int) -> int:
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((_HOST, port))
            return int(probe.getsockname()[1])
    except OSError as error:
        msg = f"port {port} on {_HOST} cannot be had ({error.strerror}); choose another by --port"
        raise RefusedError(msg) from error
