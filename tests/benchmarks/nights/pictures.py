"""What a device sends in a night or a day; of empty hours little, since they cost and tell nothing."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from tests.benchmarks.nights.ground import Ground
from tests.benchmarks.scoreboard.devices import Eye
from tests.benchmarks.scoreboard.movers import Mover
from tests.benchmarks.scoreboard.sector import FloatArray
from tests.benchmarks.scoreboard.sightings import Look, Sight, looks

_BEFORE_S: Final = 5.0
_AFTER_S: Final = 30.0  # until whatever was tracked is gone
_PIECE_S: Final = 900.0
_BURST: Final = 3  # frames around clutter where nobody is: it may well come back


def pictures(
    chance: np.random.Generator,
    eye: Eye,
    movers: Sequence[Mover],
    ground: Ground,
    sight: Sight,
    until_s: float,
    *,
    empty_clutter: float | None,
) -> Iterator[Look]:
    """Yield a device's frames, not in order.

    Only those who ever come into its view are worked out.

    Args:
        chance: Where chance comes from.
        eye: The device.
        movers: Everyone.
        ground: Woods hide them.
        sight: How well it sees.
        until_s: Length.
        empty_clutter: None: it sends every frame. Else those around whoever is in its view, and
            of the others such as show clutter, so much a frame over all of them.
    """
    inside = [(one, times_s) for one in movers if len(times_s := _in_view_s(eye, one))]
    nobody = list(movers[:1])
    if empty_clutter is None:
        seen = [one for one, _ in inside] or nobody
        yield from looks(chance, eye, seen, ground.land, sight, until_s)
        return
    count = int(until_s * eye.fps)
    busy = np.zeros(count, dtype=np.bool_)
    for first, last in _stretches([times_s for _, times_s in inside], until_s):
        numbers = np.arange(int(first * eye.fps), min(count, int(last * eye.fps)))
        busy[numbers] = True
        near = [one for one, times_s in inside if np.any((times_s >= first) & (times_s < last))]
        yield from looks(chance, eye, near or nobody, ground.land, sight, until_s, numbers)
    bursts = np.flatnonzero(~busy & (chance.random(count) < empty_clutter / _BURST))
    numbers = np.unique(np.add.outer(bursts, np.arange(_BURST)))
    numbers = numbers[numbers < count]
    numbers = numbers[~busy[numbers]]
    if len(numbers):
        # Nobody of these is in view: what it shows is clutter, one a frame.
        dull = sight._replace(clutter=1.0)
        yield from looks(chance, eye, nobody, ground.land, dull, until_s, numbers)


def _in_view_s(eye: Eye, mover: Mover) -> FloatArray:
    """Return when someone is in a device's view, second by second."""
    times_s = np.append(np.arange(mover.times_s[0], mover.times_s[-1]), mover.times_s[-1])
    return np.asarray(times_s[eye.covers(mover.at(times_s), times_s)])


def _stretches(times_s: Sequence[FloatArray], until_s: float) -> Iterator[tuple[float, float]]:
    """Yield spans, in order and apart, that hold some instants and what is around them."""
    marked = np.zeros(int(until_s) + 1, dtype=np.bool_)
    for one in times_s:
        for back_s in range(int(-_BEFORE_S), int(_AFTER_S) + 1):
            marked[np.clip((one + back_s).astype(np.int64), 0, int(until_s))] = True
    edges = np.flatnonzero(np.diff(np.concatenate(([0], marked.astype(np.int8), [0]))))
    for first, last in edges.reshape(-1, 2).tolist():
        for begins_s in np.arange(first, last, _PIECE_S):
            yield float(begins_s), float(min(last, begins_s + _PIECE_S))
