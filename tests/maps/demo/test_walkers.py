from itertools import pairwise
from math import hypot

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, Point

from maps.demo.landscape import BORDER, FARMLAND, GATE
from maps.demo.walkers import PERIOD_S, Role, crossings, patrol_at, walkers_at, walkers_of

LINE = LineString(BORDER)


def people(night_s: float, seed: int = 1) -> dict[str, tuple[Role, Point]]:
    return {
        walker.walker_id: (walker.role, Point(place))
        for walker, place in walkers_at(night_s, seed=seed)
    }


@given(st.floats(0.0, 3600.0), st.integers(0, 2**16))
def test_the_truth_is_a_function_of_the_moment_and_the_seed(night_s, seed) -> None:
    assert walkers_at(night_s, seed=seed) == walkers_at(night_s, seed=seed)


@given(st.floats(0.0, 1000.0), st.floats(0.01, 1.0))
def test_nobody_walks_faster_than_people_do(night_s, later_s) -> None:
    before, after = people(night_s), people(night_s + later_s)
    for walker_id in before.keys() & after.keys():
        assert before[walker_id][1].distance(after[walker_id][1]) <= 1.3 * later_s + 1e-6


def test_a_group_of_three_or_four_crosses_outbound_within_the_first_minute() -> None:
    group = [one for one in crossings(0.0, 60.0, seed=1) if one.role is Role.GROUP]
    assert 3 <= len(group) <= 4
    assert all(one.outbound and 20.0 <= one.night_s <= 40.0 for one in group)


def test_another_group_crosses_on_another_trail_two_minutes_later() -> None:
    first = [one for one in crossings(0.0, PERIOD_S, seed=1) if one.role is Role.GROUP]
    second = [one for one in crossings(PERIOD_S, 2 * PERIOD_S, seed=1) if one.role is Role.GROUP]
    assert len(second) >= 3
    assert not {one.walker_id for one in first} & {one.walker_id for one in second}
    assert abs(first[0].place.east_m - second[0].place.east_m) > 30.0


@pytest.mark.parametrize("night_s", [0.0, 20.0, 55.0, 500.0, 1800.0])
def test_the_farmer_works_in_the_field_ten_to_twenty_metres_from_the_line(night_s) -> None:
    ((_, place),) = [one for one in people(night_s).values() if one[0] is Role.FARMER]
    assert 10.0 <= LINE.distance(place) <= 20.0
    assert place.within(LineString([*FARMLAND, FARMLAND[0]]).convex_hull)


def test_the_farmer_never_crosses() -> None:
    assert not [one for one in crossings(0.0, 3600.0, seed=1) if one.role is Role.FARMER]


def test_the_traveller_crosses_inside_the_gate() -> None:
    gate = LineString([*GATE, GATE[0]]).convex_hull
    travellers = [one for one in crossings(0.0, 600.0, seed=1) if one.role is Role.TRAVELLER]
    assert len(travellers) == 5
    assert all(Point(one.place).within(gate) for one in travellers)


def test_the_patrol_crosses_outside_the_gate_close_to_its_receiver() -> None:
    gate = LineString([*GATE, GATE[0]]).convex_hull
    patrols = [one for one in crossings(0.0, 240.0, seed=1) if one.role is Role.PATROL]
    assert {one.outbound for one in patrols} == {True, False}
    for one in patrols:
        receiver = patrol_at(one.night_s)
        assert receiver is not None
        assert Point(one.place).distance(Point(receiver)) < 2.0
        assert not Point(one.place).within(gate)


@given(st.integers(0, 50), st.integers(0, 2**16))
def test_people_of_one_group_keep_a_metre_apart(wave, seed) -> None:
    group = [walker for walker in walkers_of(wave, seed) if walker.role is Role.GROUP]
    for first in group:
        for second in group:
            if first is not second:
                a, b = first.places[0], second.places[0]
                assert hypot(a.east_m - b.east_m, a.north_m - b.north_m) > 1.0


@given(st.integers(0, 20))
def test_a_crossing_lies_on_the_line_and_changes_the_side(wave) -> None:
    begins_s = wave * PERIOD_S
    for one in crossings(begins_s, begins_s + PERIOD_S, seed=1):
        assert LINE.distance(Point(one.place)) < 1e-6
        walker = next(
            walker
            for number in (wave - 1, wave)
            if number >= 0
            for walker in walkers_of(number, 1)
            if walker.walker_id == one.walker_id
        )
        before, after = walker.at(one.night_s - 0.01), walker.at(one.night_s + 0.01)
        assert before is not None
        assert after is not None
        assert one.outbound == (_left_of_line(after) and not _left_of_line(before))


def _left_of_line(place) -> bool:
    """Abroad is left of the line's direction; the nearest piece of the line decides."""
    pieces = [LineString(piece) for piece in pairwise(BORDER)]
    piece = min(pieces, key=lambda piece: piece.distance(Point(place)))
    (ae, an), (be, bn) = piece.coords
    return (be - ae) * (place.north_m - an) - (bn - an) * (place.east_m - ae) > 0.0
