"""Who goes out of sight on a trail goes on along it, round its bends, for a while.

         .- seen last
        v                  where it would be: it keeps its pace along the trail, and
    ==>==>- - - - - - .    across it no farther off than the trail is wide
                       `- - ->

Along the trail its pace wanders about the last one as an Ornstein-Uhlenbeck process does
(DOMAIN.md 5.2), of memory m and deviation s. After t, with e = exp(-t/m) and k = m (1 - e), from
variances a of the place, c of the pace, b between them:

    a + 2 k b + k² c + s² m (2t - m (3 - 4e + e²))     grows like a walk and not like t³
    e b + e k c + s² m (1 - e)²
    e² c + s² (1 - e²)
"""

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from fusion.local_frame import CovM2, Metres
from fusion.tracking.motion import Motion

_WIDTH_M: Final = 3.0  # people keep within so much of the line as drawn
_SLOWEST_MPS: Final = 0.4  # whoever stands goes nowhere
_FASTEST_MPS: Final = 2.0  # on foot
_ALONG: Final = 0.7  # cosine of the most that they head elsewhere
_MEMORY_S: Final = 20.0
_PACE_MPS: Final = 0.7  # 1 sigma
_ACROSS_MPS: Final = 0.2  # 1 sigma
_ACROSS_M2PS: Final = 0.5  # after 18 s they may be anywhere on its width
_FAR_M: Final = 30.0  # the trail lies nowhere near: nobody is taken to be on it
_CELL_M: Final = 64.0
_MAX_CELLS: Final = 50_000


class Ahead(NamedTuple):
    """Where somebody unseen would be at an instant, and how they would move."""

    at_s: float
    motion: Motion


class _Leg(NamedTuple):
    """From one vertex of a trail to the next."""

    x_m: float
    y_m: float
    u_x: float  # unit vector
    u_y: float
    length_m: float
    way: int  # which trail
    number: int  # in it


class Ways:
    """The trails of one sector, as people walk them."""

    def __init__(self, lines: Iterable[tuple[Metres, ...]]) -> None:
        """Take the lines of the trails."""
        self._lines = [tuple(_legs(line, number)) for number, line in enumerate(lines)]
        # A memo of pure geometry, filled as tracks come by: it changes no answer.
        self._near: dict[tuple[int, int], tuple[_Leg, ...]] = {}

    def onward(self, motion: Motion, doubt: CovM2, dt_s: float) -> Motion | None:
        """Return where somebody is some time later if they keep to their trail.

        Args:
            motion: Where they were and how they moved.
            doubt: Full covariance of that place.
            dt_s: How much later.

        Returns:
            None: they are on none, or do not go along it.
        """
        speed_mps = math.hypot(motion.vx_mps, motion.vy_mps)
        if speed_mps < _SLOWEST_MPS:
            return None
        within_m = min(_FAR_M, _WIDTH_M + math.sqrt(max(doubt[0], doubt[2])))
        leg = self._leg(motion, within_m, _ALONG * speed_mps)
        if leg is None:
            return None
        pace_mps = motion.vx_mps * leg.u_x + motion.vy_mps * leg.u_y
        pace_mps = min(_FASTEST_MPS, max(-_FASTEST_MPS, pace_mps))
        there, s_m = self._walked(leg, _foot_m(leg, motion.x_m, motion.y_m) + pace_mps * dt_s)
        return _moved(motion, leg, there, s_m, pace_mps, dt_s)

    def _leg(self, motion: Motion, within_m: float, aligned_mps: float) -> _Leg | None:
        """Return the nearest leg that somebody goes along."""
        cell = (math.floor(motion.x_m / _CELL_M), math.floor(motion.y_m / _CELL_M))
        legs = self._near.get(cell)
        if legs is None:
            legs = self._remember(cell)
        best, best_m = None, within_m
        for leg in legs:
            if abs(motion.vx_mps * leg.u_x + motion.vy_mps * leg.u_y) < aligned_mps:
                continue
            away_m = _away_m(leg, motion.x_m, motion.y_m)
            if away_m <= best_m:
                best, best_m = leg, away_m
        return best

    def _walked(self, leg: _Leg, s_m: float) -> tuple[_Leg, float]:
        """Return the leg of a trail, and how far along it, `s_m` from a leg's first vertex on.

        Past the trail's end it is straight on.
        """
        legs, index = self._lines[leg.way], leg.number
        while s_m > legs[index].length_m and index + 1 < len(legs):
            s_m -= legs[index].length_m
            index += 1
        while s_m < 0.0 < index:
            index -= 1
            s_m += legs[index].length_m
        return legs[index], s_m

    def _remember(self, cell: tuple[int, int]) -> tuple[_Leg, ...]:
        """Find every leg that lies near enough to some point of a cell."""
        x_m, y_m = (cell[0] + 0.5) * _CELL_M, (cell[1] + 0.5) * _CELL_M
        reach_m = _FAR_M + _CELL_M * math.sqrt(0.5)
        every = (leg for legs in self._lines for leg in legs)
        found = tuple(leg for leg in every if _away_m(leg, x_m, y_m) <= reach_m)
        if len(self._near) >= _MAX_CELLS:
            self._near.clear()
        self._near[cell] = found
        return found


