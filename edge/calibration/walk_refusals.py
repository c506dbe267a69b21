"""Walks that teach a device nothing, refused with the reason."""

from typing import Final

import numpy as np

from edge.calibration.landmarks import Landmarks
from edge.calibration.recording import Fixes, Recording
from edge.calibration.refusals import SMALLEST, CalibrationError
from edge.calibration.robust import Agreement
from edge.calibration.walk import VAGUEST_M
from edge.camera import Camera, FloatArray, PoseSigma
from edge.messages import UtcTime

LEAST_POINTS: Final = 8
# A sigma that shrank by less than a tenth has not shrunk.
_NOTHING: Final = 0.9


def refuse_walk_apart(fixes: Fixes, seen_s: FloatArray, recording: Recording) -> None:
    """Refuse a walk that no picture shows: vague fixes, no people, other times.

    Args:
        fixes: Those that are not too vague.
        seen_s: When the pictures with people were taken (T,).
        recording: Where both come from.

    Raises:
        CalibrationError: So it is.
    """
    unit = recording.unit_id
    if len(fixes.at_s) == 0:
        best_m = float(recording.fixes.accuracy_m.min())
        msg = (
            f"every position of {unit!r} is too vague: the best accuracy_m is {best_m:g}, "
            f"and at most {VAGUEST_M:g} can teach a camera anything"
        )
        raise CalibrationError(msg)
    if len(seen_s) == 0:
        msg = f"none of the {len(recording.sightings)} pictures shows a whole person"
        raise CalibrationError(msg)
    if seen_s[-1] < fixes.at_s[0] or seen_s[0] > fixes.at_s[-1]:
        msg = (
            f"the clocks do not overlap: people were seen from {_time(seen_s[0])} to "
            f"{_time(seen_s[-1])}, and {unit!r} reported from {_time(fixes.at_s[0])} to "
            f"{_time(fixes.at_s[-1])}"
        )
        raise CalibrationError(msg)


def refuse_unwalked(points: int, dropped: dict[str, int]) -> None:
    """Refuse too few well separated points; say what became of the pictures.

    Raises:
        CalibrationError: They are too few.
    """
    if points >= LEAST_POINTS:
        return
    reasons = ", ".join(f"{count} with {reason}" for reason, count in dropped.items())
    msg = (
        f"the walk comes to {points} points that are apart in time and place, and at least "
        f"{LEAST_POINTS} are needed; pictures that were not used: {reasons or 'none'}"
    )
    raise CalibrationError(msg)


def refuse_walk_on_a_spot(feet_px: FloatArray, camera: Camera) -> None:
    """Refuse pixels (N, 2) that are all in one part of the picture.

    Raises:
        CalibrationError: So they lie.
    """
    spread_px = float(np.sqrt(np.sum(np.var(feet_px, axis=0))))
    least_px = SMALLEST * float(np.hypot(camera.width_px, camera.height_px))
    if spread_px < least_px:
        msg = (
            f"the walk stays in one part of the picture: it is spread over {spread_px:.0f} px "
            f"(rms), and at least {least_px:.0f} px are needed; walk through all of the view"
        )
        raise CalibrationError(msg)


def refuse_walk_elsewhere(found: Agreement, landmarks: Landmarks) -> None:
    """Refuse points of which too few agree on one camera.

    Raises:
        CalibrationError: They are like that.
    """
    count, agreeing = len(landmarks.names), int(found.used.sum())
    if agreeing < LEAST_POINTS or 2 * agreeing <= count:
        msg = (
            f"only {agreeing} of {count} points agree on one pose: somebody else may have been "
            "taken for the patrol, or mount.sigma, camera.fx or the ground's height promise too "
            "much"
        )
        raise CalibrationError(msg)


def refuse_unlearnt(now: PoseSigma, before: PoseSigma) -> None:
    """Refuse a fit that knows neither yaw nor pitch better than the device file did.

    Raises:
        CalibrationError: It taught nothing.
    """
    if now.yaw_deg > _NOTHING * before.yaw_deg and now.pitch_deg > _NOTHING * before.pitch_deg:
        msg = (
            f"the walk taught nothing: yaw is known to {now.yaw_deg:.2f} and pitch to "
            f"{now.pitch_deg:.2f} degrees (one sigma), and the device file already claims "
            f"{before.yaw_deg:g} and {before.pitch_deg:g}; walk farther apart, or with a better "
            "receiver"
        )
        raise CalibrationError(msg)


def _time(epoch_s: float) -> str:
    return UtcTime.from_epoch_s(float(epoch_s)).rfc3339()
