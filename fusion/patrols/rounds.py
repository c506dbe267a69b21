"""Which kilometres of the trails our patrols walked, and when last: `fusion patrols`.

From the position messages of a recording or a journal, matched to the trails with their accuracy
(`fusion.situation.walked`). Rivers are no trails that anybody walks.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from edge.messages import PositionMessage, UtcTime
from fusion.sector import Sector
from fusion.situation.coverage import Line, Span, holes, lines_of, merged, path_of
from fusion.situation.patrols import UnitFix, unit_fix
from fusion.situation.walked import walked
from fusion.who_sees import admitted

_MINUTE_S: Final = 60.0  # "when last" is as fine as that
_DIGITS: Final = 7  # of a degree
_SAME_M: Final = 1e-6


class Piece(NamedTuple):
    """A stretch of a trail, and when anybody was last on it."""

    from_m: float
    to_m: float
    last_s: float  # event time, the minute


class Steps(NamedTuple):
    """Where units walked on the trails."""

    walks: Mapping[str, Mapping[float, Sequence[Span]]]  # by trail, by the minute, s since 1970
    units: Mapping[str, frozenset[str]]  # by trail


class Patrolled(NamedTuple):
    """How much of a trail was walked."""

    line: Line
    pieces: tuple[Piece, ...]  # in order
    never: tuple[Span, ...]
    units: tuple[str, ...]

    @property
    def walked_m(self) -> float:
        """Return how much of it was."""
        return math.fsum(piece.to_m - piece.from_m for piece in self.pieces)


class Rounds(NamedTuple):
    """What the patrols of a sector walked in a period."""

    trails: tuple[Patrolled, ...]
    positions: Mapping[str, int]  # by unit
    vague: int  # positions left out: their accuracy says nothing
    since_s: float  # event time of the first position and the last one, or as asked for
    until_s: float
    left_out: tuple[str, ...]  # why lines are no message


def walked_in(
    sector: Sector, lines: Iterable[bytes], since_s: float = -math.inf, until_s: float = math.inf
) -> Rounds:
    """Read a recording; what was captured in the period counts, whenever it came.

    Args:
        sector: Whose recording it is.
        lines: In order of arrival.
        since_s: Event time of the first instant that counts.
        until_s: And of the last.
    """
    fixes: dict[str, set[UnitFix]] = defaultdict(set)
    vague, left_out = 0, list[str]()
    for one, _ in admitted(sector, lines, left_out):
        if not isinstance(one.message, PositionMessage):
            continue
        fix = unit_fix(one.message, sector.frame)
        if not since_s <= fix.at_s <= until_s:
            continue
        if fix.accuracy_m > sector.rules.patrols.max_accuracy_m:
            vague += 1
        else:
            fixes[fix.unit_id].add(fix)
    steps = on_trails(sector, {unit_id: sorted(its) for unit_id, its in sorted(fixes.items())})
    trails = patrolled(sector, [steps])
    times = [fix.at_s for its in fixes.values() for fix in its]
    return Rounds(
        trails=trails,
        positions=Counter({unit_id: len(its) for unit_id, its in sorted(fixes.items())}),
        vague=vague,
        since_s=min(times, default=math.inf) if math.isinf(since_s) else since_s,
        until_s=max(times, default=-math.inf) if math.isinf(until_s) else until_s,
        left_out=tuple(left_out),
    )


def on_trails(sector: Sector, fixes: Mapping[str, Sequence[UnitFix]]) -> Steps:
    """Lay where units were on the trails.

    Args:
        sector: Whose trails.
        fixes: By unit, in order of time.
    """
    walks: dict[str, dict[float, list[Span]]] = defaultdict(lambda: defaultdict(list))
    units: dict[str, set[str]] = defaultdict(set)
    for unit_id, its in fixes.items():
        for stretch in walked(its, sector.network):
            minute_s = math.floor(stretch.at_s / _MINUTE_S) * _MINUTE_S
            walks[stretch.trail_id][minute_s].append(stretch.span_m)
            units[stretch.trail_id].add(unit_id)
    return Steps(
        {trail: {at: merged(spans) for at, spans in its.items()} for trail, its in walks.items()},
        {trail: frozenset(names) for trail, names in units.items()},
    )


def patrolled(sector: Sector, steps: Iterable[Steps]) -> tuple[Patrolled, ...]:
    """Say of every trail but rivers how much of it was walked, over several times."""
    walks: dict[str, dict[float, list[Span]]] = defaultdict(lambda: defaultdict(list))
    units: dict[str, set[str]] = defaultdict(set)
    for one in steps:
        for trail, its in one.walks.items():
            for minute_s, spans in its.items():
                walks[trail][minute_s] += spans
        for trail, names in one.units.items():
            units[trail] |= names
    rivers = {trail.id for trail in sector.trails if trail.kind == "river"}
    return tuple(
        _patrolled(sector, line, walks.get(line.id, {}), units.get(line.id, set()))
        for line in lines_of(sector)
        if line.kind == "trail" and line.id not in rivers
    )


def _patrolled(
    sector: Sector, line: Line, spans: Mapping[float, Iterable[Span]], units: Iterable[str]
) -> Patrolled:
    """Lay what was walked over a trail, the latest on top."""
    pieces: list[Piece] = []
    for minute_s, walks in sorted(spans.items()):
        for from_m, to_m in walks:
            pieces = _over(pieces, Piece(from_m, min(to_m, line.length_m), minute_s))
    shortest_m = sector.rules.coverage.shortest_m
    gaps = holes([(piece.from_m, piece.to_m) for piece in pieces], line.length_m)
    never = tuple((from_m, to_m) for from_m, to_m in gaps if to_m - from_m >= shortest_m)
    return Patrolled(line, tuple(pieces), never, tuple(sorted(units)))


def _over(pieces: Iterable[Piece], top: Piece) -> list[Piece]:
    """Lay a piece over others, in order; what was walked at one time is one piece."""
    if top.to_m - top.from_m <= _SAME_M:
        return list(pieces)
    found, from_m, to_m = [], top.from_m, top.to_m
    for one in pieces:
        if one.to_m < from_m or one.from_m > to_m:
            found.append(one)
        elif one.last_s == top.last_s:
            from_m, to_m = min(from_m, one.from_m), max(to_m, one.to_m)
        else:
            left, right = one._replace(to_m=from_m), one._replace(from_m=to_m)
            found += [part for part in (left, right) if part.to_m - part.from_m > _SAME_M]
    return sorted([*found, Piece(from_m, to_m, top.last_s)])


# -- for people ------------------------------------------------------------------------------


def told(found: Rounds) -> Iterator[dict[str, Any]]:
    """Yield a line for the period and for each trail. Lengths in metres."""
    whole_m = math.fsum(one.line.length_m for one in found.trails)
    walked_m = math.fsum(one.walked_m for one in found.trails)
    yield {
        "kind": "period",
        "since": _time(found.since_s),
        "until": _time(found.until_s),
        "units": dict(found.positions),
        "vague": found.vague,
        "length_m": round(whole_m, 1),
        "walked_m": round(walked_m, 1),
        "walked_percent": _percent(walked_m, whole_m),
    }
    for one in found.trails:
        yield {
            "kind": "trail",
            "id": one.line.id,
            "name": one.line.name,
            "length_m": round(one.line.length_m, 1),
            "walked_m": round(one.walked_m, 1),
            "walked_percent": _percent(one.walked_m, one.line.length_m),
            "last": _time(_last_s(one)),
            "units": list(one.units),
            "walked": [
                {**_span((piece.from_m, piece.to_m)), "last": _time(piece.last_s)}
                for piece in one.pieces
            ],
            "never": [_span(span) for span in one.never],
        }


def table(found: Rounds, sector: Sector) -> str:
    """Return the same for people, in the sector's time; what was walked least comes first."""
    rows = [f"{'trail':24} {'km':>7} {'walked':>8} {'last':>18}  never walked, m along the trail"]
    for one in sorted(found.trails, key=lambda one: one.walked_m / one.line.length_m):
        last_s = _last_s(one)
        last = "never"
        if math.isfinite(last_s):
            local = UtcTime.from_epoch_s(last_s).astimezone(sector.timezone)
            last = local.strftime("%Y-%m-%d %H:%M")
        never = ", ".join(f"{from_m:.0f}-{to_m:.0f}" for from_m, to_m in one.never) or "-"
        percent = _percent(one.walked_m, one.line.length_m)
        km = one.line.length_m / 1000.0
        rows.append(f"{one.line.name[:24]:24} {km:7.2f} {percent:6.1f} % {last:>18}  {never}")
    return "\n".join(rows)


