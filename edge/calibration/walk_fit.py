"""A device learns its own bias from a patrol that walks through its view with a receiver.

Told apart, paired, thinned, fitted by the same robust fit as landmarks; then once more with what
that taught, because a better camera tells the patrol from others better. What the points of a walk
have in common (the receiver's slow error, the ground's height, the clock) is fitted with them,
each with its prior, so that no number of pictures averages it away.
"""

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import pymap3d

from edge.calibration.fit import (
    NAMES,
    Calibration,
    calibration_of,
    contradictions_of,
    refuse_ill_conditioned,
    scaled_to_residuals,
    surprises,
    with_attitude_prior,
)
from edge.calibration.landmarks import Landmarks
from edge.calibration.model import (
    CLOCK,
    GPS_EAST,
    GPS_NORTH,
    GROUND,
    Walked,
    model_of,
)
from edge.calibration.pairing import Belief, Pairs, boxes_of, pair, sight_lines, vote
from edge.calibration.recording import Recording
from edge.calibration.refusals import LEAST_FOR_FOCAL, CalibrationError, refuse_wrong_places
from edge.calibration.robust import agree
from edge.calibration.start import Guess
from edge.calibration.walk import WANDER_SHARE, Known, Track, good_fixes, track_at, wander_sigma_m
from edge.calibration.walk_refusals import (
    refuse_unlearnt,
    refuse_unwalked,
    refuse_walk_apart,
    refuse_walk_elsewhere,
    refuse_walk_on_a_spot,
)
from edge.camera import BoolArray, FloatArray, enu_from_camera
from edge.ground import Ground
from edge.messages import UtcTime

# Two points nearer in time or place than this say the same.
APART_S: Final = 10.0
APART_M: Final = 2.0
MOST_POINTS: Final = 120
# One sigma of what a device's clock and a receiver's differ by.
CLOCK_SIGMA_S: Final = 1.0
_LOOSE: Final = 10.0  # times the device file's sigmas, while they are held against the walk
_LEAST_LOOSE_DEG: Final = 10.0
_VOTED_DEG: Final = 0.7
_FITTED_DEG: Final = 0.3
_SURPRISING: Final = 3.0
# After a first fit, of what was open before.
_LEFT_OPEN: Final = 0.5
_CLOCK_LEFT_S: Final = 0.3
_PLACE_LEFT_M: Final = 0.3


class Lesson(NamedTuple):
    """What a walk taught."""

    done: Calibration  # its landmarks are the surveyed ones, then the walk's points
    walk: BoolArray  # (N,) which of those are the walk's
    pictures: int
    paired: int  # pictures in which one box was the patrol
    dropped: dict[str, int]  # the others, by reason
    clock_s: float
    clock_sigma_s: float

    @property
    def points(self) -> int:
        """How many well separated points the walk came to."""
        return int(np.count_nonzero(self.walk))

    def fitted_ground(self, ground: Ground) -> Ground:
        """Return flat ground as the walk found it, with the error of that.

        And with what the ground is up and down from place to place, which no walk takes away:
        the fit itself counts with it (`WANDER_SHARE`).
        """
        names, row = self.done.names, NAMES[GROUND]
        if row not in names:
            return ground
        place = names.index(row)
        sigma_m = float(np.sqrt(self.done.covariance[place, place]))
        uneven_m = WANDER_SHARE * ground.sigma_m
        return Ground(
            ground.alt_m + float(self.done.state[GROUND]), float(np.hypot(sigma_m, uneven_m))
        )


