"""What a device file comes to: its field of view, what it sees, how exactly it places things."""

from typing import Any, Final, NamedTuple

import numpy as np
import pymap3d

from edge.accuracy import ce90_m, sigmas_m
from edge.address import without_password
from edge.camera import (
    Camera,
    FloatArray,
    described_share,
    field_of_view_deg,
    in_picture,
    pixels_from_enu,
    rays_camera,
    rays_enu,
)
from edge.config import DeviceConfig
from edge.device_file import SourceConfig
from edge.georeference import DEM, FLAT, Placed
from edge.ground import Ground, GroundModel
from edge.messages import CovM2, RefusedError
from edge.plane import GroundHomography, lens_of, seen_at
from edge.telemetry import Quality, Telemetry
from edge.view import HOMOGRAPHY, view_of

RANGES_M: Final = (20.0, 50.0, 100.0, 200.0, 500.0)
# A ray that ends so much nearer than the point it was aimed at ended at something before it.
_HIDDEN_SHARE: Final = 0.99
_ELLIPSE_POINTS: Final = 48
# 90 % of a Gaussian in a plane lie within so many sigmas.
_NINE_IN_TEN: Final = 2.145966026289347
_CENTIMETRE_LEVEL: Final = 7  # decimals of a degree


class Sight(NamedTuple):
    """How exactly a point on the ground at one range is placed."""

    range_m: float  # level, ahead of the lens
    placed: Placed | None
    ce90_m: float | None
    unseen: str | None  # why it has no place: `outside`, `hidden`, `horizon`, `no_ground`


def locate(config: DeviceConfig, u: float, v: float) -> dict[str, Any]:
    """Place one pixel.

    Raises:
        RefusedError: It lies outside the picture, or at or above the horizon.
    """
    _check_posed(config)
    camera = config.camera_there
    pixels = np.array([[u, v]])
    if not in_picture(pixels, camera)[0]:
        msg = (
            f"{config.path}: pixel ({u:g}, {v:g}) lies outside the picture of "
            f"{camera.width_px} x {camera.height_px}"
        )
        raise RefusedError(msg)
    if not np.isfinite(rays_camera(pixels, camera)).all():
        msg = (
            f"{config.path}: pixel ({u:g}, {v:g}) lies where camera.distortion = "
            f"{list(camera.distortion)} says nothing: it would show two places at once"
        )
        raise RefusedError(msg)
    placed = _place_one(config, pixels)
    if placed is None:
        why = why_no_place(config, pixels)
        msg = f"{config.path}: pixel ({u:g}, {v:g}) has no place: {why}"
        raise RefusedError(msg)
    return {
        "lat": placed.lat,
        "lon": placed.lon,
        "alt_m": placed.alt_m,
        "cov_m2": list(placed.cov_m2),
        "ce90_m": ce90_m(placed.cov_m2),
        "slant_m": placed.slant_m,
        "grazing": placed.grazing,
        "method": placed.method,
    }


def why_no_place(config: DeviceConfig, pixels: FloatArray) -> str:
    """Say why one pixel (1, 2) that has no place has none."""
    hole = hole_under(config, pixels)
    return f"it is {view_of(config).why_nowhere()}" if hole is None else hole[1]


def hole_under(config: DeviceConfig, pixels: FloatArray) -> tuple[float, str] | None:
    """Return how far away the elevation model has a hole under one pixel (1, 2), and say so."""
    if config.plane is not None or isinstance(config.ground, Ground):
        return None
    from edge.terrain import Terrain  # noqa: PLC0415 - heavy, and flat ground does without

    if not isinstance(config.ground, Terrain):
        return None
    (ray,) = rays_enu(pixels, config.camera_there, config.pose)
    if not np.isfinite(ray).all():
        return None
    away_m = config.ground.hole_m(config.pose, ray)
    if away_m is None:
        return None
    return away_m, f"{config.ground.path} has a hole under the ray {away_m:.0f} m away"


