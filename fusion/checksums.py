"""A chain of checksums beside a journal's segment, so that one flipped bit is found, and where.

The segment stays plain recording lines. For `journal-….jsonl` there is `journal-….sums`, and in it
a line `offset sha256` for each block that was appended in one go:

    0 D0              D0: the last digest of the segment before; zeros in the first one
    812 D1            D1 = SHA-256(D0, bytes 0 to 812 of the segment)
    1650 D2           D2 = SHA-256(D1, bytes 812 to 1650)

Each block is checked by itself, against the digest that stands before it, so damage to one is not
damage to all behind it; and a block or a segment that was cut out, put in or exchanged breaks the
chain.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple, Self

SUFFIX: Final = ".sums"
_LINE: Final = re.compile(rb"(\d{1,18}) ([0-9a-f]{64})\n")
_CHUNK: Final = 1024 * 1024
NOTHING_BEFORE: Final = bytes(32)


class Sum(NamedTuple):
    """What a segment was up to some byte of it."""

    offset: int
    digest: bytes

    def after(self, block: bytes) -> "Sum":
        """Return the sum behind one more block."""
        return Sum(self.offset + len(block), hashlib.sha256(self.digest + block).digest())

    def line(self) -> bytes:
        """Write it down."""
        return b"%d %s\n" % (self.offset, self.digest.hex().encode())


def sums_of(segment: Path) -> Path:
    """Return where a segment's sums are."""
    return segment.with_suffix(SUFFIX)


def read_sums(segment: Path) -> list[Sum]:
    """Return a segment's sums as far as they can be read; none if it has none."""
    sums: list[Sum] = []
    try:
        content = sums_of(segment).read_bytes()
    except FileNotFoundError:
        return sums
    end = 0
    for line in _LINE.finditer(content):
        found = Sum(int(line[1]), bytes.fromhex(line[2].decode()))
        first = not sums and found.offset == 0
        if line.start() != end or not (first or (sums and found.offset > sums[-1].offset)):
            break
        end = line.end()
        sums.append(found)
    return sums


class SumWriter:
    """Writes the sums of the segment that is being written."""

    def __init__(self, file: int, last: Sum) -> None:
        """Use `begin` or `resume`."""
        self._file = file
        self._waiting = b""  # what the disk would not take yet
        self.last = last

    @classmethod
    def begin(cls, segment: Path, before: bytes) -> Self:
        """Begin the sums of a new segment; `before` is the last digest of the one before it.

        Raises:
            OSError: The disk refused.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC
        writer = cls(os.open(sums_of(segment), flags, 0o640), Sum(0, before))
        writer._write(writer.last)
        return writer

    @classmethod
    def resume(cls, segment: Path, size: int, before: bytes) -> Self:
        """Go on with a segment of so many bytes; what it has beyond its last sum gets one.

        Raises:
            OSError: The disk refused.
        """
        sums = [found for found in read_sums(segment) if found.offset <= size]
        if not sums:
            writer = cls.begin(segment, before)
        else:
            file = os.open(sums_of(segment), os.O_WRONLY | os.O_APPEND)
            os.ftruncate(file, sum(len(found.line()) for found in sums))
            writer = cls(file, sums[-1])
        with segment.open("rb") as lines:
            lines.seek(writer.last.offset)
            while block := lines.read(min(_CHUNK, size - writer.last.offset)):
                writer.add(block)
        return writer

    def add(self, block: bytes) -> None:
        """Add the sum of what was appended; if the disk refuses, it waits for the next."""
        self.last = self.last.after(block)
        self._write(self.last)

    def sync(self) -> None:
        """Have everything on the disk.

        Raises:
            OSError: The disk refused.
        """
        while self._waiting:
            self._waiting = self._waiting[os.write(self._file, self._waiting) :]
        os.fdatasync(self._file)

    def close(self) -> None:
        """End; `sync` before."""
        os.close(self._file)

    def _write(self, one: Sum) -> None:
        self._waiting += one.line()
        try:
            self._waiting = self._waiting[os.write(self._file, self._waiting) :]
        except OSError:
            # The message is on the disk, which is what counts: it must not be written again.
            return


def damaged(segment: Path, sums: list[Sum], size: int) -> Iterator[tuple[int, int]]:
    """Yield `(begin, end)` of the blocks that are not what was written, in bytes."""
    with segment.open("rb") as file:
        for before, after in pairwise(sums):
            if after.offset > size:
                yield before.offset, after.offset
                return
            digest = hashlib.sha256(before.digest)
            left = after.offset - before.offset
            while left and (chunk := file.read(min(left, _CHUNK))):
                digest.update(chunk)
                left -= len(chunk)
            if digest.digest() != after.digest:
                yield before.offset, after.offset
