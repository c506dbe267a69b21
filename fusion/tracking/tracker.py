"""Fixes -> tracks: predict, associate, update, confirm, coast, merge, end. Event time only."""

import math
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from msgspec.structs import replace

from edge.messages import TrackState
from fusion.local_frame import CovM2, Metres
from fusion.sector import Sector
from fusion.situation.crossing import STRAY, STRAY_S
from fusion.tracking import plates
from fusion.tracking.association import assign
from fusion.tracking.existence import Existence, probability, surely
from fusion.tracking.fixes import Fix, Look, Sighted, kind_of
from fusion.tracking.intersection import NOTHING, intersected, updated_beside
from fusion.tracking.lines import Written, line
from fusion.tracking.merging import Overlaps
from fusion.tracking.motion import Motion, born, predicted, updated
from fusion.tracking.nearby import AHEAD_S, Nearby
from fusion.tracking.registration import (
    MISTAKEN_M2,
    TOGETHER_S,
    Offset,
    aged,
    compared,
    corrected,
    unknown,
)
from fusion.tracking.stitching import one_gone, under_name
from fusion.tracking.track import (
    Track,
    bias_floor,
    earlier_with,
    evidence_with,
    sightings_of_both,
    sightings_with,
    tallied,
    track_id,
    voted,
)
from fusion.tracking.ways import Ahead
from fusion.trodden import Trodden, cell_of

LINE_S: Final = 0.5  # a track writes at most so often
_JUST_S: Final = 1e-6
_FIVE_LOOKS: Final = 0b11111
_SPEED_SIGMA_MPS: Final = {"person": 1.5, "animal": 2.0}  # of a newborn track
_VEHICLE_SPEED_SIGMA_MPS: Final = 10.0
_CROSSING: Final = frozenset({"person", "vehicle"})  # kinds that matter if lost near the line
_WAITING_LINES: Final = 8  # of a tentative track: 24 s at the slowest


class Step(NamedTuple):
    """What one look did to the tracks."""

    updated: tuple[Track, ...]  # by this look, as they are now
    lines: tuple[Written, ...]


