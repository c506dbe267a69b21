"""Results to GeoJSON features (RFC 7946: longitude first, WGS 84). Pure.

The only place in `maps` that turns `lat, lon` into `[lon, lat]`. Properties are the wire's own
fields, so that the contract describes both; what a map needs besides is added under its own name.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct

from edge.messages import (
    Alert,
    CovM2,
    Incident,
    PositionMessage,
    Sensor,
    TrackUpdate,
    UtcTime,
    to_builtins,
)

CHI2_95_2DOF: Final = 5.991464547107979  # -2 ln 0.05
RADIUS_95_PER_68: Final = math.sqrt(math.log(0.05) / math.log(0.32))  # circular normal error


class Point(Struct, frozen=True, tag_field="type", tag="Point"):
    """A position, `(lon, lat)`."""

    coordinates: tuple[float, float]


class Feature(Struct, frozen=True, tag_field="type", tag="Feature"):
    """One thing on the map; no geometry where we do not know where it is."""

    id: str
    geometry: Point | None
    properties: Mapping[str, Any]


class FeatureCollection(Struct, frozen=True, tag_field="type", tag="FeatureCollection"):
    """A layer."""

    features: tuple[Feature, ...]


class Ellipse(NamedTuple):
    """A 95 % error ellipse: half axes in metres, the major one's bearing from true north."""

    semi_major_m: float
    semi_minor_m: float
    bearing_deg: float  # 0 <= bearing_deg < 180


def ellipse_95(cov_m2: CovM2) -> Ellipse:
    """Return the 95 % ellipse of a horizontal covariance `(var_e, cov_en, var_n)`.

    The half axes are sqrt(χ² λ) with λ the eigenvalues and χ² = 5.99 (two degrees of freedom).
    """
    var_east, cov_east_north, var_north = cov_m2
    mean = (var_east + var_north) / 2.0
    spread = math.hypot((var_east - var_north) / 2.0, cov_east_north)
    angle_rad = 0.5 * math.atan2(2.0 * cov_east_north, var_east - var_north)  # from east to north
    return Ellipse(
        semi_major_m=math.sqrt(CHI2_95_2DOF * (mean + spread)),
        semi_minor_m=math.sqrt(CHI2_95_2DOF * max(mean - spread, 0.0)),
        bearing_deg=(90.0 - math.degrees(angle_rad)) % 180.0,
    )


def track_feature(update: TrackUpdate) -> Feature:
    """Return a track's last line with its ellipse, speed and course."""
    east_mps, north_mps = update.velocity_mps
    return Feature(
        id=update.track_id,
        geometry=_point(lat=update.lat, lon=update.lon),
        properties={
            **to_builtins(update),
            "ellipse_95": ellipse_95(update.cov_m2)._asdict(),
            "speed_mps": math.hypot(east_mps, north_mps),
            "course_deg": math.degrees(math.atan2(east_mps, north_mps)) % 360.0,
        },
    )


def alert_feature(alert: Alert) -> Feature:
    """Return an alert where its evidence lies."""
    return Feature(
        id=alert.alert_id,
        geometry=_point(lat=alert.lat, lon=alert.lon),
        properties=to_builtins(alert),
    )


def incident_feature(incident: Incident) -> Feature:
    """Return an incident as it stands."""
    return Feature(
        id=incident.incident_id,
        geometry=_point(lat=incident.lat, lon=incident.lon),
        properties=to_builtins(incident),
    )


def device_feature(
    device_id: str, sensor: Sensor | None, properties: Mapping[str, Any]
) -> Feature:
    """Return a device where it stands; its view is the property `footprint`."""
    return Feature(
        id=device_id,
        geometry=None if sensor is None else _point(lat=sensor.lat, lon=sensor.lon),
        properties=properties,
    )


def patrol_feature(position: PositionMessage, *, heard_at: UtcTime) -> Feature:
    """Return one of our own units with the 95 % radius of its position."""
    return Feature(
        id=position.unit_id,
        geometry=_point(lat=position.lat, lon=position.lon),
        properties={
            **to_builtins(position),
            "heard_at": heard_at.rfc3339(),
            "radius_95_m": position.accuracy_m * RADIUS_95_PER_68,
        },
    )


def collection(features: Iterable[Feature]) -> FeatureCollection:
    """Gather features into a layer."""
    return FeatureCollection(features=tuple(features))


def _point(*, lat: float, lon: float) -> Point:
    return Point(coordinates=(lon, lat))
