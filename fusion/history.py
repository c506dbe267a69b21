"""What playback needs of the past, packed small: track lines by the minute, who was heard how.

A track's lines of one minute, at most one a second, are one record of 22 bytes a line. What
devices and our units say is a span: from when until when they were heard saying much the same. So
is the time that fusion itself ran: what lies in none of its spans nobody followed, and was not
quiet.
Pure: no clock, no database.
"""

import math
import struct
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from edge.messages import (
    FUSION,
    AnyFieldMessage,
    Polygon,
    PositionMessage,
    StatusMessage,
    TrackState,
    TrackUpdate,
    UtcTime,
    encode,
)

SPAN_S: Final = 60.0  # what goes on is noted anew so often
RUN_S: Final = 20.0  # and that fusion runs
GAP_S: Final = 1.5 * RUN_S  # without a word of it for so long it did not: the machine slept
SILENT_S: Final = 15.0  # three status messages missed: the span is over
STEP_S: Final = 5.0  # who moves is noted no more often
MOVED_M: Final = 5.0
FRAME_OLD_S: Final = 10.0  # a picture older than this is no picture of now
UNIT: Final = "unit/"  # before the name of a unit: a device may have the same
_M_PER_DEG: Final = 111_320.0

_MINUTE_S: Final = 60
_MS: Final = timedelta(milliseconds=1)
# Of one line: ms of the minute, lat and lon in 1e-7 degrees, velocity east and north in cm/s,
# sigma east and north in m and their correlation as half floats, the look, state and whether lost.
_LINE: Final = struct.Struct("<HiihheeeBB")
_DEG: Final = 1e-7
_MPS: Final = 0.01
_SIGMA_M: Final = (0.01, 60_000.0)  # what a half float holds well
_STATES: Final = tuple(TrackState)
_LOST: Final = 0x80
_MOST_LOOKS: Final = 128  # a byte names one; of 60 lines no more than 60 stay

_Look = tuple[str, tuple[str, ...]]  # label and devices


