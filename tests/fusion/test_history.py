"""What the picture was: kept once, whatever is repeated or comes late, and not for ever."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as some

from edge.messages import (
    Polygon,
    PositionMessage,
    Scene,
    Sensor,
    SensorKind,
    StatusMessage,
    TrackState,
    TrackUpdate,
    UtcTime,
)

pytest.importorskip("fusion.store")
import sqlalchemy as sa
from msgspec.structs import replace

from fusion.engine import Engine
from fusion.events import TracksRevised, TracksUpdated
from fusion.history import GAP_S, Attendance, MinuteLines, Span, gaps, minute_of, start_of
from fusion.sector import load_sector
from fusion.store import Store
from fusion.tables import HISTORY_LINE, HISTORY_SPAN

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
HOME = "test-sector"
KEPT = {"kept_s": 60.0, "lost_kept_s": 600.0}


@pytest.fixture
def store(database_url) -> Iterator[Store]:
    opened = Store.open(database_url, migrate=True)
    yield opened
    opened.close()


def line(seconds, *, track_id="t1", lat=1.2, **changed: object) -> TrackUpdate:
    made = TrackUpdate(
        track_id=track_id,
        t=NOON.after(seconds),
        lat=lat,
        lon=-12.3,
        cov_m2=(4.0, 1.0, 9.0),
        velocity_mps=(0.5, -1.25),
        label="person",
        state=TrackState.CONFIRMED,
        devices=("cam-01",),
    )
    return replace(made, **changed)


def told(*lines: TrackUpdate) -> TracksUpdated:
    return TracksUpdated(tuple(lines))


def packed(*lines: TrackUpdate) -> bytes:
    kept = MinuteLines()
    for one in lines:
        kept.keep(one)
    return kept.pack()


def lines_of(store, since=-3600.0, until=3600.0) -> list[TrackUpdate]:
    with store.past(HOME) as past:
        return list(past.lines(NOON.after(since), NOON.after(until)))


def content(store) -> list[sa.Row]:
    with store._engine.begin() as connection:
        found = [
            connection.execute(sa.select(table).order_by(*table.primary_key)).all()
            for table in (HISTORY_LINE, HISTORY_SPAN)
        ]
    return [*found[0], *found[1]]


# -- lines of tracks -------------------------------------------------------------------------


@given(
    lat=some.floats(-90.0, 90.0),
    lon=some.floats(-180.0, 180.0),
    sigma_m=some.tuples(some.floats(0.02, 5e4), some.floats(0.02, 5e4)),
    correlation=some.floats(-0.99, 0.99),
    velocity=some.tuples(some.floats(-300.0, 300.0), some.floats(-300.0, 300.0)),
    state=some.sampled_from(TrackState),
    lost=some.booleans(),
    ms=some.integers(0, 59_999),
)
def test_a_packed_line_is_the_line_to_a_centimetre(
    lat, lon, sigma_m, correlation, velocity, state, lost, ms
) -> None:
    east_m, north_m = sigma_m
    before = line(
        ms / 1000.0,
        lat=lat,
        lon=lon,
        cov_m2=(east_m**2, correlation * east_m * north_m, north_m**2),
        velocity_mps=velocity,
        state=state,
        lost_near_line=lost,
        label="person",
        devices=("cam-01", "cam-02"),
    )
    minute = minute_of(before.t)
    (after,) = MinuteLines(packed(before)).lines("t1", minute=minute)
    assert (after.lat, after.lon) == pytest.approx((lat, lon), abs=6e-8)
    assert after.velocity_mps == pytest.approx(velocity, abs=0.0051)
    assert after.cov_m2 == pytest.approx(before.cov_m2, rel=0.005, abs=0.002 * east_m * north_m)
    assert after.cov_m2[1] ** 2 < after.cov_m2[0] * after.cov_m2[2]
    same = ("track_id", "label", "state", "devices", "lost_near_line")
    assert all(getattr(after, name) == getattr(before, name) for name in same)
    assert abs(after.t.seconds_since(before.t)) < 0.001


def test_a_track_is_packed_to_at_most_25_bytes_a_line() -> None:
    minute = [line(float(second), lat=1.2 + second * 1e-5) for second in range(60)]
    assert len(packed(*minute)) / 60 < 25


def test_the_same_lines_are_the_same_bytes_however_they_came() -> None:
    seen_by = [line(second, devices=(f"cam-{second % 3}",)) for second in range(9)]
    gone = MinuteLines(packed(line(30.0, devices=("cam-9",))))
    gone.drop_since(NOON.after(30.0), minute=minute_of(NOON))
    gone.join(MinuteLines(packed(*seen_by[::-1])))
    assert gone.pack() == packed(*seen_by)


@pytest.mark.parametrize("seconds", [1.001, 2.007, 59.999, 2.0075])
def test_a_line_is_there_at_its_very_instant_and_void_from_it(seconds) -> None:
    """1.001 s are 1000.9999999999999 ms: it was shown late; 2.007 s stayed when they were void."""
    at, minute = NOON.after(seconds), minute_of(NOON)
    kept = MinuteLines(packed(line(seconds)))
    assert kept.last("t1", minute=minute, until=at) is not None
    assert kept.last("t1", minute=minute, until=at.after(-0.001)) is None
    kept.drop_since(at, minute=minute)
    assert not kept


def test_a_minute_run_again_and_again_by_ever_other_devices_is_kept() -> None:
    """A byte names who saw a line; 300 re-runs of late data would have ended fusion."""
    kept = MinuteLines()
    for run in range(300):
        kept.keep(line(float(run % 50), devices=(f"cam-{run:03}",)))
    assert kept.pack() == packed(*(line(float(s), devices=(f"cam-{s + 250}",)) for s in range(50)))


def test_of_each_second_the_last_line_is_kept(store) -> None:
    store.save([told(line(0.0), line(0.5, lat=1.3), line(1.0))], sector=HOME, heard=[])
    store.save([told(line(0.2, lat=1.4))], sector=HOME, heard=[])
    assert [(one.t, round(one.lat, 6)) for one in lines_of(store)] == [
        (NOON.after(0.5), 1.3),
        (NOON.after(1.0), 1.2),
    ]


def test_what_late_data_make_void_is_replaced(store) -> None:
    store.save([told(*map(line, range(0, 200, 10)))], sector=HOME, heard=[])
    store.save(
        [told(line(45.0, track_id="t2"), line(130.0, track_id="t2"))], sector=HOME, heard=[]
    )
    revised = [TracksRevised({"t1": NOON.after(35.0)}), told(line(40.0, lat=1.5))]
    store.save(revised, sector=HOME, heard=[])
    ours = [(one.t, round(one.lat, 6)) for one in lines_of(store) if one.track_id == "t1"]
    assert ours == [
        *((NOON.after(seconds), 1.2) for seconds in (0.0, 10.0, 20.0, 30.0)),
        (NOON.after(40.0), 1.5),
    ]
    assert [one.t for one in lines_of(store) if one.track_id == "t2"] == [
        NOON.after(45.0),
        NOON.after(130.0),
    ]


def test_a_track_that_late_data_take_back_leaves_nothing(store) -> None:
    store.save([told(*map(line, range(0, 200, 10)))], sector=HOME, heard=[])
    store.save([TracksRevised({"t1": NOON})], sector=HOME, heard=[])
    assert content(store) == []


def test_to_save_it_again_changes_nothing(store) -> None:
    events = [
        told(line(1.0), line(2.0), line(61.0)),
        TracksRevised({"t1": NOON.after(2.0)}),
        told(line(2.0, lat=1.21), line(63.0, lat=1.22)),
    ]
    spans = [Span("cam-01", NOON, NOON.after(30.0), is_over=True, document="{}")]
    store.save(events, sector=HOME, heard=spans)
    before = content(store)
    store.save(events, sector=HOME, heard=spans)
    assert content(store) == before != []


def test_a_sector_that_keeps_none_has_none(store) -> None:
    store.save([told(line(1.0))], sector=HOME)
    assert content(store) == []
    with store.past(HOME) as past:
        assert past.kept_since() is None
        assert past.gaps(NOON, NOON.after(60.0)) == [(NOON, NOON.after(60.0))]


def test_who_was_lost_near_the_line_stays_in_the_picture_for_longer(store) -> None:
    ended = line(30.0, state=TrackState.ENDED, lost_near_line=True)
    store.save([told(ended, line(30.0, track_id="t2"))], sector=HOME, heard=[])

    def there(seconds: float) -> list[str]:
        with store.past(HOME) as past:
            return [one.track_id for one in past.lines_at(NOON.after(seconds), **KEPT)]

    assert there(29.0) == []
    assert there(90.0) == ["t1", "t2"]
    assert there(91.0) == there(630.0) == ["t1"]
    assert there(631.0) == []


def test_what_the_engine_said_by_an_instant_is_what_history_shows_of_it(
    store, sector_file, walk
) -> None:
    """The end of the walk is told before its middle: history has both where they belong."""
    messages = walk(begin=NOON)
    late = messages[20:40]
    engine = Engine(load_sector(sector_file))
    final: dict[str, list[TrackUpdate]] = {}
    now = NOON
    arrivals = [(one.captured_at.after(0.1), one) for one in messages if one not in late]
    arrivals += [(messages[-1].captured_at.after(5.0 + i / 50), one) for i, one in enumerate(late)]
    for now, message in arrivals:
        events = engine.step(message, received_at=now)
        store.save(events, sector=HOME, heard=[])
        _follow(final, events)
    for seconds in range(1, 40):
        events = engine.tick(now.after(seconds))
        store.save(events, sector=HOME, heard=[])
        _follow(final, events)
    assert final
    for half_seconds in range(1, 60):
        at = NOON.after(half_seconds / 2)
        with store.past(HOME) as past:
            shown = {one.track_id: one for one in past.lines_at(at, **KEPT)}
        for track_id, lines in final.items():
            past_ones = [one for one in lines if one.t <= at]
            if past_ones and track_id in shown:
                assert abs(shown[track_id].t.seconds_since(past_ones[-1].t)) <= 1.0
            else:
                assert past_ones == [] or past_ones[0].t.second == at.second
                assert track_id not in shown


def _follow(final, events) -> None:
    for event in events:
        if isinstance(event, TracksRevised):
            for track_id, since in event.since.items():
                final[track_id] = [one for one in final.get(track_id, []) if one.t < since]
        elif isinstance(event, TracksUpdated):
            for one in event.updates:
                final.setdefault(one.track_id, []).append(one)
                final[one.track_id].sort(key=lambda kept: kept.t)


# -- who was heard ---------------------------------------------------------------------------


def status(seconds, **changed: object) -> StatusMessage:
    made = StatusMessage(
        v=1,
        message_id=f"status-{seconds}",
        sector=HOME,
        device_id="cam-01",
        online=True,
        captured_at=NOON.after(seconds),
        sensor=Sensor(kind=SensorKind.CAMERA, lat=1.199, lon=-12.301),
        scene=Scene.CLEAR,
        fps=10.0,
    )
    return replace(made, **changed)


def position(seconds, *, lat=1.2) -> PositionMessage:
    return PositionMessage(
        v=1,
        message_id=f"position-{seconds}",
        sector=HOME,
        unit_id="patrol-1",
        captured_at=NOON.after(seconds),
        lat=lat,
        lon=-12.3,
        accuracy_m=5.0,
    )


def attended(messages, *, until=None) -> list[Span]:
    """Let messages come, each when it was sent, and half-seconds pass; return what is kept."""
    attendance, kept = Attendance(), {}
    last_s = max(at for at, _ in messages) if until is None else until
    waiting = sorted(messages, key=lambda pair: pair[0])
    for half_seconds in range(int(last_s * 2) + 1):
        while waiting and waiting[0][0] <= half_seconds / 2:
            at, message = waiting.pop(0)
            attendance.hear(message, at=NOON.after(at))
        for span in attendance.due(NOON.after(half_seconds / 2), last=half_seconds == last_s * 2):
            kept[span.sender, span.since] = span
    return sorted(kept.values())


def of(sender, spans) -> list[Span]:
    return [span for span in spans if span.sender == sender]


def test_a_device_that_goes_on_as_it_was_is_one_span() -> None:
    spans = attended([(float(s), status(s)) for s in range(0, 300, 5)])
    (span,) = of("cam-01", spans)
    assert (span.since, span.until, span.is_over) == (NOON, NOON.after(295.0), False)


@pytest.mark.parametrize(
    "changed",
    [
        {"scene": Scene.COVERED},
        {"online": False},
        {"frame_age_s": 60.0},
        {"sensor": Sensor(kind=SensorKind.CAMERA, lat=1.1985, lon=-12.301)},
        {"footprint": Polygon(type="Polygon", coordinates=(((0.0, 0.0),),))},
    ],
)
def test_what_changes_about_a_device_begins_another_span(changed) -> None:
    spans = attended([(float(s), status(s)) for s in (0, 5, 10)] + [(15.0, status(15, **changed))])
    assert [span.since for span in of("cam-01", spans)] == [NOON, NOON.after(15.0)]


def test_a_camera_that_trembles_in_the_wind_is_one_span() -> None:
    sensors = [
        Sensor(kind=SensorKind.CAMERA, lat=1.199 + step * 1e-6, lon=-12.301) for step in range(20)
    ]
    spans = attended([(5.0 * i, status(i, sensor=one)) for i, one in enumerate(sensors)])
    assert len(of("cam-01", spans)) == 1


def test_a_device_that_falls_silent_is_over() -> None:
    spans = attended([(0.0, status(0)), (5.0, status(5)), (60.0, status(60))], until=62)
    first, second = of("cam-01", spans)
    assert (first.until, first.is_over, second.since) == (NOON.after(5.0), True, NOON.after(60.0))


def test_what_the_broker_had_kept_was_not_said_now() -> None:
    spans = attended([(0.0, status(0)), (5.0, status(0)), (10.0, status(0))], until=30)
    (span,) = of("cam-01", spans)
    assert (span.until, span.is_over) == (NOON, True)


def test_a_patrol_that_walks_is_kept_every_five_seconds_and_one_that_stands_once() -> None:
    walks = attended([(float(s), position(s, lat=1.2 + s * 2e-5)) for s in range(60)])
    assert len(of("unit/patrol-1", walks)) == 12
    stands = attended([(float(s), position(s)) for s in range(60)])
    assert len(of("unit/patrol-1", stands)) == 1


def test_positions_that_were_under_way_for_long_stand_where_they_were() -> None:
    late = [(100.0 + i / 10, position(10 + 10 * i, lat=1.201 + i * 1e-3)) for i in range(5)]
    spans = of("unit/patrol-1", attended([(0.0, position(0)), *late], until=102))
    assert [span.since for span in spans] == [NOON.after(10.0 * n) for n in range(6)]


def test_a_message_that_comes_again_does_not_shorten_what_it_began(store) -> None:
    """The broker gave a patrol's old position again: it was shown as silent ever since."""
    attendance = Attendance()
    heard = [(0.0, 0), *((1.0 * s, s) for s in range(1, 40)), (40.0, 0)]
    for at_s, said_s in heard:
        lat = 1.2 if said_s < 30 else 1.21
        attendance.hear(position(said_s, lat=lat), at=NOON.after(at_s))
        store.save([], sector=HOME, heard=attendance.due(NOON.after(at_s)))
    with store.past(HOME) as past:
        (span,) = past.heard_at(NOON.after(29.0), at_most=9)
    assert (span.since, span.until) == (NOON, NOON.after(29.0))


