"""Nearly flat ground: landmarks that stand a little above and below one plane, by a homography."""

import numpy as np
import pymap3d
import pytest

from edge.calibration.homography import HomographyFit, fit_homography
from edge.calibration.landmarks import Landmarks
from edge.calibration.refusals import CalibrationError
from edge.calibration.report import plane_summary
from edge.camera import Camera, FloatArray, Pose, rays_enu
from edge.plane import on_plane

CAMERA = Camera(1920, 1080, 1600.0, 1600.0, 959.5, 539.5, None, ())
TRUTH = Pose(22.5, 104.0, 1010.0, 30.0, -12.0, 1.5)
PIXELS = np.array(
    [[150, 900], [700, 1000], [1400, 950], [1800, 700], [300, 520], [1000, 480], [1600, 430],
     [900, 700.0]]
)  # fmt: skip
WITHIN = np.array([[151, 860], [1600, 600], [1000, 520], [900, 700], [600, 800], [1200, 900.0]])
BEYOND = np.array([[960, 360], [960, 300], [100, 1000], [1900, 1070], [1900, 400], [50, 300.0]])
NINE_IN_TEN = 4.605
SEEDS = 25


def east_north_m(pixels: FloatArray, above_m: FloatArray) -> FloatArray:
    rays = rays_enu(pixels, CAMERA, TRUTH)
    places: FloatArray = rays[:, :2] * ((above_m - 10.0) / rays[:, 2])[:, None]
    return places


def landmarks_of(chance: np.random.Generator, relief_m: float) -> Landmarks:
    above_m = chance.normal(0.0, relief_m, len(PIXELS))
    east, north = east_north_m(PIXELS, above_m).T
    lat, lon, alt_m = pymap3d.enu2geodetic(east, north, above_m - 10.0, *TRUTH[:3])
    return Landmarks(
        pixels=PIXELS + chance.normal(0.0, 1.5, PIXELS.shape),
        lat=lat,
        lon=lon,
        alt_m=alt_m,
        sigma_px=np.full(len(PIXELS), 2.0),
        names=tuple(f"L{row}" for row in range(len(PIXELS))),
        horizon=np.empty((0, 2)),
        horizon_sigma_px=np.empty(0),
        horizon_names=(),
    )


def fit(landmarks: Landmarks) -> HomographyFit:
    return fit_homography(CAMERA, landmarks, lat=22.5, lon=104.0)


@pytest.mark.parametrize("relief_m", [0.1, 0.3, 1.0])
def test_whoever_stands_on_uneven_ground_is_within_the_claim_nine_times_in_ten(
    relief_m: float,
) -> None:
    """On 0.3 m of relief right landmarks were thrown out, and places off by 10 times the claim."""
    out, within, beyond = 0, [], []
    for seed in range(SEEDS):
        chance = np.random.default_rng(seed)
        found = fit(landmarks_of(chance, relief_m))
        out += int((~found.used).sum())
        for pixels, inside in ((WITHIN, within), (BEYOND, beyond)):
            truth_m = east_north_m(pixels, chance.normal(0.0, relief_m, len(pixels)))
            seen = pixels + chance.normal(0.0, 2.0, pixels.shape)
            met = on_plane(seen, CAMERA, found.ground, pixel_sigma_px=2.0)
            off = met.east_north_m - truth_m
            far = np.einsum("ni,nij,nj->n", off, np.linalg.inv(met.cov_m2), off)
            inside.extend((far < NINE_IN_TEN)[met.ok])
    assert out <= 0.02 * SEEDS * len(PIXELS)
    # The least relief that is claimed, 0.2 m of furrows, is more than the smallest of these.
    assert 0.82 <= np.mean(within) <= (0.99 if relief_m < 0.2 else 0.96)
    assert 0.82 <= np.mean(beyond) <= 0.97


def test_a_landmark_pointed_at_wrongly_is_named_on_uneven_ground() -> None:
    for seed in range(6):
        landmarks = landmarks_of(np.random.default_rng(seed), 0.5)
        pixels = landmarks.pixels.copy()
        pixels[3, 0] -= 150.0
        found = fit(landmarks._replace(pixels=pixels))
        assert np.flatnonzero(~found.used).tolist() == [3]


def test_a_height_with_a_wrong_digit_makes_no_relief_and_moves_nothing() -> None:
    landmarks = landmarks_of(np.random.default_rng(1), 0.1)
    alt_m = landmarks.alt_m.copy()
    alt_m[6] += 9.0
    found = fit(landmarks._replace(alt_m=alt_m))
    assert found.ground.sigma_m < 0.4
    met = on_plane(WITHIN, CAMERA, found.ground, pixel_sigma_px=2.0)
    off_m = np.linalg.norm(met.east_north_m - east_north_m(WITHIN, np.zeros(6)), axis=1)
    assert off_m.max() < 3.0


def test_heights_that_the_picture_contradicts_are_not_used() -> None:
    """All heights mixed up, of landmarks that lie flat: the plane is found all the same."""
    chance = np.random.default_rng(3)
    landmarks = landmarks_of(chance, 0.0)
    found = fit(landmarks._replace(alt_m=landmarks.alt_m + chance.normal(0.0, 1.0, 8)))
    met = on_plane(WITHIN, CAMERA, found.ground, pixel_sigma_px=2.0)
    off_m = np.linalg.norm(met.east_north_m - east_north_m(WITHIN, np.zeros(6)), axis=1)
    assert off_m.max() < 3.0


def test_more_than_one_in_eight_thrown_out_is_said_and_more_than_a_third_refused() -> None:
    landmarks = landmarks_of(np.random.default_rng(2), 0.1)
    pixels = landmarks.pixels.copy()
    pixels[1] += (0.0, -150.0)
    pixels[3] += (-150.0, 30.0)
    two = landmarks._replace(pixels=pixels)
    (warning,) = [w for w in plane_summary(CAMERA, fit(two), two)["warnings"] if "contradict" in w]
    assert "2 of 8" in warning
    pixels[5] += (180.0, 120.0)
    with pytest.raises(CalibrationError, match="of 8 landmarks agree on one flat ground"):
        fit(landmarks._replace(pixels=pixels))
