"""What a device would see: its true pose, and where each walker stands in its picture. Pure.

The device believes its nominal pose (its file, or a drone's telemetry); the world draws its
pictures from the true one, which is off by a draw from the error that the device declares: one
for good on a mast, a drifting one in the air. So the error that the demo prints is a real one.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from edge.camera import Camera, FloatArray, Pose, PoseSigma, pixels_from_enu
from edge.config import DeviceConfig
from edge.messages import RefusedError
from maps.demo.landscape import Point, points_from_lens
from maps.demo.sites import SITES, Site
from maps.demo.walkers import Walker, walkers_at

_METRES_PER_DEGREE: Final = 110_600.0  # of latitude, and of longitude this near to the equator
_DRIFT_PERIODS_S: Final = (31.0, 53.0, 89.0, 151.0)
_ASPECT: Final = 0.36  # of a person's picture: width over height
# Hidden from here on: the detector cannot be expected to find the person, or where it stands.
_HIDDEN: Final = 0.25


class Seen(NamedTuple):
    """One walker in the picture.

    Attributes:
        walker: Who.
        place: Where on the ground.
        contact_px: (u, v) of the point on the ground.
        top_px: (u, v) of the top of the head.
        px_per_m: Pixels per metre across the view, at the walker.
        distance_m: From the lens.
        hidden: The share of the person's box that nearer people cover, 0 to 1.
    """

    walker: Walker
    place: Point
    contact_px: tuple[float, float]
    top_px: tuple[float, float]
    px_per_m: float
    distance_m: float
    hidden: float

    @property
    def height_px(self) -> float:
        """From the ground to the top of the head."""
        return self.contact_px[1] - self.top_px[1]

    @property
    def box_px(self) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 of the person, roughly in width."""
        half = _ASPECT / 2.0 * self.px_per_m * self.walker.looks.height_m
        middle = (self.contact_px[0] + self.top_px[0]) / 2.0
        return (middle - half, self.top_px[1], middle + half, self.contact_px[1])

    def is_whole(self, camera: Camera) -> bool:
        """Tell whether head and feet are in the picture, and nobody stands before them."""
        x1, y1, x2, y2 = self.box_px
        inside = x1 >= 0 and y1 >= 0 and x2 < camera.width_px and y2 < camera.height_px - 2
        return inside and self.hidden < _HIDDEN


class Eye(NamedTuple):
    """One device in the world: what its file says, and where it really is."""

    config: DeviceConfig
    site: Site

    @classmethod
    def of(cls, config: DeviceConfig) -> "Eye":
        """Find the device's site.

        Raises:
            RefusedError: It is none of the demo world's devices.
        """
        sites = {site.device_id: site for site in SITES}
        site = sites.get(config.device_id)
        if site is None:
            msg = f"{config.path}: device.id {config.device_id!r} is none of {', '.join(sites)}"
            raise RefusedError(msg)
        return cls(config, site)

    def reported_pose(self, night_s: float) -> Pose | None:
        """Return the pose that comes with a picture; None: the one in its file holds."""
        return self.site.pose(night_s) if self.site.stands is None else None

    def true_pose(self, night_s: float) -> Pose:
        """Return where the device really is and looks."""
        believed = self.reported_pose(night_s) or self.config.pose
        if self.site.stands is None:
            draw = _drifting_draw(night_s, seed=self.site.seed)
        else:
            draw = np.random.default_rng(self.site.seed).standard_normal(6)
        return _off_by(believed, self.config.pose_sigma, draw)

    def seen(self, night_s: float, *, seed: int) -> list[Seen]:
        """Return who is at least partly in the picture, the farthest first."""
        people = walkers_at(night_s, seed=seed)
        return seen_from(people, self.config.camera, self.true_pose(night_s))


def _off_by(believed: Pose, sigma: PoseSigma, draw: FloatArray) -> Pose:
    """Return the pose with an error of so many sigmas (6,) in each of its parts."""
    return Pose(
        lat=believed.lat + float(draw[0]) * sigma.position_m / _METRES_PER_DEGREE,
        lon=believed.lon + float(draw[1]) * sigma.position_m / _METRES_PER_DEGREE,
        alt_m=believed.alt_m + float(draw[2]) * sigma.alt_m,
        yaw_deg=believed.yaw_deg + float(draw[3]) * sigma.yaw_deg,
        pitch_deg=believed.pitch_deg + float(draw[4]) * sigma.pitch_deg,
        roll_deg=believed.roll_deg + float(draw[5]) * sigma.roll_deg,
    )


def _drifting_draw(night_s: float, *, seed: int) -> FloatArray:
    """Return six errors in sigmas that wander slowly, each of variance 1 over the night.

    A sum of sines of periods without a common measure, close enough to normal.
    """
    phases = np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, (6, len(_DRIFT_PERIODS_S)))
    turns = 2.0 * np.pi * night_s / np.array(_DRIFT_PERIODS_S) + phases
    draw: FloatArray = np.sin(turns).sum(axis=1) * np.sqrt(2.0 / len(_DRIFT_PERIODS_S))
    return draw


def seen_from(people: Sequence[tuple[Walker, Point]], camera: Camera, pose: Pose) -> list[Seen]:
    """Return the walkers who are at least partly in the picture, the farthest first."""
    if not people:
        return []
    feet = [(place.east_m, place.north_m, 0.0) for _, place in people]
    heads = [
        (east, north, walker.looks.height_m)
        for (walker, _), (east, north, _) in zip(people, feet, strict=True)
    ]
    points = points_from_lens(np.array(feet + heads), pose)
    pixels, in_front = pixels_from_enu(points, camera, pose)
    distances_m = np.linalg.norm(points, axis=1)
    count = len(people)
    seen: list[Seen] = []
    for index in np.argsort(distances_m[:count]):
        if not (in_front[index] and in_front[index + count]):
            continue
        walker, place = people[index]
        one = Seen(
            walker,
            place,
            contact_px=(float(pixels[index, 0]), float(pixels[index, 1])),
            top_px=(float(pixels[index + count, 0]), float(pixels[index + count, 1])),
            px_per_m=camera.fx_px / float(distances_m[index]),
            distance_m=float(distances_m[index]),
            hidden=0.0,
        )
        x1, y1, x2, y2 = one.box_px
        if x2 < 0 or y2 < 0 or x1 >= camera.width_px or y1 >= camera.height_px:
            continue
        hidden = max((_covered(one.box_px, other.box_px) for other in seen), default=0.0)
        seen.append(one._replace(hidden=hidden))
    return seen[::-1]


def _covered(
    box: tuple[float, float, float, float], by: tuple[float, float, float, float]
) -> float:
    width = min(box[2], by[2]) - max(box[0], by[0])
    height = min(box[3], by[3]) - max(box[1], by[1])
    if width <= 0.0 or height <= 0.0:
        return 0.0
    return width * height / ((box[2] - box[0]) * (box[3] - box[1]))
