"""Calibration: what landmarks say of a camera, how sure, and when they say nothing."""

import csv
import io
import json
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pymap3d
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.calibration.claim import device_sigma
from edge.calibration.fit import Calibration, calibrate
from edge.calibration.fitted_file import toml_text
from edge.calibration.homography import fit_homography
from edge.calibration.landmarks import Landmarks, LandmarksError, read_landmarks
from edge.calibration.model import LOG_FOCAL_SIGMA
from edge.calibration.refusals import CalibrationError
from edge.calibration.report import summary
from edge.camera import Camera, Pose, PoseSigma, pixels_from_enu, rays_enu
from edge.command import main
from edge.config import load_device
from edge.geoid import undulation_m
from edge.plane import on_plane
from tests.benchmarks.bench_calibration import (
    CAMERA,
    SEED,
    SIGMA,
    Scene,
    fit,
    held_out,
    make_scene,
    misses,
    ratio_to_bound,
)

WriteDevice = Callable[..., Path]
SURE = PoseSigma(0.0, 0.0, 2.0, 1.0, 1.0)
HEADER = "u,v,lat,lon,alt_m,sigma_px,name,kind"


def off_by(done: Calibration, truth: Pose) -> tuple[float, float]:
    """Return how far the fitted pose is from the truth: m, degrees."""
    where = pymap3d.geodetic2enu(*done.pose[:3], *truth[:3])
    angles = (np.array(done.pose[3:]) - truth[3:] + 180.0) % 360.0 - 180.0
    return float(np.linalg.norm(where)), float(np.abs(angles).max())


def some_of(landmarks: Landmarks, rows: list[int]) -> Landmarks:
    return landmarks._replace(
        pixels=landmarks.pixels[rows],
        lat=landmarks.lat[rows],
        lon=landmarks.lon[rows],
        alt_m=landmarks.alt_m[rows],
        sigma_px=landmarks.sigma_px[rows],
        names=tuple(landmarks.names[row] for row in rows),
    )


def landmarks_at(
    pixels: np.ndarray, truth: Pose, *, drop_m: float = 12.0, relief_m: float = 0.0, seed: int = 1
) -> Landmarks:
    """Return the ground points that a camera sees at pixels, measured without any error."""
    relief = np.random.default_rng(seed).uniform(0.0, relief_m, len(pixels))
    rays = rays_enu(pixels, CAMERA, truth)
    points = rays * ((relief - drop_m) / rays[:, 2])[:, None]
    lat, lon, alt_m = pymap3d.enu2geodetic(*points.T, *truth[:3])
    return Landmarks(
        pixels=np.asarray(pixels, dtype=np.float64),
        lat=lat,
        lon=lon,
        alt_m=alt_m,
        sigma_px=np.full(len(pixels), 2.0),
        names=tuple(f"L{row}" for row in range(len(pixels))),
        horizon=np.empty((0, 2)),
        horizon_sigma_px=np.empty(0),
        horizon_names=(),
    )


@settings(max_examples=15, deadline=None)
@given(
    lat=st.floats(-60.0, 60.0),
    lon=st.floats(-179.0, 179.0),
    yaw=st.floats(-180.0, 180.0),
    pitch=st.floats(-70.0, -12.0),
    roll=st.floats(-20.0, 20.0),
    told_yaw=st.floats(-180.0, 180.0),
)
def test_exact_landmarks_give_back_the_camera_whatever_its_angles_were_guessed(
    lat: float, lon: float, yaw: float, pitch: float, roll: float, told_yaw: float
) -> None:
    truth = Pose(lat, lon, 1000.0, yaw, pitch, roll)
    pixels = np.array(
        [[150, 620], [900, 560], [1800, 600], [300, 1000], [1000, 800], [1700, 1040]], dtype=float
    )
    landmarks = landmarks_at(pixels, truth, relief_m=3.0)
    told = Pose(lat, lon, 1000.0, told_yaw, -20.0, 0.0)
    done = calibrate(CAMERA, told, PoseSigma(5.0, 5.0, 1.0, 1.0, 1.0), landmarks)
    # A contradicted prior is dropped; one that it does not contradict may pull a little.
    done_sure = calibrate(CAMERA, told, PoseSigma(5.0, 5.0, 180.0, 60.0, 60.0), landmarks)
    metres, degrees = off_by(done_sure, truth)
    assert metres < 0.02
    assert degrees < 0.02
    assert off_by(done, truth)[1] < 0.5
    assert done_sure.agreement.used.all()


@pytest.mark.parametrize("sigma", [SIGMA, SURE], ids=["place surveyed to 1 m", "place known"])
def test_four_landmarks_suffice_for_a_pose(sigma: PoseSigma) -> None:
    errors = []
    for seed in range(6):
        scene = make_scene(seed, 4, sigma=sigma)
        done = fit(scene)
        assert done.camera.fx_px == pytest.approx(scene.focal_px, rel=3.0 * LOG_FOCAL_SIGMA)
        errors.append(off_by(done, scene.truth)[1] / (3.0 * max(done.sigma[2:])))
    assert np.median(errors) < 1.0


