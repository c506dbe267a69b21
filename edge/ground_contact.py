"""Where the things in boxes stand: each box's ground contact, placed with its error."""

from typing import Final, NamedTuple

import numpy as np

from edge.camera import Camera, Pose, PoseSigma
from edge.detector import Detection
from edge.georeference import Placed, place
from edge.ground import GroundModel
from edge.hidden_feet import PERSON, contact_sigma_px, place_cut
from edge.stature import weigh_height

# A box that ends so near to the picture's edge, as a share of its height, may go on beyond.
_EDGE_SHARE: Final = 0.005


class View(NamedTuple):
    """What a picture's pixels are placed by."""

    camera: Camera
    pose: Pose
    sigma: PoseSigma
    ground: GroundModel
    pixel_sigma_px: float


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
    whole_px = np.column_stack((x1, y1, x2, y2)) * np.tile(scale, 2)
    feet_sigma_px = contact_sigma_px(whole_px, view.pixel_sigma_px)
    placed = place(
        bottom, camera, view.pose, view.sigma, view.ground, pixel_sigma_px=feet_sigma_px
    )
    top = np.column_stack(((x1 + x2) / 2.0, y1)) * scale - 0.5
    person = np.array([box.label == PERSON for box in boxes], dtype=np.bool_)
    with_head = person & (y1 > _EDGE_SHARE * height_px)
    cut = np.array([is_cut(box, height_px) for box in boxes], dtype=np.bool_)
    placed = weigh_height(
        placed,
        bottom,
        top,
        upright=with_head & ~cut,
        camera=camera,
        pose=view.pose,
        sigma=view.sigma,
        ground=view.ground,
        feet_sigma_px=feet_sigma_px,
        head_sigma_px=view.pixel_sigma_px,
    )
    rows = np.flatnonzero(cut)
    if len(rows) == 0:
        return placed
    found = place_cut(
        bottom[rows],
        top[rows],
        with_head=with_head[rows],
        camera=camera,
        pose=view.pose,
        sigma=view.sigma,
        ground=view.ground,
        pixel_sigma_px=view.pixel_sigma_px,
    )
    for row, where in zip(rows, found, strict=True):
        placed[row] = where
    return placed


def is_cut(box: Detection, height_px: int) -> bool:
    """Tell whether a box touches the picture's lower edge, so that its feet may be hidden."""
    return box.bbox_px[3] >= height_px - max(1.0, _EDGE_SHARE * height_px)
