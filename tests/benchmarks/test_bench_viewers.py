"""The benchmark of many viewers runs, and nobody of a few misses anything; no time is asserted."""

import json

import pytest

from tests.benchmarks.bench_viewers import main


@pytest.mark.slow
def test_a_few_viewers_follow_and_come_back_without_missing_an_alert(capfd) -> None:
    assert main(["6", "14", "50", "2"]) == 0
    figures = json.loads(capfd.readouterr().out.strip().splitlines()[-1])
    assert figures["missed by who came back"] == 0
    assert figures["connections lost"] == 0
    assert figures["updates a second, seen by each"] > 0
