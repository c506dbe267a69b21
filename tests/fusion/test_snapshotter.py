"""Snapshots taken while the service runs: by a child that never stands in its way."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.messages import UtcTime

pytest.importorskip("fusion.snapshotter")
from fusion.engine import Engine
from fusion.journal import Journal, Position, Recorded
from fusion.sector import Sector, load_sector
from fusion.snapshot_folder import SnapshotFolder
from fusion.snapshotter import Snapshotter

NOON = UtcTime.parse("2026-03-14T12:00:00.000Z")
FIRST = Position("journal-00000001-20260314T120000Z.jsonl", 100)


@pytest.fixture
def sector(sector_file) -> Sector:
    return load_sector(sector_file)


@pytest.fixture
def folder(sector, tmp_path) -> SnapshotFolder:
    return SnapshotFolder(tmp_path, sector)


def at(offset) -> Position:
    return FIRST._replace(offset=offset)


def files(path) -> list[str]:
    return sorted(one.name for one in path.glob("snapshot-*"))


def finish(snapshotter, engine, end) -> None:
    pause = threading.Event()
    for _ in range(600):
        if snapshotter.attend(engine, end):
            return
        pause.wait(0.05)
    pytest.fail("the child did not finish")


# -- the folder ------------------------------------------------------------------------------


def test_the_two_newest_are_kept_and_the_newest_comes_first(folder, tmp_path) -> None:
    for offset in (100, 900, 2_000_000):
        folder.write(b"%d" % offset, at(offset))
    assert list(folder.read()) == [(at(2_000_000), b"2000000"), (at(900), b"900")]
    assert len(files(tmp_path)) == 2
    assert {path.stat().st_mode & 0o007 for path in tmp_path.glob("snapshot-*")} == {0}


def test_what_stands_behind_the_end_of_the_journal_goes(folder) -> None:
    """The journal was put back from a copy: what was ahead of it must not crowd out the new."""
    for offset in (800, 900, 100):
        folder.write(b"%d" % offset, at(offset))
    assert [position.offset for position, _ in folder.read()] == [100]


def test_what_a_crash_left_half_written_is_taken_away(sector, folder, tmp_path) -> None:
    folder.write(b"whole", at(1))
    (tmp_path / "snapshot-00000001-000000000002-77.tmp").write_bytes(b"ha")
    SnapshotFolder(tmp_path, sector)
    assert files(tmp_path) == ["snapshot-00000001-000000000001.bin"]


def test_a_full_disk_leaves_the_others_as_they_were(folder, tmp_path, monkeypatch) -> None:
    folder.write(b"whole", at(1))

    def full(_) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            folder.write(b"more", at(2))
    assert files(tmp_path) == ["snapshot-00000001-000000000001.bin"]


def test_the_journal_is_needed_from_the_older_snapshot_on(folder) -> None:
    assert folder.first_segment_needed() is None
    folder.write(b"", FIRST)
    assert folder.first_segment_needed() is None
    folder.write(b"", Position("journal-00000007-20260315T120000Z.jsonl", 5))
    assert folder.first_segment_needed() == 1
    folder.write(b"", Position("journal-00000009-20260316T120000Z.jsonl", 5))
    assert folder.first_segment_needed() == 7


# -- the child -------------------------------------------------------------------------------


def test_a_child_writes_what_the_engine_was_at_that_instant(sector, folder, walk) -> None:
    engine = Engine(sector)
    messages = walk(begin=NOON)
    for message in messages[:30]:
        engine.step(message, received_at=message.captured_at)
    was = engine.snapshot()
    snapshotter = Snapshotter(folder)
    assert not snapshotter.attend(engine, at(100))
    for message in messages[30:]:  # life goes on
        engine.step(message, received_at=message.captured_at)
    finish(snapshotter, engine, at(100))
    assert list(folder.read()) == [(at(100), was)]


def test_nothing_new_is_no_reason_for_another(sector, folder) -> None:
    snapshotter = Snapshotter(folder, every_s=1e-9)
    finish(snapshotter, Engine(sector), at(100))
    assert not snapshotter.attend(Engine(sector), at(100))
    assert snapshotter._child is None
    finish(snapshotter, Engine(sector), at(101))


def test_the_next_one_waits_its_time(sector, folder) -> None:
    snapshotter = Snapshotter(folder, every_s=3600.0)
    finish(snapshotter, Engine(sector), at(100))
    snapshotter.attend(Engine(sector), at(200))
    assert snapshotter._child is None


def test_it_takes_a_twentieth_of_the_time_at_most(sector, folder, monkeypatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("fusion.snapshotter.time.monotonic", lambda: now[0])
    snapshotter = Snapshotter(folder, every_s=60.0)
    snapshotter.attend(Engine(sector), at(100))
    now[0] += 30.0
    finish(snapshotter, Engine(sector), at(100))
    for at_s, begins in ((1599.0, False), (1601.0, True)):
        now[0] = at_s
        snapshotter.attend(Engine(sector), at(200))
        assert (snapshotter._child is not None) == begins
    snapshotter.abandon()


def slow(taken: Path) -> Callable[[Engine], bytes]:
    def snapshot(_: Engine) -> bytes:
        taken.write_text(str(os.getpid()))
        threading.Event().wait(60.0)
        return b""

    return snapshot


def until(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(600):
        if holds():
            return
        pause.wait(0.05)
    pytest.fail("it did not come")


def test_a_child_that_is_killed_leaves_the_last_snapshot_and_is_told_once(
    sector, folder, tmp_path, monkeypatch, caplog
) -> None:
    engine = Engine(sector)
    snapshotter = Snapshotter(folder, every_s=1e-9)
    finish(snapshotter, engine, at(100))
    monkeypatch.setattr(Engine, "snapshot", slow(tmp_path / "taken"))
    for offset in (200, 300):
        snapshotter._due_s = 0.0
        snapshotter.attend(engine, at(offset))
        os.kill(snapshotter._child, signal.SIGKILL)
        until(lambda: not snapshotter.attend(engine, at(offset)) and snapshotter._child is None)  # noqa: B023
    assert [position for position, _ in folder.read()] == [at(100)]
    assert caplog.text.count("no snapshot could be taken") == 1


def test_the_child_holds_on_to_nothing_of_ours(sector, tmp_path, monkeypatch) -> None:
    """Else the next fusion would find the journal taken by a service that is long dead."""
    journal = Journal.open(tmp_path / "journal", sector="test-sector")
    end = journal.append([Recorded(NOON, "tuanbien/v1/test-sector/cam-01/status", b"{}")])
    monkeypatch.setattr(Engine, "snapshot", slow(tmp_path / "taken"))
    snapshotter = Snapshotter(SnapshotFolder(tmp_path / "journal", sector))
    snapshotter.attend(Engine(sector), end)
    until((tmp_path / "taken").exists)
    journal.close()
    Journal.open(tmp_path / "journal", sector="test-sector").close()
    snapshotter.abandon()
    assert files(tmp_path / "journal") == []


def test_a_clean_stop_takes_one_more_unless_that_takes_long(
    sector, folder, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("fusion.snapshotter._FAREWELL_S", 60.0)
    snapshotter = Snapshotter(folder)
    snapshotter.take_last(Engine(sector), at(100))
    assert [position for position, _ in folder.read()] == [at(100)]
    monkeypatch.setattr(Engine, "snapshot", slow(tmp_path / "taken"))
    monkeypatch.setattr("fusion.snapshotter._FAREWELL_S", 0.2)
    snapshotter.take_last(Engine(sector), at(100))
    assert not (tmp_path / "taken").exists()  # it is there already
    snapshotter.take_last(Engine(sector), at(200))
    assert snapshotter._child is None
    assert [position for position, _ in folder.read()] == [at(100)]
