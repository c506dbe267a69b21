"""The crossing stage by itself: symmetries, corners, strips and rivers, and whoever was unseen."""

import math
import random
from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from fusion.local_frame import LocalFrame, Metres
from fusion.rulebook import CrossingRule
from fusion.situation.border import Border, BorderPiece
from fusion.situation.crossing import Crossing, Sight, counts, observe, same_after
from fusion.situation.watch import Watch

RULE = CrossingRule()
Path = Callable[[float], tuple[float, float]]
KINKED = [(-900, -40), (-200, 30), (-20, -10), (0, 25), (30, -15), (300, 20), (900, 0)]


def line(*points: Sequence[float], home_on_left=False, status="demarcated", half_m=0.0) -> Border:
    """By default from west to east, home to the south."""
    ends = points or ((-2000.0, 0.0), (2000.0, 0.0))
    return Border(
        [BorderPiece(tuple(Metres(*p) for p in ends), home_on_left, status, 1.0, half_m)]
    )


def looks(path: Path, *, until_s: float, every_s: float = 0.5) -> list[tuple[float, Metres]]:
    steps = round(until_s / every_s)
    return [(k * every_s, Metres(*path(k * every_s))) for k in range(steps + 1)]


def said(
    border: Border,
    seen: Iterable[tuple[float, Metres]],
    *,
    sigma_m=1.0,
    bias_m=0.5,
    watch: Watch | None = None,
    device="cam-1",
) -> tuple[Watch, list[Crossing]]:
    """Return what a walk made known, and the crossings that it proved."""
    found, known = [], watch or Watch()
    for at_s, at in seen:
        sight = Sight(at_s, at, (sigma_m**2, 0.0, sigma_m**2), (bias_m**2, 0.0, bias_m**2), device)
        known, crossing = observe(known, sight, border, RULE, confirmed=True)
        found += [] if crossing is None else [crossing]
    return known, found


def straight(start: Sequence[float], end: Sequence[float], over_s: float) -> Path:
    def at(t: float) -> tuple[float, float]:
        share = min(1.0, t / over_s)
        return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])

    return at


# Never so slanted that it would come over a kinked line twice.
ways = st.tuples(
    st.floats(-150, 150), st.floats(-90, -60), st.floats(-30, 30), st.floats(60, 90)
).map(lambda way: looks(straight(way[:2], (way[0] + way[2], way[3]), 80.0), until_s=80.0))


@settings(max_examples=15, deadline=None)
@given(seen=ways)
def test_walking_the_other_way_turns_the_direction(seen) -> None:
    back = [(at_s, at) for (at_s, _), (_, at) in zip(seen, seen[::-1], strict=True)]
    (out,), (home,) = said(line(*KINKED), seen)[1], said(line(*KINKED), back)[1]
    assert (out.outbound, home.outbound) == (True, False)


@settings(max_examples=15, deadline=None)
@given(seen=ways, dx=st.floats(-5e3, 5e3), dy=st.floats(-5e3, 5e3))
def test_shifting_the_scene_changes_no_probability(seen, dx, dy) -> None:
    moved = [(at_s, Metres(at.x_m + dx, at.y_m + dy)) for at_s, at in seen]
    there = line(*((x + dx, y + dy) for x, y in KINKED))
    (one,), (other,) = said(line(*KINKED), seen)[1], said(there, moved)[1]
    assert other.probability == pytest.approx(one.probability, abs=1e-6)
    assert other.at_s == one.at_s


@settings(max_examples=8, deadline=None)
@given(seen=ways, lat=st.floats(8.0, 24.0), lon=st.floats(100.0, 110.0))
def test_a_degree_of_longitude_changes_no_probability(seen, lat, lon) -> None:
    geod = Geod(ellps="WGS84")

    def placed(lon_: float, points: Iterable[Sequence[float]]) -> list[Metres]:
        frame, found = LocalFrame(lat=lat, lon=lon_), []
        for x, y in points:
            turn = math.degrees(math.atan2(x, y))
            there_lon, there_lat, _ = geod.fwd(lon_, lat, turn, math.hypot(x, y))
            found.append(Metres(*frame.to_metres(lat=there_lat, lon=there_lon)))
        return found

    told = []
    for lon_ in (lon, lon + 1.0):
        way = placed(lon_, (at for _, at in seen))
        walk = [(at_s, at) for (at_s, _), at in zip(seen, way, strict=True)]
        (crossing,) = said(line(*placed(lon_, KINKED)), walk)[1]
        told.append(crossing)
    assert told[0].probability == pytest.approx(told[1].probability, abs=1e-6)
    assert told[0].outbound == told[1].outbound


@settings(max_examples=15, deadline=None)
@given(seen=ways, leg=st.integers(0, len(KINKED) - 2), share=st.floats(0.05, 0.95))
def test_splitting_a_segment_or_drawing_it_backwards_changes_nothing(seen, leg, share) -> None:
    (x0, y0), (x1, y1) = KINKED[leg], KINKED[leg + 1]
    middle = (x0 + share * (x1 - x0), y0 + share * (y1 - y0))
    (one,) = said(line(*KINKED), seen)[1]
    (split,) = said(line(*KINKED[: leg + 1], middle, *KINKED[leg + 1 :]), seen)[1]
    (backwards,) = said(line(*reversed(KINKED), home_on_left=True), seen)[1]
    for other in (split, backwards):
        assert other.probability == pytest.approx(one.probability, abs=1e-6)
        assert (other.outbound, other.at_s) == (one.outbound, one.at_s)


