"""The writes of one transaction of the store: each may be repeated and then changes nothing."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from edge.messages import Alert, Deed, Incident, TrackUpdate, UtcTime, encode
from fusion.events import (
    AlertSuppressed,
    SuppressedAlert,
    SuppressionLifted,
    TracksRevised,
    TracksUpdated,
    is_void,
)
from fusion.journal import Position
from fusion.tables import (
    ALERT,
    DEED,
    INCIDENT,
    META,
    REJECTED,
    REJECTED_COUNT,
    SUPPRESSED,
    TRACK,
)

KEPT_REJECTIONS: Final = 1000  # rows a sector
KEPT_REASONS: Final = 200  # distinct ones a sector; beyond, they count together
EXCERPT_CHARS: Final = 512
_REVISION: Final = "incident_revision"
_VARIABLE: Final = re.compile(r"'[^']*'|\"[^\"]*\"|(?<![\w-])-?\d[\d.]*(e-?\d+)?")


class Rejection(NamedTuple):
    """A message that was refused."""

    received_at: UtcTime
    topic: str
    payload: bytes
    reason: str


def journal_key(sector: str) -> str:
    """Return the key under which a sector's place in its journal is kept."""
    return f"journal:{sector}"


class Writer:
    """The writes of one transaction."""

    def __init__(self, connection: sa.Connection, sector: str) -> None:
        """Write on this connection; the caller begins and commits."""
        self._connection = connection
        self._sector = sector
        dialect = connection.dialect.name
        self._insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert

    def alerts(self, alerts: Sequence[Alert]) -> list[Alert]:
        """Add those that are not there yet; return them."""
        rows = {
            alert.alert_id: {
                "alert_id": alert.alert_id,
                "incident_id": alert.incident_id,
                "sector": alert.sector,
                "kind": alert.kind.value,
                "severity": alert.severity.value,
                "raised_at": alert.raised_at,
                "issued_at": alert.issued_at,
                "published": False,
                "document": encode(alert).decode(),
            }
            for alert in alerts
        }
        if not rows:
            return []
        added = self._connection.execute(
            self._insert(ALERT)
            .values(list(rows.values()))
            .on_conflict_do_nothing()
            .returning(ALERT.c.alert_id)
        )
        new = set(added.scalars())
        return [
            alert
            for alert in {alert.alert_id: alert for alert in alerts}.values()
            if alert.alert_id in new
        ]

    def incidents(self, incidents: Sequence[Incident]) -> None:
        """Put each in its last form; one that changed gets the next revision."""
        last = {incident.incident_id: incident for incident in incidents}
        if not last:
            return
        revision = self._next_revisions(len(last))
        rows = [
            {
                "incident_id": incident.incident_id,
                "sector": incident.sector,
                "kind": incident.kind.value,
                "state": incident.state,
                "opened_at": incident.opened_at,
                "updated_at": incident.updated_at,
                "revision": revision + index,
                "document": encode(incident).decode(),
            }
            for index, incident in enumerate(last.values())
        ]
        self._upsert(INCIDENT, rows, where=_differs)

    def tracks(self, events: Sequence[TracksRevised | TracksUpdated]) -> None:
        """Keep the latest line of each track; drop those that a revision made void."""
        latest: dict[str, TrackUpdate] = {}
        void_since: dict[str, UtcTime] = {}
        for event in events:
            if isinstance(event, TracksRevised):
                for track_id, since in event.since.items():
                    void_since[track_id] = min(since, void_since.get(track_id, since))
                latest = {
                    name: line for name, line in latest.items() if not is_void(line, event.since)
                }
                continue
            for update in event.updates:
                known = latest.get(update.track_id)
                if known is None or known.t <= update.t:
                    latest[update.track_id] = update
        if void_since:
            void = TRACK.c.track_id == sa.bindparam("void"), TRACK.c.t >= sa.bindparam("since")
            self._connection.execute(
                sa.delete(TRACK).where(TRACK.c.sector == self._sector, *void),
                [{"void": track_id, "since": since} for track_id, since in void_since.items()],
            )
        rows = [
            {
                "track_id": update.track_id,
                "sector": self._sector,
                "t": update.t,
                "state": update.state.value,
                "document": encode(update).decode(),
            }
            for update in latest.values()
        ]
        self._upsert(TRACK, rows, where=_is_no_older)

    def suppressed(self, events: Sequence[AlertSuppressed | SuppressionLifted]) -> None:
        """Keep what was held back in its last form; drop what no longer stands."""
        standing: dict[str, SuppressedAlert] = {}
        lifted: set[str] = set()
        for event in events:
            if isinstance(event, AlertSuppressed):
                standing[event.record.suppressed_id] = event.record
            else:
                standing.pop(event.suppressed_id, None)
                lifted.add(event.suppressed_id)
        if lifted:
            gone = SUPPRESSED.c.suppressed_id.in_(sorted(lifted))
            self._connection.execute(sa.delete(SUPPRESSED).where(gone))
        rows = [
            {
                "suppressed_id": record.suppressed_id,
                "sector": record.sector,
                "raised_at": record.raised_at,
                "document": encode(record).decode(),
            }
            for record in standing.values()
        ]
        self._upsert(SUPPRESSED, rows)

    def deeds(self, deeds: Sequence[Deed]) -> None:
        """Add those that are not there yet."""
        rows = [
            {
                "message_id": deed.message_id,
                "incident_id": deed.incident_id,
                "sector": deed.sector,
                "received_at": deed.received_at,
                "verb": deed.verb.value,
                "actor": deed.actor,
                "result": deed.result.value,
                "version": deed.version,
                "document": encode(deed).decode(),
            }
            for deed in {deed.message_id: deed for deed in deeds}.values()
        ]
        if rows:
            self._connection.execute(self._insert(DEED).on_conflict_do_nothing(), rows)

    def rejections(self, rejections: Sequence[Rejection]) -> None:
        """Count refused messages by reason; keep the beginnings of the last ones."""
        if not rejections:
            return
        rows = [
            {
                "sector": self._sector,
                "received_at": rejection.received_at,
                "topic": _printable(rejection.topic.encode()),
                "reason": _printable(rejection.reason.encode()),
                "size_bytes": len(rejection.payload),
                "excerpt": _printable(rejection.payload),
            }
            for rejection in rejections[-KEPT_REJECTIONS:]
        ]
        self._connection.execute(sa.insert(REJECTED), rows)
        mine = REJECTED.c.sector == self._sector
        kept = (
            sa.select(REJECTED.c.rejected_id)
            .where(mine)
            .order_by(REJECTED.c.rejected_id.desc())
            .limit(1)
            .offset(KEPT_REJECTIONS)
        )
        self._connection.execute(
            sa.delete(REJECTED).where(mine, REJECTED.c.rejected_id <= kept.scalar_subquery())
        )
        self._count(Counter(_without_values(rejection.reason) for rejection in rejections))

    def _count(self, reasons: "Counter[str]") -> None:
        mine = REJECTED_COUNT.c.sector == self._sector
        known = set(
            self._connection.execute(sa.select(REJECTED_COUNT.c.reason).where(mine)).scalars()
        )
        counts: Counter[str] = Counter()
        for reason, count in reasons.items():
            room = reason in known or len(known | counts.keys()) < KEPT_REASONS
            counts[reason if room else "other"] += count
        rows = [
            {"sector": self._sector, "reason": reason, "count": count}
            for reason, count in counts.items()
        ]
        statement = self._insert(REJECTED_COUNT)
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["sector", "reason"],
                set_={"count": REJECTED_COUNT.c["count"] + statement.excluded["count"]},
            ),
            rows,
        )

    def position(self, position: Position) -> None:
        """Keep the place in the journal up to which everything is here."""
        row = {
            "key": journal_key(self._sector),
            "text": position.segment,
            "number": position.offset,
        }
        self._upsert(META, [row])

    def _next_revisions(self, count: int) -> int:
        """Take so many revisions; return the first.

        The row stays locked until the transaction ends, so a reader never sees a revision before
        a smaller one.
        """
        statement = self._insert(META).values(key=_REVISION, text="", number=count)
        last = self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["key"], set_={"number": META.c.number + count}
            ).returning(META.c.number)
        ).scalar_one()
        return int(last) - count + 1

    def _upsert(
        self,
        table: sa.Table,
        rows: Sequence[dict[str, Any]],
        *,
        where: Callable[[Any], sa.ColumnElement[bool]] | None = None,
    ) -> None:
        """Insert rows, or put them in place of those with the same key where `where` holds."""
        if not rows:
            return
        statement = _upserts(table, self._connection.dialect.name, tuple(rows[0]), where)
        self._connection.execute(statement, rows)


