"""Positions: published vectors, an independent geodesy, and an error that Monte Carlo confirms."""

import json

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.accuracy import ce90_m, sigmas_m
from edge.camera import Camera, Pose, PoseSigma, rays_enu
from edge.footprint import footprint
from edge.georeference import Ground, Placed, place, place_many
from edge.messages import encode
from edge.terrain import Terrain

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


def test_the_error_points_where_the_camera_looks() -> None:
    to_east, to_north = place_one(looking(90, -15)), place_one(looking(0, -15))
    assert to_east is not None
    assert to_north is not None
    assert to_east.cov_m2[0] == pytest.approx(to_north.cov_m2[2], rel=1e-3)
    assert to_east.cov_m2[2] == pytest.approx(to_north.cov_m2[0], rel=1e-3)
    assert to_east.cov_m2[0] > 10.0 * to_east.cov_m2[2]


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
@given(pixels=st.lists(st.tuples(st.floats(0, 1919), st.floats(0, 1079)), max_size=6))
def test_arrays_and_lists_say_the_same(pixels: list[tuple[float, float]]) -> None:
    pixels_uv = np.array(pixels).reshape(-1, 2)
    pose = looking(200, -11, 1)
    listed = place(pixels_uv, CAMERA, pose, SIGMA, GROUND, pixel_sigma_px=3.0)
    arrays = place_many(pixels_uv, CAMERA, pose, SIGMA, GROUND, pixel_sigma_px=3.0)
    assert [placed is not None for placed in listed] == arrays.ok.tolist()
    for row, placed in enumerate(listed):
        if placed is None:
            assert np.isnan(arrays.lat[row])
            assert np.isnan(arrays.cov_m2[row]).all()
            continue
        var_east, cov_east_north, var_north = placed.cov_m2
        assert (placed.lat, placed.lon) == (arrays.lat[row], arrays.lon[row])
        assert arrays.cov_m2[row].tolist() == [
            [var_east, cov_east_north],
            [cov_east_north, var_north],
        ]
        assert placed.grazing == arrays.grazing[row]


def test_many_pixels_are_placed_as_few_are() -> None:
    """Work goes in portions; nobody falls between two of them."""
    random = np.random.default_rng(3)
    pixels = random.uniform((0.0, 0.0), (1919.0, 1079.0), (10_000, 2))
    arrays = place_many(pixels, CAMERA, looking(60, -14), SIGMA, GROUND, pixel_sigma_px=3.0)
    assert 0 < np.count_nonzero(arrays.ok) < len(pixels)
    for row in (0, 4095, 4096, 8191, 8192, 9999):
        alone = place_one(looking(60, -14), tuple(pixels[row]))
        assert (alone is not None) == arrays.ok[row]
        if alone is not None:
            assert alone.lat == pytest.approx(arrays.lat[row], abs=1e-12)
            assert alone.cov_m2[2] == pytest.approx(arrays.cov_m2[row, 1, 1], rel=1e-9)


@pytest.mark.parametrize("pixel", [(np.nan, 500.0), (500.0, np.inf), (-np.inf, np.nan)])
def test_a_pixel_that_is_no_number_has_no_place(pixel: tuple[float, float]) -> None:
    assert place_one(looking(0, -45), pixel) is None


@pytest.mark.parametrize("field", ["lat", "lon", "alt_m", "yaw_deg", "pitch_deg", "roll_deg"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_pose_that_is_no_number_places_nothing(field: str, value: float) -> None:
    pose = looking(0, -45)._replace(**{field: value})
    assert place_one(pose) is None
    assert footprint(CAMERA, pose, GROUND) is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_error_that_is_no_number_places_nothing(value: float) -> None:
    assert place_one(looking(0, -45), sigma=SIGMA._replace(yaw_deg=value)) is None
    assert place_one(looking(0, -45), ground=Ground(1000.0, value)) is None
    assert place_one(looking(0, -45), pixel_sigma_px=value) is None


def test_flat_ground_says_so() -> None:
    placed = place_one(looking(0, -45))
    assert placed is not None
    assert placed.method == "flat"


@pytest.fixture(scope="module")
def level_terrain(tmp_path_factory: pytest.TempPathFactory) -> Terrain:
    """A model of 0.001 degrees round the lens, 1000 m above the ellipsoid everywhere."""
    path = tmp_path_factory.mktemp("level") / "level.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=101,
        width=101,
        count=1,
        dtype="float32",
        crs="EPSG:4326",
        transform=(0.001, 0.0, 103.95, 0.0, -0.001, 22.55),
    ) as file:
        file.write(np.full((101, 101), 1000.0, dtype=np.float32), 1)
    return Terrain.open(path, sigma_m=4.0, heights="ellipsoid")


@pytest.mark.parametrize("pitch", [-90.0, -45.0, -20.0, -7.0, -4.0])
def test_a_level_elevation_model_gives_what_flat_ground_gives(
    level_terrain: Terrain, pitch: float
) -> None:
    """Place, error, and all; only that an elevation model is always swept."""
    flat, relief = (
        place(np.array([CENTRE]), CAMERA, looking(70, pitch), SIGMA, ground, pixel_sigma_px=3.0)[0]
        for ground in (GROUND, level_terrain)
    )
    assert flat is not None
    assert relief is not None
    assert (flat.method, relief.method) == ("flat", "dem")
    assert (relief.lat, relief.lon) == pytest.approx((flat.lat, flat.lon), abs=1e-6)
    assert relief.alt_m == pytest.approx(1000.0, abs=0.1)
    assert relief.grazing == flat.grazing
    assert ce90_m(relief.cov_m2) == pytest.approx(ce90_m(flat.cov_m2), rel=0.03)
    assert ce90_m(relief.cov_bias_m2) == pytest.approx(ce90_m(flat.cov_bias_m2), rel=0.03)


def test_a_level_elevation_model_has_the_footprint_of_flat_ground(level_terrain: Terrain) -> None:
    areas_m2 = []
    for ground in (GROUND, level_terrain):
        outline = footprint(CAMERA, looking(0, -45), ground)
        assert outline is not None
        ring = np.array(outline.coordinates[0])
        areas_m2.append(WGS84.polygon_area_perimeter(ring[:, 0], ring[:, 1])[0])
    assert areas_m2[0] > 0.0, "counter-clockwise, as RFC 7946 wants it"
    assert areas_m2[1] == pytest.approx(areas_m2[0], rel=0.001)


def test_beyond_the_elevation_model_nothing_is_seen(level_terrain: Terrain) -> None:
    there = looking(0, -45)._replace(lat=22.6)
    pixels = np.array([CENTRE])
    assert place(pixels, CAMERA, there, SIGMA, level_terrain, pixel_sigma_px=3.0) == [None]
    assert footprint(CAMERA, there, level_terrain) is None


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
