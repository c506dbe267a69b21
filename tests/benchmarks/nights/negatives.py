"""`python -m tests.benchmarks.nights.negatives`: days on which nobody crosses unlawfully, as JSON.

Each is 24 h of about a kilometre of line: farmers, cattle, animals that stray over the line,
patrols, travellers through a gate (every fourth), clutter, walkers along the line at 8 to 20 m,
groups that turn back at 6 to 25 m. Any crossing alert is false. An approach is not, where a group
that turns back was on its way. `--km-days N` for fewer than 60, `--jobs N` at a time, `--from N`
for other seeds.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from scipy.stats import chi2

from fusion.replay import replay
from fusion.sector import load_sector
from tests.benchmarks.nights import night
from tests.benchmarks.nights.night import Ingredients
from tests.benchmarks.nights.people import Cast
from tests.benchmarks.nights.scoring import Told, outcome, traced

DAY_S: Final = 86_400.0
FIRST_SEED: Final = 7000  # published, and scored: so many on as days are asked for
TUNING_SEED: Final = 1_700  # for whoever tunes: never scored
_TRAILS: Final = 3
_TRAIL_KM: Final = 0.29
_QUIET: Final = Cast(
    groups=12, turn_backs=12, inbound=0.0, guides=0.0, stragglers=0.0, off_trail=0.0, dropped=0.1,
    largest=4, farmers=2, animals=2, strays=6, busy_s=1_800.0, patrols=4, walkers=20, vehicles=20,
    travellers_each_s=1_500.0, full_s=DAY_S,
)  # fmt: skip


class Day(NamedTuple):
    """What came of one day."""

    seed: int
    km: float
    watched_km: float  # of it, by cameras
    alerts: Counter[str]  # by kind and whom it is about
    held: Counter[str]  # what was held back, by reason and whom
    faults: tuple[str, ...]
    detections: int
    seconds: float  # of replay


def main(words: Sequence[str]) -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.nights.negatives")
    parser.add_argument("--km-days", type=float, default=60.0)
    parser.add_argument("--from", dest="first", type=int, default=FIRST_SEED, help="first seed")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args(words)
    seeds = list(_seeds(asked.first, asked.km_days))
    days = []
    with ProcessPoolExecutor(asked.jobs) as pool:
        for day in pool.map(lived, seeds):
            days.append(day)
            print(f"seed {day.seed}: {day.detections} detections, {day.seconds} s", flush=True)
            print(*day.faults, sep="\n", end="\n" if day.faults else "", flush=True)
    print(json.dumps(_figures(days)))
    return 0


def _seeds(first: int, km_days: float) -> Iterator[int]:
    seed, sum_km = first, 0.0
    while sum_km < km_days - 1e-9:
        yield seed
        sum_km += _km(seed)
        seed += 1


def _has_gate(seed: int) -> bool:
    return seed % 4 == 0


def _km(seed: int) -> float:
    return _TRAIL_KM * (_TRAILS + _has_gate(seed))


def lived(seed: int, *, until_s: float = DAY_S) -> Day:
    """Make a day, run it through `replay` and see what people were told."""
    ingredients = Ingredients(
        _QUIET, trails=_TRAILS, woods=2, fields=2, cameras=2 * _TRAILS + _has_gate(seed),
        between=4,
        drone=False, gate=_has_gate(seed), visits=False, empty_clutter=0.005,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        night.make(folder, ingredients, seed=seed, until_s=until_s)
        made = night.loaded(f"day-{seed}", folder)
        with made.messages.open("rb") as lines:
            summary = replay(load_sector(made.sector), lines, folder)
        result = outcome(made, folder)
    false = [one for one in result.alerts if not _is_true(one)]
    return Day(
        seed,
        _km(seed),
        made.truth.watched_m / 1_000.0,
        Counter(f"{one.kind} of {_sort(one)}" for one in result.alerts),
        Counter(
            f"{one.kind} of {_sort(one)}, {one.record['reason']}" for one in result.suppressed
        ),
        tuple(f"{one.kind} of {one.about} at {one.at_s:.1f} s: {traced(one)}" for one in false),
        summary["detections"],
        summary["seconds"],
    )


def _is_true(one: Told) -> bool:
    """Tell whether it had to be said: a group was on its way, until it turned back."""
    return one.kind == "approach" and one.about.startswith("group-")


def _sort(one: Told) -> str:
    return "turn-back" if one.about.startswith("group-") else one.about.partition("-")[0]


def _figures(days: Sequence[Day]) -> dict[str, object]:
    km_days = sum(day.km for day in days)
    alerts = sum((day.alerts for day in days), Counter())
    held = sum((day.held for day in days), Counter())
    crossings = sum(count for what, count in alerts.items() if what.startswith("crossing"))
    false = sum(count for what, count in alerts.items() if what != "approach of turn-back")
    return {
        "km·days": round(km_days, 2),
        "of them watched": round(sum(day.watched_km for day in days), 2),
        "seeds": f"{days[0].seed} to {days[-1].seed}",
        "turn-backs": _QUIET.turn_backs * len(days),
        "walks along the line": _QUIET.walkers * len(days),
        "false crossing alerts": crossings,
        "false crossing alerts a km·day, at most (95 %)": _at_most(crossings, km_days),
        "false alerts": false,
        "false alerts a km·day, at most (95 %)": _at_most(false, km_days),
        "alerts": dict(sorted(alerts.items())),
        "held back": dict(sorted(held.items())),
    }


def _at_most(count: int, exposure: float) -> float:
    """Return the exact upper bound of a Poisson rate of which so many were seen: 0 -> 3.00/T."""
    return round(float(chi2.ppf(0.95, 2 * (count + 1))) / 2.0 / exposure, 4)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
