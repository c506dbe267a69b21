import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import DeviceConfig
from edge.georeference import Placed, place
from maps.demo.landscape import Point, latlon_of, place_of
from maps.demo.view import Seen, seen_from
from maps.demo.walkers import Looks, Role, Walker

DEVICES = ("cam-01", "cam-02", "drone-01")


def placed(eye, pixel, pose) -> Placed:
    config = eye.config
    (where,) = place(
        np.array([pixel]),
        config.camera,
        pose,
        config.pose_sigma,
        config.ground,
        pixel_sigma_px=config.detector.pixel_sigma,
    )
    assert where is not None
    return where


def standing(name, east_m, north_m) -> tuple[Walker, Point]:
    looks = Looks(figure=0, mirrored=False, brightness=1.0, height_m=1.7)
    at = Point(east_m, north_m)
    return Walker(name, Role.GROUP, looks, (0.0, 1.0), (at, at)), at


@given(st.floats(-100.0, 100.0), st.floats(-100.0, 100.0))
def test_a_place_comes_back_from_its_latitude_and_longitude(east_m, north_m) -> None:
    lat, lon = latlon_of(east_m, north_m)
    assert place_of(lat, lon) == pytest.approx((east_m, north_m), abs=0.002)


@pytest.mark.parametrize("device", DEVICES)
def test_with_its_true_pose_and_ground_a_device_would_place_people_to_the_centimetre(
    eye_of, device
) -> None:
    eye = eye_of(device)
    ground = eye.config.ground._replace(alt_m=30.0)
    eye = eye._replace(config=_with_ground(eye.config, ground))
    seen = [one for night_s in range(20, 70, 2) for one in _whole(eye, night_s)]
    assert len(seen) > 10
    for night_s, one in seen:
        where = placed(eye, one.contact_px, eye.true_pose(night_s))
        assert place_of(where.lat, where.lon) == pytest.approx(one.place, abs=0.01)


@pytest.mark.parametrize("device", DEVICES)
def test_with_the_pose_it_believes_in_it_errs_by_no_more_than_it_claims(eye_of, device) -> None:
    """A claim is a 90 % ellipse; the world's draws are fixed, so four sigma must always hold."""
    eye = eye_of(device)
    seen = [pair for moment in range(20, 300, 3) for pair in _whole(eye, moment)]
    for night_s, one in seen:
        pose = eye.reported_pose(night_s) or eye.config.pose
        where = placed(eye, one.contact_px, pose)
        error = np.array(place_of(where.lat, where.lon)) - np.array(one.place)
        var_east, cov, var_north = where.cov_m2
        distance2 = error @ np.linalg.solve([[var_east, cov], [cov, var_north]], error)
        assert 0.0 < distance2 < 16.0


def test_a_camera_on_a_mast_errs_always_alike_and_a_drone_drifts(eye_of) -> None:
    mast, drone = eye_of("cam-01"), eye_of("drone-01")
    assert mast.true_pose(1.0) == mast.true_pose(1000.0) != mast.config.pose
    offset = [
        drone.true_pose(night_s).pitch_deg - drone.reported_pose(night_s).pitch_deg
        for night_s in np.arange(0.0, 3000.0, 10.0)
    ]
    assert np.std(offset) == pytest.approx(drone.config.pose_sigma.pitch_deg, rel=0.3)


@pytest.mark.parametrize("device", DEVICES)
def test_people_near_the_line_are_tall_enough_for_the_detector(eye_of, device) -> None:
    eye = eye_of(device)
    heights = [one.height_px for night_s in range(200) for _, one in _whole(eye, night_s)]
    assert min(heights) > 80.0
    assert np.median(heights) > 105.0


def test_who_stands_before_another_hides_him(eye_of) -> None:
    eye = eye_of("cam-01")
    pose, camera = eye.config.pose, eye.config.camera
    far, near = standing("far", -50.0, 4.0), standing("near", -50.15, 3.0)
    seen = {one.walker.walker_id: one for one in seen_from([near, far], camera, pose)}
    assert seen["near"].is_whole(camera)
    assert not seen["far"].is_whole(camera)
    assert seen["near"].hidden == 0.0 < seen["far"].hidden


def test_the_farthest_are_drawn_first(eye_of) -> None:
    eye = eye_of("cam-02")
    seen = eye.seen(50.0, seed=1)
    distances = [one.distance_m for one in seen]
    assert len(distances) >= 2
    assert distances == sorted(distances, reverse=True)


@settings(max_examples=25)
@given(st.floats(0.0, 600.0))
def test_nobody_is_seen_outside_the_picture(eye_of, night_s) -> None:
    eye = eye_of("drone-01")
    for one in eye.seen(night_s, seed=1):
        x1, y1, x2, y2 = one.box_px
        assert x2 >= 0
        assert y2 >= 0
        assert x1 < eye.config.camera.width_px
        assert y1 < eye.config.camera.height_px


def _whole(eye, night_s) -> list[tuple[float, Seen]]:
    camera = eye.config.camera
    return [(night_s, one) for one in eye.seen(night_s, seed=1) if one.is_whole(camera)]


def _with_ground(config, ground) -> DeviceConfig:
    return msgspec.structs.replace(config, ground=ground)
