"""A villager's word: alone a low notice; with a track that it may speak of, one step more."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import AlertKind, Severity
from fusion.local_frame import Metres
from fusion.notices import begun
from fusion.rulebook import TipRule
from fusion.situation.finding import Finding
from fusion.situation.tips import (
    AGREES,
    Tip,
    agreeing,
    agrees_with,
    is_tip,
    one_step_up,
    raised,
    raised_notice,
    reach_of,
    speaks_of,
    tips_of,
    told,
)
from fusion.tracking.fixes import NO_BIAS, Fix, Look, kind_of
from fusion.tracking.motion import born
from fusion.tracking.track import Track
from fusion.trodden import cell_of

RULE = TipRule()
AT_S = 1_000_000.0
metres = st.floats(-5000.0, 5000.0)


def word(x_m=0.0, y_m=0.0, *, sigma_m=100.0, at_s=AT_S, label="person", count=1, name="1") -> Look:
    cov = (sigma_m**2, 0.0, sigma_m**2)
    fixes = tuple(
        Fix(x_m, y_m, cov, cov, NO_BIAS, label, kind_of(label), 0.5, None, number, None)
        for number in range(count)
    )
    return Look(at_s, "thon-1", name, fixes, 0, simulated=False, sensor_kind="tip")


def someone(x_m=0.0, y_m=0.0, *, kind="person", sigma_m=3.0) -> Track:
    cov = (sigma_m**2, 0.0, sigma_m**2)
    return Track(
        id="trk-1", born_s=AT_S, seen_s=AT_S, motion=born(x_m, y_m, cov, speed_sigma_mps=1.0),
        bias=NO_BIAS, votes=(), label=kind, kind=kind, sightings=(), hits=31, confirmed=True,
        line_s=0.0, simulated=False,
    )  # fmt: skip


def tip(*place: float, **about: Any) -> Tip:
    (only,) = tips_of(word(*place, **about))
    return only


def test_a_tip_alone_is_a_low_notice_about_no_track() -> None:
    look = word(count=3)
    assert is_tip(look)
    notice = told(tip(count=3), (), RULE)
    assert (notice.kind, notice.severity, notice.tracks) == (AlertKind.TIP, Severity.LOW, ())
    assert (notice.headcount, notice.devices, notice.opened_s) == (3, ("thon-1",), AT_S)
    assert [reason.code for reason in notice.reasons] == ["told"]


@given(x=metres, y=metres, dt=st.floats(-2000.0, 2000.0))
def test_many_tips_of_one_thing_are_one_notice_never_above_low(x, y, dt) -> None:
    first = told(tip(), (), RULE)
    again = told(tip(x, y, at_s=AT_S + dt, name="2"), (first,), RULE)
    assert again.severity is Severity.LOW
    if math.hypot(x, y) > 2000.0 or abs(dt) > RULE.agrees_s:
        assert again.id != first.id
    if math.hypot(x, y) < 200.0 and abs(dt) < RULE.agrees_s:
        assert again.id == first.id
    other = told(tip(label="car", name="3"), (first,), RULE)
    assert other.id != first.id


@given(severity=st.sampled_from(list(Severity)))
def test_a_track_in_its_error_is_raised_by_one_step(severity) -> None:
    finding = Finding(AlertKind.APPROACH, severity, ())
    agreed = agreeing((tip(),), someone(120.0, -80.0), AT_S + 60.0, RULE)
    more = raised(finding, agreed)
    assert more.severity is one_step_up(severity)
    assert [reason.code for reason in more.reasons] == [AGREES]
    steps = list(Severity)
    assert steps.index(more.severity) == min(steps.index(severity) + 1, 3)


@pytest.mark.parametrize("kind", [AlertKind.WATCHLIST, AlertKind.DEVICE, AlertKind.TIP])
def test_other_findings_and_ends_are_not_raised(kind) -> None:
    finding = Finding(kind, Severity.LOW, ())
    assert raised(finding, tip()) is finding
    over = Finding(AlertKind.ZONE, Severity.LOW, (), over="left")
    assert raised(over, tip()) is over
    zone = Finding(AlertKind.ZONE, Severity.LOW, ())
    assert raised(zone, None) is zone


def test_what_is_elsewhere_long_after_or_of_another_kind_does_not_agree() -> None:
    assert agreeing((tip(),), someone(900.0), AT_S, RULE) is None
    assert agreeing((tip(),), someone(), AT_S + RULE.agrees_s + 1.0, RULE) is None
    assert agreeing((tip(),), someone(kind="vehicle"), AT_S, RULE) is None
    assert agreeing((tip(),), someone(450.0), AT_S, RULE) is None
    assert agreeing((tip(),), someone(450.0), AT_S + 500.0, RULE) is not None  # walked meanwhile
    # Nobody came 600 m in eight minutes at half a metre a second.
    assert agreeing((tip(sigma_m=30.0),), someone(600.0), AT_S + 480.0, RULE) is None
    near, far = tip(20.0, name="a"), tip(150.0, name="b")
    assert agreeing((far, near), someone(), AT_S, RULE) is near


@given(x=metres, y=metres, dt=st.floats(-600.0, 600.0), sigma=st.floats(1.0, 300.0))
def test_whoever_a_tip_speaks_of_is_within_its_reach(x, y, dt, sigma) -> None:
    """Late data in its reach are run again with it (`fusion.trodden`)."""
    one = tip(sigma_m=sigma)
    if agreeing((one,), someone(x, y, sigma_m=150.0), AT_S + dt, RULE):
        assert cell_of(x, y) in reach_of(one, RULE)


def test_a_tip_that_comes_after_raises_what_was_said_before_and_once() -> None:
    track = someone(50.0)
    notice = begun(
        Finding(AlertKind.LOITERING, Severity.LOW, ()), track, (track,), AT_S, ordinal=0
    )
    later = tip(at_s=AT_S + 100.0)
    assert agrees_with(later, notice, RULE)
    assert not agrees_with(tip(2000.0), notice, RULE)
    more = raised_notice(notice, later)
    assert (more.severity, more.reasons[-1].code) == (Severity.MEDIUM, AGREES)
    assert raised_notice(more, tip(at_s=AT_S + 200.0, name="2")) is more


def test_several_seen_at_one_place_are_one_tip_and_two_places_two() -> None:
    look = word(count=2)
    car = word(50.0, 0.0, label="car").fixes[0]
    assert [one.people for one in tips_of(look._replace(fixes=(*look.fixes, car)))] == [2, 1]
    assert tips_of(look._replace(fixes=())) == ()
    assert Metres(0.0, 0.0) == tips_of(look)[0].at


@pytest.mark.parametrize(
    ("label", "x_m", "dt_s", "speaks"),
    [
        ("person", 100.0, 60.0, True), ("car", 100.0, 60.0, False),
        ("person", 900.0, 60.0, False), ("person", 100.0, -601.0, False),
    ],
)  # fmt: skip
def test_a_tip_speaks_of_who_crossed_near_it(label, x_m, dt_s, speaks) -> None:
    assert speaks_of(tip(), label, Metres(x_m, 0.0), AT_S + dt_s, RULE) is speaks
