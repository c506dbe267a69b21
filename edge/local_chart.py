"""From metres round a lens to a grid of heights: smooth functions, fitted once for each lens.

```
    east, north, up (m)   ->   row, column (cells of the grid)   and height above the ellipsoid (m)
```
Over 20 km each of the three is a polynomial of third degree to within millimetres, whatever the
grid's coordinate reference system. Along a ray it is then a polynomial in the distance, so that
following a ray needs no geodesy, and the Earth's curve is in it.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pymap3d

from edge.camera import FloatArray

REACH_M: Final = 20_000.0  # of the fit, in each direction
_DEPTH_M: Final = 10_000.0  # of it, up and down
# Places of the fit, in shares of reach and depth: the extremes of a Chebyshev polynomial.
_NODES: Final = np.cos(np.pi * np.arange(6) / 5.0)
# Of the 19 monomials, the first 3 are linear, the next 6 squares, the rest cubes.
_LINEAR: Final = slice(0, 3)
_SQUARES: Final = slice(3, 9)
_CUBES: Final = slice(9, 19)

GridFromGeodetic = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]


class Paths(NamedTuple):
    """Rays in the grid: `start + sum of coefficients[k] t^(k+1)` at t REACH_M from the lens."""

    start: FloatArray  # (3,) row, column, height at the lens
    coefficients: FloatArray  # (degree, 3, N)

    def at(self, t: FloatArray) -> FloatArray:
        """Return rows, columns, heights (3, N) at shares t (N,) of REACH_M."""
        first, second, third = self.coefficients
        place: FloatArray = ((third * t + second) * t + first) * t + self.start[:, None]
        return place

    def take(self, index: npt.NDArray[np.intp]) -> "Paths":
        """Return only these rays."""
        return Paths(self.start, self.coefficients[:, :, index])


class LocalChart:
    """The three functions round one lens."""

    def __init__(
        self, grid_from_geodetic: GridFromGeodetic, *, lat: float, lon: float, alt_m: float
    ) -> None:
        """Fit them; `grid_from_geodetic` maps latitudes, longitudes (N,) to rows, columns."""
        points = np.array(np.meshgrid(_NODES, _NODES, _NODES)).reshape(3, -1).T
        scale = np.array((REACH_M, REACH_M, _DEPTH_M))
        east, north, up = (np.vstack((np.zeros(3), points)) * scale).T
        lats, lons, alts_m = (
            np.asarray(part) for part in pymap3d.enu2geodetic(east, north, up, lat, lon, alt_m)
        )
        # Counted from the lens: no jump at the date line.
        lons = lon + np.mod(lons - lon + 180.0, 360.0) - 180.0
        row, column = grid_from_geodetic(lats, lons)
        grid = np.column_stack((row, column, alts_m))
        self.start: FloatArray = grid[0]
        monomials = _monomials((points * (scale / REACH_M)).T).T
        self._fit: FloatArray = np.linalg.lstsq(monomials, grid[1:] - self.start)[0].T  # (3, 19)
        left: FloatArray = np.abs(monomials @ self._fit.T - (grid[1:] - self.start)).max(axis=0)
        # The worst of the fit in metres.
        self.error_m = float(max(left[2], *(left[:2] / self.cells_per_m)))

    @property
    def cells_per_m(self) -> FloatArray:
        """How many rows and columns (2,) a level metre is, in their own directions."""
        steepest: FloatArray = np.linalg.norm(self._fit[:2, :2], axis=1) / REACH_M
        return steepest

    def paths(self, rays_enu: FloatArray) -> Paths:
        """Return unit rays (N, 3) as paths in the grid."""
        products = _monomials(rays_enu.T)
        parts = [self._fit[:, part] @ products[part] for part in (_LINEAR, _SQUARES, _CUBES)]
        return Paths(self.start, np.stack(parts))

    def gradients(self, points_enu_m: FloatArray) -> FloatArray:
        """Return the change per metre east, north, up of row, column, height.

        Array (3: per axis, 3: of what, N) at points (N, 3). Cubes are left out: that turns
        nothing by over 0.001 degrees.
        """
        ee, en, eu, nn, nu, uu = self._fit[:, _SQUARES].T
        # (axis of the slope, axis of the point, row / column / height)
        bend = np.array(((2.0 * ee, en, eu), (en, 2.0 * nn, nu), (eu, nu, 2.0 * uu)))
        turning = bend.transpose(0, 2, 1).reshape(9, 3) @ (points_enu_m.T / REACH_M)
        level = self._fit[:, _LINEAR].T.reshape(9, 1)
        slopes: FloatArray = (level + turning).reshape(3, 3, -1) / REACH_M
        return slopes


def _monomials(points: FloatArray) -> FloatArray:
    """Return the products (19, N) of east, north, up (3, N), the lower degrees first."""
    e, n, u = points
    ee, en, eu, nn, nu, uu = e * e, e * n, e * u, n * n, n * u, u * u
    cubes = (e * ee, e * en, e * eu, e * nn, e * nu, e * uu, n * nn, n * nu, n * uu, u * uu)
    return np.stack((e, n, u, ee, en, eu, nn, nu, uu, *cubes))
