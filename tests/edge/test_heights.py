"""Heights in the device file: above the sea, above the ellipsoid, from an elevation model."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from edge.cli import main
from edge.config import DeviceConfigError, load_device
from edge.detector import Detection
from edge.frames import Frame, Image
from edge.geoid import undulation_m
from edge.ground import Ground
from edge.messages import UtcTime
from edge.pipeline import Pipeline
from edge.survey import summary
from edge.terrain import Terrain

WriteDevice = Callable[..., Path]
SECOND = 1.0 / 3600.0


def write_model(path: Path, *, crs: str | None = "EPSG:4326", hill_m: float = 0.0) -> Path:
    """Write a model round the mount of the test device: level at 1000 m, a hill to the north."""
    size = 201
    heights = np.full((size, size), 1000.0, dtype=np.float32)
    heights[:99] += hill_m  # from 30 m north of the mount on
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=size,
        width=size,
        count=1,
        dtype="float32",
        crs=crs,
        transform=Affine(SECOND, 0.0, 104.0 - 100.5 * SECOND, 0.0, -SECOND, 22.5 + 100.5 * SECOND),
    ) as file:
        file.write(heights, 1)
    return path


def test_a_height_above_the_sea_becomes_one_above_the_ellipsoid(write_device: WriteDevice) -> None:
    device = load_device(
        write_device(
            ("alt_m = 1008.0", "alt_msl_m = 1040.0"), ("alt_m = 1000.0", "alt_msl_m = 1032.0")
        )
    )
    geoid_m = float(undulation_m(lat=22.5, lon=104.0))
    assert device.pose.alt_m == pytest.approx(1040.0 + geoid_m)
    assert device.ground == Ground(pytest.approx(1032.0 + geoid_m), 1.0)
    assert -33.0 < geoid_m < -31.0


def test_a_model_is_the_ground(write_device: WriteDevice, tmp_path: Path) -> None:
    write_model(tmp_path / "hills.tif")
    device = load_device(
        write_device(
            ("alt_m = 1000.0", 'dem = "hills.tif"\ndem_heights = "ellipsoid"'),
            ("sigma_m = 1.0\n", ""),
        )
    )
    assert isinstance(device.ground, Terrain)
    assert device.ground.sigma_m == 5.0, "a model that says nothing of its error has one"
    assert device.ground.alt_m_at(lat=[22.5], lon=[104.0]) == pytest.approx([1000.0])


def test_a_model_counts_from_the_sea_unless_the_file_says_otherwise(
    write_device: WriteDevice, tmp_path: Path
) -> None:
    write_model(tmp_path / "hills.tif")
    device = load_device(write_device(("alt_m = 1000.0", 'dem = "hills.tif"')))
    assert isinstance(device.ground, Terrain)
    under_m = device.ground.alt_m_at(lat=[22.5], lon=[104.0])
    assert under_m == pytest.approx(1000.0 + undulation_m(lat=[22.5], lon=[104.0]), abs=0.02)


@pytest.mark.parametrize(
    ("change", "model", "named"),
    [
        (("alt_m = 1008.0", "alt_m = 999.0"), {}, ("999.00 m", "hills.tif", "1000.00 m")),
        (("lat = 22.5", "lat = 22.6"), {}, ("hills.tif", "22.6", "no height")),
        (("lat = 22.5", "lat = 22.5"), {"crs": None}, ("hills.tif", "coordinate reference")),
    ],
    ids=["under the ground", "beside the model", "no CRS"],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_lens_and_its_model_must_fit(
    write_device: WriteDevice,
    tmp_path: Path,
    change: tuple[str, str],
    model: dict[str, None],
    named: tuple[str, ...],
) -> None:
    write_model(tmp_path / "hills.tif", **model)
    path = write_device(
        change, ("\nalt_m = 1000.0", '\ndem = "hills.tif"\ndem_heights = "ellipsoid"')
    )
    with pytest.raises(DeviceConfigError) as refused:
        load_device(path)
    for word in (str(path), "ground.dem", *named):
        assert word in str(refused.value)


def test_locate_and_check_stand_on_the_model(
    write_device: WriteDevice, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flat = write_device()
    assert main(["locate", str(flat), "383.5", "287.5"]) == 0
    on_flat = json.loads(capsys.readouterr().out)
    write_model(tmp_path / "hills.tif", hill_m=4.0)
    hilly = write_device(
        ("\nalt_m = 1000.0", '\ndem = "hills.tif"\ndem_heights = "ellipsoid"'),
        ("yaw_deg = 30.0", "yaw_deg = 0.0"),
        ("pitch_deg = -25.0", "pitch_deg = -8.0"),
    )
    assert main(["locate", str(hilly), "383.5", "287.5"]) == 0
    on_hill = json.loads(capsys.readouterr().out)
    assert (on_flat["method"], on_hill["method"]) == ("flat", "dem")
    assert 1000.5 < on_hill["alt_m"] < 1004.0, "on the slope of the hill"
    assert on_hill["slant_m"] < 8.0 / np.sin(np.radians(8.0)), "before the plain behind it"
    said = summary(load_device(hilly))
    assert (said["ground"]["method"], said["ground"]["sigma_m"]) == ("dem", 1.0)
    assert said["height_m"] == pytest.approx(8.0, abs=0.01)
    assert said["footprint"] is not None


class Seen:
    """A detector that always sees the same person."""

    def detect(self, image: Image) -> list[Detection]:
        del image
        return [
            Detection(
                bbox_px=(370.0, 200.0, 398.0, 288.0), label="person", confidence=0.8, track_id=1
            )
        ]


def test_a_run_places_people_on_the_model(
    write_device: WriteDevice, tmp_path: Path, noon: UtcTime
) -> None:
    write_model(tmp_path / "hills.tif", hill_m=4.0)
    hilly = load_device(
        write_device(
            ("\nalt_m = 1000.0", '\ndem = "hills.tif"\ndem_heights = "ellipsoid"'),
            ("yaw_deg = 30.0", "yaw_deg = 0.0"),
            ("pitch_deg = -25.0", "pitch_deg = -8.0"),
        )
    )
    pipeline = Pipeline(hilly, Seen(), boot_id="b")
    message = pipeline.message(Frame(np.zeros((576, 768, 3), dtype=np.uint8), noon))
    (found,) = message.detections
    north_m = (found.lat - 22.5) * 110_737.0
    assert 25.0 < north_m < 60.0, "on the slope that begins 30 m away, not 57 m away on a plain"


def test_flat_ground_loads_no_reader_of_models() -> None:
    check = (
        "import sys, edge.config; "
        "print([name for name in ('rasterio', 'edge.terrain') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
