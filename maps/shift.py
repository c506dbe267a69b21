"""The hand-over of a shift: what is open, what happened, which devices fail; two sign it.

picture now ──▶ give: outgoing officer, remarks ──▶ take: incoming officer ──▶ the next shift
"""

from collections import Counter
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from edge.messages import Deed, Incident, Overdue, Result, UtcTime, to_builtins
from fusion.handovers import MOST_REMARKS, Act, Signature, digest
from fusion.sector import Sector
from maps.api import LiveFeed, ServedSector, json_response
from maps.feed import Feed, ReadStore
from maps.incident_page import Said
from maps.pages import answer, render_page
from maps.people.door import having
from maps.people.roles import AT_THE_MACHINE, Person, Right
from maps.picture import Health
from maps.step_api import json_only
from maps.typed import Typed

router = APIRouter()

MOST_OPEN: Final = 200  # listed one by one; beyond, their number
FIRST_SHIFT_S: Final = 86_400.0  # looked back at where nobody has handed over yet
LONGEST_S: Final = 7 * 86_400.0
_EARLIER: Final = 60  # signatures
_HEADS: Final = (
    *("badge", "health", "incident", "kind", "overdue", "scene", "sensor", "severity", "shift"),
    "verb",
)
_TOLD: Final = (
    *("incident_id", "kind", "severity", "state", "opened_at", "place", "direction"),
    *("headcount", "headcount_min", "headcount_max", "devices", "acted_by", "acted_at"),
    *("assigned_to", "overdue", "rescue", "withdrawn", "simulated"),
)

OnShift = Annotated[Person, Depends(having(Right.SHIFT))]
HandoverId = Annotated[str, Path(min_length=8, max_length=64, pattern=r"^[\w-]+$")]


class Signing(BaseModel):
    """What an officer says when they sign."""

    model_config = ConfigDict(extra="forbid")

    remarks: Annotated[Typed, StringConstraints(max_length=MOST_REMARKS)] = ""
    name: Said | None = Field(None, description="Who, where there is no log-in.")


def add_shift_page(app: FastAPI, sector: Sector) -> None:
    """Add the page and its interface."""
    shells = render_page("shift.html", page="shift", sector_name=sector.name, heads=_HEADS)
    app.include_router(router)

    @app.get("/shift", include_in_schema=False)
    async def page(person: OnShift, request: Request) -> HTMLResponse:
        del person
        return answer(shells, request)


@router.get("/api/v1/shift", response_class=Response)
async def shift(person: OnShift, feed: LiveFeed, sector: ServedSector) -> Response:
    """How the shift stands now: `picture`, the hand-over that waits to be taken, earlier ones."""
    signed = await feed.ask(lambda store: store.signatures(_EARLIER, sector=_sector(feed)))
    return json_response(
        {
            "picture": await _picture(feed, signed),
            "waiting": _waiting(signed),
            "earlier": _pairs(signed),
            "logged_in": person is not AT_THE_MACHINE,
            "account": person.id,
            "timezone": sector.timezone.key,
        }
    )


@router.get("/api/v1/shift/{handover_id}", response_class=Response)
async def handover(
    handover_id: HandoverId, person: OnShift, feed: LiveFeed, sector: ServedSector
) -> Response:
    """One hand-over as it was signed: `give`, `take` (or null), and the digest of each."""
    del person
    told = _told(await _signatures_of(feed, handover_id))
    return json_response(told | {"timezone": sector.timezone.key})


@router.post(
    "/api/v1/shift/{handover_id}/give",
    response_class=Response,
    dependencies=[Depends(json_only)],
)
async def give(
    handover_id: HandoverId, signing: Signing, person: OnShift, feed: LiveFeed
) -> Response:
    """Hand the shift over, with all that stands now. Sent again it is the same hand-over."""
    sector = _sector(feed)
    signed = await feed.ask(lambda store: store.signatures(_EARLIER, sector=sector))
    last = _last_taken(signed)
    signature = Signature(
        handover_id=handover_id,
        act=Act.GIVE,
        sector=sector,
        signed_at=feed.clock(),
        **_signed_by(person, signing),
        picture=await _picture(feed, signed),
        before_sha256="" if last is None else digest(last),
    )
    kept = await feed.ask(lambda store: store.sign(signature))
    if (kept.sector, kept.account, kept.name) != (sector, signature.account, signature.name):
        raise HTTPException(409, f"hand-over {handover_id} was given by {kept.name}")
    return json_response(_told([kept]))


@router.post(
    "/api/v1/shift/{handover_id}/take",
    response_class=Response,
    dependencies=[Depends(json_only)],
)
async def take(
    handover_id: HandoverId, signing: Signing, person: OnShift, feed: LiveFeed
) -> Response:
    """Take the shift that another officer has handed over. Sent again it is taken once."""
    given, *taken = await _signatures_of(feed, handover_id)
    if not taken:
        sector = _sector(feed)
        signed = await feed.ask(lambda store: store.signatures(_EARLIER, sector=sector))
        waiting = _waiting(signed)
        if waiting is None or waiting.handover_id != handover_id:
            raise HTTPException(409, f"hand-over {handover_id} is not the last: another followed")
        if person is not AT_THE_MACHINE and person.id == given.account:
            why = f"{person.name} has handed this shift over: another officer takes it"
            raise HTTPException(409, why)
    signature = Signature(
        handover_id=handover_id,
        act=Act.TAKE,
        sector=given.sector,
        signed_at=feed.clock(),
        **_signed_by(person, signing),
        before_sha256=digest(given),
    )
    kept = taken[0] if taken else await feed.ask(lambda store: store.sign(signature))
    if (kept.account, kept.name) != (signature.account, signature.name):
        raise HTTPException(409, f"hand-over {handover_id} was taken by {kept.name}")
    return json_response(_told([given, kept]))


