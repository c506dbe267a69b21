"""Which crops there are, which tracks they show, and for how long they are kept.

    crop ──(track_evidence)── track ──(incident_track)── incident: open, or true? then it is kept

A track's line names the crops of the detections that made it, so late messages change both alike.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from edge.messages import Incident, UtcTime, decode_as
from fusion.events import TracksRevised, TracksUpdated
from fusion.steps import ENDED, State
from fusion.tables import EVIDENCE, INCIDENT, INCIDENT_TRACK, TRACK_EVIDENCE
from fusion.tally import TRUE

MOST: Final = 500  # crops of one incident
_NAMES: Final = 200  # in one query: SQLite takes 999 values, older ones no more
_LOOK_AGAIN_S: Final = 7 * 86_400.0  # at a crop that was old and had to be kept


class Crop(NamedTuple):
    """One picture, as the store knows it."""

    evidence_id: str
    device_id: str
    captured_at: UtcTime
    sha256: str
    size_bytes: int


class Forgotten(NamedTuple):
    """What was looked at because it is old."""

    looked_at: int
    crops: int  # that are gone


def keep_crops(connection: sa.Connection, sector: str, crops: Iterable[Crop]) -> None:
    """Add crops; of two under one name the first."""
    rows = [
        {"sector": sector, "due_at": one.captured_at, **one._asdict()}
        for one in {one.evidence_id: one for one in crops}.values()
    ]
    _add(connection, EVIDENCE, rows)


def keep_links(
    connection: sa.Connection,
    sector: str,
    events: Iterable[TracksRevised | TracksUpdated],
    incidents: Iterable[Incident],
) -> None:
    """Note whom crops show, by what the lines of tracks say, and whom incidents are about."""
    shown: dict[tuple[str, str], UtcTime] = {}
    void: dict[str, UtcTime] = {}
    for event in events:
        if isinstance(event, TracksUpdated):
            for line in event.updates:
                for name in line.evidence_ids:
                    shown[line.track_id, name] = line.t
            continue
        for track_id, since in event.since.items():
            void[track_id] = min(since, void.get(track_id, since))
        shown = {
            key: at
            for key, at in shown.items()
            if key[0] not in event.since or at < event.since[key[0]]
        }
    if void:
        gone = sa.delete(TRACK_EVIDENCE).where(
            TRACK_EVIDENCE.c.sector == sector,
            TRACK_EVIDENCE.c.track_id == sa.bindparam("of_track"),
            TRACK_EVIDENCE.c.at >= sa.bindparam("since"),
        )
        connection.execute(
            gone, [{"of_track": name, "since": since} for name, since in void.items()]
        )
    _add(
        connection,
        TRACK_EVIDENCE,
        [
            {"sector": sector, "track_id": track_id, "evidence_id": name, "at": at}
            for (track_id, name), at in shown.items()
        ],
    )
    about = {(name, one.incident_id) for one in incidents for name in one.track_ids}
    _add(
        connection,
        INCIDENT_TRACK,
        [
            {"sector": sector, "track_id": track_id, "incident_id": incident_id}
            for track_id, incident_id in sorted(about)
        ],
    )


def crops_of(connection: sa.Connection, sector: str, track_ids: Sequence[str]) -> list[Crop]:
    """Return the crops of some tracks in order of their time, the last `MOST`."""
    found: set[Crop] = set()
    for begin in range(0, len(track_ids), _NAMES):
        shows = sa.select(TRACK_EVIDENCE.c.evidence_id).where(
            TRACK_EVIDENCE.c.sector == sector,
            TRACK_EVIDENCE.c.track_id.in_(track_ids[begin : begin + _NAMES]),
        )
        query = _crops(sector).where(EVIDENCE.c.evidence_id.in_(shows))
        latest = query.order_by(EVIDENCE.c.captured_at.desc(), EVIDENCE.c.evidence_id).limit(MOST)
        found.update(map(_crop, connection.execute(latest)))
    return sorted(found, key=lambda one: (one.captured_at, one.evidence_id))[-MOST:]


def crop_named(connection: sa.Connection, sector: str, evidence_id: str) -> Crop | None:
    """Return a crop; None: there is none."""
    row = connection.execute(_crops(sector).where(EVIDENCE.c.evidence_id == evidence_id)).first()
    return None if row is None else _crop(row)


def incidents_of(connection: sa.Connection, sector: str, evidence_id: str) -> list[Incident]:
    """Return the incidents that a crop's tracks were ever said to be of."""
    query = (
        sa.select(INCIDENT.c.document)
        .join(INCIDENT_TRACK, INCIDENT_TRACK.c.incident_id == INCIDENT.c.incident_id)
        .join(TRACK_EVIDENCE, _same_track())
        .where(TRACK_EVIDENCE.c.sector == sector, TRACK_EVIDENCE.c.evidence_id == evidence_id)
        .distinct()
    )
    return [decode_as(text, Incident) for text in connection.execute(query).scalars()]


