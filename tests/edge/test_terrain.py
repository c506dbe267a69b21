"""Ground with hills: closed forms, a slow march of its own geodesy, and every way to miss."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymap3d
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine
from rasterio.warp import transform

from edge.camera import FloatArray, Pose
from edge.elevation_datum import why_no_datum
from edge.elevation_file import TerrainError
from edge.geoid import undulation_m
from edge.ground import Ground, meet
from edge.terrain import Terrain

LENS = Pose(22.5, 104.0, 620.0, 0.0, 0.0, 0.0)
SECOND = 1.0 / 3600.0
Surface = Callable[[FloatArray, FloatArray], FloatArray]
QUIET = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def from_origin(west: float, north: float, width: float, height: float) -> Affine:
    return Affine(width, 0.0, west, 0.0, -height, north)


def corners(affine: Affine, column: FloatArray, row: FloatArray) -> tuple[FloatArray, FloatArray]:
    return affine.c + affine.a * column, affine.f + affine.e * row


def degrees_round_lens(half_cells: int = 250) -> tuple[str, Affine, int]:
    """Return CRS, transform and size of a grid of arc seconds round the lens."""
    size = 2 * half_cells + 1
    west, north = LENS.lon - (half_cells + 0.3) * SECOND, LENS.lat + (half_cells + 0.6) * SECOND
    return "EPSG:4326", from_origin(west, north, SECOND, SECOND), size


def metres_round_lens(crs: str, half_cells: int = 250) -> tuple[str, Affine, int]:
    """Return CRS, transform and size of a grid of 30 m round the lens."""
    (x,), (y,) = transform("EPSG:4326", crs, [LENS.lon], [LENS.lat])
    size = 2 * half_cells + 1
    return crs, from_origin(x - (half_cells + 0.3) * 30, y + (half_cells + 0.6) * 30, 30, 30), size


def cell_places(crs: str, affine: Affine, size: int) -> tuple[FloatArray, FloatArray]:
    """Return latitudes and longitudes (size, size) of the cells' centres."""
    column, row = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    x, y = corners(affine, column.ravel(), row.ravel())
    lon, lat = (np.array(part) for part in transform(crs, "EPSG:4326", x, y))
    return lat.reshape(size, size), lon.reshape(size, size)


def heights_of(surface: Surface, lat: FloatArray, lon: FloatArray) -> FloatArray:
    """Return ellipsoidal heights of a surface that is given as up over east and north."""
    alt_m = np.zeros_like(lat)
    for _ in range(6):
        east, north, up = pymap3d.geodetic2enu(lat, lon, alt_m, LENS.lat, LENS.lon, LENS.alt_m)
        alt_m = alt_m + surface(east, north) - up
    return alt_m


def write_heights(
    path: Path,
    heights: FloatArray,
    crs: str | None,
    affine: Affine,
    *,
    nodata: float | None = None,
    bands: int = 1,
    unit: str = "",
    dtype: str = "float32",
) -> Path:
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=heights.shape[0],
        width=heights.shape[1],
        count=bands,
        dtype=dtype,
        crs=crs,
        transform=affine,
        nodata=nodata,
    ) as file:
        for band in range(1, bands + 1):
            file.write(heights.astype(dtype), band)
            if unit:
                file.set_band_unit(band, unit)
    return path


def terrain_of(
    path: Path, surface: Surface, grid: tuple[str, Affine, int] | None = None
) -> Terrain:
    crs, affine, size = grid or degrees_round_lens()
    lat, lon = cell_places(crs, affine, size)
    write_heights(path, heights_of(surface, lat, lon), crs, affine)
    return Terrain.open(path, sigma_m=1.0, heights="ellipsoid")


def rays(yaw_deg: FloatArray, depression_deg: FloatArray) -> FloatArray:
    yaw, down = np.radians(yaw_deg), np.radians(depression_deg)
    return np.column_stack((np.sin(yaw) * np.cos(down), np.cos(yaw) * np.cos(down), -np.sin(down)))


