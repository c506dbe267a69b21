"""Two hundred cameras in one process: `python tests/benchmarks/live_load.py PORT SECONDS …`.

Each camera stands behind its own 60 m of a straight border and sees five people who stroll along
it; of some cameras one person walks over the line at a known time. MQTT 3.1.1 is written by hand,
so that the load costs the machine as little as it can. Prints one line of JSON at each step.

    line, home south of it   ────────┬────────┬──────▶ east
                                 ^   │        │
    lanes 10 m apart           ──┼── │ ────── │
                                cam-000  cam-001
"""

import argparse
import json
import math
import random
import socket
import sys
import time
from collections import deque
from datetime import UTC, datetime

HZ = 5.0
PEOPLE = 5
WIDTH_M = 60.0
WEST_LON, LINE_LAT = -12.40, 1.2
M_PER_DEG_LAT, M_PER_DEG_LON = 110_576.0, 111_297.0  # there
FROM_M, TO_M, PACE_MPS = -6.0, 6.0, 1.5  # who crosses
CONNECTIONS = 8
ON_THE_WAY = 400  # unacknowledged, of one connection: 25 devices, 16 each
FLUSH_ON_THE_WAY = 20  # of the device that was cut off, as edge's own publisher has it
NOISE = [random.Random(4).gauss(0.0, 1.0) for _ in range(4099)]
SEEN = (
    b'{"label":"person","confidence":0.83,"bbox":[0.51,0.40,0.55,0.61],"lat":%.8f,"lon":%.8f,'
    b'"cov_m2":[1.1,-0.1,1.2],"cov_bias_m2":[0.1,0.0,0.1],"track_id":%d}'
)


class Camera:
    """One camera and its people."""

    def __init__(self, number: int, run: str, crosses_at_s: float | None) -> None:
        """Place them; times are seconds since the load began."""
        self.name = f"cam-{number:03d}"
        self.crosses_at_s = crosses_at_s
        self.frame = 0
        self._number = number
        topic = f"tuanbien/v1/bench/{self.name}/detections".encode()
        self._topic = len(topic).to_bytes(2, "big") + topic
        lon = WEST_LON + (number + 0.5) * WIDTH_M / M_PER_DEG_LON
        self._head = (
            b'{"v":1,"message_id":"%s-%%d","device_id":"%s","sector":"bench","boot_id":"%s",'
            b'"seq":%%d,"captured_at":"%%s","sent_at":"%%s",'
            b'"sensor":{"kind":"camera","lat":1.1985,"lon":%.6f,"alt_m":20.0},"detections":['
        ) % (f"{run}-{self.name}".encode(), self.name.encode(), run.encode(), lon)

    def packet(self, at_s: float, captured: bytes, sent: bytes, number: int) -> bytes:
        """Return the PUBLISH (QoS 1) of one frame, taken at `at_s`."""
        self.frame += 1
        seen = []
        for person in range(PEOPLE):
            east_m, north_m = self._at(person, at_s)
            noise = (self.frame * 10 + 2 * person + 37 * self._number) % 4098
            lat = LINE_LAT + (north_m + NOISE[noise]) / M_PER_DEG_LAT
            lon = WEST_LON + (east_m + NOISE[noise + 1]) / M_PER_DEG_LON
            seen.append(SEEN % (lat, lon, person))
        head = self._head % (self.frame, self.frame, captured, sent)
        payload = head + b",".join(seen) + b"]}"
        body = self._topic + number.to_bytes(2, "big") + payload
        return b"\x32" + _length(len(body)) + body

    def _at(self, person: int, at_s: float) -> tuple[float, float]:
        west_m = self._number * WIDTH_M
        if person == 0 and self.crosses_at_s is not None:
            north_m = FROM_M + PACE_MPS * max(0.0, at_s - self.crosses_at_s)
            return west_m + WIDTH_M / 2.0, min(TO_M, north_m)
        way_m = (0.8 + 0.1 * person) * at_s + 7.0 * person
        there_m = math.fabs(way_m % 100.0 - 50.0)  # there and back
        return west_m + 5.0 + there_m, -20.0 - 10.0 * person


