"""The HTTP interface to what people do: steps, what was done about an incident, what came of all.

With a log-in a step is signed with the account's name and role. Without one, whoever reaches this
machine says who they are.
"""

import secrets
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from edge.messages import (
    MAPS,
    Cause,
    CommandMessage,
    CommandReply,
    Incident,
    InvalidMessageError,
    Outcome,
    Result,
    UtcTime,
    Verb,
    decode_as,
    encode,
)
from fusion.steps import asked_for
from fusion.tally import LAST_DAYS, tallies
from fusion.waits import Waits
from maps.api import LiveFeed, ServedSector, json_response
from maps.feed import ReadStore
from maps.own_incidents import IncidentId, Seeing, seen_by
from maps.people.door import having
from maps.people.roles import AT_THE_MACHINE, Person, Right, Role, may_say, steps_of
from maps.typed import Typed

router = APIRouter()

_JSON: Final = "application/json"
_DAY_S: Final = 86_400.0
_STATUS: Final = {
    Result.APPLIED: 200,
    Result.UNKNOWN: 404,
    Result.STALE: 409,
    Result.ILLEGAL: 409,
    Result.INVALID: 422,
}

Instant = Annotated[str | None, Query(max_length=32, examples=["2026-03-14T17:00:00Z"])]


class Step(BaseModel):
    """What somebody does to an incident, and which version of it they saw."""

    model_config = ConfigDict(extra="forbid")

    actor: Typed | None = Field(None, description="Who; with a log-in it is whoever is logged in.")
    role: str | None = Field(None, description="In which role; with a log-in it is theirs.")
    expected_version: int = Field(description="Of the incident as they saw it; 0 if it has none.")
    reason: Typed = ""
    outcome: Outcome | None = None
    cause: Cause | None = None
    assigned_to: str | None = Field(None, description="The unit that sees to it from now on.")
    rescue: bool | None = Field(None, description="People are in danger or hurt.")
    at: str | None = Field(None, description="When they did it (RFC 3339, UTC); default: now.")
    message_id: str | None = Field(None, description="To send it again is to do it once.")


def _described() -> dict[int | str, dict[str, Any]]:
    schema = {"$ref": "#/components/schemas/Incident"}
    whys = {
        403: "Their role takes no such step, or decides nothing that it says.",
        404: "There is no such incident.",
        409: "Somebody else was first, or no such step leads on from its state.",
        413: "The body is longer than any step.",
        415: "The body is not JSON.",
        503: "Fusion did not answer.",
    }
    said: dict[int | str, dict[str, Any]] = {200: {"content": {_JSON: {"schema": schema}}}}
    return said | {status: {"description": why} for status, why in whys.items()}


def json_only(content_type: Annotated[str, Header(include_in_schema=False)] = "") -> None:
    """Refuse a body that is not JSON: anything else another site's page can make a browser send.

    Raises:
        HTTPException: 415.
    """
    if content_type.partition(";")[0].strip().lower() != _JSON:
        raise HTTPException(415, f"the body must be {_JSON}, not {content_type!r}")


@router.post(
    "/api/v1/incidents/{incident_id}/{verb}",
    responses=_described(),
    response_class=Response,
    dependencies=[Depends(json_only)],
)
async def take_step(
    incident_id: IncidentId, verb: Verb, step: Step, person: Seeing, feed: LiveFeed
) -> Response:
    """Take a step with an incident; the answer is the incident as it stands then."""
    if verb not in steps_of(person.role):
        raise HTTPException(403, f"the role {person.role.value} may not {verb.value}")
    for field in step.model_dump(exclude_none=True):
        if not may_say(person.role, field):
            raise HTTPException(403, f"the role {person.role.value} may not say {field}")
    step = _signed(step, person)
    if person.role is Role.PARTNER:
        await seen_by(person, feed, incident_id)
    if verb is Verb.DISPATCH and not step.assigned_to:
        found = await seen_by(person, feed, incident_id)
        if asked_for(verb, found) == "assigned_to":
            raise HTTPException(422, "body.assigned_to: Field required: who is sent")
    try:
        command = _command(incident_id, verb, step, sector=feed.picture.sector_id, at=feed.clock())
    except InvalidMessageError as error:
        raise HTTPException(422, str(error)) from error
    except UnicodeEncodeError as error:
        raise HTTPException(422, f"{error.object!r} is not Unicode") from error
    reply = await feed.step(command)
    if reply.incident is not None:  # who looks on need not wait until the store is asked
        feed.stream.publish(feed.picture.take_incidents([reply.incident]))
    return _told(reply, command)


