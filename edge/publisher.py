"""Messages to a broker over MQTT, or to a file. The only file of edge that knows paho."""

import logging
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple, Self
from urllib.parse import unquote, urlsplit

import msgspec
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from edge.frames import Clock
from edge.messages import (
    DetectionsMessage,
    RefusedError,
    StatusMessage,
    Topic,
    UtcTime,
    encode,
)

DEFAULT_PORT: Final = 1883
_AT_LEAST_ONCE: Final = 1
_KEEPALIVE_S: Final = 15
_CONNECT_TIMEOUT_S: Final = 2.0
_FIRST_RETRY_S: Final = 1
_LAST_RETRY_S: Final = 4
_ON_THE_WAY: Final = 100  # messages sent and not yet acknowledged; more wait in line
_FAREWELL_S: Final = 1.0
_LOG = logging.getLogger(__name__)


class BrokerAddress(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int
    user: str | None
    password: str | None

    def __str__(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `mqtt://[user:password@]host[:port]`.

        Raises:
            RefusedError: It is something else.
        """
        try:
            parts = urlsplit(url)
            port = DEFAULT_PORT if parts.port is None else parts.port
        except ValueError as error:
            msg = f"broker address {url!r}: {error}"
            raise RefusedError(msg) from error
        if parts.scheme != "mqtt" or not parts.hostname or parts.path not in {"", "/"} or not port:
            msg = f"broker address {url!r} is not mqtt://host:port"
            raise RefusedError(msg)
        user = None if parts.username is None else unquote(parts.username)
        password = None if parts.password is None else unquote(parts.password)
        return cls(parts.hostname, port, user, password)


class MqttPublisher:
    """Hands messages to a broker, QoS 1, and keeps them in memory while there is none.

    The queue has no limit: what cannot be sent waits. Connecting and connecting again happen in
    a thread; a broker that is away at the start is waited for just as one that goes away.
    """

    def __init__(
        self, broker_url: str, *, sector: str, device_id: str, boot_id: str, clock: Clock
    ) -> None:
        """Begin to connect.

        Raises:
            RefusedError: The address is none of a broker.
        """
        self._address = BrokerAddress.parse(broker_url)
        self._clock = clock
        self._changed = threading.Condition()
        self._handed = 0
        self._acknowledged = 0
        self._away_said = False
        self._was_cut_off = False
        self._closed = False
        self._last_status: StatusMessage | None = None
        self._farewell = StatusMessage(
            v=1,
            message_id=f"{device_id}-{boot_id}-offline",
            sector=sector,
            device_id=device_id,
            boot_id=boot_id,
            online=False,
        )
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"tuanbien-{device_id}-{boot_id}",
            protocol=mqtt.MQTTv311,
        )
        self._begin()

    def _begin(self) -> None:
        client = self._client
        client.max_queued_messages_set(0)
        client.max_inflight_messages_set(_ON_THE_WAY)
        client.reconnect_delay_set(_FIRST_RETRY_S, _LAST_RETRY_S)
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.will_set(
            _topic(self._farewell), encode(self._farewell), _AT_LEAST_ONCE, retain=True
        )
        if self._address.user is not None:
            client.username_pw_set(self._address.user, self._address.password)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.connect_async(self._address.host, self._address.port, _KEEPALIVE_S)
        client.loop_start()

    @property
    def queue_depth(self) -> int:
        """How many messages the broker has not acknowledged."""
        with self._changed:
            return self._handed - self._acknowledged

    def publish(self, message: DetectionsMessage) -> None:
        """Hand over the message of one frame."""
        self._send(message, retain=False)

    def publish_status(self, message: StatusMessage) -> None:
        """Hand over how the device is; the broker keeps the last one for whoever comes later."""
        self._last_status = message
        self._send(message, retain=True)

    def close(self, timeout_s: float) -> int:
        """Say good-bye, wait for what is queued, disconnect; return how many are undelivered."""
        if self._closed:
            return 0
        self._closed = True
        deadline_s = time.monotonic() + timeout_s
        self._last_status = None
        farewell = msgspec.structs.replace(self._farewell, captured_at=self._clock())
        self._send(farewell, retain=True)
        with self._changed:
            self._changed.wait_for(
                lambda: self._handed == self._acknowledged,
                timeout=max(0.0, deadline_s - time.monotonic()),
            )
            left = self._handed - self._acknowledged
        self._client.disconnect()
        # A broker that froze would keep us waiting: its thread is left behind then.
        stopping = threading.Thread(target=self._client.loop_stop, name="mqtt stop", daemon=True)
        stopping.start()
        stopping.join(_FAREWELL_S)
        if left:
            _LOG.warning("%s: %d messages undelivered", self._address, left)
        return left

    def _send(self, message: DetectionsMessage | StatusMessage, *, retain: bool) -> None:
        stamped = msgspec.structs.replace(message, sent_at=self._clock())
        with self._changed:
            self._handed += 1
        info = self._client.publish(
            _topic(message), encode(stamped), qos=_AT_LEAST_ONCE, retain=retain
        )
        if info.rc is MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
            # MQTT numbers what is on the way with 16 bits.
            with self._changed:
                self._handed -= 1
            _LOG.error(
                "%s: 65535 messages wait; message %s lost", self._address, message.message_id
            )

    def _on_connect(
        self, _client: object, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        if reason.is_failure:
            self._say_away(str(reason))
            return
        self._away_said = False
        _LOG.info("%s: connected", self._address)
        # The broker may have told everybody our last will meanwhile.
        if self._was_cut_off and self._last_status is not None:
            self._send(self._last_status, retain=True)
        self._was_cut_off = False

    def _on_connect_fail(self, _client: object, _data: object) -> None:
        self._say_away("nobody answers there")

    def _on_disconnect(
        self, _client: object, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        self._was_cut_off = True
        if reason.is_failure:
            self._say_away("connection lost")

    def _on_publish(
        self, _client: object, _data: object, _mid: int, _reason: ReasonCode, _more: object
    ) -> None:
        with self._changed:
            self._acknowledged += 1
            self._changed.notify_all()

    def _say_away(self, reason: str) -> None:
        if not self._away_said:
            _LOG.warning("broker %s: %s; messages wait, trying again", self._address, reason)
        self._away_said = True


class FilePublisher:
    """Writes detections as a recording for `tuanbien fusion replay`.

    `received_at` is `captured_at`: what a perfect link would have given. So the same footage
    gives the same recording, whenever it was made. Status messages are left out.
    """

    queue_depth: Final = 0

    def __init__(self, path: Path) -> None:
        """Begin the file anew.

        Raises:
            RefusedError: It cannot be written.
        """
        try:
            self._file = path.open("wb")
        except OSError as error:
            msg = f"{path}: {error.strerror}"
            raise RefusedError(msg) from error

    def publish(self, message: DetectionsMessage) -> None:
        """Write the message of one frame."""
        line = RecordedMessage(
            received_at=message.captured_at, topic=_topic(message), payload=message
        )
        self._file.write(encode(line) + b"\n")

    def publish_status(self, message: StatusMessage) -> None:
        """Leave it out."""

    def close(self, timeout_s: float) -> int:  # noqa: ARG002 - a file takes what it is given
        """Finish the file; nothing is ever undelivered."""
        self._file.close()
        return 0


class RecordedMessage(msgspec.Struct, frozen=True):
    """One line of a recording."""

    received_at: UtcTime
    topic: str
    payload: DetectionsMessage


def _topic(message: DetectionsMessage | StatusMessage) -> str:
    return str(Topic(message.sector, message.device_id, message.kind))
