"""CONTRACT.md, "Order of arrival": within the horizon it changes no track and no incident."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.messages import UtcTime
from fusion.core import Core
from fusion.engine import Engine
from fusion.events import (
    AlertIssued,
    IncidentChanged,
    MessageLate,
    MessageRefused,
    TracksRevised,
    TracksUpdated,
    is_void,
)
from fusion.replay import recorded, replay
from fusion.rerun import Rerun
from fusion.sector import Sector, load_sector


def night(make, seed) -> list:
    """A small recording with everything in it: a group, a patrol, strollers, clutter, two eyes."""
    dice = random.Random(seed)
    patrol = make.walker([(0, -30, -20), (40, -20, 15)])
    people = [
        patrol,
        make.walker([(0, 12, -18), (40, 14, 24)]),
        make.walker([(0, 15, -19), (40, 16, 22)]),
    ]
    for _ in range(dice.randint(0, 3)):
        east = dice.uniform(-60, 60)
        people.append(
            make.walker([(0, east, dice.uniform(-40, -5)), (40, east + 10, dice.uniform(-30, 30))])
        )
    eyes = [
        make.eye("cam-1", fps=3, detect=0.85, clutter=0.05, bias_m=(1, -1), bias_sigma_m=1.5),
        make.eye("cam-2", fps=2, sigma_m=2.0, phase_s=0.11),
    ]
    units = [("unit-1", patrol, 7.0, 5.0)]
    world = make.world(people, eyes=eyes, units=units, until_s=40, seed=seed)
    return world.messages()


def result(sector, lines, folder) -> tuple:
    """The files that the law speaks of, less what it excepts."""
    replay(sector, [json.dumps(line).encode() for line in lines], folder)
    incidents = [json.loads(one) for one in (folder / "incidents.jsonl").read_text().splitlines()]
    kept = [
        {
            key: value
            for key, value in one.items()
            if key not in {"alert_ids", "amended", "overdue"}
        }
        for one in incidents
        if one["state"] != "withdrawn"
    ]
    return (folder / "tracks.jsonl").read_bytes(), kept


def arriving(lines, times) -> list:
    """Return lines with other times of arrival (seconds after the first capture), in that order."""
    start = UtcTime.parse(lines[0]["payload"]["captured_at"])
    moved = [
        {**line, "received_at": start.after(t).rfc3339()}
        for line, t in zip(lines, times, strict=True)
    ]
    return sorted(moved, key=lambda line: line["received_at"])


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_order_of_arrival_gives_the_same_tracks_and_incidents(
    make, sector_dir, tmp_path_factory, seed
) -> None:
    lines, dice = night(make, seed), random.Random(seed)
    on_time = result(sector_dir, lines, tmp_path_factory.mktemp("a"))
    shuffled = list(lines)
    dice.shuffle(shuffled)
    late = arriving(shuffled, [45 + 0.05 * i for i in range(len(lines))])
    assert result(sector_dir, late, tmp_path_factory.mktemp("b")) == on_time


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_delays_and_duplicates_give_the_same_tracks_and_incidents(
    make, sector_dir, tmp_path_factory, seed
) -> None:
    lines, dice = night(make, seed), random.Random(seed)
    on_time = result(sector_dir, lines, tmp_path_factory.mktemp("a"))
    start = UtcTime.parse(lines[0]["payload"]["captured_at"])
    own = [UtcTime.parse(line["payload"]["captured_at"]).seconds_since(start) for line in lines]
    delays = [dice.choice([0.0, 0.2, 1.0, 5.0, 30.0, 400.0]) for _ in lines]
    again = [(line, t + 3.0 * d + 0.1) for line, t, d in zip(lines, own, delays, strict=True) if d]
    # 1,200 s is beyond the horizon of 900 s: those copies must not be taken for news.
    everything = arriving(
        lines + [line for line, _ in again],
        [t + d for t, d in zip(own, delays, strict=True)] + [t for _, t in again],
    )
    assert result(sector_dir, everything, tmp_path_factory.mktemp("b")) == on_time


@pytest.fixture(scope="module")
def sector_dir(tmp_path_factory, make) -> Sector:
    trails = [[(-30, -20), (-20, 15), (0, 20)], [(12, -18), (16, 24)]]
    return load_sector(
        make.sector_at(tmp_path_factory.mktemp("sector"), 22.9, 105.3, trails=trails)
    )


def fed(sector, lines) -> tuple:
    engine, events = Engine(sector), []
    for line in lines:
        message, received_at = recorded(json.dumps(line).encode(), sector)
        events += engine.step(message, received_at=received_at)
    return engine, events


def picture(events) -> dict:
    """What a listener holds who obeys the revisions."""
    lines = {}
    for event in events:
        if isinstance(event, TracksRevised):
            lines = {key: line for key, line in lines.items() if not is_void(line, event.since)}
        elif isinstance(event, TracksUpdated):
            for line in event.updates:
                assert (line.t, line.track_id) not in lines
                lines[line.t, line.track_id] = line
    return lines


def test_a_listener_who_obeys_the_revisions_holds_the_final_picture(make, sector) -> None:
    lines = night(make, 3)
    engine, events = fed(sector, lines)
    events += engine.flush()
    late = [line for line in lines if line["payload"].get("device_id") == "cam-2"]
    rest = [line for line in lines if line["payload"].get("device_id") != "cam-2"]
    late = [{**line, "received_at": "2026-03-14T17:02:00.000Z"} for line in late]
    other, told = fed(sector, rest + late)
    told += other.flush()
    assert any(isinstance(event, TracksRevised) for event in told)
    assert picture(told) == picture(events)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_when_the_clock_ticks_changes_nothing_that_is_said(make, sector_dir, seed) -> None:
    """Not a word: recovery and replay, where nobody ticks, decide as the live service did."""
    dice = random.Random(seed)
    lines = night(make, seed)
    delays = [dice.choice([0.1, 0.1, 0.1, 2.0, 8.0]) for _ in lines]
    lines = arriving(lines, [40.0 * i / len(lines) + late for i, late in enumerate(delays)])
    engine, events = fed(sector_dir, lines)
    ticked, told, before_s = Engine(sector_dir), [], 0.0
    for line in lines:
        message, received_at = recorded(json.dumps(line).encode(), sector_dir)
        pause_s = received_at.timestamp() - before_s
        for back_s in sorted(
            (dice.uniform(0.0, min(pause_s, 2.0)) for _ in range(3)), reverse=True
        ):
            told += ticked.tick(received_at.after(-back_s))
        told += ticked.step(message, received_at=received_at)
        before_s = received_at.timestamp()
    assert told == events
    assert ticked.flush() == engine.flush()


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_recording_ends_as_the_live_service_goes_on(make, sector_dir, seed) -> None:
    """Word for word, though it ends amid a re-run, or with messages held at the door.

    So ended the journal of a service that was killed: with what the broker gave it again. A
    flush that ran this again at once issued other alerts than the clock had.
    """
    dice = random.Random(seed)
    ends_s, again_s = dice.uniform(15.0, 40.0), dice.uniform(0.5, 8.0)
    lines, times = [], []
    for line in night(make, seed):
        at_s = UtcTime.parse(line["payload"]["captured_at"]).seconds_since(make.start)
        if at_s < ends_s:
            sent_at = line["payload"]["captured_at"]
            lines.append({**line, "payload": {**line["payload"], "sent_at": sent_at}})
            times.append(
                at_s + 0.1 if at_s < ends_s - again_s else ends_s + dice.uniform(0.0, 0.2)
            )
    lines = arriving(lines, times)
    engine, _ = fed(sector_dir, lines)
    live, _ = fed(sector_dir, lines)
    now, told = UtcTime.parse(lines[-1]["received_at"]), []
    for _ in range(200):
        now = now.after(dice.uniform(0.05, 1.5))
        told += live.tick(now)
    assert engine.flush() == told
    assert live.flush() == []


def test_a_flush_of_late_messages_costs_few_re_runs(make, sector, monkeypatch) -> None:
    runs = []
    begin = Rerun.__init__
    monkeypatch.setattr(
        Rerun, "__init__", lambda self, *how: runs.append(how[2]) or begin(self, *how)
    )
    lines = [line for seed in (1, 2) for line in night(make, seed)]
    for number, line in enumerate(lines):
        line["payload"]["message_id"] = str(number)
    late = [{**line, "received_at": "2026-03-14T17:03:00.000Z"} for line in lines[50:]]
    engine, _ = fed(sector, lines[:50] + late)
    engine.flush()
    assert 1 <= len(runs) <= 3
    assert len(late) > 300


def test_an_alert_once_issued_is_never_doubled_by_late_data(make, sector) -> None:
    """The founding detection of the track comes last: track and incident get other ids."""
    walker = make.walker([(0, 10, -24), (40, 10, 24)])
    lines = make.world([walker], until_s=40).messages()
    first = {**lines[0], "received_at": "2026-03-14T17:01:30.000Z"}
    engine, events = fed(sector, [*lines[1:], first])
    events += engine.flush()
    alerts = [event.alert for event in events if isinstance(event, AlertIssued)]
    last = {
        event.incident.incident_id: event.incident
        for event in events
        if isinstance(event, IncidentChanged)
    }
    (standing,) = [one for one in last.values() if one.state != "withdrawn"]
    assert len(alerts) == 1
    assert len(last) == 2
    assert standing.alert_ids == (alerts[0].alert_id,)
    assert standing.amended


@pytest.mark.parametrize(("gap_s", "east_m"), [(20, 25), (30, 25), (40, 0), (60, 0)])
def test_a_second_group_does_not_inherit_the_alert_of_the_first(
    make, sector, run, gap_s, east_m
) -> None:
    """Late looks gave the first one another id; its alert passed on to it, and then once more."""
    first = make.walker([(2, 0, -25), (42, 0, 25)])
    second = make.walker([(2 + gap_s, east_m, -25), (42 + gap_s, east_m, 25)])
    eye = make.eye(sigma_m=0.5, detect=1.0)
    lines = make.world([first, second], eyes=[eye], until_s=110).messages()
    for line in [line for line in lines if line["payload"]["detections"]][:3]:
        line["received_at"] = make.start.after(28).rfc3339()
    outcome = run(sector, sorted(lines, key=lambda line: line["received_at"]))
    assert len(outcome.alerts) == len(outcome.standing) == 2
    assert len({one.alert_ids for one in outcome.standing}) == 2


def test_a_message_that_breaks_the_core_is_taken_once_and_stops_nothing(
    make, sector, monkeypatch
) -> None:
    lines = make.world([make.walker([(0, 10, -24), (40, 10, 24)])], until_s=40).messages()
    take, poison = Core.take, lines[20]["payload"]["message_id"]

    def choke(core, item) -> tuple:
        if item.message_id == poison:
            raise ZeroDivisionError
        return take(core, item)

    monkeypatch.setattr(Core, "take", choke)
    engine, alerts, errors = Engine(sector), [], 0
    for line in lines:
        message, received_at = recorded(json.dumps(line).encode(), sector)
        try:
            events = engine.step(message, received_at=received_at)
        except ZeroDivisionError:
            errors += 1
        else:
            alerts += [event for event in events if isinstance(event, AlertIssued)]
    assert (errors, len(alerts)) == (1, 1)


@pytest.mark.parametrize("devices_too", [False, True])
@pytest.mark.parametrize("after_s", [1.0, 15.0, 38.0])
@pytest.mark.parametrize("hours", [2, 20])
def test_a_clock_that_jumped_ahead_and_was_set_right_costs_no_crossing(
    make, sector, devices_too, after_s, hours
) -> None:
    """NTP sets this machine's clock back: the time does not stand still until it catches up."""
    lines = make.world([make.walker([(0, 10, -24), (60, 10, 48)])], until_s=60).messages()
    at = int(after_s * 5)
    jump = {**lines[at], "received_at": make.start.after(3600 * hours).rfc3339()}
    jump["payload"] = {**jump["payload"], "message_id": "jump"}
    if devices_too:
        jump["payload"]["captured_at"] = jump["received_at"]
    engine, events = fed(sector, [*lines[:at], jump, *lines[at:]])
    events += engine.flush()
    reference, expected = fed(sector, lines)
    expected += reference.flush()
    assert [event.alert.alert_id for event in events if isinstance(event, AlertIssued)] == [
        event.alert.alert_id for event in expected if isinstance(event, AlertIssued)
    ]
    assert engine.counts.late == (not devices_too)
    assert picture(events) == picture(expected)


