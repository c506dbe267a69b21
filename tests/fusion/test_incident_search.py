"""The incident log finds what a naive look at every incident would find, and never looks at all."""

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("fusion.store")
import sqlalchemy as sa
from alembic import command

from edge.messages import (
    Alert,
    AlertKind,
    CommandReply,
    Deed,
    Incident,
    Outcome,
    Overdue,
    Place,
    Reason,
    RefusedError,
    Result,
    Severity,
    UtcTime,
    Verb,
)
from fusion import store as store_module
from fusion.events import AlertIssued, CommandAnswered, IncidentChanged
from fusion.incident_search import Cursor, IncidentPage, Search
from fusion.incident_words import (
    MOST_ASKED_CHARS,
    MOST_CHARS,
    MOST_WORDS,
    Facet,
    facets_of,
    folded,
)
from fusion.store import Store
from fusion.tables import INCIDENT, INCIDENT_LOG

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
HOME, OTHER = "ha-giang", "lao-cai"
HOSTILE = [
    "'; DROP TABLE incident; --",
    '"" OR 1=1',
    "a AND NOT b* ^c",
    "khe & !lanh | (x <-> y):*A",
    "%_%x\\",
    "NEAR(a b, 5)",
    "words : x",
    "-x +y",
    "x\0y",
    "𝔊ạ ກຂ 边境 x",
    "\ud800x",
    "state=new x",
]


@pytest.fixture
def store(database_url) -> Iterator[Store]:
    opened = Store.open(database_url, migrate=True)
    yield opened
    opened.close()


def incident(number: int, *, opened_s: float | None = None, **changed: object) -> Incident:
    at = NOON.after(number if opened_s is None else opened_s)
    common = {
        "incident_id": f"inc-{number:08d}ab",
        "sector": HOME,
        "unit": "don-bp-lung-cu",
        "kind": AlertKind.CROSSING,
        "state": "new",
        "severity": Severity.HIGH,
        "opened_at": at,
        "updated_at": at,
        "headcount": 1,
        "headcount_min": 1,
        "headcount_max": 1,
        "lat": 1.2,
        "lon": -12.3,
        "place": Place(
            trail_id="trail-1",
            trail_name="Khe Lạnh",
            marker="234",
            text="mốc 234 + 320 m về phía Tây Bắc, đường mòn «Khe Lạnh»",
        ),
        "alert_ids": (f"alert-{number}",),
        "track_ids": ("t1",),
        "devices": ("cam-01",),
    }
    return Incident(**common | changed)


def alert_of(one: Incident, text: str = "đã vượt sang phía kia") -> Alert:
    return Alert(
        alert_id=one.alert_ids[0],
        raised_at=one.opened_at,
        issued_at=one.opened_at,
        probability=0.97,
        reasons=(Reason(code="crossed_line", text=text, value=0.97),),
        **{
            name: getattr(one, name)
            for name in Alert.__struct_fields__
            if name in Incident.__struct_fields__
        },
    )


def note_of(one: Incident, reason: str, *, number: int = 1, **changed: object) -> CommandAnswered:
    deed = Deed(
        message_id=f"note-{one.incident_id}-{number}",
        incident_id=one.incident_id,
        sector=one.sector,
        verb=Verb.NOTE,
        actor="Hạ sĩ Lan",
        role="duty_officer",
        at=one.opened_at,
        received_at=one.opened_at,
        reason=reason,
        result=Result.APPLIED,
        state=one.state,
        version=number,
    )
    return CommandAnswered(CommandReply(deed=msgspec.structs.replace(deed, **changed)))


def keep(store: Store, *incidents: Incident) -> None:
    store.save([IncidentChanged(one) for one in incidents], sector=HOME)


def found(store: Store, text: str = "", sector: str = HOME, **facets: object) -> list[str]:
    """Return the ids that a search finds."""
    wanted = {
        Facet(name): value if isinstance(value, list) else [value]
        for name, value in facets.items()
    }
    page = store.find_incidents(Search(sector, facets=wanted, text=text), limit=50)
    return [one.incident_id for one in page.incidents]


