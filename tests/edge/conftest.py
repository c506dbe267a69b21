"""A device to test with: a camera 8 m up a mast, looking 25 degrees down."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import DeviceConfig, load_device
from edge.messages import UtcTime

DEVICE = """
[device]
id = "cam-07"
sector = "ha-giang"
kind = "camera"

[source]
video = "clip.avi"

[detector]
model = "yolov8n.pt"
labels = { 0 = "person", 2 = "car" }
confidence = 0.25
pixel_sigma = 3.0

[camera]
width = 768
height = 576
fx = 700.0
fy = 700.0
cx = 383.5
cy = 287.5

[mount]
lat = 22.5
lon = 104.0
alt_m = 1008.0
yaw_deg = 30.0
pitch_deg = -25.0
roll_deg = 0.0
sigma = { position_m = 0.5, alt_m = 0.5, yaw_deg = 0.5, pitch_deg = 0.3, roll_deg = 0.3 }

[ground]
alt_m = 1000.0
sigma_m = 1.0

[broker]
url = "mqtt://127.0.0.1:1883"
"""
NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")


@pytest.fixture
def device_text() -> str:
    return DEVICE


@pytest.fixture
def write_device(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the device file with some of its text replaced."""

    def write(*changes: tuple[str, str]) -> Path:
        text = DEVICE
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path = tmp_path / "device.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def device(write_device: Callable[..., Path]) -> DeviceConfig:
    return load_device(write_device())


@pytest.fixture
def noon() -> UtcTime:
    return NOON


@pytest.fixture(scope="session")
def edge_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder that all tests share, so that weights are exported once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def real_weights(test_data: Path, edge_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return real YOLOv8n weights; exports go to the shared cache."""
    monkeypatch.setenv("TUANBIEN_CACHE", str(edge_cache))
    return test_data / "models" / "yolov8n.pt"
