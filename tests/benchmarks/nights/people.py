"""Who is about in a night: groups that cross or turn back, and everyone who has no such purpose."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from tests.benchmarks.nights.ground import ROAD_M, Ground, gate_way
from tests.benchmarks.scoreboard.movers import STEP_S, Mover, progress, swaying, wandering
from tests.benchmarks.scoreboard.sector import Disc, FloatArray, along, length_m

_FIRST_S: Final = 70.0  # the first of the groups comes to the line
_LAST_S: Final = 60.0  # before the end, the last
_DENSE_M: Final = 2.0
_GUIDE_M: Final = 30.0
_FILE: Final = 3  # so many are a file that someone may lead or lag
_LABELS: Final = {"vehicle": ("truck", "car", "motorcycle"), "animal": ("cow", "dog", "cow")}


class Cast(NamedTuple):
    """How many of each a night of `full_s` has, and the shares of groups with something to them."""

    groups: int = 24
    turn_backs: int = 5  # of the groups
    inbound: float = 0.25
    guides: float = 0.2
    stragglers: float = 0.2
    rests: float = 0.3
    off_trail: float = 0.15  # leave it before the line
    dropped: float = 0.15  # come by a vehicle that stops at the trail
    largest: int = 7
    farmers: int = 6
    animals: int = 6
    strays: int = 2  # animals that go over the line
    busy_s: float = np.inf  # so long each farmer and each animal is about
    patrols: int = 3
    walkers: int = 2  # along the line, at 8 to 20 m
    travellers_each_s: float = 45.0  # through the gate, each way
    vehicles: int = 12
    full_s: float = 1_800.0


class Group(NamedTuple):
    """People who set out together."""

    name: str
    trail: int
    traits: tuple[str, ...]
    movers: tuple[Mover, ...]


class People(NamedTuple):
    """Everyone of a night."""

    groups: tuple[Group, ...]
    others: tuple[Mover, ...]
    visitors: tuple[Mover, ...] = ()  # who ask for alerts of other kinds

    @property
    def movers(self) -> list[Mover]:
        """Return everyone and everything that moves."""
        groups = [mover for group in self.groups for mover in group.movers]
        return [*groups, *self.others, *self.visitors]


class _Plan(NamedTuple):
    """How one group is to walk."""

    name: str
    trail: int
    way: FloatArray  # (N, 2)
    line_m: float  # along it to the line, or to where they turn back
    at_s: float  # when they are to be there
    traits: frozenset[str]
    size: int


def about(chance: np.random.Generator, ground: Ground, cast: Cast, until_s: float) -> People:
    """Let everyone walk their way through a night."""
    on_groups, on_others = chance.spawn(2)
    share = until_s / cast.full_s  # a shorter night has fewer, not a crowd
    plans = list(_plans(on_groups, ground, cast, until_s, max(1, round(cast.groups * share))))
    groups, stops = [], []
    for plan in plans:
        movers = tuple(_walked(on_groups, plan, until_s))
        if movers:
            groups.append(Group(plan.name, plan.trail, tuple(sorted(plan.traits)), movers))
        if "dropped" in plan.traits:
            stops.append(_dropping(on_groups, plan, ground, until_s))
    others = [*stops, *_others(on_others, ground, cast, until_s, share)]
    return People(tuple(groups), tuple(one for one in others if len(one.times_s) > 1))


def _plans(
    chance: np.random.Generator, ground: Ground, cast: Cast, until_s: float, count: int
) -> Iterator[_Plan]:
    trails = len(ground.land.trails)
    turning = set(
        chance.permutation(count)[: round(cast.turn_backs * count / cast.groups)].tolist()
    )
    order: list[int] = []
    for number in range(count):
        # Round by round over the trails: two groups on one trail are minutes apart, mostly.
        order = order or chance.permutation(trails).tolist()
        trail = order.pop()
        slot = (number + chance.uniform(0.1, 0.9)) / count
        drawn = {
            trait
            for trait in ("inbound", "guides", "stragglers", "rests", "off_trail", "dropped")
            if chance.random() < getattr(cast, trait)
        }
        if number in turning:
            drawn = (drawn & {"rests", "dropped"}) | {"turn_back"}
        if "inbound" in drawn:
            drawn.discard("dropped")
        at_s = _FIRST_S + slot * (until_s - _FIRST_S - _LAST_S)
        way, line_m = _way(chance, ground, ground.land.trails[trail], drawn)
        size = int(chance.integers(1, cast.largest + 1))
        if size < _FILE:
            drawn -= {"guides", "stragglers"}
        yield _Plan(f"group-{number:02d}", trail, way, line_m, at_s, frozenset(drawn), size)


def _way(
    chance: np.random.Generator, ground: Ground, trail: FloatArray, traits: set[str]
) -> tuple[FloatArray, float]:
    """Return a group's way, and how far along it the line is, or where they turn back."""
    way = along(trail, np.arange(0.0, length_m(trail), _DENSE_M))
    home_m = ground.home_m(way)
    if "off_trail" in traits:
        aside_m = float(chance.choice((-1.0, 1.0)) * chance.uniform(15.0, 40.0))
        share = np.clip((90.0 - home_m) / 70.0, 0.0, 1.0)
        way = way + np.column_stack((aside_m * share**2 * (3.0 - 2.0 * share), np.zeros(len(way))))
        home_m = ground.home_m(way)
    if "dropped" in traits:
        kept = way[:, 1] >= ROAD_M
        way, home_m = way[kept], home_m[kept]
    if "turn_back" in traits:
        away_m = chance.uniform(6.0, 25.0)
        last = int(np.argmax(home_m <= away_m))
        there = way[: last + 1]
        return np.vstack((there, there[-2::-1])), length_m(there)
    if "inbound" in traits:
        way, home_m = way[::-1], home_m[::-1]
    last = int(np.argmax(np.sign(home_m) != np.sign(home_m[0])))
    return way, length_m(way[: last + 1])


