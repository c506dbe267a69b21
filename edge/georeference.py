"""Place pixels on the ground, each with its error. Pure geometry: no video, no clock.

The ground is flat in the surveyor's sense: everywhere at the same height above the ellipsoid.
Near the lens that is a plane; far away it bends down with the Earth (DOMAIN.md 4.1, 4.2).
"""

from functools import lru_cache
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import pymap3d

from edge.camera import (
    BoolArray,
    Camera,
    FloatArray,
    Pose,
    PoseSigma,
    enu_from_camera,
    rays_camera,
    rays_enu,
)
from edge.messages import CovM2, Polygon

METHOD: Final = "flat"
# Flatter than this the error is no ellipse any more: it has a long tail away from the lens.
GRAZING_DEG: Final = 10.0
# Nearer to the horizon than this, refraction alone moves the hit by more than its distance.
HORIZON_DEG: Final = 0.1
# The footprint ends where the view gets flatter than this (57 lens heights away).
FOOTPRINT_DEG: Final = 1.0

_SEMI_MAJOR_M: Final = 6378137.0
_SEMI_MINOR_M: Final = 6356752.314245179
_SMALL_TURN_DEG: Final = 1e-4
_NEWTON_STEPS: Final = 1
_FOOTPRINT_COLUMNS: Final = 65
_FOOTPRINT_ROWS: Final = 129
_LEAST_CORNERS: Final = 3


class Ground(NamedTuple):
    """The ground's height above the ellipsoid and its one sigma."""

    alt_m: float
    sigma_m: float


class Placed(NamedTuple):
    """A pixel on the ground."""

    lat: float
    lon: float
    alt_m: float
    cov_m2: CovM2  # everything: pose, ground height and pixel
    cov_bias_m2: CovM2  # the part of it that all pixels of this camera share: pose and ground
    slant_m: float
    grazing: bool  # the ray meets the ground at under 10 degrees: its error is one-sided


class _Hits(NamedTuple):
    """Where rays meet the ground; only rows of `ok` mean anything."""

    ok: BoolArray  # (N,)
    rays: FloatArray  # (N, 3) unit, in east, north, up at the lens
    lat: FloatArray  # (N,)
    lon: FloatArray  # (N,)
    slant_m: FloatArray  # (N,)
    up: FloatArray  # (N, 3) the vertical at the hit, in east, north, up at the lens
    steepness: FloatArray  # (N,) sine of the angle between ray and ground

    def rows(self, index: npt.NDArray[np.intp]) -> "_Hits":
        """Return only these hits."""
        return _Hits(
            self.ok[index],
            self.rays[index],
            self.lat[index],
            self.lon[index],
            self.slant_m[index],
            self.up[index],
            self.steepness[index],
        )


def place(  # noqa: PLR0913 - a position has that many causes
    pixels_uv: FloatArray,
    camera: Camera,
    pose: Pose,
    sigma: PoseSigma,
    ground: Ground,
    *,
    pixel_sigma_px: float | FloatArray,
) -> list[Placed | None]:
    """Intersect the rays through pixels (N, 2) with the ground.

    Args:
        pixels_uv: Ground-contact pixels (u right, v down). Of a box, the bottom centre: feet
            touch the ground, heads do not.
        camera: Intrinsics and distortion.
        pose: Where the lens is and where it looks.
        sigma: One sigma of each part of the pose.
        ground: Its height and one sigma of it.
        pixel_sigma_px: One sigma along each axis of every contact pixel, or of each, (N,).

    Returns:
        One entry a pixel; None where it looks at or above the horizon.
    """
    pixels = np.asarray(pixels_uv, dtype=np.float64).reshape(-1, 2)
    hits = _meet_ground(rays_enu(pixels, camera, pose), pose, ground.alt_m)
    index = np.flatnonzero(hits.ok)
    if len(index) == 0:
        return [None] * len(pixels)
    seen = hits.rows(index)
    bias = _shared_covariance(rays_camera(pixels[index], camera), seen, pose, sigma, ground)
    sigma_px = np.broadcast_to(np.asarray(pixel_sigma_px, dtype=np.float64), len(pixels))[index]
    total = bias + _pixel_covariance(pixels[index], seen, camera, pose, sigma_px)
    grazing = seen.steepness < np.sin(np.radians(GRAZING_DEG))
    placed: list[Placed | None] = [None] * len(pixels)
    for row, where in enumerate(index):
        placed[where] = Placed(
            lat=float(seen.lat[row]),
            lon=float(seen.lon[row]),
            alt_m=ground.alt_m,
            cov_m2=_upper(total[row]),
            cov_bias_m2=_upper(bias[row]),
            slant_m=float(seen.slant_m[row]),
            grazing=bool(grazing[row]),
        )
    return placed


