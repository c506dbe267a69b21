"""The picture as it was: what playback shows, made from what the store knows of the past. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from edge.messages import (
    Deed,
    Incident,
    PositionMessage,
    StatusMessage,
    TrackUpdate,
    UtcTime,
    decode_as,
    to_builtins,
)
from fusion.history import SILENT_S, SPAN_S, UNIT, Span, minute_of, start_of
from fusion.past import Past
from fusion.workflow import as_of
from maps.layers import (
    Feature,
    alert_feature,
    collection,
    device_feature,
    incident_feature,
    patrol_feature,
    track_feature,
)
from maps.picture import (
    ENDED_KEPT_S,
    KEPT,
    LOST_KEPT_S,
    PATROL_KEPT_S,
    TRACK_KEPT_S,
    judge,
    kept_s,
)

MOST_CHANGES: Final = 5000  # in one answer; the rest is on its next page
MOST_MARKS: Final = 2000
BINS: Final = 240
BEFORE_S: Final = 120.0  # an incident is shown from so long before its first track
_LOOKED_FOR_S: Final = 7200.0  # and its tracks are looked for so long before it was opened
_TRACKS_AFTER_S: Final = 3600.0
# How long what is said no more stays in the picture, for whoever lets the time run.
KEPT_S: Final = {
    "track": TRACK_KEPT_S,
    "ended": ENDED_KEPT_S,
    "lost": LOST_KEPT_S,
    "patrol": PATROL_KEPT_S,
}


class Then(NamedTuple):
    """Something that changed, and when."""

    at: UtcTime
    kind: str  # track, alert, incident, device, patrol
    data: Feature


def snapshot(past: Past, at: UtcTime) -> dict[str, Any]:
    """Return the layers of the picture at an instant, and the gap that it lies in, if it does.

    What is known now of that instant: late data are where they belong. Alerts are those that had
    been issued, incidents stand as people had worked on them by then.
    """
    lines = past.lines_at(at, kept_s=TRACK_KEPT_S, lost_kept_s=LOST_KEPT_S)
    alerts = past.alerts_at(at, at_most=KEPT["alert"])
    gaps = past.gaps(at.after(-SPAN_S), at.after(SPAN_S))
    layers: dict[str, list[Feature]] = {
        "tracks": [track_feature(one) for one in lines if at.seconds_since(one.t) <= kept_s(one)],
        "alerts": [alert_feature(alert) for alert in alerts],
        "incidents": [
            incident_feature(one)
            for one in _incidents_at(past, [alert.incident_id for alert in alerts], at)
        ],
        "devices": [],
        "patrols": [],
    }
    for span in past.heard_at(at, at_most=KEPT["device"]):
        change = _heard(span, at)
        if change.kind == "device" or at.seconds_since(_heard_at(span, at)) <= PATROL_KEPT_S:
            layers[f"{change.kind}s"].append(change.data)
    return {
        "at": at,
        "followed": not any(begin <= at < end for begin, end in gaps),
        "kept_s": KEPT_S,
        **{name: collection(features) for name, features in layers.items()},
    }


def changes(past: Past, since: UtcTime, until: UtcTime, *, step_s: int) -> dict[str, Any]:
    """Return what changed after `since` and up to `until`, in order, as the live stream says it.

    Args:
        past: Of the sector.
        since: Its own changes are left out.
        until: Its own changes are in.
        step_s: Of each track one change in so many seconds, the last.

    Returns:
        `changes`; `until`, as far as they go; `more`, whether that is not all that was asked for.
    """
    found: list[Then] = []
    at = since
    while at < until and len(found) < MOST_CHANGES:
        end = min(start_of(minute_of(at) + 1), until)
        found += sorted(_of(past, at, end, step_s), key=lambda one: one.at)
        at = end
    if len(found) > MOST_CHANGES:
        # Cut between two instants: the next page begins after this one.
        cut = found[MOST_CHANGES].at
        whole = [one for one in found if one.at < cut]
        if whole:
            found, at = whole, whole[-1].at
    return {
        "since": since,
        "until": at,
        "more": at < until,
        "changes": [one._asdict() for one in found],
    }


def _of(past: Past, since: UtcTime, until: UtcTime, step_s: int) -> Iterator[Then]:
    """Yield what changed within a minute; an incident before its alert."""
    alerts = past.alerts(since, until, at_most=MOST_CHANGES)
    worked_on = past.incidents_worked_on(since, until, at_most=MOST_CHANGES)
    names = list(dict.fromkeys([*worked_on, *(alert.incident_id for alert in alerts)]))
    deeds = _by_incident(past.deeds(names))
    for incident in past.incidents(names):
        instants = [
            alert.issued_at for alert in alerts if alert.incident_id == incident.incident_id
        ]
        instants += [deed.received_at for deed in deeds[incident.incident_id]]
        for at in sorted(set(instants)):
            if since < at <= until:
                then = as_of(incident, deeds[incident.incident_id], at)
                yield Then(at, "incident", incident_feature(then))
    for alert in alerts:
        yield Then(alert.issued_at, "alert", alert_feature(alert))
    for span in past.heard(since, until, at_most=KEPT["device"]):
        yield _heard(span, span.since)
    silent = past.fell_silent(
        since.after(-SILENT_S), until.after(-SILENT_S), at_most=KEPT["device"]
    )
    for span in silent:
        at = span.until.after(SILENT_S)
        # A millisecond later: at the very instant it may still be heard.
        yield _heard(span, at.after(0.001))._replace(at=at)
    for line in _thinned(past.lines(since, until), step_s):
        yield Then(line.t, "track", track_feature(line))


def _thinned(lines: Iterator[TrackUpdate], step_s: int) -> list[TrackUpdate]:
    last: dict[tuple[str, int], TrackUpdate] = {}
    for line in lines:
        last[line.track_id, int(line.t.timestamp() // step_s)] = line
    return sorted(last.values(), key=lambda line: line.t)


def outline(past: Past, since: UtcTime, until: UtcTime) -> dict[str, Any]:
    """Return what the slider of a period shows.

    Returns:
        `bins`: most tracks in a minute, for each of at most `BINS` parts of the same length;
        `alerts`: the last that were issued in it; `more_alerts`: there are earlier ones besides;
        `gaps`: `[since, until]`, nobody followed; `kept_since`: since when there is any history.
    """
    minutes = minute_of(until) - minute_of(since) + 1
    bins = [0] * min(BINS, minutes)
    for minute, count in past.counts(since, until).items():
        index = (minute - minute_of(since)) * len(bins) // minutes
        bins[index] = max(bins[index], count)
    marks = past.marks(since, until, at_most=MOST_MARKS + 1)
    return {
        "since": since,
        "until": until,
        "bins": bins,
        "alerts": [mark._asdict() for mark in marks[-MOST_MARKS:]],
        "more_alerts": len(marks) > MOST_MARKS,
        "gaps": past.gaps(since, until),
        "kept_since": past.kept_since(),
    }


def span_of_incident(past: Past, incident_id: str) -> dict[str, Any] | None:
    """Return from when until when to play an incident back, and its tracks; None: no such one."""
    incident = next(iter(past.incidents([incident_id])), None)
    if incident is None:
        return None
    opened, updated = incident.opened_at, incident.updated_at
    seen = past.seen_of(
        incident.track_ids, opened.after(-_LOOKED_FOR_S), updated.after(_TRACKS_AFTER_S)
    )
    first, last = seen or (opened, updated)
    done = [deed.received_at for deed in past.deeds([incident_id])]
    ended = [incident.ended_at] if isinstance(incident.ended_at, UtcTime) else []
    return {
        "incident_id": incident_id,
        "since": min(first, opened).after(-BEFORE_S),
        "until": max(last, updated, *ended, *done).after(SPAN_S),
        "track_ids": incident.track_ids,
        "alert_ids": incident.alert_ids,
        "lat": incident.lat,
        "lon": incident.lon,
    }


def _incidents_at(past: Past, names: Sequence[str], at: UtcTime) -> list[Incident]:
    deeds = _by_incident(past.deeds(names))
    return [as_of(one, deeds[one.incident_id], at) for one in past.incidents(names)]


def _by_incident(deeds: Sequence[Deed]) -> defaultdict[str, list[Deed]]:
    found: defaultdict[str, list[Deed]] = defaultdict(list)
    for deed in deeds:
        found[deed.incident_id].append(deed)
    return found


def _heard_at(span: Span, at: UtcTime) -> UtcTime:
    """Return when somebody was heard last by an instant, as far as is noted."""
    goes_on = not span.is_over and at.seconds_since(span.until) <= SPAN_S + SILENT_S
    return at if at <= span.until or goes_on else span.until


def _heard(span: Span, at: UtcTime) -> Then:
    """Return how a device or unit stood at an instant of its span, or after it."""
    heard_at = _heard_at(span, at)
    if span.sender.startswith(UNIT):
        position = decode_as(span.document, PositionMessage)
        # It was said to be there all the time since.
        there = msgspec.structs.replace(position, captured_at=heard_at)
        return Then(span.since, "patrol", patrol_feature(there, heard_at=heard_at))
    status = decode_as(span.document, StatusMessage)
    health = judge(status, heard_at=heard_at, now=at)
    fields = {**to_builtins(status), "health": health.value, "heard_at": heard_at.rfc3339()}
    return Then(span.since, "device", device_feature(status.device_id, status.sensor, fields))
