"""Whether an elevation model says what its coordinates count from.

A coordinate reference system may name an ellipsoid and no datum, or one that nobody published.
Then its numbers would be taken for WGS 84: of VN-2000, which lies on the very ellipsoid of WGS 84,
everything would be 224 m beside its place, and nothing would show it (DOMAIN.md 4.6).
"""

import re
from typing import Any, Final

from rasterio.crs import CRS
from rasterio.errors import CRSError

_WGS84: Final = "WGS84"
_WGS84_DATUM: Final = 'DATUM["WGS_1984"'  # so written beside a towgs84 of zeros, too
_VN2000_NAME: Final = re.compile(r"VN.?2000", re.IGNORECASE)
# VN-2000's provincial zones have this scale on their central meridian, and no zone of WGS 84 has.
_SCALE_OF_VN2000: Final = 0.9999
_VIETNAM_DEG: Final = (102.0, 110.0)
_EXAMPLE: Final = "give it its EPSG code, such as EPSG:3405 (VN-2000 / UTM zone 48N)"


def why_no_datum(crs: CRS) -> str | None:
    """Return why nobody knows the way from a CRS to WGS 84; None: it is known."""
    wkt, told = crs.to_wkt(), crs.to_dict()
    if told.get("datum") == _WGS84 or _WGS84_DATUM in wkt:
        if _VN2000_NAME.search(wkt) or _drawn_like_vn2000(told):
            return (
                f"its CRS is called or drawn as VN-2000 is and has the datum of WGS 84; {_EXAMPLE}"
            )
        return None
    shift = told.get("towgs84")
    if shift is not None and "TOWGS84" in wkt and not any(map(float, str(shift).split(","))):
        return f"the towgs84 of its CRS is all zero, which declares no datum; {_EXAMPLE}"
    if shift is not None or _is_published(wkt) or (crs.is_geographic and crs.to_epsg()):
        return None
    return f"nothing published leads from the datum of its CRS to WGS 84; {_EXAMPLE}"


def _drawn_like_vn2000(told: dict[str, Any]) -> bool:
    west, east = _VIETNAM_DEG
    return told.get("k") == _SCALE_OF_VN2000 and west <= told.get("lon_0", 0.0) <= east


def _is_published(wkt: str) -> bool:
    """Tell whether the geographic part of a CRS is one that EPSG knows."""
    start = wkt.find("GEOGCS[")
    if start < 0:
        return False
    depth = 0
    for end in range(start, len(wkt)):
        depth += (wkt[end] == "[") - (wkt[end] == "]")
        if depth == 0 and wkt[end] == "]":
            break
    try:
        return CRS.from_wkt(wkt[start : end + 1]).to_epsg() is not None
    except CRSError:
        return False
