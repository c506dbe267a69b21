"""Addresses: of a broker, and how any address is shown."""

from typing import Final, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from edge.messages import RefusedError

DEFAULT_PORT: Final = 1883


class BrokerAddress(NamedTuple):
    """Where a broker listens."""

    host: str
    port: int
    user: str | None
    password: str | None

    def __str__(self) -> str:
        return f"mqtt://{self.host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `mqtt://[user:password@]host[:port]`.

        Raises:
            RefusedError: It is something else.
        """
        try:
            parts = urlsplit(url)
            port = DEFAULT_PORT if parts.port is None else parts.port
        except ValueError as error:
            # The library's own words may quote a piece of the password.
            reason = "" if "@" in url else f": {error}"
            msg = f"broker address {without_password(url)!r} is not mqtt://host:port{reason}"
            raise RefusedError(msg) from error
        if parts.scheme != "mqtt" or not parts.hostname or parts.path not in {"", "/"} or not port:
            msg = f"broker address {without_password(url)!r} is not mqtt://host:port"
            raise RefusedError(msg)
        user = None if parts.username is None else unquote(parts.username)
        password = None if parts.password is None else unquote(parts.password)
        return cls(parts.hostname, port, user, password)


def without_password(address: str) -> str:
    """Return an address fit to be shown: all up to its last `@` may be a password."""
    scheme, mark, _ = address.partition("://")
    user, at, shown = address.rpartition("@")
    if not at:
        return address
    return f"{scheme}{mark}{shown}" if mark and mark in user else shown
