"""A place in the guards' words."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import Place, encode
from fusion.local_frame import Metres
from fusion.sector import Sector
from fusion.situation.border import Border, BorderPiece
from fusion.situation.places import in_words, place_of

KINKED = (Metres(0, 0), Metres(400, 0), Metres(700, 300), Metres(720, 900))
PIECES = (
    BorderPiece(KINKED, True, "demarcated", 1.0),
    BorderPiece((KINKED[-1], Metres(300, 1500)), True, "river", 8.0),
    # Drawn the other way round: its chainage runs from its own first vertex.
    BorderPiece((Metres(-900, 100), Metres(0, 0)), True, "demarcated", 1.0),
)


@pytest.fixture
def named(make, sector_maker) -> Sector:
    trail = make.feature(
        "LineString", sector_maker.line((10, -300), (10, 200)), id="trail-2", name="Khe Lạnh"
    )
    marker = make.feature("Point", sector_maker.at(0, 0), id="234/1")
    return sector_maker.load(trails=make.collection(trail), markers=make.collection(marker))


def at_chainage(border: Border, chainage_m: float) -> Metres:
    """The point so far along a line from its first vertex; before it or behind it, its end."""
    left_m = chainage_m
    for piece in border.pieces:
        for a, b in pairwise(piece.line):
            length_m = math.dist(a, b)
            if left_m <= length_m:
                share = max(0.0, left_m) / length_m
                return Metres(a.x_m + share * (b.x_m - a.x_m), a.y_m + share * (b.y_m - a.y_m))
            left_m -= length_m
    return border.pieces[-1].line[-1]


@given(share=st.floats(0.0, 1.0))
def test_chainage_leads_back_to_the_same_place(share) -> None:
    border = Border(PIECES)
    chainage_m = share * border.length_m
    side = border.side(*at_chainage(border, chainage_m))
    assert side is not None
    assert side.distance_m == pytest.approx(0.0, abs=1e-6)
    # Where two pieces meet, one place has two chainages.
    where = at_chainage(border, side.chainage_m)
    assert math.dist(where, at_chainage(border, chainage_m)) <= 1.0


@given(east_m=st.floats(-900, 900), north_m=st.floats(-400, 400))
def test_the_chainage_told_of_any_place_is_that_of_the_nearest_point(east_m, north_m) -> None:
    line = tuple(Metres(x_m, 0.1 * x_m) for x_m in (-1000.0, -100.0, 300.0, 1000.0))
    border = Border([BorderPiece(line, True, "demarcated", 1.0)])
    side = border.side(east_m, north_m)
    assert side is not None
    there = at_chainage(border, round(side.chainage_m, 1))
    assert math.dist(there, side.nearest) <= 0.1


def test_a_place_is_one_phrase_in_the_guards_words(named) -> None:
    place = place_of(named, Metres(-226.3, -226.3))
    assert place.marker_bearing_deg == pytest.approx(225.0, abs=0.5)
    assert place.side == "home"
    assert place.text == (
        "mốc 234/1 + 320 m về phía Tây Nam, lý trình 1.774 m, bên ta, cách đường biên 226 m"
    )
    assert in_words(place, "en") == (
        "marker 234/1 + 320 m south-west, 1,774 m along the line, at home, 226 m from the line"
    )


def test_a_trail_is_called_by_its_name(named) -> None:
    place = place_of(named, Metres(10, 40))
    assert (place.trail_id, place.trail_name, place.side) == ("trail-2", "Khe Lạnh", "abroad")
    assert "đường mòn «Khe Lạnh»" in (place.text or "")


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("Đường mòn Đồi Sim", "duong_mon", "Đường mòn Đồi Sim"),
        ("Quốc lộ 4", "road", "đường ô tô «Quốc lộ 4»"),
        ("Khe Lạnh", "loi_mon", "lối mòn «Khe Lạnh»"),
    ],
)
def test_a_trail_is_called_what_it_is_once(sector_maker, make, name, kind, text) -> None:
    line = sector_maker.line((10, -300), (10, 200))
    trail = make.feature("LineString", line, id="t", name=name, kind=kind)
    sector = sector_maker.load(trails=make.collection(trail))
    assert (place_of(sector, Metres(10, -60)).text or "").startswith(f"{text}, ")


def test_on_the_line_nobody_says_on_which_side(named) -> None:
    place = place_of(named, Metres(0, 0.5))
    assert place.side is None
    assert place.text == "tại mốc 234/1, đường mòn «Khe Lạnh», lý trình 2.000 m, trên đường biên"


def test_far_from_all_of_it_nothing_is_said(sector) -> None:
    assert encode(place_of(sector, Metres(0, -5000))) == b"{}"


@pytest.mark.parametrize(
    ("bearing_deg", "vi", "en"),
    [(0.0, "Bắc", "north"), (22.4, "Bắc", "north"), (315.0, "Tây Bắc", "north-west"),
     (359.9, "Bắc", "north"), (135.0, "Đông Nam", "south-east")],
)  # fmt: skip
def test_the_compass_has_eight_words(bearing_deg, vi, en) -> None:
    place = Place(marker="234", marker_distance_m=320.0, marker_bearing_deg=bearing_deg)
    assert in_words(place) == f"mốc 234 + 320 m về phía {vi}"
    assert in_words(place, "en") == f"marker 234 + 320 m {en}"
