"""Bad input: it is refused or mended at the door, counted, and costs nobody else anything."""

import json
import pickle
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.messages import UtcTime
from fusion import intake as intake_module
from fusion.device_clock import DeviceClock, Lag
from fusion.engine import Engine
from fusion.events import AlertIssued, MessageRefused, TracksRevised, TracksUpdated, is_void
from fusion.intake import Intake, Refusals
from fusion.replay import recorded
from fusion.sector import Sector, load_sector
from fusion.tracking.placing import with_time_error


@pytest.fixture(scope="module")
def sector_dir(tmp_path_factory, make) -> Sector:
    return load_sector(make.sector_at(tmp_path_factory.mktemp("sector"), 22.9, 105.3))


def shifted(text: str, seconds: float) -> str:
    return UtcTime.parse(text).after(seconds).rfc3339()


def sent(lines, *, transit_s=0.1, error_s=lambda _t: 0.0) -> list:
    """Return lines as devices send them whose clock is wrong by `error_s` of the true time.

    What the world captured at t leaves at once and arrives `transit_s` later.
    """
    told = []
    for line in lines:
        captured = line["payload"]["captured_at"]
        wrong = shifted(captured, error_s(UtcTime.parse(captured).timestamp()))
        payload = {**line["payload"], "captured_at": wrong, "sent_at": wrong}
        told.append(
            {**line, "payload": payload, "received_at": shifted(captured, transit_s)},
        )
    return told


def merged(*streams: list) -> list:
    return sorted(
        (line for stream in streams for line in stream),
        key=lambda line: (line["received_at"], line["payload"]["message_id"]),
    )


def fed(sector, lines) -> tuple[Engine, list]:
    engine, events = Engine(sector), []
    for line in lines:
        message, received_at = recorded(json.dumps(line).encode(), sector)
        events += engine.step(message, received_at=received_at)
    events += engine.flush()
    return engine, events


def picture(events) -> dict:
    """What a listener holds who obeys the revisions."""
    lines = {}
    for event in events:
        if isinstance(event, TracksRevised):
            lines = {key: line for key, line in lines.items() if not is_void(line, event.since)}
        elif isinstance(event, TracksUpdated):
            lines |= {(line.t, line.track_id): line for line in event.updates}
    return lines


def tracks(events) -> set[str]:
    return {track_id for _, track_id in picture(events)}


def codes(engine) -> dict:
    return {name: dict(found) for name, found in engine.intake.refusals.by_sender.items()}


def seen_by(make, name, *, until_s=40.0, fps=5.0, seed=1, path=None, phase_s=0.0) -> list:
    """One walker, who crosses the line, as one camera sees them."""
    walker = make.walker(path or [(0, 10, -20), (until_s, 10, 20)])
    eye = make.eye(name, fps=fps, detect=1.0, phase_s=phase_s)
    return make.world([walker], eyes=[eye], until_s=until_s, seed=seed).messages()


