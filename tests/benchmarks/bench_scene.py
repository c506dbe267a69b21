"""Does the scene watch tell blind from quiet: `python tests/benchmarks/bench_scene.py`.

Real clips, one picture a second: verdicts other than clear are false alarms. The car clip is held
by hand and drifts by a degree, so it runs as a drone's. Then faults, made of the same pictures
after 20 good seconds, in the two fixed clips. Prints one JSON line.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from edge.camera import Camera
from edge.messages import Scene, SensorKind, UtcTime
from edge.scene import SceneWatch
from edge.scene_texture import small_grey

Image = npt.NDArray[np.uint8]
Fault = Callable[[Image, int], Image]

SEED = 20261124
NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
HFOV_DEG = 60.0
GOOD_S = 20
FAULT_S = 75
HARMLESS_S = 30
MOMENTS = (10,)
FIXED = ("vtest.avi", "intel_one-by-one-person-detection.mp4")
BY_HAND = ("intel_car-detection.mp4",)


def pictures(video: Path) -> list[Image]:
    """Return one picture a second."""
    capture = cv2.VideoCapture(str(video))
    step = round(capture.get(cv2.CAP_PROP_FPS))
    found: list[Image] = []
    while capture.grab():
        if int(capture.get(cv2.CAP_PROP_POS_FRAMES)) % step == 1:
            found.append(capture.retrieve()[1].astype(np.uint8, copy=False))
    capture.release()
    return found


def watch(picture: Image, kind: SensorKind = SensorKind.CAMERA) -> SceneWatch:
    """Return a watch for a camera with a common lens."""
    height, width = picture.shape[:2]
    focal = width / 2.0 / np.tan(np.radians(HFOV_DEG / 2.0))
    return SceneWatch(
        kind, Camera(width, height, focal, focal, width / 2.0, height / 2.0, None, ())
    )


def noisy(picture: Image, sigma: float, chance: np.random.Generator) -> Image:
    noise = chance.normal(0.0, sigma, picture.shape)
    return np.clip(picture + noise, 0.0, 255.0).astype(np.uint8)


def faults(frozen: Image, chance: np.random.Generator) -> Iterator[tuple[str, set[Scene], Fault]]:
    """Yield (name, verdicts that are right, what it does to a picture)."""
    for share in (0.08, 0.04):
        yield (
            f"dark x {share}",
            {Scene.DARK},
            lambda p, _, s=share: noisy((p * s).astype(np.uint8), 4.0, chance),
        )
    for sigma in (3, 4, 6, 8):
        yield (
            f"blur {sigma} px",
            {Scene.BLURRED},
            lambda p, _, s=sigma: noisy(cv2.GaussianBlur(p, (0, 0), s), 2.0, chance),
        )
    for level in (0, 128, 255):
        for part in (0.65, 1.0):
            # A cap and a moonless night look alike: dark is right, too.
            right = {Scene.COVERED, Scene.DARK} if level == 0 else {Scene.COVERED}
            yield (
                f"cover {level} {part:.0%}",
                right,
                lambda p, _, v=level, a=part: noisy(covered(p, v, a), 2.0, chance),
            )
    yield "freeze", {Scene.FROZEN}, lambda _p, _n: frozen
    for deg in (1.0, 2.0, 5.0):
        yield f"pan {deg:g} deg", {Scene.MOVED}, lambda p, _, d=deg: turned(p, d, 0.0, 0.0)
        yield f"tilt {deg:g} deg", {Scene.MOVED}, lambda p, _, d=deg: turned(p, 0.0, d, 0.0)
        yield f"roll {deg:g} deg", {Scene.MOVED}, lambda p, _, d=deg: turned(p, 0.0, 0.0, d)
    yield "turned away", {Scene.MOVED}, lambda p, _: np.ascontiguousarray(p[:, ::-1])


def covered(picture: Image, level: int, share: float) -> Image:
    changed = picture.copy()
    changed[:, : round(share * picture.shape[1])] = level
    return changed


def turned(picture: Image, pan_deg: float, tilt_deg: float, roll_deg: float) -> Image:
    """Turn the camera: what comes in at the rim repeats the rim."""
    height, width = picture.shape[:2]
    px_per_deg = width / 2.0 / np.tan(np.radians(HFOV_DEG / 2.0)) * np.radians(1.0)
    matrix = cv2.getRotationMatrix2D((width / 2.0, height / 2.0), roll_deg, 1.0)
    matrix[:, 2] += (-pan_deg * px_per_deg, tilt_deg * px_per_deg)
    return cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT).astype(
        np.uint8, copy=False
    )


def harmless(chance: np.random.Generator) -> Iterator[tuple[str, Fault]]:
    """Yield (name, what it does to a picture) of what only looks like a fault."""
    yield "half the light", lambda p, _: (p * 0.5).astype(np.uint8)
    yield "more contrast", lambda p, _: (255.0 * (p / 255.0) ** 2).astype(np.uint8)
    yield "colours gone", lambda p, _: np.repeat(p.min(axis=2, keepdims=True), 3, axis=2)
    yield "noise", lambda p, _: noisy(p, 8.0, chance)
    yield "lorry", lambda p, n: covered(p, 90, 0.7) if n < GOOD_S + 8 else p
    yield "sway", lambda p, n: turned(p, 1.5 * np.sin(n * 2.0 * np.pi / 4.6), 0.0, 0.0)
    yield "sway, faster", lambda p, n: turned(p, 0.6 * np.sin(n * 2.0 * np.pi / 1.3), 0.0, 0.0)


def taken_for_a_fault(clip: list[Image], start: int, change: Fault) -> bool:
    """Tell whether anything but clear is said of a harmless change."""
    eyes = watch(clip[0])
    for second in range(GOOD_S + HARMLESS_S):
        picture = clip[(start + second) % len(clip)]
        picture = change(picture, second) if second >= GOOD_S else picture
        if eyes.look(small_grey(picture), NOON.after(second)).scene is not Scene.CLEAR:
            return True
    return False


def found_after_s(clip: list[Image], start: int, right: set[Scene], fault: Fault) -> int | None:
    """Return after how many seconds a fault has the right verdict, or None: never."""
    eyes = watch(clip[0])
    for second in range(GOOD_S + FAULT_S):
        picture = clip[(start + second) % len(clip)]
        if second >= GOOD_S:
            picture = fault(picture, second)
        health = eyes.look(small_grey(picture), NOON.after(second))
        if second >= GOOD_S and health.scene in right:
            return second - GOOD_S
    return None


def false_alarms(clip: list[Image], kind: SensorKind) -> int:
    """Count the changes of verdict to something other than clear."""
    eyes, before, count = watch(clip[0], kind), Scene.CLEAR, 0
    for second, picture in enumerate(clip):
        scene = eyes.look(small_grey(picture), NOON.after(second)).scene
        count += scene is not Scene.CLEAR and scene is not before
        before = scene
    return count


def cost_ms(clip: list[Image]) -> tuple[float, float]:
    """Return ms a look, and ms a frame at 10 frames a second, looks included, of 1920 x 1080."""
    frames = [cv2.resize(picture, (1920, 1080)).astype(np.uint8) for picture in clip[:20]]
    eyes = watch(frames[0])
    eyes.see(frames[0], NOON.after(-1.0))
    looks_s, all_s = [], 0.0
    for number in range(300):
        began_s = time.perf_counter()
        eyes.see(frames[number % len(frames)], NOON.after(number / 10.0))
        took_s = time.perf_counter() - began_s
        all_s += took_s
        if number % 10 == 0:
            looks_s.append(took_s)
    return 1000.0 * statistics.fmean(looks_s), 1000.0 * all_s / 300


def main() -> int:
    folder = os.environ.get("TUANBIEN_TEST_DATA")
    if not folder:
        print("bench_scene: skipped, TUANBIEN_TEST_DATA names no folder of real test data")
        return 0
    data = Path(folder)
    chance = np.random.default_rng(SEED)
    fixed = [pictures(data / "video" / name) for name in FIXED]
    by_hand = [pictures(data / "video" / name) for name in BY_HAND]
    alarms = sum(false_alarms(clip, SensorKind.CAMERA) for clip in fixed)
    alarms += sum(false_alarms(clip, SensorKind.DRONE) for clip in by_hand)
    hours = sum(map(len, fixed + by_hand)) / 3600.0
    thermal = sorted((data / "thermal").rglob("*.jpg"))
    warm = [cv2.imread(str(path)).astype(np.uint8) for path in thermal]
    missed: list[str] = []
    after_s: dict[str, list[int]] = {}
    tried = 0
    for name, clip in zip(FIXED, fixed, strict=True):
        for moment in MOMENTS:
            for what, right, fault in faults(clip[(moment + GOOD_S) % len(clip)], chance):
                tried += 1
                seconds = found_after_s(clip, moment, right, fault)
                if seconds is None:
                    missed.append(f"{what}, {name} at {moment} s")
                else:
                    after_s.setdefault(what.split()[0], []).append(seconds)
    taken = [
        f"{what}, {name} at {moment} s"
        for name, clip in zip(FIXED, fixed, strict=True)
        for moment in MOMENTS
        for what, change in harmless(chance)
        if taken_for_a_fault(clip, moment, change)
    ]
    tried_harmless = len(FIXED) * len(MOMENTS) * len(list(harmless(chance)))
    look_ms, frame_ms = cost_ms(fixed[0])
    print(
        json.dumps(
            {
                "real footage, h": round(hours, 3),
                "false alarms": alarms,
                "false alarms an hour": round(alarms / hours, 1),
                "thermal pictures": len(warm),
                "thermal pictures not clear": sum(
                    false_alarms([picture], SensorKind.THERMAL) for picture in warm
                ),
                "faults": tried,
                "share found": round(1.0 - len(missed) / tried, 3),
                "found after, s (median)": {
                    what: statistics.median(seconds) for what, seconds in after_s.items()
                },
                "found after, s (most)": max(max(seconds) for seconds in after_s.values()),
                "missed": missed,
                "harmless changes": tried_harmless,
                "taken for a fault": taken,
                "ms a look at 1080p": round(look_ms, 2),
                "ms a frame at 10 fps 1080p": round(frame_ms, 3),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
