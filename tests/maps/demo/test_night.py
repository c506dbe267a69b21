import json
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import paho.mqtt.publish as mqtt_publish
import pytest

from edge.messages import (
    Alert,
    Direction,
    Place,
    RefusedError,
    TrackUpdate,
    UtcTime,
    encode,
    to_builtins,
)
from fusion.sector import load_sector
from maps.demo.landscape import latlon_of
from maps.demo.night import SEED, Night
from maps.demo.observer import Heard, Observer
from maps.demo.run import describe, summary
from maps.demo.walkers import Role, crossings

NIGHT = UtcTime.parse("2026-03-14T16:40:00.000Z")
STREAM = (
    b"retry: 1000\n\n"
    b'event: beat\ndata: {"now":"2026-03-14T16:40:00.000Z"}\n\n'
    b'id: r-1\nevent: alert\ndata: {"id":"a"}\n\n'
)


@pytest.fixture
def night(world) -> Night:
    """Return a night whose chain and observer only remember."""
    quiet = SimpleNamespace(check=lambda: None, memory_mib=lambda: {"fusion": 97.3})
    chain = SimpleNamespace(
        children=quiet, clock=lambda: NIGHT.after(50.0), sector=load_sector(world.sector)
    )
    heard: list[Heard] = []
    observer = SimpleNamespace(heard=heard, next=lambda **_: heard.pop(0) if heard else None)
    return Night(chain, world, observer, NIGHT)


def hear(night, topic, message, *, at_s) -> Alert | None:
    night.observer.heard.append(Heard(NIGHT.after(at_s), topic, encode(message)))
    return night.listen(within_s=0.0)


def true_alert() -> Alert:
    one = next(one for one in crossings(0.0, 60.0, seed=SEED) if one.role is Role.GROUP)
    lat, lon = latlon_of(*one.place)
    at = NIGHT.after(one.night_s + 2.0)
    return Alert(
        alert_id="a-1",
        incident_id="i-1",
        sector="bien-gia-lap",
        kind="crossing",
        severity="high",
        raised_at=at,
        issued_at=at,
        lat=lat,
        lon=lon,
        probability=0.97,
        direction=Direction.OUTBOUND,
        headcount=3,
        headcount_min=3,
        headcount_max=3,
        track_ids=("t",),
        devices=("cam-01", "drone-01"),
        place=Place(trail_id="trail-1"),
        reasons=(),
    )


def feature(message) -> dict:
    return {"type": "Feature", "properties": to_builtins(message)}


def test_an_alert_is_told_once_however_often_the_stream_repeats_it(night) -> None:
    event = feature(true_alert())
    assert hear(night, "stream/alert", event, at_s=34.0).alert_id == "a-1"
    assert hear(night, "stream/alert", event, at_s=35.0) is None
    figures = night.figures()
    assert (figures["alerts"], figures["false_alerts"]) == (1, 0)
    assert figures["first_alert_night_s"] == pytest.approx(34.0)


def test_what_the_stream_removes_is_no_alert(night) -> None:
    assert hear(night, "stream/alert", {"id": "a-1", "removed": True}, at_s=34.0) is None


def test_capture_to_map_is_from_the_track_s_moment_to_the_stream(night) -> None:
    for number in range(10):
        update = TrackUpdate(
            track_id="t",
            t=NIGHT.after(number),
            lat=1.2,
            lon=-12.3,
            cov_m2=(1.0, 0.0, 1.0),
            velocity_mps=(0.0, 1.0),
            label="person",
            state="confirmed",
            devices=("cam-01",),
        )
        hear(night, "stream/track", feature(update), at_s=number + 0.5)
    assert night.figures()["capture_to_map"] == {"p50_s": 0.5, "p95_s": 0.5}


def test_a_malformed_message_ends_the_demo_with_its_topic(night) -> None:
    """Our own devices sent it: that is a fault to be seen, not to be skipped."""
    topic = "tuanbien/v1/bien-gia-lap/cam-01/detections"
    with pytest.raises(RefusedError, match="bien-gia-lap/cam-01/detections: detections message"):
        hear(night, topic, {"v": 1}, at_s=1.0)


def test_a_device_is_silent_until_its_first_frame(night) -> None:
    assert night.devices_silent == {"cam-01", "cam-02", "drone-01"}
    message = {
        "v": 1,
        "message_id": "m",
        "sector": "bien-gia-lap",
        "device_id": "cam-01",
        "captured_at": NIGHT,
        "sensor": {"kind": "camera", "lat": 1.2, "lon": -12.3},
        "detections": [],
    }
    hear(night, "tuanbien/v1/bien-gia-lap/cam-01/detections", message, at_s=0.3)
    assert night.devices_silent == {"cam-02", "drone-01"}
    assert night.figures()["capture_to_fusion"]["p50_s"] == pytest.approx(0.3)


def test_alerts_and_figures_read_as_sentences(night) -> None:
    hear(night, "stream/alert", feature(true_alert()), at_s=34.0)
    line = describe(true_alert(), night)
    assert "ALERT high: crossing outbound, 3 people, trail-1, P 0.97" in line
    assert "true: 3 people crossed" in line
    assert line.startswith("23:40:3")  # the sector's local time
    text = summary(night.figures())
    assert "after 50 s: 1 alerts, 0 of them false" in text
    assert "cam-01: 0 frames, nobody in view yet" in text
    assert "fusion 97" in text


def test_a_signal_ends_the_block_quietly_and_is_given_back() -> None:
    """In a process of its own: a test runner has its own mind about signals."""
    script = """\
import signal
from maps.demo.run import interruptible
before = signal.getsignal(signal.SIGTERM)
with interruptible():
    signal.raise_signal(signal.SIGTERM)
    print("lost")
print(signal.getsignal(signal.SIGTERM) is before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["ending …", "True"]


def test_the_observer_hears_the_broker_and_the_page(nats_broker) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(STREAM if self.path.endswith("stream") else b"[1]")

        log_message: Callable[..., None] = lambda *_: None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        watching = Observer(
            broker_url=nats_broker,
            sector="bien-gia-lap",
            page_url=f"http://127.0.0.1:{server.server_port}",
            clock=lambda: NIGHT,
        )
        topic = "tuanbien/v1/bien-gia-lap/cam-01/status"
        port = int(nats_broker.rpartition(":")[2])
        mqtt_publish.single(topic, json.dumps({}), qos=1, retain=True, port=port)
        with watching as observer:
            heard = {}
            while not {topic, "stream/beat", "stream/alert"} <= heard.keys():
                one = observer.next(within_s=10.0)
                assert one is not None, f"only {sorted(heard)} came"
                heard[one.topic] = one
            assert observer.get("/api/v1/alerts") == [1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert heard["stream/alert"] == Heard(NIGHT, "stream/alert", b'{"id":"a"}')
