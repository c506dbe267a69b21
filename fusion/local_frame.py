"""WGS 84 <-> the sector's metres: an azimuthal equidistant plane about the sector's centre.

x grows to the east, y to the north at the centre. Distances from the centre are exact; others
are wrong by at most r²/6R² (1e-5 at 50 km). North at a point leans away from the plane's y axis
by the convergence of meridians, so covariances and velocities are turned on their way in and out.

pyproj is the truth. Called for one point at a time it takes longer than all the rest of a fix, so
half a degree around the centre it is replaced by power series fitted to it, within a
millimetre (far less, mostly).
"""

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from pyproj import Transformer

FloatArray = npt.NDArray[np.float64]
CovM2 = tuple[float, float, float]
_PLANE_M: Final = 2_000_000.0
_SERIES_DEG: Final = 0.5  # of latitude and of longitude about the centre
_SERIES_M: Final = 40_000.0
_SERIES_ORDER: Final = 5  # what is left out is below _LARGEST_OFF_M
_FITTED_AT: Final = 24  # points each way
_LARGEST_OFF_M: Final = 1e-3  # PROJ itself takes a centre 0.6 mm off the meridian for on it
_M_PER_DEG: Final = 111_000.0


class Metres(NamedTuple):
    """A point in the sector's plane."""

    x_m: float
    y_m: float


class LocalFrame:
    """The plane of one sector."""

    def __init__(self, *, lat: float, lon: float) -> None:
        """Lay the plane at a centre."""
        self.lat, self.lon = lat, lon
        # Not 1e-09: PROJ would read the e as "east".
        plane = f"+proj=aeqd +lat_0={lat:.15f} +lon_0={lon:.15f} +datum=WGS84 +units=m +no_defs"
        self._to_plane = Transformer.from_crs("OGC:CRS84", plane, always_xy=True)
        grid = np.cos(np.pi * (np.arange(_FITTED_AT) + 0.5) / _FITTED_AT)  # Chebyshev's points
        u, v = (axis.ravel() for axis in np.meshgrid(grid, grid))
        x_m, y_m = self._to_plane.transform(lon + _SERIES_DEG * u, lat + _SERIES_DEG * v)
        there_lon, there_lat = self._to_plane.transform(
            _SERIES_M * u, _SERIES_M * v, direction="INVERSE"
        )
        self._forward = _fitted(u, v, np.asarray(x_m), np.asarray(y_m), _LARGEST_OFF_M)
        self._inverse = _fitted(
            u,
            v,
            (np.asarray(there_lon) - lon + 180.0) % 360.0 - 180.0,
            np.asarray(there_lat) - lat,
            _LARGEST_OFF_M / _M_PER_DEG,
        )

    def to_metres(self, *, lat: float, lon: float) -> Metres:
        """Project a position."""
        u, v = (lon - self.lon) / _SERIES_DEG, (lat - self.lat) / _SERIES_DEG
        if self._forward is None or not (-1.0 <= u <= 1.0 and -1.0 <= v <= 1.0):
            return Metres(*self._to_plane.transform(lon, lat))
        return Metres(*_summed(self._forward, u, v))

    def to_wgs84(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Return `(lat, lon)` of a point of the plane."""
        u, v = x_m / _SERIES_M, y_m / _SERIES_M
        if self._inverse is None or not (-1.0 <= u <= 1.0 and -1.0 <= v <= 1.0):
            lon, lat = self._to_plane.transform(x_m, y_m, direction="INVERSE")
            return lat, lon
        east_deg, north_deg = _summed(self._inverse, u, v)
        return self.lat + north_deg, (self.lon + east_deg + 180.0) % 360.0 - 180.0

    def holds(self, x_m: float, y_m: float) -> bool:
        """Tell whether a point lies where the plane means anything (not the far side of Earth)."""
        return math.hypot(x_m, y_m) <= _PLANE_M

    def turn(self, *, lat: float, lon: float) -> tuple[float, float]:
        """Return `(cos, sin)` of the convergence: the angle from the plane's y axis to true north.

        Positive anticlockwise (east of the centre, on the northern hemisphere). Napier's analogy
        on the sphere: within 3 % of itself as far as 500 km out (0.05 degrees).
        """
        half_lon = math.radians(lon - self.lon) / 2.0
        mean_lat = math.radians(lat + self.lat) / 2.0
        half_lat = math.radians(lat - self.lat) / 2.0
        angle = 2.0 * math.atan(math.tan(half_lon) * math.sin(mean_lat) / math.cos(half_lat))
        return math.cos(angle), math.sin(angle)


def turned(cov: CovM2, cos: float, sin: float) -> CovM2:
    """Turn a covariance `(xx, xy, yy)` anticlockwise by the angle with this cosine and sine."""
    xx, xy, yy = cov
    twice = 2.0 * cos * sin * xy
    return (
        cos * cos * xx - twice + sin * sin * yy,
        cos * sin * (xx - yy) + (cos * cos - sin * sin) * xy,
        sin * sin * xx + twice + cos * cos * yy,
    )


def _powers() -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the powers of (u, v) of a series odd in u and of one even in it, `_summed`'s order.

    To the left and to the right of the central meridian plane and ellipsoid are alike.
    """
    order = _SERIES_ORDER
    odd = [(i, j) for i in range(1, order + 1, 2) for j in range(order + 1 - i)]
    even = [(i, j) for i in range(0, order + 1, 2) for j in range(order + 1 - i) if i + j > 0]
    return odd, even


def _fitted(
    u: FloatArray, v: FloatArray, across: FloatArray, along: FloatArray, most_off: float
) -> tuple[float, ...] | None:
    """Fit both series to values at points (N,); None if they miss one by more than `most_off`."""
    coefficients: list[float] = []
    for powers, values in zip(_powers(), (across, along), strict=True):
        terms = np.stack([u**i * v**j for i, j in powers], axis=1)
        found, *_ = np.linalg.lstsq(terms, values, rcond=None)
        if np.abs(terms @ found - values).max() > most_off:
            return None
        coefficients += found.tolist()
    return tuple(coefficients)


def _summed(series: tuple[float, ...], u: float, v: float) -> tuple[float, float]:
    """Sum both series at a point, by Horner's rule."""
    (
        a0, a1, a2, a3, a4, b0, b1, b2, c0,
        d1, d2, d3, d4, d5, e0, e1, e2, e3, f0, f1,
    ) = series  # fmt: skip
    w = u * u
    across = a0 + v * (a1 + v * (a2 + v * (a3 + v * a4)))
    across = u * (across + w * (b0 + v * (b1 + v * b2) + w * c0))
    along = v * (d1 + v * (d2 + v * (d3 + v * (d4 + v * d5))))
    along += w * (e0 + v * (e1 + v * (e2 + v * e3)) + w * (f0 + v * f1))
    return across, along
