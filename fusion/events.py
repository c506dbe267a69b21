"""What the engine says happened, in the past tense. The shell stores and publishes it.

Events are facts for the outside: an alert that was issued stays issued, an incident may change
or be withdrawn, the picture of the tracks may be drawn again from some instant on.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, NamedTuple

from msgspec import Struct

from edge.messages import (
    Alert,
    AlertKind,
    AnyFieldMessage,
    CommandReply,
    Count,
    Direction,
    Fraction,
    Id,
    Incident,
    Lat,
    Lon,
    Name,
    Place,
    Severity,
    TrackUpdate,
    UtcTime,
)


class HeldBecause(StrEnum):
    """Why an alert was held back."""

    OWN_FORCE = "own_force"  # a patrol of ours was there and moved the same way
    LAWFUL = "lawful"  # inside an open crossing point
    FARMLAND = "farmland"  # near the line, but in a field where people work
    SETTLEMENT = "settlement"  # near the line, but where people live
    UNCORROBORATED = "uncorroborated"  # fewer saw it than the rules ask for


class SuppressedAlert(Struct, frozen=True, kw_only=True):
    """An alert that was held back, and why: nothing is dropped silently."""

    v: Literal[1] = 1
    suppressed_id: Id
    sector: Name
    unit: str | None = None
    kind: AlertKind
    severity: Severity  # what it would have had
    raised_at: UtcTime
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
    simulated: bool = False
    reason: HeldBecause
    text: str
    unit_id: str | None = None  # the patrol that explains it
    zone_id: str | None = None  # the crossing point it went through, the field they are in


class AlertIssued(NamedTuple):
    """An alert was raised; an `IncidentChanged` with its incident follows at once."""

    alert: Alert


class IncidentChanged(NamedTuple):
    """An incident is new or differs from how it was last told (its state may be `withdrawn`)."""

    incident: Incident


class AlertSuppressed(NamedTuple):
    """An alert was held back. The same `suppressed_id` again replaces what was said before."""

    record: SuppressedAlert


class SuppressionLifted(NamedTuple):
    """Later evidence took the reason away: that record no longer stands, an alert may follow."""

    suppressed_id: str


class TracksRevised(NamedTuple):
    """Lines of some tracks are void; a `TracksUpdated` with what takes their place follows."""

    since: Mapping[str, UtcTime]  # by track id: its lines with `t >= since` are void


class TracksUpdated(NamedTuple):
    """New lines of tracks, sorted by `t` and `track_id`; `t` may lie before earlier lines."""

    updates: tuple[TrackUpdate, ...]


class MessageRefused(NamedTuple):
    """A well-formed message that cannot be true (its clock runs ahead). It changed nothing."""

    message: AnyFieldMessage
    reason: str


class MessageLate(NamedTuple):
    """A message from before the horizon. It is kept on record; tracks stay as they are."""

    message: AnyFieldMessage
    reason: str


class CommandAnswered(NamedTuple):
    """Somebody's command was judged; if it took effect, an `IncidentChanged` came before."""

    reply: CommandReply


Event = (
    AlertIssued
    | IncidentChanged
    | AlertSuppressed
    | SuppressionLifted
    | TracksRevised
    | TracksUpdated
    | MessageRefused
    | MessageLate
    | CommandAnswered
)


def is_void(line: TrackUpdate, since: Mapping[str, UtcTime]) -> bool:
    """Tell whether a `TracksRevised` takes a line back."""
    void_since = since.get(line.track_id)
    return void_since is not None and line.t >= void_since
