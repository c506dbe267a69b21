"""Who belongs together: people close to one another who move the same way, as a chain."""

import math
from collections.abc import Iterable

from fusion.rulebook import GroupsRule
from fusion.tracking.motion import Motion
from fusion.tracking.track import Track

FRESH_S = 2.0  # whoever was not seen for longer may have been born again under another id


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
    left = [(track, motion) for track, motion in near if track.id != first.id]
    reached = 0
    while reached < len(linked):
        _, here = linked[reached]
        reached += 1
        joins = [_linked(here, there, rule) for _, there in left]
        linked += [pair for pair, joined in zip(left, joins, strict=True) if joined]
        left = [pair for pair, joined in zip(left, joins, strict=True) if not joined]
    return tuple(sorted((track for track, _ in linked), key=lambda track: track.id))


def _linked(here: Motion, there: Motion, rule: GroupsRule) -> bool:
    gap_m = math.hypot(here.x_m - there.x_m, here.y_m - there.y_m)
    drift_mps = math.hypot(here.vx_mps - there.vx_mps, here.vy_mps - there.vy_mps)
    return gap_m <= rule.link_m and drift_mps <= rule.link_speed_mps
