"""Which stretches nobody sees, held against arithmetic on straight lines and counting on others."""

import math
from itertools import pairwise

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import Polygon
from fusion.sector import Sector
from fusion.situation.blind_hours import BIN_M, BlindHours
from fusion.situation.coverage import (
    area_of,
    blind_stretches,
    lines_of,
    merged,
    newly_blind,
    path_of,
)
from tests.fusion.engine.conftest import SectorMaker, collection, feature


def square(maker: SectorMaker, east_m: float, north_m: float, half_m: float) -> Polygon:
    ring = maker.square(east_m, north_m, half_m)[0]
    return Polygon(type="Polygon", coordinates=(tuple(map(tuple, ring)),))


@pytest.fixture(scope="module")
def maker(tmp_path_factory) -> SectorMaker:
    return SectorMaker(tmp_path_factory.mktemp("sector"))


@pytest.fixture(scope="module")
def walked(maker) -> Sector:
    """Home south of a line; one straight trail of 500 m up to it, one that crosses itself."""
    loop = [(300, -400), (700, -400), (700, -200), (500, -200), (500, -600), (400, -600)]
    trails = [
        feature("LineString", maker.line((0, -500), (0, 0)), id="straight"),
        feature("LineString", maker.line(*loop), id="loop"),
    ]
    return maker.load(trails=collection(*trails))


def test_without_devices_nobody_sees_anything(walked) -> None:
    for cover in blind_stretches(walked, {}):
        assert cover.unseen == ((0.0, cover.line.length_m),)
        assert cover.seen_by == {}


def test_a_stretch_is_told_by_its_chainage(walked, maker) -> None:
    footprints = {"cam-1": square(maker, 0, -300, 50), "cam-2": square(maker, 0, -270, 50)}
    border, straight, _ = blind_stretches(walked, footprints)
    assert straight.seen_by["cam-1"] == (pytest.approx((150.0, 250.0), abs=0.1),)
    assert straight.unseen == (
        pytest.approx((0.0, 150.0), abs=0.1),
        pytest.approx((280.0, 500.0), abs=0.1),
    )
    assert straight.unseen_m == pytest.approx(370.0, abs=0.2)
    assert border.unseen_m == pytest.approx(4000.0, abs=0.5)


def test_chainage_of_the_border_goes_on_over_its_pieces(maker) -> None:
    pieces = [
        feature("LineString", maker.line((-1000, 0), (0, 0)), home_side="right"),
        feature("LineString", maker.line((0, 0), (1000, 0)), home_side="right"),
    ]
    sector = maker.load(border=collection(*pieces))
    (border,) = blind_stretches(sector, {"cam-1": square(maker, 500, 0, 100)})
    assert border.seen_by["cam-1"] == (pytest.approx((1400.0, 1600.0), abs=0.1),)


def test_slivers_between_footprints_are_their_roughness(walked, maker) -> None:
    footprints = {"cam-1": square(maker, 0, -300, 50), "cam-2": square(maker, 0, -198, 50)}
    _, straight, _ = blind_stretches(walked, footprints)
    assert [round(from_m) for from_m, _ in straight.unseen] == [0, 352]


def test_a_footprint_that_crosses_itself_or_has_no_inside_harms_nobody(walked, maker) -> None:
    bow = maker.line((-50, -350), (50, -250), (50, -350), (-50, -250), (-50, -350))
    flat = maker.line((-50, -350), (50, -350), (-50, -350))
    shapes = {
        name: Polygon(type="Polygon", coordinates=(tuple(map(tuple, ring)),))
        for name, ring in (("bow", bow), ("flat", flat), ("none", []))
    }
    _, straight, _ = blind_stretches(walked, shapes)
    assert set(straight.seen_by) <= {"bow"}