@pytest.mark.parametrize("count", [4, 5])
def test_few_landmarks_claim_the_error_of_a_focal_length_that_nobody_measured(count: int) -> None:
    """Held fixed, a focal length that was 5 % unsure left 6 truths of 10 in the 90 % ellipse."""
    assert 0.8 <= ratio_to_bound(20, count).inside <= 0.99


def test_a_place_without_error_stays() -> None:
    scene = make_scene(3, 6, sigma=SURE)
    done = fit(scene)
    assert off_by(done, scene.truth)[0] < 1e-6
    assert (done.sigma.position_m, done.sigma.alt_m) == (0.0, 0.0)
    assert "east_m" not in done.names


@pytest.mark.slow
def test_six_landmarks_come_near_the_cramer_rao_bound_and_claim_what_they_reach() -> None:
    reached = ratio_to_bound(14, 6)
    assert reached.ratio < 1.5
    assert 0.75 < reached.inside < 0.99, "see bench_calibration.py for the figure of many scenes"


@pytest.mark.parametrize("seed", range(SEED, SEED + 5))
def test_a_gross_outlier_among_eight_is_named(seed: int) -> None:
    done = fit(make_scene(seed, 8, outliers=1))
    said = summary(done)
    assert said["outliers"] == ["L0"]
    assert said["residuals"][0]["residual_px"] > 40.0
    assert said["rms_px"] < 4.0


def test_three_outliers_among_twelve_are_named_though_the_place_is_unknown() -> None:
    vague = PoseSigma(80.0, 30.0, 90.0, 20.0, 10.0)
    done = fit(make_scene(5, 12, sigma=vague, outliers=3))
    assert summary(done)["outliers"] == ["L0", "L1", "L2"]


def test_flat_ground_tells_the_height_of_a_lens_that_nobody_measured() -> None:
    truth = Pose(22.5, 104.0, 1012.0, 30.0, -20.0, 2.0)
    vague = PoseSigma(200.0, 50.0, 90.0, 20.0, 10.0)
    told = Pose(22.5005, 104.0005, 1030.0, 0.0, -10.0, 0.0)
    grid = np.array([[200.0, 600.0], [1700, 560], [250, 1000], [1650, 1020]])
    done = calibrate(CAMERA, told, vague, landmarks_at(grid, truth))
    assert off_by(done, truth)[0] < 0.05


def test_a_compass_that_points_the_wrong_way_is_overruled_and_said() -> None:
    scene = make_scene(8, 8)
    turned = scene.told._replace(yaw_deg=scene.truth.yaw_deg + 170.0)
    done = calibrate(CAMERA, turned, SIGMA, scene.landmarks)
    assert off_by(done, scene.truth)[1] < 0.6
    assert any("mount.yaw_deg" in warning for warning in done.warnings)


def test_six_landmarks_find_a_focal_length_that_was_guessed() -> None:
    found = [fit(make_scene(seed, 10, focal_px=1700.0)).camera.fx_px for seed in range(5)]
    assert np.median(found) == pytest.approx(1700.0, rel=0.01)


def test_distortion_is_found_when_asked_for() -> None:
    bent = CAMERA._replace(model="brown", distortion=(-0.25, 0.0, 0.0, 0.0))
    truth = Pose(22.5, 104.0, 1012.0, 40.0, -25.0, 1.0)
    chance = np.random.default_rng(4)
    points = chance.uniform((-14.0, 12.0, -12.0), (14.0, 40.0, -9.0), (40, 3))
    turn = np.radians(truth.yaw_deg)
    east = points[:, 0] * np.cos(turn) + points[:, 1] * np.sin(turn)
    north = -points[:, 0] * np.sin(turn) + points[:, 1] * np.cos(turn)
    points = np.column_stack((east, north, points[:, 2]))
    pixels, ahead = pixels_from_enu(points, bent, truth)
    seen = ahead & (pixels > 0).all(axis=1) & (pixels < (1919, 1079)).all(axis=1)
    lat, lon, alt_m = pymap3d.enu2geodetic(*points[seen].T, *truth[:3])
    count = int(seen.sum())
    landmarks = landmarks_at(np.array([[960.0, 900.0]]), truth)._replace(
        pixels=pixels[seen],
        lat=lat,
        lon=lon,
        alt_m=alt_m,
        sigma_px=np.full(count, 1.0),
        names=tuple(map(str, range(count))),
    )
    done = calibrate(CAMERA, truth, SIGMA, landmarks, with_k1=True)
    assert done.camera.model == "brown"
    assert done.camera.distortion[0] == pytest.approx(-0.25, abs=0.02)


def test_more_noise_than_claimed_is_noticed_and_widens_the_claim() -> None:
    scene = make_scene(11, 20, noise_px=6.0)
    honest = fit(scene)
    bold = fit(scene._replace(landmarks=scene.landmarks._replace(sigma_px=np.full(20, 2.0))))
    assert bold.agreement.widened > 2.0
    assert bold.sigma.pitch_deg > 0.5 * honest.sigma.pitch_deg


