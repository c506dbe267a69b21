"""Lenses that bend: OpenCV as the oracle, no ray beyond what is known, errors as they are drawn."""

from typing import Final

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge.camera import (
    BoolArray,
    Camera,
    FloatArray,
    Pose,
    PoseSigma,
    described_share,
    enu_from_camera,
    field_of_view_deg,
    focal_px,
    pixels_from_enu,
    rays_by_focal,
    rays_by_pixel,
    rays_camera,
)
from edge.distortion import distortion_of, reach
from edge.footprint import footprint
from edge.georeference import place_many
from edge.ground import Ground

PINHOLE: Final = Camera(1920, 1080, 1600.0, 1600.0, 959.5, 539.5, None, ())
# Two lenses that somebody calibrated and published, of a drone's and of a headset's camera.
REAL_BROWN: Final = Camera(
    752, 480, 458.654, 457.296, 367.215, 248.375,
    "brown", (-0.28340811, 0.07395907, 0.00019359, 1.76187114e-05),
)  # fmt: skip
REAL_FISHEYE: Final = Camera(
    512, 512, 190.978, 190.973, 254.932, 256.897,
    "fisheye", (0.0034823894, 0.0007150348, -0.0020532361, 0.0002029367),
)  # fmt: skip
REAL: Final = [REAL_BROWN, REAL_FISHEYE]
# Descriptions that fold: at 44 and 45 degrees off the axis, and at 91.
FOLDED: Final = [
    PINHOLE._replace(model="brown", distortion=(-0.35, 0.0, 0.0, 0.0, 0.0), fx_px=1200.0),
    PINHOLE._replace(model="brown", distortion=(0.3, -0.4, 0.0, 0.0, 0.0), fx_px=700.0),
    PINHOLE._replace(model="fisheye", distortion=(-0.05, -0.02, 0.0, 0.0), fx_px=500.0),
]
LEVEL: Final = Pose(22.5, 104.0, 1010.0, 0.0, 0.0, 0.0)
EXACT: Final = PoseSigma(0.0, 0.0, 0.0, 0.0, 0.0)

small = st.floats(-0.5, 0.5)
tiny = st.floats(-0.01, 0.01)
browns = st.builds(
    lambda *k: PINHOLE._replace(model="brown", distortion=k), small, small, tiny, tiny, small
)
fisheyes = st.builds(
    lambda *k: PINHOLE._replace(model="fisheye", distortion=k), small, tiny, tiny, tiny
)
focals = st.floats(300.0, 3000.0)


def seen_by(rays: FloatArray, camera: Camera) -> tuple[FloatArray, BoolArray]:
    """Project rays (N, 3) of the camera's own frame."""
    return pixels_from_enu(rays @ enu_from_camera(LEVEL).T, camera, LEVEL)


def over(camera: Camera, columns: int = 17, rows: int = 9) -> FloatArray:
    across = np.linspace(0.0, camera.width_px - 1.0, columns)
    down = np.linspace(0.0, camera.height_px - 1.0, rows)
    return np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)


def with_opencv(pixel: FloatArray, camera: Camera, focal: float = 1.0) -> FloatArray:
    """Return the ray (3,) of a pixel (2,), the focal length longer by a factor."""
    inside = np.array(
        [
            [camera.fx_px * focal, 0.0, camera.cx_px],
            [0.0, camera.fy_px * focal, camera.cy_px],
            [0.0, 0.0, 1.0],
        ]
    )
    until = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
    undistort = cv2.fisheye.undistortPoints if camera.model == "fisheye" else cv2.undistortPoints
    slope = undistort(pixel[None, None], inside, np.array(camera.distortion), criteria=until)
    return np.array((*slope[0, 0], 1.0)) / np.sqrt(1.0 + np.sum(slope**2))


@pytest.mark.parametrize("camera", REAL, ids=["brown", "fisheye"])
def test_opencv_sees_the_same(camera: Camera) -> None:
    pixels = over(camera)
    rays = rays_camera(pixels, camera)
    ahead = rays[:, 2] > 0.2  # OpenCV's fisheye knows slopes only
    assert np.count_nonzero(ahead) > 100
    for pixel, ray in zip(pixels[ahead], rays[ahead], strict=True):
        np.testing.assert_allclose(with_opencv(pixel, camera), ray, atol=1e-7)


