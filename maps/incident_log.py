"""The incident log: the list that people search, page through, print and take away."""

import asyncio
import tempfile
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, StreamingResponse
from starlette.background import BackgroundTask

from edge.messages import AlertKind, Incident, Outcome, RefusedError, Severity, UtcTime, encode
from fusion.incident_search import Cursor, IncidentPage, Search
from fusion.incident_words import Facet, wanted_of, yes_or_no
from fusion.sector import Sector
from fusion.steps import ENDED, State
from maps.api import GEOJSON, LiveFeed, ServedSector, json_response
from maps.feed import Feed, ReadStore
from maps.incident_export import csv_text, write_xlsx
from maps.language import chosen
from maps.layers import collection, incident_feature
from maps.own_incidents import Seeing, may_see
from maps.pages import answer, render_page
from maps.people.door import having
from maps.people.roles import Right, Role

router = APIRouter()

OPEN: Final = "open"  # of states: nobody has ended it
_HEADS: Final = (
    *("alert", "direction", "incident", "kind", "log", "outcome", "overdue", "severity"),
    "zone",
)
_MOST_VALUES: Final = 20
_AT_ONCE: Final = 1000  # rows of an export from the store
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Instant = Annotated[
    str | None,
    Query(max_length=32, description="RFC 3339 in UTC, or a day of the sector: 2026-03-14."),
]
Values = Annotated[list[str], Query(max_length=_MOST_VALUES)]
YesOrNo = Annotated[bool | None, Query()]


def _search(  # noqa: PLR0913 - one argument a filter, as the address has them
    person: Seeing,
    sector: ServedSector,
    *,
    since: Instant = None,
    until: Instant = None,
    kind: Annotated[list[AlertKind], Query(max_length=_MOST_VALUES)] = [],  # noqa: B006
    severity: Annotated[list[Severity], Query(max_length=_MOST_VALUES)] = [],  # noqa: B006
    state: Annotated[Values, Query(description=f"States, or `{OPEN}`: not ended.")] = [],  # noqa: B006
    trail: Values = [],  # noqa: B006
    unit: Annotated[Values, Query(description="That owns it or sees to it.")] = [],  # noqa: B006
    outcome: Annotated[list[Outcome], Query(max_length=_MOST_VALUES)] = [],  # noqa: B006
    overdue: YesOrNo = None,
    simulated: YesOrNo = None,
    text: Annotated[str, Query(description="Words, with or without diacritics.")] = "",
) -> Search:
    """Read what is looked for, and hold it to what the person may see."""
    facets: dict[Facet, list[str]] = {
        Facet.KIND: [one.value for one in kind],
        Facet.SEVERITY: [one.value for one in severity],
        Facet.STATE: _states(state),
        Facet.TRAIL: trail,
        Facet.UNIT: unit,
        Facet.OUTCOME: [one.value for one in outcome],
        Facet.OVERDUE: [] if overdue is None else [yes_or_no(overdue)],
        Facet.SIMULATED: [] if simulated is None else [yes_or_no(simulated)],
    }
    facets = {facet: values for facet, values in facets.items() if values}
    if person.role is Role.PARTNER:
        facets[Facet.ASSIGNED_TO] = [person.unit] if person.unit else []
    try:
        if text.strip():
            wanted_of(text)
    except RefusedError as error:
        raise HTTPException(422, str(error)) from error
    return Search(
        sector.id,
        since=_instant("since", since, sector),
        until=_instant("until", until, sector, whole_day=True),
        facets=facets,
        text=text.strip(),
    )


def _states(asked: list[str]) -> list[str]:
    states = []
    for one in asked:
        if one == OPEN:
            states += [state.value for state in State if state not in ENDED]
        elif one in list(State):
            states.append(one)
        else:
            raise HTTPException(422, f"state {one!r} is none of {OPEN}, {', '.join(State)}")
    return states


def _instant(
    name: str, asked: str | None, sector: Sector, *, whole_day: bool = False
) -> UtcTime | None:
    """Read a time, or the beginning (`whole_day`: the end) of a day of the sector."""
    if not asked:
        return None
    try:
        if "T" in asked:
            return UtcTime.parse(asked)
        day = datetime.strptime(asked, "%Y-%m-%d").date() + timedelta(days=whole_day)  # noqa: DTZ007
        return UtcTime.of(datetime.combine(day, time(), sector.timezone))
    except (ValueError, OverflowError) as error:
        why = (
            f"{name} {asked!r} is neither a day (2026-03-14) nor a UTC time (2026-03-14T17:00:00Z)"
        )
        raise HTTPException(422, why) from error


Searched = Annotated[Search, Depends(_search)]


def _responses() -> dict[int | str, dict[str, Any]]:
    items = {"type": "array", "items": {"$ref": "#/components/schemas/Incident"}}
    layer = {"type": "object", "description": "A FeatureCollection (RFC 7946)."}
    content = {"application/json": {"schema": items}, GEOJSON: {"schema": layer}}
    return {200: {"content": content}}


