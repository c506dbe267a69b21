"""A flight log joined to a film: the pose at every frame, or why it has none."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from edge.camera import Pose
from edge.telemetry.attitude import between, short_way, turned
from edge.telemetry.samples import Quality, Sample, TelemetryError

# Between samples further apart than this nobody knows what the drone did.
LONGEST_GAP_S: Final = 2.5
# So far beyond the ends the nearest sample holds; never longer than the log's own beat.
LONGEST_HOLD_S: Final = 1.0


class PoseAt(NamedTuple):
    """The lens at one moment of the film; None is what is not known."""

    quality: Quality
    lat: float | None = None
    lon: float | None = None
    alt_m: float | None = None
    yaw_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None
    hfov_deg: float | None = None

    @property
    def pose(self) -> Pose | None:
        """The pose, only where everything of it is known and nothing contradicts it."""
        if (
            self.quality is not Quality.FULL
            or self.lat is None
            or self.lon is None
            or self.alt_m is None
            or self.yaw_deg is None
            or self.pitch_deg is None
            or self.roll_deg is None
        ):
            return None
        return Pose(self.lat, self.lon, self.alt_m, self.yaw_deg, self.pitch_deg, self.roll_deg)


class Mounting(NamedTuple):
    """What the device file adds to a log: each None or zero where it says nothing."""

    offset_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)  # of the camera on its gimbal
    fixed_deg: tuple[float, float, float] | None = None  # absolute, where the log has no angles
    takeoff_alt_m: float | None = None  # above the ellipsoid; beats the log's own height
    begins_s: float = 0.0  # into the log, where the film begins


@dataclass(frozen=True)
class Telemetry:
    """The samples of one log, in order of media time, and what was left out."""

    path: Path
    format: str  # "DJI SRT", "MISB ST 0601", "MAVLink", "table"
    samples: tuple[Sample, ...]
    skipped: Mapping[str, int]  # by reason
    notes: tuple[str, ...] = ()  # what a reader should know

    def at(self, media_time_s: float) -> PoseAt:
        """Return the pose at a moment of the film, between the two samples around it."""
        times_s = self._times_s
        after = bisect_right(times_s, media_time_s)
        if after == 0:
            held = times_s[0] - media_time_s <= self._hold_s
            return _held(self.samples[0]) if held else PoseAt(Quality.BEFORE_START)
        before = after - 1
        if after == len(times_s):
            held = media_time_s - times_s[-1] <= self._hold_s
            return _held(self.samples[-1]) if held else PoseAt(Quality.BEYOND_END)
        first, second = self.samples[before], self.samples[after]
        passed_s, gap_s = media_time_s - times_s[before], times_s[after] - times_s[before]
        if passed_s == 0.0 and not first.jumped:
            return _held(first)
        if gap_s > LONGEST_GAP_S:
            return PoseAt(Quality.STALE)
        return _between(first, second, passed_s / gap_s)

    def mounted(self, mounting: Mounting) -> "Telemetry":
        """Return the log as the device file reads it: offset, fixed angles, take-off height."""
        samples = tuple(_mounted(sample, mounting) for sample in self.samples)
        return Telemetry(self.path, self.format, samples, self.skipped, self.notes)

    def counts(self) -> dict[str, int]:
        """Return how many samples there are of each quality."""
        return dict(Counter(str(sample.quality) for sample in self.samples))

    def middle_pose(self) -> Pose:
        """Return the pose in the middle of those that are whole; without any, level at a place.

        For what has to stand somewhere before the film runs; `counts` tells the second case.
        """
        whole = [pose for sample in self.samples if (pose := _held(sample).pose) is not None]
        if whole:
            return whole[len(whole) // 2]
        placed = next(
            (row for row in self.samples if row.lat is not None and row.lon is not None), None
        )
        if placed is None or placed.lat is None or placed.lon is None:
            msg = f"{self.path} never says where the drone was"
            raise TelemetryError(msg)
        return Pose(placed.lat, placed.lon, placed.alt_m or 0.0, 0.0, 0.0, 0.0)

    @cached_property
    def _times_s(self) -> list[float]:
        return [sample.media_time_s for sample in self.samples]

    @cached_property
    def _hold_s(self) -> float:
        beats_s = np.diff(self._times_s)
        return min(float(np.median(beats_s)), LONGEST_HOLD_S) if len(beats_s) else LONGEST_HOLD_S


def _held(sample: Sample) -> PoseAt:
    return PoseAt(
        sample.quality,
        sample.lat,
        sample.lon,
        sample.alt_m,
        sample.yaw_deg,
        sample.pitch_deg,
        sample.roll_deg,
        sample.hfov_deg,
    )


def _between(first: Sample, second: Sample, share: float) -> PoseAt:
    """Interpolate: place and height on a line, angles the short way round.

    A frame is as good as the worse of its neighbours. Between a clock's jump nobody knows how
    much time passed, so there is no pose.
    """
    qualities = {first.quality, second.quality} - {Quality.CLOCK_JUMP}
    missing = qualities - {Quality.FULL}
    quality = Quality.FULL
    if missing:
        quality = next(iter(sorted(missing, key=list(Quality).index)))
    elif second.jumped:
        quality = Quality.CLOCK_JUMP
    lat, lon = _mix(first.lat, second.lat, share), None
    if first.lon is not None and second.lon is not None:
        lon = float(short_way(np.array(first.lon + share * _way_deg(first.lon, second.lon))))
    yaw_deg = pitch_deg = roll_deg = None
    start, end = _angles(first), _angles(second)
    if start is not None and end is not None:
        yaw_deg, pitch_deg, roll_deg = (
            float(part) for part in between(np.array(start), np.array(end), share)
        )
    return PoseAt(
        quality,
        lat,
        lon,
        _mix(first.alt_m, second.alt_m, share),
        yaw_deg,
        pitch_deg,
        roll_deg,
        _mix(first.hfov_deg, second.hfov_deg, share),
    )


def _mix(first: float | None, second: float | None, share: float) -> float | None:
    return None if first is None or second is None else first + share * (second - first)


def _way_deg(first_deg: float, second_deg: float) -> float:
    return float(short_way(np.array(second_deg - first_deg)))


def _angles(sample: Sample) -> tuple[float, float, float] | None:
    if sample.yaw_deg is None or sample.pitch_deg is None or sample.roll_deg is None:
        return None
    return sample.yaw_deg, sample.pitch_deg, sample.roll_deg


def _mounted(sample: Sample, mounting: Mounting) -> Sample:
    changes: dict[str, float] = {}
    if mounting.begins_s:
        changes["media_time_s"] = sample.media_time_s - mounting.begins_s
    carried = _angles(sample)
    if carried is None:
        carried = mounting.fixed_deg
    elif any(mounting.offset_deg):
        carried = _turned(carried, mounting.offset_deg)
    if carried is not None:
        changes |= dict(zip(("yaw_deg", "pitch_deg", "roll_deg"), carried, strict=True))
    takeoff_alt_m, above_m = mounting.takeoff_alt_m, sample.rel_alt_m
    if takeoff_alt_m is not None and above_m is not None:
        changes["alt_m"] = takeoff_alt_m + above_m
    return msgspec.structs.replace(sample, **changes) if changes else sample


def _turned(
    carrier_deg: Sequence[float], offset_deg: Sequence[float]
) -> tuple[float, float, float]:
    yaw, pitch, roll = turned(np.array([carrier_deg]), np.array([offset_deg]))[0]
    return float(yaw), float(pitch), float(roll)
