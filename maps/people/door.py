"""Who asks, and whether they may: what every route of the interface depends on."""

import asyncio
import ipaddress
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final

from fastapi import Depends, HTTPException, Request

from edge.messages import RefusedError
from maps.people.log_in import LogIn
from maps.people.roles import AT_THE_MACHINE, Person, Right, Role, rights_of
from maps.people.sessions import Session

STREAM_LOOKS_EVERY_S: Final = 5.0
ACCOUNTS_AWAY_S: Final = 600.0
_WAITS_S: Final = 0.25  # a database that is slow holds no alert back for longer
NOBODY: Final = "nobody is logged in, or the session has ended"


def log_in_of(request: Request) -> LogIn | None:
    """Return the log-in of this server; None: it runs without one."""
    log_in: LogIn | None = getattr(request.app.state, "log_in", None)
    return log_in


def session_of(request: Request) -> Session | None:
    """Return the session that a request belongs to (`maps.people.gate` has put it there)."""
    session: Session | None = getattr(request.state, "session", None)
    return session


def person_of(request: Request) -> Person:
    """Return who asks.

    Raises:
        HTTPException: 401: nobody is logged in.
    """
    if log_in_of(request) is None:
        return AT_THE_MACHINE
    session = session_of(request)
    if session is None:
        raise HTTPException(401, NOBODY)
    return Person(session.account, session.shown_name, Role(session.role), session.unit)


Asking = Annotated[Person, Depends(person_of)]


@dataclass(frozen=True)
class Having:
    """A dependency that lets pass who has a right, and gives them to the route."""

    right: Right

    def __call__(self, person: Asking) -> Person:
        """Return who asks.

        Raises:
            HTTPException: 403: their role has no such right.
        """
        if self.right not in rights_of(person.role):
            raise HTTPException(403, f"the role {person.role.value} may not {self.right.value}")
        return person


def having(right: Right) -> Having:
    """Return a dependency that lets pass who has a right, and gives them to the route."""
    return Having(right)


def address_of(request: Request) -> str:
    """Return where a request comes from."""
    return request.client.host if request.client is not None else "unknown"


def on_loopback(request: Request) -> bool:
    """Tell whether a request comes from this very machine."""
    try:
        return ipaddress.ip_address(address_of(request)).is_loopback
    except ValueError:
        return False


async def while_logged_in(
    request: Request, chunks: AsyncGenerator[bytes, None]
) -> AsyncIterator[bytes]:
    """Pass on an endless answer for as long as the session lasts that asked for it.

    It is heard of meanwhile: whoever has a map open is there. While the accounts cannot be read
    nobody can change them either, so the picture goes on for `ACCOUNTS_AWAY_S` at most.
    """
    log_in, session = log_in_of(request), session_of(request)
    async with aclosing(chunks) as open_chunks:
        if log_in is None or session is None:
            async for chunk in open_chunks:
                yield chunk
            return
        loop = asyncio.get_running_loop()
        looks_s, found_s = loop.time() + STREAM_LOOKS_EVERY_S, loop.time()
        looking: asyncio.Task[bool | None] | None = None
        try:
            async for chunk in open_chunks:
                if looking is None and loop.time() >= looks_s:
                    looks_s = loop.time() + STREAM_LOOKS_EVERY_S
                    looking = asyncio.create_task(_lasts(log_in, session))
                    await asyncio.wait({looking}, timeout=_WAITS_S)
                if looking is not None and looking.done():
                    lasts, looking = looking.result(), None
                    if lasts is False:
                        return
                    found_s = loop.time() if lasts else found_s
                if loop.time() - found_s > ACCOUNTS_AWAY_S:
                    return
                yield chunk
        finally:
            if looking is not None:
                looking.cancel()


async def _lasts(log_in: LogIn, session: Session) -> bool | None:
    """Tell whether a session lasts; None: the accounts cannot be read now."""
    look_up = partial(log_in.sessions.look_up, session.digest, now=log_in.clock())
    try:
        return await log_in.ask(look_up) is not None
    except RefusedError:
        return None
