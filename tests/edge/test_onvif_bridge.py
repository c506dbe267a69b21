"""A camera's own analytics as a device: from its JSON to detections on the ground."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge.command import main
from edge.config import DeviceConfig, DeviceConfigError, load_device
from edge.detector import Detection
from edge.frames import Frame
from edge.messages import (
    DetectionsMessage,
    Scene,
    StatusMessage,
    UtcTime,
    decode,
    decode_as,
    encode,
)
from edge.onvif import topics
from edge.onvif_bridge import ELSEWHERE, TURNING, UNCLEAR, UNREAD, OnvifBridge, run_bridge
from edge.onvif_objects import IMPOSSIBLE_LIKELIHOOD, NO_BOX, NO_CLASS, OUTSIDE, PART, WEAK
from edge.pipeline import Pipeline
from edge.publisher import BrokerAddress, FilePublisher, MqttPublisher
from edge.subscriber import Heard, MqttSubscriber

WriteDevice = Callable[..., Path]
TOPIC = "MyDevice/onvif-mj/VideoAnalytics/1/MyClassifier"
ONVIF = ('video = "clip.avi"', 'onvif = "MyDevice"')
LABELS = ('labels = { 0 = "person", 2 = "car" }\n', "")
# Where the box of the published example lies in a picture of 768 x 576.
PUBLISHED_PX = (0.03125 * 768, (1 + 0.6666664) / 2 * 576, 0.15625 * 768, (1 + 0.8749999) / 2 * 576)
PERSONAL = ("Male", "Shorts", "29A12345", "c2VjcmV0")


def thing(object_id: object = 15, **appearance: Any) -> dict[str, Any]:
    """Return an object as published, with parts of its appearance replaced or added."""
    return {
        "@ObjectId": object_id,
        "Appearance": {
            "Shape": {"BoundingBox": {"@left": 20, "@top": 80, "@right": 100, "@bottom": 30}},
            "Class": {"Type": [{"@Likelihood": 0.8, "#text": "Human"}]},
        }
        | appearance,
    }


def classed(*types: tuple[str, float]) -> dict[str, Any]:
    return thing(Class={"Type": [{"#text": name, "@Likelihood": score} for name, score in types]})


def frame(*objects: dict[str, Any], at: str = "2026-03-14T12:00:00.000Z") -> dict[str, Any]:
    return {
        "@UtcTime": at,
        "Transformation": {
            "Translate": {"@x": -1.0, "@y": -1.0},
            "Scale": {"@x": 0.003125, "@y": 0.00416667},
        },
        "Object": list(objects),
    }


def payload(*frames: dict[str, Any]) -> bytes:
    return json.dumps({"Frame": list(frames)}).encode()


@pytest.fixture
def camera(write_device: WriteDevice) -> DeviceConfig:
    return load_device(write_device(ONVIF, LABELS))


@pytest.fixture
def bridge(camera: DeviceConfig) -> OnvifBridge:
    return OnvifBridge(camera, boot_id="b1")


@pytest.fixture
def take(bridge: OnvifBridge, noon: UtcTime) -> Callable[..., list[DetectionsMessage]]:
    """Return a function that lets the bridge hear frames of one picture each."""

    def heard(*frames: dict[str, Any], topic: str = TOPIC) -> list[DetectionsMessage]:
        return bridge.take(Heard(topic, payload(*frames), noon))

    return heard


class Sees:
    def __init__(self, *boxes: Detection) -> None:
        self._boxes = boxes

    def detect(self, _: object) -> list[Detection]:
        return list(self._boxes)


def test_a_camera_s_box_is_placed_as_our_own_detector_s_would_be(
    take, camera: DeviceConfig, noon: UtcTime
) -> None:
    import numpy as np  # noqa: PLC0415 - a picture, for this oracle only

    (told,) = take(frame(thing()))
    own = Pipeline(camera, Sees(Detection(PUBLISHED_PX, "person", 0.8, None)), boot_id="b")
    (expected,) = own.message(Frame(np.zeros((576, 768, 3), np.uint8), noon)).detections
    (found,) = told.detections
    assert (found.lat, found.lon) == pytest.approx((expected.lat, expected.lon), abs=1e-9)
    assert found.cov_m2 == pytest.approx(expected.cov_m2)
    assert found.cov_bias_m2 == pytest.approx(expected.cov_bias_m2)
    assert found.bbox == pytest.approx((0.03125, 0.83333, 0.15625, 0.9375))
    assert (found.label, found.confidence) == ("person", 0.8)
    assert (told.captured_at, told.device_id, told.sensor.lat) == (noon, "cam-07", 22.5)


def test_an_empty_frame_says_looked_and_saw_nothing(take) -> None:
    (told,) = take(frame())
    assert told.detections == ()


def test_what_a_camera_followed_itself_is_said_to_be_smoothed(take) -> None:
    (message,) = take(frame(thing()))
    assert message.sensor.smoothed


def test_every_frame_of_a_message_is_told(take) -> None:
    told = take(frame(thing()), frame(thing(), at="2026-03-14T12:00:00.100Z"))
    assert [one.captured_at.microsecond for one in told] == [0, 100_000]


@pytest.mark.parametrize(
    ("types", "label", "confidence"),
    [
        ([("Human", 0.7), ("Animal", 0.4)], "person", 0.7),
        ([("Vehicle", 0.8), ("Truck", 0.9)], "truck", 0.9),
        ([("acme:Pickup", 0.99), ("Vehicle", 0.6)], "vehicle", 0.6),
        ([("person", 0.6)], "person", 0.6),
        ([("Vehical", 0.6)], "vehicle", 0.6),
    ],
)
def test_the_likeliest_class_that_we_know_is_the_label(
    take, types: list[tuple[str, float]], label: str, confidence: float
) -> None:
    (told,) = take(frame(classed(*types)))
    (found,) = told.detections
    assert (found.label, found.confidence) == (label, confidence)


@pytest.mark.parametrize(
    ("found", "reason", "unclear"),
    [
        (classed(("acme:Kite", 0.9)), NO_CLASS, 0),
        (thing(Class=None), NO_CLASS, 0),
        (classed(("HumanFace", 0.9), ("Human", 0.5)), PART, 0),
        (classed(("LicensePlate", 0.9)), PART, 0),
        (classed(("Human", 0.1)), WEAK, 0),
        (classed(("Human", 87.0)), IMPOSSIBLE_LIKELIHOOD, 1),
        (thing(Shape=None), NO_BOX, 1),
        (thing(Transformation={"Translate": {"@x": 5000.0}}), OUTSIDE, 1),
    ],
)
def test_what_is_no_detection_is_counted_with_its_reason(
    take, bridge: OnvifBridge, found: dict[str, Any], reason: str, unclear: int
) -> None:
    """What cannot be read is not nothing: a frame of nothing else is not told as empty."""
    told = take(frame(found))
    assert bridge.counts.left_out[reason] == 1
    assert bridge.counts.left_out[UNCLEAR] == unclear
    assert [one.detections for one in told] == [()] * (1 - unclear)


def test_an_unreadable_object_does_not_hide_the_others(take) -> None:
    (told,) = take(frame(thing(Shape=None), thing(16)))
    assert len(told.detections) == 1


def test_the_device_file_may_name_the_classes(write_device: WriteDevice, noon: UtcTime) -> None:
    labels = (LABELS[0], 'labels = { "acme:Kite" = "drone" }\n')
    bridge = OnvifBridge(load_device(write_device(ONVIF, labels)), boot_id="b")
    heard = Heard(TOPIC, payload(frame(classed(("acme:Kite", 0.9)), thing())), noon)
    (told,) = bridge.take(heard)
    assert [found.label for found in told.detections] == ["drone"]


def test_a_class_without_likelihood_is_half_sure_and_counted(take, bridge: OnvifBridge) -> None:
    (told,) = take(frame(thing(Class={"Type": "Human"})))
    assert told.detections[0].confidence == 0.5
    assert bridge.counts.likelihood_missing == 1


def test_nothing_about_a_face_a_body_or_a_plate_leaves_the_bridge(
    take, bridge: OnvifBridge, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in a message, not in the log, not on the disk: they are not ours to know."""
    caplog.set_level(logging.DEBUG)
    personal = {
        "HumanFace": {"Gender": "Male"},
        "HumanBody": {"Clothing": {"Bottoms": {"Category": "Shorts"}}},
        "LicensePlateInfo": {"PlateNumber": {"#text": "29A12345"}},
        "Image": "c2VjcmV0",
    }
    out = FilePublisher(tmp_path / "out.jsonl")
    told = take(frame(thing(**personal)))
    # Nor where the very part is broken, or the rest is, and something must be said about it.
    for broken in (thing(**personal, Shape=7), thing(**personal, Class={"Type": 7})):
        told += take(frame(broken, at="2026-03-14T12:00:01Z"))
    event = json.dumps({"UtcTime": "x", "Source": {}, "Data": {"Plate": "29A12345"}})
    bridge.take(
        Heard("MyDevice/onvif-ej/RuleEngine/LicensePlate", event.encode(), told[0].captured_at)
    )
    for message in told:
        out.publish(message)
    out.close(0.0)
    assert bridge.counts.personal == dict.fromkeys(personal, 1)
    assert bridge.counts.refused == 1
    assert bridge.counts.left_out[UNREAD] == 1  # the other came at the same time, as empty
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    said = b"".join(encode(message) for message in told) + encode(bridge.counts)
    for value in PERSONAL:
        assert value not in caplog.text
        assert value.encode() not in written + said


