r"""Who heads for the line: net progress towards it, kept up, on a way that leads over it.

    home         . .        o   gained: from the farthest of the last minute to now, along
               .     o . o      the trail or straight to the line
    ---------------------------------------------------------------- the line
                        \
                         ^ towards: where the trail comes over, or the nearest point

On a trail that leads over the line a short progress suffices, off the trails a longer one: people
wander about, or walk along the line. It has ended with `no_threat` for whoever went back again, or
made no progress for long; whoever came over the line is no matter of this stage any more.
"""

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from edge.messages import AlertKind, Reason, Severity, UtcTime
from fusion.local_frame import Metres
from fusion.situation.border import Side, along
from fusion.situation.finding import Finding
from fusion.situation.matching import EVERY_S, Footing, footing
from fusion.situation.prediction import Eta, Way, eta, ways
from fusion.situation.trail_network import TrailNetwork
from fusion.situation.zones_here import place_of_work
from fusion.tracking.motion import Motion

if TYPE_CHECKING:
    from fusion.sector import Sector
    from fusion.tracking.track import Track

NO_THREAT: Final = "no_threat"  # who went back, or goes no farther
_EVERY_S: Final = 1.0
_WINDOW_S: Final = 60.0
_THIN_S: Final = 2.0
_SURE: Final = 2.0  # sigmas from the line: the side is known
_SIGMAS: Final = 3.0  # of the distance: less is no progress
_STEP_M: Final = 3.0  # so much nearer is progress since the last
_UNSEEN_MPS: Final = (0.4, 2.0)  # out of sight they came nearer at such a pace ...
_FILE_M: Final = 45.0  # ... give or take the length of a group, as `groups.file_m`
_HALF: Final = 0.5


class Mark(NamedTuple):
    """How far somebody was from the line at one moment."""

    at_s: float
    line_m: float  # straight, less than 0 beyond it
    way_m: float | None  # along the trails; None: off them


class Approach(Struct, frozen=True):
    """What is known of one track and its way to the line."""

    looked_s: float = -math.inf
    outbound: bool | None = None  # the side it was surely on last: home; None: never sure
    footing: Footing | None = None
    marks: tuple[Mark, ...] = ()  # oldest first, of the last minute
    nearest: Mark | None = None  # the closest of the approach that was said; None: none was
    gained_s: float = 0.0  # when it last came nearer


class _Now(NamedTuple):
    """One look at a track."""

    track: "Track"
    mark: Mark
    side: Side
    sigma_m: float  # of its distance to the line
    step: Footing
    outbound: bool


class _Heading(NamedTuple):
    """What an approach is told by."""

    probability: float
    when: Eta
    towards: Metres
    way: Way | None  # None: off the trails
    left_m: float
    closing_mps: float


def observe(
    state: Approach, track: "Track", at_s: float, sector: "Sector"
) -> tuple[Approach, Finding | None]:
    """Take in where a track is now; return the new state, and what is to be said of it, if any."""
    rule = sector.rules.approach
    if at_s - state.looked_s < _EVERY_S or not (rule.enabled and track.confirmed):
        return state, None
    motion = track.motion
    side = sector.border.side(motion.x_m, motion.y_m)
    is_near = side is not None and not side.past_end and abs(side.distance_m) <= rule.within_m
    if side is None or not is_near or track.label not in rule.labels:
        return Approach(looked_s=at_s), None
    cov = track.cov_of(motion)
    sigma_m = math.sqrt(along(cov, side.normal) + side.sigma_m**2)
    outbound = state.outbound
    if abs(side.distance_m) >= _SURE * sigma_m:
        outbound = side.distance_m > 0.0
    step = state.footing
    if step is None or at_s - step.at_s >= EVERY_S:
        step = footing(step, motion, cov, at_s, sector.network)
    if outbound is not state.outbound:
        # On the other side everything begins anew; how they came there is told by the crossing.
        state = Approach(outbound=outbound)
    state = replace(state, looked_s=at_s, footing=step)
    if outbound is None:
        return state, None
    way_m = _way_m(step, motion, sector.network)
    mark = Mark(at_s, side.distance_m if outbound else -side.distance_m, way_m)
    now = _Now(track, mark, side, sigma_m, step, outbound)
    # Off the trails in a field or a village, people are about there: no progress begins in it.
    is_about = step.off > _HALF and _at_work(track, at_s, sector)
    state = replace(state, marks=(mark,) if is_about else _with(state.marks, mark))
    if state.nearest is not None:
        return _went_on(state, state.nearest, now, sector)
    heading = _heading(state.marks, now, sector)
    if heading is None:
        return state, None
    return replace(state, nearest=mark, gained_s=at_s), _finding(heading, now, sector)


def goes_on(known: "Track", track: "Track") -> bool:
    """Tell whether somebody on the way to the line may be of the group of one who was seen before.

    As far behind or ahead as a group is long; or out of sight they went on meanwhile, under a name
    that nobody knows any more.

    Args:
        known: One of the group, as last seen.
        track: Who is on the way to the line now.
    """
    before, now = known.stages.approach, track.stages.approach
    for_s = track.seen_s - known.seen_s
    if for_s < 0.0 or not (before.marks and now.marks) or before.outbound is not now.outbound:
        return False
    gained_m = _gained_m(before.marks[-1], now.marks[-1])
    slowest_mps, fastest_mps = _UNSEEN_MPS
    return (
        slowest_mps * for_s - _FILE_M <= gained_m <= fastest_mps * for_s + _FILE_M
        and math.dist(known.place, track.place) <= max(0.0, gained_m) + _FILE_M
    )


