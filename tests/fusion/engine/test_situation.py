"""One alert for a group; silence, on record, for patrols and lawful travellers."""

from itertools import pairwise

import pytest

from fusion.events import AlertSuppressed, HeldBecause, IncidentChanged, SuppressionLifted


def group(make, size, *, east_m=10.0, at_s=20.0, until_s=60.0, gap_m=2.5) -> list:
    return [
        make.walker(
            [
                (0.0, east_m + gap_m * k, -1.2 * at_s - k),
                (until_s, east_m + gap_m * k, 1.2 * (until_s - at_s) - k),
            ]
        )
        for k in range(size)
    ]


def held(outcome) -> list:
    records = {}
    for event in outcome.events:
        if isinstance(event, AlertSuppressed):
            records[event.record.suppressed_id] = event.record
        elif isinstance(event, SuppressionLifted):
            records.pop(event.suppressed_id)
    return list(records.values())


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_group_is_one_alert_and_one_incident(make, sector, run, size) -> None:
    outcome = run(sector, make.world(group(make, size)).messages())
    (alert,), (incident,) = outcome.alerts, outcome.standing
    assert incident.headcount == size
    assert incident.headcount_min <= size <= incident.headcount_max
    assert alert.headcount_min <= alert.headcount <= alert.headcount_max
    assert outcome.engine.counts.tracks == size


@pytest.mark.parametrize(
    ("size", "rules", "code", "severity"),
    [
        (4, "", None, "high"),
        (5, "", "group_of_5", "high"),
        (12, "", "group_of_11", "critical"),
        (12, "critical_from = 0\nthresholds = [3]", "group_of_3", "high"),
    ],
)
def test_from_5_and_from_11_people_on_an_alert_says_so(
    make, sector_maker, run, size, rules, code, severity
) -> None:
    sector = sector_maker.load(rules=f"[rules.groups]\n{rules}\n")
    (alert,) = run(sector, make.world(group(make, size)).messages()).alerts
    said = [reason for reason in alert.reasons if reason.code.startswith("group_of_")]
    assert [reason.code for reason in said] == ([code] if code else [])
    assert [reason.value for reason in said] == [size] * len(said)
    assert alert.severity == severity


def test_a_group_seen_by_two_cameras_is_counted_once(make, sector, run) -> None:
    eyes = [
        make.eye("cam-1", sigma_m=0.5, bias_m=(0.4, -0.3), bias_sigma_m=0.5),
        make.eye("cam-2", sigma_m=0.5, bias_m=(-0.3, 0.4), bias_sigma_m=0.5, phase_s=0.07),
    ]
    outcome = run(sector, make.world(group(make, 3), eyes=eyes).messages())
    (alert,), (incident,) = outcome.alerts, outcome.standing
    assert incident.headcount == 3
    assert alert.devices == ("cam-1", "cam-2")
    assert outcome.engine.counts.tracks == 3


def test_a_column_in_single_file_is_one_group(make, sector, run) -> None:
    column = [
        make.walker([(0, 10, -24 - 6 * k), (90, 10, 84 - 6 * k)])
        for k in range(5)  # the last comes 20 s after the first
    ]
    outcome = run(sector, make.world(column, until_s=90).messages())
    assert len(outcome.alerts) == 1
    assert [incident.headcount for incident in outcome.standing] == [5]


def test_two_groups_at_different_places_are_two_alerts(make, sector, run) -> None:
    both = group(make, 2) + group(make, 3, east_m=150.0)
    outcome = run(sector, make.world(both).messages())
    assert sorted(incident.headcount for incident in outcome.standing) == [2, 3]
    assert len(outcome.alerts) == 2


def test_a_second_group_on_the_same_trail_a_minute_later_is_a_second_alert(
    make, sector, run
) -> None:
    """No cool-down timer may swallow a new group (decision 4)."""
    second = [make.walker([(60 + t, x, y) for t, x, y in one.path]) for one in group(make, 2)]
    outcome = run(sector, make.world(group(make, 3) + second, until_s=120).messages())
    assert sorted(incident.headcount for incident in outcome.standing) == [2, 3]
    assert len(outcome.alerts) == 2


