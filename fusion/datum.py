"""Bring a declared coordinate reference system to WGS 84, never by a guess.

VN-2000 lies on the very ellipsoid of WGS 84 but 224 m beside it: software that does not know
the datum takes its numbers for WGS 84 and says nothing. Hence: a CRS whose datum is unknown is
refused, and VN-2000 is moved by the seven parameters published as EPSG:6960 (`DOMAIN.md` 4.6).
"""

import re
import warnings
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from pyproj.transformer import TransformerGroup

from edge.messages import RefusedError

FloatArray = npt.NDArray[np.float64]
EXAMPLE: Final = 'crs = "EPSG:3405" (VN-2000 / UTM zone 48N)'
_CRS84: Final = "OGC:CRS84"
_VN2000_EPSG: Final = 4756
_EPSG_6960: Final = "VN-2000 to WGS 84 (2)"
_VN2000_NAME: Final = re.compile(r"VN.?2000", re.IGNORECASE)
_SAME_M: Final = 1.0
_SAME_DEG: Final = _SAME_M / 111_000.0
# A layer may reach over the edge of its zone, not into the next one.
_ZONE_MARGIN_DEG: Final = 0.5
# Of a name to one that EPSG knows, where a file leaves the number out: 70 means the same numbers.
_SAME_CRS: Final = 70
# VN-2000's provincial zones have this scale on their central meridian, and no zone of WGS 84 has.
_SCALE_OF_VN2000: Final = 0.9999
_SCALE_PARAMETER: Final = "8805"  # EPSG: scale factor at natural origin
_MERIDIAN_PARAMETER: Final = "8802"  # EPSG: longitude of natural origin
_VIETNAM_DEG: Final = (102.0, 110.0)


class Datum(NamedTuple):
    """A declared CRS and its way to WGS 84."""

    crs: str  # for people: `EPSG:3405 (VN-2000 / UTM zone 48N)`
    operation: str | None  # None: it is WGS 84 already
    accuracy_m: float | None  # as published; None: nobody says
    area: tuple[float, float, float, float] | None  # west, south, east, north in degrees
    way: Transformer

    @property
    def is_geographic(self) -> bool:
        """Tell whether its coordinates are degrees."""
        source = self.way.source_crs
        return source is not None and bool(source.is_geographic)

    def to_wgs84(self, xy: FloatArray) -> FloatArray:
        """Move positions (N, 2: easting or longitude first) to (N, 2: longitude, latitude).

        What lies outside the projection comes out as inf.
        """
        lon, lat = self.way.transform(xy[:, 0], xy[:, 1])
        return np.column_stack((lon, lat))

    def holds(self, lonlat: FloatArray) -> bool:
        """Tell whether positions (N, 2) lie where the CRS is meant to be used, or near."""
        if self.area is None:
            return bool(np.isfinite(lonlat).all())
        west, south, east, north = self.area
        low = np.array([west, south]) - _ZONE_MARGIN_DEG
        high = np.array([east, north]) + _ZONE_MARGIN_DEG
        return bool(((lonlat >= low) & (lonlat <= high)).all())

    def agrees(self, other: "Datum", xy: FloatArray) -> bool:
        """Tell whether both put the positions (N, 2) at the same places, within a metre."""
        here, there = self.to_wgs84(xy), other.to_wgs84(xy)
        return bool(np.allclose(here, there, rtol=0.0, atol=_SAME_DEG))


