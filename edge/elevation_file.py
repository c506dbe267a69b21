"""An elevation model on disk: GeoTIFF, SRTM .hgt and what else rasterio reads. No rays here."""

from pathlib import Path
from typing import Final, Literal

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.warp import transform
from rasterio.windows import Window

from edge.camera import FloatArray
from edge.elevation_datum import why_no_datum
from edge.geoid import undulation_m
from edge.messages import RefusedError
from edge.ray_march import Heights

HeightsAbove = Literal["msl", "ellipsoid"]

_WGS84: Final = CRS.from_epsg(4326)
_METRES: Final = ("", "m", "metre", "metres", "meter", "meters")
_LEAST_CELLS: Final = 2
_LOWEST_M: Final = -1000.0  # no land lies lower, or
_HIGHEST_M: Final = 10_000.0  # higher
_GEOID_EVERY_M: Final = 1000.0  # the geoid is smooth: between such points it is interpolated


class TerrainError(RefusedError):
    """An elevation model that cannot be used. One sentence naming the file."""


class ElevationFile:
    """Heights on a grid; row and column 0 are the centres of the first cells."""

    def __init__(self, path: Path, heights: HeightsAbove) -> None:
        """Look at the file's head.

        Raises:
            TerrainError: It cannot be read, is no elevation model or has no place on the Earth.
        """
        self.path, self._heights = path, heights
        try:
            with rasterio.open(path) as file:
                self._crs = file.crs
                # x and y are this (2, 2) times column and row of a cell's corner, and `origin`.
                a, b, c, d, e, f = file.transform[:6]
                self.shape: tuple[int, int] = file.shape
                bands, unit = file.count, (file.units[0] or "").strip().lower()
        except RasterioError as error:
            msg = f"{path}: no elevation model that can be read: {error}"
            raise TerrainError(msg) from error
        self._per_cell: FloatArray = np.array(((a, b), (d, e)))
        self._origin: FloatArray = np.array(((c,), (f,)))
        if bands != 1:
            msg = f"{path}: has {bands} bands, an elevation model has one"
            raise TerrainError(msg)
        if self._crs is None:
            msg = (
                f"{path}: has no coordinate reference system, so nobody can know where it lies; "
                "give it the one that its maker states"
            )
            raise TerrainError(msg)
        if not (self._crs.is_geographic or self._crs.is_projected):
            msg = f"{path}: its coordinate reference system is neither geographic nor projected"
            raise TerrainError(msg)
        no_datum = why_no_datum(self._crs)
        if no_datum is not None:
            msg = f"{path}: {no_datum}"
            raise TerrainError(msg)
        if min(self.shape) < _LEAST_CELLS or np.linalg.det(self._per_cell) == 0.0:
            msg = f"{path}: has {self.shape[0]} rows and {self.shape[1]} columns, too few"
            raise TerrainError(msg)
        if unit not in _METRES:
            msg = f"{path}: its heights are in {unit!r}, not in metres"
            raise TerrainError(msg)

    def grid_from_geodetic(
        self, lat: FloatArray, lon: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return rows and columns (N,), fractions included, of places (N,)."""
        x, y = lon, lat
        if self._crs != _WGS84:
            x, y = self._transform(_WGS84, self._crs, lon, lat)
        column, row = np.linalg.solve(self._per_cell, np.stack((x, y)) - self._origin)
        return row - 0.5, column - 0.5

    def read(
        self, rows: tuple[int, int], columns: tuple[int, int], cells_per_m: FloatArray
    ) -> Heights:
        """Return ellipsoidal heights of the cells in rows and columns [from, to), NaN for holes.

        `cells_per_m` (2,) is the rough scale of rows and columns.

        Raises:
            TerrainError: The file breaks off.
            GeoidError: Its heights are above the sea, and there is no geoid here.
        """
        window = Window.from_slices(rows, columns)
        try:
            with rasterio.open(self.path) as file:
                masked = file.read(1, window=window, masked=True)
                scale, offset = file.scales[0], file.offsets[0]
        except RasterioError as error:
            msg = f"{self.path}: cannot be read: {error}"
            raise TerrainError(msg) from error
        found = masked.astype(np.float32).filled(np.nan) * np.float32(scale) + np.float32(offset)
        # Whoever forgot to declare what stands for a hole wrote -32768 or -9999 there.
        known = (found > _LOWEST_M) & (found < _HIGHEST_M)
        heights_m: Heights = np.where(known, found, np.float32(np.nan))
        if self._heights == "msl":
            heights_m += self._undulation_m(rows, columns, cells_per_m)
        return heights_m

    def _undulation_m(
        self, rows: tuple[int, int], columns: tuple[int, int], cells_per_m: FloatArray
    ) -> Heights:
        """Return the geoid's height at each cell, from a coarser lattice of points."""
        down, right = (
            np.linspace(first, last - 1, max(2, round((last - first) / (_GEOID_EVERY_M * scale))))
            for (first, last), scale in zip((rows, columns), cells_per_m, strict=True)
        )
        row, column = (part.ravel() for part in np.meshgrid(down, right, indexing="ij"))
        x, y = self._per_cell @ np.stack((column + 0.5, row + 0.5)) + self._origin
        if self._crs != _WGS84:
            x, y = self._transform(self._crs, _WGS84, x, y)
        lattice = undulation_m(lat=y, lon=x).reshape(len(down), len(right))
        tall = _spread(lattice, down, np.arange(*rows, dtype=np.float64))
        wide: Heights = _spread(tall.T, right, np.arange(*columns, dtype=np.float64)).T.astype(
            np.float32
        )
        return wide

    def _transform(
        self, source: CRS, target: CRS, x: FloatArray, y: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        try:
            there_x, there_y = transform(source, target, x, y)
        except (CRSError, RasterioError) as error:
            msg = f"{self.path}: its coordinate reference system cannot be used: {error}"
            raise TerrainError(msg) from error
        return np.asarray(there_x, dtype=np.float64), np.asarray(there_y, dtype=np.float64)


def _spread(values: FloatArray, at: FloatArray, wanted: FloatArray) -> FloatArray:
    """Interpolate rows of values (K, M), known at the evenly spaced `at` (K,), to rows (N, M)."""
    place = (wanted - at[0]) / (at[1] - at[0])
    below = np.clip(place.astype(np.intp), 0, len(at) - 2)
    share = (place - below)[:, None]
    spread: FloatArray = values[below] * (1.0 - share) + values[below + 1] * share
    return spread
