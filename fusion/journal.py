"""Append-only record of every message that fusion accepted: the ground truth of recovery.

A folder of segments, each a file of recording lines
`{"received_at": …, "topic": …, "payload": …}` in order of arrival, so `tuanbien fusion replay`
runs on one of them, or on all of them one after the other. A segment ends with the UTC day or
when it is full. What `append` has returned from is on the disk, not in a cache. Beside each
segment stand its checksums (`fusion.checksums`), by which `fusion.journal_check` finds damage.

Messages that were refused are not here: they go to the store's table `rejected` with the reason.
"""

import fcntl
import logging
import mmap
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple, Self

import msgspec

from edge.messages import InvalidMessageError, RefusedError, Topic, UtcTime, encode
from fusion.checksums import NOTHING_BEFORE, SumWriter, read_sums, sums_of

SEGMENT_MAX_BYTES: Final = 256 * 1024 * 1024
_LOCK_WAITS_S: Final = (0.05, 0.1, 0.2)
_SEGMENT: Final = re.compile(r"journal-(\d{8})-\d{8}T\d{6}Z\.jsonl", re.ASCII)
_log = logging.getLogger(__name__)


class Recorded(NamedTuple):
    """One message as it came in."""

    received_at: UtcTime
    topic: str
    payload: bytes


class Position(NamedTuple):
    """A place between two lines of a journal; a later one compares greater."""

    segment: str  # file name: it holds a running number and the time it was begun
    offset: int  # bytes from its beginning


class _Line(msgspec.Struct):
    received_at: str
    topic: str
    payload: msgspec.Raw


_DECODER: Final = msgspec.json.Decoder(_Line)
_SYNTAX: Final = msgspec.json.Decoder(msgspec.Raw)  # looks at all of it and builds nothing


def recording_line(message: Recorded) -> bytes:
    """Write one message as one line, its payload untouched but for white space.

    A payload that is not JSON becomes a JSON text, which replay refuses for what it is.
    """
    payload = message.payload
    try:
        payload.decode()
        _SYNTAX.decode(payload)
        if b"\n" in payload or b"\r" in payload:
            payload = msgspec.json.format(payload, indent=-1)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        payload = encode(payload.decode(errors="replace"))
    received_at, topic = _written(message.received_at), msgspec.json.encode(message.topic)
    return b'{"received_at":"%b","topic":%b,"payload":%b}\n' % (received_at, topic, payload)


@lru_cache(maxsize=1)  # what came together has one time
def _written(moment: UtcTime) -> bytes:
    return moment.rfc3339().encode()


def parse_line(line: bytes) -> Recorded:
    """Read one recording line.

    Raises:
        InvalidMessageError: It is none.
    """
    try:
        read = _DECODER.decode(line)
        return Recorded(UtcTime.parse(read.received_at), read.topic, bytes(read.payload))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        msg = f"no recording line: {error}"
        raise InvalidMessageError(msg) from error


