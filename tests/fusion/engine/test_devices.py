"""Blind is not quiet: who is silent or blind is told, whatever the order in which it was learnt."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.messages import (
    DetectionsMessage,
    Polygon,
    PositionMessage,
    Scene,
    Sensor,
    SensorKind,
    Severity,
    StatusMessage,
    UtcTime,
)
from fusion.sector import Sector
from fusion.situation.device_record import Cause
from fusion.situation.devices import DeviceFault, DeviceWatch
from fusion.snapshot import dumped, loaded

T0 = UtcTime.parse("2026-03-14T17:00:00.000Z")
T0_S = T0.timestamp()
SENSOR = Sensor(kind=SensorKind.CAMERA, lat=22.9, lon=105.3)


def status(device: str, at_s: float, **said: Any) -> StatusMessage:
    said = {"online": True, "sensor": SENSOR, "scene": Scene.CLEAR} | said
    return StatusMessage(
        v=1,
        message_id=f"{device}-{at_s}",
        sector="ha-giang",
        device_id=device,
        captured_at=T0.after(at_s),
        **said,
    )


def frame(device: str, at_s: float) -> DetectionsMessage:
    return DetectionsMessage(
        v=1,
        message_id=f"{device}-f{at_s}",
        sector="ha-giang",
        device_id=device,
        captured_at=T0.after(at_s),
        sensor=SENSOR,
        detections=(),
    )


def every(
    device: str, begin_s: float, end_s: float, step_s: float = 5.0, **said: Any
) -> list[StatusMessage]:
    count = int((end_s - begin_s) / step_s) + 1
    return [status(device, begin_s + n * step_s, **said) for n in range(count)]


def by_time(*lists: list[Any]) -> list[Any]:
    return sorted((one for each in lists for one in each), key=lambda one: one.captured_at)


def told(sector: Sector, messages, *, clocks: list[float] | None = None) -> DeviceWatch:
    """As they come: each at its own time, or at those clocks (seconds since T0)."""
    watch = DeviceWatch(sector)
    for number, message in enumerate(messages):
        at_s = message.captured_at.timestamp()
        clock_s = at_s if clocks is None else T0_S + clocks[number]
        watch.advance(clock_s)
        watch.note(message, at_s, clock_s)
    return watch


def settled(watch: DeviceWatch) -> list[DeviceFault]:
    watch.settle()
    return list(watch.faults.values())


def spans(faults) -> list[tuple]:
    return sorted(
        (one.cause, one.devices, round(one.began_s - T0_S, 3), one.ended_s and one.ended_s - T0_S)
        for one in faults
    )


def test_a_camera_that_dies_is_told_of_after_a_minute(sector) -> None:
    watch = DeviceWatch(sector)
    known_s = None
    for message in by_time(every("cam-1", 0, 100), every("cam-2", 0, 300)):
        at_s = message.captured_at.timestamp()
        watch.advance(at_s)
        if watch.faults and known_s is None:
            known_s = at_s - T0_S
        watch.note(message, at_s, at_s)
    assert known_s == pytest.approx(165.0, abs=5.0)
    (fault,) = watch.faults.values()
    assert (fault.cause, fault.devices, fault.ended_s) == (Cause.SILENT, ("cam-1",), None)
    assert fault.began_s - T0_S == 100.0
    assert fault.known_s - T0_S == 160.0
    assert fault.severity is Severity.LOW
    assert fault.at == pytest.approx((0.0, 0.0), abs=1e6)


def test_frames_are_a_sign_of_life_as_statuses_are(sector) -> None:
    frames = [frame("cam-1", at) for at in range(0, 300, 2)]
    watch = told(sector, by_time([status("cam-1", 0)], frames, every("cam-2", 0, 300)))
    assert settled(watch) == []


def test_who_never_said_how_it_is_owes_nobody_a_sign(sector) -> None:
    watch = told(sector, by_time([frame("tip-line", 0)], every("cam-2", 0, 300)))
    assert settled(watch) == []


def test_the_end_of_a_recording_is_no_silence(sector) -> None:
    watch = told(sector, by_time(every("cam-1", 0, 100), every("cam-2", 0, 130)))
    assert settled(watch) == []


def test_it_is_over_when_it_is_heard_again_and_flapping_is_one(sector) -> None:
    flaps = [*every("cam-1", 0, 100), *every("cam-1", 200, 230), *every("cam-1", 320, 900)]
    (fault,) = settled(told(sector, by_time(flaps, every("cam-2", 0, 900))))
    assert spans([fault]) == [(Cause.SILENT, ("cam-1",), 100.0, 320.0)]


def test_a_silence_that_lasts_is_more_urgent(sector) -> None:
    (fault,) = settled(told(sector, by_time(every("cam-1", 0, 100), every("cam-2", 0, 800))))
    assert fault.severity is Severity.MEDIUM


def test_late_messages_that_fill_the_gap_take_it_back(sector) -> None:
    lost = every("cam-1", 105, 295)
    on_time = by_time(every("cam-1", 0, 100), every("cam-1", 300, 400), every("cam-2", 0, 400))
    watch = told(sector, on_time)
    watch.advance(T0_S + 400)
    assert [one.cause for one in watch.faults.values()] == [Cause.SILENT]
    for message in lost:
        watch.note(message, message.captured_at.timestamp(), T0_S + 400)
    watch.advance(T0_S + 401)
    assert watch.faults == {}


def test_who_is_behind_is_not_silent(sector) -> None:
    """Its messages come two minutes late, by a slow link; but they come."""
    watch = DeviceWatch(sector)
    for at in range(0, 600, 5):
        watch.advance(T0_S + at)
        for name, behind_s in (("cam-1", 120.0), ("cam-2", 0.0)):
            if at >= behind_s:
                message = status(name, at - behind_s)
                watch.note(message, message.captured_at.timestamp(), T0_S + at)
        assert watch.faults == {} or at < 200
    assert watch.faults == {}


def test_a_good_bye_is_no_silence_and_a_drone_may_land(sector) -> None:
    stopped = [*every("cam-1", 0, 100), status("cam-1", 101, online=False, scene=None)]
    air = Sensor(kind=SensorKind.DRONE, lat=22.9, lon=105.3)
    landed = [
        *every("drone-1", 0, 100, sensor=air),
        status("drone-1", 101, online=False, sensor=None),
    ]
    watch = told(sector, by_time(stopped, landed, every("cam-2", 0, 300)))
    assert spans(settled(watch)) == [(Cause.OFFLINE, ("cam-1",), 101.0, None)]


def test_a_restart_within_a_minute_is_no_news(sector) -> None:
    again = [
        *every("cam-1", 0, 100),
        status("cam-1", 101, online=False),
        *every("cam-1", 130, 400),
    ]
    assert settled(told(sector, by_time(again, every("cam-2", 0, 400)))) == []


def test_a_last_will_explains_a_silence_and_makes_none(sector) -> None:
    watch = told(sector, by_time(every("cam-1", 0, 100), every("cam-2", 0, 110)))
    will = StatusMessage(
        v=1, message_id="will", sector="ha-giang", device_id="cam-1", online=False
    )
    watch.note(will, None, T0_S + 120)
    watch.advance(T0_S + 121)
    assert watch.faults == {}
    for message in every("cam-2", 115, 300):
        watch.note(message, message.captured_at.timestamp(), message.captured_at.timestamp())
    (fault,) = settled(watch)
    assert [one.code for one in fault.reasons] == ["device_silent", "last_will"]


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ({"scene": Scene.COVERED}, Cause.COVERED),
        ({"scene": Scene.DARK}, Cause.DARK),
        ({"scene": Scene.MOVED}, Cause.MOVED),
        ({"scene": Scene.FROZEN}, Cause.FROZEN),
        ({"scene": Scene.BLURRED}, Cause.BLURRED),
        ({"frame_age_s": 45.0}, Cause.STALE),
        ({"fps": 0.0, "scene": None}, Cause.STALE),
        ({"queue_depth": 5000}, Cause.LINK),
    ],
)
def test_what_statuses_say_for_long_enough_is_told_until_it_is_over(sector, said, cause) -> None:
    bad = every("cam-1", 100, 200, **said)
    good = [*every("cam-1", 0, 95), *every("cam-1", 205, 400)]
    (fault,) = settled(told(sector, by_time(bad, good)))
    assert spans([fault]) == [(cause, ("cam-1",), 100.0, 205.0)]
    assert fault.known_s - T0_S == 130.0
    assert fault.severity is (Severity.LOW if cause is Cause.LINK else Severity.MEDIUM)


def test_a_cloud_or_a_moth_is_no_news(sector) -> None:
    blinks = [
        status("cam-1", at, scene=Scene.DARK if at % 60 < 15 else Scene.CLEAR)
        for at in range(0, 600, 5)
    ]
    assert settled(told(sector, blinks)) == []


def test_a_queue_that_is_worked_off_is_no_trouble(sector) -> None:
    shrinks = [status("cam-1", at, queue_depth=9000 - 10 * at) for at in range(0, 600, 5)]
    assert settled(told(sector, shrinks)) == []


def test_who_covers_a_camera_by_and_by_is_told_of_too(sector) -> None:
    """Covered and dark by turns: neither lasts, and it is blind all the same."""
    turns = [
        status("cam-1", at, scene=Scene.DARK if at % 20 < 10 else Scene.COVERED)
        for at in range(0, 200, 5)
    ]
    assert {one.cause for one in settled(told(sector, turns))} == {Cause.DARK, Cause.COVERED}


def test_a_mast_that_fails_is_one_fault_with_a_count(sector) -> None:
    mast = [every(f"cam-{n:03}", n % 5, 100 + n % 5) for n in range(100)]
    watch = DeviceWatch(sector)
    seen = set()
    for message in by_time(*mast, every("far-1", 0, 300), every("far-2", 0, 300)):
        at_s = message.captured_at.timestamp()
        watch.advance(at_s)
        seen |= set(watch.faults)
        watch.note(message, at_s, at_s)
    (fault,) = watch.faults.values()
    assert seen == {fault.id}  # and never one by one
    assert (fault.cause, len(fault.devices)) == (Cause.SILENT, 100)
    assert fault.reasons[1].value == 100.0


def test_who_stays_away_when_the_others_are_back_is_told_by_name(sector) -> None:
    mast = [every(f"cam-{n}", 0, 100) + every(f"cam-{n}", 400, 600) for n in range(9)]
    messages = by_time(*mast, every("cam-9", 0, 100), every("far", 0, 600))
    faults = settled(told(sector, messages))
    assert spans(faults) == [
        (Cause.SILENT, tuple(f"cam-{n}" for n in range(10)), 100.0, 400.0),
        (Cause.SILENT, ("cam-9",), 100.0, None),
    ]


def test_nobody_is_heard_any_more_is_one_notice_by_the_clock(sector) -> None:
    watch = told(sector, by_time(*(every(f"cam-{n}", 0, 100) for n in range(3))))
    watch.advance(T0_S + 155)
    assert watch.faults == {}
    assert watch.advance(T0_S + 161)
    (fault,) = watch.faults.values()
    assert (fault.cause, fault.severity) == (Cause.ALL_SILENT, Severity.HIGH)
    assert fault.known_s - T0_S == 160.0
    backlog = by_time(*(every(f"cam-{n}", 105, 500) for n in range(3)))
    for message in backlog:
        watch.note(message, message.captured_at.timestamp(), T0_S + 500)
    watch.advance(T0_S + 501)
    assert watch.faults == {}  # they were there all the time


def test_patrols_that_are_heard_show_that_the_devices_are_not(sector) -> None:
    here = [
        PositionMessage(
            v=1, message_id=f"p{at}", sector="ha-giang", unit_id="unit-1",
            captured_at=T0.after(at), lat=22.9, lon=105.3, accuracy_m=5.0,
        )
        for at in range(0, 300, 5)
    ]  # fmt: skip
    messages = by_time(here, *(every(f"cam-{n}", 0, 100) for n in range(3)))
    assert [one.cause for one in settled(told(sector, messages))] == [Cause.ALL_SILENT]


def test_a_patrol_that_is_heard_again_gives_event_time_back(sector) -> None:
    """The clock of this machine was an hour ahead: nobody was silent."""
    watch = told(sector, by_time(*(every(f"cam-{n}", 0, 100) for n in range(3))))
    watch.advance(T0_S + 3700)
    assert [one.cause for one in watch.faults.values()] == [Cause.ALL_SILENT]
    here = PositionMessage(
        v=1, message_id="p", sector="ha-giang", unit_id="unit-1", captured_at=T0.after(101),
        lat=22.9, lon=105.3, accuracy_m=5.0,
    )  # fmt: skip
    watch.note(here, T0_S + 101, T0_S + 3700)
    watch.advance(T0_S + 3700.5)
    assert watch.faults == {}


def test_the_trail_that_nobody_sees_any_more_is_a_reason(sector_maker) -> None:
    trail = sector_maker.line((0, -500), (0, -1))
    sector = sector_maker.load(
        trails={
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "geometry": {"type": "LineString", "coordinates": trail},
                    "properties": {"id": "trail-1"},
                }
            ],
        }
    )

    def footprint(north_m: float) -> Polygon:
        ring = sector_maker.square(0, north_m, 100)[0]
        return Polygon(type="Polygon", coordinates=(tuple(map(tuple, ring)),))

    one = every("cam-1", 0, 100, footprint=footprint(-300))
    other = every("cam-2", 0, 300, footprint=footprint(-200))
    (fault,) = settled(told(sector, by_time(one, other)))
    (reason,) = [each for each in fault.reasons if each.code == "blind_stretch"]
    assert reason.value == pytest.approx(100.0, abs=0.5)
    assert "trail-1 from 100 to 200 m" in reason.text


# -- laws --------------------------------------------------------------------------------------

scenes = st.sampled_from([Scene.CLEAR, Scene.CLEAR, Scene.COVERED, Scene.DARK])
pieces = st.tuples(st.sampled_from(["say", "see", "pause"]), st.integers(5, 130), scenes)


def life(device: str, plan) -> list:
    at_s, said = 0.0, [status(device, 0.0)]
    for what, lasts_s, scene in plan:
        if what == "say":
            said += every(device, at_s + 5.0, at_s + lasts_s, scene=scene)
        elif what == "see":
            said += [frame(device, at_s + 2.0 * n) for n in range(1, lasts_s // 2)]
        at_s += lasts_s
    return said


@settings(max_examples=60, deadline=None)
@given(
    plans=st.lists(st.lists(pieces, max_size=6), min_size=1, max_size=6),
    seed=st.integers(0, 2**32),
)
def test_no_order_of_arrival_changes_what_is_known_in_the_end(
    sector_of_order, plans, seed
) -> None:
    messages = by_time(*(life(f"cam-{n}", plan) for n, plan in enumerate(plans)))
    in_order = told(sector_of_order, messages)
    mixed = list(messages)
    random.Random(seed).shuffle(mixed)
    last_s = messages[-1].captured_at.timestamp() - T0_S
    clocks = sorted(random.Random(seed).uniform(0.0, last_s) for _ in mixed)
    clocks[-1] = last_s
    anyhow = told(sector_of_order, mixed, clocks=clocks)
    facts = [
        sorted((one._replace(reasons=()) for one in settled(each)), key=lambda one: one.id)
        for each in (in_order, anyhow)
    ]
    assert facts[0] == facts[1]


@settings(max_examples=40, deadline=None)
@given(
    plans=st.lists(st.lists(pieces, max_size=5), min_size=1, max_size=7),
    pause_s=st.integers(0, 1500),
)
def test_how_often_the_clock_is_told_changes_nothing(sector_of_order, plans, pause_s) -> None:
    """`due_s` says when it must be: the service ticks, and a replay jumps from due to due."""
    lives = by_time(*(life(f"cam-{n}", plan) for n, plan in enumerate(plans)))
    messages = [*lives, status("cam-0", lives[-1].captured_at.seconds_since(T0) + pause_s)]

    def said(*, ticking: bool) -> list:
        watch, clock_s, changes = DeviceWatch(sector_of_order), T0_S, []
        for message in messages:
            at_s = message.captured_at.timestamp()
            while clock_s < at_s:
                next_s = clock_s + 0.5
                if not ticking:
                    due_s = -(-watch.due_s // 0.5) * 0.5 if watch.due_s < at_s else at_s
                    next_s = max(next_s, due_s)
                clock_s = min(at_s, next_s)
                if watch.advance(clock_s):
                    changes.append((clock_s, dict(watch.faults)))
            watch.note(message, at_s, clock_s)
        watch.advance(clock_s)
        return [*changes, dict(watch.faults)]

    assert said(ticking=True) == said(ticking=False)


@pytest.fixture(scope="module")
def sector_of_order(tmp_path_factory) -> Sector:
    from tests.fusion.engine.conftest import SectorMaker  # noqa: PLC0415

    return SectorMaker(tmp_path_factory.mktemp("sector")).load()


def test_it_goes_on_from_a_snapshot(sector) -> None:
    messages = by_time(every("cam-1", 0, 100, scene=Scene.DARK), every("cam-2", 0, 400))
    whole = told(sector, messages)
    half = told(sector, messages[:40])
    again = loaded(dumped(half, sector), sector)
    for message in messages[40:]:
        at_s = message.captured_at.timestamp()
        again.advance(at_s)
        again.note(message, at_s, at_s)
    whole.settle()
    again.settle()
    assert whole.faults == again.faults


def test_memory_is_bounded_by_the_horizon(sector) -> None:
    def size(hours: float) -> int:
        flaps = [status("cam-1", at) for at in range(0, int(3600 * hours), 10) if at % 900 < 500]
        watch = told(sector, by_time(flaps, every("cam-2", 0, 3600 * hours, 10.0)))
        return len(dumped(watch, sector))

    assert size(3.0) < 1.2 * size(1.5)
