"""What the edge loop costs beside the bare model: `python tests/benchmarks/bench_edge.py`.

Bare model: the vendor's own `YOLO.predict` on pictures that are decoded already. Whole loop:
decode, detect, track, place on the ground, publish to a file. Both run the same OpenVINO model on
the same pictures, in turns of a few, so that a busy machine slows both alike.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from edge.config import load_device
from edge.detector import YoloDetector
from edge.frames import Frame, open_source
from edge.messages import UtcTime
from edge.pipeline import Pipeline
from edge.publisher import FilePublisher

TURN = 10
ROUNDS = 30
DEVICE = """
[device]
id = "bench"
sector = "bench"
[source]
video = "{video}"
[detector]
model = "{model}"
[camera]
width = 768
height = 576
hfov_deg = 60.0
[mount]
lat = 22.5
lon = 104.0
alt_m = 1008.0
pitch_deg = -25.0
[ground]
alt_m = 1000.0
"""


def main() -> int:
    folder = os.environ.get("TUANBIEN_TEST_DATA")
    if not folder:
        print("bench_edge: skipped, TUANBIEN_TEST_DATA names no folder of real test data")
        return 0
    data = Path(folder).resolve()
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "device.toml"
        video, model = data / "video" / "vtest.avi", data / "models" / "yolov8n.pt"
        file.write_text(DEVICE.format(video=video, model=model))
        config = load_device(file)
        detector = YoloDetector(config.detector, config.camera, base=config.base)
        sink = FilePublisher(Path(scratch) / "messages.jsonl")
        pipeline = Pipeline(config, detector, boot_id="bench")
        source = open_source(
            config.source, clock=UtcTime.read_clock, fast=True, base=config.base, loop=True
        )
        frames = iter(source)
        bare = detector.bare_model()
        bare_s: list[float] = []
        loop_s: list[float] = []
        for turn in range(ROUNDS):
            turn_frames: list[Frame] = []
            for _ in range(TURN):
                began_s = time.perf_counter()
                frame = next(frames)
                sink.publish(pipeline.message(frame))
                loop_s.append(time.perf_counter() - began_s)
                turn_frames.append(frame)
            for frame in turn_frames:
                began_s = time.perf_counter()
                bare(frame.image)
                bare_s.append(time.perf_counter() - began_s)
            if turn == 0:
                del bare_s[:], loop_s[:]
        source.close()
        sink.close(0.0)
    bare_ms, loop_ms = (1000.0 * statistics.median(times) for times in (bare_s, loop_s))
    print(
        json.dumps(
            {
                "bare_model_ms": round(bare_ms, 2),
                "whole_loop_ms": round(loop_ms, 2),
                "ratio": round(loop_ms / bare_ms, 3),
                "rss_mb": round(psutil.Process().memory_info().rss / 1e6),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
