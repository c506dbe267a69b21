"""Heights of trails: from any file into the time that a way takes."""

import itertools
import json
import math
from itertools import pairwise

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from fusion.layer_files import LayerFile, read_layer
from fusion.local_frame import Metres
from fusion.plan import Trail
from fusion.rulebook import TrailsRule
from fusion.sector import load_sector
from fusion.situation.border import Border, BorderPiece
from fusion.situation.matching import Footing
from fusion.situation.prediction import predicted_path, ways
from fusion.situation.slope import at, effort, flat_m, smoothed, tobler_kmh
from fusion.situation.trail_network import Course, TrailNetwork
from fusion.tracking.motion import Motion
from tests.fusion.engine.conftest import collection, feature

BORDER = Border(
    [BorderPiece((Metres(-1000.0, 0.0), Metres(1000.0, 0.0)), False, "demarcated", 1.0)]
)
heights = st.lists(st.floats(0.0, 500.0), min_size=2, max_size=12)
steps = st.lists(st.floats(0.5, 200.0), min_size=1, max_size=11)


@st.composite
def profiles(draw) -> tuple[list[float], list[float]]:
    lengths = draw(steps)
    rises = draw(st.lists(st.floats(-0.6, 0.6), min_size=len(lengths), max_size=len(lengths)))
    along = list(itertools.accumulate(lengths, initial=0.0))
    climbs = (a * b for a, b in zip(lengths, rises, strict=True))
    return along, list(itertools.accumulate(climbs, initial=800.0))


@pytest.mark.parametrize(
    ("slope", "kmh"),
    [(0.0, 5.0367), (-0.05, 6.0), (0.1, 3.5493), (0.3, 1.7625), (-0.3, 2.5012), (0.5, 0.8753)],
)
def test_toblers_function_gives_the_vectors_of_the_domain(slope, kmh) -> None:
    assert tobler_kmh(slope) == pytest.approx(kmh, abs=5e-5)


@given(profiles())
def test_there_and_back_takes_longer_than_the_same_on_flat_ground(profile) -> None:
    along, height = profile
    onward, back = flat_m(along, height, onward=True), flat_m(along, height, onward=False)
    assert onward[-1] + back[-1] >= 2.0 * along[-1] * tobler_kmh(0.0) / 6.0
    turned = ([along[-1] - a for a in reversed(along)], height[::-1])
    assert flat_m(*turned, onward=True)[-1] == pytest.approx(back[-1])
    assert all(a < b for a, b in pairwise(onward))


@given(profiles(), st.floats(0.0, 1.0))
def test_a_vertex_more_on_a_leg_changes_no_time(profile, share) -> None:
    along, height = profile
    between = along[0] + share * (along[1] - along[0])
    if not along[0] + 0.1 < between < along[1] - 0.1:
        return
    more = [along[0], between, *along[1:]], [height[0], at(along, height, between), *height[1:]]
    assert flat_m(*more, onward=True)[-1] == pytest.approx(flat_m(along, height, onward=True)[-1])


@given(steps, st.floats(-0.5, 0.5))
def test_a_steady_slope_stays_what_it_is_when_it_is_smoothed(lengths, slope) -> None:
    along = list(itertools.accumulate(lengths, initial=0.0))
    steady = [800.0 + slope * a for a in along]
    assert smoothed(along, steady) == pytest.approx(steady)


@given(profiles())
def test_smoothing_keeps_the_ends_and_exceeds_nothing(profile) -> None:
    along, height = profile
    smooth = smoothed(along, height)
    assert (smooth[0], smooth[-1]) == pytest.approx((height[0], height[-1]))
    assert min(height) - 1e-6 <= min(smooth)
    assert max(smooth) <= max(height) + 1e-6


def test_heights_that_jump_by_metres_do_not_make_a_flat_path_a_climb() -> None:
    along = [5.0 * n for n in range(101)]
    jumping = [800.0 + 3.0 * (-1) ** n for n in range(101)]
    assert flat_m(along, jumping, onward=True)[-1] > 3.0 * along[-1]
    assert flat_m(along, smoothed(along, jumping), onward=True)[-1] < 1.15 * along[-1]


def net(*lines: tuple[tuple[float, float, float], ...]) -> TrailNetwork:
    trails = [
        Trail(
            id=f"t{n}", name="", kind="duong_mon",
            line=tuple(Metres(x, y) for x, y, _ in line), heights_m=tuple(z for *_, z in line),
        )
        for n, line in enumerate(lines)
    ]  # fmt: skip
    return TrailNetwork(trails, BORDER, TrailsRule())


def walker(y_m: float) -> Motion:
    return Motion(0.0, y_m, 0.0, 1.0, (1.0, 0.0, 1.0), (0.0,) * 4, (0.01, 0.0, 0.01))


