"""Our own forces: which tracks move with a unit that sends its position.

A fix is compared with the tracks of its own instant, so nothing need be extrapolated. Only a
track that was born since the last fix is judged by where the unit should be by now, and then
the alert merely waits for the next fix.
"""

import math
from typing import Final, NamedTuple

from msgspec.structs import replace

from edge.messages import PositionMessage
from fusion.local_frame import LocalFrame, Metres
from fusion.rulebook import PatrolsRule
from fusion.tracking.motion import Motion
from fusion.tracking.track import Escort, Track

NEAR_M: Final = 1_000.0  # a unit farther away says nothing about a track
_SIGMA_PER_R68: Final = 1.0 / 1.5096  # the 68 % radius of a circular Gaussian is 1.5096 sigma
_SIGMAS: Final = 2.5
_BASELINE_S: Final = 5.0  # a velocity from closer fixes would be noise
_KEPT_S: Final = 30.0


class UnitFix(NamedTuple):
    """Where a unit was at one moment."""

    at_s: float
    unit_id: str
    at: Metres
    sigma_m: float


class Unit(NamedTuple):
    """A unit's recent fixes, oldest first."""

    unit_id: str
    fixes: tuple[UnitFix, ...] = ()

    def after(self, fix: UnitFix) -> "Unit":
        """Return the unit with one more fix, old ones forgotten."""
        kept = [old for old in self.fixes if fix.at_s - old.at_s <= _KEPT_S]
        return Unit(self.unit_id, (*(kept or self.fixes[-1:]), fix))

    def velocity(self) -> tuple[float, float, float] | None:
        """Return `(vx, vy, sigma)` over the fixes kept, m/s; None if they are too close."""
        first, last = self.fixes[0], self.fixes[-1]
        span_s = last.at_s - first.at_s
        if span_s < _BASELINE_S:
            return None
        sigma = math.hypot(first.sigma_m, last.sigma_m) / span_s
        (x0, y0), (x1, y1) = first.at, last.at
        return (x1 - x0) / span_s, (y1 - y0) / span_s, sigma


def compared(track: Track, motion: Motion, unit: Unit, rule: PatrolsRule) -> Track | None:
    """Note whether a track was with a unit at its newest fix; None if that says nothing new."""
    fix = unit.fixes[-1]
    gap_m = math.dist(fix.at, (motion.x_m, motion.y_m))
    if gap_m > NEAR_M:
        return None
    gate_m = _gate_m(track, motion, fix, rule)
    with_it = gap_m <= gate_m
    if with_it and (pace := unit.velocity()) is not None:
        vx, vy, sigma_mps = pace
        drift_mps = math.hypot(motion.vx_mps - vx, motion.vy_mps - vy)
        speed_sigma_mps = math.sqrt(max(motion.c[0], motion.c[2])) + sigma_mps
        with_it = drift_mps <= rule.speed_mps + _SIGMAS * speed_sigma_mps
    elif not with_it and gap_m <= 1.5 * gate_m:
        return None  # neither with it nor clearly apart
    return _noted(track, unit.unit_id, with_it=with_it)


def explaining(tracks: tuple[Track, ...]) -> str | None:
    """Return the unit that goes with some of the tracks, or None."""
    for track in tracks:
        for escort in track.escorts:
            if escort.agrees >= 1 and escort.agrees >= 2 * escort.disagrees:
                return escort.unit_id
    return None


def may_explain(track: Track, motion: Motion, at_s: float, unit: Unit, rule: PatrolsRule) -> bool:
    """Tell whether a unit with no fix in a track's lifetime could be with it by now."""
    fix = unit.fixes[-1]
    age_s = at_s - fix.at_s
    if not 0.0 <= age_s <= rule.max_age_s:
        return False
    if any(escort.unit_id == unit.unit_id for escort in track.escorts):
        return False
    pace = unit.velocity()
    vx, vy = (pace[0], pace[1]) if pace is not None else (0.0, 0.0)
    x_m, y_m = fix.at.x_m + vx * age_s, fix.at.y_m + vy * age_s
    reach_m = _gate_m(track, motion, fix, rule) + rule.speed_mps * age_s
    return math.hypot(motion.x_m - x_m, motion.y_m - y_m) <= reach_m


def unit_fix(message: PositionMessage, frame: LocalFrame) -> UnitFix:
    """Place a unit's position in the plane."""
    return UnitFix(
        at_s=message.captured_at.timestamp(),
        unit_id=message.unit_id,
        at=frame.to_metres(lat=message.lat, lon=message.lon),
        sigma_m=message.accuracy_m * _SIGMA_PER_R68,
    )


def _gate_m(track: Track, motion: Motion, fix: UnitFix, rule: PatrolsRule) -> float:
    xx, _, yy = track.cov_of(motion)
    return rule.spread_m + _SIGMAS * math.sqrt(max(xx, yy) + fix.sigma_m**2)


def _noted(track: Track, unit_id: str, *, with_it: bool) -> Track:
    old = {escort.unit_id: escort for escort in track.escorts}
    was = old.get(unit_id, Escort(unit_id, 0, 0))
    now = was._replace(
        agrees=was.agrees + with_it,
        disagrees=was.disagrees + (not with_it),
    )
    return replace(track, escorts=tuple(sorted({**old, unit_id: now}.values())))
