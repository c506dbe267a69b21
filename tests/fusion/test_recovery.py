"""Fusion dies at any instant, late messages about: the store ends as if it never had."""

import json
import random
import shutil
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from edge.messages import TrackUpdate, UtcTime, encode
from fusion import snapshot_folder
from fusion.engine import Engine
from fusion.journal import Journal
from fusion.link import Delivery, Link
from fusion.replay import replay
from fusion.sector import load_sector
from fusion.service import RECOVERY_HORIZONS, Service
from fusion.snapshot_folder import SnapshotFolder
from fusion.snapshotter import Snapshotter
from fusion.store import Store

BEGAN_AT = UtcTime.parse("2026-03-14T17:00:00Z")
ENDS_S = 60.0
WALKERS = 16


class Life:
    """The service's parts as `serve` wires them, but for the broker; a test is the clock."""

    def __init__(self, sector_file: Path, folder: Path) -> None:
        self.now = BEGAN_AT
        sector = load_sector(sector_file)
        self.journal = Journal.open(folder / "journal", sector=sector.id)
        self.snapshots = SnapshotFolder(folder / "journal", sector)
        self.store = Store.open(f"sqlite:///{folder}/store.db", migrate=True)
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

    def live(
        self,
        begin_s: float,
        end_s: float,
        arrivals: list[tuple[float, bytes]],
        *,
        snapshot_at: Callable[[float], bool] = lambda _: False,
    ) -> None:
        """Let what arrives in [begin, end) come, and the clock tick between."""
        ticks = [(0.5 * n, b"") for n in range(int(2 * end_s) + 1) if begin_s <= 0.5 * n < end_s]
        comes = [arrival for arrival in arrivals if begin_s <= arrival[0] < end_s]
        for at_s, payload in sorted(ticks + comes, key=lambda one: one[0]):
            self.now = BEGAN_AT.after(round(at_s, 3))
            if payload:
                device = json.loads(payload)["device_id"]
                topic = f"tuanbien/v1/test-sector/{device}/detections"
                self.take(topic, payload)
            else:
                self.service._tick()
                self.service._save()
                if snapshot_at(at_s):
                    self.snapshot()

    def take(self, topic: str, payload: bytes) -> None:
        """One message comes; what the engine makes of it is saved with the next tick."""
        delivery = Delivery(topic, payload, 0, 0, 0, retained=False)
        self.service._take(self.service._reception.take([delivery], self.now))

    def snapshot(self) -> None:
        if self.journal.end is not None:
            self.snapshots.write(self.service._engine.snapshot(), self.journal.end)

    def die(self) -> None:
        """Nothing is finished: what is not on the disk is gone."""
        self.journal.close()
        self.store.close()


def told(store: Store) -> tuple[dict, dict, dict]:
    """Return everything that people were told, by id."""
    return (
        {alert.alert_id: alert for alert in store.alerts(99)},
        {one.incident_id: one for one in store.incidents(99)},
        {line.track_id: line for line in store.tracks(BEGAN_AT)},
    )


def pictured(store: Store) -> list[TrackUpdate]:
    """Return every line of a track that playback has."""
    with store.past("test-sector") as past:
        return list(past.lines(BEGAN_AT.after(-60.0), BEGAN_AT.after(ENDS_S)))


def arrivals(
    walk, chance: random.Random, *, late_share: float = 0.25
) -> list[tuple[float, bytes]]:
    """One walker after the other, far apart, each seen by a camera; some messages come late."""
    found = []
    for number in range(WALKERS):
        name, begin = f"cam-{number:02d}", BEGAN_AT.after(2.0 * number)
        lon = -12.309 + 0.001 * number
        for message in walk(
            name=name, device=name, begin=begin, lon=lon, from_m=-8.0, to_m=8.0, speed_mps=4.0
        ):
            at_s = message.captured_at.seconds_since(BEGAN_AT)
            late_s = chance.uniform(1.0, 6.0) if chance.random() < late_share else 0.1
            found.append((at_s + late_s, encode(replace(message, sent_at=message.captured_at))))
    return found


