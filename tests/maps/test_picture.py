"""The picture keeps what is true now, whatever arrives and whatever stays away."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.messages import InvalidMessageError, Scene, UtcTime
from maps import picture as picture_module
from maps.picture import DEVICE_SILENT_S, ENDED_KEPT_S, LOST_KEPT_S, TRACK_KEPT_S, Health, Picture

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")


@pytest.fixture
def picture() -> Picture:
    return Picture("bien-thu")


def health_of(picture: Picture, device_id: str = "cam-01") -> str:
    return next(d["health"] for d in picture.devices() if d["device_id"] == device_id)


def test_an_older_line_that_comes_late_does_not_move_a_track_back(picture, say, noon) -> None:
    picture.take(*say.track(at=noon.after(2), lat=1.3), received_at=noon.after(2))
    assert picture.take(*say.track(at=noon), received_at=noon.after(3)) == []
    assert [track.lat for track in picture.tracks()] == [1.3]


def test_a_track_without_updates_leaves_the_picture_after_a_minute(picture, say, noon) -> None:
    picture.take(*say.track(), received_at=noon)
    assert picture.tick(noon.after(TRACK_KEPT_S)) == []
    changes = picture.tick(noon.after(TRACK_KEPT_S + 1))
    assert [(change.kind, change.id, change.data) for change in changes] == [
        ("track", "track-1", None)
    ]
    assert picture.tracks() == []


def test_a_track_that_ended_leaves_at_once(picture, say, noon) -> None:
    picture.take(*say.track(state="ended"), received_at=noon)
    assert len(picture.tick(noon.after(ENDED_KEPT_S + 1))) == 1


def test_who_was_lost_near_the_line_stays_in_sight(picture, say, noon) -> None:
    picture.take(*say.track(state="ended", lost_near_line=True), received_at=noon)
    assert picture.tick(noon.after(LOST_KEPT_S)) == []
    assert len(picture.tick(noon.after(LOST_KEPT_S + 1))) == 1


def test_a_device_that_says_nothing_turns_silent_once(picture, say, noon) -> None:
    picture.take(*say.status(), received_at=noon)
    assert health_of(picture) == Health.OK
    changes = picture.tick(noon.after(DEVICE_SILENT_S + 1))
    assert [change.data.properties["health"] for change in changes] == ["silent"]
    assert picture.tick(noon.after(DEVICE_SILENT_S + 2)) == []
    picture.take(*say.status(), received_at=noon.after(40))
    assert health_of(picture) == Health.OK


def test_a_device_may_miss_two_of_its_messages_and_no_more(picture, say, noon) -> None:
    picture.take(*say.status(), received_at=noon)
    assert picture.tick(noon.after(14)) == []
    assert len(picture.tick(noon.after(16))) == 1


def test_a_status_that_the_broker_kept_for_long_is_not_taken_for_news(picture, say, noon) -> None:
    picture.take(*say.status(at=noon), received_at=noon.after(3600), retained=True)
    assert health_of(picture) == Health.SILENT


def test_a_last_will_turns_a_device_off_where_it_stood(picture, say, noon) -> None:
    picture.take(*say.status(), received_at=noon)
    (change,) = picture.take(*say.last_will(), received_at=noon.after(5))
    assert change.data.properties["health"] == "offline"
    assert change.data.geometry.coordinates == (-12.301, 1.199)


@pytest.mark.parametrize(
    "trouble",
    [
        *({"scene": scene.value} for scene in Scene if scene is not Scene.CLEAR),
        {"frame_age_s": 60.0},
        {"fps": 0.0, "frame_age_s": None},
    ],
)
def test_an_eye_that_cannot_see_is_degraded(picture, say, noon, trouble) -> None:
    """The last one says that it is there, and its camera has never given it a picture."""
    picture.take(*say.status(**trouble), received_at=noon)
    assert health_of(picture) == Health.DEGRADED


def test_an_alert_that_comes_twice_is_one_alert(picture, say, noon) -> None:
    alert = say.alert()
    topic = "tuanbien/v1/bien-thu/fusion/alerts"
    payload = msgspec.json.encode(msgspec.to_builtins(alert, enc_hook=lambda t: t.rfc3339()))
    assert len(picture.take(topic, payload, received_at=noon)) == 1
    assert picture.take(topic, payload, received_at=noon) == []
    assert picture.take_alerts([alert]) == []


def test_alerts_are_told_newest_first(picture, say, noon) -> None:
    picture.take_alerts([say.alert("b", noon.after(1)), say.alert("c", noon.after(2))])
    picture.take_alerts([say.alert("a", noon)])
    assert [alert.alert_id for alert in picture.alerts()] == ["c", "b", "a"]


def test_a_late_alert_stands_where_it_happened(picture, say, noon) -> None:
    """The list shows when an alert was raised: the order is of those times."""
    late = say.alert("late", noon.after(5), issued_at=noon.after(600))
    ties = [
        say.alert(name, noon.after(9), issued_at=noon.after(n))
        for n, name in ((11, "y"), (12, "x"))
    ]
    picture.take_alerts([say.alert("first", noon), *ties, late])
    assert [alert.alert_id for alert in picture.alerts()] == ["x", "y", "late", "first"]


def test_only_an_incident_that_changed_is_news(picture, say) -> None:
    incident = say.incident(say.alert())
    amended = say.incident(say.alert(), headcount=5, amended=True)
    assert len(picture.take_incidents([incident])) == 1
    assert picture.take_incidents([incident]) == []
    (change,) = picture.take_incidents([amended])
    assert change.data.properties["headcount"] == 5


def test_a_flood_of_tracks_keeps_the_latest_heard(monkeypatch, say, noon) -> None:
    monkeypatch.setitem(picture_module.KEPT, "track", 3)
    picture = Picture("bien-thu")
    for number in range(5):
        changes = picture.take(*say.track(f"track-{number}"), received_at=noon)
    assert [track.track_id for track in picture.tracks()] == ["track-2", "track-3", "track-4"]
    assert [change.id for change in changes] == ["track-1", "track-4"]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("tuanbien/v1/bien-thu/fusion/tracks", b"{"),
        ("tuanbien/v1/bien-thu/fusion/tracks", b'{"track_id":"x"}'),
        ("tuanbien/v1/bien-thu/fusion/alerts", b"[" * 100_000),
        ("tuanbien/v1/bien-thu/fusion/status", b"x" * 300_000),
        ("tuanbien/v1/elsewhere/cam-01/status", b"{}"),
        ("tuanbien/v1/bien-thu/cam-01/status", b"{}"),
        ("", b""),
    ],
)
def test_a_bad_message_is_refused_and_changes_nothing(picture, noon, topic, payload) -> None:
    with pytest.raises(InvalidMessageError):
        picture.take(topic, payload, received_at=noon)
    assert picture.devices() == []
    assert picture.tracks() == []


@given(st.text(max_size=60), st.binary(max_size=200))
def test_nothing_that_arrives_breaks_it_in_any_other_way(topic: str, payload: bytes) -> None:
    picture = Picture("bien-thu")
    for where in (topic, f"tuanbien/v1/bien-thu/{topic}", "tuanbien/v1/bien-thu/fusion/tracks"):
        try:
            picture.take(where, payload, received_at=NOON)
        except InvalidMessageError:
            continue
