"""A log that lags its film: the lens is elsewhere and turned, and both are one error."""

from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.camera import Camera, FloatArray, Pose, PoseSigma, pixels_from_enu
from edge.georeference import Places, place, place_many
from edge.ground import Ground
from edge.hidden_feet import place_cut
from edge.motion import NO_DRIFT, STILL, Drift, Motion
from edge.stature import PERSON_HEIGHT_M, weigh_height
from tests.benchmarks.bench_geometry import CIRCLING, Flight, log_of, sigma_ratios

CAMERA: Final = Camera(1920, 1080, 1600.0, 1600.0, 959.5, 539.5, None, ())
GROUND: Final = Ground(alt_m=1000.0, sigma_m=4.0)
SIGMA: Final = PoseSigma(position_m=2.5, alt_m=3.0, yaw_deg=0.5, pitch_deg=0.5, roll_deg=0.4)
EXACT: Final = PoseSigma(0.0, 0.0, 0.0, 0.0, 0.0)
CENTRE: Final = np.array([[959.5, 539.5]])
# Each kind of motion alone, and all of them.
FLIGHTS: Final = {
    "straight on": Flight(0.3, (12.0, 9.0, 0.0), (0.0, 0.0, 0.0)),
    "climbing": Flight(0.3, (0.0, 0.0, 5.0), (0.0, 0.0, 0.0)),
    "yawing": Flight(0.1, (0.0, 0.0, 0.0), (30.0, 0.0, 0.0)),
    "pitching": Flight(0.1, (0.0, 0.0, 0.0), (0.0, 6.0, 0.0)),
    "rolling": Flight(0.1, (0.0, 0.0, 0.0), (0.0, 0.0, 20.0)),
    "circling": CIRCLING,
    "the other way": Flight(0.1, (-12.0, 9.0, -3.0), (25.0, -5.0, 4.0)),
}


def looking(depression_deg: float, yaw_deg: float = 0.0) -> Pose:
    return Pose(22.5, 104.0, 1120.0, yaw_deg, -depression_deg, 0.0)


def seen(
    pose: Pose, drift: Drift, sigma: PoseSigma = SIGMA, pixels: FloatArray = CENTRE
) -> Places:
    return place_many(pixels, CAMERA, pose, sigma, GROUND, pixel_sigma_px=3.0, drift=drift)


@pytest.mark.parametrize("name", FLIGHTS)
@pytest.mark.parametrize("depression", [70.0, 45.0, 30.0, 20.0])
def test_monte_carlo_over_the_clock_agrees_within_5_percent(depression: float, name: str) -> None:
    ratios = sigma_ratios(depression, np.random.default_rng(3), flight=FLIGHTS[name])
    assert ratios == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", FLIGHTS)
@pytest.mark.parametrize("depression", [15.0, 10.0, 7.0, 5.0, 3.0])
def test_monte_carlo_over_the_clock_agrees_within_10_percent_down_to_3_degrees(
    depression: float, name: str
) -> None:
    ratios = sigma_ratios(depression, np.random.default_rng(4), flight=FLIGHTS[name])
    assert ratios == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("depression", [60.0, 25.0, 8.0, 4.0])
def test_one_clock_moves_the_hit_one_way(depression: float) -> None:
    """Way and turn are one source, linear or swept: there is no error across its line."""
    pose, motion = looking(depression, 20.0), Motion((8.0, 3.0, -1.0), (0.02, 0.01, 0.1))
    found = place_many(
        CENTRE,
        CAMERA,
        pose,
        EXACT,
        Ground(1000.0, 0.0),
        pixel_sigma_px=1e-6,
        drift=motion.during(0.1),
    )
    across, along = np.linalg.eigvalsh(found.cov_m2[0])
    assert along > 0.5
    assert across < 1e-4 * along
    assert found.cov_bias_m2[0] == pytest.approx(found.cov_m2[0], rel=1e-3, abs=1e-3)


def test_a_wrong_clock_is_an_error_along_the_flight_and_a_bias() -> None:
    """20 m/s to the east and half a second: 10 m, of all frames while it flies so."""
    still = seen(looking(50.0), NO_DRIFT).cov_bias_m2[0]
    flying = seen(looking(50.0), Motion((20.0, 0.0, 0.0), (0.0, 0.0, 0.0)).during(0.5))
    assert flying.cov_bias_m2[0] - still == pytest.approx(
        np.array([[100.0, 0.0], [0.0, 0.0]]), abs=1e-6
    )


@pytest.mark.parametrize("depression", [45.0, 6.0])
def test_a_gimbal_that_holds_its_target_is_right_whatever_the_clock(depression: float) -> None:
    """Flying sideways round a point: the way made and the turn cancel there, and only there."""
    pose = looking(depression)
    level_m = 120.0 / np.tan(np.radians(depression))
    # To the east at 10 m/s, and turning left as fast as keeps the point ahead in the middle.
    circling = Motion((10.0, 0.0, 0.0), (0.0, 0.0, 10.0 / level_m)).during(0.2)
    pixels = np.array([CENTRE[0], (959.5, 1079.0)])
    held, still, straight = (
        seen(pose, drift, SIGMA, pixels)
        for drift in (circling, NO_DRIFT, circling._replace(turn_rad=(0.0, 0.0, 0.0)))
    )
    assert held.cov_m2[0] == pytest.approx(still.cov_m2[0], rel=0.02, abs=0.3)
    assert straight.cov_m2[0, 0, 0] > still.cov_m2[0, 0, 0] + 3.5
    assert held.cov_m2[1, 0, 0] > still.cov_m2[1, 0, 0] + 0.1


