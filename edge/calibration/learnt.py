"""What a walk taught a device, for people and programs."""

from typing import Any, Final

import numpy as np

from edge.calibration.fit import NAMES
from edge.calibration.model import GPS_EAST, GPS_NORTH, GROUND, UP, Model
from edge.calibration.recording import Recording
from edge.calibration.report import summary
from edge.calibration.walk import Known
from edge.calibration.walk_fit import Lesson
from edge.camera import FloatArray, enu_from_camera, rays_camera
from edge.ground import Ground

_FLATTEST: Final = 1e-3  # sine
_DECIMALS: Final = {"lat": 9, "lon": 9}
# Whose sigma is whose: a device file has one for both axes of the place.
_SIGMA_OF: Final = {"lat": "position_m", "lon": "position_m"}


def lesson_summary(lesson: Lesson, known: Known, recording: Recording) -> dict[str, Any]:
    """Return the fit, its errors, what became of the pictures and what changed, ready for JSON."""
    done = lesson.done
    said = summary(done)
    for landmarks_only in ("rms_px", "rms_m", "outliers"):
        del said[landmarks_only]
    for point, walked in zip(said["residuals"], lesson.walk, strict=False):
        point["kind"] = "walk" if walked else "landmark"
    outliers = [point for point in said["residuals"] if point["outlier"]]
    said |= {
        "method": "walk",
        "landmarks": int(np.count_nonzero(~lesson.walk)),
        "outliers": [point["name"] for point in outliers],
        "walk": _walk(lesson, recording),
        "ground_miss_m": _miss(lesson, known),
        "learnt": _learnt(lesson, known),
    }
    if isinstance(known.ground, Ground):
        ground = lesson.fitted_ground(known.ground)
        said["ground"] = {"alt_m": round(ground.alt_m, 3), "sigma_m": round(ground.sigma_m, 3)}
    return said


def _walk(lesson: Lesson, recording: Recording) -> dict[str, Any]:
    used = int(np.count_nonzero(lesson.done.agreement.used & lesson.walk))
    state, names = lesson.done.state, lesson.done.names
    spread = dict(zip(names, np.sqrt(np.diag(lesson.done.covariance)), strict=True))
    return {
        "unit": recording.unit_id,
        "fixes": len(recording.fixes.at_s),
        "pictures": lesson.pictures,
        "paired": lesson.paired,
        "unpaired": lesson.dropped,
        "points": lesson.points,
        "used": used,
        "outliers": lesson.points - used,
        "skipped_lines": recording.skipped,
        "first_skipped": recording.first_bad,
        "clock_behind_s": round(lesson.clock_s, 3),
        "clock_sigma_s": round(lesson.clock_sigma_s, 3),
        "gps_error_m": {
            "east": round(float(state[GPS_EAST]), 3),
            "north": round(float(state[GPS_NORTH]), 3),
            "sigma": [round(float(spread[NAMES[row]]), 3) for row in (GPS_EAST, GPS_NORTH)],
        },
        "ground_error_m": round(float(state[GROUND]), 3),
    }


def _miss(lesson: Lesson, known: Known) -> dict[str, Any]:
    """Say how far from the receiver's positions the device placed the patrol, and places it now.

    The receiver's own error is in both.
    """
    model = lesson.done.agreement.model
    told = enu_from_camera(known.pose)
    used = lesson.done.agreement.used & lesson.walk
    start = rays_camera(model.pixels, model.camera) @ told.T
    state = lesson.done.state
    now = rays_camera(model.pixels, lesson.done.camera) @ model.rotation(state).T
    return {
        "before": _spread(_off_m(model, start, np.zeros(3))[used]),
        "after": _spread(_off_m(model, now, state[: UP + 1])[used]),
    }


def _off_m(model: Model, rays: FloatArray, lens: FloatArray) -> FloatArray:
    """Return how far (N,) from the landmarks rays meet the level through them; nan above it."""
    far = model.points_enu_m - lens
    meets = (rays[:, 2] < -_FLATTEST) & (far[:, 2] < 0.0)
    slant_m = np.full(len(rays), np.nan)
    slant_m[meets] = far[meets, 2] / rays[meets, 2]
    off: FloatArray = np.linalg.norm(rays[:, :2] * slant_m[:, None] - far[:, :2], axis=1)
    return off


def _spread(off_m: FloatArray) -> dict[str, float | None]:
    finite = off_m[np.isfinite(off_m)]
    if len(finite) == 0:
        return {"median": None, "p90": None}
    median, nine_in_ten = (round(float(part), 3) for part in np.quantile(finite, (0.5, 0.9)))
    return {"median": median, "p90": nine_in_ten}


def _learnt(lesson: Lesson, known: Known) -> dict[str, Any]:
    was, now, sigma = known.pose._asdict(), lesson.done.pose._asdict(), lesson.done.sigma
    return {
        name: {
            "was": was[name],
            "is": round(now[name], _DECIMALS.get(name, 4)),
            "sigma_was": getattr(known.sigma, _SIGMA_OF.get(name, name)),
            "sigma_is": round(getattr(sigma, _SIGMA_OF.get(name, name)), 4),
        }
        for name in was
    }
