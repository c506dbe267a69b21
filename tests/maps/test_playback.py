"""Playback over HTTP: the picture as it was, within bounds, and gaps where nobody knows."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from edge.messages import (
    CommandReply,
    Deed,
    PositionMessage,
    Result,
    StatusMessage,
    TrackUpdate,
    UtcTime,
    Verb,
    decode_as,
)
from fusion.events import AlertIssued, CommandAnswered, IncidentChanged, TracksUpdated
from fusion.history import Attendance, Span
from fusion.steps import Work, worked
from fusion.store import Store
from fusion.workflow import _worked_on, as_of
from maps import assets, past_picture
from maps.app import create_app
from maps.feed import Feed
from maps.people.door import person_of
from maps.people.roles import Person, Role
from maps.picture import Picture

HOME = "bien-thu"
LIFE_S = 240


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/store.db", migrate=True)
    yield opened
    opened.close()


@pytest.fixture
def get(sector, store, noon) -> Callable[..., httpx.Response]:
    """Return a function that asks the map of a sector whose store is `store`."""
    assets.bring()
    feed = Feed(
        HOME,
        broker_url="mqtt://127.0.0.1:1",
        open_store=lambda: store,
        clock=lambda: noon.after(LIFE_S),
        run_id="run1",
    )
    app = create_app(sector=sector, feed=feed)

    def ask(path: str, *, role: Role = Role.GUARD, **asked: object) -> httpx.Response:
        app.dependency_overrides[person_of] = lambda: Person("p", "P", role, "unit")

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                return await client.get(f"/api/v1/playback/{path}", params=asked)

        return asyncio.run(once())

    return ask


@pytest.fixture
def life(store, say, noon) -> dict[float, dict[str, Any]]:
    """Four minutes of a sector, saved as fusion does; and what was live at each half-second."""
    picture, attendance, pictures = Picture(HOME), Attendance(), {}
    for half_seconds in range(2 * LIFE_S):
        seconds = half_seconds / 2
        now = noon.after(seconds)
        said, events = _happens(say, seconds, now), []
        for topic, payload in said:
            picture.take(topic, payload, received_at=now)
            kind = topic.rpartition("/")[2]
            if kind == "tracks":
                events.append(TracksUpdated((decode_as(payload, TrackUpdate),)))
            else:
                wanted = StatusMessage if kind == "status" else PositionMessage
                attendance.hear(decode_as(payload, wanted), at=now)
        if seconds == 90.0:
            alert = say.alert(at=now)
            incident = say.incident(alert)
            picture.take_incidents([incident])
            picture.take_alerts([alert])
            events += [IncidentChanged(incident), AlertIssued(alert)]
        attendance.ran(now)
        heard = attendance.due(now, last=half_seconds == 2 * LIFE_S - 1)
        store.save(events, sector=HOME, heard=heard)
        picture.tick(now)
        pictures[seconds] = _shown(
            {f"{kind}s": picture.features(kind) for kind in past_picture_kinds()}
        )
    return pictures


def past_picture_kinds() -> tuple[str, ...]:
    return ("track", "alert", "incident", "device", "patrol")


def _happens(say, seconds: float, now: UtcTime) -> list[tuple[str, bytes]]:
    """A walker who is lost at the line, a car that drives away; a camera that goes blind."""
    said = []
    if seconds < 60.0 or seconds == 60.0:
        lost = {"state": "ended", "lost_near_line": True} if seconds == 60.0 else {}
        said.append(say.track("walker", now, lat=1.2 + seconds * 1e-5, **lost))
    if 30.0 <= seconds <= 100.0:
        ended = {"state": "ended"} if seconds == 100.0 else {}
        said.append(say.track("car", now, lon=-12.3 + seconds * 1e-4, label="car", **ended))
    if seconds % 5 == 0 and seconds < 120.0:
        scene = "covered" if seconds >= 50.0 else "clear"
        status = say.status("cam-01", now, scene=scene, message_id=f"a{seconds}", fps=9.0)
        said.append(status)
    if seconds % 5 == 0:
        said.append(say.status("cam-02", now, message_id=f"b{seconds}", fps=9.0))
    if seconds == 150.0:
        said.append(say.last_will("cam-02"))
    if seconds % 10 == 0 and seconds <= 100.0:
        topic, payload = say.position("patrol-1", now)
        moved = payload.replace(b'"lat":1.2', f'"lat":{1.2 + seconds * 1e-4:.4f}'.encode())
        said.append((topic, moved.replace(b'"position"', f'"p{seconds}"'.encode())))
    return [one for one in said if not (seconds > 150.0 and "cam-02" in one[0])]


def _shown(layers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what can be seen of each thing."""
    shown: dict[str, dict[str, Any]] = {}
    for name, features in layers.items():
        for feature in features:
            about, place = _parts(feature)
            shown[f"{name}/{_id(feature)}"] = {
                # Of each second the last line is kept: half a second's way may lie between.
                "place": None if place is None else pytest.approx(tuple(place), abs=6e-5),
                **{key: about.get(key) for key in ("state", "health", "label", "lost_near_line")},
            }
    return shown


