"""The arrivals of the last horizon, in order of event time: late, out of order, duplicate.

A message is known by its sender and its `message_id`; a copy (the sender's retry carries another
`sent_at`) is a duplicate. One whose event time lies before the horizon is late.
"""

from bisect import bisect_left, bisect_right, insort
from enum import Enum, auto
from typing import NamedTuple

from edge.messages import AnyFieldMessage, DetectionsMessage, PositionMessage
from fusion.rulebook import TimeRule
from fusion.situation.patrols import UnitFix
from fusion.tracking.fixes import Look

_SWEEP_S = 30.0


class Verdict(Enum):
    """What became of an arrival."""

    FRESH = auto()
    DUPLICATE = auto()
    LATE = auto()


class Entry(NamedTuple):
    """One accepted message; the first three fields order all of them, whatever the arrival."""

    at_s: float
    sender: str
    message_id: str
    item: Look | UnitFix


class Arrivals:
    """Accepted messages of the last horizon; memory is bounded by it."""

    def __init__(self, rule: TimeRule) -> None:
        """Begin with none."""
        self._rule = rule
        self._seen: dict[tuple[str, str], float] = {}
        self._swept_s = 0.0
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
        key = (sender, message.message_id)
        if key in self._seen:
            return Verdict.DUPLICATE
        if at_s is None or not isinstance(message, DetectionsMessage | PositionMessage):
            at_s = clock_s
        elif clock_s - at_s > self._rule.horizon_s:
            return Verdict.LATE
        self._seen[key] = max(at_s, clock_s)
        return Verdict.FRESH

    def insert(self, entry: Entry) -> None:
        """File an accepted message by its event time."""
        if not self.log or self.log[-1][:3] < entry[:3]:
            self.log.append(entry)
        else:
            insort(self.log, entry, key=_order)

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


def _time(entry: Entry) -> float:
    return entry.at_s


def _order(entry: Entry) -> tuple[float, str, str]:
    return entry[:3]
