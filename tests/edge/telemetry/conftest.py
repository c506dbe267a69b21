"""Flights to read: a drone on a curve, in every format that we can write or had written for us."""

import io
from collections.abc import Callable

import numpy as np
import pytest

from edge.messages import UtcTime
from edge.telemetry import Sample
from edge.telemetry.klv import length_bytes
from edge.telemetry.misb import write_klv

BEGAN_AT = UtcTime.parse("2026-03-14T03:00:00.000Z")


@pytest.fixture(scope="session")
def flight() -> list[Sample]:
    return circle()


def circle() -> list[Sample]:
    """A minute at two samples a second: a circle of 200 m, the gimbal on its centre."""
    samples = []
    for number in range(120):
        bearing = 3.0 * number
        samples.append(
            Sample(
                media_time_s=number * 0.5,
                captured_at=BEGAN_AT.after(number * 0.5),
                clock_s=BEGAN_AT.after(number * 0.5).timestamp(),
                lat=22.5 - 0.0018 * np.cos(np.radians(bearing)),
                lon=104.0 - 0.00195 * np.sin(np.radians(bearing)),
                alt_m=1120.0 + 0.1 * number,
                yaw_deg=bearing % 360.0,
                pitch_deg=-31.0,
                roll_deg=0.5,
                hfov_deg=60.0,
            )
        )
    return samples


@pytest.fixture(scope="session")
def bare_klv(flight: list[Sample]) -> bytes:
    return write_klv(flight)


@pytest.fixture(scope="session")
def klv_in_ts(flight: list[Sample]) -> bytes:
    return transport_stream([(row.media_time_s, write_klv([row])) for row in flight])


@pytest.fixture(scope="session")
def tlog(flight: list[Sample]) -> bytes:
    return mavlink_log(flight)


@pytest.fixture(scope="session")
def make_tlog() -> Callable[..., bytes]:
    return mavlink_log


@pytest.fixture(scope="session")
def make_ts() -> Callable[..., bytes]:
    return transport_stream


@pytest.fixture(scope="session")
def make_programmes() -> Callable[..., bytes]:
    return programmes


def mavlink_log(
    flight: list[Sample],
    *,
    version: int = 2,
    gimbal: bool = True,
    from_nose_deg: float | None = None,
    signed: bool = False,
) -> bytes:
    """Let pymavlink write a ground station's log of a flight.

    With `from_nose_deg` the vehicle heads there and the gimbal tells its yaw from its nose.
    """
    from pymavlink.dialects.v20 import common  # noqa: PLC0415 - 40 MB that few tests need

    out = io.BytesIO()
    link = common.MAVLink(io.BytesIO(), srcSystem=1, srcComponent=1)
    if signed:
        link.signing.secret_key = b"0" * 32
        link.signing.sign_outgoing = True
        link.signing.timestamp = 1
    boot_at = flight[0].captured_at.after(-100.0)
    for row in flight:
        boot_ms = round(row.captured_at.seconds_since(boot_at) * 1000)
        stamp = round(row.captured_at.timestamp() * 1e6)
        told = [common.MAVLink_system_time_message(stamp, boot_ms)]
        if from_nose_deg is not None:
            heading = float(np.radians(from_nose_deg))
            told.append(common.MAVLink_attitude_message(boot_ms, 0.1, -0.1, heading, 0, 0, 0))
        if gimbal:
            yaw_deg = row.yaw_deg - (from_nose_deg or 0.0)
            told.append(
                common.MAVLink_gimbal_device_attitude_status_message(
                    0,
                    0,
                    boot_ms,
                    64 if from_nose_deg is None else 32,
                    quaternion(yaw_deg, row.pitch_deg, row.roll_deg),
                    0,
                    0,
                    0,
                    0,
                )
            )
            told.append(
                common.MAVLink_camera_fov_status_message(
                    boot_ms, 0, 0, 0, 0, 0, 0, [1, 0, 0, 0], row.hfov_deg, 40.0
                )
            )
        told.append(common.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3))
        told.append(
            common.MAVLink_global_position_int_message(
                boot_ms,
                round(row.lat * 1e7),
                round(row.lon * 1e7),
                round((row.alt_m + 30.0) * 1000),
                round((row.alt_m - 1100.0) * 1000),
                0,
                0,
                0,
                65535,
            )
        )
        for message in told:
            if version == 1 and message.get_msgId() > 255:
                continue
            out.write(stamp.to_bytes(8, "big"))
            out.write(message.pack(link, force_mavlink1=version == 1))
    return out.getvalue()


def quaternion(yaw_deg: float, pitch_deg: float, roll_deg: float) -> list[float]:
    yaw, pitch, roll = np.radians((yaw_deg, pitch_deg, roll_deg)) / 2.0
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    return [
        float(cr * cp * cy + sr * sp * sy),
        float(sr * cp * cy - cr * sp * sy),
        float(cr * sp * cy + sr * cp * sy),
        float(cr * cp * sy - sr * sp * cy),
    ]


