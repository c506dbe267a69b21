"""MISB ST 0601: what is written as KLV is read as it was."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge.messages import UtcTime
from edge.telemetry import (
    Quality,
    Sample,
    parse_telemetry,
)
from edge.telemetry.misb import read_klv, write_klv

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")


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
    """It could not fail: any field might come back as None."""
    assume(
        max(abs(sample.lat), abs(sample.lon)) > 1e-6
    )  # 0, 0 is what receivers say without a fix
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
        else:
            assert after == pytest.approx(before, abs=within)
    for field in ("yaw_deg", "roll_deg"):
        off = (getattr(found, field) - getattr(sample, field) + 180.0) % 360.0 - 180.0
        assert off == pytest.approx(0.0, abs=1e-5)


def test_a_whole_flight_survives_a_round_trip(flight, bare_klv) -> None:
    log = parse_telemetry(bare_klv, Path("flight.klv"))
    assert [sample.media_time_s for sample in log.samples] == pytest.approx(
        [sample.media_time_s for sample in flight]
    )
    assert {sample.quality for sample in log.samples} == {Quality.FULL}


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