def one_ray(yaw_deg: float, depression_deg: float) -> FloatArray:
    return rays(np.array([yaw_deg]), np.array([depression_deg]))


def slow_first_hit(
    heights: FloatArray,
    affine: Affine,
    ray: FloatArray,
    lens: Pose,
    *,
    step_m: float,
    end_m: float,
) -> float | None:
    """Walk along one ray in small steps with pymap3d's geodesy; the grid is in degrees."""

    def clearance(slant_m: FloatArray) -> FloatArray:
        lat, lon, alt_m = pymap3d.enu2geodetic(
            *(ray[:, None] * slant_m), lens.lat, lens.lon, lens.alt_m
        )
        column = (np.asarray(lon) - affine.c) / affine.a - 0.5
        row = (np.asarray(lat) - affine.f) / affine.e - 0.5
        left, top = np.floor(column).astype(int), np.floor(row).astype(int)
        known = (left >= 0) & (top >= 0)
        known &= (left < heights.shape[1] - 1) & (top < heights.shape[0] - 1)
        left, top = np.where(known, left, 0), np.where(known, top, 0)
        x, y = column - left, row - top
        ground = (
            heights[top, left] * (1 - x) * (1 - y)
            + heights[top, left + 1] * x * (1 - y)
            + heights[top + 1, left] * (1 - x) * y
            + heights[top + 1, left + 1] * x * y
        )
        return np.where(known, np.asarray(alt_m) - ground, np.nan)

    steps = np.arange(0.0, end_m, step_m)
    walked = clearance(steps)
    below, unknown = np.flatnonzero(walked <= 0.0), np.flatnonzero(np.isnan(walked))
    if not len(below) or (len(unknown) and unknown[0] < below[0]):
        return None
    near, far = steps[below[0]] - step_m, steps[below[0]]
    for _ in range(40):
        middle = (near + far) / 2.0
        near, far = (middle, far) if clearance(np.array([middle]))[0] > 0.0 else (near, middle)
    return float(far)


@QUIET
@given(yaw=st.floats(0.0, 360.0), depression=st.floats(3.0, 90.0))
def test_a_level_model_is_the_flat_ground(
    level_terrain: Terrain, yaw: float, depression: float
) -> None:
    ray = one_ray(yaw, depression)
    flat = meet(ray.T, LENS, Ground(500.0, 1.0))
    slant_m, normal, ok = level_terrain.first_hits(LENS, ray)
    assert ok.all()
    if flat.slant_m[0] < 2000.0:  # beyond, the flat ground's rays are bent, these are not
        assert slant_m[0] == pytest.approx(flat.slant_m[0], abs=2e-3)
        assert normal[0] == pytest.approx(flat.vertical[:, 0], abs=1e-5)


@pytest.fixture(scope="module")
def level_terrain(tmp_path_factory: pytest.TempPathFactory) -> Terrain:
    crs, affine, size = degrees_round_lens()
    path = tmp_path_factory.mktemp("level") / "level.tif"
    write_heights(path, np.full((size, size), 500.0), crs, affine)
    return Terrain.open(path, sigma_m=1.0, heights="ellipsoid")


@pytest.mark.parametrize(
    "grid", [degrees_round_lens(), metres_round_lens("EPSG:32648"), metres_round_lens("EPSG:3405")]
)
@pytest.mark.parametrize("slopes", [(0.0, 0.0), (0.2, -0.1), (-0.03, 0.35)])
def test_a_tilted_plane_is_met_where_the_formula_says(
    tmp_path: Path, grid: tuple[str, Affine, int], slopes: tuple[float, float]
) -> None:
    # Degrees, UTM, and VN-2000, which lies 220 m beside WGS 84 unless it is transformed.
    per_east, per_north = slopes
    terrain = terrain_of(
        tmp_path / "tilted.tif", lambda e, n: per_east * e + per_north * n - 100.0, grid
    )
    chance = np.random.default_rng(3)
    many = rays(chance.uniform(0.0, 360.0, 2000), chance.uniform(-5.0, 90.0, 2000))
    towards = -(many[:, 2] - per_east * many[:, 0] - per_north * many[:, 1])
    slant_m, normal, ok = terrain.first_hits(LENS, many)
    steep = towards > np.sin(np.radians(2.0))
    wanted_m = 100.0 / np.where(steep, towards, 1.0)
    inside = steep & (wanted_m < 6500.0)
    assert inside.sum() > 1000
    assert ok[inside].all()
    assert np.abs(slant_m - wanted_m)[inside].max() < 0.01
    upright = np.array((-per_east, -per_north, 1.0))
    upright /= np.linalg.norm(upright)
    assert np.abs(normal[inside] - upright).max() < 1e-4
    assert not ok[towards < -0.01].any(), "a ray that leaves the plane meets nothing"


