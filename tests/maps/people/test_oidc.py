"""Logging in elsewhere, against a small provider that runs here and can be told to misbehave."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwk, jwt

from edge.messages import RefusedError
from maps.app import create_app
from maps.people.accounts import Changer
from maps.people.oidc import read_oidc
from maps.people.roles import Role

pytestmark = pytest.mark.anyio
SECRET = "a secret: of/the client"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Provider:
    """Says yes to everybody as the user it was told of; `spoil` changes what it signs."""

    def __init__(self) -> None:
        self.key = jwk.RSAKey.generate_key(2048, auto_kid=True)
        self.signing = self.key
        self.algorithm = "RS256"
        self.user: dict[str, Any] = {
            "sub": "42",
            "preferred_username": "An.NV",
            "name": "Nguyễn Văn An",
            "groups": ["everybody", "bp-duty"],
        }
        self.spoil: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.now_s = 0
        self.asked: dict[str, dict[str, str]] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def authorise(self, address: str) -> str:
        """Return where the provider's page sends the browser back to."""
        parsed = urlsplit(address)
        assert f"{parsed.scheme}://{parsed.netloc}{parsed.path}" == f"{self.issuer}/authorise"
        query = dict(parse_qsl(parsed.query))
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self.asked)}"
        self.asked[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def _token(self, form: dict[str, str], authorization: str) -> dict[str, str] | None:
        asked = self.asked.pop(form.get("code", ""), None)
        wanted = base64.b64encode(b"tuanbien:a%20secret%3A%20of%2Fthe%20client").decode()
        if asked is None or authorization != f"Basic {wanted}":
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return None
        claims = {
            "iss": self.issuer,
            "aud": "tuanbien",
            "iat": self.now_s,
            "exp": self.now_s + 300,
            "nonce": asked["nonce"],
        }
        header = {"alg": self.algorithm, "kid": self.key.kid}
        token = jwt.encode(
            header, self.spoil(claims | self.user), self.signing, algorithms=[self.algorithm]
        )
        return {"id_token": token, "access_token": "unused", "token_type": "Bearer"}

    def _handler(provider) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the request
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                said = {
                    "/.well-known/openid-configuration": {
                        "issuer": provider.issuer,
                        "authorization_endpoint": f"{provider.issuer}/authorise",
                        "token_endpoint": f"{provider.issuer}/token",
                        "jwks_uri": f"{provider.issuer}/keys",
                    },
                    "/keys": {"keys": [provider.key.as_dict(private=False)]},
                }.get(self.path)
                self._answer(said)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                form = dict(parse_qsl(body))
                self._answer(provider._token(form, self.headers.get("authorization", "")))

            def _answer(self, said: object) -> None:
                self.send_response(200 if said is not None else 400)
                self.send_header("content-type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(said or {"error": "invalid_grant"}).encode())

            def log_message(self, *_: object) -> None:
                return

        return Handler


@pytest.fixture
def provider(clock) -> Iterator[Provider]:
    made = Provider()
    made.now_s = int(clock().timestamp())
    yield made
    made.server.shutdown()
    made.server.server_close()


def write_file(folder: Path, provider: Provider) -> Path:
    """Write how to log in at a provider."""
    (folder / "secret.txt").write_text(f"{SECRET}\n", encoding="utf-8")
    path = folder / "oidc.toml"
    path.write_text(
        f"""
        [oidc]
        name = "SSO Biên phòng"
        issuer = "{provider.issuer}"
        client_id = "tuanbien"
        client_secret_file = "secret.txt"
        role_claim = "groups"
        roles = {{ bp-chief = "commander", bp-duty = "duty_officer" }}
        """,
        encoding="utf-8",
    )
    return path


@pytest.fixture
def file(provider, tmp_path) -> Path:
    return write_file(tmp_path, provider)


@pytest.fixture
def app(sector, feed, log_in, file) -> FastAPI:
    return create_app(sector=sector, feed=feed, log_in=log_in, oidc=read_oidc(file))


async def go(browser, provider, following: str = "/") -> httpx.Response:
    sent = await browser.http.get("/login/oidc", params={"next": following})
    assert sent.status_code == 303
    return await browser.page(provider.authorise(sent.headers["location"]))


async def test_somebody_logs_in_elsewhere_and_goes_on_where_they_wanted(visitor, provider) -> None:
    browser = visitor()
    assert "SSO Biên phòng" in (await browser.page("/login")).text
    answer = await go(browser, provider, "/incidents?q=1&p=2")
    assert answer.status_code == 200
    assert 'content="0;url=/incidents?q=1&amp;p=2"' in answer.text
    me = (await browser.http.get("/api/v1/me")).json()
    assert (me["id"], me["name"], me["role"]) == ("an.nv", "Nguyễn Văn An", "duty_officer")


async def test_the_role_follows_the_provider_at_the_next_log_in(visitor, provider, log_in) -> None:
    first = visitor()
    await go(first, provider)
    provider.user |= {"groups": ["bp-duty", "bp-chief"], "preferred_username": "renamed"}
    second = visitor()
    await go(second, provider)
    assert (await first.http.get("/api/v1/me")).status_code == 401
    assert (await second.http.get("/api/v1/me")).json()["role"] == "commander"
    assert [one.account for one in log_in.accounts.all()] == ["an.nv"]  # the subject is who it is


async def test_whoever_has_no_role_is_not_let_in(visitor, provider, log_in) -> None:
    provider.user["groups"] = ["everybody"]
    answer = await go(visitor(), provider)
    assert answer.status_code == 403
    assert "không cấp vai trò" in answer.text
    assert log_in.accounts.all() == []


async def test_a_name_does_not_take_over_an_account(visitor, provider, make, log_in) -> None:
    make("an.nv", role=Role.ADMINISTRATOR)
    assert (await go(visitor(), provider)).status_code == 403
    assert log_in.accounts.find("an.nv").subject is None


@pytest.mark.parametrize("groups", [{"bp-chief": 1}, [{"bp-chief": 1}], [["bp-chief"]], None, 7])
async def test_roles_of_another_shape_let_nobody_in(visitor, provider, groups) -> None:
    """A list of tables was an internal error."""
    provider.user["groups"] = groups
    answer = await go(visitor(), provider)
    assert answer.status_code == 403


async def test_the_unit_follows_the_provider_where_it_says_one(
    sector, feed, log_in, file, visitor, provider
) -> None:
    """Who was in no unit any more at the provider still saw what was handed over to the old one."""
    text = file.read_text(encoding="utf-8")
    file.write_text(f'{text}\nunit_claim = "unit"\n', encoding="utf-8")
    app = create_app(sector=sector, feed=feed, log_in=log_in, oidc=read_oidc(file))
    units = []
    for unit in ("kiem-lam", "hai-quan", None):
        provider.user["unit"] = unit
        assert (await go(visitor(app=app), provider)).status_code == 200
        (account,) = [one for one in log_in.accounts.all() if one.subject]
        units.append(account.unit)
    assert units == ["kiem-lam", "hai-quan", None]


async def test_nobody_is_pushed_out_by_an_address_that_asks_and_asks(visitor, provider) -> None:
    """A thousand questions from one machine made every log-in elsewhere come back too late."""
    browser = visitor()
    sent = await browser.http.get("/login/oidc")
    other = visitor(address="203.0.113.9")
    for _ in range(1001):
        await other.http.get("/login/oidc")
    back = await browser.page(provider.authorise(sent.headers["location"]))
    assert back.status_code == 200


async def test_a_locked_account_stays_out(visitor, provider, log_in) -> None:
    await go(visitor(), provider)
    log_in.accounts.lock("an.nv", by=Changer("a test", "here"))
    assert "đã bị khóa" in (await go(visitor(), provider)).text


SPOILT = {
    "another issuer": lambda claims: claims | {"iss": "https://evil.example"},
    "another client": lambda claims: claims | {"aud": "another"},
    "shared and made for another": lambda claims: (
        claims | {"aud": ["tuanbien", "another"], "azp": "another"}
    ),
    "another nonce": lambda claims: claims | {"nonce": "of another log-in"},
    "no nonce": lambda claims: {name: claims[name] for name in claims if name != "nonce"},
    "no end": lambda claims: {name: claims[name] for name in claims if name != "exp"},
    "over": lambda claims: claims | {"exp": claims["iat"] - 120},
    "no subject": lambda claims: {name: claims[name] for name in claims if name != "sub"},
    "a subject that is no text": lambda claims: claims | {"sub": {"a": 1}},
    "no account": lambda claims: claims | {"preferred_username": None},
    "an account that is none": lambda claims: claims | {"preferred_username": "<script>"},
}


@pytest.mark.parametrize("how", SPOILT)
async def test_a_word_that_does_not_hold_lets_nobody_in(visitor, provider, log_in, how) -> None:
    provider.spoil = SPOILT[how]
    answer = await go(visitor(), provider)
    assert answer.status_code == 403
    assert log_in.accounts.all() == []


async def test_a_signature_of_another_key_lets_nobody_in(visitor, provider) -> None:
    provider.signing = jwk.RSAKey.generate_key(2048)
    assert (await go(visitor(), provider)).status_code == 403


async def test_a_signature_by_a_shared_secret_lets_nobody_in(visitor, provider) -> None:
    provider.algorithm = "HS256"
    provider.signing = jwk.OctKey.import_key(SECRET * 2)
    assert (await go(visitor(), provider)).status_code == 403


async def test_a_state_is_good_once_in_its_own_browser_and_for_ten_minutes(
    visitor, provider, clock
) -> None:
    browser = visitor()
    sent = await browser.http.get("/login/oidc")
    back = provider.authorise(sent.headers["location"])
    assert (await visitor().page(back)).status_code == 403  # an attacker's link in another browser
    assert (await browser.page(back)).status_code == 200
    again = visitor()
    again.http.cookies = browser.http.cookies
    assert (await again.page(back)).status_code == 403
    late = visitor()
    sent = await late.http.get("/login/oidc")
    clock.pass_(601)
    assert (await late.page(provider.authorise(sent.headers["location"]))).status_code == 403


async def test_after_the_log_in_one_stays_on_this_server(visitor, provider) -> None:
    answer = await go(visitor(), provider, "//evil.example/")
    assert "evil" not in answer.text


async def test_a_provider_that_is_away_is_said_so(visitor, provider) -> None:
    provider.server.shutdown()
    provider.server.server_close()
    answer = await visitor().http.get("/login/oidc")
    assert answer.status_code == 403
    assert "không thành công" in answer.text


async def test_without_a_file_there_is_no_such_way(sector, feed, log_in, visitor) -> None:
    browser = visitor(app=create_app(sector=sector, feed=feed, log_in=log_in))
    assert (await browser.http.get("/login/oidc")).status_code == 404
    assert "/login/oidc" not in (await browser.page("/login")).text


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        (r'issuer = "[^"]*"', 'issuer = "http://sso.example"', "must be an https address"),
        (r'issuer = "[^"]*"', "", "oidc.issuer is missing"),
        (r'"commander"', '"boss"', "roles.bp-chief = 'boss'|must be one of"),
        (r"roles = .*", "roles = {}", "names no role"),
        (r'"secret.txt"', '"none.txt"', "client_secret_file = 'none.txt' cannot be read"),
        (r"name = ", "nam = ", "nam"),
        (r"\[oidc\]", "[oidc", "oidc.toml: "),
        (r"client_id", 'sectors = "Hà Giang"\nclient_id', "sectors"),
    ],
)
def test_what_is_wrong_with_the_file_is_one_sentence(file, was, becomes, said) -> None:
    file.write_text(re.sub(was, becomes, file.read_text("utf-8"), count=1), encoding="utf-8")
    with pytest.raises(RefusedError, match=said) as refused:
        read_oidc(file)
    assert str(file) in str(refused.value)
    assert SECRET not in str(refused.value)
