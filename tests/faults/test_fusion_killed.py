"""Fusion killed in the midst of its work, again and again: nothing lost, nothing told twice."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.messages import DetectionsMessage, TrackState, UtcTime, encode

pytest.importorskip("fusion.ingest")
pytest.importorskip("edge.publisher")
from edge.publisher import MqttPublisher
from fusion.journal_check import check_journal
from fusion.link import Link
from fusion.replay import replay
from fusion.sector import load_sector
from fusion.store import Store

DEVICES = ("cam-01", "cam-02", "cam-03")
WITHIN_S = 180.0  # a machine with much else to do
SOON_S = 3.0
SETTLES_S = 90.0  # what is held and run again after the last message


class Post:
    """A command post: it hears every alert that is published, in order."""

    def __init__(self, broker_url: str) -> None:
        topic = "tuanbien/v1/test-sector/fusion/alerts"
        self.heard: list[str] = []
        self._closed = threading.Event()
        self._link = Link(broker_url, topics=[topic], session="post")
        self._link.start()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._closed.is_set():
            for delivery in self._link.receive(at_most=99, within_s=0.2):
                self.heard.append(json.loads(delivery.payload)["alert_id"])
                self._link.acknowledge(delivery)

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._link.stop()


class Kills:
    """Chooses the instants: at work, hardly up, or with a snapshot half written."""

    def __init__(self, fusion, moments: random.Random) -> None:
        self._fusion, self._moments = fusion, moments
        self.half_written = 0

    def kill(self, until: Callable[..., None]) -> None:
        self.wait(until)
        self._fusion.kill()
        self.half_written += any(self._fusion.journal.glob("snapshot-*.tmp"))
        self._fusion.start()

    def wait(self, until: Callable[..., None]) -> None:
        how = self._moments.random()
        if how < 0.15:  # while it starts or recovers
            time.sleep(self._moments.uniform(0.0, 1.5))
            return
        before = self._written()
        until(lambda: self._written() > before, within_s=WITHIN_S)
        if how < 0.5:
            ends_s = time.monotonic() + SOON_S
            while time.monotonic() < ends_s:
                if any(self._fusion.journal.glob("snapshot-*.tmp")):
                    return
                time.sleep(0.001)
        else:
            time.sleep(self._moments.uniform(0.0, 2.0))

    def _written(self) -> int:
        return sum(path.stat().st_size for path in self._fusion.journal.glob("*.jsonl"))


def test_fusion_killed_again_and_again_ends_where_it_would_have_without(
    kills, film, start_fusion, until, nats_broker, sector_file, tmp_path
) -> None:
    # Whoever is out of view is soon given up: then the store's last word can be compared.
    sector_file.write_text(sector_file.read_text() + "[rules.tracking]\ncoast_s = 3.0\n")
    done, filmed = threading.Event(), []
    post = Post(nats_broker)
    fusion = start_fusion(nats_broker, "--snapshot-every-s", "0.2")
    until(lambda: "connected to broker" in (tmp_path / "fusion.log").read_text())
    devices = [
        MqttPublisher(
            nats_broker,
            sector="test-sector",
            device_id=name,
            boot_id="b1",
            clock=UtcTime.read_clock,
        )
        for name in DEVICES
    ]

    def publish(seen: DetectionsMessage) -> None:
        for name, device in zip(DEVICES, devices, strict=True):
            device.publish(replace(seen, device_id=name, message_id=f"{name}/{seen.message_id}"))

    camera = threading.Thread(target=lambda: filmed.append(film(publish, done)))
    camera.start()
    # However few kills there are and however slow the machine: some fall on a whole snapshot.
    until(lambda: any(fusion.journal.glob("snapshot-*.bin")), within_s=WITHIN_S)
    began_s, killed = time.monotonic(), Kills(fusion, random.Random(7))
    for _ in range(kills):
        killed.kill(until)
    before = len(fusion.journaled())
    until(lambda: len(fusion.journaled()) > before + 30, within_s=WITHIN_S)
    took_s = time.monotonic() - began_s
    done.set()
    camera.join()
    assert [device.close(20.0) for device in devices] == [0, 0, 0]
    ((ids, crossed),) = filmed
    sent = {f"{name}/{one}" for name in DEVICES for one in ids}
    until(lambda: sent <= set(fusion.journaled()), within_s=WITHIN_S)
    store = Store.open(fusion.store_url)
    until(lambda: len(store.alerts(9999)) >= crossed, within_s=WITHIN_S)
    until(lambda: {line.state for line in tracks_of(store)} == {TrackState.ENDED})
    until(lambda: not store.unpublished_alerts("test-sector"), within_s=WITHIN_S)
    until(lambda: {alert.alert_id for alert in store.alerts(9999)} <= set(post.heard))
    until(lambda: sum(b'-offline"' in line for line in fusion.lines()) == len(DEVICES))

    # The journal through a fresh engine, never interrupted, says the same, word for word. The
    # service may still hold some of the last messages for seconds, and run them again then.
    replay(load_sector(sector_file), fusion.lines(), tmp_path / "replayed")
    alerts, incidents, last_lines = (
        {one[key]: one for one in written(tmp_path / "replayed" / name)}
        for name, key in (
            ("alerts.jsonl", "alert_id"),
            ("incidents.jsonl", "incident_id"),
            ("tracks.jsonl", "track_id"),
        )
    )
    settled_by_s = time.monotonic() + SETTLES_S
    while words(store) != (alerts, incidents, last_lines) and time.monotonic() < settled_by_s:
        time.sleep(0.5)
    for said, expected in zip(words(store), (alerts, incidents, last_lines), strict=True):
        assert said == expected
    replayed = written(tmp_path / "replayed" / "tracks.jsonl")
    # Of each second of a track the last line: playback shows what was, too.
    of_seconds = {(line["track_id"], line["t"][:19]): line["t"] for line in replayed}
    assert pictured(store) == {(name, t) for (name, _), t in of_seconds.items()}
    assert fusion.stop() == 0
    post.close()
    assert store.rejected("test-sector") == {}
    store.close()
    # On MQTT an alert may come once more, where the kill fell before it was noted; none is strange.
    assert set(post.heard) == set(alerts)
    assert check_journal(fusion.journal).troubles == []
    log = (tmp_path / "fusion.log").read_text()
    lives, begun = log.count("recovered: "), log.count("recovering from a snapshot")
    repeated = sum(Counter(post.heard).values()) - len(alerts)
    print(  # noqa: T201 - figures for whoever runs the long form
        f"\n{kills} kills in {took_s:.0f} s: {len(sent)} messages, {len(alerts)} alerts, "
        f"{len(last_lines)} tracks; {begun} of {lives} recoveries from a snapshot, "
        f"{killed.half_written} kills with one half written, {repeated} alerts published again"
    )
    assert "is not used" not in log
    assert begun >= kills // 2
    assert killed.half_written >= kills // 50


def words(store: Store) -> tuple[dict, dict, dict]:
    """Return what the store ends with: alerts, incidents and last lines by id."""
    return (
        {one.alert_id: told(one) for one in store.alerts(9999)},
        {one.incident_id: told(one) for one in store.incidents(9999)},
        {one.track_id: told(one) for one in tracks_of(store)},
    )


def pictured(store: Store) -> set[tuple[str, str]]:
    """Return the lines that playback has, by track and time."""
    now = UtcTime.read_clock()
    with store.past("test-sector") as past:
        lines = past.lines(now.after(-3600.0), now.after(60.0))
        return {(line.track_id, line.t.rfc3339()) for line in lines}


def tracks_of(store: Store) -> list:
    return store.tracks(UtcTime.from_epoch_s(0))


def told(record: object) -> dict:
    return without_waiting(json.loads(encode(record)))


def written(path: Path) -> list[dict]:
    return [without_waiting(json.loads(line)) for line in path.read_text().splitlines()]


def without_waiting(record: dict) -> dict:
    """Leave out what waits too long for people: the clock of the service went on meanwhile."""
    record.pop("overdue", None)
    return record
