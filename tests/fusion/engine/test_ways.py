"""Who goes out of sight on a trail goes on along it, round its bends."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.messages import UtcTime
from fusion.events import TracksRevised, TracksUpdated, is_void
from fusion.local_frame import Metres
from fusion.sector import Sector, load_sector
from fusion.tracking.motion import Motion, born, predicted
from fusion.tracking.ways import Ways

BENT = ((-90.0, -60.0), (0.0, -60.0), (0.0, -150.0))  # to the east, then to the south
ways = Ways([tuple(Metres(*point) for point in BENT)])
spread = st.floats(0.3, 6.0)


def walking(x_m, y_m, vx_mps, vy_mps, sigma_m=1.0) -> Motion:
    var = sigma_m**2
    start = predicted(born(x_m, y_m, (var, 0.0, var), speed_sigma_mps=0.3), 1.0, 0.1)
    return start._replace(x_m=x_m, y_m=y_m, vx_mps=vx_mps, vy_mps=vy_mps)


@given(
    x=st.floats(-80.0, -2.0), aside=st.floats(-3.0, 3.0), pace=st.floats(0.5, 1.9),
    sigma=spread, steps=st.integers(1, 40),
)  # fmt: skip
def test_they_stay_on_it_with_an_error_that_grows_along_it_alone(
    x, aside, pace, sigma, steps
) -> None:
    motion = walking(x, -60.0 + aside, pace, 0.0, sigma)
    for _ in range(steps):
        motion = ways.onward(motion, motion.a, 0.5)
        assert motion is not None
    assert min(abs(motion.y_m + 60.0), abs(motion.x_m)) <= 3.0 + 1e-6
    assert math.hypot(motion.vx_mps, motion.vy_mps) == pytest.approx(pace)
    (xx, xy, yy), (b0, b1, b2, b3), (c0, c1, c2) = motion.a, motion.b, motion.c
    whole = np.array([[xx, xy, b0, b1], [xy, yy, b2, b3], [b0, b2, c0, c1], [b1, b3, c1, c2]])
    assert float(np.linalg.eigvalsh(whole).min()) >= -1e-9
    across = yy if abs(motion.vx_mps) > 0.1 else xx
    assert across <= 9.0 + 1e-6


@pytest.mark.parametrize(
    "motion",
    [
        walking(-50.0, -60.0, 0.1, 0.0),  # stands
        walking(-50.0, -60.0, 0.2, 1.2),  # crosses it
        walking(-50.0, -40.0, 1.2, 0.0),  # goes beside it
    ],
)
def test_whoever_does_not_go_along_a_trail_is_on_none(motion) -> None:
    assert ways.onward(motion, motion.a, 0.5) is None


@given(x=st.floats(-80.0, -20.0), pace=st.floats(0.5, 1.9), dt=st.floats(0.1, 4.0))
def test_two_steps_along_a_straight_trail_are_one(x, pace, dt) -> None:
    start = walking(x, -60.0, pace, 0.0)
    half = ways.onward(start, start.a, dt)
    twice, once = ways.onward(half, start.a, dt), ways.onward(start, start.a, 2.0 * dt)
    assert twice[:4] == pytest.approx(once[:4])
    for again, at_once in zip(twice[4:], once[4:], strict=True):
        assert again == pytest.approx(at_once)


@pytest.fixture(scope="module")
def bent_sector(make, tmp_path_factory) -> Sector:
    path = make.sector_at(tmp_path_factory.mktemp("sector"), 22.9, 105.3, trails=[BENT])
    return load_sector(path)


def hidden_at_the_bend(make, sector, run) -> list:
    """Let somebody walk round the bend while nobody sees them from second 20 to 34."""
    walker = make.walker([(0, -35, -60), (28, 0, -60), (60, 0, -100)])
    eye = make.eye(sigma_m=0.5, blind=lambda t: 20.0 < t < 34.0)
    return [
        line
        for event in run(sector, make.world([walker], eyes=[eye]).messages()).events
        if isinstance(event, TracksUpdated)
        for line in event.updates
    ]


def off_m(line, sector, walker, start) -> float:
    at = sector.frame.to_metres(lat=line.lat, lon=line.lon)
    origin = sector.frame.to_metres(lat=22.9, lon=105.3)
    east, north = walker.at(line.t.seconds_since(start))
    return math.hypot(at.x_m - origin.x_m - east, at.y_m - origin.y_m - north)


def test_past_a_bend_in_the_woods_it_is_the_same_track_and_where_they_are(
    make, bent_sector, run
) -> None:
    lines = hidden_at_the_bend(make, bent_sector, run)
    walker = make.walker([(0, -35, -60), (28, 0, -60), (60, 0, -100)])
    coasting = [
        line for line in lines if line.state == "coasting" and line.t < make.start.after(34)
    ]
    assert len({line.track_id for line in lines}) == 1
    assert len(coasting) > 20
    assert max(off_m(line, bent_sector, walker, make.start) for line in coasting) < 4.0


def test_without_the_trail_they_would_be_lost_in_the_field_behind(make, sector, run) -> None:
    walker = make.walker([(0, -35, -60), (28, 0, -60), (60, 0, -100)])
    lines = hidden_at_the_bend(make, sector, run)
    coasting = [
        line for line in lines if line.state == "coasting" and line.t < make.start.after(34)
    ]
    assert max(off_m(line, sector, walker, make.start) for line in coasting) > 6.0


def test_on_a_trail_a_track_coasts_longer(make, sector_maker, run) -> None:
    trails = make.collection(
        make.feature("LineString", sector_maker.line((-90, -60), (90, -60)), id="trail-1")
    )
    spans = []
    for north_m in (-60.0, -100.0):
        walker = make.walker([(0, -40, north_m), (20, -15, north_m)])
        messages = make.world([walker], until_s=50).messages()
        lines = [
            line
            for event in run(sector_maker.load(trails=trails), messages).events
            if isinstance(event, TracksUpdated)
            for line in event.updates
        ]
        assert lines[-1].state == "ended"
        spans.append(lines[-1].t.seconds_since(make.start.after(20.0)))
    assert spans == [pytest.approx(20.0, abs=1.1), pytest.approx(15.0, abs=1.1)]


def final(outcome) -> list:
    """Return the lines that stand after all revisions."""
    lines: list = []
    for event in outcome.events:
        if isinstance(event, TracksRevised):
            lines = [line for line in lines if not is_void(line, event.since)]
        elif isinstance(event, TracksUpdated):
            lines += event.updates
    return sorted(lines, key=lambda line: (line.t, line.track_id))


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000), delay_s=st.sampled_from([3.0, 12.0, 40.0]))
def test_what_comes_late_finds_them_on_the_trail_as_if_it_had_come_in_time(
    make, bent_sector, run, seed, delay_s
) -> None:
    walkers = [
        make.walker([(0, -35 - 3 * k, -60), (28, -3 * k, -60), (60, 0, -100)]) for k in range(2)
    ]
    eyes = [
        make.eye("cam-1", fps=3, blind=lambda t: 20.0 < t < 34.0),
        make.eye("cam-2", fps=2, phase_s=0.1, blind=lambda t: 15.0 < t < 31.0 or t > 50.0),
    ]
    messages = make.world(walkers, eyes=eyes, seed=seed).messages()
    late = [
        {**line, "received_at": UtcTime.parse(line["received_at"]).after(delay_s).rfc3339()}
        if line["payload"]["device_id"] == "cam-2"
        else line
        for line in messages
    ]
    late.sort(key=lambda line: line["received_at"])
    assert final(run(bent_sector, late)) == final(run(bent_sector, messages))