def _walked(chance: np.random.Generator, plan: _Plan, until_s: float) -> Iterator[Mover]:
    """Let a group walk in file, 2 to 3 m apart; a guide goes ahead, a straggler comes behind."""
    pace_mps = chance.uniform(0.9, 1.45)
    whole_m = length_m(plan.way)
    begins_s = plan.at_s - plan.line_m / pace_mps
    times_s, lead_m = progress(
        chance, whole_m, begins_s, until_s, pace_mps=pace_mps, stops=int("rests" in plan.traits)
    )
    if "turn_back" in plan.traits and len(times_s):
        times_s, lead_m = _paused(chance, times_s, lead_m, plan.line_m, until_s)
    kept = times_s >= 0.0
    if np.count_nonzero(kept) < 2:
        return
    behind_m = 0.0
    for number in range(plan.size):
        at_m = lead_m - behind_m + swaying(chance, len(times_s), sigma_m=0.3, memory_s=8.0)
        xy_m = _beside(chance, plan.way, at_m)
        yield Mover(f"{plan.name}-{number}", "person", "person", times_s[kept], xy_m[kept])
        behind_m += chance.uniform(2.0, 3.0)
        if number == 0 and "guides" in plan.traits:
            behind_m += _GUIDE_M
        if number == plan.size - 2 and "stragglers" in plan.traits:
            behind_m += chance.uniform(12.0, 37.0)


def _beside(chance: np.random.Generator, way: FloatArray, at_m: FloatArray) -> FloatArray:
    """Return points (N, 2) on a way, swaying half a metre to its sides."""
    xy_m = along(way, at_m)
    ahead = along(way, at_m + 1.0) - xy_m
    ahead /= np.maximum(np.hypot(*ahead.T), 0.5)[:, None]
    aside_m = swaying(chance, len(at_m), sigma_m=0.5, memory_s=15.0)
    return np.asarray(xy_m + aside_m[:, None] * np.column_stack((-ahead[:, 1], ahead[:, 0])))


