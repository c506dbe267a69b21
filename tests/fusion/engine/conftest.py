"""Small worlds with known truth: a sector on disk, walkers, cameras and patrols that see them."""

import json
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from pyproj import Geod

from edge.messages import UtcTime
from fusion.engine import Engine
from fusion.events import AlertIssued, IncidentChanged, TracksUpdated
from fusion.replay import recorded
from fusion.sector import Sector, load_sector
from fusion.tracking.placing import look_of
from fusion.tracking.tracker import Tracker
from fusion.trodden import Trodden

LAT, LON = 22.9, 105.3
START = UtcTime.parse("2026-03-14T17:00:00.000Z")
_GEOD = Geod(ellps="WGS84")


def lonlat(east_m: float, north_m: float, *, lat: float = LAT, lon: float = LON) -> list[float]:
    """Independent of the frame under test: the geodesic direct problem."""
    azimuth = math.degrees(math.atan2(east_m, north_m))
    there_lon, there_lat, _ = _GEOD.fwd(lon, lat, azimuth, math.hypot(east_m, north_m))
    return [there_lon, there_lat]


def feature(shape: str, coordinates: Any, /, **properties: Any) -> dict[str, Any]:
    geometry = {"type": shape, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def collection(*features: dict[str, Any]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


class SectorMaker:
    """Writes a sector about (LAT, LON): by default a west-east line, home to the south."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lat, self.lon = LAT, LON

    def at(self, east_m: float, north_m: float) -> list[float]:
        return lonlat(east_m, north_m, lat=self.lat, lon=self.lon)

    def line(self, *points: tuple[float, float]) -> list[list[float]]:
        return [self.at(*point) for point in points]

    def square(self, east_m: float, north_m: float, half_m: float) -> list[list[list[float]]]:
        corners = [(-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1)]
        return [[self.at(east_m + a * half_m, north_m + b * half_m) for a, b in corners]]

    def write(
        self,
        *,
        border: dict[str, Any] | None = None,
        trails: dict[str, Any] | None = None,
        zones: dict[str, Any] | None = None,
        markers: dict[str, Any] | None = None,
        rules: str = "",
        extra: str = "",
    ) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        if border is None:
            points = self.line((-2000, 0), (2000, 0))
            border = collection(feature("LineString", points, home_side="right"))
        layers = {"border": border, "trails": trails, "zones": zones, "markers": markers}
        text = '[sector]\nid = "ha-giang"\nname = "Hà Giang"\ntimezone = "Asia/Ho_Chi_Minh"\n'
        text += "[layers]\n"
        for name, layer in layers.items():
            if layer is not None:
                (self.folder / f"{name}.geojson").write_text(json.dumps(layer))
                text += f'{name} = "{name}.geojson"\n'
        # Whoever walks to the line is told of: most tests are about what comes after.
        if "[rules.approach]" not in rules:
            rules += "\n[rules.approach]\nenabled = false\n"
        path = self.folder / "sector.toml"
        path.write_text(text + extra + rules)
        return path

    def load(self, **layers: Any) -> Sector:
        return load_sector(self.write(**layers))


@pytest.fixture
def sector_maker(tmp_path: Path) -> SectorMaker:
    return SectorMaker(tmp_path / "sector")


@pytest.fixture
def sector(sector_maker: SectorMaker) -> Sector:
    return sector_maker.load()


@dataclass
class Walker:
    """Someone on straight legs: `path` is `(second, east_m, north_m)` after one another."""

    path: Sequence[tuple[float, float, float]]
    label: str = "person"

    def at(self, t: float) -> tuple[float, float] | None:
        if not self.path[0][0] <= t <= self.path[-1][0]:
            return None
        for (t0, x0, y0), (t1, x1, y1) in zip(self.path, self.path[1:], strict=False):
            if t0 <= t <= t1:
                share = (t - t0) / (t1 - t0)
                return x0 + share * (x1 - x0), y0 + share * (y1 - y0)
        return self.path[-1][1:]


@dataclass
class Eye:
    """A camera that sees everyone, with known errors."""

    name: str = "cam-1"
    fps: float = 5.0
    sigma_m: float = 1.0
    bias_m: tuple[float, float] = (0.0, 0.0)  # the true one
    bias_sigma_m: float = 0.0  # what it says of it
    detect: float = 0.95
    phase_s: float = 0.0
    sees: Callable[[float, float], bool] = lambda _x, _y: True
    blind: Callable[[float], bool] = lambda _t: False
    clutter: float = 0.0


@dataclass
class World:
    """Walkers, eyes and units; `messages` renders what they send, in order of capture."""

    walkers: Sequence[Walker]
    eyes: Sequence[Eye] = (Eye(),)
    units: Sequence[tuple[str, Walker, float, float]] = ()  # unit, way, every s, accuracy m
    until_s: float = 60.0
    seed: int = 1
    lat: float = LAT
    lon: float = LON
    simulated: bool = False
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def messages(self) -> list[dict[str, Any]]:
        lines = [line for eye in self.eyes for line in self._seen_by(eye)]
        lines += [line for unit in self.units for line in self._sent_by(*unit)]
        return sorted(lines, key=lambda line: (line["received_at"], line["payload"]["message_id"]))

    def _seen_by(self, eye: Eye) -> Iterable[dict[str, Any]]:
        for frame in range(int(self.until_s * eye.fps)):
            t = frame / eye.fps + eye.phase_s
            if eye.blind(t):
                continue
            detections = []
            for walker in self.walkers:
                at = walker.at(t)
                if at is None or not eye.sees(*at) or self.dice.random() > eye.detect:
                    continue
                east = at[0] + eye.bias_m[0] + self.dice.gauss(0.0, eye.sigma_m)
                north = at[1] + eye.bias_m[1] + self.dice.gauss(0.0, eye.sigma_m)
                detections.append(self._detection(eye, east, north, walker.label))
            if self.dice.random() < eye.clutter:
                east, north = self.dice.uniform(-80, 80), self.dice.uniform(-80, 80)
                detections.append(self._detection(eye, east, north, "person"))
            self.dice.shuffle(detections)
            yield self._line(
                t,
                eye.name,
                "detections",
                device_id=eye.name,
                message_id=f"{eye.name}-{frame}",
                sensor={"kind": "camera", "lat": self.lat, "lon": self.lon},
                detections=detections,
            )

    def _detection(self, eye: Eye, east: float, north: float, label: str) -> dict[str, Any]:
        lon, lat = lonlat(east, north, lat=self.lat, lon=self.lon)
        var, bias = eye.sigma_m**2, eye.bias_sigma_m**2
        seen = {
            "label": label,
            "confidence": 0.8,
            "bbox": [0.5, 0.4, 0.55, 0.6],
            "lat": lat,
            "lon": lon,
            "cov_m2": [var + bias, 0.0, var + bias],
        }
        return seen | ({"cov_bias_m2": [bias, 0.0, bias]} if bias else {})

    def _sent_by(
        self, unit: str, way: Walker, every_s: float, accuracy_m: float
    ) -> Iterable[dict[str, Any]]:
        for number in range(int(self.until_s / every_s) + 1):
            at = way.at(number * every_s)
            if at is None:
                continue
            sigma = accuracy_m / 1.51
            east, north = (axis + self.dice.gauss(0.0, sigma) for axis in at)
            lon, lat = lonlat(east, north, lat=self.lat, lon=self.lon)
            yield self._line(
                number * every_s,
                unit,
                "position",
                unit_id=unit,
                message_id=f"{unit}-{number}",
                lat=lat,
                lon=lon,
                accuracy_m=accuracy_m,
            )

    def _line(self, t: float, sender: str, kind: str, **fields: Any) -> dict[str, Any]:
        payload = {"v": 1, "sector": "ha-giang", "captured_at": START.after(t).rfc3339(), **fields}
        if self.simulated:
            payload["simulated"] = True
        return {
            "received_at": START.after(t + 0.1).rfc3339(),
            "topic": f"tuanbien/v1/ha-giang/{sender}/{kind}",
            "payload": payload,
        }


@dataclass
class Outcome:
    """What the engine said about a recording."""

    alerts: list[Any]
    incidents: dict[str, Any]
    events: list[Any]
    engine: Engine

    @property
    def standing(self) -> list[Any]:
        return [one for one in self.incidents.values() if one.state != "withdrawn"]

    @property
    def lines(self) -> list[Any]:
        """All lines of tracks, in the order in which they were told."""
        told = [event for event in self.events if isinstance(event, TracksUpdated)]
        return [line for event in told for line in event.updates]


@pytest.fixture(scope="session")
def run() -> Callable[[Sector, Iterable[dict[str, Any]]], Outcome]:
    """Return a function that feeds lines of a recording to a fresh engine and flushes it."""

    def through(sector: Sector, lines: Iterable[dict[str, Any]]) -> Outcome:
        engine, events = Engine(sector), []
        for line in lines:
            message, received_at = recorded(json.dumps(line).encode(), sector)
            events += engine.step(message, received_at=received_at)
        events += engine.flush()
        alerts = [event.alert for event in events if isinstance(event, AlertIssued)]
        incidents = {
            # What waits for somebody too long depends on the clock, whatever the evidence.
            event.incident.incident_id: replace(event.incident, overdue=UNSET)
            for event in events
            if isinstance(event, IncidentChanged)
        }
        return Outcome(alerts, incidents, events, engine)

    return through


@pytest.fixture(scope="session")
def make() -> Any:
    """Return the building blocks of worlds by name (tests cannot import from one another)."""

    class Blocks:
        walker, eye, world, start = Walker, Eye, World, START
        feature, collection = staticmethod(feature), staticmethod(collection)

        @staticmethod
        def sector_at(
            folder: Path,
            lat: float,
            lon: float,
            *,
            half_m: float = 200.0,
            trails: Sequence[Sequence[tuple[float, float]]] = (),
        ) -> Path:
            maker = SectorMaker(folder)
            maker.lat, maker.lon = lat, lon
            # Short: a line straight in degrees bends off the geodesic by half a metre in 4 km.
            line = maker.line((-half_m, 0), (half_m, 0))
            ways = [
                feature("LineString", maker.line(*trail), id=f"trail-{number}")
                for number, trail in enumerate(trails, 1)
            ]
            return maker.write(
                border=collection(feature("LineString", line, home_side="right")),
                trails=collection(*ways) if ways else None,
            )

    return Blocks


@pytest.fixture(scope="session")
def staged() -> Callable[..., list[tuple[float, Any]]]:
    """Return a function that tracks a recording and lets one stage look at every track."""

    def through(
        sector: Sector, lines: Iterable[dict[str, Any]], stage: Any, begun: Any
    ) -> list[tuple[float, Any]]:
        """Return what the stage said of whom: seconds since the start, and the finding."""
        tracker, states, said, next_s = Tracker(sector, Trodden()), {}, [], START.timestamp()

        def near(track: Any, within_m: float, at_s: float) -> list[tuple[Any, Any]]:
            others = [one for one in tracker.tracks.values() if one.id != track.id]
            return [
                (one, tracker.at(one, at_s))
                for one in others
                if math.dist(one.place, track.place) <= within_m
            ]

        for line in lines:
            message, _ = recorded(json.dumps(line).encode(), sector)
            at_s = message.captured_at.timestamp()
            while next_s <= at_s:
                tracker.tick(next_s)
                next_s += 0.5
            look = look_of(message, sector.frame, at_s=at_s, sigma_t_s=0.0, max_sigma_m=150.0)
            for track in tracker.look(look).updated:
                state, found = stage(states.get(track.id, begun), track, at_s, sector, near)
                states[track.id] = state
                said += [(at_s - START.timestamp(), finding) for finding in found]
        return said

    return through
