"""One track: an immutable value, replaced at every step, so that a checkpoint costs nothing."""

import hashlib
import math
from typing import Any, Final, NamedTuple

from msgspec import Struct

from fusion.local_frame import CovM2, Metres
from fusion.situation.companions import Companions
from fusion.situation.stages import Stages
from fusion.situation.watch import Watch
from fusion.tracking.fixes import NO_BIAS, Fix, Look, Sighted
from fusion.tracking.intersection import NOTHING
from fusion.tracking.lineage import Lineage, Share, joined
from fusion.tracking.motion import Motion, plus
from fusion.tracking.plates import Plates
from fusion.tracking.ways import Ahead

RECENT_S: Final = 10.0  # a device that saw the track so lately still counts among its devices
CROPS: Final = 8  # of one track that are remembered
_MAX_VOTE: Final = 20.0  # old evidence of the class fades against new


Votes = tuple[tuple[str, float], ...]  # confidence by label


class Sighting(NamedTuple):
    """The last time one device saw the track."""

    device: str
    at_s: float
    device_track: str | None
    bias: CovM2
    confidence: float
    sensor_kind: str
    raw: Sighted | None  # before any correction
    first_s: float  # since when it has been one of those who see it
    detections: int  # since then


class Meeting(NamedTuple):
    """A track and one of our units at the instant of the unit's fix."""

    at_s: float
    track: Metres
    unit: Metres
    sigma_m: float  # of the way from one to the other
    near: bool | None  # None: neither near nor clearly apart


class Escort(NamedTuple):
    """What is known of a track and one of our units."""

    unit_id: str
    meetings: tuple[Meeting, ...]  # recent ones, oldest first
    together: bool | None  # the last clear word on whether they move together


class Track(Struct, frozen=True):
    """Someone or something on the ground, as known when last seen."""

    id: str
    born_s: float
    seen_s: float
    motion: Motion  # at seen_s; its covariance holds random error only, without `shared`
    bias: CovM2  # the floor below which no averaging leads
    votes: Votes
    label: str
    kind: str  # of the label
    sightings: tuple[Sighting, ...]  # one a device, recent ones, by device
    hits: int  # the last five looks as bits
    confirmed: bool
    line_s: float  # when it last wrote a line
    simulated: bool
    watch: Watch = Watch()
    stages: Stages = Stages()
    escorts: tuple[Escort, ...] = ()
    ahead: Ahead | None = None  # unseen, on a trail: where it would be
    plates: Plates = ()  # of a vehicle, as read
    earlier: Lineage = ()  # what devices saw that no longer count among those that see it
    log_odds: float = 0.0  # that anybody is there: `fusion.tracking.existence`
    shared: CovM2 = NOTHING  # error that may hang together with what smoothing devices say
    companions: Companions = Companions()
    looks: int = 1  # with a detection of it
    back_s: float = -math.inf  # seen anew since then, under a name from before
    doubt: float | None = None  # log-odds that it is who came back into view; None: it is
    evidence: tuple[str, ...] = ()  # the last crops that show it
    untold: int = 0  # of them: no line has named so many of the last

    @property
    def devices(self) -> tuple[str, ...]:
        """Return the devices that saw it lately, sorted."""
        return tuple(sighting.device for sighting in self.sightings)

    @property
    def lineage(self) -> Lineage:
        """Return what each device has seen of it so far."""
        return joined(self.earlier, tuple(map(_share, self.sightings)))

    def seen_by(self, device: str) -> bool:
        """Tell whether a device is among those that saw it lately."""
        for sighting in self.sightings:  # noqa: SIM110 - asked at every look
            if sighting.device == device:
                return True
        return False

    @property
    def place(self) -> Metres:
        """Return where it was last seen."""
        return Metres(self.motion.x_m, self.motion.y_m)

    def only_seen_by(self, device: str) -> bool:
        """Tell whether one device alone saw it lately: then their shared bias cancels."""
        return all(sighting.device == device for sighting in self.sightings)

    def rhythm_s(self, at_s: float) -> float:
        """Return its usual time between looks, up to one at an instant."""
        return (at_s - max(self.born_s, self.back_s)) / max(1, self.looks - 1)

    def cov_of(self, motion: Motion) -> CovM2:
        """Return the full covariance of a position of this track, bias included."""
        return plus(self.random_of(motion), self.bias)

    def random_of(self, motion: Motion) -> CovM2:
        """Return the covariance of a position of this track but for the bias of its devices."""
        return plus(motion.a, self.shared)


