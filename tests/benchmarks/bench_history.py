"""What history costs the live path; prints one JSON line.

    python -m tests.benchmarks.bench_history [TRACKS [SECONDS]]

So many tracks walk, two lines a second each, and are saved to SQLite once a second as the service
does: once without history, once with. `ms_a_save` are the medians of the time on the CPU, `share_percent` is what
history takes of each second, `bytes_a_line` the file's growth for each line that was kept.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from edge.messages import TrackState, TrackUpdate, UtcTime
from fusion.events import TracksUpdated
from fusion.store import Store

TRACKS = 50
SECONDS = 300
BEGAN_AT = UtcTime.parse("2026-03-14T17:00:00Z")


def lines_of(second: int, tracks: int) -> TracksUpdated:
    """Return what the engine says of a second."""
    return TracksUpdated(
        tuple(
            TrackUpdate(
                track_id=f"{number:032x}",
                t=BEGAN_AT.after(second + half / 2),
                lat=22.95 + number * 1e-4 + (second + half / 2) * 1.2e-5,
                lon=105.31 + number * 1e-4,
                cov_m2=(4.1, -1.2, 9.7),
                velocity_mps=(0.2, 1.3),
                label="person",
                state=TrackState.CONFIRMED,
                devices=(f"cam-{number % 20:02}",),
            )
            for half in (0, 1)
            for number in range(tracks)
        )
    )


def measure(folder: Path, *, tracks: int, seconds: int, history: bool) -> tuple[float, int]:
    """Return the median time of a save in ms, and the size of the store."""
    file = folder / f"history-{history}.db"
    store = Store.open(f"sqlite:///{file}", migrate=True)
    took_ms = []
    for second in range(seconds):
        events = [lines_of(second, tracks)]
        began_s = time.process_time()
        store.save(events, sector="bench", heard=[] if history else None)
        took_ms.append(1000.0 * (time.process_time() - began_s))
    store.close()  # the log is written back
    return statistics.median(took_ms), file.stat().st_size


def main() -> None:
    """Measure and print."""
    tracks = int(sys.argv[1]) if len(sys.argv) > 1 else TRACKS
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    with tempfile.TemporaryDirectory() as folder:
        without_ms, without = measure(Path(folder), tracks=tracks, seconds=seconds, history=False)
        with_ms, whole = measure(Path(folder), tracks=tracks, seconds=seconds, history=True)
    print(
        json.dumps(
            {
                "tracks": tracks,
                "seconds": seconds,
                "ms_a_save": {"without": round(without_ms, 2), "with": round(with_ms, 2)},
                "share_percent": round((with_ms - without_ms) / 10.0, 2),
                "bytes_a_line": round((whole - without) / (tracks * seconds), 1),
            }
        )
    )


if __name__ == "__main__":
    main()
