"""Which of a camera's objects are ours, and where they are in its picture. Pure."""

import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from edge.camera import Camera
from edge.config import DeviceConfig
from edge.detector import Detection
from edge.onvif import Box, SceneObject

# ONVIF's classes, and common names beside them, in lower case.
LABELS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("human", "person", "pedestrian"), "person"),
    **dict.fromkeys(("vehicle", "vehical", "bike", "twowheeler"), "vehicle"),
    **dict.fromkeys(("motorcycle", "motorbike"), "motorcycle"),
    **{name: name for name in ("car", "truck", "bus", "van", "bicycle", "train", "animal")},
    **dict.fromkeys(("boat", "ship", "vessel"), "boat"),
}
# Their boxes do not end where anything touches the ground.
PARTS: Final = frozenset({"face", "humanface", "head", "licenseplate", "barcode", "torso"})
# Where a camera names a class and not how sure it is.
UNSTATED_LIKELIHOOD: Final = 0.5

NO_CLASS: Final = "no class that is reported"
PART: Final = "a face or plate: it touches no ground"
WEAK: Final = "below detector.confidence"
NO_BOX: Final = "no bounding box"
UPSIDE_DOWN: Final = "bounding box upside down or empty"
OUTSIDE: Final = "bounding box outside the picture"
# So far beyond the picture's edge, of a picture 2 across, a camera's rounding and its guess of a
# hidden part may reach.
MOST_OVERRUN: Final = 0.1
IMPOSSIBLE_LIKELIHOOD: Final = "likelihood outside 0 to 1"
# Below the 64 bits of a digest: whole numbers that every reader of JSON keeps exact.
_TRACK_ID_SHIFT: Final = 64 - 53


class LeftOut(Exception):  # noqa: N818 - most are no error: nobody asked for that class
    """An object that makes no detection, with the reason."""

    def __init__(self, reason: str, *, unread: bool = False) -> None:
        """Keep whether it is left out because it could not be read."""
        super().__init__(reason)
        self.unread = unread


class ObjectReader:
    """Turns a camera's objects into boxes, by the device file."""

    def __init__(self, config: DeviceConfig) -> None:
        """Take the classes from `detector.labels`, or `LABELS`."""
        wanted = config.detector.labels
        self._labels = LABELS if wanted is None else {k.lower(): v for k, v in wanted.items()}
        self._parts = PARTS - self._labels.keys()
        self._least = config.detector.confidence
        self._camera = config.camera

    def detection(self, found: SceneObject, module: str) -> Detection:
        """Return an object's box in the camera's picture.

        Raises:
            LeftOut: It has none, or is none of ours.
        """
        name, likelihood = self._class(found)
        if name in self._parts:
            raise LeftOut(PART)
        if not 0.0 <= likelihood <= 1.0:
            raise LeftOut(IMPOSSIBLE_LIKELIHOOD, unread=True)
        if likelihood < self._least:
            raise LeftOut(WEAK)
        if found.box is None:
            raise LeftOut(NO_BOX, unread=True)
        return Detection(
            bbox_px=pixels_of(found.box, self._camera),
            label=self._labels[name],
            confidence=likelihood,
            track_id=_track_id(found, module),
        )

    def _class(self, found: SceneObject) -> tuple[str, float]:
        """Return the likeliest class of those we know."""
        known = [
            (name.lower(), UNSTATED_LIKELIHOOD if likelihood is None else likelihood)
            for name, likelihood in found.types
            if name.lower() in self._labels or name.lower() in self._parts
        ]
        if not known:
            raise LeftOut(NO_CLASS)
        return max(known, key=lambda one: one[1])


def pixels_of(box: Box, camera: Camera) -> tuple[float, float, float, float]:
    """Return the part of a box inside the picture: x1, y1, x2, y2, pixels from its top left.

    Raises:
        LeftOut: It is upside down, empty, no number, or outside the picture, wholly or far.
    """
    ordered = box.left < box.right and box.bottom < box.top
    if not (ordered and all(math.isfinite(side) for side in box)):
        raise LeftOut(UPSIDE_DOWN, unread=True)
    if box.right <= -1.0 or box.left >= 1.0 or box.top <= -1.0 or box.bottom >= 1.0:
        raise LeftOut(OUTSIDE, unread=True)
    if max(abs(side) for side in box) > 1.0 + MOST_OVERRUN:
        # Its feet are where nobody sees: cut at the edge they would stand in the picture.
        raise LeftOut(OUTSIDE, unread=True)
    left, top, right, bottom = (min(max(side, -1.0), 1.0) for side in box)
    return (
        (left + 1.0) / 2.0 * camera.width_px,
        (1.0 - top) / 2.0 * camera.height_px,
        (right + 1.0) / 2.0 * camera.width_px,
        (1.0 - bottom) / 2.0 * camera.height_px,
    )


def _track_id(found: SceneObject, module: str) -> int | None:
    """Make one number of what names an object: the same for the same name, for ever."""
    if found.uuid is None and found.object_id is None:
        return None
    name = f"{module}/{found.object_id}" if found.uuid is None else found.uuid
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest()) >> _TRACK_ID_SHIFT