def walked(store: Store, search: Search, *, limit: int) -> list[Incident]:
    """Return all that a search finds, page by page down to the last."""
    page, seen = store.find_incidents(search, limit=limit), []
    while True:
        seen += page.incidents
        if page.older is None:
            return seen
        page = store.find_incidents(search, limit=limit, cursor=page.older)
        assert page.incidents


# -- full text -------------------------------------------------------------------------------


def test_text_is_found_without_diacritics_and_with_them(store) -> None:
    one, other = incident(1), incident(2, place=Place(text="đèo Gió"))
    keep(store, one, other)
    for text in ("khe lanh", "Khe Lạnh", "KHE  LẠNH", "lạnh, khe!", "tay bac"):
        assert found(store, text) == [one.incident_id]
    assert found(store, "deo") == found(store, "Đèo gio") == [other.incident_id]
    assert found(store, "khe gio") == []


def test_every_text_about_an_incident_finds_it(store) -> None:
    one = incident(1, devices=("cam-77",), unit=None)
    store.save(
        [
            IncidentChanged(one),
            AlertIssued(alert_of(one, "the plate was read as 29A12345")),
            note_of(one, "dân bản đi nương, xe 30F-678.90", actor="Đại úy Nguyễn Văn Đức"),
        ],
        sector=HOME,
    )
    for text in (
        *(one.incident_id, "inc-00000001ab", "00000001"),
        *("cam-77", "mốc 234", "trail-1", "29a12345", "dan ban nuong", "nguyen van duc"),
        *("30F-678.90", "30f67890", "alert-1"),
    ):
        assert found(store, text) == [one.incident_id], text
    assert found(store, "cam-78") == found(store, "31F-678.90") == []


def test_what_was_refused_is_not_looked_for(store) -> None:
    one = incident(1)
    refused = note_of(one, "phao hoa", result=Result.STALE)
    store.save([IncidentChanged(one), refused], sector=HOME)
    assert found(store, "phao hoa") == []


def test_a_note_that_comes_later_finds_it_and_what_no_longer_holds_does_not(store) -> None:
    one = incident(1)
    keep(store, one)
    assert found(store, "bo lac") == []
    store.save([note_of(one, "trâu bò đi lạc")], sector=HOME)
    assert found(store, "bo lac") == [one.incident_id]
    keep(store, incident(1, state="closed", place=Place(text="suối Đá")))
    assert found(store, "khe lanh") == found(store, state="new") == []
    assert found(store, "suoi da", state="closed") == [one.incident_id]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_finds_or_is_refused_in_words(store, text) -> None:
    one = incident(1)
    store.save(
        [IncidentChanged(one), note_of(one, text.replace("\0", "").replace("\ud800", ""))],
        sector=HOME,
    )
    assert found(store, text) in ([one.incident_id], [])
    assert found(store, "khe lanh") == [one.incident_id]


@pytest.mark.parametrize(
    "text", ["%", "'\"", "   ", "\0", "x" * (MOST_ASKED_CHARS + 1), "x " * 5000]
)
def test_text_without_a_word_or_without_an_end_is_refused(store, text) -> None:
    with pytest.raises(RefusedError, match=r"^text .* (no letter or digit|characters long)"):
        found(store, text)


def test_a_text_cannot_pose_as_a_filter(store) -> None:
    keep(store, incident(1))
    word = next(word for word in _words(store) if word.startswith("state="))
    assert found(store, word) == []


def test_a_flood_of_notes_finds_by_its_beginning_and_harms_nothing(store) -> None:
    one = incident(1)
    flood = [note_of(one, " ".join(f"w{k}x{j}" for j in range(110)), number=k) for k in range(40)]
    store.save([IncidentChanged(one), *flood], sector=HOME)
    assert len(_words(store)) == MOST_WORDS
    assert found(store, "khe lanh w0x0") == [one.incident_id]


def test_a_flood_of_long_words_in_foreign_letters_stops_nothing(store) -> None:
    """PostgreSQL takes a million letters a row: a save was refused, and tried again for ever."""
    one = incident(1)

    def word(*letters: int) -> str:
        return "".join(chr(0x4E00 + letter) for letter in letters) * 32

    flood = [
        note_of(one, " ".join(word(k, j) for j in range(15)), number=k + 1) for k in range(300)
    ]
    store.save([IncidentChanged(one), *flood], sector=HOME)
    assert sum(map(len, _words(store))) <= MOST_CHARS
    assert found(store, f"khe lanh {word(0, 7)}") == [one.incident_id]


