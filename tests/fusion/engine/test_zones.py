"""Who is in a restricted zone, by the whole of the error; while it is restricted."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import AlertKind
from fusion.local_frame import Metres
from fusion.situation.zones import Stays, inside, observe

coordinates = st.floats(-50.0, 50.0)
sigmas = st.floats(0.3, 30.0)


def box(west: float, south: float, east: float, north: float) -> list[Metres]:
    corners = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return [Metres(*corner) for corner in corners]


def phi(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2.0))


@given(x=coordinates, y=coordinates, sx=sigmas, sy=sigmas, w=st.floats(1, 60), h=st.floats(1, 60))
def test_in_a_box_it_is_the_product_of_two_normal_distributions(x, y, sx, sy, w, h) -> None:
    found = inside([box(-w, -h, w, h)], Metres(x, y), (sx * sx, 0.0, sy * sy))
    along = phi((w - x) / sx) - phi((-w - x) / sx)
    across = phi((h - y) / sy) - phi((-h - y) / sy)
    assert found == pytest.approx(along * across, abs=1e-6)


@given(x=coordinates, y=coordinates, sx=sigmas, sy=sigmas, angle=st.floats(0.0, 6.3))
def test_turning_the_whole_scene_changes_nothing(x, y, sx, sy, angle) -> None:
    ring = [Metres(-20, -9), Metres(25, -14), Metres(3, 2), Metres(12, 30), Metres(-20, -9)]
    cos, sin = math.cos(angle), math.sin(angle)

    def turn(at: Metres) -> Metres:
        return Metres(cos * at.x_m - sin * at.y_m, sin * at.x_m + cos * at.y_m)

    xx, yy = sx * sx, sy * sy
    cov = (cos * cos * xx + sin * sin * yy, cos * sin * (xx - yy), sin * sin * xx + cos * cos * yy)
    straight = inside([ring], Metres(x, y), (xx, 0.0, yy))
    turned = inside([[turn(at) for at in ring]], turn(Metres(x, y)), cov)
    assert turned == pytest.approx(straight, abs=1e-6)
    assert inside([ring[::-1]], Metres(x, y), (xx, 0.0, yy)) == pytest.approx(straight, abs=1e-9)


@given(x=coordinates, y=coordinates, s=sigmas, at=st.floats(-0.9, 0.9))
def test_two_parts_of_a_zone_add_up_and_a_hole_is_no_part(x, y, s, at) -> None:
    here, cov = Metres(x, y), (s * s, 0.3 * s * s, 2.0 * s * s)
    whole = inside([box(-30, -20, 30, 20)], here, cov)
    split = 30.0 * at
    parts = inside([box(-30, -20, split, 20)], here, cov) + inside(
        [box(split, -20, 30, 20)], here, cov
    )
    assert parts == pytest.approx(whole, abs=1e-6)
    hole = box(-10, -10, 10, 10)
    assert inside([box(-30, -20, 30, 20), hole], here, cov) == pytest.approx(
        whole - inside([hole], here, cov), abs=1e-6
    )


@pytest.mark.parametrize("at", [Metres(0, 0), Metres(0, 10), Metres(10, 10), Metres(-10, 3)])
def test_on_the_outline_and_on_its_corners_nothing_jumps(at) -> None:
    cov = (4.0, 0.0, 4.0)
    ring = box(-10, -10, 10, 10)
    beside = [
        inside([ring], Metres(at.x_m + dx, at.y_m + dy), cov)
        for dx, dy in ((1e-7, 0.0), (-1e-7, 0.0), (0.0, 1e-7), (0.0, -1e-7))
    ]
    assert beside == pytest.approx([inside([ring], at, cov)] * 4, abs=1e-5)


def zoned(sector_maker, make, *, half_m=30.0, kind="restricted", **properties: Any) -> Any:
    ring = sector_maker.square(0, -200, half_m)
    zone = make.feature("Polygon", ring, id="kho", name="Kho đạn", kind=kind, **properties)
    return sector_maker.load(zones=make.collection(zone))


def said(staged, sector, world) -> list:
    return staged(sector, world.messages(), lambda s, t, a, sec, _: observe(s, t, a, sec), Stays())


def through(make, *, label="person") -> Any:
    """Walk 200 m from west to east; in the zone from 60 s to 111 s."""
    return make.walker([(0, -100, -200), (170, 100, -200)], label=label)


@pytest.mark.parametrize("label", ["person", "car", "boat"])
def test_whoever_comes_in_is_said_once_surely_inside_and_over_once_out(
    make, sector_maker, staged, label
) -> None:
    sector = zoned(sector_maker, make)
    world = make.world([through(make, label=label)], until_s=170)
    found = said(staged, sector, world)
    begun, over = found[0], found[-1]
    assert begun[1].kind is AlertKind.ZONE
    assert begun[1].subject == "kho"
    assert [reason.code for reason in begun[1].reasons] == ["in_restricted_zone"]
    assert begun[1].probability >= 0.95
    assert 60.0 <= begun[0] <= 68.0
    assert (over[1].over, over[1].subject) == ("left", "kho")
    assert 109.0 <= over[0] <= 117.0
    assert not any(finding.over for _, finding in found[:-1])
    assert min(b - a for (a, _), (b, _) in pairwise(found)) > 0.9


def test_whoever_passes_by_an_animal_or_a_zone_of_another_kind_is_not_said(
    make, sector_maker, staged
) -> None:
    past = make.walker([(0, -100, -236), (170, 100, -236)])
    cow = through(make, label="cow")
    assert said(staged, zoned(sector_maker, make), make.world([past, cow], until_s=170)) == []
    farmland = zoned(sector_maker, make, kind="farmland")
    assert said(staged, farmland, make.world([through(make)], until_s=170)) == []


def test_a_point_inside_is_not_enough_where_the_error_is_large(make, sector_maker, staged) -> None:
    sector = zoned(sector_maker, make, half_m=10.0)
    still = make.walker([(0, 0, -200), (60, 0, -200)])
    eye = make.eye(sigma_m=3.0, bias_sigma_m=9.0)
    assert said(staged, sector, make.world([still], eyes=[eye])) == []
    assert said(staged, sector, make.world([still], eyes=[make.eye(sigma_m=3.0)])) != []


def test_a_zone_holds_at_its_hours(make, sector_maker, staged) -> None:
    """The scene begins at 00:00 of a Sunday in Viet Nam; hours end a stay."""
    always = make.walker([(0, 0, -200), (120, 0, -200)])
    world = make.world([always], until_s=120)
    day = zoned(sector_maker, make, schedule="06:00-18:00")
    assert said(staged, day, world) == []
    night = zoned(sector_maker, make, schedule="18:00-00:01")
    found = said(staged, night, world)
    assert [reason.code for reason in found[0][1].reasons][1] == "restricted_now"
    assert found[-1][1].over == "left"
    assert found[-1][0] == pytest.approx(60.0, abs=1.5)