def test_a_clock_that_was_long_wrong_with_all_its_devices_is_followed_back(make, sector) -> None:
    """Everything of the last half hour was stamped two hours ahead, and then no more."""
    early = make.world([make.walker([(0, 10, -24), (60, 10, 48)])], until_s=60).messages()
    wrong = []
    for k in range(60):
        at = make.start.after(7200 + 30 * k).rfc3339()
        payload = {**early[0]["payload"], "message_id": f"w{k}", "captured_at": at}
        wrong.append({**early[0], "payload": payload, "received_at": at})
    engine, events = fed(sector, [*wrong, *early])
    events += engine.flush()
    assert engine.counts.late == 0
    assert len([event for event in events if isinstance(event, AlertIssued)]) == 1


def test_a_message_from_before_the_horizon_changes_nothing_and_is_counted(make, sector) -> None:
    lines = night(make, 5)
    old = {**lines[30], "payload": {**lines[30]["payload"], "message_id": "old"}}
    old["received_at"] = "2026-03-14T17:30:00.000Z"
    engine, events = fed(sector, [*lines, old])
    events += engine.flush()
    reference, expected = fed(sector, lines)
    expected += reference.flush()
    assert [type(event) for event in events if isinstance(event, MessageLate)] == [MessageLate]
    assert engine.counts.late == 1
    assert picture(events) == picture(expected)