@pytest.mark.parametrize("seed", range(3))
def test_a_track_that_breaks_is_not_a_second_incident(make, sector, run, seed) -> None:
    eye = make.eye(blind=lambda t: 26 < t < 40)  # longer than a track coasts
    outcome = run(sector, make.world(group(make, 2), eyes=[eye], seed=seed).messages())
    assert len(outcome.alerts) == 1
    assert [incident.headcount for incident in outcome.standing] == [2]


def test_a_gap_of_some_seconds_at_the_line_is_bridged(make, sector, run) -> None:
    eye = make.eye(blind=lambda t: 17 < t < 24)
    outcome = run(sector, make.world(group(make, 1), eyes=[eye]).messages())
    assert len(outcome.alerts) == 1
    assert outcome.engine.counts.tracks == 1


def test_a_farmer_near_the_line_raises_nothing(make, sector, run) -> None:
    farmer = make.walker([(0, -50, -9), (60, 10, -8), (120, -50, -9)])
    outcome = run(sector, make.world([farmer], until_s=120).messages())
    assert (outcome.alerts, held(outcome)) == ([], [])


@pytest.mark.parametrize("every_s", [5.0, 15.0, 30.0])
def test_our_patrol_raises_nothing_and_is_on_record(make, sector, run, every_s) -> None:
    patrol = group(make, 3)
    units = [("unit-1", patrol[0], every_s, 5.0)]
    outcome = run(sector, make.world(patrol, units=units).messages())
    (record,) = held(outcome)
    assert outcome.alerts == []
    assert (record.reason, record.unit_id) == (HeldBecause.OWN_FORCE, "unit-1")
    assert record.headcount == 3


def test_a_patrol_whose_positions_come_late_is_explained_all_the_same(make, sector, run) -> None:
    patrol = group(make, 2)
    messages = make.world(patrol, units=[("unit-1", patrol[0], 5.0, 5.0)]).messages()
    late = [line for line in messages if "unit_id" in line["payload"]]
    rest = [line for line in messages if "unit_id" not in line["payload"]]
    for line in late:
        line["received_at"] = make.start.after(100.0).rfc3339()
    outcome = run(sector, rest + late)
    assert [alert.direction for alert in outcome.alerts] == ["outbound"]  # never un-issued
    assert [one.state for one in outcome.incidents.values()] == ["withdrawn"]
    assert [record.reason for record in held(outcome)] == [HeldBecause.OWN_FORCE]


def test_a_patrol_somewhere_else_explains_nobody(make, sector, run) -> None:
    patrol = make.walker([(0, 200, -30), (60, 260, -30)])
    world = make.world([*group(make, 2), patrol], units=[("unit-1", patrol, 5.0, 5.0)])
    assert len(run(sector, world.messages()).alerts) == 1


def test_a_patrol_standing_by_the_trail_explains_nobody(make, sector, run) -> None:
    post = make.walker([(0, 12, -10), (60, 12, -10)])
    world = make.world([*group(make, 1, gap_m=0.0), post], units=[("unit-1", post, 5.0, 5.0)])
    assert len(run(sector, world.messages()).alerts) == 1


@pytest.mark.parametrize("every_s", [2.0, 5.0, 10.0, 20.0, 30.0])
@pytest.mark.parametrize("accuracy_m", [5.0, 10.0])
@pytest.mark.parametrize("size", [1, 5])
def test_a_post_beside_the_trail_hides_nobody(
    make, sector, run, every_s, accuracy_m, size
) -> None:
    """12 to 24 m from them and near to all: velocities could not tell 0 from 1.3 m/s."""
    post = make.walker([(0, 22, -3), (90, 22, -3)])
    units = [("unit-1", post, every_s, accuracy_m)]
    world = make.world(group(make, size, until_s=90), units=units, until_s=90)
    outcome = run(sector, world.messages())
    (alert,) = outcome.alerts
    assert [incident.headcount for incident in outcome.standing] == [size]
    assert alert.issued_at.seconds_since(alert.raised_at) < 45.0


