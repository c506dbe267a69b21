"""The maps side of MQTT: the one file of `maps` that knows paho.

Runs in paho's own thread, reconnects by itself, and hands every message on as bytes.
"""

import logging
import secrets
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote, urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from edge.messages import ROOT, RefusedError

log = logging.getLogger(__name__)

DEFAULT_PORT: Final = 1883
KEEPALIVE_S: Final = 10
CONNECT_WITHIN_S: Final = 2.0
RETRY_S: Final = (1, 5)  # first and longest wait before the next try

OnMessage = Callable[[str, bytes, bool], None]  # topic, payload, retained; from paho's thread


class Subscriber:
    """A subscription to what a map of one sector needs."""

    def __init__(self, broker_url: str, sector_id: str, on_message: OnMessage) -> None:
        """Prepare; nothing is connected before `start`.

        Raises:
            RefusedError: The address is not `mqtt://host[:port]`.
        """
        self._topics = [
            (f"{ROOT}/{sector_id}/fusion/#", 1),
            (f"{ROOT}/{sector_id}/+/status", 1),
            (f"{ROOT}/{sector_id}/+/position", 1),
        ]
        self._on_message = on_message
        self.address = ""  # for people: without the password
        self._away_said = False
        self._client = self._prepare(broker_url)

    @property
    def connected(self) -> bool:
        """Whether the broker is there now."""
        return self._client.is_connected()

    def start(self) -> None:
        """Connect in the background, and again whenever the connection breaks."""
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect and end the thread."""
        self._client.disconnect()
        self._client.loop_stop()
        # Its own pair of sockets paho closes only once it is collected, which may be never.
        self._client._reset_sockets(sockpair_only=True)  # noqa: SLF001 - there is no other way

    def send(self, topic: str, payload: bytes) -> bool:
        """Send a message, QoS 1; False: the broker is away, and nothing will be sent."""
        if not self.connected:
            return False
        return self._client.publish(topic, payload, qos=1).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def _prepare(self, broker_url: str) -> paho.Client:
        address = urlsplit(broker_url)
        try:
            port = address.port or DEFAULT_PORT
        except ValueError:
            port = 0
        if address.scheme != "mqtt" or not address.hostname or not port:
            shown = broker_url.rpartition("@")[2]  # never a password
            msg = f"broker address {shown!r} is not mqtt://host[:port]"
            raise RefusedError(msg)
        self.address = f"mqtt://{address.hostname}:{port}"
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"tuanbien-maps-{secrets.token_hex(6)}",  # any number of maps side by side
        )
        if address.username:
            password = unquote(address.password) if address.password else None
            client.username_pw_set(unquote(address.username), password)
        client.on_connect = self._connected
        client.on_connect_fail = self._unreachable
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        client.reconnect_delay_set(*RETRY_S)
        client.connect_timeout = CONNECT_WITHIN_S
        client.connect_async(address.hostname, port, keepalive=KEEPALIVE_S)
        return client

    def _connected(
        self,
        client: paho.Client,
        _data: object,
        _flags: object,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        if reason.is_failure:
            log.warning("broker %s refuses us: %s", self.address, reason)
            return
        self._away_said = False
        log.info("connected to broker %s", self.address)
        client.subscribe(self._topics)

    def _unreachable(self, _client: object, _data: object) -> None:
        if not self._away_said:
            log.warning("broker %s: nobody answers there; trying on", self.address)
        self._away_said = True

    def _disconnected(
        self,
        _client: paho.Client,
        _data: object,
        _flags: object,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        if reason.is_failure:
            log.warning("broker %s is gone: %s", self.address, reason)

    def _received(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # no topic of ours; an exception here would end paho's thread
        self._on_message(topic, bytes(message.payload), bool(message.retain))
