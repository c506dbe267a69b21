"""The core's way along the log, in event time: where it is, where it was, what it wrote.

    log          | | || |  |   | || | |  |  || ·····▶ event time
    stretches    ├──────────┼──────────┼────────      each: the core as it was where it begins,
                                                      and the lines written along it

A message that comes late sends the core back to the beginning of a stretch (`fusion.rerun`).
"""

import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from fusion.core import Core
from fusion.kept_lines import KeptLines
from fusion.reorder import Arrivals
from fusion.tracking.lines import Written

_STRETCH_S: Final = 1.0  # of event time
# Old ones are joined: how old, and how long they are from then on. Whoever is late pays for it.
_JOINED: Final[tuple[tuple[float, float], ...]] = ((10.0, 5.0), (60.0, 30.0), (300.0, 120.0))
_PACKED_S: Final = 20.0  # older ones are packed
_CHANGES: Final = 8  # kept beside a packed core
_FAST: Final = 1  # the level of compression


class Stretch:
    """A part of the way, and the core as it was where it begins.

    That core holds every message from before the instant, and none from it on. An old one is
    packed: a thousand tracks take 5 MB as objects. What a re-run changes of it meanwhile is kept
    beside it, until it is asked for.
    """

    __slots__ = ("_changes", "_core", "_packed", "at_s", "lines")

    def __init__(self, at_s: float, core: Core) -> None:
        """Begin one at an instant; the core is a copy of its own."""
        self.at_s = at_s
        self._core = core  # packed: an empty one
        self._packed: bytes | None = None
        self._changes: list[Change] = []
        self.lines = KeptLines()

    def core(self) -> Core:
        """Return the core as it was; not to be changed."""
        if self._packed is None:
            return self._core
        core = self._core.filled(zlib.decompress(self._packed))
        for change in self._changes:
            core = change.made_in(core)
        return core

    def change(self, change: "Change") -> None:
        """Let what a re-run found in a region take the place of what was there."""
        if self._packed is None:
            self._core = change.made_in(self._core)
            return
        self._changes.append(change)
        if len(self._changes) > _CHANGES:
            self._pack(self.core())

    def pack(self) -> None:
        """Take less room."""
        self.lines.pack()
        if self._packed is None:
            self._pack(self._core)

    def _pack(self, core: Core) -> None:
        self._packed = zlib.compress(core.content(), _FAST)
        self._core, self._changes = core.emptied(), []


class Change(NamedTuple):
    """What was run again of a region."""

    region: frozenset[int] | None  # None: everywhere
    anew: Core
    devices: frozenset[str]  # that saw something there

    def made_in(self, core: Core) -> Core:
        """Return a core with it."""
        if self.region is None:
            return self.anew
        return core.replaced(self.region, self.anew, self.devices)


class Course:
    """A core and its way so far."""

    def __init__(self, core: Core) -> None:
        """Begin before all time."""
        self.core = core
        self.stretches = [Stretch(-math.inf, core.copy())]
        self.done_s = -math.inf  # the event time that the core has reached
        self.next = 0  # index in the log of the first message not yet taken

    @property
    def began_s(self) -> float:
        """Return the instant before which it cannot go back."""
        return self.stretches[0].at_s

    def run(self, arrivals: Arrivals, frontier_s: float, told: Callable[[Written], None]) -> None:
        """Take every message up to the frontier, in order of event time."""
        log = arrivals.log
        while self.next < len(log) and log[self.next].at_s <= frontier_s:
            at_s = log[self.next].at_s
            if at_s - self.stretches[-1].at_s >= _STRETCH_S:
                self.write(self.core.advance(just_before(at_s)), told)
                self.stretches.append(Stretch(at_s, self.core.copy()))
            self.write(self.core.advance(at_s), told)
            while self.next < len(log) and log[self.next].at_s == at_s:
                self.write(arrivals.taken(self.next, self.core), told)
                self.next += 1
            self.done_s = max(self.done_s, at_s)
        if math.isfinite(frontier_s) and frontier_s > self.done_s:
            self.write(self.core.advance(frontier_s), told)
            self.done_s = frontier_s

    def write(self, lines: Iterable[Written], told: Callable[[Written], None]) -> None:
        """Keep lines with the stretch that they were written along."""
        written = list(lines)
        self.stretches[-1].lines.extend(written)
        for line in written:
            told(line)

    def stretch_before(self, at_s: float) -> int:
        """Return the index of the last stretch that begins at an instant or before it."""
        index = len(self.stretches) - 1
        while self.stretches[index].at_s > at_s:
            index -= 1
        return index

    def go_back(self, arrivals: Arrivals, to_s: float) -> list[Written]:
        """Be where it was before an instant; return the lines that were written since."""
        first = self.stretch_before(to_s)
        void = list(self.lines_in(first, None))
        start = self.stretches[first]
        del self.stretches[first + 1 :]
        start.lines = KeptLines()
        self.core = start.core().copy()
        self.core.wake(start.at_s)
        self.done_s, self.next = start.at_s, arrivals.index_at(start.at_s)
        return void

    def forget(self, before_s: float, pinned_s: float | None) -> None:
        """Drop the stretches that end before an instant, and join old ones to longer ones.

        The one that begins at `pinned_s` stays as it is.
        """
        stretches = self.stretches
        while len(stretches) > 1 and stretches[1].at_s <= before_s:
            stretches.pop(0)
        kept: list[Stretch] = []
        slot: float | None = None
        for stretch in stretches:
            age_s = self.done_s - stretch.at_s
            now = _slot(stretch.at_s, age_s)
            if kept and now is not None and now == slot and stretch.at_s != pinned_s:
                kept[-1].lines.join(stretch.lines)
            else:
                kept.append(stretch)
            slot = now
        for stretch in kept:
            if self.done_s - stretch.at_s > _PACKED_S:
                stretch.pack()  # those that were joined to one before it are gone
        self.stretches = kept

    def lines_in(self, first: int, region: frozenset[int] | None) -> Iterator[Written]:
        """Yield what was written along a stretch and those behind it; in a region, or anywhere."""
        for stretch in self.stretches[first:]:
            yield from stretch.lines.within(region)


def just_before(at_s: float) -> float:
    """Return the last instant before another one."""
    return math.nextafter(at_s, -math.inf)


def _slot(at_s: float, age_s: float) -> float | None:
    """Return what stretches have in common that are joined into one; None: they are not."""
    long_s = 0.0
    for older_s, now_s in _JOINED:
        long_s = now_s if age_s > older_s else long_s
    return math.floor(at_s / long_s) * long_s if long_s and math.isfinite(at_s) else None
