"""Live streams, from real servers on loopback: the newest frame counts, and they come back."""

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.frames import Frame, LiveSource
from edge.messages import UtcTime

BOUNDARY = "frame"
STEP = 8  # grey levels from one picture to the next


class Camera:
    """A camera that serves motion JPEG; each picture is brighter than the one before."""

    def __init__(self, port: int, *, fps: float = 20.0) -> None:
        self.fps = fps
        self.number = 0
        self.connections = 0
        self.hang_up = threading.Event()
        self._stop = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera.connections += 1
                self.send_response(200)
                self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
                self.end_headers()
                while not (camera._stop.is_set() or camera.hang_up.is_set()):
                    jpeg = camera.jpeg()
                    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
                    head += f"Content-Length: {len(jpeg)}\r\n\r\n"
                    try:
                        self.wfile.write(head.encode() + jpeg + b"\r\n")
                    except OSError:
                        return
                    camera._stop.wait(1.0 / camera.fps)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def jpeg(self) -> bytes:
        self.number += 1
        grey = (self.number * STEP) % 256
        _, encoded = cv2.imencode(".jpg", np.full((120, 160, 3), grey, dtype=np.uint8))
        return encoded.tobytes()

    def close(self) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def camera_at(port: int) -> Iterator[Camera]:
    camera = Camera(port)
    try:
        yield camera
    finally:
        camera.close()


@contextmanager
def reading(address: str) -> Iterator[LiveSource]:
    source = LiveSource(address, clock=UtcTime.read_clock)
    try:
        yield source
    finally:
        source.close()


def next_within(source: LiveSource, seconds: float) -> Frame | None:
    """Return the next frame, or None when none comes in time (the source is closed then)."""
    patience = threading.Timer(seconds, source.close)
    patience.start()
    try:
        return next(iter(source), None)
    finally:
        patience.cancel()


def test_a_stream_gives_frames_stamped_as_they_come(free_port: Callable[[], int]) -> None:
    port = free_port()
    with camera_at(port), reading(f"http://127.0.0.1:{port}/video.mjpg") as source:
        frames = [next_within(source, 20.0) for _ in range(5)]
        now = UtcTime.read_clock()
        assert all(frame is not None and frame.image.shape == (120, 160, 3) for frame in frames)
        times = [frame.captured_at for frame in frames if frame is not None]
        assert times == sorted(times)
        assert now.seconds_since(times[-1]) < 2.0
        age_s = source.frame_age_s(now)
        assert age_s is not None
        assert age_s < 2.0


def test_a_slow_reader_gets_the_newest_frame_and_not_the_next(
    free_port: Callable[[], int],
) -> None:
    port = free_port()
    with camera_at(port) as camera, reading(f"http://127.0.0.1:{port}/") as source:
        assert next_within(source, 20.0) is not None
        shown = camera.number
        wait_until(lambda: camera.number > shown + 20)
        frame = next_within(source, 20.0)
        assert frame is not None
        assert UtcTime.read_clock().seconds_since(frame.captured_at) < 1.0
        assert source.frames_skipped > 15


def test_a_stream_that_breaks_is_connected_again(
    free_port: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    with reading(f"http://user:secret@127.0.0.1:{port}/") as source:
        wait_until(lambda: "trying again" in caplog.text)  # not there yet
        with camera_at(port) as camera:
            assert next_within(source, 30.0) is not None
            camera.hang_up.set()
            wait_until(lambda: caplog.text.count("trying again") > 1)
            camera.hang_up.clear()
            connections = camera.connections
            wait_until(lambda: camera.connections > connections)
            assert next_within(source, 30.0) is not None
    assert "127.0.0.1" in caplog.text
    assert "secret" not in caplog.text


def test_a_server_that_says_nothing_does_not_hold_up_the_end(
    free_port: Callable[[], int],
) -> None:
    import socket  # noqa: PLC0415 - only this test

    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        source = LiveSource(f"rtsp://127.0.0.1:{port}/live", clock=UtcTime.read_clock)
        began = time.monotonic()
        source.close()
        assert time.monotonic() - began < 4.0
        assert list(source) == []


def wait_until(true: Callable[[], bool], within_s: float = 30.0) -> None:
    beat, deadline = threading.Event(), time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        beat.wait(0.02)


RTSP_SERVER = """
import sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
for element in ("x264enc", "rtph264pay", "videotestsrc"):
    if Gst.ElementFactory.find(element) is None:
        sys.exit(f"no {element}")
server = GstRtspServer.RTSPServer.new()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory.new()
factory.set_launch(
    "( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1 "
    "! x264enc tune=zerolatency key-int-max=15 ! rtph264pay name=pay0 pt=96 )"
)
factory.set_shared(True)
server.get_mount_points().add_factory("/live", factory)
if server.attach(None) == 0:
    sys.exit("cannot listen")
print("ready", flush=True)
GLib.MainLoop().run()
"""


@contextmanager
def rtsp_server(folder: Path, port: int) -> Iterator[None]:
    """Run GStreamer's RTSP server with the system's own Python, which has its bindings."""
    python = shutil.which("python3", path="/usr/bin")
    if python is None:
        pytest.skip("no system python3 to run an RTSP server with")
    script = folder / "server.py"
    script.write_text(RTSP_SERVER)
    server = subprocess.Popen(
        [python, str(script), str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert server.stdout is not None
        if server.stdout.readline() != b"ready\n":
            pytest.skip("GStreamer's RTSP server is not installed (gir1.2-gst-rtsp-server-1.0)")
        yield
    finally:
        server.kill()
        server.wait()
        assert server.stdout is not None
        server.stdout.close()


def test_an_rtsp_camera_is_read_and_read_again_after_a_restart(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    with rtsp_server(tmp_path, port):
        source = LiveSource(f"rtsp://127.0.0.1:{port}/live", clock=UtcTime.read_clock)
        frame = next_within(source, 30.0)
        assert frame is not None
        assert frame.image.shape == (240, 320, 3)
    with rtsp_server(tmp_path, port):
        newer = frame
        while newer.captured_at.seconds_since(frame.captured_at) < 2.0:
            found = next_within(source, 30.0)
            assert found is not None
            newer = found
        assert UtcTime.read_clock().seconds_since(newer.captured_at) < 2.0
    source.close()
