"""The door: what comes is on disk and has its time, whether the engine is busy or not."""

import json
import threading
from collections.abc import Iterator

import pytest

from edge.messages import DetectionsMessage, UtcTime, encode

pytest.importorskip("fusion.ingest")
from fusion import reception as door
from fusion.announcer import Receipts
from fusion.journal import Journal
from fusion.link import Link, _Published
from fusion.reception import Reception

BEGAN_AT = UtcTime.parse("2026-03-14T17:00:00Z")


class Post:
    """A reception whose link is never started; a test is the clock and the broker."""

    def __init__(self, folder) -> None:
        self.now = BEGAN_AT
        self.link = Link("mqtt://127.0.0.1:1", topics=[], session=None)
        self.journal = Journal.open(folder, sector="test-sector")
        self.reception = Reception(
            link=self.link,
            journal=self.journal,
            receipts=Receipts("test-sector", self.link),
            clock=lambda: self.now,
        )

    def comes(self, *messages: DetectionsMessage) -> None:
        published = []
        for message in messages:
            topic = f"tuanbien/v1/test-sector/{message.device_id}/detections"
            published.append(_Published(topic.encode(), encode(message), 0, 0, retained=False))
        self.link._on_published(published)

    def until_written(self, lines: int) -> None:
        pause = threading.Event()
        for _ in range(500):
            file = self.journal.end
            if file is not None and self.journal_lines() >= lines:
                return
            pause.wait(0.02)
        pytest.fail(f"{lines} lines were not written")

    def journal_lines(self) -> int:
        return sum(1 for _ in self.journal.read())


@pytest.fixture
def post(tmp_path) -> Iterator[Post]:
    post = Post(tmp_path / "journal")
    yield post
    post.reception.stop()
    post.journal.close()


def test_what_waits_for_a_busy_engine_has_the_time_at_which_it_came(post, walk) -> None:
    """It used to get the time at which there was time for it: all of it late, and run again."""
    first, second = walk(begin=BEGAN_AT)[:2]
    post.reception.start()
    post.comes(first)
    post.until_written(1)
    post.now = BEGAN_AT.after(60.0)
    post.comes(second)
    post.until_written(2)
    post.now = BEGAN_AT.after(120.0)
    assert post.reception.quiet_at() is None
    times = []
    for _ in range(2):
        batch = post.reception.next_batch(within_s=10.0)
        times += [one.recorded.received_at for one in batch.accepted]
    assert times == [BEGAN_AT, BEGAN_AT.after(60.0)]
    assert post.reception.quiet_at() == post.now
    assert batch.position == post.journal.end


def test_while_too_much_waits_the_broker_keeps_what_comes(post, walk, monkeypatch) -> None:
    monkeypatch.setattr(door, "_WAITING_BYTES", 1)
    first, second = walk(begin=BEGAN_AT)[:2]
    post.reception.start()
    post.comes(first)
    post.until_written(1)
    post.comes(second)
    assert post.reception.next_batch(within_s=10.0).accepted[0].message == first
    assert post.reception.next_batch(within_s=10.0).accepted[0].message == second


def test_a_fault_at_the_door_is_the_services(post, walk, monkeypatch) -> None:
    def broken(_self, _messages) -> None:
        msg = "no such thing"
        raise ValueError(msg)

    monkeypatch.setattr(Journal, "append", broken)
    post.reception.start()
    post.comes(walk(begin=BEGAN_AT)[0])
    with pytest.raises(ValueError, match="no such thing"):
        post.reception.next_batch(within_s=10.0)


def test_receipts_are_gathered_and_no_message_of_them_is_large(post, walk, monkeypatch) -> None:
    sent = []
    monkeypatch.setattr(
        Link, "publish", lambda _self, topic, payload, **_: sent.append((topic, payload))
    )
    messages = [
        message
        for number in range(40)
        for message in walk(begin=BEGAN_AT, name=f"{number}-" + "x" * 100, device="cam-01")[:30]
    ]
    messages += walk(begin=BEGAN_AT, device="cam-02")[:1]
    receipts = Receipts("test-sector", post.link)
    receipts.add(messages)
    receipts.send_due()
    assert sent == []  # not yet
    receipts.send()
    assert {topic for topic, _ in sent} == {
        f"tuanbien/v1/test-sector/{name}/receipts" for name in ("cam-01", "cam-02")
    }
    assert max(len(payload) for _, payload in sent) < 128 * 1024
    told = [name for _, payload in sent for name in json.loads(payload)["message_ids"]]
    assert told == [message.message_id for message in messages]
    receipts.send()
    assert len(told) == sum(len(json.loads(payload)["message_ids"]) for _, payload in sent)
