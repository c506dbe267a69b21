r"""Where somebody stands whose feet are below the picture's lower edge, or behind somebody.

```
  lens *
       | `.  `-. ray of the head
       |   `.    `-O--------------- surface at 1.65 m above the ground
       |     `.   /|\ `-.
       |  ray of  `. |     `-.
       |  the edge  `|.       `-.
  -----+-------------X--E---------`---- ground
       foot of    feet  hit of
       the lens         the edge
```
All that the edge says is one-sided: the feet X are nearer than its hit E. A head says more, where
an expected height is known. Neither error is drawn anew for each picture, so both belong to the
part that does not average out.
"""

from typing import Final

import numpy as np
import pymap3d

from edge.camera import BoolArray, Camera, FloatArray, Pose, PoseSigma
from edge.georeference import Placed, place
from edge.ground import GroundModel
from edge.messages import CovM2
from edge.motion import NO_DRIFT, Drift
from edge.stature import PERSON_HEIGHT_M, PERSON_HEIGHT_SIGMA_M

PERSON: Final = "person"
# One sigma of what may be anywhere from here to there, about here, as a share of the way.
EVENLY: Final = 1.0 / np.sqrt(3.0)


def hidden_below_px(boxes_px: FloatArray) -> FloatArray:
    """Return how far (N,) below boxes (N, 4: x1, y1, x2, y2) their feet may be hidden, pixels.

    A box whose bottom lies within another box may be somebody who stands behind, or who rides:
    the feet may be anywhere down to the bottom of the other.
    """
    x1, y1, x2, y2 = np.asarray(boxes_px, dtype=np.float64).reshape(-1, 4).T
    middle = ((x1 + x2) / 2.0)[:, None]
    behind = (middle > x1) & (middle < x2) & (y2[:, None] > y1) & (y2[:, None] < y2)
    gap: FloatArray = np.max(np.where(behind, y2 - y2[:, None], 0.0), axis=1, initial=0.0)
    return gap


def place_cut(  # noqa: PLR0913 - a position has that many causes
    edge_uv: FloatArray,
    head_uv: FloatArray,
    *,
    with_head: BoolArray,
    camera: Camera,
    pose: Pose,
    sigma: PoseSigma,
    ground: GroundModel,
    pixel_sigma_px: float,
    drift: Drift = NO_DRIFT,
) -> list[Placed | None]:
    """Place what the lower edge cuts.

    Args:
        edge_uv: Pixels (N, 2) where the boxes meet the lower edge.
        head_uv: Pixels (N, 2) of the boxes' top centres.
        with_head: Mask (N,): the box is a person's, and its top is not cut as well.
        camera: Intrinsics and distortion.
        pose: Where the lens is and where it looks.
        sigma: One sigma of each part of the pose.
        ground: Flat or with hills; knows one sigma of its own height.
        pixel_sigma_px: One sigma of each pixel along each axis.
        drift: What the lens does in one sigma of the time, where that is not exact.

    Returns:
        One entry a box; None where the edge itself looks at or above the horizon. By the head
        where that is the surer way, but never beyond the edge's hit; else at that hit, where two
        sigma of the shared error reach back to the foot of the lens.
    """
    # A head that high over the ground is seen as the ground is from a lens that much lower.
    lower = pose._replace(alt_m=pose.alt_m - PERSON_HEIGHT_M)
    unsure = sigma._replace(alt_m=float(np.hypot(sigma.alt_m, PERSON_HEIGHT_SIGMA_M)))
    edges, heads = (
        place(pixels, camera, lens, off, ground, pixel_sigma_px=pixel_sigma_px, drift=drift)
        for pixels, lens, off in ((edge_uv, pose, sigma), (head_uv, lower, unsure))
    )
    return [
        None if edge is None else _surer(edge, head if usable else None, pose)
        for edge, head, usable in zip(edges, heads, with_head, strict=True)
    ]


def _surer(edge: Placed, head: Placed | None, pose: Pose) -> Placed:
    """Choose between what the edge and what the head says."""
    edge_m = _east_north_m(edge, pose)
    half_way = edge_m / 2.0
    one_sided = plus_line(edge.cov_m2, half_way)
    if head is None or _trace(head.cov_m2) >= _trace(one_sided):
        return edge._replace(cov_m2=one_sided, cov_bias_m2=plus_line(edge.cov_bias_m2, half_way))
    beyond = float(np.linalg.norm(_east_north_m(head, pose)) - np.linalg.norm(edge_m)) > 0.0
    where = edge if beyond else head
    return head._replace(lat=where.lat, lon=where.lon, alt_m=edge.alt_m)


def _east_north_m(placed: Placed, pose: Pose) -> FloatArray:
    """Return where a place is from the foot of the lens, metres (2,)."""
    east, north, _ = pymap3d.geodetic2enu(
        placed.lat, placed.lon, placed.alt_m, pose.lat, pose.lon, pose.alt_m
    )
    return np.array((float(east), float(north)))


def plus_line(cov_m2: CovM2, sigma_m: FloatArray) -> CovM2:
    """Add an error along one line: one sigma of it as a vector (2,), metres."""
    east, north = float(sigma_m[0]), float(sigma_m[1])
    return cov_m2[0] + east * east, cov_m2[1] + east * north, cov_m2[2] + north * north


def _trace(cov_m2: CovM2) -> float:
    return cov_m2[0] + cov_m2[2]
