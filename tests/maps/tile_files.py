"""Tiny files of tiles and elevation models, written as their makers would. No file is shipped."""

import gzip
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from affine import Affine
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer

Zxy = tuple[int, int, int]


def png(colour: tuple[int, int, int], size: int = 256) -> bytes:
    """Return a picture of one colour (RGB)."""
    row = b"\x00" + bytes(colour) * size

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    body = zlib.compress(row * size, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


class Shape(NamedTuple):
    """A feature of a vector tile: points in 0..4096, x right, y down."""

    kind: str  # "point", "line" or "polygon"
    points: list[tuple[int, int]]
    tags: Mapping[str, str] = {}


def mvt(layers: Mapping[str, Iterable[Shape]]) -> bytes:
    """Return a vector tile (Mapbox Vector Tile 2.1), not packed."""
    return b"".join(_field(3, _layer(name, list(shapes))) for name, shapes in layers.items())


def _layer(name: str, shapes: list[Shape]) -> bytes:
    keys: list[str] = []
    values: list[str] = []
    features = b""
    for shape in shapes:
        tags = b""
        for key, value in shape.tags.items():
            for listed, one in ((keys, key), (values, value)):
                if one not in listed:
                    listed.append(one)
                tags += _varint(listed.index(one))
        kind = {"point": 1, "line": 2, "polygon": 3}[shape.kind]
        body = _field(2, tags) + _number(3, kind) + _field(4, _geometry(shape))
        features += _field(2, body)
    head = _field(1, name.encode()) + features
    head += b"".join(_field(3, key.encode()) for key in keys)
    head += b"".join(_field(4, _field(1, value.encode())) for value in values)
    return head + _number(5, 4096) + _number(15, 2)


def _geometry(shape: Shape) -> bytes:
    commands = b""
    x = y = 0
    for index, (to_x, to_y) in enumerate(shape.points):
        if index == 0:
            commands += _varint(1 << 3 | 1)
        elif index == 1:
            commands += _varint((len(shape.points) - 1) << 3 | 2)
        commands += _varint(_zigzag(to_x - x)) + _varint(_zigzag(to_y - y))
        x, y = to_x, to_y
    return commands + (_varint(1 << 3 | 7) if shape.kind == "polygon" else b"")


def _zigzag(value: int) -> int:
    return (value << 1) ^ (value >> 63)


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def write_mbtiles(path: Path, tiles: Mapping[Zxy, bytes], **metadata: str) -> Path:
    """Write MBTiles; rows of `tiles` are counted from the north."""
    zooms = [z for z, _, _ in tiles] or [0]
    said = {"name": "thử", "minzoom": str(min(zooms)), "maxzoom": str(max(zooms))} | metadata
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE metadata (name text, value text)")
        file.execute(
            "CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row integer, tile_data blob)"
        )
        file.execute("CREATE UNIQUE INDEX tile_index ON tiles (zoom_level, tile_column, tile_row)")
        file.executemany("INSERT INTO metadata VALUES (?, ?)", said.items())
        rows = [(z, x, (1 << z) - 1 - y, data) for (z, x, y), data in tiles.items()]
        file.executemany("INSERT INTO tiles VALUES (?, ?, ?, ?)", rows)
    file.close()
    return path


def write_pmtiles(
    path: Path,
    tiles: Mapping[Zxy, bytes],
    *,
    tile_type: TileType = TileType.PNG,
    metadata: Mapping[str, Any] | None = None,
    **header: Any,
) -> Path:
    """Write PMTiles 3; vector tiles are packed."""
    with path.open("wb") as file:
        writer = Writer(file)
        for zxy in sorted(tiles, key=lambda zxy: zxy_to_tileid(*zxy)):
            data = tiles[zxy]
            writer.write_tile(
                zxy_to_tileid(*zxy),
                gzip.compress(data, mtime=0) if tile_type is TileType.MVT else data,
            )
        packing = Compression.GZIP if tile_type is TileType.MVT else Compression.NONE
        whole = {
            "tile_type": tile_type,
            "tile_compression": packing,
            "min_lon_e7": -1_800_000_000,
            "min_lat_e7": -850_000_000,
            "max_lon_e7": 1_800_000_000,
            "max_lat_e7": 850_000_000,
            "center_zoom": 0,
            "center_lon_e7": 0,
            "center_lat_e7": 0,
        }
        writer.finalize(whole | header, dict(metadata or {}))
    return path


def write_heights(
    path: Path, heights_m: np.ndarray, *, transform: Affine, crs: str = "EPSG:4326", **profile: Any
) -> Path:
    """Write an elevation model as GeoTIFF."""
    rows, columns = heights_m.shape
    layout = {
        "driver": "GTiff",
        "width": columns,
        "height": rows,
        "count": 1,
        "dtype": "float32",
        "crs": crs,
        "transform": transform,
        "nodata": -32768.0,
    }
    with rasterio.open(path, "w", **(layout | profile)) as file:
        file.write(heights_m.astype("float32"), 1)
    return path
