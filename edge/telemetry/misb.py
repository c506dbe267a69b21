"""MISB ST 0601: samples out of KLV, bare or inside an MPEG transport stream, and back.

The standard gives the sensor's angles relative to the airframe, so the airframe's and the
sensor's rotations are composed. Real streams exist whose "relative" angles are absolute already.
A packet that names its own frame centre settles it, because the bearing from the sensor to that
centre owes nothing to the angles: the reading that fits most packets of the file is taken and
said, and a packet that its reading contradicts gives no pose.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from mmap import mmap
from typing import Final, NamedTuple

import msgspec
import numpy as np
import pymap3d

from edge.camera import FloatArray
from edge.telemetry import misb_items as item
from edge.telemetry.attitude import short_way, turned
from edge.telemetry.klv import Numbers, packet_bytes, packets
from edge.telemetry.mpegts import klv_payloads
from edge.telemetry.samples import (
    FrameCenter,
    Sample,
    field_of_view,
    instant,
    media_time,
    position,
)

NO_TIME: Final = "packets without a time"
ABSOLUTE_NOTE: Final = (
    "its sensor angles are absolute, not relative to the airframe as ST 0601 says: "
    "so its own frame centres show"
)

# Further off its own frame centre a packet's angles are not believed.
_MOST_ASTRAY_DEG: Final = 5.0
# Nearer to the nadir than this share of the slant range the bearing to the centre says little.
_LEAST_ASIDE: Final = 0.1
_MICROS: Final = 1e6


class _Packet(NamedTuple):
    media_time_s: float
    numbers: Numbers


def read_klv(data: bytes, skipped: Counter[str]) -> tuple[list[Sample], tuple[str, ...]]:
    """Read a bare stream: media time counts from the first packet's own time."""
    timed = []
    zero: float | None = None
    for found in packets(data, skipped):
        micros = _micros(found.numbers)
        if micros is None:
            skipped[NO_TIME] += 1
            continue
        zero = micros if zero is None else zero
        timed.append(_Packet((micros - zero) / _MICROS, found.numbers))
    return _samples(timed)


def read_ts(data: bytes | mmap, skipped: Counter[str]) -> tuple[list[Sample], tuple[str, ...]]:
    """Read what a transport stream carries: media time counts from its first picture.

    A payload without a stamp of its own takes the packet's own clock, counted from the last
    payload that had one.
    """
    timed: list[_Packet] = []
    anchor: tuple[float, float] | None = None  # (media time, the packet's own time) seconds
    for carried in klv_payloads(data, skipped):
        for found in packets(carried.payload, skipped):
            micros = _micros(found.numbers)
            seconds = carried.media_time_s
            if seconds is None and anchor is not None and micros is not None:
                seconds = anchor[0] + micros / _MICROS - anchor[1]
            if seconds is None:
                if micros is None:
                    skipped[NO_TIME] += 1
                    continue
                seconds = 0.0
            if micros is not None:
                anchor = seconds, micros / _MICROS
            timed.append(_Packet(seconds, found.numbers))
    return _samples(timed)


def write_klv(samples: Iterable[Sample]) -> bytes:
    """Write samples as a bare stream; each needs an instant, the rest is written where known.

    The airframe flies level to the north, so that the sensor's relative angles are the absolute
    ones. Heights above the ellipsoid go to item 104, those above the sea to item 15.

    Raises:
        ValueError: A sample has no instant, or a number that no item can say.
    """
    return b"".join(packet_bytes(_numbers(sample)) for sample in samples)


def _micros(numbers: Numbers) -> float | None:
    micros = numbers.get(item.TIME)
    return None if micros is None or instant(micros / _MICROS) is None else micros


def _samples(timed: Sequence[_Packet]) -> tuple[list[Sample], tuple[str, ...]]:
    """Build samples, deciding once for the file what its sensor angles are relative to."""
    numbers = [packet.numbers for packet in timed]
    relative, absolute = _composed(numbers), _sensor_angles(numbers)
    relative_off, absolute_off = _astray_deg(numbers, relative), _astray_deg(numbers, absolute)
    known = ~np.isnan(relative_off) & ~np.isnan(absolute_off)
    fits_absolute = int(np.sum(absolute_off[known] <= _MOST_ASTRAY_DEG))
    fits_relative = int(np.sum(relative_off[known] <= _MOST_ASTRAY_DEG))
    is_absolute = fits_absolute > max(fits_relative, int(np.sum(known)) / 2)
    angles, off = (absolute, absolute_off) if is_absolute else (relative, relative_off)
    samples = []
    for packet, row, astray in zip(timed, angles, off, strict=True):
        seconds = media_time(packet.media_time_s)
        if seconds is not None:
            sample = _sample(seconds, packet.numbers, row)
            samples.append(
                msgspec.structs.replace(sample, contradicts=bool(astray > _MOST_ASTRAY_DEG))
            )
    return samples, (ABSOLUTE_NOTE,) if is_absolute else ()


