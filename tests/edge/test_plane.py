"""Flat ground that is known by its picture alone: `[ground] homography`."""

import csv
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pymap3d
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.calibration.fitted_file import toml_text
from edge.calibration.homography import fit_homography
from edge.calibration.landmarks import Landmarks
from edge.camera import Camera, FloatArray, Pose, pixels_from_enu, rays_enu
from edge.command import main
from edge.config import DeviceConfig, DeviceConfigError, load_device
from edge.detector import Detection
from edge.frames import Frame, Image
from edge.georeference import place
from edge.messages import UtcTime
from edge.pipeline import Pipeline
from edge.plane import GroundHomography, on_plane

WriteDevice = Callable[..., Path]
NINE_IN_TEN = 4.605
# As tests/edge/conftest.py has it.
CAMERA = Camera(768, 576, 700.0, 700.0, 383.5, 287.5, None, ())
TRUTH = Pose(22.5, 104.0, 1008.0, 30.0, -25.0, 1.5)
SPREAD = np.array(
    [[60, 60], [700, 80], [400, 250], [80, 520], [690, 540], [380, 450], [200, 250], [560, 180.0]]
)


def ground_m(pixels: FloatArray, pose: Pose = TRUTH) -> FloatArray:
    """Return where pixels meet a plane 8 m below the lens, (N, 2): an oracle of three lines."""
    rays = rays_enu(pixels, CAMERA, pose)
    points: FloatArray = rays[:, :2] * (-8.0 / rays[:, 2:])
    return points


def landmarks_of(pixels: FloatArray, noise_px: FloatArray | float = 0.0) -> Landmarks:
    points = ground_m(pixels)
    lat, lon, alt_m = pymap3d.enu2geodetic(*points.T, np.full(len(points), -8.0), *TRUTH[:3])
    return Landmarks(
        pixels=pixels + noise_px,
        lat=lat,
        lon=lon,
        alt_m=alt_m,
        sigma_px=np.full(len(pixels), 1.0),
        names=tuple(f"L{row}" for row in range(len(pixels))),
        horizon=np.empty((0, 2)),
        horizon_sigma_px=np.empty(0),
        horizon_names=(),
    )


