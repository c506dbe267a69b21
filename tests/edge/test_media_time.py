"""Media time: a video's stamps as far as they can be trusted."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.media_time import LONGEST_STEP_S, MediaTime


def times(stamps: list[float], frame_s: float = 0.1) -> list[float]:
    media = MediaTime(frame_s)
    return [round(media.take(stamp), 6) for stamp in stamps]


def test_a_clip_cut_from_a_longer_one_begins_at_0() -> None:
    assert times([70.0, 70.1, 70.25]) == [0.0, 0.1, 0.25]


def test_without_stamps_pictures_follow_at_the_frame_rate() -> None:
    assert times([0.0, 0.0, 0.0, 0.0]) == [0.0, 0.1, 0.2, 0.3]


def test_one_damaged_stamp_does_not_move_all_that_follow() -> None:
    """A single 3600 among tenths put the rest of a flight an hour behind its log."""
    assert times([0.0, 0.1, 0.2, 3600.0, 0.4, 0.5]) == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]
    assert times([0.0, 0.1, -9.0, 0.3]) == [0.0, 0.1, 0.2, 0.3]


def test_a_pause_is_a_pause_one_picture_later() -> None:
    assert times([0.0, 0.1, 60.0, 60.1, 60.2]) == [0.0, 0.1, 0.2, 60.1, 60.2]


@given(stamps=st.lists(st.floats(-1e6, 1e6), max_size=30), frame_s=st.floats(0.001, 1.0))
def test_time_never_goes_back_nor_stands_still(stamps, frame_s) -> None:
    media = MediaTime(frame_s)
    seen = [media.take(stamp) for stamp in stamps]
    assert all(later > earlier for earlier, later in pairwise(seen))


# A hair below the longest: the sums of the stamps are rounded.
@given(steps=st.lists(st.floats(0.01, LONGEST_STEP_S - 1e-6), max_size=30))
def test_stamps_in_order_are_believed(steps) -> None:
    stamps = [sum(steps[:count]) for count in range(len(steps) + 1)]
    assert times(stamps) == pytest.approx(stamps, abs=1e-6)
