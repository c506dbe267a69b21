"""All that is known about an incident over HTTP, and who may see it."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from edge.messages import Verb, decode_as, encode
from fusion.events import (
    AlertIssued,
    AlertSuppressed,
    CommandAnswered,
    IncidentChanged,
    SuppressedAlert,
)
from fusion.steps import STEPS, State, next_steps
from fusion.store import Store
from maps import assets
from maps.app import create_app
from maps.people.door import person_of
from maps.people.roles import AT_THE_MACHINE, Person, Role, steps_of

LAN = Person("a-1", "Hạ sĩ Lan", Role.DUTY_OFFICER)


@pytest.fixture
def store(feed, tmp_path) -> Store:
    opened = Store.open(f"sqlite:///{tmp_path / 'tuanbien.db'}", migrate=True)
    feed._open_store = lambda: opened
    yield opened
    opened.close()


@pytest.fixture
def keep(store, say) -> Callable[..., str]:
    """Keep an alert with its incident; return the incident's id."""

    def once(alert_id="alert-1", *, of_alert=None, **of_incident: object) -> str:
        alert = say.alert(alert_id, **(of_alert or {}))
        incident = say.incident(alert, **of_incident)
        store.save([AlertIssued(alert), IncidentChanged(incident)], sector="bien-thu")
        return incident.incident_id

    return once


@pytest.fixture
def who() -> list[Person]:
    return [LAN]


@pytest.fixture
def ask(sector, feed, who) -> Callable[..., httpx.Response]:
    assets.bring()
    app = create_app(sector=sector, feed=feed)
    app.dependency_overrides[person_of] = lambda: who[0]

    def once(method: str, path: str, **options: object) -> httpx.Response:
        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                return await client.request(method, path, **options)

        return asyncio.run(request())

    return once


def held(track_ids, say, **changed: object) -> AlertSuppressed:
    alert = say.alert("held")
    kept = {
        **{name: getattr(alert, name) for name in ("kind", "severity", "raised_at", "lat", "lon")},
        **{name: getattr(alert, name) for name in ("place", "devices", "probability")},
        **dict.fromkeys(("headcount", "headcount_min", "headcount_max"), 1),
        "suppressed_id": f"held-of-{track_ids[0]}",
        "sector": "bien-thu",
        "track_ids": track_ids,
        "reason": "own_force",
        "text": "a patrol was there",
    }
    return AlertSuppressed(decode_as(encode(kept | changed), SuppressedAlert))


def test_an_incident_is_told_with_all_that_belongs_to_it(ask, keep, store, say) -> None:
    before = keep("alert-0", state="closed")
    incident_id = keep(
        of_alert={"grouped_with": "alert-0"}, track_ids=["track-1", "track-2"], follows=before
    )
    store.save([held(["track-2"], say), held(["track-9"], say)], sector="bien-thu")
    found = ask("GET", f"/api/v1/incidents/{incident_id}").json()
    assert found["incident"]["incident_id"] == incident_id
    assert [one["alert_id"] for one in found["alerts"]] == ["alert-1"]
    assert [one["suppressed_id"] for one in found["held_back"]] == ["held-of-track-2"]
    ((relation, name, other),) = [tuple(one.values()) for one in found["related"]]
    assert (relation, name, other["state"]) == ("follows", before, "closed")
    assert found["history_url"] == f"/playback?incident={incident_id}"
    assert (found["timezone"], found["logged_in"]) == ("Asia/Ho_Chi_Minh", True)
    assert "don-bp-bien-thu" in found["units"]


