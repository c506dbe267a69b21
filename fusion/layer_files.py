"""One layer of a sector from whatever file it is in, as GeoJSON in WGS 84.

The ending of the file's name tells the format. GeoJSON is taken as it stands; of the others
the features of the layer's own geometry are taken, their parts become features of their own,
and only the properties that a sector knows are kept.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from edge.messages import RefusedError
from fusion.datum import Datum
from fusion.drawn import Drawn
from fusion.gis_files import FORMATS, read_gis
from fusion.gpx_kml import read_gpx, read_kml
from fusion.layers import WGS84, WGS84_NAMES, Layer, read_geojson
from fusion.osm_files import is_osm, read_osm

_XML: Final[dict[str, tuple[str, Callable[[Path], list[Drawn]]]]] = {
    ".gpx": ("GPX", read_gpx),
    ".kml": ("KML", read_kml),
}
_TITLES: Final = {"GPKG": "GeoPackage", "ESRI Shapefile": "Shapefile", "FlatGeobuf": "FlatGeobuf"}
_NUMBERS: Final = ("sigma_m", "strip_m", "river_width_m")
_KEPT: Final = ("id", "name", "kind", "status", "home_side", "schedule", *_NUMBERS)


class LayerFile(NamedTuple):
    """What a sector says of one of its layers."""

    path: Path
    geometry: str  # the one kind that this layer is made of
    crs: str | None = None
    table: str | None = None  # which layer of a file that holds several
    properties: Mapping[str, Any] = {}  # for features that do not carry them


def read_layer(file: LayerFile) -> Layer:
    """Read a layer and bring it to WGS 84; its features are not checked yet.

    Raises:
        RefusedError: One sentence naming the file, and the feature where there is one.
    """
    ending = file.path.suffix.lower()
    if ending in FORMATS:
        drawn, origin = read_gis(file.path, table=file.table, declared=file.crs)
        return _layer(file, _TITLES[FORMATS[ending]], drawn, drawn, origin)
    _refuse_what_wgs84_needs_not(file)
    if ending == ".kmz":
        msg = f"{file.path}: KMZ is KML in a ZIP file, and is not read; unzip it and name the .kml"
        raise RefusedError(msg)
    if is_osm(file.path):
        trails, others = read_osm(file.path)
        layer = _layer(file, "OpenStreetMap", trails, trails, None)
        return layer._replace(left_out=(("other ways", others),) if others else ())
    if ending not in _XML:
        layer = read_geojson(file.path)
        for feature in layer.collection["features"]:
            if isinstance(feature, dict) and file.properties:
                feature["properties"] = _completed(feature.get("properties"), file.properties)
        return layer
    title, read = _XML[ending]
    drawn = read(file.path)
    fitting = [one for one in drawn if any(kind == file.geometry for kind, _ in one.shapes)]
    if not fitting:
        held = ", ".join(f"{count} {kind}" for kind, count in _kinds(drawn).items()) or "nothing"
        msg = f"{file.path}: holds no {file.geometry}, only {held}"
        raise RefusedError(msg)
    return _layer(file, title, drawn, fitting, None)


def _refuse_what_wgs84_needs_not(file: LayerFile) -> None:
    if file.crs is not None and file.crs not in WGS84_NAMES:
        msg = (
            f"{file.path}: GeoJSON, GPX, KML and OSM are WGS 84 by definition, so crs "
            f"{file.crs!r} cannot be; give the layer as a GeoPackage or Shapefile, or convert it"
        )
        raise RefusedError(msg)
    if file.table is not None:
        msg = (
            f"{file.path}: layer {file.table!r} is only for files that hold several, as .gpkg does"
        )
        raise RefusedError(msg)


def _layer(
    file: LayerFile, title: str, drawn: list[Drawn], fitting: list[Drawn], origin: Datum | None
) -> Layer:
    features, labels = [], []
    ids = _Ids(file, fitting)
    for one in fitting:
        kept = {key: one.properties.get(key) for key in _KEPT}
        kept |= {key: _as_number(kept[key]) for key in _NUMBERS}
        shapes = [shape for shape in one.shapes if shape[0] == file.geometry] or one.shapes[:1]
        for part, (kind, coordinates) in enumerate(shapes):
            told = {**kept, "id": ids.of(one, part)}
            features.append(
                {
                    "type": "Feature",
                    "geometry": {"type": kind, "coordinates": coordinates},
                    "properties": _completed(told, file.properties),
                }
            )
            which = f", part {part}" if len(shapes) > 1 else ""
            labels.append(f"feature {one.number}{which}")
    kinds = _kinds(drawn) if origin is None else Counter()
    return Layer(
        path=file.path,
        format=title,
        crs=WGS84 if origin is None else origin.crs,
        collection={"type": "FeatureCollection", "features": features},
        labels=tuple(labels),
        operation=None if origin is None else origin.operation,
        accuracy_m=None if origin is None else origin.accuracy_m,
        left_out=tuple((kind, n) for kind, n in sorted(kinds.items()) if kind != file.geometry),
    )


class _Ids:
    """Gives features ids that stay the same when the file is read again.

    The file's own id, else the name, else the layer's and the feature's number. An id that was
    made and is taken gets a number behind it. A marker is known by its number: its name is its
    id, and two of one name are refused later, as two of one id are.
    """

    def __init__(self, file: LayerFile, drawn: Iterable[Drawn]) -> None:
        self._stem = file.path.stem
        self._of_markers = file.geometry == "Point"
        self._taken = {str(own) for one in drawn if (own := self._own(one)) is not None}

    def of(self, one: Drawn, part: int) -> Any:  # noqa: ANN401 - what is no text is refused later
        """Return the id of a part of a feature; call it for each, in their order."""
        own, name = self._own(one), one.properties.get("name")
        if self._of_markers:
            return name if own is None else own
        if own is not None and part == 0:
            return own
        base = str(own if own is not None else name or f"{self._stem} {one.number}")
        made, count = base, 1
        while made in self._taken:
            count += 1
            made = f"{base} {count}"
        self._taken.add(made)
        return made

    def _own(self, one: Drawn) -> Any:  # noqa: ANN401 - what is no text is refused later
        own = one.properties.get("id")
        if own is None and not self._of_markers:
            own = one.properties.get("xml_id")
        return own


def _completed(own: Any, defaults: Mapping[str, Any]) -> Any:  # noqa: ANN401 - refused later
    """Return properties with the sector's put where a feature has none."""
    if own is not None and not isinstance(own, dict):
        return own
    return {**defaults, **{key: value for key, value in (own or {}).items() if value is not None}}


def _kinds(drawn: Iterable[Drawn]) -> Counter[str]:
    return Counter(kind for one in drawn for kind, _ in one.shapes)


def _as_number(value: Any) -> Any:  # noqa: ANN401 - what is no number is refused later
    """Return the number that a text holds, as KML has nothing but texts."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