def forget_crops(
    connection: sa.Connection,
    sector: str,
    *,
    before: UtcTime,
    at_most: int,
    remove: Callable[[str], None],
) -> Forgotten:
    """Look at so many crops from before an instant; delete those that no incident needs.

    An incident needs them while it is open, and for good when it came out true. `remove` deletes
    the picture with a digest that no crop has any more: within the transaction, so that whatever
    fails, no picture is left that nobody would look for again.
    """
    due = (
        sa.select(EVIDENCE.c.evidence_id, EVIDENCE.c.sha256)
        .where(EVIDENCE.c.sector == sector, EVIDENCE.c.due_at < before)
        .order_by(EVIDENCE.c.due_at)
        .limit(min(at_most, _NAMES))
    )
    old = {row.evidence_id: row.sha256 for row in connection.execute(due)}
    _forget_links_to_nothing(connection, sector, before)
    if not old:
        return Forgotten(0, 0)
    needed = _needed(connection, sector, list(old))
    if needed:
        connection.execute(
            sa.update(EVIDENCE)
            .where(EVIDENCE.c.sector == sector, EVIDENCE.c.evidence_id.in_(needed))
            .values(due_at=before.after(_LOOK_AGAIN_S))
        )
    gone = [name for name in old if name not in needed]
    for table in (TRACK_EVIDENCE, EVIDENCE):
        connection.execute(
            sa.delete(table).where(table.c.sector == sector, table.c.evidence_id.in_(gone))
        )
    digests = {old[name] for name in gone}
    named = sa.select(EVIDENCE.c.sha256).where(
        EVIDENCE.c.sector == sector, EVIDENCE.c.sha256.in_(digests)
    )
    for sha256 in sorted(digests - set(connection.execute(named).scalars())):
        remove(sha256)
    return Forgotten(len(old), len(gone))


def _forget_links_to_nothing(connection: sa.Connection, sector: str, before: UtcTime) -> None:
    """Delete what names crops that never came."""
    there = sa.exists().where(
        EVIDENCE.c.sector == sector, EVIDENCE.c.evidence_id == TRACK_EVIDENCE.c.evidence_id
    )
    void = (
        sa.select(TRACK_EVIDENCE.c.evidence_id)
        .where(TRACK_EVIDENCE.c.sector == sector, TRACK_EVIDENCE.c.at < before, ~there)
        .limit(_NAMES)
    )
    names = connection.execute(void).scalars().all()
    connection.execute(
        sa.delete(TRACK_EVIDENCE).where(
            TRACK_EVIDENCE.c.sector == sector, TRACK_EVIDENCE.c.evidence_id.in_(names)
        )
    )


def _needed(connection: sa.Connection, sector: str, evidence_ids: Sequence[str]) -> set[str]:
    query = (
        sa.select(TRACK_EVIDENCE.c.evidence_id, INCIDENT.c.document)
        .join(INCIDENT_TRACK, _same_track())
        .join(INCIDENT, INCIDENT.c.incident_id == INCIDENT_TRACK.c.incident_id)
        .where(TRACK_EVIDENCE.c.sector == sector, TRACK_EVIDENCE.c.evidence_id.in_(evidence_ids))
    )
    return {
        row.evidence_id
        for row in connection.execute(query)
        if _needs_evidence(decode_as(row.document, Incident))
    }


def _needs_evidence(incident: Incident) -> bool:
    return State(incident.state) not in ENDED or (incident.outcome or None) in TRUE


def _same_track() -> sa.ColumnElement[bool]:
    return sa.and_(
        INCIDENT_TRACK.c.sector == TRACK_EVIDENCE.c.sector,
        INCIDENT_TRACK.c.track_id == TRACK_EVIDENCE.c.track_id,
    )


def _crops(sector: str) -> sa.Select[Any]:
    return sa.select(*(EVIDENCE.c[name] for name in Crop._fields)).where(
        EVIDENCE.c.sector == sector
    )


def _crop(row: Any) -> Crop:  # noqa: ANN401 - of the query above
    return Crop(
        row.evidence_id, row.device_id, UtcTime.of(row.captured_at), row.sha256, row.size_bytes
    )


def _add(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        is_postgresql = connection.dialect.name == "postgresql"
        insert: Any = (postgresql.insert if is_postgresql else sqlite.insert)(table)
        connection.execute(insert.on_conflict_do_nothing(), rows)
