"""Where pictures come from: a video file, a folder of pictures, a live stream, a USB camera."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from edge.address import without_password
from edge.camera import Pose
from edge.device_file import SourceConfig
from edge.media_time import MediaTime
from edge.messages import RefusedError, UtcTime
from edge.telemetry import PoseAt, Telemetry

Clock = Callable[[], UtcTime]
Image = npt.NDArray[np.uint8]

PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
STREAMS: Final = ("rtsp://", "rtsps://", "http://", "https://")
DEFAULT_FOLDER_FPS: Final = 10.0
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 15.0

_OPEN_TIMEOUT_MS: Final = 5000
_READ_TIMEOUT_MS: Final = 5000
_JOIN_S: Final = 1.0
_GREY: Final = 2  # axes of a picture without colour
_COLOUR: Final = 3  # axes, and channels, of a picture with
_LOG = logging.getLogger(__name__)

# What cannot be opened we say ourselves, in one sentence.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class SourceError(RefusedError):
    """A picture source that cannot be used. One sentence naming it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture."""

    image: Image  # (height, width, 3) blue, green, red
    captured_at: UtcTime
    pose: Pose | None = None  # of the lens at that instant, where it moves; None: as mounted
    flown: PoseAt | None = None  # the same from a flight log, or why it has none


class FrameSource(Protocol):
    """Gives pictures, oldest first, until it ends or is closed."""

    def __iter__(self) -> Iterator[Frame]:
        """Wait for the next picture."""
        ...

    def frame_age_s(self, now: UtcTime) -> float | None:
        """Return how long ago the newest picture came, or None before the first."""
        ...

    def close(self) -> None:
        """End the iteration soon, from any thread; closing twice is fine."""
        ...


def open_source(  # noqa: PLR0913 - one place where every kind of source is made
    source: SourceConfig,
    *,
    clock: Clock,
    fast: bool,
    base: Path,
    start_at: UtcTime | None = None,
    loop: bool = False,
    flight: Telemetry | None = None,
) -> "RecordedSource | LiveSource":
    """Open what `[source] video` names.

    Args:
        source: The table of the device file.
        clock: Tells the time.
        fast: Recordings as fast as they decode, instead of at the pace they were taken.
        base: The folder that a path is relative to.
        start_at: When a recording's first picture was taken; None: now.
        loop: Begin a recording again at its end, its time running on.
        flight: The log of the drone that took a recording.

    Raises:
        SourceError: A recording is missing or cannot be read. A live stream that is down is no
            error: it is tried again and again.
    """
    video = source.video
    if video is None:
        msg = f"source.onvif = {source.onvif!r}: an ONVIF camera sends what it found, no pictures"
        raise SourceError(msg)
    if isinstance(video, str) and video.startswith(STREAMS):
        return LiveSource(video, clock=clock)
    if isinstance(video, str) and "://" in video:
        shown = without_password(video)
        msg = f"source.video {shown!r}: of addresses, only {', '.join(STREAMS)} are known"
        raise SourceError(msg)
    path = base / str(video)
    if isinstance(video, int) or (video.isdecimal() and not path.exists()):
        return LiveSource(int(video), clock=clock)
    if not path.exists():
        msg = f"{path}: there is no such video file or folder of pictures"
        raise SourceError(msg)
    recording = Folder(path, source.fps or DEFAULT_FOLDER_FPS) if path.is_dir() else Video(path)
    return RecordedSource(
        recording, clock=clock, fast=fast, start_at=start_at, loop=loop, flight=flight
    )


def film_length_s(config: SourceConfig, *, base: Path) -> float | None:
    """Return how long a video file says that it is; None of all else, and where it does not."""
    if not isinstance(config.video, str) or not (base / config.video).is_file():
        return None
    capture = cv2.VideoCapture(str(base / config.video), cv2.CAP_FFMPEG)
    frames, fps = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return float(frames / fps) if frames > 0.0 and fps > 0.0 else None


class Recording(Protocol):
    """Pictures with their media time."""

    def frames(self, skip: Callable[[float], bool]) -> Iterator[tuple[float, Image]]:
        """Yield (seconds from the start, picture), leaving out those that `skip` names."""
        ...

    @property
    def frame_s(self) -> float:
        """Seconds from one picture to the next."""
        ...


class Video:
    """A video file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        capture = self._open()
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        capture.release()
        self._frame_s = 1.0 / fps if 0.0 < fps < 1000.0 else 0.04  # noqa: PLR2004 - 25 Hz

    @property
    def frame_s(self) -> float:
        """Seconds from one picture to the next."""
        return self._frame_s

    def frames(self, skip: Callable[[float], bool]) -> Iterator[tuple[float, Image]]:
        """Yield (seconds from the start, picture), leaving out those that `skip` names."""
        capture = self._open()
        media = MediaTime(self._frame_s)
        try:
            while capture.grab():
                media_s = media.take(float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000.0)
                if skip(media_s):
                    continue
                image = _picture(*capture.retrieve())
                if image is not None:
                    yield media_s, image
        except cv2.error as error:
            msg = f"{self._path}: broken after {max(media.now_s, 0.0):.1f} s ({_reason(error)})"
            raise SourceError(msg) from error
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not capture.isOpened() or capture.get(cv2.CAP_PROP_FRAME_WIDTH) < 1:
            capture.release()
            msg = f"{self._path}: cannot be read as a video"
            raise SourceError(msg)
        return capture


