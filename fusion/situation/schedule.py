"""When a zone's kind holds: market days, seasons, hours.

    06:00-18:00                           every day
    Mon-Fri 06:00-11:30,13:30-17:00; Sat 07:00-12:00
    Mar-May, 01/11-28/02, 30/04           seasons and days of each year, a day of one: 17/02/2026
    1st,3rd Sun 05:00-13:00               of each month; last Sat
    every 6 days from 03/01/2026 05:00-13:00     a market that moves through the week
    15/08-31/10 Tue,Sat 04:00-20:00       all of it at once

Parts that `;` divides hold each by itself. Days and hours are the sector's own time; a part
without days holds every day, one without hours the whole day; hours that end before they begin run
over midnight and belong to the day on which they begin.
"""

import re
from calendar import isleap
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple, Self
from zoneinfo import ZoneInfo

_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS: Final = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_NTH: Final = {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "last": 0}
_MINUTES_A_DAY: Final = 24 * 60
_DAY_LONG: Final = timedelta(days=1)
_LAST_OF_MONTH: Final = 31  # or none: a season of months ends with the month
# Every calendar comes round in 28 years, of which none is 2100.
_ROUND: Final = range(2001, 2029)
_YEARS: Final = range(2000, 2100)

_DAY = r"\d\d?/\d\d?(?:/\d{4})?"
_MONTH = "|".join(_MONTHS)
_SEASON = rf"(?:{_DAY}(?:-{_DAY})?|(?:{_MONTH})(?:-(?:{_MONTH}))?)"
_HOURS = r"\d\d:[0-5]\d-\d\d:[0-5]\d"
_PART: Final = re.compile(
    rf"(?:(?P<seasons>{_SEASON}(?:,{_SEASON})*)(?:\s+|$))?"
    rf"(?:every (?P<every>\d+) days from (?P<since>\d\d?/\d\d?/\d{{4}})(?:\s+|$))?"
    rf"(?:(?P<nth>(?:{'|'.join(_NTH)})(?:,(?:{'|'.join(_NTH)}))*)(?:\s+|$))?"
    r"(?:(?P<days>[a-z]{3}(?:-[a-z]{3})?(?:,[a-z]{3}(?:-[a-z]{3})?)*)(?:\s+|$))?"
    rf"(?P<hours>{_HOURS}(?:,{_HOURS})*)?",
    re.ASCII,
)


class _Season(NamedTuple):
    """Days of each year, or of the years that are named: both ends included."""

    first: tuple[int, int, int]  # year (0: each), month, day
    last: tuple[int, int, int]

    def includes(self, day: date) -> bool:
        year = day.year if self.first[0] else 0
        here = (year, day.month, day.day)
        if self.first <= self.last or self.first[0]:
            return self.first <= here <= self.last
        return here >= self.first or here <= self.last  # over the turn of the year


class _Part(NamedTuple):
    """On which days, and from when till when."""

    text: str
    seasons: tuple[_Season, ...]  # none: all year
    every: tuple[int, date] | None  # days from one to the next, and one of them
    nth: frozenset[int]  # of the month, 0: the last; none: each
    weekdays: frozenset[int]  # 0 is Monday
    hours: tuple[tuple[int, int], ...]  # minutes after midnight; above 1440: over midnight

    def is_on(self, day: date) -> bool:
        """Tell whether it holds on a day, or into the night after it."""
        if day.weekday() not in self.weekdays:
            return False
        if self.nth and (day.day + 6) // 7 not in self.nth:
            is_last = (day + timedelta(days=7)).month != day.month
            if not (is_last and 0 in self.nth):
                return False
        if self.every is not None:
            step, since = self.every
            if (day - since).days % step:
                return False
        return not self.seasons or any(season.includes(day) for season in self.seasons)

    @property
    def years(self) -> set[int]:
        """Return the years that it names."""
        return {end[0] for season in self.seasons for end in season} - {0}


