"""MISB ST 0601: samples out of KLV, bare or inside an MPEG transport stream, and back."""

from collections import Counter
from collections.abc import Iterable, Sequence
from mmap import mmap
from typing import Final

import msgspec
import numpy as np

from edge.camera import FloatArray
from edge.telemetry import misb_items as item
from edge.telemetry.klv import Numbers, packet_bytes, packets
from edge.telemetry.misb_look import looks
from edge.telemetry.mpegts import klv_payloads
from edge.telemetry.order import OTHER_DAY, OwnTimes, own_times
from edge.telemetry.samples import (
    FrameCenter,
    Sample,
    field_of_view,
    instant,
    media_time,
    position,
)

NO_TIME: Final = "packets without a time"
_MICROS: Final = 1e6


def read_klv(data: bytes, skipped: Counter[str]) -> tuple[list[Sample], tuple[str, ...]]:
    """Read a bare stream: media time counts from the first packet, by the packets' own clock."""
    numbers = [found.numbers for found in packets(data, skipped)]
    times = _own_times(numbers, skipped)
    return _samples(numbers, times, [True] * len(numbers))


def read_ts(
    data: bytes | mmap, skipped: Counter[str], *, name: str = "the stream"
) -> tuple[list[Sample], tuple[str, ...]]:
    """Read what a transport stream carries: media time counts from its first picture.

    A payload without a stamp of its own takes the packet's own clock, counted from the last
    payload before it that had one (or else from the first of all that has).

    Raises:
        TelemetryError: It carries several streams of KLV, and nothing tells them apart; `name`
            is the file's.
    """
    carried, notes = klv_payloads(data, skipped, name=name)
    stamped = [
        (piece.media_time_s, found.numbers)
        for piece in carried
        for found in packets(piece.payload, skipped)
    ]
    numbers = [row for _, row in stamped]
    own = [seconds is None for seconds, _ in stamped]
    if all(own):
        times = _own_times(numbers, skipped)
    else:
        times = OwnTimes(_stamped_times(stamped, skipped), sure=True)
    samples, more_notes = _samples(numbers, times, own)
    return samples, (*notes, *more_notes)


def _own_times(numbers: Sequence[Numbers], skipped: Counter[str]) -> OwnTimes:
    clocks_s = [_clock_s(row) for row in numbers]
    skipped[NO_TIME] += clocks_s.count(None)
    return own_times(clocks_s, skipped)


def _stamped_times(
    stamped: Sequence[tuple[float | None, Numbers]], skipped: Counter[str]
) -> list[float | None]:
    """Return the media time of each packet (stamp or None, numbers); None is counted."""
    anchors = [
        (seconds, clock_s)
        for seconds, row in stamped
        if seconds is not None and (clock_s := _clock_s(row)) is not None
    ]
    anchor = anchors[0] if anchors else None
    times_s: list[float | None] = []
    for seconds, row in stamped:
        clock_s = _clock_s(row)
        if seconds is not None:
            anchor = anchor if clock_s is None else (seconds, clock_s)
            times_s.append(seconds)
        elif anchor is None or clock_s is None:
            skipped[NO_TIME] += 1
            times_s.append(None)
        else:
            times_s.append(media_time(anchor[0] + clock_s - anchor[1]))
            skipped[OTHER_DAY] += times_s[-1] is None
    return times_s


def write_klv(samples: Iterable[Sample]) -> bytes:
    """Write samples as a bare stream; each needs an instant, the rest is written where known.

    The airframe flies level to the north, so that the sensor's relative angles are the absolute
    ones. Heights above the ellipsoid go to item 104, those above the sea to item 15.

    Raises:
        ValueError: A sample has no instant, or a number that no item can say.
    """
    return b"".join(packet_bytes(_numbers(sample)) for sample in samples)


def _clock_s(numbers: Numbers) -> float | None:
    """Return a packet's own time, or None where it has none or its clock was plainly never set."""
    micros = numbers.get(item.TIME)
    return None if micros is None or instant(micros / _MICROS) is None else micros / _MICROS


def _samples(
    numbers: Sequence[Numbers], times: OwnTimes, own: Sequence[bool]
) -> tuple[list[Sample], tuple[str, ...]]:
    """Build the samples of the packets that have a time; `own`: it is the packets' own clock's."""
    look = looks(numbers)
    samples = []
    for row, seconds in enumerate(times.media_times_s):
        if seconds is None:
            continue
        sample = _sample(seconds, numbers[row], look.angles_deg[row])
        samples.append(
            msgspec.structs.replace(
                sample,
                timed_by_clock=own[row],
                jumped=own[row] and not times.sure,
                contradicts=bool(look.contradicts[row]),
            )
        )
    return samples, look.notes


def _sample(seconds: float, numbers: Numbers, angles_deg: FloatArray) -> Sample:
    lat, lon = position(numbers.get(item.SENSOR_LAT), numbers.get(item.SENSOR_LON))
    center_lat, center_lon = position(numbers.get(item.CENTER_LAT), numbers.get(item.CENTER_LON))
    clock_s = _clock_s(numbers)
    yaw_deg, pitch_deg, roll_deg = (None if np.isnan(part) else float(part) for part in angles_deg)
    return Sample(
        media_time_s=seconds,
        captured_at=None if clock_s is None else instant(clock_s),
        clock_s=clock_s,
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
