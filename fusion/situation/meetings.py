"""A vehicle that meets people by a trail: it stops and people get out, or in.

    drop-off   drives up, stands; people appear at it, who were nowhere before
    pick-up    stands; people who were there without it are seen no more; it drives off

Whoever walks past a parked vehicle was seen before it and is seen behind it; whoever a vehicle
hides for a while is seen again when it has gone. Neither is a meeting.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from edge.messages import AlertKind, Reason
from fusion.local_frame import CovM2, Metres
from fusion.situation.finding import Finding
from fusion.situation.zones import LEFT
from fusion.tracking.motion import Motion

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusion.plan import Trail
    from fusion.rulebook import RendezvousRule
    from fusion.sector import Sector
    from fusion.tracking.track import Track

    Near = Callable[["Track", float, float], Sequence[tuple["Track", Motion]]]

_LOOK_S: Final = 1.0
_ON_FOOT: Final = frozenset({"duong_mon", "loi_mon"})  # people drive up to these, not along them
_SIGMAS: Final = 2.0
_MOST_M: Final = 15.0  # of error that is allowed for: a vaguer place says nothing
_GONE: Final = 2.0  # so many times `still_m` from where it stood it has left
_NEW_S: Final = 5.0  # a younger track was born about where it is seen first
_BRAKING_S: Final = 5.0  # people may get out before it has quite come to rest
_FOLLOWED_S: Final = 20.0  # after it drove off, for who is slow to be seen or hidden by it
_UNSEEN_S: Final = 3.0  # whoever is not seen so long after the vehicle left has gone with it
_DRIVES_MPS: Final = 3.0
_REACH_M: Final = 60.0
_MOST: Final = 32  # people remembered at one stop


class Visitor(NamedTuple):
    """Somebody near a vehicle that stands."""

    track_id: str
    appeared: bool  # first seen at the vehicle, when it had just come
    at_it: bool  # was at it when last seen
    seen_s: float
    confirmed: bool


class Stop(Struct, frozen=True):
    """The place that a vehicle stands at, or has just left, and who was there."""

    looked_s: float = -math.inf
    drove: bool = False  # it was seen to drive up
    at: Metres | None = None
    since_s: float = 0.0
    left_s: float | None = None
    asked: bool = False  # whether there is a trail
    trail_id: str = ""
    visitors: tuple[Visitor, ...] = ()
    met: tuple[str, ...] = ()  # reason codes that were said


def observe(
    stop: Stop, track: "Track", at_s: float, sector: "Sector", near: "Near"
) -> tuple[Stop, Finding | None]:
    """Take in where a vehicle is now; say whether it meets people.

    Args:
        stop: What is known of it.
        track: The vehicle (nothing is said of others), just seen.
        at_s: Event time.
        sector: Where.
        near: Returns the other tracks within so many metres of one, at an instant.
    """
    rule = sector.rules.rendezvous
    if track.kind != "vehicle" or at_s - stop.looked_s < _LOOK_S or not track.confirmed:
        return stop, None
    stop = replace(stop, looked_s=at_s)
    here = track.place
    if stop.at is None:
        return replace(stop, at=here, since_s=at_s), None
    moved_m = math.dist(here, stop.at)
    still_m = rule.still_m + _error_m(track.random_of(track.motion))
    if stop.trail_id and stop.left_s is None and moved_m > _GONE * still_m:
        stop = replace(stop, left_s=at_s)
    is_over = stop.left_s is not None and at_s - stop.left_s > _FOLLOWED_S
    if is_over or (not stop.trail_id and moved_m > still_m):
        over = Finding(AlertKind.RENDEZVOUS, rule.severity, (), over=LEFT) if stop.met else None
        return Stop(looked_s=at_s, drove=True, at=here, since_s=at_s), over
    if at_s - stop.since_s < rule.stop_s:
        return stop, None
    if not stop.asked:
        trail = _trail(track, sector)
        trail_id = "" if trail is None else trail.id
        stop = replace(stop, at=here, asked=True, trail_id=trail_id)
        if trail is not None and not stop.drove:
            drove = _came_as_another(track, near(track, _REACH_M, at_s))
            stop = replace(stop, drove=drove)
    if not stop.trail_id:
        return stop, None
    others = near(track, _REACH_M + moved_m, at_s)
    stop = replace(stop, visitors=_visitors(stop, stop.at or here, others, at_s, rule))
    return _meeting(stop, at_s, rule)


def _trail(track: "Track", sector: "Sector") -> "Trail | None":
    """Return the nearest trail that people walk, if it is near."""
    within_m = sector.rules.rendezvous.trail_m + _error_m(track.cov_of(track.motion))
    near = (one.trail for one in sector.trail_search.within(track.place, within_m))
    return next((trail for trail in near if trail.kind in _ON_FOOT), None)


def _came_as_another(track: "Track", others: Sequence[tuple["Track", Motion]]) -> bool:
    """Tell whether a vehicle drove up under another name: who brakes hard is lost and found."""
    return any(
        other.kind == "vehicle"
        and abs(other.seen_s - track.born_s) <= _UNSEEN_S
        and math.hypot(other.motion.vx_mps, other.motion.vy_mps) >= _DRIVES_MPS
        for other, _ in others
    )


def _visitors(
    stop: Stop,
    where: Metres,
    others: Sequence[tuple["Track", Motion]],
    at_s: float,
    rule: "RendezvousRule",
) -> tuple[Visitor, ...]:
    """Return who was near the vehicle's place so far, those longest unseen first."""
    known = {one.track_id: one for one in stop.visitors}
    for other, motion in others:
        if other.kind != "person":
            continue
        before = known.get(other.id)
        if before is None and at_s - other.seen_s > _UNSEEN_S:
            continue
        away_m = math.hypot(motion.x_m - where.x_m, motion.y_m - where.y_m)
        at_it = away_m <= rule.meet_m + _error_m(other.random_of(motion))
        if before is None:
            before = Visitor(
                other.id,
                appeared=at_it and _is_new(other, stop, at_s, rule),
                at_it=at_it,
                seen_s=other.seen_s,
                confirmed=False,
            )
        # An unseen person's place is a guess: what was last seen counts.
        seen_now = other.seen_s > before.seen_s
        known[other.id] = before._replace(
            at_it=at_it if seen_now else before.at_it,
            seen_s=other.seen_s,
            confirmed=before.confirmed or other.confirmed,
        )
    ordered = sorted(known.values(), key=lambda one: (one.seen_s, one.track_id))
    return tuple(ordered[-_MOST:])


