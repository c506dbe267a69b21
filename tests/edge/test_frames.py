"""Recordings: every frame once, at its time; and bad ones are refused by name."""

import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.device_file import SourceConfig
from edge.frames import Frame, FrameSource, LiveSource, SourceError, open_source
from edge.messages import UtcTime

FPS = 10.0
COUNT = 20


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A video of 20 frames, each brighter than the one before."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (64, 48))
    for number in range(COUNT):
        writer.write(np.full((48, 64, 3), 10 * number, dtype=np.uint8))
    writer.release()
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in (3, 1, 2):
        cv2.imwrite(str(folder / f"{number:03}.png"), np.full((48, 64, 3), number, dtype=np.uint8))
    (folder / "002.txt").write_text("not a picture")
    return folder


def opened(video: str | int, base: Path, noon: UtcTime, **more: object) -> FrameSource:
    options = {"fast": True, "start_at": noon} | more
    config = SourceConfig(video=video, fps=options.pop("fps", None))
    return open_source(config, clock=UtcTime.read_clock, base=base, **options)


def seconds(frames: list[Frame], start: UtcTime) -> list[float]:
    return [round(frame.captured_at.seconds_since(start), 6) for frame in frames]


def test_a_video_gives_every_frame_at_its_own_time(clip: Path, noon: UtcTime) -> None:
    source = opened(clip.name, clip.parent, noon)
    frames = list(source)
    assert source.frames_skipped == 0
    assert seconds(frames, noon) == [round(number / FPS, 6) for number in range(COUNT)]
    assert [round(frame.image.mean(), -1) for frame in frames] == [10 * n for n in range(COUNT)]
    assert frames[0].image.shape == (48, 64, 3)


def test_a_loop_goes_on_in_time(clip: Path, noon: UtcTime) -> None:
    source = opened(clip.name, clip.parent, noon, loop=True)
    frames = [frame for frame, _ in zip(source, range(2 * COUNT + 3), strict=False)]
    source.close()
    assert seconds(frames, noon) == [round(number / FPS, 6) for number in range(2 * COUNT + 3)]


def test_at_its_own_pace_a_video_takes_as_long_as_it_lasts(clip: Path, noon: UtcTime) -> None:
    began = time.monotonic()
    frames = list(opened(clip.name, clip.parent, noon, fast=False))
    assert time.monotonic() - began >= (COUNT - 1) / FPS
    assert 2 <= len(frames) <= COUNT


def test_at_its_own_pace_a_slow_reader_misses_frames_and_stays_in_time(
    clip: Path, noon: UtcTime
) -> None:
    source, seen, halt = opened(clip.name, clip.parent, noon, fast=False), [], threading.Event()
    began = time.monotonic()
    for frame in source:
        behind = time.monotonic() - began - frame.captured_at.seconds_since(noon)
        seen.append(behind)
        halt.wait(0.3)
    assert len(seen) < COUNT
    assert max(seen) < 1.0
    assert source.frames_skipped == COUNT - len(seen)


def test_a_closed_video_ends_at_once(clip: Path, noon: UtcTime) -> None:
    source = opened(clip.name, clip.parent, noon, fast=False, loop=True)
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == []


def test_a_folder_gives_its_pictures_by_name(pictures: Path, noon: UtcTime) -> None:
    frames = list(opened(pictures.name, pictures.parent, noon, fps=2.0))
    assert [frame.image[0, 0, 0] for frame in frames] == [1, 2, 3]
    assert seconds(frames, noon) == [0.0, 0.5, 1.0]


def test_a_broken_picture_is_left_out(pictures: Path, noon: UtcTime) -> None:
    (pictures / "002.png").write_bytes(b"broken")
    frames = list(opened(pictures.name, pictures.parent, noon))
    assert [frame.image[0, 0, 0] for frame in frames] == [1, 3]


def test_the_age_of_the_newest_frame_is_known_once_there_is_one(clip: Path, noon: UtcTime) -> None:
    source = open_source(
        SourceConfig(video=clip.name), clock=lambda: noon, fast=True, base=clip.parent
    )
    assert source.frame_age_s(noon) is None
    next(iter(source))
    assert source.frame_age_s(noon.after(2.5)) == pytest.approx(2.5)


def test_a_missing_video_is_named(tmp_path: Path, noon: UtcTime) -> None:
    with pytest.raises(SourceError, match=r"absent\.mp4: there is no such video"):
        opened("absent.mp4", tmp_path, noon)


def test_a_file_that_is_no_video_is_named(tmp_path: Path, noon: UtcTime) -> None:
    (tmp_path / "notes.mp4").write_text("no video")
    with pytest.raises(SourceError, match=r"notes\.mp4: cannot be read as a video"):
        opened("notes.mp4", tmp_path, noon)


def test_an_empty_folder_is_named(tmp_path: Path, noon: UtcTime) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="empty: no picture in this folder"):
        opened("empty", tmp_path, noon)


def test_an_unknown_kind_of_address_is_named(tmp_path: Path, noon: UtcTime) -> None:
    with pytest.raises(SourceError, match="ftp://host/clip"):
        opened("ftp://host/clip", tmp_path, noon)


@pytest.mark.parametrize("video", ["ftp://u:s3cret@host/a", "s3://u:s3cret@host/a"])
def test_an_address_that_is_refused_keeps_its_password(
    tmp_path: Path, noon: UtcTime, video: str
) -> None:
    with pytest.raises(SourceError, match="host/a") as refused:
        opened(video, tmp_path, noon)
    assert "s3cret" not in str(refused.value)


class Breaks:
    """A capture whose third picture the decoder chokes on."""

    def __init__(self, *_: object) -> None:
        self.number = 0

    def get(self, _: int) -> float:
        return 25.0

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def grab(self) -> bool:
        self.number += 1
        if self.number > 2:
            msg = "broken"
            raise cv2.error(msg)
        return True

    def retrieve(self) -> tuple[bool, object]:
        return True, None if self.number == 1 else np.zeros((48, 64, 3), dtype=np.uint8)

    def read(self) -> tuple[bool, object]:
        self.grab()
        return self.retrieve()

    def release(self) -> None:
        pass


def test_a_video_that_breaks_ends_with_one_sentence(
    clip: Path, noon: UtcTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a decoder gives for nothing (None) is left out; what it throws is said."""
    monkeypatch.setattr(cv2, "VideoCapture", Breaks)
    frames = iter(opened(clip.name, clip.parent, noon))
    assert next(frames).image.shape == (48, 64, 3)
    with pytest.raises(SourceError, match=r"clip\.avi: .*broken"):
        next(frames)


def test_a_stream_that_breaks_in_the_decoder_is_opened_again(
    tmp_path: Path,
    noon: UtcTime,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", Breaks)
    monkeypatch.setattr("edge.frames.FIRST_WAIT_S", 0.01)
    source = opened("rtsp://u:s3cret@host/live", tmp_path, noon)
    frames = iter(source)
    patience = threading.Timer(10.0, source.close)
    patience.start()
    assert [next(frames).image.shape for _ in range(2)] == [(48, 64, 3)] * 2
    patience.cancel()
    source.close()
    assert "trying again" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_camera_that_is_not_plugged_in_is_waited_for(tmp_path: Path, noon: UtcTime) -> None:
    source = opened(97, tmp_path, noon)
    assert isinstance(source, LiveSource)
    assert source.frame_age_s(noon) is None
    source.close()
    assert list(source) == []
