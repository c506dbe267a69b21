"""Facts -> what people read: alerts with their reasons, incidents, and what was held back."""

from typing import Any, Final

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
from fusion.sector import Sector
from fusion.situation.places import place_of
from fusion.tracking.track import derived_id

NEW: Final = "new"
WITHDRAWN: Final = "withdrawn"
_POSITION_DIGITS: Final = 7


def alert_id(case: Case) -> str:
    """Return the id of the one alert of a case."""
    return derived_id("alr", case.id)


def suppressed_id(case: Case) -> str:
    """Return the id of the record of a case that is held back."""
    return derived_id("sup", case.id)


def alert_of(sector: Sector, case: Case, *, issued_at: UtcTime, late: bool = False) -> Alert:
    """Write the alert of a case; `late`: only messages from beyond the horizon show it."""
    return Alert(
        alert_id=alert_id(case),
        incident_id=case.id,
        raised_at=UtcTime.from_epoch_s(case.opened_s),
        issued_at=issued_at,
        probability=_probability(case),
        late=late,
        reasons=reasons(case),
        **_facts(sector, case),
    )


def incident_of(
    sector: Sector, case: Case, *, state: str, alert_ids: tuple[str, ...], amended: bool
) -> Incident:
    """Write the incident of a case as it stands."""
    return Incident(
        incident_id=case.id,
        state=state,
        opened_at=UtcTime.from_epoch_s(case.opened_s),
        updated_at=UtcTime.from_epoch_s(case.updated_s),
        alert_ids=alert_ids,
        amended=amended,
        **_facts(sector, case),
    )


def suppressed_of(sector: Sector, case: Case, held: Held) -> SuppressedAlert:
    """Write down what was held back, and why."""
    ours = held.because is HeldBecause.OWN_FORCE
    text = f"our own unit {held.who} was there and moved the same way"
    if not ours:
        text = f"inside the open crossing point {held.who}"
    return SuppressedAlert(
        suppressed_id=suppressed_id(case),
        raised_at=UtcTime.from_epoch_s(case.opened_s),
        probability=_probability(case),
        reason=held.because,
        text=text,
        unit_id=held.who if ours else None,
        zone_id=None if ours else held.who,
        **_facts(sector, case),
    )


def _facts(sector: Sector, case: Case) -> dict[str, Any]:
    """Return what alerts, incidents and records of silence say alike."""
    lat, lon = sector.frame.to_wgs84(*case.over)
    return {
        "sector": sector.id,
        "unit": sector.unit,
        "kind": AlertKind.CROSSING,
        "severity": severity(sector, case),
        "direction": direction(case),
        "headcount": case.headcount,
        "headcount_min": case.headcount_min,
        "headcount_max": case.headcount_max,
        "lat": round(lat, _POSITION_DIGITS),
        "lon": round(lon, _POSITION_DIGITS),
        "track_ids": case.track_ids,
        "devices": case.devices,
        "place": place_of(sector, case.over),
        "simulated": case.simulated,
    }


def direction(case: Case) -> Direction:
    """Return which way they went."""
    return Direction.OUTBOUND if case.outbound else Direction.INBOUND


def severity(sector: Sector, case: Case) -> Severity:
    """Return how urgent the rules call it."""
    rule = sector.rules.crossing
    return rule.severity_outbound if case.outbound else rule.severity_inbound


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
    if case.line_status != "demarcated":
        text = f"the line is {case.line_status} here: it may be the unresolved strip"
        found.append(Reason(code=f"line_{case.line_status}", text=text))
    return tuple(found)


def _probability(case: Case) -> float:
    return round(min(1.0, max(0.0, case.probability)), 4)
