"""A message of our own passes through the whole chain, or people are told that none does."""

import json
import threading
from collections.abc import Iterator

import pytest

from edge.messages import (
    AlertKind,
    DetectionsMessage,
    InvalidMessageError,
    Severity,
    UtcTime,
    decode,
    encode,
)

pytest.importorskip("fusion.ingest")
from fusion import canary as canary_module
from fusion.canary import Canary, ended
from fusion.ingest import serve
from fusion.replay import replay
from fusion.sector import load_sector
from fusion.store import Store

NOON = UtcTime.parse("2026-03-14T12:00:00Z")
TOPIC = "tuanbien/v1/test-sector/canary/detections"


class Wire:
    """A link that is there or not, and keeps what it is given."""

    def __init__(self) -> None:
        self.connected = True
        self.sent: list[tuple[str, bytes]] = []

    def publish(self, topic: str, payload: bytes, *, qos: int) -> int:
        assert qos == 1
        self.sent.append((topic, payload))
        return len(self.sent)


class Cage:
    """A canary whose clocks are the test's."""

    def __init__(self, sector_file, incidents=()) -> None:
        self.now_s = 0.0
        self.wire = Wire()
        self.canary = Canary(load_sector(sector_file), self.wire, lambda: NOON.after(self.now_s))
        self.canary.begin(0.0, incidents)

    def pass_to(self, now_s: float) -> None:
        while self.now_s < now_s:
            self.now_s += 1.0
            self.canary.fly(self.now_s)

    def messages(self) -> list[DetectionsMessage]:
        return [decode(topic, payload) for topic, payload in self.wire.sent]

    def comes_through(self) -> None:
        self.canary.came(self.messages()[-1:])
        self.canary.stored(self.now_s)


@pytest.fixture
def cage(sector_file) -> Cage:
    return Cage(sector_file)


def test_one_flies_every_minute_and_is_one_of_ours(cage) -> None:
    cage.pass_to(185)
    found = cage.messages()
    assert [one.captured_at.seconds_since(NOON) for one in found] == [60.0, 120.0, 180.0]
    assert len({one.message_id for one in found}) == 3
    assert all(one.simulated and one.detections == () for one in found)
    assert {topic for topic, _ in cage.wire.sent} == {TOPIC}


def test_none_waits_for_a_broker_that_is_away(cage) -> None:
    cage.wire.connected = False
    cage.pass_to(400)
    assert cage.wire.sent == []
    cage.wire.connected = True
    cage.pass_to(402)
    assert len(cage.wire.sent) == 1


def test_its_way_is_timed_from_the_broker_to_the_store(cage) -> None:
    cage.pass_to(60)
    (one,) = cage.messages()
    cage.pass_to(63)
    cage.canary.came([one])
    assert cage.canary.last is None  # the engine has it, the store does not
    cage.canary.stored(63.5)
    assert cage.canary.last == (NOON.after(60), 3.5)


def test_somebody_elses_canary_is_none_of_ours(cage) -> None:
    cage.pass_to(60)
    (one,) = cage.messages()
    cage.canary.came([decode(TOPIC, encode({**json.loads(encode(one)), "message_id": "x"}))])
    cage.canary.stored(61.0)
    assert cage.canary.last is None


def test_three_minutes_without_one_are_told_once_and_are_over_when_one_comes(cage) -> None:
    cage.pass_to(60)
    cage.comes_through()
    cage.pass_to(239)
    assert cage.canary.missed(239.0) is None
    incident = cage.canary.missed(240.0)
    assert incident.opened_at == NOON.after(60)
    assert cage.canary.missed(500.0) is None
    alert = cage.canary.alert(incident, NOON.after(240))
    assert (alert.kind, alert.severity) == (AlertKind.DEVICE, Severity.HIGH)
    assert alert.alert_id in incident.alert_ids
    assert [one.code for one in alert.reasons] == ["chain_broken"]
    assert cage.canary.back() is None
    cage.comes_through()
    assert ended(cage.canary.back(), NOON.after(241)).ended_at == NOON.after(241)
    assert cage.canary.back() is None


