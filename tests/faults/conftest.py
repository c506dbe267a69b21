"""How long the faults last: short in the suite, long with `make faults`."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.messages import DetectionsMessage, UtcTime, decode, encode

EQUATOR_M_PER_DEG = 110_574.0  # along a meridian there
SPEED_MPS = 4.0


@pytest.fixture(scope="session")
def outage_s() -> float:
    """Seconds that a broker stays away."""
    return 30.0 if os.environ.get("TUANBIEN_FAULTS") == "long" else 3.0


@pytest.fixture(scope="session")
def kills() -> int:
    """How often a process is killed in the midst of its work."""
    return 200 if os.environ.get("TUANBIEN_FAULTS") == "long" else 3


@pytest.fixture
def sector_file(tmp_path) -> Path:
    """A straight border from west to east along 1.2° north; home is south of it."""
    line = {
        "type": "Feature",
        "properties": {"home_side": "right"},
        "geometry": {"type": "LineString", "coordinates": [[-12.32, 1.2], [-12.28, 1.2]]},
    }
    (tmp_path / "border.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [line]})
    )
    (tmp_path / "sector.toml").write_text(
        '[sector]\nid = "test-sector"\nname = "Test"\ntimezone = "UTC"\n'
        '[layers]\nborder = "border.geojson"\n'
    )
    return tmp_path / "sector.toml"


class Walkers:
    """One camera that sees people walk north over the line, one every few seconds, far apart."""

    def __init__(self, *, every_s: float = 3.0, from_m: float = -8.0, to_m: float = 8.0) -> None:
        self.began_at = UtcTime.read_clock()
        self._every_s, self._from_m, self._to_m = every_s, from_m, to_m

    def crossed(self, at: UtcTime) -> int:
        """How many have walked to the end."""
        walk_s = (self._to_m - self._from_m) / SPEED_MPS
        return max(0, int((at.seconds_since(self.began_at) - walk_s) // self._every_s) + 1)

    def seen(self, number: int, at: UtcTime) -> DetectionsMessage:
        """The message of one frame."""
        now_s = at.seconds_since(self.began_at)
        detections = []
        for walker in range(int(now_s // self._every_s) + 1):
            north_m = self._from_m + SPEED_MPS * (now_s - walker * self._every_s)
            if north_m <= self._to_m:
                detections.append(
                    {
                        "label": "person",
                        "confidence": 0.9,
                        "bbox": [0.4, 0.4, 0.5, 0.6],
                        "lat": 1.2 + north_m / EQUATOR_M_PER_DEG,
                        "lon": -12.319 + 0.001 * (walker % 39),  # 111 m from one to the next
                        "cov_m2": [0.25, 0.0, 0.25],
                    }
                )
        raw = {
            "v": 1,
            "message_id": f"frame-{number}",
            "device_id": "cam-01",
            "sector": "test-sector",
            "captured_at": at.rfc3339(),
            "sensor": {"kind": "camera", "lat": 1.199, "lon": -12.3},
            "detections": detections,
        }
        message = decode("tuanbien/v1/test-sector/cam-01/detections", encode(raw))
        assert isinstance(message, DetectionsMessage)
        return message


@pytest.fixture
def film() -> Callable[..., tuple[list[str], int]]:
    """Return a function that films walkers and publishes, ten frames a second, while told to.

    It returns the ids of the messages and how many people had crossed.
    """

    def run(publish: Callable[[DetectionsMessage], None], done: threading.Event) -> tuple:
        walkers, ids, at = Walkers(), [], UtcTime.read_clock()
        while not done.wait(0.1):
            at = UtcTime.read_clock()
            message = walkers.seen(len(ids), at)
            publish(message)
            ids.append(message.message_id)
        return ids, walkers.crossed(at)

    return run


class FusionProcess:
    """`tuanbien fusion serve` as a process that a test may kill and start again."""

    def __init__(self, sector: Path, broker_url: str, folder: Path, *options: str) -> None:
        self.journal, self.store_url = folder / "journal", f"sqlite:///{folder}/store.db"
        tuanbien = "import sys; from edge.command import main; sys.exit(main())"
        self._command = [
            *(sys.executable, "-c", tuanbien, "fusion", "serve", str(sector)),
            *("--broker", broker_url, "--store", self.store_url, "--journal", str(self.journal)),
            *options,
        ]
        self._log = (folder / "fusion.log").open("ab")
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stderr=self._log)

    def kill(self) -> None:
        """As a power cut would: kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; return its exit status."""
        self.process.terminate()
        return self.process.wait(10)

    def journaled(self) -> list[str]:
        """Return the ids of the messages in the journal, in order."""
        return [
            json.loads(line)["payload"]["message_id"]
            for line in self.lines()
            if b"/detections" in line
        ]

    def lines(self) -> list[bytes]:
        segments = sorted(self.journal.glob("journal-*.jsonl"))
        return [line for path in segments for line in path.read_bytes().splitlines(keepends=True)]


@pytest.fixture
def start_fusion(sector_file, tmp_path) -> Iterator[Callable[..., FusionProcess]]:
    """Return a function that starts the fusion service of the test's sector."""
    started: list[FusionProcess] = []

    def start(broker_url: str, *options: str) -> FusionProcess:
        started.append(FusionProcess(sector_file, broker_url, tmp_path, *options))
        return started[-1]

    yield start
    for fusion in started:
        if fusion.process.poll() is None:
            fusion.kill()
        fusion._log.close()


@pytest.fixture
def until() -> Callable[..., None]:
    """Return a function that waits until something holds."""

    def wait(holds: Callable[[], bool], *, within_s: float = 30.0) -> None:
        pause = threading.Event()
        for _ in range(int(within_s / 0.1)):
            if holds():
                return
            pause.wait(0.1)
        pytest.fail(f"it did not come within {within_s:.0f} s")

    return wait
