"""A sector on disk: what is understood, and what is refused in one sentence that names it."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from edge.messages import RefusedError, to_builtins
from fusion.rulebook import Rules
from fusion.sector import load_sector


def test_a_sector_is_read_as_written(make, sector_maker) -> None:
    sector = sector_maker.load(
        trails=make.collection(
            make.feature("LineString", sector_maker.line((0, -9), (9, 9)), id="t", name="Đường")
        ),
        zones=make.collection(
            make.feature("Polygon", sector_maker.square(0, 0, 9), id="z", kind="farmland")
        ),
        markers=make.collection(make.feature("Point", sector_maker.at(0, 0), id=234)),
        rules="[rules.crossing]\nmin_probability = 0.9\n",
    )
    assert (sector.id, sector.name, sector.unit) == ("ha-giang", "Hà Giang", None)
    assert sector.border.length_m == pytest.approx(4000.0, abs=0.1)
    assert (sector.trails[0].name, sector.trails[0].kind) == ("Đường", "duong_mon")
    assert sector.markers[0].id == "234"
    assert sector.rules.crossing.min_probability == 0.9
    assert sector.rules.crossing.labels == ("person",)
    assert sorted(sector.layers) == ["border", "markers", "trails", "zones"]


def test_only_the_border_is_required(sector_maker) -> None:
    sector = sector_maker.load()
    assert (sector.trails, sector.zones, sector.markers) == ((), (), ())


def test_a_long_segment_is_straight_in_degrees_not_on_the_ground(make, sector_maker) -> None:
    """RFC 7946: at 22.9 degrees north, 100 km along a parallel bow 80 m off the geodesic."""
    line = [[105.0, 22.9], [106.0, 22.9]]
    border = make.collection(make.feature("LineString", line, home_side="right"))
    sector = sector_maker.load(border=border)
    at = sector.frame.to_metres(lat=22.9, lon=105.5)
    assert abs(sector.border.side(*at).distance_m) < 0.1


BAD_LAYERS = {
    "border without home_side": ("border", "LineString", [[0, 1], [0, 2]], {}, "home_side"),
    "unknown home_side": (
        "border", "LineString", [[0, 1], [0, 2]], {"home_side": "north"}, "'north'",
    ),
    "unknown status": (
        "border", "LineString", [[0, 1], [0, 2]], {"home_side": "left", "status": "wet"}, "'wet'",
    ),
    "negative sigma": (
        "border", "LineString", [[0, 1], [0, 2]], {"home_side": "left", "sigma_m": -1}, "-1",
    ),
    "wrong geometry": ("border", "Polygon", [[[0, 1], [0, 2], [1, 1], [0, 1]]], {}, "Polygon"),
    "one vertex": ("border", "LineString", [[0, 1], [0, 1]], {"home_side": "left"}, "two"),
    "swapped": ("border", "LineString", [[22.9, 105.3], [22.9, 105.4]], {}, "swapped"),
    "projected": ("border", "LineString", [[530000, 2532000], [530100, 2532000]], {}, "projection"),
    "text coordinate": ("border", "LineString", [["a", 1], [0, 2]], {}, "'a'"),
    "trail without id": ("trails", "LineString", [[105.3, 22.9], [105.3, 22.91]], {}, "id"),
    "trail kind": (
        "trails", "LineString", [[105.3, 22.9], [105.3, 22.91]], {"id": "a", "kind": "x"}, "'x'",
    ),
    "trail elsewhere": ("trails", "LineString", [[22.9, 15.3], [22.9, 15.4]], {"id": "a"}, "km"),
    "open ring": (
        "zones", "Polygon", [[[105.3, 22.9], [105.31, 22.9], [105.3, 22.91], [105.32, 22.9]]],
        {"id": "a", "kind": "farmland"}, "end where it began",
    ),
    "zone without kind": (
        "zones", "Polygon", [[[105.3, 22.9], [105.31, 22.9], [105.3, 22.91], [105.3, 22.9]]],
        {"id": "a"}, "kind",
    ),
    "bad schedule": (
        "zones", "Polygon", [[[105.3, 22.9], [105.31, 22.9], [105.3, 22.91], [105.3, 22.9]]],
        {"id": "a", "kind": "crossing_point", "schedule": "at noon"}, "at noon",
    ),
    "marker without id": ("markers", "Point", [105.3, 22.9], {}, "id"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_LAYERS)
def test_a_broken_layer_is_refused_by_file_feature_and_value(make, sector_maker, name) -> None:
    layer, shape, coordinates, properties, word = BAD_LAYERS[name]
    broken = make.collection(make.feature(shape, coordinates, **properties))
    path = sector_maker.write(**{layer: broken})
    with pytest.raises(RefusedError) as refusal:
        load_sector(path)
    said = str(refusal.value)
    assert f"{layer}.geojson: feature 0: " in said
    assert word in said
    assert "\n" not in said


def test_ids_must_be_unique(make, sector_maker) -> None:
    marker = make.feature("Point", sector_maker.at(0, 0), id="234")
    path = sector_maker.write(markers=make.collection(marker, marker))
    with pytest.raises(RefusedError, match="feature 1: id '234' was used before"):
        load_sector(path)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ('extra = "[sectors]\\n"', "sectors"),
        ("rules = '[rules.crossing]\\nmin_probabilty = 0.9\\n'", "min_probabilty"),
        ("rules = '[rules.crossing]\\nmin_probability = 1.5\\n'", "min_probability"),
        ("rules = '[rules.crosing]\\nmin_probability = 0.9\\n'", "crosing"),
        ("rules = '[rules'", "TOML"),
    ],
)
def test_an_unknown_key_or_value_is_refused(sector_maker, change, word) -> None:
    key, _, text = change.partition(" = ")
    value = text.strip("\"'").encode().decode("unicode_escape")
    path = sector_maker.write(**{key: value})
    with pytest.raises(RefusedError, match=word) as refusal:
        load_sector(path)
    assert str(path) in str(refusal.value)


def test_a_wrong_time_zone_is_refused(sector_maker) -> None:
    path = sector_maker.write()
    path.write_text(path.read_text().replace("Asia/Ho_Chi_Minh", "Asia/Hanoi_"))
    with pytest.raises(RefusedError, match="Asia/Hanoi_"):
        load_sector(path)


def test_another_datum_is_refused(sector_maker) -> None:
    """VN-2000 taken for WGS 84 is wrong by 224 m (DOMAIN.md 4.6)."""
    path = sector_maker.write()
    layer = json.loads((path.parent / "border.geojson").read_text())
    layer["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4756"}}
    (path.parent / "border.geojson").write_text(json.dumps(layer))
    with pytest.raises(RefusedError, match="EPSG::4756"):
        load_sector(path)


@pytest.mark.parametrize(
    "content", [None, "{", '{"type": "Feature"}', '{"x": NaN}', "[]", "\udcff"]
)
def test_a_layer_that_is_none_is_refused_by_name(sector_maker, content) -> None:
    path = sector_maker.write()
    layer = path.parent / "border.geojson"
    layer.unlink()
    if content is not None:
        layer.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(RefusedError, match=r"border\.geojson"):
        load_sector(path)


def test_a_missing_sector_is_refused_by_name(tmp_path) -> None:
    with pytest.raises(RefusedError, match=r"nowhere\.toml"):
        load_sector(tmp_path / "nowhere.toml")


def test_a_rules_file_wins_over_the_sectors_own(sector_maker, tmp_path) -> None:
    path = sector_maker.write(rules="[rules.crossing]\nmin_probability = 0.9\nsustain_s = 2\n")
    over = tmp_path / "new.toml"
    over.write_text("[rules.crossing]\nmin_probability = 0.99\n")
    rules = load_sector(path, rules_file=over).rules.crossing
    assert (rules.min_probability, rules.sustain_s) == (0.99, 2.0)
    over.write_text("[rule.crossing]\nmin_probability = 0.99\n")
    with pytest.raises(RefusedError, match=r"new\.toml.*'rule'"):
        load_sector(path, rules_file=over)


def test_every_rule_and_its_default_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "sector.md").read_text(encoding="utf-8")
    rules = Rules()
    missing = [
        f"{table.name}.{rule.name} = {value!r}"
        for table in msgspec.structs.fields(rules)
        for rule in msgspec.structs.fields(getattr(rules, table.name))
        for value in [to_builtins(getattr(getattr(rules, table.name), rule.name))]
        if not re.search(rf"\| `{rule.name}` \| `{re.escape(json.dumps(value))}` \|", text)
    ]
    assert missing == []


def test_a_border_that_crosses_itself_is_refused(make, sector_maker) -> None:
    bow = sector_maker.line((-400, 30), (400, 140), (400, 30), (-400, 140))
    path = sector_maker.write(
        border=make.collection(make.feature("LineString", bow, home_side="right"))
    )
    with pytest.raises(RefusedError, match=r"border\.geojson: the border line crosses"):
        load_sector(path)


@pytest.mark.parametrize(("second", "fits"), [("right", True), ("left", False)])
def test_lines_that_meet_must_agree_where_home_is(make, sector_maker, second, fits) -> None:
    west = make.feature("LineString", sector_maker.line((-900, 0), (0, 9)), home_side="right")
    east = make.feature("LineString", sector_maker.line((0, 9), (900, 0)), home_side=second)
    path = sector_maker.write(border=make.collection(west, east))
    if fits:
        assert load_sector(path)
    else:
        with pytest.raises(RefusedError, match="feature 0 and feature 1 meet"):
            load_sector(path)


def test_a_zone_that_crosses_itself_is_refused(make, sector_maker) -> None:
    (ring,) = sector_maker.square(0, 0, 50)
    ring[1], ring[2] = ring[2], ring[1]
    zones = make.collection(make.feature("Polygon", [ring], id="z", kind="farmland"))
    with pytest.raises(RefusedError, match="feature 0: its outline crosses"):
        load_sector(sector_maker.write(zones=zones))


def test_files_saved_by_notepad_are_read(sector_maker) -> None:
    """Windows' Notepad puts a byte order mark in front."""
    path = sector_maker.write()
    for file in (path, path.with_name("border.geojson")):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load_sector(path).id == "ha-giang"
