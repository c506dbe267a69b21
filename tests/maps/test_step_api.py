"""Steps over HTTP: taken once, refused with a sentence, answered by fusion itself."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from edge.messages import (
    CommandMessage,
    CommandReply,
    Deed,
    DetectionsMessage,
    Incident,
    Result,
    UtcTime,
    Verb,
    decode,
    decode_as,
    encode,
)
from fusion.events import AlertIssued, CommandAnswered, IncidentChanged
from fusion.ingest import serve
from fusion.rulebook import Rules
from fusion.store import Store
from fusion.waits import Waits
from fusion.workflow import Workflow
from maps import assets, steps
from maps.app import create_app
from maps.feed import Feed
from maps.people.door import person_of
from maps.people.roles import AT_THE_MACHINE, Person, Role, steps_of

LAN = {"actor": "Lan", "role": "truc-ban", "expected_version": 0}


class Fusion:
    """The workflow alone, behind the feed, without a broker between."""

    def __init__(self, feed: Feed, say, now: UtcTime) -> None:
        self._workflow, self._now = Workflow(Rules()), now
        alert = say.alert()
        self.incident_id = alert.incident_id
        happened = [AlertIssued(alert), IncidentChanged(say.incident(alert))]
        self.kept = list(self._workflow.overlay(happened, now.timestamp()))
        self.answers = True
        self._feed = feed
        feed.steps._send = self._take

    def _take(self, topic: str, payload: bytes) -> bool:
        command = decode(topic, payload)
        assert isinstance(command, CommandMessage)
        events = self._workflow.apply(command, self._now)
        self.kept += events
        if self.answers:
            self._feed.steps.hear(encode(events[-1].reply))
        return True

    def hand_to(self, unit: str) -> None:
        """Let the station take the incident on and hand it over."""
        for verb, more in (("acknowledge", {}), ("hand_over", {"assigned_to": unit})):
            said = LAN | {"v": 1, "message_id": verb, "device_id": "maps", "sector": "bien-thu"}
            said |= {"at": self._now, "incident_id": self.incident_id, "verb": verb, **more}
            said["expected_version"] = 0 if verb == "acknowledge" else 1
            self._take("tuanbien/v1/bien-thu/maps/commands", encode(said))

    # What the store would say.

    def deed(self, message_id) -> Deed | None:
        found = [one.reply.deed for one in self.kept if isinstance(one, CommandAnswered)]
        return next((one for one in found if one.message_id == message_id), None)

    def deeds(self, incident_id) -> list[Deed]:
        found = [one.reply.deed for one in self.kept if isinstance(one, CommandAnswered)]
        return [one for one in found if one.incident_id == incident_id]

    def incident(self, incident_id) -> Incident | None:
        found = [one.incident for one in self.kept if isinstance(one, IncidentChanged)]
        return next((one for one in found[::-1] if one.incident_id == incident_id), None)

    def incidents_opened(self, _since, _until, *, sector) -> list[Incident]:
        return [] if sector != "bien-thu" else [self.incident(self.incident_id)]

    def waits(self, incidents, _since, _until, *, sector) -> dict[str, Waits]:
        assert sector == "bien-thu"
        return {one.incident_id: Waits(acknowledge_s=40.0) for one in incidents}


@pytest.fixture
def fusion(feed, say, noon) -> Fusion:
    found = Fusion(feed, say, noon)
    feed._open_store = lambda: found
    return found


@pytest.fixture
def who() -> list[Person]:
    """Who asks, as the first of one: nobody is logged in until the test says so."""
    return [AT_THE_MACHINE]


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
                return await client.request(method, f"/api/v1/{path}", **options)

        return asyncio.run(request())

    return once


def test_a_step_is_answered_with_the_incident_as_it_stands_then(ask, fusion) -> None:
    answer = ask("POST", f"incidents/{fusion.incident_id}/acknowledge", json=LAN)
    assert answer.status_code == 200
    incident = answer.json()
    assert (incident["state"], incident["version"]) == ("acknowledged", 1)
    assert incident["acted_by"] == "Lan"
    (deed,) = ask("GET", f"incidents/{fusion.incident_id}/deeds").json()
    assert (deed["verb"], deed["result"], deed["role"]) == ("acknowledge", "applied", "truc-ban")


def test_a_step_is_told_at_once_to_all_who_look_on(ask, feed, fusion, read_events) -> None:
    ask("POST", f"incidents/{fusion.incident_id}/acknowledge", json=LAN)
    (event,) = read_events(b"".join(one.wire for one in feed.stream._last.values()))
    assert (event["event"], event["data"]["properties"]["acted_by"]) == ("incident", "Lan")


@pytest.mark.parametrize(
    ("verb", "said", "status", "why"),
    [
        ("acknowledge", {"expected_version": 3}, 409, "is new at version 0, not 3"),
        ("resolve", {"outcome": "thoat"}, 409, "resolve is none of acknowledge, note"),
        ("note", {}, 422, "note must say its reason"),
        ("acknowledge", {"actor": ""}, 422, "$.actor"),
        ("acknowledge", {"expected_version": -1}, 422, "$.expected_version"),
        ("acknowledge", {"at": "yesterday"}, 422, "yesterday"),
        ("acknowledge", {"at": "2026-03-14T13:00:00Z"}, 422, "lies in the future"),
        ("acknowledge", {"assigned_to": "A B"}, 422, "$.assigned_to"),
        ("acknowledge", {"actor": "  "}, 422, "$.actor"),
        # PostgreSQL takes no zero byte: one would stop fusion at every start.
        ("acknowledge", {"actor": "Lan\0"}, 422, "body.actor"),
        ("note", {"reason": "ab\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe"}, 422, "body.reason"),
        ("acknowledge", {"actor": "system"}, 422, "actor 'system' is nobody"),
    ],
)
def test_what_is_refused_is_told_in_one_sentence(ask, fusion, verb, said, status, why) -> None:
    answer = ask("POST", f"incidents/{fusion.incident_id}/{verb}", json=LAN | said)
    assert answer.status_code == status
    assert why in answer.json()["detail"]


def test_a_dispatch_names_whom_it_sends(ask, fusion) -> None:
    path = f"incidents/{fusion.incident_id}"
    for version, verb in enumerate(("acknowledge", "assess")):
        assert ask("POST", f"{path}/{verb}", json=LAN | {"expected_version": version}).is_success
    said = LAN | {"expected_version": 2}
    answer = ask("POST", f"{path}/dispatch", json=said)
    assert answer.status_code == 422
    assert "body.assigned_to" in answer.json()["detail"]
    answer = ask("POST", f"{path}/dispatch", json=said | {"assigned_to": "to-tuan-tra-3"})
    assert answer.json()["state"] == "dispatched"


@pytest.mark.parametrize(
    ("verb", "body"),
    [("arrest", LAN), ("note", LAN | {"x": 1}), ("note", {"actor": "Lan"}), ("note", [])],
)
def test_a_step_of_another_shape_is_refused_before_fusion_hears_of_it(
    ask, fusion, verb, body
) -> None:
    before = list(fusion.kept)
    assert ask("POST", f"incidents/{fusion.incident_id}/{verb}", json=body).status_code == 422
    assert fusion.kept == before


def test_an_incident_that_there_is_not_is_not_found(ask, fusion) -> None:
    answer = ask("POST", "incidents/nothing/acknowledge", json=LAN)
    assert (answer.status_code, "no incident nothing" in answer.text) == (404, True)
    assert fusion.deeds("nothing")[0].result is Result.UNKNOWN


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_sites_page_cannot_take_a_step(ask, fusion, kind) -> None:
    headers = {"content-type": kind} if kind else {}
    content = encode(LAN)
    path = f"incidents/{fusion.incident_id}/acknowledge"
    assert ask("POST", path, content=content, headers=headers).status_code in {415, 422}
    assert fusion.deeds(fusion.incident_id) == []


@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_a_body_longer_than_any_step_is_not_read_to_its_end(ask, fusion, kind) -> None:
    read = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            read.append(1)
            yield b" " * 4096

    path = f"incidents/{fusion.incident_id}/acknowledge"
    answer = ask("POST", path, content=endless(), headers={"content-type": kind})
    assert (answer.status_code, len(read)) == (413, 17)
    assert answer.json()["detail"] == "the body is longer than 65536 bytes"


def test_without_a_broker_nothing_is_done_and_that_is_said(ask, feed, fusion) -> None:
    feed.steps._send = lambda *_: False
    answer = ask("POST", f"incidents/{fusion.incident_id}/acknowledge", json=LAN)
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the broker is not connected: nothing was done"


def test_an_answer_that_was_lost_on_its_way_is_in_the_store(
    ask, feed, fusion, monkeypatch
) -> None:
    fusion.answers = False
    monkeypatch.setattr(steps.Steps.take, "__kwdefaults__", {"within_s": 0.05})
    answer = ask("POST", f"incidents/{fusion.incident_id}/acknowledge", json=LAN)
    assert (answer.status_code, answer.json()["state"]) == (200, "acknowledged")
    feed.steps._send = lambda *_: True  # fusion is away
    again = ask(
        "POST", f"incidents/{fusion.incident_id}/assess", json=LAN | {"message_id": "again-1"}
    )
    assert again.status_code == 503
    assert "send it again with the message_id 'again-1'" in again.json()["detail"]


def test_a_step_that_is_sent_again_is_taken_once(ask, fusion) -> None:
    path = f"incidents/{fusion.incident_id}/acknowledge"
    first, again = (ask("POST", path, json=LAN | {"message_id": "one"}) for _ in range(2))
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert first.json()["version"] == 1


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (r'"actor": "L\ud800n", "expected_version": 0', r"'L\ud800n' is not Unicode"),
        ('"actor": "Lan", "expected_version": 1e999', "body.expected_version: Input should be"),
    ],
)
def test_what_cannot_be_written_is_refused_like_anything_else(ask, fusion, said, why) -> None:
    answer = ask(
        "POST",
        f"incidents/{fusion.incident_id}/acknowledge",
        content=f'{{"role": "truc-ban", {said}}}'.encode(),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 422
    assert why in answer.json()["detail"]
    assert fusion.deeds(fusion.incident_id) == []


@pytest.mark.parametrize(
    ("incident", "verb", "actor"),
    [(None, "acknowledge", "Minh"), (None, "assess", "Lan"), ("nothing", "acknowledge", "Lan")],
)
def test_a_message_id_of_another_step_is_not_taken_for_that_step(
    ask, fusion, incident, verb, actor
) -> None:
    first = LAN | {"message_id": "one"}
    assert ask("POST", f"incidents/{fusion.incident_id}/acknowledge", json=first).is_success
    path = f"incidents/{incident or fusion.incident_id}/{verb}"
    answer = ask("POST", path, json=first | {"actor": actor, "expected_version": 1})
    assert answer.status_code == 422
    assert "'one' was that of another step" in answer.json()["detail"]


@pytest.mark.usefixtures("fusion")
def test_the_tally_is_served_for_a_time_that_is_one(ask) -> None:
    found = ask("GET", "tally").json()
    assert (found[0]["by"], found[0]["incidents"], found[0]["days"]) == ("all", 1, 30.0)
    assert found[0]["to_acknowledge"] == {"count": 1, "median_s": 40.0, "p90_s": 40.0}
    assert found[0]["unwanted_per_day_high"] == pytest.approx(0.0999, abs=1e-4)
    assert ask("GET", "tally?since=2026-03-01T00:00:00Z").json()[0]["days"] == 13.5
    refused = ask("GET", "tally?since=2026-03-15T00:00:00Z")
    assert (refused.status_code, "is not before" in refused.text) == (422, True)
    assert ask("GET", "tally?until=today").status_code == 422
    assert ask("GET", "tally?until=0001-01-01T00:00:00Z").status_code == 422


# -- with a log-in ---------------------------------------------------------------------------


def somebody(role: Role, unit: str | None = None) -> Person:
    return Person("a-1", "Hạ sĩ Lan", role, unit)


@pytest.mark.parametrize("verb", Verb)
@pytest.mark.parametrize("role", Role)
def test_a_role_takes_its_own_steps_and_no_others(ask, fusion, who, role, verb) -> None:
    who[0] = somebody(role, "kiem-lam")
    fusion.hand_to("kiem-lam")
    before = fusion.deeds(fusion.incident_id)
    answer = ask("POST", f"incidents/{fusion.incident_id}/{verb}", json={"expected_version": 9})
    if verb in steps_of(role):
        assert answer.status_code == 409  # it came to fusion, which knows a later version
        deed = fusion.deeds(fusion.incident_id)[-1]
        assert (deed.actor, deed.role) == ("Hạ sĩ Lan", role.value)
    else:
        assert answer.status_code == 403
        assert answer.json()["detail"] == f"the role {role.value} may not {verb.value}"
        assert fusion.deeds(fusion.incident_id) == before


@pytest.mark.parametrize(
    "said", [{"assigned_to": "kiem-lam"}, {"outcome": "bat_giu"}, {"cause": "dong_vat"}]
)
@pytest.mark.parametrize("role", [Role.GUARD, Role.PARTNER])
def test_nobody_decides_by_a_note_what_is_not_theirs_to_decide(
    ask, fusion, who, role, said
) -> None:
    """A guard's note with `assigned_to` handed an incident over; a partner's set its outcome."""
    who[0] = somebody(role, "kiem-lam")
    fusion.hand_to("kiem-lam")
    note = {"expected_version": 2, "reason": "đã xem"}
    path = f"incidents/{fusion.incident_id}/note"
    answer = ask("POST", path, json=note | said)
    assert answer.status_code == 403
    assert answer.json()["detail"] == f"the role {role.value} may not say {next(iter(said))}"
    assert len(fusion.deeds(fusion.incident_id)) == 2
    assert ask("POST", path, json=note | {"rescue": True}).json()["rescue"] is True


def test_another_sectors_deeds_in_the_same_store_are_not_told(ask, fusion, who) -> None:
    who[0] = somebody(Role.COMMANDER)
    fusion.hand_to("kiem-lam")
    own = fusion.deeds
    fusion.deeds = lambda name: [replace(one, sector="khac") for one in own(name)]
    assert ask("GET", f"incidents/{fusion.incident_id}/deeds").json() == []


@pytest.mark.parametrize("said", [{"actor": "Minh"}, {"role": "commander"}, {"actor": ""}])
def test_nobody_signs_with_another_name_than_their_own(ask, fusion, who, said) -> None:
    who[0] = somebody(Role.DUTY_OFFICER)
    path = f"incidents/{fusion.incident_id}/acknowledge"
    answer = ask("POST", path, json={"expected_version": 0} | said)
    assert (answer.status_code, "who is logged in" in answer.text) == (422, True)
    assert fusion.deeds(fusion.incident_id) == []
    own = {"actor": "Hạ sĩ Lan", "role": "duty_officer", "expected_version": 0}
    assert ask("POST", path, json=own).json()["acted_by"] == "Hạ sĩ Lan"


@pytest.mark.parametrize("unit", [None, "hai-quan"])
def test_to_a_partner_there_are_no_incidents_but_its_own(ask, fusion, who, unit) -> None:
    who[0] = somebody(Role.PARTNER, unit)
    note = {"expected_version": 2, "reason": "đã nhận"}
    path = f"incidents/{fusion.incident_id}"
    assert ask("POST", f"{path}/note", json=note).status_code == 404
    assert ask("GET", f"{path}/deeds").status_code == 404
    fusion.hand_to("kiem-lam")
    assert ask("POST", f"{path}/note", json=note).status_code == 404
    who[0] = somebody(Role.PARTNER, "kiem-lam")
    assert ask("POST", f"{path}/note", json=note).is_success
    assert len(ask("GET", f"{path}/deeds").json()) == 3
    assert ask("GET", "tally").status_code == 403


# -- through a real broker -------------------------------------------------------------------


@pytest.fixture
def running_fusion(nats_broker, sector, tmp_path: Path) -> Iterator[str]:
    """Fusion as it runs, on a store of its own; the store's address."""
    stop, store_url = threading.Event(), f"sqlite:///{tmp_path / 'tuanbien.db'}"
    thread = threading.Thread(
        target=partial(
            serve,
            sector,
            broker_url=nats_broker,
            store_url=store_url,
            journal_dir=tmp_path / "journal",
            clock=UtcTime.read_clock,
            stop=stop,
        )
    )
    thread.start()
    yield store_url
    stop.set()
    thread.join(15)
    assert not thread.is_alive()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20.0):
        while not holds():  # noqa: ASYNC110 - what another thread does sets no event here
            await asyncio.sleep(0.02)


