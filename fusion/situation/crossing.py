"""Did someone cross the line? Evidence on both sides of it, from one track, over time.

Two questions must both be answered yes, by several detections:

1. *Was it there and is it here now?* P(first on this side and now on the other), of two distances
   whose errors partly are the same (`fusion.situation.passage.both_sides`): the line's own error,
   and the bias of a device that saw both. What else they may share only raises the correlation,
   and the most that can cost is the product of the two doubts: 1 in 1,000 where each is 1 in 30.
   It must reach `min_probability`. Where the line has a strip, or is a river, both sides begin at
   its edges: whoever stays in it, or drifts along it, has not crossed.
2. *Did it step over?* Someone walking along the line makes the estimate wander to either side.
   So Wald's sequential test is held for the step from some earlier fix to this one: its
   log-likelihood ratio against no step at all, step² / (2 sigma²), must reach the upper bound.
   Each look is compared with a whole window, and again at the next look, so `false_alarm` is
   divided among all comparisons made so far; else it would be fiction after a minute. The bias
   that two fixes of one device share for now cancels in their difference.

Hysteresis: what supported a crossing stands until the odds of being beyond fall below the test's
lower bound. One look that is not sure neither counts nor starts it all over.

A track that nobody saw while it came over the line crossed all the same, if it is the same one:
the longer nobody looked, the likelier is somebody else, and so much less probable is the crossing.

Distances are signed: positive at home (`fusion.situation.border`).
"""

import math
from typing import Final, NamedTuple

from msgspec.structs import replace

from fusion.local_frame import CovM2, Metres
from fusion.rulebook import CrossingRule
from fusion.situation.border import Border, Side, along
from fusion.situation.passage import below, both_sides, bounds
from fusion.situation.watch import Evidence, Watch, passed

_THIN_S: Final = 1.0  # evidence is kept so often: closer looks are not independent
_BRIDGE: Final = 2.0  # sigmas of two biases that are not the same: other devices, or long ago
# Who is out of view walks on at random (`fusion.tracking.stitching`: the same pace and memory).
_MEMORY_S: Final = 20.0
_PACE_MPS: Final = 0.7
_SOMEONE_NEW_PER_M2: Final = 1.0 / 200.0**2
STRAY_S: Final = 3.0  # unseen for longer, and for so many times its usual time between looks
STRAY: Final = 3.0
_TINY: Final = 1e-300


class Crossing(NamedTuple):
    """Someone crossed the line."""

    outbound: bool
    at_s: float  # when the evidence sufficed
    over: Metres  # where it came over the line ...
    over_s: float  # ... and when: how soon the evidence suffices depends on who looks
    probability: float
    step_m: float  # from its farthest fix before to where it is now
    sigma_m: float  # of its distance to the line now
    line_status: str
    ordinal: int  # of this track's crossings
    inferred_s: float = 0.0  # how long nobody looked while it came over the line; 0: it was seen
    half_m: float = 0.0  # of the strip or the river that it went through, from line to edge


class Sight(NamedTuple):
    """Where a track is after one more detection."""

    at_s: float
    at: Metres
    random: CovM2
    bias: CovM2
    device: str
    rhythm_s: float = 0.0  # its usual time between looks


def counts(label: str, crossing: Crossing, rule: CrossingRule) -> bool:
    """Tell whether a crossing by someone or something of a label is one by the rules."""
    if label in rule.labels:
        return True
    return crossing.line_status == "river" and label in rule.river_labels


def observe(
    watch: Watch, sight: Sight, border: Border, rule: CrossingRule, *, confirmed: bool
) -> tuple[Watch, Crossing | None]:
    """Take in where a track is now; return the new watch and the crossing it proves, if any."""
    side = border.side(*sight.at)
    if side is None or side.past_end:
        # Nobody crosses where there is no line: what was known of the sides is void.
        return Watch(looks=watch.looks, count=watch.count), None
    now = seen_from(side, sight)
    if sight.at_s - watch.last_s > max(STRAY_S, STRAY * sight.rhythm_s):
        # One false detection may pull whom nobody saw for long over the line: it needs others.
        watch = replace(watch, support=0, support_s=None)
    watch = _remember(watch, now, sight.at, rule)
    sigma_m = math.sqrt(now.error_m2)
    if watch.home is None or watch.surest is None:
        return _settle(watch, now, sigma_m, rule), None
    towards = 1.0 if watch.home else -1.0
    other = below((-towards * now.distance_m - now.half_m) / sigma_m)
    step_m = None
    if other >= rule.min_probability and belief(watch, now) >= rule.min_probability:
        step_m = _step(watch, now, rule)
    if step_m is None:
        return _unsupported(watch, watch.surest, now, other, rule), None
    lapsed = watch.support_s is None or sight.at_s - watch.support_s > rule.memory_s
    since_s = sight.at_s if lapsed or watch.support_s is None else watch.support_s
    support = 1 if lapsed else watch.support + 1
    watch = replace(watch, support=support, support_s=since_s)
    sustained = sight.at_s - since_s >= rule.sustain_s and support >= rule.min_detections
    if not (confirmed and sustained):
        return watch, None
    inferred_s = watch.unseen_s if watch.unseen_s >= rule.inferred_after_s else 0.0
    crossing = Crossing(
        outbound=bool(watch.home),
        at_s=sight.at_s,
        over=watch.over or side.nearest,
        over_s=watch.over_s if watch.over is not None else sight.at_s,
        probability=belief(watch, now) * same_after(inferred_s),
        step_m=step_m,
        sigma_m=sigma_m,
        line_status=side.status,
        ordinal=watch.count,
        inferred_s=inferred_s,
        half_m=side.half_m,
    )
    # From now on it stands on the other side, and a return is an event of its own.
    turned = Watch(
        home=not watch.home,
        surest=now,
        window=(now,),
        looks=watch.looks,
        last=sight.at,
        last_m=side.distance_m,
        last_s=sight.at_s,
        count=watch.count + 1,
    )
    return turned, crossing


