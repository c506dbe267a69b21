"""What an ONVIF Profile M camera says over MQTT: metadata and events, as JSON. Pure.

```
  TopicPrefix/onvif-mj/VideoAnalytics/<profile token>/<analytics module>     metadata
  TopicPrefix/onvif-ej/<topic>/&<source tokens>                              events

        y
      1 +-----------+-----------+         Boxes are normalised, whatever coordinates the camera
        |     left,top          |         counts in: a frame, and in it an appearance, may carry
        |        +--+           |         a Transformation, p -> p * scale + translate, the inner
        +--------|--|-----------+ x       one applied first. y is up, so top > bottom.
        |        +--+           |
        |     right,bottom      |
     -1 +-----------+-----------+
       -1                       1
```
Source: ONVIF Core and Analytics Service Specifications (DOMAIN.md 3.3).

What the camera says about faces, bodies, clothes and plates is not read at all: only that it was
there is noted, so that it can be counted.
"""

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple, Self, TypeVar

import msgspec
from msgspec import UNSET

from edge import onvif_wire as wire
from edge.messages import RefusedError, UtcTime

METADATA: Final = "onvif-mj"
EVENTS: Final = "onvif-ej"
MAX_BYTES: Final = 1024 * 1024
MOST_FRAMES: Final = 64  # in one payload

# xs:dateTime, but for years of another length; the zone may be missing.
_XS_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,12})?(?P<zone>Z|[+-]\d\d:\d\d)?", re.ASCII
)
_MOVING: Final = "MOVING"
_UNKNOWN: Final = "UNKNOWN"
_BOOLEANS: Final = {b"true": True, b"1": True, b"false": False, b"0": False}

_T = TypeVar("_T")


class OnvifError(RefusedError):
    """Something a camera sent that is not what ONVIF says it sends."""


def topics(prefix: str, module: str | None) -> list[str]:
    """Return what to listen to: a camera's events, and the metadata of one module or all."""
    what = "#" if module is None else f"+/{module}"
    return [f"{prefix}/{METADATA}/VideoAnalytics/{what}", f"{prefix}/{EVENTS}/#"]


class OnvifTopic(NamedTuple):
    """What a message is about."""

    is_event: bool
    name: str  # of metadata, the analytics module; of an event, its ONVIF topic

    @classmethod
    def parse(cls, topic: str, *, prefix: str) -> Self:
        """Read a topic; source tokens and profile are left out.

        Raises:
            OnvifError: It is none of a camera with this prefix.
        """
        if topic.startswith(f"{prefix}/{EVENTS}/"):
            local = topic[len(prefix) + len(EVENTS) + 2 :].partition("/&")[0]
            return cls(is_event=True, name=local)
        start = f"{prefix}/{METADATA}/VideoAnalytics/"
        if not topic.startswith(start):
            msg = f"topic {topic!r} is neither metadata nor an event under {prefix!r}"
            raise OnvifError(msg)
        _, _, module = topic[len(start) :].partition("/")
        return cls(is_event=False, name=module)


class Box(NamedTuple):
    """A bounding box in normalised coordinates: -1 to 1, x right, y up."""

    left: float
    top: float
    right: float
    bottom: float


class SceneObject(NamedTuple):
    """One object of a frame, as far as we read it."""

    object_id: str | None  # of its module
    uuid: str | None  # one for all modules, since ONVIF 24.12
    box: Box | None
    types: tuple[tuple[str, float | None], ...]  # class and likelihood, as the camera says them
    personal: tuple[str, ...]  # the parts that were there and not read
    has_geo_location: bool


class Looks(NamedTuple):
    """Where a turning camera looks, in its own units; what it does not say is None."""

    pan: float | None
    tilt: float | None
    zoom: float | None


class SceneFrame(NamedTuple):
    """What one analytics module saw in one picture."""

    captured_at: UtcTime
    zone_missing: bool  # `captured_at` was given without a zone, and taken as UTC
    turning: bool  # the camera was on the move, or did not know, so nobody knows where it looked
    looks: Looks | None  # of a turning camera, where it looked; None: it does not say
    objects: tuple[SceneObject, ...]
    unread: int  # objects that were not what ONVIF says


# Not strict: numbers may be text.
_METADATA: Final = msgspec.json.Decoder(wire.Metadata, strict=False)
_FRAME: Final = msgspec.json.Decoder(wire.Frame, strict=False)
_OBJECT: Final = msgspec.json.Decoder(wire.Object, strict=False)
_SEVERAL: Final = msgspec.json.Decoder(list[msgspec.Raw])
_EVENT: Final = msgspec.json.Decoder(wire.Event, strict=False)
_PERSONAL: Final = {
    "HumanFace": "face",
    "HumanBody": "body",
    "LicensePlateInfo": "plate",
    "Image": "image",
}


def read_metadata(payload: bytes) -> tuple[tuple[SceneFrame, ...], tuple[OnvifError, ...]]:
    """Read the frames of one metadata message, in their order.

    Returns:
        The frames, and for each one that could not be read why; one sentence naming the field.

    Raises:
        OnvifError: The message is no JSON, or no frame of it is what ONVIF says.
    """
    metadata = _decode(_METADATA, payload, "metadata")
    raws = _several(metadata.frames, "Frame")
    if len(raws) > MOST_FRAMES:
        msg = f"metadata has {len(raws)} frames, more than {MOST_FRAMES}"
        raise OnvifError(msg)
    frames, errors = [], []
    for raw in raws:
        try:
            frames.append(_frame(_decode(_FRAME, raw, "Frame")))
        except OnvifError as error:
            errors.append(error)
    if errors and not frames:
        raise errors[0]
    return tuple(frames), tuple(errors)


