"""One case per group that crosses: who belongs to it, how many they are, what holds it back.

A `Case` is what the core knows; `fusion.rules` turns it into alerts and incidents for people.
"""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from fusion.events import HeldBecause
from fusion.local_frame import Metres
from fusion.rulebook import GroupsRule
from fusion.situation.crossing import Crossing
from fusion.situation.groups import counted, fellows_of, known_s
from fusion.tracking.lineage import Lineages, renewed
from fusion.tracking.track import Track, derived_id
from fusion.tracking.tracker import simultaneous
from fusion.trodden import cell_of

if TYPE_CHECKING:
    from fusion.situation.tips import Tip

JOIN_S: Final = 120.0  # later than this after the last of them nobody joins a group
_COUNTED_S: Final = 40.0  # after the last of them came over the line
_KNOWN_S: Final = 10.0  # who was in view for so long was seen to walk with them or not ...
_KNOWN_LINK_S: Final = 15.0  # ... and belongs to them no later than this
_OTHERS_LINK_S: Final = 5.0  # ... or than this, if others were seen to walk with them
_SIGMAS: Final = 2.0  # of both errors, where two devices each saw a step by themselves
_SAME_STEP_S: Final = 5.0  # late looks may move the evidence of one and the same step so far


class Step(NamedTuple):
    """One person's way over the line."""

    track_id: str
    at_s: float  # when the evidence sufficed
    over: Metres
    over_s: float  # when it came over the line


class Held(NamedTuple):
    """Why a case raises no alert."""

    because: HeldBecause
    who: str  # the unit or the zone; of what is not corroborated, what is missing


class Case(Struct, frozen=True):
    """One group's crossing, one way."""

    id: str
    outbound: bool
    opened_s: float  # event time of the evidence that sufficed
    updated_s: float  # event time of what last changed for those who read of it
    label: str
    over: Metres
    probability: float
    step_m: float
    sigma_m: float
    line_status: str
    steps: tuple[Step, ...]
    tracks: tuple[str, ...]  # everyone's, companions who have not crossed included
    devices: tuple[str, ...]
    counted: int
    counted_min: int
    simulated: bool
    zone_id: str | None  # the open crossing point it went through
    ours: tuple[str, ...] = ()  # tracks that one of our units explains
    held: Held | None = None
    waits_until_s: float | None = None  # undecided: a patrol may have been there
    free: bool = False  # nothing held it back once: it never waits again
    decided_s: float = 0.0  # when it was last judged differently
    tip: "Tip | None" = None  # somebody told us of them
    follows: str = ""  # the incident of the approach that led to it
    inferred_s: float = 0.0  # nobody looked for so long while the first came over; 0: it was seen
    half_m: float = 0.0  # of the strip or the river they went through, from the line to its edge
    lineages: Lineages = ()  # of its people, when it last changed

    @property
    def track_ids(self) -> tuple[str, ...]:
        """Return the tracks of those it is about: of an alert, nobody of ours."""
        if self.held is not None:
            return self.tracks
        return tuple(one for one in self.tracks if one not in self.ours)

    @property
    def headcount(self) -> int:
        """Return how many they are."""
        if self.held is not None or not self.ours:
            return self.counted
        # Those of ours were perhaps not near when the most were counted.
        others = sum(self.crossed(one) for one in self.track_ids)
        return max(1, self.counted - len(self.ours), min(self.counted, others))

    @property
    def headcount_min(self) -> int:
        """Return how many were surely seen at once."""
        less = 0 if self.held is not None else len(self.ours)
        return max(1, self.counted_min - less)

    @property
    def headcount_max(self) -> int:
        """Return the count if every track were a person of its own."""
        return max(self.headcount, len(self.track_ids))

    @property
    def cell(self) -> int:
        """Return the cell of the place: what belongs to it is run again together."""
        return cell_of(*self.over)

    @property
    def last_s(self) -> float:
        """Return when the last of them came over the line."""
        return self.steps[-1].at_s

    def crossed(self, track_id: str) -> bool:
        """Tell whether a track went over the line in this case."""
        return any(step.track_id == track_id for step in self.steps)

    def holds(self, track: Track) -> bool:
        """Tell whether a track is one of the group, and not seen anew under a name of theirs."""
        went_s = [step.at_s for step in self.steps if step.track_id == track.id]
        return track.id in self.tracks and track.back_s <= max(went_s, default=self.last_s)


class Walk(NamedTuple):
    """Someone who just crossed, with whom, and where one may."""

    track: Track
    crossing: Crossing
    company: tuple[Track, ...]  # the track itself included
    zone_id: str | None  # the open crossing point it went through


def opened(walk: Walk, rule: GroupsRule) -> Case:
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
        inferred_s=crossing.inferred_s,
        half_m=crossing.half_m,
        steps=(_step(walk),),
        tracks=_tracks((track.id,), company),
        devices=_devices((), company),
        counted=_heads(company, crossing.at_s, rule),
        counted_min=max(1, simultaneous(company)),
        simulated=any(one.simulated for one in company),
        zone_id=zone_id,
        decided_s=crossing.at_s,
        lineages=lineages_with((), company),
    )


