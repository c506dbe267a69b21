"""A border sector on disk: sector.toml and its layers -> `Sector`, in the sector's metres.

Everything is checked here; behind this door nobody checks again. `CONTRACT.md`, "A sector on
disk", says what the files hold.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import shapely

from edge.messages import RefusedError
from fusion.forgotten_datum import signs_of_vn2000
from fusion.layer_files import LayerFile, read_layer
from fusion.layers import Feature, FeatureCollection, Layer, RefusedFeatureError, features
from fusion.local_frame import LocalFrame, Metres
from fusion.osm_files import is_osm
from fusion.plan import Marker, Trail, Zone, plan_about
from fusion.rulebook import Rules, read_rules
from fusion.sector_file import (
    LayersTable,
    LayerTable,
    read_sector_file,
    read_toml,
)
from fusion.situation.border import JOINED_M, Border, BorderPiece
from fusion.situation.trail_network import TrailNetwork
from fusion.situation.trail_search import TrailSearch
from fusion.tracking.ways import Ways
from fusion.watchlist.register import Watchlist, read_watchlist

_GEOMETRIES = {
    "border": "LineString", "trails": "LineString", "zones": "Polygon", "markers": "Point",
}  # fmt: skip
_COARSE_M = 5.0
_SAME_M = 1e-6


@dataclass(frozen=True, slots=True)
class Sector:
    """One border sector. Lengths in the metres of `frame`."""

    id: str
    name: str
    unit: str | None
    timezone: ZoneInfo
    vn2000_meridian_deg: float | None  # of the province's zone; None: maps are of UTM's
    frame: LocalFrame
    border: Border
    trails: tuple[Trail, ...]
    trail_search: TrailSearch  # which of them are near
    ways: Ways  # the trails, as people walk them
    network: TrailNetwork  # and where they lead
    zones: tuple[Zone, ...]
    markers: tuple[Marker, ...]
    rules: Rules
    layers: Mapping[str, FeatureCollection]  # in WGS 84, for the map
    sources: Mapping[str, Layer]  # what each layer was read from
    warnings: tuple[str, ...]  # what may be wrong and does not stop the service
    watchlist: Watchlist  # empty where none was named


def load_sector(
    path: Path, *, rules_file: Path | None = None, watchlist_file: Path | None = None
) -> Sector:
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
    plan = plan_about(border_file, border)
    pieces = [plan.border_piece(feature) for feature in border]
    _check_border(layers["border"], pieces, plan.frame)
    trails = tuple(plan.trail(feature) for feature in of("trails"))
    zones = tuple(plan.zone(feature) for feature in of("zones"))
    markers = tuple(plan.marker(feature) for feature in of("markers"))
    rules = _rules(path, described.rules, rules_file)
    line = Border(pieces)
    watchlist = Watchlist() if watchlist_file is None else read_watchlist(watchlist_file)
    return Sector(
        id=about.id,
        name=about.name,
        unit=about.unit,
        timezone=_timezone(path, about.timezone),
        vn2000_meridian_deg=about.vn2000_meridian_deg,
        frame=plan.frame,
        border=line,
        trails=trails,
        trail_search=TrailSearch(trails),
        ways=Ways(trail.line for trail in trails if trail.kind != "river"),
        network=TrailNetwork(trails, line, rules.trails),
        zones=zones,
        markers=markers,
        rules=rules,
        layers={name: layer.collection for name, layer in layers.items()},
        sources=layers,
        watchlist=watchlist,
        warnings=(
            *watchlist.refused,
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
        if name != "trails" and is_osm(Path(told.file)):
            msg = f"{path.parent / told.file}: OpenStreetMap is read for trails, not for {name}"
            raise RefusedError(msg)
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


def _check_border(layer: Layer, pieces: Sequence[BorderPiece], frame: LocalFrame) -> None:
    """Refuse a line of which nobody could say where home is."""
    lines = shapely.MultiLineString([piece.line for piece in pieces])
    if not lines.is_simple:
        number, at = _crossing_itself(pieces)
        lat, lon = frame.to_wgs84(*at)
        msg = (
            f"{layer.path}: the border line crosses or touches itself other than end to end, "
            f"at {lat:.6f}, {lon:.6f} ({layer.name_of(number)})"
        )
        spot = {"type": "Point", "coordinates": [round(lon, 7), round(lat, 7)]}
        raise RefusedFeatureError(msg, spot, layer.name_of(number), layer.collection)
    ways = [piece.line if piece.home_on_left else piece.line[::-1] for piece in pieces]
    for (one, way), (other, next_way) in combinations(enumerate(ways), 2):
        for end in (0, -1):
            if math.dist(way[end], next_way[end]) <= JOINED_M:
                msg = (
                    f"{layer.path}: {layer.name_of(one)} and {layer.name_of(other)} meet, "
                    "and their home_side puts home on different sides"
                )
                lat, lon = frame.to_wgs84(*way[end])
                spot = {"type": "Point", "coordinates": [round(lon, 7), round(lat, 7)]}
                raise RefusedFeatureError(msg, spot, layer.name_of(one), layer.collection)


def _crossing_itself(pieces: Sequence[BorderPiece]) -> tuple[int, Metres]:
    """Find where lines that are not simple cross or touch: the piece and the first such place."""
    legs = [
        (number, place, shapely.LineString(leg))
        for number, piece in enumerate(pieces)
        for place, leg in enumerate(pairwise(piece.line))
    ]
    tree = shapely.STRtree([leg for *_, leg in legs])
    for one, other in sorted(zip(*tree.query(tree.geometries, "intersects"), strict=True)):
        (number, place, leg), (its, its_place, its_leg) = legs[one], legs[other]
        if one >= other:
            continue
        common = leg.intersection(its_leg)
        at = Metres(*shapely.get_coordinates(common)[0].tolist())
        follows = number == its and its_place == place + 1
        end_to_end = _is_end(at, pieces[number]) and _is_end(at, pieces[its])
        if common.geom_type != "Point" or not (follows or end_to_end):
            return number, at
    return 0, pieces[0].line[0]


def _is_end(at: Metres, piece: BorderPiece) -> bool:
    return any(math.dist(at, end) <= _SAME_M for end in (piece.line[0], piece.line[-1]))


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
