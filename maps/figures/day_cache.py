"""Keeps what was counted of each day, so that a day is counted anew only where it has changed.

A store may hold a million incidents: what is not counted within one request's time is left to the
next one, and the answer says how many days that are.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from datetime import date
from threading import Lock
from typing import Final, Generic, NamedTuple, TypeVar

BUDGET_S: Final = 2.0  # of one request
_KEPT: Final = 800  # days: twice the longest period

_T = TypeVar("_T")


class Filled(NamedTuple, Generic[_T]):
    """What is known of the days that were asked for."""

    days: dict[date, _T]
    pending: int  # days that have not been counted yet


class DayCache(Generic[_T]):
    """Days by date, of what happened or of exercises. Safe to use from several threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = Lock()
        self._known: OrderedDict[tuple[date, bool], tuple[Hashable, _T]] = OrderedDict()

    def fill(
        self,
        stamps: Iterable[tuple[date, Hashable]],
        count: Callable[[date], _T],
        *,
        simulated: bool,
        budget_s: float = BUDGET_S,
    ) -> Filled[_T]:
        """Return the days, counted anew where their stamp is another; the latest first.

        Args:
            stamps: Each day and what changes whenever anything of it does.
            count: Counts one.
            simulated: The days of exercises.
            budget_s: How long to count; one day is counted in any case.
        """
        found: dict[date, _T] = {}
        pending, ends_s, counted = 0, time.monotonic() + budget_s, 0
        for day, stamp in sorted(stamps, key=lambda one: one[0], reverse=True):
            with self._lock:
                known = self._known.get((day, simulated))
            if known is None or known[0] != stamp:
                if counted and time.monotonic() > ends_s:
                    pending += 1
                    continue
                known = stamp, count(day)
                counted += 1
            self._keep((day, simulated), known)
            found[day] = known[1]
        return Filled(dict(sorted(found.items())), pending)

    def _keep(self, key: tuple[date, bool], known: tuple[Hashable, _T]) -> None:
        with self._lock:
            self._known[key] = known
            self._known.move_to_end(key)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
