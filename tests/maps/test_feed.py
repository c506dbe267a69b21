"""Broker and store on one side, the stream on the other: nothing is lost between them."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

import paho.mqtt.publish
import pytest

from edge.messages import RefusedError, UtcTime
from fusion.events import AlertIssued, IncidentChanged
from fusion.store import Store
from maps import feed as feed_module
from maps.feed import Feed


async def until(holds: Callable[[], bool], *, timeout_s: float = 15.0) -> None:
    """Wait for a condition; the event loop goes on meanwhile."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 - what another thread does sets no event here
            await asyncio.sleep(0.02)


def publish(broker_url: str, *messages: tuple[str, bytes], retain: bool = False) -> None:
    host, port = broker_url.removeprefix("mqtt://").split(":")
    paho.mqtt.publish.multiple(
        [
            {"topic": topic, "payload": payload, "qos": 1, "retain": retain}
            for topic, payload in messages
        ],
        hostname=host,
        port=int(port),
    )


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'tuanbien.db'}"


@pytest.fixture
def new_feed(store_url: str) -> Callable[[str], Feed]:
    def make(broker_url: str) -> Feed:
        return Feed(
            "bien-thu",
            broker_url=broker_url,
            open_store=partial(Store.open, store_url),
            clock=UtcTime.read_clock,
            run_id="run1",
        )

    return make


@pytest.mark.slow
def test_what_the_broker_carries_reaches_the_picture(
    nats_broker, store_url, new_feed, say
) -> None:
    Store.open(store_url, migrate=True).close()

    async def scenario() -> None:
        feed = new_feed(nats_broker)
        now = UtcTime.read_clock()
        # A status that is there before us, as after a restart of the map.
        await asyncio.to_thread(publish, nats_broker, say.status(at=now), retain=True)
        async with feed.running():
            await until(lambda: len(feed.picture.devices()) == 1)
            bad = ("tuanbien/v1/bien-thu/fusion/tracks", b"not a track")
            await asyncio.to_thread(
                publish, nats_broker, bad, say.track(at=now), say.fusion(at=now)
            )
            await until(lambda: len(feed.picture.tracks()) == 1 and feed.beat()["live"])
            assert feed.rejected == 1
            assert feed.complaints() == []

    asyncio.run(scenario())


@pytest.mark.slow
def test_an_alert_that_mqtt_lost_comes_from_the_store(
    nats_broker, store_url, new_feed, say
) -> None:
    store = Store.open(store_url, migrate=True)
    early = say.alert("early")
    store.save([IncidentChanged(say.incident(early)), AlertIssued(early)], sector="bien-thu")

    async def scenario() -> None:
        feed = new_feed(nats_broker)
        async with feed.running():
            await until(lambda: len(feed.picture.alerts()) == 1)
            missed = say.alert("missed", at=early.issued_at.after(60))
            store.save(
                [IncidentChanged(say.incident(missed)), AlertIssued(missed)], sector="bien-thu"
            )
            await until(lambda: len(feed.picture.alerts()) == 2)
            amended = say.incident(missed, headcount=5, headcount_max=5, amended=True)
            store.save([IncidentChanged(amended)], sector="bien-thu")
            await until(lambda: any(one.headcount == 5 for one in feed.picture.incidents()))

    asyncio.run(scenario())
    store.close()


@pytest.mark.slow
def test_a_store_that_comes_later_is_found(
    free_port, store_url, new_feed, monkeypatch, say
) -> None:
    """The map may start before fusion has made the database, and without a broker."""
    monkeypatch.setattr(feed_module, "POLL_S", 0.05)

    async def scenario() -> None:
        feed = new_feed(f"mqtt://127.0.0.1:{free_port()}")
        async with feed.running():
            await until(lambda: "asked yet" not in "".join(feed.complaints()))
            assert len(feed.complaints()) == 2
            store = await asyncio.to_thread(Store.open, store_url, migrate=True)
            alert = say.alert()
            events = [IncidentChanged(say.incident(alert)), AlertIssued(alert)]
            await asyncio.to_thread(store.save, events, sector="bien-thu")
            await until(lambda: len(feed.picture.alerts()) == 1)
            assert [text for text in feed.complaints() if text.startswith("store")] == []
            store.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1883", "http://127.0.0.1", "mqtt://", "mqtt://x:99999"]
)
def test_an_address_that_is_no_broker_is_refused(new_feed, address) -> None:
    with pytest.raises(RefusedError, match="is not mqtt://host"):
        new_feed(address)


def test_a_broker_that_is_not_there_is_a_complaint_and_not_a_crash(
    free_port, new_feed, caplog
) -> None:
    address = f"mqtt://127.0.0.1:{free_port()}"
    said = f"broker {address}: nobody answers there; trying on"

    async def scenario() -> None:
        feed = new_feed(address)
        async with feed.running():
            assert not feed.beat()["live"]
            assert feed.complaints()[0].endswith("is not connected")
            await until(lambda: said in caplog.messages)

    asyncio.run(scenario())
    assert caplog.messages.count(said) == 1
