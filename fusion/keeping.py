"""Writes what history keeps (`fusion.history`) into the store, and lets go of what is old."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from edge.messages import UtcTime
from fusion.events import TracksRevised, TracksUpdated
from fusion.history import MinuteLines, Span, minute_of
from fusion.tables import HISTORY_LINE, HISTORY_SPAN

_NAMES: Final = 200  # in one query: SQLite takes 999 values, older ones no more

_Lines = dict[int, dict[str, MinuteLines]]  # by minute, by track


def keep_lines(
    connection: sa.Connection, sector: str, events: Iterable[TracksRevised | TracksUpdated]
) -> None:
    """Add lines of tracks, and take back what was made void. To repeat it changes nothing."""
    new: _Lines = defaultdict(lambda: defaultdict(MinuteLines))
    void: dict[str, UtcTime] = {}
    for event in events:
        if isinstance(event, TracksUpdated):
            for line in event.updates:
                new[minute_of(line.t)][line.track_id].keep(line)
            continue
        for track_id, since in event.since.items():
            void[track_id] = min(since, void.get(track_id, since))
            for minute, tracks in new.items():
                tracks[track_id].drop_since(since, minute=minute)
    for track_id, since in void.items():
        # It may end in the middle of this minute: look at what the store has of it.
        new[minute_of(since)].setdefault(track_id, MinuteLines())
    if void:
        _take_back(connection, sector, void)
    for minute, tracks in sorted(new.items()):
        _merge(connection, sector, minute, tracks, void)


def _take_back(connection: sa.Connection, sector: str, void: dict[str, UtcTime]) -> None:
    """Delete the minutes of tracks that are void as a whole."""
    gone = sa.delete(HISTORY_LINE).where(
        HISTORY_LINE.c.sector == sector,
        HISTORY_LINE.c.minute > sa.bindparam("of_minute"),
        HISTORY_LINE.c.track_id == sa.bindparam("of_track"),
    )
    given = [{"of_track": name, "of_minute": minute_of(at)} for name, at in void.items()]
    connection.execute(gone, given)


def _merge(
    connection: sa.Connection,
    sector: str,
    minute: int,
    tracks: dict[str, MinuteLines],
    void: dict[str, UtcTime],
) -> None:
    """Put lines of a minute among those that the store has of it."""
    known = _known(connection, sector, minute, sorted(tracks))
    rows, emptied = [], []
    for track_id, lines in tracks.items():
        before = known.get(track_id)
        merged = MinuteLines(before)
        if track_id in void:
            merged.drop_since(void[track_id], minute=minute)
        merged.join(lines)
        if not merged:
            emptied += [track_id] if before is not None else []
            continue
        packed = merged.pack()
        if packed != before:
            rows.append(
                {
                    "sector": sector,
                    "minute": minute,
                    "track_id": track_id,
                    "has_lost": merged.has_lost,
                    "packed": packed,
                }
            )
    of_minute = HISTORY_LINE.c.sector == sector, HISTORY_LINE.c.minute == minute
    for some in _by(_NAMES, emptied):
        connection.execute(
            sa.delete(HISTORY_LINE).where(*of_minute, HISTORY_LINE.c.track_id.in_(some))
        )
    _put(connection, HISTORY_LINE, rows)


def _known(
    connection: sa.Connection, sector: str, minute: int, track_ids: Sequence[str]
) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for some in _by(_NAMES, track_ids):
        query = sa.select(HISTORY_LINE.c.track_id, HISTORY_LINE.c.packed).where(
            HISTORY_LINE.c.sector == sector,
            HISTORY_LINE.c.minute == minute,
            HISTORY_LINE.c.track_id.in_(some),
        )
        found |= {row.track_id: row.packed for row in connection.execute(query)}
    return found


def keep_spans(connection: sa.Connection, sector: str, spans: Iterable[Span]) -> None:
    """Note how long who was heard; of several words on a span the one that goes furthest.

    A message that the broker gives again begins, by itself, a span that has long gone on.
    """
    last: dict[tuple[str, UtcTime], Span] = {}
    for span in spans:
        known = last.get((span.sender, span.since))
        if known is None or known.until <= span.until:
            last[span.sender, span.since] = span
    _put(connection, HISTORY_SPAN, [{"sector": sector, **one._asdict()} for one in last.values()])


def forget(connection: sa.Connection, sector: str, *, before: UtcTime, at_most: int) -> int:
    """Delete what is older, the oldest first, at most so many rows; return how many.

    A span that goes on is kept with its beginning.
    """
    gone = 0
    for table, at, oldest in (
        (HISTORY_LINE, HISTORY_LINE.c.minute, minute_of(before)),
        (HISTORY_SPAN, HISTORY_SPAN.c.until, before),
    ):
        key = [column for column in table.primary_key if column.name != "sector"]
        old = sa.select(*key).where(table.c.sector == sector, at < oldest).order_by(at)
        rows = connection.execute(old.limit(at_most - gone)).all()
        if not rows:
            continue
        named = [sa.bindparam(f"of_{column.name}", type_=column.type) for column in key]
        same = [column == name for column, name in zip(key, named, strict=True)]
        connection.execute(
            sa.delete(table).where(table.c.sector == sector, *same),
            [dict(zip((name.key for name in named), row, strict=True)) for row in rows],
        )
        gone += len(rows)
    return gone


def _put(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    is_postgresql = connection.dialect.name == "postgresql"
    connection.execute(_upsert(table, is_postgresql=is_postgresql), rows)


@cache
def _upsert(table: sa.Table, *, is_postgresql: bool) -> sa.Insert:
    """Return the statement of `_put`; to build it takes longer than to run it."""
    insert: Any = (postgresql.insert if is_postgresql else sqlite.insert)(table)
    key = [column.name for column in table.primary_key]
    upsert: sa.Insert = insert.on_conflict_do_update(
        index_elements=key,
        set_={
            column.name: insert.excluded[column.name]
            for column in table.columns
            if column.name not in key
        },
        where=None if "until" not in table.c else table.c.until <= insert.excluded.until,
    )
    return upsert


def _by(count: int, names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[begin : begin + count] for begin in range(0, len(names), count))
