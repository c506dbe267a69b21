"""First guesses out of nothing: small sets of landmarks, each solved in closed form.

A pair of landmarks seen from a known place fixes the attitude (Black's TRIAD); three fix place
and attitude (P3P), which matters where the place is poorly known. Every guess is held against all
landmarks with a truncated cost (MSAC, Torr and Zisserman), so that outliers do not choose.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import cv2
import numpy as np

from edge.calibration.model import Model
from edge.calibration.sets import sets_of
from edge.camera import FloatArray, pixels_from_enu, rays_camera

_MOST_SETS: Final = 150
_KEPT: Final = 6  # of each kind
_LEAST_APART: Final = 1e-3  # sine of the angle between the two rays of a pair
_LEAST_AHEAD: Final = 0.05
_TRUNCATED_AT: Final = 3.0  # sigmas
# Three landmarks' own errors grow that much elsewhere in the picture, or thereabouts.
_EXTRAPOLATED: Final = 4.0
# Where the place's error is under so many pixels, three landmarks tell nothing new of it.
_SMALL_PX: Final = 5.0


class Guess(NamedTuple):
    """A first guess of the pose, in the axes of the device file's place."""

    rotation: FloatArray  # (3, 3) from the camera frame to east, north, up
    offset_m: FloatArray  # (3,) of the lens from the device file's place


def first_guesses(model: Model) -> list[Guess]:
    """Return a handful of guesses, the most promising of each kind."""
    rays = rays_camera(model.pixels, model.camera)
    place_px = _place_error_px(model)
    turned = [Guess(turn, np.zeros(3)) for turn in _turns(model, rays)]
    found = _best(model, turned, tolerance_px=np.hypot(model.sigma_px, place_px))
    if place_px.max() > _SMALL_PX:
        resected = list(_resections(model, rays))
        found += _best(model, resected, tolerance_px=_EXTRAPOLATED * model.sigma_px)
    return found


def _turns(model: Model, rays: FloatArray) -> list[FloatArray]:
    """Return the attitudes that pairs of landmarks fix from the device file's place."""
    far = np.linalg.norm(model.points_enu_m, axis=1, keepdims=True)
    directions = model.points_enu_m / far
    return [
        _triad(directions[i], directions[j]) @ _triad(rays[i], rays[j]).T
        for i, j in sets_of(len(rays), 2, most=_MOST_SETS)
        if np.linalg.norm(np.cross(rays[i], rays[j])) > _LEAST_APART
        and np.linalg.norm(np.cross(directions[i], directions[j])) > _LEAST_APART
    ]


def _triad(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return axes (3, 3; columns) that two directions span."""
    middle = one + other
    normal = np.cross(one, other)
    middle, normal = middle / np.linalg.norm(middle), normal / np.linalg.norm(normal)
    return np.column_stack((middle, normal, np.cross(middle, normal)))


def _resections(model: Model, rays: FloatArray) -> Iterator[Guess]:
    """Give the poses that threes of landmarks fix; of one three there are up to four."""
    ahead = np.flatnonzero(rays[:, 2] > _LEAST_AHEAD)
    slopes = rays[ahead, :2] / rays[ahead, 2:]
    points = model.points_enu_m[ahead]
    for chosen in sets_of(len(ahead), 3, most=_MOST_SETS):
        rows = list(chosen)
        _, turns, shifts = cv2.solveP3P(
            points[rows, None, :],
            slopes[rows, None, :],
            np.eye(3),
            np.zeros(4),
            flags=cv2.SOLVEPNP_AP3P,
        )
        for turn, shift in zip(turns, shifts, strict=True):
            camera_from_enu, _ = cv2.Rodrigues(turn)
            rotation = np.asarray(camera_from_enu, dtype=np.float64).T
            offset_m = -rotation @ np.asarray(shift, dtype=np.float64).ravel()
            if np.isfinite(rotation).all() and np.isfinite(offset_m).all():
                yield Guess(rotation, offset_m)


def _best(model: Model, guesses: list[Guess], *, tolerance_px: FloatArray) -> list[Guess]:
    """Return the guesses that most landmarks agree with."""
    if not guesses:
        return []
    rotations = np.stack([guess.rotation for guess in guesses])
    offsets_m = np.stack([guess.offset_m for guess in guesses])
    from_lens = (model.points_enu_m - offsets_m[:, None, :]) @ rotations
    seen, ahead = pixels_from_enu(
        (from_lens @ model.start.T).reshape(-1, 3), model.camera, model.pose
    )
    off_px = np.linalg.norm(seen.reshape(len(guesses), -1, 2) - model.pixels, axis=2)
    sigmas = off_px / (_TRUNCATED_AT * tolerance_px)
    lost = np.where(ahead.reshape(off_px.shape), sigmas**2, 1.0)
    sigma_m = np.array((model.sigma.position_m, model.sigma.position_m, model.sigma.alt_m))
    moved = np.sum((offsets_m / np.maximum(sigma_m, 1e-6)) ** 2, axis=1) / _TRUNCATED_AT**2
    cost = np.minimum(lost, 1.0).sum(axis=1) + np.minimum(moved, 2.0)
    return [guesses[index] for index in np.argsort(cost, kind="stable")[:_KEPT]]


def _place_error_px(model: Model) -> FloatArray:
    """Return what the error of the device file's place means in the picture (N,), px."""
    far_m = np.linalg.norm(model.points_enu_m, axis=1)
    place_m = max(model.sigma.position_m, model.sigma.alt_m)
    error: FloatArray = model.camera.fx_px * np.minimum(place_m / far_m, 1.0)
    return error
