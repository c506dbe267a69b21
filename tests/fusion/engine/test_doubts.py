"""`fusion check` says what is wrong in a sector: what, which feature, and where."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.command import main
from edge.messages import RefusedError
from fusion.doubts import Doubt, doubts
from fusion.layers import RefusedFeatureError
from fusion.sector import load_sector


def found(sector_maker, **layers: object) -> list[Doubt]:
    return doubts(sector_maker.load(**layers))


def border(make, sector_maker, *lines: object, **properties: object) -> dict:
    return make.collection(
        *(
            make.feature("LineString", sector_maker.line(*line), home_side="right", **properties)
            for line in lines
        )
    )


def trail(make, sector_maker, name, *points: object) -> dict:
    return make.feature("LineString", sector_maker.line(*points), id=name)


def zone(make, sector_maker, name, kind, *, at=(0, 0), half_m=50, **properties: object) -> dict:
    square = sector_maker.square(*at, half_m)
    return make.feature("Polygon", square, id=name, kind=kind, **properties)


def test_a_sector_as_it_should_be_has_none(make, sector_maker) -> None:
    assert (
        found(
            sector_maker,
            border=border(make, sector_maker, [(-900, 0), (0, 9)], [(0, 9), (900, 0)]),
            trails=make.collection(
                trail(make, sector_maker, "a", (0, -300), (0, 100)),
                trail(make, sector_maker, "b", (200, -300), (0, -150)),  # meets a
                trail(make, sector_maker, "c", (90, -300), (90, -120)),  # ends in a clearing
            ),
            zones=make.collection(
                zone(make, sector_maker, "gate", "crossing_point"),
                zone(make, sector_maker, "field", "farmland", at=(0, -60)),
                zone(make, sector_maker, "depot", "restricted", at=(400, -200)),
            ),
            markers=make.collection(make.feature("Point", sector_maker.at(5, 5), id="234")),
        )
        == []
    )


def test_a_gap_in_the_border_is_where_people_cross_unseen(make, sector_maker) -> None:
    (doubt,) = found(
        sector_maker,
        border=border(make, sector_maker, [(-900, 0), (-20, 0)], [(20, 0), (900, 0)]),
    )
    assert (doubt.kind, doubt.severity) == ("border_gap", "error")
    assert doubt.features == ("feature 0", "feature 1")
    assert doubt.spot == pytest.approx((-20.0, 0.0), abs=0.2)
    assert "a gap of 40.0 m between feature 0 and feature 1" in doubt.text


def test_a_piece_that_ends_on_the_middle_of_another_leaves_a_gap(make, sector_maker) -> None:
    lines = [(-900, 0), (900, 0)], [(300, 0.2), (300, 400)]
    (doubt,) = found(sector_maker, border=border(make, sector_maker, *lines))
    assert (doubt.kind, doubt.severity) == ("border_gap", "error")


def test_parts_far_from_one_another_may_be_meant(make, sector_maker) -> None:
    lines = [(-900, 0), (-20, 0)], [(-20, 0), (0, 5)], [(2500, 0), (2900, 0)]
    (doubt,) = found(sector_maker, border=border(make, sector_maker, *lines))
    assert (doubt.severity, doubt.features) == ("warning", ("feature 1", "feature 2"))
    assert "2.5 km" in doubt.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(gap_m=st.floats(0.0, 60.0))
def test_a_trail_that_stops_just_short_of_another_is_named(make, sector_maker, gap_m) -> None:
    said = found(
        sector_maker,
        trails=make.collection(
            trail(make, sector_maker, "long", (0, -300), (0, 100)),
            trail(make, sector_maker, "short", (400, -150), (gap_m, -150)),
        ),
    )
    if 1.01 < gap_m < 29.99:
        (doubt,) = said
        assert (doubt.kind, doubt.features) == ("trails_nearly_touch", ("short", "long"))
        assert doubt.spot == pytest.approx((gap_m, -150.0), abs=0.2)
    elif not 0.99 < gap_m < 30.01:
        assert said == []


def test_a_trail_that_ends_just_short_of_the_line_is_named(make, sector_maker) -> None:
    said = found(
        sector_maker,
        trails=make.collection(
            trail(make, sector_maker, "short", (0, -300), (0, -12)),
            trail(make, sector_maker, "over", (300, -300), (300, 12)),
            trail(make, sector_maker, "far", (600, -300), (600, -100)),
        ),
    )
    assert [(one.kind, one.features) for one in said] == [("trail_short_of_line", ("short",))]
    assert said[0].spot == pytest.approx((0.0, -12.0), abs=0.2)  # the line is no geodesic


@pytest.mark.parametrize(
    ("kinds", "hours", "contradict"),
    [
        (("restricted", "crossing_point"), (None, None), True),
        (("restricted", "farmland"), (None, None), True),
        (("settlement", "crossing_point"), (None, None), False),
        (("restricted", "restricted"), (None, None), False),
        (("restricted", "farmland"), ("20:00-05:00", "06:00-18:00"), False),
        (("restricted", "farmland"), ("17:55-05:00", "06:00-18:00"), True),
        (("restricted", "farmland"), ("Sun 00:00-24:00", "Sat 22:00-06:00"), True),
        (("restricted", "farmland"), ("Mon 00:00-24:00", None), True),
    ],
)
def test_zones_contradict_where_and_when_both_hold(
    make, sector_maker, kinds, hours, contradict
) -> None:
    one, other = (
        zone(
            make, sector_maker, name, kind, at=(east_m, 0), **({"schedule": when} if when else {})
        )
        for name, kind, when, east_m in zip("ab", kinds, hours, (0, 60), strict=True)
    )
    said = found(sector_maker, zones=make.collection(one, other))
    assert [(d.kind, d.features) for d in said] == [("zones_contradict", ("a", "b"))] * contradict


@pytest.mark.parametrize(
    ("schedule", "severity", "text"),
    [
        ("30/02 06:00-18:00", "error", "the schedule of zone gate never applies: 30/02 06:00-18:00"),
        (
            "06:00-18:00; 14/02/2026-01/02/2026", "warning",
            "a part of the schedule of zone gate never applies: 14/02/2026-01/02/2026",
        ),
    ],
)  # fmt: skip
def test_hours_that_never_come_are_named(make, sector_maker, schedule, severity, text) -> None:
    gate = zone(make, sector_maker, "gate", "crossing_point", schedule="29/02 5th Tue")  # in 2028
    assert found(sector_maker, zones=make.collection(gate)) == []
    gate = zone(make, sector_maker, "gate", "crossing_point", schedule=schedule)
    (doubt,) = found(sector_maker, zones=make.collection(gate))
    assert (doubt.kind, doubt.severity, doubt.text) == ("never_applies", severity, text)


def test_zones_that_only_touch_do_not_contradict(make, sector_maker) -> None:
    one = zone(make, sector_maker, "a", "restricted", at=(-51, -60))
    other = zone(make, sector_maker, "b", "farmland", at=(51, -60))
    assert found(sector_maker, zones=make.collection(one, other)) == []


def test_a_gate_without_a_piece_of_the_line_opens_nothing(make, sector_maker) -> None:
    gate = zone(make, sector_maker, "gate", "crossing_point", at=(0, -70))
    (doubt,) = found(sector_maker, zones=make.collection(gate))
    assert (doubt.kind, doubt.features) == ("crossing_point_off_line", ("gate",))


def test_a_marker_far_from_the_line_is_named(make, sector_maker) -> None:
    markers = [
        make.feature("Point", sector_maker.at(0, -400), id="234"),
        make.feature("Point", sector_maker.at(0, -1300), id="235"),
    ]
    (doubt,) = found(sector_maker, markers=make.collection(*markers))
    assert doubt.text == "marker 235 lies 1.3 km from the border line"


def checked(sector_maker, tmp_path, **layers: object) -> tuple[int, list[dict]]:
    drawing = tmp_path / "check.geojson"
    path = sector_maker.write(**layers)
    status = main(["fusion", "check", str(path), "--geojson", str(drawing)])
    return status, [
        feature for feature in json.loads(drawing.read_text())["features"]
        if "severity" in feature["properties"]
    ]  # fmt: skip


def test_check_says_it_and_draws_it_at_its_place(make, sector_maker, capsys, tmp_path) -> None:
    marker = make.feature("Point", sector_maker.at(0, -1300), id="235")
    status, (drawn,) = checked(sector_maker, tmp_path, markers=make.collection(marker))
    said = capsys.readouterr()
    assert status == 0
    assert "warning: marker 235 lies 1.3 km from the border line" in said.err
    (doubt,) = json.loads(said.out)["doubts"]
    assert (doubt["kind"], doubt["features"]) == ("marker_far", ["235"])
    assert drawn["properties"]["feature"] == "235"
    assert drawn["properties"]["text"] == doubt["text"]
    assert drawn["geometry"]["coordinates"] == pytest.approx(sector_maker.at(0, -1300), abs=1e-6)
    assert [doubt["at"]["lon"], doubt["at"]["lat"]] == drawn["geometry"]["coordinates"]


def test_a_border_that_crosses_itself_is_refused_with_the_place_on_a_map(
    make, sector_maker, capsys, tmp_path
) -> None:
    bow = [(-400, 30), (400, 140), (400, 30), (-400, 140)]
    status, (drawn,) = checked(
        sector_maker, tmp_path, border=border(make, sector_maker, bow, id="bow")
    )
    assert status == 1
    assert "(bow)" in capsys.readouterr().err
    assert drawn["properties"]["kind"] == "refused"
    assert drawn["geometry"]["coordinates"] == pytest.approx(sector_maker.at(0, 85), abs=1e-6)
    _, line = json.loads((tmp_path / "check.geojson").read_text())["features"]
    assert line["properties"]["id"] == "bow"  # nobody finds a point on an empty map


@pytest.mark.parametrize(
    "lines",
    [
        ([(-900, 0), (0, 9)], [(0, 9), (900, 0)], [(300, -50), (300, 50)]),  # a cross
        ([(300, 0), (900, 0), (300, 0)],),  # it doubles back
        ([(-900, 0), (900, 0), (900, 90), (300, 90), (300, -90)],),
    ],
)
def test_the_place_told_lies_on_the_line_where_it_meets_itself(make, sector_maker, lines) -> None:
    with pytest.raises(RefusedFeatureError) as caught:
        sector_maker.load(border=border(make, sector_maker, *lines))
    lon, lat = caught.value.spot["coordinates"]
    assert lat == pytest.approx(sector_maker.at(300, 0)[1], abs=2e-4)
    assert sector_maker.at(290, 0)[0] < lon < sector_maker.at(910, 0)[0]


def test_a_feature_that_is_refused_is_on_the_map(make, sector_maker, capsys, tmp_path) -> None:
    twice = [trail(make, sector_maker, "a", (n, -300), (n, 100)) for n in (0, 50)]
    status, (drawn,) = checked(sector_maker, tmp_path, trails=make.collection(*twice))
    assert status == 1
    assert "trails.geojson: feature 1: id 'a' was used before" in capsys.readouterr().err
    assert drawn["properties"]["feature"] == "a"
    assert drawn["geometry"]["type"] == "MultiLineString"


def test_a_refused_feature_is_told_by_its_number_and_its_id(
    make, sector_maker, capsys, tmp_path
) -> None:
    drawn = zone(make, sector_maker, "kho", "storehouse")
    status, _ = checked(sector_maker, tmp_path, zones=make.collection(drawn))
    assert status == 1
    said = capsys.readouterr().err.strip()
    assert "zones.geojson: feature 0: kind 'storehouse' is unknown" in said
    assert said.endswith("(kho)")


def test_what_has_no_place_is_refused_all_the_same(sector_maker, tmp_path) -> None:
    path = sector_maker.write(trails={"type": "FeatureCollection", "features": [{}]})
    with pytest.raises(RefusedError):
        load_sector(path)
    drawing = tmp_path / "check.geojson"
    assert main(["fusion", "check", str(path), "--geojson", str(drawing)]) == 1
    assert not drawing.exists()