def replayed(sector_file: Path, folder: Path) -> tuple[dict, dict, dict]:
    """Return what a replay of a life's journal says, by id."""
    lines = [
        line
        for path in sorted((folder / "journal").glob("journal-*.jsonl"))
        for line in path.read_bytes().splitlines(keepends=True)
    ]
    out = folder / "replayed"
    replay(load_sector(sector_file), lines, out)
    alerts, incidents, tracks = (
        [json.loads(line) for line in (out / f"{name}.jsonl").read_text().splitlines()]
        for name in ("alerts", "incidents", "tracks")
    )
    return (
        {one["alert_id"]: one for one in alerts},
        {one["incident_id"]: one for one in incidents},
        {one["track_id"]: one for one in tracks},
    )


@pytest.mark.parametrize(("seed", "snapshots"), [(seed, seed % 2 == 1) for seed in range(6)])
def test_a_death_at_any_instant_changes_nothing_that_the_store_ends_with(
    sector_file, tmp_path, walk, seed, snapshots
) -> None:
    chance = random.Random(seed)
    comes = arrivals(walk, chance)
    deaths_s = [chance.uniform(0.0, 30.0) for _ in range(6)]
    deaths_s += [at_s + chance.uniform(0.3, 2.0) for at_s in deaths_s]  # again, hardly up
    deaths_s.sort()
    for begin_s, end_s in zip([0.0, *deaths_s], [*deaths_s, ENDS_S], strict=True):
        # What the broker gave to the dying process last, it gives again to the next.
        again_s = max(begin_s, end_s - chance.uniform(0.0, 2.0)) if end_s < ENDS_S else end_s
        comes = [
            (end_s + chance.uniform(0.1, 2.0), payload)
            if again_s <= at_s < end_s
            else (at_s, payload)
            for at_s, payload in comes
        ]
        life = Life(sector_file, tmp_path / "broken")
        life.live(begin_s, end_s, comes, snapshot_at=lambda _: snapshots and chance.random() < 0.3)
        found, picture = told(life.store), pictured(life.store)
        life.die()
    assert len(list((tmp_path / "broken" / "journal").glob("snapshot-*"))) == 2 * snapshots
    whole = Life(sector_file, tmp_path / "whole")
    whole.live(0.0, ENDS_S, comes)
    expected = told(whole.store)
    assert found == expected
    assert picture == pictured(whole.store) != []
    whole.die()
    words = [{name: json.loads(encode(one)) for name, one in part.items()} for part in found]
    assert words == list(replayed(sector_file, tmp_path / "broken"))
    standing = [one for one in expected[1].values() if one.state != "withdrawn"]
    assert len(standing) == len(expected[0]) == WALKERS


def test_late_data_leave_playback_as_if_everything_had_come_in_order(
    sector_file, tmp_path, walk
) -> None:
    pictures = []
    for name, late_share in (("late", 0.25), ("orderly", 0.0)):
        comes = arrivals(walk, random.Random(5), late_share=late_share)
        life = Life(sector_file, tmp_path / name)
        life.live(0.0, ENDS_S, comes)
        pictures.append(pictured(life.store))
        life.die()
    late, orderly = pictures
    assert late == orderly != []


def test_the_journal_of_a_service_that_was_killed_says_what_its_store_says(
    sector_file, tmp_path, walk
) -> None:
    """Its last messages are those that the broker gave again, older than any transit."""
    comes = [
        (20.0 + 0.01 * number, encode(replace(message, sent_at=message.captured_at)))
        for number, message in enumerate(walk(begin=BEGAN_AT, from_m=-8.0, to_m=8.0))
    ]
    life = Life(sector_file, tmp_path)
    life.live(19.0, ENDS_S, comes)
    words = [{k: json.loads(encode(v)) for k, v in part.items()} for part in told(life.store)]
    life.die()
    assert [len(part) for part in words] == [1, 1, 1]
    assert words == list(replayed(sector_file, tmp_path))


