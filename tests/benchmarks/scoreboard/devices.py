"""Cameras on masts and drones: what they can see, and how far off they place it on the ground.

        lens  o                     r  distance on the ground       s² = r² + h²
              |\\  depression        along the ray: (s²/h) sd(pitch, pixel) and (r/h) sd(height)
            h | \\                  across it:     r sd(yaw) and s sd(pixel)
              |__\\ x
                r

The laws of DOMAIN.md 4.3 for flat ground. A device's own yaw, pitch, height and position are off
by the same amounts in all its pictures (`cov_bias_m2`); pixels and gait are off anew in each.
"""

from typing import Final, NamedTuple

import numpy as np

from tests.benchmarks.scoreboard.sector import FloatArray

_GAIT_M: Final = 0.15  # where the feet are, and where the body is
_LOWEST_DEG: Final = 1.5  # of depression: flatter rays are not placed


class Sigma(NamedTuple):
    """How far off a device may be, one sigma each, as it declares."""

    yaw_deg: float = 0.4
    pitch_deg: float = 0.1
    height_m: float = 0.15  # of the lens above the ground that it looks at
    position_m: float = 0.3
    pixel_deg: float = 0.06  # white: 2 px at f = 2,000 px


class Bias(NamedTuple):
    """How far off a device is, all the time."""

    yaw_deg: float
    pitch_deg: float
    height_m: float
    east_m: float
    north_m: float


class Eye(NamedTuple):
    """A camera, on a mast or in the air."""

    name: str
    kind: str  # camera | drone
    times_s: FloatArray  # (N,) of its way; one for a mast
    stand_m: FloatArray  # (N, 2) where it says it is
    height_m: float
    aim_m: tuple[float, float]  # the point that the middle of its picture shows
    hfov_deg: float
    range_m: float
    fps: float
    sigma: Sigma
    bias: Bias

    def stands(self, times_s: FloatArray) -> FloatArray:
        """Return where it says it is (N, 2)."""
        columns = [np.interp(times_s, self.times_s, self.stand_m[:, axis]) for axis in (0, 1)]
        return np.column_stack(columns)

    def bearing_deg(self, xy_m: FloatArray, times_s: FloatArray) -> FloatArray:
        """Return how far points (..., N, 2) lie to the right of the middle of the picture."""
        stand_m = self.stands(times_s)
        ahead = np.array(self.aim_m) - stand_m
        yaw_deg = np.degrees(np.arctan2(ahead[:, 0], ahead[:, 1]))
        way = xy_m - stand_m
        azimuth_deg = np.degrees(np.arctan2(way[..., 0], way[..., 1]))
        return np.asarray((azimuth_deg - yaw_deg + 180.0) % 360.0 - 180.0)

    def covers(self, xy_m: FloatArray, times_s: FloatArray) -> np.ndarray:
        """Tell which points (..., N, 2) at N times lie in its view, nothing hiding them."""
        way = xy_m - self.stands(times_s)
        range_m = np.hypot(way[..., 0], way[..., 1])
        inside = np.abs(self.bearing_deg(xy_m, times_s)) <= 0.5 * self.hfov_deg
        return np.asarray(inside & (range_m <= self.range_m) & (range_m >= 0.8 * self.height_m))


class Placed(NamedTuple):
    """Where a device places what it sees; covariances `(xx, xy, yy)`, last axis."""

    xy_m: FloatArray  # (..., N, 2); nan at and above the horizon
    cov_m2: FloatArray  # (..., N, 3)
    cov_bias_m2: FloatArray  # (..., N, 3)
    grazing: np.ndarray  # (..., N)


def placed(chance: np.random.Generator, eye: Eye, xy_m: FloatArray, times_s: FloatArray) -> Placed:
    """Place true points (..., N, 2), seen at N times, as this device would."""
    stand_m = eye.stands(times_s)
    way = xy_m - stand_m - np.array([eye.bias.east_m, eye.bias.north_m])
    way = way + chance.normal(0.0, _GAIT_M, way.shape)
    range_m = np.hypot(way[..., 0], way[..., 1])
    shape = range_m.shape
    azimuth = np.arctan2(way[..., 0], way[..., 1])
    azimuth += np.radians(eye.bias.yaw_deg)
    depression = np.arctan2(eye.height_m + eye.bias.height_m, range_m)
    depression += np.radians(eye.bias.pitch_deg)
    # A pixel to the side turns a ray about its own normal: more azimuth the steeper it looks.
    pixel = np.radians(eye.sigma.pixel_deg)
    azimuth += chance.normal(0.0, pixel, shape) / np.cos(depression)
    depression += chance.normal(0.0, pixel, shape)
    low = depression < np.radians(_LOWEST_DEG)
    range_m = eye.height_m / np.tan(np.where(low, np.nan, depression))
    ray = np.stack((np.sin(azimuth), np.cos(azimuth)), axis=-1)
    shared, white = _variances(eye, range_m)
    grazing = np.asarray(depression < np.radians(10.0))
    return Placed(
        stand_m + range_m[..., None] * ray,
        _turned(shared + white, ray),
        _turned(shared, ray),
        grazing,
    )


