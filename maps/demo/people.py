"""Pictures of people, cut out at run time from the picture inside the ultralytics package.

Each figure is stated by a rectangle and brush strokes, as a person would mark it by hand, for one
very picture (its SHA-256 is checked); GrabCut finds the outline between them. Two of the picture's
people are whole and come out clean; the others are cut by its edge or hidden, and are not used.
"""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from edge.messages import RefusedError

Picture = npt.NDArray[np.uint8]
Stroke = tuple[tuple[int, int], ...]

PICTURE: Final = "assets/bus.jpg"
PICTURE_SHA256: Final = "c02019c4979c191eb739ddd944445ef408dad5679acab6fd520ef9d434bfbc63"
_VERSION: Final = 1  # of the recipe below: a new one makes new files in the cache


class NoPeopleError(RefusedError):
    """The picture that the people are cut from is missing or another one."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Where one person is in the picture; all in its pixels, (x, y)."""

    name: str
    rectangle: tuple[int, int, int, int]  # x1, y1, x2, y2: nothing of the person is outside
    contact: tuple[float, float]  # the point on the ground between the feet
    person: tuple[Stroke, ...]
    background: tuple[Stroke, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """One person, ready to be drawn.

    Attributes:
        name: Of the outline it was cut along.
        bgra: Colours multiplied by alpha, and alpha; shape (h, w, 4), 0-255.
        contact_px: (x, y) in `bgra` of the point on the ground between the feet.
        height_px: From the contact point to the top of the head.
    """

    name: str
    bgra: Picture
    contact_px: tuple[float, float]
    height_px: float

    def mirrored(self) -> "Figure":
        """Return the same person seen in a mirror."""
        x, y = self.contact_px
        flipped = np.ascontiguousarray(self.bgra[:, ::-1])
        return Figure(self.name, flipped, (self.bgra.shape[1] - 1 - x, y), self.height_px)


OUTLINES: Final = (
    Outline(
        "light-coat",
        (44, 392, 248, 910),
        (141.0, 900.0),
        person=(
            ((132, 415), (132, 460)), ((120, 490), (120, 680)), ((90, 520), (90, 660)),
            ((160, 530), (165, 620)), ((150, 600), (160, 670)), ((88, 710), (78, 850)),
            ((158, 705), (190, 845)), ((70, 870), (95, 890)), ((190, 875), (230, 882)),
        ),
        background=(
            ((138, 745), (140, 815)), ((112, 715), (122, 712), (140, 730)),
            ((100, 405), (101, 450)), ((118, 740), (108, 845), (150, 880)),
            ((50, 690), (58, 700), (66, 735), (71, 780), (66, 800)),
            ((46, 898), (62, 905), (75, 909)), ((215, 420), (215, 800)),
            ((55, 420), (60, 490)), ((50, 760), (50, 840)),
        ),
    ),
    Outline(
        "dark-coat",
        (220, 400, 350, 866),
        (281.0, 839.0),
        person=(
            ((285, 415), (288, 460)), ((265, 500), (260, 690)), ((300, 490), (305, 560)),
            ((320, 560), (320, 690)), ((268, 715), (268, 815)), ((315, 710), (285, 780)),
            ((262, 835), (285, 850)), ((286, 795), (292, 812)), ((268, 650), (270, 675)),
        ),
        background=(
            ((246, 410), (248, 480), (243, 500)), ((257, 412), (257, 475)),
            ((338, 565), (346, 600)), ((333, 575), (342, 577)), ((243, 838), (250, 850)),
            ((293, 830), (300, 790)), ((340, 440), (330, 480)), ((232, 730), (240, 850)),
            ((345, 600), (345, 800)), ((320, 770), (310, 850)), ((228, 420), (225, 700)),
        ),
    ),
)  # fmt: skip


def load_figures(cache: Path) -> tuple[Figure, ...]:
    """Return the people, cut out at the first call and read from `cache` afterwards.

    Raises:
        NoPeopleError: The picture is missing, or not the one that the outlines were drawn on.
    """
    return tuple(_load(outline, cache / "people") for outline in OUTLINES)


def _load(outline: Outline, folder: Path) -> Figure:
    path = folder / f"{outline.name}-{PICTURE_SHA256[:8]}-v{_VERSION}.png"
    straight = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    if straight is None or straight.ndim != 3 or straight.shape[2] != 4:  # noqa: PLR2004 - BGRA
        straight = _cut(_read_picture(), outline)
        folder.mkdir(parents=True, exist_ok=True)
        whole = folder / f".{path.name}.{hashlib.sha256(straight.tobytes()).hexdigest()[:8]}.png"
        cv2.imwrite(str(whole), straight)
        whole.replace(path)  # another process may be reading
    x1, y1, _, _ = outline.rectangle
    contact_px = (outline.contact[0] - x1, outline.contact[1] - y1)
    top_px = float(np.argwhere(straight[..., 3].max(axis=1) > 127)[0, 0])  # noqa: PLR2004 - half
    alpha = straight[..., 3:].astype(np.float32) / 255.0
    premultiplied = np.concatenate([straight[..., :3] * alpha, straight[..., 3:]], axis=2)
    height_px = contact_px[1] - top_px
    return Figure(outline.name, premultiplied.astype(np.uint8), contact_px, height_px)


def _read_picture() -> Picture:
    package = find_spec("ultralytics")
    if package is None or package.origin is None:
        msg = f"the package ultralytics is not installed; the people are cut from its {PICTURE}"
        raise NoPeopleError(msg)
    path = Path(package.origin).parent / PICTURE
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"{path}: {error.strerror}; the people are cut from this picture"
        raise NoPeopleError(msg) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != PICTURE_SHA256:
        msg = f"{path}: SHA-256 is {digest}, the people are marked on {PICTURE_SHA256}"
        raise NoPeopleError(msg)
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        msg = f"{path}: is no picture"
        raise NoPeopleError(msg)
    return picture.astype(np.uint8)


def _cut(picture: Picture, outline: Outline) -> Picture:
    """Cut one person out; returns straight (not premultiplied) BGRA of the rectangle."""
    x1, y1, x2, y2 = outline.rectangle
    area = np.ascontiguousarray(picture[y1 - 20 : y2 + 20, x1 - 20 : x2 + 20])
    origin = np.array([x1 - 20, y1 - 20])
    mask = np.full(area.shape[:2], cv2.GC_BGD, np.uint8)
    mask[20:-20, 20:-20] = cv2.GC_PR_BGD
    near = np.zeros_like(mask)
    _brush(near, outline.person, origin, value=1, width_px=44)
    mask[(near == 1) & (mask == cv2.GC_PR_BGD)] = cv2.GC_PR_FGD
    _brush(mask, outline.person, origin, value=cv2.GC_FGD, width_px=8)
    _brush(mask, outline.background, origin, value=cv2.GC_BGD, width_px=5)
    cv2.setRNGSeed(1)  # GrabCut starts from k-means: the same people every time
    colours = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(area, mask, (0, 0, 0, 0), colours[0], colours[1], 8, cv2.GC_INIT_WITH_MASK)
    inside = np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(inside)
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    soft = cv2.GaussianBlur((labels == largest).astype(np.float32), (0, 0), 1.2)
    # The edge is drawn in by half a pixel: the picture's own edge holds its old background.
    alpha = np.clip((soft - 0.4) / 0.5, 0.0, 1.0) * 255.0
    bgra = np.dstack([area, alpha.astype(np.uint8)])[20:-20, 20:-20]
    return np.ascontiguousarray(bgra)


def _brush(
    mask: Picture,
    strokes: tuple[Stroke, ...],
    origin: npt.NDArray[np.int64],
    *,
    value: int,
    width_px: int,
) -> None:
    for stroke in strokes:
        points = (np.array(stroke) - origin).astype(np.int32)
        cv2.polylines(mask, [points], isClosed=False, color=value, thickness=width_px)