class Folder:
    """A folder of pictures, in the order of their names."""

    def __init__(self, path: Path, fps: float) -> None:
        self._files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURES)
        self._fps = fps
        if not self._files:
            msg = f"{path}: no picture in this folder ({', '.join(sorted(PICTURES))})"
            raise SourceError(msg)

    @property
    def frame_s(self) -> float:
        """Seconds from one picture to the next."""
        return 1.0 / self._fps

    def frames(self, skip: Callable[[float], bool]) -> Iterator[tuple[float, Image]]:
        """Yield (seconds from the start, picture), leaving out those that `skip` names."""
        for number, file in enumerate(self._files):
            media_s = number / self._fps
            if skip(media_s):
                continue
            image = _read_picture(file)
            if image is None:
                _LOG.warning("%s: cannot be read as a picture; left out", file)
                continue
            yield media_s, image


class RecordedSource:
    """A recording played at its own pace, like a camera, or as fast as it decodes."""

    def __init__(  # noqa: PLR0913 - what a recording is and how it is played
        self,
        recording: Recording,
        *,
        clock: Clock,
        fast: bool,
        start_at: UtcTime | None,
        loop: bool,
        flight: Telemetry | None = None,
    ) -> None:
        self._recording = recording
        self._clock = clock
        self._fast = fast
        self._start_at = start_at
        self._loop = loop
        self._flight = flight
        self.frames_skipped = 0  # those there was no time for
        self._closed = threading.Event()
        self._read_at: UtcTime | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames; at the recording's pace, those that come too late are left out."""
        start_at = self._start_at or self._clock()
        began_s = time.monotonic()
        round_s = 0.0

        def late(media_s: float) -> bool:
            if self._closed.is_set():
                return True
            behind_s = time.monotonic() - began_s - round_s - media_s
            too_late = not self._fast and behind_s > self._recording.frame_s
            self.frames_skipped += too_late
            return too_late

        while not self._closed.is_set():
            media_s, any_frame = 0.0, False
            for media_s, image in self._recording.frames(late):
                wait_s = began_s + round_s + media_s - time.monotonic()
                if not self._fast and wait_s > 0.0:
                    self._closed.wait(wait_s)
                if self._closed.is_set():
                    return
                any_frame = True
                self._read_at = self._clock()
                flown = None if self._flight is None else self._flight.at(media_s)
                yield Frame(image, start_at.after(round_s + media_s), flown=flown)
            if not self._loop or not any_frame:
                return
            round_s += media_s + self._recording.frame_s

    def frame_age_s(self, now: UtcTime) -> float | None:
        """Return how long ago the last picture was read, or None before the first."""
        return None if self._read_at is None else max(0.0, now.seconds_since(self._read_at))

    def close(self) -> None:
        """End the iteration soon."""
        self._closed.set()


