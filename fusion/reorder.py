"""The arrivals of the last horizon, in order of event time: late, out of order, duplicate.

A message is known by its sender and its `message_id`; a copy (the sender's retry carries another
`sent_at`) is a duplicate. One whose event time lies before the horizon is late.
"""

import math
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any, Final

import msgspec

from edge.messages import AnyFieldMessage, DetectionsMessage, PositionMessage
from fusion.core import Core
from fusion.rulebook import TimeRule
from fusion.situation.patrols import UnitFix
from fusion.tracking.fixes import Look
from fusion.tracking.lines import Written
from fusion.trodden import cell_of

_SWEEP_S: Final = 30.0
_FAST: Final = 1  # the level of compression
_PACK: Final = msgspec.msgpack.Encoder().encode
_UNPACK: Final = msgspec.msgpack.Decoder(list[Look]).decode
_BUNDLE: Final = 32  # looks are packed together, at one call's cost: they say much the same


class Verdict(Enum):
    """What became of an arrival."""

    FRESH = auto()
    DUPLICATE = auto()
    LATE = auto()


class Bundle:
    """Looks that were packed together, taking less room. Opened, they stay at hand for a while."""

    __slots__ = ("_desk", "_packed")

    def __init__(self, looks: Sequence[Look], desk: "dict[Bundle, list[Look]]") -> None:
        """Pack looks; on the desk lies the bundle that was opened last."""
        self._packed, self._desk = zlib.compress(_PACK(looks), _FAST), desk

    def look(self, place: int) -> Look:
        """Return one of them: a re-run asks for one after the other."""
        looks = self._desk.get(self)
        if looks is None:
            looks = _UNPACK(zlib.decompress(self._packed))
            self._desk.clear()
            self._desk[self] = looks
        return looks[place]


class Entry:
    """One accepted message; the first three fields order all of them, whatever the arrival."""

    __slots__ = ("_item", "_place", "at_s", "cells", "message_id", "plates", "sender")

    def __init__(self, at_s: float, sender: str, message_id: str, item: Look | UnitFix) -> None:
        """File what a device saw, or where a unit is."""
        self.at_s, self.sender, self.message_id = at_s, sender, message_id
        self._item: Look | UnitFix | Bundle = item
        self._place = 0  # in its bundle
        fixes = item.fixes if isinstance(item, Look) else ()
        self.cells = frozenset(cell_of(fix.x_m, fix.y_m) for fix in fixes)
        self.plates = tuple(fix.plate[0] for fix in fixes if fix.plate is not None)

    @property
    def order(self) -> tuple[float, str, str]:
        """Return what orders all messages."""
        return self.at_s, self.sender, self.message_id

    def within(self, region: frozenset[int] | None) -> Look | UnitFix:
        """Return what is in it; of a look, what lies in some cells (None: everything)."""
        item = self._item
        if isinstance(item, Bundle):
            item = item.look(self._place)
        if region is None or isinstance(item, UnitFix) or self.cells <= region:
            return item
        fixes = (fix for fix in item.fixes if cell_of(fix.x_m, fix.y_m) in region)
        return item._replace(fixes=tuple(fixes))

    @property
    def unit_fix(self) -> UnitFix | None:
        """Return where a unit is, if that is what it says."""
        return self._item if isinstance(self._item, UnitFix) else None

    def share(self, same: dict[object, Any]) -> None:
        """Hold what other entries hold already: few senders, and few sets of cells."""
        self.sender = same.setdefault(self.sender, self.sender)
        self.cells = same.setdefault(self.cells, self.cells)

    @property
    def loose(self) -> Look | None:
        """Return the look in it, unless it was packed or there is none."""
        return self._item if isinstance(self._item, Look) else None

    def pack(self, bundle: Bundle, place: int) -> None:
        """Take less room: what is in it lies at a place of a bundle from now on."""
        self._item, self._place = bundle, place


