"""How the lens moved and turned, from a log's samples: differences over the moments around.

Logs repeat themselves: a DJI subtitle has 30 lines a second, and the same place in three to thirty
of them until the next fix. So a velocity is the way made in two seconds, in which such steps
balance. A turn may be over sooner, so it is the difference over half a second, or over two where
that is faster (a log whose angles, too, come once a second). Across a jump of the log's clock
nothing is taken: nobody knows how long that was.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pymap3d

from edge.camera import BoolArray, FloatArray
from edge.motion import STILL, Motion, Vector
from edge.telemetry.attitude import rotations
from edge.telemetry.samples import Sample

Index = npt.NDArray[np.intp]

# To each side of the moment.
MOVED_WITHIN_S: Final = 1.0
TURNED_WITHIN_S: Final = 0.25

_HAIR_S: Final = 1e-6  # or rounding leaves out the sample that is just far enough


class _Column(NamedTuple):
    """What some of the samples say, in order of time."""

    times_s: FloatArray  # (N,)
    values: FloatArray  # (N, 3)
    stretch: Index  # (N,) counts the jumps of the clock before


class Rates:
    """The differences of one log."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        times_s = np.array([row.media_time_s for row in samples])
        stretch = np.cumsum([row.jumped for row in samples])
        places = np.array(
            [(row.lat, row.lon, 0.0 if row.alt_m is None else row.alt_m) for row in samples],
            dtype=np.float64,
        )
        angles = np.array(
            [(row.yaw_deg, row.pitch_deg, row.roll_deg) for row in samples], dtype=np.float64
        )
        self._places = _column(times_s, places, stretch)
        self._angles = _column(times_s, angles, stretch)

    def at(self, media_time_s: float) -> Motion:
        """Return how the lens moves and turns at a moment; still where nothing tells."""
        turns = [
            self._turn_radps(media_time_s, within_s)
            for within_s in (TURNED_WITHIN_S, MOVED_WITHIN_S)
        ]
        return Motion(
            self._velocity_mps(media_time_s),
            max(turns, key=lambda turn: sum(part * part for part in turn)),
        )

    def _velocity_mps(self, at_s: float) -> Vector:
        ends = _ends(self._places, at_s, MOVED_WITHIN_S)
        if ends is None:
            return STILL.velocity_mps
        (first, last), passed_s = ends
        east, north, up = pymap3d.geodetic2enu(*last, *first)
        return float(east) / passed_s, float(north) / passed_s, float(up) / passed_s

    def _turn_radps(self, at_s: float, within_s: float) -> Vector:
        ends = _ends(self._angles, at_s, within_s)
        if ends is None:
            return STILL.turn_radps
        (first, last), passed_s = ends
        before, after = rotations(np.stack((first, last)))
        # About north, east, down: the same axes as the rotations.
        north, east, down = cv2.Rodrigues(after @ before.T)[0].ravel() / passed_s
        return float(east), float(north), float(-down)


def _column(times_s: FloatArray, values: FloatArray, stretch: Index) -> _Column:
    known = np.isfinite(values).all(axis=1)
    return _Column(times_s[known], values[known], stretch[known])


def _ends(column: _Column, at_s: float, within_s: float) -> tuple[FloatArray, float] | None:
    """Return the values (2, 3) at least so far before and after a moment, and the time between.

    Nearer at the ends of the log and at its jumps; None where there are no two.
    """
    times_s = column.times_s
    if len(times_s) == 0:
        return None
    here = max(int(np.searchsorted(times_s, at_s, "right")) - 1, 0)
    same: BoolArray = column.stretch == column.stretch[here]
    lowest, highest = int(np.argmax(same)), len(same) - 1 - int(np.argmax(same[::-1]))
    before = int(np.searchsorted(times_s, at_s - within_s + _HAIR_S, "right")) - 1
    after = int(np.searchsorted(times_s, at_s + within_s - _HAIR_S, "left"))
    before = min(max(before, lowest), highest)
    after = max(min(after, highest), lowest)
    if after <= before:
        return None
    return column.values[[before, after]], float(times_s[after] - times_s[before])
