"""How fast the engine is: `python tests/benchmarks/bench_fusion.py`. Seeded; prints one JSON line.

Fourteen cameras at five frames a second along a straight border, fifty walkers on parallel tracks,
one miss in ten, a little clutter; decoding included, disk and broker not. Then a restart with the
same messages in the journal, until it would listen again. Then a crowd: 1,000 people before 300
cameras at one frame a second, for `--minutes` of event time. `PYTHONPATH=build/compiled` before
it measures the compiled engine (`make compiled`).
"""

import argparse
import gc
import itertools
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

import fusion.engine
from edge.messages import UtcTime, decode
from fusion.cli import COLLECTIONS
from fusion.engine import Engine
from fusion.journal import Journal, Recorded
from fusion.link import Link
from fusion.sector import Sector, load_sector
from fusion.service import Service
from fusion.store import Store

SEED = 20261123
CAMERAS = 14
WALKERS = 50
SECONDS = 120
HZ = 5
CROWD, CROWD_CAMERAS = 1000, 300
DEG_PER_M = 1.0 / 111_000.0
BEGAN_AT = UtcTime.parse("2026-03-14T17:00:00Z")


def write_sector(folder: Path) -> Path:
    line = {
        "type": "Feature",
        "properties": {"home_side": "right"},
        "geometry": {"type": "LineString", "coordinates": [[-12.40, 1.2], [-12.20, 1.2]]},
    }
    collection = {"type": "FeatureCollection", "features": [line]}
    (folder / "border.geojson").write_text(json.dumps(collection))
    (folder / "sector.toml").write_text(
        '[sector]\nid = "bench"\nname = "Bench"\ntimezone = "UTC"\n'
        '[layers]\nborder = "border.geojson"\n'
    )
    return folder / "sector.toml"


def recording(chance: random.Random) -> list[tuple[UtcTime, str, bytes]]:
    """Return `(received_at, topic, payload)` in order of arrival."""
    pace_mps = [chance.uniform(0.9, 1.5) for _ in range(WALKERS)]
    messages = []
    for frame in range(SECONDS * HZ):
        for camera in range(CAMERAS):
            at = BEGAN_AT.after(frame / HZ + camera / (HZ * CAMERAS))
            seen = []
            for walker in range(camera, WALKERS, CAMERAS):
                if chance.random() < 0.1:
                    continue
                east_m = 60.0 * walker + chance.gauss(0.0, 1.0)
                north_m = -80.0 + pace_mps[walker] * frame / HZ + chance.gauss(0.0, 1.0)
                seen.append((east_m, north_m))
            if chance.random() < 0.05:
                seen.append((chance.uniform(0.0, 3000.0), chance.uniform(-80.0, 80.0)))
            message = {
                "v": 1,
                "message_id": f"{camera}-{frame}",
                "device_id": f"cam-{camera:02d}",
                "sector": "bench",
                "captured_at": at.rfc3339(),
                "sensor": {"kind": "camera", "lat": 1.199, "lon": -12.3},
                "detections": [
                    {
                        "label": "person",
                        "confidence": 0.8,
                        "bbox": [0.4, 0.4, 0.5, 0.6],
                        "lat": 1.2 + north_m * DEG_PER_M,
                        "lon": -12.32 + east_m * DEG_PER_M,
                        "cov_m2": [1.0, 0.0, 1.0],
                    }
                    for east_m, north_m in seen
                ],
            }
            topic = f"tuanbien/v1/bench/cam-{camera:02d}/detections"
            messages.append((at.after(0.1), topic, json.dumps(message).encode()))
    return messages


