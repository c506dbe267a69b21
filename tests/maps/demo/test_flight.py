"""The drone's night as files: what its logs say, and where people found in its film are put."""

import json
import math
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest

from edge.command import main
from edge.config import DeviceConfig, load_device
from edge.detector import Detection
from edge.frames import open_source
from edge.ground import Ground
from edge.messages import DetectionsMessage, RefusedError, StatusMessage, decode
from edge.pipeline import run
from edge.telemetry import Quality, Telemetry, parse_telemetry, read_telemetry
from edge.telemetry.misb import write_klv
from edge.teller import Teller
from fusion.sector import load_sector
from maps.demo import flight as module
from maps.demo import footage_device
from maps.demo.flight import BEGAN_AT, FILM_HZ, LOG_HZ, FlightFiles, flown_samples, write_flight
from maps.demo.footage import make_sector
from maps.demo.landscape import GROUND_ALT_M, Point, place_of
from maps.demo.night import SEED
from maps.demo.score import DeviceScore
from maps.demo.view import Eye

LENGTH_S = 32.0  # the first group comes into the picture at 24 s
# Steps of ST 0601's 4-byte items over their ranges; a number read back is off by half a step.
LAT_STEP_DEG, LON_STEP_DEG, ANGLE_STEP_DEG = 180.0 / 2**32, 360.0 / 2**32, 360.0 / 2**32
ALT_STEP_M = 2.0**-15  # item 104, IMAPB in 4 bytes, which rounds down
HFOV_STEP_DEG = 180.0 / (2**16 - 1)


@pytest.fixture(scope="module")
def flown(tmp_path_factory, people_cache, figures) -> FlightFiles:
    """Return the files of a short flight over the first group."""
    del figures  # cut out once into the cache
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "cache_folder", lambda: people_cache)
        folder = tmp_path_factory.mktemp("flight")
        return write_flight(folder, length_s=LENGTH_S, broker_url="mqtt://127.0.0.1:1")


@pytest.fixture(scope="module")
def eye(flown) -> Eye:
    return Eye.of(load_device(flown.device))


class FoundOnce:
    """Sees one person in the middle of the first picture, nobody later."""

    def __init__(self, *_: object, **__: object) -> None:
        self._left = 1

    def detect(self, image) -> list[Detection]:
        height, width = image.shape[:2]
        box = (width / 2 - 20.0, height / 2 - 100.0, width / 2 + 20.0, height / 2)
        found = [Detection(bbox_px=box, label="person", confidence=0.9, track_id=1)] * self._left
        self._left = 0
        return found


class Kept:
    queue_depth = 0

    def __init__(self, *_: object, **__: object) -> None:
        self.messages: list[DetectionsMessage] = []

    def publish(self, message: DetectionsMessage) -> None:
        self.messages.append(message)

    def publish_status(self, message: StatusMessage) -> None:
        assert message.simulated

    def close(self, _within_s: float) -> int:
        return 0


def test_every_frame_of_the_film_has_the_pose_that_the_world_reports(eye) -> None:
    """Through KLV to half a step of each item, which is 5 mm on the ground.

    And to a microsecond of its clock: some steps of an angle that sways.
    """
    source = open_source(
        eye.config.source,
        clock=lambda: BEGAN_AT,
        fast=True,
        base=eye.config.base,
        start_at=BEGAN_AT,
        flight=eye.config.flight,
    )
    number = -1
    for number, frame in enumerate(source):
        assert frame.captured_at.seconds_since(BEGAN_AT) == pytest.approx(number / FILM_HZ)
        assert frame.flown.quality is Quality.FULL
        said, truth = frame.flown.pose, eye.site.pose(number / FILM_HZ)
        assert said.lat == pytest.approx(truth.lat, abs=0.51 * LAT_STEP_DEG)
        assert said.lon == pytest.approx(truth.lon, abs=0.51 * LON_STEP_DEG)
        assert said.alt_m == pytest.approx(truth.alt_m, abs=1.01 * ALT_STEP_M)
        for name in ("yaw_deg", "pitch_deg"):
            assert getattr(said, name) == pytest.approx(
                getattr(truth, name), abs=5.0 * ANGLE_STEP_DEG
            )
        assert (said.roll_deg + 180.0) % 360.0 == pytest.approx(180.0, abs=ANGLE_STEP_DEG)
        field_deg = 2.0 * math.degrees(math.atan(640.0 / 4500.0))
        assert frame.flown.hfov_deg == pytest.approx(field_deg, abs=0.51 * HFOV_STEP_DEG)
    assert number + 1 == LENGTH_S * FILM_HZ


