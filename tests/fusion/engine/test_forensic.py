"""Beyond the horizon: late messages may add incidents and raise headcounts; tracks stay.

The sector's horizon is a minute here, and a cut-off camera uploads what it saw minutes later.
"""

import json
import math
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import forensic, telling
from fusion.core import Core
from fusion.engine import Engine
from fusion.events import (
    AlertIssued,
    AlertSuppressed,
    IncidentChanged,
    MessageLate,
    SuppressionLifted,
    TracksRevised,
    TracksUpdated,
)
from fusion.local_frame import Metres
from fusion.patrol_book import PatrolBook
from fusion.replay import recorded, replay
from fusion.sector import Sector, load_sector
from fusion.situation.patrols import UnitFix

HORIZON_S = 60.0
RULES = f"[rules.time]\nhorizon_s = {HORIZON_S}\n"


@pytest.fixture(scope="module")
def minute(tmp_path_factory, make) -> Sector:
    """A sector whose horizon is a minute."""
    path = make.sector_at(tmp_path_factory.mktemp("sector"), 22.9, 105.3)
    path.write_text(path.read_text() + RULES)
    return load_sector(path)


def group(make, heads=2, *, began=2.0, east=0.0, way=1) -> list:
    """Some who walk over the line one beside the other."""
    return [
        make.walker(
            [(began, east + 5.0 * i, -24.0 * way), (began + 40, east + 5.0 * i, 24.0 * way)]
        )
        for i in range(heads)
    ]


def seen_by(make, name, people, *, seed=1, units=(), until=50, **kind: Any) -> list:
    eye = make.eye(name, fps=3.0, sigma_m=0.6, detect=0.97, **kind)
    return make.world(people, eyes=[eye], units=units, until_s=until, seed=seed).messages()


def elsewhere(make, until) -> list:
    """A camera that is never cut off and sees nobody: time goes on."""
    return make.world([], eyes=[make.eye("cam-9", fps=0.2)], until_s=until).messages()


def arriving(make, lines, at_s, *, every_s=0.02) -> list:
    """Return lines as they come in a flush, in this order."""
    return [
        {**line, "received_at": make.start.after(at_s + every_s * i).rfc3339()}
        for i, line in enumerate(lines)
    ]


def in_order(*flushes: list) -> list:
    return sorted(
        (line for lines in flushes for line in lines), key=lambda one: one["received_at"]
    )


def standing(outcome) -> list:
    """What the law of pieces speaks of."""
    return sorted(
        (one.incident_id, one.headcount, one.direction, one.track_ids, one.devices, one.opened_at)
        for one in outcome.standing
    )


def held(outcome) -> dict:
    """What is held back in the end, and why."""
    records = {}
    for event in outcome.events:
        if isinstance(event, AlertSuppressed):
            records[event.record.suppressed_id] = event.record.reason
        elif isinstance(event, SuppressionLifted):
            del records[event.suppressed_id]
    return records


def told_of_tracks(events) -> list:
    return [one for one in events if isinstance(one, TracksUpdated | TracksRevised)]


def test_what_a_cut_off_camera_filmed_becomes_one_late_incident(make, minute, run) -> None:
    late = arriving(make, seen_by(make, "cam-1", group(make)), 600)
    outcome = run(minute, in_order(elsewhere(make, 700), late))
    (alert,) = outcome.alerts
    (incident,) = outcome.standing
    assert alert.late
    assert (alert.direction, alert.headcount, alert.devices) == ("outbound", 2, ("cam-1",))
    assert 15 < alert.raised_at.seconds_since(make.start) < 45
    assert 600 < alert.issued_at.seconds_since(make.start) < 630
    assert (incident.alert_ids, incident.state) == ((alert.alert_id,), "new")
    assert outcome.engine.counts.late == len(late)
    assert told_of_tracks(outcome.events) == []


