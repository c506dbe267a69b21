"""What every room's tests share: real data where there is some, free ports, a real broker."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says nothing: the machine may be busy.
settings.register_profile("unhurried", settings.default, deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of real videos, weights and terrain; skip without it."""
    folder = os.environ.get("TUANBIEN_TEST_DATA")
    if not folder:
        pytest.skip("TUANBIEN_TEST_DATA names no folder of real test data")
    return Path(folder)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return a function that names a loopback port nobody listens on."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find


@pytest.fixture
def nats_broker(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[str]:
    """Run `tuanbien broker` (NATS with MQTT) on a store of its own; return its URL."""
    from fusion.broker import running_broker  # noqa: PLC0415 - an edge-only install has none

    port = free_port()
    with running_broker(host="127.0.0.1", port=port, store_dir=tmp_path / "broker"):
        yield f"mqtt://127.0.0.1:{port}"
