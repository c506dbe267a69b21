"""Who is here, and who may be: for the pages.

An administrator's changes are one address each, as `tuanbien users` has one command each.
"""

import asyncio
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from edge.messages import RefusedError
from maps.api import json_response
from maps.pages import answer, render_page
from maps.people.account_rules import EVERY_SECTOR, NotAllowedError, is_within
from maps.people.accounts import Account, Changer, NewAccount
from maps.people.attempts import stands_for
from maps.people.door import Asking, address_of, having, log_in_of, session_of
from maps.people.log_in import LogIn
from maps.people.roles import Person, Right, Role, pages_of, rights_of, steps_of

router = APIRouter()

Managing = Annotated[Person, Depends(having(Right.MANAGE_PEOPLE))]
AccountName = Annotated[str, Path(min_length=1, max_length=64)]
_HEADS: Final = ("people",)
_T = TypeVar("_T")


class Making(BaseModel):
    """An account to make."""

    model_config = ConfigDict(extra="forbid")

    account: str = Field(max_length=64)
    shown_name: str = Field(max_length=64, description="What their steps are signed with.")
    role: Role
    unit: str | None = Field(None, max_length=64)
    sectors: str = Field(EVERY_SECTOR, max_length=1024, description="`*`, or ids with commas.")


class Change(BaseModel):
    """What to change an account to; each change takes its own field and no other."""

    model_config = ConfigDict(extra="forbid")

    role: Role | None = None
    unit: str | None = Field(None, max_length=64)
    sectors: str | None = Field(None, max_length=1024)


class What(StrEnum):
    """What is changed."""

    ROLE = "role"
    UNIT = "unit"
    SECTORS = "sectors"
    LOCK = "lock"
    UNLOCK = "unlock"
    PASSWORD = "password"  # noqa: S105 - the name of a change
    END_SESSIONS = "end-sessions"


@router.get("/api/v1/me", response_class=Response)
async def me(request: Request, person: Asking) -> Response:
    """Who asks: name, role, unit, what they may (`rights`, `steps`) and see (`pages`).

    `csrf` goes with every change, in the header X-CSRF-Token.
    """
    return json_response(
        {
            "id": person.id,
            "name": person.name,
            "role": person.role,
            "unit": person.unit,
            "rights": sorted(rights_of(person.role)),
            "steps": sorted(steps_of(person.role)),
            "pages": pages_of(person.role),
            "csrf": getattr(request.state, "csrf", ""),
            "can_log_out": log_in_of(request) is not None,
        }
    )


def add_people_page(app: FastAPI, *, sector_name: str) -> None:
    """Add the page of accounts."""
    shells = render_page("people.html", page="people", sector_name=sector_name, heads=_HEADS)

    @app.exception_handler(NotAllowedError)
    async def refused(_: Request, error: NotAllowedError) -> JSONResponse:
        """Say why, for the page's own words too."""
        return JSONResponse({"detail": str(error), "reason": error.reason}, status_code=422)

    @app.get("/people", include_in_schema=False)
    async def page(_: Managing, request: Request) -> HTMLResponse:
        return answer(shells, request)


@router.get("/api/v1/people", response_class=Response)
async def people(_: Managing, request: Request) -> Response:
    """The accounts within one's sectors; `stopped`: strangers tried it too often of late."""
    log_in, by = _log_in(request), _changer(request)
    accounts = await asyncio.to_thread(log_in.accounts.all)
    stopped = await asyncio.to_thread(log_in.attempts.stopped, now=log_in.clock())
    return json_response(
        [
            one.told() | {"stopped": stands_for(one.account) in stopped}
            for one in accounts
            if is_within(one.sectors, by.sectors)
        ]
    )


@router.post("/api/v1/people", response_class=Response)
async def make(making: Making, _: Managing, request: Request) -> Response:
    """Make an account; the answer holds its one-time `password`, once."""
    log_in, by = _log_in(request), _changer(request)
    new = NewAccount(**making.model_dump() | {"role": making.role, "unit": making.unit or None})
    password = await _asked(lambda: log_in.accounts.make(new, by=by, now=log_in.clock()))
    return await _told(log_in, new.account, password=password)


@router.post("/api/v1/people/{account}/{what}", response_class=Response)
async def change(
    account: AccountName, what: What, change: Change, _: Managing, request: Request
) -> Response:
    """Change an account; it is logged out everywhere. `password` answers with a one-time one."""
    log_in, by = _log_in(request), _changer(request)
    given = change.model_dump(exclude_unset=True)
    wanted = {what.value} & set(Change.model_fields)
    if set(given) != wanted or (what is not What.UNIT and None in given.values()):
        said = f"the field {what.value!r} alone" if wanted else "no field"
        raise HTTPException(422, f"body: {what.value} takes {said}")
    accounts = log_in.accounts

    def hand_out() -> str:
        return accounts.hand_out(account, by=by, now=log_in.clock())

    changes: Mapping[What, Callable[[], object]] = MappingProxyType(
        {
            What.ROLE: lambda: accounts.give_role(account, Role(given["role"]), by=by),
            What.UNIT: lambda: accounts.give_unit(account, given["unit"] or None, by=by),
            What.SECTORS: lambda: accounts.give_sectors(account, given["sectors"], by=by),
            What.LOCK: lambda: accounts.lock(account, by=by),
            What.UNLOCK: lambda: accounts.unlock(account, by=by),
            What.PASSWORD: hand_out,
            What.END_SESSIONS: lambda: accounts.end_sessions(account, by=by),
        }
    )
    done = await _asked(changes[what])
    if what in {What.UNLOCK, What.PASSWORD}:
        await asyncio.to_thread(log_in.attempts.lift, account)
    more = {"password": done} if what is What.PASSWORD else {}
    return await _told(log_in, account, **more)


async def _told(log_in: LogIn, account: str, **more: object) -> Response:
    found: Account | None = await asyncio.to_thread(log_in.accounts.find, account)
    if found is None:
        raise HTTPException(404, f"there is no account {account!r}")
    return json_response(found.told() | more)


async def _asked(question: Callable[[], _T]) -> _T:
    """Ask or change the accounts, in a thread.

    Raises:
        NotAllowedError: It cannot be so.
        HTTPException: 422 with the sentence that refuses it.
    """
    try:
        return await asyncio.to_thread(question)
    except NotAllowedError:
        raise
    except RefusedError as error:
        raise HTTPException(422, str(error)) from error


def _changer(request: Request) -> Changer:
    session = session_of(request)
    if session is None:
        raise HTTPException(401, "nobody is logged in")
    return Changer(
        who=session.account,
        address=address_of(request),
        account=session.account,
        sectors=session.sectors,
    )


def _log_in(request: Request) -> LogIn:
    log_in = log_in_of(request)
    if log_in is None:
        raise HTTPException(404, "this server runs without a log-in: there are no accounts")
    return log_in
