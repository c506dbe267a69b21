"""Where a unit of ours can be first: on our own side, before them, or nowhere."""

import math
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from fusion.local_frame import Metres
from fusion.plan import Trail
from fusion.rulebook import InterceptionRule, TrailsRule
from fusion.situation.border import Border, BorderPiece
from fusion.situation.interception import Meeting, Post, Walkers, meetings
from fusion.situation.matching import Footing
from fusion.situation.prediction import eta, ways
from fusion.situation.trail_network import Course, TrailNetwork
from fusion.tracking.motion import Motion

RULE = InterceptionRule()
JOINT_Y = -300.0
# The trunk leads over the line; a branch leaves it to the east: a tree, whose ways are unique.
TREE = (((0.0, -900.0), (0.0, 60.0)), ((0.0, JOINT_Y), (500.0, JOINT_Y)))
places = st.tuples(st.floats(-300.0, 600.0), st.floats(-800.0, 80.0))


class World:
    """Trails, a line along y = 0 with home south of it, and all of it moved by so much."""

    def __init__(
        self, trails=TREE, *, by=(0.0, 0.0), heights=(), status="demarcated", half_m=0.0
    ) -> None:
        self.by = by
        line = (self.at(-2000.0, 0.0), self.at(2000.0, 0.0))
        self.border = Border([BorderPiece(line, False, status, 1.0, half_m)])
        self.network = TrailNetwork(
            [
                Trail(
                    id=f"t{n}", name="", kind="duong_mon",
                    line=tuple(self.at(*p) for p in trail),
                    heights_m=heights[n] if heights else (),
                )
                for n, trail in enumerate(trails)
            ],
            self.border, TrailsRule(),
        )  # fmt: skip

    def at(self, x: float, y: float) -> Metres:
        return Metres(x + self.by[0], y + self.by[1])

    def walkers(self, y: float, *, north: bool = True, pace: float = 1.0) -> Walkers:
        at = self.at(0.0, y)
        speed = pace if north else -pace
        motion = Motion(*at, 0.0, speed, (4.0, 0.0, 4.0), (0.0,) * 4, (0.01, 0.0, 0.01))
        foot = min(self.network.feet(*at, 30.0), key=lambda one: (one.away_m, one.edge))
        edge = self.network.edges[foot.edge]
        onward = (edge.line[-1].y_m > edge.line[0].y_m) is north
        footing = Footing(0.0, ((Course(foot.edge, onward), 0.95),))
        routes = ways(footing, motion, self.network)
        return Walkers(routes, motion, 2.0, pace, 0.1, outbound=north)

    def meetings(
        self, walkers: Walkers, *units: tuple[float, float], rule=RULE, **post: float
    ) -> tuple:
        post = {"sigma_m": 5.0, "age_s": 5.0} | post
        posts = [Post(f"unit-{n}", self.at(*one), **post) for n, one in enumerate(units)]
        return meetings(walkers, posts, self.network, self.border, rule)


TREES = World()


def route_points(found: Meeting, every_m: float = 1.0) -> Iterator[tuple[float, float]]:
    for a, b in pairwise(found.route):
        parts = max(1, math.ceil(math.dist(a, b) / every_m))
        for part in range(parts + 1):
            share = part / parts
            yield a.x_m + share * (b.x_m - a.x_m), a.y_m + share * (b.y_m - a.y_m)


@settings(deadline=None)
@given(units=st.lists(places, min_size=1, max_size=3), y=st.floats(-850.0, -50.0))
def test_a_point_is_ours_and_the_unit_is_there_first_by_the_margin(units, y) -> None:
    walkers = TREES.walkers(y)
    found = TREES.meetings(walkers, *units)
    for one in found:
        assert one.at.y_m <= -(RULE.clear_m + 2.0)
        assert one.at.y_m > y
        assert one.unit.p90_s + RULE.margin_s <= one.they.p10_s
        assert 0.0 < one.probability <= 0.95
        assert one.route[-1] == one.at
        assert one.route[0] == units[int(one.unit_id[-1])]
        near = [p for p in route_points(one) if math.dist(p, one.route[0]) > 10.0 + 1e-6]
        assert all(north <= -2.0 + 1e-6 for _, north in near)
    order = [round(one.probability, 2) for one in found]
    assert order == sorted(order, reverse=True)


def on_tree(every_m: float) -> list[tuple[float, float]]:
    trunk = [(0.0, -900.0 + every_m * n) for n in range(int(897.0 / every_m))]
    return trunk + [(every_m * n, JOINT_Y) for n in range(int(500.0 / every_m) + 1)]


