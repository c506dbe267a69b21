"""Where rays meet the ground: independent geodesy, the air's refraction, hills."""

import numpy as np
import pymap3d
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.camera import BoolArray, FloatArray, Pose
from edge.ground import REFRACTION_FROM_M, REFRACTION_WHOLE_M, Ground, Hits, meet

TO_ECEF = pyproj.Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)


class Slope:
    """An inclined plane through a point below the lens: a relief whose hits are known."""

    sigma_m = 1.0

    def __init__(self, below_m: float, normal: FloatArray) -> None:
        self.below_m = below_m
        self.normal = normal / np.linalg.norm(normal)

    def first_hits(
        self, lens: Pose, rays_enu: FloatArray, /
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        del lens
        towards = -(rays_enu @ self.normal)
        ok = towards > 0.0
        slant_m = self.below_m * self.normal[2] / np.where(ok, towards, 1.0)
        return slant_m, np.broadcast_to(self.normal, rays_enu.shape), ok


def ray(azimuth_deg: float, elevation_deg: float) -> FloatArray:
    azimuth, elevation = np.radians((azimuth_deg, elevation_deg))
    level = np.cos(elevation)
    return np.array([[np.sin(azimuth) * level], [np.cos(azimuth) * level], [np.sin(elevation)]])


def hit(pose: Pose, ground: Ground) -> Hits:
    return meet(ray(pose.yaw_deg, pose.pitch_deg), pose, ground)


@settings(max_examples=100)
@given(
    lat=st.floats(-89.0, 89.0),
    lon=st.floats(-180.0, 180.0),
    azimuth_deg=st.floats(-180.0, 180.0),
    elevation_deg=st.floats(-90.0, -3.0),
    height_m=st.floats(2.0, 100.0),
    ground_alt_m=st.floats(-400.0, 8000.0),
)
def test_the_hit_lies_on_the_ray_and_on_the_ground_by_an_independent_geodesy(
    lat: float,
    lon: float,
    azimuth_deg: float,
    elevation_deg: float,
    height_m: float,
    ground_alt_m: float,
) -> None:
    pose = Pose(lat, lon, ground_alt_m + height_m, azimuth_deg, elevation_deg, 0.0)
    found = hit(pose, Ground(ground_alt_m, 1.0))
    assert found.ok[0]
    lens = np.array(TO_ECEF.transform(lon, lat, pose.alt_m))
    there = np.array(TO_ECEF.transform(found.lon[0], found.lat[0], ground_alt_m))
    assert np.linalg.norm(there - lens) == pytest.approx(found.slant_m[0], abs=1e-6)
    seen = np.array(pymap3d.ecef2enu(*there, lat, lon, pose.alt_m)) / found.slant_m[0]
    np.testing.assert_allclose(seen, found.rays[:, 0], atol=1e-6)


def test_nothing_is_special_about_the_date_line() -> None:
    found = hit(Pose(-17.0, 179.9999, 50.0, 90.0, -30.0, 0.0), Ground(0.0, 1.0))
    assert found.lon[0] == pytest.approx(-179.9993, abs=1e-4)


def bent_range_m(pose: Pose, ground: Ground) -> float:
    """Follow a ray that bends with 0.13 of the Earth's curvature, a metre at a time."""
    east, north, up = ray(pose.yaw_deg, pose.pitch_deg)[:, 0]
    level, level_m, up_m, step_m = float(np.hypot(east, north)), 0.0, 0.0, 1.0
    slope = up / level
    while True:
        level_m += step_m * level
        slope -= 0.13 / 6_371_000.0 * step_m * level
        up_m += slope * step_m * level
        _, _, alt_m = pymap3d.enu2geodetic(
            level_m * east / level, level_m * north / level, up_m, pose.lat, pose.lon, pose.alt_m
        )
        if alt_m <= ground.alt_m:
            return float(np.hypot(level_m, up_m))


@pytest.mark.parametrize(
    ("height_m", "elevation_deg"), [(120.0, -2.0), (500.0, -6.0), (500.0, -3.0), (800.0, -5.5)]
)
def test_beyond_3_km_the_ray_bends_with_the_air(height_m: float, elevation_deg: float) -> None:
    """An independent walk along the bent ray; it finds the range to the metre of its steps."""
    ground, pose = Ground(0.0, 1.0), Pose(22.5, 104.0, height_m, 70.0, elevation_deg, 0.0)
    found = hit(pose, ground)
    expected_m = bent_range_m(pose, ground)
    straight_m = height_m / -np.sin(np.radians(elevation_deg))
    assert found.slant_m[0] > REFRACTION_WHOLE_M
    assert found.slant_m[0] == pytest.approx(expected_m, abs=1.1)
    assert found.slant_m[0] > straight_m, "curvature outweighs refraction"


@given(
    height_m=st.floats(20.0, 400.0),
    slant_m=st.floats(REFRACTION_FROM_M * 0.98, REFRACTION_WHOLE_M * 1.1),
)
def test_between_2_and_3_km_no_place_jumps(height_m: float, slant_m: float) -> None:
    """Looking a hair higher is seeing a hair farther, all the way."""
    down_deg = float(np.degrees(np.arcsin(height_m / slant_m)))
    pose = Pose(22.5, 104.0, height_m, 0.0, -down_deg, 0.0)
    higher = pose._replace(pitch_deg=-down_deg + 1e-5)
    near_m, far_m = (hit(one, Ground(0.0, 1.0)).slant_m[0] for one in (pose, higher))
    assert 0.0 < far_m - near_m < 2.0 * np.radians(1e-5) * slant_m**2 / height_m


def test_a_level_relief_is_flat_ground() -> None:
    pose = Pose(22.5, 104.0, 1120.0, 40.0, -30.0, 0.0)
    flat = hit(pose, Ground(1000.0, 1.0))
    relief = meet(ray(40.0, -30.0), pose, Slope(120.0, np.array([0.0, 0.0, 1.0])))
    assert (relief.lat[0], relief.lon[0]) == pytest.approx((flat.lat[0], flat.lon[0]), abs=1e-7)
    assert relief.alt_m[0] == pytest.approx(1000.0, abs=0.02)


def test_a_hillside_is_seen_by_a_level_ray_and_a_falling_slope_by_none() -> None:
    pose = Pose(22.5, 104.0, 1120.0, 0.0, 0.0, 0.0)
    rising = meet(ray(0.0, 0.0), pose, Slope(120.0, np.array([0.0, -1.0, 1.0])))
    assert rising.ok[0]
    assert rising.slant_m[0] == pytest.approx(120.0)
    assert rising.alt_m[0] == pytest.approx(1120.0, abs=0.01)
    falling = meet(ray(0.0, 0.0), pose, Slope(120.0, np.array([0.0, 1.0, 1.0])))
    assert not falling.ok[0]


def test_refraction_bends_rays_to_a_relief_too() -> None:
    pose, steep = Pose(22.5, 104.0, 500.0, 0.0, -6.0, 0.0), np.array([0.0, -0.02, 1.0])
    slope = Slope(500.0, steep)
    found = meet(ray(0.0, -6.0), pose, slope)
    straight_m, _, _ = slope.first_hits(pose, ray(0.0, -6.0).T)
    drop_m = 0.13 * straight_m[0] ** 2 / (2.0 * 6_371_000.0)
    nearer_m = drop_m * np.cos(np.radians(6.0)) / found.steepness[0]
    assert straight_m[0] - found.slant_m[0] == pytest.approx(nearer_m, rel=0.02)
