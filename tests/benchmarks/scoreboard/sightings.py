"""What a device reports of a scene: misses, clutter, mistaken labels, its own tracker's ids."""

from collections.abc import Iterator
from itertools import count
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from edge.messages import Detection, DetectionsMessage, Sensor, SensorKind, UtcTime
from tests.benchmarks.scoreboard.devices import Eye, Placed, placed
from tests.benchmarks.scoreboard.movers import Mover
from tests.benchmarks.scoreboard.sector import FRAME, ID, FloatArray, Land

BEGAN_AT: Final = UtcTime.parse("2026-03-14T17:00:00Z")
_OCCLUDED_DEG: Final = 0.6  # behind someone who stands so close in the picture
_BEHIND_M: Final = 30.0
_FORGOTTEN_S: Final = 2.0  # the device's tracker gives a new id after so long
_HUMAN_M: Final = 1.7


class Sight(NamedTuple):
    """How well devices see."""

    detect_near: float = 0.93
    detect_far: float = 0.6  # at the end of the range
    detect_occluded: float = 0.4
    clutter: float = 0.03  # false detections a frame
    mistaken: float = 0.1  # an animal called a person; a fifth of it the other way round
    id_switch: float = 0.004  # of the device's tracker, a detection; ten times that in a knot


class Look(NamedTuple):
    """One frame: when, by whom, and of whom each detection truly is (None: clutter)."""

    captured_s: float
    message: DetectionsMessage
    truly: tuple[str | None, ...]


class _View(NamedTuple):
    """What one device sees of M movers in F frames."""

    times_s: FloatArray  # (F,)
    bearing_deg: FloatArray  # (M, F)
    range_m: FloatArray  # (M, F)
    seen: np.ndarray  # (M, F)
    knotted: np.ndarray  # (M, F) close to someone else in the picture
    placed: Placed  # (M, F, ...)


def looks(
    chance: np.random.Generator,
    eye: Eye,
    movers: list[Mover],
    land: Land,
    sight: Sight,
    until_s: float,
    numbers: npt.NDArray[np.int64] | None = None,
) -> Iterator[Look]:
    """Yield every frame of a device, in order; `numbers` (F,), ascending: only those."""
    times_s = np.arange(chance.uniform(0.0, 1.0 / eye.fps), until_s, 1.0 / eye.fps)
    times_s = np.round(times_s, 3)  # the wire has milliseconds
    numbers = np.arange(len(times_s)) if numbers is None else numbers[numbers < len(times_s)]
    times_s = times_s[numbers]
    view = _view(chance, eye, movers, land, sight, times_s)
    false = chance.poisson(sight.clutter, len(times_s))
    ids = _DeviceIds(chance, sight)
    stands = eye.stands(times_s)
    for frame, time_s in enumerate(times_s.tolist()):
        found: list[tuple[Detection, str | None]] = []
        for index in np.flatnonzero(view.seen[:, frame]).tolist():
            mover = movers[index]
            hint = ids.of(mover.id, time_s, knotted=bool(view.knotted[index, frame]))
            label = _label(chance, mover, sight)
            how = (label, float(chance.uniform(0.45, 0.95)), hint)
            found.append((_detection(view, index, frame, eye, how), mover.id))
        if false[frame]:
            ghosts = _ghosts(chance, eye, time_s, int(false[frame]))
            for index in np.flatnonzero(ghosts.seen[:, 0]).tolist():
                how = ("person", float(chance.uniform(0.25, 0.55)), ids.fresh())
                found.append((_detection(ghosts, index, 0, eye, how), None))
        order = chance.permutation(len(found)).tolist() if len(found) > 1 else range(len(found))
        x_m, y_m = stands[frame].tolist()
        number = int(numbers[frame])
        message = _message(eye, number, time_s, (x_m, y_m), tuple(found[i][0] for i in order))
        yield Look(time_s, message, tuple(found[i][1] for i in order))


def _view(
    chance: np.random.Generator,
    eye: Eye,
    movers: list[Mover],
    land: Land,
    sight: Sight,
    times_s: FloatArray,
) -> _View:
    truth = np.stack([mover.at(times_s) for mover in movers])
    inside = eye.covers(truth, times_s)
    for wood in land.woods:
        inside &= ~wood.holds(truth.reshape(-1, 2)).reshape(inside.shape)
    way = truth - eye.stands(times_s)
    range_m = np.hypot(way[..., 0], way[..., 1])
    bearing_deg = eye.bearing_deg(truth, times_s)
    hidden, knotted = np.zeros((2, *inside.shape), dtype=np.bool_)
    for index in range(len(movers)):
        side = np.abs(bearing_deg - bearing_deg[index]) < _OCCLUDED_DEG
        depth_m = range_m[index] - range_m
        near = side & inside & (np.abs(depth_m) < _BEHIND_M)
        near[index] = False
        knotted[index] = near.any(axis=0)
        hidden[index] = (near & (depth_m > 0.0)).any(axis=0)
    share = (range_m / eye.range_m) ** 2
    rate = sight.detect_near + (sight.detect_far - sight.detect_near) * share
    rate = np.where(hidden, sight.detect_occluded, rate)
    spots = placed(chance, eye, truth, times_s)
    seen = inside & (chance.random(inside.shape) < rate) & np.isfinite(spots.xy_m[..., 0])
    return _View(times_s, bearing_deg, range_m, seen, knotted, spots)