@given(
    spots=st.lists(
        st.tuples(st.floats(200, 800), st.floats(-700, -100), st.floats(5, 150)), max_size=4
    )
)
def test_what_is_unseen_is_what_lies_in_no_footprint(walked, maker, spots) -> None:
    """Counted point by point, which is how one would check it on a map."""
    footprints = {f"cam-{n}": square(maker, *spot) for n, spot in enumerate(spots)}
    areas = [area_of(one, walked.frame) for one in footprints.values()]
    cover = blind_stretches(walked, footprints)[2]
    for leg in cover.line.legs:
        for share in (0.03, 0.29, 0.5, 0.71, 0.97):
            x_m = leg.a.x_m + share * (leg.b.x_m - leg.a.x_m)
            y_m = leg.a.y_m + share * (leg.b.y_m - leg.a.y_m)
            at_m = leg.from_m + share * (leg.to_m - leg.from_m)
            point = shapely.Point(x_m, y_m)
            if any(abs(one.boundary.distance(point)) < 6.0 for one in areas):
                continue  # a sliver, or the rounding of an edge
            is_unseen = any(from_m <= at_m <= to_m for from_m, to_m in cover.unseen)
            assert is_unseen is not any(one.contains(point) for one in areas)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 50)), max_size=8))
def test_joined_spans_hold_the_same_points_and_never_touch(spans) -> None:
    spans = [(a, a + b) for a, b in spans]
    joined = merged(spans)
    assert all(a[1] < b[0] for a, b in pairwise(joined))
    for at in (one / 7.0 for one in range(0, 1050, 3)):
        inside = any(a <= at <= b for a, b in spans)
        assert any(a <= at <= b for a, b in joined) is inside


def test_only_what_the_others_do_not_see_is_newly_blind(walked, maker) -> None:
    lost = {"cam-1": square(maker, 0, -300, 50)}
    left = {"cam-2": square(maker, 0, -270, 50)}
    (reason,) = newly_blind(walked, lost, left)
    assert reason.code == "blind_stretch"
    assert reason.value == pytest.approx(30.0, abs=0.2)
    assert "straight from 150 to 180 m" in reason.text
    assert newly_blind(walked, lost, lost | {"cam-3": square(maker, 0, -300, 60)}) == ()
    assert newly_blind(walked, {}, left) == ()


def test_a_stretch_can_be_drawn(walked) -> None:
    line = list(lines_of(walked))[2]
    (path,) = path_of(line, (100.0, 700.0))
    assert len(path) == 4
    assert sum(math.dist(a, b) for a, b in pairwise(path)) == pytest.approx(600)


def test_hours_add_up_by_stretch_and_device(walked, maker) -> None:
    hours = BlindHours()
    seen = blind_stretches(walked, {"cam-1": square(maker, 0, -300, 50)})
    for _ in range(60):
        hours.add(60.0, seen, blind=["cam-2"])
    hours.add(3600.0, blind_stretches(walked, {}), blind=["cam-1", "cam-2"])
    assert hours.hours == pytest.approx(2.0)
    assert hours.devices() == {"cam-1": pytest.approx(1.0), "cam-2": pytest.approx(2.0)}
    found = [
        (one.from_m, one.to_m, one.hours)
        for one in hours.stretches()
        if one.line == ("trail", "straight")
    ]
    assert found == [
        (0.0, 150.0, 2.0),
        (150.0, 250.0, 1.0),
        (250.0, pytest.approx(500.0, abs=0.1), 2.0),
    ]
    assert BIN_M == 50.0


def test_a_trail_may_be_called_border(make, sector_maker) -> None:
    """It was taken for the border line, which is shorter: an IndexError."""
    trail = make.feature("LineString", sector_maker.line((0, -300), (0, 9000)), id="border")
    sector = sector_maker.load(trails=make.collection(trail))
    hours = BlindHours()
    hours.add(3600.0, blind_stretches(sector, {}), [])
    ends_m = {one.line: round(one.to_m) for one in hours.stretches()}
    assert ends_m == {
        ("border", "border"): round(sector.border.length_m), ("trail", "border"): 9300,
    }  # fmt: skip
