"""A log joined to a film: the pose of every frame, or why it has none."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.camera import Camera, Pose, PoseSigma, enu_from_camera
from edge.telemetry import Mounting, Quality, Sample, Telemetry
from edge.telemetry.attitude import angles, between, rotations, turned
from edge.telemetry.order import in_order

whole_turn = st.floats(0.0, 360.0)
tilt = st.floats(-89.0, 89.0)
lean = st.floats(-179.0, 179.0)
attitudes = st.tuples(whole_turn, tilt, lean).map(np.array)


def sample(media_time_s: float, **changes: Any) -> Sample:
    known = {"lat": 22.5, "lon": 104.0, "alt_m": 1120.0}
    known |= {"yaw_deg": 10.0, "pitch_deg": -40.0, "roll_deg": 0.0}
    return Sample(media_time_s=media_time_s, **(known | changes))


def log(*samples: Sample) -> Telemetry:
    ordered = in_order(samples, Counter())
    return Telemetry(Path("log.csv"), "table", tuple(ordered), {})


@given(attitudes)
def test_rotations_are_the_cameras_own(attitude) -> None:
    pose = Pose(22.5, 104.0, 0.0, *(float(part) for part in attitude))
    ned_from_frd = rotations(attitude)[0]
    ahead_ned = ned_from_frd[:, 0]
    ahead_enu = enu_from_camera(pose)[:, 2]
    assert ahead_enu == pytest.approx([ahead_ned[1], ahead_ned[0], -ahead_ned[2]], abs=1e-12)


@given(attitudes)
def test_angles_survive_a_round_trip_through_rotations(attitude) -> None:
    assert rotations(angles(rotations(attitude)))[0] == pytest.approx(
        rotations(attitude)[0], abs=1e-9
    )


@given(whole_turn, lean, st.sampled_from([-90.0, 90.0]))
def test_straight_down_and_up_have_angles_too(yaw_deg, roll_deg, pitch_deg) -> None:
    turn = rotations(np.array((yaw_deg, pitch_deg, roll_deg)))
    assert np.isfinite(angles(turn)).all()
    assert rotations(angles(turn)) == pytest.approx(turn, abs=1e-7)


@given(attitudes, attitudes)
def test_what_is_not_turned_on_its_carrier_looks_where_the_carrier_does(carrier, own) -> None:
    level = np.zeros(3)
    assert rotations(turned(carrier, level)) == pytest.approx(rotations(carrier), abs=1e-9)
    assert rotations(turned(level, own)) == pytest.approx(rotations(own), abs=1e-9)


@given(attitudes, attitudes, st.floats(0.0, 1.0))
def test_between_two_attitudes_starts_at_one_and_ends_at_the_other(first, second, share) -> None:
    assert rotations(between(first, second, 0.0)) == pytest.approx(rotations(first), abs=1e-8)
    assert rotations(between(first, second, 1.0)) == pytest.approx(rotations(second), abs=1e-8)
    assert np.isfinite(between(first, second, share)).all()


@given(whole_turn, st.floats(-179.0, 179.0), st.floats(0.0, 1.0))
def test_yaw_goes_the_short_way_round(yaw_deg, turn_deg, share) -> None:
    second = ((yaw_deg + turn_deg) % 360.0, -30.0, 0.0)
    found = between(np.array((yaw_deg, -30.0, 0.0)), np.array(second), share)
    off = (found[0] - yaw_deg - share * turn_deg + 180.0) % 360.0 - 180.0
    assert off == pytest.approx(0.0, abs=1e-6)
    assert found[1:] == pytest.approx((-30.0, 0.0), abs=1e-9)


def test_a_gimbal_that_swings_through_straight_down_does_not_spin_around() -> None:
    """From 85 down to 85 down behind it: half-way is straight down, the picture's top unmoved."""
    first, behind = np.array((20.0, -85.0, 0.0)), np.array((200.0, -85.0, 180.0))
    half = rotations(between(first, behind, 0.5))[0]
    assert half == pytest.approx(rotations(np.array((20.0, -90.0, 0.0)))[0], abs=1e-9)


