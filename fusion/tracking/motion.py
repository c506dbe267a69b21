"""Constant velocity in the plane: predict and update, in plain floats.

Matrices of this size are faster by hand than in numpy. The covariance of the state
`(x, y, vx, vy)` is kept as its blocks, each a tuple:

    P = | A  B |   A = (xx, xy, yy)            position, m²
        | B' C |   B = (x·vx, x·vy, y·vx, y·vy)  m²/s
                   C = (vx·vx, vx·vy, vy·vy)   velocity, m²/s²
"""

from typing import NamedTuple

from fusion.local_frame import CovM2


class Motion(NamedTuple):
    """Where something is and how it moves, at one instant."""

    x_m: float
    y_m: float
    vx_mps: float
    vy_mps: float
    a: CovM2
    b: tuple[float, float, float, float]
    c: CovM2


def born(x_m: float, y_m: float, cov: CovM2, *, speed_sigma_mps: float) -> Motion:
    """Start at one measured position, with a velocity that only its class limits."""
    var = speed_sigma_mps**2
    return Motion(x_m, y_m, 0.0, 0.0, cov, (0.0, 0.0, 0.0, 0.0), (var, 0.0, var))


def predicted(motion: Motion, dt_s: float, noise: float) -> Motion:
    """Move on by `dt_s`; `noise` is the spectral density of white acceleration, m²/s³."""
    if dt_s <= 0.0:
        return motion
    x, y, vx, vy, (xx, xy, yy), (b0, b1, b2, b3), (c0, c1, c2) = motion
    half = 0.5 * noise * dt_s * dt_s
    third = half * dt_s / 1.5
    t2 = dt_s * dt_s
    return Motion(
        x + vx * dt_s,
        y + vy * dt_s,
        vx,
        vy,
        (
            xx + 2.0 * dt_s * b0 + t2 * c0 + third,
            xy + dt_s * (b1 + b2) + t2 * c1,
            yy + 2.0 * dt_s * b3 + t2 * c2 + third,
        ),
        (b0 + dt_s * c0 + half, b1 + dt_s * c1, b2 + dt_s * c1, b3 + dt_s * c2 + half),
        (c0 + noise * dt_s, c1, c2 + noise * dt_s),
    )


def updated(motion: Motion, x_m: float, y_m: float, cov: CovM2) -> Motion:
    """Kalman update with a measured position of covariance `cov`."""
    x, y, vx, vy, (xx, xy, yy), (b0, b1, b2, b3), (c0, c1, c2) = motion
    s0, s1, s2 = xx + cov[0], xy + cov[1], yy + cov[2]
    det = s0 * s2 - s1 * s1
    i0, i1, i2 = s2 / det, -s1 / det, s0 / det
    # Gain, rows x y vx vy: [A; B'] S⁻¹.
    k00, k01 = xx * i0 + xy * i1, xx * i1 + xy * i2
    k10, k11 = xy * i0 + yy * i1, xy * i1 + yy * i2
    k20, k21 = b0 * i0 + b2 * i1, b0 * i1 + b2 * i2
    k30, k31 = b1 * i0 + b3 * i1, b1 * i1 + b3 * i2
    e, n = x_m - x, y_m - y
    return Motion(
        x + k00 * e + k01 * n,
        y + k10 * e + k11 * n,
        vx + k20 * e + k21 * n,
        vy + k30 * e + k31 * n,
        (
            xx - k00 * xx - k01 * xy,
            xy - k00 * xy - k01 * yy,
            yy - k10 * xy - k11 * yy,
        ),
        (
            b0 - k00 * b0 - k01 * b2,
            b1 - k00 * b1 - k01 * b3,
            b2 - k10 * b0 - k11 * b2,
            b3 - k10 * b1 - k11 * b3,
        ),
        (
            c0 - k20 * b0 - k21 * b2,
            c1 - k20 * b1 - k21 * b3,
            c2 - k30 * b1 - k31 * b3,
        ),
    )


def mahalanobis(motion: Motion, x_m: float, y_m: float, cov: CovM2) -> tuple[float, float]:
    """Return `(d², |S|)` of a measured position; S is the sum of the two covariances."""
    e, n = x_m - motion.x_m, y_m - motion.y_m
    xx, xy, yy = motion.a
    s0, s1, s2 = xx + cov[0], xy + cov[1], yy + cov[2]
    det = s0 * s2 - s1 * s1
    return (s2 * e * e - 2.0 * s1 * e * n + s0 * n * n) / det, det


def plus(a: CovM2, b: CovM2) -> CovM2:
    """Add two covariances."""
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])
