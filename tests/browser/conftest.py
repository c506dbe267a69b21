"""A real chromium on a real map server, with a real broker and a real store behind it."""

import multiprocessing
import os
import re
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paho.mqtt.client
import pytest
from msgspec.structs import replace
from paho.mqtt.enums import CallbackAPIVersion

from edge.command import main
from edge.messages import Alert, Incident, UtcTime, decode_as, encode
from fusion.events import AlertIssued, IncidentChanged
from fusion.store import Store
from maps import assets

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkServerProcess

    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request

CHROMIUM = "/usr/bin/chromium"
SECTOR = Path(__file__).parents[1] / "maps" / "sector" / "sector.toml"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Each server is a process of its own, forked from one that has imported what all of them need.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["maps.cli", "maps.app", "maps.server", "fusion.cli", __name__])
# The browser's own note that a server we stopped is gone, not a mistake of the page.
SERVER_GONE = re.compile(
    r"net::ERR_(CONNECTION_(REFUSED|RESET|CLOSED)|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)"
)


@pytest.fixture(scope="module")  # longer, and its event loop would be in other modules' way
def browser() -> Iterator["Browser"]:
    """Run Debian's chromium; skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or CHROMIUM
    if not Path(chromium).exists():
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield running
        running.close()


class Watched:
    """A page and what it did that it should not have."""

    def __init__(self, browser: "Browser", url: str, **options: object) -> None:
        self.page = browser.new_page(**({"viewport": {"width": 1366, "height": 768}} | options))
        self.page.set_default_timeout(15_000)
        self.outside: list[str] = []
        self.errors: list[str] = []
        self.forgiven: list[str] = []
        self.dialogs: list[str] = []
        self.page.on("request", self._note_request)
        self.page.on("console", self._note_console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", self._note_dialog)
        self.page.goto(url)

    def _note_request(self, request: "Request") -> None:
        if not re.match(r"(http://127\.0\.0\.1:|file:|data:|blob:)", request.url):
            self.outside.append(request.url)

    def _note_console(self, message: "ConsoleMessage") -> None:
        if message.type in {"error", "warning"} and not SERVER_GONE.search(message.text):
            self.errors.append(message.text)

    def _note_dialog(self, dialog: "Dialog") -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def forgive(self, *noted: str) -> None:
        """Leave out what the browser itself notes of failures that the test made, when it comes."""
        self.forgiven += noted

    def close(self) -> None:
        """Close the page and hold it to the rules that every page must keep."""
        self.page.close()
        assert self.outside == []
        assert [one for one in self.errors if not any(w in one for w in self.forgiven)] == []
        assert self.dialogs == []


@pytest.fixture
def open_page(browser: "Browser") -> Iterator[Callable[..., Watched]]:
    """Return a function that opens a page; each is checked for trespass at the end."""
    opened: list[Watched] = []

    def visit(url: str, **options: object) -> Watched:
        opened.append(Watched(browser, url, **options))
        return opened[-1]

    yield visit
    for page in opened:
        page.close()


@pytest.fixture
def check_axe() -> Callable[["Page"], None]:
    """Return a function that holds a page, as it stands, to WCAG 2.2 AA as far as axe can tell."""
    from axe_playwright_python.sync_playwright import Axe  # noqa: PLC0415 - playwright's own

    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

    def check(page: "Page") -> None:
        found = Axe().run(page, options={"runOnly": {"type": "tag", "values": rules}})
        said = [
            f"{one['id']}: {one['help']}: {node['html'][:160]} {node.get('failureSummary', '')}"
            for one in found.response["violations"]
            for node in one["nodes"]
        ]
        assert said == []

    return check


class Field:
    """What happens in the sector: says it over MQTT, and keeps it as fusion would."""

    def __init__(self, broker_url: str, store: Store) -> None:
        self.store = store
        self._client = paho.mqtt.client.Client(CallbackAPIVersion.VERSION2)
        host, port = broker_url.removeprefix("mqtt://").split(":")
        self._client.connect(host, int(port))
        self._client.loop_start()

    def say(
        self, sender: str, kind: str, message: dict[str, Any], *, retain: bool = False
    ) -> None:
        topic = f"tuanbien/v1/bien-thu/{sender}/{kind}"
        self._client.publish(topic, encode(message), qos=1, retain=retain).wait_for_publish(10)

    def fusion_status(self, **changed: object) -> None:
        status = {"v": 1, "sector": "bien-thu", "online": True, "at": UtcTime.read_clock()}
        self.say("fusion", "status", status | changed, retain=True)

    def track(self, track_id: str, **changed: object) -> None:
        update = {
            "track_id": track_id,
            "t": UtcTime.read_clock(),
            "lat": 1.1995,
            "lon": -12.302,
            "cov_m2": [9.0, 2.0, 16.0],
            "velocity_mps": [0.1, 1.3],
            "label": "person",
            "state": "confirmed",
            "devices": ["cam-01"],
        }
        self.say("fusion", "tracks", update | changed)

    def status(self, device_id: str, **changed: object) -> None:
        ring = [[-12.3022, 1.1985], [-12.3028, 1.2006], [-12.3012, 1.2007], [-12.3022, 1.1985]]
        status = {
            "v": 1,
            "message_id": str(uuid.uuid4()),
            "sector": "bien-thu",
            "device_id": device_id,
            "online": True,
            "captured_at": UtcTime.read_clock(),
            "sensor": {"kind": "camera", "lat": 1.1985, "lon": -12.3022},
            "scene": "clear",
            "fps": 9.5,
            "footprint": {"type": "Polygon", "coordinates": [ring]},
        }
        self.say(device_id, "status", status | changed, retain=True)

    def position(self, unit_id: str) -> None:
        position = {
            "v": 1,
            "message_id": str(uuid.uuid4()),
            "sector": "bien-thu",
            "unit_id": unit_id,
            "captured_at": UtcTime.read_clock(),
            "lat": 1.1992,
            "lon": -12.304,
            "accuracy_m": 5.0,
        }
        self.say(unit_id, "position", position)

    def alert(self, alert_id: str, **changed: object) -> None:
        now = UtcTime.read_clock()
        common = {
            "incident_id": f"incident-of-{alert_id}",
            "sector": "bien-thu",
            "kind": "crossing",
            "severity": "high",
            "lat": 1.20025,
            "lon": -12.30184,
            "direction": "outbound",
            "headcount": 3,
            "headcount_min": 2,
            "headcount_max": 4,
            "track_ids": ["track-1"],
            "devices": ["cam-01", "cam-02"],
            "simulated": True,
            "place": {
                "trail_id": "trail-1",
                "marker": "234",
                "marker_distance_m": 117.0,
                "marker_bearing_deg": 281.0,
                "chainage_m": 432.5,
            },
        } | changed
        own = {
            "v": 1,
            "alert_id": alert_id,
            "raised_at": now,
            "issued_at": now,
            "probability": 0.97,
            "reasons": [{"code": "crossed_line", "text": "crossed", "value": 0.97}],
        }
        of_incident = {
            "state": "new",
            "opened_at": now,
            "updated_at": now,
            "alert_ids": [alert_id],
        }
        alert = decode_as(encode(common | own | changed), Alert)
        incident = decode_as(encode(of_incident | common), Incident)
        self.store.save([IncidentChanged(incident), AlertIssued(alert)], sector="bien-thu")
        self._client.publish("tuanbien/v1/bien-thu/fusion/alerts", encode(alert), qos=1)

    def incident(self, alert_id: str, **changed: Any) -> None:
        """Amend the incident of an alert."""
        known = self.store.incident(f"incident-of-{alert_id}")
        assert known is not None
        self.store.save([IncidentChanged(replace(known, **changed))], sector="bien-thu")

    def walk_over(self, device_id: str, *, lon: float = -12.3008) -> None:
        """Let somebody walk over the line, from south to north, half a minute ago."""
        begin = UtcTime.read_clock(offset_s=-60)
        for step in range(40):
            seen = {
                "label": "person",
                "confidence": 0.9,
                "bbox": [0.4, 0.4, 0.5, 0.6],
                "lat": 1.2 + (step - 20.0) / 110_574.0,
                "lon": lon,
                "cov_m2": [0.25, 0.0, 0.25],
            }
            message = {
                "v": 1,
                "message_id": f"{device_id}-{step}",
                "device_id": device_id,
                "sector": "bien-thu",
                "captured_at": begin.after(step / 2),
                "sensor": {"kind": "camera", "lat": 1.199, "lon": lon},
                "detections": [seen],
            }
            self.say(device_id, "detections", message)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Served:
    """The map as a process; `first_password` is what it printed of the account it made."""

    def __init__(self, *arguments: str, log_in: bool = False) -> None:
        if not log_in:
            arguments = (*arguments, "--without-login")
        reading, writing = FORKS.Pipe(duplex=False)
        words = ("maps", "serve", str(SECTOR), *arguments)
        self.process = FORKS.Process(target=_run, args=(words, writing))
        self.process.start()
        writing.close()
        with os.fdopen(os.dup(reading.fileno())) as said:
            printed = said.readline().split()
            self.first_password = None
            if printed[0] == "first":
                self.first_password, printed = printed[-1], said.readline().split()
        self.url = printed[-1]
        self._reading = reading  # open: a process that prints more must not fail for it

    def stop(self) -> None:
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(10)
            assert self.process.exitcode == 0
        self._reading.close()


def _run(words: Sequence[str], said: "Connection | None" = None) -> None:
    """Run a command as its own process would; what it prints goes to `said`."""
    if said is not None:
        os.dup2(said.fileno(), 1)
    sys.exit(main(words))


@pytest.fixture
def field(nats_broker: str, tmp_path: Path) -> Iterator[Field]:
    """A sector in which the test says what happens."""
    store = Store.open(f"sqlite:///{tmp_path / 'tuanbien.db'}", migrate=True)
    made = Field(nats_broker, store)
    yield made
    made.close()
    store.close()


@pytest.fixture
def serve_map(field: Field, nats_broker: str, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Return a function that runs the map of that sector with these options."""
    assets.bring()
    assert field
    store = f"sqlite:///{tmp_path / 'tuanbien.db'}"
    running: list[Served] = []

    def serve(*options: str, log_in: bool = False) -> Served:
        served = Served(
            "--broker", nats_broker, "--store", store, "--port", "0", *options, log_in=log_in
        )
        running.append(served)
        return served

    yield serve
    for served in running:
        served.stop()


@pytest.fixture
def live_map(serve_map: Callable[..., Served]) -> Served:
    """The running map of that sector."""
    return serve_map()


@pytest.fixture
def fusion(field: Field, nats_broker: str, tmp_path: Path) -> Iterator["ForkServerProcess"]:
    """`fusion serve` on the store that the map reads: it takes the steps."""
    assert field
    words = (
        *("fusion", "serve", str(SECTOR), "--broker", nats_broker),
        *("--store", f"sqlite:///{tmp_path / 'tuanbien.db'}"),
        *("--journal", str(tmp_path / "journal")),
    )
    process = FORKS.Process(target=_run, args=(words,))
    process.start()
    yield process
    process.terminate()
    process.join(20)
    assert process.exitcode == 0
