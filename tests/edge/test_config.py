"""A device file: what it means, and one sentence for each way to get it wrong."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.camera import Camera, Pose, PoseSigma
from edge.config import DeviceConfig, DeviceConfigError, load_device
from edge.georeference import Ground

WriteDevice = Callable[..., Path]


def test_the_file_of_the_contract_is_understood(device: DeviceConfig) -> None:
    assert (device.device_id, device.sector, device.kind) == ("cam-07", "ha-giang", "camera")
    assert device.source.video == "clip.avi"
    assert device.detector.label_by_class == {0: "person", 2: "car"}
    assert device.camera == Camera(768, 576, 700.0, 700.0, 383.5, 287.5, None, (), 0.002)
    assert device.pose == Pose(22.5, 104.0, 1008.0, 30.0, -25.0, 0.0)
    assert device.pose_sigma == PoseSigma(0.5, 0.5, 0.5, 0.3, 0.3)
    assert device.ground == Ground(1000.0, 1.0)
    assert device.broker_url == "mqtt://127.0.0.1:1883"
    assert device.base == device.path.parent


def test_what_may_be_left_out_has_a_default(write_device: WriteDevice) -> None:
    device = load_device(
        write_device(
            ("fx = 700.0\nfy = 700.0\ncx = 383.5\ncy = 287.5\n", "hfov_deg = 90.0\n"),
            ("[broker]\n", ""),
            ('url = "mqtt://127.0.0.1:1883"\n', ""),
            ("sigma = { position_m = 0.5, alt_m = 0.5, yaw_deg = 0.5, ", "sigma = { "),
        )
    )
    assert device.camera == Camera(
        768, 576, pytest.approx(384.0), pytest.approx(384.0), 383.5, 287.5, None, (), 0.01
    )
    assert device.broker_url == "mqtt://127.0.0.1:1883"
    assert device.pose_sigma.position_m > 0.5, "an unsurveyed mount is not an exact one"


def test_a_distorted_camera_keeps_its_coefficients(write_device: WriteDevice) -> None:
    device = load_device(
        write_device(("cy = 287.5", 'cy = 287.5\nmodel = "fisheye"\ndistortion = [0.1, 0, 0, 0]'))
    )
    assert device.camera.model == "fisheye"
    assert device.camera.distortion == (0.1, 0.0, 0.0, 0.0)


def test_a_model_without_coefficients_is_a_pinhole(write_device: WriteDevice) -> None:
    device = load_device(write_device(("cy = 287.5", 'cy = 287.5\nmodel = "brown"')))
    assert device.camera.model is None


def test_a_fisheye_without_coefficients_is_the_ideal_one(write_device: WriteDevice) -> None:
    """It used to become a pinhole, and its field of view a pinhole's focal length."""
    wide = ("fx = 700.0\nfy = 700.0", 'hfov_deg = 200.0\nmodel = "fisheye"')
    camera = load_device(write_device(wide)).camera
    assert (camera.model, camera.distortion) == ("fisheye", (0.0, 0.0, 0.0, 0.0))
    assert camera.fx_px == camera.fy_px == pytest.approx(384.0 / math.radians(100.0))


def test_a_field_of_view_is_that_of_the_distorted_picture(write_device: WriteDevice) -> None:
    bent = 'hfov_deg = 90.0\nmodel = "brown"\ndistortion = [-0.3, 0, 0, 0]'
    camera = load_device(write_device(("fx = 700.0\nfy = 700.0", bent))).camera
    assert camera.fx_px == pytest.approx(384.0 / 0.7)


def test_how_sure_the_focal_length_is_may_be_said(write_device: WriteDevice) -> None:
    device = load_device(write_device(("fx = 700.0", "fx = 700.0\nsigma = { focal = 0.03 }")))
    assert device.camera.focal_sigma == 0.03


def test_a_camera_index_is_a_number_or_its_text(write_device: WriteDevice) -> None:
    assert load_device(write_device(('"clip.avi"', "0"))).source.video == 0
    assert load_device(write_device(('"clip.avi"', '"0"'))).source.video == "0"


