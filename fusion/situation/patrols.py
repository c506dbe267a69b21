"""Our own forces: which tracks move with a unit that sends its position.

Being near is not enough, since a post beside a trail is near to everyone who passes it. So a
track is compared with a unit at the instants of the unit's own fixes, where nothing need be
extrapolated, and both must have gone the same way since:

    share = sum T.U / sum T.T     T, U: where track and unit were, less their means (m)
    sigma = 1 / sqrt(sum T.T / sigma_m²)

the least-squares slope of the unit's way on the track's: 1 for whoever walks together, 0 for a
unit that stands, -1 for one that comes the other way. A track too short for that is compared by
its velocity. What is neither clear nor refuted makes an alert wait for the unit's next fix.
"""

import math
from enum import IntEnum
from typing import Final, NamedTuple

from msgspec.structs import replace

from edge.messages import PositionMessage
from fusion.local_frame import LocalFrame, Metres
from fusion.rulebook import PatrolsRule
from fusion.tracking.motion import Motion
from fusion.tracking.track import Escort, Meeting, Track

NEAR_M: Final = 1_000.0  # a unit farther away says nothing about a track
_R68_PER_SIGMA: Final = 1.5096  # the 68 % radius of a circular Gaussian
_SIGMAS: Final = 2.5
_CLEARLY_APART: Final = 1.5  # gates
_BASELINE_S: Final = 5.0  # a velocity from closer fixes would be noise
_KEPT_S: Final = 30.0  # of a unit's fixes
_FORGOTTEN_S: Final = 600.0  # without any
_WAY_S: Final = 60.0  # of its meetings with a track
_LATELY: Final = 3  # meetings that say whether it is near: one stray fix decides nothing
_HALF_SHARE: Final = 0.5  # between going along (1) and standing (0)
_SHARE_SIGMAS: Final = 2.0
_SHARP: Final = 0.35  # sigma of a share that can tell: a post seems to walk along once in 3,000


class UnitFix(NamedTuple):
    """Where a unit was at one moment."""

    at_s: float
    unit_id: str
    at: Metres
    accuracy_m: float  # 68 % radius

    @property
    def sigma_m(self) -> float:
        """Return 1 sigma of each axis."""
        return self.accuracy_m / _R68_PER_SIGMA


class Unit(NamedTuple):
    """A unit's recent fixes, oldest first."""

    unit_id: str
    fixes: tuple[UnitFix, ...] = ()

    def after(self, fix: UnitFix) -> "Unit":
        """Return the unit with one more fix, old ones forgotten."""
        known = [old for old in self.fixes if fix.at_s - old.at_s <= _FORGOTTEN_S]
        kept = [old for old in known if fix.at_s - old.at_s <= _KEPT_S]
        return Unit(self.unit_id, (*(kept or known[-1:]), fix))

    def velocity(self) -> tuple[float, float, float] | None:
        """Return `(vx, vy, sigma)` over the fixes kept, m/s; None if they are too close."""
        first, last = self.fixes[0], self.fixes[-1]
        span_s = last.at_s - first.at_s
        if span_s < _BASELINE_S:
            return None
        sigma = math.hypot(first.sigma_m, last.sigma_m) / span_s
        (x0, y0), (x1, y1) = first.at, last.at
        return (x1 - x0) / span_s, (y1 - y0) / span_s, sigma


class Bond(IntEnum):
    """How a track stands to a unit."""

    APART = 0
    UNSURE = 1  # near, and nothing refutes that it is one of them
    WITH = 2  # near, and going the same way


class _Share(NamedTuple):
    """How much of the track's way the unit went too, and how sure that is."""

    value: float
    sigma: float

    def says(self) -> bool | None:
        margin = _SHARE_SIGMAS * self.sigma
        if self.sigma > _SHARP or abs(self.value - _HALF_SHARE) < margin:
            return None
        return self.value > _HALF_SHARE


def is_near(fix: UnitFix, place: Metres) -> bool:
    """Tell whether a unit says anything about whoever is (or was last seen) at a place."""
    return math.dist(fix.at, place) <= NEAR_M


def met(track: Track, motion: Motion, unit: Unit, rule: PatrolsRule) -> Track:
    """Compare a track near a unit with it at its newest fix."""
    fix = unit.fixes[-1]
    gap_m = math.dist(fix.at, (motion.x_m, motion.y_m))
    gate_m = _gate_m(track, motion, fix, rule)
    near = True if gap_m <= gate_m else False if gap_m > _CLEARLY_APART * gate_m else None
    # The bias of the device cancels in the track's way.
    sigma_m = math.sqrt(max(motion.a[0], motion.a[2]) + fix.sigma_m**2)
    meeting = Meeting(fix.at_s, Metres(motion.x_m, motion.y_m), fix.at, sigma_m, near)
    known = _escort(track, unit.unit_id) or Escort(unit.unit_id, (), None)
    kept = [old for old in known.meetings if fix.at_s - old.at_s <= _WAY_S]
    meetings = (*(kept or known.meetings[-1:]), meeting)
    said = _together(meetings, motion, unit)
    escort = Escort(unit.unit_id, meetings, known.together if said is None else said)
    others = (one for one in track.escorts if one.unit_id != unit.unit_id)
    return replace(track, escorts=tuple(sorted((*others, escort), key=lambda one: one.unit_id)))