# -- clocks ----------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), late=st.booleans())
def test_with_right_clocks_no_order_of_arrival_changes_anything(
    make, sector_dir, seed, late
) -> None:
    dice = random.Random(seed)
    world = make.world(
        [make.walker([(0, 5, -12), (16, 8, 12)]), make.walker([(0, 30, -5), (16, 25, -15)])],
        eyes=[make.eye("cam-1", fps=3), make.eye("cam-2", fps=2, phase_s=0.11)],
        units=[("unit-1", make.walker([(0, -30, -20), (16, -20, 15)]), 3.0, 5.0)],
        until_s=16,
        seed=seed,
    ).messages()
    _, expected = fed(sector_dir, world)  # nobody says when it sent
    on_time = sent(world)
    assert picture(fed(sector_dir, on_time)[1]) == picture(expected)
    if late:  # one link is gone for a while: what waited there leaves, and says so
        again = shifted(world[-1]["received_at"], 20)
        lines = [
            {
                **line,
                "received_at": shifted(again, 0.01 * i),
                "payload": {**line["payload"], "sent_at": shifted(again, 0.01 * i - 0.1)},
            }
            if line["payload"].get("device_id") == "cam-1"
            else line
            for i, line in enumerate(on_time)
        ]
    else:  # anything may happen on the way, though nobody stamped it anew
        lines = [
            {**line, "received_at": shifted(line["received_at"], dice.choice([0, 1, 5, 30, 300]))}
            for line in on_time + dice.sample(on_time, len(on_time) // 3)
        ]
    engine, events = fed(sector_dir, sorted(lines, key=lambda line: line["received_at"]))
    assert picture(events) == picture(expected)
    assert codes(engine) == {}
    assert engine.intake.clock_offsets_s == {}


@settings(max_examples=12, deadline=None)
@given(
    error_s=st.sampled_from([3600.0, -3600.0, 37.0, -37.0, 600.0, -600.0, -5.0, 4.0]),
    seed=st.integers(0, 100),
)
def test_a_device_with_a_wrong_clock_is_one_eye_among_others(
    make, sector_dir, error_s, seed
) -> None:
    right = sent(seen_by(make, "cam-1", seed=seed))
    wrong = sent(
        seen_by(make, "cam-2", seed=seed + 1, phase_s=0.07),
        transit_s=0.3,
        error_s=lambda _t: error_s,
    )
    engine, events = fed(sector_dir, merged(right, wrong))
    assert engine.intake.clock_offsets_s["cam-2"] == pytest.approx(-error_s, abs=0.35)
    assert list(engine.intake.clock_offsets_s) == ["cam-2"]
    assert len(tracks(events)) == 1
    assert len([event for event in events if isinstance(event, AlertIssued)]) == 1
    refused = sum(codes(engine).get("cam-2", {}).values())
    assert refused <= 22  # four seconds until an hour's difference is no delay
    assert "cam-1" not in codes(engine)
    both = [line for line in picture(events).values() if line.devices == ("cam-1", "cam-2")]
    assert len(both) > 20


def test_a_delay_within_the_tolerance_is_left_alone_to_the_millisecond(make, sector_dir) -> None:
    lines = seen_by(make, "cam-1", until_s=20)
    _, expected = fed(sector_dir, lines)
    for transit_s in (0.0, 0.4, 1.9):
        engine, events = fed(sector_dir, sent(lines, transit_s=transit_s))
        assert picture(events) == picture(expected)
        assert engine.intake.clock_offsets_s == {}


@pytest.mark.parametrize("rate", [1e-4, 1e-2, -1e-2])
def test_a_clock_that_drifts_is_followed(make, sector_dir, rate) -> None:
    until_s = 400.0
    path = [(0, -150, -30), (until_s, 150, -30)]
    began_s = make.start.timestamp()
    right = sent(seen_by(make, "cam-1", until_s=until_s, fps=2, path=path))
    wrong = sent(
        seen_by(make, "cam-2", until_s=until_s, fps=2, path=path, seed=2, phase_s=0.2),
        error_s=lambda t: (10.0 if rate > 0 else -10.0) + rate * (t - began_s),
    )
    engine, events = fed(sector_dir, merged(right, wrong))
    error_s = (10.0 if rate > 0 else -10.0) + rate * until_s
    assert engine.intake.clock_offsets_s["cam-2"] == pytest.approx(-error_s, abs=0.25)
    assert len(tracks(events)) == 1


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 37.0, -37.0])
def test_a_clock_that_jumps_is_followed_within_a_few_messages(make, sector_dir, jump_s) -> None:
    jumps_at_s = make.start.timestamp() + 15.0
    right = sent(seen_by(make, "cam-1"))
    wrong = sent(
        seen_by(make, "cam-2", seed=2, phase_s=0.07),
        error_s=lambda t: jump_s if t >= jumps_at_s else 0.0,
    )
    engine, events = fed(sector_dir, merged(right, wrong))
    assert engine.intake.clock_offsets_s["cam-2"] == pytest.approx(-jump_s, abs=0.2)
    assert sum(codes(engine).get("cam-2", {}).values()) <= 22
    assert engine.intake.flags == {"cam-2": {"clock_jump": 1}}
    assert len(tracks(events)) == 1
    back = sent(
        seen_by(make, "cam-2", seed=2, phase_s=0.07),
        error_s=lambda t: 0.0 if t >= jumps_at_s else jump_s,
    )
    engine, events = fed(sector_dir, merged(right, back))
    assert engine.intake.clock_offsets_s == {}
    assert len(tracks(events)) == 1