def _check_posed(config: DeviceConfig) -> None:
    """Refuse a flight that never had a whole pose: nothing of it can be placed."""
    if config.flight is not None and Quality.FULL.value not in config.flight.counts():
        lacks = ", ".join(f"{count} {name}" for name, count in config.flight.counts().items())
        msg = f"{config.flight.path}: no sample is a whole pose ({lacks})"
        raise RefusedError(msg)


def sights(config: DeviceConfig) -> list[Sight]:
    """Place points on the ground ahead, at each of `RANGES_M`."""
    return [_sight(config, range_m) for range_m in RANGES_M]


def _sight(config: DeviceConfig, range_m: float) -> Sight:
    if config.plane is not None:
        return _sight_on_plane(config, config.plane, range_m)
    camera, pose = config.camera_there, config.pose
    heading = np.radians(pose.yaw_deg)
    lat, lon, _ = pymap3d.enu2geodetic(
        np.sin(heading) * range_m, np.cos(heading) * range_m, 0.0, pose.lat, pose.lon, pose.alt_m
    )
    alt_m = _ground_alt_m(config.ground, lat=float(lat), lon=float(lon))
    if alt_m is None:
        return Sight(range_m, None, None, "no_ground")
    point = np.array([pymap3d.geodetic2enu(lat, lon, alt_m, pose.lat, pose.lon, pose.alt_m)])
    pixels, in_front = pixels_from_enu(point, camera, pose)
    if not (in_front[0] and in_picture(pixels, camera)[0]):
        return Sight(range_m, None, None, "outside")
    placed = _place_one(config, pixels)
    if placed is None:
        return Sight(range_m, None, None, "horizon")
    if placed.slant_m < _HIDDEN_SHARE * float(np.linalg.norm(point)):
        return Sight(range_m, None, None, "hidden")
    return Sight(range_m, placed, ce90_m(placed.cov_m2), None)


def _sight_on_plane(config: DeviceConfig, plane: GroundHomography, range_m: float) -> Sight:
    heading = np.radians(config.pose.yaw_deg)
    ahead_m = np.array((np.sin(heading), np.cos(heading))) * range_m
    there = (lens_of(config.camera_there, plane).foot_m + ahead_m)[None, :]
    pixels, in_front = seen_at(there, config.camera_there, plane)
    if not (in_front[0] and in_picture(pixels, config.camera_there)[0]):
        return Sight(range_m, None, None, "outside")
    placed = _place_one(config, pixels)
    if placed is None:
        return Sight(range_m, None, None, "horizon")
    return Sight(range_m, placed, ce90_m(placed.cov_m2), None)


def _ground_alt_m(ground: GroundModel, *, lat: float, lon: float) -> float | None:
    """Return the ground's height above the ellipsoid at a place; None where it is unknown."""
    if isinstance(ground, Ground):
        return ground.alt_m
    alt_m = float(ground.alt_m_at(lat=[lat], lon=[lon])[0])
    return alt_m if np.isfinite(alt_m) else None


def summary(config: DeviceConfig) -> dict[str, Any]:
    """Say what was understood, for people and programs."""
    _check_posed(config)
    pose, ground = config.pose, config.ground
    area = view_of(config).footprint()
    under_alt_m = _ground_alt_m(ground, lat=pose.lat, lon=pose.lon)
    return {
        "device": config.device_id,
        "sector": config.sector,
        "kind": str(config.kind),
        **_source(config.source),
        "telemetry": None if config.flight is None else _flight(config.flight),
        "detector": config.detector,
        "camera": _camera(config.camera_there),
        "pose": None if config.plane else pose._asdict(),
        "pose_sigma": None
        if config.plane
        else config.sigma_there._asdict() | {"time_s": config.time_sigma_s},
        "ground": {
            "method": _method(config),
            "alt_m": under_alt_m,  # below the lens
            "sigma_m": ground.sigma_m,
        },
        "height_m": None if under_alt_m is None else round(_lens_alt_m(config) - under_alt_m, 3),
        "footprint": area,
        "sights": [
            {
                "range_m": sight.range_m,
                "in_picture": sight.placed is not None,
                "unseen": sight.unseen,
                "ce90_m": None if sight.ce90_m is None else round(sight.ce90_m, 2),
                "sigmas_m": (
                    None
                    if sight.placed is None
                    else [round(sigma_m, 2) for sigma_m in sigmas_m(sight.placed.cov_m2)]
                ),
                "grazing": None if sight.placed is None else sight.placed.grazing,
            }
            for sight in sights(config)
        ],
    }


