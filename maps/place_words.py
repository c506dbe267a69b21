"""A place in the guards' words, in each language; as the pages say it (static/page/wording.js)."""

from typing import Final

from babel.numbers import format_decimal

from edge.messages import Place
from maps.language import words

LOCALES: Final = {"vi": "vi", "en": "en_GB"}
_COMPASS: Final = ("n", "ne", "e", "se", "s", "sw", "w", "nw")
_FAR_M: Final = 10_000.0


def place_text(place: Place, language: str) -> str:
    """Return where something is as one phrase: fusion's own where that is of the language."""
    if language == "vi" and place.text is not None:
        return place.text
    said = words(language)
    parts = []
    if place.marker is not None:
        distance_m, bearing_deg = place.marker_distance_m or 0.0, place.marker_bearing_deg
        key = "at_marker" if distance_m < 1.0 or bearing_deg is None else "from_marker"
        eighth = round((bearing_deg or 0.0) % 360.0 / 45.0) % 8
        parts.append(
            said[f"place.{key}"].format(
                marker=place.marker,
                distance=distance_text(distance_m, language),
                bearing=said[f"compass.{_COMPASS[eighth]}"],
            )
        )
    trail = place.trail_name or place.trail_id
    if trail is None:
        parts.append(said["place.off_trail"])
    else:
        parts.append(said["place.trail"].format(kind=said["trail.duong_mon"], trail=trail))
    if place.side is not None:
        away = distance_text(place.line_m or 0.0, language)
        parts.append(said[f"place.{place.side}"].format(distance=away))
    return ", ".join(parts)


def distance_text(distance_m: float, language: str) -> str:
    """Return a distance in metres, from 10 km on in kilometres."""
    far = distance_m >= _FAR_M
    value, digits = (distance_m / 1000.0, "#,##0.0") if far else (distance_m, "#,##0")
    shown = format_decimal(value, digits, locale=LOCALES[language])
    return words(language)["unit.km" if far else "unit.m"].format(n=shown)
