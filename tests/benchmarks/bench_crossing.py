"""How far the crossing can be believed: `python -m tests.benchmarks.bench_crossing`. Seeded.

People walk about a straight line; one or two devices look twice a second, with noise that is new
in every look and a bias that is not; a filter like the tracker's follows them, and what it knows
goes through `fusion.situation.crossing.observe`, nothing else. Their true places are known.

- *walks*: crossers, turn-backs, walkers along the line, some over it and straight back, some out
  of view on the way. Of ten alerts that say 0.9, is one wrong (expected calibration error, ten
  bins)? And how is it with what the stage believes at any moment, alert or not?
- *hours*: walkers along the line, at 0.5 to 3 sigma from it, an hour each: nobody crosses.

Tuned on seed 1; what is published is of `SEED`. One JSON line.
"""

import json
import math
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from fusion.bounds import poisson_upper
from fusion.local_frame import CovM2, Metres
from fusion.rulebook import CrossingRule
from fusion.situation.border import Border, BorderPiece
from fusion.situation.crossing import Crossing, Sight, belief, observe, seen_from
from fusion.situation.watch import Watch
from fusion.tracking.motion import born, predicted, updated

SEED = 5401
WALKS = 3000
HOURS = 1000
LOOK_S = 0.5
DETECT = 0.9
NOISE = 0.1  # of people, as the tracker's rule has it
LINE_SIGMA_M = 1.0
BINS = 10
RULE = CrossingRule()
CONFIRMED = 3  # looks with a detection
# One look in so many is asked what it believes: looks of one walk hang together.
BELIEFS_A_WALK = 4


class Eye(NamedTuple):
    """A device's error; by its own word, and it says the truth."""

    name: str
    random_m: float
    bias_m: float

    @property
    def sigma_m(self) -> float:
        """Of one position."""
        return math.hypot(self.random_m, self.bias_m)


class Walk(NamedTuple):
    """Where somebody is, `(second, east_m, north_m)` after one another; home is south."""

    kind: str
    path: Sequence[tuple[float, float, float]]
    unseen: tuple[float, float] = (0.0, 0.0)  # from, to: woods

    def at(self, t: float) -> Metres:
        """Return the true place."""
        for (t0, x0, y0), (t1, x1, y1) in pairwise(self.path):
            if t <= t1:
                share = (t - t0) / (t1 - t0)
                return Metres(x0 + share * (x1 - x0), y0 + share * (y1 - y0))
        return Metres(*self.path[-1][1:])


class Seen(NamedTuple):
    """What the stage made of one look."""

    at_s: float
    beyond: bool  # in truth
    belief: float | None  # that it crossed and is on the other side now
    home: bool | None  # where it was surely seen before
    crossing: Crossing | None


def eyes_of(dice: random.Random, sigma_m: float) -> tuple[Eye, ...]:
    """Return one or two devices of about that error."""
    names = ("cam-1", "cam-2")[: dice.choice((1, 2))]
    eyes = []
    for name in names:
        share = dice.uniform(0.0, 0.8)
        sigma = sigma_m * dice.uniform(0.8, 1.25)
        eyes.append(Eye(name, sigma * math.sqrt(1.0 - share), sigma * math.sqrt(share)))
    return tuple(eyes)


