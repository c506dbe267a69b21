"""How far off each device is, learnt from people whom two devices see at the same time.

A mount or compass that is off by an angle shifts a fix the more the farther it lies, so no fixed
shift on the ground is learnt but how many of its own declared sigmas a device is off, along its
ray and across it (DOMAIN.md 4.3):

    z = p + s_along a u + s_across c n + noise        u: unit ray eye -> fix, n: its left normal
    s²_along = u' B u, s²_across = n' B n             B: cov_bias_m2 of this very fix

`(a, c)` start as N(0, I). Two fixes of one person from two devices differ by both biases: a linear
measurement of the difference. What all have in common no pair can tell. Devices of declared
variances v know of one of them at best what all of them together would know of the person:

    1 / (1/v + sum of 1/v_i of those that it was compared with)

No variance is taken below that, and all grow back with time: mounts and compasses drift. And a
number that holds at one range does not quite hold at another, since pitch, height and place err
as the square of the range, as the range, and not at all: that part is never learnt.
"""

import math
from typing import Final, NamedTuple

from fusion.local_frame import CovM2
from fusion.tracking.fixes import Fix, Ray, Sighted
from fusion.tracking.motion import plus

Pair = tuple[str, str]
_PARTNERS: Final = 8
_DRIFT_S: Final = 900.0  # after so long without a pair most of what was learnt is doubted again
TOGETHER_S: Final = 1.0  # two fixes of one person from two devices, at most so far apart
MISTAKEN_M2: Final = 25.0  # the other fix may be that of whoever walks in front of or behind them
# Of the declared variance; 0.08 from 60 to 100 m with a lens at 10 m, 0.3 from 60 to 190 m.
_MISFIT: Final = 0.1
_LEAST_M2: Final = 1e-4
_GATE: Final = 9.2103  # chi-squared, 2 degrees of freedom: 0.99


class Offset(NamedTuple):
    """How many of its declared sigmas a device is off, and how sure that is."""

    at_s: float  # when it was learnt last
    along: float
    across: float
    cov: CovM2  # of (along, across), in squared sigmas
    # With whom it was compared, and how much each can tell at best: its own variance along and
    # across, over the other's in these directions.
    partners: tuple[tuple[str, float, float], ...] = ()


def unknown(at_s: float) -> Offset:
    """Return what is known of a device at first: what it declares."""
    return Offset(at_s, 0.0, 0.0, (1.0, 0.0, 1.0))


def ray_of(eye_x_m: float, eye_y_m: float, x_m: float, y_m: float, bias: CovM2) -> Ray | None:
    """Return the ray to a fix; None where it has no direction, or no bias is declared."""
    d_x, d_y = x_m - eye_x_m, y_m - eye_y_m
    away_m = math.hypot(d_x, d_y)
    if away_m < 1.0 or bias[0] + bias[2] <= 0.0:
        return None
    u_x, u_y = d_x / away_m, d_y / away_m
    along, across = _along(bias, u_x, u_y), _along(bias, -u_y, u_x)
    return Ray(u_x, u_y, math.sqrt(max(0.0, along)), math.sqrt(max(0.0, across)))


def aged(offset: Offset, at_s: float) -> Offset:
    """Return an offset as it is known some time later: Ornstein-Uhlenbeck about N(0, I)."""
    fresh = math.exp(-max(0.0, at_s - offset.at_s) / _DRIFT_S)
    left, (xx, xy, yy) = fresh * fresh, offset.cov
    cov = (1.0 - left * (1.0 - xx), left * xy, 1.0 - left * (1.0 - yy))
    at_s = max(at_s, offset.at_s)
    return Offset(at_s, fresh * offset.along, fresh * offset.across, cov, offset.partners)


def shift_of(offset: Offset, ray: Ray) -> tuple[float, float]:
    """Return how far a device's fix lies off, m."""
    along, across = offset.along * ray.along_m, offset.across * ray.across_m
    return along * ray.u_x - across * ray.u_y, along * ray.u_y + across * ray.u_x


def doubt_of(offset: Offset, ray: Ray) -> CovM2:
    """Return the covariance of `shift_of`, m²: what is left of the device's bias."""
    xx, xy, yy = offset.cov
    xx, yy = min(1.0, xx + _MISFIT), min(1.0, yy + _MISFIT)
    along, cross = ray.along_m**2 * xx, ray.along_m * ray.across_m * xy
    across, (u_x, u_y) = ray.across_m**2 * yy, ray[:2]
    return (
        along * u_x * u_x - 2.0 * cross * u_x * u_y + across * u_y * u_y,
        (along - across) * u_x * u_y + cross * (u_x * u_x - u_y * u_y),
        along * u_y * u_y + 2.0 * cross * u_x * u_y + across * u_x * u_x,
    )


