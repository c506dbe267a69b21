"""Where somebody on a trail comes out, and when: distributions that keep what they promise."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.local_frame import Metres
from fusion.plan import Trail
from fusion.rulebook import TrailsRule
from fusion.situation.border import Border, BorderPiece
from fusion.situation.matching import Footing
from fusion.situation.prediction import Eta, eta, predicted_path, ways
from fusion.situation.trail_network import Course, TrailNetwork
from fusion.tracking.motion import Motion

LINE = (Metres(-1000.0, 0.0), Metres(1000.0, 0.0))
BORDER = Border([BorderPiece(LINE, False, "demarcated", 1.0)])
# A fork 100 m before the line, and a way back down to the south from it.
FORK = (
    ((0.0, -300.0), (0.0, -100.0)),
    ((0.0, -100.0), (-60.0, 50.0)),
    ((0.0, -100.0), (60.0, 50.0)),
    ((0.0, -100.0), (90.0, -110.0), (150.0, -300.0)),
)
NET = TrailNetwork(
    [
        Trail(f"t{n}", f"t{n}", "duong_mon", tuple(Metres(*p) for p in line))
        for n, line in enumerate(FORK)
    ],
    BORDER,
    TrailsRule(),
)
(TRUNK,) = [n for n, edge in enumerate(NET.edges) if edge.trail_id == "t0"]


def at(y_m: float, vy: float = 1.0) -> Motion:
    return Motion(0.0, y_m, 0.0, vy, (1.0, 0.0, 1.0), (0.0,) * 4, (0.01, 0.0, 0.01))


def on(p: float = 0.9) -> Footing:
    return Footing(0.0, ((Course(TRUNK, onward=True), p),))


@given(y=st.floats(-295.0, -105.0), p=st.floats(0.01, 1.0))
def test_the_exits_share_what_is_believed_of_the_way_that_leads_to_them(y, p) -> None:
    found = ways(on(p), at(y), NET)
    assert sum(way.probability for way in found) == pytest.approx(p)
    assert [way.probability for way in found] == sorted(
        (way.probability for way in found), reverse=True
    )
    over = [way for way in found if NET.nodes[way.node].kind == "border"]
    assert len(over) == 2
    assert over[0].probability == pytest.approx(over[1].probability)  # the fork is even
    branch_m = math.hypot(60.0, 150.0) * 100.0 / 150.0
    assert over[0].left_m == pytest.approx(-100.0 - y + branch_m, abs=0.1)


def test_back_down_by_the_next_valley_is_the_least_likely() -> None:
    found = ways(on(), at(-200.0), NET)
    assert [NET.nodes[way.node].kind for way in found] == ["border", "border", "end"]
    assert found[-1].probability < 0.1


def test_on_no_trail_there_is_no_way() -> None:
    assert ways(Footing(0.0), at(-200.0), NET) == ()


@given(y=st.floats(-295.0, -105.0), pace=st.floats(0.5, 2.0), every_m=st.floats(5.0, 80.0))
def test_a_predicted_path_goes_from_here_to_the_exit_at_the_pace(y, pace, every_m) -> None:
    way = ways(on(), at(y), NET)[0]
    path = list(predicted_path(way, at(y), pace, NET, every_m=every_m))
    assert path[0].at == pytest.approx((0.0, y), abs=1e-6)
    assert path[0].median_s == 0.0
    assert path[-1].at == NET.nodes[way.node].at
    assert path[-1].median_s == pytest.approx(way.left_m / pace)
    for one, other in pairwise(path):
        gone_m = math.dist(one.at, other.at)
        assert 0.0 < gone_m <= every_m + 1e-6
        assert gone_m <= (other.median_s - one.median_s) * pace + 1e-6


@given(left=st.floats(0.0, 2000.0), pace=st.floats(0.0, 2.0), sigma=st.floats(0.0, 50.0))
def test_times_lie_about_the_median_and_a_rest_does_not_make_them_endless(
    left, pace, sigma
) -> None:
    when = eta(left, sigma, pace, 0.2)
    assert when.p10_s <= when.median_s <= when.p90_s
    assert when.median_s <= left / 0.4 + 1e-9


def test_the_quantiles_are_those_of_the_distribution() -> None:
    when, dice = Eta(100.0, 0.4), random.Random(7)
    drawn = sorted(when.median_s * math.exp(dice.gauss(0.0, when.spread)) for _ in range(20_000))
    assert drawn[2_000] == pytest.approx(when.p10_s, rel=0.03)
    assert drawn[18_000] == pytest.approx(when.p90_s, rel=0.03)
    for seconds in (50.0, 100.0, 180.0):
        share = sum(one <= seconds for one in drawn) / len(drawn)
        assert when.within(seconds) == pytest.approx(share, abs=0.01)
