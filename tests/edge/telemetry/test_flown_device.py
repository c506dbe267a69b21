"""A drone's recording with its flight log: device file, frames, messages, commands."""

import json
import math
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pymap3d
import pytest

from edge.command import main
from edge.config import DeviceConfig, DeviceConfigError, load_device
from edge.detector import Detection
from edge.frames import Image, open_source
from edge.messages import DetectionsMessage, StatusMessage
from edge.pipeline import Pipeline, RunSummary, run
from edge.telemetry.table import write_table
from edge.view import LENS_BELOW

KEYS = {
    *("media_time_s", "captured_at", "lat", "lon", "alt_m"),
    *("yaw_deg", "pitch_deg", "roll_deg", "hfov_deg", "quality"),
}
NO_MOUNT = (
    "lat = 22.5\nlon = 104.0\nalt_m = 1008.0\nyaw_deg = 30.0\npitch_deg = -25.0\nroll_deg = 0.0\n"
)


class Walker:
    """A detector that always sees a person in the middle of the picture."""

    def detect(self, image: Image) -> list[Detection]:
        height, width = image.shape[:2]
        foot = (width / 2.0 - 10.0, height / 2.0 - 60.0, width / 2.0 + 10.0, height / 2.0)
        return [Detection(bbox_px=foot, label="person", confidence=0.9, track_id=1)]


class Kept:
    queue_depth = 0

    def __init__(self) -> None:
        self.messages: list[DetectionsMessage] = []
        self.statuses: list[StatusMessage] = []

    def publish(self, message: DetectionsMessage) -> None:
        self.messages.append(message)

    def publish_status(self, message: StatusMessage) -> None:
        self.statuses.append(message)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Four seconds of film at 5 pictures a second."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (768, 576))
    for number in range(20):
        writer.write(np.full((576, 768, 3), 10 * number, dtype=np.uint8))
    writer.release()
    return path


@pytest.fixture
def fly(write_device, clip, tmp_path) -> Callable[..., DeviceConfig]:
    """Return a function that loads a drone whose log has a content."""

    def load(content: bytes | str, *, mount: str = "", source: str = "") -> DeviceConfig:
        data = content.encode() if isinstance(content, str) else content
        (tmp_path / "flight.log").write_bytes(data)
        return load_device(
            write_device(
                ('"clip.avi"', f'"{clip}"\ntelemetry = "flight.log"\n{source}'),
                (NO_MOUNT, mount),
                ('kind = "camera"', 'kind = "drone"'),
            )
        )

    return load


def work(config: DeviceConfig, noon) -> tuple[RunSummary, Kept]:
    sink = Kept()
    source = open_source(
        config.source,
        clock=lambda: noon,
        fast=True,
        base=config.base,
        start_at=noon,
        flight=config.flight,
    )
    done = run(config, source, Walker(), sink, clock=lambda: noon, stop=threading.Event())
    return done, sink


def test_every_frame_is_placed_by_its_own_pose(fly, flight, noon) -> None:
    config = fly(write_table(flight))
    done, sink = work(config, noon)
    assert (done.frames, done.detections, done.frames_unposed) == (20, 20, {})
    for message in sink.messages:
        pose = config.flight.at(message.captured_at.seconds_since(noon)).pose
        assert (message.sensor.lat, message.sensor.lon) == pytest.approx((pose.lat, pose.lon))
        (found,) = message.detections
        east_m, north_m, _ = pymap3d.geodetic2enu(
            found.lat, found.lon, 1000.0, pose.lat, pose.lon, 1000.0
        )
        bearing = math.degrees(math.atan2(east_m, north_m)) % 360.0
        assert (bearing - pose.yaw_deg + 180.0) % 360.0 == pytest.approx(180.0, abs=0.2)
    assert sink.statuses[0].footprint is None, "before its first frame nobody knows what it sees"