def _ghosts(chance: np.random.Generator, eye: Eye, time_s: float, number: int) -> _View:
    """Return false detections anywhere in the picture, as a view of one frame."""
    times_s = np.array([time_s])
    stand = eye.stands(times_s)[0]
    ahead = np.array(eye.aim_m) - stand
    bearing_deg = chance.uniform(-0.5, 0.5, (number, 1)) * eye.hfov_deg
    azimuth = np.arctan2(ahead[0], ahead[1]) + np.radians(bearing_deg)
    range_m = chance.uniform(eye.height_m, eye.range_m, (number, 1))
    points = stand + range_m[..., None] * np.stack((np.sin(azimuth), np.cos(azimuth)), axis=-1)
    spots = placed(chance, eye, points, times_s)
    seen = np.isfinite(spots.xy_m[..., 0])
    return _View(times_s, bearing_deg, range_m, seen, np.zeros_like(seen), spots)


class _DeviceIds:
    """The device's own tracker: mostly right, wrong where people stand close in the picture."""

    def __init__(self, chance: np.random.Generator, sight: Sight) -> None:
        self._chance, self._sight = chance, sight
        self._next = count(1)
        self._known: dict[str, tuple[int, float]] = {}

    def fresh(self) -> int:
        return next(self._next)

    def of(self, mover_id: str, time_s: float, *, knotted: bool) -> int:
        known = self._known.get(mover_id)
        slip = self._chance.random() < self._sight.id_switch * (10.0 if knotted else 1.0)
        if known is None or time_s - known[1] > _FORGOTTEN_S:
            number = self.fresh()
        elif slip and knotted:
            # Two people exchange their ids, whoever was last seen besides this one.
            other = max((o for o in self._known if o != mover_id), default=None,
                        key=lambda o: (self._known[o][1], o))  # fmt: skip
            number = known[0]
            if other is not None and time_s - self._known[other][1] <= 1.0:
                number, stamp = self._known[other]
                self._known[other] = (known[0], stamp)
        else:
            number = self.fresh() if slip else known[0]
        self._known[mover_id] = (number, time_s)
        return number


def _label(chance: np.random.Generator, mover: Mover, sight: Sight) -> str:
    if mover.kind == "animal" and chance.random() < sight.mistaken:
        return "person"
    if mover.kind == "person" and chance.random() < 0.2 * sight.mistaken:
        return "dog"
    return mover.label


def _detection(
    view: _View, index: int, frame: int, eye: Eye, how: tuple[str, float, int]
) -> Detection:
    label, confidence, hint = how
    lat, lon = FRAME.to_wgs84(*view.placed.xy_m[index, frame].tolist())
    across = 0.5 + float(view.bearing_deg[index, frame]) / eye.hfov_deg
    tall = min(0.5, _HUMAN_M / float(view.range_m[index, frame]) * 57.3 / (0.56 * eye.hfov_deg))
    foot = min(0.98, max(0.05 + tall, 0.25 + 6.0 / float(view.range_m[index, frame])))
    half = 0.1 * tall
    box = (max(0.0, across - half), foot - tall, min(1.0, across + half), foot)
    # The sector is so small, and so near the equator, that north is the plane's y axis: 1e-6 rad.
    whole, shared = (
        [round(value, 5) for value in cov[index, frame].tolist()]
        for cov in (view.placed.cov_m2, view.placed.cov_bias_m2)
    )
    return Detection(
        label=label,
        confidence=round(confidence, 3),
        bbox=(round(box[0], 4), round(box[1], 4), round(box[2], 4), round(box[3], 4)),
        lat=round(lat, 8),
        lon=round(lon, 8),
        cov_m2=(whole[0], whole[1], whole[2]),
        cov_bias_m2=(shared[0], shared[1], shared[2]),
        track_id=hint,
        grazing=bool(view.placed.grazing[index, frame]),
    )


def _message(
    eye: Eye,
    frame: int,
    time_s: float,
    stand_m: tuple[float, float],
    detections: tuple[Detection, ...],
) -> DetectionsMessage:
    lat, lon = FRAME.to_wgs84(*stand_m)
    kind = SensorKind.DRONE if eye.kind == "drone" else SensorKind.CAMERA
    return DetectionsMessage(
        v=1,
        message_id=f"{eye.name}-{frame}",
        device_id=eye.name,
        sector=ID,
        boot_id="b1",
        seq=frame,
        captured_at=BEGAN_AT.after(time_s),
        sensor=Sensor(kind=kind, lat=round(lat, 7), lon=round(lon, 7), alt_m=eye.height_m),
        detections=detections,
    )
