"""The KLV that an MPEG transport stream (ISO 13818-1) carries beside its video.

Packets of 188 bytes (192 or 204 with a time code or parity), each of one numbered stream. Table 0
names the tables of programmes, each of which names its streams: type 0x06 is private data (KLV
without its own clock), 0x15 metadata (KLV in step with the video). Their content comes in PES
packets with a time stamp of 90 kHz in 33 bits, which wraps every 26.5 hours.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from mmap import mmap
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

SYNC: Final = 0x47
DAMAGED: Final = "transport packets out of step"

_PACKET: Final = 188
_STRIDES: Final = (188, 192, 204)
_LOOKED_AT: Final = 204 * 8
_LONGEST: Final = 204
_ROUNDS: Final = 3  # so many packets in step are a transport stream
_KLV_TYPES: Final = frozenset({0x06, 0x15})
_VIDEO_TYPES: Final = frozenset({0x01, 0x02, 0x10, 0x1B, 0x24})
_CLOCK_HZ: Final = 90_000
_WRAP: Final = 1 << 33
_PES_START: Final = b"\x00\x00\x01"
_PES_HEAD: Final = 9
_CHUNK: Final = 65_536  # packets looked at together
_MOST_SECTION: Final = 1024

Rows = npt.NDArray[np.uint8]


class Carried(NamedTuple):
    """What one PES packet held."""

    media_time_s: float | None  # since the first picture (without video: the first stamp)
    payload: bytes


def in_step(data: bytes) -> tuple[int, int] | None:
    """Return (where the first packet starts, bytes from one to the next); None: no such stream."""
    for first in range(min(_LONGEST, len(data))):
        if data[first] != SYNC:
            continue
        for stride in _STRIDES:
            if first + stride * _ROUNDS < len(data) and all(
                data[first + stride * number] == SYNC for number in range(_ROUNDS + 1)
            ):
                return first, stride
    return None


def klv_payloads(data: bytes | mmap, skipped: Counter[str]) -> list[Carried]:
    """Return the payloads of the private data and metadata streams, in the order of their ends."""
    reader = _Reader()
    for rows in _packets(data, skipped):
        reader.read(rows)
    reader.finish()
    return reader.carried()


def _packets(data: bytes | mmap, skipped: Counter[str]) -> Iterator[Rows]:
    """Yield packets as rows (N, 188); find the step again where it is lost."""
    found = in_step(data[:_LOOKED_AT])
    if found is None:
        return
    at, stride = found
    whole = np.frombuffer(data, dtype=np.uint8)
    while at + _PACKET <= len(data):
        count = min((len(data) - at - _PACKET) // stride + 1, _CHUNK)
        rows = np.lib.stride_tricks.as_strided(
            whole[at:], shape=(count, _PACKET), strides=(stride, 1), writeable=False
        )
        bad = np.flatnonzero(rows[:, 0] != SYNC)
        good = count if len(bad) == 0 else int(bad[0])
        if good:
            yield rows[:good]
        at += good * stride
        if good < count:
            skipped[DAMAGED] += 1
            at = _next_step(data, at + 1, stride)


def _next_step(data: bytes | mmap, at: int, stride: int) -> int:
    """Return the next address where two packets in a row start, or the end."""
    while True:
        at = data.find(b"\x47", at)
        if at < 0:
            return len(data)
        if at + stride >= len(data) or data[at + stride] == SYNC:
            return at
        at += 1


class _Reader:
    """Follows the tables and gathers PES packets."""

    def __init__(self) -> None:
        self._tables: set[int] = set()
        self._klv: set[int] = set()
        self._video: set[int] = set()
        self._parts: dict[int, bytearray] = {}
        self._first_picture: int | None = None
        self._found: list[tuple[int | None, bytes]] = []
        self._sections: defaultdict[int, bytearray] = defaultdict(bytearray)

    def read(self, rows: Rows) -> None:
        """Read packets (N, 188)."""
        numbers = (rows[:, 1].astype(np.int32) & 0x1F) << 8 | rows[:, 2]
        done = 0
        while done < len(rows):
            wanted = {0, *self._tables, *self._klv}
            if self._first_picture is None:
                wanted |= self._video
            index = done + np.flatnonzero(np.isin(numbers[done:], list(wanted)))
            done = len(rows)
            for row in index:
                if self._one(int(numbers[row]), rows[row].tobytes()):
                    done = int(row) + 1  # there are more streams to look for now
                    break

    def finish(self) -> None:
        """Take what the end of the stream left unfinished."""
        for part in self._parts.values():
            self._take(bytes(part))

    def carried(self) -> list[Carried]:
        """Return what was found, stamps turned into media time."""
        stamps = [stamp for stamp, _ in self._found if stamp is not None]
        zero = self._first_picture if self._first_picture is not None else next(iter(stamps), 0)
        return [
            Carried(None if stamp is None else _passed_s(zero, stamp), payload)
            for stamp, payload in self._found
        ]

    def _one(self, number: int, packet: bytes) -> bool:
        """Read one packet; return whether it named new streams."""
        flags = packet[3] >> 4
        first = 5 + packet[4] if flags & 2 else 4
        if packet[1] & 0x80 or not flags & 1 or first >= _PACKET:  # damaged, or no payload
            return False
        begins, payload = bool(packet[1] & 0x40), packet[first:]
        if number == 0 or number in self._tables:
            return self._table(number, payload, begins=begins)
        if number in self._video:
            if begins and self._first_picture is None:
                self._first_picture = _stamp(payload)
            return False
        if begins:
            if number in self._parts:
                self._take(bytes(self._parts[number]))
            self._parts[number] = bytearray(payload)
        elif number in self._parts:
            self._parts[number] += payload
        return False

    def _table(self, number: int, payload: bytes, *, begins: bool) -> bool:
        if begins:
            self._sections[number] = bytearray(payload[1 + payload[0] :])
        else:
            self._sections[number] += payload
        section = bytes(self._sections[number][:_MOST_SECTION])
        if len(section) < 3:  # noqa: PLR2004 - table id and length
            return False
        end = 3 + (int.from_bytes(section[1:3], "big") & 0xFFF)
        if len(section) < end:
            return False
        before = len(self._tables) + len(self._klv) + len(self._video)
        if number == 0 and section[0] == 0:
            self._programmes(section[8 : end - 4])
        elif number != 0 and section[0] == 2:  # noqa: PLR2004 - a table of streams
            self._streams(section[: end - 4])
        return len(self._tables) + len(self._klv) + len(self._video) > before

    def _programmes(self, entries: bytes) -> None:
        for at in range(0, len(entries) - 3, 4):
            if entries[at : at + 2] != b"\x00\x00":
                self._tables.add(int.from_bytes(entries[at + 2 : at + 4], "big") & 0x1FFF)

    def _streams(self, section: bytes) -> None:
        at = 12 + (int.from_bytes(section[10:12], "big") & 0xFFF)
        while at + 5 <= len(section):
            kind, number = section[at], int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF
            if kind in _KLV_TYPES:
                self._klv.add(number)
            if kind in _VIDEO_TYPES:
                self._video.add(number)
            at += 5 + (int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF)

    def _take(self, pes: bytes) -> None:
        if len(pes) < _PES_HEAD or not pes.startswith(_PES_START):
            return
        stated = int.from_bytes(pes[4:6], "big")
        end = 6 + stated if stated else len(pes)
        self._found.append((_stamp(pes), pes[_PES_HEAD + pes[8] : end]))


def _stamp(pes: bytes) -> int | None:
    """Return the presentation time stamp of a PES packet, or None without one."""
    if len(pes) < _PES_HEAD + 5 or not pes.startswith(_PES_START) or not pes[7] & 0x80:
        return None
    raw = pes[_PES_HEAD : _PES_HEAD + 5]
    return (raw[0] >> 1 & 7) << 30 | raw[1] << 22 | (raw[2] >> 1) << 15 | raw[3] << 7 | raw[4] >> 1


def _passed_s(zero: int, stamp: int) -> float:
    """Return the seconds from one stamp to another, up to half a wrap either way."""
    return ((stamp - zero + _WRAP // 2) % _WRAP - _WRAP // 2) / _CLOCK_HZ
