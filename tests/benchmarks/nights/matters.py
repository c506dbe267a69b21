"""What short of a crossing asks for an alert in a night: stays, meetings, a restricted zone.

By where everyone truly was, whoever they are; and whether devices saw enough of it to be expected
to tell.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt

from tests.benchmarks.nights.ground import Ground
from tests.benchmarks.nights.people import People
from tests.benchmarks.nights.truth import HZ, Matter, Sight, sampled
from tests.benchmarks.nights.visits import MEETING, STAYER
from tests.benchmarks.scoreboard.movers import Mover

_STAY_SEEN_S: Final = 360.0  # `for_s` of the rule, and time to be sure
_STAY_SHARE: Final = 0.85  # of a stay: whoever is hidden for longer is another one
_INSIDE_S: Final = 10.0  # in a zone, in view
_MET_SEEN_S: Final = 8.0  # a vehicle that stands, and each of those whom it meets
_DRIVES_UP_S: Final = 3.0
_ON_FOOT_S: Final = 40.0  # before or after it stands, people are watched for so long
_LEAST: Final = 2  # people: one alone is a driver
_STILL_MPS: Final = 0.3


def matters_of(people: People, ground: Ground, sight: Sight) -> Iterator[Matter]:
    """Yield what asks for an alert; what our own patrols do does not."""
    for mover in people.movers:
        if mover.id == STAYER:
            yield _stay(mover, ground, sight)
        if mover.kind in {"person", "vehicle"} and not mover.id.startswith("patrol-"):
            yield from _inside(mover, ground, sight)
    for vehicle in people.movers:
        if vehicle.id == MEETING:
            people_met = [one for one in people.visitors if one.id.startswith(f"{MEETING}-")]
            yield from _met(vehicle, people_met, ground, sight)
        if vehicle.id.startswith("vehicle-group-"):
            name = vehicle.id.removeprefix("vehicle-")
            group = [one.movers for one in people.groups if one.name == name]
            yield from _met(vehicle, group[0] if group else (), ground, sight)


def _stay(mover: Mover, ground: Ground, sight: Sight) -> Matter:
    times_s, xy_m, home_m = sampled(mover, ground)
    there = np.abs(home_m - home_m.min()) <= 10.0
    times_s, seen = times_s[there], sight.covers(ground, xy_m[there], times_s[there])
    enough = np.count_nonzero(seen) / HZ >= _STAY_SEEN_S and seen.mean() >= _STAY_SHARE
    return Matter("loitering", (mover.id,), float(times_s[0]), float(times_s[-1]), bool(enough))


def _inside(mover: Mover, ground: Ground, sight: Sight) -> Iterator[Matter]:
    if ground.zone is None:
        return
    times_s, xy_m, _ = sampled(mover, ground)
    inside = ground.zone.holds(xy_m)
    if not inside.any():
        return
    seen = inside & sight.covers(ground, xy_m, times_s)
    for first, last in _spans(inside):
        enough = np.count_nonzero(seen[first:last]) / HZ >= _INSIDE_S
        yield Matter(
            "zone",
            (_name_of(mover.id),),
            float(times_s[first]),
            float(times_s[last - 1]),
            bool(enough),
        )


def _met(
    vehicle: Mover, people: Sequence[Mover], ground: Ground, sight: Sight
) -> Iterator[Matter]:
    """Yield the meeting of a vehicle and some people where it stands, if they are enough."""
    times_s, xy_m, _ = sampled(vehicle, ground)
    still = np.hypot(*np.diff(xy_m, axis=0).T) * HZ < _STILL_MPS
    if len(people) < _LEAST or not still.any():
        return
    stands = max(_spans(still), key=lambda span: span[1] - span[0])
    since_s, until_s = (float(times_s[one]) for one in stands)
    seen = sight.covers(ground, xy_m, times_s)
    drove = np.count_nonzero(seen[: stands[0]]) / HZ >= _DRIVES_UP_S
    stood = np.count_nonzero(seen[stands[0] : stands[1]]) / HZ >= _MET_SEEN_S
    on_foot = sum(_is_seen_about(one, since_s, until_s, ground, sight) for one in people)
    yield Matter(
        "rendezvous",
        (vehicle.id, *sorted({_name_of(one.id) for one in people})),
        since_s,
        until_s,
        bool(drove and stood and on_foot >= _LEAST),
    )


def _is_seen_about(
    mover: Mover, since_s: float, until_s: float, ground: Ground, sight: Sight
) -> bool:
    times_s, xy_m, _ = sampled(mover, ground)
    about = (times_s >= since_s - _ON_FOOT_S) & (times_s <= until_s + _ON_FOOT_S)
    seen = sight.covers(ground, xy_m[about], times_s[about])
    return bool(np.count_nonzero(seen) / HZ >= _MET_SEEN_S)


def _name_of(mover_id: str) -> str:
    """Return whom an alert about a mover is about: its group, or the mover itself."""
    return mover_id.rpartition("-")[0] if mover_id.startswith("group-") else mover_id


def _spans(flags: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield where flags (N,) are set in a row: the first index, and the one behind the last."""
    at = 0
    for is_set, run in groupby(flags.tolist()):
        count = len(list(run))
        if is_set:
            yield at, at + count
        at += count
