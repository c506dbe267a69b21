"""Who belongs together: people who move the same way, side by side or one behind the other.

    o o o        o        a chain of links: at most `link_m` apart any way, or `file_m` along the
     o o    .    .    o   way that both go: a guide walks ahead, stragglers come behind

How many they are is the most that were seen together, each by a track of its own, for some seconds
in all: not at one instant, when a doubled track would count, and never a sum over frames.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Final

from fusion.rulebook import GroupsRule
from fusion.tracking.motion import Motion
from fusion.tracking.track import Track

FRESH_S = 2.0  # whoever was not seen for longer may have been born again under another id
COUNTED_LATELY_S: Final = 1.0  # whoever was not seen for longer is not counted
COUNT_S: Final = 2.0  # of event time, from one count to the next
_WALKS_MPS: Final = 0.4  # whoever is slower goes no way
_ABREAST_M: Final = 15.0  # off the way of who walks ahead: bends, and errors
_MOST: Final = 40  # counted together; more are a crowd

Together = tuple[float, ...]  # seconds in all that at least 2, 3, 4, ... were seen together


def company(
    first: Track, others: Iterable[tuple[Track, Motion]], at_s: float, rule: GroupsRule
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
    linked = [(track, motion) for track, motion in near if track.id == first.id]
    _chain(linked, [(track, motion) for track, motion in near if track.id != first.id], rule)
    return tuple(sorted((track for track, _ in linked), key=lambda track: track.id))


def columns(
    walkers: Iterable[tuple[Track, Motion]], rule: GroupsRule
) -> Iterator[list[tuple[Track, Motion]]]:
    """Yield who walks together, alone ones left out; `walkers` are of one kind.

    Args:
        walkers: Confirmed tracks that were seen lately, with their motion at one instant.
        rule: How close a link must be, in place and in velocity.
    """
    reach_m = max(rule.link_m, rule.file_m)
    cells: dict[tuple[int, int], list[tuple[Track, Motion]]] = {}
    for track, motion in walkers:
        cell = (math.floor(motion.x_m / reach_m), math.floor(motion.y_m / reach_m))
        cells.setdefault(cell, []).append((track, motion))
    while cells:
        cell, here = cells.popitem()
        first = here.pop()
        if here:
            cells[cell] = here
        linked = [first]
        reached = 0
        while reached < len(linked):
            _, motion = linked[reached]
            reached += 1
            column = math.floor(motion.x_m / reach_m)
            row = math.floor(motion.y_m / reach_m)
            for near in ((column + x, row + y) for x in (-1, 0, 1) for y in (-1, 0, 1)):
                there = cells.get(near)
                if there is None:
                    continue
                linked += [one for one in there if _linked(motion, one[1], rule)]
                there[:] = [one for one in there if not _linked(motion, one[1], rule)]
                if not there:
                    del cells[near]
        if len(linked) > 1:
            yield linked


def seen_together(known: Together, count: int, seconds: float) -> Together:
    """Add a time for which so many were seen together."""
    more = [seconds] * (min(count, _MOST) - 1)
    return tuple(a + b for a, b in zip_longest(known, more, fillvalue=0.0))


def longest(tallies: Iterable[Together]) -> Together:
    """Return, for each number, the longest that any of some tracks saw so many together."""
    return tuple(max(times) for times in zip_longest(*tallies, fillvalue=0.0))


def counted(together: Together, rule: GroupsRule) -> int:
    """Return how many were together for long enough."""
    return 1 + sum(seconds >= rule.count_s for seconds in together)


def _chain(
    linked: list[tuple[Track, Motion]], left: Sequence[tuple[Track, Motion]], rule: GroupsRule
) -> None:
    """Add to `linked` whoever of those left is linked to one of them."""
    reached = 0
    while reached < len(linked):
        _, here = linked[reached]
        reached += 1
        joins = [_linked(here, there, rule) for _, there in left]
        linked += [pair for pair, joined in zip(left, joins, strict=True) if joined]
        left = [pair for pair, joined in zip(left, joins, strict=True) if not joined]


def _linked(here: Motion, there: Motion, rule: GroupsRule) -> bool:
    x_m, y_m = there.x_m - here.x_m, there.y_m - here.y_m
    gap_m = math.hypot(x_m, y_m)
    if gap_m > rule.link_m and gap_m > rule.file_m:
        return False
    drift_mps = math.hypot(here.vx_mps - there.vx_mps, here.vy_mps - there.vy_mps)
    if drift_mps > rule.link_speed_mps:
        return False
    if gap_m <= rule.link_m:
        return True
    vx_mps, vy_mps = here.vx_mps + there.vx_mps, here.vy_mps + there.vy_mps
    speed_mps = math.hypot(vx_mps, vy_mps)  # of both together
    if speed_mps < 2.0 * _WALKS_MPS:
        return False
    return abs(x_m * vy_mps - y_m * vx_mps) <= _ABREAST_M * speed_mps
