"""Which fix of a look belongs to which track: gates, likelihoods, one global assignment.

The cost of a pair is its negative log-likelihood, 0.5 (d² + ln|S|), with capped hints. |S| must be
in it, or else the sloppiest sensor wins every contest (DOMAIN.md 5.2).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import lap
import numpy as np

from fusion.rulebook import TrackingRule
from fusion.tracking.fixes import Fix, Look, may_be_one
from fusion.tracking.intersection import NOTHING
from fusion.tracking.plates import hint as plate_hint
from fusion.tracking.track import Track
from fusion.trodden import REACH_M

_SAME_DEVICE_TRACK: Final = -2.0  # nats: the device says it is the same one
_OTHER_DEVICE_TRACK: Final = 1.0  # the device says it is another one
_OTHER_KIND: Final = 3.0  # a person taken for an animal in one frame, or the other way round
_UNCONFIRMED: Final = 4.0  # what is known takes precedence over what may be clutter
_HINT_AGE_S: Final = 3.0


class _Pair(NamedTuple):
    cost: float
    limit: float  # cost at the edge of the gate
    track_id: str
    track: Track


def assign(
    look: Look, near: Callable[[Fix], Iterable[Track]], rule: TrackingRule
) -> list[Track | None]:
    """Return, for each fix of a look, the track that it belongs to, or None.

    Args:
        look: One frame of one device.
        near: The tracks that may lie in the gate of a fix, among others.
        rule: Its gate and the noise of each kind.
    """
    rows = [_pairs(look, fix, near(fix), rule) for fix in look.fixes]
    best = [min(row).track if row else None for row in rows]
    if not _clash(best):
        return best  # everyone gets the dearest wish: no assignment can be cheaper
    for rivals in _rivals(rows):
        if not _clash([best[index] for index in rivals]):
            continue
        for index, track in zip(rivals, _global([rows[i] for i in rivals]), strict=True):
            best[index] = track
    return best


def _pairs(look: Look, fix: Fix, near: Iterable[Track], rule: TrackingRule) -> list[_Pair]:
    # The prediction is written out here, position only: most pairs end at the first comparison.
    pairs = []
    gate, at_s, device, kind, plate = rule.gate, look.at_s, look.device, fix.kind, fix.plate
    fix_x_m, fix_y_m = fix.x_m, fix.y_m
    most_x_m = REACH_M + math.sqrt(gate * fix.cov[0])
    most_y_m = REACH_M + math.sqrt(gate * fix.cov[2])
    for track in near:
        motion, since_s = track.motion, track.seen_s
        # Nobody farther from where it was last seen, its own error apart: `fusion.trodden`.
        if abs(fix_x_m - motion.x_m) > most_x_m or abs(fix_y_m - motion.y_m) > most_y_m:
            continue
        if track.ahead is not None:
            since_s, motion = track.ahead
        x_m, y_m, vx_mps, vy_mps, (xx, xy, yy), (b0, b1, b2, b3), (c0, c1, c2) = motion
        sightings, bias = track.sightings, track.bias
        if len(sightings) == 1 and sightings[0].device == device:
            r0, r1, r2 = fix.random  # only this device saw it lately: the shared bias cancels
        else:
            r0, r1, r2 = fix.cov
            r0, r1, r2 = r0 + bias[0], r1 + bias[1], r2 + bias[2]
        if (shared := track.shared) is not NOTHING:
            r0, r1, r2 = r0 + shared[0], r1 + shared[1], r2 + shared[2]
        dt_s = at_s - since_s
        t2 = dt_s * dt_s
        third = rule.noise_of(track.kind) * t2 * dt_s / 3.0
        east_m = fix_x_m - x_m - vx_mps * dt_s
        s0 = xx + 2.0 * dt_s * b0 + t2 * c0 + third + r0
        if east_m * east_m > gate * s0:
            continue
        north_m = fix_y_m - y_m - vy_mps * dt_s
        s2 = yy + 2.0 * dt_s * b3 + t2 * c2 + third + r2
        if north_m * north_m > gate * s2 or not may_be_one(kind, track.kind):
            continue
        s1 = xy + dt_s * (b1 + b2) + t2 * c1 + r1
        det = s0 * s2 - s1 * s1
        d2 = (s2 * east_m * east_m - 2.0 * s1 * east_m * north_m + s0 * north_m * north_m) / det
        hint = 0.0 if kind == track.kind else _OTHER_KIND
        hint += 0.0 if plate is None else plate_hint(plate, track.plates)
        if d2 > gate or d2 + 2.0 * hint > gate:
            continue
        hint += _device_hint(look, fix, track)
        if not track.confirmed:
            hint += _UNCONFIRMED
        log_det = math.log(det)
        limit = 0.5 * (gate + log_det) + _OTHER_DEVICE_TRACK + _UNCONFIRMED
        pairs.append(_Pair(0.5 * (d2 + log_det) + hint, limit, track.id, track))
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


def _clash(best: Sequence[Track | None]) -> bool:
    """Tell whether two fixes wish for the same track."""
    wanted = [track.id for track in best if track is not None]
    return len(set(wanted)) < len(wanted)


def _rivals(rows: Sequence[list[_Pair]]) -> Iterator[list[int]]:
    """Yield the indices of fixes that compete, link by link, for the same tracks.

    Each such set is solved by itself: what happens elsewhere in the picture has no say.
    """
    left = [index for index, row in enumerate(rows) if row]
    while left:
        rivals, wanted = [left.pop(0)], set[str]()
        for index in rivals:  # grows on the way
            wanted.update(pair.track_id for pair in rows[index])
            joins = [i for i in left if any(pair.track_id in wanted for pair in rows[i])]
            rivals += joins
            left = [i for i in left if i not in joins]
        yield sorted(rivals)


def _global(rows: list[list[_Pair]]) -> list[Track | None]:
    """Solve the assignment with a place of its own for every fix that stays alone."""
    # Columns: the candidates, then one "nobody" per fix at the cost of the edge of its gate.
    tracks = {pair.track_id: pair.track for row in rows for pair in row}
    columns = {track_id: index for index, track_id in enumerate(sorted(tracks))}
    width, forbidden = len(columns), 1e6
    cost = np.full((len(rows), width + len(rows)), forbidden)
    for index, row in enumerate(rows):
        for pair in row:
            cost[index, columns[pair.track_id]] = pair.cost
        cost[index, width + index] = max((pair.limit for pair in row), default=0.0)
    _, chosen, _ = lap.lapjv(cost, extend_cost=True)
    names = sorted(tracks)
    return [tracks[names[column]] if column < width else None for column in chosen.tolist()]
