"""Where, in the guards' words: trail, nearest marker with distance and bearing, chainage."""

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from edge.messages import Place
from fusion.local_frame import Metres

if TYPE_CHECKING:
    from fusion.plan import Zone
    from fusion.sector import Sector


def place_of(sector: "Sector", at: Metres) -> Place:
    """Name a point of the sector."""
    side = sector.border.side(*at)
    trail_id = None
    if sector.trails:
        away_m, trail_id = min((distance_m(at, trail.line), trail.id) for trail in sector.trails)
        if away_m > sector.rules.place.trail_tolerance_m:
            trail_id = None
    chainage_m = None if side is None else max(0.0, round(side.chainage_m, 1))
    if not sector.markers:
        return Place(trail_id=trail_id, chainage_m=chainage_m)
    marker_m, marker = min(
        ((math.dist(at, marker.at), marker) for marker in sector.markers),
        key=lambda pair: (pair[0], pair[1].id),
    )
    return Place(
        trail_id=trail_id,
        marker=marker.id,
        marker_distance_m=round(marker_m, 1),
        marker_bearing_deg=bearing_deg(sector, marker.at, at),
        chainage_m=chainage_m,
    )


def bearing_deg(sector: "Sector", start: Metres, end: Metres) -> float:
    """Return the direction from one point to another, clockwise from true north, 0 to 360."""
    lat, lon = sector.frame.to_wgs84(*start)
    cos, sin = sector.frame.turn(lat=lat, lon=lon)
    x_m, y_m = end.x_m - start.x_m, end.y_m - start.y_m
    east, north = x_m * cos + y_m * sin, y_m * cos - x_m * sin
    return round(math.degrees(math.atan2(east, north)) % 360.0, 1) % 360.0


def distance_m(at: Metres, line: Sequence[Metres]) -> float:
    """Return the distance from a point to a polyline."""
    best_m = math.inf
    for (ax, ay), (bx, by) in pairwise(line):
        dx, dy = bx - ax, by - ay
        length2 = dx * dx + dy * dy
        share = 0.0
        if length2 > 0.0:
            share = min(1.0, max(0.0, ((at.x_m - ax) * dx + (at.y_m - ay) * dy) / length2))
        best_m = min(best_m, math.hypot(at.x_m - ax - share * dx, at.y_m - ay - share * dy))
    return best_m


def inside(at: Metres, rings: Sequence[Sequence[Metres]]) -> bool:
    """Tell whether a point lies in a polygon (holes excluded): even-odd rule."""
    within = False
    for ring in rings:
        for (ax, ay), (bx, by) in pairwise(ring):
            if (ay > at.y_m) != (by > at.y_m):
                x_m = ax + (at.y_m - ay) / (by - ay) * (bx - ax)
                within ^= at.x_m < x_m
    return within


def open_crossing_point(sector: "Sector", at: Metres, when: datetime) -> "Zone | None":
    """Return the crossing point in which one may go over the line here and now, or None."""
    for zone in sector.zones:
        if zone.kind == "crossing_point" and inside(at, zone.rings):
            hours = zone.schedule
            if hours is None or hours.is_open(when, sector.timezone):
                return zone
    return None
