"""Which stretches of the trails and of the border line nobody sees, by what devices say.

        ┌ footprint of cam-01 ┐          ┌ cam-02 ┐
    ────┼─────────────────────┼──────────┼────────┼──▶  chainage along a trail, m
    ████                       ██████████          ██   nobody sees it

Footprints are GeoJSON polygons in WGS 84; lengths are measured in the sector's plane. Not for
every look: one instant takes a millisecond and more.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import shapely

from edge.messages import Polygon, Reason
from fusion.local_frame import LocalFrame, Metres
from fusion.sector import Sector

BORDER: Final = "border"  # the id of the whole line
_TOLD: Final = 3  # stretches in the reasons of one notice
_MEET_M: Final = 1e-6

Span = tuple[float, float]  # chainage from and to, m


class Leg(NamedTuple):
    """A straight piece of a line."""

    a: Metres
    b: Metres
    from_m: float  # chainage of `a`
    to_m: float


class Line(NamedTuple):
    """A trail, or the border line with all its pieces one behind the other."""

    id: str
    name: str
    kind: Literal["trail", "border"]
    legs: tuple[Leg, ...]

    @property
    def length_m(self) -> float:
        """Return how long it is."""
        return self.legs[-1].to_m


class Coverage(NamedTuple):
    """How much of a line is seen."""

    line: Line
    seen_by: Mapping[str, tuple[Span, ...]]  # by device
    unseen: tuple[Span, ...]

    @property
    def unseen_m(self) -> float:
        """Return how much of it nobody sees."""
        return math.fsum(to_m - from_m for from_m, to_m in self.unseen)


def lines_of(sector: Sector) -> Iterator[Line]:
    """Yield the border line and every trail. A river is a way of boats: it counts too."""
    yield Line(BORDER, BORDER, "border", _legs(piece.line for piece in sector.border.pieces))
    for trail in sector.trails:
        yield Line(trail.id, trail.name, "trail", _legs([trail.line]))


def blind_stretches(sector: Sector, footprints: Mapping[str, Polygon]) -> tuple[Coverage, ...]:
    """Return how much of each line the devices see together, and what nobody sees.

    Args:
        sector: Whose lines.
        footprints: What each device sees, by its name; only of those that see now.
    """
    areas = {name: area_of(one, sector.frame) for name, one in footprints.items()}
    shortest_m = sector.rules.coverage.shortest_m
    covers = []
    for line in lines_of(sector):
        seen = {name: _within(line, area) for name, area in sorted(areas.items())}
        seen = {name: spans for name, spans in seen.items() if spans}
        together = merged(span for spans in seen.values() for span in spans)
        gaps = holes(together, line.length_m)
        unseen = tuple(one for one in gaps if one[1] - one[0] >= shortest_m)
        covers.append(Coverage(line, seen, unseen))
    return tuple(covers)


def newly_blind(
    sector: Sector, lost: Mapping[str, Polygon], left: Mapping[str, Polygon]
) -> tuple[Reason, ...]:
    """Say which stretches of trails nobody sees any more, the longest first.

    Args:
        sector: Whose trails.
        lost: What devices saw that do not any more.
        left: What the others see.
    """
    if not lost:
        return ()
    others = {name: one for name, one in left.items() if name not in lost}
    found = []
    for cover in blind_stretches(sector, {**others, **lost}):
        if cover.line.kind != "trail":
            continue
        theirs = merged(span for name in lost for span in cover.seen_by.get(name, ()))
        kept = merged(span for name in others for span in cover.seen_by.get(name, ()))
        found += [
            (cover.line.id, from_m, to_m)
            for from_m, to_m in _without(theirs, kept)
            if to_m - from_m >= sector.rules.coverage.shortest_m
        ]
    found.sort(key=lambda one: (one[1] - one[2], one))
    return tuple(
        Reason(
            code="blind_stretch",
            text=f"nobody sees the trail {trail} from {from_m:.0f} to {to_m:.0f} m any more",
            value=round(to_m - from_m, 1),
        )
        for trail, from_m, to_m in found[:_TOLD]
    )


def area_of(footprint: Polygon, frame: LocalFrame) -> shapely.Geometry:
    """Lay a footprint into the plane; one that crosses itself holds what it encloses."""
    rings = [
        [frame.to_metres(lat=lat, lon=lon) for lon, lat in ring] for ring in footprint.coordinates
    ]
    rings = [ring for ring in rings if len(set(ring)) > 2]  # noqa: PLR2004 - else it has no inside
    if not rings:
        return shapely.Polygon()
    return shapely.make_valid(shapely.Polygon(rings[0], rings[1:]))


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Join spans that meet; in order."""
    joined: list[Span] = []
    for from_m, to_m in sorted(spans):
        if joined and from_m <= joined[-1][1] + _MEET_M:
            joined[-1] = (joined[-1][0], max(to_m, joined[-1][1]))
        else:
            joined.append((from_m, to_m))
    return tuple(joined)


