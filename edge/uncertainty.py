"""How far off hits on the ground may be, to first order (DOMAIN.md 4.3).

For one hit: with r the ray, n the surface's normal, v the vertical and q = -r.n, a point of the
ray that moves by m slides along the ground by

    B m,   B = [1 0 0; 0 1 0] + r_xy n^T / q        (2, 3)

So a lens that is off by p moves the hit by B p, a turn t (radians about an axis) by the distance s
times B (t x r), a ground that is higher by d by -r_xy d (n.v) / q, and a pixel by s B dr/du. A
focal length that is off is as if all pixels were nearer to the middle or farther from it. A clock
that is off moves and turns the lens at once: B (p + s t x r), one source (`edge.motion`). On a
slope the hit slides along the slope; flat ground is the case n = v. Straight down nothing is
special: turns are about axes, and that two of these agree there does no harm.

Vectors are columns: arrays (3, N) of east, north, up at the lens. Covariances are (3, N) too: the
variance to the east, the covariance of east and north, the variance to the north; m^2.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.camera import (
    Camera,
    FloatArray,
    Pose,
    PoseSigma,
    enu_from_camera,
    rays_by_focal,
    rays_by_pixel,
)
from edge.ground import Hits
from edge.motion import NO_DRIFT, Drift


class Sources(NamedTuple):
    """What may be off for all pixels of a picture alike."""

    position: FloatArray  # (3, 3) covariance of the lens, east, north, up, m^2
    turn: FloatArray  # (3, 3) covariance of small turns about these axes, rad^2
    ground_m: float  # one sigma of the ground's height
    clock: "Clock | None"  # None: nothing moves, or the time is exact

    @property
    def whole_turn(self) -> FloatArray:
        """The covariance (3, 3) of all turns, the clock's with them, rad^2."""
        if self.clock is None:
            return self.turn
        return self.turn + np.outer(self.clock.turn_rad, self.clock.turn_rad)


class Clock(NamedTuple):
    """What one sigma of the time does to the lens: one error, in two places."""

    shift_m: FloatArray  # (3,)
    turn_rad: FloatArray  # (3,) about these axes

    def moves(self, hits: Hits) -> FloatArray:
        """Return how far (3, N) points of rays move at their hits' distances."""
        turn = np.broadcast_to(self.turn_rad[:, None], hits.rays.shape)
        return self.shift_m[:, None] + cross(turn, hits.rays) * hits.slant_m


class Tilts(NamedTuple):
    """How far rays turn with one sigma of what differs from pixel to pixel; (3, N), radians."""

    right: FloatArray  # their own pixels': noise
    down: FloatArray
    focal: FloatArray  # the focal length's, which all pixels share

    def at(self, index: npt.NDArray[np.intp]) -> "Tilts":
        """Return only these columns."""
        return Tilts(self.right[:, index], self.down[:, index], self.focal[:, index])


class Slides(NamedTuple):
    """The rows of B: coefficients (3, N) of how far hits go when their rays' points move."""

    east: FloatArray
    north: FloatArray

    def moved(self, by_m: FloatArray) -> FloatArray:
        """Return how far (2, N) hits go when the rays' points there move (3, N)."""
        return np.stack([np.einsum("in,in->n", row, by_m) for row in self])


def sources(
    pose: Pose, sigma: PoseSigma, ground_sigma_m: float, drift: Drift = NO_DRIFT
) -> Sources:
    """Gather the shared errors.

    `drift` is what the lens does in one sigma of the time. It is shared, and counts as bias: a
    log that lags its film lags for the whole flight, so while the drone flies on as it does all
    frames are off alike and their mean is no surer.
    """
    position = np.diag(np.square((sigma.position_m, sigma.position_m, sigma.alt_m)))
    yaw = np.radians(pose.yaw_deg)
    down, right = (0.0, 0.0, -1.0), (np.cos(yaw), -np.sin(yaw), 0.0)
    axes = np.column_stack((down, right, enu_from_camera(pose)[:, 2]))  # of yaw, pitch, roll
    axes *= np.radians((sigma.yaw_deg, sigma.pitch_deg, sigma.roll_deg))
    clock = None if drift == NO_DRIFT else Clock(*(np.array(part) for part in drift))
    return Sources(position, axes @ axes.T, ground_sigma_m, clock)


def tilts(
    pixels: FloatArray, rays: FloatArray, camera: Camera, pose: Pose, sigma_px: FloatArray
) -> Tilts:
    """Return how rays (3, N) turn with their pixels (N, 2), whose one sigma is (N,).

    And how with the focal length. Through a lens that bends, as it bends there.
    """
    axes = enu_from_camera(pose)
    if camera.model is None:
        # The part along the ray is left in: it moves no hit. So of the focal length, which takes
        # rays away from the axis, only the part along the axis is left.
        ahead = axes[:, 2] @ rays
        scale = sigma_px * ahead
        return Tilts(
            axes[:, :1] * (scale / camera.fx_px),
            axes[:, 1:2] * (scale / camera.fy_px),
            axes[:, 2:] * (camera.focal_sigma * ahead),
        )
    right, down = axes @ rays_by_pixel(pixels, camera).transpose(2, 1, 0) * sigma_px
    return Tilts(right, down, axes @ rays_by_focal(pixels, camera).T)


def first_order(hits: Hits, turned: Tilts, shared: Sources) -> tuple[FloatArray, FloatArray]:
    """Return the covariances (3, N) of the whole error and of its shared part."""
    rows = slides(hits)
    east, north = (cross(hits.rays, row) * hits.slant_m for row in rows)
    bias = _quadratic(east, north, shared.turn) + lens_and_ground(hits, rows, shared)
    bias += outer(rows.moved(turned.focal * hits.slant_m))
    if shared.clock is not None:
        bias += outer(rows.moved(shared.clock.moves(hits)))
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