@settings(max_examples=200)
@given(camera=browns | fisheyes, focal=focals, u=st.floats(0.0, 1919.0), v=st.floats(0.0, 1079.0))
def test_a_ray_goes_back_to_its_pixel_or_is_none(
    camera: Camera, focal: float, u: float, v: float
) -> None:
    camera = camera._replace(fx_px=focal, fy_px=focal)
    ray = rays_camera(np.array([[u, v]]), camera)
    assume(np.isfinite(ray).all())
    back, in_front = seen_by(ray, camera)
    assert in_front[0]
    np.testing.assert_allclose(back[0], (u, v), atol=0.01)


@settings(max_examples=200)
@given(
    camera=browns | fisheyes,
    off_deg=st.floats(0.0, 179.0),
    round_deg=st.floats(0.0, 360.0),
    length_m=st.floats(0.1, 1e4),
)
def test_a_point_is_seen_by_no_other_ray_than_its_own(
    camera: Camera, off_deg: float, round_deg: float, length_m: float
) -> None:
    """Folded, a point far off the axis would be seen in the middle of the picture."""
    off, turn = np.radians((off_deg, round_deg))
    ray = np.array([(np.sin(off) * np.cos(turn), np.sin(off) * np.sin(turn), np.cos(off))])
    pixel, in_front = seen_by(ray * length_m, camera)
    if in_front[0]:
        back = rays_camera(pixel, camera)
        assume(np.isfinite(back).all())  # at the very rim of what is known
        # Near the rim an angle changes without end while its pixel hardly does.
        again, _ = seen_by(back, camera)
        np.testing.assert_allclose(again, pixel, atol=0.01)
        slope = np.linalg.norm(rays_by_pixel(pixel, camera)[0], 2)
        assert np.linalg.norm(back - ray) < 1e-6 + 1e-3 * slope
    else:
        assert pixel.tolist() == [[959.5, 539.5]]


def test_what_lies_beyond_the_fold_has_neither_ray_nor_place() -> None:
    """It used to get a place 50 m away with a CE90 of 9 m: re-projected, it was 422 px off."""
    brown, other, fisheye = FOLDED
    ground, pose = Ground(1000.0, 1.0), LEVEL._replace(pitch_deg=-20.0)
    for camera, pixel in (
        (brown, (0.0, 539.5)),
        (brown._replace(fx_px=700.0, fy_px=700.0), (1919.0, 1079.0)),
        (other, (1919.0, 1079.0)),
        (fisheye, (100.0, 100.0)),
        (fisheye, (300.0, 539.5)),
    ):
        pixels = np.array([pixel, (959.5, 700.0)])
        assert np.isnan(rays_camera(pixels, camera)[0]).all()
        found = place_many(pixels, camera, pose, EXACT, ground, pixel_sigma_px=3.0)
        assert found.ok.tolist() == [False, True]


def test_points_beyond_the_fold_are_not_in_the_picture() -> None:
    """60 and 62 degrees off the axis used to be seen at u = 856 and 422, turned about."""
    off = np.radians((40.0, 43.0, 60.0, 62.0))
    rays = np.column_stack((np.sin(off), np.zeros(4), np.cos(off)))
    pixels, in_front = seen_by(rays, FOLDED[0]._replace(fy_px=1200.0))
    assert in_front.tolist() == [True, True, False, False]
    assert pixels[1, 0] > pixels[0, 0] > 959.5


@pytest.mark.parametrize("camera", FOLDED)
def test_every_place_near_a_fold_has_a_finite_error(camera: Camera) -> None:
    pose, pixels = LEVEL._replace(pitch_deg=-50.0), over(camera, 193, 109)
    sigma = PoseSigma(0.1, 0.1, 0.1, 0.1, 0.1)
    found = place_many(pixels, camera, pose, sigma, Ground(1000.0, 1.0), pixel_sigma_px=3.0)
    assert 100 < np.count_nonzero(found.ok) < len(pixels)
    assert np.isfinite(found.cov_m2[found.ok]).all()
    assert np.isfinite(found.cov_bias_m2[found.ok]).all()
    assert footprint(camera, pose, Ground(1000.0, 1.0)) is not None


def test_a_pixel_at_the_fold_is_hardly_known() -> None:
    camera = FOLDED[0]._replace(fy_px=1200.0, width_px=4000, cx_px=1999.5)
    rim_px = 1200.0 * reach(distortion_of("brown", camera.distortion)) * 2.0 / 3.0
    pixels = np.array([(1999.5 + rim_px - back, 539.5) for back in (300.0, 1.0)])
    known, hardly = rays_by_pixel(pixels, camera)[:, :, 0]
    assert np.linalg.norm(hardly) > 5.0 * np.linalg.norm(known)


