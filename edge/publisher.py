"""Messages to a broker over MQTT, or to a file. With `subscriber.py`, all that knows paho."""

import logging
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

import msgspec
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.address import BrokerAddress
from edge.frames import Clock
from edge.messages import (
    DetectionsMessage,
    EvidenceMessage,
    RefusedError,
    StatusMessage,
    Topic,
    UtcTime,
    encode,
)

__all__ = ["MOST_WAITING", "BrokerAddress", "FilePublisher", "MqttPublisher", "RecordedMessage"]

# Hours of pictures; at some 2 to 4 KB each in memory.
MOST_WAITING: Final = 100_000
# Of crops far fewer: they are large, and of no use to whoever decides whether there is an alert.
MOST_CROPS_WAITING: Final = 200
_AT_LEAST_ONCE: Final = 1
_KEEPALIVE_S: Final = 15
_CONNECT_TIMEOUT_S: Final = 2.0
_FIRST_RETRY_S: Final = 1
_LAST_RETRY_S: Final = 4
# Sent and not yet acknowledged. Few, because what is on the way when the line breaks is sent again
# by paho, which cannot stamp it anew.
_ON_THE_WAY: Final = 20
_FAREWELL_S: Final = 1.0
_LOG = logging.getLogger(__name__)


class MqttPublisher:
    """Hands messages to a broker, QoS 1, and keeps them in memory while there is none.

    Messages wait here, in their order, and are stamped as they leave; paho only holds the few
    that are on the way. Of statuses only the newest waits. Crops leave when nothing else waits,
    one at a time so that a slow line is free for the next frame, the newest first lest an alert of
    now has none; the oldest are given up first. Connecting and connecting again happen in paho's
    thread; a broker that is away at the start is waited for just as one that goes away.

    Locks: paho calls back with its own lock held, so nothing here calls paho while it holds
    `_changed`.
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
        self._waiting: deque[DetectionsMessage | StatusMessage] = deque()
        self._waiting_status: StatusMessage | None = None
        self._crops: deque[EvidenceMessage] = deque()
        self._on_the_way = 0
        self._overflowed = 0
        self._crops_given_up = 0
        self._crop_taken_in = 0  # acknowledgements until the broker has the crop on the way
        self._open = False  # connected, and what was on the way before is sent again
        self._finished = False
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
        self._sender = threading.Thread(target=self._send, name="mqtt send", daemon=True)
        self._begin()

    def _begin(self) -> None:
        client = self._client
        client.max_queued_messages_set(0)
        client.max_inflight_messages_set(0)  # we count ourselves
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
        self._sender.start()

    @property
    def queue_depth(self) -> int:
        """How many messages the broker has not acknowledged."""
        with self._changed:
            return self._depth()

    @property
    def overflowed(self) -> int:
        """How many of the oldest messages were given up because too many waited."""
        with self._changed:
            return self._overflowed

    @property
    def crops_waiting(self) -> int:
        """How many crops have not left."""
        with self._changed:
            return len(self._crops) + (self._crop_taken_in > 0)

    @property
    def crops_given_up(self) -> int:
        """How many crops were given up because too many waited, or the end came."""
        with self._changed:
            return self._crops_given_up

    def publish_evidence(self, message: EvidenceMessage) -> None:
        """Hand over a crop; it waits behind everything else."""
        with self._changed:
            if len(self._crops) >= MOST_CROPS_WAITING:
                self._crops.popleft()
                self._crops_given_up += 1
            self._crops.append(message)
            self._changed.notify_all()

    def publish(self, message: DetectionsMessage) -> None:
        """Hand over the message of one frame."""
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                if not self._overflowed:
                    _LOG.error(
                        "%s: %d messages wait; the oldest are given up",
                        self._address,
                        MOST_WAITING,
                    )
                self._overflowed += 1
            self._waiting.append(message)
            self._changed.notify_all()

    def publish_status(self, message: StatusMessage) -> None:
        """Hand over how the device is; the broker keeps the last one for whoever comes later."""
        with self._changed:
            self._last_status = self._waiting_status = message
            self._changed.notify_all()

    def close(self, timeout_s: float) -> int:
        """Say good-bye, wait for what is queued, disconnect; return how many are undelivered."""
        if self._closed:
            return 0
        self._closed = True
        deadline_s = time.monotonic() + timeout_s
        farewell = msgspec.structs.replace(self._farewell, captured_at=self._clock())
        with self._changed:
            self._last_status = None
            self._waiting.append(farewell)
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: not self._depth(), timeout=max(0.0, deadline_s - time.monotonic())
            )
            left = self._depth()
            self._crops_given_up += len(self._crops)
            self._finished = True
            self._changed.notify_all()
        self._sender.join()
        if left:
            # A clean end cancels the last will: without this we would seem online for ever.
            self._client.publish(_topic(farewell), encode(farewell), qos=0, retain=True)
        self._client.disconnect()
        # A broker that froze would keep us waiting: its thread is left behind then.
        stopping = threading.Thread(target=self._client.loop_stop, name="mqtt stop", daemon=True)
        stopping.start()
        stopping.join(_FAREWELL_S)
        if left:
            _LOG.warning("%s: %d messages undelivered", self._address, left)
        return left

    def _depth(self) -> int:
        return len(self._waiting) + (self._waiting_status is not None) + self._on_the_way

    def _send(self) -> None:
        """Stamp messages and give them to paho, one after the other, until closed."""
        while (message := self._next()) is not None:
            stamped = msgspec.structs.replace(message, sent_at=self._clock())
            self._client.publish(
                _topic(message),
                encode(stamped),
                qos=_AT_LEAST_ONCE,
                retain=isinstance(message, StatusMessage),
            )

    def _next(self) -> DetectionsMessage | StatusMessage | EvidenceMessage | None:
        """Wait until a message may leave; None: closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._finished or self._may_send())
            if self._finished:
                return None
            self._on_the_way += 1
            status, self._waiting_status = self._waiting_status, None
            if status is not None:
                return status
            if self._waiting:
                return self._waiting.popleft()
            self._crop_taken_in = self._on_the_way
            return self._crops.pop()

    def _may_send(self) -> bool:
        something = bool(self._waiting) or self._waiting_status is not None
        crop = bool(self._crops) and not self._crop_taken_in
        return self._open and (something or crop) and self._on_the_way < _ON_THE_WAY

    def _on_connect(
        self, _client: object, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        if reason.is_failure:
            self._say_away(str(reason))
            return
        self._away_said = False
        _LOG.info("%s: connected", self._address)
        with self._changed:
            # The broker may have told everybody our last will meanwhile.
            if self._was_cut_off and self._waiting_status is None:
                self._waiting_status = self._last_status
            # Paho sends again what was on the way, after this; the first acknowledgement says so.
            self._open = not self._on_the_way
            self._changed.notify_all()
        self._was_cut_off = False

    def _on_connect_fail(self, _client: object, _data: object) -> None:
        self._say_away("nobody answers there")

    def _on_disconnect(
        self, _client: object, _data: object, _flags: object, reason: ReasonCode, _more: object
    ) -> None:
        self._was_cut_off = True
        with self._changed:
            self._open = False
        if reason.is_failure:
            self._say_away("connection lost")

    def _on_publish(
        self, _client: object, _data: object, _mid: int, _reason: ReasonCode, _more: object
    ) -> None:
        with self._changed:
            if self._finished:
                return
            self._on_the_way -= 1
            self._crop_taken_in -= self._crop_taken_in > 0
            self._open = True
            self._changed.notify_all()

    def _say_away(self, reason: str) -> None:
        if not self._away_said:
            _LOG.warning("broker %s: %s; messages wait, trying again", self._address, reason)
        self._away_said = True


class FilePublisher:
    """Writes detections as a recording for `tuanbien fusion replay`.

    `received_at` is `captured_at`: what a perfect link would have given. So the same footage
    gives the same recording, whenever it was made. Status messages and crops are left out.
    """

    queue_depth: Final = 0
    crops_waiting: Final = 0
    crops_given_up: Final = 0
    overflowed: Final = 0

    def __init__(self, path: Path) -> None:
        """Begin the file.

        Raises:
            RefusedError: It is there already (no recording is overwritten) or cannot be written.
        """
        self._path = path
        try:
            # A pipe or a device is there already and holds nothing that could be lost.
            self._file = path.open("wb" if path.exists() and not path.is_file() else "xb")
        except OSError as error:
            raise self._refused(error) from error

    def publish(self, message: DetectionsMessage) -> None:
        """Write the message of one frame.

        Raises:
            RefusedError: It cannot be written.
        """
        line = RecordedMessage(
            received_at=message.captured_at, topic=_topic(message), payload=message
        )
        try:
            self._file.write(encode(line) + b"\n")
        except OSError as error:
            raise self._refused(error) from error

    def publish_status(self, message: StatusMessage) -> None:
        """Leave it out."""

    def close(self, timeout_s: float) -> int:  # noqa: ARG002 - a file takes what it is given
        """Finish the file; nothing is ever undelivered.

        Raises:
            RefusedError: The last lines cannot be written.
        """
        try:
            self._file.close()
            if self._path.is_file() and self._path.stat().st_size == 0:
                self._path.unlink()  # nothing came: it would only be in the next try's way
        except OSError as error:
            raise self._refused(error) from error
        return 0

    def _refused(self, error: OSError) -> RefusedError:
        return RefusedError(f"{self._path} cannot be written: {error.strerror}")


class RecordedMessage(msgspec.Struct, frozen=True):
    """One line of a recording."""

    received_at: UtcTime
    topic: str
    payload: DetectionsMessage


def _topic(message: DetectionsMessage | StatusMessage | EvidenceMessage) -> str:
    return str(Topic(message.sector, message.device_id, message.kind))
