"""Keeps the incident log: each incident's place in it, and the words that find it.

A place is a number that grows with `opened_at`, so that the newest come first without sorting.
Who writes incidents holds the lock of their revisions: no two take one place.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from edge.messages import Alert, Deed, Incident, UtcTime, decode_as
from fusion.incident_words import words_of
from fusion.tables import ALERT, DEED, INCIDENT, INCIDENT_LOG

_PLACES_A_MS: Final = 1024
_EPOCH: Final = UtcTime.from_epoch_s(0.0)
_AT_ONCE: Final = 500  # incidents
_INDEX: Final = {
    "sqlite": (
        """CREATE VIRTUAL TABLE incident_words USING fts5(
            words, content='incident_log', content_rowid='log_id', detail=none,
            tokenize="ascii tokenchars '=_'")""",
        "INSERT INTO incident_words (incident_words) VALUES ('rebuild')",
        """CREATE TRIGGER incident_log_added AFTER INSERT ON incident_log BEGIN
            INSERT INTO incident_words (rowid, words) VALUES (new.log_id, new.words);
        END""",
        """CREATE TRIGGER incident_log_gone AFTER DELETE ON incident_log BEGIN
            INSERT INTO incident_words (incident_words, rowid, words)
            VALUES ('delete', old.log_id, old.words);
        END""",
        """CREATE TRIGGER incident_log_changed AFTER UPDATE ON incident_log BEGIN
            INSERT INTO incident_words (incident_words, rowid, words)
            VALUES ('delete', old.log_id, old.words);
            INSERT INTO incident_words (rowid, words) VALUES (new.log_id, new.words);
        END""",
    ),
    "postgresql": (
        # What is new is found where all is: no list beside the index that every search reads.
        """CREATE INDEX incident_words ON incident_log
            USING gin (words) WITH (fastupdate = off)""",
    ),
}

_T = TypeVar("_T", Alert, Deed)


def first_place(opened_at: UtcTime) -> int:
    """Return the least place of what was opened then, or later."""
    since = opened_at - _EPOCH
    whole_ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
    return whole_ms * _PLACES_A_MS


def keep(connection: sa.Connection, incident_ids: Collection[str]) -> None:
    """Put incidents where they belong in the log, under the words that find them now.

    Their alerts and deeds are in the store already; an id without an incident is passed over.
    """
    for ids in batched(sorted(set(incident_ids))):
        log = sa.select(INCIDENT_LOG).where(INCIDENT_LOG.c.incident_id.in_(ids))
        known = {row.incident_id: row for row in connection.execute(log)}
        documents = sa.select(INCIDENT.c.document).where(INCIDENT.c.incident_id.in_(ids))
        incidents = [decode_as(text, Incident) for text in connection.execute(documents).scalars()]
        for incident, words in _with_words(connection, incidents):
            row = known.get(incident.incident_id)
            begin = first_place(incident.opened_at)
            mine = INCIDENT_LOG.c.incident_id == incident.incident_id
            if row is not None and 0 <= row.log_id - begin < _PLACES_A_MS:
                if _read(row.words) != set(words):
                    change = sa.update(INCIDENT_LOG).where(mine).values(words=" ".join(words))
                    connection.execute(change)
                continue
            if row is not None:  # it was opened at another time than we thought
                connection.execute(sa.delete(INCIDENT_LOG).where(mine))
            place = _free_place(connection, begin)
            _insert(connection, [(place, incident.incident_id, words)])


def make(connection: sa.Connection) -> None:
    """Put every incident of a store into its empty log and make the index; of any size."""
    last_place = 0
    after: tuple[Any, ...] | None = None
    key = sa.tuple_(INCIDENT.c.opened_at, INCIDENT.c.incident_id)
    query = (
        sa.select(INCIDENT.c.opened_at, INCIDENT.c.incident_id, INCIDENT.c.document)
        .order_by(INCIDENT.c.opened_at, INCIDENT.c.incident_id)
        .limit(_AT_ONCE)
    )
    while True:
        rows = connection.execute(query if after is None else query.where(key > after)).all()
        if not rows:
            break
        after = rows[-1].opened_at, rows[-1].incident_id
        incidents = [decode_as(row.document, Incident) for row in rows]
        new = []
        for incident, words in _with_words(connection, incidents):
            last_place = max(last_place + 1, first_place(incident.opened_at))
            new.append((last_place, incident.incident_id, words))
        _insert(connection, new)
    for statement in _INDEX[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def is_of_the_models(name: str | None, _kind: str, _parents: object) -> bool:
    """Tell Alembic which names in a database the models speak of: not those of the index."""
    return name is None or not name.startswith("incident_words")


def batched(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield as many at a time as one statement takes."""
    for begin in range(0, len(items), _AT_ONCE):
        yield items[begin : begin + _AT_ONCE]


def _with_words(
    connection: sa.Connection, incidents: Sequence[Incident]
) -> Iterator[tuple[Incident, list[str]]]:
    ids = [incident.incident_id for incident in incidents]
    # In order: of more words than are kept it is the first that count, in whatever save.
    issued = sa.select(ALERT.c.document).order_by(ALERT.c.issued_at, ALERT.c.alert_id)
    done = sa.select(DEED.c.document).order_by(DEED.c.received_at, DEED.c.version)
    alerts = _by_incident(connection, issued, ids, Alert)
    deeds = _by_incident(connection, done.order_by(DEED.c.message_id), ids, Deed)
    for incident in incidents:
        name = incident.incident_id
        yield incident, words_of(incident, alerts[name], deeds[name])


def _by_incident(
    connection: sa.Connection, query: sa.Select[Any], ids: Sequence[str], wanted: type[_T]
) -> dict[str, list[_T]]:
    found: dict[str, list[_T]] = defaultdict(list)
    (table,) = query.get_final_froms()
    for text in connection.execute(query.where(table.c.incident_id.in_(ids))).scalars():
        one = decode_as(text, wanted)
        found[one.incident_id].append(one)
    return found


def _free_place(connection: sa.Connection, begin: int) -> int:
    """Return the next place of a millisecond, or of the next one that is not full."""
    while True:
        last = connection.execute(
            sa.select(sa.func.max(INCIDENT_LOG.c.log_id)).where(
                INCIDENT_LOG.c.log_id >= begin, INCIDENT_LOG.c.log_id < begin + _PLACES_A_MS
            )
        ).scalar()
        if last is None:
            return begin
        if last + 1 < begin + _PLACES_A_MS:
            return int(last) + 1
        begin += _PLACES_A_MS


def _insert(connection: sa.Connection, new: Sequence[tuple[int, str, Sequence[str]]]) -> None:
    rows = [
        {"log_id": place, "incident_id": name, "words": " ".join(words)}
        for place, name, words in new
    ]
    connection.execute(sa.insert(INCIDENT_LOG), rows)


def _read(words: str) -> set[str]:
    """Return the words of a row; PostgreSQL puts each in quotes."""
    return {word.strip("'") for word in words.split()}
