"""A night of given ingredients: its recording, its truth. Same ingredients and seed, same bytes.

What is made is kept in `.cache/nights`, under the hash of what it is made of and of what makes it.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from msgspec.structs import replace

from tests.benchmarks.nights.cameras import flown, posted
from tests.benchmarks.nights.ground import grown, written
from tests.benchmarks.nights.matters import matters_of
from tests.benchmarks.nights.people import Cast, about
from tests.benchmarks.nights.pictures import pictures
from tests.benchmarks.nights.truth import Sight as Sighted
from tests.benchmarks.nights.truth import Truth, truth_of
from tests.benchmarks.nights.visits import visitors, with_zone
from tests.benchmarks.nights.ways import Ways
from tests.benchmarks.scoreboard.delivery import Line, Links, Message, delivered, positions
from tests.benchmarks.scoreboard.sector import FloatArray
from tests.benchmarks.scoreboard.sightings import Sight

FULL_S: Final = 1_800.0
_FOLDER: Final = Path(__file__).parents[3] / ".cache" / "nights"
# Whatever these say, a night stays what it is.
_NO_MAKERS: Final = frozenset(
    {"__main__.py", "negatives.py", "scoring.py", "metrics.py", "peers.py", "ours.py"}
)
_MAKERS: Final = (Path(__file__).parent, Path(__file__).parents[1] / "scoreboard")


class Ingredients(NamedTuple):
    """What a night is made of."""

    cast: Cast = Cast()
    trails: int = 6
    woods: int = 5
    fields: int = 5
    cameras: int = 13
    between: int = 0  # and so many more for each trail, along the line
    drone: bool = True
    gate: bool = True
    visits: bool = True  # one who stays, a meeting, a restricted zone and one who goes into it
    sight: Sight = Sight()
    links: Links = Links()
    empty_clutter: float | None = None  # see `pictures`


STANDARD: Final = Ingredients()
SEED: Final = 6101  # published, and scored
UNSEEN_SEED: Final = 6202
TUNING_SEEDS: Final = (971, 972, 973)  # for whoever tunes: never scored


class Night(NamedTuple):
    """What a night lies in, and its truth."""

    name: str
    folder: Path  # sector.toml, messages.jsonl
    truth: Truth
    ways: Ways

    @property
    def sector(self) -> Path:
        """Return the sector's file."""
        return self.folder / "sector.toml"

    @property
    def messages(self) -> Path:
        """Return the recording."""
        return self.folder / "messages.jsonl"


def standard(seed: int = SEED, *, until_s: float = FULL_S) -> Night:
    """Return the standard night; with another seed, one of its kind."""
    return kept(f"standard-{seed}", STANDARD, seed=seed, until_s=until_s)


def unseen(seed: int = UNSEEN_SEED, *, until_s: float = FULL_S) -> Night:
    """Return a night of the same ingredients in amounts of its own."""
    chance = np.random.default_rng([seed, 1])

    def some(least: int, most: int) -> int:
        return int(chance.integers(least, most + 1))

    cast = Cast(
        groups=some(18, 30), turn_backs=some(3, 8), inbound=float(chance.uniform(0.1, 0.5)),
        guides=float(chance.uniform(0.1, 0.3)), stragglers=float(chance.uniform(0.1, 0.3)),
        rests=float(chance.uniform(0.1, 0.5)), off_trail=float(chance.uniform(0.0, 0.3)),
        dropped=float(chance.uniform(0.0, 0.3)), farmers=some(3, 9), animals=some(3, 9),
        patrols=some(2, 5), walkers=some(1, 4), vehicles=some(6, 20),
        travellers_each_s=float(chance.uniform(30.0, 90.0)),
    )  # fmt: skip
    trails = some(5, 7)
    ingredients = Ingredients(
        cast, trails=trails, woods=some(3, 7), fields=some(4, 7), cameras=2 * trails + 1,
        sight=Sight(clutter=float(chance.uniform(0.01, 0.08))),
        links=Links(late_share=float(chance.uniform(0.1, 0.5))),
    )  # fmt: skip
    return kept(f"unseen-{seed}", ingredients, seed=seed, until_s=until_s)


