"""Draw what a device sees: the ground (once, or warped for a drone), people on it, night.

A picture follows from the seed, the moment and the pose alone: the same night looks the same.
"""

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from edge.camera import Pose
from maps.demo.ground import Ground, make_ground
from maps.demo.people import Figure
from maps.demo.sprite import Sprite
from maps.demo.view import Eye, Seen
from maps.demo.walkers import PERIOD_S, Looks

Picture = npt.NDArray[np.uint8]

_MOONLIGHT: Final = np.array([0.62, 0.55, 0.46])  # blue, green, red
_PEOPLE_LIT: Final = 1.25  # people stand out a little, as under the camera's own lamp
_GRAIN_SIGMA: Final = 3.0
_GRAINS: Final = 4
_SHADOW_WIDTH_M: Final = 0.8
_SHADOW_DEPTH_M: Final = 0.5
_SHADOW_ALPHA: Final = 0.55
_SHADOW_PX: Final = 64
# Moments at which a drone's flight reaches every place that it ever looks at.
_LOOKED_S: Final = tuple(np.arange(0.0, 2.0 * PERIOD_S, 2.0).tolist())


class Renderer:
    """Draws one device's pictures."""

    def __init__(self, eye: Eye, figures: tuple[Figure, ...], *, seed: int) -> None:
        self._eye = eye
        self._figures = figures
        self._seed = seed
        camera = eye.config.camera
        looked_s = _LOOKED_S if eye.site.stands is None else _LOOKED_S[:1]
        ground = make_ground(camera, [eye.true_pose(night_s) for night_s in looked_s], seed=seed)
        self._ground = Ground(_times(ground.picture, _MOONLIGHT), ground.corner)
        self._background: tuple[Pose, Picture] | None = None
        self._sprites: dict[Looks, tuple[Sprite, float]] = {}
        self._shadow = _shadow()
        random = np.random.default_rng(seed)
        shape = (camera.height_px, camera.width_px, 3)
        self._grains = [
            random.normal(0.0, _GRAIN_SIGMA, shape).round().astype(np.int8) for _ in range(_GRAINS)
        ]

    def picture(self, night_s: float) -> Picture:
        """Return what the device sees so many seconds into the night, BGR (height, width, 3)."""
        picture = self._ground_from(self._eye.true_pose(night_s)).copy()
        for one in self._eye.seen(night_s, seed=self._seed):
            self._draw(picture, one)
        grain = self._grains[int(night_s * 1000.0) % _GRAINS]
        return cv2.add(picture, grain, dtype=cv2.CV_8U).astype(np.uint8, copy=False)

    def _ground_from(self, pose: Pose) -> Picture:
        if self._background is None or self._background[0] != pose:
            warped = self._ground.warped(self._eye.config.camera, pose)
            self._background = (pose, warped)
        return self._background[1]

    def _draw(self, picture: Picture, one: Seen) -> None:
        looks = one.walker.looks
        sprite, height_px = self._sprite(looks)
        # Seen from above, a metre of ground along the view is shorter than a metre across it, and
        # so is a standing person's height: both by the same angle.
        upright = one.height_px / (one.px_per_m * looks.height_m)
        flat = float(np.sqrt(max(1.0 - upright**2, 0.0)))
        width_px = one.px_per_m * _SHADOW_WIDTH_M
        depth_px = one.px_per_m * _SHADOW_DEPTH_M * flat
        self._shadow.lay(picture, one.contact_px, (width_px / _SHADOW_PX, depth_px / _SHADOW_PX))
        scale = (one.px_per_m * looks.height_m / height_px, one.height_px / height_px)
        sprite.lay(picture, one.contact_px, scale)

    def _sprite(self, looks: Looks) -> tuple[Sprite, float]:
        made = self._sprites.get(looks)
        if made is None:
            figure = self._figures[looks.figure % len(self._figures)]
            figure = figure.mirrored() if looks.mirrored else figure
            light = np.append(_MOONLIGHT * _PEOPLE_LIT * looks.brightness, 1.0)
            made = Sprite.of(_times(figure.bgra, light), figure.contact_px), figure.height_px
            self._sprites[looks] = made
        return made


def _times(picture: Picture, light: npt.NDArray[np.float64]) -> Picture:
    return np.clip(picture * light.astype(np.float32), 0.0, 255.0).astype(np.uint8)


def _shadow() -> Sprite:
    """Return the soft dark spot under a person, as black paint of varying density."""
    away = np.linspace(-2.5, 2.5, _SHADOW_PX)
    density = np.exp(-(away[:, None] ** 2 + away[None, :] ** 2) / 2.0)
    paint = np.zeros((_SHADOW_PX, _SHADOW_PX, 4), np.uint8)
    paint[..., 3] = 255.0 * _SHADOW_ALPHA * density
    return Sprite.of(paint, ((_SHADOW_PX - 1) / 2.0, (_SHADOW_PX - 1) / 2.0))
