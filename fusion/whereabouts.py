"""Where a unit or a moving sensor was, and whether it can be where it now says it is.

A position is held against its neighbours in event time, two on each side, whatever came first:
from most of them it must be reachable at the greatest speed, give or take both errors. One that
is not is set aside, until a few that agree with one another say that it really is there.
"""

import math
from bisect import bisect_left
from typing import Final, NamedTuple

_SIGMAS: Final = 3.0
_SLACK_M: Final = 50.0  # receivers lag, jump between satellites and round
_NEAR: Final = 2  # neighbours on each side that are asked
_KEPT: Final = 240
_KEPT_APART_S: Final = 0.5


class Spot(NamedTuple):
    """Where something said it was."""

    at_s: float
    x_m: float
    y_m: float
    error_m: float  # 1 sigma or so


class Whereabouts:
    """The believed spots of one mover, and those it may have jumped to."""

    __slots__ = ("_aside", "_confirm", "_known", "_speed_mps")

    def __init__(self, *, speed_mps: float, confirm: int) -> None:
        """Know nothing; `confirm` spots that agree are believed against all others."""
        self._speed_mps = speed_mps
        self._confirm = confirm
        self._known: list[Spot] = []  # by time
        self._aside: list[Spot] = []

    def believes(self, spot: Spot) -> bool:
        """Tell whether it can have been there; remember it either way."""
        known = self._known
        index = bisect_left(known, spot)
        near = known[max(0, index - _NEAR) : index + _NEAR]
        against = [one for one in near if not self._reaches(one, spot)]
        if not near or 2 * len(against) < len(near):
            for one in against:  # what the others and this one contradict
                known.remove(one)
            self._keep(spot)
            return True
        self._aside = (
            [one for one in self._aside if one.at_s != spot.at_s and self._reaches(one, spot)][
                1 - self._confirm :
            ]
            if self._confirm > 1
            else []
        )
        self._aside.append(spot)
        if len(self._aside) < self._confirm:
            return False
        # It is there after all: what contradicts that is no measure any more.
        self._known = sorted(
            [one for one in known if all(self._reaches(one, new) for new in self._aside)]
            + self._aside
        )
        self._aside = []
        return True

    def _reaches(self, one: Spot, other: Spot) -> bool:
        way_m = math.hypot(one.x_m - other.x_m, one.y_m - other.y_m)
        error_m = _SLACK_M + _SIGMAS * (one.error_m + other.error_m)
        return way_m <= error_m + self._speed_mps * abs(one.at_s - other.at_s)

    def _keep(self, spot: Spot) -> None:
        index = bisect_left(self._known, spot)
        beside = self._known[max(0, index - 1) : index + 1]
        if any(abs(one.at_s - spot.at_s) < _KEPT_APART_S for one in beside):
            return
        self._known.insert(index, spot)
        if len(self._known) > _KEPT:
            del self._known[0]