def test_whoever_comes_from_the_flat_into_a_climb_needs_longer_than_at_their_pace() -> None:
    network = net(((0, -400, 500), (0, -200, 500), (0, -100, 530), (0, 50, 575)))
    (over,) = [n for n, edge in enumerate(network.edges) if edge.line[0].y_m == -400.0]
    footing = Footing(0.0, ((Course(over, onward=True), 1.0),))
    way = ways(footing, walker(-250.0), network)[0]
    assert way.left_m == pytest.approx(250.0)
    assert way.as_here_m == pytest.approx(50.0 + 200.0 * effort(0.3), rel=0.08)
    path = list(predicted_path(way, walker(-250.0), 1.0, network))
    assert path[-1].median_s == pytest.approx(way.as_here_m)
    steep = [b.median_s - a.median_s for a, b in pairwise(path) if a.at.y_m > -170.0]
    assert min(steep) > 2.0 * (path[1].median_s - path[0].median_s)
    # On the climb itself their pace is that of the climb.
    there = ways(footing, walker(-100.0), network)[0]
    assert there.as_here_m == pytest.approx(100.0, rel=0.08)


@given(profiles())
def test_cut_where_trails_meet_it_takes_as_long_as_whole(profile) -> None:
    along, height = profile
    if along[-1] < 20.0:
        return
    line = tuple((0.0, a - along[-1] - 30.0, z) for a, z in zip(along, height, strict=True))
    whole = net(line)
    at_m = -30.0 - along[-1] / 2.0
    cut = net(line, ((0.0, at_m, 0.0), (90.0, at_m, 0.0)))
    lengths = [
        math.fsum(
            network.left_flat_m(Course(n, onward=True), 0.0)
            for n, edge in enumerate(network.edges)
            if edge.trail_id == "t0"
        )
        for network in (whole, cut)
    ]
    assert lengths[0] == pytest.approx(lengths[1], rel=0.02, abs=0.5)


LINE_Z = ((0, -300, 700.0), (0, -150, 745.5), (0, 10, 800.25))


@pytest.mark.parametrize("ending", ["gpx", "kml", "geojson", "gpkg", "shp"])
def test_heights_come_from_every_kind_of_file(sector_maker, ending) -> None:
    import pyogrio  # noqa: PLC0415 - slow to load

    points = [(*sector_maker.at(x, y), z) for x, y, z in LINE_Z]
    sector_maker.write()
    file = sector_maker.folder / f"trails.{ending}"
    if ending == "gpx":
        steps = "".join(f'<trkpt lon="{x}" lat="{y}"><ele>{z}</ele></trkpt>' for x, y, z in points)
        file.write_text(f"<gpx><trk><name>khe</name><trkseg>{steps}</trkseg></trk></gpx>")
    elif ending == "kml":
        text = " ".join(f"{x},{y},{z}" for x, y, z in points)
        line = f"<LineString><coordinates>{text}</coordinates></LineString>"
        file.write_text(f"<kml><Placemark><name>khe</name>{line}</Placemark></kml>")
    elif ending == "geojson":
        line = feature("LineString", [list(point) for point in points], id="khe")
        file.write_text(json.dumps(collection(line)))
    else:
        blobs = shapely.to_wkb([shapely.LineString(points)])
        pyogrio.raw.write(
            file, geometry=blobs, field_data=[], fields=[], crs="EPSG:4326",
            geometry_type="LineString Z",
        )  # fmt: skip
    path = sector_maker.folder / "sector.toml"
    path.write_text(path.read_text().replace("[layers]\n", f'[layers]\ntrails = "{file.name}"\n'))
    (trail,) = load_sector(path).trails
    assert trail.heights_m == pytest.approx([700.0, 745.5, 800.25])


def test_a_line_that_lacks_one_height_is_flat(tmp_path) -> None:
    file = tmp_path / "a.geojson"
    line = feature("LineString", [[105.3, 22.9, 700], [105.31, 22.9]], id="a")
    file.write_text(json.dumps(collection(line)))
    from fusion.layers import features  # noqa: PLC0415

    (found,) = features(read_layer(LayerFile(file, "LineString")), "LineString")
    assert found.heights_m == ()


def test_heights_go_along_where_a_long_segment_gets_points_between(sector_maker) -> None:
    points = [[*sector_maker.at(0, -1500), 700.0], [*sector_maker.at(0, 0), 900.0]]
    trails = collection(feature("LineString", points, id="a"))
    (trail,) = load_sector(sector_maker.write(trails=trails)).trails
    assert len(trail.line) == len(trail.heights_m) > 3
    for place, height_m in zip(trail.line, trail.heights_m, strict=True):
        assert height_m == pytest.approx(900.0 + place.y_m * 200.0 / 1500.0, abs=0.5)


def test_altitudes_above_the_ground_are_no_heights(tmp_path) -> None:
    file = tmp_path / "a.kml"
    line = (
        "<LineString><altitudeMode>relativeToGround</altitudeMode>"
        "<coordinates>105.3,22.9,2 105.31,22.9,50</coordinates></LineString>"
    )
    file.write_text(f"<kml><Placemark>{line}</Placemark></kml>")
    (found,) = read_layer(LayerFile(file, "LineString")).collection["features"]
    assert found["geometry"]["coordinates"] == [[105.3, 22.9], [105.31, 22.9]]
