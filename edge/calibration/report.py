"""What a calibration found, for people and programs."""

from typing import Any, Final

import numpy as np

from edge.calibration.claim import device_sigma
from edge.calibration.fit import Calibration
from edge.calibration.homography import HomographyFit
from edge.calibration.landmarks import Landmarks
from edge.calibration.model import UP
from edge.calibration.refusals import LEAST_FOR_POSE
from edge.camera import Camera, FloatArray, rays_camera
from edge.plane import lens_of, on_plane

_LEAST_STEEP: Final = 1e-3
_FLAT_M: Final = 1.0
_MANY_OUT: Final = 8
_DECIMALS: Final = {"lat": 9, "lon": 9}


def summary(done: Calibration) -> dict[str, Any]:
    """Return the fit, its errors and every landmark's residual, ready for JSON."""
    found, camera = done.agreement, done.camera
    points = points_of(done)
    horizon = _horizon(done)
    used = [point for point in points if not point["outlier"]]
    return {
        "method": "pose",
        "landmarks": len(points),
        "horizon_points": len(horizon),
        "outliers": [point["name"] for point in (*points, *horizon) if point["outlier"]],
        "rms_px": _rms([point["residual_px"] for point in used]),
        "rms_m": _rms([point["miss_m"] for point in used]),
        "pose": {
            name: round(value, _DECIMALS.get(name, 4))
            for name, value in done.pose._asdict().items()
        },
        "sigma": _rounded(done.sigma._asdict()),
        "device_sigma": _rounded(device_sigma(done)._asdict()),
        "camera": {
            "fx": round(camera.fx_px, 3),
            "fy": round(camera.fy_px, 3),
            "cx": camera.cx_px,
            "cy": camera.cy_px,
            "model": camera.model,
            "distortion": [round(number, 8) for number in camera.distortion],
        },
        "fitted": list(done.names),
        "covariance": [[_significant(number) for number in row] for row in done.covariance],
        "sigma_px_widened": round(found.widened, 3),
        "condition": _significant(done.condition),
        "warnings": list(done.warnings),
        "residuals": [*points, *horizon],
        "height_m": round(float(done.state[UP]) - found.model.ground_up_m, 3),
    }


def plane_summary(camera: Camera, fit: HomographyFit, landmarks: Landmarks) -> dict[str, Any]:
    """Return a homography, its errors and every landmark's residual, ready for JSON."""
    ground = fit.ground
    there = on_plane(landmarks.pixels, camera, ground, pixel_sigma_px=0.0)
    miss_m = np.linalg.norm(there.east_north_m - fit.plane_m, axis=1)
    points: list[dict[str, Any]] = [
        {
            "name": name,
            "kind": "landmark",
            "u": round(float(landmarks.pixels[row, 0]), 3),
            "v": round(float(landmarks.pixels[row, 1]), 3),
            "residual_px": round(float(fit.residual_px[row]), 3),
            "ground_m": round(float(miss_m[row]), 4) if there.ok[row] else None,
            "sigmas": round(float(fit.off[row]), 2),
            "outlier": not bool(fit.used[row]),
        }
        for row, name in enumerate(landmarks.names)
    ]
    used = [point for point in points if not point["outlier"]]
    warnings = []
    if len(used) == LEAST_FOR_POSE:
        warnings.append("four landmarks leave nothing to check the fit by: measure a fifth")
    out = len(points) - len(used)
    if out > max(1, len(points) / _MANY_OUT):
        warnings.append(
            f"{out} of {len(points)} landmarks contradict the others: more than one in "
            f"{_MANY_OUT} is seldom wrong; measure them again before you trust the fit"
        )
    if fit.relief_m > _FLAT_M:
        warnings.append(
            f"the landmarks lie within {fit.relief_m:.1f} m of one plane, and no closer: a "
            "homography takes the ground for flat"
        )
    return {
        "method": "homography",
        "landmarks": len(points),
        "outliers": [point["name"] for point in points if point["outlier"]],
        "rms_px": _rms([point["residual_px"] for point in used]),
        "rms_m": _rms([point["ground_m"] for point in used]),
        "height_m": round(lens_of(camera, ground).height_m, 3),
        "relief_m": round(fit.relief_m, 3),
        "ground_sigma_m": round(ground.sigma_m, 3),
        "origin": {"lat": ground.lat, "lon": ground.lon, "alt_m": round(ground.alt_m, 3)},
        "matrix": [[float(number) for number in row] for row in ground.matrix],
        "covariance": [[_significant(number) for number in row] for row in ground.covariance],
        "sigma_px_widened": round(fit.widened, 3),
        "condition": _significant(fit.condition),
        "warnings": warnings,
        "residuals": points,
    }


def points_of(done: Calibration) -> list[dict[str, Any]]:
    """Return each landmark's residual: in the picture, at its distance, and on the level there.

    `miss_m` is how far the ray through the pixel passes the landmark. `ground_m` is how far from
    the landmark it meets the level through it; None where the ray runs too flat or upward.
    """
    model, state, found = done.agreement.model, done.state, done.agreement
    seen, ahead = model.project(state)
    rays = rays_camera(model.pixels, model.camera_at(state)) @ model.rotation(state).T
    far = model.points_at(state) - state[: UP + 1]
    slant_m = np.linalg.norm(far, axis=1)
    miss_m = np.linalg.norm(np.cross(rays, far), axis=1)
    return [
        {
            "name": name,
            "kind": "landmark",
            "u": round(float(model.pixels[row, 0]), 3),
            "v": round(float(model.pixels[row, 1]), 3),
            "reprojected": [round(float(x), 3) for x in seen[row]] if ahead[row] else None,
            "residual_px": (
                round(float(np.linalg.norm(seen[row] - model.pixels[row])), 3)
                if ahead[row]
                else None
            ),
            "miss_m": round(float(miss_m[row]), 4),
            "ground_m": _ground_m(rays[row], far[row]),
            "slant_m": round(float(slant_m[row]), 3),
            "sigmas": round(float(found.off[row]), 2),
            "outlier": not bool(found.used[row]),
        }
        for row, name in enumerate(done.landmarks.names)
    ]


def _horizon(done: Calibration) -> list[dict[str, Any]]:
    model, found = done.agreement.model, done.agreement
    off_px = model.residuals(done.state).horizon * model.horizon_sigma_px
    return [
        {
            "name": name,
            "kind": "horizon",
            "u": round(float(u), 3),
            "v": round(float(v), 3),
            "residual_px": round(abs(float(off)), 3),
            "sigmas": round(float(sigmas), 2),
            "outlier": not bool(used),
        }
        for name, (u, v), off, sigmas, used in zip(
            done.landmarks.horizon_names,
            model.horizon,
            off_px,
            found.off_horizon,
            found.used_horizon,
            strict=True,
        )
    ]


def _ground_m(ray: FloatArray, far: FloatArray) -> float | None:
    if ray[2] * far[2] <= 0.0 or abs(ray[2]) < _LEAST_STEEP:
        return None
    met = ray * (far[2] / ray[2])
    return round(float(np.linalg.norm(met - far)), 4)


def _rms(numbers: list[float]) -> float:
    return round(float(np.sqrt(np.mean(np.square(numbers)))), 4)


def _rounded(numbers: dict[str, float]) -> dict[str, float]:
    return {name: round(number, 5) for name, number in numbers.items()}


def _significant(number: float) -> float:
    return float(f"{number:.6g}")
