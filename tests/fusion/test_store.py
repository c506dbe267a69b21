"""The store keeps every event once, in SQLite and in PostgreSQL alike."""

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import msgspec
import pytest

from edge.messages import (
    Alert,
    AlertKind,
    Incident,
    Place,
    Reason,
    RefusedError,
    Severity,
    TrackState,
    TrackUpdate,
    UtcTime,
)

pytest.importorskip("fusion.store")
from typing import Never

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

from fusion.events import (
    AlertIssued,
    AlertSuppressed,
    HeldBecause,
    IncidentChanged,
    SuppressedAlert,
    SuppressionLifted,
    TracksRevised,
    TracksUpdated,
)
from fusion.incident_index import is_of_the_models
from fusion.journal import Position
from fusion.saving import KEPT_REASONS, KEPT_REJECTIONS, Rejection
from fusion.store import Store, StoreUnavailableError, connect
from fusion.tables import SUPPRESSED, TRACK, UtcInstant

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
HOME = "test-sector"


@pytest.fixture
def store(database_url) -> Iterator[Store]:
    opened = Store.open(database_url, migrate=True)
    yield opened
    opened.close()


def alert(number, *, sector=HOME) -> Alert:
    return Alert(
        alert_id=f"alert-{number}",
        incident_id=f"incident-{number}",
        sector=sector,
        kind=AlertKind.CROSSING,
        severity=Severity.HIGH,
        raised_at=NOON.after(number),
        issued_at=NOON.after(number + 1),
        lat=1.2,
        lon=-12.3,
        probability=0.97,
        headcount=1,
        headcount_min=1,
        headcount_max=2,
        track_ids=("t1",),
        devices=("cam-01",),
        place=Place(trail_id="Đường mòn 2"),
        reasons=(Reason(code="crossed_line", text="đã vượt", value=0.97),),
    )


def incident(number, *, headcount=1, sector=HOME) -> Incident:
    return Incident(
        incident_id=f"incident-{number}",
        sector=sector,
        kind=AlertKind.CROSSING,
        state="new",
        severity=Severity.HIGH,
        opened_at=NOON.after(number),
        updated_at=NOON.after(number),
        headcount=headcount,
        headcount_min=1,
        headcount_max=headcount,
        lat=1.2,
        lon=-12.3,
        place=Place(),
        alert_ids=(f"alert-{number}",),
        track_ids=("t1",),
        devices=("cam-01",),
    )


def line(track_id, seconds, *, lat=1.2) -> TrackUpdate:
    return TrackUpdate(
        track_id=track_id,
        t=NOON.after(seconds),
        lat=lat,
        lon=-12.3,
        cov_m2=(1.0, 0.0, 1.0),
        velocity_mps=(0.0, 1.0),
        label="person",
        state=TrackState.CONFIRMED,
        devices=("cam-01",),
    )


def held_back(number, text) -> AlertSuppressed:
    shared = {
        name: getattr(alert(number), name)
        for name in SuppressedAlert.__struct_fields__
        if hasattr(alert(number), name)
    }
    return AlertSuppressed(
        SuppressedAlert(
            **shared, suppressed_id=f"held-{number}", reason=HeldBecause.OWN_FORCE, text=text
        )
    )


def rows(store, table) -> list[sa.Row]:
    with store._engine.connect() as connection:
        return list(connection.execute(sa.select(table)))


# -- alerts and incidents --------------------------------------------------------------------


def test_alerts_come_back_as_they_were_newest_first(store) -> None:
    store.save([AlertIssued(alert(1)), AlertIssued(alert(3)), AlertIssued(alert(2))], sector=HOME)
    assert store.alerts(2) == [alert(3), alert(2)]
    assert store.alerts(9) == [alert(3), alert(2), alert(1)]


def test_an_alert_is_new_only_once_however_often_it_is_saved(store) -> None:
    assert store.save([AlertIssued(alert(1))], sector=HOME) == [alert(1)]
    again = msgspec.structs.replace(alert(1), issued_at=NOON.after(99))
    events = [AlertIssued(again), AlertIssued(alert(2)), AlertIssued(alert(2))]
    assert store.save(events, sector=HOME) == [alert(2)]
    assert store.alerts(9) == [alert(2), alert(1)]


def test_an_alert_waits_to_be_published_until_the_broker_has_taken_it(store) -> None:
    store.save([AlertIssued(alert(2)), AlertIssued(alert(1))], sector=HOME)
    assert store.unpublished_alerts(HOME) == [alert(1), alert(2)]
    store.mark_published(["alert-1"])
    assert store.unpublished_alerts(HOME) == [alert(2)]
    store.save([AlertIssued(alert(1))], sector=HOME)
    assert store.unpublished_alerts(HOME) == [alert(2)]


