"""ONVIF's own published examples, the broken ones among them, and whatever else a camera sends.

The examples are those of the ONVIF Core and Analytics Service Specifications.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.camera import Camera
from edge.onvif import (
    MAX_BYTES,
    Box,
    OnvifError,
    OnvifTopic,
    SceneFrame,
    read_event,
    read_metadata,
    topics,
)
from edge.onvif_objects import OUTSIDE, UPSIDE_DOWN, LeftOut, pixels_of

METADATA: dict[str, Any] = {
    "Frame": [
        {
            "@UtcTime": "2021-10-05T15:13:27.321",
            "@Source": "MyClassifier",
            "@context": {"acme": "http://www.acme.com/schema"},
            "Transformation": {
                "Translate": {"@x": -1.0, "@y": -1.0},
                "Scale": {"@x": 0.003125, "@y": 0.00416667},
            },
            "Object": [
                {
                    "@ObjectId": 15,
                    "Appearance": {
                        "Shape": {
                            "BoundingBox": {
                                "@left": 20.0,
                                "@top": 80.0,
                                "@right": 100.0,
                                "@bottom": 30.0,
                            },
                            "CenterOfGravity": {"@x": 60.0, "@y": 50.0},
                        },
                        "Color": {"ColorCluster": [{"acme:ColorName": "White"}]},
                        "Class": {"Type": [{"@Likelihood": 0.8, "#text": "Human"}]},
                        "HumanFace": {"Gender": "Male", "Age": {"Min": 20, "Max": 30}},
                        "HumanBody": {"Clothing": {"Tops": {"Category": "LongSleeve"}}},
                    },
                }
            ],
        }
    ]
}
FIRST_EVENT = """{
  "UtcTime": "2008-10-10T12:24:57.321Z",
  "Source": {
    "VideoSource": "1",
    "AnalyticsConfiguration": "2",
    "Rule": "MyImportantFence1"
  },
  "Data": {
    "ObjectId": "15"
  }
}"""
# As published: neither the quote nor the comma after the time is there.
SECOND_EVENT = """{
  "UtcTime": "2008-10-10T12:24:57.789Z
  "Source": {
    "VideoSource": "1",
    "AnalyticsConfiguration": "2",
    "Rule": "MyImportantFence2"
  },
  "Data": {
    "ObjectId": "19"
  }
}"""
# As published: it does not even begin, and a comma stands for a colon.
THIRD_EVENT = """
"UtcTime": "2008-10-10T12:24:57.789Z
  "Source": {
    "VideoSource": "1",
    "Rule": "MyLineInfo"
  },
  "Data": {
    "Segments": {
      "Polyline": {
        "Point": [ { "@x": 0.10, "@y", 0.50}, {"@x": 1.0, "@y": 0.50} ]
      }
    }
  }
}"""
CAMERA = Camera(640, 480, 500.0, 500.0, 319.5, 239.5, None, ())


def example(**changes: object) -> dict[str, Any]:
    """Return the published metadata with parts of its one object's appearance replaced."""
    copy: dict[str, Any] = json.loads(json.dumps(METADATA))
    copy["Frame"][0]["Object"][0]["Appearance"] |= changes
    return copy


def read_one(metadata: dict[str, Any]) -> SceneFrame:
    (frame,), errors = read_metadata(json.dumps(metadata).encode())
    assert errors == ()
    return frame


def refusal(read: Callable[[bytes], object], payload: str) -> str:
    with pytest.raises(OnvifError) as caught:
        read(payload.encode())
    return str(caught.value)


def test_the_published_box_is_normalised_as_published() -> None:
    (found,) = read_one(METADATA).objects
    assert found.box == pytest.approx((-0.9375, -0.6666664, -0.6875, -0.8749999), abs=1e-12)
    assert (found.object_id, found.types) == ("15", (("Human", 0.8),))


