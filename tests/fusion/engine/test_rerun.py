"""Late data run again region by region, slice by slice: the law of order holds to the letter.

Clusters of walkers along one border, near to one another and far apart, each with cameras of its
own, some with a camera that sees two. What comes late comes in bursts, also while an earlier
re-run is under way: the slices are made tiny here, so that most of them are interrupted.
"""

import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fusion.engine
from edge.messages import AnyFieldMessage, UtcTime
from fusion.core import Core
from fusion.engine import Engine
from fusion.events import (
    AlertIssued,
    AlertSuppressed,
    Event,
    IncidentChanged,
    SuppressionLifted,
    TracksRevised,
    TracksUpdated,
    is_void,
)
from fusion.replay import recorded
from fusion.rerun import Rerun
from fusion.sector import Sector, load_sector
from fusion.watchlist.register import COLUMNS

START = UtcTime.parse("2026-03-14T17:00:00.000Z")
Place = tuple[float, float]


class Sent(NamedTuple):
    """A message: when it was captured, in seconds after the start, and by whom."""

    at_s: float
    sender: str
    kind: str
    fields: dict[str, Any]


class Arrival(NamedTuple):
    """A message when it comes in."""

    at_s: float
    sent: Sent


class Scene:
    """What cameras and units sent, by chance."""

    def __init__(self, sector: Sector, seed: int, *, until_s: float = 40.0) -> None:
        """Draw clusters, walkers, cameras and patrols."""
        self.dice = random.Random(seed)
        self.until_s = until_s
        self._sector = sector
        self.sent: list[Sent] = []

    def walkers(self, east_m: float) -> list[Callable[[float], Place]]:
        """Draw a group of one to three at a place of the line, most of them crossing it."""
        dice, found = self.dice, []
        pace_mps = dice.choice([1.0, 1.0, -1.0, 2.5])
        drift_mps = dice.choice([0.0, 0.0, 0.3, -3.0, 6.0])
        begin_m = -math.copysign(dice.uniform(5, 30), pace_mps)
        for number in range(dice.randint(1, 3)):
            x_m = east_m + 4.0 * number + dice.uniform(-1, 1)
            y_m = begin_m + dice.uniform(-2, 2)
            found.append(_going(x_m, y_m, drift_mps, pace_mps))
        return found

    def camera(
        self,
        name: str,
        people: Sequence[Callable[[float], Place]],
        *,
        fps: float,
        sigma_m: float = 1.0,
        grazing: float = 1.0,
        bias_m: float = 0.0,
        detect: float = 0.9,
        tells: bool = False,
        label: str = "person",
        clutter: float = 0.05,
    ) -> None:
        """Let a camera see some people; `tells`: it knows its own tracks."""
        dice = self.dice
        phase_s, axis = dice.uniform(0.0, 1.0 / fps), dice.uniform(0.0, math.pi)
        off = dice.gauss(0.0, bias_m), dice.gauss(0.0, bias_m)
        long_m2, wide_m2 = (sigma_m * grazing) ** 2, sigma_m**2
        cos, sin = math.cos(axis), math.sin(axis)
        cov = [
            long_m2 * cos * cos + wide_m2 * sin * sin + bias_m**2,
            (long_m2 - wide_m2) * sin * cos,
            long_m2 * sin * sin + wide_m2 * cos * cos + bias_m**2,
        ]
        for frame in range(int(self.until_s * fps)):
            at_s = round(phase_s + frame / fps, 3)
            if dice.random() < 0.1:
                at_s = math.floor(at_s * 2) / 2  # on the grid of ticks, with others
            seen = []
            for number, walk in enumerate(people):
                if dice.random() > detect:
                    continue
                x_m, y_m = walk(at_s)
                u, v = dice.gauss(0.0, sigma_m * grazing), dice.gauss(0.0, sigma_m)
                seen.append(
                    self._detection(
                        x_m + off[0] + u * cos - v * sin,
                        y_m + off[1] + u * sin + v * cos,
                        cov,
                        [bias_m**2, 0.0, bias_m**2] if bias_m else None,
                        number if tells else None,
                        label,
                    )
                )
            if dice.random() < clutter:
                x_m, y_m = dice.choice(people)(at_s)
                x_m, y_m = x_m + dice.uniform(-200, 200), y_m + dice.uniform(-200, 200)
                seen.append(self._detection(x_m, y_m, cov, None, None))
            dice.shuffle(seen)
            fields = {
                "device_id": name,
                "message_id": f"{name}-{frame}",
                "boot_id": "b",
                "sensor": {"kind": "camera", "lat": 22.9, "lon": 105.3},
                "detections": seen,
            }
            self.sent.append(Sent(at_s, name, "detections", fields))

    def patrol(self, name: str, walk: Callable[[float], Place], every_s: float) -> None:
        """Let a unit send where it is."""
        for number in range(int(self.until_s / every_s) + 1):
            at_s = number * every_s
            x_m, y_m = (axis + self.dice.gauss(0.0, 3.0) for axis in walk(at_s))
            lat, lon = self._sector.frame.to_wgs84(x_m, y_m)
            fields = {
                "unit_id": name,
                "message_id": f"{name}-{number}",
                "lat": lat,
                "lon": lon,
                "accuracy_m": 5.0,
            }
            self.sent.append(Sent(at_s, name, "position", fields))

    def _detection(
        self,
        x_m: float,
        y_m: float,
        cov: list[float],
        bias: list[float] | None,
        track: int | None,
        label: str = "person",
    ) -> dict[str, Any]:
        lat, lon = self._sector.frame.to_wgs84(x_m, y_m)
        seen = {
            "label": self.dice.choice([label] * 9 + ["dog"]),
            "confidence": 0.8,
            "bbox": [0.5, 0.4, 0.55, 0.6],
            "lat": lat,
            "lon": lon,
            "cov_m2": cov,
        }
        if bias is not None:
            seen["cov_bias_m2"] = bias
        if track is not None:
            seen["track_id"] = track
        return seen