def corrected(fix: Fix, offset: Offset) -> Fix:
    """Return a fix without what its device is known to be off."""
    if fix.ray is None:
        return fix
    (off_x_m, off_y_m), bias = shift_of(offset, fix.ray), doubt_of(offset, fix.ray)
    return fix._replace(
        x_m=fix.x_m - off_x_m, y_m=fix.y_m - off_y_m, bias=bias, cov=plus(fix.random, bias)
    )


def compared(  # noqa: PLR0913, PLR0917 - two devices, two fixes, their noise and names
    one: Offset, here: Sighted, other: Offset, there: Sighted, noise_m2: float, names: Pair
) -> tuple[Offset, Offset] | None:
    """Learn from one person seen by two devices at once; None if they cannot be the same.

    Args:
        one: What is known of the first device now.
        here: Its fix.
        other: What is known of the second one now.
        there: Its fix, moved on to the same instant.
        noise_m2: What that moving on, and anything else besides their own errors, adds each way.
        names: Of both devices.
    """
    (one_x, one_y), (other_x, other_y) = shift_of(one, here.ray), shift_of(other, there.ray)
    y_x = here.x_m - there.x_m - one_x + other_x
    y_y = here.y_m - there.y_m - one_y + other_y
    here_bias, there_bias = doubt_of(one, here.ray), doubt_of(other, there.ray)
    xx, xy, yy = plus(plus(here.random, there.random), plus(here_bias, there_bias))
    xx, yy = xx + noise_m2, yy + noise_m2
    det = xx * yy - xy * xy
    inverse = (yy / det, -xy / det, xx / det)
    pull = (inverse[0] * y_x + inverse[1] * y_y, inverse[1] * y_x + inverse[2] * y_y)
    if y_x * pull[0] + y_y * pull[1] > _GATE:
        return None
    first, second = names
    return (
        _learnt(_met(one, here.ray, there.ray, second), here.ray, inverse, pull),
        _learnt(_met(other, there.ray, here.ray, first), there.ray, inverse, (-pull[0], -pull[1])),
    )


def _met(offset: Offset, own: Ray, others: Ray, name: str) -> Offset:
    """Note how much another device can tell of this one, at best."""
    declared = doubt_of(unknown(0.0), others)
    along = own.along_m**2 / max(_LEAST_M2, _along(declared, own.u_x, own.u_y))
    across = own.across_m**2 / max(_LEAST_M2, _along(declared, -own.u_y, own.u_x))
    known = {partner[0]: partner for partner in offset.partners}
    if name in known:
        along, across = max(along, known[name][1]), max(across, known[name][2])
    elif len(known) >= _PARTNERS:
        return offset
    known[name] = (name, along, across)
    return offset._replace(partners=tuple(known[partner] for partner in sorted(known)))


def _along(cov: CovM2, u_x: float, u_y: float) -> float:
    xx, xy, yy = cov
    return u_x * u_x * xx + 2.0 * u_x * u_y * xy + u_y * u_y * yy


def _learnt(offset: Offset, ray: Ray, inverse: CovM2, pull: tuple[float, float]) -> Offset:
    """Kalman update of (along, across): x + P H' pull, P - P H' S⁻¹ H P."""
    p_xx, p_xy, p_yy = offset.cov
    u_x, u_y = ray.u_x, ray.u_y
    h_a = ray.along_m * (pull[0] * u_x + pull[1] * u_y)
    h_c = ray.across_m * (pull[1] * u_x - pull[0] * u_y)
    i_xx, i_xy, i_yy = inverse
    # M = H' S⁻¹ H
    m_aa = ray.along_m**2 * _along(inverse, u_x, u_y)
    m_cc = ray.across_m**2 * _along(inverse, -u_y, u_x)
    m_ac = u_x * u_y * (i_yy - i_xx) + (u_x * u_x - u_y * u_y) * i_xy
    m_ac *= ray.along_m * ray.across_m
    # P M
    t_aa, t_ac = p_xx * m_aa + p_xy * m_ac, p_xx * m_ac + p_xy * m_cc
    t_ca, t_cc = p_xy * m_aa + p_yy * m_ac, p_xy * m_ac + p_yy * m_cc
    least_along = 1.0 / (1.0 + sum(partner[1] for partner in offset.partners))
    least_across = 1.0 / (1.0 + sum(partner[2] for partner in offset.partners))
    along = max(min(p_xx, least_along), p_xx - t_aa * p_xx - t_ac * p_xy)
    across = max(min(p_yy, least_across), p_yy - t_ca * p_xy - t_cc * p_yy)
    most = 0.9 * math.sqrt(along * across)
    return offset._replace(
        along=offset.along + p_xx * h_a + p_xy * h_c,
        across=offset.across + p_xy * h_a + p_yy * h_c,
        cov=(along, max(-most, min(most, p_xy - t_aa * p_xy - t_ac * p_yy)), across),
    )
