"""Read GPX and KML, which are WGS 84 by definition, into features.

GPX: a route is a line, and so is each segment of a track; a waypoint is a point. KML: every
Placemark at any depth, with its ExtendedData; a Track (`gx:Track`) is a line. Heights (`ele`, and
altitudes that are not relative to the ground) are third coordinates. Namespaces are not looked
at, so that every version and every dialect of the two is read.
"""

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

from defusedxml import DTDForbidden
from defusedxml.ElementTree import fromstring

from edge.messages import RefusedError
from fusion.drawn import Drawn, Shape

_MAX_DEPTH: Final = 64  # of geometries within geometries
_SHAPELESS: Final = "Placemark without a line, area or point"
_LINKED: Final = frozenset({"NetworkLink", "GroundOverlay", "PhotoOverlay", "ScreenOverlay"})
_Reader = Callable[[str, ET.Element], tuple[Shape, ...]]


def read_gpx(path: Path) -> list[Drawn]:
    """Read waypoints, routes and tracks, in the order of the file.

    Raises:
        RefusedError: One sentence naming the file, and the feature where there is one.
    """
    readers: dict[str, _Reader] = {"wpt": _waypoint, "rte": _route, "trk": _track}
    root = _parse(path, "gpx")
    elements = [child for child in root if _tag(child) in readers]
    return [
        Drawn(
            number,
            {"name": _text(element, "name")},
            readers[_tag(element)](f"{path}: feature {number}", element),
        )
        for number, element in enumerate(elements)
    ]


def read_kml(path: Path) -> list[Drawn]:
    """Read the Placemarks, in the order of the file; the id attribute is property `xml_id`.

    Raises:
        RefusedError: One sentence naming the file, and the feature where there is one.
    """
    root = _parse(path, "kml")
    placemarks = [element for element in root.iter() if _tag(element) == "Placemark"]
    linked = [_tag(element) for element in root.iter() if _tag(element) in _LINKED]
    drawn = [
        Drawn(
            number,
            _extended(placemark)
            | {"xml_id": placemark.get("id") or None, "name": _text(placemark, "name")},
            tuple(_kml_shapes(f"{path}: feature {number}", placemark, 0)) or ((_SHAPELESS, None),),
        )
        for number, placemark in enumerate(placemarks)
    ]
    # Named, so that what a file leaves elsewhere is not missed in silence.
    return drawn + [
        Drawn(number, {}, ((tag, None),)) for number, tag in enumerate(linked, len(drawn))
    ]


# -- XML -------------------------------------------------------------------------------------


def _parse(path: Path, root_tag: str) -> ET.Element:
    try:
        root: ET.Element = fromstring(path.read_bytes(), forbid_dtd=True)
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error})"
        raise RefusedError(msg) from error
    except DTDForbidden as error:
        # Entities grow: three megabytes of them became six hundred.
        msg = f"{path}: has a document type (<!DOCTYPE>), which no GPX or KML needs; take it out"
        raise RefusedError(msg) from error
    except (ET.ParseError, ValueError, LookupError) as error:
        msg = f"{path}: is not XML ({error})"
        raise RefusedError(msg) from error
    if _tag(root) != root_tag:
        msg = f"{path}: is not {root_tag.upper()}, its first element is <{_tag(root)}>"
        raise RefusedError(msg)
    return root