def looks_at(
    walk: Walk, eyes: Sequence[Eye], dice: random.Random, *, asked: bool = True
) -> Iterator[Seen]:
    """Follow a walk and hold it against the line; `asked`: say what is believed at every look."""
    line = (Metres(-20_000.0, 0.0), Metres(20_000.0, 0.0))
    border = Border([BorderPiece(line, False, "demarcated", LINE_SIGMA_M)])
    off_m = dice.gauss(0.0, LINE_SIGMA_M)  # the true line lies so far north of the drawn one
    biases = {e.name: (dice.gauss(0.0, e.bias_m), dice.gauss(0.0, e.bias_m)) for e in eyes}
    motion, since_s, watch, hits = None, 0.0, Watch(), 0
    seen_by: dict[str, float] = {}
    steps = int(walk.path[-1][0] / LOOK_S)
    for number in range(steps):
        for order, eye in enumerate(eyes):
            at_s = number * LOOK_S + order * LOOK_S / len(eyes)
            if walk.unseen[0] <= at_s < walk.unseen[1] or dice.random() > DETECT:
                continue
            true = walk.at(at_s)
            bias = biases[eye.name]
            x_m = true.x_m + bias[0] + dice.gauss(0.0, eye.random_m)
            y_m = true.y_m + bias[1] + dice.gauss(0.0, eye.random_m)
            seen_by = {name: t for name, t in seen_by.items() if at_s - t <= 10.0}
            seen_by[eye.name] = at_s
            only = set(seen_by) == {eye.name}
            cov = _round(eye.random_m**2 if only else eye.sigma_m**2)
            if motion is None:
                motion = born(x_m, y_m, _round(eye.random_m**2), speed_sigma_mps=1.5)
            else:
                motion = updated(predicted(motion, at_s - since_s, NOISE), x_m, y_m, cov)
            since_s, hits = at_s, hits + 1
            floor = _round(min(e.bias_m for e in eyes if e.name in seen_by) ** 2)
            at = Metres(motion.x_m, motion.y_m)
            sight = Sight(at_s, at, motion.a, floor, eye.name)
            before = watch
            watch, crossing = observe(watch, sight, border, RULE, confirmed=hits >= CONFIRMED)
            known = None
            if asked and before.home is not None and (side := border.side(*at)) is not None:
                known = belief(before, seen_from(side, sight))
            true_m = off_m - true.y_m
            yield Seen(at_s, true_m < 0.0, known, before.home, crossing)


def _round(m2: float) -> CovM2:
    return (m2, 0.0, m2)


def walk_of(kind: str, dice: random.Random, sigma_m: float) -> Walk:
    """Make a walk of one kind: to the line and over it, back, or along it."""
    speed = dice.uniform(0.6, 1.7)
    slant = dice.uniform(-1.2, 1.2)  # east for each metre north

    def legs(*norths: float) -> list[tuple[float, float, float]]:
        t, x, path = 0.0, 0.0, [(0.0, 0.0, norths[0])]
        for y0, y1 in pairwise(norths):
            t += abs(y1 - y0) * math.hypot(1.0, slant) / speed
            x += slant * abs(y1 - y0)
            path.append((t, x, y1))
        return path

    start = -dice.uniform(25.0, 60.0)
    if kind == "crosser":
        path = legs(start, dice.uniform(15.0, 50.0))
        over_s = path[1][0] * -start / (path[1][2] - start)
        gap_s = dice.choice((0.0, 0.0, 0.0, dice.uniform(4.0, 15.0)))
        begin_s = over_s - gap_s * dice.uniform(-0.5, 1.5)
        return Walk(kind, path, (begin_s, begin_s + gap_s))
    if kind == "turn-back":
        return Walk(kind, legs(start, -dice.uniform(6.0, 25.0), start))
    if kind == "over and back":
        return Walk(kind, legs(start, dice.uniform(2.0, 20.0), start))
    side = dice.choice((-1.0, 1.0))
    away_m = side * dice.uniform(0.5, 3.0) * sigma_m
    return Walk(kind, [(0.0, 0.0, away_m), (120.0, 120.0 * speed, away_m)])