def crossing(begin: UtcTime) -> Iterator[DetectionsMessage]:
    """Somebody walks over the line, from south to north."""
    for step in range(40):
        raw = {
            "v": 1,
            "message_id": f"walk-{step}",
            "device_id": "cam-01",
            "sector": "bien-thu",
            "captured_at": begin.after(step / 2),
            "sensor": {"kind": "camera", "lat": 1.199, "lon": -12.3008},
            "detections": [
                {
                    "label": "person",
                    "confidence": 0.9,
                    "bbox": [0.4, 0.4, 0.5, 0.6],
                    "lat": 1.2 + (step - 20.0) / 110_574.0,
                    "lon": -12.3008,
                    "cov_m2": [0.25, 0.0, 0.25],
                }
            ],
        }
        yield decode_as(encode(raw), DetectionsMessage)


@pytest.mark.slow
def test_two_people_at_two_maps_and_one_of_them_is_first(
    nats_broker, running_fusion, sector
) -> None:
    assets.bring()

    async def at_maps() -> list[httpx.Response]:
        feeds = [
            Feed(
                "bien-thu",
                broker_url=nats_broker,
                open_store=partial(Store.open, running_fusion),
                clock=UtcTime.read_clock,
                run_id=f"run{number}",
            )
            for number in (1, 2)
        ]
        async with feeds[0].running(), feeds[1].running():
            await until(lambda: feeds[0].beat()["fusion_online"])
            for message in crossing(UtcTime.read_clock(offset_s=-60)):
                feeds[0].steps._send("tuanbien/v1/bien-thu/cam-01/detections", encode(message))
            await until(lambda: all(one.picture.incidents() for one in feeds))
            (incident,) = feeds[0].picture.incidents()
            path = f"http://localhost/api/v1/incidents/{incident.incident_id}"
            clients = [
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(create_app(sector=sector, feed=one))
                )
                for one in feeds
            ]
            both = await asyncio.gather(
                *(
                    client.post(f"{path}/acknowledge", json=LAN | {"actor": actor})
                    for client, actor in zip(clients, ("Lan", "Minh"), strict=True)
                )
            )
            done = (await clients[0].get(f"{path}/deeds")).json()
            for client in clients:
                await client.aclose()
        return [*both, done]

    one, other, done = asyncio.run(at_maps())
    taken, refused = sorted((one, other), key=lambda answer: answer.status_code)
    assert (taken.status_code, refused.status_code) == (200, 409)
    faster = taken.json()["acted_by"]
    assert f"the last step was {faster}'s" in refused.json()["detail"]
    assert [deed["result"] for deed in done] == ["applied", "stale"]


def test_an_answer_to_somebody_else_is_left_alone(feed, fusion) -> None:
    deed = fusion._workflow.apply(
        decode_as(
            encode(
                LAN
                | {"v": 1, "message_id": "m", "device_id": "maps", "sector": "bien-thu"}
                | {"at": UtcTime.parse("2026-03-14T12:00:00Z"), "incident_id": "x", "verb": "note"}
            ),
            CommandMessage,
        ),
        fusion._now,
    )[-1].reply
    feed.take("tuanbien/v1/bien-thu/fusion/replies", encode(deed))
    assert feed.rejected == 0
    feed.take("tuanbien/v1/bien-thu/fusion/replies", b"{}")
    assert feed.rejected == 1
    assert decode_as(encode(deed), CommandReply) == deed
