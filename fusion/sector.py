"""A border sector on disk: sector.toml and its layers -> `Sector`, in the sector's metres.

Everything is checked here; behind this door nobody checks again. `CONTRACT.md`, "A sector on
disk", says what the files hold.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import shapely

from edge.messages import RefusedError
from fusion.forgotten_datum import signs_of_vn2000
from fusion.layer_files import LayerFile, read_layer
from fusion.layers import Feature, FeatureCollection, LatLon, Layer, dense, features
from fusion.local_frame import LocalFrame, Metres
from fusion.rulebook import Rules, read_rules
from fusion.sector_file import (
    LINE_STATUS,
    TRAIL_KINDS,
    ZONE_KINDS,
    LayersTable,
    LayerTable,
    read_sector_file,
    read_toml,
)
from fusion.situation.border import JOINED_M, Border, BorderPiece
from fusion.situation.schedule import Schedule

_GEOMETRIES = {
    "border": "LineString", "trails": "LineString", "zones": "Polygon", "markers": "Point",
}  # fmt: skip
_COARSE_M = 5.0
_FAR_M = 200_000.0  # a layer so far from the border belongs to another place


class Trail(NamedTuple):
    """A way people walk or drive."""

    id: str
    name: str
    kind: str
    line: tuple[Metres, ...]


class Zone(NamedTuple):
    """An area where other rules hold."""

    id: str
    name: str
    kind: str
    rings: tuple[tuple[Metres, ...], ...]  # the first is the outside, the others are holes
    schedule: Schedule | None  # None: always


class Marker(NamedTuple):
    """A boundary marker: guards locate things by its number."""

    id: str
    at: Metres


@dataclass(frozen=True, slots=True)
class Sector:
    """One border sector. Lengths in the metres of `frame`."""

    id: str
    name: str
    unit: str | None
    timezone: ZoneInfo
    frame: LocalFrame
    border: Border
    trails: tuple[Trail, ...]
    zones: tuple[Zone, ...]
    markers: tuple[Marker, ...]
    rules: Rules
    layers: Mapping[str, FeatureCollection]  # in WGS 84, for the map
    sources: Mapping[str, Layer]  # what each layer was read from
    warnings: tuple[str, ...]  # what may be wrong and does not stop the service


def load_sector(path: Path, *, rules_file: Path | None = None) -> Sector:
    """Read a sector; the `[rules.*]` tables of `rules_file` win over the sector's own.

    Raises:
        RefusedError: One sentence naming file, feature or field, and value.
    """
    described = read_sector_file(path)
    about = described.sector
    layers = _read_layers(path, described.layers)

    def of(layer: str) -> Iterator[Feature]:
        if layer in layers:
            yield from features(layers[layer], _GEOMETRIES[layer])

    border = list(of("border"))
    border_file = layers["border"].path
    if not border:
        msg = f"{border_file}: holds no border line"
        raise RefusedError(msg)
    plan = _plan_about(border_file, border)
    pieces = [plan.border_piece(feature) for feature in border]
    _check_border(layers["border"], pieces)
    trails = tuple(plan.trail(feature) for feature in of("trails"))
    zones = tuple(plan.zone(feature) for feature in of("zones"))
    markers = tuple(plan.marker(feature) for feature in of("markers"))
    return Sector(
        id=about.id,
        name=about.name,
        unit=about.unit,
        timezone=_timezone(path, about.timezone),
        frame=plan.frame,
        border=Border(pieces),
        trails=trails,
        zones=zones,
        markers=markers,
        rules=_rules(path, described.rules, rules_file),
        layers={name: layer.collection for name, layer in layers.items()},
        sources=layers,
        warnings=(
            *_coarse(layers),
            *signs_of_vn2000(
                plan.frame,
                {name: layer.path for name, layer in layers.items()},
                border=[piece.line for piece in pieces],
                trails=[trail.line for trail in trails],
                markers=[marker.at for marker in markers],
            ),
        ),
    )


def _read_layers(path: Path, named: LayersTable) -> dict[str, Layer]:
    layers = {}
    for name, geometry in _GEOMETRIES.items():
        table = getattr(named, name)
        if table is None:
            continue
        told = table if isinstance(table, LayerTable) else LayerTable(table)
        file = LayerFile(
            path.parent / told.file, geometry, told.crs, told.layer, told.properties()
        )
        layers[name] = read_layer(file)
    return layers


def _coarse(layers: Mapping[str, Layer]) -> Iterator[str]:
    """Warn of layers that no published transformation brings to WGS 84 well."""
    for layer in layers.values():
        if layer.accuracy_m is not None and layer.accuracy_m > _COARSE_M:
            yield (
                f"{layer.path}: {layer.operation} brings {layer.crs} to WGS 84 "
                f"within {layer.accuracy_m:g} m only"
            )


def _check_border(layer: Layer, pieces: Sequence[BorderPiece]) -> None:
    """Refuse a line of which nobody could say where home is."""
    lines = shapely.MultiLineString([piece.line for piece in pieces])
    if not lines.is_simple:
        msg = f"{layer.path}: the border line crosses or touches itself other than end to end"
        raise RefusedError(msg)
    ways = [piece.line if piece.home_on_left else piece.line[::-1] for piece in pieces]
    for (one, way), (other, next_way) in combinations(enumerate(ways), 2):
        for end in (0, -1):
            if math.dist(way[end], next_way[end]) <= JOINED_M:
                msg = (
                    f"{layer.path}: {layer.labels[one]} and {layer.labels[other]} meet, "
                    "and their home_side puts home on different sides"
                )
                raise RefusedError(msg)


def _rules(path: Path, own: Mapping[str, Any], rules_file: Path | None) -> Rules:
    rules = read_rules(own, where=str(path))
    if rules_file is None:
        return rules
    table = read_toml(rules_file)
    unknown = sorted(set(table) - {"rules"})
    over = table.get("rules")
    if unknown or not isinstance(over, dict):
        what = f"key {unknown[0]!r} is unknown" if unknown else "has no [rules.*] table"
        msg = f"{rules_file}: {what}; it holds [rules.*] tables and nothing else"
        raise RefusedError(msg)
    return read_rules(own, where=str(rules_file), over=over)


def _timezone(path: Path, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        msg = f"{path}: timezone {name!r} is unknown"
        raise RefusedError(msg) from error


def _plan_about(file: Path, border: list[Feature]) -> "_Plan":
    _refuse_swapped_piece(border)
    points = [point for feature in border for line in feature.lines for point in line]
    lats, lons = [lat for lat, _ in points], [lon for _, lon in points]
    if max(lons) - min(lons) > 180.0:  # noqa: PLR2004 - degrees
        border[0].refuse("the border spans the antimeridian, which no sector may")
    frame = LocalFrame(lat=(min(lats) + max(lats)) / 2.0, lon=(min(lons) + max(lons)) / 2.0)
    corners = [frame.to_metres(lat=lat, lon=lon) for lat, lon in points]
    return _Plan(file, frame, max(math.hypot(x_m, y_m) for x_m, y_m in corners))


def _refuse_swapped_piece(border: list[Feature]) -> None:
    """Refuse a piece that lies among the others with longitude and latitude swapped only."""
    for feature in border:
        others = [p for other in border if other is not feature for p in other.lines[0]]
        own = feature.lines[0]
        swapped = [(lon, lat) for lat, lon in own]
        if others and not _near_box(own, others) and _near_box(swapped, others):
            feature.refuse("longitude and latitude are swapped, here or in all other features")


def _near_box(points: Sequence[LatLon], others: Sequence[LatLon]) -> bool:
    """Tell whether points lie in the box round others, or within about 200 km of it."""
    margin_deg = _FAR_M / 111_000.0
    return all(
        min(there) - margin_deg <= coordinate <= max(there) + margin_deg
        for here, there in zip(zip(*points, strict=True), zip(*others, strict=True), strict=True)
        for coordinate in here
    )


class _Plan(NamedTuple):
    """Lays features into the sector's plane."""

    border_file: Path
    frame: LocalFrame
    border_reach_m: float  # the border's farthest vertex from the centre

    def border_piece(self, feature: Feature) -> BorderPiece:
        return BorderPiece(
            line=self._laid(feature.lines[0]),
            home_on_left=feature.choice("home_side", ("left", "right")) == "left",
            status=feature.choice("status", LINE_STATUS, "demarcated"),
            sigma_m=feature.positive("sigma_m", 1.0),
        )

    def trail(self, feature: Feature) -> Trail:
        return Trail(
            id=_required_id(feature),
            name=feature.text("name") or _required_id(feature),
            kind=feature.choice("kind", TRAIL_KINDS, "duong_mon"),
            line=self._near(feature, self._laid(feature.lines[0])),
        )

    def zone(self, feature: Feature) -> Zone:
        schedule = feature.properties.get("schedule")
        try:
            hours = None if schedule is None else Schedule.parse(schedule)
        except ValueError as error:
            feature.refuse(str(error))
        rings = tuple(self._near(feature, self._laid(ring)) for ring in feature.lines)
        outline = shapely.Polygon(rings[0], rings[1:])
        if not outline.is_valid:
            feature.refuse("its outline crosses or touches itself")
        return Zone(
            id=_required_id(feature),
            name=feature.text("name") or _required_id(feature),
            kind=feature.choice("kind", ZONE_KINDS),
            rings=rings,
            schedule=hours,
        )

    def marker(self, feature: Feature) -> Marker:
        ((point,),) = feature.lines
        (at,) = self._near(feature, (self._at(point),))
        return Marker(id=_required_id(feature), at=at)

    def _at(self, point: LatLon) -> Metres:
        lat, lon = point
        return self.frame.to_metres(lat=lat, lon=lon)

    def _laid(self, line: tuple[LatLon, ...]) -> tuple[Metres, ...]:
        return tuple(self._at(point) for point in dense(line))

    def _near(self, feature: Feature, line: tuple[Metres, ...]) -> tuple[Metres, ...]:
        away_m = max(math.hypot(x_m, y_m) for x_m, y_m in line)
        if away_m > self.border_reach_m + _FAR_M:
            feature.refuse(
                f"lies {away_m / 1000.0:.0f} km from the sector's centre; "
                + (
                    "longitude and latitude are swapped, here or in " + str(self.border_file)
                    if self._fits_swapped(feature)
                    else f"{self.border_file} is of another place"
                )
            )
        return line

    def _fits_swapped(self, feature: Feature) -> bool:
        """Tell whether a feature would lie in the sector with its two coordinates swapped."""
        swapped = [(lon, lat) for line in feature.lines for lat, lon in line]
        if any(abs(lat) > 90.0 for lat, _ in swapped):  # noqa: PLR2004 - the pole
            return False
        away_m = max(math.hypot(*self._at(point)) for point in swapped)
        return away_m <= self.border_reach_m + _FAR_M


def _required_id(feature: Feature) -> str:
    if feature.id is None:
        feature.refuse("id is missing")
    return feature.id
