"""What a camera at a guessed place should see of the landmarks, and how far off that is.

A guess is fifteen numbers: the lens' offset east, north, up (m) from the device file's place, in
that place's axes; a turn of the camera about its own axes (radians) from a starting attitude; the
logarithm of the focal length as a share of the device file's; k1 less the device file's; and four
that all points of a walk share: its receiver's error east and north (m), the ground's height less
the file's (m), and what the device's clock is behind the receiver's (s); and three that all
surveyed landmarks share: what their receiver was off on that day, east, north, up (m). Which of
them are free is the caller's choice.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
import pymap3d

from edge.calibration.landmarks import Landmarks
from edge.camera import (
    BoolArray,
    Camera,
    FloatArray,
    Pose,
    PoseSigma,
    angles_deg,
    enu_from_camera,
    pixels_from_enu,
    rays_camera,
)

PARAMETERS: Final = (
    *("east_m", "north_m", "up_m", "turn_x", "turn_y", "turn_z", "log_focal", "k1"),
    *("gps_east_m", "gps_north_m", "ground_m", "clock_s"),
    *("survey_east_m", "survey_north_m", "survey_up_m"),
)
EAST, NORTH, UP, TURN_X, TURN_Y, TURN_Z, LOG_FOCAL, K1 = range(8)
GPS_EAST, GPS_NORTH, GROUND, CLOCK = range(8, 12)
SURVEY_EAST, SURVEY_NORTH, SURVEY_UP = range(12, 15)
# Behind the lens there is no pixel: so many sigmas off stand for "not there".
UNSEEN_SIGMAS: Final = 1e4
# One sigma of what a device file says of its lens, as the start of a fit.
LOG_FOCAL_SIGMA: Final = 0.05
K1_SIGMA: Final = 0.5
# A survey that calls an angle exact still read it off something.
_LEAST_ANGLE_DEG: Final = 0.01

_EARTH_M: Final = 6_371_000.0
_REFRACTION: Final = 0.13
# Projects points that are given in the camera's own axes.
_AT_REST: Final = Pose(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


class Residuals(NamedTuple):
    """How far off a guess is, in sigmas."""

    landmarks: FloatArray  # (N, 2) seen less measured
    horizon: FloatArray  # (H,) above the horizon is positive
    prior: FloatArray  # (P,) the guess less the device file


class Walked(NamedTuple):
    """What sets the landmarks of a walk apart from surveyed ones, which count as 0 and 1 here."""

    share: FloatArray  # (N,) 1 for a point of the walk, 0 for a surveyed landmark
    velocity_mps: FloatArray  # (N, 2) of the walker, east and north
    whitening: FloatArray  # (N, 2, 2) from pixels off to as many sigma_px off
    clock_s: float  # the device's clock was taken to be so much behind
    gps_sigma_m: float  # of the shared error along each axis
    ground_sigma_m: float
    clock_sigma_s: float

    def of(self, rows: BoolArray) -> "Walked":
        """Return only some of the landmarks."""
        return self._replace(
            share=self.share[rows],
            velocity_mps=self.velocity_mps[rows],
            whitening=self.whitening[rows],
        )


@dataclass(frozen=True)
class Model:
    """One picture's landmarks and the device file's prior knowledge."""

    camera: Camera
    pose: Pose  # of the device file
    sigma: PoseSigma  # of the device file
    points_enu_m: FloatArray  # (N, 3) landmarks from the device file's place
    pixels: FloatArray  # (N, 2)
    sigma_px: FloatArray  # (N,)
    horizon: FloatArray  # (H, 2)
    horizon_sigma_px: FloatArray  # (H,)
    ground_up_m: float  # height of the landmarks' middle above the device file's place
    free: tuple[int, ...]  # indices into PARAMETERS
    with_attitude_prior: bool
    start: FloatArray  # (3, 3) the attitude that turns start from, east-north-up of camera
    walked: Walked | None = None
    survey_sigma_m: float = 0.0  # along each axis, of what all surveyed landmarks are off alike

    def state(self, free_values: FloatArray) -> FloatArray:
        """Return all fifteen numbers (15,) for the free ones."""
        state = np.zeros(len(PARAMETERS))
        state[list(self.free)] = free_values
        return state

    def rotation(self, state: FloatArray) -> FloatArray:
        """Return the rotation (3, 3) from the camera frame to the axes of the device's place."""
        turn, _ = cv2.Rodrigues(state[TURN_X : TURN_Z + 1])
        rotation: FloatArray = self.start @ np.asarray(turn, dtype=np.float64)
        return rotation

    def camera_at(self, state: FloatArray) -> Camera:
        """Return the camera of a guess."""
        if state[LOG_FOCAL] == 0.0 and state[K1] == 0.0:
            return self.camera
        share = float(np.exp(state[LOG_FOCAL]))
        camera = self.camera._replace(
            fx_px=self.camera.fx_px * share, fy_px=self.camera.fy_px * share
        )
        if state[K1] == 0.0:
            return camera
        k1, *rest = camera.distortion or (0.0, 0.0, 0.0, 0.0)
        return camera._replace(
            model=camera.model or "brown", distortion=(k1 + float(state[K1]), *rest)
        )

    def pose_at(self, state: FloatArray) -> Pose:
        """Return the pose of a guess; its angles are about the vertical at the guessed place."""
        place = self.pose
        lat, lon, alt_m = (
            float(part)
            for part in pymap3d.enu2geodetic(*state[: UP + 1], place.lat, place.lon, place.alt_m)
        )
        here_from_ecef = _ecef_from_enu(lat, lon).T
        here_from_start = here_from_ecef @ _ecef_from_enu(place.lat, place.lon)
        return Pose(lat, lon, alt_m, *angles_deg(here_from_start @ self.rotation(state)))

    def points_at(self, state: FloatArray) -> FloatArray:
        """Return where the landmarks are (N, 3), what they share put right."""
        walked, survey_m = self.walked, state[SURVEY_EAST : SURVEY_UP + 1]
        if walked is None:
            surveyed: FloatArray = self.points_enu_m - survey_m
            return surveyed
        moved = np.zeros_like(self.points_enu_m)
        moved[:, :2] = walked.velocity_mps * state[CLOCK] - state[GPS_EAST : GPS_NORTH + 1]
        moved[:, 2] = state[GROUND]
        share = walked.share[:, None]
        points: FloatArray = self.points_enu_m + share * moved - (1.0 - share) * survey_m
        return points

    def project(self, state: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return where the landmarks are seen (N, 2), and whether they are ahead (N,)."""
        from_lens = (self.points_at(state) - state[: UP + 1]) @ self.rotation(state)
        return pixels_from_enu(
            from_lens @ enu_from_camera(_AT_REST).T, self.camera_at(state), _AT_REST
        )

    def residuals(self, state: FloatArray) -> Residuals:
        """Compare a guess with what was measured and what the device file says."""
        seen, ahead = self.project(state)
        off = (seen - self.pixels) / self.sigma_px[:, None]
        if self.walked is not None:
            off = np.einsum("nij,nj->ni", self.walked.whitening, off)
        off[~ahead] = UNSEEN_SIGMAS
        return Residuals(off, self._above_horizon(state), self._from_prior(state))

    def _above_horizon(self, state: FloatArray) -> FloatArray:
        """Return how far (H,) the horizon's pixels lie above the skyline of a level Earth.

        The skyline lies sqrt(2 h (1 - k) / R) below the level, k for refraction (DOMAIN.md 4.1).
        """
        if len(self.horizon) == 0:
            return np.empty(0)
        height_m = max(state[UP] - self.ground_up_m, 0.0)
        dip = np.sqrt(2.0 * height_m * (1.0 - _REFRACTION) / _EARTH_M)
        steps = np.array([(0.0, 0.0), (0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5)])
        pixels = (self.horizon + steps[:, None, :]).reshape(-1, 2)
        up = self.rotation(state)[2]
        rays = rays_camera(pixels, self.camera_at(state))
        rise = np.arcsin(np.clip(rays @ up, -1.0, 1.0)).reshape(len(steps), -1)
        per_px = np.hypot(rise[1] - rise[2], rise[3] - rise[4])
        above: FloatArray = (rise[0] + dip) / np.maximum(per_px, 1e-9) / self.horizon_sigma_px
        above[~np.isfinite(above)] = UNSEEN_SIGMAS  # beyond what a guessed k1 describes
        return above

    def _from_prior(self, state: FloatArray) -> FloatArray:
        sigma = self.sigma
        wanted = [
            (EAST, sigma.position_m),
            (NORTH, sigma.position_m),
            (UP, sigma.alt_m),
            (LOG_FOCAL, LOG_FOCAL_SIGMA),
            (K1, K1_SIGMA),
        ]
        off = [state[index] / one_sigma for index, one_sigma in wanted if index in self.free]
        off += [
            state[index] / self.survey_sigma_m
            for index in (SURVEY_EAST, SURVEY_NORTH, SURVEY_UP)
            if index in self.free
        ]
        if self.walked is not None:
            off += self._from_walk(self.walked, state)
        if self.with_attitude_prior:
            off += list(self.attitude_pulls(state))
        return np.array(off)

    def _from_walk(self, walked: Walked, state: FloatArray) -> list[float]:
        told = (
            (GPS_EAST, state[GPS_EAST], walked.gps_sigma_m),
            (GPS_NORTH, state[GPS_NORTH], walked.gps_sigma_m),
            (GROUND, state[GROUND], walked.ground_sigma_m),
            (CLOCK, state[CLOCK] + walked.clock_s, walked.clock_sigma_s),
        )
        return [value / one_sigma for index, value, one_sigma in told if index in self.free]

    def attitude_pulls(self, state: FloatArray) -> FloatArray:
        """Return yaw, pitch and roll (3,) less the device file's, in its sigmas."""
        angles = np.array(angles_deg(self.rotation(state)))
        off = (angles - np.array(self.pose[3:]) + 180.0) % 360.0 - 180.0
        pulls: FloatArray = off / np.maximum(np.array(self.sigma[2:]), _LEAST_ANGLE_DEG)
        return pulls


def model_of(  # noqa: PLR0913 - all that is known before the fit
    camera: Camera,
    pose: Pose,
    sigma: PoseSigma,
    landmarks: Landmarks,
    *,
    with_focal: bool,
    with_k1: bool,
    walked: Walked | None = None,
    survey_sigma_m: float = 0.0,
) -> Model:
    """Set up a fit; what has a sigma of 0 stays fixed."""
    east, north, up = pymap3d.geodetic2enu(
        landmarks.lat, landmarks.lon, landmarks.alt_m, pose.lat, pose.lon, pose.alt_m
    )
    free = [TURN_X, TURN_Y, TURN_Z]
    free += [EAST, NORTH] if sigma.position_m > 0.0 else []
    free += [UP] if sigma.alt_m > 0.0 else []
    free += [LOG_FOCAL] if with_focal else []
    free += [K1] if with_k1 else []
    if walked is not None:
        free += [GPS_EAST, GPS_NORTH, CLOCK]
        free += [GROUND] if walked.ground_sigma_m > 0.0 else []
    free += [SURVEY_EAST, SURVEY_NORTH, SURVEY_UP] if survey_sigma_m > 0.0 else []
    points_enu_m = np.column_stack((east, north, up))
    # As if all of it went across the view: along it, the picture would show less.
    away_m = np.maximum(np.linalg.norm(points_enu_m, axis=1), 1.0)
    own_px = landmarks.own_sigma_m * (max(camera.fx_px, camera.fy_px) / away_m)
    return Model(
        camera=camera,
        pose=pose,
        sigma=sigma,
        points_enu_m=points_enu_m,
        pixels=landmarks.pixels,
        sigma_px=np.hypot(landmarks.sigma_px, own_px),
        horizon=landmarks.horizon,
        horizon_sigma_px=landmarks.horizon_sigma_px,
        ground_up_m=float(np.median(landmarks.alt_m)) - pose.alt_m,
        free=tuple(sorted(free)),
        with_attitude_prior=False,
        start=enu_from_camera(pose),
        walked=walked,
        survey_sigma_m=survey_sigma_m,
    )


def _ecef_from_enu(lat: float, lon: float) -> FloatArray:
    """Return the rotation (3, 3) from east, north, up at a place to Earth-centred axes."""
    columns = [pymap3d.enu2uvw(*axis, lat, lon) for axis in np.eye(3)]
    return np.array(columns, dtype=np.float64).T
