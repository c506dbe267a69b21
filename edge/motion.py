"""How a lens moves and turns, and what a wrong clock makes of it.

A flight log is joined to a film by time. One error of that time, d, takes the lens v d away from
where it is said to be and turns it by w d at once: at 30 degrees a second a tenth of a second is
3 degrees, more than everything else together. Both are one error with one cause, so both are kept
together: what moves the hit of a ray r at the distance s is (v + s w x r) d, and the two halves
may add up or, with a gimbal that holds a target, cancel.

Vectors are east, north, up at the lens.
"""

from typing import Final, NamedTuple

Vector = tuple[float, float, float]


class Drift(NamedTuple):
    """One sigma of a clock, as the way that the lens makes and the turn it takes meanwhile."""

    shift_m: Vector
    turn_rad: Vector  # about axes, by the right-hand rule: t x r is how a ray r moves


class Motion(NamedTuple):
    """How fast the lens moves and turns."""

    velocity_mps: Vector
    turn_radps: Vector

    def during(self, seconds: float) -> Drift:
        """Return how far it gets in a time."""
        east, north, up = self.velocity_mps
        about_east, about_north, about_up = self.turn_radps
        return Drift(
            (east * seconds, north * seconds, up * seconds),
            (about_east * seconds, about_north * seconds, about_up * seconds),
        )


STILL: Final = Motion((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
NO_DRIFT: Final = STILL.during(0.0)
