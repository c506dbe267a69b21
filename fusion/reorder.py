"""The arrivals of the last horizon, in order of event time: late, out of order, duplicate.

A message is known by its sender and its `message_id`; a copy (the sender's retry carries another
`sent_at`) is a duplicate. One whose event time lies before the horizon is late.
"""

import zlib
from bisect import bisect_left, bisect_right
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
_UNPACK: Final = msgspec.msgpack.Decoder(Look).decode


class Verdict(Enum):
    """What became of an arrival."""

    FRESH = auto()
    DUPLICATE = auto()
    LATE = auto()


class Entry:
    """One accepted message; the first three fields order all of them, whatever the arrival."""

    __slots__ = ("_item", "at_s", "cells", "message_id", "sender")

    def __init__(self, at_s: float, sender: str, message_id: str, item: Look | UnitFix) -> None:
        """File what a device saw, or where a unit is."""
        self.at_s, self.sender, self.message_id = at_s, sender, message_id
        self._item: Look | UnitFix | bytes = item
        fixes = item.fixes if isinstance(item, Look) else ()
        self.cells = frozenset(cell_of(fix.x_m, fix.y_m) for fix in fixes)

    @property
    def order(self) -> tuple[float, str, str]:
        """Return what orders all messages."""
        return self.at_s, self.sender, self.message_id

    def within(self, region: frozenset[int] | None) -> Look | UnitFix:
        """Return what is in it; of a look, what lies in some cells (None: everything)."""
        item = self._item
        if isinstance(item, bytes):
            item = _UNPACK(zlib.decompress(item))
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

    def pack(self) -> None:
        """Take less room: a horizon of looks is kept, and few of them are ever needed again."""
        if isinstance(self._item, Look):
            self._item = zlib.compress(_PACK(self._item), _FAST)


class Arrivals:
    """Accepted messages of the last horizon; memory is bounded by it."""

    def __init__(self, rule: TimeRule) -> None:
        """Begin with none."""
        self._rule = rule
        self._seen: dict[tuple[str, str], float] = {}
        self._swept_s = 0.0
        self._same: dict[object, Any] = {}  # of lately, each by itself
        self.log: list[Entry] = []

    def knows(self, message: AnyFieldMessage, *, sender: str) -> bool:
        """Tell whether a message is a copy of one that was remembered."""
        return (sender, message.message_id) in self._seen

    def judge(
        self, message: AnyFieldMessage, *, sender: str, at_s: float | None, clock_s: float
    ) -> Verdict:
        """Say what an arrival is that was captured at `at_s`, and remember a fresh one."""
        if abs(clock_s - self._swept_s) > _SWEEP_S:
            self._sweep(clock_s)
        key = (self._same.setdefault(sender, sender), message.message_id)
        if key in self._seen:
            return Verdict.DUPLICATE
        if at_s is None or not isinstance(message, DetectionsMessage | PositionMessage):
            at_s = clock_s
        elif clock_s - at_s > self._rule.horizon_s:
            return Verdict.LATE
        self._seen[key] = max(at_s, clock_s)
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
        entry.pack()
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

    def _sweep(self, clock_s: float) -> None:
        # By the last sweep's clock at most: a clock that jumps ahead forgets nothing at once.
        oldest_s = min(clock_s, self._swept_s) - self._rule.horizon_s
        self._seen = {key: at_s for key, at_s in self._seen.items() if at_s >= oldest_s}
        self._swept_s = clock_s
        self._same = {}


def _time(entry: Entry) -> float:
    return entry.at_s


def _order(entry: Entry) -> tuple[float, str, str]:
    return entry.order
