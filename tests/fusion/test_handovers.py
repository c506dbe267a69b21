"""What maps keeps in the store and asks of it for one incident and one shift, on both databases."""

from collections.abc import Iterator

import pytest

from edge.messages import UtcTime, decode_as, encode, to_builtins

pytest.importorskip("fusion.store")
from fusion.events import (
    AlertIssued,
    AlertSuppressed,
    CommandAnswered,
    IncidentChanged,
    SuppressedAlert,
)
from fusion.handovers import Act, Signature, digest
from fusion.store import Store

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
HOME = "test-sector"


@pytest.fixture
def store(database_url) -> Iterator[Store]:
    opened = Store.open(database_url, migrate=True)
    yield opened
    opened.close()


def signed(number: int, act: Act, *, after_s: float = 0.0, **said: object) -> Signature:
    signature = {
        "handover_id": f"handover-{number}",
        "act": act,
        "sector": HOME,
        "signed_at": NOON.after(after_s),
        "account": "a-1",
        "name": "Hạ sĩ Lan",
        "role": "duty_officer",
    }
    return decode_as(encode(signature | said), Signature)


def happened(number: int, state: str, *, sector: str = HOME) -> list[object]:
    at = NOON.after(number)
    common = {
        "incident_id": f"incident-{number}",
        "sector": sector,
        "kind": "crossing",
        "severity": "high",
        "lat": 1.0,
        "lon": 2.0,
        "track_ids": [f"track-{number}"],
        "headcount": 1,
        "headcount_min": 1,
        "headcount_max": 1,
        "devices": ["cam-01"],
        "place": {},
    }
    alert = {"alert_id": f"alert-{number}", "raised_at": at, "issued_at": at, "reasons": []}
    incident = {"state": state, "opened_at": at, "updated_at": at}
    incident["alert_ids"] = [f"alert-{number}"]
    alert_type, incident_type = AlertIssued.__annotations__, IncidentChanged.__annotations__
    return [
        AlertIssued(decode_as(encode(common | alert | {"probability": 0.9}), alert_type["alert"])),
        IncidentChanged(decode_as(encode(common | incident), incident_type["incident"])),
    ]


def test_of_two_signatures_under_one_hand_over_the_first_stays(store) -> None:
    first = signed(1, Act.GIVE, remarks="sương mù 😀\n\"'", picture={"open": [{"lat": 0.1}]})
    assert store.sign(first) == first
    assert store.sign(signed(1, Act.GIVE, name="Minh", remarks="khác")) == first
    take = store.sign(signed(1, Act.TAKE, before_sha256=digest(first)))
    assert store.signatures_of("handover-1") == [first, take]
    assert digest(store.signatures_of("handover-1")[0]) == take.before_sha256
    assert store.signatures_of("handover-2") == []


def test_signatures_are_listed_newest_first_and_by_sector(store) -> None:
    for number in range(3):
        store.sign(signed(number, Act.GIVE, after_s=10.0 * number))
        store.sign(signed(number, Act.TAKE, after_s=10.0 * number))
    store.sign(signed(9, Act.GIVE, sector="elsewhere", after_s=99.0))
    found = [(one.handover_id[-1], one.act.value) for one in store.signatures(4, sector=HOME)]
    assert found == [("2", "take"), ("2", "give"), ("1", "take"), ("1", "give")]


def test_a_remark_longer_than_a_page_is_none(store) -> None:
    assert store
    with pytest.raises(Exception, match="remarks"):
        signed(1, Act.GIVE, remarks="x" * 4001)


def test_what_waits_for_people_is_counted_and_listed_newest_first(store) -> None:
    states = ["new", "closed", "on_scene", "withdrawn", "no_threat", "handed_over", "resolved"]
    for number, state in enumerate(states):
        store.save(happened(number, state), sector=HOME)
    store.save(happened(50, "new", sector="elsewhere"), sector="elsewhere")
    total, found = store.open_incidents(2, sector=HOME)
    assert (total, [one.state for one in found]) == (3, ["handed_over", "on_scene"])


def test_things_are_found_by_their_names_and_what_was_held_back_by_its_time(store) -> None:
    for number in range(3):
        store.save(happened(number, "new"), sector=HOME)
    alerts = store.alerts_named(["alert-2", "nothing", "alert-0"])
    assert [one.alert_id for one in alerts] == ["alert-0", "alert-2"]
    assert [one.incident_id for one in store.incidents_named(["incident-1"])] == ["incident-1"]
    assert store.incidents_named([]) == store.alerts_named([]) == store.tracks_named([]) == []
    record = to_builtins(alerts[0]) | {"reason": "own_force", "text": "patrol"}
    for number in range(3):
        said = record | {"suppressed_id": f"held-{number}", "raised_at": NOON.after(number)}
        kept = AlertSuppressed(decode_as(encode(said), SuppressedAlert))
        store.save([kept], sector=HOME)

    def names(begin_s: float, end_s: float, limit: int) -> list[str]:
        found = store.held_back(NOON.after(begin_s), NOON.after(end_s), sector=HOME, limit=limit)
        return [one.suppressed_id for one in found]

    assert names(0, 3, 9) == ["held-0", "held-1", "held-2"]
    assert names(0, 2, 9) == ["held-0", "held-1"]  # `until` is not in it
    assert names(0, 3, 2) == ["held-1", "held-2"]  # the latest


def test_steps_are_counted_by_verb_and_refused_ones_are_not(store) -> None:
    verbs = [("note", "applied"), ("note", "applied"), ("close", "stale"), ("assess", "applied")]
    for number, (verb, result) in enumerate(verbs):
        deed = {
            "message_id": f"m-{number}",
            "incident_id": "i",
            "sector": HOME,
            "verb": verb,
            "actor": "Lan",
            "role": "x",
            "at": NOON,
            "received_at": NOON.after(number),
            "result": result,
        }
        reply = decode_as(encode({"deed": deed}), CommandAnswered.__annotations__["reply"])
        store.save([CommandAnswered(reply)], sector=HOME)
    assert store.steps_taken(NOON, NOON.after(9), sector=HOME) == {"note": 2, "assess": 1}
    assert store.steps_taken(NOON.after(1), NOON.after(3), sector=HOME) == {"note": 1}
