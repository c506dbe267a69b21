"""What changed rules would have done to a recording."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edge.command import main
from edge.messages import (
    Alert,
    AlertKind,
    Cause,
    Direction,
    Incident,
    Outcome,
    Place,
    Severity,
    UtcTime,
    encode,
)
from fusion.local_frame import LocalFrame
from fusion.results import Run, read_outcomes
from fusion.what_if import compare, counted, table

GOLDEN = Path(__file__).parents[1] / "golden"
FRAME = LocalFrame(lat=22.9, lon=105.3)
START_S = 1_773_500_000.0


def alert(name: str, *, at_s=0.0, north_m=0.0, kind=AlertKind.CROSSING, **facts: object) -> Alert:
    at = UtcTime.from_epoch_s(START_S + at_s)
    return Alert(**{
        "alert_id": f"alr-{name}", "incident_id": f"inc-{name}", "sector": "ha-giang",
        "kind": kind, "severity": Severity.HIGH, "raised_at": at, "issued_at": at,
        "lat": 22.9 + north_m / 110_700.0, "lon": 105.3, "probability": 0.99,
        "direction": Direction.OUTBOUND, "headcount": 1, "headcount_min": 1, "headcount_max": 1,
        "track_ids": (), "devices": (), "place": Place(), "reasons": (),
    } | facts)  # fmt: skip


def incident_of(one: Alert, **facts: object) -> Incident:
    return Incident(
        incident_id=one.incident_id, sector=one.sector, kind=one.kind, state="closed",
        severity=one.severity, opened_at=one.raised_at, updated_at=one.raised_at,
        headcount=1, headcount_min=1, headcount_max=1, lat=one.lat, lon=one.lon, place=one.place,
        alert_ids=(one.alert_id,), track_ids=(), devices=(), **facts,
    )  # fmt: skip


def run_of(*alerts: Alert, incidents=()) -> Run:
    return Run(alerts, incidents, ())


def words(changes) -> list[tuple[str, str]]:
    return [(one.change, one.alert_id) for one in changes]


nights = st.lists(
    st.builds(
        alert,
        st.sampled_from("abcdefgh"),
        at_s=st.floats(0.0, 900.0),
        north_m=st.floats(-200.0, 200.0),
        kind=st.sampled_from([AlertKind.CROSSING, AlertKind.ZONE]),
        severity=st.sampled_from(Severity),
    ),
    unique_by=lambda one: one.alert_id,
    max_size=8,
)


@given(nights)
def test_the_same_rules_change_nothing(alerts) -> None:
    assert compare(run_of(*alerts), run_of(*alerts), FRAME) == []


@given(nights, nights)
def test_what_one_change_removes_its_reverse_adds(one, other) -> None:
    there = compare(run_of(*one), run_of(*other), FRAME)
    back = compare(run_of(*other), run_of(*one), FRAME)
    assert sum(each.change == "removed" for each in there) == sum(
        each.change == "added" for each in back
    )
    assert len(one) - sum(each.change == "removed" for each in there) == len(other) - sum(
        each.change == "added" for each in there
    )


def test_the_same_group_under_another_id_is_one_alert() -> None:
    found = compare(
        run_of(alert("a", at_s=10.0)), run_of(alert("b", at_s=10.4, north_m=20.0)), FRAME
    )
    assert found == []


@pytest.mark.parametrize(
    "other",
    [alert("b", at_s=130.0), alert("b", north_m=60.0), alert("b", kind=AlertKind.APPROACH),
     alert("b", direction=Direction.INBOUND)],
)  # fmt: skip
def test_another_time_place_kind_or_direction_is_another_matter(other) -> None:
    found = compare(run_of(alert("a")), run_of(other), FRAME)
    assert sorted(words(found)) == [("added", "alr-b"), ("removed", "alr-a")]


def test_of_an_alert_that_stays_it_is_told_what_changes() -> None:
    was = alert("a")
    now = replace(was, severity=Severity.MEDIUM, probability=0.985, grouped_with="alr-x")
    before, after = run_of(was), run_of(now)
    (change,) = compare(before, after, FRAME)
    assert change.change == "changed"
    assert change.before == {"severity": "high", "probability": 0.99, "sounds": True}
    assert change.after == {"severity": "medium", "probability": 0.985, "sounds": False}
    last = table(before, after, [change]).splitlines()[-1]
    assert last == "changes 1 alert: 1 probability, 1 severity, 1 sounds"


def test_what_goes_is_told_with_what_came_of_it() -> None:
    gone = [alert(name, at_s=300.0 * number) for number, name in enumerate("abcd")]
    outcomes = [Outcome.BAT_GIU, None, None, None]
    incidents = [
        incident_of(one, **({"outcome": told} if told else {}))
        for one, told in zip(gone, outcomes, strict=True)
    ]
    incidents[1] = replace(incidents[1], cause=Cause.DONG_VAT)
    before, after = run_of(*gone, incidents=incidents), run_of()
    changes = compare(before, after, FRAME, {"inc-c": "dong_vat"})
    assert counted(before, after, changes)["removed_outcomes"] == {
        "dong_vat": 2, "bat_giu": 1, "without an outcome on record": 1,
    }  # fmt: skip
    assert table(before, after, changes).splitlines() == [
        "kind        before      after       added       removed     changed",
        "crossing    4           0           0           4           0",
        "removes 4 alerts: 2 dong_vat, 1 bat_giu, 1 without an outcome on record",
    ]


def test_what_ended_by_itself_came_of_nothing_that_anybody_judged(tmp_path) -> None:
    """An approach that turned back ends as `quay_lai`: that was no true alarm on record."""
    gone = alert("a", kind=AlertKind.APPROACH)
    ended = incident_of(gone, outcome=Outcome.QUAY_LAI, acted_by="system")
    (change,) = compare(run_of(gone, incidents=[ended]), run_of(), FRAME)
    assert change.outcome is None
    path = tmp_path / "incidents.jsonl"
    path.write_bytes(encode(ended))
    assert read_outcomes(path) == {}
    path.write_bytes(encode(replace(ended, acted_by="Lan")))
    assert read_outcomes(path) == {"inc-a": "quay_lai"}


def replayed(
    capsys, out: Path, rules: str, *more: str, recording: Path = GOLDEN / "messages.jsonl"
) -> tuple[int, str, str]:
    out.parent.mkdir(exist_ok=True)
    file = out.with_suffix(".toml")
    file.write_text(rules)
    status = main([
        "fusion", "replay", str(GOLDEN / "sector.toml"), str(recording),
        "--out", str(out), "--rules", str(file), *more,
    ])  # fmt: skip
    said = capsys.readouterr()
    return status, said.out, said.err


def crossing() -> dict:
    """Return the golden recording's crossing."""
    lines = (GOLDEN / "expected" / "alerts.jsonl").read_text().splitlines()
    return next(one for one in map(json.loads, lines) if one["kind"] == "crossing")


