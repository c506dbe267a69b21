"""Who belongs together, and how many they are."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.rulebook import GroupsRule
from fusion.situation.groups import counted, counted_together
from fusion.tracking.existence import surely
from fusion.tracking.fixes import NO_BIAS
from fusion.tracking.motion import Motion
from fusion.tracking.track import Track

PACE_MPS = 1.2


def walker(make, behind_m, *, east_m=10.0, at_s=40.0, until_s=90.0, turns=()) -> Any:
    """Someone who walks north over the line; `turns`: (second, east of it) on the way."""
    start_s = 0.0
    path = [(start_s, east_m, PACE_MPS * (start_s - at_s) - behind_m)]
    path += [(t, x_m, PACE_MPS * (t - at_s) - behind_m) for t, x_m in turns]
    end_m = path[-1][1]
    return make.walker([*path, (until_s, end_m, PACE_MPS * (until_s - at_s) - behind_m)])


def told(run, sector, make, walkers, **world: Any) -> tuple[list, list]:
    outcome = run(sector, make.world(walkers, until_s=100.0, **world).messages())
    return outcome.alerts, outcome.standing


@pytest.mark.parametrize("gaps_m", [(0, 40, 42.5, 45), (0, 2.5, 5, 42), (0, 30, 32, 62)])
def test_a_guide_ahead_and_stragglers_behind_are_one_group(make, sector, run, gaps_m) -> None:
    alerts, (incident,) = told(run, sector, make, [walker(make, gap_m) for gap_m in gaps_m])
    assert len(alerts) == 1
    assert (incident.headcount, incident.headcount_max) == (4, 4)


def test_a_group_that_parts_before_the_line_is_one_incident(make, sector, run) -> None:
    straight = [walker(make, gap_m, at_s=60.0) for gap_m in (0.0, 2.5)]
    turns = ((20.0, 10.0), (60.0, 60.0))
    aside = [walker(make, gap_m, at_s=60.0, turns=turns) for gap_m in (5.0, 7.5)]
    alerts, (incident,) = told(run, sector, make, straight + aside)
    assert len(alerts) == 1
    assert (incident.headcount, incident.headcount_max) == (4, 4)


def test_who_comes_to_the_line_by_another_way_is_another_group(make, sector, run) -> None:
    alerts, incidents = told(
        run, sector, make, [walker(make, 0.0), walker(make, 7.5, east_m=70.0)]
    )
    assert (len(alerts), [one.headcount for one in incidents]) == (2, [1, 1])


@pytest.mark.parametrize("behind_m", [70.0, 110.0])
def test_two_groups_on_one_trail_are_two_incidents(make, sector, run, behind_m) -> None:
    groups = [walker(make, gap_m) for gap_m in (0.0, 2.5)]
    groups += [walker(make, behind_m + gap_m, until_s=150.0) for gap_m in (0.0, 2.5, 5.0)]
    outcome = run(sector, make.world(groups, until_s=150.0).messages())
    assert len(outcome.alerts) == 2
    assert [one.headcount for one in outcome.standing] == [2, 3]


@pytest.mark.parametrize(
    ("vx_mps", "vy_mps"), [(0.0, 0.0), (0.6, 0.2), (-0.4, 0.25), (0.0, -0.4), (0.0, 0.25)]
)
def test_who_works_beside_the_way_is_not_counted(make, sector, run, vx_mps, vy_mps) -> None:
    """A farmer within 12 m of the way, some 20 m from the line when the group comes by."""

    def at(t: float) -> tuple[float, float, float]:
        return t, 22.0 + (t - 25.0) * vx_mps, -20.0 + (t - 25.0) * vy_mps

    group = [walker(make, gap_m) for gap_m in (0.0, 2.5, 5.0)]
    _, (incident,) = told(run, sector, make, [*group, make.walker([at(0.0), at(80.0)])])
    assert incident.headcount == 3


def test_two_cameras_that_disagree_by_metres_do_not_double_anybody(make, sector, run) -> None:
    eyes = [
        make.eye(name="cam-1", bias_m=(1.5, -1.0), bias_sigma_m=2.0, sigma_m=1.0),
        make.eye(name="cam-2", bias_m=(-1.5, 1.0), bias_sigma_m=2.0, sigma_m=1.0, phase_s=0.07),
    ]
    group = [walker(make, gap_m) for gap_m in (0.0, 2.5, 5.0)]
    alerts, (incident,) = told(run, sector, make, group, eyes=eyes)
    assert (len(alerts), incident.headcount) == (1, 3)


@given(st.lists(st.floats(0.0, 1.0), max_size=7))
def test_how_many_there_surely_are_is_what_all_cases_add_up_to(probabilities) -> None:
    """Against every combination of who is there, one by one."""
    tail = [0.0] * (len(probabilities) + 1)
    for there in product((True, False), repeat=len(probabilities)):
        chance = 1.0
        for p, is_there in zip(probabilities, there, strict=True):
            chance *= p if is_there else 1.0 - p
        for count in range(sum(there) + 1):
            tail[count] += chance
    if all(abs(one - 0.95) > 1e-9 for one in tail):
        assert surely(probabilities) == max(n for n, one in enumerate(tail) if one > 0.95)


def test_a_group_that_closes_up_on_another_is_one_of_its_own(make, sector, run) -> None:
    """They came into view 70 m apart, and are 30 s apart at the line; a count or two errs."""

    def walks(over_s: float, pace_mps: float) -> Any:
        starts_s = max(0.0, over_s - 120.0 / pace_mps)
        return make.walker([(t, 10.0, pace_mps * (t - over_s)) for t in (starts_s, 180.0)])

    groups = [walks(120.0 + 2.5 * k, 1.0) for k in range(3)]
    groups += [walks(155.0 + 1.8 * k, 1.4) for k in range(2)]
    outcome = run(sector, make.world(groups, until_s=180.0).messages())
    assert [one.headcount for one in outcome.standing] == [3, 2]


@pytest.mark.parametrize(("back", "known"), [(False, 5), (True, 1)])
def test_who_turned_round_has_no_company_from_before(back, known) -> None:
    """Two who meet on a trail may swap their tracks; each would have the other's company."""

    def now(y_m: float) -> Motion:
        return Motion(0.0, y_m, 0.0, 1.2, (0.5, 0.0, 0.5), (0.0,) * 4, (0.1, 0.0, 0.1))

    def a_track(name: str) -> Track:
        return Track(
            id=name, born_s=0.0, seen_s=60.0, motion=now(0.0), bias=NO_BIAS, votes=(),
            label="person", kind="person", sightings=(), hits=1, confirmed=True, line_s=0.0,
            simulated=False,
        )  # fmt: skip

    group = [a_track(name) for name in "abcde"]
    for t in range(0, 40, 2):
        walkers = [(one, now(1.2 * t)) for one in group]
        columns = counted_together(walkers, float(t), GroupsRule())
        group = sorted((one for column in columns for one in column), key=lambda one: one.id)
    track = group[0]
    for t in range(40, 60, 2):
        there = now(1.2 * (80 - t if back else t))
        ((track,),) = counted_together([(track, there)], float(t), GroupsRule())
    assert counted([track], GroupsRule()) == known
