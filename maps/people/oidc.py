"""Logging in elsewhere: OpenID Connect, authorization code with PKCE, state and nonce.

    /login/oidc ──▶ the provider's page ──▶ /login/oidc/back?code&state
                                                 │ code + verifier ──▶ its token endpoint
                                                 ▼
                                   ID token: signature, iss, aud, exp, nonce ──▶ role

The file (`--oidc FILE.toml`) says which of a claim's values is which role; whoever has none of
them is not let in. No password and no token is kept.
"""

import base64
import hashlib
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import httpx
import msgspec
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from edge.file_words import in_words
from edge.messages import RefusedError, UtcTime
from maps.people.account_rules import EVERY_SECTOR, sectors_of
from maps.people.roles import Role
from maps.server import is_loopback

WITHIN_S: Final = 600.0  # from our page to the provider's and back
_PENDING: Final = 1000
_PENDING_OF_ADDRESS: Final = 50
_TIMEOUT_S: Final = 10.0
_LEEWAY_S: Final = 60
_ALGORITHMS: Final = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")


class OidcTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[oidc]` of the file."""

    name: str  # of the provider, as the log-in page says it
    issuer: str
    client_id: str
    client_secret_file: str  # relative to the file
    role_claim: str
    roles: dict[str, Role]  # by value of that claim; the first that somebody has counts
    account_claim: str = "preferred_username"
    name_claim: str = "name"
    unit_claim: str | None = None
    sectors: str = EVERY_SECTOR
    scope: str = "openid profile"


class _OidcFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    oidc: OidcTable


class Known(NamedTuple):
    """Who somebody is, as their provider says it."""

    subject: str  # issuer and subject, with a blank between
    account: str
    shown_name: str
    role: Role
    unit: str | None


class NoRoleError(RefusedError):
    """The provider knows them, and none of their roles counts here."""


class _Pending(NamedTuple):
    began: UtcTime
    nonce: str
    verifier: str
    following: str
    redirect_uri: str
    address: str


class Oidc:
    """One provider. Its methods run in the server's event loop."""

    def __init__(self, table: OidcTable, client_secret: str) -> None:
        """Take over what `read_oidc` read."""
        self.name = table.name
        self.sectors = table.sectors
        self.says_unit = table.unit_claim is not None
        self._table = table
        self._secret = client_secret
        self._pending: dict[str, _Pending] = {}
        self._found: dict[str, Any] | None = None

    async def begin(
        self, *, following: str, redirect_uri: str, address: str, now: UtcTime
    ) -> tuple[str, str]:
        """Return the provider's address to go to, and the `state` that must come back.

        Raises:
            RefusedError: The provider does not answer as one.
        """
        found = await self._metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        for old in [key for key, one in self._pending.items() if _is_over(one, now)]:
            del self._pending[old]
        # Whoever asks and never comes back pushes nobody out but those of the same address.
        own = [key for key, one in self._pending.items() if one.address == address]
        for old in own[: max(0, len(own) - _PENDING_OF_ADDRESS + 1)]:
            del self._pending[old]
        while len(self._pending) >= _PENDING:
            del self._pending[next(iter(self._pending))]
        pending = _Pending(now, nonce, verifier, following, redirect_uri, address)
        self._pending[state] = pending
        query = {
            "response_type": "code",
            "client_id": self._table.client_id,
            "redirect_uri": redirect_uri,
            "scope": self._table.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        endpoint = found["authorization_endpoint"]
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}", state

    async def finish(self, *, state: str, code: str, now: UtcTime) -> tuple[Known, str]:
        """Return who came back and where they wanted to go; a state is good for once.

        Raises:
            NoRoleError: None of their roles counts here.
            RefusedError: The state is none of ours, or the provider's word does not hold.
        """
        pending = self._pending.pop(state, None)
        if pending is None or _is_over(pending, now):
            msg = "the state is not one that was given out in the last ten minutes"
            raise RefusedError(msg)
        found = await self._metadata()
        basic = ":".join(quote(one, safe="") for one in (self._table.client_id, self._secret))
        answer = await _asked(
            "POST",
            found["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": pending.redirect_uri,
                "code_verifier": pending.verifier,
            },
            headers={"Authorization": f"Basic {base64.b64encode(basic.encode()).decode()}"},
        )
        keys = await _asked("GET", found["jwks_uri"])
        claims = self._claims(answer.get("id_token"), keys, nonce=pending.nonce, now=now)
        return self._known(claims), pending.following

    async def _metadata(self) -> dict[str, Any]:
        if self._found is None:
            issuer = self._table.issuer
            found = await _asked("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != issuer:
                msg = f"{issuer} calls itself {found.get('issuer')!r}"
                raise RefusedError(msg)
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                _hold_to_https(f"{issuer}: {name}", found.get(name))
            self._found = found
        return self._found

    def _claims(
        self, token: object, keys: Mapping[str, Any], *, nonce: str, now: UtcTime
    ) -> dict[str, Any]:
        if not isinstance(token, str):
            msg = f"{self._table.issuer} sent no ID token"
            raise RefusedError(msg)
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self._table.issuer},
            aud={"essential": True, "value": self._table.client_id},
            nonce={"essential": True, "value": nonce},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            key_set = jwk.KeySet.import_key_set({"keys": list(keys.get("keys", []))})
            claims = jwt.decode(token, key_set, algorithms=_ALGORITHMS).claims
            registry.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            msg = f"the ID token of {self._table.issuer} does not hold: {error}"
            raise RefusedError(msg) from error
        is_shared = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if is_shared and claims.get("azp") != self._table.client_id:
            msg = f"the ID token of {self._table.issuer} was made for another"
            raise RefusedError(msg)
        return dict(claims)

    def _known(self, claims: Mapping[str, Any]) -> Known:
        table = self._table
        has = claims.get(table.role_claim)
        values = has if isinstance(has, list) else [has]  # compared, not hashed: anything may come
        role = next((role for value, role in table.roles.items() if value in values), None)
        account = claims.get(table.account_claim)
        if role is None:
            msg = f"{account!r} has none of the roles that count here ({table.role_claim})"
            raise NoRoleError(msg)
        if not isinstance(account, str) or not isinstance(claims["sub"], str):
            msg = f"the ID token of {table.issuer} has no text as {table.account_claim}"
            raise RefusedError(msg)
        unit = None if table.unit_claim is None else claims.get(table.unit_claim)
        return Known(
            subject=f"{table.issuer} {claims['sub']}",
            account=account.strip().casefold(),
            shown_name=str(claims.get(table.name_claim) or account),
            role=role,
            unit=unit if isinstance(unit, str) else None,
        )


def read_oidc(path: Path) -> Oidc:
    """Read the file of a provider; asks it nothing yet.

    Raises:
        RefusedError: The file or a key of it is wrong, said in one sentence.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise RefusedError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: {error}"
        raise RefusedError(msg) from error
    try:
        table = msgspec.convert(tables, _OidcFile).oidc
    except msgspec.ValidationError as error:
        msg = f"{path}: {in_words(str(error), tables, _OidcFile)}"
        raise RefusedError(msg) from error
    _hold_to_https(f"{path}: oidc.issuer", table.issuer)
    if not table.roles:
        msg = f"{path}: oidc.roles names no role, so nobody could log in"
        raise RefusedError(msg)
    try:
        sectors_of(table.sectors)
        secret = (path.parent / table.client_secret_file).read_text(encoding="utf-8").strip()
    except RefusedError as error:
        msg = f"{path}: oidc.{error}"
        raise RefusedError(msg) from error
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path}: oidc.client_secret_file = {table.client_secret_file!r} cannot be read"
        raise RefusedError(msg) from error
    if not secret:
        msg = f"{path}: oidc.client_secret_file = {table.client_secret_file!r} is empty"
        raise RefusedError(msg)
    return Oidc(table, secret)


async def _asked(method: str, address: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401
    """Ask the provider.

    Raises:
        RefusedError: It does not answer, or with something else than a JSON object.
    """
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_S, trust_env=False) as client:
            answer = await client.request(method, address, **options)
        said = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        msg = f"{address} does not answer: {type(error).__name__}"
        raise RefusedError(msg) from error
    if answer.status_code != httpx.codes.OK or not isinstance(said, dict):
        msg = f"{address} answered {answer.status_code}"
        raise RefusedError(msg)
    return said


def _hold_to_https(what: str, address: object) -> None:
    """Refuse an address that others on the way could read or forge."""
    parsed = urlsplit(address if isinstance(address, str) else "")
    if parsed.scheme == "https" and parsed.hostname:
        return
    if parsed.scheme == "http" and is_loopback(parsed.hostname or ""):
        return
    msg = f"{what} = {address!r} must be an https address"
    raise RefusedError(msg)


def _is_over(pending: _Pending, now: UtcTime) -> bool:
    return not 0.0 <= now.seconds_since(pending.began) <= WITHIN_S