def crowd(engine: Engine, chance: random.Random, minutes: float) -> tuple[int, float]:
    """Return how many detections there were, and the engine's processor time for them.

    Everybody strolls up and down their own 60 m before one camera, three or four to each.
    """
    noise = [chance.gauss(0.0, 1.0) for _ in range(4099)]
    pace = [chance.uniform(0.8, 1.4) for _ in range(CROWD)]
    drawn = itertools.cycle(noise)
    took_s = 0.0
    detections = 0
    for second in range(round(60.0 * minutes)):
        arrivals = []
        for camera in range(CROWD_CAMERAS):
            at = BEGAN_AT.after(second + camera / CROWD_CAMERAS)
            seen = []
            for walker in range(camera, CROWD, CROWD_CAMERAS):
                way_m = (pace[walker] * second) % 80.0
                north_m = -100.0 + min(way_m, 80.0 - way_m) + next(drawn)
                lane_m = 60.0 * camera + 12.0 * (walker // CROWD_CAMERAS)
                seen.append(
                    f'{{"label":"person","confidence":0.8,"bbox":[0.4,0.4,0.5,0.6],'
                    f'"lat":{1.2 + north_m * DEG_PER_M:.8f},'
                    f'"lon":{-12.38 + (lane_m + next(drawn)) * DEG_PER_M:.8f},"cov_m2":[1,0,1]}}'
                )
            payload = (
                f'{{"v":1,"message_id":"{chance.getrandbits(128):032x}","device_id":"c-{camera}",'
                f'"sector":"bench","captured_at":"{at.rfc3339()}",'
                f'"sensor":{{"kind":"camera","lat":1.199,"lon":-12.3}},'
                f'"detections":[{",".join(seen)}]}}'
            ).encode()
            arrivals.append((at.after(0.1), f"tuanbien/v1/bench/c-{camera}/detections", payload))
            detections += len(seen)
        began_s = time.process_time()
        for received_at, topic, payload in arrivals:
            engine.step(decode(topic, payload), received_at=received_at)
        took_s += time.process_time() - began_s
    return detections, took_s


def restart_s(sector: Sector, messages: list[tuple[UtcTime, str, bytes]], folder: Path) -> float:
    """Return how long the service takes to be where it was, the store knowing everything."""
    journal = Journal.open(folder / "journal", sector=sector.id)
    store = Store.open(f"sqlite:///{folder}/store.db", migrate=True)
    link = Link("mqtt://127.0.0.1:1", topics=[], session=None)  # never started
    position = journal.append([Recorded(*message) for message in messages])
    store.save([], sector=sector.id, position=position)
    service = Service(
        sector,
        link=link,
        journal=journal,
        store=store,
        clock=UtcTime.read_clock,
        stop=threading.Event(),
    )
    began_s = time.perf_counter()
    service._recover()
    took_s = time.perf_counter() - began_s
    journal.close()
    store.close()
    return took_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=4.0, help="of the crowd")
    minutes = parser.parse_args().minutes
    gc.set_threshold(*COLLECTIONS)
    with tempfile.TemporaryDirectory() as scratch:
        sector = load_sector(write_sector(Path(scratch)))
        engine = Engine(sector)
        messages = recording(random.Random(SEED))
        began_s = time.process_time()
        for received_at, topic, payload in messages:
            engine.step(decode(topic, payload), received_at=received_at)
        engine.flush()
        took_s = time.process_time() - began_s
        resident_mb = psutil.Process().memory_info().rss / 1e6
        recovered_s = restart_s(sector, messages, Path(scratch))
        counts, restarted = engine.counts, len(messages)
        del engine, messages
        many = Engine(sector)
        detections, crowd_s = crowd(many, random.Random(SEED), minutes)
        crowd_mb = psutil.Process().memory_info().rss / 1e6
    figures = {
        "compiled": not str(fusion.engine.__file__).endswith(".py"),
        "detections a second": round(counts.detections / took_s),
        "detections": counts.detections,
        "people / tracks": f"{WALKERS} / {counts.tracks}",
        "crossings / alerts": f"{WALKERS} / {counts.alerts}",
        "resident MB": round(resident_mb),
        "messages a second at a restart": round(restarted / recovered_s),
        "crowd: detections a second": round(detections / crowd_s),
        "crowd: people / tracks": f"{CROWD} / {many.counts.tracks}",
        "crowd: minutes": minutes,
        "crowd: resident MB": round(crowd_mb),
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
