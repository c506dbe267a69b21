"""Which box is the patrol, with others about: a vote on the camera's turn, then a choice.

Others walk too, but only the patrol's boxes lie off his receiver's positions by one and the same
turn of the camera, picture after picture. Every box proposes its turn; the one that brings a box
near the position in most pictures wins (MSAC, Torr and Zisserman, as in `start`). After that the
statistically nearest box of each picture is the patrol, unless another one might be as well.
"""

from collections import Counter
from typing import Final, NamedTuple

import numpy as np
import pymap3d

from edge.calibration.recording import Fixes, Sighting
from edge.calibration.walk import Index, Known, Track, track_at
from edge.camera import (
    BoolArray,
    Camera,
    FloatArray,
    Pose,
    pixels_from_enu,
    rays_enu,
)

NOBODY: Final = "nobody whole in the picture"
NO_POSITION: Final = "no position of the unit at that time"
OUTSIDE: Final = "the unit outside the picture"
NOBODY_NEAR: Final = "nobody near the unit's position"
AMBIGUOUS: Final = "two people might be the unit"

_MOST_YAW_DEG: Final = 45.0
_MOST_PITCH_DEG: Final = 20.0
_MOST_VOTING: Final = 200  # pictures
_MOST_PROPOSED: Final = 400
_NEAR: Final = 9.2103  # squared sigmas in a plane: 99 in 100
_GATE: Final = 13.8155  # 999 in 1,000
_CLEARLY: Final = 9.0  # squared sigmas between the nearest and the next
_PRIOR_WORTH: Final = 3.0  # so many pictures outweigh whatever the device file says
# The patrol that is placed so far outside the picture was not in it.
_MARGIN_SHARE: Final = 0.1
_STEP_M: Final = 0.01
_NOWHERE_PX: Final = -1e9


class Belief(NamedTuple):
    """What is held true while boxes are told apart, and one sigma of what is still open."""

    pose: Pose
    clock_s: float  # the device's clock is so much behind
    gps_error_m: FloatArray  # (2,) east, north
    ground_m: float  # the ground is so much higher than the device file says
    gps_share: float  # of the receiver's sigma
    place_m: float
    up_m: float
    turn_deg: float
    clock_sigma_s: float


class Boxes(NamedTuple):
    """The people of all pictures that show any, one row a person."""

    at_s: FloatArray  # (T,) of the pictures, ascending
    picture: Index  # (B,) row into `at_s`, ascending
    feet_px: FloatArray  # (B, 2)
    sigma_px: FloatArray  # (B,)


class Pairs(NamedTuple):
    """Pictures in which one box is the patrol."""

    at_s: FloatArray  # (N,) by the device's clock, ascending
    feet_px: FloatArray  # (N, 2)
    sigma_px: FloatArray  # (N,)
    track: Track  # of N moments
    dropped: dict[str, int]  # pictures that were not used, by reason


def boxes_of(sightings: tuple[Sighting, ...]) -> Boxes:
    """Put the people of all pictures into arrays."""
    shown = [sighting for sighting in sightings if len(sighting.feet_px)]
    counts = [len(sighting.feet_px) for sighting in shown]
    return Boxes(
        at_s=np.array([sighting.at_s for sighting in shown]),
        picture=np.repeat(np.arange(len(shown)), counts),
        feet_px=np.concatenate([np.empty((0, 2)), *(s.feet_px for s in shown)]),
        sigma_px=np.concatenate([np.empty(0), *(s.sigma_px for s in shown)]),
    )