def _legs(line: tuple[Metres, ...], way: int) -> Iterator[_Leg]:
    index = 0
    for a, b in pairwise(line):
        length_m = math.dist(a, b)
        if length_m > 0.0:
            u_x, u_y = (b.x_m - a.x_m) / length_m, (b.y_m - a.y_m) / length_m
            yield _Leg(a.x_m, a.y_m, u_x, u_y, length_m, way, index)
            index += 1


def _foot_m(leg: _Leg, x_m: float, y_m: float) -> float:
    """Return how far along a leg a point lies, on it or on its extension."""
    return (x_m - leg.x_m) * leg.u_x + (y_m - leg.y_m) * leg.u_y


def _away_m(leg: _Leg, x_m: float, y_m: float) -> float:
    s_m = min(leg.length_m, max(0.0, _foot_m(leg, x_m, y_m)))
    return math.hypot(x_m - leg.x_m - s_m * leg.u_x, y_m - leg.y_m - s_m * leg.u_y)


def _moved(  # noqa: PLR0913, PLR0917 - where from, where to, and how
    motion: Motion, leg: _Leg, there: _Leg, s_m: float, pace_mps: float, dt_s: float
) -> Motion:
    """Carry a motion from one leg on to where another is `s_m` long; `pace_mps` is signed."""
    u_x, u_y = leg.u_x, leg.u_y
    # To the left of the trail, as far as it is wide.
    aside_m = (motion.y_m - leg.y_m) * u_x - (motion.x_m - leg.x_m) * u_y
    aside_m = min(_WIDTH_M, max(-_WIDTH_M, aside_m))
    a, c = _along(motion.a, u_x, u_y), _along(motion.c, u_x, u_y)
    b0, b1, b2, b3 = motion.b
    b = b0 * u_x * u_x + (b1 + b2) * u_x * u_y + b3 * u_y * u_y
    e = math.exp(-dt_s / _MEMORY_S)
    k, s2 = _MEMORY_S * (1.0 - e), _PACE_MPS**2
    walk_m2 = s2 * _MEMORY_S * (2.0 * dt_s - _MEMORY_S * (3.0 - 4.0 * e + e * e))
    a_along = a + 2.0 * k * b + k * k * c + walk_m2
    b_along = e * b + e * k * c + s2 * _MEMORY_S * (1.0 - e) ** 2
    c_along = e * e * c + s2 * (1.0 - e * e)
    a_across = min(_WIDTH_M**2, _along(motion.a, -u_y, u_x) + dt_s * _ACROSS_M2PS)
    u_x, u_y = there.u_x, there.u_y
    return Motion(
        there.x_m + s_m * u_x - aside_m * u_y,
        there.y_m + s_m * u_y + aside_m * u_x,
        pace_mps * u_x,
        pace_mps * u_y,
        _laid(a_along, a_across, u_x, u_y),
        (b_along * u_x * u_x, b_along * u_x * u_y, b_along * u_x * u_y, b_along * u_y * u_y),
        _laid(c_along, _ACROSS_MPS**2, u_x, u_y),
    )


def _along(cov: CovM2, u_x: float, u_y: float) -> float:
    return u_x * u_x * cov[0] + 2.0 * u_x * u_y * cov[1] + u_y * u_y * cov[2]


def _laid(along: float, across: float, u_x: float, u_y: float) -> CovM2:
    """Return the covariance with these variances along a unit vector and across it."""
    return (
        along * u_x * u_x + across * u_y * u_y,
        (along - across) * u_x * u_y,
        along * u_y * u_y + across * u_x * u_x,
    )
