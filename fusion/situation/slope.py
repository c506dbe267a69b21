"""How much longer a slope takes than flat ground: Tobler's hiking function (DOMAIN.md 5.5).

    W = 6 exp(-3.5 |S + 0.05|) km/h      S: rise over run, less than 0 downhill

Only its shape is used: how fast somebody is on flat ground is theirs. So every way has a second
length, the metres of flat ground that take as long, which depends on which way one walks it:

    height      __          up     20 m of the map are walked as 30 m of flat ground
           ____/            down   the same 20 m as 21 m
"""

import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_STEEPNESS: Final = 3.5
_EASIEST: Final = -0.05  # a little downhill one is fastest
_STEEPEST: Final = 0.7  # beyond it a height is wrong sooner than a trail so steep
_SMOOTH_M: Final = 25.0  # to either side: a receiver's heights jump by metres from point to point
_LEVEL_KMH: Final = 6.0


def tobler_kmh(slope: float) -> float:
    """Return how fast one walks on a slope (rise over run), km/h."""
    return _LEVEL_KMH * math.exp(-_STEEPNESS * abs(slope - _EASIEST))


def effort(slope: float) -> float:
    """Return how many metres of flat ground take as long as one metre of a slope."""
    steep = max(-_STEEPEST, min(_STEEPEST, slope))
    return tobler_kmh(0.0) / tobler_kmh(steep)


def flat_m(
    along_m: Sequence[float], heights_m: Sequence[float], *, onward: bool
) -> tuple[float, ...]:
    """Return how many metres of flat ground take as long as the way from the first vertex to each.

    Args:
        along_m: Of each vertex, from the first; they increase.
        heights_m: Of each vertex.
        onward: Walked from the first vertex to the last; else the other way.
    """
    sign = 1.0 if onward else -1.0
    legs = zip(pairwise(along_m), pairwise(heights_m), strict=True)
    costs = ((b - a) * effort(sign * (to_m - from_m) / (b - a)) for (a, b), (from_m, to_m) in legs)
    return tuple(itertools.accumulate(costs, initial=0.0))


def smoothed(along_m: Sequence[float], heights_m: Sequence[float]) -> tuple[float, ...]:
    """Return the mean height about each vertex, equally far to either side.

    A steady slope stays as it is, and so do both ends.
    """
    areas = [0.0]  # under the profile
    for (a, b), (from_m, to_m) in zip(pairwise(along_m), pairwise(heights_m), strict=True):
        areas.append(areas[-1] + (b - a) * (from_m + to_m) / 2.0)

    def area(at_m: float) -> float:
        leg = _leg(along_m, at_m)
        run_m = at_m - along_m[leg]
        mean_m = (heights_m[leg] + at(along_m, heights_m, at_m)) / 2.0
        return areas[leg] + run_m * mean_m

    found = []
    for at_m, height_m in zip(along_m, heights_m, strict=True):
        half_m = min(_SMOOTH_M, at_m - along_m[0], along_m[-1] - at_m)
        mean_m = (area(at_m + half_m) - area(at_m - half_m)) / (2.0 * half_m) if half_m else 0.0
        found.append(mean_m if half_m else height_m)
    return tuple(found)


def at(along_m: Sequence[float], values: Sequence[float], at_m: float) -> float:
    """Return what is known of the vertices between two of them; what lies outside is the end's."""
    at_m = max(along_m[0], min(along_m[-1], at_m))
    leg = _leg(along_m, at_m)
    a, b = along_m[leg], along_m[leg + 1]
    return values[leg] + (at_m - a) / (b - a) * (values[leg + 1] - values[leg])


def _leg(along_m: Sequence[float], at_m: float) -> int:
    return max(0, min(len(along_m) - 2, bisect_right(along_m, at_m) - 1))
