"""The JSON of ONVIF metadata and events, as far as it is read. Types only.

JSON is made from XML by rule: an attribute is `@name`, text beside attributes `#text`, and what
is there once may stand alone or in a list; numbers may be text. What is not named here is skipped
by the decoder and never becomes a value. What is `Raw` is read for itself, so that one bad frame
or object spoils no other, or only its presence counts.
"""

from msgspec import UNSET, Raw, Struct, UnsetType, field


class Opaque(Struct):
    """An object whose content stays unread."""


class Vector(Struct):
    """Two numbers; what is missing changes nothing."""

    x: float | None = field(name="@x", default=None)
    y: float | None = field(name="@y", default=None)


class Transformation(Struct):
    """From an element's coordinates to those of the element around it."""

    translate: Vector | None = field(name="Translate", default=None)
    scale: Vector | None = field(name="Scale", default=None)


class BoundingBox(Struct):
    """A box in the coordinates that hold where it stands."""

    left: float = field(name="@left")
    top: float = field(name="@top")
    right: float = field(name="@right")
    bottom: float = field(name="@bottom")


class Shape(Struct):
    """Where an object is in the picture."""

    bounding_box: BoundingBox | None = field(name="BoundingBox", default=None)


class Type(Struct):
    """A class and how likely it is."""

    text: str = field(name="#text")
    likelihood: float | None = field(name="@Likelihood", default=None)


class Candidate(Struct):
    """A class as cameras from before `Type` say it."""

    type: str = field(name="Type")
    likelihood: float | None = field(name="Likelihood", default=None)


class Class(Struct):
    """What an object may be, in each of the ways that the specification has had."""

    type: list[Type | str] | Type | str | None = field(name="Type", default=None)
    candidate: list[Candidate] | Candidate | None = field(name="ClassCandidate", default=None)
    text: str | None = field(name="#text", default=None)
    likelihood: float | None = field(name="@Likelihood", default=None)


class Appearance(Struct):
    """How an object looks. Of faces, bodies, plates and pictures only the presence counts."""

    transformation: Transformation | None = field(name="Transformation", default=None)
    shape: Shape | None = field(name="Shape", default=None)
    classes: Class | None = field(name="Class", default=None)
    geo_location: Opaque | None = field(name="GeoLocation", default=None)
    face: Raw | UnsetType = field(name="HumanFace", default=UNSET)
    body: Raw | UnsetType = field(name="HumanBody", default=UNSET)
    plate: Raw | UnsetType = field(name="LicensePlateInfo", default=UNSET)
    image: Raw | UnsetType = field(name="Image", default=UNSET)


class Object(Struct):
    """Something that the camera follows."""

    object_id: int | str | None = field(name="@ObjectId", default=None)
    uuid: str | None = field(name="@UUID", default=None)
    appearance: Appearance | None = field(name="Appearance", default=None)


class MoveStatus(Struct):
    """IDLE, MOVING or UNKNOWN."""

    pan_tilt: str | None = field(name="PanTilt", default=None)
    zoom: str | None = field(name="Zoom", default=None)


class Position(Struct):
    """Where a turning camera looks, in its own units."""

    pan_tilt: Vector | None = field(name="PanTilt", default=None)
    zoom: Vector | None = field(name="Zoom", default=None)


class PtzStatus(Struct):
    """What the head of a turning camera does."""

    position: Position | None = field(name="Position", default=None)
    move: MoveStatus | None = field(name="MoveStatus", default=None)


class Frame(Struct):
    """What one analytics module saw in one picture."""

    utc_time: str = field(name="@UtcTime")
    transformation: Transformation | None = field(name="Transformation", default=None)
    ptz: PtzStatus | None = field(name="PTZStatus", default=None)
    objects: Raw | UnsetType = field(name="Object", default=UNSET)  # one or several


class Metadata(Struct):
    """The payload of a metadata message."""

    frames: Raw = field(name="Frame")  # one or several


class EventData(Struct):
    """What an event says. Of a property, whether it holds; the rest stays unread."""

    state: Raw | UnsetType = field(name="State", default=UNSET)


class Event(Struct):
    """The payload of an event."""

    utc_time: str = field(name="UtcTime")
    source: Opaque = field(name="Source")
    data: EventData | None = field(name="Data", default=None)
