"""How good calibration is: `python tests/benchmarks/bench_calibration.py`. Seeded; one JSON line.

Cameras on masts over rolling ground, landmarks with 2 px of noise, a device file that is off by
what its sigmas say. The error of ground points that were no landmarks is held against the
Cramér-Rao bound, and the claimed covariance against the truth. Projection and derivatives are
spelt out here in north, east and down, independent of the code under test.
"""

import json
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pymap3d

from edge.calibration.claim import ground_points_m
from edge.calibration.fit import Calibration, calibrate
from edge.calibration.landmarks import Landmarks
from edge.calibration.model import LOG_FOCAL_SIGMA
from edge.calibration.refusals import CalibrationError
from edge.calibration.robust import covariance, scales
from edge.camera import Camera, Pose, PoseSigma

FloatArray = npt.NDArray[np.float64]

SEED = 20261124
SCENES = 100
CAMERA = Camera(1920, 1080, 1600.0, 1600.0, 959.5, 539.5, None, ())
SIGMA = PoseSigma(position_m=1.0, alt_m=1.0, yaw_deg=2.0, pitch_deg=1.0, roll_deg=1.0)
NOISE_PX = 2.0
MIDDLE = np.array((CAMERA.cx_px, CAMERA.cy_px))
NINE_IN_TEN = 4.605170186  # chi-squared with two degrees of freedom


class Scene(NamedTuple):
    """A camera, what it sees, and what its device file says of it."""

    truth: Pose
    focal_px: float
    points_ned_m: FloatArray  # (N, 3) from the lens
    landmarks: Landmarks
    told: Pose  # by the device file
    sigma: PoseSigma


def make_scene(
    seed: int,
    count: int,
    *,
    noise_px: float = NOISE_PX,
    sigma: PoseSigma = SIGMA,
    focal_px: float | None = None,
    outliers: int = 0,
) -> Scene:
    """Make a camera 6 to 40 m above rolling ground, with landmarks all over its picture.

    Its focal length is off the nominal one by what a fit's prior says, or as given.
    """
    chance = np.random.default_rng(seed)
    if focal_px is None:
        focal_px = CAMERA.fx_px * float(np.exp(LOG_FOCAL_SIGMA * chance.normal()))
    truth = Pose(
        lat=22.5,
        lon=104.0,
        alt_m=1000.0 + chance.uniform(6.0, 40.0),
        yaw_deg=chance.uniform(-180.0, 180.0),
        pitch_deg=chance.uniform(-35.0, -12.0),
        roll_deg=chance.uniform(-3.0, 3.0),
    )
    height_m = truth.alt_m - 1000.0
    pixels = spread_pixels(chance, count, truth, focal_px)
    rays = ned_rays(pixels, angles=np.array(truth[3:]), focal_px=focal_px)
    relief_m = chance.uniform(-0.15, 0.15, count) * height_m
    points = rays * ((height_m - relief_m) / rays[:, 2])[:, None]
    lat, lon, alt_m = pymap3d.ned2geodetic(*points.T, truth.lat, truth.lon, truth.alt_m)
    measured = pixels + chance.normal(0.0, noise_px, pixels.shape)
    for row in range(outliers):
        direction = chance.uniform(0.0, 2.0 * np.pi)
        measured[row] += 80.0 * np.array((np.cos(direction), np.sin(direction)))
    off = chance.normal(size=6) * np.array((sigma.position_m, *sigma))
    place = pymap3d.enu2geodetic(*off[:3], truth.lat, truth.lon, truth.alt_m)
    landmarks = Landmarks(
        pixels=measured,
        lat=lat,
        lon=lon,
        alt_m=alt_m,
        sigma_px=np.full(count, max(noise_px, 0.5)),
        names=tuple(f"L{row}" for row in range(count)),
        horizon=np.empty((0, 2)),
        horizon_sigma_px=np.empty(0),
        horizon_names=(),
    )
    told = Pose(*map(float, place), *(np.array(truth[3:]) + off[3:]))
    return Scene(truth, focal_px, points, landmarks, told, sigma)