def test_a_frame_between_two_samples_lies_between_them() -> None:
    flight = log(
        sample(0.0, lon=179.9999, yaw_deg=350.0, hfov_deg=60.0),
        sample(1.0, lat=22.6, lon=-179.9999, alt_m=1130.0, yaw_deg=10.0, hfov_deg=50.0),
    )
    found = flight.at(0.5)
    assert found.quality is Quality.FULL
    assert (found.lat, found.alt_m, found.hfov_deg) == pytest.approx((22.55, 1125.0, 55.0))
    assert abs(found.lon) == pytest.approx(180.0)
    assert (found.yaw_deg + 180.0) % 360.0 == pytest.approx(180.0)


@given(st.floats(0.0, 4.0))
def test_at_the_samples_and_between_them_there_is_a_pose(at_s) -> None:
    flight = log(*(sample(float(number), yaw_deg=90.0 * number) for number in range(5)))
    assert flight.at(at_s).pose is not None


@pytest.mark.parametrize(
    ("at_s", "quality"),
    [
        (-0.2, Quality.FULL),
        (-0.6, Quality.BEFORE_START),
        (1.2, Quality.FULL),
        (1.6, Quality.BEYOND_END),
        (1e9, Quality.BEYOND_END),
    ],
)
def test_beyond_its_ends_a_log_holds_for_one_beat(at_s, quality) -> None:
    flight = log(sample(0.0), sample(0.5), sample(1.0))
    assert flight.at(at_s).quality is quality
    assert (flight.at(at_s).pose is None) == (quality is not Quality.FULL)


def test_in_a_gap_of_the_log_there_is_no_pose() -> None:
    flight = log(sample(0.0), sample(1.0), sample(9.0), sample(10.0))
    assert flight.at(5.0).quality is Quality.STALE
    assert flight.at(5.0).pose is None


@pytest.mark.parametrize(
    ("missing", "quality"),
    [
        ({"lat": None, "lon": None}, Quality.NO_POSITION),
        ({"yaw_deg": None}, Quality.NO_GIMBAL),
        ({"alt_m": None}, Quality.NO_ALTITUDE),
        ({"contradicts": True}, Quality.CONTRADICTS),
    ],
)
def test_a_frame_is_as_good_as_the_worse_of_its_neighbours(missing, quality) -> None:
    flight = log(sample(0.0), sample(1.0, **missing), sample(2.0))
    for at_s in (0.5, 1.0, 1.5):
        assert flight.at(at_s).quality is quality
        assert flight.at(at_s).pose is None


def test_where_the_clock_jumped_there_is_no_pose_and_then_there_is_again() -> None:
    times_s = [(0.0, 100.0), (1.0, 101.0), (2.0, 132.0), (3.0, 133.0)]
    flight = log(*(sample(media_s, clock_s=clock_s) for media_s, clock_s in times_s))
    assert [row.quality for row in flight.samples] == [
        Quality.FULL,
        Quality.FULL,
        Quality.CLOCK_JUMP,
        Quality.FULL,
    ]
    assert flight.at(1.5).quality is Quality.CLOCK_JUMP
    assert flight.at(1.5).pose is None
    assert flight.at(0.5).pose is not None
    assert flight.at(2.5).pose is not None


def test_fixed_angles_hold_only_where_the_log_has_none() -> None:
    mounting = Mounting(fixed_deg=(0.0, -90.0, 0.0))
    blind = log(sample(0.0, yaw_deg=None, pitch_deg=None, roll_deg=None)).mounted(mounting)
    seeing = log(sample(0.0)).mounted(mounting)
    assert blind.at(0.0).pose == Pose(22.5, 104.0, 1120.0, 0.0, -90.0, 0.0)
    assert seeing.at(0.0).pitch_deg == -40.0


def test_a_gimbal_s_fixed_angles_fill_only_what_the_log_never_tells() -> None:
    """A locked gimbal beside a compass lost its yaw to the device file's."""
    mounting = Mounting(fixed_deg=(0.0, -45.0, 0.0))
    compass = log(sample(0.0, yaw_deg=90.0, pitch_deg=None, roll_deg=None)).mounted(mounting)
    assert compass.at(0.0).pose == Pose(22.5, 104.0, 1120.0, 90.0, -45.0, 0.0)
    # A sample that lacks what others have lacks it: half of each is an attitude that never was.
    gap = log(sample(0.0), sample(1.0, roll_deg=None), sample(2.0)).mounted(mounting)
    assert gap.at(0.5).pose is None
    assert gap.at(0.5).quality is Quality.NO_GIMBAL
    assert gap.at(0.0).pitch_deg == -40.0


