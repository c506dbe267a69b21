r"""Place pixels on flat ground by a plane homography, each with its error. Pure geometry.

```
  matrix (east, north, 1) = depth (u, v, 1)        inverse (u, v, 1) = (east, north, 1) / depth
```
The inverse's last row g makes w = g.(u, v, 1) = 1 / depth: over the picture it is 0 along the
plane's horizon and negative above it, where there is no place.

To first order (Hartley and Zisserman, 5.2) a pixel that is off by d moves its place by J d, with
J the inverse of the matrix's own derivative there, and a matrix that is off moves it as the pixel
that it would move does. What bends is w alone: at half its value everything is twice as far. So
where one sigma of w is no small share of it, the pixel is swept towards the horizon and away from
it through four sigma, as `edge.sweep` sweeps a ray's elevation; the rest of its error leaves w as
it is, and there first order is exact.

How high the lens is and above which point follows from the matrix and the focal length (it sees
the plane's two axes as axes of the camera: Zhang 2000, 3.1). No place depends on it, only how far
uneven ground throws one: somebody who stands d higher is seen where the ground is farther away
from the foot of the lens by d / tan(depression).
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.camera import (
    BoolArray,
    Camera,
    FloatArray,
    Pose,
    angles_deg,
    enu_from_camera,
    pixels_from_enu,
    rays_camera,
)
from edge.ground import HORIZON_DEG
from edge.sweep import GRAZING_DEG, REACH, SMALL_SHARE, in_step

_STEPS: Final = np.linspace(-4.0, 4.0, 33)[:, None]  # sigmas
_DENSITY: Final = np.exp(-(_STEPS**2) / 2.0)
_FLATTEST: Final = np.sin(np.radians(HORIZON_DEG))
_GRAZING: Final = np.sin(np.radians(GRAZING_DEG))
# The least share of the way ahead that is not beside the lens.
_LEAST_AHEAD: Final = 1e-9
# Projects rays that are given in the camera's own axes.
AT_REST: Final = Pose(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class GroundHomography(NamedTuple):
    """A picture's view of flat ground.

    `matrix @ (east_m, north_m, 1)` are undistorted pixels (u, v, 1), up to a factor that is
    positive for the ground ahead of the lens.
    """

    lat: float  # of the place that metres count from
    lon: float
    alt_m: float  # of the ground above the ellipsoid
    sigma_m: float  # one sigma of it: how far from flat the ground is
    matrix: FloatArray  # (3, 3)
    covariance: FloatArray  # (9, 9) of the matrix, row by row; of rank 8, its scale is fixed


class Lens(NamedTuple):
    """Where a homography and a focal length put the lens."""

    foot_m: FloatArray  # (2,) east, north of the homography's origin
    height_m: float  # above the plane
    enu_from_camera: FloatArray  # (3, 3) rotation

    def pose(self, *, lat: float, lon: float, alt_m: float) -> Pose:
        """Return its attitude at a place."""
        return Pose(lat, lon, alt_m, *angles_deg(self.enu_from_camera))


class OnPlane(NamedTuple):
    """Pixels on the plane."""

    ok: BoolArray  # (N,) False at and above the plane's horizon; nothing else means anything there
    east_north_m: FloatArray  # (N, 2)
    cov_m2: FloatArray  # (N, 2, 2) pixel, homography and the ground's height
    cov_bias_m2: FloatArray  # (N, 2, 2) of it what all pixels share: all but the pixel's part
    slant_m: FloatArray  # (N,)
    steepness: FloatArray  # (N,) sine of the angle between ray and ground

    @property
    def grazing(self) -> BoolArray:
        """Mask (N,) of what is seen so flat that its error is one-sided."""
        flat: BoolArray = self.steepness < _GRAZING
        return flat


def lens_of(camera: Camera, ground: GroundHomography) -> Lens:
    """Return the lens of a matrix that shows the ground from above."""
    focal = np.array(
        [
            [camera.fx_px, 0.0, camera.cx_px],
            [0.0, camera.fy_px, camera.cy_px],
            [0.0, 0.0, 1.0],
        ]
    )
    seen = np.linalg.solve(focal, ground.matrix)
    east, north, origin = seen.T / np.sqrt(np.prod(np.linalg.norm(seen[:, :2], axis=0)))
    up = np.cross(east, north)
    axes = np.column_stack((east, north, up / np.linalg.norm(up)))
    lens = -np.linalg.solve(axes, origin)
    # Of a wrong focal length the axes are not quite at right angles: the nearest that are.
    left, _, right = np.linalg.svd(axes)
    return Lens(lens[:2], float(lens[2]), (left @ right).T)


def on_plane(
    pixels_uv: FloatArray,
    camera: Camera,
    ground: GroundHomography,
    *,
    pixel_sigma_px: float | FloatArray,
) -> OnPlane:
    """Place pixels (N, 2) on the plane; `pixel_sigma_px` is one sigma of each axis, also (N,)."""
    pixels = np.asarray(pixels_uv, dtype=np.float64).reshape(-1, 2)
    sigma_px = np.broadcast_to(np.asarray(pixel_sigma_px, dtype=np.float64), len(pixels))
    known = np.isfinite(pixels).all(axis=1) & np.isfinite(sigma_px)
    pixels, sigma_px = np.where(known[:, None], pixels, 0.0), np.where(known, sigma_px, 0.0)
    straight, ahead = pinhole_pixels(pixels, camera)
    lens = lens_of(camera, ground)
    met = _meet(straight, ground, lens)
    noise_px = _noise_px(pixels, camera, sigma_px)
    # At the rim of what the distortion describes a pixel's error has no end.
    ok = known & ahead & met.ok & np.isfinite(noise_px).all(axis=(1, 2))
    bias_px = _bias_px(straight, met, ground)
    slopes = _slopes(straight, met, ground)
    raised = _outer(met.from_foot_m * (ground.sigma_m / lens.height_m))
    bias = slopes @ bias_px @ slopes.transpose(0, 2, 1) + raised
    total = slopes @ noise_px @ slopes.transpose(0, 2, 1) + bias
    whole_px = noise_px + bias_px
    by_px = np.linalg.inv(ground.matrix)[2, :2]
    sigma_w = np.sqrt(np.maximum(np.einsum("i,nij,j->n", by_px, whole_px, by_px), 0.0))
    bends = ok & ((sigma_w > SMALL_SHARE * met.w) | (met.steepness < _GRAZING))
    rows = np.flatnonzero(bends)
    if len(rows):
        wide = _swept(straight[rows], whole_px[rows], met.at(rows), ground, lens)
        shared = in_step(_triples(bias[rows]), _triples(total[rows]), _triples(wide))
        bias[rows] = _matrices(shared)
        total[rows] = wide
    return OnPlane(ok, met.east_north_m, total, bias, met.slant_m, met.steepness)


def seen_at(
    east_north_m: FloatArray, camera: Camera, ground: GroundHomography
) -> tuple[FloatArray, BoolArray]:
    """Return where places (N, 2) are seen, (N, 2), and whether they are ahead of the lens (N,)."""
    seen = np.column_stack((east_north_m, np.ones(len(east_north_m)))) @ ground.matrix.T
    ahead: BoolArray = seen[:, 2] > 0.0
    straight = seen[:, :2] / np.where(ahead, seen[:, 2], 1.0)[:, None]
    slopes = (straight - (camera.cx_px, camera.cy_px)) / (camera.fx_px, camera.fy_px)
    rays = np.column_stack((slopes, np.ones(len(slopes))))
    pixels, _ = pixels_from_enu(rays @ enu_from_camera(AT_REST).T, camera, AT_REST)
    return pixels, ahead


def pinhole_pixels(pixels: FloatArray, camera: Camera) -> tuple[FloatArray, BoolArray]:
    """Return where a camera without distortion would see what is seen at pixels (N, 2).

    Returns:
        Pixels (N, 2), and the mask (N,) of those that look less than 90 degrees off the axis; the
        others' mean nothing.
    """
    if camera.model is None:
        return pixels, np.ones(len(pixels), dtype=np.bool_)
    rays = rays_camera(pixels, camera)
    ahead: BoolArray = rays[:, 2] > _LEAST_AHEAD
    depth = np.where(ahead, rays[:, 2], 1.0)[:, None]
    straight: FloatArray = rays[:, :2] / depth * (camera.fx_px, camera.fy_px) + (
        camera.cx_px,
        camera.cy_px,
    )
    return straight, ahead


class _Met(NamedTuple):
    """Where undistorted pixels meet the plane; only where `ok` does an entry mean anything."""

    ok: BoolArray  # (N,)
    w: FloatArray  # (N,) one by the depth; 1 where not ok
    east_north_m: FloatArray  # (N, 2)
    from_foot_m: FloatArray  # (N, 2)
    slant_m: FloatArray  # (N,)
    steepness: FloatArray  # (N,)

    def at(self, rows: npt.NDArray[np.intp]) -> "_Met":
        return _Met(
            self.ok[rows],
            self.w[rows],
            self.east_north_m[rows],
            self.from_foot_m[rows],
            self.slant_m[rows],
            self.steepness[rows],
        )


def _meet(straight: FloatArray, ground: GroundHomography, lens: Lens) -> _Met:
    back = np.linalg.inv(ground.matrix)
    found = np.column_stack((straight, np.ones(len(straight)))) @ back.T
    ok = found[:, 2] > _LEAST_AHEAD * np.abs(back[2]).max()
    w = np.where(ok, found[:, 2], 1.0)
    east_north_m = np.where(ok[:, None], found[:, :2] / w[:, None], lens.foot_m)
    from_foot_m = east_north_m - lens.foot_m
    slant_m = np.sqrt(np.sum(from_foot_m**2, axis=1) + lens.height_m**2)
    steepness = lens.height_m / slant_m
    return _Met(ok & (steepness > _FLATTEST), w, east_north_m, from_foot_m, slant_m, steepness)


def _slopes(straight: FloatArray, met: _Met, ground: GroundHomography) -> FloatArray:
    """Return J (N, 2, 2): metres on the ground per undistorted pixel."""
    per_m = ground.matrix[:2, :2] - straight[:, :, None] * ground.matrix[2, :2]
    per_m = np.where(met.ok[:, None, None], per_m * met.w[:, None, None], np.eye(2))
    return np.asarray(np.linalg.inv(per_m), dtype=np.float64)


def _noise_px(pixels: FloatArray, camera: Camera, sigma_px: FloatArray) -> FloatArray:
    """Return the covariance (N, 2, 2) of undistorted pixels for one sigma of the pixels' own."""
    bent = np.stack(
        [
            pinhole_pixels(pixels + half, camera)[0] - pinhole_pixels(pixels - half, camera)[0]
            for half in np.eye(2) / 2.0
        ],
        axis=-1,
    )
    noise: FloatArray = bent @ bent.transpose(0, 2, 1) * sigma_px[:, None, None] ** 2
    return noise


