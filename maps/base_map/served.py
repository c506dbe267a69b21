"""What lies under the map of one server: a file of tiles, an elevation model, an address."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from maps.base_map.archive import Archive, open_archive
from maps.base_map.online import OnlineTiles
from maps.base_map.tile import DamagedTileError, Tile, picture_tile, vector_tile

if TYPE_CHECKING:
    from maps.base_map.hillshade import HillShade

_THREADS: Final = 2
_KEPT_TILES: Final = 256  # of a file: the busiest places of many viewers
_NAMED_DAMAGES: Final = 20  # in the log; the rest is counted
_PNG: Final = "image/png"
_LOG: Final = logging.getLogger(__name__)


class BaseMap:
    """Gives tiles, and counts what became of each request for one."""

    def __init__(
        self,
        *,
        tiles: Path | None = None,
        elevation: Path | None = None,
        online: OnlineTiles | None = None,
    ) -> None:
        """Open the files.

        Raises:
            BaseMapError: The file of tiles cannot be used.
            ElevationError: The elevation model cannot be used.
        """
        self.archive: Archive | None = None if tiles is None else open_archive(tiles)
        self.hillshade = None if elevation is None else _hillshade(elevation)
        self.online = online
        self.answers: Counter[tuple[str, str]] = Counter()  # by layer and what came of it
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="tiles")
        self._stored = lru_cache(maxsize=_KEPT_TILES)(self._read)

    def describe(self) -> dict[str, Any]:
        """Return what a page must know to show it."""
        archive, hillshade, online = self.archive, self.hillshade, self.online
        return {
            "tiles": None
            if archive is None
            else {
                "url": f"/tiles/{{z}}/{{x}}/{{y}}?edition={archive.description.edition}",
                **archive.description._asdict(),
            },
            "hillshade": None
            if hillshade is None
            else {
                "url": f"/hillshade/{{z}}/{{x}}/{{y}}?edition={hillshade.edition}",
                "kind": "raster",
                "min_zoom": hillshade.min_zoom,
                "max_zoom": hillshade.max_zoom,
                "bounds": hillshade.bounds,
            },
            "online": None
            if online is None
            else {
                "url": online.url,
                "kind": online.kind,
                "host": online.host,
                "attribution": online.attribution,
            },
        }

    def edition(self, layer: str) -> str | None:
        """Return the edition of `tiles` or `hillshade` that is served, None if there is none."""
        if layer == "hillshade":
            return None if self.hillshade is None else self.hillshade.edition
        return None if self.archive is None else self.archive.description.edition

    async def stored_tile(self, z: int, x: int, y: int) -> Tile | None:
        """Return a tile of the file; None where it has none, or a damaged one."""
        run = asyncio.get_running_loop().run_in_executor
        return await self._counted(
            "tiles", lambda: run(self._threads, self._stored, z, x, y), (z, x, y)
        )

    async def shade_tile(self, z: int, x: int, y: int) -> Tile | None:
        """Return a tile of the hill-shade; None where there are no heights."""
        if self.hillshade is None:
            return None
        shade = self.hillshade

        async def made() -> Tile | None:
            png = await shade.tile(z, x, y)
            return None if png is None else Tile(png, _PNG)

        return await self._counted("hillshade", made, (z, x, y))

    def close(self) -> None:
        """Let go of files and threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self.archive is not None:
            self.archive.close()
        if self.hillshade is not None:
            self.hillshade.close()

    async def _counted(
        self, layer: str, make: Callable[[], Any], place: tuple[int, int, int]
    ) -> Tile | None:
        """Make a tile; a damaged one is told, counted, and shown as a hole."""
        try:
            tile: Tile | None = await make()
        except DamagedTileError as error:
            self.answers[layer, "damaged"] += 1
            if self.answers[layer, "damaged"] <= _NAMED_DAMAGES:
                _LOG.warning("%s: tile %s/%s/%s cannot be shown: %s", layer, *place, error)
            return None
        self.answers[layer, "missing" if tile is None else "given"] += 1
        return tile

    def _read(self, z: int, x: int, y: int) -> Tile | None:
        archive = self.archive
        if archive is None:
            return None
        about = archive.description
        if not about.min_zoom <= z <= about.max_zoom:
            return None
        data = archive.tile(z, x, y)
        if not data:
            return None
        return vector_tile(data) if about.kind == "vector" else picture_tile(data)


def _hillshade(elevation: Path) -> "HillShade":
    # GDAL takes tens of megabytes: only where there is an elevation model.
    from maps.base_map.hillshade import HillShade  # noqa: PLC0415

    return HillShade(elevation)