@router.get("/api/v1/incidents/{incident_id}/deeds", response_class=Response)
async def deeds(incident_id: IncidentId, person: Seeing, feed: LiveFeed) -> Response:
    """Every command about an incident, those that were refused too, in order."""
    if person.role is Role.PARTNER:
        await seen_by(person, feed, incident_id)
    found = await feed.ask(lambda store: store.deeds(incident_id))
    return json_response([one for one in found if one.sector == feed.picture.sector_id])


@router.get(
    "/api/v1/tally",
    response_class=Response,
    dependencies=[Depends(having(Right.SEE_FIGURES))],
)
async def tally(
    feed: LiveFeed,
    sector: ServedSector,
    since: Instant = None,
    until: Instant = None,
    *,
    simulated: bool = False,
) -> Response:
    """What came of the alerts of the last 30 days, or of another time: precision and nuisance."""
    try:
        end = feed.clock() if until is None else UtcTime.parse(until)
        begin = end.after(-LAST_DAYS * _DAY_S) if since is None else UtcTime.parse(since)
    except (ValueError, OverflowError) as error:
        raise HTTPException(422, str(error)) from error
    if begin >= end:
        raise HTTPException(422, f"since {begin.rfc3339()} is not before until {end.rfc3339()}")

    def opened(store: ReadStore) -> tuple[list[Incident], dict[str, Waits]]:
        incidents = store.incidents_opened(begin, end, sector=sector.id)
        return incidents, store.waits(incidents, begin, end, sector=sector.id)

    found, waits = await feed.ask(opened)
    return json_response(
        tallies(
            found,
            since=begin,
            until=end,
            timezone=sector.timezone,
            border_km=sector.border.length_m / 1000.0,
            waits=waits,
            simulated=simulated,
        )
    )


def _signed(step: Step, person: Person) -> Step:
    """Return a step with its actor and role: the account's, where there is a log-in.

    Raises:
        HTTPException: 422: it names nobody, or somebody else.
    """
    if person is AT_THE_MACHINE:
        for field in ("actor", "role"):
            if getattr(step, field) is None:
                raise HTTPException(422, f"body.{field}: Field required, nobody is logged in")
        return step
    own = {"actor": person.name, "role": person.role.value}
    for field, value in own.items():
        said = getattr(step, field)
        if said not in {None, value}:
            raise HTTPException(422, f"body.{field}: {said!r} is not {value!r}, who is logged in")
    return step.model_copy(update=own)


def _command(
    incident_id: str, verb: Verb, step: Step, *, sector: str, at: UtcTime
) -> CommandMessage:
    """Write the command; the wire's own checks say what is wrong with it.

    Raises:
        InvalidMessageError: A field is none of its kind.
    """
    said = {
        "v": 1,
        "device_id": MAPS,
        "sector": sector,
        "incident_id": incident_id,
        "verb": verb,
        **step.model_dump(exclude_none=True),
    }
    said.setdefault("message_id", secrets.token_hex(16))
    said.setdefault("at", at)
    return decode_as(encode(said), CommandMessage)


def _told(reply: CommandReply, command: CommandMessage) -> Response:
    deed = reply.deed
    asked = (command.incident_id, command.verb, command.actor)
    if (deed.incident_id, deed.verb, deed.actor) != asked:
        why = f"message_id {deed.message_id!r} was that of another step: nothing was done"
        raise HTTPException(422, why)
    if deed.result is not Result.APPLIED:
        raise HTTPException(_STATUS[deed.result], deed.why)
    if reply.incident is None:
        raise HTTPException(404, f"it was done; incident {deed.incident_id} is kept no longer")
    return json_response(reply.incident)
