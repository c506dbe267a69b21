"""Lay a small picture with transparency over a large one, at any scale, between pixels."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]

_LEVELS: Final = 6
_OPAQUE: Final = 255


@dataclass(frozen=True, slots=True)
class Sprite:
    """A small picture, and the same at half size, a quarter, and so on.

    Attributes:
        levels: Colours multiplied by alpha, and alpha: BGRA, each half the size of the one before.
        anchor_px: (x, y) in the first level of the point that the picture is laid down by.
    """

    levels: tuple[Picture, ...]
    anchor_px: tuple[float, float]

    @classmethod
    def of(cls, premultiplied: Picture, anchor_px: tuple[float, float]) -> "Sprite":
        """Make the smaller levels."""
        levels = [premultiplied]
        while len(levels) < _LEVELS and min(levels[-1].shape[:2]) >= 2:  # noqa: PLR2004 - to halve
            height, width = levels[-1].shape[:2]
            # Halves of an even size only: a column more would shift everything by half a pixel.
            even = levels[-1][: height // 2 * 2, : width // 2 * 2]
            half = cv2.resize(even, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            levels.append(half.astype(np.uint8))
        return cls(tuple(levels), anchor_px)

    def lay(
        self,
        picture: Picture,
        anchor_px: tuple[float, float],
        scale: tuple[float, float],
    ) -> None:
        """Draw into `picture` (BGR, in place), the anchor on `anchor_px`, scaled in x and y."""
        level = int(np.clip(np.floor(-np.log2(max(scale))), 0, len(self.levels) - 1))
        sprite = self.levels[level]
        zoom = (scale[0] * 2**level, scale[1] * 2**level)
        # A pixel of this level covers 2**level of the first, and its centre is a whole number.
        held = [(value + 0.5) / 2**level - 0.5 for value in self.anchor_px]
        left = anchor_px[0] - zoom[0] * held[0]
        top = anchor_px[1] - zoom[1] * held[1]
        height, width = sprite.shape[:2]
        x1, y1 = int(np.floor(left)) - 1, int(np.floor(top)) - 1
        x2, y2 = int(left + zoom[0] * width) + 2, int(top + zoom[1] * height) + 2
        x1, y1 = max(x1, 0), max(y1, 0)
        x2, y2 = min(x2, picture.shape[1]), min(y2, picture.shape[0])
        if x1 >= x2 or y1 >= y2:
            return
        matrix = np.array([[zoom[0], 0.0, left - x1], [0.0, zoom[1], top - y1]])
        warped = cv2.warpAffine(sprite, matrix, (x2 - x1, y2 - y1), flags=cv2.INTER_LINEAR)
        below = picture[y1:y2, x1:x2]
        through = (_OPAQUE - warped[..., 3:]).astype(np.uint16)
        shining = (below * through + _OPAQUE // 2) // _OPAQUE
        below[...] = np.minimum(shining + warped[..., :3], _OPAQUE)
