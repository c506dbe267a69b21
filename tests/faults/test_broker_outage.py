"""A broker that dies during the work loses no message of a device that goes on sending."""

import threading

import pytest

from edge.messages import UtcTime

pytest.importorskip("fusion.ingest")
pytest.importorskip("edge.publisher")
from edge.publisher import MqttPublisher
from fusion.broker import running_broker
from fusion.store import Store


def test_a_broker_killed_for_a_while_loses_nothing(
    outage_s, film, start_fusion, until, free_port, tmp_path
) -> None:
    """The device's queue in memory holds what it films meanwhile."""
    port, done, filmed = free_port(), threading.Event(), []
    url = f"mqtt://127.0.0.1:{port}"

    def run() -> None:
        filmed.append(film(device.publish, done))

    with running_broker(port=port, store_dir=tmp_path / "broker") as broker:
        fusion = start_fusion(url)
        until(lambda: (tmp_path / "fusion.log").read_text().count("connected to broker") == 1)
        device = MqttPublisher(
            url, sector="test-sector", device_id="cam-01", boot_id="b1", clock=UtcTime.read_clock
        )
        camera = threading.Thread(target=run)
        camera.start()
        until(lambda: len(fusion.journaled()) > 20)
        broker.process.kill()
        broker.process.wait()
    assert not done.wait(outage_s)
    with running_broker(port=port, store_dir=tmp_path / "broker"):
        until(lambda: device.queue_depth < 3)
        before = len(fusion.journaled())
        until(lambda: len(fusion.journaled()) > before + 50)
        done.set()
        camera.join()
        assert device.close(20.0) == 0
        ((ids, crossed),) = filmed
        until(lambda: set(ids) <= set(fusion.journaled()))
        store = Store.open(fusion.store_url)
        until(lambda: len(store.alerts(999)) >= crossed)
        store.close()
        assert fusion.stop() == 0
    assert crossed >= 2
