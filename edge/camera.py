"""A camera: pixels to rays and rays to pixels.

```
        z ahead                    up  north
       /                            | /
      +---- x right                 |/
      |                             +---- east
      y down
   camera frame                 local frame (ENU), origin at the lens
```
Pixel centres are whole numbers: the top left pixel is (0, 0), and the centre of a picture 1920
wide is u = 959.5. Angles are degrees: yaw clockwise from true north, pitch negative below the
horizon, roll positive right side down.
"""

import math
from functools import lru_cache
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# Brown's undistortion is a fixed-point iteration: until 1e-10 (of a focal length) or 50 rounds.
_UNDISTORT_UNTIL: Final = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-10)
# Below this share of the distance ahead of the lens a point counts as beside or behind it.
_LEAST_AHEAD: Final = 1e-9
_NEWTON_STEPS: Final = 20
# Pixel centres are whole numbers, so the picture begins half a pixel before the first.
_HALF_PX: Final = 0.5


class Camera(NamedTuple):
    """The inside of a camera."""

    width_px: int
    height_px: int
    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    model: str | None  # None: pinhole | "brown": k1 k2 p1 p2 k3 | "fisheye": k1 k2 k3 k4
    distortion: tuple[float, ...]

    def zoomed(self, hfov_deg: float) -> "Camera":
        """Return the camera at another horizontal field of view, the picture's shape kept."""
        fx_px = self.width_px / 2.0 / math.tan(math.radians(hfov_deg / 2.0))
        return self._replace(fx_px=fx_px, fy_px=self.fy_px * fx_px / self.fx_px)


class Pose(NamedTuple):
    """Where the lens is (WGS 84, height above the ellipsoid) and where it looks."""

    lat: float
    lon: float
    alt_m: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float


class PoseSigma(NamedTuple):
    """One sigma of each part of a pose; `position_m` is per horizontal axis."""

    position_m: float
    alt_m: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float


@lru_cache(maxsize=64)
def enu_from_camera(pose: Pose) -> FloatArray:
    """Return the rotation (3, 3) from the camera frame to east, north, up at the lens.

    R = Rz(yaw) Ry(pitch) Rx(roll) in north-east-down of forward-right-down (DOMAIN.md 4.1), with
    the axes renamed on both sides. Any pitch is fine, straight down included.
    """
    yaw, pitch, roll = np.radians((pose.yaw_deg, pose.pitch_deg, pose.roll_deg))
    turn = np.array(
        [[np.cos(yaw), -np.sin(yaw), 0.0], [np.sin(yaw), np.cos(yaw), 0.0], [0.0, 0.0, 1.0]]
    )
    tilt = np.array(
        [
            [np.cos(pitch), 0.0, np.sin(pitch)],
            [0.0, 1.0, 0.0],
            [-np.sin(pitch), 0.0, np.cos(pitch)],
        ]
    )
    lean = np.array(
        [[1.0, 0.0, 0.0], [0.0, np.cos(roll), -np.sin(roll)], [0.0, np.sin(roll), np.cos(roll)]]
    )
    ned_from_frd = turn @ tilt @ lean
    enu_from_ned = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    frd_from_camera = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    rotation: FloatArray = enu_from_ned @ ned_from_frd @ frd_from_camera
    rotation.flags.writeable = False  # the same array goes to every caller
    return rotation


def rays_camera(pixels_uv: FloatArray, camera: Camera) -> FloatArray:
    """Return unit rays (N, 3) in the camera frame through pixels (N, 2)."""
    pixels = np.asarray(pixels_uv, dtype=np.float64).reshape(-1, 2)
    if len(pixels) == 0:
        return np.empty((0, 3))
    focal, centre = np.array((camera.fx_px, camera.fy_px)), (camera.cx_px, camera.cy_px)
    slopes = (pixels - np.array(centre)) / focal
    if camera.model == "fisheye":
        return _unbend_fisheye(slopes, camera.distortion)
    if camera.model == "brown":
        slopes = cv2.undistortPoints(
            pixels[:, None, :],
            _intrinsics(camera),
            np.array(camera.distortion),
            criteria=_UNDISTORT_UNTIL,
        )[:, 0]
    rays = np.column_stack((slopes, np.ones(len(slopes))))
    unit: FloatArray = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    return unit


