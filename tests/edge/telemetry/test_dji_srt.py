"""DJI subtitles: every dialect of the test data, dialects of other models, broken files."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge.telemetry import Quality, Telemetry, TelemetryError, parse_telemetry, read_telemetry
from edge.telemetry.dji_srt import NO_TELEMETRY, NO_TIMES, read_srt

CUE = "1\n00:00:00,000 --> 00:00:00,033\n{}\n\n"


@pytest.fixture
def dji(test_data: Path) -> Callable[[str], Telemetry]:
    return lambda name: read_telemetry(test_data / "telemetry" / "dji_srt" / name)


@pytest.mark.parametrize(
    ("name", "samples", "quality", "lat", "lon"),
    [
        ("embed_Avata360_clip.SRT", 5, Quality.FULL, 53.365080, 6.460739),
        ("embed_air3S_clip.SRT", 5, Quality.NO_GIMBAL, 34.270373, -84.176160),
        ("embed_neo2_clip.SRT", 5, Quality.NO_GIMBAL, 45.607181, 13.753860),
        ("embed_neo2_clip_nogps.SRT", 6, Quality.NO_POSITION, None, None),
        ("parser_air2s.srt", 17, Quality.NO_GIMBAL, 41.424724, 2.234156),
        ("parser_mavic_pro.SRT", 468, Quality.NO_GIMBAL, -20.2533, 149.0251),
        ("parser_old_format.SRT", 468, Quality.NO_GIMBAL, -20.2533, 149.0251),
        ("parser_p4_rtk.SRT", 55, Quality.NO_ALTITUDE, -34.237922, -58.851745),
    ],
)
def test_every_dialect_is_read_whole(dji, name, samples, quality, lat, lon) -> None:
    log = dji(name)
    first = log.samples[0]
    assert (len(log.samples), dict(log.skipped)) == (samples, {})
    assert (first.quality, first.lat, first.lon) == (quality, lat, lon)
    assert first.captured_at is None, "nobody wrote down the zone of its clock"


def test_what_a_broken_file_has_whole_is_read_and_the_rest_counted(dji) -> None:
    log = dji("parser_broken_incomplete.SRT")
    assert len(log.samples) == 19
    assert log.skipped == {NO_TELEMETRY: 1}


def test_an_empty_file_is_refused_by_name(dji) -> None:
    with pytest.raises(TelemetryError, match=r"parser_broken_empty\.SRT: is empty"):
        dji("parser_broken_empty.SRT")


def test_gimbal_and_heights_of_the_newest_model(dji) -> None:
    first = dji("embed_Avata360_clip.SRT").samples[0]
    assert (first.yaw_deg, first.pitch_deg, first.roll_deg) == (-162.8, 0.0, 0.0)
    assert (first.alt_msl_m, first.rel_alt_m) == (-124.744, 5.4)


def test_a_height_by_the_air_s_pressure_is_as_unsure_as_it_is(dji) -> None:
    """This flight over the Dutch coast says 125 m below the sea, and nothing doubted it."""
    assert dji("embed_Avata360_clip.SRT").samples[0].alt_sigma_m == 50.0


@pytest.mark.parametrize(
    ("said", "zoom", "focal"),
    [
        ("[focal_len: 28.00] [dzoom_ratio: 1.00]", 1.0, 28.0),
        ("[dzoom_ratio: 10000, delta:0] [focal_len : 240]", 1.0, 240.0),
        ("[dzoom_ratio: 40000, delta:0]", 4.0, None),
        ("[dzoom_ratio: 2.50]", 2.5, None),
        ("[dzoom_ratio: 0]", None, None),
        ("", None, None),
    ],
)
def test_the_zoom_is_read_in_either_way_of_writing_it(said, zoom, focal) -> None:
    text = (
        f"1\n00:00:00,000 --> 00:00:01,000\n[latitude: 22.5] [longitude: 104.0] {said} </font>\n"
    )
    (sample,) = parse_telemetry(text.encode(), Path("a.SRT")).samples
    assert (sample.zoom, sample.focal) == (zoom, focal)


def test_a_megabyte_of_letters_is_read_at_once() -> None:
    """Sixty thousand letters took over 20 s, and four times that for twice as many."""
    text = (
        "1\n00:00:00,000 --> 00:00:01,000\n[latitude: 22.5] [longitude: 104.0] " + "a" * 1_000_000
    )
    assert len(parse_telemetry(text.encode(), Path("a.SRT")).samples) == 1


def test_a_phantom_tells_its_gimbal_as_pitch_roll_yaw_and_no_height_above_the_sea(dji) -> None:
    first = dji("parser_p4_rtk.SRT").samples[0]
    assert (first.pitch_deg, first.roll_deg, first.yaw_deg) == (-24.4, 0.0, 110.4)
    assert (first.rel_alt_m, first.alt_m, first.alt_msl_m) == (85.8, None, None)


def test_the_third_number_of_the_old_position_counts_satellites(dji) -> None:
    first = dji("parser_mavic_pro.SRT").samples[0]
    assert (first.rel_alt_m, first.alt_msl_m) == (1.9, None)


def test_the_clock_becomes_an_instant_with_its_zone(test_data) -> None:
    path = test_data / "telemetry" / "dji_srt" / "embed_air3S_clip.SRT"
    log = read_telemetry(path, zone=ZoneInfo("America/New_York"))
    assert log.samples[0].captured_at.rfc3339() == "2026-05-17T12:28:30.219Z"


@pytest.mark.parametrize(
    "cue",
    [
        "[latitude: 22.5] [longitude: 104.0] [rel_alt: 5.4 abs_alt: 900.0]",
        "[latitude : 22.5] [longtitude : 104.0] [rel_alt: 5.4 abs_alt: 900.0]",
        '<font size="36">SrtCnt : 1\n[latitude: 22.5] [longitude: 104.0] [abs_alt: 900.0] </font>',
        "latitude: 22.5, longitude: 104.0, abs_alt: 900.0\n",
        "[Latitude: +22.500] [Longitude: 104] [abs_alt: 900.0] [latitude: 1.0]",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_misspelt_keys_tags_line_ends_and_byte_order_marks_change_nothing(
    cue, end, coding
) -> None:
    data = CUE.format(cue).replace("\n", end).encode(coding)
    (sample,) = parse_telemetry(data, Path("other.srt")).samples
    assert (sample.lat, sample.lon, sample.alt_msl_m) == (22.5, 104.0, 900.0)


@pytest.mark.parametrize(
    "cue",
    [
        "[latitude: 95.0] [longitude: 104.0] [rel_alt: 5.4]",
        "[latitude: 22.5] [longitude: 181.0] [rel_alt: 5.4]",
        "[latitude: nan] [longitude: inf] [rel_alt: 5.4]",
        "[latitude: 0.000000] [longitude: 0.000000] [rel_alt: 5.4]",
        "GPS(104.0,95.0,16) BAROMETER:5.4\n",
        "[rel_alt: 5.4]",
    ],
)
def test_a_place_that_cannot_be_is_no_place(cue) -> None:
    (sample,) = read_srt(CUE.format(cue), Counter())
    assert sample.quality is Quality.NO_POSITION
    assert sample.rel_alt_m == 5.4


@pytest.mark.parametrize(
    "cue", ["[latitude: 22.5] [longitude: 104", "GPS(104.0,22.", "BAROMETER:1"]
)
def test_a_number_that_the_end_of_the_file_cut_short_is_none(cue) -> None:
    skipped: Counter[str] = Counter()
    samples = read_srt(CUE.format(cue).rstrip(), skipped)
    assert [(sample.lat, sample.rel_alt_m) for sample in samples] in ([], [(None, None)])


def test_cues_with_unreadable_times_are_counted() -> None:
    skipped: Counter[str] = Counter()
    text = (
        CUE.format("[latitude: 22.5] [longitude: 104.0]") + "2\n00:xx --> 00:yy\n[latitude: 1.0]\n"
    )
    assert len(read_srt(text, skipped)) == 1
    assert skipped[NO_TIMES] == 1


def test_cues_that_run_back_are_left_out_and_counted() -> None:
    cue = "00:00:{:02d},000 --> 00:00:{:02d},000\n[latitude: 22.5] [longitude: 104.0]\n\n"
    text = "".join(cue.format(at, at + 1) for at in (0, 1, 2, 1, 3))
    log = parse_telemetry(text.encode(), Path("back.srt"))
    assert [sample.media_time_s for sample in log.samples] == [0.0, 1.0, 2.0, 3.0]
    assert sum(log.skipped.values()) == 1