def test_a_horizon_helps_pitch_and_roll() -> None:
    truth = Pose(22.5, 104.0, 1020.0, 70.0, -9.0, 1.5)
    pixels = np.array([[800.0, 700.0], [1100, 720], [820, 900], [1120, 880]])
    landmarks = landmarks_at(pixels, truth, drop_m=20.0)
    dip = np.degrees(np.sqrt(2.0 * 20.0 * 0.87 / 6_371_000.0))
    bearings = np.radians(truth.yaw_deg + np.array([-25.0, 0.0, 25.0]))
    flat = np.cos(np.radians(dip))
    skyline = np.column_stack(
        (np.sin(bearings) * flat, np.cos(bearings) * flat, np.full(3, -np.sin(np.radians(dip))))
    )
    seen, _ = pixels_from_enu(skyline * 1e4, CAMERA, truth)
    with_horizon = landmarks._replace(
        horizon=seen, horizon_sigma_px=np.full(3, 2.0), horizon_names=("h1", "h2", "h3")
    )
    told = truth._replace(yaw_deg=71.0, pitch_deg=-8.0, roll_deg=0.0)
    without, done = (calibrate(CAMERA, told, SIGMA, some) for some in (landmarks, with_horizon))
    assert done.sigma.pitch_deg < 0.5 * without.sigma.pitch_deg
    assert done.sigma.roll_deg < 0.5 * without.sigma.roll_deg
    assert done.pose.pitch_deg == pytest.approx(truth.pitch_deg, abs=0.02)
    assert done.pose.roll_deg == pytest.approx(truth.roll_deg, abs=0.02)
    assert done.agreement.used_horizon.all()


def test_the_device_sigmas_cover_the_fits_own_error_all_over_the_picture() -> None:
    """Five independent sigmas stand for a covariance; they may claim more, never less."""
    for seed in range(3):
        scene = make_scene(seed, 8)
        done = fit(scene)
        written = device_sigma(done)
        pixels, down_m = held_out(scene, seed)
        _, fitted = misses(scene, done, pixels, down_m)
        claimed = by_hand(done.pose, written, pixels, down_m)
        narrowest = np.linalg.eigvalsh(claimed - 0.8 * fitted)[:, 0]
        assert (narrowest > 0.0).all()
        assert written.yaw_deg < 2.0


def by_hand(pose: Pose, sigma: PoseSigma, pixels: np.ndarray, down_m: float) -> np.ndarray:
    """Return the error (N, 2, 2), north and east, of ground points by independent sigmas."""

    def ground(yaw: float, pitch: float, roll: float, height_m: float) -> np.ndarray:
        rays = rays_enu(pixels, CAMERA, Pose(0.0, 0.0, 0.0, yaw, pitch, roll))
        return rays[:, 1::-1] / -rays[:, 2:] * height_m

    values = np.array((*pose[3:], down_m))
    total = np.tile(np.eye(2) * sigma.position_m**2, (len(pixels), 1, 1))
    for row, one in enumerate((*sigma[2:], sigma.alt_m)):
        step = np.eye(4)[row] * 1e-4
        shift = (ground(*(values + step)) - ground(*(values - step))) / 2e-4 * one
        total += shift[:, :, None] * shift[:, None, :]
    return total


def refusal(scene: Scene | Landmarks, told: Pose | None = None, **wishes: bool) -> str:
    landmarks = scene if isinstance(scene, Landmarks) else scene.landmarks
    pose = scene.told if isinstance(scene, Scene) else told
    assert pose is not None
    with pytest.raises(CalibrationError) as refused:
        calibrate(CAMERA, pose, SIGMA, landmarks, **wishes)
    return str(refused.value)


def test_degenerate_landmarks_are_refused_with_the_reason() -> None:
    truth = Pose(22.5, 104.0, 1012.0, 30.0, -20.0, 0.0)
    grid = np.array([[200.0, 600.0], [1700, 600], [200, 1000], [1700, 1000], [900, 800]])
    good = landmarks_at(grid, truth)
    folded = CAMERA._replace(model="brown", distortion=(-0.9, 0.0, 0.0, 0.0))
    with pytest.raises(CalibrationError, match=r"'.*' lies where camera.distortion = .*-0.9"):
        calibrate(folded, truth, SIGMA, good)
    assert "3 landmarks are too few: a pose needs at least 4" in refusal(
        some_of(good, [0, 1, 2]), truth
    )
    assert "5 landmarks are too few: a focal length" in refusal(good, truth, with_focal=True)
    assert "5 landmarks are too few: a distortion" in refusal(good, truth, with_k1=True)
    line = np.column_stack((np.linspace(200, 1700, 6), np.linspace(600, 1000, 6)))
    assert "on one line of the picture" in refusal(landmarks_at(line, truth), truth)
    corner = (1700.0, 950.0) + (grid - grid.mean(axis=0)) / 12.0
    assert "in one corner of the picture" in refusal(landmarks_at(corner, truth), truth)
    swapped = good._replace(lat=np.full(5, 12.0), lon=np.full(5, 22.5))
    assert "swapped" in refusal(swapped, truth)
    at_lens = good._replace(lat=np.full(5, 22.5), lon=np.full(5, 104.0), alt_m=np.full(5, 1012.0))
    assert "from the lens itself" in refusal(at_lens, truth)


