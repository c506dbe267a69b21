"""What the store is asked: by fusion, by the map, by the log and by the figures.

Every question is one transaction, and each that asks twice sees what was at one instant.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa

from edge.messages import Alert, Deed, Incident, Result, TrackUpdate, UtcTime, decode_as
from fusion.database import StoreUnavailableError, shown
from fusion.day_record import DayRecord
from fusion.events import SuppressedAlert
from fusion.evidence_index import Crop, crop_named, crops_of, incidents_of
from fusion.handovers import Act, Signature
from fusion.incident_search import Cursor, IncidentPage, Search, find
from fusion.journal import Position
from fusion.past import Past
from fusion.saving import journal_key
from fusion.steps import ENDED, State
from fusion.tables import ALERT, DEED, HANDOVER, INCIDENT, META, REJECTED_COUNT, SUPPRESSED, TRACK
from fusion.waits import Waits, waits_of

_T = TypeVar("_T")


class Reading:
    """The questions. Safe to ask from several threads."""

    def __init__(self, engine: sa.Engine) -> None:
        """Ask through these connections."""
        self._engine = engine

    @contextmanager
    def past(self, sector: str) -> Iterator[Past]:
        """Give what the store knows of a sector's past, as it is at one instant."""
        with self._snapshot() as connection:
            yield Past(connection, sector)

    @contextmanager
    def day_record(self, sector: str) -> Iterator[DayRecord]:
        """Give what the figures of a sector's days are made of, as it is at one instant."""
        with self._snapshot() as connection:
            yield DayRecord(connection, sector)

    def signatures_of(self, handover_id: str, *, act: Act | None = None) -> list[Signature]:
        """Return the signatures under a hand-over: who gave it, then who took it."""
        query = sa.select(HANDOVER.c.document).where(HANDOVER.c.handover_id == handover_id)
        if act is not None:
            query = query.where(HANDOVER.c.act == act.value)
        return self._documents(query.order_by(HANDOVER.c.act), Signature)

    def signatures(self, limit: int, *, sector: str) -> list[Signature]:
        """Return a sector's latest signatures, newest first."""
        query = (
            sa.select(HANDOVER.c.document)
            .where(HANDOVER.c.sector == sector)
            .order_by(HANDOVER.c.signed_at.desc(), HANDOVER.c.act.desc())
            .limit(limit)
        )
        return self._documents(query, Signature)

    def open_incidents(self, limit: int, *, sector: str) -> tuple[int, list[Incident]]:
        """Return how many incidents wait for people, and the latest of them, newest first."""
        is_open = sa.and_(
            INCIDENT.c.sector == sector,
            INCIDENT.c.state.in_([state.value for state in State if state not in ENDED]),
        )
        query = (
            sa.select(INCIDENT.c.document)
            .where(is_open)
            .order_by(INCIDENT.c.opened_at.desc(), INCIDENT.c.incident_id)
            .limit(limit)
        )
        with self._snapshot() as connection:
            count = sa.select(sa.func.count()).select_from(INCIDENT).where(is_open)
            total = connection.execute(count).scalar_one()
            found = connection.execute(query).scalars().all()
        return total, [decode_as(text, Incident) for text in found]

    def steps_taken(self, since: UtcTime, until: UtcTime, *, sector: str) -> dict[str, int]:
        """Return how many steps of each verb people took from `since` and before `until`."""
        query = (
            sa.select(DEED.c.verb, sa.func.count())
            .where(
                DEED.c.sector == sector,
                DEED.c.received_at >= since,
                DEED.c.received_at < until,
                DEED.c.result == Result.APPLIED.value,
            )
            .group_by(DEED.c.verb)
        )
        with self._transaction() as connection:
            return {verb: count for verb, count in connection.execute(query).all()}  # noqa: C416 - a row is no pair to mypy

    def alerts(self, limit: int, *, sector: str | None = None) -> list[Alert]:
        """Return the latest alerts, newest first; of one sector or of all."""
        query = (
            sa.select(ALERT.c.document)
            .order_by(ALERT.c.issued_at.desc(), ALERT.c.alert_id)
            .limit(limit)
        )
        return self._documents(_of(query, ALERT, sector), Alert)

    def unpublished_alerts(self, sector: str) -> list[Alert]:
        """Return the alerts that the broker has not acknowledged, oldest first."""
        query = (
            sa.select(ALERT.c.document)
            .where(ALERT.c.published.is_(False))
            .order_by(ALERT.c.issued_at, ALERT.c.alert_id)
        )
        return self._documents(_of(query, ALERT, sector), Alert)

    def incidents(self, limit: int, *, sector: str | None = None) -> list[Incident]:
        """Return the latest incidents as they stand, newest first; of one sector or of all."""
        query = (
            sa.select(INCIDENT.c.document)
            .order_by(INCIDENT.c.opened_at.desc(), INCIDENT.c.incident_id)
            .limit(limit)
        )
        return self._documents(_of(query, INCIDENT, sector), Incident)

    def incidents_changed_since(
        self, revision: int, *, limit: int, sector: str | None = None
    ) -> tuple[int, list[Incident]]:
        """Return the incidents changed after a revision, in that order, and the last revision.

        Ask first with 0, then with what the last call returned. Where more than `limit` changed,
        the latest of them: a store may hold a million.
        """
        query = (
            sa.select(INCIDENT.c.revision, INCIDENT.c.document)
            .where(INCIDENT.c.revision > revision)
            .order_by(INCIDENT.c.revision.desc())
            .limit(limit)
        )
        with self._transaction() as connection:
            rows = connection.execute(_of(query, INCIDENT, sector)).all()[::-1]
        last = rows[-1].revision if rows else revision
        return last, [decode_as(row.document, Incident) for row in rows]

    def find_incidents(
        self, search: Search, *, limit: int, cursor: Cursor | None = None
    ) -> IncidentPage:
        """Return the newest incidents that match, or those next to a cursor, newest first.

        Raises:
            RefusedError: There is no word in the text, or it is too long.
        """
        with self._snapshot() as connection:
            return find(connection, search, limit=limit, cursor=cursor)

    def incident(self, incident_id: str) -> Incident | None:
        """Return an incident as it stands."""
        query = sa.select(INCIDENT.c.document).where(INCIDENT.c.incident_id == incident_id)
        return next(iter(self._documents(query, Incident)), None)

    def alerts_named(self, alert_ids: Sequence[str]) -> list[Alert]:
        """Return these alerts, those that there are, in the order in which they were issued."""
        query = sa.select(ALERT.c.document).where(ALERT.c.alert_id.in_(alert_ids))
        return self._documents(query.order_by(ALERT.c.issued_at, ALERT.c.alert_id), Alert)

    def incidents_named(self, incident_ids: Sequence[str]) -> list[Incident]:
        """Return these incidents as they stand, those that there are, in order."""
        query = sa.select(INCIDENT.c.document).where(INCIDENT.c.incident_id.in_(incident_ids))
        in_order = query.order_by(INCIDENT.c.opened_at, INCIDENT.c.incident_id)
        return self._documents(in_order, Incident)

    def tracks_named(self, track_ids: Sequence[str]) -> list[TrackUpdate]:
        """Return the last line of each of these tracks that there are."""
        query = sa.select(TRACK.c.document).where(TRACK.c.track_id.in_(track_ids))
        return self._documents(query.order_by(TRACK.c.track_id), TrackUpdate)

    def crops_of(self, track_ids: Sequence[str], *, sector: str) -> list[Crop]:
        """Return the crops that show some tracks, in order of their time."""
        with self._transaction() as connection:
            return crops_of(connection, sector, track_ids)

    def crop(self, evidence_id: str, *, sector: str) -> Crop | None:
        """Return a crop; None: there is none."""
        with self._transaction() as connection:
            return crop_named(connection, sector, evidence_id)

    def incidents_shown_by(self, evidence_id: str, *, sector: str) -> list[Incident]:
        """Return the incidents that a crop's tracks were ever said to be of."""
        with self._transaction() as connection:
            return incidents_of(connection, sector, evidence_id)

    def held_back(
        self, since: UtcTime, until: UtcTime, *, sector: str, limit: int
    ) -> list[SuppressedAlert]:
        """Return what was held back from `since` and before `until`, in order; the latest."""
        query = (
            sa.select(SUPPRESSED.c.document)
            .where(
                SUPPRESSED.c.sector == sector,
                SUPPRESSED.c.raised_at >= since,
                SUPPRESSED.c.raised_at < until,
            )
            .order_by(SUPPRESSED.c.raised_at.desc(), SUPPRESSED.c.suppressed_id)
            .limit(limit)
        )
        return self._documents(query, SuppressedAlert)[::-1]

    def incidents_opened(
        self, since: UtcTime, until: UtcTime, *, sector: str | None = None
    ) -> list[Incident]:
        """Return the incidents opened at `since` or later and before `until`, in order."""
        query = (
            sa.select(INCIDENT.c.document)
            .where(INCIDENT.c.opened_at >= since, INCIDENT.c.opened_at < until)
            .order_by(INCIDENT.c.opened_at, INCIDENT.c.incident_id)
        )
        return self._documents(_of(query, INCIDENT, sector), Incident)

    def waits(
        self, incidents: Sequence[Incident], since: UtcTime, until: UtcTime, *, sector: str
    ) -> dict[str, Waits]:
        """Return how long people took for the incidents opened in a time, by incident."""
        opened = sa.and_(INCIDENT.c.opened_at >= since, INCIDENT.c.opened_at < until)
        issued = (
            sa.select(ALERT.c.alert_id, ALERT.c.issued_at)
            .join(INCIDENT, INCIDENT.c.incident_id == ALERT.c.incident_id)
            .where(opened)
        )
        done = (
            sa.select(DEED.c.document)
            .join(INCIDENT, INCIDENT.c.incident_id == DEED.c.incident_id)
            .where(opened)
        )
        with self._snapshot() as connection:
            rows = connection.execute(_of(issued, ALERT, sector)).all()
            documents = connection.execute(_of(done, DEED, sector)).scalars().all()
        told = {row.alert_id: UtcTime.of(row.issued_at) for row in rows}
        return waits_of(incidents, told, [decode_as(text, Deed) for text in documents])

    def deed(self, message_id: str) -> Deed | None:
        """Return what became of a command; None: it has not been answered."""
        query = sa.select(DEED.c.document).where(DEED.c.message_id == message_id)
        return next(iter(self._documents(query, Deed)), None)

    def deeds(self, incident_id: str) -> list[Deed]:
        """Return every command about an incident, those that were refused too, in order."""
        query = (
            sa.select(DEED.c.document)
            .where(DEED.c.incident_id == incident_id)
            # What is refused at a version came after the step that led to it.
            .order_by(DEED.c.received_at, DEED.c.version, DEED.c.result != Result.APPLIED.value)
        )
        return self._documents(query, Deed)

    def last_deeds(self, limit: int, *, sector: str) -> list[Deed]:
        """Return the last commands of a sector, in order."""
        query = (
            sa.select(DEED.c.document)
            .where(DEED.c.sector == sector)
            .order_by(DEED.c.received_at.desc(), DEED.c.version.desc(), DEED.c.message_id)
            .limit(limit)
        )
        return self._documents(query, Deed)[::-1]

    def tracks(self, since: UtcTime, *, sector: str | None = None) -> list[TrackUpdate]:
        """Return the latest line of each track that was updated at `since` or later."""
        query = sa.select(TRACK.c.document).where(TRACK.c.t >= since).order_by(TRACK.c.t)
        return self._documents(_of(query, TRACK, sector), TrackUpdate)

    def rejected(self, sector: str) -> dict[str, int]:
        """Return how many messages of a sector were refused, by reason."""
        counted = sa.select(REJECTED_COUNT.c.reason, REJECTED_COUNT.c["count"])
        with self._transaction() as connection:
            rows = connection.execute(counted.where(REJECTED_COUNT.c.sector == sector)).all()
        return {reason: count for reason, count in rows}  # noqa: C416 - a row is no pair to mypy

    def position(self, sector: str) -> Position | None:
        """Return the place in the sector's journal up to which everything is kept here."""
        query = sa.select(META.c.text, META.c.number).where(META.c.key == journal_key(sector))
        with self._transaction() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Position(row.text, row.number)

    # -- within ------------------------------------------------------------------------------

    def _documents(self, query: sa.Select[Any], wanted: type[_T]) -> list[_T]:
        with self._transaction() as connection:
            return [decode_as(text, wanted) for text in connection.execute(query).scalars()]

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except (sa.exc.IntegrityError, sa.exc.DataError):
            raise  # a fault of ours, not of the database
        except sa.exc.DBAPIError as error:
            why = str(error.orig).strip().partition("\n")[0]
            msg = f"cannot use the store {shown(self._engine.url)}: {why}"
            raise StoreUnavailableError(msg) from error

    @contextmanager
    def _snapshot(self) -> Iterator[sa.Connection]:
        """Give a connection on which the store stays as it was at the first question."""
        with self._transaction() as connection:
            if connection.dialect.name == "sqlite":  # of itself it begins with a write only
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
                )
            yield connection


def _of(query: sa.Select[Any], table: sa.Table, sector: str | None) -> sa.Select[Any]:
    return query if sector is None else query.where(table.c.sector == sector)
