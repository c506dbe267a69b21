"""What a device smoothed is never averaged as if it were new: split covariance intersection."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import TrackState
from fusion.tracking.intersection import NOTHING, intersected, updated_beside
from fusion.tracking.motion import Motion, born, plus, predicted, updated

spread = st.floats(0.3, 30.0)
leaning = st.floats(-0.9, 0.9)
metres = st.floats(-20.0, 20.0)


def covariance(sigma_x, sigma_y, rho) -> tuple[float, float, float]:
    return sigma_x**2, rho * sigma_x * sigma_y, sigma_y**2


covariances = st.builds(covariance, spread, spread, leaning)


def still(x_m, y_m, a=NOTHING) -> Motion:
    return Motion(x_m, y_m, 0.0, 0.0, a, (0.0, 0.0, 0.0, 0.0), (1.0, 0.0, 1.0))


def square(cov) -> np.ndarray:
    return np.array([[cov[0], cov[1]], [cov[1], cov[2]]])


def test_the_published_vector() -> None:
    """DOMAIN.md 5.1: diag(4, 1) at (0, 0) with diag(1, 4) at (1, 1) is 1.6 I at (0.8, 0.2)."""
    motion, shared = intersected(still(0.0, 0.0), (4.0, 0.0, 1.0), 1.0, 1.0, (1.0, 0.0, 4.0))
    assert plus(motion.a, shared) == pytest.approx((1.6, 0.0, 1.6), rel=1e-4, abs=1e-4)
    assert motion[:2] == pytest.approx((0.8, 0.2), abs=1e-4)


@given(x=metres, y=metres, cov=covariances)
def test_a_track_fused_with_a_copy_of_itself_stays_as_it_was(x, y, cov) -> None:
    motion, shared = intersected(still(x, y), cov, x, y, cov)
    assert plus(motion.a, shared) == pytest.approx(cov, rel=1e-9, abs=1e-9)
    assert motion[:2] == pytest.approx((x, y))


@given(x=metres, y=metres, a=covariances, cov=covariances, dt=st.floats(0.1, 3.0))
def test_where_nothing_is_shared_it_is_the_kalman_update(x, y, a, cov, dt) -> None:
    motion = predicted(born(0.0, 0.0, a, speed_sigma_mps=1.5), dt, 0.1)
    book = updated(motion, x, y, cov)
    for taken, shared in (
        intersected(motion, NOTHING, x, y, cov),
        updated_beside(motion, NOTHING, x, y, cov),
    ):
        assert taken[:4] == pytest.approx(book[:4], rel=1e-6, abs=1e-6)
        assert plus(taken.a, shared) == pytest.approx(book.a, rel=1e-6, abs=1e-6)
        assert taken.c == pytest.approx(book.c, rel=1e-6, abs=1e-6)


@given(
    a=covariances, shared=covariances, cov=covariances, dt=st.floats(0.1, 3.0),
    alike=st.floats(-1.0, 1.0), smooth=st.booleans(),
)  # fmt: skip
def test_it_never_claims_more_than_can_be_known(a, shared, cov, dt, alike, smooth) -> None:
    """Whatever the correlation of the shared errors, the true covariance is no larger."""
    motion = predicted(born(0.0, 0.0, a, speed_sigma_mps=1.5), dt, 0.1)
    take = intersected if smooth else updated_beside
    # The gain, column by column: how far a fix 1 m off moves someone who stands at the origin.
    gain = np.array([take(motion, shared, *at, cov)[0][:2] for at in ((1.0, 0.0), (0.0, 1.0))]).T
    after, still_shared = take(motion, shared, 0.0, 0.0, cov)
    kept = np.eye(2) - gain
    cross = np.zeros((2, 2))
    if smooth:
        cross = alike * np.linalg.cholesky(square(shared)) @ np.linalg.cholesky(square(cov)).T
    true = kept @ (square(motion.a) + square(shared)) @ kept.T + gain @ square(cov) @ gain.T
    true += kept @ cross @ gain.T + gain @ cross.T @ kept.T
    claimed = square(plus(after.a, still_shared))
    least = float(np.linalg.eigvalsh(claimed - true).min())
    assert least >= -1e-6 * float(np.trace(claimed))
    whole = np.block(
        [
            [square(after.a), np.array(after.b).reshape(2, 2)],
            [np.array(after.b).reshape(2, 2).T, square(after.c)],
        ]
    )
    assert float(np.linalg.eigvalsh(whole).min()) >= -1e-6 * float(np.trace(whole))


def smoothed_by_the_device(messages, sector, *, says: str, noise: float, marked: bool) -> None:
    """Put each device's fixes of one walker through a Kalman filter, and send what comes out."""
    filters: dict[str, tuple[float, Motion]] = {}
    for line in messages:
        payload = line["payload"]
        if not payload["device_id"].startswith(says):
            continue
        payload["sensor"]["smoothed"] = marked
        for seen in payload["detections"]:
            at_s = float(payload["message_id"].rsplit("-", 1)[1]) / 5.0
            x_m, y_m = sector.frame.to_metres(lat=seen["lat"], lon=seen["lon"])
            cov = tuple(seen["cov_m2"])
            if payload["device_id"] not in filters:
                motion = born(x_m, y_m, cov, speed_sigma_mps=1.5)
            else:
                before_s, motion = filters[payload["device_id"]]
                motion = updated(predicted(motion, at_s - before_s, noise), x_m, y_m, cov)
            filters[payload["device_id"]] = (at_s, motion)
            seen["lat"], seen["lon"] = sector.frame.to_wgs84(motion.x_m, motion.y_m)
            seen["cov_m2"] = list(motion.a)


