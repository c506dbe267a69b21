"""Small sets of landmarks, evenly chosen of all that there are."""

from collections.abc import Iterator
from math import comb


def sets_of(count: int, size: int, *, most: int) -> Iterator[tuple[int, ...]]:
    """Give sets of so many row numbers, each ascending: all, or every so manieth.

    Each is reckoned from its number in the order of `itertools.combinations`. To walk past those
    in between took a quarter of an hour with a thousand landmarks.

    Args:
        count: Of rows.
        size: Of each set.
        most: Of the sets, less than twice so many are given.
    """
    total = comb(count, size)
    for number in range(0, total, max(1, total // most)):
        yield _set_at(number, count, size)


def _set_at(number: int, count: int, size: int) -> tuple[int, ...]:
    chosen: list[int] = []
    row = 0
    while len(chosen) < size:
        with_row = comb(count - row - 1, size - len(chosen) - 1)
        if number < with_row:
            chosen.append(row)
        else:
            number -= with_row
        row += 1
    return tuple(chosen)
