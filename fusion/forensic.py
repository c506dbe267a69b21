"""Beyond the horizon: what late messages show by themselves, when nothing can be run again.

    late messages, gathered            |||| ||| |||||         | || ||||
    episodes: who was seen, and        ├─────────────┤        ├───────┤
    what went before and after         a core of its own each, from nothing, in slices

A device that was cut off for hours uploads what it saw: the very core of live runs over that, once
the flush is quiet, and its cases are told as `late` unless they were told already
(`fusion.telling`). What comes later still, of the same episode, has all of it gone through again:
so it does not matter in how many pieces a flush comes, or in which order. Tracks stay as they are.

What others saw at that time is forgotten, but for what the log of arrivals still holds of the same
devices, and where our units were (`fusion.patrol_book`).
"""

import math
from bisect import insort
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from fusion.core import Core
from fusion.events import Event
from fusion.incidents import JOIN_S, Case
from fusion.patrol_book import PatrolBook
from fusion.reorder import Arrivals, Bundle, Entry
from fusion.sector import Sector
from fusion.situation.patrols import UnitFix
from fusion.telling import Telling
from fusion.trodden import Trodden

_QUIET_S: Final = 10.0  # nothing late for so long: the flush is over
_LONGEST_S: Final = 120.0  # a flush that does not end is gone through so often
_MANY: Final = 10_000  # as are so many messages
_PAUSE_S: Final = 0.01  # for each message that was gone through last: 2 % of the time
_KEPT: Final = 30_000  # messages; 12 MB
_SHED: Final = 3_000
_KEPT_S: Final = 3_600.0  # after the last late one
_MINUTE_S: Final = 60.0
_A_UNIT_FIX: Final = 0.2  # what one costs, where a look costs 1
_HURRY: Final = 5_000.0  # messages that wait: for so many more, so many times as fast


class Forensic:
    """Gathers late messages and goes through them; memory is bounded."""

    def __init__(self, sector: Sector, telling: Telling) -> None:
        """Begin with none."""
        self._sector = sector
        self._telling = telling
        tracking = sector.rules.tracking
        # After so long without anybody in view no track is left, and nobody joins a case.
        coast_s = max(tracking.coast_s, tracking.trail_coast_s)
        self._apart_s = JOIN_S + coast_s + tracking.return_s
        self._patrols = PatrolBook()
        self._kept: dict[tuple[str, str], Entry] = {}  # in the order they came
        self._log: list[Entry] = []  # the same, by event time
        self._fresh = 0  # so many of the last ones were not gone through yet
        self._minutes: set[int] = set()  # that late positions of units are of
        self._spans: dict[str, tuple[float, float]] = {}  # that fresh ones of each device are of
        self._since_s = self._last_s = -math.inf  # when they came, by the clock
        self._began_s, self._pause_s = -math.inf, 0.0
        self._same: dict[object, Any] = {}
        self._desk: dict[Bundle, Any] = {}  # the look that was unpacked last
        self._episodes: list[_Episode] = []  # that are being gone through

    @property
    def waits(self) -> bool:
        """Tell whether time alone will make something happen."""
        return bool(self._fresh or self._minutes or self._episodes)

    def add(self, entry: Entry, clock_s: float) -> None:
        """Gather a message that came too late."""
        self._came(clock_s)
        if entry.unit_fix is not None:
            self.note(entry.unit_fix)
            self._minutes.add(_minute(entry.at_s))
        elif self._keep(entry) and entry.loose is not None:
            since_s, until_s = self._spans.get(entry.sender, (entry.at_s, entry.at_s))
            self._spans[entry.sender] = min(since_s, entry.at_s), max(until_s, entry.at_s)
            # Each by itself: they are not gone through in the order in which they came.
            entry.pack(Bundle((entry.loose,), self._desk), 0)

    def note(self, fix: UnitFix) -> None:
        """Remember where one of our units is, whenever that is told."""
        if fix.accuracy_m <= self._sector.rules.patrols.max_accuracy_m:
            self._patrols.note(fix)

    def go_on(self, arrivals: Arrivals, clock_s: float, budget: float) -> list[Event]:
        """Go through what was gathered, once it is time, as far as a budget reaches.

        Args:
            arrivals: What came in time, as far as it is still there.
            clock_s: The clock.
            budget: 1 a message, 1 a cell that it has fixes in.
        """
        if not self._episodes:
            if self._kept and not self.waits and not _within(self._last_s, clock_s, _KEPT_S):
                self._forget(len(self._kept))
            if not self._is_due(clock_s):
                return []
            self._begin(arrivals)
            self._began_s = self._since_s = clock_s
            self._pause_s = _PAUSE_S * sum(len(one) for one in self._episodes)
        events: list[Event] = []
        budget *= max(1.0, self._fresh / _HURRY)
        while self._episodes and budget > 0.0:
            episode = self._episodes[0]
            try:
                budget = episode.go_on(budget)
            except Exception:
                self._drop(episode)  # what it could not take is not taken again
                raise
            if not episode.is_over:
                break
            del self._episodes[0]
            events += self._telling.late(
                episode.found, since_s=episode.since_s, until_s=episode.until_s, at_s=clock_s
            )
        return events

    def _came(self, clock_s: float) -> None:
        if not (self._fresh or self._minutes):
            self._since_s = clock_s
        self._last_s = clock_s

    def _keep(self, entry: Entry) -> bool:
        key = _key(entry)
        if key in self._kept:
            return False
        entry.share(self._same)
        self._kept[key] = entry
        insort(self._log, entry, key=_order)
        self._fresh += 1
        if len(self._kept) > _KEPT + _SHED:
            self._forget(min(_SHED, len(self._kept) - self._fresh))
        return True

    def _forget(self, count: int) -> None:
        """Let go of those that came first; what was told of their time stands from now on."""
        gone = list(islice(self._kept, count))
        times_s = [self._kept.pop(key).at_s for key in gone]
        if times_s:
            apart_s = self._apart_s
            self._telling.settle_late(min(times_s) - apart_s, max(times_s) + apart_s)
        self._log = [one for one in self._log if _key(one) in self._kept]
        self._same = {}

    def _drop(self, episode: "_Episode") -> None:
        taken = episode.taken
        if taken is not None and self._kept.pop(_key(taken), None) is not None:
            self._log.remove(taken)
        if episode.is_over:
            self._episodes.remove(episode)

    def _is_due(self, clock_s: float) -> bool:
        if not self.waits:
            return False
        if self._fresh >= _MANY:
            return True
        if _within(self._began_s, clock_s, self._pause_s):
            return False
        is_quiet = not _within(self._last_s, clock_s, _QUIET_S)
        return is_quiet or not _within(self._since_s, clock_s, _LONGEST_S)

    def _begin(self, arrivals: Arrivals) -> None:
        """Go through every episode of which something is new."""
        for entry in list(self._still_there(arrivals)):
            self._keep(entry)
        fresh = set(islice(reversed(self._kept), self._fresh))
        minutes = self._minutes
        self._fresh, self._minutes = 0, set()
        for entries in self._apart(self._log):
            patrols = self._sector.rules.patrols
            since_s = entries[0].at_s - patrols.max_age_s
            until_s = entries[-1].at_s + patrols.hold_s
            told_of = range(_minute(since_s), _minute(until_s) + 1)
            if fresh.isdisjoint(map(_key, entries)) and minutes.isdisjoint(told_of):
                continue
            fixes = self._patrols.between(since_s, until_s)
            self._episodes.append(_Episode(self._sector, entries, fixes, self._apart_s))

    def _still_there(self, arrivals: Arrivals) -> Iterator[Entry]:
        """Yield what the same devices saw meanwhile and soon after, that came in time.

        Somebody may cross just where the horizon was when the flush came.
        """
        spans, self._spans = self._spans, {}
        if not spans:
            return
        first_s = min(since_s for since_s, _ in spans.values()) - JOIN_S
        last_s = max(until_s for _, until_s in spans.values()) + JOIN_S
        for entry in islice(arrivals.log, arrivals.index_at(first_s), arrivals.index_at(last_s)):
            since_s, until_s = spans.get(entry.sender, (math.inf, -math.inf))
            if since_s - JOIN_S <= entry.at_s <= until_s + JOIN_S and entry.unit_fix is None:
                yield entry

    def _apart(self, entries: Iterable[Entry]) -> Iterator[list[Entry]]:
        """Divide messages where nobody was in view for long, and leave out those from there."""
        episode: list[Entry] = []
        seen_s = -math.inf
        for entry in entries:
            is_apart = entry.at_s - seen_s > self._apart_s
            if is_apart and episode:
                yield episode
                episode = []
            if entry.cells:
                seen_s = entry.at_s
            if entry.cells or not is_apart:
                episode.append(entry)
        if episode:
            yield episode