def test_the_table_says_the_same_to_the_last_digit(flown, eye) -> None:
    log = read_telemetry(flown.table)
    assert len(log.samples) == LENGTH_S * LOG_HZ + 1
    assert log.counts() == {"full": len(log.samples)}
    for number, sample in enumerate(log.samples):
        assert log.at(sample.media_time_s).pose == eye.site.pose(number / LOG_HZ)
        assert sample.captured_at == BEGAN_AT.after(number / LOG_HZ)


def test_the_line_of_sight_in_the_log_agrees_with_its_angles(flown) -> None:
    log = read_telemetry(flown.klv)
    assert (log.skipped, log.notes) == ({}, ())
    for sample in log.samples:
        assert sample.frame_center.alt_m == pytest.approx(GROUND_ALT_M, abs=0.2)  # 2 bytes
        below, centre = (place_of(place.lat, place.lon) for place in (sample, sample.frame_center))
        level_m = math.hypot(centre.east_m - below.east_m, centre.north_m - below.north_m)
        down_m = sample.alt_m - GROUND_ALT_M
        assert sample.slant_m == pytest.approx(math.hypot(level_m, down_m), abs=0.05)
        assert math.degrees(math.atan2(down_m, level_m)) == pytest.approx(
            -sample.pitch_deg, abs=0.02
        )


def test_the_film_says_in_its_picture_that_it_is_made_up(flown) -> None:
    capture = cv2.VideoCapture(str(flown.film))
    picture = capture.read()[1]
    capture.release()
    assert (picture[16:44, 16:330].max(axis=2) > 150).mean() > 0.1
    assert (picture[200:, :].max(axis=2) > 150).mean() < 0.001


def logged(eye: Eye, *, until_s: float) -> Telemetry:
    """Return a flight as it comes back out of KLV."""
    data = write_klv(flown_samples(eye, began_at=BEGAN_AT, length_s=until_s))
    return parse_telemetry(data, Path("flight.klv"))


def test_people_lie_inside_the_claimed_ellipse_as_often_as_claimed(eye) -> None:
    """Over many nights, each with its own errors of pose, ground, height and box."""
    log = logged(eye, until_s=40.0)
    random = np.random.default_rng(7)
    config = msgspec.structs.replace(eye.config, flight=log)
    inside = []
    for night in range(250):
        shifted = eye._replace(site=eye.site._replace(seed=1000 + night))
        error_m = shifted.site.ground_sigma_m * random.standard_normal()
        ground = Ground(GROUND_ALT_M + error_m, shifted.site.ground_sigma_m)
        teller = Teller(msgspec.structs.replace(config, ground=ground), boot_id="b")
        score = DeviceScore(shifted, began_at=BEGAN_AT, seed=night)
        for media_s in random.integers(120, 200, 4) / FILM_HZ:
            teller.follow(log.at(float(media_s)))
            boxes = [
                # 0.5: a box is measured from the picture's corner, not from a pixel's centre.
                Detection(
                    bbox_px=tuple(np.add(one.box_px, 0.5) + random.normal(0.0, 4.0, 4)),
                    label="person",
                    confidence=0.9,
                    track_id=None,
                )
                for one in shifted.seen(float(media_s), seed=night)
            ]
            at = BEGAN_AT.after(float(media_s))
            score.take(teller.tell(boxes, at, size_px=(1280, 720)))
        if score.figures()["inside_90_ellipse"] is not None:
            inside.append(score.figures()["inside_90_ellipse"])
    assert len(inside) > 200
    assert 0.87 <= np.mean(inside) <= 0.94


