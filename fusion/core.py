"""The picture at one event time: tracks, units and cases, and how a message changes it.

Looks, unit fixes and ticks must come in order of their time; `fusion.engine` sees to that. All
values inside are immutable, so that a copy (a checkpoint) is as cheap as its dicts.
"""

import math
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from edge.messages import AlertKind, UtcTime
from fusion.docket import Docket
from fusion.events import HeldBecause
from fusion.incidents import JOIN_S, Case, Held, Walk, case_of, joined, opened, recounted
from fusion.local_frame import Metres
from fusion.notices import Notice, aged, became, begun, is_approach_of, notice_of, went_on
from fusion.rulebook import CorroborationRule
from fusion.sector import Sector
from fusion.situation.approach import goes_on
from fusion.situation.corroboration import Witnesses, lacking
from fusion.situation.crossing import Crossing, Sight, counts, observe
from fusion.situation.finding import Finding
from fusion.situation.groups import (
    COUNT_S,
    COUNTED_LATELY_S,
    company,
    counted_together,
    fellows_of,
)
from fusion.situation.interception import to_meet
from fusion.situation.patrols import Bond, Unit, UnitFix, bond, is_near, met
from fusion.situation.stages import said
from fusion.situation.tips import (
    Tip,
    agreeing,
    agrees_with,
    is_tip,
    raised,
    raised_notice,
    reach_of,
    speaks_of,
    tips_of,
    told,
)
from fusion.situation.zones_here import EXPLAINS, open_crossing_point, ruling_zone
from fusion.snapshot import dumped, loaded
from fusion.tracking.fixes import Look
from fusion.tracking.lines import Written
from fusion.tracking.motion import Motion
from fusion.tracking.track import RECENT_S, Track
from fusion.tracking.tracker import Tracker
from fusion.trodden import Trodden, cell_of

TICK_S: Final = 0.5  # event time advances on this grid, whatever the clock does
_MET_S: Final = 5.0  # a track not seen for longer is not compared with a unit's fix
_UNIT_KEPT_S: Final = 600.0
_CASE_KEPT_S: Final = 600.0  # beyond the horizon
_COUNTED_M: Final = 200.0  # nobody farther from the line is counted
_JUDGED_ANEW: Final = frozenset({HeldBecause.OWN_FORCE, HeldBecause.UNCORROBORATED})
_EXPLAINED_BY_PLACE: Final = frozenset({AlertKind.APPROACH, AlertKind.LOITERING})


