"""Whoever comes back into view, there or farther on, keeps the name they had.

    cam-1            out of all views               cam-1 again, or cam-2
    ──▶ ──▶ · · · · · · · · · · · · · · · · · · · ·  ──▶ ──▶
    one track, ended or coasting                     a new one, just confirmed

Either somebody turns round and comes back where they left (no one who came over the line does, not
within minutes); or they keep their velocity v for a
while and then walk at random, as an Ornstein-Uhlenbeck velocity does (DOMAIN.md 5.2), so that
what may be reached grows like a walk and not like t³. After t, with memory m, pace s (each axis)
and e = exp(-t/m):

    mean = m (1 - e) v      variance = s² m (2t - m (3 - 4e + e²))

A name is given where this is much likelier than someone new at that very place, and where no one
else may claim it. Of two who went together, who led leads again; of more, one who was missed would
shift the names of all behind, so they get none. A name is all that is passed on, with the votes of
the class and which device saw how much under it: neither evidence of a crossing nor a patrol's
company is, nor a place in a case.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from fusion.local_frame import CovM2
from fusion.tracking.fixes import kind_of
from fusion.tracking.lineage import joined
from fusion.tracking.motion import plus
from fusion.tracking.track import CROPS, Track, tallied
from fusion.trodden import REACH_M

_MEMORY_S: Final = 20.0
_PACE_MPS: Final = 0.7
_FASTEST_MPS: Final = 2.0  # on foot, over all the time unseen
_BACK_M: Final = 8.0  # who turned round comes back within so much of where they left, 1 sigma
_SOMEONE_NEW_PER_M2: Final = 1.0 / 200.0**2  # anywhere about
_CLEARLY: Final = 3.4  # nats above someone new, and above those who did not go with the likeliest
_FILE: Final = 2  # so many, whose order is believed
_UNSEEN_S: Final = 2.0  # before the new track began
_FILE_M: Final = 20.0  # who go together are no farther apart, at any one time
_FILE_S: Final = 20.0
_NEVER: Final = 1e-9


def one_gone(track: Track, gone: Iterable[Track], coming: Iterable[Track]) -> Track | None:
    """Return the track that a new one goes on with, or None.

    Args:
        track: The new one.
        gone: Tracks that nobody sees any longer, among others.
        coming: Tracks that are not confirmed yet, among others: some may walk ahead of it.
    """
    odds = {old.id: (_odds(track, old), old) for old in gone if _may_be(track, old)}
    likely = sorted((-value, name) for name, (value, _) in odds.items() if value > 0.0)
    if not likely or likely[0][0] > -_CLEARLY:
        return None
    best = odds[likely[0][1]][1]
    file = [best]
    for value, name in likely[1:]:
        old = odds[name][1]
        if _went_with(best, old):
            file.append(old)
        elif value < likely[0][0] + _CLEARLY:
            return None
    ahead = sum(_walks_ahead(one, track) for one in coming)
    return _in_order(file)[ahead] if ahead < len(file) <= _FILE else None


def under_name(track: Track, old: Track) -> Track:
    """Return a new track under the name, and with the class, of the one that it goes on with."""
    votes, label = tallied((*old.votes, *track.votes))
    return replace(
        track,
        id=old.id,
        born_s=old.born_s,
        back_s=track.born_s,
        votes=votes,
        label=label,
        kind=kind_of(label),
        earlier=joined(old.lineage, track.earlier),
        line_s=max(old.line_s, track.line_s),
        log_odds=max(old.log_odds, track.log_odds),
        evidence=(*old.evidence, *track.evidence)[-CROPS:],
        # Nothing of the line is passed on but how often it was crossed, which names what follows;
        # and nothing of the stages but how often each of them was told.
        watch=replace(track.watch, count=old.watch.count),
        stages=track.stages._replace(begun=old.stages.begun),
    )


def _may_be(track: Track, old: Track) -> bool:
    if old.kind != track.kind or old.kind == "vehicle" or old.seen_s > track.born_s - _UNSEEN_S:
        return False
    east_m, north_m = _way(old, track)
    if abs(east_m) > REACH_M or abs(north_m) > REACH_M:  # `fusion.trodden`
        return False
    return math.hypot(east_m, north_m) <= _FILE_M + _FASTEST_MPS * (track.seen_s - old.seen_s)


def _odds(track: Track, old: Track) -> float:
    """Return the logarithm of how much likelier it is one who left than someone new."""
    t_s = track.seen_s - old.seen_s
    east_m, north_m = _way(old, track)
    xx, xy, yy = plus(old.cov_of(old.motion), track.cov_of(track.motion))
    back = _density(east_m, north_m, (xx + _BACK_M**2, xy, yy + _BACK_M**2))
    e = math.exp(-t_s / _MEMORY_S)
    kept_s = _MEMORY_S * (1.0 - e)
    walk_m2 = _PACE_MPS**2 * _MEMORY_S * (2.0 * t_s - _MEMORY_S * (3.0 - 4.0 * e + e * e))
    c_xx, c_xy, c_yy = (kept_s**2 * one for one in old.motion.c)
    on = _density(
        east_m - kept_s * old.motion.vx_mps,
        north_m - kept_s * old.motion.vy_mps,
        (xx + walk_m2 + c_xx, xy + c_xy, yy + walk_m2 + c_yy),
    )
    if old.watch.count:
        back = 0.0
    return math.log(max(_NEVER, 0.5 * (on + back) / _SOMEONE_NEW_PER_M2))


def _density(east_m: float, north_m: float, cov: CovM2) -> float:
    xx, xy, yy = cov
    det = xx * yy - xy * xy
    d2 = (yy * east_m * east_m - 2.0 * xy * east_m * north_m + xx * north_m * north_m) / det
    return math.exp(-0.5 * d2) / (2.0 * math.pi * math.sqrt(det))


def _way(start: Track, end: Track) -> tuple[float, float]:
    return end.motion.x_m - start.motion.x_m, end.motion.y_m - start.motion.y_m


def _went_with(one: Track, other: Track) -> bool:
    """Tell whether two went out of view together."""
    t_s = other.seen_s - one.seen_s
    vx_mps, vy_mps = _pace((one, other))
    east_m, north_m = _way(one, other)
    gap_m = math.hypot(east_m - t_s * vx_mps, north_m - t_s * vy_mps)
    return abs(t_s) <= _FILE_S and gap_m <= _FILE_M


def _in_order(file: Sequence[Track]) -> list[Track]:
    """Return a file, whoever leads first: by when each came past one and the same place."""
    vx_mps, vy_mps = _pace(file)
    speed2 = vx_mps * vx_mps + vy_mps * vy_mps

    def passed(one: Track) -> tuple[float, str]:
        ahead = one.motion.x_m * vx_mps + one.motion.y_m * vy_mps
        return speed2 * one.seen_s - ahead, one.id

    return sorted(file, key=passed)


def _pace(tracks: Sequence[Track]) -> tuple[float, float]:
    return (
        sum(one.motion.vx_mps for one in tracks) / len(tracks),
        sum(one.motion.vy_mps for one in tracks) / len(tracks),
    )


def _walks_ahead(one: Track, track: Track) -> bool:
    if one.confirmed or one.kind != track.kind:
        return False
    gap_m = math.hypot(*_way(one, track))
    return gap_m <= _FILE_M and (one.born_s, one.id) < (track.born_s, track.id)