def test_a_film_longer_than_its_log_places_nothing_beyond_it(fly, flight, noon) -> None:
    done, sink = work(fly(write_table(flight[:4])), noon)  # until 1.5 s, held for 0.5 s
    beyond = done.frames_unposed["beyond_end"]
    assert done.frames_unposed == {"beyond_end": beyond}
    assert 8 <= beyond <= 10
    assert done.dropped == {"beyond_end": beyond}
    assert [len(message.detections) for message in sink.messages] == [1] * (20 - beyond) + [
        0
    ] * beyond


def test_without_gimbal_angles_nothing_is_placed_and_the_reason_counted(fly, flight, noon) -> None:
    blind = [msgspec.structs.replace(row, yaw_deg=None, pitch_deg=None) for row in flight]
    done, sink = work(fly(write_table(blind)), noon)
    assert (done.detections, done.dropped) == (0, {"no_gimbal": 20})
    assert done.frames_unposed == {"no_gimbal": 20}
    assert sink.messages[3].sensor.lat == pytest.approx(flight[0].lat, abs=0.001)


def test_fixed_angles_must_be_said_and_then_hold(fly, flight, noon) -> None:
    blind = [msgspec.structs.replace(row, yaw_deg=None, pitch_deg=None) for row in flight]
    config = fly(write_table(blind), mount="gimbal = { yaw_deg = 0.0, pitch_deg = -90.0 }\n")
    done, sink = work(config, noon)
    assert done.detections == 20
    (found,) = sink.messages[0].detections
    assert (found.lat, found.lon) == pytest.approx((flight[0].lat, flight[0].lon), abs=2e-6)


def test_a_height_above_the_take_off_needs_the_take_offs_height(fly, flight, noon) -> None:
    rows = [msgspec.structs.replace(row, alt_m=None, rel_alt_m=120.0) for row in flight]
    done, _ = work(fly(write_table(rows)), noon)
    assert done.frames_unposed == {"no_altitude": 20}
    done, sink = work(fly(write_table(rows), mount="takeoff_alt_m = 1000.0\n"), noon)
    assert done.detections == 20
    assert sink.messages[0].sensor.alt_m == 1120.0


def test_a_zoom_in_the_log_narrows_the_view(fly, flight, noon) -> None:
    config = fly(write_table(flight))
    pipeline = Pipeline(config, Walker(), boot_id="b1")
    pipeline.follow(config.flight.at(0.0)._replace(hfov_deg=10.0))
    assert pipeline.camera.fx_px == pytest.approx(384.0 / math.tan(math.radians(5.0)))
    assert pipeline.camera.fy_px == pytest.approx(pipeline.camera.fx_px)
    status = pipeline.status(now=noon, fps=5.0, frame_age_s=0.1, queue_depth=0, number=1)
    assert status.footprint is not None


def test_locate_and_check_see_through_the_zoom_of_the_log(fly, flight, capsys) -> None:
    """A log of 5 degrees in a file of 57: `locate` was 104 m off, and claimed 22."""
    zoomed = fly(write_table([msgspec.structs.replace(row, hfov_deg=5.0) for row in flight]))
    assert main(["edge", "check", str(zoomed.path), "--no-video"]) == 0
    assert json.loads(capsys.readouterr().out)["camera"]["hfov_deg"] == pytest.approx(5.0)
    places = []
    for u in ("383.5", "700"):
        assert main(["edge", "locate", str(zoomed.path), u, "287.5"]) == 0
        places.append(json.loads(capsys.readouterr().out))
    apart_m = (
        math.hypot((places[1]["lat"] - places[0]["lat"]), places[1]["lon"] - places[0]["lon"])
        * 111_000.0
    )
    off_axis_deg = 5.0 * (700.0 - 383.5) / 768.0
    assert apart_m == pytest.approx(places[0]["slant_m"] * math.radians(off_axis_deg), rel=0.15)


def test_a_lens_below_the_ground_is_said_to_be_there(fly, flight, noon, capsys) -> None:
    """By its own height a drone flew 84 m under the coast: all were "above the horizon"."""
    buried = fly(write_table([msgspec.structs.replace(row, alt_m=900.0) for row in flight]))
    done, _ = work(buried, noon)
    assert done.dropped == {LENS_BELOW: 20}
    assert main(["edge", "locate", str(buried.path), "383.5", "287.5"]) == 1
    assert "a lens that is not above the ground" in capsys.readouterr().err