def _going(x_m: float, y_m: float, vx_mps: float, vy_mps: float) -> Callable[[float], Place]:
    return lambda t: (x_m + vx_mps * t, y_m + vy_mps * t)


def anything(sector: Sector, seed: int) -> Scene:
    """A scene of several clusters with everything in it."""
    scene = Scene(sector, seed)
    dice, east_m, groups = scene.dice, dice_start(seed), []
    for number in range(dice.randint(2, 4)):
        people = scene.walkers(east_m)
        groups.append(people)
        for eye in range(dice.randint(1, 2)):
            scene.camera(
                f"cam-{number}-{eye}",
                people,
                fps=dice.choice([0.7, 1.0, 2.0]),
                sigma_m=dice.choice([0.5, 1.0, 1.0, 3.0, 10.0, 100.0]),
                grazing=dice.choice([1.0, 1.0, 5.0]),
                bias_m=dice.choice([0.0, 0.0, 2.0, 30.0]),
                detect=dice.choice([0.95, 0.9, 0.6, 0.4]),
                tells=dice.random() < 0.3,
            )
        if dice.random() < 0.4:
            scene.patrol(f"unit-{number}", dice.choice(people), dice.choice([5.0, 7.0, 13.0]))
        east_m += dice.choice([100.0, 200.0, 300.0, 500.0, 1500.0])
    if dice.random() < 0.5:
        one, other = dice.sample(groups, 2)
        scene.camera("cam-both", [*one, *other], fps=1.0, detect=dice.choice([0.9, 0.5]))
    if dice.random() < 0.3:
        scene.patrol("unit-far", _going(dice.uniform(-2000, 2000), -300, 15.0, 0.0), 9.0)
    return scene


def dice_start(seed: int) -> float:
    """Where the first cluster stands: cells begin anywhere."""
    return random.Random(seed).uniform(-1500.0, -1000.0)


def late(scene: Scene) -> list[Arrival]:
    """Let some senders be cut off for a while and flush, and some messages dawdle."""
    dice = scene.dice
    gaps: dict[str, tuple[float, float, float]] = {}
    for sender in sorted({one.sender for one in scene.sent}):
        if dice.random() < 0.5:
            begin_s = dice.uniform(-5.0, scene.until_s - 5.0)
            end_s = begin_s + dice.uniform(2.0, scene.until_s)
            gaps[sender] = begin_s, end_s, dice.choice([0.001, 0.05, 0.3])
    slow = dice.choice([0.0, 0.02, 0.2])
    found = []
    for number, one in enumerate(sorted(scene.sent, key=lambda sent: (sent.at_s, sent.sender))):
        at_s = one.at_s + 0.1
        begin_s, end_s, step_s = gaps.get(one.sender, (0.0, 0.0, 0.0))
        if begin_s <= one.at_s < end_s:
            at_s = end_s + step_s * number
        elif dice.random() < slow:
            at_s += dice.choice([0.7, 2.0, 8.0, 30.0])
        found.append(Arrival(at_s, one))
        if dice.random() < 0.02:
            found.append(Arrival(at_s + dice.uniform(0.0, 20.0), one))
    return sorted(found, key=lambda arrival: arrival.at_s)


