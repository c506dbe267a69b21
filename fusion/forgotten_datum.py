"""See by the numbers alone that a layer is VN-2000 taken for WGS 84.

Such a layer lies 224 m west-north-west of where it belongs (196 m W, 109 m N at Hà Nội), the
same way everywhere in Viet Nam. Boundary markers stand on the border line, and lines are drawn
from marker to marker: where layers do not meet as they lie, and meet once one of them is moved
by just that much, somebody forgot the datum. It is a warning and no refusal: it is a likeness,
not a proof (markers of a river stand on its banks), and a station must not stop for a likeness.

Nothing is seen where there are no markers, or where all layers share the mistake.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import shapely
from shapely import STRtree

from fusion.datum import FloatArray, vn2000
from fusion.local_frame import LocalFrame, Metres

_VIETNAM: Final = (101.0, 7.0, 111.0, 25.0)  # west, south, east, north, with some margin
_FIT_M: Final = 15.0  # what is drawn at a marker is drawn no farther from it
_OFF_LINE_M: Final = 60.0  # markers so far off the line are not on it
_BELONGS_M: Final = 500.0  # a marker farther off is of another line
_BETTER: Final = 4.0  # so much nearer to the line must the move bring a few markers
# Of many that stand beside the line in all sorts of ways, less will do: by the likelihood ratio.
_BETTER_ALL: Final = 1.5
_EVIDENCE_NATS: Final = 10.0
_LEAST_MARKERS: Final = 2
_AROUND_M: Final = 600.0  # how often two layers meet by chance is counted so far about
_BY_CHANCE: Final = 2e-3  # seldomer than that, it is none

Lines = Sequence[Sequence[Metres]]


class _Shift(NamedTuple):
    """From where VN-2000 taken for WGS 84 lies to where it belongs, in the sector's metres."""

    east_m: float
    north_m: float

    @property
    def words(self) -> str:
        return f"{math.hypot(*self):.0f} m ({self.east_m:.0f} m W, {-self.north_m:.0f} m N)"


def signs_of_vn2000(
    frame: LocalFrame,
    files: Mapping[str, Path],
    *,
    border: Lines,
    trails: Lines,
    markers: Sequence[Metres],
) -> tuple[str, ...]:
    """Return a sentence for each layer that bears the signature; none outside Viet Nam.

    Args:
        frame: The sector's plane, in whose metres the others are.
        files: The layers' files, by `border`, `trails` and `markers`.
        border: The lines of the border.
        trails: The trails.
        markers: The boundary markers.
    """
    west, south, east, north = _VIETNAM
    if not (markers and west <= frame.lon <= east and south <= frame.lat <= north):
        return ()
    shift = _shift(frame)
    posts, signs = np.array(markers, dtype=np.float64), []
    found = _off_the_line(border, posts, shift) or _off_the_corners(border, posts, shift)
    if found is not None:
        wrong, right = ("markers", "border") if found > 0 else ("border", "markers")
        signs.append(_sentence(files[wrong], files[right], shift))
    found = _off_the_markers(trails, posts, shift) if trails else None
    if found is not None:
        wrong, right = ("markers", "trails") if found > 0 else ("trails", "markers")
        signs.append(_sentence(files[wrong], files[right], shift))
    return tuple(signs)


def _sentence(wrong: Path, right: Path, shift: _Shift) -> str:
    return (
        f"{wrong}: lies {shift.words} beside {right}, as VN-2000 does when it is taken for "
        "WGS 84; convert it, or give it as a GeoPackage or Shapefile with its crs "
        "(or one of the two was converted twice)"
    )


def _shift(frame: LocalFrame) -> _Shift:
    ((lon, lat),) = vn2000().to_wgs84(np.array([[frame.lon, frame.lat]]))
    return _Shift(*frame.to_metres(lat=float(lat), lon=float(lon)))


def _off_the_line(border: Lines, markers: FloatArray, shift: _Shift) -> int | None:
    """Tell whether moving all markers (N, 2) by the shift brings them onto the line.

    Returns:
        1 where the markers must be moved by the shift, -1 where by its opposite (the line
        by it), None where the markers are well as they are or the move does not help.
    """
    line = shapely.MultiLineString([[tuple(point) for point in piece] for piece in border])
    off_m = shapely.distance(shapely.points(markers), line)
    belong = off_m <= _BELONGS_M
    if belong.sum() < _LEAST_MARKERS or _rms(off_m[belong]) < _OFF_LINE_M:
        return None
    for sign in (1, -1):
        moved = shapely.points(markers[belong] + sign * np.array(shift))
        better = _rms(off_m[belong]) / max(_rms(shapely.distance(moved, line)), 1e-3)
        if better > _BETTER or (
            better > _BETTER_ALL and belong.sum() * math.log(better) > _EVIDENCE_NATS
        ):
            return sign
    return None


def _off_the_corners(border: Lines, markers: FloatArray, shift: _Shift) -> int | None:
    """Tell whether most markers (M, 2) lie off the line's vertices by the shift, and few at them.

    That tells of a line along the very shift, which its markers do not leave.

    Returns:
        1 where the markers must be moved by the shift, -1 where the line, else None.
    """
    tree = STRtree(shapely.points(np.vstack([np.array(line) for line in border])))

    def met(moved: FloatArray) -> int:
        found = tree.query(shapely.points(moved), predicate="dwithin", distance=_FIT_M)
        return len(set(found[0].tolist()))

    least = max(_LEAST_MARKERS, len(markers) / 2.0)
    for sign in (1, -1):
        moved = met(markers + sign * np.array(shift))
        if moved >= least and moved > _BETTER * met(markers):
            return sign
    return None


def _off_the_markers(trails: Lines, markers: FloatArray, shift: _Shift) -> int | None:
    """Tell whether trails' ends lie off the markers (M, 2) by the shift oftener than by chance.

    Returns:
        1 where the markers must be moved by the shift, -1 where the trails, else None.
    """
    ends = np.array([end for line in trails for end in (line[0], line[-1])])
    near = STRtree(shapely.points(ends)).query(
        shapely.points(markers), predicate="dwithin", distance=_AROUND_M
    )
    apart = ends[near[1]] - markers[near[0]]

    def met(by: FloatArray) -> int:
        return int(np.count_nonzero(np.hypot(*(apart - by).T) <= _FIT_M))

    as_they_lie = met(np.zeros(2))
    counts = {sign: met(sign * np.array(shift)) for sign in (1, -1)}
    sign = max(counts, key=lambda one: counts[one])
    elsewhere = len(apart) - as_they_lie - sum(counts.values())
    by_chance = (elsewhere + 1) * (_FIT_M / _AROUND_M) ** 2
    seldom = _poisson_tail(counts[sign], by_chance) < _BY_CHANCE
    return sign if seldom and counts[sign] > as_they_lie else None


def _poisson_tail(count: int, mean: float) -> float:
    """Return the probability of so many or more, where so many are to be expected."""
    fewer = sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(count))
    return max(0.0, 1.0 - fewer)


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2)))
