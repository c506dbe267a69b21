"""The five sigmas of a device file that stand for a fit's whole covariance.

A fit's errors hang together: a lens thought too far east is also thought to look too far west,
and at the landmarks the two cancel. A device file knows five independent sigmas. Written down as
they are, those of the fit would claim too much error at the landmarks, or too little where the
errors add up. So both kinds, those of the place and those of the angles, get one factor each:
the smallest claim, on average over the picture, that falls short of the fit's nowhere.
"""

from typing import Final

import numpy as np

from edge.calibration.fit import Calibration
from edge.calibration.model import UP, Model
from edge.calibration.robust import covariance, scales
from edge.camera import FloatArray, Pose, PoseSigma, enu_from_camera, rays_camera

_COLUMNS: Final = 13
_ROWS: Final = 9
_FLATTEST_DEG: Final = 2.0
_FACTORS: Final = np.linspace(0.25, 2.0, 71)  # never "exact", which a later fit would believe
_STEP: Final = 1e-4


def device_sigma(done: Calibration) -> PoseSigma:
    """Return the sigmas to write into the device file.

    They cover the fit's error of every pixel that sees the ground (a level plane through the
    landmarks' middle) at 2 degrees and more; where none does, they are the fit's own.
    """
    model, values = done.agreement.model, done.agreement.minimum.values
    pixels = _ground_pixels(done)
    own = done.sigma
    if len(pixels) == 0:
        return own
    fitted_slopes = _slopes(model, values, pixels)
    fitted = fitted_slopes @ covariance(done.agreement.minimum) @ fitted_slopes.transpose(0, 2, 1)
    by_place, by_angles = _claims(done, pixels)
    # Of a claim C, the error F exceeds it nowhere if no eigenvalue of C^-1/2 F C^-1/2 exceeds 1.
    root = np.linalg.cholesky(np.linalg.inv(by_angles))
    best, least = (1.0, 1.0), np.inf
    for place_factor in _FACTORS:
        rest = fitted - place_factor**2 * by_place
        needed = np.linalg.eigvalsh(root.transpose(0, 2, 1) @ rest @ root)[:, -1].max()
        angle_factor = float(np.sqrt(max(needed, 0.0)))
        claim = place_factor**2 * by_place + angle_factor**2 * by_angles
        excess = float(
            np.mean(np.trace(claim, axis1=1, axis2=2) / np.trace(fitted, axis1=1, axis2=2))
        )
        if excess < least:
            best, least = (float(place_factor), angle_factor), excess
    place_factor, angle_factor = best
    return PoseSigma(
        own.position_m * place_factor,
        own.alt_m * place_factor,
        own.yaw_deg * angle_factor,
        own.pitch_deg * angle_factor,
        own.roll_deg * angle_factor,
    )


def _ground_pixels(done: Calibration) -> FloatArray:
    camera = done.camera
    across = np.linspace(0.0, camera.width_px - 1.0, _COLUMNS)
    down = np.linspace(0.0, camera.height_px - 1.0, _ROWS)
    pixels = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    model, state = done.agreement.model, done.state
    rays = rays_camera(pixels, camera) @ model.rotation(state).T
    steep = rays[:, 2] < -np.sin(np.radians(_FLATTEST_DEG))
    above = state[UP] > model.ground_up_m
    seen: FloatArray = pixels[steep & above]
    return seen


def ground_points_m(model: Model, state: FloatArray, pixels: FloatArray) -> FloatArray:
    """Return where pixels (N, 2) meet the level through the landmarks' middle, (N, 2) east, north.

    In metres from the device file's place, in its axes; every pixel must look down.
    """
    rays = rays_camera(pixels, model.camera_at(state)) @ model.rotation(state).T
    slant_m = (model.ground_up_m - state[UP]) / rays[:, 2]
    points: FloatArray = state[:2] + rays[:, :2] * slant_m[:, None]
    return points


def _slopes(model: Model, values: FloatArray, pixels: FloatArray) -> FloatArray:
    """Return the derivatives (N, 2, P) of `ground_points_m` by the free values."""
    columns = []
    for index, size in enumerate(scales(model)):
        step = np.zeros(len(values))
        step[index] = _STEP * size
        more = ground_points_m(model, model.state(values + step), pixels)
        less = ground_points_m(model, model.state(values - step), pixels)
        columns.append((more - less) / (2.0 * step[index]))
    return np.stack(columns, axis=-1)


def _claims(done: Calibration, pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the errors (N, 2, 2) that independent sigmas of the place and of the angles claim."""
    sigma, pose = done.sigma, done.pose
    rays = rays_camera(pixels, done.camera)
    height_m = done.state[UP] - done.agreement.model.ground_up_m

    def seen(turned: Pose) -> FloatArray:
        looking = rays @ enu_from_camera(turned).T
        points: FloatArray = looking[:, :2] / -looking[:, 2:] * height_m
        return points

    by_angles = np.zeros((len(pixels), 2, 2))
    for angle in ("yaw_deg", "pitch_deg", "roll_deg"):
        more = seen(pose._replace(**{angle: getattr(pose, angle) + _STEP}))
        less = seen(pose._replace(**{angle: getattr(pose, angle) - _STEP}))
        shift = (more - less) / (2.0 * _STEP) * getattr(sigma, angle)
        by_angles += shift[:, :, None] * shift[:, None, :]
    along = seen(pose) / height_m * sigma.alt_m
    by_place = np.eye(2) * sigma.position_m**2 + along[:, :, None] * along[:, None, :]
    return by_place, by_angles
