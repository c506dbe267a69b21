"""PMTiles 3: one file of tiles with its own directories. Never mapped into memory whole.

The package's own reader unpacks its directories anew for each tile and without a bound; here
each is read once, held to a size, and the last few are kept.
"""

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from pmtiles.tile import (
    Compression,
    Entry,
    HeaderDict,
    MagicNumberNotFound,
    SpecVersionUnsupported,
    TileType,
    deserialize_directory,
    deserialize_header,
    find_tile,
    zxy_to_tileid,
)

from maps.base_map.archive import (
    BaseMapError,
    Description,
    Kind,
    attribution_text,
    checked_bounds,
    checked_zooms,
    edition_of,
    layer_names,
)
from maps.base_map.tile import MOST_BYTES, DamagedTileError, packed, unpack

_HEADER_BYTES: Final = 127
_MOST_PLAIN_BYTES: Final = 16_777_216  # of a directory or of the metadata
_MOST_DEPTH: Final = 4  # of directories, as the format says
_KEPT_DIRECTORIES: Final = 32
_PER_DEGREE: Final = 1e7
_KINDS: Final[dict[TileType, Kind]] = {
    TileType.MVT: "vector",
    TileType.PNG: "raster",
    TileType.JPEG: "raster",
    TileType.WEBP: "raster",
}
_PACKED: Final = (Compression.NONE, Compression.GZIP)  # what every browser unpacks


class PMTilesFile:
    """A file of tiles."""

    def __init__(self, path: Path) -> None:
        """Open it and read what it says of itself.

        Raises:
            BaseMapError: It is damaged, of another version, or holds what no page can show.
        """
        self.path = path
        self._file = path.open("rb")
        self._directory = lru_cache(maxsize=_KEPT_DIRECTORIES)(self._read_directory)
        try:
            self._header = self._read_header()
            self.description = self._describe()
        except DamagedTileError as error:
            self.close()
            msg = f"--base-map {path}: is no PMTiles that can be read: {error}"
            raise BaseMapError(msg) from error
        except BaseMapError:
            self.close()
            raise

    def _read_header(self) -> HeaderDict:
        try:
            return deserialize_header(self._read(0, _HEADER_BYTES))
        except (MagicNumberNotFound, SpecVersionUnsupported) as error:
            msg = f"--base-map {self.path}: is PMTiles of another version, must be 3"
            raise BaseMapError(msg) from error
        except ValueError as error:
            msg = f"--base-map {self.path}: its header cannot be read: {error}"
            raise BaseMapError(msg) from error

    def _describe(self) -> Description:
        header = self._header
        kind = _KINDS.get(header["tile_type"])
        if kind is None:
            msg = (
                f"--base-map {self.path}: its tiles are {header['tile_type'].name}, "
                f"must be one of {', '.join(one.name for one in _KINDS)}"
            )
            raise BaseMapError(msg)
        compressions = {
            "internal_compression": header["internal_compression"],
            "tile_compression": header["tile_compression"],
        }
        for what, found in compressions.items():
            if found not in _PACKED:
                msg = f"--base-map {self.path}: {what} is {found.name}, must be NONE or GZIP"
                raise BaseMapError(msg)
        least, most = checked_zooms(self.path, header["min_zoom"], header["max_zoom"])
        bounds = checked_bounds(
            self.path,
            west=header["min_lon_e7"] / _PER_DEGREE,
            south=header["min_lat_e7"] / _PER_DEGREE,
            east=header["max_lon_e7"] / _PER_DEGREE,
            north=header["max_lat_e7"] / _PER_DEGREE,
        )
        self._directory(header["root_offset"], header["root_length"])  # refused now, not at night
        metadata = self._metadata()
        return Description(
            format="pmtiles",
            kind=kind,
            min_zoom=least,
            max_zoom=most,
            bounds=bounds,
            attribution=attribution_text(metadata),
            layers=layer_names(metadata),
            edition=edition_of(self.path),
        )

    def _metadata(self) -> dict[str, Any]:
        raw = self._plain(self._header["metadata_offset"], self._header["metadata_length"])
        try:
            found = json.loads(raw or b"{}")
        except ValueError as error:
            msg = "its metadata are no JSON"
            raise DamagedTileError(msg) from error
        return found if isinstance(found, dict) else {}

    def tile(self, z: int, x: int, y: int) -> bytes | None:
        """Return a tile's bytes as they are stored."""
        header, tile_id = self._header, zxy_to_tileid(z, x, y)
        offset, length = header["root_offset"], header["root_length"]
        for _ in range(_MOST_DEPTH):
            entry = find_tile(self._directory(offset, length), tile_id)
            if entry is None:
                return None
            if entry.run_length > 0:
                return self._read(header["tile_data_offset"] + entry.offset, entry.length)
            offset, length = header["leaf_directory_offset"] + entry.offset, entry.length
        msg = f"its directories are nested more than {_MOST_DEPTH} deep"
        raise DamagedTileError(msg)

    def count(self) -> int:
        """Return how many tiles there are, as the header says."""
        return self._header["addressed_tiles_count"]

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _read_directory(self, offset: int, length: int) -> list[Entry]:
        try:
            # The package reads packed directories only; so few bytes are soon packed.
            return deserialize_directory(packed(self._plain(offset, length)))
        except (EOFError, IndexError) as error:
            msg = "a directory breaks off"
            raise DamagedTileError(msg) from error

    def _plain(self, offset: int, length: int) -> bytes:
        raw = self._read(offset, length)
        if self._header["internal_compression"] is Compression.GZIP and raw:
            return unpack(raw, _MOST_PLAIN_BYTES)
        return raw

    def _read(self, offset: int, length: int) -> bytes:
        """Read at a place, which moves no other thread's place."""
        if length > MOST_BYTES:
            msg = f"a part of it has {length} bytes"
            raise DamagedTileError(msg)
        try:
            raw = os.pread(self._file.fileno(), length, offset)
        except (OSError, OverflowError) as error:
            msg = f"the file cannot be read there: {error}"
            raise DamagedTileError(msg) from error
        if len(raw) < length:
            msg = "the file breaks off"
            raise DamagedTileError(msg)
        return raw