def along_tree_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The one way between two places of the tree: by the joint, unless both are on the trunk."""
    if one[0] == 0.0 and other[0] == 0.0:
        return abs(one[1] - other[1])
    if one[0] > 0.0 and other[0] > 0.0:
        return abs(one[0] - other[0])
    joint = (0.0, JOINT_Y)
    return sum(abs(a - b) for place in (one, other) for a, b in zip(place, joint, strict=True))


@settings(deadline=None, max_examples=40)
@given(
    unit=st.tuples(st.floats(-200.0, 600.0), st.floats(-800.0, -10.0)), y=st.floats(-850.0, -60.0)
)
def test_every_point_of_a_tree_by_brute_force_says_the_same(unit, y) -> None:
    """No graph, no search: the way over a tree is known, and every 5 m of it are tried."""
    walkers = TREES.walkers(y)
    entries = [(p, math.dist(unit, p)) for p in on_tree(5.0)]
    nearest_m = min(away for _, away in entries)
    if 17.0 < nearest_m < 23.0:
        return  # on the trail or beside it: 5 m are too coarse to tell
    reach_m = RULE.off_trail_m if nearest_m > 20.0 else 50.0 + nearest_m
    entries = [(p, away / 0.84) for p, away in entries if away <= reach_m]
    slack_s = []
    for north in range(math.ceil(y), -22, 5):
        spot = (0.0, float(north))
        t_s = min((s + along_tree_m(p, spot) / 1.4 for p, s in entries), default=math.inf)
        if math.isinf(t_s):
            continue
        spread = math.hypot(0.15, math.hypot(5.0, 5.0) / 1.4 / max(1.0, t_s))
        late_s = max(1.0, t_s) * math.exp(1.2816 * spread)
        they = eta(north - y, 2.0, 1.0, 0.1)
        slack_s.append(they.p10_s - late_s - RULE.margin_s)
    found = TREES.meetings(walkers, unit)
    if max(slack_s, default=-math.inf) > 40.0:  # stations are 25 m apart
        assert found
    if max(slack_s, default=-math.inf) < -10.0:
        assert not found
    for one in found:
        shortest_s = min(s + along_tree_m(p, one.at) / 1.4 for p, s in entries)
        assert shortest_s - 5.0 <= one.unit.median_s <= max(1.0, shortest_s) + 25.0


@settings(deadline=None, max_examples=30)
@given(unit=places, y=st.floats(-800.0, -100.0), by=st.tuples(*[st.floats(-5e3, 5e3)] * 2))
def test_the_same_place_elsewhere_has_the_same_answer(unit, y, by) -> None:
    unit = (
        unit[0] + 0.137,
        unit[1] + 0.219,
    )  # at no limit of a rule, where the last digit decides
    moved = World(by=by)
    here, there = TREES.meetings(TREES.walkers(y), unit), moved.meetings(moved.walkers(y), unit)
    assert len(here) == len(there)
    for one, other in zip(here, there, strict=True):
        # Of stations that are as good to a hundredth, the last digit may choose another one.
        assert one.probability == pytest.approx(other.probability, abs=0.011)
        if math.dist(moved.at(*one.at), other.at) < 1.0:
            assert one.unit.median_s == pytest.approx(other.unit.median_s, abs=1e-3)
            assert one.they.median_s == pytest.approx(other.they.median_s, abs=1e-3)


@given(x=st.floats(-300.0, 300.0), y=st.floats(15.0, 80.0))
def test_whoever_is_beyond_the_line_is_not_sent(x, y) -> None:
    assert TREES.meetings(TREES.walkers(-800.0), (x, y)) == ()


def test_a_unit_on_the_line_by_the_error_of_its_receiver_is_sent() -> None:
    assert TREES.meetings(TREES.walkers(-800.0), (40.0, 3.0)) != ()


@given(half_m=st.floats(5.0, 200.0), y=st.floats(-850.0, -300.0))
def test_no_point_lies_in_an_unresolved_strip(half_m, y) -> None:
    world = World(status="undemarcated", half_m=half_m)
    for one in world.meetings(world.walkers(y), (100.0, JOINT_Y), (60.0, -800.0)):
        assert one.at.y_m <= -(half_m + RULE.clear_m)


@given(clear_m=st.floats(0.0, 240.0), y=st.floats(-400.0, -250.0))
def test_no_point_is_nearer_to_the_line_than_the_rule_says(clear_m, y) -> None:
    rule = InterceptionRule(clear_m=clear_m)
    found = TREES.meetings(TREES.walkers(y), (10.0, -40.0), (5.0, -100.0), rule=rule)
    assert all(one.at.y_m <= -(clear_m + 2.0) for one in found)
    assert found or clear_m > 30.0


def test_whoever_comes_from_abroad_is_met_at_home() -> None:
    trails = (((0.0, -600.0), (0.0, 700.0)),)
    world = World(trails)
    (found,) = world.meetings(world.walkers(500.0, north=False), (30.0, -150.0))
    assert found.at.y_m <= -22.0
    assert found.they.median_s == pytest.approx(500.0 - found.at.y_m, rel=0.01)


def test_the_way_round_by_abroad_is_no_way() -> None:
    """A trail goes over the line and comes back: the unit at its other end has none but that."""
    loop = ((0.0, -700.0), (0.0, 50.0), (900.0, 50.0), (900.0, -700.0))
    world = World((loop,))
    assert world.meetings(world.walkers(-650.0), (900.0, -60.0)) == ()


@given(age=st.floats(0.0, 300.0), more=st.floats(1.0, 200.0))
def test_an_older_fix_never_comes_sooner(age, more) -> None:
    walkers = TREES.walkers(-850.0)
    sooner = TREES.meetings(walkers, (200.0, JOINT_Y), age_s=age)
    later = TREES.meetings(walkers, (200.0, JOINT_Y), age_s=age + more)
    if later:
        assert sooner
        assert sooner[0].probability >= later[0].probability - 0.01
    if age + more > RULE.max_age_s:
        assert later == ()


def test_a_unit_that_must_climb_needs_longer_and_so_may_be_too_late() -> None:
    flat, gentle, steep = (
        World(heights=((500.0, 500.0), (500.0, far_m))) for far_m in (500.0, 450.0, 350.0)
    )
    level, climb, cliff = (
        world.meetings(world.walkers(-850.0), (250.0, JOINT_Y)) for world in (flat, gentle, steep)
    )
    assert level[0].unit.median_s * 1.1 < climb[0].unit.median_s
    assert cliff == ()


def test_the_nearest_unit_is_named_first() -> None:
    found = TREES.meetings(TREES.walkers(-800.0), (300.0, JOINT_Y), (80.0, JOINT_Y))
    assert [one.unit_id for one in found] == ["unit-1", "unit-0"]


@pytest.fixture
def valley(make, sector_maker) -> tuple:
    """A sector with a trail over the line, one walker up it, and a function for our units."""
    trails = make.collection(
        make.feature(
            "LineString", sector_maker.line((0, -500), (0, 100)), id="khe", name="Khe Lạnh"
        )
    )
    sector = sector_maker.load(trails=trails, rules="[rules.approach]\nenabled = true\n")

    def lines(*units: tuple[float, float]) -> list:
        up = make.walker([(0, 0, -390), (300, 0, -60)])
        posts = [
            (f"to-{n}", make.walker([(0, *at), (300, *at)]), 20.0, 5.0)
            for n, at in enumerate(units)
        ]
        eye = make.eye(fps=2.0, sigma_m=2.0)
        return make.world([up], eyes=[eye], units=posts, until_s=40).messages()

    return sector, lines


def test_an_approach_says_which_unit_can_be_first_where_and_when(valley, run) -> None:
    sector, lines = valley
    (alert,) = run(sector, lines((30.0, -120.0), (-80.0, -900.0))).alerts
    (found,) = alert.interceptions
    assert found.unit_id == "to-0"
    assert found.as_of == alert.raised_at
    assert found.place.side == "home"
    assert found.place.trail_id == "khe"
    assert found.latest_s + sector.rules.interception.margin_s <= found.they_earliest_s
    assert found.route.coordinates[-1] == (found.lon, found.lat)
    (reason,) = [one for one in alert.reasons if one.code == "interception"]
    assert "unit to-0 can be first at trail “Khe Lạnh”" in reason.text
    assert reason.value == found.eta_s


def test_where_none_can_be_first_the_alert_says_nothing_of_it(valley, run) -> None:
    sector, lines = valley
    (alert,) = run(sector, lines((-80.0, -900.0))).alerts
    assert alert.interceptions is UNSET
    assert "interception" not in {one.code for one in alert.reasons}


def test_positions_that_come_late_change_no_incident(valley, run) -> None:
    sector, lines = valley
    whole = lines((30.0, -120.0))
    fixes = [one for one in whole if one["topic"].endswith("position")]
    late = [one for one in whole if one not in fixes]
    last = late[-1]["received_at"]
    late += [one | {"received_at": last} for one in reversed(fixes)]
    told, told_late = run(sector, whole).incidents, run(sector, late).incidents
    assert told
    assert {key: replace(one, amended=False, alert_ids=()) for key, one in told.items()} == {
        key: replace(one, amended=False, alert_ids=()) for key, one in told_late.items()
    }