def _sector(feed: Feed) -> str:
    return feed.picture.sector_id


async def _signatures_of(feed: Feed, handover_id: str) -> list[Signature]:
    found = await feed.ask(lambda store: store.signatures_of(handover_id))
    if not found or found[0].sector != _sector(feed):
        raise HTTPException(404, f"there is no hand-over {handover_id}")
    return found


def _signed_by(person: Person, signing: Signing) -> dict[str, Any]:
    """Return who signs and what they say.

    Raises:
        HTTPException: 422: it names nobody, or somebody else than is logged in.
    """
    name = None if signing.name is None else signing.name.strip()
    if person is AT_THE_MACHINE:
        if not name:
            raise HTTPException(422, "body.name: Field required, nobody is logged in")
    elif name not in {None, person.name}:
        why = f"body.name: {name!r} is not {person.name!r}, who is logged in"
        raise HTTPException(422, why)
    return {
        "account": person.id,
        "name": name if person is AT_THE_MACHINE else person.name,
        "role": person.role.value,
        "remarks": signing.remarks.strip(),
    }


async def _picture(feed: Feed, signed: list[Signature]) -> dict[str, Any]:
    """Return what is open, what happened since the last hand-over, and which devices fail."""
    now = feed.clock()
    last = _last_given(signed)
    since = now.after(-FIRST_SHIFT_S) if last is None else last.signed_at
    since = min(max(since, now.after(-LONGEST_S)), now)
    picture = await feed.ask(lambda store: _happened(store, since, now, _sector(feed)))
    troubled = [one for one in feed.picture.devices() if one["health"] != Health.OK]
    told = ("device_id", "health", "heard_at", "scene", "queue_depth")
    devices = [{name: one[name] for name in told if name in one} for one in troubled]
    return picture | {"devices": devices}


def _happened(store: ReadStore, since: UtcTime, until: UtcTime, sector: str) -> dict[str, Any]:
    opened = [
        one
        for one in store.incidents_opened(since, until, sector=sector)
        if one.state != "withdrawn"
    ]
    total, waiting = store.open_incidents(MOST_OPEN, sector=sector)
    return {
        "since": since.rfc3339(),
        "until": until.rfc3339(),
        "opened": {
            "all": len(opened),
            "kind": dict(Counter(one.kind.value for one in opened)),
            "severity": dict(Counter(one.severity.value for one in opened)),
        },
        "steps": store.steps_taken(since, until, sector=sector),
        "open_total": total,
        "overdue_total": sum(isinstance(one.overdue, Overdue) for one in waiting),
        "open": [_line(one, store.deeds(one.incident_id)) for one in waiting],
    }


def _line(incident: Incident, deeds: list[Deed]) -> dict[str, Any]:
    """Return what a hand-over tells of an open incident, and the last that was noted on it."""
    said = to_builtins(incident)
    notes = [one for one in deeds if one.result is Result.APPLIED and one.reason.strip()]
    note = None
    if notes:
        last = notes[-1]
        note = {"text": last.reason, "actor": last.actor, "at": last.at.rfc3339()}
    return {name: said[name] for name in _TOLD if said.get(name) is not None} | {"note": note}


def _waiting(signed: list[Signature]) -> Signature | None:
    """Return the last hand-over if nobody has taken it yet. `signed`: newest first."""
    last = _last(signed, Act.GIVE)
    taken = {one.handover_id for one in signed if one.act is Act.TAKE}
    return None if last is None or last.handover_id in taken else last


def _last_taken(signed: list[Signature]) -> Signature | None:
    return _last(signed, Act.TAKE)


def _last_given(signed: list[Signature]) -> Signature | None:
    """Return how the last shift that was taken had been given: this one began there."""
    taken = _last_taken(signed)
    return next(
        (
            one
            for one in signed
            if taken and one.act is Act.GIVE and one.handover_id == taken.handover_id
        ),
        taken,
    )


def _last(signed: list[Signature], act: Act) -> Signature | None:
    return next((one for one in signed if one.act is act), None)


def _pairs(signed: list[Signature]) -> list[dict[str, Any]]:
    """Return the hand-overs in short, newest first: who gave and who took each, and when."""
    pairs: dict[str, dict[str, Any]] = {}
    for one in signed:
        pair = pairs.setdefault(one.handover_id, {"handover_id": one.handover_id})
        pair[one.act.value] = {"name": one.name, "signed_at": one.signed_at}
    return [pair for pair in pairs.values() if "give" in pair]


def _told(signatures: list[Signature]) -> dict[str, Any]:
    found: dict[str, Any] = {"give": None, "take": None, "sha256": {}}
    for one in signatures:
        found[one.act.value] = one
        found["sha256"][one.act.value] = digest(one)
    return found
