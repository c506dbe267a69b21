"""A fusion that speaks while nothing comes through to its store is not live."""

import pytest

from edge.messages import FusionStatus, Topic, UtcTime, encode
from maps.feed import Feed

NOON = UtcTime.parse("2026-03-14T12:00:00Z")


class Watched:
    """A feed without a broker whose clock is the test's, and runs an hour ahead of fusion's."""

    def __init__(self) -> None:
        self.now = NOON.after(3600)
        self.feed = Feed(
            "bien-thu",
            broker_url="mqtt://127.0.0.1:1",
            open_store=lambda: pytest.fail("nobody asks"),
            clock=lambda: self.now,
            run_id="run1",
        )

    def hear(self, canary_s_ago: float | None) -> None:
        at = self.now.after(-3600)
        status = FusionStatus(
            v=1,
            sector="bien-thu",
            online=True,
            at=at,
            canary_at=None if canary_s_ago is None else at.after(-canary_s_ago),
            canary_s=0.1,
        )
        self.feed.take(str(Topic("bien-thu", "fusion", "status")), encode(status))


def test_until_the_first_one_nothing_is_said() -> None:
    watched = Watched()
    assert watched.feed.canary_age_s is None
    watched.hear(None)
    assert watched.feed.beat()["canary_age_s"] is None
    assert watched.feed.tell_fusion() == "online"


def test_its_age_grows_and_does_not_mind_whose_clock_is_wrong() -> None:
    watched = Watched()
    watched.hear(20.0)
    watched.now = watched.now.after(5)
    assert watched.feed.beat()["canary_age_s"] == pytest.approx(25.0)
    assert watched.feed.tell_fusion() == "online"


def test_too_old_it_is_said_though_fusion_is_online(monkeypatch) -> None:
    monkeypatch.setattr(Feed, "broker_connected", True)
    watched = Watched()
    watched.hear(100.0)
    assert watched.feed.beat()["live"]
    watched.hear(181.0)
    assert not watched.feed.beat()["live"]
    assert watched.feed.tell_fusion() == "chain broken for 181 s"
