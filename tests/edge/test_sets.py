"""Which small sets of landmarks a fit begins from."""

from itertools import combinations, islice
from math import comb

from hypothesis import given
from hypothesis import strategies as st

from edge.calibration.sets import sets_of


@given(count=st.integers(0, 14), size=st.integers(1, 5), most=st.integers(1, 300))
def test_sets_are_every_so_manieth_of_all(count: int, size: int, most: int) -> None:
    found = list(sets_of(count, size, most=most))
    step = max(1, comb(count, size) // most)
    assert found == list(islice(combinations(range(count), size), 0, None, step))
    assert len(found) < 2 * most + 1


def test_a_thousand_landmarks_are_not_walked_through_one_set_after_another() -> None:
    """There are 41 thousand million fours of them, and a homography went past each."""
    found = list(sets_of(1000, 4, most=400))
    assert 400 <= len(found) <= 402
    assert found[0] == (0, 1, 2, 3)
    assert len({four[0] for four in found}) > 100