@pytest.fixture
def fitted(write_device: WriteDevice, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A device file that `calibrate --homography` wrote; its old one knew neither height nor angles."""
    device = write_device()
    tables = tomllib.loads(device.read_text(encoding="utf-8"))
    tables["mount"] = {"lat": 22.5, "lon": 104.0}
    tables["ground"] = {}
    device.write_text(toml_text(tables), encoding="utf-8")
    seen = landmarks_of(SPREAD)
    landmarks = tmp_path / "landmarks.csv"
    with landmarks.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("u", "v", "lat", "lon", "alt_m", "sigma_px"))
        rows.writerows(
            [*map(float, pixel), float(lat), float(lon), float(alt_m), 1.0]
            for pixel, lat, lon, alt_m in zip(
                seen.pixels, seen.lat, seen.lon, seen.alt_m, strict=True
            )
        )
    out = tmp_path / "flat.toml"
    command = ["edge", "calibrate", str(device), str(landmarks), "--homography"]
    assert main([*command, "--out", str(out)]) == 0
    capsys.readouterr()
    return out


@pytest.mark.parametrize("pixel", [(384.0, 500.0), (100.0, 300.0), (700.0, 90.0)])
def test_locate_finds_what_the_true_camera_finds(
    fitted: Path, pixel: tuple[float, float], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["edge", "locate", str(fitted), *map(str, pixel)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["method"] == "homography"
    (east_m, north_m), *_ = ground_m(np.array([pixel]))
    east, north, _ = pymap3d.geodetic2enu(said["lat"], said["lon"], 1000.0, *TRUTH[:3])
    assert (east, north) == pytest.approx((east_m, north_m), abs=0.02)
    assert said["slant_m"] == pytest.approx(
        float(np.hypot(np.hypot(east_m, north_m), 8.0)), rel=0.01
    )
    assert said["ce90_m"] > 0.1


def test_above_the_plane_s_horizon_there_is_no_place(fitted: Path) -> None:
    sky = CAMERA.cy_px - CAMERA.fy_px * np.tan(np.radians(-TRUTH.pitch_deg)) - 10.0
    met = on_plane(np.array([[383.5, sky]]), CAMERA, _plane(fitted), pixel_sigma_px=1.0)
    assert not met.ok[0]


def _plane(path: Path) -> GroundHomography:
    plane = load_device(path).plane
    assert plane is not None
    return plane


def test_a_covariance_that_rounding_made_a_hair_less_than_nothing_is_nothing_there(
    fitted: Path,
) -> None:
    """Its square root was no number, and so was the error of the place."""
    tables = tomllib.loads(fitted.read_text(encoding="utf-8"))
    numbers = [0.0] * 45
    numbers[0], numbers[1], numbers[9] = 1.0, 1.0 + 5e-7, 1.0  # of the first two of the matrix
    tables["ground"]["homography"]["covariance"] = numbers
    fitted.write_text(toml_text(tables), encoding="utf-8")
    covariance = _plane(fitted).covariance
    assert np.linalg.eigvalsh(covariance)[0] > -1e-12
    assert covariance[0, 1] == pytest.approx(1.0, abs=1e-6)


def test_check_draws_what_it_sees_and_says_how_well(
    fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawing = tmp_path / "seen.geojson"
    assert main(["edge", "check", str(fitted), "--no-video", "--geojson", str(drawing)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ground"]["method"] == "homography"
    assert said["footprint"]["type"] == "Polygon"
    kinds = {
        feature["properties"]["kind"] for feature in json.loads(drawing.read_text())["features"]
    }
    assert {"device", "footprint"} <= kinds


class Sees:
    """A detector that sees one box."""

    def __init__(self, box: Detection) -> None:
        self._box = box

    def detect(self, image: Image) -> list[Detection]:
        del image
        return [self._box]


def told(config: DeviceConfig, box: Detection, noon: UtcTime) -> Any:
    frame = Frame(np.zeros((576, 768, 3), dtype=np.uint8), noon)
    return Pipeline(config, Sees(box), boot_id="b").message(frame)


def test_a_person_is_placed_as_the_true_camera_would(fitted: Path, noon: UtcTime) -> None:
    feet = np.array([[300.0, 350.0]])
    box = Detection((280.5, 250.0, 320.5, 350.5), "person", 0.8, 1)
    message = told(load_device(fitted), box, noon)
    (found,) = message.detections
    assert message.sensor.alt_m is None, "nobody measured it"
    (where, *_) = ground_m(feet)
    east, north, _ = pymap3d.geodetic2enu(found.lat, found.lon, 1000.0, *TRUTH[:3])
    assert (east, north) == pytest.approx(tuple(where), abs=0.05)
    assert found.cov_bias_m2[0] < found.cov_m2[0]


def test_somebody_cut_by_the_lower_edge_may_be_anywhere_up_to_the_lens(
    fitted: Path, noon: UtcTime
) -> None:
    box = Detection((300.0, 300.0, 360.0, 576.0), "person", 0.8, 1)
    (found,) = told(load_device(fitted), box, noon).detections
    assert found.truncated
    foot_m = -np.array(pymap3d.geodetic2enu(found.lat, found.lon, 1000.0, *TRUTH[:3])[:2])
    east, cov, north = found.cov_bias_m2
    off = foot_m @ np.linalg.solve(np.array([[east, cov], [cov, north]]), foot_m)
    assert off < 2.5**2


def test_nine_of_ten_truths_lie_in_the_claimed_ellipse_within_the_landmarks_and_without() -> None:
    """Without: beyond the farthest landmark by half as much again, where errors grow."""
    random, within, without = np.random.default_rng(11), [], []
    inner = np.array([[300.0, 400.0], [450.0, 300.0], [600.0, 200.0]])
    outer = np.array([[40.0, 12.0], [740.0, 10.0], [384.0, 5.0]])
    for _ in range(150):
        noise = random.standard_normal(SPREAD.shape)
        plane = fit_homography(CAMERA, landmarks_of(SPREAD, noise), lat=22.5, lon=104.0).ground
        plane = plane._replace(sigma_m=0.0)  # this ground is flat
        for pixels, held in ((inner, within), (outer, without)):
            seen = pixels + 2.0 * random.standard_normal(pixels.shape)
            met = on_plane(seen, CAMERA, plane, pixel_sigma_px=2.0)
            off = met.east_north_m - ground_m(pixels)
            far = np.einsum("ni,nij,nj->n", off, np.linalg.inv(met.cov_m2), off)
            held.extend((far < NINE_IN_TEN)[met.ok])
    assert 0.87 <= np.mean(within) <= 0.93
    assert np.mean(without) >= 0.86


@settings(max_examples=200, deadline=None)
@given(u=st.floats(-0.5, 767.5), v=st.floats(-400.0, 575.5), sigma_px=st.floats(0.1, 50.0))
def test_any_pixel_has_a_place_with_an_error_or_none(u, v, sigma_px) -> None:
    plane = fit_homography(CAMERA, landmarks_of(SPREAD), lat=22.5, lon=104.0).ground
    met = on_plane(np.array([[u, v]]), CAMERA, plane, pixel_sigma_px=sigma_px)
    if not met.ok[0]:
        assert rays_enu(np.array([[u, v]]), CAMERA, TRUTH)[0, 2] > -np.sin(np.radians(0.2))
        return
    for matrix in (met.cov_m2[0], met.cov_m2[0] - met.cov_bias_m2[0] + 1e-9 * met.cov_m2[0]):
        assert np.linalg.eigvalsh(matrix)[0] > -1e-9 * np.trace(met.cov_m2[0])
    assert np.isfinite(met.east_north_m).all()


def test_what_rises_over_the_plane_is_thrown_away_from_the_lens() -> None:
    """Somebody on a bank 0.5 m higher, placed as if on the plane: within two of what is claimed."""
    plane = fit_homography(CAMERA, landmarks_of(SPREAD), lat=22.5, lon=104.0).ground
    at_m = ground_m(np.array([[384.0, 250.0]]))
    pixels, _ = pixels_from_enu(np.column_stack((at_m, [-7.5])), CAMERA, TRUTH)
    met = on_plane(pixels, CAMERA, plane._replace(sigma_m=0.5), pixel_sigma_px=1.0)
    off = met.east_north_m[0] - at_m[0]
    assert np.linalg.norm(off) > 0.5
    assert off @ np.linalg.solve(met.cov_bias_m2[0], off) < 2.0**2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"matrix": [float("nan")] * 9}, "ground.homography.matrix"),
        ({"matrix": [1.0] * 8}, "matrix"),
        ({"matrix": [0.0] * 9}, "ground.homography.matrix"),
        ({"matrix": [1.0, 2.0, 3.0, 2.0, 4.0, 6.0, 0.0, 0.0, 1.0]}, "ground.homography.matrix"),
        ({"covariance": [-1.0, *([0.0] * 44)]}, "ground.homography.covariance"),
        ({"covariance": [0.0] * 44}, "covariance"),
        ({"lat": 91.0}, "lat"),
    ],
)
def test_a_homography_that_cannot_be_is_refused_by_its_field(
    fitted: Path, change: dict[str, Any], words: str
) -> None:
    tables = tomllib.loads(fitted.read_text(encoding="utf-8"))
    tables["ground"]["homography"] |= change
    fitted.write_text(toml_text(tables), encoding="utf-8")
    with pytest.raises(DeviceConfigError) as refusal:
        load_device(fitted)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("mount", "yaw_deg", 3.0),
        ("mount", "sigma", {"yaw_deg": 1.0}),
        ("ground", "dem", "hills.tif"),
        ("source", "telemetry", "clip.SRT"),
        ("mount", "alt_m", 990.0),
    ],
)
def test_what_a_homography_would_ignore_is_refused(
    fitted: Path, table: str, key: str, value: object
) -> None:
    tables = tomllib.loads(fitted.read_text(encoding="utf-8"))
    tables[table][key] = value
    fitted.write_text(toml_text(tables), encoding="utf-8")
    with pytest.raises(DeviceConfigError, match=rf"{key}"):
        load_device(fitted)


def test_the_true_height_is_told_where_the_file_knows_it(fitted: Path, noon: UtcTime) -> None:
    tables = tomllib.loads(fitted.read_text(encoding="utf-8"))
    tables["mount"]["alt_m"] = 1008.0
    fitted.write_text(toml_text(tables), encoding="utf-8")
    box = Detection((280.5, 250.0, 320.5, 350.5), "person", 0.8, 1)
    assert told(load_device(fitted), box, noon).sensor.alt_m == 1008.0


def test_a_pose_and_its_homography_place_alike(fitted: Path) -> None:
    """Against `edge.georeference`, which knows the lens and nothing of the homography."""
    config = load_device(fitted)
    pixels = np.array([[u, v] for u in (50.0, 400.0, 700.0) for v in (100.0, 300.0, 560.0)])
    by_pose = place(pixels, CAMERA, TRUTH, config.pose_sigma._replace(
        position_m=0.0, alt_m=0.0, yaw_deg=0.0, pitch_deg=0.0, roll_deg=0.0
    ), config.ground, pixel_sigma_px=1.0)  # fmt: skip
    met = on_plane(pixels, CAMERA, _plane(fitted), pixel_sigma_px=1.0)
    for where, east_north_m in zip(by_pose, met.east_north_m, strict=True):
        assert where is not None
        east, north, _ = pymap3d.geodetic2enu(where.lat, where.lon, where.alt_m, *TRUTH[:3])
        assert (east, north) == pytest.approx(tuple(east_north_m), abs=0.02)
