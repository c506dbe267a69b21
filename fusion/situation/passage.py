"""What is likely of an uncertain way and a line: both sides of it, passed between looks, decided.

Distances are signed and positive on the side that somebody comes from (DOMAIN.md 5.4).
"""

import math
from typing import Final, NamedTuple

# Nodes and weights of Gauss and Legendre on (0, 1), ten of them: five, and their mirror.
_GAUSS: Final[tuple[tuple[float, float], ...]] = (
    (0.0130467357414141, 0.0333356721543441),
    (0.0674683166555077, 0.0747256745752903),
    (0.1602952158504878, 0.1095431812579910),
    (0.2833023029353764, 0.1346333596549982),
    (0.4255628305091844, 0.1477621123573764),
)
_NODES: Final[tuple[tuple[float, float], ...]] = (
    *_GAUSS,
    *((1.0 - node, weight) for node, weight in _GAUSS),
)
_FAR: Final = 30.0  # sigmas: nothing of a Gaussian lies beyond
_STEEP: Final = 500.0  # exponents above it would overflow soon


def below(sigmas: float) -> float:
    """Return Phi, the share of a Gaussian below so many sigmas."""
    return 0.5 * math.erfc(-sigmas * math.sqrt(0.5))


def both_sides(before_m: float, before_sigma_m: float, now_m: float, now_sigma_m: float,
               correlation: float) -> float:  # fmt: skip
    """Return P(d0 > 0 and d1 < 0) of two jointly Gaussian distances to a line.

    Phi2(h, k, -rho) with h = d0 / s0 and k = -d1 / s1 is, after Plackett (Drezner & Wesolowsky
    1990; Genz 2004), Phi(h) Phi(k) less

        1 / 2 pi  integral from 0 to asin rho of exp(-(h² + k² + 2 h k sin t) / (2 cos² t)) dt

    Args:
        before_m: Distance then, positive where it came from.
        before_sigma_m: Its error, 1 sigma.
        now_m: Distance now, negative beyond.
        now_sigma_m: Its error.
        correlation: Of the two errors, 0 to 1: what both share.
    """
    h, k = before_m / before_sigma_m, -now_m / now_sigma_m
    at_least = below(h) - below(-k)  # Bonferroni: exact where all the error is shared
    if correlation <= 0.0:
        return below(h) * below(k)
    turn = math.asin(min(1.0, correlation))
    shared = 0.0
    if max(abs(h), abs(k)) < _FAR:
        for node, weight in _NODES:
            sine = math.sin(turn * node)
            cosine2 = 1.0 - sine * sine
            shared += weight * math.exp(-0.5 * (h * h + k * k + 2.0 * h * k * sine) / cosine2)
    both = below(h) * below(k) - turn * shared / (2.0 * math.pi)
    return max(0.0, at_least, both)


def first_passage(distance_m: float, drift_m: float, sigma_m: float) -> float:
    """Return P(over the line at some moment) of a Brownian way with drift, from one look on.

    Phi((-d - m) / s) + exp(-2 m d / s²) Phi((-d + m) / s): DOMAIN.md 5.4, with mu T = m and
    sigma sqrt T = s. However it went in between, and though it may be back by now.

    Args:
        distance_m: To the line at the start, not negative.
        drift_m: How far it goes in the mean; negative, towards the line.
        sigma_m: Of where that leads, 1 sigma.
    """
    gone = below((-distance_m - drift_m) / sigma_m)
    reflected = (-distance_m + drift_m) / sigma_m
    steep = -2.0 * drift_m * distance_m / sigma_m**2
    if steep < _STEEP:
        return min(1.0, gone + math.exp(steep) * below(reflected))
    # Phi(z) is exp(-z² / 2) / (-z sqrt(2 pi)) so far out, and the two exponents nearly cancel.
    left = math.exp(-0.5 * ((distance_m + drift_m) / sigma_m) ** 2)
    return min(1.0, gone - left / (reflected * math.sqrt(2.0 * math.pi)))


class Bounds(NamedTuple):
    """Between which a sequential test goes on: log-likelihood ratios of the event and nothing."""

    accept: float
    reject: float


def bounds(false_alarm: float, miss: float) -> Bounds:
    """Return the bounds of Wald's sequential test: ln((1 - miss) / alarm), ln(miss / (1 - alarm)).

    Args:
        false_alarm: How likely nothing may be taken for the event.
        miss: How likely the event may be taken for nothing.
    """
    return Bounds(
        accept=math.log((1.0 - miss) / false_alarm), reject=math.log(miss / (1.0 - false_alarm))
    )
