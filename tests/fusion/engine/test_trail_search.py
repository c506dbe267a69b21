"""The trails near a point are those that measuring every one of them would find."""

from hypothesis import given
from hypothesis import strategies as st

from fusion.local_frame import Metres
from fusion.plan import Trail
from fusion.situation.places import distance_m
from fusion.situation.trail_search import TrailSearch

spots = st.builds(Metres, *[st.integers(-60, 60).map(float)] * 2)
lines = st.lists(spots, min_size=2, max_size=4, unique=True).map(tuple)


@given(lines=st.lists(lines, max_size=6), at=spots, within_m=st.integers(0, 80).map(float))
def test_those_within_a_distance_nearest_first(lines, at, within_m) -> None:
    trails = [Trail(f"t{number}", "", "duong_mon", line) for number, line in enumerate(lines)]
    measured = sorted((distance_m(at, one.line), one.id) for one in trails)
    found = [one[:2] for one in TrailSearch(trails).within(at, within_m)]
    assert found == [one for one in measured if one[0] <= within_m]