def test_a_clock_that_is_set_right_while_messages_wait_is_counted(make, sector_dir) -> None:
    """Captured by the old clock, an hour ahead; sent by the new one."""
    lines = sent(seen_by(make, "cam-1", until_s=20))
    queued = sent(seen_by(make, "cam-2", until_s=2), error_s=lambda _t: 3600.0)
    for line in queued:
        line["payload"]["sent_at"] = shifted(line["payload"]["sent_at"], -3600.0)
    engine, events = fed(sector_dir, merged(lines, queued))
    assert codes(engine) == {"cam-2": {"clock_contradicts": 10}}
    assert picture(events) == picture(fed(sector_dir, lines)[1])


def test_a_device_that_says_how_far_off_it_is_is_believed_at_once(make, sector_dir) -> None:
    """Its gaps agree: so not even the first frames are late."""
    right = sent(seen_by(make, "cam-1"))
    wrong = sent(seen_by(make, "cam-2", seed=2, phase_s=0.07), error_s=lambda _t: -3600.0)
    status = {
        "received_at": shifted(make.start.rfc3339(), 0.05),
        "topic": "tuanbien/v1/ha-giang/cam-2/status",
        "payload": {
            "v": 1,
            "message_id": "s1",
            "device_id": "cam-2",
            "sector": "ha-giang",
            "online": True,
            "captured_at": shifted(make.start.rfc3339(), -3600.0),
            "sent_at": shifted(make.start.rfc3339(), -3600.0),
            "clock_offset_s": 3600.0,
        },
    }
    engine, events = fed(sector_dir, merged(right, wrong, [status]))
    assert engine.intake.clock_offsets_s == {"cam-2": 3600.0}
    assert codes(engine) == {}
    assert len(tracks(events)) == 1
    # One that says the opposite of what its messages show is not.
    status["payload"]["clock_offset_s"] = -3600.0
    engine, _ = fed(sector_dir, merged(right, wrong, [status]))
    assert engine.intake.clock_offsets_s["cam-2"] == pytest.approx(3600.0, abs=0.2)


def test_messages_that_a_broker_kept_while_fusion_was_away_are_no_wrong_clock(
    make, sector_dir
) -> None:
    lines = sent(merged(seen_by(make, "cam-1"), seen_by(make, "cam-2", seed=2, phase_s=0.07)))
    expected = fed(sector_dir, lines)[1]
    began = lines[-1]["received_at"]
    for per_message_s in (0.002, 0.02, 0.09):  # 100 are sent in 10 s: from 50 times to live speed
        kept = [
            {**line, "received_at": shifted(began, 60 + per_message_s * i)}
            for i, line in enumerate(lines)
        ]
        engine, events = fed(sector_dir, kept)
        assert picture(events) == picture(expected)
        assert engine.intake.clock_offsets_s == {}
        assert codes(engine) == {}


def test_a_clock_ahead_without_sent_at_is_refused_and_counted(make, sector_dir) -> None:
    lines = seen_by(make, "cam-1", until_s=10)
    ahead = [
        {**line, "payload": {**line["payload"], "captured_at": shifted(captured, 3600)}}
        for line in seen_by(make, "cam-2", until_s=10)
        if (captured := line["payload"]["captured_at"])
    ]
    engine, events = fed(sector_dir, merged(lines, ahead))
    assert codes(engine) == {"cam-2": {"clock_ahead": 50}}
    assert picture(events) == picture(fed(sector_dir, lines)[1])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.0, 5.0), st.sampled_from([0.0, 0.3, 37.0, -37.0, 3600.0, -3600.0])),
        max_size=60,
    )
)
def test_no_sequence_of_gaps_breaks_a_clock(steps) -> None:
    clock, now_s = DeviceClock(tolerance_s=2.0, settle_s=3.0, patience_s=900.0), 0.0
    for wait_s, gap_s in steps:
        now_s += wait_s
        clock.hear(now_s, gap_s, 0.0)
        assert -3600.0 <= clock.offset_s <= 3600.0
        assert (clock.sigma_s > 0.0) == (clock.offset_s != 0.0)
        assert len(clock._run) <= 256