parts = st.floats(-20.0, 20.0)
turns = st.floats(-1.0, 1.0)


@settings(max_examples=60)
@given(
    pitch=st.floats(-90.0, -1.0),
    velocity_mps=st.tuples(parts, parts, parts),
    turn_radps=st.tuples(turns, turns, turns),
    sigma_s=st.floats(0.0, 1.0),
)
def test_every_error_is_finite_and_its_shared_part_no_greater(
    pitch: float,
    velocity_mps: tuple[float, float, float],
    turn_radps: tuple[float, float, float],
    sigma_s: float,
) -> None:
    drift = Motion(velocity_mps, turn_radps).during(sigma_s)
    pixels = np.array([[0.0, 0.0], [959.5, 539.5], [1919.0, 1079.0]])
    found = seen(looking(-pitch, 77.0), drift, SIGMA, pixels)
    whole, shared = found.cov_m2[found.ok], found.cov_bias_m2[found.ok]
    assert np.isfinite(whole).all()
    scale = np.trace(whole, axis1=1, axis2=2)
    assert (np.linalg.eigvalsh(shared)[:, 0] > -1e-9 * scale).all()
    assert (np.linalg.eigvalsh(whole - shared)[:, 0] > -1e-9 * scale).all()


def test_a_motion_that_is_no_number_places_nothing() -> None:
    drift = Motion((float("nan"), 0.0, 0.0), (0.0, 0.0, 0.0)).during(0.1)
    assert not seen(looking(45.0), drift).ok.any()


def test_who_stands_still_needs_no_clock() -> None:
    assert STILL.during(10.0) == NO_DRIFT


def test_feet_below_the_picture_feel_the_clock_too() -> None:
    drift = Motion((20.0, 0.0, 0.0), (0.0, 0.0, 0.0)).during(0.5)
    wide, narrow = (
        place_cut(
            np.array([[959.5, 1079.0]]),
            np.array([[959.5, 800.0]]),
            with_head=np.array([False]),
            camera=CAMERA,
            pose=looking(45.0),
            sigma=SIGMA,
            ground=GROUND,
            pixel_sigma_px=3.0,
            drift=one,
        )[0]
        for one in (drift, NO_DRIFT)
    )
    assert wide is not None
    assert narrow is not None
    assert wide.cov_m2[0] - narrow.cov_m2[0] == pytest.approx(100.0, abs=1e-6)


def test_a_persons_height_tells_a_clock_that_tilts_the_lens() -> None:
    """Half a degree of tilt by the clock is as half a degree by the mount, feet and head."""
    pose, sigma = Pose(22.5, 104.0, 1008.0, 0.0, -10.0, 0.0), PoseSigma(0.3, 0.2, 1.0, 0.0, 0.5)
    ground = Ground(1000.0, 0.3)
    ends = np.array([[0.0, 45.0, -8.0], [0.0, 45.0, PERSON_HEIGHT_M - 8.0]])
    (feet, head), _ = pixels_from_enu(ends, CAMERA, pose)
    tilt = Drift((0.0, 0.0, 0.0), (float(np.radians(0.5)), 0.0, 0.0))
    by_clock, by_mount = (
        weigh_height(
            place(feet[None], CAMERA, pose, off, ground, pixel_sigma_px=2.0, drift=drift),
            feet[None],
            head[None],
            upright=np.array([True]),
            camera=CAMERA,
            pose=pose,
            sigma=off,
            ground=ground,
            pixel_sigma_px=2.0,
            drift=drift,
        )[0]
        for off, drift in ((sigma, tilt), (sigma._replace(pitch_deg=0.5), NO_DRIFT))
    )
    assert by_clock is not None
    assert by_mount is not None
    assert by_clock.cov_m2 == pytest.approx(by_mount.cov_m2, rel=1e-6, abs=1e-9)
    assert by_clock.cov_bias_m2 == pytest.approx(by_mount.cov_bias_m2, rel=1e-6, abs=1e-9)


def test_the_log_of_a_flight_gives_back_its_motion() -> None:
    """Yaw turns about down, pitch about the camera's right, roll about its axis."""
    yaw, down = np.radians((70.0, 40.0))
    right = np.array((np.cos(yaw), -np.sin(yaw), 0.0))
    ahead = np.array((np.sin(yaw) * np.cos(down), np.cos(yaw) * np.cos(down), -np.sin(down)))
    rates = np.radians(CIRCLING.rates_degps)
    turning = rates[0] * np.array((0.0, 0.0, -1.0)) + rates[1] * right + rates[2] * ahead
    motion = log_of(looking(40.0, 70.0), CIRCLING).at(0.0).motion
    assert motion.velocity_mps == pytest.approx(CIRCLING.velocity_mps, abs=0.01)
    assert motion.turn_radps == pytest.approx(turning, abs=0.02)
