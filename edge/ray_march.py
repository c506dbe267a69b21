r"""Follow many rays at once over a grid of heights, to the first place where each meets it.

```
   lens *
         `-.                            ........  highest of the blocks around: clear of it, the
            `-.    .................... :         ray skips a whole block, then a block twice as
               `-. :   /\            : :         long; else shorter ones, and at last steps of a
                  `-. /  \  hidden    :           third of a cell, until it is under the ground
                     x    `----------
```
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from edge.camera import BoolArray, FloatArray
from edge.local_chart import Paths

Heights = npt.NDArray[np.float32]
Index = npt.NDArray[np.intp]
Levels = npt.NDArray[np.int32]

_CHUNK: Final = 32_768  # rays at a time: few enough for the cache, enough for whole arrays to pay
# The last steps, in cells. A hilltop narrower than that may be grazed unnoticed: one ray in some
# thousands, low over rough ground.
_FINE_CELLS: Final = 0.3
_EXACT_M: Final = 1e-5  # a hit is found when the ray is this near to the ground
_HALVINGS: Final = 60
_ROUNDING: Final = 1e-6  # cells: so far outside, a place counts as on the edge


class HeightGrid:
    """Heights on a grid of cells, NaN where there is none, and how high each region rises."""

    def __init__(self, heights_m: Heights) -> None:
        """Take heights (H, W), both at least 2."""
        self.heights_m = np.ascontiguousarray(heights_m, dtype=np.float32)
        rows, columns = self.heights_m.shape
        corners = np.maximum(self.heights_m[:-1], self.heights_m[1:])
        block = np.maximum(corners[:, :-1], corners[:, 1:])
        block[np.isnan(block)] = np.inf  # a hole may hide anything, so nothing skips it
        ceilings, widths, offsets = [], [], [0]
        around = np.ones((3, 3), dtype=np.uint8)
        while True:
            ceilings.append(cv2.dilate(block, around).ravel())
            widths.append(block.shape[1])
            offsets.append(offsets[-1] + block.size)
            if max(block.shape) == 1:
                break
            padding = [(0, size % 2) for size in block.shape]
            even = np.pad(block, padding, constant_values=-np.inf)
            pairs = np.maximum(even[::2], even[1::2])
            block = np.maximum(pairs[:, ::2], pairs[:, 1::2])
        self.last_row, self.last_column = rows - 1.0, columns - 1.0
        self.top_level = len(widths) - 1
        # Level k has blocks of 2^k cells; each holds the highest corner of itself and of its eight
        # neighbours, so within 2^k cells of any place in it nothing is higher.
        self._ceilings = np.concatenate(ceilings)
        self._widths = np.array(widths, dtype=np.int32)
        self._offsets = np.array(offsets[:-1], dtype=np.int32)

    def inside(self, row: FloatArray, column: FloatArray) -> BoolArray:
        """Return the mask of the places that lie between the first and last rows and columns."""
        within: BoolArray = (row >= -_ROUNDING) & (row <= self.last_row + _ROUNDING)
        within &= (column >= -_ROUNDING) & (column <= self.last_column + _ROUNDING)
        return within

    def ceiling(self, row: FloatArray, column: FloatArray, level: Levels) -> Heights:
        """Return a height that nothing exceeds within 2^level cells of each place inside."""
        down = np.minimum(row, self.last_row - 1.0).astype(np.int32) >> level
        right = np.minimum(column, self.last_column - 1.0).astype(np.int32) >> level
        block = self._offsets.take(level) + down * self._widths.take(level) + right
        highest: Heights = self._ceilings.take(block)
        return highest

    def surface(
        self, row: FloatArray, column: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Interpolate between the four corners of each place inside.

        Returns:
            Heights and how they change per row and per column, each (N,); NaN at a hole.
        """
        top = np.minimum(row, self.last_row - 1.0).astype(np.int32)
        left = np.minimum(column, self.last_column - 1.0).astype(np.int32)
        flat, width = self.heights_m.ravel(), self.heights_m.shape[1]
        corner = top * width + left
        down, right = row - top, column - left
        a, b = flat.take(corner).astype(np.float64), flat.take(corner + 1).astype(np.float64)
        c, d = flat.take(corner + width).astype(np.float64), flat.take(corner + width + 1)
        along_top, along_bottom = b - a, d - c
        upper, lower = a + along_top * right, c + along_bottom * right
        per_row = lower - upper
        return upper + per_row * down, per_row, along_top + (along_bottom - along_top) * down


