"""What came of the alerts, with bounds that do not flatter."""

import math
import random
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from edge.messages import (
    AlertKind,
    Deed,
    Incident,
    Outcome,
    Place,
    Result,
    Severity,
    UtcTime,
    Verb,
)
from fusion.bounds import binomial_lower, binomial_upper, poisson_lower, poisson_upper
from fusion.days import Days, start_of_day
from fusion.tally import NUISANCE, TRUE, added, tallies, told
from fusion.tally import counted as counts_of
from fusion.waits import Wait, Waits, waits_of

SINCE = UtcTime.parse("2026-03-01T00:00:00.000Z")
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")


# -- bounds: the vectors of DOMAIN.md 2.5 ------------------------------------------------------


@pytest.mark.parametrize(("count", "upper"), [(0, 3.00), (1, 4.74), (3, 7.75), (10, 16.96)])
def test_so_many_events_agree_with_a_mean_of_at_most(count, upper) -> None:
    assert poisson_upper(count) == pytest.approx(upper, abs=0.005)


@pytest.mark.parametrize(
    ("trials", "probability", "confidence"),
    [(22, 0.90, 0.90), (29, 0.90, 0.95), (59, 0.95, 0.95), (299, 0.99, 0.95)],
)
def test_so_many_trials_without_a_miss_are_needed_and_no_fewer(
    trials, probability, confidence
) -> None:
    assert binomial_lower(trials, trials, confidence) >= probability
    assert binomial_lower(trials - 1, trials - 1, confidence) < probability


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 500), st.floats(0.5, 0.999))
def test_the_poisson_bound_is_that_of_the_chi_squared_distribution(count, confidence) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.chi2.ppf(confidence, 2 * (count + 1)) / 2.0
    assert poisson_upper(count, confidence) == pytest.approx(expected, rel=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_the_binomial_bound_is_that_of_the_beta_distribution(counts) -> None:
    stats = pytest.importorskip("scipy.stats")
    successes, trials = counts
    expected = stats.beta.ppf(0.05, successes, trials - successes + 1)
    assert binomial_lower(successes, trials) == pytest.approx(expected, rel=1e-9)


def test_of_no_trials_nothing_is_known() -> None:
    assert binomial_lower(0, 0) == binomial_lower(0, 9) == 0.0
    assert binomial_upper(0, 0) == binomial_upper(9, 9) == 1.0


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 200_000), st.floats(0.5, 0.999))
def test_the_lower_poisson_bound_is_that_of_the_chi_squared_distribution(
    count, confidence
) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.chi2.ppf(1.0 - confidence, 2 * count) / 2.0
    assert poisson_lower(count, confidence) == pytest.approx(expected, rel=1e-8)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 200_000).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_bounds_hold_for_large_counts_too(counts) -> None:
    stats = pytest.importorskip("scipy.stats")
    successes, trials = counts
    expected = stats.beta.ppf(0.05, successes, trials - successes + 1)
    assert binomial_lower(successes, trials) == pytest.approx(expected, rel=1e-8)
    assert poisson_upper(trials) == pytest.approx(
        stats.chi2.ppf(0.95, 2 * (trials + 1)) / 2.0, rel=1e-8
    )


@pytest.mark.parametrize("truth", [0.05, 0.5, 0.93])
def test_each_bound_holds_for_at_least_nineteen_of_twenty_that_are_drawn(truth) -> None:
    draw = random.Random(6)
    drawn = [sum(draw.random() < truth for _ in range(40)) for _ in range(2_000)]
    # Of 2,000 draws, 4 sigmas below 95 %.
    assert sum(binomial_lower(one, 40) <= truth for one in drawn) > 1_860
    assert sum(binomial_upper(one, 40) >= truth for one in drawn) > 1_860


# -- tallies -----------------------------------------------------------------------------------


def incident(number: int, outcome=None, *, days=1.0, **changed: object) -> Incident:
    fields = {
        "incident_id": f"inc-{number}",
        "sector": "ha-giang",
        "kind": AlertKind.CROSSING,
        "state": "new" if outcome is None else "closed",
        "severity": Severity.HIGH,
        "opened_at": SINCE.after(days * 86_400.0),
        "updated_at": SINCE.after(days * 86_400.0),
        "headcount": 1,
        "headcount_min": 1,
        "headcount_max": 1,
        "lat": 22.9,
        "lon": 105.3,
        "place": Place(trail_id="trail-1"),
        "alert_ids": (f"alr-{number}",),
        "track_ids": ("trk-1",),
        "devices": ("cam-01",),
        "outcome": outcome or UNSET,
        "version": 6 if outcome else UNSET,
    }
    return Incident(**fields | changed)


