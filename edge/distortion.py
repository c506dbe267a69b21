r"""How a lens bends the picture, and how far out that is known.

```
  bent                 .--.            A place in the picture by the angle off the axis. Where
  radius          .--'     `-.         the polynomial has its top the picture would fold: two
              .-'             `.       angles, one pixel. A real lens does not do that. Its
           .'                   `      description ends there, and `reach` is where.
         +---------------+----> plain radius
                       reach
```
Both models take a *plain* vector (x right, y down) to a *bent* one, which is the pixel's distance
from the principal point in focal lengths:

    bent = plain (1 + k1 s + k2 s^2 + ...) + tangential,    s = |plain|^2

Brown and Conrady's plain vector is (x/z, y/z) of the ray, with up to three k and the tangential
part (2 p1 xy + p2 (s + 2x^2), p1 (s + 2y^2) + 2 p2 xy). Kannala and Brandt's, of a fisheye, is as
long as the angle off the axis, with four k and no tangential part; it is fine at 90 degrees and
more.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FISHEYE: Final = "fisheye"
BROWN: Final = "brown"

# So near to square with the axis a ray's slope is no number to work with any more.
_BROWN_MOST_DEG: Final = 89.9
_FISHEYE_MOST_DEG: Final = 180.0
_GRID: Final = 4097
_HALVINGS: Final = 60
_NEWTON_STEPS: Final = 25
# Bent again, a plain vector is as near as this to where it came from (focal lengths), or it is
# no solution: 0.01 px of a focal length of 100,000.
_MEETS: Final = 1e-7
_SAME: Final = 1e-13
_TINY: Final = 1e-300


class Distortion(NamedTuple):
    """A lens that bends."""

    radial: tuple[float, ...]  # k1, k2, ...
    tangential: tuple[float, float]  # p1, p2
    is_fisheye: bool


def distortion_of(model: str, coefficients: tuple[float, ...]) -> Distortion:
    """Return the distortion of a camera's model and coefficients, in their usual order.

    Of `brown` k1 k2 p1 p2 and perhaps k3, of `fisheye` k1 k2 k3 k4.
    """
    if model == FISHEYE:
        return Distortion(coefficients, (0.0, 0.0), is_fisheye=True)
    k1, k2, p1, p2, *k3 = coefficients
    return Distortion((k1, k2, *k3), (p1, p2), is_fisheye=False)


@lru_cache(maxsize=256)
def reach(lens: Distortion) -> float:
    """Return the length of the plain vectors up to which no two bend to one place.

    Bending is the gradient of a potential. It is one to one on a disc if its derivative is
    positive definite there. Of the radial part the eigenvalues are g and d(r g)/dr, with
    g = 1 + k1 r^2 + ..., and those of the tangential part are at least -6 |p| r.
    """
    radii = _radii(lens, 0.0, 1.0)
    folds = np.flatnonzero(~(_margin(lens, radii) > 0.0))
    if len(folds) == 0:
        return float(radii[-1])
    low, high = float(radii[folds[0] - 1]), float(radii[folds[0]])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if _margin(lens, np.array(middle)) > 0.0:
            low = middle
        else:
            high = middle
    return low


def rays_through(bent: FloatArray, lens: Distortion) -> FloatArray:
    """Return unit rays (N, 3), z along the axis, of bent places (N, 2); NaN beyond the reach."""
    return _rays(_plain(bent, lens), lens)


def rays_by_bent(bent: FloatArray, lens: Distortion) -> FloatArray:
    """Return how rays turn with their bent places, (N, 3, 2) radians a focal length."""
    plain = _plain(bent, lens)
    xx, xy, yy = _slopes(plain, lens)
    inverse = np.stack((yy, -xy, -xy, xx), axis=-1) / (xx * yy - xy**2)[:, None]
    by_bent: FloatArray = _rays_by_plain(plain, lens) @ inverse.reshape(-1, 2, 2)
    return by_bent


def bent_of(rays: FloatArray, lens: Distortion) -> tuple[FloatArray, BoolArray]:
    """Return where rays (N, 3) of any length are seen, (N, 2), and whether they are, (N,).

    Beyond the reach, and of a ray without length, they are not: then the place is (0, 0).
    """
    aside, ahead = np.hypot(rays[:, 0], rays[:, 1]), rays[:, 2]
    if lens.is_fisheye:
        length = np.arctan2(aside, ahead)
        # Straight behind the lens there is no direction to bend in.
        seen = (length < reach(lens)) & ((aside > 0.0) | (ahead > 0.0))
        factor = np.where(seen, length, 0.0) / np.maximum(aside, _TINY)
    else:
        seen = (ahead > 0.0) & (aside < reach(lens) * ahead)
        factor = np.where(seen, 1.0, 0.0) / np.where(seen, ahead, 1.0)
    plain = np.where(seen[:, None], rays[:, :2], 0.0) * np.where(seen, factor, 0.0)[:, None]
    return _bent(plain, lens), seen


def _radii(lens: Distortion, start: float, end: float) -> FloatArray:
    """Return radii (G,) of plain vectors, evenly spread in angle, between shares of the most."""
    shares = np.linspace(start, end, _GRID)
    if lens.is_fisheye:
        return np.asarray(np.radians(_FISHEYE_MOST_DEG * shares))
    return np.asarray(np.tan(np.radians(_BROWN_MOST_DEG * shares)))


def _margin(lens: Distortion, radius: FloatArray) -> FloatArray:
    """Return the least eigenvalue of bending's derivative on circles of these radii, or less."""
    square = radius**2
    g, by_square = _growth(square, lens)
    radial = np.minimum(g, g + 2.0 * square * by_square)
    margin: FloatArray = radial - 6.0 * np.hypot(*lens.tangential) * radius
    return margin


