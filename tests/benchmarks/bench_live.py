"""The whole way, live; prints one JSON line.

    python -m tests.benchmarks.bench_live [SECONDS [MESSAGES_PER_S [SYNC_EVERY_S]]]

A real broker, `tuanbien fusion serve` with its journal and SQLite, and a load of 1,000 messages a
second (QoS 1, five detections each) from a process of its own, all on the cores that there are.
First steadily; then a device that was cut off flushes ten minutes of its data at once while the
others go on. An alert's delay runs from when the message that decided it was sent to when a
subscriber has the alert, less the reorder window, in which fusion waits on purpose.

The history into which the flush is sorted is as long as the run: give 600 for all ten minutes.
`SYNC_EVERY_S` is the broker's `--sync-every-s`; with 0 it is the disk that is measured.
"""

import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.messages import UtcTime
from fusion.broker import running_broker
from fusion.canary import CANARY
from fusion.rulebook import TimeRule
from tests.benchmarks.live_load import HZ, LINE_LAT, M_PER_DEG_LON, WEST_LON

FOLDER = Path(__file__).parent
SECONDS = 60.0
SYNC_EVERY_S = 0.1
RERUN_S = 30.0  # of the second phase
FLUSH_S = 600.0
_MESSAGE_ID = re.compile(rb'"message_id":"([^"]+)"')
_CANARY = f"/{CANARY}/".encode()  # on its topic: the service's own, once a minute
HOLD_BACK_S = TimeRule().hold_back_s


def write_sector(folder: Path) -> Path:
    east_lon = WEST_LON + 13_000.0 / M_PER_DEG_LON
    line = {
        "type": "Feature",
        "properties": {"home_side": "right"},
        "geometry": {
            "type": "LineString",
            "coordinates": [[WEST_LON - 0.01, LINE_LAT], [east_lon, LINE_LAT]],
        },
    }
    collection = {"type": "FeatureCollection", "features": [line]}
    (folder / "border.geojson").write_text(json.dumps(collection))
    (folder / "sector.toml").write_text(
        '[sector]\nid = "bench"\nname = "Bench"\ntimezone = "UTC"\n'
        '[layers]\nborder = "border.geojson"\n'
    )
    return folder / "sector.toml"


