"""What tiles find and cost: `python tests/benchmarks/bench_tiles.py`. Seeded; prints one JSON line.

Three kinds of pictures with small people, each shown to the shipped detector (YOLOv8n, COCO) as it
is (`off`) and in tiles; the large ones also whole but at the model's full size (`imgsz`), which is
what tiles compete with.

- simulator: the demo's world and people from a drone 133 m away, 1920 x 1080; truth is where they
  were drawn, and a box is right from an IoU of 0.3 on, as in the demo's own score.
- real: pictures of the real clips, shrunk until their people stand 20 to 40 px tall, side by side
  on 1920 x 1080. Shrinking is what distance does; but the people are those that the same model
  found at the clip's own size (from 0.5 on), so whom it never finds is in no figure. IoU 0.5.
- thermal: HIT-UAV, people as its annotators boxed them, 10 to 40 px tall, IoU 0.5. The number of
  tiles and the negative were chosen by F1 (`--choose` prints the table) on the half of the scenes
  that a hash of the name says; the figures are of the other half.
"""

import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import atan2, degrees, hypot
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import msgspec
import numpy as np

from edge.camera import Pose
from edge.config import DeviceConfig, load_device
from edge.detector import YoloDetector
from edge.device_file import DetectorConfig
from edge.frames import Image
from edge.weights import cache_folder
from maps.demo.landscape import GROUND_ALT_M, Point, latlon_of
from maps.demo.people import load_figures
from maps.demo.render import Renderer
from maps.demo.sites import SITES
from maps.demo.view import Eye

SEED: Final = 3
TALL_PX: Final = (20.0, 40.0)
WIDTH_PX, HEIGHT_PX = 1920, 1080
LOOKS_AT, HEIGHT_M, STANDOFF_M = Point(-30.0, -2.0), 80.0, 106.0
MOMENTS: Final = 12
CLIPS: Final = (("vtest.avi", 3), ("intel_one-by-one-person-detection.mp4", 8))
MOSAICS, CELLS = 2, 30  # of each clip; pictures in each
DEVICE: Final = """
[device]
id = "bench"
sector = "bench"
kind = "drone"
[source]
video = "."
[camera]
width = {width}
height = {height}
fx = 3000.0
[mount]
lat = 0.0
lon = 0.0
alt_m = 1000.0
[ground]
alt_m = 30.0
"""

LARGE: Final[dict[str, dict[str, Any]]] = {
    "off": {},
    "tiles": {"tiles": "auto"},
    "imgsz": {"imgsz": WIDTH_PX},
}
THERMAL: Final[dict[str, dict[str, Any]]] = {
    "off": {},
    "tiles": {"tiles": (4, 4), "invert": True},
}
CANDIDATES: Final = {
    f"{count} x {count}{', negative' * invert}": {"tiles": (count, count), "invert": invert}
    for count in (1, 2, 3, 4)
    for invert in (False, True)
}

Box = tuple[float, float, float, float]


class Scene(NamedTuple):
    """One picture, who should be found in it, and who may be."""

    image: Image
    people: list[Box]
    others: list[
        Box
    ]  # there, but of another size, half hidden, or unsure: neither right nor wrong
    tags: tuple[str, ...] = ("all",)


class Score:
    """Counts over pictures."""

    def __init__(self) -> None:
        self.people = self.found = self.said = self.right = 0

    def take(self, scene: Scene, boxes: list[Box], least_iou: float) -> None:
        """Match the surest box first, each person once."""
        left, others = list(scene.people), list(scene.others)
        self.people += len(left)
        for box in boxes:
            if _take_best(left, box, least_iou):
                self.found += 1
                self.right += 1
            elif _take_best(others, box, least_iou):
                continue
            self.said += 1

    def figures(self) -> dict[str, float | int | None]:
        return {
            "people": self.people,
            "found": self.found,
            "recall": round(self.found / self.people, 3) if self.people else None,
            "precision": round(self.right / self.said, 3) if self.said else None,
        }