def test_a_case_that_waits_longer_than_cases_are_kept_is_told(make, sector_maker, run) -> None:
    """It was forgotten undecided: nobody heard of whoever had crossed."""
    rules = "[rules.time]\nhorizon_s = 60\n[rules.patrols]\nhold_s = 1000\nmax_age_s = 1000\n"
    patrol = make.walker([(2, 0, -24), (42, 0, 24)])
    world = make.world(
        [make.walker(patrol.path)], units=[("unit-1", patrol, 20.0, 20.0)], until_s=50
    )
    outcome = run(sector_maker.load(rules=rules), world.messages())
    assert len(outcome.alerts) + len(held(outcome)) == 1


def test_a_patrol_that_comes_towards_them_hides_nobody(make, sector, run) -> None:
    patrol = make.walker([(0, 18, 30), (60, 18, -42)])
    world = make.world(group(make, 2), units=[("unit-1", patrol, 5.0, 5.0)])
    assert len(run(sector, world.messages()).alerts) == 1


@pytest.mark.parametrize("accuracy_m", [100.0, 500.0, 1000.0])
@pytest.mark.parametrize("step_mps", [0.0, 1.2])
def test_a_vague_position_explains_nobody(make, sector, run, accuracy_m, step_mps) -> None:
    """A receiver without sky says 1 km, and 1 km is near to everyone."""
    away = make.walker([(0, 300, -24), (60, 300, -24 + 60 * step_mps)])
    outcome = run(
        sector,
        make.world(group(make, 1), units=[("unit-1", away, 10.0, accuracy_m)]).messages(),
    )
    (alert,) = outcome.alerts
    assert held(outcome) == []
    assert alert.issued_at.seconds_since(alert.raised_at) < 2.0


def test_whoever_crosses_beside_a_patrol_is_told_without_the_patrol(make, sector, run) -> None:
    """Two of ours walk over the line; two others, linked to them by 19 m, turn away beyond it."""
    ours = group(make, 2)
    others = [
        make.walker([(0, 31 + k, -24 - k), (20, 31 + k, -k), (60, 79 + k, 20 - k)])
        for k in (0.0, 2.0)
    ]
    world = make.world([*ours, *others], units=[("unit-1", ours[0], 3.0, 5.0)], until_s=60)
    outcome = run(sector, world.messages())
    assert len(outcome.alerts) == 1
    assert [incident.headcount for incident in outcome.standing] == [2]
    tracks = {one for record in held(outcome) for one in record.track_ids}
    assert tracks.isdisjoint(outcome.standing[0].track_ids)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("every_s", [2.0, 3.0, 5.0])
def test_a_patrol_that_walks_along_the_line_and_turns_over_it_stays_silent(
    make, sector, run, seed, every_s
) -> None:
    route = [(0, -50, -14), (35, -8, -14), (70, -8, 28)]
    patrol = [make.walker([(t, x + 1.6 * k, y - 0.8 * k) for t, x, y in route]) for k in (0, 1)]
    units = [("unit-1", patrol[0], every_s, 5.0)]
    outcome = run(sector, make.world(patrol, units=units, until_s=70, seed=seed).messages())
    assert outcome.alerts == []
    assert [record.reason for record in held(outcome)] == [HeldBecause.OWN_FORCE]


