r"""How far off hits may be where first order does not hold: the ray is swept through its error.

```
  lens *==.._  swept up: the hit runs away, or there is none
        \ `-._``--..__
         \    `-._    ``--..__
  --------x-------*------------`x----- ground
       swept down  nominal
```
The error of a ray's elevation is what bends: at 3 degrees, half a degree down is 330 m, half a
degree up 460 m. So the ray is turned through plus and minus four sigma of its elevation in fixed
steps, each turned ray meets the ground for itself, and only the rest of the error is first order
at each of these hits. No chance is involved: the same input gives the same covariance. A clock
that is off turns the ray and moves the lens together: at each step the lens is where the clock
would have it that explains its share of the turn, and what else the clock may do is in the rest.

What comes out is the second moment about the nominal hit, which is the place that is told. Rays
that meet no ground count for nothing, and over flat ground neither do those that go four times
farther than the nominal one: who stands there does not look like who was seen. So the tail is cut
where it begins to outweigh the rest; `grazing` says that there is one.

A relief is always swept: a ridge under the error has no derivative.
"""

from typing import Final, NamedTuple

import numpy as np

from edge.camera import BoolArray, FloatArray, Pose
from edge.ground import Ground, GroundModel, Hits, meet
from edge.uncertainty import Sources, Tilts, cross, lens_and_ground, outer, slides

# Flatter than this the error is no ellipse any more: it has a long tail away from the lens.
GRAZING_DEG: Final = 10.0
# First order misses a share of about 4 (sigma / angle)^2 of the standard deviation: 2.6 % here.
# With one degree of error that begins at 12.5 degrees, with two at 25.
SMALL_SHARE: Final = 0.08
REACH: Final = 4.0

_STEPS: Final = np.linspace(-4.0, 4.0, 33)[:, None]  # sigmas
_DENSITY: Final = np.exp(-(_STEPS**2) / 2.0)
_TINY: Final = 1e-12


class _Turns(NamedTuple):
    """The errors of rays' directions, split in elevation over the ground and across."""

    up: FloatArray  # (3, N) unit, away from the ground, at a right angle to the ray
    side: FloatArray  # (3, N) unit, at a right angle to both
    var_up: FloatArray  # (N,) rad^2
    cov: FloatArray  # (N,)
    var_side: FloatArray  # (N,)
    clock_up: FloatArray  # (N,) what one sigma of the clock turns upwards, rad
    clock_side: FloatArray  # (N,) and sideways


def must_sweep(hits: Hits, turned: Tilts, shared: Sources, ground: GroundModel) -> BoolArray:
    """Tell (N,) where first order does not hold."""
    if not isinstance(ground, Ground):
        return hits.ok
    swept: BoolArray = hits.ok & (hits.steepness < np.sin(np.radians(GRAZING_DEG)))
    # An elevation errs no more than the whole direction: few need the closer look.
    most = float(np.linalg.eigvalsh(shared.whole_turn)[-1]) + sum(
        np.einsum("in,in->n", tilt, tilt) for tilt in turned
    )
    doubtful = np.flatnonzero(hits.ok & ~swept & (most > (SMALL_SHARE * hits.steepness) ** 2))
    some = hits.at(doubtful)
    sigma = np.sqrt(_turns(some, turned.at(doubtful), shared).var_up)
    swept[doubtful] = sigma > SMALL_SHARE * np.arcsin(np.minimum(some.steepness, 1.0))
    return swept