def test_what_comes_in_time_is_not_late(make, minute, run) -> None:
    outcome = run(minute, seen_by(make, "cam-1", group(make)))
    assert [alert.late for alert in outcome.alerts] == [False]


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_what_all_comes_late_shows_what_it_would_have_shown_in_time(
    make, minute, run, seed
) -> None:
    """Two cameras, clutter, a patrol with a receiver, whoever strolls: all of it an hour late."""
    dice = random.Random(seed)
    patrol = make.walker([(0, -30, -20), (40, -20, 15)])
    strollers = [
        make.walker([(0, east, dice.uniform(-40, -5)), (40, east + 10, dice.uniform(-30, 30))])
        for east in (-60, dice.uniform(30, 60))
    ]
    eyes = [
        make.eye("cam-1", fps=3, detect=0.85, clutter=0.05, bias_m=(1, -1), bias_sigma_m=1.5),
        make.eye("cam-2", fps=2, sigma_m=2.0, phase_s=0.11),
    ]
    units = [("unit-1", patrol, 7.0, 5.0)]
    people = [patrol, *group(make), *strollers]
    seen = make.world(people, eyes=eyes, units=units, until_s=40, seed=seed).messages()
    live, late = run(minute, seen), run(minute, arriving(make, seen, 3600))
    assert standing(late) == standing(live)
    assert held(late) == held(live)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_the_copies_and_the_pieces_of_a_flush_change_no_incident(
    make, minute, run, seed
) -> None:
    dice = random.Random(seed)
    people = [*group(make, 2), *group(make, 1, began=6.0, east=70.0, way=-1)]
    seen = seen_by(make, "cam-1", people, seed=seed)
    once = run(minute, arriving(make, seen, 600))
    shuffled = [*seen, *dice.sample(seen, len(seen) // 3)]
    dice.shuffle(shuffled)
    cuts = sorted([0, *dice.sample(range(1, len(shuffled)), dice.randint(0, 3)), len(shuffled)])
    pieces = [
        arriving(make, shuffled[a:b], 600 + 200.0 * i) for i, (a, b) in enumerate(pairwise(cuts))
    ]
    outcome = run(minute, in_order(elsewhere(make, 1500), *pieces))
    assert standing(outcome) == standing(once)
    assert {one.direction: one.headcount for one in outcome.standing} == {
        "outbound": 2,
        "inbound": 1,
    }
    issued = [one for incident in outcome.standing for one in incident.alert_ids]
    assert len(set(issued)) == len(issued) == 2
    assert all(alert.late for alert in outcome.alerts)


def test_two_pieces_that_each_show_half_a_crossing_show_it_together(make, minute, run) -> None:
    seen = seen_by(make, "cam-1", group(make))
    before, after = seen[:70], seen[70:]
    assert run(minute, arriving(make, before, 600)).alerts == []
    assert run(minute, arriving(make, after, 600)).alerts == []
    for first, second in ((before, after), (after, before)):
        pieces = arriving(make, first, 600), arriving(make, second, 900)
        outcome = run(minute, in_order(elsewhere(make, 1000), *pieces))
        assert standing(outcome) == standing(run(minute, arriving(make, seen, 600)))
        assert len(outcome.alerts) == 1


def test_a_flush_changes_nothing_that_was_seen_live(make, minute, run) -> None:
    live = seen_by(make, "cam-2", group(make, 3, east=-60, began=560), until=620)
    late = arriving(make, seen_by(make, "cam-1", group(make)), 575, every_s=0.2)
    undisturbed, outcome = run(minute, live), run(minute, in_order(live, late))
    (told,) = undisturbed.standing
    assert told in outcome.standing
    assert len(outcome.standing) == 2
    assert told_of_tracks(outcome.events) == told_of_tracks(undisturbed.events)
    assert [alert for alert in outcome.alerts if not alert.late] == undisturbed.alerts


@pytest.mark.parametrize("hours", [0.2, 3])
def test_a_group_that_was_told_is_not_told_again_but_may_be_more(make, minute, run, hours) -> None:
    """The live camera saw two of three; the other one, cut off, all of them."""
    live = seen_by(make, "cam-2", group(make, 3), sees=lambda east, _: east < 8.0, bias_m=(2, -2))
    late = arriving(make, seen_by(make, "cam-1", group(make, 3), seed=2), 3600 * hours)
    before = run(minute, live)
    outcome = run(minute, in_order(live, elsewhere(make, 3600 * hours), late))
    (was,), (incident,) = before.standing, outcome.standing
    assert (was.headcount, incident.headcount) == (2, 3)
    assert (was.amended, incident.amended) == (False, True)
    assert incident.incident_id == was.incident_id
    assert outcome.alerts == before.alerts


@pytest.mark.parametrize("at_s", [120, 600])
def test_fewer_people_than_were_told_amend_nothing(make, minute, run, at_s) -> None:
    live = seen_by(make, "cam-2", group(make, 3))
    late = arriving(make, seen_by(make, "cam-1", group(make, 1), seed=2), at_s)
    before, outcome = run(minute, live), run(minute, in_order(live, elsewhere(make, at_s), late))
    assert outcome.incidents == before.incidents
    assert outcome.alerts == before.alerts


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.3, 0.7, 1.0]))
def test_copies_of_what_was_taken_long_ago_tell_nothing(make, minute, run, seed, share) -> None:
    live = seen_by(make, "cam-1", group(make, 2), seed=seed)
    again = [line for line in live if random.Random(seed).random() < share]
    before = run(minute, live)
    outcome = run(minute, in_order(live, elsewhere(make, 700), arriving(make, again, 600)))
    assert outcome.incidents == before.incidents
    assert outcome.alerts == before.alerts