def test_when_fusion_ran_is_known_and_when_not_is_a_gap(store) -> None:
    first, second = Attendance(), Attendance()
    spans = []
    for seconds in range(100):
        first.ran(NOON.after(seconds))
        spans += first.due(NOON.after(seconds), last=seconds == 99)
    for seconds in range(400, 500):
        second.ran(NOON.after(seconds))
        spans += second.due(NOON.after(seconds), last=seconds == 499)
    store.save([], sector=HOME, heard=spans)
    with store.past(HOME) as past:
        assert past.gaps(NOON.after(50.0), NOON.after(450.0)) == [
            (NOON.after(99.0), NOON.after(400.0))
        ]
        assert past.gaps(NOON, NOON.after(90.0)) == []
        assert past.kept_since() == NOON


def test_a_machine_that_slept_did_not_follow(store) -> None:
    """The lid was closed for an hour: playback showed an hour in which nobody moved."""
    attendance, spans = Attendance(), []
    for seconds in (*range(100), *range(3700, 3800)):
        attendance.ran(NOON.after(seconds))
        spans += attendance.due(NOON.after(seconds), last=seconds == 3799)
    store.save([], sector=HOME, heard=spans)
    with store.past(HOME) as past:
        assert past.gaps(NOON, NOON.after(3799.0)) == [(NOON.after(99.0), NOON.after(3700.0))]


