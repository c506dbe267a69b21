"""The page of an export: text in both languages and a map, in one file that loads nothing."""

import base64
from collections.abc import Sequence
from typing import Any, Final

from maps.draw import inline
from maps.export.matter import Matter, ground_near
from maps.export.telling import Told, plain, time_text
from maps.language import LANGUAGES, words
from maps.pages import TEMPLATES, sealed

CROPS_SHOWN: Final = 40  # in the page itself; all lie beside it
_MOST_POINTS: Final = 600  # of a way: the file beside it has all


def render(matter: Matter, tellings: Sequence[Told], *, language: str, made: str) -> str:
    """Return the page, with the language that it opens in and who made it when."""
    context: dict[str, Any] = {
        "first": language,
        "languages": LANGUAGES,
        "by_language": {one: words(one) for one in LANGUAGES},
        "tellings": tellings,
        "made": plain(made),
        "sector_name": plain(matter.sector.name),
        "simulated": matter.simulated,
        "crops_left": max(0, len(matter.crops) - CROPS_SHOWN),
        "features": _features(matter, tellings),
        "leaflet_css": inline("vendor/leaflet/leaflet.css"),
        "leaflet_js": inline("vendor/leaflet/leaflet.js"),
        "page_css": inline("export/incident.css"),
        "page_js": inline("export/incident.js"),
    }
    page = TEMPLATES.get_template("export_incident.html")
    # What runs does not depend on the crops, whose base64 looks like addresses.
    policy = sealed(page.render(context | {"crops": [], "policy": ""})).policy
    policy = policy.replace("; frame-ancestors 'none'", "")  # a header's word only
    return page.render(context | {"crops": _crops(matter), "policy": policy})


def _crops(matter: Matter) -> list[dict[str, str]]:
    zone = matter.sector.timezone
    return [
        {
            "src": f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}",
            "id": plain(crop.evidence_id),
            "caption": f"{plain(crop.device_id)} · {time_text(crop.captured_at, zone)}",
        }
        for crop, jpeg in matter.crops[:CROPS_SHOWN]
    ]


def _features(matter: Matter, tellings: Sequence[Told]) -> dict[str, Any]:
    """Return what the map shows: GeoJSON whose properties are `kind` and a name by language."""
    drawn = [
        _feature(layer, feature["geometry"], _ground_name(layer, feature))
        for layer, feature in ground_near(matter)
    ]
    for track_id, way in matter.ways.items():
        every = -(-len(way) // _MOST_POINTS)
        places = [[line.lon, line.lat] for line in [*way[:-1:every], way[-1]]]
        if len(places) > 1:
            drawn.append(_feature("way", {"type": "LineString", "coordinates": places}, track_id))
        last = {"type": "Point", "coordinates": places[-1]}
        drawn.append(_feature("track", last, f"{track_id} · {way[-1].label}"))
    for alert in matter.alerts:
        at = {"type": "Point", "coordinates": [alert.lon, alert.lat]}
        names = {
            one: words(one).get(f"kind.{alert.kind.value}", alert.kind.value) for one in LANGUAGES
        }
        drawn.append(_feature("alert", at, names))
    here = {"type": "Point", "coordinates": [matter.incident.lon, matter.incident.lat]}
    drawn.append(_feature("incident", here, {one.language: one.title for one in tellings}))
    return {"type": "FeatureCollection", "features": drawn}


def _ground_name(layer: str, feature: dict[str, Any]) -> str:
    given = feature.get("properties") or {}
    return "" if layer == "border" else str(given.get("name") or given.get("id") or "")


def _feature(kind: str, geometry: dict[str, Any], name: str | dict[str, str]) -> dict[str, Any]:
    names = dict.fromkeys(LANGUAGES, name) if isinstance(name, str) else name
    return {
        "type": "Feature",
        "geometry": geometry,
        "properties": {
            "kind": kind,
            "name": {language: plain(text) for language, text in names.items()},
        },
    }