def test_whoever_crosses_there_later_is_news(make, minute, run) -> None:
    """By whom, not by a clock: a minute after those who were told."""
    live = seen_by(make, "cam-2", group(make, 1))
    seen = seen_by(make, "cam-1", group(make, 1, began=62.0), until=110)
    outcome = run(minute, in_order(live, elsewhere(make, 620), arriving(make, seen, 600)))
    assert [alert.late for alert in outcome.alerts] == [False, True]
    assert len(outcome.standing) == 2


def test_a_crossing_where_the_horizon_was_when_the_flush_came_is_seen_whole(
    make, minute, run
) -> None:
    """The camera was cut off for longer than the horizon: its end of that time is not late."""
    seen = seen_by(make, "cam-1", group(make))
    for at_s in range(70, 105, 5):
        flush = arriving(make, seen, at_s, every_s=0.01)
        for lines in (flush, arriving(make, seen[::-1], at_s, every_s=0.01)):
            outcome = run(minute, in_order(lines, elsewhere(make, 300)))
            assert len(outcome.standing) == 1, at_s
            assert len(outcome.alerts) == 1, at_s
            assert outcome.standing[0].headcount == 2


# -- what explains them ----------------------------------------------------------------------


def patrol(make) -> tuple:
    """A patrol that crosses the line, and its messages: what a camera saw, where it said it was."""
    way = make.walker([(0, 0, -25), (50, 0, 25)])
    lines = seen_by(make, "cam-1", [way], units=[("unit-1", way, 5.0, 4.0)], until=50)
    positions = [line for line in lines if line["topic"].endswith("position")]
    return positions, [line for line in lines if line not in positions]


@pytest.mark.parametrize("positions_at_s", [None, 601.0])
def test_a_patrol_explains_what_was_filmed_long_ago(make, minute, run, positions_at_s) -> None:
    """By positions that came in time and left the log since, and by those that come late too."""
    positions, seen = patrol(make)
    assert run(minute, arriving(make, seen, 600)).alerts
    if positions_at_s is not None:
        positions = arriving(make, positions, positions_at_s)
    lines = in_order(positions, elsewhere(make, 700), arriving(make, seen, 600))
    outcome = run(minute, lines)
    assert outcome.alerts == []
    (record,) = [one.record for one in outcome.events if isinstance(one, AlertSuppressed)]
    assert (record.reason, record.unit_id) == ("own_force", "unit-1")


def test_positions_that_come_later_still_withdraw_a_late_incident(make, minute, run) -> None:
    positions, seen = patrol(make)
    pieces = arriving(make, seen, 600), arriving(make, positions, 900)
    outcome = run(minute, in_order(elsewhere(make, 1000), *pieces))
    assert len(outcome.alerts) == 1
    assert [one.state for one in outcome.incidents.values()] == ["withdrawn"]
    assert [one for one in outcome.events if isinstance(one, AlertSuppressed)]
    assert not [one for one in outcome.events if isinstance(one, SuppressionLifted)]


def test_an_open_crossing_point_explains_it_too(make, sector_maker, run) -> None:
    gate = make.feature("Polygon", sector_maker.square(0, 0, 15), id="gate", kind="crossing_point")
    sector = sector_maker.load(zones=make.collection(gate), rules=RULES)
    outcome = run(sector, arriving(make, seen_by(make, "cam-1", group(make)), 600))
    assert outcome.alerts == []
    (record,) = [one.record for one in outcome.events if isinstance(one, AlertSuppressed)]
    assert (record.reason, record.zone_id) == ("lawful", "gate")


# -- bounds, clocks, faults ------------------------------------------------------------------


