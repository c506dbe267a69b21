"""Fusion killed in the midst of its work, again and again: nothing lost, nothing told twice."""

import json
import random
import threading

import pytest

from edge.messages import UtcTime

pytest.importorskip("fusion.ingest")
pytest.importorskip("edge.publisher")
from edge.publisher import MqttPublisher
from fusion.replay import replay
from fusion.sector import load_sector
from fusion.store import Store


def test_fusion_killed_again_and_again_ends_where_it_would_have_without(
    kills, film, start_fusion, until, nats_broker, sector_file, tmp_path
) -> None:
    done, filmed, moments = threading.Event(), [], random.Random(7)
    fusion = start_fusion(nats_broker)
    until(lambda: (tmp_path / "fusion.log").read_text().count("connected to broker") == 1)
    device = MqttPublisher(
        nats_broker,
        sector="test-sector",
        device_id="cam-01",
        boot_id="b1",
        clock=UtcTime.read_clock,
    )
    camera = threading.Thread(target=lambda: filmed.append(film(device.publish, done)))
    camera.start()
    for _ in range(kills):
        before = len(fusion.journaled())
        until(lambda before=before: len(fusion.journaled()) > before)
        done.wait(moments.uniform(0.0, 2.0))
        fusion.kill()
        fusion.start()
    before = len(fusion.journaled())
    until(lambda: len(fusion.journaled()) > before + 30)
    done.set()
    camera.join()
    assert device.close(20.0) == 0
    ((ids, crossed),) = filmed
    until(lambda: set(ids) <= set(fusion.journaled()))
    store = Store.open(fusion.store_url)
    until(lambda: len(store.alerts(9999)) >= crossed)
    assert fusion.stop() == 0
    issued = [alert.alert_id for alert in store.alerts(9999)]
    tracks = {line.track_id for line in store.tracks(UtcTime.from_epoch_s(0))}
    store.close()
    assert len(issued) == len(set(issued))
    # The journal through a fresh engine, never interrupted, says the same.
    replay(load_sector(sector_file), fusion.lines(), tmp_path / "replayed")
    told = (tmp_path / "replayed" / "alerts.jsonl").read_text().splitlines()
    assert {json.loads(line)["alert_id"] for line in told} >= set(issued)
    walked = (tmp_path / "replayed" / "tracks.jsonl").read_text().splitlines()
    assert tracks <= {json.loads(line)["track_id"] for line in walked}
