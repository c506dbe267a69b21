"""A small fictional sector and what could be said about it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.messages import Alert, Incident, UtcTime, decode_as, encode
from fusion.sector import Sector, load_sector
from maps.feed import Feed

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")


@pytest.fixture
def noon() -> UtcTime:
    return NOON


@pytest.fixture
def sector_file() -> Path:
    return Path(__file__).parent / "sector" / "sector.toml"


@pytest.fixture
def sector(sector_file: Path) -> Sector:
    return load_sector(sector_file)


class Sayings:
    """Messages about the sector `bien-thu`, as they travel: topic and payload."""

    @staticmethod
    def track(
        track_id: str = "track-1", at: UtcTime = NOON, **changed: object
    ) -> tuple[str, bytes]:
        update = {
            "track_id": track_id,
            "t": at,
            "lat": 1.2,
            "lon": -12.3,
            "cov_m2": [9.0, 0.0, 4.0],
            "velocity_mps": [0.0, 1.5],
            "label": "person",
            "state": "confirmed",
            "devices": ["cam-01"],
        }
        return "tuanbien/v1/bien-thu/fusion/tracks", encode(update | changed)

    @staticmethod
    def status(
        device_id: str = "cam-01", at: UtcTime = NOON, **changed: object
    ) -> tuple[str, bytes]:
        status = {
            "v": 1,
            "message_id": f"{device_id}-status",
            "sector": "bien-thu",
            "device_id": device_id,
            "online": True,
            "captured_at": at,
            "sensor": {"kind": "camera", "lat": 1.199, "lon": -12.301},
            "scene": "clear",
        }
        return f"tuanbien/v1/bien-thu/{device_id}/status", encode(status | changed)

    @staticmethod
    def last_will(device_id: str = "cam-01") -> tuple[str, bytes]:
        will = {
            "v": 1,
            "message_id": "will",
            "sector": "bien-thu",
            "device_id": device_id,
            "online": False,
        }
        return f"tuanbien/v1/bien-thu/{device_id}/status", encode(will)

    @staticmethod
    def position(unit_id: str = "patrol-1", at: UtcTime = NOON) -> tuple[str, bytes]:
        position = {
            "v": 1,
            "message_id": "position",
            "sector": "bien-thu",
            "unit_id": unit_id,
            "captured_at": at,
            "lat": 1.2,
            "lon": -12.3,
            "accuracy_m": 5.0,
        }
        return f"tuanbien/v1/bien-thu/{unit_id}/position", encode(position)

    @staticmethod
    def fusion(at: UtcTime = NOON, **changed: object) -> tuple[str, bytes]:
        status = {"v": 1, "sector": "bien-thu", "online": True, "at": at}
        return "tuanbien/v1/bien-thu/fusion/status", encode(status | changed)

    @staticmethod
    def alert(alert_id: str = "alert-1", at: UtcTime = NOON, **changed: object) -> Alert:
        alert = {
            "v": 1,
            "alert_id": alert_id,
            "incident_id": f"incident-of-{alert_id}",
            "sector": "bien-thu",
            "unit": None,
            "kind": "crossing",
            "severity": "high",
            "raised_at": at,
            "issued_at": at,
            "lat": 1.2002,
            "lon": -12.302,
            "probability": 0.97,
            "direction": "outbound",
            "headcount": 3,
            "headcount_min": 2,
            "headcount_max": 4,
            "track_ids": ["track-1"],
            "devices": ["cam-01"],
            "place": {"trail_id": "trail-1", "marker": "234", "marker_distance_m": 120.0},
            "reasons": [{"code": "crossed_line", "text": "crossed", "value": 0.97}],
        }
        return decode_as(encode(alert | changed), Alert)

    @staticmethod
    def incident(alert: Alert, **changed: object) -> Incident:
        incident = {
            "incident_id": alert.incident_id,
            "sector": alert.sector,
            "kind": alert.kind,
            "state": "new",
            "severity": alert.severity,
            "opened_at": alert.raised_at,
            "updated_at": alert.raised_at,
            "direction": alert.direction,
            "headcount": alert.headcount,
            "headcount_min": alert.headcount_min,
            "headcount_max": alert.headcount_max,
            "lat": alert.lat,
            "lon": alert.lon,
            "place": alert.place,
            "alert_ids": [alert.alert_id],
            "track_ids": list(alert.track_ids),
            "devices": list(alert.devices),
        }
        return decode_as(encode(incident | changed), Incident)


@pytest.fixture
def say() -> type[Sayings]:
    return Sayings


class EmptyStore:
    """A store in which nothing happened yet."""

    def alerts(self, limit: int, *, sector: str) -> list[Alert]:  # noqa: ARG002 - the store's own
        return []

    def incidents_changed_since(
        self,
        revision: int,
        *,
        limit: int,  # noqa: ARG002
        sector: str,  # noqa: ARG002 - the store's own
    ) -> tuple[int, list[Incident]]:
        return revision, []


@pytest.fixture
def feed(noon: UtcTime) -> Feed:
    """A feed that is not running: what a test hands to `take` is all it knows."""
    return Feed(
        "bien-thu",
        broker_url="mqtt://someone:secret@127.0.0.1:1",
        open_store=EmptyStore,
        clock=lambda: noon,
        run_id="run1",
    )


@pytest.fixture
def read_events() -> Callable[[bytes], list[dict[str, Any]]]:
    """Return a reader of server-sent events: a list of id, event and data."""

    def read(wire: bytes) -> list[dict[str, Any]]:
        events = []
        for block in wire.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.split("\n") if line)
            if "event" in fields:
                events.append(fields | {"data": json.loads(fields["data"])})
        return events

    return read
