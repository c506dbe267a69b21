"""Who is in a restricted zone, by the whole of their error and not by one point.

P(inside) is the integral of the Gaussian of a position over the zone. In the plane whitened by the
covariance, where the Gaussian is that of the unit circle, Green's theorem makes it an integral
round the outline, over the angle under which the position sees it:

    P = 1/2π ∮ (1 - exp(-r²/2)) dθ = Σ over edges [ Δθ/2π - (T(h, t2) - T(h, t1)) ]

with h the distance to the edge's line and t1, t2 where the edge lies on it, counted from the foot
of the perpendicular; T is Owen's function of h and t/h (D. B. Owen, Ann. Math. Stat. 27, 1956).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from edge.messages import AlertKind, Reason, UtcTime
from fusion.local_frame import CovM2, Metres
from fusion.situation.finding import Finding

if TYPE_CHECKING:
    from fusion.plan import Zone
    from fusion.sector import Sector
    from fusion.tracking.track import Track

LEFT: Final = "left"  # how a stay ends
_LOOK_S: Final = 1.0
_FAR_SIGMAS: Final = 6.0  # nothing of a Gaussian lies farther out
# Gauss-Legendre on [0, 1]; T is smooth enough for seven places over the eighth of a circle.
_NODES: Final = (
    (0.5 - 0.5 * 0.9324695142031521, 0.5 * 0.1713244923791704),
    (0.5 - 0.5 * 0.6612093864662645, 0.5 * 0.3607615730481386),
    (0.5 - 0.5 * 0.2386191860831969, 0.5 * 0.4679139345726910),
    (0.5 + 0.5 * 0.2386191860831969, 0.5 * 0.4679139345726910),
    (0.5 + 0.5 * 0.6612093864662645, 0.5 * 0.3607615730481386),
    (0.5 + 0.5 * 0.9324695142031521, 0.5 * 0.1713244923791704),
)


class Stay(NamedTuple):
    """A track and a zone that it is in, as far as one can say."""

    zone_id: str
    since_s: float  # since when every look says so
    told: bool  # long enough to be said


class Stays(Struct, frozen=True):
    """The restricted zones that a track is in."""

    looked_s: float = -math.inf
    stays: tuple[Stay, ...] = ()


def observe(
    stays: Stays, track: "Track", at_s: float, sector: "Sector"
) -> tuple[Stays, tuple[Finding, ...]]:
    """Hold a track that was just seen against the restricted zones; a finding for each."""
    rule = sector.rules.zone
    if at_s - stays.looked_s < _LOOK_S or not track.confirmed or track.kind not in rule.kinds:
        return stays, ()
    at, cov = track.place, track.cov_of(track.motion)
    zones = _near(sector, at, cov)
    if not zones and not stays.stays:
        return stays, ()
    known = {stay.zone_id: stay for stay in stays.stays}
    when = UtcTime.from_epoch_s(at_s)
    here: list[Stay] = []
    findings: list[Finding] = []
    for zone in zones:
        stay = known.pop(zone.id, None)
        holds = zone.schedule is None or zone.schedule.is_open(when, sector.timezone)
        sure = inside(zone.rings, at, cov) if holds else 0.0
        if sure >= rule.min_probability:
            stay = stay or Stay(zone.id, at_s, told=False)
            stay = stay._replace(told=stay.told or at_s - stay.since_s >= rule.sustain_s)
        elif stay is not None and (not stay.told or sure <= 1.0 - rule.min_probability):
            if stay.told:
                findings.append(_left(stay, sector))
            stay = None
        if stay is not None:
            here.append(stay)
            if stay.told:
                findings.append(_entered(zone, sure, at_s - stay.since_s, sector))
    findings += [_left(stay, sector) for stay in known.values() if stay.told]
    return replace(stays, looked_s=at_s, stays=tuple(here)), tuple(findings)


def _near(sector: "Sector", at: Metres, cov: CovM2) -> "list[Zone]":
    """Return the restricted zones that somebody may be in whose position has this covariance."""
    x_m, y_m = at
    reach_x_m, reach_y_m = _FAR_SIGMAS * math.sqrt(cov[0]), _FAR_SIGMAS * math.sqrt(cov[2])
    near = []
    for zone in sector.zones:
        (west_m, south_m), (east_m, north_m) = zone.box
        if (
            zone.kind == "restricted"
            and west_m - reach_x_m <= x_m <= east_m + reach_x_m
            and south_m - reach_y_m <= y_m <= north_m + reach_y_m
        ):
            near.append(zone)
    return near


def inside(rings: Sequence[Sequence[Metres]], at: Metres, cov: CovM2) -> float:
    """Return the probability that somebody is in a polygon.

    Args:
        rings: Closed; the first is the outside, the others are holes. However they turn.
        at: Where the position says they are.
        cov: Its covariance, positive definite.
    """
    outside, *holes = (abs(_in_ring(ring, at, cov)) for ring in rings)
    return min(1.0, max(0.0, outside - sum(holes)))


def _in_ring(ring: Sequence[Metres], at: Metres, cov: CovM2) -> float:
    """Return the probability of being inside one ring; negative if that turns clockwise."""
    xx, xy, yy = cov
    # Cholesky: (x, y) = (l0 u, l1 u + l2 v) with u and v independent and of variance 1.
    l0 = math.sqrt(xx)
    l1 = xy / l0
    l2 = math.sqrt(yy - l1 * l1)
    total = 0.0
    white = []
    for x_m, y_m in ring:
        u = (x_m - at.x_m) / l0
        white.append((u, (y_m - at.y_m - l1 * u) / l2))
    for (a_u, a_v), (b_u, b_v) in pairwise(white):
        cross = a_u * b_v - a_v * b_u
        if cross == 0.0:
            continue  # an edge that points at the position turns by nothing
        total += math.atan2(cross, a_u * b_u + a_v * b_v) / math.tau
        d_u, d_v = b_u - a_u, b_v - a_v
        length = math.hypot(d_u, d_v)
        h = abs(cross) / length
        if h < _FAR_SIGMAS:
            t1, t2 = (a_u * d_u + a_v * d_v) / length, (b_u * d_u + b_v * d_v) / length
            total -= math.copysign(_owen(h, t2) - _owen(h, t1), cross)
    return total


def _owen(h: float, t: float) -> float:
    """Return Owen's T(h, t/h), h >= 0; odd in t."""
    along = abs(t)
    if along > h:
        whole = 0.25 * (1.0 - math.erf(h * math.sqrt(0.5)) * math.erf(along * math.sqrt(0.5)))
        return math.copysign(whole - _owen(along, h), t)
    angle = math.atan2(along, h)
    half_h2 = 0.5 * h * h
    mean = sum(
        weight * math.exp(-half_h2 / math.cos(share * angle) ** 2) for share, weight in _NODES
    )
    return math.copysign(mean * angle / math.tau, t)


def _entered(zone: "Zone", sure: float, stay_s: float, sector: "Sector") -> Finding:
    sure = round(sure, 4)
    text = f"is inside the restricted zone {zone.name}, for {stay_s:.0f} s now"
    reasons = [Reason(code="in_restricted_zone", text=text, value=sure)]
    if zone.schedule is not None:
        text = f"the zone is restricted at this time ({zone.schedule.text})"
        reasons.append(Reason(code="restricted_now", text=text))
    return Finding(
        AlertKind.ZONE,
        sector.rules.zone.severity,
        tuple(reasons),
        subject=zone.id,
        probability=sure,
    )


def _left(stay: Stay, sector: "Sector") -> Finding:
    return Finding(AlertKind.ZONE, sector.rules.zone.severity, (), subject=stay.zone_id, over=LEFT)
