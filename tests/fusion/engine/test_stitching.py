"""Whoever goes out of all views and comes back keeps their name, and nothing but the name."""

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.messages import TrackState, UtcTime
from fusion.events import TracksRevised, TracksUpdated, is_void
from fusion.sector import Sector, load_sector


def picture(outcome) -> dict:
    """The lines that stand in the end, by time and track."""
    lines = {}
    for event in outcome.events:
        if isinstance(event, TracksRevised):
            lines = {key: line for key, line in lines.items() if not is_void(line, event.since)}
        elif isinstance(event, TracksUpdated):
            lines |= {(line.t, line.track_id): line for line in event.updates}
    return lines


def name_at(outcome, sector, at: UtcTime, east_m: float) -> str:
    """Return the name of whoever is said to be nearest to a place then."""
    there = [line for line in picture(outcome).values() if abs(line.t.seconds_since(at)) < 0.5]

    def gap_m(line) -> float:
        return abs(sector.frame.to_metres(lat=line.lat, lon=line.lon)[0] - east_m)

    return min(there, key=gap_m).track_id


def seen_west_of(edge_m: float) -> Callable[[float, float], bool]:
    return lambda east_m, _: east_m < edge_m


@pytest.fixture(scope="module")
def far_sector(tmp_path_factory, make) -> Sector:
    return load_sector(make.sector_at(tmp_path_factory.mktemp("sector"), 22.9, 105.3))


def test_who_turns_round_out_of_view_comes_back_under_the_same_name(make, sector, run) -> None:
    """The track is told to have ended, goes on, and ends again."""
    walker = make.walker([(0, -30, -60), (60, 30, -60), (120, -30, -60)])
    eye = make.eye(sees=seen_west_of(0.0))
    outcome = run(sector, make.world([walker], eyes=[eye], until_s=120).messages())
    lines = picture(outcome)
    assert outcome.engine.counts.tracks == 1
    assert len({line.track_id for line in lines.values()}) == 1
    assert [line.state for line in lines.values()].count(TrackState.ENDED) == 2


def test_who_walks_on_to_another_camera_keeps_their_name(make, sector, run) -> None:
    walker = make.walker([(0, -60, -60), (120, 84, -60)])
    eyes = [
        make.eye("west", sigma_m=0.4, sees=seen_west_of(-20.0)),
        make.eye("east", sigma_m=0.4, sees=lambda east_m, _: east_m > 0.0, phase_s=0.1),
    ]
    outcome = run(sector, make.world([walker], eyes=eyes, until_s=120).messages())
    assert outcome.engine.counts.tracks == 1


def test_someone_who_cannot_have_walked_there_is_someone_new(make, sector, run) -> None:
    gone = make.walker([(0, -60, -60), (30, -30, -60)])
    new = make.walker([(50, 100, -60), (80, 70, -60)])
    outcome = run(sector, make.world([gone, new], until_s=80).messages())
    assert outcome.engine.counts.tracks == 2


def test_who_stays_away_too_long_is_someone_new(make, sector_maker, run) -> None:
    sector = sector_maker.load(rules="[rules.tracking]\nreturn_s = 40\n")
    walker = make.walker([(0, -30, -60), (60, 30, -60), (120, -30, -60)])
    eye = make.eye(sees=seen_west_of(0.0))
    outcome = run(sector, make.world([walker], eyes=[eye], until_s=120).messages())
    assert outcome.engine.counts.tracks == 2


def test_of_two_who_led_leads_again(make, far_sector, run) -> None:
    walkers = [
        make.walker([(0, -40 - gap_m, -60), (70 + gap_m, 30, -60), (140 + gap_m, -40, -60)])
        for gap_m in (0.0, 3.0)
    ]
    eye = make.eye(sigma_m=0.4, sees=seen_west_of(0.0))
    outcome = run(far_sector, make.world(walkers, eyes=[eye], until_s=145).messages())
    assert outcome.engine.counts.tracks == 2
    for walker in walkers:
        names = {
            name_at(outcome, far_sector, make.start.after(at_s), walker.at(at_s)[0])
            for at_s in (30.0, 125.0)
        }
        assert len(names) == 1


def test_in_a_longer_file_nobody_is_named_by_their_place(make, sector, run) -> None:
    walkers = [
        make.walker([(0, -40 - gap_m, -60), (70 + gap_m, 30, -60), (140 + gap_m, -40, -60)])
        for gap_m in (0.0, 3.0, 6.0)
    ]
    eye = make.eye(sigma_m=0.4, sees=seen_west_of(0.0))
    outcome = run(sector, make.world(walkers, eyes=[eye], until_s=145).messages())
    assert outcome.engine.counts.tracks == 6