WRONG = [
    (("fx = 700.0", "fxx = 700.0"), ("fxx", "camera")),
    (("[ground]", "[grund]"), ("grund",)),
    (("lat = 22.5", "lat = 95.0"), ("mount.lat", "90")),
    (("lat = 22.5", "lat = nan"), ("mount.lat",)),
    (("lon = 104.0", "lon = 181.0"), ("mount.lon", "180")),
    (("lon = 104.0\n", ""), ("mount", "lon")),
    (("pitch_deg = -25.0", "pitch_deg = -91.0"), ("mount.pitch_deg", "-90")),
    (("yaw_deg = 30.0", "yaw_deg = 400.0"), ("mount.yaw_deg", "360")),
    (("roll_deg = 0.0", "roll_deg = inf"), ("mount.roll_deg",)),
    (("alt_m = 1008.0", "alt_m = 1008.0\nalt_msl_m = 1040.0"), ("mount", "alt_m or alt_msl_m")),
    (("alt_m = 1000.0", "alt_m = 1000.0\nalt_msl_m = 1032.0"), ("ground", "alt_m or alt_msl_m")),
    (("alt_m = 1000.0", "alt_msl_m = 1041.0"), ("mount.alt_m", "1008", "1008.8")),
    (("alt_m = 1000.0", 'alt_m = 1000.0\ndem = "hills.tif"'), ("ground", "one height")),
    (("alt_m = 1000.0", 'alt_m = 1000.0\ndem_heights = "msl"'), ("ground.dem_heights",)),
    (("alt_m = 1000.0", 'dem = "hills.tif"\ndem_heights = "sky"'), ("ground.dem_heights", "sky")),
    (("alt_m = 1000.0", 'dem = "hills.tif"'), ("ground.dem", "hills.tif")),
    (("alt_m = 1000.0\n", ""), ("ground.alt_m",)),
    (("alt_m = 1008.0", "alt_m = 999.0"), ("mount.alt_m", "999", "ground.alt_m")),
    (("fx = 700.0\n", ""), ("fx", "hfov_deg")),
    (("fx = 700.0", "fx = 700.0\nhfov_deg = 60.0"), ("fx", "hfov_deg")),
    (("fx = 700.0", "fx = -1.0"), ("camera.fx",)),
    (("fx = 700.0", "fx = 1e-6"), ("camera.fx",)),
    (("cx = 383.5", "cx = 1e300"), ("camera.cx",)),
    (("position_m = 0.5", "position_m = 1e300"), ("mount.sigma.position_m",)),
    (("yaw_deg = 0.5", "yaw_deg = 1e9"), ("mount.sigma.yaw_deg",)),
    (("sigma_m = 1.0", "sigma_m = 1e300"), ("ground.sigma_m",)),
    (("width = 768", "width = 768.5"), ("camera.width",)),
    (("cy = 287.5", "cy = 287.5\ndistortion = [0.1]"), ("camera.distortion", "camera.model")),
    (
        ("cy = 287.5", 'cy = 287.5\nmodel = "brown"\ndistortion = [0.1]'),
        ("camera.distortion", "brown"),
    ),
    (("cy = 287.5", 'cy = 287.5\nmodel = "wide"'), ("camera.model", "wide")),
    (("fx = 700.0", "hfov_deg = 180.0"), ("camera.hfov_deg", "180", "fisheye")),
    (
        (
            "fx = 700.0",
            'hfov_deg = 120.0\nmodel = "brown"\ndistortion = [-0.3, 0, 0, 0]',
        ),
        ("camera.hfov_deg = 120", "camera.distortion", "-0.3"),
    ),
    (
        ("cy = 287.5", 'cy = 287.5\nmodel = "brown"\ndistortion = [-5.0, 0, 0, 0]'),
        ("camera.distortion", "-5.0", "two places", "700 px"),
    ),
    (("fx = 700.0", "fx = 700.0\nsigma = { focal = -0.1 }"), ("camera.sigma.focal", "0")),
    (("fx = 700.0", "fx = 700.0\nsigma = { fx = 1.0 }"), ("camera.sigma", "fx")),
    (("confidence = 0.25", "confidence = 25"), ("detector.confidence",)),
    (("pixel_sigma = 3.0", "pixel_sigma = 0"), ("detector.pixel_sigma",)),
    (('0 = "person"', 'person = "0"'), ("detector.labels", "person")),
    (('labels = { 0 = "person", 2 = "car" }', "labels = {}"), ("detector.labels", "empty")),
    (("pixel_sigma = 3.0", "pixel_sigma = 1e-200"), ("detector.pixel_sigma", "0.1")),
    (('kind = "camera"', 'kind = "eye"'), ("device.kind", "eye")),
    (('id = "cam-07"', 'id = "fusion"'), ("device.id", "fusion", "topics")),
    (("mqtt://127.0.0.1:1883", "nonsense"), ("broker.url", "nonsense", "mqtt://host:port")),
    (("mqtt://127.0.0.1:1883", "mqtt://127.0.0.1:70000"), ("broker.url", "70000")),
    (("mqtt://127.0.0.1:1883", "http://127.0.0.1:1883"), ("broker.url", "http://127.0.0.1")),
    (('id = "cam-07"', 'id = "Cam 7"'), ("device.id",)),
    (('"clip.avi"', '""'), ("source.video",)),
    (('"clip.avi"', '0\ntelemetry = "clip.SRT"'), ("source.telemetry", "recording")),
    (("roll_deg = 0.0", "gimbal = {yaw_deg = 0, pitch_deg = -90}"), ("mount.gimbal",)),
    (("roll_deg = 0.0", "takeoff_alt_m = 90.0"), ("mount.takeoff_alt_m", "telemetry")),
    (("sigma_m = 1.0", "sigma_m = -1.0"), ("ground.sigma_m",)),
    (("[mount]", "[mount"), ("not TOML",)),
    (("lat = 22.5\nlon = 104.0", "lat = 104.0\nlon = 22.5"), ("mount.lat = 104", "swapped")),
    (
        ("lat = 22.5\nlon = 104.0", "lat = 91\nlon = 104.0"),
        ("mount.lat = 91 is no latitude (-90 to 90)",),
    ),
    (("[mount]", "deep = " + "[" * 5000 + "]" * 5000 + "\n[mount]"), ("nested too deeply",)),
]


