"""What changed rules would have done to a recording: which alerts come, go or differ.

The alerts of both runs are paired by id, else by kind, direction, place and time: another rule
may decide by another look and so give one group's crossing another id. What came of an incident
(DOMAIN.md 2.4) tells whether an alert that goes is one fewer false alarm, or one that was needed.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import UNSET, Struct
from msgspec.structs import replace

from edge.messages import Alert, AlertKind, Place, Severity, UtcTime
from fusion.events import SuppressedAlert
from fusion.local_frame import LocalFrame
from fusion.results import Run
from fusion.steps import SYSTEM

_Word = Literal["added", "removed", "changed"]
_WORDS: Final[tuple[_Word, ...]] = ("added", "removed", "changed")
_UNKNOWN: Final = "without an outcome on record"
_NEAR_M: Final = 50.0
_NEAR_S: Final = 120.0
_SAME_PROBABILITY: Final = 0.01
_SAME_S: Final = 1.0


class Change(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One alert that is not the same under the new rules."""

    change: _Word
    kind: AlertKind
    severity: Severity
    alert_id: str
    incident_id: str
    raised_at: UtcTime
    lat: float
    lon: float
    place: Place
    outcome: str | None = None  # what came of its incident; None: not on record
    held: str | None = None  # why the new rules hold it back, if they say so
    before: dict[str, Any] | None = None  # of what changed: by the sector's own rules
    after: dict[str, Any] | None = None  # and by the new ones


def compare(
    before: Run, after: Run, frame: LocalFrame, outcomes: Mapping[str, str] | None = None
) -> list[Change]:
    """Return what the new rules change, by the time of what it is about.

    Args:
        before: The recording by the sector's own rules.
        after: By the new ones.
        frame: The sector's plane.
        outcomes: By incident; they win over those of commands in the recording.
    """
    known = {
        one.incident_id: str(told)
        for run in (after, before)
        for one in run.incidents
        for told in (one.outcome or one.cause,)
        if told and one.acted_by != SYSTEM  # what ends by itself was judged by nobody
    } | dict(outcomes or {})
    pairs = _pairs(before.alerts, after.alerts, frame)
    changes = []
    for one in before.alerts:
        other = pairs.get(one.alert_id)
        outcome = known.get(one.incident_id)
        if other is None:
            held = _nearest(one, after.suppressed, frame)
            reason = None if held is None else held.reason.value
            changes.append(replace(_change("removed", one, outcome), held=reason))
        elif _differ(one, other):
            was, now = _facts(one), _facts(other)
            names = [name for name in was if was[name] != now[name]]
            told = _change("changed", other, outcome or known.get(other.incident_id))
            changes.append(
                replace(
                    told,
                    before={name: was[name] for name in names},
                    after={name: now[name] for name in names},
                )
            )
    paired = {one.alert_id for one in pairs.values()}
    changes += [
        _change("added", one, known.get(one.incident_id))
        for one in after.alerts
        if one.alert_id not in paired
    ]
    return sorted(changes, key=lambda one: (one.raised_at, one.alert_id, one.change))


def counted(before: Run, after: Run, changes: Sequence[Change]) -> dict[str, Any]:
    """Count the changes, and what came of the incidents of alerts that come and go."""
    return {
        "before": len(before.alerts),
        "after": len(after.alerts),
        **{word: _count(changes, word) for word in _WORDS},
        "removed_outcomes": _outcomes(changes, "removed"),
        "added_outcomes": _outcomes(changes, "added"),
        "changed_fields": _fields(changes),
    }


def table(before: Run, after: Run, changes: Sequence[Change]) -> str:
    """Lay it out for people: a row a kind, and a sentence each for what goes, comes, changes."""
    rows: list[tuple[str, ...]] = [("kind", "before", "after", *_WORDS)]
    for kind in AlertKind:
        of_kind = [one for one in changes if one.kind is kind]
        numbers = (
            sum(one.kind is kind for one in before.alerts),
            sum(one.kind is kind for one in after.alerts),
            *(_count(of_kind, word) for word in _WORDS),
        )
        if any(numbers):
            rows.append((kind.value, *map(str, numbers)))
    lines = ["".join(f"{cell:<12}" for cell in row).rstrip() for row in rows]
    sentences = (
        ("removes", _count(changes, "removed"), _outcomes(changes, "removed")),
        ("adds", _count(changes, "added"), _outcomes(changes, "added")),
        ("changes", _count(changes, "changed"), _fields(changes)),
    )
    for verb, number, told in sentences:
        if number:
            alerts = "alert" if number == 1 else "alerts"
            counts = ", ".join(f"{n} {what}" for what, n in told.items())
            lines.append(f"{verb} {number} {alerts}: {counts}")
    return "\n".join(lines)


