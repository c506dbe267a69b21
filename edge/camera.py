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
horizon, roll positive right side down. What a lens bends is `edge.distortion`.
"""

import math
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.distortion import bent_of, distortion_of, rays_by_bent, rays_through

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# One sigma of the focal length, as a share of it, where nobody says: of a field of view off a
# data sheet or out of a flight's log, rounded and of the type rather than of the piece; and of
# a focal length in pixels, which somebody fitted.
HFOV_SIGMA: Final = 0.01
FITTED_SIGMA: Final = 0.002
# Below this share of the distance ahead of the lens a point counts as beside or behind it.
_LEAST_AHEAD: Final = 1e-9
# Focal lengths, in widths of the picture, between which one is looked for.
_FOCAL_WIDTHS: Final = (1e-6, 1e9)
_HALVINGS: Final = 60
_SAME_DEG: Final = 1e-6
_COLUMNS: Final = 65
_ROWS: Final = 37
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
    focal_sigma: float = 0.0  # one sigma of the focal length, as a share of it

    def zoomed(self, hfov_deg: float) -> "Camera":
        """Return the camera at another horizontal field of view, the picture's shape kept.

        A field of view that its distortion cannot show gives a camera without a focal length
        (NaN), which places nothing.
        """
        fx_px = focal_px(self, hfov_deg)
        return self._replace(
            fx_px=fx_px,
            fy_px=self.fy_px * fx_px / self.fx_px,
            focal_sigma=max(self.focal_sigma, HFOV_SIGMA),
        )

    def enlarged(self, times: float) -> "Camera":
        """Return the camera at a digital zoom: a part of its picture, so many times larger."""
        return self._replace(
            fx_px=self.fx_px * times,
            fy_px=self.fy_px * times,
            cx_px=(self.cx_px - (self.width_px - 1) / 2.0) * times + (self.width_px - 1) / 2.0,
            cy_px=(self.cy_px - (self.height_px - 1) / 2.0) * times + (self.height_px - 1) / 2.0,
        )


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


def angles_deg(enu_from_camera_axes: FloatArray) -> tuple[float, float, float]:
    """Return yaw, pitch, roll of a rotation (3, 3); the inverse of `enu_from_camera`."""
    right, down, ahead = enu_from_camera_axes.T
    yaw = np.degrees(np.arctan2(ahead[0], ahead[1]))
    pitch = np.degrees(np.arcsin(np.clip(ahead[2], -1.0, 1.0)))
    roll = np.degrees(np.arctan2(-right[2], -down[2]))
    return float(yaw), float(pitch), float(roll)


def rays_camera(pixels_uv: FloatArray, camera: Camera) -> FloatArray:
    """Return unit rays (N, 3) in the camera frame through pixels (N, 2).

    Where the camera's distortion says nothing (`edge.distortion.reach`) there is no ray: NaN.
    """
    pixels = np.asarray(pixels_uv, dtype=np.float64).reshape(-1, 2)
    slopes = _slopes(pixels, camera)
    if camera.model is not None:
        return rays_through(slopes, distortion_of(camera.model, camera.distortion))
    rays = np.column_stack((slopes, np.ones(len(slopes))))
    unit: FloatArray = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    return unit


def rays_by_pixel(pixels_uv: FloatArray, camera: Camera) -> FloatArray:
    """Return how rays turn with their pixels (N, 2): (N, 3, 2) radians a pixel right and down.

    In the camera frame, and NaN where there is no ray.
    """
    pixels = np.asarray(pixels_uv, dtype=np.float64).reshape(-1, 2)
    focal = np.array((camera.fx_px, camera.fy_px))
    if camera.model is not None:
        lens = distortion_of(camera.model, camera.distortion)
        bent: FloatArray = rays_by_bent(_slopes(pixels, camera), lens) / focal
        return bent
    rays = rays_camera(pixels, camera)
    across = np.eye(3, 2) - rays[:, :, None] * rays[:, None, :2]
    straight: FloatArray = across * rays[:, 2, None, None] / focal
    return straight


def rays_by_focal(pixels_uv: FloatArray, camera: Camera) -> FloatArray:
    """Return how the rays of pixels (N, 2) turn with one sigma of the focal length, (N, 3).

    In the camera frame, radians. A lens that is longer by a share shows everything farther from
    the principal point by that share, so each pixel counts as if it were nearer to it by as much:
    one error, and all pixels share it.
    """
    pixels = np.asarray(pixels_uv, dtype=np.float64).reshape(-1, 2)
    towards = (np.array((camera.cx_px, camera.cy_px)) - pixels) * camera.focal_sigma
    turned: FloatArray = np.einsum("nij,nj->ni", rays_by_pixel(pixels, camera), towards)
    return turned


def _slopes(pixels: FloatArray, camera: Camera) -> FloatArray:
    """Return the distances (N, 2) of pixels from the principal point, in focal lengths."""
    slopes: FloatArray = (pixels - (camera.cx_px, camera.cy_px)) / (camera.fx_px, camera.fy_px)
    return slopes


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
        the lens (before a fisheye, also beside and behind it) and where the distortion says how
        it is seen. Where it is not, the pixel is the picture's centre and means nothing.
    """
    points = np.asarray(points_enu_m, dtype=np.float64).reshape(-1, 3)
    seen = points @ enu_from_camera(pose)
    focal, centre = np.array((camera.fx_px, camera.fy_px)), (camera.cx_px, camera.cy_px)
    if camera.model is not None:
        bent, in_front = bent_of(seen, distortion_of(camera.model, camera.distortion))
        return bent * focal + np.array(centre), in_front
    distance = np.linalg.norm(seen, axis=1)
    in_front = seen[:, 2] > _LEAST_AHEAD * np.maximum(distance, 1.0)
    ahead = np.where(in_front[:, None], seen, np.array((0.0, 0.0, 1.0)))
    return ahead[:, :2] / ahead[:, 2:] * focal + np.array(centre), in_front


