"""Where which unit of ours can be first, on the way of people who head for the line.

    they ==> s . . . s . . . s . . . X . . .     s: stations on the trails that they may take
                     ^
                     `. . . unit                 a station that the unit reaches before them

A point is offered if the unit is there, by the late end of its time, a margin before the early end
of theirs (10 % and 90 % of two lognormal times). Of those it is the one with the greatest

    P(they come by) P(the unit is there first, with the margin)      (DOMAIN.md 5.5)

and of equal ones the one where they are met soonest. It never lies beyond the line, in an
undemarcated strip, in a river, past the line's end, or so near to them that nobody can say. The
time of a unit is that over the trails and across the open to them (`fusion.situation.own_ground`);
an old fix says less of where it is now, and so its time is the less sure.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from edge.messages import AlertKind, Interception, LineString, Reason, UtcTime
from fusion.local_frame import LocalFrame, Metres
from fusion.situation.border import Border
from fusion.situation.own_ground import OwnGround, Reached, own_ground
from fusion.situation.places import in_words, place_of
from fusion.situation.prediction import SLOWEST_MPS, SPREAD, Eta, Way, effort_here, eta, ways
from fusion.situation.slope import effort
from fusion.situation.trail_network import Course, TrailNetwork

if TYPE_CHECKING:
    from fusion.rulebook import InterceptionRule
    from fusion.sector import Sector
    from fusion.situation.finding import Finding
    from fusion.situation.patrols import Unit
    from fusion.tracking.motion import Motion
    from fusion.tracking.track import Track

_EASIEST: Final = effort(-0.05)
_DIGITS: Final = 7  # of a degree


class Walkers(NamedTuple):
    """People who head for the line, as they are now."""

    routes: tuple[Way, ...]  # that they may be on, over the line or not
    motion: "Motion"
    sigma_m: float  # of their place
    pace_mps: float  # where they are
    pace_sigma_mps: float
    outbound: bool


class Post(NamedTuple):
    """Where a unit of ours was."""

    unit_id: str
    at: Metres
    sigma_m: float  # 1 sigma of each axis
    age_s: float


class Meeting(NamedTuple):
    """Where a unit can be first."""

    unit_id: str
    at: Metres
    probability: float  # that they come by, and the unit is there first with the margin
    unit: Eta
    they: Eta
    route: tuple[Metres, ...]  # of the unit, from where it was
    length_m: float


class _Spot(NamedTuple):
    """A station on the way of the walkers."""

    probability: float  # that they come by
    median_s: float
    leads_over: bool  # on a way over the line


def meetings(
    walkers: Walkers,
    posts: Iterable[Post],
    network: TrailNetwork,
    border: Border,
    rule: "InterceptionRule",
) -> tuple[Meeting, ...]:
    """Return where each unit can be first, the best unit first; those that cannot are left out."""
    ground = own_ground(network, border)
    spots = {
        station: spot
        for station, spot in _spots(walkers, network, ground).items()
        if spot.leads_over and (ground.room_m(ground.places[station]) or 0.0) >= rule.clear_m
    }
    theirs = {station: _their_eta(walkers, spot) for station, spot in spots.items()}
    within_s = max((one.p10_s for one in theirs.values()), default=0.0) - rule.margin_s
    found = []
    for post in posts:
        if within_s <= 0.0 or post.age_s > rule.max_age_s:
            continue
        nearest_m = min(math.dist(post.at, ground.places[station]) for station in spots)
        if nearest_m > rule.pace_mps * within_s / _EASIEST:
            continue  # not even straight and downhill
        reached = ground.reached(
            post.at, post.sigma_m,
            pace_mps=rule.pace_mps, off_trail_m=rule.off_trail_m, within_s=within_s,
        )  # fmt: skip
        best = _best(post, reached, spots, theirs, rule)
        if best is not None:
            station, chance, unit = best
            route = (post.at, *_route(station, reached, ground))
            length_m = reached[station].length_m
            at, they = ground.places[station], theirs[station]
            found.append(Meeting(post.unit_id, at, chance, unit, they, route, length_m))
    return tuple(
        sorted(found, key=lambda one: (-round(one.probability, 2), one.unit.p90_s, one.unit_id))
    )


def _best(
    post: Post,
    reached: dict[int, Reached],
    spots: dict[int, _Spot],
    theirs: dict[int, Eta],
    rule: "InterceptionRule",
) -> tuple[int, float, Eta] | None:
    """Return the best station of a unit, how likely it meets them there, and when it is there."""
    found = []
    for station in sorted(reached.keys() & spots.keys()):
        unit, they = _unit_eta(post, reached[station].seconds, rule), theirs[station]
        if unit.p90_s + rule.margin_s <= they.p10_s:
            chance = spots[station].probability * _first(unit, they, rule.margin_s)
            found.append((-round(chance, 2), they.median_s, station, chance, unit))
    if not found:
        return None
    _, _, station, chance, unit = min(found)
    return station, chance, unit


def _first(unit: Eta, they: Eta, margin_s: float) -> float:
    """Return P(the unit and the margin are over before they come): two lognormal times."""
    ahead = math.log(they.median_s / (unit.median_s + margin_s))
    spread = math.hypot(unit.spread, they.spread)
    return 0.5 * math.erfc(-ahead / (spread * math.sqrt(2.0)))


def _unit_eta(post: Post, seconds: float, rule: "InterceptionRule") -> Eta:
    """Return when a unit is there: it may have gone on since its fix, or come nearer."""
    moved_m = math.hypot(post.sigma_m, rule.drift_mps * max(0.0, post.age_s))
    median_s = max(1.0, seconds)
    return Eta(median_s, math.hypot(SPREAD, moved_m / rule.pace_mps / median_s))


def _their_eta(walkers: Walkers, spot: _Spot) -> Eta:
    left_m = spot.median_s * walkers.pace_mps
    return eta(left_m, walkers.sigma_m, walkers.pace_mps, walkers.pace_sigma_mps)


def _spots(walkers: Walkers, network: TrailNetwork, ground: OwnGround) -> dict[int, _Spot]:
    """Return the stations that they may come by: how likely, and when at the soonest."""
    spots: dict[int, _Spot] = {}
    for way in walkers.routes:
        leads_over = network.nodes[way.node].kind == "border"
        for station, share, median_s in _ahead(way, walkers, network, ground):
            old = spots.get(station, _Spot(0.0, math.inf, leads_over=False))
            spots[station] = _Spot(
                probability=min(1.0, old.probability + share * way.probability),
                median_s=min(old.median_s, median_s),
                leads_over=old.leads_over or leads_over,
            )
    return spots


def _ahead(
    way: Way, walkers: Walkers, network: TrailNetwork, ground: OwnGround
) -> Iterator[tuple[int, float, float]]:
    """Yield the stations of one way, each once: what share of them comes by there, and when."""
    x_m, y_m = walkers.motion.x_m, walkers.motion.y_m
    foot = next(one for one in network.feet(x_m, y_m, math.inf) if one.edge == way.on.edge)
    flat_mps = max(SLOWEST_MPS, walkers.pace_mps) * effort_here(way.on, foot, network)
    from_m = network.edges[foot.edge].length_m - network.left_m(way.on, foot.s_m)
    courses = [way.on, *way.beyond]
    # Whoever comes in goes on at home, nobody knows by which trail.
    onward = () if walkers.outbound else network.after(courses[-1])
    seen: set[int] = set()
    gone_s = 0.0

    def along(course: Course, since_m: float) -> Iterator[tuple[int, float]]:
        for station, m in ground.along(course):
            if m > since_m and station not in seen:
                seen.add(station)
                yield station, network.gone_flat_m(course, since_m, m) / flat_mps

    for course in courses:
        for station, seconds in along(course, from_m):
            yield station, 1.0, gone_s + seconds
        length_m = network.edges[course.edge].length_m
        gone_s += network.gone_flat_m(course, from_m, length_m) / flat_mps
        from_m = 0.0
    for course in onward:
        for station, seconds in along(course, 0.0):
            yield station, 1.0 / len(onward), gone_s + seconds


def _route(station: int, reached: dict[int, Reached], ground: OwnGround) -> Sequence[Metres]:
    way = []
    here: int | None = station
    while here is not None:
        way.append(ground.places[here])
        here = reached[here].before
    return way[::-1]


# -- in an alert -----------------------------------------------------------------------------


def to_meet(
    track: "Track", finding: "Finding", units: Iterable["Unit"], at_s: float, sector: "Sector"
) -> tuple[Interception, ...]:
    """Return where our units can be first before people of an approach; nothing off the trails.

    Not for every look: it takes milliseconds.

    Args:
        track: One of them, on the way to the line.
        finding: What is said of them.
        units: All that are known, by the event time.
        at_s: Event time.
        sector: Where.
    """
    rule, state = sector.rules.interception, track.stages.approach
    units = sorted(units, key=lambda one: one.unit_id)
    if not (rule.enabled and units and finding.kind is AlertKind.APPROACH) or finding.over:
        return ()
    if state.footing is None or finding.eta_s is None or finding.outbound is None:
        return ()
    motion, network = track.motion, sector.network
    routes = ways(state.footing, motion, network)
    over = next((way for way in routes if network.nodes[way.node].kind == "border"), None)
    if over is None:
        return ()
    xx, _, yy = track.cov_of(motion)
    walkers = Walkers(
        routes=routes,
        motion=motion,
        sigma_m=math.sqrt(max(xx, yy)),
        pace_mps=max(SLOWEST_MPS, over.as_here_m / max(1.0, finding.eta_s)),
        pace_sigma_mps=math.sqrt(max(motion.c[0], motion.c[2])),
        outbound=finding.outbound,
    )
    posts = [
        Post(unit.unit_id, fix.at, fix.sigma_m, at_s - fix.at_s)
        for unit in units
        for fix in unit.fixes[-1:]
    ]
    found = meetings(walkers, posts, network, sector.border, rule)
    return tuple(told(one, at_s, sector) for one in found[: rule.most])


def told(meeting: Meeting, at_s: float, sector: "Sector") -> Interception:
    """Return a meeting as people and programs read it; its times count from `at_s`."""
    lon, lat = _lonlat(sector.frame, meeting.at)
    return Interception(
        unit_id=meeting.unit_id,
        as_of=UtcTime.from_epoch_s(at_s),
        lat=lat,
        lon=lon,
        place=place_of(sector, meeting.at),
        probability=round(meeting.probability, 4),
        eta_s=round(meeting.unit.median_s, 1),
        latest_s=round(meeting.unit.p90_s, 1),
        they_s=round(meeting.they.median_s, 1),
        they_earliest_s=round(meeting.they.p10_s, 1),
        route_m=round(meeting.length_m, 1),
        route=LineString(
            type="LineString",
            coordinates=tuple(_lonlat(sector.frame, one) for one in meeting.route),
        ),
    )


def reason_of(best: Interception) -> Reason:
    """Say in one sentence which unit can be first, where, and when both come."""
    text = (
        f"unit {best.unit_id} can be first at {in_words(best.place, 'en')}: "
        f"in {best.eta_s:.0f} s, {best.latest_s:.0f} s at the latest, {best.route_m:.0f} m to go; "
        f"they in {best.they_s:.0f} s, {best.they_earliest_s:.0f} s at the earliest"
    )
    return Reason(code="interception", text=text, value=best.eta_s)


def _lonlat(frame: LocalFrame, at: Metres) -> tuple[float, float]:
    lat, lon = frame.to_wgs84(*at)
    return round(lon, _DIGITS), round(lat, _DIGITS)
