"""Place pixels on flat ground by a plane homography, each with its error."""

from typing import Final, NamedTuple

import numpy as np

from edge.camera import BoolArray, Camera, FloatArray, rays_camera

_LEAST_AHEAD: Final = 1e-9


class GroundHomography(NamedTuple):
    """A picture's view of flat ground.

    `matrix @ (east_m, north_m, 1)` are undistorted pixels (u, v, 1), up to a factor that is
    positive for the ground ahead of the lens.
    """

    lat: float  # of the place that metres count from
    lon: float
    alt_m: float  # of the ground above the ellipsoid: the landmarks' mean
    matrix: FloatArray  # (3, 3)
    covariance: FloatArray  # (9, 9) of the matrix, row by row; of rank 8, its scale is fixed


class OnPlane(NamedTuple):
    """Pixels on the plane."""

    ok: BoolArray  # (N,) False at and above the plane's horizon; nothing else means anything there
    east_north_m: FloatArray  # (N, 2)
    cov_m2: FloatArray  # (N, 2, 2) pixel and homography
    cov_bias_m2: FloatArray  # (N, 2, 2) the homography's part, which all pixels share


def on_plane(
    pixels_uv: FloatArray, camera: Camera, ground: GroundHomography, *, pixel_sigma_px: float
) -> OnPlane:
    """Place pixels (N, 2) on the plane, each with its error to first order."""
    pixels = np.asarray(pixels_uv, dtype=np.float64).reshape(-1, 2)
    straight = pinhole_pixels(pixels, camera)
    back = np.linalg.inv(ground.matrix)
    found = np.column_stack((straight, np.ones(len(straight)))) @ back.T
    # matrix @ (east, north, 1) = w (u, v, 1) means back @ (u, v, 1) = (east, north, 1) / w.
    ok = found[:, 2] > _LEAST_AHEAD * np.abs(back[2]).max()
    east_north_m = found[:, :2] / np.where(ok, found[:, 2], 1.0)[:, None]
    ahead = np.where(ok, 1.0 / np.where(ok, found[:, 2], 1.0), 1.0)
    by_plane = (ground.matrix[:2, :2] - straight[:, :, None] * ground.matrix[2, :2]) / ahead[
        :, None, None
    ]
    back_slopes = np.linalg.inv(np.where(ok[:, None, None], by_plane, np.eye(2)))
    at = np.column_stack((east_north_m, np.ones(len(pixels)))) / ahead[:, None]
    by_matrix = np.zeros((len(pixels), 2, 9))
    by_matrix[:, 0, 0:3] = by_matrix[:, 1, 3:6] = at
    by_matrix[:, :, 6:9] = -straight[:, :, None] * at[:, None, :]
    bias_px = by_matrix @ ground.covariance @ by_matrix.transpose(0, 2, 1)
    step = np.array((0.5, 0.0)), np.array((0.0, 0.5))
    bent = np.stack(
        [pinhole_pixels(pixels + d, camera) - pinhole_pixels(pixels - d, camera) for d in step],
        axis=-1,
    )
    noise_px = bent @ bent.transpose(0, 2, 1) * pixel_sigma_px**2
    turned = back_slopes.transpose(0, 2, 1)
    return OnPlane(
        ok,
        east_north_m,
        back_slopes @ (bias_px + noise_px) @ turned,
        back_slopes @ bias_px @ turned,
    )


def pinhole_pixels(pixels: FloatArray, camera: Camera) -> FloatArray:
    """Return where a camera without distortion would see (N, 2) what is seen at pixels (N, 2)."""
    if camera.model is None:
        return pixels
    rays = rays_camera(pixels, camera)
    straight: FloatArray = rays[:, :2] / rays[:, 2:] * (camera.fx_px, camera.fy_px) + (
        camera.cx_px,
        camera.cy_px,
    )
    return straight
