"""The vendor's detector: real weights in their formats, quiet, offline and small."""

import importlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.camera import Camera
from edge.config import DeviceConfigError, load_device
from edge.detector import YoloDetector
from edge.device_file import DetectorConfig
from edge.frames import Image
from edge.messages import RefusedError
from edge.openvino_export import exported, letterboxed_px

CAMERA = Camera(768, 576, 700.0, 700.0, 383.5, 287.5, None, ())
LARGE = Camera(1920, 1080, 1600.0, 1600.0, 959.5, 539.5, None, ())
THERMAL = Camera(640, 512, 700.0, 700.0, 319.5, 255.5, None, ())
AUDIT = """
import os, sys
def note(event, arguments):
    if event in ("socket.getaddrinfo", "socket.connect", "subprocess.Popen"):
        with open(os.environ["AUDIT_LOG"], "a") as log:
            print(event, arguments, file=log)
sys.addaudithook(note)
"""


@pytest.fixture
def crowd(test_data: Path) -> list[Image]:
    """Return ten consecutive pictures with about seven people."""
    capture = cv2.VideoCapture(str(test_data / "video" / "vtest.avi"))
    pictures = [capture.read()[1] for _ in range(130)][120:]
    capture.release()
    return pictures


def people(detector: YoloDetector, pictures: list[Image]) -> list[int]:
    return [sum(box.label == "person" for box in detector.detect(picture)) for picture in pictures]


@pytest.mark.parametrize(
    ("width", "height", "shape"),
    [
        (1920, 1080, (384, 640)),
        (1280, 720, (384, 640)),
        (768, 576, (480, 640)),
        (640, 640, (640, 640)),
        (1080, 1920, (640, 384)),
        (4000, 40, (32, 640)),
    ],
)
def test_the_model_sees_the_picture_s_own_shape(
    width: int, height: int, shape: tuple[int, int]
) -> None:
    assert letterboxed_px(width, height, longer_side_px=640) == shape


@pytest.mark.parametrize("tracker", ["bytetrack", "botsort", "ocsort"])
def test_people_are_found_and_followed(
    real_weights: Path, crowd: list[Image], tracker: str
) -> None:
    config = DetectorConfig(model=str(real_weights), labels={"0": "walker"}, tracker=tracker)
    detector = YoloDetector(config, CAMERA, base=Path())
    found = [detector.detect(picture) for picture in crowd]
    assert all(4 <= len(boxes) <= 11 for boxes in found)
    assert {box.label for boxes in found for box in boxes} == {"walker"}
    assert all(box.confidence >= 0.25 for boxes in found for box in boxes)
    followed = [{box.track_id for box in boxes if box.track_id is not None} for boxes in found]
    assert len(followed[-1] & followed[2]) >= 3, "the same people have the same ids"


@pytest.mark.parametrize("model", ["yolov8n.pt", "yolo11n.onnx"])
def test_tiles_find_and_follow_small_people(
    test_data: Path, real_weights: Path, crowd: list[Image], model: str
) -> None:
    """People of 20 to 40 px in 1920 x 1080; ONNX has one input size only."""
    weights = str(test_data / "models" / model)
    canvases = [np.full((1080, 1920, 3), 110, np.uint8) for _ in crowd[:4]]
    for canvas, picture in zip(canvases, crowd, strict=False):
        small = cv2.resize(picture, (256, 192), interpolation=cv2.INTER_AREA)
        canvas[500:692, 560:816] = small
    whole = YoloDetector(DetectorConfig(model=weights), LARGE, base=Path())
    tiled = YoloDetector(DetectorConfig(model=weights, tiles="auto"), LARGE, base=Path())
    assert sum(people(whole, canvases)) * 2 < sum(people(tiled, canvases[:1])) >= 4
    boxes = tiled.detect(canvases[1])
    assert all(box.bbox_px[0] >= 555 and box.bbox_px[2] <= 821 for box in boxes), "in the picture"
    ids = [{box.track_id for box in tiled.detect(picture)} for picture in canvases[2:]]
    assert len((ids[0] & ids[1]) - {None}) >= 3, "the same people have the same ids"
    del real_weights


