"""The ONVIF bridge: `python tests/benchmarks/bench_onvif.py`. Seeded; prints one JSON line.

How many frames of ten people a second it places, JSON to message, one core; and 10,000 damaged
messages, none of which may raise anything.
"""

import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from edge.config import DeviceConfig, load_device
from edge.messages import UtcTime, encode
from edge.onvif_bridge import OnvifBridge
from edge.subscriber import Heard

SEED = 20261124
FRAMES = 1500
PEOPLE = 10
DAMAGED = 10_000
BEGAN_AT = UtcTime.parse("2026-03-14T17:00:00Z")
TOPICS = ("D/onvif-mj/VideoAnalytics/1/M", "D/onvif-ej/RuleEngine/LineDetector/Crossed/&1")
STRANGE = (None, "x", "nan", "-inf", "1e308", -1, 1e308, 2**63, True, [], {}, [[]], {"a": {}})
DEVICE = """
[device]
id = "cam-21"
sector = "bench"
[source]
onvif = "D"
[camera]
width = 1920
height = 1080
hfov_deg = 60.0
[mount]
lat = 22.5
lon = 104.0
alt_m = 1030.0
pitch_deg = -25.0
[ground]
alt_m = 1000.0
"""


def device() -> DeviceConfig:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "device.toml"
        path.write_text(DEVICE)
        return load_device(path)


def frame(number: int, chance: random.Random) -> bytes:
    people = []
    for person in range(PEOPLE):
        x, y = chance.uniform(-0.9, 0.9), chance.uniform(-0.95, 0.0)
        box = {"@left": x, "@right": x + 0.03, "@bottom": y, "@top": y + 0.2}
        appearance = {
            "Shape": {"BoundingBox": box},
            "Class": {"Type": [{"@Likelihood": 0.8, "#text": "Human"}]},
        }
        people.append({"@ObjectId": person, "Appearance": appearance})
    at = BEGAN_AT.after(number / 10.0).rfc3339()
    return json.dumps({"Frame": [{"@UtcTime": at, "Object": people}]}).encode()


def damaged(payload: bytes, chance: random.Random) -> bytes:
    """Cut, repeat or change some bytes."""
    broken = bytearray(payload)
    for _ in range(chance.randrange(1, 8)):
        here, there = sorted(chance.randrange(len(broken) + 1) for _ in range(2))
        match chance.randrange(4):
            case 0:
                del broken[here : min(there, here + 20)]
            case 1:
                broken[here:here] = broken[here : min(there, here + 20)]
            case 2:
                broken[here:here] = bytes([chance.randrange(256)])
            case _:
                broken[here : here + 1] = chance.choice(
                    (b'"', b"{", b"]", b",", b"9", b"-", b"null")
                )
    return bytes(broken)


def twisted(payload: bytes, chance: random.Random) -> bytes:
    """Put something else in the place of one value; the JSON stays whole."""
    whole = json.loads(payload)
    node: Any = whole
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = chance.choice(keys)
        inner = node[key]
        if isinstance(inner, dict | list) and inner and chance.random() < 0.9:
            node = inner
            continue
        node[key] = chance.choice(STRANGE)
        return json.dumps(whole).encode()


def main() -> None:
    chance = random.Random(SEED)
    payloads = [frame(number, chance) for number in range(FRAMES)]
    bridge = OnvifBridge(device(), boot_id="b")
    began_s = time.process_time()
    for payload in payloads:
        for message in bridge.take(Heard(TOPICS[0], payload, BEGAN_AT)):
            encode(message)
    frames_per_s = FRAMES / (time.process_time() - began_s)
    assert bridge.counts.detections == FRAMES * PEOPLE

    fuzzed, escaped = OnvifBridge(device(), boot_id="b"), 0
    for _ in range(DAMAGED):
        damage, topic = chance.choice(
            ((damaged, TOPICS[0]), (twisted, TOPICS[0]), (damaged, TOPICS[1]))
        )
        payload = damage(chance.choice(payloads), chance)
        try:
            fuzzed.take(Heard(topic, payload, BEGAN_AT))
        except Exception:  # noqa: BLE001 - counting whatever escapes is the point
            escaped += 1
    figures = {
        "frames_per_s": round(frames_per_s),
        "damaged": DAMAGED,
        "damaged_refused": fuzzed.counts.refused,
        "damaged_raised": escaped,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
