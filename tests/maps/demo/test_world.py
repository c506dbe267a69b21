import pytest

from edge.config import load_device
from edge.georeference import place
from edge.messages import RefusedError
from fusion.sector import load_sector
from maps.demo.landscape import FARMLAND, SECTOR_ID, latlon_of
from maps.demo.view import Eye
from maps.demo.world import write_world


def test_fusion_loads_the_sector(world) -> None:
    sector = load_sector(world.sector)
    assert sector.id == SECTOR_ID
    assert {trail.id for trail in sector.trails} == {"trail-1", "trail-2", "trail-3"}
    assert {zone.kind for zone in sector.zones} == {"crossing_point", "farmland"}
    assert len(sector.markers) == 3


def test_the_sector_lies_in_the_open_atlantic(world) -> None:
    layers = load_sector(world.sector).layers
    (border,) = layers["border"]["features"]
    assert border["properties"]["home_side"] == "right"
    for lon, lat in border["geometry"]["coordinates"]:
        assert 1.19 < lat < 1.21
        assert -12.31 < lon < -12.29


def test_home_is_where_the_field_is(world) -> None:
    """The line runs from west to east and home is on its right: the south."""
    lat, _ = latlon_of(FARMLAND[0].east_m, FARMLAND[0].north_m)
    (border,) = load_sector(world.sector).layers["border"]["features"]
    lons, lats = zip(*border["geometry"]["coordinates"], strict=True)
    assert list(lons) == sorted(lons)
    assert lat < min(lats)


def test_edge_loads_three_devices_of_that_sector(world) -> None:
    configs = [load_device(path) for path in world.devices]
    assert [config.device_id for config in configs] == ["cam-01", "cam-02", "drone-01"]
    assert [config.kind for config in configs] == ["camera", "camera", "drone"]
    assert {config.sector for config in configs} == {SECTOR_ID}


def test_no_device_looks_so_flat_that_its_error_is_no_ellipse(world) -> None:
    for path in world.devices:
        config = load_device(path)
        (top,) = place(
            [[config.camera.cx_px, 0.0]],
            config.camera,
            config.pose,
            config.pose_sigma,
            config.ground,
            pixel_sigma_px=4.0,
        )
        assert top is not None
        assert not top.grazing


def test_writing_the_world_again_changes_nothing(world, tmp_path) -> None:
    again = write_world(tmp_path, broker_url="mqtt://127.0.0.1:1883")
    for name in ("sector.toml", "border.geojson", "zones.geojson", "cam-01.toml"):
        assert (again.sector.parent / name).read_bytes() == (
            world.sector.parent / name
        ).read_bytes()


def test_a_folder_that_cannot_be_written_is_named(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RefusedError, match="file: the demo world cannot be written there"):
        write_world(tmp_path / "file", broker_url="mqtt://127.0.0.1:1883")


def test_a_device_of_another_world_is_refused(world, tmp_path) -> None:
    path = tmp_path / "other.toml"
    text = world.devices[0].read_text(encoding="utf-8")
    path.write_text(text.replace('id = "cam-01"', 'id = "cam-99"'), encoding="utf-8")
    with pytest.raises(RefusedError, match=r"other\.toml: device\.id 'cam-99' is none of cam-01"):
        Eye.of(load_device(path))