class Connection:
    """An MQTT connection that only publishes."""

    def __init__(self, port: int, name: str) -> None:
        """Connect."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = name.encode()
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(client).to_bytes(2, "big") + client
        self._socket.sendall(b"\x10" + _length(len(body)) + body)
        if self._socket.recv(4)[:2] != b"\x20\x02":
            msg = "the broker refuses us"
            raise ConnectionError(msg)
        self.sent = self.acknowledged = 0
        self._rest = 0

    def next_number(self) -> int:
        """Return the packet number of the next message."""
        return self.sent % 65_535 + 1

    def send(self, packets: list[bytes]) -> None:
        """Send packets, which have been numbered one by one."""
        self._socket.sendall(b"".join(packets))

    def hear(self) -> None:
        """Count what the broker has acknowledged."""
        self._socket.setblocking(False)
        try:
            while received := self._socket.recv(65_536):
                self._rest += len(received)
        except BlockingIOError:
            pass
        finally:
            self._socket.settimeout(10)
        self.acknowledged += self._rest // 4  # nothing but PUBACK comes
        self._rest %= 4

    @property
    def on_the_way(self) -> int:
        """How many are not acknowledged."""
        return self.sent - self.acknowledged

    def close(self) -> None:
        """Say good-bye."""
        self._socket.sendall(b"\xe0\x00")
        self._socket.close()


def _length(number: int) -> bytes:
    if number < 128:
        return bytes((number,))
    if number < 16_384:
        return bytes((number & 0x7F | 0x80, number >> 7))
    return bytes((number & 0x7F | 0x80, number >> 7 & 0x7F | 0x80, number >> 14))


def stamp(at_s: float) -> bytes:
    moment = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z").encode()


def say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


def crossings(
    cameras: int, seconds: float, flush_at_s: float | None, cut: int
) -> dict[int, float]:
    """Return which cameras see somebody cross, and when: one a second, far from one another."""
    until_s = seconds - 10.0
    count = max(2, int(until_s - 2.0))
    chosen = [number for number in range(0, cameras, 2) if abs(number - cut) > 2]
    random.Random(9).shuffle(chosen)
    times = [2.0 + (until_s - 2.0) * k / count for k in range(count)]
    if flush_at_s is not None:  # more of them while the cut-off device flushes
        last = min(seconds - 10.0, flush_at_s + 6.0)
        times += [flush_at_s - 4.0 + 0.25 * k for k in range(int(4.0 * (last - flush_at_s + 4.0)))]
    return dict(zip(chosen, sorted(times), strict=False))


class Load:
    """All cameras, and one that was cut off and flushes what it has at `flush_at_s`."""

    def __init__(
        self, port: int, cameras: int, seconds: float, *, flush_at_s: float | None, flush_s: float
    ) -> None:
        """Connect them."""
        run, cut = f"{time.time():.0f}", cameras // 2
        self.when = crossings(cameras, seconds, flush_at_s, cut)
        self.dropped = 0
        self._seconds, self._flush_at_s, self._flush_s = seconds, flush_at_s, flush_s
        flushes = flush_at_s is not None
        live = [n for n in range(cameras) if not (flushes and n == cut)]
        self._links = [Connection(port, f"load-{k}") for k in range(CONNECTIONS)]
        self._due = deque(
            (k / (HZ * len(live)), Camera(n, run, self.when.get(n)), self._links[k % CONNECTIONS])
            for k, n in enumerate(live)
        )
        self._cut_off, self._cut_link = Camera(cut, run, None), Connection(port, "load-cut")
        self._flush_frames = int(flush_s * HZ) if flushes else 0

    @property
    def connections(self) -> list[Connection]:
        return [*self._links, self._cut_link]

    def run(self) -> None:
        """Send until the time is over."""
        began_s = time.time()
        while (since_s := time.time() - began_s) < self._seconds:
            self._send_due(since_s, stamp(began_s + since_s))
            if self._flush_at_s is not None and since_s >= self._flush_at_s:
                self._flush(began_s, stamp(began_s + since_s))
            for link in self.connections:
                link.hear()
            time.sleep(max(0.0, min(0.005, self._due[0][0] + began_s - time.time())))

    def _send_due(self, since_s: float, text: bytes) -> None:
        packets: dict[Connection, list[bytes]] = {}
        while self._due[0][0] <= since_s:
            due_s, camera, link = self._due.popleft()
            self._due.append((due_s + 1.0 / HZ, camera, link))
            if link.on_the_way >= ON_THE_WAY:
                self.dropped += 1  # as a device does whose outbox is full
                continue
            packets.setdefault(link, []).append(
                camera.packet(since_s, text, text, link.next_number())
            )
            link.sent += 1
        for link, block in packets.items():
            link.send(block)

    def _flush(self, began_s: float, text: bytes) -> None:
        camera, link, block = self._cut_off, self._cut_link, []
        while camera.frame < self._flush_frames and link.on_the_way < FLUSH_ON_THE_WAY:
            at_s = (self._flush_at_s or 0.0) - self._flush_s + camera.frame / HZ
            block.append(camera.packet(at_s, stamp(began_s + at_s), text, link.next_number()))
            link.sent += 1
            if camera.frame == self._flush_frames:
                say(flushed_after_s=round(time.time() - began_s - (self._flush_at_s or 0.0), 2))
        if block:
            link.send(block)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--cameras", type=int, default=200)
    parser.add_argument("--flush-at-s", type=float)
    parser.add_argument("--flush-s", type=float, default=600.0)
    options = parser.parse_args()
    load = Load(
        options.port,
        options.cameras,
        options.seconds,
        flush_at_s=options.flush_at_s,
        flush_s=options.flush_s,
    )
    say(crossings=len(load.when))
    load.run()
    ended_s = time.time()
    links = load.connections
    say(ended_s=ended_s, sent=sum(link.sent for link in links), dropped=load.dropped)
    while any(link.on_the_way for link in links) and time.time() < ended_s + 30.0:
        for link in links:
            link.hear()
        time.sleep(0.01)
    say(acknowledged=sum(link.acknowledged for link in links))
    for link in links:
        link.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