def _went_on(
    state: Approach, nearest: Mark, now: _Now, sector: "Sector"
) -> tuple[Approach, Finding | None]:
    """Say an approach again while it goes on, or once that it has ended."""
    rule, mark = sector.rules.approach, now.mark
    gained_m = _gained_m(nearest, mark)
    if gained_m >= _STEP_M:
        state = replace(state, nearest=mark, gained_s=mark.at_s)
    back_m = max(rule.back_m, _SIGMAS * now.sigma_m)
    if gained_m <= -back_m or mark.at_s - state.gained_s > rule.stay_s:
        over = Finding(AlertKind.APPROACH, Severity.LOW, (), outbound=now.outbound, over=NO_THREAT)
        return replace(state, nearest=None, marks=(mark,)), over
    heading = _heading(state.marks, now, sector)
    return state, None if heading is None else _finding(heading, now, sector)


def _with(marks: tuple[Mark, ...], now: Mark) -> tuple[Mark, ...]:
    if marks and now.at_s - marks[-1].at_s < _THIN_S:
        return marks
    oldest_s = now.at_s - _WINDOW_S
    return (*(one for one in marks if one.at_s >= oldest_s), now)


def _way_m(step: Footing, motion: Motion, network: TrailNetwork) -> float | None:
    """Return how far it is along the trails to where they come over the line, either way."""
    if step.off > _HALF:
        return None
    (course, _), *_ = step.courses
    return network.to_line_m(course.edge, motion.x_m, motion.y_m)


def _gained_m(before: Mark, now: Mark) -> float:
    """Return how much nearer somebody came: along the trails or straight, whichever is more."""
    straight_m = before.line_m - now.line_m
    if before.way_m is None or now.way_m is None:
        return straight_m
    return max(straight_m, before.way_m - now.way_m)


def _progress(marks: tuple[Mark, ...], now: Mark, sustain_s: float) -> tuple[float, float]:
    """Return how much nearer they came from the farthest of the last minute, and how fast."""
    best_m, best_s = 0.0, sustain_s
    for mark in marks:
        if now.at_s - mark.at_s >= sustain_s:
            gained_m = _gained_m(mark, now)
            if gained_m >= best_m:  # the latest of those that are equally far
                best_m, best_s = gained_m, now.at_s - mark.at_s
    return best_m, best_m / best_s


def _heading(marks: tuple[Mark, ...], now: _Now, sector: "Sector") -> _Heading | None:
    """Return how surely somebody heads for the line; None: not so that it would be told."""
    rule = sector.rules.approach
    gained_m, closing_mps = _progress(marks, now.mark, rule.sustain_s)
    needed_m = _SIGMAS * now.sigma_m
    if gained_m < max(rule.progress_m, needed_m) or closing_mps < rule.closing_mps:
        return None
    motion, nodes, off = now.track.motion, sector.network.nodes, now.step.off
    routes = ways(now.step, motion, sector.network)
    over = [way for way in routes if nodes[way.node].kind == "border"]
    probability = sum(way.probability for way in over)
    way = over[0] if over and off <= _HALF else None
    left_m = now.mark.line_m if way is None else way.left_m
    pace_sigma_mps = math.sqrt(max(motion.c[0], motion.c[2]))
    to_walk_m = left_m if way is None else way.as_here_m
    when = eta(to_walk_m, now.sigma_m, closing_mps, pace_sigma_mps)
    if gained_m >= max(rule.open_progress_m, needed_m):
        probability += off * when.within(rule.horizon_s)
    if probability < rule.min_probability:
        return None
    if left_m > rule.within_m and when.median_s > rule.horizon_s:
        return None
    towards = now.side.nearest if way is None else nodes[way.node].at
    return _Heading(min(1.0, probability), when, towards, way, left_m, closing_mps)


def _at_work(track: "Track", at_s: float, sector: "Sector") -> bool:
    """Tell whether somebody is where people work or live: their ways there lead nowhere."""
    return bool(sector.zones) and (
        place_of_work(sector, track.place, UtcTime.from_epoch_s(at_s)) is not None
    )


def _finding(heading: _Heading, now: _Now, sector: "Sector") -> Finding:
    rule, when = sector.rules.approach, heading.when
    text = f"came nearer at {heading.closing_mps:.1f} m/s, {heading.left_m:.0f} m to go"
    reasons = [Reason(code="heading_for_line", text=text, value=round(heading.closing_mps, 2))]
    if heading.way is not None:
        trail = sector.network.edges[heading.way.on.edge].trail_id
        share = round(1.0 - now.step.off, 4)
        reasons.append(Reason(code="on_trail", text=f"walks on trail {trail}", value=share))
        text = f"the way on trail {trail} leads over the line in {heading.left_m:.0f} m"
        value = round(heading.way.probability, 4)
        reasons.append(Reason(code="predicted_exit", text=text, value=value))
    text = (
        f"at the line in {when.median_s:.0f} s "
        f"({when.p10_s:.0f} to {when.p90_s:.0f} s with a probability of 80 %)"
    )
    reasons.append(Reason(code="eta", text=text, value=round(when.median_s, 1)))
    severity = rule.severity_outbound if now.outbound else rule.severity_inbound
    if heading.probability * when.within(rule.horizon_s) < rule.min_probability:
        severity = rule.severity_watch  # in the belt and on the way, and not there soon
    return Finding(
        kind=AlertKind.APPROACH,
        severity=severity,
        reasons=tuple(reasons),
        probability=round(heading.probability, 4),
        outbound=now.outbound,
        eta_s=round(when.median_s, 1),
        towards=heading.towards,
    )
