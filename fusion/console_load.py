"""What one console had to bear: alerts an hour, and floods, against what an operator can take.

Six alarms an hour are acceptable, twelve the most that one person manages, and more than ten in
ten minutes is a flood (DOMAIN.md 2.3: EEMUA 191, ISA-18.2). Counted are clock hours and clock ten
minutes of the sector's day, as those standards do. Pure.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from edge.messages import UtcTime
from fusion.day_record import Sound

ACCEPTABLE_PER_HOUR: Final = 6
MOST_PER_HOUR: Final = 12
FLOOD_PER_10_MIN: Final = 10  # more than these
_HOUR_S: Final = 3600.0
_TEN_MIN_S: Final = 600.0


class Load(NamedTuple):
    """Of one day or several. What makes no sound because it was over the budget is `quiet`."""

    hours: float = 0.0  # that have passed
    sounded: int = 0
    quiet: int = 0
    most_in_hour: int = 0  # of what sounded, as all below
    most_in_10_min: int = 0
    hours_over_acceptable: int = 0
    hours_over_most: int = 0
    floods: int = 0  # ten minutes with more than `FLOOD_PER_10_MIN`

    def add(self, other: "Load") -> "Load":
        """Return the load of both times together; they do not overlap."""
        return Load(
            hours=self.hours + other.hours,
            sounded=self.sounded + other.sounded,
            quiet=self.quiet + other.quiet,
            most_in_hour=max(self.most_in_hour, other.most_in_hour),
            most_in_10_min=max(self.most_in_10_min, other.most_in_10_min),
            hours_over_acceptable=self.hours_over_acceptable + other.hours_over_acceptable,
            hours_over_most=self.hours_over_most + other.hours_over_most,
            floods=self.floods + other.floods,
        )


def load_of(
    sounds: Iterable[Sound], since: UtcTime, until: UtcTime, *, simulated: bool = False
) -> Load:
    """Count the alerts of a day.

    Args:
        sounds: The alerts issued in it.
        since: Where the day begins.
        until: Where it ends, or now.
        simulated: Count those of exercises instead.
    """
    hours, ten_min = Counter[int](), Counter[int]()
    quiet = 0
    for sound in sounds:
        if sound.simulated is not simulated:
            continue
        if sound.is_quiet:
            quiet += 1
            continue
        into_s = sound.issued_at.seconds_since(since)
        hours[int(into_s // _HOUR_S)] += 1
        ten_min[int(into_s // _TEN_MIN_S)] += 1
    return Load(
        hours=max(0.0, until.seconds_since(since)) / _HOUR_S,
        sounded=hours.total(),
        quiet=quiet,
        most_in_hour=max(hours.values(), default=0),
        most_in_10_min=max(ten_min.values(), default=0),
        hours_over_acceptable=sum(one > ACCEPTABLE_PER_HOUR for one in hours.values()),
        hours_over_most=sum(one > MOST_PER_HOUR for one in hours.values()),
        floods=sum(one > FLOOD_PER_10_MIN for one in ten_min.values()),
    )