def _seen(layers: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the same with exact places, to be compared with what `_shown` returns."""
    places = {
        f"{name}/{_id(one)}": _parts(one)[1] for name, found in layers.items() for one in found
    }
    return {
        name: about | {"place": None if places[name] is None else tuple(places[name])}
        for name, about in _shown(layers).items()
    }


def _parts(feature: Any) -> tuple[Any, Any]:
    if isinstance(feature, dict):
        geometry = feature["geometry"]
        return feature["properties"], None if geometry is None else geometry["coordinates"]
    geometry = feature.geometry
    return feature.properties, None if geometry is None else geometry.coordinates


def _id(feature: Any) -> str:
    return str(feature["id"] if isinstance(feature, dict) else feature.id)


def _layers(body: dict[str, Any]) -> dict[str, Any]:
    return {f"{kind}s": body[f"{kind}s"]["features"] for kind in past_picture_kinds()}


def test_playback_at_an_instant_shows_what_was_live_then(get, life, noon) -> None:
    for seconds, live in life.items():
        # Whoever leaves the picture does so within the second.
        if seconds % 7 or seconds == 0 or live.keys() != life.get(seconds - 1, live).keys():
            continue
        answer = get("snapshot", at=noon.after(seconds).rfc3339())
        assert answer.status_code == 200
        assert answer.json()["followed"] is True
        assert _seen(_layers(answer.json())) == live, seconds


def test_the_changes_lead_from_one_picture_to_the_next(get, life, noon) -> None:
    assert life
    begin, end = noon.after(20.0), noon.after(200.0)
    things = {
        (name.removesuffix("s"), _id(feature)): feature
        for name, features in _layers(get("snapshot", at=begin.rfc3339()).json()).items()
        for feature in features
    }
    answer = get("changes", since=begin.rfc3339(), until=end.rfc3339()).json()
    times = [change["at"] for change in answer["changes"]]
    assert times == sorted(times)
    assert (answer["more"], answer["until"]) == (False, end.rfc3339())
    for change in answer["changes"]:
        things[change["kind"], change["data"]["id"]] = change["data"]
    after = _layers(get("snapshot", at=end.rfc3339()).json())
    for name, features in after.items():
        assert features
        for feature in features:
            seen = things[name.removesuffix("s"), _id(feature)]
            assert _seen({name: [seen]}) == _shown({name: [feature]})


def test_pages_of_changes_are_the_whole(get, life, noon, monkeypatch) -> None:
    assert life
    asked = {"since": noon.rfc3339(), "until": noon.after(200.0).rfc3339()}
    whole = get("changes", **asked).json()["changes"]
    monkeypatch.setattr(past_picture, "MOST_CHANGES", 50)
    pages = []
    while True:
        page = get("changes", **asked).json()
        pages += page["changes"]
        assert len(page["changes"]) <= 50
        if not page["more"]:
            break
        asked["since"] = page["until"]
    assert pages == whole


def test_for_a_fast_clock_each_track_changes_less_often(get, life, noon) -> None:
    assert life
    asked = {"since": noon.rfc3339(), "until": noon.after(59.0).rfc3339()}
    each_s, each_10_s = (
        sum(
            one["kind"] == "track"
            for one in get("changes", step_s=step, **asked).json()["changes"]
        )
        for step in (1, 10)
    )
    assert (each_s, each_10_s) == (59 + 29, 6 + 3)


def test_the_outline_tells_tracks_alerts_and_gaps(get, store, life, noon) -> None:
    assert life
    later = noon.after(1000.0)
    store.save([], sector=HOME, heard=[Span("fusion", later, later.after(60.0), False, "")])
    asked = {"since": noon.after(-60.0).rfc3339(), "until": later.after(60.0).rfc3339()}
    body = get("outline", **asked).json()
    assert max(body["bins"]) == 2
    assert [mark["alert_id"] for mark in body["alerts"]] == ["alert-1"]
    assert body["kept_since"] == noon.rfc3339()
    assert body["gaps"] == [
        [noon.after(-60.0).rfc3339(), noon.rfc3339()],
        [noon.after(LIFE_S - 0.5).rfc3339(), later.rfc3339()],
    ]


def test_where_fusion_did_not_run_the_picture_says_so(get, life, noon) -> None:
    assert life
    assert get("snapshot", at=noon.after(600.0).rfc3339()).json()["followed"] is False
    assert get("snapshot", at=noon.after(-600.0).rfc3339()).json()["followed"] is False


def _deed(incident, noon, seconds: float, verb: Verb, version: int, state: str) -> Deed:
    return Deed(
        message_id=f"deed-{version}",
        incident_id=incident.incident_id,
        sector=HOME,
        verb=verb,
        actor=f"officer-{version}",
        role="duty_officer",
        at=noon.after(seconds),
        received_at=noon.after(seconds),
        result=Result.APPLIED,
        state=state,
        version=version,
    )


def test_an_incident_stands_as_people_had_worked_on_it_by_then(get, store, life, noon) -> None:
    assert life
    incident = store.incidents(1)[0]
    deeds = [
        _deed(incident, noon, 110.0, Verb.ACKNOWLEDGE, 1, "acknowledged"),
        _deed(incident, noon, 130.0, Verb.DISPATCH, 2, "dispatched"),
    ]
    work = Work()
    for deed in deeds:
        work = worked(work, deed)
        now = _worked_on(incident, work)
        reply = CommandReply(deed=deed, incident=now)
        store.save([IncidentChanged(now), CommandAnswered(reply)], sector=HOME, heard=[])

    def stood(seconds: float) -> list[tuple[str, str | None]]:
        found = get("snapshot", at=noon.after(seconds).rfc3339()).json()["incidents"]["features"]
        return [(one["properties"]["state"], one["properties"].get("acted_by")) for one in found]

    assert stood(80.0) == []
    assert stood(100.0) == [("new", None)]
    assert stood(115.0) == [("acknowledged", "officer-1")]
    assert stood(200.0) == [("dispatched", "officer-2")]
    assert as_of(now, deeds, noon.after(200.0)) == now
    changed = get(
        "changes", since=noon.after(100.0).rfc3339(), until=noon.after(200.0).rfc3339()
    ).json()["changes"]
    told = [one["data"]["properties"]["state"] for one in changed if one["kind"] == "incident"]
    assert told == ["acknowledged", "dispatched"]
    span = get(f"incidents/{incident.incident_id}").json()
    assert span["until"] == noon.after(190.0).rfc3339()


def test_an_incident_begins_two_minutes_before_its_first_track(get, store, life, noon) -> None:
    assert life
    incident = store.incidents(1)[0]
    known = replace(incident, track_ids=("car",))
    store.save([IncidentChanged(known)], sector=HOME, heard=[])
    span = get(f"incidents/{incident.incident_id}").json()
    assert (span["since"], span["track_ids"]) == (noon.after(30.5 - 120.0).rfc3339(), ["car"])
    assert span["until"] == noon.after(160.0).rfc3339()
    assert get("incidents/nobody").status_code == 404


@pytest.mark.parametrize(
    ("path", "asked", "says"),
    [
        ("snapshot", {"at": "yesterday"}, "at: 'yesterday' is not an RFC 3339 time"),
        ("snapshot", {"at": "0001-01-01T00:00:00Z"}, "no time of which there can be history"),
        ("changes", {"since": "2026-03-14T12:00:00Z", "until": "2026-03-14T12:00:00Z"}, "before"),
        ("changes", {"since": "2026-03-14T12:00:00Z", "until": "2026-03-14T12:11:00Z"}, "0.18 h"),
        ("outline", {"since": "2026-03-14T12:00:00Z", "until": "2026-03-17T12:00:00Z"}, "48 h"),
        ("outline", {"since": "2026-02-30T12:00:00Z", "until": "2026-03-17T12:00:00Z"}, "since"),
    ],
)
def test_times_that_are_none_are_refused_in_a_sentence(get, path, asked, says) -> None:
    answer = get(path, **asked)
    assert answer.status_code == 422
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    "path", ["snapshot", "changes", "outline", "incidents/incident-of-alert-1"]
)
def test_a_partner_sees_nothing_of_the_past(get, noon, path) -> None:
    at = noon.rfc3339()
    answer = get(path, role=Role.PARTNER, at=at, since=at, until=noon.after(60.0).rfc3339())
    assert answer.status_code == 403