def test_what_is_refused_only_after_it_was_held_is_on_record(sector_file, tmp_path, walk) -> None:
    message = walk(begin=BEGAN_AT)[0]
    odd = replace(message, sent_at=BEGAN_AT.after(-10.0))  # captured after it was sent
    life = Life(sector_file, tmp_path)
    life.live(4.0, 20.0, [(5.0, encode(odd))])
    assert list(life.store.rejected("test-sector").values()) == [1]
    life.die()


# -- longer in view than any journal tail ------------------------------------------------------

HORIZON_S = 10.0
LINGERS_S = 76.0
DIES_S = 60.0
assert DIES_S > 2.0 * RECOVERY_HORIZONS * HORIZON_S


@pytest.fixture
def short_sector(sector_file) -> Path:
    """A sector whose horizon, and with it the journal's tail, is short."""
    sector_file.write_text(sector_file.read_text() + f"[rules.time]\nhorizon_s = {HORIZON_S}\n")
    return sector_file


@pytest.fixture
def lingering(walk) -> list[tuple[float, bytes]]:
    """One person comes slowly, in view all the time, and at last steps over the line."""
    messages = walk(begin=BEGAN_AT, from_m=-30.0, to_m=8.0, speed_mps=0.5)
    found = [(one.captured_at.seconds_since(BEGAN_AT) + 0.1, encode(one)) for one in messages]
    assert found[-1][0] >= LINGERS_S
    return found


def snapshots_of(folder: Path) -> list[Path]:
    return sorted((folder / "journal").glob("snapshot-*.bin"), reverse=True)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def of_another_version(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"code":"', b'"code":"0', 1))


def of_another_journal(path: Path) -> None:
    path.write_bytes(
        path.read_bytes().replace(
            b'"segment":"journal-00000001', b'"segment":"journal-00000009', 1
        )
    )


DAMAGES = [Path.unlink, flip_a_bit, cut_in_half, of_another_version, of_another_journal]


def lives(sector_file, folder, lingering, *, damage=None, which=0) -> tuple[dict, dict, dict]:
    """Live, die at `DIES_S`, live on; before the second life the snapshots are damaged."""
    life = Life(sector_file, folder)
    life.live(0.0, DIES_S, lingering, snapshot_at=lambda at_s: at_s in {40.0, 55.0})
    life.die()
    assert len(snapshots_of(folder)) == 2
    if damage is not None:
        for path in snapshots_of(folder)[:which]:
            damage(path)
    life = Life(sector_file, folder)
    life.live(DIES_S, LINGERS_S + 20.0, lingering)
    found = told(life.store)
    life.die()
    return found


@pytest.fixture
def undisturbed(short_sector, tmp_path, lingering) -> tuple[dict, dict, dict]:
    life = Life(short_sector, tmp_path / "whole")
    life.live(0.0, LINGERS_S + 20.0, lingering)
    found = told(life.store)
    life.die()
    assert [len(part) for part in found] == [1, 1, 1]
    return found


def test_who_is_in_view_for_longer_than_two_horizons_keeps_the_track_over_a_death(
    short_sector, tmp_path, lingering, undisturbed, caplog
) -> None:
    caplog.set_level("INFO")
    assert lives(short_sector, tmp_path / "broken", lingering) == undisturbed
    # From 55 s, of which the store knew all but perhaps the last one.
    assert "recovering from a snapshot" in caplog.text
    assert "recovered: 10 messages read from the journal" in caplog.text


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_newest_snapshot_that_is_unfit_gives_way_to_the_one_before(
    short_sector, tmp_path, lingering, undisturbed, damage, caplog
) -> None:
    caplog.set_level("INFO")
    folder = tmp_path / "broken"
    assert lives(short_sector, folder, lingering, damage=damage, which=1) == undisturbed
    assert "recovered: 40 messages read from the journal" in caplog.text
    assert ("is not used" in caplog.text) == (damage is not Path.unlink)


@pytest.mark.parametrize("damage", DAMAGES)
def test_without_any_fit_snapshot_the_journal_alone_is_right_but_for_the_track(
    short_sector, tmp_path, lingering, undisturbed, damage, caplog
) -> None:
    """Two horizons cannot tell who someone was before; still there is one alert, not two."""
    found = lives(short_sector, tmp_path / "broken", lingering, damage=damage, which=2)
    assert [len(part) for part in found] == [1, 1, 2]
    assert set(undisturbed[2]) < set(found[2])
    assert caplog.text.count("is not used") == 2 * (damage is not Path.unlink)


def test_a_snapshot_ahead_of_the_store_is_left_alone(
    short_sector, tmp_path, lingering, undisturbed, caplog
) -> None:
    """The store was put back from a copy: what it lost comes again, from the older snapshot."""
    folder = tmp_path / "broken"
    life = Life(short_sector, folder)
    for begin_s, end_s in [(0.0, 40.0), (40.0, 50.0), (50.0, DIES_S)]:
        life.live(begin_s, end_s, lingering, snapshot_at=lambda at_s: at_s in {35.0, 55.0})
        if end_s == 50.0:
            life.store.close()
            shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("journal"))
    life.die()
    for kept in (tmp_path / "copy").iterdir():
        shutil.copy(kept, folder)
    for log in folder.glob("store.db-*"):
        if not (tmp_path / "copy" / log.name).exists():
            log.unlink()
    life = Life(short_sector, folder)
    life.live(DIES_S, LINGERS_S + 20.0, lingering)
    assert told(life.store) == undisturbed
    life.die()
    assert caplog.text.count("the store, or the journal, is older than it") == 1


