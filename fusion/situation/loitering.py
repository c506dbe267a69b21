"""Who stays near the line: for minutes within a few metres, and is not just walking along it.

A stay goes on while every look lies within `radius_m` of the mean of those before it, give or take
the random error. Whoever walks on leaves it within seconds and begins another one. Once it was
long enough its place is fixed: whoever strays over the edge of their field stays in that field.
"""

import math
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from edge.messages import AlertKind, Reason
from fusion.local_frame import Metres
from fusion.situation.border import along, beyond
from fusion.situation.finding import Finding
from fusion.situation.zones import LEFT

if TYPE_CHECKING:
    from fusion.rulebook import LoiteringRule
    from fusion.sector import Sector
    from fusion.tracking.track import Track

_LOOK_S: Final = 1.0
_SIGMAS: Final = 2.0
_HYSTERESIS: Final = 2.0  # who was said to stay must go so much farther to have left
_MEAN_OF: Final = 120  # looks: whoever drifts on slowly drags no old mean along


class Lingering(Struct, frozen=True):
    """A track's present stay at one place."""

    looked_s: float = -math.inf
    since_s: float | None = None  # None: it is nowhere near the line
    x_m: float = 0.0  # mean place of the stay
    y_m: float = 0.0
    looks: int = 0
    told: bool = False


def observe(
    state: Lingering, track: "Track", at_s: float, sector: "Sector"
) -> tuple[Lingering, Finding | None]:
    """Take in where a track is now; say whether it stays near the line."""
    rule = sector.rules.loitering
    if at_s - state.looked_s < _LOOK_S or not track.confirmed or track.label not in rule.labels:
        return state, None
    at, over = track.place, _over(rule) if state.told else None
    away = _from_line(track, rule, sector)
    if away is None:
        return Lingering(looked_s=at_s), over
    distance_m, sigma_m, sure = away
    if sigma_m > rule.radius_m:
        return replace(state, looked_s=at_s), None  # it may be anywhere: that proves nothing
    begun = Lingering(at_s, at_s, at.x_m, at.y_m, 1)
    if state.since_s is None:
        return begun, over
    # The bias of its devices is the same at every look: it moves the place, not the stay.
    random = track.random_of(track.motion)
    reach_m = rule.radius_m * (_HYSTERESIS if state.told else 1.0)
    reach_m += _SIGMAS * math.sqrt(max(random[0], random[2]))
    if math.hypot(at.x_m - state.x_m, at.y_m - state.y_m) > reach_m:
        return begun, over
    stay_s = at_s - state.since_s
    if state.told:
        state = replace(state, looked_s=at_s)
    else:
        looks = min(state.looks + 1, _MEAN_OF)
        state = replace(
            state,
            looked_s=at_s,
            x_m=state.x_m + (at.x_m - state.x_m) / looks,
            y_m=state.y_m + (at.y_m - state.y_m) / looks,
            looks=looks,
            told=stay_s >= rule.for_s,
        )
    return state, _finding(rule, state, stay_s, distance_m, sure) if state.told else None


def _from_line(
    track: "Track", rule: "LoiteringRule", sector: "Sector"
) -> tuple[float, float, float] | None:
    """Return its distance to the line, the error of that, and P(near enough); None: it is not."""
    side = sector.border.side(*track.place)
    if side is None or side.past_end:
        return None
    variance_m2 = along(track.cov_of(track.motion), side.normal) + side.sigma_m**2
    sigma_m = math.sqrt(variance_m2)
    if abs(side.distance_m) > rule.within_m:
        return None
    if side.distance_m < -_SIGMAS * sigma_m and not rule.abroad:
        return None
    return side.distance_m, sigma_m, beyond(abs(side.distance_m) - rule.within_m, sigma_m)


def _finding(
    rule: "LoiteringRule", state: Lingering, stay_s: float, distance_m: float, sure: float
) -> Finding:
    stays = f"has stayed within {rule.radius_m:.0f} m for {stay_s:.0f} s"
    near = f"is {abs(distance_m):.0f} m from the line"
    return Finding(
        AlertKind.LOITERING,
        rule.severity,
        (
            Reason(code="stays", text=stays, value=round(stay_s, 1)),
            Reason(code="near_line", text=near, value=round(distance_m, 1)),
        ),
        probability=round(sure, 4),
        at=Metres(state.x_m, state.y_m),
    )


def _over(rule: "LoiteringRule") -> Finding:
    return Finding(AlertKind.LOITERING, rule.severity, (), over=LEFT)