def test_what_is_older_than_is_looked_at_is_only_counted(make, sector_maker, run) -> None:
    sector = sector_maker.load(rules=RULES + "look_back_s = 500.0\n")
    late = arriving(make, seen_by(make, "cam-1", group(make)), 600)
    outcome = run(sector, late)
    assert outcome.alerts == []
    assert outcome.engine.counts.late == len(late)
    reasons = {one.reason for one in outcome.events if isinstance(one, MessageLate)}
    assert reasons == {"captured more than 500 s ago: not looked at"}


def test_memory_is_bounded_and_an_endless_flush_is_gone_through(
    make, minute, run, monkeypatch
) -> None:
    """A camera that is always late: every group is told once, though little is kept at a time."""
    monkeypatch.setattr(forensic, "_MANY", 100)
    monkeypatch.setattr(forensic, "_KEPT", 400)
    monkeypatch.setattr(forensic, "_SHED", 40)
    people = [one for k in range(6) for one in group(make, 1, began=100.0 * k)]
    seen = seen_by(make, "cam-1", people, until=600)
    kept = []
    add = forensic.Forensic.add

    def counted(self, entry, clock_s) -> None:
        add(self, entry, clock_s)
        kept.append(len(self._kept))

    monkeypatch.setattr(forensic.Forensic, "add", counted)
    outcome = run(minute, arriving(make, seen, 4000, every_s=0.05))
    assert max(kept) <= 500
    assert len(outcome.alerts) == len(outcome.standing) == 6
    # An hour later nothing of it is kept.
    (line, *_) = arriving(make, seen[:1], 9000)
    message, received_at = recorded(json.dumps(line).encode(), minute)
    outcome.engine.step(message, received_at=received_at)
    assert len(outcome.engine._forensic._kept) == 1


@pytest.mark.interpreted
def test_what_was_told_is_remembered_up_to_a_bound(make, minute, run, monkeypatch) -> None:
    monkeypatch.setattr(telling, "_PAST", 2)
    monkeypatch.setattr(telling, "_SHED", 1)
    people = [one for k in range(6) for one in group(make, 1, began=400.0 * k)]
    live = seen_by(make, "cam-1", people, until=2050, blind=lambda t: t % 400 > 45)
    outcome = run(minute, live)
    assert len(outcome.alerts) == 6
    assert len(outcome.engine._telling._past) == 2
    for first, last, alerts in ((0, 40, 7), (1600, 1640, 6)):  # the first is forgotten
        again = [
            line
            for line in live
            if make.start.after(first).rfc3339()
            <= line["payload"]["captured_at"]
            <= make.start.after(last).rfc3339()
        ]
        assert len(run(minute, [*live, *arriving(make, again, 5000)]).alerts) == alerts


@pytest.mark.parametrize("after", [0.3, 1.0, 1.02, 1.1])
def test_a_snapshot_in_the_middle_of_a_flush_goes_on_to_the_letter(make, minute, after) -> None:
    """While it comes, before it is gone through, while that is under way, and behind it."""
    seen = seen_by(make, "cam-1", group(make))
    lines = in_order(arriving(make, seen, 600), elsewhere(make, 900)[121:])
    given_ = [recorded(json.dumps(line).encode(), minute) for line in lines]
    cut = int(after * len(seen))
    engine = Engine(minute)
    for message, at in given_[:cut]:
        engine.step(message, received_at=at)
    again = Engine.restored(minute, engine.snapshot())
    for message, at in given_[cut:]:
        assert again.step(message, received_at=at) == engine.step(message, received_at=at)
    assert again.flush() == engine.flush()
    assert again.counts == engine.counts
    assert engine.counts.alerts == 1


def test_ticks_in_between_change_nothing_that_is_said(make, minute, run) -> None:
    seen = seen_by(make, "cam-1", group(make))
    lines = in_order(arriving(make, seen, 600), elsewhere(make, 900))
    quiet = run(minute, lines)
    engine, events, last = Engine(minute), [], None
    for line in lines:
        message, at = recorded(json.dumps(line).encode(), minute)
        while last is not None and last.after(0.7) < at:
            last = last.after(0.7)
            events += engine.tick(last)
        events += engine.step(message, received_at=at)
        last = at
    events += engine.flush()
    assert [one.alert for one in events if isinstance(one, AlertIssued)] == quiet.alerts
    assert [one for one in events if isinstance(one, IncidentChanged)] == [
        one for one in quiet.events if isinstance(one, IncidentChanged)
    ]