class LiveSource:
    """A live stream or USB camera: only its newest picture counts.

    A thread reads as fast as the stream gives, so that nothing piles up, and connects again when
    the stream breaks, after 0.5, 1, 2, … at most 15 s. A picture that is replaced by a newer one
    before anybody took it counts as skipped, once the first was taken.
    """

    def __init__(self, address: str | int, *, clock: Clock) -> None:
        self.frames_skipped = 0
        self._address = address
        self._clock = clock
        self._closed = threading.Event()
        self._any_taken = False
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._read_at: UtcTime | None = None
        self._reader = threading.Thread(
            target=self._read, name=f"frames {self._shown}", daemon=True
        )
        self._reader.start()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the newest frame, each at most once, until closed."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._closed.is_set())
                frame, self._newest = self._newest, None
                self._any_taken = True
            if self._closed.is_set() or frame is None:
                return
            yield frame

    def frame_age_s(self, now: UtcTime) -> float | None:
        """Return how long ago the stream gave its last picture, or None before the first."""
        return None if self._read_at is None else max(0.0, now.seconds_since(self._read_at))

    def close(self) -> None:
        """Stop reading and end the iteration."""
        self._closed.set()
        with self._changed:
            self._changed.notify_all()
        if threading.current_thread() is not self._reader:
            self._reader.join(_JOIN_S)

    def _read(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._closed.is_set():
            if self._read_until_it_breaks():
                wait_s = FIRST_WAIT_S
            if self._closed.is_set():
                return
            _LOG.warning("%s gives no picture; trying again in %g s", self._shown, wait_s)
            self._closed.wait(wait_s)
            wait_s = min(2.0 * wait_s, LONGEST_WAIT_S)

    def _read_until_it_breaks(self) -> bool:
        """Read pictures; return whether there was any."""
        any_picture = False
        capture = self._open()
        try:
            while not self._closed.is_set():
                good, raw = capture.read()
                if not good:
                    return any_picture
                image = _picture(good, raw)
                if image is None:
                    continue
                if not any_picture:
                    _LOG.info("%s: %d x %d", self._shown, image.shape[1], image.shape[0])
                any_picture = True
                now = self._clock()
                frame = Frame(image, now)
                with self._changed:
                    self.frames_skipped += self._any_taken and self._newest is not None
                    self._newest, self._read_at = frame, now
                    self._changed.notify_all()
        except cv2.error as error:
            _LOG.warning("%s: %s", self._shown, _reason(error))
        finally:
            capture.release()
        return any_picture

    def _open(self) -> cv2.VideoCapture:
        if isinstance(self._address, int):
            return cv2.VideoCapture(self._address)
        limits = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            _OPEN_TIMEOUT_MS,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            _READ_TIMEOUT_MS,
        ]
        return cv2.VideoCapture(self._address, cv2.CAP_FFMPEG, limits)

    @property
    def _shown(self) -> str:
        """The address without a password."""
        if isinstance(self._address, int):
            return f"camera {self._address}"
        return without_password(self._address)


def _picture(good: bool, raw: object) -> Image | None:  # noqa: FBT001 - as OpenCV returns it
    """Return what a decoder gave as a picture (height, width, 3); None: it is none."""
    if not good or not isinstance(raw, np.ndarray) or raw.dtype != np.uint8:
        return None
    if raw.ndim == _GREY and raw.size:
        return np.repeat(raw[:, :, None], 3, axis=2)
    return raw if raw.ndim == _COLOUR and raw.shape[2] == _COLOUR and raw.size else None


def _read_picture(file: Path) -> Image | None:
    try:
        raw = cv2.imread(str(file), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return _picture(raw is not None, raw)


def _reason(error: cv2.error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else "the decoder failed"
