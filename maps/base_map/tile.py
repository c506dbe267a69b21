"""One tile as a file holds it: what it is, and whether a guard's browser may have it.

A file may come from anybody: what would grow out of all proportion in the browser is damaged.
"""

import gzip
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Final, NamedTuple

from PIL import Image

MOST_BYTES: Final = 2_097_152  # of a tile as it is stored; usual ones have a tenth
MOST_PLAIN_BYTES: Final = 8_388_608  # of a vector tile unpacked
MOST_PIXELS: Final = 4_194_304  # 2048 x 2048
_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW_BITS: Final = 31  # zlib's way to say: with gzip's head
VECTOR: Final = "application/vnd.mapbox-vector-tile"
_PICTURES: Final[Mapping[str, bytes]] = {
    "PNG": b"\x89PNG",
    "JPEG": b"\xff\xd8\xff",
    "WEBP": b"RIFF",
}


class DamagedTileError(Exception):
    """A tile that no browser should get; the text says why."""


class Tile(NamedTuple):
    """A tile as it is handed on."""

    data: bytes
    media_type: str
    encoding: str | None = None  # "gzip": as it lay in the file


def is_picture(data: bytes) -> bool:
    """Tell whether it begins as a PNG, JPEG or WebP does."""
    return data.startswith(tuple(_PICTURES.values()))


def picture_tile(data: bytes) -> Tile:
    """Return a raster tile. Only its head is read, nothing is decoded.

    Raises:
        DamagedTileError: It is no PNG, JPEG or WebP, or it is too large.
    """
    _hold_to_size(data)
    try:
        with Image.open(BytesIO(data), formats=tuple(_PICTURES)) as picture:
            width, height = picture.size
            media_type = f"image/{str(picture.format).lower()}"
    except (OSError, SyntaxError) as error:  # the second: what Pillow says of a broken PNG
        msg = "it is no PNG, JPEG or WebP, or its head is broken"
        raise DamagedTileError(msg) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DamagedTileError(str(error)) from error
    if width * height > MOST_PIXELS:
        msg = f"it has {width} x {height} pixels"
        raise DamagedTileError(msg)
    return Tile(data, media_type)


def vector_tile(data: bytes) -> Tile:
    """Return a vector tile, packed or not as it was.

    Raises:
        DamagedTileError: It is too large, packed or unpacked, or breaks off.
    """
    _hold_to_size(data)
    if not data.startswith(_GZIP):
        return Tile(data, VECTOR)
    unpack(data, MOST_PLAIN_BYTES)
    return Tile(data, VECTOR, "gzip")


def unpack(data: bytes, most_bytes: int) -> bytes:
    """Unpack gzip, never more than `most_bytes`.

    Raises:
        DamagedTileError: It is no gzip, breaks off, or would be longer.
    """
    unpacking = zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        plain = unpacking.decompress(data, most_bytes)
    except zlib.error as error:
        msg = f"it cannot be unpacked: {error}"
        raise DamagedTileError(msg) from error
    if unpacking.unconsumed_tail:
        msg = f"it has more than {most_bytes} bytes when it is unpacked"
        raise DamagedTileError(msg)
    if not unpacking.eof:
        msg = "it breaks off"
        raise DamagedTileError(msg)
    return plain


def packed(data: bytes) -> bytes:
    """Pack with gzip; the same bytes every time."""
    return gzip.compress(data, compresslevel=1, mtime=0)


def _hold_to_size(data: bytes) -> None:
    if len(data) > MOST_BYTES:
        msg = f"it has {len(data)} bytes"
        raise DamagedTileError(msg)
