"""Samples in the order of their times: what runs against the rest, and jumps of clocks.

A wrong time is one sample's fault, not that of all behind it: the longest run of samples whose
times increase is kept, and what does not fit into it is left out.

A clock is told by another: the log's by the film's. Where the log's own clock is all that tells
media time (`timed_by_clock`), it is told by the log's beat: so many samples, so much time. A step
off it is either lost samples or a jump, and nobody knows which, so that from there on nobody knows
where in the film they belong, until a stamp of the film says it again.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from edge.camera import FloatArray
from edge.telemetry.samples import Sample

# A clock that runs so much faster or slower than the film between two samples has jumped.
CLOCK_TOLERANCE_S: Final = 1.5
OUT_OF_ORDER: Final = "not later than the sample before it"
AHEAD: Final = "later than the sample after it"
OTHER_DAY: Final = "of another day than the rest of the log"

# Nor has one that skips less than this many beats: so many samples may be lost.
_LOST_BEATS: Final = 2.0
# A log has a beat if so many of its steps lie within half of it.
_REGULAR_SHARE: Final = 0.75
_BEAT_WITHIN: Final = 0.5
_LONGEST_LOG_S: Final = 86_400.0


class OwnTimes(NamedTuple):
    """Media times that a log's own clock tells, in the order of the log."""

    media_times_s: list[float | None]  # None: no time, or one of another day; counted
    sure: bool  # False: nobody knows how long before the first of them the log began


def own_times(clocks_s: Sequence[float | None], skipped: Counter[str]) -> OwnTimes:
    """Count media time from a log's begin by its own clock alone.

    A clock that was set in flight began on another day (1970 or 2000, say): such samples are left
    out and counted. A beat for each of them, and for each without a time, passed before the first
    that is left; where that is longer than `CLOCK_TOLERANCE_S`, it is no longer sure.

    Args:
        clocks_s: Seconds of an unknown zero; None where a sample has no time (the caller counts).
        skipped: Gets a count by reason.
    """
    clocks = np.array(clocks_s, dtype=np.float64)  # NaN: no time
    known = np.sort(clocks[~np.isnan(clocks)])
    if len(known) == 0:
        return OwnTimes([None] * len(clocks_s), sure=True)
    # The middle one, so that a few wrong ones do not choose the day.
    same_day = np.abs(clocks - known[len(known) // 2]) <= _LONGEST_LOG_S
    skipped[OTHER_DAY] += len(known) - int(np.sum(same_day))
    first, beat_s = int(np.argmax(same_day)), _beat_s(clocks[same_day])
    lead_s = first * (beat_s or 0.0)
    times_s = clocks - clocks[first] + lead_s
    return OwnTimes(
        [float(at_s) if good else None for at_s, good in zip(times_s, same_day, strict=True)],
        sure=first == 0 or (beat_s is not None and lead_s <= CLOCK_TOLERANCE_S),
    )


def in_order(samples: Sequence[Sample], skipped: Counter[str]) -> list[Sample]:
    """Leave out, and count, samples that run against the others; mark jumps of the clock.

    Of samples that tell their time by the log's clock alone, all behind a jump are marked, the
    first one behind them included; and so are all behind one that comes marked already.
    """
    times_s = [sample.media_time_s for sample in samples]
    places = _longest_run(times_s)
    _count_left_out(times_s, places, skipped)
    own_s = np.array([row.media_time_s for row in samples if row.timed_by_clock])
    beat_s = _beat_s(own_s)
    kept: list[Sample] = []
    lost = False
    for number, place in enumerate(places):
        sample = samples[place]
        jumped = sample.jumped
        if kept:
            before = kept[-1]
            passed_s = sample.media_time_s - before.media_time_s
            if sample.timed_by_clock and beat_s is not None:
                expected_s = (place - places[number - 1]) * beat_s
                jumped = jumped or _off_beat(passed_s - expected_s, beat_s)
            elif sample.clock_s is not None and before.clock_s is not None:
                strayed_s = abs(sample.clock_s - before.clock_s - passed_s)
                jumped = jumped or strayed_s > CLOCK_TOLERANCE_S
        jumped = jumped or lost
        lost = jumped and sample.timed_by_clock
        kept.append(msgspec.structs.replace(sample, jumped=True) if jumped else sample)
    return kept


def _off_beat(strayed_s: float, beat_s: float) -> bool:
    return abs(strayed_s) > max(CLOCK_TOLERANCE_S, _LOST_BEATS * beat_s)


def _beat_s(times_s: FloatArray) -> float | None:
    """Return the time from one sample (N,) to the next, or None for a log without a rhythm."""
    steps_s = np.diff(times_s)
    steps_s = steps_s[steps_s > 0.0]
    if len(steps_s) == 0:
        return None
    beat_s = float(np.median(steps_s))
    regular = np.abs(steps_s - beat_s) <= _BEAT_WITHIN * beat_s
    return beat_s if float(np.mean(regular)) >= _REGULAR_SHARE else None


def _longest_run(times_s: Sequence[float]) -> list[int]:
    """Return the places of a longest strictly increasing run; of equal times the first one.

    Patience sorting, O(n log n): `ends[k]` is the place of the least time at which a run of k + 1
    may end, `before` leads back along the run.
    """
    ends: list[int] = []
    least_s: list[float] = []
    before: list[int] = []
    for place, at_s in enumerate(times_s):
        length = bisect_left(least_s, at_s)
        before.append(ends[length - 1] if length else -1)
        if length == len(ends):
            ends.append(place)
            least_s.append(at_s)
        elif at_s < least_s[length]:
            ends[length], least_s[length] = place, at_s
    run: list[int] = []
    place = ends[-1] if ends else -1
    while place >= 0:
        run.append(place)
        place = before[place]
    return run[::-1]


def _count_left_out(times_s: Sequence[float], kept: Sequence[int], skipped: Counter[str]) -> None:
    """Count what lies between the kept places, by which of its neighbours it runs against."""
    for before, after in zip((-1, *kept), (*kept, len(times_s)), strict=True):
        for place in range(before + 1, after):
            late = before < 0 or times_s[place] > times_s[before]
            skipped[AHEAD if late else OUT_OF_ORDER] += 1
