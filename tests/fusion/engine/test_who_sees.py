"""`tuanbien fusion coverage`: who sees what at an instant, as a technician calls it."""

import json
from pathlib import Path

import pytest

from edge.command import main
from edge.messages import Polygon, Scene, to_builtins
from tests.fusion.engine.conftest import SectorMaker, collection, feature
from tests.fusion.engine.test_devices import T0, by_time, every


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cameras by a trail of 500 m: one dies after 10 minutes, one is dark in the last two."""
    maker = SectorMaker(tmp_path)
    maker.write(
        trails=collection(feature("LineString", maker.line((0, -500), (0, 0)), id="trail-1"))
    )

    def area(north_m: float) -> Polygon:
        ring = maker.square(0, north_m, 50)[0]
        return Polygon(type="Polygon", coordinates=(tuple(map(tuple, ring)),))

    messages = by_time(
        every("cam-1", 0, 600, footprint=area(-300)),
        every("cam-2", 0, 1080, footprint=area(-150)),
        every("cam-2", 1085, 1200, footprint=area(-150), scene=Scene.DARK),
    )
    with (tmp_path / "messages.jsonl").open("w") as file:
        for one in messages:
            topic = f"tuanbien/v1/{one.sector}/{one.device_id}/status"
            line = {"received_at": one.captured_at.rfc3339(), "topic": topic}
            file.write(json.dumps({**line, "payload": to_builtins(one)}) + "\n")
        file.write("no line\n")
    return tmp_path


def said(folder: Path, capsys, *more: str) -> tuple[dict, dict]:
    arguments = [str(folder / "sector.toml"), str(folder / "messages.jsonl"), *more]
    assert main(["fusion", "coverage", *arguments]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return (
        {one["id"]: one for one in lines if one["kind"] == "device"},
        {one["id"]: one for one in lines if one["kind"] != "device"},
    )


def test_in_the_midst_both_see_their_part(folder, capsys) -> None:
    devices, lines = said(folder, capsys, "--at", T0.after(300).rfc3339())
    assert [one["sees"] for one in devices.values()] == [True, True]
    assert lines["trail-1"]["unseen_m"] == pytest.approx(300.0, abs=0.2)
    assert lines["trail-1"]["unseen_percent"] == 60.0
    assert list(lines["trail-1"]["seen_by"]) == ["cam-1", "cam-2"]
    assert lines["border"]["unseen_percent"] == 100.0


def test_at_the_end_it_is_said_why_nobody_sees_and_for_how_long(folder, capsys) -> None:
    devices, lines = said(folder, capsys)
    assert devices["cam-1"]["faults"] == [{"cause": "silent", "since": T0.after(600).rfc3339()}]
    assert devices["cam-2"]["faults"] == [{"cause": "dark", "since": T0.after(1085).rfc3339()}]
    assert lines["trail-1"]["unseen_percent"] == 100.0
    assert lines["trail-1"]["of_h"] == pytest.approx(1200 / 3600, abs=0.03)
    assert devices["cam-1"]["blind_h"] == pytest.approx(540 / 3600, abs=0.03)
    (watched,) = [one["hours"] for one in lines["trail-1"]["blind_h"] if one["from_m"] == 150.0]
    assert watched == pytest.approx(540 / 3600, abs=0.03)


def test_what_nobody_sees_can_be_drawn(folder, capsys) -> None:
    drawing = folder / "drawn.geojson"
    said(folder, capsys, "--at", T0.after(300).rfc3339(), "--geojson", str(drawing))
    kinds = [one["properties"]["kind"] for one in json.loads(drawing.read_text())["features"]]
    assert kinds == ["footprint", "footprint", "unseen", "unseen", "unseen", "unseen"]


def test_before_anything_was_captured_there_is_nothing_to_say(folder, capsys) -> None:
    arguments = [str(folder / "sector.toml"), str(folder / "messages.jsonl")]
    assert main(["fusion", "coverage", *arguments, "--at", "2020-01-01T00:00:00Z"]) == 1
    assert "captured by 2020-01-01" in capsys.readouterr().err
