"""`tuanbien fusion check | replay | schema | …`, as a technician calls them."""

import json
from pathlib import Path

import pytest

from edge.command import main
from edge.messages import json_schemas

GOLDEN = Path(__file__).parents[1] / "golden"


def test_check_says_what_it_understood_and_draws_it(capsys, tmp_path) -> None:
    drawing = tmp_path / "check.geojson"
    assert main(["fusion", "check", str(GOLDEN / "sector.toml"), "--geojson", str(drawing)]) == 0
    said = json.loads(capsys.readouterr().out)
    drawn = json.loads(drawing.read_text())
    assert said["border"]["length_m"] == pytest.approx(800.6, abs=1.0)
    assert [trail["id"] for trail in said["trails"]] == ["trail-2"]
    assert [zone["kind"] for zone in said["zones"]] == ["crossing_point"]
    assert said["markers"] == ["234"]
    assert said["rules"]["crossing"]["min_probability"] == 0.95
    assert said["extent"]["south"] < 22.9 < said["extent"]["north"]
    layers = {feature["properties"]["layer"] for feature in drawn["features"]}
    assert layers == {"border", "trails", "zones", "markers", "check"}


def test_the_arrows_of_check_point_home(capsys, tmp_path) -> None:
    drawing = tmp_path / "check.geojson"
    main(["fusion", "check", str(GOLDEN / "sector.toml"), "--geojson", str(drawing)])
    capsys.readouterr()
    arrows = [
        feature["geometry"]["coordinates"]
        for feature in json.loads(drawing.read_text())["features"]
        if feature["properties"]["layer"] == "check"
    ]
    assert arrows
    assert all(end[1] < start[1] for start, end in arrows)  # home lies south


def test_schema_prints_the_schemas(capsys) -> None:
    assert main(["fusion", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(json_schemas()))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["check", "nowhere.toml"], "nowhere.toml"),
        (["journal", "verify", "nowhere"], "nowhere"),
        (["replay", "nowhere.toml", "x", "--out", "y"], "nowhere.toml"),
        (["replay", str(GOLDEN / "sector.toml"), "nowhere.jsonl", "--out", "OUT"], "nowhere.jsonl"),
        (
            ["replay", str(GOLDEN / "sector.toml"), str(GOLDEN / "messages.jsonl"),
             "--out", "OUT", "--watchlist", "list.csv"],
            "list.csv",
        ),
        (
            ["replay", str(GOLDEN / "sector.toml"), str(GOLDEN / "messages.jsonl"),
             "--out", str(GOLDEN / "messages.jsonl")],
            "messages.jsonl",
        ),
        (
            ["replay", str(GOLDEN / "sector.toml"), str(GOLDEN / "messages.jsonl"),
             "--out", "OUT", "--rules", "nowhere.toml"],
            "nowhere.toml",
        ),
        (["check", str(GOLDEN / "sector.toml"), "--geojson", "/nowhere/x.json"], "/nowhere/x.json"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_sentence_and_exit_status_1(
    capsys, tmp_path, arguments, word
) -> None:
    words = [str(tmp_path / "out") if one == "OUT" else one for one in arguments]
    assert main(["fusion", *words]) == 1
    said = capsys.readouterr().err
    assert word in said
    assert said.count("\n") == 1


def test_wrong_usage_is_exit_status_2(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fusion", "replay"])
    assert ended.value.code == 2
    assert "usage: tuanbien fusion" in capsys.readouterr().err


@pytest.mark.parametrize("days", ["0", "-1", "nan", "a while"])
def test_how_long_a_journal_is_kept_is_a_number_or_for_ever(days, monkeypatch, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fusion", "serve", "nowhere.toml", "--journal-keep-days", days])
    assert ended.value.code == 2
    assert f"{days!r} is not a number above 0" in capsys.readouterr().err
    monkeypatch.setenv("TUANBIEN_JOURNAL_KEEP_DAYS", days)
    with pytest.raises(SystemExit):
        main(["fusion", "serve", "nowhere.toml"])
    monkeypatch.setenv("TUANBIEN_JOURNAL_KEEP_DAYS", "forever")
    assert main(["fusion", "serve", "nowhere.toml"]) == 1  # no such sector


def test_other_rules_show_what_they_would_have_done(tmp_path, capsys) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[rules.crossing]\nlabels = ["car"]\n[rules.approach]\nenabled = false\n')
    arguments = [str(GOLDEN / "sector.toml"), str(GOLDEN / "messages.jsonl")]
    out = ["--out", str(tmp_path / "out"), "--rules", str(rules)]
    assert main(["fusion", "replay", *arguments, *out]) == 0
    assert json.loads(capsys.readouterr().out)["alerts"] == 0