def _words(store: Store) -> list[str]:
    with store._engine.connect() as connection:
        return [
            word.strip("'")
            for words in connection.execute(sa.text("SELECT words FROM incident_log")).scalars()
            for word in words.split()
        ]


# -- against a naive look at every incident --------------------------------------------------

_trails = st.sampled_from([None, "trail-1", "Đường mòn 2", "trail=1"])
_units = st.sampled_from([None, "don-bp-lung-cu", "cong-an-xa"])
_drawn = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(list(AlertKind)[:3]),
        "severity": st.sampled_from(Severity),
        "state": st.sampled_from(["new", "closed", "dispatched"]),
        "place": st.builds(Place, trail_id=_trails, text=st.sampled_from(["Khe Lạnh", "đèo Gió"])),
        "unit": _units,
        "assigned_to": st.sampled_from([msgspec.UNSET, "cong-an-xa"]),
        "outcome": st.sampled_from([msgspec.UNSET, Outcome.BAT_GIU, Outcome.DONG_VAT]),
        "overdue": st.sampled_from([msgspec.UNSET, Overdue(step="arrive", since=NOON)]),
        "simulated": st.booleans(),
        "sector": st.sampled_from([HOME, HOME, OTHER]),
    }
)
_values = {
    Facet.KIND: ["approach", "crossing", "zone"],
    Facet.SEVERITY: ["low", "high", "none such"],
    Facet.STATE: ["new", "closed"],
    Facet.TRAIL: ["trail-1", "Đường mòn 2"],
    Facet.UNIT: ["don-bp-lung-cu", "cong-an-xa"],
    Facet.ASSIGNED_TO: ["cong-an-xa", "don-bp-lung-cu"],
    Facet.OUTCOME: ["bat_giu", "dong_vat"],
    Facet.OVERDUE: ["yes", "no"],
    Facet.SIMULATED: ["yes", "no"],
}
_facets = st.fixed_dictionaries(
    {},
    optional={
        facet: st.lists(st.sampled_from(some), max_size=2) for facet, some in _values.items()
    },
)
_times = st.none() | st.integers(-1, 13).map(lambda number: NOON.after(number * 3.0))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    drawn=st.lists(_drawn, max_size=12),
    facets=_facets,
    since=_times,
    until=_times,
    text=st.sampled_from(["", "khe lanh", "gió", "inc", "không có"]),
    limit=st.integers(1, 5),
)
def test_pages_give_what_a_naive_look_gives_in_the_same_order(
    store, drawn, facets, since, until, text, limit
) -> None:
    """Every third is opened in the same millisecond as the one before."""
    incidents = [
        incident(number, opened_s=3.0 * (number - (number % 3 == 2)), **one)
        for number, one in enumerate(drawn)
    ]
    with store._engine.begin() as connection:
        for table in (INCIDENT_LOG, INCIDENT):
            connection.execute(sa.delete(table))
    keep(store, *incidents)
    search = Search(HOME, since=since, until=until, facets=facets, text=text)
    expected = [one for one in incidents if _fits(one, search)]
    pages = walked(store, search, limit=limit)
    assert sorted(pages, key=lambda one: one.incident_id) == expected
    times = [one.opened_at for one in pages]
    assert times == sorted(times, reverse=True)


def _fits(one: Incident, search: Search) -> bool:
    own = facets_of(one)
    words = folded(f"{one.incident_id} {one.place.text}").replace("-", " ").split()
    return (
        one.sector == search.sector
        and (search.since is None or one.opened_at >= search.since)
        and (search.until is None or one.opened_at < search.until)
        and all(set(values) & set(own[facet]) for facet, values in search.facets.items())
        and all(word in words for word in folded(search.text).split())
    )


# -- paging ----------------------------------------------------------------------------------


