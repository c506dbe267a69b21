"""A track's state -> one line of tracks.jsonl: back to WGS 84, rounded to what is meant."""

from typing import Final, NamedTuple

from edge.messages import CovM2, TrackState, TrackUpdate, UtcTime
from fusion.local_frame import LocalFrame, turned
from fusion.tracking.motion import Motion
from fusion.tracking.track import Track

_LEAST_VAR_M2: Final = 0.01
_POSITION_DIGITS: Final = 7  # a centimetre


class Written(NamedTuple):
    """A line, and whose neighbourhood it belongs to."""

    line: TrackUpdate
    cell: int  # `fusion.trodden`: where the track was last seen
    first: bool = False  # of a track that was confirmed just now


def line(  # noqa: PLR0913 - all that a line says
    track: Track,
    motion: Motion,
    at_s: float,
    state: TrackState,
    frame: LocalFrame,
    *,
    lost_near_line: bool,
) -> TrackUpdate:
    """Write where a track is at `at_s`; `motion` is its motion at that instant."""
    lat, lon = frame.to_wgs84(motion.x_m, motion.y_m)
    cos, sin = frame.turn(lat=lat, lon=lon)
    east = motion.vx_mps * cos + motion.vy_mps * sin
    north = motion.vy_mps * cos - motion.vx_mps * sin
    return TrackUpdate(
        track_id=track.id,
        t=UtcTime.from_epoch_s(at_s),
        lat=round(lat, _POSITION_DIGITS),
        lon=round(lon, _POSITION_DIGITS),
        cov_m2=rounded_cov(turned(track.cov_of(motion), cos, -sin)),
        velocity_mps=(round(east, 3) + 0.0, round(north, 3) + 0.0),
        label=track.label,
        state=state,
        devices=track.devices,
        lost_near_line=lost_near_line,
        # What waits to be confirmed may wait too long, and its first lines be lost.
        evidence_ids=track.evidence[-track.untold :] if track.untold and track.confirmed else (),
    )


def rounded_cov(cov: CovM2) -> CovM2:
    """Round to millimetres squared, staying positive definite."""
    xx, xy, yy = cov
    return (round(xx + _LEAST_VAR_M2, 3), round(xy, 3) + 0.0, round(yy + _LEAST_VAR_M2, 3))
