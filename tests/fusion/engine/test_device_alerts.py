"""Devices that are silent or blind, as alerts and incidents of the engine."""

import random

import pytest

from edge.messages import AlertKind, Scene, decode, encode
from fusion.engine import Engine
from fusion.events import AlertIssued, IncidentChanged
from tests.fusion.engine.conftest import START, Eye, Walker, World, collection, feature
from tests.fusion.engine.test_devices import by_time, every


def run(engine: Engine, messages, *, arrivals=None, ticks: bool = False) -> list:
    events = []
    clock = START
    for number, message in enumerate(messages):
        at = message.captured_at if arrivals is None else arrivals[number]
        while ticks and clock.after(0.5) < at:
            clock = clock.after(0.5)
            events += engine.tick(clock)
        events += engine.step(message, received_at=at)
        clock = max(clock, at)
    return events + engine.flush()


def alerts(events) -> list:
    return [one.alert for one in events if isinstance(one, AlertIssued)]


def incidents(events) -> dict:
    return {
        one.incident.incident_id: one.incident
        for one in events
        if isinstance(one, IncidentChanged)
    }


def devices(events) -> list:
    return [one for one in alerts(events) if one.kind is AlertKind.DEVICE]


def test_a_recording_that_ends_makes_nobody_silent(sector_maker) -> None:
    """Somebody is in a restricted zone until the end: minutes must pass before that is over."""
    zone = feature("Polygon", sector_maker.square(0, -400, 150), id="zone-1", kind="restricted")
    sector = sector_maker.load(zones=collection(zone))
    world = World([Walker([(0, 0, -400), (100, 60, -400)])], [Eye(fps=2.0)], until_s=100.0)
    seen = [decode(line["topic"], encode(line["payload"])) for line in world.messages()]
    events = run(Engine(sector), by_time(seen, every("cam-1", 0, 100), every("cam-2", 0, 100)))
    assert [one.kind for one in alerts(events)] == [AlertKind.ZONE]


def test_a_dead_camera_is_one_alert_and_one_incident(sector) -> None:
    messages = by_time(every("cam-1", 0, 100), every("cam-1", 900, 1000), every("cam-2", 0, 1000))
    events = run(Engine(sector), messages)
    (alert,) = devices(events)
    assert alert.devices == ("cam-1",)
    assert alert.raised_at == START.after(100)
    assert alert.issued_at.seconds_since(START) == pytest.approx(161.0, abs=5.0)
    assert [one.code for one in alert.reasons] == ["device_silent"]
    (incident,) = incidents(events).values()
    assert incident.ended_at == START.after(900)


def test_service_and_replay_say_the_same_word_for_word(sector) -> None:
    """One camera alone, silent for an hour: nothing but the clock says so, when it says so."""
    messages = [*every("cam-1", 0, 100), *every("cam-1", 3700, 3800)]
    live = run(Engine(sector), messages, ticks=True)
    again = run(Engine(sector), messages)
    assert alerts(live) == alerts(again) != []
    assert incidents(live) == incidents(again)


def test_order_of_arrival_changes_no_incident_of_devices(sector) -> None:
    messages = by_time(
        every("cam-1", 0, 100), every("cam-1", 300, 600), every("cam-2", 0, 600),
        every("cam-3", 0, 200), every("cam-3", 205, 400, scene=Scene.COVERED),
    )  # fmt: skip
    chance = random.Random(7)
    mixed = list(messages)
    chance.shuffle(mixed)
    clocks = [START.after(600.0 + n * 0.1) for n in range(len(mixed))]

    def standing(events) -> list:
        found = [one for one in incidents(events).values() if one.state != "withdrawn"]
        return sorted(
            (one.incident_id, one.opened_at, one.devices, one.severity, one.ended_at)
            for one in found
        )

    in_order = standing(run(Engine(sector), messages))
    assert len(in_order) == 3
    assert standing(run(Engine(sector), mixed, arrivals=clocks)) == in_order
