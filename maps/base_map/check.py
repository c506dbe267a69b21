"""What a file of tiles holds, for technicians: `tuanbien maps base-map check FILE`."""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fusion.sector import Sector
from maps.base_map.archive import Archive, open_archive
from maps.base_map.tile import DamagedTileError, picture_tile, vector_tile


def check(path: Path, sector: Sector | None = None) -> dict[str, Any]:
    """Return what the file says of itself, and what it has where a sector's border runs.

    Raises:
        BaseMapError: It cannot be used.
    """
    archive = open_archive(path)
    try:
        told = {"file": str(path), **archive.description._asdict(), "tiles": archive.count()}
        if sector is not None:
            told |= _under(archive, list(_border(sector)))
    finally:
        archive.close()
    return told


def _under(archive: Archive, places: list[tuple[float, float]]) -> dict[str, Any]:
    """Tell whether the bounds hold all places, and look at each tile there at the last zoom."""
    about = archive.description
    west, south, east, north = about.bounds or (-180.0, -90.0, 180.0, 90.0)
    inside = all(south <= lat <= north and west <= lon <= east for lat, lon in places)
    under = {tile_of(about.max_zoom, lat=lat, lon=lon) for lat, lon in places}
    found = Counter(_state(archive, about.max_zoom, x, y) for x, y in sorted(under))
    return {
        "covers_sector": inside and found["missing"] == 0 and found["damaged"] == 0,
        "border_tiles": {state: found[state] for state in ("given", "missing", "damaged")},
    }


def _state(archive: Archive, z: int, x: int, y: int) -> str:
    sound = vector_tile if archive.description.kind == "vector" else picture_tile
    try:
        data = archive.tile(z, x, y)
        if data:
            sound(data)
    except DamagedTileError:
        return "damaged"
    return "given" if data else "missing"


def _border(sector: Sector) -> Iterator[tuple[float, float]]:
    """Yield `(lat, lon)` of the border's vertices."""
    for feature in sector.layers["border"]["features"]:
        geometry = feature["geometry"]
        lines = geometry["coordinates"]
        for line in lines if geometry["type"] == "MultiLineString" else [lines]:
            for lon, lat, *_ in line:
                yield lat, lon


def tile_of(z: int, *, lat: float, lon: float) -> tuple[int, int]:
    """Return column and row of the tile that a place lies in, rows counted from the north."""
    count = 1 << z
    northing = math.asinh(math.tan(math.radians(lat))) / math.pi
    column, row = math.floor((lon + 180.0) / 360.0 * count), math.floor((1 - northing) / 2 * count)
    return min(max(column, 0), count - 1), min(max(row, 0), count - 1)