def test_a_repeated_frame_is_told_once_and_is_known_after_a_restart(
    take, bridge: OnvifBridge, camera: DeviceConfig, noon: UtcTime
) -> None:
    """QoS 1 repeats, a camera sends a frame for each profile: fusion knows it by its id."""
    (told,) = take(frame(thing()))
    assert take(frame(thing())) == []
    assert take(frame(thing()), topic=TOPIC.replace("/1/", "/2/")) == []
    assert bridge.counts.repeated == 2
    (again,) = OnvifBridge(camera, boot_id="b2").take(Heard(TOPIC, payload(frame(thing())), noon))
    assert again.message_id == told.message_id
    (other,) = take(frame(thing()), topic=TOPIC + "2")
    assert other.message_id != told.message_id


def test_an_object_keeps_its_number_within_its_module(take) -> None:
    def number(object_id: object, second: int, topic: str = TOPIC, **more: object) -> int | None:
        found = thing(object_id) | more
        (told,) = take(frame(found, at=f"2026-03-14T12:00:{second:02}Z"), topic=topic)
        return told.detections[0].track_id

    first = number(15, 1)
    assert first == number("15", 2)
    assert first != number(16, 3)
    assert first != number(15, 4, TOPIC + "2")
    assert number(None, 5) is None
    # Since 24.12 a UUID says which objects of two modules are one.
    assert number(1, 6, **{"@UUID": "u"}) == number(2, 7, TOPIC + "2", **{"@UUID": "u"})


