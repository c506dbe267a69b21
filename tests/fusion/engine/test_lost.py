"""A track that dies near the border line says so: it may have come over it unseen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusion.local_frame import Metres
from fusion.situation.border import Border, BorderPiece


@pytest.mark.parametrize(
    ("from_m", "to_m", "label", "lost"),
    [
        (-40.0, -12.0, "person", True),  # heading for the line, 12 m before it
        (-12.0, -40.0, "person", False),  # leaving it
        (-160.0, -130.0, "person", False),  # heading for it, far away
        (-40.0, -12.0, "cow", False),
        (-300.0, -60.0, "truck", True),
    ],
)
def test_only_who_may_have_come_over_the_line_was_lost_near_it(
    make, sector, run, from_m, to_m, label, lost
) -> None:
    walker = make.walker([(0, 0, from_m), (20, 0, to_m)], label=label)
    lines = run(sector, make.world([walker], until_s=40).messages()).lines
    assert not any(line.lost_near_line for line in lines if line.state == "confirmed")
    assert lines[-1].state == "ended"
    assert lines[-1].lost_near_line is lost


def test_a_track_that_became_one_with_another_was_not_lost(make, sector, run) -> None:
    walker = make.walker([(0, -60, -4), (60, 60, -4)])
    eyes = [
        make.eye("cam-1", sigma_m=0.3, sees=lambda x, _: x < 20),
        make.eye("cam-2", sigma_m=0.3, phase_s=0.05, sees=lambda x, _: x > -20),
    ]
    messages = make.world([walker], eyes=eyes).messages()
    for line in messages:  # cam-2 errs by 6 m at first, without saying so, then less and less
        payload = line["payload"]
        at_s = float(payload["message_id"].rsplit("-", 1)[1]) / 5.0
        for seen in payload["detections"]:
            if payload["device_id"] == "cam-2":
                seen["lat"] -= min(6.0, max(0.0, 0.6 * (34.0 - at_s))) / 111_000.0
    lines = run(sector, messages).lines
    ended = [line for line in lines if line.state == "ended"]
    assert [line.lost_near_line for line in ended] == [False, True]


@given(
    before=st.tuples(st.floats(-90, 90), st.floats(-90, 90)),
    after=st.tuples(st.floats(-90, 90), st.floats(-90, 90)),
    sigma_m=st.floats(0.5, 20.0),
)
def test_who_may_have_been_over_the_line_at_any_moment_is_in_reach(before, after, sigma_m) -> None:
    """Now, or and back again: whoever stepped over or is within two sigma, and some others."""
    line = BorderPiece((Metres(-600.0, 0.0), Metres(600.0, 0.0)), True, "demarcated", 1.0)
    found = Border([line]).is_in_reach(
        Metres(*before), Metres(*after), (sigma_m**2, 0.0, sigma_m**2)
    )
    over = before[1] * after[1] < 0.0
    error_m = (sigma_m**2 + 1.0) ** 0.5
    near = abs(after[1]) <= 2.0 * error_m
    # Over the line and back again is more than three sigmas at both ends leave room for.
    far = min(abs(before[1]), abs(after[1])) > 3.0 * error_m
    if over or near:
        assert found
    elif far:
        assert not found