def _pairs(before: Sequence[Alert], after: Sequence[Alert], frame: LocalFrame) -> dict[str, Alert]:
    """Find the alert of the second run that is the same matter, by id of the first."""
    by_id = {one.alert_id: one for one in after}
    pairs = {one.alert_id: by_id[one.alert_id] for one in before if one.alert_id in by_id}
    left = [one for one in after if one.alert_id not in pairs]
    alone = [one for one in before if one.alert_id not in pairs]
    near = sorted(
        (apart, one.alert_id, other.alert_id)
        for one in alone
        for other in left
        if (apart := _apart(one, other, frame)) is not None
    )
    taken: set[str] = set()
    for _, one_id, other_id in near:
        if one_id not in pairs and other_id not in taken:
            pairs[one_id] = by_id[other_id]
            taken.add(other_id)
    return pairs


def _nearest(
    alert: Alert, records: Sequence[SuppressedAlert], frame: LocalFrame
) -> SuppressedAlert | None:
    found = [
        (apart, one.suppressed_id, one)
        for one in records
        if (apart := _apart(alert, one, frame)) is not None
    ]
    return min(found)[2] if found else None


def _apart(
    one: Alert, other: Alert | SuppressedAlert, frame: LocalFrame
) -> tuple[float, float] | None:
    """Return how far two records of one kind are apart, s and m; None: too far to be one."""
    if one.kind is not other.kind or one.direction is not other.direction:
        return None
    apart_s = abs(one.raised_at.seconds_since(other.raised_at))
    if apart_s > _NEAR_S:
        return None
    places = (frame.to_metres(lat=each.lat, lon=each.lon) for each in (one, other))
    apart_m = math.dist(*places)
    return None if apart_m > _NEAR_M else (apart_s, apart_m)


def _facts(alert: Alert) -> dict[str, Any]:
    """Return what a rule may change of an alert that stays."""
    return {
        "severity": alert.severity.value,
        "probability": alert.probability,
        "raised_at": alert.raised_at.rfc3339(),
        "headcount": alert.headcount,
        "sounds": alert.grouped_with is UNSET,
    }


def _differ(one: Alert, other: Alert) -> bool:
    """Tell whether anybody would notice."""
    return (
        one.severity is not other.severity
        or abs(one.probability - other.probability) >= _SAME_PROBABILITY
        or abs(one.raised_at.seconds_since(other.raised_at)) >= _SAME_S
        or one.headcount != other.headcount
        or (one.grouped_with is UNSET) is not (other.grouped_with is UNSET)
    )


def _change(change: _Word, alert: Alert, outcome: str | None) -> Change:
    return Change(
        change=change,
        kind=alert.kind,
        severity=alert.severity,
        alert_id=alert.alert_id,
        incident_id=alert.incident_id,
        raised_at=alert.raised_at,
        lat=alert.lat,
        lon=alert.lon,
        place=alert.place,
        outcome=outcome,
    )


def _count(changes: Sequence[Change], word: _Word) -> int:
    return sum(one.change == word for one in changes)


def _outcomes(changes: Sequence[Change], word: _Word) -> dict[str, int]:
    """Count what came of those that go or come."""
    return _ranked(Counter(one.outcome or _UNKNOWN for one in changes if one.change == word))


def _fields(changes: Sequence[Change]) -> dict[str, int]:
    """Count what differs of those that stay."""
    return _ranked(Counter(name for one in changes for name in one.after or ()))


def _ranked(counts: Counter[str]) -> dict[str, int]:
    """Return counts, the highest first."""
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
