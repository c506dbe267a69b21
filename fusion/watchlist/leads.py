"""A vehicle that may be on the watchlist: a lead for a person, one for each vehicle and entry."""

import math
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from edge.messages import AlertKind, Reason, Severity
from fusion.situation.finding import Finding

if TYPE_CHECKING:
    from fusion.rulebook import WatchlistRule
    from fusion.sector import Sector
    from fusion.tracking.track import Track
    from fusion.watchlist.register import Hit

UNLIKE: Final = "no_match"  # how a lead ends: other readings, or the entry has expired
_LOOK_S: Final = 1.0
_KEPT: Final = 0.5  # of the least score: a lead that was said stands so long


class Leads(Struct, frozen=True):
    """The entries that a vehicle was said to be, perhaps."""

    looked_s: float = -math.inf
    told: tuple[str, ...] = ()


def observe(
    leads: Leads, track: "Track", at_s: float, sector: "Sector"
) -> tuple[Leads, tuple[Finding, ...]]:
    """Hold the plate of a vehicle that was just seen against the watchlist."""
    if not track.plates or not sector.watchlist or at_s - leads.looked_s < _LOOK_S:
        return leads, ()
    if not track.confirmed or track.kind != "vehicle":
        return leads, ()
    rule = sector.rules.watchlist
    hits = sector.watchlist.hits(
        track.plates, at_s, label=track.label, min_score=_KEPT * rule.min_score
    )
    hits = tuple(
        hit for hit in hits if hit.lead.score >= rule.min_score or hit.entry.entry_id in leads.told
    )
    told = tuple(hit.entry.entry_id for hit in hits)
    gone = (name for name in leads.told if name not in told)
    over = (
        Finding(AlertKind.WATCHLIST, rule.severity, (), subject=name, over=UNLIKE) for name in gone
    )
    return Leads(at_s, told), (*(_finding(hit, rule) for hit in hits), *over)


def _finding(hit: "Hit", rule: "WatchlistRule") -> Finding:
    entry, lead = hit.entry, hit.lead
    text = (
        f"the plate was read as {hit.read}: it may be that of {entry.entry_id} "
        f"({entry.category.value}); a person must look"
    )
    reasons = [Reason(code="plate_may_match", text=text, value=lead.score)]
    if hit.is_partial:
        text = f"only {len(hit.read)} of {len(entry.plate)} characters were read"
        reasons.append(Reason(code="partial_plate", text=text, value=float(len(hit.read))))
    return Finding(
        AlertKind.WATCHLIST,
        Severity.LOW if hit.is_partial else rule.severity,
        tuple(reasons),
        subject=entry.entry_id,
        probability=lead.score,
        lead=lead,
    )