def read_event(payload: bytes) -> bool | None:
    """Read of an event whether the property that it tells about holds; all else stays unread.

    Returns:
        None: it tells about none; or the payload is empty, which says that the property is gone.

    Raises:
        OnvifError: It is no JSON, or not what ONVIF says.
    """
    if not payload:
        return None
    event = _decode(_EVENT, payload, "event")
    _utc(event.utc_time)
    if event.data is None or event.data.state is UNSET:
        return None
    return _BOOLEANS.get(bytes(event.data.state).strip(b'"').lower())


def _several(raw: msgspec.Raw, what: str) -> list[bytes]:
    """Return what may stand alone or in a list, unread."""
    alone = bytes(raw)
    if not alone.startswith(b"["):
        return [alone]
    return [bytes(one) for one in _decode(_SEVERAL, alone, what)]


def _decode(decoder: msgspec.json.Decoder[_T], payload: bytes, what: str) -> _T:
    if len(payload) > MAX_BYTES:
        msg = f"{what} of {len(payload)} bytes is larger than {MAX_BYTES}"
        raise OnvifError(msg)
    try:
        return decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{what}: {error}"
        raise OnvifError(msg) from error


def _frame(frame: wire.Frame) -> SceneFrame:
    captured_at, zone_missing = _utc(frame.utc_time)
    ptz = frame.ptz or wire.PtzStatus()
    looks = _looks(ptz.position)
    moves = {ptz.move.pan_tilt, ptz.move.zoom} if ptz.move is not None else set()
    objects, unread = [], 0
    for raw in [] if frame.objects is UNSET else _several(frame.objects, "Object"):
        try:
            objects.append(_object(_decode(_OBJECT, raw, "Object"), frame.transformation))
        except OnvifError:
            unread += 1
    return SceneFrame(
        captured_at=captured_at,
        zone_missing=zone_missing,
        turning=_MOVING in moves or (_UNKNOWN in moves and looks is None),
        looks=looks,
        objects=tuple(objects),
        unread=unread,
    )


def _looks(position: wire.Position | None) -> Looks | None:
    if position is None:
        return None
    head, zoom = position.pan_tilt or wire.Vector(), position.zoom or wire.Vector()
    looks = Looks(head.x, head.y, zoom.x)
    return None if all(part is None for part in looks) else looks


def _object(found: wire.Object, outer: wire.Transformation | None) -> SceneObject:
    appearance = found.appearance or wire.Appearance()
    shape = appearance.shape
    box = shape.bounding_box if shape is not None else None
    return SceneObject(
        object_id=None if found.object_id is None else str(found.object_id),
        uuid=found.uuid,
        box=None if box is None else _normalised(box, appearance.transformation, outer),
        types=tuple(_types(appearance.classes)),
        personal=tuple(
            name
            for name, attribute in _PERSONAL.items()
            if getattr(appearance, attribute) is not UNSET
        ),
        has_geo_location=appearance.geo_location is not None,
    )


def _types(classes: wire.Class | None) -> list[tuple[str, float | None]]:
    """Return every class and its likelihood, in each of the ways to say it."""
    if classes is None:
        return []
    said: list[wire.Type | str] = _many(classes.type)
    types = [(one, None) if isinstance(one, str) else (one.text, one.likelihood) for one in said]
    types += [(one.type, one.likelihood) for one in _many(classes.candidate)]
    if classes.text is not None:
        types.append((classes.text, classes.likelihood))
    return types


def _normalised(box: wire.BoundingBox, *inner_first: wire.Transformation | None) -> Box:
    x, y = (box.left, box.right), (box.top, box.bottom)
    for step in inner_first:
        if step is None:
            continue
        scale, move = step.scale or wire.Vector(), step.translate or wire.Vector()
        x = _moved(x, scale.x, move.x)
        y = _moved(y, scale.y, move.y)
    return Box(left=x[0], top=y[0], right=x[1], bottom=y[1])


def _moved(
    ends: tuple[float, float], scale: float | None, move: float | None
) -> tuple[float, float]:
    """Return both ends of one axis, scaled and moved; what is left out changes nothing."""
    factor, shift = 1.0 if scale is None else scale, move or 0.0
    return ends[0] * factor + shift, ends[1] * factor + shift


def _utc(text: str) -> tuple[UtcTime, bool]:
    """Read a time; also tell whether its zone was missing, which then is UTC."""
    zoned = _XS_TIME.fullmatch(text)
    zone_missing = zoned is not None and zoned["zone"] is None
    try:
        moment = datetime.fromisoformat(text if zoned else "")
        return UtcTime.of(moment.replace(tzinfo=UTC) if zone_missing else moment), zone_missing
    except (ValueError, OverflowError):
        msg = f"UtcTime {text[:64]!r} is no time (2026-03-14T17:00:00.058Z)"
        raise OnvifError(msg) from None


def _many(found: list[_T] | _T | None) -> list[_T]:
    """Return what may stand alone, or be missing, as a list."""
    if found is None:
        return []
    return found if isinstance(found, list) else [found]