def transport_stream(
    payloads: list[tuple[float | None, bytes]],
    *,
    kind: int = 0x06,
    pictures_from_s: float | None = 10.0,
    zero_s: float = 10.0,
) -> bytes:
    """Write a transport stream: tables, a picture's head, then KLV in PES packets.

    `kind` 0x15 puts each payload into a metadata cell, as streams in step with the video do.
    """
    registration = b"\x05\x04KLVA"
    streams = b"\x1b\xe1\x00\xf0\x00" if pictures_from_s is not None else b""
    streams += bytes((kind, 0xE1, 0x01, 0xF0, len(registration))) + registration
    counters: dict[int, int] = {}
    out = packets(0, section(0, b"\x00\x01" + b"\xf0\x00"), counters, table=True)
    out += packets(0x1000, section(2, b"\xe1\x00\xf0\x00" + streams), counters, table=True)
    if pictures_from_s is not None:
        out += packets(0x100, pes(0xE0, pictures_from_s, b"\x00\x00\x01\x09\xf0"), counters)
    for at_s, payload in payloads:
        body = payload
        if kind == 0x15:
            body = b"\x00\x00\xdf" + len(payload).to_bytes(2, "big") + payload
        stream_id = 0xFC if kind == 0x15 else 0xBD
        stamp_s = None if at_s is None else at_s + zero_s
        out += packets(0x101, pes(stream_id, stamp_s, body), counters)
    return out


def programmes(
    streams: list[tuple[int, int, int, list[tuple[float, bytes]]]],
) -> bytes:
    """Write a transport stream of (programme, stream type, PID, [(seconds, payload), …])."""
    numbers = sorted({programme for programme, *_ in streams})
    named = b"".join(
        programme.to_bytes(2, "big") + (0xE000 | programme).to_bytes(2, "big")
        for programme in numbers
    )
    counters: dict[int, int] = {}
    out = packets(0, section(0, named), counters, table=True)
    for programme in numbers:
        body = b"\xe1\x00\xf0\x00" + b"".join(
            bytes((kind,)) + (0xE000 | pid).to_bytes(2, "big") + b"\xf0\x00"
            for of, kind, pid, _ in streams
            if of == programme
        )
        table = section(2, body, number=programme)
        out += packets(programme, table, counters, table=True)
    timed = [(at_s, pid, payload) for *_, pid, payloads in streams for at_s, payload in payloads]
    for at_s, pid, payload in sorted(timed):
        out += packets(pid, pes(0xBD, at_s, payload), counters)
    return out


def section(table: int, body: bytes, *, number: int = 1) -> bytes:
    rest = number.to_bytes(2, "big") + b"\xc1\x00\x00" + body
    head = bytes((table,)) + (0xB000 | (len(rest) + 4)).to_bytes(2, "big")
    return head + rest + crc32_mpeg(head + rest).to_bytes(4, "big")


def crc32_mpeg(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x04C11DB7 if crc & 0x80000000 else 0)
            crc &= 0xFFFFFFFF
    return crc


def pes(stream_id: int, at_s: float | None, body: bytes) -> bytes:
    head = b"\x80\x00\x00"
    if at_s is not None:
        stamp = round(at_s * 90_000) % (1 << 33)
        head = b"\x80\x80\x05" + bytes(
            (
                0x21 | (stamp >> 30 & 7) << 1,
                stamp >> 22 & 0xFF,
                0x01 | (stamp >> 15 & 0x7F) << 1,
                stamp >> 7 & 0xFF,
                0x01 | (stamp & 0x7F) << 1,
            )
        )
    return (
        b"\x00\x00\x01"
        + bytes((stream_id,))
        + (len(head) + len(body)).to_bytes(2, "big")
        + head
        + body
    )


def packets(
    number: int, content: bytes, counters: dict[int, int], *, table: bool = False
) -> bytes:
    """Cut content into transport packets, stuffing the last one."""
    if table:
        content = (b"\x00" + content).ljust(184, b"\xff")
    out, at = b"", 0
    while at < len(content):
        part = content[at : at + 184]
        start = 0x40 if at == 0 else 0
        counter = counters.get(number, -1) + 1 & 0xF
        counters[number] = counter
        head = bytes((0x47, start | number >> 8, number & 0xFF))
        if len(part) == 184:
            out += head + bytes((0x10 | counter,)) + part
        else:
            gap = 183 - len(part)
            stuffing = b"" if gap == 0 else b"\x00" + b"\xff" * (gap - 1)
            out += head + bytes((0x30 | counter, gap)) + stuffing + part
        at += len(part)
    return out


def local_set(
    items: list[tuple[int, bytes]], *, key: bytes, total: Callable[[bytes], int]
) -> bytes:
    body = b"".join(bytes((tag, len(raw))) + raw for tag, raw in items)
    head = key + length_bytes(len(body) + 4) + body + b"\x01\x02"
    return head + total(head).to_bytes(2, "big")


@pytest.fixture(scope="session")
def pack_items() -> Callable[..., bytes]:
    return local_set
