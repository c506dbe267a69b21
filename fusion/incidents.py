"""One case per group that crosses: who belongs to it, how many they are, what holds it back.

A `Case` is what the core knows; `fusion.rules` turns it into alerts and incidents for people.
"""

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from fusion.events import HeldBecause
from fusion.local_frame import Metres
from fusion.rulebook import GroupsRule
from fusion.situation.crossing import Crossing
from fusion.tracking.track import Track, derived_id
from fusion.tracking.tracker import simultaneous

JOIN_S: Final = 120.0  # later than this after the last of them nobody joins a group


class Step(NamedTuple):
    """One person's way over the line."""

    track_id: str
    at_s: float
    over: Metres


class Held(NamedTuple):
    """Why a case raises no alert."""

    because: HeldBecause
    who: str  # the unit, or the zone


class Case(Struct, frozen=True):
    """One group's crossing, one way."""

    id: str
    outbound: bool
    opened_s: float  # event time of the evidence that sufficed
    updated_s: float
    label: str
    over: Metres
    probability: float
    step_m: float
    sigma_m: float
    line_status: str
    steps: tuple[Step, ...]
    companions: tuple[str, ...]  # tracks that walked with them
    devices: tuple[str, ...]
    headcount: int
    headcount_min: int
    simulated: bool
    zone_id: str | None  # the open crossing point it went through
    held: Held | None = None
    waits_until_s: float | None = None  # undecided: a patrol may have been there
    free: bool = False  # nothing held it back once: it never waits again
    decided_s: float = 0.0  # when it was last judged differently

    @property
    def track_ids(self) -> tuple[str, ...]:
        """Return everyone's tracks, those who crossed first."""
        crossed = tuple(dict.fromkeys(step.track_id for step in self.steps))
        return (*crossed, *(other for other in self.companions if other not in crossed))

    @property
    def headcount_max(self) -> int:
        """Return the count if every track were a person of its own."""
        return max(self.headcount, len(self.track_ids))

    def crossed(self, track_id: str) -> bool:
        """Tell whether a track went over the line in this case."""
        return any(step.track_id == track_id for step in self.steps)


class Walk(NamedTuple):
    """Someone who just crossed, with whom, and where one may."""

    track: Track
    crossing: Crossing
    company: tuple[Track, ...]  # the track itself included
    zone_id: str | None  # the open crossing point it went through


def opened(walk: Walk) -> Case:
    """Open a case for the first of a group."""
    track, crossing, company, zone_id = walk
    way = "outbound" if crossing.outbound else "inbound"
    return Case(
        id=derived_id("inc", track.id, way, str(crossing.ordinal)),
        outbound=crossing.outbound,
        opened_s=crossing.at_s,
        updated_s=crossing.at_s,
        label=track.label,
        over=crossing.over,
        probability=crossing.probability,
        step_m=crossing.step_m,
        sigma_m=crossing.sigma_m,
        line_status=crossing.line_status,
        steps=(Step(track.id, crossing.at_s, crossing.over),),
        companions=_others(track, company, ()),
        devices=_devices((), company),
        headcount=len(company),
        headcount_min=max(1, simultaneous(company)),
        simulated=any(one.simulated for one in company),
        zone_id=zone_id,
        decided_s=crossing.at_s,
    )


def joined(case: Case, walk: Walk) -> Case:
    """Add one more of the group: the headcount is the most seen at once, never a sum."""
    track, crossing, company, _ = walk
    return replace(
        case,
        updated_s=crossing.at_s,
        probability=max(case.probability, crossing.probability),
        steps=(*case.steps, Step(track.id, crossing.at_s, crossing.over)),
        companions=_others(track, company, case.companions),
        devices=_devices(case.devices, company),
        headcount=max(case.headcount, len(company)),
        headcount_min=max(case.headcount_min, simultaneous(company)),
        simulated=case.simulated or any(one.simulated for one in company),
    )


def case_of(cases: Iterable[Case], walk: Walk, rule: GroupsRule) -> Case | None:
    """Find the case of the group that a track belongs to, the newest first; None: a new one.

    By identity, not by a clock: it walked with them, or it came over the very place where one of
    them had just come over.
    """
    track, crossing, company, zone_id = walk
    with_it = {one.id for one in company} - {track.id}
    for case in reversed(list(cases)):
        if case.outbound != crossing.outbound or case.zone_id != zone_id:
            continue
        if crossing.at_s - case.updated_s > JOIN_S or case.crossed(track.id):
            continue
        if track.id in case.companions or any(case.crossed(other) for other in with_it):
            return case
        if any(_followed(step, crossing, rule) for step in case.steps):
            return case
    return None


def _followed(step: Step, crossing: Crossing, rule: GroupsRule) -> bool:
    return (
        crossing.at_s - step.at_s <= rule.link_s
        and math.dist(step.over, crossing.over) <= rule.link_m
    )


def _others(track: Track, company: tuple[Track, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    more = {one.id for one in company if one.id != track.id}
    return tuple(sorted(more | set(known)))


def _devices(known: tuple[str, ...], company: tuple[Track, ...]) -> tuple[str, ...]:
    return tuple(sorted({*known, *(device for one in company for device in one.devices)}))
