"""Whose angles a MAVLink log tells, and when: several gimbals, failures, slow reports."""

import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymavlink.dialects.v20 import common

from edge.telemetry import Quality, Telemetry, parse_telemetry
from edge.telemetry.mavlink import OTHER_VEHICLE, read_tlog
from edge.telemetry.mavlink_angles import NO_ANGLES
from edge.telemetry.order import OTHER_DAY

BEGAN_S = 1_773_457_200.0
AUTOPILOT, GIMBAL, SECOND_GIMBAL, CAMERA, SECOND_CAMERA = 1, 154, 171, 100, 101

Heard = tuple[float, int, int, Any]  # seconds, system, component, message


def tlog(heard: Iterable[Heard]) -> bytes:
    out = io.BytesIO()
    for at_s, system, component, message in sorted(heard, key=lambda one: one[0]):
        link = common.MAVLink(io.BytesIO(), srcSystem=system, srcComponent=component)
        out.write(round((BEGAN_S + at_s) * 1e6).to_bytes(8, "big") + message.pack(link))
    return out.getvalue()


def read(*heard: Iterable[Heard]) -> Telemetry:
    return parse_telemetry(tlog(one for some in heard for one in some), Path("flight.tlog"))


def position(at_s: float, *, system: int = 1, logged_s: float | None = None) -> Heard:
    message = common.MAVLink_global_position_int_message(
        boot_ms(at_s), 225_000_000, 1_040_000_000, 1_120_000, 120_000, 0, 0, 0, 65535
    )
    return at_s if logged_s is None else logged_s, system, AUTOPILOT, message


def boot_ms(at_s: float) -> int:
    return round(at_s * 1000) + 10_000


def gimbal(
    at_s: float,
    yaw_deg: float,
    pitch_deg: float = -30.0,
    *,
    component: int = GIMBAL,
    flags: int = 64,
    failures: int = 0,
    device: int = 0,
) -> Heard:
    yaw, pitch = np.radians((yaw_deg, pitch_deg)) / 2.0
    turn = [np.cos(yaw) * np.cos(pitch), -np.sin(yaw) * np.sin(pitch)]
    turn += [np.cos(yaw) * np.sin(pitch), np.sin(yaw) * np.cos(pitch)]
    message = common.MAVLink_gimbal_device_attitude_status_message(
        0, 0, boot_ms(at_s), flags, turn, 0, 0, 0, failures, gimbal_device_id=device
    )
    return at_s, 1, component, message


def heading(at_s: float, yaw_deg: float, *, component: int = AUTOPILOT) -> Heard:
    yaw = float(np.radians((yaw_deg + 180.0) % 360.0 - 180.0))
    return at_s, 1, component, common.MAVLink_attitude_message(boot_ms(at_s), 0, 0, yaw, 0, 0, 0)


def view(at_s: float, hfov_deg: float, *, component: int = CAMERA) -> Heard:
    message = common.MAVLink_camera_fov_status_message(
        boot_ms(at_s), 0, 0, 0, 0, 0, 0, [1, 0, 0, 0], hfov_deg, 40.0
    )
    return at_s, 1, component, message


SECONDS = [number / 10.0 for number in range(50)]
POSITIONS = [position(at_s) for at_s in SECONDS]
STEADY = [gimbal(at_s, 10.0) for at_s in SECONDS]


def test_of_two_gimbals_none_is_taken_and_both_are_named() -> None:
    """They took turns: yaw 10, 200, 10, 200, all of it `full`."""
    other = [gimbal(at_s + 0.01, 200.0, -80.0, component=SECOND_GIMBAL) for at_s in SECONDS]
    log = read(POSITIONS, STEADY, other)
    assert log.counts() == {"no_gimbal": 50}
    (note,) = (note for note in log.notes if "gimbals" in note)
    assert "component 154, component 171" in note


def test_a_gimbal_that_its_autopilot_speaks_for_is_still_one() -> None:
    for_it = [gimbal(at_s + 0.01, 10.0, component=AUTOPILOT, device=154) for at_s in SECONDS[:-1]]
    log = read(POSITIONS, STEADY, for_it)
    assert [row.yaw_deg for row in log.samples] == pytest.approx([10.0] * 50, abs=1e-4)
    assert log.counts() == read(POSITIONS, STEADY).counts()


def test_a_second_gimbal_that_tells_no_angles_does_not_matter() -> None:
    stowed = [gimbal(at_s, 0.0, component=SECOND_GIMBAL, flags=1) for at_s in SECONDS]
    log = read(POSITIONS, STEADY, stowed)
    assert Quality.NO_GIMBAL not in {row.quality for row in log.samples}
    assert log.skipped[NO_ANGLES] == 50


@pytest.mark.parametrize("failures", [8, 16, 32, 64, 128, 256, 0x7FF])
def test_a_gimbal_that_tells_a_failure_tells_no_angles(failures) -> None:
    failed = [gimbal(at_s, 10.0, failures=failures) for at_s in SECONDS]
    log = read(POSITIONS, failed)
    assert log.counts() == {"no_gimbal": 50}
    assert log.skipped == {NO_ANGLES: 50}