@pytest.mark.parametrize("seed", range(3))
def test_a_fusion_that_lags_takes_no_clock_for_wrong(seed) -> None:
    """Under load every message came 3 to 15 s late, and one corrected clock made all others wrong."""
    dice, lag, last_s, lag_s = random.Random(seed), Lag(), 0.0, 0.0
    clocks = {
        f"cam-{n}": DeviceClock(tolerance_s=2.0, settle_s=3.0, patience_s=900.0) for n in range(20)
    }
    for frame in range(600):
        if frame % 60 == 0:
            lag_s = dice.choice([0.0, 3.0, 6.0, 15.0, 8.0, 2.5])
        for number, (name, clock) in enumerate(clocks.items()):
            sent_s = 0.2 * frame + 0.01 * number
            last_s = max(last_s, sent_s + 0.02 + lag_s + dice.uniform(0.0, 0.1))
            clock.hear(last_s, last_s - sent_s, lag.floor_s(name, last_s - 1.0))
            lag.note(last_s, last_s - sent_s, name)
            assert clock.offset_s == 0.0


# -- floods ----------------------------------------------------------------------------------


def test_a_flood_is_bounded_and_counted_and_the_others_go_on(make, sector_dir) -> None:
    good = seen_by(make, "cam-1", until_s=20)
    flood = [
        {
            **line,
            "payload": {**line["payload"], "message_id": f"{line['payload']['message_id']}-{k}"},
        }
        for line in seen_by(make, "cam-2", until_s=4, path=[(0, 400, -90), (4, 400, -86)])
        for k in range(100)
    ]
    engine, events = fed(sector_dir, merged(good, flood))
    assert codes(engine) == {"cam-2": {"flood": 4 * (500 - 60)}}
    alone = picture(fed(sector_dir, good)[1])
    mine = {key: line for key, line in picture(events).items() if "cam-1" in line.devices}
    assert mine == alone


def test_an_hour_that_is_flushed_at_once_is_no_flood(make, sector_maker) -> None:
    sector = sector_maker.load(rules="[rules.time]\nhorizon_s = 4000\n")
    walker = make.walker([(0, -500, -100), (3600, 500, -100)])
    lines = sent(make.world([walker], eyes=[make.eye(fps=1.0)], until_s=3600).messages())
    began = shifted(make.start.rfc3339(), 3600)
    flushed = [
        {
            **line,
            "received_at": shifted(began, 0.02 * i),
            "payload": {**line["payload"], "sent_at": shifted(began, 0.02 * i - 0.05)},
        }
        for i, line in enumerate(lines)
    ]
    engine = Engine(sector)
    for line in flushed:
        message, received_at = recorded(json.dumps(line).encode(), sector)
        engine._accept(message, received_at.timestamp())
    assert codes(engine) == {}
    assert len(engine._arrivals.log) == 3600


# -- jumps -----------------------------------------------------------------------------------


