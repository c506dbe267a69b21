"""Is anybody there at all? The log-odds of a track, look by look (Wald's sequential test).

    seen      + ln(detect / clutter) + ln(c / (1 - c))      c: the detection's confidence
    missed    + ln((1 - detect) / (1 - clutter))            where its device evidently looks

Whatever flickers at a confidence of 0.26 must do so long; who is seen at 0.9 is there at once.
"""

import math
from collections.abc import Sequence
from typing import Final

from fusion.rulebook import TrackingRule

_SUREST: Final = 0.95  # no detector is believed more, nor less than it leaves
_MOST: Final = 12.0  # old evidence fades against new
_FULL: Final = 5.0  # as sure as this a track coasts its full time
_SURE: Final = 0.95  # of how many there are at least
_LEAST: Final = 0.2  # of it, however doubtful


class Existence:
    """How one rule weighs what is seen and what is not."""

    def __init__(self, rule: TrackingRule) -> None:
        """Take detection and clutter probabilities from a rule."""
        self.confirming = _logit(rule.confirm_probability)
        self._hit = math.log(rule.detect / rule.clutter)
        self._miss = math.log((1.0 - rule.detect) / (1.0 - rule.clutter))

    def begun(self, confidence: float) -> float:
        """Return the log-odds after a first detection."""
        return _logit(confidence)

    def seen(self, log_odds: float, confidence: float) -> float:
        """Return the log-odds after one more detection."""
        return min(_MOST, log_odds + self._hit + _logit(confidence))

    def missed(self, log_odds: float) -> float:
        """Return the log-odds after a look that should have shown it."""
        return log_odds + self._miss

    def share(self, log_odds: float) -> float:
        """Return how much of the coasting time a track gets: who was hardly there, less."""
        return min(1.0, max(_LEAST, log_odds / _FULL))


def probability(log_odds: float) -> float:
    """Return the probability that anybody is there."""
    return 1.0 / (1.0 + math.exp(-log_odds))


def surely(probabilities: Sequence[float]) -> int:
    """Return how many there are at least, at 95 %, if each is there independently."""
    exactly = [1.0]  # the probability of none, one, two, ...: the Poisson-binomial distribution
    for p in probabilities:
        there, gone = [0.0, *(p * q for q in exactly)], [*((1.0 - p) * q for q in exactly), 0.0]
        exactly = [a + b for a, b in zip(there, gone, strict=True)]
    at_least, count = 1.0, 0
    for fewer in exactly[:-1]:
        at_least -= fewer
        if at_least < _SURE:
            break
        count += 1
    return count


def _logit(probability: float) -> float:
    believed = min(_SUREST, max(1.0 - _SUREST, probability))
    return math.log(believed / (1.0 - believed))
