"""A layer that is VN-2000 taken for WGS 84, or has its axes swapped, is told by its numbers."""

import json
import math
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from edge.command import main
from edge.messages import RefusedError

TO_VN2000 = Transformer.from_crs("OGC:CRS84", "EPSG:4756", always_xy=True)
# A line that bends, as borders do, with markers at its corners.
CORNERS = ((-3000, 200), (-1500, -400), (-400, 500), (900, -300), (2500, 600))
COLLECTIONS = ("border", "markers", "trails")


def forgotten(coordinates: Any) -> Any:
    """VN-2000 numbers of true positions, as a file holds them whose datum nobody converted."""
    if isinstance(coordinates[0], float):
        return list(TO_VN2000.transform(*coordinates))
    return [forgotten(item) for item in coordinates]


def layers(make, maker, *, wrong: tuple[str, ...] = (), off_m: float = 0.0) -> dict[str, Any]:
    """A border, its markers (each `off_m` beside its corner) and a trail from a marker."""
    posts = [
        maker.at(east + off_m * math.cos(k), north + off_m * math.sin(k))
        for k, (east, north) in enumerate(CORNERS)
    ]
    shapes = {
        "border": [("LineString", maker.line(*CORNERS), {"home_side": "right"})],
        "markers": [("Point", post, {"id": str(230 + k)}) for k, post in enumerate(posts)],
        "trails": [("LineString", [posts[2], *maker.line((-350, -900))], {"id": "t"})],
    }
    return {
        name: make.collection(
            *(
                make.feature(kind, forgotten(at) if name in wrong else at, **properties)
                for kind, at, properties in features
            )
        )
        for name, features in shapes.items()
    }


def test_layers_that_fit_are_not_warned_of(make, sector_maker) -> None:
    assert sector_maker.load(**layers(make, sector_maker)).warnings == ()


@pytest.mark.parametrize("wrong", ["border", "markers"])
def test_the_layer_that_forgot_its_datum_is_named(make, sector_maker, wrong) -> None:
    first, *_ = sector_maker.load(**layers(make, sector_maker, wrong=(wrong,))).warnings
    assert f"/{wrong}.geojson: lies 223 m (196 m W, 108 m N) beside " in first
    assert "as VN-2000 does when it is taken for WGS 84" in first
    assert "\n" not in first


def test_trails_that_forgot_it_are_named_where_they_end_at_a_marker(make, sector_maker) -> None:
    (warning,) = sector_maker.load(**layers(make, sector_maker, wrong=("trails",))).warnings
    assert "/trails.geojson: lies 223 m" in warning
    assert "beside " + str(sector_maker.folder / "markers.geojson") in warning


@pytest.mark.parametrize("wrong", ["border", "markers"])
def test_a_line_along_the_very_shift_is_told_by_its_corners(make, sector_maker, wrong) -> None:
    """There the markers stay on the line when they are moved, but leave its vertices."""
    along = [(-0.8767 * s, 0.4811 * s) for s in (-2000, -1100, 0, 700, 1900)]
    shapes = {
        "border": make.feature("LineString", sector_maker.line(*along), home_side="right"),
        "markers": [
            make.feature("Point", sector_maker.at(*at), id=k) for k, at in enumerate(along)
        ],
    }
    for feature in [shapes["border"]] if wrong == "border" else shapes["markers"]:
        feature["geometry"]["coordinates"] = forgotten(feature["geometry"]["coordinates"])
    sector = sector_maker.load(
        border=make.collection(shapes["border"]), markers=make.collection(*shapes["markers"])
    )
    (warning,) = sector.warnings
    assert f"/{wrong}.geojson: lies 223 m" in warning


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25
)
@given(off_m=st.floats(0.0, 200.0))
def test_markers_on_the_banks_of_a_river_are_not_warned_of(make, sector_maker, off_m) -> None:
    sector = sector_maker.load(**layers(make, sector_maker, off_m=off_m))
    assert sector.warnings == ()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25
)
@given(
    east_m=st.floats(-400.0, 400.0),
    north_m=st.floats(-400.0, 400.0),
)
def test_another_displacement_is_not_taken_for_it(make, sector_maker, east_m, north_m) -> None:
    drawn = layers(make, sector_maker)
    posts = [sector_maker.at(east + east_m, north + north_m) for east, north in CORNERS]
    for feature, post in zip(drawn["markers"]["features"], posts, strict=True):
        feature["geometry"]["coordinates"] = post
    del drawn["trails"]
    near = min(math.dist((east_m, north_m), shift) for shift in ((-196, 107), (196, -107)))
    warned = bool(sector_maker.load(**drawn).warnings)
    if near < 10.0:
        assert warned
    if near > 110.0:
        assert not warned


