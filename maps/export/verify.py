"""Kiểm tra bản xuất sự vụ / check an exported incident.

    python3 verify.py                 thư mục chứa tệp này / the folder that this file lies in
    python3 verify.py FOLDER|FILE.zip

Needs Python 3.8 or later and nothing else. Exit status: 0 everything is as it was, 1 something is
missing, was added or changed, 2 there is nothing to check. Whoever changes the files could change
manifest.json and this script with them: compare the SHA-256 printed at the end with the one in
the log of the server that exported, and take this script from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import zipfile
import zlib
from pathlib import Path

MANIFEST = "manifest.json"
DIGEST = "manifest.sha256"
CHUNK = 1 << 20
WORDS = {
    "same": "nguyên vẹn / as it was",
    "changed": "ĐÃ BỊ THAY ĐỔI / CHANGED",
    "missing": "THIẾU / MISSING",
    "added": "THÊM VÀO / ADDED",
}
BROKEN = (
    *(OSError, ValueError, TypeError, EOFError, RuntimeError, KeyError, MemoryError),
    *(zlib.error, zipfile.BadZipFile),
)


class Folder:
    """The files of a folder, by name with slashes."""

    def __init__(self, path: Path) -> None:
        """Look at a folder."""
        self.path = path
        self.names: list[str] = []
        for folder, folders, files in os.walk(str(path)):
            # What is neither a folder nor a plain file was not exported.
            links = [one for one in folders if Path(folder, one).is_symlink()]
            for name in files + links:
                self.names.append(Path(folder, name).relative_to(path).as_posix())

    def digest(self, name: str) -> tuple[int, str]:
        """Return the bytes and the SHA-256 of a file."""
        path = self.path / name
        if path.is_symlink() or not path.is_file():
            raise OSError(name)
        digest, size = hashlib.sha256(), 0
        with path.open("rb") as file:
            for piece in iter(lambda: file.read(CHUNK), b""):
                digest.update(piece)
                size += len(piece)
        return size, digest.hexdigest()

    def read(self, name: str) -> bytes:
        """Return a small file."""
        return (self.path / name).read_bytes()


class Archive:
    """The files of a zip, all of them in one folder."""

    def __init__(self, path: Path) -> None:
        """Look into a zip."""
        self.zip = zipfile.ZipFile(str(path))
        inside = [one.filename for one in self.zip.infolist()]
        heads = sorted((one for one in inside if one.rpartition("/")[2] == MANIFEST), key=len)
        self.head = heads[0][: -len(MANIFEST)] if heads else ""
        self.names = [
            one[len(self.head) :] if one.startswith(self.head) else f"/{one}"
            for one in inside
            if not one.endswith("/")
        ]

    def digest(self, name: str) -> tuple[int, str]:
        """Return the bytes and the SHA-256 of a file; its check sum is held to as well."""
        digest, size = hashlib.sha256(), 0
        with self.zip.open(self.head + name) as file:
            for piece in iter(lambda: file.read(CHUNK), b""):
                digest.update(piece)
                size += len(piece)
        return size, digest.hexdigest()

    def read(self, name: str) -> bytes:
        """Return a small file."""
        return self.zip.read(self.head + name)


def digest_of(files: Folder | Archive, name: str) -> tuple[int, str] | None:
    """Return the bytes and the SHA-256 of a file; None: it cannot be read."""
    try:
        return files.digest(name)
    except BROKEN:
        return None


def listed_in(files: Folder | Archive) -> dict[str, tuple[int, str]] | None:
    """Return the files as the manifest lists them; None: it has no such list."""
    try:
        manifest = json.loads(files.read(MANIFEST).decode("utf-8"))
        return {str(one["name"]): (one["bytes"], one["sha256"]) for one in manifest["files"]}
    except BROKEN:
        return None


def check_manifest(files: Folder | Archive) -> dict[str, str]:
    """Return what became of the manifest and of the file with its digest."""
    of_manifest = digest_of(files, MANIFEST)
    try:
        is_same = (
            of_manifest is not None
            and listed_in(files) is not None
            and files.read(DIGEST) == f"{of_manifest[1]}  {MANIFEST}\n".encode()
        )
    except BROKEN:
        is_same = False
    how = "same" if is_same else "changed"
    return {name: how if name in files.names else "missing" for name in (MANIFEST, DIGEST)}


def check(files: Folder | Archive) -> dict[str, str]:
    """Return what became of each file: same, changed, missing or added."""
    found = check_manifest(files)
    listed = listed_in(files) or {}
    for name, expected in listed.items():
        if name not in files.names:
            found[name] = "missing"
        elif name not in found:
            found[name] = "same" if digest_of(files, name) == expected else "changed"
    for name in files.names:
        # Twice in one zip: who knows which of the two is read.
        if name not in found or files.names.count(name) > 1:
            found[name] = "added"
    return found


def shown(name: object) -> str:
    """Return a name without what would move a terminal's cursor."""
    return "".join(one if one.isprintable() else "?" for one in str(name))[:200]


def main(arguments: list[str]) -> int:
    """Check and say so; return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a console without Vietnamese
    path = Path(arguments[0]) if arguments else Path(__file__).resolve().parent
    try:
        files = Folder(path) if path.is_dir() else Archive(path)
    except BROKEN as error:
        sys.stderr.write(f"{shown(path)}: không đọc được / cannot be read: {shown(error)}\n")
        return 2
    if len(arguments) > 1 or not files.names:
        sys.stderr.write(__doc__ or "")
        return 2
    found = check(files)
    for name in sorted(found):
        sys.stdout.write(f"{shown(name)}: {WORDS[found[name]]}\n")
    of_manifest = digest_of(files, MANIFEST)
    sys.stdout.write(f"SHA-256 {MANIFEST}: {of_manifest[1] if of_manifest else '-'}\n")
    wrong = sum(how != "same" for how in found.values())
    if wrong:
        sys.stdout.write(f"KHÔNG NGUYÊN VẸN / NOT AS EXPORTED: {wrong}\n")
        return 1
    sys.stdout.write(f"NGUYÊN VẸN / AS EXPORTED: {len(found)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