def calibration_error(told: Sequence[tuple[float, bool]]) -> float:
    """Return the expected calibration error: sum over bins of |share - mean belief|, weighted."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for belief_, true in told:
        bins[min(BINS - 1, int(belief_ * BINS))].append((belief_, true))
    return sum(abs(sum(p for p, _ in one) - sum(true for _, true in one)) for one in bins) / max(
        1, len(told)
    )


KINDS = ("crosser", "crosser", "turn-back", "along", "over and back")


def walks(seed: int, count: int) -> dict[str, float]:
    """Walk about the line and score what was believed and told."""
    alerts: list[tuple[float, bool]] = []
    beliefs: list[tuple[float, bool]] = []
    delays: list[float] = []
    crossers = missed = wrong = repeats = turned = told_turned = inferred = 0
    for number in range(count):
        dice = random.Random(f"{seed}-{number}")
        kind = KINDS[number % len(KINDS)]
        sigma_m = dice.uniform(1.0, 8.0) if number % 2 else dice.uniform(1.0, 3.0)
        eyes = eyes_of(dice, sigma_m)
        walk = walk_of(kind, dice, sigma_m)
        seen = list(looks_at(walk, eyes, dice))
        known = [one for one in seen if one.belief is not None]
        asked = dice.sample(known, min(BELIEFS_A_WALK, len(known)))
        beliefs += [(one.belief or 0.0, one.beyond is one.home) for one in asked]
        said = [one for one in seen if one.crossing is not None]
        for one in said:
            crossing = one.crossing
            assert crossing is not None
            true = one.beyond is crossing.outbound
            alerts.append((crossing.probability, true))
            inferred += crossing.inferred_s > 0.0
            wrong += not true
        if kind == "turn-back":
            turned += 1
            told_turned += bool(said)
        if kind == "crosser":
            crossers += 1
            repeats += len(said) > 1
            if not said:
                missed += 1
            elif sigma_m <= 3.0 and walk.unseen[0] == walk.unseen[1]:
                over = next(one.at_s for one in seen if one.beyond)
                delays.append(said[0].at_s - over)
    unsure = [(p, true) for p, true in beliefs if 0.05 <= p <= 0.95]
    return {
        "walks": count,
        "alerts": len(alerts),
        "calibration error of alerts": round(calibration_error(alerts), 4),
        "mean probability of alerts": round(statistics.fmean(p for p, _ in alerts), 4),
        "share of alerts that are true": round(statistics.fmean(t for _, t in alerts), 4),
        "calibration error of beliefs": round(calibration_error(beliefs), 4),
        "beliefs": len(beliefs),
        "calibration error of beliefs from 5 to 95 %": round(calibration_error(unsure), 4),
        "beliefs from 5 to 95 %": len(unsure),
        "alerts inferred in a gap": inferred,
        "wrong alerts": wrong,
        "crossers": crossers,
        "crossers missed": missed,
        "crossers told twice": repeats,
        "turn-backs at 6 to 25 m": turned,
        "turn-backs told as crossings": told_turned,
        "delay s, median (sigma 1 to 3 m)": round(statistics.median(delays), 2),
        "delay s, 90th percentile": round(statistics.quantiles(delays, n=10)[-1], 2),
        "told before the line": sum(delay < 0.0 for delay in delays),
    }


def hour(seed: int, number: int) -> bool:
    """Walk along the line for an hour; tell whether that raised a crossing."""
    dice = random.Random(f"{seed}-hour-{number}")
    sigma_m = dice.uniform(1.0, 8.0)
    eyes = eyes_of(dice, sigma_m)
    away_m = dice.choice((-1.0, 1.0)) * (0.5, 1.0, 2.0, 3.0)[number % 4] * sigma_m
    speed = dice.uniform(0.6, 1.7)
    walk = Walk("along", [(0.0, 0.0, away_m), (3600.0, 3600.0 * speed, away_m)])
    return any(one.crossing is not None for one in looks_at(walk, eyes, dice, asked=False))


def hours(seed: int, count: int) -> dict[str, float]:
    """Walk along the line for hours; return how many of them raised a crossing."""
    with ProcessPoolExecutor() as pool:
        told = sum(pool.map(partial(hour, seed), range(count), chunksize=10))
    return {
        "hours": count,
        "hours with a crossing": told,
        "share of hours without": 1.0 - told / count,
        "false hours a thousand, at most (95 %)": round(1000.0 * poisson_upper(told) / count, 2),
    }


def main(seed: int = SEED, walk_count: int = WALKS, hour_count: int = HOURS) -> None:
    """Measure and print one JSON line."""
    figures: dict[str, object] = {"seed": seed}
    figures["walks"] = walks(seed, walk_count)
    if hour_count:
        figures["along the line"] = hours(seed, hour_count)
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*(int(one) for one in sys.argv[1:]))
