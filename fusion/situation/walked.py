"""Which stretches of the trails a unit of ours walked, by the positions that it sent.

    fixes     o      o    o        o            o: with their accuracies
    trails  ==+==========+====+=======          the likeliest way on the trails, or off them

Looked back upon, so the whole of the way decides (Viterbi; Newson and Krumm 2009, DOMAIN.md 5.5):
a place on a trail by how far the fix lies beside it, a step between two by how much longer it is
over the trails than straight. Where nothing was heard for long, nothing is said of between.
"""

import heapq
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from fusion.situation.patrols import UnitFix
from fusion.situation.trail_network import REACH_M, Foot, TrailNetwork

_THIN_S: Final = 10.0  # between the fixes that are looked at, ...
_STILL_S: Final = 60.0  # or so long, until they are 2 sigmas apart: noise walks nowhere
_GAP_S: Final = 300.0  # longer without a fix, a way ends
_WIDTH_M: Final = 3.0  # of a trail
_SIGMAS: Final = 3.0
_OPEN_M: Final = 300.0  # off the trails one is anywhere in so much
_SCALE_M: Final = 15.0  # a step so much longer than straight is e times less likely, and sigma
_STAY: Final = math.log(0.95)  # on the trails, or off them, from one fix to the next
_CHANGE: Final = math.log(0.05)

Span = tuple[float, float]


class Stretch(NamedTuple):
    """A part of one trail that was walked between two fixes."""

    trail_id: str
    span_m: Span  # chainage along the trail as drawn
    at_s: float  # event time of the later fix


class _Way(NamedTuple):
    """From a place on the trails to another one."""

    length_m: float
    parts: tuple[tuple[int, float, float], ...]  # edge, from and to along it


class _State(NamedTuple):
    """The likeliest way to here."""

    log: float
    foot: Foot | None  # None: off the trails
    before: int | None  # of the states at the fix before
    way: _Way | None  # from there


def walked(fixes: Iterable[UnitFix], network: TrailNetwork) -> Iterator[Stretch]:
    """Yield what one unit walked, in order of time.

    Args:
        fixes: Of one unit, in order of time.
        network: The trails.
    """
    for chain in _chains(fixes):
        columns = [_states(chain[0], None, (), network)]
        for before, fix in pairwise(chain):
            columns.append(_states(fix, before, columns[-1], network))
        state: _State | None = max(columns[-1], key=lambda one: one.log)
        found = []
        for number in range(len(chain) - 1, -1, -1):
            if state is None:
                break
            for edge, from_m, to_m in () if state.way is None else state.way.parts:
                begins_m = network.edges[edge].begins_m
                span = (begins_m + min(from_m, to_m), begins_m + max(from_m, to_m))
                found.append(Stretch(network.edges[edge].trail_id, span, chain[number].at_s))
            state = None if state.before is None else columns[number - 1][state.before]
        yield from reversed(found)


def _chains(fixes: Iterable[UnitFix]) -> Iterator[list[UnitFix]]:
    chain: list[UnitFix] = []
    for fix in fixes:
        if chain and not _says_more(fix, chain[-1]):
            continue
        if chain and fix.at_s - chain[-1].at_s > _GAP_S:
            yield chain
            chain = []
        chain.append(fix)
    if chain:
        yield chain


def _says_more(fix: UnitFix, before: UnitFix) -> bool:
    since_s = fix.at_s - before.at_s
    apart_m = math.dist(fix.at, before.at)
    return since_s >= _STILL_S or (since_s >= _THIN_S and apart_m >= 2.0 * fix.sigma_m)


def _states(
    fix: UnitFix, before: UnitFix | None, known: Sequence[_State], network: TrailNetwork
) -> list[_State]:
    """Return where somebody may be at a fix, each with the likeliest way to there."""
    sigma_m = math.hypot(fix.sigma_m, _WIDTH_M)
    feet = network.feet(*fix.at, min(REACH_M, _SIGMAS * sigma_m))
    seen: list[tuple[Foot | None, float]] = [(None, -math.log(_OPEN_M))]
    for foot in sorted(feet, key=lambda one: one.edge):
        off = foot.away_m / sigma_m
        seen.append((foot, -0.5 * off * off - math.log(sigma_m * math.sqrt(2.0 * math.pi))))
    if before is None:
        return [_State(log, foot, None, None) for foot, log in seen]
    straight_m = math.dist(fix.at, before.at)
    most_m = straight_m + 4.0 * (sigma_m + before.sigma_m) + 10.0 * _SCALE_M
    scale_m = max(_SCALE_M, sigma_m + before.sigma_m)
    steps: list[list[tuple[float, int, _Way | None]]] = [[] for _ in seen]
    for number, state in enumerate(known):
        ways = {} if state.foot is None else _ways(state.foot, feet, most_m, network)
        for place, (there, _) in enumerate(seen):
            if there is None or state.foot is None:
                same = there is None and state.foot is None
                steps[place].append((state.log + (_STAY if same else _CHANGE), number, None))
            elif there.edge in ways:
                way = ways[there.edge]
                less = _STAY - abs(way.length_m - straight_m) / scale_m
                steps[place].append((state.log + less, number, way))
    found = []
    for (at, log), reached in zip(seen, steps, strict=True):
        # There is always one: off the trails one may have been anywhere.
        best, number, came = max(reached, key=lambda one: (one[0], -one[1]))
        found.append(_State(best + log, at, number, came))
    return found


def _ways(
    start: Foot, feet: Sequence[Foot], most_m: float, network: TrailNetwork
) -> dict[int, _Way]:
    """Return the shortest ways over the trails to places on them, by their edge (Dijkstra)."""
    edge = network.edges[start.edge]
    order = itertools.count()
    ahead: list[tuple[float, int, int, tuple[tuple[int, float, float], ...]]] = []
    for node, end_m in ((edge.first, 0.0), (edge.last, edge.length_m)):
        part = (start.edge, start.s_m, end_m)
        ahead.append((abs(end_m - start.s_m), next(order), node, (part,)))
    heapq.heapify(ahead)
    found: dict[int, _Way] = {}
    for foot in feet:
        if foot.edge == start.edge:
            part = (foot.edge, start.s_m, foot.s_m)
            found[foot.edge] = _Way(abs(foot.s_m - start.s_m), (part,))
    wanted = {foot.edge: foot for foot in feet}
    seen: set[int] = set()
    while ahead:
        m, _, node, parts = heapq.heappop(ahead)
        if m > most_m:
            break
        if node in seen:
            continue
        seen.add(node)
        for course in network.leaving(node):
            leaves = network.edges[course.edge]
            begins_m, ends_m = (0.0, leaves.length_m) if course.onward else (leaves.length_m, 0.0)
            if (end := wanted.get(course.edge)) is not None:
                way = _Way(m + abs(end.s_m - begins_m), (*parts, (course.edge, begins_m, end.s_m)))
                if way.length_m < found.get(course.edge, _Way(math.inf, ())).length_m:
                    found[course.edge] = way
            there = network.end_of(course)
            step = (*parts, (course.edge, begins_m, ends_m))
            heapq.heappush(ahead, (m + leaves.length_m, next(order), there, step))
    return found
