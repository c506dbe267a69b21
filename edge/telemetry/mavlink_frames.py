"""The frames of a ground station's MAVLink log (`.tlog`), each behind its time of arrival.

```
  8 bytes: microseconds since 1970, big endian | one MAVLink 1 or 2 frame | 8 bytes | …
```
Of the hundreds of messages five matter, so they are taken apart here, checksums verified, rather
than by a library of 47 MB that has them all.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

OUT_OF_STEP: Final = "gaps without a readable frame"
BAD_CHECKSUM: Final = "frames with a wrong checksum"

SYSTEM_TIME, ATTITUDE, GLOBAL_POSITION_INT = 2, 30, 33
CAMERA_FOV_STATUS, GIMBAL_DEVICE_ATTITUDE_STATUS = 271, 285

_STAMP: Final = struct.Struct(">Q")
_V1, _V2 = 0xFE, 0xFD
_V1_HEAD, _V2_HEAD = 6, 10
_SIGNED: Final = 0x01
_SIGNATURE: Final = 13
_HEARD_OF: Final = (315_964_800_000_000, 4_102_444_800_000_000)  # microseconds, 1980 and 2100


class _Kind(NamedTuple):
    layout: struct.Struct  # of the payload, with those of MAVLink 2's later fields that matter
    crc_extra: int  # tells one definition of a message from another


_KINDS: Final = {
    SYSTEM_TIME: _Kind(struct.Struct("<QI"), 137),
    ATTITUDE: _Kind(struct.Struct("<I6f"), 39),
    GLOBAL_POSITION_INT: _Kind(struct.Struct("<I4i3hH"), 104),
    CAMERA_FOV_STATUS: _Kind(struct.Struct("<I6i6fB"), 22),
    GIMBAL_DEVICE_ATTITUDE_STATUS: _Kind(struct.Struct("<I4f3fIHBB2fB"), 137),
}


class Frame(NamedTuple):
    """One message of a kind that matters."""

    logged_us: int  # when it arrived, since 1970
    system: int  # a vehicle
    component: int  # a part of it
    kind: int
    fields: tuple[Any, ...]  # as they lie in the payload, zero where a sender left them out


class _Head(NamedTuple):
    """Where the parts of a frame are."""

    system: int
    component: int
    kind: int
    first: int  # the address of the frame
    payload: int  # that of its content
    total: int  # that of its checksum
    end: int  # the address behind the frame


def looks_like(data: bytes) -> bool:
    """Tell whether bytes begin as such a log does."""
    return len(data) > _STAMP.size and data[_STAMP.size] in (_V1, _V2) and _stamp(data, 0) > 0


def frames(data: bytes, skipped: Counter[str]) -> Iterator[Frame]:
    """Yield the whole frames of the kinds that matter; find the step again behind damage.

    A frame of those kinds is known by its checksum, another one by the frame behind it.
    """
    at, in_step = 0, True
    while at + _STAMP.size + _V1_HEAD + 2 <= len(data):
        logged_us = _stamp(data, at)
        head = _head(data, at + _STAMP.size) if logged_us else None
        good = head is not None and head.kind in _KINDS and _sums_up(data, head)
        if head is None or not (good or _goes_on(data, head.end)):
            if in_step:
                skipped[OUT_OF_STEP] += 1
            in_step = False
            at += 1
            continue
        in_step = True
        if good:
            yield _frame(data, head, logged_us)
        elif head.kind in _KINDS:
            skipped[BAD_CHECKSUM] += 1
        at = head.end


def checksum(data: bytes) -> int:
    """Return MAVLink's checksum (CRC-16/MCRF4XX)."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def _table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x8408 if crc & 1 else 0)
        table.append(crc)
    return table


_TABLE: Final = _table()


def _stamp(data: bytes, at: int) -> int:
    """Return the microseconds that stand at an address, or 0 for no time of this age."""
    micros = int(_STAMP.unpack_from(data, at)[0])
    return micros if _HEARD_OF[0] <= micros <= _HEARD_OF[1] else 0


def _head(data: bytes, first: int) -> _Head | None:
    """Read the head of a frame; None: none starts here, or it is cut short."""
    length, signature = data[first + 1], 0
    if data[first] == _V1:
        size, kind, system, component = _V1_HEAD, data[first + 5], *data[first + 3 : first + 5]
    elif data[first] == _V2:
        size, kind = _V2_HEAD, int.from_bytes(data[first + 7 : first + 10], "little")
        system, component = data[first + 5 : first + 7]
        signature = (data[first + 2] & _SIGNED) * _SIGNATURE
    else:
        return None
    total = first + size + length
    end = total + 2 + signature
    if end > len(data):
        return None
    return _Head(system, component, kind, first, first + size, total, end)


def _goes_on(data: bytes, end: int) -> bool:
    """Tell whether another frame, or the end of the log, follows at an address."""
    after = end + _STAMP.size
    return after >= len(data) or (data[after] in (_V1, _V2) and _stamp(data, end) > 0)


def _sums_up(data: bytes, head: _Head) -> bool:
    stated = int.from_bytes(data[head.total : head.total + 2], "little")
    extra = bytes((_KINDS[head.kind].crc_extra,))
    return checksum(data[head.first + 1 : head.total] + extra) == stated


def _frame(data: bytes, head: _Head, logged_us: int) -> Frame:
    layout = _KINDS[head.kind].layout
    # MAVLink 2 leaves out zeros at the end of a payload, and MAVLink 1 the later fields.
    payload = data[head.payload : head.total].ljust(layout.size, b"\0")
    fields = layout.unpack_from(payload)
    return Frame(logged_us, head.system, head.component, head.kind, fields)
