"""An incident's export over HTTP."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from edge.messages import RefusedError
from maps.api import LiveFeed, ServedSector
from maps.evidence import served_folder
from maps.export.bundle import Made, file_name
from maps.export.making import make, temporary_file
from maps.language import chosen
from maps.own_incidents import IncidentId, seen_by
from maps.people.door import having
from maps.people.roles import Person, Right

router = APIRouter()

_AT_ONCE: Final = 2  # each takes some 100 MB at most
_making = asyncio.Semaphore(_AT_ONCE)
Exporting = Annotated[Person, Depends(having(Right.EXPORT))]


@router.get(
    "/api/v1/incidents/{incident_id}/export",
    response_class=FileResponse,
    responses={200: {"content": {"application/zip": {}}}},
)
async def export(  # noqa: PLR0913 - what is asked for and by whom
    incident_id: IncidentId,
    person: Exporting,
    feed: LiveFeed,
    sector: ServedSector,
    request: Request,
    *,
    lang: Annotated[str | None, Query(max_length=8)] = None,
) -> FileResponse:
    """One incident as a zip: page with map, log, data, crops, digests, and a script to check them.

    `lang` is the language that the page opens in; it has both.
    """
    incident = await seen_by(person, feed, incident_id)
    path = temporary_file()
    try:
        async with _making:
            await feed.ask(
                lambda store: make(
                    path,
                    incident,
                    store=store,
                    folder=served_folder(request),
                    sector=sector,
                    made=Made(person, feed.clock()),
                    language=chosen(lang),
                )
            )
    except BaseException as error:
        path.unlink()
        if isinstance(error, RefusedError | OSError):
            raise HTTPException(503, str(error)) from error
        raise
    name = f"tuanbien-{file_name(incident_id)}.zip"
    return FileResponse(
        path,
        media_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
        background=BackgroundTask(partial(Path.unlink, path)),
    )
