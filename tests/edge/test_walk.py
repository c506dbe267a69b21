"""What a patrol that walks through the view teaches a camera, and what it cannot."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.calibration.claim import device_sigma
from edge.calibration.fitted_file import toml_text
from edge.calibration.recording import NO_LINE, NO_MESSAGE, OTHER_SECTOR
from edge.calibration.refusals import CalibrationError
from edge.calibration.walk import R68_PER_SIGMA, WANDER_S, WANDER_SHARE, wander_sigma_m
from edge.calibration.walk_fit import learn
from edge.camera import PoseSigma
from edge.command import main
from edge.config import load_device
from edge.ground import Ground
from tests.benchmarks.bench_calibration import CAMERA, SEED
from tests.benchmarks.bench_walk import (
    ACCURACY_M,
    DEVICE,
    GROUND,
    SIGMA,
    Scene,
    angles_inside,
    make_scene,
    misses,
    read,
)

WriteDevice = Callable[..., Path]


def median_miss_m(scene: Scene) -> tuple[float, float]:
    """Return how far the camera places people off before and after its lesson."""
    known, lesson = scene.known, learn(scene.known, read(scene))
    before, _ = misses(scene, CAMERA, known.pose, known.sigma, known.ground)
    after, _ = misses(
        scene,
        CAMERA,
        lesson.done.pose,
        device_sigma(lesson.done),
        lesson.fitted_ground(GROUND),
    )
    return float(np.median(before)), float(np.median(after))


def test_a_camera_that_looks_four_degrees_elsewhere_finds_that_out() -> None:
    before_m, after_m = [], []
    for seed in range(SEED, SEED + 4):
        scene = make_scene(seed, off_deg=(4.0, -2.0), minutes=6.0)
        before, after = median_miss_m(scene)
        before_m.append(before)
        after_m.append(after)
        done = learn(scene.known, read(scene)).done
        off_deg = (done.pose.yaw_deg - scene.truth.yaw_deg + 180.0) % 360.0 - 180.0
        assert abs(off_deg) < 4.0 * done.sigma.yaw_deg
        assert done.sigma.yaw_deg < SIGMA.yaw_deg / 2.0
    # What is left is the receiver's own error.
    assert np.mean(after_m) < np.mean(before_m) / 2.0
    assert np.mean(after_m) < ACCURACY_M / R68_PER_SIGMA


def test_nine_of_ten_true_attitudes_are_within_what_is_claimed() -> None:
    inside = []
    for seed in range(SEED + 100, SEED + 120):
        scene = make_scene(seed, minutes=5.0, fps=1.0)
        inside.append(angles_inside(scene, learn(scene.known, read(scene))))
    assert np.mean(inside) >= 0.75, "of 20, fewer than 15 come once in a hundred times"


def test_ten_thousand_pictures_do_not_average_the_receiver_s_own_error_away() -> None:
    """Metres that stay for the whole walk are in every one of them."""
    exact = PoseSigma(position_m=0.01, alt_m=0.01, yaw_deg=2.0, pitch_deg=1.0, roll_deg=0.5)
    few, many = (
        learn(scene.known, read(scene)).done
        for scene in (make_scene(SEED, fps=fps, sigma=exact) for fps in (1.0, 16.0))
    )
    assert device_sigma(many).yaw_deg > 0.8 * device_sigma(few).yaw_deg
    offset = [many.names.index(name) for name in ("gps_east_m", "gps_north_m")]
    left_m = np.sqrt(np.diag(many.covariance))[offset]
    # What is known of the lens and of the ground may tell some of it; the pictures may not.
    assert (left_m > 0.2 * ACCURACY_M / R68_PER_SIGMA).all()


def test_ground_that_goes_up_and_down_does_so_after_a_walk_as_well() -> None:
    """With an exact lens it claimed 0.4 m of ground that its own fit took for 1.2 m uneven."""
    exact = PoseSigma(position_m=0.05, alt_m=0.05, yaw_deg=2.0, pitch_deg=1.0, roll_deg=0.5)
    scene = make_scene(SEED, minutes=5.0, fps=1.0, sigma=exact, accuracy_m=0.5)
    uneven = Ground(GROUND.alt_m, 3.0)
    lesson = learn(scene.known._replace(ground=uneven), read(scene))
    assert WANDER_SHARE * 3.0 < lesson.fitted_ground(uneven).sigma_m < 3.0


def test_others_who_walk_about_are_not_taken_for_the_patrol() -> None:
    scene = make_scene(SEED + 7, others=3, off_deg=(2.0, 1.0), minutes=6.0)
    before_m, after_m = median_miss_m(scene)
    assert after_m < before_m


def test_a_clock_that_is_off_is_found_and_said() -> None:
    scene = make_scene(SEED + 3, clock_s=4.0)
    lesson = learn(scene.known, read(scene))
    assert lesson.clock_s == pytest.approx(4.0, abs=4.0 * lesson.clock_sigma_s)
    assert any("the device's clock is" in warning for warning in lesson.done.warnings)


def test_a_moved_camera_is_called_moved() -> None:
    scene = make_scene(SEED + 4, off_deg=(15.0, 0.0))
    lesson = learn(scene.known, read(scene))
    assert any("the camera was moved" in warning for warning in lesson.done.warnings)
    assert lesson.done.pose.yaw_deg == pytest.approx(scene.truth.yaw_deg, abs=1.0)


@given(
    times=st.lists(st.floats(0.1, 100.0), min_size=1, max_size=30),
    sigma_m=st.floats(0.1, 10.0),
)
def test_points_that_crowd_in_time_are_each_believed_less(times, sigma_m) -> None:
    at_s = np.cumsum(times)
    inflated = wander_sigma_m(at_s, np.full(len(at_s), sigma_m))
    assert (inflated >= WANDER_SHARE * sigma_m * (1.0 - 1e-12)).all()
    # However many there are within the memory of the error, together they are worth few.
    worth = np.sum((WANDER_SHARE * sigma_m / inflated) ** 2)
    assert worth <= 2.0 + 2.0 * (at_s[-1] - at_s[0]) / WANDER_S


# -- recordings --------------------------------------------------------------------------------


def without(scene: Scene, word: bytes) -> Scene:
    return scene._replace(lines=[line for line in scene.lines if word not in line])


def moved_in_time(scene: Scene) -> Scene:
    lines = [
        line.replace(b"2026-03-14", b"2026-03-15") if b"/position" in line else line
        for line in scene.lines
    ]
    return scene._replace(lines=lines)


def vague(scene: Scene) -> Scene:
    lines = [line.replace(b'"accuracy_m": 3.0', b'"accuracy_m": 80.0') for line in scene.lines]
    return scene._replace(lines=lines)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda scene: without(scene, b"/position"), "no position of any unit"),
        (lambda scene: without(scene, b"/detections"), "no detections of device 'cam-07'"),
        (moved_in_time, "the clocks do not overlap"),
        (vague, "too vague: the best accuracy_m is 80"),
        (lambda scene: scene._replace(lines=scene.lines[:150]), "points that are apart"),
        (lambda scene: scene._replace(lines=[]), "no detections of device"),
    ],
)
def test_a_walk_that_teaches_nothing_is_refused_with_the_reason(change, words) -> None:
    scene = change(make_scene(SEED, minutes=3.0))
    with pytest.raises(CalibrationError, match=words) as refusal:
        learn(scene.known, read(scene))
    assert "\n" not in str(refusal.value)


def test_a_refusal_says_what_was_wrong_with_the_positions_that_were_there() -> None:
    """A receiver that calls itself exact was taken for one that never reported."""
    scene = make_scene(SEED, minutes=1.0)
    lines = [line.replace(b'"accuracy_m": 3.0', b'"accuracy_m": 0.0') for line in scene.lines]
    with pytest.raises(CalibrationError, match=r"no position of any unit.*line 1:.*accuracy_m"):
        read(scene._replace(lines=lines))


def test_broken_lines_are_counted_and_stop_nothing() -> None:
    scene = make_scene(SEED, minutes=4.0)
    broken = [b"{\n", b"\xff\xfe\n", b"[" * 5000 + b"\n", b"\n", scene.lines[0][:50] + b"\n"]
    other = scene.lines[0].replace(b"ha-giang", b"lao-cai")
    spoiled = scene.lines[1].replace(b'"lat": ', b'"lat": 9')
    whole = read(scene)
    found = read(scene._replace(lines=[*broken, other, spoiled, *scene.lines, scene.lines[5]]))
    assert found.skipped == {NO_LINE: 4, OTHER_SECTOR: 1, NO_MESSAGE: 1}
    assert found.first_bad == f"line 1: {NO_LINE}"
    assert len(found.sightings) == len(whole.sightings)
    assert np.array_equal(found.fixes.at_s, whole.fixes.at_s)


def test_the_command_writes_a_device_file_that_knows_better(
    write_device: WriteDevice, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = make_scene(SEED + 11, off_deg=(3.0, 1.5), accuracy_m=0.5, minutes=8.0)
    pose, sigma = scene.known.pose, scene.known.sigma
    device = write_device()
    tables = tomllib.loads(device.read_text(encoding="utf-8"))
    assert tables["device"]["id"] == DEVICE
    tables["camera"] = {"width": CAMERA.width_px, "height": CAMERA.height_px, "fx": CAMERA.fx_px}
    tables["mount"] = {name: float(part) for name, part in pose._asdict().items()}
    tables["mount"]["sigma"] = sigma._asdict()
    tables["ground"] = {"alt_m": GROUND.alt_m, "sigma_m": GROUND.sigma_m}
    device.write_text(toml_text(tables), encoding="utf-8")
    walk, fitted = tmp_path / "walk.jsonl", tmp_path / "fitted.toml"
    walk.write_bytes(b"".join(scene.lines))
    command = ["edge", "calibrate", str(device), "--walk", str(walk)]
    assert main([*command, "--unit", "patrol-01", "--out", str(fitted)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["walk"]["unit"] == "patrol-01"
    assert said["walk"]["used"] >= 8
    assert said["learnt"]["yaw_deg"]["sigma_is"] < said["learnt"]["yaw_deg"]["sigma_was"]
    config = load_device(fitted)
    before, _ = misses(scene, CAMERA, pose, sigma, GROUND)
    after, _ = misses(scene, config.camera, config.pose, config.pose_sigma, config.ground)
    assert np.median(after) < 0.5 * np.median(before)

    assert main([*command, "--unit", "patrol-02"]) == 1
    assert "no position of unit 'patrol-02', only of patrol-01" in capsys.readouterr().err
    assert main(["edge", "calibrate", str(device)]) == 2
    assert main([*command[:3], "--walk", str(tmp_path / "none.jsonl")]) == 1
    assert "none.jsonl" in capsys.readouterr().err
