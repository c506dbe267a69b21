"""Rules about the shape of the code itself."""

import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP_LEVEL_PACKAGES = {"edge", "fusion", "maps", "tests"}
ONE_MEGABYTE = 1_000_000


def modules_loaded_by(code: str, unwanted: tuple[str, ...]) -> str:
    """Run code in a fresh interpreter and name the unwanted modules that it loaded."""
    check = f"import sys\n{code}\nprint(*(m for m in {unwanted!r} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - whichever git made the clone
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git clone")
    return [ROOT / name for name in listing.stdout.split("\0") if name]


def test_imports_point_one_way() -> None:
    """maps -> fusion -> edge.messages, and the engine touches neither clock nor disk."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        (
            "import edge.messages",
            ("numpy", "cv2", "torch", "ultralytics", "shapely", "sqlmodel", "fastapi", "paho"),
        ),
        ("import edge.command", ("edge.cli", "fusion.cli", "maps.cli", "numpy")),
        ("import edge.cli", ("fastapi", "folium", "sqlmodel", "shapely", "fusion", "maps")),
        (
            "import fusion.cli, fusion.ingest, fusion.replay",
            ("torch", "cv2", "ultralytics", "openvino", "fastapi", "folium"),
        ),
        ("import maps.app, maps.cli", ("torch", "cv2", "ultralytics", "openvino")),
    ],
)
def test_a_box_loads_only_what_its_own_work_needs(code: str, unwanted: tuple[str, ...]) -> None:
    assert modules_loaded_by(code, unwanted) == ""


def test_there_is_no_other_top_level_package() -> None:
    packages = {
        path.relative_to(ROOT).parts[0] for path in tracked_files() if path.suffix == ".py"
    }
    assert packages <= TOP_LEVEL_PACKAGES | {"setup.py"}


def test_nothing_fetched_and_nothing_large_is_in_the_tree() -> None:
    fetched = {".pt", ".onnx", ".engine", ".avi", ".mp4"}
    wrong = [
        str(path.relative_to(ROOT))
        for path in tracked_files()
        if path.is_file()
        and (path.suffix in fetched or ".min." in path.name or path.stat().st_size > ONE_MEGABYTE)
    ]
    assert wrong == []


def test_every_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"]]
    wanted += chain.from_iterable(project["optional-dependencies"].values())
    names = {item.split(">")[0].split("[")[0] for item in wanted} - {"tuanbien"}
    pinned = {
        line.split("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    assert {name for name in names if name.lower().replace("_", "-") not in pinned} == set()
