"""Where the things in boxes stand: each box's ground contact, placed with its error."""

from typing import Final

import numpy as np
import pymap3d

from edge.camera import Camera, FloatArray
from edge.detector import Detection
from edge.georeference import Placed
from edge.hidden_feet import EVENLY, PERSON, hidden_below_px, plus_line
from edge.view import View

# A box that ends so near to the picture's edge, as a share of its height, may go on beyond.
_EDGE_SHARE: Final = 0.005


def place_boxes(
    boxes: list[Detection], view: View, *, size_px: tuple[int, int]
) -> list[Placed | None]:
    """Place each box's ground contact: its bottom centre, or what may be below the edge.

    Args:
        boxes: In pixels of a picture of this width and height.
        view: The camera may be described at another size of the same shape.
        size_px: Width and height of the picture.

    Returns:
        One entry a box; None at and above the horizon, and where no ground is known.
    """
    if not boxes:
        return []
    width_px, height_px = size_px
    camera = view.camera
    x1, y1, x2, y2 = np.array([box.bbox_px for box in boxes], dtype=np.float64).T
    scale = np.array((camera.width_px / width_px, camera.height_px / height_px))
    # Boxes are measured from the picture's corner, pixels from the corner pixel's centre.
    bottom = np.column_stack(((x1 + x2) / 2.0, y2)) * scale - 0.5
    top = np.column_stack(((x1 + x2) / 2.0, y1)) * scale - 0.5
    placed = view.place(bottom, view.pixel_sigma_px)
    person = np.array([box.label == PERSON for box in boxes], dtype=np.bool_)
    with_head = person & (y1 > _EDGE_SHARE * height_px)
    cut = np.array([is_cut(box, height_px) for box in boxes], dtype=np.bool_)
    placed = view.weigh_height(placed, bottom, top, upright=with_head & ~cut)
    if cut.any():
        rows = np.flatnonzero(cut)
        found = view.place_cut(bottom[rows], top[rows], with_head=with_head[rows])
        for row, where in zip(rows, found, strict=True):
            placed[row] = where
    whole_px = np.column_stack((x1, y1, x2, y2)) * np.tile(scale, 2)
    _widen(placed, view, bottom, _may_be_off_px(whole_px, camera))
    return placed


def _may_be_off_px(boxes_px: FloatArray, camera: Camera) -> FloatArray:
    """Return one sigma (N, 2: right, down) of what hides a contact from the picture, pixels.

    Down: whoever stands behind another. Right: whatever a side of the picture cuts, by half of
    the width that is seen, since nobody knows how much is not.
    """
    left, right = boxes_px[:, 0], boxes_px[:, 2]
    near_px = np.maximum(1.0, _EDGE_SHARE * camera.width_px)
    at_side = (left <= near_px) | (right >= camera.width_px - near_px)
    aside = np.where(at_side, (right - left) / 2.0, 0.0)
    return np.column_stack((aside, EVENLY * hidden_below_px(boxes_px)))


def _widen(
    placed: list[Placed | None], view: View, bottom: FloatArray, off_px: FloatArray
) -> None:
    """Add to places what hidden parts may move them by; none of it averages out."""
    rows, axes = np.nonzero(off_px)
    if len(rows) == 0:
        return
    moved = bottom[rows].copy()
    # Feet are lower than they look; a side hides either way.
    moved[np.arange(len(rows)), axes] += off_px[rows, axes]
    origins, ends = (view.place(at, 0.0) for at in (bottom[rows], moved))
    for row, origin, end in zip(rows, origins, ends, strict=True):
        where = placed[row]
        if where is None or origin is None or end is None:
            continue
        east_m, north_m, _ = pymap3d.geodetic2enu(
            end.lat, end.lon, end.alt_m, origin.lat, origin.lon, origin.alt_m
        )
        line_m = np.array((float(east_m), float(north_m)))
        placed[row] = where._replace(
            cov_m2=plus_line(where.cov_m2, line_m),
            cov_bias_m2=plus_line(where.cov_bias_m2, line_m),
        )


def is_cut(box: Detection, height_px: int) -> bool:
    """Tell whether a box touches the picture's lower edge, so that its feet may be hidden."""
    return box.bbox_px[3] >= height_px - max(1.0, _EDGE_SHARE * height_px)
