"""What `edge check` points out: right, perhaps, and hardly meant."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from edge.command import main
from edge.telemetry.samples import Sample
from edge.telemetry.table import write_table

WriteDevice = Callable[..., Path]
MOUNT = (
    "lat = 22.5\nlon = 104.0\nalt_m = 1008.0\nyaw_deg = 30.0\npitch_deg = -25.0\nroll_deg = 0.0\n"
)


@pytest.fixture
def said(write_device: WriteDevice, capsys) -> Callable[..., list[str]]:
    """Return a function that checks a changed device file and returns its doubts."""

    def check(*changes: tuple[str, str], video: bool = False) -> list[str]:
        path = write_device(*changes)
        assert main(["edge", "check", str(path), *([] if video else ["--no-video"])]) == 0
        out, error = capsys.readouterr()
        doubts = json.loads(out)["doubts"]
        assert all(f"{path}: doubtful: {doubt}\n" in error for doubt in doubts)
        assert all("\n" not in doubt for doubt in doubts)
        return doubts

    return check


def test_a_device_that_is_as_it_should_be_raises_none(said) -> None:
    assert said() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("lat = 22.5\nlon = 104.0", "lat = 52.5\nlon = 13.4"), "outside Viet Nam"),
        (("lat = 22.5\nlon = 104.0", "lat = -22.5\nlon = 104.0"), "outside Viet Nam"),
        (("lat = 22.5\nlon = 104.0", "lat = 0.0\nlon = 0.0"), "outside Viet Nam"),
        (("pitch_deg = -25.0", "pitch_deg = 25.0"), "mount.pitch_deg = 25 looks up"),
        (("pitch_deg = -25.0", "pitch_deg = 60.0"), "shows no ground"),
        (("pitch_deg = -25.0\n", ""), "mount.pitch_deg is missing and taken as 0"),
        (("yaw_deg = 30.0\n", ""), "mount.yaw_deg is missing and taken as 0"),
        (("alt_m = 1008.0", "alt_m = 1480.0"), "the lens is 480 m above the ground"),
        (("alt_m = 1008.0", "alt_m = 1000.5"), "only 0.5 m above the ground"),
        (("yaw_deg = 0.5, pitch", "yaw_deg = 0, pitch"), "mount.sigma claims that yaw_deg"),
        (('kind = "camera"', 'kind = "drone"'), "source.telemetry is missing"),
        (("cx = 383.5\ncy = 287.5", "cx = 287.5\ncy = 383.5"), "camera.cx = 287.5 is 12%"),
        (("cx = 383.5\ncy = 287.5", "cx = 287.5\ncy = 383.5"), "are cx and cy swapped?"),
        (("fy = 700.0", "fy = 525.0"), "fy = 525 differ by 25%"),
    ],
)
def test_what_is_hardly_meant_is_pointed_out(said, change, words) -> None:
    assert any(words in doubt for doubt in said(change))


def flown(tmp_path: Path, rows: list[Sample]) -> tuple[tuple[str, str], ...]:
    (tmp_path / "flight.csv").write_text(write_table(rows), encoding="utf-8")
    return (
        ('"clip.avi"', '"clip.avi"\ntelemetry = "flight.csv"'),
        (MOUNT, ""),
        ('kind = "camera"', 'kind = "drone"'),
    )


ROWS = [
    Sample(
        media_time_s=float(second),
        lat=22.5 + 1e-5 * second,
        lon=104.0,
        alt_m=1120.0,
        yaw_deg=0.0,
        pitch_deg=-40.0,
        roll_deg=0.0,
    )
    for second in range(5)
]


def test_a_whole_flight_raises_none(said, tmp_path) -> None:
    assert said(*flown(tmp_path, ROWS)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alt_m": 990.0}, "at or below the ground in 5 of 5 samples (down to 990 m"),
        ({"lat": 22.5}, "the place never changes"),
    ],
)
def test_what_a_flight_hardly_does_is_pointed_out(said, tmp_path, changes, words) -> None:
    rows = [msgspec.structs.replace(row, **changes) for row in ROWS]
    assert any(words in doubt for doubt in said(*flown(tmp_path, rows)))


def test_samples_that_place_nothing_are_counted(said, tmp_path) -> None:
    rows = [*ROWS[:3], *(msgspec.structs.replace(row, yaw_deg=None) for row in ROWS[3:])]
    (doubt,) = said(*flown(tmp_path, rows))
    assert "of 5 samples nothing can be placed at 2 no_gimbal" in doubt


def test_a_log_that_ends_before_its_film_is_pointed_out(said, tmp_path) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (768, 576)
    )
    for _ in range(40):
        writer.write(np.zeros((576, 768, 3), dtype=np.uint8))
    writer.release()
    (doubt,) = said(*flown(tmp_path, ROWS), video=True)
    assert "ends 4.0 s before the film" in doubt


def test_a_focal_length_in_millimetres_is_doubted(said) -> None:
    """4.5 is a lens of 178 degrees where it counts pixels, and was taken as such."""
    (doubt,) = [text for text in said(("fx = 700.0", "fx = 4.5")) if "in mm" in text]
    assert "camera.fx = 4.5 px" in doubt
    assert any("in mm" in text for text in said(("fx = 700.0", "fx = 150000.0")))


def test_holes_of_the_elevation_model_are_doubted(
    write_device: WriteDevice, tmp_path: Path, capsys
) -> None:
    heights = np.full((200, 200), 1000.0, dtype=np.float32)
    heights[:99] = -9999.0  # to the north, where it looks
    with rasterio.open(
        tmp_path / "hills.tif",
        "w",
        driver="GTiff",
        width=200,
        height=200,
        count=1,
        dtype="float32",
        nodata=-9999.0,
        crs="EPSG:4326",
        transform=Affine(0.0001, 0.0, 103.99, 0.0, -0.0001, 22.51),
    ) as file:
        file.write(heights, 1)
    path = write_device(
        ("alt_m = 1000.0", 'dem = "hills.tif"\ndem_heights = "ellipsoid"'),
        ("yaw_deg = 30.0", "yaw_deg = 0.0"),
    )
    assert main(["edge", "check", str(path), "--no-video"]) == 0
    doubts = json.loads(capsys.readouterr().out)["doubts"]
    assert any("hills.tif has a hole under the ray" in doubt for doubt in doubts)
    assert main(["edge", "locate", str(path), "384", "250"]) == 1
    assert "hills.tif has a hole under the ray" in capsys.readouterr().err