def test_a_rules_file_is_held_against_the_sectors_own_rules(capsys, tmp_path) -> None:
    out = tmp_path / "out"
    expected = crossing()
    outcomes = tmp_path / "incidents.jsonl"
    outcomes.write_text(
        json.dumps({"incident_id": expected["incident_id"], "outcome": "bat_giu"}) + "\n"
    )
    rules = "[rules.crossing]\nmin_detections = 1000\n"
    status, said, told = replayed(capsys, out, rules, "--outcomes", str(outcomes))
    assert status == 0
    summary = json.loads(said)["what_if"]
    assert (summary["before"], summary["after"]) == (2, 1)
    assert summary["removed_outcomes"] == {"bat_giu": 1}
    assert "removes 1 alert: 1 bat_giu" in told
    (line,) = (out / "what_if.jsonl").read_text().splitlines()
    change = json.loads(line)
    assert (change["change"], change["outcome"]) == ("removed", "bat_giu")
    assert change["alert_id"] == expected["alert_id"]
    assert len((out / "own_rules" / "alerts.jsonl").read_text().splitlines()) == 2
    assert len((out / "alerts.jsonl").read_text().splitlines()) == 1  # the approach


def test_commands_in_the_recording_tell_what_came_of_it(capsys, tmp_path) -> None:
    messages = (GOLDEN / "messages.jsonl").read_text()
    at = json.loads(messages.splitlines()[-1])["received_at"]
    alert_line = crossing()
    steps = ["acknowledge", "assess", "dismiss"]
    commands = [
        {
            "received_at": at,
            "topic": "tuanbien/v1/ha-giang/maps/commands",
            "payload": {
                "v": 1, "message_id": f"step-{version}", "sector": "ha-giang",
                "device_id": "maps", "at": at, "incident_id": alert_line["incident_id"],
                "verb": verb, "actor": "an", "role": "duty_officer", "expected_version": version,
                **({"cause": "dong_vat"} if verb == "dismiss" else {}),
            },
        }
        for version, verb in enumerate(steps)
    ]  # fmt: skip
    recording = tmp_path / "messages.jsonl"
    recording.write_text(messages + "".join(json.dumps(one) + "\n" for one in commands))
    rules = "[rules.crossing]\nmin_detections = 1000\n"
    status, said, _ = replayed(capsys, tmp_path / "out", rules, recording=recording)
    assert status == 0
    assert json.loads(said)["what_if"]["removed_outcomes"] == {"dong_vat": 1}


def test_rules_that_change_nothing_say_so(capsys, tmp_path) -> None:
    rules = "[rules.place]\ntrail_tolerance_m = 31.0\n"
    status, said, _ = replayed(capsys, tmp_path / "out", rules)
    summary = json.loads(said)["what_if"]
    assert status == 0
    assert (summary["added"], summary["removed"], summary["changed"]) == (0, 0, 0)
    assert (tmp_path / "out" / "what_if.jsonl").read_text() == ""


@pytest.mark.parametrize(("text", "named"), [("[1]\n", "line 1"), ('{}\n{"a', "line 2")])
def test_outcomes_that_are_none_are_refused(capsys, tmp_path, text, named) -> None:
    outcomes = tmp_path / "outcomes.jsonl"
    outcomes.write_text(text)
    rules = "[rules.place]\ntrail_tolerance_m = 31.0\n"
    status, _, told = replayed(capsys, tmp_path / "out", rules, "--outcomes", str(outcomes))
    assert status == 1
    assert f"outcomes.jsonl: {named}" in told
