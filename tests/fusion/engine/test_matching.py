"""Who is on which trail: the filter against every sequence written out, and what guards rely on."""

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from fusion.local_frame import Metres
from fusion.plan import Trail
from fusion.rulebook import TrailsRule
from fusion.situation.border import Border, BorderPiece
from fusion.situation.matching import Footing, footing
from fusion.situation.trail_network import Course, TrailNetwork
from fusion.tracking.motion import Motion

LINE = (Metres(-1000.0, 0.0), Metres(1000.0, 0.0))
NORTH, SOUTH = True, False
LEAVE, JOIN, TURN = 2.0 / 200.0, 2.0 / 100.0, 2.0 / 100.0  # in the 2 s from look to look


def net(*lines: tuple) -> TrailNetwork:
    trails = [
        Trail(f"t{n}", f"t{n}", "duong_mon", tuple(Metres(*p) for p in line))
        for n, line in enumerate(lines)
    ]
    return TrailNetwork(
        trails, Border([BorderPiece(LINE, False, "demarcated", 1.0)]), TrailsRule()
    )


def at(x_m, y_m, vx=0.0, vy=1.1, *, sigma_m=5.0) -> tuple[Motion, tuple[float, float, float]]:
    cov = (sigma_m**2, 0.0, sigma_m**2)
    return Motion(x_m, y_m, vx, vy, cov, (0.0,) * 4, (0.09, 0.0, 0.09)), cov


def matched(network, looks, every_s=2.0) -> Footing:
    step = None
    for number, (motion, cov) in enumerate(looks):
        step = footing(step, motion, cov, number * every_s, network)
    return step


PAIR = net(((0.0, -900.0), (0.0, -5.0 - 300.0)), ((20.0, -900.0), (20.0, -305.0)))
STATES = [Course(edge, way) for edge in (0, 1) for way in (NORTH, SOUTH)] + [None]


def log_seen(state, motion, cov) -> float:
    """ln of the density of a look, written out anew from the model's words."""
    speed_sd, place_sd = math.sqrt(0.09), math.sqrt(cov[0])
    if state is None:
        roam = math.hypot(0.9, speed_sd)
        return (
            -math.log(120.0)
            + norm.logpdf(motion.vx_mps, 0.0, roam)
            + norm.logpdf(motion.vy_mps, 0.0, roam)
        )
    pace = motion.vy_mps if state.onward else -motion.vy_mps
    return (
        norm.logpdf(motion.x_m - 20.0 * state.edge, 0.0, math.hypot(3.0, place_sd))
        + norm.logpdf(pace, 1.1, math.hypot(0.5, speed_sd))
        + norm.logpdf(motion.vx_mps, 0.0, math.hypot(0.25, speed_sd))
    )


def step_of(before, after) -> float:
    """P(after | before), from look to look."""
    if before is None:
        return 1.0 - JOIN if after is None else JOIN / 4.0
    if after is None:
        return LEAVE
    if after == before:
        return 1.0 - LEAVE - TURN
    return TURN if after.edge == before.edge else 0.0


@settings(max_examples=25, deadline=None)
@given(xs=st.lists(st.floats(-3.0, 23.0), min_size=2, max_size=5),
       vy=st.floats(-1.6, 1.6), vx=st.floats(-0.4, 0.4))  # fmt: skip
def test_it_says_what_all_sequences_of_states_together_say(xs, vy, vx) -> None:
    looks = [at(x, -600.0 + 2.0 * vy * k, vx, vy) for k, x in enumerate(xs)]
    # A track's places are no independent looks: one counts as a third of one, but the first.
    seen = [
        {state: log_seen(state, *look) * (1.0 if k == 0 else 2.0 / 6.0) for state in STATES}
        for k, look in enumerate(looks)
    ]
    whole = dict.fromkeys(STATES, 0.0)
    for states in itertools.product(STATES, repeat=len(looks)):
        p = 0.3 if states[0] is None else 0.7 / 4.0
        for before, after in itertools.pairwise(states):
            p *= step_of(before, after)
        log = sum(here[state] for state, here in zip(states, seen, strict=True))
        whole[states[-1]] += p * math.exp(log)
    found = matched(PAIR, looks)
    said = dict(found.courses) | {None: found.off}
    for state in STATES:
        assert said.get(state, 0.0) == pytest.approx(
            whole[state] / sum(whole.values()), abs=2e-3
        ), state


def test_who_walks_a_trail_is_on_it_and_goes_the_way_they_go() -> None:
    up = [at(2.0, -800.0 + 2.2 * k) for k in range(10)]
    (course, p), *_ = matched(PAIR, up).courses
    assert course == Course(0, NORTH)
    assert p > 0.9
    down = [at(18.0, -500.0 - 2.2 * k, vy=-1.1) for k in range(10)]
    assert matched(PAIR, down).courses[0][0] == Course(1, SOUTH)


def test_who_crosses_the_trails_or_is_far_from_them_is_off() -> None:
    across = [at(-60.0 + 2.2 * k, -600.0, vx=1.1, vy=0.0) for k in range(30)]
    assert all(matched(PAIR, across[:n]).off > 0.5 for n in range(1, 31))
    assert matched(PAIR, [at(-300.0, -600.0)]).off == 1.0


def test_past_a_junction_they_are_on_one_of_the_branches() -> None:
    fork = net(((0, -900), (0, -600)), ((0, -600), (-80, -400)), ((0, -600), (80, -400)))
    looks = [at(0.0, -620.0 + 2.0 * k, vy=1.0) for k in range(11)]
    looks += [at(0.72 * k, -600.0 + 1.86 * k, vx=0.36, vy=0.93) for k in range(1, 25)]
    (course, p), *_ = matched(fork, looks).courses
    assert fork.edges[course.edge].trail_id == "t2"
    assert p > 0.9


def test_a_shared_error_never_makes_it_sure_of_the_wrong_trail() -> None:
    """A compass error that is in every look: by its own word 15 m, and so far off in truth."""
    dice, pair = (
        random.Random(3),
        net(((0.0, -900.0), (0.0, -305.0)), ((40.0, -900.0), (40.0, -305.0))),
    )
    looks = [at(15.0 + dice.gauss(0.0, 0.5), -800.0 + 2.2 * k, sigma_m=15.0) for k in range(60)]
    beside = sum(p for course, p in matched(pair, looks).courses if course.edge == 1)
    assert beside < 0.5
    halfway = [at(20.0, -800.0 + 2.2 * k, sigma_m=15.0) for k in range(60)]
    said = matched(pair, halfway)
    for edge in (0, 1):
        assert 0.3 < sum(p for course, p in said.courses if course.edge == edge) < 0.6


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), sigma_m=st.floats(1.0, 40.0))
def test_it_stays_a_distribution_and_bounded_whatever_comes(seed, sigma_m) -> None:
    dice = random.Random(seed)
    crowd = net(
        *(((10.0 * n, -900.0), (10.0 * n, -305.0)) for n in range(8)), ((-50, -600), (150, -600))
    )
    step, at_s = None, 0.0
    for _ in range(12):
        at_s += dice.uniform(0.5, 40.0)
        motion, cov = at(
            dice.uniform(-80, 160), dice.uniform(-920, -280), dice.gauss(0, 1), dice.gauss(0, 1),
            sigma_m=sigma_m,
        )  # fmt: skip
        step = footing(step, motion, cov, at_s, crowd)
        assert len(step.courses) <= 6
        assert -1e-9 <= step.off <= 1.0
        assert all(0.0 < p <= 1.0 + 1e-9 for _, p in step.courses)
