"""Hears topics of an MQTT broker. With `publisher.py`, all of edge that knows paho."""

import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.address import BrokerAddress
from edge.frames import Clock
from edge.messages import UtcTime

# Minutes of metadata; more than that behind, the oldest are of no use to anybody.
MOST_WAITING: Final = 10_000
MOST_WAITING_BYTES: Final = 64 * 1024 * 1024
_AT_LEAST_ONCE: Final = 1
_KEEPALIVE_S: Final = 15
_CONNECT_TIMEOUT_S: Final = 2.0
_FIRST_RETRY_S: Final = 1
_LAST_RETRY_S: Final = 4
_FAREWELL_S: Final = 1.0
_LOG = logging.getLogger(__name__)


class Heard(NamedTuple):
    """One message as it came."""

    topic: str
    payload: bytes
    received_at: UtcTime


class MqttSubscriber:
    """Gives what is said under some topics, oldest first, until it is closed.

    Connecting and connecting again happen in paho's thread; a broker that is away is waited for.
    What is said meanwhile is not heard.
    """

    def __init__(
        self, broker_url: str, topics: Sequence[str], *, client_id: str, clock: Clock
    ) -> None:
        """Begin to connect.

        Raises:
            RefusedError: The address is none of a broker.
        """
        self.overflowed = 0  # the oldest, given up because nobody took them
        self._address = BrokerAddress.parse(broker_url)
        self._topics = topics
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[Heard] = deque()
        self._waiting_bytes = 0
        self._closed = False
        self._away_said = False
        self._listening = threading.Event()
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv311
        )
        client.reconnect_delay_set(_FIRST_RETRY_S, _LAST_RETRY_S)
        client.connect_timeout = _CONNECT_TIMEOUT_S
        if self._address.user is not None:
            client.username_pw_set(self._address.user, self._address.password)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.connect_async(self._address.host, self._address.port, _KEEPALIVE_S)
        client.loop_start()
        self._client = client

    def __iter__(self) -> Iterator[Heard]:
        """Yield what is heard, each once."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                heard = self._waiting.popleft()
                self._waiting_bytes -= len(heard.payload)
            yield heard

    def wait_until_listening(self, timeout_s: float) -> bool:
        """Wait until the broker has taken note of the topics; tell whether it has."""
        return self._listening.wait(timeout_s)

    def close(self) -> None:
        """Stop listening and end the iteration, from any thread; closing twice is fine."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        self._client.disconnect()
        # A broker that froze would keep us waiting: its thread is left behind then.
        stopping = threading.Thread(target=self._client.loop_stop, name="mqtt stop", daemon=True)
        stopping.start()
        stopping.join(_FAREWELL_S)

    def _on_connect(
        self, client: mqtt.Client, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        if reason.is_failure:
            self._say_away(str(reason))
            return
        self._away_said = False
        client.subscribe([(topic, _AT_LEAST_ONCE) for topic in self._topics])

    def _on_subscribe(
        self, _client: object, _data: object, _mid: int, reasons: list[ReasonCode], _more: object
    ) -> None:
        for topic, reason in zip(self._topics, reasons, strict=False):
            if reason.is_failure:
                _LOG.error("broker %s does not let us hear %s: %s", self._address, topic, reason)
            else:
                _LOG.info("%s: listening to %s", self._address, topic)
        self._listening.set()

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # no topic of ours: those match bytes that we wrote
        heard = Heard(topic, bytes(message.payload), self._clock())
        with self._changed:
            self._waiting.append(heard)
            self._waiting_bytes += len(heard.payload)
            while len(self._waiting) > MOST_WAITING or self._waiting_bytes > MOST_WAITING_BYTES:
                self._waiting_bytes -= len(self._waiting.popleft().payload)
                self.overflowed += 1
            self._changed.notify_all()

    def _on_connect_fail(self, _client: object, _data: object) -> None:
        self._say_away("nobody answers there")

    def _on_disconnect(
        self, _client: object, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        if reason.is_failure:
            self._say_away("connection lost")

    def _say_away(self, reason: str) -> None:
        if not self._away_said:
            _LOG.warning("broker %s: %s; trying again", self._address, reason)
        self._away_said = True
