"""Going back for late messages: what they can have touched is run again, a little at a time.

    live      ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━▶   goes on meanwhile, alerts and all
    again          ┗━ ━ ━ ━ ━ ━ ━ ━ ━ ━ ━ ━ ━ ━▶     one region of the plane, from before the
                   └ the stretch before the earliest     earliest of them, until it has caught up

Then the region's tracks, cases and lines take the place of what they were, in every stretch on
the way, as if the messages had come in time. Whoever leaves the region while it is run again (by
the new evidence), or draws near to it, shows that it was drawn too small: then a wider one is.
"""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final

from fusion.core import Core
from fusion.course import Change, Course, Stretch, just_before
from fusion.reorder import Arrivals, Entry
from fusion.situation.patrols import NEAR_M
from fusion.tracking.lines import Written
from fusion.trodden import Fence, Trodden, cells_about

_SKIPPED: Final = 0.05  # what it costs to pass over a message, where taking one costs 1

Region = frozenset[int] | None  # None: everywhere


def touched(
    course: Course, arrivals: Arrivals, trodden: Trodden, late: Mapping[str, float]
) -> Region:
    """Return the region that late messages can have touched.

    Args:
        course: The run as it is.
        arrivals: The log, the late messages in it.
        trodden: Where anybody was.
        late: Event time of the earliest late message of each sender.
    """
    start = course.stretches[course.stretch_before(min(late.values()))]
    core = start.core()
    back_s = core.looks_back_s
    seeds: set[int] = set()
    # Where a unit was before says something until its next fix, which may be the late one.
    units = [unit for unit in core.units.values() if unit.unit_id in late]
    fixes = [unit.fixes[-1] for unit in units]
    for entry in arrivals.log[arrivals.index_at(start.at_s - back_s) :]:
        since_s = late.get(entry.sender)
        if since_s is None or entry.at_s < since_s - back_s:
            continue
        seeds |= entry.cells
        if entry.unit_fix is not None:
            fixes.append(entry.unit_fix)
    for fix in fixes:
        seeds.update(cells_about(fix.at.x_m, fix.at.y_m, NEAR_M, NEAR_M))
    return _linked(start.at_s, core, arrivals, trodden, seeds)


def _linked(
    at_s: float, core: Core, arrivals: Arrivals, trodden: Trodden, seeds: Iterable[int]
) -> Region:
    """Return what hangs together with some cells, as far as is known now, from a stretch on.

    And from a little before: a track that waits for its device's next look has moved meanwhile.
    Whatever one device saw hangs together: what is learnt of the device counts for all of it. And
    so does whatever may be of one entry of the watchlist, which is one hit wherever it is seen.
    """
    since_s = at_s - core.looks_back_s
    seen: dict[str, set[int]] = {}
    like: dict[str, frozenset[str]] = {}
    wanted = core.wanted()
    for entry in arrivals.log[arrivals.index_at(since_s) :]:
        if entry.cells:
            seen.setdefault(entry.sender, set()).update(entry.cells)
        for text in entry.plates:
            if text not in like:
                like[text] = core.wanted_by(text)
            for name in like[text]:
                wanted.setdefault(name, set()).update(entry.cells)
    ties = chain(core.ties(), map(frozenset, seen.values()), map(frozenset, wanted.values()))
    return trodden.region(seeds, since_s, ties)


class Rerun:
    """One re-run that is under way."""

    def __init__(self, course: Course, arrivals: Arrivals, since_s: float, region: Region) -> None:
        """Go back to the last stretch that begins before an instant."""
        first = course.stretches[course.stretch_before(since_s)]
        self.began_s = first.at_s
        self.size = 0  # messages taken again
        self.next = arrivals.index_at(first.at_s)  # index in the log
        self._region = region
        self._fence = None if region is None else Fence(region)
        self._first = first.core()  # as it was there
        if region is None:
            self._core = self._first.copy()
        else:
            self._core = self._first.part(region, inside=True, trodden=self._fence)
        self._core.wake(first.at_s)
        self._stretches = [Stretch(first.at_s, self._first)]
        self._devices: set[str] = set()  # that saw something in the region

    @property
    def was_left(self) -> bool:
        """Whether somebody left the region: what was run again is worth nothing."""
        return self._fence is not None and self._fence.was_left

    def wider(self, course: Course, arrivals: Arrivals, trodden: Trodden) -> "Rerun | None":
        """Return a re-run of more, where the region turned out too small; None: it did not.

        Somebody left it, or somebody else (who came in time, or is late too) drew near meanwhile.
        """
        if self._region is None or self._fence is None:
            return None
        self._fence.tell(trodden)
        cells = self._region.union(self._fence.cells)
        region = _linked(self.began_s, self._first, arrivals, trodden, cells)
        if region == self._region:
            return None
        return Rerun(course, arrivals, self.began_s, region)

    def go_on(self, course: Course, arrivals: Arrivals, budget: float) -> bool:
        """Run on until it has caught up (True) or a budget is spent: 1 a message, 1 a cell."""
        bounds = [stretch.at_s for stretch in course.stretches]
        bound = course.stretch_before(self._stretches[-1].at_s) + 1
        while self.next < course.next:
            if budget <= 0.0 or self.was_left:
                return False
            entry = arrivals.log[self.next]
            while bound < len(bounds) and bounds[bound] <= entry.at_s:
                self._begin(bounds[bound])
                bound += 1
            budget -= self._take(entry, course, arrivals)
        for at_s in bounds[bound:]:
            self._begin(at_s)
        self._write(self._core.advance(course.done_s))
        return not self.was_left

    def put_in(self, course: Course) -> tuple[list[Written], list[Written]]:
        """Put what was run again in the place of what was; return the old lines and the new."""
        region, devices = self._region, frozenset(self._devices)
        first = course.stretch_before(self.began_s)
        old = list(course.lines_in(first, region))
        left = {stretch.at_s: stretch for stretch in course.stretches[first:]}
        for stretch in left.values():
            stretch.lines.drop(region)
        target = course.stretches[first]
        for anew in self._stretches:
            # A stretch that was joined to the one before it meanwhile takes its lines along.
            target = left.get(anew.at_s, target)
            target.lines.join(anew.lines)
            if target.at_s == anew.at_s > self.began_s:
                target.change(Change(region, anew.core(), devices))
        course.core = Change(region, self._core, devices).made_in(course.core)
        course.core.wake(course.done_s)
        return old, [one for stretch in self._stretches for one in stretch.lines.within(None)]

    def _begin(self, at_s: float) -> None:
        self._write(self._core.advance(just_before(at_s)))
        self._stretches.append(Stretch(at_s, self._core.copy()))

    def _take(self, entry: Entry, course: Course, arrivals: Arrivals) -> float:
        """Take what of a message lies in the region; return what that cost."""
        waits_for = self._core.tracker.waits_for
        elsewhere = self._region is not None and self._region.isdisjoint(entry.cells)
        if elsewhere and entry.unit_fix is None and not waits_for(entry.sender):
            self.next += 1
            return _SKIPPED
        if not elsewhere:
            self._devices.add(entry.sender)
        self._write(self._core.advance(entry.at_s))
        try:
            self._write(arrivals.taken(self.next, self._core, self._region))
        except Exception:
            course.next -= 1  # it is out of the log
            raise
        self.next += 1
        self.size += 1
        return 1.0 + len(entry.cells)

    def _write(self, lines: Iterable[Written]) -> None:
        self._stretches[-1].lines.extend(lines)
