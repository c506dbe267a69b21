"""Are the tracker's innovations as large as it expects? NIS, by kind of device, people only.

Of each detection that a confirmed track takes, v' S^-1 v: v from where the track was expected to
where the detection lies, S what the tracker held v's covariance to be: 2 on average, if it is right. Where several devices see
someone it is less, since what their corrected biases have in common cancels in v and not in S. The
looks are fed in order of event time, as the engine's re-runs make of any order of arrival.
"""

from collections import defaultdict
from collections.abc import Mapping

from fusion.core import TICK_S, grid_after
from fusion.tracking.fixes import Fix
from fusion.tracking.motion import mahalanobis, plus
from fusion.tracking.placing import look_of
from fusion.tracking.registration import aged, corrected
from fusion.tracking.track import Track
from fusion.tracking.tracker import Tracker
from fusion.trodden import Trodden
from tests.benchmarks.scoreboard.metrics import Banded, banded
from tests.benchmarks.scoreboard.ours import sector_of
from tests.benchmarks.scoreboard.scenes import Scene

Lengths2 = Mapping[tuple[str, str], list[float]]  # by device and track


def nis(scene: Scene) -> dict[str, Banded]:
    """Return the mean NIS of a scene and its 95 % band, by kind of device."""
    by_kind: dict[str, Lengths2] = defaultdict(lambda: defaultdict(list))
    sector = sector_of(scene)
    rule = sector.rules.tracking
    tracker = Tracker(sector, Trodden())
    next_tick = grid_after(scene.looks[0].message.captured_at.timestamp())
    for seen in scene.looks:
        message, at_s = seen.message, seen.message.captured_at.timestamp()
        while next_tick <= at_s:
            tracker.tick(next_tick)
            next_tick += TICK_S
        look = look_of(
            message, sector.frame, at_s=at_s, sigma_t_s=0.0, max_sigma_m=rule.max_sigma_m
        )
        before, known = dict(tracker.tracks), tracker.offsets.get(look.device)
        measured = {fix.sighted: fix for fix in look.fixes}
        for track in tracker.look(look).updated:
            old = before.get(track.id)
            if old is None or not old.confirmed or track.label != "person":
                continue
            raw = next(one.raw for one in track.sightings if one.device == look.device)
            fix = measured[raw]
            if known is not None:
                fix = corrected(fix, aged(known, at_s))
            length2 = _length2(tracker, old, fix, look.device, at_s)
            # Whoever came back into view just now was expected elsewhere.
            if length2 <= rule.gate:
                by_kind[message.sensor.kind][look.device, track.id].append(length2)
    return {
        kind: banded(lengths2.values(), at_most=len({device for device, _ in lengths2}))
        for kind, lengths2 in sorted(by_kind.items())
    }


def _length2(tracker: Tracker, old: Track, fix: Fix, device: str, at_s: float) -> float:
    alone = old.only_seen_by(device)  # then their shared bias cancels
    cov = fix.random if alone else plus(fix.cov, old.bias)
    length2, _ = mahalanobis(tracker.at(old, at_s), fix.x_m, fix.y_m, cov)
    return length2