def test_the_film_may_begin_later_than_its_log(fly, flight) -> None:
    config = fly(write_table(flight), source="telemetry_offset_s = 30.0\n")
    assert config.flight.at(0.0).lat == pytest.approx(flight[60].lat)


@pytest.mark.parametrize(
    ("mount", "named"),
    [
        ("pitch_deg = -45.0\n", ("mount.pitch_deg", "-45", "mount.gimbal")),
        ("gimbal = { yaw_deg = 0.0 }\n", ("mount.gimbal", "pitch_deg")),
        ("takeoff_alt_m = 1.0\ntakeoff_alt_msl_m = 1.0\n", ("mount.takeoff", "one height")),
    ],
)
def test_a_mount_that_cannot_be_a_gimbals_is_refused(fly, flight, mount, named) -> None:
    with pytest.raises(DeviceConfigError) as refusal:
        fly(write_table(flight), mount=mount)
    assert all(word in str(refusal.value) for word in named), refusal.value


@pytest.mark.parametrize("content", ["", "no telemetry at all", "media_time_s,yaw_deg\n0,1\n"])
def test_a_log_that_tells_no_place_is_refused_by_name(fly, content) -> None:
    with pytest.raises(DeviceConfigError, match=r"device\.toml: source\.telemetry: .*flight\.log"):
        fly(content)


def test_check_says_what_the_log_is_like(fly, flight, capsys) -> None:
    config = fly(write_table(flight))
    assert main(["edge", "check", str(config.path), "--no-video"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["telemetry"]["samples"] == {"full": 120}
    assert said["pose"]["lat"] == flight[60].lat


def test_a_flight_that_never_has_a_pose_cannot_locate(fly, flight, capsys) -> None:
    config = fly(write_table([msgspec.structs.replace(row, yaw_deg=None) for row in flight]))
    assert main(["edge", "locate", str(config.path), "383", "287"]) == 1
    assert "no sample is a whole pose (120 no_gimbal)" in capsys.readouterr().err


def read_lines(capsys, path: Path, *words: str) -> list[dict[str, object]]:
    assert main(["edge", "telemetry", str(path), *words]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_command_prints_the_contracts_keys_and_no_others(tmp_path, flight, capsys) -> None:
    path = tmp_path / "flight.csv"
    path.write_text(write_table([flight[0], msgspec.structs.replace(flight[1], yaw_deg=None)]))
    first, second = read_lines(capsys, path)
    assert first.keys() == second.keys() == KEYS
    assert (first["quality"], first["captured_at"]) == ("full", "2026-03-14T03:00:00.000Z")
    assert (second["quality"], second["yaw_deg"]) == ("no_gimbal", None)


def test_of_misb_it_also_prints_slant_range_and_frame_centre(tmp_path, bare_klv, capsys) -> None:
    path = tmp_path / "flight.klv"
    path.write_bytes(bare_klv)
    assert read_lines(capsys, path)[0].keys() == KEYS | {"slant_m", "frame_center"}


def test_the_zone_of_a_subtitles_clock_can_be_given(tmp_path, capsys) -> None:
    path = tmp_path / "clip.SRT"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\n2026-03-14 10:00:00.5\n[latitude: 1.0]\n")
    path.write_text(path.read_text() + "[longitude: 2.0] [rel_alt: 3.0]\n")
    assert read_lines(capsys, path)[0]["captured_at"] is None
    (line,) = read_lines(capsys, path, "--zone", "Asia/Ho_Chi_Minh")
    assert line["captured_at"] == "2026-03-14T03:00:00.500Z"


def test_what_is_no_telemetry_is_one_sentence_and_exit_1(tmp_path, capsys) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n")
    assert main(["edge", "telemetry", str(path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"tuanbien edge: {path}: no telemetry that we know")
