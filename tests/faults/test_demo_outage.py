"""The demo's own devices, with a broker that dies under them: every frame reaches the journal."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from fusion.broker import running_broker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.environ.get("TUANBIEN_FAULTS") != "long",
        reason="takes two minutes: `make faults` (test_broker_outage.py is its short form)",
    ),
]
ROOT = Path(__file__).parents[2]


def tuanbien(*arguments: object, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "edge.command", *map(str, arguments)],
            stdout=output,
            stderr=output,
            cwd=ROOT,
        )


def frames_journaled(journal: Path) -> dict[str, set[int]]:
    """Return the running numbers of the frames in a journal, by device."""
    frames = defaultdict(set)
    for segment in sorted(journal.glob("journal-*.jsonl")):
        for line in segment.read_bytes().splitlines():
            if b"/detections" in line:
                payload = json.loads(line)["payload"]
                frames[payload["device_id"]].add(payload["seq"])
    return frames


def gaps(journal: Path) -> dict[str, set[int]]:
    """Return the frames that are missing up to each device's last."""
    frames = frames_journaled(journal)
    return {device: set(range(max(seen) + 1)) - seen for device, seen in frames.items()}


def test_the_demo_loses_no_frame_when_the_broker_is_killed(
    outage_s, until, free_port, tmp_path
) -> None:
    port, store, journal = free_port(), tmp_path / "broker", tmp_path / "journal"
    url, log = f"mqtt://127.0.0.1:{port}", tmp_path / "log"
    written = tuanbien("demo", "--write", tmp_path / "world", log=log)
    assert written.wait(30) == 0
    sector = tmp_path / "world" / "sector.toml"
    database = f"sqlite:///{tmp_path / 'store.db'}"
    serving = ("fusion", "serve", sector, "--broker", url, "--store", database)
    fusion = tuanbien(*serving, "--journal", journal, log=log)
    devices = tuanbien("demo", "--edge-only", "--broker", url, log=log)

    def count() -> int:
        return min((len(seen) for seen in frames_journaled(journal).values()), default=0)

    try:
        with running_broker(port=port, store_dir=store) as broker:
            until(lambda: count() > 30, within_s=120.0)
            broker.process.kill()
            broker.process.wait()
        with pytest.raises(subprocess.TimeoutExpired):
            devices.wait(outage_s)
        before = count()
        with running_broker(port=port, store_dir=store):
            # More than the outage held back: the queues are empty again.
            until(lambda: count() > before + 4 * outage_s, within_s=120.0)
            devices.terminate()
            assert devices.wait(30) == 0
            # What the broker gave to a connection that broke, it gives again after 5 s.
            until(lambda: not any(gaps(journal).values()), within_s=20.0)
            fusion.terminate()
            assert fusion.wait(15) == 0
    finally:
        for process in (devices, fusion):
            if process.poll() is None:
                process.kill()
                process.wait()
    assert gaps(journal) == {"cam-01": set(), "cam-02": set(), "drone-01": set()}
