"""Finds incidents: by what they are, when they were opened and what is said of them.

A page is found in a time that hardly grows with the store. SQLite's FTS5 walks its lists of words
from the newest down. PostgreSQL's GIN gives all that match at once, which is slow where that is
half the log: so the newest are looked at first, and only what is rarer is asked for there.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY

from edge.messages import Incident, RefusedError, UtcTime, decode_as
from fusion.incident_index import first_place
from fusion.incident_words import Facet, facet_word, wanted_of
from fusion.tables import INCIDENT, INCIDENT_LOG

_LOOKED_AT: Final = 2_000  # of the newest, in PostgreSQL ...
_LOOKED_AT_MORE: Final = 20_000  # ... and where at least so many of those were found
_WORTH_IT: Final = 5
_FTS5: Final = sa.table("incident_words", sa.column("rowid"), sa.column("incident_words"))
_CURSOR: Final = re.compile(r"(before|after):(-?\d{1,18})")


class Cursor(NamedTuple):
    """A place in the log, and which way from there."""

    place: int
    newer: bool  # else older

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `before:PLACE` or `after:PLACE`.

        Raises:
            RefusedError: It is neither.
        """
        found = _CURSOR.fullmatch(text)
        if found is None:
            msg = f"cursor {text!r} is none that a page of incidents gave"
            raise RefusedError(msg)
        return cls(int(found[2]), newer=found[1] == "after")

    def __str__(self) -> str:
        """Write it as `parse` reads it."""
        return f"{'after' if self.newer else 'before'}:{self.place}"


class Search(NamedTuple):
    """What is looked for: incidents of which all of it holds."""

    sector: str
    since: UtcTime | None = None  # opened then or later
    until: UtcTime | None = None  # opened before
    facets: Mapping[Facet, Sequence[str]] = {}  # any one of several values; without any: nothing
    text: str = ""


class IncidentPage(NamedTuple):
    """Some incidents, newest first."""

    incidents: list[Incident]
    older: Cursor | None  # None: these are the last
    newer: Cursor | None  # even where there are none yet; None: there is nothing here


def find(
    connection: sa.Connection, search: Search, *, limit: int, cursor: Cursor | None = None
) -> IncidentPage:
    """Return the newest incidents that match, or those next to a cursor.

    Raises:
        RefusedError: There is no word in the text, or it is too long.
    """
    stretch = _stretch(search, cursor)
    wanted = _wanted(search)
    places: list[int] = []
    if all(wanted) and stretch.least <= stretch.most:
        look = _in_sqlite if connection.dialect.name == "sqlite" else _in_postgresql
        places = look(connection, wanted, stretch, limit + 1)
    there_are_more = len(places) > limit
    places = sorted(places[:limit], reverse=True)
    return IncidentPage(
        _at(connection, places),
        older=Cursor(places[-1], newer=False)
        if places and (there_are_more or stretch.newer)
        else None,
        newer=Cursor(places[0], newer=True) if places else None,
    )


class _Stretch(NamedTuple):
    """The places that may be found, both ends included, and from which end."""

    least: int
    most: int
    newer: bool


def _stretch(search: Search, cursor: Cursor | None) -> _Stretch:
    least = -(2**63) if search.since is None else first_place(search.since)
    most = 2**63 - 1 if search.until is None else first_place(search.until) - 1
    if cursor is None:
        return _Stretch(least, most, newer=False)
    if cursor.newer:
        return _Stretch(max(least, cursor.place + 1), most, newer=True)
    return _Stretch(least, min(most, cursor.place - 1), newer=False)


_Wanted = list[list[list[str]]]  # all of these, each as any one of several lists of words


def _wanted(search: Search) -> _Wanted:
    facets = search.facets or {Facet.SECTOR: [search.sector]}
    wanted = [
        [[facet_word(facet, value, sector=search.sector)] for value in sorted(set(values))]
        for facet, values in facets.items()
    ]
    return wanted + wanted_of(search.text) if search.text else wanted


def _written(wanted: _Wanted, *, all_of: str, any_of: str, quote: str) -> str:
    """Write what is wanted as an expression; its words are ASCII letters, digits, "_" and "="."""
    return all_of.join(
        "("
        + any_of.join(
            "(" + all_of.join(f"{quote}{word}{quote}" for word in words) + ")" for words in one
        )
        + ")"
        for one in wanted
    )


def _in_sqlite(
    connection: sa.Connection, wanted: _Wanted, stretch: _Stretch, limit: int
) -> list[int]:
    place = _FTS5.c.rowid
    match = _FTS5.c.incident_words.op("MATCH")
    query = (
        sa.select(place)
        .where(match(_written(wanted, all_of=" AND ", any_of=" OR ", quote='"')))
        .where(place.between(stretch.least, stretch.most))
        .order_by(place.asc() if stretch.newer else place.desc())
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def _in_postgresql(
    connection: sa.Connection, wanted: _Wanted, stretch: _Stretch, limit: int
) -> list[int]:
    least, most, newer = stretch
    place, words = INCIDENT_LOG.c.log_id, INCIDENT_LOG.c.words
    asked = sa.cast(_written(wanted, all_of=" & ", any_of=" | ", quote="'"), TSQUERY)
    order = sa.asc if newer else sa.desc
    found: list[int] = []
    for look_at in (_LOOKED_AT, _LOOKED_AT_MORE):
        near = sa.select(place, words).where(place.between(least, most)).order_by(order(place))
        looked = near.limit(look_at).subquery()
        fits = looked.c.words.op("@@")(asked)
        query = sa.select(looked.c.log_id).where(fits).order_by(order(looked.c.log_id))
        found += connection.execute(query.limit(limit - len(found))).scalars()
        if len(found) >= limit:
            return found
        end = near.with_only_columns(place).limit(1).offset(look_at - 1)
        last = connection.execute(end).scalar()
        if last is None:  # there are no others
            return found
        least, most = (last + 1, most) if newer else (least, last - 1)
        if len(found) < _WORTH_IT:
            break
    # Whatever it thinks of the words, it must not look at all.
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    fits = words.op("@@")(asked)
    others = sa.select(place).where(fits, place.between(least, most)).cte("others")
    query = sa.select(others.prefix_with("MATERIALIZED").c.log_id)
    query = query.order_by(order(sa.column("log_id"))).limit(limit - len(found))
    return found + list(connection.execute(query).scalars())


def _at(connection: sa.Connection, places: Sequence[int]) -> list[Incident]:
    """Return the incidents at these places, in their order."""
    if not places:
        return []
    query = (
        sa.select(INCIDENT_LOG.c.log_id, INCIDENT.c.document)
        .join(INCIDENT, INCIDENT.c.incident_id == INCIDENT_LOG.c.incident_id)
        .where(INCIDENT_LOG.c.log_id.in_(places))
    )
    found: dict[int, Any] = {row.log_id: row.document for row in connection.execute(query)}
    return [decode_as(found[place], Incident) for place in places]