def joined(case: Case, walk: Walk, rule: GroupsRule) -> Case:
    """Add one more of the group: the headcount is the most seen at once, never a sum over time.

    But whoever came over the line, each by a track of its own, is somebody.
    """
    _, crossing, company, _ = walk
    seen = replace(
        case,
        probability=max(case.probability, crossing.probability),
        tracks=_tracks(case.tracks, company),
        devices=_devices(case.devices, company),
        counted=max(
            case.counted,
            _heads(company, crossing.at_s, rule),
            len({*(step.track_id for step in case.steps), walk.track.id}),
        ),
        counted_min=max(case.counted_min, simultaneous(company)),
        simulated=case.simulated or any(one.simulated for one in company),
    )
    more = replace(seen, probability=case.probability) != case
    return replace(
        seen,
        updated_s=crossing.at_s if more else case.updated_s,
        lineages=lineages_with(case.lineages, company) if more else case.lineages,
        steps=(*case.steps, _step(walk)),
    )


def recounted(case: Case, column: Sequence[Track], at_s: float, rule: GroupsRule) -> Case:
    """Count a group again while it is in view: those hidden when they crossed show now."""
    if at_s - case.last_s > _COUNTED_S or not any(case.holds(one) for one in column):
        return case
    # Who only came near them for a moment is none of them, nor whoever walks with that one.
    known = set(case.tracks)
    column = [one for one in column if one.id in known or not known.isdisjoint(fellows_of(one))]
    seen = replace(
        case,
        tracks=_tracks(case.tracks, column),
        devices=_devices(case.devices, column),
        counted=max(case.counted, counted(column, rule)),
        counted_min=max(case.counted_min, simultaneous(column)),
    )
    if seen == case:
        return case
    return replace(seen, updated_s=at_s, lineages=lineages_with(case.lineages, column))


def are_one(case: Case, other: Case, rule: GroupsRule) -> bool:
    """Tell whether two cases are one group under two ids: common tracks, or common steps."""
    if case.outbound != other.outbound:
        return False
    return bool(set(case.tracks) & set(other.tracks)) or any(
        abs(step.at_s - twin.at_s) <= _SAME_STEP_S
        and math.dist(step.over, twin.over) <= rule.link_m
        for step in case.steps
        for twin in other.steps
    )


def gap_s(case: Case, other: Case, rule: GroupsRule) -> float | None:
    """Return how long apart two cases of different devices came over the line; None: two groups.

    One group is what `case_of` would have made one case: over the same place, within `link_s`.
    """
    if case.outbound != other.outbound:
        return None
    apart_m = rule.link_m + _SIGMAS * math.hypot(case.sigma_m, other.sigma_m)
    gaps_s = (
        abs(step.over_s - twin.over_s)
        for step in case.steps
        for twin in other.steps
        if math.dist(step.over, twin.over) <= apart_m
    )
    closest_s = min(gaps_s, default=math.inf)
    return closest_s if closest_s <= rule.link_s else None


def case_of(cases: Iterable[Case], walk: Walk, rule: GroupsRule) -> Case | None:
    """Find the case of the group that a track belongs to, the newest first; None: a new one.

    By identity, not by a clock: it walks with one of them, it walked with one of them before they
    parted, or it came over the very place where one of them had just come over.
    """
    track, crossing, company, zone_id = walk
    with_it = [one for one in company if one.id != track.id]
    fellows = fellows_of(track)
    # Not in the order of a dict: a re-run puts its cases behind those of other places.
    for case in sorted(cases, key=lambda one: (one.opened_s, one.id), reverse=True):
        if case.outbound != crossing.outbound or case.zone_id != zone_id:
            continue
        is_of = case.holds(track)
        if crossing.at_s - case.last_s > JOIN_S or (is_of and case.crossed(track.id)):
            continue
        if is_of or any(case.crossed(other.id) and case.holds(other) for other in with_it):
            return case
        if any(case.crossed(other) for other in fellows):
            return case
        if any(_followed(case, step, walk, rule) for step in case.steps):
            return case
    return None


def _followed(case: Case, step: Step, walk: Walk, rule: GroupsRule) -> bool:
    """Tell whether somebody came over just where one of a group had: a file, seen one by one.

    Whoever was in view before and walked with nobody of them must come closer upon them: the time
    alone makes nobody one of a group. Even closer, who walked with others.
    """
    track, crossing, _, _ = walk
    within_s = rule.link_s
    if known_s(track, crossing.at_s) >= _KNOWN_S:
        others = fellows_of(track)
        is_of_others = bool(others) and set(others).isdisjoint(case.tracks)
        within_s = min(within_s, _OTHERS_LINK_S if is_of_others else _KNOWN_LINK_S)
    apart_m = math.dist(step.over, crossing.over)
    return crossing.at_s - step.at_s <= within_s and apart_m <= rule.link_m


def lineages_with(known: Lineages, company: Sequence[Track]) -> Lineages:
    """Return what devices saw of some people, with what they have seen now of a company."""
    return renewed(known, ((one.id, one.lineage) for one in company))


def _step(walk: Walk) -> Step:
    crossing = walk.crossing
    return Step(walk.track.id, crossing.at_s, crossing.over, crossing.over_s)


def _heads(company: Sequence[Track], at_s: float, rule: GroupsRule) -> int:
    """Return how many a company are: by what was seen for long, or now if nobody was."""
    grown = sum(at_s - one.born_s >= 2.0 * rule.count_s for one in company)
    return max(grown or len(company), counted(company, rule))


def _tracks(known: tuple[str, ...], company: Sequence[Track]) -> tuple[str, ...]:
    return (*known, *sorted({one.id for one in company}.difference(known)))


def _devices(known: tuple[str, ...], company: Sequence[Track]) -> tuple[str, ...]:
    return tuple(sorted({*known, *(device for one in company for device in one.devices)}))
