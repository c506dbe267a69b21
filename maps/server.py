"""Serve the application on loopback until told to stop."""

import ipaddress
import os
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from edge.messages import RefusedError

GRACE_S: Final = 2
MAX_REQUESTS_AT_ONCE: Final = 512


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket.

    Raises:
        RefusedError: The host is not loopback, or the port cannot be had.
    """
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        msg = (
            f"--host {host}: no log-in is configured yet, so the map is served on loopback only "
            "(127.0.0.1, ::1 or localhost)"
        )
        raise RefusedError(msg)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        msg = f"cannot listen on http://{host}:{port}: {reason}"
        raise RefusedError(msg) from error


class _Server(uvicorn.Server):
    """Ends the endless answers first, so that stopping takes no time-out."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._on_stop()
        super().handle_exit(sig, frame)


def serve(app: FastAPI, listener: socket.socket, *, on_stop: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; then `on_stop`, in the main thread, ends open streams."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        limit_concurrency=MAX_REQUESTS_AT_ONCE,
        ws="none",
    )
    # uvicorn puts these handlers back at its end and raises the signal once more.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _already_stopping)
    with listener:
        _Server(config, on_stop).run(sockets=[listener])


def _already_stopping(_number: int, _frame: FrameType | None) -> None:
    return
