"""The KLV that an MPEG transport stream (ISO 13818-1) carries beside its video.

Packets of 188 bytes (192 or 204 with a time code or parity), each of one numbered stream (PID).
Tables say which streams there are. Their content comes in PES packets with a time stamp of 90 kHz
in 33 bits, which wraps every 26.5 hours. Two streams of KLV are two cameras: one is read, that of
the programme with the video, or none.
"""

from collections import Counter
from collections.abc import Iterator
from mmap import mmap
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.telemetry.klv import KEY
from edge.telemetry.samples import TelemetryError
from edge.telemetry.ts_tables import Programme, Tables

SYNC: Final = 0x47
DAMAGED: Final = "transport packets out of step"

_PACKET: Final = 188
_STRIDES: Final = (188, 192, 204)
_LOOKED_AT: Final = 204 * 8
_LONGEST: Final = 204
_ROUNDS: Final = 3  # so many packets in step are a transport stream
_CLOCK_HZ: Final = 90_000
_WRAP: Final = 1 << 33
_PES_START: Final = b"\x00\x00\x01"
_PES_HEAD: Final = 9
_MOST_PES: Final = 6 + 0xFFFF
_CHUNK: Final = 65_536  # packets looked at together

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


def klv_payloads(
    data: bytes | mmap, skipped: Counter[str], *, name: str = "the stream"
) -> tuple[list[Carried], tuple[str, ...]]:
    """Return the payloads of the stream of KLV, in the order of their ends, and what to say of it.

    Raises:
        TelemetryError: There are several, and their programmes do not tell which is the video's.
    """
    reader = _Reader()
    for rows in _packets(data, skipped):
        reader.read(rows)
    reader.finish()
    if not reader.found:
        return [], ()
    number, notes = _chosen(reader, name)
    return reader.carried(number), notes


def _chosen(reader: "_Reader", name: str) -> tuple[int, tuple[str, ...]]:
    """Return the PID to read, and what to say where others are left."""
    numbers = sorted(reader.found)
    if len(numbers) == 1:
        return numbers[0], ()
    said = ", ".join(f"0x{number:x}" for number in numbers)
    beside_video = [number for number in numbers if reader.tables.of(number).video]
    if len(beside_video) != 1:
        msg = (
            f"{name}: carries {len(numbers)} streams of KLV (PIDs {said}) and does not say which "
            "one is the film's camera; take the others out (ffmpeg -map)"
        )
        raise TelemetryError(msg)
    only = beside_video[0]
    return only, (
        f"of its KLV streams (PIDs {said}) the one beside the video, 0x{only:x}, is read",
    )


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
    """Follows the tables and gathers the PES packets that hold KLV."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.found: dict[int, list[tuple[int | None, bytes]]] = {}  # (stamp, payload) by PID
        self._parts: dict[int, bytearray] = {}
        self._pictures: dict[int, int] = {}  # the first stamp by PID

    def read(self, rows: Rows) -> None:
        """Read packets (N, 188)."""
        numbers = (rows[:, 1].astype(np.int32) & 0x1F) << 8 | rows[:, 2]
        done = 0
        while done < len(rows):
            wanted = self.tables.numbers | self.tables.private
            wanted |= self.tables.video - self._pictures.keys()
            index = done + np.flatnonzero(np.isin(numbers[done:], list(wanted)))
            done = len(rows)
            for row in index:
                if self._one(int(numbers[row]), rows[row].tobytes()):
                    done = int(row) + 1  # there are other streams to look for now
                    break

    def finish(self) -> None:
        """Take what the end of the stream left unfinished."""
        for number, part in self._parts.items():
            self._take(number, bytes(part))

    def carried(self, number: int) -> list[Carried]:
        """Return what one stream held, stamps turned into media time."""
        found = self.found[number]
        zero = self._first_picture(self.tables.of(number))
        if zero is None:
            zero = next((stamp for stamp, _ in found if stamp is not None), 0)
        return [
            Carried(None if stamp is None else _passed_s(zero, stamp), payload)
            for stamp, payload in found
        ]

    def _first_picture(self, programme: Programme) -> int | None:
        """Return the stamp of a programme's first picture, or else of any."""
        stamps = [stamp for number, stamp in self._pictures.items() if number in programme.video]
        return next(iter((*stamps, *self._pictures.values())), None)

    def _one(self, number: int, packet: bytes) -> bool:
        """Read one packet; return whether other streams matter now."""
        flags = packet[3] >> 4
        first = 5 + packet[4] if flags & 2 else 4
        if packet[1] & 0x80 or not flags & 1 or first >= _PACKET:  # damaged, or no payload
            return False
        begins, payload = bool(packet[1] & 0x40), packet[first:]
        if number in self.tables.numbers:
            return self.tables.read(number, payload, begins=begins)
        if number in self.tables.video:
            stamp = _stamp(payload) if begins else None
            if stamp is None:
                return False
            self._pictures[number] = stamp
            return True
        if begins:
            if number in self._parts:
                self._take(number, bytes(self._parts[number]))
            self._parts[number] = bytearray(payload)
        elif number in self._parts and len(self._parts[number]) < _MOST_PES:
            self._parts[number] += payload
        return False

    def _take(self, number: int, pes: bytes) -> None:
        """Keep a PES packet's payload; sound and subtitles, private streams too, hold no key."""
        if len(pes) < _PES_HEAD or not pes.startswith(_PES_START):
            return
        stated = int.from_bytes(pes[4:6], "big")
        payload = pes[_PES_HEAD + pes[8] : 6 + stated if stated else len(pes)]
        if KEY in payload:
            self.found.setdefault(number, []).append((_stamp(pes), payload))


def _stamp(pes: bytes) -> int | None:
    """Return the presentation time stamp of a PES packet, or None without one."""
    if len(pes) < _PES_HEAD + 5 or not pes.startswith(_PES_START) or not pes[7] & 0x80:
        return None
    raw = pes[_PES_HEAD : _PES_HEAD + 5]
    return (raw[0] >> 1 & 7) << 30 | raw[1] << 22 | (raw[2] >> 1) << 15 | raw[3] << 7 | raw[4] >> 1


def _passed_s(zero: int, stamp: int) -> float:
    """Return the seconds from one stamp to another, up to half a wrap either way."""
    return ((stamp - zero + _WRAP // 2) % _WRAP - _WRAP // 2) / _CLOCK_HZ
