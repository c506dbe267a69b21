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
_BETTER: Final = 4.0  # so much nearer to the line must the move bring them
_LEAST_MARKERS: Final = 2

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
    found = _off_the_line(border, posts, shift) or _off_the_markers(
        np.vstack([np.array(line) for line in border]), posts, shift, least=_LEAST_MARKERS
    )
    if found is not None:
        wrong, right = ("markers", "border") if found > 0 else ("border", "markers")
        signs.append(_sentence(files[wrong], files[right], shift))
    if trails:
        ends = np.array([end for line in trails for end in (line[0], line[-1])])
        found = _off_the_markers(ends, posts, shift, least=1)
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
        if _rms(shapely.distance(moved, line)) * _BETTER < _rms(off_m[belong]):
            return sign
    return None


def _off_the_markers(
    points: FloatArray, markers: FloatArray, shift: _Shift, *, least: int
) -> int | None:
    """Tell whether points (N, 2) lie off the markers (M, 2) by the shift, and none at them.

    Returns:
        1 where the markers must be moved by the shift, -1 where the points, else None.
    """
    tree = STRtree(shapely.points(points))

    def met(moved: FloatArray) -> int:
        found = tree.query(shapely.points(moved), predicate="dwithin", distance=_FIT_M)
        return len(set(found[0].tolist()))

    if met(markers):
        return None
    for sign in (1, -1):
        if met(markers + sign * np.array(shift)) >= least:
            return sign
    return None


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2)))
