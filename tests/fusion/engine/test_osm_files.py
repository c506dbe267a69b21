"""Trails from OpenStreetMap: which ways are walked, as what, and what is refused."""

import re
from pathlib import Path

import pytest

from edge.messages import RefusedError
from fusion.layer_files import LayerFile, read_layer
from fusion.sector import load_sector

WAYS = {
    101: {"highway": "path", "name": "Khe Lạnh"},
    102: {"highway": "track"},
    103: {"waterway": "river", "name": "Nho Quế"},
    104: {"landuse": "farmland"},
    105: {"highway": "footway"},
    106: {"highway": "proposed"},
}


def extract(path: Path, ways=WAYS) -> Path:
    nodes = "".join(
        f'<node id="{n}" version="1" lat="{22.898 + 0.001 * n}" lon="{105.3 + 0.0005 * n}"/>'
        for n in range(1, 5)
    )
    drawn = "".join(
        f'<way id="{number}" version="1">'
        + "".join(f'<nd ref="{n}"/>' for n in (1, 2, 4))
        + "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items())
        + "</way>"
        for number, tags in ways.items()
    )
    path.write_text(f'<?xml version="1.0"?><osm version="0.6">{nodes}{drawn}</osm>', "utf-8")
    return path


def test_the_ways_that_people_walk_are_trails_of_their_kind(tmp_path) -> None:
    layer = read_layer(LayerFile(extract(tmp_path / "a.osm"), "LineString"))
    told = [feature["properties"] for feature in layer.collection["features"]]
    assert {(str(one["id"]), one["kind"], one.get("name")) for one in told} == {
        ("101", "duong_mon", "Khe Lạnh"),
        ("102", "road", None),
        ("103", "river", "Nho Quế"),
        ("105", "duong_mon", None),
    }
    first = layer.collection["features"][0]["geometry"]["coordinates"]
    assert first[0] == pytest.approx([105.3005, 22.899])
    assert dict(layer.left_out) == {"other ways": 2}
    assert layer.format == "OpenStreetMap"


def test_a_sector_joins_them_to_its_network(sector_maker) -> None:
    path = sector_maker.write()
    extract(path.parent / "trails.osm")
    path.write_text(path.read_text().replace("[layers]", '[layers]\ntrails = "trails.osm"'))
    sector = load_sector(path)
    assert {trail.id for trail in sector.trails} == {"101", "102", "103", "105"}
    assert {edge.trail_id for edge in sector.network.edges} <= {"101", "102", "105"}


@pytest.mark.parametrize(
    ("ways", "content", "why"),
    [
        ({104: {"landuse": "farmland"}}, None, "holds no way with highway"),
        (WAYS, "<osm", "cannot be read"),
        (WAYS, "", "cannot be read"),
    ],
)
def test_what_holds_no_trails_is_refused_by_its_name(tmp_path, ways, content, why) -> None:
    file = extract(tmp_path / "a.osm", ways)
    if content is not None:
        file.write_text(content)
    with pytest.raises(RefusedError, match=rf"a\.osm: .*{re.escape(why)}"):
        read_layer(LayerFile(file, "LineString"))


def test_no_border_is_taken_from_the_map(sector_maker) -> None:
    path = sector_maker.write()
    extract(path.parent / "border.osm")
    path.write_text(path.read_text().replace("border.geojson", "border.osm"))
    with pytest.raises(RefusedError, match=r"border\.osm: OpenStreetMap is read for trails"):
        load_sector(path)
