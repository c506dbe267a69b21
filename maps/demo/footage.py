"""`tuanbien demo --video`: the user's own footage through the whole chain."""

import json
import time
from collections.abc import Iterator
from math import hypot
from pathlib import Path
from typing import Final

import numpy as np

from edge.camera import Camera, Pose
from edge.config import DeviceConfig, load_device
from edge.georeference import place
from edge.messages import RefusedError
from edge.telemetry import Quality
from fusion.local_frame import LocalFrame
from maps.demo.chain import Plan, folder_for, run_folder_in, running_chain
from maps.demo.run import interruptible, say

_LINE_HALF_M: Final = 150.0
# How far down the picture the made-up line crosses it: the first of these that is on the ground.
_ROWS: Final = (0.5, 0.6, 0.7, 0.8, 0.9)
_MOST_VIEWS: Final = 50  # of a flight, until one is steep enough
_LOOK_EVERY_S: Final = 0.5
_SECTOR_TOML: Final = """\
# A line made up across the view of {device}, to try its footage. Written by `tuanbien demo`.
[sector]
id = "{sector}"
name = "{sector}"
timezone = "Asia/Ho_Chi_Minh"

[layers]
border = "border.geojson"
"""


def run_footage(
    *, video: Path, device: Path, sector: Path | None, data: Path | None, port: int
) -> int:
    """Show what the chain makes of a video until told to stop.

    Raises:
        RefusedError: A file is missing or wrong, or a process does not come up.
    """
    config = load_device(device)
    if not video.exists():
        msg = f"{video}: there is no such video"
        raise RefusedError(msg)
    with interruptible(), folder_for(data) as folder:
        run_folder = run_folder_in(folder)
        sector_file = sector or make_sector(config, run_folder)
        plan = Plan(sector_file, run_folder, port, clock_offset_s=0.0)
        with running_chain(plan, say=say) as chain:
            if chain.sector.id != config.sector:
                msg = (
                    f"{device}: device.sector is {config.sector!r}, "
                    f"that of {sector_file} is {chain.sector.id!r}"
                )
                raise RefusedError(msg)
            chain.wait_until_live()
            words = (str(device), "--video", str(video.resolve()), "--broker", chain.broker_url)
            child = chain.children.start_module(
                "edge", "maps.demo.footage_device", *words, lasting=False
            )
            say(f"open {chain.page_url}/ in a browser; Ctrl-C ends; logs in {chain.children.logs}")
            while child.process.poll() is None:
                chain.children.check()
                time.sleep(_LOOK_EVERY_S)
            chain.children.check()
            say("the footage is over; the map stays until Ctrl-C")
            while True:
                chain.children.check()
                time.sleep(_LOOK_EVERY_S)
    return 0


def make_sector(config: DeviceConfig, folder: Path) -> Path:
    """Write a sector whose line runs across the middle of the device's view, home this side.

    Raises:
        RefusedError: The device sees no ground, or the folder cannot be written.
    """
    ends = _across_the_view(config)
    frame = LocalFrame(lat=ends[0][0], lon=ends[0][1])
    first, last = (frame.to_metres(lat=lat, lon=lon) for lat, lon in ends)
    east_m, north_m = last[0] - first[0], last[1] - first[1]
    length_m = hypot(east_m, north_m)
    middle = ((first[0] + last[0]) / 2.0, (first[1] + last[1]) / 2.0)
    reach = max(_LINE_HALF_M / length_m, 1.0)
    lonlats = []
    for side in (-reach, reach):
        lat, lon = frame.to_wgs84(middle[0] + side * east_m, middle[1] + side * north_m)
        lonlats.append([lon, lat])
    feature = {
        "type": "Feature",
        # From the picture's left to its right the camera's own side is on the right.
        "properties": {"id": "made-up", "home_side": "right"},
        "geometry": {"type": "LineString", "coordinates": lonlats},
    }
    collection = {"type": "FeatureCollection", "features": [feature]}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "border.geojson").write_text(json.dumps(collection), encoding="utf-8")
        path = folder / "sector.toml"
        text = _SECTOR_TOML.format(device=config.device_id, sector=config.sector)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"{folder}: cannot be written: {error.strerror}"
        raise RefusedError(msg) from error
    say(f"no sector given: a line was made up across the view of {config.device_id} ({path})")
    return path


def _across_the_view(config: DeviceConfig) -> tuple[tuple[float, float], tuple[float, float]]:
    for camera, pose in _views(config):
        for row in _ROWS:
            pixels = np.array([(0.25, row), (0.75, row)]) * (camera.width_px, camera.height_px)
            left, right = place(
                pixels,
                camera,
                pose,
                config.pose_sigma,
                config.ground,
                pixel_sigma_px=config.detector.pixel_sigma,
            )
            if left is not None and right is not None and not (left.grazing or right.grazing):
                return (left.lat, left.lon), (right.lat, right.lon)
    msg = f"{config.path}: the middle and lower parts of its view see no ground steeply enough"
    raise RefusedError(msg)


def _views(config: DeviceConfig) -> Iterator[tuple[Camera, Pose]]:
    """Yield how the device looks; of a flight some whole poses, those of its middle first."""
    flight = config.flight
    if flight is None:
        yield config.camera, config.pose
        return
    whole = [sample for sample in flight.samples if sample.quality is Quality.FULL]
    if not whole:
        lacks = ", ".join(f"{count} {name}" for name, count in flight.counts().items())
        msg = f"{flight.path}: no sample is a whole pose ({lacks}), so no line can be made up"
        raise RefusedError(msg)
    spread = whole[:: max(1, len(whole) // _MOST_VIEWS)]
    middle_s = whole[len(whole) // 2].media_time_s
    for sample in sorted(spread, key=lambda one: abs(one.media_time_s - middle_s)):
        flown = flight.at(sample.media_time_s)
        if flown.pose is not None:
            yield flown.camera(config.camera), flown.pose