def test_the_published_time_has_no_zone_and_is_utc() -> None:
    frame = read_one(METADATA)
    assert frame.captured_at.rfc3339() == "2021-10-05T15:13:27.321Z"
    assert frame.zone_missing


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2026-03-14T17:00:00Z", "2026-03-14T17:00:00.000Z"),
        ("2026-03-15T00:00:00.5+07:00", "2026-03-14T17:00:00.500Z"),
        ("2026-03-14T17:00:00.058123456Z", "2026-03-14T17:00:00.058Z"),
    ],
)
def test_a_time_with_a_zone_is_converted(said: str, meant: str) -> None:
    frame = read_one({"Frame": {"@UtcTime": said}})
    assert (frame.captured_at.rfc3339(), frame.zone_missing) == (meant, False)


@pytest.mark.parametrize(
    "said",
    ["", "now", "2026-13-01T00:00:00Z", "2026-01-01 00:00:00Z", "0001-01-01T00:00:00+14:00"],
)
def test_a_time_that_is_none_is_refused_by_its_text(said: str) -> None:
    assert repr(said) in refusal(read_metadata, json.dumps({"Frame": {"@UtcTime": said}}))


def test_the_first_published_event_is_one_and_tells_of_no_property() -> None:
    assert read_event(FIRST_EVENT.encode()) is None


def test_the_end_of_a_property_is_an_empty_payload_and_fine() -> None:
    assert read_event(b"") is None


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ("true", True),
        ('"true"', True),
        ('"False"', False),
        ("0", False),
        ('"ACTIVE"', None),
        ("{}", None),
    ],
)
def test_an_event_may_tell_whether_a_property_holds(said: str, holds: bool | None) -> None:  # noqa: FBT001
    event = f'{{"UtcTime":"2026-03-14T12:00:00Z","Source":{{}},"Data":{{"State":{said}}}}}'
    assert read_event(event.encode()) is holds


@pytest.mark.parametrize(
    ("payload", "word"),
    [
        (SECOND_EVENT, "malformed"),
        (THIRD_EVENT, "object"),
        # With its beginning mended, the comma is still there.
        ("{" + THIRD_EVENT.replace(".789Z", '.789Z",'), "malformed"),
    ],
)
def test_the_malformed_published_events_are_refused(payload: str, word: str) -> None:
    assert word in refusal(read_event, payload)


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ("{}", ("Frame",)),
        ("", ("truncated",)),
        ("[]", ("array",)),
        ('{"Frame":[{}]}', ("@UtcTime", "Frame")),
        ('{"Frame":{"@UtcTime":12}}', ("str", "@UtcTime")),
        (
            '{"Frame":[' + ",".join(['{"@UtcTime":"2026-01-01T00:00:00Z"}'] * 65) + "]}",
            ("65", "64"),
        ),
        ('{"Frame":{"a":' + "[" * 100_000, ("recursion",)),
        (" " * MAX_BYTES + "{}", (str(MAX_BYTES),)),
    ],
)
def test_what_is_no_metadata_is_refused_in_one_sentence(
    payload: str, words: tuple[str, ...]
) -> None:
    sentence = refusal(read_metadata, payload)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


@pytest.mark.parametrize("box", [{"@left": 1}, {"@left": "a"}, 7])
def test_an_object_that_is_none_does_not_spoil_its_neighbours(box: object) -> None:
    copy = example()
    good = copy["Frame"][0]["Object"][0]
    bad = example(Shape={"BoundingBox": box})["Frame"][0]["Object"][0]
    copy["Frame"][0]["Object"] = [bad, good, bad]
    frame = read_one(copy)
    assert frame.objects == read_one(METADATA).objects
    assert frame.unread == 2


def test_a_frame_that_is_none_does_not_spoil_its_neighbours() -> None:
    copy = example()
    copy["Frame"] = [{"@UtcTime": "noon"}, copy["Frame"][0], {}]
    frames, errors = read_metadata(json.dumps(copy).encode())
    assert frames == (read_one(METADATA),)
    assert ["UtcTime" in str(error) for error in errors] == [True, True]