def test_pages_lead_there_and_back_and_new_ones_move_nothing(store) -> None:
    keep(store, *(incident(number) for number in range(10)))
    search = Search(HOME)
    first = store.find_incidents(search, limit=4)
    second = store.find_incidents(search, limit=4, cursor=first.older)
    keep(store, incident(10), incident(11))
    assert store.find_incidents(search, limit=4, cursor=first.older) == second
    assert store.find_incidents(search, limit=4, cursor=second.newer).incidents == first.incidents
    new = store.find_incidents(search, limit=4, cursor=first.newer)
    assert [one.incident_id for one in new.incidents] == ["inc-00000011ab", "inc-00000010ab"]
    assert store.find_incidents(search, limit=4, cursor=new.newer).incidents == []
    last = store.find_incidents(search, limit=4, cursor=second.older)
    assert (len(last.incidents), last.older) == (2, None)


def test_who_was_opened_at_another_time_than_we_thought_moves(store) -> None:
    keep(store, incident(1), incident(2))
    keep(store, incident(1, opened_s=9.0))
    assert found(store) == ["inc-00000001ab", "inc-00000002ab"]


def test_more_than_a_millisecond_holds_go_on_in_the_next(store) -> None:
    keep(store, *(incident(number, opened_s=0.0) for number in range(1030)))
    keep(store, incident(2000, opened_s=0.001))
    ids = [one.incident_id for one in walked(store, Search(HOME), limit=100)]
    assert len(ids) == len(set(ids)) == 1031


def test_a_cursor_is_read_as_it_was_written() -> None:
    for cursor in (Cursor(-5, newer=True), Cursor(2**53, newer=False)):
        assert Cursor.parse(str(cursor)) == cursor
    for text in ("", "before:", "after:1;", "before:1e9", "before:" + "9" * 40):
        with pytest.raises(RefusedError, match="cursor"):
            Cursor.parse(text)


# -- the whole log is never looked at --------------------------------------------------------


@pytest.fixture
def big(store) -> Store:
    """Some thousand incidents: more than are looked at one by one."""
    keep(
        store,
        *(
            incident(
                number,
                state="closed" if number % 10 else "new",
                simulated=number < 100,
                place=Place(trail_id=f"trail-{number % 500}", text="mốc 234"),
            )
            for number in range(2500)
        ),
    )
    return store


def test_no_search_scans_a_table(big) -> None:
    searches = [
        ({"simulated": "yes"}, "", 50),
        ({"trail": "trail-7"}, "", 5),
        ({"trail": "trail-7", "state": "new"}, "", 0),
        ({"state": "closed", "simulated": "no"}, "", 50),
        ({"kind": "crossing"}, "khong co", 0),
        ({"simulated": "yes"}, "moc", 50),
        ({}, "moc 234", 50),
        ({}, "inc-00000042ab", 1),
    ]
    plans = []

    def note(connection, _cursor, statement, values, _context, _many) -> None:
        if statement.startswith(("SELECT", "WITH")):
            explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
            cursor = connection.connection.cursor()
            plans.extend(
                row[-1] for row in cursor.execute(f"{explain} {statement}", values).fetchall()
            )

    sa.event.listen(big._engine, "before_cursor_execute", note)
    for facets, text, count in searches:
        assert len(found(big, text, **facets)) == count
    sa.event.remove(big._engine, "before_cursor_execute", note)
    assert len(plans) >= len(searches)
    for line in plans:
        assert "Seq Scan" not in line
        # SQLite calls it a scan to walk down an index of words.
        assert "SCAN" not in line or "VIRTUAL TABLE INDEX" in line, line


# -- a store of before -----------------------------------------------------------------------


def test_a_store_of_before_is_brought_up_to_date_with_all_that_is_in_it(
    database_url, store
) -> None:
    incidents = [incident(number) for number in range(600)]
    keep(store, *incidents)
    store.save(
        [AlertIssued(alert_of(incidents[7])), note_of(incidents[7], "trâu bò")], sector=HOME
    )
    before = walked(store, Search(HOME), limit=500)
    config = store_module._alembic()
    with store._engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0004")
    again = Store.open(database_url, migrate=True)
    assert walked(again, Search(HOME), limit=500) == before
    assert found(again, "trau bo vuot") == [incidents[7].incident_id]
    keep(again, incident(7, state="closed"))
    assert found(again, "trau bo", state="closed") == [incidents[7].incident_id]
    again.close()


def test_a_page_of_an_empty_log_is_empty(store) -> None:
    assert store.find_incidents(Search(HOME), limit=5) == IncidentPage([], None, None)
