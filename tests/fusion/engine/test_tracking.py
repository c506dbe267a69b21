"""From detections of many devices to tracks: one per person, with an honest error."""

import math
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.tracking.motion import Motion, born, mahalanobis, predicted, updated

positive = st.floats(0.1, 50.0)
small = st.floats(-0.9, 0.9)
metres = st.floats(-100.0, 100.0)


def matrix(motion: Motion) -> np.ndarray:
    (xx, xy, yy), (b0, b1, b2, b3), (c0, c1, c2) = motion.a, motion.b, motion.c
    return np.array([[xx, xy, b0, b1], [xy, yy, b2, b3], [b0, b2, c0, c1], [b1, b3, c1, c2]])


@given(
    x=metres, y=metres, var_x=positive, var_y=positive, rho=small, dt=st.floats(0.01, 20.0),
    noise=st.floats(0.01, 5.0), steps=st.integers(1, 4), seed=st.integers(0, 99),
)  # fmt: skip
def test_the_filter_by_hand_is_the_filter_of_the_book(
    x, y, var_x, var_y, rho, dt, noise, steps, seed
) -> None:
    """Against numpy's matrices: F P F' + Q, then the Kalman update."""
    cov = (var_x, rho * math.sqrt(var_x * var_y), var_y)
    dice = random.Random(seed)
    motion = born(x, y, cov, speed_sigma_mps=1.5)
    state = np.array([x, y, 0.0, 0.0])
    book = matrix(motion)
    step = np.eye(4)
    step[0, 2] = step[1, 3] = dt
    growth = noise * np.kron([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]], np.eye(2))
    measured = np.eye(2, 4)
    for _ in range(steps):
        z = np.array([x + dice.gauss(0, 3), y + dice.gauss(0, 3)])
        motion = predicted(motion, dt, noise)
        state, book = step @ state, step @ book @ step.T + growth
        innovation = measured @ book @ measured.T + np.array([[cov[0], cov[1]], [cov[1], cov[2]]])
        d2, det = mahalanobis(motion, z[0], z[1], cov)
        off = z - state[:2]
        assert d2 == pytest.approx(off @ np.linalg.solve(innovation, off), rel=1e-6, abs=1e-9)
        assert det == pytest.approx(np.linalg.det(innovation), rel=1e-6)
        motion = updated(motion, z[0], z[1], cov)
        gain = book @ measured.T @ np.linalg.inv(innovation)
        state, book = state + gain @ off, book - gain @ measured @ book
    assert motion[:4] == pytest.approx(state, rel=1e-6, abs=1e-6)
    assert matrix(motion) == pytest.approx(book, rel=1e-5, abs=1e-6)


def test_one_person_seen_by_three_cameras_is_one_track(make, sector, run) -> None:
    eyes = [
        make.eye("cam-1", sigma_m=0.7, bias_m=(1, -1), bias_sigma_m=1.5),
        make.eye("cam-2", sigma_m=2.0, phase_s=0.05),
        make.eye("cam-3", sigma_m=0.7, bias_m=(-1, 1), bias_sigma_m=1.5, phase_s=0.11),
    ]
    walker = make.walker([(0, -40, -60), (60, 40, -60)])
    outcome = run(sector, make.world([walker], eyes=eyes).messages())
    assert outcome.engine.counts.tracks == 1
    assert outcome.lines[20].devices == ("cam-1", "cam-2", "cam-3")


@pytest.mark.parametrize("gap_m", [2.0, 3.0])
def test_people_walking_side_by_side_stay_apart(make, sector, run, gap_m) -> None:
    pair = [make.walker([(0, -40, -60 - gap_m * k), (60, 40, -60 - gap_m * k)]) for k in range(2)]
    outcome = run(sector, make.world(pair, eyes=[make.eye(sigma_m=0.5)]).messages())
    assert outcome.engine.counts.tracks == 2


def test_a_person_never_becomes_a_car(make, sector, run) -> None:
    walker = make.walker([(0, -40, -60), (60, 40, -60)])
    car = make.walker([(0, -40, -61), (60, 40, -61)], label="car")
    outcome = run(sector, make.world([walker, car]).messages())
    labels = {}
    for line in outcome.lines:
        labels.setdefault(line.track_id, set()).add(line.label)
    assert sorted(map(tuple, labels.values())) == [("car",), ("person",)]


def test_a_cow_taken_for_a_person_in_some_frames_stays_a_cow(make, sector, run) -> None:
    cow = make.walker([(0, 10, -24), (60, 10, 48)], label="cow")
    messages = make.world([cow]).messages()
    for line in messages[::4]:
        for seen in line["payload"]["detections"]:
            seen["label"] = "person"
    outcome = run(sector, messages)
    late = [line for line in outcome.lines if line.t > make.start.after(36.0)]
    assert {line.label for line in late} == {"cow"}
    assert outcome.alerts == []


def test_clutter_makes_no_tracks(make, sector, run) -> None:
    outcome = run(sector, make.world([], eyes=[make.eye(clutter=0.3)], until_s=120).messages())
    assert outcome.engine.counts.tracks == 0