def test_numbers_may_be_text_and_what_stands_alone_need_be_in_no_list() -> None:
    """So an earlier edition of the specification printed its example."""
    copy = json.loads(json.dumps(METADATA), parse_float=str)
    copy["Frame"] = copy["Frame"][0]
    copy["Frame"]["Object"] = copy["Frame"]["Object"][0] | {"@ObjectId": "15"}
    copy["Frame"]["Object"]["Appearance"]["Class"] = {"@Likelihood": "0.8", "#text": "Human"}
    assert read_one(copy) == read_one(METADATA)


def test_the_box_of_the_earlier_edition_is_upside_down_and_left_out() -> None:
    """It says top 20, bottom 30. Nobody can tell which of them holds the feet."""
    box = {"@left": "20.0", "@top": "20.0", "@right": "100.0", "@bottom": "30.0"}
    (found,) = read_one(example(Shape={"BoundingBox": box})).objects
    assert found.box is not None
    with pytest.raises(LeftOut, match=UPSIDE_DOWN):
        pixels_of(found.box, CAMERA)


@pytest.mark.parametrize(
    "said",
    [
        {"Type": "Human"},
        {"Type": ["Human"]},
        {"Type": {"#text": "Human"}},
        {"ClassCandidate": {"Type": "Human"}},
        {"#text": "Human"},
    ],
)
def test_a_class_without_likelihood_says_none(said: dict[str, Any]) -> None:
    assert read_one(example(Class=said)).objects[0].types == (("Human", None),)


def test_an_object_may_lack_everything() -> None:
    (found,) = read_one({"Frame": {"@UtcTime": "2026-01-01T00:00:00Z", "Object": [{}]}}).objects
    assert found == (None, None, None, (), (), False)


def test_faces_bodies_plates_and_pictures_are_only_named() -> None:
    frame = read_one(
        example(
            LicensePlateInfo={"PlateNumber": {"#text": "29A12345"}},
            Image="c2VjcmV0",
            GeoLocation={"@lat": 22.5, "@lon": 104.0, "@elevation": 1000.0},
        )
    )
    (found,) = frame.objects
    assert found.personal == ("HumanFace", "HumanBody", "LicensePlateInfo", "Image")
    assert found.has_geo_location
    for value in ("Male", "30", "LongSleeve", "29A12345", "c2VjcmV0"):
        assert value not in repr(frame)


def test_an_inner_transformation_is_applied_before_the_outer_one() -> None:
    inner = {"Translate": {"@x": 10.0}, "Scale": {"@x": 2.0, "@y": 0.5}}
    (found,) = read_one(example(Transformation=inner)).objects
    assert found.box is not None
    assert found.box.left == pytest.approx((20.0 * 2.0 + 10.0) * 0.003125 - 1.0)
    assert found.box.bottom == pytest.approx(30.0 * 0.5 * 0.00416667 - 1.0)


def test_a_camera_on_the_move_is_noticed() -> None:
    copy = example()
    copy["Frame"][0]["PTZStatus"] = {"MoveStatus": {"PanTilt": "MOVING", "Zoom": "IDLE"}}
    assert read_one(copy).turning
    assert not read_one(METADATA).turning


def test_topics_name_the_module_or_the_event() -> None:
    prefix = "site/MyDevice"
    module = OnvifTopic.parse(f"{prefix}/onvif-mj/VideoAnalytics/1/MyClassifier", prefix=prefix)
    assert module == (False, "MyClassifier")
    bare = OnvifTopic.parse(f"{prefix}/onvif-mj/VideoAnalytics/1", prefix=prefix)
    assert bare == (False, "")
    crossed = f"{prefix}/onvif-ej/RuleEngine/LineDetector/Crossed/&1/2/MyImportantFence1"
    assert OnvifTopic.parse(crossed, prefix=prefix) == (True, "RuleEngine/LineDetector/Crossed")
    with pytest.raises(OnvifError, match="other/onvif-mj"):
        OnvifTopic.parse("other/onvif-mj/VideoAnalytics/1/M", prefix=prefix)


