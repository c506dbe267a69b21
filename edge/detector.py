"""Ultralytics YOLO and its trackers. The only file that knows the vendor.

Nothing here is imported before it is needed: the vendor's package takes seconds and 250 MB.
"""

import importlib
import logging
import os
import sys
import types
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from edge.camera import Camera
from edge.device_file import DetectorConfig
from edge.frames import Image
from edge.messages import RefusedError
from edge.openvino_export import exported, letterboxed_px
from edge.tiles import looks, merged, tiles_a_side
from edge.weights import cache_folder, find_weights

# ByteTrack's second round holds on to people with boxes that are too weak to be reported.
_WEAKEST: Final = 0.1
CUT_BY_A_SEAM: Final = "cut by a tile's seam"
TOO_MANY: Final = "more than tiles are searched for"
# Tiles that go through the model together. On a CPU several take as long as one by one, and up to
# 300 MB more.
_AT_ONCE_ON_GPU: Final = 8
_CPU: Final = Path("/proc/cpuinfo")
_LOG = logging.getLogger(__name__)


class Detection(NamedTuple):
    """A box in a picture, in pixels from the picture's top left corner."""

    bbox_px: tuple[float, float, float, float]  # x1, y1, x2, y2
    label: str
    confidence: float
    track_id: int | None  # the tracker's id; None: not followed (yet)


class YoloDetector:
    """Finds and follows people and vehicles in the pictures of one camera."""

    def __init__(self, config: DetectorConfig, camera: Camera, *, base: Path) -> None:
        """Load the weights, fetching and exporting them where that has not been done.

        Args:
            config: The table of the device file.
            camera: Its shape is that of the pictures.
            base: The folder that the weights' path is relative to.

        Raises:
            RefusedError: The weights cannot be had or read, or lack a class.
        """
        weights = find_weights(config.model, base=base)
        self.dropped: Counter[str] = Counter()  # boxes of tiles that were left out, by reason
        self._shape_px = letterboxed_px(
            camera.width_px, camera.height_px, longer_side_px=config.imgsz
        )
        vendor = _load_vendor()
        on_gpu = bool(vendor.torch.cuda.is_available())
        if weights.suffix == ".pt" and (
            config.backend == "openvino" or (config.backend == "auto" and not on_gpu)
        ):
            self._model_path = exported(weights, self._shape_px, cache=cache_folder())
        else:
            self._model_path = weights
        self._options: dict[str, Any] = {
            "imgsz": self._shape_px,
            "conf": min(config.confidence, _WEAKEST),
            "device": 0 if on_gpu and config.backend != "openvino" else "cpu",
            "verbose": False,
        }
        self._confidence = config.confidence
        self._tiles, self._overlap = config.tiles, config.tile_overlap
        self._seen_px, self._invert = config.imgsz, config.invert
        self._model = self._load(vendor, weights)
        # Beside a GPU too some formats run on the CPU: OpenVINO, and ONNX in the CPU's build of
        # its runtime.
        runs_on = self._model.predictor.model.device
        self._at_once = 1 if runs_on.type == "cpu" else _AT_ONCE_ON_GPU
        _LOG.info("%s: ready for %d x %d on %s", self._model_path, *self._shape_px[::-1], runs_on)
        self._labels = self._chosen_labels(config.label_by_class, weights)
        if config.label_by_class is not None:
            self._options["classes"] = sorted(self._labels)
        self._tracker = _make_tracker(config.tracker)

    def detect(self, image: Image) -> list[Detection]:
        """Return the boxes of the next picture (height, width, 3) of this camera.

        Raises:
            RefusedError: The vendor's code failed on this picture.
        """
        try:
            shown = np.invert(image) if self._invert else image
            boxes = self._boxes(shown)
            tracks = self._tracker.update(boxes, shown)
        except Exception as error:
            height_px, width_px = image.shape[:2]
            msg = f"the detector failed on a picture of {width_px} x {height_px} ({_said(error)})"
            raise RefusedError(msg) from error
        track_ids = {int(row[-1]): int(row[4]) for row in tracks}
        return [
            Detection(
                bbox_px=(float(row[0]), float(row[1]), float(row[2]), float(row[3])),
                label=self._labels[int(row[5])],
                confidence=float(row[4]),
                track_id=track_ids.get(number),
            )
            for number, row in enumerate(boxes.data)
            if row[4] >= self._confidence
        ]

    def _boxes(self, image: Image) -> Any:  # noqa: ANN401 - the vendor's
        """Return the vendor's boxes of the whole picture, as the trackers take them."""
        height_px, width_px = image.shape[:2]
        columns, rows = self._columns_and_rows(width_px, height_px)
        if columns == rows == 1:
            return self._model.predict(image, **self._options)[0].boxes.cpu().numpy()
        places = looks(width_px, height_px, columns=columns, rows=rows, overlap=self._overlap)
        cuttings = [image[y1:y2, x1:x2] for x1, y1, x2, y2 in places]
        seen = [
            result.boxes.cpu().numpy()
            for first in range(0, len(cuttings), self._at_once)
            for result in self._model.predict(
                cuttings[first : first + self._at_once], **self._options
            )
        ]
        found = np.concatenate([boxes.data[:, :6] for boxes in seen]).astype(np.float64)
        look_of = np.repeat(np.arange(len(seen)), [len(boxes) for boxes in seen])
        found[:, :4] += np.tile(places[look_of, :2], 2)
        together = merged(found, look_of, places)
        for reason, confidences in (
            (CUT_BY_A_SEAM, together.unconfirmed),
            (TOO_MANY, together.too_many),
        ):
            self.dropped[reason] += int(np.count_nonzero(confidences >= self._confidence))
        return type(seen[0])(together.boxes.astype(np.float32), (height_px, width_px))

    def _columns_and_rows(self, width_px: int, height_px: int) -> tuple[int, int]:
        if self._tiles != "auto":
            return self._tiles
        count = tiles_a_side(width_px, height_px, seen_px=self._seen_px, overlap=self._overlap)
        return count, count

    def bare_model(self) -> Callable[[Image], object]:
        """Return the vendor's own prediction with this model and nothing else, to compare with."""
        options = self._options | {"conf": self._confidence}
        return lambda image: self._model.predict(image, **options)

    def _load(self, vendor: "_Vendor", weights: Path) -> Any:  # noqa: ANN401 - the vendor's
        """Load the model and try it on an empty picture."""
        try:
            model = vendor.yolo(str(self._model_path), task="detect")
            empty = np.zeros((*self._shape_px, 3), dtype=np.uint8)
            model.predict(empty, **self._options)
        except Exception as error:
            _LOG.debug("%s: the vendor says: %s", weights, error)
            msg = f"{weights}: cannot be read as weights: damaged, or not a model file"
            raise RefusedError(msg) from error
        if self._model_path.is_dir() and _bfloat16_is_slow():
            _use_float32(model, self._model_path)
        return model

    def _chosen_labels(self, wanted: dict[int, str] | None, weights: Path) -> dict[int, str]:
        known = {int(number): str(label) for number, label in self._model.names.items()}
        if wanted is None:
            return known
        unknown = sorted(set(wanted) - set(known))
        if unknown:
            msg = (
                f"detector.labels: {weights} has no class {unknown[0]}, only 0 to {len(known) - 1}"
            )
            raise RefusedError(msg)
        return wanted


