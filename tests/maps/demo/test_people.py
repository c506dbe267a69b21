import hashlib
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from maps.demo import people
from maps.demo.people import NoPeopleError, load_figures


def test_two_whole_people_are_cut_out(figures) -> None:
    assert [figure.name for figure in figures] == ["light-coat", "dark-coat"]
    for figure in figures:
        assert 400.0 < figure.height_px < 520.0


def test_a_person_is_one_piece_with_a_thin_soft_edge(figures) -> None:
    for figure in figures:
        alpha = figure.bgra[..., 3]
        pieces, _, stats, _ = cv2.connectedComponentsWithStats((alpha > 127).astype(np.uint8))
        assert pieces >= 2
        assert stats[1:, cv2.CC_STAT_AREA].max() > 0.99 * (alpha > 127).sum()
        soft = ((alpha > 8) & (alpha < 247)).sum()
        assert soft < 0.12 * (alpha > 127).sum()
        rim = np.concatenate([alpha[0], alpha[:, 0], alpha[:, -1]])
        assert rim.max() == 0  # nobody is cut by the rectangle


def test_colours_are_multiplied_by_alpha(figures) -> None:
    """Else a shrunk edge would take up the colour of the old background: a halo."""
    for figure in figures:
        assert (figure.bgra[..., :3].max(axis=2) <= figure.bgra[..., 3]).all()


def test_feet_are_at_the_contact_point(figures) -> None:
    for figure in figures:
        x, y = figure.contact_px
        lowest = np.argwhere(figure.bgra[..., 3].max(axis=1) > 127)[-1, 0]
        assert 0.0 <= lowest - y < 0.06 * figure.height_px
        assert 0.3 * figure.bgra.shape[1] < x < 0.7 * figure.bgra.shape[1]


def test_the_mirror_turns_a_person_round_and_back(figures) -> None:
    for figure in figures:
        there_and_back = figure.mirrored().mirrored()
        assert np.array_equal(there_and_back.bgra, figure.bgra)
        assert there_and_back.contact_px == figure.contact_px
        assert not np.array_equal(figure.mirrored().bgra, figure.bgra)


def test_the_second_time_they_come_from_the_cache(figures, people_cache, monkeypatch) -> None:
    monkeypatch.setattr(people, "_cut", None)
    again = load_figures(people_cache)
    for first, second in zip(figures, again, strict=True):
        assert np.array_equal(first.bgra, second.bgra)


def test_a_spoilt_cache_is_made_anew(figures, people_cache, tmp_path) -> None:
    folder = tmp_path / "people"
    folder.mkdir()
    for kept in (people_cache / "people").iterdir():
        (folder / kept.name).write_bytes(b"no picture")
    again = load_figures(tmp_path)
    assert np.array_equal(again[0].bgra, figures[0].bgra)


def test_another_picture_is_refused_by_its_hash(tmp_path, monkeypatch) -> None:
    """The strokes were drawn on one very picture: on another they would cut out anything."""
    pytest.importorskip("ultralytics")
    monkeypatch.setattr(people, "PICTURE_SHA256", hashlib.sha256(b"another").hexdigest())
    with pytest.raises(NoPeopleError, match=r"bus\.jpg: SHA-256 is c02019"):
        load_figures(tmp_path)


@pytest.mark.slow
def test_the_real_detector_finds_them_in_the_rendered_pictures(eye_of, figures) -> None:
    from edge.detector import YoloDetector  # noqa: PLC0415 - slow to import
    from maps.demo.render import Renderer  # noqa: PLC0415 - needs the people
    from maps.demo.score import LEAST_HEIGHT_PX  # noqa: PLC0415 - beside it

    data = os.environ.get("TUANBIEN_TEST_DATA")
    if not data or not (Path(data) / "models" / "yolov8n.pt").is_file():
        pytest.skip("TUANBIEN_TEST_DATA holds no models/yolov8n.pt")
    eye = eye_of("cam-01")
    detector = YoloDetector(eye.config.detector, eye.config.camera, base=Path(data) / "models")
    renderer = Renderer(eye, figures, seed=1)
    expected = found = 0
    for night_s in np.arange(18.0, 34.0, 1.0):
        boxes = [box.bbox_px for box in detector.detect(renderer.picture(night_s))]
        for one in eye.seen(night_s, seed=1):
            if one.height_px < LEAST_HEIGHT_PX or not one.is_whole(eye.config.camera):
                continue
            expected += 1
            u, v = one.contact_px
            found += any(x1 <= u <= x2 and abs(y2 - v) < 12.0 for x1, _, x2, y2 in boxes)
    assert expected >= 20
    assert found >= 0.9 * expected
