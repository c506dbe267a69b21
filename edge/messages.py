"""The wire contract: MQTT topics and message types. Light on purpose: msgspec and nothing else.

Times are UTC (`UtcTime`), positions WGS 84 degrees, lengths metres, speeds m/s, angles degrees
clockwise from true north, scores and probabilities 0 to 1. `cov_m2` is
`(var_east, cov_east_north, var_north)` in m², 1 sigma squared.

Types check themselves when they are decoded: `decode(topic, payload)` either returns a message
that keeps every rule of the contract or raises `InvalidMessageError` with one sentence.
"""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, Self, TypeVar

import msgspec
from msgspec import Meta, Struct

VERSION: Final = 1
ROOT: Final = "tuanbien/v1"
FUSION: Final = "fusion"  # the device segment of what fusion says about a whole sector
CANARY: Final = "canary"  # fusion's own message that passes through the whole chain
MAPS: Final = "maps"  # the one of what people do, on whichever map
MAX_BYTES: Final = {"detections": 256 * 1024, "evidence": 900 * 1024}
DEFAULT_MAX_BYTES: Final = 256 * 1024

_T = TypeVar("_T")
_RFC3339_UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)", re.ASCII)


class RefusedError(Exception):
    """Something from outside that we refuse: a file, field, address, message or argument.

    The text is one sentence that names it and its value; commands print it and exit with 1.
    """


class InvalidMessageError(RefusedError):
    """A message that breaks the contract."""