def patrol(make, *, jumps=(), until_s=60, away=(1000.0, 0.0)) -> list:
    """A patrol's positions every two seconds; those of `jumps` lie a kilometre off."""
    way = make.walker([(0, 10, -20), (until_s, 12, 20)])
    off = make.walker([(0, 10 + away[0], -20 + away[1]), (until_s, 12 + away[0], 20 + away[1])])

    def sent_by(walker) -> list:
        unit = ("unit-1", walker, 2.0, 5.0)
        return make.world([], eyes=[], units=[unit], until_s=until_s).messages()

    return [
        there if number in jumps else here
        for number, (here, there) in enumerate(zip(sent_by(way), sent_by(off), strict=True))
    ]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_position_that_jumps_is_set_aside_whatever_comes_first(make, sector_dir, seed) -> None:
    lines = patrol(make, jumps={7, 19})
    rest = lines[2:]
    random.Random(seed).shuffle(rest)
    late = shifted(lines[-1]["received_at"], 5)
    lines = [{**line, "received_at": late} for line in (*lines[:2], *rest)]
    engine, _ = fed(sector_dir, lines)
    # One that came before its neighbours may have passed; of the right ones hardly any is lost.
    assert codes(engine)["unit-1"]["jump"] <= 4
    assert codes(fed(sector_dir, patrol(make, jumps={7, 19}))[0]) == {"unit-1": {"jump": 2}}


def test_a_patrol_that_really_is_elsewhere_is_believed_at_the_third_position(
    make, sector_dir
) -> None:
    lines = patrol(make, jumps=set(range(10, 99)))
    engine, _ = fed(sector_dir, lines)
    assert codes(engine) == {"unit-1": {"jump": 2}}
    last = engine._course.core.units["unit-1"].fixes[-1]
    assert last.at.x_m > 900.0


def test_a_copy_of_a_position_does_not_confirm_it(make, sector_dir) -> None:
    lines = patrol(make, jumps={9})
    engine, _ = fed(sector_dir, [*lines[:9], lines[9], lines[9], lines[9], *lines[10:]])
    assert set(codes(engine)["unit-1"]) == {"jump"}
    assert engine._course.core.units["unit-1"].fixes[-1].at.x_m < 100.0


def test_a_patrol_that_jumps_holds_back_as_one_that_does_not(make, sector_dir) -> None:
    walkers = [make.walker([(0, 10, -20), (60, 12, 20)])]
    seen = make.world(walkers, until_s=60).messages()
    _, events = fed(sector_dir, merged(seen, patrol(make, jumps={8, 15, 16})))
    assert not [event for event in events if isinstance(event, AlertIssued)]


def test_a_drone_that_jumps_loses_that_frame_only(make, sector_dir) -> None:
    good = seen_by(make, "cam-1", until_s=20)
    flown = seen_by(make, "uav-1", until_s=20, seed=2, phase_s=0.07)
    for number, line in enumerate(flown):
        lat = 22.9 + 1e-5 * number + (0.01 if number == 40 else 0.0)
        sensor = {"kind": "drone", "lat": lat, "lon": 105.3, "alt_m": 900.0}
        line["payload"]["sensor"] = sensor
    engine, events = fed(sector_dir, merged(good, flown))
    assert codes(engine) == {"uav-1": {"jump": 1}}
    assert len(tracks(events)) == 1


def test_a_fixed_camera_that_is_elsewhere_is_noted_and_heard(make, sector_dir) -> None:
    lines = seen_by(make, "cam-1", until_s=20)
    for line in lines[60:]:
        line["payload"]["sensor"] = {"kind": "camera", "lat": 22.901, "lon": 105.3}
    engine, events = fed(sector_dir, lines)
    assert engine.intake.flags == {"cam-1": {"sensor_moved": 3}}
    assert codes(engine) == {}
    assert len(tracks(events)) == 1


# -- the rest --------------------------------------------------------------------------------


def test_a_message_of_another_sector_is_refused(make, sector_dir) -> None:
    (line, *_) = seen_by(make, "cam-1", until_s=1)
    line["payload"]["sector"] = "elsewhere"
    line["topic"] = "tuanbien/v1/elsewhere/cam-1/detections"
    from edge.messages import decode  # noqa: PLC0415 - `recorded` refuses it before the engine

    message = decode(line["topic"], json.dumps(line["payload"]).encode())
    engine = Engine(sector_dir)
    (event,) = engine.step(message, received_at=make.start)
    assert isinstance(event, MessageRefused)
    assert codes(engine) == {"cam-1": {"sector": 1}}


