"""When a crossing point is open: `Mon-Fri 06:00-18:00; Sat 07:00-12:00`, or `06:00-18:00`.

Days and hours are the sector's own time; a rule without days holds every day; hours that end
before they begin run over midnight and belong to the day on which they begin.
"""

import re
from datetime import datetime, timedelta
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTES_A_DAY = 24 * 60
_RULE = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+)?"
    r"(?P<h1>\d\d):(?P<m1>[0-5]\d)-(?P<h2>\d\d):(?P<m2>[0-5]\d)",
    re.ASCII,
)


class _Hours(NamedTuple):
    days: frozenset[int]  # 0 is Monday
    opens_min: int  # after midnight
    closes_min: int  # above 1440 where they run over midnight

    def include(self, weekday: int, minute: float) -> bool:
        yesterday = (weekday - 1) % 7
        return (weekday in self.days and self.opens_min <= minute < self.closes_min) or (
            yesterday in self.days and minute + _MINUTES_A_DAY < self.closes_min
        )


class Schedule(NamedTuple):
    """Opening hours of every week."""

    text: str
    hours: tuple[_Hours, ...]

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read opening hours.

        Raises:
            ValueError: They are not written as above.
        """
        if not isinstance(text, str) or not text.strip():
            msg = f"schedule {text!r} is not a text like 'Mon-Fri 06:00-18:00; Sat 07:00-12:00'"
            raise ValueError(msg)
        return cls(text, tuple(_hours(text, rule.strip()) for rule in text.split(";")))

    def is_open(self, at: datetime, timezone: ZoneInfo) -> bool:
        """Tell whether it is open at an (aware) instant."""
        local = at.astimezone(timezone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        minute = (local.replace(tzinfo=None) - midnight) / timedelta(minutes=1)
        return any(hours.include(local.weekday(), minute) for hours in self.hours)


def _hours(text: str, rule: str) -> _Hours:
    found = _RULE.fullmatch(rule.lower())
    problem = None
    if found is None:
        problem = f"{rule!r} is not like 'Mon-Fri 06:00-18:00'"
    else:
        opens = int(found["h1"]) * 60 + int(found["m1"])
        closes = int(found["h2"]) * 60 + int(found["m2"])
        first, last = found["first"] or "mon", found["last"] or found["first"] or "sun"
        if first not in _DAYS or last not in _DAYS:
            problem = f"{rule!r} names a day that is none of {', '.join(_DAYS)}"
        elif opens >= _MINUTES_A_DAY or closes > _MINUTES_A_DAY or opens == closes:
            problem = f"{rule!r} holds hours that are not between 00:00 and 24:00"
        else:
            begin, end = _DAYS.index(first), _DAYS.index(last)
            days = frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))
            return _Hours(days, opens, closes if closes > opens else closes + _MINUTES_A_DAY)
    msg = f"schedule {text!r}: {problem}"
    raise ValueError(msg)
