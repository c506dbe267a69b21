"""Which zone rules at a place and a time: one word for each, however many are drawn there.

Zones overlap, and kinds contradict one another (`fusion check` says so). What rules then is always
the same, whatever the order of the file: of the zones that hold now, the strictest kind; of one
kind, the first by id.

    restricted      nobody is meant to be here, nor to go over the line
    crossing_point  one may go over the line here
    settlement      people live here
    farmland        people work here

So a gate in a restricted belt must be cut out of it: rather one alert too many than a crossing
that nobody reads of. Zones change what is told, never what is seen: a crossing of the line from a
field is a crossing, and whatever a zone holds back is on record with it.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from fusion.events import HeldBecause
from fusion.local_frame import Metres
from fusion.situation.places import inside

if TYPE_CHECKING:
    from fusion.plan import Zone
    from fusion.sector import Sector

_STRICTNESS: Final = {"restricted": 3, "crossing_point": 2, "settlement": 1, "farmland": 0}
# Of who comes near the line here, or stays there, nobody is told.
EXPLAINS: Final = {
    "crossing_point": HeldBecause.LAWFUL,
    "settlement": HeldBecause.SETTLEMENT,
    "farmland": HeldBecause.FARMLAND,
}


def ruling_zone(sector: "Sector", at: Metres, when: datetime) -> "Zone | None":
    """Return the zone that rules at a place and an (aware) instant; None: there is none."""
    ruling = None
    for zone in sector.zones:
        if ruling is not None and _rank(zone) >= _rank(ruling):
            continue
        if _is_in_box(at, zone.box) and inside(at, zone.rings) and _holds(zone, sector, when):
            ruling = zone
    return ruling


def open_crossing_point(sector: "Sector", at: Metres, when: datetime) -> "Zone | None":
    """Return the crossing point in which one may go over the line here and now, or None."""
    zone = ruling_zone(sector, at, when)
    return zone if zone is not None and zone.kind == "crossing_point" else None


def place_of_work(sector: "Sector", at: Metres, when: datetime) -> "Zone | None":
    """Return the field or settlement in which people are about their own business, or None."""
    zone = ruling_zone(sector, at, when)
    return zone if zone is not None and zone.kind in {"farmland", "settlement"} else None


def _rank(zone: "Zone") -> tuple[int, str]:
    return -_STRICTNESS[zone.kind], zone.id


def _holds(zone: "Zone", sector: "Sector", when: datetime) -> bool:
    return zone.schedule is None or zone.schedule.is_open(when, sector.timezone)


def _is_in_box(at: Metres, box: tuple[Metres, Metres]) -> bool:
    (west_m, south_m), (east_m, north_m) = box
    return west_m <= at.x_m <= east_m and south_m <= at.y_m <= north_m
