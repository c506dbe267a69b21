"""Who walks in the demo world, and where each is at any moment: the truth, as pure functions.

Time is seconds since the night began; the scene comes back every `PERIOD_S` with another group:
a group crosses outbound, on trail-1 and on trail-3 in turn; a traveller passes the gate; a patrol
with GPS walks over the line and along it; and all night a farmer works near the line.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from math import floor, hypot
from typing import Final, NamedTuple

import numpy as np

from maps.demo.landscape import BORDER, TRAILS, Point

PERIOD_S: Final = 120.0
FIRST_CROSSING_S: Final = 30.0
TRAVELLER_CROSSES_S: Final = 45.0
PATROL_CROSSES_S: Final = 65.0
PATROL_UNIT: Final = "patrol-01"
_SPEED_MPS: Final = 1.25
_GROUP_SIZES: Final = (3, 4)
# A walker who is somewhere within a period began less than this before it.
_LONGEST_WALK_S: Final = 100.0
# Side by side as the cameras look (from the south and south-west): nobody hides another's feet.
_FORMATION: Final = (Point(-1.7, 0.3), Point(0.0, -0.6), Point(1.7, 0.1), Point(0.9, -3.4))
_PATROL_FORMATION: Final = (Point(-0.8, 0.4), Point(0.8, -0.4))
_PATROL_ROUTE: Final = (
    Point(92.0, 0.0),
    Point(64.0, -6.0),
    Point(53.5, -4.0),
    Point(53.5, 7.0),
    Point(66.0, 12.0),
    Point(84.0, 13.0),
    Point(90.0, 0.0),
)
_FIELD_ROUTE: Final = (
    Point(50.5, -13.5),
    Point(53.0, -13.0),
    Point(52.0, -11.5),
    Point(49.5, -12.5),
    Point(50.5, -13.5),
)
_FIELD_SPEED_MPS: Final = 0.35


class Role(StrEnum):
    """Why somebody is there."""

    GROUP = "group"
    TRAVELLER = "traveller"
    PATROL = "patrol"
    FARMER = "farmer"


class Looks(NamedTuple):
    """How a walker is drawn."""

    figure: int  # which of the cut-out people
    mirrored: bool
    brightness: float
    height_m: float


@dataclass(frozen=True, slots=True)
class Walker:
    """One person with a known way through the world.

    Attributes:
        walker_id: Unique in the night.
        role: Why the person is there.
        looks: How the person is drawn.
        times_s: When the person is at each of `places`, rising.
        places: The way, straight between these.
        repeats: Whether the way starts again after its end, for ever.
    """

    walker_id: str
    role: Role
    looks: Looks
    times_s: tuple[float, ...]
    places: tuple[Point, ...]
    repeats: bool = False

    def at(self, night_s: float) -> Point | None:
        """Return where the person stands, or None when not in the world."""
        if self.repeats:
            first, last = self.times_s[0], self.times_s[-1]
            night_s = first + (night_s - first) % (last - first)
        return _along(self.times_s, self.places, night_s)


class TrueCrossing(NamedTuple):
    """One walker's step over the line."""

    night_s: float
    walker_id: str
    role: Role
    place: Point
    outbound: bool


def walkers_at(night_s: float, *, seed: int) -> list[tuple[Walker, Point]]:
    """Return everybody who is in the world at this moment, with the place of each."""
    present = []
    for wave in _waves_between(night_s, night_s):
        for walker in walkers_of(wave, seed):
            place = walker.at(night_s)
            if place is not None:
                present.append((walker, place))
    farmer = _farmer()
    present.append((farmer, farmer.at(night_s) or farmer.places[0]))
    return present


def patrol_at(night_s: float) -> Point | None:
    """Return where the patrol's GPS receiver is, or None while no patrol is out."""
    for wave in _waves_between(night_s, night_s):
        times_s, places = _timed(_PATROL_ROUTE, PATROL_CROSSES_S + wave * PERIOD_S)
        place = _along(times_s, places, night_s)
        if place is not None:
            return place
    return None


def crossings(from_s: float, to_s: float, *, seed: int) -> list[TrueCrossing]:
    """Return every step over the line in this time, in order."""
    found = [
        crossing
        for wave in _waves_between(from_s, to_s)
        for walker in walkers_of(wave, seed)
        for crossing in _crossings_of(walker)
        if from_s <= crossing.night_s <= to_s
    ]
    return sorted(found)