def test_work_that_was_taken_over_is_told_with_its_deeds(ask, keep, store, say) -> None:
    old = keep("alert-1")
    alert = say.alert("alert-1", incident_id="incident-later")
    later = say.incident(alert)
    deed = {
        "message_id": "m1",
        "incident_id": old,
        "sector": "bien-thu",
        "verb": "note",
        "actor": "Lan",
        "role": "truc-ban",
        "at": alert.raised_at,
        "result": "applied",
        "received_at": alert.raised_at,
        "reason": "đã gọi",
        "state": "new",
        "version": 1,
    }
    reply = decode_as(encode({"deed": deed}), CommandAnswered.__annotations__["reply"])
    store.save([IncidentChanged(later), CommandAnswered(reply)], sector="bien-thu")
    found = ask("GET", "/api/v1/incidents/incident-later").json()
    assert [one["relation"] for one in found["related"]] == ["took_over"]
    assert [one["reason"] for one in found["deeds"]] == ["đã gọi"]


def test_a_partner_learns_neither_what_was_done_elsewhere_nor_who_is_on_patrol(
    ask, keep, store, feed, say, who
) -> None:
    """What an incident took over was not handed to it, and our patrols are part of the picture."""
    old = keep("alert-1")
    later = say.incident(say.alert("alert-1", incident_id="later"), assigned_to="cong-an")
    moment = later.opened_at
    deed = {
        "message_id": "m1",
        "incident_id": old,
        "sector": "bien-thu",
        "verb": "note",
        "actor": "Lan",
        "role": "truc-ban",
        "at": moment,
        "received_at": moment,
        "result": "applied",
        "reason": "nguồn tin ở bản trên",
        "state": "new",
        "version": 1,
    }
    reply = decode_as(encode({"deed": deed}), CommandAnswered.__annotations__["reply"])
    store.save([IncidentChanged(later), CommandAnswered(reply)], sector="bien-thu")
    feed.picture.take(*say.position("to-tuan-tra-1"), received_at=moment)
    path = "/api/v1/incidents/later"
    assert ask("GET", path).json()["deeds"]
    assert "to-tuan-tra-1" in ask("GET", path).json()["units"]
    who[0] = Person("a-2", "Công an", Role.PARTNER, "cong-an")
    answer = ask("GET", path)
    assert answer.json()["deeds"] == []
    assert "nguồn tin" not in answer.text
    assert "to-tuan-tra-1" not in answer.text


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("role", Role)
def test_the_steps_told_are_those_that_fusion_takes_and_the_role_may(
    ask, keep, who, role, state
) -> None:
    who[0] = Person("a-1", "Lan", role, "kiem-lam")
    incident_id = keep(state=state.value, assigned_to="kiem-lam")
    told = ask("GET", f"/api/v1/incidents/{incident_id}").json()["steps"]
    assert {one["verb"] for one in told} == {v.value for v in Verb if state in STEPS[v]}
    assert {one["verb"] for one in told if one["may"]} <= {v.value for v in steps_of(role)}
    for one in told:
        assert one["to"] == STEPS[Verb(one["verb"])][state]


def test_from_an_incident_that_goes_on_as_another_no_step_leads(say) -> None:
    incident = say.incident(say.alert(), continued_as="incident-2")
    assert next_steps(incident) == []


@pytest.mark.parametrize(
    ("unit", "assigned_to", "status"),
    [("kiem-lam", "kiem-lam", 200), ("kiem-lam", "hai-quan", 404), (None, None, 404)],
)
def test_to_a_partner_there_are_no_incidents_but_its_own(
    ask, keep, who, unit, assigned_to, status
) -> None:
    other = keep("alert-0")
    own = {} if assigned_to is None else {"assigned_to": assigned_to}
    incident_id = keep("alert-1", follows=other, **own)
    who[0] = Person("p-1", "Kiểm lâm", Role.PARTNER, unit)
    path = f"/api/v1/incidents/{incident_id}"
    answer = ask("GET", path)
    assert answer.status_code == status
    assert ask("POST", f"{path}/presence", json={"window": "w1"}).status_code == status
    if status == 200:
        assert answer.json()["related"] == []


@pytest.mark.parametrize("incident_id", ["nothing", "a" * 128, "'--"])
def test_an_incident_that_there_is_not_is_not_found(ask, store, incident_id) -> None:
    assert store
    answer = ask("GET", f"/api/v1/incidents/{incident_id}")
    assert answer.status_code == 404


