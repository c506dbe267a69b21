"""Who has an incident open: true whatever the order of beats, and forgotten in time."""

from hypothesis import given
from hypothesis import strategies as st

from maps.presence import FORGOTTEN_S, MOST_OF_ACCOUNT, MOST_SEATS, Presence, Seat

ACTS = st.lists(
    st.tuples(
        st.sampled_from(["beat", "leave", "forget"]),
        st.sampled_from(["lan", "minh"]),
        st.sampled_from(["w1", "w2"]),
        st.sampled_from(["incident-1", "incident-2"]),
        st.booleans(),
        st.floats(0.0, 20.0),
    ),
    max_size=40,
)


def seen(presence: Presence) -> dict[str, list[tuple[str, bool]]]:
    return {
        name: [(one["name"], one["typing"]) for one in presence.people(name)]
        for name in ("incident-1", "incident-2")
    }


@given(ACTS)
def test_whoever_spoke_last_within_the_time_is_there_and_every_change_is_told(acts) -> None:
    presence, now_s = Presence(), 0.0
    last: dict[Seat, tuple[str, str, bool, float]] = {}
    for act, account, window, incident_id, is_typing, later_s in acts:
        now_s += later_s
        before, seat = seen(presence), Seat(account, window)
        if act == "beat":
            told = presence.beat(seat, incident_id, account, is_typing=is_typing, now_s=now_s)
            last[seat] = (incident_id, account, is_typing, now_s)
        elif act == "leave":
            told = presence.leave(seat)
            last.pop(seat, None)
        else:
            told = presence.forget(now_s)
        if act != "leave":
            last = {key: one for key, one in last.items() if now_s - one[3] < FORGOTTEN_S}
        after = seen(presence)
        assert {name for name in after if after[name] != before[name]} <= told
        for name, people in after.items():
            assert sorted(people) == sorted(one[1:3] for one in last.values() if one[0] == name)


def test_a_beat_that_says_nothing_new_is_told_to_nobody() -> None:
    presence, seat = Presence(), Seat("lan", "w1")
    assert presence.beat(seat, "i", "Lan", is_typing=False, now_s=0.0) == {"i"}
    assert presence.beat(seat, "i", "Lan", is_typing=False, now_s=10.0) == set()
    assert presence.beat(seat, "i", "Lan", is_typing=True, now_s=11.0) == {"i"}
    assert presence.beat(seat, "j", "Lan", is_typing=True, now_s=12.0) == {"i", "j"}
    assert presence.forget(12.0 + FORGOTTEN_S - 0.1) == set()
    assert presence.forget(12.0 + FORGOTTEN_S) == {"j"}
    assert presence.people("j") == []


def test_a_closed_window_leaves_the_other_one_there() -> None:
    presence = Presence()
    for window in ("w1", "w2"):
        presence.beat(Seat("lan", window), "i", "Lan", is_typing=False, now_s=0.0)
    assert presence.leave(Seat("lan", "w1")) == {"i"}
    assert [one["window"] for one in presence.people("i")] == ["w2"]
    assert presence.leave(Seat("minh", "w2")) == set()  # nobody closes another's window


def test_memory_is_bounded_and_the_longest_silent_go_first() -> None:
    presence = Presence()
    for number in range(MOST_SEATS + 5):
        presence.beat(
            Seat(f"a{number}", f"w{number}"), "i", "A", is_typing=False, now_s=number / 1000
        )
    windows = {one["window"] for one in presence.people("i")}
    assert windows == {f"w{number}" for number in range(5, MOST_SEATS + 5)}


def test_one_account_with_many_windows_pushes_out_nobody_else() -> None:
    """A thousand windows of one partner's script made everybody else disappear."""
    presence = Presence()
    presence.beat(Seat("lan", "w"), "i", "Lan", is_typing=False, now_s=0.0)
    for number in range(MOST_SEATS + 1):
        seat = Seat("minh", f"w{number}")
        presence.beat(seat, "i", "Minh", is_typing=False, now_s=1.0)
    names = [one["name"] for one in presence.people("i")]
    assert names == ["Lan"] + MOST_OF_ACCOUNT * ["Minh"]
