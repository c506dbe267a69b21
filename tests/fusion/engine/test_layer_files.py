"""Layers in GPX, KML, GeoPackage, Shapefile and FlatGeobuf: what is read, and what is refused."""

import json
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyogrio import raw
from pyproj import Transformer

from edge.command import main
from edge.messages import RefusedError
from fusion.layer_files import LayerFile, read_layer
from fusion.sector import Sector, load_sector

DRIVERS = {"gpkg": "GPKG", "shp": "ESRI Shapefile", "fgb": "FlatGeobuf"}
LINE_MADE_IN_DEGREES = ((105.29, 22.9), (105.31, 22.9))
BORDER_TABLE = '{{ file = "{}", home_side = "right"{} }}'
BILLION_LAUGHS = (
    '<!DOCTYPE kml [<!ENTITY a "' + "ha" * 50_000 + '">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 100}">' for a, b in zip("abcd", "bcde", strict=True))
    + "]><kml><Placemark><name>&e;</name></Placemark></kml>"
)  # fmt: skip


def gis_file(path: Path, shapes: list[Any], crs: str | None, /, **columns: list[Any]) -> Path:
    """Write shapes, whose coordinates are in `crs`, by GDAL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a file without a CRS is no good is the point
        raw.write(
            path,
            np.array([shapely.to_wkb(shape) for shape in shapes], dtype=object),
            [np.array(column) for column in columns.values()],
            list(columns),
            geometry_type=shapes[0].geom_type,
            crs=crs,
            driver=DRIVERS[path.suffix[1:]],
            layer=path.stem,
            append=path.exists() and path.suffix == ".gpkg",
        )
    return path


def in_crs(lonlat: Any, crs: str) -> Any:
    """Where positions lie in a CRS, by PROJ's own choice of operation."""
    to_crs = Transformer.from_crs("OGC:CRS84", crs, always_xy=True)
    return shapely.transform(
        lonlat, lambda at: np.column_stack(to_crs.transform(at[:, 0], at[:, 1]))
    )


def border_of(maker: Any, table: str) -> Sector:
    """Load the default sector with this border in place of its own."""
    path = maker.write()
    path.write_text(path.read_text().replace('border = "border.geojson"', f"border = {table}"))
    return load_sector(path)


def with_layer(maker: Any, name: str, table: str) -> Path:
    path = maker.write()
    path.write_text(path.read_text().replace("[layers]\n", f"[layers]\n{name} = {table}\n"))
    return path


def refusal(path: Path, geometry: str = "LineString", **told: Any) -> str:
    with pytest.raises(RefusedError) as refused:
        read_layer(LayerFile(path, geometry, **told))
    said = str(refused.value)
    assert str(path) in said
    assert "\n" not in said
    return said


# -- projected files -------------------------------------------------------------------------


@pytest.mark.parametrize("ending", DRIVERS)
@pytest.mark.parametrize("crs", ["EPSG:3405", "EPSG:5897", "EPSG:4756", "EPSG:32648"])
def test_a_border_in_its_own_crs_comes_to_where_it_is(sector_maker, ending, crs) -> None:
    sector_maker.folder.mkdir()
    file = gis_file(
        sector_maker.folder / f"line.{ending}",
        [in_crs(shapely.LineString(LINE_MADE_IN_DEGREES), crs)],
        crs,
        home_side=["right"],
    )
    sector = border_of(sector_maker, f'"{file.name}"')
    (feature,) = sector.layers["border"]["features"]
    assert np.array(feature["geometry"]["coordinates"]) == pytest.approx(
        np.array(LINE_MADE_IN_DEGREES),
        abs=2e-8,  # seven parameters and back, without heights: 1 mm
    )
    assert crs in sector.sources["border"].crs
    assert sector.warnings == ()


