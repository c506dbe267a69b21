"""The live map's page under load, in a real browser; prints one JSON line.

    python -m tests.benchmarks.bench_page [--tracks N] [--updates N] [--seconds S] [--minutes M]

A real broker, `tuanbien maps serve`, a process that moves the tracks over MQTT and raises an alert
every two seconds, and headless Chromium that draws without a graphics card; all of them on the
cores that there are. A tenth of the tracks stand within a kilometre, the rest along 13 km.

Frames are counted by the browser's own animation frames, and the drawings of the canvas among
them. The first paint is taken once before anything moves and once while all of it comes at
once. An alert's delay runs from when it was handed to MQTT to the frame after its card is in the
list, once the page has the whole picture. With `--minutes` the page is watched for so long after three minutes of warming up, and its
heap is measured, after a collection, at the beginning and at the end of that.
"""

import argparse
import json
import math
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.messages import UtcTime, encode
from fusion.broker import running_broker
from fusion.store import Store
from tests.benchmarks.bench_live import write_sector
from tests.benchmarks.live_load import LINE_LAT, M_PER_DEG_LAT, M_PER_DEG_LON, WEST_LON

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

TRACKS = 10_000
UPDATES_PER_S = 1000.0
SECONDS = 20.0  # of each stretch whose frames are counted
WARM_UP_S = 180.0  # a way is as long as it gets after two minutes
NEAR_SHARE = 0.11  # with those of the others that stand there 2,000 of 10,000 are in view
ALERT_EVERY_S = 2.0
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
# A circle of many swallows no track at this zoom, and the thousand metres fill the screen.
NEAR_ZOOM = 17
NEAR_LON = WEST_LON + 3000.0 / M_PER_DEG_LON

WATCH = """() => {
  const seen = { frames: 0, drawings: 0, alerts: [], ground: null, whole: null };
  window.benchmark = seen;
  const clear = CanvasRenderingContext2D.prototype.clearRect;
  CanvasRenderingContext2D.prototype.clearRect = function (...box) {
    seen.drawings += 1;
    return clear.apply(this, box);
  };
  const frame = () => {
    seen.frames += 1;
    if (seen.ground === null && document.querySelector("path.border-line")) {
      seen.ground = performance.now();
    }
    const { drawn = 0, circled = 0 } = document.querySelector("canvas.moving")?.dataset ?? {};
    if (seen.whole === null && Number(drawn) + Number(circled) > 0) seen.whole = performance.now();
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  const painted = (item) => requestAnimationFrame(() => requestAnimationFrame(() => {
    const sent = Date.parse(item.querySelector("time")?.dateTime);
    seen.alerts.push(performance.timeOrigin + performance.now() - sent);
  }));
  document.addEventListener("DOMContentLoaded", () => {
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes) addedNodes.forEach(painted);
    }).observe(document.getElementById("alerts-list"), { childList: true });
  });
}"""


