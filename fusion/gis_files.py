"""Read GeoPackage, Shapefile, FlatGeobuf and OSM (by GDAL, through pyogrio) into features.

Their coordinates may be anything: nothing is read before the CRS is known, from the file
itself or from what the sector's table declares.
"""

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely

from edge.messages import RefusedError
from fusion.datum import EXAMPLE, Datum, FloatArray, datum
from fusion.drawn import Drawn, Shape

FORMATS: Final = {".gpkg": "GPKG", ".shp": "ESRI Shapefile", ".fgb": "FlatGeobuf"}
OSM_ENDINGS: Final = {".osm": "OSM", ".pbf": "OSM"}
_DRIVERS: Final = FORMATS | OSM_ENDINGS
_DECIMALS: Final = 9  # of a degree: 0.1 mm
_LARGEST_DEG: Final = 360.0


def read_gis(path: Path, *, table: str | None, declared: str | None) -> tuple[list[Drawn], Datum]:
    """Read one table of a file and move it to WGS 84.

    Args:
        path: The file.
        table: Which of its tables; needed where there are several.
        declared: The CRS by the sector's file; None: the file's own.

    Returns:
        Its features, unchecked, in WGS 84, and where they came from.

    Raises:
        RefusedError: One sentence naming the file, and the feature where there is one.
    """
    # GDAL takes a quarter of a second and 30 MB: only sectors with such layers pay for it.
    import pyogrio  # noqa: PLC0415
    from pyogrio.errors import CRSError  # noqa: PLC0415

    if not path.is_file():
        msg = f"{path}: cannot be read (no such file)"
        raise RefusedError(msg)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of a file's oddities is checked below
            tables = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
            name = _which(path, tables, table)
            driver = pyogrio.read_info(path, layer=name)["driver"]
            meta, _, blobs, columns = pyogrio.raw.read(path, layer=name)
    except (CRSError, UnboundLocalError) as error:
        # The second is what pyogrio 0.13 says where GDAL cannot put a broken .prj into words.
        msg = (
            f"{path}: its CRS cannot be read ({' '.join(str(error).split())}); mend it, or take "
            f"it (the .prj) away and declare {EXAMPLE} in the sector's [layers]"
        )
        raise RefusedError(msg) from error
    except (ValueError, RuntimeError, OSError) as error:
        msg = f"{path}: cannot be read ({' '.join(str(error).split())})"
        raise RefusedError(msg) from error
    if driver != _DRIVERS[path.suffix.lower()]:
        msg = f"{path}: is a {driver} inside, not the {_DRIVERS[path.suffix.lower()]} of its name"
        raise RefusedError(msg)
    shapes = [_shape(f"{path}: feature {i}", blob) for i, blob in enumerate(blobs)]
    origin = _origin(path, meta["crs"], declared, shapely.get_coordinates(shapes))
    moved = _moved(path, shapes, origin)
    names = [str(field).lower() for field in meta["fields"]]
    return [
        Drawn(
            number,
            {field: _plain(column[number]) for field, column in zip(names, columns, strict=True)},
            tuple(_singles(shape)),
        )
        for number, shape in enumerate(moved)
    ], origin


def _which(path: Path, tables: list[str], wanted: str | None) -> str:
    if wanted is None and len(tables) == 1:
        return tables[0]
    if wanted in tables:
        return str(wanted)
    held = ", ".join(tables) or "none"
    what = "holds several layers" if wanted is None else f"holds no layer {wanted!r}"
    msg = f"{path}: {what}; write layer = with one of its own: {held}"
    raise RefusedError(msg)


def _shape(where: str, blob: bytes | None) -> Any:  # noqa: ANN401 - shapely ships no types
    try:
        shape = None if blob is None else shapely.from_wkb(blob)
    except shapely.errors.GEOSException as error:
        msg = f"{where}: its geometry is broken ({error})"
        raise RefusedError(msg) from error
    if shape is None or shape.is_empty:
        msg = f"{where}: has no geometry"
        raise RefusedError(msg)
    return shape


def _origin(path: Path, own: str | None, declared: str | None, xy: FloatArray) -> Datum:
    """Decide between the CRS that the file declares and the one that the sector declares."""
    if declared is None:
        if own is None:
            msg = f"{path}: declares no CRS; write it in the sector's [layers], as in {EXAMPLE}"
            raise RefusedError(msg)
        return datum(own, where=str(path))
    told = datum(declared, where=str(path))
    if own is None:
        return told
    try:
        its_own = datum(own, where=str(path))
    except RefusedError:
        return told  # the file's own word is not understood: that is what the table is for
    if len(xy) and not told.agrees(its_own, xy[:1]):
        msg = f"{path}: declares {its_own.crs} itself, and the sector declares {told.crs} for it"
        raise RefusedError(msg)
    return told


def _moved(path: Path, shapes: list[Any], origin: Datum) -> list[Any]:
    """Move shapes to WGS 84, each checked to lie where its CRS may be used."""
    moved = []
    for number, shape in enumerate(shapes):
        xy = shapely.get_coordinates(shape)
        if not origin.holds(origin.to_wgs84(xy)):
            x, y = xy[0]
            swapped = origin.holds(origin.to_wgs84(xy[:, ::-1]))
            why = "is it another zone or another CRS?"
            if swapped:
                why = "its two coordinates are swapped (easting and longitude come first)"
            elif origin.is_geographic and max(abs(x), abs(y)) > _LARGEST_DEG:
                why = "these are metres, not degrees: declare the projection's zone"
            msg = (
                f"{path}: feature {number}: [{x:.10g}, {y:.10g}] lies outside the area of "
                f"{origin.crs}; {why}"
            )
            raise RefusedError(msg)
        moved.append(_moved_one(shape, origin))
    return moved


def _moved_one(shape: Any, origin: Datum) -> Any:  # noqa: ANN401 - shapely ships no types
    """Move a shape; its heights, if every position has one, stay as they are."""
    has_heights = bool(np.isfinite(shapely.get_coordinates(shape, include_z=True)[:, 2]).all())

    def to_wgs84(xyz: FloatArray) -> FloatArray:
        return np.column_stack([origin.to_wgs84(xyz[:, :2]), xyz[:, 2:]])

    return shapely.transform(shape, to_wgs84, include_z=has_heights)


def _singles(shape: Any) -> Iterator[Shape]:  # noqa: ANN401 - shapely ships no types
    """Yield the parts of a geometry as GeoJSON has them."""
    parts = shapely.get_parts(shape)
    if len(parts) != 1 or shape.geom_type.startswith(("Multi", "GeometryCollection")):
        for part in parts:
            yield from _singles(part)
        return
    kind = "LineString" if shape.geom_type == "LinearRing" else shape.geom_type
    coordinates = json.loads(shapely.to_geojson(shape))["coordinates"]
    yield kind, _rounded(coordinates)


def _rounded(coordinates: Any) -> Any:  # noqa: ANN401 - GeoJSON nests to any depth
    if isinstance(coordinates, list):
        return [_rounded(item) for item in coordinates]
    return round(float(coordinates), _DECIMALS)


def _plain(value: Any) -> Any:  # noqa: ANN401 - a table holds anything
    """Return a cell as JSON has it; nothing and an empty text are None."""
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        if not np.isfinite(value):
            return None
        return int(value) if value.is_integer() else value
    if isinstance(value, str):
        return value.strip() or None
    return value if isinstance(value, bool | int) else None
