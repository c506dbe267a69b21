"""Which trail somebody walks on, and which way: a hidden Markov model with a state off the trails.

Newson and Krumm (2009, DOMAIN.md 5.5), online: the filtered distribution, no look back. States are
courses (an edge and a way along it) and "off the trails". What is seen is a track's place and
velocity with their full covariances:

    on a course   across it N(0, n'Σn + width²), a pace along it of N(1.1, 0.5²), none across it
    off           anywhere within `_OPEN_M`, any way

The places that a track gives are no independent looks: it has averaged already, and the bias of a
device is in all of them. So an observation counts as the share of `_NEW_S` since the last one.
"""

import math
from typing import Final, NamedTuple

from fusion.local_frame import CovM2, Metres
from fusion.situation.border import along
from fusion.situation.trail_network import REACH_M, Course, Foot, TrailNetwork
from fusion.tracking.motion import Motion

EVERY_S: Final = 2.0
_NEW_S: Final = 6.0  # until what a track says is new
_MOST: Final = 6  # courses that are kept
_LEAST: Final = 1e-4  # less likely ones are not
_OFF: Final = 0.3  # of those first seen near a trail
_LEAVE_PS: Final = 1.0 / 200.0
_JOIN_PS: Final = 1.0 / 100.0
_TURN_PS: Final = 1.0 / 100.0
_LONG_S: Final = 30.0  # unseen for longer, it is begun anew
_WIDTH_M: Final = 3.0
_OPEN_M: Final = 120.0
_PACE_MPS: Final = 1.1
_PACE_SIGMA_MPS: Final = 0.5
_SWAY_MPS: Final = 0.25
_ROAM_MPS: Final = 0.9  # off the trails, each way


class Footing(NamedTuple):
    """How likely somebody is on which course; what is missing to 1 is off the trails."""

    at_s: float
    courses: tuple[tuple[Course, float], ...] = ()  # the likeliest first

    @property
    def off(self) -> float:
        """Return P(off the trails)."""
        return 1.0 - sum(p for _, p in self.courses)


def footing(
    before: Footing | None, motion: Motion, cov: CovM2, at_s: float, network: TrailNetwork
) -> Footing:
    """Take in where somebody is and how they move.

    Args:
        before: What was known of them; None: nothing.
        motion: At this instant.
        cov: Full covariance of the place, m².
        at_s: Event time.
        network: The trails.
    """
    within_m = min(REACH_M, 3.0 * (_WIDTH_M + math.sqrt(max(cov[0], cov[2]))))
    feet = network.feet(motion.x_m, motion.y_m, within_m)
    if not feet:
        return Footing(at_s)
    courses = [(Course(foot.edge, way), foot) for foot in feet for way in (True, False)]
    share = 1.0
    if before is None or at_s - before.at_s > _LONG_S:
        priors = [(1.0 - _OFF) / len(courses)] * len(courses)
        off = _OFF
    else:
        dt_s = at_s - before.at_s
        share = min(1.0, dt_s / _NEW_S)
        priors, off = _priors(before, courses, cov, dt_s, network)
    seen = [_log_seen(foot, course, motion, cov) for course, foot in courses]
    off_seen = _log_off(motion)
    top = max(off_seen, *seen)
    weights = [p * math.exp(share * (log - top)) for p, log in zip(priors, seen, strict=True)]
    whole = sum(weights) + off * math.exp(share * (off_seen - top))
    likely = sorted(
        ((w / whole, course) for w, (course, _) in zip(weights, courses, strict=True)),
        key=lambda one: (-one[0], one[1]),
    )
    return Footing(at_s, tuple((course, p) for p, course in likely[:_MOST] if p >= _LEAST))


def _priors(
    before: Footing,
    courses: list[tuple[Course, Foot]],
    cov: CovM2,
    dt_s: float,
    network: TrailNetwork,
) -> tuple[list[float], float]:
    """Return how likely each course is, and off the trails, before this look is taken in."""
    leave, join, turn = (min(0.5, rate * dt_s) for rate in (_LEAVE_PS, _JOIN_PS, _TURN_PS))
    stay = 1.0 - leave - turn
    known = dict(before.courses)
    off = before.off
    feet = {foot.edge: foot for _, foot in courses}
    priors = {course: off * join / len(courses) for course, _ in courses}
    gone = 0.0
    for course, p in known.items():
        turned = Course(course.edge, not course.onward)
        onward = [one for one in network.after(course) if one in priors]
        foot = feet.get(course.edge)
        # Near its end they are on it or on the next; where it is out of reach, on the next.
        goes_on = 0.0
        if onward and foot is None:
            goes_on = 1.0
        elif onward and foot is not None:
            near_m = 2.0 * (_WIDTH_M + math.sqrt(along(cov, foot.unit)))
            goes_on = 0.5 if network.left_m(course, foot.s_m) <= near_m else 0.0
        for one in onward:
            priors[one] += p * stay * goes_on / len(onward)
        if foot is None:
            gone += p * (1.0 - stay * goes_on)
            continue
        priors[course] += p * stay * (1.0 - goes_on)
        priors[turned] += p * turn
        gone += p * leave
    return [priors[course] for course, _ in courses], off * (1.0 - join) + gone


def _log_seen(foot: Foot, course: Course, motion: Motion, cov: CovM2) -> float:
    """Return ln of the density of a place and a velocity of somebody on a course."""
    (u_x, u_y), (n_x, n_y) = foot.unit, foot.aside
    if foot.away_m > 0.0:
        n_x, n_y = n_x / foot.away_m, n_y / foot.away_m
    else:
        n_x, n_y = -u_y, u_x
    place_m2 = _WIDTH_M**2 + along(cov, Metres(n_x, n_y))
    sign = 1.0 if course.onward else -1.0
    pace_mps = sign * (motion.vx_mps * u_x + motion.vy_mps * u_y)
    sway_mps = motion.vy_mps * u_x - motion.vx_mps * u_y
    return (
        _log_normal(foot.away_m, place_m2)
        + _log_normal(pace_mps - _PACE_MPS, _PACE_SIGMA_MPS**2 + along(motion.c, foot.unit))
        + _log_normal(sway_mps, _SWAY_MPS**2 + along(motion.c, Metres(-u_y, u_x)))
    )


def _log_off(motion: Motion) -> float:
    """Return ln of the density of a place and a velocity of somebody off the trails."""
    return (
        -math.log(_OPEN_M)
        + _log_normal(motion.vx_mps, _ROAM_MPS**2 + motion.c[0])
        + _log_normal(motion.vy_mps, _ROAM_MPS**2 + motion.c[2])
    )


def _log_normal(off: float, variance: float) -> float:
    return -0.5 * (off * off / variance + math.log(2.0 * math.pi * variance))
