"""The trails of a sector as one network: junctions, ends, and where they come over the line.

    o---------o========X----->       o end   = edge   X where it comes over the border line
              |                      A trail is cut where it meets another, and at the line.
              o-----o

A course is an edge and the way along it. From its far end on, nobody turns round: that is how a
course leads to its exits. Where a trail's heights are known, a way also has a length in metres of
flat ground that take as long (`fusion.situation.slope`); elsewhere that is its length.
"""

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import shapely

from fusion.local_frame import Metres
from fusion.situation.slope import at, flat_m, smoothed

if TYPE_CHECKING:
    from fusion.plan import Trail
    from fusion.rulebook import TrailsRule
    from fusion.situation.border import Border

REACH_M: Final = 60.0  # nobody farther from a trail is on it
_CELL_M: Final = 64.0
_FIELD_M: Final = 256.0  # legs are kept by field: to look through all for a cell takes too long
_MAX_CELLS: Final = 50_000
_MOST_EXITS: Final = 12  # of one course, the nearest ones
_FARTHEST_M: Final = 10_000.0


class Node(NamedTuple):
    """Where edges meet or end."""

    at: Metres
    kind: str  # junction | end | border
    chainage_m: float | None  # along the border line, of a `border` node
    side: str | None = None  # home | abroad; None: at the line, past its end, or far from it


class Edge(NamedTuple):
    """A stretch of one trail from node to node."""

    trail_id: str
    line: tuple[Metres, ...]
    along_m: tuple[float, ...]  # of each vertex, from the first
    first: int  # node
    last: int
    begins_m: float  # along the trail as drawn
    # What takes as long on flat ground, from the first vertex to each: onward, and the other way.
    flat_m: tuple[tuple[float, ...], tuple[float, ...]]

    @property
    def length_m(self) -> float:
        """Return how long it is."""
        return self.along_m[-1]


class Course(NamedTuple):
    """An edge, and which way along it."""

    edge: int
    onward: bool  # as it is drawn


class Foot(NamedTuple):
    """The point of an edge nearest to somebody."""

    edge: int
    s_m: float  # along it
    away_m: float
    aside: Metres  # from it to them
    unit: Metres  # the edge's direction there


class Exit(NamedTuple):
    """Where a course can lead, and over what."""

    node: int
    beyond_m: float  # from the far end of the course to it
    beyond_flat_m: float  # as long on flat ground
    courses: tuple[Course, ...]  # after the one that it is an exit of


class _Leg(NamedTuple):
    """From one vertex of an edge to the next."""

    edge: int
    x_m: float
    y_m: float
    u_x: float  # unit vector
    u_y: float
    length_m: float
    begins_m: float  # along the edge