def in_picture(pixels_uv: FloatArray, camera: Camera) -> BoolArray:
    """Return the mask (N,) of the pixels (N, 2) that lie in the picture, its rim included."""
    size = np.array((camera.width_px, camera.height_px))
    inside: BoolArray = np.all((pixels_uv >= -_HALF_PX) & (pixels_uv <= size - _HALF_PX), axis=1)
    return inside


def field_of_view_deg(camera: Camera) -> tuple[float, float]:
    """Return the angles between the rays through opposite edges of the picture, across and down.

    Along the row and the column of the principal point. NaN where its distortion ends before the
    picture does.
    """
    right, bottom = camera.width_px - _HALF_PX, camera.height_px - _HALF_PX
    edges = np.array(
        [
            (-_HALF_PX, camera.cy_px),
            (right, camera.cy_px),
            (camera.cx_px, -_HALF_PX),
            (camera.cx_px, bottom),
        ]
    )
    rays = rays_camera(edges, camera)
    off = np.degrees(np.arctan2(np.hypot(rays[:, 0], rays[:, 1]), rays[:, 2]))
    # Each edge for itself, so that half a turn is nothing special: left and up count against.
    off *= np.sign(np.array((rays[0, 0], rays[1, 0], rays[2, 1], rays[3, 1])))
    return float(off[1] - off[0]), float(off[3] - off[2])


@lru_cache(maxsize=256)
def focal_px(camera: Camera, hfov_deg: float) -> float:
    """Return the focal length at which a camera's picture is so wide; its own does not matter.

    NaN where there is none, because the camera's model shows no such field of view.
    """
    low, high = (math.log(widths * camera.width_px) for widths in _FOCAL_WIDTHS)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if _across_deg(camera, math.exp(middle)) <= hfov_deg:
            high = middle
        else:  # wider, or so wide that there is no ray
            low = middle
    fx_px = math.exp(high)
    off_deg = _across_deg(camera, fx_px) - hfov_deg
    return fx_px if abs(off_deg) < _SAME_DEG * max(hfov_deg, 1e-3) else math.nan


def _across_deg(camera: Camera, fx_px: float) -> float:
    return field_of_view_deg(camera._replace(fx_px=fx_px, fy_px=fx_px))[0]


def pixels_over(camera: Camera, share: float = 1.0) -> FloatArray:
    """Return pixels (N, 2) spread over the middle of the picture, by this share of its sides."""
    size = np.array((camera.width_px, camera.height_px))
    middle = size / 2.0 - _HALF_PX
    steps = [np.linspace(-0.5, 0.5, count) * share for count in (_COLUMNS, _ROWS)]
    spread: FloatArray = np.stack(np.meshgrid(*steps), axis=-1).reshape(-1, 2) * size + middle
    return spread


def described_share(camera: Camera, share: float = 1.0) -> float:
    """Return the share of the picture, or of the middle of it, where the camera has rays."""
    rays = rays_camera(pixels_over(camera, share), camera)
    return float(np.mean(np.isfinite(rays[:, 0])))
