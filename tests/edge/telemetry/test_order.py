"""Times that run against each other: one wrong one costs one sample, a jump costs what is behind."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import UtcTime
from edge.telemetry import Quality, Sample, Telemetry, parse_telemetry
from edge.telemetry.misb import write_klv
from edge.telemetry.order import AHEAD, OTHER_DAY, OUT_OF_ORDER, in_order, own_times

BEGAN_AT = UtcTime.parse("2026-03-14T03:00:00.000Z")
CUE = "[latitude: 22.5] [longitude: 104.0] [rel_alt: 5.4 abs_alt: 900.0]"


def flown(clocks_s: Sequence[float]) -> list[Sample]:
    """A turn of 3 degrees from packet to packet, ten a second, whatever their clocks say."""
    return [
        Sample(
            media_time_s=clock_s,
            captured_at=BEGAN_AT.after(clock_s),
            lat=22.5,
            lon=104.0,
            alt_m=1120.0,
            yaw_deg=(3.0 * number) % 360.0,
            pitch_deg=-40.0,
            roll_deg=0.0,
        )
        for number, clock_s in enumerate(clocks_s)
    ]


def read(clocks_s: Sequence[float]) -> Telemetry:
    return parse_telemetry(write_klv(flown(clocks_s)), Path("flight.klv"))


def ten_a_second(count: int, *, begins_s: float = 0.0) -> list[float]:
    return [begins_s + number / 10.0 for number in range(count)]


@pytest.mark.parametrize("step_s", [2.0, 18.0, 3600.0, -2.0, -4.0])
def test_behind_a_jump_of_the_only_clock_there_is_no_pose(step_s) -> None:
    """It was compared with itself: a frame 8.0 s in had the yaw of 6.0 s in, as `full`."""
    log = read([*ten_a_second(50), *ten_a_second(50, begins_s=5.0 + step_s)])
    assert log.at(2.05).quality is Quality.FULL
    for at_s in (5.05 + step_s, 8.0 + step_s, log.samples[-1].media_time_s, 8.0):
        assert log.at(at_s).pose is None or log.at(at_s).yaw_deg == pytest.approx(30.0 * at_s)
    behind = [row for row in log.samples if row.media_time_s > 5.0 + max(step_s, 0.0)]
    assert {row.quality for row in behind} == {Quality.CLOCK_JUMP}


def test_a_few_lost_packets_are_no_jump() -> None:
    log = read([*ten_a_second(50), *ten_a_second(50, begins_s=6.0)])
    assert log.counts() == {"full": 100}
    assert log.at(8.0).yaw_deg == pytest.approx(210.0)


def test_one_packet_from_the_future_costs_itself() -> None:
    """It cost the 89 behind it, and the counter blamed them."""
    clocks_s = ten_a_second(100)
    for future_s, reason in ((1e5, OTHER_DAY), (500.0, AHEAD)):
        log = read([*clocks_s[:10], future_s, *clocks_s[11:]])
        assert (len(log.samples), log.skipped) == (99, {reason: 1})
        assert log.counts() == {"full": 99}


def test_a_first_packet_whose_clock_was_not_yet_set_costs_itself() -> None:
    """The 500 behind it vanished, and nothing was counted."""
    unset_s = UtcTime.parse("2000-01-01T00:00:00.000Z").seconds_since(BEGAN_AT)
    log = read([unset_s, *ten_a_second(501)[1:]])
    assert log.skipped == {OTHER_DAY: 1}
    assert log.counts() == {"full": 500}
    assert log.samples[0].media_time_s == pytest.approx(0.1, abs=1e-3)


def test_a_clock_set_long_after_the_begin_gives_no_pose() -> None:
    """Nobody knows how many seconds of film passed before."""
    log = read([*ten_a_second(50, begins_s=-8e8), *ten_a_second(500)])
    assert log.skipped == {OTHER_DAY: 50}
    assert log.counts() == {"clock_jump": 500}


def test_a_stamp_of_the_film_ends_the_doubt(flight, make_ts) -> None:
    """Of a transport stream's payloads some have no stamp: those go by the packets' own clock."""
    stepped = [
        msgspec.structs.replace(row, captured_at=row.captured_at.after(20.0 if row_s > 20 else 0))
        for row in flight
        if (row_s := row.media_time_s) is not None
    ]
    stamped_s = [
        row.media_time_s if row.media_time_s < 5.0 or row.media_time_s > 30.0 else None
        for row in flight
    ]
    payloads = [(at_s, write_klv([row])) for at_s, row in zip(stamped_s, stepped, strict=True)]
    log = parse_telemetry(make_ts(payloads), Path("film.ts"))
    assert log.at(10.0).pose is not None
    assert log.at(25.0).pose is None
    assert log.at(40.0).yaw_deg == pytest.approx(240.0, abs=0.1)


def cue(number: int, begins: str) -> str:
    return f"{number}\n{begins} --> 00:59:59,000\n{CUE}\n\n"


def test_one_cue_hours_ahead_costs_itself() -> None:
    """A cue at 10:00:00 cost the 94 behind it as "earlier than the sample before it"."""
    text = "".join(
        cue(number, "10:00:00,000" if number == 5 else f"00:00:{number // 10:02},{number % 10}00")
        for number in range(100)
    )
    log = parse_telemetry(text.encode(), Path("flight.SRT"))
    assert (len(log.samples), log.skipped) == (99, {AHEAD: 1})


def at(*times_s: float) -> list[Sample]:
    return [Sample(media_time_s=at_s) for at_s in times_s]


def times_of(samples: Sequence[Sample]) -> list[float]:
    return [sample.media_time_s for sample in samples]


def test_what_is_left_out_is_blamed_on_what_it_runs_against() -> None:
    skipped: Counter[str] = Counter()
    assert times_of(in_order(at(0, 1, 9, 2, 3, 1, 3, 4), skipped)) == [0, 1, 2, 3, 4]
    assert skipped == {AHEAD: 1, OUT_OF_ORDER: 2}


@given(st.lists(st.integers(0, 12), max_size=12))
def test_the_longest_run_is_kept_and_every_other_sample_counted(times_s) -> None:
    skipped: Counter[str] = Counter()
    kept = times_of(in_order(at(*times_s), skipped))
    longest = [1] * len(times_s)  # the run that ends at each, by trying all
    for last in range(len(times_s)):
        for before in range(last):
            if times_s[before] < times_s[last]:
                longest[last] = max(longest[last], longest[before] + 1)
    assert len(kept) == max(longest, default=0)
    assert kept == sorted(set(kept))
    assert skipped.total() == len(times_s) - len(kept)


def test_no_time_at_all_is_no_time() -> None:
    assert own_times([None, None], Counter()) == ([None, None], True)
    assert own_times([], Counter()) == ([], True)
