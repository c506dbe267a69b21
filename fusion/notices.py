"""What asks for a look and is no crossing: one notice a group, kind and subject.

An approach, a stay in a zone, loitering, a meeting, a hit on a watchlist: a stage says a `Finding`
of one track at every look while it holds; who walks together is one notice. It goes on until it
has ended for all of them, and what begins again soon after is still the same.
"""

import math
from collections.abc import Container, Iterable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from edge.messages import AlertKind, Interception, Lead, Reason, Severity
from fusion.incidents import JOIN_S, Case, Held, lineages_with
from fusion.local_frame import Metres
from fusion.situation.devices import DeviceFault
from fusion.situation.finding import Finding
from fusion.situation.groups import fellows_of
from fusion.tracking.lineage import Lineages
from fusion.tracking.track import Track, derived_id
from fusion.tracking.tracker import simultaneous
from fusion.trodden import cell_of

CROSSED: Final = "crossed"  # the outcome of an approach that led over the line
_SAME_PLACE_M: Final = 30.0
_OF_ONE: Final = frozenset({AlertKind.RENDEZVOUS, AlertKind.WATCHLIST})  # a vehicle's matters
_URGENCY: Final = {severity: number for number, severity in enumerate(Severity)}


class Notice(Struct, frozen=True):
    """One group's approach, stay or meeting; or one vehicle's hit."""

    id: str
    kind: AlertKind
    subject: str  # the zone, the entry of the watchlist; "": none
    severity: Severity
    probability: float
    outbound: bool | None
    reasons: tuple[Reason, ...]
    eta_s: float | None
    lead: Lead | None
    at: Metres  # where it began
    opened_s: float  # event time of the evidence that sufficed
    updated_s: float  # event time of what last changed for those who read of it
    tracks: tuple[str, ...]
    devices: tuple[str, ...]
    headcount: int
    headcount_min: int
    simulated: bool
    interceptions: tuple[Interception, ...] = ()  # of an approach, by its reasons
    over: tuple[str, ...] = ()  # tracks for which it has ended
    lost_s: float | None = None  # since when none of them is there any more
    ended_s: float | None = None
    outcome: str = ""  # how it ended: `no_threat`, `crossed`
    led_to: str = ""  # the incident that an approach became
    held: Held | None = None
    waits_until_s: float | None = None  # undecided: a patrol may have been there
    free: bool = False  # nothing held it back once: it never waits again
    decided_s: float = 0.0  # when it was last judged differently
    lineages: Lineages = ()  # of its people, when it last changed

    @property
    def track_ids(self) -> tuple[str, ...]:
        """Return the tracks of those it is about."""
        return self.tracks

    @property
    def headcount_max(self) -> int:
        """Return the count if every track were a person of its own, but a meeting's vehicle."""
        people = len(self.tracks) - (self.kind is AlertKind.RENDEZVOUS)
        return max(self.headcount, people)

    @property
    def cell(self) -> int:
        """Return the cell of the place: what belongs to it is run again together."""
        return cell_of(*self.at)

    @property
    def last_s(self) -> float:
        """Return when it last changed."""
        return self.updated_s


def notice_of(
    notices: Iterable[Notice], finding: Finding, tracks: Sequence[Track], at_s: float
) -> Notice | None:
    """Find the notice that a finding about some tracks belongs to, the newest first.

    Args:
        notices: All that are known.
        finding: What was said.
        tracks: The track that it was said of, and its company.
        at_s: Event time.
    """
    names = {one.id for one in tracks}
    if not finding.over:
        names |= {name for one in tracks for name in fellows_of(one)}
    # Not in the order of a dict: a re-run puts its own behind those of other places.
    for notice in sorted(notices, key=lambda one: (one.opened_s, one.id), reverse=True):
        if (
            notice.kind is finding.kind
            and notice.subject == finding.subject
            and (notice.outbound is finding.outbound or finding.over)
            and (notice.ended_s is None or at_s - notice.ended_s <= JOIN_S)
            # An entry of a watchlist is one vehicle, whatever tracks it had.
            and (finding.kind is AlertKind.WATCHLIST or not names.isdisjoint(notice.tracks))
        ):
            return notice
    return None


def are_one_notice(one: Notice, other: Notice) -> bool:
    """Tell whether two notices are one and the same under two ids, as late data may have it."""
    return (
        one.kind is other.kind
        and one.subject == other.subject
        and one.outbound is other.outbound
        and abs(one.opened_s - other.opened_s) <= JOIN_S
        and (
            not set(one.tracks).isdisjoint(other.tracks)
            or math.dist(one.at, other.at) <= _SAME_PLACE_M
        )
    )


