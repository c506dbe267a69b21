"""Snapshots on the disk, beside the journal's segments: the newest two, each whole or absent."""

import hashlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Final

from edge import messages
from fusion.journal import Position, segment_number, sync_folder
from fusion.sector import Sector
from fusion.snapshot import UnfitSnapshotError, fingerprint_of, packed, unpacked

KEPT: Final = 2  # should the newest be damaged, there is one before it
_PATTERN: Final = "snapshot-*.bin"
_UNFINISHED: Final = "snapshot-*.tmp"
_SOURCES: Final = ("*.py", "*.so")
_log = logging.getLogger(__name__)


class SnapshotFolder:
    """The snapshots of one sector, written by this program."""

    def __init__(self, folder: Path, sector: Sector) -> None:
        """Use a journal's folder; what a crash left half written is taken away."""
        self._folder = folder
        self._code, self._sector = code_fingerprint(), fingerprint_of(sector)
        for path in folder.glob(_UNFINISHED):
            path.unlink(missing_ok=True)

    def write(self, body: bytes, position: Position) -> Path:
        """Keep a snapshot that stands behind the journal's end; forget all but the one before.

        Raises:
            OSError: The disk refused, and the others are as they were.
        """
        head = f"snapshot-{segment_number(position.segment):08d}-{position.offset:012d}"
        path = self._folder / f"{head}.bin"
        unfinished = self._folder / f"{head}-{os.getpid()}.tmp"
        content = packed(
            body,
            code=self._code,
            sector=self._sector,
            segment=position.segment,
            offset=position.offset,
        )
        try:
            # As the journal: people's ways are in it.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(unfinished, flags, 0o640), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError:
            with suppress(OSError):
                unfinished.unlink()
            raise
        sync_folder(self._folder)
        # What stands farther on than the journal's end is of a journal that is no more.
        before = [other for other in self._paths() if other < path]
        for other in {*self._paths()} - {path, *before[: KEPT - 1]}:
            other.unlink(missing_ok=True)
        return path

    def read(self) -> Iterator[tuple[Position, bytes]]:
        """Yield the bodies of those fit to be used, newest first; say of the others why not."""
        for path in self._paths():
            try:
                header, body = unpacked(path.read_bytes(), code=self._code, sector=self._sector)
            except OSError as error:
                ignored(path, str(error.strerror))
            except UnfitSnapshotError as error:
                ignored(path, str(error))
            else:
                yield Position(header.segment, header.offset), body

    def first_segment_needed(self) -> int | None:
        """Return the number of the segment in which the older one stands; None: there are not two.

        Nothing before that segment is read to recover, even from the older one.
        """
        paths = self._paths()
        return segment_number(paths[-1].name) if len(paths) >= KEPT else None

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(_PATTERN), reverse=True)


def ignored(where: object, why: str) -> None:
    """Say once that a snapshot is not used."""
    _log.warning("snapshot %s is not used: %s", where, why)


def code_fingerprint() -> str:
    """Return what changes whenever the program does: another one may keep another state."""
    package = Path(__file__).parent
    sources = sorted(path for pattern in _SOURCES for path in package.rglob(pattern))
    digest = hashlib.sha256(f"{version('tuanbien')} {sys.version_info[:2]}".encode())
    for path in (*sources, Path(messages.__file__)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
