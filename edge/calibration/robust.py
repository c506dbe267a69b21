"""A robust fit: first guesses, a loss that forgives, then outliers named and left out.

The loss is Cauchy's, tightened in steps (graduated non-convexity); it only decides where to look.
What is reported is the plain least-squares fit to the landmarks that agree.
"""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from edge.calibration.least_squares import Minimum, minimise
from edge.calibration.model import EAST, K1, NORTH, TURN_X, UP, Model
from edge.calibration.start import Guess, first_guesses
from edge.camera import BoolArray, FloatArray

# 999 in 1,000 good ones lie within: squared distances, in a plane and on a line.
_GOOD_IN_A_PLANE: Final = 13.8155
_GOOD_ON_A_LINE: Final = 10.8276
_FIRST_LOSS: Final = 50.0
_NEXT_LOSSES: Final = (10.0, 3.0)
_MOST_REFINED: Final = 6
_SAME_DEG: Final = 0.05
_SAME_COST: Final = 0.5
_REWEIGHTED: Final = 3
_ROUNDS: Final = 8
_SETTLED: Final = 1e-3  # of the scale of each value
_NINETEEN_IN_TWENTY: Final = 1.6449  # one-sided, of a Gaussian
_MEDIAN_OF_RAYLEIGH: Final = 1.17741
MOST_SCALE: Final = 5.0
_TURN_STEP: Final = 1e-2
# Of a residual's variance at least so much is kept, however much its landmark pulled the fit.
_LEAST_SHARE: Final = 0.05
# Two poses are as good as each other within so much cost, and differ from so much on.
_AS_GOOD: Final = 6.0
_ANOTHER_DEG: Final = 2.0


class Agreement(NamedTuple):
    """The pose that most landmarks agree on."""

    model: Model  # of all landmarks; its sigmas widened where the residuals demand it
    minimum: Minimum  # of the used ones
    used: BoolArray  # (N,) landmarks
    used_horizon: BoolArray  # (H,)
    off: FloatArray  # (N,) distance from the fit, in sigmas of that distance
    off_horizon: FloatArray  # (H,)
    widened: float  # the factor on the sigmas, 1 or more
    rivals: int  # other poses that explain the landmarks as well


@dataclass(frozen=True)
class _Candidate:
    """One start, refined with the forgiving loss."""

    model: Model
    values: FloatArray
    cost: float


def agree(model: Model, guesses: list[Guess] | None = None) -> Agreement | None:
    """Fit robustly; None where no guess can be made at all.

    Args:
        model: The landmarks and what is known before.
        guesses: Where to begin; None: wherever the landmarks themselves say.
    """
    begun = [_begin(model, g) for g in (first_guesses(model) if guesses is None else guesses)]
    if not begun:
        return None
    candidates = [_refine(candidate) for candidate in _distinct(begun)]
    candidates.sort(key=lambda candidate: candidate.cost)
    best = candidates[0]
    rivals = [
        other
        for other in candidates[1:]
        if other.cost - best.cost < _AS_GOOD and _angle_deg(best, other) > _ANOTHER_DEG
    ]
    fitted = _without_outliers(best.model, best.values, _noise(best))
    demanded = min(widening_demanded(fitted), MOST_SCALE)
    if demanded < fitted.widened:
        fitted = _without_outliers(best.model, fitted.minimum.values, demanded)
    return fitted._replace(rivals=len(rivals))


def widening_demanded(found: Agreement) -> float:
    """Return the factor on the landmarks' own sigmas that the residuals of the used ones demand.

    It is 1 where chance explains them in 95 of 100 cases; else their sum of squares comes to
    what is expected.
    """
    freedom = len(found.minimum.jacobian) - len(found.model.free)
    squares = found.minimum.cost * found.widened**2
    if freedom < 1 or squares <= most_by_chance(freedom):
        return 1.0
    return max(float(np.sqrt(squares / freedom)), 1.0)


def most_by_chance(freedom: int) -> float:
    """Return what 95 of 100 sums of so many squares stay below (Wilson and Hilferty)."""
    part = 2.0 / (9.0 * freedom)
    return float(freedom * (1.0 - part + _NINETEEN_IN_TWENTY * np.sqrt(part)) ** 3)