def test_a_look_that_saw_nothing_counts_against_an_unconfirmed_track(make, sector, run) -> None:
    walker = make.walker([(0, 0, -60), (0.3, 0, -60)])  # two frames, then nothing
    outcome = run(sector, make.world([walker], until_s=10).messages())
    assert outcome.engine.counts.tracks == 0


def test_lines_are_at_most_two_a_second_and_end_with_ended(make, sector, run) -> None:
    walker = make.walker([(0, -10, -60), (20, 15, -60)])
    outcome = run(sector, make.world([walker], eyes=[make.eye(fps=15)], until_s=40).messages())
    lines = outcome.lines
    gaps = [b.t.seconds_since(a.t) for a, b in pairwise(lines)]
    states = [line.state for line in lines]
    assert min(gaps) >= 0.499
    assert states[-1] == "ended"
    assert states[:38] == ["confirmed"] * 38
    assert set(states[40:-1]) == {"coasting"}
    assert 14.0 <= lines[-1].t.seconds_since(make.start.after(20)) <= 16.0


def test_the_stated_error_is_honest(make, sector, run) -> None:
    """NEES of 2 degrees of freedom over 12 walks: its mean lies near 2 (DOMAIN.md 5.2)."""
    errors = []
    for seed in range(12):
        walker = make.walker([(0, -40, -60), (60, 40, -50)])
        world = make.world([walker], eyes=[make.eye(sigma_m=2.0, fps=2.0)], seed=seed)
        for line in run(sector, world.messages()).lines:
            if line.state != "confirmed":
                continue
            east, north = walker.at(line.t.seconds_since(make.start))
            at = sector.frame.to_metres(lat=line.lat, lon=line.lon)
            origin = sector.frame.to_metres(lat=22.9, lon=105.3)
            off = np.array([at.x_m - origin.x_m - east, at.y_m - origin.y_m - north])
            xx, xy, yy = line.cov_m2
            errors.append(off @ np.linalg.solve([[xx, xy], [xy, yy]], off))
    assert 1.0 <= float(np.mean(errors)) <= 2.6


def test_the_bias_of_a_device_is_not_averaged_away(make, sector, run) -> None:
    eye = make.eye(sigma_m=0.5, bias_m=(3, 0), bias_sigma_m=3.0, fps=10)
    walker = make.walker([(0, -40, -60), (60, 40, -60)])
    lines = run(sector, make.world([walker], eyes=[eye]).messages()).lines
    assert all(min(line.cov_m2[0], line.cov_m2[2]) >= 0.9 * 9.0 for line in lines)


def test_two_cameras_do_not_average_below_the_smaller_bias(make, sector, run) -> None:
    eyes = [
        make.eye("cam-1", sigma_m=0.5, bias_m=(1, 0), bias_sigma_m=1.0, fps=10),
        make.eye("cam-2", sigma_m=0.5, bias_m=(-1, 0), bias_sigma_m=2.0, fps=10, phase_s=0.03),
    ]
    walker = make.walker([(0, -40, -60), (60, 40, -60)])
    lines = run(sector, make.world([walker], eyes=eyes).messages()).lines
    # What both together can know at best: 1 / (1/1.0² + 1/2.0²) = 0.8 m², of which a filter
    # believes 95 %.
    assert all(min(line.cov_m2[0], line.cov_m2[2]) >= 0.95 * 0.8 for line in lines)


def test_a_detection_too_vague_to_track_is_counted(make, sector, run) -> None:
    messages = make.world([make.walker([(0, 0, -60), (10, 0, -60)])], until_s=10).messages()
    for line in messages:
        for seen in line["payload"]["detections"]:
            seen["cov_m2"] = [90_000.0, 0.0, 90_000.0]
    counts = run(sector, messages).engine.counts
    assert counts.untracked == counts.detections > 20
    assert counts.tracks == 0


def test_a_position_on_the_far_side_of_the_earth_harms_nobody(make, sector, run) -> None:
    messages = make.world([make.walker([(0, 0, -60), (10, 0, -60)])], until_s=10).messages()
    (far, *_) = [
        line["payload"]["detections"] for line in messages if line["payload"]["detections"]
    ]
    far.append({**far[0], "lat": -22.9, "lon": -74.7})
    counts = run(sector, messages).engine.counts
    assert (counts.untracked, counts.tracks) == (1, 1)


def test_two_tracks_on_one_person_become_one(make, sector, run) -> None:
    """Two cameras whose biases kept their first fixes apart agree once the person comes near."""
    walker = make.walker([(0, -60, -60), (60, 60, -60)])
    eyes = [
        make.eye("cam-1", sigma_m=0.3, sees=lambda x, _: x < 20),
        make.eye("cam-2", sigma_m=0.3, phase_s=0.05, sees=lambda x, _: x > -20),
    ]
    messages = make.world([walker], eyes=eyes).messages()
    for line in messages:  # cam-2 errs by 6 m at first, without saying so
        t = line["received_at"]
        if line["payload"]["device_id"] == "cam-2" and t < make.start.after(24).rfc3339():
            for seen in line["payload"]["detections"]:
                seen["lat"] += 6.0 / 111_000.0
    lines = run(sector, messages).lines
    assert len({line.track_id for line in lines}) == 2
    last = [line for line in lines if line.t > make.start.after(35) and line.state == "confirmed"]
    assert len({line.track_id for line in last}) == 1
