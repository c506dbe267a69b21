"""Approaches, stays and tips as guards get them: one notice, one alert, one incident a group."""

import pytest

from edge.messages import AlertKind
from fusion.events import AlertSuppressed, HeldBecause

RULES = "[rules.approach]\nenabled = true\n"


def group(make, size, *, until_s=120.0, turn_s=None) -> list:
    """Walk from 100 m before the line over it at 1.2 m/s, or back from where they are then."""
    far = -100.0
    if turn_s is None:
        way = [(0.0, far), (until_s, far + 1.2 * until_s)]
    else:
        way = [
            (0.0, far),
            (turn_s, far + 1.2 * turn_s),
            (until_s, far + 1.2 * (2 * turn_s - until_s)),
        ]
    return [make.walker([(t, 10.0 + 2.5 * k, y - k) for t, y in way]) for k in range(size)]


def of_kind(alerts, kind) -> list:
    return [one for one in alerts if one.kind is kind]


def test_a_group_is_told_of_on_its_way_and_when_it_has_crossed(make, sector_maker, run) -> None:
    sector = sector_maker.load(rules=RULES)
    outcome = run(sector, make.world(group(make, 3), until_s=120).messages())
    (approach,) = of_kind(outcome.alerts, AlertKind.APPROACH)
    (crossing,) = of_kind(outcome.alerts, AlertKind.CROSSING)
    ahead_s = make.start.after(100.0 / 1.2).seconds_since(approach.raised_at)
    assert ahead_s >= 40.0
    assert approach.eta_s == pytest.approx(ahead_s, rel=0.4)
    before = outcome.incidents[approach.incident_id]
    after = outcome.incidents[crossing.incident_id]
    assert (before.state, before.led_to) == ("closed", after.incident_id)
    assert (after.state, after.follows) == ("new", before.incident_id)
    assert (before.headcount, after.headcount) == (3, 3)


def test_whoever_turns_back_was_no_threat(make, sector_maker, run) -> None:
    sector = sector_maker.load(rules=RULES)
    walk = group(make, 2, until_s=160, turn_s=70.0)  # 16 m before the line
    outcome = run(sector, make.world(walk, until_s=160).messages())
    (alert,) = outcome.alerts
    assert alert.kind is AlertKind.APPROACH
    assert [one.state for one in outcome.incidents.values()] == ["no_threat"]


def test_our_own_patrol_on_its_way_to_the_line_is_on_record_only(make, sector_maker, run) -> None:
    patrol = group(make, 2)
    units = [("unit-1", patrol[0], 5.0, 5.0)]
    outcome = run(
        sector_maker.load(rules=RULES), make.world(patrol, units=units, until_s=120).messages()
    )
    records = [one.record for one in outcome.events if isinstance(one, AlertSuppressed)]
    assert outcome.alerts == []
    assert {one.reason for one in records} == {HeldBecause.OWN_FORCE}
    assert {one.kind for one in records} == {AlertKind.APPROACH, AlertKind.CROSSING}


def test_a_group_that_was_out_of_view_for_long_is_told_of_once(make, sector_maker, run) -> None:
    """Three and more get no names back: other tracks go on with the approach, and end it."""
    way = [(0.0, -170.0), (125.0, -20.0), (160.0, -62.0)]
    walk = [make.walker([(t, 10.0 + 2.5 * k, y - k) for t, y in way]) for k in range(4)]
    eyes = [make.eye(fps=2.0, sees=lambda _x, y: not -120.0 < y < -70.0)]
    sector = sector_maker.load(rules=RULES)
    outcome = run(sector, make.world(walk, eyes=eyes, until_s=160).messages())
    assert [one.kind for one in outcome.alerts] == [AlertKind.APPROACH]
    (incident,) = outcome.incidents.values()
    assert incident.state == "no_threat"
    assert len(incident.track_ids) > 4


def test_one_who_came_into_view_only_at_the_turn_does_not_keep_an_approach_open(
    make, sector_maker, run
) -> None:
    """Such a one never came nearer by itself: its way back ends the approach all the same."""
    walk = group(make, 2, until_s=120, turn_s=70.0)
    hidden = make.walker([(66.0, 15.0, -22.0), (70.0, 15.0, -18.0), (120.0, 15.0, -78.0)])
    world = make.world([*walk, hidden], eyes=[make.eye(fps=2.0)], until_s=120)
    outcome = run(sector_maker.load(rules=RULES), world.messages())
    (incident,) = outcome.incidents.values()
    assert incident.state == "no_threat"
    assert len(incident.track_ids) == 3
    ended_s = incident.updated_at.seconds_since(make.start)
    assert ended_s <= 100.0