def test_a_ridge_hides_the_valley_behind_it(tmp_path: Path) -> None:
    def ridge(east: FloatArray, north: FloatArray) -> FloatArray:
        return -150.0 + 130.0 * np.exp(-(((north - 1500.0) / 150.0) ** 2)) + 0.0 * east

    terrain = terrain_of(tmp_path / "ridge.tif", ridge)
    depression = np.array([0.5, 1.0, 2.0, 4.0, 8.0])
    slant_m, normal, ok = terrain.first_hits(LENS, rays(np.zeros(5), depression))
    north_m = slant_m * np.cos(np.radians(depression))
    assert ok.tolist() == [False, True, True, True, True], "the first passes over the ridge"
    assert (north_m[1:4] > 1000.0).all(), "the next meet its slope"
    assert (north_m[1:4] < 1500.0).all(), "and never what lies behind it"
    assert (normal[1:4, 1] < -0.1).all(), "which looks at the lens"
    assert north_m[4] < 1100.0
    behind, _, ok = terrain.first_hits(LENS._replace(alt_m=1200.0), one_ray(0.0, 19.5))
    assert ok[0]
    assert behind[0] * np.cos(np.radians(19.5)) > 1800.0, "from high up the valley is seen"


@QUIET
@given(yaw=st.floats(0.0, 360.0), depression=st.floats(1.0, 60.0))
def test_a_cone_is_met_where_a_slow_march_meets_it(
    cone: tuple[Terrain, FloatArray, Affine], yaw: float, depression: float
) -> None:
    terrain, heights, affine = cone
    ray = one_ray(yaw, depression)
    slant_m, _, ok = terrain.first_hits(LENS, ray)
    slow_m = slow_first_hit(heights, affine, ray[0], LENS, step_m=4.0, end_m=12_000.0)
    assert ok[0] == (slow_m is not None)
    if slow_m is not None:
        assert slant_m[0] == pytest.approx(slow_m, abs=0.01)


@pytest.fixture(scope="module")
def cone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Terrain, FloatArray, Affine]:
    def surface(east: FloatArray, north: FloatArray) -> FloatArray:
        return np.maximum(-120.0, 150.0 - 0.25 * np.hypot(east - 1500.0, north + 900.0))

    path = tmp_path_factory.mktemp("cone") / "cone.tif"
    terrain = terrain_of(path, surface)
    with rasterio.open(path) as file:
        return terrain, file.read(1).astype(np.float64), file.transform


@pytest.mark.parametrize("depression", [(0.3, 4.0), (4.0, 40.0)])
def test_real_hills_are_met_where_a_slow_march_meets_them(
    test_data: Path, depression: tuple[float, float]
) -> None:
    path = test_data / "terrain" / "cobb.tif"
    terrain = Terrain.open(path, sigma_m=5.0, heights="ellipsoid")
    with rasterio.open(path) as file:
        heights, affine = file.read(1).astype(np.float64), file.transform
    lens = Pose(33.91, -84.55, 460.0, 0.0, 0.0, 0.0)
    chance = np.random.default_rng(11)
    many = rays(chance.uniform(0.0, 360.0, 150), chance.uniform(*depression, 150))
    slant_m, _, ok = terrain.first_hits(lens, many)
    worst_m, other_hill = 0.0, 0
    for ray, fast_m, hit in zip(many, slant_m, ok, strict=True):
        slow_m = slow_first_hit(heights, affine, ray, lens, step_m=3.0, end_m=19_900.0)
        if slow_m is None or not hit or abs(fast_m - slow_m) > 1.0:
            other_hill += (slow_m is None) == hit or bool(hit)
        else:
            worst_m = max(worst_m, abs(fast_m - slow_m))
    assert worst_m < 0.01
    assert other_hill <= 2, "a hilltop narrower than a third of a cell may be grazed unnoticed"