def _paused(
    chance: np.random.Generator,
    times_s: FloatArray,
    at_m: FloatArray,
    there_m: float,
    until_s: float,
) -> tuple[FloatArray, FloatArray]:
    """Let them stand for a while where they turn back."""
    first = int(np.searchsorted(at_m, there_m))
    stay = int(chance.uniform(5.0, 40.0) / STEP_S)
    at_m = np.concatenate(
        (at_m[:first], np.full(stay, at_m[min(first, len(at_m) - 1)]), at_m[first:])
    )
    times_s = times_s[0] + STEP_S * np.arange(len(at_m))
    kept = times_s <= until_s
    return times_s[kept], at_m[kept]


def _dropping(chance: np.random.Generator, plan: _Plan, ground: Ground, until_s: float) -> Mover:
    """Let a vehicle stop at the trail just when a group sets out there, and drive on."""
    begins_s = plan.at_s - plan.line_m / 1.2
    road = ground.road if chance.random() < 0.5 else ground.road[::-1]
    at_m = np.arange(0.0, length_m(road), 1.0)
    stop_m = float(at_m[int(np.argmin(np.hypot(*(along(road, at_m) - plan.way[0]).T)))])
    pace_mps, stands_s = chance.uniform(6.0, 11.0), chance.uniform(15.0, 40.0)
    legs_s = begins_s + np.array((-stop_m / pace_mps - 5.0, -5.0, stands_s - 5.0, 0.0))
    legs_s[3] = legs_s[2] + (at_m[-1] - stop_m) / pace_mps
    times_s = np.arange(max(0.0, legs_s[0]), min(until_s, legs_s[3]), STEP_S)
    xy_m = along(road, np.interp(times_s, legs_s, (0.0, stop_m, stop_m, at_m[-1])))
    return Mover(f"vehicle-{plan.name}", "vehicle", "car", times_s, xy_m)


def _others(
    chance: np.random.Generator, ground: Ground, cast: Cast, until_s: float, share: float
) -> Iterator[Mover]:
    fields = ground.land.fields
    for number in range(cast.farmers if fields else 0):
        field = fields[number % len(fields)]
        times_s, xy_m = _busy(chance, field, cast, until_s, pace_mps=(0.3, 0.9))
        yield Mover(f"farmer-{number}", "person", "person", times_s, xy_m)
    for number in range(cast.animals if fields else 0):
        field = fields[int(chance.integers(len(fields)))]
        times_s, xy_m = _busy(chance, field, cast, until_s, pace_mps=(0.2, 1.2))
        yield Mover(f"animal-{number}", "animal", _LABELS["animal"][number % 3], times_s, xy_m)
    for number in range(cast.strays):
        yield _stray(chance, ground, number, until_s)
    for number in range(cast.patrols):
        yield from _patrol(chance, ground, number, until_s)
    for number in range(max(1, round(cast.walkers * share)) if cast.walkers else 0):
        name, begins_s = f"walker-{number}", chance.uniform(-60.0, 0.8 * until_s)
        yield from in_file(chance, name, _beat(chance, ground, 1), begins_s, until_s, size=1)
    yield from _travellers(chance, ground, cast, until_s)
    for number in range(round(cast.vehicles * share)):
        way = ground.road if chance.random() < 0.5 else ground.road[::-1]
        pace_mps, begins_s = chance.uniform(5.0, 12.0), chance.uniform(-60.0, until_s)
        times_s, at_m = progress(
            chance, length_m(way), begins_s, until_s, pace_mps=pace_mps, stops=0
        )
        kept = times_s >= 0.0
        label = _LABELS["vehicle"][number % 3]
        yield Mover(f"vehicle-{number}", "vehicle", label, times_s[kept], along(way, at_m[kept]))


def _busy(
    chance: np.random.Generator,
    field: Disc,
    cast: Cast,
    until_s: float,
    *,
    pace_mps: tuple[float, float],
) -> tuple[FloatArray, FloatArray]:
    """Be about in a field, for some time or the whole of it."""
    for_s = min(cast.busy_s, until_s)
    times_s, xy_m = wandering(chance, field, for_s, pace_mps=pace_mps)
    return times_s + chance.uniform(0.0, until_s - for_s), xy_m


