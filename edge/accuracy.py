"""How far off a position may be: one radius from a covariance."""

from math import erf
from typing import Final

import numpy as np

from edge.messages import CovM2

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)
_ANGLES: Final = _NODES * np.pi / 2.0
_LEVEL: Final = 0.9
# 90 % of a Gaussian lie within 1.6449 sigma on a line and 2.1460 sigma in a plane.
_ON_A_LINE: Final = 1.6448536269514722
_IN_A_PLANE: Final = 2.145966026289347
_BISECTIONS: Final = 60


def sigmas_m(cov_m2: CovM2) -> tuple[float, float]:
    """Return one sigma along the long and the short axis of the error ellipse, metres."""
    var_east, cov_east_north, var_north = cov_m2
    mean = (var_east + var_north) / 2.0
    apart = float(np.hypot((var_east - var_north) / 2.0, cov_east_north))
    return float(np.sqrt(mean + apart)), float(np.sqrt(max(mean - apart, 0.0)))


def ce90_m(cov_m2: CovM2) -> float:
    """Return the radius (m) round the position that holds the truth with probability 0.9.

    Solves P(r) = 0.9 for an elliptic Gaussian (DOMAIN.md 4.4). P(r) is the integral over x along
    the long axis, x = r sin(a), of the density of x times the chance to be within the circle's
    half-chord r cos(a) across; that form stays smooth when the ellipse is as thin as a line.
    """
    long_m, short_m = sigmas_m(cov_m2)
    if long_m == 0.0:
        return 0.0
    low, high = _ON_A_LINE, _IN_A_PLANE
    for _ in range(_BISECTIONS):
        radius = (low + high) / 2.0
        if _within(radius, short_m / long_m) < _LEVEL:
            low = radius
        else:
            high = radius
    return high * long_m


def _within(radius: float, flatness: float) -> float:
    """Chance to be within `radius` of the centre; sigmas are 1 and `flatness`."""
    along = radius * np.sin(_ANGLES)
    half_chord = radius * np.cos(_ANGLES)
    density = np.exp(-(along**2) / 2.0) / np.sqrt(2.0 * np.pi)
    reach = half_chord / (max(flatness, 1e-12) * np.sqrt(2.0))
    across = np.array([erf(value) for value in reach])
    return float(np.sum(_WEIGHTS * density * across * half_chord) * np.pi / 2.0)
