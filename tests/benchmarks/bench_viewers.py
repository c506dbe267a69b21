"""Many viewers on one `maps serve`; prints one JSON line.

    python -m tests.benchmarks.bench_viewers [SECONDS [VIEWERS [UPDATES_PER_S [AWAY_S]]]]

A real broker, `tuanbien maps serve`, and a process that moves 200 tracks at 100 updates a second
and raises an alert each second. Every viewer has a session of its own. A delay runs from when an update was sent to MQTT to when a viewer
has read it off its socket. Every viewer is read as fast as it goes; ten of them are timed. Two are
away for `AWAY_S` seconds and come back with their last id: what they then know is held against
what one who stayed knows.
"""

import asyncio
import json
import multiprocessing
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.messages import UtcTime, encode
from fusion.broker import running_broker
from fusion.store import Store
from maps.people.accounts import Accounts, Changer, NewAccount
from maps.people.book import Book
from maps.people.passwords import Passwords
from maps.people.roles import Role
from maps.people.sessions import Lifetime, Sessions
from tests.benchmarks.bench_live import write_sector

SECONDS = 60.0
VIEWERS = 200
UPDATES_PER_S = 100.0
AWAY_S = 30.0
TIMED = 10
LINGERS_S = 2.0  # whoever came back: the last alert of those who stayed may be on its way
TRACKS = 200
_EVENT = re.compile(rb"(?:id: (\S+)\n)?event: (\w+)\ndata: (.*)\n")


