"""How far off hits on the ground may be, to first order (DOMAIN.md 4.3).

For one hit: with r the ray, n the surface's normal, v the vertical and q = -r.n, a point of the
ray that moves by m slides along the ground by

    B m,   B = [1 0 0; 0 1 0] + r_xy n^T / q        (2, 3)

So a lens that is off by p moves the hit by B p, a turn t (radians about an axis) by the distance s
times B (t x r), a ground that is higher by d by -r_xy d (n.v) / q, and a pixel by s B dr/du. On a
slope the hit slides along the slope; flat ground is the case n = v. Straight down nothing is
special: turns are about axes, and that two of these agree there does no harm.

Vectors are columns: arrays (3, N) of east, north, up at the lens. Covariances are (3, N) too: the
variance to the east, the covariance of east and north, the variance to the north; m^2.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.camera import Camera, FloatArray, Pose, PoseSigma, enu_from_camera, rays_enu
from edge.ground import Hits


class Sources(NamedTuple):
    """What may be off for all pixels of a picture alike."""

    position: FloatArray  # (3, 3) covariance of the lens, east, north, up, m^2
    turn: FloatArray  # (3, 3) covariance of small turns about these axes, rad^2
    ground_m: float  # one sigma of the ground's height


class Tilts(NamedTuple):
    """How far rays turn with one sigma of their own pixels; columns (3, N), radians."""

    right: FloatArray
    down: FloatArray

    def at(self, index: npt.NDArray[np.intp]) -> "Tilts":
        """Return only these columns."""
        return Tilts(self.right[:, index], self.down[:, index])


class Slides(NamedTuple):
    """The rows of B: coefficients (3, N) of how far hits go when their rays' points move."""

    east: FloatArray
    north: FloatArray

    def moved(self, by_m: FloatArray) -> FloatArray:
        """Return how far (2, N) hits go when the rays' points there move (3, N)."""
        return np.stack([np.einsum("in,in->n", row, by_m) for row in self])


def sources(
    pose: Pose, sigma: PoseSigma, ground_sigma_m: float, time_shift_m: tuple[float, float]
) -> Sources:
    """Gather the shared errors.

    `time_shift_m` is one sigma, east and north, of where the lens was at the shutter for want of
    a better clock: the platform's velocity times one sigma of the time.
    """
    shift = np.array((*time_shift_m, 0.0))
    position = np.diag(np.square((sigma.position_m, sigma.position_m, sigma.alt_m)))
    yaw = np.radians(pose.yaw_deg)
    down, right = (0.0, 0.0, -1.0), (np.cos(yaw), -np.sin(yaw), 0.0)
    axes = np.column_stack((down, right, enu_from_camera(pose)[:, 2]))  # of yaw, pitch, roll
    axes *= np.radians((sigma.yaw_deg, sigma.pitch_deg, sigma.roll_deg))
    return Sources(position + np.outer(shift, shift), axes @ axes.T, ground_sigma_m)


def tilts(
    pixels: FloatArray, rays: FloatArray, camera: Camera, pose: Pose, sigma_px: FloatArray
) -> Tilts:
    """Return how rays (3, N) turn with their pixels (N, 2), whose one sigma is (N,)."""
    if camera.model is None:
        axes = enu_from_camera(pose)
        # The part along the ray is left in: it moves no hit.
        scale = sigma_px * (axes[:, 2] @ rays)
        return Tilts(axes[:, :1] * (scale / camera.fx_px), axes[:, 1:2] * (scale / camera.fy_px))
    right, down = (
        (rays_enu(pixels + half, camera, pose) - rays_enu(pixels - half, camera, pose)).T
        * sigma_px
        for half in np.eye(2) / 2.0
    )
    return Tilts(right, down)


def first_order(hits: Hits, turned: Tilts, shared: Sources) -> tuple[FloatArray, FloatArray]:
    """Return the covariances (3, N) of the whole error and of its shared part."""
    rows = slides(hits)
    east, north = (cross(hits.rays, row) * hits.slant_m for row in rows)
    bias = _quadratic(east, north, shared.turn) + lens_and_ground(hits, rows, shared)
    total = bias + outer(rows.moved(turned.right * hits.slant_m))
    total += outer(rows.moved(turned.down * hits.slant_m))
    return total, bias


def slides(hits: Hits) -> Slides:
    """Return B for every hit."""
    across = hits.normal / hits.steepness
    east, north = across * hits.rays[0], across * hits.rays[1]
    east[0] += 1.0
    north[1] += 1.0
    return Slides(east, north)


def lens_and_ground(hits: Hits, rows: Slides, shared: Sources) -> FloatArray:
    """Return what the places of lens and ground do to the hits, (3, N)."""
    upright = np.einsum("in,in->n", hits.normal, hits.vertical)
    raised = hits.rays[:2] * (upright * (shared.ground_m / hits.steepness))
    return _quadratic(*rows, shared.position) + outer(raised)


def outer(moved: FloatArray) -> FloatArray:
    """Return the covariance (3, N) of an error along one line, one sigma of it (2, N)."""
    east, north = moved
    return np.stack((east * east, east * north, north * north))


def cross(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the products (3, N) of vectors (3, N)."""
    return np.stack(
        (
            one[1] * other[2] - one[2] * other[1],
            one[2] * other[0] - one[0] * other[2],
            one[0] * other[1] - one[1] * other[0],
        )
    )


def _quadratic(east: FloatArray, north: FloatArray, covariance: FloatArray) -> FloatArray:
    """Return the covariance (3, N) of two linear forms with coefficients (3, N)."""
    weighed, other = covariance @ east, covariance @ north
    return np.stack(
        (
            np.einsum("in,in->n", weighed, east),
            np.einsum("in,in->n", weighed, north),
            np.einsum("in,in->n", other, north),
        )
    )