class Ear:
    """Hears alerts, and when."""

    def __init__(self, port: int) -> None:
        self.alerts: list[tuple[float, dict[str, Any]]] = []
        self.statuses: list[dict[str, Any]] = []
        self.online = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._heard
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(
            [(f"tuanbien/v1/bench/fusion/{kind}", 1) for kind in ("alerts", "status")]
        )
        self._client.loop_start()

    def _heard(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        now_s, content = time.time(), json.loads(message.payload)
        if message.topic.endswith("/alerts"):
            self.alerts.append((now_s, content))
        else:
            self.statuses.append(content)
            if content["online"]:
                self.online.set()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


FUSION_THREADS = ("fusion: engine, store, telling", "fusion: link", "fusion: reception")


class Cpu:
    """What share of one core processes, and fusion's threads, took since it was last asked."""

    def __init__(self, fusion: int, **others: int) -> None:
        self._fusion = psutil.Process(fusion)
        self._others = {name: psutil.Process(pid) for name, pid in others.items()}
        self._before: dict[str, float] = {}
        self._at_s = 0.0
        self.shares()

    def shares(self) -> dict[str, float]:
        now_s, before = time.monotonic(), self._before
        self._before = dict(self._used_s())
        took_s, self._at_s = max(1e-9, now_s - self._at_s), now_s
        return {
            name: round((used_s - before.get(name, 0.0)) / took_s, 2)
            for name, used_s in self._before.items()
        }

    def _used_s(self) -> Iterator[tuple[str, float]]:
        threads = sorted(self._fusion.threads(), key=lambda one: one.id)  # as they were begun
        for name, thread in zip(FUSION_THREADS, threads, strict=False):
            yield name, thread.user_time + thread.system_time
        for name, process in self._others.items():
            times = process.cpu_times()
            yield name, times.user + times.system


class Journaled:
    """How many messages of the load are in the journal, each counted once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}
        self._ids: set[bytes] = set()
        self.lines = 0

    def count(self) -> int:
        for path in sorted(self._folder.glob("journal-*.jsonl")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                block = file.read()
            whole = block[: block.rfind(b"\n") + 1]
            self._read[path] = self._read.get(path, 0) + len(whole)
            lines = [line for line in whole.splitlines() if _CANARY not in line]
            self._ids.update(_MESSAGE_ID.findall(b"\n".join(lines)))
            self.lines += len(lines)
        return len(self._ids)


def percentile(values: list[float], share: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(share * len(values)))], 3)


def phase(
    port: int, seconds: float, ear: Ear, journal: Journaled, fusion: int, broker: int, *flush: str
) -> dict[str, Any]:
    """Run one load; return its figures."""
    before, alerts_before = journal.count(), len(ear.alerts)
    load = subprocess.Popen(
        [sys.executable, str(FOLDER / "live_load.py"), str(port), str(seconds), *flush],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert load.stdout is not None
    said: dict[str, Any] = {}
    cpu = None
    for line in load.stdout:
        said |= json.loads(line)
        if "crossings" in line:
            cpu = Cpu(fusion, broker=broker, load=load.pid)
        if "ended_s" in line:
            assert cpu is not None
            said["cpu"] = cpu.shares()
            said["taken"] = journal.count() - before
    load.wait()
    sent = said["sent"]
    drained = until(
        lambda: journal.count() - before >= said["acknowledged"], within_s=2.0 * seconds
    )
    lag_s = time.time() - said["ended_s"]
    expected = said["crossings"]
    until(lambda: len(ear.alerts) - alerts_before >= expected, within_s=10.0 + lag_s)
    told = ear.alerts[alerts_before:]
    delays_s = [
        at_s - UtcTime.parse(alert["raised_at"]).timestamp() - HOLD_BACK_S for at_s, alert in told
    ]
    return {
        "offered messages a second": round(sent / seconds),
        "accepted messages a second": round(said["taken"] / seconds),
        "backlog at the end": sent - said["taken"],
        "seconds to drain it": round(lag_s, 2) if drained else None,
        "frames dropped by devices": said["dropped"],
        "lost": said["acknowledged"] - (journal.count() - before) if drained else None,
        "written again": journal.lines - journal.count(),
        "clocks taken for wrong": len(ear.statuses[-1].get("clock_offsets_s", {})),
        "messages refused": ear.statuses[-1]["rejected"],
        "alerts expected": expected,
        "alerts": len({alert["alert_id"] for _, alert in told}),
        "alert delay p50 s": percentile(delays_s, 0.5) if delays_s else None,
        "alert delay p99 s": percentile(delays_s, 0.99) if delays_s else None,
        "alert delay max s": round(max(delays_s), 3) if delays_s else None,
        "cores used": said["cpu"],
    }


def until(holds: Callable[[], bool], *, within_s: float) -> bool:
    end_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.05)
    return True


def main(
    seconds: float = SECONDS, messages_per_s: float = 1000.0, sync_every_s: float = SYNC_EVERY_S
) -> int:
    cameras = round(messages_per_s / HZ)
    rerun_s = min(RERUN_S, max(18.0, seconds))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sector = write_sector(folder)
        with running_broker(store_dir=folder / "broker", sync_every_s=sync_every_s) as broker:
            port = int(broker.url.rpartition(":")[2])
            ear = Ear(port)
            tuanbien = "import sys; from edge.command import main; sys.exit(main())"
            fusion = subprocess.Popen(
                [
                    *(sys.executable, "-c", tuanbien, "fusion", "serve", str(sector)),
                    *("--broker", broker.url, "--store", f"sqlite:///{folder}/store.db"),
                    *("--journal", str(folder / "journal")),
                ],
                stderr=(folder / "fusion.log").open("wb"),
            )
            try:
                assert ear.online.wait(30.0), (folder / "fusion.log").read_text()
                journal = Journaled(folder / "journal")
                pids = (fusion.pid, broker.process.pid)
                more = f"--cameras={cameras}"
                steady = phase(port, seconds, ear, journal, *pids, more)
                flush = (more, f"--flush-at-s={rerun_s / 3}", f"--flush-s={FLUSH_S}")
                rerun: dict[str, Any] = {}
                if steady["seconds to drain it"] is not None:
                    rerun = phase(port, rerun_s, ear, journal, *pids, *flush)
                resident_mb = round(psutil.Process(fusion.pid).memory_info().rss / 1e6)
            finally:
                fusion.terminate()
                fusion.wait(20)
                ear.close()
    print(json.dumps({"steady": steady, "flush": rerun, "fusion resident MB": resident_mb}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
