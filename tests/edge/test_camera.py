"""Cameras: there and back again, and the compass is right."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera import (
    Camera,
    Pose,
    enu_from_camera,
    pixels_from_enu,
    rays_camera,
    rays_enu,
)

PINHOLE = Camera(1920, 1080, 1600.0, 1600.0, 959.5, 539.5, None, ())
BROWN = PINHOLE._replace(model="brown", distortion=(-0.12, 0.03, 0.0005, -0.0004, 0.0))
FISHEYE = PINHOLE._replace(
    fx_px=700.0, fy_px=700.0, model="fisheye", distortion=(0.02, -0.004, 0.001, 0.0)
)
angles = st.floats(-180.0, 180.0)
poses = st.builds(
    Pose, st.just(22.5), st.just(104.0), st.just(1120.0), angles, st.floats(-90.0, 90.0), angles
)
pixels = st.tuples(st.floats(0.0, 1919.0), st.floats(0.0, 1079.0))


def looking(yaw: float, pitch: float, roll: float = 0.0) -> Pose:
    return Pose(22.5, 104.0, 1120.0, yaw, pitch, roll)


@given(pose=poses)
def test_every_pose_is_a_rotation(pose: Pose) -> None:
    turn = enu_from_camera(pose)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("pose", "ahead"),
    [
        (looking(0, 0), (0, 1, 0)),
        (looking(90, 0), (1, 0, 0)),
        (looking(180, 0), (0, -1, 0)),
        (looking(270, 0), (-1, 0, 0)),
        (looking(0, -90), (0, 0, -1)),
        (looking(0, 90), (0, 0, 1)),
    ],
)
def test_yaw_turns_clockwise_from_north_and_pitch_goes_up(
    pose: Pose, ahead: tuple[float, float, float]
) -> None:
    np.testing.assert_allclose(enu_from_camera(pose)[:, 2], ahead, atol=1e-12)


def test_positive_roll_lowers_the_right_side() -> None:
    right_of_picture = enu_from_camera(looking(0, 0, 10))[:, 0]
    assert right_of_picture[2] < 0.0


@pytest.mark.parametrize("camera", [PINHOLE, BROWN, FISHEYE], ids=["pinhole", "brown", "fisheye"])
@given(pose=poses, pixel=pixels)
def test_a_ray_projects_onto_the_pixel_it_came_from(
    camera: Camera, pose: Pose, pixel: tuple[float, float]
) -> None:
    ray = rays_enu(np.array([pixel]), camera, pose)
    back, in_front = pixels_from_enu(ray * 73.0, camera, pose)
    assert in_front[0]
    np.testing.assert_allclose(back[0], pixel, atol=1e-6)


@pytest.mark.parametrize("camera", [PINHOLE, BROWN, FISHEYE], ids=["pinhole", "brown", "fisheye"])
def test_what_lies_behind_or_at_the_lens_is_marked_and_never_nan(camera: Camera) -> None:
    points = np.array([[0.0, -50.0, 0.0], [0.0, 0.0, 0.0], [10.0, 0.0, 0.0], [0.0, 50.0, 0.0]])
    found, in_front = pixels_from_enu(points, camera, looking(0, 0))
    beside = camera.model == "fisheye"  # which sees what is beside it
    assert in_front.tolist() == [False, False, beside, True]
    assert np.isfinite(found).all()


@pytest.mark.parametrize("camera", [PINHOLE, BROWN, FISHEYE], ids=["pinhole", "brown", "fisheye"])
def test_no_pixels_give_no_rays(camera: Camera) -> None:
    assert rays_camera(np.empty((0, 2)), camera).shape == (0, 3)
    assert pixels_from_enu(np.empty((0, 3)), camera, looking(0, 0))[0].shape == (0, 2)


def test_rays_have_unit_length() -> None:
    rays = rays_camera(np.array([[0.0, 0.0], [959.5, 539.5], [1919.0, 1079.0]]), BROWN)
    np.testing.assert_allclose(np.linalg.norm(rays, axis=1), 1.0)
    np.testing.assert_allclose(rays[1], (0.0, 0.0, 1.0), atol=1e-9)
