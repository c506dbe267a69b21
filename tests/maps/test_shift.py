"""A shift is handed over by one and taken by another; what they signed is never changed."""

import asyncio
from collections.abc import Callable, Iterator

import httpx
import pytest

from edge.messages import UtcTime
from fusion.events import AlertIssued, IncidentChanged
from fusion.handovers import Act, digest
from fusion.store import Store
from maps import assets
from maps.app import create_app
from maps.people.door import person_of
from maps.people.roles import AT_THE_MACHINE, Person, Role

LAN = Person("a-1", "Hạ sĩ Lan", Role.DUTY_OFFICER)
MINH = Person("a-2", "Thượng sĩ Minh", Role.DUTY_OFFICER)
FIRST, SECOND = "handover-1", "handover-2"


class Clock:
    """The server's clock, moved by the test."""

    def __init__(self, now: UtcTime) -> None:
        self.now = now

    def __call__(self) -> UtcTime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now = self.now.after(seconds)


@pytest.fixture
def clock(noon, feed) -> Clock:
    feed.clock = Clock(noon)
    return feed.clock


@pytest.fixture
def store(feed, tmp_path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'tuanbien.db'}", migrate=True)
    feed._open_store = lambda: opened
    yield opened
    opened.close()


@pytest.fixture
def ask(sector, feed, store, clock) -> Callable[..., httpx.Response]:
    assets.bring()
    assert store
    assert clock
    app = create_app(sector=sector, feed=feed)

    def once(person: Person, path: str = "", said: object = None) -> httpx.Response:
        app.dependency_overrides[person_of] = lambda: person

        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost"
            ) as client:
                url = f"/api/v1/shift{path}"
                return await (client.get(url) if said is None else client.post(url, json=said))

        return asyncio.run(request())

    return once


@pytest.fixture
def keep(store, say) -> Callable[..., None]:
    def once(alert_id: str, **of_incident: object) -> None:
        alert = say.alert(alert_id)
        incident = say.incident(alert, **of_incident)
        store.save([AlertIssued(alert), IncidentChanged(incident)], sector="bien-thu")

    return once


def test_the_picture_holds_what_is_open_what_is_late_and_what_fails(
    ask, keep, feed, say, noon
) -> None:
    keep("alert-1", state="acknowledged", acted_by="Lan", acted_at=noon, version=1)
    keep("alert-2", overdue={"step": "acknowledge", "since": noon}, severity="critical")
    keep("alert-3", state="closed")
    keep("alert-4", state="withdrawn")
    keep("alert-5", opened_at=noon.after(-90_000))  # yesterday, and still open
    feed.take(*say.status("cam-01", scene="covered"))
    feed.take(*say.status("cam-02"))
    picture = ask(LAN).json()["picture"]
    assert (picture["open_total"], picture["overdue_total"]) == (3, 1)
    assert picture["opened"] == {
        "all": 0,  # `until` is now, and they opened at noon sharp
        "kind": {},
        "severity": {},
    }
    names = [one["incident_id"][-7:] for one in picture["open"]]
    assert sorted(names) == ["alert-1", "alert-2", "alert-5"]
    (device,) = picture["devices"]
    assert (device["device_id"], device["health"]) == ("cam-01", "degraded")


def test_a_shift_begins_where_the_last_one_that_was_taken_was_given(ask, keep, clock) -> None:
    keep("alert-1", state="closed")
    clock.pass_s(60)
    assert ask(LAN).json()["picture"]["opened"]["all"] == 1
    given_at = clock().rfc3339()
    assert ask(LAN, f"/{FIRST}/give", {"remarks": " sương mù "}).is_success
    clock.pass_s(300)
    assert ask(MINH).json()["picture"]["since"] != given_at  # it is not taken yet
    assert ask(MINH).json()["waiting"]["remarks"] == "sương mù"
    assert ask(MINH, f"/{FIRST}/take", {}).is_success
    found = ask(MINH).json()
    assert (found["picture"]["since"], found["picture"]["opened"]["all"]) == (given_at, 0)
    assert found["waiting"] is None
    ((pair),) = found["earlier"]
    assert (pair["give"]["name"], pair["take"]["name"]) == ("Hạ sĩ Lan", "Thượng sĩ Minh")


