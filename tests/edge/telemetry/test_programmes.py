"""Which stream is read: of several programmes, beside sound, and out of what is no film at all."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest

from edge.telemetry import TelemetryError, parse_telemetry
from edge.telemetry.klv import KEY, checksum, length_bytes, packet_bytes
from edge.telemetry.misb import write_klv
from edge.telemetry.mpegts import in_step, klv_payloads

H264, PRIVATE, METADATA = 0x1B, 0x06, 0x15
FILM = Path("film.ts")


@pytest.fixture
def here(flight) -> list[tuple[float, bytes]]:
    return [(row.media_time_s + 10.0, write_klv([row])) for row in flight]


@pytest.fixture
def elsewhere(flight) -> list[tuple[float, bytes]]:
    moved = [msgspec.structs.replace(row, lat=42.9) for row in flight]
    return [(row.media_time_s + 10.1, write_klv([row])) for row in moved]


def pictures(begin_s: float) -> list[tuple[float, bytes]]:
    return [(begin_s, b"\x00\x00\x01\x09\xf0")]


def test_two_streams_of_klv_beside_one_video_are_refused(here, elsewhere, make_programmes) -> None:
    """They became one flight that leapt between two drones, every sample of it `full`."""
    data = make_programmes(
        [
            (0x101, H264, 0x200, pictures(10.0)),
            (0x101, PRIVATE, 0x201, here),
            (0x101, METADATA, 0x202, elsewhere),
        ]
    )
    with pytest.raises(TelemetryError, match=r"^film\.ts: carries 2 .*PIDs 0x201, 0x202"):
        parse_telemetry(data, FILM)


def test_of_two_programmes_that_with_the_video_is_read_and_said(
    here, elsewhere, make_programmes
) -> None:
    data = make_programmes(
        [
            (0x102, PRIVATE, 0x202, elsewhere),
            (0x101, H264, 0x200, pictures(8.0)),
            (0x101, PRIVATE, 0x201, here),
        ]
    )
    log = parse_telemetry(data, FILM)
    assert len(log.samples) == len(here)
    assert max(row.lat for row in log.samples) < 23.0
    assert log.samples[0].media_time_s == pytest.approx(2.0, abs=1e-4)
    assert "PIDs 0x201, 0x202" in log.notes[0]
    assert "0x201, is read" in log.notes[0]


def test_time_counts_from_the_first_picture_of_its_own_programme(here, make_programmes) -> None:
    data = make_programmes(
        [
            (0x102, H264, 0x203, pictures(5.0)),
            (0x101, H264, 0x200, pictures(9.0)),
            (0x101, PRIVATE, 0x201, here),
        ]
    )
    assert parse_telemetry(data, FILM).samples[0].media_time_s == pytest.approx(1.0, abs=1e-4)


def test_of_private_streams_only_what_holds_klv_is_kept(here, make_programmes) -> None:
    """Sound (AC-3) is private data too, and was all kept in memory."""
    sound = [(10.0 + number / 30.0, b"\x0b\x77" * 500) for number in range(200)]
    data = make_programmes(
        [
            (0x101, H264, 0x200, pictures(10.0)),
            (0x101, PRIVATE, 0x201, here),
            (0x101, PRIVATE, 0x202, sound),
        ]
    )
    carried, notes = klv_payloads(data, Counter())
    assert len(carried) == len(here)
    assert all(KEY in piece.payload for piece in carried)
    assert notes == ()


def even_cue(number: int, size: int) -> str:
    cue = f"{number}\r\n00:00:0{number},000 --> 00:00:0{number + 1},000\r\n"
    cue += "GPS(104.0251,22.2533,16) BAROMETER:1.9 "
    return cue.ljust(size - 4, "x") + "\r\n\r\n"


@pytest.mark.parametrize("size", [188, 192, 204])
def test_subtitles_of_even_cues_are_no_transport_stream(size) -> None:
    """The G of GPS is the byte that a transport packet begins with."""
    text = "".join(even_cue(number, size) for number in range(1, 9)).encode()
    assert in_step(text) is not None
    log = parse_telemetry(text, Path("flight.SRT"))
    assert (log.format, len(log.samples)) == ("DJI SRT", 8)


def test_bare_klv_of_even_packets_is_no_transport_stream() -> None:
    """At a latitude of 50 the item begins with a G."""
    packets = []
    for number in range(8):
        packet = packet_bytes({2: 1.7e15 + 1e5 * number, 13: 50.0, 14: 104.0, 104: 900.0})
        filler = 188 - len(packet) - 4  # an item that nobody knows, before the checksum
        packets.append(_lengthened(packet, filler))
    data = b"".join(packets)
    assert {len(packet) for packet in packets} == {188}
    assert in_step(data) is not None
    log = parse_telemetry(data, Path("flight.klv"))
    assert len(log.samples) == 8


def _lengthened(packet: bytes, filler: int) -> bytes:
    body = packet[len(KEY) + 1 : -4] + bytes((120,)) + length_bytes(filler) + bytes(filler)
    head = KEY + length_bytes(len(body) + 4) + body + b"\x01\x02"
    return head + checksum(head).to_bytes(2, "big")