def move(broker_url: str, updates_per_s: float) -> None:
    """Publish until killed: tracks, and an alert each second; their time is when they are sent."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", urlsplit(broker_url).port or 0)
    client.loop_start()
    begun_s, count = time.monotonic(), 0
    while True:
        wait_s = begun_s + count / updates_per_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        count += 1
        now = UtcTime.read_clock()
        client.publish("tuanbien/v1/bench/fusion/tracks", encode(_line(count % TRACKS, now)))
        if count % round(updates_per_s) == 0:
            alert = _alert(count, now)
            client.publish("tuanbien/v1/bench/fusion/alerts", encode(alert), qos=1)


def _line(number: int, now: UtcTime) -> dict[str, Any]:
    return {
        "track_id": f"trk-{number:016x}", "t": now, "lat": 1.2 + number * 1e-4, "lon": -12.3,
        "cov_m2": [4.1, -1.2, 9.7], "velocity_mps": [0.3, 1.1], "label": "person",
        "state": "confirmed", "devices": ["cam-01", "cam-02"],
    }  # fmt: skip


def _alert(number: int, now: UtcTime) -> dict[str, Any]:
    return {
        "v": 1, "alert_id": f"alr-{number:016x}", "incident_id": f"inc-{number:016x}",
        "sector": "bench", "kind": "crossing", "severity": "high", "raised_at": now,
        "issued_at": now, "lat": 1.2, "lon": -12.3, "probability": 0.97, "direction": "outbound",
        "headcount": 3, "headcount_min": 2, "headcount_max": 4, "track_ids": ["trk-1"],
        "devices": ["cam-01"], "place": {}, "late": False, "simulated": True,
        "reasons": [{"code": "crossed_line", "text": "", "value": 0.97}],
    }  # fmt: skip


class Viewer:
    """One connection to the stream, and what it knows by now."""

    def __init__(self, url: str, cookie: str, *, timed: bool) -> None:
        address = urlsplit(url)
        self._cookie = cookie
        self._host, self._port = address.hostname, address.port
        self._timed = timed
        self.last_id: str | None = None
        self.known: dict[str, bytes] = {}
        self.delays_s: dict[str, list[float]] = {"track": [], "alert": []}
        self.resets = 0
        self.ended = False  # the server closed the connection

    async def follow(self, until_s: float) -> None:
        """Read until an instant of this process's monotonic clock."""
        try:
            async with asyncio.timeout_at(until_s), aclosing(self._pieces()) as pieces:
                async for piece in pieces:
                    self._take(piece)
        except TimeoutError:
            return
        self.ended = True

    async def _pieces(self) -> AsyncIterator[bytes]:
        """Yield whole events as they come: between two blank lines, chunk sizes left out."""
        reader, writer = await asyncio.open_connection(self._host, self._port, limit=2**24)
        try:
            resume = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
            asked = f"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n{resume}"
            writer.write(f"{asked}Cookie: {self._cookie}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in head.split(b"\r\n")[0], head
            while size := int(await reader.readline(), 16):
                yield (await reader.readexactly(size + 2))[:-2]
        finally:
            writer.close()

    def _take(self, piece: bytes) -> None:
        if not self._timed:
            found = piece.rfind(b"\nid: ")
            if found >= 0:
                self.last_id = piece[found + 5 : piece.index(b"\n", found + 5)].decode()
            return
        now_s = time.time()
        for event_id, kind, data in _EVENT.findall(piece):
            if event_id:
                self.last_id = event_id.decode()
            self.resets += kind == b"reset"
            if kind not in {b"track", b"alert"}:
                continue
            about = json.loads(data)
            self.known[about["id"]] = data
            at = UtcTime.parse(about["properties"]["t" if kind == b"track" else "issued_at"])
            self.delays_s[kind.decode()].append(now_s - at.timestamp())


async def watch(
    url: str, pid: int, seconds: float, cookies: list[str], away_s: float
) -> dict[str, Any]:
    """Follow with a viewer for each cookie; return figures."""
    loop = asyncio.get_running_loop()
    server = psutil.Process(pid)
    alone_mb = server.memory_info().rss / 1e6
    everybody = [
        Viewer(url, cookie, timed=number < TIMED + 2) for number, cookie in enumerate(cookies)
    ]
    timed, leaving, others = everybody[2 : TIMED + 2], everybody[:2], everybody[TIMED + 2 :]
    begun_s, end_s = loop.time(), loop.time() + seconds
    cpu_s = sum(server.cpu_times()[:2])

    async def leave_and_return(viewer: Viewer) -> None:
        away_s_ = min(away_s, seconds / 2)
        await viewer.follow(begun_s + (seconds - away_s_) / 2)
        await asyncio.sleep(away_s_)
        viewer.delays_s = {"track": [], "alert": []}
        await viewer.follow(end_s + LINGERS_S)

    async def grow() -> float:
        peak = 0.0
        while loop.time() < end_s - 0.5:
            peak = max(peak, server.memory_info().rss / 1e6)
            await asyncio.sleep(0.5)
        return peak

    _, peak_mb = await asyncio.gather(
        asyncio.gather(
            *(viewer.follow(end_s) for viewer in [*timed, *others]),
            *(leave_and_return(viewer) for viewer in leaving),
        ),
        grow(),
    )
    delays = {
        kind: sorted(delay for viewer in timed for delay in viewer.delays_s[kind])
        for kind in ("track", "alert")
    }
    stayed = {name for viewer in timed for name in viewer.known if name.startswith("alr")}
    missed = max(len(stayed - viewer.known.keys()) for viewer in leaving)
    return {
        "viewers": len(everybody),
        "updates a second, seen by each": round(len(delays["track"]) / TIMED / seconds, 1),
        "delay p50 s": _share(delays["track"], 0.50),
        "delay p99 s": _share(delays["track"], 0.99),
        "alert delay p99 s": _share(delays["alert"], 0.99),
        "back after s": min(away_s, seconds / 2),
        "missed by who came back": missed,
        "told to start again": sum(viewer.resets for viewer in [*timed, *leaving]),
        "connections lost": sum(viewer.ended for viewer in everybody),
        "server MB, without viewers": round(alone_mb, 1),
        "server MB, most": round(peak_mb, 1),
        "server, share of a core": round((sum(server.cpu_times()[:2]) - cpu_s) / seconds, 2),
    }


def _share(ordered: list[float], share: float) -> float:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


def log_in(store: str, viewers: int) -> list[str]:
    """Make an account and a session for each viewer; return the cookies."""
    book, now = Book.open(store), UtcTime.read_clock()
    accounts, sessions = Accounts(book, Passwords()), Sessions(book, Lifetime())
    new = NewAccount("guard", "Guard", Role.GUARD)
    accounts.make(new, by=Changer("benchmark", "127.0.0.1"), now=now)
    accounts.set_own_password("guard", secrets.token_hex(), address="127.0.0.1", now=now)
    cookies = [f"session-bench={sessions.begin('guard', now=now)}" for _ in range(viewers)]
    book.close()
    return cookies


def _wait_for_tracks(url: str, cookie: str) -> None:
    """Wait until the first updates have come through."""
    until_s, tracks = time.monotonic() + 60.0, f"{url}api/v1/tracks"
    while not httpx.get(tracks, headers={"Cookie": cookie}, timeout=10.0).json():
        assert time.monotonic() < until_s, "no track has come through"
        time.sleep(0.1)


def main(words: list[str]) -> int:
    """Measure; print the figures."""
    given = [float(word) for word in words]
    seconds, viewers, updates_per_s, away_s = (
        *given,
        *(SECONDS, VIEWERS, UPDATES_PER_S, AWAY_S)[len(given) :],
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        sector = write_sector(folder)
        store = f"sqlite:///{folder / 'tuanbien.db'}"
        Store.open(store, migrate=True).close()
        cookies = log_in(store, int(viewers))
        with running_broker(host="127.0.0.1", port=0, store_dir=folder / "broker") as broker:
            command = [sys.executable, "-m", "edge.command", "maps", "serve", str(sector)]
            options = ["--broker", broker.url, "--store", store, "--port", "0"]
            server = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
            mover = multiprocessing.get_context("spawn").Process(
                target=move, args=(broker.url, updates_per_s), daemon=True
            )
            try:
                assert server.stdout is not None
                url = server.stdout.readline().split()[-1]
                mover.start()
                _wait_for_tracks(url, cookies[0])
                figures = asyncio.run(watch(url, server.pid, seconds, cookies, away_s))
            finally:
                if mover.pid is not None:
                    mover.terminate()
                    mover.join()
                server.terminate()
                server.wait(30)
                if server.stdout is not None:
                    server.stdout.close()
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
