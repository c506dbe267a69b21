"""One device's boxes to messages, whoever found them; and how the device is."""

import math
import uuid
from collections import Counter
from importlib.metadata import version
from typing import Final

from edge import messages
from edge.config import DeviceConfig
from edge.detector import Detection
from edge.georeference import Placed
from edge.ground_contact import is_cut, place_boxes
from edge.messages import Bbox, DetectionsMessage, Scene, Sensor, StatusMessage, UtcTime
from edge.motion import NO_DRIFT
from edge.telemetry import PoseAt
from edge.view import View, view_from

VERSION: Final = version("tuanbien")
BEFORE_FIRST: Final = "before_first_frame"
MOVED: Final = "the camera has moved, and its ground is known by its picture alone"
LOST_DEG: Final = 5.0  # one sigma of each angle of a camera that looks who knows where
TOO_MANY: Final = "more than a message holds"
# At some 400 bytes each, well within the contract's 256 KiB.
MOST_DETECTIONS: Final = 400

_NAMESPACE: Final = uuid.UUID("6f1c8a52-2f2e-5c39-9d0e-7d1f5a3b9c40")


class Teller:
    """One device's boxes to messages, whoever found them; and how the device is."""

    def __init__(self, config: DeviceConfig, *, boot_id: str, simulated: bool = False) -> None:
        self.dropped: Counter[str] = Counter()
        self.frames_unposed: Counter[str] = Counter()  # of a flight, by what its log lacks there
        self.pose = config.pose
        self.camera = config.camera
        self.pose_sigma = config.pose_sigma
        self.drift = NO_DRIFT  # what the lens does in one sigma of the log's time
        # Why nothing can be placed now; a flight has no pose before its first frame.
        self.unposed: str | None = None if config.flight is None else BEFORE_FIRST
        self._config = config
        self._boot_id = boot_id
        self._simulated = simulated or config.simulated
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
        placed: list[Placed | None] = [None] * len(boxes)
        if self.unposed is None:
            placed = place_boxes(boxes, self._view(), size_px=size_px)
        nowhere = placed.count(None)
        if nowhere:
            self.dropped[self.unposed or self._view().why_nowhere()] += nowhere
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
            footprint=self._view().footprint() if self.unposed is None else None,
        )

    def follow(self, flown: PoseAt) -> None:
        """Take the pose of a frame from its flight log, its error and the zoom; or why not."""
        pose = flown.pose
        self.unposed = None if pose is not None else flown.quality.value
        if pose is not None:
            self.pose = pose
            self.pose_sigma = flown.widened(self._config.pose_sigma)
            self.drift = flown.drift(self._config.time_sigma_s)
        elif flown.lat is not None and flown.lon is not None:
            self.pose = self.pose._replace(lat=flown.lat, lon=flown.lon)
        if self.unposed is not None:
            self.frames_unposed[self.unposed] += 1
        self.camera = flown.camera(self._config.camera)

    def distrust(self, off_deg: float) -> None:
        """Claim less of a fixed camera that looks so far beside where it was surveyed.

        At 0 it claims what its file says. Ground that is known by its picture alone is lost.
        """
        known = self._config.pose_sigma
        self.unposed = MOVED if off_deg and self._config.plane is not None else None
        self.pose_sigma = known._replace(
            yaw_deg=math.hypot(known.yaw_deg, off_deg),
            pitch_deg=math.hypot(known.pitch_deg, off_deg),
            roll_deg=math.hypot(known.roll_deg, off_deg),
        )

    def _view(self) -> View:
        return view_from(
            self._config,
            camera=self.camera,
            pose=self.pose,
            sigma=self.pose_sigma,
            drift=self.drift,
        )

    def _scene(self, frame_age_s: float | None) -> Scene | None:
        """Return whether the picture is fit to be trusted; None: nobody here looks at one."""
        del frame_age_s
        return None

    def _sensor(self) -> Sensor:
        return Sensor(
            kind=self._config.kind,
            lat=self.pose.lat,
            lon=self.pose.lon,
            alt_m=(
                self.pose.alt_m if self.unposed is None and self._config.alt_is_known else None
            ),
        )


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
        truncated=is_cut(box, height_px),
    )


def _fractions(bbox_px: tuple[float, float, float, float], width_px: int, height_px: int) -> Bbox:
    """Return the part of a box inside the picture as fractions of it."""
    x1, x2 = (round(min(max(x / width_px, 0.0), 1.0), 5) for x in bbox_px[::2])
    y1, y2 = (round(min(max(y / height_px, 0.0), 1.0), 5) for y in bbox_px[1::2])
    return x1, y1, x2, y2
