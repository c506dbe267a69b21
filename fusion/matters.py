"""What is going on at one event time: tracks, units, cases, notices and tips.

All values inside are immutable, so that a copy (a checkpoint) is as cheap as its dicts.
"""

import math
from collections.abc import Collection, Iterator
from typing import Final, Self

from edge.messages import AlertKind
from fusion.docket import Docket
from fusion.incidents import Case
from fusion.notices import Notice
from fusion.rulebook import CorroborationRule
from fusion.sector import Sector
from fusion.situation.groups import company
from fusion.situation.patrols import Bond, Unit, bond
from fusion.situation.tips import Tip, reach_of
from fusion.snapshot import dumped, loaded
from fusion.tracking.track import Track
from fusion.tracking.tracker import Tracker
from fusion.trodden import Trodden, cell_of

_CASE_KEPT_S: Final = 600.0  # beyond the horizon


class Matters:
    """What the rooms of the core work on. `cases` has every case younger than `case_kept_s`."""

    def __init__(self, sector: Sector, trodden: Trodden) -> None:
        """Begin with nothing, before all time; where anybody is goes to `trodden`."""
        self._sector = sector
        self._trodden = trodden
        self.tracker = Tracker(sector, trodden)
        self.units: dict[str, Unit] = {}
        self.cases: dict[str, Case] = {}
        self.notices = Docket()
        self.tips: dict[str, Tip] = {}  # of lately
        self.revision = 0  # grows whenever a case or notice changes
        self.next_tick_s = -math.inf
        self.wants_agreement = sector.rules.corroboration != CorroborationRule()
        self.case_kept_s = sector.rules.time.horizon_s + _CASE_KEPT_S

    @property
    def sector(self) -> Sector:
        """Whose picture it is."""
        return self._sector

    def copy(self) -> Self:
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
                (self.revision, self.next_tick_s),
            ),
            self._sector,
        )

    def emptied(self) -> Self:
        """Return one of the same sector without anything in it."""
        return type(self)(self._sector, self._trodden)

    def filled(self, content: bytes) -> Self:
        """Return one of the same sector with a content. `wake` it before use."""
        twin = type(self)(self._sector, self._trodden)
        tracked, overlaps, about, stamps = loaded(content, self._sector)
        tracker = twin.tracker
        tracker.tracks, tracker.offsets, tracker.waiting, tracker.gone = tracked
        tracker.overlaps.since, tracker.overlaps.apart = overlaps
        twin.units, twin.cases, notices, twin.tips = about
        twin.notices = Docket(notices)
        twin.revision, twin.next_tick_s = stamps
        return twin

    def part(
        self, region: frozenset[int], *, inside: bool, trodden: Trodden | None = None
    ) -> Self:
        """Return a copy with the tracks and cases of some cells, or all others; and all units."""
        cases = {name: one for name, one in self.cases.items() if (one.cell in region) is inside}
        tracker = self.tracker.part(region, inside=inside, trodden=trodden)
        twin = self._with(tracker, cases, trodden or self._trodden)
        twin.notices = Docket(one for one in self.notices if (one.cell in region) is inside)
        twin.tips = {
            name: tip for name, tip in self.tips.items() if (cell_of(*tip.at) in region) is inside
        }
        return twin

    def replaced(self, region: frozenset[int], anew: Self, devices: Collection[str]) -> Self:
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
            yield reach_of(tip, self._sector.rules.tip)
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

    def _with(self, tracker: Tracker, cases: dict[str, Case], trodden: Trodden) -> Self:
        twin = type(self)(self._sector, trodden)
        twin.tracker, twin.cases = tracker, cases
        twin.units = dict(self.units)
        twin.revision = self.revision
        twin.next_tick_s = self.next_tick_s
        return twin

    def company(self, track: Track, at_s: float) -> tuple[Track, ...]:
        """Return who walks together with a track, and the track itself."""
        rule = self._sector.rules.groups
        reach_m = 10.0 * rule.link_m
        others = [(one, self.tracker.at(one, at_s)) for one in self.tracker.around(track, reach_m)]
        return company(track, others, at_s, rule)

    def bond(self, track: Track, at_s: float) -> tuple[Bond, str]:
        """Return the closest bond of a track with any unit, and the unit."""
        motion, rule = self.tracker.at(track, at_s), self._sector.rules.patrols
        found = (
            (bond(track, motion, at_s, unit, rule), unit.unit_id) for unit in self.units.values()
        )
        return max(found, default=(Bond.APART, ""))

    def keep_notice(self, notice: Notice) -> None:
        """Put a notice in its new form."""
        self.notices.keep(notice)
        self._trodden.mark_cell(notice.cell, notice.updated_s)
        self.revision += 1

    def keep(self, case: Case) -> None:
        """Put a case in its new form."""
        self.cases[case.id] = case
        self._trodden.mark_cell(case.cell, case.updated_s)
        self.revision += 1
