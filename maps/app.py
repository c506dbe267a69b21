"""The web application: puts feed, pages and interface together, and guards the door.

The server answers to the names that it was given and to those of loopback: else any web page could
reach it through a host name of its own. Without a log-in it listens on loopback only.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fusion.sector import Sector
from maps import assets
from maps.api import router, wire_schemas
from maps.base_map.api import router as base_map_router
from maps.base_map.online import OnlineTileHost
from maps.base_map.served import BaseMap
from maps.evidence import add_evidence
from maps.export.api import router as export_router
from maps.feed import Feed
from maps.figures.api import add_figures
from maps.incident_log import add_incident_list
from maps.incident_page import add_incident_page
from maps.language import LANGUAGES
from maps.live_map import render_live_map
from maps.pages import answer, content_security_policy, render_docs
from maps.people.api import add_people_page
from maps.people.api import router as people_router
from maps.people.door import Asking, having
from maps.people.gate import Gate
from maps.people.log_in import LogIn
from maps.people.login_pages import router as login_router
from maps.people.oidc import Oidc
from maps.people.oidc_pages import router as oidc_router
from maps.people.roles import Right, rights_of
from maps.playback import add_page as add_playback
from maps.playback import router as playback_router
from maps.problem_page import Problems, add_problems
from maps.shift import add_shift_page
from maps.step_api import router as step_router

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]", "::1")
_STATIC: Final = Path(__file__).parent / "static"
_VERSION: Final = "1"
_MOST_BYTES: Final = 65_536  # of a body: no step is half as long


def create_app(  # noqa: PLR0913 - what a server is made of
    *,
    sector: Sector,
    feed: Feed,
    base_map: BaseMap | None = None,
    log_in: LogIn | None = None,
    oidc: Oidc | None = None,
    names: Sequence[str] = (),
    evidence: Path | None = None,
) -> FastAPI:
    """Compose the application.

    Args:
        sector: What it shows.
        feed: What happens there.
        base_map: What lies under the map.
        log_in: Asks everybody who they are; None: everybody is `roles.AT_THE_MACHINE`.
        oidc: Where one may log in besides.
        names: Of hosts that it may be called by besides those of loopback.
        evidence: The folder of crops; None: `maps.evidence.default_folder`.

    Raises:
        RefusedError: The web assets are missing, or a page would load an outside address.
    """
    assets.require()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with closing(app.state.base_map):
            async with feed.running():
                yield

    app = FastAPI(
        title="Tuần Biên",
        version=_VERSION,
        description="Live map of one border sector. An alert is a lead for a person to check.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own page loads a CDN
        redoc_url=None,
        openapi_url=None,  # its own would ask nobody who they are
    )
    app.state.feed, app.state.sector, app.state.log_in = feed, sector, log_in
    app.state.oidc = oidc
    app.state.base_map = base_map or BaseMap()
    app.include_router(router)
    add_incident_list(app, sector)
    add_incident_page(app, sector)
    add_evidence(app, sector, evidence)
    app.include_router(export_router)
    add_shift_page(app, sector)
    add_figures(app, sector)
    app.include_router(step_router)
    app.include_router(playback_router)
    app.include_router(people_router)
    add_people_page(app, sector_name=sector.name)
    app.include_router(login_router)
    app.include_router(oidc_router)
    app.include_router(base_map_router)
    _add_pages(app, sector)
    problems = Problems(sector.name)
    add_problems(app, problems)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    if log_in is not None:
        app.add_middleware(Gate, log_in=log_in, refused=problems.answer)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    if app.state.base_map.online is not None:
        app.add_middleware(OnlineTileHost, online=app.state.base_map.online)
    app.add_middleware(
        TrustedHostMiddleware, allowed_hosts=[*LOOPBACK_NAMES, *names], www_redirect=False
    )
    return app


def _add_pages(app: FastAPI, sector: Sector) -> None:
    home = _home(sector)
    shells = {
        language: render_live_map(sector.name, language=language, home=home)
        for language in LANGUAGES
    }
    add_playback(app, sector_name=sector.name, home=home)
    docs = render_docs()

    @app.get("/", include_in_schema=False)
    async def live_map(person: Asking, request: Request) -> Response:
        if Right.SEE_PICTURE not in rights_of(person.role):
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"/incidents{query}", 303)  # a partner's first page
        return answer(shells, request)

    may = [Depends(having(Right.SEE_PICTURE))]

    @app.get("/openapi.json", include_in_schema=False, dependencies=may)
    async def description() -> JSONResponse:
        return JSONResponse(app.openapi(), headers={"Cache-Control": "no-cache"})

    @app.get("/docs", include_in_schema=False, dependencies=may)
    async def documentation() -> HTMLResponse:
        headers = {"Content-Security-Policy": docs.policy, "Cache-Control": "no-cache"}
        return HTMLResponse(docs.html, headers=headers)


def _home(sector: Sector) -> tuple[float, float]:
    """Return `(lat, lon)` of the border's first vertex: somewhere in the sector."""
    line = sector.layers["border"]["features"][0]["geometry"]["coordinates"]
    while isinstance(line[0], list | tuple):
        line = line[0]
    return float(line[1]), float(line[0])


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        schema.setdefault("components", {}).setdefault("schemas", {}).update(wire_schemas())
        app.openapi_schema = schema
    return app.openapi_schema


class BodyLimit:
    """Reads no more of a body than a step has: another site's page may send what it likes."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; a body that is too long is refused where it is read."""
        taken = 0

        async def receive_some() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > _MOST_BYTES:
                raise HTTPException(413, f"the body is longer than {_MOST_BYTES} bytes")
            return message

        await self._app(scope, receive_some, send)


class SecurityHeaders:
    """Adds to every answer what a browser must not do with it."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app
        self._headers = {
            "Content-Security-Policy": content_security_policy(),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with the headers it does not set itself."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_guarded)