def _is_new(person: "Track", stop: Stop, at_s: float, rule: "RendezvousRule") -> bool:
    """Tell whether somebody turned up just now, at a vehicle that had just come."""
    came_up_s = person.born_s - stop.since_s
    return (
        stop.drove
        and at_s - person.born_s <= _NEW_S
        and -_BRAKING_S <= came_up_s <= rule.appear_s
        and not math.isfinite(person.back_s)
    )


def _meeting(stop: Stop, at_s: float, rule: "RendezvousRule") -> tuple[Stop, Finding | None]:
    """Count who got out and who got in; say so if they are enough."""
    out = [one for one in stop.visitors if one.appeared and one.confirmed]
    into: list[Visitor] = []
    if stop.left_s is not None and at_s - stop.left_s >= _UNSEEN_S:
        into = [one for one in stop.visitors if _is_in(one, at_s)]
    told = []
    for code, people, does in (("drop_off", out, "got out of"), ("pick_up", into, "got into")):
        if len(people) >= rule.min_people or code in stop.met:
            text = f"{len(people)} {does} a vehicle that stood by trail {stop.trail_id}"
            told.append(Reason(code=code, text=text, value=float(len(people))))
    if not told:
        return stop, None
    also = tuple(sorted({one.track_id for one in (*out, *into)}))
    stop = replace(stop, met=tuple(one.code for one in told))
    return stop, Finding(AlertKind.RENDEZVOUS, rule.severity, tuple(told), also=also)


def _is_in(one: Visitor, at_s: float) -> bool:
    """Tell whether somebody who was at a vehicle that has left must have gone with it."""
    return one.confirmed and one.at_it and not one.appeared and at_s - one.seen_s >= _UNSEEN_S


def _error_m(cov: CovM2) -> float:
    return min(_MOST_M, _SIGMAS * math.sqrt(max(cov[0], cov[2])))