def test_a_turning_camera_says_nothing(take, bridge: OnvifBridge) -> None:
    """Its pose holds at rest only: while it turns, every position would be wrong."""
    turning = frame(thing()) | {"PTZStatus": {"MoveStatus": {"PanTilt": "MOVING"}}}
    assert take(turning) == []
    assert bridge.counts.left_out == {TURNING: 1}


def position(pan: float, tilt: float = 0.0, zoom: float = 0.0, **move: str) -> dict[str, Any]:
    return {
        "Position": {"PanTilt": {"@x": pan, "@y": tilt}, "Zoom": {"@x": zoom}},
        "MoveStatus": {"PanTilt": "IDLE", "Zoom": "IDLE"} | move,
    }


@pytest.mark.parametrize("elsewhere", [(0.3,), (0.1, 0.01), (0.1, 0.0, 0.5)])
@pytest.mark.parametrize("declared", [True, False])
def test_a_camera_that_rests_elsewhere_says_nothing(
    write_device: WriteDevice,
    noon: UtcTime,
    elsewhere: tuple[float, ...],
    declared: bool,  # noqa: FBT001
) -> None:
    """Turned by a guard and left there, it would place people with the pose of before."""
    source = f"{ONVIF[1]}\nonvif_home = [0.1, 0.0, 0.0]" if declared else ONVIF[1]
    bridge = OnvifBridge(load_device(write_device((ONVIF[0], source), LABELS)), boot_id="b")
    for second, ptz in enumerate((position(0.1), position(*elsewhere), position(0.1005))):
        at = f"2026-03-14T12:00:0{second}Z"
        told = bridge.take(Heard(TOPIC, payload(frame(thing(), at=at) | {"PTZStatus": ptz}), noon))
        assert len(told) == (ptz["Position"]["PanTilt"]["@x"] < 0.11 and second != 1)
    assert bridge.counts.left_out == {ELSEWHERE: 1}


