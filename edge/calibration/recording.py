"""What a recording holds of one device and one patrol: whom the camera saw, and where he walked.

A recording is what `tuanbien fusion record` writes: a line a message, in order of arrival. Times
in what is returned are seconds since 1970 by the sender's clock.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from edge.calibration.refusals import CalibrationError
from edge.camera import Camera, FloatArray
from edge.hidden_feet import EVENLY, PERSON, hidden_below_px
from edge.messages import (
    DetectionsMessage,
    InvalidMessageError,
    PositionMessage,
    Topic,
    decode,
)

# A box that reaches so near the lower edge hides where the feet are, whatever its message says.
_LOWEST_SHARE: Final = 0.995
_HALF_PX: Final = 0.5
_WANTED: Final = (DetectionsMessage.kind, PositionMessage.kind)
NO_LINE: Final = "no recording line"
NO_MESSAGE: Final = "message that breaks the contract"
OTHER_SECTOR: Final = "message of another sector"


class Sighting(NamedTuple):
    """The people in one picture."""

    at_s: float  # when it was taken
    feet_px: FloatArray  # (B, 2) where whole people touch the ground
    sigma_px: FloatArray  # (B,) one sigma of that


class Fixes(NamedTuple):
    """Where a patrol's receiver was, in order of time."""

    at_s: FloatArray  # (F,) ascending
    lat: FloatArray  # (F,)
    lon: FloatArray  # (F,)
    accuracy_m: FloatArray  # (F,) radius that holds 68 %


class Recording(NamedTuple):
    """One device's pictures and one unit's positions."""

    unit_id: str
    sightings: tuple[Sighting, ...]  # in order of time; pictures without people included
    fixes: Fixes
    skipped: dict[str, int]  # lines that could not be used, by reason
    first_bad: str | None  # the first of them: its line and what is wrong with it


class _Line(msgspec.Struct):
    received_at: str
    topic: str
    payload: msgspec.Raw


_DECODER: Final = msgspec.json.Decoder(_Line)


def open_recording(path: Path) -> Iterator[bytes]:
    """Give the lines of a file.

    Raises:
        CalibrationError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from file
    except OSError as error:
        msg = str(error.strerror or error)  # the caller names the file
        raise CalibrationError(msg) from error


def _written(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Give the lines that are not blank, with their numbers."""
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def read_recording(  # noqa: PLR0913 - whose picture it is
    lines: Iterable[bytes],
    *,
    device_id: str,
    sector: str,
    camera: Camera,
    pixel_sigma_px: float,
    unit_id: str | None = None,
) -> Recording:
    """Read what concerns one device and one unit; the rest is counted or passed over.

    Args:
        lines: Of the recording. What is no message of the contract is counted by its reason.
        device_id: Whose detections.
        sector: Theirs; positions of other sectors are left out.
        camera: Its picture's size.
        pixel_sigma_px: One sigma of where a box touches the ground.
        unit_id: Whose positions; None: of the only unit that there is.

    Raises:
        CalibrationError: It holds no detections of the device or no position of the unit.
    """
    skipped: Counter[str] = Counter()
    first_bad: str | None = None
    sightings: dict[str, Sighting] = {}
    positions: dict[str, PositionMessage] = {}
    messages = 0
    for number, line in _written(lines):
        try:
            reason, message = _message(line)
        except InvalidMessageError as error:
            reason, message = NO_MESSAGE, None
            first_bad = first_bad or f"line {number}: {error}"
        messages += message is not None
        if reason is not None:
            skipped[reason] += 1
            first_bad = first_bad or f"line {number}: {reason}"
        elif message is None:
            continue
        elif message.sector != sector:
            skipped[OTHER_SECTOR] += 1
        elif isinstance(message, PositionMessage):
            positions[message.message_id] = message
        elif message.device_id == device_id:
            sightings[message.message_id] = _sighting(message, camera, pixel_sigma_px)
    unusable = (
        "" if first_bad is None else f" (of what could not be used the first is {first_bad})"
    )
    if not sightings:
        msg = f"it holds no detections of device {device_id!r} in sector {sector!r}{unusable}"
        if not messages and first_bad is not None:
            msg = f"it is no recording: no line of it holds a message of ours ({first_bad})"
        raise CalibrationError(msg)
    unit_id = _unit(unit_id, {message.unit_id for message in positions.values()}, unusable)
    return Recording(
        unit_id=unit_id,
        sightings=tuple(sorted(sightings.values(), key=lambda sighting: sighting.at_s)),
        fixes=_fixes([m for m in positions.values() if m.unit_id == unit_id]),
        skipped=dict(skipped),
        first_bad=first_bad,
    )


def _message(line: bytes) -> tuple[str | None, DetectionsMessage | PositionMessage | None]:
    """Read one line; return why it is none, or its message if that is of a kind that counts.

    Raises:
        InvalidMessageError: Its message breaks the contract.
    """
    try:
        read = _DECODER.decode(line)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return NO_LINE, None
    if Topic.parse(read.topic).kind not in _WANTED:
        return None, None
    message = decode(read.topic, bytes(read.payload))
    if isinstance(message, DetectionsMessage | PositionMessage):
        return None, message
    return None, None


def _sighting(message: DetectionsMessage, camera: Camera, pixel_sigma_px: float) -> Sighting:
    """Take the people out of one message, as far as their feet are in the picture."""
    size = np.array((camera.width_px, camera.height_px), dtype=np.float64)
    boxes = np.array([box.bbox for box in message.detections]).reshape(-1, 4)
    boxes_px = boxes * np.tile(size, 2)
    # Boxes are measured from the picture's corner, pixels from the corner pixel's centre.
    feet_px = np.column_stack(((boxes_px[:, 0] + boxes_px[:, 2]) / 2.0, boxes_px[:, 3])) - _HALF_PX
    whole = np.array(
        [
            box.label == PERSON and not box.truncated and box.bbox[3] < _LOWEST_SHARE
            for box in message.detections
        ],
        dtype=np.bool_,
    )
    sigma_px = np.hypot(pixel_sigma_px, EVENLY * hidden_below_px(boxes_px))
    return Sighting(message.captured_at.timestamp(), feet_px[whole], sigma_px[whole])


def _unit(wanted: str | None, there: set[str], unusable: str) -> str:
    if not there:
        msg = (
            "it holds no position of any unit: did the patrol's receiver report to the broker?"
            f"{unusable}"
        )
        raise CalibrationError(msg)
    listed = ", ".join(sorted(there))
    if wanted is None and len(there) > 1:
        msg = f"it holds positions of several units: choose one by --unit, of {listed}"
        raise CalibrationError(msg)
    if wanted is not None and wanted not in there:
        msg = f"it holds no position of unit {wanted!r}, only of {listed}{unusable}"
        raise CalibrationError(msg)
    return wanted or listed


def _fixes(messages: list[PositionMessage]) -> Fixes:
    at_s, first = np.unique([m.captured_at.timestamp() for m in messages], return_index=True)
    numbers = np.array([(m.lat, m.lon, m.accuracy_m) for m in messages])[first]
    return Fixes(at_s, *numbers.T)
