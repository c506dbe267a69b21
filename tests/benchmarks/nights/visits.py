"""Who else asks for an alert: one who stays near the line, a vehicle that meets people by a trail,
one who goes into a restricted zone.

          line ----+------------------
      zone (o)     |    12 m from it, some 17 m beside a trail
                   |
             o     |    who stays: 60 to 110 m from the line, 22 m beside another trail
                   |
    road ==== v ===+    a vehicle drives up to a third one, 105 to 125 m from the line
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from tests.benchmarks.nights.ground import ROAD_M, Ground
from tests.benchmarks.scoreboard.movers import STEP_S, Mover, swaying
from tests.benchmarks.scoreboard.sector import Disc, FloatArray

SHORTEST_S: Final = 900.0  # in a shorter night there is no time for them
STAYER: Final = "stayer"
INTRUDER: Final = "intruder"
MEETING: Final = "meeting"
_PEOPLE: Final = 3  # who meet the vehicle
_STAY_S: Final = (420.0, 560.0)
_PACE_MPS: Final = 1.2
_DRIVES_MPS: Final = 7.0


def with_zone(chance: np.random.Generator, ground: Ground) -> Ground:
    """Put a restricted zone beside a trail, near the line."""
    x_m, _ = ground.exit_of(ground.land.trails[0])
    x_m += float(chance.choice((-1.0, 1.0)) * chance.uniform(15.0, 19.0))
    return ground._replace(zone=Disc(x_m, float(ground.line_y_m(x_m)) - 13.0, 8.0))


def visitors(chance: np.random.Generator, ground: Ground, until_s: float) -> Iterator[Mover]:
    """Let them come and go."""
    if until_s < SHORTEST_S or ground.zone is None:
        return
    trails = ground.land.trails
    yield _stayer(chance, ground, trails[1 % len(trails)], until_s)
    yield from _meeting(chance, ground, trails[2 % len(trails)], until_s)
    zone = np.array((ground.zone.x_m, ground.zone.y_m))
    begins_s = chance.uniform(0.1, 0.7) * until_s
    yield _sojourn(chance, INTRUDER, zone, begins_s, float(chance.uniform(60.0, 120.0)))


def _stayer(
    chance: np.random.Generator, ground: Ground, trail: FloatArray, until_s: float
) -> Mover:
    place = _by(ground, trail, float(chance.uniform(60.0, 110.0)))
    place[0] += chance.choice((-22.0, 22.0))
    for_s = float(chance.uniform(*_STAY_S))
    begins_s = chance.uniform(0.05, 0.95) * (until_s - for_s - 200.0)
    return _sojourn(chance, STAYER, place, begins_s, for_s)


def _by(ground: Ground, trail: FloatArray, away_m: float) -> FloatArray:
    """Return the place (2,) of a trail so far south of where it comes over the line."""
    _, line_m = ground.exit_of(trail)
    y_m = line_m - away_m
    return np.array((float(np.interp(y_m, trail[:, 1], trail[:, 0])), y_m))


def _sojourn(
    chance: np.random.Generator, name: str, place: FloatArray, begins_s: float, for_s: float
) -> Mover:
    """Come from the south, be about a place (2,) for some time, and go back."""
    start = np.array((place[0] + chance.uniform(-20.0, 20.0), ROAD_M))
    way_s = float(np.hypot(*(place - start))) / _PACE_MPS
    legs_s = begins_s + np.array((0.0, way_s, way_s + for_s, 2.0 * way_s + for_s))
    times_s = np.arange(legs_s[0], legs_s[3], STEP_S)
    shares = np.interp(times_s, legs_s, (0.0, 1.0, 1.0, 0.0))[:, None]
    sway = [swaying(chance, len(times_s), sigma_m=1.5, memory_s=40.0) for _ in range(2)]
    return Mover(
        name, "person", "person", times_s, start + shares * (place - start) + np.transpose(sway)
    )


def _meeting(
    chance: np.random.Generator, ground: Ground, trail: FloatArray, until_s: float
) -> Iterator[Mover]:
    """Let a vehicle set people down who walk home, or take up some who came from there."""
    place = _by(ground, trail, float(chance.uniform(105.0, 125.0)))
    side, begins_s = chance.choice((-1.0, 1.0)), chance.uniform(0.2, 0.8) * until_s
    from_road = np.array((place[0] + side * 25.0, ROAD_M - 60.0))
    place[0] += side * 5.0
    way_s, stands_s = float(np.hypot(*(place - from_road))) / _DRIVES_MPS, chance.uniform(20, 35)
    legs_s = begins_s + np.array((-way_s, 0.0, stands_s, stands_s + way_s))
    times_s = np.arange(legs_s[0], legs_s[3], STEP_S)
    shares = np.interp(times_s, legs_s, (0.0, 1.0, 1.0, 0.0))[:, None]
    xy_m = from_road + shares * (place - from_road)
    yield Mover(MEETING, "vehicle", "car", times_s, xy_m)
    home, sets_down = trail[0] - place, bool(chance.random() < 0.5)
    for number in range(_PEOPLE):
        foot = place + np.array((-side * 2.5, 1.5 * number - 1.5))
        walk_s = float(np.hypot(*home)) / _PACE_MPS
        there_s = begins_s + 4.0 + 2.0 * number  # out of it one after the other
        legs_s = np.array((there_s, there_s + 6.0, there_s + 6.0 + walk_s))
        ways = np.array((foot, foot, foot + home))
        if not sets_down:  # the other way round, and in after it has come to rest
            gone_s = begins_s + 0.4 * stands_s + 3.0 * number
            legs_s, ways = gone_s - np.array((6.0 + walk_s, 6.0, 0.0)), ways[[2, 1, 0]]
        times_s = np.arange(max(0.0, legs_s[0]), min(until_s, legs_s[2]), STEP_S)
        xy_m = np.column_stack([np.interp(times_s, legs_s, ways[:, axis]) for axis in (0, 1)])
        yield Mover(f"{MEETING}-{number}", "person", "person", times_s, xy_m)
