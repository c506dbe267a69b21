"""Frames to messages: detect, place on the ground, say so; one message a frame, also if empty."""

import logging
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Final, Protocol

from edge.config import DeviceConfig
from edge.detector import Detection
from edge.evidence import EvidenceCropper
from edge.frames import Clock, Frame, FrameSource, Image
from edge.messages import DetectionsMessage, RefusedError, Scene, StatusMessage, UtcTime
from edge.scene import SceneWatch
from edge.teller import LOST_DEG, Teller

STATUS_EVERY_S: Final = 5.0

# A GPU that failed once fails until the process is a new one: better offline than blind.
_BLIND_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.2
_ASPECT_TOLERANCE: Final = 0.01
_LOG = logging.getLogger(__name__)


class Detector(Protocol):
    """Finds people and vehicles in pictures that follow each other."""

    def detect(self, image: Image) -> list[Detection]:
        """Return the boxes of one picture (height, width, 3)."""
        ...


class Watched(Protocol):
    """What a status tells about and a stop wakes: where the frames come from."""

    def frame_age_s(self, now: UtcTime) -> float | None:
        """Return how long ago the newest frame came, or None before the first."""
        ...

    def close(self) -> None:
        """End soon, from any thread."""
        ...


class Sink(Protocol):
    """Takes messages away."""

    @property
    def queue_depth(self) -> int:
        """How many messages wait to be taken over by the other side."""
        ...

    def publish(self, message: DetectionsMessage) -> None:
        """Hand over the message of one frame."""
        ...

    def publish_status(self, message: StatusMessage) -> None:
        """Hand over how the device is."""
        ...


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run came to."""

    frames: int
    detections: int
    dropped: dict[str, int]  # boxes that got no place on the ground, by reason
    frames_bad: int  # of a stream, left out: another shape, or the detector failed on them
    seconds: float
    frames_unposed: dict[str, int] = field(default_factory=dict)  # of a flight, by what it lacks

    @property
    def fps(self) -> float:
        """Frames a second of the whole run."""
        return self.frames / self.seconds if self.seconds > 0.0 else 0.0


class Pipeline(Teller):
    """One device's frames to messages."""

    def __init__(
        self,
        config: DeviceConfig,
        detector: Detector,
        *,
        boot_id: str,
        simulated: bool = False,
    ) -> None:
        super().__init__(config, boot_id=boot_id, simulated=simulated)
        self._detector = detector
        self._watch = SceneWatch(config.kind, config.camera)
        self._picture_px: tuple[int, int] | None = None

    def message(self, frame: Frame) -> DetectionsMessage:
        """Say what one frame shows and where it is.

        Raises:
            RefusedError: The picture has another shape than the device file's camera.
        """
        height_px, width_px = frame.image.shape[:2]
        if (width_px, height_px) != self._picture_px:
            check_shape(self._config, width_px, height_px)
            self._picture_px = (width_px, height_px)
        if frame.pose is not None:
            self.pose = frame.pose
        if frame.flown is not None:
            self.follow(frame.flown)
        new = self._watch.see(frame.image, frame.captured_at)
        if new is not None:
            level = logging.INFO if new.scene is Scene.CLEAR else logging.WARNING
            _LOG.log(level, "the picture is %s: %s", new.scene.value, new.reason)
        self._distrust()
        boxes = self._detector.detect(frame.image)
        return self.tell(boxes, frame.captured_at, size_px=(width_px, height_px))

    def _scene(self, frame_age_s: float | None) -> Scene | None:
        return self._watch.said(frame_age_s)

    def _distrust(self) -> None:
        """Claim less while the picture shows that the camera no longer looks where it did.

        Where nothing of the old view is found again, that is a new direction or just a new
        light: then people are not lost from sight, but nobody is sure where they are.
        """
        health = self._watch.health
        if self._config.flight is not None or health is None:
            return
        off_deg = 0.0
        if health.scene is Scene.MOVED:
            off_deg = LOST_DEG if self._watch.off_deg is None else self._watch.off_deg
        self.distrust(off_deg)


