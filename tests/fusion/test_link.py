"""The link to the broker: messages come whole and in order, however the network cuts them up."""

import socket
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("paho.mqtt")
from fusion.link import Link, _BufferedSocket

PINGRESP = b"\xd0\x00"


class Sent(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    retained: bool

    def packet(self, mid: int) -> bytes:
        name = self.topic.encode()
        number = mid.to_bytes(2, "big") if self.qos else b""
        body = len(name).to_bytes(2, "big") + name + number + self.payload
        length, left = bytearray(), len(body)
        while left >= 128:
            length.append(left % 128 + 128)
            left //= 128
        length.append(left)
        return bytes([0x30 | self.qos << 1 | self.retained]) + bytes(length) + body


SENT = st.builds(
    Sent,
    topic=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40),
    payload=st.one_of(st.binary(max_size=50), st.binary(min_size=100, max_size=17_000)),
    qos=st.sampled_from((0, 1)),
    retained=st.booleans(),
)


class Pieces:
    """A socket on which a stream comes in pieces."""

    def __init__(self, stream: bytes, cuts: set[int]) -> None:
        places = [0, *sorted(cut for cut in cuts if 0 < cut < len(stream)), len(stream)]
        self._pieces = [stream[begin:end] for begin, end in pairwise(places)]

    def recv(self, _size: int) -> bytes:
        if not self._pieces:
            raise BlockingIOError
        return self._pieces.pop(0)

    @property
    def is_empty(self) -> bool:
        return not self._pieces


@given(
    sent=st.lists(SENT, min_size=1, max_size=12),
    pings=st.sets(st.integers(0, 12)),
    cuts=st.sets(st.integers(1, 4000), max_size=40),
)
def test_messages_come_whole_and_in_order_however_the_stream_is_cut(sent, pings, cuts) -> None:
    stream = b""
    for number, one in enumerate(sent):
        stream += (PINGRESP if number in pings else b"") + one.packet(number + 1)
    pieces = Pieces(stream, cuts)
    link = Link("mqtt://127.0.0.1:1", topics=[], session=None)  # never started
    link._client._sock = _BufferedSocket(pieces)
    while not pieces.is_empty:
        assert link._client.loop_read() == 0
    came = link.receive(at_most=99, within_s=0.0)
    assert [(one.topic, one.payload, one.qos, one.retained) for one in came] == [
        (one.topic, one.payload, one.qos, one.retained) for one in sent
    ]
    assert [one.mid for one in came] == [
        number + 1 if one.qos else 0 for number, one in enumerate(sent)
    ]
    link._client._sock = None


def test_what_the_broker_sends_again_while_we_are_at_it_comes_once() -> None:
    again = Sent("t", b"{}", 1, retained=False).packet(7)
    pieces = Pieces(again * 3, set())
    link = Link("mqtt://127.0.0.1:1", topics=[], session=None)
    link._client._sock = _BufferedSocket(pieces)
    link._client.loop_read()
    assert len(link.receive(at_most=9, within_s=0.0)) == 1
    link._client._sock = None


def test_a_topic_that_is_no_text_does_not_end_the_link() -> None:
    """It is refused further on, with its reason."""
    ours, theirs = socket.socketpair()
    link = Link("mqtt://127.0.0.1:1", topics=[], session=None)
    link._client._sock = _BufferedSocket(ours)
    for packet in (b"\x30\x05\x00\x02\xff\xfe!", Sent("t", b"{}", 0, retained=False).packet(0)):
        theirs.sendall(packet * 2)  # the first of what was read is paho's to take, the next ours
        assert link._client.loop_read() == 0
    came = link.receive(at_most=9, within_s=0.0)
    assert [one.topic for one in came] == ["", "", "t", "t"]
    link._client._sock = None
    ours.close()
    theirs.close()