def spread_pixels(
    chance: np.random.Generator, count: int, truth: Pose, focal_px: float
) -> FloatArray:
    """Draw pixels (N, 2), one in each of N cells of the picture, that look at least 4° down."""
    columns = int(np.ceil(np.sqrt(count)))
    rows = int(np.ceil(count / columns))
    found: list[FloatArray] = []
    for cell in chance.permutation(columns * rows)[:count]:
        while True:
            share = (np.array((cell % columns, cell // columns)) + chance.uniform(0.1, 0.9, 2)) / (
                columns,
                rows,
            )
            pixel = 20.0 + share * (np.array((CAMERA.width_px, CAMERA.height_px)) - 40.0)
            ray = ned_rays(pixel[None], angles=np.array(truth[3:]), focal_px=focal_px)[0]
            if ray[2] > np.sin(np.radians(4.0)):
                found.append(pixel)
                break
            cell = chance.integers(columns * rows)  # noqa: PLW2901 - another cell, this one is sky
    return np.array(found)


def ned_axes(angles: FloatArray) -> FloatArray:
    """Return ahead, right, down of a body (3, 3; columns) in north, east, down."""
    yaw, pitch, roll = np.radians(angles)
    ahead = np.array((np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), -np.sin(pitch)))
    level_right = np.array((-np.sin(yaw), np.cos(yaw), 0.0))
    level_down = np.cross(ahead, level_right)
    right = np.cos(roll) * level_right + np.sin(roll) * level_down
    return np.column_stack((ahead, right, np.cross(ahead, right)))


def ned_rays(pixels: FloatArray, *, angles: FloatArray, focal_px: float) -> FloatArray:
    """Return unit rays (N, 3) in north, east, down."""
    body = np.column_stack((np.ones(len(pixels)), (pixels - MIDDLE) / focal_px))
    return body @ ned_axes(angles).T / np.linalg.norm(body, axis=1, keepdims=True)


def seen_at(points_ned_m: FloatArray, state: FloatArray) -> FloatArray:
    """Project points (N, 3); state: north, east, down (m), yaw, pitch, roll (°), log focal."""
    body = (points_ned_m - state[:3]) @ ned_axes(state[3:6])
    return MIDDLE + np.exp(state[6]) * body[:, 1:] / body[:, :1]


def ground_at(pixels: FloatArray, state: FloatArray, down_m: float) -> FloatArray:
    """Return where pixels (N, 2) meet a level, (N, 2) north and east."""
    rays = ned_rays(pixels, angles=state[3:6], focal_px=float(np.exp(state[6])))
    return state[:2] + rays[:, :2] * ((down_m - state[2]) / rays[:, 2])[:, None]


def derivatives(function: Callable[[FloatArray], FloatArray], state: FloatArray) -> FloatArray:
    """Return the derivatives (…, 7) of a function of the state."""
    columns = []
    for row in range(len(state)):
        step = np.zeros(len(state))
        step[row] = 1e-5
        columns.append((function(state + step) - function(state - step)) / 2e-5)
    return np.stack(columns, axis=-1)


def bound_m2(scene: Scene, pixels: FloatArray, down_m: float, *, focal_known: bool) -> FloatArray:
    """Return the Cramér-Rao bound (N, 2, 2) of ground points at pixels, prior knowledge included."""
    state = np.array((0.0, 0.0, 0.0, *scene.truth[3:], np.log(scene.focal_px)))
    slopes = derivatives(lambda s: seen_at(scene.points_ned_m, s), state)
    sigma = scene.sigma
    prior = np.array((sigma.position_m, *sigma, LOG_FOCAL_SIGMA))
    weights = scene.landmarks.sigma_px[:, None, None]
    scaled = (slopes / weights).reshape(-1, len(state))
    information = scaled.T @ scaled + np.diag(prior**-2.0)
    on_ground = derivatives(lambda s: ground_at(pixels, s, down_m), state)
    if focal_known:
        information, on_ground = information[:6, :6], on_ground[..., :6]
    return on_ground @ np.linalg.inv(information) @ on_ground.transpose(0, 2, 1)


def held_out(scene: Scene, seed: int) -> tuple[FloatArray, float]:
    """Return pixels (N, 2) that were no landmarks, and the level they look at, m below the lens."""
    chance = np.random.default_rng(seed + 1_000_000)
    pixels = spread_pixels(chance, 12, scene.truth, scene.focal_px)
    return pixels, float(np.median(scene.truth.alt_m - scene.landmarks.alt_m))


def fit(scene: Scene) -> Calibration:
    """Calibrate with what the device file says, its focal length being the nominal one."""
    return calibrate(CAMERA, scene.told, scene.sigma, scene.landmarks)


def misses(
    scene: Scene, done: Calibration, pixels: FloatArray, down_m: float
) -> tuple[FloatArray, FloatArray]:
    """Return how far (N, 2) the fit places pixels from the truth, north and east, and its claim."""
    true_ne = ground_at(
        pixels, np.array((0.0, 0.0, 0.0, *scene.truth[3:], np.log(scene.focal_px))), down_m
    )
    north, east, lens_down = pymap3d.geodetic2ned(
        done.pose.lat, done.pose.lon, done.pose.alt_m, *scene.truth[:3]
    )
    state = np.array((north, east, lens_down, *done.pose[3:], np.log(done.camera.fx_px)))
    off = ground_at(pixels, state, down_m) - true_ne
    model, values = done.agreement.model, done.agreement.minimum.values
    columns = []
    for row, size in enumerate(scales(model)):
        step = np.zeros(len(values))
        step[row] = 1e-4 * size
        more, less = (
            ground_points_m(model, model.state(values + d), pixels) for d in (step, -step)
        )
        columns.append((more - less)[:, ::-1] / (2e-4 * size))
    slopes = np.stack(columns, axis=-1)
    return off, slopes @ covariance(done.agreement.minimum) @ slopes.transpose(0, 2, 1)


class Figures(NamedTuple):
    """What many scenes come to."""

    ratio: float  # rms error over the Cramér-Rao bound of what was fitted
    ratio_focal_known: float  # over the bound of somebody who knows the focal length
    inside: float  # the share of truths inside the claimed 90 % ellipses


def ratio_to_bound(scenes: int, count: int) -> Figures:
    """Calibrate many scenes from `count` landmarks; hold points that were none to the truth."""
    squares, inside = [], []
    for seed in range(SEED, SEED + scenes):
        scene = make_scene(seed, count)
        pixels, down_m = held_out(scene, seed)
        off, claim = misses(scene, fit(scene), pixels, down_m)
        error = np.sum(off**2, axis=1).mean()
        bounds = [bound_m2(scene, pixels, down_m, focal_known=known) for known in (False, True)]
        squares.append([error / np.trace(b, axis1=1, axis2=2).mean() for b in bounds])
        inside.append(np.einsum("ni,nij,nj->n", off, np.linalg.inv(claim), off) < NINE_IN_TEN)
    ratio, strict = np.sqrt(np.mean(squares, axis=0))
    return Figures(float(ratio), float(strict), float(np.mean(inside)))


def outliers_found(scenes: int) -> dict[str, int]:
    """Move one of eight landmarks by 80 px; count the scenes in which it, and only it, is named."""
    found, refused = 0, 0
    for seed in range(SEED, SEED + scenes):
        try:
            done = fit(make_scene(seed, 8, outliers=1))
        except CalibrationError:
            refused += 1
            continue
        found += np.flatnonzero(~done.agreement.used).tolist() == [0]
    return {"of": scenes, "found": found, "refused": refused}


def main() -> None:
    began_s = time.perf_counter()
    least, few = ratio_to_bound(SCENES, 4), ratio_to_bound(SCENES, 6)
    many = ratio_to_bound(SCENES // 2, 12)
    figures = {
        "scenes": SCENES,
        "noise_px": NOISE_PX,
        "error_to_cramer_rao_4_landmarks": round(least.ratio, 3),
        "error_to_cramer_rao_6_landmarks": round(few.ratio, 3),
        "error_to_cramer_rao_6_landmarks_focal_known": round(few.ratio_focal_known, 3),
        "error_to_cramer_rao_12_landmarks": round(many.ratio, 3),
        "inside_90_percent_4_landmarks": round(least.inside, 3),
        "inside_90_percent_6_landmarks": round(few.inside, 3),
        "inside_90_percent_12_landmarks": round(many.inside, 3),
        "outlier_among_8": outliers_found(SCENES // 2),
        "seconds": round(time.perf_counter() - began_s, 1),
    }
    print(json.dumps({"calibration": figures}))


if __name__ == "__main__":
    main()