class TrailNetwork:
    """The network of one sector. All answers are pure geometry; memos change none."""

    def __init__(self, trails: Iterable["Trail"], border: "Border", rule: "TrailsRule") -> None:
        """Join the trails that people walk where they touch, and cut them at the border line."""
        walked = [trail for trail in trails if trail.kind != "river"]
        pieces = _cut(walked, border, rule.join_m)
        self.nodes, self.edges = _joined(pieces, walked, border, rule.join_m)
        leaving: list[list[Course]] = [[] for _ in self.nodes]
        for number, edge in enumerate(self.edges):
            leaving[edge.first].append(Course(number, onward=True))
            leaving[edge.last].append(Course(number, onward=False))
        self._leaving = tuple(map(tuple, leaving))
        self._legs = tuple(
            leg for number, edge in enumerate(self.edges) for leg in _legs(number, edge)
        )
        self._fields: dict[tuple[int, int], list[int]] = {}
        for place, leg in enumerate(self._legs):
            for field in _fields_of(leg):
                self._fields.setdefault(field, []).append(place)
        self._near: dict[tuple[int, int], tuple[_Leg, ...]] = {}
        self._exits: dict[Course, tuple[Exit, ...]] = {}

    def feet(self, x_m: float, y_m: float, within_m: float) -> list[Foot]:
        """Return the nearest point of every edge that lies within so much (`REACH_M` at most)."""
        cell = (math.floor(x_m / _CELL_M), math.floor(y_m / _CELL_M))
        legs = self._near.get(cell)
        if legs is None:
            legs = self._remember(cell)
        best: dict[int, tuple[float, float, _Leg]] = {}
        within_m2 = within_m * within_m
        for leg in legs:
            number, a_x, a_y, u_x, u_y, length_m, _ = leg
            s_m = (x_m - a_x) * u_x + (y_m - a_y) * u_y
            s_m = 0.0 if s_m < 0.0 else min(s_m, length_m)
            m2 = (x_m - a_x - s_m * u_x) ** 2 + (y_m - a_y - s_m * u_y) ** 2
            if m2 <= within_m2 and (number not in best or m2 < best[number][0]):
                best[number] = (m2, s_m, leg)
        return [_foot(leg, s_m, x_m, y_m) for _, s_m, leg in best.values()]

    def end_of(self, course: Course) -> int:
        """Return the node that a course leads to."""
        edge = self.edges[course.edge]
        return edge.last if course.onward else edge.first

    def left_m(self, course: Course, s_m: float) -> float:
        """Return how far it is along a course to its end, from `s_m` along its edge."""
        return self.edges[course.edge].length_m - s_m if course.onward else s_m

    def flat_m(self, course: Course, from_m: float, to_m: float) -> float:
        """Return how many metres of flat ground take as long as a stretch of an edge.

        Args:
            course: Which edge, and which way.
            from_m: Along the edge as drawn; either end of the stretch.
            to_m: The other one.
        """
        edge = self.edges[course.edge]
        costs_m = edge.flat_m[0 if course.onward else 1]
        if costs_m is edge.along_m:
            return abs(to_m - from_m)
        return abs(at(edge.along_m, costs_m, to_m) - at(edge.along_m, costs_m, from_m))

    def left_flat_m(self, course: Course, s_m: float) -> float:
        """Return what `left_m` takes on flat ground."""
        return self.flat_m(course, s_m, self.edges[course.edge].length_m if course.onward else 0.0)

    def gone_flat_m(self, course: Course, from_m: float, to_m: float) -> float:
        """Return what `flat_m` does, of a stretch measured along the course as it is walked."""
        if course.onward:
            return self.flat_m(course, from_m, to_m)
        length_m = self.edges[course.edge].length_m
        return self.flat_m(course, length_m - from_m, length_m - to_m)

    def to_line_m(self, edge: int, x_m: float, y_m: float) -> float | None:
        """Return how far it is from a point of an edge to the line, whichever way is shorter."""
        foot = next((foot for foot in self.feet(x_m, y_m, math.inf) if foot.edge == edge), None)
        if foot is None:
            return None
        over_m = (
            self.left_m(course, foot.s_m) + one.beyond_m
            for course in (Course(edge, onward=True), Course(edge, onward=False))
            for one in self.exits(course)
            if self.nodes[one.node].kind == "border"
        )
        return min(over_m, default=None)

    def leaving(self, node: int) -> tuple[Course, ...]:
        """Return the courses that begin at a node."""
        return self._leaving[node]

    def after(self, course: Course) -> tuple[Course, ...]:
        """Return the courses that one can go on along, without turning round."""
        return tuple(one for one in self._leaving[self.end_of(course)] if one.edge != course.edge)

    def exits(self, course: Course) -> tuple[Exit, ...]:
        """Return where a course leads without turning round, nearest first.

        That is over the line or to an end: whoever comes over the line has left.
        """
        known = self._exits.get(course)
        if known is None:
            known = self._exits[course] = tuple(
                itertools.islice(self._reached(course), _MOST_EXITS)
            )
        return known

    def point(self, course: Course, m: float) -> Metres:
        """Return the point so far along a course, from where it begins."""
        edge = self.edges[course.edge]
        s_m = m if course.onward else edge.length_m - m
        for (a, b), (at_m, to_m) in zip(pairwise(edge.line), pairwise(edge.along_m), strict=True):
            if s_m <= to_m:
                share = max(0.0, s_m - at_m) / (to_m - at_m)
                return Metres(a.x_m + share * (b.x_m - a.x_m), a.y_m + share * (b.y_m - a.y_m))
        return edge.line[-1]

    def _reached(self, course: Course) -> Iterator[Exit]:
        """Go on from a course, nearest first (Dijkstra over courses: no step turns round)."""
        order = itertools.count()  # what is equally far goes in the order of finding
        ahead: list[tuple[float, int, float, Course, tuple[Course, ...]]]
        ahead = [(0.0, next(order), 0.0, course, ())]
        seen: set[Course] = set()
        left: set[int] = set()
        while ahead:
            m, _, flat_m, here, way = heapq.heappop(ahead)
            if here in seen or m > _FARTHEST_M:
                continue
            seen.add(here)
            node = self.end_of(here)
            onward = self.after(here)
            if self.nodes[node].kind == "border" or not onward:
                if node not in left:
                    left.add(node)
                    yield Exit(node, m, flat_m, way)
                continue
            for there in onward:
                length_m = self.edges[there.edge].length_m
                beyond_flat_m = flat_m + self.flat_m(there, 0.0, length_m)
                step = (m + length_m, next(order), beyond_flat_m, there, (*way, there))
                heapq.heappush(ahead, step)

    def _remember(self, cell: tuple[int, int]) -> tuple[_Leg, ...]:
        """Find every leg of an edge that may be near enough to some point of a cell."""
        x_m, y_m = (cell[0] + 0.5) * _CELL_M, (cell[1] + 0.5) * _CELL_M
        reach_m = REACH_M + _CELL_M * math.sqrt(0.5)
        places = {
            place
            for field in _fields(x_m - reach_m, y_m - reach_m, x_m + reach_m, y_m + reach_m)
            for place in self._fields.get(field, ())
        }
        found = tuple(
            leg
            for leg in map(self._legs.__getitem__, sorted(places))
            for s_m in (min(leg.length_m, max(0.0, _along_m(leg, x_m, y_m))),)
            if _foot(leg, s_m, x_m, y_m).away_m <= reach_m
        )
        if len(self._near) >= _MAX_CELLS:
            self._near.clear()
        self._near[cell] = found
        return found


