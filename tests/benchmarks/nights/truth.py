"""What truly happened: who came over the line when and where, and what any device could know of it."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from tests.benchmarks.nights.ground import Ground
from tests.benchmarks.nights.people import Group, People
from tests.benchmarks.scoreboard.devices import Eye
from tests.benchmarks.scoreboard.movers import Mover
from tests.benchmarks.scoreboard.sector import FloatArray

HZ: Final = 4.0
NEAR_M: Final = 25.0  # of the place where someone comes over the line
BOTH_S: Final = 3.0  # seen so long on each side: observable
KNOWN_S: Final = 5.0  # a group has been seen for so long: it could be warned of from then on
_SURE_M: Final = 1.0  # whoever dawdles on the line crossed once
_LINE_STEP_M: Final = 2.0
_SILENT_S: Final = 2.0  # without a picture for longer a device was blind or nothing of it came


class Passage(Struct, frozen=True):
    """One person's way over the line."""

    who: str
    at_s: float
    x_m: float
    y_m: float
    outbound: bool
    observable: bool  # on both sides


class GroupTruth(Struct, frozen=True):
    """One group: what it did."""

    name: str
    traits: tuple[str, ...]
    size: int
    passages: tuple[Passage, ...]  # in order of time
    known_s: float | None  # since when it could be known of, before any of it crossed
    nearest_m: float  # it came to the line, at home

    @property
    def observable(self) -> bool:
        """Whether one of them could be seen on both sides."""
        return any(one.observable for one in self.passages)

    @property
    def first_s(self) -> float:
        """Return when the first of them crossed."""
        return self.passages[0].at_s

    @property
    def watched_s(self) -> float:
        """Return how long before the line it could be known of."""
        return 0.0 if self.known_s is None else self.first_s - self.known_s


class Matter(Struct, frozen=True):
    """Something short of a crossing that asks for an alert of its kind."""

    kind: str  # loitering | rendezvous | zone
    about: tuple[str, ...]  # any of these: movers, or a group
    since_s: float
    until_s: float
    expected: bool  # devices saw enough of it


class Truth(Struct, frozen=True):
    """Of a whole night."""

    until_s: float
    groups: tuple[GroupTruth, ...]
    others: tuple[Passage, ...]  # travellers, animals and whoever else came over the line
    watched_m: float  # of the line, by cameras
    matters: tuple[Matter, ...] = ()


class Sight(Struct, frozen=True):
    """What of all devices came to be known of: when each had a picture that arrived."""

    eyes: tuple[Eye, ...]
    arrived_s: Mapping[str, FloatArray]  # (N,) ascending, of each device

    def covers(self, ground: Ground, xy_m: FloatArray, times_s: FloatArray) -> np.ndarray:
        """Tell at which times (N,) some device saw a point (N, 2), nothing hiding it."""
        seen = np.zeros(len(times_s), dtype=np.bool_)
        for eye in self.eyes:
            seen |= eye.covers(xy_m, times_s) & self._awake(eye.name, times_s)
        for wood in ground.land.woods:
            seen &= ~wood.holds(xy_m)
        return seen

    def _awake(self, name: str, times_s: FloatArray) -> np.ndarray:
        arrived_s = self.arrived_s.get(name)
        if arrived_s is None or not len(arrived_s):
            return np.zeros(len(times_s), dtype=np.bool_)
        after = np.searchsorted(arrived_s, times_s).clip(1, len(arrived_s) - 1)
        gap_s = arrived_s[after] - arrived_s[after - 1]
        inside = (times_s >= arrived_s[0]) & (times_s <= arrived_s[-1])
        return np.asarray(inside & (gap_s <= _SILENT_S))


def truth_of(people: People, ground: Ground, sight: Sight, until_s: float) -> Truth:
    """Work out what happened in a night."""
    groups = tuple(_group(group, ground, sight) for group in people.groups)
    others = [one for mover in people.others for one in passages(mover, ground, sight)]
    over = tuple(sorted(others, key=lambda one: one.at_s))
    return Truth(until_s, groups, over, _watched_m(ground, sight))


def _watched_m(ground: Ground, sight: Sight) -> float:
    """Return how much of the line cameras look at; what flies is not counted."""
    x = np.arange(ground.border[0][0], ground.border[-1][0], _LINE_STEP_M)
    points = np.column_stack((x, ground.line_y_m(x)))
    seen = np.zeros(len(x), dtype=np.bool_)
    for eye in sight.eyes:
        if eye.kind == "camera":
            seen |= eye.covers(points, np.zeros(len(x)))
    return float(np.count_nonzero(seen) * _LINE_STEP_M)


def passages(mover: Mover, ground: Ground, sight: Sight) -> list[Passage]:
    """Return each time that someone came over the line."""
    times_s, xy_m, home_m = sampled(mover, ground)
    found = []
    for step in _turns(home_m):
        share = home_m[step] / (home_m[step] - home_m[step + 1])
        x_m, y_m = (xy_m[step] + share * (xy_m[step + 1] - xy_m[step])).tolist()
        near = np.hypot(xy_m[:, 0] - x_m, xy_m[:, 1] - y_m) <= NEAR_M
        near[near] = sight.covers(ground, xy_m[near], times_s[near])
        before = np.count_nonzero(near[: step + 1]) / HZ
        after = np.count_nonzero(near[step + 1 :]) / HZ
        found.append(
            Passage(
                mover.id,
                float(times_s[step] + share / HZ),
                x_m,
                y_m,
                bool(home_m[step] > 0.0),
                bool(before >= BOTH_S and after >= BOTH_S),
            )
        )
    return found


def _turns(home_m: FloatArray) -> list[int]:
    """Return the steps of a distance (N,) over 0 that lead surely to the other side."""
    sure = np.flatnonzero(np.abs(home_m) >= _SURE_M)
    steps = []
    for one, other in itertools.pairwise(sure.tolist()):
        if (home_m[one] > 0.0) != (home_m[other] > 0.0):
            between = home_m[one : other + 1] > 0.0
            steps.append(one + int(np.flatnonzero(between[1:] != between[:-1])[-1]))
    return steps


def _group(group: Group, ground: Ground, sight: Sight) -> GroupTruth:
    went = sorted(
        (one for mover in group.movers for one in passages(mover, ground, sight)),
        key=lambda one: one.at_s,
    )
    nearest_m = min(float(sampled(mover, ground)[2].min()) for mover in group.movers)
    known_s = _known_s(group.movers, ground, sight, went[0].at_s if went else np.inf)
    return GroupTruth(group.name, group.traits, len(group.movers), tuple(went), known_s, nearest_m)


def _known_s(
    movers: Sequence[Mover], ground: Ground, sight: Sight, before_s: float
) -> float | None:
    since_s = []
    for mover in movers:
        times_s, xy_m, _ = sampled(mover, ground)
        seen = np.cumsum(sight.covers(ground, xy_m, times_s)) >= KNOWN_S * HZ
        if seen.any():
            since_s.append(float(times_s[int(np.argmax(seen))]))
    first_s = min(since_s, default=np.inf)
    return first_s if first_s < before_s else None


def sampled(mover: Mover, ground: Ground) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return times (N,), positions (N, 2) and distances to the line (N,) of somebody."""
    times_s = np.arange(np.ceil(mover.times_s[0] * HZ), mover.times_s[-1] * HZ) / HZ
    if not len(times_s):
        times_s = mover.times_s[:1]
    xy_m = mover.at(times_s)
    return times_s, xy_m, ground.home_m(xy_m)