class Journal:
    """The journal of one sector, open for one writer."""

    def __init__(self, folder: Path, lock: int, *, segment_max_bytes: int) -> None:
        """Use `Journal.open`."""
        self._folder = folder
        self._lock = lock
        self._segment_max_bytes = segment_max_bytes
        self._file = -1
        self._sums: SumWriter | None = None
        self._day = ""
        self._position: Position | None = None
        self.cut_bytes = 0  # what a crash had left half written and `open` took off

    @classmethod
    def open(
        cls, folder: Path, *, sector: str, segment_max_bytes: int = SEGMENT_MAX_BYTES
    ) -> Self:
        """Open or begin a journal, and take off what a crash left half written.

        Raises:
            RefusedError: The folder cannot be written, another process has it, or it holds
                another sector's messages.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            msg = f"cannot write the journal {folder}: {error.strerror}"
            raise RefusedError(msg) from error
        try:
            _take(lock, folder)
            journal = cls(folder, lock, segment_max_bytes=segment_max_bytes)
            journal._resume(sector)
        except OSError as error:
            os.close(lock)
            msg = f"cannot write the journal {folder}: {error.strerror}"
            raise RefusedError(msg) from error
        except RefusedError:
            os.close(lock)
            raise
        return journal

    @property
    def end(self) -> Position | None:
        """Where the next line goes; None while there is none."""
        return self._position

    @property
    def last_received_at(self) -> UtcTime | None:
        """When the last message came in; None while there is none."""
        for segment in reversed(segments_in(self._folder)):
            if (last := _last_message(segment)) is not None:
                return last.received_at
        return None

    def append(self, messages: Sequence[Recorded]) -> Position:
        """Write messages and flush them to the disk, all or none; return the new end.

        Raises:
            OSError: The disk refused; the journal is as it was.
        """
        segment, offset = self._turn_over(messages[0].received_at)
        block = b"".join(recording_line(message) for message in messages)
        try:
            _write_all(self._file, block)
            os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, offset)
            raise
        if self._sums is not None:
            self._sums.add(block)
        self._position = Position(segment, offset + len(block))
        return self._position

    def read(
        self, *, since: UtcTime | None = None, after: Position | None = None
    ) -> Iterator[tuple[Recorded, Position]]:
        """Read back, in order of arrival, each message with the position behind it.

        It begins with the first message received at `since` or later, or with the first one
        behind `after`, whichever comes first in the journal; with neither, at the beginning.
        With `after` alone nothing before it is looked at. A line that cannot be read is logged
        and left out.
        """
        begun = since is None
        for segment in self._segments_from(since, after):
            offset = 0
            if since is None and after is not None and segment.name == after.segment:
                offset = after.offset
            with segment.open("rb") as file:
                file.seek(offset)
                for line in file:
                    offset += len(line)
                    position = Position(segment.name, offset)
                    try:
                        message = parse_line(line)
                    except InvalidMessageError as error:
                        _log.warning("%s at byte %d: %s", segment, offset - len(line), error)
                        continue
                    begun = begun or (since is not None and message.received_at >= since)
                    if begun or (after is not None and position > after):
                        yield message, position

    def holds(self, position: Position) -> bool:
        """Tell whether a position is one of this journal."""
        try:
            return (self._folder / position.segment).stat().st_size >= position.offset
        except OSError:
            return False

    def forget(self, *, before_segment: int, older_than: UtcTime) -> list[str]:
        """Remove whole segments from the journal's beginning; return their names.

        Args:
            before_segment: This one, by its running number, and what follows it stay.
            older_than: What has a message received at this instant or later stays.

        Raises:
            OSError: One cannot be removed; those that follow it stay.
        """
        gone = []
        segments = segments_in(self._folder)
        for segment, following in pairwise(segments):
            next_one = _first_message(following)
            if segment_number(segment.name) >= before_segment or next_one is None:
                break
            # A clock that was set back wrote old times into a new segment: both ends must be old.
            last = _last_message(segment)
            if max(next_one.received_at, last.received_at if last else older_than) > older_than:
                break
            segment.unlink()
            sums_of(segment).unlink(missing_ok=True)
            gone.append(segment.name)
        return gone

    def close(self) -> None:
        """Let the next process have it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._sums is not None:
            with suppress(OSError):  # the next start makes up for sums that are missing
                self._sums.sync()
            self._sums.close()
            self._sums = None
        os.close(self._lock)

    def _segments_from(self, since: UtcTime | None, after: Position | None) -> list[Path]:
        """Return the segments from the last one that begins early enough."""
        segments = segments_in(self._folder)
        if since is None and after is not None:
            return [segment for segment in segments if segment.name >= after.segment]
        for index in range(len(segments) - 1, 0, -1):
            first = _first_message(segments[index])
            early = first is not None and since is not None and first.received_at <= since
            if early and (after is None or segments[index].name <= after.segment):
                return segments[index:]
        return segments

    def _resume(self, sector: str) -> None:
        """Stand behind the last whole line of the last segment."""
        segments = segments_in(self._folder)
        if not segments:
            return
        last = segments[-1]
        size, kept = last.stat().st_size, _whole_bytes(last)
        self._file = os.open(last, os.O_WRONLY | os.O_APPEND)
        if kept < size:
            _log.warning("%s: took off %d half-written bytes", last, size - kept)
            self.cut_bytes = size - kept
            os.ftruncate(self._file, kept)
            os.fsync(self._file)
        self._position = Position(last.name, kept)
        before = read_sums(segments[-2])[-1:] if len(segments) > 1 else []
        digest = before[0].digest if before else NOTHING_BEFORE
        self._sums = SumWriter.resume(last, kept, digest)
        if (first := _first_message(last)) is not None:
            self._day = f"{first.received_at:%Y%m%d}"
            self._check_sector(first, sector)

    def _check_sector(self, message: Recorded, sector: str) -> None:
        found = Topic.parse(message.topic).sector
        if found != sector:
            msg = f"the journal {self._folder} is of sector {found!r}, not of {sector!r}"
            raise RefusedError(msg)

    def _turn_over(self, now: UtcTime) -> Position:
        """Begin a segment where there is none, the day is over or it is full; return the end."""
        day = f"{now:%Y%m%d}"
        if self._position is None:
            number = 1
        elif self._day not in {"", day} or self._position.offset >= self._segment_max_bytes:
            number = segment_number(self._position.segment) + 1
        else:
            self._day = day
            return self._position
        path = self._folder / f"journal-{number:08d}-{now:%Y%m%dT%H%M%SZ}.jsonl"
        before = NOTHING_BEFORE
        if self._sums is not None:
            self._sums.sync()
            before = self._sums.last.digest
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            sums = SumWriter.begin(path, before)
            sync_folder(self._folder)
        except OSError:
            os.close(file)
            path.unlink()
            raise
        if self._file >= 0:
            os.close(self._file)
        if self._sums is not None:
            self._sums.close()
        self._file, self._sums, self._day = file, sums, day
        self._position = Position(path.name, 0)
        return self._position


