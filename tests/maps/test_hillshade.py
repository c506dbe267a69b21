"""Shaded relief: what light falls where, on surfaces whose answer is known."""

import asyncio
import io
import math
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maps.base_map.check import tile_of
from maps.base_map.hillshade import TILE_PX, ElevationError, HillShade, ground_cell_m
from maps.base_map.relief import (
    EXAGGERATION,
    SUN_ALTITUDE_DEG,
    SUN_AZIMUTH_DEG,
    contours,
    gradient,
    illumination,
    picture,
)
from tests.maps.tile_files import write_heights

LEVEL = math.sin(math.radians(SUN_ALTITUDE_DEG))
SLOPE = st.floats(-2.0, 2.0)


def plane(east: float, north: float, cell_m: float, size: int = 8) -> np.ndarray:
    """Heights that rise by so much per metre eastward and northward; row 0 in the north."""
    column, row = np.meshgrid(np.arange(size + 2), np.arange(size + 2))
    return 500.0 + cell_m * (east * column - north * row)


@given(SLOPE, SLOPE, st.floats(0.5, 100.0))
def test_the_shade_of_a_plane_is_one_and_that_of_the_formula(east, north, cell_m) -> None:
    """The cosine between the normal and the light, computed as a product of unit vectors."""
    heights_m = plane(east, north, cell_m)
    cells_m = np.full(8, cell_m)
    rise_east, rise_north = gradient(heights_m, cells_m)
    assert rise_east == pytest.approx(east, abs=1e-9)
    assert rise_north == pytest.approx(north, abs=1e-9)
    azimuth, altitude = math.radians(SUN_AZIMUTH_DEG), math.radians(SUN_ALTITUDE_DEG)
    light = np.array(
        (
            math.cos(altitude) * math.sin(azimuth),
            math.cos(altitude) * math.cos(azimuth),
            math.sin(altitude),
        )
    )
    normal = np.array((-EXAGGERATION * east, -EXAGGERATION * north, 1.0))
    expected = max(0.0, float(normal @ light) / float(np.linalg.norm(normal)))
    assert illumination(heights_m, cells_m) == pytest.approx(expected, abs=1e-9)


def test_level_ground_is_clear() -> None:
    grey_alpha = picture(plane(0.0, 0.0, 10.0), np.full(8, 10.0), None)
    assert (grey_alpha[1] == 0).all()


def test_a_cone_is_lit_from_the_north_west() -> None:
    east, north = np.meshgrid(np.arange(-33, 34) * 10.0, np.arange(33, -34, -1) * 10.0)
    lit = illumination(500.0 - 0.4 * np.hypot(east, north), np.full(65, 10.0))
    assert lit[10, 10] > LEVEL > lit[-10, -10]  # north-west, south-east
    assert lit[10, -10] == pytest.approx(lit[-10, 10], abs=1e-9)  # the light is between these


def test_a_hole_is_clear_and_so_is_what_touches_it() -> None:
    heights_m = plane(0.5, 0.5, 10.0, size=9)
    heights_m[5, 5] = np.nan
    alpha = picture(heights_m, np.full(9, 10.0), None)[1]
    clear = np.zeros((9, 9), dtype=bool)
    clear[3:6, 3:6] = True
    assert ((alpha == 0) == clear).all()


def test_contours_run_where_a_level_is_passed() -> None:
    line = contours(plane(0.1, 0.0, 10.0, size=40), interval_m=10.0)
    assert (np.flatnonzero(line[0]) % 10 == 9).all()  # every hundred metres of a slope of 10 %
    assert (line == line[0]).all()


def utm_plane(path: Path, *, lat: float, east: float, north: float) -> Path:
    """A slanted plane of 4 km with cells of 10 m, in the middle of a UTM zone."""
    northing = 111_000.0 * lat * 0.9996
    transform = Affine(10.0, 0.0, 498_000.0, 0.0, -10.0, northing + 2000.0)
    return write_heights(
        path, plane(east, north, 10.0, size=398), transform=transform, crs="EPSG:32648"
    )


def read(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("LA")).transpose(2, 0, 1)


@pytest.mark.parametrize("lat", [5.0, 23.0, 45.0])
def test_a_plane_is_as_steep_on_the_map_wherever_it_lies(tmp_path, lat) -> None:
    """Mercator stretches the ground northward: without the latitude it would look flatter."""
    path = utm_plane(tmp_path / "plane.tif", lat=lat, east=0.3, north=-0.2)
    with closing(HillShade(path)) as shade:
        middle = sum(shade.bounds[1::2]) / 2, sum(shade.bounds[::2]) / 2
        tile = tile_of(shade.max_zoom, lat=middle[0], lon=middle[1])
        grey, alpha = read(shade.make(shade.max_zoom, *tile))
    cells_m = np.full(8, 10.0)
    expected = picture(plane(0.3, -0.2, 10.0), cells_m, None)[1, 0, 0]
    smooth = alpha[grey != 128]  # no contour
    assert smooth.size > 20_000
    assert np.abs(smooth.astype(int) - int(expected)).max() <= 3


def test_what_a_cell_measures_is_what_the_projection_says() -> None:
    """An independent oracle: pyproj's scale factors of Web Mercator on its sphere."""
    pyproj = pytest.importorskip("pyproj")
    sphere = pyproj.Proj("+proj=merc +R=6378137")
    for z, y in ((0, 0), (9, 200), (14, 8000)):
        cells_m = ground_cell_m(z, y)
        size_m = 2 * math.pi * 6_378_137.0 / (TILE_PX * 2**z)
        for row in (0, 100, 255):
            northing = math.pi * 6_378_137.0 - (y * TILE_PX + row + 0.5) * size_m
            _, lat = sphere(0.0, northing, inverse=True)
            scale = sphere.get_factors(0.0, lat).parallel_scale
            assert cells_m[row] * scale == pytest.approx(size_m, rel=1e-6)


