"""Check a sector's layers and refuse, with file, feature and value, what cannot be meant.

Every layer, whatever file it came from, arrives here as GeoJSON (RFC 7946: longitude first,
WGS 84). This is one of the few files that flip the order.
"""

import json
import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

from edge.messages import RefusedError

FeatureCollection = dict[str, Any]
LatLon = tuple[float, float]
WGS84: Final = "WGS 84, by definition"
WGS84_NAMES: Final = frozenset(
    {"urn:ogc:def:crs:OGC:1.3:CRS84", "OGC:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4326"}
)
_POLE_DEG, _HALF_TURN_DEG = 90.0, 180.0
_VIETNAM: Final = (8.0, 24.0, 102.0, 110.0)  # south, north, west, east
_RING_MIN = 4  # positions, the last of them the first again
_DENSE_DEG = 0.005  # about 500 m: a straight line in degrees bends by 2 mm against a geodesic


class RefusedFeatureError(RefusedError):
    """A feature that is refused, and where it lies: `spot` is GeoJSON, for the map."""

    def __init__(
        self,
        text: str,
        spot: dict[str, Any],
        feature: str | None,
        among: FeatureCollection | None = None,
    ) -> None:
        """Say what is wrong with it.

        Args:
            text: One sentence.
            spot: A GeoJSON geometry.
            feature: Its id, if it has one.
            among: What the spot lies on: nobody finds a point on an empty map.
        """
        super().__init__(text)
        self.spot = spot
        self.feature = feature
        self.among = among


class Layer(NamedTuple):
    """A layer as read: GeoJSON in WGS 84, and what it was before."""

    path: Path
    format: str  # `GeoJSON`, `GPX`, `GeoPackage`, ...
    crs: str  # as understood, for people
    collection: FeatureCollection
    labels: tuple[str, ...]  # of each feature in the file's own count: `feature 3`
    operation: str | None = None  # what moved it to WGS 84; None: it was
    accuracy_m: float | None = None  # of that move, as its publisher states it
    left_out: tuple[tuple[str, int], ...] = ()  # what else the file holds: kind, count

    def name_of(self, number: int) -> str:
        """Return the id of a feature, or its label: what whoever drew it knows it by."""
        feature = self.collection["features"][number]
        told = (feature.get("properties") or {}).get("id", feature.get("id"))
        return self.labels[number] if told is None else str(told)


class Feature(NamedTuple):
    """One feature, checked: where it stands, its properties, its lines of `(lat, lon)`."""

    where: str  # `trails.geojson: feature 3`
    id: str | None
    properties: dict[str, Any]
    lines: tuple[tuple[LatLon, ...], ...]  # one for a line or point, the rings of a polygon
    heights_m: tuple[float, ...] = ()  # of a line's positions; none unless each of them has one

    def refuse(self, what: str) -> NoReturn:
        """Refuse this feature, by name.

        Raises:
            RefusedFeatureError: Always.
        """
        lines = [[[lon, lat] for lat, lon in line] for line in self.lines]
        kind, coordinates = (
            ("MultiLineString", lines) if len(lines[0]) > 1 else ("MultiPoint", lines[0])
        )
        # A number finds it in the file, its id on the map.
        named = f" ({self.id})" if self.id is not None and self.id not in what else ""
        msg = f"{self.where}: {what}{named}"
        raise RefusedFeatureError(msg, {"type": kind, "coordinates": coordinates}, self.id)

    def text(self, key: str) -> str | None:
        """Return a text property; a number is taken as its text.

        Raises:
            RefusedError: It is neither.
        """
        value = self.properties.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            self.refuse(f"{key} {value!r} is not a text")
        return str(value)

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """Return a property that must be one of a few words.

        Raises:
            RefusedError: It is missing without a default, or another word.
        """
        value = self.properties.get(key)
        if value is None:
            value = default
        if value not in allowed:
            words = " | ".join(allowed)
            said = f"{key} is missing" if value is None else f"{key} {value!r} is unknown"
            self.refuse(f"{said}; it must be {words}")
        return str(value)

    def positive(self, key: str, default: float) -> float:
        """Return a property that must be a number above zero.

        Raises:
            RefusedError: It is not.
        """
        value = self.properties.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(f"{key} {value!r} is not a number")
        if not (math.isfinite(value) and value > 0.0):
            self.refuse(f"{key} {value!r} is not a number above 0")
        return float(value)