def _variances(eye: Eye, range_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the shared and the white variances (..., 2), along the ray and across it."""
    sigma, height_m = eye.sigma, eye.height_m
    slant2 = range_m**2 + height_m**2
    stretch = slant2 / height_m
    shared_along = (stretch * np.radians(sigma.pitch_deg)) ** 2
    shared_along = shared_along + (range_m / height_m * sigma.height_m) ** 2
    shared_across = (range_m * np.radians(sigma.yaw_deg)) ** 2
    pixel = np.radians(sigma.pixel_deg)
    shared = np.stack((shared_along, shared_across), axis=-1) + sigma.position_m**2
    white = np.stack(((stretch * pixel) ** 2, slant2 * pixel**2), axis=-1) + _GAIT_M**2
    return shared, white


def _turned(variances: FloatArray, ray: FloatArray) -> FloatArray:
    """Turn variances along and across rays (..., 2) into `(xx, xy, yy)`, last axis."""
    along, across = variances[..., 0], variances[..., 1]
    x, y = ray[..., 0], ray[..., 1]
    return np.stack(
        (along * x**2 + across * y**2, (along - across) * x * y, along * y**2 + across * x**2),
        axis=-1,
    )


def drawn_bias(chance: np.random.Generator, sigma: Sigma) -> Bias:
    """Draw how far off a device is from what it declares."""
    spread = (sigma.yaw_deg, sigma.pitch_deg, sigma.height_m, sigma.position_m, sigma.position_m)
    return Bias(*(float(one) for one in chance.normal(0.0, spread)))


def masts(chance: np.random.Generator, count: int, *, reach_m: float) -> list[Eye]:
    """Put cameras around the middle of the sector, so that two or three see most places."""
    eyes = []
    for number in range(count):
        angle = 2.0 * np.pi * (number + chance.uniform(-0.25, 0.25)) / count
        stand = np.array([150.0 * np.sin(angle), -50.0 + 110.0 * np.cos(angle)])
        aim = (float(chance.uniform(-60, 60)), float(-45.0 + chance.uniform(-40, 40)))
        height_m = float(chance.uniform(6.0, 15.0))
        sigma = Sigma(yaw_deg=float(chance.uniform(0.2, 0.6)))
        # As far as its height lets it place anyone within some 10 m
        range_m = float(min(reach_m, 12.0 * height_m + 50.0))
        eyes.append(
            Eye(
                f"cam-{number + 1:02d}", "camera", np.zeros(1), stand[None, :], height_m, aim,
                float(chance.uniform(42.0, 62.0)), range_m, float(chance.uniform(1.5, 2.5)),
                sigma, drawn_bias(chance, sigma),
            )
        )  # fmt: skip
    return eyes


def drones(chance: np.random.Generator, count: int, until_s: float) -> list[Eye]:
    """Let drones fly from place to place, each looking at the middle of the sector."""
    eyes = []
    for number in range(count):
        times_s, points = [0.0], [chance.uniform((-120.0, -160.0), (120.0, -120.0))]
        while times_s[-1] < until_s:
            goal = chance.uniform((-120.0, -160.0), (120.0, -100.0))
            times_s.append(times_s[-1] + 1.0 + float(np.hypot(*(goal - points[-1]))) / 4.0)
            points.append(goal)
        sigma = Sigma(yaw_deg=1.5, pitch_deg=0.4, height_m=1.5, position_m=1.2, pixel_deg=0.08)
        eyes.append(
            Eye(
                f"drone-{number + 1}", "drone", np.array(times_s), np.array(points),
                float(chance.uniform(50.0, 75.0)), (0.0, -20.0), 60.0, 160.0, 2.0,
                sigma, drawn_bias(chance, sigma),
            )
        )  # fmt: skip
    return eyes