def test_one_module_or_all_of_them_are_listened_to() -> None:
    assert topics("D", None) == ["D/onvif-mj/VideoAnalytics/#", "D/onvif-ej/#"]
    assert topics("D", "M")[0] == "D/onvif-mj/VideoAnalytics/+/M"


pixels = st.floats(0.0, 1.0)


@given(x1=pixels, x2=pixels, y1=pixels, y2=pixels, flipped=st.booleans())
def test_pixels_survive_the_way_through_any_coordinates(
    x1: float, x2: float, y1: float, y2: float, *, flipped: bool
) -> None:
    """A camera may count up from the lower left, or down from the upper left, negatively scaled."""
    width, height = CAMERA.width_px, CAMERA.height_px
    x1, x2, y1, y2 = x1 * width, x2 * width, y1 * height, y2 * height
    if x2 - x1 < 1e-6 or y2 - y1 < 1e-6:
        return
    top, bottom = (y1, y2) if flipped else (height - y1, height - y2)
    sense = -1.0 if flipped else 1.0
    copy = example(
        Shape={"BoundingBox": {"@left": x1, "@top": top, "@right": x2, "@bottom": bottom}}
    )
    copy["Frame"][0]["Transformation"] = {
        "Translate": {"@x": -1.0, "@y": -sense},
        "Scale": {"@x": 2.0 / width, "@y": sense * 2.0 / height},
    }
    (found,) = read_one(copy).objects
    assert found.box is not None
    assert pixels_of(found.box, CAMERA) == pytest.approx((x1, y1, x2, y2), abs=1e-6)


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        (Box(-0.5, -0.2, 0.5, 0.2), UPSIDE_DOWN),
        (Box(0.5, 0.2, -0.5, -0.2), UPSIDE_DOWN),
        (Box(0.5, 0.2, 0.5, -0.2), UPSIDE_DOWN),
        (Box(-0.5, math.inf, 0.5, -0.2), UPSIDE_DOWN),
        (Box(math.nan, 0.2, 0.5, -0.2), UPSIDE_DOWN),
        (Box(20.0, 80.0, 100.0, 30.0), OUTSIDE),
        # It was cut at the lower edge, and somebody stood there.
        (Box(0.0, 0.2, 0.1, -5.0), OUTSIDE),
    ],
)
def test_a_box_that_cannot_be_is_left_out(box: Box, reason: str) -> None:
    """Pixels without a Transformation, for one, lie far outside of -1 to 1."""
    with pytest.raises(LeftOut, match=reason):
        pixels_of(box, CAMERA)


@given(st.tuples(*[st.floats()] * 4))
def test_a_box_lies_in_the_picture_or_is_left_out(
    sides: tuple[float, float, float, float],
) -> None:
    try:
        x1, y1, x2, y2 = pixels_of(Box(*sides), CAMERA)
    except LeftOut:
        return
    assert 0.0 <= x1 <= x2 <= CAMERA.width_px
    assert 0.0 <= y1 <= y2 <= CAMERA.height_px


def keys_of(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from keys_of(item)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted(set(keys_of(METADATA)))), inner, max_size=4)
    ),
    max_leaves=30,
)


@settings(max_examples=500)
@given(payload=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    for read in (read_metadata, read_event):
        with suppress(OnvifError):
            read(payload)


@settings(max_examples=500)
@given(frame=anything, appearance=anything, cut=st.integers(0, 200))
def test_any_json_is_read_or_refused(frame: object, appearance: object, cut: int) -> None:
    copy = example()
    copy["Frame"][0]["Object"][0]["Appearance"] = appearance
    for whole in (json.dumps({"Frame": frame}), json.dumps(copy)):
        for payload in (whole, whole[:cut]):
            with suppress(OnvifError):
                read_metadata(payload.encode())
