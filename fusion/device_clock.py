"""How wrong a device's clock is: seconds to add to its times so that they are true.

    gap = received_at - sent_at = offset + transit        transit >= 0

`sent_at` is stamped at each transmission, so waiting in the device's queue never counts. Transit
is never negative: a message that came before it was sent proves that the clock runs ahead, and
three that agree tell by how much. Coming long after it was sent proves nothing: a broker may have
kept it. So a clock is behind only where nothing came sooner for seconds on end, the gaps keep
within the jitter of a link, they come as often and as evenly as before (stragglers have holes,
until a horizon has passed), and no other device's messages took as long at that time (then fusion
or the broker lags).
What a device says itself (`clock_offset_s`) counts as soon as the gaps agree.

Up to `tolerance_s` of transit is ordinary and corrects nothing: times stay as they are, to the
millisecond. So a right clock never depends on the order in which messages come.
"""

from collections import deque
from enum import Enum, auto
from itertools import pairwise
from typing import Any, Final, NamedTuple

_AHEAD_S: Final = 0.5  # a gap below minus this is no jitter of synchronised clocks
_BACK_TO_RIGHT_S: Final = (-0.25, 1.0)  # a corrected clock within these is right again
_STEP_S: Final = 0.1  # smaller changes are not followed
_AGREE: Final = 3  # messages that prove a clock ahead
_RUN: Final = 5  # messages at least that prove a clock behind ...
_RUN_KNOWN: Final = 20  # ... of which others had come in time before
_RUN_KEPT: Final = 256
_RECENT_KEPT: Final = 64
_APART_S: Final = 0.1  # messages closer than this count as one, the quickest of them
_WINDOW_S: Final = 5.0
_STEADY_S: Final = 0.25  # how far the quickest of both halves of a run may differ, ...
_DRIFT: Final = 0.02  # ... and besides, for each second of it
_SHARE: Final = 0.75  # of a run lies within the tolerance of its quickest
_UNDECIDED_S: Final = 10.0
_THIN: Final = 1.5  # times the usual time from one message to the next: these are stragglers
_EVEN: Final = 1.15  # mean to median time from one message to the next
_SECONDS: Final = 64  # for which it is known how long messages took
_STALE_S: Final = 60.0
_DECLARED_MOST_S: Final = 1e8
_SIGMA_S: Final = 0.1
_INF: Final = float("inf")


class Heard(Enum):
    """What a message tells of the clock that stamped it."""

    RIGHT = auto()  # nothing new: its times hold, with the offset known
    OPEN = auto()  # it came late; whether by its clock or on its way, the next ones will tell
    WRONG = auto()  # it came before it was sent, and the offset is not known yet


class _Sample(NamedTuple):
    at_s: float  # when it came
    gap_s: float


