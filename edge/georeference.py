"""Place pixels on the ground, each with its error. Pure geometry: no video, no clock.

Where a ray meets the ground is `edge.ground`, how far off that may be `edge.uncertainty` and, at
grazing angles and on hills, `edge.sweep`.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.camera import BoolArray, Camera, FloatArray, Pose, PoseSigma, rays_enu
from edge.ground import Ground, GroundModel, Hits, meet
from edge.messages import CovM2
from edge.motion import NO_DRIFT, Drift
from edge.sweep import GRAZING_DEG, in_step, must_sweep, second_moment
from edge.uncertainty import first_order, sources, tilts

__all__ = ["Ground", "GroundModel", "Placed", "Places", "place", "place_many"]

Index = npt.NDArray[np.intp]

FLAT: Final = "flat"
DEM: Final = "dem"

# With fewer pixels at a time the calls cost more than the numbers; more leave the cache.
_CHUNK: Final = 8192


class Placed(NamedTuple):
    """A pixel on the ground."""

    lat: float
    lon: float
    alt_m: float
    cov_m2: CovM2  # everything: pose, focal length, ground height, clock and pixel
    cov_bias_m2: CovM2  # the part of it that all pixels share: all but the pixel's own
    slant_m: float
    grazing: bool  # the ray meets the ground at under 10 degrees: its error is one-sided
    method: str  # "flat" | "dem": the kind of ground it was placed on


class Places(NamedTuple):
    """Pixels on the ground, as arrays. Where not `ok`, numbers are nan: there is no place."""

    ok: BoolArray  # (N,) False at and above the horizon, and where no ground is known
    lat: FloatArray  # (N,)
    lon: FloatArray  # (N,)
    alt_m: FloatArray  # (N,)
    cov_m2: FloatArray  # (N, 2, 2) east, north
    cov_bias_m2: FloatArray  # (N, 2, 2)
    slant_m: FloatArray  # (N,)
    grazing: BoolArray  # (N,)


def place_many(  # noqa: PLR0913 - a position has that many causes
    pixels_uv: FloatArray,
    camera: Camera,
    pose: Pose,
    sigma: PoseSigma,
    ground: GroundModel,
    *,
    pixel_sigma_px: float | FloatArray,
    drift: Drift = NO_DRIFT,
) -> Places:
    """Intersect the rays through pixels (N, 2) with the ground.

    Args:
        pixels_uv: Ground-contact pixels (u right, v down). Of a box, the bottom centre: feet
            touch the ground, heads do not.
        camera: Intrinsics and distortion; knows one sigma of its focal length.
        pose: Where the lens is and where it looks.
        sigma: One sigma of each part of the pose.
        ground: Flat or with hills; knows one sigma of its own height.
        pixel_sigma_px: One sigma along each axis of every contact pixel, or of each, (N,).
        drift: What the lens does in one sigma of the time, where that is not exact.

    Returns:
        One entry a pixel. A pose, a sigma or a pixel that is no number places nothing, nor does a
        pixel where the camera's distortion says nothing.
    """
    pixels = np.asarray(pixels_uv, dtype=np.float64).reshape(-1, 2)
    count = len(pixels)
    sigma_px = np.broadcast_to(np.asarray(pixel_sigma_px, dtype=np.float64), count)
    places = _nowhere(count)
    if not np.isfinite((*pose, *sigma, ground.sigma_m, *drift.shift_m, *drift.turn_rad)).all():
        return places
    shared = sources(pose, sigma, ground.sigma_m, drift)
    # A pixel that is no number looks nowhere, and one without a sigma nowhere that can be told.
    finite = np.isfinite(pixels).all(axis=1) & np.isfinite(sigma_px)
    for start in range(0, count, _CHUNK):
        some = np.flatnonzero(finite[start : start + _CHUNK]) + start
        rays = np.ascontiguousarray(rays_enu(pixels[some], camera, pose).T)
        hits = meet(rays, pose, ground)
        if not hits.ok.all():
            some, hits = some[hits.ok], hits.at(np.flatnonzero(hits.ok))
        turned = tilts(pixels[some], hits.rays, camera, pose, sigma_px[some])
        total, bias = first_order(hits, turned, shared)
        swept = np.flatnonzero(must_sweep(hits, turned, shared, ground))
        if len(swept):
            wide = second_moment(hits.at(swept), turned.at(swept), shared, pose, ground)
            bias[:, swept] = in_step(bias[:, swept], total[:, swept], wide)
            total[:, swept] = wide
        _write(places, some, hits, total, bias)
    return places


def _nowhere(count: int) -> Places:
    lat, lon, alt_m, slant_m = np.full((4, count), np.nan)
    whole, shared = np.full((2, count, 2, 2), np.nan)
    ok, grazing = np.zeros((2, count), dtype=np.bool_)
    return Places(ok, lat, lon, alt_m, whole, shared, slant_m, grazing)


def _write(places: Places, index: Index, hits: Hits, total: FloatArray, bias: FloatArray) -> None:
    """Write hits, all of them ok, into the rows of their pixels, which ascend."""
    rows: Index | slice = index
    if len(index) and index[-1] - index[0] == len(index) - 1:
        rows = slice(index[0], index[-1] + 1)  # an unbroken run is written much faster
    places.ok[rows] = True
    places.grazing[rows] = hits.steepness < np.sin(np.radians(GRAZING_DEG))
    for whole, part in zip(
        (places.lat, places.lon, places.alt_m, places.slant_m),
        (hits.lat, hits.lon, hits.alt_m, hits.slant_m),
        strict=True,
    ):
        whole[rows] = part
    for matrices, (var_east, cov, var_north) in (
        (places.cov_m2, total),
        (places.cov_bias_m2, bias),
    ):
        matrices[rows, 0, 0], matrices[rows, 1, 1] = var_east, var_north
        matrices[rows, 0, 1] = matrices[rows, 1, 0] = cov


def place(  # noqa: PLR0913 - a position has that many causes
    pixels_uv: FloatArray,
    camera: Camera,
    pose: Pose,
    sigma: PoseSigma,
    ground: GroundModel,
    *,
    pixel_sigma_px: float | FloatArray,
    drift: Drift = NO_DRIFT,
) -> list[Placed | None]:
    """Place a handful of pixels: `place_many`, one entry a pixel, None where there is no place."""
    places = place_many(
        pixels_uv,
        camera,
        pose,
        sigma,
        ground,
        pixel_sigma_px=pixel_sigma_px,
        drift=drift,
    )
    method = FLAT if isinstance(ground, Ground) else DEM
    return [_placed(places, row, method) if ok else None for row, ok in enumerate(places.ok)]


def _placed(places: Places, row: int, method: str) -> Placed:
    return Placed(
        lat=float(places.lat[row]),
        lon=float(places.lon[row]),
        alt_m=float(places.alt_m[row]),
        cov_m2=_upper(places.cov_m2[row]),
        cov_bias_m2=_upper(places.cov_bias_m2[row]),
        slant_m=float(places.slant_m[row]),
        grazing=bool(places.grazing[row]),
        method=method,
    )


def _upper(covariance: FloatArray) -> CovM2:
    return float(covariance[0, 0]), float(covariance[0, 1]), float(covariance[1, 1])
