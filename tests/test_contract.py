"""The message types keep the public contract, example by example."""

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import (
    AlertKind,
    DetectionsMessage,
    InvalidMessageError,
    Severity,
    Topic,
    TrackState,
    UtcTime,
    decode,
    decode_as,
    encode,
    json_schemas,
)

ROOT = Path(__file__).parents[1]
CONTRACT = ROOT.parent / "shared" / "CONTRACT.md"
TOPIC = "tuanbien/v1/ha-giang/cam-07/detections"
DETECTION: dict[str, Any] = {
    "label": "person",
    "confidence": 0.83,
    "bbox": [0.51, 0.40, 0.55, 0.61],
    "lat": 22.95013,
    "lon": 105.31611,
    "cov_m2": [4.1, -1.2, 9.7],
}
MESSAGE: dict[str, Any] = {
    "v": 1,
    "message_id": "m-1",
    "device_id": "cam-07",
    "sector": "ha-giang",
    "captured_at": "2026-03-14T17:00:00.058Z",
    "sensor": {"kind": "camera", "lat": 22.94865, "lon": 105.31593, "alt_m": 811.0},
    "detections": [DETECTION],
}


def with_detection(**changes: object) -> dict[str, Any]:
    return MESSAGE | {"detections": [DETECTION | changes]}


def contract_example(title: str) -> dict[str, Any]:
    """Return the first JSON object after a phrase of the contract's text."""
    if not CONTRACT.exists():
        pytest.skip("CONTRACT.md is not beside the clone")
    text = CONTRACT.read_text(encoding="utf-8")
    start = text.index("{", text.index(title))
    # "…" stands for an id, [..] and {…} for what is not spelt out.
    spelt = text[start:].replace("[…]", "[]").replace("{…}", "{}").replace("[east,north]", "[0,1]")
    spelt = spelt.replace('"…"', '"x"').replace('["x"]', "[]")
    spelt = re.sub(r'":(…|\.\.\.)', '":0', spelt)
    example, _ = json.JSONDecoder().raw_decode(spelt)
    assert isinstance(example, dict)
    return example


def schema_of(name: str) -> dict[str, Any]:
    return json_schemas() | {"$ref": f"#/$defs/{name}"}


@pytest.mark.parametrize(
    ("title", "type_name"),
    [("### detections", "DetectionsMessage")],
)
def test_the_contracts_message_example_fits_its_schema_and_type(
    title: str, type_name: str
) -> None:
    example = contract_example(title)
    jsonschema.Draft202012Validator(schema_of(type_name)).validate(example)
    message = decode(TOPIC, json.dumps(example).encode())
    assert json.loads(encode(message)) | {"detections": 0} == example | {"detections": 0}


def filled(example: dict[str, Any]) -> dict[str, Any]:
    """Put a time where the contract writes an ellipsis for one."""
    return {
        key: "2026-03-14T17:00:00.058Z" if key == "t" or key.endswith("_at") else value
        for key, value in example.items()
    }


@pytest.mark.parametrize(
    ("title", "type_name"),
    [
        ("- `alerts.jsonl`", "Alert"),
        ("- `incidents.jsonl`", "Incident"),
    ],
)
def test_the_contracts_output_examples_fit_their_schemas(title: str, type_name: str) -> None:
    example = filled(contract_example(title))
    jsonschema.Draft202012Validator(schema_of(type_name)).validate(example)
    written = set(json_schemas()["$defs"][type_name]["properties"])
    assert set(example) <= written


def test_the_contracts_track_line_fits_its_schema() -> None:
    example = filled(contract_example("at most 2 Hz a track:"))
    assert example.pop("state") == "|".join(TrackState)
    example |= {"cov_m2": [1.0, 0.0, 1.0], "state": TrackState.COASTING}
    jsonschema.Draft202012Validator(schema_of("TrackUpdate")).validate(example)


def test_kinds_and_severities_are_the_contracts() -> None:
    text = CONTRACT.read_text(encoding="utf-8") if CONTRACT.exists() else ""
    if not text:
        pytest.skip("CONTRACT.md is not beside the clone")
    assert all(f"`{word}`" in text for word in (*AlertKind, *Severity))


def test_a_message_survives_the_round_trip() -> None:
    message = decode(TOPIC, json.dumps(MESSAGE).encode())
    assert decode(TOPIC, encode(message)) == message


