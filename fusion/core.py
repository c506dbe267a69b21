"""The picture at one event time, and how a message and the passing of time change it.

Looks, unit fixes and ticks must come in order of their time; `fusion.engine` sees to that.

    look ─▶ tracker ─▶ watch: over the line? ─▶ case   ─┐
                       stages: what is said? ─▶ notice ─┴▶ judged: does anything hold it back?
"""

import math
from typing import Final

from msgspec.structs import replace

from edge.messages import UtcTime
from fusion.heeding import hear, heed, let_pass
from fusion.incidents import Walk, case_of, joined, opened, recounted
from fusion.judging import judge, judge_notice, judge_witnessed
from fusion.local_frame import Metres
from fusion.matters import Matters
from fusion.notices import became, is_approach_of
from fusion.sector import Sector
from fusion.situation.crossing import Crossing, Sight, counts, observe
from fusion.situation.groups import COUNT_S, COUNTED_LATELY_S, counted_together
from fusion.situation.patrols import Unit, UnitFix, is_near, met
from fusion.situation.stages import said
from fusion.situation.tips import agreeing, is_tip
from fusion.situation.zones_here import open_crossing_point
from fusion.tracking.fixes import Look
from fusion.tracking.lines import Written
from fusion.tracking.motion import Motion
from fusion.tracking.track import RECENT_S, Track
from fusion.trodden import Trodden

TICK_S: Final = 0.5  # event time advances on this grid, whatever the clock does
_MET_S: Final = 5.0  # a track not seen for longer is not compared with a unit's fix
_UNIT_KEPT_S: Final = 600.0
_COUNTED_M: Final = 200.0  # nobody farther from the line is counted


class Core(Matters):
    """A sector's picture."""

    def __init__(self, sector: Sector, trodden: Trodden) -> None:
        """Begin with an empty picture, before all time; where anybody is goes to `trodden`."""
        super().__init__(sector, trodden)
        self._rules = sector.rules
        # A look counts against the tracks that its device saw no longer ago.
        self.looks_back_s = RECENT_S + sector.rules.tracking.tentative_s + 2.0 * TICK_S
        self._unit_kept_s = max(_UNIT_KEPT_S, sector.rules.patrols.max_age_s)

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
                self.next_tick_s = max(self.next_tick_s, grid_after(to_s))
                return lines
            if self.next_tick_s > to_s:
                return lines
            lines += self._tick(self.next_tick_s)
            self.next_tick_s = grid_after(self.next_tick_s)

    def take(self, item: Look | UnitFix) -> tuple[Written, ...]:
        """Take in what a device saw or where a unit is; event time must have advanced to it."""
        if isinstance(item, UnitFix):
            self._met(item)
            return ()
        if is_tip(item):
            hear(self, item)
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
                    judge(self, case, at_s)
            elif at_s - case.last_s > self.case_kept_s:
                del self.cases[case.id]
        for notice in self.notices:
            let_pass(self, notice, at_s)
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
                    self.keep(again)
                    judge(self, again, at_s)

    def _watch(self, track: Track, look: Look) -> None:
        """Hold a track that was just seen against the line."""
        motion = track.motion
        at = Metres(motion.x_m, motion.y_m)
        sight = Sight(
            look.at_s, at, track.random_of(motion), track.bias, look.device,
            track.rhythm_s(look.at_s),
        )  # fmt: skip
        watch, crossing = observe(
            track.watch, sight, self._sector.border, self._rules.crossing,
            confirmed=track.confirmed and track.doubt is None,
        )  # fmt: skip
        stages, findings = said(track, look.at_s, self._sector, self._met_by)
        # A merge or another fix of this look cannot have touched it: one fix a track and look.
        track = replace(track, watch=watch, stages=stages)
        self.tracker.keep(track)
        if crossing is not None and counts(track.label, crossing, self._rules.crossing):
            self._crossed(track, crossing, look.at_s)
        if self.wants_agreement:
            judge_witnessed(self, track, look.at_s)
        for finding in findings:
            heed(self, track, finding, look.at_s)

    def _crossed(self, track: Track, crossing: Crossing, at_s: float) -> None:
        """Open a case for who crossed, or add them to their group's; end their approach."""
        zone = open_crossing_point(self._sector, crossing.over, UtcTime.from_epoch_s(at_s))
        walk = Walk(track, crossing, self.company(track, at_s), None if zone is None else zone.id)
        known = case_of(self.cases.values(), walk, self._rules.groups)
        case = (
            opened(walk, self._rules.groups)
            if known is None
            else joined(known, walk, self._rules.groups)
        )
        for notice in self.notices.about(case.tracks):
            if is_approach_of(notice, case, at_s):
                self.keep_notice(became(notice, case.id, at_s))
                case = replace(case, follows=case.follows or notice.id)
        if case.tip is None and self.tips:
            tip = agreeing(self.tips.values(), track, at_s, self._rules.tip)
            case = replace(case, tip=tip)
        self.keep(case)
        judge(self, case, at_s)

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
                judge(self, case, fix.at_s)
        for notice in self.notices.about(near):
            if notice.ended_s is None:
                judge_notice(self, notice, fix.at_s)


def grid_after(at_s: float) -> float:
    """Return the first tick later than an instant; there is none before all time."""
    if at_s == -math.inf:
        return at_s
    return (math.floor(at_s / TICK_S) + 1.0) * TICK_S