def first_meetings(
    grid: HeightGrid, paths: Paths, last_t: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Follow rays from their start to their first meeting with the ground.

    Returns:
        The share t (N,) of the reach there, and the mask (N,) of the rays that have one before
        `last_t` (N,): without leaving the grid, and without a hole under them on the way.
    """
    count = len(last_t)
    found_t, ok = np.zeros(count), np.zeros(count, dtype=np.bool_)
    if not _starts_above(grid, paths.start):
        return found_t, ok
    for begin in range(0, count, _CHUNK):
        rows = np.arange(begin, min(begin + _CHUNK, count))
        before, after, hit = _march(grid, paths.take(rows), last_t[rows])
        rows = rows[hit]
        found_t[rows], ok[rows] = _narrow(grid, paths.take(rows), before[hit], after[hit])
    return found_t, ok


def _starts_above(grid: HeightGrid, start: FloatArray) -> bool:
    row, column = start[:1], start[1:2]
    if not grid.inside(row, column)[0]:
        return False
    return bool(start[2] > grid.surface(row, column)[0][0])


def _march(
    grid: HeightGrid, paths: Paths, last_t: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return t just before and after each meeting (N,), and the mask of the rays that have one."""
    count = len(last_t)
    before, after, hit = np.zeros(count), np.zeros(count), np.zeros(count, dtype=np.bool_)
    per_t = paths.coefficients[0]
    # A thousandth more than at the lens: the grid's scale changes on the way.
    pace = np.maximum(np.hypot(per_t[0], per_t[1]) * 1.001, 1e-9)  # cells per t
    # Heights along a straight ray curve upwards, so it never falls faster than at the lens.
    fall = np.maximum(-per_t[2], 1e-9)  # metres per t
    t: FloatArray = np.zeros(count)
    level: Levels = np.full(count, grid.top_level, dtype=np.int32)
    who: Index = np.arange(count)
    live = paths
    while len(who):
        row, column, height = live.at(t)
        going = grid.inside(row, column) & (t < last_t)
        if not going.all():
            keep = np.flatnonzero(going)
            who, t, level, last_t = who[keep], t[keep], level[keep], last_t[keep]
            pace, fall = pace[keep], fall[keep]
            live = live.take(keep)
            row, column, height = row[keep], column[keep], height[keep]
            if not len(who):
                break
        block = np.exp2(level) / pace
        spare = (height - grid.ceiling(row, column, level)) / fall
        step = np.clip(spare, 0.0, block)
        skips = step >= block
        fine = (level == 0) & (step * pace < _FINE_CELLS)
        level = np.clip(level + np.where(skips, 1, -2), 0, grid.top_level).astype(np.int32)
        t = np.minimum(t + step, last_t)
        slow = np.flatnonzero(fine)
        if not len(slow):
            continue
        earlier = t[slow]
        later = np.minimum(earlier + _FINE_CELLS / pace[slow], last_t[slow])
        row, column, height = live.take(slow).at(later)
        within = grid.inside(row, column)
        ground, _, _ = grid.surface(
            np.clip(row, 0.0, grid.last_row), np.clip(column, 0.0, grid.last_column)
        )
        meets = within & (height <= ground)
        lost = ~within | np.isnan(ground)
        t[slow] = later
        done = who[slow[meets]]
        before[done], after[done], hit[done] = earlier[meets], later[meets], True
        last_t = last_t.copy()
        last_t[slow[meets | lost]] = -1.0  # followed to its end
    return before, after, hit


def _narrow(
    grid: HeightGrid, paths: Paths, before: FloatArray, after: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Find where rays (N,) that are above the ground `before` and not `after` meet it.

    By secants, every third time by halving, so that a kink between two cells costs little.
    """
    count = len(before)
    found_t, ok = np.zeros(count), np.zeros(count, dtype=np.bool_)
    who: Index = np.arange(count)
    live = paths
    above, under = _clearance(grid, live, before), _clearance(grid, live, after)
    for turn in range(_HALVINGS):
        if not len(who):
            break
        share = 0.5 if turn % 3 == 2 else above / (above - under)  # noqa: PLR2004 - every third
        middle = before + (after - before) * share
        here = _clearance(grid, live, middle)
        met = np.abs(here) < _EXACT_M
        found_t[who[met]], ok[who[met]] = middle[met], True
        is_above = here > 0.0
        before, above = np.where(is_above, middle, before), np.where(is_above, here, above)
        after, under = np.where(is_above, after, middle), np.where(is_above, under, here)
        left = np.flatnonzero(~met & np.isfinite(here))
        who, before, after = who[left], before[left], after[left]
        above, under = above[left], under[left]
        live = live.take(left)
    # What is left stands at a step of the ground: the interval is as narrow as numbers go.
    found_t[who], ok[who] = after, True
    return found_t, ok


def _clearance(grid: HeightGrid, paths: Paths, t: FloatArray) -> FloatArray:
    row, column, height = paths.at(t)
    ground, _, _ = grid.surface(
        np.clip(row, 0.0, grid.last_row), np.clip(column, 0.0, grid.last_column)
    )
    clearance: FloatArray = height - ground
    return clearance
