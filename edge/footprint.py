r"""The ground that a picture shows, as one polygon: fusion takes what lies outside for unwatched.

```
  lens *-._`--..__
       |   `-._   ``--..__
       |       `.__       ``--.._ __/D
       A________/B \_____C______/      A to B and C to D are seen, B to C is behind the ridge
```
On hills the picture is cut in cells. A cell counts if its four corners meet the ground and, where
it is long on the ground, somebody's waist in the middle of it is in sight of the lens at several
points: a ray that slips over a ridge lands far behind it, and what lies between is hidden. One
polygon is one piece: of those that ridges part, it is the one that fills most of the picture. The
others are seen, too, but claimed by nobody, which errs on the side of sending somebody to look.
"""

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
import pymap3d

from edge.camera import BoolArray, Camera, FloatArray, Pose, rays_enu
from edge.ground import Ground, GroundModel, Hits, Relief, meet
from edge.messages import Polygon

# On flat ground it ends where the view gets flatter than this (57 lens heights away).
FOOTPRINT_DEG: Final = 1.0
# Of all rings together.
MOST_CORNERS: Final = 200
# What a cell may be long, as a share of its distance, before it is looked for hidden ground.
LONG_SHARE: Final = 0.02
# Who stands in a hollow is seen from the waist up.
WAIST_M: Final = 1.0

_COLUMNS: Final = 65
_ROWS: Final = 129
_LEAST_CORNERS: Final = 3
_LOOKED_AT: Final = np.array((0.1, 0.3, 0.5, 0.7, 0.9))  # of a cell's length
_BEFORE: Final = 0.999  # of the distance: a hit nearer than this is something in between
# Cells of so many rows and columns, coarser until the corners are few enough: 8 x 4 always are.
_BLOCKS: Final = ((1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 8), (16, 16))
_BENT: Final = 0.25  # of the shortest edge: a corner that is less off the line is left out

Index = npt.NDArray[np.intp]


@lru_cache(maxsize=16)
def footprint(camera: Camera, pose: Pose, ground: GroundModel) -> Polygon | None:
    """Outline the ground that the picture shows.

    Returns:
        A GeoJSON polygon of at most `MOST_CORNERS`: on flat ground one ring, its far edge cut
        where the view gets flat; on hills the largest piece in sight, with holes where ground is
        hidden. None where the picture shows no ground.
    """
    if not np.isfinite(pose).all():
        return None
    across = np.linspace(-0.5, camera.width_px - 0.5, _COLUMNS)
    down = np.linspace(-0.5, camera.height_px - 0.5, _ROWS)
    pixels = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    hits = meet(rays_enu(pixels, camera, pose).T, pose, ground)
    if isinstance(ground, Ground):
        corners = _hull(hits)
        if len(corners) < _LEAST_CORNERS:
            return None
        return ring_of(lat=hits.lat[corners], lon=hits.lon[corners])
    return _polygon(hits, _rings(hits, _seen(hits, pose, ground)))


def ring_of(*, lat: FloatArray, lon: FloatArray) -> Polygon:
    """Return corners (N,), in either sense, as a closed ring, counter-clockwise."""
    return Polygon(type="Polygon", coordinates=(_closed(lat, lon, outer=True),))


def _closed(lat: FloatArray, lon: FloatArray, *, outer: bool) -> tuple[tuple[float, float], ...]:
    """Return a ring as RFC 7946 wants it: the outer one counter-clockwise, holes clockwise."""
    lon, lat = np.round(lon, 7), np.round(lat, 7)
    if (_twice_area(lon, lat) > 0.0) is not outer:
        lon, lat = lon[::-1], lat[::-1]
    ring = list(zip(lon.tolist(), lat.tolist(), strict=True))
    return (*ring, ring[0])


def _twice_area(x: FloatArray, y: FloatArray) -> float:
    """Return twice the area of a ring (N,), positive counter-clockwise."""
    x, y = x - x[0], y - y[0]  # of small numbers nothing is lost
    return float(np.sum(x * (np.roll(y, -1) - np.roll(y, 1))))


def _hull(hits: Hits) -> Index:
    """Pick the corners of what is seen of flat ground: a quadrangle, cut off by a line."""
    seen = np.flatnonzero(hits.ok & (hits.steepness > np.sin(np.radians(FOOTPRINT_DEG))))
    if len(seen) < _LEAST_CORNERS:
        return seen
    east_north_m = (hits.rays * hits.slant_m).T[seen, :2]
    corners = cv2.convexHull(east_north_m.astype(np.float32), returnPoints=False)
    return seen[np.asarray(corners, dtype=np.intp).ravel()]