def test_who_gives_a_shift_does_not_take_it(ask) -> None:
    ask(LAN, f"/{FIRST}/give", {})
    answer = ask(LAN, f"/{FIRST}/take", {})
    assert (answer.status_code, "another officer takes it" in answer.text) == (409, True)
    assert ask(LAN).json()["waiting"]["handover_id"] == FIRST


def test_what_is_signed_again_is_signed_once_and_nobody_signs_over_another(
    ask, keep, clock, store
) -> None:
    first = ask(LAN, f"/{FIRST}/give", {"remarks": "một"}).json()
    keep("alert-1")
    clock.pass_s(5)
    assert ask(LAN, f"/{FIRST}/give", {"remarks": "hai"}).json() == first
    assert ask(MINH, f"/{FIRST}/give", {}).status_code == 409
    taken = ask(MINH, f"/{FIRST}/take", {"remarks": "rõ"}).json()
    clock.pass_s(5)
    assert ask(MINH, f"/{FIRST}/take", {"remarks": "khác"}).json() == taken
    third = Person("a-3", "Hùng", Role.COMMANDER)
    answer = ask(third, f"/{FIRST}/take", {})
    assert (answer.status_code, "was taken by Thượng sĩ Minh" in answer.text) == (409, True)
    assert [one.act for one in store.signatures_of(FIRST)] == [Act.GIVE, Act.TAKE]


def test_a_hand_over_that_another_has_followed_is_not_taken(ask, clock) -> None:
    ask(LAN, f"/{FIRST}/give", {})
    clock.pass_s(5)
    ask(LAN, f"/{SECOND}/give", {"remarks": "bổ sung"})
    assert ask(MINH, f"/{FIRST}/take", {}).status_code == 409
    assert ask(MINH, f"/{SECOND}/take", {}).is_success


def test_each_signature_is_over_the_digest_of_the_one_before(ask, clock, store, keep) -> None:
    keep("alert-1", overdue={"step": "acknowledge", "since": clock()})
    before = ""
    for handover_id, gives, takes in ((FIRST, LAN, MINH), (SECOND, MINH, LAN)):
        ask(gives, f"/{handover_id}/give", {"remarks": "ổn"})
        clock.pass_s(1)
        ask(takes, f"/{handover_id}/take", {})
        clock.pass_s(1)
        give, take = store.signatures_of(handover_id)
        assert (give.before_sha256, take.before_sha256) == (before, digest(give))
        told = ask(LAN, f"/{handover_id}").json()
        assert told["sha256"] == {"give": digest(give), "take": digest(take)}
        before = digest(take)


@pytest.mark.parametrize("role", Role)
def test_only_who_is_on_shift_sees_or_signs(ask, role) -> None:
    person = Person("a-9", "X", role)
    allowed = role in {Role.GUARD, Role.DUTY_OFFICER, Role.COMMANDER}
    assert (ask(person).status_code == 200) is allowed
    assert (ask(person, f"/{FIRST}/give", {}).status_code == 200) is allowed
    assert ask(person, f"/{SECOND}").status_code == (404 if allowed else 403)


def test_without_a_log_in_they_say_who_they_are(ask) -> None:
    assert ask(AT_THE_MACHINE, f"/{FIRST}/give", {}).status_code == 422
    told = ask(AT_THE_MACHINE, f"/{FIRST}/give", {"name": " Lan "}).json()
    assert told["give"]["name"] == "Lan"
    assert ask(AT_THE_MACHINE, f"/{FIRST}/take", {"name": "Minh"}).is_success
    assert ask(LAN, f"/{SECOND}/give", {"name": "Minh"}).status_code == 422


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/handover-1/give", {"remarks": "x" * 4001}),
        ("/handover-1/give", {"x": 1}),
        ("/short/give", {}),
        ("/with a space/give", {}),
    ],
)
def test_what_cannot_be_signed_is_refused(ask, store, path, said) -> None:
    assert ask(LAN, path, said).status_code == 422
    assert store.signatures(9, sector="bien-thu") == []


def test_another_sectors_hand_over_is_not_found(ask, store, sector, feed) -> None:
    ask(LAN, f"/{FIRST}/give", {})
    feed.picture.sector_id = "elsewhere"
    assert sector
    assert ask(LAN, f"/{FIRST}").status_code == 404
    assert ask(MINH, f"/{FIRST}/take", {}).status_code == 404
    assert ask(MINH, f"/{FIRST}/give", {}).status_code == 409
    assert len(store.signatures_of(FIRST)) == 1
