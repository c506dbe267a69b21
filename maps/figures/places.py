"""Where and when incidents are: by trail, else by the kilometre of the border line. Pure.

What only concerns a device is left out: a mast is no place where people are.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from edge.messages import AlertKind, Incident
from fusion.tally import is_counted

_KM_M: Final = 1000.0

# The id of a trail, the whole kilometres of chainage where there is none, else None.
Where = str | int | None
Hour = tuple[int, int]  # day of the week, Monday 0, and hour of the day


class Cell(NamedTuple):
    """What was at one place; grows in place."""

    hours: Counter[Hour]
    degrees: list[float]  # sum of latitudes, sum of longitudes

    @property
    def middle(self) -> tuple[float, float]:
        """Return `(lat, lon)` of the middle of the incidents."""
        count = self.hours.total()
        return self.degrees[0] / count, self.degrees[1] / count


Cells = dict[Where, Cell]


def cells_of(incidents: Iterable[Incident], *, timezone: ZoneInfo, simulated: bool) -> Cells:
    """Count incidents by place and hour."""
    cells: Cells = {}
    for one in incidents:
        if one.kind is AlertKind.DEVICE or not is_counted(one, simulated=simulated):
            continue
        cell = cells.setdefault(_where(one), Cell(Counter(), [0.0, 0.0]))
        local = one.opened_at.astimezone(timezone)
        cell.hours[local.weekday(), local.hour] += 1
        cell.degrees[0] += one.lat
        cell.degrees[1] += one.lon
    return cells


def added(parts: Iterable[Cells]) -> Cells:
    """Add what was counted of times that do not overlap."""
    total: Cells = {}
    for part in parts:
        for where, cell in part.items():
            mine = total.setdefault(where, Cell(Counter(), [0.0, 0.0]))
            mine.hours.update(cell.hours)
            mine.degrees[0] += cell.degrees[0]
            mine.degrees[1] += cell.degrees[1]
    return total


def _where(incident: Incident) -> Where:
    place = incident.place
    if place.trail_id is not None:
        return place.trail_id
    return None if place.chainage_m is None else int(place.chainage_m // _KM_M)
