"""A vehicle that meets people by a trail; not one that passes, nor people who pass a parked one."""

from typing import Any

import pytest

from edge.messages import AlertKind
from fusion.situation.meetings import Stop, observe

ROAD_M, TRAIL_M = -300.0, 20.0  # the road runs west-east, the trail begins 20 m north of it


@pytest.fixture
def sector(sector_maker, make) -> Any:
    line = sector_maker.line((0, ROAD_M + TRAIL_M), (0, -30))
    return sector_maker.load(
        trails=make.collection(make.feature("LineString", line, id="khe-lanh", name="Khe Lạnh"))
    )


def said(staged, sector, world) -> list:
    def stage(state, track, at_s, sector, near) -> Any:
        state, finding = observe(state, track, at_s, sector, near)
        return state, () if finding is None else (finding,)

    return staged(sector, world.messages(), stage, Stop())


def car(make, *, stops_s, goes_s, at_m=0.0) -> Any:
    """Drive up along the road at 8 m/s, stand, drive on."""
    way = [(stops_s - 10, at_m - 80, ROAD_M), (stops_s, at_m, ROAD_M), (goes_s, at_m, ROAD_M)]
    return make.walker([*way, (goes_s + 12, at_m + 100, ROAD_M)], label="car")


def world(make, *walkers: Any, until_s, seed=1) -> Any:
    eyes = [make.eye(fps=3.0, sigma_m=1.0)]
    return make.world(list(walkers), eyes=eyes, until_s=until_s, seed=seed)


def getting_out(make, count, *, at_s, until_s) -> list[Any]:
    """Appear beside the car one after the other, then go up the trail."""
    return [
        make.walker(
            [
                (at_s + k, -2.0 + 2.0 * k, ROAD_M + 2.5),
                (at_s + 4, -2.0 + 2.0 * k, ROAD_M + 3.5),
                (until_s, -2.0 + 2.0 * k, ROAD_M + 3.5 + 1.2 * (until_s - at_s - 4)),
            ]
        )
        for k in range(count)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_people_who_get_out_are_a_drop_off(make, sector, staged, seed) -> None:
    people = getting_out(make, 3, at_s=14, until_s=60)
    found = said(
        staged,
        sector,
        world(make, car(make, stops_s=10, goes_s=30), *people, until_s=60, seed=seed),
    )
    (_, first), (_, last) = found[0], found[-1]
    assert first.kind is AlertKind.RENDEZVOUS
    assert [reason.code for reason in first.reasons] == ["drop_off"]
    assert "khe-lanh" in first.reasons[0].text
    assert 14.0 <= found[0][0] <= 24.0
    most = max(found, key=lambda one: len(one[1].also))[1]
    assert (most.reasons[0].value, len(most.also)) == (3.0, 3)
    assert last.over in {"", "left"}


@pytest.mark.parametrize("seed", range(3))
def test_people_who_come_and_get_in_are_a_pick_up_once_it_drives_off(
    make, sector, staged, seed
) -> None:
    people = [
        make.walker([(0, -1.0 + 2 * k, ROAD_M + 60), (40 + 2 * k, -1.0 + 2 * k, ROAD_M + 2.0)])
        for k in range(3)
    ]
    found = said(
        staged,
        sector,
        world(make, car(make, stops_s=12, goes_s=55), *people, until_s=70, seed=seed),
    )
    assert [reason.code for reason in found[0][1].reasons] == ["pick_up"]
    assert found[0][1].reasons[0].value == 3.0
    assert found[0][0] >= 55.0


def test_people_who_wait_by_the_road_and_get_in_are_a_pick_up(make, sector, staged) -> None:
    people = [make.walker([(0, 3.0 * k, ROAD_M + 4), (22, 3.0 * k, ROAD_M + 2)]) for k in range(2)]
    found = said(
        staged, sector, world(make, car(make, stops_s=15, goes_s=30), *people, until_s=45)
    )
    assert [reason.code for reason in found[0][1].reasons] == ["pick_up"]


def test_a_car_that_passes_people_meets_nobody(make, sector, staged) -> None:
    passing = make.walker([(0, -150, ROAD_M), (30, 150, ROAD_M)], label="car")
    people = getting_out(make, 3, at_s=14, until_s=60)
    assert said(staged, sector, world(make, passing, *people, until_s=60)) == []


@pytest.mark.parametrize("seed", range(3))
def test_people_who_walk_past_a_parked_car_meet_nobody(make, sector, staged, seed) -> None:
    parked = make.walker([(0, 0, ROAD_M), (120, 0, ROAD_M)], label="car")
    passing = [
        make.walker([(5 + 2 * k, -60, ROAD_M + 3), (105 + 2 * k, 60, ROAD_M + 3)])
        for k in range(3)
    ]
    assert said(staged, sector, world(make, parked, *passing, until_s=110, seed=seed)) == []


def test_people_whom_a_car_hides_until_it_has_gone_did_not_get_in(make, sector, staged) -> None:
    """They stand behind it and are seen again when it has left."""
    standing = [make.walker([(0, 2.0 * k, ROAD_M + 3), (70, 2.0 * k, ROAD_M + 3)]) for k in (0, 1)]
    scene = world(make, car(make, stops_s=15, goes_s=40), *standing, until_s=70)
    lines = scene.messages()
    for line in lines:
        second = int(line["payload"]["message_id"].rsplit("-", 1)[1]) / 3.0
        if 34.0 <= second <= 42.0:
            seen = line["payload"]["detections"]
            line["payload"]["detections"] = [one for one in seen if one["label"] == "car"]

    class Hidden:
        messages = staticmethod(lambda: lines)

    found = said(staged, sector, Hidden)
    assert found == []


def test_a_driver_alone_or_a_stop_far_from_any_trail_is_no_meeting(make, sector, staged) -> None:
    (driver,) = getting_out(make, 1, at_s=14, until_s=60)
    assert (
        said(staged, sector, world(make, car(make, stops_s=10, goes_s=30), driver, until_s=60))
        == []
    )
    far = car(make, stops_s=10, goes_s=30, at_m=150.0)
    people = [
        make.walker([(t, x + 150.0, y) for t, x, y in one.path])
        for one in getting_out(make, 3, at_s=14, until_s=60)
    ]
    assert said(staged, sector, world(make, far, *people, until_s=60)) == []


def test_a_car_that_brakes_so_hard_that_its_track_is_lost_still_drove_up(
    make, sector, staged
) -> None:
    way = [(0, -80, ROAD_M), (10, 0, ROAD_M), (45, 0, ROAD_M)]
    people = getting_out(make, 3, at_s=14, until_s=45)
    eyes = [make.eye(fps=5.0, sigma_m=1.0)]
    found = said(
        staged, sector, make.world([make.walker(way, label="car"), *people], eyes=eyes, until_s=45)
    )
    assert found[-1][1].reasons[0].code == "drop_off"