def seen_from(side: Side, sight: Sight) -> Evidence:
    """Return what a look says of the distance to the line."""
    return Evidence(
        at_s=sight.at_s,
        distance_m=side.distance_m,
        random_m2=along(sight.random, side.normal),
        bias_m2=along(sight.bias, side.normal),
        device=sight.device,
        line_m2=side.sigma_m**2,
        half_m=side.half_m,
    )


def belief(watch: Watch, now: Evidence) -> float:
    """Return P(it was on the side where it was surely seen, and is on the other now).

    0 of a track that was never surely on a side.
    """
    before = watch.surest
    if before is None:
        return 0.0
    towards = 1.0 if watch.home else -1.0
    sigma0_m, sigma1_m = math.sqrt(before.error_m2), math.sqrt(now.error_m2)
    shared_m2 = min(before.line_m2, now.line_m2)
    if before.device == now.device:
        shared_m2 += min(before.bias_m2, now.bias_m2)
    return both_sides(
        towards * before.distance_m - before.half_m,
        sigma0_m,
        towards * now.distance_m + now.half_m,
        sigma1_m,
        shared_m2 / (sigma0_m * sigma1_m),
    )


def same_after(unseen_s: float) -> float:
    """Return how sure it is that who comes into view again is no one else.

    They walk at random meanwhile, as an Ornstein-Uhlenbeck velocity does (DOMAIN.md 5.2), over an
    area that grows with the variance (`fusion.tracking.stitching`); of others there is one in so
    and so much of an area.
    """
    if unseen_s <= 0.0:
        return 1.0
    e = math.exp(-unseen_s / _MEMORY_S)
    walk_m2 = _PACE_MPS**2 * _MEMORY_S * (2.0 * unseen_s - _MEMORY_S * (3.0 - 4.0 * e + e * e))
    return 1.0 / (1.0 + _SOMEONE_NEW_PER_M2 * 2.0 * math.pi * walk_m2)


def _remember(watch: Watch, now: Evidence, at: Metres, rule: CrossingRule) -> Watch:
    over, over_s, unseen_s = watch.over, watch.over_s, watch.unseen_s
    if watch.last is not None and (watch.last_m >= 0.0) != (now.distance_m >= 0.0):
        share = watch.last_m / (watch.last_m - now.distance_m)
        over, over_s = passed(watch.last, watch.last_s, at, now.at_s, share)
        unseen_s = now.at_s - watch.last_s
    window, looks = watch.window, watch.looks
    if not window or now.at_s - window[-1].at_s >= _THIN_S:
        looks += 1
        oldest_s = now.at_s - rule.memory_s
        old = 0  # one or two, at a steady pace
        while old < len(window) and window[old].at_s < oldest_s:
            old += 1
        window = (*window[old:], now)
    return replace(
        watch, last=at, last_m=now.distance_m, last_s=now.at_s, over=over, over_s=over_s,
        unseen_s=unseen_s, window=window, looks=looks,
    )  # fmt: skip


def _settle(watch: Watch, now: Evidence, sigma_m: float, rule: CrossingRule) -> Watch:
    """Say on which side it is once that is sure: whoever is first seen beyond did not cross."""
    doubt = below((now.half_m - abs(now.distance_m)) / sigma_m)
    if doubt > 0.5 * (1.0 - rule.min_probability):
        return watch
    return replace(watch, home=now.distance_m >= 0.0, surest=now)


def _unsupported(
    watch: Watch, surest: Evidence, now: Evidence, other: float, rule: CrossingRule
) -> Watch:
    """Return the watch after a look that does not support a crossing."""
    towards = 1.0 if watch.home else -1.0
    if _sigmas(now, towards) > _sigmas(surest, towards):
        watch = replace(watch, surest=now)
    if watch.support == 0:
        return watch
    odds = math.log(max(other, _TINY) / max(1.0 - other, _TINY))
    if odds > bounds(rule.false_alarm, rule.miss).reject:
        return watch
    return replace(watch, support=0, support_s=None)


def _sigmas(seen: Evidence, towards: float) -> float:
    """Return how surely it was on a side, as sigmas beyond the edge there."""
    return (towards * seen.distance_m - seen.half_m) / math.sqrt(seen.error_m2)


def _step(watch: Watch, now: Evidence, rule: CrossingRule) -> float | None:
    """Return how far it stepped towards the other side, or None if noise could show as much."""
    comparisons = max(1, watch.looks * (len(watch.window) + 1))
    accept = bounds(rule.false_alarm / comparisons, rule.miss).accept
    k = math.sqrt(2.0 * accept)
    towards = 1.0 if watch.home else -1.0
    longest_m = None
    recent_s = now.at_s - rule.memory_s
    for before in (watch.surest, *watch.window):
        if before is None:
            continue
        step_m = towards * (before.distance_m - now.distance_m)
        needed_m = k * math.sqrt(before.random_m2 + now.random_m2)
        if before.device != now.device or before.at_s < recent_s:
            needed_m += _BRIDGE * math.sqrt(before.bias_m2 + now.bias_m2)
        if step_m >= needed_m and (longest_m is None or step_m > longest_m):
            longest_m = step_m
    return longest_m
