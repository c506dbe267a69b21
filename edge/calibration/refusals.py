"""Landmarks that no trustworthy camera can follow from, refused with the reason."""

from typing import Final

import numpy as np

from edge.calibration.landmarks import Landmarks
from edge.calibration.model import Model
from edge.calibration.robust import Agreement
from edge.camera import Camera, FloatArray, rays_camera
from edge.messages import RefusedError

LEAST_FOR_POSE: Final = 4
LEAST_FOR_FOCAL: Final = 6
LEAST_FOR_K1: Final = 8
FURTHEST_M: Final = 50_000.0
NEAREST_M: Final = 0.5
THINNEST: Final = 0.005  # of the picture's diagonal
SMALLEST: Final = 0.05


class CalibrationError(RefusedError):
    """Landmarks that no trustworthy camera follows from. One sentence with the reason."""


def refuse_too_few(count: int, *, with_focal: bool | None, with_k1: bool) -> None:
    """Refuse fewer landmarks than what shall be fitted needs.

    Raises:
        CalibrationError: They are fewer.
    """
    for wanted, least, what in (
        (True, LEAST_FOR_POSE, "a pose"),
        (with_focal, LEAST_FOR_FOCAL, "a focal length"),
        (with_k1, LEAST_FOR_K1, "a distortion"),
    ):
        if wanted and count < least:
            msg = f"{count} landmarks are too few: {what} needs at least {least}"
            raise CalibrationError(msg)


def refuse_wrong_places(model: Model, names: tuple[str, ...]) -> None:
    """Refuse landmarks at the lens itself or nowhere near it, and those at pixels without a ray.

    Raises:
        CalibrationError: One is.
    """
    for name, ray in zip(names, rays_camera(model.pixels, model.camera), strict=True):
        if not np.isfinite(ray).all():
            msg = (
                f"landmark {name!r} lies where camera.distortion = "
                f"{list(model.camera.distortion)} says nothing: so far out the picture folds over"
            )
            raise CalibrationError(msg)
    for name, far_m in zip(names, np.linalg.norm(model.points_enu_m, axis=1), strict=True):
        if far_m > FURTHEST_M:
            msg = (
                f"landmark {name!r} lies {far_m / 1000.0:.0f} km from mount.lat, mount.lon: "
                "are lat and lon swapped in one of the two, or is it another camera's landmark?"
            )
            raise CalibrationError(msg)
        if far_m < NEAREST_M:
            msg = f"landmark {name!r} lies {far_m:.2f} m from the lens itself"
            raise CalibrationError(msg)


def refuse_quarrel(found: Agreement, landmarks: Landmarks) -> None:
    """Refuse landmarks of which too few agree, or which two cameras would see alike.

    Raises:
        CalibrationError: They are like that.
    """
    count, agreeing = len(landmarks.names), int(found.used.sum())
    if agreeing < LEAST_FOR_POSE or 2 * agreeing <= count:
        furthest = [landmarks.names[row] for row in np.argsort(-found.off)[: count - agreeing]]
        msg = (
            f"only {agreeing} of {count} landmarks agree on one pose, which is too few to say "
            f"which ones are wrong; look at {', '.join(map(repr, furthest))} first, then at "
            "mount.sigma.position_m and camera.fx"
        )
        raise CalibrationError(msg)
    if found.rivals:
        msg = (
            "these landmarks fit two different poses equally well; measure more of them, at "
            "different heights or distances, or the place of the lens better"
        )
        raise CalibrationError(msg)


def refuse_badly_spread(pixels: FloatArray, sigma_px: FloatArray, camera: Camera) -> None:
    """Refuse pixels (N, 2) on one line of the picture, or all in one part of it.

    Raises:
        CalibrationError: So they lie.
    """
    diagonal_px = float(np.hypot(camera.width_px, camera.height_px))
    _, spread, _ = np.linalg.svd(pixels - pixels.mean(axis=0), full_matrices=False)
    long_px, thin_px = (float(part) / np.sqrt(len(pixels)) for part in spread)
    noise_px = 3.0 * float(np.median(sigma_px))
    least_long_px, least_thin_px = SMALLEST * diagonal_px, max(THINNEST * diagonal_px, noise_px)
    if long_px < least_long_px:
        msg = (
            f"the landmarks lie in one corner of the picture: they are spread over "
            f"{long_px:.0f} px (rms), and at least {least_long_px:.0f} px are needed"
        )
        raise CalibrationError(msg)
    if thin_px < least_thin_px:
        msg = (
            f"the landmarks lie on one line of the picture: across it they are spread over "
            f"{thin_px:.1f} px (rms), and at least {least_thin_px:.1f} px are needed"
        )
        raise CalibrationError(msg)
