"""Did someone cross the line? Evidence on both sides of it, from one track, over time.

Two questions must both be answered yes, by several detections in a row:

1. *Was it there and is it here now?* With q the smallest probability so far of being on the other
   side and p the present one, P(first on this side and now on the other) >= p - q, whatever the
   correlation (Bonferroni). It must reach `min_probability`.
2. *Did it step over?* Someone walking along the line makes the estimate wander to either side.
   So the step from some earlier fix to this one must exceed what noise alone would show in all
   the comparisons made so far: step >= k sigma, k² = 2 ln(comparisons / false_alarm), the union
   bound. The bias that two fixes of one device share cancels in their difference.

Distances are signed: positive at home (`fusion.situation.border`).
"""

import math
from typing import Final, NamedTuple

from msgspec.structs import replace

from fusion.local_frame import CovM2, Metres
from fusion.rulebook import CrossingRule
from fusion.situation.border import Border, along, beyond
from fusion.situation.watch import Evidence, Watch

_THIN_S: Final = 1.0  # evidence is kept so often: closer looks are not independent
_BRIDGE: Final = 2.0  # sigmas of the biases of two devices, where they differ


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


class Sight(NamedTuple):
    """Where a track is after one more detection."""

    at_s: float
    at: Metres
    random: CovM2
    bias: CovM2
    device: str


def observe(
    watch: Watch, sight: Sight, border: Border, rule: CrossingRule, *, confirmed: bool
) -> tuple[Watch, Crossing | None]:
    """Take in where a track is now; return the new watch and the crossing it proves, if any."""
    side = border.side(*sight.at)
    if side is None or side.past_end:
        # Nobody crosses where there is no line: what was known of the sides is void.
        return Watch(looks=watch.looks, count=watch.count), None
    bias_m2 = along(sight.bias, side.normal)
    random_m2 = along(sight.random, side.normal)
    sigma_m = math.sqrt(random_m2 + bias_m2 + side.sigma_m**2)
    now = Evidence(sight.at_s, side.distance_m, random_m2, bias_m2, sight.device)
    watch = _remember(watch, now, sight.at, rule)
    p_beyond = beyond(side.distance_m, sigma_m)
    if watch.home is None:
        return _settle(watch, p_beyond, rule), None
    other = p_beyond if watch.home else 1.0 - p_beyond
    probability = other - watch.doubt
    step_m = None
    if probability >= rule.min_probability:
        step_m = _step(watch, now, rule)
    if step_m is None:
        doubt = min(watch.doubt, other)
        return replace(watch, doubt=doubt, support=0, support_s=None), None
    since_s = watch.support_s if watch.support_s is not None else sight.at_s
    watch = replace(watch, support=watch.support + 1, support_s=since_s)
    sustained = sight.at_s - since_s >= rule.sustain_s and watch.support >= rule.min_detections
    if not (confirmed and sustained):
        return watch, None
    crossing = Crossing(
        outbound=bool(watch.home),
        at_s=sight.at_s,
        over=watch.over or side.nearest,
        over_s=watch.over_s if watch.over is not None else sight.at_s,
        probability=probability,
        step_m=step_m,
        sigma_m=sigma_m,
        line_status=side.status,
        ordinal=watch.count,
    )
    # From now on it stands on the other side, and a return is an event of its own.
    turned = Watch(
        home=not watch.home,
        doubt=1.0 - other,
        window=(now,),
        looks=watch.looks,
        last=sight.at,
        last_m=side.distance_m,
        last_s=sight.at_s,
        count=watch.count + 1,
    )
    return turned, crossing


def _remember(watch: Watch, now: Evidence, at: Metres, rule: CrossingRule) -> Watch:
    over, over_s = watch.over, watch.over_s
    if watch.last is not None and (watch.last_m >= 0.0) != (now.distance_m >= 0.0):
        share = watch.last_m / (watch.last_m - now.distance_m)
        (x0, y0), (x1, y1) = watch.last, at
        over = Metres(x0 + share * (x1 - x0), y0 + share * (y1 - y0))
        over_s = watch.last_s + share * (now.at_s - watch.last_s)
    window, looks = watch.window, watch.looks
    if not window or now.at_s - window[-1].at_s >= _THIN_S:
        looks += 1
        oldest_s = now.at_s - rule.memory_s
        if window and window[0].at_s < oldest_s:
            window = tuple(seen for seen in window if seen.at_s >= oldest_s)
        window = (*window, now)
    return replace(
        watch, last=at, last_m=now.distance_m, last_s=now.at_s, over=over, over_s=over_s,
        window=window, looks=looks,
    )  # fmt: skip


def _settle(watch: Watch, p_beyond: float, rule: CrossingRule) -> Watch:
    """Say on which side it is once that is sure: whoever is first seen beyond did not cross."""
    doubt = min(p_beyond, 1.0 - p_beyond)
    if doubt > 0.5 * (1.0 - rule.min_probability):
        return watch
    return replace(watch, home=p_beyond < 0.5, doubt=doubt)  # noqa: PLR2004 - half


def _step(watch: Watch, now: Evidence, rule: CrossingRule) -> float | None:
    """Return how far it stepped towards the other side, or None if noise could show as much."""
    comparisons = max(1, watch.looks * len(watch.window))
    k = math.sqrt(2.0 * math.log(comparisons / rule.false_alarm))
    towards = 1.0 if watch.home else -1.0
    longest_m = None
    for before in watch.window:
        step_m = towards * (before.distance_m - now.distance_m)
        needed_m = k * math.sqrt(before.random_m2 + now.random_m2)
        if before.device != now.device:
            needed_m += _BRIDGE * math.sqrt(before.bias_m2 + now.bias_m2)
        if step_m >= needed_m and (longest_m is None or step_m > longest_m):
            longest_m = step_m
    return longest_m
