"""A large picture in looks: the whole of it, and tiles of it that show small people larger.

A model that sees 640 pixels of a 1920-pixel picture sees somebody 30 pixels tall as 10, and misses
them. Tiles are looks at full size; they overlap, so that a small person is whole in one of them,
and the look at the whole picture finds who is larger than the overlap:

```
    +---------+--+---------+
    |    1    |  |    2    |     its lines inside the picture are seams: a box that ends at one is
    +---------+--+---------+     cut, and does not say where the feet are
    +---------+--+---------+
    |    3    |  |    4    |
    +---------+--+---------+
```

Ours and not sahi's (MIT), which brings a second OpenCV over the headless one, matplotlib, requests
and fire, knows nothing of cut boxes, and drops a neighbour in a crowd as if it were a copy.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MOST_A_SIDE: Final = 16
# Of one picture, the surest; each is held against every other.
MOST_BOXES: Final = 1000

# A 1920-pixel picture in 3 x 3 tiles, and not 4 x 4, for 1.7 times the cost and few people more.
_NEARLY: Final = 0.85

# Two looks at one person at different sizes differ by some pixels; two people in one look do not.
_SAME_IOU: Final = 0.3
_SAME_COVERED: Final = 0.5  # the share of a cut box that lies in another one
_SEAM_SHARE: Final = 0.15  # of a box's own side: one that ends so near to a seam is cut by it
_CLASS, _CONFIDENCE = 5, 4


def tiles_a_side(width_px: int, height_px: int, *, seen_px: int, overlap: float) -> int:
    """Return how many tiles a side show a large picture nearly at its full size.

    Args:
        width_px: Of the picture.
        height_px: Of the picture.
        seen_px: Longer side of what the model sees.
        overlap: Of neighbouring tiles, as a share of a tile.

    Returns:
        At most 16. With 640 pixels seen and an overlap of 0.2: 1 below 1054, 2 for 1280, 3 for
        1920, 6 for 3840.
    """
    times = _NEARLY * max(width_px, height_px) / seen_px
    return min(max(1, round(1.0 + (times - 1.0) / (1.0 - overlap))), MOST_A_SIDE)


def looks(width_px: int, height_px: int, *, columns: int, rows: int, overlap: float) -> IntArray:
    """Return x1, y1, x2, y2 (L, 4) of the whole picture and then of its tiles, row by row.

    The tiles of a row are equally wide, those of a column equally high, and all end inside. Where
    there is one tile only, it is the whole picture, which is not looked at twice.
    """
    whole = np.array([[0, 0, width_px, height_px]], dtype=np.int64)
    if columns == rows == 1:
        return whole
    x1, wide = _cuts(width_px, columns, overlap)
    y1, high = _cuts(height_px, rows, overlap)
    top, left = (side.ravel() for side in np.meshgrid(y1, x1, indexing="ij"))
    return np.concatenate([whole, np.column_stack((left, top, left + wide, top + high))])


class Merged(NamedTuple):
    """The boxes of a picture, and how sure those were that are left out."""

    boxes: FloatArray  # x1, y1, x2, y2 in the picture, confidence, class (M, 6), the surest first
    unconfirmed: FloatArray  # (U,) confidences of those cut by a seam and seen in one look only
    too_many: FloatArray  # (T,) confidences


def merged(boxes: FloatArray, look_of: IntArray, rectangles: IntArray) -> Merged:
    """Make the boxes of all looks at one picture those of the picture: one a person.

    What one look told apart stays apart. Of the boxes of one thing in several looks that of a tile
    is kept, the surest first, else that of the whole picture; it is as sure as the surest of them.
    A box that a seam cuts gives way to one that is whole; two that are cut and share half of the
    smaller are joined; one that nothing confirms is left out, because its feet may be beyond the
    seam.

    Args:
        boxes: x1, y1, x2, y2 in the picture, confidence, class (N, 6).
        look_of: The row of `rectangles` that each box was seen in (N,).
        rectangles: As `looks` made them (L, 4), the whole picture first.
    """
    surest = np.argsort(-boxes[:, _CONFIDENCE], kind="stable")
    too_many = boxes[surest[MOST_BOXES:], _CONFIDENCE]
    boxes, look_of = boxes[surest[:MOST_BOXES]], look_of[surest[:MOST_BOXES]]
    cut = _cut_by_a_seam(boxes, rectangles[look_of], rectangles[0])
    order = np.lexsort((-boxes[:, _CONFIDENCE], look_of == 0, cut))
    boxes, look_of, cut = boxes[order], look_of[order], cut[order]
    both = _shared_areas(boxes)
    area = np.diag(both)
    smaller = np.minimum(area[:, None], area[None, :])
    iou = both / np.maximum(area[:, None] + area[None, :] - both, 1e-9)
    rival = (boxes[:, None, _CLASS] == boxes[None, :, _CLASS]) & (
        look_of[:, None] != look_of[None, :]
    )
    # Of a whole and a whole, of a whole (row) and a cut (column), of two cut ones.
    copies = rival & ~cut[None, :] & (iou >= _SAME_IOU)
    pieces = rival & cut[None, :] & (both >= _SAME_COVERED * area[None, :])
    halves = rival & cut[None, :] & (both >= _SAME_COVERED * smaller)
    free = np.ones(len(boxes), dtype=np.bool_)
    kept: list[FloatArray] = []
    unconfirmed: list[float] = []
    for row in range(len(boxes)):
        if not free[row]:
            continue
        free[row] = False
        if not cut[row]:
            same = free & (copies[row] | pieces[row])
            free &= ~same
            kept.append(_as_sure(boxes[row], boxes[same]))
            continue
        others = np.flatnonzero(halves[row] & free)
        if len(others):
            best = [
                others[look_of[others] == look][
                    both[row, others[look_of[others] == look]].argmax()
                ]
                for look in np.unique(look_of[others])
            ]
            free[best] = False
            kept.append(_joined(boxes[[row, *best]]))
        else:
            unconfirmed.append(boxes[row, _CONFIDENCE])
    found = np.array(kept, dtype=np.float64).reshape(-1, boxes.shape[1])
    order = np.argsort(-found[:, _CONFIDENCE], kind="stable")
    return Merged(found[order], np.array(unconfirmed), too_many)


def _cuts(side_px: int, count: int, overlap: float) -> tuple[IntArray, int]:
    """Return where the tiles along one side begin, and how long each is."""
    long_px = max(1, round(side_px / (1.0 + (count - 1) * (1.0 - overlap))))
    return np.linspace(0, side_px - long_px, count).round().astype(np.int64), long_px


def _cut_by_a_seam(boxes: FloatArray, tiles: IntArray, whole: IntArray) -> npt.NDArray[np.bool_]:
    """Tell which boxes (N,) touch a side of their tile that is not one of the picture's."""
    near_px = _SEAM_SHARE * (boxes[:, 2:4] - boxes[:, :2])
    first = (boxes[:, :2] <= tiles[:, :2] + near_px) & (tiles[:, :2] > whole[:2])
    last = (boxes[:, 2:4] >= tiles[:, 2:] - near_px) & (tiles[:, 2:] < whole[2:])
    return np.asarray((first | last).any(axis=1), dtype=np.bool_)


def _shared_areas(boxes: FloatArray) -> FloatArray:
    """Return what each two boxes share, px² (N, N); on the diagonal each one's area."""
    first = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    last = np.minimum(boxes[:, None, 2:4], boxes[None, :, 2:4])
    shared: FloatArray = np.prod(np.clip(last - first, 0.0, None), axis=2)
    return shared


def _as_sure(kept: FloatArray, others: FloatArray) -> FloatArray:
    """Return the box (6,) with the confidence of the surest of it and the others (K, 6)."""
    sure = others[:, _CONFIDENCE].max(initial=kept[_CONFIDENCE])
    return np.concatenate([kept[:_CONFIDENCE], [sure], kept[_CLASS:]])


def _joined(pieces: FloatArray) -> FloatArray:
    """Return the box around the pieces (K, 6) of one thing."""
    around = np.concatenate(
        [pieces[:, :2].min(axis=0), pieces[:, 2:4].max(axis=0), pieces[0, _CONFIDENCE:]]
    )
    return _as_sure(around, pieces)
