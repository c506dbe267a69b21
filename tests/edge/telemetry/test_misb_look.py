"""Where a MISB packet looks: angles composed, and held against the packet's own frame centre."""

from collections import Counter

import numpy as np
import pymap3d
import pytest

from edge.accuracy import ce90_m
from edge.camera import Camera, Pose, PoseSigma
from edge.georeference import place
from edge.ground import Ground
from edge.messages import UtcTime
from edge.telemetry import (
    FrameCenter,
    Quality,
    Sample,
    misb_items,
    read_telemetry,
)
from edge.telemetry.klv import (
    packet_bytes,
    packets,
)
from edge.telemetry.misb import read_klv
from edge.telemetry.misb_look import ABSOLUTE_NOTE

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
CAMERA = Camera(1280, 720, 1000.0, 1000.0, 639.5, 359.5, None, ())


def numbers_of(*, heading, pitch, roll, azimuth, elevation, lean) -> dict[int, float]:
    return {
        2: NOON.timestamp() * 1e6,
        5: heading,
        6: pitch,
        7: roll,
        18: azimuth,
        19: elevation,
        20: lean,
        13: 22.5,
        14: 104.0,
        104: 1120.0,
    }


def angles_of(data: bytes) -> tuple[float, float, float]:
    ((sample,), _) = read_klv(data, Counter())
    return sample.yaw_deg, sample.pitch_deg, sample.roll_deg


def test_on_a_level_airframe_the_angles_add_up() -> None:
    numbers = numbers_of(
        heading=90.0, pitch=0.0, roll=0.0, azimuth=30.0, elevation=-40.0, lean=0.0
    )
    assert angles_of(packet_bytes(numbers)) == pytest.approx((120.0, -40.0, 0.0), abs=0.01)


def test_on_a_banking_airframe_a_look_to_the_side_goes_down_not_around() -> None:
    """Sums would say yaw 90, pitch 0: a camera to the right of a wing 20 degrees low looks down."""
    numbers = numbers_of(heading=0.0, pitch=0.0, roll=20.0, azimuth=90.0, elevation=0.0, lean=0.0)
    assert angles_of(packet_bytes(numbers)) == pytest.approx((90.0, -20.0, 0.0), abs=0.01)


def test_nose_up_turns_a_look_back_down() -> None:
    numbers = numbers_of(heading=0.0, pitch=10.0, roll=0.0, azimuth=180.0, elevation=0.0, lean=0.0)
    assert angles_of(packet_bytes(numbers)) == pytest.approx((180.0, -10.0, 0.0), abs=0.01)


def look(azimuth: float, *, heading: float) -> Sample:
    """A sample whose frame centre lies 2 km away at a bearing of 60 degrees, seen 30 down."""
    lat, lon, _ = pymap3d.enu2geodetic(2000 * np.sin(np.pi / 3), 1000.0, 0.0, 22.5, 104.0, 1000.0)
    numbers = numbers_of(
        heading=heading, pitch=0.0, roll=0.0, azimuth=azimuth, elevation=-30.0, lean=0.0
    ) | {23: float(lat), 24: float(lon), 21: 2309.4}
    ((sample,), _) = read_klv(packet_bytes(numbers), Counter())
    return sample


def test_the_frame_centre_decides_what_the_angles_are_relative_to() -> None:
    by_the_standard, absolute = look(320.0, heading=100.0), look(60.0, heading=100.0)
    assert by_the_standard.yaw_deg == pytest.approx(60.0, abs=0.01)
    assert absolute.yaw_deg == pytest.approx(60.0, abs=0.01)
    assert {by_the_standard.quality, absolute.quality} == {Quality.FULL}


def test_a_packet_whose_frame_centre_lies_elsewhere_gives_no_pose() -> None:
    assert look(200.0, heading=100.0).quality is Quality.CONTRADICTS


def test_the_standards_example_values_are_read_and_not_believed(test_data) -> None:
    """They are made up number by number: sensor and frame centre lie on different continents."""
    log = read_telemetry(test_data / "telemetry/misb/DynamicOnlyMISMMSPacketData.bin")
    assert log.samples[0].quality is Quality.CONTRADICTS
    assert log.samples[0].lat == pytest.approx(60.176822967)


@pytest.fixture
def day_flight(test_data) -> list[Sample]:
    log = read_telemetry(test_data / "telemetry" / "misb" / "day_flight.klv")
    assert log.notes[0] == ABSOLUTE_NOTE, "its azimuths are bearings, whatever the standard says"
    return list(log.samples)


def ground_alt_m(sample: Sample) -> float:
    """Return the height at which the frame centre is a slant range away: no angle is asked."""
    center, low_m, high_m = sample.frame_center, -500.0, sample.alt_m
    for _ in range(60):
        alt_m = (low_m + high_m) / 2.0
        range_m = pymap3d.geodetic2aer(
            center.lat, center.lon, alt_m, sample.lat, sample.lon, sample.alt_m
        )[2]
        low_m, high_m = (alt_m, high_m) if range_m > sample.slant_m else (low_m, alt_m)
    return low_m


def test_real_packets_are_all_whole(day_flight) -> None:
    assert [sample.quality for sample in day_flight] == [Quality.FULL] * 6
    assert day_flight[0].captured_at.rfc3339() == "2009-06-17T16:53:05.099Z"