def test_a_head_that_does_not_know_is_believed_only_with_a_position(
    take, bridge: OnvifBridge
) -> None:
    lost = {"MoveStatus": {"PanTilt": "UNKNOWN"}}
    assert take(frame(thing()) | {"PTZStatus": lost}) == []
    known = position(0.1, PanTilt="UNKNOWN")
    assert len(take(frame(thing(), at="2026-03-14T12:00:01Z") | {"PTZStatus": known})) == 1
    assert bridge.counts.left_out == {TURNING: 1}


def test_objects_of_one_instant_in_two_messages_are_all_told(take, bridge: OnvifBridge) -> None:
    one, other = (take(frame(thing(number))) for number in (1, 2))
    assert len(one) == len(other) == 1
    assert one[0].message_id != other[0].message_id
    assert take(frame(thing(2))) == []
    assert bridge.counts.repeated == 1


def test_a_geo_location_without_an_error_is_counted_and_not_used(
    take, bridge: OnvifBridge
) -> None:
    (bare,) = take(frame(thing()))
    located = thing(GeoLocation={"@lat": "10.0", "@lon": "106.0", "@elevation": "3"})
    (told,) = take(frame(located, at="2026-03-14T12:00:01Z"))
    assert told.detections == bare.detections
    assert bridge.counts.geo_locations == 1


def test_events_are_counted_by_topic_and_make_no_detection(
    bridge: OnvifBridge, noon: UtcTime
) -> None:
    event = (
        b'{"UtcTime":"2008-10-10T12:24:57.321Z","Source":{"Rule":"1"},"Data":{"ObjectId":"15"}}'
    )
    crossed = "MyDevice/onvif-ej/RuleEngine/LineDetector/Crossed/&1/2/MyImportantFence1"
    assert bridge.take(Heard(crossed, event, noon)) == []
    assert bridge.take(Heard(crossed, b"", noon)) == []
    for number in range(100):
        bridge.take(Heard(f"MyDevice/onvif-ej/Made/Up{number}", event, noon))
    assert bridge.counts.events["RuleEngine/LineDetector/Crossed"] == 2
    assert len(bridge.counts.events) == 65
    assert bridge.counts.events["others"] == 37


def test_the_camera_s_complaints_of_its_picture_are_the_scene_of_the_status(
    bridge: OnvifBridge, noon: UtcTime, caplog: pytest.LogCaptureFixture
) -> None:
    """What one service of the camera takes back does not end what another complains of."""

    def scene_after(topic: str, state: str | None) -> Scene | None:
        event = {"UtcTime": "2026-03-14T12:00:00Z", "Source": {}, "Data": {"State": state}}
        content = b"" if state is None else json.dumps(event).encode()
        bridge.take(Heard(f"MyDevice/onvif-ej/VideoSource/{topic}/&1", content, noon))
        status = bridge.teller.status(
            now=noon, fps=1.0, frame_age_s=0.0, queue_depth=0, number=len(caplog.messages)
        )
        return status.scene

    assert scene_after("ImageTooDark/ImagingService", "false") is None
    assert scene_after("ImageTooDark/ImagingService", "true") is Scene.DARK
    assert scene_after("ImageTooDark/AnalyticsService", "true") is Scene.DARK
    assert scene_after("GlobalSceneChange/AnalyticsService", "true") is Scene.MOVED
    assert scene_after("ImageTooBright/AnalyticsService", "true") is Scene.MOVED
    assert scene_after("GlobalSceneChange/AnalyticsService", "false") is Scene.DARK
    assert scene_after("ImageTooDark/ImagingService", "false") is Scene.DARK
    assert scene_after("ImageTooDark/AnalyticsService", None) is None


