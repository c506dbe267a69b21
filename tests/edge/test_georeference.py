"""Positions: published vectors, an independent geodesy, and an error that Monte Carlo confirms."""

import json

import numpy as np
import pymap3d
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.accuracy import ce90_m, sigmas_m
from edge.camera import Camera, Pose, PoseSigma, rays_enu
from edge.georeference import Ground, Placed, footprint, place
from edge.messages import encode

CAMERA = Camera(1920, 1080, 1600.0, 1600.0, 959.5, 539.5, None, ())
GROUND = Ground(alt_m=1000.0, sigma_m=4.0)
SIGMA = PoseSigma(position_m=2.5, alt_m=3.0, yaw_deg=0.5, pitch_deg=0.5, roll_deg=0.0)
EXACT = PoseSigma(0.0, 0.0, 0.0, 0.0, 0.0)
CENTRE = (959.5, 539.5)
WGS84 = pyproj.Geod(ellps="WGS84")

# DOMAIN.md 4.2: yaw, pitch, roll, u, v, flat north and east, hit on the ellipsoid, slant range.
VECTORS = [
    ((0, -90, 0), CENTRE, (0.0, 0.0), (22.50000000, 104.00000000), 120.0000),
    ((0, -45, 0), CENTRE, (120.0, 0.0), (22.50108349, 104.00000000), 169.7072),
    ((90, -30, 0), CENTRE, (0.0, 207.8461), (22.49999999, 104.00201970), 240.0068),
    ((0, -45, 0), (1279.5, 539.5), (120.0, 33.9411), (22.50108349, 104.00032981), 173.0682),
    ((225, -20, 2), (400, 900), (-191.6008, -79.7453), (22.49826999, 103.99922510), 239.7362),
    ((0, -5, 0), CENTRE, (1371.6063, 0.0), (22.51239953, 104.00000000), 1378.5506),
]
# DOMAIN.md 4.3: depression, sigma along, sigma across, CE90.
ERRORS = [
    (90, 2.7, 2.5, 5.6),
    (60, 4.1, 2.6, 7.4),
    (45, 6.0, 2.7, 10.3),
    (30, 10.0, 3.1, 16.7),
    (20, 16.7, 3.9, 27.8),
    (15, 24.7, 4.7, 40.9),
    (10, 45.5, 6.6, 75.2),
    (7, 82.9, 9.1, 136.6),
    (5, 152.2, 12.5, 250.6),
    (3, 402.5, 20.6, 662.0),
]


def looking(yaw: float, pitch: float, roll: float = 0.0) -> Pose:
    return Pose(22.5, 104.0, 1120.0, yaw, pitch, roll)


def place_one(
    pose: Pose,
    pixel: tuple[float, float] = CENTRE,
    *,
    camera: Camera = CAMERA,
    sigma: PoseSigma = SIGMA,
    ground: Ground = GROUND,
    pixel_sigma_px: float = 3.0,
) -> Placed | None:
    return place(np.array([pixel]), camera, pose, sigma, ground, pixel_sigma_px=pixel_sigma_px)[0]


@pytest.mark.parametrize(("angles", "pixel", "north_east", "hit", "slant_m"), VECTORS)
def test_the_published_vectors_on_the_ellipsoid(
    angles: tuple[float, float, float],
    pixel: tuple[float, float],
    north_east: tuple[float, float],
    hit: tuple[float, float],
    slant_m: float,
) -> None:
    placed = place_one(looking(*angles), pixel)
    assert placed is not None
    assert (placed.lat, placed.lon) == pytest.approx(hit, abs=5.1e-9)
    assert placed.slant_m == pytest.approx(slant_m, abs=5.1e-5)
    assert placed.alt_m == 1000.0
    del north_east


@pytest.mark.parametrize(("angles", "pixel", "north_east", "hit", "slant_m"), VECTORS)
def test_the_published_vectors_on_a_plane(
    angles: tuple[float, float, float],
    pixel: tuple[float, float],
    north_east: tuple[float, float],
    hit: tuple[float, float],
    slant_m: float,
) -> None:
    east, north, up = rays_enu(np.array([pixel]), CAMERA, looking(*angles))[0]
    assert (north * 120.0 / -up, east * 120.0 / -up) == pytest.approx(north_east, abs=5.1e-5)
    del hit, slant_m


def test_a_pixel_above_the_horizon_has_no_place() -> None:
    assert place_one(looking(30, -10), (959.5, 200.0)) is None


@pytest.mark.parametrize("pitch", [0.0, 5.0, 90.0, -0.05])
def test_a_level_ray_has_no_place(pitch: float) -> None:
    assert place_one(looking(0, pitch)) is None