def _seen(hits: Hits, pose: Pose, relief: Relief) -> BoolArray:
    """Tell (rows - 1, columns - 1) which cells between the hits are in sight throughout."""
    ok, slant_m = hits.ok.reshape(_ROWS, _COLUMNS), hits.slant_m.reshape(_ROWS, _COLUMNS)
    seen: BoolArray = ok[:-1, :-1] & ok[:-1, 1:] & ok[1:, :-1] & ok[1:, 1:]
    at_m = (hits.rays[:2] * hits.slant_m).reshape(2, _ROWS, _COLUMNS)
    one, other = at_m[:, 1:, 1:] - at_m[:, :-1, :-1], at_m[:, 1:, :-1] - at_m[:, :-1, 1:]
    length_m = np.maximum(np.hypot(*one), np.hypot(*other))
    long = seen & (length_m > LONG_SHARE * slant_m[1:, 1:])
    if not long.any():
        return seen
    lat, lon = (_along(values.reshape(_ROWS, _COLUMNS), long) for values in (hits.lat, hits.lon))
    alt_m = relief.alt_m_at(lat=lat.ravel(), lon=lon.ravel()) + WAIST_M
    # Unknown ground is hidden; where the ray to it would go does not matter.
    known = np.isfinite(alt_m)
    there_m = np.stack(
        pymap3d.geodetic2enu(lat.ravel(), lon.ravel(), np.where(known, alt_m, 0.0), *pose[:3]),
        axis=-1,
    )
    away_m = np.linalg.norm(there_m, axis=1)
    found_m, _, met = relief.first_hits(pose, there_m / away_m[:, None])
    hidden = ~known | (met & (found_m < _BEFORE * away_m))
    seen[long] = ~hidden.reshape(lat.shape).any(axis=0)
    return seen


def _along(values: FloatArray, cells: BoolArray) -> FloatArray:
    """Return what corners (rows, columns) say along the middles (K, N) of some cells."""
    upper, lower = ((row[:, :-1] + row[:, 1:])[cells] / 2.0 for row in (values[:-1], values[1:]))
    middle: FloatArray = lower + (upper - lower) * _LOOKED_AT[:, None]
    return middle


def _rings(hits: Hits, seen: BoolArray) -> list[Index]:
    """Return the rings round the largest piece of the cells seen, as indices of hits."""
    at_m = (hits.rays[:2] * hits.slant_m).T
    nodes = np.arange(_ROWS * _COLUMNS).reshape(_ROWS, _COLUMNS)
    for high, wide in _BLOCKS:
        rows, columns = seen.shape[0] // high, seen.shape[1] // wide
        whole = seen.reshape(rows, high, columns, wide).all(axis=(1, 3))
        cells = _one_piece(np.asarray(whole, dtype=np.bool_))
        # A corner that lies on the line of its neighbours says nothing.
        rings = [_bends(ring, at_m) for ring in _borders(cells, nodes[::high, ::wide].ravel())]
        if sum(len(ring) + 1 for ring in rings) <= MOST_CORNERS:
            break
    return rings


def _one_piece(cells: BoolArray) -> BoolArray:
    """Return the largest piece of cells that share edges, none of which touch at a corner only."""
    while True:
        count, labels = cv2.connectedComponents(cells.astype(np.uint8), connectivity=4)
        if count <= 1:
            return cells
        sizes = np.bincount(labels.ravel(), minlength=count)
        cells = labels == 1 + int(np.argmax(sizes[1:]))
        falling = cells[:-1, :-1] & cells[1:, 1:] & ~cells[:-1, 1:] & ~cells[1:, :-1]
        rising = cells[:-1, 1:] & cells[1:, :-1] & ~cells[:-1, :-1] & ~cells[1:, 1:]
        if not (falling.any() or rising.any()):
            return cells
        cells[:-1, :-1] &= ~falling
        cells[:-1, 1:] &= ~rising


def _borders(cells: BoolArray, nodes: Index) -> list[Index]:
    """Return the rings (N,) of nodes round cells, cells on the same side of all of them."""
    rows, columns = cells.shape
    padded = np.pad(cells, 1)
    corner = nodes.reshape(rows + 1, columns + 1)
    follows: dict[int, int] = {}
    # The sides of a cell, walked round it: along the top, down the right, and back.
    for outside, start, end in (
        (padded[:-2, 1:-1], corner[:-1, :-1], corner[:-1, 1:]),
        (padded[1:-1, 2:], corner[:-1, 1:], corner[1:, 1:]),
        (padded[2:, 1:-1], corner[1:, 1:], corner[1:, :-1]),
        (padded[1:-1, :-2], corner[1:, :-1], corner[:-1, :-1]),
    ):
        side = cells & ~outside
        follows.update(zip(start[side].tolist(), end[side].tolist(), strict=True))
    rings = []
    while follows:
        at, ring = next(iter(follows)), []
        while at in follows:
            ring.append(at)
            at = follows.pop(at)
        rings.append(np.array(ring, dtype=np.intp))
    return rings


def _bends(ring: Index, at_m: FloatArray) -> Index:
    """Leave out the corners of a ring (N,) that are hardly off the line of their neighbours."""
    points = at_m[ring]
    edges_m = np.hypot(*(np.roll(points, -1, axis=0) - points).T)
    kept = [0]
    for last in range(2, len(ring) + 1):
        first = kept[-1]
        chord = points[last % len(ring)] - points[first]
        length_m = max(float(np.hypot(*chord)), 1e-9)
        skipped = points[first + 1 : last] - points[first]
        off_m = np.abs(skipped[:, 0] * chord[1] - skipped[:, 1] * chord[0]) / length_m
        if off_m.max() > _BENT * edges_m[first:last].min():
            kept.append(last - 1)
    return ring[kept]


def _polygon(hits: Hits, rings: list[Index]) -> Polygon | None:
    closed = [ring for ring in rings if len(ring) >= _LEAST_CORNERS]
    if not closed:
        return None
    around = [abs(_twice_area(hits.lon[ring], hits.lat[ring])) for ring in closed]
    first = int(np.argmax(around))
    ordered = [closed[first], *closed[:first], *closed[first + 1 :]]
    return Polygon(
        type="Polygon",
        coordinates=tuple(
            _closed(hits.lat[ring], hits.lon[ring], outer=number == 0)
            for number, ring in enumerate(ordered)
        ),
    )
