"""The horizon that a fit comes to, as a line in the picture, for a person to hold it against."""

from typing import Final

import numpy as np

from edge.camera import Camera, FloatArray, Pose, pixels_from_enu, rays_enu
from edge.plane import AT_REST, GroundHomography

# Refraction lifts the horizon of a level Earth by as much (DOMAIN.md 4.1).
_REFRACTION: Final = 0.13
_EARTH_M: Final = 6_371_000.0
_POINTS: Final = 721
# Where distortion folds the picture over, a direction and its pixel's own are two.
_FOLDED: Final = 1e-3


def horizon_of_pose(camera: Camera, pose: Pose, height_m: float) -> FloatArray:
    """Return pixels (N, 2), left to right, where a lens sees the skyline of a level Earth."""
    dip = np.sqrt(2.0 * max(height_m, 0.0) * (1.0 - _REFRACTION) / _EARTH_M)
    azimuth = np.radians(pose.yaw_deg) + np.linspace(-np.pi, np.pi, _POINTS)
    directions = np.column_stack((np.sin(azimuth), np.cos(azimuth), np.full(_POINTS, -dip)))
    return _seen(directions, camera, pose)


def horizon_of_plane(camera: Camera, ground: GroundHomography) -> FloatArray:
    """Return pixels (N, 2), left to right, of the line where the plane vanishes.

    A direction on the ground vanishes where the matrix takes its point at infinity (Hartley and
    Zisserman, 8.6); ahead is the direction in which depth, the matrix's last row, grows.
    """
    ahead = np.arctan2(ground.matrix[2, 0], ground.matrix[2, 1])
    azimuth = ahead + np.linspace(-np.pi, np.pi, _POINTS)
    far = np.column_stack((np.sin(azimuth), np.cos(azimuth), np.zeros(_POINTS)))
    right, down, depth = ground.matrix @ far.T
    rays = np.column_stack(
        (
            (right - depth * camera.cx_px) / camera.fx_px,
            depth,
            -(down - depth * camera.cy_px) / camera.fy_px,
        )
    )
    return _seen(rays, camera, AT_REST)


def _seen(directions: FloatArray, camera: Camera, pose: Pose) -> FloatArray:
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    pixels, ahead = pixels_from_enu(unit, camera, pose)
    back = rays_enu(np.where(ahead[:, None], pixels, 0.0), camera, pose)
    seen: FloatArray = pixels[ahead & (np.linalg.norm(back - unit, axis=1) < _FOLDED)]
    return seen
