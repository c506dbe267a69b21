"""The trails as one network: joined where they meet, cut at the line, and where each way leads."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.local_frame import Metres
from fusion.plan import Trail
from fusion.rulebook import TrailsRule
from fusion.situation.border import Border, BorderPiece
from fusion.situation.trail_network import Course, TrailNetwork

LINE = (Metres(-1000.0, 0.0), Metres(1000.0, 0.0))  # home is south of it
metres = st.floats(-300.0, 300.0).map(lambda v: round(v, 1))


def net(*lines: tuple, kinds=(), join_m=6.0) -> TrailNetwork:
    trails = [
        Trail(
            f"t{n}", f"t{n}", kinds[n] if kinds else "duong_mon", tuple(Metres(*p) for p in line)
        )
        for n, line in enumerate(lines)
    ]
    border = Border([BorderPiece(LINE, False, "demarcated", 1.0)])
    return TrailNetwork(trails, border, TrailsRule(join_m=join_m))


def kinds(network) -> dict[str, int]:
    return {
        kind: sum(node.kind == kind for node in network.nodes)
        for kind in ("junction", "end", "border")
    }


UP = ((0.0, -200.0), (0.0, 100.0))


def test_a_trail_is_cut_where_it_comes_over_the_line_and_the_node_says_where() -> None:
    network = net(UP)
    assert kinds(network) == {"junction": 0, "end": 2, "border": 1}
    (over,) = [node for node in network.nodes if node.kind == "border"]
    assert over.at == pytest.approx((0.0, 0.0), abs=1e-6)
    assert over.chainage_m == pytest.approx(1000.0)
    assert {node.side for node in network.nodes} == {"home", "abroad", None}
    assert sorted(edge.length_m for edge in network.edges) == pytest.approx([100.0, 200.0])


@pytest.mark.parametrize("gap_m", [0.0, 4.0])
def test_an_end_that_all_but_touches_the_middle_of_another_is_a_junction(gap_m) -> None:
    network = net(UP, ((gap_m, -100.0), (150.0, -100.0)))
    assert kinds(network) == {"junction": 1, "end": 3, "border": 1}


def test_an_end_farther_off_touches_nothing_and_crossing_trails_do() -> None:
    assert kinds(net(UP, ((9.0, -100.0), (150.0, -100.0))))["junction"] == 0
    crossing = net(UP, ((-80.0, -100.0), (80.0, -60.0)))
    assert kinds(crossing) == {"junction": 1, "end": 4, "border": 1}


def test_a_river_is_no_way_to_walk_and_a_loop_meets_itself() -> None:
    assert net(UP, kinds=("river",)).edges == ()
    loop = net(((0, -200), (100, -200), (100, -100), (50, -100), (50, -250)))
    assert kinds(loop)["junction"] == 1


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(st.lists(st.tuples(metres, metres), min_size=2, max_size=5, unique=True),
                      min_size=1, max_size=4))  # fmt: skip
def test_nothing_of_the_trails_is_lost_and_every_way_that_leads_out_can_be_walked(lines) -> None:
    network = net(*lines)
    drawn_m = sum(math.dist(a, b) for line in lines for a, b in pairwise(line))
    # A stub shorter than the tolerance, from a node to itself, is no way: one a cut at most.
    cuts = len(network.edges) + 4 * len(lines) ** 2 * 16
    assert drawn_m - 12.0 * cuts <= sum(one.length_m for one in network.edges) <= drawn_m + 1e-6
    for number in range(len(network.edges)):
        for onward in (True, False):
            course = Course(number, onward=onward)
            for one in network.exits(course):
                beyond_m = sum(network.edges[there.edge].length_m for there in one.courses)
                assert beyond_m == pytest.approx(one.beyond_m)
                for here, there in pairwise((course, *one.courses)):
                    assert there in network.after(here)
                    assert there.edge != here.edge
                assert network.end_of((course, *one.courses)[-1]) == one.node


@settings(max_examples=60, deadline=None)
@given(x=metres, y=metres)
def test_the_nearest_points_are_those_of_every_leg_searched(x, y) -> None:
    lines = (((-200, -250), (-30, -90), (40, 120)), ((-150, -80), (200, -60)), UP)
    network = net(*lines)
    found = {foot.edge: foot.away_m for foot in network.feet(x, y, 60.0)}
    for number, edge in enumerate(network.edges):
        away_m = min(_away_m(Metres(x, y), a, b) for a, b in pairwise(edge.line))
        assert number in found or away_m > 60.0 - 1e-6
        assert number not in found or away_m < 60.0 + 1e-6
        if number in found:
            assert found[number] == pytest.approx(away_m)


def _away_m(at, a, b) -> float:
    """Ternary search: no projection."""
    low, high = 0.0, 1.0

    def off(share) -> float:
        return math.dist(at, (a.x_m + share * (b.x_m - a.x_m), a.y_m + share * (b.y_m - a.y_m)))

    for _ in range(100):
        one, other = low + (high - low) / 3.0, high - (high - low) / 3.0
        low, high = (low, other) if off(one) < off(other) else (one, high)
    return off(low)