def datum(declared: str, *, where: str) -> Datum:
    """Understand a CRS: an EPSG code, WKT or PROJ string.

    Raises:
        RefusedError: It is no CRS, or nothing published leads from its datum to WGS 84.
    """
    try:
        crs = CRS.from_user_input(declared)
    except CRSError as error:
        msg = f"{where}: crs {_short(declared)} is unknown; write its EPSG code, as in {EXAMPLE}"
        raise RefusedError(msg) from error
    if crs.is_geocentric:
        msg = (
            f"{where}: crs {_short(declared)} counts from the Earth's centre, and a layer is flat"
        )
        raise RefusedError(msg)
    ways = _ways(crs)
    if not ways:
        msg = (
            f"{where}: from crs {_short(declared)} no published transformation leads to WGS 84 "
            f"(its datum is unknown here); write its EPSG code, as in {EXAMPLE}"
        )
        raise RefusedError(msg)
    way = ways[0]
    _refuse_nothing_moved(crs, where)
    moved = _steps_between_datums(way)
    if not moved and (_VN2000_NAME.search(crs.name) or _drawn_like_vn2000(crs)):
        msg = (
            f"{where}: its crs is called {_short(crs.name)}, is drawn as VN-2000 is and has the "
            f"datum of WGS 84; write its EPSG code, as in {EXAMPLE}"
        )
        raise RefusedError(msg)
    code = crs.to_epsg()
    area = _area(crs)
    return Datum(
        crs=f"EPSG:{code} ({crs.name})" if code else crs.name,
        operation=" + ".join(moved) or None,
        accuracy_m=way.accuracy if way.accuracy is not None and way.accuracy >= 0.0 else None,
        area=area,
        way=way,
    )


def vn2000() -> Datum:
    """Return VN-2000 in degrees."""
    return datum(f"EPSG:{_VN2000_EPSG}", where="VN-2000")


def _ways(crs: CRS) -> list[Transformer]:
    """Return the published ways to WGS 84, best first; those that ignore the datum are none."""
    try:
        with warnings.catch_warnings():
            # It warns where a grid would be better; which way was taken, the check says.
            warnings.simplefilter("ignore", UserWarning)
            group = TransformerGroup(crs, _CRS84, always_xy=True, allow_ballpark=False)
    except (ProjError, IndexError):  # the latter for projections that PROJ has never heard of
        return []
    seven = [way for way in group.transformers if _EPSG_6960 in _steps_between_datums(way)]
    return seven or list(group.transformers)


def _steps_between_datums(way: Transformer) -> list[str]:
    """Name the steps that are no mere conversion (a projection, the order of the axes)."""
    steps: Any = way.operations or ()
    return [step.name for step in steps if step.type_name != "Conversion"]


def _refuse_nothing_moved(crs: CRS, where: str) -> None:
    """Refuse seven parameters that are all zero: what programs write that know no datum."""
    if not crs.is_bound or crs.coordinate_operation is None:
        return
    if not any(parameter.value for parameter in crs.coordinate_operation.params):
        msg = (
            f"{where}: its towgs84 is all zero, which declares no datum; "
            f"write its EPSG code, as in {EXAMPLE}"
        )
        raise RefusedError(msg)


def _drawn_like_vn2000(crs: CRS) -> bool:
    """Tell whether a projection is that of a zone of VN-2000, whatever it is called."""
    if crs.coordinate_operation is None:
        return False
    told = {one.code: float(one.value) for one in crs.coordinate_operation.params}
    west, east = _VIETNAM_DEG
    return (
        told.get(_SCALE_PARAMETER) == _SCALE_OF_VN2000
        and west <= told.get(_MERIDIAN_PARAMETER, 0.0) <= east
    )


def _area(crs: CRS) -> tuple[float, float, float, float] | None:
    """Return where a CRS is meant to be used; of one with heights, where its plane is."""
    plane = crs.sub_crs_list[0] if crs.is_compound else crs
    if plane.area_of_use is None:
        code = plane.to_epsg(min_confidence=_SAME_CRS)
        plane = plane if code is None else CRS.from_epsg(code)
    return None if plane.area_of_use is None else plane.area_of_use.bounds


def _short(declared: str) -> str:
    line = " ".join(declared.split())
    return repr(line if len(line) <= 60 else line[:57] + "...")  # noqa: PLR2004 - characters