def test_what_an_earlier_life_told_is_not_told_again(cage, sector_file) -> None:
    incident = cage.canary.missed(180.0)
    again = Cage(sector_file, [incident])
    again.pass_to(400)
    assert again.canary.missed(400.0) is None
    again.comes_through()
    assert again.canary.back() == incident


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("detections", {"detections": [{
            "label": "person", "confidence": 0.9, "bbox": [0.4, 0.4, 0.5, 0.6],
            "lat": 1.2, "lon": -12.3, "cov_m2": [1.0, 0.0, 1.0],
        }]}),
        ("position", {"unit_id": "canary", "lat": 1.2, "lon": -12.3, "accuracy_m": 5.0}),
        ("status", {"online": True}),
    ],
)  # fmt: skip
def test_nobody_makes_a_track_or_a_patrol_under_its_name(cage, kind, changed) -> None:
    cage.pass_to(60)
    said = json.loads(cage.wire.sent[0][1]) | changed
    with pytest.raises(InvalidMessageError, match="canary"):
        decode(TOPIC.replace("detections", kind), json.dumps(said).encode())


def test_a_replay_with_canaries_tells_the_same_as_one_without(
    cage, sector_file, walk, tmp_path
) -> None:
    def lines(*, with_canary: bool) -> Iterator[bytes]:
        cage.pass_to(600)
        said = [*walk(begin=NOON.after(50)), *(cage.messages() if with_canary else ())]
        for one in sorted(said, key=lambda one: one.captured_at):
            topic = f"tuanbien/v1/test-sector/{one.device_id}/detections"
            line = {"received_at": one.captured_at, "topic": topic, "payload": one}
            yield encode(line)

    sector = load_sector(sector_file)
    bare = replay(sector, lines(with_canary=False), tmp_path / "bare")
    full = replay(sector, lines(with_canary=True), tmp_path / "full")
    assert full["messages"] == bare["messages"] + 10
    assert full["alerts"] == bare["alerts"] == 1
    for name in ("alerts.jsonl", "incidents.jsonl", "tracks.jsonl"):
        assert (tmp_path / "full" / name).read_text() == (tmp_path / "bare" / name).read_text()


def test_it_flies_through_a_running_service(
    any_broker, sector_file, tmp_path, listen, recording, monkeypatch
) -> None:
    monkeypatch.setattr(canary_module, "EVERY_S", 0.2)
    monkeypatch.setattr(canary_module, "MISSED_S", 3.0)
    stop, url = threading.Event(), f"sqlite:///{tmp_path}/store.db"
    monkeypatch.setattr("fusion.service.STATUS_S", 0.2)
    thread = threading.Thread(
        target=lambda: serve(
            load_sector(sector_file),
            broker_url=any_broker.url,
            store_url=url,
            journal_dir=tmp_path / "journal",
            clock=UtcTime.read_clock,
            stop=stop,
        )
    )
    listener = listen(any_broker.url, "tuanbien/v1/test-sector/fusion/#")
    thread.start()
    try:
        listener.wait_for(lambda one: any("canary_s" in said for said in one.on("status")))
        passed = next(said for said in listener.on("status") if "canary_s" in said)
        assert 0.0 <= passed["canary_s"] < 5.0
        assert any("/canary/" in one["topic"] for one in recording(tmp_path / "journal"))
        assert listener.on("tracks") == listener.on("alerts") == []
        any_broker.kill()
        store, pause = Store.open(url), threading.Event()
        for _ in range(200):
            if store.alerts(1):
                break
            pause.wait(0.1)
        (alert,) = store.alerts(9)
        assert alert.devices == ("canary",)
        any_broker.start()
        for _ in range(300):
            if store.incidents(1)[0].ended_at:
                break
            pause.wait(0.1)
        assert store.incidents(1)[0].ended_at
        store.close()
    finally:
        stop.set()
        thread.join(15)
    assert not thread.is_alive()