@pytest.mark.parametrize(("change", "named"), WRONG, ids=[new for (_, new), _ in WRONG])
def test_what_is_wrong_is_refused_in_one_sentence_with_file_and_field(
    write_device: WriteDevice, change: tuple[str, str], named: tuple[str, ...]
) -> None:
    path = write_device(change)
    with pytest.raises(DeviceConfigError) as refused:
        load_device(path)
    sentence = str(refused.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    for word in named:
        assert word in sentence


@pytest.mark.parametrize(
    "url",
    [
        "http://guard:s3cret@host",
        "guard:s3cret@host:1883",
        "mqtt://guard:s3cret@host:99999",
        "mqtt://guard:s3c/s3cret@host",
        "mqtt://guard:s3c@s3cret@host/path",
    ],
)
def test_a_broker_refused_at_load_keeps_its_password(write_device: WriteDevice, url: str) -> None:
    """The sentence ends on screens and in tickets."""
    path = write_device(("mqtt://127.0.0.1:1883", url))
    with pytest.raises(DeviceConfigError, match=r"broker\.url") as refused:
        load_device(path)
    assert "host" in str(refused.value)
    assert "s3c" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceConfigError, match=r"absent\.toml: No such file"):
        load_device(tmp_path / "absent.toml")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DeviceConfigError, match=r"device\.toml is not TOML"):
        load_device(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("fx = 700.0", "fx = -800.0"), "camera.fx = -800.0: must be at least 1"),
        (("fx = 700.0", "hfov_deg = 400"), "camera.hfov_deg = 400: must be under 360"),
        (("fx = 700.0", 'fx = 700.0\nmodel = "fish"'), "must be one of 'brown', 'fisheye'"),
        (("width = 768", 'width = "768"'), "camera.width = '768': must be a whole number"),
        (
            ("width = 768", "widht = 768"),
            "camera.widht is an unknown key; known are width, height",
        ),
        (("width = 768", ""), "camera.width is missing"),
        (("alt_m = 1000.0", "alt_msl_m = 1041.0"), "ground.alt_msl_m = 1041.0 is not below"),
    ],
)
def test_a_wrong_value_is_shown_with_what_may_stand_there(
    write_device: WriteDevice, change: tuple[str, str], words: str
) -> None:
    """It said "Expected `float` >= 1.0 - at `$.camera.fx`", and of an id a regular expression."""
    with pytest.raises(DeviceConfigError, match=re.escape(words)):
        load_device(write_device(change))


def test_an_id_that_cannot_be_is_explained_without_a_pattern(tmp_path: Path) -> None:
    path = tmp_path / "device.toml"
    path.write_text('[device]\nid = "Cam 07"\n', encoding="utf-8")
    with pytest.raises(
        DeviceConfigError, match=r"device\.id = 'Cam 07': must be 1 to 64 of a to z"
    ):
        load_device(path)
