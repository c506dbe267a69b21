"""The gate over HTTP: pages, forms, tokens, other sites, and what a role may ask for."""

import asyncio
import html
import re
import threading
from collections.abc import AsyncIterator, Sequence

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Mount

from edge.messages import RefusedError
from maps.app import create_app
from maps.language import LANGUAGES, words
from maps.people.accounts import Changer, NewAccount
from maps.people.door import Having, person_of
from maps.people.gate import FOR_ALL_ROLES, ON_LOOPBACK, PUBLIC, local_path
from maps.people.log_in import LogIn
from maps.people.roles import Right, Role, rights_of
from maps.server import BehindProxy

pytestmark = pytest.mark.anyio
BY = Changer("a test", "192.0.2.9")
PASSWORD = "đường tuần tra số bảy"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


# -- coming in -----------------------------------------------------------------------------------


async def test_a_page_leads_to_the_log_in_and_back(visitor, make) -> None:
    make()
    browser = visitor()
    sent = await browser.page("/playback?incident=a%2Fb&speed=4")
    assert sent.status_code == 303
    form = sent.headers["location"]
    assert form.startswith("/login?next=%2Fplayback%3F")
    field = re.search('name="next" value="([^"]*)"', (await browser.page(form)).text)
    following = html.unescape(field[1])
    answer = await browser.fill(form, account="an.nv", password=PASSWORD, next=following)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/playback?incident=a%2Fb&speed=4"
    assert (await browser.page("/playback")).status_code == 200


async def test_data_without_a_session_is_401_in_json(visitor) -> None:
    answer = await visitor().http.get("/api/v1/tracks")
    assert (answer.status_code, list(answer.json())) == (401, ["detail"])
    page_of_data = await visitor().page("/api/v1/tracks")  # a person's browser, but an interface
    assert page_of_data.status_code == 401


@pytest.mark.parametrize(
    "elsewhere",
    [
        *("https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example"),
        *(
            "javascript:alert(1)",
            "/\tevil",
            "/ evil",
            "/\nevil",
            "evil",
            "",
            None,
            "/login?next=/",
        ),
        *("/logout", "/é", "/" + "x" * 3000, "///evil.example", "/%0d%0aSet-Cookie:a=b\r\n"),
    ],
)
def test_the_way_back_is_on_this_server(elsewhere) -> None:
    assert local_path(elsewhere) == "/"


async def test_the_form_sends_nobody_elsewhere(visitor, make) -> None:
    make()
    for elsewhere in ("//evil.example/", "https://evil.example/"):
        browser = visitor()
        page = await browser.page(f"/login?next={elsewhere}")
        assert "evil" not in page.text
        answer = await browser.fill("/login", account="an.nv", password=PASSWORD, next=elsewhere)
        assert answer.headers["location"] == "/"


async def test_a_session_id_that_somebody_else_set_is_worth_nothing(visitor, make) -> None:
    """Session fixation: the id that the browser had is never the one after the log-in."""
    make()
    browser = visitor()
    browser.http.cookies.set("session-bien-thu", "chosen-by-an-attacker")
    answer = await browser.log_in()
    given = re.search("session-bien-thu=([^;]+)", str(answer.headers.get_list("set-cookie")))
    assert given[1] != "chosen-by-an-attacker"
    for value, status in (("chosen-by-an-attacker", 401), (given[1], 200)):
        thief = visitor()
        thief.http.cookies.set("session-bien-thu", value)
        assert (await thief.http.get("/api/v1/me")).status_code == status


async def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(visitor, make) -> None:
    make()
    answer = await visitor().log_in()
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 3
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Path=/" in cookie
        assert "Secure" not in cookie


async def test_by_https_cookies_are_bound_to_this_host(
    sector, feed, book, clock, make, passwords, visitor
) -> None:
    make()
    log_in = LogIn(book, sector_id="bien-thu", is_https=True, clock=clock, passwords=passwords)
    browser = visitor(app=create_app(sector=sector, feed=feed, log_in=log_in), https=True)
    answer = await browser.log_in()
    for cookie in answer.headers.get_list("set-cookie"):
        assert cookie.startswith("__Host-")
        assert "Secure" in cookie
        assert "Domain" not in cookie
    assert (await browser.page("/")).status_code == 200


