"""The benchmark of the crossing measures what it says."""

import pytest

from tests.benchmarks.bench_crossing import calibration_error, hour, walks


def test_beliefs_that_hold_as_often_as_they_say_have_no_calibration_error() -> None:
    told = [(0.25, number < 25) for number in range(100)]
    told += [(0.75, number < 75) for number in range(100)]
    assert calibration_error(told) == pytest.approx(0.0)


def test_who_always_says_nine_in_ten_and_is_right_every_second_time_errs_by_0_4() -> None:
    assert calibration_error([(0.9, number % 2 == 0) for number in range(50)]) == pytest.approx(
        0.4
    )


def test_errors_of_two_bins_do_not_make_up_for_one_another() -> None:
    told = [(0.3, True), (0.7, False)]
    assert calibration_error(told) == pytest.approx(0.7)


def test_the_same_seed_gives_the_same_walks() -> None:
    assert walks(2, 40) == walks(2, 40)


def test_an_hour_along_the_line_tells_nothing() -> None:
    assert not hour(2, 0)
