"""The line and its sides: oriented, joined, without jitter at vertices."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.local_frame import Metres
from fusion.situation.border import REACH_M, Border, BorderPiece, along, beyond

metres = st.floats(-400.0, 400.0, allow_nan=False).map(lambda v: round(v, 2))
ZIGZAG = [(-600, -50), (-200, 40), (-150, -30), (0, 90), (60, -80), (300, 0), (600, 10)]


def border(
    *points: tuple[float, float], home_on_left=True, status="demarcated", sigma_m=1.0
) -> Border:
    line = tuple(Metres(float(x), float(y)) for x, y in points)
    return Border([BorderPiece(line, home_on_left, status, sigma_m)])


@pytest.mark.parametrize(
    ("distance_m", "cov", "normal", "sigma_m", "expected"),
    [
        (10.0, (25.0, 0.0, 100.0), (0.0, 1.0), 10.0, 0.158655),
        (10.0, (25.0, 0.0, 100.0), (1.0, 0.0), 5.0, 0.022750),
        (-5.0, (16.0, 6.0, 9.0), (0.6, 0.8), 4.156922, 0.885476),
        (0.0, (1.0, 0.0, 1.0), (1.0, 0.0), 1.0, 0.5),
    ],
)
def test_the_probability_of_being_beyond_is_that_of_the_domain_vectors(
    distance_m, cov, normal, sigma_m, expected
) -> None:
    sigma = math.sqrt(along(cov, Metres(*normal)))
    assert sigma == pytest.approx(sigma_m, abs=1e-6)
    assert beyond(distance_m, sigma) == pytest.approx(expected, abs=1e-6)


def test_home_is_where_the_border_says() -> None:
    eastward = border((-100, 0), (100, 0), home_on_left=False)
    assert eastward.side(0.0, -7.0).distance_m == pytest.approx(7.0)
    assert eastward.side(0.0, 7.0).distance_m == pytest.approx(-7.0)
    assert eastward.side(30.0, 7.0).chainage_m == pytest.approx(130.0)


@given(x=metres, y=metres)
def test_drawing_the_line_the_other_way_with_home_on_the_other_hand_changes_no_side(x, y) -> None:
    there, back = border(*ZIGZAG), border(*reversed(ZIGZAG), home_on_left=False)
    one, other = there.side(x, y), back.side(x, y)
    assert one.distance_m == pytest.approx(other.distance_m, abs=1e-9)
    assert one.past_end == other.past_end
    assert one.chainage_m + other.chainage_m == pytest.approx(there.length_m, abs=1e-6)


@given(x=metres, y=metres, share=st.floats(0.05, 0.95))
def test_splitting_a_segment_changes_no_side(x, y, share) -> None:
    (x0, y0), (x1, y1) = ZIGZAG[2], ZIGZAG[3]
    middle = (x0 + share * (x1 - x0), y0 + share * (y1 - y0))
    whole, split = border(*ZIGZAG), border(*ZIGZAG[:3], middle, *ZIGZAG[3:])
    assert whole.side(x, y).distance_m == pytest.approx(split.side(x, y).distance_m, abs=1e-6)


@given(x=metres, y=metres, dx=st.floats(-5e3, 5e3), dy=st.floats(-5e3, 5e3))
def test_shifting_the_whole_scene_changes_no_side(x, y, dx, dy) -> None:
    here = border(*ZIGZAG).side(x, y)
    there = border(*((a + dx, b + dy) for a, b in ZIGZAG)).side(x + dx, y + dy)
    assert here.distance_m == pytest.approx(there.distance_m, abs=1e-6)


@given(x=metres, y=metres, angle=st.floats(0.0, 2.0 * math.pi))
def test_a_centimetre_moves_the_signed_distance_by_a_centimetre_at_most(x, y, angle) -> None:
    """Kinks included: a sign that jittered at a vertex would jump by twice the distance."""
    line = border(*ZIGZAG)
    here = line.side(x, y)
    there = line.side(x + 0.01 * math.cos(angle), y + 0.01 * math.sin(angle))
    assert abs(here.distance_m - there.distance_m) <= 0.01 + 1e-9


def test_two_lines_that_touch_are_one_whichever_way_each_is_drawn() -> None:
    pieces = [
        BorderPiece((Metres(0, 0), Metres(100, 0)), True, "demarcated", 1.0),
        BorderPiece((Metres(200, 50), Metres(100, 0)), False, "river", 5.0),
    ]
    joined = Border(pieces)
    assert not joined.side(100.0, -3.0).past_end
    assert joined.side(100.0, -3.0).distance_m < 0.0 < joined.side(100.0, 3.0).distance_m
    assert joined.side(180.0, 45.0).status == "river"
    assert joined.length_m == pytest.approx(100.0 + math.hypot(100, 50))


def test_past_the_end_there_is_no_side() -> None:
    assert border((0, 0), (100, 0)).side(103.0, 2.0).past_end
    assert not border((0, 0), (100, 0)).side(97.0, 2.0).past_end


def test_nobody_asks_for_a_side_far_away() -> None:
    assert border((0, 0), (100, 0)).side(0.0, REACH_M + 1.0) is None
    assert border((0, 0), (100, 0)).side(0.0, REACH_M - 1.0) is not None
