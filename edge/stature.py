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

Not everybody is an adult who stands upright in the open: some are children, crouch, or stand in
grass to the knees. So there are two answers, one for each kind of people, weighed by how well each
explains what is seen; where nothing tells them apart, what is claimed holds both (the moments of
the mixture: Bar-Shalom, Li and Kirubarajan, Estimation with Applications, 1.4.16). What fits
neither (a person on a roof, two in one box) is left to the feet.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.camera import BoolArray, Camera, FloatArray, Pose, PoseSigma, rays_enu
from edge.georeference import Placed
from edge.ground import GroundModel, Hits, geodetic_along, meet
from edge.messages import CovM2
from edge.motion import NO_DRIFT, Drift
from edge.sweep import in_step
from edge.uncertainty import Slides, Sources, Tilts, cross, outer, slides, sources, tilts

# Of adults, boots and caps included (DOMAIN.md 4.1, foot point).
PERSON_HEIGHT_M: Final = 1.65
PERSON_HEIGHT_SIGMA_M: Final = 0.12
# Of all others, and how many they are: our own guess, wide on purpose.
OTHER_HEIGHT_M: Final = 1.15
OTHER_HEIGHT_SIGMA_M: Final = 0.35
OTHER_SHARE: Final = 0.2
# Who fits neither any better is something else.
FITS_SIGMAS: Final = 2.0
# Of the variance that must be gained, or the feet alone are believed.
WORTH: Final = 0.2