def on_time(scene: Scene) -> list[Arrival]:
    """Let everything come at once when it was captured."""
    arrivals = [Arrival(one.at_s + 0.1, one) for one in scene.sent]
    return sorted(arrivals, key=lambda arrival: arrival.at_s)


def read(sector: Sector, arrival: Arrival) -> tuple[AnyFieldMessage, UtcTime]:
    """Return a message and when it was received."""
    sent = arrival.sent
    payload = {"v": 1, "sector": sector.id, "captured_at": START.after(sent.at_s).rfc3339()}
    line = {
        "received_at": START.after(arrival.at_s).rfc3339(),
        "topic": f"tuanbien/v1/{sector.id}/{sent.sender}/{sent.kind}",
        "payload": payload | sent.fields,
    }
    return recorded(json.dumps(line).encode(), sector)


class Listener:
    """Holds what it was told, obeying every revision."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.lines: dict[tuple[UtcTime, str], object] = {}
        self.incidents: dict[str, Any] = {}
        self.held: dict[str, object] = {}
        self.alerts: list[Any] = []
        self.revisions = 0

    def hear(self, events: Sequence[Event]) -> None:
        """Take in what happened."""
        for event in events:
            match event:
                case TracksRevised(since):
                    self.revisions += 1
                    self.lines = {
                        k: one for k, one in self.lines.items() if not is_void(one, since)
                    }
                case TracksUpdated(updates):
                    for line in updates:
                        assert (line.t, line.track_id) not in self.lines
                        self.lines[line.t, line.track_id] = line
                case IncidentChanged(incident):
                    self.incidents[incident.incident_id] = incident
                case AlertIssued(alert):
                    self.alerts.append(alert)
                case AlertSuppressed(record):
                    self.held[record.suppressed_id] = record
                case SuppressionLifted(suppressed_id):
                    self.held.pop(suppressed_id, None)

    @property
    def picture(self) -> tuple:
        """What the law speaks of, less what it excepts."""
        incidents = [
            (one.incident_id, _less(one))
            for one in self.incidents.values()
            if one.state != "withdrawn"
        ]
        lines = [self.lines[key] for key in sorted(self.lines)]
        held = [self.held[key] for key in sorted(self.held)]
        return lines, sorted(incidents, key=lambda pair: pair[0]), held


def _less(incident: Any) -> Any:
    fields = {name: getattr(incident, name) for name in incident.__struct_fields__}
    # What waits for somebody too long depends on the clock, whatever the evidence.
    return {k: v for k, v in fields.items() if k not in {"alert_ids", "amended", "overdue"}}


Between = Callable[[Engine, UtcTime], tuple[Engine, list[Event]]]


def heard(
    sector: Sector, arrivals: Sequence[Arrival], between: Between | None = None
) -> tuple[Listener, Engine]:
    """Feed an engine and flush it; return who listened. `between` may act after each message."""
    engine, listener = Engine(sector), Listener()
    for arrival in arrivals:
        message, received_at = read(sector, arrival)
        listener.hear(engine.step(message, received_at=received_at))
        if between is not None:
            engine, events = between(engine, received_at)
            listener.hear(events)
    listener.hear(finished(engine))
    return listener, engine


def finished(engine: Engine) -> list[Event]:
    """Flush an engine, in slices of an ordinary size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusion.engine, "_RERUN_A_TICK", 1000.0)
        return engine.flush()


