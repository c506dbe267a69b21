"""What people did survives whatever dies: in the journal before it takes effect, and taken once."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.command import main
from edge.messages import Cause, CommandMessage, Outcome, Result, UtcTime, Verb, decode_as, encode

pytest.importorskip("fusion.store")
from fusion.journal import Journal
from fusion.link import Delivery, Link
from fusion.replay import replay
from fusion.sector import load_sector
from fusion.service import Service
from fusion.snapshot_folder import SnapshotFolder
from fusion.snapshotter import Snapshotter
from fusion.store import Store

BEGAN_AT = UtcTime.parse("2026-03-14T17:00:00Z")
HOUR_S = 3600.0


class Life:
    """The service's parts as `serve` wires them, but for the broker; a test is the clock."""

    def __init__(self, sector_file: Path, folder: Path, now: UtcTime) -> None:
        self.now = now
        sector = load_sector(sector_file)
        self.journal = Journal.open(folder / "journal", sector=sector.id)
        self.store = Store.open(f"sqlite:///{folder}/store.db", migrate=True)
        self.snapshots = SnapshotFolder(folder / "journal", sector)
        self.service = Service(
            sector,
            link=Link("mqtt://127.0.0.1:1", topics=[], session=None),  # never started
            journal=self.journal,
            store=self.store,
            clock=lambda: self.now,
            stop=threading.Event(),
            snapshots=Snapshotter(self.snapshots),
        )
        self.service._recover()

    def receive(self, message) -> None:
        """Write a message down and acknowledge it; the engine has not seen it yet."""
        topic = f"tuanbien/v1/test-sector/{message.device_id}/{message.kind}"
        delivery = Delivery(topic, encode(message), 0, 0, 0, retained=False)
        self._batch = self.service._reception.take([delivery], self.now)

    def take(self, message) -> None:
        self.receive(message)
        self.service._take(self._batch)

    def save(self) -> None:
        self.service._tick()
        self.service._save()

    def cross(self, walk) -> str:
        """Let somebody cross; return the incident."""
        for message in walk(begin=self.now, device="cam-01", speed_mps=4.0):
            self.now = message.captured_at.after(0.1)
            self.take(message)
        self.now = self.now.after(5.0)
        self.save()
        (incident,) = self.store.incidents(9)
        return incident.incident_id

    def die(self) -> None:
        """Nothing is finished: what is not on the disk is gone."""
        self.journal.close()
        self.store.close()


@pytest.fixture
def live(sector_file, tmp_path) -> Iterator[Callable[[UtcTime], Life]]:
    lives: list[Life] = []

    def begin(now: UtcTime = BEGAN_AT) -> Life:
        for one in lives:
            one.die()
        lives[:] = [Life(sector_file, tmp_path, now)]
        return lives[0]

    yield begin
    for one in lives:
        one.die()


def command(
    incident_id: str, verb: Verb, version: int, at: UtcTime, **said: object
) -> CommandMessage:
    return CommandMessage(
        v=1,
        message_id=f"{verb}-{version}",
        device_id="maps",
        sector="test-sector",
        captured_at=at,
        incident_id=incident_id,
        verb=verb,
        actor="Lan",
        role="truc-ban",
        expected_version=version,
        **said,
    )


def test_a_command_that_was_acknowledged_is_taken_once_though_fusion_died_at_once(
    live, walk
) -> None:
    life = live()
    incident_id = life.cross(walk)
    step = command(incident_id, Verb.ACKNOWLEDGE, 0, life.now)
    life.receive(step)
    assert life.store.deeds(incident_id) == []
    life = live(life.now.after(60.0))
    (deed,) = life.store.deeds(incident_id)
    assert (deed.result, deed.received_at) == (Result.APPLIED, step.captured_at)
    assert life.store.incident(incident_id).state == "acknowledged"
    life.take(step)  # the map did not hear the answer
    life.save()
    assert life.store.deeds(incident_id) == [deed]
    assert life.store.incident(incident_id).version == 1


@pytest.mark.parametrize("snapshot", [True, False])
@pytest.mark.parametrize("pause_s", [10.0, 9 * HOUR_S])
def test_work_goes_on_after_a_restart_however_long_ago_it_began(
    live, walk, sector_file, tmp_path, snapshot, pause_s
) -> None:
    """Without a snapshot the engine begins two horizons back, where there was no such incident."""
    life = live()
    incident_id = life.cross(walk)
    steps = [
        command(incident_id, Verb.ACKNOWLEDGE, 0, life.now),
        command(incident_id, Verb.ASSESS, 1, life.now),
        command(incident_id, Verb.DISPATCH, 2, life.now, assigned_to="patrol-1"),
    ]
    for step in steps:
        life.take(step)
    life.save()
    if snapshot:
        life.snapshots.write(life.service._engine.snapshot(), life.journal.end)
    life.now = life.now.after(pause_s)
    # Something else keeps the journal going: its last horizons hold nothing of the crossing.
    for message in walk(name="else", device="cam-02", begin=life.now, from_m=-40.0, to_m=-30.0):
        life.now = message.captured_at.after(0.1)
        life.take(message)
    life.save()
    before = life.store.incident(incident_id)
    life = live(life.now.after(60.0))
    for step in steps:
        life.take(step)  # all come again
    life.take(command(incident_id, Verb.ARRIVE, 3, life.now))
    life.take(command(incident_id, Verb.RESOLVE, 4, life.now, outcome=Outcome.BAT_GIU))
    life.save()
    after = life.store.incident(incident_id)
    assert (before.state, before.version) == ("dispatched", 3)
    assert (after.state, after.version, after.outcome) == ("resolved", 5, Outcome.BAT_GIU)
    assert after.assigned_to == "patrol-1"
    assert [one.result for one in life.store.deeds(incident_id)] == [Result.APPLIED] * 5
    lines = [
        line
        for path in sorted((tmp_path / "journal").glob("journal-*.jsonl"))
        for line in path.read_bytes().splitlines(keepends=True)
    ]
    replay(load_sector(sector_file), lines, tmp_path / "out")
    (told,) = (tmp_path / "out" / "incidents.jsonl").read_text().splitlines()
    assert json.loads(told) == json.loads(encode(after))
    deeds = (tmp_path / "out" / "commands.jsonl").read_text().splitlines()
    assert len(deeds) == len(steps) * 2 + 2  # a copy is answered again
    assert (
        decode_as(deeds[0], type(life.store.deeds(incident_id)[0]))
        == (life.store.deeds(incident_id)[0])
    )