def export_openvino(weights: str, height_px: str, width_px: str) -> None:
    """Write `<weights>_openvino_model` beside the weights. Run in a process of its own."""
    vendor = _load_vendor()
    model = vendor.yolo(weights, task="detect")
    model.export(format="openvino", imgsz=(int(height_px), int(width_px)), verbose=False)


class _Vendor(NamedTuple):
    torch: Any
    yolo: Any


def _load_vendor() -> _Vendor:
    """Import the vendor's package such that it stays quiet, offline and on one thread."""
    folder = cache_folder() / "ultralytics"
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in (
        ("YOLO_OFFLINE", "true"),
        ("YOLO_AUTOINSTALL", "false"),
        ("YOLO_VERBOSE", "false"),
        ("YOLO_CONFIG_DIR", str(folder)),
        # More OpenMP threads than free cores bring a busy machine to its knees.
        ("OMP_NUM_THREADS", "1"),
    ):
        os.environ.setdefault(name, value)
    # OpenVINO's converter reports its use to its maker unless this import fails.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    torch = importlib.import_module("torch")
    _stand_in_for_torchvision()
    settings: Any = importlib.import_module("ultralytics.utils").SETTINGS
    if settings["sync"]:
        settings.update(sync=False)
    return _Vendor(torch=torch, yolo=importlib.import_module("ultralytics").YOLO)


def _stand_in_for_torchvision() -> None:
    """Give the vendor its non-maximum suppression where torchvision does not import.

    The registry's torchvision is linked against CUDA and fails beside a CPU build of torch.
    """
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError, OSError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        package, operators = types.ModuleType("torchvision"), types.ModuleType("torchvision.ops")
        sys.modules |= {"torchvision": package, "torchvision.ops": operators}
        suppression: Any = importlib.import_module("ultralytics.utils.nms").TorchNMS
        vars(operators)["nms"] = suppression.nms
        vars(package)["ops"] = operators


def _bfloat16_is_slow() -> bool:
    """Tell whether OpenVINO would choose bfloat16 on a processor that has no tiles (AMX) for it.

    There it takes 1.7 times as long as 32 bits (52 and 30 ms for YOLOv8n at 480 x 640).
    """
    try:
        flags = _CPU.read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags and "amx_bf16" not in flags


def _use_float32(model: Any, folder: Path) -> None:  # noqa: ANN401 - the vendor's
    """Compile an OpenVINO model once more, with 32 bits; the vendor has no setting for it."""
    backend: Any = getattr(model.predictor.model, "backend", None)
    network = next(folder.glob("*.xml"), None)
    if network is None or not hasattr(backend, "ov_compiled_model"):
        return
    core: Any = importlib.import_module("openvino").Core()
    backend.ov_compiled_model = core.compile_model(
        core.read_model(network),
        "CPU",
        {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"},
    )


def _said(error: Exception) -> str:
    """Return the first line of what the vendor said, or what it is."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _make_tracker(name: str) -> Any:  # noqa: ANN401 - the vendor's
    utils: Any = importlib.import_module("ultralytics.utils")
    checks: Any = importlib.import_module("ultralytics.utils.checks")
    makers: Any = importlib.import_module("ultralytics.trackers.track").TRACKER_MAP
    settings = utils.YAML.load(checks.check_yaml(f"{name}.yaml"))
    return makers[name](utils.IterableSimpleNamespace(**settings))
