"""The tables of an MPEG transport stream: which programmes it has, and of which streams each is.

Table 0 names the tables of programmes, each of which names its streams by type and number: 0x06 is
private data (KLV without its own clock, but also sound and subtitles), 0x15 metadata (KLV in step
with the video).
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

_PRIVATE_TYPES: Final = frozenset({0x06, 0x15})
_VIDEO_TYPES: Final = frozenset({0x01, 0x02, 0x10, 0x1B, 0x24})
_MOST_SECTION: Final = 1024
_HEAD: Final = 3  # table id and length


@dataclass
class Programme:
    """One programme: the numbers (PIDs) of its streams."""

    private: set[int] = field(default_factory=set)  # that may be KLV
    video: set[int] = field(default_factory=set)


class Tables:
    """Gathers the tables while a stream is read."""

    def __init__(self) -> None:
        self.numbers = {0}  # the PIDs that carry tables
        self.programmes: defaultdict[int, Programme] = defaultdict(Programme)
        self._sections: defaultdict[int, bytearray] = defaultdict(bytearray)

    @property
    def private(self) -> set[int]:
        """The PIDs of all streams that may be KLV."""
        return {number for one in self.programmes.values() for number in one.private}

    @property
    def video(self) -> set[int]:
        """The PIDs of all video streams."""
        return {number for one in self.programmes.values() for number in one.video}

    def of(self, number: int) -> Programme:
        """Return the programme that a private stream belongs to."""
        return next(one for one in self.programmes.values() if number in one.private)

    def read(self, number: int, payload: bytes, *, begins: bool) -> bool:
        """Read a packet's payload of a table's PID; return whether it named new streams."""
        if begins:
            self._sections[number] = bytearray(payload[1 + payload[0] :])
        else:
            self._sections[number] += payload
        section = bytes(self._sections[number][:_MOST_SECTION])
        if len(section) < _HEAD:
            return False
        end = _HEAD + (int.from_bytes(section[1:3], "big") & 0xFFF)
        if len(section) < end:
            return False
        before = self._size()
        if number == 0 and section[0] == 0:
            self._name_tables(section[8 : end - 4])
        elif number != 0 and section[0] == 2:  # noqa: PLR2004 - a table of streams
            self._name_streams(section[: end - 4])
        return self._size() > before

    def _size(self) -> int:
        return len(self.numbers) + len(self.private) + len(self.video)

    def _name_tables(self, entries: bytes) -> None:
        for at in range(0, len(entries) - 3, 4):
            if entries[at : at + 2] != b"\x00\x00":
                self.numbers.add(int.from_bytes(entries[at + 2 : at + 4], "big") & 0x1FFF)

    def _name_streams(self, section: bytes) -> None:
        programme = self.programmes[int.from_bytes(section[3:5], "big")]
        at = 12 + (int.from_bytes(section[10:12], "big") & 0xFFF)
        while at + 5 <= len(section):
            kind, number = section[at], int.from_bytes(section[at + 1 : at + 3], "big") & 0x1FFF
            if kind in _PRIVATE_TYPES:
                programme.private.add(number)
            if kind in _VIDEO_TYPES:
                programme.video.add(number)
            at += 5 + (int.from_bytes(section[at + 3 : at + 5], "big") & 0xFFF)