@pytest.mark.parametrize("acknowledged", [True, False])
def test_that_the_chain_broke_can_be_worked_on_after_a_restart(
    live, walk, *, acknowledged
) -> None:
    """No message gives rise to that incident: the snapshot and the journal know nothing of it."""
    life = live()
    life.cross(walk)
    life.snapshots.write(life.service._engine.snapshot(), life.journal.end)
    life.service._canary.begin(0.0, [])
    life.service._tend_canary(200.0)
    life.save()
    broken = next(one for one in life.store.incidents(9) if one.devices == ("canary",))
    steps = [
        command(broken.incident_id, Verb.ACKNOWLEDGE, 0, life.now),
        command(broken.incident_id, Verb.ASSESS, 1, life.now),
    ]
    for step in steps[:acknowledged]:
        life.take(step)
    life.save()
    life = live(life.now.after(60.0))
    for step in steps:
        life.take(step)
    life.save()
    assert life.store.incident(broken.incident_id).state == "assessing"
    assert [one.result for one in life.store.deeds(broken.incident_id)] == [Result.APPLIED] * 2


def test_what_became_overdue_is_told_by_the_store_and_by_a_replay_alike(
    live, walk, sector_file, tmp_path
) -> None:
    life = live()
    incident_id = life.cross(walk)
    life.now = life.now.after(300.0)
    life.save()
    kept = life.store.incident(incident_id).overdue
    assert kept.step == "acknowledge"
    life.take(command(incident_id, Verb.NOTE, 0, life.now, reason="seen"))
    life.save()
    lines = [
        line
        for path in sorted((tmp_path / "journal").glob("journal-*.jsonl"))
        for line in path.read_bytes().splitlines(keepends=True)
    ]
    replay(load_sector(sector_file), lines, tmp_path / "out")
    (told,) = (tmp_path / "out" / "overdue.jsonl").read_text().splitlines()
    assert json.loads(told) == {"incident_id": incident_id, **json.loads(encode(kept))}
    (standing,) = (tmp_path / "out" / "incidents.jsonl").read_text().splitlines()
    assert "overdue" not in json.loads(standing)


def test_a_command_of_somebody_else_than_a_map_is_refused_and_counted(live) -> None:
    life = live()
    step = command("inc-1", Verb.NOTE, 0, life.now, reason="x")
    topic = "tuanbien/v1/test-sector/cam-01/commands"
    payload = encode(step).replace(b'"maps"', b'"cam-01"')
    batch = life.service._reception.take(
        [Delivery(topic, payload, 0, 0, 0, retained=False)], life.now
    )
    (refused,) = batch.rejections
    assert "$.device_id" in refused.reason
    assert batch.accepted == []


def test_the_tally_counts_what_people_said(live, walk, sector_file, tmp_path, capsys) -> None:
    life = live()
    incident_id = life.cross(walk)
    for version, verb in enumerate((Verb.ACKNOWLEDGE, Verb.ASSESS, Verb.DISMISS)):
        cause = Cause.NGUOI_DIA_PHUONG if verb is Verb.DISMISS else None
        life.take(command(incident_id, verb, version, life.now, cause=cause))
    life.save()
    store = ["--store", f"sqlite:///{tmp_path}/store.db"]
    time = ["--since", "2026-03-10T00:00:00Z", "--until", "2026-03-15T00:00:00Z"]
    assert main(["fusion", "tally", str(sector_file), *store, *time]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["by"], one["name"], one["nuisance"]) for one in lines] == [
        ("all", "", 1),
        ("kind", "crossing", 1),
        ("device", "cam-01", 1),
        ("day", "2026-03-14", 1),
    ]
    assert lines[0]["to_acknowledge"]["count"] == 1
    assert lines[0]["to_acknowledge"]["median_s"] >= 0.0
    assert lines[0]["to_dispatch"] is None
    assert lines[0]["unwanted_per_day_high"] == pytest.approx(4.744 / 5, abs=1e-3)
    assert main(["fusion", "tally", str(sector_file), *store, *time[:2], "--until", time[1]]) == 1
    assert "is not before --until" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["fusion", "tally", str(sector_file), "--since", "yesterday"])
