"""The store: alerts, incidents, the latest line of each track, what was held back and refused.

Here it is opened and written; what it is asked stands in `fusion.reading`. SQLite (WAL) by
default, PostgreSQL by URL, the same tables in both. Every `save` is one
transaction and may be repeated: what is there already is not there twice. With the events goes
the place in the journal they came from, so recovery knows what the store has seen.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.dialects import postgresql, sqlite

from edge.messages import (
    Alert,
    RefusedError,
    UtcTime,
    encode,
)
from fusion.database import WAIT_S, StoreUnavailableError, connect, shown
from fusion.events import (
    AlertIssued,
    AlertSuppressed,
    CommandAnswered,
    Event,
    IncidentChanged,
    SuppressionLifted,
    TracksRevised,
    TracksUpdated,
)
from fusion.evidence_index import (
    Crop,
    Forgotten,
    forget_crops,
    keep_crops,
    keep_links,
)
from fusion.handovers import Signature
from fusion.history import Span
from fusion.incident_index import keep
from fusion.journal import Position
from fusion.keeping import forget, keep_lines, keep_spans
from fusion.reading import Reading
from fusion.saving import Rejection, Writer
from fusion.tables import (
    ALERT,
    HANDOVER,
)

_MIGRATIONS: Final = Path(__file__).with_name("migrations")
_MIGRATION_LOCK: Final = 7_203_114  # any number that is ours
_MIGRATION_WAIT_S: Final = 3600
_VERSION: Final = sa.table("alembic_version", sa.column("version_num"))
_log = logging.getLogger(__name__)

__all__ = ["Store", "StoreUnavailableError", "connect"]


class Store(Reading):
    """One database, of one sector or many. Safe to use from several threads."""

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

    def forget_crops(
        self, sector: str, *, before: UtcTime, at_most: int, remove: Callable[[str], None]
    ) -> Forgotten:
        """Look at so many crops from before an instant; delete those that no incident needs.

        `remove` deletes the picture with a digest; what it raises undoes all of it.

        Raises:
            StoreUnavailableError: Nothing was deleted.
        """
        with self._transaction() as connection:
            return forget_crops(connection, sector, before=before, at_most=at_most, remove=remove)

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

    # -- within ------------------------------------------------------------------------------

    def _migrate(self) -> None:
        """Bring the tables up to date; of two processes that start together, one waits."""
        config, wanted = _alembic(), _newest()
        if self._version() == wanted:
            return  # else a start would wait for whoever writes
        _log.info("bringing the tables of %s to version %s", shown(self._engine.url), wanted)
        with self._transaction() as connection, _turn_of(connection):
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                msg = f"cannot bring the store {shown(self._engine.url)} up to date: {error}"
                raise RefusedError(msg) from error

    def _check_version(self) -> None:
        found, wanted = self._version(), _newest()
        if found != wanted:
            what = "has no tables yet" if found is None else f"has tables of version {found}"
            msg = (
                f"the store {shown(self._engine.url)} {what}: "
                f"`tuanbien fusion serve` makes those of {wanted}"
            )
            raise RefusedError(msg)

    def _version(self) -> str | None:
        """Return of which version the tables are; None: there are none."""
        url = self._engine.url
        # SQLite would make a file that is not there, for whoever only mistyped its name.
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
            return None
        with self._transaction() as connection:
            if not sa.inspect(connection).has_table(_VERSION.name):
                return None
            found: str | None = connection.execute(sa.select(_VERSION.c.version_num)).scalar()
            return found


@contextmanager
def _turn_of(connection: sa.Connection) -> Iterator[None]:
    """Wait until no other process brings the same tables up to date; a big store takes minutes."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        yield
        return
    connection.exec_driver_sql(f"PRAGMA busy_timeout={_MIGRATION_WAIT_S * 1000}")
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={WAIT_S * 1000}")


def _newest() -> str | None:
    return ScriptDirectory.from_config(_alembic()).get_current_head()


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
