"""Facts -> what people read: alerts with their reasons, incidents, and what was held back."""

from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace

from edge.messages import (
    Alert,
    AlertKind,
    Direction,
    Incident,
    Reason,
    Severity,
    UtcTime,
)
from fusion.events import HeldBecause, SuppressedAlert
from fusion.incidents import Case, Held
from fusion.notices import CROSSED, Notice
from fusion.sector import Sector
from fusion.situation import interception
from fusion.situation.places import place_of
from fusion.situation.tips import one_step_up, reason_of
from fusion.tracking.lineage import contributions
from fusion.tracking.track import derived_id

Matter = Case | Notice  # what an incident is about

NEW: Final = "new"
WITHDRAWN: Final = "withdrawn"
NO_THREAT: Final = "no_threat"
CLOSED: Final = "closed"
_POSITION_DIGITS: Final = 7
_HELD_TEXTS: Final = {
    HeldBecause.OWN_FORCE: "our own unit {who} was there and moved the same way",
    HeldBecause.LAWFUL: "inside the open crossing point {who}",
    HeldBecause.FARMLAND: "in the farmland {who}, where people work",
    HeldBecause.SETTLEMENT: "in the settlement {who}, where people live",
    HeldBecause.UNCORROBORATED: "not corroborated: {who}",
}
_ZONES: Final = frozenset({HeldBecause.LAWFUL, HeldBecause.FARMLAND, HeldBecause.SETTLEMENT})


def alert_id(case: Matter) -> str:
    """Return the id of the one alert of a case."""
    return derived_id("alr", case.id)


def suppressed_id(case: Matter) -> str:
    """Return the id of the record of a case that is held back."""
    return derived_id("sup", case.id)


def alert_of(sector: Sector, case: Matter, *, issued_at: UtcTime, late: bool = False) -> Alert:
    """Write the alert of a case; `late`: only messages from beyond the horizon show it."""
    alert = Alert(
        alert_id=alert_id(case),
        incident_id=case.id,
        raised_at=UtcTime.from_epoch_s(case.opened_s),
        issued_at=issued_at,
        probability=_probability(case),
        late=late,
        reasons=(
            *(case.reasons if isinstance(case, Notice) else reasons(case)),
            *_best_interception(case),
            *_threshold(sector, case),
        ),
        **_facts(sector, case),
    )
    if not isinstance(case, Notice):
        return alert
    return replace(
        alert,
        eta_s=UNSET if case.eta_s is None else round(case.eta_s, 1),
        lead=UNSET if case.lead is None else case.lead,
        interceptions=case.interceptions or UNSET,
    )


def incident_of(
    sector: Sector, case: Matter, *, state: str, alert_ids: tuple[str, ...], amended: bool
) -> Incident:
    """Write the incident of a case as it stands."""
    incident = Incident(
        incident_id=case.id,
        state=state,
        opened_at=UtcTime.from_epoch_s(case.opened_s),
        updated_at=UtcTime.from_epoch_s(case.updated_s),
        alert_ids=alert_ids,
        amended=amended,
        lineage=contributions(case.lineages, without=_ours(case)) or UNSET,
        **_facts(sector, case),
    )
    if not isinstance(case, Notice):
        return replace(incident, follows=case.follows or UNSET)
    ended_at = UNSET if case.ended_s is None else UtcTime.from_epoch_s(case.ended_s)
    return replace(incident, ended_at=ended_at, led_to=case.led_to or UNSET)


def state_of(case: Matter) -> str:
    """Return the state that an incident has by itself, before anybody works on it.

    Whoever was on the way to the line and turned back is no threat; and an approach that led to
    a crossing goes on as the incident of that.
    """
    if not isinstance(case, Notice) or case.kind is not AlertKind.APPROACH:
        return NEW
    return {CROSSED: CLOSED, NO_THREAT: NO_THREAT}.get(case.outcome, NEW) if case.ended_s else NEW


def suppressed_of(sector: Sector, case: Matter, held: Held) -> SuppressedAlert:
    """Write down what was held back, and why."""
    text = _HELD_TEXTS[held.because].format(who=held.who)
    return SuppressedAlert(
        suppressed_id=suppressed_id(case),
        raised_at=UtcTime.from_epoch_s(case.opened_s),
        probability=_probability(case),
        reason=held.because,
        text=text,
        unit_id=held.who if held.because is HeldBecause.OWN_FORCE else None,
        zone_id=held.who if held.because in _ZONES else None,
        **_facts(sector, case),
    )