def _stray(chance: np.random.Generator, ground: Ground, number: int, until_s: float) -> Mover:
    """Let an animal graze its way over the line near a trail, either way."""
    x_m, y_m = ground.exit_of(ground.land.trails[int(chance.integers(len(ground.land.trails)))])
    over = np.array((x_m + chance.uniform(-40.0, 40.0), y_m))
    there = np.array((chance.uniform(-20.0, 20.0), chance.uniform(40.0, 80.0)))
    way = over + np.outer(np.linspace(-1.0, 1.0, 9), there)
    way = (way + chance.normal(0.0, 3.0, way.shape))[:: int(chance.choice((-1, 1)))]
    steps_s = np.hypot(*np.diff(way, axis=0).T) / chance.uniform(0.3, 1.5, 8)
    times_s = np.concatenate(([0.0], np.cumsum(steps_s))) + chance.uniform(0.0, 0.9 * until_s)
    return Mover(f"animal-stray-{number}", "animal", _LABELS["animal"][number % 3], times_s, way)


def _patrol(
    chance: np.random.Generator, ground: Ground, number: int, until_s: float
) -> Iterator[Mover]:
    """Send a patrol along the line, or up a trail to the line and back; one tells where it is."""
    size = int(chance.integers(2, 4))
    begins_s = chance.uniform(-100.0, 0.4 * until_s)
    if number % 3 == 1:
        trail = ground.land.trails[int(chance.integers(len(ground.land.trails)))]
        way, _ = _way(chance, ground, trail, {"turn_back"})
    else:
        way = _beat(chance, ground, 3)
    yield from in_file(
        chance, f"patrol-{number}", way, begins_s, until_s, size=size, unit=f"patrol-{number}"
    )


def _beat(chance: np.random.Generator, ground: Ground, legs: int) -> FloatArray:
    """Return a way along the line at 8 to 20 m, past a trail or two, to and fro."""
    x_m, _ = ground.exit_of(ground.land.trails[int(chance.integers(len(ground.land.trails)))])
    ends = [x_m - chance.uniform(60.0, 160.0), x_m + chance.uniform(60.0, 160.0)]
    if chance.random() < 0.5:
        ends.reverse()
    there = ground.path_beside(ends[0], ends[1], chance.uniform(8.0, 20.0))
    return np.vstack([there if leg % 2 == 0 else there[::-1] for leg in range(legs)])


def in_file(
    chance: np.random.Generator,
    name: str,
    way: FloatArray,
    begins_s: float,
    until_s: float,
    *,
    size: int,
    unit: str | None = None,
) -> Iterator[Mover]:
    """Let some walk one behind the other."""
    times_s, lead_m = progress(
        chance, length_m(way), begins_s, until_s, pace_mps=chance.uniform(0.9, 1.4), stops=0
    )
    kept = times_s >= 0.0
    if np.count_nonzero(kept) < 2:
        return
    behind_m = 0.0
    for number in range(size):
        at_m = lead_m - behind_m + swaying(chance, len(times_s), sigma_m=0.3, memory_s=8.0)
        xy_m = _beside(chance, way, at_m)
        who = unit if number == 0 else None
        yield Mover(f"{name}-{number}", "person", "person", times_s[kept], xy_m[kept], who)
        behind_m += chance.uniform(2.0, 3.0)


def _travellers(
    chance: np.random.Generator, ground: Ground, cast: Cast, until_s: float
) -> Iterator[Mover]:
    """Let people go through the gate both ways, alone or in families."""
    if ground.gate_x_m is None:
        return
    way, number, aside = gate_way(ground), 0, np.array((2.5, 0.0))
    for road in (way + aside, way[::-1] - aside):
        at_s = -100.0
        while (at_s := at_s + chance.exponential(cast.travellers_each_s)) < until_s:
            size = int(chance.choice((1, 1, 2, 3)))
            yield from in_file(chance, f"traveller-{number}", road, at_s, until_s, size=size)
            number += 1
