"""Which side of the border line, how far, and where along it: an oriented polyline in metres.

    home          n (unit, to home)
      ^           ^
      |   d > 0   |
    --a-----------+---b---   every segment a -> b is turned so that home lies on its left
          d < 0
    abroad

At a vertex the side follows the sum of the two normals, so nothing jitters there. Past a free
end of the line there is no side: whoever walks round the end has not crossed. About a line that
is not demarcated lies a strip, about the thalweg of a river its bed: `half_m` to either side, and
inside nobody is at home or abroad.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from fusion.local_frame import CovM2, Metres
from fusion.situation.passage import below, first_passage

REACH_M: Final = 1_000.0  # farther from the line than this nobody asks for the side
_CELL_M: Final = 64.0
_HALF_DIAGONAL_M: Final = _CELL_M * math.sqrt(0.5)
_MAX_CELLS: Final = 50_000
JOINED_M: Final = 1.0  # two lines whose ends lie so close are one
_ON_LINE_M: Final = 1e-9
_LIKELY: Final = below(-2.0)  # enough of a chance to say that somebody may be over the line


class BorderPiece(NamedTuple):
    """One LineString of the border as drawn."""

    line: tuple[Metres, ...]
    home_on_left: bool  # of the direction of the vertices
    status: str  # demarcated | undemarcated | river
    sigma_m: float  # how well the line itself is known, 1 sigma
    half_m: float = 0.0  # of the strip or the river bed, from the line to its edge


class Side(NamedTuple):
    """A point seen from the line."""

    distance_m: float  # to the line; positive at home, negative abroad
    normal: Metres  # unit vector at the point, towards home
    sigma_m: float  # of the line there
    status: str
    chainage_m: float  # along the line as drawn, from its first vertex
    nearest: Metres  # the point of the line
    past_end: bool  # the nearest point is a free end: there is no side
    half_m: float = 0.0  # so far from the line one is still in the strip, or in the river


class _Segment(NamedTuple):
    a: Metres
    b: Metres
    unit: Metres
    length_m: float
    normal: Metres  # to the left, which is home
    a_normal: Metres | None  # sum of the normals that meet in a; None: a free end
    b_normal: Metres | None
    chainage_m: float  # of a
    chainage_step: float  # +1, or -1 where the line was turned round
    sigma_m: float
    status: str
    half_m: float


def along(cov: CovM2, normal: Metres) -> float:
    """Return the variance along a unit vector."""
    xx, xy, yy = cov
    n_x, n_y = normal
    return n_x * n_x * xx + 2.0 * n_x * n_y * xy + n_y * n_y * yy


def beyond(distance_m: float, sigma_m: float) -> float:
    """Return P(beyond the line) of a Gaussian: Phi(-d / sigma) (DOMAIN.md 5.4)."""
    return below(-distance_m / sigma_m)


class Border:
    """The border line of one sector."""

    def __init__(self, pieces: Sequence[BorderPiece]) -> None:
        """Turn every piece so that home is on its left and join those that touch."""
        self.pieces = tuple(pieces)
        self.length_m = 0.0
        chains = []
        for piece in pieces:
            points, length_m = piece.line, _length_m(piece.line)
            start, step = self.length_m, 1.0
            if not piece.home_on_left:
                points, start, step = points[::-1], self.length_m + length_m, -1.0
            chains.append(_segments(points, start, step, piece))
            self.length_m += length_m
        self._segments = _joined(chains)
        # Memos of pure geometry, filled as tracks come by: they change no answer.
        self._near: dict[tuple[int, int], tuple[_Segment, ...]] = {}
        self._lately: tuple[float, float, Side | None] = (math.nan, math.nan, None)

    def side(self, x_m: float, y_m: float) -> Side | None:
        """Look at a point from the line; None farther than `REACH_M` from it."""
        at_x_m, at_y_m, known = self._lately
        if x_m == at_x_m and y_m == at_y_m:
            return known  # every stage asks for the same track in turn
        cell = (math.floor(x_m / _CELL_M), math.floor(y_m / _CELL_M))
        candidates = self._near.get(cell)
        if candidates is None:
            candidates = self._remember(cell)
        best, best_m2, best_s = None, math.inf, 0.0
        for segment in candidates:
            (a_x, a_y), (u_x, u_y) = segment.a, segment.unit
            s = (x_m - a_x) * u_x + (y_m - a_y) * u_y
            s = 0.0 if s < 0.0 else min(s, segment.length_m)
            m2 = (x_m - a_x - s * u_x) ** 2 + (y_m - a_y - s * u_y) ** 2
            if m2 < best_m2:
                best, best_m2, best_s = segment, m2, s
        side = None if best is None else _seen_from(best, best_s, x_m, y_m)
        self._lately = (x_m, y_m, side)
        return side

    def is_in_reach(self, seen: Metres, now: Metres, cov: CovM2) -> bool:
        """Tell whether somebody may have come over the line, or into its strip, unseen.

        And back again: the chance of a first passage counts, not where they would be now.

        Args:
            seen: Where they were seen last.
            now: Where they would be now.
            cov: Of that.
        """
        side = self.side(*now)
        if side is None or side.past_end:
            return False
        sigma_m = math.sqrt(along(cov, side.normal) + side.sigma_m**2)
        before = self.side(*seen)
        start_m = side.distance_m if before is None else before.distance_m
        towards = 1.0 if start_m >= 0.0 else -1.0
        away_m = max(0.0, abs(start_m) - side.half_m)
        drift_m = towards * (side.distance_m - start_m)
        return first_passage(away_m, drift_m, sigma_m) >= _LIKELY

    def _remember(self, cell: tuple[int, int]) -> tuple[_Segment, ...]:
        """Find every segment that can be the nearest one to some point of a cell."""
        x_m, y_m = (cell[0] + 0.5) * _CELL_M, (cell[1] + 0.5) * _CELL_M
        away = [(_distance_m(segment, x_m, y_m), segment) for segment in self._segments]
        nearest_m = min(m for m, _ in away)
        if nearest_m > REACH_M:
            candidates: tuple[_Segment, ...] = ()
        else:
            reach_m = nearest_m + 2.0 * _HALF_DIAGONAL_M
            candidates = tuple(segment for m, segment in away if m <= reach_m)
        if len(self._near) >= _MAX_CELLS:
            self._near.clear()
        self._near[cell] = candidates
        return candidates


def _length_m(line: Sequence[Metres]) -> float:
    return sum(math.dist(a, b) for a, b in pairwise(line))


def _distance_m(segment: _Segment, x_m: float, y_m: float) -> float:
    (a_x, a_y), (u_x, u_y) = segment.a, segment.unit
    s = (x_m - a_x) * u_x + (y_m - a_y) * u_y
    s = 0.0 if s < 0.0 else min(s, segment.length_m)
    return math.hypot(x_m - a_x - s * u_x, y_m - a_y - s * u_y)


def _segments(
    points: Sequence[Metres], chainage_m: float, step: float, piece: BorderPiece
) -> list[_Segment]:
    chain = []
    for a, b in pairwise(points):
        length_m = math.dist(a, b)
        unit = Metres((b.x_m - a.x_m) / length_m, (b.y_m - a.y_m) / length_m)
        chain.append(
            _Segment(
                a=a,
                b=b,
                unit=unit,
                length_m=length_m,
                normal=Metres(-unit.y_m, unit.x_m),
                a_normal=None,
                b_normal=None,
                chainage_m=chainage_m,
                chainage_step=step,
                sigma_m=piece.sigma_m,
                status=piece.status,
                half_m=piece.half_m,
            )
        )
        chainage_m += step * length_m
    return chain


def _joined(chains: list[list[_Segment]]) -> list[_Segment]:
    """Give each vertex the sum of the normals that meet there; free ends keep None."""
    segments = [segment for chain in chains for segment in chain]
    follows = {id(a): b for chain in chains for a, b in pairwise(chain)}
    for chain in chains:
        for other in chains:
            if math.dist(chain[-1].b, other[0].a) <= JOINED_M:
                follows[id(chain[-1])] = other[0]
    precedes = {id(b): a for a in segments for b in (follows.get(id(a)),) if b is not None}
    return [
        segment._replace(
            a_normal=_sum(segment, precedes.get(id(segment))),
            b_normal=_sum(segment, follows.get(id(segment))),
        )
        for segment in segments
    ]


def _sum(segment: _Segment, other: _Segment | None) -> Metres | None:
    if other is None:
        return None
    (n_x, n_y), (m_x, m_y) = segment.normal, other.normal
    return Metres(n_x + m_x, n_y + m_y)


def _seen_from(segment: _Segment, s: float, x_m: float, y_m: float) -> Side | None:
    (a_x, a_y), (u_x, u_y) = segment.a, segment.unit
    near = Metres(a_x + s * u_x, a_y + s * u_y)
    d_x, d_y = x_m - near.x_m, y_m - near.y_m
    away_m = math.hypot(d_x, d_y)
    if away_m > REACH_M:
        return None
    facing: Metres | None = segment.normal
    if s <= 0.0:
        facing = segment.a_normal
    elif s >= segment.length_m:
        facing = segment.b_normal
    past_end = facing is None
    n_x, n_y = facing or segment.normal
    sign = 1.0 if d_x * n_x + d_y * n_y >= 0.0 else -1.0
    normal = segment.normal
    if away_m > _ON_LINE_M:
        normal = Metres(sign * d_x / away_m, sign * d_y / away_m)
    return Side(
        distance_m=sign * away_m,
        normal=normal,
        sigma_m=segment.sigma_m,
        status=segment.status,
        chainage_m=segment.chainage_m + segment.chainage_step * s,
        nearest=near,
        past_end=past_end,
        half_m=segment.half_m,
    )