def geographic_hills(path: Path, **profile: object) -> Path:
    """Waves of some hundred metres with cells of 1/3600 degree."""
    column, row = np.meshgrid(np.arange(400), np.arange(300))
    heights_m = 800 + 150 * np.sin(column / 17.0) * np.cos(row / 23.0)
    return write_heights(
        path, heights_m, transform=Affine(1 / 3600, 0, 105.0, 0, -1 / 3600, 23.0), **profile
    )


def test_neighbours_match_at_their_seam(tmp_path) -> None:
    """The step across a seam is no greater than the steps beside it."""
    with closing(HillShade(geographic_hills(tmp_path / "hills.tif"))) as shade:
        z = shade.max_zoom - 1
        x, y = tile_of(z, lat=22.95, lon=105.05)
        left, right = (read(shade.make(z, column, y)) for column in (x, x + 1))
        upper, lower = left, read(shade.make(z, x, y + 1))

    def signed(tile: np.ndarray) -> np.ndarray:
        return np.where(tile[0] == 0, -1, 1) * tile[1].astype(int)

    def plain(*tiles: np.ndarray) -> np.ndarray:
        return np.logical_and.reduce([tile != 128 for tile in tiles])

    across = signed(right)[:, 0] - signed(left)[:, -1]
    held = plain(right[0][:, 0], left[0][:, -1])
    assert np.abs(across[held]).max() <= 12
    down = signed(lower)[0] - signed(upper)[-1]
    held = plain(lower[0][0], upper[0][-1])
    assert np.abs(down[held]).max() <= 12


def test_outside_the_file_and_its_zooms_there_is_nothing(tmp_path) -> None:
    with closing(HillShade(geographic_hills(tmp_path / "hills.tif"))) as shade:
        x, y = tile_of(12, lat=-40.0, lon=20.0)
        assert shade.make(12, x, y) is None
        here = {z: tile_of(z, lat=22.95, lon=105.05) for z in range(24)}
        made = {z: shade.make(z, *here[z]) is not None for z in range(24)}
    assert [z for z in made if made[z]] == list(range(shade.min_zoom, shade.max_zoom + 1))


def test_a_hole_that_nobody_declared_is_a_hole(tmp_path) -> None:
    path = tmp_path / "hole.tif"
    write_heights(
        path,
        np.full((300, 300), -9999.0),
        transform=Affine(1 / 3600, 0, 105.0, 0, -1 / 3600, 23.0),
        nodata=None,
    )
    with closing(HillShade(path)) as shade:
        assert shade.make(12, *tile_of(12, lat=22.95, lon=105.05)) is None


def test_srtm_files_are_read(tmp_path) -> None:
    """An .hgt is nothing but big-endian numbers; its name says where it lies."""
    heights_m = np.add.outer(np.arange(1201), np.arange(1201) % 300).astype(">i2")
    path = tmp_path / "N22E105.hgt"
    path.write_bytes(heights_m.tobytes())
    with closing(HillShade(path)) as shade:
        assert shade.bounds == pytest.approx((105.0, 22.0, 106.0, 23.0), abs=1e-3)
        assert shade.make(11, *tile_of(11, lat=22.5, lon=105.5))


def test_what_was_made_is_kept_within_bounds(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("maps.base_map.hillshade._MOST_KEPT_BYTES", 60_000)
    with closing(HillShade(geographic_hills(tmp_path / "hills.tif"))) as shade:
        z = shade.max_zoom
        x, y = tile_of(z, lat=22.95, lon=105.05)
        first = shade.make(z, x, y)
        assert shade.make(z, x, y) is first
        for step in range(1, 6):
            shade.make(z, x + step, y)
        assert shade._kept_bytes <= 60_000
        assert shade.make(z, x, y) == first


def test_tiles_are_made_beside_the_loop(tmp_path) -> None:
    """While a tile is made the stream goes on: the loop takes other work."""

    async def meanwhile(shade: HillShade) -> bool:
        wanted = asyncio.ensure_future(
            shade.tile(shade.max_zoom, *tile_of(shade.max_zoom, lat=22.95, lon=105.05))
        )
        await asyncio.sleep(0)
        went_on = not wanted.done()
        assert await wanted
        return went_on

    with closing(HillShade(geographic_hills(tmp_path / "hills.tif"))) as shade:
        assert asyncio.run(meanwhile(shade))


@settings(max_examples=20, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_at_all_are_an_error_of_ours(tmp_path_factory, data) -> None:
    path = tmp_path_factory.mktemp("any") / "x.tif"
    path.write_bytes(b"II*\x00" + data)
    with pytest.raises(ElevationError, match="--elevation"):
        HillShade(path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"crs": None}, "no coordinate reference system"),
        ({"crs": "EPSG:4978"}, "neither geographic nor projected"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_an_elevation_model_that_lies_nowhere_is_refused(tmp_path, changed, said) -> None:
    path = geographic_hills(tmp_path / "x.tif", **changed)
    with pytest.raises(ElevationError, match=said):
        HillShade(path)


def test_real_terrain_is_shaded(test_data) -> None:
    with closing(HillShade(test_data / "terrain" / "cobb.tif")) as shade:
        grey, alpha = read(shade.make(13, *tile_of(13, lat=33.92, lon=-84.55)))
        assert 0.05 < (alpha[grey == 255] > 10).mean() < 1.0
        assert (alpha > 0).mean() > 0.5
