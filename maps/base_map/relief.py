"""Shaded relief and contours out of heights on a grid. Pure.

Neutral where the ground is level: shade is black, light is white, each as thick as the slope is
steep, so that one picture serves the dark page and the bright one.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
SUN_AZIMUTH_DEG: Final = 315.0  # clockwise from north; light from below makes hills look like pits
SUN_ALTITUDE_DEG: Final = 45.0
EXAGGERATION: Final = 1.5  # gentle ground is to be read too
_THICKEST: Final = 0.55  # of a side in full shade: names on it must be read
_LINE: Final = 0.4  # of a contour
_FEWEST_PX: Final = 2.5  # between two contours; where the ground is steeper they are left out


def illumination(heights_m: FloatArray, cell_m: FloatArray) -> FloatArray:
    """Return how much light falls on each inner cell, 0 to 1; level ground has sin(altitude).

    Horn (1981), "Hill shading and the reflectance map", Proc. IEEE 69(1): gradients by the
    weighted differences of the eight neighbours, and a surface that scatters light evenly.

    Args:
        heights_m: (N + 2, M + 2), row 0 in the north; NaN for holes.
        cell_m: (N,) what a cell of each inner row measures on the ground, both ways.

    Returns:
        (N, M); NaN where a neighbour is a hole.
    """
    east, north = gradient(heights_m, cell_m)
    east, north = EXAGGERATION * east, EXAGGERATION * north
    azimuth, altitude = math.radians(SUN_AZIMUTH_DEG), math.radians(SUN_ALTITUDE_DEG)
    # The normal is (-east, -north, 1); the light comes from (sin, cos) of the azimuth.
    towards = -east * math.sin(azimuth) - north * math.cos(azimuth)
    lit = (math.sin(altitude) + math.cos(altitude) * towards) / np.sqrt(1 + east**2 + north**2)
    return np.clip(lit, 0.0, 1.0)


def gradient(heights_m: FloatArray, cell_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the rise (N, M) per metre eastward and northward of inner cells; NaN by holes."""
    h = heights_m
    west = h[:-2, :-2] + 2 * h[1:-1, :-2] + h[2:, :-2]
    east = h[:-2, 2:] + 2 * h[1:-1, 2:] + h[2:, 2:]
    north = h[:-2, :-2] + 2 * h[:-2, 1:-1] + h[:-2, 2:]
    south = h[2:, :-2] + 2 * h[2:, 1:-1] + h[2:, 2:]
    across_m = 8.0 * cell_m[:, None]
    hole = np.where(np.isnan(h[1:-1, 1:-1]), np.nan, 0.0)  # its own height has no weight
    return (east - west) / across_m + hole, (north - south) / across_m


def contours(heights_m: FloatArray, interval_m: float) -> npt.NDArray[np.bool_]:
    """Return the inner cells (N, M) that a contour passes: the first above each level."""
    step = np.floor(heights_m / interval_m)
    here = step[1:-1, 1:-1]
    around = (step[:-2, 1:-1], step[2:, 1:-1], step[1:-1, :-2], step[1:-1, 2:])
    lower: npt.NDArray[np.bool_] = np.logical_or.reduce([side < here for side in around])
    return lower


def picture(
    heights_m: FloatArray, cell_m: FloatArray, interval_m: float | None
) -> npt.NDArray[np.uint8]:
    """Return grey and alpha (2, N, M) of a tile; clear where a height is missing.

    Args:
        heights_m: (N + 2, M + 2), row 0 in the north; NaN for holes.
        cell_m: (N,) what a cell of each inner row measures on the ground.
        interval_m: Between contours; None: none are drawn.
    """
    lit = illumination(heights_m, cell_m)
    level = math.sin(math.radians(SUN_ALTITUDE_DEG))
    above = (lit - level) / (1.0 - level)
    below = (level - lit) / level
    grey = np.where(lit > level, 255.0, 0.0)
    alpha = _THICKEST * np.nan_to_num(np.where(lit > level, above, below))
    if interval_m is not None:
        east, north = gradient(heights_m, cell_m)
        room_px = interval_m / (np.hypot(east, north) * cell_m[:, None] + 1e-9)
        line = contours(heights_m, interval_m) & (room_px > _FEWEST_PX)
        grey = np.where(line, 128.0, grey)  # on dark and on bright ground alike
        alpha = np.where(line, np.maximum(alpha, _LINE), alpha)
    return np.stack((grey, np.round(255.0 * alpha))).astype(np.uint8)