def test_tiles_do_not_cut_or_double_near_people(real_weights: Path, crowd: list[Image]) -> None:
    """Somebody larger than the overlap stands on a seam more often than not."""
    near = [cv2.resize(picture, (1920, 1440)) for picture in crowd[:3]]
    camera = Camera(1920, 1440, 1750.0, 1750.0, 959.5, 719.5, None, ())
    config = DetectorConfig(model=str(real_weights), labels={"0": "person"}, confidence=0.5)
    whole = people(YoloDetector(config, camera, base=Path()), near)
    config = DetectorConfig(
        model=str(real_weights), labels={"0": "person"}, confidence=0.5, tiles=(3, 3)
    )
    tiled = people(YoloDetector(config, camera, base=Path()), near)
    assert all(one <= other <= one + 2 for one, other in zip(whole, tiled, strict=True))


def test_people_on_thermal_pictures_are_found_on_the_magnified_negative(
    test_data: Path, real_weights: Path
) -> None:
    names = ("1_60_30_0_00014.jpg", "1_60_50_0_00333.jpg", "1_60_60_0_00412.jpg")
    pictures = [cv2.imread(str(test_data / "thermal" / name)) for name in names]
    plain = DetectorConfig(model=str(real_weights), labels={"0": "person"})
    shipped = DetectorConfig(
        model=str(real_weights), labels={"0": "person"}, tiles=(4, 4), invert=True
    )
    found = [
        sum(people(YoloDetector(config, THERMAL, base=Path()), pictures))
        for config in (plain, shipped)
    ]
    assert found[0] * 2 < found[1] >= 4


@pytest.mark.parametrize(
    ("tiles", "field"),
    [
        ("tiles = 3", "tiles"),
        ("tiles = [0, 2]", "tiles"),
        ("tiles = [2, 17]", "tiles"),
        ('tiles = "many"', "tiles"),
        ("tile_overlap = 0.0", "tile_overlap"),
        ("invert = 1", "invert"),
    ],
)
def test_tiles_that_make_no_sense_are_refused(
    write_device: Callable[..., Path], tiles: str, field: str
) -> None:
    path = write_device(("confidence = 0.25", tiles))
    with pytest.raises(DeviceConfigError, match=rf"device\.toml: .*detector\.{field}"):
        load_device(path)


@pytest.mark.parametrize("model", ["yolov8n.pt", "yolo11n.onnx"])
def test_other_formats_see_the_same(
    test_data: Path, real_weights: Path, crowd: list[Image], model: str
) -> None:
    """PyTorch itself, ONNX, and OpenVINO by its folder, beside OpenVINO made from PyTorch."""
    config = DetectorConfig(model=str(test_data / "models" / model), backend="torch")
    found = people(YoloDetector(config, CAMERA, base=Path()), crowd[:2])
    assert all(4 <= count <= 11 for count in found)
    del real_weights


def test_an_openvino_folder_is_used_as_it_is(
    real_weights: Path, edge_cache: Path, crowd: list[Image]
) -> None:
    folder = exported(real_weights, (480, 640), cache=edge_cache)
    detector = YoloDetector(DetectorConfig(model=str(folder)), CAMERA, base=Path())
    made = YoloDetector(DetectorConfig(model=str(real_weights)), CAMERA, base=Path())
    assert people(detector, crowd[:3]) == people(made, crowd[:3])


