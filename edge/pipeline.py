"""Frames to messages: detect, place on the ground, say so; one message a frame, also if empty."""

import logging
import secrets
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final, Protocol

import numpy as np

from edge import messages
from edge.config import DeviceConfig
from edge.detector import Detection
from edge.frames import Clock, Frame, FrameSource, Image
from edge.georeference import Placed, footprint, place
from edge.hidden_feet import PERSON, contact_sigma_px, place_cut
from edge.messages import (
    Bbox,
    DetectionsMessage,
    RefusedError,
    Scene,
    Sensor,
    StatusMessage,
    UtcTime,
)
from edge.scene import SceneWatch
from edge.stature import weigh_height
from edge.telemetry import PoseAt

VERSION: Final = version("tuanbien")
STATUS_EVERY_S: Final = 5.0
BEFORE_FIRST: Final = "before_first_frame"
AT_HORIZON: Final = "at or above the horizon"
TOO_MANY: Final = "more than a message holds"
# At some 400 bytes each, well within the contract's 256 KiB.
MOST_DETECTIONS: Final = 400

# A box that ends so near to the picture's edge, as a share of its height, may go on beyond.
_EDGE_SHARE: Final = 0.005
_LOOK_EVERY_S: Final = 0.2
_ASPECT_TOLERANCE: Final = 0.01
_NAMESPACE: Final = uuid.UUID("6f1c8a52-2f2e-5c39-9d0e-7d1f5a3b9c40")
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


class Teller:
    """One device's boxes to messages, whoever found them; and how the device is."""

    def __init__(self, config: DeviceConfig, *, boot_id: str, simulated: bool = False) -> None:
        self.dropped: Counter[str] = Counter()
        self.frames_unposed: Counter[str] = Counter()  # of a flight, by what its log lacks there
        self.pose = config.pose
        self.camera = config.camera
        # Why nothing can be placed now; a flight has no pose before its first frame.
        self.unposed: str | None = None if config.flight is None else BEFORE_FIRST
        self._config = config
        self._boot_id = boot_id
        self._simulated = simulated
        self._seq = 0

    def tell(
        self,
        boxes: list[Detection],
        captured_at: UtcTime,
        *,
        size_px: tuple[int, int],
        message_id: str | None = None,
    ) -> DetectionsMessage:
        """Say what one picture shows and where it is.

        Args:
            boxes: What was found in it.
            captured_at: When it was taken.
            size_px: Its width and height.
            message_id: The name of the message; None: derived from the boot and a count.
        """
        width_px, height_px = size_px
        boxes = sorted(boxes, key=lambda box: box.confidence, reverse=True)
        if len(boxes) > MOST_DETECTIONS:
            self.dropped[TOO_MANY] += len(boxes) - MOST_DETECTIONS
            del boxes[MOST_DETECTIONS:]
        placed = self._place(boxes, width_px, height_px)
        self.dropped[self.unposed or AT_HORIZON] += placed.count(None)
        message = DetectionsMessage(
            v=1,
            message_id=message_id or derived_id(self._config, self._boot_id, f"{self._seq}"),
            device_id=self._config.device_id,
            sector=self._config.sector,
            boot_id=self._boot_id,
            seq=self._seq,
            captured_at=captured_at,
            simulated=self._simulated,
            sensor=self._sensor(),
            detections=tuple(
                _detection(box, where, width_px, height_px)
                for box, where in zip(boxes, placed, strict=True)
                if where is not None
            ),
        )
        self._seq += 1
        return message

    def status(
        self, *, now: UtcTime, fps: float, frame_age_s: float | None, queue_depth: int, number: int
    ) -> StatusMessage:
        """Say how the device is; `number` counts the status messages of this boot."""
        return StatusMessage(
            v=1,
            message_id=derived_id(self._config, self._boot_id, f"status-{number}"),
            device_id=self._config.device_id,
            sector=self._config.sector,
            boot_id=self._boot_id,
            captured_at=now,
            simulated=self._simulated,
            online=True,
            sensor=self._sensor(),
            fps=round(fps, 2),
            frame_age_s=None if frame_age_s is None else round(frame_age_s, 3),
            scene=self._scene(frame_age_s),
            queue_depth=queue_depth,
            version=VERSION,
            footprint=(
                footprint(self.camera, self.pose, self._config.ground)
                if self.unposed is None
                else None
            ),
        )

    def follow(self, flown: PoseAt) -> None:
        """Take the pose of a frame from its flight log, and the zoom; or why there is none."""
        pose = flown.pose
        self.unposed = None if pose is not None else flown.quality.value
        if pose is not None:
            self.pose = pose
        elif flown.lat is not None and flown.lon is not None:
            self.pose = self.pose._replace(lat=flown.lat, lon=flown.lon)
        if self.unposed is not None:
            self.frames_unposed[self.unposed] += 1
        if flown.hfov_deg is not None:
            self.camera = self._config.camera.zoomed(flown.hfov_deg)

    def _scene(self, frame_age_s: float | None) -> Scene | None:
        """Return whether the picture is fit to be trusted; None: nobody here looks at one."""
        del frame_age_s
        return None

    def _sensor(self) -> Sensor:
        return Sensor(
            kind=self._config.kind,
            lat=self.pose.lat,
            lon=self.pose.lon,
            alt_m=self.pose.alt_m if self.unposed is None else None,
        )

    def _place(self, boxes: list[Detection], width_px: int, height_px: int) -> list[Placed | None]:
        """Place each box's ground contact: its bottom centre, or what may be below the edge."""
        if not boxes or self.unposed is not None:
            return [None] * len(boxes)
        config, camera = self._config, self.camera
        x1, y1, x2, y2 = np.array([box.bbox_px for box in boxes], dtype=np.float64).T
        scale = np.array((camera.width_px / width_px, camera.height_px / height_px))
        # Boxes are measured from the picture's corner, pixels from the corner pixel's centre.
        bottom = np.column_stack(((x1 + x2) / 2.0, y2)) * scale - 0.5
        whole_px = np.column_stack((x1, y1, x2, y2)) * np.tile(scale, 2)
        feet_sigma_px = contact_sigma_px(whole_px, config.detector.pixel_sigma)
        placed = place(
            bottom,
            camera,
            self.pose,
            config.pose_sigma,
            config.ground,
            pixel_sigma_px=feet_sigma_px,
        )
        top = np.column_stack(((x1 + x2) / 2.0, y1)) * scale - 0.5
        person = np.array([box.label == PERSON for box in boxes], dtype=np.bool_)
        with_head = person & (y1 > _EDGE_SHARE * height_px)
        is_cut = np.array([_is_cut(box, height_px) for box in boxes], dtype=np.bool_)
        placed = weigh_height(
            placed,
            bottom,
            top,
            upright=with_head & ~is_cut,
            camera=camera,
            pose=self.pose,
            sigma=config.pose_sigma,
            ground=config.ground,
            feet_sigma_px=feet_sigma_px,
            head_sigma_px=config.detector.pixel_sigma,
        )
        cut = np.flatnonzero(is_cut)
        if len(cut) == 0:
            return placed
        found = place_cut(
            bottom[cut],
            top[cut],
            with_head=with_head[cut],
            camera=camera,
            pose=self.pose,
            sigma=config.pose_sigma,
            ground=config.ground,
            pixel_sigma_px=config.detector.pixel_sigma,
        )
        for row, where in zip(cut, found, strict=True):
            placed[row] = where
        return placed


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
        boxes = self._detector.detect(frame.image)
        return self.tell(boxes, frame.captured_at, size_px=(width_px, height_px))

    def _scene(self, frame_age_s: float | None) -> Scene | None:
        return self._watch.said(frame_age_s)


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
) -> RunSummary:
    """Work until the source ends, `stop` is set or `most_frames` are done; close the source.

    Raises:
        RefusedError: The pictures have another shape than the camera, or the detector failed on
            one. Of a `live` source only the first picture is refused; later ones are left out.
    """
    boot_id = secrets.token_hex(4) if boot_id is None else boot_id
    pipeline = Pipeline(config, detector, boot_id=boot_id, simulated=simulated)
    reporter = StatusReporter(pipeline, source, sink, clock=clock, stop=stop)
    reporter.start()
    began_s, detections, bad = time.monotonic(), 0, 0
    try:
        for frame in source:
            try:
                message = pipeline.message(frame)
            except RefusedError as error:
                if not live or not reporter.frames:
                    raise
                if bad.bit_count() <= 1:  # the 1st, 2nd, 3rd, 5th, 9th, 17th …
                    _LOG.warning("%s; frame left out", error)
                bad += 1
                continue
            sink.publish(message)
            detections += len(message.detections)
            reporter.frames += 1
            if stop.is_set() or reporter.frames == most_frames:
                break
    finally:
        source.close()
        reporter.finish()
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


