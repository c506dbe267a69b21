"""WGS 84 <-> the sector's metres: an azimuthal equidistant plane about the sector's centre.

x grows to the east, y to the north at the centre. Distances from the centre are exact; others
are wrong by at most r²/6R² (1e-5 at 50 km). North at a point leans away from the plane's y axis
by the convergence of meridians, so covariances and velocities are turned on their way in and out.
"""

import math
from typing import Final, NamedTuple

from pyproj import Transformer

CovM2 = tuple[float, float, float]
_PLANE_M: Final = 2_000_000.0


class Metres(NamedTuple):
    """A point in the sector's plane."""

    x_m: float
    y_m: float


class LocalFrame:
    """The plane of one sector."""

    def __init__(self, *, lat: float, lon: float) -> None:
        """Lay the plane at a centre."""
        self.lat, self.lon = lat, lon
        plane = f"+proj=aeqd +lat_0={lat!r} +lon_0={lon!r} +datum=WGS84 +units=m +no_defs"
        self._to_plane = Transformer.from_crs("OGC:CRS84", plane, always_xy=True)

    def to_metres(self, *, lat: float, lon: float) -> Metres:
        """Project a position."""
        x_m, y_m = self._to_plane.transform(lon, lat)
        return Metres(x_m, y_m)

    def to_wgs84(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Return `(lat, lon)` of a point of the plane."""
        lon, lat = self._to_plane.transform(x_m, y_m, direction="INVERSE")
        return lat, lon

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
