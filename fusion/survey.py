"""What was understood of a sector, for the person who drew it: numbers, and a map to look at."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from edge.messages import to_builtins
from fusion.doubts import Doubt
from fusion.layers import FeatureCollection, Layer, RefusedFeatureError
from fusion.local_frame import Metres
from fusion.sector import Sector

_STEP_M = 500.0  # between the arrows that show where home is
_ARROW_M = 60.0


def understood(sector: Sector, found: Sequence[Doubt]) -> dict[str, Any]:
    """Return what was read, as JSON would show it. Lengths in metres, positions in degrees.

    Args:
        sector: As read.
        found: What is doubtful in it.
    """
    border = sector.border
    return {
        "sector": sector.id,
        "name": sector.name,
        "unit": sector.unit,
        "timezone": sector.timezone.key,
        "centre": {"lat": round(sector.frame.lat, 6), "lon": round(sector.frame.lon, 6)},
        "extent": _extent(sector),
        "layers": {name: _source(layer) for name, layer in sector.sources.items()},
        "warnings": list(sector.warnings),
        "doubts": [
            {
                "kind": one.kind,
                "severity": one.severity,
                "text": one.text,
                "layer": one.layer,
                "features": list(one.features),
                "at": dict(zip(("lat", "lon"), _degrees(sector, one.spot), strict=True)),
            }
            for one in found
        ],
        "border": {
            "lines": len(border.pieces),
            "length_m": round(border.length_m, 1),
            "status": dict(sorted(Counter(piece.status for piece in border.pieces).items())),
            "sigma_m": sorted({piece.sigma_m for piece in border.pieces}),
        },
        "trails": [
            {
                "id": trail.id,
                "name": trail.name,
                "kind": trail.kind,
                "length_m": _length_m(trail.line),
                "heights_m": _heights(trail.heights_m),
            }
            for trail in sector.trails
        ],
        "zones": [
            {
                "id": zone.id,
                "name": zone.name,
                "kind": zone.kind,
                "schedule": None if zone.schedule is None else zone.schedule.text,
            }
            for zone in sector.zones
        ],
        "markers": [marker.id for marker in sector.markers],
        "rules": to_builtins(sector.rules),
    }


def drawn(sector: Sector, found: Sequence[Doubt]) -> dict[str, Any]:
    """Return everything as one GeoJSON collection, with arrows towards home and what is doubtful.

    Args:
        sector: As read.
        found: What is doubtful in it.
    """
    features = []
    for layer, collection in sector.layers.items():
        for feature in collection["features"]:
            properties = {**(feature.get("properties") or {}), "layer": layer}
            features.append({**feature, "properties": properties})
    features.extend(_arrows(sector))
    features.extend(_spot(sector, one) for one in found)
    return {"type": "FeatureCollection", "features": features}


def refused(error: RefusedFeatureError) -> dict[str, Any]:
    """Return what is refused of a sector as GeoJSON, so that it can be found on the map."""
    properties = {
        "layer": "check", "kind": "refused", "severity": "error", "text": str(error),
        "feature": error.feature,
    }  # fmt: skip
    feature = {"type": "Feature", "geometry": error.spot, "properties": properties}
    around = [] if error.among is None else error.among["features"]
    return {"type": "FeatureCollection", "features": [feature, *around]}


def _spot(sector: Sector, doubt: Doubt) -> dict[str, Any]:
    lat, lon = _degrees(sector, doubt.spot)
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": {
            "layer": "check",
            "kind": doubt.kind,
            "severity": doubt.severity,
            "text": doubt.text,
            "feature": ", ".join(doubt.features),
        },
    }


def _degrees(sector: Sector, at: Metres) -> tuple[float, float]:
    lat, lon = sector.frame.to_wgs84(*at)
    return round(lat, 7), round(lon, 7)


def _source(layer: Layer) -> dict[str, Any]:
    """Say what a layer was read from."""
    return {
        "file": str(layer.path),
        "format": layer.format,
        "crs": layer.crs,
        "to_wgs84": layer.operation,
        "accuracy_m": layer.accuracy_m,
        "features": len(layer.collection["features"]),
        "left_out": dict(layer.left_out),
        "box": _box(layer.collection),
    }


def _box(collection: FeatureCollection) -> dict[str, float] | None:
    """Return the box around a collection; None where it holds nothing."""
    shapes = [feature["geometry"]["coordinates"] for feature in collection["features"]]
    return _around([(lat, lon) for lon, lat in _positions(shapes)])


def _positions(coordinates: list[Any]) -> Iterator[tuple[float, float]]:
    """Yield `(lon, lat)` of every position in GeoJSON coordinates of any depth."""
    if coordinates and not isinstance(coordinates[0], list):
        yield coordinates[0], coordinates[1]
        return
    for item in coordinates:
        yield from _positions(item)


def _length_m(line: tuple[Metres, ...]) -> float:
    return round(sum(math.dist(a, b) for a, b in pairwise(line)), 1)


def _heights(heights_m: tuple[float, ...]) -> dict[str, float] | None:
    """Return a trail's lowest and highest point; None: it is taken for flat."""
    if not heights_m:
        return None
    return {"lowest": round(min(heights_m), 1), "highest": round(max(heights_m), 1)}


def _arrows(sector: Sector) -> list[dict[str, Any]]:
    arrows = []
    for piece in sector.border.pieces:
        walked_m = _STEP_M / 2.0
        for a, b in pairwise(piece.line):
            walked_m += math.dist(a, b)
            if walked_m < _STEP_M and b is not piece.line[-1]:
                continue
            walked_m = 0.0
            middle = ((a.x_m + b.x_m) / 2.0, (a.y_m + b.y_m) / 2.0)
            side = sector.border.side(*middle)
            if side is None:
                continue
            end = tuple(m + _ARROW_M * n for m, n in zip(middle, side.normal, strict=True))
            points = [sector.frame.to_wgs84(*middle), sector.frame.to_wgs84(end[0], end[1])]
            line = [[round(lon, 7), round(lat, 7)] for lat, lon in points]
            arrows.append(
                {
                    "type": "Feature",
                    "geometry": {"type": "LineString", "coordinates": line},
                    "properties": {"layer": "check", "name": "towards home"},
                }
            )
    return arrows


def _extent(sector: Sector) -> dict[str, float] | None:
    """Return the box around all layers."""
    lines = [piece.line for piece in sector.border.pieces] + [t.line for t in sector.trails]
    lines += [ring for zone in sector.zones for ring in zone.rings]
    points = [point for line in lines for point in line] + [m.at for m in sector.markers]
    return _around([sector.frame.to_wgs84(*point) for point in points])


def _around(places: list[tuple[float, float]]) -> dict[str, float] | None:
    """Return the box around positions `(lat, lon)`."""
    if not places:
        return None
    lats, lons = [lat for lat, _ in places], [lon for _, lon in places]
    box = {"south": min(lats), "west": min(lons), "north": max(lats), "east": max(lons)}
    return {side: round(value, 6) for side, value in box.items()}