class DeviceClock:
    """One device's clock, by the messages that came from it."""

    __slots__ = (
        "_declared_s", "_gave_up", "_patience_s", "_periods_s", "_recent", "_right_s", "_run",
        "_sent_s", "_settle_s", "_tolerance_s", "heard_s", "jumps", "offset_s", "sigma_s",
    )  # fmt: skip

    def __init__(self, *, tolerance_s: float, settle_s: float, patience_s: float) -> None:
        """Believe it; after `patience_s` no straggler counts any more."""
        self._tolerance_s = tolerance_s
        self._settle_s = settle_s
        self._patience_s = patience_s
        self._right_s = -_INF  # when a message came last in time
        self._sent_s = -_INF
        self._periods_s: list[float] = []  # from one message in time to the next, lately
        self.offset_s = 0.0  # to add to its times
        self.sigma_s = 0.0  # error of the offset; 0: the clock is believed
        self.heard_s = -_INF
        self.jumps = 0  # how often another offset was found at once
        self._declared_s: float | None = None
        self._run: list[_Sample] = []  # contradicts the offset; nothing since has agreed with it
        self._recent: list[_Sample] = []  # of a clock that is corrected
        self._gave_up = False

    def declare(self, offset_s: float | None) -> None:
        """Take what the device says itself: seconds to add to its time, None: it says nothing."""
        if offset_s is not None and not abs(offset_s) <= _DECLARED_MOST_S:
            offset_s = None
        self._declared_s = offset_s
        if self.heard_s == -_INF:  # it never says when it sends: its word is all there is
            self._believe(offset_s or 0.0)

    def hear(self, at_s: float, gap_s: float, floor_s: float) -> Heard:
        """Take one message's gap; `floor_s`: how long messages of others take now, at least."""
        self.heard_s = at_s
        residual_s = gap_s - self.offset_s
        if self._declared_s is not None and self._agrees(gap_s, floor_s):
            self._run.clear()
            self._believe(self._declared_s)
            return Heard.RIGHT
        if residual_s > self._tolerance_s + floor_s:
            return self._behind(at_s, gap_s, floor_s)
        if residual_s < -self._tolerance_s or (self.offset_s == 0.0 and gap_s < -_AHEAD_S):
            return self._ahead(at_s, gap_s, floor_s)
        self._gave_up, self._right_s = False, at_s
        if self._run:
            self._run.clear()
        self._periods_s.append(abs(at_s - gap_s - self._sent_s))
        self._sent_s = at_s - gap_s
        if len(self._periods_s) > _RECENT_KEPT:
            del self._periods_s[0]
        if self.sigma_s > 0.0:
            self._follow(at_s, gap_s, floor_s)
        return Heard.RIGHT

    def needs_floor(self, gap_s: float) -> bool:
        """Tell whether a gap cannot be judged without the other devices."""
        return self.sigma_s > 0.0 or not -_AHEAD_S <= gap_s <= self._tolerance_s

    def _agrees(self, gap_s: float, floor_s: float) -> bool:
        declared_s = self._declared_s or 0.0
        return -_AHEAD_S <= gap_s - declared_s <= self._tolerance_s + floor_s

    def _believe(self, offset_s: float) -> None:
        if abs(offset_s) < _AHEAD_S:
            offset_s = 0.0
        if abs(offset_s - self.offset_s) > _STEP_S or offset_s == 0.0 != self.offset_s:
            self._set(offset_s, _SIGMA_S)

    def _ahead(self, at_s: float, gap_s: float, floor_s: float) -> Heard:
        """Collect what came too early, until it agrees."""
        if self._run and self._run[-1].gap_s - self.offset_s > 0.0:
            self._run.clear()
        self._run.append(_Sample(at_s, gap_s))
        last = [sample.gap_s for sample in self._run[-_AGREE:]]
        del self._run[:-_AGREE]
        if len(last) == _AGREE and max(last) - min(last) <= self._tolerance_s:
            self._jump(last, floor_s)
            return Heard.RIGHT
        return Heard.RIGHT if gap_s - self.offset_s >= -self._tolerance_s else Heard.WRONG

    def _behind(self, at_s: float, gap_s: float, floor_s: float) -> Heard:
        """Collect what came too late, until it is steady or clearly is not."""
        run = self._run
        if run and run[-1].gap_s - self.offset_s < 0.0:
            run.clear()
        run.append(_Sample(at_s, gap_s))
        known = at_s - self._right_s < self._patience_s
        enough = _RUN_KNOWN if known else _RUN
        while len(run) > enough and (at_s - run[1].at_s > _UNDECIDED_S or len(run) > _RUN_KEPT):
            del run[0]
        if len(run) >= enough and self._is_steady() and (not known or self._has_no_holes()):
            self._jump([sample.gap_s for sample in run], floor_s)
            return Heard.RIGHT
        gaps = [sample.gap_s for sample in run]
        spread_s = max(gaps) - min(gaps)
        if spread_s > self._tolerance_s + 1.0 or at_s - run[0].at_s >= _UNDECIDED_S:
            self._gave_up = True  # on waiting; the run may yet become steady
        return Heard.RIGHT if self._gave_up else Heard.OPEN

    def _is_steady(self) -> bool:
        run = self._run
        span_s = run[-1].at_s - run[0].at_s
        if span_s < self._settle_s:
            return False
        half = len(run) // 2
        first_s = min(sample.gap_s for sample in run[:half])
        second_s = min(sample.gap_s for sample in run[half:])
        if abs(first_s - second_s) > _STEADY_S + _DRIFT * span_s:
            return False
        most_s = min(first_s, second_s) + self._tolerance_s
        near = sum(sample.gap_s <= most_s for sample in run)
        return near >= _SHARE * len(run)

    def _has_no_holes(self) -> bool:
        """Tell a device that goes on sending from the stragglers of one that is quick again."""
        sent_s = sorted(sample.at_s - sample.gap_s for sample in self._run)
        periods_s = sorted(later - one for one, later in pairwise(sent_s))
        mean_s = (sent_s[-1] - sent_s[0]) / len(periods_s)
        usual_s = sorted(self._periods_s)[len(self._periods_s) // 4]
        return mean_s <= _EVEN * periods_s[len(periods_s) // 2] and mean_s <= _THIN * usual_s

    def _jump(self, gaps_s: list[float], floor_s: float) -> None:
        self.jumps += 1
        self._recent = self._run[-_RUN:]
        self._run = []
        self._gave_up = False
        self._settle(gaps_s, floor_s)

    def _follow(self, at_s: float, gap_s: float, floor_s: float) -> None:
        """Follow the drift of a clock that is corrected."""
        recent = self._recent
        _merge(recent, _Sample(at_s, gap_s))
        while len(recent) > _RUN and (
            at_s - recent[0].at_s > _WINDOW_S or len(recent) > _RECENT_KEPT
        ):
            del recent[0]
        self._settle([sample.gap_s for sample in recent], floor_s)

    def _settle(self, gaps_s: list[float], floor_s: float) -> None:
        least_s = min(gaps_s)
        offset_s = least_s - floor_s
        if _BACK_TO_RIGHT_S[0] < offset_s < _BACK_TO_RIGHT_S[1]:
            self._set(0.0, 0.0)
        elif abs(offset_s - self.offset_s) > _STEP_S or self.sigma_s == 0.0:
            spread_s = sum(gaps_s) / len(gaps_s) - least_s
            self._set(offset_s, _SIGMA_S + 0.5 * min(1.0, max(spread_s, floor_s)))

    def _set(self, offset_s: float, sigma_s: float) -> None:
        offset_s = round(offset_s, 3)
        if offset_s == self.offset_s:
            return
        self.offset_s = offset_s
        self.sigma_s = sigma_s if offset_s else 0.0


class Lag:
    """How long messages take now at least, whoever sends them: what is common is no clock.

    Of each second the quickest message is kept, and the quickest of another device. Only devices
    whose clock is believed count: a wrong correction must not seem to prove the next one.
    """

    def __init__(self) -> None:
        """Know nothing."""
        self._seconds: deque[list[Any]] = deque(maxlen=_SECONDS)  # second, least, whose, next

    def note(self, at_s: float, gap_s: float, name: str) -> None:
        """Take how long a message took that a right clock stamped."""
        second = int(at_s)
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, gap_s, name, _INF])
            return
        slot = self._seconds[-1]
        if gap_s < slot[1]:
            if slot[2] != name:
                slot[2], slot[3] = name, slot[1]
            slot[1] = gap_s
        elif slot[2] != name and gap_s < slot[3]:
            slot[3] = gap_s

    def floor_s(self, besides: str, since_s: float) -> float:
        """Return the least of all devices but one since then, or when last known; else 0."""
        least_s = _INF
        for second, first_s, name, next_s in reversed(self._seconds):
            old = second < int(since_s)
            if (old and least_s < _INF) or second < since_s - _STALE_S:
                break
            least_s = min(least_s, next_s if name == besides else first_s)
        return max(0.0, least_s) if least_s < _INF else 0.0


def _merge(samples: list[_Sample], new: _Sample) -> None:
    """Add a sample; of those close together the quickest stands for all."""
    if len(samples) > 1 and 0.0 <= new.at_s - samples[-1].at_s < _APART_S:
        last = samples.pop()
        new = _Sample(last.at_s, min(last.gap_s, new.gap_s))
    samples.append(new)
