"""The running service on real brokers: what came in is on disk, seen once, and told."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.messages import RefusedError, UtcTime, encode

pytest.importorskip("fusion.ingest")
from fusion.engine import Engine
from fusion.ingest import record, serve
from fusion.journal import Journal, Recorded
from fusion.link import Link
from fusion.sector import load_sector
from fusion.store import Store, StoreUnavailableError

ALL = "tuanbien/v1/test-sector/#"


def topic(message) -> str:
    return f"tuanbien/v1/test-sector/{message.device_id}/detections"


@pytest.fixture
def crossing(walk) -> list:
    """One person walks over the line, a minute ago."""
    return walk(begin=UtcTime.read_clock(offset_s=-60))


@pytest.fixture
def served(sector_file, tmp_path) -> Callable:
    """Return a context in which the service of the test's sector runs, in a thread."""

    @contextmanager
    def run(broker_url, *, store_url=f"sqlite:///{tmp_path}/store.db") -> Iterator[Path]:
        stop, faults = threading.Event(), []

        def work() -> None:
            try:
                serve(
                    load_sector(sector_file),
                    broker_url=broker_url,
                    store_url=store_url,
                    journal_dir=tmp_path / "journal",
                    clock=UtcTime.read_clock,
                    stop=stop,
                )
            except BaseException as error:
                faults.append(error)
                raise

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield tmp_path / "journal"
        finally:
            stop.set()
            thread.join(10)
            assert not thread.is_alive()
            assert faults == []

    return run


def online(listener) -> bool:
    return any(status["online"] for status in listener.on("fusion/status"))


def receipts(listener) -> set[str]:
    return {name for told in listener.on("receipts") for name in told["message_ids"]}


# -- the way of a message ------------------------------------------------------------------------


def test_a_crossing_becomes_one_alert_and_every_message_a_receipt(
    any_broker, listen, served, crossing, recording, tmp_path
) -> None:
    client = listen(any_broker.url, ALL)
    with served(any_broker.url) as journal:
        client.wait_for(online)
        for message in crossing:
            client.send(topic(message), encode(message))
        ids = {message.message_id for message in crossing}
        client.wait_for(lambda heard: receipts(heard) == ids)
        client.wait_for(lambda heard: heard.on("fusion/alerts"))
        client.wait_for(lambda heard: heard.on("fusion/tracks"))
    client.wait_for(lambda heard: not heard.on("fusion/status")[-1]["online"])
    assert [line["payload"]["message_id"] for line in recording(journal)] == [
        message.message_id for message in crossing
    ]
    (alert,) = client.on("fusion/alerts")
    assert (alert["kind"], alert["direction"]) == ("crossing", "outbound")
    store = Store.open(f"sqlite:///{tmp_path}/store.db")
    assert [kept.alert_id for kept in store.alerts(9)] == [alert["alert_id"]]
    assert [one.alert_ids for one in store.incidents(9)] == [(alert["alert_id"],)]
    assert store.unpublished_alerts("test-sector") == []
    assert store.tracks(crossing[0].captured_at) != []
    store.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_it_keeps_its_store_in_postgresql_as_well(
    nats_broker, listen, served, crossing, database_url
) -> None:
    client = listen(nats_broker, ALL)
    with served(nats_broker, store_url=database_url):
        client.wait_for(online)
        for message in crossing:
            client.send(topic(message), encode(message))
        client.wait_for(lambda heard: heard.on("fusion/alerts"))
    store = Store.open(database_url)
    assert [one.direction for one in store.incidents(9)] == ["outbound"]
    assert store.unpublished_alerts("test-sector") == []
    store.close()


