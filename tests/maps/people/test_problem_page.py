"""An address that leads nowhere says so in a page's words, and in JSON to programs."""

from collections.abc import Callable
from typing import Any

import pytest

from edge.messages import RefusedError
from maps.language import LANGUAGES, words
from maps.people.roles import Role

pytestmark = pytest.mark.anyio
MISSING = ("/nothing", "/incidents/a/b/c", "/static/none.js")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def told(response: Any, page: str, language: str = "vi") -> bool:
    """Whether it is the page of a problem, in a language."""
    is_page = response.headers["content-type"].startswith("text/html")
    return is_page and words(language)[f"problem.{page}"] in response.text


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_is_not_there_is_a_page_in_the_readers_language(
    make: Callable[..., str], visitor: Callable[..., Any], language: str
) -> None:
    make()
    one = visitor()
    await one.log_in()
    for address in MISSING:
        response = await one.page(f"{address}?lang={language}")
        assert response.status_code == 404, address
        assert told(response, "missing", language), address
        assert response.headers["cache-control"] == "no-store"
    response = await one.page("/api/v1/none-such")
    assert (response.status_code, response.json()) == (404, {"detail": "Not Found"})


async def test_a_page_of_another_role_says_so(
    make: Callable[..., str], visitor: Callable[..., Any]
) -> None:
    make("to.1", role=Role.GUARD)
    one = visitor()
    await one.log_in("to.1")
    response = await one.page("/people")
    assert response.status_code == 403
    assert told(response, "closed")
    response = await one.page("/incidents/%00")
    assert response.status_code == 422
    assert told(response, "no_address")
    assert (await one.http.get("/api/v1/people")).headers["content-type"] == "application/json"


async def test_while_the_accounts_cannot_be_read_a_page_says_so_and_waits(
    make: Callable[..., str], visitor: Callable[..., Any], log_in: Any, monkeypatch
) -> None:
    make()

    async def away(_: Any) -> None:
        msg = "the database does not answer"
        raise RefusedError(msg)

    one = visitor()
    await one.log_in()
    monkeypatch.setattr(log_in, "ask", away)
    response = await one.page("/incidents")
    assert response.status_code == 503
    assert told(response, "away")
    assert "/static/page/await_answer.js" in response.text
    response = await one.http.get("/api/v1/alerts")
    assert (response.status_code, response.json()) == (
        503,
        {"detail": "the database does not answer"},
    )
