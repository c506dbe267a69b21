"""How long nobody saw which stretch, and how long each device saw nothing, over days.

A line is kept in bins, so memory is bounded however long it goes on.
"""

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from fusion.situation.coverage import Coverage, Span, merged

BIN_M: Final = 50.0
_DEVICES_KEPT: Final = 4096
_HOUR_S: Final = 3600.0


class BlindStretch(NamedTuple):
    """A stretch of a line that nobody saw for so long, all in all."""

    line: tuple[str, str]  # `kind` and `id` of it: a trail may be called `border`
    from_m: float
    to_m: float
    hours: float


class BlindHours:
    """Adds up what instants showed. Times need not be equally far apart."""

    def __init__(self) -> None:
        """Begin with no time."""
        self.hours = 0.0  # accounted for
        self._bins_s: dict[tuple[str, str], list[float]] = {}
        self._lengths_m: dict[tuple[str, str], float] = {}
        self._devices_s: dict[str, float] = {}

    def add(self, lasted_s: float, covers: Iterable[Coverage], blind: Iterable[str]) -> None:
        """Account for a time.

        Args:
            lasted_s: How long.
            covers: How much of each line was seen meanwhile.
            blind: The devices that saw nothing.
        """
        self.hours += lasted_s / _HOUR_S
        for cover in covers:
            line, length_m = (cover.line.kind, cover.line.id), cover.line.length_m
            bins_s = self._bins_s.setdefault(line, [0.0] * max(1, math.ceil(length_m / BIN_M)))
            self._lengths_m[line] = length_m
            for span in cover.unseen:
                for number, share in _shares(span, length_m):
                    bins_s[number] += share * lasted_s
        for name in blind:
            if name in self._devices_s or len(self._devices_s) < _DEVICES_KEPT:
                self._devices_s[name] = self._devices_s.get(name, 0.0) + lasted_s

    def join(self, other: "BlindHours") -> None:
        """Account for another time of the same sector's too."""
        bins_s, devices_s = other._bins_s, other._devices_s  # noqa: SLF001 - of its own kind
        self.hours += other.hours
        self._lengths_m |= other._lengths_m  # noqa: SLF001
        for line, others_s in bins_s.items():
            mine_s = self._bins_s.setdefault(line, [0.0] * len(others_s))
            for number, lasted_s in enumerate(others_s):
                mine_s[number] += lasted_s
        for name, lasted_s in devices_s.items():
            if name in self._devices_s or len(self._devices_s) < _DEVICES_KEPT:
                self._devices_s[name] = self._devices_s.get(name, 0.0) + lasted_s

    def blind_km_h(self) -> dict[tuple[str, str], float]:
        """Return, by `kind` and `id` of the line, kilometres unseen times hours."""
        found = {}
        for line, bins_s in self._bins_s.items():
            length_m = self._lengths_m[line]
            found[line] = math.fsum(
                lasted_s * (min(length_m, (number + 1) * BIN_M) - number * BIN_M)
                for number, lasted_s in enumerate(bins_s)
            ) / (1000.0 * _HOUR_S)
        return found

    def stretches(self, *, least_h: float = 0.0) -> list[BlindStretch]:
        """Return what was unseen for longer than that, by line and chainage; alike bins joined."""
        found = []
        for line, bins_s in sorted(self._bins_s.items()):
            length_m = self._lengths_m[line]
            alike: dict[float, list[Span]] = {}
            for number, lasted_s in enumerate(bins_s):
                hours = round(lasted_s / _HOUR_S, 2)
                if hours > least_h:
                    span = number * BIN_M, min(length_m, (number + 1) * BIN_M)
                    alike.setdefault(hours, []).append(span)
            found += [
                BlindStretch(line, from_m, to_m, hours)
                for hours, spans in alike.items()
                for from_m, to_m in merged(spans)
            ]
        return sorted(found, key=lambda one: (one.line, one.from_m))

    def devices(self) -> dict[str, float]:
        """Return how many hours each device saw nothing, by name."""
        return {name: one / _HOUR_S for name, one in sorted(self._devices_s.items())}


def _shares(span: Span, length_m: float) -> Iterable[tuple[int, float]]:
    """Yield the bins that a span touches and which part of each it takes."""
    from_m, to_m = span
    for number in range(int(from_m // BIN_M), max(1, math.ceil(to_m / BIN_M))):
        begin_m = number * BIN_M
        end_m = min(length_m, begin_m + BIN_M)
        taken_m = min(to_m, end_m) - max(from_m, begin_m)
        if taken_m > 0.0:
            yield number, taken_m / (end_m - begin_m)
