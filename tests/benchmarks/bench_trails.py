"""Who is on which trail, where it leads and when: `python -m tests.benchmarks.bench_trails`. Seeded.

One device looks twice a second, with noise that is new in every look and, in half of the walks, a
bias that is not; a filter like the tracker's follows whoever walks, and what it knows goes through
`fusion.situation.matching` and `prediction`, nothing else. Their true ways are known.

- *matching*: two bent trails 40 m apart, at 15 m (1 sigma): is it said on which one they are? And
  of people who go across country: is it said that they are on neither?
- *prediction*: seeded nets of trails; each walker goes to one exit, drawn evenly from all that are
  not much farther than the nearest. Is it among the first three, and is the time right?

Tuned on seed 1; what is published is of `SEED`. One JSON line.
"""

import json
import math
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from fusion.local_frame import CovM2, Metres
from fusion.plan import Trail
from fusion.rulebook import TrailsRule
from fusion.situation.border import Border, BorderPiece
from fusion.situation.matching import EVERY_S, Footing, footing
from fusion.situation.prediction import eta, ways
from fusion.situation.trail_network import Course, TrailNetwork
from fusion.tracking.motion import Motion, born, plus, predicted, updated

SEED = 5502
WALKS = 400
LOOK_S = 0.5
NOISE = 0.1  # of people, as the tracker's rule has it
DETECT = 0.9
SETTLED_S = 20.0  # after the first look
PACE_S = 30.0  # over which the pace is reckoned
LINE = (Metres(-5_000.0, 0.0), Metres(5_000.0, 0.0))  # home is south of it
APART_M = 40.0
SIGMA_M = 15.0


class Sight(NamedTuple):
    """What is known at one moment, and what is true."""

    at_s: float
    motion: Motion
    cov: CovM2
    step: Footing
    gone_m: float  # in truth, along the way


def net(lines: Sequence[Sequence[tuple[float, float]]]) -> TrailNetwork:
    """Join some trails."""
    trails = [
        Trail(f"t{n}", f"t{n}", "duong_mon", tuple(Metres(*at) for at in line))
        for n, line in enumerate(lines)
    ]
    return TrailNetwork(
        trails, Border([BorderPiece(LINE, False, "demarcated", 1.0)]), TrailsRule()
    )


def gone(dice: random.Random, whole_m: float) -> Iterator[tuple[float, float]]:
    """Yield seconds and metres of somebody who keeps about one pace, and may rest."""
    mean_mps, deviation, at_s, at_m = dice.uniform(0.8, 1.45), 0.0, 0.0, 0.0
    rests_m = dice.uniform(0.0, whole_m) if dice.random() < 0.1 else math.inf
    while at_m < whole_m:
        yield at_s, at_m
        deviation += -deviation * LOOK_S / 20.0 + dice.gauss(0.0, 0.12 * math.sqrt(LOOK_S / 10.0))
        at_s += LOOK_S
        at_m += max(0.2, mean_mps + deviation) * LOOK_S
        if at_m > rests_m:
            at_s, rests_m = at_s + dice.uniform(10.0, 30.0), math.inf


def followed(
    dice: random.Random, way: Sequence[Metres], network: TrailNetwork, sigma_m: float, *,
    bias_share: float,
) -> Iterator[Sight]:  # fmt: skip
    """Follow somebody along a way, and match every other second."""
    bias_m = sigma_m * math.sqrt(bias_share)
    random_m = math.sqrt(sigma_m**2 - bias_m**2)
    bias = (dice.gauss(0.0, bias_m), dice.gauss(0.0, bias_m))
    round_cov, bias_cov = (random_m**2, 0.0, random_m**2), (bias_m**2, 0.0, bias_m**2)
    whole_m = sum(math.dist(a, b) for a, b in pairwise(way))
    motion, seen_s, step = None, 0.0, None
    for at_s, at_m in gone(dice, whole_m):
        if dice.random() > DETECT:
            continue
        x_m, y_m = (
            axis + off + dice.gauss(0.0, random_m)
            for axis, off in zip(at_of(way, at_m), bias, strict=True)
        )
        if motion is None:
            motion = born(x_m, y_m, round_cov, speed_sigma_mps=1.5)
        else:
            motion = updated(predicted(motion, at_s - seen_s, NOISE), x_m, y_m, round_cov)
        seen_s, cov = at_s, plus(motion.a, bias_cov)
        if step is None or at_s - step.at_s >= EVERY_S:
            step = footing(step, motion, cov, at_s, network)
            yield Sight(at_s, motion, cov, step, at_m)


def at_of(way: Sequence[Metres], m: float) -> Metres:
    """Return the point so far along a way."""
    for a, b in pairwise(way):
        length_m = math.dist(a, b)
        if m <= length_m:
            share = m / length_m
            return Metres(a.x_m + share * (b.x_m - a.x_m), a.y_m + share * (b.y_m - a.y_m))
        m -= length_m
    return way[-1]


def pair_of_trails(dice: random.Random) -> list[list[tuple[float, float]]]:
    """Bend two trails to the line, 40 m apart."""
    x, one = 0.0, []
    for y in range(-500, 101, 50):
        x += dice.uniform(-12.0, 12.0)
        one.append((x, float(y)))
    return [one, [(x + APART_M, y) for x, y in one]]


def across_country(dice: random.Random) -> list[Metres]:
    """Walk from somewhere to somewhere, past the trails or over them."""
    return [Metres(dice.uniform(-150.0, 190.0), dice.uniform(-450.0, -50.0)) for _ in range(4)]


