"""Real brokers and databases for the tests of fusion's shell, and messages to send to them."""

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from edge.messages import DetectionsMessage, UtcTime, decode, encode
from tests.fusion.postgres import NoPostgresError, running_postgres

EQUATOR_M_PER_DEG = 110_574.0  # along a meridian there


# -- brokers ---------------------------------------------------------------------------------


class RunningBroker:
    """A broker that a test may kill and start again on the same data."""

    def __init__(
        self, run: Callable[[], AbstractContextManager[subprocess.Popen]], url: str
    ) -> None:
        self._run = run
        self.url = url
        self.start()

    def start(self) -> None:
        self._context = self._run()
        self._process = self._context.__enter__()

    def kill(self) -> None:
        """As a power cut would: kill -9."""
        self._process.kill()
        self.stop()

    def stop(self) -> None:
        self._context.__exit__(None, None, None)


@pytest.fixture(params=["nats", "mosquitto"])
def any_broker(request, tmp_path, free_port) -> Iterator[RunningBroker]:
    """The embedded broker and Debian's, one after the other."""
    port = free_port()
    run = _nats if request.param == "nats" else _mosquitto
    broker = RunningBroker(lambda: run(port, tmp_path / "broker"), f"mqtt://127.0.0.1:{port}")
    yield broker
    broker.stop()


@contextmanager
def _nats(port: int, store: Path) -> Iterator[subprocess.Popen]:
    from fusion.broker import running_broker  # noqa: PLC0415 - an edge-only install has none

    with running_broker(port=port, store_dir=store) as broker:
        yield broker.process


@contextmanager
def _mosquitto(port: int, store: Path) -> Iterator[subprocess.Popen]:
    from fusion.broker import answers  # noqa: PLC0415 - an edge-only install has none

    binary = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if binary is None:
        pytest.skip("mosquitto is not installed")
    store.mkdir(exist_ok=True)
    config = store / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
        f"persistence_location {store}/\nautosave_interval 1\nautosave_on_changes true\nuser root\n"
    )
    process = subprocess.Popen([binary, "-c", config], stderr=subprocess.DEVNULL)
    try:
        _until(lambda: answers("127.0.0.1", port))
        yield process
    finally:
        process.terminate()
        process.wait(10)


def _until(holds: Callable[[], bool], *, within_s: float = 15.0) -> None:
    pause = threading.Event()
    for _ in range(int(within_s / 0.05)):
        if holds():
            return
        pause.wait(0.05)
    pytest.fail("it did not come in time")


class Listener:
    """A client that keeps all it hears."""

    def __init__(self, url: str, *topics: str) -> None:
        from paho.mqtt import client as paho  # noqa: PLC0415
        from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415

        self.heard: list[tuple[str, dict]] = []
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        if topics:
            wanted = [(topic, 1) for topic in topics]
            self.client.on_connect = lambda client, *_: client.subscribe(wanted)
        self.client.on_subscribe = lambda *_: self._subscribed.set()
        self.client.on_message = self._on_message
        self.client.reconnect_delay_set(1, 1)
        host, _, port = url.removeprefix("mqtt://").partition(":")
        self.client.connect(host, int(port))
        self.client.loop_start()
        if topics:
            assert self._subscribed.wait(10)

    def _on_message(self, _client, _data, message) -> None:
        with self._changed:
            self.heard.append((message.topic, json.loads(message.payload)))
            self._changed.notify_all()

    def on(self, kind: str) -> list[dict]:
        return [payload for topic, payload in self.heard if topic.endswith(f"/{kind}")]

    def wait_for(self, holds: Callable[["Listener"], bool], *, within_s: float = 15.0) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: holds(self), within_s), self.heard

    def send(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        self.client.publish(topic, payload, qos).wait_for_publish(15)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Return a function that opens a client on a broker, subscribed to topics."""
    listeners: list[Listener] = []

    def open_listener(url: str, *topics: str) -> Listener:
        listeners.append(Listener(url, *topics))
        return listeners[-1]

    yield open_listener
    for listener in listeners:
        listener.close()


# -- databases -------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_server(free_port) -> Iterator[str]:
    """Run Debian's PostgreSQL on a data folder of its own; return its address without a database."""
    try:
        with running_postgres(free_port()) as address:
            yield address
    except NoPostgresError as error:
        pytest.skip(str(error))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path) -> str:
    """The address of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    import psycopg  # noqa: PLC0415 - an edge-only install has none

    server = request.getfixturevalue("postgres_server")
    name = f"test_{abs(hash(tmp_path)):x}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{server}/{name}"


# -- a sector and what is seen in it ---------------------------------------------------------


@pytest.fixture
def sector_file(tmp_path) -> Path:
    """A straight border from west to east along 1.2° north; home is south of it."""
    line = {
        "type": "Feature",
        "properties": {"home_side": "right"},
        "geometry": {"type": "LineString", "coordinates": [[-12.31, 1.2], [-12.29, 1.2]]},
    }
    folder = tmp_path / "sector"
    folder.mkdir()
    (folder / "border.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [line]})
    )
    (folder / "sector.toml").write_text(
        '[sector]\nid = "test-sector"\nname = "Test"\ntimezone = "UTC"\n'
        '[layers]\nborder = "border.geojson"\n[rules.approach]\nenabled = false\n'
    )
    return folder / "sector.toml"


@pytest.fixture
def walk() -> Callable[..., list[DetectionsMessage]]:
    """Return a function that gives the messages of a camera watching one person walk north."""

    def messages(
        *,
        name: str = "walk",
        device: str = "cam-01",
        begin: UtcTime,
        lon: float = -12.3,
        from_m: float = -20.0,
        to_m: float = 20.0,
        speed_mps: float = 2.0,
    ) -> list[DetectionsMessage]:
        steps = int((to_m - from_m) / speed_mps * 2)
        return [
            _seen(f"{name}-{i}", device, begin.after(i / 2), from_m + speed_mps * i / 2, lon)
            for i in range(steps + 1)
        ]

    return messages


def _seen(
    message_id: str, device: str, at: UtcTime, north_m: float, lon: float
) -> DetectionsMessage:
    raw = {
        "v": 1,
        "message_id": message_id,
        "device_id": device,
        "sector": "test-sector",
        "captured_at": at.rfc3339(),
        "sensor": {"kind": "camera", "lat": 1.199, "lon": lon},
        "detections": [
            {
                "label": "person",
                "confidence": 0.9,
                "bbox": [0.4, 0.4, 0.5, 0.6],
                "lat": 1.2 + north_m / EQUATOR_M_PER_DEG,
                "lon": lon,
                "cov_m2": [0.25, 0.0, 0.25],
            }
        ],
    }
    message = decode(f"tuanbien/v1/test-sector/{device}/detections", encode(raw))
    assert isinstance(message, DetectionsMessage)
    return message


@pytest.fixture
def recording() -> Callable[[Path], Sequence[dict]]:
    """Return a function that reads the lines of every segment of a journal."""

    def read(folder: Path) -> list[dict]:
        return [
            json.loads(line)
            for segment in sorted(folder.glob("journal-*.jsonl"))
            for line in segment.read_bytes().splitlines()
        ]

    return read
