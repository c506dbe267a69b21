"""The fusion side of MQTT: the one file of `fusion` that knows paho.

Runs in paho's own thread and connects again by itself. A message stays the broker's until we
acknowledge it, so what we have not written down comes again.
"""

import logging
import queue
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from edge.messages import FUSION, ROOT, RefusedError

DEFAULT_PORT: Final = 1883
KINDS: Final = ("detections", "status", "evidence", "position", "commands")  # from the field
_KEEPALIVE_S: Final = 15
_CONNECT_TIMEOUT_S: Final = 3.0
_RETRY_S: Final = (1, 8)  # first and longest wait before the next try
_INBOX: Final = 4096  # messages; beyond, the network waits for us
_GATHER_S: Final = 0.02
_AT_ONCE_BYTES: Final = 4 * 1024 * 1024
_FAREWELL_S: Final = 2.0
_READ_BYTES: Final = 65_536
_SEVEN_BITS: Final = 0x7F
_OURS: Final = f"/{FUSION}/status"
# The first byte of a PUBLISH: 3, dup, two bits of QoS, retain. Of these only QoS 2 is paho's.
_PUBLISH_MASK: Final = 0xF4
_PUBLISH: Final = 0x30
_PUBACK: Final = 0x40  # what paho does nothing more about once it is sent
_log = logging.getLogger(__name__)


class Delivery(NamedTuple):
    """A message from the broker, not acknowledged yet."""

    topic: str
    payload: bytes
    qos: int
    mid: int
    connection: int  # of which connection `mid` is a number
    retained: bool  # the broker had kept it: it is not from just now


def field_topics(sector_id: str) -> list[str]:
    """Return what to subscribe to for everything that a sector's devices and patrols send."""
    return [f"{ROOT}/{sector_id}/+/{kind}" for kind in KINDS]


def is_ours(topic: str) -> bool:
    """Tell fusion's own status, which comes back with what devices send."""
    return topic.endswith(_OURS)


class _Published(NamedTuple):
    """A PUBLISH as it came."""

    topic: bytes
    payload: bytes
    qos: int
    mid: int
    retained: bool


class _BufferedSocket:
    """A socket from which as much is read at once as there is: paho asks byte by byte."""

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain
        self._read = b""
        self._at = 0

    def recv(self, size: int) -> bytes:
        if self._at == len(self._read):
            self._read, self._at = self._plain.recv(_READ_BYTES), 0
        part = self._read[self._at : self._at + size]
        self._at += len(part)
        return part

    def pending(self) -> int:
        """Return how much has been read and not asked for: paho does not wait then."""
        return len(self._read) - self._at

    def published(self) -> Iterator[_Published]:
        """Take the next messages that are here whole, up to any other packet; QoS 2 is one."""
        read, size = self._read, len(self._read)
        while self._at < size and read[self._at] & _PUBLISH_MASK == _PUBLISH:
            head, at, length, shift = read[self._at], self._at + 1, 0, 0
            while at < size and read[at] > _SEVEN_BITS:
                length |= (read[at] & _SEVEN_BITS) << shift
                at, shift = at + 1, shift + 7
            if at == size:
                return
            length |= read[at] << shift
            begin = at + 3
            end = at + 1 + length
            if end > size:
                return
            body = begin + int.from_bytes(read[begin - 2 : begin], "big")
            topic, mid, qos = read[begin:body], 0, head >> 1 & 0x03
            if qos:
                mid = int.from_bytes(read[body : body + 2], "big")
                body += 2
            if body > end:
                return  # none that can be: paho says so
            self._at = end
            yield _Published(topic, read[body:end], qos, mid, bool(head & 1))

    def send(self, content: bytes) -> int:
        return self._plain.send(content)

    def close(self) -> None:
        self._plain.close()

    def fileno(self) -> int:
        return self._plain.fileno()

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - a socket's own
        self._plain.setblocking(flag)


