"""What a walk teaches a camera: `python tests/benchmarks/bench_walk.py`. Seeded; one JSON line.

A patrol with a receiver zigzags for ten minutes through the view of a camera whose device file is
off by what its sigmas say; somebody else walks about as well. The receiver's error is metres that
stay plus a part that wanders within half a minute, the ground is off by its sigma, the clock by
half a second. Projection is that of bench_calibration.py, independent of the code under test.
"""

import json
import sys
import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pymap3d

from edge.calibration.claim import device_sigma
from edge.calibration.recording import Recording, read_recording
from edge.calibration.refusals import CalibrationError
from edge.calibration.walk import R68_PER_SIGMA, Known
from edge.calibration.walk_fit import Lesson, learn
from edge.camera import Camera, Pose, PoseSigma
from edge.georeference import place_many
from edge.ground import Ground
from edge.messages import UtcTime
from tests.benchmarks.bench_calibration import (
    CAMERA,
    NINE_IN_TEN,
    SEED,
    ground_at,
    ned_rays,
    seen_at,
)

FloatArray = npt.NDArray[np.float64]

SCENES = 100
GROUND = Ground(alt_m=1000.0, sigma_m=0.5)
SIGMA = PoseSigma(position_m=1.0, alt_m=0.5, yaw_deg=2.0, pitch_deg=1.0, roll_deg=0.5)
ACCURACY_M = 3.0
PIXEL_SIGMA_PX = 3.0
NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
DEVICE, UNIT, SECTOR = "cam-07", "patrol-01", "ha-giang"


class Scene(NamedTuple):
    """A camera, the ground as it is, and what the camera's file says."""

    truth: Pose
    ground_m: float  # the true height less the file's
    known: Known
    lines: list[bytes]  # the recording
    gps_error_m: FloatArray  # (2,) east, north: what stays
    clock_s: float  # the camera's clock is behind

    @property
    def state(self) -> FloatArray:
        """The true camera for bench_calibration's functions, the lens being the origin."""
        return np.array((0.0, 0.0, 0.0, *self.truth[3:], np.log(CAMERA.fx_px)))

    @property
    def down_m(self) -> float:
        """How far the true ground lies below the true lens."""
        return self.truth.alt_m - GROUND.alt_m - self.ground_m


def make_scene(
    seed: int,
    *,
    minutes: float = 10.0,
    fps: float = 2.0,
    sigma: PoseSigma = SIGMA,
    off_deg: tuple[float, float] | None = None,
    accuracy_m: float = ACCURACY_M,
    clock_s: float | None = None,
    others: int = 1,
    one_line: bool = False,
) -> Scene:
    """Make a walk. `off_deg`: yaw and pitch by which the file is off, instead of by chance."""
    chance = np.random.default_rng(seed)
    truth = Pose(
        lat=22.5,
        lon=104.0,
        alt_m=GROUND.alt_m + chance.uniform(8.0, 25.0),
        yaw_deg=chance.uniform(-180.0, 180.0),
        pitch_deg=chance.uniform(-30.0, -14.0),
        roll_deg=chance.uniform(-2.0, 2.0),
    )
    off = chance.normal(size=6) * np.array((sigma.position_m, *sigma))
    if off_deg is not None:
        off[3:5] = off_deg
    place = pymap3d.enu2geodetic(*off[:3], *truth[:3])
    told = Pose(*map(float, place), *(np.array(truth[3:]) + off[3:]))
    ground_m = float(chance.normal(0.0, GROUND.sigma_m))
    behind_s = float(chance.normal(0.0, 0.5)) if clock_s is None else clock_s
    gps_m = chance.normal(0.0, accuracy_m / R68_PER_SIGMA, 2)
    scene = Scene(truth, ground_m, Known(CAMERA, told, sigma, GROUND), [], gps_m, behind_s)
    seconds = minutes * 60.0
    walk = _path(chance, scene, seconds, one_line=one_line)
    strangers = [_path(chance, scene, seconds, one_line=False) for _ in range(others)]
    fix_s = np.arange(-20.0, seconds + 20.0)
    wander = _wandering(chance, len(fix_s), 0.4 * accuracy_m / R68_PER_SIGMA)
    where = _at(walk, np.clip(fix_s, 0.0, seconds)) + (gps_m + wander)[:, ::-1]
    lat, lon, _ = pymap3d.ned2geodetic(
        where[:, 0], where[:, 1], scene.down_m, truth.lat, truth.lon, truth.alt_m
    )
    messages = [
        (float(at), _position(float(at), float(a), float(o), accuracy_m))
        for at, a, o in zip(fix_s, lat, lon, strict=True)
    ]
    frame_s = np.arange(0.0, seconds, 1.0 / fps)
    seen = np.stack([_boxes(chance, scene, _at(path, frame_s)) for path in (walk, *strangers)])
    for row, at in enumerate(frame_s):
        boxes = [box for box in seen[:, row] if np.isfinite(box).all()]
        messages.append((float(at), _detections(float(at) - behind_s, boxes)))
    messages.sort(key=lambda message: message[0])
    scene.lines.extend(line for _, line in messages)
    return scene


