"""Serve the application until told to stop; who may reach it is decided by how it is started.

without a log-in       loopback only
with one, on loopback  http
with one, elsewhere    https by --tls-cert and --tls-key, or --behind-proxy, and only by --name
"""

import ipaddress
import os
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple, cast

import uvicorn
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from edge.messages import RefusedError

GRACE_S: Final = 2
MAX_REQUESTS_AT_ONCE: Final = 512
_FOR_MACHINES: Final = frozenset({"/healthz", "/metrics"})  # asked for beside the proxy


class Listening(NamedTuple):
    """Where to listen, how browsers reach it, and by which names."""

    host: str = "127.0.0.1"
    port: int = 8000
    has_log_in: bool = True
    tls_cert: Path | None = None
    tls_key: Path | None = None
    proxy: str | None = None  # the address of the one whose X-Forwarded-… are believed
    names: tuple[str, ...] = ()

    @property
    def is_https(self) -> bool:
        """Whether browsers reach it by https: by itself, or at the proxy."""
        return self.tls_cert is not None or self.proxy is not None

    def check(self) -> None:
        """Refuse what would let strangers in, or passwords be read on the way.

        Raises:
            RefusedError: Said in one sentence which option it is.
        """
        if complaint := self._complaint():
            raise RefusedError(complaint)
        if self.tls_cert is not None and self.tls_key is not None:
            try:
                ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                    self.tls_cert, self.tls_key, password=_no_password
                )
            except (OSError, ValueError) as error:  # SSLError is an OSError
                why = getattr(error, "strerror", None) or str(error)
                msg = f"--tls-cert {self.tls_cert} --tls-key {self.tls_key}: {why}"
                raise RefusedError(msg) from error

    def _complaint(self) -> str | None:  # noqa: PLR0911 - one sentence each
        loopback = is_loopback(self.host)
        wants_people = self.is_https or self.tls_key is not None or bool(self.names)
        if not self.has_log_in and not loopback:
            return (
                f"--host {self.host}: --without-login serves on loopback only "
                "(127.0.0.1, ::1 or localhost)"
            )
        if not self.has_log_in and wants_people:
            return "--without-login serves this machine only: no --tls-…, --behind-proxy or --name"
        if (self.tls_cert is None) is not (self.tls_key is None):
            return "--tls-cert and --tls-key belong together: one of them is missing"
        if self.tls_cert is not None and self.proxy is not None:
            return "--tls-cert and --behind-proxy: either this server speaks https or the proxy"
        if self.proxy is not None and not _is_address(self.proxy):
            return f"--behind-proxy {self.proxy!r} is not the IP address of a proxy"
        if not loopback and not self.is_https:
            return (
                f"--host {self.host} is not loopback: passwords need --tls-cert and --tls-key, "
                "or a proxy that speaks https (--behind-proxy)"
            )
        if (not loopback or self.proxy is not None) and not self.names:
            return f"--host {self.host}: say by which --name HOST browsers may call it"
        for name in self.names:
            if not name or any(letter in name for letter in "*/: "):
                return f"--name {name!r} is not the name of a host alone, without port"
        return None


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine's own alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(listening: Listening) -> socket.socket:
    """Open the listening socket.

    Raises:
        RefusedError: The combination is refused, or the port cannot be had.
    """
    listening.check()
    host, port = listening.host, listening.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        msg = f"cannot listen on {address(listening, port)}: {reason}"
        raise RefusedError(msg) from error


def address(listening: Listening, port: int) -> str:
    """Return the address of the server itself, as it is printed."""
    scheme = "https" if listening.tls_cert is not None else "http"
    host = f"[{listening.host}]" if ":" in listening.host else listening.host
    return f"{scheme}://{host}:{port}"


class BehindProxy:
    """Believes one proxy who asks, and nobody else anything."""

    def __init__(self, app: ASGIApp, *, proxy: str) -> None:
        """Wrap an application."""
        self._app = app
        self._proxy = ipaddress.ip_address(proxy)
        # uvicorn and Starlette write the same ASGI types differently.
        forwarded: Any = ProxyHeadersMiddleware(cast("Any", app), trusted_hosts=[proxy])
        self._forwarded: ASGIApp = forwarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what the proxy sends, as from whom it says; refuse what goes around it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        is_proxy = client is not None and _is_same(client[0], self._proxy)
        says_who = any(name == b"x-forwarded-for" for name, _ in scope["headers"])
        if is_proxy and says_who:
            await self._forwarded(scope, receive, send)
        elif scope["path"] in _FOR_MACHINES and client is not None and is_loopback(client[0]):
            await self._app(scope, receive, send)
        else:
            said = "asked for through the proxy only, which says X-Forwarded-For\n"
            await PlainTextResponse(said, 403)(scope, receive, send)


class _Server(uvicorn.Server):
    """Ends the endless answers first, so that stopping takes no time-out."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._on_stop()
        super().handle_exit(sig, frame)


def serve(
    app: FastAPI,
    listener: socket.socket,
    *,
    listening: Listening,
    on_stop: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT; then `on_stop`, in the main thread, ends open streams."""
    guarded: ASGIApp = app
    if listening.proxy is not None:
        guarded = BehindProxy(app, proxy=listening.proxy)
    config = uvicorn.Config(
        guarded,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        limit_concurrency=MAX_REQUESTS_AT_ONCE,
        ws="none",
        proxy_headers=False,  # uvicorn would believe everybody on this machine
        ssl_certfile=listening.tls_cert,
        ssl_keyfile=listening.tls_key,
    )
    # uvicorn puts these handlers back at its end and raises the signal once more.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_stopping)
    with listener:
        _Server(config, on_stop).run(sockets=[listener])


def _already_stopping(_number: int, _frame: FrameType | None) -> None:
    return


def _no_password() -> str:
    """Stand in for the terminal that OpenSSL would ask for a key's password."""
    msg = "the key has a password: give one without"
    raise ValueError(msg)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_same(client: str, proxy: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        parsed = ipaddress.ip_address(client)
    except ValueError:
        return False
    return (getattr(parsed, "ipv4_mapped", None) or parsed) == proxy
