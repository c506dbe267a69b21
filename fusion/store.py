"""The store: alerts, incidents, the latest line of each track, what was held back and refused.

SQLite (WAL) by default, PostgreSQL by URL, the same tables in both. Every `save` is one
transaction and may be repeated: what is there already is not there twice. With the events goes
the place in the journal they came from, so recovery knows what the store has seen.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.dialects import postgresql, sqlite

from edge.messages import (
    Alert,
    Deed,
    Incident,
    RefusedError,
    Result,
    TrackUpdate,
    UtcTime,
    decode_as,
    encode,
)
from fusion.day_record import DayRecord
from fusion.events import (
    AlertIssued,
    AlertSuppressed,
    CommandAnswered,
    Event,
    IncidentChanged,
    SuppressedAlert,
    SuppressionLifted,
    TracksRevised,
    TracksUpdated,
)
from fusion.evidence_index import (
    Crop,
    Forgotten,
    crop_named,
    crops_of,
    forget_crops,
    incidents_of,
    keep_crops,
    keep_links,
)
from fusion.handovers import Act, Signature
from fusion.history import Span
from fusion.incident_index import keep
from fusion.incident_search import Cursor, IncidentPage, Search, find
from fusion.journal import Position
from fusion.keeping import forget, keep_lines, keep_spans
from fusion.past import Past
from fusion.saving import Rejection, Writer, journal_key
from fusion.steps import ENDED, State
from fusion.tables import (
    ALERT,
    DEED,
    HANDOVER,
    INCIDENT,
    META,
    REJECTED_COUNT,
    SUPPRESSED,
    TRACK,
)
from fusion.waits import Waits, waits_of

_MIGRATIONS: Final = Path(__file__).with_name("migrations")
_MIGRATION_LOCK: Final = 7_203_114  # any number that is ours
_WAIT_S: Final = 5
_RETRY_S: Final = 0.01
_VERSION: Final = sa.table("alembic_version", sa.column("version_num"))

_T = TypeVar("_T")


class StoreUnavailableError(RefusedError):
    """The database cannot be reached or written now; the same call may succeed later."""


def connect(url: str) -> sa.Engine:
    """Make the pool of connections for a store's address; opens none.

    Raises:
        RefusedError: The address is not one of SQLite or PostgreSQL.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        # Not shown: it may hold a password.
        msg = "the store's address is not a URL such as sqlite:///tuanbien.db or postgresql://…"
        raise RefusedError(msg) from None
    if parsed.drivername in {"sqlite", "sqlite+pysqlite"}:
        # IMMEDIATE: a writer waits at its beginning, not half way, where it could only give up.
        engine = sa.create_engine(
            parsed, connect_args={"timeout": _WAIT_S, "isolation_level": "IMMEDIATE"}
        )
        sa.event.listen(engine, "connect", _set_up_sqlite)
        return engine
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            connect_args={"connect_timeout": _WAIT_S},
        )
    msg = f"the store {_shown(parsed)} is neither sqlite:///… nor postgresql://…"
    raise RefusedError(msg)