def test_alerts_that_wait_are_not_looked_for_among_all_that_ever_were(store) -> None:
    """Fusion asks every five seconds; in a store of a million it stood still for a second."""
    many = [
        msgspec.structs.replace(alert(1), alert_id=f"alert-{number}") for number in range(3000)
    ]
    store.save([AlertIssued(one) for one in many], sector=HOME)
    store.mark_published([one.alert_id for one in many[:-1]])
    plans = []

    def note(connection, _cursor, statement, values, _context, _many) -> None:
        explain = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
        cursor = connection.connection.cursor()
        plans.extend(str(row) for row in cursor.execute(f"{explain} {statement}", values))

    with store._engine.connect() as connection:
        connection.execute(sa.text("ANALYZE"))
        connection.commit()
    sa.event.listen(store._engine, "before_cursor_execute", note)
    assert store.unpublished_alerts(HOME) == many[-1:]
    assert "ix_alert_unpublished" in "".join(plans)


def test_incidents_are_asked_for_by_what_changed_since(store) -> None:
    store.save([IncidentChanged(incident(1)), IncidentChanged(incident(2))], sector=HOME)
    revision, changed = store.incidents_changed_since(0, limit=100)
    assert changed == [incident(1), incident(2)]
    assert store.incidents_changed_since(revision, limit=100) == (revision, [])
    store.save([IncidentChanged(incident(1, headcount=3))], sector=HOME)
    later, changed = store.incidents_changed_since(revision, limit=100)
    assert (later > revision, changed) == (True, [incident(1, headcount=3)])
    assert store.incidents(9) == [incident(2), incident(1, headcount=3)]


def test_of_more_changes_than_asked_for_the_latest_come(store) -> None:
    """A map that starts on a store of a million incidents asks for those that it can show."""
    store.save([IncidentChanged(incident(number)) for number in range(1, 6)], sector=HOME)
    last, changed = store.incidents_changed_since(0, limit=2)
    assert changed == [incident(4), incident(5)]
    assert store.incidents_changed_since(last, limit=2) == (last, [])


def test_an_incident_saved_again_without_a_change_is_no_change(store) -> None:
    store.save([IncidentChanged(incident(1))], sector=HOME)
    revision, _ = store.incidents_changed_since(0, limit=100)
    store.save([IncidentChanged(incident(1))], sector=HOME)
    assert store.incidents_changed_since(revision, limit=100) == (revision, [])


def test_of_several_changes_in_one_transaction_the_last_counts(store) -> None:
    events = [IncidentChanged(incident(1, headcount=count)) for count in (1, 5, 3)]
    store.save(events, sector=HOME)
    assert store.incidents_changed_since(0, limit=100)[1] == [incident(1, headcount=3)]


def test_two_sectors_in_one_database_do_not_see_one_another(store) -> None:
    for sector, number in ((HOME, 1), ("elsewhere", 2)):
        events = [
            AlertIssued(alert(number, sector=sector)),
            IncidentChanged(incident(number, sector=sector)),
            TracksUpdated((line(f"t-{sector}", number),)),
        ]
        store.save(events, sector=sector, position=Position(f"of-{sector}", number))
    assert [a.alert_id for a in store.alerts(9, sector=HOME)] == ["alert-1"]
    assert [i.incident_id for i in store.incidents(9, sector="elsewhere")] == ["incident-2"]
    assert [
        i.sector for i in store.incidents_changed_since(0, sector="elsewhere", limit=100)[1]
    ] == ["elsewhere"]
    assert [t.track_id for t in store.tracks(NOON, sector=HOME)] == [f"t-{HOME}"]
    store.save([TracksRevised({f"t-{HOME}": NOON, "t-elsewhere": NOON})], sector=HOME)
    assert [t.track_id for t in store.tracks(NOON)] == ["t-elsewhere"]
    assert store.position(HOME) == Position(f"of-{HOME}", 1)
    assert store.position("nowhere") is None


def test_writers_at_once_never_hide_a_change_from_a_reader(database_url, store) -> None:
    """A reader that saw revision n never misses a smaller one that was committed later."""
    others = [Store.open(database_url) for _ in range(3)]

    def write(writer, other) -> None:
        for number in range(20):
            other.save([IncidentChanged(incident(100 * writer + number))], sector=f"s{writer}")

    threads = [threading.Thread(target=write, args=pair) for pair in enumerate(others)]
    for thread in threads:
        thread.start()
    revision, seen = 0, []
    while any(thread.is_alive() for thread in threads):
        revision, changed = store.incidents_changed_since(revision, limit=100)
        seen += changed
    seen += store.incidents_changed_since(revision, limit=100)[1]
    assert len(seen) == len({one.incident_id for one in seen}) == 60
    for other in others:
        other.close()