def move(broker_url: str, tracks: int, updates_per_s: float) -> None:
    """Publish until killed: every track once, then each in its turn; an alert now and then."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_queued_messages_set(0)
    client.connect("127.0.0.1", urlsplit(broker_url).port or 0)
    client.loop_start()
    status = {"v": 1, "sector": "bench", "online": True}
    for number in range(tracks):
        _publish(client, "tracks", _track(number, tracks, 0.0), 0)
    begun_s, count, alerts = time.monotonic(), 0, 0
    while True:
        passed_s = time.monotonic() - begun_s
        for _ in range(int(passed_s * updates_per_s) - count):
            _publish(client, "tracks", _track(count % tracks, tracks, passed_s), 0)
            count += 1
        if passed_s / ALERT_EVERY_S > alerts:
            alerts += 1
            _publish(client, "status", status | {"at": UtcTime.read_clock()}, 1)
            _publish(client, "alerts", _alert(alerts), 1)
        time.sleep(0.01)


def _publish(client: paho.Client, kind: str, message: dict[str, Any], qos: int) -> None:
    client.publish(f"tuanbien/v1/bench/fusion/{kind}", encode(message), qos=qos)


def _track(number: int, tracks: int, at_s: float) -> dict[str, Any]:
    """Walk in a circle of 10 m, each about a place of its own."""
    near = number < tracks * NEAR_SHARE
    # The golden ratio's multiples are even without a seed, however many there are.
    along, aside = (number * 0.6180339887) % 1.0, (number * 0.7548776662) % 1.0
    east_m = 2600.0 + 800.0 * along if near else 12_500.0 * along
    north_m = (440.0 if near else 1500.0) * (aside - 0.5)
    angle = at_s / 10.0 + number
    return {
        "track_id": f"trk-{number:016x}",
        "t": UtcTime.read_clock(),
        "lat": LINE_LAT + (north_m + 10.0 * math.sin(angle)) / M_PER_DEG_LAT,
        "lon": WEST_LON + (east_m + 10.0 * math.cos(angle)) / M_PER_DEG_LON,
        "cov_m2": [4.1, -1.2, 9.7],
        "velocity_mps": [-math.sin(angle), math.cos(angle)],
        "label": ("person", "person", "car", "dog")[number % 4],
        "state": "confirmed",
        "devices": ["cam-01", "cam-02"],
    }


def _alert(number: int) -> dict[str, Any]:
    now = UtcTime.read_clock()
    return {
        "v": 1, "alert_id": f"alr-{number:016x}", "incident_id": f"inc-{number:016x}",
        "sector": "bench", "kind": "crossing", "severity": "high", "raised_at": now,
        "issued_at": now, "lat": LINE_LAT, "lon": NEAR_LON, "probability": 0.97,
        "direction": "outbound", "headcount": 3, "headcount_min": 2, "headcount_max": 4,
        "track_ids": ["trk-1"], "devices": ["cam-01"], "place": {}, "late": False,
        "simulated": True, "reasons": [{"code": "crossed_line", "text": "", "value": 0.97}],
    }  # fmt: skip


def watch(
    url: str, begin: Callable[[], None], *, tracks: int, seconds: float, minutes: float
) -> dict[str, Any]:
    """Open the page, before and after things begin to move, and return its figures."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where there is one

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        quiet_s = _first_paint_s(_opened(browser, url))
        begin()
        page = _opened(browser, url)
        inspector = page.context.new_cdp_session(page)
        crowded_s = _first_paint_s(page)
        _show_all(page)
        _wait_for(page, tracks)
        page.evaluate("() => { benchmark.alerts.length = 0; }")
        figures: dict[str, Any] = {
            "tracks": tracks,
            "first useful paint s": quiet_s,
            "first useful paint s, while all comes at once": crowded_s,
            "whole picture s": round(_asked(page, "benchmark.whole") / 1000.0, 2),
            "shell MB": round(_shell_bytes(page) / 1e6, 3),
        }
        page.evaluate(
            f"map_live.setView([{LINE_LAT}, {NEAR_LON}], {NEAR_ZOOM}, {{animate: false}})"
        )
        figures["near"] = _stretch(page, seconds)
        _show_all(page)
        figures["all"] = _stretch(page, seconds)
        if minutes:
            page.wait_for_timeout(WARM_UP_S * 1000.0)
            warm = _heap_bytes(inspector)
            page.wait_for_timeout(minutes * 60_000.0)
            figures["heap MB, warm"] = round(warm / 1e6, 1)
            figures["heap to warm"] = round(_heap_bytes(inspector) / warm, 2)
        delays = sorted(_asked(page, "benchmark.alerts"))
        figures["alerts seen"] = len(delays)
        if delays:
            figures["alert to pixels p50 s"] = round(delays[len(delays) // 2] / 1000.0, 3)
            figures["alert to pixels p95 s"] = round(delays[int(len(delays) * 0.95)] / 1000.0, 3)
        browser.close()
    return figures


def _opened(browser: "Browser", url: str) -> "Page":
    """Open the page with nothing cached, and watch it."""
    page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
    page.add_init_script(f"({WATCH})()")
    page.goto(url)
    return page


def _first_paint_s(page: "Page") -> float:
    """Return when the border was drawn, in seconds since the page was asked for."""
    page.locator("path.border-line").wait_for(state="attached", timeout=60_000)
    page.wait_for_function("() => benchmark.ground !== null", timeout=60_000)
    return round(_asked(page, "benchmark.ground") / 1000.0, 2)


def _show_all(page: "Page") -> None:
    east_lon = WEST_LON + 12_500.0 / M_PER_DEG_LON
    corners = [[LINE_LAT, WEST_LON], [LINE_LAT, east_lon]]
    page.evaluate(f"map_live.fitBounds({corners}, {{animate: false}})")


def _wait_for(page: "Page", tracks: int) -> None:
    """Wait until so many are drawn, alone or in circles of many."""
    arrived = page.evaluate(
        """(tracks) => new Promise((done) => {
          const look = (left) => {
            const { drawn = 0, circled = 0 } = document.querySelector("canvas.moving").dataset;
            const count = Number(drawn) + Number(circled);
            if (count >= tracks || left === 0) done(count);
            else setTimeout(look, 200, left - 1);
          };
          look(600);
        })""",
        tracks,
    )
    assert arrived >= tracks, f"{arrived} of {tracks} tracks are drawn"


def _asked(page: "Page", expression: str) -> Any:
    return page.evaluate(f"() => {expression}")


def _stretch(page: "Page", seconds: float) -> dict[str, float]:
    """Count for so long; what is in view stands in the canvas's data."""
    page.wait_for_timeout(1000)
    before = _asked(page, "({...benchmark, now: performance.now()})")
    page.wait_for_timeout(seconds * 1000.0)
    after = _asked(page, "({...benchmark, now: performance.now()})")
    took_s = (after["now"] - before["now"]) / 1000.0
    shown = _asked(page, "({...document.querySelector('canvas.moving').dataset})")
    return {
        "in view": int(shown["drawn"]) + int(shown["circled"]),
        "frames a second": round((after["frames"] - before["frames"]) / took_s, 1),
        "drawings a second": round((after["drawings"] - before["drawings"]) / took_s, 1),
    }


def _shell_bytes(page: "Page") -> float:
    """Return the bytes of the page, its styles and scripts; not the data."""
    return float(
        _asked(
            page,
            "[...performance.getEntriesByType('navigation'), "
            "...performance.getEntriesByType('resource')]"
            ".filter(({ name }) => !name.includes('/api/'))"
            ".reduce((sum, { decodedBodySize }) => sum + decodedBodySize, 0)",
        )
    )


def _heap_bytes(inspector: "CDPSession") -> float:
    inspector.send("HeapProfiler.collectGarbage")
    return float(inspector.send("Runtime.getHeapUsage")["usedSize"])


def measure(
    *, tracks: int, updates_per_s: float, seconds: float, minutes: float
) -> dict[str, Any]:
    """Run the whole chain; return the page's figures."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sector = write_sector(folder)
        store = f"sqlite:///{folder / 'tuanbien.db'}"
        Store.open(store, migrate=True).close()
        with running_broker(host="127.0.0.1", port=0, store_dir=folder / "broker") as broker:
            command = [sys.executable, "-m", "edge.command", "maps", "serve", str(sector)]
            options = ["--broker", broker.url, "--store", store, "--port", "0", "--without-login"]
            server = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
            mover = multiprocessing.get_context("spawn").Process(
                target=move, args=(broker.url, tracks, updates_per_s)
            )
            assert server.stdout is not None
            try:
                url = server.stdout.readline().split()[-1]
                return watch(url, mover.start, tracks=tracks, seconds=seconds, minutes=minutes)
            finally:
                if mover.pid is not None:
                    mover.terminate()
                    mover.join()
                server.terminate()
                server.wait(60)
                server.stdout.close()


def main(words: Sequence[str]) -> int:
    """Measure; print the figures."""
    parser = argparse.ArgumentParser(description="The live map's page under load.")
    parser.add_argument("--tracks", type=int, default=TRACKS)
    parser.add_argument("--updates", type=float, default=UPDATES_PER_S, help="a second")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each stretch")
    parser.add_argument("--minutes", type=float, default=0.0, help="the heap is watched so long")
    given = parser.parse_args(words)
    figures = measure(
        tracks=given.tracks,
        updates_per_s=given.updates,
        seconds=given.seconds,
        minutes=given.minutes,
    )
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
