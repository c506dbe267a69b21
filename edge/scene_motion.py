"""Does a fixed camera still look where it looked: the picture against references of it.

Corners (ORB) of the picture now are matched with those of a reference picture; a similarity
(shift, turn, scale) through most of them says how the picture lies against it, whatever walks
through it. Where too few corners are found again, say because the camera went from daylight to its
infra-red lamp, the edges of both pictures are held against each other: they stay where they are.

As the light changes, a new reference joins the old ones, with its own place against the first,
and only while the camera is unmoved. It is added when it is needed, not by the clock, so that
neither a slow sag of the mast nor the sum of many small errors of measurement (some tenths of a
pixel each time) is taken for the place where the camera belongs.
"""

from collections import deque
from enum import Enum
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.messages import UtcTime
from edge.scene_texture import Grey

Affine = npt.NDArray[np.float64]  # (3, 3), pixels of the small copy

CORNERS: Final = 300
LEAST_FOUND: Final = 20  # corners that agree, else the match means nothing
FOUND_WELL: Final = 60  # corners that agree, else it is time for another reference
ENOUGH: Final = 60  # corners that a picture needs, else nothing can be said of it
MOST_REFERENCES: Final = 12
MEDIAN_OF: Final = 5
NEW_REFERENCE_S: Final = 60.0  # at least so long between two

_LEAST_CONTRAST: Final = 10  # levels of 255, of a corner
_AGREE_PX: Final = 2.0
_MOST_SCALE: Final = 1.6
_EDGE_MARGIN: Final = 0.1  # of the half-size picture's width: as far as edges are searched
_EDGE_MATCH: Final = 0.5  # correlation: of one place 0.7 and more, of two 0.3 and less
_GRID: Final = 5


class Shift(NamedTuple):
    """How the picture lies against where it belongs, in pixels of the small copy."""

    rms_px: float  # over the whole picture, so that turns and zoom count too
    right_px: float  # of the picture's middle: the camera turned left
    down_px: float
    turn_deg: float  # clockwise
    scale: float
    spread_px: float  # of the measurements it is the median of: a mast that sways


class Unknown(Enum):
    """Why there is no shift."""

    POOR = "too few corners in the picture"
    LOST = "nothing of any reference found again"


class _Reference(NamedTuple):
    corners: npt.NDArray[np.float32]  # (N, 2)
    descriptors: npt.NDArray[np.uint8]  # (N, 32)
    edges: npt.NDArray[np.float32]
    from_first: Affine  # where a pixel of the first reference lies in this one


