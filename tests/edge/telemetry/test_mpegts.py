"""KLV inside MPEG transport streams: with and without its own clock, damaged, joined in the middle."""

import subprocess
from collections import Counter
from pathlib import Path

import imageio_ffmpeg
import pytest

from edge.telemetry import Quality, Telemetry, parse_telemetry, read_telemetry
from edge.telemetry.misb import write_klv
from edge.telemetry.mpegts import DAMAGED, in_step, klv_payloads


def times_s(log: Telemetry) -> list[float]:
    return [sample.media_time_s for sample in log.samples]


def flown_s(flight) -> list[float]:
    return [sample.media_time_s for sample in flight]


def test_our_streams_are_what_ffmpeg_takes_for_klv(bare_klv, klv_in_ts, tmp_path) -> None:
    """An independent demultiplexer finds the same bytes in what these tests write."""
    film, out = tmp_path / "film.ts", tmp_path / "out.klv"
    film.write_bytes(klv_in_ts)
    words = ["-v", "error", "-y", "-i", film, "-map", "0:d", "-c", "copy", "-f", "data", out]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *words], check=True, timeout=60)
    assert out.read_bytes() == bare_klv


@pytest.mark.parametrize("kind", [0x06, 0x15])
def test_a_stream_gives_what_its_bare_packets_give(
    flight, bare_klv, make_ts, tmp_path, kind
) -> None:
    film = tmp_path / "film.ts"
    film.write_bytes(make_ts([(row.media_time_s, write_klv([row])) for row in flight], kind=kind))
    log, bare = read_telemetry(film), parse_telemetry(bare_klv, film)
    assert times_s(log) == pytest.approx(flown_s(flight), abs=1e-4)
    assert [row.lat for row in log.samples] == [row.lat for row in bare.samples]
    assert {row.quality for row in log.samples} == {Quality.FULL}


def test_media_time_counts_from_the_first_picture(flight, make_ts) -> None:
    payloads = [(row.media_time_s, write_klv([row])) for row in flight]
    late = parse_telemetry(make_ts(payloads, pictures_from_s=8.0), Path("film.ts"))
    assert times_s(late) == pytest.approx([at + 2.0 for at in flown_s(flight)], abs=1e-4)
    blind = parse_telemetry(make_ts(payloads, pictures_from_s=None), Path("film.ts"))
    assert times_s(blind) == pytest.approx(flown_s(flight), abs=1e-4)


def test_stamps_that_wrap_around_run_on(flight, make_ts) -> None:
    """The clock of 90 kHz has 33 bits: after 26.5 hours it starts again."""
    payloads = [(row.media_time_s, write_klv([row])) for row in flight]
    wrap_s = (1 << 33) / 90_000
    data = make_ts(payloads, pictures_from_s=wrap_s - 20.0, zero_s=wrap_s - 20.0)
    assert times_s(parse_telemetry(data, Path("film.ts"))) == pytest.approx(
        flown_s(flight), abs=1e-4
    )


def test_without_stamps_the_packets_own_clock_tells_the_time(flight, make_ts) -> None:
    data = make_ts([(None, write_klv([row])) for row in flight])
    assert times_s(parse_telemetry(data, Path("film.ts"))) == pytest.approx(flown_s(flight))


@pytest.mark.parametrize("stride", [192, 204])
def test_time_codes_and_parity_beside_the_packets_are_stepped_over(
    klv_in_ts, flight, stride
) -> None:
    extra = bytes(stride - 188)
    rows = [klv_in_ts[at : at + 188] for at in range(0, len(klv_in_ts), 188)]
    data = b"".join(extra + row if stride == 192 else row + extra for row in rows)
    assert len(parse_telemetry(data, Path("film.m2ts")).samples) == len(flight)


def test_lost_bytes_cost_the_packets_they_hit_and_no_more(klv_in_ts, flight) -> None:
    cut = klv_in_ts[: 188 * 50 + 20] + klv_in_ts[188 * 50 + 90 :]
    skipped: Counter[str] = Counter()
    klv_payloads(cut, skipped)
    assert skipped[DAMAGED] == 1
    log = parse_telemetry(cut, Path("film.ts"))
    assert len(flight) - 2 <= len(log.samples) < len(flight)


def test_a_stream_joined_in_the_middle_is_read_from_its_next_packet(klv_in_ts, flight) -> None:
    assert in_step(klv_in_ts[100:]) == (88, 188)
    tables = klv_in_ts[: 188 * 2]
    joined = klv_in_ts[188 * 40 + 100 :][:-1] + tables
    assert in_step(joined) is not None
    log = parse_telemetry(klv_in_ts[100:188] + klv_in_ts, Path("film.ts"))
    assert len(log.samples) == len(flight)