class Schedule(NamedTuple):
    """When something holds."""

    text: str
    parts: tuple[_Part, ...]

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read what is written as above.

        Raises:
            ValueError: It is written otherwise.
        """
        if not isinstance(text, str) or not text.strip():
            msg = f"schedule {text!r} is not a text like 'Mon-Fri 06:00-18:00; Sat 07:00-12:00'"
            raise ValueError(msg)
        try:
            return cls(text, tuple(_part(part.strip()) for part in text.split(";")))
        except ValueError as error:
            msg = f"schedule {text!r}: {error}"
            raise ValueError(msg) from error

    def is_open(self, at: datetime, timezone: ZoneInfo) -> bool:
        """Tell whether it holds at an (aware) instant."""
        local = at.astimezone(timezone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        minute = (local.replace(tzinfo=None) - midnight) / timedelta(minutes=1)
        today = local.date()
        return any(
            (part.is_on(day) and opens <= minute + into < closes)
            for day, into in ((today, 0), (today - _DAY_LONG, _MINUTES_A_DAY))
            for part in self.parts
            for opens, closes in part.hours
            if closes > into
        )

    def never(self) -> tuple[str, ...]:
        """Return the parts that hold on no day: an empty season, 30/02, a fifth Sunday of one."""
        return tuple(part.text for part in self.parts if not any(map(part.is_on, _days(part))))

    def meets(self, other: "Schedule") -> bool:
        """Tell whether both ever hold at one time."""
        days = list(_days(*self.parts, *other.parts))
        mine = [(part.hours, set(filter(part.is_on, days))) for part in self.parts]
        its = [(part.hours, set(filter(part.is_on, days))) for part in other.parts]
        return any(
            not here.isdisjoint(
                there if later == 0 else {day - later * _DAY_LONG for day in there}
            )
            for hours, here in mine
            for theirs, there in its
            for later in (0, -1, 1)
            if _meet(hours, theirs, later * _MINUTES_A_DAY)
        )


def _days(*parts: _Part) -> Iterator[date]:
    """Yield every day of every calendar, and of each year that is named."""
    for year in sorted({*_ROUND}.union(*(part.years for part in parts))):
        first = date(year, 1, 1).toordinal()
        yield from map(date.fromordinal, range(first, first + 365 + isleap(year)))


def _meet(
    here: tuple[tuple[int, int], ...], there: tuple[tuple[int, int], ...], later_min: int
) -> bool:
    """Tell whether hours of a day meet those of a day that begins so much later."""
    return any(
        opens < closing + later_min and opening + later_min < closes
        for opens, closes in here
        for opening, closing in there
    )


def _part(text: str) -> _Part:
    found = _PART.fullmatch(re.sub(r"\s*,\s*", ",", " ".join(text.lower().split())))
    if found is None or not text:
        msg = f"{text!r} is not like 'Mon-Fri 06:00-18:00'"
        raise ValueError(msg)
    if found["nth"] and not found["days"]:
        msg = f"{text!r} names no day of the week after {found['nth']!r}"
        raise ValueError(msg)
    every = None
    if found["every"]:
        every = (int(found["every"]), _anchor(text, found["since"]))
        if every[0] < 1:
            msg = f"{text!r} comes every 0 days"
            raise ValueError(msg)
    return _Part(
        text=text,
        seasons=tuple(_season(text, one) for one in _listed(found["seasons"])),
        every=every,
        nth=frozenset(_NTH[one] for one in _listed(found["nth"])),
        weekdays=frozenset(
            day for one in _listed(found["days"] or "mon-sun") for day in _weekdays(text, one)
        ),
        hours=tuple(_hours(text, one) for one in _listed(found["hours"] or "00:00-24:00")),
    )


def _listed(words: str | None) -> list[str]:
    return words.split(",") if words else []


def _season(text: str, words: str) -> _Season:
    first, _, last = words.partition("-")
    last = last or first
    if first in _MONTHS:
        begin, end = _MONTHS.index(first) + 1, _MONTHS.index(last) + 1
        return _Season((0, begin, 1), (0, end, _LAST_OF_MONTH))
    season = _Season(_day(text, first), _day(text, last))
    if bool(season.first[0]) is not bool(season.last[0]):
        msg = f"{text!r}: one end of {words} names its year, the other does not"
        raise ValueError(msg)
    return season


def _day(text: str, words: str) -> tuple[int, int, int]:
    day, month, *named = map(int, words.split("/"))
    if not (1 <= month <= len(_MONTHS) and 1 <= day <= _LAST_OF_MONTH):
        msg = f"{text!r}: {words} is no day of any month (day/month)"
        raise ValueError(msg)
    if named and named[0] not in _YEARS:
        msg = f"{text!r}: {words} is of no year from {_YEARS[0]} to {_YEARS[-1]}"
        raise ValueError(msg)
    return (named or [0])[0], month, day


def _anchor(text: str, words: str) -> date:
    try:
        return date(*_day(text, words))
    except ValueError as error:
        msg = f"{text!r}: {words} is no day of that year"
        raise ValueError(msg) from error


def _weekdays(text: str, words: str) -> list[int]:
    first, _, last = words.partition("-")
    last = last or first
    if first not in _WEEKDAYS or last not in _WEEKDAYS:
        msg = f"{text!r} names a day that is none of {', '.join(_WEEKDAYS)}"
        raise ValueError(msg)
    begin, end = _WEEKDAYS.index(first), _WEEKDAYS.index(last)
    return [(begin + step) % 7 for step in range((end - begin) % 7 + 1)]


def _hours(text: str, words: str) -> tuple[int, int]:
    opens, closes = (int(clock[:2]) * 60 + int(clock[3:]) for clock in words.split("-"))
    if opens >= _MINUTES_A_DAY or closes > _MINUTES_A_DAY or opens == closes:
        msg = f"{text!r} holds hours that are not between 00:00 and 24:00"
        raise ValueError(msg)
    return opens, closes if closes > opens else closes + _MINUTES_A_DAY