def learn(
    known: Known,
    recording: Recording,
    landmarks: Landmarks | None = None,
    *,
    with_focal: bool | None = None,
    survey_sigma_m: float = 0.0,
) -> Lesson:
    """Fit a device's pose to a walk, and to surveyed landmarks if there are any.

    Args:
        known: What the device file says; all of it is prior knowledge by its sigmas.
        recording: The pictures and the patrol's positions.
        landmarks: Surveyed ones, beside the walk.
        with_focal: Fit the focal length; None: from 6 surveyed landmarks on.
        survey_sigma_m: One sigma along each axis of what all landmarks are off alike.

    Raises:
        CalibrationError: The walk teaches nothing that could be trusted.
    """
    surveyed = 0 if landmarks is None else len(landmarks.names)
    focal = surveyed >= LEAST_FOR_FOCAL if with_focal is None else with_focal
    if focal and surveyed < LEAST_FOR_FOCAL:
        msg = (
            f"{surveyed} surveyed landmarks beside the walk are too few: a focal length needs at "
            f"least {LEAST_FOR_FOCAL}"
        )
        raise CalibrationError(msg)
    fixes = good_fixes(recording.fixes)
    boxes = boxes_of(recording.sightings)
    refuse_walk_apart(fixes, boxes.at_s, recording)
    track = track_at(fixes, boxes.at_s, known.pose, known.ground)
    sigma, ground_sigma_m = known.sigma, known.ground.sigma_m
    open_m = float(
        np.sqrt(
            np.median(track.gps_sigma_m) ** 2
            + max(sigma.position_m, sigma.alt_m) ** 2
            + ground_sigma_m**2
            + (CLOCK_SIGMA_S * np.median(np.linalg.norm(track.velocity_mps, axis=1))) ** 2
        )
    )
    turned = vote(boxes, track, known, open_m=open_m)
    belief = Belief(
        pose=turned or known.pose,
        clock_s=0.0,
        gps_error_m=np.zeros(2),
        ground_m=0.0,
        gps_share=1.0,
        place_m=sigma.position_m,
        up_m=float(np.hypot(sigma.alt_m, ground_sigma_m)),
        turn_deg=_VOTED_DEG,
        clock_sigma_s=CLOCK_SIGMA_S,
    )
    pictures = len(recording.sightings)

    def paired(held: Belief) -> Pairs:
        return pair(boxes, pictures, fixes, known, held)

    surveys = _Survey(landmarks, survey_sigma_m if surveyed else 0.0)
    first = _fit(known, paired(belief), belief, surveys, with_focal=focal)
    belief = _taught(belief, first)
    pairs = paired(belief)
    done = _fit(known, pairs, belief, surveys, with_focal=focal)
    refuse_ill_conditioned(done)
    refuse_unlearnt(done.sigma, known.sigma)
    walked = done.agreement.model.walked
    if walked is None:
        msg = "a fit to a walk has lost its walk"
        raise AssertionError(msg)
    spread = dict(zip(done.names, np.sqrt(np.diag(done.covariance)), strict=True))
    return Lesson(
        done=done,
        walk=walked.share > 0.0,
        pictures=pictures,
        paired=len(pairs.at_s),
        dropped=pairs.dropped,
        clock_s=float(done.state[CLOCK]) + walked.clock_s,
        clock_sigma_s=float(spread[NAMES[CLOCK]]),
    )


def _taught(belief: Belief, done: Calibration) -> Belief:
    """Return what is held true after a fit."""
    state = done.state
    return Belief(
        pose=done.pose,
        clock_s=belief.clock_s + float(state[CLOCK]),
        gps_error_m=state[GPS_EAST : GPS_NORTH + 1],
        ground_m=float(state[GROUND]),
        gps_share=_LEFT_OPEN,
        place_m=_PLACE_LEFT_M,
        up_m=_LEFT_OPEN * belief.up_m,
        turn_deg=_FITTED_DEG,
        clock_sigma_s=_CLOCK_LEFT_S,
    )


class _Survey(NamedTuple):
    landmarks: Landmarks | None
    sigma_m: float  # of what all of them are off alike


def _fit(
    known: Known, pairs: Pairs, belief: Belief, survey: _Survey, *, with_focal: bool
) -> Calibration:
    """Fit to the pairs, thinned, and the surveyed landmarks; the device file counts by its sigmas.

    Raises:
        CalibrationError: They are too few or contradict one another.
    """
    kept = _thinned(pairs)
    refuse_unwalked(len(kept), pairs.dropped)
    refuse_walk_on_a_spot(pairs.feet_px[kept], known.camera)
    merged, walked = _merged(known, pairs, kept, belief, survey.landmarks)
    model = model_of(
        known.camera,
        known.pose,
        known.sigma,
        merged,
        with_focal=with_focal,
        with_k1=False,
        walked=walked,
        survey_sigma_m=survey.sigma_m,
    )
    refuse_wrong_places(model, merged.names)
    offset = pymap3d.geodetic2enu(*belief.pose[:3], *known.pose[:3])
    guess = Guess(enu_from_camera(belief.pose), np.array(offset, dtype=np.float64))
    loose = known.sigma._replace(
        **{
            name: max(_LOOSE * getattr(known.sigma, name), _LEAST_LOOSE_DEG)
            for name in ("yaw_deg", "pitch_deg", "roll_deg")
        }
    )
    found = agree(replace(model, sigma=loose, with_attitude_prior=True), [guess])
    if found is None:
        msg = "no camera follows from this walk"
        raise CalibrationError(msg)
    refuse_walk_elsewhere(found, merged)
    found = scaled_to_residuals(found)
    strict = found._replace(model=replace(found.model, sigma=known.sigma))
    warnings = []
    contradictions = contradictions_of(strict)
    if contradictions:
        warnings.append(
            "the camera was moved, or the pose in the device file is wrong (its angles were not "
            "used): " + ", ".join(contradictions).replace("the landmarks", "the walk")
        )
    else:
        found = with_attitude_prior(strict)
    warnings += surprises(found) + _clock_surprise(found.model.state(found.minimum.values), walked)
    return calibration_of(found, merged, warnings)


