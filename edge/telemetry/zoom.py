"""How wide the camera saw at every sample of a log, as far as the log tells.

A log may state the field of view less often than the pose: between two statements close enough in
time it is interpolated. A log that never states one leaves it to the device file. One that does,
and falls silent, leaves nobody knowing; nor does anybody know another lens than the one that the
log was mostly filmed through, because the device file describes one lens.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from edge.camera import FloatArray
from edge.telemetry.samples import Sample

# As long as a pose is interpolated (`edge.telemetry.join`).
LONGEST_SILENCE_S: Final = 2.5


def with_zoom(samples: Sequence[Sample]) -> list[Sample]:
    """Fill in the field of view and the digital zoom; mark where they are lost."""
    lens = Counter(row.focal for row in samples if row.focal is not None).most_common(1)
    usual = lens[0][0] if lens else None
    times_s = np.array([row.media_time_s for row in samples])
    fields_deg, no_field = _filled([row.hfov_deg for row in samples], times_s)
    zooms, no_zoom = _filled([row.zoom for row in samples], times_s)
    return [
        msgspec.structs.replace(
            row,
            hfov_deg=fields_deg[number],
            zoom=zooms[number],
            zoom_lost=no_field[number]
            or no_zoom[number]
            or (row.focal is not None and row.focal != usual),
        )
        for number, row in enumerate(samples)
    ]


def _filled(
    stated: Sequence[float | None], times_s: FloatArray
) -> tuple[list[float | None], list[bool]]:
    """Return values (N,) with those between two close statements, and which are lost (N,)."""
    known = np.array([value is not None for value in stated], dtype=np.bool_)
    if not known.any():
        return list(stated), [False] * len(stated)
    at_s = times_s[known]
    values = np.array([value for value in stated if value is not None])
    after = np.searchsorted(at_s, times_s)
    later, earlier = np.minimum(after, len(at_s) - 1), np.maximum(after - 1, 0)
    near = (at_s[later] >= times_s) & (at_s[earlier] <= times_s)
    near &= at_s[later] - at_s[earlier] <= LONGEST_SILENCE_S
    found = np.interp(times_s, at_s, values)
    filled = [
        value if value is not None else float(found[number]) if near[number] else None
        for number, value in enumerate(stated)
    ]
    return filled, [value is None for value in filled]