def test_unknown_fields_are_ignored() -> None:
    assert decode(TOPIC, json.dumps(MESSAGE | {"mood": "fine"}).encode()) == decode(
        TOPIC, json.dumps(MESSAGE).encode()
    )


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "truncated"),
        (b"\xff\xfe", "malformed"),
        (b"[" * 100_000, "detections message"),
        (b"{}", "missing required field"),
        (json.dumps(MESSAGE | {"v": 2}).encode(), "$.v"),
        (json.dumps(MESSAGE | {"captured_at": "2026-03-14 17:00"}).encode(), "$.captured_at"),
        (json.dumps(MESSAGE | {"captured_at": "2026-03-14T17:00:00+07:00"}).encode(), "UTC"),
        (json.dumps(MESSAGE | {"captured_at": "2026-02-30T17:00:00Z"}).encode(), "$.captured_at"),
        (json.dumps(MESSAGE | {"device_id": "cam-08"}).encode(), "its topic"),
        (json.dumps(MESSAGE | {"device_id": "Cam 07"}).encode(), "$.device_id"),
        (json.dumps(with_detection(lat=95.0)).encode(), "$.detections[0].lat"),
        (json.dumps(with_detection(lat=None)).encode(), "$.detections[0].lat"),
        (json.dumps(with_detection(lon=float("nan"))).encode(), "malformed"),
        (json.dumps(with_detection(lon=105.0)).replace("105.0", "1e999").encode(), "out of range"),
        (json.dumps(MESSAGE | {"sector": "lai-chau"}).encode(), "its topic"),
        (json.dumps(with_detection(cov_m2=[1.0, float("inf"), 1.0])).encode(), "malformed"),
        (json.dumps(with_detection(cov_m2=[-1.0, 0.0, 1.0])).encode(), "$.detections[0].cov_m2"),
        (json.dumps(with_detection(cov_m2=[1.0, 2.0, 1.0])).encode(), "positive definite"),
        (json.dumps(with_detection(cov_m2=[0.0, 0.0, 0.0])).encode(), "positive definite"),
        (json.dumps(with_detection(cov_m2=[4.0, 1e200, 4.0])).encode(), "$.detections[0].cov_m2"),
        (json.dumps(with_detection(cov_bias_m2=[4.0, 3.0, 1.0])).encode(), "cov_bias_m2"),
        (
            json.dumps(with_detection(cov_bias_m2=[5.0, 0.0, 1.0])).encode(),
            "larger than its whole",
        ),
        (json.dumps(with_detection(bbox=[0.5, 0.4, 0.4, 0.6])).encode(), "bbox"),
        (json.dumps(with_detection(confidence=1.5)).encode(), "$.detections[0].confidence"),
        (json.dumps(MESSAGE | {"pad": "x" * 300_000}).encode(), "larger than"),
    ],
)
def test_what_breaks_the_contract_is_refused_with_its_place(payload: bytes, says: str) -> None:
    with pytest.raises(InvalidMessageError, match=re.escape(says)) as refusal:
        decode(TOPIC, payload)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "topic", ["x", "tuanbien/v1/a/b", "tuanbien/v2/a/b/detections", "a/v1/a/b/c"]
)
def test_a_foreign_topic_is_refused(topic: str) -> None:
    with pytest.raises(InvalidMessageError, match="topic"):
        decode(topic, b"{}")


def test_no_device_may_bear_fusions_own_name() -> None:
    topic = TOPIC.replace("cam-07", "fusion")
    with pytest.raises(InvalidMessageError, match="fusion"):
        decode(topic, json.dumps(MESSAGE | {"device_id": "fusion"}).encode())


numbers = st.floats() | st.integers() | st.sampled_from([1e200, -1e308, 5e-324, 0.0, 2.0**63])


@given(
    cov_m2=st.lists(numbers, min_size=3, max_size=3),
    cov_bias_m2=st.none() | st.lists(numbers, min_size=3, max_size=3),
    lat=numbers,
    track_id=numbers,
)
def test_no_number_does_more_than_be_refused(cov_m2, cov_bias_m2, lat, track_id) -> None:
    """A covariance of 1e200 once raised an OverflowError that ended fusion, and again at each start."""
    fields = {"cov_m2": cov_m2, "cov_bias_m2": cov_bias_m2, "lat": lat, "track_id": track_id}
    with contextlib.suppress(InvalidMessageError):
        decode(TOPIC, json.dumps(with_detection(**fields)).encode())


def test_only_a_last_will_may_lack_its_time() -> None:
    topic = str(Topic("ha-giang", "cam-07", "status"))
    will = {
        "v": 1,
        "message_id": "w",
        "device_id": "cam-07",
        "sector": "ha-giang",
        "online": False,
    }
    assert decode(topic, json.dumps(will).encode())
    with pytest.raises(InvalidMessageError, match="captured_at"):
        decode(topic, json.dumps(will | {"online": True}).encode())


@given(st.binary(max_size=300))
def test_no_payload_does_more_than_be_refused(payload: bytes) -> None:
    with pytest.raises(InvalidMessageError):
        decode(TOPIC, payload)


@given(st.datetimes(timezones=st.timezones()))
def test_times_round_trip_to_the_millisecond(moment) -> None:
    try:
        time = UtcTime.of(moment)
    except OverflowError:  # the first and last day of the calendar
        return
    again = UtcTime.parse(time.rfc3339())
    assert 0.0 <= time.seconds_since(again) < 0.001


def test_the_parsed_type_is_the_schemas_type() -> None:
    assert isinstance(decode_as(json.dumps(MESSAGE), DetectionsMessage), DetectionsMessage)
