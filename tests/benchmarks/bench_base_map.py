"""The ground under the map: how long a tile takes; prints one JSON line.

    python -m tests.benchmarks.bench_base_map [TILES [SEED]]

A file of `TILES` random tiles of 20 kB in each format, read at random places, and the relief of a
sheet of 3601 x 3601 heights (one degree at 30 m), each zoom at random places, nothing kept.
"""

import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from random import Random

import numpy as np
import psutil
from affine import Affine
from pmtiles.tile import TileType

from maps.base_map.archive import open_archive
from maps.base_map.check import tile_of
from maps.base_map.hillshade import HillShade
from tests.maps.tile_files import Zxy, write_heights, write_mbtiles, write_pmtiles

TILES = 4_000
SEED = 1
ZOOM = 14
TILE_BYTES = 20_000
ASKED = 2_000
RELIEF_TILES = 20
SHEET_CELLS = 3601


def main(tiles: int = TILES, seed: int = SEED) -> None:
    """Measure and print."""
    chance = Random(seed)
    side = math.isqrt(tiles)
    places = [(ZOOM, 8000 + x, 7000 + y) for x in range(side) for y in range(side)]
    told: dict[str, object] = {"tiles": len(places), "seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        held = {place: chance.randbytes(TILE_BYTES) for place in places}
        files = (
            write_mbtiles(Path(folder) / "m.mbtiles", held, format="pbf"),
            write_pmtiles(Path(folder) / "p.pmtiles", held, tile_type=TileType.PNG),
        )
        del held
        for path in files:
            with closing(open_archive(path)) as archive:
                asked = chance.choices(places, k=ASKED)
                told[archive.description.format] = _timed(archive.tile, asked)
        told["relief"] = _relief(Path(folder), chance)
    told["memory_mb"] = round(psutil.Process().memory_info().rss / 1e6)
    print(json.dumps(told))


def _relief(folder: Path, chance: Random) -> dict[str, object]:
    column, row = np.meshgrid(np.arange(SHEET_CELLS), np.arange(SHEET_CELLS))
    heights_m = 900.0 + 400.0 * np.sin(column / 37.0) * np.cos(row / 53.0)
    corner = Affine(1 / 3600, 0, 105.0, 0, -1 / 3600, 23.0)
    path = write_heights(folder / "dem.tif", heights_m, transform=corner, tiled=True)
    told: dict[str, object] = {}
    with closing(HillShade(path)) as shade:
        for z in range(shade.min_zoom, shade.max_zoom + 1):
            places = {
                (z, *tile_of(z, lat=chance.uniform(22.1, 22.9), lon=chance.uniform(105.1, 105.9)))
                for _ in range(RELIEF_TILES)
            }
            told[f"zoom_{z}"] = _timed(shade.make, sorted(places))
    return told


def _timed(
    read: Callable[[int, int, int], bytes | None], places: Iterable[Zxy]
) -> dict[str, float]:
    """Return the median, the 95 % and the longest time of a tile, in ms."""
    took_ms = []
    for place in places:
        began = time.perf_counter()
        tile = read(*place)
        took_ms.append(1000.0 * (time.perf_counter() - began))
        if tile is None:
            msg = f"no tile {place}"
            raise AssertionError(msg)
    low, high = np.percentile(took_ms, (50, 95))
    return {
        "p50_ms": round(float(low), 3),
        "p95_ms": round(float(high), 3),
        "max_ms": round(max(took_ms), 3),
    }


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