def test_edge_run_finds_and_places_the_people_of_the_film(
    flown, eye, test_data, tmp_path, monkeypatch, capsys
) -> None:
    pytest.importorskip("openvino", reason="the shipped detector")
    monkeypatch.setenv("TUANBIEN_CACHE", str(tmp_path / "cache"))
    text = flown.device.read_text(encoding="utf-8")
    weights = test_data / "models" / "yolov8n.pt"
    device = flown.device.with_name("weighted.toml")
    device.write_text(text.replace('"yolov8n.pt"', f'"{weights}"'), encoding="utf-8")
    out = tmp_path / "messages.jsonl"
    words = ("--fast", "--start-at", BEGAN_AT.rfc3339(), "--out", str(out))
    assert main(["edge", "run", str(device), *words]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["frames"], done["frames_unposed"]) == (LENGTH_S * FILM_HZ, {})
    score = DeviceScore(eye, began_at=BEGAN_AT, seed=SEED)
    for line in out.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        message = decode(row["topic"], json.dumps(row["payload"]).encode())
        assert message.simulated, "the device file says so, without any --simulated"
        if isinstance(message, DetectionsMessage):
            score.take(message)
    figures = score.figures()
    assert figures["people_in_view"] > 50
    assert figures["detection_rate"] > 0.7
    assert figures["position_error_median_m"] < 1.0
    assert figures["inside_90_ellipse"] > 0.8


def test_the_users_drone_on_the_demos_map_is_placed_by_its_log(flown, monkeypatch) -> None:
    """`tuanbien demo --video` opened the film without its flight log, and placed nothing."""
    kept: list[Kept] = []
    monkeypatch.setattr("edge.detector.YoloDetector", FoundOnce)
    monkeypatch.setattr(
        footage_device, "MqttPublisher", lambda *_, **__: kept.append(Kept()) or kept[-1]
    )
    monkeypatch.setattr(footage_device.signal, "signal", lambda *_: None)
    monkeypatch.setattr(
        footage_device,
        "run",
        lambda *words, **more: run(*words, **more, most_frames=2),
    )
    words = ("--video", str(flown.film), "--broker", "mqtt://127.0.0.1:1")
    assert footage_device.main([str(flown.device), *words]) == 0
    first, _ = kept[0].messages
    assert len(first.detections) == 1
    assert first.sensor.alt_m is not None


def moved(config: DeviceConfig, **changes: float | None) -> DeviceConfig:
    """Return the device with something else in the second half of its log."""
    samples = config.flight.samples
    half = len(samples) // 3
    later = tuple(msgspec.structs.replace(row, **changes) for row in samples[half:])
    log = Telemetry(config.flight.path, config.flight.format, samples[:half] + later, {})
    return msgspec.structs.replace(config, flight=log, pose=log.middle_pose())


def test_the_line_made_up_for_a_drone_crosses_what_it_saw(eye, tmp_path) -> None:
    def middle_of_line(config: DeviceConfig, folder: Path) -> Point:
        sector = load_sector(make_sector(config, folder))
        (border,) = sector.layers["border"]["features"]
        (lon1, lat1), (lon2, lat2) = border["geometry"]["coordinates"]
        return place_of((lat1 + lat2) / 2.0, (lon1 + lon2) / 2.0)

    watched = eye.site.looks_at
    for name, config in (
        ("as flown", eye.config),
        ("later it looks at the sky", moved(eye.config, pitch_deg=20.0)),
        ("later its gimbal is silent", moved(eye.config, pitch_deg=None)),
    ):
        line = middle_of_line(config, tmp_path / name)
        assert math.hypot(line.east_m - watched.east_m, line.north_m - watched.north_m) < 1.0


def test_a_flight_without_a_whole_pose_gets_no_line(eye, tmp_path) -> None:
    rows = tuple(msgspec.structs.replace(row, yaw_deg=None) for row in eye.config.flight.samples)
    log = Telemetry(Path("flight.klv"), "MISB ST 0601", rows, {})
    config = msgspec.structs.replace(eye.config, flight=log)
    with pytest.raises(
        RefusedError, match=r"flight\.klv: no sample is a whole pose \(321 no_gimb"
    ):
        make_sector(config, tmp_path)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RefusedError, match=r"file: the demo world cannot be written there"):
        write_flight(tmp_path / "file", length_s=1.0, broker_url="mqtt://127.0.0.1:1")
