"""Two tracks that lie on one another for a while are one: seen by two devices, or named two ways.

Unless one device saw both in the same frame: then they are two people walking side by side.
"""

import math
from collections.abc import Container, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Final

from fusion.tracking.fixes import may_be_one
from fusion.tracking.motion import mahalanobis, plus
from fusion.tracking.plates import are_two
from fusion.tracking.track import RECENT_S, Track

if TYPE_CHECKING:
    from fusion.tracking.tracker import Tracker

_ALIKE_D2: Final = 9.2103  # chi-squared, 2 degrees of freedom: 0.99
_ALIKE_MPS: Final = 0.3  # beyond two sigmas of the difference
_CLOSE_M: Final = 5.0  # nobody farther apart is merged, however vague the fixes
_FRESH_S: Final = 1.5

Pair = tuple[str, str]  # ids, the smaller first


class Overlaps:
    """Which tracks lie on one another, and which were seen apart."""

    def __init__(self) -> None:
        """Begin with none."""
        self.since: dict[Pair, float] = {}
        self.apart: dict[Pair, float] = {}

    def copy(self) -> "Overlaps":
        """Return an independent copy."""
        twin = Overlaps()
        twin.since, twin.apart = dict(self.since), dict(self.apart)
        return twin

    def part(self, ids: Container[str], *, inside: bool) -> "Overlaps":
        """Return those between tracks of `ids`, or all others: nobody is compared across."""
        twin = Overlaps()
        twin.since = {pair: s for pair, s in self.since.items() if (pair[0] in ids) is inside}
        twin.apart = {pair: s for pair, s in self.apart.items() if (pair[0] in ids) is inside}
        return twin

    def joined(self, other: "Overlaps") -> "Overlaps":
        """Return both together."""
        twin = Overlaps()
        twin.since = self.since | other.since
        twin.apart = self.apart | other.apart
        return twin

    def rename(self, name: str, new: str) -> None:
        """Keep under another name what is known of a track."""
        for pair in [pair for pair in self.apart if name in pair]:
            other = pair[0] if pair[1] == name else pair[1]
            at_s = self.apart.pop(pair)
            if other != new:
                self.apart[min(other, new), max(other, new)] = at_s

    def seen_apart(self, tracks: Sequence[Track], at_s: float) -> None:
        """Note that one frame showed several tracks: those close together are different."""
        for one, other in combinations(tracks, 2):
            if _gap_m(one, other) <= 2.0 * _CLOSE_M:
                self.apart[_pair(one, other)] = at_s

    def found(self, tracker: "Tracker", at_s: float, merge_s: float) -> Iterator[tuple[str, str]]:
        """Yield `(kept, lost)` for tracks that have been one for `merge_s`; the older is kept."""
        old = [pair for pair, seen_s in self.apart.items() if at_s - seen_s > RECENT_S]
        for pair in old:
            del self.apart[pair]
        fresh = [
            track
            for track in tracker.tracks.values()
            if track.confirmed and at_s - track.seen_s <= _FRESH_S
        ]
        fresh.sort(key=lambda track: (track.motion.x_m, track.id))
        before, self.since = self.since, {}
        gone: set[str] = set()
        for one, other in _neighbours(fresh):
            pair = _pair(one, other)
            if pair in self.apart or not _alike(tracker, one, other, at_s):
                continue
            self.since[pair] = before.get(pair, at_s)
            if at_s - self.since[pair] >= merge_s and not gone & {one.id, other.id}:
                older, younger = sorted((one, other), key=lambda track: (track.born_s, track.id))
                gone.add(younger.id)
                yield older.id, younger.id


def _neighbours(tracks: Sequence[Track]) -> Iterator[tuple[Track, Track]]:
    """Yield the pairs close to one another; `tracks` are sorted by x."""
    for index, one in enumerate(tracks):
        for other in tracks[index + 1 :]:
            if other.motion.x_m - one.motion.x_m > 2.0 * _CLOSE_M:
                break
            if abs(other.motion.y_m - one.motion.y_m) <= 2.0 * _CLOSE_M:
                yield one, other


def _alike(tracker: "Tracker", one: Track, other: Track, at_s: float) -> bool:
    if not may_be_one(one.kind, other.kind) or are_two(one.plates, other.plates):
        return False
    here, there = tracker.at(one, at_s), tracker.at(other, at_s)
    if math.hypot(here.x_m - there.x_m, here.y_m - there.y_m) > _CLOSE_M:
        return False
    sigma_mps = math.sqrt(max(here.c[0], here.c[2]) + max(there.c[0], there.c[2]))
    drift_mps = math.hypot(here.vx_mps - there.vx_mps, here.vy_mps - there.vy_mps)
    if drift_mps > _ALIKE_MPS + 2.0 * sigma_mps:
        return False
    cov = plus(plus(one.bias, one.shared), other.cov_of(there))
    d2, _ = mahalanobis(here, there.x_m, there.y_m, cov)
    return d2 <= _ALIKE_D2


def _gap_m(one: Track, other: Track) -> float:
    return math.hypot(one.motion.x_m - other.motion.x_m, one.motion.y_m - other.motion.y_m)


def _pair(one: Track, other: Track) -> Pair:
    return (one.id, other.id) if one.id < other.id else (other.id, one.id)
