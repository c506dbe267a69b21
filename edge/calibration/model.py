"""What a camera at a guessed place should see of the landmarks, and how far off that is.

A guess is eight numbers: the lens' offset east, north, up (m) from the device file's place, in
that place's axes; a turn of the camera about its own axes (radians) from a starting attitude; the
logarithm of the focal length as a share of the device file's; and k1 less the device file's.
Which of them are free is the caller's choice.
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
    enu_from_camera,
    pixels_from_enu,
    rays_camera,
)

PARAMETERS: Final = ("east_m", "north_m", "up_m", "turn_x", "turn_y", "turn_z", "log_focal", "k1")
EAST, NORTH, UP, TURN_X, TURN_Y, TURN_Z, LOG_FOCAL, K1 = range(len(PARAMETERS))
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

    def state(self, free_values: FloatArray) -> FloatArray:
        """Return all eight numbers (8,) for the free ones."""
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

    def project(self, state: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return where the landmarks are seen (N, 2), and whether they are ahead (N,)."""
        from_lens = (self.points_enu_m - state[: UP + 1]) @ self.rotation(state)
        return pixels_from_enu(
            from_lens @ enu_from_camera(_AT_REST).T, self.camera_at(state), _AT_REST
        )

    def residuals(self, state: FloatArray) -> Residuals:
        """Compare a guess with what was measured and what the device file says."""
        seen, ahead = self.project(state)
        off = (seen - self.pixels) / self.sigma_px[:, None]
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
        if self.with_attitude_prior:
            off += list(self.attitude_pulls(state))
        return np.array(off)

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
) -> Model:
    """Set up a fit; a place whose sigma is 0 stays fixed."""
    east, north, up = pymap3d.geodetic2enu(
        landmarks.lat, landmarks.lon, landmarks.alt_m, pose.lat, pose.lon, pose.alt_m
    )
    free = [TURN_X, TURN_Y, TURN_Z]
    free += [EAST, NORTH] if sigma.position_m > 0.0 else []
    free += [UP] if sigma.alt_m > 0.0 else []
    free += [LOG_FOCAL] if with_focal else []
    free += [K1] if with_k1 else []
    return Model(
        camera=camera,
        pose=pose,
        sigma=sigma,
        points_enu_m=np.column_stack((east, north, up)),
        pixels=landmarks.pixels,
        sigma_px=landmarks.sigma_px,
        horizon=landmarks.horizon,
        horizon_sigma_px=landmarks.horizon_sigma_px,
        ground_up_m=float(np.median(landmarks.alt_m)) - pose.alt_m,
        free=tuple(sorted(free)),
        with_attitude_prior=False,
        start=enu_from_camera(pose),
    )


def angles_deg(enu_from_camera_axes: FloatArray) -> tuple[float, float, float]:
    """Return yaw, pitch, roll of a rotation (3, 3); the inverse of `camera.enu_from_camera`."""
    right, down, ahead = enu_from_camera_axes.T
    yaw = np.degrees(np.arctan2(ahead[0], ahead[1]))
    pitch = np.degrees(np.arcsin(np.clip(ahead[2], -1.0, 1.0)))
    roll = np.degrees(np.arctan2(-right[2], -down[2]))
    return float(yaw), float(pitch), float(roll)


def _ecef_from_enu(lat: float, lon: float) -> FloatArray:
    """Return the rotation (3, 3) from east, north, up at a place to Earth-centred axes."""
    columns = [pymap3d.enu2uvw(*axis, lat, lon) for axis in np.eye(3)]
    return np.array(columns, dtype=np.float64).T