def _clock_surprise(state: FloatArray, walked: Walked) -> list[str]:
    clock_s = float(state[CLOCK]) + walked.clock_s
    if abs(clock_s) <= _SURPRISING * walked.clock_sigma_s:
        return []
    word = "behind" if clock_s > 0.0 else "ahead of"
    return [f"the device's clock is {abs(clock_s):.1f} s {word} the receiver's: set it"]


def _thinned(pairs: Pairs) -> list[int]:
    """Choose pairs that are apart in time and place, in order of time."""
    kept: list[int] = []
    for row in range(len(pairs.at_s)):
        if kept:
            before = kept[-1]
            moved = pairs.track.points_enu_m[row, :2] - pairs.track.points_enu_m[before, :2]
            late = pairs.at_s[row] - pairs.at_s[before] >= APART_S
            if not late or np.hypot(*moved) < APART_M:
                continue
        kept.append(row)
    if len(kept) <= MOST_POINTS:
        return kept
    chosen = np.unique(np.linspace(0, len(kept) - 1, MOST_POINTS).round().astype(int))
    return [kept[index] for index in chosen]


def _merged(
    known: Known, pairs: Pairs, kept: list[int], belief: Belief, landmarks: Landmarks | None
) -> tuple[Landmarks, Walked]:
    """Return surveyed landmarks followed by the walk's points, and how these differ."""
    track = pairs.track.at(np.array(kept, dtype=np.intp))
    at_s, sigma_px = pairs.at_s[kept], pairs.sigma_px[kept]
    spread_px = _point_spread(known, track, at_s, sigma_px, belief)
    size_px = np.linalg.det(spread_px) ** 0.25
    values, axes = np.linalg.eigh(spread_px)
    whitening = (axes / np.sqrt(values)[:, None, :]) @ axes.transpose(0, 2, 1)
    points = Landmarks(
        pixels=pairs.feet_px[kept],
        lat=track.lat,
        lon=track.lon,
        alt_m=track.alt_m,
        sigma_px=size_px,
        names=tuple(UtcTime.from_epoch_s(float(moment)).rfc3339() for moment in at_s),
        horizon=np.empty((0, 2)),
        horizon_sigma_px=np.empty(0),
        horizon_names=(),
    )
    share = np.ones(len(kept))
    velocity = track.velocity_mps
    whitening = whitening * size_px[:, None, None]
    if landmarks is not None:
        count = len(landmarks.names)
        share = np.concatenate((np.zeros(count), share))
        velocity = np.concatenate((np.zeros((count, 2)), velocity))
        whitening = np.concatenate((np.tile(np.eye(2), (count, 1, 1)), whitening))
        points = landmarks._replace(
            pixels=np.concatenate((landmarks.pixels, points.pixels)),
            lat=np.concatenate((landmarks.lat, points.lat)),
            lon=np.concatenate((landmarks.lon, points.lon)),
            alt_m=np.concatenate((landmarks.alt_m, points.alt_m)),
            sigma_px=np.concatenate((landmarks.sigma_px, points.sigma_px)),
            names=(*landmarks.names, *points.names),
            sigma_m=np.concatenate((landmarks.own_sigma_m, np.zeros(len(points.names)))),
        )
    return points, Walked(
        share=share,
        velocity_mps=velocity,
        whitening=whitening,
        clock_s=belief.clock_s,
        gps_sigma_m=float(np.sqrt(np.mean(track.gps_sigma_m**2))),
        ground_sigma_m=known.ground.sigma_m,
        clock_sigma_s=CLOCK_SIGMA_S,
    )


def _point_spread(
    known: Known, track: Track, at_s: FloatArray, sigma_px: FloatArray, belief: Belief
) -> FloatArray:
    """Return the covariance (N, 2, 2), px², of what differs from point to point of a walk."""
    _, _, slopes = sight_lines(track.points_enu_m, known.camera, known.pose, belief.pose)
    level_m = wander_sigma_m(at_s, track.gps_sigma_m)
    up_m = np.full(len(at_s), WANDER_SHARE * known.ground.sigma_m)
    variances = np.column_stack((level_m, level_m, up_m)) ** 2
    on_ground = slopes @ (variances[:, :, None] * slopes.transpose(0, 2, 1))
    spread: FloatArray = on_ground + np.eye(2) * sigma_px[:, None, None] ** 2
    return spread