class Alignment:
    """One fixed camera's picture against its references."""

    def __init__(self) -> None:
        self._orb = cv2.ORB_create(nfeatures=CORNERS, fastThreshold=_LEAST_CONTRAST)  # type: ignore[attr-defined]
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)
        self._references: list[_Reference] = []
        self._current = 0
        self._turn = 0
        self._added_at: UtcTime | None = None
        self._lately: deque[Affine] = deque(maxlen=MEDIAN_OF)

    def measure(self, grey: Grey, at: UtcTime, *, still_px: float) -> Shift | Unknown:
        """Measure one picture; the first with enough corners becomes the reference.

        The shift is the median of the last few measurements.

        Args:
            grey: Small grey copy (height, width), always of one size.
            at: When it was taken.
            still_px: Below this it is unmoved for certain, and may become a reference.
        """
        seen, descriptors = self._orb.detectAndCompute(grey, None)
        if len(seen) < ENOUGH:
            return Unknown.POOR
        corners = np.array([corner.pt for corner in seen], dtype=np.float32)
        if not self._references:
            self._add(_Reference(corners, descriptors, _edges(grey), np.eye(3)), at)
        lies, strong = self._match(corners, descriptors)
        if lies is None:
            lies = self._match_edges(grey)
        if lies is None:
            self._lately.clear()
            return Unknown.LOST
        self._lately.append(lies)
        shift = _shift(np.array(self._lately), grey.shape)
        if not strong and shift.rms_px < still_px and self._may_add(at):
            lies = np.median(self._lately, axis=0)
            self._add(_Reference(corners, descriptors, _edges(grey), lies), at)
        return shift

    def _add(self, reference: _Reference, at: UtcTime) -> None:
        """Keep a reference, and the first for ever."""
        del self._references[1 : len(self._references) - MOST_REFERENCES + 2]
        self._references.append(reference)
        self._current = len(self._references) - 1
        self._added_at = at

    def _may_add(self, at: UtcTime) -> bool:
        passed_s = 0.0 if self._added_at is None else at.seconds_since(self._added_at)
        if passed_s < 0.0:
            self._added_at = at  # the clock went back
        return passed_s >= NEW_REFERENCE_S

    def _match(
        self, corners: npt.NDArray[np.float32], descriptors: npt.NDArray[np.uint8]
    ) -> tuple[Affine | None, bool]:
        """Return where the first reference's pixels lie now, and whether that is well founded.

        The reference that served last is tried; where that is weak, one other in turn.
        """
        found, lies = self._fit(self._references[self._current], corners, descriptors)
        if found < FOUND_WELL and len(self._references) > 1:
            self._turn = (self._turn + 1) % len(self._references)
            other_found, other_lies = self._fit(self._references[self._turn], corners, descriptors)
            if other_found > found:
                found, lies, self._current = other_found, other_lies, self._turn
        return lies, found >= FOUND_WELL

    def _fit(
        self,
        reference: _Reference,
        corners: npt.NDArray[np.float32],
        descriptors: npt.NDArray[np.uint8],
    ) -> tuple[int, Affine | None]:
        """Return how many corners agree, and what they agree on."""
        pairs = self._matcher.match(reference.descriptors, descriptors)
        if len(pairs) < LEAST_FOUND:
            return 0, None
        before = reference.corners[[pair.queryIdx for pair in pairs]]
        now = corners[[pair.trainIdx for pair in pairs]]
        matrix, inliers = cv2.estimateAffinePartial2D(
            before, now, method=cv2.RANSAC, ransacReprojThreshold=_AGREE_PX
        )
        if matrix is None:
            return 0, None
        found = int(inliers.sum())
        scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        if found < LEAST_FOUND or not 1.0 / _MOST_SCALE < scale < _MOST_SCALE:
            return 0, None
        return found, np.vstack((matrix, (0.0, 0.0, 1.0))) @ reference.from_first

    def _match_edges(self, grey: Grey) -> Affine | None:
        """Return a shift by the edges of the current reference, or None: they do not match."""
        reference = self._references[self._current]
        edges = _edges(grey)
        margin = round(_EDGE_MARGIN * edges.shape[1])
        middle = reference.edges[margin:-margin, margin:-margin]
        if min(middle.shape, default=0) < margin or float(middle.std()) == 0.0:
            return None
        likeness = cv2.matchTemplate(edges, middle, cv2.TM_CCOEFF_NORMED)
        _, best, _, (column, row) = cv2.minMaxLoc(likeness)
        if not best >= _EDGE_MATCH:
            return None
        shift = np.eye(3)
        shift[:2, 2] = 2.0 * (column - margin), 2.0 * (row - margin)
        lies: Affine = shift @ reference.from_first
        return lies


def _edges(grey: Grey) -> npt.NDArray[np.float32]:
    """Return the strength of the edges at half size, weak ones raised."""
    half = cv2.pyrDown(grey.astype(np.float32))
    along, down = cv2.Sobel(half, cv2.CV_32F, 1, 0), cv2.Sobel(half, cv2.CV_32F, 0, 1)
    return np.sqrt(cv2.magnitude(along, down)).astype(np.float32, copy=False)


def _shift(lately: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Shift:
    """Describe where a picture's points lie by the median of measurements (N, 3, 3)."""
    height_px, width_px = shape[:2]
    columns, rows = np.meshgrid(
        np.linspace(0.0, width_px - 1.0, _GRID), np.linspace(0.0, height_px - 1.0, _GRID)
    )
    points = np.column_stack((columns.ravel(), rows.ravel(), np.ones(_GRID * _GRID)))
    lies = np.median(lately, axis=0)
    away = (points @ lies.T - points)[:, :2]
    apart = (points @ np.swapaxes(lately - lies, 1, 2))[..., :2]
    middle = away[_GRID * _GRID // 2]
    return Shift(
        rms_px=_rms(away),
        right_px=float(middle[0]),
        down_px=float(middle[1]),
        turn_deg=float(np.degrees(np.arctan2(lies[1, 0], lies[0, 0]))),
        scale=float(np.hypot(lies[0, 0], lies[1, 0])),
        spread_px=max(_rms(each) for each in apart),
    )


def _rms(vectors: npt.NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.sum(vectors**2, axis=1))))
