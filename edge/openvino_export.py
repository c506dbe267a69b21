"""PyTorch weights to an OpenVINO model, once per machine: 3 x faster on a CPU.

The conversion runs in a process of its own, since the memory it takes never comes back. Its
result depends on the weights, the picture's shape and the versions that made it; all three are in
its name in the cache.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

from edge.messages import RefusedError

STRIDE_PX: Final = 32
_TIMEOUT_S: Final = 300.0
_CHILD: Final = (
    "import sys; from edge.detector import export_openvino; export_openvino(*sys.argv[1:])"
)
_LOG = logging.getLogger(__name__)


def letterboxed_px(width_px: int, height_px: int, *, longer_side_px: int) -> tuple[int, int]:
    """Return the (height, width) that the model sees: scaled, each side up to a whole stride.

    A 16:9 picture at 640 is 384 x 640 and not 640 x 640: 1.7 x faster.
    """
    scale = longer_side_px / max(width_px, height_px)

    def strides(side_px: int) -> int:
        return max(1, -(-round(side_px * scale) // STRIDE_PX)) * STRIDE_PX

    return strides(height_px), strides(width_px)


def exported(weights: Path, shape_px: tuple[int, int], *, cache: Path) -> Path:
    """Return the folder of the OpenVINO model for these weights at (height, width).

    Raises:
        RefusedError: The weights cannot be read or converted.
    """
    height_px, width_px = shape_px
    with weights.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    made_by = f"{version('ultralytics-opencv-headless')}-{version('openvino')}"
    name = f"{weights.stem}-{content}-{height_px}x{width_px}-{made_by}_openvino_model"
    folder = cache / "openvino" / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_suffix(".lock")):
        if not folder.is_dir():
            _LOG.info("%s: exporting to OpenVINO at %d x %d, once", weights, width_px, height_px)
            _export(weights, shape_px, folder)
    return folder


def _export(weights: Path, shape_px: tuple[int, int], folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".part-") as scratch:
        copy = Path(scratch) / weights.name
        shutil.copyfile(weights, copy)
        height_px, width_px = shape_px
        root = str(Path(__file__).parents[1])
        search = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-c", _CHILD, copy, str(height_px), str(width_px)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(search)},
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        made = copy.with_name(f"{copy.stem}_openvino_model")
        if done.returncode != 0 or not made.is_dir():
            _LOG.debug("%s: the vendor says: %s", weights, done.stderr)
            msg = f"{weights}: cannot be read as weights: damaged, or not a model file"
            raise RefusedError(msg)
        made.rename(folder)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Keep other workers out that start at the same time."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
