"""A sector's days: from midnight to midnight of its own clocks, 23 or 25 h where they are set."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from edge.messages import UtcTime

_ONE: Final = timedelta(days=1)


def start_of_day(day: date, timezone: ZoneInfo) -> UtcTime:
    """Return the instant at which a day begins."""
    return UtcTime.of(datetime.combine(day, time(), tzinfo=timezone))


class Days(NamedTuple):
    """Days in a row, the first and the last included."""

    first: date
    last: date
    timezone: ZoneInfo

    def each(self) -> Iterator[date]:
        """Yield them in order."""
        day = self.first
        while day <= self.last:
            yield day
            day += _ONE

    @property
    def since(self) -> UtcTime:
        """Return the instant at which they begin."""
        return start_of_day(self.first, self.timezone)

    @property
    def until(self) -> UtcTime:
        """Return the instant at which they are over."""
        return start_of_day(self.last + _ONE, self.timezone)
