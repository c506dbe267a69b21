"""One position as people write it: degrees, degrees with minutes and seconds, MGRS, VN-2000.

On a map sheet of VN-2000 X is the northing and Y the easting; a province counts from a central
meridian of its own in zones of 3°, the sheets at 1:25,000 and smaller in the zones of UTM.
"""

from functools import cache
from typing import Final, NamedTuple

import numpy as np
from mgrs import MGRS
from pyproj import Proj
from pyproj.enums import TransformDirection

from fusion.datum import Datum, vn2000

_MINUTE: Final = "\N{PRIME}"
_SECOND: Final = "\N{DOUBLE PRIME}"
_PER_DEGREE: Final = 3600 * 100  # hundredths of a second of arc: 0.3 m
_PROVINCE_SCALE: Final = 0.9999  # on the central meridian of a 3° zone
_UTM_SCALE: Final = 0.9996


class Grid(NamedTuple):
    """A position on a grid of VN-2000."""

    x_m: float  # northing
    y_m: float  # easting, 500 km on the central meridian
    meridian_deg: float
    zone_deg: int  # 3: a province's; 6: UTM


class Written(NamedTuple):
    """One position in every way that guards write it."""

    decimal: str  # `22.950130, 105.316110`: latitude first
    dms: str  # degrees, minutes and seconds, with their half of the Earth
    mgrs: str  # `48Q WL 32407 38034`: the square metre it lies in
    vn2000: str | None  # `X 2538880 Y 480946 (VN-2000, …)`; None: nowhere near Viet Nam


def written(lat: float, lon: float, vn2000_meridian_deg: float | None = None) -> Written:
    """Write a position of WGS 84 in degrees.

    Args:
        lat: Latitude.
        lon: Longitude.
        vn2000_meridian_deg: The province's central meridian; None: that of the zone of UTM.
    """
    grid = vn2000_grid(lat, lon, vn2000_meridian_deg)
    return Written(
        decimal=f"{lat:.6f}, {lon:.6f}",
        dms=f"{_dms(lat, 'NS')} {_dms(lon, 'EW')}",
        mgrs=mgrs(lat, lon),
        vn2000=None if grid is None else _grid(grid),
    )


def mgrs(lat: float, lon: float) -> str:
    """Return the square metre of the Military Grid Reference System that holds a position."""
    # West of it a whole turn is the same meridian, which the library refuses.
    text = _mgrs().toMGRS(lat, -180.0 if lon == 180.0 else lon)  # noqa: PLR2004 - degrees
    east, north = text[-10:-5], text[-5:]
    return f"{text[:-12]} {text[-12:-10]} {east} {north}"


def vn2000_grid(lat: float, lon: float, meridian_deg: float | None = None) -> Grid | None:
    """Move a position of WGS 84 to VN-2000 by EPSG:6960, then into a zone's plane.

    Args:
        lat: Latitude.
        lon: Longitude.
        meridian_deg: The central meridian of a 3° zone; None: the zone of UTM.

    Returns:
        None: it lies where VN-2000 is not used.
    """
    datum = _datum()
    if not datum.holds(np.array([[lon, lat]])):
        return None
    moved_lon, moved_lat = datum.way.transform(lon, lat, direction=TransformDirection.INVERSE)
    zone_deg, scale = 3, _PROVINCE_SCALE
    if meridian_deg is None:
        zone_deg, scale = 6, _UTM_SCALE
        meridian_deg = moved_lon // 6.0 * 6.0 + 3.0
    easting_m, northing_m = _plane(meridian_deg, scale)(moved_lon, moved_lat)
    return Grid(northing_m, easting_m, meridian_deg, zone_deg)


def _grid(grid: Grid) -> str:
    minutes = round(grid.meridian_deg * 60.0)
    meridian = f"{minutes // 60}°{minutes % 60:02d}{_MINUTE}"
    return f"X {grid.x_m:.0f} Y {grid.y_m:.0f} (VN-2000, {meridian}, {grid.zone_deg}°)"


def _dms(degrees: float, halves: str) -> str:
    """Write degrees, minutes and seconds; rounded once, so that no 60″ comes out."""
    hundredths = round(abs(degrees) * _PER_DEGREE)
    whole, rest = divmod(hundredths, _PER_DEGREE)
    minutes, seconds = divmod(rest, 6000)
    half = halves[degrees < 0.0 and hundredths > 0]
    return f"{whole}°{minutes:02d}{_MINUTE}{seconds / 100.0:05.2f}{_SECOND}{half}"


@cache
def _mgrs() -> MGRS:
    return MGRS()


@cache
def _datum() -> Datum:
    return vn2000()


@cache
def _plane(meridian_deg: float, scale: float) -> Proj:
    return Proj(proj="tmerc", ellps="WGS84", lon_0=meridian_deg, k=scale, x_0=500_000.0)