@router.get("/api/v1/incidents", responses=_responses(), response_class=Response)
async def incidents(  # noqa: PLR0913 - what is asked for and by whom
    request: Request,
    person: Seeing,
    feed: LiveFeed,
    search: Searched,
    *,
    limit: Annotated[int, Query(ge=1, le=500, description="At most so many.")] = 200,
    cursor: Annotated[
        str | None, Query(max_length=64, description="Of a `Link`; empty: from the newest.")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "",
) -> Response:
    """The latest incidents as they stand, last changed first; or those of the log that match.

    With any parameter but `limit` the whole log is searched, newest first by `opened_at`, and the
    header `Link` leads to older (`next`) and newer (`prev`) ones.
    """
    if not request.query_params.keys() - {"limit"}:
        seen = [one for one in feed.picture.incidents() if may_see(person, one)]
        return _listed(seen[:limit], accept)
    page = await _page(feed, search, limit, cursor)
    answered = _listed(page.incidents, accept)
    links = [
        f'<{request.url.path}?{_query(request, at)}>; rel="{rel}"'
        for rel, at in (("next", page.older), ("prev", page.newer))
        if at is not None
    ]
    if links:
        answered.headers["Link"] = ", ".join(links)
    return answered


async def _page(feed: Feed, search: Search, limit: int, cursor: str | None) -> IncidentPage:
    try:
        at = Cursor.parse(cursor) if cursor else None
    except RefusedError as error:
        raise HTTPException(422, str(error)) from error
    return await feed.ask(lambda store: store.find_incidents(search, limit=limit, cursor=at))


def _query(request: Request, at: Cursor) -> str:
    kept = [(key, value) for key, value in request.query_params.multi_items() if key != "cursor"]
    return urlencode([*kept, ("cursor", str(at))])


def _listed(found: list[Incident], accept: str) -> Response:
    headers = {"Cache-Control": "no-store", "Vary": "Accept"}
    if GEOJSON in accept:
        layer = collection(map(incident_feature, found))
        return Response(encode(layer), media_type=GEOJSON, headers=headers)
    return Response(encode(found), media_type="application/json", headers=headers)


# -- to take away

Language = Annotated[str | None, Query(max_length=8)]
_MAY_EXPORT: Final = [Depends(having(Right.EXPORT))]
_writing = asyncio.Semaphore(2)  # a table takes seconds: others' questions need threads meanwhile


class _Found(NamedTuple):
    """All that a search finds, newest first: the first page, and where the others come from."""

    store: ReadStore
    search: Search
    first: IncidentPage

    def incidents(self) -> Iterator[Incident]:
        """Yield them."""
        page = self.first
        while True:
            yield from page.incidents
            if page.older is None:
                return
            page = self.store.find_incidents(self.search, limit=_AT_ONCE, cursor=page.older)


async def _all(feed: LiveFeed, search: Searched) -> _Found:
    first = await _page(feed, search, _AT_ONCE, None)
    return _Found(await feed.ask(lambda store: store), search, first)


All = Annotated[_Found, Depends(_all)]


@router.get("/api/v1/incidents.csv", response_class=StreamingResponse, dependencies=_MAY_EXPORT)
async def as_csv(found: All, sector: ServedSector, lang: Language = None) -> Response:
    """What a search finds as CSV, 50,000 rows at most: the last one says so if it was cut."""
    language = chosen(lang)
    pieces = csv_text(found.incidents(), language=language, timezone=sector.timezone)
    return StreamingResponse(
        pieces, media_type="text/csv; charset=utf-8", headers=_attached(sector, "csv")
    )


@router.get("/api/v1/incidents.xlsx", response_class=FileResponse, dependencies=_MAY_EXPORT)
async def as_xlsx(found: All, sector: ServedSector, lang: Language = None) -> Response:
    """What a search finds as XLSX, with real dates and numbers; cut as the CSV is."""
    async with _writing:
        path = await asyncio.to_thread(
            _written_xlsx, found, language=chosen(lang), timezone=sector.timezone
        )
    return FileResponse(
        path,
        media_type=_XLSX,
        headers=_attached(sector, "xlsx"),
        background=BackgroundTask(path.unlink),
    )


def _written_xlsx(found: _Found, *, language: str, timezone: ZoneInfo) -> Path:
    """Write the table to a file that the caller deletes."""
    with tempfile.NamedTemporaryFile(prefix="tuanbien-", suffix=".xlsx", delete=False) as file:
        path = Path(file.name)
    try:
        write_xlsx(path, found.incidents(), language=language, timezone=timezone)
    except BaseException:
        path.unlink()
        raise
    return path


def _attached(sector: Sector, ending: str) -> dict[str, str]:
    name = f"incidents-{sector.id}.{ending}"
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


# -- the page


@router.get("/api/v1/incident-choices", response_class=Response)
async def choices(person: Seeing, sector: ServedSector) -> Response:
    """What the list's filters offer: the sector's trails and unit; and its time zone."""
    trails = (
        [] if person.role is Role.PARTNER else sector.layers.get("trails", {}).get("features", [])
    )
    return json_response(
        {
            "timezone": sector.timezone.key,
            "unit": None if person.role is Role.PARTNER else sector.unit,
            "trails": [
                {"id": str(one["properties"]["id"]), "name": str(one["properties"]["name"])}
                for one in trails
            ],
        }
    )


def add_incident_list(app: FastAPI, sector: Sector) -> None:
    """Add the page and its interface."""
    shells = render_page("incidents.html", page="incidents", sector_name=sector.name, heads=_HEADS)
    app.include_router(router)

    @app.get("/incidents", include_in_schema=False)
    async def page(person: Seeing, request: Request) -> HTMLResponse:
        """A shell: what is in the log, the page asks itself."""
        del person
        return answer(shells, request)