# -- tracks, what was held back, what was refused ----------------------------------------------


def test_the_latest_line_of_a_track_is_kept_in_whatever_order_they_come(store) -> None:
    store.save([TracksUpdated((line("a", 1), line("b", 2), line("a", 3)))], sector=HOME)
    store.save([TracksUpdated((line("a", 2), line("b", 5)))], sector=HOME)
    assert store.tracks(NOON) == [line("a", 3), line("b", 5)]
    assert store.tracks(NOON.after(4)) == [line("b", 5)]


def test_a_revision_voids_the_lines_from_then_on_and_nothing_else(store) -> None:
    store.save([TracksUpdated((line("a", 1), line("b", 5), line("c", 6)))], sector=HOME)
    events = [
        TracksUpdated((line("d", 7),)),
        TracksRevised({name: NOON.after(5) for name in "abcd"}),
        TracksUpdated((line("c", 6, lat=1.3),)),
    ]
    store.save(events, sector=HOME)
    assert store.tracks(NOON) == [line("a", 1), line("c", 6, lat=1.3)]


def test_what_was_held_back_is_kept_replaced_and_lifted(store) -> None:
    store.save([held_back(1, "a patrol"), held_back(2, "a patrol")], sector=HOME)
    store.save([held_back(1, "two patrols"), SuppressionLifted("held-2")], sector=HOME)
    ((kept, _, at, document),) = rows(store, SUPPRESSED)
    assert (kept, at) == ("held-1", NOON.after(1))
    assert '"text":"two patrols"' in document


def test_refused_messages_are_counted_by_reason_and_the_last_ones_kept(store) -> None:
    def refuse(*reasons: str) -> None:
        rejections = [Rejection(NOON, "t/\0", b"\xff\0" * 900, reason) for reason in reasons]
        store.save([], sector=HOME, rejections=rejections)

    refuse("payload of 300000 bytes is larger than 262144", "payload of 9 bytes is larger than 8")
    refuse("lat 'x' is no number", "lat 'y' is no number", "lat 'y' is no number")
    assert store.rejected(HOME) == {
        "payload of … bytes is larger than …": 2,
        "lat … is no number": 3,
    }
    assert store.rejected("elsewhere") == {}


def test_refused_messages_take_a_bounded_place(store) -> None:
    words = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(KEPT_REASONS + 20)]
    for batch in range(0, KEPT_REJECTIONS + 400, 200):
        rejections = [
            Rejection(NOON, "t", b"x" * 5000, f"reason {words[(batch + n) % len(words)]}")
            for n in range(200)
        ]
        store.save([], sector=HOME, rejections=rejections)
    counts = store.rejected(HOME)
    assert len(counts) == KEPT_REASONS + 1
    assert sum(counts.values()) == KEPT_REJECTIONS + 400
    with store._engine.connect() as connection:
        kept, longest = connection.execute(
            sa.text("SELECT count(*), max(length(excerpt)) FROM rejected")
        ).one()
    assert kept == KEPT_REJECTIONS
    assert longest <= 512


# -- one transaction ---------------------------------------------------------------------------


def test_a_save_that_fails_half_way_keeps_nothing(store) -> None:
    bad = TracksUpdated((msgspec.structs.replace(line("a", 1), t=datetime(2026, 1, 1)),))  # noqa: DTZ001 - the point
    with pytest.raises(sa.exc.StatementError, match="has no time zone"):
        store.save([AlertIssued(alert(1)), bad], sector=HOME, position=Position("j", 1))
    assert store.alerts(9) == []
    assert store.position(HOME) is None


def test_times_come_back_aware_and_in_utc(store) -> None:
    hanoi = timezone(timedelta(hours=7))
    with store._engine.begin() as connection:
        table = sa.Table("clock", sa.MetaData(), sa.Column("at", UtcInstant()))
        table.create(connection)
        connection.execute(table.insert(), {"at": datetime(2026, 3, 14, 19, tzinfo=hanoi)})
        (found,) = connection.execute(sa.select(table.c.at)).scalars()
        table.drop(connection)
    assert found == NOON
    assert found.utcoffset() == timedelta(0)


# -- the tables --------------------------------------------------------------------------------


def test_migrations_make_the_very_tables_that_the_models_say(store) -> None:
    with store._engine.connect() as connection:
        opts = {"compare_type": True, "include_name": is_of_the_models}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, SQLModel.metadata) == []


def test_migrating_again_keeps_what_is_there(database_url, store) -> None:
    store.save([AlertIssued(alert(1)), TracksUpdated((line("a", 1),))], sector=HOME)
    again = Store.open(database_url, migrate=True)
    assert again.alerts(9) == [alert(1)]
    assert len(rows(again, TRACK)) == 1
    again.close()


