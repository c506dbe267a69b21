"""The health check believes only what was said just now."""

import json
import threading

import pytest

from edge.messages import Topic

health = pytest.importorskip("fusion.health")

STATUS = Topic("test-sector", "fusion", "status")


def say(listener, *, online, retain=False) -> None:
    payload = json.dumps({"v": 1, "sector": "test-sector", "online": online})
    listener.client.publish(str(STATUS), payload, 1, retain=retain).wait_for_publish(10)


def test_a_service_that_says_it_is_online_is_alive(nats_broker, listen) -> None:
    client, done = listen(nats_broker), threading.Event()

    def go_on() -> None:
        while not done.wait(0.1):
            say(client, online=True)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        assert health.main(["test-sector", "--broker", nats_broker]) == 0
    finally:
        done.set()
        thread.join()


def test_what_the_broker_kept_from_before_is_no_sign_of_life(nats_broker, listen) -> None:
    client = listen(nats_broker)
    say(client, online=True, retain=True)
    assert not health.is_alive(nats_broker, STATUS, within_s=0.5)


def test_a_service_that_says_it_is_offline_or_something_else_is_not_alive(
    nats_broker, listen
) -> None:
    client, done = listen(nats_broker), threading.Event()

    def go_on() -> None:
        while not done.wait(0.1):
            say(client, online=False)
            client.send(str(STATUS), b"[]")

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        assert not health.is_alive(nats_broker, STATUS, within_s=1.0)
    finally:
        done.set()
        thread.join()


def test_silence_and_a_wrong_address_are_told_in_one_sentence(monkeypatch, capsys) -> None:
    monkeypatch.setattr(health, "WITHIN_S", 0.2)
    assert health.main(["test-sector", "cam-01", "--broker", "mqtt://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err == (
        "no status message on tuanbien/v1/test-sector/cam-01/status within 0 s\n"
    )
    assert health.main(["test-sector", "--broker", "http://127.0.0.1"]) == 1
    assert "is not mqtt://host" in capsys.readouterr().err
