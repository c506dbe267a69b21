"""Crops through the running service: on disk before the receipt, and linked to who they show."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from msgspec.structs import replace

from edge.messages import EvidenceMessage, UtcTime, encode

pytest.importorskip("fusion.ingest")
from fusion.evidence import EvidenceFolder, evidence_id_of
from fusion.ingest import serve
from fusion.sector import load_sector
from fusion.store import Store

HOME = "tuanbien/v1/test-sector"
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xc0\x00\x0b\x08\x00\x28\x00\x3c\x01\x01\x11\x00"
    b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\xff\xd9"
)


@pytest.fixture
def served(sector_file, tmp_path, nats_broker) -> Callable:
    @contextmanager
    def run() -> Iterator[None]:
        stop = threading.Event()
        options = {
            "broker_url": nats_broker,
            "store_url": f"sqlite:///{tmp_path}/store.db",
            "journal_dir": tmp_path / "journal",
            "clock": UtcTime.read_clock,
            "stop": stop,
        }
        thread = threading.Thread(target=serve, args=[load_sector(sector_file)], kwargs=options)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(10)
            assert not thread.is_alive()

    return run


def receipts(listener) -> set[str]:
    return {name for told in listener.on("receipts") for name in told["message_ids"]}


def of_crop(at: UtcTime) -> EvidenceMessage:
    return EvidenceMessage(
        v=1,
        message_id="e-1",
        evidence_id="e-1",
        device_id="cam-01",
        sector="test-sector",
        captured_at=at,
        sha256=hashlib.sha256(JPEG).hexdigest(),
        jpeg=JPEG,
    )


def test_a_crop_is_on_disk_and_belongs_to_the_incident_that_its_track_led_to(
    nats_broker, listen, served, walk, recording, tmp_path
) -> None:
    crossing = walk(begin=UtcTime.read_clock(offset_s=-60))
    seen = crossing[6]
    named = replace(seen.detections[0], evidence_id="e-1")
    crossing[6] = replace(seen, detections=(named,))
    crop = of_crop(seen.captured_at)
    wrong = replace(crop, message_id="e-2", evidence_id="e-2", sha256="0" * 64)
    client = listen(nats_broker, f"{HOME}/#")
    with served():
        client.wait_for(lambda heard: any(one["online"] for one in heard.on("fusion/status")))
        for one in (wrong, crop):
            client.send(f"{HOME}/cam-01/evidence", encode(one))
        for message in crossing:
            client.send(f"{HOME}/cam-01/detections", encode(message))
        client.wait_for(lambda heard: heard.on("fusion/alerts"))
        client.wait_for(lambda heard: "e-1" in receipts(heard))
    client.wait_for(lambda heard: not heard.on("fusion/status")[-1]["online"])
    status = client.on("fusion/status")[-1]
    assert status["evidence_kept"] == 1
    assert status["refused_by"] == {"cam-01": {"malformed": 1}}
    assert "e-2" not in receipts(client)
    kept = [
        line["payload"] for line in recording(tmp_path / "journal") if line["topic"].endswith("ce")
    ]
    assert [one["jpeg"] for one in kept] == [""], "what is deleted one day is in no journal"
    store = Store.open(f"sqlite:///{tmp_path}/store.db")
    (incident,) = store.incidents(9)
    (found,) = store.crops_of(incident.track_ids, sector="test-sector")
    assert found.evidence_id == evidence_id_of(crop)
    folder = EvidenceFolder(tmp_path / "evidence", "test-sector")
    assert folder.read(found.sha256) == JPEG
    store.close()


def test_a_store_that_was_lost_is_filled_again_with_crops_too(
    nats_broker, listen, served, tmp_path
) -> None:
    client = listen(nats_broker, f"{HOME}/#")
    with served():
        client.wait_for(lambda heard: any(one["online"] for one in heard.on("fusion/status")))
        client.send(f"{HOME}/cam-01/evidence", encode(of_crop(UtcTime.read_clock())))
        client.wait_for(lambda heard: "e-1" in receipts(heard))
    for part in tmp_path.glob("store.db*"):
        part.unlink()
    starts = len(client.on("fusion/status"))
    with served():
        client.wait_for(
            lambda heard: any(one["online"] for one in heard.on("fusion/status")[starts:])
        )
    store = Store.open(f"sqlite:///{tmp_path}/store.db")
    found = store.crop(evidence_id_of(of_crop(UtcTime.read_clock())), sector="test-sector")
    assert found is not None
    assert found.size_bytes == len(JPEG)
    store.close()
