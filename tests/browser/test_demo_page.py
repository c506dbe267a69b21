"""The demo as a newcomer meets it: rendered night, real detector, the alert on the page."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
ALERT_WITHIN_MS = 150_000.0  # the first run cuts the people out and exports the detector
STOPPED_WITHIN_S = 20.0


@pytest.fixture
def demo(free_port) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the demo until it says where its page is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "edge.command", "demo", "--port", str(free_port())],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("open http://"):
            break
    assert process.poll() is None, "".join(said)
    yield process, said[-1].split()[1]
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stdout.close()


def test_the_demos_alert_comes_to_the_page_and_the_demo_ends_in_order(demo, open_page) -> None:
    process, url = demo
    page = open_page(url).page
    page.set_default_timeout(ALERT_WITHIN_MS)
    page.locator(".alert").first.wait_for()
    assert "hướng xuất cảnh" in page.locator(".alert").first.inner_text()
    assert page.locator("#simulated").is_visible()
    page.locator('#state[data-state="live"]').wait_for()
    if picture := os.environ.get("TUANBIEN_SCREENSHOT"):
        page.locator("#count-devices", has_text="3").wait_for()
        page.screenshot(path=ROOT / picture)

    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) > 5  # broker, fusion, maps, three devices, the patrol
    process.send_signal(signal.SIGTERM)
    assert process.wait(STOPPED_WITHIN_S) == 0
    _, alive = psutil.wait_procs(family, timeout=5.0)
    assert alive == []