@lru_cache(maxsize=64)
def walkers_of(wave: int, seed: int) -> tuple[Walker, ...]:
    """Return the people of one period: the group, the traveller, the patrol."""
    random = np.random.default_rng((seed, wave))
    begins_s = wave * PERIOD_S
    size = _GROUP_SIZES[int(random.integers(len(_GROUP_SIZES)))]
    trail = TRAILS["trail-1" if wave % 2 == 0 else "trail-3"]
    group = _together(f"w{wave}-group", Role.GROUP, trail[1:4], _FORMATION[:size])
    traveller = _together(f"w{wave}-traveller", Role.TRAVELLER, TRAILS["trail-2"][1:4], _ALONE)
    patrol = _together(f"w{wave}-patrol", Role.PATROL, _PATROL_ROUTE, _PATROL_FORMATION)
    crossing_s = {
        Role.GROUP: FIRST_CROSSING_S,
        Role.TRAVELLER: TRAVELLER_CROSSES_S,
        Role.PATROL: PATROL_CROSSES_S,
    }
    people = []
    for name, role, route, offset in (*group, *traveller, *patrol):
        looks = Looks(
            figure=int(random.integers(2)),
            mirrored=bool(random.integers(2)),
            brightness=float(random.uniform(0.8, 1.15)),
            height_m=float(random.uniform(1.6, 1.75)),
        )
        times_s, places = _timed(route, begins_s + crossing_s[role])
        shifted = tuple(
            Point(place.east_m + offset.east_m, place.north_m + offset.north_m) for place in places
        )
        people.append(Walker(name, role, looks, times_s, shifted))
    return tuple(people)


_ALONE: Final = (Point(0.0, 0.0),)


def _along(times_s: tuple[float, ...], places: tuple[Point, ...], night_s: float) -> Point | None:
    if not times_s[0] <= night_s <= times_s[-1]:
        return None
    east = np.interp(night_s, times_s, [place.east_m for place in places])
    north = np.interp(night_s, times_s, [place.north_m for place in places])
    return Point(float(east), float(north))


def _together(
    name: str, role: Role, route: tuple[Point, ...], formation: tuple[Point, ...]
) -> list[tuple[str, Role, tuple[Point, ...], Point]]:
    return [(f"{name}-{index}", role, route, offset) for index, offset in enumerate(formation)]


def _timed(
    route: tuple[Point, ...], crosses_s: float
) -> tuple[tuple[float, ...], tuple[Point, ...]]:
    """Give a route its times, so that it is on the line at `crosses_s` and keeps its pace."""
    lengths = [hypot(b.east_m - a.east_m, b.north_m - a.north_m) for a, b in pairwise(route)]
    walked_m = np.concatenate([[0.0], np.cumsum(lengths)])
    at_line_m = next(
        float(walked_m[index]) + share * lengths[index]
        for index, (a, b) in enumerate(pairwise(route))
        for share, _ in _over_the_line(a, b)
    )
    times_s = crosses_s + (walked_m - at_line_m) / _SPEED_MPS
    return tuple(float(time_s) for time_s in times_s), route


@lru_cache(maxsize=1)
def _farmer() -> Walker:
    lengths = [
        hypot(b.east_m - a.east_m, b.north_m - a.north_m) for a, b in pairwise(_FIELD_ROUTE)
    ]
    times_s = np.concatenate([[0.0], np.cumsum(lengths)]) / _FIELD_SPEED_MPS
    looks = Looks(figure=0, mirrored=True, brightness=0.9, height_m=1.65)
    return Walker(
        "farmer", Role.FARMER, looks, tuple(map(float, times_s)), _FIELD_ROUTE, repeats=True
    )


def _waves_between(from_s: float, to_s: float) -> range:
    """Return the periods whose people may be about: the night has none before its first."""
    first = floor((from_s - _LONGEST_WALK_S) / PERIOD_S)
    last = floor((to_s + _LONGEST_WALK_S) / PERIOD_S)
    return range(max(first, 0), last + 1)


def _crossings_of(walker: Walker) -> list[TrueCrossing]:
    found = []
    for (a, b), (start_s, end_s) in zip(
        pairwise(walker.places), pairwise(walker.times_s), strict=True
    ):
        for share, outbound in _over_the_line(a, b):
            place = Point(
                a.east_m + share * (b.east_m - a.east_m),
                a.north_m + share * (b.north_m - a.north_m),
            )
            night_s = start_s + share * (end_s - start_s)
            found.append(TrueCrossing(night_s, walker.walker_id, walker.role, place, outbound))
    return found


def _over_the_line(a: Point, b: Point) -> list[tuple[float, bool]]:
    """Return how far along a->b (0 to 1) it crosses the border, and whether from home."""
    found = []
    for c, d in pairwise(BORDER):
        along_e, along_n = b.east_m - a.east_m, b.north_m - a.north_m
        line_e, line_n = d.east_m - c.east_m, d.north_m - c.north_m
        turn = along_e * line_n - along_n * line_e
        if turn == 0.0:
            continue
        gap_e, gap_n = c.east_m - a.east_m, c.north_m - a.north_m
        share = (gap_e * line_n - gap_n * line_e) / turn
        on_line = (gap_e * along_n - gap_n * along_e) / turn
        if 0.0 <= share < 1.0 and 0.0 <= on_line < 1.0:
            # Home is right of the line's direction: outbound goes from its right to its left.
            found.append((share, line_e * along_n - line_n * along_e > 0.0))
    return sorted(found)