def test_a_retracted_gimbal_tells_no_angles() -> None:
    assert read(POSITIONS, [gimbal(at_s, 10.0, flags=1 | 64) for at_s in SECONDS]).counts() == {
        "no_gimbal": 50
    }


def test_a_gimbal_at_its_limit_still_tells_them() -> None:
    at_limit = [gimbal(at_s, 10.0, failures=1 | 2 | 4 | 512) for at_s in SECONDS]
    assert "no_gimbal" not in read(POSITIONS, at_limit).counts()


def test_a_failure_between_two_good_reports_leaves_a_gap() -> None:
    reports = [gimbal(at_s + 0.05, 10.0, failures=8 if at_s == 2.0 else 0) for at_s in SECONDS]
    samples, _ = read_tlog(tlog([*POSITIONS, *reports]), Counter())
    blind_s = [round(row.media_time_s, 1) for row in samples if row.yaw_deg is None]
    assert blind_s == [0.0, 2.0, 2.1]


@pytest.mark.parametrize("flags", [32, 64], ids=["from the nose", "from north"])
def test_slow_reports_are_turned_to_the_positions_time(flags) -> None:
    """At 60 degrees a second and two reports a second the yaw was up to 28.7 degrees late."""
    turning = []
    for number in range(11):
        at_s = number * 0.48 + 0.001
        turning.append(heading(at_s, 60.0 * at_s))
        turning.append(gimbal(at_s, 0.0 if flags == 32 else 60.0 * at_s, flags=flags))
    samples, _ = read_tlog(tlog([*POSITIONS, *turning]), Counter())
    told = [row for row in samples if row.yaw_deg is not None]
    assert len(told) >= 47
    for row in told:
        off_deg = (row.yaw_deg - 60.0 * row.media_time_s + 180.0) % 360.0 - 180.0
        assert off_deg == pytest.approx(0.0, abs=0.01)


def test_nothing_is_told_before_the_first_and_behind_the_last_report_and_in_gaps() -> None:
    reports = [gimbal(at_s, 10.0) for at_s in (1.05, 1.95, 3.05, 3.95)]
    samples, _ = read_tlog(tlog([*POSITIONS, *reports]), Counter())
    told_s = [round(row.media_time_s, 1) for row in samples if row.yaw_deg is not None]
    assert told_s == [number / 10.0 for number in (*range(11, 20), *range(31, 40))]


def test_the_heading_is_the_autopilots_and_not_a_gimbals_own() -> None:
    nose = [gimbal(at_s, 10.0, flags=32) for at_s in SECONDS]
    headings = [heading(at_s, 70.0) for at_s in SECONDS]
    others = [heading(at_s, 250.0, component=GIMBAL) for at_s in SECONDS]
    samples, _ = read_tlog(tlog([*POSITIONS, *nose, *headings, *others]), Counter())
    assert [row.yaw_deg for row in samples if row.yaw_deg is not None] == pytest.approx(
        [80.0] * 50, abs=1e-3
    )


def test_of_two_cameras_none_has_its_field_of_view() -> None:
    views = [view(at_s, 60.0) for at_s in SECONDS]
    views += [view(at_s, 5.0, component=SECOND_CAMERA) for at_s in SECONDS]
    log = read(POSITIONS, STEADY, views)
    assert {row.hfov_deg for row in log.samples} == {None}
    assert any("2 cameras (component 100, component 101)" in note for note in log.notes)


def test_another_vehicles_positions_are_counted() -> None:
    """They were dropped without a word."""
    log = read(POSITIONS, STEADY, [position(at_s + 0.01, system=2) for at_s in SECONDS])
    assert (len(log.samples), log.skipped) == (50, {OTHER_VEHICLE: 50})


def test_positions_logged_before_the_ground_station_knew_the_day_are_counted() -> None:
    early = [position(-1.0, logged_s=-8e8)]
    log = read(early, POSITIONS, STEADY)
    assert (len(log.samples), log.skipped) == (50, {OTHER_DAY: 1})


def test_behind_a_jump_of_the_ground_stations_clock_there_is_no_pose() -> None:
    jumped = [
        (at_s + (0.0 if at_s < 2.0 else 1.9), system, component, message)
        for at_s, system, component, message in (*POSITIONS, *STEADY)
    ]
    log = parse_telemetry(tlog(jumped), Path("flight.tlog"))
    behind = [row for row in log.samples if row.media_time_s > 2.0]
    assert len(behind) == 30
    assert all(row.jumped for row in behind)
    assert not any(row.jumped for row in log.samples[:20])


def test_the_good_frame_before_damage_is_kept() -> None:
    """20 zero bytes at the end lost the last position, although its checksum is right."""
    data = tlog([*POSITIONS, *STEADY])
    samples, _ = read_tlog(data + bytes(20), Counter())
    assert len(samples) == 50
