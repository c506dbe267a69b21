"""Which fix of a look belongs to which track: gates, likelihoods, one global assignment.

The cost of a pair is its negative log-likelihood, 0.5 (d² + ln|S|), with capped hints. |S| must be
in it, or else the sloppiest sensor wins every contest (DOMAIN.md 5.2).
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import lap
import numpy as np

from fusion.tracking.fixes import Fix, Look, may_be_one
from fusion.tracking.motion import Motion, mahalanobis, plus
from fusion.tracking.track import Track

_SAME_DEVICE_TRACK: Final = -2.0  # nats: the device says it is the same one
_OTHER_DEVICE_TRACK: Final = 1.0  # the device says it is another one
_OTHER_KIND: Final = 3.0  # a person taken for an animal in one frame, or the other way round
_UNCONFIRMED: Final = 4.0  # what is known takes precedence over what may be clutter
_HINT_AGE_S: Final = 3.0


class Candidate(NamedTuple):
    """A track near a look, moved on to the instant of the look."""

    track: Track
    motion: Motion
    alone: bool  # only this device saw it lately
    reach_m: float  # no fix of the look farther away can lie in its gate


class _Pair(NamedTuple):
    cost: float
    limit: float  # cost at the edge of the gate
    column: int


def assign(look: Look, candidates: Sequence[Candidate], *, gate: float) -> list[int | None]:
    """Return, for each fix, the index of its candidate, or None."""
    rows = [_pairs(look, fix, candidates, gate) for fix in look.fixes]
    best = [min(row).column if row else None for row in rows]
    taken = [column for column in best if column is not None]
    if len(set(taken)) == len(taken):
        return best  # everyone gets the dearest wish: no assignment can be cheaper
    return _global(rows, len(candidates))


def _pairs(look: Look, fix: Fix, candidates: Sequence[Candidate], gate: float) -> list[_Pair]:
    pairs = []
    for column, (track, motion, alone, reach_m) in enumerate(candidates):
        if abs(fix.x_m - motion.x_m) > reach_m or abs(fix.y_m - motion.y_m) > reach_m:
            continue
        if not may_be_one(fix.kind, track.kind):
            continue
        hint = 0.0 if fix.kind == track.kind else _OTHER_KIND
        cov = fix.random if alone else plus(fix.cov, track.bias)
        d2, det = mahalanobis(motion, fix.x_m, fix.y_m, cov)
        if d2 + 2.0 * hint > gate:
            continue
        hint += _device_hint(look, fix, track)
        if not track.confirmed:
            hint += _UNCONFIRMED
        log_det = math.log(det)
        limit = 0.5 * (gate + log_det) + _OTHER_DEVICE_TRACK + _UNCONFIRMED
        pairs.append(_Pair(0.5 * (d2 + log_det) + hint, limit, column))
    return pairs


def _device_hint(look: Look, fix: Fix, track: Track) -> float:
    if fix.device_track is None:
        return 0.0
    for sighting in track.sightings:
        if sighting.device == look.device:
            if sighting.device_track is None or look.at_s - sighting.at_s > _HINT_AGE_S:
                return 0.0
            same = sighting.device_track == fix.device_track
            return _SAME_DEVICE_TRACK if same else _OTHER_DEVICE_TRACK
    return 0.0


def _global(rows: list[list[_Pair]], width: int) -> list[int | None]:
    """Solve the assignment with a place of its own for every fix that stays alone."""
    # Columns: the candidates, then one "nobody" per fix at the cost of the edge of its gate.
    forbidden = 1e6
    cost = np.full((len(rows), width + len(rows)), forbidden)
    for index, row in enumerate(rows):
        for pair in row:
            cost[index, pair.column] = pair.cost
        cost[index, width + index] = max((pair.limit for pair in row), default=0.0)
    _, columns, _ = lap.lapjv(cost, extend_cost=True)
    return [int(column) if column < width else None for column in columns]
