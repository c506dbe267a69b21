"""Reads what the store knows of the past: tracks, who was heard, what was issued and done.

Every question has a bound on what it reads, whatever is asked.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import sqlalchemy as sa

from edge.messages import FUSION, Alert, Deed, Incident, TrackUpdate, UtcTime, decode_as
from fusion.history import GAP_S, MinuteLines, Span, gaps, minute_of, start_of
from fusion.tables import ALERT, DEED, HISTORY_LINE, HISTORY_SPAN, INCIDENT

MOST_TRACKS: Final = 20_000  # in one minute; beyond, those with the last ids are left out
_NAMES: Final = 200  # in one query
_T = TypeVar("_T")


class AlertMark(NamedTuple):
    """An alert on the slider."""

    alert_id: str
    incident_id: str
    kind: str
    severity: str
    raised_at: UtcTime
    issued_at: UtcTime


class Past:
    """A sector's past; lives as long as its connection."""

    def __init__(self, connection: sa.Connection, sector: str) -> None:
        """Read through this connection."""
        self._connection = connection
        self._sector = sector

    # -- tracks ------------------------------------------------------------------------------

    def lines_at(self, at: UtcTime, *, kept_s: float, lost_kept_s: float) -> list[TrackUpdate]:
        """Return the last line of each track at an instant, by track.

        Args:
            at: The instant.
            kept_s: How old a line may be.
            lost_kept_s: And one of somebody who was lost near the line.
        """
        last: dict[str, TrackUpdate] = {}
        for minute in range(minute_of(at.after(-lost_kept_s)), minute_of(at) + 1):
            is_lately = start_of(minute + 1) > at.after(-kept_s)
            for track_id, lines in self._of_minute(minute, only_lost=not is_lately):
                line = lines.last(track_id, minute=minute, until=at)
                if line is not None and line.t >= at.after(-lost_kept_s):
                    last[track_id] = line
        return [
            last[name]
            for name in sorted(last)
            if last[name].lost_near_line or last[name].t >= at.after(-kept_s)
        ]

    def lines(self, since: UtcTime, until: UtcTime) -> Iterator[TrackUpdate]:
        """Yield the lines after `since` and up to `until`, minute by minute, each sorted by time.

        Ask for few minutes: there may be 20,000 tracks in each.
        """
        for minute in range(minute_of(since), minute_of(until) + 1):
            found = [
                line
                for track_id, lines in self._of_minute(minute)
                for line in lines.lines(track_id, minute=minute)
                if since < line.t <= until
            ]
            yield from sorted(found, key=lambda line: (line.t, line.track_id))

    def lines_of(
        self, track_ids: Sequence[str], since: UtcTime, until: UtcTime
    ) -> Iterator[TrackUpdate]:
        """Yield the lines of some tracks from `since` up to `until`, by minute, track and time."""
        for some in _by(_NAMES, sorted(set(track_ids))):
            query = (
                sa.select(HISTORY_LINE.c.minute, HISTORY_LINE.c.track_id, HISTORY_LINE.c.packed)
                .where(
                    HISTORY_LINE.c.sector == self._sector,
                    HISTORY_LINE.c.minute.between(minute_of(since), minute_of(until)),
                    HISTORY_LINE.c.track_id.in_(some),
                )
                .order_by(HISTORY_LINE.c.minute, HISTORY_LINE.c.track_id)
            )
            for row in self._connection.execute(query):
                for line in MinuteLines(row.packed).lines(row.track_id, minute=row.minute):
                    if since <= line.t <= until:
                        yield line

    def _of_minute(
        self, minute: int, *, only_lost: bool = False
    ) -> Iterator[tuple[str, MinuteLines]]:
        """Yield the lines of a minute, by track."""
        query = sa.select(HISTORY_LINE.c.track_id, HISTORY_LINE.c.packed).where(
            HISTORY_LINE.c.sector == self._sector, HISTORY_LINE.c.minute == minute
        )
        if only_lost:
            query = query.where(HISTORY_LINE.c.has_lost)
        query = query.order_by(HISTORY_LINE.c.track_id).limit(MOST_TRACKS)
        for row in self._connection.execute(query):
            yield row.track_id, MinuteLines(row.packed)

    def counts(self, since: UtcTime, until: UtcTime) -> dict[int, int]:
        """Return how many tracks there were, by minute since 1970; those with any only."""
        minute = HISTORY_LINE.c.minute
        query = (
            sa.select(minute, sa.func.count())
            .where(
                HISTORY_LINE.c.sector == self._sector,
                minute.between(minute_of(since), minute_of(until)),
            )
            .group_by(minute)
        )
        return {row[0]: row[1] for row in self._connection.execute(query)}

    def seen_of(
        self, track_ids: Sequence[str], since: UtcTime, until: UtcTime
    ) -> tuple[UtcTime, UtcTime] | None:
        """Return when some tracks were first and last seen within a time; None: not at all."""
        wanted = sa.and_(
            HISTORY_LINE.c.sector == self._sector,
            HISTORY_LINE.c.minute.between(minute_of(since), minute_of(until)),
            HISTORY_LINE.c.track_id.in_(track_ids[:_NAMES]),
        )
        minute = HISTORY_LINE.c.minute
        first, last = self._connection.execute(
            sa.select(sa.func.min(minute), sa.func.max(minute)).where(wanted)
        ).one()
        if first is None:
            return None
        seen = [
            line.t
            for edge in (first, last)
            for track_id, lines in self._of_minute(edge)
            if track_id in track_ids
            for line in lines.lines(track_id, minute=edge)
        ]
        return min(seen), max(seen)

    # -- who was heard -----------------------------------------------------------------------

    def gaps(self, since: UtcTime, until: UtcTime) -> list[tuple[UtcTime, UtcTime]]:
        """Return when between two instants fusion did not run, or kept no history."""
        query = sa.select(HISTORY_SPAN.c.since, HISTORY_SPAN.c.until).where(
            HISTORY_SPAN.c.sector == self._sector,
            HISTORY_SPAN.c.sender == FUSION,
            HISTORY_SPAN.c.since <= until,
        )
        # It starts seldom; asked for `until` too, SQLite would go through everybody's.
        runs = [
            (UtcTime.of(row.since), UtcTime.of(row.until))
            for row in self._connection.execute(query)
        ]
        return gaps(runs, since, until, at_least_s=GAP_S)

    def kept_since(self) -> UtcTime | None:
        """Return since when there is any history; None: there is none."""
        query = sa.select(sa.func.min(HISTORY_SPAN.c.since)).where(
            HISTORY_SPAN.c.sector == self._sector, HISTORY_SPAN.c.sender == FUSION
        )
        since = self._connection.execute(query).scalar()
        return None if since is None else UtcTime.of(since)

    def heard_at(self, at: UtcTime, *, at_most: int) -> list[Span]:
        """Return what each device and unit was last heard saying at an instant, by sender."""
        names, other = self._names(), HISTORY_SPAN.alias()
        # By name, not by row: a patrol that walked for a month has half a million of them.
        latest = (
            sa.select(sa.func.max(other.c.since))
            .where(
                other.c.sector == self._sector,
                other.c.sender == names.c.sender,
                other.c.since <= at,
            )
            .correlate(names)
            .scalar_subquery()
        )
        query = (
            self._columns()
            .select_from(names)
            .join(
                HISTORY_SPAN,
                sa.and_(
                    HISTORY_SPAN.c.sector == self._sector,
                    HISTORY_SPAN.c.sender == names.c.sender,
                    HISTORY_SPAN.c.since == latest,
                ),
            )
            .where(names.c.sender != FUSION)
            .limit(at_most)
        )
        return sorted(map(_span, self._connection.execute(query)))

    def heard(self, since: UtcTime, until: UtcTime, *, at_most: int) -> list[Span]:
        """Return the spans that began after `since` and up to `until`, in order."""
        began = HISTORY_SPAN.c.since > since, HISTORY_SPAN.c.since <= until
        found = [
            span
            for some in _by(_NAMES, self._senders(at_most))
            for span in self._spans(HISTORY_SPAN.c.sender.in_(some), *began)
        ]
        return sorted(found, key=lambda span: (span.since, span.sender))

    def fell_silent(self, since: UtcTime, until: UtcTime, *, at_most: int) -> list[Span]:
        """Return the spans of devices that were heard for the last time in a time, in order."""
        over = (
            HISTORY_SPAN.c.is_over,
            HISTORY_SPAN.c.until > since,
            HISTORY_SPAN.c.until <= until,
        )
        return list(self._spans(*over))[:at_most]

    def _spans(self, *wanted: sa.ColumnElement[bool]) -> Iterator[Span]:
        query = self._columns().where(HISTORY_SPAN.c.sector == self._sector, *wanted)
        for row in self._connection.execute(
            query.order_by(HISTORY_SPAN.c.sender, HISTORY_SPAN.c.since)
        ):
            yield _span(row)

    def _columns(self) -> sa.Select[Any]:
        return sa.select(*(HISTORY_SPAN.c[name] for name in Span._fields))

    def _senders(self, at_most: int) -> list[str]:
        """Return the names of all devices and units."""
        names = self._names()
        query = sa.select(names.c.sender).where(names.c.sender != FUSION).limit(at_most)
        return list(self._connection.execute(query).scalars())

    def _names(self) -> sa.CTE:
        """Return who was ever heard, in order: from one name to the next in the index."""
        mine = HISTORY_SPAN.c.sector == self._sector
        first: Any = sa.select(sa.func.min(HISTORY_SPAN.c.sender).label("sender")).where(mine)
        names: sa.CTE = first.cte("names", recursive=True)
        following = (
            sa.select(sa.func.min(HISTORY_SPAN.c.sender))
            .where(mine, HISTORY_SPAN.c.sender > names.c.sender)
            .scalar_subquery()
        )
        return names.union_all(sa.select(following).where(names.c.sender.is_not(None)))

    # -- what was issued and done ------------------------------------------------------------

    def alerts_at(self, at: UtcTime, *, at_most: int) -> list[Alert]:
        """Return the last alerts that had been issued by an instant, newest first."""
        query = (
            sa.select(ALERT.c.document)
            .where(ALERT.c.sector == self._sector, ALERT.c.issued_at <= at)
            .order_by(ALERT.c.issued_at.desc(), ALERT.c.alert_id)
            .limit(at_most)
        )
        return self._documents(query, Alert)

    def alerts(self, since: UtcTime, until: UtcTime, *, at_most: int) -> list[Alert]:
        """Return the alerts issued after `since` and up to `until`, in order."""
        query = (
            sa.select(ALERT.c.document)
            .where(
                ALERT.c.sector == self._sector,
                ALERT.c.issued_at > since,
                ALERT.c.issued_at <= until,
            )
            .order_by(ALERT.c.issued_at, ALERT.c.alert_id)
            .limit(at_most)
        )
        return self._documents(query, Alert)

    def marks(self, since: UtcTime, until: UtcTime, *, at_most: int) -> list[AlertMark]:
        """Return where on the slider alerts stand: those issued in a time, the latest of them."""
        query = (
            sa.select(*(ALERT.c[name] for name in AlertMark._fields))
            .where(
                ALERT.c.sector == self._sector,
                ALERT.c.issued_at >= since,
                ALERT.c.issued_at <= until,
            )
            .order_by(ALERT.c.issued_at.desc(), ALERT.c.alert_id)
            .limit(at_most)
        )
        rows = self._connection.execute(query).all()[::-1]
        return [
            AlertMark(
                row.alert_id,
                row.incident_id,
                row.kind,
                row.severity,
                UtcTime.of(row.raised_at),
                UtcTime.of(row.issued_at),
            )
            for row in rows
        ]

    def incidents(self, incident_ids: Sequence[str]) -> list[Incident]:
        """Return incidents as they stand now."""
        return [
            incident
            for some in _by(_NAMES, incident_ids)
            for incident in self._documents(
                sa.select(INCIDENT.c.document).where(
                    INCIDENT.c.incident_id.in_(some), INCIDENT.c.sector == self._sector
                ),
                Incident,
            )
        ]

    def deeds(self, incident_ids: Sequence[str]) -> list[Deed]:
        """Return all that was done about incidents, in order."""
        found = [
            deed
            for some in _by(_NAMES, incident_ids)
            for deed in self._documents(
                sa.select(DEED.c.document).where(DEED.c.incident_id.in_(some)), Deed
            )
        ]
        return sorted(found, key=lambda deed: (deed.received_at, deed.version))

    def incidents_worked_on(self, since: UtcTime, until: UtcTime, *, at_most: int) -> list[str]:
        """Return the ids of incidents about which something was done in a time."""
        query = (
            sa.select(DEED.c.incident_id)
            .where(
                DEED.c.sector == self._sector,
                DEED.c.received_at > since,
                DEED.c.received_at <= until,
            )
            .distinct()
            .limit(at_most)
        )
        return list(self._connection.execute(query).scalars())

    def _documents(self, query: sa.Select[Any], wanted: type[Any]) -> list[Any]:
        return [decode_as(text, wanted) for text in self._connection.execute(query).scalars()]


def _span(row: sa.Row[Any]) -> Span:
    since, until = UtcTime.of(row.since), UtcTime.of(row.until)
    return Span(row.sender, since, until, row.is_over, row.document)


def _by(count: int, names: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (names[begin : begin + count] for begin in range(0, len(names), count))
