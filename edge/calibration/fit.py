"""A camera's pose, and with enough landmarks its focal length, from landmarks and its device file.

What the device file says is prior knowledge, each number with its sigma. Angles are the
exception: a calibration is there to replace them, so they count only if the landmarks, which are
fitted without them first, do not contradict them.
"""

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from edge.calibration.landmarks import EXACT_PLACES, Landmarks, taken_to_be_exact
from edge.calibration.least_squares import Minimum
from edge.calibration.model import (
    EAST,
    K1,
    LOG_FOCAL,
    LOG_FOCAL_SIGMA,
    NORTH,
    PARAMETERS,
    TURN_X,
    TURN_Z,
    UP,
    Model,
    model_of,
)
from edge.calibration.refusals import (
    CalibrationError,
    refuse_badly_spread,
    refuse_quarrel,
    refuse_too_few,
    refuse_wrong_places,
)
from edge.calibration.robust import (
    MOST_SCALE,
    Agreement,
    agree,
    covariance,
    fit_used,
    widening_demanded,
)
from edge.camera import Camera, FloatArray, Pose, PoseSigma, angles_deg

# The limits of a fit that is worth anything.
MOST_TURN_DEG: Final = 2.0
MOST_PLACE_M: Final = 20.0
MOST_CONDITION: Final = 1e10
STEEPEST_DEG: Final = 89.0

_CONTRADICTS: Final = 3.0  # sigmas
_SURPRISING: Final = 3.0
NAMES: Final = (
    *("east_m", "north_m", "up_m", "yaw_deg", "pitch_deg", "roll_deg", "focal", "k1"),
    *PARAMETERS[K1 + 1 :],
)


class Calibration(NamedTuple):
    """A fitted camera."""

    camera: Camera
    pose: Pose
    names: tuple[str, ...]  # of the covariance's rows: those of NAMES that were free
    covariance: FloatArray  # (P, P); focal is a share of the focal length
    landmarks: Landmarks
    agreement: Agreement
    condition: float  # of the normal equations, each unknown in units of its own sigma
    warnings: tuple[str, ...]

    @property
    def sigma(self) -> PoseSigma:
        """One sigma of each part of the pose, whatever the others are."""
        spread = dict(zip(self.names, np.sqrt(np.diag(self.covariance)), strict=True))
        east_m, north_m, alt_m, *angles = (float(spread.get(name, 0.0)) for name in NAMES[:6])
        return PoseSigma(float(np.sqrt((east_m**2 + north_m**2) / 2.0)), alt_m, *angles)

    @property
    def state(self) -> FloatArray:
        """The fitted state (15,) of `agreement.model`."""
        return self.agreement.model.state(self.agreement.minimum.values)


def calibrate(  # noqa: PLR0913 - all that is known before
    camera: Camera,
    pose: Pose,
    sigma: PoseSigma,
    landmarks: Landmarks,
    *,
    with_focal: bool | None = None,
    with_k1: bool = False,
    survey_sigma_m: float = 0.0,
) -> Calibration:
    """Fit a camera to landmarks.

    Args:
        camera: Of the device file.
        pose: Of the device file; the place counts by its sigma (0: it stays), the angles may be
            any.
        sigma: One sigma of each part of that pose.
        landmarks: At least 4.
        with_focal: Fit the focal length, for which 6 landmarks are needed. None: fit it as well,
            but of fewer landmarks believe what the device file's prior leaves of it. Fixed, its
            error would be missing from the claim.
        with_k1: Fit the first coefficient of distortion, from 8 landmarks on.
        survey_sigma_m: One sigma along each axis of what all landmarks are off alike: measured
            in one hour with one receiver, they share its error of that hour.

    Raises:
        CalibrationError: They are too few, badly spread, or contradict one another.
    """
    count = len(landmarks.names)
    refuse_too_few(count, with_focal=with_focal, with_k1=with_k1)
    focal = with_focal is None or with_focal
    model = model_of(
        camera,
        pose,
        sigma,
        landmarks,
        with_focal=focal,
        with_k1=with_k1,
        survey_sigma_m=survey_sigma_m,
    )
    refuse_wrong_places(model, landmarks.names)
    found = agree(model)
    if found is None:
        msg = "no two landmarks lie in different directions, so no attitude follows from them"
        raise CalibrationError(msg)
    refuse_quarrel(found, landmarks)
    seen = np.concatenate((landmarks.pixels[found.used], landmarks.horizon[found.used_horizon]))
    refuse_badly_spread(seen, landmarks.sigma_px[found.used], camera)
    found = scaled_to_residuals(found)
    warnings = []
    contradictions = contradictions_of(found)
    if contradictions:
        warnings.append("the device file's angles were not used: " + ", ".join(contradictions))
    else:
        found = with_attitude_prior(found)
    warnings += surprises(found)
    if taken_to_be_exact(landmarks, survey_sigma_m):
        warnings.append(EXACT_PLACES)
    calibrated = calibration_of(found, landmarks, warnings)
    refuse_ill_conditioned(calibrated)
    return calibrated


def scaled_to_residuals(found: Agreement) -> Agreement:
    """Widen the landmarks' sigmas where their residuals are larger than chance allows.

    Raises:
        CalibrationError: They are larger than any imprecision explains.
    """
    widened = widening_demanded(found)
    if widened <= found.widened:
        return found
    if widened > MOST_SCALE:
        msg = (
            f"the landmarks miss by {widened:.1f} times their sigma_px, more than the "
            f"{MOST_SCALE:g} times that imprecise pointing could explain: check camera.fx, "
            "the distortion and the landmarks' places"
        )
        raise CalibrationError(msg)
    more = widened / found.widened
    model = replace(
        found.model,
        sigma_px=found.model.sigma_px * more,
        horizon_sigma_px=found.model.horizon_sigma_px * more,
    )
    return _refit(found._replace(widened=widened), model)


