"""The probabilities of a line and an uncertain way: the domain's vectors, and independent oracles."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from fusion.situation.passage import both_sides, bounds, first_passage

sigmas = st.floats(-4.0, 6.0)
metres = st.floats(0.0, 60.0)


@pytest.mark.parametrize(
    ("correlation", "expected"), [(0.0, 0.911963), (0.5, 0.910468), (0.8, 0.910443)]
)
def test_both_sides_are_those_of_the_domain_vectors(correlation, expected) -> None:
    assert both_sides(12.0, 6.0, -9.0, 6.0, correlation) == pytest.approx(expected, abs=1e-6)


@given(h=sigmas, k=sigmas, correlation=st.floats(0.0, 0.999))
def test_both_sides_agree_with_scipy(h, k, correlation) -> None:
    cov = [[1.0, -correlation], [-correlation, 1.0]]
    exact = float(multivariate_normal.cdf([h, k], cov=cov))
    assert both_sides(h, 1.0, -k, 1.0, correlation) == pytest.approx(exact, abs=1e-5)


@given(h=sigmas, k=sigmas, less=st.floats(0.0, 1.0), more=st.floats(0.0, 1.0))
def test_sharing_more_error_proves_less_and_never_less_than_the_bound(h, k, less, more) -> None:
    less, more = sorted((less, more))
    loose, tight = (both_sides(h, 1.0, -k, 1.0, one) for one in (less, more))
    bound = max(0.0, norm.cdf(h) + norm.cdf(k) - 1.0)
    assert bound - 1e-12 <= tight <= loose + 1e-5
    assert loose <= min(norm.cdf(h), norm.cdf(k)) + 1e-12


@pytest.mark.parametrize(
    ("drift_mps", "expected"), [(0.0, 0.009823), (-1.0, 0.327898), (-1.4, 0.623682), (1.0, 1.5e-5)]
)
def test_first_passage_is_that_of_the_domain_vectors(drift_mps, expected) -> None:
    """20 m away, 15 s, 2 m per root of a second."""
    found = first_passage(20.0, drift_mps * 15.0, 2.0 * math.sqrt(15.0))
    assert found == pytest.approx(expected, abs=1e-6)


def test_first_passage_agrees_with_walks_at_random() -> None:
    """10 m away, 8 m on in the mean, 5 m of error; a bridge over each of the 200 steps."""
    dice, steps, passed = random.Random(3), 200, 0.0
    for _ in range(1500):
        at_m, still = 10.0, 1.0
        for _ in range(steps):
            next_m = at_m + dice.gauss(-8.0 / steps, 5.0 / math.sqrt(steps))
            if at_m <= 0.0 or next_m <= 0.0:
                still = 0.0
                break
            still *= 1.0 - math.exp(-2.0 * at_m * next_m / (25.0 / steps))
            at_m = next_m
        passed += 1.0 - still
    assert passed / 1500 == pytest.approx(first_passage(10.0, -8.0, 5.0), abs=0.03)


@given(away=metres, drift=st.floats(-60.0, 60.0), sigma=st.floats(0.05, 30.0))
def test_first_passage_is_at_least_as_likely_as_being_over_the_line_at_the_end(
    away, drift, sigma
) -> None:
    found = first_passage(away, drift, sigma)
    assert norm.cdf((-away - drift) / sigma) - 1e-12 <= found <= 1.0
    assert first_passage(away + 1.0, drift, sigma) <= found + 1e-9


@given(away=metres, sigma=st.floats(0.05, 30.0))
def test_without_drift_the_reflection_doubles_it(away, sigma) -> None:
    assert first_passage(away, 0.0, sigma) == pytest.approx(2.0 * norm.cdf(-away / sigma))


def test_first_passage_far_out_neither_overflows_nor_is_lost() -> None:
    assert first_passage(1e5, -2e5, 1.0) == pytest.approx(1.0)
    assert first_passage(1e5, -1e5, 1.0) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(
    ("false_alarm", "miss", "accept", "reject"),
    [(1e-3, 0.05, 6.8565, -2.9947), (1e-2, 0.05, 4.5539, -2.9857), (1e-4, 0.1, 9.1050, -2.3025)],
)
def test_the_bounds_of_the_sequential_test_are_those_of_the_domain_vectors(
    false_alarm, miss, accept, reject
) -> None:
    assert bounds(false_alarm, miss) == pytest.approx((accept, reject), abs=1e-4)