def begun(
    finding: Finding, track: Track, company: Sequence[Track], at_s: float, *, ordinal: int
) -> Notice:
    """Begin a notice; `ordinal`: how many of this kind and subject the track has had."""
    names = {one.id for one in company}.union(finding.also)
    parts = (finding.kind.value, finding.subject, str(ordinal))
    return Notice(
        id=derived_id("inc", track.id, *parts),
        kind=finding.kind,
        subject=finding.subject,
        severity=finding.severity,
        probability=finding.probability,
        outbound=finding.outbound,
        reasons=finding.reasons,
        eta_s=finding.eta_s,
        lead=finding.lead,
        at=finding.at or track.place,
        opened_s=at_s,
        updated_s=at_s,
        tracks=(track.id, *sorted(names - {track.id})),
        devices=tuple(sorted({device for one in company for device in one.devices})),
        headcount=_heads(finding, company),
        headcount_min=max(1, simultaneous(company)),
        simulated=any(one.simulated for one in company),
        decided_s=at_s,
        lineages=lineages_with((), company),
    )


def of_fault(fault: DeviceFault) -> Notice:
    """Return the notice of what is wrong with a device, or with many at once."""
    return Notice(
        id=fault.id,
        kind=AlertKind.DEVICE,
        subject=fault.cause.value,
        severity=fault.severity,
        probability=1.0,
        outbound=None,
        reasons=fault.reasons,
        eta_s=None,
        lead=None,
        at=fault.at or Metres(0.0, 0.0),  # nobody said where: the sector's middle
        opened_s=fault.began_s,
        updated_s=fault.last_s,
        tracks=(),
        devices=fault.devices,
        headcount=0,
        headcount_min=0,
        simulated=fault.simulated,
        ended_s=fault.ended_s,
        free=True,
        decided_s=fault.known_s,
    )


def went_on(
    notice: Notice, finding: Finding, track: Track, company: Sequence[Track], at_s: float
) -> Notice:
    """Take in what is said of one of them now: it goes on, or has ended for this one."""
    if finding.over:
        return _ended_for(notice, track, finding.over, at_s)
    names = {one.id for one in company}.union(finding.also)
    devices = {device for one in company for device in one.devices}
    severity = max(notice.severity, finding.severity, key=_URGENCY.__getitem__)
    seen = replace(
        notice,
        severity=severity,
        reasons=finding.reasons if severity is not notice.severity else notice.reasons,
        tracks=(*notice.tracks, *sorted(names.difference(notice.tracks))),
        devices=tuple(sorted(devices.union(notice.devices))),
        headcount=max(notice.headcount, _heads(finding, company)),
        headcount_min=max(notice.headcount_min, simultaneous(company)),
        simulated=notice.simulated or any(one.simulated for one in company),
        lead=_surer(notice.lead, finding.lead),
        over=tuple(one for one in notice.over if one != track.id),
        lost_s=None,
    )
    if seen.outcome != CROSSED:
        # Or it begins again: still the same. But who went back did, while others go on a little.
        again = notice.ended_s is not None or track.id in notice.over
        seen = replace(seen, ended_s=None, outcome="" if again else notice.outcome)
    if seen == notice:
        return notice
    return replace(seen, updated_s=at_s, lineages=lineages_with(notice.lineages, company))


def _heads(finding: Finding, company: Sequence[Track]) -> int:
    """Return how many it is about: those that a vehicle met, or the company itself."""
    return len(finding.also) or len(company)


def _surer(one: Lead | None, other: Lead | None) -> Lead | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda lead: lead.score)


def became(notice: Notice, case_id: str, at_s: float) -> Notice:
    """End an approach by the crossing that it led to."""
    return replace(notice, ended_s=at_s, outcome=CROSSED, led_to=case_id, updated_s=at_s)


def is_approach_of(notice: Notice, case: Case, at_s: float) -> bool:
    """Tell whether a case is what an approach led to."""
    return (
        notice.kind is AlertKind.APPROACH
        and notice.outbound is case.outbound
        and notice.outcome != CROSSED
        and (notice.ended_s is None or at_s - notice.ended_s <= JOIN_S)
        and not set(notice.tracks).isdisjoint(case.tracks)
    )


def _ended_for(notice: Notice, track: Track, outcome: str, at_s: float) -> Notice:
    if notice.ended_s is not None or track.id in notice.over or track.id not in notice.tracks:
        return notice
    over = (*notice.over, track.id)
    if notice.kind not in _OF_ONE and set(over) < set(notice.tracks):
        return replace(notice, over=over, outcome=outcome)
    return replace(notice, over=over, ended_s=at_s, outcome=outcome, updated_s=at_s)


def aged(
    notice: Notice,
    alive: Container[str],
    at_s: float,
    *,
    going: Container[str],
    return_s: float,
) -> Notice:
    """Let time pass: it has ended when nobody of it is there any more, nor comes back.

    Whoever of them is gone is not waited for: it ends as it ended for those who were seen. Nor is
    who of them does not do what it is about: `going` holds all who may.
    """
    if notice.ended_s is not None:
        return notice
    there = [one for one in notice.tracks if one in alive]
    if there and not {one for one in there if one in going} <= set(notice.over):
        return notice if notice.lost_s is None else replace(notice, lost_s=None)
    if not there and notice.lost_s is None:
        return replace(notice, lost_s=at_s)
    if notice.lost_s is not None and at_s - notice.lost_s < return_s:
        return notice
    return replace(notice, ended_s=at_s, updated_s=at_s)
