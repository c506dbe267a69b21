"""What in a sector may be right, and hardly is: for whoever drew it, each with its place.

Nothing here is refused. A border may have two parts and a trail may end in a clearing; but whoever
meant something else should read it before the first night.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final, Literal, NamedTuple

import shapely

from fusion.local_frame import Metres
from fusion.plan import Zone
from fusion.sector import Sector
from fusion.situation.border import JOINED_M
from fusion.situation.schedule import Schedule

_GAP_M: Final = 500.0  # farther apart, pieces of the border are parts of their own
_NEARLY_M: Final = 30.0  # trails that come so near each other were meant to meet
_MARKER_M: Final = 500.0  # markers of a river stand on its banks, and not much farther
_OVERLAP_M2: Final = 1.0
_ALWAYS: Final = Schedule.parse("00:00-24:00")
# In a restricted zone everybody is a matter; in these somebody is meant to be.
_RESTRICTED: Final = "restricted"
_FREQUENTED: Final = {"crossing_point", "farmland", "settlement"}


class Doubt(NamedTuple):
    """Something to look at before it is relied on."""

    kind: str
    severity: Literal[
        "warning", "error"
    ]  # error: people would cross there unseen, or be misjudged
    text: str
    layer: str
    features: tuple[str, ...]  # ids, or `feature 3` of what has none
    spot: Metres


def doubts(sector: Sector) -> list[Doubt]:
    """Find them all, layer by layer."""
    return [
        *_border(sector),
        *_trails(sector),
        *_zones(sector),
        *_markers(sector),
    ]


def _border(sector: Sector) -> Iterator[Doubt]:
    """Find the gaps between its parts, each to the next part once."""
    layer = sector.sources["border"]
    parts = _parts([piece.line for piece in sector.border.pieces])
    lines = [
        shapely.MultiLineString([sector.border.pieces[one].line for one in part]) for part in parts
    ]
    told: set[frozenset[int]] = set()
    for number, line in enumerate(lines):
        others = [other for other in range(len(lines)) if other != number]
        if not others:
            return
        nearest = min(others, key=lambda other: float(shapely.distance(line, lines[other])))
        if frozenset((number, nearest)) in told:
            continue
        told.add(frozenset((number, nearest)))
        ends = [Metres(*at) for at in shapely.shortest_line(line, lines[nearest]).coords]
        gap_m = math.dist(*ends)
        one, other = (
            layer.name_of(min(part, key=lambda i: _away_m(sector.border.pieces[i].line, at)))
            for part, at in zip((parts[number], parts[nearest]), ends, strict=True)
        )
        near = gap_m <= _GAP_M
        yield Doubt(
            kind="border_gap",
            severity="error" if near else "warning",
            text=(
                f"the border has a gap of {_length(gap_m)} between {one} and {other}: "
                + ("whoever passes it crosses unseen" if near else "is a piece missing?")
            ),
            layer="border",
            features=(one, other),
            spot=ends[0],
        )


def _trails(sector: Sector) -> Iterator[Doubt]:
    """Find the ends that stop just short of another trail, or of the line."""
    lines = [shapely.LineString(trail.line) for trail in sector.trails]
    tree = shapely.STRtree(lines)
    border = shapely.MultiLineString([piece.line for piece in sector.border.pieces])
    for number, trail in enumerate(sector.trails):
        for end in (trail.line[0], trail.line[-1]):
            point = shapely.Point(end)
            near = [int(i) for i in tree.query(point, "dwithin", _NEARLY_M) if i != number]
            last = shapely.intersection(lines[number], shapely.buffer(point, 2.0 * _NEARLY_M))
            if near and all(shapely.distance(last, lines[i]) > JOINED_M for i in near):
                other = min(near, key=lambda i: float(shapely.distance(point, lines[i])))
                gap_m, met = float(shapely.distance(point, lines[other])), sector.trails[other].id
                yield Doubt(
                    kind="trails_nearly_touch",
                    severity="warning",
                    text=f"trail {trail.id} ends {_length(gap_m)} short of trail {met}",
                    layer="trails",
                    features=(trail.id, met),
                    spot=end,
                )
            away_m = float(shapely.distance(point, border))
            if JOINED_M < away_m <= _NEARLY_M and shapely.distance(last, border) > 0.0:
                yield Doubt(
                    kind="trail_short_of_line",
                    severity="warning",
                    text=f"trail {trail.id} ends {_length(away_m)} short of the border line",
                    layer="trails",
                    features=(trail.id,),
                    spot=end,
                )


def _zones(sector: Sector) -> Iterator[Doubt]:
    """Find kinds that contradict each other, gates without a line, hours that never come."""
    shapes = [shapely.Polygon(zone.rings[0], zone.rings[1:]) for zone in sector.zones]
    border = shapely.MultiLineString([piece.line for piece in sector.border.pieces])
    for zone, shape in zip(sector.zones, shapes, strict=True):
        middle = Metres(*shape.representative_point().coords[0])
        if zone.kind == "crossing_point" and not shapely.intersects(shape, border):
            yield Doubt(
                kind="crossing_point_off_line",
                severity="error",
                text=f"crossing point {zone.id} holds no piece of the border line",
                layer="zones",
                features=(zone.id,),
                spot=middle,
            )
        if zone.schedule is not None and (never := zone.schedule.never()):
            whole = len(never) == len(zone.schedule.parts)
            yield Doubt(
                kind="never_applies",
                severity="error" if whole else "warning",
                text=f"{'the' if whole else 'a part of the'} schedule of zone {zone.id} "
                f"never applies: {'; '.join(never)}",
                layer="zones",
                features=(zone.id,),
                spot=middle,
            )
    for (one, shape), (other, its) in combinations(zip(sector.zones, shapes, strict=True), 2):
        kinds = {one.kind, other.kind}
        if _RESTRICTED not in kinds or kinds.isdisjoint(_FREQUENTED):
            continue
        common = shapely.intersection(shape, its)
        if common.area <= _OVERLAP_M2 or not _ever_both(one, other):
            continue
        yield Doubt(
            kind="zones_contradict",
            severity="error",
            text=(
                f"zone {one.id} ({one.kind}) and zone {other.id} ({other.kind}) hold at one time "
                f"on the same {common.area:,.0f} m²"
            ),
            layer="zones",
            features=(one.id, other.id),
            spot=Metres(*common.representative_point().coords[0]),
        )


def _markers(sector: Sector) -> Iterator[Doubt]:
    border = shapely.MultiLineString([piece.line for piece in sector.border.pieces])
    for marker in sector.markers:
        point = shapely.Point(marker.at)
        away_m = float(shapely.distance(point, border))
        if away_m > _MARKER_M:
            yield Doubt(
                kind="marker_far",
                severity="warning",
                text=f"marker {marker.id} lies {_length(away_m)} from the border line",
                layer="markers",
                features=(marker.id,),
                spot=marker.at,
            )


def _ever_both(one: Zone, other: Zone) -> bool:
    here, there = one.schedule or _ALWAYS, other.schedule or _ALWAYS
    return here.meets(there)


def _parts(lines: Sequence[Sequence[Metres]]) -> list[list[int]]:
    """Gather the lines whose ends meet."""
    parts = [[number] for number in range(len(lines))]
    for one, other in combinations(range(len(lines)), 2):
        ends = [(a, b) for a in (0, -1) for b in (0, -1)]
        if any(math.dist(lines[one][a], lines[other][b]) <= JOINED_M for a, b in ends):
            here = next(part for part in parts if one in part)
            there = next(part for part in parts if other in part)
            if here is not there:
                here += there
                parts.remove(there)
    return parts


def _away_m(line: Sequence[Metres], at: Metres) -> float:
    return float(shapely.distance(shapely.LineString(line), shapely.Point(at)))


def _length(metres: float) -> str:
    return f"{metres:.1f} m" if metres < 1000.0 else f"{metres / 1000.0:.1f} km"  # noqa: PLR2004
