"""Which trails lie near a point: asked of each alert, in a district that has thousands of them."""

from collections.abc import Sequence
from typing import NamedTuple

import shapely

from fusion.local_frame import Metres
from fusion.plan import Trail
from fusion.situation.places import distance_m

_ROUNDING_M = 1e-3  # the tree may round otherwise than we do: what is kept is measured by us


class Near(NamedTuple):
    """A trail and how far off it is."""

    away_m: float
    id: str
    trail: Trail


class TrailSearch:
    """The trails of one sector, found by place."""

    def __init__(self, trails: Sequence[Trail]) -> None:
        """Index some trails."""
        self._trails = tuple(trails)
        self._tree = shapely.STRtree([shapely.LineString(trail.line) for trail in trails])

    def within(self, at: Metres, within_m: float) -> list[Near]:
        """Return the trails no farther than so much, the nearest first; of equals by id."""
        found = self._tree.query(shapely.Point(at), "dwithin", within_m + _ROUNDING_M)
        near = (self._trails[number] for number in found.tolist())
        measured = (Near(distance_m(at, trail.line), trail.id, trail) for trail in near)
        return sorted(one for one in measured if one.away_m <= within_m)