def run(  # noqa: PLR0913 - the composition of one device
    config: DeviceConfig,
    source: FrameSource,
    detector: Detector,
    sink: Sink,
    *,
    clock: Clock,
    stop: threading.Event,
    boot_id: str | None = None,
    simulated: bool = False,
    most_frames: int | None = None,
    live: bool = False,
    evidence: EvidenceCropper | None = None,
) -> RunSummary:
    """Work until the source ends, `stop` is set or `most_frames` are done; close the source.

    With `evidence`, crops follow the messages that name them.

    Raises:
        RefusedError: The pictures have another shape than the camera, or the detector failed on
            one. Of a `live` source only the first picture is refused; later ones are left out,
            unless nothing else has come for a minute.
    """
    boot_id = secrets.token_hex(4) if boot_id is None else boot_id
    pipeline = Pipeline(config, detector, boot_id=boot_id, simulated=simulated)
    reporter = StatusReporter(pipeline, source, sink, clock=clock, stop=stop)
    reporter.start()
    began_s, detections, bad = time.monotonic(), 0, 0
    blind_since: UtcTime | None = None
    try:
        for frame in source:
            try:
                message = pipeline.message(frame)
            except RefusedError as error:
                blind_since = blind_since or frame.captured_at
                blind_s = frame.captured_at.seconds_since(blind_since)
                if not live or not reporter.frames or blind_s > _BLIND_S:
                    raise
                if bad.bit_count() <= 1:  # the 1st, 2nd, 3rd, 5th, 9th, 17th …
                    _LOG.warning("%s; frame left out", error)
                bad += 1
                continue
            blind_since = None
            if evidence is None:
                sink.publish(message)
            else:
                sink.publish(evidence.see(frame.image, message))
                evidence.send_all()
            detections += len(message.detections)
            reporter.frames += 1
            if stop.is_set() or reporter.frames == most_frames:
                break
    finally:
        source.close()
        reporter.finish()
        if evidence is not None:
            evidence.close()
    for reason, count in (+pipeline.dropped).items():
        _LOG.info("%d boxes left out: %s", count, reason)
    return RunSummary(
        frames=reporter.frames,
        detections=detections,
        dropped=dict(+pipeline.dropped),
        frames_bad=bad,
        seconds=time.monotonic() - began_s,
        frames_unposed=dict(pipeline.frames_unposed),
    )


class StatusReporter(threading.Thread):
    """Says every 5 s how the device is, also while its source gives nothing.

    It also wakes a source that waits for a dead camera when the run shall stop.
    """

    def __init__(
        self,
        teller: Teller,
        source: Watched,
        sink: Sink,
        *,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        super().__init__(name="status", daemon=True)
        self.frames = 0
        self._teller = teller
        self._source = source
        self._sink = sink
        self._clock = clock
        self._stop_wanted = stop
        self._done = threading.Event()

    def run(self) -> None:
        """Report until the run is over."""
        number, frames_before, last_s = 0, 0, time.monotonic()
        self._report(number, fps=0.0)
        while not self._done.wait(_LOOK_EVERY_S):
            if self._stop_wanted.is_set():
                self._source.close()
            passed_s = time.monotonic() - last_s
            if passed_s < STATUS_EVERY_S:
                continue
            number += 1
            self._report(number, fps=(self.frames - frames_before) / passed_s)
            frames_before, last_s = self.frames, last_s + passed_s

    def finish(self) -> None:
        """Stop reporting."""
        self._done.set()
        self.join()

    def _report(self, number: int, *, fps: float) -> None:
        now = self._clock()
        self._sink.publish_status(
            self._teller.status(
                now=now,
                fps=fps,
                frame_age_s=self._source.frame_age_s(now),
                queue_depth=self._sink.queue_depth,
                number=number,
            )
        )


def check_shape(config: DeviceConfig, width_px: int, height_px: int) -> None:
    """Hold a picture against the camera; another size is fine, another shape is not.

    Raises:
        RefusedError: The picture has another shape than the device file's camera.
    """
    camera = config.camera
    stretch = (width_px * camera.height_px) / (height_px * camera.width_px)
    if abs(stretch - 1.0) > _ASPECT_TOLERANCE:
        msg = (
            f"{config.path}: camera.width x camera.height is "
            f"{camera.width_px} x {camera.height_px}, the pictures are "
            f"{width_px} x {height_px}, which is another shape"
        )
        raise RefusedError(msg)
