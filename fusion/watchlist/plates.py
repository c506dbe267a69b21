"""How likely a plate that was read is one that is wanted: a noisy channel, P(read | true).

Readers mistake characters that look alike. Where a letter stands for a digit or a digit for a
letter (`Z` for `2`) the shape of the true plate shows the mistake, so it counts for little; two
digits or two letters that look alike (`3` for `8`) make another plate that may exist, and count
for more. What was read is never put right: it is only held against what is wanted.

    cost, nats     0.1   letter for the digit that looks like it, or the other way round; Đ for D
                   0.35  two digits or two letters that look alike
                   1.0   a character missing or too many
                   1.5   any other character

Shapes of Vietnamese plates: DOMAIN.md 6.1 (Circular 24/2023/TT-BCA and its successors).
"""

import math
import re
from functools import lru_cache
from typing import Final

from fusion.tracking.plates import Plates

CAR: Final = "car"
MOTORCYCLE: Final = "motorcycle"
MILITARY: Final = "military"
DIPLOMATIC: Final = "diplomatic"
FOREIGN: Final = "foreign"  # or unknown: a shape that is none of ours is no error

_OTHER_CLASS: Final = 0.1
_ALIKE: Final = 0.35
_GAP: Final = 1.0
_ANY: Final = 1.5

_PROVINCE: Final = r"(?:1[1-9]|[2-9]\d)"
_SERIES: Final = "A-HK-NPR-VXYZĐ"  # no I, J, O, Q, W
_SHAPES: Final = (
    (CAR, re.compile(rf"{_PROVINCE}(?:[{_SERIES}]|KT|LD|DA|CD|RM|MK|TĐ|HC)\d{{4,5}}")),
    (MOTORCYCLE, re.compile(rf"{_PROVINCE}[{_SERIES}][{_SERIES}1-9]\d{{4,5}}")),
    (MILITARY, re.compile(r"[A-Z]{2}\d{4}")),
    (DIPLOMATIC, re.compile(r"\d{2}\d{3}(?:NG|NN|QT)\d{2}")),
)
_CROSSED: Final = (
    *(("0", letter) for letter in "ODQ"), *(("1", letter) for letter in "ILT"),
    *(("3", "J"), ("7", "J"), ("2", "Z"), ("4", "A"), ("5", "S"), ("6", "G"), ("8", "B")),
    ("Đ", "D"),
)  # fmt: skip
_PAIRED: Final = (
    "17", "38", "56", "68", "CG", "EF", "HN", "KX", "MN", "PR", "UV", "VY", "OD", "OQ", "DQ", "IL",
    "IT", "LT",
)  # fmt: skip
_COSTS: Final = {
    **{frozenset(pair): _OTHER_CLASS for pair in _CROSSED},
    **{frozenset(pair): _ALIKE for pair in _PAIRED},
}
_FOLDED: Final = str.maketrans("OQDĐILTZASGBJ", "0000111245683")
_DIGITS: Final = 10  # that may stand in one place
_LETTERS: Final = 20


def shapes_of(text: str) -> tuple[str, ...]:
    """Return what kinds of plate a canonical text may be; `foreign` where it is none of ours."""
    found = tuple(name for name, shape in _SHAPES if shape.fullmatch(text))
    return found or (FOREIGN,)


@lru_cache(maxsize=8192)
def cost(read: str, true: str) -> float:
    """Return -log P(read | true), both canonical, counted from a reading without a mistake."""
    row = [_GAP * column for column in range(len(true) + 1)]
    for i, seen in enumerate(read, 1):
        before, row[0] = row[0], _GAP * i
        for j, stands in enumerate(true, 1):
            taken = before + _taken_for(seen, stands)
            before, row[j] = row[j], min(row[j] + _GAP, row[j - 1] + _GAP, taken)
    return round(row[-1], 6)


def as_near(true: str, at_most: float) -> float:
    """Return how many plates of its shape lie as near to a plate as a reading of that cost.

    By substitutions, place by place; and about as many more for a character that is missing.
    """
    ways = {0.0: 1.0}
    for stands in true:
        alphabet = _DIGITS if stands.isdigit() else _LETTERS
        alike = sum(
            all(one.isdigit() is stands.isdigit() for one in pair)
            for pair in _COSTS
            if stands in pair
        )
        steps = ((0.0, 1.0), (_ALIKE, float(alike)), (_ANY, float(alphabet)))
        more: dict[float, float] = {}
        for spent, count in ways.items():
            for step, choices in steps:
                total = round(spent + step, 6)
                if total <= at_most:
                    more[total] = more.get(total, 0.0) + count * choices
        ways = more
    gaps = int(at_most / _GAP)
    return sum(ways.values()) * float(len(true) * _LETTERS) ** gaps


def all_like(true: str) -> float:
    """Return how many plates of a shape there are in one province: its code tells little here.

    Near a border most vehicles are of one province, so its two digits hardly tell them apart.
    """
    body = true if shapes_of(true) in {(FOREIGN,), (MILITARY,)} else true[2:]
    count = 1.0
    for character in body:
        count *= _DIGITS if character.isdigit() else _LETTERS
    return count


def score(plates: Plates, true: str) -> float:
    """Return how likely a vehicle whose plate was read so bears a wanted one, 0 to 1.

    Each reading speaks for it as far as it fits and as sure as it was; readings of something else
    speak against it.
    """
    total = sum(weight for _, weight in plates)
    speaks = sum(weight * math.exp(-cost(text, true)) for text, weight in plates)
    return speaks / max(1.0, total)


def keys_of(text: str) -> frozenset[str]:
    """Return the keys by which two texts find each other that may be one with one mistake more.

    Characters of two classes that look alike are one; a key is the text, or it without one.
    """
    alike = text.translate(_FOLDED)
    return frozenset((alike, *(alike[:i] + alike[i + 1 :] for i in range(len(alike)))))


def _taken_for(read: str, true: str) -> float:
    return 0.0 if read == true else _COSTS.get(frozenset((read, true)), _ANY)
