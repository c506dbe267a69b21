"""What devices saw and where our units walked on one day, by what history has (`fusion.history`).

Looked at is every ten minutes. A time in which fusion did not run is not known: it was neither
seen nor blind. A device that was heard within a week before and says nothing any more is blind.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from edge.messages import (
    CANARY,
    InvalidMessageError,
    Polygon,
    PositionMessage,
    Scene,
    StatusMessage,
    UtcTime,
    decode_as,
)
from fusion.history import FRAME_OLD_S, SILENT_S, UNIT, Span
from fusion.past import Past
from fusion.patrols.rounds import Steps, on_trails
from fusion.sector import Sector
from fusion.situation.blind_hours import BlindHours
from fusion.situation.coverage import blind_stretches
from fusion.situation.patrols import UnitFix

STEP_S: Final = 600.0
MOST_SENDERS: Final = 1_000
_LATELY_S: Final = 7 * 86_400.0

Times = Sequence[tuple[UtcTime, UtcTime]]


class WatchedDay(NamedTuple):
    """One day, or the part of it that has passed."""

    hours: BlindHours
    seen_h: dict[str, float]  # by device: it was there, and its picture could be trusted
    steps: Steps  # of our units
    unknown_h: float  # fusion did not run, or history was not kept
    vague: int  # positions left out: their accuracy says nothing


def watched_day(
    sector: Sector, past: Past, since: UtcTime, until: UtcTime, *, simulated: bool = False
) -> WatchedDay:
    """Look at a day.

    Args:
        sector: Whose day.
        past: What is known of it.
        since: Where it begins.
        until: Where it ends, or now.
        simulated: Look at the devices and units of exercises instead.
    """
    gaps = past.gaps(since, until)
    unknown_h = sum(end.seconds_since(begin) for begin, end in gaps) / 3600.0
    before = past.heard_at(since, at_most=MOST_SENDERS)
    lately = [one for one in before if since.seconds_since(one.until) < _LATELY_S]
    spans = [*lately, *past.heard(since, until, at_most=MOST_SENDERS)]
    said = [(span, message) for span in spans if (message := _said(span)) is not None]
    said = [(span, message) for span, message in said if message.simulated is simulated]
    statuses = [(span, one) for span, one in said if isinstance(one, StatusMessage)]
    positions = [(span, one) for span, one in said if isinstance(one, PositionMessage)]
    hours, seen_h = _looked(sector, statuses, gaps, since, until)
    fixes, vague = _fixes(sector, positions, since, until)
    return WatchedDay(hours, seen_h, on_trails(sector, fixes), unknown_h, vague)


def _said(span: Span) -> StatusMessage | PositionMessage | None:
    if span.sender == CANARY or not span.document:
        return None
    try:
        if span.sender.startswith(UNIT):
            return decode_as(span.document, PositionMessage)
        return decode_as(span.document, StatusMessage)
    except InvalidMessageError:
        return None  # of an older version; who was heard is said by others


def _looked(
    sector: Sector,
    statuses: Sequence[tuple[Span, StatusMessage]],
    gaps: Times,
    since: UtcTime,
    until: UtcTime,
) -> tuple[BlindHours, dict[str, float]]:
    hours, seen_h = BlindHours(), defaultdict[str, float](float)
    of_device: dict[str, list[tuple[Span, StatusMessage]]] = defaultdict(list)
    for span, status in sorted(statuses, key=lambda one: one[0].since):
        of_device[span.sender].append((span, status))
    looks: dict[str, Polygon] = {}
    blind: frozenset[str] = frozenset()
    alike_s, covers = 0.0, blind_stretches(sector, looks)
    for begin, end in _steps(since, until):
        lasted_s = end.seconds_since(begin) - _overlap_s(gaps, begin, end)
        if lasted_s <= 0.0:
            continue
        at = begin.after(end.seconds_since(begin) / 2.0)
        here = {name for name, its in of_device.items() if its[0][0].since <= at}
        seeing = {name: view for name in sorted(here) if (view := _view(of_device[name], at))}
        if seeing != looks or here.difference(seeing) != blind:
            hours.add(alike_s, covers, blind)
            covers = covers if seeing == looks else blind_stretches(sector, seeing)
            looks, blind, alike_s = seeing, frozenset(here.difference(seeing)), 0.0
        alike_s += lasted_s
        for name in seeing:
            seen_h[name] += lasted_s / 3600.0
    hours.add(alike_s, covers, blind)
    return hours, dict(seen_h)


def _steps(since: UtcTime, until: UtcTime) -> Iterator[tuple[UtcTime, UtcTime]]:
    begin = since
    while begin < until:
        end = min(begin.after(STEP_S), until)
        yield begin, end
        begin = end


def _overlap_s(gaps: Times, begin: UtcTime, end: UtcTime) -> float:
    return sum(max(0.0, min(end, until).seconds_since(max(begin, since))) for since, until in gaps)


def _view(its: Iterable[tuple[Span, StatusMessage]], at: UtcTime) -> Polygon | None:
    """Return what a device sees at an instant; None: nothing that is to be trusted."""
    last = None
    for span, status in its:
        if span.since > at:
            break
        last = span, status
    if last is None or at.seconds_since(last[0].until) > SILENT_S:
        return None
    status = last[1]
    is_old = (status.frame_age_s or 0.0) > FRAME_OLD_S
    is_clear = status.online and status.scene in {None, Scene.CLEAR} and not is_old
    return status.footprint if is_clear else None


def _fixes(
    sector: Sector,
    positions: Iterable[tuple[Span, PositionMessage]],
    since: UtcTime,
    until: UtcTime,
) -> tuple[dict[str, list[UnitFix]], int]:
    """Return where each unit was: at both ends of each time that it said much the same."""
    fixes: dict[str, set[UnitFix]] = defaultdict(set)
    vague = 0
    for span, one in positions:
        if one.accuracy_m > sector.rules.patrols.max_accuracy_m:
            vague += 1
            continue
        at = sector.frame.to_metres(lat=one.lat, lon=one.lon)
        for moment in (span.since, span.until):
            if since <= moment < until:
                fix = UnitFix(moment.timestamp(), one.unit_id, at, one.accuracy_m)
                fixes[one.unit_id].add(fix)
    return {unit_id: sorted(its) for unit_id, its in sorted(fixes.items())}, vague
