"""A GeoJSON file on a page of its own: one self-contained HTML file that loads nothing.

Leaflet is written into the page; the features are data, and their properties are shown as text.
"""

import json
from pathlib import Path
from typing import Any, Final

from edge.messages import RefusedError
from maps import assets
from maps.pages import TEMPLATES, sealed

MAX_BYTES: Final = 64 * 1024 * 1024
_TYPES: Final = ("FeatureCollection", "Feature", "GeometryCollection", "Point", "MultiPoint",
    "LineString", "MultiLineString", "Polygon", "MultiPolygon")  # fmt: skip


def draw(source: Path, page: Path) -> int:
    """Write the page; return the number of features on it.

    Raises:
        RefusedError: The file cannot be read, is not GeoJSON in WGS 84, or the page cannot be
            written; or the web assets are missing.
    """
    assets.require()
    features = read_features(source)
    html = TEMPLATES.get_template("draw.html").render(
        title=source.name,
        leaflet_css=inline("vendor/leaflet/leaflet.css"),
        leaflet_js=inline("vendor/leaflet/leaflet.js"),
        page_css=inline("draw.css"),
        page_js=inline("draw.js"),
        features={"type": "FeatureCollection", "features": features},
    )
    policy = sealed(html).policy.replace("; frame-ancestors 'none'", "")  # a header's word only
    try:
        page.write_text(html.replace("@POLICY@", policy, 1), encoding="utf-8")
    except OSError as error:
        msg = f"{page}: cannot be written: {error.strerror}"
        raise RefusedError(msg) from error
    return len(features)


def read_features(source: Path) -> list[dict[str, Any]]:
    """Read a GeoJSON file as a list of features.

    Raises:
        RefusedError: It is no GeoJSON, or a coordinate is not WGS 84.
    """
    try:
        if source.stat().st_size > MAX_BYTES:
            msg = f"{source}: larger than {MAX_BYTES} bytes"
            raise RefusedError(msg)
        document = json.loads(source.read_text(encoding="utf-8"), parse_constant=_no_constant)
    except OSError as error:
        msg = f"{source}: cannot be read: {error.strerror}"
        raise RefusedError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{source}: not JSON: {error}"
        raise RefusedError(msg) from error
    kind = document.get("type") if isinstance(document, dict) else None
    if kind not in _TYPES:
        msg = f"{source}: its type is {kind!r}, not one of GeoJSON's"
        raise RefusedError(msg)
    if kind == "FeatureCollection":
        features = document.get("features")
    elif kind == "Feature":
        features = [document]
    else:
        features = [{"type": "Feature", "geometry": document, "properties": {}}]
    if not isinstance(features, list):
        msg = f"{source}: features is not a list"
        raise RefusedError(msg)
    for number, feature in enumerate(features):
        if not isinstance(feature, dict) or feature.get("type") != "Feature":
            msg = f"{source}: features[{number}] is not a Feature"
            raise RefusedError(msg)
        _check_geometry(feature.get("geometry"), f"{source}: features[{number}].geometry")
    return features


def _no_constant(text: str) -> None:
    msg = f"{text} is no number"
    raise ValueError(msg)


def _check_geometry(geometry: Any, where: str) -> None:  # noqa: ANN401 - JSON
    if geometry is None:
        return
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind == "GeometryCollection":
        for number, part in enumerate(geometry.get("geometries") or []):
            _check_geometry(part, f"{where}.geometries[{number}]")
    elif kind in _DEPTHS:
        _check_positions(geometry.get("coordinates"), _DEPTHS[kind], f"{where}.coordinates")
    else:
        msg = f"{where}: its type is {kind!r}, not one of GeoJSON's"
        raise RefusedError(msg)


_DEPTHS: Final = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2,
    "Polygon": 2, "MultiPolygon": 3}  # fmt: skip  # lists around a position


def _check_positions(value: Any, depth: int, where: str) -> None:  # noqa: ANN401 - JSON
    if depth:
        if not isinstance(value, list):
            msg = f"{where} is not a list"
            raise RefusedError(msg)
        for number, part in enumerate(value):
            _check_positions(part, depth - 1, f"{where}[{number}]")
        return
    numbers = isinstance(value, list) and all(
        isinstance(part, int | float) and not isinstance(part, bool) for part in value
    )
    if not numbers or len(value) < 2 or abs(value[0]) > 180 or abs(value[1]) > 90:  # noqa: PLR2004 - lon, lat
        msg = f"{where}: {value!r} is not [lon, lat] in WGS 84 degrees"
        raise RefusedError(msg)


def inline(name: str) -> str:
    """Return one of our own static files for a script or style block."""
    text = (assets.HERE / "static" / name).read_text(encoding="utf-8")
    # A comment that names a file beside the page: there is none.
    return text.replace("//# sourceMappingURL=leaflet.js.map", "")