def _facts(sector: Sector, case: Matter) -> dict[str, Any]:
    """Return what alerts, incidents and records of silence say alike."""
    at = case.at if isinstance(case, Notice) else case.over
    lat, lon = sector.frame.to_wgs84(*at)
    return {
        "sector": sector.id,
        "unit": sector.unit,
        "kind": case.kind if isinstance(case, Notice) else AlertKind.CROSSING,
        "severity": severity(sector, case),
        "direction": direction(case),
        "headcount": case.headcount,
        "headcount_min": case.headcount_min,
        "headcount_max": case.headcount_max,
        "lat": round(lat, _POSITION_DIGITS),
        "lon": round(lon, _POSITION_DIGITS),
        "track_ids": case.track_ids,
        "devices": case.devices,
        "place": place_of(sector, at),
        "simulated": case.simulated,
    }


def _ours(case: Matter) -> tuple[str, ...]:
    """Return the tracks that one of our units explains, in an incident about others."""
    return case.ours if isinstance(case, Case) else ()


def direction(case: Matter) -> Direction | None:
    """Return which way they went; None: it has no direction."""
    if case.outbound is None:
        return None
    return Direction.OUTBOUND if case.outbound else Direction.INBOUND


def severity(sector: Sector, case: Matter) -> Severity:
    """Return how urgent the rules call it."""
    if isinstance(case, Notice):
        return case.severity
    rule, critical_from = sector.rules.crossing, sector.rules.groups.critical_from
    if 0 < critical_from <= case.headcount:
        return Severity.CRITICAL
    urgent = rule.severity_outbound if case.outbound else rule.severity_inbound
    return urgent if case.tip is None else one_step_up(urgent)


def reasons(case: Case) -> tuple[Reason, ...]:
    """Say why, most important first. The page translates the codes; the texts are English."""
    way = "abroad" if case.outbound else "home"
    sure = _probability(case)
    found = [
        Reason(
            code="crossed_line",
            text=f"was on one side of the line and is now on the other, going {way}",
            value=sure,
        ),
        Reason(
            code="stepped_over",
            text=f"came {case.step_m:.0f} m over the line (error now {case.sigma_m:.1f} m)",
            value=round(case.step_m, 1),
        ),
    ]
    if case.headcount > 1:
        text = f"{case.headcount} walk together"
        found.append(Reason(code="group", text=text, value=float(case.headcount)))
    if len(case.devices) > 1:
        text = f"seen by {len(case.devices)} devices"
        found.append(Reason(code="several_devices", text=text, value=float(len(case.devices))))
    if case.tip is not None:
        found.append(reason_of(case.tip))
    if case.inferred_s > 0.0:
        text = f"nobody looked for {case.inferred_s:.0f} s while the line was crossed: inferred"
        found.append(Reason(code="inferred_in_gap", text=text, value=round(case.inferred_s, 1)))
    if case.line_status != "demarcated":
        whole_m = 2.0 * case.half_m
        text = (
            f"the line runs in a river here: from bank to bank, {whole_m:.0f} m"
            if case.line_status == "river"
            else f"the line is not demarcated here: the whole strip was passed, {whole_m:.0f} m"
        )
        found.append(Reason(code=f"line_{case.line_status}", text=text, value=round(whole_m, 1)))
    return tuple(found)


def _best_interception(case: Matter) -> tuple[Reason, ...]:
    """Say where the best of our units can be before them, if any can."""
    found = case.interceptions if isinstance(case, Notice) else ()
    return tuple(map(interception.reason_of, found[:1]))


def _threshold(sector: Sector, case: Matter) -> tuple[Reason, ...]:
    """Say the highest number of people from which the law weighs it anew, if they are as many."""
    reached = [one for one in sector.rules.groups.thresholds if one <= case.headcount]
    if not reached:
        return ()
    most = max(reached)
    text = f"{case.headcount} together: {most} or more, where the law weighs it anew"
    return (Reason(code=f"group_of_{most}", text=text, value=float(case.headcount)),)


def _probability(case: Matter) -> float:
    return round(min(1.0, max(0.0, case.probability)), 4)
