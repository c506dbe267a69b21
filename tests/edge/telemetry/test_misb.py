"""MISB ST 0601: the standard's own example values, checksums, composed angles, real packets."""

import re
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pymap3d
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.accuracy import ce90_m
from edge.camera import Camera, Pose, PoseSigma
from edge.georeference import place
from edge.ground import Ground
from edge.messages import UtcTime
from edge.telemetry import (
    FrameCenter,
    Quality,
    Sample,
    TelemetryError,
    parse_telemetry,
    read_telemetry,
)
from edge.telemetry.klv import (
    BAD_CHECKSUM,
    CUT,
    KEY,
    MALFORMED,
    NO_CHECKSUM,
    MalformedError,
    checksum,
    items,
    length_bytes,
    packet_bytes,
    packets,
    read_length,
)
from edge.telemetry.misb import ABSOLUTE_NOTE, read_klv, write_klv
from edge.telemetry.misb_items import ITEMS

VECTORS = [
    (5, "71c2", 159.9743648),
    (6, "fd3d", -0.4315317),
    (7, "08b8", 3.4058657),
    (13, "5595b66d", 60.176822967),
    (14, "5b5360c4", 128.426759042),
    (15, "c221", 14190.7195),
    (16, "cd9c", 144.5712978),
    (17, "d917", 152.6436255),
    (18, "724a0a20", 160.7192114),
    (19, "87f84b86", -168.7923248),
    (20, "7dc55ece", 176.8654376),
    (21, "03830926", 68590.983299),
    (22, "1281", 722.819867),
    (23, "f101a229", -10.542388633),
    (24, "14bc082b", 29.157890123),
    (25, "34f3", 3216.03723),
]
NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
CAMERA = Camera(1280, 720, 1000.0, 1000.0, 639.5, 359.5, None, ())


@pytest.mark.parametrize(("tag", "raw", "value"), VECTORS)
def test_items_decode_to_the_standards_own_values(tag, raw, value) -> None:
    decoded = ITEMS[tag].decode(bytes.fromhex(raw))
    assert decoded == pytest.approx(value, abs=0.6 * 10 ** -len(str(value).partition(".")[2]))
    assert ITEMS[tag].encode(decoded).hex() == raw


@pytest.mark.parametrize("tag", [6, 7, 13, 14, 19, 23, 24, 90, 91])
def test_the_least_signed_number_says_out_of_range(tag) -> None:
    raw = b"\x80" + bytes(ITEMS[tag].size - 1)
    assert ITEMS[tag].decode(raw) is None


def test_the_time_and_the_version_are_read(test_data) -> None:
    data = (test_data / "telemetry/misb/DynamicOnlyMISMMSPacketData.bin").read_bytes()
    (found,) = packets(data, Counter())
    assert found.numbers[2] == 1231798102000000
    assert found.numbers[65] == 6


def test_a_packet_with_a_right_checksum_is_read_and_one_with_a_wrong_one_is_not(test_data) -> None:
    folder = test_data / "telemetry" / "misb"
    good = (folder / "DynamicOnlyMISMMSPacketData.bin").read_bytes()
    assert checksum(good[:-2]) == 0xC850
    assert len(read_telemetry(folder / "DynamicOnlyMISMMSPacketData.bin").samples) == 1
    bad = (folder / "DynamicConstantMISMMSPacketData.bin").read_bytes()
    assert (checksum(bad[:-2]), bad[-2:].hex()) == (0x3E1E, "aa43")
    with pytest.raises(TelemetryError, match=f"1 {BAD_CHECKSUM}"):
        read_telemetry(folder / "DynamicConstantMISMMSPacketData.bin")


def test_one_flipped_bit_anywhere_loses_that_packet_and_no_other(bare_klv) -> None:
    starts = [found.start() for found in re.finditer(re.escape(KEY), bare_klv)]
    broken = bytearray(bare_klv)
    broken[starts[3] + 40] ^= 0x10
    skipped: Counter[str] = Counter()
    assert len(list(packets(bytes(broken), skipped))) == len(starts) - 1
    assert skipped == {BAD_CHECKSUM: 1}


def test_what_is_cut_short_or_malformed_is_counted(pack_items) -> None:
    whole = pack_items([(2, NOON_RAW)], key=KEY, total=checksum)
    spilling = KEY + length_bytes(9) + b"\x05\x09\x71\xc2\x00\x01\x02"
    spilling += checksum(spilling).to_bytes(2, "big")
    unsummed = KEY + length_bytes(4) + b"\x05\x02\x71\xc2"
    skipped: Counter[str] = Counter()
    found = list(packets(unsummed + b"noise" + whole + spilling + whole[:-3], skipped))
    assert [packet.numbers[2] for packet in found] == [NOON.timestamp() * 1e6]
    assert skipped == {NO_CHECKSUM: 1, MALFORMED: 1, CUT: 1}


NOON_RAW = round(NOON.timestamp() * 1e6).to_bytes(8, "big")


@given(st.integers(0, 2**31))
def test_ber_lengths_survive_a_round_trip(length) -> None:
    raw = length_bytes(length)
    assert read_length(raw, 0) == (length, len(raw))