def test_a_clock_that_runs_ahead_pulls_nobody_along(make, sector) -> None:
    lines = night(make, 6)
    ahead = {**lines[5]["payload"], "message_id": "x", "captured_at": "2026-03-14T18:30:00.000Z"}
    odd = {**lines[5], "payload": ahead}
    engine, events = fed(sector, [*lines[:10], odd, *lines[10:]])
    events += engine.flush()
    reference, expected = fed(sector, lines)
    expected += reference.flush()
    (refused,) = [event for event in events if isinstance(event, MessageRefused)]
    assert "the clock of" in refused.reason
    assert (engine.counts.refused, engine.counts.late) == (1, 0)
    assert picture(events) == picture(expected)


def test_memory_is_bounded_by_the_horizon(make, sector_maker) -> None:
    """Two hours of someone strolling: log, checkpoints and lines stay those of one horizon."""
    sector = sector_maker.load(rules="[rules.time]\nhorizon_s = 60\n")
    engine = Engine(sector)
    walker = make.walker([(0, -500, -100), (900, 500, -100)])
    sizes = []
    for line in make.world([walker], eyes=[make.eye(fps=1.0)], until_s=900).messages():
        message, received_at = recorded(json.dumps(line).encode(), sector)
        engine.step(message, received_at=received_at)
        stretches = engine._course.stretches
        lines = sum(len(stretch.lines) for stretch in stretches)
        sizes.append((len(engine._arrivals.log), lines, len(stretches)))
    middle, end = sizes[300], sizes[-1]
    assert all(now <= before + 12 for before, now in zip(middle, end, strict=True))
    assert max(end) < 200
    assert len(engine._arrivals._seen) < 200


def test_an_hour_without_anyone_is_skipped_cheaply(make, sector, monkeypatch) -> None:
    ticks = []
    tick = Core._tick
    monkeypatch.setattr(Core, "_tick", lambda self, at_s: ticks.append(at_s) or tick(self, at_s))
    engine = Engine(sector)
    (line, *_) = make.world([], until_s=1).messages()
    message, received_at = recorded(json.dumps(line).encode(), sector)
    engine.step(message, received_at=received_at)
    for second in range(0, 36_000, 600):
        engine.tick(received_at.after(second))
    assert ticks == []