def _legs(number: int, edge: Edge) -> Iterator[_Leg]:
    for (a, b), (at_m, to_m) in zip(pairwise(edge.line), pairwise(edge.along_m), strict=True):
        length_m = to_m - at_m
        u_x, u_y = (b.x_m - a.x_m) / length_m, (b.y_m - a.y_m) / length_m
        yield _Leg(number, a.x_m, a.y_m, u_x, u_y, length_m, at_m)


def _fields_of(leg: _Leg) -> Iterator[tuple[int, int]]:
    """Yield the fields that the box round a leg touches."""
    x_m, y_m = leg.x_m + leg.length_m * leg.u_x, leg.y_m + leg.length_m * leg.u_y
    yield from _fields(min(leg.x_m, x_m), min(leg.y_m, y_m), max(leg.x_m, x_m), max(leg.y_m, y_m))


def _fields(
    west_m: float, south_m: float, east_m: float, north_m: float
) -> Iterator[tuple[int, int]]:
    columns = range(math.floor(west_m / _FIELD_M), math.floor(east_m / _FIELD_M) + 1)
    rows = range(math.floor(south_m / _FIELD_M), math.floor(north_m / _FIELD_M) + 1)
    yield from itertools.product(columns, rows)


def _along_m(leg: _Leg, x_m: float, y_m: float) -> float:
    return (x_m - leg.x_m) * leg.u_x + (y_m - leg.y_m) * leg.u_y


def _foot(leg: _Leg, s_m: float, x_m: float, y_m: float) -> Foot:
    aside = Metres(x_m - leg.x_m - s_m * leg.u_x, y_m - leg.y_m - s_m * leg.u_y)
    unit = Metres(leg.u_x, leg.u_y)
    return Foot(leg.edge, leg.begins_m + s_m, math.hypot(*aside), aside, unit)


class _Piece(NamedTuple):
    """A part of a trail, between two cuts."""

    trail: int
    begins_m: float  # along the trail
    line: tuple[Metres, ...]


def _cut(trails: Sequence["Trail"], border: "Border", join_m: float) -> list[_Piece]:
    """Cut every trail where it meets another or the line."""
    lines = [shapely.LineString(trail.line) for trail in trails]
    # Of the line too: whatever a trail meets, it is cut there.
    walls = [*lines, *(shapely.LineString(piece.line) for piece in border.pieces)]
    tree = shapely.STRtree(walls)
    pieces: list[_Piece] = []
    for number, (trail, line) in enumerate(zip(trails, lines, strict=True)):
        cuts_m = {0.0, line.length}
        for other in sorted(tree.query(line, "dwithin", join_m).tolist()):
            if other != number:
                cuts_m.update(_meetings_m(line, walls[other], join_m))
        if not line.is_simple:
            cuts_m.update(_own_meetings_m(line))
        pieces += [
            _Piece(number, begins_m, part)
            for begins_m, part in _parts(trail.line, sorted(cuts_m), join_m)
        ]
    return pieces