def _bias_px(straight: FloatArray, met: _Met, ground: GroundHomography) -> FloatArray:
    """Return the covariance (N, 2, 2) of where the matrix sees these places, px^2."""
    at = np.column_stack((met.east_north_m, np.ones(len(straight)))) * met.w[:, None]
    by_matrix = np.zeros((len(straight), 2, 9))
    by_matrix[:, 0, 0:3] = by_matrix[:, 1, 3:6] = at
    by_matrix[:, :, 6:9] = -straight[:, :, None] * at[:, None, :]
    bias: FloatArray = by_matrix @ ground.covariance @ by_matrix.transpose(0, 2, 1)
    return bias


def _swept(
    straight: FloatArray, cov_px: FloatArray, met: _Met, ground: GroundHomography, lens: Lens
) -> FloatArray:
    """Return second moments (N, 2, 2) about places that are seen too flat for first order.

    As in `edge.sweep`, what meets no ground or goes four times farther than the place itself
    counts for nothing: who stands there does not look like who was seen.
    """
    by_px = np.linalg.inv(ground.matrix)[2, :2]
    across = cov_px @ by_px
    sigma_w = np.maximum(np.sqrt(across @ by_px), np.finfo(np.float64).tiny)
    across /= sigma_w[:, None]  # (N, 2) px that change w by one sigma
    rest_px = np.tile(cov_px - _outer(across), (len(_STEPS), 1, 1))
    moved = (straight + _STEPS[:, :, None] * across).reshape(-1, 2)
    found = _meet(moved, ground, lens)
    shape = (len(_STEPS), len(straight))
    weight = np.where(found.ok.reshape(shape), _DENSITY, 0.0)
    weight[found.slant_m.reshape(shape) > REACH * met.slant_m] = 0.0
    slopes = _slopes(moved, found, ground)
    off_m = found.east_north_m - np.tile(met.east_north_m, (len(_STEPS), 1))
    spread = (
        slopes @ rest_px @ slopes.transpose(0, 2, 1)
        + _outer(found.from_foot_m * (ground.sigma_m / lens.height_m))
        + _outer(off_m)
    ).reshape(*shape, 2, 2)
    moment: FloatArray = np.einsum("kn,knij->nij", weight, spread)
    moment /= np.sum(weight, axis=0)[:, None, None]
    return moment


def _outer(moved: FloatArray) -> FloatArray:
    """Return the covariance (N, 2, 2) of an error along one line, one sigma of it (N, 2)."""
    line: FloatArray = moved[:, :, None] * moved[:, None, :]
    return line


def _triples(matrices: FloatArray) -> FloatArray:
    return np.stack((matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1]))


def _matrices(triples: FloatArray) -> FloatArray:
    var_east, cov, var_north = triples
    return np.stack((var_east, cov, cov, var_north), axis=-1).reshape(-1, 2, 2)