def vote(boxes: Boxes, track: Track, known: Known, *, open_m: float) -> Pose | None:
    """Return the pose turned to where most pictures have a box; None where nothing is proposed.

    Args:
        boxes: People.
        track: The walker at the boxes' pictures (T).
        known: What the device file says.
        open_m: One sigma of the walker's place from the lens, along each axis.
    """
    camera, pose, sigma = known.camera, known.pose, known.sigma
    rows = np.flatnonzero(track.ok[boxes.picture])
    pictures = np.unique(boxes.picture[rows])
    voting = pictures[:: max(1, len(pictures) // _MOST_VOTING)]
    rows = rows[np.isin(boxes.picture[rows], voting)]
    points = track.points_enu_m[boxes.picture[rows]]
    there, there_up, level_m, slant_m = _bearings(points)
    seen, seen_up, _, _ = _bearings(rays_enu(boxes.feet_px[rows], camera, pose))
    off = np.column_stack(((there - seen + 180.0) % 360.0 - 180.0, there_up - seen_up))
    off[~np.isfinite(off)] = 360.0  # where the distortion says nothing nobody is seen
    px_deg = np.degrees(boxes.sigma_px[rows] / camera.fx_px)
    lean_deg = sigma.roll_deg * np.abs(np.sin(np.radians(there - pose.yaw_deg)))
    tolerance = np.column_stack(
        (
            np.hypot(np.degrees(open_m / np.maximum(level_m, 1.0)), px_deg),
            np.sqrt(np.degrees(open_m / np.maximum(slant_m, 1.0)) ** 2 + px_deg**2 + lean_deg**2),
        )
    )
    possible = np.flatnonzero(
        (np.abs(off[:, 0]) <= _MOST_YAW_DEG) & (np.abs(off[:, 1]) <= _MOST_PITCH_DEG)
    )
    if len(possible) == 0:
        return None
    proposed = off[possible[:: max(1, len(possible) // _MOST_PROPOSED)]]
    far = np.sum(((off[None] - proposed[:, None]) / tolerance) ** 2, axis=2) / _NEAR
    _, first = np.unique(boxes.picture[rows], return_index=True)
    missed = np.minimum(np.minimum.reduceat(far, first, axis=1), 1.0).sum(axis=1)
    told_deg = np.maximum((sigma.yaw_deg, sigma.pitch_deg), 0.5)
    surprise = np.sum((proposed / told_deg) ** 2, axis=1) / _NEAR
    best = int(np.argmin(missed + np.minimum(surprise, _PRIOR_WORTH)))
    near = far[best] < 1.0
    turn = np.average(off[near], axis=0, weights=tolerance[near].min(axis=1) ** -2.0)
    pitch_deg = float(np.clip(pose.pitch_deg + turn[1], -90.0, 90.0))
    return pose._replace(yaw_deg=pose.yaw_deg + float(turn[0]), pitch_deg=pitch_deg)


def _bearings(points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return azimuths and elevations (N,), degrees, and level and slant distances (N,)."""
    level_m = np.hypot(points[:, 0], points[:, 1])
    azimuth = np.degrees(np.arctan2(points[:, 0], points[:, 1]))
    slant_m = np.hypot(level_m, points[:, 2])
    return azimuth, np.degrees(np.arctan2(points[:, 2], level_m)), level_m, slant_m


def pair(boxes: Boxes, pictures: int, fixes: Fixes, known: Known, belief: Belief) -> Pairs:
    """Choose the patrol's box in each picture.

    Args:
        boxes: People.
        pictures: How many there are, those without people included.
        fixes: Of the unit's receiver.
        known: What the device file says.
        belief: Where the camera is taken to look now.
    """
    camera, place = known.camera, known.pose
    track = track_at(fixes, boxes.at_s + belief.clock_s, place, known.ground)
    seen, spread = _expected(track, camera, place, belief)
    margin = _MARGIN_SHARE * np.array((camera.width_px, camera.height_px))
    size = np.array((camera.width_px, camera.height_px))
    inside = np.all((seen > -margin) & (seen < size + margin), axis=1)
    off = boxes.feet_px - seen[boxes.picture]
    whole = spread[boxes.picture] + np.eye(2) * boxes.sigma_px[:, None, None] ** 2
    far = np.einsum("ni,nij,nj->n", off, np.linalg.inv(whole), off)
    order = np.lexsort((far, boxes.picture))
    _, first = np.unique(boxes.picture[order], return_index=True)
    nearest = order[first]
    following = order[np.minimum(first + 1, len(order) - 1)]
    has_next = boxes.picture[following] == boxes.picture[nearest]
    has_next &= following != nearest
    ambiguous = has_next & (far[following] - far[nearest] < _CLEARLY)
    reasons = (
        (NO_POSITION, ~track.ok),
        (OUTSIDE, ~inside),
        (NOBODY_NEAR, ~(far[nearest] <= _GATE)),
        (AMBIGUOUS, ambiguous),
    )
    dropped, good = _sift(reasons, len(boxes.at_s))
    dropped[NOBODY] += pictures - len(boxes.at_s)
    return Pairs(
        at_s=boxes.at_s[good],
        feet_px=boxes.feet_px[nearest[good]],
        sigma_px=boxes.sigma_px[nearest[good]],
        track=track.at(good),
        dropped=dict(+dropped),
    )


def _expected(
    track: Track, camera: Camera, place: Pose, belief: Belief
) -> tuple[FloatArray, FloatArray]:
    """Return where the patrol should be seen (T, 2) and the covariance (T, 2, 2) of that, px²."""
    shift = np.zeros_like(track.points_enu_m)
    shift[:, :2], shift[:, 2] = -belief.gps_error_m, belief.ground_m
    points = np.where(track.ok[:, None], track.points_enu_m + shift, (0.0, 0.0, -1.0))
    seen, ahead, slopes = sight_lines(points, camera, place, belief.pose)
    covariance = np.zeros((len(points), 3, 3))
    level_m = np.hypot(belief.gps_share * track.gps_sigma_m, belief.place_m)
    covariance[:, 0, 0] = covariance[:, 1, 1] = level_m**2
    covariance[:, 2, 2] = belief.up_m**2
    step_m = track.velocity_mps * belief.clock_sigma_s
    covariance[:, :2, :2] += step_m[:, :, None] * step_m[:, None, :]
    covariance[~track.ok] = 0.0
    turn_px = camera.fx_px * np.radians(belief.turn_deg)
    spread = slopes @ covariance @ slopes.transpose(0, 2, 1) + np.eye(2) * turn_px**2
    return np.where(ahead[:, None], seen, _NOWHERE_PX), spread


def sight_lines(
    points_enu_m: FloatArray, camera: Camera, place: Pose, pose: Pose
) -> tuple[FloatArray, BoolArray, FloatArray]:
    """Project points (N, 3), in the axes of `place`, into the picture of `pose`.

    Returns:
        Pixels (N, 2), the mask (N,) of what is ahead, and pixels a metre (N, 2, 3) along the axes.
    """
    offsets = np.concatenate((np.zeros((1, 3)), np.eye(3) * _STEP_M, np.eye(3) * -_STEP_M))
    moved = (points_enu_m[None] + offsets[:, None]).reshape(-1, 3)
    world = pymap3d.enu2geodetic(*moved.T, place.lat, place.lon, place.alt_m)
    here = np.column_stack(pymap3d.geodetic2enu(*world, pose.lat, pose.lon, pose.alt_m))
    pixels, ahead = pixels_from_enu(here, camera, pose)
    pixels = pixels.reshape(len(offsets), -1, 2)
    slopes = (pixels[1:4] - pixels[4:]).transpose(1, 2, 0) / (2.0 * _STEP_M)
    everywhere: BoolArray = np.all(ahead.reshape(len(offsets), -1), axis=0)
    return pixels[0], everywhere, slopes


def _sift(
    reasons: tuple[tuple[str, BoolArray], ...], count: int
) -> tuple[Counter[str], BoolArray]:
    """Count what falls out for the first of its reasons; return the counts and what is left."""
    dropped: Counter[str] = Counter()
    left = np.ones(count, dtype=np.bool_)
    for reason, bad in reasons:
        dropped[reason] = int(np.count_nonzero(left & bad))
        left &= ~bad
    return dropped, left
