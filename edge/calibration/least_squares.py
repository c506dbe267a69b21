"""Levenberg and Marquardt's least squares for a dozen unknowns, with numeric derivatives."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from edge.camera import FloatArray

_ROUNDS: Final = 60
_ENOUGH: Final = 1e-12
_FIRST_DAMPING: Final = 1e-3
_MOST_DAMPING: Final = 1e12
_STEP: Final = 1e-5


class Minimum(NamedTuple):
    """Where a sum of squares is least."""

    values: FloatArray  # (P,)
    cost: float  # the sum of squares there
    jacobian: FloatArray  # (M, P) of the residuals there


def minimise(
    residuals: Callable[[FloatArray], FloatArray],
    start: FloatArray,
    scale: FloatArray,
    *,
    rounds: int = _ROUNDS,
) -> Minimum:
    """Minimise the sum of squares of `residuals(values)` (M,) from `start` (P,).

    Args:
        residuals: Of the values (P,).
        start: Where to begin.
        scale: How much of each value matters (P,): metres, radians; steps are shares of it.
        rounds: After so many accepted or refused steps it ends.
    """
    values = start.copy()
    off = residuals(values)
    cost, damping = float(off @ off), _FIRST_DAMPING
    slopes = jacobian(residuals, values, scale)
    for _ in range(rounds):
        normal = slopes.T @ slopes
        weight = np.diag(normal) + 1e-12 / scale**2
        step = np.linalg.solve(normal + damping * np.diag(weight), -(slopes.T @ off))
        new_off = residuals(values + step)
        new_cost = float(new_off @ new_off)
        if not new_cost < cost:
            damping *= 8.0
            if damping > _MOST_DAMPING:
                break
            continue
        gained = cost - new_cost
        values, off, cost = values + step, new_off, new_cost
        damping = max(damping / 10.0, 1e-14)
        slopes = jacobian(residuals, values, scale)
        if gained <= _ENOUGH * cost + 1e-18:
            break
    return Minimum(values, cost, slopes)


def jacobian(
    residuals: Callable[[FloatArray], FloatArray], values: FloatArray, scale: FloatArray
) -> FloatArray:
    """Return the derivatives (M, P) of residuals, by central differences."""
    columns = []
    for index, size in enumerate(scale):
        step = np.zeros(len(values))
        step[index] = _STEP * size
        columns.append((residuals(values + step) - residuals(values - step)) / (2.0 * step[index]))
    return np.column_stack(columns)
