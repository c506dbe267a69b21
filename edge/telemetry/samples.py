"""What a flight log says: samples of a pose over time, and what is missing in each."""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from edge.camera import FloatArray
from edge.messages import RefusedError, UtcTime

_MOST_ALT_M: Final = 100_000.0
_LEAST_ALT_M: Final = -1000.0
_MOST_TIME_S: Final = 1e7
_FULL_TURN_DEG: Final = 360.0
# 1980, the first second of GPS time, and 2100: a clock outside of them was never set.
_FIRST_EPOCH_S: Final = 315_964_800.0
_LAST_EPOCH_S: Final = 4_102_444_800.0


class TelemetryError(RefusedError):
    """A file that is no flight log we can read. One sentence naming it."""


class Quality(StrEnum):
    """What a sample or a frame has, or the first thing it lacks; only `full` is a pose."""

    FULL = "full"
    NO_POSITION = "no_position"  # no latitude and longitude
    NO_GIMBAL = "no_gimbal"  # nobody says where the camera looks
    NO_ALTITUDE = "no_altitude"  # no height above the ellipsoid, nor one that leads to it
    NO_ZOOM = "no_zoom"  # in a log that tells how wide the camera sees, nobody does here
    CONTRADICTS = "contradicts"  # the log's own frame centre lies elsewhere
    CLOCK_JUMP = "clock_jump"  # the log's clock jumped before it: see `edge.telemetry.order`
    STALE = "stale"  # a frame in a gap of the log
    BEFORE_START = "before_start"  # a frame before the first sample
    BEYOND_END = "beyond_end"  # a frame after the last sample


class FrameCenter(Struct, frozen=True, kw_only=True):
    """Where the log itself says that the middle of the picture meets the ground."""

    lat: float
    lon: float
    alt_m: float | None = None  # above the ellipsoid
    alt_msl_m: float | None = None


class Sample(Struct, frozen=True, kw_only=True):
    """One moment of a flight; None is what the log does not say.

    Angles are absolute: yaw clockwise from true north, pitch negative below the horizon, roll
    positive right side down.
    """

    media_time_s: float  # since the film, or else the log, began
    captured_at: UtcTime | None = None
    clock_s: float | None = None  # the log's own clock, its zero unknown; to tell jumps
    timed_by_clock: bool = False  # media time is that clock's: nothing else tells its jumps
    lat: float | None = None
    lon: float | None = None
    alt_m: float | None = None  # above the ellipsoid
    alt_msl_m: float | None = None
    rel_alt_m: float | None = None  # above the take-off
    yaw_deg: float | None = None
    pitch_deg: float | None = None
    roll_deg: float | None = None
    alt_sigma_m: float = 0.0  # one sigma of its height, where that is worse than a mount's
    hfov_deg: float | None = None
    zoom: float | None = None  # digital: 1 is none; None where the log does not say
    focal: float | None = None  # of the lens in use, in the log's own units
    slant_m: float | None = None
    frame_center: FrameCenter | None = None
    jumped: bool = False
    contradicts: bool = False
    zoom_lost: bool = False

    @property
    def quality(self) -> Quality:
        """What it lacks first; a full sample has position, height and angles."""
        if self.lat is None or self.lon is None:
            return Quality.NO_POSITION
        if self.yaw_deg is None or self.pitch_deg is None or self.roll_deg is None:
            return Quality.NO_GIMBAL
        if self.alt_m is None:
            return Quality.NO_ALTITUDE
        if self.zoom_lost:
            return Quality.NO_ZOOM
        if self.contradicts:
            return Quality.CONTRADICTS
        return Quality.CLOCK_JUMP if self.jumped else Quality.FULL


def with_ellipsoid(samples: Sequence[Sample]) -> tuple[list[Sample], tuple[str, ...]]:
    """Fill in heights above the ellipsoid where only those above the sea are known.

    Returns:
        The samples, and what to say where this computer has no geoid: then they stay unknown.
    """
    lenses = [(row.lat, row.lon, row.alt_msl_m if row.alt_m is None else None) for row in samples]
    centres = [
        (None, None, None)
        if (at := row.frame_center) is None
        else (at.lat, at.lon, at.alt_msl_m if at.alt_m is None else None)
        for row in samples
    ]
    try:
        heights_m = _ellipsoidal(np.array(lenses + centres, dtype=np.float64).reshape(-1, 3))
    except RefusedError as error:
        return list(samples), (str(error),)
    filled = []
    for row, lens_m, centre_m in zip(
        samples, heights_m[: len(samples)], heights_m[len(samples) :], strict=True
    ):
        sample = row
        if not np.isnan(lens_m):
            sample = msgspec.structs.replace(sample, alt_m=float(lens_m))
        if sample.frame_center is not None and not np.isnan(centre_m):
            centre = msgspec.structs.replace(sample.frame_center, alt_m=float(centre_m))
            sample = msgspec.structs.replace(sample, frame_center=centre)
        filled.append(sample)
    return filled, ()


def _ellipsoidal(places: FloatArray) -> FloatArray:
    """Turn places (N, 3) of lat, lon and height above the sea to heights above the ellipsoid (N,).

    NaN where a part is unknown. The geoid is read around one square degree at a time, because a
    broken log may jump from one end of the Earth to the other.
    """
    heights_m = np.full(len(places), np.nan)
    known = np.flatnonzero(~np.isnan(places).any(axis=1))
    if len(known) == 0:
        return heights_m
    from edge.geoid import undulation_m  # noqa: PLC0415 - a grid and its reader, for some logs

    squares, member = np.unique(np.floor(places[known, :2]), axis=0, return_inverse=True)
    for square in range(len(squares)):
        rows = known[member.ravel() == square]
        lat, lon, alt_msl_m = places[rows].T
        heights_m[rows] = alt_msl_m + undulation_m(lat=lat, lon=lon)
    return heights_m


def position(lat: float | None, lon: float | None) -> tuple[float, float] | tuple[None, None]:
    """Return a place on the globe, or None twice; 0, 0 is what receivers say without a fix."""
    if lat is None or lon is None or not (abs(lat) <= 90.0 and abs(lon) <= 180.0):  # noqa: PLR2004 - the globe
        return None, None
    return (None, None) if lat == 0.0 and lon == 0.0 else (lat, lon)


def height(alt_m: float | None) -> float | None:
    """Return a height that something may have, or None."""
    return alt_m if alt_m is not None and _LEAST_ALT_M <= alt_m <= _MOST_ALT_M else None


def angle(angle_deg: float | None) -> float | None:
    """Return an angle within a full turn either way, or None."""
    return angle_deg if angle_deg is not None and abs(angle_deg) <= _FULL_TURN_DEG else None


def field_of_view(hfov_deg: float | None) -> float | None:
    """Return a field of view that a lens may have, or None."""
    return hfov_deg if hfov_deg is not None and 0.0 < hfov_deg < 180.0 else None  # noqa: PLR2004 - half a turn


def media_time(seconds: float) -> float | None:
    """Return a time in a film, or None for what no film is as long as."""
    return seconds if math.isfinite(seconds) and abs(seconds) <= _MOST_TIME_S else None


def instant(epoch_s: float) -> UtcTime | None:
    """Return an instant, or None where the clock was plainly never set."""
    if not _FIRST_EPOCH_S <= epoch_s <= _LAST_EPOCH_S:
        return None
    return UtcTime.from_epoch_s(epoch_s)
