"""What is missing, closed or away: told to people as a page, to programs as JSON."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from edge.messages import RefusedError
from maps.pages import answer, is_page, render_page

# The page's name among the words, by status.
PROBLEMS: Final[Mapping[int, str]] = {
    HTTPStatus.FORBIDDEN: "closed",
    HTTPStatus.NOT_FOUND: "missing",
    HTTPStatus.UNPROCESSABLE_ENTITY: "no_address",
    HTTPStatus.SERVICE_UNAVAILABLE: "away",
}


class Problems:
    """Answers that say why there is no answer."""

    def __init__(self, sector_name: str) -> None:
        """Render the pages."""
        self._shells = {
            status: render_page("problem.html", page=name, sector_name=sector_name)
            for status, name in PROBLEMS.items()
        }

    def answer(self, request: Request, status: int, detail: str) -> Response:
        """Say what is wrong: in a page's words where a person waits for one."""
        headers = {"Cache-Control": "no-store"}
        if status not in self._shells or not is_page(request):
            return JSONResponse({"detail": detail}, status_code=status, headers=headers)
        response = answer(self._shells[status], request)
        response.status_code = status
        response.headers.update(headers)
        return response


def add_problems(app: FastAPI, problems: Problems) -> None:
    """Answer with them whatever a route refuses."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        if error.status_code in PROBLEMS and not error.headers:
            return problems.answer(request, error.status_code, error.detail)
        return await http_exception_handler(request, error)

    @app.exception_handler(RefusedError)
    async def away(request: Request, error: RefusedError) -> Response:
        """Say what does not answer now: store or fusion."""
        return problems.answer(request, HTTPStatus.SERVICE_UNAVAILABLE, str(error))

    @app.exception_handler(RequestValidationError)
    async def misasked(request: Request, error: RequestValidationError) -> Response:
        """Say what of a request is wrong, without what was sent: 1e999 cannot be written."""
        said = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        return problems.answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(said))