def test_a_fisheye_sees_beside_and_behind_itself() -> None:
    fisheye = PINHOLE._replace(model="fisheye", distortion=(0.0,) * 4, fx_px=300.0, fy_px=300.0)
    off = np.radians((0.0, 60.0, 90.0, 110.0, 180.0))
    rays = np.column_stack((np.sin(off), np.zeros(5), np.cos(off)))
    pixels, in_front = seen_by(rays, fisheye)
    assert in_front.tolist() == [True, True, True, True, False]
    np.testing.assert_allclose(pixels[:4, 0], 959.5 + 300.0 * off[:4])


@pytest.mark.parametrize("k", [(1e6,) * 5, (-1e6,) * 5, (0.0, 0.0, 1e6, -1e6, 0.0), (1e-320,) * 5])
@pytest.mark.parametrize("model", ["brown", "fisheye"])
def test_absurd_coefficients_give_no_confident_ray(model: str, k: tuple[float, ...]) -> None:
    camera = PINHOLE._replace(model=model, distortion=k[:4] if model == "fisheye" else k)
    pixels = over(camera)
    rays = rays_camera(pixels, camera)
    some = np.isfinite(rays[:, 0])
    back, in_front = seen_by(rays[some], camera)
    assert in_front.all()
    np.testing.assert_allclose(back, pixels[some], atol=0.01)


@pytest.mark.parametrize("camera", [PINHOLE, *REAL], ids=["pinhole", "brown", "fisheye"])
def test_rays_turn_with_pixels_and_focal_length_as_differences_say(camera: Camera) -> None:
    camera, pixels = camera._replace(focal_sigma=0.01), over(camera)
    step = 1e-3
    by_pixel = np.stack(
        [
            (rays_camera(pixels + half, camera) - rays_camera(pixels - half, camera)) / step
            for half in np.eye(2) * step / 2.0
        ],
        axis=-1,
    )
    np.testing.assert_allclose(rays_by_pixel(pixels, camera), by_pixel, atol=1e-9)
    longer, shorter = (
        camera._replace(fx_px=camera.fx_px * factor, fy_px=camera.fy_px * factor)
        for factor in (1.0 + 1e-6, 1.0 - 1e-6)
    )
    by_focal = (rays_camera(pixels, longer) - rays_camera(pixels, shorter)) / 2e-6 * 0.01
    np.testing.assert_allclose(rays_by_focal(pixels, camera), by_focal, atol=1e-9)


@pytest.mark.parametrize(
    ("camera", "corner"),
    [
        (REAL_BROWN, (0.03, 0.96)),
        (REAL_BROWN, (0.97, 0.97)),
        (REAL_FISHEYE, (0.16, 0.84)),  # 75 degrees off the axis
        (REAL_FISHEYE, (0.82, 0.8)),
    ],
)
def test_errors_in_a_corner_are_those_of_drawn_pixels_and_focal_lengths(
    camera: Camera, corner: tuple[float, float]
) -> None:
    """OpenCV draws; the pose is exact. The focal length's part is shared, the pixel's is not."""
    pose = LEVEL._replace(yaw_deg=30.0, pitch_deg=-65.0, roll_deg=2.0)
    pixel = np.array(corner) * (camera.width_px - 1.0, camera.height_px - 1.0)
    random, turn = np.random.default_rng(4), enu_from_camera(pose)
    for focal_sigma, pixel_px in ((0.01, 1e-6), (0.0, 2.0), (0.01, 2.0)):
        unsure = camera._replace(focal_sigma=focal_sigma)
        claimed = place_many(
            pixel, unsure, pose, EXACT, Ground(1000.0, 0.0), pixel_sigma_px=pixel_px
        )
        hits = []
        for off in random.standard_normal((6000, 3)):
            told = pixel + off[:2] * pixel_px
            east, north, up = turn @ with_opencv(told, camera, 1.0 + off[2] * focal_sigma)
            hits.append((east * 10.0 / -up, north * 10.0 / -up))
        drawn = np.sqrt(np.linalg.eigvalsh(np.cov(np.array(hits).T)))
        whole = np.sqrt(np.maximum(np.linalg.eigvalsh(claimed.cov_m2[0]), 0.0))
        shared = np.sqrt(np.maximum(np.linalg.eigvalsh(claimed.cov_bias_m2[0]), 0.0))
        assert whole == pytest.approx(drawn, rel=0.05, abs=2e-4)
        if focal_sigma == 0.0:
            assert shared == pytest.approx((0.0, 0.0), abs=1e-6)
        elif pixel_px < 1.0:
            assert shared == pytest.approx(drawn, rel=0.05, abs=2e-4)


