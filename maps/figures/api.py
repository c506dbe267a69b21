"""The HTTP interface and the page of the figures, for those who answer for a sector."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.responses import HTMLResponse

from edge.messages import RefusedError, UtcTime
from fusion.console_load import ACCEPTABLE_PER_HOUR, FLOOD_PER_10_MIN, MOST_PER_HOUR
from fusion.days import Days
from fusion.sector import Sector
from maps.api import LiveFeed, ServedSector, json_response
from maps.feed import Feed, ReadStore
from maps.figures.csv_file import csv_of
from maps.figures.reading import Figures, Period, Reading
from maps.figures.tables import WATCHED, Table, of_figures, of_watch
from maps.language import chosen
from maps.pages import answer, render_page
from maps.people.door import having
from maps.people.roles import Right

LAST_DAYS: Final = 30
LONGEST_DAYS: Final = 366
FIRST_YEAR: Final = 2000
MOST_SHOWN: Final = 400  # rows of a table on the page; a CSV file has all
MOST_TOLD: Final = 100  # devices and trails on the page
_CSV_BUDGET_S: Final = 20.0  # a file is whole or none
_HEADS: Final = ("figures", "incident", "kind", "log", "severity")
_MAP_PLACES: Final = 200

_T = TypeVar("_T")

router = APIRouter(dependencies=[Depends(having(Right.SEE_FIGURES))])


def add_figures(app: FastAPI, sector: Sector) -> None:
    """Add the page `/figures` and what it asks for."""
    shells = render_page("figures.html", page="figures", sector_name=sector.name, heads=_HEADS)
    app.state.figures = Reading(sector)
    app.include_router(router)

    @app.get("/figures", include_in_schema=False)
    async def page(
        person: Annotated[object, Depends(having(Right.SEE_FIGURES))], request: Request
    ) -> HTMLResponse:
        del person
        return answer(shells, request)


def _reading(request: Request) -> Reading:
    reading: Reading = request.app.state.figures
    return reading


def _period(  # noqa: PLR0913 - one argument a parameter, as the address has them
    feed: LiveFeed,
    sector: ServedSector,
    days: Annotated[
        int | None, Query(ge=1, le=LONGEST_DAYS, description="So many days, today the last.")
    ] = None,
    first: Annotated[date | None, Query(alias="from", description="The first day.")] = None,
    last: Annotated[date | None, Query(alias="to", description="The last day, too.")] = None,
    *,
    simulated: Annotated[bool, Query(description="Of exercises instead.")] = False,
) -> Period:
    """Read which days are asked for, in the sector's time zone; 30 days if nothing is said."""
    now = feed.clock()
    today = now.astimezone(sector.timezone).date()
    if days is not None and (first is not None or last is not None):
        raise HTTPException(422, "days and from, to are two ways to say it: give one")
    end = min(last or today, today)
    if end.year < FIRST_YEAR:
        raise HTTPException(422, f"to {end.isoformat()} is before the year {FIRST_YEAR}")
    count = days or (1 if first == end else LAST_DAYS)
    begin = first or end - timedelta(days=count - 1)
    if begin > today:
        raise HTTPException(422, f"from {begin.isoformat()} is after today, {today.isoformat()}")
    if begin > end or begin.year < FIRST_YEAR:
        raise HTTPException(422, f"from {begin.isoformat()} to {end.isoformat()} are no days")
    if (end - begin).days >= LONGEST_DAYS:
        long = (end - begin).days + 1
        raise HTTPException(422, f"from and to are {long} days apart, more than {LONGEST_DAYS}")
    return Period(Days(begin, end, sector.timezone), now, simulated)


Asked = Annotated[Period, Depends(_period)]
Counting = Annotated[Reading, Depends(_reading)]


