"""The sector's plane against the geodesic, an independent oracle."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from fusion.local_frame import LocalFrame, turned

GEOD = Geod(ellps="WGS84")
latitudes, longitudes = st.floats(-70, 70), st.floats(-179, 179)


@given(lat=latitudes, lon=longitudes, azimuth=st.floats(-180, 180), away=st.floats(1, 50_000))
def test_distance_and_direction_from_the_centre_are_those_of_the_geodesic(
    lat, lon, azimuth, away
) -> None:
    there_lon, there_lat, _ = GEOD.fwd(lon, lat, azimuth, away)
    x_m, y_m = LocalFrame(lat=lat, lon=lon).to_metres(lat=there_lat, lon=there_lon)
    assert x_m == pytest.approx(away * math.sin(math.radians(azimuth)), abs=1e-3)
    assert y_m == pytest.approx(away * math.cos(math.radians(azimuth)), abs=1e-3)


@given(lat=latitudes, lon=longitudes, x=st.floats(-5e4, 5e4), y=st.floats(-5e4, 5e4))
def test_there_and_back_is_where_it_was(lat, lon, x, y) -> None:
    frame = LocalFrame(lat=lat, lon=lon)
    there_lat, there_lon = frame.to_wgs84(x, y)
    assert frame.to_metres(lat=there_lat, lon=there_lon) == pytest.approx((x, y), abs=1e-3)


@given(lat=latitudes, lon=longitudes, x=st.floats(-5e4, 5e4), y=st.floats(-5e4, 5e4))
def test_the_series_is_what_pyproj_says(lat, lon, x, y) -> None:
    frame = LocalFrame(lat=lat, lon=lon)
    assert frame._forward is not None
    assert frame._inverse is not None
    there_lon, there_lat = frame._to_plane.transform(x, y, direction="INVERSE")
    found_lat, found_lon = frame.to_wgs84(x, y)
    assert found_lat == pytest.approx(there_lat, abs=1e-8)
    assert found_lon == pytest.approx(there_lon, abs=3e-8)
    assert frame.to_metres(lat=there_lat, lon=there_lon) == pytest.approx((x, y), abs=1e-3)


def test_a_sector_on_the_antimeridian_stays_one() -> None:
    frame = LocalFrame(lat=-16.5, lon=179.999)
    for lon in (179.9, -179.9):
        x_m, y_m = frame.to_metres(lat=-16.4, lon=lon)
        assert abs(x_m) < 12_000
        assert frame.to_wgs84(x_m, y_m) == pytest.approx((-16.4, lon), abs=1e-9)


@given(lat=latitudes, lon=longitudes, x=st.floats(-5e4, 5e4), y=st.floats(-5e4, 5e4))
def test_true_north_is_turned_by_the_convergence(lat, lon, x, y) -> None:
    frame = LocalFrame(lat=lat, lon=lon)
    there_lat, there_lon = frame.to_wgs84(x, y)
    north = frame.to_metres(lat=there_lat + 1e-4, lon=there_lon)
    cos, sin = frame.turn(lat=there_lat, lon=there_lon)
    seen = math.atan2(-(north.x_m - x), north.y_m - y)
    assert math.degrees(seen) == pytest.approx(math.degrees(math.atan2(sin, cos)), abs=0.05)


def test_an_ellipse_that_points_east_points_north_after_a_quarter_turn() -> None:
    assert turned((9.0, 0.0, 1.0), 0.0, 1.0) == pytest.approx((1.0, 0.0, 9.0))
    eighth = math.sqrt(0.5)
    assert turned((9.0, 0.0, 1.0), eighth, eighth) == pytest.approx((5.0, 4.0, 5.0))
