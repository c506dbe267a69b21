"""A log-in with a clock that tests set, and a browser without a screen."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from edge.messages import UtcTime
from maps import assets
from maps.app import create_app
from maps.people.accounts import Changer, NewAccount
from maps.people.book import Book
from maps.people.log_in import LogIn
from maps.people.passwords import Passwords
from maps.people.roles import Role

PASSWORD = "đường tuần tra số bảy"
CHANGER = Changer("a test", "192.0.2.9")
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Clock:
    """Says what it was set to."""

    def __init__(self, now: UtcTime) -> None:
        self.now = now

    def __call__(self) -> UtcTime:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now = self.now.after(seconds)


@pytest.fixture
def clock(noon: UtcTime) -> Clock:
    return Clock(noon)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    opened = Book.open(f"sqlite:///{tmp_path / 'people.db'}")
    yield opened
    opened.close()


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(CHEAP)


@pytest.fixture
def log_in(book: Book, clock: Clock, passwords: Passwords) -> LogIn:
    return LogIn(book, sector_id="bien-thu", is_https=False, clock=clock, passwords=passwords)


@pytest.fixture
def make(log_in: LogIn, clock: Clock) -> Callable[..., str]:
    """Return a function that makes an account with a password of its own; returns its name."""

    def make_one(account: str = "an.nv", **changed: Any) -> str:
        new = {"shown_name": f"Người {account}", "role": Role.DUTY_OFFICER} | changed
        log_in.accounts.make(NewAccount(account, **new), by=CHANGER, now=clock())
        log_in.accounts.set_own_password(account, PASSWORD, address="192.0.2.1", now=clock())
        return account

    return make_one


@pytest.fixture
def enter(log_in: LogIn) -> Callable[..., Any]:
    """Return a function that logs in by name and password."""

    def enter_as(account: str = "an.nv", password: str = PASSWORD, **changed: Any) -> Any:
        values = {"address": "192.0.2.1", "browser": None, "old_session": None} | changed
        return log_in.enter(account, password, **values)

    return enter_as


@pytest.fixture
def app(sector, feed, log_in: LogIn) -> FastAPI:
    assets.bring()
    return create_app(sector=sector, feed=feed, log_in=log_in)


class Visitor:
    """Somebody's browser: keeps cookies, follows forms."""

    def __init__(
        self, app: FastAPI, *, address: str = "198.51.100.7", https: bool = False
    ) -> None:
        transport = httpx.ASGITransport(app, client=(address, 50000))
        base = "https://localhost" if https else "http://localhost"
        self.http = httpx.AsyncClient(transport=transport, base_url=base)

    async def page(self, path: str) -> httpx.Response:
        return await self.http.get(path, headers={"Accept": "text/html"})

    async def fill(self, path: str, **fields: str) -> httpx.Response:
        """Send the form of a page, with the token that is on it."""
        token = re.search(r'name="csrf" value="([^"]*)"', (await self.page(path)).text)
        assert token, path
        address = path.partition("?")[0]
        return await self.http.post(address, data={"csrf": token[1]} | fields)

    async def log_in(self, account: str = "an.nv", password: str = PASSWORD) -> httpx.Response:
        return await self.fill("/login", account=account, password=password)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send a change as the pages do, with the session's token."""
        token = (await self.http.get("/api/v1/me")).json()["csrf"]
        return await self.http.post(
            path, json={} if body is None else body, headers={"X-CSRF-Token": token} | headers
        )


@pytest.fixture
def visitor(app: FastAPI) -> Callable[..., Visitor]:
    return lambda **options: Visitor(**({"app": app} | options))