def _path(
    chance: np.random.Generator, scene: Scene, seconds: float, *, one_line: bool
) -> tuple[FloatArray, FloatArray]:
    """Return times (K,) and north, east (K, 2) of a zigzag over what the camera sees."""
    corners = []
    while len(corners) < 60:
        pixel = chance.uniform((60.0, 40.0), (CAMERA.width_px - 60.0, CAMERA.height_px - 60.0))
        if one_line:
            pixel[0] = CAMERA.cx_px
        ray = ned_rays(pixel[None], angles=np.array(scene.truth[3:]), focal_px=CAMERA.fx_px)[0]
        if ray[2] > np.sin(np.radians(5.0)):
            corners.append(ray[:2] * scene.down_m / ray[2])
    points = np.array(corners)
    # The same legs again and again, until the time is over.
    legs_s = np.linalg.norm(np.diff(points, axis=0), axis=1) / 1.3 + 1e-6
    at_s = np.concatenate(((0.0,), np.cumsum(legs_s)))
    again = int(seconds // at_s[-1]) + 1
    times = np.concatenate([at_s + (at_s[-1] + 1.0) * lap for lap in range(again)])
    return times, np.tile(points, (again, 1))


def _at(path: tuple[FloatArray, FloatArray], at_s: FloatArray) -> FloatArray:
    times, points = path
    return np.column_stack([np.interp(at_s, times, points[:, axis]) for axis in (0, 1)])


def _wandering(chance: np.random.Generator, count: int, sigma_m: float) -> FloatArray:
    """Return errors (N, 2), one a second, that are forgotten with a half-minute's constant."""
    left = np.exp(-1.0 / 30.0)
    steps = chance.normal(0.0, sigma_m, (count, 2))
    for row in range(1, count):
        steps[row] = left * steps[row - 1] + np.sqrt(1.0 - left**2) * steps[row]
    return steps


def _boxes(chance: np.random.Generator, scene: Scene, north_east_m: FloatArray) -> FloatArray:
    """Return boxes (N, 4) as shares of the picture; nan where the feet are not in it."""
    down = np.full(len(north_east_m), scene.down_m)
    points = np.column_stack((north_east_m, down))
    feet = seen_at(points, scene.state)
    head = seen_at(points - (0.0, 0.0, 1.65), scene.state)
    feet = feet + chance.normal(0.0, PIXEL_SIGMA_PX, feet.shape) + 0.5
    tall = np.maximum(feet[:, 1] - head[:, 1] - 0.5, 4.0)
    boxes = np.column_stack(
        (feet[:, 0] - tall / 5.0, feet[:, 1] - tall, feet[:, 0] + tall / 5.0, feet[:, 1])
    )
    size = np.array((CAMERA.width_px, CAMERA.height_px))
    inside = np.all((feet > 0.0) & (feet < size * 0.99), axis=1) & np.all(boxes >= 0.0, axis=1)
    inside &= boxes[:, 2] <= CAMERA.width_px
    return np.where(inside[:, None], boxes / np.tile(size, 2), np.nan)


def line_of(topic: str, at: UtcTime, payload: dict[str, Any]) -> bytes:
    """Write one line of a recording."""
    entry = {"received_at": at.rfc3339(), "topic": topic, "payload": payload}
    return json.dumps(entry).encode() + b"\n"


def _position(at_s: float, lat: float, lon: float, accuracy_m: float) -> bytes:
    at = NOON.after(at_s)
    payload = {
        "v": 1,
        "message_id": f"p-{at_s}",
        "unit_id": UNIT,
        "sector": SECTOR,
        "captured_at": at.rfc3339(),
        "lat": lat,
        "lon": lon,
        "accuracy_m": accuracy_m,
    }
    return line_of(f"tuanbien/v1/{SECTOR}/{UNIT}/position", at, payload)


def _detections(at_s: float, boxes: list[FloatArray]) -> bytes:
    at = NOON.after(at_s)
    payload = {
        "v": 1,
        "message_id": f"d-{at_s:.4f}",
        "device_id": DEVICE,
        "sector": SECTOR,
        "captured_at": at.rfc3339(),
        "sensor": {"kind": "camera", "lat": 22.5, "lon": 104.0},
        "detections": [
            {
                "label": "person",
                "confidence": 0.8,
                "bbox": box.tolist(),
                "lat": 22.5,
                "lon": 104.0,
                "cov_m2": [9.0, 0.0, 9.0],
            }
            for box in boxes
        ],
    }
    return line_of(f"tuanbien/v1/{SECTOR}/{DEVICE}/detections", at, payload)


def read(scene: Scene) -> Recording:
    """Read a scene's recording as the command does."""
    return read_recording(
        scene.lines,
        device_id=DEVICE,
        sector=SECTOR,
        camera=CAMERA,
        pixel_sigma_px=PIXEL_SIGMA_PX,
        unit_id=UNIT,
    )


def angles_inside(scene: Scene, lesson: Lesson) -> bool:
    """Tell whether the true yaw and pitch are within the claimed 90 %."""
    done = lesson.done
    off = (np.array(scene.truth[3:5]) - np.array(done.pose[3:5]) + 180.0) % 360.0 - 180.0
    rows = [done.names.index(name) for name in ("yaw_deg", "pitch_deg")]
    return bool(off @ np.linalg.inv(done.covariance[np.ix_(rows, rows)]) @ off < NINE_IN_TEN)


def misses(
    scene: Scene, camera: Camera, pose: Pose, sigma: PoseSigma, ground: Ground
) -> tuple[FloatArray, FloatArray]:
    """Return how far (N,) a device places points of its ground, and as many claimed chances.

    The chances are those of an error less than this one, by `cov_bias_m2` alone.
    """
    pixels = np.array([(u, v) for u in (200.0, 960.0, 1700.0) for v in (520.0, 760.0, 1000.0)])
    rays = ned_rays(pixels, angles=np.array(scene.truth[3:]), focal_px=CAMERA.fx_px)
    pixels = pixels[rays[:, 2] > np.sin(np.radians(6.0))]
    truth = ground_at(pixels, scene.state, scene.down_m)
    placed = place_many(pixels, camera, pose, sigma, ground, pixel_sigma_px=0.1)
    north, east, _ = pymap3d.geodetic2ned(placed.lat, placed.lon, placed.alt_m, *scene.truth[:3])
    off = np.column_stack((east, north)) - truth[:, ::-1]
    far = np.einsum("ni,nij,nj->n", off, np.linalg.inv(placed.cov_bias_m2), off)
    return np.linalg.norm(off, axis=1), 1.0 - np.exp(-far / 2.0)


def main() -> None:
    began_s = time.perf_counter()
    before, after, angles, claims, refused, shrank = [], [], [], [], 0, []
    for seed in range(SEED, SEED + SCENES):
        scene = make_scene(seed)
        try:
            lesson = learn(scene.known, read(scene))
        except CalibrationError as error:
            print(f"{seed}: {error}", file=sys.stderr)
            refused += 1
            continue
        known, done = scene.known, lesson.done
        before.append(misses(scene, CAMERA, known.pose, known.sigma, GROUND)[0])
        off_m, chances = misses(
            scene, CAMERA, done.pose, device_sigma(done), lesson.fitted_ground(GROUND)
        )
        after.append(off_m)
        claims.append(chances < 0.9)
        angles.append(angles_inside(scene, lesson))
        shrank.append((done.sigma.yaw_deg / SIGMA.yaw_deg, done.sigma.pitch_deg / SIGMA.pitch_deg))
    median_before = float(np.median(np.concatenate(before)))
    median_after = float(np.median(np.concatenate(after)))
    figures = {
        "scenes": SCENES,
        "refused": refused,
        "minutes": 10.0,
        "accuracy_m": ACCURACY_M,
        "held_out_median_m_before": round(median_before, 2),
        "held_out_median_m_after": round(median_after, 2),
        "error_shrinks_by": round(median_before / median_after, 2),
        "sigma_yaw_is_to_was": round(float(np.median(shrank, axis=0)[0]), 3),
        "sigma_pitch_is_to_was": round(float(np.median(shrank, axis=0)[1]), 3),
        "yaw_and_pitch_inside_90_percent": round(float(np.mean(angles)), 3),
        "held_out_inside_90_percent_of_bias": round(float(np.mean(np.concatenate(claims))), 3),
        "seconds": round(time.perf_counter() - began_s, 1),
    }
    print(json.dumps({"walk": figures}))


if __name__ == "__main__":
    main()
