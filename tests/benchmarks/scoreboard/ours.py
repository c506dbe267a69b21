"""The very engine that runs live, over a scene's lines in order of arrival, as `replay` does."""

import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from edge.messages import TrackState, TrackUpdate, decode
from fusion.engine import Engine
from fusion.events import TracksRevised, TracksUpdated, is_void
from fusion.sector import Sector, load_sector
from tests.benchmarks.scoreboard.picture import Record
from tests.benchmarks.scoreboard.scenes import Scene
from tests.benchmarks.scoreboard.sector import FRAME, write
from tests.benchmarks.scoreboard.sightings import BEGAN_AT


class Run(NamedTuple):
    """What a tracker made of a scene, and how long it took."""

    name: str
    records: tuple[Record, ...]
    seconds: float


def sector_of(scene: Scene) -> Sector:
    """Return a scene's sector as the engine reads it."""
    with tempfile.TemporaryDirectory() as folder:
        return load_sector(write(Path(folder), scene.land))


def tracked(scene: Scene) -> Run:
    """Run the engine, decoding included; its final track lines are the records."""
    sector = sector_of(scene)
    arrivals = [(BEGAN_AT.after(one.received_s), one.topic, one.payload) for one in scene.lines]
    updates: list[TrackUpdate] = []
    began_s = time.process_time()
    engine = Engine(sector)
    for received_at, topic, payload in arrivals:
        for event in engine.step(decode(topic, payload), received_at=received_at):
            updates = _after(updates, event)
    for event in engine.flush():
        updates = _after(updates, event)
    return Run("Tuần Biên", tuple(map(_record, updates)), time.process_time() - began_s)


def _after(updates: list[TrackUpdate], event: object) -> list[TrackUpdate]:
    match event:
        case TracksUpdated(lines):
            updates.extend(lines)
        case TracksRevised(since):
            return [line for line in updates if not is_void(line, since)]
    return updates


def _record(line: TrackUpdate) -> Record:
    x_m, y_m = FRAME.to_metres(lat=line.lat, lon=line.lon)
    return Record(
        line.track_id,
        line.t.seconds_since(BEGAN_AT),
        x_m,
        y_m,
        *line.velocity_mps,
        line.cov_m2,
        line.label,
        line.state is TrackState.ENDED,
    )
