"""Reads what the figures of a day are made of: its incidents, how long people took, its alerts.

Whatever is asked has a bound on what it reads.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from edge.messages import Deed, Incident, UtcTime, decode_as
from fusion.steps import ENDED, State
from fusion.tables import ALERT, DEED, INCIDENT
from fusion.waits import Waits, waits_of

MOST_INCIDENTS: Final = 50_000  # at once; beyond, the last are left out
MOST_ALERTS: Final = 100_000
_OPEN: Final = tuple(state.value for state in State if state not in ENDED)


class Stamp(NamedTuple):
    """Tells whether anything of a time has changed since: how many there are, the last change."""

    incidents: int
    revision: int
    alerts: int


class Sound(NamedTuple):
    """An alert at the console."""

    issued_at: UtcTime
    is_quiet: bool  # over the budget: it is shown with another one and makes no sound
    simulated: bool


class _Sound(msgspec.Struct):
    """What of an alert's document is read."""

    simulated: bool = False
    grouped_with: str | None = None


class DayRecord:
    """A sector's days; lives as long as its connection."""

    def __init__(self, connection: sa.Connection, sector: str) -> None:
        """Read through this connection."""
        self._connection = connection
        self._sector = sector

    def stamp(self, since: UtcTime, until: UtcTime) -> Stamp:
        """Return what changes whenever anything of this time does."""
        incidents = sa.select(sa.func.count(), sa.func.max(INCIDENT.c.revision)).where(
            *self._opened(since, until)
        )
        alerts = sa.select(sa.func.count()).where(*self._issued(since, until))
        count, revision = self._connection.execute(incidents).one()
        return Stamp(count, revision or 0, self._connection.execute(alerts).scalar_one())

    def incidents(self, since: UtcTime, until: UtcTime) -> list[Incident]:
        """Return the incidents opened at `since` or later and before `until`, in order."""
        query = (
            sa.select(INCIDENT.c.document)
            .where(*self._opened(since, until))
            .order_by(INCIDENT.c.opened_at, INCIDENT.c.revision)
            .limit(MOST_INCIDENTS)
        )
        return self._documents(query, Incident)

    def waits(
        self, incidents: Sequence[Incident], since: UtcTime, until: UtcTime
    ) -> dict[str, Waits]:
        """Return how long people took for incidents, by incident: those opened in this time."""
        opened = self._opened(since, until)
        issued = (
            sa.select(ALERT.c.alert_id, ALERT.c.issued_at)
            .join(INCIDENT, INCIDENT.c.incident_id == ALERT.c.incident_id)
            .where(*opened)
            .limit(MOST_ALERTS)
        )
        done = (
            sa.select(DEED.c.document)
            .join(INCIDENT, INCIDENT.c.incident_id == DEED.c.incident_id)
            .where(*opened)
            .limit(4 * MOST_INCIDENTS)
        )
        told = {
            row.alert_id: UtcTime.of(row.issued_at) for row in self._connection.execute(issued)
        }
        return waits_of(incidents, told, self._documents(done, Deed))

    def sounds(self, since: UtcTime, until: UtcTime) -> list[Sound]:
        """Return the alerts issued at `since` or later and before `until`, in order."""
        query = (
            sa.select(ALERT.c.issued_at, ALERT.c.document)
            .where(*self._issued(since, until))
            .order_by(ALERT.c.issued_at)
            .limit(MOST_ALERTS)
        )
        return [_sound(row.issued_at, row.document) for row in self._connection.execute(query)]

    def waiting(self, at_most: int) -> tuple[int, list[Incident]]:
        """Return how many incidents wait for people, and those that wait longest, in order."""
        is_open = INCIDENT.c.sector == self._sector, INCIDENT.c.state.in_(_OPEN)
        count = sa.select(sa.func.count()).select_from(INCIDENT).where(*is_open)
        query = (
            sa.select(INCIDENT.c.document)
            .where(*is_open)
            .order_by(INCIDENT.c.opened_at, INCIDENT.c.incident_id)
            .limit(at_most)
        )
        return self._connection.execute(count).scalar_one(), self._documents(query, Incident)

    def _opened(self, since: UtcTime, until: UtcTime) -> tuple[sa.ColumnElement[bool], ...]:
        at = INCIDENT.c.opened_at
        return INCIDENT.c.sector == self._sector, at >= since, at < until

    def _issued(self, since: UtcTime, until: UtcTime) -> tuple[sa.ColumnElement[bool], ...]:
        at = ALERT.c.issued_at
        return ALERT.c.sector == self._sector, at >= since, at < until

    def _documents(self, query: sa.Select[Any], wanted: type[Any]) -> list[Any]:
        return [decode_as(text, wanted) for text in self._connection.execute(query).scalars()]


def _sound(issued_at: datetime, document: str) -> Sound:
    said = _SOUND.decode(document)
    return Sound(UtcTime.of(issued_at), said.grouped_with is not None, said.simulated)


_SOUND: Final = msgspec.json.Decoder(_Sound)
