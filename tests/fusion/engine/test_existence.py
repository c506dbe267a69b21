"""Is anybody there: what flickers at a low confidence is no track before it has lasted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import RefusedError
from fusion.events import TracksUpdated
from fusion.rulebook import TrackingRule, read_rules
from fusion.tracking.existence import Existence

existence = Existence(TrackingRule())
confidences = st.floats(0.0, 1.0)


@given(before=st.floats(-10.0, 10.0), low=confidences, high=confidences)
def test_a_surer_detection_never_makes_it_less_likely(before, low, high) -> None:
    low, high = sorted((low, high))
    assert existence.begun(low) <= existence.begun(high)
    assert existence.seen(before, low) <= existence.seen(before, high)
    assert existence.missed(before) < before
    assert 0.0 < existence.share(before) <= 1.0


def confirmed_after(run, sector, make, shown: list[bool], confidence: float) -> int | None:
    """Return how many looks it took until the first line was written; None: it never was."""
    walker = make.walker([(0, -40, -60), (60, 40, -60)])
    eye = make.eye(sigma_m=0.5, fps=2.0, detect=1.0)
    messages = make.world([walker], eyes=[eye]).messages()[: len(shown)]
    for line, show in zip(messages, shown, strict=True):
        payload = line["payload"]
        payload["detections"] = payload["detections"] if show else []
        for seen in payload["detections"]:
            seen["confidence"] = confidence
    for looks in range(1, len(messages) + 1):
        lines = [
            line
            for event in run(sector, messages[:looks]).events
            if isinstance(event, TracksUpdated)
            for line in event.updates
        ]
        if lines:
            return looks
    return None


def test_who_is_seen_well_is_confirmed_by_the_third_look(make, sector, run) -> None:
    for confidence in (0.5, 0.9):
        assert confirmed_after(run, sector, make, [True] * 3, confidence) == 3


def test_a_doubtful_flicker_must_last(make, sector, run) -> None:
    assert confirmed_after(run, sector, make, [True] * 6, 0.26) == 5
    flicker = [True, False, True, True, False]
    assert confirmed_after(run, sector, make, flicker, 0.26) is None
    assert confirmed_after(run, sector, make, flicker, 0.9) == 4


def test_what_was_hardly_sure_does_not_coast_for_long(make, sector, run) -> None:
    walker = make.walker([(0, -40, -60), (60, 40, -60)])
    spans = []
    for confidence in (0.3, 0.9):
        messages = make.world([walker], eyes=[make.eye(detect=1.0)], until_s=25.0).messages()
        for number, line in enumerate(messages):
            seen = line["payload"]["detections"]
            line["payload"]["detections"] = seen if number < 5 else []
            for one in seen:
                one["confidence"] = confidence
        lines = [
            line
            for event in run(sector, messages).events
            if isinstance(event, TracksUpdated)
            for line in event.updates
        ]
        spans.append(lines[-1].t.seconds_since(lines[0].t))
    assert spans[0] < 12.0
    assert spans[1] > 14.0


def test_a_detector_that_says_nothing_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"detect 0\.1 is not above clutter 0\.1"):
        read_rules({"tracking": {"detect": 0.1}}, where="sector.toml")