def test_a_gap_is_what_no_run_covers() -> None:
    def at(seconds: float) -> UtcTime:
        return NOON.after(seconds)

    runs = [(at(500.0), at(600.0)), (at(0.0), at(100.0)), (at(50.0), at(300.0))]
    assert gaps(runs, at(-100.0), at(700.0), at_least_s=GAP_S) == [
        (at(-100.0), at(0.0)),
        (at(300.0), at(500.0)),
        (at(600.0), at(700.0)),
    ]
    assert gaps(runs, at(10.0), at(320.0), at_least_s=GAP_S) == []


def test_what_devices_said_last_by_an_instant(store) -> None:
    spans = [
        Span("cam-01", NOON, NOON.after(60.0), is_over=False, document="a"),
        Span("cam-01", NOON.after(61.0), NOON.after(90.0), is_over=True, document="b"),
        Span("cam-02", NOON.after(30.0), NOON.after(90.0), is_over=False, document="c"),
        Span("fusion", NOON, NOON.after(90.0), is_over=False, document=""),
    ]
    store.save([], sector=HOME, heard=spans)
    store.save([], sector="another", heard=spans)
    with store.past(HOME) as past:
        assert [one.document for one in past.heard_at(NOON.after(29.0), at_most=9)] == ["a"]
        assert [one.document for one in past.heard_at(NOON.after(70.0), at_most=9)] == ["b", "c"]
        later = past.heard(NOON, NOON.after(70.0), at_most=9)
        assert [one.document for one in later] == ["c", "b"]


# -- not for ever ----------------------------------------------------------------------------


def test_what_is_old_goes_in_small_pieces_the_oldest_first(store) -> None:
    store.save([told(*(line(60.0 * n) for n in range(10)))], sector=HOME, heard=[])
    store.save([told(line(0.0))], sector="another", heard=[])
    before = start_of(minute_of(NOON.after(60.0 * 7)))
    assert [store.forget_history(HOME, before=before, at_most=3) for _ in range(4)] == [3, 3, 1, 0]
    assert [one.t for one in lines_of(store)] == [NOON.after(60.0 * n) for n in (7, 8, 9)]
    assert len(content(store)) == 4


def test_a_span_that_goes_on_is_kept_and_one_that_is_over_is_not(store) -> None:
    spans = [
        Span("cam-01", NOON, NOON.after(10.0), is_over=True, document="a"),
        Span("cam-02", NOON, NOON.after(1000.0), is_over=False, document="b"),
    ]
    store.save([], sector=HOME, heard=spans)
    assert store.forget_history(HOME, before=NOON.after(500.0), at_most=9) == 1
    with store.past(HOME) as past:
        assert [one.document for one in past.heard_at(NOON.after(900.0), at_most=9)] == ["b"]
