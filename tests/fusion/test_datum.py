"""Datums: VN-2000 comes to WGS 84 by the published seven parameters, and nothing by a guess."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Geod, Transformer

from edge.messages import RefusedError
from fusion.datum import datum, vn2000

GEOD = Geod(ellps="WGS84")
WGS84_ELLIPSOID = (6378137.0, 1 / 298.257223563)
HANOI, AN_GIANG, HA_GIANG = (21.03, 105.85), (10.5, 105.1), (23.2, 104.98)
VN2000_IN_DEGREES = ("EPSG:4756", 0.0)
ZONES = ("EPSG:3405", "EPSG:3406", "EPSG:5896", "EPSG:5897", "EPSG:5898", "EPSG:5899", "EPSG:9205",
         "EPSG:9206", "EPSG:9207", "EPSG:9208", "EPSG:9209", "EPSG:9210", "EPSG:9211", "EPSG:9212",
         "EPSG:9213", "EPSG:9214", "EPSG:9215", "EPSG:9216", "EPSG:9217", "EPSG:9218")  # fmt: skip
latitudes, longitudes = st.floats(8.5, 23.3), st.floats(102.2, 109.4)


def east_north_m(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    azimuth, _, away_m = GEOD.inv(start[1], start[0], end[1], end[0])
    return away_m * math.sin(math.radians(azimuth)), away_m * math.cos(math.radians(azimuth))


def moved(code: str, lat: float, lon: float) -> tuple[float, float]:
    ((there_lon, there_lat),) = datum(code, where="x").to_wgs84(np.array([[lon, lat]]))
    return float(there_lat), float(there_lon)


def translated(lat: float, lon: float) -> tuple[float, float]:
    """Move a VN-2000 position by the three translations of DOMAIN.md 4.6 alone, by hand."""
    a, f = WGS84_ELLIPSOID
    e2, phi, lam = f * (2 - f), math.radians(lat), math.radians(lon)
    n = a / math.sqrt(1 - e2 * math.sin(phi) ** 2)
    x = n * math.cos(phi) * math.cos(lam) - 191.904
    y = n * math.cos(phi) * math.sin(lam) - 39.303
    z = n * (1 - e2) * math.sin(phi) - 111.450
    p, phi = math.hypot(x, y), math.atan2(z, math.hypot(x, y) * (1 - e2))
    for _ in range(6):
        n = a / math.sqrt(1 - e2 * math.sin(phi) ** 2)
        phi = math.atan2(z + e2 * n * math.sin(phi), p)
    return math.degrees(phi), math.degrees(math.atan2(y, x))


def helmert_6960(lat: float, lon: float) -> tuple[float, float]:
    """EPSG:6960 written out: seven parameters, coordinate frame rotation."""
    way = Transformer.from_pipeline(
        "+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad +step +proj=push +v_3 "
        "+step +proj=cart +ellps=WGS84 +step +proj=helmert +x=-191.90441429 +y=-39.30318279 "
        "+z=-111.45032835 +rx=-0.00928836 +ry=0.01975479 +rz=-0.00427372 +s=0.252906278 "
        "+convention=coordinate_frame +step +inv +proj=cart +ellps=WGS84 +step +proj=pop +v_3 "
        "+step +proj=unitconvert +xy_in=rad +xy_out=deg"
    )
    there_lon, there_lat = way.transform(lon, lat)
    return there_lat, there_lon


@pytest.mark.parametrize(
    ("place", "east_m", "north_m", "away_m"),
    [(HANOI, 195.0, -109.0, 223.8), (AN_GIANG, None, None, 225.0), (HA_GIANG, None, None, 222.6)],
)
def test_the_translations_alone_move_as_far_as_the_domain_notes_say(
    place, east_m, north_m, away_m
) -> None:
    """DOMAIN.md 4.6; An Giang and Hà Giang are provinces, and the figure varies within them."""
    east, north = east_north_m(place, translated(*place))
    assert math.hypot(east, north) == pytest.approx(away_m, abs=0.4)
    if east_m is not None:
        assert (east, north) == pytest.approx((east_m, north_m), abs=0.5)


@pytest.mark.parametrize("place", [HANOI, AN_GIANG, HA_GIANG])
def test_all_seven_parameters_move_within_half_a_metre_of_the_translations(place) -> None:
    there = moved("EPSG:4756", *place)
    off_m = math.hypot(*east_north_m(translated(*place), there))
    assert 0.05 < off_m < 0.6  # rotation and scale are there, and small


@settings(deadline=None)
@given(lat=latitudes, lon=longitudes)
def test_vn2000_is_moved_by_epsg_6960_everywhere(lat, lon) -> None:
    """Not by EPSG:5194, which the database offers beside it in the Mekong delta."""
    assert moved("EPSG:4756", lat, lon) == pytest.approx(helmert_6960(lat, lon), abs=1e-11)


@settings(deadline=None)
@given(lat=latitudes, lon=longitudes)
def test_taken_for_wgs84_it_would_be_wrong_by_220_to_228_m_east_and_south(lat, lon) -> None:
    east_m, north_m = east_north_m((lat, lon), moved("EPSG:4756", lat, lon))
    assert 220.0 < math.hypot(east_m, north_m) < 228.0
    assert east_m > 190.0
    assert north_m < -100.0


@pytest.mark.parametrize("code", ZONES)
def test_every_zone_of_vn2000_goes_the_same_way(code) -> None:
    zone = datum(code, where="x")
    west, south, east, north = zone.area
    lat, lon = (south + north) / 2, (west + east) / 2
    plane = Transformer.from_crs("EPSG:4756", code, always_xy=True).transform(lon, lat)
    ((there_lon, there_lat),) = zone.to_wgs84(np.array([plane]))
    assert (there_lat, there_lon) == pytest.approx(helmert_6960(lat, lon), abs=1e-9)
    assert zone.operation == "VN-2000 to WGS 84 (2)"
    assert zone.accuracy_m == 1.0
    assert code in zone.crs


def test_what_is_wgs84_already_is_not_moved() -> None:
    assert datum("EPSG:4326", where="x").operation is None
    assert datum("EPSG:32648", where="x").operation is None
    assert moved("EPSG:4326", 22.9, 105.3) == (22.9, 105.3)


@pytest.mark.parametrize(
    "declared",
    [
        # The ellipsoid of WGS 84 and no datum: just what PROJ would take for WGS 84 itself.
        "+proj=tmerc +lat_0=0 +lon_0=105.5 +k=0.9999 +x_0=500000 +ellps=WGS84 +units=m",
        'GEOGCS["my VN-2000",DATUM["mine",SPHEROID["WGS 84",6378137,298.257]],UNIT["degree",0.0174]]',
        'LOCAL_CS["Undefined Cartesian SRS",UNIT["metre",1]]',
        "EPSG:5773",
    ],
)
def test_a_datum_that_nothing_leads_from_is_refused_not_ignored(declared) -> None:
    with pytest.raises(RefusedError, match=r"^here: .*no published transformation.*EPSG:3405"):
        datum(declared, where="here")


@pytest.mark.parametrize("declared", ["", "VN-2001", "EPSG:1", "3405;", "EPSG:-1", "\0"])
def test_what_is_no_crs_is_refused(declared) -> None:
    with pytest.raises(RefusedError, match=r"^here: crs .*EPSG:3405") as refusal:
        datum(declared, where="here")
    assert "\n" not in str(refusal.value)


def test_what_counts_from_the_earth_s_centre_is_refused() -> None:
    """A layer has no third coordinate, and without it these two are no place."""
    with pytest.raises(RefusedError, match=r"^here: crs 'EPSG:4978' counts from the Earth's"):
        datum("EPSG:4978", where="here")


TM_3 = (
    'PROJCS["{}",GEOGCS["GCS_WGS_1984",DATUM["D_WGS_1984",SPHEROID["WGS_1984",6378137.0,'
    '298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION['
    '"Transverse_Mercator"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],'
    'PARAMETER["Central_Meridian",105.5],PARAMETER["Scale_Factor",{}],'
    'PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'
)


@pytest.mark.parametrize("name", ["VN_2000_105_30", "VN2K_KTT105-30_mui3", "HaGiang_105_30"])
def test_a_vn2000_zone_typed_in_on_the_datum_of_wgs84_is_refused(name) -> None:
    """The commonest forgotten datum: GIS programs offer WGS 84 for a projection made by hand."""
    with pytest.raises(RefusedError, match=r"^here: .* datum of WGS 84; write its EPSG code"):
        datum(TM_3.format(name, 0.9999), where="here")
    if not name.startswith("VN"):
        assert datum(TM_3.format(name, 0.9996), where="here").operation is None


def test_seven_zeros_declare_no_datum() -> None:
    declared = "+proj=utm +zone=48 +ellps=WGS84 +towgs84=0,0,0,0,0,0,0 +units=m"
    with pytest.raises(RefusedError, match=r"^here: its towgs84 is all zero"):
        datum(declared, where="here")


def test_parameters_written_out_are_taken() -> None:
    """A provincial meridian that the database lacks, with the seven parameters beside it."""
    own = datum(
        "+proj=tmerc +lat_0=0 +lon_0=105.5 +k=0.9999 +x_0=500000 +ellps=WGS84 +units=m +towgs84="
        "-191.90441429,-39.30318279,-111.45032835,-0.00928836,0.01975479,-0.00427372,0.252906278",
        where="x",
    )
    published = datum("EPSG:9209", where="x")  # 105°30'
    assert own.agrees(published, np.array([[500_000.0, 2_500_000.0]]))
    assert not own.agrees(datum("EPSG:9208", where="x"), np.array([[500_000.0, 2_500_000.0]]))


def test_a_crs_with_heights_or_without_a_number_keeps_to_its_zone() -> None:
    plane = datum("EPSG:3405", where="x")
    assert datum("EPSG:3405+5773", where="x").area == plane.area
    assert datum(CRS.from_epsg(3405).to_wkt("WKT1_ESRI"), where="x").area == plane.area


def test_vn2000_holds_viet_nam_only() -> None:
    assert vn2000().holds(np.array([[105.3, 22.9]]))
    assert not vn2000().holds(np.array([[22.9, 105.3]]))
    assert not vn2000().holds(np.array([[np.inf, np.inf]]))
