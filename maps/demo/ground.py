"""The look of the ground: a part of the sector from above, made of seeded noise."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from edge.camera import Camera, FloatArray, Pose, rays_enu
from maps.demo.landscape import FARMLAND, GATE, GROUND_ALT_M, TRAILS, Point, place_of

Picture = npt.NDArray[np.uint8]
Shares = npt.NDArray[np.float32]  # shape (height, width)

_PX_PER_M: Final = 25.0
_GRASS: Final = np.array([58.0, 96.0, 84.0], np.float32)  # blue, green, red
_SOIL: Final = np.array([92.0, 122.0, 146.0], np.float32)
_FIELD: Final = np.array([62.0, 88.0, 112.0], np.float32)
_TRAIL_WIDTH_M: Final = 1.3
_FURROW_M: Final = 0.8
_MARGIN_M: Final = 3.0  # a pose may err by more than at the moments that were looked at
# The noise is drawn for the whole sector, so that all devices look at the same ground.
_REACH_M: Final = 160.0


class Ground(NamedTuple):
    """A part of the sector from above.

    Attributes:
        picture: BGR, north up, `_PX_PER_M` pixels a metre.
        corner: The place of its north-west corner pixel.
    """

    picture: Picture
    corner: Point

    def warped(self, camera: Camera, pose: Pose) -> Picture:
        """Return the ground as the camera sees it; black where this part ends.

        Plane to plane is a homography: it follows from the picture's four corners.
        """
        pixels, places = _corners_on_ground(camera, pose)
        from_above = (places - np.array(self.corner)) * (_PX_PER_M, -_PX_PER_M)
        matrix = cv2.getPerspectiveTransform(
            from_above.astype(np.float32), pixels.astype(np.float32)
        )
        size = (camera.width_px, camera.height_px)
        return cv2.warpPerspective(self.picture, matrix, size).astype(np.uint8, copy=False)


def make_ground(camera: Camera, poses: Iterable[Pose], *, seed: int) -> Ground:
    """Draw grass, trails, the worn gate and the furrows, as far as these poses see.

    The border line is not painted: in nature nothing shows it.
    """
    places = np.concatenate([_corners_on_ground(camera, pose)[1] for pose in poses])
    west_m, south_m = places.min(axis=0) - _MARGIN_M
    east_m, north_m = places.max(axis=0) + _MARGIN_M
    area = _Area(
        Point(float(west_m), float(north_m)),
        height=round((north_m - south_m) * _PX_PER_M),
        width=round((east_m - west_m) * _PX_PER_M),
    )
    random = np.random.default_rng(seed)
    patches = area.noise(random, cell_m=7.0)
    tufts = area.noise(random, cell_m=0.5)
    blades = area.noise(random, cell_m=0.09)
    field = area.filled(FARMLAND)
    across_m = area.corner.east_m + np.arange(area.width, dtype=np.float32) / _PX_PER_M
    furrows = np.sin(across_m * 2.0 * np.pi / _FURROW_M)
    worn = np.maximum(area.along(TRAILS.values()), 0.6 * area.filled(GATE))
    bare = 0.45 * np.clip(0.35 + 0.55 * patches + 0.35 * tufts, 0.0, 1.0)
    colour = _GRASS + bare[..., None] * (_SOIL - _GRASS)
    colour += field[..., None] * (_FIELD - colour) * 0.7
    colour += worn[..., None] * (_SOIL * 1.08 - colour) * 0.8
    shade = 1.0 + 0.16 * patches + 0.22 * tufts + 0.2 * blades + 0.1 * field * furrows
    colour *= shade[..., None]
    return Ground(np.clip(colour, 0.0, 255.0).astype(np.uint8), area.corner)


class _Area(NamedTuple):
    """A rectangle of the ground as pixels."""

    corner: Point  # north-west
    height: int
    width: int

    def noise(self, random: np.random.Generator, *, cell_m: float) -> Shares:
        """Return smooth noise about 0, one sigma about 0.4; the same at a place in every area."""
        count = int(2.0 * _REACH_M / cell_m)
        coarse = (0.5 * random.standard_normal((count, count), np.float32)).astype(np.float32)
        step = 1.0 / (_PX_PER_M * cell_m)
        first_x = (self.corner.east_m + _REACH_M) / cell_m
        first_y = (_REACH_M - self.corner.north_m) / cell_m
        matrix = np.array([[step, 0.0, first_x], [0.0, step, first_y]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        smooth = cv2.warpAffine(coarse, matrix, (self.width, self.height), flags=flags)
        return np.asarray(smooth, dtype=np.float32)

    def filled(self, places: tuple[Point, ...]) -> Shares:
        """Return 1 inside the outline, 0 outside, with a soft rim."""
        mask = np.zeros((self.height, self.width), np.float32)
        cv2.fillPoly(mask, [self._pixels(places)], 1.0)
        return _soft(mask, rim_m=0.3)

    def along(self, ways: Iterable[tuple[Point, ...]]) -> Shares:
        """Return 1 on the ways, 0 off them, with a soft rim."""
        mask = np.zeros((self.height, self.width), np.float32)
        wide = round(_TRAIL_WIDTH_M * _PX_PER_M)
        for way in ways:
            cv2.polylines(mask, [self._pixels(way)], isClosed=False, color=1.0, thickness=wide)
        return _soft(mask, rim_m=0.25)

    def _pixels(self, places: tuple[Point, ...]) -> npt.NDArray[np.int32]:
        metres = np.array(places) - np.array(self.corner)
        return np.asarray(np.round(metres * (_PX_PER_M, -_PX_PER_M)), dtype=np.int32)


def _soft(mask: Shares, *, rim_m: float) -> Shares:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), rim_m * _PX_PER_M), dtype=np.float32)


def _corners_on_ground(camera: Camera, pose: Pose) -> tuple[FloatArray, FloatArray]:
    """Return the picture's corners (4, 2) and their places (4, 2) on flat ground, metres.

    Every device of the demo looks down steeply enough that all of them meet the ground.
    """
    right, bottom = camera.width_px - 1.0, camera.height_px - 1.0
    pixels = np.array([(0.0, 0.0), (right, 0.0), (right, bottom), (0.0, bottom)])
    rays = rays_enu(pixels, camera, pose)
    hits = rays[:, :2] * ((pose.alt_m - GROUND_ALT_M) / -rays[:, 2:])
    return pixels, hits + np.array(place_of(pose.lat, pose.lon))
