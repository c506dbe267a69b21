"""MAVLink flight logs of ground stations (`.tlog`): a sample at every GLOBAL_POSITION_INT.

Angles are interpolated to it, field of view and clock come from the messages nearest before it, if
they are not too old. Media time counts from the first position; the log of one vehicle is read,
that of the first position. The time of arrival tells media time and the vehicle's own clock tells
its jumps: from where they differ on, nobody knows which of the two jumped.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from edge.telemetry.mavlink_angles import Angles, CameraAngles
from edge.telemetry.mavlink_frames import (
    CAMERA_FOV_STATUS,
    GLOBAL_POSITION_INT,
    SYSTEM_TIME,
    Frame,
    frames,
)
from edge.telemetry.order import CLOCK_TOLERANCE_S, own_times
from edge.telemetry.samples import Sample, field_of_view, height, instant, position

OTHER_VEHICLE: Final = "positions of another vehicle"

# A field of view older than this says nothing of the picture any more.
_FRESH_S: Final = 0.5
_UNTOLD: Final = " and not which one the film is of: none has its"

Part = tuple[int, int]  # a component and the device behind it, or 0


def read_tlog(data: bytes, skipped: Counter[str]) -> tuple[list[Sample], tuple[str, ...]]:
    """Read a log; what is broken is counted in `skipped`.

    Returns:
        The samples, and what a reader should know of them.
    """
    heard = list(frames(data, skipped))
    first = next((frame for frame in heard if frame.kind == GLOBAL_POSITION_INT), None)
    if first is None:
        return [], ()
    ours = [frame for frame in heard if frame.system == first.system]
    positions = sum(frame.kind == GLOBAL_POSITION_INT for frame in heard)
    angles = CameraAngles(ours, first.component, skipped)
    cameras = {_camera(frame) for frame in ours if frame.kind == CAMERA_FOV_STATUS}
    placed: list[tuple[Frame, Sample]] = []
    view: Frame | None = None
    clock: Frame | None = None
    for place, frame in enumerate(ours):
        if frame.kind == CAMERA_FOV_STATUS and len(cameras) == 1:
            view = frame
        elif frame.component != first.component:
            continue
        elif frame.kind == SYSTEM_TIME:
            clock = frame
        elif frame.kind == GLOBAL_POSITION_INT:
            placed.append((frame, _sample(frame, angles.at(place, frame.logged_us), view, clock)))
    skipped[OTHER_VEHICLE] += positions - len(placed)
    return _timed(placed, skipped), _notes(angles.gimbals, sorted(cameras))


def _timed(placed: Sequence[tuple[Frame, Sample]], skipped: Counter[str]) -> list[Sample]:
    """Set the media times; mark what comes later or earlier than by the vehicle's own clock."""
    times = own_times([frame.logged_us / 1e6 for frame, _ in placed], skipped)
    samples: list[Sample] = []
    ahead_s: float | None = None  # of the vehicle's clock, at the first sample
    for (frame, sample), seconds in zip(placed, times.media_times_s, strict=True):
        if seconds is None:
            continue
        now_s = seconds - frame.fields[0] / 1e3
        ahead_s = now_s if ahead_s is None else ahead_s
        jumped = not times.sure or abs(now_s - ahead_s) > CLOCK_TOLERANCE_S
        samples.append(msgspec.structs.replace(sample, media_time_s=seconds, jumped=jumped))
    return samples


def _sample(
    frame: Frame, angles_deg: Angles | None, view: Frame | None, clock: Frame | None
) -> Sample:
    """Build the sample of a position; its media time is not yet known."""
    boot_ms, lat_e7, lon_e7, alt_mm, above_mm = frame.fields[:5]
    lat, lon = position(lat_e7 / 1e7, lon_e7 / 1e7)
    yaw_deg, pitch_deg, roll_deg = angles_deg or (None, None, None)
    fresh = view is not None and abs(frame.logged_us - view.logged_us) <= _FRESH_S * 1e6
    return Sample(
        media_time_s=0.0,
        captured_at=instant(_epoch_s(frame, clock)),
        clock_s=boot_ms / 1e3,
        lat=lat,
        lon=lon,
        alt_msl_m=height(alt_mm / 1e3),
        rel_alt_m=height(above_mm / 1e3),
        yaw_deg=yaw_deg,
        pitch_deg=pitch_deg,
        roll_deg=roll_deg,
        hfov_deg=field_of_view(view.fields[11]) if view is not None and fresh else None,
    )


def _epoch_s(frame: Frame, clock: Frame | None) -> float:
    """Return the vehicle's own time, or the ground station's where the vehicle had none."""
    if clock is not None and instant(clock.fields[0] / 1e6) is not None:
        epoch_us, told_ms = clock.fields
        return float(epoch_us) / 1e6 + float(frame.fields[0] - told_ms) / 1e3
    return float(frame.logged_us) / 1e6


def _camera(frame: Frame) -> tuple[int, int]:
    return frame.component, frame.fields[13]


def _notes(gimbals: Sequence[Part], cameras: Sequence[Part]) -> tuple[str, ...]:
    """Say what was not taken because nobody says which one the film is of."""
    notes = []
    if len(gimbals) > 1:
        notes.append(f"it tells of {len(gimbals)} gimbals ({_said(gimbals)}){_UNTOLD} angles")
    if len(cameras) > 1:
        notes.append(
            f"it tells of {len(cameras)} cameras ({_said(cameras)}){_UNTOLD} field of view"
        )
    return tuple(notes)


def _said(parts: Sequence[Part]) -> str:
    return ", ".join(
        f"component {component}" + (f" device {device}" if device else "")
        for component, device in parts
    )
