"""Where units could be before people who were seen at a place: `fusion intercept`."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from edge.messages import Interception, RefusedError, to_builtins
from fusion.local_frame import Metres
from fusion.sector import Sector
from fusion.situation.interception import Meeting, Post, Walkers, meetings
from fusion.situation.matching import Footing
from fusion.situation.prediction import ways
from fusion.situation.trail_network import REACH_M, Course
from fusion.tracking.motion import Motion

_SIGMA_M: Final = 10.0  # of a place that somebody names
_PACE_SHARE: Final = 0.25  # 1 sigma of a pace that somebody names


def meetings_before(
    sector: Sector,
    *,
    at: Metres,
    came_from: Metres | None,
    pace_mps: float,
    posts: Iterable[Post],
) -> tuple[Meeting, ...]:
    """Return where units can be before people on a trail, the best unit first.

    Args:
        sector: Where.
        at: Where the people are.
        came_from: Where they were before, as which way they walk; None: nobody knows.
        pace_mps: How fast they walk.
        posts: Our units.

    Raises:
        RefusedError: The place is on no trail, or so far that nobody can say on which side.
    """
    lat, lon = sector.frame.to_wgs84(*at)
    side = sector.border.side(*at)
    if side is None or side.past_end:
        msg = f"{lat:.6f}, {lon:.6f} is too far from the line to say on which side it lies"
        raise RefusedError(msg)
    feet = sorted(sector.network.feet(*at, REACH_M), key=lambda one: (one.away_m, one.edge))
    if not feet:
        msg = f"{lat:.6f}, {lon:.6f} lies within {REACH_M:.0f} m of no trail"
        raise RefusedError(msg)
    foot = feet[0]
    courses = [Course(foot.edge, onward=True), Course(foot.edge, onward=False)]
    if came_from is not None:
        (x_m, y_m), (u_x, u_y) = came_from, foot.unit
        courses = [courses[0 if (at.x_m - x_m) * u_x + (at.y_m - y_m) * u_y >= 0.0 else 1]]
    footing = Footing(0.0, tuple((course, 1.0 / len(courses)) for course in courses))
    variance_m2 = _SIGMA_M**2
    motion = Motion(*at, 0.0, 0.0, (variance_m2, 0.0, variance_m2), (0.0,) * 4, (0.0,) * 3)
    walkers = Walkers(
        routes=ways(footing, motion, sector.network),
        motion=motion,
        sigma_m=_SIGMA_M,
        pace_mps=pace_mps,
        pace_sigma_mps=_PACE_SHARE * pace_mps,
        outbound=side.distance_m > 0.0,
    )
    return meetings(walkers, posts, sector.network, sector.border, sector.rules.interception)


def drawn(found: Sequence[Interception]) -> dict[str, Any]:
    """Return as GeoJSON the points and the routes to them."""
    features = []
    for one in found:
        told = to_builtins(one)
        route = told.pop("route")
        point = {"type": "Point", "coordinates": [told.pop("lon"), told.pop("lat")]}
        about = {**told, "place": one.place.text, "layer": "interception"}
        features += [
            {"type": "Feature", "geometry": route, "properties": {**about, "kind": "route"}},
            {"type": "Feature", "geometry": point, "properties": {**about, "kind": "point"}},
        ]
    return {"type": "FeatureCollection", "features": features}


def post_of(sector: Sector, unit_id: str, lat: float, lon: float, age_s: float) -> Post:
    """Return a unit that somebody names."""
    return Post(unit_id, sector.frame.to_metres(lat=lat, lon=lon), _SIGMA_M, max(0.0, age_s))


def degrees(text: str) -> tuple[float, float]:
    """Read `LAT,LON`.

    Raises:
        ValueError: It is something else.
    """
    lat, lon = (float(part) for part in text.split(","))
    if not (math.isfinite(lat) and math.isfinite(lon) and abs(lat) <= 90.0 and abs(lon) <= 180.0):  # noqa: PLR2004
        msg = f"{text!r} is no place on earth"
        raise ValueError(msg)
    return lat, lon