@pytest.mark.parametrize("ending", DRIVERS)
def test_a_file_that_declares_no_crs_is_refused_until_the_sector_does(
    sector_maker, ending
) -> None:
    sector_maker.folder.mkdir()
    line = in_crs(shapely.LineString(LINE_MADE_IN_DEGREES), "EPSG:3405")
    file = gis_file(sector_maker.folder / f"line.{ending}", [line], None, name=["a"])
    said = refusal(file)
    assert "declares no CRS" in said
    assert 'crs = "EPSG:3405"' in said
    sector = border_of(sector_maker, BORDER_TABLE.format(file.name, ', crs = "EPSG:3405"'))
    assert sector.frame.lat == pytest.approx(22.9, abs=1e-6)
    assert sector.sources["border"].operation == "VN-2000 to WGS 84 (2)"


def test_the_sector_and_the_file_may_not_contradict_one_another(tmp_path) -> None:
    line = in_crs(shapely.LineString(LINE_MADE_IN_DEGREES), "EPSG:3405")
    file = gis_file(tmp_path / "line.gpkg", [line], "EPSG:3405", name=["a"])
    read_layer(LayerFile(file, "LineString", crs="EPSG:3405"))
    said = refusal(file, crs="EPSG:32648")
    assert "EPSG:3405" in said
    assert "EPSG:32648" in said


def test_a_word_of_the_files_own_that_nobody_understands_gives_way(tmp_path) -> None:
    """Shapefiles of land offices often bring a .prj with a datum of the author's own making."""
    line = in_crs(shapely.LineString(LINE_MADE_IN_DEGREES), "EPSG:3405")
    file = gis_file(tmp_path / "line.shp", [line], "EPSG:3405", name=["a"])
    projection = file.with_suffix(".prj")
    known = projection.read_text()
    projection.write_text(known.replace("D_Vietnam_2000", "D_Land_Office"))
    assert "no published transformation" in refusal(file)
    layer = read_layer(LayerFile(file, "LineString", crs="EPSG:3405"))
    assert layer.crs == "EPSG:3405 (VN-2000 / UTM zone 48N)"
    projection.write_text(known.replace("D_Vietnam_2000", "D_WGS_1984"))
    assert "is called 'VN" in refusal(file)


def test_northing_first_is_refused_with_the_reason(tmp_path) -> None:
    """The surveyors of Viet Nam call north X; files follow them now and then."""
    line = in_crs(shapely.LineString(LINE_MADE_IN_DEGREES), "EPSG:3405")
    file = gis_file(tmp_path / "line.gpkg", [shapely.transform(line, lambda at: at[:, ::-1])],
                    "EPSG:3405", name=["a"])  # fmt: skip
    said = refusal(file)
    assert "feature 0: [2532" in said
    assert "swapped" in said


def test_degrees_declared_as_metres_are_refused(tmp_path) -> None:
    file = gis_file(
        tmp_path / "a.fgb", [shapely.LineString(LINE_MADE_IN_DEGREES)], "EPSG:3405", name=["a"]
    )
    assert "feature 0: [105.29, 22.9] lies outside the area of EPSG:3405" in refusal(file)


def test_parts_become_features_and_cells_become_properties(tmp_path) -> None:
    parts = shapely.MultiPolygon(
        [shapely.box(105, 22, 105.1, 22.1), shapely.box(106, 22, 107, 23)]
    )
    file = gis_file(
        tmp_path / "zones.shp", [parts, parts.geoms[0]], "EPSG:4326",
        ID=[7.0, 8.0], KIND=["farmland", None], Area=[1.5, 2.5],
    )  # fmt: skip
    layer = read_layer(LayerFile(file, "Polygon", properties={"kind": "restricted"}))
    told = [feature["properties"] for feature in layer.collection["features"]]
    assert told == [
        {"id": 7, "kind": "farmland"},
        {"id": "7 2", "kind": "farmland"},
        {"id": 8, "kind": "restricted"},
    ]
    assert layer.labels == ("feature 0, part 0", "feature 0, part 1", "feature 1")


def test_another_geometry_is_refused_by_its_number(sector_maker) -> None:
    sector_maker.folder.mkdir()
    file = gis_file(
        sector_maker.folder / "p.gpkg", [shapely.Point(105.3, 22.9)], "EPSG:4326", id=["a"]
    )
    with pytest.raises(RefusedError, match=r"p\.gpkg: feature 0: geometry is a Point"):
        load_sector(with_layer(sector_maker, "trails", f'"{file.name}"'))