def path_of(line: Line, span: Span) -> tuple[tuple[Metres, ...], ...]:
    """Return the points of a stretch, its ends included; a path for each piece that it touches."""
    paths: list[list[Metres]] = []
    for leg in line.legs:
        from_m, to_m = max(span[0], leg.from_m), min(span[1], leg.to_m)
        if to_m - from_m <= _MEET_M:
            continue
        a, b = _at(leg, from_m), _at(leg, to_m)
        if paths and math.dist(paths[-1][-1], a) <= _MEET_M:
            paths[-1].append(b)
        else:
            paths.append([a, b])
    return tuple(map(tuple, paths))


def _legs(parts: Iterable[Sequence[Metres]]) -> tuple[Leg, ...]:
    legs: list[Leg] = []
    for part in parts:
        for a, b in pairwise(part):
            from_m = legs[-1].to_m if legs else 0.0
            legs.append(Leg(a, b, from_m, from_m + math.dist(a, b)))
    return tuple(legs)


def _within(line: Line, area: shapely.Geometry) -> tuple[Span, ...]:
    """Return the stretches of a line inside an area.

    Leg by leg: along a leg chainage is plain, wherever the line crosses itself.
    """
    shapely.prepare(area)
    segments = shapely.linestrings([[leg.a, leg.b] for leg in line.legs])
    touched = shapely.intersects(segments, area).nonzero()[0].tolist()
    spans: list[Span] = []
    for number in touched:
        leg = line.legs[number]
        for part in shapely.get_parts(shapely.intersection(segments[number], area)):
            if part.length > 0.0:
                ends = sorted(math.dist(leg.a, end) for end in part.coords)
                spans.append((leg.from_m + ends[0], min(leg.to_m, leg.from_m + ends[-1])))
    return merged(spans)


def holes(spans: Sequence[Span], length_m: float) -> Iterator[Span]:
    """Yield what lies between spans in order, from 0 to the length."""
    at_m = 0.0
    for from_m, to_m in spans:
        if from_m > at_m:
            yield at_m, from_m
        at_m = max(at_m, to_m)
    if length_m > at_m + _MEET_M:
        yield at_m, length_m


def _without(spans: Sequence[Span], others: Sequence[Span]) -> Iterator[Span]:
    """Yield what of some spans lies in none of the others; both in order."""
    for from_m, to_m in spans:
        inside = [(max(a, from_m), min(b, to_m)) for a, b in others if b > from_m and a < to_m]
        for a, b in holes([(a - from_m, b - from_m) for a, b in inside], to_m - from_m):
            yield from_m + a, from_m + b


def _at(leg: Leg, chainage_m: float) -> Metres:
    share = (chainage_m - leg.from_m) / (leg.to_m - leg.from_m)
    return Metres(
        leg.a.x_m + share * (leg.b.x_m - leg.a.x_m), leg.a.y_m + share * (leg.b.y_m - leg.a.y_m)
    )