_KINDS: Final = np.array(  # (kinds, 3): taller than an adult by, sigma, share
    (
        (0.0, PERSON_HEIGHT_SIGMA_M, 1.0 - OTHER_SHARE),
        (OTHER_HEIGHT_M - PERSON_HEIGHT_M, OTHER_HEIGHT_SIGMA_M, OTHER_SHARE),
    )
)
_LEAST_AWAY_M: Final = 0.1
_TINY: Final = 1e-12


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
    pixel_sigma_px: float,
    drift: Drift = NO_DRIFT,
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
        pixel_sigma_px: One sigma of every pixel of feet and heads along each axis.
        drift: What the lens does in one sigma of the time, where that is not exact.

    Returns:
        The same list, with those replaced whom it makes surer.
    """
    rows = np.array(
        [row for row, where in enumerate(placed) if where and upright[row]], dtype=np.intp
    )
    count = len(rows)
    if count == 0:
        return placed
    pixels = np.concatenate((feet_uv[rows], heads_uv[rows]))
    rays = rays_enu(pixels, camera, pose).T
    # A head that high over the ground is seen as the ground is from a lens that much lower.
    lower = pose._replace(alt_m=pose.alt_m - PERSON_HEIGHT_M)
    feet, heads = meet(rays[:, :count], pose, ground), meet(rays[:, count:], lower, ground)
    both = Hits(*(np.concatenate(parts, axis=-1) for parts in zip(feet, heads, strict=True)))
    turned = tilts(pixels, rays, camera, pose, np.full(2 * count, pixel_sigma_px))
    moved = _moved_by(both, turned, sources(pose, sigma, ground.sigma_m, drift))
    found = _agree(feet, heads, moved)
    return _bettered(placed, rows, found, feet, pose)


class _Errors(NamedTuple):
    """By how much each source of error moves feet (the first N) and heads, one sigma of it."""

    shared: FloatArray  # (sources, 2, 2 N) lens, attitude, focal length, ground, clock
    own: FloatArray  # (2, 2, 2 N) the pixel

    def of_feet(self, count: int) -> tuple[FloatArray, FloatArray]:
        return self.shared[..., :count], self.own[..., :count]

    def of_heads(self, count: int) -> tuple[FloatArray, FloatArray]:
        return self.shared[..., count:], self.own[..., count:]


def _moved_by(hits: Hits, turned: Tilts, shared: Sources) -> _Errors:
    rows: Slides = slides(hits)
    lens = np.stack(rows)  # (2, 3, 2 N)
    attitude = np.stack([cross(hits.rays, row) * hits.slant_m for row in rows])
    upright = np.sum(hits.normal * hits.vertical, axis=0)
    ground = hits.rays[:2] * (-upright * shared.ground_m / hits.steepness)
    right, down, focal = (rows.moved(tilt * hits.slant_m) for tilt in turned)
    alone = [focal, ground]
    if shared.clock is not None:
        alone.append(rows.moved(shared.clock.moves(hits)))
    together = (
        np.einsum("kj,ijn->kin", _axes(shared.position), lens),
        np.einsum("kj,ijn->kin", _axes(shared.turn), attitude),
        np.stack(alone),
    )
    return _Errors(np.concatenate(together), np.stack((right, down)))


class _Agreed(NamedTuple):
    """What feet and head say together."""

    ok: BoolArray  # (N,)
    moved_m: FloatArray  # (2, N) from the feet's hit
    feet_alone: FloatArray  # (3, N) covariance, first order
    whole: FloatArray  # (3, N)
    shared: FloatArray  # (3, N) the part of it that does not average out


def _agree(feet: Hits, heads: Hits, moved: _Errors) -> _Agreed:
    count = len(feet.ok)
    (feet_shared, feet_own), (head_shared, head_own) = (
        moved.of_feet(count),
        moved.of_heads(count),
    )
    at_m = feet.rays[:2] * feet.slant_m
    away_m = np.sqrt(np.sum(at_m**2, axis=0))
    ahead = at_m / np.maximum(away_m, _LEAST_AWAY_M)
    apart_m = np.sum(ahead * (heads.rays[:2] * heads.slant_m - at_m), axis=0)
    # One metre of height takes the head's hit so far away.
    per_m = np.sum(ahead * heads.rays[:2] / heads.steepness, axis=0)
    # What moves the two apart: what they share, each one's pixel, and the height.
    shared_apart = np.einsum("in,kin->kn", ahead, head_shared - feet_shared)
    feet_apart = -np.einsum("in,kin->kn", ahead, feet_own)
    head_apart = np.einsum("in,kin->kn", ahead, head_own)
    shared_var = np.sum(shared_apart**2, axis=0)
    variance = shared_var + np.sum(feet_apart**2, axis=0) + np.sum(head_apart**2, axis=0)
    shared_with = np.einsum("kin,kn->in", feet_shared, shared_apart)
    with_apart = shared_with + np.einsum("kin,kn->in", feet_own, feet_apart)
    taller_m, sigma_m, share = _KINDS.T[:, :, None]
    height_var = (per_m * sigma_m) ** 2  # (kinds, N)
    variances = np.maximum(variance + height_var, _TINY)
    surprise_m = apart_m - per_m * taller_m
    squares = surprise_m**2 / variances
    likely = share * np.exp(-(squares - squares.min(axis=0)) / 2.0) / np.sqrt(variances)
    likely /= likely.sum(axis=0)
    gains = with_apart[:, None] / variances  # (2, kinds, N)
    steps_m = -gains * surprise_m
    moved_m = np.sum(likely * steps_m, axis=1)
    spread = np.sum(likely * outer(steps_m - moved_m[:, None]), axis=1)
    feet_shared_cov, alone = _covariance(feet_shared), _covariance(feet_shared)
    alone = alone + _covariance(feet_own)
    gained = np.sum(likely * outer(gains) * variances, axis=1)
    # The shared part of what is left, and a person's height, which stays as it is.
    crossed = _symmetric(gains, shared_with[:, None])
    left = outer(gains) * (shared_var + height_var) - crossed
    whole = alone - gained + spread
    shared = feet_shared_cov + np.sum(likely * left, axis=1) + spread
    ok = feet.ok & heads.ok & (away_m > _LEAST_AWAY_M) & (squares.min(axis=0) < FITS_SIGMAS**2)
    ok &= whole[0] + whole[2] < (1.0 - WORTH) * (alone[0] + alone[2])
    return _Agreed(ok, moved_m, alone, whole, shared)


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


def _symmetric(one: FloatArray, other: FloatArray) -> FloatArray:
    """Return one other' + other one' of vectors (2, …) as covariances (3, …)."""
    return np.stack(
        (
            2.0 * one[0] * other[0],
            one[0] * other[1] + one[1] * other[0],
            2.0 * one[1] * other[1],
        )
    )


def _bettered(
    placed: list[Placed | None],
    rows: npt.NDArray[np.intp],
    found: _Agreed,
    feet: Hits,
    pose: Pose,
) -> list[Placed | None]:
    """Move the places that are surer now along the ground, and narrow their errors."""
    columns = np.flatnonzero(found.ok)
    olds = [(row, where) for row in rows[columns] if (where := placed[row]) is not None]
    if not olds:
        return placed
    normal = feet.normal[:, columns]
    east_m, north_m = found.moved_m[:, columns]
    up_m = -(normal[0] * east_m + normal[1] * north_m) / np.maximum(normal[2], 0.1)
    at_m = feet.rays[:, columns] * feet.slant_m[columns] + np.stack((east_m, north_m, up_m))
    slant_m = np.sqrt(np.sum(at_m**2, axis=0))
    lat, lon, alt_m = geodetic_along(at_m / slant_m, slant_m, pose)
    # Where the feet's error was swept, the rest of it is as much wider.
    claimed = np.array([where.cov_m2 for _, where in olds]).T
    alone = found.feet_alone[:, columns]
    parts = np.concatenate((found.whole[:, columns], found.shared[:, columns]), axis=1)
    swept = np.abs(claimed - alone).max(axis=0) > 1e-9 * (alone[0] + alone[2])
    if swept.any():
        twice = np.tile(np.flatnonzero(swept), 2)
        at = twice + np.repeat((0, len(columns)), int(swept.sum()))
        parts[:, at] = in_step(parts[:, at], alone[:, twice], claimed[:, twice])
    whole, shared = parts[:, : len(columns)], parts[:, len(columns) :]
    better = list(placed)
    for column, (row, where) in enumerate(olds):
        better[row] = where._replace(
            lat=float(lat[column]),
            lon=float(lon[column]),
            alt_m=float(alt_m[column]),
            cov_m2=_triple(whole[:, column]),
            cov_bias_m2=_triple(shared[:, column]),
            slant_m=float(slant_m[column]),
        )
    return better


def _triple(covariance: FloatArray) -> CovM2:
    var_east, cov, var_north = covariance
    return float(var_east), float(cov), float(var_north)