class UtcTime(datetime):
    """An aware UTC instant; on the wire RFC 3339 with milliseconds and `Z`.

    A type of its own because msgspec writes a plain `datetime` with micro-seconds.
    """

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2026-03-14T17:00:00.058Z`.

        Raises:
            ValueError: The text is not an RFC 3339 time in UTC.
        """
        if not isinstance(text, str) or _RFC3339_UTC.fullmatch(text) is None:
            msg = f"{text!r} is not an RFC 3339 time in UTC (2026-03-14T17:00:00.058Z)"
            raise ValueError(msg)
        return cls.fromisoformat(text)

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Convert an aware `datetime`."""
        utc = moment.astimezone(UTC)
        return cls(
            utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, UTC
        )

    @classmethod
    def read_clock(cls, *, offset_s: float = 0.0) -> Self:
        """Read this machine's clock, shifted for an exercise. For the rim of a process only.

        In whole milliseconds, so that it is the same instant once it was written and read.
        """
        now = datetime.now(UTC) + timedelta(seconds=offset_s)
        return cls.of(now.replace(microsecond=now.microsecond // 1000 * 1000))

    @classmethod
    def from_epoch_s(cls, epoch_s: float) -> Self:
        """Convert seconds since 1970-01-01T00:00:00Z."""
        return cls.fromtimestamp(epoch_s, UTC)

    def after(self, seconds: float) -> Self:
        """Return the instant so many seconds later."""
        return self + timedelta(seconds=seconds)

    def seconds_since(self, earlier: "UtcTime") -> float:
        """Return the seconds from `earlier` to this instant, negative if it is later."""
        return (self - earlier).total_seconds()

    def rfc3339(self) -> str:
        """Write the instant as the wire wants it; below a millisecond is cut off, not rounded."""
        return self.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# The look-ahead stands for the end of the text: "$" would let a trailing newline through.
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}(?![\s\S])")]
# Something that shows, and no control characters: PostgreSQL takes no zero byte in a text.
Id = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^ *[^\x00-\x20\x7f][^\x00-\x1f\x7f]*(?![\s\S])",
    ),
]
Text = Annotated[str, Meta(max_length=1024)]
Lat = Annotated[float, Meta(ge=-90.0, le=90.0)]
Lon = Annotated[float, Meta(ge=-180.0, le=180.0)]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]
NotNegative = Annotated[float, Meta(ge=0.0)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
# Bounds far beyond anything a sensor says keep arithmetic on these numbers finite everywhere.
Metres = Annotated[float, Meta(ge=-1e6, le=1e6)]
Accuracy = Annotated[float, Meta(gt=0.0, le=1e6)]  # m
Variance = Annotated[float, Meta(ge=0.0, le=1e12)]  # m²
Covariance = Annotated[float, Meta(ge=-1e12, le=1e12)]  # m²
CovM2 = tuple[Variance, Covariance, Variance]
Bbox = tuple[Fraction, Fraction, Fraction, Fraction]


class SensorKind(StrEnum):
    """What kind of eye saw it."""

    CAMERA = "camera"
    THERMAL = "thermal"
    DRONE = "drone"
    RADAR = "radar"
    TIP = "tip"


class Scene(StrEnum):
    """Is the picture fit to be trusted."""

    CLEAR = "clear"
    DARK = "dark"
    BLURRED = "blurred"
    COVERED = "covered"
    MOVED = "moved"
    FROZEN = "frozen"


class AlertKind(StrEnum):
    """What an alert is about."""

    APPROACH = "approach"
    CROSSING = "crossing"
    ZONE = "zone"
    LOITERING = "loitering"
    RENDEZVOUS = "rendezvous"
    WATCHLIST = "watchlist"
    DEVICE = "device"
    TIP = "tip"


class Direction(StrEnum):
    """Which way over the line."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class Severity(StrEnum):
    """How urgent, least first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class TrackState(StrEnum):
    """Is a line of a track held up by a detection."""

    CONFIRMED = "confirmed"
    COASTING = "coasting"
    ENDED = "ended"


class Verb(StrEnum):
    """What a person does to an incident."""

    ACKNOWLEDGE = "acknowledge"
    ASSESS = "assess"
    DISMISS = "dismiss"
    DISPATCH = "dispatch"
    ARRIVE = "arrive"
    RESOLVE = "resolve"
    CLOSE = "close"
    HAND_OVER = "hand_over"
    REOPEN = "reopen"
    NOTE = "note"


class Outcome(StrEnum):
    """What came of an incident, in the guards' own codes (DOMAIN.md 2.4)."""

    BAT_GIU = "bat_giu"  # apprehended
    QUAY_LAI = "quay_lai"  # turned back
    THOAT = "thoat"  # got away
    NGUOI_DIA_PHUONG = "nguoi_dia_phuong"  # an authorised resident
    LUC_LUONG_TA = "luc_luong_ta"  # our own force
    DONG_VAT = "dong_vat"  # an animal
    MOI_TRUONG = "moi_truong"  # weather, vegetation
    LOI_HE_THONG = "loi_he_thong"  # a fault of the system
    CUU_HO = "cuu_ho"  # a rescue
    NGHI_NAN_NHAN = "nghi_nan_nhan"  # possibly a victim of trafficking, referred
    KHONG_RO = "khong_ro"  # unclear


class Cause(StrEnum):
    """What set an alert off that asked for nobody: those of the outcomes that say it."""

    NGUOI_DIA_PHUONG = "nguoi_dia_phuong"
    LUC_LUONG_TA = "luc_luong_ta"
    DONG_VAT = "dong_vat"
    MOI_TRUONG = "moi_truong"
    LOI_HE_THONG = "loi_he_thong"
    KHONG_RO = "khong_ro"


class Result(StrEnum):
    """What became of a command."""

    APPLIED = "applied"
    UNKNOWN = "unknown"  # there is no such incident
    STALE = "stale"  # somebody else took a step first
    ILLEGAL = "illegal"  # no such step leads on from its state
    INVALID = "invalid"  # the step lacks what it must say


def _check_covariances(cov_m2: CovM2, cov_bias_m2: CovM2 | None) -> None:
    """Refuse what is no covariance: fusion divides by its determinant."""
    var_east, cov_east_north, var_north = cov_m2
    if not (var_east > 0.0 and var_north > 0.0 and cov_east_north**2 < var_east * var_north):
        msg = f"cov_m2 {list(cov_m2)} is not positive definite"
        raise ValueError(msg)
    if cov_bias_m2 is None:
        return
    var_east, cov_east_north, var_north = cov_bias_m2
    # A bias in one direction only has determinant 0, give or take the rounding on the wire.
    if cov_east_north**2 > var_east * var_north * (1.0 + 1e-6) + 1e-9:
        msg = f"cov_bias_m2 {list(cov_bias_m2)} is not a covariance"
        raise ValueError(msg)
    if var_east > 1.000001 * cov_m2[0] or var_north > 1.000001 * cov_m2[2]:
        msg = f"cov_bias_m2 {list(cov_bias_m2)} is larger than its whole, cov_m2 {list(cov_m2)}"
        raise ValueError(msg)


class Wire(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What travels: immutable; defaults are left out; unknown fields are ignored."""


class Auth(Wire, frozen=True, kw_only=True):
    """A signature over the message."""

    key_id: Id
    signature: Text


class FieldMessage(Wire, frozen=True, kw_only=True):
    """What every message from the field carries (`device_id` or `unit_id` besides)."""

    kind: ClassVar[str]

    v: Literal[1]
    message_id: Id
    sector: Name
    sent_at: UtcTime | None = None
    boot_id: Id | None = None
    seq: Count | None = None
    auth: Auth | None = None
    simulated: bool = False


class Sensor(Wire, frozen=True, kw_only=True):
    """The device that looked, and where it was.

    `smoothed`: its positions come out of a filter of its own, so that their errors hang together
    from frame to frame. What a `radar` says is taken so in any case.
    """

    kind: SensorKind
    lat: Lat
    lon: Lon
    alt_m: Metres | None = None
    smoothed: bool = False


class Plate(Wire, frozen=True, kw_only=True):
    """A licence plate as read."""

    text: Text
    confidence: Fraction


class Detection(Wire, frozen=True, kw_only=True):
    """One box in the picture, placed on the ground with its error."""

    label: Annotated[str, Meta(min_length=1, max_length=64)]
    confidence: Fraction
    bbox: Bbox
    lat: Lat
    lon: Lon
    cov_m2: CovM2
    cov_bias_m2: CovM2 | None = None
    track_id: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    grazing: bool = False
    truncated: bool = False
    plate: Plate | None = None
    colour: Text | None = None
    evidence_id: Id | None = None

    def __post_init__(self) -> None:
        """Check what no single field can say."""
        _check_covariances(self.cov_m2, self.cov_bias_m2)
        x1, y1, x2, y2 = self.bbox
        if x1 > x2 or y1 > y2:
            msg = f"bbox {list(self.bbox)} is not [x1, y1, x2, y2] with x1 <= x2 and y1 <= y2"
            raise ValueError(msg)


class DetectionsMessage(FieldMessage, frozen=True, kw_only=True):
    """What one device saw in one frame; an empty list means it looked and saw nothing."""

    kind: ClassVar[str] = "detections"

    device_id: Name
    captured_at: UtcTime
    sensor: Sensor
    detections: tuple[Detection, ...]


class Polygon(Wire, frozen=True, kw_only=True):
    """A GeoJSON Polygon (RFC 7946): rings of `[lon, lat]`, WGS 84."""

    type: Literal["Polygon"]
    coordinates: tuple[tuple[tuple[Lon, Lat], ...], ...]


class LineString(Wire, frozen=True, kw_only=True):
    """A GeoJSON LineString (RFC 7946): `[lon, lat]`, WGS 84."""

    type: Literal["LineString"]
    coordinates: tuple[tuple[Lon, Lat], ...]


class StatusMessage(FieldMessage, frozen=True, kw_only=True):
    """How a device is. A last will may lack `captured_at`: nobody was there to look.

    `clock_offset_s`: seconds to add to the device's time to get the true one, as NTP has it
    (positive: its clock is behind), by what the device itself knows. None: it knows nothing.
    """

    kind: ClassVar[str] = "status"

    device_id: Name
    online: bool
    captured_at: UtcTime | None = None
    sensor: Sensor | None = None  # where the device is, for the map
    fps: NotNegative | None = None
    frame_age_s: NotNegative | None = None
    scene: Scene | None = None
    queue_depth: Count | None = None
    clock_offset_s: float | None = None
    version: Text | None = None
    footprint: Polygon | None = None


class EvidenceMessage(FieldMessage, frozen=True, kw_only=True):
    """One JPEG crop; base64 on the wire, bytes here."""

    kind: ClassVar[str] = "evidence"

    device_id: Name
    captured_at: UtcTime
    evidence_id: Id
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}(?![\s\S])")]
    jpeg: bytes


class PositionMessage(FieldMessage, frozen=True, kw_only=True):
    """Where one of our own patrols or vehicles is; `accuracy_m` is the 68 % radius."""

    kind: ClassVar[str] = "position"

    unit_id: Name
    captured_at: UtcTime
    lat: Lat
    lon: Lon
    accuracy_m: Accuracy


class CommandMessage(FieldMessage, frozen=True, kw_only=True):
    """A step that somebody takes with an incident, from the map that they take it on.

    `expected_version` is that of the incident as they see it: at another one it is refused.
    """

    kind: ClassVar[str] = "commands"

    device_id: Literal["maps"]
    captured_at: UtcTime = msgspec.field(name="at")  # when they did it
    incident_id: Id
    verb: Verb
    actor: Id
    role: Id
    expected_version: Count
    reason: Text = ""
    outcome: Outcome | None = None
    cause: Cause | None = None
    assigned_to: Name | None = None  # the unit that sees to it from now on
    rescue: bool | None = None  # people are in danger or hurt; False: no longer


class ReceiptsMessage(Wire, frozen=True, kw_only=True):
    """What fusion has committed to disk for one device."""

    v: Literal[1]
    message_ids: tuple[Id, ...]


class TrackUpdate(Wire, frozen=True, kw_only=True):
    """One line of a track: where it was at `t`.

    `lost_near_line`: nobody sees it any more, and it may have come over the border line since.
    `evidence_ids` are fusion's own names of crops (`GET /api/v1/evidence/{evidence_id}`).
    """

    track_id: Id
    t: UtcTime
    lat: Lat
    lon: Lon
    cov_m2: CovM2
    velocity_mps: tuple[float, float]
    label: str
    state: TrackState
    devices: tuple[Name, ...]
    lost_near_line: bool = False
    evidence_ids: tuple[Id, ...] = ()  # of crops that show it, new since its last line


class Reason(Wire, frozen=True, kw_only=True):
    """One reason of an alert: a code for programs, a text for people, the value behind both."""

    code: str
    text: str
    value: float | None = None


class Place(Wire, frozen=True, kw_only=True):
    """Where, in the guards' words."""

    trail_id: str | None = None
    trail_name: str | None = None  # None: it has none but its id
    marker: str | None = None
    marker_distance_m: NotNegative | None = None
    marker_bearing_deg: float | None = None
    chainage_m: NotNegative | None = None
    line_m: NotNegative | None = None  # to the border line; None: farther than a kilometre
    side: Literal["home", "abroad"] | None = None  # None: too near the line to say, or far off
    text: str | None = None  # all of it as one Vietnamese phrase


class Lead(Wire, frozen=True, kw_only=True):
    """A watchlist hit: a lead for a human, never a verdict."""

    entry_id: str
    score: Fraction
    agrees: tuple[str, ...]
    disagrees: tuple[str, ...]
    expected_false_hits: NotNegative


class Interception(Wire, frozen=True, kw_only=True):
    """Where one of our units can be before people who head for the line."""

    unit_id: Name
    as_of: UtcTime  # event time that its seconds count from
    lat: Lat
    lon: Lon
    place: Place
    probability: Fraction  # that they come by there, and the unit is there first
    eta_s: NotNegative  # of the unit, median
    latest_s: NotNegative  # 90 %
    they_s: NotNegative  # when they come by, median
    they_earliest_s: NotNegative  # 10 %
    route_m: NotNegative
    route: LineString  # of the unit


class Alert(Struct, frozen=True, kw_only=True):
    """What fusion raised and why. Once issued it is never un-issued."""

    v: Literal[1] = 1
    alert_id: Id
    incident_id: Id
    sector: Name
    unit: str | None = None
    kind: AlertKind
    severity: Severity
    raised_at: UtcTime  # event time of the evidence that sufficed
    issued_at: UtcTime  # when fusion decided
    lat: Lat
    lon: Lon
    probability: Fraction
    direction: Direction | None = None
    headcount: Count
    headcount_min: Count
    headcount_max: Count
    track_ids: tuple[Id, ...]
    devices: tuple[Name, ...]
    place: Place
    late: bool = False
    simulated: bool = False
    reasons: tuple[Reason, ...]
    eta_s: NotNegative | msgspec.UnsetType | None = msgspec.UNSET
    lead: Lead | msgspec.UnsetType = msgspec.UNSET
    # Of an approach, the best unit first; left out where none can be there first.
    interceptions: tuple[Interception, ...] | msgspec.UnsetType = msgspec.UNSET
    # Over the console's budget: it is shown with that alert and makes no sound of its own.
    grouped_with: Id | msgspec.UnsetType = msgspec.UNSET


class Contribution(Wire, frozen=True, kw_only=True):
    """What one device contributed to an incident, up to when it was last decided on."""

    device: Name
    sensor_kind: SensorKind
    first_seen_at: UtcTime
    last_seen_at: UtcTime
    detections: Count
    share: Fraction  # of all detections of these people


class Overdue(Wire, frozen=True, kw_only=True):
    """The step that an incident waits for too long, and since when it is too long."""

    step: Literal["acknowledge", "decide", "arrive"]
    since: UtcTime


class Incident(Struct, frozen=True, kw_only=True):
    """The case that people work on, as it stands. Times are event times, but for people's."""

    incident_id: Id
    sector: Name
    unit: str | None = None
    kind: AlertKind
    state: str
    severity: Severity
    opened_at: UtcTime
    updated_at: UtcTime
    direction: Direction | None = None
    headcount: Count
    headcount_min: Count
    headcount_max: Count
    lat: Lat
    lon: Lon
    place: Place
    alert_ids: tuple[Id, ...]
    track_ids: tuple[Id, ...]
    devices: tuple[Name, ...]
    amended: bool = False
    simulated: bool = False
    ended_at: UtcTime | msgspec.UnsetType = msgspec.UNSET  # of what it is about, if it has
    follows: Id | msgspec.UnsetType = msgspec.UNSET  # the incident of the approach before it
    led_to: Id | msgspec.UnsetType = msgspec.UNSET  # the crossing that an approach became
    lineage: tuple[Contribution, ...] | msgspec.UnsetType = msgspec.UNSET
    # What people do about it (docs/incidents.md); left out where nobody did anything.
    version: Count | msgspec.UnsetType = msgspec.UNSET  # how many steps they took; left out: 0
    acted_by: Id | msgspec.UnsetType = msgspec.UNSET  # who took the last one; or `system`
    acted_at: UtcTime | msgspec.UnsetType = msgspec.UNSET
    assigned_to: Name | msgspec.UnsetType = msgspec.UNSET
    outcome: Outcome | msgspec.UnsetType = msgspec.UNSET
    cause: Cause | msgspec.UnsetType = msgspec.UNSET
    rescue: bool | msgspec.UnsetType = msgspec.UNSET
    withdrawn: bool | msgspec.UnsetType = msgspec.UNSET  # the evidence is, while they work on it
    continued_as: Id | msgspec.UnsetType = msgspec.UNSET  # the incident with their work now
    overdue: Overdue | msgspec.UnsetType = msgspec.UNSET


class Deed(Wire, frozen=True, kw_only=True):
    """A command and what became of it: one line of a log of which nothing is ever changed."""

    message_id: Id
    incident_id: Id
    sector: Name
    verb: Verb
    actor: Id
    role: Id
    at: UtcTime  # when they did it, by the map's clock
    received_at: UtcTime
    reason: Text = ""
    outcome: Outcome | None = None
    cause: Cause | None = None
    assigned_to: Name | None = None
    rescue: bool | None = None
    result: Result
    why: str = ""  # it was refused
    state: str = ""  # of the incident afterwards
    version: Count = 0
    evidence_sha256: str = ""  # of the incident's JSON as it stood before


class CommandReply(Wire, frozen=True, kw_only=True):
    """What fusion answers to a command, once it is kept; and the incident as it stands then."""

    v: Literal[1] = 1
    deed: Deed
    incident: Incident | None = None


class FusionStatus(Wire, frozen=True, kw_only=True):
    """Health of the fusion service of one sector."""

    v: Literal[1]
    sector: Name
    online: bool
    at: UtcTime | None = None
    version: Text | None = None
    messages: Count | None = None
    detections: Count | None = None
    rejected: Count | None = None
    duplicates: Count | None = None
    late: Count | None = None
    tracks: Count | None = None
    alerts: Count | None = None
    untracked: Count | None = None  # detections too vague to track, or nowhere near the sector
    # Of the devices and units with most: messages refused, by reason (docs/sector.md).
    refused_by: dict[str, dict[str, Count]] | None = None
    # What is added to the times of devices whose clock is wrong, s.
    clock_offsets_s: dict[str, float] | None = None
    noted: dict[str, dict[str, Count]] | None = None  # odd, though their messages are taken
    # The last message of fusion's own that came through the whole chain, and how long that took.
    canary_at: UtcTime | None = None  # it was published
    canary_s: NotNegative | None = None  # from there to the store
    history_forgotten: Count | None = None  # rows of history that were old enough to go
    evidence_kept: Count | None = None  # crops since it started
    evidence_lost: Count | None = None  # whose picture was no longer there when it recovered
    evidence_forgotten: Count | None = None  # that were old, and that no incident needs


FROM_FIELD: Final[dict[str, type[FieldMessage]]] = {
    message_type.kind: message_type
    for message_type in (
        DetectionsMessage,
        StatusMessage,
        EvidenceMessage,
        PositionMessage,
        CommandMessage,
    )
}
AnyFieldMessage = (
    DetectionsMessage | StatusMessage | EvidenceMessage | PositionMessage | CommandMessage
)


class Topic(NamedTuple):
    """`tuanbien/v1/{sector}/{device}/{kind}`."""

    sector: str
    device: str  # device_id, unit_id, or `fusion`
    kind: str

    def __str__(self) -> str:
        return f"{ROOT}/{self.sector}/{self.device}/{self.kind}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split a topic.

        Raises:
            InvalidMessageError: It is not one of ours.
        """
        root, _, rest = text.partition("/v1/")
        parts = rest.split("/")
        if root != "tuanbien" or len(parts) != len(cls._fields):
            msg = f"topic {text!r} is not {ROOT}/{{sector}}/{{device}}/{{kind}}"
            raise InvalidMessageError(msg)
        return cls(*parts)


def _from_wire(wanted: type, value: object) -> object:
    if wanted is UtcTime and isinstance(value, str):
        return UtcTime.parse(value)
    msg = f"{value!r} is not a {wanted.__name__}"
    raise ValueError(msg)


def _to_wire(value: object) -> object:
    if isinstance(value, UtcTime):
        return value.rfc3339()
    msg = f"{type(value).__name__} has no form on the wire"
    raise NotImplementedError(msg)


_ENCODER = msgspec.json.Encoder(enc_hook=_to_wire)
_DECODERS = {
    kind: msgspec.json.Decoder(message_type, dec_hook=_from_wire)
    for kind, message_type in FROM_FIELD.items()
}


def encode(message: object) -> bytes:
    """Write a message, an alert, an incident or a dict of them as one line of JSON."""
    return _ENCODER.encode(message)


def to_builtins(message: object) -> Any:  # noqa: ANN401 - JSON
    """Turn a message into dicts, lists and strings, as JSON would show it."""
    return msgspec.to_builtins(message, enc_hook=_to_wire)


def decode_as(payload: bytes | str, wanted: type[_T]) -> _T:
    """Read one message of a known type.

    Raises:
        InvalidMessageError: It breaks the contract.
    """
    try:
        return msgspec.json.decode(payload, type=wanted, dec_hook=_from_wire)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidMessageError(str(error)) from error


def decode(topic: str, payload: bytes) -> AnyFieldMessage:
    """Read one message from the field.

    Raises:
        InvalidMessageError: Topic, size, JSON, a field or the agreement of payload and topic is
            wrong. One sentence, naming the field by its path (`$.detections[0].lat`).
    """
    where = Topic.parse(topic)
    decoder = _DECODERS.get(where.kind)
    if decoder is None:
        msg = f"topic {topic!r} ends in {where.kind!r}, which is none of {', '.join(_DECODERS)}"
        raise InvalidMessageError(msg)
    limit = MAX_BYTES.get(where.kind, DEFAULT_MAX_BYTES)
    if len(payload) > limit:
        msg = f"{where.kind} message of {len(payload)} bytes is larger than {limit}"
        raise InvalidMessageError(msg)
    try:
        message: Any = decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        msg = f"{where.kind} message: {error}"
        raise InvalidMessageError(msg) from error
    if where.device == FUSION:
        msg = f"topic {topic!r}: the name {FUSION!r} is not a device's or a unit's"
        raise InvalidMessageError(msg)
    if where.device == CANARY and (where.kind != "detections" or message.detections):
        msg = f"topic {topic!r}: the name {CANARY!r} is of fusion's own message, which saw nothing"
        raise InvalidMessageError(msg)
    sender = message.unit_id if where.kind == "position" else message.device_id
    if (message.sector, sender) != (where.sector, where.device):
        msg = (
            f"{where.kind} message says sector {message.sector!r} and sender {sender!r}, "
            f"its topic {topic!r} says otherwise"
        )
        raise InvalidMessageError(msg)
    if where.kind == "status" and message.online and message.captured_at is None:
        msg = "status message: only a last will may lack captured_at - at `$.captured_at`"
        raise InvalidMessageError(msg)
    return message  # type: ignore[no-any-return]


def _schema_of(wanted: type) -> dict[str, Any]:
    if wanted is UtcTime:
        return {"type": "string", "format": "date-time", "pattern": "Z$"}
    raise NotImplementedError


def json_schemas() -> dict[str, Any]:
    """Return one JSON Schema (2020-12) whose `$defs` hold every type on the wire."""
    types = (
        *FROM_FIELD.values(),
        ReceiptsMessage,
        TrackUpdate,
        Alert,
        Incident,
        CommandReply,
        FusionStatus,
    )
    _, definitions = msgspec.json.schema_components(
        types, schema_hook=_schema_of, ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tuần Biên messages, version 1",
        "$defs": definitions,
    }
