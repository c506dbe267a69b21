"""How sure a count is: exact one-sided bounds (DOMAIN.md 2.5).

Ten false alerts in a week say something of the next week, none in an hour nearly nothing: a rate
without its bound flatters.

Each bound is where the tail beyond what was counted has just the doubt that is left. A tail is
summed from the count outward, where its terms fall, and no farther than they matter.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

CONFIDENCE: Final = 0.95
_ENOUGH: Final = 1e-12  # of the value that is sought
_STEPS: Final = 100
_NEGLIGIBLE: Final = 1e-14  # of a sum, what its next term adds
_KEPT: Final = 4096  # answers: a page asks for the same ones again


@lru_cache(_KEPT)
def poisson_upper(count: int, confidence: float = CONFIDENCE) -> float:
    """Return the largest mean that a count of events still agrees with (Garwood 1936).

    Args:
        count: Events seen, 0 or more.
        confidence: That the true mean is no larger, 0.5 or more and less than 1.
    """

    def over(mean: float) -> float:
        return 1.0 - confidence - _sum(_fewer(count, mean))

    high = count + 1.0
    while over(high) < 0.0:
        high += math.sqrt(high)
    return _root(over, float(count), high)


@lru_cache(_KEPT)
def poisson_lower(count: int, confidence: float = CONFIDENCE) -> float:
    """Return the smallest mean that a count of events still agrees with (Garwood 1936)."""
    if count == 0:
        return 0.0
    return _root(lambda mean: _sum(_more(count, mean)) - (1.0 - confidence), 0.0, float(count))


@lru_cache(_KEPT)
def binomial_lower(successes: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Return the smallest probability of success that agrees with a count (Clopper, Pearson 1934).

    Args:
        successes: Of the trials, 0 or more.
        trials: At least as many; with none nothing is known, and the bound is 0.
        confidence: That the true probability is no smaller, 0.5 or more and less than 1.
    """
    if successes == 0:
        return 0.0
    if successes == trials:
        return math.exp(math.log(1.0 - confidence) / trials)

    def over(probability: float) -> float:
        return _sum(_successes(successes, trials, probability)) - (1.0 - confidence)

    return _root(over, 0.0, successes / trials)


def binomial_upper(successes: int, trials: int, confidence: float = CONFIDENCE) -> float:
    """Return the largest probability of success that agrees with a count; of no trials, 1."""
    return 1.0 - binomial_lower(trials - successes, trials, confidence)


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    """Return where a rising function is 0 between two places (false position, Illinois)."""
    at_low, at_high = rising(low), rising(high)
    side = 0
    for _ in range(_STEPS):
        if high - low <= _ENOUGH * high or at_high == at_low:
            break
        middle = high - at_high * (high - low) / (at_high - at_low)
        value = rising(middle)
        if value == 0.0:
            return middle
        if value > 0.0:
            if abs(high - middle) <= _ENOUGH * high:
                return middle
            high, at_high, at_low = middle, value, at_low / 2.0 if side > 0 else at_low
            side = 1
        else:
            if abs(middle - low) <= _ENOUGH * high:
                return middle
            low, at_low, at_high = middle, value, at_high / 2.0 if side < 0 else at_high
            side = -1
    return 0.5 * (low + high)


def _sum(terms: Iterator[float]) -> float:
    """Add up terms that fall, as far as they matter."""
    total = 0.0
    for term in terms:
        total += term
        if term <= _NEGLIGIBLE * total:
            break
    return total


def _fewer(count: int, mean: float) -> Iterator[float]:
    """Yield the probabilities of `count` events, of one less, and so on; `mean` is no less."""
    term = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1)) if mean else 1.0
    for number in range(count, -1, -1):
        yield term
        term *= number / mean if mean else 0.0


def _more(count: int, mean: float) -> Iterator[float]:
    """Yield the probabilities of `count` events, of one more, and so on; `mean` is no more."""
    term = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1)) if mean else 0.0
    number = count
    while True:
        yield term
        number += 1
        term *= mean / number


def _successes(successes: int, trials: int, probability: float) -> Iterator[float]:
    """Yield the probabilities of `successes`, of one more, and so on; fewer are likelier."""
    if probability == 0.0:
        return
    yes, no, rest = math.log(probability), math.log1p(-probability), trials - successes
    ways = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(rest + 1)
    term, odds = math.exp(ways + successes * yes + rest * no), probability / (1.0 - probability)
    for number in range(successes, trials + 1):
        yield term
        term *= odds * (trials - number) / (number + 1)
