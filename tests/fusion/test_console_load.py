"""What a console bore, by the clock hour and the clock ten minutes."""

from hypothesis import given
from hypothesis import strategies as st

from edge.messages import UtcTime
from fusion.console_load import Load, load_of
from fusion.day_record import Sound

MIDNIGHT = UtcTime.parse("2026-03-13T17:00:00.000Z")  # in Hà Nội
DAY_S = 86_400.0


def sounds(*seconds: float, quiet: bool = False, simulated: bool = False) -> list[Sound]:
    return [Sound(MIDNIGHT.after(one), quiet, simulated) for one in seconds]


def load(its: list[Sound], hours: float = 24.0, *, simulated: bool = False) -> Load:
    return load_of(its, MIDNIGHT, MIDNIGHT.after(hours * 3600.0), simulated=simulated)


def test_ten_in_ten_minutes_are_no_flood_and_eleven_are() -> None:
    ten = load(sounds(*range(0, 600, 60)))
    assert (ten.floods, ten.most_in_10_min, ten.most_in_hour) == (0, 10, 10)
    assert (ten.hours_over_acceptable, ten.hours_over_most) == (1, 0)
    eleven = load(sounds(*range(0, 600, 60), 599.9))
    assert (eleven.floods, eleven.most_in_10_min) == (1, 11)


def test_what_makes_no_sound_and_what_is_an_exercise_burdens_nobody() -> None:
    its = [
        *sounds(1.0, 2.0), *sounds(3.0, quiet=True), *sounds(4.0, 5.0, 6.0, simulated=True),
    ]  # fmt: skip
    assert load(its) == Load(24.0, 2, 1, 2, 2)
    assert load(its, simulated=True).sounded == 3


def test_of_a_day_that_goes_on_the_hours_that_passed_count() -> None:
    assert load([], hours=5.5).hours == 5.5


@given(st.lists(st.floats(0.0, 2.0 * DAY_S - 0.01), max_size=60))
def test_two_days_add_up_and_nothing_is_counted_twice(seconds) -> None:
    noon = MIDNIGHT.after(DAY_S)
    its = sounds(*seconds)
    first = [one for one in its if one.issued_at < noon]
    second = [one for one in its if one.issued_at >= noon]
    both = load(first).add(load_of(second, noon, noon.after(DAY_S)))
    assert both == load_of(its, MIDNIGHT, noon.after(DAY_S))
    assert both.sounded == len(seconds)
    assert both.most_in_10_min <= both.most_in_hour
