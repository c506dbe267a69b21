"""How sure a count is: exact one-sided bounds (DOMAIN.md 2.5), by bisection.

Ten false alerts in a week say something of the next week, none in an hour nearly nothing: a rate
without its bound flatters.
"""

import math
from collections.abc import Callable, Iterator
from typing import Final

CONFIDENCE: Final = 0.95
_HALVINGS: Final = 50


def poisson_upper(count: int, confidence: float = CONFIDENCE) -> float:
    """Return the largest mean that a count of events still agrees with (Garwood 1936).

    Args:
        count: Events seen, 0 or more.
        confidence: That the true mean is no larger, between 0 and 1.
    """

    def agrees(mean: float) -> bool:
        return math.fsum(_poisson(count, mean)) > 1.0 - confidence

    largest = count + 1.0
    while agrees(largest):
        largest *= 2.0
    return _last(agrees, 0.0, largest)


def binomial_lower(successes: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Return the smallest probability of success that agrees with a count (Clopper, Pearson 1934).

    Args:
        successes: Of the trials, 0 or more.
        trials: At least as many; with none nothing is known, and the bound is 0.
        confidence: That the true probability is no smaller, between 0 and 1.
    """
    if successes == 0:
        return 0.0

    def disagrees(probability: float) -> bool:
        return math.fsum(_binomial(successes, trials, probability)) < 1.0 - confidence

    return _last(disagrees, 0.0, 1.0)


def _last(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Return where what holds at `low`, and not at `high`, ends."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return 0.5 * (low + high)


def _poisson(count: int, mean: float) -> Iterator[float]:
    """Yield the probabilities of `count` events, of one less, and so on."""
    for number in range(count, -1, -1):
        yield math.exp(number * math.log(mean) - mean - math.lgamma(number + 1))


def _binomial(successes: int, trials: int, probability: float) -> Iterator[float]:
    """Yield the probabilities of `successes`, of one more, and so on."""
    yes, no = math.log(probability), math.log1p(-probability)
    ways = math.lgamma(trials + 1)
    for number in range(successes, trials + 1):
        rest = trials - number
        log = ways - math.lgamma(number + 1) - math.lgamma(rest + 1) + number * yes + rest * no
        yield math.exp(log)