@contextmanager
def slices(dice: random.Random) -> Iterator[None]:
    """Let re-runs go on in slices of a size drawn by chance, most of them tiny."""
    size = dice.choice([0.3, 1.0, 3.0, 10.0, 1000.0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusion.engine, "_RERUN_AT_FIRST", size)
        patch.setattr(fusion.engine, "_RERUN_A_MESSAGE", size)
        patch.setattr(fusion.engine, "_RERUN_SHARE", 0.0)
        patch.setattr(fusion.engine, "_RERUN_A_TICK", size)
        patch.setattr(fusion.engine, "_RERUN_AFTER_S", dice.choice([0.0, 0.5, 3.0]))
        patch.setattr(fusion.engine, "_RERUN_PAUSE_S", dice.choice([0.0, 0.01]))
        yield


@pytest.fixture(scope="module")
def sector(tmp_path_factory, make) -> Sector:
    folder = tmp_path_factory.mktemp("sector")
    return load_sector(make.sector_at(folder, 22.9, 105.3, half_m=3000))


def check_law(
    sector: Sector,
    seed: int,
    draw: Callable[[Sector, int], Scene] = anything,
    between: Callable[[Scene], Between | None] = lambda _: None,
) -> None:
    """Hold what late arrival gives against what arrival on time gives."""
    scene = draw(sector, seed)
    expected, reference = heard(sector, on_time(scene))
    with slices(scene.dice):
        told, engine = heard(sector, late(scene), between(scene))
    assert engine.counts.late == engine.counts.refused == reference.counts.refused == 0
    assert told.picture == expected.picture
    assert engine.counts.tracks == reference.counts.tracks


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 1_000_000))
def test_late_bursts_give_what_on_time_arrival_gives(sector, seed) -> None:
    check_law(sector, seed)


def wanderers(sector: Sector, seed: int) -> Scene:
    """People who walk (or drive) from one cluster to another while others stay where they are."""
    scene = Scene(sector, seed)
    dice, start_m = scene.dice, dice_start(seed)
    gap_m = dice.choice([300.0, 600.0, 900.0])
    for number in range(3):
        people = scene.walkers(start_m + number * gap_m)
        scene.camera(f"cam-{number}", people, fps=1.0, detect=0.8)
        scene.camera(f"late-{number}", people, fps=1.0, sigma_m=dice.choice([1.0, 20.0]))
    label = dice.choice(["person", "car"])
    pace_mps = 4.0 if label == "person" else gap_m / scene.until_s * dice.choice([0.7, 1.0, 1.5])
    north_mps = dice.choice([-0.5, 0.5])
    walk = _going(start_m + gap_m * dice.choice([0.0, 1.0]), -10.0, pace_mps, north_mps)
    scene.camera("drone", [walk], fps=4.0, sigma_m=dice.choice([1.0, 3.0]), label=label)
    if dice.random() < 0.5:
        scene.patrol("unit", walk, 6.0)
    return scene


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1_000_000))
def test_whoever_walks_from_one_cluster_to_another_links_them(sector, seed) -> None:
    check_law(sector, seed, wanderers)


@pytest.fixture(scope="module")
def watchful(tmp_path_factory, make) -> Sector:
    """Return the sector with one plate on a watchlist."""
    folder = tmp_path_factory.mktemp("watchful")
    row = {
        "entry_id": "W-1", "category": "organiser", "plate": "29A-123.45", "purpose": "p",
        "legal_basis": "b", "requested_by": "An", "approved_by": "Bình",
        "expires_at": "2027-01-01",
    }  # fmt: skip
    listed = folder / "list.csv"
    values = ",".join(row.get(name, "") for name in COLUMNS)
    listed.write_text(f"{','.join(COLUMNS)}\n{values}\n")
    path = make.sector_at(folder, 22.9, 105.3, half_m=3000)
    return load_sector(path, watchlist_file=listed)


def wanted(sector: Sector, seed: int) -> Scene:
    """Trucks far from one another, some with the plate of the watchlist; people at one of them."""
    scene = Scene(sector, seed)
    dice, east_m = scene.dice, dice_start(seed)
    for number in range(3):
        truck = _going(east_m + 1000.0 * number, -60.0, dice.choice([0.0, 4.0]), 0.0)
        begins_s = dice.uniform(0.0, 25.0)
        scene.camera(f"plate-{number}", [truck], fps=2.0, label="truck", clutter=0.0)
        scene.sent = [
            one
            for one in scene.sent
            if one.sender != f"plate-{number}" or begins_s <= one.at_s <= begins_s + 15.0
        ]
    for one in scene.sent:
        # Read well, read with mistakes, or another one.
        text = dice.choice(["29A12345"] * 5 + ["29A-I2345", "29A1234", "30F55555"])
        for seen in one.fields["detections"]:
            seen["plate"] = {"text": text, "confidence": dice.choice([0.4, 0.8, 0.9])}
    scene.camera("cam", scene.walkers(east_m), fps=1.0)
    return scene


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1_000_000))
def test_one_plate_in_places_far_apart_is_one_hit_whichever_is_heard_of_late(
    watchful, seed
) -> None:
    check_law(watchful, seed, wanted)


