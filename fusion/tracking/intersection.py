"""Fixes whose errors hang together, by split covariance intersection: never averaged as new.

A device that smooths (a radar, a camera that follows people itself) says the same error again
and again, and a track that took it in holds that error already. Nobody knows how much of it. So a
track's position error is kept in two parts (DOMAIN.md 5.1; Julier and Uhlmann 2001):

    P = A + B     A: of the motion, independent of what such devices say
                  B: `shared`, which may be correlated with it in any way

    A + B/w  and  R/(1-w)  are fused as if independent, with the w that leaves least.

For any w this claims no more than can be known, whatever the correlation; a track fused with a
copy of itself stays as it was. Where B is nothing it is the Kalman update.
"""

from collections.abc import Callable
from typing import Final

from fusion.local_frame import CovM2
from fusion.tracking.motion import Motion, plus

NOTHING: Final[CovM2] = (0.0, 0.0, 0.0)
_GOLDEN: Final = 0.6180339887498949
_STEPS: Final = 24  # the weight to 1e-5

_Square = tuple[float, float, float, float]  # row by row


def intersected(
    motion: Motion, shared: CovM2, x_m: float, y_m: float, cov: CovM2
) -> tuple[Motion, CovM2]:
    """Take in a position whose error, `cov`, may hang together with `shared`.

    Returns:
        The motion, its covariance the independent part, and the new shared part.
    """
    if shared == NOTHING:
        return _taken(motion, NOTHING, (x_m, y_m), NOTHING, cov, cov)

    def left(weight: float) -> float:
        ours, theirs = (
            plus(motion.a, _times(shared, 1.0 / weight)),
            _times(cov, 1 / (1.0 - weight)),
        )
        return _det(ours) * _det(theirs) / _det(plus(ours, theirs))

    weight = _least(left)
    # What a velocity is learnt from is the difference of the two: at most twice their sum.
    differing = _times(plus(shared, cov), 2.0)
    ours, theirs = _times(shared, 1.0 / weight), _times(cov, 1.0 / (1.0 - weight))
    return _taken(motion, ours, (x_m, y_m), NOTHING, theirs, differing)


def updated_beside(
    motion: Motion, shared: CovM2, x_m: float, y_m: float, cov: CovM2
) -> tuple[Motion, CovM2]:
    """Take in an independent position of covariance `cov` where some of the error is shared."""
    return _taken(motion, shared, (x_m, y_m), cov, NOTHING, plus(shared, cov))


def _taken(  # noqa: PLR0913, PLR0917 - the two parts of both sides
    motion: Motion,
    ours: CovM2,
    at: tuple[float, float],
    free: CovM2,
    theirs: CovM2,
    differing: CovM2,
) -> tuple[Motion, CovM2]:
    """Fuse: `ours` and `theirs` are shared, A and `free` are not.

    `differing` is what the difference of fix and track has beyond A: the gain of the velocity.
    """
    x, y, vx, vy, a, b, c = motion
    prior = plus(a, ours)
    gain = _product(_full(prior), _inverse(plus(prior, plus(free, theirs))))
    # Gain of the velocity: B' S^-1, and its transpose.
    pull = _product(_transposed(b), _inverse(plus(a, differing)))
    back = _transposed(pull)
    kept = (1.0 - gain[0], -gain[1], -gain[2], 1.0 - gain[3])
    e, n = at[0] - x, at[1] - y
    # Of the independent errors: Cov(p, v) = (I - K) (B - A G') + K R G'.
    own = _product(kept, _minus(b, _product(_full(a), back)))
    new = _product(gain, _product(_full(free), back))
    learnt = _product(pull, b)
    moved = Motion(
        x + gain[0] * e + gain[1] * n,
        y + gain[2] * e + gain[3] * n,
        vx + pull[0] * e + pull[1] * n,
        vy + pull[2] * e + pull[3] * n,
        plus(_turned(kept, a), _turned(gain, free)),
        (own[0] + new[0], own[1] + new[1], own[2] + new[2], own[3] + new[3]),
        (c[0] - learnt[0], c[1] - 0.5 * (learnt[1] + learnt[2]), c[2] - learnt[3]),
    )
    return moved, plus(_turned(kept, ours), _turned(gain, theirs))


def _least(left: Callable[[float], float]) -> float:
    """Return the weight that leaves least: golden section, always as many steps."""
    low, high = 1e-3, 1.0 - 1e-3
    one, other = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_one, at_other = left(one), left(other)
    for _ in range(_STEPS):
        if at_one <= at_other:
            high, other, at_other = other, one, at_one
            one = high - _GOLDEN * (high - low)
            at_one = left(one)
        else:
            low, one, at_one = one, other, at_other
            other = low + _GOLDEN * (high - low)
            at_other = left(other)
    return 0.5 * (low + high)


def _times(cov: CovM2, factor: float) -> CovM2:
    return (factor * cov[0], factor * cov[1], factor * cov[2])


def _det(cov: CovM2) -> float:
    return cov[0] * cov[2] - cov[1] * cov[1]


def _full(cov: CovM2) -> _Square:
    return (cov[0], cov[1], cov[1], cov[2])


def _inverse(cov: CovM2) -> _Square:
    det = _det(cov)
    return (cov[2] / det, -cov[1] / det, -cov[1] / det, cov[0] / det)


def _product(m: _Square, n: _Square) -> _Square:
    return (
        m[0] * n[0] + m[1] * n[2],
        m[0] * n[1] + m[1] * n[3],
        m[2] * n[0] + m[3] * n[2],
        m[2] * n[1] + m[3] * n[3],
    )


def _transposed(m: _Square) -> _Square:
    return (m[0], m[2], m[1], m[3])


def _minus(m: _Square, n: _Square) -> _Square:
    return (m[0] - n[0], m[1] - n[1], m[2] - n[2], m[3] - n[3])


def _turned(m: _Square, cov: CovM2) -> CovM2:
    """Return M cov M'."""
    half = _product(m, _full(cov))
    return (
        half[0] * m[0] + half[1] * m[1],
        half[0] * m[2] + half[1] * m[3],
        half[2] * m[2] + half[3] * m[3],
    )
