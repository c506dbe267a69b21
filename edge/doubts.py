"""What in a device file may be right, and hardly is: sentences for whoever mounts the device.

Nothing here is refused. A camera may stand abroad, look up or hang on a mast of 300 metres; but a
technician who meant something else should read it before the night and not after it.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from edge.camera import Camera, field_of_view_deg
from edge.config import DeviceConfig, read_device_file
from edge.device_file import DeviceFile
from edge.distortion import FISHEYE
from edge.ground import Ground
from edge.messages import SensorKind
from edge.survey import hole_under
from edge.telemetry import Telemetry

_VIETNAM_LAT: Final = (8.0, 24.0)
_VIETNAM_LON: Final = (102.0, 110.0)
# Higher, a camera that does not fly hangs on no mast; lower, on nothing.
_HIGHEST_M: Final = 150.0
_LOWEST_M: Final = 1.5
# A lens sits in the middle of its sensor, whose pixels are square, but for a few hundredths.
_OFF_MIDDLE: Final = 0.1
_NOT_SQUARE: Final = 0.1
# Of a lens that is no fisheye, and of any: more or less is a focal length in other units.
_WIDEST_DEG: Final = 150.0
_NARROWEST_DEG: Final = 0.5
# Rays that are followed to see whether the elevation model has holes.
_LOOKS_ACROSS: Final = 7
_LOOKS_DOWN: Final = 5
_STILL_DEG: Final = 2e-6
_SHORT_S: Final = 1.0


def doubts(config: DeviceConfig, said: dict[str, Any], *, film_s: float | None) -> list[str]:
    """Return a sentence for each.

    Args:
        config: The device.
        said: What `edge.survey.summary` says of it.
        film_s: How long its recording is; None: unknown, or none.
    """
    file = read_device_file(config.path)
    found = [*_place(config), *_attitude(config, file, said), *_height(config, said["height_m"])]
    found += _sigmas(file)
    if config.flight is not None:
        found += _flight(config.flight, config, film_s)
    elif config.kind is SensorKind.DRONE:
        found.append(
            "device.kind is drone and source.telemetry is missing: every picture is placed by one "
            "pose, as if it stood still"
        )
    found += _camera(config.camera)
    found += _holes(config)
    share = said["camera"]["described_share"]
    if share is not None and share < 1.0:
        found.append(
            f"camera.distortion describes {share:.0%} of the picture: the rest places nothing"
        )
    return found


def _place(config: DeviceConfig) -> Iterator[str]:
    pose = config.pose
    south, north = _VIETNAM_LAT
    west, east = _VIETNAM_LON
    if south <= pose.lat <= north and west <= pose.lon <= east:
        return
    words = f"the device stands at latitude {pose.lat:.4f}, longitude {pose.lon:.4f}, "
    if south <= pose.lon <= north and west <= pose.lat <= east:
        yield words + "which is in Viet Nam with the two swapped"
    else:
        yield words + (
            f"outside Viet Nam ({south:g} to {north:g} north, {west:g} to {east:g} east)"
        )


def _attitude(config: DeviceConfig, file: DeviceFile, said: dict[str, Any]) -> Iterator[str]:
    if config.flight is None and config.plane is None:
        for name in ("yaw_deg", "pitch_deg"):
            if getattr(file.mount, name) is None:
                yield f"mount.{name} is missing and taken as 0: measure it"
        if config.pose.pitch_deg > 0.0:
            yield (
                f"mount.pitch_deg = {config.pose.pitch_deg:g} looks up: below the horizon it is "
                "negative"
            )
    if said["footprint"] is None:
        yield "the picture shows no ground, so nothing can be placed: look at pitch and heights"
    elif not any(sight["in_picture"] for sight in said["sights"]):
        ranges = ", ".join(f"{sight['range_m']:g}" for sight in said["sights"])
        yield f"straight ahead, none of the distances {ranges} m is in the picture"


def _camera(camera: Camera) -> Iterator[str]:
    size = camera.width_px, camera.height_px
    for name, at_px, side_px in zip(("cx", "cy"), (camera.cx_px, camera.cy_px), size, strict=True):
        off = abs(at_px - (side_px - 1) / 2.0) / side_px
        if off > _OFF_MIDDLE:
            yield (
                f"camera.{name} = {at_px:g} is {off:.0%} of the picture's side off its middle: is "
                "it of another size of the picture, or are cx and cy swapped?"
            )
    hfov_deg = field_of_view_deg(camera)[0]
    too_wide = camera.model != FISHEYE and hfov_deg > _WIDEST_DEG
    if too_wide or hfov_deg < _NARROWEST_DEG:  # neither of an angle that is not known, NaN
        yield (
            f"camera.fx = {camera.fx_px:g} px comes to a field of view of {hfov_deg:.1f} degrees: "
            "is fx in mm? It is the focal length in pixels"
        )
    stretch = camera.fy_px / camera.fx_px
    if abs(stretch - 1.0) > _NOT_SQUARE:
        yield (
            f"camera.fx = {camera.fx_px:.0f} and fy = {camera.fy_px:.0f} differ by "
            f"{abs(stretch - 1.0):.0%}: hardly a sensor's pixels are not square"
        )


def _holes(config: DeviceConfig) -> Iterator[str]:
    camera = config.camera_there
    across = (np.arange(_LOOKS_ACROSS) + 0.5) / _LOOKS_ACROSS * camera.width_px - 0.5
    down = (np.arange(_LOOKS_DOWN) + 0.5) / _LOOKS_DOWN * camera.height_px - 0.5
    holes = [hole_under(config, np.array([[u, v]])) for v in down for u in across]
    known = [hole for hole in holes if hole is not None]
    if known:
        yield (
            f"{min(known)[1]}, and so under {len(known)} of {len(holes)} rays across the picture: "
            "nothing is placed there"
        )


def _height(config: DeviceConfig, height_m: float | None) -> Iterator[str]:
    if height_m is None or config.kind is SensorKind.DRONE:
        return
    if height_m > _HIGHEST_M:
        yield (
            f"the lens is {height_m:.0f} m above the ground: is one of the two heights above the "
            "sea (alt_msl_m) and the other above the ellipsoid (alt_m)?"
        )
    if height_m < _LOWEST_M:
        yield f"the lens is only {height_m:.1f} m above the ground"


def _sigmas(file: DeviceFile) -> Iterator[str]:
    """Point out what is claimed to be exact, and is measured all the same."""
    sigma = file.mount.sigma
    if sigma is None:
        return
    exact = [name for name in ("yaw_deg", "pitch_deg", "alt_m") if getattr(sigma, name) == 0.0]
    if exact:
        yield f"mount.sigma claims that {', '.join(exact)} is exact (0): nothing measured is"


def _flight(flight: Telemetry, config: DeviceConfig, film_s: float | None) -> Iterator[str]:
    counts, count = flight.counts(), len(flight.samples)
    lacks = [f"{number} {quality}" for quality, number in counts.items() if quality != "full"]
    if lacks:
        yield (f"{flight.path}: of {count} samples nothing can be placed at {', '.join(lacks)}")
    if isinstance(config.ground, Ground):
        ground_m = config.ground.alt_m
        below = [row for row in flight.samples if row.alt_m is not None and row.alt_m <= ground_m]
        if below:
            lowest_m = min(row.alt_m for row in below if row.alt_m is not None)
            yield (
                f"{flight.path}: the lens is at or below the ground in {len(below)} of {count} "
                f"samples (down to {lowest_m:.0f} m, the ground being at {ground_m:.0f} m): say "
                "mount.takeoff_alt_m, and the log's height above the take-off counts"
            )
    if any(row.alt_sigma_m > 0.0 for row in flight.samples):
        yield (
            f"{flight.path}: its heights come from the air's pressure and are tens of metres off, "
            "which every position's error says: mount.takeoff_alt_m mends it"
        )
    places = [(row.lat, row.lon) for row in flight.samples if row.lat is not None]
    if len(places) > 1 and all(
        abs(lat - places[0][0]) < _STILL_DEG
        and abs((lon or 0.0) - (places[0][1] or 0.0)) < _STILL_DEG
        for lat, lon in places
        if lat is not None and places[0][0] is not None
    ):
        yield f"{flight.path}: the place never changes: did the receiver have a fix?"
    if film_s is not None:
        begins_s, ends_s = flight.samples[0].media_time_s, flight.samples[-1].media_time_s
        if begins_s > _SHORT_S:
            yield f"{flight.path}: begins {begins_s:.1f} s after the film, unposed until then"
        if film_s - ends_s > _SHORT_S:
            yield (
                f"{flight.path}: ends {film_s - ends_s:.1f} s before the film, which has no pose "
                "from there on"
            )
