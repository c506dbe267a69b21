"""The chain on real footage with real weights: frames, detector, tracker, ground, recording.

The counts were found with YOLOv8n at 640 px and hold a margin of about a third, so that another
build of the runtime does not fail them and a broken box, scale or label does.
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from edge.config import load_device
from edge.detector import YoloDetector
from edge.frames import Frame, FrameSource, open_source
from edge.messages import Detection, DetectionsMessage, UtcTime, decode
from edge.pipeline import run
from edge.publisher import FilePublisher

pytestmark = pytest.mark.slow
VEHICLES = '{ 0 = "person", 2 = "vehicle", 5 = "vehicle", 7 = "vehicle" }'


class EveryNth:
    """A source with most of its frames left out, to save time."""

    def __init__(self, source: FrameSource, step: int) -> None:
        self._source = source
        self._step = step

    def __iter__(self) -> Iterator[Frame]:
        return (frame for number, frame in enumerate(self._source) if number % self._step == 0)

    def frame_age_s(self, now: UtcTime) -> float | None:
        return self._source.frame_age_s(now)

    def close(self) -> None:
        self._source.close()


Watch = Callable[[str, int, int, int], list[DetectionsMessage]]


@pytest.fixture
def watch(
    test_data: Path,
    real_weights: Path,
    tmp_path: Path,
    write_device: Callable[..., Path],
    noon: UtcTime,
) -> Watch:
    """Return a function that runs a device on a clip and gives back what it published."""

    def on(video: str, height: int, frames: int, step: int) -> list[DetectionsMessage]:
        device = load_device(
            write_device(
                ('"clip.avi"', f'"{test_data / "video" / video}"'),
                ('"yolov8n.pt"', f'"{real_weights}"'),
                ('{ 0 = "person", 2 = "car" }', VEHICLES),
                ("height = 576", f"height = {height}"),
                ("cy = 287.5", f"cy = {(height - 1) / 2}"),
                ("pitch_deg = -25.0", "pitch_deg = -45.0"),
            )
        )
        source = open_source(
            device.source, clock=UtcTime.read_clock, fast=True, base=device.base, start_at=noon
        )
        recording = tmp_path / "messages.jsonl"
        sink = FilePublisher(recording)
        detector = YoloDetector(device.detector, device.camera, base=device.base)
        done = run(
            device,
            EveryNth(source, step),
            detector,
            sink,
            clock=UtcTime.read_clock,
            stop=threading.Event(),
            most_frames=frames,
        )
        sink.close(0.0)
        assert done.frames == frames
        assert done.dropped == {}
        lines = [msgspec.json.decode(line) for line in recording.read_bytes().splitlines()]
        return [decode(line["topic"], msgspec.json.encode(line["payload"])) for line in lines]

    return on


def counts(messages: list[DetectionsMessage], label: str) -> list[int]:
    return [sum(found.label == label for found in message.detections) for message in messages]


def all_of(messages: list[DetectionsMessage]) -> list[Detection]:
    return [found for message in messages for found in message.detections]


def test_pedestrians_on_a_square(watch: Watch, noon: UtcTime) -> None:
    messages = watch("vtest.avi", 576, 50, 8)
    seen = counts(messages, "person")
    assert 4.0 <= sum(seen) / len(seen) <= 8.5, "6.3 people a frame were found in these 40 s"
    assert min(seen) >= 1
    assert max(seen) <= 14
    times = [message.captured_at.seconds_since(noon) for message in messages]
    assert times == pytest.approx([number * 0.8 for number in range(50)])
    placed = [found for found in all_of(messages) if found.label == "person"]
    assert all(22.5 < found.lat < 22.501 for found in placed), "all of them ahead of the camera"
    assert sum(found.track_id is not None for found in placed) > len(placed) // 4


def test_people_who_pass_one_by_one(watch: Watch) -> None:
    messages = watch("intel_one-by-one-person-detection.mp4", 432, 60, 5)
    seen = counts(messages, "person")
    with_someone = sum(count > 0 for count in seen) / len(seen)
    assert 0.45 <= with_someone <= 0.9, "somebody is there in 68 % of the first 30 s"
    assert max(seen) <= 3
    assert sum(counts(messages, "vehicle")) <= 3


def test_cars_from_above(watch: Watch) -> None:
    """Seen from a bridge, half of the cars are taken for other things; nobody is on foot."""
    messages = watch("intel_car-detection.mp4", 432, 84, 3)
    seen = counts(messages, "vehicle")
    assert 9 <= sum(seen) <= 40
    assert max(seen) <= 4
    assert sum(counts(messages, "person")) <= 3