def test_a_ray_that_leaves_the_model_has_no_place(level_terrain: Terrain) -> None:
    # The model ends about 7 km away; at 0.5 degrees the ground is met after 14 km.
    _, _, ok = level_terrain.first_hits(LENS, rays(np.arange(0.0, 360.0, 7.0), np.full(52, 0.5)))
    assert not ok.any()


def test_above_the_horizon_there_is_no_place(level_terrain: Terrain) -> None:
    up = rays(np.arange(0.0, 360.0, 10.0), np.linspace(-90.0, 0.0, 36))
    slant_m, normal, ok = level_terrain.first_hits(LENS, up)
    assert not ok.any()
    assert not slant_m.any()
    assert not normal.any()


def test_a_mountain_above_the_horizon_has_a_place(tmp_path: Path) -> None:
    terrain = terrain_of(tmp_path / "wall.tif", lambda e, n: 0.5 * n - 100.0 + 0.0 * e)
    slant_m, _, ok = terrain.first_hits(LENS, one_ray(0.0, -10.0))
    assert ok[0]
    assert slant_m[0] == pytest.approx(
        100.0 / (0.5 * np.cos(np.radians(10)) - np.sin(np.radians(10))), abs=0.01
    )


@pytest.mark.parametrize(
    "lens",
    [LENS._replace(alt_m=499.0), LENS._replace(lat=23.0), LENS._replace(lat=-30.0, lon=-10.0)],
    ids=["under the ground", "beside the model", "on the other side of the Earth"],
)
def test_a_lens_that_cannot_be_there_sees_nothing(level_terrain: Terrain, lens: Pose) -> None:
    _, _, ok = level_terrain.first_hits(lens, one_ray(10.0, 45.0))
    assert not ok.any()


@pytest.mark.parametrize("declared", [-9999.0, None], ids=["declared", "undeclared"])
def test_a_hole_under_the_ray_before_its_hit_leaves_it_without_a_place(
    tmp_path: Path, declared: float | None
) -> None:
    crs, affine, size = degrees_round_lens()
    lat, lon = cell_places(crs, affine, size)
    heights = np.full((size, size), 500.0)
    east, north, _ = pymap3d.geodetic2enu(lat, lon, 500.0, LENS.lat, LENS.lon, LENS.alt_m)
    heights[(np.abs(north - 1000.0) < 100.0) & (np.abs(east) < 300.0)] = -9999.0
    path = write_heights(tmp_path / "hole.tif", heights, crs, affine, nodata=declared)
    terrain = Terrain.open(path, sigma_m=1.0, heights="ellipsoid")
    #            before the hole, into it, beyond it, past its side
    depression = np.array([10.0, 6.85, 3.0, 3.0])
    slant_m, _, ok = terrain.first_hits(LENS, rays(np.array([0.0, 0.0, 0.0, 40.0]), depression))
    assert ok.tolist() == [True, False, False, True]
    assert slant_m[0] == pytest.approx(120.0 / np.sin(np.radians(10.0)), abs=0.5)
    known = terrain.alt_m_at(lat=[LENS.lat, LENS.lat + 1000.0 / 110_737.0], lon=[LENS.lon] * 2)
    assert known[0] == pytest.approx(500.0)
    assert np.isnan(known[1])


def test_a_ray_that_is_no_number_has_no_place(level_terrain: Terrain) -> None:
    _, _, ok = level_terrain.first_hits(LENS, np.array([[np.nan] * 3, [0.0, 0.0, -1.0]]))
    assert ok.tolist() == [False, True]


