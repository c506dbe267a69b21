"""The gate before every request: whose session it is, and whether another site's page sent it.

It opens for a session and for the public addresses; what the person may then do, each route asks
for itself (`maps.people.door`). A page without a session leads to the log-in and back.
"""

import hmac
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.messages import RefusedError
from maps.pages import SAFE, is_page
from maps.people.account_rules import is_for
from maps.people.door import NOBODY, address_of, on_loopback
from maps.people.log_in import LogIn, Why
from maps.people.record import note
from maps.people.sessions import Session, csrf_token

LOGIN: Final = "/login"
OIDC: Final = "/login/oidc"
OIDC_BACK: Final = "/login/oidc/back"
PASSWORD: Final = "/password"  # noqa: S105 - an address
LOGOUT: Final = "/logout"
METRICS: Final = "/metrics"
# Everybody may ask for these. Health says no more than what is out of order.
PUBLIC: Final = frozenset({LOGIN, OIDC, OIDC_BACK, "/healthz"})
PUBLIC_UNDER: Final = "/static/"
ON_LOOPBACK: Final = frozenset({METRICS})  # for the Prometheus of this machine
# Whoever is logged in may ask for these, whatever the role.
FOR_ALL_ROLES: Final = frozenset({PASSWORD, LOGOUT, "/api/v1/me"})
# Forms that work without a script: they carry the token themselves.
_FORMS: Final = frozenset({LOGIN, PASSWORD, LOGOUT})
_OWN_SITE: Final = frozenset({"same-origin", "none"})
_LONGEST_NEXT: Final = 2048


class Gate:
    """Finds the session of each request and turns away what has none."""

    def __init__(
        self, app: ASGIApp, *, log_in: LogIn, refused: Callable[[Request, int, str], Response]
    ) -> None:
        """Wrap an application; `refused` says a status and why, to people and to programs."""
        self._app = app
        self._log_in = log_in
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its session in `request.state.session`, or answer it."""
        if scope["type"] == "http":
            refusal = await self._refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _refusal(self, scope: Scope) -> Response | None:
        """Put the session into the scope; return the answer where the request goes no further."""
        request = Request(scope)
        path = request.url.path
        if request.method not in SAFE and not self._is_own(request):
            note("request of another site refused", path=path, address=address_of(request))
            return _json(HTTPStatus.FORBIDDEN, "the request comes from another site's page")
        is_local = path in ON_LOOPBACK and on_loopback(request)
        if is_local or path.startswith(PUBLIC_UNDER):
            return None
        session_id = request.cookies.get(self._log_in.cookie("session"))
        try:
            session = await self._find(session_id)
        except RefusedError as error:
            away = HTTPStatus.SERVICE_UNAVAILABLE
            return None if path in PUBLIC else self._refused(request, away, str(error))
        token = csrf_token(session_id) if session is not None and session_id else ""
        is_for_here = session is not None and is_for(session.sectors, self._log_in.sector_id)
        found = {"session": session, "csrf": token} if is_for_here else {"session": None}
        scope["state"] = dict(scope.get("state", {})) | found
        if path in PUBLIC:
            return None
        if session is None or not is_for_here:
            return _to_login(request, why=None if session is None else Why.SECTOR)
        return _turned_away(request, session, token)

    async def _find(self, session_id: str | None) -> Session | None:
        if not session_id:
            return None
        log_in = self._log_in
        return await log_in.ask(partial(log_in.sessions.find, session_id, now=log_in.clock()))

    def _is_own(self, request: Request) -> bool:
        """Tell whether a page of this server sent a change, or a program that is no browser."""
        headers = request.headers
        if headers.get("sec-fetch-site", "same-origin") not in _OWN_SITE:
            return False
        origin = headers.get("origin")
        scheme = "https" if self._log_in.is_https else "http"
        return origin is None or origin == f"{scheme}://{headers.get('host', '')}"


def local_path(text: str | None) -> str:
    """Return an address of this server to go to after the log-in; `/` for anything else."""
    if not text or len(text) > _LONGEST_NEXT or not text.isascii() or not text.isprintable():
        return "/"
    # Browsers take `//host` and `/\\host` for another server.
    if not text.startswith("/") or text.startswith("//") or "\\" in text or " " in text:
        return "/"
    try:
        parsed = urlsplit(text)
    except ValueError:
        return "/"
    is_elsewhere = bool(parsed.scheme or parsed.netloc)
    return "/" if is_elsewhere or parsed.path in PUBLIC | {LOGOUT} else text


def _is_person(request: Request) -> bool:
    """Tell whether a person waits for a page or has sent a form."""
    of_form = request.url.path in _FORMS and "text/html" in request.headers.get("accept", "")
    return of_form or is_page(request)


def _turned_away(request: Request, session: Session, token: str) -> Response | None:
    """Return the answer to whoever is logged in and may not do this now, whatever the role."""
    path = request.url.path
    if request.method not in SAFE and path not in _FORMS:
        sent = request.headers.get("x-csrf-token", "")
        if not hmac.compare_digest(sent.encode(), token.encode()):
            return _json(HTTPStatus.FORBIDDEN, "X-CSRF-Token is not that of the session")
    if session.must_change and path not in FOR_ALL_ROLES:
        return _to_password(request)
    return None


def _to_login(request: Request, *, why: Why | None = None) -> Response:
    if not _is_person(request):
        if why is not None:
            return _json(HTTPStatus.FORBIDDEN, "the account is not for this sector")
        return _json(HTTPStatus.UNAUTHORIZED, NOBODY)
    asked = quote(request.url.path)
    if request.url.query:
        asked += f"?{request.url.query}"
    query = {"next": local_path(asked)} | ({} if why is None else {"why": why.value})
    return _redirect(f"{LOGIN}?{urlencode(query)}")


def _to_password(request: Request) -> Response:
    if not _is_person(request):
        return _json(HTTPStatus.FORBIDDEN, f"the password must be changed first, at {PASSWORD}")
    return _redirect(PASSWORD)


def _redirect(address: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    return RedirectResponse(address, status_code=HTTPStatus.SEE_OTHER, headers=headers)


def _json(status: HTTPStatus, detail: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    return JSONResponse({"detail": detail}, status_code=status, headers=headers)
