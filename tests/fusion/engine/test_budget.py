"""An alarm budget groups what is too much for one console and loses nothing."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from edge.messages import Alert, AlertKind, Place, Severity, UtcTime
from fusion.budget import Budget, budgeted
from fusion.rulebook import BudgetRule

START_S = 1_773_500_000.0


def alert(number: int, at_s: float, severity=Severity.LOW, *, simulated=False) -> Alert:
    at = UtcTime.from_epoch_s(START_S + at_s)
    return Alert(
        alert_id=f"alr-{number}", incident_id=f"inc-{number}", sector="ha-giang",
        kind=AlertKind.ZONE, severity=severity, raised_at=at, issued_at=at, lat=22.9, lon=105.3,
        probability=1.0, headcount=1, headcount_min=1, headcount_max=1, track_ids=(), devices=(),
        place=Place(), reasons=(), simulated=simulated,
    )  # fmt: skip


def issued(alerts, rule=None) -> list[Alert]:
    budget, out = Budget(), []
    for one in alerts:
        budget, told = budgeted(budget, one, rule or BudgetRule())
        out.append(told)
    return out


def sounding(alerts) -> list[Alert]:
    return [one for one in alerts if one.grouped_with is UNSET]


def test_a_flood_of_100_low_alerts_in_10_minutes_sounds_7_times_and_all_are_on_record() -> None:
    dice = random.Random(5)
    times = sorted(dice.uniform(0.0, 600.0) for _ in range(100))
    out = issued(alert(number, at_s) for number, at_s in enumerate(times))
    assert len(out) == 100
    assert len(sounding(out)) <= 7
    heard = {one.alert_id for one in sounding(out)}
    assert all(one.grouped_with in heard for one in out if one not in sounding(out))


@given(
    st.lists(st.tuples(st.floats(0.0, 36_000.0), st.sampled_from(Severity)), max_size=200),
    st.integers(1, 8), st.floats(0.5, 30.0), st.floats(1.0, 20_000.0),
)  # fmt: skip
def test_no_span_sounds_more_often_than_the_rule_says(calls, burst, per_hour, span_s) -> None:
    calls.sort(key=lambda call: call[0])
    out = issued(
        [alert(number, *call) for number, call in enumerate(calls)],
        BudgetRule(burst=burst, per_hour=per_hour),
    )
    quiet = [
        one.issued_at.timestamp() for one in sounding(out) if one.severity in {"low", "medium"}
    ]
    for begin_s in quiet:
        within = [at_s for at_s in quiet if begin_s <= at_s <= begin_s + span_s]
        assert len(within) <= burst + per_hour * span_s / 3600.0 + 1e-6


@given(st.lists(st.tuples(st.floats(0.0, 3600.0), st.sampled_from(Severity)), max_size=100))
def test_what_is_high_or_critical_always_sounds(calls) -> None:
    calls.sort(key=lambda call: call[0])
    out = issued([alert(number, *call) for number, call in enumerate(calls)])
    assert all(one.grouped_with is UNSET for one in out if one.severity in {"high", "critical"})


def test_two_alerts_an_hour_are_never_grouped() -> None:
    out = issued(alert(number, 1800.0 * number) for number in range(48))
    assert sounding(out) == out


@pytest.mark.parametrize("simulated", [True, False])
def test_an_exercise_spends_nothing_of_what_is_real(simulated) -> None:
    flood = [alert(number, float(number), simulated=simulated) for number in range(50)]
    real = alert(99, 60.0)
    assert (issued([*flood, real])[-1].grouped_with is UNSET) is simulated
