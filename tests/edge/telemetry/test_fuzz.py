"""Whatever bytes a flight log is made of: samples that make sense, or the declared error.

`TUANBIEN_FUZZ_CASES` says how many cases a parser; the benchmark tries 10,000 seeded ones.
"""

import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from edge import geoid
from edge.telemetry import Sample, Telemetry, TelemetryError, mpegts, parse_telemetry
from edge.telemetry.dji_srt import read_srt
from edge.telemetry.mavlink import read_tlog
from edge.telemetry.misb import read_klv, read_ts
from edge.telemetry.order import in_order
from edge.telemetry.table import read_table, write_table

CASES = int(os.environ.get("TUANBIEN_FUZZ_CASES", "500"))
MOST_BYTES = 2000
NUMBERS = (
    *("media_time_s", "clock_s", "lat", "lon", "alt_m", "alt_msl_m", "rel_alt_m"),
    *("yaw_deg", "pitch_deg", "roll_deg", "hfov_deg", "slant_m"),
)
OLD = b"1\n00:00:01,000 --> 00:00:02,000\nGPS(104.0,22.5,16) BAROMETER:1.9\n\n"
NEW = (
    b'2\n00:00:02,000 --> 00:00:03,000\n<font size="28">2026-05-27 13:10:00.015\n'
    b"[latitude: 22.5] [longitude: 104.0] [rel_alt: 5.4 abs_alt: 900.0] "
    b"[gb_yaw: -162.8 gb_pitch: 0.0 gb_roll: 0.0]</font>\n\n"
)
RTK = b"3\n00:00:03,000 --> 00:00:04,000\nGPS (104.0, 22.5, 15), H 85.80m, G.PRY (-24.4, 0, 1)\n"

fuzzed = settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
edits = st.lists(
    st.tuples(st.integers(0, MOST_BYTES), st.integers(0, 12), st.binary(max_size=12)), max_size=4
)


def mangled(data: bytes, changes: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Replace so many bytes at each place by others."""
    for at, lost, put in changes:
        data = data[: at % (len(data) + 1)] + put + data[at % (len(data) + 1) + lost :]
    return data


def check(samples: Sequence[Sample]) -> None:
    for sample in samples:
        for field in NUMBERS:
            value = getattr(sample, field)
            assert value is None or math.isfinite(value), (field, value)
        assert sample.lat is None or abs(sample.lat) <= 90.0
        assert sample.lon is None or abs(sample.lon) <= 180.0
    log = Telemetry(Path("log"), "fuzzed", tuple(in_order(samples, Counter())), {})
    if log.samples:
        first_s, last_s = log.samples[0].media_time_s, log.samples[-1].media_time_s
        for at_s in (first_s - 1.0, first_s, (first_s + last_s) / 2.0, last_s, last_s + 9.0):
            pose = log.at(at_s).pose
            assert pose is None or all(math.isfinite(part) for part in pose)


def text_of(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def real(folder: str) -> list[bytes]:
    root = os.environ.get("TUANBIEN_TEST_DATA")
    if not root:
        return []
    files = sorted((Path(root) / "telemetry" / folder).iterdir())
    return [file.read_bytes()[:MOST_BYTES] for file in files if file.stat().st_size]


@pytest.fixture(scope="module")
def run_cases() -> Callable[..., None]:
    """Return a function that tries a parser on bytes and on mangled logs."""

    def run(parse: Callable[[bytes], Sequence[Sample]], seeds: list[bytes]) -> None:
        @fuzzed
        @given(st.sampled_from([b"", *seeds]), edits)
        def tries(seed: bytes, changes: list[tuple[int, int, bytes]]) -> None:
            check(parse(mangled(seed, changes)))

        tries()

    return run


def test_subtitles(run_cases) -> None:
    seeds = [OLD + NEW + RTK, *real("dji_srt")]
    run_cases(lambda data: read_srt(text_of(data), Counter()), seeds)


def test_klv(run_cases, bare_klv) -> None:
    seeds = [bare_klv[:MOST_BYTES], *real("misb")]
    run_cases(lambda data: read_klv(data, Counter())[0], seeds)


def test_transport_streams(run_cases, klv_in_ts) -> None:
    run_cases(lambda data: read_ts(data, Counter())[0], [klv_in_ts[:MOST_BYTES]])


def test_mavlink(run_cases, tlog) -> None:
    run_cases(lambda data: read_tlog(data, Counter())[0], [tlog[:MOST_BYTES]])


def test_tables(run_cases, flight) -> None:
    def parse(data: bytes) -> Sequence[Sample]:
        try:
            return read_table(text_of(data), Counter(), name="log.csv")
        except TelemetryError:
            return []

    run_cases(parse, [write_table(flight).encode()[:MOST_BYTES]])


def test_files_of_no_known_kind(run_cases, bare_klv, klv_in_ts, tlog, flight, monkeypatch) -> None:
    # Reading the geoid's grid anew would take all the time; its own tests are elsewhere.
    monkeypatch.setattr(geoid, "undulation_m", lambda *, lat, lon: 0.0 * (lat + lon))

    def parse(data: bytes) -> Sequence[Sample]:
        try:
            return parse_telemetry(data, Path("log")).samples
        except TelemetryError:
            return []

    seeds = [OLD + RTK, bare_klv, klv_in_ts, tlog, write_table(flight).encode()]
    run_cases(parse, [seed[:MOST_BYTES] for seed in seeds])


@fuzzed
@given(st.binary(max_size=MOST_BYTES))
def test_plain_noise(data) -> None:
    mpegts.klv_payloads(data, Counter())
    check(read_klv(data, Counter())[0])
    check(read_tlog(data, Counter())[0])
    try:
        check(parse_telemetry(data, Path("log")).samples)
    except TelemetryError:
        return
