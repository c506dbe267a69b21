"""The demo world on disk, its devices' eyes, and its people."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("cv2", reason="the demo world draws with OpenCV (extra: edge)")
pytest.importorskip("shapely", reason="the demo world runs fusion (extra: fusion)")

from edge.config import load_device
from maps.demo.people import Figure, load_figures
from maps.demo.view import Eye
from maps.demo.world import WorldFiles, write_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorldFiles:
    """Return the files of a freshly written world."""
    folder = tmp_path_factory.mktemp("world")
    return write_world(folder, broker_url="mqtt://127.0.0.1:1883")


@pytest.fixture(scope="session")
def eye_of(world: WorldFiles) -> Callable[[str], Eye]:
    """Return a function that gives a device's eye by its id."""
    eyes = {path.stem: Eye.of(load_device(path)) for path in world.devices}
    return eyes.__getitem__


@pytest.fixture(scope="session")
def people_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache folder that holds the people once somebody asked for them."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def figures(people_cache: Path) -> tuple[Figure, ...]:
    """Return the people, cut out of the picture inside the ultralytics package."""
    pytest.importorskip("ultralytics", reason="its package holds the picture of the people")
    return load_figures(people_cache)