@lru_cache(maxsize=16)
def footprint(camera: Camera, pose: Pose, ground: Ground) -> Polygon | None:
    """Outline the ground that the picture shows, its far edge cut where the view gets flat.

    Returns:
        A closed GeoJSON ring, counter-clockwise; None where the picture shows no ground.
    """
    across = np.linspace(-0.5, camera.width_px - 0.5, _FOOTPRINT_COLUMNS)
    down = np.linspace(-0.5, camera.height_px - 0.5, _FOOTPRINT_ROWS)
    pixels = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    hits = _meet_ground(rays_enu(pixels, camera, pose), pose, ground.alt_m)
    clear = hits.ok & (hits.steepness > np.sin(np.radians(FOOTPRINT_DEG)))
    seen = np.flatnonzero(clear)
    if len(seen) < _LEAST_CORNERS:
        return None
    east_north_m = (hits.rays * hits.slant_m[:, None])[seen, :2]
    corners = cv2.convexHull(east_north_m.astype(np.float32), clockwise=False, returnPoints=False)
    if len(corners) < _LEAST_CORNERS:
        return None
    index = seen[np.asarray(corners, dtype=np.intp).ravel()]
    ring = [(round(float(hits.lon[i]), 7), round(float(hits.lat[i]), 7)) for i in index]
    return Polygon(type="Polygon", coordinates=((*ring, ring[0]),))


def _meet_ground(rays: FloatArray, pose: Pose, ground_alt_m: float) -> _Hits:
    """Follow unit rays (N, 3) from the lens to the surface at one height above the ellipsoid.

    That surface is nearly the ellipsoid with both axes longer by the height: its first
    intersection starts Newton's method on the true height.
    """
    count = len(rays)
    lens = np.array(pymap3d.geodetic2ecef(pose.lat, pose.lon, pose.alt_m), dtype=np.float64)
    ecef_from_enu = _ecef_from_enu(pose.lat, pose.lon)
    directions = rays @ ecef_from_enu.T
    axes = np.array((_SEMI_MAJOR_M, _SEMI_MAJOR_M, _SEMI_MINOR_M)) + ground_alt_m
    scaled_lens, scaled_rays = lens / axes, directions / axes
    a = np.sum(scaled_rays**2, axis=1)
    half_b = scaled_rays @ scaled_lens
    c = float(scaled_lens @ scaled_lens) - 1.0
    discriminant = half_b**2 - a * c
    ok = (discriminant > 0.0) & (half_b < 0.0) & (c > 0.0)
    root = np.sqrt(np.where(ok, discriminant, 0.0))
    slant_m = np.where(ok, c / np.where(ok, root - half_b, 1.0), 0.0)
    lat, lon, up = np.zeros(count), np.zeros(count), np.zeros((count, 3))
    up[:, 2] = 1.0
    steepness = np.zeros(count)
    for step in range(_NEWTON_STEPS + 1):
        points = lens + directions * slant_m[:, None]
        lat, lon, alt_m = (
            np.asarray(part, dtype=np.float64).reshape(count)
            for part in pymap3d.ecef2geodetic(points[:, 0], points[:, 1], points[:, 2])
        )
        up = _up(lat, lon) @ ecef_from_enu
        steepness = -np.sum(rays * up, axis=1)
        ok &= steepness > np.sin(np.radians(HORIZON_DEG))
        if step < _NEWTON_STEPS:
            slant_m = slant_m + np.where(ok, alt_m - ground_alt_m, 0.0) / np.where(
                ok, steepness, 1.0
            )
    return _Hits(ok, rays, lat, lon, slant_m, up, steepness)