def _tag(element: ET.Element) -> str:
    """Return the name without its namespace; comments have none."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _children(element: ET.Element, *tags: str) -> Iterator[ET.Element]:
    return (child for child in element if _tag(child) in tags)


def _text(element: ET.Element, tag: str) -> str | None:
    """Return the text of the first such child, its white space made single blanks."""
    for child in _children(element, tag):
        return " ".join((child.text or "").split()) or None
    return None


def _refuse(where: str, what: str, cause: Exception | None = None) -> NoReturn:
    msg = f"{where}: {what}"
    raise RefusedError(msg) from cause


def _number(where: str, text: str | None) -> float:
    # `float` takes 1_04 for 104 as well, and digits of any script.
    if text is None or not text.isascii() or "_" in text:
        _refuse(where, f"{text!r} is not a number")
    try:
        return float(text)
    except ValueError as error:
        _refuse(where, f"{text!r} is not a number", error)


def _height(where: str, text: str) -> float:
    number = _number(where, text)
    if not math.isfinite(number):
        _refuse(where, f"{text!r} is not a height")
    return number


# -- GPX -------------------------------------------------------------------------------------


def _waypoint(where: str, element: ET.Element) -> tuple[Shape, ...]:
    return (("Point", _gpx_position(where, element)),)


def _route(where: str, element: ET.Element) -> tuple[Shape, ...]:
    return (("LineString", [_gpx_position(where, p) for p in _children(element, "rtept")]),)


def _track(where: str, element: ET.Element) -> tuple[Shape, ...]:
    return tuple(
        ("LineString", [_gpx_position(where, p) for p in _children(segment, "trkpt")])
        for segment in _children(element, "trkseg")
    )


def _gpx_position(where: str, element: ET.Element) -> list[float]:
    position = [_number(f"{where}: {name}", element.get(name)) for name in ("lon", "lat")]
    height = _text(element, "ele")
    return position if height is None else [*position, _height(f"{where}: ele", height)]


# -- KML -------------------------------------------------------------------------------------


def _extended(placemark: ET.Element) -> dict[str, Any]:
    """Return the ExtendedData of a Placemark: `Data` and `SimpleData`, both by name."""
    told: dict[str, Any] = {}
    for data in _children(placemark, "ExtendedData"):
        for element in data.iter():
            name = element.get("name")
            if name and _tag(element) == "Data":
                told[name.lower()] = _text(element, "value")
            elif name and _tag(element) == "SimpleData":
                told[name.lower()] = " ".join((element.text or "").split()) or None
    return told


def _kml_shapes(where: str, parent: ET.Element, depth: int) -> Iterator[Shape]:
    if depth > _MAX_DEPTH:
        _refuse(where, "its geometries are nested too deeply")
    for element in parent:
        tag = _tag(element)
        if tag in {"MultiGeometry", "MultiTrack"}:
            yield from _kml_shapes(where, element, depth + 1)
        elif tag == "Polygon":
            yield "Polygon", list(_rings(where, element))
        elif tag in {"LineString", "LinearRing"}:
            yield "LineString", _coordinates(where, element)
        elif tag == "Point":
            positions = _coordinates(where, element)
            if len(positions) != 1:
                _refuse(where, f"a Point has one position, this has {len(positions)}")
            yield "Point", positions[0]
        elif tag == "Track":
            recorded = [(at.text or "").split() for at in _children(element, "coord")]
            positions = [_kml_position(where, position) for position in recorded]
            flat = [position[:2] for position in positions]
            yield "LineString", flat if _is_relative(element) else positions


def _rings(where: str, polygon: ET.Element) -> Iterator[list[list[float]]]:
    for side in ("outerBoundaryIs", "innerBoundaryIs"):  # the outside first, whatever the file
        for boundary in _children(polygon, side):
            for ring in _children(boundary, "LinearRing"):
                yield _coordinates(where, ring)


def _coordinates(where: str, element: ET.Element) -> list[list[float]]:
    text = " ".join(child.text or "" for child in _children(element, "coordinates"))
    positions = [_kml_position(where, position.split(",")) for position in text.split()]
    return [position[:2] for position in positions] if _is_relative(element) else positions


def _is_relative(element: ET.Element) -> bool:
    """Tell whether altitudes are above the ground, and so say nothing of its height."""
    return (_text(element, "altitudeMode") or "").startswith("relative")


def _kml_position(where: str, parts: list[str]) -> list[float]:
    if len(parts) not in {2, 3}:
        _refuse(where, f"{','.join(parts)!r} is not a position `longitude,latitude[,altitude]`")
    height = [_height(where, part) for part in parts[2:]]
    return [*(_number(where, part) for part in parts[:2]), *height]
