"""Which zone rules at a place and a time."""

from datetime import UTC, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from fusion.local_frame import Metres
from fusion.plan import Zone
from fusion.situation.places import inside
from fusion.situation.schedule import Schedule
from fusion.situation.zones_here import open_crossing_point, place_of_work, ruling_zone

NOON = datetime(2026, 3, 14, 5, tzinfo=UTC)
STRICTEST_FIRST = ("restricted", "crossing_point", "settlement", "farmland")
COORDINATES = st.integers(-50, 50).map(float)
POINTS = st.builds(Metres, COORDINATES, COORDINATES)


def square(name: str, kind: str, *, half_m: float = 10.0, schedule: str | None = None) -> Zone:
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]
    ring = tuple(Metres(half_m * x, half_m * y) for x, y in corners)
    hours = None if schedule is None else Schedule.parse(schedule)
    return Zone(name, name, kind, (ring,), hours, (ring[0], ring[2]))


def sector_of(*zones: Zone) -> SimpleNamespace:
    return SimpleNamespace(zones=zones, timezone=ZoneInfo("Asia/Ho_Chi_Minh"))


@pytest.mark.parametrize("stricter", range(3))
def test_the_strictest_kind_rules_where_zones_overlap(stricter) -> None:
    one, other = STRICTEST_FIRST[stricter : stricter + 2]
    strict, mild = square("b", one), square("a", other, half_m=20.0)
    for zones in ((strict, mild), (mild, strict)):
        assert ruling_zone(sector_of(*zones), Metres(0.0, 0.0), NOON) is strict
        assert ruling_zone(sector_of(*zones), Metres(15.0, 0.0), NOON) is mild
    assert ruling_zone(sector_of(strict, mild), Metres(25.0, 0.0), NOON) is None


def test_nobody_may_cross_in_a_gate_while_a_restricted_zone_holds_there() -> None:
    gate = square("gate", "crossing_point")
    curfew = square("curfew", "restricted", schedule="20:00-05:00")
    here = sector_of(gate, curfew)
    assert open_crossing_point(here, Metres(0.0, 0.0), NOON) is gate
    assert open_crossing_point(here, Metres(0.0, 0.0), NOON.replace(hour=15)) is None  # 22:00


def test_where_people_live_or_work_is_only_where_nothing_stricter_holds() -> None:
    field, belt = square("field", "farmland", half_m=30.0), square("belt", "restricted")
    here = sector_of(field, belt, square("gate", "crossing_point", half_m=5.0))
    assert place_of_work(here, Metres(20.0, 0.0), NOON) is field
    assert place_of_work(here, Metres(0.0, 0.0), NOON) is None


MANY = [
    square("a", "farmland", half_m=40.0),
    square("b", "farmland", half_m=30.0),
    square("c", "settlement", half_m=20.0),
    square("d", "crossing_point", half_m=15.0),
    square("e", "crossing_point", half_m=25.0),
    square("f", "restricted", half_m=5.0),
]


@given(st.permutations(MANY), POINTS)
def test_the_order_in_the_file_does_not_matter(zones, at) -> None:
    rules = ruling_zone(sector_of(*zones), at, NOON)
    assert rules == ruling_zone(sector_of(*MANY), at, NOON)


@given(st.lists(POINTS, min_size=3, max_size=7, unique=True), POINTS)
def test_inside_is_what_shapely_says_of_a_polygon(ring, at) -> None:
    outline = shapely.Polygon(ring)
    if not outline.is_valid or shapely.distance(outline.exterior, shapely.Point(at)) < 1e-6:
        return
    assert inside(at, ((*ring, ring[0]),)) == shapely.contains(outline, shapely.Point(at))


def test_a_hole_is_outside(sector_maker, make) -> None:
    outside, hole = sector_maker.square(0, -50, 40)[0], sector_maker.square(0, -50, 10)[0]
    field = make.feature("Polygon", [outside, hole], id="field", kind="farmland")
    sector = sector_maker.load(zones=make.collection(field))
    places = [Metres(x_m, -50.0) for x_m in (-45.0, -30.0, 0.0, 30.0, 45.0)]
    found = [place_of_work(sector, at, NOON) for at in places]
    assert [zone is not None for zone in found] == [False, True, False, True, False]


def test_whoever_crosses_from_a_field_has_crossed(make, sector_maker, run) -> None:
    field = make.feature("Polygon", sector_maker.square(10, 0, 200), id="field", kind="farmland")
    sector = sector_maker.load(zones=make.collection(field))
    walker = make.walker([(0.0, 10.0, -40.0), (60.0, 10.0, 44.0)])
    (alert,) = run(sector, make.world([walker]).messages()).alerts
    assert alert.kind == "crossing"
