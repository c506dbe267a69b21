"""Where our units were in the last days, packed: the log of arrivals forgets it after a horizon.

Whoever looks back at an hour that only late messages tell of must still know our own people of
that hour. One fix in five seconds is kept of each unit, the surest; which one does not depend on
the order they came in. A page of ten minutes takes 2 KB.
"""

import math
import struct
from collections.abc import Iterator
from typing import Final

from fusion.local_frame import Metres
from fusion.situation.patrols import UnitFix

_SLOT_S: Final = 5.0
_SLOTS: Final = 120  # a page
_PAGE_S: Final = _SLOT_S * _SLOTS
_RECORD: Final = struct.Struct("<ffff")  # 1 + seconds into the slot, x, y, accuracy
_NONE: Final = bytes(_RECORD.size)
_PAGES: Final = 8_192  # 16 MB: 10 units, 24 hours a day, for 5 days
_SHED: Final = 512


class PatrolBook:
    """Positions of our units by time; memory is bounded, the oldest go first."""

    def __init__(self) -> None:
        """Begin with none."""
        self._pages: dict[tuple[int, str], bytearray] = {}

    def note(self, fix: UnitFix) -> None:
        """Keep a position, unless a surer one of those five seconds is kept."""
        slot_no = math.floor(fix.at_s / _SLOT_S)
        number, slot = divmod(slot_no, _SLOTS)
        page = self._pages.get((number, fix.unit_id))
        if page is None:
            if len(self._pages) >= _PAGES:
                for key in sorted(self._pages)[:_SHED]:
                    del self._pages[key]
            page = self._pages[number, fix.unit_id] = bytearray(_SLOTS * _RECORD.size)
        new = _RECORD.pack(1.0 + fix.at_s - slot_no * _SLOT_S, *fix.at, fix.accuracy_m)
        start = slot * _RECORD.size
        old = bytes(page[start : start + _RECORD.size])
        if old == _NONE or _preferred(new) < _preferred(old):
            page[start : start + _RECORD.size] = new

    def between(self, since_s: float, until_s: float) -> list[UnitFix]:
        """Return the positions of a span of time, in order of time and unit."""
        pages = range(math.floor(since_s / _PAGE_S), math.floor(until_s / _PAGE_S) + 1)
        wanted = sorted(key for key in self._pages if key[0] in pages)
        fixes = (fix for key in wanted for fix in self._page(*key))
        return sorted(fix for fix in fixes if since_s <= fix.at_s <= until_s)

    def _page(self, number: int, unit_id: str) -> Iterator[UnitFix]:
        for slot, record in enumerate(_RECORD.iter_unpack(self._pages[number, unit_id])):
            into_s, x_m, y_m, accuracy_m = record
            if into_s:
                at_s = (number * _SLOTS + slot) * _SLOT_S + into_s - 1.0
                yield UnitFix(at_s, unit_id, Metres(x_m, y_m), accuracy_m)


def _preferred(record: bytes) -> tuple[float, ...]:
    """Return what orders the fixes of one slot: the surest first, then the earliest."""
    into_s, x_m, y_m, accuracy_m = _RECORD.unpack(record)
    return accuracy_m, into_s, x_m, y_m