def test_a_name_that_two_may_claim_goes_to_neither(make, sector, run) -> None:
    """Two stand 10 m apart and leave one after the other; then someone stands between them."""
    gone = [
        make.walker([(0, east_m, -60), (until_s, east_m, -60)])
        for east_m, until_s in ((-5, 20), (5, 45))
    ]
    between = make.walker([(65, 0, -60), (80, 0, -60)])
    both = run(sector, make.world([*gone, between], until_s=80).messages())
    assert both.engine.counts.tracks == 3
    one = run(sector, make.world([gone[0], between], until_s=80).messages())
    assert one.engine.counts.tracks == 1


def test_nothing_of_the_line_comes_back_with_a_name(make, sector, run) -> None:
    """Unseen for long, who knows that it is the same? An alert needs more than a likeness."""
    walker = make.walker([(0, -10, -60), (100, -10, 60), (130, -10, 70)])
    eye = make.eye(sigma_m=0.4, sees=lambda _, north_m: abs(north_m) > 9.7)
    outcome = run(sector, make.world([walker], eyes=[eye], until_s=130).messages())
    assert outcome.engine.counts.tracks == 1
    assert outcome.alerts == []


def test_whoever_came_over_the_line_and_left_is_not_expected_back(make, sector, run) -> None:
    """Who comes the other way is taken for someone new; both are alerts as ever."""
    walker = make.walker(
        [(0, -10, -30), (60, -10, 30), (90, -10, 60), (120, -10, 30), (180, -10, -30)]
    )
    eye = make.eye(sees=lambda _, north_m: north_m < 35.0)
    outcome = run(sector, make.world([walker], eyes=[eye], until_s=180).messages())
    assert outcome.engine.counts.tracks == 2
    assert [alert.direction for alert in outcome.alerts] == ["outbound", "inbound"]


def test_a_patrol_that_is_taken_for_who_crossed_does_not_explain_them(make, sector, run) -> None:
    """It came out of the woods where they were expected; their alert was withdrawn as its own."""
    walker = make.walker([(0, -10, -30), (36, -10, 15)])
    patrol = make.walker([(52, -10, 34), (90, -10, 62)])
    eyes = [
        make.eye("near", sigma_m=0.5, sees=lambda _, north_m: north_m < 15.0),
        make.eye("far", sigma_m=0.5, sees=lambda _, north_m: north_m > 30.0, phase_s=0.1),
    ]
    units = [("unit-1", patrol, 5.0, 5.0)]
    outcome = run(sector, make.world([walker, patrol], eyes=eyes, units=units).messages())
    assert outcome.engine.counts.tracks == 1
    assert len(outcome.alerts) == len(outcome.standing) == 1


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_names_do_not_depend_on_the_order_of_arrival(make, far_sector, run, seed) -> None:
    """Over an edge between two cells too, and where only those who come back are late."""
    dice = random.Random(seed)
    east_m = dice.choice([0.0, 256.0, -256.0]) + dice.uniform(-20.0, 20.0)
    walkers = []
    for _ in range(dice.randint(1, 4)):
        start_m, pace_mps = dice.uniform(-60.0, -20.0), dice.uniform(0.6, 1.4)
        north_m, turn_s = dice.uniform(-80.0, -40.0), dice.uniform(40.0, 70.0)
        turn_m = start_m + pace_mps * turn_s
        there = [(0, east_m + start_m, north_m), (turn_s, east_m + turn_m, north_m)]
        walkers.append(make.walker([*there, (2.0 * turn_s, east_m + start_m, north_m + 5.0)]))
    edge_m = east_m + dice.uniform(-10.0, 10.0)
    eyes = [
        make.eye("west", fps=2, detect=0.8, sees=seen_west_of(edge_m)),
        make.eye("late", fps=1, sees=lambda east, _: east > edge_m + 25.0, phase_s=0.3),
    ]
    lines = make.world(walkers, eyes=eyes, until_s=120, seed=seed).messages()
    expected = picture(run(far_sector, lines))
    since_s = dice.uniform(0.0, 100.0)
    for line in lines:
        at_s = UtcTime.parse(line["payload"]["captured_at"]).seconds_since(make.start)
        late = line["payload"]["device_id"] == "late" or at_s > since_s
        if late and dice.random() < 0.8:
            line["received_at"] = make.start.after(at_s + dice.uniform(0.0, 130.0)).rfc3339()
    lines.sort(key=lambda line: line["received_at"])
    assert picture(run(far_sector, lines)) == expected
