"""Who sees what at an instant of a recording, and for how long nobody did: `fusion coverage`."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from edge.messages import InvalidMessageError, Polygon, RefusedError, UtcTime, to_builtins
from fusion.intake import Admitted, Intake
from fusion.replay import recorded
from fusion.sector import Sector
from fusion.situation.blind_hours import BlindHours
from fusion.situation.coverage import Coverage, Span, area_of, blind_stretches, path_of
from fusion.situation.devices import DeviceFault, DeviceWatch

_STEP_S: Final = 60.0  # event time between the instants whose hours are added up
_BEHIND_S: Final = 30.0  # the hours go behind the newest message: some come a little late
_DIGITS: Final = 7  # of a degree


class Sight(NamedTuple):
    """What the devices of a sector see at an instant."""

    at_s: float  # event time, seconds since 1970
    devices: tuple[str, ...]  # that say how they are
    seeing: Mapping[str, Polygon]
    covers: tuple[Coverage, ...]
    faults: tuple[DeviceFault, ...]  # that last
    hours: BlindHours  # until then
    left_out: tuple[str, ...]  # why lines of the recording are no message


def sight_at(sector: Sector, lines: Iterable[bytes], at_s: float = math.inf) -> Sight:
    """Read a recording; what was captured by an instant counts, whenever it came.

    Args:
        sector: Whose recording it is.
        lines: In order of arrival.
        at_s: Event time of the instant; past the end it is the end.

    Raises:
        RefusedError: Nothing was captured by then.
    """
    watch, hours = DeviceWatch(sector), BlindHours()
    seeing: Mapping[str, Polygon] = {}
    covers = blind_stretches(sector, seeing)
    newest_s, counted_s = -math.inf, math.inf
    left_out: list[str] = []
    for one, received_s in admitted(sector, lines, left_out):
        if one.at_s is None or one.at_s <= at_s:
            watch.note(one.message, one.at_s, received_s)
        if one.at_s is not None:
            counted_s = one.at_s if math.isinf(counted_s) else counted_s
            newest_s = max(newest_s, min(one.at_s, at_s))
        while newest_s - _BEHIND_S >= counted_s + _STEP_S:
            counted_s += _STEP_S
            if (now := watch.seeing(counted_s)) != seeing:
                seeing, covers = now, blind_stretches(sector, now)
            hours.add(_STEP_S, covers, watch.devices.difference(seeing))
    if not watch.heard:
        when = "" if math.isinf(at_s) else f" by {UtcTime.from_epoch_s(at_s).rfc3339()}"
        msg = f"the recording holds nothing that was captured{when}"
        raise RefusedError(msg)
    watch.settle(newest_s)
    faults = tuple(one for one in watch.faults.values() if one.ended_s is None)
    seeing = watch.seeing(newest_s)
    covers = blind_stretches(sector, seeing)
    names = tuple(sorted(watch.devices))
    return Sight(newest_s, names, seeing, covers, faults, hours, tuple(left_out))


def admitted(
    sector: Sector, lines: Iterable[bytes], left_out: list[str]
) -> Iterator[tuple[Admitted, float]]:
    """Yield what the engine would take in, and by the clock when; add why lines are none."""
    intake = Intake(sector.rules, sector.frame, sector.id)
    for line in lines:
        if not line.strip():
            continue
        try:
            message, received_at = recorded(line, sector)
        except InvalidMessageError as error:
            left_out.append(str(error))
            continue
        for one in intake.admit(message, received_at.timestamp()):
            if isinstance(one, Admitted):
                yield one, received_at.timestamp()


def told(sector: Sector, sight: Sight) -> Iterator[dict[str, Any]]:
    """Yield a line for each device, for each trail and for the border. Lengths in metres."""
    at = UtcTime.from_epoch_s(sight.at_s).rfc3339()
    blind_h = sight.hours.devices()
    for name in sight.devices:
        faults = [one for one in sight.faults if name in one.devices]
        area_m2 = area_of(sight.seeing[name], sector.frame).area if name in sight.seeing else 0.0
        yield {
            "kind": "device",
            "id": name,
            "at": at,
            "sees": name in sight.seeing,
            "area_m2": round(area_m2),
            "faults": [
                {"cause": one.cause.value, "since": UtcTime.from_epoch_s(one.began_s).rfc3339()}
                for one in faults
            ],
            "blind_h": round(blind_h.get(name, 0.0), 2),
        }
    stretches = sight.hours.stretches()
    for cover in sight.covers:
        line, length_m = cover.line, cover.line.length_m
        yield {
            "kind": line.kind,
            "id": line.id,
            "name": line.name,
            "at": at,
            "length_m": round(length_m, 1),
            "unseen_m": round(cover.unseen_m, 1),
            "unseen_percent": round(100.0 * cover.unseen_m / length_m, 1),
            "unseen": [_span(one) for one in cover.unseen],
            "seen_by": {name: [_span(one) for one in its] for name, its in cover.seen_by.items()},
            "blind_h": [
                {**_span((one.from_m, one.to_m)), "hours": one.hours}
                for one in stretches
                if one.line == (line.kind, line.id)
            ],
            "of_h": round(sight.hours.hours, 2),
        }


def drawn(sector: Sector, sight: Sight) -> dict[str, Any]:
    """Return as GeoJSON what devices see, and the stretches that nobody sees."""
    at = UtcTime.from_epoch_s(sight.at_s).rfc3339()
    features = [
        _feature(to_builtins(area), kind="footprint", device=name, at=at)
        for name, area in sight.seeing.items()
    ]
    for cover in sight.covers:
        for span in cover.unseen:
            paths = [
                [_lonlat(sector, *point) for point in path] for path in path_of(cover.line, span)
            ]
            shape = {"type": "MultiLineString", "coordinates": paths}
            features.append(
                _feature(shape, kind="unseen", line=cover.line.id, at=at, **_span(span))
            )
    return {"type": "FeatureCollection", "features": features}


def _span(span: Span) -> dict[str, float]:
    return {"from_m": round(span[0], 1), "to_m": round(span[1], 1)}


def _lonlat(sector: Sector, x_m: float, y_m: float) -> list[float]:
    lat, lon = sector.frame.to_wgs84(x_m, y_m)
    return [round(lon, _DIGITS), round(lat, _DIGITS)]


def _feature(geometry: dict[str, Any], **properties: object) -> dict[str, Any]:
    properties = {"layer": "coverage", **properties}
    return {"type": "Feature", "geometry": geometry, "properties": properties}