@pytest.mark.parametrize("wrong", [(), ("markers",)])
def test_many_layers_meet_by_chance_and_are_not_warned_of(make, sector_maker, wrong) -> None:
    """With 60 markers and 60 trails some end 224 m from a marker in that very direction."""
    chance = random.Random(20261124)
    bend = [(east, 300.0 * math.sin(east / 700.0)) for east in range(-10_000, 10_001, 100)]
    posts = [
        sector_maker.at(east + chance.gauss(0.0, 50.0), north + chance.gauss(0.0, 50.0))
        for east, north in bend[::3]
    ]
    ends = [(chance.choice(bend), chance.uniform(200.0, 900.0)) for _ in range(60)]
    trails = [
        sector_maker.line(
            (east + chance.gauss(0.0, 300.0), north + chance.gauss(0.0, 300.0)),
            (east, north - long),
        )
        for (east, north), long in ends
    ]
    drawn = {
        "border": [make.feature("LineString", sector_maker.line(*bend), home_side="right")],
        "markers": [
            make.feature("Point", forgotten(at) if wrong else at, id=str(k))
            for k, at in enumerate(posts)
        ],
        "trails": [make.feature("LineString", at, id=str(k)) for k, at in enumerate(trails)],
    }
    sector = sector_maker.load(**{name: make.collection(*all_) for name, all_ in drawn.items()})
    assert len(sector.warnings) == len(wrong)
    assert all("/markers.geojson: lies 223 m" in warning for warning in sector.warnings)


def test_outside_viet_nam_there_is_no_vn2000(make, sector_maker) -> None:
    sector_maker.lat, sector_maker.lon = 46.0, 7.5
    sector = sector_maker.load(**layers(make, sector_maker, wrong=("markers",)))
    assert sector.warnings == ()


def test_check_says_it_and_still_succeeds(make, sector_maker, capsys) -> None:
    """A likeness is no proof: a station must not stop for it."""
    path = sector_maker.write(**layers(make, sector_maker, wrong=("markers",)))
    assert main(["fusion", "check", str(path)]) == 0
    said, error = capsys.readouterr()
    (warning, *_) = json.loads(said)["warnings"]
    assert f"warning: {warning}\n" in error


# -- swapped axes ----------------------------------------------------------------------------


def test_in_viet_nam_axes_cannot_be_confused(make, sector_maker) -> None:
    border = make.feature("LineString", [[22.9, 105.3], [22.9, 105.4]], home_side="right")
    with pytest.raises(RefusedError, match=r"longitude and latitude are swapped$"):
        sector_maker.load(border=make.collection(border))


@pytest.mark.parametrize("swapped", ["markers", "border"])
def test_elsewhere_the_other_layers_tell(make, sector_maker, swapped) -> None:
    sector_maker.lat, sector_maker.lon = 46.0, 7.5
    drawn = layers(make, sector_maker)
    for feature in drawn[swapped]["features"]:
        at = feature["geometry"]["coordinates"]
        feature["geometry"]["coordinates"] = (
            at[::-1] if isinstance(at[0], float) else [point[::-1] for point in at]
        )
    with pytest.raises(RefusedError, match="are swapped, here or in") as refusal:
        sector_maker.load(**drawn)
    assert ".geojson: feature 0: lies " in str(refusal.value)


@pytest.mark.parametrize("swapped", [0, 1])
def test_the_other_pieces_of_a_border_tell(make, sector_maker, swapped) -> None:
    sector_maker.lat, sector_maker.lon = 46.0, 7.5
    pieces = [
        sector_maker.line((east, 0), (east + 900, 0), (east + 1800, 300))
        for east in (-4000, -2000, 0, 2000)
    ]
    pieces[swapped] = [point[::-1] for point in pieces[swapped]]
    border = [make.feature("LineString", piece, home_side="right") for piece in pieces]
    with pytest.raises(RefusedError, match=rf"feature {swapped}: .* are swapped"):
        sector_maker.load(border=make.collection(*border))


def test_a_layer_of_another_place_is_not_called_swapped(make, sector_maker) -> None:
    far = make.feature("Point", [100.5, 13.7], id="bangkok")
    with pytest.raises(RefusedError, match=r"border\.geojson is of another place"):
        sector_maker.load(markers=make.collection(far))
