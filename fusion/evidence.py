"""Crops on disk: one file for each picture, named by its SHA-256, so that none can be changed.

    DIR/SECTOR/ab/cd/abcd….jpg

A file is written under another name, flushed and then renamed: what bears its name is whole. The
journal keeps a crop's message without the picture, so that what is deleted here is gone.
"""

import hashlib
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from edge.messages import EvidenceMessage, InvalidMessageError, RefusedError
from fusion.tracking.track import crop_id

MOST_BYTES: Final = 600_000  # as many as fit into a message
MOST_SIDE_PX: Final = 4096
LEAST_FREE_BYTES: Final = 1 << 30  # on the disk: the journal goes before
_SPARED_S: Final = 3600.0  # a file so young may be about to get its row
_START, _END = b"\xff\xd8", b"\xff\xd9"
_APP1: Final = 0xE1
_SCAN: Final = 0xDA
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xDA)})  # markers without a length
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class EvidenceFolder:
    """The crops of one sector."""

    def __init__(self, folder: Path, sector: str) -> None:
        """Use a folder; it is made when the first crop comes."""
        self._folder = folder / sector

    def take(self, message: EvidenceMessage) -> EvidenceMessage:
        """Keep a crop on the disk for good; return its message without the picture.

        Raises:
            InvalidMessageError: It is no JPEG within limits, or not the one its digest names.
            RefusedError: The disk does not take it.
        """
        digest = hashlib.sha256(message.jpeg).hexdigest()
        if digest != message.sha256:
            msg = f"evidence message: sha256 {message.sha256!r} is not that of its jpeg"
            raise InvalidMessageError(msg)
        check_jpeg(message.jpeg)
        try:
            self._write(self.path_of(digest), message.jpeg)
        except OSError as error:
            msg = f"the evidence folder {self._folder} cannot be written: {error.strerror}"
            raise RefusedError(msg) from error
        return replace(message, jpeg=b"")

    def path_of(self, sha256: str) -> Path:
        """Return where the picture with a digest lies, or would."""
        return self._folder / sha256[:2] / sha256[2:4] / f"{sha256}.jpg"

    def size(self, sha256: str) -> int | None:
        """Return how many bytes a picture has; None: it is not here."""
        try:
            return self.path_of(sha256).stat().st_size
        except OSError:
            return None

    def read(self, sha256: str) -> bytes | None:
        """Return a picture; None: it is not here.

        Raises:
            RefusedError: It cannot be read, or is not what was kept.
        """
        path = self.path_of(sha256)
        try:
            jpeg = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            msg = f"{path} cannot be read: {error.strerror}"
            raise RefusedError(msg) from error
        if hashlib.sha256(jpeg).hexdigest() != sha256:
            msg = f"{path} is not what was kept: its SHA-256 is another"
            raise RefusedError(msg)
        return jpeg

    def read_or_none(self, sha256: str) -> bytes | None:
        """Return a picture; None: it is not here as it was kept."""
        try:
            return self.read(sha256)
        except RefusedError:
            return None

    def remove(self, sha256: str) -> None:
        """Delete a picture, unless it came again just now.

        Raises:
            OSError: It cannot be deleted.
        """
        path = self.path_of(sha256)
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _SPARED_S:
                path.unlink()

    def _write(self, path: Path, jpeg: bytes) -> None:
        if path.exists():
            path.touch()  # lest it be deleted now
            return
        folder = path.parent
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
            raise OSError(0, f"less than {LEAST_FREE_BYTES >> 20} MiB are free")
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            file.write(jpeg)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        for one in (folder, folder.parent):
            _flush(one)


def evidence_id_of(message: EvidenceMessage) -> str:
    """Return the name of a crop in fusion: no device can give one to another's."""
    return crop_id(message.device_id, message.evidence_id)


def check_jpeg(jpeg: bytes) -> None:
    """Hold a picture against what a crop may be.

    Raises:
        InvalidMessageError: It is no JPEG, is too large, or tells of its camera.
    """
    why = _fault(jpeg)
    if why is not None:
        msg = f"evidence message: its jpeg {why}"
        raise InvalidMessageError(msg)


def _fault(jpeg: bytes) -> str | None:
    if len(jpeg) > MOST_BYTES:
        return f"has {len(jpeg)} bytes, more than {MOST_BYTES}"
    if not (jpeg.startswith(_START) and jpeg.endswith(_END)):
        return "is no whole JPEG"
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:  # noqa: PLR2004 - every marker begins so
        marker = jpeg[at + 1]
        if marker in _ALONE or marker == 0xFF:  # noqa: PLR2004 - or is filled up with it
            at += 1 if marker == 0xFF else 2  # noqa: PLR2004
            continue
        if marker == _APP1:
            return "has EXIF or XMP data, which tells of the camera and its place"
        if marker in _FRAMES:
            height_px = int.from_bytes(jpeg[at + 5 : at + 7])
            width_px = int.from_bytes(jpeg[at + 7 : at + 9])
            if not (0 < width_px <= MOST_SIDE_PX and 0 < height_px <= MOST_SIDE_PX):
                return f"is {width_px} x {height_px} pixels, at most {MOST_SIDE_PX} a side may be"
            return None
        if marker == _SCAN:
            break
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4])
    return "is no whole JPEG"


def _flush(folder: Path) -> None:
    """Let a name in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