def minute_of(at: UtcTime) -> int:
    """Return the minute of an instant, counted since 1970."""
    return int(at.timestamp() // _MINUTE_S)


def start_of(minute: int) -> UtcTime:
    """Return the instant at which a minute begins."""
    return UtcTime.from_epoch_s(minute * _MINUTE_S)


class MinuteLines:
    """A track's lines of one minute, by second, packed: to add one costs what one costs."""

    __slots__ = ("looks", "records")

    def __init__(self, packed: bytes | None = None) -> None:
        """Begin with what `pack` wrote, or with none."""
        looks, records = ([], b"") if packed is None else _UNPACK(packed)
        self.looks: list[_Look] = looks
        self.records = {
            _ms_of(records, begin) // 1000: records[begin : begin + _LINE.size]
            for begin in range(0, len(records), _LINE.size)
        }

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self.records)

    @property
    def has_lost(self) -> bool:
        """Whether one is of somebody who was lost near the line."""
        return any(record[-1] & _LOST for record in self.records.values())

    def keep(self, line: TrackUpdate) -> None:
        """Take a line in; of one second the last counts, whenever it came."""
        self._put(_record(line, self._look(line.label, line.devices)))

    def join(self, others: "MinuteLines") -> None:
        """Take in others of the same minute."""
        looks, records = others.looks, others.records
        for record in records.values():
            look = self._look(*looks[record[-2]])
            self._put(record[:-2] + bytes((look, record[-1])))

    def drop_since(self, since: UtcTime, *, minute: int) -> None:
        """Take out what is void from an instant on."""
        since_ms = _ms_in(minute, since)
        for second, record in list(self.records.items()):
            if _ms_of(record) >= since_ms:
                del self.records[second]

    def pack(self) -> bytes:
        """Write them; positions to a centimetre, errors to a thousandth.

        The same lines give the same bytes, however they came.
        """
        self._forget_looks()
        records = [record for _, record in sorted(self.records.items())]
        return msgspec.msgpack.encode((self.looks, b"".join(records)))

    def lines(self, track_id: str, *, minute: int) -> Iterator[TrackUpdate]:
        """Yield them in order."""
        for _, record in sorted(self.records.items()):
            yield self._line(record, track_id, minute)

    def last(self, track_id: str, *, minute: int, until: UtcTime) -> TrackUpdate | None:
        """Return the last one up to an instant; None: all are later."""
        until_ms = _ms_in(minute, until)
        fit = [record for record in self.records.values() if _ms_of(record) <= until_ms]
        return self._line(max(fit, key=_ms_of), track_id, minute) if fit else None

    def _line(self, record: bytes, track_id: str, minute: int) -> TrackUpdate:
        ms, lat, lon, east, north, east_m, north_m, correlation, look, flags = _LINE.unpack(record)
        label, devices = self.looks[look]
        return TrackUpdate(
            track_id=track_id,
            t=start_of(minute).after(ms / 1000.0),
            lat=lat * _DEG,
            lon=lon * _DEG,
            cov_m2=(east_m**2, correlation * east_m * north_m, north_m**2),
            velocity_mps=(east * _MPS, north * _MPS),
            label=label,
            state=_STATES[flags & ~_LOST],
            devices=devices,
            lost_near_line=bool(flags & _LOST),
        )

    def _put(self, record: bytes) -> None:
        ms = _ms_of(record)
        known = self.records.get(ms // 1000)
        if known is None or _ms_of(known) <= ms:
            self.records[ms // 1000] = record

    def _look(self, label: str, devices: tuple[str, ...]) -> int:
        if (label, devices) not in self.looks:
            if len(self.looks) > _MOST_LOOKS:
                self._forget_looks()
            self.looks.append((label, devices))
        return self.looks.index((label, devices))

    def _forget_looks(self) -> None:
        """Keep the looks of what is kept, in the order in which they come."""
        used = list(dict.fromkeys(record[-2] for _, record in sorted(self.records.items())))
        if used == list(range(len(self.looks))):
            return
        now = {before: index for index, before in enumerate(used)}
        self.looks = [self.looks[one] for one in used]
        self.records = {
            second: record[:-2] + bytes((now[record[-2]], record[-1]))
            for second, record in self.records.items()
        }


_UNPACK: Final = msgspec.msgpack.Decoder(tuple[list[_Look], bytes]).decode


def _ms_in(minute: int, at: UtcTime) -> int:
    """Return the whole milliseconds from where a minute begins, as `_record` counts them.

    Not by seconds as a float: 2.007 s would be a hair more than 2007 ms, 1.001 s one less.
    """
    return (at - start_of(minute)) // _MS


def _ms_of(records: bytes, begin: int = 0) -> int:
    return records[begin] | records[begin + 1] << 8


def _record(line: TrackUpdate, look: int) -> bytes:
    var_east, cov, var_north = line.cov_m2
    correlation = cov / math.sqrt(var_east * var_north) if var_east * var_north > 0.0 else 0.0
    return _LINE.pack(
        line.t.second * 1000 + line.t.microsecond // 1000,
        round(line.lat / _DEG),
        round(line.lon / _DEG),
        *(max(-32_768, min(32_767, round(mps / _MPS))) for mps in line.velocity_mps),
        _sigma_m(var_east),
        _sigma_m(var_north),
        max(-0.999, min(0.999, correlation)),
        look,
        _STATES.index(line.state) | (_LOST if line.lost_near_line else 0),
    )


def _sigma_m(variance_m2: float) -> float:
    smallest, largest = _SIGMA_M
    return max(smallest, min(largest, math.sqrt(variance_m2)))


class Span(NamedTuple):
    """From when until when somebody was heard, or fusion ran. Its key is `sender` and `since`."""

    sender: str  # a device, a unit with `UNIT` before its name; `fusion`: it ran
    since: UtcTime
    until: UtcTime  # heard last; while it goes on noted every `SPAN_S` (fusion: `RUN_S`)
    is_over: bool
    document: str  # the message that began it; of fusion none


class _Open(NamedTuple):
    span: Span
    said: StatusMessage | PositionMessage | None
    noted: UtcTime | None  # as far as the store has it


class Attendance:
    """Who is heard, and how they are, as spans."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._open: dict[str, _Open] = {}
        self._due: list[Span] = []

    def hear(self, message: AnyFieldMessage, *, at: UtcTime) -> None:
        """Take in a message, received `at`; what devices and units say of themselves tells."""
        self.ran(at)
        if isinstance(message, StatusMessage):
            self._hear(message.device_id, message, at)
        elif isinstance(message, PositionMessage):
            # What a unit says of the past stands in the past.
            self._hear(UNIT + message.unit_id, message, min(message.captured_at, at))

    @property
    def at(self) -> UtcTime | None:
        """As far as fusion has come; None: it has heard nobody, nor said that it runs."""
        known = self._open.get(FUSION)
        return None if known is None else known.span.until

    def ran(self, at: UtcTime) -> None:
        """Note that fusion runs."""
        self._hear(FUSION, None, at)

    def due(self, now: UtcTime, *, last: bool = False) -> list[Span]:
        """Return the spans that the store should have now; `last`: as far as they go."""
        due, self._due = self._due, []
        for sender, one in list(self._open.items()):
            span, heard_for_s = one.span, now.seconds_since(one.span.until)
            if isinstance(one.said, StatusMessage) and heard_for_s > SILENT_S and not span.is_over:
                span = span._replace(is_over=True)
            every_s = RUN_S if sender == FUSION else SPAN_S
            noted_for_s = math.inf if one.noted is None else span.until.seconds_since(one.noted)
            is_news = span != one.span or noted_for_s >= every_s or (last and noted_for_s > 0.0)
            if is_news:
                self._open[sender] = _Open(span, one.said, span.until)
                due.append(span)
        return due

    def _hear(
        self, sender: str, said: StatusMessage | PositionMessage | None, at: UtcTime
    ) -> None:
        known = self._open.get(sender)
        if known is None:
            self._begin(sender, said, at)
            return
        span = known.span
        if said is not None and known.said is not None:
            said = _with_place_of(said, known.said)
            if said.message_id == known.said.message_id:
                return  # the broker had kept it: nobody said it now
            if at < span.until:  # it was under way for long
                if at < span.since:
                    self._due.append(Span(sender, at, at, is_over=False, document=_document(said)))
                return
            is_same = not span.is_over and _is_same(known.said, said)
            waits = at.seconds_since(span.since) < STEP_S and _is_same_but_place(known.said, said)
            if not is_same and not waits:
                if not span.is_over:
                    self._due.append(span)
                self._begin(sender, said, at)
                return
        if said is None and at.seconds_since(span.until) >= GAP_S:
            self._due.append(span)
            self._begin(sender, said, at)
        elif at > span.until:
            self._open[sender] = known._replace(span=span._replace(until=at))

    def _begin(
        self, sender: str, said: StatusMessage | PositionMessage | None, at: UtcTime
    ) -> None:
        span = Span(sender, at, at, is_over=False, document=_document(said))
        self._open[sender] = _Open(span, said, None)


def _document(said: StatusMessage | PositionMessage | None) -> str:
    if said is None:
        return ""
    bare = replace(said, auth=None, boot_id=None, seq=None, sent_at=None)
    return encode(bare).decode()


def _with_place_of(
    said: StatusMessage | PositionMessage, before: StatusMessage | PositionMessage
) -> StatusMessage | PositionMessage:
    """Return a last will with what it cannot say: where the device stands and what it saw."""
    if isinstance(said, StatusMessage) and isinstance(before, StatusMessage) and not said.online:
        sensor, view = said.sensor or before.sensor, said.footprint or before.footprint
        return replace(said, sensor=sensor, footprint=view)
    return said


def _is_same(one: AnyFieldMessage, other: AnyFieldMessage) -> bool:
    return _is_same_but_place(one, other) and _moved_m(one, other) < MOVED_M


def _is_same_but_place(one: AnyFieldMessage, other: AnyFieldMessage) -> bool:
    if isinstance(one, StatusMessage) and isinstance(other, StatusMessage):
        return _how(one) == _how(other)
    return type(one) is type(other) and one.simulated == other.simulated


def _how(status: StatusMessage) -> tuple[object, ...]:
    """Return what tells whether a device can be trusted."""
    no_picture_yet = status.fps == 0.0 and status.frame_age_s is None
    is_stale = no_picture_yet or (status.frame_age_s or 0.0) > FRAME_OLD_S
    kind = None if status.sensor is None else status.sensor.kind
    has_view = status.footprint is not None
    return status.online, status.scene, is_stale, kind, has_view, status.simulated


def _moved_m(one: AnyFieldMessage, other: AnyFieldMessage) -> float:
    """Return how far a device, or what it sees, has moved; a view of another shape moved far."""
    before, now = list(_places(one)), list(_places(other))
    if len(before) != len(now):
        return math.inf
    return max(
        (
            math.hypot(
                (lat - to_lat) * _M_PER_DEG,
                (lon - to_lon) * _M_PER_DEG * math.cos(math.radians(lat)),
            )
            for (lat, lon), (to_lat, to_lon) in zip(before, now, strict=True)
        ),
        default=0.0,
    )


def _places(message: AnyFieldMessage) -> Iterator[tuple[float, float]]:
    """Yield `(lat, lon)` of where something stands and of the corners of what it sees."""
    if isinstance(message, PositionMessage):
        yield message.lat, message.lon
    elif isinstance(message, StatusMessage):
        if message.sensor is not None:
            yield message.sensor.lat, message.sensor.lon
        if message.footprint is not None:
            yield from _corners(message.footprint)


def _corners(view: Polygon) -> Iterator[tuple[float, float]]:
    for ring in view.coordinates:
        for lon, lat in ring:
            yield lat, lon


def gaps(
    runs: Iterable[tuple[UtcTime, UtcTime]], since: UtcTime, until: UtcTime, *, at_least_s: float
) -> list[tuple[UtcTime, UtcTime]]:
    """Return when, between two instants, fusion did not run for so long.

    Args:
        runs: When it ran, in any order; they may overlap.
        since: Where to begin.
        until: Where to end.
        at_least_s: Shorter gaps are none: that it runs is noted every `RUN_S`.
    """
    found = []
    at = since
    for begin, end in sorted(runs):
        if min(begin, until).seconds_since(at) >= at_least_s:
            found.append((at, min(begin, until)))
        at = max(at, end)
        if at >= until:
            break
    if until.seconds_since(at) >= at_least_s:
        found.append((at, until))
    return found