def second_moment(
    hits: Hits, turned: Tilts, shared: Sources, pose: Pose, ground: GroundModel
) -> FloatArray:
    """Sweep the rays of these hits, all of them ok; return covariances (3, N)."""
    turns = _turns(hits, turned, shared)
    shape = (len(_STEPS), len(hits.ok))
    angle = _STEPS * np.sqrt(turns.var_up)  # (steps, N)
    per_up = 1.0 / np.maximum(turns.var_up, _TINY)
    aside = angle * (turns.cov * per_up)
    left = np.sqrt(np.maximum(turns.var_side - turns.cov**2 * per_up, 0.0))
    rays = (
        hits.rays[:, None] * np.cos(angle)
        + turns.up[:, None] * np.sin(angle)
        + turns.side[:, None] * aside
    ).reshape(3, -1)
    found = meet(rays / np.sqrt(np.sum(rays**2, axis=0)), pose, ground)
    weight = np.where(found.ok.reshape(shape), _DENSITY, 0.0)
    if isinstance(ground, Ground):
        weight[found.slant_m.reshape(shape) > REACH * hits.slant_m] = 0.0
    rows = slides(found)
    side = np.broadcast_to(turns.side[:, None] * left, (3, *shape)).reshape(3, -1)
    # Measured from the sweep's own middle: its rays are as far from the lens and bend alike.
    moved_m = (found.rays[:2] * found.slant_m).reshape(2, *shape)
    moved_m -= moved_m[:, [len(_STEPS) // 2]]
    sideways = side * found.slant_m
    spread = lens_and_ground(found, rows, shared)
    if shared.clock is not None:
        # The clock given the elevation, in sigmas: its mean, then what goes with the rest of the
        # turn sideways, then what goes with nothing.
        mean = angle * (turns.clock_up * per_up)
        with_side = turns.clock_side - turns.cov * turns.clock_up * per_up
        with_side = with_side / np.maximum(left, _TINY**0.5)
        alone = 1.0 - turns.clock_up**2 * per_up - with_side**2
        alone = np.sqrt(np.maximum(alone, 0.0))
        shift_m = np.broadcast_to(shared.clock.shift_m[:, None], sideways.shape)
        along_m = rows.moved(shift_m).reshape(2, *shape)
        moved_m += along_m * mean
        sideways = sideways + (shift_m.reshape(3, *shape) * with_side).reshape(3, -1)
        spread += outer((along_m * alone).reshape(2, -1))
    spread += outer(rows.moved(sideways)) + outer(moved_m.reshape(2, -1))
    spread = spread.reshape(3, *shape)
    moment: FloatArray = np.sum(spread * weight, axis=1) / np.sum(weight, axis=0)
    return moment


def in_step(part: FloatArray, whole: FloatArray, swept: FloatArray) -> FloatArray:
    """Stretch a part of the first-order error as sweeping stretched the whole of it.

    All are covariances (3, N). With A = swept^(1/2) whole^(-1/2) the whole becomes A whole A^T =
    swept and the part A part A^T, which therefore stays a part: the rest is no negative error.
    """
    root, shrink = _root(_matrices(swept)), np.linalg.inv(_root(_matrices(whole)))
    stretch = root @ shrink
    stretched = stretch @ _matrices(part) @ stretch.swapaxes(1, 2)
    return np.stack((stretched[:, 0, 0], stretched[:, 0, 1], stretched[:, 1, 1]))


def _turns(hits: Hits, turned: Tilts, shared: Sources) -> _Turns:
    up = hits.normal + hits.rays * hits.steepness
    # A ray square on the ground has no elevation to err in: then any direction will do.
    up = up + 1e-9 * cross(hits.rays, np.roll(hits.rays, 1, axis=0))
    up /= np.sqrt(np.sum(up**2, axis=0))
    side = cross(hits.rays, up)
    # A small turn t takes the ray by t x r: by t.side upwards and by -t.up sideways.
    turn = shared.whole_turn
    about_side, about_up = turn @ side, turn @ up
    clock = np.zeros(3) if shared.clock is None else shared.clock.turn_rad
    upwards = [np.sum(tilt * up, axis=0) for tilt in turned]
    sideways = [np.sum(tilt * side, axis=0) for tilt in turned]
    return _Turns(
        up,
        side,
        np.sum(about_side * side, axis=0) + sum(tilt * tilt for tilt in upwards),
        sum(one * other for one, other in zip(upwards, sideways, strict=True))
        - np.sum(about_side * up, axis=0),
        np.sum(about_up * up, axis=0) + sum(tilt * tilt for tilt in sideways),
        clock @ side,
        -clock @ up,
    )


def _matrices(covariance: FloatArray) -> FloatArray:
    """Return (3, N) as (N, 2, 2), a hair wider, so that none is singular."""
    hair = 1e-12 * (covariance[0] + covariance[2]) + 1e-18
    east, cov, north = covariance
    rows: FloatArray = np.stack((east + hair, cov, cov, north + hair), axis=-1)
    return rows.reshape(-1, 2, 2)


def _root(matrices: FloatArray) -> FloatArray:
    """Return the square roots of positive definite matrices (N, 2, 2), in closed form."""
    det = np.sqrt(np.maximum(np.linalg.det(matrices), 0.0))
    trace = np.trace(matrices, axis1=1, axis2=2)
    scaled: FloatArray = matrices + det[:, None, None] * np.eye(2)
    scaled /= np.sqrt(trace + 2.0 * det)[:, None, None]
    return scaled