async def test_a_form_without_its_token_is_shown_again(visitor, make) -> None:
    make()
    browser = visitor()
    await browser.page("/login")
    for token in ("", "made-up"):
        answer = await browser.http.post(
            "/login", data={"csrf": token, "account": "an.nv", "password": PASSWORD}
        )
        assert answer.status_code == 403
        assert "session-bien-thu" not in browser.http.cookies
    assert (await browser.log_in()).status_code == 303


async def test_the_forms_words_are_the_same_for_no_account_and_a_wrong_password(
    visitor, make
) -> None:
    make()
    told = []
    for account in ("an.nv", "khong-co"):
        answer = await visitor().log_in(account, "sai mật khẩu rồi")
        told.append((answer.status_code, re.sub('value="[^"]*"', "", answer.text)))
    assert told[0] == told[1]
    assert "không đúng" in told[0][1]


async def test_what_was_typed_is_never_run(visitor) -> None:
    page = await visitor().page('/login?next=/"><script>alert(1)</script>&why=<b>')
    assert "<script>alert" not in page.text
    assert "<b>" not in page.text


async def test_the_form_speaks_the_language_asked_for(visitor) -> None:
    browser = visitor()
    assert "Đăng nhập" in (await browser.page("/login")).text
    assert "Log in" in (await browser.page("/login?lang=en")).text
    assert "Log in" in (await browser.page("/login")).text


async def test_too_many_attempts_are_429_with_the_time_to_wait(visitor, make, clock) -> None:
    make()
    for _ in range(10):
        await visitor().log_in(password="sai mật khẩu rồi")
    clock.pass_(60)
    answer = await visitor().log_in()
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == str(14 * 60 + 1)
    assert "14 phút" in answer.text


@pytest.mark.parametrize("size", [9_000, 70_000])
async def test_a_form_that_is_too_long_is_not_read(visitor, size) -> None:
    answer = await visitor().http.post("/login", content=b"a=" + b"x" * size)
    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"\xff\xfe", b"&".join(b"a=1" for _ in range(99))])
async def test_a_body_that_is_no_form_is_refused(visitor, body) -> None:
    assert (await visitor().http.post("/login", content=body)).status_code == 422


# -- the password --------------------------------------------------------------------------------


async def test_a_one_time_password_opens_only_the_way_to_another(visitor, log_in, clock) -> None:
    new = NewAccount("an.nv", "An", Role.ADMINISTRATOR)
    first = log_in.accounts.make(new, by=BY, now=clock())
    browser = visitor()
    await browser.log_in(password=first)
    assert (await browser.page("/")).headers["location"] == "/password"
    assert (await browser.http.get("/api/v1/tracks")).status_code == 403
    assert (await browser.post("/api/v1/people", {})).status_code == 403
    before = browser.http.cookies["session-bien-thu"]
    short = await browser.fill("/password", password=first, new="ngắn", again="ngắn")
    assert short.status_code == 422
    own = "một câu của riêng tôi"
    assert (await browser.fill("/password", password=first, new=own, again=own)).status_code == 303
    assert browser.http.cookies["session-bien-thu"] != before
    assert (await browser.page("/")).status_code == 200
    assert (await visitor().log_in(password=first)).status_code == 403


@pytest.mark.parametrize(
    ("old", "new", "again", "said"),
    [
        ("sai mật khẩu rồi", "một câu khác hẳn", "một câu khác hẳn", "hiện tại không đúng"),
        (PASSWORD, "một câu khác hẳn", "một câu khác", "không giống nhau"),
        (PASSWORD, PASSWORD, PASSWORD, "giống mật khẩu cũ"),
        (PASSWORD, "password1234", "password1234", "dễ đoán"),
    ],
)
async def test_a_password_is_not_changed_and_why(visitor, make, old, new, again, said) -> None:
    make()
    browser = visitor()
    await browser.log_in()
    answer = await browser.fill("/password", password=old, new=new, again=again)
    assert answer.status_code == 422
    assert said in answer.text
    assert (await visitor().log_in()).status_code == 303  # the old one still fits