def test_a_camera_that_says_its_scene_has_changed_claims_less_until_it_takes_that_back(
    bridge: OnvifBridge, noon: UtcTime
) -> None:
    """Its status said `moved`, and its positions went on claiming metres."""

    def hear(state: str) -> None:
        event = {"UtcTime": "2026-03-14T12:00:00Z", "Source": {}, "Data": {"State": state}}
        topic = "MyDevice/onvif-ej/VideoSource/GlobalSceneChange/AnalyticsService/&1"
        bridge.take(Heard(topic, json.dumps(event).encode(), noon))

    def cov_m2(at: str) -> tuple[float, float, float]:
        car = classed(("Car", 0.9))  # whose height says nothing
        (message,) = bridge.take(Heard(TOPIC, payload(frame(car, at=at)), noon))
        return message.detections[0].cov_m2

    before = cov_m2("2026-03-14T12:00:00.000Z")
    hear("true")
    moved = cov_m2("2026-03-14T12:00:01.000Z")
    # Some 11 m ahead of a mast of 8 m, 5 degrees are a metre across and two along.
    assert moved[0] > before[0] + 0.8
    assert moved[2] > before[2] + 0.8
    hear("false")
    assert cov_m2("2026-03-14T12:00:02.000Z") == before


def test_a_malformed_message_is_refused_with_its_reason_and_the_stream_goes_on(
    take, bridge: OnvifBridge, noon: UtcTime, caplog: pytest.LogCaptureFixture
) -> None:
    assert bridge.take(Heard(TOPIC, b'{"Frame":[{"@UtcTime":"2026', noon)) == []
    assert bridge.counts.refused == 1
    (line,) = caplog.messages
    assert TOPIC in line
    assert "truncated" in line
    assert len(take(frame(thing()))) == 1
    for _ in range(98):
        bridge.take(Heard(TOPIC, b"", noon))
    assert bridge.counts.refused == 99
    assert len(caplog.messages) < 10, "but not one line each"


def test_local_time_sent_as_utc_is_noticed(
    take, bridge: OnvifBridge, caplog: pytest.LogCaptureFixture
) -> None:
    take(frame(thing(), at="2026-03-14T19:00:00"))
    assert (bridge.counts.ahead, bridge.counts.zone_missing) == (1, 1)
    assert "25200 s ahead" in caplog.text


def test_several_modules_are_pointed_out_once(take, caplog: pytest.LogCaptureFixture) -> None:
    """Each of them says what it does not see, though another may see it."""
    for number in range(4):
        take(frame(), topic=f"{TOPIC}{number}")
    assert caplog.text.count("source.onvif_module") == 1


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    topic=st.text(max_size=20)
    | st.builds(
        "MyDevice/{}/{}".format, st.sampled_from(["onvif-mj", "onvif-ej"]), st.text(max_size=9)
    ),
    content=st.binary(max_size=200),
)
def test_nothing_that_is_heard_stops_the_bridge(
    bridge: OnvifBridge, topic: str, content: bytes
) -> None:
    for where in (topic, TOPIC):
        assert bridge.take(Heard(where, content, UtcTime.from_epoch_s(0.0))) == []