def test_recovery_reads_nothing_of_the_journal_before_the_snapshot(
    short_sector, tmp_path, lingering, undisturbed, caplog
) -> None:
    folder = tmp_path / "broken"
    life = Life(short_sector, folder)
    life.live(0.0, DIES_S, lingering, snapshot_at=lambda at_s: at_s == 55.0)
    life.die()
    (position,) = (place for place, _ in life.snapshots.read())
    with (folder / "journal" / position.segment).open("r+b") as segment:
        segment.write(b"x" * position.offset)
    life = Life(short_sector, folder)
    life.live(DIES_S, LINGERS_S + 20.0, lingering)
    assert told(life.store) == undisturbed
    life.die()
    assert caplog.text == ""


def test_what_the_store_has_seen_is_neither_saved_nor_told_again(
    short_sector, tmp_path, lingering, monkeypatch
) -> None:
    life = Life(short_sector, tmp_path)
    life.live(0.0, LINGERS_S, lingering, snapshot_at=lambda at_s: at_s == 55.0)
    life.service._save()
    (alert,) = life.store.alerts(9)
    assert alert.issued_at > BEGAN_AT.after(55.0)
    life.die()
    saved, save = [], Store.save

    def noted(self, events, **how: object) -> list:
        saved.extend(events)
        return save(self, events, **how)

    monkeypatch.setattr(Store, "save", noted)
    life = Life(short_sector, tmp_path)
    assert saved == []
    assert life.store.alerts(9) == [alert]
    life.die()


def test_a_clean_stop_leaves_nothing_to_read_again(
    short_sector, tmp_path, lingering, undisturbed, monkeypatch, caplog
) -> None:
    monkeypatch.setattr("fusion.snapshotter._FAREWELL_S", 60.0)
    caplog.set_level("INFO")
    folder = tmp_path / "broken"
    life = Life(short_sector, folder)
    life.live(0.0, DIES_S, lingering)
    life.service._save()
    life.service._snapshots.take_last(life.service._engine, life.journal.end)
    life.die()
    life = Life(short_sector, folder)
    assert "recovered: 0 messages read from the journal" in caplog.text
    life.live(DIES_S, LINGERS_S + 20.0, lingering)
    assert told(life.store) == undisturbed
    life.die()