@pytest.mark.parametrize("seed", range(4))
def test_a_patrol_seen_for_a_few_steps_only_stays_silent(make, sector, run, seed) -> None:
    """Twelve metres of the trail are in view: its pace must tell what its way is too short for."""
    patrol = group(make, 2)
    eye = make.eye(sigma_m=0.5, sees=lambda _, y: abs(y) < 12)
    units = [("unit-1", patrol[0], 3.0, 5.0)]
    world = make.world(patrol, eyes=[eye], units=units, seed=seed)
    assert run(sector, world.messages()).alerts == []


def test_a_silence_is_recorded_once_in_the_same_words(make, sector, run) -> None:
    patrol = group(make, 3)
    world = make.world(patrol, units=[("unit-1", patrol[0], 5.0, 5.0)])
    outcome = run(sector, world.messages())
    told = [event.record for event in outcome.events if isinstance(event, AlertSuppressed)]
    assert all(one != other for one, other in pairwise(told))


def test_an_incident_is_told_again_only_with_news_and_its_time_never_runs_back(
    make, sector, run
) -> None:
    column = [make.walker([(0, 10, -24 - 6 * k), (90, 10, 84 - 6 * k)]) for k in range(5)]
    eye = make.eye(sees=lambda _, y: y > -8)  # out of the wood, one after the other
    outcome = run(sector, make.world(column, eyes=[eye], until_s=90).messages())
    told = [event.incident for event in outcome.events if isinstance(event, IncidentChanged)]
    assert len(told) >= 2
    for before, after in pairwise(told):
        assert before.updated_at <= after.updated_at
        news = {"headcount", "headcount_min", "headcount_max", "track_ids", "devices"}
        assert any(getattr(before, name) != getattr(after, name) for name in news)


def test_a_traveller_at_the_gate_is_lawful(make, sector_maker, run) -> None:
    gate = make.feature(
        "Polygon", sector_maker.square(10, 0, 15), id="gate", name="Gate", kind="crossing_point"
    )
    sector = sector_maker.load(zones=make.collection(gate))
    through = run(sector, make.world(group(make, 1)).messages())
    beside = run(sector, make.world(group(make, 1, east_m=60.0)).messages())
    assert [record.zone_id for record in held(through)] == ["gate"]
    assert (through.alerts, len(beside.alerts)) == ([], 1)


@pytest.mark.parametrize(
    ("schedule", "alerts"),
    [
        ("Sat-Sun 00:00-24:00", 0),
        ("Sun 00:00-24:00", 0),
        ("Sat 00:00-24:00", 1),
        ("06:00-18:00", 1),
    ],
)
def test_a_gate_is_lawful_while_it_is_open(make, sector_maker, run, schedule, alerts) -> None:
    """The scene plays on Saturday 17:00 UTC, which is Sunday 00:00 in Hà Giang."""
    square = sector_maker.square(10, 0, 15)
    properties = {"id": "gate", "kind": "crossing_point", "schedule": schedule}
    gate = make.feature("Polygon", square, **properties)
    sector = sector_maker.load(zones=make.collection(gate))
    assert len(run(sector, make.world(group(make, 1)).messages()).alerts) == alerts


def test_a_place_is_named_in_the_guards_words(make, sector_maker, run) -> None:
    trail = make.feature("LineString", sector_maker.line((10, -300), (12, 200)), id="trail-2")
    far = make.feature("LineString", sector_maker.line((400, -300), (400, 200)), id="trail-3")
    markers = [
        make.feature("Point", sector_maker.at(110, 0), id="234"),
        make.feature("Point", sector_maker.at(900, 0), id="235"),
    ]
    sector = sector_maker.load(
        trails=make.collection(trail, far), markers=make.collection(*markers)
    )
    (alert,) = run(sector, make.world(group(make, 1)).messages()).alerts
    assert alert.place.trail_id == "trail-2"
    assert alert.place.marker == "234"
    assert alert.place.marker_distance_m == pytest.approx(100.0, abs=3.0)
    assert alert.place.marker_bearing_deg == pytest.approx(270.0, abs=2.0)
    assert alert.place.chainage_m == pytest.approx(2010.0, abs=3.0)
