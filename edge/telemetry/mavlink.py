"""MAVLink flight logs of ground stations (`.tlog`): each frame behind its time of arrival.

```
  8 bytes: microseconds since 1970, big endian | one MAVLink 1 or 2 frame | 8 bytes | …
```
Of the hundreds of messages five matter, so they are taken apart here, checksums verified, rather
than by a library of 47 MB that has them all. A sample stands at every GLOBAL_POSITION_INT; angles,
field of view and clock come from the messages nearest before it, if they are not too old. A
gimbal that reports its yaw from the vehicle's nose is turned by the vehicle's own heading. Media
time counts from the first position; the log of one vehicle is read, that of the first position.
"""

import math
import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from edge.telemetry.attitude import angles_from_quaternion
from edge.telemetry.samples import Sample, field_of_view, height, instant, media_time, position

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
# Angles older than this say nothing of the picture any more.
_FRESH_S: Final = 0.5
_YAW_LOCK, _FROM_NOSE, _FROM_NORTH = 16, 32, 64


class _Kind(NamedTuple):
    layout: struct.Struct  # of the payload, without MAVLink 2's later fields
    crc_extra: int  # tells one definition of a message from another


_KINDS: Final = {
    SYSTEM_TIME: _Kind(struct.Struct("<QI"), 137),
    ATTITUDE: _Kind(struct.Struct("<I6f"), 39),
    GLOBAL_POSITION_INT: _Kind(struct.Struct("<I4i3hH"), 104),
    CAMERA_FOV_STATUS: _Kind(struct.Struct("<I6i6f"), 22),
    GIMBAL_DEVICE_ATTITUDE_STATUS: _Kind(struct.Struct("<I4f3fIHBB"), 137),
}


class _Frame(NamedTuple):
    logged_us: int
    system: int
    kind: int
    fields: tuple[Any, ...]


def looks_like(data: bytes) -> bool:
    """Tell whether bytes begin as such a log does."""
    return len(data) > _STAMP.size and data[_STAMP.size] in (_V1, _V2) and _stamp(data, 0) > 0


def read_tlog(data: bytes, skipped: Counter[str]) -> list[Sample]:
    """Read a log; what is broken is counted in `skipped`."""
    state: dict[int, _Frame] = {}
    samples: list[Sample] = []
    vehicle: int | None = None
    first_us = 0
    for frame in _frames(data, skipped):
        if frame.kind != GLOBAL_POSITION_INT:
            if vehicle in (None, frame.system):
                state[frame.kind] = frame
            continue
        if vehicle is None:
            vehicle, first_us = frame.system, frame.logged_us
            state = {kind: old for kind, old in state.items() if old.system == vehicle}
        if frame.system != vehicle:
            continue
        seconds = media_time((frame.logged_us - first_us) / 1e6)
        if seconds is not None:
            samples.append(_sample(seconds, frame, state))
    return samples


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


def _frames(data: bytes, skipped: Counter[str]) -> Iterator[_Frame]:
    """Yield the whole frames of the kinds that matter; find the step again behind damage."""
    at, in_step = 0, True
    while at + _STAMP.size + _V1_HEAD + 2 <= len(data):
        logged_us = _stamp(data, at)
        first = at + _STAMP.size
        end = _end(data, first) if logged_us else None
        if end is None or not _goes_on(data, end):
            if in_step:
                skipped[OUT_OF_STEP] += 1
            in_step = False
            at += 1
            continue
        in_step = True
        frame = _frame(data, first, end, logged_us, skipped)
        if frame is not None:
            yield frame
        at = end


def _stamp(data: bytes, at: int) -> int:
    """Return the microseconds that stand at an address, or 0 for no time of this age."""
    micros = int(_STAMP.unpack_from(data, at)[0])
    return micros if _HEARD_OF[0] <= micros <= _HEARD_OF[1] else 0


def _end(data: bytes, first: int) -> int | None:
    """Return the address behind a frame; None: none starts here, or it is cut short."""
    length = data[first + 1]
    if data[first] == _V1:
        end = first + _V1_HEAD + length + 2
    elif data[first] == _V2:
        end = first + _V2_HEAD + length + 2 + (data[first + 2] & _SIGNED) * _SIGNATURE
    else:
        return None
    return end if end <= len(data) else None


