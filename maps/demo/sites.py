"""The three devices: where each is, what lens it has, how well it was surveyed, how it moves."""

from math import atan2, cos, degrees, hypot, pi, radians, sin
from typing import Final, NamedTuple

from edge.camera import Pose, PoseSigma
from maps.demo.landscape import GROUND_ALT_M, Point, latlon_of
from maps.demo.walkers import PERIOD_S

_FLIGHT_S: Final = 20.0
_LEAVES_S: Final = 75.0  # after a group began to come: by then it has crossed and gone
_MAST_M: Final = 17.0
_FLIGHT_HEIGHT_M: Final = 30.0
_STANDOFF_M: Final = 42.0
_BEARING_DEG: Final = 222.0  # from what it looks at to the drone: south-west
_SWAY_DEG: Final = 8.0
_SWAY_S: Final = 50.0
# Where the trails trail-1 and trail-3 meet the line.
_WATCHED: Final = (Point(-50.0, 2.7), Point(-10.0, -5.8))


class Site(NamedTuple):
    """One device of the demo world."""

    device_id: str
    kind: str  # as in device.toml
    focal_px: float
    stands: Point | None  # below the lens; None: it flies
    looks_at: Point
    sigma: PoseSigma
    ground_sigma_m: float
    image_size: int  # longer side of what the model sees, px
    seed: int  # of the draw of its true pose

    def pose(self, night_s: float) -> Pose:
        """Return the pose that its survey or, for a drone, its telemetry gives at this moment."""
        if self.stands is None:
            return _flown_pose(night_s)
        return _pose_looking(self.stands, _MAST_M, self.looks_at)


SURVEYED: Final = PoseSigma(position_m=0.2, alt_m=0.15, yaw_deg=0.1, pitch_deg=0.08, roll_deg=0.1)
RTK_AND_GIMBAL: Final = PoseSigma(
    position_m=0.3, alt_m=0.4, yaw_deg=0.4, pitch_deg=0.3, roll_deg=0.3
)
SITES: Final = (
    Site(
        "cam-01", "camera", 4200.0, Point(-58.5, -52.0), Point(-50.0, 2.7),
        SURVEYED, 0.15, 640, seed=11,
    ),
    Site(
        "cam-02", "camera", 4200.0, Point(40.0, -55.0), Point(48.5, -1.5),
        SURVEYED, 0.15, 640, seed=12,
    ),
    Site(
        "drone-01", "drone", 4500.0, None, _WATCHED[0],
        RTK_AND_GIMBAL, 0.15, 640, seed=13,
    ),
)  # fmt: skip


def _flown_pose(night_s: float) -> Pose:
    """The drone sways at one trail while its group comes, then flies to the other."""
    phase_s = night_s % (2.0 * PERIOD_S)
    there = _smooth((phase_s - _LEAVES_S) / _FLIGHT_S)
    back = _smooth((phase_s - _LEAVES_S - PERIOD_S) / _FLIGHT_S)
    share = there - back
    first, second = _WATCHED
    target = Point(
        first.east_m + share * (second.east_m - first.east_m),
        first.north_m + share * (second.north_m - first.north_m),
    )
    turn = 2.0 * pi * night_s / _SWAY_S
    bearing = radians(_BEARING_DEG + _SWAY_DEG * sin(turn))
    stands = Point(
        target.east_m + _STANDOFF_M * sin(bearing), target.north_m + _STANDOFF_M * cos(bearing)
    )
    return _pose_looking(stands, _FLIGHT_HEIGHT_M + 0.5 * sin(2.0 * turn), target)


def _pose_looking(stands: Point, height_m: float, target: Point) -> Pose:
    east_m, north_m = target.east_m - stands.east_m, target.north_m - stands.north_m
    lat, lon = latlon_of(stands.east_m, stands.north_m)
    return Pose(
        lat=lat,
        lon=lon,
        alt_m=GROUND_ALT_M + height_m,
        yaw_deg=degrees(atan2(east_m, north_m)) % 360.0,
        pitch_deg=-degrees(atan2(height_m, hypot(east_m, north_m))),
        roll_deg=0.0,
    )


def _smooth(share: float) -> float:
    """Ease from 0 to 1: no drone starts or stops at once."""
    within = min(max(share, 0.0), 1.0)
    return within * within * (3.0 - 2.0 * within)
