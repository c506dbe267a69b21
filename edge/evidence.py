"""Crops of what was detected, for people to look at: few, small, and nobody is recognised.

    picture + message ─▶ whose view is new or clearly better? ─▶ box with a margin ─▶ JPEG
                              └ too many of late: it waits, and is counted if it never comes

A crop shows what raised an alert to the person who judges it. No face is looked for. The JPEG
comes from the pixels alone, so it holds neither a place nor a camera's name (no EXIF).
"""

import hashlib
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, NamedTuple

import cv2
from msgspec.structs import replace

from edge.config import DeviceConfig
from edge.frames import Image
from edge.messages import Bbox, Detection, DetectionsMessage, EvidenceMessage
from edge.teller import derived_id

MOST_PX: Final = 640  # longer side; more shows no more of somebody at a distance
MOST_BYTES: Final = 200_000  # of the JPEG: a third more on the wire, far within the contract's
TOO_OFTEN: Final = "more crops than most_per_min"
TOO_MANY_WAIT: Final = "too many crops wait for the broker"
TOO_LARGE: Final = "a crop that no quality makes small enough"
_LOOKS: Final = 3  # of the device's own tracker, from which on a track is no flicker
_BETTER: Final = 1.4  # times as large and sure as the best so far
_LEAST_SIDE_PX: Final = 24  # around somebody tiny: where they are, if not who
_GONE_S: Final = 60.0  # a track not seen for so long is forgotten
_MOST_TRACKS: Final = 1000
_MINUTE_S: Final = 60.0
_LEAST_QUALITY: Final = 30
_QUALITY_STEP: Final = 20


class _Seen(NamedTuple):
    """What is known of one of the device's tracks."""

    at_s: float
    looks: int
    best: float  # of the views that were cropped; 0: none
    waits: bool  # one is wanted and was not allowed yet


class EvidenceCropper:
    """Chooses the detections of one device that are worth a crop, and cuts them out."""

    def __init__(self, config: DeviceConfig, send: Callable[[EvidenceMessage], None]) -> None:
        """Crop as a device file wishes; `send` takes each crop away."""
        self.dropped: Counter[str] = Counter()
        self.sent = 0
        self._config = config
        self._wish = config.evidence
        self._send = send
        self._tracks: dict[int, _Seen] = {}
        self._made_s: deque[float] = deque()  # when, within the last minute
        self._waiting: list[EvidenceMessage] = []

    def see(self, image: Image, message: DetectionsMessage) -> DetectionsMessage:
        """Return a message that names the crops of its picture; `send_all` sends them after it."""
        at_s = message.captured_at.timestamp()
        self._forget(at_s)
        told = list(message.detections)
        for number, one in enumerate(told):
            if one.track_id is None or not self._is_wanted(one.track_id, _view(one, image), at_s):
                continue
            jpeg = cropped(image, one.bbox, margin=self._wish.margin, quality=self._wish.quality)
            if jpeg is None:
                self.dropped[TOO_LARGE] += 1
                continue
            crop = self._message(message, number, jpeg)
            told[number] = replace(one, evidence_id=crop.evidence_id)
            self._waiting.append(crop)
        return replace(message, detections=tuple(told)) if self._waiting else message

    def send_all(self) -> None:
        """Send what the last picture gave: after its message, never before it."""
        for crop in self._waiting:
            self._send(crop)
        self.sent += len(self._waiting)
        self._waiting = []

    def close(self) -> None:
        """Count what was wanted and never came."""
        self._forget(float("inf"))

    def _is_wanted(self, track_id: int, view: float, at_s: float) -> bool:
        """Tell whether a view is the first sure one of its track, or a far better one."""
        known = self._tracks.get(track_id, _Seen(at_s, 0, 0.0, waits=False))
        looks, best, waits = known.looks + 1, known.best, known.waits
        wanted = looks >= _LOOKS and view > _BETTER * best
        allowed = wanted and self._is_allowed(at_s)
        if wanted:
            best, waits = (view, False) if allowed else (best, waits or best == 0.0)
        if track_id in self._tracks or len(self._tracks) < _MOST_TRACKS:
            self._tracks[track_id] = _Seen(at_s, looks, best, waits)
        return allowed

    def _is_allowed(self, at_s: float) -> bool:
        """Count one more crop, unless the last minute had its share."""
        while self._made_s and not 0.0 <= at_s - self._made_s[0] < _MINUTE_S:
            self._made_s.popleft()
        if len(self._made_s) >= self._wish.most_per_min:
            return False
        self._made_s.append(at_s)
        return True

    def _forget(self, at_s: float) -> None:
        for name in [name for name, one in self._tracks.items() if at_s - one.at_s > _GONE_S]:
            if self._tracks.pop(name).waits:
                self.dropped[TOO_OFTEN] += 1

    def _message(self, message: DetectionsMessage, number: int, jpeg: bytes) -> EvidenceMessage:
        evidence_id = derived_id(self._config, message.message_id, f"evidence-{number}")
        return EvidenceMessage(
            v=1,
            message_id=evidence_id,
            evidence_id=evidence_id,
            device_id=message.device_id,
            sector=message.sector,
            boot_id=message.boot_id,
            captured_at=message.captured_at,
            simulated=message.simulated,
            sha256=hashlib.sha256(jpeg).hexdigest(),
            jpeg=jpeg,
        )


def cropped(image: Image, bbox: Bbox, *, margin: float, quality: int) -> bytes | None:
    """Cut a box out of a picture, as a JPEG of at most `MOST_PX` a side and `MOST_BYTES`.

    Args:
        image: (height, width, 3), blue, green, red.
        bbox: x1, y1, x2, y2 as fractions of the picture.
        margin: On each side, as a share of the box's longer side.
        quality: Of the JPEG, 30 to 95; lowered where it would be too large.

    Returns:
        The JPEG; None: it is too large at any quality.
    """
    height_px, width_px = image.shape[:2]
    x1, x2 = (fraction * width_px for fraction in bbox[::2])
    y1, y2 = (fraction * height_px for fraction in bbox[1::2])
    around_px = margin * max(x2 - x1, y2 - y1)
    left, right = _grown(x1 - around_px, x2 + around_px, width_px)
    top, bottom = _grown(y1 - around_px, y2 + around_px, height_px)
    part = image[top:bottom, left:right]
    longer_px = max(part.shape[:2])
    if longer_px > MOST_PX:
        scale = MOST_PX / longer_px
        size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    for lower in range(quality, min(quality, _LEAST_QUALITY) - 1, -_QUALITY_STEP):
        done, jpeg = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, lower])
        if done and jpeg.nbytes <= MOST_BYTES:
            return jpeg.tobytes()
    return None


def _grown(begin: float, end: float, whole_px: int) -> tuple[int, int]:
    """Return whole pixels within a picture, no fewer than make a picture of their own."""
    lacks = max(0.0, _LEAST_SIDE_PX - (end - begin)) / 2.0
    first = min(max(0, int(begin - lacks)), whole_px - 1)
    return first, min(max(first + 1, round(end + lacks)), whole_px)


def _view(one: Detection, image: Image) -> float:
    """Return how much of somebody a detection shows: pixels of its longer side, times how sure."""
    height_px, width_px = image.shape[:2]
    x1, y1, x2, y2 = one.bbox
    return one.confidence * max(float((x2 - x1) * width_px), float((y2 - y1) * height_px), 1.0)