def counted(*incidents: Incident, days=10.0, **options: object) -> dict:
    found = tallies(
        incidents,
        since=SINCE,
        until=SINCE.after(days * 86_400.0),
        timezone=HANOI,
        border_km=2.0,
        **options,
    )
    return {(one.by, one.name): one for one in found}


def test_precision_is_that_of_what_people_judged_clearly() -> None:
    said = [Outcome.BAT_GIU] * 3 + [Outcome.DONG_VAT, Outcome.LOI_HE_THONG, Outcome.KHONG_RO, None]
    found = counted(*(incident(n, one) for n, one in enumerate(said)))["all", ""]
    assert (found.true, found.nuisance, found.false) == (3, 1, 1)
    assert (found.unclear, found.open, found.by_itself) == (1, 1, 0)
    assert found.precision == 0.6
    assert found.precision_low == pytest.approx(binomial_lower(3, 5), abs=1e-4)
    assert found.unwanted_per_day == 0.2
    assert found.unwanted_per_day_high == pytest.approx(poisson_upper(2) / 10.0, abs=1e-4)
    assert found.unwanted_per_km_day_high == pytest.approx(poisson_upper(2) / 20.0, abs=1e-4)


def test_ten_days_without_a_false_alert_say_no_more_than_they_can() -> None:
    found = counted()["all", ""]
    assert (found.incidents, found.precision, found.precision_low) == (0, None, 0.0)
    assert found.unwanted_per_day_high == pytest.approx(0.2996, abs=1e-4)


def test_every_device_of_an_incident_has_its_share_and_the_day_is_the_sectors() -> None:
    late = incident(1, Outcome.DONG_VAT, days=1.8, devices=("cam-01", "cam-02"))  # 02:12 there
    found = counted(late, incident(2, Outcome.BAT_GIU, days=1.2))
    assert found["device", "cam-01"].incidents == 2
    assert found["device", "cam-02"].precision == 0.0
    assert found["trail", "trail-1"].precision == 0.5
    assert found["day", "2026-03-02"].true == 1
    assert found["day", "2026-03-03"].nuisance == 1
    assert found["day", "2026-03-03"].days == 1.0
    assert found["device", "cam-01"].unwanted_per_km_day_high is None


def test_what_the_system_ended_is_nobodys_judgement() -> None:
    turned_back = incident(1, Outcome.QUAY_LAI, state="no_threat", acted_by="system")
    found = counted(turned_back, incident(2, state="withdrawn"))["all", ""]
    assert (found.true, found.by_itself, found.open, found.precision) == (0, 2, 0, None)


def test_an_alert_that_went_on_to_another_incident_is_counted_there() -> None:
    old = incident(1, state="withdrawn", continued_as="inc-2")
    assert counted(old, incident(2, Outcome.BAT_GIU))["all", ""].incidents == 1


def test_exercises_are_counted_by_themselves() -> None:
    both = incident(1, Outcome.BAT_GIU, simulated=True), incident(2, Outcome.DONG_VAT)
    assert counted(*both)["all", ""].nuisance == 1
    assert counted(*both, simulated=True)["all", ""].true == 1


def deed(number: int, verb: Verb, after_s: float, **changed: object) -> Deed:
    fields = {
        "message_id": f"{number}-{verb}-{after_s}",
        "incident_id": f"inc-{number}",
        "sector": "ha-giang",
        "verb": verb,
        "actor": "lan",
        "role": "officer",
        "at": SINCE.after(after_s),
        "received_at": SINCE.after(after_s + 9.0),
        "result": Result.APPLIED,
        "why": "",
        "state": "",
        "version": 1,
        "evidence_sha256": "",
    }
    return Deed(**fields | changed)


def waited(incidents, deeds) -> dict:
    issued = {name: SINCE for one in incidents for name in one.alert_ids}
    return waits_of(incidents, issued, deeds)


def test_how_long_people_took_counts_from_the_alert_to_the_first_such_step_by_their_clock() -> (
    None
):
    one = incident(1)
    found = waited([one], [
        deed(1, Verb.RESOLVE, 900.0),
        deed(1, Verb.ACKNOWLEDGE, 500.0),
        deed(1, Verb.ACKNOWLEDGE, 30.0),
        deed(1, Verb.ACKNOWLEDGE, 10.0, result=Result.STALE),
        deed(2, Verb.ACKNOWLEDGE, 10.0),
    ])  # fmt: skip
    assert found == {"inc-1": Waits(acknowledge_s=30.0, resolve_s=900.0)}
    tally = counted(one, incident(3), waits=found)["kind", "crossing"]
    assert tally.to_acknowledge == Wait(count=1, median_s=30.0, p90_s=30.0)
    assert tally.to_dispatch is None
    assert tally.to_resolve.median_s == 900.0