@pytest.mark.parametrize("seed", range(5))
def test_jitter_on_a_vertex_is_no_crossing(seed) -> None:
    dice = random.Random(seed)
    seen = looks(lambda _: (dice.gauss(0.0, 1.0), 25.0 + dice.gauss(0.0, 1.0)), until_s=600.0)
    assert said(line(*KINKED), seen)[1] == []


@pytest.mark.parametrize("depth_m", [0.5, 1.0, 1.5])
def test_turning_round_within_the_error_beyond_the_line_is_no_crossing(depth_m) -> None:
    def path(t: float) -> tuple[float, float]:
        return 0.0, depth_m - abs(t - 30.0) * 1.2

    assert said(line(), looks(path, until_s=60.0))[1] == []


@pytest.mark.parametrize("slope_deg", [1.0, 3.0, 10.0])
def test_whoever_walks_nearly_along_the_line_crosses_once_and_only_once_over_it(slope_deg) -> None:
    turn = math.radians(slope_deg)
    begin_m = 30.0 / math.sin(turn)

    def path(t: float) -> tuple[float, float]:
        gone_m = 1.2 * t - begin_m
        return gone_m * math.cos(turn), gone_m * math.sin(turn)

    (crossing,) = said(line(), looks(path, until_s=2.0 * begin_m / 1.2))[1]
    assert path(crossing.at_s)[1] > 0.0
    assert path(crossing.over_s)[1] == pytest.approx(0.0, abs=1e-6)


def test_whoever_rests_at_the_line_for_minutes_and_goes_on_has_crossed() -> None:
    def path(t: float) -> tuple[float, float]:
        return 0.0, min(0.0, t - 40.0) + max(0.0, t - 340.0) * 0.5

    (crossing,) = said(line(), looks(path, until_s=400.0), bias_m=1.5)[1]
    assert crossing.at_s > 340.0


# -- strips and rivers ------------------------------------------------------------------------


def strip(half_m: float = 10.0, status: str = "undemarcated") -> Border:
    return line(status=status, half_m=half_m)


def test_the_whole_strip_must_be_passed() -> None:
    out = straight((0.0, -60.0), (0.0, 60.0), 100.0)
    (crossing,) = said(strip(), looks(out, until_s=100.0))[1]
    assert out(crossing.at_s)[1] > 10.0
    assert (crossing.half_m, crossing.line_status) == (10.0, "undemarcated")


@pytest.mark.parametrize(("from_m", "to_m"), [(-60.0, 9.0), (-9.0, 60.0), (-9.0, 9.0)])
def test_whoever_began_or_stays_in_the_strip_has_not_crossed(from_m, to_m) -> None:
    path = straight((0.0, from_m), (0.0, to_m), 60.0)
    assert said(strip(), looks(path, until_s=300.0))[1] == []


def test_into_the_strip_and_back_is_no_crossing() -> None:
    def path(t: float) -> tuple[float, float]:
        return 0.0, 8.0 - abs(t - 60.0)

    assert said(strip(), looks(path, until_s=120.0))[1] == []


@pytest.mark.parametrize("seed", range(3))
def test_a_boat_that_drifts_along_the_thalweg_crosses_nothing(seed) -> None:
    """It swings from one side of the river to the other, within the banks."""
    shift = random.Random(seed).uniform(0.0, 6.0)
    river = strip(25.0, "river")
    seen = looks(lambda t: (0.8 * t, 20.0 * math.sin(t / 40.0 + shift)), until_s=900.0)
    assert said(river, seen)[1] == []


def test_from_bank_to_bank_is_one_crossing_by_boat_and_on_foot_but_not_by_a_cow() -> None:
    path = straight((0.0, -60.0), (80.0, 60.0), 100.0)
    (crossing,) = said(strip(25.0, "river"), looks(path, until_s=100.0))[1]
    assert [counts(one, crossing, RULE) for one in ("person", "boat", "cow")] == [
        True,
        True,
        False,
    ]
    on_land = crossing._replace(line_status="demarcated")
    assert not counts("boat", on_land, RULE)


# -- out of view ------------------------------------------------------------------------------


def test_whoever_reappears_on_the_other_side_has_crossed_unseen() -> None:
    path = straight((0.0, -60.0), (0.0, 60.0), 100.0)
    seen = [(t, at) for t, at in looks(path, until_s=100.0) if not 43.0 < t < 57.0]
    (crossing,) = said(line(), seen)[1]
    assert crossing.inferred_s == pytest.approx(14.0)
    assert crossing.over_s == pytest.approx(50.0, abs=0.1)
    (watched,) = said(line(), looks(path, until_s=100.0))[1]
    assert watched.inferred_s == 0.0
    assert crossing.probability < 0.999


def test_the_longer_nobody_looked_the_less_sure_it_is_the_same_one() -> None:
    sure = [same_after(unseen_s) for unseen_s in (0.0, 5.0, 15.0, 60.0, 120.0, 600.0)]
    assert sure[0] == 1.0
    assert sure == sorted(sure, reverse=True)
    assert sure[2] > 0.99
    assert 0.6 < sure[4] < 0.9
