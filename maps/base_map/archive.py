"""A file of tiles: what every format of it says of itself, and the one way to open it."""

import hashlib
import html
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol

from edge.messages import RefusedError

Kind = Literal["raster", "vector"]
Bounds = tuple[float, float, float, float]  # west, south, east, north; degrees, WGS 84
MOST_ZOOM: Final = 24
_MAGIC: Final = {b"SQLite format 3\x00": "mbtiles", b"PMTiles": "pmtiles"}
_HEAD_BYTES: Final = 65_536
_MOST_ATTRIBUTION: Final = 300  # characters
_TAG: Final = re.compile(r"<[^>]*>")


class BaseMapError(RefusedError):
    """A base map that cannot be used. One sentence naming the file."""


class Description(NamedTuple):
    """What a file of tiles holds."""

    format: Literal["mbtiles", "pmtiles"]
    kind: Kind
    min_zoom: int
    max_zoom: int
    bounds: Bounds | None
    attribution: str  # plain text, "" where the file names nobody
    layers: tuple[str, ...]  # of vector tiles, as far as the file lists them
    edition: str  # 16 hexadecimal digits: another file has others


class Archive(Protocol):
    """A file of tiles. Its methods may be called from several threads at once."""

    path: Path
    description: Description

    def tile(self, z: int, x: int, y: int) -> bytes | None:
        """Return a tile's bytes as they are stored, rows counted from the north; None: no such.

        Raises:
            DamagedTileError: The file cannot be read there.
        """

    def count(self) -> int:
        """Return how many tiles there are. May take long."""

    def close(self) -> None:
        """Let go of the file."""


def open_archive(path: Path) -> Archive:
    """Open a file of tiles, MBTiles or PMTiles; its first bytes tell which.

    Raises:
        BaseMapError: It cannot be read, or it is neither.
    """
    # Each format brings its own reader.
    from maps.base_map.mbtiles import MBTiles  # noqa: PLC0415
    from maps.base_map.pmtiles_file import PMTilesFile  # noqa: PLC0415

    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        msg = f"--base-map {path}: cannot be read: {error.strerror}"
        raise BaseMapError(msg) from error
    found = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
    if found == "mbtiles":
        return MBTiles(path)
    if found == "pmtiles":
        return PMTilesFile(path)
    msg = f"--base-map {path}: is neither MBTiles nor PMTiles"
    raise BaseMapError(msg)


def edition_of(path: Path) -> str:
    """Return what changes when the file does, without reading gigabytes."""
    about = path.stat()
    digest = hashlib.sha256(f"{about.st_size} {about.st_mtime_ns} ".encode())
    with path.open("rb") as file:
        digest.update(file.read(_HEAD_BYTES))
    return digest.hexdigest()[:16]


def attribution_text(metadata: Mapping[str, Any]) -> str:
    """Return whom a file names as its source, without the HTML that many put there."""
    said = metadata.get("attribution")
    text = html.unescape(_TAG.sub("", said)) if isinstance(said, str) else ""
    return " ".join(text.split())[:_MOST_ATTRIBUTION]


def layer_names(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the layers of vector tiles (TileJSON's `vector_layers`)."""
    listed = metadata.get("vector_layers")
    found = listed if isinstance(listed, list) else []
    return tuple(str(one["id"]) for one in found if isinstance(one, dict) and "id" in one)


def checked_bounds(path: Path, west: float, south: float, east: float, north: float) -> Bounds:
    """Return bounds that lie on the Earth.

    Raises:
        BaseMapError: They do not.
    """
    bounds = (west, south, east, north)
    on_earth = all(map(math.isfinite, bounds)) and abs(south) <= 90 and abs(north) <= 90  # noqa: PLR2004
    if not (on_earth and -180 <= west <= east <= 180 and south <= north):  # noqa: PLR2004
        msg = f"--base-map {path}: bounds {','.join(map(str, bounds))} are no place on the Earth"
        raise BaseMapError(msg)
    return bounds


def checked_zooms(path: Path, least: int, most: int) -> tuple[int, int]:
    """Return the first and the last zoom.

    Raises:
        BaseMapError: There are no such.
    """
    if not 0 <= least <= most <= MOST_ZOOM:
        msg = f"--base-map {path}: zooms {least} to {most}, must be within 0 to {MOST_ZOOM}"
        raise BaseMapError(msg)
    return least, most