def test_work_that_went_on_in_another_incident_is_counted_there_and_never_before_the_alert() -> (
    None
):
    old = incident(1, state="withdrawn", continued_as="inc-2")
    new = incident(2, alert_ids=("alr-1",))
    found = waited([old, new], [deed(1, Verb.ACKNOWLEDGE, -1.0), deed(2, Verb.DISPATCH, 60.0)])
    assert found == {"inc-2": Waits(acknowledge_s=0.0, dispatch_s=60.0)}


@given(st.lists(st.integers(0, 9_000), min_size=1, max_size=60))
def test_nine_of_ten_waits_are_no_longer_and_half_of_them_than_the_median(waits_s) -> None:
    wait = Wait.of([float(one) for one in waits_s])
    assert wait.count == len(waits_s)
    assert 10 * sum(one <= wait.p90_s for one in waits_s) >= 9 * len(waits_s)
    assert 10 * sum(one < wait.p90_s for one in waits_s) < 9 * len(waits_s)
    assert 2 * sum(one <= wait.median_s for one in waits_s) >= len(waits_s)


@given(st.lists(st.sampled_from([None, *Outcome]), max_size=40))
def test_nothing_is_counted_twice_or_lost(said) -> None:
    for one in counted(*(incident(n, outcome) for n, outcome in enumerate(said))).values():
        parts = one.true, one.nuisance, one.false, one.unclear, one.open, one.by_itself
        assert sum(parts) == one.incidents
        assert one.precision is None or one.precision_low <= one.precision + 1e-4
        assert math.isfinite(one.unwanted_per_day_high)


def test_every_outcome_counts_as_one_thing() -> None:
    others = {Outcome.LOI_HE_THONG, Outcome.KHONG_RO}
    assert TRUE | NUISANCE | others == set(Outcome)
    assert not TRUE & NUISANCE


def test_interdiction_is_of_those_who_crossed_or_tried_to_and_whose_end_is_known() -> None:
    said = [Outcome.BAT_GIU, Outcome.QUAY_LAI, Outcome.QUAY_LAI, Outcome.THOAT, Outcome.DONG_VAT]
    found = counted(*(incident(n, one) for n, one in enumerate(said)))["all", ""]
    assert (found.caught, found.turned_back, found.got_away) == (1, 2, 1)
    assert found.interdiction == 0.75
    assert found.interdiction_low == pytest.approx(binomial_lower(3, 4), abs=1e-4)
    assert found.interdiction_high == pytest.approx(binomial_upper(3, 4), abs=1e-4)
    assert counted(incident(1, Outcome.DONG_VAT))["all", ""].interdiction is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 9.99), st.sampled_from([None, *Outcome])), max_size=30))
def test_periods_that_touch_add_up_to_the_whole(said) -> None:
    everyone = [incident(n, outcome, days=at) for n, (at, outcome) in enumerate(said)]
    waits = {one.incident_id: Waits(acknowledge_s=float(n)) for n, one in enumerate(everyone)}
    middle = SINCE.after(4.2 * 86_400.0)
    halves = (
        [one for one in everyone if one.opened_at < middle],
        [one for one in everyone if one.opened_at >= middle],
    )
    ten_days = {
        "since": SINCE, "until": SINCE.after(864_000.0), "timezone": HANOI, "border_km": 2.0,
    }  # fmt: skip
    parts = (counts_of(half, waits, timezone=HANOI) for half in halves)
    assert told(added(parts), **ten_days) == tallies(everyone, waits=waits, **ten_days)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Asia/Ho_Chi_Minh", date(2026, 3, 29), 24.0),
        ("Europe/Berlin", date(2026, 3, 29), 23.0),
        ("Europe/Berlin", date(2026, 10, 25), 25.0),
    ],
)
def test_a_day_is_as_long_as_its_clocks_say(zone, day, hours) -> None:
    timezone = ZoneInfo(zone)
    one = Days(day, day, timezone)
    assert one.until.seconds_since(one.since) == hours * 3600.0
    at = one.until.after(-0.001)
    assert at.astimezone(timezone).date() == day
    assert start_of_day(day, timezone) == one.since
    late = incident(1, Outcome.DONG_VAT, opened_at=at)
    (found,) = (
        tally
        for tally in tallies(
            [late], since=one.since, until=one.until, timezone=timezone, border_km=1.0
        )
        if tally.by == "day"
    )
    assert found.name == day.isoformat()
    assert found.days == round(hours / 24.0, 4)
