"""Where somebody on a trail will come out, and when: distributions, not numbers.

From each course that they may be on (`fusion.situation.matching`) on, nobody turns round. Between
the exits of one course it is a softmax over a cost (DOMAIN.md 5.5): how much of a detour the way
would be for somebody who came from behind, straight as they go now. Nobody climbs to the line to
come down again by the next valley; how far an exit is says little.

    behind . . . . here ===> ...      detour: behind to here, and on along the trails to the
          ` . . . . . . . . exit      exit, less the straight way from behind to the exit

The time to an exit is lognormal about what is left over the pace. Where the heights of a trail are
known (`fusion.situation.slope`), it is as long as the slope of where they just walked makes it:
whoever climbs slowly will be faster on the ridge.
"""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from fusion.local_frame import Metres
from fusion.situation.matching import Footing
from fusion.situation.trail_network import Course, Foot, TrailNetwork
from fusion.tracking.motion import Motion

SLOWEST_MPS: Final = 0.4  # who rests goes on
SPREAD: Final = 0.15  # 1 sigma of ln(time): nobody keeps one pace
_P90: Final = 1.2816  # of a standard normal distribution
_SCALE: Final = 0.3  # of the shortest way, ...
_SCALE_M: Final = 60.0  # and so much more
_EXTRA: Final = 0.3  # a longer way costs so much of what a detour does
_BEHIND_M: Final = 150.0
_HERE_M: Final = 40.0  # the slope that a pace was walked on


class Eta(NamedTuple):
    """When, from now, as a lognormal distribution."""

    median_s: float
    spread: float  # 1 sigma of ln

    @property
    def p10_s(self) -> float:
        """Return the time before which they come with a probability of 10 %."""
        return self.median_s * math.exp(-_P90 * self.spread)

    @property
    def p90_s(self) -> float:
        """Return the time before which they come with a probability of 90 %."""
        return self.median_s * math.exp(_P90 * self.spread)

    def within(self, seconds: float) -> float:
        """Return P(they are there within so long)."""
        if self.median_s <= 0.0:
            return 1.0
        return 0.5 * math.erfc(-math.log(seconds / self.median_s) / (self.spread * math.sqrt(2.0)))


class Way(NamedTuple):
    """One exit that somebody may be on the way to."""

    node: int
    probability: float
    left_m: float  # from where they are
    as_here_m: float  # how much ground as steep as here takes as long
    on: Course  # the likeliest that leads there
    beyond: tuple[Course, ...]  # after it


class Waypoint(NamedTuple):
    """A point of a predicted path."""

    at: Metres
    median_s: float  # from now


def eta(left_m: float, sigma_m: float, pace_mps: float, pace_sigma_mps: float) -> Eta:
    """Return when somebody has gone what is left.

    Args:
        left_m: To go.
        sigma_m: Of it.
        pace_mps: Towards there; slower than 0.4 m/s is a rest.
        pace_sigma_mps: Of it.
    """
    pace_mps = max(SLOWEST_MPS, pace_mps)
    left_m = max(0.0, left_m)
    share = min(1.0, sigma_m / max(left_m, 1.0))
    return Eta(
        left_m / pace_mps,
        math.sqrt(SPREAD**2 + share**2 + min(1.0, pace_sigma_mps / pace_mps) ** 2),
    )


def ways(footing: Footing, motion: Motion, network: TrailNetwork) -> tuple[Way, ...]:
    """Return the exits that somebody may be on the way to, the likeliest first.

    What their probabilities lack to 1 is off the trails.
    """
    feet = {foot.edge: foot for foot in network.feet(motion.x_m, motion.y_m, math.inf)}
    found: dict[int, list[Way]] = {}
    for course, p in footing.courses:
        foot = feet.get(course.edge)
        exits = network.exits(course)
        if foot is None or not exits:
            continue
        left_m = network.left_m(course, foot.s_m)
        left_flat_m = network.left_flat_m(course, foot.s_m)
        effort = effort_here(course, foot, network)
        nearest_m = left_m + exits[0].beyond_m
        scale_m = _SCALE_M + _SCALE * nearest_m
        sign = _BEHIND_M if course.onward else -_BEHIND_M
        behind = (motion.x_m - sign * foot.unit.x_m, motion.y_m - sign * foot.unit.y_m)
        costs_m = [
            _EXTRA * one.beyond_m + (one.beyond_m - math.dist(behind, network.nodes[one.node].at))
            for one in exits
        ]
        least_m = min(costs_m)
        weights = [math.exp((least_m - cost_m) / scale_m) for cost_m in costs_m]
        whole = sum(weights)
        for one, weight in zip(exits, weights, strict=True):
            way = Way(
                node=one.node,
                probability=p * weight / whole,
                left_m=left_m + one.beyond_m,
                as_here_m=(left_flat_m + one.beyond_flat_m) / effort,
                on=course,
                beyond=one.courses,
            )
            found.setdefault(one.node, []).append(way)
    merged = []
    for group in found.values():
        likeliest = max(group, key=lambda one: (one.probability, one.on))
        merged.append(likeliest._replace(probability=sum(one.probability for one in group)))
    return tuple(sorted(merged, key=lambda one: (-one.probability, one.node)))


def predicted_path(
    way: Way, motion: Motion, pace_mps: float, network: TrailNetwork, *, every_m: float = 25.0
) -> Iterator[Waypoint]:
    """Yield points of a way, from where somebody is to its exit, with when they are there."""
    feet = {foot.edge: foot for foot in network.feet(motion.x_m, motion.y_m, math.inf)}
    edge, foot = network.edges[way.on.edge], feet[way.on.edge]
    flat_mps = max(SLOWEST_MPS, pace_mps) * effort_here(way.on, foot, network)
    from_m = edge.length_m - network.left_m(way.on, foot.s_m)
    gone_flat_m = 0.0
    for course in (way.on, *way.beyond):
        length_m = network.edges[course.edge].length_m
        steps = max(1, math.ceil((length_m - from_m) / every_m))
        for step in range(steps):
            on_m = from_m + step / steps * (length_m - from_m)
            flat_m = network.gone_flat_m(course, from_m, on_m)
            yield Waypoint(network.point(course, on_m), (gone_flat_m + flat_m) / flat_mps)
        gone_flat_m += network.gone_flat_m(course, from_m, length_m)
        from_m = 0.0
    yield Waypoint(network.nodes[way.node].at, gone_flat_m / flat_mps)


def effort_here(course: Course, foot: Foot, network: TrailNetwork) -> float:
    """Return how hard it was where somebody just came along: 1 on flat ground."""
    length_m = network.edges[course.edge].length_m
    gone_m = length_m - network.left_m(course, foot.s_m)
    from_m = max(0.0, gone_m - _HERE_M)
    to_m = min(length_m, max(gone_m, from_m + _HERE_M))
    return network.gone_flat_m(course, from_m, to_m) / (to_m - from_m)
