"""How uneven the ground under the landmarks is, and what that does to where they are seen.

A homography takes the ground for a plane. A landmark that stands d above it hides, to a lens h
above it, a place of the plane that is farther from the foot of the lens by d / (h - d) of the way:

```
   lens
    |  `  .
    |        ` . landmark (d above the plane)
    h           |  ` .
  __|___________|______`___ plane
   foot      stands    hides
```
So the pixel of that landmark belongs to what it hides. Its own height was surveyed with it, so it
is known where that is, as well as the lens is. How far heights are off a plane is told by those
that agree best, because one may be mistyped (least median of squares: Rousseeuw and Leroy 1987).
"""

from typing import Final, NamedTuple

import numpy as np

from edge.calibration.sets import sets_of
from edge.camera import BoolArray, FloatArray
from edge.plane import Lens

# A height that is off the middle ones by more than so many times their scale tells nothing. Of
# eight, six may agree by chance: to lose good ones would claim a flatter ground than there is.
_GOOD_SIGMAS: Final = 6.0
# Heights so near a plane are good whatever the others are.
_ALWAYS_GOOD_M: Final = 0.1
_MEDIAN_TO_SIGMA: Final = 1.4826
_SMALL_SAMPLE: Final = 5.0
_OF_A_PLANE: Final = 3
_MOST_SETS: Final = 400
_LEAST_FREEDOM: Final = 0.15
_FLAT: Final = 1e-9
# Nothing on the ground that a homography could be of stands higher than that.
_MOST_OF_HEIGHT: Final = 0.5


class Relief(NamedTuple):
    """How landmarks lie to the plane, level or not, that is nearest to them."""

    above_m: FloatArray  # (N,) of each above the plane
    good: BoolArray  # (N,) those that the plane was fitted to
    alt_m: float  # of the plane above the ellipsoid, at the landmarks' middle
    sigma_m: float  # one sigma of the ground about the plane; few landmarks know it badly
    level: FloatArray  # (3, 3) covariance of the plane's own height as of (east, north, 1), m^2


def relief_of(plane: FloatArray, alt_m: FloatArray, used: BoolArray | None = None) -> Relief:
    """Return the relief of landmarks at `plane` (N, 2), m, whose heights are `alt_m` (N,).

    Args:
        plane: Where they stand.
        alt_m: How high.
        used: The mask (N,) of those that are known to be right; None: nothing is known yet.
    """
    good = _agreeing(plane, alt_m) if used is None else used
    middle = plane[good].mean(axis=0)
    size = max(float(np.abs(plane[good] - middle).max()), _FLAT)
    level = np.column_stack(((plane - middle) / size, np.ones(len(plane))))
    slope = np.linalg.lstsq(level[good], alt_m[good])[0]
    above_m = alt_m - level @ slope
    freedom = int(good.sum()) - _OF_A_PLANE
    # Student's quantiles to Gauss's: sqrt((n + 1) / (n - 1)) to within a few per cent at 90 %.
    unsure = np.sqrt((freedom + 1.0) / max(freedom - 1.0, _LEAST_FREEDOM)) if freedom else 0.0
    rms_m = float(np.sqrt(np.sum(above_m[good] ** 2) / max(freedom, 1)))
    sigma_m = rms_m * float(unsure)
    from_east_north = np.array(
        [
            [1.0 / size, 0.0, -middle[0] / size],
            [0.0, 1.0 / size, -middle[1] / size],
            [0.0, 0.0, 1.0],
        ]
    )
    inverse = np.linalg.pinv(level[good].T @ level[good], hermitian=True)
    spread = from_east_north.T @ (inverse * sigma_m**2) @ from_east_north
    return Relief(above_m, good, float(slope[-1]), sigma_m, spread)


def hidden(plane: FloatArray, above_m: FloatArray, lens: Lens) -> FloatArray:
    """Return the places (N, 2) of the plane that landmarks which stand above it hide."""
    most_m = _MOST_OF_HEIGHT * lens.height_m
    raised = np.clip(above_m, -most_m, most_m)
    share = raised / (lens.height_m - raised)
    behind: FloatArray = plane + (plane - lens.foot_m) * share[:, None]
    return behind


def of_level(matrix: FloatArray, lens: Lens, level: FloatArray) -> FloatArray:
    """Return the covariance (9, 9) of a matrix whose plane lies higher or steeper than thought.

    A plane that lies z = (a, b, c) . (east, north, 1) higher is seen as the matrix times
    G = 1 - (foot, 1) (a, b, c) / height.
    """
    seen = matrix @ np.append(lens.foot_m, 1.0) / lens.height_m
    by_level = -np.einsum("i,jk->ijk", seen, np.eye(3)).reshape(9, 3)
    off: FloatArray = by_level @ level @ by_level.T
    return off


def _agreeing(plane: FloatArray, alt_m: FloatArray) -> BoolArray:
    """Return the mask (N,) of landmarks whose heights agree on one plane, or nearly."""
    count = len(plane)
    if count <= _OF_A_PLANE:
        return np.ones(count, dtype=np.bool_)
    where = np.column_stack((plane - plane.mean(axis=0), np.ones(count)))
    where[:, :2] /= max(float(np.abs(where[:, :2]).max()), _FLAT)
    most = count // 2 + (_OF_A_PLANE + 1) // 2
    best, least_m = np.zeros(count), np.inf
    for three in sets_of(count, _OF_A_PLANE, most=_MOST_SETS):
        corners = where[list(three)]
        if abs(float(np.linalg.det(corners))) < _FLAT:
            continue
        off_m = np.abs(alt_m - where @ np.linalg.solve(corners, alt_m[list(three)]))
        middling_m = float(np.sort(off_m)[most - 1])
        if middling_m < least_m:
            best, least_m = off_m, middling_m
    if not np.isfinite(least_m):
        return np.ones(count, dtype=np.bool_)
    scale_m = _MEDIAN_TO_SIGMA * (1.0 + _SMALL_SAMPLE / (count - _OF_A_PLANE)) * least_m
    agreeing: BoolArray = best <= max(_GOOD_SIGMAS * scale_m, _ALWAYS_GOOD_M)
    return agreeing