def test_a_bad_message_is_set_aside_with_its_reason_and_the_stream_goes_on(
    any_broker, listen, served, crossing, recording, tmp_path
) -> None:
    good = encode(crossing[0])
    home = "tuanbien/v1/test-sector"
    bad = [
        (f"{home}/cam-01/detections", b"\xff\xfe"),
        (f"{home}/cam-01/detections", b"{"),
        (f"{home}/cam-01/detections", b"[" * 100_000),
        (f"{home}/cam-01/detections", good.replace(b'"lat":1.1', b'"lat":91.1')),
        (f"{home}/cam-01/detections", b" " * (256 * 1024) + good),
        (f"{home}/cam-02/detections", good),
        (f"{home}/cam-01/detections", good.replace(b'"v":1', b'"v":1,"x":"\xff"', 1)),
        (f"{home}/cam-01/status", b'{"v":1}'),
        (f"{home}/cam-01/evidence", b"null"),
    ]
    client = listen(any_broker.url, f"{home}/fusion/#", f"{home}/cam-01/receipts")
    with served(any_broker.url) as journal:
        client.wait_for(online)
        for where, payload in bad:
            client.send(where, payload)
        client.send(topic(crossing[0]), good)
        client.wait_for(lambda heard: receipts(heard) == {crossing[0].message_id})
    client.wait_for(lambda heard: not heard.on("fusion/status")[-1]["online"])
    assert client.on("fusion/status")[-1]["rejected"] == len(bad)
    by = client.on("fusion/status")[-1]["refused_by"]
    assert by == {"cam-01": {"malformed": len(bad) - 1}, "cam-02": {"malformed": 1}}
    assert len(recording(journal)) == 1
    store = Store.open(f"sqlite:///{tmp_path}/store.db")
    reasons = store.rejected("test-sector")
    assert sum(reasons.values()) == len(bad)
    assert any("is larger than" in reason for reason in reasons)
    assert any("its topic" in reason for reason in reasons)
    assert any("not UTF-8" in reason for reason in reasons)
    store.close()


def test_a_message_sent_again_gets_a_receipt_but_is_seen_once(
    any_broker, listen, served, crossing
) -> None:
    client = listen(any_broker.url, ALL)
    with served(any_broker.url):
        client.wait_for(online)
        for message in crossing * 2:
            client.send(topic(message), encode(message))
        client.wait_for(
            lambda heard: (
                sum(len(told["message_ids"]) for told in heard.on("receipts")) == 2 * len(crossing)
            )
        )
        client.wait_for(lambda heard: heard.on("fusion/alerts"))
    client.wait_for(lambda heard: not heard.on("fusion/status")[-1]["online"])
    status = client.on("fusion/status")[-1]
    assert status["duplicates"] == status["detections"] == len(crossing)
    assert len(client.on("fusion/alerts")) == 1


def test_what_came_while_it_was_away_is_taken_up_when_it_is_back(
    any_broker, listen, served, crossing
) -> None:
    client = listen(any_broker.url, ALL)
    with served(any_broker.url):
        client.wait_for(online)
    for message in crossing:
        client.send(topic(message), encode(message))
    with served(any_broker.url):
        ids = {message.message_id for message in crossing}
        client.wait_for(lambda heard: receipts(heard) == ids)
        client.wait_for(lambda heard: heard.on("fusion/alerts"))


def test_its_own_messages_are_not_taken_for_a_devices(any_broker, listen, served) -> None:
    client = listen(any_broker.url, ALL)
    with served(any_broker.url):
        client.wait_for(online)
    client.wait_for(lambda heard: not heard.on("fusion/status")[-1]["online"])
    last = client.on("fusion/status")[-1]
    assert (last["rejected"], last["messages"]) == (0, 0)


def test_the_broker_tells_when_fusion_vanished(any_broker, listen, sector_file, tmp_path) -> None:
    client = listen(any_broker.url, "tuanbien/v1/test-sector/fusion/status")
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", "import sys; from edge.command import main; sys.exit(main())"),
            *("fusion", "serve", str(sector_file), "--broker", any_broker.url),
            *("--store", f"sqlite:///{tmp_path}/store.db", "--journal", tmp_path / "journal"),
        ]
    )
    try:
        client.wait_for(online)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    client.wait_for(lambda heard: not heard.on("fusion/status")[-1]["online"], within_s=60)


