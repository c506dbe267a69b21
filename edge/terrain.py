"""Ground with hills: an elevation model round the lens, and where rays first meet it."""

from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pymap3d

from edge.camera import BoolArray, FloatArray, Pose
from edge.elevation_file import ElevationFile, HeightsAbove, TerrainError
from edge.local_chart import REACH_M, LocalChart
from edge.ray_march import HeightGrid, first_meetings

# What is read at once reaches further than a ray, so that a drone can fly on before more is read.
_HALF_TILE_M: Final = 1.25 * REACH_M
_TILE_CELLS: Final = 16_000_000  # at most; of a very fine model, less of the view is read
_MOVED_SHARE: Final = 0.2  # of the half tile, before another is read
_HOLE_STEP_M: Final = 10.0
_WORST_CHART_M: Final = 0.05
_CHARTS: Final = 8  # of the latest lenses; one costs some milliseconds


class _Tile(NamedTuple):
    """A part of the file in memory."""

    grid: HeightGrid
    first: FloatArray  # (2,) row and column of the file that are the grid's first
    centre: FloatArray  # (2,) row and column of the file that it was read for
    half: FloatArray  # (2,) how many rows and columns it reaches to each side
    half_m: float  # the same in metres


class Terrain:
    """An elevation model. Equal only to itself.

    It keeps one part of the file in memory, within 25 km of the lens and of at most 16 million
    cells. Rays end 20 km from the lens, or sooner if the cells are so fine that less is read.
    """

    def __init__(self, file: ElevationFile, sigma_m: float) -> None:
        self.sigma_m = sigma_m
        self._file = file
        self._tile: _Tile | None = None
        self._chart = lru_cache(maxsize=_CHARTS)(self._fit_chart)

    @classmethod
    def open(cls, path: Path, *, sigma_m: float, heights: HeightsAbove = "msl") -> "Terrain":
        """Open a model.

        Args:
            path: A GeoTIFF, an SRTM .hgt, or what else rasterio reads.
            sigma_m: One sigma of its heights.
            heights: Whether they are above the sea, as in SRTM and Copernicus, or the ellipsoid.

        Raises:
            TerrainError: It cannot be read, or has no coordinate reference system.
        """
        return cls(ElevationFile(path, heights), sigma_m)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    def alt_m_at(self, *, lat: npt.ArrayLike, lon: npt.ArrayLike) -> FloatArray:
        """Return heights (N,) above the ellipsoid at places (N,); NaN at holes and outside."""
        lats = np.atleast_1d(np.asarray(lat, dtype=np.float64))
        lons = np.atleast_1d(np.asarray(lon, dtype=np.float64))
        row, column = self._file.grid_from_geodetic(lats, lons)
        height = np.full(len(lats), np.nan)
        last_row, last_column = np.array(self._file.shape) - 1.0
        # Rounding may put a place on the model's rim a hair outside it.
        rim = np.round(row, 6), np.round(column, 6)
        left = np.flatnonzero(
            (rim[0] >= 0.0) & (rim[0] <= last_row) & (rim[1] >= 0.0) & (rim[1] <= last_column)
        )
        while len(left):
            tile = self._tile
            if tile is None or not _covers(tile, row[left], column[left]).any():
                tile = self._read_round(self._chart(lats[left[0]], lons[left[0]], 0.0))
            covered = _covers(tile, row[left], column[left])
            here = left[covered]
            height[here], _, _ = tile.grid.surface(
                row[here] - tile.first[0], column[here] - tile.first[1]
            )
            left = left[~covered]
        return height

    def first_hits(
        self, lens: Pose, rays_enu: FloatArray
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Follow straight unit rays (N, 3), in east, north, up at the lens.

        What a ridge hides is never reached. No refraction: the rays are straight.

        Returns:
            Distances (N,) to the first hits, unit surface normals (N, 3) there in the lens' axes,
            and the mask (N,) of the rays that meet ground that is known: before the model's end
            or 20 km, and without a hole of the model under them on the way. Where the mask is
            false, distance and normal are 0 and mean nothing.
        """
        chart = self._chart(lens.lat, lens.lon, lens.alt_m)
        tile = self._tile_for(chart)
        paths = chart.paths(rays_enu)
        start = paths.start.copy()
        start[:2] -= tile.first
        reach = min(REACH_M, (1.0 - _MOVED_SHARE) * tile.half_m) / REACH_M
        level = np.hypot(rays_enu[:, 0], rays_enu[:, 1])
        # A ray straight down is followed as far as one to the rim.
        last_t = np.minimum(reach / np.maximum(level, 1e-9), 1.0)
        t, ok = first_meetings(tile.grid, paths._replace(start=start), last_t)
        slant_m, normals = t * REACH_M, np.zeros((len(t), 3))
        hit = np.flatnonzero(ok)
        if len(hit):
            row, column, _ = paths._replace(start=start).take(hit).at(t[hit])
            _, per_row, per_column = tile.grid.surface(
                np.clip(row, 0.0, tile.grid.last_row), np.clip(column, 0.0, tile.grid.last_column)
            )
            slopes = chart.gradients(rays_enu[hit] * slant_m[hit, None])
            # The surface is where the height less the model's height is 0: its gradient is normal.
            away = (slopes[:, 2] - per_row * slopes[:, 0] - per_column * slopes[:, 1]).T
            normals[hit] = away / np.linalg.norm(away, axis=1, keepdims=True)
        return slant_m, normals, ok

    def hole_m(self, lens: Pose, ray_enu: FloatArray) -> float | None:
        """Return how far away a ray (3,) passes a hole before it meets ground; None: no hole.

        For one ray that found no place and whoever asks why: every 10 m, so that a hole narrower
        than that may go unnoticed.
        """
        away_m = np.arange(0.0, REACH_M, _HOLE_STEP_M)
        lat, lon, alt_m = pymap3d.enu2geodetic(
            *(np.outer(ray_enu, away_m)), lens.lat, lens.lon, lens.alt_m
        )
        ground_m = self.alt_m_at(lat=lat, lon=lon)
        row, column = self._file.grid_from_geodetic(np.asarray(lat), np.asarray(lon))
        last_row, last_column = np.array(self._file.shape) - 1.0
        outside = (row < 0.0) | (row > last_row) | (column < 0.0) | (column > last_column)
        ends = outside | np.isnan(ground_m) | (alt_m <= ground_m)
        first = int(np.argmax(ends))
        if not ends[first] or outside[first] or not np.isnan(ground_m[first]):
            return None
        return float(away_m[first])

    def _fit_chart(self, lat: float, lon: float, alt_m: float) -> LocalChart:
        chart = LocalChart(self._file.grid_from_geodetic, lat=lat, lon=lon, alt_m=alt_m)
        if not chart.error_m <= _WORST_CHART_M:
            msg = (
                f"{self.path}: its coordinate reference system is too crooked round latitude "
                f"{lat}, longitude {lon} to follow rays in it"
            )
            raise TerrainError(msg)
        return chart

    def _tile_for(self, chart: LocalChart) -> _Tile:
        tile = self._tile
        if tile is not None:
            moved = np.abs(chart.start[:2] - tile.centre)
            if (moved <= _MOVED_SHARE * tile.half).all():
                return tile
        return self._read_round(chart)

    def _read_round(self, chart: LocalChart) -> _Tile:
        """Read the part of the file round a chart's lens."""
        cells_per_m = chart.cells_per_m
        whole = 2.0 * _HALF_TILE_M * cells_per_m
        half_m = _HALF_TILE_M * min(1.0, float(np.sqrt(_TILE_CELLS / np.prod(whole))))
        centre, half = chart.start[:2], half_m * cells_per_m
        shape = np.array(self._file.shape)
        # A place outside the model gets the model's nearest corner, and no ray meets that.
        first = np.clip(np.floor(centre - half), 0, shape - 2).astype(int)
        end = np.clip(np.ceil(centre + half) + 1, first + 2, shape).astype(int)
        heights = self._file.read((first[0], end[0]), (first[1], end[1]), cells_per_m)
        self._tile = _Tile(HeightGrid(heights), first.astype(np.float64), centre, half, half_m)
        return self._tile


def _covers(tile: _Tile, row: FloatArray, column: FloatArray) -> BoolArray:
    return tile.grid.inside(row - tile.first[0], column - tile.first[1])