class _Episode:
    """A stretch of time from nobody in view to nobody in view."""

    def __init__(
        self, sector: Sector, entries: list[Entry], fixes: list[UnitFix], apart_s: float
    ) -> None:
        """Begin with nothing taken; messages and positions come in order."""
        self.since_s, self.until_s = entries[0].at_s, entries[-1].at_s
        self.found: dict[str, Case] = {}  # so far
        self.taken: Entry | None = None  # just now
        self._ends_s = self.until_s + apart_s
        self._core = Core(sector, Trodden())
        self._revision = self._core.revision
        self._left = entries[::-1]
        self._fixes = fixes[::-1]

    def __len__(self) -> int:
        """Return how many messages are left."""
        return len(self._left)

    @property
    def is_over(self) -> bool:
        """Tell whether everything was gone through."""
        return not (self._left or self._fixes)

    def go_on(self, budget: float) -> float:
        """Take messages until a budget is spent; return what is left of it."""
        while (self._left or self._fixes) and budget > 0.0:
            self.taken = None
            if self._is_fix_next:
                fix = self._fixes.pop()
                self._core.advance(fix.at_s)
                self._core.take(fix)
                budget -= _A_UNIT_FIX
            else:
                self.taken = entry = self._left.pop()
                self._core.advance(entry.at_s)
                self._core.take(entry.within(None))
                budget -= 1.0 + len(entry.cells)
            self._look_for_cases()
        if self.is_over:
            self.taken = None
            self._core.advance(self._ends_s)
            self._look_for_cases()
        return budget

    @property
    def _is_fix_next(self) -> bool:
        """Tell whether a position comes next, in the very order of live."""
        if not (self._left and self._fixes):
            return not self._left
        fix, entry = self._fixes[-1], self._left[-1]
        return (fix.at_s, fix.unit_id) < (entry.at_s, entry.sender)

    def _look_for_cases(self) -> None:
        """Note what changed before the core forgets it."""
        if self._core.revision != self._revision:
            self._revision = self._core.revision
            self.found |= self._core.cases


def _within(since_s: float, clock_s: float, long_s: float) -> bool:
    """Tell whether it is not so long since; a clock that was set back says nothing of that."""
    return 0.0 <= clock_s - since_s < long_s


def _minute(at_s: float) -> int:
    return math.floor(at_s / _MINUTE_S)


def _key(entry: Entry) -> tuple[str, str]:
    return entry.sender, entry.message_id


def _order(entry: Entry) -> tuple[float, str, str]:
    return entry.order
