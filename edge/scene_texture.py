"""What a picture has to show, measured on a small grey copy of it.

Sharpness compares structure at two scales of the picture: in a natural picture, fine structure is
nearly as strong as structure twice as coarse; out of focus, it is about half as strong or less.
The finest scale of all is left out: there, the noise of a night picture passes for sharpness.
"""

from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
BlockArray = npt.NDArray[np.float32]

WIDTH_PX: Final = 480  # of the small copy
# Levels of 255. Blocks: 16 across, 9 down.
DARK_MEAN: Final = 25.0
DARK_STD: Final = 6.0
DARK_SHARE: Final = 0.85
FLAT_STD: Final = 2.0
FLAT_SHARE: Final = 0.95
TEXTURED_STD: Final = 4.0
LEAST_TEXTURED: Final = 0.1
LOST_TEXTURE: Final = 0.25  # a block that keeps less of its structure than this has lost it
LOST_SHARE: Final = 0.5
SHARP_LEAST: Final = 0.42  # of any picture
SHARP_KEPT: Final = 0.62  # of what this camera's own picture used to have
SHARP_MOST: Final = 1.0  # more than this is noise, no sharpness

_BLOCKS: Final = (9, 16)


def small_grey(image: npt.NDArray[np.uint8]) -> Grey:
    """Return the grey copy, at most 480 px wide, of a picture (height, width, 3), or (…, …)."""
    height_px, width_px = image.shape[:2]
    if width_px > WIDTH_PX:
        size = (WIDTH_PX, max(1, round(height_px * WIDTH_PX / width_px)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    if image.ndim == 2:  # noqa: PLR2004 - height and width: it is grey already
        return image
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)


class Texture(NamedTuple):
    """What one picture has to show."""

    mean: BlockArray  # (9, 16) brightness of each block, of 255
    std: BlockArray  # (9, 16) structure of each block, its noise mostly averaged away
    sharpness: float

    @classmethod
    def of(cls, grey: Grey) -> "Texture":
        """Measure a small grey copy (height, width)."""
        half = cv2.pyrDown(grey.astype(np.float32))
        rows, columns = _BLOCKS
        high, wide = half.shape[0] // rows, half.shape[1] // columns
        blocks = half[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
        fine, coarse = _structure(half), _structure(cv2.pyrDown(half))
        return cls(
            mean=blocks.mean(axis=(1, 3)),
            std=blocks.std(axis=(1, 3)),
            sharpness=fine / max(coarse, 1e-3),
        )

    def why_dark(self) -> str | None:
        """Return the reason why the picture is dark: black nearly all over, with no structure."""
        share = float(((self.mean < DARK_MEAN) & (self.std < DARK_STD)).mean())
        if share < DARK_SHARE:
            return None
        return f"{share:.0%} of it black, mean {float(self.mean.mean()):.0f} of 255"

    def why_covered(self, usual_std: BlockArray | None) -> str | None:
        """Return the reason why something covers the lens: what had structure has none.

        Args:
            usual_std: `std` as it used to be, or None: not known, so only a picture that is
                uniform nearly all over counts.
        """
        flat = float((self.std < FLAT_STD).mean())
        if flat >= FLAT_SHARE:
            return f"{flat:.0%} of it uniform"
        if usual_std is None:
            return None
        textured = usual_std >= TEXTURED_STD
        if float(textured.mean()) < LEAST_TEXTURED:
            return None
        lost = float((self.std[textured] < LOST_TEXTURE * usual_std[textured]).mean())
        return f"{lost:.0%} of its structure gone" if lost >= LOST_SHARE else None

    def why_blurred(self, usual_sharpness: float) -> str | None:
        """Return the reason why it is out of focus, `sharpness` having been so (0: not known)."""
        least = max(SHARP_LEAST, SHARP_KEPT * min(usual_sharpness, SHARP_MOST))
        if self.sharpness >= least:
            return None
        return f"sharpness {self.sharpness:.2f}, at least {least:.2f} wanted"


def _structure(picture: cv2.typing.MatLike) -> float:
    """Return how strongly a picture changes from pixel to pixel."""
    return float(cv2.Laplacian(picture, cv2.CV_32F).std())