def test_too_near_a_pole_for_a_chart_is_refused(tmp_path: Path) -> None:
    affine = from_origin(100.0, 89.99, SECOND, SECOND)
    path = write_heights(tmp_path / "pole.tif", np.zeros((99, 99)), "EPSG:4326", affine)
    terrain = Terrain.open(path, sigma_m=1.0, heights="ellipsoid")
    with pytest.raises(TerrainError, match=r"pole\.tif.*too crooked"):
        terrain.first_hits(Pose(89.98, 100.01, 50.0, 0.0, 0.0, 0.0), one_ray(0.0, 45.0))


def test_many_rays_at_once_are_each_ray_alone(cone: tuple[Terrain, FloatArray, Affine]) -> None:
    terrain = cone[0]
    chance = np.random.default_rng(5)
    many = rays(chance.uniform(0.0, 360.0, 20_000), chance.uniform(-1.0, 90.0, 20_000))
    slant_m, normal, ok = terrain.first_hits(LENS, many)
    some = chance.permutation(20_000)[:300]
    again_m, again_normal, again_ok = terrain.first_hits(LENS, many[some])
    assert (again_ok == ok[some]).all()
    assert again_m == pytest.approx(slant_m[some], abs=1e-6)
    assert again_normal == pytest.approx(normal[some], abs=1e-9)
    assert np.linalg.norm(normal[ok], axis=1) == pytest.approx(1.0)
    assert terrain.first_hits(LENS, np.empty((0, 3)))[2].shape == (0,)


def test_every_hit_lies_on_the_model(cone: tuple[Terrain, FloatArray, Affine]) -> None:
    terrain = cone[0]
    chance = np.random.default_rng(6)
    many = rays(chance.uniform(0.0, 360.0, 5000), chance.uniform(0.5, 90.0, 5000))
    slant_m, _, ok = terrain.first_hits(LENS, many)
    lat, lon, alt_m = pymap3d.enu2geodetic(
        *(many * slant_m[:, None])[ok].T, LENS.lat, LENS.lon, LENS.alt_m
    )
    assert np.abs(terrain.alt_m_at(lat=lat, lon=lon) - alt_m).max() < 1e-3


def test_a_flying_lens_reads_the_model_anew_and_hits_the_same(tmp_path: Path) -> None:
    crs, size = "EPSG:32648", 2400
    (x,), (y,) = transform("EPSG:4326", crs, [LENS.lon], [LENS.lat])
    affine = from_origin(x - 36_000.0, y + 36_000.0, 30.0, 30.0)
    column, row = np.meshgrid(np.arange(size), np.arange(size))
    heights = 300.0 + 100.0 * np.sin(column / 37.0) * np.cos(row / 23.0)
    path = write_heights(tmp_path / "wide.tif", heights, crs, affine)
    flying = Terrain.open(path, sigma_m=1.0, heights="ellipsoid")
    ahead = rays(np.linspace(0.0, 350.0, 36), np.full(36, 4.0))
    for north_deg in (-0.25, -0.1, 0.0, 0.1, 0.25):
        lens = LENS._replace(lat=LENS.lat + north_deg)
        fresh = Terrain.open(path, sigma_m=1.0, heights="ellipsoid")
        for flown, still in zip(
            flying.first_hits(lens, ahead), fresh.first_hits(lens, ahead), strict=True
        ):
            assert flown == pytest.approx(still, abs=1e-6)
    ends = flying.alt_m_at(lat=[LENS.lat - 0.28, LENS.lat + 0.28], lon=[LENS.lon, LENS.lon])
    assert np.isfinite(ends).all(), "places too far apart for one part of the file"


