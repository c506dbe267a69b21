"""`tuanbien demo --flight`: the drone's night as files, to try a drone with telemetry on.

A film, what the drone believed of its pose as MISB ST 0601 KLV and as a CSV table, and the device
file that joins them. The film is drawn from the true pose, the logs tell the believed one, and
between the two lies the error that the device file declares: as for any drone that flies.
"""

import os
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np

from edge.camera import Camera, Pose, rays_enu
from edge.config import load_device
from edge.messages import RefusedError, UtcTime
from edge.telemetry.misb import write_klv
from edge.telemetry.samples import FrameCenter, Sample
from edge.telemetry.table import write_table
from edge.weights import cache_folder
from maps.demo.landscape import GROUND_ALT_M, latlon_of, place_of
from maps.demo.night import SEED
from maps.demo.people import load_figures
from maps.demo.render import Picture, Renderer
from maps.demo.run import say
from maps.demo.sites import SITES
from maps.demo.view import Eye
from maps.demo.world import SECTOR_FILE, Film, device_text, sector_texts, write_texts

FILM: Final = Film(video="simulated.mp4", telemetry="simulated.klv")
TABLE: Final = "simulated.csv"
BEGAN_AT: Final = UtcTime.parse("2026-03-14T16:40:00.000Z")  # 23:40 in the fictional sector
FILM_HZ: Final = 5.0
LOG_HZ: Final = 10.0
DEFAULT_MINUTES: Final = 3.0  # it watches one trail, flies over and watches the other
_MARK: Final = "SIMULATED / GIA LAP"  # OpenCV's letters have no accents
_SECONDS_A_MINUTE: Final = 60.0


class FlightFiles(NamedTuple):
    """Where they are."""

    sector: Path
    device: Path
    film: Path
    klv: Path
    table: Path


def run_flight(folder: Path, *, minutes: float, broker_url: str) -> int:
    """Write the flight and say what to do with it.

    Raises:
        RefusedError: The folder or the film cannot be written, or the people cannot be drawn.
    """
    files = write_flight(folder, length_s=minutes * _SECONDS_A_MINUTE, broker_url=broker_url)
    say(f"simulated: the film {files.film}, its flight log {files.klv}, the same as {files.table}")
    say(
        f"place its people by: tuanbien edge run {files.device} --fast "
        f"--start-at {BEGAN_AT.rfc3339()} --out {folder / 'messages.jsonl'}"
    )
    return 0


def write_flight(folder: Path, *, length_s: float, broker_url: str) -> FlightFiles:
    """Write the sector, and the drone with film and logs from the first second of the night on.

    Raises:
        RefusedError: The folder or the film cannot be written, or the people cannot be drawn.
    """
    (site,) = (site for site in SITES if site.stands is None)
    device = f"{site.device_id}.toml"
    files = FlightFiles(*(folder / name for name in (SECTOR_FILE, device, *FILM, TABLE)))
    # Without logs the device file cannot be loaded, and the logs tell what its camera sees.
    write_texts(folder, {**sector_texts(), device: device_text(site, broker_url)})
    eye = Eye.of(load_device(files.device))
    samples = flown_samples(eye, began_at=BEGAN_AT, length_s=length_s)
    _write_film(files.film, eye, length_s=length_s)
    try:
        files.klv.write_bytes(write_klv(samples))
    except OSError as error:
        msg = f"{files.klv}: {error.strerror}"
        raise RefusedError(msg) from error
    write_texts(folder, {TABLE: write_table(samples), device: device_text(site, broker_url, FILM)})
    return files


def flown_samples(eye: Eye, *, began_at: UtcTime, length_s: float) -> list[Sample]:
    """Return what a drone logs of its night, from its first second to `length_s`."""
    camera = eye.config.camera
    times_s = (number / LOG_HZ for number in range(round(length_s * LOG_HZ) + 1))
    return [_sample(camera, eye.site.pose(media_s), media_s, began_at) for media_s in times_s]


def _sample(camera: Camera, pose: Pose, media_s: float, began_at: UtcTime) -> Sample:
    """Tell one pose, and where its line of sight meets the ground as it lies in this world."""
    captured_at = began_at.after(media_s)
    middle = np.array([((camera.width_px - 1) / 2.0, (camera.height_px - 1) / 2.0)])
    (ray,) = rays_enu(middle, camera, pose)
    slant_m = (pose.alt_m - GROUND_ALT_M) / -float(ray[2])
    below = place_of(pose.lat, pose.lon)
    lat, lon = latlon_of(
        below.east_m + slant_m * float(ray[0]), below.north_m + slant_m * float(ray[1])
    )
    return Sample(
        media_time_s=media_s,
        captured_at=captured_at,
        clock_s=captured_at.timestamp(),
        **pose._asdict(),
        hfov_deg=float(np.degrees(2.0 * np.arctan(camera.width_px / 2.0 / camera.fx_px))),
        slant_m=slant_m,
        frame_center=FrameCenter(lat=lat, lon=lon, alt_m=GROUND_ALT_M),
    )


def _write_film(path: Path, eye: Eye, *, length_s: float) -> None:
    camera = eye.config.camera
    renderer = Renderer(eye, load_figures(cache_folder()), seed=SEED)
    kind = cv2.VideoWriter.fourcc(*"mp4v")
    writer = cv2.VideoWriter(os.fspath(path), kind, FILM_HZ, (camera.width_px, camera.height_px))
    try:
        if not writer.isOpened():
            msg = f"{path}: this OpenCV cannot write an MPEG-4 film there"
            raise RefusedError(msg)
        for number in range(round(length_s * FILM_HZ)):
            writer.write(marked(renderer.picture(number / FILM_HZ)))
    finally:
        writer.release()


def marked(picture: Picture) -> Picture:
    """Write into a picture's corner, in place, that it is made up; return it."""
    where, white = (16, 40), (230, 230, 230)
    cv2.putText(picture, _MARK, where, cv2.FONT_HERSHEY_SIMPLEX, 1.0, white, 2, cv2.LINE_AA)
    return picture