def drawn(sector: Sector, found: Rounds) -> dict[str, Any]:
    """Return as GeoJSON the stretches that were walked, and those that never were."""
    features = []
    for one in found.trails:
        for piece in one.pieces:
            span = (piece.from_m, piece.to_m)
            features.append(_feature(sector, one.line, span, "walked", last=_time(piece.last_s)))
        features += [_feature(sector, one.line, span, "never_walked") for span in one.never]
    return {"type": "FeatureCollection", "features": features}


def _feature(sector: Sector, line: Line, span: Span, kind: str, **more: object) -> dict[str, Any]:
    paths = []
    for path in path_of(line, span):
        degrees = (sector.frame.to_wgs84(*point) for point in path)
        paths.append([[round(lon, _DIGITS), round(lat, _DIGITS)] for lat, lon in degrees])
    properties = {"layer": "patrols", "kind": kind, "trail": line.id, "name": line.name}
    return {
        "type": "Feature",
        "geometry": {"type": "MultiLineString", "coordinates": paths},
        "properties": {**properties, **_span(span), **more},
    }


def _last_s(one: Patrolled) -> float:
    return max((piece.last_s for piece in one.pieces), default=-math.inf)


def _time(at_s: float) -> str | None:
    return UtcTime.from_epoch_s(at_s).rfc3339() if math.isfinite(at_s) else None


def _percent(part: float, whole: float) -> float:
    return round(100.0 * part / whole, 1) if whole else 0.0


def _span(span: Span) -> dict[str, float]:
    return {"from_m": round(span[0], 1), "to_m": round(span[1], 1)}
