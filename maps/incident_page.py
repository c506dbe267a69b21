"""The page of one incident: what is known, what was done, who else is looking at it."""

import asyncio
from collections.abc import Iterable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from fusion.sector import Sector
from maps.api import LiveFeed, ServedSector, json_response
from maps.case_file import case_file, steps_for
from maps.feed import Feed
from maps.own_incidents import IncidentId, Seeing, seen_by
from maps.pages import answer, render_page
from maps.people.account_rules import is_for
from maps.people.door import log_in_of
from maps.people.roles import AT_THE_MACHINE, Right, Role, rights_of
from maps.picture import Change
from maps.presence import FORGOTTEN_S, Presence, Seat
from maps.step_api import json_only

router = APIRouter()

# Of the words that the page's scripts say.
_HEADS: Final = (
    *("alert", "badge", "border", "case", "direction", "field", "held", "incident", "kind"),
    *(
        "label",
        "layer",
        "lead",
        "map",
        "marker",
        "outcome",
        "overdue",
        "presence",
        "reason",
        "related",
    ),
    *("sensor", "severity", "step", "track", "verb", "zone"),
)
# As the wire has names: no control character, not blank.
Said = Annotated[
    str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")
]


class Beat(BaseModel):
    """Somebody has an incident open in one of their windows, or has closed it."""

    model_config = ConfigDict(extra="forbid")

    window: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[\w-]+$")] = (
        Field(description="Tells this window from the others; of the page's own making.")
    )
    typing: bool = Field(default=False, description="Something is being written there.")
    here: bool = Field(default=True, description="False: it is closed.")
    name: Said | None = Field(None, description="Who, where there is no log-in.")


def add_incident_page(app: FastAPI, sector: Sector) -> None:
    """Add the page and its interface; before the steps, whose addresses would hide it."""
    shells = render_page("incident.html", page="incident", sector_name=sector.name, heads=_HEADS)
    app.state.presence = Presence()
    app.include_router(router)

    @app.get("/incidents/{incident_id}", include_in_schema=False)
    async def page(incident_id: IncidentId, person: Seeing, request: Request) -> HTMLResponse:
        """A shell: whether there is such an incident, the page asks itself."""
        del incident_id, person
        return answer(shells, request)


def _presence(request: Request) -> Presence:
    presence: Presence = request.app.state.presence
    return presence


Here = Annotated[Presence, Depends(_presence)]


@router.get("/api/v1/incidents/{incident_id}", response_class=Response)
async def one_incident(  # noqa: PLR0913 - what a page is made of
    incident_id: IncidentId,
    person: Seeing,
    feed: LiveFeed,
    sector: ServedSector,
    here: Here,
    *,
    request: Request,
) -> Response:
    """An incident with its alerts, deeds, what was held back, related incidents and next steps.

    `steps`: what leads on from here (`verb`, `to`, the field that it `must_say`, whether the one
    who asks `may`); `people`: who has it open.
    """
    incident = await seen_by(person, feed, incident_id)
    found = await feed.ask(lambda store: case_file(store, incident, person))
    units = {sector.unit, incident.unit}
    if Right.SEE_PICTURE in rights_of(person.role):  # our patrols are part of it
        units.update(one.unit_id for one in feed.picture.patrols())
        units.update(await _partners(request, sector))
    return json_response(
        found
        | steps_for(person, incident)
        | {
            "units": sorted(unit for unit in units if unit),
            "people": here.people(incident_id),
            "logged_in": person is not AT_THE_MACHINE,
            "timezone": sector.timezone.key,
            "now": feed.clock(),
        }
    )


async def _partners(request: Request, sector: Sector) -> list[str | None]:
    """Return the units of the agencies that an incident can be handed over to."""
    log_in = log_in_of(request)
    if log_in is None:
        return []
    return [
        one.unit
        for one in await log_in.ask(log_in.accounts.all)
        if one.role is Role.PARTNER and not one.locked and is_for(one.sectors, sector.id)
    ]


@router.post(
    "/api/v1/incidents/{incident_id}/presence",
    response_class=Response,
    dependencies=[Depends(json_only)],
)
async def presence(
    incident_id: IncidentId, beat: Beat, person: Seeing, feed: LiveFeed, here: Here
) -> Response:
    """Say every 10 s that one has an incident open; the answer is who has (`people`).

    Changes come on the stream as events of the kind `presence`; who says nothing for 30 s is gone.
    """
    await seen_by(person, feed, incident_id)
    seat = Seat(person.id, beat.window)
    loop = asyncio.get_running_loop()
    if beat.here:
        name = (beat.name or "").strip() or person.name
        changed = here.beat(
            seat,
            incident_id,
            name if person is AT_THE_MACHINE else person.name,
            is_typing=beat.typing,
            now_s=loop.time(),
        )
        loop.call_later(FORGOTTEN_S + 0.1, lambda: _tell(feed, here, here.forget(loop.time())))
    else:
        changed = here.leave(seat)
    _tell(feed, here, changed)
    return json_response({"people": here.people(incident_id)})


def _tell(feed: Feed, here: Presence, incident_ids: Iterable[str]) -> None:
    """Let every viewer know who has these incidents open now."""
    changes = []
    for incident_id in sorted(incident_ids):
        people = here.people(incident_id)
        data = {"id": incident_id, "people": people} if people else None
        changes.append(Change("presence", incident_id, data))
    feed.stream.publish(changes)
