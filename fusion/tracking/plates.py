"""A plate as read: a hint which vehicle it is. It may tip a balance and never decides alone.

Readers mistake characters that look alike, so these count as one, and one more may be wrong. What
is kept is what was read: nothing is put right.
"""

import unicodedata
from functools import lru_cache
from typing import Final

from edge.messages import Plate

Plates = tuple[tuple[str, float], ...]  # summed confidence by text, the best first

SAME: Final = -2.0  # nats, as when the device itself says that it is the same one
OTHER: Final = 2.0
_READABLE: Final = 0.5  # of confidence; below it is no hint
_LENGTHS: Final = range(5, 17)  # shorter ones are parts of a plate, longer ones are no plate
_CLEARLY: Final = 3  # so many characters apart they are two plates
_MOST: Final = 4  # texts that a track remembers
_FULL: Final = 20.0  # old readings fade against new
_ALIKE: Final = str.maketrans("OQDILZASGTB", "00011245678")


def canonical(text: str) -> str:
    """Return a plate's text without what separates its parts, in upper case (DOMAIN.md 6.1)."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFC", text).upper()))


def normalised(plate: Plate | None) -> tuple[str, float] | None:
    """Return a plate's text as read, and its confidence; None: too vague, or no plate."""
    if plate is None or plate.confidence < _READABLE:
        return None
    text = canonical(plate.text)
    return (text, plate.confidence) if len(text) in _LENGTHS else None


def hint(read: tuple[str, float], known: Plates) -> float:
    """Return what a reading says against its being the vehicle of `known`, nats: -2 to 2."""
    if not known:
        return 0.0
    text, confidence = read
    apart = _apart(text.translate(_ALIKE), _leading(known))
    if apart <= 1:
        return SAME * confidence
    return OTHER * confidence if apart >= _CLEARLY else 0.0


def are_two(one: Plates, other: Plates) -> bool:
    """Tell whether two vehicles clearly bear different plates."""
    return bool(one and other) and _apart(_leading(one), _leading(other)) >= _CLEARLY


def tallied(*readings: tuple[str, float]) -> Plates:
    """Add up readings by text, the best few."""
    tally: dict[str, float] = {}
    for text, weight in readings:
        tally[text] = tally.get(text, 0.0) + weight
    fade = min(1.0, _FULL / max(1e-9, sum(tally.values())))
    counted = ((text, weight * fade) for text, weight in tally.items())
    return tuple(sorted(counted, key=lambda one: (-one[1], one[0]))[:_MOST])


@lru_cache(maxsize=4096)
def _leading(known: Plates) -> str:
    """Return what was read most often, characters that look alike taken for one."""
    tally: dict[str, float] = {}
    for text, weight in known:
        alike = text.translate(_ALIKE)
        tally[alike] = tally.get(alike, 0.0) + weight
    return max(tally, key=lambda text: (tally[text], text))


@lru_cache(maxsize=4096)
def _apart(one: str, other: str) -> int:
    """Return how many characters must change, go or come to make one text the other."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]
