"""Where anybody was of late: cells of the plane, and which of them hang together.

Nobody more than `REACH_M` apart has anything to do with one another: no fix is taken for a track
that was last seen farther off (beyond its own error), and merging, companies and cases reach
less far. So what a late message can change lies in the cells that neighbours link to its own:

    . . . . . . . .
    . # # . . . . .        L  the late message's cell
    . . # L . . # .        #  trodden since: those on the left are of its region,
    . . . . . . # #           those on the right are not, and need not be run again
"""

import math
from collections.abc import Iterable
from typing import Final

from fusion.tracking.motion import Motion

REACH_M: Final = 256.0
_ROWS: Final = 1 << 16  # more cells than the plane is high
_AROUND: Final = tuple(x * _ROWS + y for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0))


def cell_of(x_m: float, y_m: float) -> int:
    """Return the number of the cell that a point lies in."""
    return math.floor(x_m / REACH_M) * _ROWS + math.floor(y_m / REACH_M)


def cells_about(x_m: float, y_m: float, reach_x_m: float, reach_y_m: float) -> list[int]:
    """Return the cells of a box about a point."""
    west = math.floor((x_m - reach_x_m) / REACH_M)
    east = math.floor((x_m + reach_x_m) / REACH_M)
    south = math.floor((y_m - reach_y_m) / REACH_M)
    north = math.floor((y_m + reach_y_m) / REACH_M)
    if west == east and south == north:
        return [west * _ROWS + south]
    columns, rows = range(west, east + 1), range(south, north + 1)
    return [column * _ROWS + row for column in columns for row in rows]


class Trodden:
    """When each cell was trodden last. It may say too much, never too little."""

    def __init__(self) -> None:
        """Begin with no cell."""
        self._last_s: dict[int, float] = {}

    def mark(self, x_m: float, y_m: float, at_s: float) -> None:
        """Note that somebody was at a point."""
        self.mark_cell(cell_of(x_m, y_m), at_s)

    def mark_way(self, came: Motion, went: Motion, at_s: float) -> None:
        """Note that somebody came from one point to another: what lies between links them."""
        here, there = cell_of(came.x_m, came.y_m), cell_of(went.x_m, went.y_m)
        self.mark_cell(there, at_s)
        if here != there and there - here not in _AROUND:
            x_m, y_m = 0.5 * (came.x_m + went.x_m), 0.5 * (came.y_m + went.y_m)
            for cell in cells_about(x_m, y_m, abs(came.x_m - x_m), abs(came.y_m - y_m)):
                self.mark_cell(cell, at_s)

    def mark_cell(self, cell: int, at_s: float) -> None:
        """Note that somebody was in a cell."""
        if self._last_s.get(cell, -math.inf) < at_s:
            self._last_s[cell] = at_s

    def forget(self, before_s: float) -> None:
        """Drop the cells that nobody trod since."""
        self._last_s = {cell: s for cell, s in self._last_s.items() if s >= before_s}

    def region(
        self, seeds: Iterable[int], since_s: float, tied: Iterable[frozenset[int]]
    ) -> frozenset[int] | None:
        """Return the cells that hang together with some seeds; None: with all there are.

        Args:
            seeds: Cells.
            since_s: Cells that nobody trod since then link nothing.
            tied: Sets of cells, trodden or not, that hang together however far apart.
        """
        ties: dict[int, list[frozenset[int]]] = {}
        for together in tied:
            for cell in together:
                ties.setdefault(cell, []).append(together)
        there = {cell for cell, last_s in self._last_s.items() if last_s >= since_s} | ties.keys()
        found = set(seeds)
        left = list(found)
        while left:
            cell = left.pop()
            next_to = {cell + step for step in _AROUND} & there
            joins = next_to.union(*ties.get(cell, ())) - found
            found |= joins
            left += joins
        return None if there <= found else frozenset(found)


class Fence(Trodden):
    """Stands in while a region is run again: tells whether anybody left it, and where to."""

    def __init__(self, region: frozenset[int]) -> None:
        """Put a fence around a region."""
        super().__init__()
        self._region = region
        self.was_left = False

    def mark_cell(self, cell: int, at_s: float) -> None:
        """Note that somebody was in a cell."""
        self.was_left = self.was_left or cell not in self._region
        super().mark_cell(cell, at_s)

    @property
    def cells(self) -> Iterable[int]:
        """Return the cells that were noted."""
        return self._last_s.keys()

    def tell(self, trodden: Trodden) -> None:
        """Pass on what was noted."""
        for cell, at_s in self._last_s.items():
            trodden.mark_cell(cell, at_s)
