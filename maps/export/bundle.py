"""The bundle: its files, the list of their digests, and the zip that holds them.

The same state of the store gives the same bytes, but for what says when and by whom it was made:
that stands in the page and the manifest only.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from edge.messages import UtcTime, encode, to_builtins
from maps import assets
from maps.export.matter import Matter
from maps.export.page import render
from maps.export.telling import log_text, plain, time_text, told
from maps.language import LANGUAGES, words
from maps.layers import track_feature
from maps.people.roles import Person

MANIFEST: Final = "manifest.json"
FORMAT: Final = "tuanbien-incident-export"
_VERIFIER: Final = Path(__file__).with_name("verify.py")
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)  # the first that a zip can say
_PLAIN_FILE: Final = 0o100644 << 16
_UNIX: Final = 3
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]")
_MOST_NAME: Final = 64


class Made(NamedTuple):
    """Who exports, and when."""

    by: Person
    at: UtcTime


def file_name(name: str) -> str:
    """Return a name that is one on every disk, whatever was in it."""
    return _UNFIT.sub("_", name)[:_MOST_NAME] or "_"


def write_bundle(path: Path, matter: Matter, made: Made, *, language: str) -> str:
    """Write the zip; return the SHA-256 of its manifest.

    Raises:
        OSError: The file cannot be written.
        RefusedError: The web assets are missing.
    """
    assets.require()
    folder = f"tuanbien-{file_name(matter.incident.incident_id)}"
    listed = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, content: bytes) -> None:
            entry = zipfile.ZipInfo(f"{folder}/{name}", _LONG_AGO)
            entry.create_system, entry.external_attr = _UNIX, _PLAIN_FILE
            is_packed = name.endswith(".jpg")
            entry.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)

        for name, content in _files(matter, made, language):
            add(name, content)
            listed.append(
                {
                    "name": name,
                    "bytes": len(content),
                    "sha256": hashlib.sha256(content).hexdigest(),
                }
            )
        manifest = json.dumps(_manifest(matter, made, listed), ensure_ascii=False, indent=1)
        content = manifest.encode() + b"\n"
        digest = hashlib.sha256(content).hexdigest()
        add(MANIFEST, content)
        add("manifest.sha256", f"{digest}  {MANIFEST}\n".encode())
    return digest


def _files(matter: Matter, made: Made, language: str) -> Iterator[tuple[str, bytes]]:
    tellings = tuple(told(matter, one) for one in LANGUAGES)
    at = time_text(made.at, matter.sector.timezone)
    said = f"{at} · {made.by.name} · tuanbien {version('tuanbien')}"
    yield "incident.html", render(matter, tellings, language=language, made=said).encode()
    yield "log.txt", log_text(tellings, matter).encode()
    known = {
        "incident": matter.incident,
        "held_back": list(matter.held_back),
        "related": list(matter.related),
    }
    yield "incident.json", msgspec.json.format(encode(known), indent=1) + b"\n"
    yield "alerts.jsonl", b"".join(encode(one) + b"\n" for one in matter.alerts)
    yield "deeds.jsonl", b"".join(encode(one) + b"\n" for one in matter.deeds)
    yield "tracks.geojson", encode(_tracks(matter)) + b"\n"
    for crop, jpeg in matter.crops:
        yield f"evidence/{file_name(crop.evidence_id)}.jpg", jpeg
    yield "verify.py", _VERIFIER.read_bytes()


def _tracks(matter: Matter) -> dict[str, Any]:
    """Return each track's last line as a point, and its way with the time and error of each place.

    `cov_m2` of a way is rounded as history keeps it.
    """
    features: list[Any] = []
    for track_id, way in matter.ways.items():
        features.append(track_feature(way[-1]))
        if len(way) > 1:
            features.append(
                {
                    "type": "Feature",
                    "id": f"{track_id}-way",
                    "geometry": {
                        "type": "LineString",
                        "coordinates": [[round(one.lon, 7), round(one.lat, 7)] for one in way],
                    },
                    "properties": {
                        "track_id": track_id,
                        "t": [one.t for one in way],
                        "state": [one.state for one in way],
                        "cov_m2": [[round(part, 3) for part in one.cov_m2] for one in way],
                    },
                }
            )
    return {"type": "FeatureCollection", "features": features}


def _manifest(matter: Matter, made: Made, listed: list[dict[str, Any]]) -> dict[str, Any]:
    tellings = [told(matter, one) for one in LANGUAGES]
    return {
        "format": FORMAT,
        "format_version": 1,
        "incident_id": plain(matter.incident.incident_id),
        "sector": matter.sector.id,
        "sector_name": plain(matter.sector.name),
        "simulated": matter.simulated,
        "made_at": made.at.rfc3339(),
        "made_by": {
            "name": plain(made.by.name),
            "account": plain(made.by.id),
            "role": made.by.role.value,
        },
        "software": f"tuanbien {version('tuanbien')}",
        "state_as_of": to_builtins(matter.incident)["updated_at"],
        "what_it_is": {one: words(one)["export.lead"] for one in LANGUAGES},
        "what_figures_mean": {one.language: list(one.figures) for one in tellings},
        "notes": {one.language: list(one.notes) for one in tellings},
        "crops": [
            {
                "file": f"evidence/{file_name(crop.evidence_id)}.jpg",
                "device_id": crop.device_id,
                "captured_at": crop.captured_at.rfc3339(),
            }
            for crop, _ in matter.crops
        ],
        "crops_missing": list(matter.crops_missing),
        "files": listed,
    }