@pytest.mark.parametrize("raw", ["", "80", "85ffffffffff", "82ff"])
def test_a_length_that_is_none_is_malformed(raw) -> None:
    with pytest.raises(MalformedError):
        read_length(bytes.fromhex(raw), 0)


def test_tags_of_two_bytes_are_read() -> None:
    assert list(items(bytes.fromhex("8104 01 aa 05 02 71c2".replace(" ", "")))) == [
        (132, b"\xaa"),
        (5, b"\x71\xc2"),
    ]


@pytest.mark.parametrize("number", [-900.0, -899.99, 0.0, 1.0, 1120.123, 40_000.0])
def test_the_extended_height_survives_a_round_trip(number) -> None:
    assert ITEMS[104].decode(ITEMS[104].encode(number)) == pytest.approx(number, abs=1e-4)
    assert ITEMS[104].decode(b"\xc8\x00\x00\x00") is None, "infinity is no height"


finite = {"allow_nan": False, "allow_infinity": False}
samples_of_a_flight = st.builds(
    Sample,
    media_time_s=st.just(0.0),
    captured_at=st.integers(0, 10**9).map(lambda ms: NOON.after(ms / 1000.0)),
    lat=st.floats(-89.0, 89.0),
    lon=st.floats(-179.9, 179.9),
    alt_m=st.none() | st.floats(-800.0, 20_000.0),
    alt_msl_m=st.none() | st.floats(-800.0, 18_000.0),
    yaw_deg=st.floats(0.0, 359.9),
    pitch_deg=st.floats(-89.0, 89.0),
    roll_deg=st.floats(-179.0, 179.0),
    hfov_deg=st.none() | st.floats(0.1, 179.0),
    slant_m=st.none() | st.floats(0.0, 1e6),
)


@given(samples_of_a_flight)
def test_what_is_written_as_klv_is_read_as_it_was(sample) -> None:
    ((found,), notes) = read_klv(write_klv([sample]), Counter())
    assert notes == ()
    assert found.captured_at == sample.captured_at
    for field, within in (
        ("lat", 1e-7),
        ("lon", 1e-7),
        ("alt_m", 1e-3),
        ("alt_msl_m", 0.2),
        ("hfov_deg", 2e-3),
        ("slant_m", 2e-3),
        ("pitch_deg", 1e-6),
    ):
        before, after = getattr(sample, field), getattr(found, field)
        if before is None:
            assert after is None
        elif not (field == "lat" and abs(sample.lat) < 1e-6):
            assert after is None or after == pytest.approx(before, abs=within)
    for field in ("yaw_deg", "roll_deg"):
        off = (getattr(found, field) - getattr(sample, field) + 180.0) % 360.0 - 180.0
        assert off == pytest.approx(0.0, abs=1e-5)


def test_a_whole_flight_survives_a_round_trip(flight, bare_klv) -> None:
    log = parse_telemetry(bare_klv, Path("flight.klv"))
    assert [sample.media_time_s for sample in log.samples] == pytest.approx(
        [sample.media_time_s for sample in flight]
    )
    assert {sample.quality for sample in log.samples} == {Quality.FULL}


def numbers_of(*, heading, pitch, roll, azimuth, elevation, lean) -> dict[int, float]:
    return {
        2: NOON.timestamp() * 1e6,
        5: heading,
        6: pitch,
        7: roll,
        18: azimuth,
        19: elevation,
        20: lean,
        13: 22.5,
        14: 104.0,
        104: 1120.0,
    }


def angles_of(data: bytes) -> tuple[float, float, float]:
    ((sample,), _) = read_klv(data, Counter())
    return sample.yaw_deg, sample.pitch_deg, sample.roll_deg


def test_on_a_level_airframe_the_angles_add_up() -> None:
    numbers = numbers_of(
        heading=90.0, pitch=0.0, roll=0.0, azimuth=30.0, elevation=-40.0, lean=0.0
    )
    assert angles_of(packet_bytes(numbers)) == pytest.approx((120.0, -40.0, 0.0), abs=0.01)


def test_on_a_banking_airframe_a_look_to_the_side_goes_down_not_around() -> None:
    """Sums would say yaw 90, pitch 0: a camera to the right of a wing 20 degrees low looks down."""
    numbers = numbers_of(heading=0.0, pitch=0.0, roll=20.0, azimuth=90.0, elevation=0.0, lean=0.0)
    assert angles_of(packet_bytes(numbers)) == pytest.approx((90.0, -20.0, 0.0), abs=0.01)


def test_nose_up_turns_a_look_back_down() -> None:
    numbers = numbers_of(heading=0.0, pitch=10.0, roll=0.0, azimuth=180.0, elevation=0.0, lean=0.0)
    assert angles_of(packet_bytes(numbers)) == pytest.approx((180.0, -10.0, 0.0), abs=0.01)


