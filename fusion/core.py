"""The picture at one event time: tracks, units and cases, and how a message changes it.

Looks, unit fixes and ticks must come in order of their time; `fusion.engine` sees to that. All
values inside are immutable, so that a copy (a checkpoint) is as cheap as its dicts.
"""

import math
from collections.abc import Collection, Iterator
from typing import Final

from msgspec.structs import replace

from edge.messages import UtcTime
from fusion.events import HeldBecause
from fusion.incidents import Case, Held, Walk, case_of, joined, opened
from fusion.local_frame import Metres
from fusion.sector import Sector
from fusion.situation.crossing import Sight, observe
from fusion.situation.groups import company
from fusion.situation.patrols import Bond, Unit, UnitFix, bond, is_near, met
from fusion.situation.places import open_crossing_point
from fusion.tracking.fixes import Look
from fusion.tracking.lines import Written
from fusion.tracking.track import RECENT_S, Track
from fusion.tracking.tracker import Tracker
from fusion.trodden import Trodden, cell_of

TICK_S: Final = 0.5  # event time advances on this grid, whatever the clock does
_MET_S: Final = 5.0  # a track not seen for longer is not compared with a unit's fix
_UNIT_KEPT_S: Final = 600.0
_CASE_KEPT_S: Final = 600.0  # beyond the horizon


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
        self.revision = 0  # grows whenever a case changes
        self._next_tick = -math.inf
        self.case_kept_s = sector.rules.time.horizon_s + _CASE_KEPT_S
        # A look counts against the tracks that its device saw no longer ago.
        self.looks_back_s = RECENT_S + sector.rules.tracking.tentative_s + 2.0 * TICK_S
        self._unit_kept_s = max(_UNIT_KEPT_S, sector.rules.patrols.max_age_s)

    def copy(self) -> "Core":
        """Return an independent copy that shares all values. `wake` it before use."""
        return self._with(self.tracker.copy(), dict(self.cases), self._trodden)

    def part(
        self, region: frozenset[int], *, inside: bool, trodden: Trodden | None = None
    ) -> "Core":
        """Return a copy with the tracks and cases of some cells, or all others; and all units."""
        cases = {name: one for name, one in self.cases.items() if (one.cell in region) is inside}
        tracker = self.tracker.part(region, inside=inside, trodden=trodden)
        return self._with(tracker, cases, trodden or self._trodden)

    def replaced(self, region: frozenset[int], anew: "Core", devices: Collection[str]) -> "Core":
        """Return a copy in which what lies in some cells, and all units, are another core's.

        And what is known of the devices that saw something there.
        """
        twin = self.part(region, inside=False)
        twin.tracker = twin.tracker.joined(anew.tracker, devices)
        twin.cases |= anew.cases
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
        for track in tracks.values():
            over = track.watch.over or track.place
            yield frozenset((cell_of(*track.place), cell_of(*over)))
        for track in self.tracker.gone.values():
            yield frozenset((cell_of(*track.place),))

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
        return all(case.waits_until_s is None for case in self.cases.values())

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
        for unit in list(self.units.values()):
            if at_s - unit.fixes[-1].at_s > self._unit_kept_s:
                del self.units[unit.unit_id]
        return lines

    def _watch(self, track: Track, look: Look) -> None:
        """Hold a track that was just seen against the line."""
        motion = track.motion
        at = Metres(motion.x_m, motion.y_m)
        sight = Sight(look.at_s, at, track.random_of(motion), track.bias, look.device)
        watch, crossing = observe(
            track.watch, sight, self._sector.border, self._rules.crossing,
            confirmed=track.confirmed,
        )  # fmt: skip
        # A merge or another fix of this look cannot have touched it: one fix a track and look.
        track = replace(track, watch=watch)
        self.tracker.keep(track)
        if crossing is None or track.label not in self._rules.crossing.labels:
            return
        when = UtcTime.from_epoch_s(look.at_s)
        zone = open_crossing_point(self._sector, crossing.over, when)
        others = [(one, self.tracker.at(one, look.at_s)) for one in self._around(track)]
        with_it = company(track, others, look.at_s, self._rules.groups)
        walk = Walk(track, crossing, with_it, None if zone is None else zone.id)
        known = case_of(self.cases.values(), walk, self._rules.groups)
        case = opened(walk) if known is None else joined(known, walk)
        self._keep(case)
        self._judge(case, look.at_s)

    def _around(self, track: Track) -> list[Track]:
        """Return the tracks of a group's possible extent."""
        reach_m = 10.0 * self._rules.groups.link_m
        x_m, y_m = track.motion.x_m, track.motion.y_m
        return [
            one
            for one in self.tracker.tracks.values()
            if abs(one.motion.x_m - x_m) <= reach_m and abs(one.motion.y_m - y_m) <= reach_m
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

    def _keep(self, case: Case) -> None:
        self.cases[case.id] = case
        self._trodden.mark_cell(case.cell, case.updated_s)
        self.revision += 1


def grid_after(at_s: float) -> float:
    """Return the first tick later than an instant; there is none before all time."""
    if at_s == -math.inf:
        return at_s
    return (math.floor(at_s / TICK_S) + 1.0) * TICK_S
