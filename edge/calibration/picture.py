"""Draw landmarks and where the fitted camera sees them into a frame, for a person to judge."""

import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from edge.calibration.fitted_file import refuse_existing
from edge.camera import Camera
from edge.messages import RefusedError

Image = npt.NDArray[np.uint8]

MEASURED: Final = (80, 220, 80)  # blue, green, red
OUTLIER: Final = (40, 40, 255)
FITTED: Final = (255, 80, 255)
_SHAPE_TOLERANCE: Final = 0.02
_SHARE_OF_HEIGHT: Final = 1.0 / 90.0


def read_frame(path: Path, camera: Camera) -> Image:
    """Read the frame that the landmarks were measured in.

    Raises:
        RefusedError: It is no picture, or another shape than the device file's camera.
    """
    try:
        data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise RefusedError(msg) from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        msg = f"{path} is no picture"
        raise RefusedError(msg)
    height_px, width_px = image.shape[:2]
    stretch = (width_px * camera.height_px) / (height_px * camera.width_px)
    if abs(stretch - 1.0) > _SHAPE_TOLERANCE:
        msg = (
            f"{path} is {width_px} x {height_px}, which is another shape than the camera's "
            f"{camera.width_px} x {camera.height_px}"
        )
        raise RefusedError(msg)
    return np.asarray(image, dtype=np.uint8)


def draw(
    frame: Image, camera: Camera, points: list[dict[str, Any]], horizon: npt.NDArray[np.float64]
) -> Image:
    """Return the frame with a ring at each landmark, a cross where the fit sees it, its horizon.

    Args:
        frame: Of the camera's shape, any size.
        camera: Whose pixels the points are in.
        points: `residuals` of a report.
        horizon: Pixels (N, 2) along the horizon that the fit comes to.
    """
    picture = frame.copy()
    height_px, width_px = picture.shape[:2]
    scale = np.array((width_px / camera.width_px, height_px / camera.height_px))
    size = max(4, round(height_px * _SHARE_OF_HEIGHT))
    near = np.all(np.abs(horizon) < 10.0 * max(camera.width_px, camera.height_px), axis=1)
    line = [_pixel(where, scale) for where in horizon[near]]
    for one, other in pairwise(line):
        cv2.line(picture, one, other, FITTED, 1, cv2.LINE_AA)
    for point in points:
        colour = OUTLIER if point["outlier"] else MEASURED
        where = _pixel(np.array((point["u"], point["v"])), scale)
        cv2.circle(picture, where, size, colour, 2, cv2.LINE_AA)
        if point.get("reprojected") is not None:
            seen = np.array(point["reprojected"])
            if np.all(np.abs(seen) < 10.0 * max(camera.width_px, camera.height_px)):
                there = _pixel(seen, scale)
                cv2.line(picture, where, there, FITTED, 1, cv2.LINE_AA)
                cv2.drawMarker(picture, there, FITTED, cv2.MARKER_TILTED_CROSS, 2 * size, 2)
        label = _plain(point["name"])
        if point["residual_px"] is not None:
            label += f" {point['residual_px']:.1f} px"
        # A black copy behind it keeps it legible on any ground.
        for shade, aside in (((0, 0, 0), 3), (colour, 2)):
            place = (where[0] + size + aside, where[1] - size + aside)
            cv2.putText(picture, label, place, cv2.FONT_HERSHEY_SIMPLEX, size / 16.0, shade)
    return picture


def refuse_outputs(out: Path | None, picture: Path | None) -> None:
    """Refuse what could not be written, before anything is.

    Raises:
        RefusedError: One exists, has no folder, or has no picture's suffix; or they are one file.
    """
    if out is not None and out == picture:
        msg = f"{out}: --out and --picture are one file"
        raise RefusedError(msg)
    for path in (out, picture):
        if path is not None:
            refuse_existing(path)
    if picture is not None:
        _encoded(picture, np.zeros((1, 1, 3), dtype=np.uint8))


def write_picture(path: Path, picture: Image) -> None:
    """Write a picture; its suffix says which kind.

    Raises:
        RefusedError: The file exists, its suffix is unknown, or it cannot be written.
    """
    refuse_existing(path)
    data = _encoded(path, picture)
    try:
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror or error}"
        raise RefusedError(msg) from error


def _encoded(path: Path, picture: Image) -> bytes:
    try:
        done, data = cv2.imencode(path.suffix or ".", picture)
    except cv2.error:
        done = False
    if not done:
        msg = f"{path}: pictures end in .jpg or .png"
        raise RefusedError(msg)
    return data.tobytes()


def _pixel(pixel: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]) -> tuple[int, int]:
    u, v = np.rint((pixel + 0.5) * scale - 0.5)
    return int(u), int(v)


def _plain(text: str) -> str:
    """Return a name in the letters that OpenCV can draw."""
    parts = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in parts if letter.isascii() and letter.isprintable())
