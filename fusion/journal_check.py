"""Is a journal what was written? Reads every segment, whether fusion runs on it or not."""

import fcntl
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from edge.messages import InvalidMessageError, RefusedError, UtcTime
from fusion.checksums import NOTHING_BEFORE, damaged, read_sums, sums_of
from fusion.journal import parse_line, segment_number, segments_in


class Trouble(NamedTuple):
    """Something that is wrong with a journal."""

    file: str
    offset: int | None  # bytes from the file's beginning
    what: str

    def __str__(self) -> str:
        at = "" if self.offset is None else f" at byte {self.offset}"
        return f"{self.file}{at}: {self.what}"


class Findings(NamedTuple):
    """What a journal holds, and what is wrong with it."""

    segments: int
    lines: int  # that can be read
    size: int  # bytes
    unsummed: int  # bytes that no checksum stands for: an older version wrote them, or just now
    first_received_at: UtcTime | None
    last_received_at: UtcTime | None
    in_use: bool  # a running fusion appends to it
    troubles: list[Trouble]


class _Read(NamedTuple):
    """What one segment holds."""

    lines: int
    size: int
    first: UtcTime | None
    last: UtcTime | None
    troubles: list[Trouble]


def check_journal(folder: Path) -> Findings:
    """Read a journal whole.

    Raises:
        RefusedError: There is none, or it cannot be read.
    """
    try:
        return _check(folder)
    except OSError as error:
        msg = f"cannot read the journal {folder}: {error.strerror}"
        raise RefusedError(msg) from error


def _check(folder: Path) -> Findings:
    in_use = _is_in_use(folder)
    segments = segments_in(folder)
    if not segments:
        msg = f"{folder} holds no journal"
        raise RefusedError(msg)
    troubles = list(_gaps(segments))
    lines = size = unsummed = 0
    times: list[UtcTime] = []
    digest: bytes | None = None  # the last one of the segment before; None: unknown
    for segment in segments:
        is_last = segment == segments[-1]
        sums = read_sums(segment)  # first: what a running fusion appends meanwhile has none here
        read = _read(segment, growing=in_use and is_last)
        lines, size = lines + read.lines, size + read.size
        times.extend(time for time in (read.first, read.last) if time is not None)
        troubles.extend(read.troubles)
        if sums:
            first_of_all = segment == segments[0] and segment_number(segment.name) == 1
            expected = NOTHING_BEFORE if first_of_all else digest
            if expected is not None and sums[0].digest != expected:
                what = "does not follow what stands before it"
                troubles.append(Trouble(segment.name, 0, what))
            troubles.extend(
                Trouble(segment.name, begin, f"up to byte {end} it is not what was written")
                for begin, end in damaged(segment, sums, read.size)
            )
        summed = min(sums[-1].offset, read.size) if sums else 0
        unsummed += read.size - summed
        if summed < read.size and not is_last and sums_of(segment).exists():
            what = f"its checksums in {sums_of(segment).name} end here"
            troubles.append(Trouble(segment.name, summed, what))
        digest = sums[-1].digest if sums else None
    return Findings(
        segments=len(segments),
        lines=lines,
        size=size,
        unsummed=unsummed,
        first_received_at=min(times, default=None),
        last_received_at=max(times, default=None),
        in_use=in_use,
        troubles=troubles,
    )


def _gaps(segments: list[Path]) -> Iterator[Trouble]:
    """Yield what is missing between segments, by their running numbers."""
    for before, after in pairwise(segments):
        first, second = segment_number(before.name), segment_number(after.name)
        if second != first + 1:
            missing = f"number {first + 1}" + (f" to {second - 1}" if second > first + 2 else "")
            what = "has the number of another" if second == first else f"{missing} is missing"
            yield Trouble(after.name, None, f"follows {before.name}: {what}")


def _read(segment: Path, *, growing: bool) -> _Read:
    """Read every line; the last line of a segment that grows may be half written."""
    lines = size = 0
    first: UtcTime | None = None
    last: UtcTime | None = None
    troubles = []
    with segment.open("rb") as file:
        for line in file:
            begin, size = size, size + len(line)
            if not line.endswith(b"\n"):
                if growing:
                    size = begin
                else:
                    what = f"the last line is half written ({len(line)} bytes)"
                    troubles.append(Trouble(segment.name, begin, what))
                break
            try:
                at = parse_line(line).received_at
            except InvalidMessageError as error:
                troubles.append(Trouble(segment.name, begin, str(error)))
                continue
            lines += 1
            first, last = first or at, at
    return _Read(lines, size, first, last, troubles)


def _is_in_use(folder: Path) -> bool:
    """Tell whether a process has the journal open for writing."""
    try:
        lock = os.open(folder / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
