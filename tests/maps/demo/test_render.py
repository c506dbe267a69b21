import numpy as np
import pytest
from numpy.testing import assert_allclose

from edge.camera import pixels_from_enu
from maps.demo.ground import Ground
from maps.demo.landscape import Point, points_from_lens
from maps.demo.render import Renderer
from maps.demo.sprite import Sprite


@pytest.fixture(scope="module")
def renderer(eye_of, figures) -> Renderer:
    return Renderer(eye_of("cam-01"), figures, seed=1)


def test_the_same_moment_gives_the_same_picture(eye_of, figures, renderer) -> None:
    again = Renderer(eye_of("cam-01"), figures, seed=1)
    assert np.array_equal(renderer.picture(28.0), again.picture(28.0))


def test_pictures_have_the_camera_s_shape(renderer) -> None:
    picture = renderer.picture(0.0)
    assert picture.shape == (720, 1280, 3)
    assert picture.dtype == np.uint8


def test_it_is_night_but_not_black(renderer) -> None:
    """A scene check must not call the demo dark, nor a detector be blinded."""
    assert 25.0 < renderer.picture(0.0).mean() < 90.0


def test_people_appear_in_their_boxes_and_nowhere_else(eye_of, renderer) -> None:
    empty, peopled = renderer.picture(0.0).astype(int), renderer.picture(28.0).astype(int)
    changed = np.abs(peopled - empty).max(axis=2) > 40
    seen = eye_of("cam-01").seen(28.0, seed=1)
    assert len(seen) >= 3
    inside = np.zeros_like(changed)
    for one in seen:
        x1, y1, x2, y2 = (round(value) for value in one.box_px)
        assert changed[y1:y2, x1:x2].mean() > 0.2
        inside[y1 - 8 : y2 + 12, x1 - 15 : x2 + 15] = True
    assert not changed[~inside].any()


def test_feet_are_drawn_where_the_camera_model_says(eye_of, renderer) -> None:
    eye = eye_of("cam-01")
    empty, peopled = renderer.picture(0.0).astype(int), renderer.picture(28.0).astype(int)
    for one in eye.seen(28.0, seed=1):
        u, v = (round(value) for value in one.contact_px)
        half = round(0.3 * one.px_per_m)
        strip = np.abs(peopled - empty)[v - 40 : v + 30, u - half : u + half].max(axis=(1, 2))
        lowest = v - 40 + int(np.argwhere(strip > 45)[-1, 0])
        # Between the feet is the contact point; the nearer shoe is up to 6 % of the height lower.
        assert -8 <= lowest - v <= 0.07 * one.height_px + 3


@pytest.mark.parametrize("night_s", [0.0, 33.0, 95.0, 170.0])
def test_the_ground_moves_under_the_drone_as_the_camera_model_says(eye_of, night_s) -> None:
    """A white spot on the ground lands on the pixel that the spot's place projects to."""
    eye = eye_of("drone-01")
    camera, pose = eye.config.camera, eye.true_pose(night_s)
    spots = [Point(-50.0, 3.0), Point(-30.0, 0.0), Point(-10.0, -6.0)]
    for spot in spots:
        picture = np.zeros((1100, 2000, 3), np.uint8)
        corner = Point(-70.0, 22.0)
        column, row = round((spot.east_m + 70.0) * 25.0), round((22.0 - spot.north_m) * 25.0)
        picture[row - 3 : row + 4, column - 3 : column + 4] = 255
        warped = Ground(picture, corner).warped(camera, pose)
        lens = points_from_lens(np.array([(spot.east_m, spot.north_m, 0.0)]), pose)
        ((u, v),), _ = pixels_from_enu(lens, camera, pose)
        if not (30.0 < u < 1250.0 and 30.0 < v < 690.0):
            continue
        rows, columns = np.nonzero(warped[..., 0] > 127)
        assert_allclose((columns.mean(), rows.mean()), (u, v), atol=1.5)


def test_a_sprite_s_anchor_lands_on_its_pixel_at_any_scale() -> None:
    square = np.zeros((101, 101, 4), np.uint8)
    square[40:61, 40:61] = 255
    sprite = Sprite.of(square, (50.0, 50.0))
    for scale in (1.3, 1.0, 0.61, 0.5, 0.27, 0.11):
        picture = np.zeros((200, 200, 3), np.uint8)
        sprite.lay(picture, (100.3, 90.7), (scale, scale))
        weight = picture[..., 0].astype(float)
        rows, columns = np.mgrid[:200, :200]
        centre = (columns * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()
        assert_allclose(centre, (100.3, 90.7), atol=0.15)


def test_a_sprite_beyond_the_rim_changes_nothing() -> None:
    square = np.full((20, 20, 4), 255, np.uint8)
    picture = np.zeros((50, 50, 3), np.uint8)
    Sprite.of(square, (10.0, 10.0)).lay(picture, (-40.0, 25.0), (1.0, 1.0))
    assert not picture.any()