class _Client(paho.Client):
    """Paho, with fewer system calls, and less work for each message that comes."""

    on_published: Callable[[Iterable[_Published]], None]
    _read_s = 0.0  # when it was read last

    def _create_socket(self) -> Any:  # noqa: ANN401 - what paho takes for a socket
        return _BufferedSocket(super()._create_socket())  # type: ignore[arg-type]

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Take every packet that was read, before anything is waited for.

        While packets come one upon the other they are let come together: to wait for each by
        itself costs more than to read it.
        """
        if time.monotonic() - self._read_s < _GATHER_S:
            time.sleep(_GATHER_S)
        self._read_s = time.monotonic()
        result = super().loop_read(max_packets)
        while (
            result == MQTTErrorCode.MQTT_ERR_SUCCESS
            and isinstance(self._sock, _BufferedSocket)
            and self._sock.pending()
        ):
            if self._in_packet["command"] == 0:  # paho is in the midst of none
                self.on_published(self._sock.published())
                if not self._sock.pending():
                    break
            result = super().loop_read(max_packets)
        return result

    def send_packets(self, packets: bytes) -> None:
        """Send whole packets, in one go; they are gone if the connection breaks."""
        if self.is_connected():
            self._packet_queue(_PUBACK, packets, 0, 0)


class Link:
    """A connection to a broker, kept up: subscriptions in, messages out."""

    def __init__(
        self,
        broker_url: str,
        *,
        topics: Sequence[str],
        session: str | None,
        will: tuple[str, bytes] | None = None,
    ) -> None:
        """Prepare; nothing is connected before `start`.

        Args:
            broker_url: `mqtt://[user:password@]host[:port]`.
            topics: What to subscribe to, QoS 1.
            session: Under this name the broker keeps what comes while we are away; None to be
                told only what comes while we are there.
            will: Topic and payload that the broker tells everybody (retained) when we vanish.

        Raises:
            RefusedError: The address is something else.
        """
        self._topics = [(topic, 1) for topic in topics]
        self._inbox: deque[Delivery] = deque()
        self._inbox_changed = threading.Condition()
        self._acknowledged: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._connection = 0
        self._held: set[int] = set()  # numbers of this connection's unacknowledged messages
        self._away_said = False
        host, port, user, password = _parse(broker_url)
        self.address = f"mqtt://{host}:{port}"  # for people: without the password
        self._client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=session or "",
            clean_session=session is None,
            protocol=paho.MQTTv311,
            manual_ack=True,
        )
        if user is not None:
            self._client.username_pw_set(user, password)
        if will is not None:
            self._client.will_set(*will, qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_published = self._on_published
        self._client.on_publish = self._on_publish
        self._client.reconnect_delay_set(*_RETRY_S)
        self._client.connect_timeout = _CONNECT_TIMEOUT_S
        self._client.connect_async(host, port, _KEEPALIVE_S)

    @property
    def connected(self) -> bool:
        """Whether the broker is there now."""
        return self._client.is_connected()

    def start(self) -> None:
        """Connect in the background, and again whenever the connection breaks."""
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect and end the thread."""
        self._closing.set()
        self._client.disconnect()
        self._client.loop_stop()
        # Its own pair of sockets paho closes only once it is collected, which may be never.
        self._client._reset_sockets(sockpair_only=True)  # noqa: SLF001 - there is no other way

    def receive(self, *, at_most: int, within_s: float) -> list[Delivery]:
        """Wait for a message; return it and what else has come, in that order.

        Of large ones fewer than `at_most`: some megabytes in all.
        """
        deliveries: list[Delivery] = []
        size = 0
        with self._inbox_changed:
            self._inbox_changed.wait_for(lambda: self._inbox, within_s)
            while self._inbox and len(deliveries) < at_most and size < _AT_ONCE_BYTES:
                deliveries.append(self._inbox.popleft())
                size += len(deliveries[-1].payload)
            self._inbox_changed.notify_all()
        return deliveries

    def acknowledge(self, delivery: Delivery) -> None:
        """Tell the broker that a message is ours now.

        One from a connection that broke since then is left out: the broker sends it again, and
        its number may by now be another message's.
        """
        if delivery.qos > 0 and delivery.connection == self._connection:
            self._held.discard(delivery.mid)  # first: the broker may give the number away at once
            self._client.ack(delivery.mid, delivery.qos)

    def acknowledge_all(self, deliveries: Iterable[Delivery]) -> None:
        """Tell the broker at once that these messages are ours now."""
        packets = []
        for delivery in deliveries:
            if delivery.qos == 1 and delivery.connection == self._connection:
                self._held.discard(delivery.mid)
                packets.append(b"\x40\x02" + delivery.mid.to_bytes(2, "big"))
            else:
                self.acknowledge(delivery)
        if packets:
            self._client.send_packets(b"".join(packets))

    def publish_all(self, topic: str, payloads: Iterable[bytes]) -> None:
        """Send messages with QoS 0; they are lost while the broker is away."""
        name = topic.encode()
        head = len(name).to_bytes(2, "big") + name
        packets = (
            b"\x30" + _length(len(head) + len(payload)) + head + payload for payload in payloads
        )
        if together := b"".join(packets):
            self._client.send_packets(together)

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> int | None:
        """Send a message; return its number, which `taken` tells one day, or None: not sent.

        With QoS 1 it waits in memory while the broker is away; with QoS 0 it is lost then.
        """
        info = self._client.publish(topic, payload, qos, retain)
        waits = qos > 0 and info.rc == MQTTErrorCode.MQTT_ERR_NO_CONN
        return info.mid if waits or info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    def publish_last(self, topic: str, payload: bytes) -> None:
        """Send a retained message and wait a little until the broker has it."""
        info = self._client.publish(topic, payload, 1, retain=True)
        if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            info.wait_for_publish(_FAREWELL_S)

    def taken(self) -> set[int]:
        """Return the numbers of the messages that the broker has taken since the last call."""
        numbers: set[int] = set()
        try:
            while True:
                numbers.add(self._acknowledged.get_nowait())
        except queue.Empty:
            return numbers

    # -- called by paho's thread -------------------------------------------------------------

    def _on_connect(
        self,
        client: paho.Client,
        _data: object,
        _flags: object,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        self._connection += 1
        self._held.clear()
        if reason.is_failure:
            self._say_away(str(reason))
            return
        self._away_said = False
        _log.info("connected to broker %s", self.address)
        client.subscribe(self._topics)

    def _on_connect_fail(self, _client: object, _data: object) -> None:
        self._say_away("nobody answers there")

    def _on_disconnect(
        self,
        _client: object,
        _data: object,
        _flags: object,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        if reason.is_failure:
            self._say_away(str(reason))

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic.encode()
        except UnicodeDecodeError:
            topic = b""
        payload = bytes(message.payload)
        one = _Published(topic, payload, message.qos, message.mid, message.retain)
        self._on_published((one,))

    def _on_published(self, messages: Iterable[_Published]) -> None:
        deliveries = []
        for topic, payload, qos, mid, retained in messages:
            if qos > 0:
                if mid in self._held:
                    continue  # the broker grew impatient: we have it and are at it
                self._held.add(mid)
            try:
                name = topic.decode()
            except UnicodeDecodeError:
                name = ""  # refused as none of ours; an exception here would end paho's thread
            deliveries.append(Delivery(name, payload, qos, mid, self._connection, retained))
        with self._inbox_changed:
            while len(self._inbox) >= _INBOX and not self._closing.is_set():
                self._inbox_changed.wait(0.5)
            self._inbox.extend(deliveries)
            self._inbox_changed.notify_all()

    def _on_publish(
        self, _client: object, _data: object, mid: int, _reason: object, _properties: object
    ) -> None:
        self._acknowledged.put(mid)

    def _say_away(self, why: str) -> None:
        if not self._away_said:
            _log.warning("broker %s cannot be reached (%s); trying on", self.address, why)
        self._away_said = True


def _length(number: int) -> bytes:
    """Write a length as MQTT does: seven bits a byte, the lowest first."""
    written = bytearray()
    while number > _SEVEN_BITS:
        written.append(number & _SEVEN_BITS | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _parse(broker_url: str) -> tuple[str, int, str | None, str | None]:
    """Return host, port, user and password."""
    try:
        parts = urlsplit(broker_url)
        port = DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:
        port = 0
    if not port or parts.scheme != "mqtt" or not parts.hostname or parts.path not in {"", "/"}:
        shown = broker_url.rpartition("@")[2]  # no password on the screen
        msg = f"the broker's address {shown!r} is not mqtt://host[:port]"
        raise RefusedError(msg)
    user = None if parts.username is None else unquote(parts.username)
    password = None if parts.password is None else unquote(parts.password)
    return parts.hostname, port, user, password