def test_a_snapshot_that_cannot_be_made_is_told_once_and_stops_nothing(
    short_sector, tmp_path, lingering, monkeypatch, caplog
) -> None:
    def unable(_) -> bytes:
        msg = "cannot pickle 'generator' object"
        raise TypeError(msg)

    monkeypatch.setattr("fusion.snapshotter._FAREWELL_S", 60.0)
    monkeypatch.setattr(Engine, "snapshot", unable)
    life = Life(short_sector, tmp_path)
    life.live(0.0, 5.0, lingering)
    life.service._snapshots.take_last(life.service._engine, life.journal.end)
    life.die()
    assert caplog.text.count("no snapshot could be taken") == 1
    assert snapshots_of(tmp_path) == []


def test_old_parts_of_the_journal_go_once_two_snapshots_stand_behind_them(
    sector_file, tmp_path, walk, monkeypatch
) -> None:
    day_s = 86_400.0
    life = Life(sector_file, tmp_path)
    monkeypatch.setattr(Snapshotter, "attend", lambda *_: True)

    def numbers() -> list[int]:
        return [int(path.name[8:16]) for path in sorted((tmp_path / "journal").glob("*.jsonl"))]

    for day in range(4):
        life.now = BEGAN_AT.after(day * day_s)
        for message in walk(begin=life.now, name=f"day-{day}")[:3]:
            topic = "tuanbien/v1/test-sector/cam-01/detections"
            life.take(topic, encode(message))
        life.service._save()
        life.snapshot()
        life.service._keep_house()
        assert numbers() == list(range(1, day + 2))  # no age is set: nothing goes
    life.service._journal_keep_s = 1.5 * day_s
    life.service._keep_house()
    assert numbers() == [2, 3, 4]
    life.service._journal_keep_s = 1.0
    life.service._keep_house()
    assert numbers() == [3, 4]  # the older snapshot stands in number 3
    life.die()
    life = Life(sector_file, tmp_path)
    assert life.service._engine.counts.messages == 12
    life.die()


def test_another_version_of_the_program_has_another_fingerprint(tmp_path, monkeypatch) -> None:
    before = snapshot_folder.code_fingerprint()
    assert snapshot_folder.code_fingerprint() == before
    package = tmp_path / "fusion"
    shutil.copytree(Path(snapshot_folder.__file__).parent, package)
    monkeypatch.setattr(snapshot_folder, "__file__", str(package / "snapshot_folder.py"))
    assert snapshot_folder.code_fingerprint() == before
    with (package / "core.py").open("a") as source:
        source.write("#\n")
    assert snapshot_folder.code_fingerprint() != before


# -- beyond the horizon ------------------------------------------------------------------------


@pytest.mark.parametrize("dies_s", [(61.0,), (66.0, 72.0), (61.0, 61.5, 90.0)])
@pytest.mark.parametrize("snapshots", [False, True])
def test_a_death_while_a_cut_off_camera_uploads_costs_no_late_incident(
    short_sector, tmp_path, walk, dies_s, snapshots
) -> None:
    """While the upload comes, while it is waited for its end, and behind it."""
    seen = walk(begin=BEGAN_AT, from_m=-8.0, to_m=8.0, speed_mps=1.0)
    comes = [(60.0 + 0.02 * number, encode(one)) for number, one in enumerate(seen)]
    bounds = [50.0, *dies_s, 100.0]
    for begin_s, end_s in pairwise(bounds):
        life = Life(short_sector, tmp_path / "broken")
        life.live(begin_s, end_s, comes, snapshot_at=lambda at_s: snapshots and at_s % 5.0 == 0.0)
        found = told(life.store)
        life.die()
    whole = Life(short_sector, tmp_path / "whole")
    whole.live(50.0, 100.0, comes)
    assert found == told(whole.store)
    whole.die()
    (alert,), (incident,), tracks = (list(part.values()) for part in found)
    assert (alert.late, incident.alert_ids, tracks) == (True, (alert.alert_id,), [])
    words = [{k: json.loads(encode(v)) for k, v in part.items()} for part in found]
    assert words == list(replayed(short_sector, tmp_path / "broken"))
