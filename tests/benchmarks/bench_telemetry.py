"""Flight logs: `python tests/benchmarks/bench_telemetry.py`. Seeded; prints one JSON line.

10,000 mangled logs a parser, which may say the declared error and nothing else; how fast whole
logs are read; and real MISB packets, their boresights held against their own frame centres.
"""

import json
import os
import random
import runpy
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymap3d

from edge.accuracy import ce90_m
from edge.camera import Camera, Pose, PoseSigma
from edge.georeference import place
from edge.ground import Ground
from edge.telemetry import Sample, TelemetryError, read_telemetry
from edge.telemetry.dji_srt import read_srt
from edge.telemetry.mavlink import read_tlog
from edge.telemetry.misb import read_klv, read_ts, write_klv
from edge.telemetry.table import read_table, write_table

SEED = 20261124
CASES = 10_000
MOST_BYTES = 1500
CAMERA = Camera(1280, 720, 1000.0, 1000.0, 639.5, 359.5, None, ())
SIGMA = PoseSigma(position_m=3.0, alt_m=3.0, yaw_deg=0.1, pitch_deg=0.1, roll_deg=0.1)
CUE = (
    b"{n}\n00:00:{n},000 --> 00:00:{n},500\n<font>[latitude: 22.5] [longitude: 104.0] "
    b"[rel_alt: 5.4 abs_alt: 900.0] [gb_yaw: -162.8 gb_pitch: 0.0 gb_roll: 0.0]</font>\n"
    b"GPS(104.0,22.5,16) BAROMETER:1.9 2017.08.05 14:11:51 G.PRY (-24.4, 0.0, 110.4)\n\n"
)


def text_of(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def mangled(data: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.randrange(5)):
        at, lost = chance.randrange(len(data) + 1), chance.randrange(12)
        data = data[:at] + chance.randbytes(chance.randrange(12)) + data[at + lost :]
    return data


def logs(test_data: Path | None) -> dict[str, bytes]:
    """Return one log of each format."""
    made = runpy.run_path(str(Path(__file__).parents[1] / "edge" / "telemetry" / "conftest.py"))
    flight = made["circle"]()
    srt = b"".join(CUE.replace(b"{n}", b"%02d" % number) for number in range(50))
    if test_data is not None:
        srt = (test_data / "telemetry" / "dji_srt" / "embed_Avata360_clip.SRT").read_bytes()
    return {
        "srt": srt,
        "klv": write_klv(flight),
        "ts": made["transport_stream"]([(row.media_time_s, write_klv([row])) for row in flight]),
        "tlog": made["mavlink_log"](flight),
        "csv": write_table(flight).encode(),
    }


PARSERS: dict[str, Callable[[bytes], list[Sample]]] = {
    "srt": lambda data: read_srt(text_of(data), Counter()),
    "klv": lambda data: read_klv(data, Counter())[0],
    "ts": lambda data: read_ts(data, Counter())[0],
    "tlog": lambda data: read_tlog(data, Counter())[0],
    "csv": lambda data: read_table(text_of(data), Counter(), name="log"),
}


def undeclared(parse: Callable[[bytes], list[Sample]], seed: bytes) -> int:
    """Return how many of the mangled logs raised anything but the declared error."""
    chance, count = random.Random(SEED), 0
    for _ in range(CASES):
        try:
            parse(mangled(seed[:MOST_BYTES], chance))
        except TelemetryError:
            continue
        except Exception:  # noqa: BLE001 - this is what is counted
            count += 1
    return count


def ground_alt_m(sample: Sample) -> float:
    """Return the height at which the frame centre is a slant range away: no angle is asked."""
    center, low_m, high_m = sample.frame_center, -500.0, sample.alt_m
    for _ in range(60):
        alt_m = (low_m + high_m) / 2.0
        range_m = pymap3d.geodetic2aer(
            center.lat, center.lon, alt_m, sample.lat, sample.lon, sample.alt_m
        )[2]
        low_m, high_m = (alt_m, high_m) if range_m > sample.slant_m else (low_m, alt_m)
    return low_m


def boresights(path: Path) -> dict[str, object]:
    """Hold real packets' angles against their own frame centres."""
    samples = read_telemetry(path).samples
    ground = Ground(ground_alt_m(min(samples, key=lambda row: row.pitch_deg)), 1.0)
    off_m, shares, slants = [], [], []
    for row in samples:
        pose = Pose(row.lat, row.lon, row.alt_m, row.yaw_deg, row.pitch_deg, row.roll_deg)
        (hit,) = place(np.array([[639.5, 359.5]]), CAMERA, pose, SIGMA, ground, pixel_sigma_px=1.0)
        center = row.frame_center
        east_m, north_m, _ = pymap3d.geodetic2enu(
            center.lat, center.lon, ground.alt_m, hit.lat, hit.lon, ground.alt_m
        )
        off_m.append(float(np.hypot(east_m, north_m)))
        shares.append(off_m[-1] / ce90_m(hit.cov_m2))
        slants.append(abs(hit.slant_m / row.slant_m - 1.0))
    return {
        "MISB packets": len(samples),
        "MISB boresight off its frame centre, worst m": round(max(off_m), 1),
        "MISB boresight off, worst share of CE90": round(max(shares), 3),
        "MISB slant range off, worst %": round(100.0 * max(slants), 3),
    }


def main() -> int:
    folder = os.environ.get("TUANBIEN_TEST_DATA")
    test_data = Path(folder) if folder else None
    figures: dict[str, object] = {"fuzz cases a parser": CASES}
    seeds = logs(test_data)
    figures["fuzz: undeclared errors"] = {
        name: undeclared(parse, seeds[name]) for name, parse in PARSERS.items()
    }
    for name, parse in PARSERS.items():
        began_s = time.perf_counter()
        count = sum(len(parse(seeds[name])) for _ in range(5))
        figures[f"{name} samples a second"] = round(count / (time.perf_counter() - began_s))
    if test_data is not None:
        figures |= boresights(test_data / "telemetry" / "misb" / "day_flight.klv")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