async def test_to_guess_the_password_at_an_open_page_is_stopped(visitor, make) -> None:
    make()
    browser = visitor()
    await browser.log_in()
    for _ in range(10):
        await browser.fill(
            "/password", password="sai", new="một câu khác hẳn", again="một câu khác hẳn"
        )
    new = "một câu khác hẳn"
    answer = await browser.fill("/password", password=PASSWORD, new=new, again=new)
    assert answer.status_code == 422
    assert "quá nhiều lần" in answer.text


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, "taken"),
        ({"account": "an.hai", "shown_name": "NGƯỜI an.nv"}, "shown_taken"),
        ({"account": "an hai"}, "account"),
        ({"account": "an.hai", "shown_name": "\N{ZERO WIDTH SPACE}"}, "shown_name"),
        ({"account": "an.hai", "role": "partner"}, "no_unit"),
        ({"account": "an.hai", "sectors": "Đồn 1"}, "sectors"),
    ],
)
async def test_an_account_that_cannot_be_made_says_why_in_words_of_the_page(
    visitor, make, changed, reason
) -> None:
    make(role=Role.ADMINISTRATOR)
    browser = visitor()
    await browser.log_in()
    new = {"account": "an.nv", "shown_name": "Một người khác", "role": "guard"} | changed
    answer = await browser.post("/api/v1/people", new)
    assert answer.status_code == 422
    assert answer.json()["reason"] == reason
    for language in LANGUAGES:
        assert words(language)[f"people.refused_{reason}"]


# -- other sites ---------------------------------------------------------------------------------

STEP = "/api/v1/incidents/incident-1/note"


async def test_a_stranger_at_the_log_in_keeps_nobody_from_changing_their_password(
    visitor, make
) -> None:
    """The tries to change it counted under a name that could be typed at the log-in."""
    make()
    stranger = visitor(address="203.0.113.9")
    for typed in ("change an.nv", "Change of an.nv"):
        for _ in range(11):
            await stranger.log_in(typed, "x")
    browser = visitor()
    await browser.log_in()
    fields = {"password": PASSWORD, "new": "một con đường khác", "again": "một con đường khác"}
    assert (await browser.fill("/password", **fields)).status_code == 303


async def test_who_cannot_change_a_password_can_once_it_is_lifted(visitor, make, log_in) -> None:
    make()
    browser = visitor()
    await browser.log_in()
    fields = {"new": "một con đường khác", "again": "một con đường khác"}
    for _ in range(11):
        answer = await browser.fill("/password", password="x", **fields)
    assert "quá nhiều" in answer.text.lower()
    log_in.attempts.lift("an.nv")
    assert (await browser.fill("/password", password=PASSWORD, **fields)).status_code == 303


async def test_an_administrator_of_one_sector_sees_no_account_beyond_it(visitor, make) -> None:
    make("qt.mot", role=Role.ADMINISTRATOR, sectors="bien-thu")
    make("an.nv", sectors="bien-thu")
    make("binh.tv", sectors="bien-thu khac")
    make("cuc.lt")
    browser = visitor()
    await browser.log_in("qt.mot")
    seen = (await browser.http.get("/api/v1/people")).json()
    assert [one["account"] for one in seen] == ["an.nv", "qt.mot"]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "made-up"},
        {"X-CSRF-Token": "không".encode()},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Origin": "https://localhost"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_change_that_another_site_sends_is_refused(visitor, make, headers) -> None:
    make()
    browser = visitor()
    await browser.log_in()
    assert (await browser.post(STEP, {}, **headers)).status_code == 403
    ours = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert (await browser.post(STEP, {}, **ours)).status_code == 422  # its body is looked at


async def test_the_token_of_one_session_is_none_of_another(visitor, make) -> None:
    make()
    make("binh.tt")
    mine, others = visitor(), visitor()
    await mine.log_in()
    await others.log_in("binh.tt")
    token = (await others.http.get("/api/v1/me")).json()["csrf"]
    assert (await mine.post(STEP, {}, **{"X-CSRF-Token": token})).status_code == 403