def matching(seed: int, count: int) -> dict[str, float]:
    """Score who is said to be on which of two trails, or on none."""
    right: dict[str, list[bool]] = {"unbiased": [], "biased": []}
    beliefs: list[tuple[float, bool]] = []
    snapped: list[bool] = []
    for number in range(count):
        dice = random.Random(f"{seed}-pair-{number}")
        lines = pair_of_trails(dice)
        network = net(lines)
        kind = "biased" if number % 2 else "unbiased"
        share = dice.uniform(0.2, 0.6) if number % 2 else 0.0
        truth = None if number % 4 == 0 else f"t{number // 4 % 2}"
        way = (
            across_country(dice)
            if truth is None
            else [Metres(*at) for at in lines[int(truth[1])][:-2]]
        )
        for sight in followed(dice, way, network, SIGMA_M, bias_share=share):
            if sight.at_s < SETTLED_S:
                continue
            said: dict[str | None, float] = {None: sight.step.off}
            for course, p in sight.step.courses:
                trail = network.edges[course.edge].trail_id
                said[trail] = said.get(trail, 0.0) + p
            likeliest = max(said, key=lambda one: said[one])
            if truth is None:
                snapped.append(likeliest is not None)
            else:
                right[kind].append(likeliest == truth)
            beliefs.append((said[likeliest], likeliest == truth))
    sure = [true for p, true in beliefs if p >= 0.95]
    return {
        "right": round(statistics.fmean(right["unbiased"] + right["biased"]), 4),
        "right, unbiased": round(statistics.fmean(right["unbiased"]), 4),
        "right, a part of it shared": round(statistics.fmean(right["biased"]), 4),
        "looks on a trail": len(right["unbiased"]) + len(right["biased"]),
        "across country, taken to be on a trail": round(statistics.fmean(snapped), 4),
        "looks across country": len(snapped),
        "share right where 95 % and more is said": round(statistics.fmean(sure), 4),
        "share of looks where that is said": round(len(sure) / len(beliefs), 4),
    }


def net_of_trails(dice: random.Random) -> TrailNetwork:
    """Lay four trails to the line and some that link them."""
    ups = []
    for number in range(4):
        x, line = 220.0 * number + dice.uniform(-40.0, 40.0), []
        for y in range(-800, 151, 80):
            line.append((x, float(y)))
            x += dice.uniform(-18.0, 18.0)
        ups.append(line)
    links = []
    for left, right in pairwise(ups):
        for at in dice.sample(range(1, 9), 2):
            middle = (0.5 * (left[at][0] + right[at][0]), left[at][1] + dice.uniform(-40.0, 40.0))
            links.append([left[at], middle, right[min(8, at + dice.choice((0, 1)))]])
    return net([*ups, *links])


def route(dice: random.Random, network: TrailNetwork) -> tuple[list[Metres], int]:
    """Draw where somebody sets out from and comes over the line; return the way and the exit."""
    starts = [
        Course(number, onward=edge.line[0].y_m < edge.line[-1].y_m)
        for number, edge in enumerate(network.edges)
        if min(edge.line[0].y_m, edge.line[-1].y_m) < -750.0
    ]
    start = dice.choice(starts)
    over = [one for one in network.exits(start) if network.nodes[one.node].kind == "border"]
    one = dice.choice([one for one in over if one.beyond_m <= 1.5 * over[0].beyond_m + 100.0])
    way = [point for course in (start, *one.courses) for point in points_of(network, course)]
    return [way[0], *(b for a, b in pairwise(way) if a != b)], one.node


def points_of(network: TrailNetwork, course: Course) -> Sequence[Metres]:
    """Return the vertices of a course in its order."""
    line = network.edges[course.edge].line
    return line if course.onward else line[::-1]


def prediction(seed: int, count: int) -> dict[str, float]:
    """Score the exits and the times that are said of people on the way to the line."""
    first: list[bool] = []
    top: list[bool] = []
    errors: list[float] = []
    within: list[bool] = []
    for number in range(count):
        dice = random.Random(f"{seed}-net-{number}")
        network = net_of_trails(dice)
        way, exit_node = route(dice, network)
        sights = list(followed(dice, way, network, dice.uniform(2.0, 6.0), bias_share=0.3))
        over_s = sights[-1].at_s
        for at, sight in enumerate(sights):
            left_s = over_s - sight.at_s
            if sight.at_s < PACE_S or left_s < 20.0:
                continue
            found = ways(sight.step, sight.motion, network)
            top.append(exit_node in [one.node for one in found[:3]])
            first.append(bool(found) and found[0].node == exit_node)
            there = next((one for one in found if one.node == exit_node), None)
            if there is None:
                continue
            before = sights[at - round(PACE_S / EVERY_S) if at * EVERY_S > PACE_S else 0]
            came_m = math.dist(before.motion[:2], sight.motion[:2])
            when = eta(there.left_m, math.sqrt(max(sight.cov[0], sight.cov[2])),
                       came_m / (sight.at_s - before.at_s), 0.1)  # fmt: skip
            errors.append(abs(when.median_s - left_s) / left_s)
            within.append(when.p10_s <= left_s <= when.p90_s)
    return {
        "true exit in the first three": round(statistics.fmean(top), 4),
        "true exit is the first": round(statistics.fmean(first), 4),
        "error of the median time, median": round(statistics.median(errors), 4),
        "true time from p10 to p90": round(statistics.fmean(within), 4),
        "looks": len(top),
    }


def main(seed: int = SEED, count: int = WALKS) -> None:
    """Measure and print one JSON line."""
    figures = {
        "seed": seed,
        "walks of each": count,
        "matching at 15 m, 40 m apart": matching(seed, count),
        "prediction": prediction(seed, count),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*(int(one) for one in sys.argv[1:]))