def _method(config: DeviceConfig) -> str:
    if config.plane is not None:
        return HOMOGRAPHY
    return FLAT if isinstance(config.ground, Ground) else DEM


def _lens_alt_m(config: DeviceConfig) -> float:
    """Return the lens' height; of a homography, what that and the focal length come to."""
    if config.plane is None:
        return config.pose.alt_m
    return config.plane.alt_m + lens_of(config.camera_there, config.plane).height_m


def _camera(camera: Camera) -> dict[str, Any]:
    """Say what the camera sees; where its distortion ends before the picture, how much of it."""
    across, down = (
        round(angle, 3) if np.isfinite(angle) else None for angle in field_of_view_deg(camera)
    )
    share = round(described_share(camera), 4)
    return camera._asdict() | {"hfov_deg": across, "vfov_deg": down, "described_share": share}


def _flight(flight: Telemetry) -> dict[str, Any]:
    return {
        "format": flight.format,
        "begins_s": flight.samples[0].media_time_s,
        "ends_s": flight.samples[-1].media_time_s,
        "samples": flight.counts(),
        "skipped": flight.skipped,
        "notes": flight.notes,
    }


def _source(source: SourceConfig) -> dict[str, str]:
    """Say where pictures, or what was found in them, come from."""
    if source.onvif is not None:
        return {"onvif": source.onvif}
    return {"video": without_password(str(source.video))}


def features(config: DeviceConfig) -> dict[str, Any]:
    """Draw the device, what it sees and its 90 % error ellipses as GeoJSON."""
    pose = config.pose
    area = view_of(config).footprint()
    drawn = [
        _feature(
            {"type": "Point", "coordinates": [pose.lon, pose.lat]},
            {"kind": "device", "name": config.device_id, "yaw_deg": pose.yaw_deg},
        )
    ]
    if area is not None:
        drawn.append(_feature(area, {"kind": "footprint", "name": config.device_id}))
    drawn += [
        _feature(
            _ellipse(sight.placed),
            {
                "kind": "error",
                "name": f"{sight.range_m:g} m",
                "range_m": sight.range_m,
                "ce90_m": sight.ce90_m,
                "grazing": sight.placed.grazing,
                "method": sight.placed.method,
            },
        )
        for sight in sights(config)
        if sight.placed is not None
    ]
    return {"type": "FeatureCollection", "features": drawn}


def _feature(geometry: object, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _place_one(config: DeviceConfig, pixels: FloatArray) -> Placed | None:
    return view_of(config).place(pixels, config.detector.pixel_sigma)[0]


def _ellipse(placed: Placed) -> dict[str, Any]:
    """Outline the ellipse that holds the truth with probability 0.9."""
    angles = np.linspace(0.0, 2.0 * np.pi, _ELLIPSE_POINTS, endpoint=False)
    circle = np.vstack((np.cos(angles), np.sin(angles))) * _NINE_IN_TEN
    # Not by Cholesky's way, which fails where one axis is next to nothing beside the other.
    variances, axes = np.linalg.eigh(_matrix(placed.cov_m2))
    east_m, north_m = axes * np.sqrt(np.maximum(variances, 0.0)) @ circle
    lat, lon, _ = pymap3d.enu2geodetic(
        east_m, north_m, np.zeros_like(east_m), placed.lat, placed.lon, placed.alt_m
    )
    ring = [
        [round(float(x), _CENTIMETRE_LEVEL), round(float(y), _CENTIMETRE_LEVEL)]
        for x, y in zip(lon, lat, strict=True)
    ]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def _matrix(cov_m2: CovM2) -> FloatArray:
    var_east, cov_east_north, var_north = cov_m2
    return np.array([[var_east, cov_east_north], [cov_east_north, var_north]])
