"""Who is about: groups on trails, farmers, animals, patrols, vehicles, each with a true way."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from tests.benchmarks.scoreboard.sector import ROAD, Disc, FloatArray, Land, along, length_m

STEP_S: Final = 0.25  # true ways are straight in between
FULL_S: Final = 900.0  # the length of scene that a cast is meant for
_BEFORE_S: Final = 150.0  # who set out so long before it may still be on the way
_LABELS: Final = {"vehicle": ("truck", "car", "motorcycle"), "animal": ("cow", "dog", "cow")}


class Mover(NamedTuple):
    """Someone or something, and where it truly is."""

    id: str
    kind: str  # person | animal | vehicle
    label: str  # what a detector calls it when it is right
    times_s: FloatArray  # (N,) ascending
    xy_m: FloatArray  # (N, 2)
    unit: str | None = None  # of ours, and tells where it is

    def at(self, times_s: FloatArray) -> FloatArray:
        """Return positions (N, 2); nan before its way begins and after it ends."""
        columns = [
            np.interp(times_s, self.times_s, self.xy_m[:, axis], left=np.nan, right=np.nan)
            for axis in (0, 1)
        ]
        return np.column_stack(columns)


class Cast(NamedTuple):
    """How many of each a scene of `FULL_S` has."""

    groups: int = 6
    farmers: int = 2
    animals: int = 2
    patrols: int = 1
    vehicles: int = 3


def cast_of(chance: np.random.Generator, land: Land, cast: Cast, until_s: float) -> list[Mover]:
    """Let everyone walk their way through a scene."""
    movers: list[Mover] = []
    # A shorter scene has fewer groups and vehicles, not a crowd.
    share = (until_s + _BEFORE_S) / (FULL_S + _BEFORE_S)
    groups = max(1, round(cast.groups * share))
    # Groups begin evenly over the scene and some before it, so that its start is like its middle.
    for number in range(groups):
        slot = (number + chance.uniform(-0.3, 0.3)) / groups
        begins_s = slot * (until_s + _BEFORE_S) - _BEFORE_S
        way = land.trails[int(chance.integers(len(land.trails)))]
        if chance.random() < 0.3:
            way = way[::-1]
        movers += _group(chance, f"group-{number}", way, begins_s, until_s)
    for number in range(cast.patrols):
        y_m = -15.0 - 20.0 * number
        beat = np.array([(-160.0, y_m), (160.0, y_m), (-160.0, y_m), (160.0, y_m)])
        begins_s = chance.uniform(-100.0, 0.3 * until_s)
        movers += _group(chance, f"patrol-{number}", beat, begins_s, until_s, size=2, unit=True)
    fields = land.fields or (Disc(0.0, -90.0, 40.0),)
    for number in range(cast.farmers):
        field = fields[number % len(fields)]
        times_s, xy_m = wandering(chance, field, until_s, pace_mps=(0.3, 0.9))
        movers.append(Mover(f"farmer-{number}", "person", "person", times_s, xy_m))
    for number in range(cast.animals):
        field = fields[int(chance.integers(len(fields)))]
        times_s, xy_m = wandering(chance, field, until_s, pace_mps=(0.2, 1.2))
        label = _LABELS["animal"][number % 3]
        movers.append(Mover(f"animal-{number}", "animal", label, times_s, xy_m))
    for number in range(round(cast.vehicles * share)):
        begins_s = chance.uniform(0.0, max(1.0, until_s - 60.0))
        way = ROAD if chance.random() < 0.5 else ROAD[::-1]
        times_s, at_m = progress(
            chance, length_m(way), begins_s, until_s, pace_mps=chance.uniform(4.0, 10.0), stops=0
        )
        label = _LABELS["vehicle"][number % 3]
        movers.append(Mover(f"vehicle-{number}", "vehicle", label, times_s, along(way, at_m)))
    return [mover for mover in movers if len(mover.times_s) > 1]


def _group(
    chance: np.random.Generator,
    name: str,
    way: FloatArray,
    begins_s: float,
    until_s: float,
    *,
    size: int | None = None,
    unit: bool = False,
) -> Iterator[Mover]:
    """Let 2 to 6 people walk in file, 2 to 3 m apart; now and then all of them rest."""
    size = int(chance.integers(2, 7)) if size is None else size
    pace_mps = chance.uniform(0.8, 1.5)
    stops = int(chance.integers(0, 2))
    times_s, lead_m = progress(
        chance, length_m(way), begins_s, until_s, pace_mps=pace_mps, stops=stops
    )
    if len(times_s) < 2:
        return
    behind_m = 0.0
    for number in range(size):
        sway_m = swaying(chance, len(times_s), sigma_m=0.3, memory_s=8.0)
        aside_m = swaying(chance, len(times_s), sigma_m=0.5, memory_s=15.0)
        at_m = lead_m - behind_m + sway_m
        xy_m = along(way, at_m)
        ahead = along(way, at_m + 1.0) - xy_m
        ahead /= np.hypot(*ahead.T)[:, None]
        xy_m = xy_m + aside_m[:, None] * np.column_stack((-ahead[:, 1], ahead[:, 0]))
        kept = times_s >= 0.0
        tells = name if unit and number == 0 else None
        yield Mover(f"{name}-{number}", "person", "person", times_s[kept], xy_m[kept], tells)
        behind_m += chance.uniform(2.0, 3.0)


def progress(
    chance: np.random.Generator,
    whole_m: float,
    begins_s: float,
    until_s: float,
    *,
    pace_mps: float,
    stops: int,
) -> tuple[FloatArray, FloatArray]:
    """Return times (N,) and distances (N,) along a way at a varying pace, with stops."""
    count = max(0, int((until_s - begins_s) / STEP_S) + 1)
    times_s = begins_s + STEP_S * np.arange(count)
    speed_mps = pace_mps * np.clip(1.0 + swaying(chance, count, 0.12, 20.0), 0.3, 1.6)
    for _ in range(stops):
        start_s = begins_s + chance.uniform(0.2, 0.8) * whole_m / pace_mps
        speed_mps[(times_s > start_s) & (times_s < start_s + chance.uniform(15.0, 45.0))] = 0.0
    at_m = np.cumsum(speed_mps) * STEP_S
    there = at_m <= whole_m
    return times_s[there], at_m[there]


def swaying(
    chance: np.random.Generator, count: int, sigma_m: float, memory_s: float
) -> FloatArray:
    """Return a slowly wandering value (N,): Ornstein-Uhlenbeck, smoothed over its steps."""
    keep = np.exp(-STEP_S / memory_s)
    kicks = chance.normal(0.0, sigma_m * np.sqrt(1.0 - keep**2), count)
    values, value = np.empty(count), chance.normal(0.0, sigma_m)
    for index in range(count):
        value = keep * value + kicks[index]
        values[index] = value
    smooth = np.ones(8) / 8.0  # 2 s: nobody jerks
    return np.convolve(np.pad(values, (4, 3), mode="edge"), smooth, mode="valid")[:count]


def wandering(
    chance: np.random.Generator, field: Disc, until_s: float, *, pace_mps: tuple[float, float]
) -> tuple[FloatArray, FloatArray]:
    """Go from one place of a field to another, and stop there for a while."""
    times_s, points = [0.0], [_somewhere(chance, field)]
    while times_s[-1] < until_s:
        times_s.append(times_s[-1] + chance.uniform(5.0, 60.0))
        points.append(points[-1])
        goal = _somewhere(chance, field)
        times_s.append(times_s[-1] + np.hypot(*(goal - points[-1])) / chance.uniform(*pace_mps))
        points.append(goal)
    return np.array(times_s), np.array(points)


def _somewhere(chance: np.random.Generator, field: Disc) -> FloatArray:
    radius_m, angle = field.radius_m * np.sqrt(chance.random()), chance.uniform(0.0, 2 * np.pi)
    return np.array([field.x_m + radius_m * np.cos(angle), field.y_m + radius_m * np.sin(angle)])
