"""Fusion dies at any instant, late messages about: the store ends as if it never had."""

import json
import random
import threading
from pathlib import Path

import pytest

from edge.messages import UtcTime, encode
from fusion.journal import Journal
from fusion.link import Delivery, Link
from fusion.sector import load_sector
from fusion.service import Service
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
        self.store = Store.open(f"sqlite:///{folder}/store.db", migrate=True)
        self.service = Service(
            sector,
            link=Link("mqtt://127.0.0.1:1", topics=[], session=None),  # never started
            journal=self.journal,
            store=self.store,
            clock=lambda: self.now,
            stop=threading.Event(),
        )
        self.service._recover()

    def live(self, begin_s: float, end_s: float, arrivals: list[tuple[float, bytes]]) -> None:
        """Let what arrives in [begin, end) come, and the clock tick between."""
        ticks = [(0.5 * n, b"") for n in range(int(2 * ENDS_S)) if begin_s <= 0.5 * n < end_s]
        comes = [arrival for arrival in arrivals if begin_s <= arrival[0] < end_s]
        for at_s, payload in sorted(ticks + comes, key=lambda one: one[0]):
            self.now = BEGAN_AT.after(round(at_s, 3))
            if payload:
                device = json.loads(payload)["device_id"]
                topic = f"tuanbien/v1/test-sector/{device}/detections"
                self.service._take([Delivery(topic, payload, 0, 0, 0, retained=False)])
            else:
                self.service._tick()

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


def arrivals(walk, chance: random.Random) -> list[tuple[float, bytes]]:
    """One walker after the other, far apart, each seen by a camera; some messages come late."""
    found = []
    for number in range(WALKERS):
        name, begin = f"cam-{number:02d}", BEGAN_AT.after(2.0 * number)
        lon = -12.309 + 0.001 * number
        for message in walk(
            name=name, device=name, begin=begin, lon=lon, from_m=-8.0, to_m=8.0, speed_mps=4.0
        ):
            at_s = message.captured_at.seconds_since(BEGAN_AT)
            late_s = chance.uniform(1.0, 6.0) if chance.random() < 0.25 else 0.1
            found.append((at_s + late_s, encode(message)))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_a_death_at_any_instant_changes_nothing_that_the_store_ends_with(
    sector_file, tmp_path, walk, seed
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
        life.live(begin_s, end_s, comes)
        found = told(life.store)
        life.die()
    whole = Life(sector_file, tmp_path / "whole")
    whole.live(0.0, ENDS_S, comes)
    expected = told(whole.store)
    whole.die()
    assert found == expected
    standing = [one for one in expected[1].values() if one.state != "withdrawn"]
    assert len(standing) == len(expected[0]) == WALKERS
