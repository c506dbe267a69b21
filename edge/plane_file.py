"""A homography in a device file: its numbers checked, and as they are written.

Errors are `ValueError`s that name the field; `edge.config` adds the file.
"""

from typing import Any, Final

import numpy as np

from edge.camera import Camera, FloatArray, Pose
from edge.device_file import DeviceFile, HomographyConfig
from edge.plane import GroundHomography, lens_of, on_plane
from edge.station import ellipsoidal, flat_sigma_m, place_of

# Rows and columns brought to one size, a picture of the ground is far from singular.
_MOST_CONDITION: Final = 1e8
# Of the largest part of a covariance: what rounding may leave below nothing.
_ROUNDING: Final = 1e-6
_UPPER: Final = np.triu_indices(9)
_COLUMNS: Final = 17
_ROWS: Final = 17


def plane_of(file: DeviceFile, table: HomographyConfig) -> tuple[GroundHomography, Pose]:
    """Return the homography of a device file, and the pose that it and camera.fx come to.

    That pose stands at the mount's place and, where [mount] gives one, at its height.
    """
    mount, ground = file.mount, file.ground
    if file.source.telemetry is not None:
        msg = "ground.homography is of a camera that stands still, and source.telemetry moves it"
        raise ValueError(msg)
    for field in ("dem", "dem_heights"):
        if getattr(ground, field) is not None:
            msg = f"ground.{field} goes with a pose: ground.homography is of flat ground"
            raise ValueError(msg)
    for field in ("yaw_deg", "pitch_deg", "roll_deg", "sigma", "gimbal"):
        if getattr(mount, field) is not None:
            msg = f"mount.{field} would not be used: ground.homography places without a pose"
            raise ValueError(msg)
    for field in ("takeoff_alt_m", "takeoff_alt_msl_m"):
        if getattr(mount, field) is not None:
            msg = f"mount.{field} adds to source.telemetry, and there is none"
            raise ValueError(msg)
    lat, lon = place_of(mount)
    alt_m = ellipsoidal("ground", ground.alt_m, ground.alt_msl_m, lat=lat, lon=lon)
    plane = GroundHomography(
        lat=table.lat,
        lon=table.lon,
        alt_m=alt_m,
        sigma_m=flat_sigma_m(ground),
        matrix=_matrix(table),
        covariance=_covariance(table),
    )
    camera = file.camera.camera()
    _refuse_no_ground(camera, plane)
    lens = lens_of(camera, plane)
    lens_alt_m = alt_m + lens.height_m
    if mount.alt_m is not None or mount.alt_msl_m is not None:
        lens_alt_m = ellipsoidal("mount", mount.alt_m, mount.alt_msl_m, lat=lat, lon=lon)
        if lens_alt_m <= alt_m:
            msg = f"mount.alt_m = {lens_alt_m} is not above ground.alt_m = {alt_m}"
            raise ValueError(msg)
    return plane, lens.pose(lat=lat, lon=lon, alt_m=lens_alt_m)


def table_of(plane: GroundHomography) -> dict[str, Any]:
    """Return what stands in [ground] for a homography."""
    return {
        "alt_m": round(plane.alt_m, 3),
        "sigma_m": round(plane.sigma_m, 3),
        "homography": {
            "lat": plane.lat,
            "lon": plane.lon,
            "matrix": [float(number) for number in plane.matrix.ravel()],
            "covariance": [float(number) for number in plane.covariance[_UPPER]],
        },
    }


def _matrix(table: HomographyConfig) -> FloatArray:
    matrix = np.array(table.matrix).reshape(3, 3)
    sizes = np.linalg.norm(matrix, axis=0), np.linalg.norm(matrix, axis=1)
    if min(map(np.min, sizes)) == 0.0:
        msg = f"ground.homography.matrix = {list(table.matrix)} has a row or column of zeros"
        raise ValueError(msg)
    level = matrix / sizes[0]
    level /= np.linalg.norm(level, axis=1, keepdims=True)
    condition = float(np.linalg.cond(level))
    if not condition < _MOST_CONDITION:
        msg = (
            f"ground.homography.matrix = {list(table.matrix)} is singular: its condition number "
            f"is {condition:.1e}"
        )
        raise ValueError(msg)
    return matrix


def _covariance(table: HomographyConfig) -> FloatArray:
    covariance = np.zeros((9, 9))
    covariance[_UPPER] = table.covariance
    covariance += np.triu(covariance, 1).T
    variances = np.diag(covariance)
    if variances.min() < 0.0:
        msg = f"ground.homography.covariance has a variance of {variances.min():g}"
        raise ValueError(msg)
    size = np.sqrt(np.where(variances > 0.0, variances, 1.0))
    values, axes = np.linalg.eigh(covariance / np.outer(size, size))
    least = float(values[0])
    if least < -_ROUNDING:
        msg = (
            "ground.homography.covariance is not positive semidefinite: the least eigenvalue of "
            f"its correlations is {least:.2g}"
        )
        raise ValueError(msg)
    # What rounding left below nothing is nothing, or a place's error would be no number.
    roots = axes * np.sqrt(np.maximum(values, 0.0)) * size[:, None]
    whole: FloatArray = roots @ roots.T
    return whole


def _refuse_no_ground(camera: Camera, plane: GroundHomography) -> None:
    if np.linalg.det(plane.matrix) > 0.0:
        msg = (
            "ground.homography.matrix shows the ground from below, a mirror image: its "
            f"determinant is {np.linalg.det(plane.matrix):.2g} and must be negative"
        )
        raise ValueError(msg)
    across = np.linspace(-0.5, camera.width_px - 0.5, _COLUMNS)
    down = np.linspace(-0.5, camera.height_px - 0.5, _ROWS)
    pixels = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    if not on_plane(pixels, camera, plane, pixel_sigma_px=0.0).ok.any():
        msg = (
            "ground.homography.matrix shows no ground in a picture of "
            f"{camera.width_px} x {camera.height_px}"
        )
        raise ValueError(msg)