WRONG = [
    ('video = "clip.avi"\nonvif = "MyDevice"', ("video", "onvif", "not both")),
    ("", ("video", "onvif")),
    ('onvif = ""', ("source.onvif", "topic")),
    ('onvif = "My+Device"', ("source.onvif", "My+Device")),
    ('onvif = "MyDevice/#"', ("source.onvif",)),
    ('onvif = "MyDevice/"', ("source.onvif",)),
    ('onvif = "D"\nonvif_module = "+"', ("source.onvif_module",)),
    ('onvif = "D"\nonvif_broker = "http://x"', ("source.onvif_broker", "http://x")),
    ('video = "a"\nonvif_module = "M"', ("source.onvif_module", "need")),
    ('onvif = "D"\ntelemetry = "a.srt"', ("source.telemetry",)),
]


@pytest.mark.parametrize(("source", "words"), WRONG)
def test_a_wrong_source_is_refused_by_name(
    write_device: WriteDevice, source: str, words: tuple[str, ...]
) -> None:
    path = write_device((ONVIF[0], source), LABELS)
    with pytest.raises(DeviceConfigError) as caught:
        load_device(path)
    for word in (str(path), *words):
        assert word in str(caught.value)


def test_check_says_what_it_listens_to(
    write_device: WriteDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["edge", "check", str(write_device(ONVIF, LABELS))]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["onvif"] == "MyDevice"
    assert "video" not in said
    assert "picture" not in said


@pytest.mark.parametrize("word", ["--fast", "--loop", "--start-at=2026-03-14T12:00:00Z"])
def test_run_refuses_what_only_a_recording_has(
    write_device: WriteDevice, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert main(["edge", "run", str(write_device(ONVIF, LABELS)), word]) == 1
    assert "--start-at" in capsys.readouterr().err


class Broker:
    """What a camera, and everybody who listens, does at a broker."""

    def __init__(self, url: str) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._changed = threading.Condition()
        self._ready = threading.Event()
        address = BrokerAddress.parse(url)
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe("tuanbien/#", qos=1)
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = self._keep
        self.client.connect(address.host, address.port)
        self.client.loop_start()
        assert self._ready.wait(10.0)

    def _keep(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            self.heard.append((message.topic, message.payload))
            self._changed.notify_all()

    def say(self, content: bytes, topic: str = TOPIC) -> None:
        self.client.publish(topic, content, qos=1).wait_for_publish(10.0)

    def wait_for(self, enough: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(enough, 30.0), self.heard[-3:]

    def detections(self) -> list[DetectionsMessage]:
        found = [decode(topic, content) for topic, content in self.heard if "/detections" in topic]
        return [one for one in found if isinstance(one, DetectionsMessage)]

    def statuses(self) -> list[StatusMessage]:
        return [decode_as(said, StatusMessage) for topic, said in self.heard if "/status" in topic]


@contextmanager
def at_broker(url: str) -> Iterator[Broker]:
    broker = Broker(url)
    try:
        yield broker
    finally:
        broker.client.disconnect()
        broker.client.loop_stop()


def subscriber(url: str) -> MqttSubscriber:
    return MqttSubscriber(
        url, topics("MyDevice", None), client_id="bridge", clock=UtcTime.read_clock
    )


def test_what_waits_is_bounded_in_bytes_too(nats_broker: str, monkeypatch) -> None:
    """Ten thousand of the largest messages were 10 GB."""
    monkeypatch.setattr("edge.subscriber.MOST_WAITING_BYTES", 1000)
    with at_broker(nats_broker) as broker:
        source = subscriber(nats_broker)
        assert source.wait_until_listening(10.0)
        for content in (*(bytes([number]) * 400 for number in range(5)), b"last"):
            broker.say(content)
        with source._changed:
            assert source._changed.wait_for(
                lambda: source._waiting and source._waiting[-1].payload == b"last", 10.0
            )
        kept = iter(source)
        assert [next(kept).payload for _ in range(3)] == [b"\3" * 400, b"\4" * 400, b"last"]
        assert source.overflowed == 3
        source.close()


def test_a_camera_s_json_goes_in_and_our_detections_come_out(
    nats_broker: str, camera: DeviceConfig
) -> None:
    """Through a real broker: the camera's rubbish and repetitions too, and the end is said."""
    bridge, stop = OnvifBridge(camera, boot_id="b1"), threading.Event()
    with at_broker(nats_broker) as broker:
        source = subscriber(nats_broker)
        assert source.wait_until_listening(10.0)
        sink = MqttPublisher(
            nats_broker,
            sector="ha-giang",
            device_id="cam-07",
            boot_id="b1",
            clock=UtcTime.read_clock,
        )
        work = threading.Thread(
            target=run_bridge,
            args=(bridge, source, sink),
            kwargs={"clock": UtcTime.read_clock, "stop": stop},
        )
        work.start()
        broker.say(b'{"Frame":')
        broker.say(payload(frame(thing())))
        broker.say(payload(frame(thing())))
        broker.say(b"", "MyDevice/onvif-ej/RuleEngine/LineDetector/Crossed/&1/2/Fence")
        broker.say(
            payload(frame(thing(16, HumanFace={"Gender": "Male"}), at="2026-03-14T12:00:01Z"))
        )
        broker.wait_for(lambda: len(broker.detections()) == 2)
        broker.wait_for(lambda: bool(broker.statuses()))
        stop.set()
        work.join(10.0)
        assert not work.is_alive()
        assert sink.close(10.0) == 0
        broker.wait_for(lambda: not broker.statuses()[-1].online)
        told, statuses = broker.detections(), broker.statuses()
    assert [len(one.detections) for one in told] == [1, 1]
    assert told[0].detections[0].bbox == pytest.approx((0.03125, 0.83333, 0.15625, 0.9375))
    assert (bridge.counts.refused, bridge.counts.repeated, bridge.counts.frames) == (1, 1, 2)
    assert statuses[0].online
    assert statuses[0].frame_age_s is not None, "one that never sends ages from the start"
    assert statuses[0].footprint is not None
    assert not any(b"Male" in said for _, said in broker.heard)


def test_the_command_bridges_until_it_has_enough_and_says_what_came(
    nats_broker: str, write_device: WriteDevice, capsys: pytest.CaptureFixture[str], caplog
) -> None:
    caplog.set_level(logging.INFO)
    path = write_device(ONVIF, LABELS, ('url = "mqtt://127.0.0.1:1883"', f'url = "{nats_broker}"'))
    with at_broker(nats_broker) as broker:
        said_enough = threading.Event()

        def camera_sends() -> None:
            second = 0
            while not said_enough.wait(0.05):
                second = (second + 1) % 60
                broker.say(payload(frame(thing(), at=f"2026-03-14T12:00:{second:02}Z")))

        sending = threading.Thread(target=camera_sends)
        sending.start()
        try:
            assert main(["edge", "run", str(path), "--frames", "2", "--simulated"]) == 0
        finally:
            said_enough.set()
            sending.join(10.0)
        broker.wait_for(lambda: len(broker.detections()) >= 2)
        assert all(one.simulated for one in broker.detections())
    said = json.loads(capsys.readouterr().out)
    assert (said["frames"], said["detections"], said["undelivered"]) == (2, 2, 0)
    assert (said["refused"], said["dropped"], said["unheard"]) == (0, {}, 0)


def test_a_broker_that_comes_back_is_listened_to_again(
    tmp_path: Path, free_port: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    from fusion.broker import running_broker  # noqa: PLC0415 - an edge-only install has none

    port = free_port()
    url, words = f"mqtt://127.0.0.1:{port}", iter(range(1000))
    source = subscriber(url)
    with ExitStack() as rest:
        rest.callback(source.close)
        heard = iter(source)
        for name in ("first", "second"):
            with running_broker(host="127.0.0.1", port=port, store_dir=tmp_path / name):
                with at_broker(url) as broker:
                    stop, came = threading.Event(), []

                    def say(broker: Broker = broker, stop: threading.Event = stop) -> None:
                        while not stop.wait(0.1):
                            broker.say(str(next(words)).encode())

                    saying = threading.Thread(target=say)
                    saying.start()
                    came.append(next(heard))
                    stop.set()
                    saying.join(10.0)
                assert came[0].topic == TOPIC
    assert "trying again" in caplog.text