def test_a_lens_below_the_ground_sees_none_of_it() -> None:
    assert place_one(looking(0, -45), ground=Ground(1200.0, 1.0)) is None


@pytest.mark.parametrize(("depression", "along_m", "across_m", "ce90"), ERRORS)
def test_the_published_table_of_errors(
    depression: float, along_m: float, across_m: float, ce90: float
) -> None:
    """The table is on a plane; far out the Earth's curve adds up to 1.1 %."""
    placed = place_one(looking(0, -depression))
    assert placed is not None
    far = 0.012 if depression < 10 else 0.002
    assert sigmas_m(placed.cov_m2) == pytest.approx((along_m, across_m), abs=0.06, rel=far)
    assert ce90_m(placed.cov_m2) == pytest.approx(ce90, abs=0.06, rel=far)
    assert placed.grazing == (depression <= 10)


def test_the_error_points_where_the_camera_looks() -> None:
    to_east, to_north = place_one(looking(90, -15)), place_one(looking(0, -15))
    assert to_east is not None
    assert to_north is not None
    assert to_east.cov_m2[0] == pytest.approx(to_north.cov_m2[2], rel=1e-3)
    assert to_east.cov_m2[2] == pytest.approx(to_north.cov_m2[0], rel=1e-3)
    assert to_east.cov_m2[0] > 10.0 * to_east.cov_m2[2]


@pytest.mark.parametrize("pitch", [-20.0, -30.0, -45.0, -70.0])
def test_monte_carlo_agrees_with_the_linear_error_at_20_degrees_and_more(pitch: float) -> None:
    """One hundred thousand cameras, each a little off; DOMAIN.md 4.3 wants 5 %."""
    sigma, count = SIGMA._replace(roll_deg=0.4), 100_000
    pose, pixel = looking(40.0, pitch, 1.0), np.array([700.0, 620.0])
    placed = place_one(pose, tuple(pixel), sigma=sigma)
    assert placed is not None
    random = np.random.default_rng(20260314)
    off = random.standard_normal((count, 9))
    angles = np.radians(np.array(pose[3:]) + off[:, :3] * np.array(sigma[2:]))
    slopes = (pixel + 3.0 * off[:, 3:5] - np.array(CENTRE)) / 1600.0
    # Spelt out, not with our own rotation: roll, then pitch, then yaw, in north-east-down.
    x, y, z = np.ones(count), slopes[:, 0], slopes[:, 1]
    yaw, tilt, roll = angles.T
    y, z = y * np.cos(roll) - z * np.sin(roll), y * np.sin(roll) + z * np.cos(roll)
    x, z = x * np.cos(tilt) + z * np.sin(tilt), -x * np.sin(tilt) + z * np.cos(tilt)
    x, y = x * np.cos(yaw) - y * np.sin(yaw), x * np.sin(yaw) + y * np.cos(yaw)
    height = 120.0 + sigma.alt_m * off[:, 5] + GROUND.sigma_m * off[:, 6]
    east = y / z * height + sigma.position_m * off[:, 7]
    north = x / z * height + sigma.position_m * off[:, 8]
    found = np.cov(np.stack((east, north)))
    along_m, across_m = np.sqrt(np.linalg.eigvalsh(found))[::-1]
    assert sigmas_m(placed.cov_m2) == pytest.approx((along_m, across_m), rel=0.05)


def test_the_shared_part_is_the_whole_without_the_pixel() -> None:
    whole, perfect_pixel = (
        place_one(looking(10, -30)),
        place_one(looking(10, -30), pixel_sigma_px=0),
    )
    assert whole is not None
    assert perfect_pixel is not None
    assert whole.cov_bias_m2 == pytest.approx(perfect_pixel.cov_m2)
    assert whole.cov_m2[0] > whole.cov_bias_m2[0]


def test_with_a_perfect_camera_only_the_pixel_is_off() -> None:
    placed = place_one(looking(0, -90), sigma=EXACT, ground=Ground(1000.0, 0.0))
    assert placed is not None
    assert placed.cov_bias_m2 == pytest.approx((0.0, 0.0, 0.0))
    assert sigmas_m(placed.cov_m2) == pytest.approx((3.0 * 120.0 / 1600.0,) * 2, rel=1e-3)