def derived_id(config: DeviceConfig, *parts: str) -> str:
    """Derive an id from what the message is, so that a repeated one is recognised."""
    name = "/".join((config.sector, config.device_id, *parts))
    return str(uuid.uuid5(_NAMESPACE, name))


def _detection(box: Detection, where: Placed, width_px: int, height_px: int) -> messages.Detection:
    return messages.Detection(
        track_id=box.track_id,
        label=box.label,
        confidence=min(max(box.confidence, 0.0), 1.0),
        bbox=_fractions(box.bbox_px, width_px, height_px),
        lat=round(where.lat, 9),
        lon=round(where.lon, 9),
        cov_m2=where.cov_m2,
        cov_bias_m2=where.cov_bias_m2,
        grazing=where.grazing,
        truncated=_is_cut(box, height_px),
    )


def _is_cut(box: Detection, height_px: int) -> bool:
    """Tell whether a box touches the picture's lower edge, so that its feet may be hidden."""
    return box.bbox_px[3] >= height_px - max(1.0, _EDGE_SHARE * height_px)


def _fractions(bbox_px: tuple[float, float, float, float], width_px: int, height_px: int) -> Bbox:
    """Return the part of a box inside the picture as fractions of it."""
    x1, x2 = (round(min(max(x / width_px, 0.0), 1.0), 5) for x in bbox_px[::2])
    y1, y2 = (round(min(max(y / height_px, 0.0), 1.0), 5) for y in bbox_px[1::2])
    return x1, y1, x2, y2
