"""MBTiles 1.3: an SQLite file of tiles, opened for reading only."""

import json
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from maps.base_map.archive import (
    BaseMapError,
    Bounds,
    Description,
    Kind,
    attribution_text,
    checked_bounds,
    checked_zooms,
    edition_of,
    layer_names,
)
from maps.base_map.tile import MOST_BYTES, DamagedTileError, is_picture

_KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("png", "jpg", "jpeg", "webp"), "raster"),
    **dict.fromkeys(("pbf", "mvt"), "vector"),
}
_TILE: Final = (
    "SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?"
)
_PER_STEP: Final = 100_000  # of SQLite's own instructions; between such steps it may be stopped
_MOST_STEPS: Final = 200  # for one tile: a file may define `tiles` as whatever it likes


class MBTiles:
    """A file of tiles."""

    def __init__(self, path: Path) -> None:
        """Open it and read what it says of itself.

        Raises:
            BaseMapError: It is damaged, holds no tiles, or says what cannot be.
        """
        self.path = path
        self._lock = threading.Lock()
        self._steps = 0
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False
        )
        try:
            # Whatever the file defines may run no function of ours and make nothing huge.
            self._connection.execute("PRAGMA trusted_schema = OFF")
            self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
            self.description = self._describe()
            self._connection.set_progress_handler(self._too_long, _PER_STEP)
        except sqlite3.Error as error:
            self.close()
            msg = f"--base-map {path}: is no MBTiles that can be read: {error}"
            raise BaseMapError(msg) from error
        except BaseMapError:
            self.close()
            raise

    def _describe(self) -> Description:
        rows = self._connection.execute("SELECT name, value FROM metadata").fetchall()
        metadata: dict[str, Any] = {str(name): value for name, value in rows}
        sample = self._connection.execute(
            "SELECT tile_data, zoom_level FROM tiles LIMIT 1"
        ).fetchone()
        if sample is None:
            msg = f"--base-map {self.path}: holds no tiles"
            raise BaseMapError(msg)
        least, most = self._zooms(metadata)
        return Description(
            format="mbtiles",
            kind=self._kind(metadata, sample[0]),
            min_zoom=least,
            max_zoom=most,
            bounds=self._bounds(metadata.get("bounds")),
            attribution=attribution_text(metadata),
            layers=layer_names(_json(metadata.get("json"))),
            edition=edition_of(self.path),
        )

    def _kind(self, metadata: Mapping[str, Any], sample: object) -> Kind:
        named = metadata.get("format")
        if named is None:  # older files say it by their tiles only
            return "raster" if isinstance(sample, bytes) and is_picture(sample) else "vector"
        if named not in _KINDS:
            msg = f"--base-map {self.path}: format {named!r}, must be one of {', '.join(_KINDS)}"
            raise BaseMapError(msg)
        return _KINDS[named]

    def _zooms(self, metadata: Mapping[str, Any]) -> tuple[int, int]:
        given: tuple[Any, Any] = metadata.get("minzoom"), metadata.get("maxzoom")
        if None in given:
            query = "SELECT min(zoom_level), max(zoom_level) FROM tiles"
            given = self._connection.execute(query).fetchone()
        try:
            least, most = int(given[0]), int(given[1])
        except (TypeError, ValueError) as error:
            said = " to ".join(map(repr, given))
            msg = f"--base-map {self.path}: zooms {said} are no whole numbers"
            raise BaseMapError(msg) from error
        return checked_zooms(self.path, least, most)

    def _bounds(self, said: object) -> Bounds | None:
        if said is None:
            return None
        try:
            west, south, east, north = map(float, str(said).split(","))
        except ValueError as error:
            msg = f"--base-map {self.path}: bounds {said!r}, must be four numbers with commas"
            raise BaseMapError(msg) from error
        return checked_bounds(self.path, west, south, east, north)

    def tile(self, z: int, x: int, y: int) -> bytes | None:
        """Return a tile's bytes; rows are counted from the north, the file's from the south."""
        try:
            with self._lock:
                self._steps = 0
                row = self._connection.execute(_TILE, (z, x, (1 << z) - 1 - y)).fetchone()
        except sqlite3.Error as error:
            msg = f"the file cannot be read there: {error}"
            raise DamagedTileError(msg) from error
        if row is None:
            return None
        if not isinstance(row[0], bytes):
            msg = "it is no bytes"
            raise DamagedTileError(msg)
        return row[0]

    def count(self) -> int:
        """Return how many tiles there are."""
        with self._lock:
            self._connection.set_progress_handler(None, 0)
            try:
                (found,) = self._connection.execute("SELECT count(*) FROM tiles").fetchone()
            except sqlite3.Error as error:
                msg = f"--base-map {self.path}: cannot be read: {error}"
                raise BaseMapError(msg) from error
            finally:
                self._connection.set_progress_handler(self._too_long, _PER_STEP)
        return int(found)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _too_long(self) -> bool:
        self._steps += 1
        return self._steps > _MOST_STEPS


def _json(said: object) -> Mapping[str, Any]:
    try:
        found = json.loads(str(said))
    except ValueError:
        return {}  # the list of layers is for the technician only
    return found if isinstance(found, dict) else {}