def test_real_boresights_hit_the_packets_own_frame_centre(day_flight) -> None:
    """The packets' item 25 (frame centre elevation) contradicts their own slant range by 700 m.

    So the ground's height is taken from position, slant range and frame centre of the steepest
    packet, which ask no angle; the angles of all six must then agree with it.
    """
    steepest = min(day_flight, key=lambda sample: sample.pitch_deg)
    ground = Ground(ground_alt_m(steepest), 1.0)
    sigma = PoseSigma(position_m=3.0, alt_m=3.0, yaw_deg=0.1, pitch_deg=0.1, roll_deg=0.1)
    for sample in day_flight:
        log_pose = pose_of(sample)
        (hit,) = place(
            np.array([[639.5, 359.5]]), CAMERA, log_pose, sigma, ground, pixel_sigma_px=1
        )
        center = sample.frame_center
        east_m, north_m, _ = pymap3d.geodetic2enu(
            center.lat, center.lon, ground.alt_m, hit.lat, hit.lon, ground.alt_m
        )
        assert np.hypot(east_m, north_m) < ce90_m(hit.cov_m2)
        assert hit.slant_m == pytest.approx(sample.slant_m, rel=0.005)


def pose_of(sample: Sample) -> Pose:
    return Pose(
        sample.lat, sample.lon, sample.alt_m, sample.yaw_deg, sample.pitch_deg, sample.roll_deg
    )


def test_all_six_packets_agree_on_the_height_of_the_ground(day_flight) -> None:
    heights_m = [ground_alt_m(sample) for sample in day_flight]
    assert max(heights_m) - min(heights_m) < 1.0


def test_a_frame_centre_keeps_the_height_it_says(day_flight) -> None:
    center = day_flight[0].frame_center
    assert isinstance(center, FrameCenter)
    assert center.alt_msl_m == pytest.approx(-4.52, abs=0.01)


def test_frame_centres_at_a_wrong_height_are_said(test_data) -> None:
    """Their item 25 lies 700 m too low, and was printed without a word."""
    log = read_telemetry(test_data / "telemetry" / "misb" / "day_flight.klv")
    assert len(log.notes) == 2
    assert "in 6 packets" in log.notes[1]
    assert "331 m of 2424 m" in log.notes[1]


@pytest.mark.parametrize("steeper_deg", [-15.0, 15.0])
def test_real_packets_with_a_wrong_elevation_contradict_themselves(test_data, steeper_deg) -> None:
    """Only the bearing was looked at: all six were `full`."""
    data = (test_data / "telemetry" / "misb" / "day_flight.klv").read_bytes()
    changed = b"".join(
        packet_bytes(
            {tag: number for tag, number in found.numbers.items() if tag != 65}
            | {19: found.numbers[19] - steeper_deg}
        )
        for found in packets(data, Counter())
    )
    samples, _ = read_klv(changed, Counter())
    assert [sample.contradicts for sample in samples] == [True] * 6


def aimed(
    elevation: float, *, azimuth: float = 90.0, **told: float
) -> tuple[Sample, tuple[str, ...]]:
    """A packet from 1120 m whose frame centre lies 2 km east; `told` by the items' names."""
    east_m = told.pop("east_m", 2000.0)
    lat, lon, _ = pymap3d.enu2geodetic(east_m, 0.0, 0.0, 22.5, 104.0, 0.0)
    numbers = numbers_of(
        heading=0.0, pitch=0.0, roll=0.0, azimuth=azimuth, elevation=elevation, lean=0.0
    ) | {23: float(lat), 24: float(lon)}
    numbers |= {getattr(misb_items, name): number for name, number in told.items()}
    ((sample,), notes) = read_klv(packet_bytes(numbers), Counter())
    return sample, notes


@pytest.mark.parametrize(
    ("elevation", "contradicts"), [(-90.0, False), (-86.0, False), (-75.0, True), (-30.0, True)]
)
def test_at_the_nadir_too_the_look_is_held_against_the_centre(elevation, contradicts) -> None:
    """There nothing was looked at, because a bearing says little there."""
    for azimuth in (0.0, 90.0, 270.0):
        sample, _ = aimed(elevation, azimuth=azimuth, east_m=0.0, SLANT=120.0)
        assert sample.contradicts == contradicts


@pytest.mark.parametrize(
    ("elevation", "contradicts"), [(-29.3, False), (-45.0, True), (0.0, True)]
)
def test_without_a_slant_range_the_heights_tell_how_steep_it_is(elevation, contradicts) -> None:
    sample, _ = aimed(elevation, CENTER_ALT=0.0)
    assert sample.contradicts == contradicts


def test_heights_from_different_zeros_are_not_compared() -> None:
    """Ours is above the ellipsoid, item 25 above the sea: up to 100 m apart, and nobody knows."""
    assert not aimed(-60.0, CENTER_ALT_MSL=0.0)[0].contradicts
    assert aimed(-60.0, CENTER_ALT_MSL=0.0, azimuth=120.0)[0].contradicts


def test_at_a_grazing_look_a_slant_range_half_a_percent_off_says_little() -> None:
    assert not aimed(-3.2, SLANT=2000.0 * 0.995)[0].contradicts
    assert not aimed(-3.2, SLANT=2000.0 * 1.005)[0].contradicts


def test_a_centre_that_agrees_with_its_slant_range_needs_no_note() -> None:
    sample, notes = aimed(-29.3, CENTER_ALT=0.0, SLANT=float(np.hypot(2000.0, 1120.0)))
    assert sample.quality is Quality.FULL
    assert notes == ()
