"""The fictional sector and its devices as files on disk, just as a technician would write them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from edge.messages import RefusedError
from maps.demo.landscape import (
    BORDER,
    FARMLAND,
    GATE,
    GROUND_ALT_M,
    MARKERS,
    SECTOR_ID,
    TIMEZONE,
    TRAIL_NAMES,
    TRAILS,
    Point,
    latlon_of,
)
from maps.demo.sites import SITES, Site

BORDER_SIGMA_M: Final = 0.5
WIDTH_PX, HEIGHT_PX = 1280, 720
_DEGREES: Final = 9  # decimals of a coordinate: a tenth of a millimetre

_SECTOR_TOML: Final = f"""\
# A fictional border sector, out in the Atlantic. Written by `tuanbien demo`.
[sector]
id = "{SECTOR_ID}"
name = "Biên giới giả lập"
unit = "don-bp-gia-lap"
timezone = "{TIMEZONE}"

[layers]
border = "border.geojson"
trails = "trails.geojson"
zones = "zones.geojson"
markers = "markers.geojson"
"""
_DEVICE_TOML: Final = """\
# A device of the fictional sector. Written by `tuanbien demo`, which draws its pictures.
[device]
id = "{id}"
sector = "{sector}"
kind = "{kind}"

[source]
video = "{id}.mp4"          # not read by the demo; a real device's file or rtsp:// address

[detector]
model = "yolov8n.pt"
labels = {{ 0 = "person" }}
confidence = 0.35
pixel_sigma = 4.0           # px, error of the ground-contact point
imgsz = {imgsz}

[camera]
width = {width}
height = {height}
fx = {focal:.1f}
fy = {focal:.1f}

[mount]                     # {mount}
lat = {lat:.9f}
lon = {lon:.9f}
alt_m = {alt_m:.3f}
yaw_deg = {yaw:.4f}
pitch_deg = {pitch:.4f}
roll_deg = 0.0
sigma = {{ position_m = {position_m}, alt_m = {sigma_alt_m}, yaw_deg = {sigma_yaw}, \
pitch_deg = {sigma_pitch}, roll_deg = {sigma_roll} }}

[ground]
alt_m = {ground_alt_m:.3f}
sigma_m = {ground_sigma_m}

[broker]
url = "{broker_url}"
"""
_SURVEYED: Final = "as surveyed; the true pose is off by a draw from sigma"
_FLOWN: Final = "at the start; its pose comes with each picture, off by a draw from sigma"


class WorldFiles(NamedTuple):
    """Where the world's files are."""

    sector: Path
    devices: tuple[Path, ...]


def write_world(folder: Path, *, broker_url: str) -> WorldFiles:
    """Write the sector, its layers and its devices; files already there are written anew.

    Raises:
        RefusedError: The folder cannot be written.
    """
    texts = {
        "sector.toml": _SECTOR_TOML,
        "border.geojson": _border(),
        "trails.geojson": _trails(),
        "zones.geojson": _zones(),
        "markers.geojson": _markers(),
        **{f"{site.device_id}.toml": _device(site, broker_url) for site in SITES},
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"{folder}: the demo world cannot be written there: {error.strerror}"
        raise RefusedError(msg) from error
    devices = tuple(folder / f"{site.device_id}.toml" for site in SITES)
    return WorldFiles(folder / "sector.toml", devices)


def _device(site: Site, broker_url: str) -> str:
    pose = site.pose(0.0)
    sigma = site.sigma
    # The survey of the ground's height is off as well, by a draw of its own.
    ground_error_m = (
        site.ground_sigma_m * np.random.default_rng(site.seed + 1000).standard_normal()
    )
    return _DEVICE_TOML.format(
        id=site.device_id,
        sector=SECTOR_ID,
        kind=site.kind,
        imgsz=site.image_size,
        width=WIDTH_PX,
        height=HEIGHT_PX,
        focal=site.focal_px,
        mount=_FLOWN if site.stands is None else _SURVEYED,
        lat=pose.lat,
        lon=pose.lon,
        alt_m=pose.alt_m,
        yaw=pose.yaw_deg,
        pitch=pose.pitch_deg,
        position_m=sigma.position_m,
        sigma_alt_m=sigma.alt_m,
        sigma_yaw=sigma.yaw_deg,
        sigma_pitch=sigma.pitch_deg,
        sigma_roll=sigma.roll_deg,
        ground_alt_m=GROUND_ALT_M + ground_error_m,
        ground_sigma_m=site.ground_sigma_m,
        broker_url=broker_url,
    )


def _border() -> str:
    properties = {
        "id": "border-1",
        "home_side": "right",
        "status": "demarcated",
        "sigma_m": BORDER_SIGMA_M,
    }
    return _collection([_feature("LineString", _lonlats(BORDER), properties)])


def _trails() -> str:
    return _collection(
        _feature(
            "LineString",
            _lonlats(places),
            {"id": trail_id, "name": TRAIL_NAMES[trail_id], "kind": "duong_mon"},
        )
        for trail_id, places in TRAILS.items()
    )


def _zones() -> str:
    zones = (
        ("gate-1", "Cửa khẩu phụ", "crossing_point", GATE),
        ("field-1", "Nương ngô", "farmland", FARMLAND),
    )
    return _collection(
        _feature(
            "Polygon",
            [_lonlats((*places, places[0]))],
            {"id": zone_id, "name": name, "kind": kind},
        )
        for zone_id, name, kind, places in zones
    )


def _markers() -> str:
    return _collection(
        _feature("Point", _lonlats((place,))[0], {"id": marker_id})
        for marker_id, place in MARKERS.items()
    )


def _lonlats(places: Iterable[Point]) -> list[list[float]]:
    """GeoJSON wants longitude first."""
    latlons = [latlon_of(place.east_m, place.north_m) for place in places]
    return [[round(lon, _DEGREES), round(lat, _DEGREES)] for lat, lon in latlons]


def _feature(kind: str, coordinates: object, properties: dict[str, object]) -> dict[str, object]:
    geometry = {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _collection(features: Iterable[dict[str, object]]) -> str:
    collection = {"type": "FeatureCollection", "features": list(features)}
    return json.dumps(collection, ensure_ascii=False, indent=1) + "\n"