def read_geojson(path: Path) -> Layer:
    """Read a FeatureCollection.

    Raises:
        RefusedError: There is no such file, or it is no GeoJSON FeatureCollection in WGS 84.
    """
    try:
        read = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_no_constant)
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error})"
        raise RefusedError(msg) from error
    except (ValueError, RecursionError) as error:
        msg = f"{path}: is not JSON ({error})"
        raise RefusedError(msg) from error
    if not isinstance(read, dict) or read.get("type") != "FeatureCollection":
        msg = f"{path}: is not a GeoJSON FeatureCollection"
        raise RefusedError(msg)
    if not isinstance(read.get("features"), list):
        msg = f"{path}: features is not a list"
        raise RefusedError(msg)
    _check_crs(path, read)
    labels = tuple(f"feature {index}" for index in range(len(read["features"])))
    return Layer(path, "GeoJSON", WGS84, read, labels)


def features(layer: Layer, geometry: str) -> Iterator[Feature]:
    """Check and yield the features of a layer, all of one geometry type.

    Raises:
        RefusedError: A feature is broken; the sentence names it by its index, counted from 0.
    """
    seen: set[str] = set()
    for label, raw in zip(layer.labels, layer.collection["features"], strict=True):
        feature = _feature(f"{layer.path}: {label}", raw, geometry)
        if feature.id is not None and feature.id in seen:
            feature.refuse(f"id {feature.id!r} was used before")
        seen.add(feature.id or "")
        yield feature


def dense(line: tuple[LatLon, ...]) -> Iterator[LatLon]:
    """Yield the points of a line and, on long segments, points between (straight in degrees)."""
    yield line[0]
    for (lat, lon), (next_lat, next_lon) in pairwise(line):
        for share in _shares((lat, lon), (next_lat, next_lon)):
            yield lat + share * (next_lat - lat), lon + share * (next_lon - lon)
        yield next_lat, next_lon


def dense_heights(feature: Feature) -> Iterator[float]:
    """Yield the height of each point that `dense` yields of a line; nothing if it has none."""
    heights_m = feature.heights_m
    yield from heights_m[:1]
    for points, (height_m, next_m) in zip(
        pairwise(feature.lines[0]), pairwise(heights_m), strict=bool(heights_m)
    ):
        yield from (height_m + share * (next_m - height_m) for share in _shares(*points))
        yield next_m


def _shares(point: LatLon, following: LatLon) -> Iterator[float]:
    """Yield how far along a segment the points between lie, as a share of it."""
    span_deg = max(abs(b - a) for a, b in zip(point, following, strict=True))
    parts = max(1, math.ceil(span_deg / _DENSE_DEG))
    yield from (part / parts for part in range(1, parts))


def _no_constant(name: str) -> float:
    msg = f"{name} is no JSON number"
    raise ValueError(msg)


def _check_crs(path: Path, layer: FeatureCollection) -> None:
    """Refuse another datum: VN-2000 taken for WGS 84 would be wrong by 224 m."""
    crs = layer.get("crs")
    if crs is None:
        return
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if name not in WGS84_NAMES:
        msg = (
            f"{path}: crs {name!r} is not WGS 84, which GeoJSON must be; "
            "convert it, or give it as a GeoPackage that declares its CRS"
        )
        raise RefusedError(msg)