def _sample(seconds: float, numbers: Numbers, angles_deg: FloatArray) -> Sample:
    lat, lon = position(numbers.get(item.SENSOR_LAT), numbers.get(item.SENSOR_LON))
    center_lat, center_lon = position(numbers.get(item.CENTER_LAT), numbers.get(item.CENTER_LON))
    micros = _micros(numbers)
    yaw_deg, pitch_deg, roll_deg = (None if np.isnan(part) else float(part) for part in angles_deg)
    return Sample(
        media_time_s=seconds,
        captured_at=None if micros is None else instant(micros / _MICROS),
        clock_s=None if micros is None else micros / _MICROS,
        lat=lat,
        lon=lon,
        alt_m=numbers.get(item.SENSOR_ALT_EXTENDED, numbers.get(item.SENSOR_ALT)),
        alt_msl_m=numbers.get(item.SENSOR_ALT_MSL),
        yaw_deg=yaw_deg,
        pitch_deg=pitch_deg,
        roll_deg=roll_deg,
        hfov_deg=field_of_view(numbers.get(item.HFOV)),
        slant_m=numbers.get(item.SLANT),
        frame_center=(
            None
            if center_lat is None or center_lon is None
            else FrameCenter(
                lat=center_lat,
                lon=center_lon,
                alt_m=numbers.get(item.CENTER_ALT),
                alt_msl_m=numbers.get(item.CENTER_ALT_MSL),
            )
        ),
    )


def _column(numbers: Sequence[Numbers], *tags: int) -> FloatArray:
    """Return the first known of some items in every packet (N,), NaN where none is."""
    return np.array(
        [next((row[tag] for tag in tags if tag in row), np.nan) for row in numbers],
        dtype=np.float64,
    )


def _sensor_angles(numbers: Sequence[Numbers]) -> FloatArray:
    """Return the sensor's angles (N, 3) as they stand in the packets, NaN where one is missing."""
    columns = [_column(numbers, tag) for tag in (item.AZIMUTH, item.ELEVATION, item.SENSOR_ROLL)]
    return turned(np.zeros((len(numbers), 3)), np.column_stack(columns))


def _composed(numbers: Sequence[Numbers]) -> FloatArray:
    """Return the sensor's absolute angles (N, 3) by the standard, NaN where a part is missing."""
    carrier = [
        _column(numbers, item.HEADING),
        _column(numbers, item.PITCH_FULL, item.PITCH),
        _column(numbers, item.ROLL_FULL, item.ROLL),
    ]
    sensor = [_column(numbers, tag) for tag in (item.AZIMUTH, item.ELEVATION, item.SENSOR_ROLL)]
    return turned(np.column_stack(carrier), np.column_stack(sensor))


def _astray_deg(numbers: Sequence[Numbers], angles_deg: FloatArray) -> FloatArray:
    """Return how far each bearing is from that of the packet's own frame centre (N,).

    NaN where the packet does not say, or looks so steeply that a bearing says little.
    """
    lat, lon = _column(numbers, item.SENSOR_LAT), _column(numbers, item.SENSOR_LON)
    center = _column(numbers, item.CENTER_LAT), _column(numbers, item.CENTER_LON)
    zero = np.zeros_like(lat)
    east_m, north_m, _ = pymap3d.geodetic2enu(*center, zero, lat, lon, zero)
    aside_m, slant_m = np.hypot(east_m, north_m), _column(numbers, item.SLANT)
    bearing = np.degrees(np.arctan2(east_m, north_m))
    astray = np.abs(short_way(angles_deg[:, 0] - bearing))
    telling = aside_m > _LEAST_ASIDE * np.where(np.isnan(slant_m), 0.0, slant_m)
    return np.where(telling & (aside_m > 0.0), astray, np.nan)


def _numbers(sample: Sample) -> Numbers:
    if sample.captured_at is None:
        msg = f"the sample at {sample.media_time_s} s has no instant, which a packet needs"
        raise ValueError(msg)
    center = sample.frame_center
    known = {
        item.TIME: sample.captured_at.timestamp() * _MICROS,
        item.SENSOR_LAT: sample.lat,
        item.SENSOR_LON: sample.lon,
        item.SENSOR_ALT_MSL: sample.alt_msl_m,
        item.SENSOR_ALT_EXTENDED: sample.alt_m,
        item.HFOV: sample.hfov_deg,
        item.AZIMUTH: None if sample.yaw_deg is None else sample.yaw_deg % 360.0,
        item.ELEVATION: sample.pitch_deg,
        item.SENSOR_ROLL: None if sample.roll_deg is None else sample.roll_deg % 360.0,
        item.SLANT: sample.slant_m,
        item.CENTER_LAT: None if center is None else center.lat,
        item.CENTER_LON: None if center is None else center.lon,
        item.CENTER_ALT: None if center is None else center.alt_m,
        item.CENTER_ALT_MSL: None if center is None else center.alt_msl_m,
    }
    if sample.yaw_deg is not None:
        known |= {item.HEADING: 0.0, item.PITCH_FULL: 0.0, item.ROLL_FULL: 0.0}
    return {tag: number for tag, number in known.items() if number is not None}
