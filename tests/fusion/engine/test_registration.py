"""Devices learn from one another how far off they are, as angles, and no more than can be known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.events import TracksUpdated
from fusion.tracking.registration import (
    Offset,
    Sighted,
    aged,
    compared,
    doubt_of,
    ray_of,
    shift_of,
    unknown,
)

NOISE_M2 = 0.04
FOOT = (0.04, 0.0, 0.04)


def bias_at(eye, spot, *, per_m=0.02) -> tuple:
    """A mount that may be off by the same small angle each way: error grows with the range."""
    dx, dy = spot[0] - eye[0], spot[1] - eye[1]
    sigma2 = (per_m**2) * (dx * dx + dy * dy)
    return sigma2, 0.0, sigma2


def seen(eye, spot, truth: Offset) -> Sighted:
    ray = ray_of(*eye, *spot, bias_at(eye, spot))
    off_x, off_y = shift_of(truth, ray)
    return Sighted(spot[0] + off_x, spot[1] + off_y, FOOT, ray)


def taught(eyes, truths, spots) -> list[Offset]:
    known = [unknown(0.0) for _ in eyes]
    for spot in spots:
        for i in range(len(eyes)):
            for j in range(i):
                one, other = seen(eyes[i], spot, truths[i]), seen(eyes[j], spot, truths[j])
                names = (f"cam-{i}", f"cam-{j}")
                learnt = compared(known[i], one, known[j], other, NOISE_M2, names)
                if learnt is not None:
                    known[i], known[j] = learnt
    return known


def truth(along, across) -> Offset:
    return Offset(0.0, along, across, (1.0, 0.0, 1.0))


EYES = [(0.0, 0.0), (100.0, 0.0), (50.0, 120.0)]
SPOTS = [(20.0 + 7.0 * (k % 9), 15.0 + 9.0 * (k % 7)) for k in range(40)]


def test_what_three_cameras_are_off_is_found_from_whom_they_share() -> None:
    truths = [truth(0.5, -1.2), truth(-0.4, 0.9), truth(0.2, 0.6)]
    known = taught(EYES, truths, SPOTS)
    before, after = [], []
    for spot in SPOTS:
        for eye, real, found in zip(EYES, truths, known, strict=True):
            one = seen(eye, spot, real)
            off_x, off_y = shift_of(found, one.ray)
            before.append(math.dist((one.x_m, one.y_m), spot))
            after.append(math.dist((one.x_m - off_x, one.y_m - off_y), spot))
    assert np.mean(after) < 0.5 * np.mean(before)


def test_no_more_is_claimed_than_both_together_can_know() -> None:
    """Two cameras of one quality: what they have in common, half of the variance, stays."""
    middle = [(50.0, 10.0 + 3.0 * k) for k in range(40)]
    known = taught(EYES[:2], [truth(0.5, 0.5)] * 2, middle)
    for eye, offset in zip(EYES, known, strict=False):
        assert 0.499 <= min(offset.cov[0], offset.cov[2]) < 0.6
        one = seen(eye, middle[0], truth(0, 0))
        assert doubt_of(offset, one.ray)[0] >= 0.49 * one.ray.along_m**2


def test_what_is_learnt_at_one_range_is_doubted_at_another() -> None:
    """Pitch, height and place err with range each in its own way: no number fits two ranges."""
    dice, height_m, lengths2 = np.random.default_rng(1), 10.0, []
    for _ in range(200):
        errors = dice.normal(0.0, (math.radians(0.1), 0.15, 0.3))

        def off(range_m, errors=errors) -> Sighted:
            grown = (range_m**2 / height_m + height_m, range_m / height_m, 1.0)
            sigmas = (math.radians(0.1), 0.15, 0.3)
            along2 = sum((g * sigma) ** 2 for g, sigma in zip(grown, sigmas, strict=True))
            ray = ray_of(0.0, 0.0, range_m, 0.0, (along2, 0.0, 1.0))
            return Sighted(range_m + float(np.dot(grown, errors)), 0.0, FOOT, ray)

        offset = unknown(0.0)
        for _ in range(20):
            exact = Sighted(60.0, 0.0, FOOT, ray_of(60.0, 60.0, 60.0, 0.0, (1e-4, 0.0, 1e-4)))
            offset, _ = compared(offset, off(60.0), unknown(0.0), exact, NOISE_M2, ("a", "b"))
        there = off(100.0)
        left_m = there.x_m - 100.0 - shift_of(offset, there.ray)[0]
        lengths2.append(left_m**2 / doubt_of(offset, there.ray)[0])
    assert 0.5 < np.mean(lengths2) < 1.2


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=3, max_size=3),
    st.lists(
        st.tuples(st.floats(-500, 500), st.floats(5, 100)), min_size=1, max_size=12, unique=True
    ),
)
def test_what_is_left_is_a_covariance_and_never_more_than_declared(offsets, spots) -> None:
    for offset in taught(EYES, [truth(*one) for one in offsets], spots):
        along, cross, across = offset.cov
        assert 0.0 < along <= 1.0 + 1e-9
        assert 0.0 < across <= 1.0 + 1e-9
        assert cross * cross < along * across
        assert math.isfinite(offset.along + offset.across)


def test_two_people_are_not_compared_as_one() -> None:
    one, other = (seen(EYES[k], spot, truth(0, 0)) for k, spot in ((0, (50, 40)), (1, (50, 70))))
    assert compared(unknown(0), one, unknown(0), other, NOISE_M2, ("a", "b")) is None


def test_what_was_learnt_is_doubted_again_with_time() -> None:
    (known, _) = taught(EYES[:2], [truth(0.5, -1.0), truth(-0.5, 1.0)], SPOTS)
    later = aged(known, 7200.0)
    assert later.cov == pytest.approx((1.0, 0.0, 1.0), abs=1e-3)
    assert (later.along, later.across) == pytest.approx((0.0, 0.0), abs=1e-2)


def test_to_wait_in_steps_is_to_wait_at_once() -> None:
    (known, _) = taught(EYES[:2], [truth(0.5, -1.0), truth(-0.5, 1.0)], SPOTS)
    at_once, in_steps = aged(known, 600.0), known
    for second in range(1, 601):
        in_steps = aged(in_steps, float(second))
    assert in_steps.cov == pytest.approx(at_once.cov)
    assert in_steps[1:3] == pytest.approx(at_once[1:3])
    # What was believed and is forgotten now is doubted as much: the whole spread stays that of N(0, 1).
    assert aged(truth(1.0, 0.0)._replace(cov=(0.0, 0.0, 0.0)), 600.0).cov[0] == pytest.approx(
        1.0 - aged(truth(1.0, 0.0), 600.0).along ** 2
    )


def test_a_shift_of_the_ground_is_an_angle_not_a_length() -> None:
    """The same offset moves a fix twice as far at twice the range."""
    near, far = (ray_of(0, 0, x, 0, bias_at((0, 0), (x, 0))) for x in (50.0, 100.0))
    (_, near_m), (_, far_m) = shift_of(truth(0, 1), near), shift_of(truth(0, 1), far)
    assert far_m == pytest.approx(2.0 * near_m)


def test_cameras_that_are_off_give_one_track_where_the_person_is(make, sector, run) -> None:
    """Two cameras that are off by 2 m in opposite ways, as they declare: the picture gets sure."""
    walker = make.walker([(0, -40, -60), (90, 40, -60)])
    eyes = [
        make.eye("cam-1", sigma_m=0.3, bias_m=(1.6, 1.2), bias_sigma_m=2.0, fps=4),
        make.eye("cam-2", sigma_m=0.3, bias_m=(-1.6, -1.2), bias_sigma_m=2.0, fps=4, phase_s=0.1),
    ]
    outcome = run(sector, make.world([walker], eyes=eyes, until_s=90).messages())
    told = [
        one
        for event in outcome.events
        if isinstance(event, TracksUpdated)
        for one in event.updates
    ]
    lines = [line for line in told if line.t > make.start.after(30) and line.state == "confirmed"]
    assert len({line.track_id for line in lines}) == 1
    # What both have in common stays unknown, half of 2² m², and a tenth is never learnt.
    assert all(1.9 <= min(line.cov_m2[0], line.cov_m2[2]) <= 2.9 for line in lines)