def kept(name: str, ingredients: Ingredients, *, seed: int, until_s: float) -> Night:
    """Return a night, made now or before."""
    stem = f"{name}-{until_s:g}s"
    folder = _FOLDER / f"{stem}-{_mark(ingredients, seed, until_s)}"
    if not folder.exists():
        _FOLDER.mkdir(parents=True, exist_ok=True)
        for old in _FOLDER.glob(f"{stem}-*"):
            shutil.rmtree(old, ignore_errors=True)
        scratch = Path(tempfile.mkdtemp(dir=_FOLDER))
        make(scratch, ingredients, seed=seed, until_s=until_s)
        # Whole or not at all; another process may have been faster, with the same bytes.
        if folder.exists():
            shutil.rmtree(scratch)
        else:
            scratch.rename(folder)
    return loaded(name, folder)


def loaded(name: str, folder: Path) -> Night:
    """Read a night that was made in a folder."""
    truth = msgspec.json.decode((folder / "truth.json").read_bytes(), type=Truth)
    ways = Ways.read(folder / "ways.npz")
    return Night(name, folder, truth, ways)


def _mark(ingredients: Ingredients, seed: int, until_s: float) -> str:
    digest = hashlib.sha256(repr((ingredients, seed, until_s)).encode())
    for folder in _MAKERS:
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes() if path.name not in _NO_MAKERS else b"")
    return digest.hexdigest()[:12]


def make(folder: Path, ingredients: Ingredients, *, seed: int, until_s: float) -> None:
    """Make a night. Land, cast, devices and links draw from streams of their own."""
    streams = np.random.default_rng(seed).spawn(6)
    on_ground, on_people, on_eyes, on_sight, on_links, on_visits = streams
    ground = grown(
        on_ground, trails=ingredients.trails, woods=ingredients.woods,
        fields=ingredients.fields, gate=ingredients.gate,
    )  # fmt: skip
    people = about(on_people, ground, ingredients.cast, until_s)
    if ingredients.visits:
        ground = with_zone(on_visits, ground)
        people = people._replace(visitors=tuple(visitors(on_visits, ground, until_s)))
    eyes = posted(on_eyes, ground, ingredients.cameras, between=ingredients.between)
    if ingredients.drone:
        eyes.append(flown(on_eyes, ground, until_s))
    told: list[tuple[float, Message]] = []
    for eye, stream in zip(eyes, on_sight.spawn(len(eyes)), strict=True):
        seen = pictures(
            stream, eye, people.movers, ground, ingredients.sight, until_s,
            empty_clutter=ingredients.empty_clutter,
        )  # fmt: skip
        told += [(look.captured_s, look.message) for look in seen]
    told += positions(on_links, people.movers, every_s=5.0, accuracy_m=5.0)
    told.sort(key=lambda one: (one[0], one[1].message_id))
    lines = delivered(on_links, told, ingredients.links, until_s)
    sighted = Sighted(tuple(eyes), _arrived(told, lines))
    written(folder, ground)
    with (folder / "messages.jsonl").open("wb") as file:
        file.writelines(line.encoded() for line in lines)
    Ways.of(people.movers, until_s).write(folder / "ways.npz")
    truth = truth_of(people, ground, sighted, until_s)
    truth = replace(truth, matters=tuple(matters_of(people, ground, sighted)))
    (folder / "truth.json").write_bytes(msgspec.json.encode(truth))


def _arrived(
    told: Sequence[tuple[float, Message]], lines: Sequence[Line]
) -> dict[str, FloatArray]:
    """Return when each device had a picture that arrived, sooner or later."""
    came = {line.topic.split("/")[3] + " " + id_of(line) for line in lines}
    found: dict[str, list[float]] = {}
    for captured_s, message in told:
        name = getattr(message, "device_id", None)
        if name is not None and f"{name} {message.message_id}" in came:
            found.setdefault(name, []).append(captured_s)
    return {name: np.array(times_s) for name, times_s in found.items()}


def id_of(line: Line) -> str:
    """Return the id of a recorded message."""
    start = line.payload.index(b'"message_id":"') + 14
    return line.payload[start : line.payload.index(b'"', start)].decode()
