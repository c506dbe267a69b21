r"""A person's height as a second measure of how far away they stand.

```
  lens *-._
       |`. `-._  ray of the head
       |  `.   `-O- - - - - - - - - surface at 1.65 m above the ground
       |    `.  /|\
       |      `./ \
  -----+--------X------------------ ground
```
The ray of the feet meets the ground, the ray of the head a surface one height above it: both
should be at one place. That they are not says something about every error that had a part in it.
The two are anything but independent: they share the lens, its attitude and the ground, so a plain
weighing by inverse variance would count these errors as if there were two of them. Here each
source of error moves both hits by what it moves them, and the difference along the view is one
measurement of all of them together (a Kalman update; the inverse variance is its special case of
errors that are not shared).

A difference of more than two sigma means that something else is wrong (a child, somebody
crouching, two people in one box): then the height says nothing.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pymap3d

from edge.camera import BoolArray, Camera, FloatArray, Pose, PoseSigma, rays_enu
from edge.georeference import Placed
from edge.ground import GroundModel, Hits, meet
from edge.messages import CovM2
from edge.sweep import in_step
from edge.uncertainty import Sources, Tilts, cross, slides, sources, tilts

# Of people, boots and caps included (DOMAIN.md 4.1, foot point).
PERSON_HEIGHT_M: Final = 1.65
PERSON_HEIGHT_SIGMA_M: Final = 0.12
# Who fits worse is no adult standing upright.
FITS_SIGMAS: Final = 2.0
# Of the variance that must be gained, or the feet alone are believed.
WORTH: Final = 0.2

_LEAST_AWAY_M: Final = 0.1


class _Errors(NamedTuple):
    """By how much each source of error moves a hit, one sigma of it: arrays (sources, 2, N)."""

    shared: FloatArray  # lens, attitude and ground: the same sources for feet and head
    own: FloatArray  # the pixel


def weigh_height(  # noqa: PLR0913 - a position has that many causes
    placed: list[Placed | None],
    feet_uv: FloatArray,
    heads_uv: FloatArray,
    *,
    upright: BoolArray,
    camera: Camera,
    pose: Pose,
    sigma: PoseSigma,
    ground: GroundModel,
    feet_sigma_px: FloatArray,
    head_sigma_px: float,
) -> list[Placed | None]:
    """Better the places of people whose whole height is in the picture.

    Args:
        placed: Where they are by their feet, one entry a box.
        feet_uv: Pixels (N, 2) of the boxes' bottom centres.
        heads_uv: Pixels (N, 2) of the boxes' top centres.
        upright: Mask (N,): the box is a person's, and whole.
        camera: Intrinsics and distortion.
        pose: Where the lens is and where it looks.
        sigma: One sigma of each part of the pose.
        ground: Flat or with hills; knows one sigma of its own height.
        feet_sigma_px: One sigma (N,) of each pixel of feet along each axis.
        head_sigma_px: One sigma of every pixel of a head.

    Returns:
        The same list, with those replaced whom it makes surer.
    """
    rows = np.array(
        [row for row, where in enumerate(placed) if where and upright[row]], dtype=np.intp
    )
    if len(rows) == 0:
        return placed
    # A head that high over the ground is seen as the ground is from a lens that much lower.
    lower = pose._replace(alt_m=pose.alt_m - PERSON_HEIGHT_M)
    shared = sources(pose, sigma, ground.sigma_m, (0.0, 0.0))
    ends = []
    for pixels, lens, sigma_px in (
        (feet_uv[rows], pose, feet_sigma_px[rows]),
        (heads_uv[rows], lower, np.full(len(rows), head_sigma_px)),
    ):
        rays = rays_enu(pixels, camera, pose).T
        hits = meet(rays, lens, ground)
        turned = tilts(pixels, rays, camera, pose, sigma_px)
        ends.append((hits, _errors(hits, turned, shared)))
    better = list(placed)
    (feet, by_feet), (heads, by_head) = ends
    found = _agree(feet, by_feet, heads, by_head)
    surer = np.flatnonzero(found.ok)
    for row, where in zip(rows[surer], _moved(placed, rows, found, feet, pose), strict=True):
        better[row] = where
    return better


class _Agreed(NamedTuple):
    """What feet and head say together."""

    ok: BoolArray  # (N,)
    moved_m: FloatArray  # (2, N) from the feet's hit
    feet_alone: FloatArray  # (3, N) covariance, first order
    whole: FloatArray  # (3, N)
    shared: FloatArray  # (3, N) the part of it that does not average out


def _agree(feet: Hits, by_feet: _Errors, heads: Hits, by_head: _Errors) -> _Agreed:
    at_m = feet.rays[:2] * feet.slant_m
    away_m = np.sqrt(np.sum(at_m**2, axis=0))
    ahead = at_m / np.maximum(away_m, _LEAST_AWAY_M)
    apart_m = np.sum(ahead * (heads.rays[:2] * heads.slant_m - at_m), axis=0)
    still = np.zeros_like(by_feet.own)
    taller = heads.rays[:2] * (PERSON_HEIGHT_SIGMA_M / heads.steepness)
    feet_by = np.concatenate((by_feet.shared, still[:1], by_feet.own, still))
    head_by = np.concatenate((by_head.shared, taller[None], still, by_head.own))
    apart_by = np.einsum("in,kin->kn", ahead, head_by - feet_by)
    variance = np.maximum(np.sum(apart_by**2, axis=0), 1e-12)
    gain = np.einsum("kin,kn->in", feet_by, apart_by) / variance
    left = feet_by - gain[None] * apart_by[:, None]
    constant = len(by_feet.shared) + 1  # a person's height stays as it is
    alone, whole, shared = (_covariance(part) for part in (feet_by, left, left[:constant]))
    ok = heads.ok & (away_m > _LEAST_AWAY_M) & (apart_m**2 < FITS_SIGMAS**2 * variance)
    ok &= whole[0] + whole[2] < (1.0 - WORTH) * (alone[0] + alone[2])
    return _Agreed(ok, -gain * apart_m, alone, whole, shared)


def _errors(hits: Hits, turned: Tilts, shared: Sources) -> _Errors:
    rows = slides(hits)
    lens = [
        rows.moved(np.broadcast_to(axis[:, None], hits.rays.shape))
        for axis in _axes(shared.position)
    ]
    attitude = [
        rows.moved(
            cross(np.broadcast_to(axis[:, None], hits.rays.shape), hits.rays) * hits.slant_m
        )
        for axis in _axes(shared.turn)
    ]
    upright = np.sum(hits.normal * hits.vertical, axis=0)
    ground = hits.rays[:2] * (-upright * shared.ground_m / hits.steepness)
    own = [rows.moved(tilt * hits.slant_m) for tilt in turned]
    return _Errors(np.stack([*lens, *attitude, ground]), np.stack(own))


def _axes(covariance: FloatArray) -> FloatArray:
    """Return three independent errors (3, 3), one a row, that make up a covariance (3, 3)."""
    variances, vectors = np.linalg.eigh(covariance)
    axes: FloatArray = vectors.T * np.sqrt(np.maximum(variances, 0.0))[:, None]
    return axes


def _covariance(errors: FloatArray) -> FloatArray:
    """Return what independent errors (sources, 2, N) come to, (3, N)."""
    east, north = errors[:, 0], errors[:, 1]
    return np.stack(
        (np.sum(east**2, axis=0), np.sum(east * north, axis=0), np.sum(north**2, axis=0))
    )


def _moved(
    placed: list[Placed | None],
    rows: npt.NDArray[np.intp],
    found: _Agreed,
    feet: Hits,
    pose: Pose,
) -> list[Placed]:
    """Move the places that are surer now along the ground, and narrow their errors."""
    columns = np.flatnonzero(found.ok)
    old = [where for where in (placed[row] for row in rows[columns]) if where is not None]
    if not old:
        return []
    east_m, north_m = found.moved_m[:, columns]
    normal = feet.normal[:, columns]
    up_m = -(normal[0] * east_m + normal[1] * north_m) / np.maximum(normal[2], 0.1)
    before = np.array([(one.lat, one.lon, one.alt_m) for one in old]).T
    lat, lon, alt_m = pymap3d.enu2geodetic(east_m, north_m, up_m, *before)
    here = pymap3d.geodetic2enu(lat, lon, alt_m, pose.lat, pose.lon, pose.alt_m)
    slant_m = np.sqrt(sum(np.square(part) for part in here))
    # Where the feet's error was swept, the rest of it is as much wider.
    claimed = np.array([one.cov_m2 for one in old]).T
    whole, shared = (
        in_step(part[:, columns], found.feet_alone[:, columns], claimed)
        for part in (found.whole, found.shared)
    )
    return [
        one._replace(
            lat=float(lat[column]),
            lon=float(lon[column]),
            alt_m=float(alt_m[column]),
            cov_m2=_triple(whole[:, column]),
            cov_bias_m2=_triple(shared[:, column]),
            slant_m=float(slant_m[column]),
        )
        for column, one in enumerate(old)
    ]


def _triple(covariance: FloatArray) -> CovM2:
    var_east, cov, var_north = covariance
    return float(var_east), float(cov), float(var_north)