def fit_used(
    model: Model, values: FloatArray, used: BoolArray, used_horizon: BoolArray
) -> Minimum:
    """Fit by plain least squares to some of the landmarks."""
    part = subset(model, used, used_horizon)
    return minimise(lambda free: stacked(part, free), values, scales(part))


def subset(model: Model, used: BoolArray, used_horizon: BoolArray) -> Model:
    """Return the model with some of its landmarks."""
    return replace(
        model,
        points_enu_m=model.points_enu_m[used],
        pixels=model.pixels[used],
        sigma_px=model.sigma_px[used],
        horizon=model.horizon[used_horizon],
        horizon_sigma_px=model.horizon_sigma_px[used_horizon],
        walked=None if model.walked is None else model.walked.of(used),
    )


def stacked(model: Model, free_values: FloatArray) -> FloatArray:
    """Return all residuals in one row: landmarks (2 N), horizon (H), prior (P)."""
    off = model.residuals(model.state(free_values))
    return np.concatenate((off.landmarks.ravel(), off.horizon, off.prior))


def scales(model: Model) -> FloatArray:
    """Return how much of each free value matters: metres and seconds, or hundredths."""
    return np.array([_TURN_STEP if TURN_X <= index <= K1 else 1.0 for index in model.free])


def covariance(minimum: Minimum) -> FloatArray:
    """Return the covariance (P, P) of the free values, from the Jacobian."""
    size = np.sqrt(np.sum(minimum.jacobian**2, axis=0))
    size = np.where(size > 0.0, size, 1.0)
    unit = minimum.jacobian / size
    inverse = np.linalg.pinv(unit.T @ unit, hermitian=True, rcond=1e-14)
    spread: FloatArray = inverse / np.outer(size, size)
    return spread


def _begin(model: Model, guess: Guess) -> _Candidate:
    """Follow one guess downhill; from far off with a loss that forgives nearly everything."""
    east_m, north_m, up_m = guess.offset_m
    given = {EAST: east_m, NORTH: north_m, UP: up_m}
    values = np.array([float(given.get(index, 0.0)) for index in model.free])
    begun = replace(model, start=guess.rotation)
    off = np.linalg.norm(begun.residuals(begun.state(values)).landmarks, axis=1)
    if np.median(off) > _NEXT_LOSSES[0]:
        values = _reweighted(begun, values, _FIRST_LOSS)
    values = _reweighted(begun, values, _NEXT_LOSSES[0])
    return _Candidate(begun, values, _forgiving_cost(begun, values, _NEXT_LOSSES[-1]))


def _refine(candidate: _Candidate) -> _Candidate:
    """Follow a candidate on, with losses that forgive less and less."""
    model, values = candidate.model, candidate.values
    for loss in _NEXT_LOSSES:
        for _ in range(_REWEIGHTED):
            before, values = values, _reweighted(model, values, loss)
            if np.abs((values - before) / scales(model)).max() < _SETTLED:
                break
    return _Candidate(model, values, _forgiving_cost(model, values, _NEXT_LOSSES[-1]))


def _reweighted(model: Model, values: FloatArray, loss: float) -> FloatArray:
    weights = _weights(model, values, loss)
    return minimise(
        lambda free: stacked(model, free) * weights, values, scales(model), rounds=_ROUNDS
    ).values


def _distinct(candidates: list[_Candidate]) -> list[_Candidate]:
    """Return the best few candidates, of those that have met only one."""
    kept: list[_Candidate] = []
    for candidate in sorted(candidates, key=lambda candidate: candidate.cost):
        if len(kept) == _MOST_REFINED:
            break
        if all(_differ(candidate, other) for other in kept):
            kept.append(candidate)
    return kept


def _weights(model: Model, values: FloatArray, loss: float) -> FloatArray:
    """Return the roots of Cauchy's weights for `stacked`; both parts of a pixel weigh alike."""
    off = model.residuals(model.state(values))
    squares = np.sum(off.landmarks**2, axis=1)
    return np.concatenate(
        (
            np.repeat(1.0 / np.sqrt(1.0 + squares / loss**2), 2),
            1.0 / np.sqrt(1.0 + off.horizon**2 / loss**2),
            np.ones(len(off.prior)),
        )
    )


