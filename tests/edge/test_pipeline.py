"""Frames to messages, with a detector that sees what it is told to."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edge.camera import Pose
from edge.config import DeviceConfig, load_device
from edge.detector import Detection
from edge.frames import Frame, Image
from edge.georeference import place
from edge.messages import (
    DetectionsMessage,
    RefusedError,
    Scene,
    StatusMessage,
    Topic,
    UtcTime,
    decode,
    encode,
)
from edge.pipeline import Pipeline, RunSummary, run
from edge.scene import SceneHealth
from edge.teller import LOST_DEG, TOO_MANY
from edge.view import AT_HORIZON


class Sees:
    """A detector with a script: one list of boxes for each frame, the last one for ever."""

    def __init__(self, *script: list[Detection]) -> None:
        self._script = list(script)

    def detect(self, image: Image) -> list[Detection]:
        assert image.ndim == 3
        return list(self._script.pop(0) if len(self._script) > 1 else self._script[0])


class Kept:
    """A sink that keeps everything."""

    queue_depth = 0

    def __init__(self) -> None:
        self.messages: list[DetectionsMessage] = []
        self.statuses: list[StatusMessage] = []
        self.status_came = threading.Event()

    def publish(self, message: DetectionsMessage) -> None:
        self.messages.append(message)

    def publish_status(self, message: StatusMessage) -> None:
        self.statuses.append(message)
        self.status_came.set()


class Film:
    """Frames from memory."""

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = frames
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        yield from self._frames

    def frame_age_s(self, now: UtcTime) -> float | None:
        del now
        return 0.25

    def close(self) -> None:
        self.closed.set()


class DeadCamera(Film):
    """A stream that never gives a frame."""

    def __iter__(self) -> Iterator[Frame]:
        self.closed.wait()
        yield from ()

    def frame_age_s(self, now: UtcTime) -> float | None:
        del now
        return None


def box(x1: float, y1: float, x2: float, y2: float, **more: object) -> Detection:
    fields = {"label": "person", "confidence": 0.8, "track_id": 5} | more
    return Detection(bbox_px=(x1, y1, x2, y2), **fields)


def picture(width: int = 768, height: int = 576) -> Image:
    return np.zeros((height, width, 3), dtype=np.uint8)


WALKER = box(300.0, 200.0, 340.0, 300.0)


class Watched:
    """A scene watch that has come to a verdict."""

    def __init__(self, scene: Scene, off_deg: float | None, at: UtcTime) -> None:
        self.health = SceneHealth(scene, "by script", at)
        self.off_deg = off_deg

    def see(self, image: Image, at: UtcTime) -> None:
        """Keep the verdict."""


@pytest.fixture
def frame(noon: UtcTime) -> Frame:
    return Frame(picture(), noon)


def test_an_empty_frame_is_a_message_too(device: DeviceConfig, frame: Frame) -> None:
    message = Pipeline(device, Sees([]), boot_id="b1").message(frame)
    assert message.detections == ()
    assert message.captured_at == frame.captured_at
    assert (message.seq, message.boot_id) == (0, "b1")


def test_a_message_keeps_the_contract(device: DeviceConfig, frame: Frame) -> None:
    message = Pipeline(device, Sees([WALKER]), boot_id="b1", simulated=True).message(frame)
    topic = str(Topic("ha-giang", "cam-07", "detections"))
    assert decode(topic, encode(message)) == message
    assert message.simulated
    assert message.sensor.kind == "camera"
    assert (message.sensor.lat, message.sensor.lon, message.sensor.alt_m) == (22.5, 104.0, 1008.0)


def test_feet_are_the_bottom_centre_half_a_pixel_up_and_left_of_the_corner(
    device: DeviceConfig, frame: Frame
) -> None:
    (found,) = Pipeline(device, Sees([WALKER]), boot_id="b").message(frame).detections
    (feet,) = place(
        np.array([[319.5, 299.5]]),
        device.camera,
        device.pose,
        device.pose_sigma,
        device.ground,
        pixel_sigma_px=3.0,
    )
    assert feet is not None
    assert (found.lat, found.lon) == pytest.approx((feet.lat, feet.lon), abs=1e-9)
    assert found.cov_m2 == pytest.approx(feet.cov_m2)
    assert found.cov_bias_m2 == pytest.approx(feet.cov_bias_m2)
    assert found.bbox == pytest.approx((300 / 768, 200 / 576, 340 / 768, 300 / 576), abs=1e-5)
    assert (found.track_id, found.label, found.confidence) == (5, "person", 0.8)
    assert not found.truncated


def test_a_smaller_stream_of_the_same_camera_gives_the_same_places(
    device: DeviceConfig, noon: UtcTime
) -> None:
    whole = Pipeline(device, Sees([WALKER]), boot_id="b").message(Frame(picture(), noon))
    half_box = box(150.0, 100.0, 170.0, 150.0)
    half = Pipeline(device, Sees([half_box]), boot_id="b").message(Frame(picture(384, 288), noon))
    assert half.detections[0].lat == pytest.approx(whole.detections[0].lat, abs=1e-9)
    assert half.detections[0].bbox == whole.detections[0].bbox


def test_a_picture_of_another_shape_is_refused(device: DeviceConfig, noon: UtcTime) -> None:
    with pytest.raises(RefusedError, match=r"device\.toml: .*768 x 576.* 640 x 360"):
        Pipeline(device, Sees([]), boot_id="b").message(Frame(picture(640, 360), noon))


def test_boxes_above_the_horizon_are_dropped_and_counted(
    write_device: Callable[..., Path], frame: Frame
) -> None:
    device = load_device(write_device(("pitch_deg = -25.0", "pitch_deg = 0.0")))
    in_the_sky = box(300.0, 10.0, 320.0, 60.0)
    pipeline = Pipeline(device, Sees([in_the_sky, box(300.0, 400.0, 340.0, 500.0)]), boot_id="b")
    assert len(pipeline.message(frame).detections) == 1
    assert pipeline.dropped[AT_HORIZON] == 1


def test_a_box_cut_by_the_bottom_edge_says_so_and_is_less_sure(
    device: DeviceConfig, frame: Frame
) -> None:
    cut, whole = box(300.0, 400.0, 340.0, 576.0), box(300.0, 400.0, 340.0, 570.0)
    first, second = Pipeline(device, Sees([cut, whole]), boot_id="b").message(frame).detections
    assert (first.truncated, second.truncated) == (True, False)
    assert sum(first.cov_m2[::2]) > sum(second.cov_m2[::2])


def test_a_moving_camera_is_placed_by_the_pose_of_its_frame(
    device: DeviceConfig, noon: UtcTime
) -> None:
    pipeline = Pipeline(device, Sees([WALKER]), boot_id="b")
    there = Pose(22.6, 104.1, 1120.0, 0.0, -45.0, 0.0)
    moved = pipeline.message(Frame(picture(), noon, pose=there))
    assert (moved.sensor.lat, moved.sensor.lon, moved.sensor.alt_m) == (22.6, 104.1, 1120.0)
    assert moved.detections[0].lat == pytest.approx(22.601, abs=3e-4)
    status = pipeline.status(now=noon, fps=1, frame_age_s=None, queue_depth=0, number=0)
    assert status.sensor == moved.sensor


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    x1=st.floats(-50.0, 800.0),
    y1=st.floats(-50.0, 600.0),
    width=st.floats(0.0, 900.0),
    height=st.floats(0.0, 700.0),
    confidence=st.floats(-0.01, 1.01),
)
def test_whatever_box_a_detector_gives_the_message_is_valid(
    device: DeviceConfig,
    frame: Frame,
    x1: float,
    y1: float,
    width: float,
    height: float,
    confidence: float,
) -> None:
    given_box = box(x1, y1, x1 + width, y1 + height, confidence=confidence)
    message = Pipeline(device, Sees([given_box]), boot_id="b").message(frame)
    assert decode("tuanbien/v1/ha-giang/cam-07/detections", encode(message)) == message


def test_a_crowd_beyond_what_a_message_holds_is_cut_to_the_surest(
    device: DeviceConfig, frame: Frame
) -> None:
    crowd = [
        box(300.0 + i / 10, 400.0, 340.0 + i / 10, 500.0, confidence=i / 1000) for i in range(900)
    ]
    pipeline = Pipeline(device, Sees(crowd), boot_id="b")
    message = pipeline.message(frame)
    assert len(message.detections) + pipeline.dropped[TOO_MANY] == 900
    assert min(found.confidence for found in message.detections) >= 0.5
    decode("tuanbien/v1/ha-giang/cam-07/detections", encode(message))


def test_ids_are_the_same_for_the_same_boot_and_frame_and_differ_otherwise(
    device: DeviceConfig, frame: Frame
) -> None:
    def ids(boot_id: str) -> list[str]:
        pipeline = Pipeline(device, Sees([]), boot_id=boot_id)
        return [pipeline.message(frame).message_id for _ in range(3)]

    assert ids("b1") == ids("b1")
    assert len({*ids("b1"), *ids("b2")}) == 6


def test_a_run_takes_every_frame_and_says_at_once_how_the_device_is(
    device: DeviceConfig, noon: UtcTime
) -> None:
    frames = [Frame(picture(), noon.after(number / 10)) for number in range(4)]
    film, sink = Film(frames), Kept()
    detector = Sees([], [WALKER], [WALKER, WALKER])
    done = run(device, film, detector, sink, clock=lambda: noon, stop=threading.Event())
    assert (done.frames, done.detections) == (4, 5)
    assert [message.seq for message in sink.messages] == [0, 1, 2, 3]
    assert film.closed.is_set()
    first = sink.statuses[0]
    assert first.online
    assert first.sensor is not None
    assert first.footprint is not None
    assert (first.captured_at, first.frame_age_s, first.queue_depth) == (noon, 0.25, 0)
    assert decode("tuanbien/v1/ha-giang/cam-07/status", encode(first)) == first


def test_a_run_may_be_told_how_many_frames(device: DeviceConfig, noon: UtcTime) -> None:
    film, sink = Film([Frame(picture(), noon)] * 9), Kept()
    done = run(
        device, film, Sees([]), sink, clock=lambda: noon, stop=threading.Event(), most_frames=3
    )
    assert done.frames == len(sink.messages) == 3


class Chokes(Sees):
    """A detector that fails on its second picture."""

    def __init__(self) -> None:
        super().__init__([])
        self._number = 0

    def detect(self, image: Image) -> list[Detection]:
        self._number += 1
        if self._number == 2:
            msg = "the detector failed on a picture of 768 x 576"
            raise RefusedError(msg)
        return super().detect(image)


@pytest.mark.parametrize("what", ["detector", "shape"])
def test_one_bad_frame_does_not_end_a_stream_but_a_recording(
    device: DeviceConfig, noon: UtcTime, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    middle = picture(640, 360) if what == "shape" else picture()
    film = [Frame(picture(), noon), Frame(middle, noon), Frame(picture(), noon)]

    def watched(*, live: bool) -> RunSummary:
        detector = Chokes() if what == "detector" else Sees([])
        return run(
            device,
            Film(film),
            detector,
            Kept(),
            clock=lambda: noon,
            stop=threading.Event(),
            live=live,
        )

    done = watched(live=True)
    assert (done.frames, done.frames_bad) == (2, 1)
    assert caplog.text.count("left out") == 1
    with pytest.raises(RefusedError):
        watched(live=False)


@pytest.mark.parametrize("broken", [True, False])
def test_a_detector_that_fails_for_a_minute_ends_a_stream(
    device: DeviceConfig, noon: UtcTime, *, broken: bool
) -> None:
    """A GPU that failed once fails on every picture, while the device looked online and calm."""

    class Fails(Sees):
        def detect(self, image: Image) -> list[Detection]:
            if image[0, 0, 0] == 7:
                msg = "the detector failed on a picture of 768 x 576 (CUDA error)"
                raise RefusedError(msg)
            return super().detect(image)

    bad = picture()
    bad[0, 0] = 7
    film = [Frame(picture(), noon)]
    # After an outage of its own the first bad picture says nothing yet.
    film += [Frame(bad, noon.after(second)) for second in range(300, 360)]
    film += [Frame(bad if broken else picture(), noon.after(361.0))]
    kept = Kept()

    def watched() -> RunSummary:
        return run(
            device,
            Film(film),
            Fails([]),
            kept,
            clock=lambda: noon,
            stop=threading.Event(),
            live=True,
        )

    if broken:
        with pytest.raises(RefusedError, match="CUDA error"):
            watched()
        assert len(kept.messages) == 1
    else:
        assert (watched().frames_bad, len(kept.messages)) == (60, 2)


def test_a_stream_whose_first_picture_has_another_shape_is_refused(
    device: DeviceConfig, noon: UtcTime
) -> None:
    film = Film([Frame(picture(640, 360), noon)])
    with pytest.raises(RefusedError, match=r"768 x 576.* 640 x 360"):
        run(
            device,
            film,
            Sees([]),
            Kept(),
            clock=lambda: noon,
            stop=threading.Event(),
            live=True,
        )
    assert film.closed.is_set()


def test_a_status_says_blind_where_a_message_would_say_quiet(
    device: DeviceConfig, noon: UtcTime, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = Pipeline(device, Sees([]), boot_id="b")

    def status(frame_age_s: float | None) -> StatusMessage:
        return pipeline.status(now=noon, fps=1.0, frame_age_s=frame_age_s, queue_depth=0, number=0)

    assert status(None).scene is None
    assert pipeline.message(Frame(picture(), noon)).detections == ()
    assert status(0.1).scene is Scene.DARK
    assert "the picture is dark: 100% of it black, mean 0 of 255" in caplog.text
    structure = np.random.default_rng(1).integers(0, 255, (144, 192, 3), np.uint8)
    lit = np.kron(structure, np.ones((4, 4, 1), np.uint8))
    for second in range(1, 20):
        pipeline.message(Frame(lit + np.uint8(second), noon.after(second)))
    assert status(0.1).scene is Scene.CLEAR
    assert status(60.0).scene is None


def test_a_dead_camera_is_reported_and_does_not_hold_up_the_end(
    device: DeviceConfig, noon: UtcTime
) -> None:
    film, sink, stop = DeadCamera([]), Kept(), threading.Event()
    working = threading.Thread(
        target=run,
        args=(device, film, Sees([]), sink),
        kwargs={"clock": lambda: noon, "stop": stop},
    )
    working.start()
    assert sink.status_came.wait(5.0)
    stop.set()
    working.join(5.0)
    assert not working.is_alive()
    assert sink.statuses[0].frame_age_s is None
    assert sink.statuses[0].fps == 0.0
    assert sink.messages == []


@pytest.mark.parametrize(("off_deg", "claimed_deg"), [(1.5, 1.5), (None, LOST_DEG)])
def test_a_camera_that_was_knocked_claims_less_and_loses_nobody(
    device: DeviceConfig, frame: Frame, off_deg: float | None, claimed_deg: float
) -> None:
    """It went on claiming metres, with a pose that was no longer true."""
    car = WALKER._replace(label="car")  # whose height says nothing
    pipeline = Pipeline(device, Sees([car]), boot_id="b1")
    (before,) = pipeline.message(frame).detections
    pipeline._watch = Watched(Scene.MOVED, off_deg, frame.captured_at)
    (moved,) = pipeline.message(frame).detections
    sigma = device.pose_sigma
    turned = sigma._replace(
        **{name: np.hypot(getattr(sigma, name), claimed_deg) for name in sigma._fields[2:]}
    )
    (expected,) = (
        Pipeline(replace(device, pose_sigma=turned), Sees([car]), boot_id="b1")
        .message(frame)
        .detections
    )
    assert moved == expected
    assert moved.cov_m2[0] + moved.cov_m2[2] > before.cov_m2[0] + before.cov_m2[2]
    pipeline._watch = Watched(Scene.CLEAR, None, frame.captured_at)
    assert pipeline.message(frame).detections == (before,)