async def test_a_form_of_another_site_does_not_log_in_or_out(visitor, make) -> None:
    make()
    browser = visitor()
    await browser.log_in()
    for path in ("/login", "/logout", "/password"):
        answer = await browser.http.post(path, data={}, headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403
        assert (await browser.http.post(path, data={})).status_code == 403  # no token
    assert (await browser.http.get("/api/v1/me")).status_code == 200


# -- going out -----------------------------------------------------------------------------------


async def test_after_the_log_out_the_session_is_worth_nothing(visitor, make) -> None:
    make()
    browser, copy = visitor(), visitor()
    await browser.log_in()
    copy.http.cookies.set("session-bien-thu", browser.http.cookies["session-bien-thu"])
    assert (await browser.post("/logout")).headers["location"] == "/login"
    assert "session-bien-thu" not in browser.http.cookies
    assert (await copy.http.get("/api/v1/me")).status_code == 401


async def test_another_role_is_another_session(visitor, make, log_in) -> None:
    make(role=Role.COMMANDER)
    browser = visitor()
    await browser.log_in()
    assert (await browser.http.get("/api/v1/people")).status_code == 403
    assert (await browser.page("/docs")).status_code == 200
    log_in.accounts.give_role("an.nv", Role.ADMINISTRATOR, by=BY)
    assert (await browser.http.get("/api/v1/people")).status_code == 401
    await browser.log_in()
    assert (await browser.http.get("/api/v1/people")).status_code == 200


async def test_a_session_of_another_sectors_account_is_turned_away(
    sector, feed, book, clock, make, passwords, visitor
) -> None:
    """Servers of two sectors on one host and store: the cookie's value may be carried over."""
    make(sectors="sector-b")
    there = LogIn(book, sector_id="sector-b", is_https=False, clock=clock, passwords=passwords)
    here = LogIn(book, sector_id="bien-thu", is_https=False, clock=clock, passwords=passwords)
    entry = there.enter("an.nv", PASSWORD, address="x", browser=None, old_session=None)
    browser = visitor(app=create_app(sector=sector, feed=feed, log_in=here))
    browser.http.cookies.set("session-bien-thu", entry.session_id)
    assert (await browser.http.get("/api/v1/tracks")).status_code == 403
    sent = await browser.page("/")
    assert "why=sector" in sent.headers["location"]
    assert "không dành cho địa bàn" in (await browser.page(sent.headers["location"])).text


async def test_a_stream_ends_with_its_session(visitor, make, log_in, monkeypatch) -> None:
    monkeypatch.setattr("maps.people.door.STREAM_LOOKS_EVERY_S", 0.0)
    make()
    browser = visitor()
    await browser.log_in()
    told = []

    async def viewed(*_: object) -> AsyncIterator[bytes]:
        for number in range(1000):
            told.append(number)
            if number == 3:
                log_in.accounts.lock("an.nv", by=BY)
            yield b"event: beat\n\n"

    monkeypatch.setattr("maps.stream.Stream.view", viewed)
    answer = await browser.http.get("/api/v1/stream")
    assert answer.status_code == 200
    assert told == [0, 1, 2, 3]


async def test_a_picture_goes_on_for_a_while_without_the_accounts(
    visitor, make, monkeypatch
) -> None:
    """A store that was away for a moment ended every map with a traceback, and let none back."""
    monkeypatch.setattr("maps.people.door.STREAM_LOOKS_EVERY_S", 0.0)
    make()
    browser = visitor()
    await browser.log_in()
    told = []

    def away(*_: object, **__: object) -> None:
        msg = "cannot use the accounts in the store: gone"
        raise RefusedError(msg)

    async def viewed(*_: object) -> AsyncIterator[bytes]:
        for number in range(6):
            told.append(number)
            if number == 1:
                monkeypatch.setattr("maps.people.sessions.Sessions.look_up", away)
            if number == 4:
                monkeypatch.setattr("maps.people.door.ACCOUNTS_AWAY_S", 0.0)
            yield b"event: beat\n\n"

    monkeypatch.setattr("maps.stream.Stream.view", viewed)
    answer = await browser.http.get("/api/v1/stream")
    assert answer.text.count("event: beat") == 4
    assert told == [0, 1, 2, 3, 4]


async def test_neither_log_ins_nor_long_work_keep_a_session_waiting(visitor, make, log_in) -> None:
    """All shared the threads of one pool: whoever filled it stopped every page and every map."""
    make()
    browser = visitor()
    await browser.log_in()
    release, loop = threading.Event(), asyncio.get_running_loop()
    busy = [loop.run_in_executor(None, release.wait) for _ in range(64)]
    try:
        with log_in.passwords._one_at_a_time:
            trying = [asyncio.create_task(visitor().log_in("x")) for _ in range(8)]
            async with asyncio.timeout(10):
                assert (await browser.http.get("/api/v1/me")).status_code == 200
                assert not any(task.done() for task in trying)
    finally:
        release.set()
    assert {answer.status_code for answer in await asyncio.gather(*trying)} == {403}
    await asyncio.gather(*busy)


@pytest.mark.parametrize(
    ("address", "next_page"), [("/logout", "%2F"), ("/password", "%2Fpassword")]
)
async def test_a_form_of_an_ended_session_leads_to_the_log_in(
    visitor, make, log_in, address, next_page
) -> None:
    make()
    browser = visitor()
    await browser.log_in()
    log_in.accounts.end_sessions("an.nv", by=BY)
    sent = await browser.http.post(address, data={"csrf": "x"}, headers={"Accept": "text/html"})
    assert (sent.status_code, sent.headers["location"]) == (303, f"/login?next={next_page}")


async def test_a_log_out_that_cannot_be_written_is_said_so(visitor, make, monkeypatch) -> None:
    make()
    browser = visitor()
    await browser.log_in()

    def away(*_: object) -> None:
        msg = "cannot use the accounts in the store: gone"
        raise RefusedError(msg)

    monkeypatch.setattr("maps.people.sessions.Sessions.end", away)
    answer = await browser.post("/logout")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "cannot use the accounts in the store: gone"


async def test_strangers_are_not_told_the_addresses_of_broker_and_store(visitor, make) -> None:
    make()
    stranger = await visitor().http.get("/healthz")
    assert (stranger.status_code, stranger.json()["reasons"]) == (503, [])
    assert (await visitor(address="127.0.0.1").http.get("/healthz")).json()["reasons"]
    browser = visitor()
    await browser.log_in()
    assert (await browser.http.get("/healthz")).json()["reasons"]


async def test_a_store_that_is_away_is_said_so(visitor, make, monkeypatch) -> None:
    make()
    browser = visitor()
    await browser.log_in()

    def away(*_: object, **__: object) -> None:
        msg = "cannot use the accounts in the store: gone"
        raise RefusedError(msg)

    monkeypatch.setattr("maps.people.sessions.Sessions.look_up", away)
    answer = await browser.http.get("/api/v1/tracks")
    assert (answer.status_code, answer.json()["detail"][:21]) == (503, "cannot use the accoun")
    monkeypatch.setattr("maps.people.attempts.Attempts.begin", away)
    form = await visitor().log_in()
    assert form.status_code == 503
    assert "không trả lời" in form.text


# -- every route asks ----------------------------------------------------------------------------


def depends_on(route: APIRoute) -> set[object]:
    found, open_ends = set(), [route.dependant]
    while open_ends:
        one = open_ends.pop()
        found.add(one.call)
        open_ends.extend(one.dependencies)
    return found


def rights(route: APIRoute) -> set[Right]:
    return {call.right for call in depends_on(route) if isinstance(call, Having)}


def all_routes(routes: Sequence[BaseRoute]) -> list[BaseRoute]:
    """Every route, those of routers within routers too."""
    found = []
    for route in routes:
        within = getattr(route, "original_router", None)
        found += [route] if within is None else all_routes(within.routes)
    return found


def routes(app: FastAPI) -> list[APIRoute]:
    found = [route for route in all_routes(app.routes) if isinstance(route, APIRoute)]
    assert len(found) > 25  # FastAPI has not hidden them elsewhere
    return found


def test_every_route_asks_for_a_right_or_is_on_the_list(app) -> None:
    others = [route for route in all_routes(app.routes) if not isinstance(route, APIRoute)]
    assert [(type(one), one.path) for one in others] == [(Mount, "/static")]
    for route in routes(app):
        if route.path in PUBLIC | ON_LOOPBACK:
            continue
        if route.path in FOR_ALL_ROLES | {"/"}:  # `/` shows each role its own first page
            assert person_of in depends_on(route), route.path
        else:
            assert rights(route), f"{route.path} asks for no right"


def test_the_public_list_names_no_more_than_there_is(app) -> None:
    there = {route.path for route in routes(app)} | {"/login/oidc", "/login/oidc/back"}
    assert there >= PUBLIC | ON_LOOPBACK | FOR_ALL_ROLES


async def test_no_route_answers_without_a_session(app, visitor) -> None:
    for route in routes(app):
        path = re.sub(r"\{[^}]*\}", "1", route.path)
        for method in route.methods:
            if route.path not in PUBLIC:
                answer = await visitor().http.request(method, path)
                assert answer.status_code in {401, 403}, (method, path)


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_is_answered_what_it_may_and_nothing_else(
    app, visitor, make, role, monkeypatch
) -> None:
    def away(*_: object) -> None:
        raise RefusedError("the store is away")  # noqa: EM101, TRY003 - of no interest here

    monkeypatch.setattr("maps.feed.Feed.ask", away)
    make(role=role, unit="cong-an" if role is Role.PARTNER else None)
    browser = visitor()
    await browser.log_in()
    browser.http.headers["X-CSRF-Token"] = (await browser.http.get("/api/v1/me")).json()["csrf"]
    for route in routes(app):
        if not rights(route) or route.path == "/api/v1/stream":
            continue
        path = re.sub(r"\{[^}]*\}", "1", route.path)
        for method in route.methods:
            body = {"json": {}} if method == "POST" else {}
            answer = await browser.http.request(method, path, **body)
            may = rights(route) <= rights_of(role)
            assert (answer.status_code != 403) is may, (method, path, answer.text[:200])
            assert answer.status_code != 401


async def test_a_partner_sees_its_own_incidents_alone(visitor, make, feed, say) -> None:
    make(role=Role.PARTNER, unit="cong-an")
    for name, unit in (("mine", "cong-an"), ("others", "don-2"), ("nobodys", "")):
        alert = say.alert(name)
        feed.picture.take_incidents(
            [say.incident(alert, **({"assigned_to": unit} if unit else {}))]
        )
    browser = visitor()
    await browser.log_in()
    seen = (await browser.http.get("/api/v1/incidents")).json()
    assert [one["incident_id"] for one in seen] == ["incident-of-mine"]
    layer = await browser.http.get("/api/v1/incidents", headers={"Accept": "application/geo+json"})
    assert [one["id"] for one in layer.json()["features"]] == ["incident-of-mine"]
    sector = (await browser.http.get("/api/v1/sector")).json()
    shown = {name for name, layer in sector["layers"].items() if layer["features"]}
    assert shown == {"border", "markers"}  # everybody knows those
    assert (await browser.page("/")).headers["location"] == "/incidents"


async def test_figures_for_prometheus_are_for_this_machine(visitor) -> None:
    assert (await visitor(address="127.0.0.1").http.get("/metrics")).status_code == 200
    assert (await visitor(address="198.51.100.7").http.get("/metrics")).status_code == 401
    assert (await visitor(address="198.51.100.7").http.get("/healthz")).status_code in {200, 503}


# -- behind a proxy ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "says", "path", "status"),
    [
        ("10.0.0.2", "198.51.100.7", "/login", 200),
        ("10.0.0.3", "198.51.100.7", "/login", 403),  # around the proxy
        ("10.0.0.2", None, "/login", 403),  # a proxy that does not say who asks
        ("127.0.0.1", None, "/healthz", 503),
        ("10.0.0.2", "127.0.0.1", "/metrics", 200),  # the proxy is believed
        ("10.0.0.3", "127.0.0.1", "/metrics", 403),
    ],
)
async def test_one_proxy_is_believed_and_nobody_else(
    app, visitor, peer, says, path, status
) -> None:
    browser = visitor(app=BehindProxy(app, proxy="10.0.0.2"), address=peer)
    headers = {} if says is None else {"X-Forwarded-For": says, "X-Forwarded-Proto": "https"}
    assert (await browser.http.get(path, headers=headers)).status_code == status


async def test_whoever_forges_the_header_is_still_counted_by_the_address_the_proxy_saw(
    app, visitor
) -> None:
    browser = visitor(app=BehindProxy(app, proxy="10.0.0.2"), address="10.0.0.2")
    for number in range(31):
        browser.http.headers["X-Forwarded-For"] = f"1.2.3.{number}, 198.51.100.7"
        answer = await browser.log_in(f"ten-{number}", "x")
    assert answer.status_code == 429
