"""Where a device's lens stands and what ground it looks at, from the tables of its file.

Errors are `ValueError`s that name the field; `edge.config` adds the file.
"""

import math
from pathlib import Path
from typing import Final

from edge.camera import Pose
from edge.device_file import GroundConfig, MountConfig, SourceConfig
from edge.geoid import undulation_m
from edge.ground import Ground, GroundModel
from edge.messages import RefusedError
from edge.telemetry import Mounting, Telemetry, read_telemetry

# One sigma of the ground's height where the file says none: of a survey, of an elevation model.
_FLAT_SIGMA_M: Final = 2.0
_DEM_SIGMA_M: Final = 5.0
# Nobody mounts a camera so far askew on its gimbal: it is a pose in the wrong place.
_MOST_OFFSET_DEG: Final = 30.0


def mounted(mount: MountConfig) -> Pose:
    """Return the pose of what stands still."""
    lat, lon = place_of(mount)
    for field in ("gimbal", "takeoff_alt_m", "takeoff_alt_msl_m"):
        if getattr(mount, field) is not None:
            msg = f"mount.{field} adds to source.telemetry, and there is none"
            raise ValueError(msg)
    alt_m = ellipsoidal("mount", mount.alt_m, mount.alt_msl_m, lat=lat, lon=lon)
    return Pose(lat, lon, alt_m, *mount.angles_deg)


def place_of(mount: MountConfig) -> tuple[float, float]:
    """Return the latitude and longitude of what stands still."""
    if mount.lat is None or mount.lon is None:
        msg = f"mount.{'lat' if mount.lat is None else 'lon'} is missing"
        raise ValueError(msg)
    return mount.lat, mount.lon


def flown(path: Path, source: SourceConfig, mount: MountConfig) -> tuple[Telemetry, Pose]:
    """Read what was flown; return it and the pose that `check` and `locate` stand at.

    The place and height of [mount] mean nothing then: the log says where the lens was.
    """
    offset_deg = mount.angles_deg
    for name, part_deg in zip(("yaw_deg", "pitch_deg", "roll_deg"), offset_deg, strict=True):
        if abs(part_deg) > _MOST_OFFSET_DEG:
            msg = (
                f"mount.{name} = {part_deg} would turn the camera on its gimbal, because "
                f"source.telemetry gives the pose; more than {_MOST_OFFSET_DEG:g} is no offset "
                "(mount.gimbal is for angles that a log lacks)"
            )
            raise ValueError(msg)
    try:
        log = read_telemetry(path)
        place = log.middle_pose()
    except RefusedError as error:
        msg = f"source.telemetry: {error}"
        raise ValueError(msg) from error
    takeoff_alt_m, fixed = None, mount.gimbal
    if mount.takeoff_alt_m is not None or mount.takeoff_alt_msl_m is not None:
        takeoff_alt_m = ellipsoidal(
            "mount.takeoff",
            mount.takeoff_alt_m,
            mount.takeoff_alt_msl_m,
            lat=place.lat,
            lon=place.lon,
        )
    flight = log.mounted(
        Mounting(
            offset_deg=offset_deg,
            fixed_deg=None if fixed is None else (fixed.yaw_deg, fixed.pitch_deg, fixed.roll_deg),
            takeoff_alt_m=takeoff_alt_m,
            begins_s=source.telemetry_offset_s,
        )
    )
    return flight, flight.middle_pose()


def ground_under(base: Path, ground: GroundConfig, lens: Pose, lens_alt_m: float) -> GroundModel:
    """Open the elevation model or level the ground; the lens must be above it."""
    if ground.dem is None:
        if ground.dem_heights is not None:
            msg = "ground.dem_heights says what ground.dem counts from, and there is no ground.dem"
            raise ValueError(msg)
        alt_m = ellipsoidal("ground", ground.alt_m, ground.alt_msl_m, lat=lens.lat, lon=lens.lon)
        if lens_alt_m <= alt_m:
            name, number = (
                ("alt_m", ground.alt_m)
                if ground.alt_msl_m is None
                else ("alt_msl_m", ground.alt_msl_m)
            )
            msg = (
                f"ground.{name} = {number} is not below the lens: above the ellipsoid it is "
                f"ground.alt_m = {alt_m:.2f}, and the lens mount.alt_m = {lens_alt_m:.2f}"
            )
            raise ValueError(msg)
        return Ground(alt_m, flat_sigma_m(ground))
    if ground.alt_m is not None or ground.alt_msl_m is not None:
        msg = "ground needs one height: alt_m, alt_msl_m or dem"
        raise ValueError(msg)
    from edge.terrain import Terrain  # noqa: PLC0415 - heavy, and flat ground does without

    try:
        terrain = Terrain.open(
            base / ground.dem,
            sigma_m=_DEM_SIGMA_M if ground.sigma_m is None else ground.sigma_m,
            heights=ground.dem_heights or "msl",
        )
        under_m = float(terrain.alt_m_at(lat=[lens.lat], lon=[lens.lon])[0])
    except RefusedError as error:
        msg = f"ground.dem: {error}"
        raise ValueError(msg) from error
    if math.isnan(under_m):
        msg = (
            f"ground.dem = {ground.dem!r} has no height at latitude {lens.lat}, "
            f"longitude {lens.lon}, where the lens is"
        )
        raise ValueError(msg)
    if lens_alt_m <= under_m:
        msg = (
            f"the lens at {lens_alt_m:.2f} m above the ellipsoid is not above the ground, which "
            f"ground.dem = {ground.dem!r} puts at {under_m:.2f} m there"
        )
        raise ValueError(msg)
    return terrain


def flat_sigma_m(ground: GroundConfig) -> float:
    """Return one sigma of the height of flat ground."""
    return _FLAT_SIGMA_M if ground.sigma_m is None else ground.sigma_m


def ellipsoidal(
    table: str, alt_m: float | None, alt_msl_m: float | None, *, lat: float, lon: float
) -> float:
    """Return the height above the ellipsoid; the geoid is taken under the lens."""
    if alt_m is not None and alt_msl_m is not None:
        msg = f"{table} needs one height: alt_m or alt_msl_m, and not both"
        raise ValueError(msg)
    if alt_m is not None:
        return alt_m
    if alt_msl_m is None:
        msg = f"{table}.alt_m is missing"
        raise ValueError(msg)
    try:
        return alt_msl_m + float(undulation_m(lat=lat, lon=lon))
    except RefusedError as error:
        msg = f"{table}.alt_msl_m = {alt_msl_m}: {error}"
        raise ValueError(msg) from error