def test_landmarks_around_the_camera_cannot_all_be_in_its_picture() -> None:
    truth = Pose(22.5, 104.0, 1012.0, 30.0, -20.0, 0.0)
    grid = np.array([[200.0, 600.0], [1700, 600], [200, 1000], [1700, 1000]])
    around = landmarks_at(grid, truth)._replace(
        lat=22.5 + np.array([3e-4, -3e-4, 3e-4, -3e-4]),
        lon=104.0 + np.array([3e-4, 3e-4, -3e-4, -3e-4]),
    )
    assert "landmarks agree on one pose" in refusal(around, truth)


def test_landmarks_of_another_place_agree_on_nothing() -> None:
    scene = make_scene(2, 8)
    shuffled = scene.landmarks._replace(pixels=scene.landmarks.pixels[::-1].copy())
    assert "agree on one pose" in refusal(shuffled, scene.told)


def test_a_camera_that_looks_straight_down_is_refused() -> None:
    truth = Pose(22.5, 104.0, 1050.0, 0.0, -89.7, 0.0)
    grid = np.array([[200.0, 100.0], [1700, 150], [250, 1000], [1650, 1000], [900, 500]])
    said = refusal(landmarks_at(grid, truth, drop_m=50.0), truth)
    assert "straight down" in said


# The file.


def landmarks_file(folder: Path, *lines: str) -> Path:
    path = folder / "landmarks.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


GOOD = "100,200,22.5,104.001,1000,1.5,cột mốc 234,"


def test_a_file_of_landmarks_is_read_as_it_says(tmp_path: Path) -> None:
    path = landmarks_file(
        tmp_path, HEADER, "# a comment", GOOD, "", "5, 6, 22.6, 104, 990", "7,8,,,,4,trời,horizon"
    )
    read = read_landmarks(path, CAMERA, sigma_px=2.0)
    assert read.names == ("cột mốc 234", "line 5")
    assert read.pixels.tolist() == [[100.0, 200.0], [5.0, 6.0]]
    assert read.sigma_px.tolist() == [1.5, 2.0]
    assert read.horizon.tolist() == [[7.0, 8.0]]
    assert (read.horizon_names, read.horizon_sigma_px.tolist()) == (("trời",), [4.0])


def test_columns_may_come_in_any_order_or_without_names(tmp_path: Path) -> None:
    named = landmarks_file(tmp_path, "lon,lat,alt_m,v,u", "104,22.5,1000,200,100")
    first = read_landmarks(named, CAMERA, sigma_px=2.0)
    bare = landmarks_file(tmp_path, "100,200,22.5,104,1000")
    second = read_landmarks(bare, CAMERA, sigma_px=2.0)
    for one, other in ((first.pixels, second.pixels), (first.lat, second.lat)):
        assert one.tolist() == other.tolist()


def test_heights_above_the_sea_are_lifted_by_the_geoid(tmp_path: Path) -> None:
    path = landmarks_file(tmp_path, "u,v,lat,lon,alt_msl_m", "100,200,22.5,104,1000")
    read = read_landmarks(path, CAMERA, sigma_px=2.0)
    assert read.alt_m[0] == 1000.0 + undulation_m(lat=22.5, lon=104.0)
    assert 20.0 < abs(read.alt_m[0] - 1000.0) < 40.0


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ["u,v,lat,lon", "1,2,3,4"],
            ":1: one column of heights is needed, 'alt_m' or 'alt_msl_m'",
        ),
        (["u,v,lat,alt_m", "1,2,3,4"], ":1: column 'lon' is missing"),
        ([HEADER + ",elevation"], ":1: column 'elevation' is none of"),
        (["u,u,v,lat,lon,alt_m"], ":1: column 'u' comes twice"),
        (
            [HEADER, GOOD, "100,200,104.5,22.5,1000"],
            ":3: lat = 104.5 is not within -90 to 90; are",
        ),
        ([HEADER, "nan,200,22.5,104,1000"], ":2: u = 'nan' is not a number"),
        ([HEADER, "1,2,22.5,inf,1000"], ":2: lon = 'inf' is not a number"),
        ([HEADER, "1,2,22.5,104,"], ":2: alt_m is missing"),
        ([HEADER, "1,2,22.5,104,1e9"], ":2: alt_m = 1e9 is not within"),
        ([HEADER, "1920,2,22.5,104,1"], ":2: u, v = (1920, 2) lies outside the picture of 1920 x"),
        ([HEADER, "1,2,22.5,104,1,0"], ":2: sigma_px = 0 is not within"),
        ([HEADER, "1,2,22.5,104,1,2,a,sky"], ":2: kind = 'sky' is neither landmark nor horizon"),
        ([HEADER, "1,2,22.5,,,2,a,horizon"], ":2: lat = '22.5' of a horizon point"),
        ([HEADER, GOOD + ",9"], ":2: 9 values for 8 columns"),
        ([HEADER, GOOD, GOOD], "two landmarks are called 'cột mốc 234'"),
    ],
)
def test_a_bad_line_is_refused_in_one_sentence(
    tmp_path: Path, lines: list[str], said: str
) -> None:
    path = landmarks_file(tmp_path, *lines)
    with pytest.raises(LandmarksError) as refused:
        read_landmarks(path, CAMERA, sigma_px=2.0)
    assert said in str(refused.value)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_a_missing_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LandmarksError, match="No such file"):
        read_landmarks(tmp_path / "none.csv", CAMERA, sigma_px=2.0)
    (tmp_path / "binary.csv").write_bytes(b"u,v\xff\xfe")
    with pytest.raises(LandmarksError, match="not UTF-8"):
        read_landmarks(tmp_path / "binary.csv", CAMERA, sigma_px=2.0)