@cache
def _upserts(
    table: sa.Table,
    dialect: str,
    columns: tuple[str, ...],
    where: Callable[[Any], sa.ColumnElement[bool]] | None,
) -> sa.Insert:
    """Return the statement of `_upsert`; to build it takes longer than to run it."""
    statement: Any = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)
    key = [column.name for column in table.primary_key]
    upsert: sa.Insert = statement.on_conflict_do_update(
        index_elements=key,
        set_={name: statement.excluded[name] for name in columns if name not in key},
        where=None if where is None else where(statement.excluded),
    )
    return upsert


def _is_no_older(new: Any) -> sa.ColumnElement[bool]:  # noqa: ANN401 - the row to be written
    newer: sa.ColumnElement[bool] = TRACK.c.t <= new.t
    return newer


def _differs(new: Any) -> sa.ColumnElement[bool]:  # noqa: ANN401 - the row to be written
    other: sa.ColumnElement[bool] = INCIDENT.c.document != new.document
    return other


def _printable(content: bytes) -> str:
    """Return the beginning of what somebody sent, fit for a text column: no zero bytes."""
    text = content[: 4 * EXCERPT_CHARS].decode(errors="replace")
    return text[:EXCERPT_CHARS].replace("\0", "\N{REPLACEMENT CHARACTER}")


def _without_values(reason: str) -> str:
    """Return a reason without the names and numbers in it, so that like counts with like."""
    return _printable(_VARIABLE.sub("…", reason).encode())
