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
    samples = [
        msgspec.structs.replace(row, lat=None, lon=None)
        if None in (row.lat, row.lon) or (row.lat, row.lon) == (0.0, 0.0)
        else row
        for row in samples
    ]
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


def test_a_receiver_without_a_fix_has_no_position() -> None:
    """0, 0 counted as a place, and the drone stood in the Gulf of Guinea."""
    text = "media_time_s,lat,lon,alt_m,yaw_deg,pitch_deg,roll_deg\n0,0,0.0,1080,0,-60,0\n"
    log = parse_telemetry(text.encode(), Path("zero.csv"))
    assert [row.quality for row in log.samples] == [Quality.NO_POSITION]


def test_times_with_an_offset_are_the_same_instants() -> None:
    text = (
        "captured_at,lat,lon\n2026-05-01T10:00:00+07:00,22.5,104\n2026-05-01T03:00:01Z,22.5,104\n"
    )
    first, second = parse_telemetry(text.encode(), Path("t.csv")).samples
    assert first.captured_at == UtcTime.parse("2026-05-01T03:00:00Z")
    assert second.media_time_s == 1.0


@pytest.mark.parametrize("mark", [";", "\t"])
def test_semicolons_and_tabs_separate_as_commas_do(mark: str) -> None:
    text = "media_time_s,lat,lon,alt_m\n0,22.5,104,1000\n1,22.6,104,1000\n".replace(",", mark)
    assert [row.lat for row in parse_telemetry(text.encode(), Path("t.csv")).samples] == [
        22.5,
        22.6,
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "captured_at,lat,lon\n01/05/2026 10:00:00,22,104\n",
            r"t\.csv:2: captured_at = '01/05/2026",
        ),
        (
            "captured_at,lat,lon\n2026-13-01T10:00:00Z,22,104\n",
            r"t\.csv:2: captured_at = .*no such",
        ),
        ("\nmedia_time_s,lat,lon\n0,95,104\n", r"t\.csv:3: lat = '95': is not within -90 to 90"),
        (
            "media_time_s;lat;lon\n0,5;22,5;104\n",
            r"t\.csv:2: media_time_s = '0,5': .*decimal point",
        ),
        ("media_time_s,lat,lon\n0,22\n", r"t\.csv:2: 2 fields for 3 columns"),
    ],
)
def test_where_no_row_is_whole_the_first_says_why(text: str, said: str) -> None:
    """It said "5 rows with a field that cannot be right", and not which field."""
    with pytest.raises(TelemetryError, match=said):
        parse_telemetry(text.encode(), Path("t.csv"))


def test_the_first_row_that_is_left_out_is_told() -> None:
    text = "media_time_s,lat,lon\n0,22,104\n1,92,104\n2,93,104\n"
    log = parse_telemetry(text.encode(), Path("t.csv"))
    assert any("t.csv:3: lat = '92'" in note for note in log.notes)
