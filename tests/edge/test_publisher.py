"""Messages reach a real broker, whatever happens to it."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge.messages import (
    DetectionsMessage,
    EvidenceMessage,
    InvalidMessageError,
    RefusedError,
    Sensor,
    SensorKind,
    StatusMessage,
    UtcTime,
    decode,
    decode_as,
)
from edge.publisher import BrokerAddress, FilePublisher, MqttPublisher

TOPIC = "tuanbien/v1/ha-giang/cam-07"
SENSOR = Sensor(kind=SensorKind.CAMERA, lat=22.5, lon=104.0)


class Listener:
    """A subscriber that keeps what it hears and can wait for it.

    With a name it has a session that outlives its connection, as fusion has.
    """

    def __init__(self, url: str, name: str = "") -> None:
        self.heard: list[tuple[str, bytes, bool]] = []
        self._changed = threading.Condition()
        self._ready = threading.Event()
        address = BrokerAddress.parse(url)
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=name, clean_session=not name
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("tuanbien/#", qos=1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._keep
        self._client.connect(address.host, address.port)
        self._client.loop_start()
        assert self._ready.wait(10.0)

    def _keep(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            self.heard.append((message.topic, message.payload, message.retain))
            self._changed.notify_all()

    def wait_for(self, enough: Callable[[], bool], within_s: float = 30.0) -> None:
        with self._changed:
            assert self._changed.wait_for(enough, within_s), self.heard[-3:]

    def ids(self) -> set[str]:
        return {json.loads(payload)["message_id"] for _, payload, _ in self.heard}

    def statuses(self) -> list[StatusMessage]:
        return [
            decode_as(payload, StatusMessage)
            for topic, payload, _ in self.heard
            if topic.endswith("/status")
        ]

    def detections(self) -> list[DetectionsMessage]:
        return [
            decode_as(payload, DetectionsMessage)
            for topic, payload, _ in self.heard
            if topic.endswith("/detections")
        ]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def listening(url: str, name: str = "") -> Iterator[Listener]:
    listener = Listener(url, name)
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def publishing(url: str, boot_id: str = "b1") -> Iterator[MqttPublisher]:
    publisher = MqttPublisher(
        url, sector="ha-giang", device_id="cam-07", boot_id=boot_id, clock=UtcTime.read_clock
    )
    try:
        yield publisher
    finally:
        publisher.close(5.0)


def message(number: int, noon: UtcTime) -> DetectionsMessage:
    return DetectionsMessage(
        v=1,
        message_id=f"m-{number}",
        device_id="cam-07",
        sector="ha-giang",
        boot_id="b1",
        seq=number,
        captured_at=noon.after(number / 10),
        sensor=SENSOR,
        detections=(),
    )


def status(noon: UtcTime) -> StatusMessage:
    return StatusMessage(
        v=1,
        message_id="s-0",
        device_id="cam-07",
        sector="ha-giang",
        captured_at=noon,
        online=True,
        sensor=SENSOR,
    )


def test_a_message_arrives_whole_and_stamped(nats_broker: str, noon: UtcTime) -> None:
    with listening(nats_broker) as listener, publishing(nats_broker) as publisher:
        sent = message(0, noon)
        publisher.publish(sent)
        listener.wait_for(lambda: "m-0" in listener.ids())
        topic, payload, _ = listener.heard[0]
        heard = decode(topic, payload)
        assert heard.sent_at is not None
        assert msgspec.structs.replace(heard, sent_at=None) == sent


def test_a_clean_end_delivers_everything_and_says_offline(nats_broker: str, noon: UtcTime) -> None:
    with listening(nats_broker) as listener:
        with publishing(nats_broker) as publisher:
            publisher.publish_status(status(noon))
            for number in range(50):
                publisher.publish(message(number, noon))
            assert publisher.close(10.0) == 0
            assert publisher.queue_depth == 0
        listener.wait_for(lambda: len(listener.statuses()) == 2)
        assert {f"m-{number}" for number in range(50)} <= listener.ids()
        assert [heard.online for heard in listener.statuses()] == [True, False]
        assert listener.statuses()[-1].captured_at is not None


def test_whoever_comes_later_hears_the_last_status(nats_broker: str, noon: UtcTime) -> None:
    with publishing(nats_broker) as publisher:
        publisher.publish_status(status(noon))
        with listening(nats_broker) as early:
            early.wait_for(lambda: bool(early.statuses()))
        with listening(nats_broker) as late:
            late.wait_for(lambda: bool(late.statuses()))
            assert late.statuses()[0].online
            assert late.heard[0][2], "retained"


def test_a_process_that_dies_is_reported_by_its_last_will(nats_broker: str, noon: UtcTime) -> None:
    with listening(nats_broker) as listener:
        publisher = MqttPublisher(
            nats_broker, sector="ha-giang", device_id="cam-07", boot_id="b1", clock=lambda: noon
        )
        publisher.publish_status(status(noon))
        listener.wait_for(lambda: bool(listener.statuses()))
        # What a kill does: the line is cut without a good-bye.
        publisher._client.socket().shutdown(socket.SHUT_RDWR)
        listener.wait_for(lambda: any(not heard.online for heard in listener.statuses()))
        will = next(heard for heard in listener.statuses() if not heard.online)
        assert will.captured_at is None
        listener.wait_for(lambda: listener.statuses()[-1].online)  # it connects again by itself
        publisher.close(5.0)


def test_a_broker_that_is_killed_and_comes_back_loses_nothing(
    tmp_path: Path, noon: UtcTime, free_port: Callable[[], int]
) -> None:
    """Messages are sent before, during and after: each arrives at least once."""
    from fusion.broker import running_broker  # noqa: PLC0415 - an edge-only install has none

    def broker() -> object:
        return running_broker(host="127.0.0.1", port=port, store_dir=tmp_path / "broker")

    port = free_port()
    url, expected = f"mqtt://127.0.0.1:{port}", {f"m-{number}" for number in range(300)}
    with ExitStack() as open_things:
        first = open_things.enter_context(ExitStack())
        running = first.enter_context(broker())
        listener = open_things.enter_context(listening(url, "fusion"))
        publisher = open_things.enter_context(publishing(url))
        for number in range(100):
            publisher.publish(message(number, noon))
        listener.wait_for(lambda: len(listener.ids()) > 10)
        running.process.kill()
        running.process.wait()
        for number in range(100, 200):
            publisher.publish(message(number, noon))
        assert publisher.queue_depth >= 100
        first.close()
        open_things.enter_context(broker())
        for number in range(200, 300):
            publisher.publish(message(number, noon))
        listener.wait_for(lambda: expected <= listener.ids())
        assert publisher.close(10.0) == 0
        first_heard = list(dict.fromkeys(found.seq for found in listener.detections()))
        assert first_heard == list(range(300)), "some twice, but in order"


def test_after_an_outage_sent_at_shows_the_queueing_and_the_order_is_kept(
    tmp_path: Path, noon: UtcTime, free_port: Callable[[], int]
) -> None:
    """`sent_at` was stamped before the queue: half a minute there looked like half a minute lost.

    Also: of the statuses of an outage only the newest is worth sending.
    """
    from fusion.broker import running_broker  # noqa: PLC0415 - an edge-only install has none

    now = [noon]
    port = free_port()
    publisher = MqttPublisher(
        f"mqtt://127.0.0.1:{port}",
        sector="ha-giang",
        device_id="cam-07",
        boot_id="b1",
        clock=lambda: now[0],
    )
    for number in range(300):
        publisher.publish(message(number, noon))
        publisher.publish_status(msgspec.structs.replace(status(noon), message_id=f"s-{number}"))
    assert publisher.queue_depth == 301
    now[0] = noon.after(60.0)
    with running_broker(host="127.0.0.1", port=port, store_dir=tmp_path / "broker") as _:
        with listening(f"mqtt://127.0.0.1:{port}", "fusion") as listener:
            listener.wait_for(lambda: len(listener.detections()) >= 300)
            assert publisher.close(10.0) == 0
            listener.wait_for(lambda: not listener.statuses()[-1].online)
        heard = listener.detections()
    assert [found.seq for found in heard] == list(range(300))
    assert {found.sent_at for found in heard} == {noon.after(60.0)}
    assert {said.message_id for said in listener.statuses() if said.online} == {"s-299"}


def test_more_messages_than_mqtt_has_numbers_wait_and_the_oldest_go_first(
    noon: UtcTime,
    free_port: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The packet id's 16 bits are no limit of the queue; memory is, and that is said once."""
    with publishing(f"mqtt://127.0.0.1:{free_port()}") as publisher:
        first = message(0, noon)
        for _ in range(70_000):
            publisher.publish(first)
        assert (publisher.queue_depth, publisher.overflowed) == (70_000, 0)
        monkeypatch.setattr("edge.publisher.MOST_WAITING", 70_000)
        for _ in range(5):
            publisher.publish(first)
        assert (publisher.queue_depth, publisher.overflowed) == (70_000, 5)
        assert publisher.close(0.1) == 70_001, "and the good-bye"
    assert caplog.text.count("the oldest are given up") == 1