def _goes_on(data: bytes, end: int) -> bool:
    """Tell whether another frame, or the end of the log, follows at an address."""
    after = end + _STAMP.size
    return after >= len(data) or (data[after] in (_V1, _V2) and _stamp(data, end) > 0)


def _frame(
    data: bytes, first: int, end: int, logged_us: int, skipped: Counter[str]
) -> _Frame | None:
    """Take one frame apart; None: a kind that does not matter, or a wrong checksum."""
    length, old = data[first + 1], data[first] == _V1
    if old:
        head, system, number = _V1_HEAD, data[first + 3], data[first + 5]
    else:
        head, system = _V2_HEAD, data[first + 5]
        number = int.from_bytes(data[first + 7 : first + 10], "little")
        end -= (data[first + 2] & _SIGNED) * _SIGNATURE
    kind = _KINDS.get(number)
    if kind is None:
        return None
    stated = int.from_bytes(data[end - 2 : end], "little")
    if checksum(data[first + 1 : end - 2] + bytes((kind.crc_extra,))) != stated:
        skipped[BAD_CHECKSUM] += 1
        return None
    # MAVLink 2 leaves out zeros at the end of a payload.
    payload = data[first + head : first + head + length].ljust(kind.layout.size, b"\0")
    return _Frame(logged_us, system, number, kind.layout.unpack_from(payload))


def _sample(seconds: float, frame: _Frame, state: dict[int, _Frame]) -> Sample:
    boot_ms, lat_e7, lon_e7, alt_mm, above_mm = frame.fields[:5]
    lat, lon = position(lat_e7 / 1e7, lon_e7 / 1e7)
    yaw_deg, pitch_deg, roll_deg = _angles(frame, state) or (None, None, None)
    view = _fresh(state, CAMERA_FOV_STATUS, frame)
    epoch_s = _epoch_s(boot_ms, frame, state)
    return Sample(
        media_time_s=seconds,
        captured_at=instant(epoch_s),
        clock_s=boot_ms / 1e3,
        lat=lat,
        lon=lon,
        alt_msl_m=height(alt_mm / 1e3),
        rel_alt_m=height(above_mm / 1e3),
        yaw_deg=yaw_deg,
        pitch_deg=pitch_deg,
        roll_deg=roll_deg,
        hfov_deg=None if view is None else field_of_view(view.fields[11]),
    )


def _angles(frame: _Frame, state: dict[int, _Frame]) -> tuple[float, float, float] | None:
    """Return the gimbal's absolute angles, or None where they are not known."""
    gimbal = _fresh(state, GIMBAL_DEVICE_ATTITUDE_STATUS, frame)
    if gimbal is None:
        return None
    w, x, y, z = gimbal.fields[1:5]
    length = math.hypot(w, x, y, z)
    if not 0.9 < length < 1.1:  # noqa: PLR2004 - no unit quaternion (NaN included)
        return None
    yaw_deg, pitch_deg, roll_deg = angles_from_quaternion(
        w / length, x / length, y / length, z / length
    )[0]
    flags = gimbal.fields[9]
    if not (flags & _FROM_NORTH or (flags & _YAW_LOCK and not flags & _FROM_NOSE)):
        vehicle = _fresh(state, ATTITUDE, frame)
        if vehicle is None or not math.isfinite(vehicle.fields[3]):
            return None
        yaw_deg = np.mod(yaw_deg + math.degrees(vehicle.fields[3]), 360.0)
    return float(yaw_deg), float(pitch_deg), float(roll_deg)


def _fresh(state: dict[int, _Frame], kind: int, frame: _Frame) -> _Frame | None:
    """Return the last message of a kind, unless it is too old."""
    last = state.get(kind)
    if last is None or abs(frame.logged_us - last.logged_us) > _FRESH_S * 1e6:
        return None
    return last


def _epoch_s(boot_ms: int, frame: _Frame, state: dict[int, _Frame]) -> float:
    """Return the vehicle's own time, or the ground station's where the vehicle had none."""
    told = state.get(SYSTEM_TIME)
    if told is not None and instant(told.fields[0] / 1e6) is not None:
        epoch_us, told_ms = told.fields
        return float(epoch_us) / 1e6 + float(boot_ms - told_ms) / 1e3
    return float(frame.logged_us) / 1e6