def _shared_covariance(
    in_camera: FloatArray, hits: _Hits, pose: Pose, sigma: PoseSigma, ground: Ground
) -> FloatArray:
    """Return the covariances (N, 2, 2) that pose and ground height put on the hits.

    `in_camera` are the unit rays (N, 3) in the camera frame.
    """
    shifts = [
        _slide(np.broadcast_to(axis * one_sigma, hits.rays.shape), hits)
        for axis, one_sigma in zip(
            np.eye(3), (sigma.position_m, sigma.position_m, sigma.alt_m), strict=True
        )
    ]
    for angle in ("yaw_deg", "pitch_deg", "roll_deg"):
        more = pose._replace(**{angle: getattr(pose, angle) + _SMALL_TURN_DEG})
        less = pose._replace(**{angle: getattr(pose, angle) - _SMALL_TURN_DEG})
        turn = (enu_from_camera(more) - enu_from_camera(less)) / (2.0 * _SMALL_TURN_DEG)
        moved = in_camera @ turn.T * getattr(sigma, angle) * hits.slant_m[:, None]
        shifts.append(_slide(moved, hits))
    shifts.append(hits.rays[:, :2] * (-ground.sigma_m / hits.steepness)[:, None])
    return _outer_sum(shifts)


def _pixel_covariance(
    pixels: FloatArray, hits: _Hits, camera: Camera, pose: Pose, sigma_px: FloatArray
) -> FloatArray:
    """Return the covariances (N, 2, 2) that the error of the contact pixels puts on the hits."""
    shifts = []
    for axis in np.eye(2):
        more = rays_enu(pixels + axis / 2.0, camera, pose)
        less = rays_enu(pixels - axis / 2.0, camera, pose)
        shifts.append(_slide((more - less) * (sigma_px * hits.slant_m)[:, None], hits))
    return _outer_sum(shifts)


def _slide(moved_m: FloatArray, hits: _Hits) -> FloatArray:
    """Return how far hits (N, 2: east, north) go when the ray's point there moves (N, 3).

    The moved ray meets the ground again where its rise is undone along the ray.
    """
    rise_m = np.sum(moved_m * hits.up, axis=1)
    slid: FloatArray = (moved_m + hits.rays * (rise_m / hits.steepness)[:, None])[:, :2]
    return slid


def _outer_sum(shifts: list[FloatArray]) -> FloatArray:
    stacked = np.stack(shifts)
    total: FloatArray = np.einsum("kni,knj->nij", stacked, stacked)
    return total


def _upper(covariance: FloatArray) -> CovM2:
    return float(covariance[0, 0]), float(covariance[0, 1]), float(covariance[1, 1])


def _up(lat: FloatArray, lon: FloatArray) -> FloatArray:
    """Return the verticals (N, 3) in Earth-centred axes."""
    phi, lam = np.radians(lat), np.radians(lon)
    return np.column_stack((np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)))


def _ecef_from_enu(lat: float, lon: float) -> FloatArray:
    """Return the rotation (3, 3) from east, north, up at a place to Earth-centred axes."""
    lam = np.radians(lon)
    east = np.array((-np.sin(lam), np.cos(lam), 0.0))
    up = _up(np.array([lat]), np.array([lon]))[0]
    rotation: FloatArray = np.column_stack((east, np.cross(up, east), up))
    return rotation