def test_a_hurried_end_still_says_offline(nats_broker: str, noon: UtcTime) -> None:
    """A clean good-bye cancels the last will, so the device must say it itself."""
    with listening(nats_broker) as listener:
        publisher = MqttPublisher(
            nats_broker, sector="ha-giang", device_id="cam-07", boot_id="b1", clock=lambda: noon
        )
        publisher.publish_status(status(noon))
        listener.wait_for(lambda: bool(listener.statuses()))
        for number in range(2000):
            publisher.publish(message(number, noon))
        assert publisher.close(0.0) > 0
        listener.wait_for(lambda: not listener.statuses()[-1].online)


def test_a_broker_that_is_not_there_yet_is_waited_for(
    tmp_path: Path, noon: UtcTime, free_port: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    from fusion.broker import running_broker  # noqa: PLC0415 - an edge-only install has none

    port = free_port()
    with ExitStack() as later, publishing(f"mqtt://127.0.0.1:{port}") as publisher:
        publisher.publish(message(0, noon))
        assert publisher.queue_depth == 1
        later.enter_context(
            running_broker(host="127.0.0.1", port=port, store_dir=tmp_path / "broker")
        )
        assert publisher.close(20.0) == 0
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert all(f"mqtt://127.0.0.1:{port}" in sentence for sentence in said)
    assert len(said) <= 1, "once, not at every attempt"


def test_what_could_not_be_delivered_is_counted(
    noon: UtcTime, free_port: Callable[[], int]
) -> None:
    with publishing(f"mqtt://127.0.0.1:{free_port()}") as publisher:
        for number in range(3):
            publisher.publish(message(number, noon))
        assert publisher.close(0.2) == 4, "three messages and the good-bye"
        assert publisher.close(0.2) == 0, "closing twice is fine"


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:1883",
        "http://host",
        "mqtt://",
        "mqtt://host:0",
        "mqtt://host:99999",
        "mqtt://h/x",
    ],
)
def test_an_address_of_no_broker_is_refused_by_name(url: str) -> None:
    with pytest.raises(RefusedError, match="broker address") as refused:
        BrokerAddress.parse(url)
    assert url in str(refused.value)