def track_id(look: Look, fix: Fix) -> str:
    """Derive an id from the detection that gave rise to the track."""
    return derived_id("trk", look.device, look.message_id, str(fix.ordinal))


def crop_id(device: str, evidence_id: str) -> str:
    """Derive the name of a crop from its device's: no device can take another's."""
    return derived_id("evi", device, evidence_id)


def derived_id(prefix: str, *parts: str) -> str:
    """Derive an id from what gave rise to it: the same in every re-run."""
    seed = "\x1f".join(parts).encode()
    return f"{prefix}-{hashlib.blake2b(seed, digest_size=8).hexdigest()}"


def evidence_with(track: Track, crops: tuple[str, ...]) -> dict[str, Any]:
    """Return what changes of a track that more crops show, which its next line is to name."""
    evidence = (*track.evidence, *crops)[-CROPS:]
    return {"evidence": evidence, "untold": min(track.untold + len(crops), len(evidence))}


def sightings_with(
    track: Track | None, look: Look, fix: Fix, raw: Sighted | None
) -> tuple[Sighting, ...]:
    """Return a track's recent sightings after one more; `raw` is the fix as measured."""
    first_s, detections = look.at_s, 1
    others: list[Sighting] = []
    for sighting in () if track is None else track.sightings:
        if sighting.device == look.device:
            first_s, detections = sighting.first_s, sighting.detections + 1
        elif look.at_s - sighting.at_s <= RECENT_S:
            others.append(sighting)
    now = Sighting(
        look.device, look.at_s, fix.device_track, fix.bias, fix.confidence, look.sensor_kind, raw,
        first_s, detections,
    )  # fmt: skip
    return tuple(sorted([*others, now], key=_by_device)) if others else (now,)


def earlier_with(track: Track, look: Look) -> Lineage:
    """Return what was seen of a track by devices that are none of its own after one more look."""
    gone: Lineage = ()
    for sighting in track.sightings:  # asked at every look
        if sighting.device != look.device and look.at_s - sighting.at_s > RECENT_S:
            gone = (*gone, _share(sighting))
    return joined(track.earlier, gone) if gone else track.earlier


def sightings_of_both(track: Track, other: Track) -> tuple[tuple[Sighting, ...], Lineage]:
    """Return the recent sightings of two tracks of one and the same, and what was seen earlier."""
    latest: dict[str, Sighting] = {}
    before = []
    for sighting in sorted((*track.sightings, *other.sightings), key=lambda one: one.at_s):
        if sighting.device in latest:
            before.append(_share(latest[sighting.device]))
        latest[sighting.device] = sighting
    return tuple(sorted(latest.values())), joined(track.earlier, other.earlier, tuple(before))


def _share(sighting: Sighting) -> Share:
    return Share(
        sighting.device,
        sighting.sensor_kind,
        sighting.first_s,
        sighting.at_s,
        sighting.detections,
    )


def _by_device(sighting: Sighting) -> str:
    return sighting.device


def bias_floor(sightings: tuple[Sighting, ...]) -> CovM2:
    """Return the smallest bias of the devices that saw a track (by its trace)."""
    if len(sightings) == 1:
        return sightings[0].bias
    return min((s.bias for s in sightings), key=lambda b: (b[0] + b[2], b), default=NO_BIAS)


def voted(votes: Votes, fix: Fix) -> tuple[Votes, str]:
    """Add one frame's evidence of the class; return the votes and the leading label."""
    if len(votes) == 1 and votes[0][0] == fix.label:
        return ((fix.label, min(votes[0][1] + fix.confidence, _MAX_VOTE)),), fix.label
    return tallied((*votes, (fix.label, fix.confidence)))


def tallied(votes: Votes) -> tuple[Votes, str]:
    """Add up votes by label, fading what exceeds the most that counts; name the leading label."""
    tally: dict[str, float] = {}
    for label, weight in votes:
        tally[label] = tally.get(label, 0.0) + weight
    total = sum(tally.values())
    fade = min(1.0, _MAX_VOTE / total) if total > 0.0 else 1.0
    counted = tuple(sorted((label, weight * fade) for label, weight in tally.items()))
    return counted, max(counted, key=lambda vote: (vote[1], vote[0]))[0]