def test_a_clock_that_was_wrong_for_a_while_tells_nobody_twice(make, minute, run) -> None:
    """It ran an hour ahead: everything was late. It was set right, and all of it came again."""
    seen = seen_by(make, "cam-1", group(make))
    wrong = arriving(make, [*seen, *elsewhere(make, 50)], 3600, every_s=1 / 3)
    outcome = run(minute, wrong)
    assert [alert.late for alert in outcome.alerts] == [True]
    outcome = run(minute, [*wrong, *seen, *arriving(make, seen, 900)])
    assert [alert.late for alert in outcome.alerts] == [True]
    (incident,) = outcome.standing
    assert (incident.alert_ids, incident.amended) == ((outcome.alerts[0].alert_id,), True)


def test_a_message_that_breaks_the_core_is_left_out_and_stops_nothing(
    make, minute, monkeypatch
) -> None:
    seen = seen_by(make, "cam-1", group(make))
    take, poison = Core.take, seen[60]["payload"]["message_id"]

    def choke(core, item) -> tuple:
        if getattr(item, "message_id", "") == poison:
            raise ZeroDivisionError
        return take(core, item)

    monkeypatch.setattr(Core, "take", choke)
    engine, alerts, errors = Engine(minute), 0, 0
    for line in in_order(arriving(make, seen, 600), elsewhere(make, 900)):
        message, at = recorded(json.dumps(line).encode(), minute)
        try:
            alerts += sum(
                isinstance(one, AlertIssued) for one in engine.step(message, received_at=at)
            )
        except ZeroDivisionError:
            errors += 1
    assert (errors, alerts) == (1, 1)


# -- the files of a replay -------------------------------------------------------------------


def test_a_replay_tells_late_incidents_and_leaves_the_tracks(make, minute, tmp_path) -> None:
    live = seen_by(make, "cam-2", group(make, 1, east=-60, began=560), until=620)
    late = arriving(make, seen_by(make, "cam-1", group(make)), 600)

    def files(lines, name) -> dict:
        folder = tmp_path / name
        replay(minute, [json.dumps(line).encode() for line in lines], folder)
        return {
            path.stem: [json.loads(line) for line in path.read_text().splitlines()]
            for path in folder.glob("*.jsonl")
        }

    without, with_it = files(live, "live"), files(in_order(live, late), "both")
    assert with_it["tracks"] == without["tracks"]
    assert [one["late"] for one in with_it["alerts"]] in ([False, True], [True, False])
    first, second = with_it["incidents"]
    assert (first["headcount"], first["opened_at"] < "2026-03-14T17:01") == (2, True)
    assert [second] == without["incidents"]
    assert len(with_it["late"]) == len(late)


# -- where our units were --------------------------------------------------------------------


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.floats(1e9, 1e9 + 3000), st.sampled_from(["a", "b"]), st.sampled_from([3.0, 9.0])
        ),
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_positions_are_kept_alike_in_any_order(said, dice) -> None:
    fixes = [UnitFix(at_s, unit, Metres(at_s % 977, -1.5), sure) for at_s, unit, sure in said]
    book, other = PatrolBook(), PatrolBook()
    for fix in fixes:
        book.note(fix)
    dice.shuffle(fixes)
    for fix in fixes:
        other.note(fix)
    kept = book.between(0.0, 2e9)
    assert kept == other.between(0.0, 2e9)
    assert len(kept) == len({(math.floor(fix.at_s / 5), fix.unit_id) for fix in fixes})
    for fix in kept:  # and it is one of those that were said
        assert any(
            fix.unit_id == one.unit_id
            and abs(fix.at_s - one.at_s) < 1e-3
            and math.dist(fix.at, one.at) < 1e-3
            for one in fixes
        )


def test_the_oldest_positions_make_room(monkeypatch) -> None:
    monkeypatch.setattr("fusion.patrol_book._PAGES", 10)
    monkeypatch.setattr("fusion.patrol_book._SHED", 2)
    book = PatrolBook()
    for minute_no in range(300):
        book.note(UnitFix(1e9 + 60.0 * minute_no, "unit-1", Metres(0.0, 0.0), 5.0))
    kept = book.between(0.0, 2e9)
    assert 80 <= len(kept) <= 100
    assert kept[-1].at_s == pytest.approx(1e9 + 60.0 * 299)
