"""What `check` draws of a device: the ground it sees and the 90 % ellipses ahead of it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pymap3d
import pytest
import rasterio
import shapely

from edge.command import main
from edge.config import load_device
from edge.messages import RefusedError
from edge.survey import RANGES_M, features, locate, sights, summary

LAT, LON = 22.5, 104.0
CHI2_90 = -2.0 * np.log(0.1)  # two degrees of freedom
CELL_DEG = 1.0 / 10_800.0  # 10 m
# 40 m up a mast, looking north: all the ground from 20 m on lies in the picture.
NORTH = (("yaw_deg = 30.0", "yaw_deg = 0.0"), ("alt_m = 1008.0", "alt_m = 1040.0"),
         ("fx = 700.0", "fx = 350.0"), ("fy = 700.0", "fy = 350.0"))  # fmt: skip

WriteDevice = Callable[..., Path]


def model(path: Path, height_m: Callable[[np.ndarray], np.ndarray]) -> Path:
    """Write a GeoTIFF round the lens whose height depends on how far north a place is."""
    count = 161
    north_m = (np.arange(count) - count // 2)[::-1] * CELL_DEG * 110_737.0
    heights = np.repeat(height_m(north_m)[:, None], count, axis=1).astype(np.float32)
    half = count * CELL_DEG / 2
    with rasterio.open(
        path, "w", driver="GTiff", width=count, height=count, count=1, dtype="float32",
        crs="EPSG:4326", nodata=-9999.0,
        transform=rasterio.Affine(CELL_DEG, 0.0, LON - half, 0.0, -CELL_DEG, LAT + half),
    ) as file:  # fmt: skip
        file.write(heights, 1)
    return path


def on_hills(path: Path) -> tuple[str, str]:
    flat = "[ground]\nalt_m = 1000.0"
    return flat, f'[ground]\ndem = "{path}"\ndem_heights = "ellipsoid"'


def test_ellipses_hold_nine_in_ten_and_stand_at_their_ranges(write_device: WriteDevice) -> None:
    config = load_device(write_device(*NORTH))
    drawn = [one for one in features(config)["features"] if one["properties"]["kind"] == "error"]
    by_range = {one["properties"]["range_m"]: one for one in drawn}
    assert tuple(sorted(by_range)) == RANGES_M
    for sight in sights(config):
        assert sight.placed is not None
        (ring,) = by_range[sight.range_m]["geometry"]["coordinates"]
        lon, lat = np.array(ring).T
        east, north, _ = pymap3d.geodetic2enu(lat, lon, 1000.0, LAT, LON, 1000.0)
        assert np.mean(north[:-1]) == pytest.approx(sight.range_m, abs=0.1)
        off = np.array([east, north - np.mean(north[:-1])])
        a, b, c = sight.placed.cov_m2
        mahalanobis2 = np.sum(off * np.linalg.solve([[a, b], [b, c]], off), axis=0)
        assert mahalanobis2 == pytest.approx(np.full(len(lon), CHI2_90), rel=0.02)
        assert ring[0] == ring[-1]
        assert shapely.Polygon(ring).is_valid


def test_an_error_as_thin_as_a_line_is_drawn(write_device: WriteDevice) -> None:
    """A long lens on a mast of unknown heading ended `check --geojson` with a traceback."""
    exact = "position_m = 0.0, alt_m = 0.0, yaw_deg = 360.0, pitch_deg = 0.0, roll_deg = 0.0"
    device = load_device(
        write_device(
            ("pixel_sigma = 3.0", "pixel_sigma = 0.1"),
            ("fx = 700.0\nfy = 700.0", "fx = 1e7\nsigma = { focal = 0.0 }"),
            ("pitch_deg = -25.0", "pitch_deg = -21.80141"),
            (
                "position_m = 0.5, alt_m = 0.5, yaw_deg = 0.5, pitch_deg = 0.3, roll_deg = 0.3",
                exact,
            ),
            ("sigma_m = 1.0", "sigma_m = 0.0"),
        )
    )
    (ellipse,) = [
        feature
        for feature in features(device)["features"]
        if feature["properties"]["kind"] == "error"
    ]
    line = np.array(ellipse["geometry"]["coordinates"][0])
    assert np.ptp(line[:, 0]) * 103_000 == pytest.approx(2.0 * 2.146 * 108.8, rel=0.02)


def test_every_range_is_there_or_says_why_not(write_device: WriteDevice) -> None:
    said = summary(load_device(write_device()))["sights"]
    assert tuple(sight["range_m"] for sight in said) == RANGES_M
    for sight in said:
        assert sight["in_picture"] is (sight["unseen"] is None)
        assert sight["in_picture"] is (sight["ce90_m"] is not None)


def test_level_hills_are_flat_ground(write_device: WriteDevice, tmp_path: Path) -> None:
    plain = summary(load_device(write_device(*NORTH)))
    dem = model(tmp_path / "level.tif", lambda north_m: np.full(len(north_m), 1000.0))
    hills = summary(load_device(write_device(*NORTH, on_hills(dem))))
    assert (plain["ground"]["method"], hills["ground"]["method"]) == ("flat", "dem")
    assert hills["ground"]["alt_m"] == pytest.approx(1000.0, abs=0.01)
    assert hills["height_m"] == pytest.approx(40.0, abs=0.01)
    for here, there in zip(plain["sights"], hills["sights"], strict=True):
        assert here["unseen"] == there["unseen"]
        if here["unseen"] is None:
            assert there["ce90_m"] == pytest.approx(here["ce90_m"], rel=0.1)


def test_what_a_ridge_hides_has_no_ellipse(write_device: WriteDevice, tmp_path: Path) -> None:
    """A ridge 38 m high, 140 m ahead: the valley at 200 m lies behind it, 500 m outside."""
    dem = model(
        tmp_path / "ridge.tif",
        lambda north_m: 1000.0 + 38.0 * np.exp(-(((north_m - 140.0) / 15.0) ** 2)),
    )
    config = load_device(write_device(*NORTH, on_hills(dem)))
    why = {sight.range_m: sight.unseen for sight in sights(config)}
    assert why[50.0] is why[100.0] is None
    assert why[200.0] == "hidden"
    ranges = {one["properties"].get("range_m") for one in features(config)["features"]}
    assert 200.0 not in ranges
    assert {50.0, 100.0} <= ranges


def test_past_the_models_end_the_ground_is_unknown(
    write_device: WriteDevice, tmp_path: Path
) -> None:
    def hole_from_300_m(north_m: np.ndarray) -> np.ndarray:
        return np.where(north_m > 300.0, -9999.0, 1000.0)

    dem = model(tmp_path / "hole.tif", hole_from_300_m)
    config = load_device(write_device(*NORTH, on_hills(dem)))
    why = {sight.range_m: sight.unseen for sight in sights(config)}
    assert (why[200.0], why[500.0]) == (None, "no_ground")


def test_a_fisheye_says_how_much_more_than_half_a_turn_it_sees(write_device: WriteDevice) -> None:
    """The angle between its outer rays is less than half a turn: it said 0.0 and the like."""
    wide = ("fx = 700.0\nfy = 700.0", 'hfov_deg = 220.0\nmodel = "fisheye"')
    said = summary(load_device(write_device(wide)))["camera"]
    assert (said["hfov_deg"], said["described_share"]) == (220.0, 1.0)


def test_a_lens_that_is_described_in_part_says_which_part(write_device: WriteDevice) -> None:
    """Of the corners, where the polynomial folds, nothing is said, and it is told."""
    bent = ("cy = 287.5", 'cy = 287.5\nmodel = "brown"\ndistortion = [-1.2, 0, 0, 0]')
    config = load_device(write_device(bent))
    said = summary(config)["camera"]
    assert 0.3 < said["described_share"] < 0.6
    assert said["hfov_deg"] is None
    with pytest.raises(RefusedError, match="two places"):
        locate(config, 767.0, 575.0)
    assert locate(config, 383.5, 287.5)["slant_m"] == pytest.approx(18.9, abs=0.1)


def test_the_drawing_goes_on_a_map_page(write_device: WriteDevice, tmp_path: Path) -> None:
    drawing = tmp_path / "device.geojson"
    arguments = ["edge", "check", str(write_device(*NORTH)), "--no-video"]
    assert main([*arguments, "--geojson", str(drawing)]) == 0
    assert main(["maps", "draw", str(drawing)]) == 0
    page = drawing.with_suffix(".html").read_text(encoding="utf-8")
    drawn = json.loads(drawing.read_text())
    assert len(drawn["features"]) == 7  # the device, its footprint, five ellipses
    assert '"footprint"' in page
    assert '"500 m"' in page