def segments_in(folder: Path) -> list[Path]:
    """Return the segments of a journal, in order."""
    return sorted(path for path in folder.iterdir() if _SEGMENT.fullmatch(path.name))


def segment_number(name: str) -> int:
    """Return the running number of a segment, from its file's name."""
    return int(name.split("-")[1])


def sync_folder(folder: Path) -> None:
    """Have on the disk what a folder's files are called."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _take(lock: int, folder: Path) -> None:
    """Take the lock; somebody who checks the journal may hold it for an instant."""
    for wait_s in (*_LOCK_WAITS_S, None):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if wait_s is None:
                msg = f"the journal {folder} belongs to another fusion process that is running"
                raise RefusedError(msg) from error
            time.sleep(wait_s)
        else:
            return


def _whole_bytes(path: Path) -> int:
    """Return how many bytes of a file end with a line's end."""
    with path.open("rb") as file, _mapped(file) as content:
        return content.rfind(b"\n") + 1


def _first_message(path: Path) -> Recorded | None:
    """Return the first message of a segment that can be read."""
    with path.open("rb") as file:
        for line in file:
            with suppress(InvalidMessageError):
                return parse_line(line)
    return None


def _last_message(path: Path) -> Recorded | None:
    """Return the last message of a segment that can be read."""
    with path.open("rb") as file, _mapped(file) as content:
        end = content.rfind(b"\n")
        while end > 0:
            begin = content.rfind(b"\n", 0, end)
            with suppress(InvalidMessageError):
                return parse_line(content[begin + 1 : end])
            end = begin
    return None


def _mapped(file: BufferedReader) -> mmap.mmap:
    """Map a file into memory, to be searched from its end; an empty one as a zero byte."""
    empty = os.fstat(file.fileno()).st_size == 0
    return mmap.mmap(-1, 1) if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _write_all(file: int, block: bytes) -> None:
    """Write a block; the system may take it in parts."""
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(file, rest) :]