def _unbend_fisheye(bent: FloatArray, k: tuple[float, ...]) -> FloatArray:
    """Return unit rays (N, 3) for distances from the centre (N, 2) in focal lengths.

    Kannala and Brandt: distance = a (1 + k1 a^2 + k2 a^4 + k3 a^6 + k4 a^8) at the angle a off
    the axis, solved for a by Newton's method. Rays at 90 degrees and more off the axis are fine.
    """
    distance = np.linalg.norm(bent, axis=1)
    powers = np.arange(1, 10, 2)
    factors = np.array((1.0, *k))
    angle = np.clip(distance, 0.0, np.pi)
    for _ in range(_NEWTON_STEPS):
        value = (angle[:, None] ** powers) @ factors
        slope = (angle[:, None] ** (powers - 1)) @ (factors * powers)
        angle = np.clip(angle - (value - distance) / np.maximum(slope, 1e-3), 0.0, np.pi)
    sideways = bent / np.maximum(distance, 1e-12)[:, None]
    return np.column_stack((sideways * np.sin(angle)[:, None], np.cos(angle)))


def rays_enu(pixels_uv: FloatArray, camera: Camera, pose: Pose) -> FloatArray:
    """Return unit rays (N, 3) in east, north, up at the lens through pixels (N, 2)."""
    rays: FloatArray = rays_camera(pixels_uv, camera) @ enu_from_camera(pose).T
    return rays


def pixels_from_enu(
    points_enu_m: FloatArray, camera: Camera, pose: Pose
) -> tuple[FloatArray, BoolArray]:
    """Project points (N, 3), metres east, north, up of the lens, into the picture.

    Returns:
        Pixels (N, 2), which may lie outside the picture, and a mask (N,): is the point ahead of
        the lens. Where it is not, the pixel is the picture's centre and means nothing.
    """
    points = np.asarray(points_enu_m, dtype=np.float64).reshape(-1, 3)
    seen = points @ enu_from_camera(pose)
    distance = np.linalg.norm(seen, axis=1)
    in_front: BoolArray = seen[:, 2] > _LEAST_AHEAD * np.maximum(distance, 1.0)
    ahead = np.where(in_front[:, None], seen, np.array((0.0, 0.0, 1.0)))
    if camera.model is None:
        slopes = ahead[:, :2] / ahead[:, 2:]
        focal = np.array((camera.fx_px, camera.fy_px))
        pixels = slopes * focal + np.array((camera.cx_px, camera.cy_px))
        return pixels, in_front
    if len(points) == 0:
        return np.empty((0, 2)), in_front
    project = cv2.fisheye.projectPoints if camera.model == "fisheye" else cv2.projectPoints
    still = np.zeros(3)
    bent, _ = project(
        ahead[:, None, :], still, still, _intrinsics(camera), np.array(camera.distortion)
    )
    return np.asarray(bent, dtype=np.float64).reshape(-1, 2), in_front


def in_picture(pixels_uv: FloatArray, camera: Camera) -> BoolArray:
    """Return the mask (N,) of the pixels (N, 2) that lie in the picture, its rim included."""
    size = np.array((camera.width_px, camera.height_px))
    inside: BoolArray = np.all((pixels_uv >= -_HALF_PX) & (pixels_uv <= size - _HALF_PX), axis=1)
    return inside


def _intrinsics(camera: Camera) -> FloatArray:
    return np.array(
        [
            [camera.fx_px, 0.0, camera.cx_px],
            [0.0, camera.fy_px, camera.cy_px],
            [0.0, 0.0, 1.0],
        ]
    )
