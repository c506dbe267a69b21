"""The scenes: what each is made of, and its truth. Same ingredients and seed, same bytes."""

from typing import Final, NamedTuple

import numpy as np

from edge.messages import DetectionsMessage
from tests.benchmarks.scoreboard.delivery import Line, Links, Message, delivered, positions
from tests.benchmarks.scoreboard.devices import Eye, drones, masts
from tests.benchmarks.scoreboard.movers import FULL_S, Cast, Mover, cast_of
from tests.benchmarks.scoreboard.sector import FloatArray, Land, grown
from tests.benchmarks.scoreboard.sightings import Look, Sight, looks

SHORT_S: Final = 150.0
TRUTH_HZ: Final = 2.0


class Ingredients(NamedTuple):
    """What a scene is made of."""

    cast: Cast = Cast()
    trails: int = 3
    woods: int = 3
    fields: int = 2
    masts: int = 5
    reach_m: float = 200.0
    drones: int = 1
    sight: Sight = Sight()
    links: Links = Links()


class Truth(NamedTuple):
    """Where everyone truly is, at 2 Hz."""

    times_s: FloatArray  # (T,) since the scene began
    ids: tuple[str, ...]  # of M movers
    kinds: tuple[str, ...]
    xy_m: FloatArray  # (M, T, 2); nan where they are not about
    covered: np.ndarray  # (M, T) within some device's view, if nothing hid them
    devices: int  # that look


class Scene(NamedTuple):
    """A recording and its truth."""

    name: str
    seed: int
    until_s: float
    lines: tuple[Line, ...]  # in order of arrival
    looks: tuple[Look, ...]  # as captured, in order of event time, those lost left out
    truth: Truth
    land: Land
    eyes: tuple[Eye, ...]

    @property
    def detections(self) -> int:
        """Return how many detections arrive, each counted once."""
        return sum(len(look.message.detections) for look in self.looks)


STANDARD: Final = {
    "trails": Ingredients(),
    "fields": Ingredients(
        cast=Cast(groups=4, farmers=4, animals=5, patrols=2, vehicles=6), trails=2, fields=3
    ),
    "far": Ingredients(
        cast=Cast(groups=7, farmers=1, animals=1, patrols=1, vehicles=2),
        trails=4, woods=5, masts=4, reach_m=300.0, drones=2,
        links=Links(jitter_s=0.12, late_share=0.5, dead_share=0.2),
    ),
}  # fmt: skip
SEEDS: Final = {"trails": 4101, "fields": 4202, "far": 4303}  # published, and scored
TUNING_SEED: Final = 977  # for whoever tunes, ours and peers: never scored


def scene(name: str, *, seed: int | None = None, until_s: float = FULL_S) -> Scene:
    """Return a standard scene; with another seed, one of its kind that nobody has seen."""
    return made(name, STANDARD[name], seed=SEEDS[name] if seed is None else seed, until_s=until_s)


def unseen(seed: int, *, until_s: float = FULL_S) -> Scene:
    """Return a scene of the same ingredients in amounts of its own."""
    chance = np.random.default_rng([seed, 1])

    def some(least: int, most: int) -> int:
        return int(chance.integers(least, most + 1))

    ingredients = Ingredients(
        cast=Cast(some(3, 8), some(0, 4), some(0, 5), some(0, 2), some(0, 6)),
        trails=some(2, 4), woods=some(1, 5), fields=some(1, 3), masts=some(4, 8),
        reach_m=float(chance.uniform(150.0, 300.0)), drones=some(0, 2),
        sight=Sight(clutter=float(chance.uniform(0.01, 0.08))),
        links=Links(late_share=float(chance.uniform(0.0, 0.6))),
    )  # fmt: skip
    return made(f"unseen-{seed}", ingredients, seed=seed, until_s=until_s)


def made(name: str, ingredients: Ingredients, *, seed: int, until_s: float) -> Scene:
    """Make a scene. Land, cast, devices and links draw from streams of their own."""
    streams = np.random.default_rng(seed).spawn(5)
    on_land, on_cast, on_eyes, on_sight, on_links = streams
    land = grown(
        on_land, trails=ingredients.trails, woods=ingredients.woods, fields=ingredients.fields
    )
    movers = cast_of(on_cast, land, ingredients.cast, until_s)
    eyes = masts(on_eyes, ingredients.masts, reach_m=ingredients.reach_m)
    eyes += drones(on_eyes, ingredients.drones, until_s)
    seen = [
        look
        for eye, stream in zip(eyes, on_sight.spawn(len(eyes)), strict=True)
        for look in looks(stream, eye, movers, land, ingredients.sight, until_s)
    ]
    told: list[tuple[float, Message]] = [(look.captured_s, look.message) for look in seen]
    told += positions(on_links, movers, every_s=5.0, accuracy_m=5.0)
    told.sort(key=lambda one: (one[0], one[1].message_id))
    lines = delivered(on_links, told, ingredients.links, until_s)
    arrived = {(line.topic.split("/")[3], _id_of(line)) for line in lines}
    kept = [look for look in seen if _key(look.message) in arrived]
    kept.sort(key=lambda look: (look.captured_s, look.message.message_id))
    truth = _truth(movers, eyes, until_s)
    return Scene(name, seed, until_s, tuple(lines), tuple(kept), truth, land, tuple(eyes))


def _truth(movers: list[Mover], eyes: list[Eye], until_s: float) -> Truth:
    times_s = np.arange(0.0, until_s, 1.0 / TRUTH_HZ)
    xy_m = np.stack([mover.at(times_s) for mover in movers])
    covered = np.zeros(xy_m.shape[:2], dtype=np.bool_)
    for eye in eyes:
        covered |= eye.covers(xy_m, times_s)
    ids, kinds = tuple(mover.id for mover in movers), tuple(mover.kind for mover in movers)
    return Truth(times_s, ids, kinds, xy_m, covered, len(eyes))


def _key(message: DetectionsMessage) -> tuple[str, str]:
    return message.device_id, message.message_id


def _id_of(line: Line) -> str:
    start = line.payload.index(b'"message_id":"') + 14
    return line.payload[start : line.payload.index(b'"', start)].decode()