def test_a_focal_length_off_a_data_sheet_is_in_the_error() -> None:
    """Told 3 % too long, a place was 10.4 m off with a CE90 of 5.1 m: it knew no such error."""
    pose = LEVEL._replace(pitch_deg=-20.0)
    told = PINHOLE._replace(fx_px=1648.0, fy_px=1648.0, focal_sigma=0.03)
    sigma, pixel = PoseSigma(0.1, 0.1, 0.1, 0.1, 0.1), np.array([[959.5, 100.0]])
    places, truth = (
        place_many(pixel, camera, pose, sigma, Ground(1000.0, 0.1), pixel_sigma_px=3.0)
        for camera in (told, PINHOLE)
    )
    assert abs(places.slant_m[0] - truth.slant_m[0]) > 8.0
    assert np.sqrt(places.cov_bias_m2[0, 1, 1]) == pytest.approx(10.0, rel=0.25)


@pytest.mark.parametrize(
    ("camera", "hfov_deg"),
    [
        (PINHOLE, 60.0),
        (PINHOLE._replace(cx_px=700.0), 110.0),
        (REAL_BROWN, 78.0),
        (PINHOLE._replace(model="brown", distortion=(-0.3, 0.0, 0.0, 0.0)), 90.0),
        (REAL_FISHEYE, 150.0),
        (REAL_FISHEYE._replace(cx_px=200.0), 195.0),
        (PINHOLE._replace(model="fisheye", distortion=(0.0,) * 4), 300.0),
    ],
)
def test_a_camera_shows_the_field_of_view_that_it_was_given(
    camera: Camera, hfov_deg: float
) -> None:
    zoomed = camera.zoomed(hfov_deg)
    assert field_of_view_deg(zoomed)[0] == pytest.approx(hfov_deg, abs=1e-5)
    assert zoomed.fy_px / zoomed.fx_px == pytest.approx(camera.fy_px / camera.fx_px)
    assert zoomed.focal_sigma > 0.0


def test_focal_lengths_in_closed_form() -> None:
    fisheye = PINHOLE._replace(model="fisheye", distortion=(0.0,) * 4)
    assert focal_px(PINHOLE, 60.0) == pytest.approx(960.0 / np.tan(np.radians(30.0)))
    assert focal_px(fisheye, 150.0) == pytest.approx(960.0 / np.radians(75.0))


@pytest.mark.parametrize(("camera", "hfov_deg"), [(PINHOLE, 180.0), (FOLDED[0], 120.0)])
def test_a_field_of_view_that_no_such_lens_has_places_nothing(
    camera: Camera, hfov_deg: float
) -> None:
    zoomed = camera.zoomed(hfov_deg)
    assert np.isnan(zoomed.fx_px)
    found = place_many(over(zoomed), zoomed, LEVEL, EXACT, Ground(1000.0, 1.0), pixel_sigma_px=1.0)
    assert not found.ok.any()
    assert footprint(zoomed, LEVEL, Ground(1000.0, 1.0)) is None


def test_how_much_of_a_picture_is_described() -> None:
    assert [described_share(camera) for camera in (PINHOLE, *REAL)] == [1.0, 1.0, 1.0]
    assert all(0.3 < described_share(camera) < 0.9 for camera in FOLDED)


@pytest.mark.parametrize("depression_deg", [30.0, 12.0, 5.0])
def test_a_wrong_focal_length_throws_far_pixels_as_far_as_claimed(depression_deg: float) -> None:
    """Above the middle of the picture, down to where the error is swept."""
    camera = PINHOLE._replace(focal_sigma=0.03)
    pixel = np.array([1300.0, 100.0])
    above_deg = float(np.degrees(np.arctan(439.5 / 1600.0)))
    pose = LEVEL._replace(pitch_deg=-depression_deg - above_deg)
    claimed = place_many(pixel, camera, pose, EXACT, Ground(1000.0, 0.0), pixel_sigma_px=1e-6)
    longer = 1.0 + 0.03 * np.random.default_rng(6).standard_normal(20_000)
    slopes = (pixel - (959.5, 539.5)) / 1600.0 / longer[:, None]
    rays = np.column_stack((slopes, np.ones(len(slopes)))) @ enu_from_camera(pose).T
    hits = rays[:, :2] * (10.0 / -rays[:, 2])[:, None]
    drawn = np.sqrt(np.linalg.eigvalsh(np.cov(hits[rays[:, 2] < 0.0].T))[1])
    for covariance in (claimed.cov_m2[0], claimed.cov_bias_m2[0]):
        along = np.sqrt(np.linalg.eigvalsh(covariance)[1])
        assert along == pytest.approx(drawn, rel=0.1)
