"""The benchmark of the page runs, and every track that was sent is on the page."""

from pathlib import Path

import pytest

from maps import assets
from tests.benchmarks.bench_page import CHROMIUM, measure

pytestmark = pytest.mark.slow


def test_all_that_moves_arrives_on_the_page() -> None:
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip("no chromium on this machine")
    assets.bring()
    figures = measure(tracks=400, updates_per_s=200.0, seconds=1.0, minutes=0.0)
    assert figures["all"]["in view"] == 400
    assert 40 <= figures["near"]["in view"] < 400
    assert figures["near"]["drawings a second"] > 0
    assert figures["shell MB"] < 1.0
