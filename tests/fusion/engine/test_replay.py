"""A recording through the very engine: the files of CONTRACT.md, byte for byte the same.

The golden recording is simulated (two cameras, one of them cut off for 6 s, a patrol with GPS, a
gate, a farmer, duplicates, two bad lines). A wanted change of its results is taken over by
`tuanbien fusion replay golden/sector.toml golden/messages.jsonl --out X` and copying X/*.jsonl.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.messages import json_schemas
from fusion.cli import main
from fusion.replay import replay
from fusion.sector import Sector, load_sector

GOLDEN = Path(__file__).parents[1] / "golden"
HEAD = '{"received_at":"2026-03-14T17:00:00.000Z","topic":"tuanbien/v1/'
WILL = '{"v":1,"message_id":"a","sector":"ha-giang","device_id":"cam-1","online":false}}'
FILES = ["alerts", "incidents", "late", "rejected", "suppressed", "tracks"]


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("results")
    arguments = ["replay", str(GOLDEN / "sector.toml"), str(GOLDEN / "messages.jsonl")]
    assert main([*arguments, "--out", str(out)]) == 0
    return out


@pytest.mark.parametrize("name", FILES)
def test_the_golden_recording_gives_the_golden_files_byte_for_byte(results, name) -> None:
    expected = GOLDEN / "expected" / f"{name}.jsonl"
    assert (results / f"{name}.jsonl").read_bytes() == expected.read_bytes()


def test_the_golden_night_is_told_right(results) -> None:
    """Three people come and cross; a patrol, a traveller at the gate and a farmer raise nothing."""
    coming, alert = lines_of(results / "alerts.jsonl")
    before, incident = lines_of(results / "incidents.jsonl")
    assert (coming["kind"], alert["kind"]) == ("approach", "crossing")
    assert (before["state"], before["led_to"]) == ("closed", incident["incident_id"])
    held = {record["reason"] for record in lines_of(results / "suppressed.jsonl")}
    assert (alert["direction"], alert["place"]["trail_id"]) == ("outbound", "trail-2")
    assert (incident["headcount"], incident["state"]) == (3, "new")
    assert held == {"own_force", "lawful"}
    assert [record["line"] for record in lines_of(results / "rejected.jsonl")] == [21, 32]


def test_the_summary_counts_every_line(results) -> None:
    summary = json.loads((results / "summary.json").read_text())
    recording = (GOLDEN / "messages.jsonl").read_text().splitlines()
    assert summary["messages"] + summary["rejected"] == len(recording)
    assert (summary["duplicates"], summary["late"]) == (4, 0)
    assert (summary["tracks"], summary["alerts"], summary["incidents"]) == (6, 2, 2)
    assert {"detections", "seconds", "detections_per_s"} <= set(summary)


def test_the_files_keep_their_schemas_and_order(results) -> None:
    schemas = json_schemas()
    for name, wanted in (
        ("alerts", "Alert"),
        ("incidents", "Incident"),
        ("tracks", "TrackUpdate"),
    ):
        schema = {"$ref": f"#/$defs/{wanted}", "$defs": schemas["$defs"]}
        validator = jsonschema.Draft202012Validator(schema)
        for record in lines_of(results / f"{name}.jsonl")[::9]:
            validator.validate(record)
    tracks = [(line["t"], line["track_id"]) for line in lines_of(results / "tracks.jsonl")]
    assert tracks == sorted(set(tracks))


def test_another_process_with_other_hashes_writes_the_same_bytes(results, tmp_path) -> None:
    code = "import sys; from edge.command import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["fusion", "replay", str(GOLDEN / "sector.toml"), str(GOLDEN / "messages.jsonl")]
    subprocess.run(
        [sys.executable, "-c", code, *arguments, "--out", str(tmp_path)],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        cwd=GOLDEN.parents[2],
        check=True,
        capture_output=True,
    )
    for name in FILES:
        assert (tmp_path / f"{name}.jsonl").read_bytes() == (
            results / f"{name}.jsonl"
        ).read_bytes()


@pytest.fixture(scope="module")
def golden_sector() -> Sector:
    return load_sector(GOLDEN / "sector.toml")


@settings(max_examples=25, deadline=None)
@given(
    number=st.integers(0, 110),
    where=st.integers(0, 400),
    junk=st.text(max_size=20)
    | st.sampled_from(['"', "}", "NaN", "1e999", "[" * 9, "null", "\x00"]),
)
def test_a_broken_line_never_stops_a_replay(
    golden_sector, tmp_path_factory, number, where, junk
) -> None:
    recording = (GOLDEN / "messages.jsonl").read_bytes().splitlines()[:111]
    line = recording[number]
    recording[number] = line[:where] + junk.encode("utf-8", "replace") + line[where + 3 :]
    out = tmp_path_factory.mktemp("out")
    summary = replay(golden_sector, recording, out)
    told = summary["messages"] + summary["rejected"]
    assert told in {len(recording), len(recording) - (not recording[number].strip())}
    for record in lines_of(out / "rejected.jsonl"):
        assert record["reason"]
        assert "\n" not in record["reason"]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('{"received_at":"2026-03-14T17:00:00.000Z","topic":"x","payload":{}}', "topic"),
        ('{"received_at":"yesterday","topic":"x","payload":{}}', "yesterday"),
        ('{"topic":"x","payload":{}}', "received_at"),
        ("[" * 100_000, "recording line"),
        (HEAD + 'lao-cai/cam-1/status","payload":' + WILL.replace("ha-giang", "lao-cai"), "lao-cai"),
        (HEAD + 'ha-giang/cam-1/status","payload":"not an object"}', "status message"),
        (HEAD + 'ha-giang/cam-2/status","payload":' + WILL, "its topic"),
    ],
)  # fmt: skip
def test_a_refused_line_is_kept_with_its_reason(golden_sector, tmp_path, line, word) -> None:
    summary = replay(golden_sector, [line.encode()], tmp_path)
    (record,) = lines_of(tmp_path / "rejected.jsonl")
    assert summary["rejected"] == 1
    assert record["line"] == 1
    assert word in record["reason"]


def test_a_message_beyond_the_horizon_is_on_record(golden_sector, tmp_path) -> None:
    recording = (GOLDEN / "messages.jsonl").read_bytes().splitlines()
    old = json.loads(recording[5])
    old["payload"]["message_id"] = "from yesterday"
    old["received_at"] = "2026-03-15T17:00:00.000Z"
    summary = replay(golden_sector, [*recording, json.dumps(old).encode()], tmp_path)
    (record,) = lines_of(tmp_path / "late.jsonl")
    assert summary["late"] == 1
    assert record["record"]["payload"]["message_id"] == "from yesterday"


def test_settled_lines_are_written_before_the_end(tmp_path, monkeypatch) -> None:
    """Memory stays bounded, and the file is the very one that waiting would have given."""
    monkeypatch.setattr("fusion.replay._SETTLE_EVERY", 20)
    rules = tmp_path / "rules.toml"
    rules.write_text("[rules.time]\nhorizon_s = 10\n")
    sector = load_sector(GOLDEN / "sector.toml", rules_file=rules)
    recording = (GOLDEN / "messages.jsonl").read_bytes().splitlines()
    replay(sector, recording, tmp_path / "early")
    monkeypatch.setattr("fusion.replay._SETTLE_EVERY", 1_000_000)
    replay(sector, recording, tmp_path / "late")
    early, late = (tmp_path / name / "tracks.jsonl" for name in ("early", "late"))
    assert early.read_bytes() == late.read_bytes()