def _meetings_m(
    line: shapely.LineString, other: shapely.LineString, join_m: float
) -> Iterator[float]:
    """Yield how far along a line it meets another: crossings, and ends that all but touch."""
    for x_m, y_m in shapely.get_coordinates(line.intersection(other)).tolist():
        yield line.project(shapely.Point(x_m, y_m))
    for end in (0, -1):
        point = shapely.Point(other.coords[end])
        if line.distance(point) <= join_m:
            yield line.project(point)


def _own_meetings_m(line: shapely.LineString) -> Iterator[float]:
    """Yield how far along a line it meets itself."""
    whole = list(pairwise(line.coords))
    legs = [shapely.LineString(leg) for leg in whole]
    begins_m = list(itertools.accumulate((leg.length for leg in legs), initial=0.0))
    tree = shapely.STRtree(legs)
    for one, other in sorted(
        zip(*(axis.tolist() for axis in tree.query(legs, "intersects")), strict=True)
    ):
        if abs(one - other) > 1:
            for point in shapely.get_coordinates(legs[one].intersection(legs[other])).tolist():
                yield begins_m[one] + math.dist(whole[one][0], point)


def _parts(
    line: tuple[Metres, ...], cuts_m: Sequence[float], join_m: float
) -> Iterator[tuple[float, tuple[Metres, ...]]]:
    """Yield a line in parts, from each cut to the next that is not the same; where each begins."""
    along_m = _along_of(line)
    whole = shapely.LineString(line)
    begins_m = 0.0
    for cut_m in cuts_m:
        is_last = cut_m >= along_m[-1]
        if cut_m - begins_m <= join_m and not is_last:
            continue
        between = [
            one for one, m in zip(line, along_m, strict=True) if begins_m + 1e-6 < m < cut_m - 1e-6
        ]
        ends = [
            Metres(*shapely.get_coordinates(whole.interpolate(m))[0].tolist())
            for m in (begins_m, cut_m)
        ]
        yield begins_m, (ends[0], *between, ends[1])
        begins_m = cut_m


def _along_of(line: Sequence[Metres]) -> tuple[float, ...]:
    """Return how far along a line each of its vertices lies."""
    return tuple(itertools.accumulate((math.dist(a, b) for a, b in pairwise(line)), initial=0.0))


def _flat_of(
    trail: "Trail", begins_m: float, along_m: tuple[float, ...]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return what a part of a trail takes on flat ground, to each of its vertices, either way."""
    if not trail.heights_m:
        return along_m, along_m
    of_trail_m = _along_of(trail.line)
    smooth_m = smoothed(of_trail_m, trail.heights_m)
    heights_m = [at(of_trail_m, smooth_m, begins_m + m) for m in along_m]
    return flat_m(along_m, heights_m, onward=True), flat_m(along_m, heights_m, onward=False)


def _joined(
    pieces: Sequence[_Piece], trails: Sequence["Trail"], border: "Border", join_m: float
) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Name the ends of the pieces, ends within `join_m` by one name."""
    places: list[Metres] = []
    numbers: list[tuple[int, int]] = []
    for piece in pieces:
        found = []
        for end in (piece.line[0], piece.line[-1]):
            near = [number for number, one in enumerate(places) if math.dist(one, end) <= join_m]
            if near:
                found.append(min(near, key=lambda one: (math.dist(places[one], end), one)))
            else:
                places.append(end)
                found.append(len(places) - 1)
        numbers.append((found[0], found[1]))
    edges = []
    for piece, (first, last) in zip(pieces, numbers, strict=True):
        kept = [piece.line[0], *(b for a, b in pairwise(piece.line) if math.dist(a, b) > 0.0)]
        along_m = _along_of(kept)
        if len(kept) > 1 and (first != last or along_m[-1] > 2.0 * join_m):
            trail = trails[piece.trail]
            costs_m = _flat_of(trail, piece.begins_m, along_m)
            edges.append(
                Edge(trail.id, tuple(kept), along_m, first, last, piece.begins_m, costs_m)
            )
    degree = [0] * len(places)
    for edge in edges:
        degree[edge.first] += 1
        degree[edge.last] += 1
    nodes = tuple(
        _node(place, border, count, join_m) for place, count in zip(places, degree, strict=True)
    )
    return nodes, tuple(edges)


def _node(at: Metres, border: "Border", degree: int, join_m: float) -> Node:
    kind = "end" if degree <= 1 else "junction"
    side = border.side(*at)
    if side is None or side.past_end:
        return Node(at, kind, None)
    if abs(side.distance_m) <= join_m:
        return Node(at, "border", side.chainage_m)
    return Node(at, kind, None, "home" if side.distance_m > 0.0 else "abroad")