def setting_the_clock_back(scene: Scene) -> Between:
    """Set the engine's clock back by some seconds now and then, most often amid a re-run."""
    dice = scene.dice

    def between(engine: Engine, now: UtcTime) -> tuple[Engine, list[Event]]:
        odds = 0.002 if engine._rerun is None else 0.02
        if dice.random() > odds:
            return engine, []
        return engine, engine.tick(now.after(-dice.uniform(5.5, 30.0)))

    return between


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1_000_000))
def test_a_clock_set_back_amid_a_re_run_changes_no_result(sector, seed) -> None:
    check_law(sector, seed, anything, setting_the_clock_back)


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 1_000_000))
def test_an_engine_restored_amid_a_re_run_says_the_very_same(sector, seed) -> None:
    scene = anything(sector, seed)
    arrivals = late(scene)
    with slices(scene.dice):
        engine = twin = Engine(sector)
        amid = 0
        for arrival in arrivals:
            message, received_at = read(sector, arrival)
            said = engine.step(message, received_at=received_at)
            assert twin is engine or twin.step(message, received_at=received_at) == said
            if scene.dice.random() < (0.002 if engine._rerun is None or amid > 5 else 0.3):
                twin = Engine.restored(sector, engine.snapshot())
                amid += 1
        assert twin is engine or finished(twin) == finished(engine)
        assert twin.counts == engine.counts