def test_each_pixel_may_have_its_own_error() -> None:
    pixels = np.array([CENTRE, CENTRE])
    sharp, blurred = place(
        pixels, CAMERA, looking(0, -30), SIGMA, GROUND, pixel_sigma_px=np.array([1.0, 50.0])
    )
    assert sharp is not None
    assert blurred is not None
    assert ce90_m(blurred.cov_m2) > ce90_m(sharp.cov_m2)
    assert sharp.cov_bias_m2 == blurred.cov_bias_m2


def test_boxes_are_placed_alike_one_by_one_and_all_together() -> None:
    pixels = np.array([[300.0, 900.0], [959.5, 2.0], [1700.0, 700.0]])
    together = place(pixels, CAMERA, looking(15, -12), SIGMA, GROUND, pixel_sigma_px=3.0)
    alone = [place_one(looking(15, -12), tuple(pixel)) for pixel in pixels]
    assert [placed is None for placed in together] == [False, True, False]
    for one, other in zip(together, alone, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.cov_m2 == pytest.approx(other.cov_m2, rel=1e-9)
            assert (one.lat, one.lon) == pytest.approx((other.lat, other.lon), abs=1e-12)


def test_no_boxes_have_no_places() -> None:
    nothing = np.empty((0, 2))
    assert place(nothing, CAMERA, looking(0, -45), SIGMA, GROUND, pixel_sigma_px=3.0) == []


@settings(max_examples=60)
@given(
    lat=st.floats(-80.0, 80.0),
    lon=st.floats(-179.9, 179.9),
    yaw=st.floats(-180.0, 180.0),
    pitch=st.floats(-90.0, -3.0),
    roll=st.floats(-5.0, 5.0),
    height=st.floats(3.0, 500.0),
    ground_alt_m=st.floats(-50.0, 4000.0),
)
def test_the_hit_lies_on_the_ray_and_on_the_ground_by_an_independent_geodesy(
    lat: float,
    lon: float,
    yaw: float,
    pitch: float,
    roll: float,
    height: float,
    ground_alt_m: float,
) -> None:
    pose = Pose(lat, lon, ground_alt_m + height, yaw, pitch, roll)
    placed = place_one(pose, ground=Ground(ground_alt_m, 1.0))
    assert placed is not None
    to_ecef = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    lens = np.array(to_ecef.transform(lon, lat, pose.alt_m))
    hit = np.array(to_ecef.transform(placed.lon, placed.lat, ground_alt_m))
    assert np.linalg.norm(hit - lens) == pytest.approx(placed.slant_m, abs=1e-5)
    ray = rays_enu(np.array([CENTRE]), CAMERA, pose)[0]
    seen = np.array(pymap3d.ecef2enu(*hit, lat, lon, pose.alt_m)) / placed.slant_m
    np.testing.assert_allclose(seen, ray, atol=1e-6)
    assert np.isfinite(placed.cov_m2).all()


def test_straight_down_the_error_is_finite_whichever_way_yaw_goes() -> None:
    for yaw in range(0, 360, 45):
        placed = place_one(looking(yaw, -90.0), sigma=SIGMA._replace(roll_deg=0.5))
        assert placed is not None
        assert ce90_m(placed.cov_m2) == pytest.approx(5.8, abs=0.3)


def test_the_footprint_holds_what_the_picture_shows_and_nothing_behind_it() -> None:
    outline = footprint(CAMERA, looking(0, -45), GROUND)
    assert outline is not None
    ring = np.array(outline.coordinates[0])
    assert tuple(ring[0]) == tuple(ring[-1])
    corners = [place_one(looking(0, -45), pixel) for pixel in ((0.0, 0.0), (1919.0, 1079.0))]
    for corner in corners:
        assert corner is not None
        nearest = np.min(np.hypot(ring[:, 0] - corner.lon, ring[:, 1] - corner.lat))
        assert nearest < 1e-5
    assert ring[:, 1].min() > 22.5
    area_m2, _ = WGS84.polygon_area_perimeter(ring[:, 0], ring[:, 1])
    assert area_m2 > 0.0, "counter-clockwise, as RFC 7946 wants it"


def test_a_footprint_ends_before_the_horizon() -> None:
    outline = footprint(CAMERA, looking(0, -2), GROUND)
    assert outline is not None
    far_m = [WGS84.inv(104.0, 22.5, lon, lat)[2] for lon, lat in outline.coordinates[0]]
    assert 3000.0 < max(far_m) < 57.3 * 120.0 / np.cos(np.radians(31.0))
    json.loads(encode(outline))


@pytest.mark.parametrize("pitch", [30.0, 90.0])
def test_a_camera_that_looks_up_has_no_footprint(pitch: float) -> None:
    assert footprint(CAMERA, looking(0, pitch), GROUND) is None