class Store:
    """One database, of one sector or many. Safe to use from several threads."""

    def __init__(self, engine: sa.Engine) -> None:
        """Use `Store.open`."""
        self._engine = engine

    @classmethod
    def open(cls, url: str, *, migrate: bool = False) -> Self:
        """Open a store; with `migrate`, make its tables or bring them up to date first.

        Raises:
            RefusedError: It cannot be reached or written, or its tables are of another version.
        """
        store = cls(connect(url))
        try:
            if migrate:
                store._migrate()
            store._check_version()
        except RefusedError:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    # -- writing: fusion ---------------------------------------------------------------------

    def save(  # noqa: PLR0913 - what one transaction holds
        self,
        events: Sequence[Event],
        *,
        sector: str,
        position: Position | None = None,
        rejections: Sequence[Rejection] = (),
        heard: Sequence[Span] | None = None,
        crops: Sequence[Crop] = (),
    ) -> list[Alert]:
        """Keep what happened, in one transaction; return the alerts that are new.

        `position` is the place in the sector's journal behind the last message that the events
        come from; `heard`, who was heard meanwhile, goes into the history with the lines of the
        tracks. None: no history is kept.

        Raises:
            StoreUnavailableError: Nothing was kept; the same call may succeed later.
        """
        with self._transaction() as connection:
            write = Writer(connection, sector)
            new = write.alerts([event.alert for event in events if isinstance(event, AlertIssued)])
            changed = [event.incident for event in events if isinstance(event, IncidentChanged)]
            write.incidents(changed)
            write.deeds([one.reply.deed for one in events if isinstance(one, CommandAnswered)])
            keep(connection, _touched(events))
            lines = [one for one in events if isinstance(one, TracksRevised | TracksUpdated)]
            write.tracks(lines)
            keep_crops(connection, sector, crops)
            keep_links(connection, sector, lines, changed)
            if heard is not None:
                keep_lines(connection, sector, lines)
                keep_spans(connection, sector, heard)
            write.suppressed(
                [
                    event
                    for event in events
                    if isinstance(event, AlertSuppressed | SuppressionLifted)
                ]
            )
            write.rejections(rejections)
            if position is not None:
                write.position(position)
        return new

    def mark_published(self, alert_ids: Sequence[str]) -> None:
        """Note that the broker has taken these alerts.

        Raises:
            StoreUnavailableError: Not noted; the same call may succeed later.
        """
        with self._transaction() as connection:
            connection.execute(
                sa.update(ALERT).where(ALERT.c.alert_id.in_(alert_ids)).values(published=True)
            )

    def forget_history(self, sector: str, *, before: UtcTime, at_most: int) -> int:
        """Delete what history has from before an instant, at most so many rows; return how many.

        Raises:
            StoreUnavailableError: Nothing was deleted.
        """
        with self._transaction() as connection:
            return forget(connection, sector, before=before, at_most=at_most)

    def forget_crops(self, sector: str, *, before: UtcTime, at_most: int) -> Forgotten:
        """Look at so many crops from before an instant; delete those that no incident needs.

        Raises:
            StoreUnavailableError: Nothing was deleted.
        """
        with self._transaction() as connection:
            return forget_crops(connection, sector, before=before, at_most=at_most)

    # -- writing: maps -----------------------------------------------------------------------

    def sign(self, signature: Signature) -> Signature:
        """Keep a signature under a hand-over; return what is kept: of two the first.

        Raises:
            StoreUnavailableError: Nothing was kept; the same call may succeed later.
        """
        row = {
            "handover_id": signature.handover_id,
            "act": signature.act.value,
            "sector": signature.sector,
            "signed_at": signature.signed_at,
            "document": encode(signature).decode(),
        }
        with self._transaction() as connection:
            insert = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name].insert
            connection.execute(insert(HANDOVER).values(row).on_conflict_do_nothing())
        (kept,) = self.signatures_of(signature.handover_id, act=signature.act)
        return kept

    # -- reading -----------------------------------------------------------------------------

    @contextmanager
    def past(self, sector: str) -> Iterator[Past]:
        """Give what the store knows of a sector's past, as it is at one instant."""
        with self._transaction() as connection:
            yield Past(connection, sector)

    @contextmanager
    def day_record(self, sector: str) -> Iterator[DayRecord]:
        """Give what the figures of a sector's days are made of, as it is at one instant."""
        with self._transaction() as connection:
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
        with self._transaction() as connection:
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
        with self._transaction() as connection:
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
        with self._transaction() as connection:
            rows = connection.execute(_of(issued, ALERT, sector)).all()
        told = {row.alert_id: UtcTime.of(row.issued_at) for row in rows}
        return waits_of(incidents, told, self._documents(_of(done, DEED, sector), Deed))

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
            msg = f"cannot use the store {_shown(self._engine.url)}: {why}"
            raise StoreUnavailableError(msg) from error

    def _migrate(self) -> None:
        """Bring the tables up to date; of two processes that start together, one waits."""
        config = _alembic()
        with self._transaction() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            else:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                msg = f"cannot bring the store {_shown(self._engine.url)} up to date: {error}"
                raise RefusedError(msg) from error

    def _check_version(self) -> None:
        wanted = ScriptDirectory.from_config(_alembic()).get_current_head()
        found = None
        url = self._engine.url
        # SQLite would make a file that is not there, for whoever only mistyped its name.
        if url.get_backend_name() != "sqlite" or Path(url.database or "").exists():
            with self._transaction() as connection:
                if sa.inspect(connection).has_table(_VERSION.name):
                    found = connection.execute(sa.select(_VERSION.c.version_num)).scalar()
        if found != wanted:
            shown = _shown(url)
            what = "has no tables yet" if found is None else f"has tables of version {found}"
            msg = f"the store {shown} {what}: `tuanbien fusion serve` makes those of {wanted}"
            raise RefusedError(msg)


def _set_up_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection
    connection.execute(f"PRAGMA busy_timeout={_WAIT_S * 1000}")
    _to_wal(connection)
    connection.execute("PRAGMA synchronous=NORMAL")


def _to_wal(connection: Any) -> None:  # noqa: ANN401 - a DBAPI connection
    """Turn a file to WAL. SQLite does not wait for the lock of that, busy_timeout or not."""
    gives_up_s = time.monotonic() + _WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # or a kind of it
            if not is_busy or time.monotonic() > gives_up_s:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _touched(events: Sequence[Event]) -> set[str]:
    """Return the incidents about which something was said."""
    said = (
        event.alert
        if isinstance(event, AlertIssued)
        else event.incident
        if isinstance(event, IncidentChanged)
        else event.reply.deed
        for event in events
        if isinstance(event, AlertIssued | IncidentChanged | CommandAnswered)
    )
    return {one.incident_id for one in said}


def _of(query: sa.Select[Any], table: sa.Table, sector: str | None) -> sa.Select[Any]:
    return query if sector is None else query.where(table.c.sector == sector)


def _shown(url: sa.URL) -> str:
    return url.render_as_string(hide_password=True)