# -- recovery --------------------------------------------------------------------------------------


def journal_of(folder, messages) -> None:
    journal = Journal.open(folder, sector="test-sector")
    now = UtcTime.read_clock(offset_s=-30)
    journal.append([Recorded(now, topic(message), encode(message)) for message in messages])
    journal.close()


def test_messages_that_only_the_journal_knows_are_made_up_for(
    nats_broker, listen, served, crossing, tmp_path
) -> None:
    """Fusion died after the journal had them and before anything else."""
    journal_of(tmp_path / "journal", crossing)
    client = listen(nats_broker, ALL)
    with served(nats_broker):
        client.wait_for(lambda heard: heard.on("fusion/alerts"))
    store = Store.open(f"sqlite:///{tmp_path}/store.db")
    assert len(store.alerts(9)) == 1
    store.close()


def test_a_restart_issues_nothing_again_and_goes_on_with_the_same_track(
    nats_broker, listen, served, walk
) -> None:
    begin = UtcTime.read_clock(offset_s=-60)
    whole = walk(begin=begin)
    before, after = whole[: len(whole) * 3 // 4], whole[len(whole) * 3 // 4 :]
    client = listen(nats_broker, ALL)
    for part in (before, after):
        count = len(client.on("fusion/tracks"))
        with served(nats_broker):
            client.wait_for(online)
            for message in part:
                client.send(topic(message), encode(message))
            ids = {message.message_id for message in part}
            client.wait_for(lambda heard, ids=ids: receipts(heard) >= ids)
            client.wait_for(lambda heard: heard.on("fusion/alerts"))
            client.wait_for(lambda heard, count=count: len(heard.on("fusion/tracks")) > count)
    assert len(client.on("fusion/alerts")) == 1
    assert len({line["track_id"] for line in client.on("fusion/tracks")}) == 1


def test_a_lost_store_is_filled_from_the_journal_with_the_same_ids(
    nats_broker, listen, served, crossing, tmp_path
) -> None:
    client = listen(nats_broker, ALL)
    for name in ("first", "second"):
        with served(nats_broker, store_url=f"sqlite:///{tmp_path}/{name}.db"):
            client.wait_for(online)
            for message in crossing if name == "first" else []:
                client.send(topic(message), encode(message))
            wanted = 1 if name == "first" else 2
            client.wait_for(lambda heard, wanted=wanted: len(heard.on("fusion/alerts")) == wanted)
    ids = {alert["alert_id"] for alert in client.on("fusion/alerts")}
    assert len(ids) == 1


def test_a_line_of_an_older_contract_does_not_stop_recovery(
    nats_broker, listen, served, crossing, tmp_path, caplog
) -> None:
    journal_of(tmp_path / "journal", crossing)
    (segment,) = (tmp_path / "journal").glob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0].replace(b'"v":1', b'"v":0') + b"".join(lines))
    client = listen(nats_broker, ALL)
    with served(nats_broker):
        client.wait_for(lambda heard: heard.on("fusion/alerts"))
    assert "left out of recovery" in caplog.text


# -- what refuses --------------------------------------------------------------------------------


def test_a_store_that_goes_away_is_waited_for_and_nothing_is_lost(
    nats_broker, listen, served, crossing, monkeypatch, caplog
) -> None:
    save, fails = Store.save, iter(range(3))

    def sometimes(self, events, **how: object) -> list:
        if next(fails, None) is not None:
            msg = "cannot use the store: server closed the connection"
            raise StoreUnavailableError(msg)
        return save(self, events, **how)

    monkeypatch.setattr(Store, "save", sometimes)
    client = listen(nats_broker, ALL)
    with served(nats_broker):
        client.wait_for(online)
        for message in crossing:
            client.send(topic(message), encode(message))
        client.wait_for(lambda heard: heard.on("fusion/alerts"))
        client.wait_for(lambda heard: receipts(heard) == {one.message_id for one in crossing})
    assert caplog.text.count("server closed the connection; trying until it works") == 1