@contextmanager
def slowly() -> Iterator[None]:
    """Let a re-run stand still until the end of the recording, once it has begun."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_RERUN_AT_FIRST", "_RERUN_A_MESSAGE", "_RERUN_SHARE", "_RERUN_A_TICK"):
            patch.setattr(fusion.engine, name, 0.0)
        yield


def cut_off(scene: Scene, senders: set[str], back_s: float) -> list[Arrival]:
    """Let some senders be cut off until an instant; all else comes on time."""
    arrivals = [
        Arrival(max(one.at_s, back_s if one.sender in senders else 0.0) + 0.1, one)
        for one in scene.sent
    ]
    return sorted(arrivals, key=lambda arrival: arrival.at_s)


def test_whoever_comes_to_the_region_while_it_is_run_again_is_run_again_too(sector) -> None:
    """Nobody of the region left it: the one from elsewhere was begun anew inside, and lost."""
    scene = Scene(sector, 1, until_s=120.0)
    stays, comes = _going(240.0, -30.0, 0.0, 0.0), lambda t: (max(244.0, 545.0 - 2.6 * t), -30.0)
    scene.camera("cam", [stays], fps=1.0, clutter=0.0)
    scene.camera("late", [stays], fps=1.0, clutter=0.0)
    scene.camera("drone", [comes], fps=2.0, clutter=0.0)
    expected, _ = heard(sector, on_time(scene))
    with slowly():
        told, _ = heard(sector, cut_off(scene, {"late"}, 6.0))
    assert told.picture == expected.picture


@pytest.mark.parametrize("late", ["left", "right"])
def test_far_apart_only_the_cluster_of_the_late_ones_is_run_again(
    sector, monkeypatch, late
) -> None:
    sizes = []
    put_in = Rerun.put_in
    monkeypatch.setattr(
        Rerun, "put_in", lambda self, *how: sizes.append(self.size) or put_in(self, *how)
    )
    scene = Scene(sector, 2)
    for name, east_m in (("left", -1500.0), ("middle", 0.0), ("right", 1500.0)):
        people = scene.walkers(east_m)
        for number in range(4):
            scene.camera(f"{name}-{number}", people, fps=2.0)
    expected, _ = heard(sector, on_time(scene))
    told, engine = heard(sector, cut_off(scene, {f"{late}-0"}, 30.0))
    assert told.picture == expected.picture
    assert told.revisions == len(sizes) == 1
    assert sizes[0] < 0.4 * engine.counts.messages


@pytest.mark.interpreted
def test_alerts_of_other_clusters_come_on_time_while_a_re_run_is_under_way(sector) -> None:
    scene = Scene(sector, 3, until_s=60.0)
    scene.camera("here", [_going(-1000.0, -10.0, 0.0, 0.7)], fps=2.0)
    scene.camera("late", [_going(-1000.0, -10.0, 0.0, 0.7)], fps=2.0)
    scene.camera("there", [_going(1000.0, -30.0, 0.0, 0.8)], fps=2.0)
    expected, _ = heard(sector, on_time(scene))
    under_way = []
    with slowly():
        told, _ = heard(
            sector,
            cut_off(scene, {"late"}, 25.0),
            lambda engine, now: under_way.append((engine._rerun is not None, now)) or (engine, []),
        )
    begun_at = next(now for amid, now in under_way if amid)
    (there,) = [one for one in expected.alerts if one.devices == ("there",)]
    assert there.issued_at > begun_at
    assert there in told.alerts
    assert told.picture == expected.picture


def test_what_is_late_by_almost_the_horizon_can_wait_for_its_turn(
    sector_maker, monkeypatch
) -> None:
    """What it must go back to was forgotten before the late messages had been gathered."""
    monkeypatch.setattr(fusion.engine, "_RERUN_AFTER_S", 30.0)
    sector = sector_maker.load(rules="[rules.time]\nhorizon_s = 60\n")
    scene = Scene(sector, 4, until_s=200.0)
    people = [_going(10.0, -500.0, 0.0, 1.0)]
    scene.camera("cam", people, fps=1.0)
    scene.camera("late", people, fps=0.2)
    expected, _ = heard(sector, on_time(scene))
    bursts = [
        Arrival(math.ceil(one.at_s / 57.0) * 57.0 + 0.1 if one.sender == "late" else at_s, one)
        for at_s, one in on_time(scene)
    ]
    told, engine = heard(sector, sorted(bursts, key=lambda arrival: arrival.at_s))
    assert engine.counts.late == 0
    assert told.picture == expected.picture


@pytest.mark.interpreted
def test_late_messages_do_not_wait_for_the_hours_that_a_clock_was_ahead(sector) -> None:
    scene = Scene(sector, 5, until_s=60.0)
    people = [_going(10.0, -20.0, 0.0, 1.0)]
    for name in ("cam", "late"):
        scene.camera(name, people, fps=2.0)
    revised: list[float] = []

    def between(engine: Engine, now: UtcTime) -> tuple[Engine, list[Event]]:
        events: list[Event] = []
        if engine._late and not revised:
            events += engine.tick(now.after(0.01))
            engine._late_since_s += 7200.0  # as by a clock that was two hours ahead
            events += engine.tick(now.after(-8.0))
        if engine._rerun is not None:
            revised.append(now.seconds_since(START))
        return engine, events

    expected, _ = heard(sector, on_time(scene))
    with slowly():
        told, _ = heard(sector, cut_off(scene, {"late"}, 20.0), between)
    assert revised[0] < 25.0
    assert told.picture == expected.picture


def test_a_message_that_breaks_a_re_run_is_dropped_and_the_rest_goes_on(
    sector, monkeypatch
) -> None:
    scene = Scene(sector, 6)
    for name, east_m in (("left", -1500.0), ("right", 1500.0)):
        people = scene.walkers(east_m)
        for number in range(2):
            scene.camera(f"{name}-{number}", people, fps=2.0)
    poison = "left-1-20"
    arrivals = cut_off(scene, {"left-0"}, 30.0)
    engine, take, errors = Engine(sector), Core.take, 0

    def choke(core: Core, item: Any) -> Any:
        if core is not engine._course.core and getattr(item, "message_id", "") == poison:
            raise ZeroDivisionError
        return take(core, item)

    monkeypatch.setattr(Core, "take", choke)
    for arrival in arrivals:
        message, received_at = read(sector, arrival)
        try:
            engine.step(message, received_at=received_at)
        except ZeroDivisionError:
            errors += 1
    engine.flush()
    scene.sent = [one for one in scene.sent if one.fields["message_id"] != poison]
    expected, _ = heard(sector, on_time(scene))
    held = {(one.line.t, one.line.track_id): one.line for one in engine._course.lines_in(0, None)}
    assert errors == 1
    assert [held[key] for key in sorted(held)] == expected.picture[0]


def test_a_late_fix_of_a_far_unit_judges_no_case_elsewhere(sector) -> None:
    """Each fix of any unit judged every case anew, and its region did not say so."""
    scene = Scene(sector, 7, until_s=60.0)
    people = [_going(-1000.0, -15.0, 0.0, 1.0)]
    scene.camera("cam", people, fps=2.0)
    scene.patrol("near", _going(-990.0, -10.0, 0.0, 0.4), 11.0)
    scene.patrol("far", _going(2500.0, -300.0, 1.0, 0.0), 3.0)
    expected, _ = heard(sector, on_time(scene))
    with slices(scene.dice):
        told, _ = heard(sector, cut_off(scene, {"far"}, 55.0))
    assert told.picture == expected.picture
