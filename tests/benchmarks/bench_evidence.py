"""What crops cost; prints one JSON line.

    python -m tests.benchmarks.bench_evidence [CROPS]

`crop_ms` is to cut and write one JPEG at the device (1920 x 1080, a box of 400 x 80 pixels),
`take_ms` to check it and keep it on the disk for good at fusion, `save_ms` a save of 100 of them
with their links, `list_ms` an incident's crops out of all, `forget_ms` to let go of 100;
`export_s` a bundle with 40 crops, `verify_s` to check it. Medians, seed 7.
"""

import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge.evidence import cropped
from edge.messages import (
    AlertKind,
    EvidenceMessage,
    Incident,
    Place,
    Severity,
    TrackState,
    TrackUpdate,
    UtcTime,
)
from fusion.events import IncidentChanged, TracksUpdated
from fusion.evidence import EvidenceFolder, evidence_id_of
from fusion.evidence_index import Crop
from fusion.sector import load_sector
from fusion.store import Store
from maps import assets
from maps.export import verify
from maps.export.bundle import Made, write_bundle
from maps.export.matter import gather
from maps.people.roles import AT_THE_MACHINE

CROPS = 2000
AT_ONCE = 100
SHOWN = 40
NOON = UtcTime.parse("2026-03-14T12:00:00Z")
HOME = "bien-thu"
SECTOR = Path(__file__).parents[1] / "maps" / "sector" / "sector.toml"


def timed(action: Callable[[], object]) -> float:
    """Return how long it took, ms."""
    began_s = time.perf_counter()
    action()
    return 1000.0 * (time.perf_counter() - began_s)


def message(number: int, jpeg: bytes) -> EvidenceMessage:
    """Return one of many crops, none like another."""
    jpeg = jpeg[:-2] + number.to_bytes(4) + b"\xff\xd9"
    return EvidenceMessage(
        v=1,
        message_id=f"e-{number}",
        evidence_id=f"e-{number}",
        device_id=f"cam-{number % 20:02}",
        sector=HOME,
        captured_at=NOON.after(float(number)),
        sha256=hashlib.sha256(jpeg).hexdigest(),
        jpeg=jpeg,
    )


def line(number: int, evidence_id: str) -> TrackUpdate:
    """Return a line of the track that a crop shows."""
    return TrackUpdate(
        track_id=f"trk-{number // SHOWN}",
        t=NOON.after(float(number)),
        lat=1.2,
        lon=-12.302,
        cov_m2=(4.1, -1.2, 9.7),
        velocity_mps=(0.2, 1.3),
        label="person",
        state=TrackState.CONFIRMED,
        devices=("cam-01",),
        evidence_ids=(evidence_id,),
    )


def incident() -> Incident:
    """Return an incident about the first track."""
    return Incident(
        incident_id="inc-1",
        sector=HOME,
        kind=AlertKind.CROSSING,
        state="new",
        severity=Severity.HIGH,
        opened_at=NOON,
        updated_at=NOON,
        headcount=1,
        headcount_min=1,
        headcount_max=1,
        lat=1.2,
        lon=-12.302,
        place=Place(),
        alert_ids=(),
        track_ids=("trk-0",),
        devices=("cam-01",),
    )


def measure(folder: Path, count: int) -> dict[str, float]:
    """Cut, keep, list, export and forget crops."""
    image = np.random.default_rng(7).integers(90, 150, (1080, 1920, 3), dtype=np.uint8)
    box = (0.4, 0.3, 0.4 + 80 / 1920, 0.3 + 400 / 1080)
    jpeg = cropped(image, box, margin=0.3, quality=80)
    assert jpeg is not None
    kept = EvidenceFolder(folder / "evidence", HOME)
    store = Store.open(f"sqlite:///{folder / 'store.db'}", migrate=True)
    said: dict[str, list[float]] = {"take_ms": [], "save_ms": [], "list_ms": [], "forget_ms": []}
    said["crop_ms"] = [
        timed(lambda: cropped(image, box, margin=0.3, quality=80)) for _ in range(20)
    ]
    store.save([IncidentChanged(incident())], sector=HOME)
    for begin in range(0, count, AT_ONCE):
        crops, lines = [], []
        for number in range(begin, begin + AT_ONCE):
            one = message(number, jpeg)
            said["take_ms"].append(timed(lambda one=one: kept.take(one)))
            name = evidence_id_of(one)
            crops.append(Crop(name, one.device_id, one.captured_at, one.sha256, len(one.jpeg)))
            lines.append(line(number, name))
        told = [TracksUpdated(tuple(lines))]
        said["save_ms"].append(
            timed(lambda told=told, crops=crops: store.save(told, sector=HOME, crops=crops))
        )
    for _ in range(20):
        said["list_ms"].append(timed(lambda: store.crops_of(["trk-0"], sector=HOME)))
    sector, path = load_sector(SECTOR), folder / "export.zip"
    made = Made(AT_THE_MACHINE, NOON)

    def export() -> None:
        matter = gather(store, kept, incident(), sector, AT_THE_MACHINE)
        write_bundle(path, matter, made, language="vi")

    export_ms = timed(export)
    verify_ms = timed(lambda: verify.check(verify.Archive(path)))
    before = NOON.after(2.0 * count)
    for _ in range(count // AT_ONCE):
        said["forget_ms"].append(
            timed(
                lambda: store.forget_crops(
                    HOME, before=before, at_most=AT_ONCE, remove=kept.remove
                )
            )
        )
    store.close()
    return {name: round(statistics.median(all_ms), 2) for name, all_ms in said.items()} | {
        "crop_bytes": len(jpeg),
        "export_s": round(export_ms / 1000.0, 2),
        "export_bytes": path.stat().st_size,
        "verify_s": round(verify_ms / 1000.0, 2),
    }


def main() -> int:
    """Measure and say so."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else CROPS
    assets.bring()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({"crops": count} | measure(Path(folder), count)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
