"""A border sector on disk: sector.toml and its layers -> `Sector`, in the sector's metres.

Everything is checked here; behind this door nobody checks again. `CONTRACT.md`, "A sector on
disk", says what the files hold.
"""

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import shapely
from msgspec import Meta, Struct

from edge.messages import Name, RefusedError
from fusion.layers import Feature, FeatureCollection, LatLon, dense, features, read_layer
from fusion.local_frame import LocalFrame, Metres
from fusion.rulebook import Rules, read_rules
from fusion.situation.border import JOINED_M, Border, BorderPiece
from fusion.situation.schedule import Schedule

TRAIL_KINDS = ("duong_mon", "loi_mon", "road", "river")
ZONE_KINDS = ("crossing_point", "restricted", "farmland", "settlement")
LINE_STATUS = ("demarcated", "undemarcated", "river")
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
    layers: Mapping[str, FeatureCollection]  # as read, for the map


class _SectorTable(Struct, frozen=True, forbid_unknown_fields=True):
    id: Name
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    timezone: str
    unit: Name | None = None


class _LayersTable(Struct, frozen=True, forbid_unknown_fields=True):
    border: str
    trails: str | None = None
    zones: str | None = None
    markers: str | None = None


class _SectorFile(Struct, frozen=True, forbid_unknown_fields=True):
    sector: _SectorTable
    layers: _LayersTable
    rules: dict[str, Any] = {}


def load_sector(path: Path, *, rules_file: Path | None = None) -> Sector:
    """Read a sector; the `[rules.*]` tables of `rules_file` win over the sector's own.

    Raises:
        RefusedError: One sentence naming file, feature or field, and value.
    """
    try:
        described = msgspec.convert(_read_toml(path), _SectorFile)
    except msgspec.ValidationError as error:
        msg = f"{path}: {error}"
        raise RefusedError(msg) from error
    about, files = described.sector, described.layers
    named = {"border": files.border, "trails": files.trails}
    named |= {"zones": files.zones, "markers": files.markers}
    paths = {name: path.parent / file for name, file in named.items() if file is not None}
    layers = {name: read_layer(file) for name, file in paths.items()}

    def of(layer: str, geometry: str) -> Iterator[Feature]:
        if layer in layers:
            yield from features(paths[layer], layers[layer], geometry)

    border = list(of("border", "LineString"))
    if not border:
        msg = f"{paths['border']}: holds no border line"
        raise RefusedError(msg)
    plan = _plan_about(border)
    pieces = [plan.border_piece(feature) for feature in border]
    _check_border(paths["border"], pieces)
    return Sector(
        id=about.id,
        name=about.name,
        unit=about.unit,
        timezone=_timezone(path, about.timezone),
        frame=plan.frame,
        border=Border(pieces),
        trails=tuple(plan.trail(feature) for feature in of("trails", "LineString")),
        zones=tuple(plan.zone(feature) for feature in of("zones", "Polygon")),
        markers=tuple(plan.marker(feature) for feature in of("markers", "Point")),
        rules=_rules(path, described.rules, rules_file),
        layers=layers,
    )


def _check_border(path: Path, pieces: Sequence[BorderPiece]) -> None:
    """Refuse a line of which nobody could say where home is."""
    lines = shapely.MultiLineString([piece.line for piece in pieces])
    if not lines.is_simple:
        msg = f"{path}: the border line crosses or touches itself other than end to end"
        raise RefusedError(msg)
    ways = [piece.line if piece.home_on_left else piece.line[::-1] for piece in pieces]
    for (one, way), (other, next_way) in combinations(enumerate(ways), 2):
        for end in (0, -1):
            if math.dist(way[end], next_way[end]) <= JOINED_M:
                msg = (
                    f"{path}: feature {one} and feature {other} meet, "
                    "and their home_side puts home on different sides"
                )
                raise RefusedError(msg)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error})"
        raise RefusedError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: is not TOML ({error})"
        raise RefusedError(msg) from error


def _rules(path: Path, own: Mapping[str, Any], rules_file: Path | None) -> Rules:
    rules = read_rules(own, where=str(path))
    if rules_file is None:
        return rules
    table = _read_toml(rules_file)
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


def _plan_about(border: list[Feature]) -> "_Plan":
    points = [point for feature in border for line in feature.lines for point in line]
    lats, lons = [lat for lat, _ in points], [lon for _, lon in points]
    if max(lons) - min(lons) > 180.0:  # noqa: PLR2004 - degrees
        border[0].refuse("the border spans the antimeridian, which no sector may")
    frame = LocalFrame(lat=(min(lats) + max(lats)) / 2.0, lon=(min(lons) + max(lons)) / 2.0)
    corners = [frame.to_metres(lat=lat, lon=lon) for lat, lon in points]
    return _Plan(frame, max(math.hypot(x_m, y_m) for x_m, y_m in corners))


class _Plan(NamedTuple):
    """Lays features into the sector's plane."""

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
        for x_m, y_m in line:
            away_m = math.hypot(x_m, y_m)
            if away_m > self.border_reach_m + _FAR_M:
                feature.refuse(
                    f"lies {away_m / 1000.0:.0f} km from the sector's centre; "
                    "are longitude and latitude swapped?"
                )
        return line


def _required_id(feature: Feature) -> str:
    if feature.id is None:
        feature.refuse("id is missing")
    return feature.id