@router.get("/api/v1/figures", response_class=Response)
async def figures(
    feed: LiveFeed, sector: ServedSector, reading: Counting, asked: Asked
) -> Response:
    """What waits, what came of the alerts of a period, how long it took, where and when it was.

    While `pending` is above 0, that many days are not counted yet: ask again.
    """
    found = await _asked(feed, lambda store: reading.figures(store, asked, most=MOST_TOLD))
    (whole,) = (one for one in found.tallies if one.by == "all")
    oldest = found.waiting[0] if found.waiting else None
    return json_response(
        _about(asked)
        | {
            "pending": found.pending,
            "left_out": found.left_out,
            "all": whole,
            "waiting": len(found.waiting),
            "waiting_total": found.waiting_total,
            "oldest": None if oldest is None else _named(oldest.incident_id, oldest.opened_at),
            "budget": {
                "acceptable_per_hour": ACCEPTABLE_PER_HOUR,
                "most_per_hour": MOST_PER_HOUR,
                "flood_per_10_min": FLOOD_PER_10_MIN,
            },
            "places": _placed(found, sector),
            "tables": _told(of_figures(found, sector)),
        }
    )


@router.get("/api/v1/figures/watch", response_class=Response)
async def watch(feed: LiveFeed, reading: Counting, asked: Asked) -> Response:
    """What devices saw of each trail and of the line, and what our units walked, in a period.

    While `pending` is above 0, that many days have not been looked at yet: ask again.
    """
    found = await _asked(feed, lambda store: reading.watch(store, asked))
    return json_response(
        _about(asked)
        | {
            "pending": found.pending,
            "known_h": round(found.hours.hours, 1),
            "unknown_h": round(found.unknown_h, 1),
            "vague": found.vague,
            "tables": _told(of_watch(found)),
        }
    )


@router.get(
    "/api/v1/figures/tables/{name}.csv",
    response_class=Response,
    dependencies=[Depends(having(Right.EXPORT))],
)
async def csv_file(  # noqa: PLR0913, PLR0917 - what an address of FastAPI's is made of
    request: Request,
    feed: LiveFeed,
    sector: ServedSector,
    reading: Counting,
    asked: Asked,
    name: Annotated[str, Path(max_length=32)],
    lang: str | None = None,
) -> Response:
    """One of the tables for a spreadsheet: UTF-8 with BOM, units in the heads."""
    language = chosen(lang or request.cookies.get("lang"))

    def read(store: ReadStore) -> tuple[int, list[Table]]:
        if name in WATCHED:
            seen = reading.watch(store, asked, budget_s=_CSV_BUDGET_S)
            return seen.pending, list(of_watch(seen))
        found = reading.figures(store, asked, budget_s=_CSV_BUDGET_S)
        return found.pending, list(of_figures(found, sector))

    pending, tables = await _asked(feed, read)
    table = next((one for one in tables if one.name == name), None)
    if table is None:
        raise HTTPException(404, f"there is no table {name!r}")
    if pending:
        raise HTTPException(503, f"{pending} days are not counted yet: ask again")
    days = asked.days
    text = csv_of(table, days, language=language)
    file = f"{sector.id}-{name}-{days.first.isoformat()}-{days.last.isoformat()}.csv"
    headers = {
        "Content-Disposition": f'attachment; filename="{file}"',
        "Cache-Control": "no-store",
    }
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


async def _asked(feed: Feed, question: Callable[[ReadStore], _T]) -> _T:
    try:
        return await feed.ask(question)
    except RefusedError as error:
        raise HTTPException(503, str(error)) from error


def _about(asked: Period) -> dict[str, Any]:
    return {
        "from": asked.days.first.isoformat(),
        "to": asked.days.last.isoformat(),
        "days": (asked.days.last - asked.days.first).days + 1,
        "timezone": asked.days.timezone.key,
        "now": asked.now,
        "simulated": asked.simulated,
    }


def _told(tables: Iterable[Table]) -> dict[str, Any]:
    return {
        table.name: {
            "columns": [column._asdict() for column in table.columns],
            "rows": table.rows[:MOST_SHOWN],
            "of": len(table.rows) + table.left_out,
        }
        for table in tables
    }


def _named(incident_id: str, opened_at: UtcTime) -> dict[str, Any]:
    return {"incident_id": incident_id, "opened_at": opened_at}


def _placed(found: Figures, sector: Sector) -> list[dict[str, Any]]:
    """Return where the most incidents are, for the map."""
    names = {trail.id: trail.name for trail in sector.trails}
    most = sorted(found.cells.items(), key=lambda one: -one[1].hours.total())[:_MAP_PLACES]
    placed = []
    for where, cell in most:
        lat, lon = cell.middle
        place = names.get(where, where) if isinstance(where, str) else where
        placed.append({"place": place, "incidents": cell.hours.total(), "lat": lat, "lon": lon})
    return placed
