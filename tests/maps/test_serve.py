"""`tuanbien maps serve` as a process: it starts, refuses, streams and stops."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from edge.command import main
from maps import assets
from maps.server import Listening, listen


@pytest.fixture(autouse=True)
def _assets() -> None:
    assets.bring()


@contextmanager
def served(sector_file, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the map on a free port without broker; yield the process and the port."""
    command = "import sys; from edge.command import main; sys.exit(main())"
    arguments = ["maps", "serve", str(sector_file), "--port", "0", *options]
    arguments += ["--broker", "mqtt://127.0.0.1:1", "--without-login"]
    process = subprocess.Popen(
        [sys.executable, "-c", command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline()
        found = re.fullmatch(r"live map: http://127\.0\.0\.1:(\d+)/\n", line)
        assert found, line + process.stderr.read()
        yield process, int(found[1])
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_with_a_stream_open(sector_file, tmp_path, number) -> None:
    store = f"sqlite:///{tmp_path / 'none.db'}"
    with served(sector_file, "--store", store) as (process, port), ExitStack() as stack:
        connection = stack.enter_context(
            closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10))
        )
        connection.request("GET", "/api/v1/stream")
        answer = connection.getresponse()
        assert answer.getheader("content-type") == "text/event-stream; charset=utf-8"
        assert answer.readline() == b"retry: 1000\n"
        process.send_signal(number)
        assert process.wait(10) == 0  # an open stream would keep it for ever


@pytest.mark.slow
def test_a_port_in_use_is_one_sentence(sector_file, capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = [
            "maps",
            "serve",
            str(sector_file),
            "--port",
            port,
            "--broker",
            "mqtt://127.0.0.1:1",
            "--without-login",
        ]
        assert main(arguments) == 1
    error = capsys.readouterr().err
    assert (
        error
        == f"tuanbien maps: cannot listen on http://127.0.0.1:{port}: Address already in use\n"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "example.org", "::"])  # noqa: S104 - refused
def test_without_a_log_in_it_listens_on_loopback_only(sector_file, capsys, host) -> None:
    assert main(["maps", "serve", str(sector_file), "--without-login", "--host", host]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "loopback only" in error


def test_loopback_by_ip_version_6_is_loopback() -> None:
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):  # noqa: PTH110 - a probe
        pytest.skip("this machine has no IPv6")
    try:
        listener = listen(Listening(host="::1", port=0))
    except Exception as error:  # noqa: BLE001 - whatever the machine lacks
        pytest.skip(f"no IPv6 loopback: {error}")
    listener.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no/sector.toml"], "no/sector.toml"),
        (["SECTOR", "--store", "mysql://x"], "sqlite"),
        (["SECTOR", "--broker", "http://x"], "mqtt://host"),
    ],
)
def test_a_wrong_argument_is_one_sentence(sector_file, capsys, arguments, said) -> None:
    words = [str(sector_file) if word == "SECTOR" else word for word in arguments]
    assert main(["maps", "serve", *words]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


@pytest.mark.parametrize("port", ["99999", "-1", "http"])
def test_a_port_that_is_none_is_wrong_usage(sector_file, capsys, port) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["maps", "serve", str(sector_file), f"--port={port}"])
    assert stopped.value.code == 2
    assert f"{port!r} is not a port from 0 to 65535" in capsys.readouterr().err


def test_without_web_assets_it_says_what_to_run(sector_file, capsys, monkeypatch) -> None:
    monkeypatch.setattr("maps.assets.is_complete", lambda *_: False)
    assert main(["maps", "serve", str(sector_file), "--without-login"]) == 1
    assert "run `make assets` once" in capsys.readouterr().err