def test_a_disk_that_refuses_gets_no_acknowledgement(
    nats_broker, listen, served, crossing, monkeypatch, recording
) -> None:
    append, refusing = Journal.append, threading.Event()
    refusing.set()
    asked = threading.Event()

    def full(self, messages) -> object:
        asked.set()
        if refusing.is_set():
            raise OSError(28, "No space left on device")
        return append(self, messages)

    monkeypatch.setattr(Journal, "append", full)
    client = listen(nats_broker, ALL)
    with served(nats_broker):
        client.wait_for(online)
        client.send(topic(crossing[0]), encode(crossing[0]))
        assert asked.wait(10)
    assert receipts(client) == set()
    refusing.clear()
    with served(nats_broker) as journal:
        client.wait_for(lambda heard: receipts(heard) == {crossing[0].message_id})
    assert len(recording(journal)) == 1


def test_a_fault_of_the_engine_does_not_stop_the_stream(
    nats_broker, listen, served, crossing, monkeypatch, caplog
) -> None:
    step = Engine.step

    def poisoned(self, message, *, received_at) -> list:
        if message.message_id == crossing[0].message_id:
            msg = "division by zero"
            raise ZeroDivisionError(msg)
        return step(self, message, received_at=received_at)

    monkeypatch.setattr(Engine, "step", poisoned)
    client = listen(nats_broker, ALL)
    with served(nats_broker):
        client.wait_for(online)
        for message in crossing:
            client.send(topic(message), encode(message))
        client.wait_for(lambda heard: heard.on("fusion/alerts"))
    assert "fault in the engine" in caplog.text


def test_a_broker_that_is_not_there_is_waited_for(
    any_broker, listen, served, crossing, caplog
) -> None:
    any_broker.kill()
    with served(any_broker.url):
        pause = threading.Event()
        while "cannot be reached" not in caplog.text:
            pause.wait(0.05)
        any_broker.start()
        client = listen(any_broker.url, ALL)
        client.wait_for(online)
        client.send(topic(crossing[0]), encode(crossing[0]))
        client.wait_for(lambda heard: receipts(heard) == {crossing[0].message_id})
    assert any_broker.url in caplog.text


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1", "mqtt://", "mqtt://h:x", "mqtt://h:0", "mqtt://u:secret@h:1/topic"]
)
def test_an_address_that_is_no_brokers_is_refused_without_its_password(url) -> None:
    with pytest.raises(RefusedError, match="is not mqtt://host") as refused:
        Link(url, topics=[], session=None)
    assert "secret" not in str(refused.value)


# -- recording ---------------------------------------------------------------------------------


def test_a_recording_holds_what_devices_sent_bad_messages_included(
    any_broker, listen, crossing, tmp_path
) -> None:
    out, stop = tmp_path / "messages.jsonl", threading.Event()
    client = listen(any_broker.url)
    counts = []
    thread = threading.Thread(
        target=lambda: counts.append(
            record(any_broker.url, "test-sector", out, UtcTime.read_clock, stop)
        )
    )
    thread.start()
    pause = threading.Event()
    while not out.exists() or not out.read_bytes():  # until it is subscribed
        client.send("tuanbien/v1/test-sector/cam-01/status", b"not JSON")
        pause.wait(0.1)
    for message in crossing:
        client.send(topic(message), encode(message))
    while out.read_bytes().count(crossing[-1].message_id.encode()) == 0:
        pause.wait(0.1)
    stop.set()
    thread.join(10)
    lines = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert counts == [len(lines)]
    assert lines[0]["payload"] == "not JSON"
    assert [line["payload"] for line in lines[-len(crossing) :]] == [
        json.loads(encode(message)) for message in crossing
    ]


def test_a_recording_never_writes_over_a_file(tmp_path) -> None:
    out = tmp_path / "messages.jsonl"
    out.write_text("mine")
    with pytest.raises(RefusedError, match=r"cannot begin the recording .*jsonl: File exists"):
        record("mqtt://127.0.0.1:1", "s", out, UtcTime.read_clock, threading.Event())
