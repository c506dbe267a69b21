"""Hill-shade tiles out of an elevation model (GeoTIFF, SRTM .hgt and what else rasterio reads).

Tiles are made when they are asked for, on one thread of their own, a small window of the file at
a time; the last few are kept.
"""

import asyncio
import math
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from PIL import Image
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from edge.messages import RefusedError
from maps.base_map.archive import Bounds, edition_of
from maps.base_map.relief import FloatArray, picture
from maps.base_map.tile import DamagedTileError

TILE_PX: Final = 256
EARTH_RADIUS_M: Final = 6_378_137.0  # of Web Mercator's sphere
_HALF_M: Final = math.pi * EARTH_RADIUS_M
_MERCATOR: Final = CRS.from_epsg(3857)
_WGS84: Final = CRS.from_epsg(4326)
_LEVELS_BELOW: Final = 4  # of zoom: a tile there reads 16 x 16 times its cells
_LEVELS_ABOVE: Final = 2  # finer than the file: smooth slopes, thin contours
_MOST_ZOOM: Final = 18
_LEAST_CELLS: Final = 3
_METRES: Final = ("", "m", "metre", "metres", "meter", "meters")
_LOWEST_M: Final = -1000.0  # no land lies lower, or
_HIGHEST_M: Final = 10_000.0  # higher: whoever forgot to declare a hole wrote -32768 there
_MOST_KEPT_BYTES: Final = 16_777_216
_FILE_CACHE_BYTES: Final = 33_554_432  # GDAL's own, else a share of the machine's memory
# Between contours, by the size of a cell on the ground: lines must stay apart in hills.
_INTERVALS_M: Final = ((8.0, 10.0), (20.0, 20.0), (40.0, 50.0), (80.0, 100.0))


class ElevationError(RefusedError):
    """An elevation model that cannot be used. One sentence naming the file."""


class HillShade:
    """Tiles of one elevation model."""

    def __init__(self, path: Path) -> None:
        """Look at the file's head.

        Raises:
            ElevationError: It cannot be read, is no elevation model or has no place on the Earth.
        """
        self.path = path
        self._file: DatasetReader | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hillshade")
        self._kept: OrderedDict[tuple[int, int, int], bytes | None] = OrderedDict()
        self._kept_bytes = 0
        try:
            with rasterio.open(path) as file:
                _check(path, file)
                self.bounds: Bounds = transform_bounds(file.crs, _WGS84, *file.bounds)
                cell_m = _cell_m(file)
                coarser = max(file.overviews(1), default=1)
            self.edition = edition_of(path)
        except (RasterioError, OSError) as error:
            msg = f"--elevation {path}: is no elevation model that can be read: {error}"
            raise ElevationError(msg) from error
        finest = math.ceil(math.log2(2 * _HALF_M / (TILE_PX * cell_m)))
        self.max_zoom = max(0, min(_MOST_ZOOM, finest + _LEVELS_ABOVE))
        self.min_zoom = max(0, min(_MOST_ZOOM, finest) - _LEVELS_BELOW - int(math.log2(coarser)))

    async def tile(self, z: int, x: int, y: int) -> bytes | None:
        """Return a tile as PNG; None where the file has no heights.

        Raises:
            DamagedTileError: The file cannot be read there.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.make, z, x, y)

    def make(self, z: int, x: int, y: int) -> bytes | None:
        """Return a tile as `tile` does; on the calling thread, and never on two at once."""
        key = (z, x, y)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        made = self._draw(z, x, y)
        self._kept[key] = made
        self._kept_bytes += _weight(made)
        while self._kept_bytes > _MOST_KEPT_BYTES:
            self._kept_bytes -= _weight(self._kept.popitem(last=False)[1])
        return made

    def close(self) -> None:
        """Let go of the file and of the thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._file is not None:
            self._file.close()

    def _draw(self, z: int, x: int, y: int) -> bytes | None:
        if not self.min_zoom <= z <= self.max_zoom:
            return None
        try:
            with rasterio.Env(GDAL_CACHEMAX=_FILE_CACHE_BYTES):
                heights_m = self._heights_m(z, x, y)
                if np.isnan(heights_m).all():
                    return None
                cell_m = ground_cell_m(z, y)
                return _png(picture(heights_m, cell_m, _interval_m(float(cell_m.mean()))))
        except RasterioError as error:
            msg = f"{self.path}: cannot be read there: {error}"
            raise DamagedTileError(msg) from error

    def _heights_m(self, z: int, x: int, y: int) -> FloatArray:
        """Return heights (258, 258): the tile's cells and one more on each side.

        All tiles of a zoom lie on one grid, so neighbours see the same heights at their seam.
        """
        if self._file is None:
            self._file = rasterio.open(self.path)
        file = self._file
        cell_m = 2 * _HALF_M / (TILE_PX * 2**z)
        west_m = -_HALF_M + (x * TILE_PX - 1) * cell_m
        north_m = _HALF_M - (y * TILE_PX - 1) * cell_m
        finer = z >= self.max_zoom - _LEVELS_ABOVE
        with WarpedVRT(
            file,
            crs=_MERCATOR,
            transform=Affine(cell_m, 0.0, west_m, 0.0, -cell_m, north_m),
            width=TILE_PX + 2,
            height=TILE_PX + 2,
            resampling=Resampling.cubic if finer else Resampling.average,
            dtype="float32",
            nodata=math.nan,
            src_nodata=file.nodata,
            tolerance=0.001,  # of a cell: a rough approximation would differ between tiles
        ) as warped:
            read = warped.read(1).astype(np.float64)
        heights_m = read * file.scales[0] + file.offsets[0]
        known = (heights_m > _LOWEST_M) & (heights_m < _HIGHEST_M)
        return np.where(known, heights_m, np.nan)


