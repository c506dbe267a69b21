"""One position in the four ways that guards write it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Proj, Transformer

from fusion.datum import datum
from fusion.situation.coordinates import mgrs, vn2000_grid, written

lats = st.floats(8.5, 23.4)
lons = st.floats(102.2, 109.4)


@pytest.mark.parametrize(
    ("lat", "lon", "published"),
    [
        (42.0, -93.0, "15T WG 00000 49776"),  # the mgrs package's own README
        # Wikipedia, "Military Grid Reference System"; in the middle of that square metre.
        (21.4098, -157.91608, "4Q FJ 12345 67890"),
    ],
)
def test_mgrs_is_as_published(lat, lon, published) -> None:
    assert mgrs(lat, lon).removeprefix("0") == published


@given(lat=lats, lon=lons)
def test_mgrs_is_utm_cut_off_to_the_metre(lat, lon) -> None:
    zone = int(lon // 6) + 31
    east_m, north_m = Proj(proj="utm", zone=zone, ellps="WGS84")(lon, lat)
    band, _, east, north = mgrs(lat, lon).split()
    assert int(band[:-1]) == zone
    for told, metres in ((east, east_m), (north, north_m)):
        off_m = (metres - int(told)) % 100_000
        assert min(off_m, 100_000 - off_m) <= 1.01


@pytest.mark.parametrize(
    ("meridian_deg", "epsg"),
    [(105.5, 9209), (104.75, 9208), (107.75, 5899), (None, 3405)],  # Hà Giang, Lào Cai, Đà Nẵng
)
def test_vn2000_is_what_the_code_of_that_zone_says(meridian_deg, epsg) -> None:
    lat, lon = 22.95, 105.31
    grid = vn2000_grid(lat, lon, meridian_deg)
    declared = datum(f"EPSG:{epsg}", where="here")
    assert grid is not None
    back = declared.way.transform(grid.y_m, grid.x_m)
    assert back == pytest.approx((lon, lat), abs=1e-8)


def test_vn2000_lies_224_m_from_the_same_numbers_in_wgs84() -> None:
    lat, lon = 21.03, 105.85  # DOMAIN.md 4.6: 223.8 m at Hà Nội
    grid = vn2000_grid(lat, lon)
    east_m, north_m = Transformer.from_crs("OGC:CRS84", "EPSG:32648", always_xy=True).transform(
        lon, lat
    )
    assert grid is not None
    assert ((grid.y_m - east_m) ** 2 + (grid.x_m - north_m) ** 2) ** 0.5 == pytest.approx(
        223.8, abs=0.5
    )


@given(lat=st.floats(-90, 90), lon=st.floats(-180, 180))
def test_degrees_minutes_and_seconds_say_the_same_place(lat, lon) -> None:
    dms = written(lat, lon).dms
    parts = re.findall(r"(\d+)°(\d\d).(\d\d\.\d\d).([NSEW])", dms)
    for (degrees, minutes, seconds, half), value in zip(parts, (lat, lon), strict=True):
        assert float(seconds) < 60.0
        assert int(minutes) < 60
        read = int(degrees) + int(minutes) / 60 + float(seconds) / 3600
        assert (-read if half in "SW" else read) == pytest.approx(value, abs=0.006 / 3600)


def test_a_position_is_written_in_four_ways() -> None:
    assert written(22.95013, 105.31611, 105.5) == (
        "22.950130, 105.316110",
        "22°57\N{PRIME}00.47\N{DOUBLE PRIME}N 105°18\N{PRIME}58.00\N{DOUBLE PRIME}E",
        "48Q WL 32407 38034",
        "X 2538880 Y 480946 (VN-2000, 105°30\N{PRIME}, 3°)",
    )


def test_far_from_viet_nam_there_is_no_vn2000() -> None:
    assert written(48.0, 11.0).vn2000 is None