def _forgiving_cost(model: Model, values: FloatArray, loss: float) -> float:
    off = model.residuals(model.state(values))
    squares = np.concatenate((np.sum(off.landmarks**2, axis=1), off.horizon**2))
    return float(np.sum(loss**2 * np.log1p(squares / loss**2)) + np.sum(off.prior**2))


def _differ(one: _Candidate, other: _Candidate) -> bool:
    return abs(one.cost - other.cost) > _SAME_COST or _angle_deg(one, other) > _SAME_DEG


def _angle_deg(one: _Candidate, other: _Candidate) -> float:
    turn = one.model.rotation(one.model.state(one.values)).T @ other.model.rotation(
        other.model.state(other.values)
    )
    return float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1.0) / 2.0, -1.0, 1.0))))


def _noise(candidate: _Candidate) -> float:
    """Return how much larger than claimed the landmarks' noise is: 1 to `MOST_SCALE`.

    From the median, which outliers do not move, with the freedom that the fit used up put back.
    """
    off = candidate.model.residuals(candidate.model.state(candidate.values)).landmarks
    measured = off.size
    left = max(measured - len(candidate.model.free), 1)
    median = float(np.median(np.linalg.norm(off, axis=1)))
    noise = median / _MEDIAN_OF_RAYLEIGH * float(np.sqrt(measured / left))
    return min(max(noise, 1.0), MOST_SCALE)


def _without_outliers(model: Model, values: FloatArray, widened: float) -> Agreement:
    """Leave out, one after another, what lies too far from the fit to the others."""
    wide = replace(
        model,
        sigma_px=model.sigma_px * widened,
        horizon_sigma_px=model.horizon_sigma_px * widened,
    )
    off = wide.residuals(wide.state(values))
    used = np.sum(off.landmarks**2, axis=1) < _GOOD_IN_A_PLANE
    used_horizon = off.horizon**2 < _GOOD_ON_A_LINE
    for _ in range(2 * (len(used) + len(used_horizon)) + 1):
        minimum = fit_used(wide, values, used, used_horizon)
        values = minimum.values
        far, far_horizon = _distances(wide, minimum, used, used_horizon)
        excess = np.concatenate((far / _GOOD_IN_A_PLANE, far_horizon / _GOOD_ON_A_LINE))
        both = np.concatenate((used, used_horizon))
        wrong = np.where(both, excess, 1.0 / np.maximum(excess, 1e-9))
        worst = int(np.argmax(wrong))
        if wrong[worst] <= 1.0:
            break
        both[worst] = not both[worst]
        used, used_horizon = both[: len(used)], both[len(used) :]
    return Agreement(
        wide, minimum, used, used_horizon, np.sqrt(far), np.sqrt(far_horizon), widened, 0
    )


def _distances(
    model: Model, minimum: Minimum, used: BoolArray, used_horizon: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return squared distances (N,), (H,) from the fit, in variances of that distance.

    The fit has drawn itself towards what it used (I - J P J'), not towards the rest (I + J P J').
    """
    whole = minimise(lambda free: stacked(model, free), minimum.values, scales(model), rounds=0)
    slopes, spread = whole.jacobian, covariance(minimum)
    off = model.residuals(model.state(minimum.values))
    count = len(used)
    at_landmarks = slopes[: 2 * count].reshape(count, 2, -1)
    pulled = at_landmarks @ spread @ at_landmarks.transpose(0, 2, 1)
    variance = np.eye(2) + np.where(used, -1.0, 1.0)[:, None, None] * pulled
    values, axes = np.linalg.eigh(variance)
    along = np.einsum("nij,ni->nj", axes, off.landmarks)
    far = np.sum(along**2 / np.maximum(values, _LEAST_SHARE), axis=1)
    at_horizon = slopes[2 * count : 2 * count + len(used_horizon)]
    pulled_line = np.einsum("hp,pq,hq->h", at_horizon, spread, at_horizon)
    line = 1.0 + np.where(used_horizon, -1.0, 1.0) * pulled_line
    return far, off.horizon**2 / np.maximum(line, _LEAST_SHARE)
