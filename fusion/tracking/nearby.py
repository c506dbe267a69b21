"""Which tracks may lie where a fix is: a grid over the plane, so that cost follows what is near.

Every track stands in all cells that its gate can reach for a while; a fix asks the cells that its
own error covers. What comes back is a superset of those in the gate: it decides nothing, so how
it came about (a re-run, a recovery) changes no track.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Final

from fusion.tracking.track import Track
from fusion.trodden import REACH_M

_CELL_M: Final = 64.0
_WIDEST: Final = 81  # cells, as many as a track may reach; a fix that is vaguer asks everyone
AHEAD_S: Final = 2.0  # so long a track's cells hold; its reach grows meanwhile
_RENEWED_S: Final = 1.0  # before they stop to hold
_NOBODY: Final[dict[str, None]] = {}

_Range = tuple[int, int, int, int]  # columns from, to; rows from, to; both ends included


class Nearby:
    """The grid of one tracker's tracks."""

    def __init__(self, gate: float) -> None:
        """Begin empty; `gate` is the squared Mahalanobis distance that no pair exceeds."""
        self._gate = gate
        self._cells: dict[tuple[int, int], dict[str, None]] = {}
        self._ranges: dict[str, _Range] = {}
        self._until_s: dict[str, float] = {}

    def put(self, track: Track, at_s: float, noise: float) -> None:
        """Enter a track, or move it, as known at an instant; `noise` is its kind's, m²/s³."""
        until_s = at_s + AHEAD_S
        self._until_s[track.id] = until_s
        seen_x_m, seen_y_m = track.motion.x_m, track.motion.y_m
        since_s, motion = track.ahead or (track.seen_s, track.motion)
        x_m, y_m, vx_mps, vy_mps, a, b, c = motion
        dt_s = until_s - since_s
        t2 = dt_s * dt_s
        third = noise * t2 * dt_s / 3.0
        # No variance on the way there exceeds these, whatever the sign of the correlation.
        var_x = a[0] + 2.0 * dt_s * abs(b[0]) + t2 * c[0] + third + track.bias[0] + track.shared[0]
        var_y = a[2] + 2.0 * dt_s * abs(b[3]) + t2 * c[2] + third + track.bias[2] + track.shared[2]
        # It is somewhere between where it was and where it would be at the end.
        x2_m, y2_m = x_m + vx_mps * dt_s, y_m + vy_mps * dt_s
        reach_x_m, reach_y_m = math.sqrt(self._gate * var_x), math.sqrt(self._gate * var_y)
        wanted = _cells(
            max(min(x_m, x2_m) - reach_x_m, seen_x_m - REACH_M),
            min(max(x_m, x2_m) + reach_x_m, seen_x_m + REACH_M),
            max(min(y_m, y2_m) - reach_y_m, seen_y_m - REACH_M),
            min(max(y_m, y2_m) + reach_y_m, seen_y_m + REACH_M),
        )
        known = self._ranges.get(track.id)
        if known == wanted:
            return
        if known is not None:
            self._leave(known, track.id)
        self._ranges[track.id] = wanted
        for cell in _each(wanted):
            self._cells.setdefault(cell, {})[track.id] = None

    def is_due(self, track_id: str, at_s: float) -> bool:
        """Tell whether a track must be put again: its cells soon hold no longer."""
        return self._until_s[track_id] - at_s < _RENEWED_S

    def drop(self, track_id: str) -> None:
        """Forget a track."""
        self._leave(self._ranges.pop(track_id), track_id)
        del self._until_s[track_id]

    def about(
        self, x_m: float, y_m: float, var_x_m2: float, var_y_m2: float
    ) -> Mapping[str, object]:
        """Return, as keys, the ids of the tracks that a fix with these variances may belong to."""
        reach_x_m, reach_y_m = math.sqrt(self._gate * var_x_m2), math.sqrt(self._gate * var_y_m2)
        asked = _cells(x_m - reach_x_m, x_m + reach_x_m, y_m - reach_y_m, y_m + reach_y_m)
        if asked[0] == asked[1] and asked[2] == asked[3]:
            return self._cells.get((asked[0], asked[2]), _NOBODY)
        if _size(asked) > _WIDEST:
            return self._ranges
        several: dict[str, None] = {}
        for cell in _each(asked):
            several.update(self._cells.get(cell, _NOBODY))
        return several

    def at(self, x_m: float, y_m: float) -> Mapping[str, object]:
        """Return, as keys, the ids of the tracks last seen within `REACH_M`, and some others."""
        cell = (math.floor(x_m / _CELL_M), math.floor(y_m / _CELL_M))
        return self._cells.get(cell, _NOBODY)

    def _leave(self, cells: _Range, track_id: str) -> None:
        for cell in _each(cells):
            inside = self._cells[cell]
            del inside[track_id]
            if not inside:
                del self._cells[cell]


def _cells(west_m: float, east_m: float, south_m: float, north_m: float) -> _Range:
    return (
        math.floor(west_m / _CELL_M),
        math.floor(east_m / _CELL_M),
        math.floor(south_m / _CELL_M),
        math.floor(north_m / _CELL_M),
    )


def _size(cells: _Range) -> int:
    west, east, south, north = cells
    return (east - west + 1) * (north - south + 1)


def _each(cells: _Range) -> Iterator[tuple[int, int]]:
    west, east, south, north = cells
    for column in range(west, east + 1):
        for row in range(south, north + 1):
            yield column, row
