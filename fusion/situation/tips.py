"""What somebody told us they saw: a place with a large error, never a track.

A tip alone asks for little: a notice of its own, `low`. With a track that it may speak of it is a
reason: what is said of that track becomes more urgent by one step. It may where it lies within
the tip's error, and how far they may have gone since, or before.
"""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

from edge.messages import AlertKind, Reason, SensorKind, Severity
from fusion.local_frame import CovM2, Metres
from fusion.notices import Notice
from fusion.situation.finding import Finding
from fusion.tracking.fixes import Fix, Look, kind_of, may_be_one
from fusion.tracking.lineage import Lineage, Share, joined, renewed
from fusion.tracking.track import Track, derived_id
from fusion.trodden import cells_about

if TYPE_CHECKING:
    from fusion.rulebook import TipRule

AGREES: Final = "tip_agrees"
_GATE: Final = 5.9915  # chi-squared, 2 degrees of freedom: 0.95
_STEPS: Final = tuple(Severity)
_RAISED: Final = frozenset(
    {AlertKind.APPROACH, AlertKind.LOITERING, AlertKind.ZONE, AlertKind.RENDEZVOUS}
)


class Tip(NamedTuple):
    """One thing that somebody told us."""

    id: str
    device: str  # who told us
    at_s: float  # when they saw it
    at: Metres
    cov: CovM2
    label: str
    kind: str  # of the label
    confidence: float
    people: int  # or things: how many they saw there
    simulated: bool


def is_tip(look: Look) -> bool:
    """Tell whether a look is somebody's word."""
    return look.sensor_kind == SensorKind.TIP


def tips_of(look: Look) -> tuple[Tip, ...]:
    """Return what a message tells; detections of one label at one place are one thing."""
    alike: dict[tuple[str, float, float], list[Fix]] = {}
    for fix in look.fixes:
        alike.setdefault((fix.label, fix.x_m, fix.y_m), []).append(fix)
    return tuple(
        Tip(
            id=derived_id("tip", look.device, look.message_id, str(fixes[0].ordinal)),
            device=look.device,
            at_s=look.at_s,
            at=Metres(x_m, y_m),
            cov=fixes[0].cov,
            label=label,
            kind=fixes[0].kind,
            confidence=max(fix.confidence for fix in fixes),
            people=len(fixes),
            simulated=look.simulated,
        )
        for (label, x_m, y_m), fixes in alike.items()
    )


def reach_of(tip: Tip, rule: "TipRule") -> frozenset[int]:
    """Return the cells of all those that a tip may ever speak of (`fusion.trodden`)."""
    reach_m = _reach_m(tip, rule)
    return frozenset(cells_about(*tip.at, reach_m, reach_m))


def agreeing(tips: Iterable[Tip], track: Track, at_s: float, rule: "TipRule") -> Tip | None:
    """Return the tip that speaks of a track, if any: the one that fits best.

    Args:
        tips: Those of the last `agrees_s`.
        track: As known at `at_s`.
        at_s: Event time.
        rule: How much may lie between the two.
    """
    cov = track.cov_of(track.motion)
    fitting = [
        (away, math.dist(tip.at, track.place), tip.id, tip)
        for tip in tips
        if may_be_one(tip.kind, track.kind)
        and (away := _away(tip, track.place, cov, at_s, rule)) <= _GATE
    ]
    return min(fitting)[3] if fitting else None


def agrees_with(tip: Tip, notice: Notice, rule: "TipRule") -> bool:
    """Tell whether a new tip speaks of what a notice was about lately."""
    nothing = (0.0, 0.0, 0.0)
    return notice.kind in _RAISED and (
        _away(tip, notice.at, nothing, notice.updated_s, rule) <= _GATE
    )


def speaks_of(tip: Tip, label: str, at: Metres, at_s: float, rule: "TipRule") -> bool:
    """Tell whether a tip speaks of somebody who was at a place at an instant."""
    alike = may_be_one(tip.kind, kind_of(label))
    return alike and _away(tip, at, (0.0, 0.0, 0.0), at_s, rule) <= _GATE


def raised(finding: Finding, tip: Tip | None) -> Finding:
    """Return a finding one step more urgent, if a tip agrees with it."""
    if tip is None or finding.over or finding.kind not in _RAISED:
        return finding
    severity = one_step_up(finding.severity)
    return finding._replace(severity=severity, reasons=(*finding.reasons, reason_of(tip)))