@settings(max_examples=200, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=200),
        st.lists(
            st.lists(
                st.sampled_from(
                    ["1", "2.5", "-3", "nan", "", '"', "u", "v", "lat", "lon", "alt_m", "horizon"]
                ),
                max_size=9,
            ).map(",".join),
            max_size=6,
        ).map("\n".join),
    )
)
def test_whatever_a_file_holds_it_is_read_or_refused(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "landmarks.csv"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with suppress(LandmarksError):
        assert isinstance(read_landmarks(path, CAMERA, sigma_px=2.0), Landmarks)


# The command.


@pytest.fixture
def survey(write_device: WriteDevice, tmp_path: Path) -> tuple[Path, Path, Pose]:
    """Return a device file that is a little off, landmarks for it, and the true pose."""
    device = write_device(
        ("yaw_deg = 30.0", "yaw_deg = 27.0"),
        ("yaw_deg = 0.5", "yaw_deg = 3.0"),
        ("fx = 700.0\nfy = 700.0", "hfov_deg = 57.5"),
    )
    truth = Pose(22.5, 104.0, 1008.0, 30.0, -25.0, 0.8)
    camera = load_device(device).camera
    pixels = np.array(
        [[60, 150], [700, 160], [400, 300], [80, 520], [690, 540], [380, 450], [200, 250.0]]
    )
    rays = rays_enu(pixels, camera, truth)
    points = rays * (-8.0 / rays[:, 2])[:, None]
    lat, lon, alt_m = pymap3d.enu2geodetic(*points.T, *truth[:3])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER.split(",")[:7])
    noise = np.random.default_rng(3).normal(0.0, 0.5, pixels.shape)
    for row, (u, v) in enumerate(pixels + noise):
        off_px = 60.0 if row == 6 else 0.0
        writer.writerow(
            [u + off_px, v, float(lat[row]), float(lon[row]), float(alt_m[row]), 0.5, f"cọc {row}"]
        )
    path = tmp_path / "landmarks.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    return device, path, truth


