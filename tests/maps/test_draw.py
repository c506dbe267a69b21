"""`tuanbien maps draw`: a GeoJSON file on a page that loads nothing."""

import json
import re
from pathlib import Path

import pytest

from edge.command import main
from maps import assets

HOSTILE = "</script><img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _assets() -> None:
    assets.bring()


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def feature(coordinates: object, kind: str = "Point", **properties: object) -> dict[str, object]:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def test_a_page_carries_the_features_and_names_no_address(tmp_path, capsys) -> None:
    source = write(
        tmp_path / "view.geojson",
        {"type": "FeatureCollection", "features": [feature([-12.3, 1.2], name=HOSTILE)]},
    )
    assert main(["maps", "draw", str(source)]) == 0
    page = (tmp_path / "view.html").read_text(encoding="utf-8")
    assert capsys.readouterr().out == f"{tmp_path / 'view.html'}: 1 features\n"
    assert HOSTILE not in page
    assert re.findall(r"""<[^>]*(?:src|href)=["']?([^"'\s>]+)""", page.split("<script")[0]) == [
        "data:,"
    ]
    assert "sourceMappingURL" not in page
    assert "default-src 'none'" in page


def test_one_geometry_is_drawn_too(tmp_path) -> None:
    source = write(tmp_path / "line.json", {"type": "LineString", "coordinates": [[0, 0], [1, 1]]})
    assert main(["maps", "draw", str(source), "--out", str(tmp_path / "out.html")]) == 0
    assert '"LineString"' in (tmp_path / "out.html").read_text()


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"type": "Topology"}, "Topology"),
        ([1, 2], "None"),
        ({"type": "FeatureCollection", "features": {}}, "features is not a list"),
        ({"type": "FeatureCollection", "features": [{}]}, r"features\[0\] is not a Feature"),
        (feature([500000.0, 4649776.0]), r"\[500000\.0, 4649776\.0\] is not \[lon, lat\]"),
        (feature([181.0, 1.0]), r"is not \[lon, lat\]"),
        (feature([1.0, -91.0]), r"is not \[lon, lat\]"),
        (feature([1.0]), r"is not \[lon, lat\]"),
        (feature([["a", 1]], "LineString"), r"coordinates\[0\]"),
        (feature(7, "Polygon"), "is not a list"),
        (feature([0, 0], "Circle"), "Circle"),
    ],
)
def test_what_is_no_geojson_in_wgs84_is_refused_by_name(tmp_path, capsys, document, said) -> None:
    source = write(tmp_path / "bad.geojson", document)
    assert main(["maps", "draw", str(source)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(source) in error
    assert re.search(said, error)


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b'{"type": NaN}', b"[" * 100_000])
def test_a_file_that_is_no_json_is_refused(tmp_path, capsys, content) -> None:
    source = tmp_path / "bad.geojson"
    source.write_bytes(content)
    assert main(["maps", "draw", str(source)]) == 1
    assert "not JSON" in capsys.readouterr().err


def test_a_missing_file_is_refused(tmp_path, capsys) -> None:
    assert main(["maps", "draw", str(tmp_path / "no.geojson")]) == 1
    assert "no.geojson: cannot be read" in capsys.readouterr().err