def raised_notice(notice: Notice, tip: Tip) -> Notice:
    """Return a notice one step more urgent by a tip that agrees with it; once, however many do."""
    if any(reason.code == AGREES for reason in notice.reasons):
        return notice
    return replace(
        notice,
        severity=one_step_up(notice.severity),
        reasons=(*notice.reasons, reason_of(tip)),
        updated_s=max(notice.updated_s, tip.at_s),
    )


def one_step_up(severity: Severity) -> Severity:
    """Return the next more urgent severity; the most urgent stays."""
    return _STEPS[min(_STEPS.index(severity) + 1, len(_STEPS) - 1)]


def reason_of(tip: Tip) -> Reason:
    """Say that a tip speaks of the same."""
    text = f"{tip.device} told of {_what(tip)} near here"
    return Reason(code=AGREES, text=text, value=tip.confidence)


def told(tip: Tip, notices: Iterable[Notice], rule: "TipRule") -> Notice:
    """Return the notice of a tip: a new one, or one that others told of before."""
    same = [
        one
        for one in notices
        if one.kind is AlertKind.TIP
        and one.subject == tip.kind
        and _away(tip, one.at, tip.cov, one.updated_s, rule) <= _GATE
    ]
    if not same:
        return _begun(tip)
    known = min(same, key=lambda one: (one.opened_s, one.id))
    return replace(
        known,
        updated_s=max(known.updated_s, tip.at_s),
        devices=tuple(sorted({*known.devices, tip.device})),
        lineages=renewed(known.lineages, [_told_by(tip, dict(known.lineages))]),
        headcount=max(known.headcount, tip.people),
        probability=max(known.probability, tip.confidence),
        simulated=known.simulated or tip.simulated,
        ended_s=None,
        lost_s=None,
    )


def _begun(tip: Tip) -> Notice:
    sigma_m = math.sqrt(max(tip.cov[0], tip.cov[2]))
    text = f"{tip.device} told of {_what(tip)}, within {2.0 * sigma_m:.0f} m; nobody else saw it"
    return Notice(
        id=derived_id("inc", tip.id),
        kind=AlertKind.TIP,
        subject=tip.kind,
        severity=Severity.LOW,
        probability=tip.confidence,
        outbound=None,
        reasons=(Reason(code="told", text=text, value=tip.confidence),),
        eta_s=None,
        lead=None,
        at=tip.at,
        opened_s=tip.at_s,
        updated_s=tip.at_s,
        tracks=(),
        devices=(tip.device,),
        lineages=(_told_by(tip, {}),),
        headcount=tip.people,
        headcount_min=1,
        simulated=tip.simulated,
        decided_s=tip.at_s,
    )


def _told_by(tip: Tip, known: Mapping[str, Lineage]) -> tuple[str, Lineage]:
    """Return what the device of a tip has told of the same, once more."""
    share = Share(tip.device, SensorKind.TIP.value, tip.at_s, tip.at_s, tip.people)
    return tip.device, joined(known.get(tip.device, ()), (share,))


def _what(tip: Tip) -> str:
    return f"{tip.label} ({tip.people})" if tip.people > 1 else tip.label


def _away(tip: Tip, at: Metres, cov: CovM2, at_s: float, rule: "TipRule") -> float:
    """Return how far off a place is that somebody had at an instant, squared sigmas; inf: out."""
    dt_s = abs(at_s - tip.at_s)
    e, n = at.x_m - tip.at.x_m, at.y_m - tip.at.y_m
    if dt_s > rule.agrees_s or math.hypot(e, n) > _reach_m(tip, rule):
        return math.inf
    # Only what they cannot have gone meanwhile is an error of the tip's or of the track's.
    away_m = math.hypot(e, n)
    left = max(0.0, away_m - rule.pace_mps * dt_s) / away_m if away_m > 0.0 else 0.0
    e, n = left * e, left * n
    s0, s1, s2 = tip.cov[0] + cov[0], tip.cov[1] + cov[1], tip.cov[2] + cov[2]
    return (s2 * e * e - 2.0 * s1 * e * n + s0 * n * n) / (s0 * s2 - s1 * s1)


def _reach_m(tip: Tip, rule: "TipRule") -> float:
    return math.sqrt(_GATE * (tip.cov[0] + tip.cov[2])) + rule.pace_mps * rule.agrees_s