def test_a_file_of_several_layers_asks_which(tmp_path) -> None:
    line = [shapely.LineString(LINE_MADE_IN_DEGREES)]
    file = tmp_path / "all.gpkg"
    for name in ("roads", "paths"):
        raw.write(
            file, np.array([shapely.to_wkb(line[0])], dtype=object), [np.array([name])], ["name"],
            geometry_type="LineString", crs="EPSG:4326", driver="GPKG", layer=name,
            append=file.exists(),
        )  # fmt: skip
    assert "holds several layers; write layer = with one of its own: roads, paths" in refusal(file)
    assert "holds no layer 'lanes'" in refusal(file, table="lanes")
    layer = read_layer(LayerFile(file, "LineString", table="paths"))
    assert layer.collection["features"][0]["properties"]["name"] == "paths"


@pytest.mark.parametrize(
    ("old", "new"),
    [("SPHEROID", "SPHERO D"), ("105.0", "1x5.0"), ("298.257223563", '2"8'), ("GEOGCS", "GE")],
)
def test_a_broken_projection_file_is_refused_until_it_is_gone(tmp_path, old, new) -> None:
    line = in_crs(shapely.LineString(LINE_MADE_IN_DEGREES), "EPSG:3405")
    file = gis_file(tmp_path / "line.shp", [line], "EPSG:3405", name=["a"])
    projection = file.with_suffix(".prj")
    projection.write_text(projection.read_text().replace(old, new))
    assert 'crs = "EPSG:3405"' in refusal(file)
    projection.unlink()
    assert read_layer(LayerFile(file, "LineString", crs="EPSG:3405")).collection["features"]


def test_a_projection_that_nobody_knows_is_refused_until_the_sector_speaks(tmp_path) -> None:
    """pyproj 3.7.2 raises IndexError over it."""
    line = in_crs(shapely.LineString(LINE_MADE_IN_DEGREES), "EPSG:3405")
    file = gis_file(tmp_path / "line.shp", [line], "EPSG:3405", name=["a"])
    projection = file.with_suffix(".prj")
    projection.write_text(projection.read_text().replace("Transverse_M", "Adverse_M"))
    assert "no published transformation" in refusal(file)
    assert read_layer(LayerFile(file, "LineString", crs="EPSG:3405")).operation is not None


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
@given(
    ending=st.sampled_from(["gpkg", "shp", "shx", "dbf", "prj", "fgb"]),
    hits=st.lists(st.tuples(st.floats(0.0, 0.999), st.integers(0, 255)), min_size=1, max_size=20),
)
def test_a_damaged_file_is_read_or_refused(tmp_path, ending, hits) -> None:
    line = in_crs(shapely.LineString(LINE_MADE_IN_DEGREES), "EPSG:3405")
    for old in tmp_path.iterdir():
        old.unlink()
    kind = ending if ending in DRIVERS else "shp"
    file = gis_file(tmp_path / f"a.{kind}", [line], "EPSG:3405", name=["a"])
    damaged = file.with_suffix(f".{ending}")
    content = bytearray(damaged.read_bytes())
    for share, value in hits:
        content[int(share * len(content))] = value
    damaged.write_bytes(content)
    try:
        read_layer(LayerFile(file, "LineString"))
    except RefusedError as error:
        assert str(file) in str(error)  # noqa: PT017 - either answer is right


def test_a_datum_that_is_known_coarsely_only_is_warned_of(sector_maker) -> None:
    sector_maker.folder.mkdir()
    line = in_crs(shapely.LineString(LINE_MADE_IN_DEGREES), "EPSG:4131")
    gis_file(sector_maker.folder / "old.fgb", [line], "EPSG:4131", name=["a"])
    sector = border_of(sector_maker, BORDER_TABLE.format("old.fgb", ""))
    (warning,) = sector.warnings
    assert re.search(r"old\.fgb: Indian 1960 to WGS 84 .* within 44 m only", warning)


