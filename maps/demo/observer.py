"""Watches the chain from outside, as any other program could: over MQTT and the page's own API."""

import json
import queue
import secrets
import threading
from typing import Any, Final, NamedTuple, Self

import httpx
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge.frames import Clock
from edge.messages import ROOT, UtcTime
from edge.publisher import BrokerAddress

_REQUEST_TIMEOUT_S: Final = 10.0
_SILENCE_S: Final = 15.0  # the stream beats every 5 s
_RETRY_S: Final = 0.5


class Heard(NamedTuple):
    """Something that reached us.

    Attributes:
        at: World time of its arrival.
        topic: The MQTT topic, or `stream/{event}` for an event of the page's stream.
        payload: As it came.
    """

    at: UtcTime
    topic: str
    payload: bytes


class Observer:
    """Listens to the broker and to the page's stream while the block lasts."""

    def __init__(self, *, broker_url: str, sector: str, page_url: str, clock: Clock) -> None:
        self._address = BrokerAddress.parse(broker_url)
        self._page_url = page_url
        self._clock = clock
        self._heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"tuanbien-demo-{secrets.token_hex(4)}"
        )
        self._topics = f"{ROOT}/{sector}/#"
        self._stream = threading.Thread(target=self._follow, name="stream", daemon=True)

    def __enter__(self) -> Self:
        client = self._client
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.connect_async(self._address.host, self._address.port)
        client.loop_start()
        self._stream.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._client.disconnect()
        self._client.loop_stop()

    def next(self, *, within_s: float) -> Heard | None:
        """Return what came next, or None when nothing did in this time."""
        try:
            return self._heard.get(timeout=max(within_s, 0.0))
        except queue.Empty:
            return None

    def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """Return what the page's API answers, or None when it does not."""
        try:
            answer = httpx.get(self._page_url + path, timeout=_REQUEST_TIMEOUT_S)
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, json.JSONDecodeError):
            return None

    def _on_connect(
        self, client: mqtt.Client, _data: object, _flags: object, _reason: object, _more: object
    ) -> None:
        client.subscribe(self._topics, qos=1)

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        self._heard.put(Heard(self._clock(), message.topic, bytes(message.payload)))

    def _follow(self) -> None:
        """Follow the stream; it may come later than we do, and may break."""
        while not self._stop.is_set():
            try:
                self._follow_once()
            except httpx.HTTPError:
                self._stop.wait(_RETRY_S)

    def _follow_once(self) -> None:
        address = f"{self._page_url}/api/v1/stream"
        event = ""
        with httpx.stream("GET", address, timeout=_SILENCE_S) as answer:
            answer.raise_for_status()
            for line in answer.iter_lines():
                if self._stop.is_set():
                    return
                field, _, value = line.partition(": ")
                if field == "event":
                    event = value
                elif field == "data":
                    self._heard.put(Heard(self._clock(), f"stream/{event}", value.encode()))
