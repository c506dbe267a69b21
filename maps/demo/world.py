"""The fictional sector and its devices as files on disk, just as a technician would write them."""

import json
from collections.abc import Iterable, Mapping
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

SECTOR_FILE: Final = "sector.toml"
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
simulated = true            # nobody is to take its messages for real ones

[source]
{source}

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
{pose}sigma = {{ position_m = {position_m}, alt_m = {sigma_alt_m}, yaw_deg = {sigma_yaw}, \
pitch_deg = {sigma_pitch}, roll_deg = {sigma_roll}{sigma_time} }}

[ground]
alt_m = {ground_alt_m:.3f}
sigma_m = {ground_sigma_m}

[broker]
url = "{broker_url}"
"""
_POSE_TOML: Final = """\
lat = {lat:.9f}
lon = {lon:.9f}
alt_m = {alt_m:.3f}
yaw_deg = {yaw:.4f}
pitch_deg = {pitch:.4f}
roll_deg = 0.0
"""
_NO_FILM: Final = """\
video = "{id}.mp4"          # not read by the demo; a real device's file or rtsp:// address\
"""
_FILM: Final = """\
video = "{video}"
telemetry = "{telemetry}"\
"""
_SURVEYED: Final = "as surveyed; the true pose is off by a draw from sigma"
_FLOWN: Final = "at the start; its pose comes with each picture, off by a draw from sigma"
_LOGGED: Final = "its pose comes from the telemetry; the true one is off by a draw from sigma"


class Film(NamedTuple):
    """What a drone took, as files beside its device file."""

    video: str
    telemetry: str


class WorldFiles(NamedTuple):
    """Where the world's files are."""

    sector: Path
    devices: tuple[Path, ...]


def write_world(folder: Path, *, broker_url: str) -> WorldFiles:
    """Write the sector, its layers and its devices; files already there are written anew.

    Raises:
        RefusedError: The folder cannot be written.
    """
    texts = {f"{site.device_id}.toml": device_text(site, broker_url) for site in SITES}
    write_texts(folder, {**sector_texts(), **texts})
    return WorldFiles(folder / SECTOR_FILE, tuple(folder / name for name in texts))


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files by their names.

    Raises:
        RefusedError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"{folder}: the demo world cannot be written there: {error.strerror}"
        raise RefusedError(msg) from error


def sector_texts() -> dict[str, str]:
    """Return the sector's files, by name."""
    return {
        SECTOR_FILE: _SECTOR_TOML,
        "border.geojson": _border(),
        "trails.geojson": _trails(),
        "zones.geojson": _zones(),
        "markers.geojson": _markers(),
    }


def device_text(site: Site, broker_url: str, film: Film | None = None) -> str:
    """Return a device's file; with a film it stands by itself, without one the demo draws."""
    pose = site.pose(0.0)
    sigma = site.sigma
    # The survey of the ground's height is off as well, by a draw of its own.
    ground_error_m = (
        site.ground_sigma_m * np.random.default_rng(site.seed + 1000).standard_normal()
    )
    mount = _FLOWN if site.stands is None else _SURVEYED
    return _DEVICE_TOML.format(
        id=site.device_id,
        sector=SECTOR_ID,
        kind=site.kind,
        source=(
            _NO_FILM.format(id=site.device_id) if film is None else _FILM.format(**film._asdict())
        ),
        imgsz=site.image_size,
        width=WIDTH_PX,
        height=HEIGHT_PX,
        focal=site.focal_px,
        mount=mount if film is None else _LOGGED,
        pose=(
            ""  # beside telemetry these would be offsets of the camera on its gimbal
            if film is not None
            else _POSE_TOML.format(
                lat=pose.lat,
                lon=pose.lon,
                alt_m=pose.alt_m,
                yaw=pose.yaw_deg,
                pitch=pose.pitch_deg,
            )
        ),
        position_m=sigma.position_m,
        sigma_alt_m=sigma.alt_m,
        sigma_yaw=sigma.yaw_deg,
        sigma_pitch=sigma.pitch_deg,
        sigma_roll=sigma.roll_deg,
        sigma_time="" if film is None else ", time_s = 0.0",  # film and log have one clock
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
