"""MAVLink logs, as pymavlink writes them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edge.telemetry import Quality, TelemetryError, parse_telemetry
from edge.telemetry.mavlink import read_tlog
from edge.telemetry.mavlink_frames import BAD_CHECKSUM, OUT_OF_STEP


def test_a_flight_is_read_as_it_was_flown(flight, tlog) -> None:
    log = parse_telemetry(tlog, Path("flight.tlog"))
    assert len(log.samples) == len(flight)
    for found, flown in zip(log.samples, flight, strict=True):
        assert found.media_time_s == pytest.approx(flown.media_time_s, abs=1e-3)
        assert found.captured_at.seconds_since(flown.captured_at) == pytest.approx(0.0, abs=2e-3)
        assert (found.lat, found.lon) == pytest.approx((flown.lat, flown.lon), abs=1e-7)
        assert found.alt_msl_m == pytest.approx(flown.alt_m + 30.0, abs=1e-3)
        assert found.rel_alt_m == pytest.approx(flown.alt_m - 1100.0, abs=1e-3)
        assert (found.pitch_deg, found.roll_deg) == pytest.approx((-31.0, 0.5), abs=1e-4)
        assert (found.yaw_deg - flown.yaw_deg + 180.0) % 360.0 == pytest.approx(180.0, abs=1e-4)
        assert found.hfov_deg == 60.0
        assert found.quality is Quality.FULL


def test_a_gimbal_that_counts_from_the_nose_is_turned_by_the_heading(flight, make_tlog) -> None:
    data = make_tlog(flight, from_nose_deg=70.0)
    samples = read_tlog(data, Counter())[0]
    yaw_deg = [sample.yaw_deg for sample in samples]
    flown_deg = [sample.yaw_deg for sample in flight]
    off = (np.array(yaw_deg) - np.array(flown_deg) + 180.0) % 360.0 - 180.0
    assert np.abs(off).max() < 1e-3
    assert samples[0].pitch_deg == pytest.approx(-31.0, abs=1e-4), "the horizon, not the airframe"


@pytest.mark.parametrize("version", [1, 2])
def test_without_a_gimbal_nobody_says_where_the_camera_looks(flight, make_tlog, version) -> None:
    samples = read_tlog(make_tlog(flight, version=version, gimbal=False), Counter())[0]
    log = parse_telemetry(make_tlog(flight, version=version, gimbal=False), Path("f.tlog"))
    assert len(samples) == len(flight)
    assert {sample.quality for sample in log.samples} == {Quality.NO_GIMBAL}


def test_signed_frames_are_read(flight, make_tlog) -> None:
    skipped: Counter[str] = Counter()
    assert len(read_tlog(make_tlog(flight, signed=True), skipped)[0]) == len(flight)
    assert not +skipped


def test_angles_that_stopped_coming_are_not_carried_on(flight, make_tlog) -> None:
    data = make_tlog(flight[:1]) + make_tlog(flight[4:], gimbal=False)
    qualities = [sample.yaw_deg is None for sample in read_tlog(data, Counter())[0]]
    assert qualities == [False] + [True] * (len(flight) - 4)


def test_damage_costs_the_frames_it_hits(flight, tlog) -> None:
    skipped: Counter[str] = Counter()
    assert len(read_tlog(tlog[:5000] + tlog[5013:], skipped)[0]) >= len(flight) - 2
    assert skipped[OUT_OF_STEP] == 1


def test_a_wrong_checksum_is_counted(flight, make_tlog) -> None:
    data = bytearray(make_tlog(flight[:2], gimbal=False))
    data[-5] ^= 1
    skipped: Counter[str] = Counter()
    assert len(read_tlog(bytes(data), skipped)[0]) == 1
    assert skipped[BAD_CHECKSUM] == 1


def test_a_dataflash_log_is_refused_with_what_to_give_instead() -> None:
    with pytest.raises(TelemetryError, match=r"flight\.bin: a DataFlash log .* \.tlog"):
        parse_telemetry(b"\xa3\x95\x80\x80" + bytes(100), Path("flight.bin"))
