"""Tiles from an address on the internet: only where somebody configured one."""

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maps.base_map.archive import BaseMapError, Kind

_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?")
_POLICY: Final = "content-security-policy"


class OnlineTiles(NamedTuple):
    """Where tiles come from and whom to name for them."""

    url: str  # with {z}, {x} and {y}
    attribution: str
    kind: Kind

    @property
    def host(self) -> str:
        """Return the host and port, as a policy and people name it."""
        return urlsplit(self.url).netloc.lower()

    def allowed(self, policy: str) -> str:
        """Return a page's policy that lets tiles of this one host in, nothing else."""
        origin = f"{urlsplit(self.url).scheme}://{self.host}"
        directive = "img-src" if self.kind == "raster" else "connect-src"
        return re.sub(rf"(?<![\w-]){directive} [^;]*", rf"\g<0> {origin}", policy)


def online_tiles(url: str | None, attribution: str | None) -> OnlineTiles | None:
    """Return what `--online-tiles` and `--online-attribution` ask for; None: nothing from outside.

    Raises:
        BaseMapError: The address is none, or one of the two is given without the other.
    """
    if url is None:
        if attribution is None:
            return None
        msg = f"--online-attribution {attribution}: needs --online-tiles"
        raise BaseMapError(msg)
    parts = urlsplit(url)
    missing = [name for name in ("{z}", "{x}", "{y}") if name not in url]
    if missing:
        msg = f"--online-tiles {url}: has no {missing[0]}"
        raise BaseMapError(msg)
    # Nothing but a plain host comes into a page's policy.
    if parts.scheme not in {"http", "https"} or not _HOST.fullmatch(parts.netloc.lower()):
        msg = f"--online-tiles {url}: must be http(s)://HOST[:PORT]/… without a name or a password"
        raise BaseMapError(msg)
    if not (attribution or "").strip():
        msg = f"--online-tiles {url}: --online-attribution must name whose tiles they are"
        raise BaseMapError(msg)
    kind: Kind = "vector" if parts.path.endswith((".pbf", ".mvt")) else "raster"
    return OnlineTiles(url, str(attribution).strip(), kind)


class OnlineTileHost:
    """Lets the pages load tiles from the configured host."""

    def __init__(self, app: ASGIApp, online: OnlineTiles) -> None:
        """Wrap an application."""
        self._app, self._online = app, online

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with the one host in its policy."""

        async def send_allowing(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if _POLICY in headers:
                    headers[_POLICY] = self._online.allowed(headers[_POLICY])
            await send(message)

        await self._app(scope, receive, send_allowing)