def bond(track: Track, motion: Motion, at_s: float, unit: Unit, rule: PatrolsRule) -> Bond:
    """Tell how a track stands to a unit, by all that is known at an instant."""
    escort = _escort(track, unit.unit_id)
    if escort is None:
        return Bond.UNSURE if _may_be_near(track, motion, at_s, unit, rule) else Bond.APART
    if at_s - escort.meetings[-1].at_s > rule.max_age_s:
        return Bond.APART
    lately = [meeting.near for meeting in escort.meetings[-_LATELY:]]
    if 2 * lately.count(False) > len(lately) or True not in lately or escort.together is False:
        return Bond.APART
    return Bond.UNSURE if escort.together is None else Bond.WITH


def unit_fix(message: PositionMessage, frame: LocalFrame) -> UnitFix:
    """Place a unit's position in the plane."""
    return UnitFix(
        at_s=message.captured_at.timestamp(),
        unit_id=message.unit_id,
        at=frame.to_metres(lat=message.lat, lon=message.lon),
        accuracy_m=message.accuracy_m,
    )


def _escort(track: Track, unit_id: str) -> Escort | None:
    return next((one for one in track.escorts if one.unit_id == unit_id), None)


def _may_be_near(track: Track, motion: Motion, at_s: float, unit: Unit, rule: PatrolsRule) -> bool:
    """Tell whether a unit with no fix in a track's lifetime could be with it by now."""
    fix = unit.fixes[-1]
    age_s = at_s - fix.at_s
    if not 0.0 <= age_s <= rule.max_age_s or not is_near(fix, track.place):
        return False
    pace = unit.velocity()
    vx, vy = (pace[0], pace[1]) if pace is not None else (0.0, 0.0)
    x_m, y_m = fix.at.x_m + vx * age_s, fix.at.y_m + vy * age_s
    reach_m = _gate_m(track, motion, fix, rule) + rule.speed_mps * age_s
    return math.hypot(motion.x_m - x_m, motion.y_m - y_m) <= reach_m


def _gate_m(track: Track, motion: Motion, fix: UnitFix, rule: PatrolsRule) -> float:
    xx, _, yy = track.cov_of(motion)
    return rule.spread_m + _SIGMAS * math.sqrt(max(xx, yy) + fix.sigma_m**2)


def _together(meetings: tuple[Meeting, ...], motion: Motion, unit: Unit) -> bool | None:
    said = _share_of_ways(meetings).says()
    if said is None and _share_of_paces(motion, unit).says():
        # Velocities may confirm and never refute: whoever just took a turn differs in them.
        said = True
    return said


def _share_of_ways(meetings: tuple[Meeting, ...]) -> _Share:
    """Regress where the unit was on where the track was, each fix with its weight."""
    weights = [1.0 / one.sigma_m**2 for one in meetings]
    total = sum(weights)
    means = [
        sum(w * at[axis] for w, at in zip(weights, ways, strict=True)) / total
        for ways in ([one.track for one in meetings], [one.unit for one in meetings])
        for axis in (0, 1)
    ]
    tx, ty, ux, uy = means
    tt = tu = 0.0
    for weight, one in zip(weights, meetings, strict=True):
        dx, dy = one.track.x_m - tx, one.track.y_m - ty
        tt += weight * (dx * dx + dy * dy)
        tu += weight * (dx * (one.unit.x_m - ux) + dy * (one.unit.y_m - uy))
    return _Share(tu / tt, 1.0 / math.sqrt(tt)) if tt > 0.0 else _Share(0.0, math.inf)


def _share_of_paces(motion: Motion, unit: Unit) -> _Share:
    """Hold the unit's velocity over its recent fixes against the track's present one."""
    pace, speed2 = unit.velocity(), motion.vx_mps**2 + motion.vy_mps**2
    if pace is None or speed2 <= 0.0:
        return _Share(0.0, math.inf)
    vx, vy, sigma_mps = pace
    along = (vx * motion.vx_mps + vy * motion.vy_mps) / speed2
    speed_sigma_mps = math.sqrt(max(motion.c[0], motion.c[2]) + sigma_mps**2)
    return _Share(along, speed_sigma_mps / math.sqrt(speed2))
