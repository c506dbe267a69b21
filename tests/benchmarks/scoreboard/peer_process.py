"""A scene's detections to a peer in an environment of its own, and its records back.

The peers pin a numpy that the project has left behind, so `make .venv-peers` gives them a room of
their own (`peers.txt`), and files are what passes between: see `peers.py`. They get detections in
order of event time, none of them late, which is in their favour.
"""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.benchmarks.scoreboard.ours import Run
from tests.benchmarks.scoreboard.picture import Record
from tests.benchmarks.scoreboard.scenes import Scene
from tests.benchmarks.scoreboard.sector import FRAME

PYTHON: Final = Path(".venv-peers/bin/python")
_PROGRAM: Final = Path(__file__).with_name("peers.py")
# A process's time counts all its threads: those of a matrix library would wait, and be counted.
_ONE_THREAD: Final = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def tracked(
    scene: Scene, method: str, *, settings: tuple[str, ...], kept_in: Path | None = None
) -> Run:
    """Run "GNN", "JPDA" or "norfair" over a scene.

    Args:
        scene: The scene.
        method: Which peer.
        settings: `key=value` for `peers.Setting`.
        kept_in: A folder of records: those of the very same run are taken from there, or put.
    """
    frames = b"".join(_frames(scene))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if kept_in is None else kept_in
        folder.mkdir(parents=True, exist_ok=True)
        said = (method, *settings)
        key = hashlib.sha256(b"\0".join((frames, _PROGRAM.read_bytes(), repr(said).encode())))
        target = folder / f"{scene.name}-{scene.seed}-{method}-{key.hexdigest()[:16]}.jsonl"
        if not target.exists():
            source = Path(scratch) / "frames.jsonl"
            source.write_bytes(frames)
            done = Path(scratch) / "records"
            subprocess.run(
                [PYTHON, "-W", "ignore", _PROGRAM, source, done, *said],
                env=os.environ | _ONE_THREAD,
                check=True,
            )
            target.write_bytes(done.read_bytes())
        return _run(target)


def _frames(scene: Scene) -> Iterator[bytes]:
    for look in scene.looks:
        found = [
            [*FRAME.to_metres(lat=one.lat, lon=one.lon), *one.cov_m2, one.label]
            for one in look.message.detections
        ]
        yield json.dumps([look.captured_s, found]).encode() + b"\n"


def _run(path: Path) -> Run:
    with path.open(encoding="utf-8") as lines:
        head = json.loads(next(lines))
        records = []
        for text in lines:
            track, at_s, x_m, y_m, vx_mps, vy_mps, cov_m2, label, ends = json.loads(text)
            cov = None if cov_m2 is None else (cov_m2[0], cov_m2[1], cov_m2[2])
            records.append(Record(track, at_s, x_m, y_m, vx_mps, vy_mps, cov, label, ends))
    return Run(f"{head['name']} {head['version']}", tuple(records), head["seconds"])