def test_two_workers_that_start_at_once_export_once(real_weights: Path, tmp_path: Path) -> None:
    found: list[Path] = []
    workers = [
        threading.Thread(
            target=lambda: found.append(exported(real_weights, (32, 64), cache=tmp_path))
        )
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found[0] == found[1]
    assert [path.name for path in (tmp_path / "openvino").iterdir() if path.is_dir()] == [
        found[0].name
    ]


@pytest.mark.parametrize("name", ["broken.pt", "broken.onnx"])
def test_unreadable_weights_are_named_in_one_sentence(
    tmp_path: Path, edge_cache: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("TUANBIEN_CACHE", str(edge_cache))
    (tmp_path / name).write_bytes(b"these are no weights" * 100)
    with pytest.raises(RefusedError, match="cannot be read as weights") as refused:
        YoloDetector(DetectorConfig(model=name), CAMERA, base=tmp_path)
    assert str(tmp_path / name) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt").mkdir()
    with pytest.raises(RefusedError, match=r"model\.pt: is a folder without an OpenVINO model"):
        YoloDetector(DetectorConfig(model="model.pt"), CAMERA, base=tmp_path)


def test_a_picture_that_the_vendor_chokes_on_is_refused_in_one_sentence(
    real_weights: Path, crowd: list[Image]
) -> None:
    """A traceback of the vendor's ended the device; and the next picture is seen as before."""
    detector = YoloDetector(
        DetectorConfig(model=str(real_weights)), CAMERA, base=real_weights.parent
    )
    with pytest.raises(RefusedError, match=r"failed on a picture of 0 x 0 \(.+\)$"):
        detector.detect(np.zeros((0, 0, 3), dtype=np.uint8))
    assert people(detector, crowd[:1]) > [3]


def test_a_class_that_the_weights_lack_is_named(real_weights: Path) -> None:
    config = DetectorConfig(model=str(real_weights), labels={"93": "yeti"})
    with pytest.raises(RefusedError, match=r"detector\.labels: .*yolov8n\.pt has no class 93"):
        YoloDetector(config, CAMERA, base=Path())


def test_no_run_calls_home_or_pip_and_it_stays_small(
    real_weights: Path, test_data: Path, tmp_path: Path, device_text: str
) -> None:
    """Export included; the child process that exports is watched too."""
    (tmp_path / "sitecustomize.py").write_text(AUDIT)
    device = tmp_path / "device.toml"
    device.write_text(
        device_text.replace("clip.avi", str(test_data / "video" / "vtest.avi")).replace(
            "yolov8n.pt", str(real_weights)
        )
    )
    log = tmp_path / "audit.log"
    code = (
        "import sys, psutil; from edge.cli import main; code = main(sys.argv[1:]);"
        "print(psutil.Process().memory_info().rss); sys.exit(code)"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            "run",
            device,
            "--fast",
            "--frames",
            "30",
            "--out",
            os.devnull,
        ],
        env=os.environ
        | {
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}",
            "AUDIT_LOG": str(log),
            "TUANBIEN_CACHE": str(tmp_path / "cache"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    noted = log.read_text().splitlines()
    assert any("edge.detector" in line for line in noted), "the export was watched"
    assert [line for line in noted if not line.startswith("subprocess.Popen")] == []
    assert [line for line in noted if "'pip'" in line] == []
    assert int(done.stdout.splitlines()[-1]) < 900e6


def test_the_log_says_what_the_detector_runs_on(
    real_weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody with a GPU shall see at once that an ONNX file runs beside it, on the CPU."""
    model = str(real_weights.with_name("yolo11n.onnx"))
    with caplog.at_level("INFO", logger="edge.detector"):
        YoloDetector(DetectorConfig(model=model, backend="openvino"), CAMERA, base=Path())
    assert caplog.messages[-1] == f"{model}: ready for 640 x 480 on cpu"


def test_a_gpu_sees_what_the_cpu_sees(
    real_weights: Path, crowd: list[Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It multiplies with fewer bits (TF32), so the weakest may come or go."""
    cuda: Any = importlib.import_module("torch").cuda
    if not cuda.is_available():
        pytest.skip("no GPU that torch can use")
    config = DetectorConfig(model=str(real_weights), backend="torch")
    gpu = YoloDetector(config, CAMERA, base=Path())
    on_gpu = [gpu.detect(picture) for picture in crowd]
    monkeypatch.setattr(cuda, "is_available", lambda: False)
    cpu = YoloDetector(config, CAMERA, base=Path())
    on_cpu = [cpu.detect(picture) for picture in crowd]
    for some, others in ((on_gpu, on_cpu), (on_cpu, on_gpu)):
        for boxes, other_boxes in zip(some, others, strict=True):
            seen = np.array([box.bbox_px for box in other_boxes])
            for box in boxes:
                off_px = np.abs(seen - box.bbox_px).max(axis=1).min()
                assert off_px < 2.0 or box.confidence < 0.26
