"""The HTTP interface and the page of playback: the fused picture of any past period."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse

from edge.messages import UtcTime
from fusion.past import Past
from maps import past_picture
from maps.api import LiveFeed, json_response
from maps.feed import ReadStore
from maps.language import LANGUAGES
from maps.live_map import render_live_map
from maps.own_incidents import IncidentId
from maps.pages import answer
from maps.people.door import having
from maps.people.roles import Right

LONGEST_OUTLINE_S: Final = 48 * 3600.0
LONGEST_CHANGES_S: Final = 600.0
_YEARS: Final = range(2000, 2200)  # of which there can be history

router = APIRouter(dependencies=[Depends(having(Right.SEE_PICTURE))])

Instant = Annotated[str, Query(max_length=32, examples=["2026-03-14T17:00:00Z"])]


@router.get("/api/v1/playback/snapshot", response_class=Response)
async def snapshot(feed: LiveFeed, at: Instant) -> Response:
    """The picture as it was at an instant, as layers; `followed`: false where nobody kept it."""
    when = _instant("at", at)
    return await _answered(feed, lambda past: past_picture.snapshot(past, when))


@router.get("/api/v1/playback/changes", response_class=Response)
async def changes(
    feed: LiveFeed,
    since: Instant,
    until: Instant,
    step_s: Annotated[int, Query(ge=1, le=60, description="One change a track in so long.")] = 1,
) -> Response:
    """What changed after `since` and up to `until`, at most 10 minutes, as the stream says it.

    Where `more` is true the answer ends at its own `until`: ask on from there.
    """
    begin, end = _period(since, until, longest_s=LONGEST_CHANGES_S)
    return await _answered(
        feed, lambda past: past_picture.changes(past, begin, end, step_s=step_s)
    )


@router.get("/api/v1/playback/outline", response_class=Response)
async def outline(feed: LiveFeed, since: Instant, until: Instant) -> Response:
    """How many tracks there were when, the alerts, and the gaps of at most 48 hours."""
    begin, end = _period(since, until, longest_s=LONGEST_OUTLINE_S)
    now = feed.clock()
    return await _answered(
        feed, lambda past: {"now": now} | past_picture.outline(past, begin, end)
    )


@router.get("/api/v1/playback/incidents/{incident_id}", response_class=Response)
async def incident(feed: LiveFeed, incident_id: IncidentId) -> Response:
    """From when until when to play an incident back: from two minutes before its first track."""
    return await _answered(
        feed, lambda past: past_picture.span_of_incident(past, incident_id), incident_id
    )


def add_page(app: FastAPI, *, sector_name: str, home: tuple[float, float]) -> None:
    """Add the page `/playback`; `home` is `(lat, lon)` to begin with."""
    shells = {
        language: render_live_map(
            sector_name,
            language=language,
            home=home,
            template="playback.html",
            heads=("playback",),
        )
        for language in LANGUAGES
    }
    may = [Depends(having(Right.SEE_PICTURE))]

    @app.get("/playback", include_in_schema=False, dependencies=may)
    async def playback(request: Request) -> HTMLResponse:
        return answer(shells, request)


async def _answered(
    feed: LiveFeed, question: Callable[[Past], dict[str, Any] | None], named: str = ""
) -> Response:
    """Ask the store about the sector's past."""
    sector_id = feed.picture.sector_id

    def ask(store: ReadStore) -> dict[str, Any] | None:
        with store.past(sector_id) as past:
            return question(past)

    found = await feed.ask(ask)
    if found is None:
        raise HTTPException(404, f"there is no incident {named!r}")
    return json_response(found)


def _instant(name: str, text: str) -> UtcTime:
    try:
        at = UtcTime.parse(text)
    except ValueError as error:
        raise HTTPException(422, f"{name}: {error}") from error
    if at.year not in _YEARS:
        raise HTTPException(422, f"{name}: {text!r} is no time of which there can be history")
    return at


def _period(since: str, until: str, *, longest_s: float) -> tuple[UtcTime, UtcTime]:
    begin, end = _instant("since", since), _instant("until", until)
    if begin >= end:
        raise HTTPException(422, f"since {begin.rfc3339()} is not before until {end.rfc3339()}")
    if end.seconds_since(begin) > longest_s:
        long_h = end.seconds_since(begin) / 3600.0
        raise HTTPException(
            422,
            f"since {since} until {until} is {long_h:.2f} h, more than {longest_s / 3600.0:g} h",
        )
    return begin, end
