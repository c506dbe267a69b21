"""Who belongs together: people who walk the same way, side by side or one behind the other.

    o o o        o        a chain of links: at most `link_m` apart any way, or `file_m` along the
     o o    .    .    o   way that both go: a guide walks ahead, stragglers come behind

A farmer whom they pass is as near to them for a moment, and may go their way for a step. So a link
is a history: over the last seconds both went as far, the same way. Only where one of them is not
known for so long, or both stand, their velocities now must do.

How many they are is the most that were seen together, each by a track of its own, for some seconds
in all: not at one instant, when a doubled track would count, and never a sum over frames. Whoever
walked together for long enough is a fellow for good: where they part before the line, or cross it
one long after the other, they are still one group.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Final

from msgspec.structs import replace

from fusion.rulebook import GroupsRule
from fusion.situation.companions import Companions, Fellow, Past
from fusion.tracking.motion import Motion
from fusion.tracking.track import Track

FRESH_S = 2.0  # whoever was not seen for longer may have been born again under another id
COUNTED_LATELY_S: Final = 1.0  # whoever was not seen for longer is not counted
COUNT_S: Final = 2.0  # of event time, from one count to the next
_WALKS_MPS: Final = 0.4  # whoever is slower goes no way
_TRACE_S: Final = 20.0  # so far back both must have gone the same way ...
_KNOWN_S: Final = 6.0  # ... or at least so far, if one of them was not seen before;
_APART_S: Final = 10.0  # who has just come into view is not held to be apart from anybody sooner
_WENT_M: Final = 4.0  # who both went less far stand about, together or not
_TURN_M: Final = 6.0  # who went so far, and as far back, turned round ...
_ROUND: Final = 0.7  # ... by 135 degrees or more
_PARTS_MPS: Final = 0.25  # on average over that time; white acceleration of a walker explains it
_NEW_PARTS: Final = 0.5  # of that for who was long seen without the other: closing up is not yet
_MET_S: Final = 4.0  # ... and has not walked with them for so long
_FELLOWS: Final = 16  # remembered of one track: those it was with the longest
_FELLOW_S: Final = 10.0
_ABREAST_M: Final = 15.0  # off the way of who walks ahead: bends, and errors
_MOST: Final = 40  # counted together; more are a crowd

Walker = tuple[Track, Motion]


def company(
    first: Track, others: Iterable[Walker], at_s: float, rule: GroupsRule
) -> tuple[Track, ...]:
    """Return a track and everyone linked to it, link by link, in order of their ids.

    Args:
        first: The track whose company is sought.
        others: All tracks with their motion at `at_s`.
        at_s: The instant.
        rule: How close a link must be, in place and in velocity.
    """
    near = [
        (track, motion)
        for track, motion in others
        if track.confirmed and track.kind == first.kind and at_s - track.seen_s <= FRESH_S
    ]

    def linked(here: Walker, there: Walker) -> bool:
        if not _is_near(here[1], there[1], rule):
            return False
        known = _went_together(here, there, at_s, for_s=_APART_S)
        return _drift_mps(here[1], there[1]) <= rule.link_speed_mps if known is None else known

    chain = [walker for walker in near if walker[0].id == first.id]
    left = [walker for walker in near if walker[0].id != first.id]
    for here in chain:  # it grows
        joins = [linked(here, there) for there in left]
        chain += [there for there, joined in zip(left, joins, strict=True) if joined]
        left = [there for there, joined in zip(left, joins, strict=True) if not joined]
    return tuple(sorted((track for track, _ in chain), key=lambda track: track.id))


def counted_together(
    walkers: Sequence[Walker], at_s: float, rule: GroupsRule
) -> Iterator[tuple[Track, ...]]:
    """Count who walks together now: yield each company, and each lone walker, as known after it.

    Args:
        walkers: Confirmed tracks of one kind that were seen lately, with their motion at `at_s`.
        at_s: The instant, a multiple of `COUNT_S`.
        rule: How close a link must be.
    """
    for column in _columns(walkers, at_s, rule):
        names = sorted(track.id for track, _ in column)
        yield tuple(_after(track, motion, names, at_s) for track, motion in column)


def _after(track: Track, motion: Motion, names: Sequence[str], at_s: float) -> Track:
    """Return a track as it is known after one more count of its company."""
    known = track.companions
    trace = (*_of_late(track, at_s), _past(track, motion, at_s))
    if _turned_round(trace):
        # Whoever they met on the way may have got their name, or they walk with others now.
        known = Companions()
    for_s = dict(known.fellows)
    for name in names:
        if name != track.id:
            for_s[name] = for_s.get(name, 0.0) + COUNT_S
    longest_first = sorted(for_s.items(), key=lambda one: (-one[1], one[0]))[:_FELLOWS]
    together = _seen_together(known.together, len(names))
    fellows = tuple(Fellow(*one) for one in sorted(longest_first))
    return replace(track, companions=Companions(trace, together, fellows))


def _turned_round(trace: Sequence[Past]) -> bool:
    """Tell whether somebody walked one way of late and the other way now."""
    began, ended = trace[0], trace[-1]
    for turn in trace[1:-1]:
        x_m, y_m = turn.x_m - began.x_m, turn.y_m - began.y_m
        back_x_m, back_y_m = ended.x_m - turn.x_m, ended.y_m - turn.y_m
        there_m, back_m = math.hypot(x_m, y_m), math.hypot(back_x_m, back_y_m)
        if min(there_m, back_m) >= _TURN_M and (
            x_m * back_x_m + y_m * back_y_m <= -_ROUND * there_m * back_m
        ):
            return True
    return False


def _columns(walkers: Sequence[Walker], at_s: float, rule: GroupsRule) -> Iterator[list[Walker]]:
    reach_m = max(rule.link_m, rule.file_m)
    cells: dict[tuple[int, int], list[Walker]] = {}
    for walker in walkers:
        cells.setdefault(_cell(walker[1], reach_m), []).append(walker)
    while cells:
        cell, waiting = cells.popitem()
        column = [waiting.pop()]
        if waiting:
            cells[cell] = waiting
        for here in column:  # it grows
            x, y = _cell(here[1], reach_m)
            for near in ((x + east, y + north) for east in (-1, 0, 1) for north in (-1, 0, 1)):
                left: list[Walker] = []
                for there in cells.pop(near, ()):
                    joined = _is_near(here[1], there[1], rule) and _went_together(
                        here, there, at_s, for_s=_KNOWN_S
                    )
                    (column if joined else left).append(there)
                if left:
                    cells[near] = left
        yield column


def _cell(motion: Motion, size_m: float) -> tuple[int, int]:
    return math.floor(motion.x_m / size_m), math.floor(motion.y_m / size_m)


def fellows_of(track: Track) -> tuple[str, ...]:
    """Return the tracks that a track walked together with for long enough to be of one group."""
    return tuple(one.track_id for one in track.companions.fellows if one.for_s >= _FELLOW_S)


def known_s(track: Track, at_s: float) -> float:
    """Return how long a track was counted of late: alone or with others."""
    return max((at_s - past.at_s for past in _of_late(track, at_s)), default=0.0)


def together_s(tracks: Iterable[Track]) -> tuple[float, ...]:
    """Return, for each number, the longest that any of some tracks saw so many together."""
    tallies = (track.companions.together for track in tracks)
    return tuple(max(times) for times in zip_longest(*tallies, fillvalue=0.0))


def counted(tracks: Iterable[Track], rule: GroupsRule) -> int:
    """Return how many some tracks were together with for long enough, themselves included."""
    return 1 + sum(seconds >= rule.count_s for seconds in together_s(tracks))


def _seen_together(known: tuple[float, ...], count: int) -> tuple[float, ...]:
    more = [COUNT_S] * (min(count, _MOST) - 1)
    return tuple(a + b for a, b in zip_longest(known, more, fillvalue=0.0))


def _is_near(here: Motion, there: Motion, rule: GroupsRule) -> bool:
    x_m, y_m = there.x_m - here.x_m, there.y_m - here.y_m
    gap_m = math.hypot(x_m, y_m)
    if gap_m <= rule.link_m:
        return True
    if gap_m > rule.file_m:
        return False
    vx_mps, vy_mps = here.vx_mps + there.vx_mps, here.vy_mps + there.vy_mps
    speed_mps = math.hypot(vx_mps, vy_mps)  # of both together
    if speed_mps < 2.0 * _WALKS_MPS:
        return False
    return abs(x_m * vy_mps - y_m * vx_mps) <= _ABREAST_M * speed_mps


def _drift_mps(here: Motion, there: Motion) -> float:
    return math.hypot(here.vx_mps - there.vx_mps, here.vy_mps - there.vy_mps)


def _went_together(here: Walker, there: Walker, at_s: float, *, for_s: float) -> bool | None:
    """Tell whether two went the same way of late; None: both stood, or are too new."""
    one_now, other_now = _past(*here, at_s), _past(*there, at_s)
    began = _both_known(_of_late(here[0], at_s), _of_late(there[0], at_s), at_s - for_s)
    if began is None:
        return None
    one_then, other_then = began
    x_m, y_m = one_now.x_m - one_then.x_m, one_now.y_m - one_then.y_m
    its_x_m, its_y_m = other_now.x_m - other_then.x_m, other_now.y_m - other_then.y_m
    if max(math.hypot(x_m, y_m), math.hypot(its_x_m, its_y_m)) < _WENT_M:
        return None
    error_m = math.sqrt(sum(past.error_m2 for past in (one_now, one_then, other_now, other_then)))
    parted_m = math.hypot(x_m - its_x_m, y_m - its_y_m)
    went_s = at_s - one_then.at_s
    is_new = went_s >= _APART_S and _met_s(here[0], there[0]) < _MET_S
    return parted_m <= _PARTS_MPS * (_NEW_PARTS if is_new else 1.0) * went_s + error_m


def _met_s(track: Track, other: Track) -> float:
    """Return how long two walked together, as both remember it."""
    return max(
        (
            fellow.for_s
            for one, twin in ((track, other), (other, track))
            for fellow in one.companions.fellows
            if fellow.track_id == twin.id
        ),
        default=0.0,
    )


def _of_late(track: Track, at_s: float) -> tuple[Past, ...]:
    """Return where a track was, without what is from before it went out of view for long."""
    trace = track.companions.trace
    return tuple(past for past in trace if at_s - past.at_s <= _TRACE_S)


def _past(track: Track, motion: Motion, at_s: float) -> Past:
    xx, _, yy = track.random_of(motion)
    return Past(at_s, motion.x_m, motion.y_m, 0.5 * (xx + yy))


def _both_known(
    one: Sequence[Past], other: Sequence[Past], until_s: float
) -> tuple[Past, Past] | None:
    """Return where two were at the first count that both were in; None: there is none so early."""
    times_s = {past.at_s: past for past in other if past.at_s <= until_s}
    for past in one:
        if past.at_s in times_s:
            return past, times_s[past.at_s]
    return None
