"""Blind is not quiet: faults made of natural and of real pictures, and what only looks like one."""

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.camera import Camera
from edge.frames import Image
from edge.messages import Scene, SensorKind, UtcTime
from edge.scene import FROZEN_S, SceneWatch
from edge.scene_motion import Alignment, Shift
from edge.scene_texture import Texture, small_grey

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
CHANCE = np.random.default_rng(7)
GRAIN = CHANCE.normal(0.0, 1.0, (640, 900, 3)).astype(np.float32)
WIDTH, HEIGHT = 480, 270
PX_PER_DEG = WIDTH / 2.0 / np.tan(np.radians(30.0)) * np.radians(1.0)

Fault = Callable[[Image], Image]


def natural(seed: int = 1, width: int = WIDTH + 160, height: int = HEIGHT + 160) -> Image:
    """Draw a grey picture whose structure, as in nature, is alike at every scale."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width))
    size = 2
    while size < width:
        noise = random.normal(0.0, 1.0, (max(2, height * size // width), size))
        total += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) / size**0.4
        size *= 2
    total = 120.0 + 45.0 * (total - total.mean()) / total.std()
    return np.clip(total, 0, 255).astype(np.uint8)


WIDE = natural()


def shot(
    right_px: float = 0.0, down_px: float = 0.0, turn_deg: float = 0.0, wide: Image = WIDE
) -> Image:
    """Photograph the middle of the wide picture, the camera turned a little, with fresh noise."""
    matrix = cv2.getRotationMatrix2D((wide.shape[1] / 2, wide.shape[0] / 2), turn_deg, 1.0)
    matrix[:, 2] += (right_px - 80.0, down_px - 80.0)
    return noisy(cv2.warpAffine(wide, matrix, (WIDTH, HEIGHT)).astype(np.uint8), 1.5)


def noisy(picture: Image, sigma: float) -> Image:
    height, width = picture.shape[:2]
    y, x = (int(CHANCE.integers(0, most)) for most in (640 - height, 900 - width))
    grain = GRAIN[y : y + height, x : x + width] * np.float32(sigma)
    grain = grain[..., 0] if picture.ndim == 2 else grain
    return cv2.add(picture, grain, dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def blurred(picture: Image, sigma: float) -> Image:
    return cv2.GaussianBlur(picture, (0, 0), sigma).astype(np.uint8)


def covered(picture: Image, level: int, share: float) -> Image:
    changed = picture.copy()
    changed[:, : round(share * picture.shape[1])] = level
    return noisy(changed, 1.5)


def turned(picture: Image, deg: float) -> Image:
    """Turn the camera of a real picture to the right, 60 degrees being its width."""
    height, width = picture.shape[:2]
    shift_px = -deg * width / 2.0 / np.tan(np.radians(30.0)) * np.radians(1.0)
    matrix = np.array([[1.0, 0.0, shift_px], [0.0, 1.0, 0.0]])
    moved = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    return moved.astype(np.uint8)


def new_watch(picture: Image, kind: SensorKind = SensorKind.CAMERA) -> SceneWatch:
    height, width = picture.shape[:2]
    focal = width / 2.0 / np.tan(np.radians(30.0))
    return SceneWatch(kind, Camera(width, height, focal, focal, width / 2, height / 2, None, ()))


class Looker:
    """Looks once a second, at what it is shown."""

    def __init__(self, kind: SensorKind = SensorKind.CAMERA) -> None:
        self.kind = kind
        self.watch: SceneWatch | None = None
        self.second = 0

    def at(self, pictures: Iterable[Image]) -> list[Scene]:
        said = []
        for picture in pictures:
            self.watch = self.watch or new_watch(picture, self.kind)
            health = self.watch.look(small_grey(picture), NOON.after(self.second))
            assert health.reason
            said.append(health.scene)
            self.second += 1
        return said


@pytest.fixture
def used_to_it() -> Looker:
    """Return a watch of a fixed camera that has seen twenty good seconds."""
    looker = Looker()
    assert set(looker.at(shot() for _ in range(20))) == {Scene.CLEAR}
    return looker


FAULTS: dict[str, tuple[Scene, Fault]] = {
    "night without a lamp": (
        Scene.DARK,
        lambda p: noisy((p * 0.05).astype(np.uint8), 4.0),
    ),
    "cap": (Scene.DARK, np.zeros_like),
    "out of focus": (Scene.BLURRED, lambda p: noisy(blurred(p, 4.0), 1.5)),
    "white paper": (Scene.COVERED, lambda p: covered(p, 250, 1.0)),
    "grey paper over two thirds": (Scene.COVERED, lambda p: covered(p, 128, 0.67)),
    "black tape over two thirds": (Scene.COVERED, lambda p: covered(p, 3, 0.67)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_after_ten_seconds_and_its_end_after_five(
    used_to_it: Looker, name: str
) -> None:
    scene, fault = FAULTS[name]
    said = used_to_it.at(fault(shot()) for _ in range(14))
    assert said[:10] == [Scene.CLEAR] * 10
    assert said[-1] is scene
    said = used_to_it.at(shot() for _ in range(8))
    assert said[:5] == [scene] * 5
    assert said[-1] is Scene.CLEAR


@pytest.mark.parametrize("name", FAULTS)
def test_a_lorry_that_passes_in_eight_seconds_is_no_fault(used_to_it: Looker, name: str) -> None:
    _, fault = FAULTS[name]
    said = used_to_it.at(fault(shot()) for _ in range(8))
    said += used_to_it.at(shot() for _ in range(3))
    assert set(said) == {Scene.CLEAR}


@pytest.mark.parametrize("name", ["night without a lamp", "out of focus", "white paper"])
def test_a_device_that_starts_blind_says_so_at_once(name: str) -> None:
    scene, fault = FAULTS[name]
    assert Looker().at([fault(shot())]) == [scene]


@pytest.mark.parametrize("deg", [0.5, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("how", ["right", "down"])
def test_a_camera_that_was_pushed_is_told_with_the_angle(
    used_to_it: Looker, how: str, deg: float
) -> None:
    shift = deg * PX_PER_DEG
    away = {"right_px": shift} if how == "right" else {"down_px": shift}
    said = used_to_it.at(shot(**away) for _ in range(18))
    assert said[7] is Scene.CLEAR
    assert said[-1] is Scene.MOVED
    assert used_to_it.watch is not None
    health = used_to_it.watch.health
    assert health is not None
    assert f"{deg:+.1f} deg {how}" in health.reason


@pytest.mark.parametrize("deg", [2.0, 5.0])
def test_a_camera_that_was_tilted_to_the_side_has_moved(used_to_it: Looker, deg: float) -> None:
    assert used_to_it.at(shot(turn_deg=deg) for _ in range(18))[-1] is Scene.MOVED


def test_a_camera_that_is_turned_back_is_clear_again(used_to_it: Looker) -> None:
    assert used_to_it.at(shot(right_px=20.0) for _ in range(18))[-1] is Scene.MOVED
    assert used_to_it.at(shot() for _ in range(15))[-1] is Scene.CLEAR


def test_a_mast_that_sways_in_the_wind_has_not_moved(used_to_it: Looker) -> None:
    sway = 1.5 * PX_PER_DEG
    said = used_to_it.at(shot(right_px=sway * np.sin(n * 2.0 * np.pi / 4.6)) for n in range(60))
    assert set(said) == {Scene.CLEAR}


def test_a_mast_that_sags_slowly_has_moved_all_the_same(used_to_it: Looker) -> None:
    """A reference that is renewed by the clock would follow it for ever."""
    said = used_to_it.at(shot(down_px=n / 300.0 * PX_PER_DEG) for n in range(300))
    assert said[0] is Scene.CLEAR
    assert said[-1] is Scene.MOVED


def test_references_follow_what_grows_but_not_a_camera_that_sags() -> None:
    """All corners are replaced twice; no reference is taken for the place it should be in.

    A part of the sag is lost at each replacement, by rounding; without the chain all of it is.
    """
    places = [WIDE, natural(4), natural(5)]
    sag_px = (3.0, 2.0)
    alignment, at, lay_px = Alignment(), NOON, 0.0
    for old, new, sags_px in zip(places, places[1:], sag_px, strict=False):
        for share in np.linspace(0.0, 1.0, 60):
            wide = cv2.addWeighted(old, 1.0 - share, new, share, 0.0).astype(np.uint8)
            picture = shot(down_px=lay_px + share * sags_px, wide=wide)
            shift = alignment.measure(small_grey(picture), at, still_px=6.0)
            at = at.after(6.0)
        lay_px += sags_px
        assert isinstance(shift, Shift)
        assert 0.4 * lay_px < shift.down_px < 1.2 * lay_px
    assert len(alignment._references) > 2


def test_a_lens_that_was_sharper_before_is_blurred_where_a_soft_one_is_not(
    used_to_it: Looker,
) -> None:
    soft = [blurred(shot(), 1.8) for _ in range(14)]
    assert set(Looker().at(soft)) == {Scene.CLEAR}
    assert used_to_it.at(soft)[-1] is Scene.BLURRED


def test_what_was_not_found_at_dusk_is_not_missed_since_then_at_dawn(used_to_it: Looker) -> None:
    elsewhere, dark = natural(2, WIDTH, HEIGHT), FAULTS["night without a lamp"][1]
    used_to_it.at(noisy(elsewhere, 1.5) for _ in range(30))
    assert used_to_it.at(dark(shot()) for _ in range(60))[-1] is Scene.DARK
    said = used_to_it.at(noisy(elsewhere, 1.5) for _ in range(50))
    assert Scene.MOVED not in said


def test_a_camera_turned_to_another_place_has_moved_after_a_minute(used_to_it: Looker) -> None:
    elsewhere = natural(2, WIDTH, HEIGHT)
    said = used_to_it.at(noisy(elsewhere, 1.5) for _ in range(80))
    assert said[59] is Scene.CLEAR
    assert said[-1] is Scene.MOVED


def test_a_drone_s_picture_may_move_and_change() -> None:
    drone = Looker(SensorKind.DRONE)
    said = drone.at(shot(right_px=2.0 * n - 70.0) for n in range(70))
    said += drone.at(noisy(natural(3, WIDTH, HEIGHT), 1.5) for _ in range(90))
    assert set(said) == {Scene.CLEAR}


@pytest.mark.parametrize(
    "light",
    [
        lambda p, _: (p * 0.5).astype(np.uint8),
        lambda p, _: np.clip(p.astype(int) + 50, 0, 255).astype(np.uint8),
        lambda p, _: (255.0 * (p / 255.0) ** 2).astype(np.uint8),
        lambda p, _: 255 - p,
        lambda p, n: noisy((p * (1.0 - n / 150.0)).astype(np.uint8), 3.0),
    ],
    ids=["half the light", "brighter", "more contrast", "thermal cross-over", "dusk"],
)
def test_another_light_is_no_fault(
    used_to_it: Looker, light: Callable[[Image, int], Image]
) -> None:
    assert set(used_to_it.at(light(shot(), n) for n in range(100))) == {Scene.CLEAR}


def test_night_falls_and_the_day_comes_back(used_to_it: Looker) -> None:
    def lit(n: int) -> Image:
        light = max(0.03, abs(n - 120) / 120.0)
        return noisy((shot() * light).astype(np.uint8), 3.0)

    said = used_to_it.at(lit(n) for n in range(241))
    changes = [scene for scene, before in zip(said[1:], said, strict=False) if scene is not before]
    assert changes == [Scene.DARK, Scene.CLEAR]


def test_the_very_same_picture_is_frozen_after_half_a_minute_and_alive_when_it_changes(
    used_to_it: Looker,
) -> None:
    stuck = shot()
    said = used_to_it.at(stuck for _ in range(40))
    assert said.index(Scene.FROZEN) == FROZEN_S
    assert used_to_it.at(shot() for _ in range(8))[-1] is Scene.CLEAR


def test_one_pixel_that_changes_keeps_a_still_scene_from_being_frozen(used_to_it: Looker) -> None:
    still = shot()
    changed = still.copy()
    changed[100, 200] ^= 1
    said = used_to_it.at([still, changed] * 40)
    assert set(said) == {Scene.CLEAR}


def test_what_changes_between_two_looks_is_not_frozen() -> None:
    """A drawn night of the demo has the same grain every second, and another in between."""
    pictures = [shot(), shot()]
    watch = new_watch(pictures[0])
    for number in range(400):
        watch.see(pictures[number % 10 == 0], NOON.after(number / 10))
    assert watch.said(0.1) is Scene.CLEAR


def test_frames_are_looked_at_once_a_second_and_a_new_verdict_is_told_once() -> None:
    watch = new_watch(shot())
    news = [watch.see(shot(), NOON.after(n / 10)) for n in range(40)]
    news += [
        watch.see(np.zeros((HEIGHT, WIDTH), np.uint8), NOON.after(n / 10)) for n in range(40, 200)
    ]
    told = [health for health in news if health is not None]
    assert [health.scene for health in told] == [Scene.CLEAR, Scene.DARK]
    assert told[1].since == NOON.after(14.0)
    assert "mean 0 of 255" in told[1].reason


def test_an_old_picture_does_not_say_that_the_view_is_clear() -> None:
    watch = new_watch(shot())
    assert watch.said(0.0) is None
    watch.look(small_grey(shot()), NOON)
    assert [watch.said(age) for age in (0.2, 11.0, None)] == [Scene.CLEAR, None, None]


def test_an_old_picture_of_a_covered_lens_stays_covered() -> None:
    watch = new_watch(shot())
    watch.look(small_grey(covered(shot(), 250, 1.0)), NOON)
    assert watch.said(600.0) is Scene.COVERED


def test_a_clock_that_goes_back_starts_the_wait_again(used_to_it: Looker) -> None:
    dark = FAULTS["night without a lamp"][1]
    used_to_it.at(dark(shot()) for _ in range(8))
    used_to_it.second -= 3600
    said = used_to_it.at(dark(shot()) for _ in range(12))
    assert said[9] is Scene.CLEAR
    assert said[-1] is Scene.DARK


def test_a_gap_in_the_stream_does_not_make_two_glimpses_a_fault(used_to_it: Looker) -> None:
    dark = FAULTS["night without a lamp"][1]
    used_to_it.at([dark(shot())])
    used_to_it.second += 60
    assert used_to_it.at([dark(shot()), shot()]) == [Scene.CLEAR] * 2


def test_a_stream_that_changes_its_size_is_not_taken_for_a_fault(used_to_it: Looker) -> None:
    halves = (cv2.resize(shot(), (240, 135)).astype(np.uint8) for _ in range(30))
    assert set(used_to_it.at(halves)) == {Scene.CLEAR}


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 700),
    height=st.integers(1, 500),
    level=st.integers(0, 255),
    seed=st.integers(0, 9),
)
def test_whatever_the_picture_there_is_a_verdict(
    width: int, height: int, level: int, seed: int
) -> None:
    picture = np.full((height, width, 3), level, np.uint8)
    if seed:
        picture = np.random.default_rng(seed).integers(0, level + 1, picture.shape, np.uint8)
    watch = new_watch(picture)
    for second in (0, 5, 4, 9, 60):
        assert watch.look(small_grey(picture), NOON.after(second)).scene in Scene


@given(sigma=st.floats(2.5, 12.0))
@settings(max_examples=20, deadline=None)
def test_sharpness_falls_by_a_third_out_of_focus(sigma: float) -> None:
    sharp = Texture.of(small_grey(WIDE)).sharpness
    assert Texture.of(small_grey(blurred(WIDE, sigma))).sharpness < 0.67 * sharp


# -- real footage


def once_a_second(video: Path) -> list[Image]:
    capture = cv2.VideoCapture(str(video))
    step = round(capture.get(cv2.CAP_PROP_FPS))
    found = []
    number = 0
    while capture.grab():
        if number % step == 0:
            found.append(capture.retrieve()[1].astype(np.uint8))
        number += 1
    capture.release()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vtest.avi", "intel_one-by-one-person-detection.mp4"])
def test_real_footage_is_clear_all_through(test_data: Path, name: str) -> None:
    assert set(Looker().at(once_a_second(test_data / "video" / name))) == {Scene.CLEAR}


@pytest.mark.slow
def test_footage_from_the_hand_drifts_and_nothing_else_is_wrong_with_it(test_data: Path) -> None:
    """Within half a minute the car park of the clip wanders by a degree of a 60 degree lens."""
    clip = once_a_second(test_data / "video" / "intel_car-detection.mp4")
    assert set(Looker().at(clip)) == {Scene.CLEAR, Scene.MOVED}
    assert set(Looker(SensorKind.DRONE).at(clip)) == {Scene.CLEAR}


REAL_FAULTS: dict[str, tuple[Scene, Fault]] = FAULTS | {
    "pushed by a degree": (Scene.MOVED, lambda p: turned(p, 1.0)),
    "pushed by five degrees": (Scene.MOVED, lambda p: turned(p, 5.0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL_FAULTS)
def test_faults_are_found_on_real_pictures(test_data: Path, name: str) -> None:
    scene, fault = REAL_FAULTS[name]
    clip = once_a_second(test_data / "video" / "vtest.avi")
    looker = Looker()
    assert set(looker.at(clip[:20])) == {Scene.CLEAR}
    assert looker.at(fault(picture) for picture in clip[20:38])[-1] is scene


def test_a_thermal_picture_is_neither_dark_nor_blurred_for_being_thermal(test_data: Path) -> None:
    files = sorted((test_data / "thermal").rglob("*.jpg"))
    assert len(files) == 40
    for file in files:
        picture = cv2.imread(str(file)).astype(np.uint8)
        cold = (picture * 0.1).astype(np.uint8)
        assert Looker(SensorKind.THERMAL).at([picture]) == [Scene.CLEAR], file.name
        assert Looker(SensorKind.DRONE).at([picture]) == [Scene.CLEAR], file.name
        assert Looker(SensorKind.THERMAL).at([cold])[0] is not Scene.DARK, file.name