def confirmed(outcome) -> list:
    return [line for line in outcome.lines if line.state is TrackState.CONFIRMED]


def nees(make, sector, run, eyes, *, marked: bool = True) -> float:
    """Return the mean NEES of 8 walks; devices called radar smooth what they say."""
    errors = []
    for seed in range(8):
        walker = make.walker([(0, -40, -60), (60, 40, -50)])
        messages = make.world([walker], eyes=eyes, seed=seed).messages()
        smoothed_by_the_device(messages, sector, says="radar", noise=0.05, marked=marked)
        for line in confirmed(run(sector, messages)):
            east, north = walker.at(line.t.seconds_since(make.start))
            at = sector.frame.to_metres(lat=line.lat, lon=line.lon)
            origin = sector.frame.to_metres(lat=22.9, lon=105.3)
            off = np.array([at.x_m - origin.x_m - east, at.y_m - origin.y_m - north])
            errors.append(off @ np.linalg.solve(square(line.cov_m2), off))
    return float(np.mean(errors))


def test_a_track_of_smoothed_fixes_is_honest_and_would_not_be_if_they_were_new(
    make, sector, run
) -> None:
    """NEES of 2 degrees of freedom lies about 2; half of what is said is claimed without marks."""
    radar = [make.eye("radar-1", sigma_m=4.0)]
    assert 1.0 <= nees(make, sector, run, radar) <= 2.6
    assert nees(make, sector, run, radar, marked=False) > 4.0


def test_beside_a_camera_it_is_honest_too(make, sector, run) -> None:
    eyes = [make.eye("radar-1", sigma_m=4.0), make.eye("cam-1", sigma_m=4.0, phase_s=0.1)]
    assert 0.8 <= nees(make, sector, run, eyes) <= 2.6


@pytest.mark.parametrize("how", ["smoothed", "radar"])
def test_one_smoothing_device_alone_is_believed_as_far_as_it_says(make, sector, run, how) -> None:
    walker = make.walker([(0, -40, -60), (60, 40, -60)])
    messages = make.world([walker], eyes=[make.eye("dev-1", sigma_m=2.0)]).messages()
    for line in messages:
        mark = {"smoothed": True} if how == "smoothed" else {"kind": "radar"}
        line["payload"]["sensor"].update(mark)
    lines = confirmed(run(sector, messages))
    assert min(min(line.cov_m2[0], line.cov_m2[2]) for line in lines) >= 4.0


def test_a_camera_beside_it_makes_the_track_surer(make, sector, run) -> None:
    walker = make.walker([(0, -40, -60), (60, 40, -60)])
    eyes = [make.eye("dev-1", sigma_m=2.0), make.eye("cam-1", sigma_m=2.0, phase_s=0.1)]
    messages = make.world([walker], eyes=eyes).messages()
    for line in messages:
        line["payload"]["sensor"]["smoothed"] = line["payload"]["device_id"] == "dev-1"
    last = confirmed(run(sector, messages))[-1]
    assert max(last.cov_m2[0], last.cov_m2[2]) < 2.0