def test_processes_that_start_together_may_all_migrate(database_url) -> None:
    stores, faults = [], []

    def start() -> None:
        try:
            stores.append(Store.open(database_url, migrate=True))
        except RefusedError as error:
            faults.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for opened in stores:
        opened.close()
    assert (faults, len(stores)) == ([], 4)


def test_a_start_beside_a_migration_of_minutes_waits_for_it(tmp_path, monkeypatch) -> None:
    """100,000 incidents take minutes; `maps serve` gave up after five seconds: database is locked."""
    monkeypatch.setattr("fusion.database.WAIT_S", 0)
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("BEGIN IMMEDIATE")
    ends = threading.Timer(0.5, lambda: other.execute("COMMIT"))
    ends.start()
    Store.open(f"sqlite:///{tmp_path}/store.db", migrate=True).close()
    ends.join()
    other.close()


def test_a_store_that_is_up_to_date_is_opened_while_another_writes(tmp_path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    Store.open(url, migrate=True).close()
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    Store.open(url, migrate=True).close()
    other.close()


def test_what_is_asked_of_the_past_is_of_one_instant(store) -> None:
    store.save([AlertIssued(alert(1))], sector=HOME)
    far = UtcTime.parse("2100-01-01T00:00:00Z")
    with store.past(HOME) as past:
        before = past.alerts_at(far, at_most=9)
        store.save([AlertIssued(alert(2))], sector=HOME)
        assert past.alerts_at(far, at_most=9) == before == [alert(1)]
    with store.past(HOME) as past:
        assert len(past.alerts_at(far, at_most=9)) == 2


def test_a_new_file_that_another_process_holds_is_waited_for(tmp_path, monkeypatch) -> None:
    """SQLite turns no file to WAL while another holds it, and does not wait: a start failed."""
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waits = []

    def another_lets_go(seconds: float) -> None:
        waits.append(seconds)
        if other.in_transaction:
            other.execute("COMMIT")

    monkeypatch.setattr("fusion.database.time.sleep", another_lets_go)
    Store.open(f"sqlite:///{tmp_path}/store.db", migrate=True).close()
    other.close()
    assert waits


# -- addresses ---------------------------------------------------------------------------------


def test_a_store_without_tables_says_who_makes_them(database_url) -> None:
    with pytest.raises(RefusedError, match="has no tables yet: `tuanbien fusion serve` makes"):
        Store.open(database_url)


def test_a_file_that_is_not_there_is_not_made_by_whoever_only_reads(tmp_path) -> None:
    with pytest.raises(RefusedError, match="has no tables yet"):
        Store.open(f"sqlite:///{tmp_path}/mistyped.db")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("tuanbien.db", "the store's address is not a URL such as sqlite:///tuanbien.db"),
        ("mysql://me:secret@host/db", r"mysql://me:\*\*\*@host/db is neither sqlite"),
        ("sqlite:////no/such/folder/x.db", "cannot use the store sqlite:////no/such/folder/x.db"),
        ("postgresql://me:secret@127.0.0.1:1/db", r"cannot use the store .*me:\*\*\*@127.0.0.1:1"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_without_its_password(url, sentence) -> None:
    with pytest.raises(RefusedError, match=sentence) as refused:
        Store.open(url, migrate=True)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
def test_a_file_that_cannot_be_written_is_refused(tmp_path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(RefusedError, match="cannot use the store"):
        Store.open(f"sqlite:///{tmp_path}/x.db", migrate=True)


def test_a_file_that_is_no_database_is_refused(tmp_path) -> None:
    (tmp_path / "x.db").write_text("this is a letter to my aunt, " * 100)
    with pytest.raises(RefusedError, match="file is not a database"):
        Store.open(f"sqlite:///{tmp_path}/x.db", migrate=True)


def test_a_database_that_goes_away_may_be_asked_again(store, monkeypatch) -> None:
    error = sa.exc.OperationalError("SELECT", {}, OSError("server closed the connection"))

    def gone() -> Never:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(store._engine, "begin", gone)
        with pytest.raises(StoreUnavailableError, match="server closed the connection"):
            store.save([AlertIssued(alert(1))], sector=HOME)
    assert store.save([AlertIssued(alert(1))], sector=HOME) == [alert(1)]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_plain_postgresql_addresses_use_psycopg_3(scheme) -> None:
    engine = connect(f"{scheme}://me@127.0.0.1/db")
    assert engine.url.drivername == "postgresql+psycopg"


def test_sqlite_writes_ahead(tmp_path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/x.db", migrate=True)
    with store._engine.connect() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
        synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar()
    assert (mode, synchronous) == ("wal", 1)
    store.close()