def test_a_sector_of_geojson_does_not_load_gdal(sector_maker) -> None:
    code = (
        "import sys; from pathlib import Path; from fusion.sector import load_sector; "
        f"load_sector(Path({str(sector_maker.write())!r})); print('pyogrio' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.stdout == "False\n"


@pytest.mark.parametrize("ending", DRIVERS)
def test_a_file_that_is_none_is_refused_by_name(tmp_path, ending) -> None:
    file = tmp_path / f"none.{ending}"
    assert "cannot be read" in refusal(file)
    file.write_bytes(b"not a map at all" * 64)
    assert "cannot be read" in refusal(file)


@pytest.mark.parametrize("declared", ["EPSG:3406", "EPSG:3406+5773"])
def test_another_zone_than_the_files_is_refused(tmp_path, declared) -> None:
    """One zone too far east puts a border at sea, six degrees off; heights hide no zone."""
    line = in_crs(shapely.LineString(LINE_MADE_IN_DEGREES), "EPSG:3405")
    file = gis_file(tmp_path / "line.gpkg", [line], None, name=["a"])
    assert "is it another zone or another CRS?" in refusal(file, crs=declared)


def test_metres_under_a_datum_without_its_zone_are_told_from_another_zone(tmp_path) -> None:
    """ "VN-2000" alone means degrees; what came from a survey is mostly metres of some zone."""
    line = in_crs(shapely.LineString(LINE_MADE_IN_DEGREES), "EPSG:3405")
    file = gis_file(tmp_path / "line.gpkg", [line], None, name=["a"])
    assert "these are metres, not degrees: declare" in refusal(file, crs="EPSG:4756")


def test_a_file_may_not_be_another_inside(tmp_path) -> None:
    """GDAL looks at the bytes, not at the name: some of its formats lead to other files."""
    inside = tmp_path / "a.geojson"
    inside.write_text('{"type": "FeatureCollection", "features": []}')
    file = tmp_path / "a.fgb"
    file.write_text(
        f'<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>{inside}</SrcDataSource>'
        "</OGRVRTLayer></OGRVRTDataSource>"
    )
    assert "OGR_VRT inside, not the FlatGeobuf of its name" in refusal(file)


# -- GPX and KML -----------------------------------------------------------------------------


def kml(*placemarks: str) -> str:
    body = "".join(placemarks)
    return f'<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{body}</Document></kml>'


def placemark(shape: str, name: str = "", attributes: str = "", data: str = "") -> str:
    return f"<Placemark {attributes}><name>{name}</name>{data}{shape}</Placemark>"


LINE = "<LineString><coordinates>105.29,22.9,800 105.31,22.9,810</coordinates></LineString>"


@given(
    points=st.lists(
        st.tuples(st.floats(-180, 180), st.floats(-90, 90)), min_size=2, max_size=6, unique=True
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_gpx_and_kml_say_where_a_line_is_to_the_last_digit(tmp_path, points) -> None:
    gpx, its_kml = tmp_path / "a.gpx", tmp_path / "a.kml"
    steps = "".join(
        f'<trkpt lat="{lat!r}" lon="{lon!r}"><ele>9</ele></trkpt>' for lon, lat in points
    )
    gpx.write_text(f"<gpx><trk><name>x</name><trkseg>{steps}</trkseg></trk></gpx>")
    text = " ".join(f"{lon!r},{lat!r},9" for lon, lat in points)
    its_kml.write_text(
        kml(placemark(f"<LineString><coordinates>{text}</coordinates></LineString>"))
    )
    for file in (gpx, its_kml):
        (feature,) = read_layer(LayerFile(file, "LineString")).collection["features"]
        assert feature["geometry"]["coordinates"] == [[*point, 9.0] for point in points]


def test_a_border_in_kml_takes_its_home_side_from_the_sector(sector_maker) -> None:
    sector_maker.folder.mkdir()
    (sector_maker.folder / "line.kml").write_text(kml(placemark(LINE, "biên giới")))
    sector = border_of(sector_maker, BORDER_TABLE.format("line.kml", ', status = "river"'))
    (piece,) = sector.border.pieces
    assert (piece.home_on_left, piece.status) == (False, "river")
    with pytest.raises(RefusedError, match=r"line\.kml: feature 0: home_side is missing"):
        border_of(sector_maker, '"line.kml"')


def test_what_a_feature_says_itself_wins_over_the_sectors_table(sector_maker) -> None:
    sector_maker.folder.mkdir()
    data = (
        '<ExtendedData><Data name="HOME_SIDE"><value>left</value></Data>'
        '<SchemaData><SimpleData name="sigma_m">2.5</SimpleData></SchemaData></ExtendedData>'
    )
    (sector_maker.folder / "line.kml").write_text(kml(placemark(LINE, data=data)))
    (piece,) = border_of(sector_maker, BORDER_TABLE.format("line.kml", "")).border.pieces
    assert (piece.home_on_left, piece.sigma_m) == (True, 2.5)


@pytest.mark.parametrize("value", ['home_side = "north"', 'colour = "red"', "sigma_m = -1"])
def test_a_table_is_checked_as_the_features_are(sector_maker, value) -> None:
    table = f'{{ file = "border.geojson", {value} }}'
    with pytest.raises(RefusedError, match=r"sector\.toml: .*layers\.border"):
        border_of(sector_maker, table)


def test_a_table_completes_geojson_too(make, sector_maker) -> None:
    trail = make.feature("LineString", sector_maker.line((0, -9), (9, 9)), id="t")
    path = sector_maker.write(trails=make.collection(trail))
    table = '{ file = "trails.geojson", kind = "road" }'
    path.write_text(path.read_text().replace('"trails.geojson"', table))
    assert load_sector(path).trails[0].kind == "road"


def test_ids_are_the_files_own_or_the_names_and_never_twice(tmp_path) -> None:
    file = tmp_path / "trails.kml"
    two = f"<MultiGeometry>{LINE}{LINE}</MultiGeometry>"
    file.write_text(
        kml(
            placemark(LINE, "Đường mòn"),
            placemark(LINE, "Đường mòn"),
            placemark(two, "b", 'id="p7"'),
            placemark(LINE, "p7"),
            placemark(LINE),
        )
    )
    ids = [
        feature["properties"]["id"]
        for feature in read_layer(LayerFile(file, "LineString")).collection["features"]
    ]
    assert ids == ["Đường mòn", "Đường mòn 2", "p7", "p7 2", "p7 3", "trails 4"]


def test_a_marker_is_known_by_its_name_and_only_one_has_it(sector_maker) -> None:
    path = with_layer(sector_maker, "markers", '"markers.gpx"')
    gpx = sector_maker.folder / "markers.gpx"
    post = '<wpt lat="22.9" lon="105.3"><name> 234 </name></wpt>'
    gpx.write_text(f"<gpx>{post}</gpx>")
    assert [marker.id for marker in load_sector(path).markers] == ["234"]
    gpx.write_text(f"<gpx>{post}{post}</gpx>")
    with pytest.raises(RefusedError, match="feature 1: id '234' was used before"):
        load_sector(path)


def test_routes_segments_rings_and_recorded_tracks_are_lines_and_areas(tmp_path) -> None:
    gpx = tmp_path / "a.gpx"
    step = '<{} lat="22.9" lon="105.{}"/>'
    segment = "<trkseg>" + step.format("trkpt", 1) + step.format("trkpt", 2) + "</trkseg>"
    route = "<rte>" + step.format("rtept", 3) + step.format("rtept", 4) + "</rte>"
    gpx.write_text(f"<gpx><!-- two --><trk><name>x</name>{segment}{segment}</trk>{route}</gpx>")
    layer = read_layer(LayerFile(gpx, "LineString"))
    assert layer.labels == ("feature 0, part 0", "feature 0, part 1", "feature 1")

    area = tmp_path / "a.kml"
    ring = "<LinearRing><coordinates>0,0 1,0 1,1 0,0</coordinates></LinearRing>"
    hole = "<innerBoundaryIs><LinearRing><coordinates>.5,.1 .6,.1 .6,.2 .5,.1</coordinates>"
    area.write_text(
        kml(
            placemark(f"<Polygon>{hole}</LinearRing></innerBoundaryIs>"
                      f"<outerBoundaryIs>{ring}</outerBoundaryIs></Polygon>"),
            placemark("<Track><when/><coord>105 22 9</coord><coord>105 23 9</coord></Track>"),
        )
    )  # fmt: skip
    (zone,) = read_layer(LayerFile(area, "Polygon")).collection["features"]
    assert [len(ring) for ring in zone["geometry"]["coordinates"]] == [4, 4]
    assert zone["geometry"]["coordinates"][0][1] == [1.0, 0.0]
    (track,) = read_layer(LayerFile(area, "LineString")).collection["features"]
    assert track["geometry"]["coordinates"] == [[105.0, 22.0, 9.0], [105.0, 23.0, 9.0]]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.kml", "<kml", ("is not XML",)),
        ("a.kml", "<gpx/>", ("is not KML", "<gpx>")),
        ("a.gpx", "<kml/>", ("is not GPX", "<kml>")),
        ("a.gpx", "<gpx/>", ("holds no LineString, only nothing",)),
        ("a.gpx", '<gpx><wpt lat="1" lon="2"/></gpx>', ("holds no LineString, only 1 Point",)),
        ("a.gpx", '<gpx><wpt lat="1"/></gpx>', ("feature 0", "lon", "None")),
        ("a.gpx", '<gpx><rte><rtept lat="1" lon="E2"/></rte></gpx>', ("feature 0", "lon", "'E2'")),
        ("a.kml", kml(placemark(LINE), placemark(LINE.replace("22.9,8", "22.9, 8"))), ("feature 1",)),
        ("a.kml", kml(placemark("<Point><coordinates/></Point>")), ("feature 0", "has 0")),
        ("a.kml", kml(placemark("<MultiGeometry>" * 99 + "</MultiGeometry>" * 99)), ("deeply",)),
        ("a.kml", BILLION_LAUGHS, ("<!DOCTYPE>",)),
        ("a.kml", '<!DOCTYPE kml [<!ENTITY a SYSTEM "file:///etc/hostname">]><kml>&a;</kml>', ("<!DOCTYPE>",)),
        ("a.gpx", '<!DOCTYPE gpx><gpx><wpt lat="1" lon="2"/></gpx>', ("<!DOCTYPE>",)),
        ("a.gpx", '<gpx><rte><rtept lat="1" lon="1_04"/></rte></gpx>', ("feature 0", "lon", "'1_04'")),
        ("a.gpx", '<gpx><rte><rtept lat="\uff11" lon="2"/></rte></gpx>', ("feature 0", "lat")),
        ("a.kmz", b"PK", ("KMZ", "unzip")),
        ("a.kml", b"\xff\xfe\x00", ("is not XML",)),
        ("a.kml", b'<?xml version="1.0" encoding="klingon"?><kml/>', ("is not XML",)),
    ],
)  # fmt: skip
def test_broken_gpx_and_kml_are_refused_in_one_sentence(tmp_path, name, content, words) -> None:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = refusal(file)
    assert all(word in said for word in words), said


def test_what_a_kml_leaves_elsewhere_is_named_as_left_out(tmp_path) -> None:
    """A Google Earth file may hold nothing but links to other files, or models: not missed."""
    file = tmp_path / "a.kml"
    others = "<NetworkLink/><Placemark><Model/></Placemark><GroundOverlay/>"
    file.write_text(kml(placemark(LINE)).replace("</kml>", others + "</kml>"), encoding="utf-8")
    layer = read_layer(LayerFile(file, "LineString"))
    assert len(layer.collection["features"]) == 1
    assert layer.left_out == (
        ("GroundOverlay", 1),
        ("NetworkLink", 1),
        ("Placemark without a line, area or point", 1),
    )


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300
)
@given(
    text=st.text(
        st.sampled_from('<>/=" kmlPlacemarkPointcoordinates,.0123-gpxwtrse&;é'), max_size=80
    )
)
def test_whatever_stands_in_an_xml_file_it_is_read_or_refused(tmp_path, text) -> None:
    for ending, frame in (
        (".kml", kml(placemark(text))),
        (".gpx", f"<gpx><trk>{text}</trk></gpx>"),
    ):
        file = tmp_path / f"a{ending}"
        for content in (text, frame):
            file.write_text(content, encoding="utf-8")
            try:
                read_layer(LayerFile(file, "LineString"))
            except RefusedError as error:
                assert str(file) in str(error)  # noqa: PT017 - either answer is right


