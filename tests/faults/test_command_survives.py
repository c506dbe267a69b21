"""A step that fusion acknowledged is taken once, whatever is killed in between: kill -9."""

import json
import threading

import pytest

from edge.messages import UtcTime, encode

pytest.importorskip("fusion.store")
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from fusion.store import Store

HOME = "tuanbien/v1/test-sector"


class Map:
    """A client that films, takes steps and hears the receipts for them."""

    def __init__(self, url: str) -> None:
        self.receipts: set[str] = set()
        self.replies: list[dict] = []
        self.online = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe(
            [(f"{HOME}/maps/receipts", 1), (f"{HOME}/fusion/#", 1)]
        )
        self.client.on_message = self._on_message
        host, port = url.removeprefix("mqtt://").split(":")
        self.client.connect(host, int(port))
        self.client.loop_start()

    def _on_message(self, _client, _data, message) -> None:
        said = json.loads(message.payload)
        if message.topic.endswith("/receipts"):
            self.receipts |= set(said["message_ids"])
        elif message.topic.endswith("/replies"):
            self.replies.append(said)
        elif message.topic.endswith("/status") and said["online"]:
            self.online.set()

    def send(self, device: str, kind: str, payload: bytes) -> None:
        self.client.publish(f"{HOME}/{device}/{kind}", payload, 1).wait_for_publish(15)

    def step(self, incident_id: str, verb: str, version: int, message_id: str) -> None:
        said = {
            "v": 1,
            "message_id": message_id,
            "device_id": "maps",
            "sector": "test-sector",
            "at": UtcTime.read_clock(),
            "incident_id": incident_id,
            "verb": verb,
            "actor": "Lan",
            "role": "truc-ban",
            "expected_version": version,
        }
        self.send("maps", "commands", encode(said))

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.mark.slow
def test_a_step_survives_kill_9_and_is_taken_once(nats_broker, start_fusion, film, until) -> None:
    post, fusion = Map(nats_broker), start_fusion(nats_broker)
    try:
        assert post.online.wait(30)
        enough = threading.Event()
        threading.Timer(12.0, enough.set).start()
        film(lambda message: post.send("cam-01", "detections", encode(message)), enough)
        store = Store.open(fusion.store_url)
        until(lambda: store.incidents(9))
        incident_id = store.incidents(9)[0].incident_id
        for number in range(3):
            version = number
            verb = ("acknowledge", "assess", "dispatch")[number]
            post.step(incident_id, verb, version, f"step-{number}")
            fusion.kill()  # acknowledged by the broker at least, by fusion perhaps
            fusion.start()
            until(lambda wanted=number + 1: store.incident(incident_id).version == wanted)
            post.step(incident_id, verb, version, f"step-{number}")  # no answer was heard
            until(lambda wanted=f"step-{number}": wanted in answered(post))
        assert store.incident(incident_id).state == "dispatched"
        assert [one.version for one in store.deeds(incident_id)] == [1, 2, 3]
        store.close()
    finally:
        post.close()


def answered(post: Map) -> set[str]:
    return {one["deed"]["message_id"] for one in post.replies}