def main() -> int:
    folder = os.environ.get("TUANBIEN_TEST_DATA")
    if not folder:
        print("bench_tiles: skipped, TUANBIEN_TEST_DATA names no folder of real test data")
        return 0
    data = Path(folder).resolve()
    weights = data / "models" / "yolov8n.pt"
    chosen_on, scored_on = thermal_halves(data / "thermal")
    if sys.argv[1:] == ["--choose"]:
        print(json.dumps(compared(weights, CANDIDATES, chosen_on, least_iou=0.5)))
        return 0
    figures = {
        "simulator": compared(weights, LARGE, list(simulated()), least_iou=0.3),
        "real": compared(weights, LARGE, list(mosaics(data / "video", weights)), least_iou=0.5),
        "thermal": compared(weights, THERMAL, scored_on, least_iou=0.5),
    }
    figures["found with tiles to without"] = {
        name: round(
            figures[name]["tiles"]["all"]["found"] / max(1, figures[name]["off"]["all"]["found"]),
            1,
        )
        for name in ("simulator", "real")
    }
    print(json.dumps(figures))
    return 0


def compared(
    weights: Path, ways: dict[str, dict[str, Any]], scenes: Sequence[Scene], *, least_iou: float
) -> dict[str, Any]:
    """Show the same scenes to each of the detectors in turns."""
    height_px, width_px = scenes[0].image.shape[:2]
    detectors = {way: detector(weights, width_px, height_px, **ways[way]) for way in ways}
    scores: dict[str, dict[str, Score]] = {way: defaultdict(Score) for way in ways}
    took_s: dict[str, list[float]] = defaultdict(list)
    for scene in scenes:
        for way, one in detectors.items():
            began_s = time.perf_counter()
            found = one.detect(scene.image)
            took_s[way].append(time.perf_counter() - began_s)
            boxes = [box.bbox_px for box in sorted(found, key=lambda box: -box.confidence)]
            for tag in scene.tags:
                scores[way][tag].take(scene, boxes, least_iou)
    first_s = statistics.median(next(iter(took_s.values())))
    return {
        way: {
            "ms": round(1000.0 * statistics.median(took_s[way]), 1),
            "cost_times": round(statistics.median(took_s[way]) / first_s, 1),
            **{tag: score.figures() for tag, score in sorted(scores[way].items())},
        }
        for way in ways
    }


def detector(weights: Path, width_px: int, height_px: int, **keys: Any) -> YoloDetector:
    config = DetectorConfig(model=str(weights), labels={"0": "person"}, **keys)
    return YoloDetector(config, device(width_px, height_px).camera, base=Path())


def device(width_px: int, height_px: int) -> DeviceConfig:
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "device.toml"
        file.write_text(DEVICE.format(width=width_px, height=height_px))
        return load_device(file)


def simulated() -> Iterator[Scene]:
    """The demo's people as a drone at a distance sees them."""
    stands = Point(LOOKS_AT.east_m - 0.6 * STANDOFF_M, LOOKS_AT.north_m - 0.8 * STANDOFF_M)
    lat, lon = latlon_of(*stands)
    away = (LOOKS_AT.east_m - stands.east_m, LOOKS_AT.north_m - stands.north_m)
    pose = Pose(
        lat=lat,
        lon=lon,
        alt_m=GROUND_ALT_M + HEIGHT_M,
        yaw_deg=degrees(atan2(*away)),
        pitch_deg=-degrees(atan2(HEIGHT_M, hypot(*away))),
        roll_deg=0.0,
    )
    config = msgspec.structs.replace(device(WIDTH_PX, HEIGHT_PX), pose=pose)
    eye = Eye(config, SITES[2]._replace(stands=stands))
    renderer = Renderer(eye, load_figures(cache_folder()), seed=SEED)
    made = 0
    for night_s in np.random.default_rng(SEED).uniform(20.0, 600.0, 10 * MOMENTS).tolist():
        people: list[Box] = []
        others: list[Box] = []
        for one in eye.seen(night_s, seed=SEED):
            whole = one.is_whole(config.camera) and is_small(one.box_px)
            (people if whole else others).append(one.box_px)
        if people and made < MOMENTS:
            made += 1
            yield Scene(renderer.picture(night_s), people, others)


