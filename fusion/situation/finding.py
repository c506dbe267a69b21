"""What a stage of the situation says of a track, short of a crossing: one shape for all."""

from typing import NamedTuple

from edge.messages import AlertKind, Lead, Reason, Severity
from fusion.local_frame import Metres


class Finding(NamedTuple):
    """Something about one track that asks for a look; said anew at every look while it holds.

    One group, kind and subject is one notice (`fusion.notices`), however often it is said.
    """

    kind: AlertKind
    severity: Severity
    reasons: tuple[Reason, ...]
    subject: str = ""  # the zone, the entry of a watchlist: another one is another matter
    probability: float = 1.0
    outbound: bool | None = None  # None: it has no direction
    eta_s: float | None = None  # until the line, from now
    lead: Lead | None = None
    towards: Metres | None = None  # the point of the line that it leads to
    at: Metres | None = None  # where it is, if not where the track is now
    also: tuple[str, ...] = ()  # other tracks that it is about, by id
    over: str = ""  # it has ended: the outcome, `no_threat` for who turned back or left