def ground_cell_m(z: int, y: int) -> FloatArray:
    """Return what a cell of each row (256,) of a tile measures on the ground: less up north."""
    size = TILE_PX * 2**z
    rows = y * TILE_PX + np.arange(TILE_PX) + 0.5
    northing = math.pi * (1 - 2 * rows / size)  # on the sphere of radius 1
    ground_m: FloatArray = 2 * _HALF_M / size / np.cosh(northing)  # cosh = 1 / cos(latitude)
    return ground_m


def _check(path: Path, file: DatasetReader) -> None:
    unit = (file.units[0] or "").strip().lower()
    wrong = None
    if file.count != 1:
        wrong = f"has {file.count} bands, an elevation model has one"
    elif file.crs is None:
        wrong = "has no coordinate reference system, so nobody can know where it lies"
    elif not (file.crs.is_geographic or file.crs.is_projected):
        wrong = "its coordinate reference system is neither geographic nor projected"
    elif min(file.shape) < _LEAST_CELLS:
        wrong = f"has {file.shape[0]} rows and {file.shape[1]} columns, too few"
    elif unit not in _METRES:
        wrong = f"its heights are in {unit!r}, not in metres"
    if wrong is not None:
        msg = f"--elevation {path}: {wrong}"
        raise ElevationError(msg)


def _cell_m(file: DatasetReader) -> float:
    """Return what a cell measures in Web Mercator's metres at the file's middle, roughly."""
    west, south, east, north = transform_bounds(file.crs, _MERCATOR, *file.bounds)
    rows, columns = file.shape
    return math.sqrt((east - west) / columns * (north - south) / rows)


def _interval_m(cell_m: float) -> float | None:
    return next((interval_m for most_m, interval_m in _INTERVALS_M if cell_m <= most_m), None)


def _png(grey_alpha: npt.NDArray[np.uint8]) -> bytes:
    """Pack (2, N, M) grey and alpha."""
    grey, alpha = (Image.fromarray(band) for band in grey_alpha)
    packed = BytesIO()
    Image.merge("LA", (grey, alpha)).save(packed, format="PNG")
    return packed.getvalue()


def _weight(tile: bytes | None) -> int:
    return 200 + len(tile or b"")  # the key and its place are not for nothing