def test_a_huge_model_takes_bounded_memory(tmp_path: Path) -> None:
    (x,), (y,) = transform("EPSG:4326", "EPSG:32648", [LENS.lon], [LENS.lat])
    path = tmp_path / "huge.tif"
    with rasterio.open(  # 1.6 thousand million cells of 0.5 m; nothing is written, so all is 0
        path,
        "w",
        driver="GTiff",
        height=40_000,
        width=40_000,
        count=1,
        dtype="int16",
        crs="EPSG:32648",
        transform=from_origin(x - 10_000.0, y + 10_000.0, 0.5, 0.5),
        tiled=True,
        SPARSE_OK=True,
    ):
        pass
    terrain = Terrain.open(path, sigma_m=1.0, heights="ellipsoid")
    lens = LENS._replace(alt_m=100.0)
    slant_m, _, ok = terrain.first_hits(lens, rays(np.zeros(2), np.array([10.0, 3.0])))
    assert ok.tolist() == [True, False], "what is not read is not there"
    assert slant_m[0] == pytest.approx(100.0 / np.sin(np.radians(10.0)), abs=0.2)
    assert terrain._tile is not None
    assert terrain._tile.grid.heights_m.size <= 16_100_000


def test_heights_above_the_sea_become_ellipsoidal(tmp_path: Path) -> None:
    crs, affine, size = degrees_round_lens()
    path = write_heights(tmp_path / "sea.tif", np.full((size, size), 500.0), crs, affine)
    chance = np.random.default_rng(8)
    lat = LENS.lat + chance.uniform(-0.06, 0.06, 50)
    lon = LENS.lon + chance.uniform(-0.06, 0.06, 50)
    above_sea = Terrain.open(path, sigma_m=1.0).alt_m_at(lat=lat, lon=lon)
    assert above_sea == pytest.approx(500.0 + undulation_m(lat=lat, lon=lon), abs=0.02)
    assert (above_sea < 475.0).all(), "in the north of Vietnam the geoid lies 30 m deep"


def test_an_srtm_tile_is_read_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "N22E104.hgt"
    posts = np.arange(1201)
    heights = (posts[::-1, None] + 0 * posts).astype(">i2")  # rows from north to south
    heights[5, 5] = -32768
    path.write_bytes(heights.tobytes())
    terrain = Terrain.open(path, sigma_m=6.0, heights="ellipsoid")
    # Posts lie on the degrees: the first row at 23 north, the last at 22.
    found = terrain.alt_m_at(lat=[22.0, 22.5, 23.0], lon=[104.0, 104.25, 104.9])
    assert found == pytest.approx([0.0, 600.0, 1200.0], abs=1e-6)
    assert np.isnan(terrain.alt_m_at(lat=[23.0 - 5 / 1200], lon=[104.0 + 5 / 1200])[0])


def _text(path: Path) -> Path:
    path.write_text("not a raster")
    return path


def _without_crs(path: Path) -> Path:
    return write_heights(path, np.zeros((9, 9)), None, from_origin(104.0, 22.5, SECOND, SECOND))


def _of_a_workshop(path: Path) -> Path:
    local = 'LOCAL_CS["workshop",UNIT["metre",1]]'
    return write_heights(path, np.zeros((9, 9)), local, from_origin(0.0, 9.0, 1.0, 1.0))


def _round_hanoi(path: Path, crs: str) -> Path:
    return write_heights(path, np.zeros((9, 9)), crs, from_origin(500000.0, 2322000.0, 30.0, 30.0))


def _of_an_ellipsoid(path: Path) -> Path:
    return _round_hanoi(path, "+proj=utm +zone=48 +ellps=WGS84 +units=m +no_defs")


def _of_no_published_datum(path: Path) -> Path:
    mine = rasterio.crs.CRS.from_epsg(32648).to_wkt()
    mine = re.sub(r',AUTHORITY\["EPSG","\d+"\]', "", mine)
    mine = mine.replace('"WGS 84"', '"ours"').replace('"WGS_1984"', '"ours"')
    return _round_hanoi(path, mine)


def _of_no_shift(path: Path) -> Path:
    zone = "+proj=tmerc +lon_0=105.5 +k=0.9999 +x_0=500000 +ellps=WGS84 +units=m +no_defs"
    return _round_hanoi(path, f"{zone} +towgs84=0,0,0,0,0,0,0")


def _of_a_vn2000_zone_on_wgs84(path: Path) -> Path:
    zone = "+proj=tmerc +lon_0=105.5 +k=0.9999 +x_0=500000 +datum=WGS84 +units=m +no_defs"
    return _round_hanoi(path, zone)


