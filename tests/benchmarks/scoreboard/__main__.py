"""`python -m tests.benchmarks.scoreboard`: our engine, Stone Soup and norfair on the same scenes.

Prints one row a scene and tracker, then one JSON line. `--ours` leaves the peers out;
`--peers-from FOLDER` runs a peer on a scene once and takes its records from there the next time;
`--seed N` (again and again) names other unseen scenes; `--tuning` runs those that whoever tunes may
look at, which are never scored.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.scoreboard import ours, peer_process, scenes
from tests.benchmarks.scoreboard.innovations import nis
from tests.benchmarks.scoreboard.metrics import Score, score
from tests.benchmarks.scoreboard.movers import FULL_S
from tests.benchmarks.scoreboard.ours import Run
from tests.benchmarks.scoreboard.picture import pictured
from tests.benchmarks.scoreboard.scenes import STANDARD, Scene

UNSEEN_SEEDS: Final = (5101, 5202)
# Found on `scenes.TUNING_SEED` alone ("trails" and "far"), by GOSPA. Tried: GNN noise, idle_s, points,
# people_only; JPDA gate, detect, clutter_per_m2; norfair reach_m, inertia, points, r. What is not
# named is as in the peers' own examples.
TUNED: Final[dict[str, tuple[str, ...]]] = {
    "GNN": ("people_only=1", "noise=0.1", "points=8"),
    "JPDA": ("people_only=1", "points=8", "gate=0.999", "detect=0.4", "clutter_per_m2=1e-4"),
    "norfair": ("people_only=1", "reach_m=6", "inertia=100", "points=8"),
}
STONE_SOUP: Final = ("GNN", "JPDA")


def main(words: Sequence[str]) -> int:
    """Run what was asked for."""
    asked = _asked(words)
    if not asked.ours and not peer_process.PYTHON.exists():
        print(f"{peer_process.PYTHON} is missing: `make .venv-peers`, or --ours", file=sys.stderr)
        return 1
    print(
        "| scene | tracker | GOSPA m | IDF1 | switches | NEES (95 % band) | NIS | tracks "
        "| detections/s |"
    )
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    figures: dict[str, Any] = {}
    for title, made in _sets(asked):
        scored = [(scene, _results(scene, asked)) for scene in made]
        figures[title] = _ours(scored) if asked.ours else _against(scored)
    print(json.dumps(figures))
    return 0


def _asked(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scoreboard")
    parser.add_argument("--ours", action="store_true", help="our engine only")
    parser.add_argument("--peers-from", type=Path, metavar="FOLDER", help="keep their records")
    parser.add_argument("--seed", type=int, action="append", help="of an unseen scene")
    parser.add_argument("--tuning", action="store_true", help="the scenes to tune on instead")
    parser.add_argument("--seconds", type=float, default=FULL_S, help="length of each scene")
    return parser.parse_args(words)


def _sets(asked: argparse.Namespace) -> Iterator[tuple[str, Iterator[Scene]]]:
    until_s, seed = asked.seconds, scenes.TUNING_SEED
    if asked.tuning:
        yield "tuning", (scenes.scene(name, seed=seed, until_s=until_s) for name in STANDARD)
        return
    yield "standard", (scenes.scene(name, until_s=until_s) for name in STANDARD)
    seeds = asked.seed or UNSEEN_SEEDS
    yield "unseen", (scenes.unseen(number, until_s=until_s) for number in seeds)


Result = tuple[Score, float]  # and detections a second


def _results(scene: Scene, asked: argparse.Namespace) -> dict[str, Result]:
    """Run every tracker on a scene, printing a row for each."""
    said = ", ".join(f"{kind} {mean}" for kind, mean in nis(scene).items())
    results = {"ours": _result(scene, ours.tracked(scene), said)}
    for method, settings in () if asked.ours else TUNED.items():
        run = peer_process.tracked(scene, method, settings=settings, kept_in=asked.peers_from)
        results[method] = _result(scene, run)
    return results


def _result(scene: Scene, run: Run, said: str = "") -> Result:
    good = score(pictured(run.records, scene.truth.times_s), scene.truth)
    per_s = scene.detections / run.seconds
    print(
        f"| {scene.name}, seed {scene.seed} | {run.name} | {good.gospa_m:.2f} | {good.idf1:.3f} "
        f"| {good.switches} | {good.nees} | {said} | {good.tracks} | {per_s:,.0f} |",
        flush=True,
    )
    return good, per_s


def _ours(scored: list[tuple[Scene, dict[str, Result]]]) -> dict[str, float]:
    goods = [results["ours"][0] for _, results in scored]
    return {
        "GOSPA m, mean": round(sum(good.gospa_m for good in goods) / len(goods), 3),
        "IDF1, mean": round(sum(good.idf1 for good in goods) / len(goods), 4),
        "switches": sum(good.switches for good in goods),
        "detections a second, least": round(min(results["ours"][1] for _, results in scored)),
    }


def _against(scored: list[tuple[Scene, dict[str, Result]]]) -> dict[str, float]:
    """Hold ours against the better of Stone Soup's two, figure by figure and scene by scene."""
    mine = [results["ours"][0] for _, results in scored]
    theirs = [[results[method][0] for method in STONE_SOUP] for _, results in scored]
    gospa_m = [min(good.gospa_m for good in two) for two in theirs]
    margins = [
        one.idf1 - max(good.idf1 for good in two) for one, two in zip(mine, theirs, strict=True)
    ]
    fewest = sum(min(good.switches for good in two) for two in theirs)
    ratios = [one.gospa_m / their_m for one, their_m in zip(mine, gospa_m, strict=True)]
    speed = [
        results["ours"][1] / max(results[method][1] for method in STONE_SOUP)
        for _, results in scored
    ]
    return {
        "GOSPA to Stone Soup's": round(sum(one.gospa_m for one in mine) / sum(gospa_m), 3),
        "GOSPA to Stone Soup's, worst scene": round(max(ratios), 3),
        "IDF1 above Stone Soup's": round(sum(margins) / len(margins), 3),
        "IDF1 above Stone Soup's, worst scene": round(min(margins), 3),
        "switches to Stone Soup's": round(sum(one.switches for one in mine) / max(1, fewest), 3),
        "detections a second to Stone Soup's, worst scene": round(min(speed), 1),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