class Tracker:
    """The tracks of one sector at one event time."""

    def __init__(self, sector: Sector, trodden: Trodden) -> None:
        """Begin without any track; where they are seen is noted in `trodden`."""
        rule = sector.rules.tracking
        self._sector, self._frame, self._border = sector, sector.frame, sector.border
        self._rule, self._trodden = rule, trodden
        self.tracks: dict[str, Track] = {}
        self.offsets: dict[str, Offset] = {}  # how far off each device is known to be
        self.waiting: dict[str, tuple[Written, ...]] = {}  # lines of tentative tracks
        self.gone: dict[str, Track] = {}  # that may come back into view
        self.overlaps = Overlaps()
        self._nearby = Nearby(rule.gate)
        self._doubted: set[str] = set()  # tracks that came back, perhaps
        self._existence = Existence(rule)

    def copy(self) -> "Tracker":
        """Return a copy that shares every track: they are immutable. `wake` it before use."""
        twin = Tracker(self._sector, self._trodden)
        twin.tracks = dict(self.tracks)
        twin.offsets = dict(self.offsets)
        twin.waiting = dict(self.waiting)
        twin.gone = dict(self.gone)
        twin.overlaps = self.overlaps.copy()
        return twin

    def part(
        self, region: frozenset[int], *, inside: bool, trodden: Trodden | None = None
    ) -> "Tracker":
        """Return a copy with the tracks last seen in some cells, or with all others."""
        twin = Tracker(self._sector, trodden or self._trodden)
        twin.tracks, twin.gone = (
            {
                name: track
                for name, track in tracks.items()
                if (cell_of(track.motion.x_m, track.motion.y_m) in region) is inside
            }
            for tracks in (self.tracks, self.gone)
        )
        twin.offsets = dict(self.offsets)
        twin.waiting = {name: lines for name, lines in self.waiting.items() if name in twin.tracks}
        twin.overlaps = self.overlaps.part(twin.tracks, inside=True)
        return twin

    def joined(self, other: "Tracker", devices: Collection[str]) -> "Tracker":
        """Return a copy with the tracks of both, and what the other learnt of some devices."""
        twin = self.copy()
        for device in devices:
            twin.offsets.pop(device, None)
            if device in other.offsets:
                twin.offsets[device] = other.offsets[device]
        twin.tracks |= other.tracks
        twin.waiting |= other.waiting
        twin.gone |= other.gone
        twin.overlaps = self.overlaps.joined(other.overlaps)
        return twin

    def waits_for(self, device: str) -> bool:
        """Tell whether a device saw a track that is in doubt: all its looks count."""
        in_doubt = chain(self.waiting, self._doubted)
        return any(self.tracks[name].seen_by(device) for name in in_doubt)

    def wake(self, at_s: float) -> None:
        """Make a copy fit to go on at an instant: it has no grid yet."""
        self._nearby = Nearby(self._rule.gate)
        self._doubted = {one.id for one in self.tracks.values() if one.doubt is not None}
        for track in self.tracks.values():
            self._put(track, at_s)

    def at(self, track: Track, at_s: float) -> Motion:
        """Return a track's motion, moved on to an instant."""
        noise = self._rule.noise_of(track.kind)
        since_s, motion = track.ahead or (track.seen_s, track.motion)
        return predicted(motion, at_s - since_s, noise)

    def around(self, track: Track, within_m: float) -> list[Track]:
        """Return the tracks that were last seen in a square about one, itself included.

        Args:
            track: In its middle.
            within_m: Half its side; no more than `REACH_M` counts.
        """
        x_m, y_m = track.motion.x_m, track.motion.y_m
        return [
            one
            for one in map(self.tracks.__getitem__, self._nearby.at(x_m, y_m))
            if abs(one.motion.x_m - x_m) <= within_m and abs(one.motion.y_m - y_m) <= within_m
        ]

    def look(self, look: Look) -> Step:
        """Take in one frame of one device."""
        touched: list[Track] = []
        lines: list[Written] = []
        measured = [fix.sighted for fix in look.fixes]
        look = self._corrected(look)
        owners = assign(look, self._near, self._rule) if look.fixes else ()
        for fix, raw, owner in zip(look.fixes, measured, owners, strict=True):
            if owner is None:
                touched.append(self._begin(look, fix, raw, lines))
            else:
                touched.append(self._update(look, fix, raw, owner, lines))
        touched = [
            self._confirmed(one, lines) if not one.confirmed and self._is_sure(one) else one
            for one in touched
        ]
        if len(touched) > 1:
            self.overlaps.seen_apart(touched, look.at_s)
        self._missed(look, {track.id for track in touched})
        return Step(tuple(touched), tuple(lines))

    def keep(self, track: Track) -> None:
        """Store a track whose watch or escorts changed."""
        self.tracks[track.id] = track

    def tick(self, at_s: float) -> tuple[Written, ...]:
        """Let event time pass: coast, merge, end."""
        lines: list[Written] = []
        for name in [one.id for one in self.gone.values() if not self._may_return(one, at_s)]:
            del self.gone[name]
        for kept, lost in self.overlaps.found(self, at_s, self._rule.merge_s):
            lines.append(self._line(self.tracks[lost], at_s, TrackState.ENDED, is_lost=False))
            self._absorb(kept, lost, at_s)
        # Whatever the rules: nobody's place in the grid may run out before the next tick.
        quiet_s = min(self._rule.coasting_after_s, self._rule.tentative_s, AHEAD_S - LINE_S)
        for track in list(self.tracks.values()):
            if at_s - track.seen_s < quiet_s:
                continue
            if track.confirmed:
                lines.extend(self._coast(self._gone_on(track, at_s), at_s))
            elif at_s - track.seen_s >= self._rule.tentative_s:
                self._forget(track.id)
            left = self.tracks.get(track.id)
            if left and (left.ahead is not None or self._nearby.is_due(left.id, at_s)):
                self._put(left, at_s)
        return tuple(lines)

    def _coast(self, track: Track, at_s: float) -> Iterator[Written]:
        """Keep a confirmed track that nobody sees now, or end it."""
        idle_s = at_s - track.seen_s
        whole_s = self._rule.coast_s if track.ahead is None else self._rule.trail_coast_s
        if idle_s >= whole_s * self._existence.share(track.log_odds):
            yield self._line(track, at_s, TrackState.ENDED, is_lost=True)
            self._forget(track.id)
            self.gone[track.id] = replace(track, line_s=at_s, ahead=None, untold=0)
            return
        if idle_s >= self._rule.coasting_after_s and _due(track, at_s):
            yield self._line(track, at_s, TrackState.COASTING, is_lost=True)
            track = replace(track, line_s=at_s, untold=0)
        self.tracks[track.id] = track

    def _gone_on(self, track: Track, at_s: float) -> Track:
        """Return a track that nobody sees now, farther along its trail if it was on one."""
        if track.kind != "person":
            return track
        since_s, motion = track.ahead or (track.seen_s, track.motion)
        onward = self._sector.ways.onward(motion, track.cov_of(motion), at_s - since_s)
        if onward is None and track.ahead is None:
            return track
        return replace(track, ahead=Ahead(at_s, onward or self.at(track, at_s)))

    def _corrected(self, look: Look) -> Look:
        """Return a look without what its device is known to be off."""
        known = self.offsets.get(look.device)
        if known is None or not look.fixes:
            return look
        offset = aged(known, look.at_s)
        fixes = tuple(corrected(fix, offset) for fix in look.fixes)
        for fix in fixes:
            self._trodden.mark(fix.x_m, fix.y_m, look.at_s)
        return look._replace(fixes=fixes)

    def _compare(self, look: Look, here: Sighted, track: Track) -> None:
        """Learn how far off two devices are that see someone at about the same time."""
        _, _, vx_mps, vy_mps, _, _, c = track.motion
        for seen in track.sightings:
            ago_s, there = look.at_s - seen.at_s, seen.raw
            if there is None or ago_s > TOGETHER_S or seen.device == look.device:
                continue
            there = there._replace(x_m=there.x_m + vx_mps * ago_s, y_m=there.y_m + vy_mps * ago_s)
            noise_m2 = MISTAKEN_M2 + ago_s * ago_s * max(c[0], c[2])
            learnt = compared(
                self._offset(look.device, look.at_s),
                here,
                self._offset(seen.device, look.at_s),
                there,
                noise_m2,
                (look.device, seen.device),
            )
            if learnt is not None:
                self.offsets[look.device], self.offsets[seen.device] = learnt

    def _offset(self, device: str, at_s: float) -> Offset:
        known = self.offsets.get(device)
        return unknown(at_s) if known is None else aged(known, at_s)

    def _near(self, fix: Fix) -> list[Track]:
        """Return the tracks that a fix may belong to, and some others."""
        tracks = self.tracks
        near = self._nearby.about(fix.x_m, fix.y_m, fix.cov[0], fix.cov[2])
        return [tracks[track_id_] for track_id_ in near]

    def _put(self, track: Track, at_s: float) -> None:
        self._nearby.put(track, at_s, self._rule.noise_of(track.kind))

    def _begin(self, look: Look, fix: Fix, raw: Sighted | None, lines: list[Written]) -> Track:
        votes, label = ((fix.label, fix.confidence),), fix.label
        speed = _SPEED_SIGMA_MPS.get(fix.kind, _VEHICLE_SPEED_SIGMA_MPS)
        track = Track(
            id=track_id(look, fix),
            born_s=look.at_s,
            seen_s=look.at_s,
            motion=born(
                fix.x_m, fix.y_m, NOTHING if look.smoothed else fix.random, speed_sigma_mps=speed
            ),
            shared=fix.random if look.smoothed else NOTHING,
            bias=fix.bias,
            votes=votes,
            label=label,
            kind=fix.kind,
            plates=() if fix.plate is None else (fix.plate,),
            sightings=sightings_with(None, look, fix, raw),
            hits=1,
            log_odds=self._existence.begun(fix.confidence),
            confirmed=False,
            line_s=-math.inf,
            simulated=look.simulated,
            evidence=() if fix.evidence_id is None else (fix.evidence_id,),
            untold=int(fix.evidence_id is not None),
        )
        self._trodden.mark(fix.x_m, fix.y_m, look.at_s)
        return self._written(track, lines)

    def _update(
        self, look: Look, fix: Fix, raw: Sighted | None, old: Track, lines: list[Written]
    ) -> Track:
        if raw is not None and old.confirmed:
            self._compare(look, raw, old)
        motion, shared = self._moved(look, fix, old)
        votes, label = voted(old.votes, fix)
        sightings = sightings_with(old, look, fix, raw)
        track = replace(
            old,
            seen_s=look.at_s,
            motion=motion,
            ahead=None,
            shared=shared,
            bias=bias_floor(sightings),
            votes=votes,
            label=label,
            kind=old.kind if label == old.label else kind_of(label),
            plates=old.plates if fix.plate is None else plates.tallied(*old.plates, fix.plate),
            sightings=sightings,
            earlier=earlier_with(old, look),
            hits=(old.hits << 1 | 1) & _FIVE_LOOKS,
            log_odds=self._existence.seen(old.log_odds, fix.confidence),
            simulated=old.simulated or look.simulated,
            looks=old.looks + 1,
            doubt=self._doubt(old, fix, look.at_s),
        )
        if fix.evidence_id is not None:
            track = replace(track, **evidence_with(track, (fix.evidence_id,)))
        if track.doubt is None:
            self._doubted.discard(track.id)
        else:
            self._doubted.add(track.id)
        self._trodden.mark_way(old.motion, track.motion, look.at_s)
        return self._written(track, lines)

    def _moved(self, look: Look, fix: Fix, old: Track) -> tuple[Motion, CovM2]:
        """Return where a track is by one more fix, and what of its error is shared."""
        cov = fix.random if old.only_seen_by(look.device) else fix.cov
        motion = self.at(old, look.at_s)
        if look.smoothed:
            return intersected(motion, old.shared, fix.x_m, fix.y_m, cov)
        if old.shared != NOTHING:
            return updated_beside(motion, old.shared, fix.x_m, fix.y_m, cov)
        return updated(motion, fix.x_m, fix.y_m, cov), NOTHING

    def _doubt(self, old: Track, fix: Fix, at_s: float) -> float | None:
        """Return the log-odds that a track is there, by what was seen since it came back.

        None: it is. What flickers where somebody may be by now is not somebody who came back.
        """
        if at_s - old.seen_s > max(STRAY_S, STRAY * old.rhythm_s(old.seen_s)):
            return self._existence.begun(fix.confidence)
        if old.doubt is None:
            return None
        log_odds = self._existence.seen(old.doubt, fix.confidence)
        return None if log_odds >= self._existence.confirming else log_odds

    def _is_sure(self, track: Track) -> bool:
        """Tell whether it is time to confirm a track."""
        seen_often = track.hits.bit_count() >= self._rule.confirm_hits
        return seen_often and track.log_odds >= self._existence.confirming

    def _confirmed(self, track: Track, lines: list[Written]) -> Track:
        """Confirm a track, under the name it had before it went out of view, if it had one."""
        # Where it is now: what it wrote elsewhere is told here, and void with the rest of it.
        cell = cell_of(track.motion.x_m, track.motion.y_m)
        told = [one._replace(cell=cell) for one in self.waiting.pop(track.id)]
        track = replace(track, confirmed=True)
        old = self._gone_before(track)
        if old is None:
            told[0] = told[0]._replace(first=True)
        else:
            # What it wrote while the old one still coasted would say two things at once.
            since_s = old.line_s + LINE_S - _JUST_S
            told = [
                one._replace(line=replace(one.line, track_id=old.id))
                for one in told
                if one.line.t.timestamp() >= since_s
            ]
            self._forget(track.id)
            if self.gone.pop(old.id, None) is None:
                self._forget(old.id)
            self.overlaps.rename(track.id, old.id)
            track = under_name(track, old)
        lines.extend(told)
        self.tracks[track.id] = track
        self._put(track, track.seen_s)
        return track

    def _gone_before(self, track: Track) -> Track | None:
        """Return the track of whom a new one may be, from before they went out of view."""
        gone = (one for one in self.gone.values() if self._may_return(one, track.seen_s))
        coasting = (one for one in self.tracks.values() if one.confirmed)
        coming = (self.tracks[name] for name in self.waiting)
        return one_gone(track, (*gone, *coasting), coming)

    def _may_return(self, gone: Track, at_s: float) -> bool:
        return at_s - gone.seen_s <= self._rule.return_s

    def _written(self, track: Track, lines: list[Written]) -> Track:
        """Write a line if one is due; store the track."""
        if _due(track, track.seen_s):
            written = self._line(track, track.seen_s, TrackState.CONFIRMED, is_lost=False)
            if track.confirmed:
                lines.append(written)
            else:
                waiting = self.waiting.get(track.id, ())[1 - _WAITING_LINES :]
                self.waiting[track.id] = (*waiting, written)
            untold = 0 if track.confirmed else track.untold
            track = replace(track, line_s=track.seen_s, untold=untold)
        self.tracks[track.id] = track
        self._put(track, track.seen_s)
        return track

    def _missed(self, look: Look, touched: set[str]) -> None:
        """Count a look against those of its device that it did not see and that are in doubt."""
        for track_id_ in list(self.waiting):
            track = self.tracks[track_id_]
            if track_id_ in touched or not track.seen_by(look.device):
                continue
            hits = track.hits << 1 & _FIVE_LOOKS
            if hits == 0:
                self._forget(track_id_)
            else:
                log_odds = self._existence.missed(track.log_odds)
                self.tracks[track_id_] = replace(track, hits=hits, log_odds=log_odds)
        for track_id_ in self._doubted - touched:
            track = self.tracks[track_id_]
            if track.doubt is not None and track.seen_by(look.device):
                doubt = self._existence.missed(track.doubt)
                self.tracks[track_id_] = replace(track, doubt=doubt)

    def _line(self, track: Track, at_s: float, state: TrackState, *, is_lost: bool) -> Written:
        motion = self.at(track, at_s)
        near_line = (
            is_lost
            and track.kind in _CROSSING
            and self._border.is_in_reach(
                track.place, Metres(motion.x_m, motion.y_m), track.cov_of(motion)
            )
        )
        written = line(track, motion, at_s, state, self._frame, lost_near_line=near_line)
        return Written(written, cell_of(track.motion.x_m, track.motion.y_m))

    def _absorb(self, kept_id: str, lost_id: str, at_s: float) -> None:
        kept, lost = self.tracks[kept_id], self.tracks[lost_id]
        sightings, earlier = sightings_of_both(kept, lost)
        votes, label = tallied((*kept.votes, *lost.votes))
        self.tracks[kept_id] = replace(
            kept,
            sightings=sightings,  # and no surer of where it is for having been tracked twice
            earlier=earlier,
            votes=votes,
            label=label,
            kind=kind_of(label),
            plates=plates.tallied(*kept.plates, *lost.plates),
            log_odds=max(kept.log_odds, lost.log_odds),
            doubt=None if lost.doubt is None else kept.doubt,
        )
        if lost.evidence:  # named under the other name, if at all
            kept = self.tracks[kept_id]
            self.tracks[kept_id] = replace(kept, **evidence_with(kept, lost.evidence))
        if self.tracks[kept_id].doubt is None:
            self._doubted.discard(kept_id)
        self._put(self.tracks[kept_id], at_s)
        self._forget(lost_id)

    def _forget(self, gone_id: str) -> None:
        del self.tracks[gone_id]
        self.waiting.pop(gone_id, None)
        self._doubted.discard(gone_id)
        self._nearby.drop(gone_id)


def simultaneous(tracks: Iterable[Track]) -> int:
    """Return how many of some tracks are surely people whom one device saw in one frame.

    How many of them there are is Poisson-binomial: each is there with the probability that its
    looks leave, the others notwithstanding.
    """
    together: dict[tuple[str, float], list[float]] = {}
    for track in tracks:
        for sighting in track.sightings:
            frame = (sighting.device, sighting.at_s)
            together.setdefault(frame, []).append(probability(track.log_odds))
    return max(map(surely, together.values()), default=0)


def _due(track: Track, at_s: float) -> bool:
    return at_s - track.line_s >= LINE_S - _JUST_S
