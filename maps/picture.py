"""The live picture of one sector: what the map shows now, kept from messages and the store.

Pure: no broker, no clock, no database. `Picture.take` accepts what came over MQTT,
`take_alerts` and `take_incidents` what the store holds, `tick` the passing of time; each returns
what changed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from edge.messages import (
    DEFAULT_MAX_BYTES,
    FUSION,
    Alert,
    FusionStatus,
    Incident,
    InvalidMessageError,
    PositionMessage,
    Scene,
    StatusMessage,
    Topic,
    TrackState,
    TrackUpdate,
    UtcTime,
    decode,
    decode_as,
    to_builtins,
)
from maps.layers import (
    Feature,
    alert_feature,
    device_feature,
    incident_feature,
    patrol_feature,
    track_feature,
)

TRACK_KEPT_S: Final = 60.0  # after its last update a track leaves the picture
ENDED_KEPT_S: Final = 5.0  # long enough to fade away on the page
LOST_KEPT_S: Final = 600.0  # near the line: who was lost there may be over it
PATROL_KEPT_S: Final = 3600.0
DEVICE_SILENT_S: Final = 15.0  # three status messages missed
FRAME_OLD_S: Final = 10.0
KEPT: Final = {"alert": 500, "incident": 500, "track": 20_000, "device": 5000, "patrol": 5000}


class Health(StrEnum):
    """May a quiet device be taken for a quiet place?"""

    OK = "ok"
    DEGRADED = "degraded"  # it looks, but its picture is not to be trusted
    SILENT = "silent"  # it said it was there and has said nothing since
    OFFLINE = "offline"  # it said good-bye, or its last will did


class Change(NamedTuple):
    """One thing that changed on the map; without data it left the picture."""

    kind: str  # track, alert, incident, device, patrol, fusion
    id: str
    data: Feature | Mapping[str, Any] | None


class _Track(NamedTuple):
    update: TrackUpdate
    heard_at: UtcTime


class _Device(NamedTuple):
    status: StatusMessage
    heard_at: UtcTime
    health: Health


class _Patrol(NamedTuple):
    position: PositionMessage
    heard_at: UtcTime


def judge(status: StatusMessage, *, heard_at: UtcTime, now: UtcTime) -> Health:
    """Judge a device by its last status."""
    if not status.online:
        return Health.OFFLINE
    if now.seconds_since(heard_at) > DEVICE_SILENT_S:
        return Health.SILENT
    no_picture_yet = status.fps == 0.0 and status.frame_age_s is None
    stale = no_picture_yet or (status.frame_age_s or 0.0) > FRAME_OLD_S
    if stale or status.scene not in (None, Scene.CLEAR):
        return Health.DEGRADED
    return Health.OK


class Picture:
    """What is known now. Not thread-safe: one thread owns it."""

    def __init__(self, sector_id: str) -> None:
        """Start empty."""
        self.sector_id = sector_id
        self.fusion: FusionStatus | None = None
        self.fusion_heard_at: UtcTime | None = None
        self._tracks: dict[str, _Track] = {}  # least recently heard first
        self._alerts: dict[str, Alert] = {}
        self._incidents: dict[str, Incident] = {}
        self._devices: dict[str, _Device] = {}
        self._patrols: dict[str, _Patrol] = {}

    # -- what comes in

    def take(
        self, topic: str, payload: bytes, *, received_at: UtcTime, retained: bool = False
    ) -> list[Change]:
        """Accept one MQTT message.

        Args:
            topic: Its topic.
            payload: Its bytes, from anybody.
            received_at: When it came.
            retained: The broker kept it for us: it may be old, so its own time counts.

        Raises:
            InvalidMessageError: It breaks the contract; the picture is as before.
        """
        where = Topic.parse(topic)
        if where.sector != self.sector_id:
            msg = f"topic {topic!r} is not of sector {self.sector_id!r}"
            raise InvalidMessageError(msg)
        if where.device == FUSION:
            return self._take_fusion(where.kind, payload, received_at, retained=retained)
        message = decode(topic, payload)
        if isinstance(message, StatusMessage):
            said_at = message.captured_at if retained and message.captured_at else received_at
            return self._take_status(message, heard_at=min(said_at, received_at), now=received_at)
        if isinstance(message, PositionMessage):
            heard_at = min(message.captured_at, received_at) if retained else received_at
            return self._take_position(message, heard_at=heard_at)
        return []

    def take_alerts(self, alerts: Iterable[Alert]) -> list[Change]:
        """Accept alerts from wherever they come; one that is known changes nothing."""
        new = [alert for alert in alerts if alert.alert_id not in self._alerts]
        for alert in new:
            self._alerts[alert.alert_id] = alert
        for oldest in sorted(self._alerts.values(), key=_issued)[: -KEPT["alert"]]:
            del self._alerts[oldest.alert_id]
        return [
            Change("alert", alert.alert_id, alert_feature(alert))
            for alert in sorted(new, key=_issued)
            if alert.alert_id in self._alerts
        ]

    def take_incidents(self, incidents: Iterable[Incident]) -> list[Change]:
        """Accept incidents as they stand in the store."""
        changed = [
            incident
            for incident in incidents
            if self._incidents.get(incident.incident_id) != incident
        ]
        for incident in changed:
            self._incidents.pop(incident.incident_id, None)
            self._incidents[incident.incident_id] = incident
        _shed(self._incidents, KEPT["incident"])
        return [
            Change("incident", incident.incident_id, incident_feature(incident))
            for incident in changed
            if incident.incident_id in self._incidents
        ]

    def tick(self, now: UtcTime) -> list[Change]:
        """Let time pass: what is too old leaves, a device that says nothing turns silent."""
        changes = []
        for track_id, track in list(self._tracks.items()):
            if now.seconds_since(track.heard_at) > kept_s(track.update):
                del self._tracks[track_id]
                changes.append(Change("track", track_id, None))
        for unit_id, patrol in list(self._patrols.items()):
            if now.seconds_since(patrol.heard_at) > PATROL_KEPT_S:
                del self._patrols[unit_id]
                changes.append(Change("patrol", unit_id, None))
        for device in list(self._devices.values()):
            if judge(device.status, heard_at=device.heard_at, now=now) is not device.health:
                changes += self._take_status(device.status, heard_at=device.heard_at, now=now)
        return changes

    # -- what is asked of it

    def tracks(self) -> list[TrackUpdate]:
        """Return the last line of every track that was updated lately."""
        return [track.update for track in self._tracks.values()]

    def alerts(self) -> list[Alert]:
        """Return the alerts, those that happened last first."""
        return sorted(self._alerts.values(), key=_raised, reverse=True)

    def incidents(self) -> list[Incident]:
        """Return the incidents, latest change first."""
        return sorted(
            self._incidents.values(), key=lambda incident: incident.updated_at, reverse=True
        )

    def devices(self) -> list[dict[str, Any]]:
        """Return every device's last status with `health` and `heard_at`, by name.

        Besides what fusion says of it: `refused`, messages by reason, and `clock_corrected_s`.
        """
        return [
            {**_device_fields(device), **self._said_by_fusion(name)}
            for name, device in sorted(self._devices.items())
        ]

    def count_devices(self) -> dict[str, int]:
        """Return how many devices there are of each health."""
        counts = Counter(device.health.value for device in self._devices.values())
        return {health.value: counts[health.value] for health in Health}

    def patrols(self) -> list[PositionMessage]:
        """Return the last position of each of our units, by name."""
        return [patrol.position for _, patrol in sorted(self._patrols.items())]

    def features(self, kind: str) -> list[Feature]:
        """Return one layer: `track`, `alert`, `incident`, `device` or `patrol`."""
        return list(self._layers()[kind])

    # -- inside

    def _said_by_fusion(self, name: str) -> dict[str, Any]:
        refused = (self.fusion and self.fusion.refused_by) or {}
        offsets_s = (self.fusion and self.fusion.clock_offsets_s) or {}
        said: dict[str, Any] = {}
        if name in refused:
            said["refused"] = refused[name]
        if name in offsets_s:
            said["clock_corrected_s"] = offsets_s[name]
        return said

    def _layers(self) -> dict[str, Iterator[Feature]]:
        return {
            "track": (track_feature(track.update) for track in self._tracks.values()),
            "alert": (alert_feature(alert) for alert in self.alerts()),
            "incident": (incident_feature(incident) for incident in self.incidents()),
            "device": (_device_feature(device) for _, device in sorted(self._devices.items())),
            "patrol": (
                patrol_feature(patrol.position, heard_at=patrol.heard_at)
                for _, patrol in sorted(self._patrols.items())
            ),
        }

    def _take_fusion(
        self, kind: str, payload: bytes, received_at: UtcTime, *, retained: bool
    ) -> list[Change]:
        if len(payload) > DEFAULT_MAX_BYTES:
            msg = f"{FUSION}/{kind} message of {len(payload)} bytes is too large"
            raise InvalidMessageError(msg)
        if kind == "tracks":
            return self._take_track(decode_as(payload, TrackUpdate), heard_at=received_at)
        if kind == "alerts":
            return self.take_alerts([decode_as(payload, Alert)])
        if kind == "status":
            status = decode_as(payload, FusionStatus)
            said_at = status.at if retained and status.at else received_at
            self.fusion, self.fusion_heard_at = status, min(said_at, received_at)
            return [Change("fusion", self.sector_id, to_builtins(status))]
        return []

    def _take_track(self, update: TrackUpdate, *, heard_at: UtcTime) -> list[Change]:
        known = self._tracks.pop(update.track_id, None)
        if known is not None and known.update.t > update.t:
            self._tracks[update.track_id] = known  # an older line, late: the picture is newer
            return []
        self._tracks[update.track_id] = _Track(update, heard_at)
        shed = _shed(self._tracks, KEPT["track"])
        return [
            *(Change("track", track_id, None) for track_id in shed),
            Change("track", update.track_id, track_feature(update)),
        ]

    def _take_status(
        self, status: StatusMessage, *, heard_at: UtcTime, now: UtcTime
    ) -> list[Change]:
        known = self._devices.pop(status.device_id, None)
        if known is not None and not status.online:
            # A last will says neither where the device stands nor what it saw.
            status = _with_place_of(status, known.status)
        device = _Device(status, heard_at, judge(status, heard_at=heard_at, now=now))
        self._devices[status.device_id] = device
        shed = _shed(self._devices, KEPT["device"])
        return [
            *(Change("device", device_id, None) for device_id in shed),
            Change("device", status.device_id, _device_feature(device)),
        ]

    def _take_position(self, position: PositionMessage, *, heard_at: UtcTime) -> list[Change]:
        known = self._patrols.pop(position.unit_id, None)
        if known is not None and known.position.captured_at > position.captured_at:
            self._patrols[position.unit_id] = known
            return []
        self._patrols[position.unit_id] = _Patrol(position, heard_at)
        shed = _shed(self._patrols, KEPT["patrol"])
        return [
            *(Change("patrol", unit_id, None) for unit_id in shed),
            Change("patrol", position.unit_id, patrol_feature(position, heard_at=heard_at)),
        ]


def kept_s(update: TrackUpdate) -> float:
    """Return for how long a line stays in the picture."""
    if update.state is not TrackState.ENDED:
        return TRACK_KEPT_S
    return LOST_KEPT_S if update.lost_near_line else ENDED_KEPT_S


def _issued(alert: Alert) -> tuple[UtcTime, str]:
    return alert.issued_at, alert.alert_id


def _raised(alert: Alert) -> tuple[UtcTime, UtcTime, str]:
    return alert.raised_at, alert.issued_at, alert.alert_id


def _shed(kept: dict[str, Any], limit: int) -> list[str]:
    """Drop the least recently heard beyond the limit; return their ids."""
    shed = list(islice(kept, max(len(kept) - limit, 0)))
    for name in shed:
        del kept[name]
    return shed


def _with_place_of(status: StatusMessage, known: StatusMessage) -> StatusMessage:
    if status.sensor is not None and status.footprint is not None:
        return status
    return msgspec.structs.replace(
        status,
        sensor=status.sensor or known.sensor,
        footprint=status.footprint or known.footprint,
    )


def _device_fields(device: _Device) -> dict[str, Any]:
    return {
        **to_builtins(device.status),
        "health": device.health.value,
        "heard_at": device.heard_at.rfc3339(),
    }


def _device_feature(device: _Device) -> Feature:
    return device_feature(device.status.device_id, device.status.sensor, _device_fields(device))