def _growth(square: FloatArray, lens: Distortion) -> tuple[FloatArray, FloatArray]:
    """Return g = 1 + k1 s + k2 s^2 + ... and dg/ds, of squares of any shape."""
    g, by_square = np.zeros_like(square), np.zeros_like(square)
    for k in reversed((1.0, *lens.radial)):
        by_square = by_square * square + g
        g = g * square + k
    return g, by_square


def _bent(plain: FloatArray, lens: Distortion) -> FloatArray:
    x, y = plain.T
    square = x * x + y * y
    g, _ = _growth(square, lens)
    p1, p2 = lens.tangential
    return np.column_stack(
        (
            x * g + 2.0 * p1 * x * y + p2 * (square + 2.0 * x * x),
            y * g + p1 * (square + 2.0 * y * y) + 2.0 * p2 * x * y,
        )
    )


def _slopes(plain: FloatArray, lens: Distortion) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return bending's derivative, which is symmetric: d bent_x/dx, d bent_x/dy, d bent_y/dy."""
    x, y = plain.T
    g, by_square = _growth(x * x + y * y, lens)
    p1, p2 = lens.tangential
    return (
        g + 2.0 * x * x * by_square + 2.0 * p1 * y + 6.0 * p2 * x,
        2.0 * x * y * by_square + 2.0 * p1 * x + 2.0 * p2 * y,
        g + 2.0 * y * y * by_square + 6.0 * p1 * y + 2.0 * p2 * x,
    )


@lru_cache(maxsize=64)
def _table(lens: Distortion) -> tuple[FloatArray, FloatArray]:
    """Return bent radii (G,), ascending, and the plain ones (G,) that they come from."""
    most = reach(lens)
    share = np.degrees(most) / _FISHEYE_MOST_DEG
    if not lens.is_fisheye:
        share = np.degrees(np.arctan(most)) / _BROWN_MOST_DEG
    plain = _radii(lens, 0.0, float(share))
    g, _ = _growth(plain**2, lens)
    return plain * g, plain


def _plain(bent: FloatArray, lens: Distortion) -> FloatArray:
    """Return the plain vectors (N, 2) within reach that bend to these; NaN where there is none.

    The radial part is looked up; Newton's method does the rest. What it finds is bent again.
    """
    known: BoolArray = np.isfinite(bent[:, 0] + bent[:, 1])
    wanted = np.where(known[:, None], bent, 0.0)
    distance = np.hypot(*wanted.T)
    most = reach(lens)
    start = np.interp(distance, *_table(lens)) / np.maximum(distance, _TINY)
    plain = wanted * start[:, None]
    for _ in range(_NEWTON_STEPS):
        off = _bent(plain, lens) - wanted
        if not (np.abs(off) > _SAME * (1.0 + distance[:, None])).any():
            break
        xx, xy, yy = _slopes(plain, lens)
        det = np.maximum(xx * yy - xy**2, 1e-12)
        plain = plain - np.column_stack(
            ((yy * off[:, 0] - xy * off[:, 1]) / det, (xx * off[:, 1] - xy * off[:, 0]) / det)
        )
        length = np.hypot(*plain.T)
        plain *= (most / np.maximum(length, most))[:, None]
    off = np.hypot(*(_bent(plain, lens) - wanted).T)
    known &= (off <= _MEETS) & (np.hypot(*plain.T) < most)
    return np.where(known[:, None], plain, np.nan)


def _rays(plain: FloatArray, lens: Distortion) -> FloatArray:
    length = np.hypot(*plain.T)
    if lens.is_fisheye:
        # sin(a)/a without a division by 0; numpy's sinc is that of pi a.
        return np.column_stack((plain * np.sinc(length / np.pi)[:, None], np.cos(length)))
    ahead = 1.0 / np.sqrt(1.0 + length**2)
    return np.column_stack((plain * ahead[:, None], ahead))


def _rays_by_plain(plain: FloatArray, lens: Distortion) -> FloatArray:
    """Return the derivatives (N, 3, 2) of unit rays by their plain vectors."""
    rays = _rays(plain, lens)
    if not lens.is_fisheye:
        along = rays[:, :, None] * rays[:, None, :2]
        slopes: FloatArray = (np.eye(3, 2) - along) * rays[:, 2, None, None]
        return slopes
    length = np.hypot(*plain.T)
    out = plain / np.maximum(length, _TINY)[:, None]
    out[length == 0.0] = (1.0, 0.0)
    across = np.column_stack((-out[:, 1], out[:, 0]))
    outward = np.column_stack((out * np.cos(length)[:, None], -np.sin(length)))
    sideways = np.column_stack((across * np.sinc(length / np.pi)[:, None], np.zeros(len(plain))))
    turned: FloatArray = outward[:, :, None] * out[:, None]
    turned += sideways[:, :, None] * across[:, None]
    return turned