@pytest.mark.parametrize("url", ["mqtt://u:s3cret@host:0", "u:s3cret@host", "mqtt://u:s3/c@h:1"])
def test_an_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(RefusedError, match="broker address") as refused:
        BrokerAddress.parse(url)
    assert "s3" not in str(refused.value)


def test_an_address_may_carry_a_user() -> None:
    address = BrokerAddress.parse("mqtt://cam%2D07:s%3Acret@broker.example")
    assert address == ("broker.example", 1883, "cam-07", "s:cret")
    assert "cret" not in str(address)


def test_a_recording_has_a_line_for_each_message(tmp_path: Path, noon: UtcTime) -> None:
    path = tmp_path / "messages.jsonl"
    publisher = FilePublisher(path)
    publisher.publish_status(status(noon))
    for number in range(3):
        publisher.publish(message(number, noon))
    assert publisher.close(0.0) == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["topic"] for line in lines] == [f"{TOPIC}/detections"] * 3
    assert [line["received_at"] for line in lines] == [
        noon.after(number / 10).rfc3339() for number in range(3)
    ]
    assert [
        decode(line["topic"], json.dumps(line["payload"]).encode()).message_id for line in lines
    ] == ["m-0", "m-1", "m-2"]


def test_a_recording_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        RefusedError, match=r"absent/messages\.jsonl cannot be written: No such file"
    ):
        FilePublisher(tmp_path / "absent" / "messages.jsonl")


def test_a_recording_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    """A slip in the device file once emptied the recording of a whole night."""
    path = tmp_path / "messages.jsonl"
    assert FilePublisher(path).close(0.0) == 0
    assert not path.exists()  # nothing came: the next try may have the name
    path.write_text("a night's work\n")
    with pytest.raises(RefusedError, match=r"messages\.jsonl cannot be written: File exists"):
        FilePublisher(path)
    assert path.read_text() == "a night's work\n"


def test_a_full_disk_ends_a_recording_with_one_sentence(noon: UtcTime) -> None:
    publisher = FilePublisher(Path("/dev/full"))
    publisher.publish(message(0, noon))
    with pytest.raises(RefusedError, match="/dev/full cannot be written: No space left on device"):
        publisher.close(0.0)


def test_the_helper_of_these_tests_would_notice_a_bad_message() -> None:
    with pytest.raises(InvalidMessageError):
        decode_as(b"{}", StatusMessage)


def test_crops_leave_after_all_frames_that_wait_and_are_stamped(
    nats_broker: str, noon: UtcTime
) -> None:
    crop = EvidenceMessage(
        v=1,
        message_id="e-0",
        evidence_id="e-0",
        device_id="cam-07",
        sector="ha-giang",
        captured_at=noon,
        sha256="0" * 64,
        jpeg=b"a picture",
    )
    with listening(nats_broker) as listener, publishing(nats_broker) as publisher:
        with publisher._changed:  # all of it waits before any of it leaves
            publisher._crops.append(crop)
            publisher._crops.append(msgspec.structs.replace(crop, message_id="e-1"))
            for number in range(30):
                publisher._waiting.append(message(number, noon))
            publisher._changed.notify_all()
        listener.wait_for(lambda: {"e-0", "e-1"} <= listener.ids())
        told = [json.loads(payload) for _, payload, _ in listener.heard]
        names = [one["message_id"] for one in told]
        assert names == [*(f"m-{number}" for number in range(30)), "e-1", "e-0"]
        assert all("sent_at" in one for one in told)