@pytest.mark.parametrize("more", ["", "/deeds", "/evidence", "/export"])
def test_a_control_character_is_no_incidents_id(ask, store, more) -> None:
    """On PostgreSQL a NUL was an internal error."""
    assert store
    for incident_id in ("%00", "a%00b", "a%0Ab", "%7F"):
        assert ask("GET", f"/api/v1/incidents/{incident_id}{more}").status_code == 422
        assert ask("GET", f"/api/v1/playback/incidents/{incident_id}").status_code == 422


def test_another_sectors_incident_in_the_same_store_is_not_found(ask, store, say) -> None:
    alert = say.alert(sector="elsewhere")
    store.save([IncidentChanged(say.incident(alert))], sector="elsewhere")
    assert ask("GET", f"/api/v1/incidents/{alert.incident_id}").status_code == 404


def test_without_a_store_it_is_said(ask, feed) -> None:
    feed._open_store = lambda: Store.open("sqlite:////nowhere/at/all.db")
    answer = ask("GET", "/api/v1/incidents/x")
    assert (answer.status_code, "store" in answer.json()["detail"]) == (503, True)


@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_page_is_a_shell_without_data(ask, keep, language) -> None:
    incident_id = keep()
    answer = ask("GET", f"/incidents/{incident_id}?lang={language}")
    assert (answer.status_code, f'lang="{language}"' in answer.text) == (200, True)
    assert incident_id not in answer.text
    assert len(answer.content) < 40_000


# -- presence --------------------------------------------------------------------------------


def test_who_has_it_open_is_told_to_the_stream_and_in_the_answer(
    ask, keep, feed, who, read_events
) -> None:
    path = f"/api/v1/incidents/{keep()}/presence"
    first = ask("POST", path, json={"window": "w1", "typing": True}).json()["people"]
    assert first == [{"window": "w1", "name": "Hạ sĩ Lan", "typing": True}]
    who[0] = Person("a-2", "Minh", Role.GUARD)
    both = ask("POST", path, json={"window": "w1"}).json()["people"]
    assert [one["name"] for one in both] == ["Hạ sĩ Lan", "Minh"]
    ask("POST", path, json={"window": "w1", "here": False})
    wire = b"".join(event.wire for event in feed.stream._last.values())
    (event,) = read_events(wire)
    assert event["event"] == "presence"
    assert [one["name"] for one in event["data"]["people"]] == ["Hạ sĩ Lan"]
    assert ask("GET", path.removesuffix("/presence")).json()["people"] == event["data"]["people"]


def test_with_a_log_in_the_name_is_the_accounts_without_one_it_is_what_they_say(
    ask, keep, who
) -> None:
    path = f"/api/v1/incidents/{keep()}/presence"
    said = {"window": "w1", "name": "Tướng"}
    assert ask("POST", path, json=said).json()["people"][0]["name"] == "Hạ sĩ Lan"
    who[0] = AT_THE_MACHINE
    names = [one["name"] for one in ask("POST", path, json=said).json()["people"]]
    assert names == ["Hạ sĩ Lan", "Tướng"]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"window": ""},
        {"window": "a b"},
        {"window": "w" * 65},
        {"window": "w1", "x": 1},
        {"window": "w1", "name": "a\0b"},
        {"window": "w1", "name": "n" * 129},
    ],
)
def test_a_beat_of_another_shape_is_refused(ask, keep, said) -> None:
    answer = ask("POST", f"/api/v1/incidents/{keep()}/presence", json=said)
    assert (answer.status_code, "body" in answer.text) == (422, True)


def test_another_sites_page_cannot_make_somebody_present(ask, keep) -> None:
    path = f"/api/v1/incidents/{keep()}/presence"
    headers = {"content-type": "text/plain"}
    assert ask("POST", path, content='{"window": "w1"}', headers=headers).status_code in {415, 422}