class Core:
    """A sector's picture. `cases` holds every case younger than `case_kept_s`."""

    def __init__(self, sector: Sector, trodden: Trodden) -> None:
        """Begin with an empty picture, before all time; where anybody is goes to `trodden`."""
        self._sector = sector
        self._rules = sector.rules
        self._trodden = trodden
        self.tracker = Tracker(sector, trodden)
        self.units: dict[str, Unit] = {}
        self.cases: dict[str, Case] = {}
        self.notices = Docket()
        self.tips: dict[str, Tip] = {}  # of lately
        self.revision = 0  # grows whenever a case changes
        self._next_tick = -math.inf
        self.case_kept_s = sector.rules.time.horizon_s + _CASE_KEPT_S
        # A look counts against the tracks that its device saw no longer ago.
        self.looks_back_s = RECENT_S + sector.rules.tracking.tentative_s + 2.0 * TICK_S
        self._wants_agreement = self._rules.corroboration != CorroborationRule()
        self._unit_kept_s = max(_UNIT_KEPT_S, sector.rules.patrols.max_age_s)

    def copy(self) -> "Core":
        """Return an independent copy that shares all values. `wake` it before use."""
        twin = self._with(self.tracker.copy(), dict(self.cases), self._trodden)
        twin.notices, twin.tips = self.notices.copy(), dict(self.tips)
        return twin

    def content(self) -> bytes:
        """Return all that is in it; `filled` brings it back."""
        tracker = self.tracker
        return dumped(
            (
                (tracker.tracks, tracker.offsets, tracker.waiting, tracker.gone),
                (tracker.overlaps.since, tracker.overlaps.apart),
                (self.units, self.cases, tuple(self.notices), self.tips),
                (self.revision, self._next_tick),
            ),
            self._sector,
        )

    def emptied(self) -> "Core":
        """Return one of the same sector without anything in it."""
        return Core(self._sector, self._trodden)

    def filled(self, content: bytes) -> "Core":
        """Return one of the same sector with a content. `wake` it before use."""
        twin = Core(self._sector, self._trodden)
        tracked, overlaps, about, stamps = loaded(content, self._sector)
        tracker = twin.tracker
        tracker.tracks, tracker.offsets, tracker.waiting, tracker.gone = tracked
        tracker.overlaps.since, tracker.overlaps.apart = overlaps
        twin.units, twin.cases, notices, twin.tips = about
        twin.notices = Docket(notices)
        twin.revision, twin._next_tick = stamps
        return twin

    def part(
        self, region: frozenset[int], *, inside: bool, trodden: Trodden | None = None
    ) -> "Core":
        """Return a copy with the tracks and cases of some cells, or all others; and all units."""
        cases = {name: one for name, one in self.cases.items() if (one.cell in region) is inside}
        tracker = self.tracker.part(region, inside=inside, trodden=trodden)
        twin = self._with(tracker, cases, trodden or self._trodden)
        twin.notices = Docket(one for one in self.notices if (one.cell in region) is inside)
        twin.tips = {
            name: tip for name, tip in self.tips.items() if (cell_of(*tip.at) in region) is inside
        }
        return twin

    def replaced(self, region: frozenset[int], anew: "Core", devices: Collection[str]) -> "Core":
        """Return a copy in which what lies in some cells, and all units, are another core's.

        And what is known of the devices that saw something there.
        """
        twin = self.part(region, inside=False)
        twin.tracker = twin.tracker.joined(anew.tracker, devices)
        twin.cases |= anew.cases
        for notice in anew.notices:
            twin.notices.keep(notice)
        twin.tips |= anew.tips
        twin.units = dict(anew.units)
        twin.revision = max(self.revision, anew.revision) + 1
        return twin

    def ties(self) -> Iterator[frozenset[int]]:
        """Yield the cells of each case's places and people, and of each track: one region.

        A track's are where it was last seen, and where it came over the line: a case may open
        there.
        """
        tracks = self.tracker.tracks
        for case in self.cases.values():
            there = [tracks[one].place for one in case.tracks if one in tracks]
            there += [step.over for step in case.steps]
            yield frozenset((case.cell, *(cell_of(*place) for place in there)))
        for notice in self.notices:
            there = [tracks[one].place for one in notice.tracks if one in tracks]
            yield frozenset((notice.cell, *(cell_of(*place) for place in there)))
        for track in tracks.values():
            over = track.watch.over or track.place
            yield frozenset((cell_of(*track.place), cell_of(*over)))
        for tip in self.tips.values():
            yield reach_of(tip, self._rules.tip)
        for track in self.tracker.gone.values():
            yield frozenset((cell_of(*track.place),))

    def wanted_by(self, text: str) -> frozenset[str]:
        """Return the entries of the watchlist that the reading of a plate may be a hit of."""
        return self._sector.watchlist.like(text)

    def wanted(self) -> dict[str, set[int]]:
        """Return the cells of what is a hit, or may be, by the entry of the watchlist."""
        found: dict[str, set[int]] = {}
        for notice in self.notices:
            if notice.kind is AlertKind.WATCHLIST:
                found.setdefault(notice.subject, set()).add(notice.cell)
        for track in self.tracker.tracks.values():
            for text, _ in track.plates:
                for name in self.wanted_by(text):
                    found.setdefault(name, set()).add(cell_of(*track.place))
        return found

    def _with(self, tracker: Tracker, cases: dict[str, Case], trodden: Trodden) -> "Core":
        twin = Core(self._sector, trodden)
        twin.tracker, twin.cases = tracker, cases
        twin.units = dict(self.units)
        twin.revision = self.revision
        twin._next_tick = self._next_tick
        return twin

    def wake(self, at_s: float) -> None:
        """Make a copy fit to go on from an instant."""
        self.tracker.wake(at_s)

    @property
    def is_still(self) -> bool:
        """Tell whether time alone can change nothing that is told to others."""
        if self.tracker.tracks:
            return False
        return all(case.waits_until_s is None for case in self.cases.values()) and all(
            one.ended_s is not None and one.waits_until_s is None for one in self.notices
        )

    def advance(self, to_s: float) -> list[Written]:
        """Let event time pass up to an instant (inclusive), tick by tick while anything lives."""
        lines: list[Written] = []
        while True:
            if self.is_still:
                # Skip the gap: nothing happens in it.
                self._next_tick = max(self._next_tick, grid_after(to_s))
                return lines
            if self._next_tick > to_s:
                return lines
            lines += self._tick(self._next_tick)
            self._next_tick = grid_after(self._next_tick)

    def take(self, item: Look | UnitFix) -> tuple[Written, ...]:
        """Take in what a device saw or where a unit is; event time must have advanced to it."""
        if isinstance(item, UnitFix):
            self._met(item)
            return ()
        if is_tip(item):
            self._hear(item)
            return ()
        step = self.tracker.look(item)
        for track in step.updated:
            self._watch(track, item)
        return step.lines

    def _tick(self, at_s: float) -> tuple[Written, ...]:
        lines = self.tracker.tick(at_s)
        for case in list(self.cases.values()):
            if case.waits_until_s is not None:
                if at_s >= case.waits_until_s:
                    self._judge(case, at_s)
            elif at_s - case.last_s > self.case_kept_s:
                del self.cases[case.id]
        for notice in self.notices:
            self._let_pass(notice, at_s)
        if at_s % COUNT_S == 0.0:
            self._count(at_s)
        self._forget(at_s)
        return lines

    def _forget(self, at_s: float) -> None:
        """Let go of the units and tips that say nothing any more."""
        for tip in list(self.tips.values()):
            if at_s - tip.at_s > self._rules.tip.agrees_s:
                del self.tips[tip.id]
        for unit in list(self.units.values()):
            if at_s - unit.fixes[-1].at_s > self._unit_kept_s:
                del self.units[unit.unit_id]

    def _count(self, at_s: float) -> None:
        """Count who walks together near the line, and the groups that crossed it lately."""
        walkers = [
            (one, self.tracker.at(one, at_s))
            for one in self.tracker.tracks.values()
            if one.confirmed
            and one.kind == "person"
            and at_s - one.seen_s <= COUNTED_LATELY_S
            and one.watch.last is not None
            and abs(one.watch.last_m) <= _COUNTED_M
        ]
        rule = self._rules.groups
        for group in counted_together(walkers, at_s, rule):
            for track in group:
                self.tracker.keep(track)
            for case in list(self.cases.values()) if len(group) > 1 else ():
                again = recounted(case, group, at_s, rule)
                if again != case:
                    self._keep(again)
                    self._judge(again, at_s)

    def _watch(self, track: Track, look: Look) -> None:
        """Hold a track that was just seen against the line."""
        motion = track.motion
        at = Metres(motion.x_m, motion.y_m)
        rhythm_s = (look.at_s - max(track.born_s, track.back_s)) / max(1, track.looks - 1)
        sight = Sight(look.at_s, at, track.random_of(motion), track.bias, look.device, rhythm_s)
        watch, crossing = observe(
            track.watch, sight, self._sector.border, self._rules.crossing,
            confirmed=track.confirmed,
        )  # fmt: skip
        stages, findings = said(track, look.at_s, self._sector, self._met_by)
        # A merge or another fix of this look cannot have touched it: one fix a track and look.
        track = replace(track, watch=watch, stages=stages)
        self.tracker.keep(track)
        if crossing is not None and counts(track.label, crossing, self._rules.crossing):
            self._crossed(track, crossing, look.at_s)
        if self._wants_agreement:
            self._witnessed(track, look.at_s)
        for finding in findings:
            self._heed(track, finding, look.at_s)

    def _crossed(self, track: Track, crossing: Crossing, at_s: float) -> None:
        """Open a case for who crossed, or add them to their group's; end their approach."""
        zone = open_crossing_point(self._sector, crossing.over, UtcTime.from_epoch_s(at_s))
        walk = Walk(track, crossing, self._company(track, at_s), None if zone is None else zone.id)
        known = case_of(self.cases.values(), walk, self._rules.groups)
        case = (
            opened(walk, self._rules.groups)
            if known is None
            else joined(known, walk, self._rules.groups)
        )
        for notice in self.notices.about(case.tracks):
            if is_approach_of(notice, case, at_s):
                self._keep_notice(became(notice, case.id, at_s))
                case = replace(case, follows=case.follows or notice.id)
        if case.tip is None and self.tips:
            tip = agreeing(self.tips.values(), track, at_s, self._rules.tip)
            case = replace(case, tip=tip)
        self._keep(case)
        self._judge(case, at_s)

    def _witnessed(self, track: Track, at_s: float) -> None:
        """Judge anew what too few had seen of a track: one more look of it came."""
        for case in list(self.cases.values()):
            if _is_uncorroborated(case) and track.id in case.tracks:
                self._judge(case, at_s)
        for notice in self.notices.about((track.id,)):
            if _is_uncorroborated(notice):
                self._judge_notice(notice, at_s)

    def _lacking(self, matter: Case | Notice, kind: AlertKind) -> Held | None:
        """Return what holds a matter back that too few have seen."""
        if not self._wants_agreement:
            return None
        here = [self.tracker.tracks[one] for one in matter.tracks if one in self.tracker.tracks]
        seen = [sighting for track in here for sighting in track.sightings]
        witnesses = Witnesses(
            devices={*matter.devices, *(one.device for one in seen)},
            sensor_kinds={one.sensor_kind for one in seen},
            looks=sum(track.looks for track in here),
        )
        text = lacking(kind, witnesses, self._rules.corroboration)
        return None if text is None else Held(HeldBecause.UNCORROBORATED, text)

    def _hear(self, look: Look) -> None:
        """Take in what somebody told us: a notice of its own, and more urgency for others."""
        rule = self._rules.tip
        for tip in tips_of(look):
            self.tips[tip.id] = tip
            self._keep_notice(told(tip, self.notices, rule))
            for notice in self.notices:
                if agrees_with(tip, notice, rule):
                    self._keep_notice(raised_notice(notice, tip))
            for case in list(self.cases.values()):
                if case.tip is None and speaks_of(tip, case.label, case.over, case.last_s, rule):
                    self._keep(replace(case, tip=tip, updated_s=max(case.updated_s, tip.at_s)))

    def _heed(self, track: Track, finding: Finding, at_s: float) -> None:
        """Take in what a stage says of a track: a new notice, or more of one that is known."""
        if self.tips:
            tip = agreeing(self.tips.values(), track, at_s, self._rules.tip)
            finding = raised(finding, tip)
        # Of two who are together now, one may end what is said of the other no more than that.
        group = (track,) if finding.over else self._company(track, at_s)
        known = notice_of(self._perhaps_of(finding, group), finding, group, at_s)
        if known is None:
            if finding.over or self._has_crossed(group, finding, at_s):
                return
            known = self._lost_on_the_way(track, finding)
        if known is None:
            notice = begun(finding, track, group, at_s, ordinal=self._ordinal(track, finding))
        else:
            notice = went_on(known, finding, track, group, at_s)
        if known is None or notice.severity is not known.severity:
            found = to_meet(track, finding, self.units.values(), at_s, self._sector)
            notice = replace(notice, interceptions=found)
        if notice != known:
            self._keep_notice(notice)
        place = None if finding.over else self._explaining_place(track, finding, at_s)
        self._judge_notice(notice, at_s, place=place, anew=not finding.over)

    def _ordinal(self, track: Track, finding: Finding) -> int:
        """Count one more notice that is said of a track; return how many there were before."""
        known = sum(
            one.kind is finding.kind
            and one.subject == finding.subject
            and one.tracks[0] == track.id
            for one in self.notices.about((track.id,))
        )
        now = self.tracker.tracks[track.id]
        ordinal, stages = now.stages.with_another(finding.kind, finding.subject, known)
        self.tracker.keep(replace(now, stages=stages))
        return ordinal

    def _perhaps_of(self, finding: Finding, group: Sequence[Track]) -> Iterable[Notice]:
        """Return the notices that a finding about a group may belong to, and some others."""
        if finding.kind is AlertKind.WATCHLIST:
            return self.notices  # one vehicle, whatever tracks it had
        return self.notices.about({name for one in group for name in (one.id, *fellows_of(one))})

    def _lost_on_the_way(self, track: Track, finding: Finding) -> Notice | None:
        """Return the approach of a group that went out of sight and that somebody goes on with."""
        if finding.kind is not AlertKind.APPROACH:
            return None
        tracker = self.tracker
        for notice in sorted(self.notices, key=lambda one: (one.opened_s, one.id)):
            if (
                notice.kind is finding.kind
                and notice.outbound is finding.outbound
                and notice.ended_s is None
            ):
                known = (tracker.tracks.get(one) or tracker.gone.get(one) for one in notice.tracks)
                if any(one is not None and goes_on(one, track) for one in known):
                    return notice
        return None

    def _has_crossed(self, group: Sequence[Track], finding: Finding, at_s: float) -> bool:
        """Tell whether an approach is that of a group whose first are over the line already."""
        return finding.kind is AlertKind.APPROACH and any(
            case.outbound is finding.outbound
            and at_s - case.last_s <= JOIN_S
            and any(case.holds(one) for one in group)
            for case in self.cases.values()
        )

    def _let_pass(self, notice: Notice, at_s: float) -> None:
        """Let event time pass for a notice: it waits, goes on, ends or is forgotten."""
        if notice.waits_until_s is not None:
            if at_s >= notice.waits_until_s:
                self._judge_notice(notice, at_s)
        elif notice.ended_s is not None and at_s - notice.last_s > self.case_kept_s:
            self.notices.drop(notice)
            return
        notice = self.notices.by_id[notice.id]
        tracks, return_s = self.tracker.tracks, self._rules.tracking.return_s
        later = aged(notice, tracks, at_s, going=self._going(notice), return_s=return_s)
        if later is not notice:
            self._keep_notice(later)

    def _going(self, notice: Notice) -> Container[str]:
        """Return who of a notice may still do what it is about; of an approach, by their ways.

        Once one of them went back: who only came into view with them then never approached.
        """
        tracks = self.tracker.tracks
        if notice.kind is not AlertKind.APPROACH or not notice.over:
            return tracks
        here = [tracks[one] for one in notice.tracks if one in tracks]
        return {one.id for one in here if one.stages.approach.nearest is not None}

    def _judge_notice(
        self, notice: Notice, at_s: float, *, place: Held | None = None, anew: bool = False
    ) -> None:
        """Decide anew what holds a notice back; `place`: the place does, if it is asked `anew`."""
        held, waits_until_s = place if anew else notice.held, None
        if held is None or held.because in _JUDGED_ANEW:
            here = (self.tracker.tracks.get(one) for one in notice.tracks)
            bonds = [self._bond(one, at_s) for one in here if one is not None]
            ours = next((who for how, who in bonds if how is Bond.WITH), None)
            if ours is not None and all(how is not Bond.APART for how, _ in bonds):
                held = Held(HeldBecause.OWN_FORCE, ours)
            elif bonds:
                held = None
                ends_s = notice.opened_s + self._rules.patrols.hold_s
                unsure = any(how is Bond.UNSURE for how, _ in bonds)
                if unsure and not notice.free and at_s < ends_s:
                    waits_until_s = ends_s
        if held is None and not notice.free:
            held = self._lacking(notice, notice.kind)
        free = notice.free or (held is None and waits_until_s is None)
        judged = replace(notice, held=held, waits_until_s=waits_until_s, free=free)
        if judged != notice:
            self._keep_notice(replace(judged, decided_s=at_s))

    def _explaining_place(self, track: Track, finding: Finding, at_s: float) -> Held | None:
        """Return what of the place explains who nears the line, or stays there."""
        if finding.kind not in _EXPLAINED_BY_PLACE:
            return None
        when = UtcTime.from_epoch_s(at_s)
        zone = ruling_zone(self._sector, finding.at or track.place, when)
        if finding.towards is not None and (zone is None or zone.kind not in EXPLAINS):
            zone = open_crossing_point(self._sector, finding.towards, when)
        because = None if zone is None else EXPLAINS.get(zone.kind)
        return None if zone is None or because is None else Held(because, zone.id)

    def _company(self, track: Track, at_s: float) -> tuple[Track, ...]:
        reach_m = 10.0 * self._rules.groups.link_m
        others = [(one, self.tracker.at(one, at_s)) for one in self.tracker.around(track, reach_m)]
        return company(track, others, at_s, self._rules.groups)

    def _met_by(self, track: Track, within_m: float, at_s: float) -> list[tuple[Track, Motion]]:
        """Return the other tracks near one, where they are at an instant."""
        return [
            (one, self.tracker.at(one, at_s))
            for one in self.tracker.around(track, within_m)
            if one.id != track.id
        ]

    def _met(self, fix: UnitFix) -> None:
        """Compare the tracks of this instant with where one of our units is."""
        if fix.accuracy_m > self._rules.patrols.max_accuracy_m:
            return  # so vague that it would be near to everyone
        unit = self.units.get(fix.unit_id, Unit(fix.unit_id)).after(fix)
        self.units[fix.unit_id] = unit
        near: set[str] = set()
        for track in list(self.tracker.tracks.values()):
            if not is_near(fix, track.place):
                continue
            near.add(track.id)
            if fix.at_s - track.seen_s <= _MET_S:
                motion = self.tracker.at(track, fix.at_s)
                self.tracker.keep(met(track, motion, unit, self._rules.patrols))
        for case in list(self.cases.values()):
            if fix.at_s - case.opened_s > self._rules.patrols.hold_s:
                continue
            if is_near(fix, case.over) or not near.isdisjoint(case.tracks):
                self._judge(case, fix.at_s)
        for notice in self.notices.about(near):
            if notice.ended_s is None:
                self._judge_notice(notice, fix.at_s)

    def _judge(self, case: Case, at_s: float) -> None:
        """Decide anew what holds a case back: the place, a patrol, or nothing."""
        held, ours, waits_until_s = case.held, case.ours, None
        if case.zone_id is not None:
            held = Held(HeldBecause.LAWFUL, case.zone_id)
        else:
            here = (self.tracker.tracks.get(one) for one in case.tracks)
            bonds = {one.id: self._bond(one, at_s) for one in here if one and case.holds(one)}
            unit_id = next((who for how, who in bonds.values() if how is Bond.WITH), None)
            if unit_id is not None or ours:
                ours = self._explained(case, bonds)
                if any(case.crossed(one) for one in case.tracks if one not in ours):
                    held = None
                elif unit_id is not None:
                    held = Held(HeldBecause.OWN_FORCE, unit_id)
            elif bonds:
                ends_s = case.opened_s + self._rules.patrols.hold_s
                unsure = any(how is Bond.UNSURE for how, _ in bonds.values())
                if unsure and not case.free and at_s < ends_s:
                    waits_until_s = ends_s
        if _is_uncorroborated(case) and held == case.held:
            held = None
        if held is None and not case.free:
            held = self._lacking(case, AlertKind.CROSSING)
        free = case.free or (held is None and waits_until_s is None)
        judged = replace(case, held=held, ours=ours, waits_until_s=waits_until_s, free=free)
        if judged != case:
            updated_s = case.updated_s if ours == case.ours else at_s
            self._keep(replace(judged, decided_s=at_s, updated_s=updated_s))

    def _explained(self, case: Case, bonds: dict[str, tuple[Bond, str]]) -> tuple[str, ...]:
        """Return who of a case belongs to the patrol, now that one of them surely does.

        Whoever is near without being refuted goes with it. Whoever is gone stays what it was.
        """
        return tuple(
            one
            for one in case.tracks
            if (
                bonds[one][0] is not Bond.APART
                if one in bonds
                else one in case.ours or not case.free
            )
        )

    def _bond(self, track: Track, at_s: float) -> tuple[Bond, str]:
        """Return the closest bond of a track with any unit, and the unit."""
        motion, rule = self.tracker.at(track, at_s), self._rules.patrols
        found = (
            (bond(track, motion, at_s, unit, rule), unit.unit_id) for unit in self.units.values()
        )
        return max(found, default=(Bond.APART, ""))

    def _keep_notice(self, notice: Notice) -> None:
        self.notices.keep(notice)
        self._trodden.mark_cell(notice.cell, notice.updated_s)
        self.revision += 1

    def _keep(self, case: Case) -> None:
        self.cases[case.id] = case
        self._trodden.mark_cell(case.cell, case.updated_s)
        self.revision += 1


def _is_uncorroborated(matter: Case | Notice) -> bool:
    return matter.held is not None and matter.held.because is HeldBecause.UNCORROBORATED


def grid_after(at_s: float) -> float:
    """Return the first tick later than an instant; there is none before all time."""
    if at_s == -math.inf:
        return at_s
    return (math.floor(at_s / TICK_S) + 1.0) * TICK_S
