"""Where everything is in the fictional sector, in metres east and north of its origin.

The origin lies in the open Atlantic, so that nobody takes this line for a real one. The ground is
flat. Home is south of the line:

```
 north     trail-1      trail-3     trail-2
   ^          |            |         |  patrol
   |   -------+------______|_______--+--~~~~~--------   the line, first vertex in the west
   |          |            |       [gate] [farmland]
   |        cam-01                   cam-02
   |              (drone-01 hovers south-west of trail-1 or trail-3)
   +------> east
```
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pymap3d

from edge.camera import Pose

FloatArray = npt.NDArray[np.float64]

SECTOR_ID: Final = "bien-gia-lap"
TIMEZONE: Final = "Asia/Ho_Chi_Minh"
GROUND_ALT_M: Final = 30.0  # above the ellipsoid
_ORIGIN_LAT: Final = 1.2
_ORIGIN_LON: Final = -12.3


class Point(NamedTuple):
    """A place on the ground, metres from the origin."""

    east_m: float
    north_m: float


BORDER: Final = (
    Point(-300.0, 10.0),
    Point(-110.0, 18.0),
    Point(-20.0, -5.0),
    Point(20.0, -8.0),
    Point(110.0, 14.0),
    Point(300.0, -4.0),
)
TRAILS: Final = {
    "trail-1": (
        Point(-66.0, -140.0),
        Point(-56.0, -60.0),
        Point(-50.0, 2.7),
        Point(-46.0, 40.0),
        Point(-38.0, 120.0),
    ),
    "trail-2": (
        Point(36.0, -140.0),
        Point(41.5, -52.0),
        Point(45.0, -1.9),
        Point(49.0, 40.0),
        Point(58.0, 120.0),
    ),
    "trail-3": (
        Point(-22.0, -140.0),
        Point(-15.0, -60.0),
        Point(-10.0, -5.8),
        Point(-7.0, 40.0),
        Point(0.0, 120.0),
    ),
}
TRAIL_NAMES: Final = {
    "trail-1": "Đường mòn Suối Cạn",
    "trail-2": "Đường qua cửa khẩu",
    "trail-3": "Đường mòn Đồi Sim",
}
GATE: Final = (
    Point(41.0, -10.0),
    Point(49.5, -10.0),
    Point(49.5, 9.0),
    Point(41.0, 9.0),
)
FARMLAND: Final = (
    Point(47.0, -42.0),
    Point(78.0, -42.0),
    Point(78.0, -5.0),
    Point(47.0, -11.0),
)
MARKERS: Final = {
    "101": BORDER[1],
    "102": BORDER[3],
    "103": BORDER[4],
}


def latlon_of(east_m: float, north_m: float) -> tuple[float, float]:
    """Return WGS 84 latitude and longitude (degrees) of a place on the ground."""
    lat, lon, _ = pymap3d.enu2geodetic(
        east_m, north_m, 0.0, _ORIGIN_LAT, _ORIGIN_LON, GROUND_ALT_M
    )
    return float(lat), float(lon)


def place_of(lat: float, lon: float) -> Point:
    """Return the place on the ground at this latitude and longitude."""
    east, north, _ = pymap3d.geodetic2enu(
        lat, lon, GROUND_ALT_M, _ORIGIN_LAT, _ORIGIN_LON, GROUND_ALT_M
    )
    return Point(float(east), float(north))


def points_from_lens(points_m: FloatArray, lens: Pose) -> FloatArray:
    """Turn points (N, 3), metres east, north, above the ground, into the same about the lens.

    The result is east, north, up at the lens, as `edge.camera.pixels_from_enu` wants it. Heights
    follow the ellipsoid: on 300 m the flat plane and the curved one part by 7 mm.
    """
    points = np.asarray(points_m, dtype=np.float64).reshape(-1, 3)
    zero = np.zeros(len(points))
    lat, lon, _ = pymap3d.enu2geodetic(
        points[:, 0], points[:, 1], zero, _ORIGIN_LAT, _ORIGIN_LON, GROUND_ALT_M
    )
    seen = pymap3d.geodetic2enu(
        lat, lon, GROUND_ALT_M + points[:, 2], lens.lat, lens.lon, lens.alt_m
    )
    return np.column_stack(seen).astype(np.float64)
