"""Where a MAVLink vehicle's camera looked, between the reports of its gimbal and of its airframe.

Reports come when they come, a few a second each, so each is turned to the moment asked: half a
second at 60 degrees a second is 30 degrees. Before the first and behind the last report, and where
two lie too far apart or one of them tells no angles, there are none.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np

from edge.telemetry.attitude import angles_from_quaternion, between, short_way
from edge.telemetry.mavlink_frames import ATTITUDE, GIMBAL_DEVICE_ATTITUDE_STATUS, Frame

NO_ANGLES: Final = "gimbal reports that tell a failure, a retracted gimbal or no attitude"

# Between reports further apart than this nobody knows how it turned.
LONGEST_GAP_S: Final = 1.0
_RETRACTED, _YAW_LOCK, _FROM_NOSE, _FROM_NORTH = 1, 16, 32, 64
# Encoder, power, motor, software and communication errors, calibration; not that a limit is hit.
_FAILED: Final = 8 | 16 | 32 | 64 | 128 | 256
# A gimbal behind an autopilot has a number up to this; a greater one is a component's own.
_MOST_DEVICES: Final = 6

Angles = tuple[float, float, float]  # yaw, pitch, roll in degrees


class _Look(NamedTuple):
    """What a gimbal told."""

    angles_deg: Angles
    from_nose: bool  # its yaw counts from the vehicle's nose, not from north


Told = TypeVar("Told")


class _Report(NamedTuple, Generic[Told]):
    place: int  # in the log
    logged_us: int
    told: Told | None  # None: it tells nothing to go by


class CameraAngles:
    """The angles of the camera at any frame of one vehicle's log."""

    def __init__(self, heard: Sequence[Frame], autopilot: int, skipped: Counter[str]) -> None:
        """Take the gimbal's and the airframe's reports out of a vehicle's frames.

        Args:
            heard: All frames of one vehicle, in the order of the log.
            autopilot: The component that tells the airframe's attitude; gimbals tell their own.
            skipped: Gets a count of the reports without angles.
        """
        gimbals: dict[tuple[int, int], list[_Report[_Look]]] = {}
        headings: list[_Report[float]] = []
        for place, frame in enumerate(heard):
            if frame.kind == GIMBAL_DEVICE_ATTITUDE_STATUS:
                look = _look(frame)
                skipped[NO_ANGLES] += look is None
                report = _Report(place, frame.logged_us, look)
                gimbals.setdefault(_gimbal(frame), []).append(report)
            elif frame.kind == ATTITUDE and frame.component == autopilot:
                yaw_deg = math.degrees(frame.fields[3])
                told = yaw_deg if math.isfinite(yaw_deg) else None
                headings.append(_Report(place, frame.logged_us, told))
        telling = {
            gimbal: reports
            for gimbal, reports in gimbals.items()
            if any(report.told is not None for report in reports)
        }
        self.gimbals = sorted(telling)  # (component, device) of those that tell angles
        # With two nobody says which one carries the camera.
        self._looks = next(iter(telling.values())) if len(telling) == 1 else []
        self._headings = headings

    def at(self, place: int, logged_us: int) -> Angles | None:
        """Return the absolute angles at a place of the log, or None where they are not known."""
        look = _turned_to(self._looks, place, logged_us, _between_looks)
        if look is None:
            return None
        yaw_deg, pitch_deg, roll_deg = look.angles_deg
        if look.from_nose:
            heading_deg = _turned_to(self._headings, place, logged_us, _between_headings)
            if heading_deg is None:
                return None
            yaw_deg = (yaw_deg + heading_deg) % 360.0
        return yaw_deg, pitch_deg, roll_deg


def _gimbal(frame: Frame) -> tuple[int, int]:
    """Return which gimbal a report is of, whether it speaks itself or another one for it."""
    device = frame.fields[14]
    return (device, 0) if device > _MOST_DEVICES else (frame.component, device)


def _look(frame: Frame) -> _Look | None:
    """Read a gimbal's report; None where it says itself that its angles are none."""
    failures, flags = frame.fields[8:10]
    w, x, y, z = frame.fields[1:5]
    length = math.hypot(w, x, y, z)
    if failures & _FAILED or flags & _RETRACTED or not 0.9 < length < 1.1:  # noqa: PLR2004 - no unit quaternion (NaN included)
        return None
    turn = angles_from_quaternion(w / length, x / length, y / length, z / length)[0]
    yaw_deg, pitch_deg, roll_deg = (float(part) for part in turn)
    from_north = flags & _FROM_NORTH or (flags & _YAW_LOCK and not flags & _FROM_NOSE)
    return _Look((yaw_deg, pitch_deg, roll_deg), not from_north)


def _turned_to(
    reports: Sequence[_Report[Told]],
    place: int,
    logged_us: int,
    mix: Callable[[Told, Told, float], Told | None],
) -> Told | None:
    """Return what holds at a place of the log, between the reports before and behind it."""
    after = bisect_right(reports, place, key=lambda report: report.place)
    around = reports[max(after - 1, 0) : after + 1]
    for report in around:
        if report.logged_us == logged_us:
            return report.told
    if after in {0, len(reports)}:
        return None
    first, second = around
    passed_s, gap_s = logged_us - first.logged_us, second.logged_us - first.logged_us
    if not 0 < passed_s < gap_s <= LONGEST_GAP_S * 1e6:
        return None
    if first.told is None or second.told is None:
        return None
    return mix(first.told, second.told, passed_s / gap_s)


def _between_looks(first: _Look, second: _Look, share: float) -> _Look | None:
    if first.from_nose != second.from_nose:
        return None
    mixed = between(np.array(first.angles_deg), np.array(second.angles_deg), share)
    yaw_deg, pitch_deg, roll_deg = (float(part) for part in mixed)
    return _Look((yaw_deg, pitch_deg, roll_deg), first.from_nose)


def _between_headings(first_deg: float, second_deg: float, share: float) -> float:
    return first_deg + share * float(short_way(np.array(second_deg - first_deg)))
