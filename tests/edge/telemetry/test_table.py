"""Flight logs as CSV."""

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import UtcTime
from edge.telemetry import Quality, Sample, TelemetryError, parse_telemetry
from edge.telemetry.table import BAD_ROW, COLUMNS, NO_TIME, read_table, write_table

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")


def known(least: float, most: float) -> st.SearchStrategy[float | None]:
    return st.none() | st.floats(least, most)


rows = st.builds(
    Sample,
    media_time_s=st.floats(-1e6, 1e6),
    captured_at=st.none() | st.integers(0, 10**9).map(lambda ms: NOON.after(ms / 1000.0)),
    lat=known(-90.0, 90.0),
    lon=known(-180.0, 180.0),
    alt_m=known(-1000.0, 1e5),
    alt_msl_m=known(-1000.0, 1e5),
    rel_alt_m=known(-1000.0, 1e5),
    yaw_deg=known(-360.0, 360.0),
    pitch_deg=known(-90.0, 90.0),
    roll_deg=known(-180.0, 180.0),
    hfov_deg=known(0.001, 179.9),
)


@given(st.lists(rows, max_size=5))
def test_what_is_written_is_read_to_the_last_digit(samples) -> None:
    skipped: Counter[str] = Counter()
    found = read_table(write_table(samples), skipped, name="t.csv")
    assert [msgspec.structs.replace(row, clock_s=None) for row in found] == samples
    assert not +skipped


def test_a_whole_flight_survives_a_round_trip(flight) -> None:
    log = parse_telemetry(write_table(flight).encode(), Path("flight.csv"))
    assert list(log.samples) == flight


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("media_time_s,lat,lon,altitude", r"log\.csv: unknown column 'altitude'"),
        ("media_time_s,lat,lon,yaw", r"log\.csv: unknown column 'yaw'"),
        ("media_time_s,lat,lat", r"log\.csv: the column 'lat' stands there twice"),
        ("lat,lon,alt_m", r"log\.csv: needs a column media_time_s or captured_at"),
    ],
)
def test_a_header_that_is_not_ours_is_refused_by_name(header, said) -> None:
    with pytest.raises(TelemetryError, match=said):
        parse_telemetry(f"{header}\n0,1,2,3\n".encode(), Path("log.csv"))


@pytest.mark.parametrize(
    "row", ["1,95,104", "1,nan,104", "1,22.5", "1,22.5,104,5", "1,x,104", "1,22.5,inf"]
)
def test_a_row_with_a_field_that_cannot_be_right_is_left_out_and_counted(row) -> None:
    text = f"media_time_s,lat,lon\n0,22.5,104\n{row}\n2,22.5,104\n"
    skipped: Counter[str] = Counter()
    samples = read_table(text, skipped, name="log.csv")
    assert [sample.media_time_s for sample in samples] == [0.0, 2.0]
    assert skipped == {BAD_ROW: 1}


def test_instants_alone_tell_the_media_time() -> None:
    text = "captured_at,lat,lon\n2026-03-14T12:00:01Z,1,2\n2026-03-14T12:00:03.5Z,1,2\n,1,2\n"
    skipped: Counter[str] = Counter()
    samples = read_table(text, skipped, name="log.csv")
    assert [sample.media_time_s for sample in samples] == [0.0, 2.5]
    assert skipped == {NO_TIME: 1}


def test_a_stray_quotation_mark_spoils_its_own_row_only() -> None:
    """As CSV at large, one swallowed 995 of a thousand rows, counted as one."""
    lines = [f"{second},22.5,104.0" for second in range(1000)]
    lines[5] = '5,"22.5,104.0x'
    skipped: Counter[str] = Counter()
    found = read_table("\n".join(("media_time_s,lat,lon", *lines)), skipped, name="t.csv")
    assert len(found) == 999
    assert skipped == {BAD_ROW: 1}


def test_a_row_with_the_clock_alone_is_timed_by_the_last_row_with_both() -> None:
    text = (
        "media_time_s,captured_at\n,2026-03-14T12:00:00Z\n100.0,2026-03-14T12:00:01Z\n"
        ",2026-03-14T12:00:03.5Z\n"
    )
    skipped: Counter[str] = Counter()
    found = read_table(text, skipped, name="t.csv")
    assert [(row.media_time_s, row.timed_by_clock) for row in found] == [
        (100.0, False),
        (102.5, True),
    ]
    assert skipped == {NO_TIME: 1}


@pytest.mark.parametrize("field", ["1_04", "\uff11\uff10\uff14", "0x68", "1e999"])
def test_only_plain_numbers_are_numbers(field) -> None:
    skipped: Counter[str] = Counter()
    assert read_table(f"media_time_s,lon\n1.0,{field}\n", skipped, name="t.csv") == []
    assert skipped == {BAD_ROW: 1}


def test_a_missing_field_is_unknown_never_zero() -> None:
    text = ",".join(COLUMNS) + "\n0,,22.5,104.0,1000,,,,,,\n"
    (sample,) = read_table(text, Counter(), name="log.csv")
    assert (sample.yaw_deg, sample.quality) == (None, Quality.NO_GIMBAL)