def _picture(path: Path) -> Path:
    crs, affine, _ = degrees_round_lens()
    return write_heights(path, np.zeros((9, 9)), crs, affine, bands=3)


def _in_feet(path: Path) -> Path:
    crs, affine, _ = degrees_round_lens()
    return write_heights(path, np.zeros((9, 9)), crs, affine, unit="ft")


def _one_row(path: Path) -> Path:
    crs, affine, _ = degrees_round_lens()
    return write_heights(path, np.zeros((1, 9)), crs, affine)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path, "cannot be read|No such file"),
        (_text, "cannot be read|not recognized"),
        (_without_crs, "no coordinate reference system"),
        (_of_a_workshop, "neither geographic nor projected"),
        (_of_an_ellipsoid, "nothing published leads from the datum"),
        (_of_no_published_datum, "nothing published leads from the datum"),
        (_of_no_shift, "towgs84 of its CRS is all zero"),
        (_of_a_vn2000_zone_on_wgs84, "drawn as VN-2000 is"),
        (_picture, "3 bands"),
        (_in_feet, "'ft'"),
        (_one_row, "1 rows"),
    ],
    ids=[
        *("missing", "text", "no CRS", "workshop CRS", "ellipsoid", "unknown datum", "no shift"),
        *("VN-2000 zone on WGS 84", "picture", "feet", "one row"),
    ],
)
def test_a_file_that_is_no_model_is_refused_by_name(
    tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    path = make(tmp_path / "hills.tif")
    with pytest.raises(TerrainError, match=words) as refused:
        Terrain.open(path, sigma_m=1.0)
    assert "hills.tif" in str(refused.value)


def test_models_are_told_apart_by_identity(level_terrain: Terrain) -> None:
    other = Terrain.open(level_terrain.path, sigma_m=1.0)
    assert len({level_terrain, other}) == 2


_OLD_WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563],'
    'TOWGS84[0,0,0,0,0,0,0]],PRIMEM["Greenwich",0],UNIT["degree",0.0174532925199433]]'
)
_SEVEN = (
    "+proj=utm +zone=48 +ellps=WGS84 +units=m +no_defs +towgs84=-191.90441429,-39.30318279,"
    "-111.45032835,0.00928836,-0.01975479,0.00427372,0.252906278"
)


@pytest.mark.parametrize(
    "crs",
    [
        *("EPSG:4326", "EPSG:32648", "EPSG:3405", "EPSG:9209", "EPSG:4490", "OGC:CRS84"),
        *("EPSG:3405+5773", "+proj=utm +zone=48 +datum=WGS84 +no_defs", _OLD_WGS84, _SEVEN),
    ],
)
def test_a_datum_that_is_known_is_taken(crs: str) -> None:
    assert why_no_datum(rasterio.crs.CRS.from_user_input(crs)) is None


def test_a_hole_under_the_ray_is_named_with_its_distance(tmp_path: Path) -> None:
    """It was reported as sky, and the technician looked for a wrong pitch."""
    crs, affine, size = metres_round_lens("EPSG:32648")
    heights = np.zeros((size, size))
    half = size // 2
    heights[: half - 3] = np.nan  # all to the north of some cells
    path = write_heights(tmp_path / "hole.tif", heights, crs, affine)
    terrain = Terrain.open(path, sigma_m=1.0, heights="ellipsoid")
    lens = Pose(*LENS[:2], 30.0, 0.0, 0.0, 0.0)
    north = np.array([0.0, np.cos(np.radians(2.0)), -np.sin(np.radians(2.0))])
    away_m = terrain.hole_m(lens, north)
    cell_m = abs(affine.e)
    assert away_m == pytest.approx(3.0 * cell_m, abs=2.0 * cell_m + 10.0)
    assert terrain.hole_m(lens, north * (1.0, -1.0, 1.0)) is None
    assert terrain.hole_m(lens, np.array([0.0, 0.0, -1.0])) is None