class Arrivals:
    """Accepted messages of the last horizon; memory is bounded by it."""

    def __init__(self, rule: TimeRule) -> None:
        """Begin with none."""
        self._rule = rule
        self._seen: dict[str, dict[str, float]] = {}  # since when, by sender and message
        self._swept_s = 0.0
        self._same: dict[object, Any] = {}  # of lately, each by itself
        self.log: list[Entry] = []
        self._loose: list[Entry] = []  # taken, and not packed yet
        self._desk: dict[Bundle, list[Look]] = {}

    def knows(self, message: AnyFieldMessage, *, sender: str) -> bool:
        """Tell whether a message is a copy of one that was remembered."""
        return message.message_id in self._seen.get(sender, ())

    def judge(
        self, message: AnyFieldMessage, *, sender: str, at_s: float | None, clock_s: float
    ) -> Verdict:
        """Say what an arrival is that was captured at `at_s`, and remember a fresh one."""
        if abs(clock_s - self._swept_s) > _SWEEP_S:
            self._sweep(clock_s)
        if self.knows(message, sender=sender):
            return Verdict.DUPLICATE
        if at_s is None or not isinstance(message, DetectionsMessage | PositionMessage):
            at_s = clock_s
        elif clock_s - at_s > self._rule.horizon_s:
            return Verdict.LATE
        second = math.ceil(max(at_s, clock_s))  # the same for many: one object
        seen = self._seen.setdefault(sender, {})
        seen[message.message_id] = self._same.setdefault(second, float(second))
        return Verdict.FRESH

    def insert(self, entry: Entry) -> int:
        """File an accepted message by its event time; return its index in the log."""
        entry.share(self._same)
        if not self.log or self.log[-1].order < entry.order:
            self.log.append(entry)
            return len(self.log) - 1
        index = bisect_right(self.log, entry.order, key=_order)
        self.log.insert(index, entry)
        return index

    def taken(
        self, index: int, core: Core, region: frozenset[int] | None = None
    ) -> tuple[Written, ...]:
        """Let a core take a message, or what of it lies in some cells.

        One that cannot be taken is dropped before its error goes up.
        """
        entry = self.log[index]
        try:
            lines = core.take(entry.within(region))
        except Exception:
            del self.log[index]
            raise
        if entry.loose is not None:
            self._loose.append(entry)
            if len(self._loose) == _BUNDLE:
                self._pack()
        return lines

    def index_at(self, at_s: float) -> int:
        """Return the index of the first message at or after an instant."""
        return bisect_left(self.log, at_s, key=_time)

    def forget_before(self, at_s: float) -> int:
        """Drop messages from before an instant; return how many."""
        count = self.index_at(at_s)
        del self.log[:count]
        return count

    def forget_after(self, at_s: float) -> None:
        """Drop messages from after an instant: the clock that let them in was wrong."""
        del self.log[bisect_right(self.log, at_s, key=_time) :]

    def _pack(self) -> None:
        """Pack what was taken: a horizon of it is kept, and little is ever needed again."""
        loose = [(entry, entry.loose) for entry in self._loose]
        together = [(entry, look) for entry, look in loose if look is not None]
        bundle = Bundle([look for _, look in together], self._desk)
        for place, (entry, _) in enumerate(together):
            entry.pack(bundle, place)
        self._loose = []

    def _sweep(self, clock_s: float) -> None:
        # By the last sweep's clock at most: a clock that jumps ahead forgets nothing at once.
        oldest_s = min(clock_s, self._swept_s) - self._rule.horizon_s
        kept = (
            (sender, {name: at_s for name, at_s in seen.items() if at_s >= oldest_s})
            for sender, seen in self._seen.items()
        )
        self._seen = {sender: seen for sender, seen in kept if seen}
        self._swept_s = clock_s
        self._same = {}


def _time(entry: Entry) -> float:
    return entry.at_s


def _order(entry: Entry) -> tuple[float, str, str]:
    return entry.order