def _feature(where: str, raw: object, geometry: str) -> Feature:
    if not isinstance(raw, dict) or raw.get("type") != "Feature":
        msg = f"{where}: is not a GeoJSON Feature"
        raise RefusedError(msg)
    shape = raw.get("geometry")
    kind = shape.get("type") if isinstance(shape, dict) else None
    if not isinstance(shape, dict) or kind != geometry:
        found = "missing" if kind is None else f"a {kind}"
        msg = f"{where}: geometry is {found}, it must be a {geometry}"
        raise RefusedError(msg)
    properties = raw.get("properties")
    if properties is None:
        properties = {}
    if not isinstance(properties, dict):
        msg = f"{where}: properties {properties!r} is not an object"
        raise RefusedError(msg)
    read = _GEOMETRIES[geometry]
    lines = read(where, shape.get("coordinates"))
    heights_m = _heights_m(shape["coordinates"]) if geometry == "LineString" else ()
    feature = Feature(where, None, properties, lines, heights_m)
    return feature._replace(id=feature.text("id") or _own_id(where, raw.get("id")))


def _own_id(where: str, value: object) -> str | None:
    if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
        return None if value is None else str(value)
    msg = f"{where}: id {value!r} is not a text"
    raise RefusedError(msg)


def _position(where: str, raw: object) -> LatLon:
    numbers = raw if isinstance(raw, list) else []
    if len(numbers) not in {2, 3} or not all(
        isinstance(number, int | float) and not isinstance(number, bool) for number in numbers
    ):
        msg = f"{where}: {raw!r} is not a position [longitude, latitude]"
        raise RefusedError(msg)
    lon, lat = float(numbers[0]), float(numbers[1])
    if not (abs(lon) <= _HALF_TURN_DEG and abs(lat) <= _POLE_DEG):
        msg = f"{where}: [longitude {lon}, latitude {lat}] lies outside WGS 84; {_why(lat, lon)}"
        raise RefusedError(msg)
    return lat, lon


def _why(lat: float, lon: float) -> str:
    """Say what numbers that cannot be degrees most likely are."""
    south, north, west, east = _VIETNAM
    if south <= lon <= north and west <= lat <= east:
        return "longitude and latitude are swapped"  # in Viet Nam they cannot be confused
    if abs(lon) <= _POLE_DEG and abs(lat) <= _HALF_TURN_DEG:
        return "are longitude and latitude swapped?"
    return (
        "are these metres of a projection? Give them as a GeoPackage or Shapefile "
        "that declares its CRS"
    )


def _positions(where: str, raw: object) -> tuple[LatLon, ...]:
    if not isinstance(raw, list):
        msg = f"{where}: coordinates {raw!r} is not a list of positions"
        raise RefusedError(msg)
    points = [_position(where, item) for item in raw]
    # A vertex given twice has no direction and adds nothing.
    return tuple(p for i, p in enumerate(points) if i == 0 or p != points[i - 1])


def _line(where: str, raw: object) -> tuple[tuple[LatLon, ...], ...]:
    points = _positions(where, raw)
    if len(points) < 2:  # noqa: PLR2004 - a line has two ends
        msg = f"{where}: a line needs two different positions, this has {len(points)}"
        raise RefusedError(msg)
    return (points,)


def _heights_m(positions: list[list[float]]) -> tuple[float, ...]:
    """Return the third numbers of the positions that a line keeps, if each of them has one."""
    kept = [p for i, p in enumerate(positions) if i == 0 or p[:2] != positions[i - 1][:2]]
    heights_m = tuple(float(p[2]) for p in kept if len(p) == 3)  # noqa: PLR2004 - lon, lat, height
    return heights_m if len(heights_m) == len(kept) and all(map(math.isfinite, heights_m)) else ()


def _rings(where: str, raw: object) -> tuple[tuple[LatLon, ...], ...]:
    if not isinstance(raw, list) or not raw:
        msg = f"{where}: coordinates of a Polygon must be a list of rings"
        raise RefusedError(msg)
    rings = tuple(_positions(where, ring) for ring in raw)
    for ring in rings:
        if len(ring) < _RING_MIN or ring[0] != ring[-1]:
            msg = f"{where}: a ring needs 3 different positions and must end where it began"
            raise RefusedError(msg)
    return rings


def _point(where: str, raw: object) -> tuple[tuple[LatLon, ...], ...]:
    return ((_position(where, raw),),)


_GEOMETRIES: dict[str, Callable[[str, object], tuple[tuple[LatLon, ...], ...]]] = {
    "LineString": _line,
    "Polygon": _rings,
    "Point": _point,
}
