"""Where, in the guards' words: trail, nearest marker with distance and bearing, chainage, side."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

from msgspec.structs import replace

from edge.messages import Place
from fusion.local_frame import Metres
from fusion.situation.border import Side

if TYPE_CHECKING:
    from fusion.sector import Sector

Language = Literal["vi", "en"]

_SIGMAS: Final = 2.0  # of the line itself: nearer to it nobody says on which side
_AT_M: Final = 1.0  # so near a marker is at it
_SHORT_M, _LONG_M = 10.0, 10_000.0  # with a decimal below, in kilometres above
_COMPASS: Final[dict[Language, tuple[str, ...]]] = {
    "vi": ("Bắc", "Đông Bắc", "Đông", "Đông Nam", "Nam", "Tây Nam", "Tây", "Tây Bắc"),
    "en": (
        "north",
        "north-east",
        "east",
        "south-east",
        "south",
        "south-west",
        "west",
        "north-west",
    ),
}
_WORDS: Final[dict[Language, dict[str, str]]] = {
    "vi": {
        "at": "tại mốc {marker}",
        "from": "mốc {marker} + {away} về phía {bearing}",
        "trail": "{way} «{trail}»",
        "chainage": "lý trình {along}",
        "home": "bên ta, cách đường biên {away}",
        "abroad": "bên kia, cách đường biên {away}",
        "line": "trên đường biên",
    },
    "en": {
        "at": "at marker {marker}",
        "from": "marker {marker} + {away} {bearing}",
        "trail": "{way} “{trail}”",
        "chainage": "{along} along the line",
        "home": "at home, {away} from the line",
        "abroad": "abroad, {away} from the line",
        "line": "on the line",
    },
}
_WAYS: Final[dict[Language, dict[str, str]]] = {
    "vi": {
        "duong_mon": "đường mòn",
        "loi_mon": "lối mòn",
        "road": "đường ô tô",
        "river": "sông, suối",
    },
    "en": {
        "duong_mon": "trail",
        "loi_mon": "footpath",
        "road": "road",
        "river": "river or stream",
    },
}


def place_of(sector: "Sector", at: Metres) -> Place:
    """Name a point of the sector."""
    place, way = Place(), "duong_mon"
    if near := sector.trail_search.within(at, sector.rules.place.trail_tolerance_m):
        trail = near[0].trail
        way = trail.kind
        named = trail.name if trail.name != trail.id else None
        place = replace(place, trail_id=trail.id, trail_name=named)
    if sector.markers:
        marker_m, _, marker = min((math.dist(at, one.at), one.id, one) for one in sector.markers)
        place = replace(
            place,
            marker=marker.id,
            marker_distance_m=round(marker_m, 1),
            marker_bearing_deg=bearing_deg(sector, marker.at, at),
        )
    if (side := sector.border.side(*at)) is not None:
        place = replace(
            place,
            chainage_m=max(0.0, round(side.chainage_m, 1)),
            line_m=round(abs(side.distance_m), 1),
            side=_side(side),
        )
    return replace(place, text=in_words(place, way=way) or None)


def in_words(place: Place, language: Language = "vi", *, way: str = "duong_mon") -> str:
    """Say a place as one phrase: `mốc 234 + 320 m về phía Tây Bắc, đường mòn «Khe Lạnh», …`.

    Args:
        place: What is known of it.
        language: Of the phrase.
        way: What kind of trail its trail is.
    """
    return ", ".join(_phrases(place, language, _WAYS[language][way]))


def _side(side: Side) -> Literal["home", "abroad"] | None:
    if side.past_end or abs(side.distance_m) <= _SIGMAS * side.sigma_m:
        return None
    return "home" if side.distance_m > 0.0 else "abroad"


def _phrases(place: Place, language: Language, way: str) -> Iterator[str]:
    words = _WORDS[language]
    if place.marker is not None:
        away_m = place.marker_distance_m or 0.0
        bearing = ""
        if place.marker_bearing_deg is not None:
            bearing = _COMPASS[language][round(place.marker_bearing_deg / 45.0) % 8]
        yield words["from" if bearing and away_m >= _AT_M else "at"].format(
            marker=place.marker, away=_length(away_m, language), bearing=bearing
        )
    if place.trail_id is not None:
        trail = place.trail_name or place.trail_id
        # A name that says itself what it is stands alone.
        says_so = trail.casefold().startswith(way)
        yield trail if says_so else words["trail"].format(way=way, trail=trail)
    if place.chainage_m is not None:
        yield words["chainage"].format(along=_length(place.chainage_m, language))
    if place.side is not None:
        yield words[place.side].format(away=_length(place.line_m or 0.0, language))
    elif place.line_m is not None and place.line_m < _SHORT_M:
        yield words["line"]


def _length(metres: float, language: Language) -> str:
    if metres < _SHORT_M:
        text = f"{metres:.1f} m"
    elif metres < _LONG_M:
        text = f"{metres:,.0f} m"
    else:
        text = f"{metres / 1000.0:,.1f} km"
    return text.translate(_DECIMAL_COMMA) if language == "vi" else text


_DECIMAL_COMMA: Final = str.maketrans(",.", ".,")


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
