"""Lines of tracks that may be taken back yet: hundreds of thousands, old ones packed.

A re-run asks for those of its region only, so they are packed cell by cell; and a horizon of them
must fit into memory, so they are compressed: some 90 bytes for what takes 700 as objects.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from edge.messages import UtcTime
from fusion.tracking.lines import Written

_FAST: Final = 1  # the level of compression
Region = frozenset[int] | None  # None: everywhere


def _to_packed(value: object) -> float:
    if isinstance(value, UtcTime):
        return value.timestamp()
    raise NotImplementedError


def _from_packed(wanted: type, value: Any) -> object:  # noqa: ANN401 - whatever was packed
    if wanted is UtcTime:
        return UtcTime.from_epoch_s(value)
    raise NotImplementedError


_ENCODE: Final = msgspec.msgpack.Encoder(enc_hook=_to_packed).encode
_DECODE: Final = msgspec.msgpack.Decoder(list[Written], dec_hook=_from_packed).decode


class KeptLines:
    """The lines of a stretch, in no order."""

    __slots__ = ("fresh", "packed")

    def __init__(self) -> None:
        """Begin with none."""
        self.fresh: list[Written] = []
        self.packed: dict[int, list[tuple[int, bytes]]] = {}  # by cell: how many, and the lines

    def __len__(self) -> int:
        """Return how many there are."""
        packed = sum(count for blobs in self.packed.values() for count, _ in blobs)
        return packed + len(self.fresh)

    def extend(self, lines: Iterable[Written]) -> None:
        """Add lines."""
        self.fresh.extend(lines)

    def join(self, later: "KeptLines") -> None:
        """Add those of the stretch that follows."""
        if later.packed:
            for cell, blobs in later.packed.items():
                self.packed.setdefault(cell, []).extend(blobs)
        self.fresh.extend(later.fresh)

    def pack(self) -> None:
        """Take less room."""
        by_cell: dict[int, list[Written]] = {}
        for one in self.fresh:
            by_cell.setdefault(one.cell, []).append(one)
        for cell, lines in by_cell.items():
            blob = zlib.compress(_ENCODE(lines), _FAST)
            self.packed.setdefault(cell, []).append((len(lines), blob))
        self.fresh = []

    def within(self, region: Region) -> Iterator[Written]:
        """Yield those in a region."""
        for cell, blobs in self.packed.items():
            if region is None or cell in region:
                for _, blob in blobs:
                    yield from _DECODE(zlib.decompress(blob))
        for one in self.fresh:
            if region is None or one.cell in region:
                yield one

    def drop(self, region: Region) -> None:
        """Forget those in a region."""
        if region is None:
            self.packed, self.fresh = {}, []
            return
        self.packed = {cell: blobs for cell, blobs in self.packed.items() if cell not in region}
        self.fresh = [one for one in self.fresh if one.cell not in region]