def test_calibrate_prints_its_report_and_writes_a_device_file_that_check_accepts(
    survey: tuple[Path, Path, Pose], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device, landmarks, truth = survey
    (tmp_path / "clip.avi").touch()
    (tmp_path / "new").mkdir()
    fitted = tmp_path / "new" / "fitted.toml"
    assert main(["edge", "calibrate", str(device), str(landmarks), "--out", str(fitted)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["outliers"] == ["cọc 6"]
    assert said["pose"]["yaw_deg"] == pytest.approx(truth.yaw_deg, abs=0.3)
    assert said["pose"]["roll_deg"] == pytest.approx(truth.roll_deg, abs=0.3)
    assert len(said["covariance"]) == len(said["fitted"])
    assert said["residuals"][0]["ground_m"] < 0.5
    config = load_device(fitted)
    assert config.pose.yaw_deg == said["pose"]["yaw_deg"]
    assert config.pose_sigma.yaw_deg == said["device_sigma"]["yaw_deg"] < 1.0
    assert config.camera.fx_px == said["camera"]["fx"]
    assert config.source.video == "../clip.avi"
    assert config.detector.label_by_class == {0: "person", 2: "car"}
    assert main(["edge", "check", str(fitted), "--no-video"]) == 0
    capsys.readouterr()
    before = fitted.read_bytes()
    assert main(["edge", "calibrate", str(device), str(landmarks), "--out", str(fitted)]) == 1
    assert "never overwrites" in capsys.readouterr().err
    assert fitted.read_bytes() == before


def test_calibrate_draws_landmarks_and_where_the_fit_sees_them(
    survey: tuple[Path, Path, Pose], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    device, landmarks, _ = survey
    frame, picture = tmp_path / "frame.png", tmp_path / "out.png"
    cv2.imwrite(str(frame), np.full((288, 384, 3), 90, dtype=np.uint8))
    command = ["edge", "calibrate", str(device), str(landmarks), "--frame", str(frame)]
    assert main([*command, "--picture", str(picture)]) == 0
    drawn = cv2.imread(str(picture))
    assert drawn is not None
    assert drawn.shape == (288, 384, 3)
    colours = {tuple(colour) for colour in drawn.reshape(-1, 3).tolist()}
    assert {(255, 80, 255), (40, 40, 255), (80, 220, 80)} <= colours
    assert main([*command, "--picture", str(tmp_path / "out.gpx")]) == 1
    assert main(command) == 2
    fitted = tmp_path / "fitted.toml"
    for wrong in (tmp_path / "out.gpx", tmp_path / "none" / "out.png", picture, fitted):
        assert main([*command, "--out", str(fitted), "--picture", str(wrong)]) == 1
        assert not fitted.exists(), "it was left behind when the picture could not be written"
    capsys.readouterr()
    assert main([*command[:4], "--out", str(tmp_path / "none" / "f.toml")]) == 1
    assert "cannot be written: there is no folder" in capsys.readouterr().err
    cv2.imwrite(str(frame), np.zeros((300, 300, 3), dtype=np.uint8))
    assert main([*command, "--picture", str(tmp_path / "other.png")]) == 1
    assert "another shape" in capsys.readouterr().err


def test_a_refusal_names_the_file_and_exits_with_1(
    survey: tuple[Path, Path, Pose], capsys: pytest.CaptureFixture[str]
) -> None:
    device, landmarks, _ = survey
    lines = landmarks.read_text(encoding="utf-8").splitlines()
    landmarks.write_text("\n".join(lines[:4]), encoding="utf-8")
    assert main(["edge", "calibrate", str(device), str(landmarks)]) == 1
    said = capsys.readouterr().err
    assert f"{landmarks}: 3 landmarks are too few" in said


def test_a_fitted_focal_length_is_not_as_unsure_as_the_guess_was(
    survey: tuple[Path, Path, Pose], tmp_path: Path
) -> None:
    """The new file kept the old one's 5 %, and claimed metres more than was left of them."""
    device, landmarks, _ = survey
    text = device.read_text(encoding="utf-8")
    device.write_text(
        text.replace("hfov_deg = 57.5", "hfov_deg = 57.5\nsigma = { focal = 0.05 }"), "utf-8"
    )
    command = ["edge", "calibrate", str(device), str(landmarks)]
    free, fixed = tmp_path / "free.toml", tmp_path / "fixed.toml"
    assert main([*command, "--out", str(free)]) == 0
    assert main([*command, "--focal", "fixed", "--out", str(fixed)]) == 0
    assert load_device(free).camera.focal_sigma == 0.002
    assert load_device(fixed).camera.focal_sigma == 0.05


def test_calibrate_fits_a_homography_when_asked(
    survey: tuple[Path, Path, Pose], capsys: pytest.CaptureFixture[str]
) -> None:
    device, landmarks, _ = survey
    assert main(["edge", "calibrate", str(device), str(landmarks), "--homography"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["method"] == "homography"
    assert said["outliers"] == ["cọc 6"]
    assert np.array(said["matrix"]).shape == (3, 3)
    assert any("--landmarks-sigma-m" in warning for warning in said["warnings"])
    command = ["edge", "calibrate", str(device), str(landmarks), "--homography"]
    assert main([*command, "--landmarks-sigma-m", "3"]) == 0
    less_sure = json.loads(capsys.readouterr().out)
    assert not any("--landmarks-sigma-m" in warning for warning in less_sure["warnings"])
    assert np.trace(less_sure["covariance"]) > np.trace(said["covariance"])
    assert main([*command, "--k1"]) == 2
    assert main([*command, "--focal", "fixed"]) == 2


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.text(max_size=8),
        st.dictionaries(
            st.text(max_size=8),
            st.recursive(
                st.booleans()
                | st.integers(-(2**62), 2**62)
                | st.floats(allow_nan=False, allow_infinity=False)
                | st.text(max_size=12),
                lambda inner: (
                    st.lists(inner, max_size=3)
                    | st.dictionaries(st.text(max_size=5), inner, max_size=3)
                ),
                max_leaves=6,
            ),
            max_size=4,
        ),
        max_size=4,
    )
)
def test_what_is_written_as_toml_reads_back(tables: dict[str, dict[str, object]]) -> None:
    assert tomllib.loads(toml_text(tables)) == tables


# Flat ground without a height.

FLAT = Pose(22.5, 104.0, 1012.0, 30.0, -20.0, 2.0)
SPREAD = np.array(
    [[200.0, 600.0], [1700, 560], [250, 1000], [1650, 1020], [900, 700], [1200, 880], [600, 850]]
)


def true_east_north(pixels: np.ndarray) -> np.ndarray:
    rays = rays_enu(pixels, CAMERA, FLAT)
    return rays[:, :2] * (-12.0 / rays[:, 2:])


@settings(max_examples=25, deadline=None)
@given(st.floats(100.0, 1800.0), st.floats(450.0, 1060.0), st.integers(4, 7))
def test_an_exact_homography_places_every_pixel_like_the_camera(
    u: float, v: float, count: int
) -> None:
    """The landmarks' ellipsoidal height is a plane to within millimetres here."""
    found = fit_homography(CAMERA, landmarks_at(SPREAD[:count], FLAT), lat=22.5, lon=104.0)
    pixel = np.array([[u, v]])
    placed = on_plane(pixel, CAMERA, found.ground, pixel_sigma_px=1.0)
    assert placed.ok.all()
    assert placed.east_north_m[0] == pytest.approx(true_east_north(pixel)[0], abs=0.02)
    assert np.linalg.eigvalsh(placed.cov_m2[0]).min() > 0.0


def test_above_the_planes_horizon_there_is_no_place() -> None:
    flatter = FLAT._replace(pitch_deg=-10.0)
    found = fit_homography(CAMERA, landmarks_at(SPREAD, flatter), lat=22.5, lon=104.0)
    pixels = np.array([[960.0, 10.0], [960.0, 900.0]])
    placed = on_plane(pixels, CAMERA, found.ground, pixel_sigma_px=1.0)
    assert placed.ok.tolist() == [False, True]


def test_a_homographys_claim_holds_nine_truths_in_ten() -> None:
    chance, inside = np.random.default_rng(7), []
    pixels = np.array([[500.0, 700.0], [1000, 620], [1500, 950]])
    truth, exact = true_east_north(pixels), landmarks_at(SPREAD, FLAT)
    for _ in range(120):
        noisy = exact._replace(pixels=SPREAD + chance.normal(0.0, 2.0, SPREAD.shape))
        ground = fit_homography(CAMERA, noisy, lat=22.5, lon=104.0).ground._replace(sigma_m=0.0)
        placed = on_plane(pixels, CAMERA, ground, pixel_sigma_px=0.0)
        off = placed.east_north_m - truth
        inside.append(
            np.einsum("ni,nij,nj->n", off, np.linalg.inv(placed.cov_bias_m2), off) < 4.605
        )
    assert np.mean(inside) == pytest.approx(0.9, abs=0.06)


def test_a_homography_knows_that_its_landmarks_were_measured_by_a_receiver() -> None:
    """With a phone's metres in every landmark it claimed centimetres: the option did nothing."""
    chance, inside = np.random.default_rng(8), []
    pixels = np.array([[500.0, 700.0], [1000, 620], [1500, 950]])
    truth, exact = true_east_north(pixels), landmarks_at(SPREAD, FLAT)
    for _ in range(120):
        off_m = chance.normal(0.0, 2.0, 2) + chance.normal(0.0, 0.3, (len(SPREAD), 2))
        noisy = exact._replace(
            pixels=SPREAD + chance.normal(0.0, 2.0, SPREAD.shape),
            lat=exact.lat + off_m[:, 1] / 110_737.0,
            lon=exact.lon + off_m[:, 0] / 102_896.0,
            sigma_m=np.full(len(SPREAD), 0.3),
        )
        found = fit_homography(CAMERA, noisy, lat=22.5, lon=104.0, survey_sigma_m=2.0)
        placed = on_plane(pixels, CAMERA, found.ground._replace(sigma_m=0.0), pixel_sigma_px=0.0)
        off = placed.east_north_m - truth
        inside.append(
            np.einsum("ni,nij,nj->n", off, np.linalg.inv(placed.cov_bias_m2), off) < 4.605
        )
        assert np.sqrt(np.linalg.eigvalsh(placed.cov_bias_m2)[:, 0]).min() > 1.9
    # An own error counts as if all of it went across the view, so that a little more is claimed.
    assert 0.84 <= np.mean(inside) <= 0.97


def test_a_landmark_far_off_is_named_though_all_are_a_little() -> None:
    exact = landmarks_at(SPREAD, FLAT)._replace(sigma_m=np.full(len(SPREAD), 0.3))
    lat = exact.lat.copy()
    lat[4] += 15.0 / 110_737.0
    found = fit_homography(CAMERA, exact._replace(lat=lat), lat=22.5, lon=104.0)
    assert (~found.used).nonzero()[0].tolist() == [4]


def test_a_homography_names_its_outlier_and_refuses_lines() -> None:
    landmarks = landmarks_at(SPREAD, FLAT)
    moved = SPREAD.copy()
    moved[5] += (70.0, -40.0)
    found = fit_homography(CAMERA, landmarks._replace(pixels=moved), lat=22.5, lon=104.0)
    assert np.flatnonzero(~found.used).tolist() == [5]
    three_on_a_line = np.array([[200.0, 600.0], [800, 760], [1400, 920], [300, 1000]])
    with pytest.raises(CalibrationError, match="one line"):
        fit_homography(CAMERA, landmarks_at(three_on_a_line, FLAT), lat=22.5, lon=104.0)
    with pytest.raises(CalibrationError, match="too few"):
        fit_homography(CAMERA, some_of(landmarks, [0, 1, 2]), lat=22.5, lon=104.0)


def test_a_homography_sees_through_distortion() -> None:
    bent: Camera = CAMERA._replace(model="brown", distortion=(-0.2, 0.05, 0.0, 0.0, 0.0))
    points = np.column_stack((true_east_north(SPREAD), np.full(len(SPREAD), -12.0)))
    pixels, _ = pixels_from_enu(points, bent, FLAT)
    found = fit_homography(
        bent, landmarks_at(SPREAD, FLAT)._replace(pixels=pixels), lat=22.5, lon=104.0
    )
    placed = on_plane(pixels, bent, found.ground, pixel_sigma_px=1.0)
    assert placed.east_north_m == pytest.approx(points[:, :2], abs=0.02)


# -- landmarks that are off themselves -----------------------------------------------------------


def surveyed_badly(
    scene: Scene, chance: np.random.Generator, *, all_m: float, own_m: float
) -> Scene:
    """Move what a receiver said of the landmarks: all alike, and each by itself."""
    count = len(scene.landmarks.names)
    off_m = chance.normal(0.0, all_m, 3) + chance.normal(0.0, 1.0, (count, 3)) * own_m
    places = pymap3d.geodetic2enu(
        scene.landmarks.lat, scene.landmarks.lon, scene.landmarks.alt_m, *scene.truth[:3]
    )
    lat, lon, alt_m = pymap3d.enu2geodetic(
        *(np.array(places) + off_m.T), scene.truth.lat, scene.truth.lon, scene.truth.alt_m
    )
    own = np.full(count, own_m)
    return scene._replace(
        landmarks=scene.landmarks._replace(lat=lat, lon=lon, alt_m=alt_m, sigma_m=own)
    )


@pytest.mark.parametrize(("all_m", "own_m"), [(3.0, 0.0), (0.0, 0.5), (3.0, 0.5)])
def test_what_the_receiver_was_off_is_in_what_is_claimed(all_m: float, own_m: float) -> None:
    """Landmarks 3 m off alike left no truth at all inside the claimed ellipses."""
    chance, inside = np.random.default_rng(5), []
    for seed in range(SEED, SEED + 30):
        scene = surveyed_badly(make_scene(seed, 6), chance, all_m=all_m, own_m=own_m)
        done = calibrate(CAMERA, scene.told, scene.sigma, scene.landmarks, survey_sigma_m=all_m)
        pixels, down_m = held_out(scene, seed)
        down_m = float(np.median(make_scene(seed, 6).points_ned_m[:, 2]))
        off, claim = misses(scene, done, pixels, down_m)
        far = np.einsum("ni,nij,nj->n", off, np.linalg.inv(claim), off)
        inside.append(np.mean(far < 4.605))
        assert not any("taken to be exact" in warning for warning in done.warnings)
    assert np.mean(inside) >= 0.8


def test_landmarks_without_an_error_of_their_own_are_said_to_be_taken_as_exact() -> None:
    (warning,) = [w for w in fit(make_scene(SEED, 6)).warnings if "exact" in w]
    assert "--landmarks-sigma-m" in warning


def test_the_command_reads_both_errors(
    survey: tuple[Path, Path, Pose], capsys: pytest.CaptureFixture[str]
) -> None:
    device, landmarks, _ = survey
    rows = list(csv.reader(io.StringIO(landmarks.read_text(encoding="utf-8"))))
    sigmas = []
    for own, more in (("", []), ("0.4", []), ("0.4", ["--landmarks-sigma-m", "3"])):
        lines = [[*row, "sigma_m" if "u" in row else own] for row in rows]
        landmarks.write_text("\n".join(map(",".join, lines)), encoding="utf-8")
        assert main(["edge", "calibrate", str(device), str(landmarks), *more]) == 0
        sigmas.append(json.loads(capsys.readouterr().out)["sigma"]["yaw_deg"])
    assert sigmas[0] < sigmas[1] < sigmas[2]
    with pytest.raises(SystemExit):
        main(["edge", "calibrate", str(device), str(landmarks), "--landmarks-sigma-m", "nan"])


@pytest.mark.parametrize("mark", [";", "\t"])
def test_landmarks_may_be_separated_by_semicolons_or_tabs(
    survey: tuple[Path, Path, Pose], mark: str
) -> None:
    """A spreadsheet of a Vietnamese computer writes semicolons."""
    _, landmarks, _ = survey
    with_commas = read_landmarks(landmarks, CAMERA, sigma_px=2.0)
    text = landmarks.read_text(encoding="utf-8")
    landmarks.write_text(text.replace(",", mark), encoding="utf-8")
    found = read_landmarks(landmarks, CAMERA, sigma_px=2.0)
    assert found.names == with_commas.names
    assert found.lat.tolist() == with_commas.lat.tolist()


def test_landmarks_with_decimal_commas_are_told_to_write_points(tmp_path: Path) -> None:
    path = tmp_path / "lm.csv"
    path.write_text("u;v;lat;lon;alt_m\n412;903;22,5003;104,0001;1000\n", encoding="utf-8")
    with pytest.raises(LandmarksError, match=r"lm\.csv:2: lat = '22,5003' .*decimal point"):
        read_landmarks(path, CAMERA, sigma_px=2.0)