def mosaics(folder: Path, weights: Path) -> Iterator[Scene]:
    """Shrunk pictures of one clip side by side; their people as found before shrinking."""
    random = np.random.default_rng(SEED)
    for name, times in CLIPS:
        images = sampled(folder / name, MOSAICS * CELLS)
        height_px, width_px = images[0].shape[:2]
        full_size = detector(weights, width_px, height_px)
        wide, high = width_px // times, height_px // times
        columns, rows = WIDTH_PX // wide, HEIGHT_PX // high
        for first in range(0, len(images), CELLS):
            canvas = np.full((HEIGHT_PX, WIDTH_PX, 3), 110, np.uint8)
            scene = Scene(canvas, [], [])
            cells = random.permutation(columns * rows)[:CELLS].tolist()
            for image, cell in zip(images[first : first + CELLS], cells, strict=True):
                x, y = cell % columns * wide, cell // columns * high
                small = cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA)
                canvas[y : y + high, x : x + wide] = small
                for found in full_size.detect(image):
                    x1, y1, x2, y2 = (value / times for value in found.bbox_px)
                    box = (x + x1, y + y1, x + x2, y + y2)
                    sure = found.confidence >= 0.5 and is_small(box)
                    (scene.people if sure else scene.others).append(box)
            yield scene


def sampled(clip: Path, count: int) -> list[Image]:
    """Return so many pictures of a clip, evenly spread."""
    capture = cv2.VideoCapture(str(clip))
    every = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) // count
    images: list[Image] = []
    while len(images) < count:
        images.append(np.asarray(capture.read()[1], dtype=np.uint8))
        for _ in range(every - 1):
            capture.grab()
    capture.release()
    return images


def thermal_halves(folder: Path) -> tuple[list[Scene], list[Scene]]:
    """Return the scenes to choose on and those to score."""
    notes = json.loads((folder / "annotations.json").read_text())
    names = {image["id"]: image["filename"] for image in notes["images"]}
    kinds = {kind["id"]: kind["name"] for kind in notes["categories"]}
    boxes: dict[tuple[str, str], list[Box]] = defaultdict(list)
    for note in notes["annotation"]:
        x, y, wide, high = note["bbox"]
        key = (names[note["image_id"]], kinds[note["category_id"]])
        boxes[key].append((x, y, x + wide, y + high))
    halves: tuple[list[Scene], list[Scene]] = ([], [])
    for name in sorted(names.values()):
        image = np.asarray(cv2.imread(str(folder / name)), dtype=np.uint8)
        night, altitude_m, *_ = name.split("_")
        tags = (
            "all",
            "night" if night == "1" else "day",
            "60-80 m" if int(altitude_m) <= 80 else "90-130 m",
        )
        scene = Scene(image, boxes[name, "Person"], boxes[name, "DontCare"], tags)
        halves[hashlib.sha256(name.encode()).digest()[0] % 2].append(scene)
    return halves


def is_small(box: Box) -> bool:
    return TALL_PX[0] <= box[3] - box[1] <= TALL_PX[1]


def _take_best(left: list[Box], box: Box, least_iou: float) -> bool:
    """Take the one that the box overlaps most out of those left, if it does enough."""
    if not left:
        return False
    overlaps = [_iou(box, other) for other in left]
    best = int(np.argmax(overlaps))
    if overlaps[best] < least_iou:
        return False
    del left[best]
    return True


def _iou(first: Box, second: Box) -> float:
    wide = min(first[2], second[2]) - max(first[0], second[0])
    high = min(first[3], second[3]) - max(first[1], second[1])
    if wide <= 0.0 or high <= 0.0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return wide * high / (sum(areas) - wide * high)


if __name__ == "__main__":
    sys.exit(main())