def look(azimuth: float, *, heading: float) -> Sample:
    """A sample whose frame centre lies 2 km away at a bearing of 60 degrees, seen 30 down."""
    lat, lon, _ = pymap3d.enu2geodetic(2000 * np.sin(np.pi / 3), 1000.0, 0.0, 22.5, 104.0, 1000.0)
    numbers = numbers_of(
        heading=heading, pitch=0.0, roll=0.0, azimuth=azimuth, elevation=-30.0, lean=0.0
    ) | {23: float(lat), 24: float(lon), 21: 2309.4}
    ((sample,), _) = read_klv(packet_bytes(numbers), Counter())
    return sample


def test_the_frame_centre_decides_what_the_angles_are_relative_to() -> None:
    by_the_standard, absolute = look(320.0, heading=100.0), look(60.0, heading=100.0)
    assert by_the_standard.yaw_deg == pytest.approx(60.0, abs=0.01)
    assert absolute.yaw_deg == pytest.approx(60.0, abs=0.01)
    assert {by_the_standard.quality, absolute.quality} == {Quality.FULL}


def test_a_packet_whose_frame_centre_lies_elsewhere_gives_no_pose() -> None:
    assert look(200.0, heading=100.0).quality is Quality.CONTRADICTS


def test_the_standards_example_values_are_read_and_not_believed(test_data) -> None:
    """They are made up number by number: sensor and frame centre lie on different continents."""
    log = read_telemetry(test_data / "telemetry/misb/DynamicOnlyMISMMSPacketData.bin")
    assert log.samples[0].quality is Quality.CONTRADICTS
    assert log.samples[0].lat == pytest.approx(60.176822967)


@pytest.fixture
def day_flight(test_data) -> list[Sample]:
    log = read_telemetry(test_data / "telemetry" / "misb" / "day_flight.klv")
    assert log.notes == (ABSOLUTE_NOTE,), "its azimuths are bearings, whatever the standard says"
    return list(log.samples)


def ground_alt_m(sample: Sample) -> float:
    """Return the height at which the frame centre is a slant range away: no angle is asked."""
    center, low_m, high_m = sample.frame_center, -500.0, sample.alt_m
    for _ in range(60):
        alt_m = (low_m + high_m) / 2.0
        range_m = pymap3d.geodetic2aer(
            center.lat, center.lon, alt_m, sample.lat, sample.lon, sample.alt_m
        )[2]
        low_m, high_m = (alt_m, high_m) if range_m > sample.slant_m else (low_m, alt_m)
    return low_m


def test_real_packets_are_all_whole(day_flight) -> None:
    assert [sample.quality for sample in day_flight] == [Quality.FULL] * 6
    assert day_flight[0].captured_at.rfc3339() == "2009-06-17T16:53:05.099Z"


def test_real_boresights_hit_the_packets_own_frame_centre(day_flight) -> None:
    """The packets' item 25 (frame centre elevation) contradicts their own slant range by 700 m.

    So the ground's height is taken from position, slant range and frame centre of the steepest
    packet, which ask no angle; the angles of all six must then agree with it.
    """
    steepest = min(day_flight, key=lambda sample: sample.pitch_deg)
    ground = Ground(ground_alt_m(steepest), 1.0)
    sigma = PoseSigma(position_m=3.0, alt_m=3.0, yaw_deg=0.1, pitch_deg=0.1, roll_deg=0.1)
    for sample in day_flight:
        log_pose = pose_of(sample)
        (hit,) = place(
            np.array([[639.5, 359.5]]), CAMERA, log_pose, sigma, ground, pixel_sigma_px=1
        )
        center = sample.frame_center
        east_m, north_m, _ = pymap3d.geodetic2enu(
            center.lat, center.lon, ground.alt_m, hit.lat, hit.lon, ground.alt_m
        )
        assert np.hypot(east_m, north_m) < ce90_m(hit.cov_m2)
        assert hit.slant_m == pytest.approx(sample.slant_m, rel=0.005)


def pose_of(sample: Sample) -> Pose:
    return Pose(
        sample.lat, sample.lon, sample.alt_m, sample.yaw_deg, sample.pitch_deg, sample.roll_deg
    )


def test_all_six_packets_agree_on_the_height_of_the_ground(day_flight) -> None:
    heights_m = [ground_alt_m(sample) for sample in day_flight]
    assert max(heights_m) - min(heights_m) < 1.0


def test_a_frame_centre_keeps_the_height_it_says(day_flight) -> None:
    center = day_flight[0].frame_center
    assert isinstance(center, FrameCenter)
    assert center.alt_msl_m == pytest.approx(-4.52, abs=0.01)


@settings(max_examples=50)
@given(st.data())
def test_noise_between_packets_loses_none(data) -> None:
    sample = Sample(media_time_s=0.0, captured_at=NOON, lat=22.5, lon=104.0, alt_m=1000.0)
    stream, many = b"", data.draw(st.integers(1, 5))
    for number in range(many):
        stream += data.draw(st.binary(max_size=30).filter(lambda raw: b"\x06" not in raw))
        stream += write_klv([msgspec.structs.replace(sample, captured_at=NOON.after(number))])
    samples, _ = read_klv(stream, Counter())
    assert [row.media_time_s for row in samples] == [float(number) for number in range(many)]
