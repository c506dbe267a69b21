"""The figures as tables: what the page shows and a CSV file holds, each column with what it is."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from edge.messages import Incident, Overdue, UtcTime
from fusion.console_load import Load
from fusion.sector import Sector
from fusion.tally import By, Tally
from fusion.waits import Wait
from maps.figures.places import Cell, Cells
from maps.figures.reading import Figures, Watch

# What a cell is; the page and the CSV write it accordingly. None: there is nothing to say.
Is = Literal[
    "count", "share", "rate", "seconds", "hours", "km", "metres",
    "text", "date", "instant", "kind", "state", "severity", "overdue", "place", "group", "line",
]  # fmt: skip
Value = str | int | float | None


class Column(NamedTuple):
    """A column; its head is the word `figures.col_NAME`."""

    name: str
    holds: Is


class Table(NamedTuple):
    """A table; its title is the word `figures.table_NAME`."""

    name: str
    columns: tuple[Column, ...]
    rows: list[list[Value]]
    left_out: int = 0  # rows


_WAITS: Final = tuple(
    column
    for step in ("acknowledge", "dispatch", "resolve")
    for column in (
        Column(f"{step}_median", "seconds"), Column(f"{step}_p90", "seconds"),
        Column(f"{step}_count", "count"), Column(f"{step}_not_yet", "count"),
    )
)  # fmt: skip
_CAME: Final = (
    *(Column(name, "count") for name in ("incidents", "true", "nuisance", "false")),
    *(Column(name, "count") for name in ("unclear", "open", "by_itself")),
    *(Column(name, "share") for name in ("precision", "precision_low", "precision_high")),
    *(
        Column(name, "rate")
        for name in ("unwanted_per_day", "unwanted_per_day_low", "unwanted_per_day_high")
    ),
)
_MET: Final = (
    *(Column(name, "count") for name in ("caught", "turned_back", "got_away")),
    *(Column(name, "share") for name in ("interdiction", "interdiction_low", "interdiction_high")),
)
WATCHED: Final = frozenset({"seen_lines", "seen_devices", "patrols"})  # of `of_watch`
_MANY: Final[tuple[By, ...]] = ("device", "trail")
_MOST_LISTED: Final = 200
_LEAST_SEEN_H: Final = 0.05  # what shows as 0,0 h is none


def of_figures(figures: Figures, sector: Sector) -> Iterator[Table]:
    """Yield the tables of what came of alerts and how long it took."""
    names = {trail.id: trail.name for trail in sector.trails}
    yield _waiting_states(figures.waiting)
    yield _waiting(figures.waiting)
    by = {
        kind: [one for one in figures.tallies if one.by == kind]
        for kind in ("all", "kind", "device", "trail", "day")
    }
    yield _tallied("waits_kind", Column("kind", "group"), _WAITS, by["all"] + by["kind"], _waits)
    yield _tallied("waits_day", Column("date", "date"), _WAITS, by["day"], _waits)
    yield _tallied("came_kind", Column("kind", "group"), _CAME, by["all"] + by["kind"], _came)
    for kind in _MANY:
        most = sorted(by[kind], key=lambda one: (-one.incidents, one.name))
        table = _tallied(f"came_{kind}", Column(kind, "text"), _CAME, most, _came, names=names)
        yield table._replace(left_out=figures.groups.get(kind, 0) - len(most))
    yield _tallied("came_day", Column("date", "date"), _CAME, by["day"], _came)
    met = [one for one in by["trail"] if one.interdiction is not None]
    head = Column("trail", "group")
    table = _tallied("interdiction", head, _MET, by["all"] + met, _met, names=names)
    yield table._replace(left_out=figures.groups.get("trail", 0) - len(by["trail"]))
    yield _loads(figures)
    yield from _places(figures.cells, names)


def of_watch(watch: Watch) -> Iterator[Table]:
    """Yield the tables of what devices saw and our units walked."""
    yield _seen_lines(watch)
    yield _seen_devices(watch)
    yield _patrols(watch)


# -- now -------------------------------------------------------------------------------------


def _waiting_states(waiting: Sequence[Incident]) -> Table:
    rows: list[list[Value]] = []
    for state in dict.fromkeys(one.state for one in waiting):
        its = [one for one in waiting if one.state == state]
        overdue = sum(isinstance(one.overdue, Overdue) for one in its)
        rows.append([state, len(its), overdue, its[0].opened_at.rfc3339()])
    columns = (
        Column("state", "state"), Column("incidents", "count"), Column("overdue", "count"),
        Column("oldest", "instant"),
    )  # fmt: skip
    return Table("waiting_states", columns, rows)


def _waiting(waiting: Sequence[Incident]) -> Table:
    columns = (
        Column("incident", "text"), Column("opened", "instant"), Column("kind", "kind"),
        Column("severity", "severity"), Column("state", "state"), Column("overdue", "overdue"),
        Column("trail", "text"), Column("assigned_to", "text"),
    )  # fmt: skip
    return Table(
        "waiting",
        columns,
        [
            [
                one.incident_id,
                one.opened_at.rfc3339(),
                one.kind.value,
                one.severity.value,
                one.state,
                one.overdue.step if isinstance(one.overdue, Overdue) else None,
                one.place.trail_name or one.place.trail_id,
                one.assigned_to or None,
            ]
            for one in waiting[:_MOST_LISTED]
        ],
    )


# -- what came of it -------------------------------------------------------------------------


def _tallied(  # noqa: PLR0913 - a table is that much
    name: str,
    head: Column,
    columns: tuple[Column, ...],
    tallies: Iterable[Tally],
    cells: Callable[[Tally], list[Value]],
    *,
    names: dict[str, str] | None = None,
) -> Table:
    rows = [[(names or {}).get(one.name, one.name), *cells(one)] for one in tallies]
    return Table(name, (head, *columns), rows)


def _waits(one: Tally) -> list[Value]:
    cells: list[Value] = []
    for wait in (one.to_acknowledge, one.to_dispatch, one.to_resolve):
        done = wait or Wait(count=0, median_s=math.nan, p90_s=math.nan)
        told: list[Value] = [None, None] if wait is None else [wait.median_s, wait.p90_s]
        cells += [*told, done.count, one.incidents - done.count]
    return cells


def _came(one: Tally) -> list[Value]:
    return [
        *(one.incidents, one.true, one.nuisance, one.false, one.unclear, one.open, one.by_itself),
        *(one.precision, one.precision_low, one.precision_high),
        *(one.unwanted_per_day, one.unwanted_per_day_low, one.unwanted_per_day_high),
    ]


def _met(one: Tally) -> list[Value]:
    return [
        *(one.caught, one.turned_back, one.got_away),
        *(one.interdiction, one.interdiction_low, one.interdiction_high),
    ]


def _loads(figures: Figures) -> Table:
    columns = (
        Column("date", "date"), Column("hours", "hours"), Column("sounded", "count"),
        Column("per_hour", "rate"), Column("most_in_hour", "count"),
        Column("most_in_10_min", "count"), Column("hours_over_acceptable", "count"),
        Column("hours_over_most", "count"), Column("floods", "count"), Column("quiet", "count"),
    )  # fmt: skip

    def cells(name: str, load: Load) -> list[Value]:
        per_hour = round(load.sounded / load.hours, 2) if load.hours else None
        return [
            *(name, round(load.hours, 1), load.sounded, per_hour, load.most_in_hour),
            *(load.most_in_10_min, load.hours_over_acceptable, load.hours_over_most),
            *(load.floods, load.quiet),
        ]

    rows = [cells(day.isoformat(), load) for day, load in figures.loads.items()]
    return Table("load_day", columns, rows)


# -- where and when --------------------------------------------------------------------------


def _places(cells: Cells, names: dict[str, str]) -> Iterator[Table]:
    def shown(where: str | int | None) -> Value:
        return names.get(where, where) if isinstance(where, str) else where

    most = sorted(cells.items(), key=lambda one: (-one[1].hours.total(), str(one[0])))
    head, total = Column("place", "place"), Column("incidents", "count")
    hours = tuple(Column(f"hour_{hour:02}", "count") for hour in range(24))
    weekdays = tuple(Column(f"weekday_{day}", "count") for day in range(7))
    yield Table(
        "places_hours",
        (head, total, *hours),
        [[shown(where), cell.hours.total(), *_by(cell, 1, 24)] for where, cell in most],
    )
    yield Table(
        "places_weekdays",
        (head, total, *weekdays),
        [[shown(where), cell.hours.total(), *_by(cell, 0, 7)] for where, cell in most],
    )


def _by(cell: Cell, part: Literal[0, 1], count: int) -> list[int]:
    """Count by the day of the week (0) or by the hour (1)."""
    found = [0] * count
    for hour, incidents in cell.hours.items():
        found[hour[part]] += incidents
    return found


# -- who saw and walked what -----------------------------------------------------------------


def _seen_lines(watch: Watch) -> Table:
    columns = (
        Column("line", "line"), Column("length", "km"), Column("known", "hours"),
        Column("seen", "share"), Column("worst", "text"), Column("worst_blind", "hours"),
    )  # fmt: skip
    blind_km_h = watch.hours.blind_km_h()
    stretches = watch.hours.stretches(least_h=_LEAST_SEEN_H)
    rows: list[list[Value]] = []
    for line in watch.lines:
        key, length_km = (line.kind, line.id), line.length_m / 1000.0
        whole = length_km * watch.hours.hours
        seen = round(1.0 - blind_km_h.get(key, 0.0) / whole, 4) if whole else None
        its = [one for one in stretches if one.line == key]
        worst = max(its, key=lambda one: (one.hours, one.to_m - one.from_m), default=None)
        rows.append([
            "" if line.kind == "border" else line.name,
            round(length_km, 2),
            round(watch.hours.hours, 1),
            None if seen is None else max(0.0, seen),
            None if worst is None else f"{worst.from_m:.0f}-{worst.to_m:.0f} m",
            None if worst is None else round(worst.hours, 1),
        ])  # fmt: skip
    return Table("seen_lines", columns, rows)


def _seen_devices(watch: Watch) -> Table:
    columns = (
        Column("device", "text"), Column("seen_h", "hours"), Column("blind_h", "hours"),
        Column("seen", "share"),
    )  # fmt: skip
    blind_h = watch.hours.devices()
    rows: list[list[Value]] = []
    for device in sorted({*blind_h, *watch.seen_h}):
        seen, blind = watch.seen_h.get(device, 0.0), blind_h.get(device, 0.0)
        share = round(seen / (seen + blind), 4) if seen + blind else None
        rows.append([device, round(seen, 1), round(blind, 1), share])
    return Table("seen_devices", columns, rows)


def _patrols(watch: Watch) -> Table:
    columns = (
        Column("trail", "text"), Column("length", "km"), Column("walked", "km"),
        Column("walked_share", "share"), Column("last", "instant"), Column("units", "text"),
        Column("gaps", "count"), Column("longest_gap", "metres"),
    )  # fmt: skip
    rows: list[list[Value]] = []
    for one in sorted(watch.patrolled, key=lambda one: one.walked_m / one.line.length_m):
        last_s = max((piece.last_s for piece in one.pieces), default=None)
        gaps_m = [to_m - from_m for from_m, to_m in one.never]
        rows.append([
            one.line.name,
            round(one.line.length_m / 1000.0, 2),
            round(one.walked_m / 1000.0, 2),
            round(one.walked_m / one.line.length_m, 4),
            None if last_s is None else UtcTime.from_epoch_s(last_s).rfc3339(),
            ", ".join(one.units) or None,
            len(gaps_m),
            round(max(gaps_m), 0) if gaps_m else None,
        ])  # fmt: skip
    return Table("patrols", columns, rows)
