"""How soon our people can be where: along the trails of our own side, and across the open to them.

    o unit                      across the open to stations of the trails, slower; from there on
     `.   s   s   s   s         along them, each leg by its slope (`fusion.situation.slope`)
       `. ^---|---|---|
    ===================== the line, or the edge of its strip: no leg comes upon it

Stations stand on every trail, at its ends and a little way apart. What lies beyond the line, in an
undemarcated strip, in a river or past a free end of the line is not ours to walk on.
"""

import heapq
import math
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

from fusion.local_frame import Metres
from fusion.situation.border import REACH_M, Border
from fusion.situation.trail_network import Course, TrailNetwork

EVERY_M: Final = 25.0
_SIGMAS: Final = 2.0  # of the line: nearer to it nobody says on which side
_NO_MORE: Final = 1e-6  # the last digit of a length sets no station more
_LEAST_STEP_M: Final = 1.0
_ON_TRAIL_M: Final = 20.0
_OFF_TRAIL: Final = 0.6  # of the pace (DOMAIN.md 5.5)


class Reached(NamedTuple):
    """A station, and how one comes there soonest."""

    seconds: float
    length_m: float
    before: int | None  # the station before it; None: straight from where they were


class _Leg(NamedTuple):
    """From one station to the next."""

    there: int
    length_m: float
    flat_m: float  # what it takes on flat ground


class OwnGround:
    """The stations of one sector's trails. All answers are pure geometry; memos change none."""

    def __init__(self, network: TrailNetwork, border: Border) -> None:
        """Set stations along every edge; the legs between are looked at once somebody asks."""
        self._network, self._border = network, border
        self.places: list[Metres] = [node.at for node in network.nodes]
        self._along: list[tuple[tuple[int, float], ...]] = []
        self._beside: list[list[tuple[int, int, float, float]]] = [[] for _ in network.nodes]
        self._legs: dict[int, tuple[_Leg, ...]] = {}
        for number, edge in enumerate(network.edges):
            parts = max(1, math.ceil(edge.length_m / EVERY_M - _NO_MORE))
            course = Course(number, onward=True)
            inner = [part / parts * edge.length_m for part in range(1, parts)]
            first = len(self.places)
            self.places += [network.point(course, s_m) for s_m in inner]
            self._beside += [[] for _ in inner]
            along = (
                (edge.first, 0.0), *enumerate(inner, first), (edge.last, edge.length_m),
            )  # fmt: skip
            self._along.append(along)
            for (a, a_m), (b, b_m) in pairwise(along):
                self._beside[a].append((b, number, a_m, b_m))
                self._beside[b].append((a, number, b_m, a_m))

    def along(self, course: Course) -> tuple[tuple[int, float], ...]:
        """Return the stations of an edge as a course comes by, and how far along it each is, m."""
        stations = self._along[course.edge]
        if course.onward:
            return stations
        length_m = stations[-1][1]
        return tuple((one, length_m - s_m) for one, s_m in reversed(stations))

    def room_m(self, at: Metres) -> float | None:
        """Return how far one can go from a point, any way, and still be on our own side.

        0 or less: it is not ours, or nobody can say. None: the line is so far that nobody asks.
        """
        side = self._border.side(*at)
        if side is None:
            return None
        if side.past_end:
            return 0.0
        return side.distance_m - side.half_m - _SIGMAS * side.sigma_m

    def reached(
        self,
        start: Metres,
        sigma_m: float,
        *,
        pace_mps: float,
        off_trail_m: float,
        within_s: float,
    ) -> dict[int, Reached]:
        """Return the stations that one reaches in time from a place (Dijkstra).

        Args:
            start: Where they are.
            sigma_m: Of it: within twice as much nobody asks on which side of the line they are.
            pace_mps: On flat ground.
            off_trail_m: Across the open they go no farther; whoever is on a trail keeps to the
                trails, since nobody knows how steep it is beside them.
            within_s: The time that they have.
        """
        on_m = max(_ON_TRAIL_M, 2.0 * sigma_m)
        feet = self._network.feet(*start, on_m)
        if feet:
            # Of the two stations beside them, one may not be ours.
            off_trail_m = min(off_trail_m, 2.0 * EVERY_M + min(foot.away_m for foot in feet))
        ahead: list[tuple[float, int, float, int | None]] = []
        for number, place in enumerate(self.places):
            away_m = math.dist(start, place)
            if away_m <= off_trail_m:
                ahead.append((away_m / (_OFF_TRAIL * pace_mps), number, away_m, None))
        heapq.heapify(ahead)
        found: dict[int, Reached] = {}
        while ahead:
            seconds, number, length_m, before = heapq.heappop(ahead)
            if seconds > within_s:
                break
            if number in found:
                continue
            if before is None and not self._is_open(start, self.places[number], sigma_m):
                continue
            found[number] = Reached(seconds, length_m, before)
            for leg in self._legs_from(number):
                step = (
                    seconds + leg.flat_m / pace_mps, leg.there, length_m + leg.length_m, number,
                )  # fmt: skip
                heapq.heappush(ahead, step)
        return found

    def _is_open(self, start: Metres, place: Metres, sigma_m: float) -> bool:
        """Tell whether a straight way lies on our own side, but for the error of its start."""
        whole_m = math.dist(start, place)
        left_m = whole_m
        while left_m > 0.0:
            share = left_m / whole_m
            at = Metres(
                place.x_m + (1.0 - share) * (start.x_m - place.x_m),
                place.y_m + (1.0 - share) * (start.y_m - place.y_m),
            )
            room_m = self.room_m(at)
            if room_m is not None and room_m <= 0.0:
                return left_m <= 2.0 * sigma_m
            left_m -= max(_LEAST_STEP_M, REACH_M / 2.0 if room_m is None else room_m)
        return True

    def _legs_from(self, number: int) -> tuple[_Leg, ...]:
        """Return the legs from a station that lie on our own side."""
        known = self._legs.get(number)
        if known is None:
            network = self._network
            known = self._legs[number] = tuple(
                _Leg(there, abs(to_m - from_m), network.flat_m(course, from_m, to_m))
                for there, edge, from_m, to_m in self._beside[number]
                for course in (Course(edge, onward=to_m > from_m),)
                if self._is_ours(edge, min(from_m, to_m), max(from_m, to_m))
            )
        return known

    def _is_ours(self, edge: int, from_m: float, to_m: float) -> bool:
        """Tell whether a stretch of an edge lies on our own side, or far from the line."""
        course, s_m = Course(edge, onward=True), from_m
        while True:
            room_m = self.room_m(self._network.point(course, s_m))
            if room_m is not None and room_m <= 0.0:
                return False
            if s_m >= to_m:
                return True
            s_m = min(to_m, s_m + max(_LEAST_STEP_M, REACH_M / 2.0 if room_m is None else room_m))


@lru_cache(maxsize=4)
def own_ground(network: TrailNetwork, border: Border) -> OwnGround:
    """Return the stations of a sector; they are set once."""
    return OwnGround(network, border)