def test_a_position_on_the_other_side_of_the_earth_is_refused(make, sector_dir) -> None:
    lines = patrol(make)
    lines[5]["payload"] |= {"lat": -22.0, "lon": -75.0}
    engine, _ = fed(sector_dir, lines)
    assert codes(engine) == {"unit-1": {"elsewhere": 1}}


def test_memory_is_bounded_in_senders_and_for_each(make, sector_dir, monkeypatch) -> None:
    monkeypatch.setattr(intake_module, "SENDERS_KEPT", 100)
    monkeypatch.setattr(intake_module, "_SHED", 10)
    monkeypatch.setattr(intake_module, "_COUNTED", 20)
    door = Intake(sector_dir.rules, sector_dir.frame, sector_dir.id)
    (line, *_) = seen_by(make, "cam-1", until_s=1)
    for number in range(300):
        name = f"cam-{number}"
        payload = {**line["payload"], "device_id": name, "captured_at": "2036-01-01T00:00:00Z"}
        topic = f"tuanbien/v1/ha-giang/{name}/detections"
        message, at = recorded(
            json.dumps({**line, "topic": topic, "payload": payload}).encode(), sector_dir
        )
        door.admit(message, at.timestamp())
    assert len(door._senders) <= 100
    assert len(door._clocks) == len(door._senders)
    assert sum(sum(found.values()) for found in door.refusals.by_sender.values()) == 300
    assert len(door.refusals.by_sender) == 21
    assert door.refusals.by_sender["fusion"] == {"clock_ahead": 280}


def test_the_worst_come_first_and_counts_from_two_places_are_added() -> None:
    one, other = Refusals(), Refusals()
    one.count("cam-1", "flood", 3)
    one.count("cam-2", "jump")
    other.count("cam-2", "malformed", 9)
    other.count("cam-3", "malformed", 2)
    assert one.worst(2, other) == {"cam-1": {"flood": 3}, "cam-2": {"jump": 1, "malformed": 9}}


def test_the_door_goes_on_from_a_copy_as_if_nothing_had_been(make, sector_dir) -> None:
    lines = merged(
        sent(seen_by(make, "cam-1")),
        sent(seen_by(make, "cam-2", seed=2, phase_s=0.07), error_s=lambda _t: -37.0),
    )
    messages = [recorded(json.dumps(line).encode(), sector_dir) for line in lines]
    door = Intake(sector_dir.rules, sector_dir.frame, sector_dir.id)
    whole = [door.admit(message, at.timestamp()) for message, at in messages]
    door = Intake(sector_dir.rules, sector_dir.frame, sector_dir.id)
    parts = [door.admit(message, at.timestamp()) for message, at in messages[:17]]
    frame, door._frame = door._frame, None  # it belongs to the sector
    door = pickle.loads(pickle.dumps(door))  # noqa: S301 - our own
    door._frame = frame
    parts += [door.admit(message, at.timestamp()) for message, at in messages[17:]]
    assert parts == whole
    assert not door.holds


def test_what_is_held_is_let_go_by_the_clock_though_nobody_sends_any_more(
    make, sector_dir
) -> None:
    """A broker's last messages after a restart waited at the door for a next one for ever."""
    lines = sent(seen_by(make, "cam-1", until_s=2.0), transit_s=20.0)
    engine = Engine(sector_dir)
    for line in lines:
        message, received_at = recorded(json.dumps(line).encode(), sector_dir)
        engine.step(message, received_at=received_at)
    engine.tick(received_at.after(7.0))
    assert engine.counts.detections == 0
    engine.tick(received_at.after(10.5))
    assert engine.counts.detections == len(lines)


def test_an_error_in_time_is_an_error_of_place() -> None:
    assert with_time_error((4.0, 1.0, 9.0), 0.0, "person") == (4.0, 1.0, 9.0)
    assert with_time_error((4.0, 1.0, 9.0), 2.0, "person") == pytest.approx((11.84, 1.0, 16.84))
    assert with_time_error((4.0, 1.0, 9.0), 2.0, "vehicle") == (904.0, 1.0, 909.0)
