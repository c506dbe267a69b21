"""`python -m tests.benchmarks.nights`: scored nights through the engine, as JSON.

`--tuning` runs those that whoever tunes may look at, which are never scored; `--seed N` (again and
again) names other standard nights, `--unseen N` others of other amounts; `--words` tells every
miss, repeat and false alert.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fusion.replay import replay
from fusion.sector import load_sector
from tests.benchmarks.nights import night
from tests.benchmarks.nights.night import Night
from tests.benchmarks.nights.scoring import outcome, scored


def main(words: Sequence[str]) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.nights")
    parser.add_argument("--tuning", action="store_true", help="the nights to tune on")
    parser.add_argument("--seed", type=int, action="append", default=[], help="a standard night")
    parser.add_argument("--unseen", type=int, action="append", default=[], help="another night")
    parser.add_argument("--seconds", type=float, default=night.FULL_S, help="its length")
    parser.add_argument("--words", action="store_true", help="tell each fault")
    parser.add_argument("--rules", type=Path, help="[rules.*] tables that win")
    parser.add_argument("--out", type=Path, help="keep replay's files there")
    asked = parser.parse_args(words)
    figures: dict[str, Any] = {}
    for one in _nights(asked):
        figures[one.name], faults = run(one, out=asked.out, rules=asked.rules)
        if asked.words:
            print(f"# {one.name}", *faults, sep="\n", flush=True)
    print(json.dumps(figures))
    return 0


def _nights(asked: argparse.Namespace) -> Iterator[Night]:
    if asked.tuning:
        for seed in night.TUNING_SEEDS:
            yield night.standard(seed, until_s=asked.seconds)
    for seed in asked.seed:
        yield night.standard(seed, until_s=asked.seconds)
    for seed in asked.unseen:
        yield night.unseen(seed, until_s=asked.seconds)
    if not (asked.tuning or asked.seed or asked.unseen):
        yield night.standard(until_s=asked.seconds)
        yield night.unseen(until_s=asked.seconds)


def run(
    one: Night, *, out: Path | None = None, rules: Path | None = None
) -> tuple[dict[str, Any], list[str]]:
    """Run a night through `replay`; return its figures, and each fault in words."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if out is None else out / one.name
        sector = load_sector(one.sector, rules_file=rules)
        with one.messages.open("rb") as lines:
            summary = replay(sector, lines, folder)
        figures, faults = scored(outcome(one, folder))
    figures["detections"] = summary["detections"]
    figures["replay s"] = summary["seconds"]
    return figures, faults


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
