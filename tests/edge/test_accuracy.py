"""CE90: the published vectors and its laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.accuracy import ce90_m, sigmas_m

sigmas = st.floats(0.01, 1000.0)


@pytest.mark.parametrize(
    ("long_m", "short_m", "ce90"),
    [
        (2.72, 2.51, 5.62),
        (5.99, 2.73, 10.29),
        (16.70, 3.87, 27.75),
        (45.52, 6.57, 75.17),
        (1.0, 1.0, 2.1460),
        (1.0, 1e-9, 1.6449),
    ],
)
def test_the_published_vectors(long_m: float, short_m: float, ce90: float) -> None:
    assert ce90_m((long_m**2, 0.0, short_m**2)) == pytest.approx(ce90, abs=0.0051)


@given(long_m=sigmas, short_m=sigmas, turn=st.floats(0.0, np.pi))
def test_turning_the_ellipse_changes_nothing(long_m: float, short_m: float, turn: float) -> None:
    axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = axes @ np.diag((long_m**2, short_m**2)) @ axes.T
    cov_m2 = (turned[0, 0], turned[0, 1], turned[1, 1])
    long_m, short_m = max(long_m, short_m), min(long_m, short_m)
    assert sigmas_m(cov_m2)[0] == pytest.approx(long_m, rel=1e-6)
    assert ce90_m(cov_m2) == pytest.approx(ce90_m((long_m**2, 0.0, short_m**2)), rel=1e-4)


@given(long_m=sigmas, short_m=sigmas, scale=st.floats(0.1, 10.0))
def test_twice_the_error_is_twice_the_radius(long_m: float, short_m: float, scale: float) -> None:
    one = ce90_m((long_m**2, 0.0, short_m**2))
    assert ce90_m(((scale * long_m) ** 2, 0.0, (scale * short_m) ** 2)) == pytest.approx(
        scale * one
    )


def test_without_error_the_radius_is_nothing() -> None:
    assert ce90_m((0.0, 0.0, 0.0)) == 0.0


def test_nine_of_ten_samples_lie_within() -> None:
    cov_m2 = (40.0, -25.0, 30.0)
    random = np.random.default_rng(7)
    samples = random.multivariate_normal([0, 0], [[40.0, -25.0], [-25.0, 30.0]], 200_000)
    share = np.mean(np.hypot(*samples.T) <= ce90_m(cov_m2))
    assert share == pytest.approx(0.9, abs=0.003)
