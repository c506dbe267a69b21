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

from edge.camera import Camera, Pose, PoseSigma
from edge.motion import STILL, Drift, Motion
from edge.telemetry.attitude import between, short_way, turned
from edge.telemetry.rates import Rates
from edge.telemetry.samples import Quality, Sample, TelemetryError
from edge.telemetry.zoom import with_zoom

# Between samples further apart than this nobody knows what the drone did.
LONGEST_GAP_S: Final = 2.5
ANGLES: Final = ("yaw_deg", "pitch_deg", "roll_deg")
# So far beyond the ends the nearest sample holds; never longer than the log's own beat.
LONGEST_HOLD_S: Final = 1.0
# One sigma of how a drone and its gimbal speed up and slow down between samples, unseen.
UNSEEN_MPS2: Final = 1.0
UNSEEN_DEGPS2: Final = 10.0


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
    motion: Motion = STILL
    held_s: float = 0.0  # so long before the first or after the last sample, whose pose this is
    unseen_s2: float = 0.0  # what an acceleration between the samples is worth, m per m/s^2
    alt_sigma_m: float = 0.0  # of the log's own height, beside the device file's
    zoom: float | None = None  # digital

    def camera(self, described: Camera) -> Camera:
        """Return the device file's camera as the log says that it saw."""
        if self.hfov_deg is not None:
            return described.zoomed(self.hfov_deg)
        return described if self.zoom is None else described.enlarged(self.zoom)

    def drift(self, sigma_s: float) -> Drift:
        """Return what the lens does in one sigma of the join's time."""
        return self.motion.during(float(np.hypot(sigma_s, self.held_s)))

    def widened(self, sigma: PoseSigma) -> PoseSigma:
        """Return the errors of the log's pose with those of telling it between samples."""
        if self.unseen_s2 == 0.0 and self.alt_sigma_m == 0.0:
            return sigma
        moved_m, turned_deg = UNSEEN_MPS2 * self.unseen_s2, UNSEEN_DEGPS2 * self.unseen_s2
        raised_m = float(np.hypot(moved_m, self.alt_sigma_m))
        unseen = moved_m, raised_m, turned_deg, turned_deg, turned_deg
        return PoseSigma(*np.hypot(sigma, unseen).tolist())

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
        if after in {0, len(times_s)}:
            end = -1 if after else 0
            held_s = abs(media_time_s - times_s[end])
            if held_s > self._hold_s:
                return PoseAt(Quality.BEYOND_END if after else Quality.BEFORE_START)
            found = _held(self.samples[end])
            found = found._replace(held_s=held_s, unseen_s2=held_s**2 / 2.0)
        else:
            first, second = self.samples[after - 1 : after + 1]
            passed_s = media_time_s - first.media_time_s
            left_s = second.media_time_s - media_time_s
            if passed_s == 0.0 and not first.jumped:
                found = _held(first)
            elif passed_s + left_s > LONGEST_GAP_S:
                return PoseAt(Quality.STALE)
            else:
                found = _between(first, second, passed_s / (passed_s + left_s))
                found = found._replace(unseen_s2=passed_s * left_s / 2.0)
        return found._replace(motion=self._rates.at(media_time_s)) if found.pose else found

    def mounted(self, mounting: Mounting) -> "Telemetry":
        """Return the log as the device file reads it: offset, fixed angles, take-off height."""
        carried = tuple(
            any(getattr(sample, name) is not None for sample in self.samples) for name in ANGLES
        )
        samples = tuple(_mounted(sample, mounting, carried) for sample in with_zoom(self.samples))
        return Telemetry(self.path, self.format, samples, self.skipped, self.notes)

    def counts(self) -> dict[str, int]:
        """Return how many samples there are of each quality."""
        return dict(Counter(str(sample.quality) for sample in self.samples))

    def middle(self) -> PoseAt:
        """Return where `middle_pose` stands, with its zoom and its errors."""
        if self._middle is None:
            return PoseAt(Quality.NO_POSITION)
        motion = self._rates.at(self._middle.media_time_s)
        return _held(self._middle)._replace(motion=motion)

    def middle_pose(self) -> Pose:
        """Return the pose in the middle of those that are whole; without any, level at a place.

        For what has to stand somewhere before the film runs; `counts` tells the second case.
        """
        middle = self._middle
        if middle is not None and (pose := _held(middle).pose) is not None:
            return pose
        placed = next(
            (row for row in self.samples if row.lat is not None and row.lon is not None), None
        )
        if placed is None or placed.lat is None or placed.lon is None:
            msg = f"{self.path} never says where the drone was"
            raise TelemetryError(msg)
        return Pose(placed.lat, placed.lon, placed.alt_m or 0.0, 0.0, 0.0, 0.0)

    @cached_property
    def _middle(self) -> Sample | None:
        whole = [sample for sample in self.samples if sample.quality is Quality.FULL]
        return whole[len(whole) // 2] if whole else None

    @cached_property
    def _rates(self) -> Rates:
        return Rates(self.samples)

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
        alt_sigma_m=sample.alt_sigma_m,
        zoom=sample.zoom,
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
        alt_sigma_m=max(first.alt_sigma_m, second.alt_sigma_m),
        zoom=_mix(first.zoom, second.zoom, share),
    )


def _mix(first: float | None, second: float | None, share: float) -> float | None:
    return None if first is None or second is None else first + share * (second - first)


def _way_deg(first_deg: float, second_deg: float) -> float:
    return float(short_way(np.array(second_deg - first_deg)))


def _angles(sample: Sample) -> tuple[float, float, float] | None:
    if sample.yaw_deg is None or sample.pitch_deg is None or sample.roll_deg is None:
        return None
    return sample.yaw_deg, sample.pitch_deg, sample.roll_deg


def _mounted(sample: Sample, mounting: Mounting, carried: tuple[bool, ...]) -> Sample:
    """Read one sample as the device file does; `carried`: which of `ANGLES` the log ever has."""
    changes: dict[str, float] = {}
    if mounting.begins_s:
        changes["media_time_s"] = sample.media_time_s - mounting.begins_s
    fixed: tuple[float | None, ...] = mounting.fixed_deg or (None, None, None)
    # What the log tells at times is never mixed with what was read off the gimbal once.
    looks: list[float | None] = [
        getattr(sample, name) if told else held
        for name, told, held in zip(ANGLES, carried, fixed, strict=True)
    ]
    known = [part for part in looks if part is not None]
    if len(known) == len(ANGLES):
        angles = (known[0], known[1], known[2])
        if any(carried) and any(mounting.offset_deg):
            angles = _turned(angles, mounting.offset_deg)
        changes |= dict(zip(ANGLES, angles, strict=True))
    takeoff_alt_m, above_m = mounting.takeoff_alt_m, sample.rel_alt_m
    if takeoff_alt_m is not None and above_m is not None:
        changes |= {"alt_m": takeoff_alt_m + above_m, "alt_sigma_m": 0.0}
    return msgspec.structs.replace(sample, **changes) if changes else sample


def _turned(
    carrier_deg: Sequence[float], offset_deg: Sequence[float]
) -> tuple[float, float, float]:
    yaw, pitch, roll = turned(np.array([carrier_deg]), np.array([offset_deg]))[0]
    return float(yaw), float(pitch), float(roll)