@pytest.mark.parametrize("number", ["91", "-91", "nan", "inf", "2532000"])
def test_a_latitude_that_is_none_is_refused_by_its_feature(sector_maker, number) -> None:
    path = with_layer(sector_maker, "trails", '"t.gpx"')
    step = '<trkpt lat="{}" lon="105.3"/>'
    (sector_maker.folder / "t.gpx").write_text(
        f"<gpx><wpt lat='1' lon='1'/><trk><name>x</name><trkseg>{step.format(22.9)}"
        f"{step.format(number)}</trkseg></trk></gpx>"
    )
    with pytest.raises(RefusedError, match=r"t\.gpx: feature 1: .*outside WGS 84"):
        load_sector(path)


@pytest.mark.parametrize("ending", ["geojson", "gpx", "kml"])
def test_what_is_wgs84_by_definition_can_be_nothing_else(tmp_path, ending) -> None:
    said = refusal(tmp_path / f"a.{ending}", crs="EPSG:3405")
    assert "WGS 84 by definition" in said
    assert "EPSG:3405" in said
    assert "only for files that hold several" in refusal(tmp_path / f"a.{ending}", table="x")


# -- real files ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "title", "vertices", "points", "said_name"),
    [
        ("Lantau-Trail.kml", "KML", None, 13, "鳳凰徑 Lantau Trail"),
        ("Wilson-Trail-Kowloon-track.gpx", "GPX", 6727, 9, "衛奕信徑 Wilson Trail"),
        ("MacLehose-Trail-track.gpx", "GPX", 8008, 11, None),
    ],
)
def test_real_hiking_trails_are_read_whole(
    test_data, sector_maker, capsys, name, title, vertices, points, said_name
) -> None:
    """One line and some way points in each; GDAL finds only one of the KML's 14 Placemarks."""
    file = test_data / "geo" / name
    path = sector_maker.write()
    text = path.read_text().replace(
        'border = "border.geojson"',
        f'border = {{ file = "{file}", home_side = "left" }}\ntrails = "{file}"\nmarkers = "{file}"',
    )
    path.write_text(text)
    trails = read_layer(LayerFile(file, "LineString"))
    markers = read_layer(LayerFile(file, "Point"))
    assert trails.format == title
    assert dict(trails.left_out) == {"Point": points}
    (trail,) = trails.collection["features"]
    assert vertices in {None, len(trail["geometry"]["coordinates"])}
    assert said_name in {None, trail["properties"]["name"]}
    assert len(markers.collection["features"]) == points

    path.write_text(text.replace(f'{{ file = "{file}", home_side = "left" }}', '"border.geojson"'))
    with pytest.raises(RefusedError, match="is of another place"):  # Hong Kong, not Hà Giang
        load_sector(path)
    sector_maker.lat, sector_maker.lon = 22.3, 114.1
    sector_maker.write()
    path.write_text(text.replace(f'{{ file = "{file}", home_side = "left" }}', '"border.geojson"'))
    assert main(["fusion", "check", str(path), "--geojson", str(path.with_name("c.geojson"))]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["layers"]["trails"]["format"] == title
    assert said["layers"]["trails"]["left_out"] == {"Point": points}
    assert said["layers"]["markers"]["features"] == points
    assert (
        22.1 < said["layers"]["trails"]["box"]["south"] < said["layers"]["trails"]["box"]["north"]
    )
    drawn = json.loads(path.with_name("c.geojson").read_text())
    assert {one["properties"]["layer"] for one in drawn["features"]} >= {"trails", "markers"}