def with_attitude_prior(found: Agreement) -> Agreement:
    """Refit with what the device file says of the angles."""
    return _refit(found, replace(found.model, with_attitude_prior=True))


def _refit(found: Agreement, model: Model) -> Agreement:
    minimum = fit_used(model, found.minimum.values, found.used, found.used_horizon)
    return found._replace(model=model, minimum=minimum)


def contradictions_of(found: Agreement) -> list[str]:
    """Say which angles of the device file the landmarks contradict."""
    model = found.model
    pulls = model.attitude_pulls(model.state(found.minimum.values))
    slopes = _angle_slopes(model, found.minimum)
    turns = [row for row, index in enumerate(model.free) if TURN_X <= index <= TURN_Z]
    spread = slopes @ covariance(found.minimum)[np.ix_(turns, turns)] @ slopes.T
    prior_deg = np.array(model.sigma[2:])
    expected = np.sqrt(1.0 + np.diag(spread) / np.maximum(prior_deg, 0.01) ** 2)
    return [
        f"mount.{name} = {said:g} ± {one_sigma:g} is {pull:+.1f} sigmas from the landmarks"
        for name, said, one_sigma, pull in zip(
            NAMES[3:6], model.pose[3:], prior_deg, -pulls / expected, strict=True
        )
        if abs(pull) > _CONTRADICTS
    ]


def surprises(found: Agreement) -> list[str]:
    """Say where the fit lies far from what the device file says of place and focal length."""
    state, sigma = found.model.state(found.minimum.values), found.model.sigma
    told = (
        (EAST, sigma.position_m, "m east of mount.lat, mount.lon", 1.0),
        (NORTH, sigma.position_m, "m north of mount.lat, mount.lon", 1.0),
        (UP, sigma.alt_m, "m above mount.alt_m", 1.0),
        (LOG_FOCAL, LOG_FOCAL_SIGMA, "% above the device file's focal length", 100.0),
    )
    return [
        f"the fit lies {state[index] * factor:+.2f} {where}, "
        f"{state[index] / one_sigma:+.1f} sigmas"
        for index, one_sigma, where, factor in told
        if index in found.model.free and abs(state[index]) > _SURPRISING * one_sigma
    ]


def _angle_slopes(model: Model, minimum: Minimum) -> FloatArray:
    """Return the derivatives (3, 3), degrees a radian, of yaw, pitch, roll by the turns."""
    state, step = model.state(minimum.values), 1e-6
    columns = []
    for index in range(TURN_X, TURN_Z + 1):
        more, less = state.copy(), state.copy()
        more[index] += step
        less[index] -= step
        off = np.array(angles_deg(model.rotation(more))) - angles_deg(model.rotation(less))
        columns.append(((off + 180.0) % 360.0 - 180.0) / (2.0 * step))
    return np.column_stack(columns)


def calibration_of(found: Agreement, landmarks: Landmarks, warnings: list[str]) -> Calibration:
    """Return the camera of a fit, its errors in the words of a device file."""
    model, minimum = found.model, found.minimum
    state = model.state(minimum.values)
    free = model.free
    to_angles = np.eye(len(free))
    turns = [row for row, index in enumerate(free) if TURN_X <= index <= TURN_Z]
    to_angles[np.ix_(turns, turns)] = _angle_slopes(model, minimum)
    sigma = 1.0 / np.sqrt(np.sum(minimum.jacobian**2, axis=0))
    return Calibration(
        camera=model.camera_at(state),
        pose=model.pose_at(state),
        names=tuple(NAMES[index] for index in free),
        covariance=to_angles @ covariance(minimum) @ to_angles.T,
        landmarks=landmarks,
        agreement=found,
        condition=float(np.linalg.cond(minimum.jacobian * sigma) ** 2),
        warnings=tuple(warnings),
    )


def refuse_ill_conditioned(done: Calibration) -> None:
    """Refuse a fit that its own covariance does not trust.

    Raises:
        CalibrationError: It does not.
    """
    if abs(done.pose.pitch_deg) > STEEPEST_DEG:
        msg = (
            f"the camera looks straight down or up (pitch {done.pose.pitch_deg:.1f} degrees), "
            f"where yaw and roll are one; up to {STEEPEST_DEG:g} degrees can be calibrated"
        )
        raise CalibrationError(msg)
    if done.condition > MOST_CONDITION:
        msg = (
            f"the landmarks do not fix the camera: the condition number is {done.condition:.1e}, "
            f"and at most {MOST_CONDITION:.0e} is trusted"
        )
        raise CalibrationError(msg)
    free, spread = done.agreement.model.free, covariance(done.agreement.minimum)
    sigmas = dict(zip(free, np.sqrt(np.diag(spread)), strict=True))
    turn_deg = float(np.degrees(max(sigmas[index] for index in range(TURN_X, TURN_Z + 1))))
    if turn_deg > MOST_TURN_DEG:
        msg = (
            f"the landmarks leave the camera free to turn by {turn_deg:.1f} degrees (one sigma), "
            f"and at most {MOST_TURN_DEG:g} are trusted: measure more of them, further apart, or "
            "the place of the lens better"
        )
        raise CalibrationError(msg)
    place_m = float(max(sigmas.get(index, 0.0) for index in (EAST, NORTH, UP)))
    if place_m > MOST_PLACE_M:
        msg = (
            f"the landmarks leave the lens free to move by {place_m:.0f} m (one sigma), and at "
            f"most {MOST_PLACE_M:g} m are trusted: measure the place of the lens, or more of them"
        )
        raise CalibrationError(msg)
