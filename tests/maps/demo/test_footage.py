import numpy as np
import pytest

from edge.config import load_device
from edge.georeference import place
from edge.messages import RefusedError
from fusion.sector import load_sector
from maps.demo.footage import make_sector


def test_a_line_is_made_up_across_the_view_with_the_camera_at_home(world, tmp_path) -> None:
    config = load_device(world.devices[0])
    sector = load_sector(make_sector(config, tmp_path))
    assert sector.id == config.sector
    (border,) = sector.layers["border"]["features"]
    (lon1, lat1), (lon2, lat2) = border["geometry"]["coordinates"]
    camera_side = (lon2 - lon1) * (config.pose.lat - lat1) - (lat2 - lat1) * (
        config.pose.lon - lon1
    )
    assert border["properties"]["home_side"] == "right"
    assert camera_side < 0.0  # right of the direction
    (middle,) = place(
        np.array([(config.camera.cx_px, 0.5 * config.camera.height_px)]),
        config.camera,
        config.pose,
        config.pose_sigma,
        config.ground,
        pixel_sigma_px=3.0,
    )
    off_line = (lon2 - lon1) * (middle.lat - lat1) - (lat2 - lat1) * (middle.lon - lon1)
    length = float(np.hypot(lon2 - lon1, lat2 - lat1))
    assert abs(off_line / length) * 110_600.0 < 0.5


def test_a_device_that_sees_no_ground_is_refused(world, tmp_path) -> None:
    path = tmp_path / "sky.toml"
    text = world.devices[0].read_text(encoding="utf-8")
    lines = [
        "pitch_deg = 20.0" if line.startswith("pitch_deg") else line for line in text.splitlines()
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(RefusedError, match=r"sky\.toml: the middle and lower parts of its view"):
        make_sector(load_device(path), tmp_path)