CAMERA = Camera(1920, 1080, 1600.0, 1600.0, 959.5, 539.5, None, ())


def test_a_zoom_that_the_log_no_longer_states_is_not_kept() -> None:
    """Five degrees for ten seconds, then nothing: half an hour later it still saw five degrees."""
    stated = [sample(float(at), hfov_deg=5.0) for at in range(4)]
    silent = [sample(float(at)) for at in range(4, 9)]
    flight = log(*stated, *silent).mounted(Mounting())
    assert flight.at(2.5).camera(CAMERA).fx_px == pytest.approx(960.0 / np.tan(np.radians(2.5)))
    assert flight.at(6.5).quality is Quality.NO_ZOOM
    assert flight.at(6.5).pose is None


def test_a_zoom_stated_now_and_then_holds_in_between() -> None:
    flight = log(
        *(sample(at / 2.0, hfov_deg=10.0 + at if at % 4 == 0 else None) for at in range(9))
    )
    narrowed = flight.mounted(Mounting())
    assert narrowed.at(1.0).hfov_deg == pytest.approx(12.0)
    assert narrowed.at(1.0).pose is not None


def test_a_digital_zoom_enlarges_and_another_lens_is_another_camera() -> None:
    """A drone at four times its zoom placed people as if it saw four times as wide."""
    wide, close = sample(0.0, zoom=1.0, focal=24.0), sample(2.0, zoom=4.0, focal=24.0)
    tele = sample(4.0, zoom=1.0, focal=166.0)
    flight = log(wide, close, sample(3.0, zoom=4.0, focal=24.0), tele).mounted(Mounting())
    assert flight.at(0.0).camera(CAMERA) == CAMERA
    assert flight.at(2.0).camera(CAMERA).fx_px == 6400.0
    assert flight.at(4.0).quality is Quality.NO_ZOOM
    assert log(wide, close).at(2.0).quality is Quality.FULL


def test_a_height_by_pressure_is_as_unsure_as_it_is_until_the_take_off_is_known() -> None:
    told = log(sample(0.0, alt_sigma_m=50.0, rel_alt_m=30.0))
    sigma = PoseSigma(3.0, 3.0, 2.0, 1.0, 1.0)
    assert told.mounted(Mounting()).at(0.0).widened(sigma).alt_m == pytest.approx(np.hypot(3, 50))
    known = told.mounted(Mounting(takeoff_alt_m=1000.0)).at(0.0)
    assert (known.alt_m, known.widened(sigma).alt_m) == (1030.0, 3.0)


@pytest.mark.parametrize("yaw_deg", [0.0, 90.0, 300.0])
def test_an_offset_turns_the_camera_on_its_gimbal(yaw_deg) -> None:
    flight = log(sample(0.0, yaw_deg=yaw_deg)).mounted(Mounting(offset_deg=(0.0, 2.0, 0.0)))
    assert flight.at(0.0).pitch_deg == pytest.approx(-38.0)
    assert flight.at(0.0).yaw_deg == pytest.approx(yaw_deg, abs=1e-9)


def test_a_known_take_off_beats_the_logs_own_height() -> None:
    flight = log(sample(0.0, rel_alt_m=50.0)).mounted(Mounting(takeoff_alt_m=1000.0))
    assert flight.at(0.0).alt_m == 1050.0


@pytest.fixture
def film_at() -> Callable[[float], Telemetry]:
    return lambda begins_s: log(sample(0.0), sample(1.0)).mounted(Mounting(begins_s=begins_s))


def test_a_film_may_begin_somewhere_in_the_log(film_at) -> None:
    assert film_at(0.5).samples[0].media_time_s == -0.5
    assert film_at(-100.0).at(0.0).quality is Quality.BEFORE_START
