"""Reads the figures of a period day by day from the store, and adds them up."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import date
from typing import Final, NamedTuple, Protocol

from edge.messages import Incident, UtcTime
from fusion.console_load import Load, load_of
from fusion.day_record import DayRecord
from fusion.days import Days
from fusion.past import Past
from fusion.patrols.rounds import Patrolled, patrolled
from fusion.sector import Sector
from fusion.situation.blind_hours import BlindHours
from fusion.situation.coverage import Line, lines_of
from fusion.tally import By, Count, Counts, Tally, added, counted, told
from fusion.watched_day import WatchedDay, watched_day
from maps.figures import places
from maps.figures.day_cache import BUDGET_S, DayCache, Filled
from maps.figures.places import Cells, cells_of

MOST_WAITING: Final = 2_000  # of those that wait longest; beyond, their number
_NEAR_S: Final = 3600.0
_SETTLED_S: Final = 3600.0  # what comes late has come
_FRESH_S: Final = 5.0
_ANEW_S: Final = 60.0  # a day that goes on is looked at again


class FigureStore(Protocol):
    """What figures ask of the store."""

    def day_record(self, sector: str) -> AbstractContextManager[DayRecord]:
        """Give what the figures of a sector's days are made of."""

    def past(self, sector: str) -> AbstractContextManager[Past]:
        """Give what the store knows of a sector's past."""


class Period(NamedTuple):
    """What is asked for."""

    days: Days
    now: UtcTime
    simulated: bool

    @property
    def until(self) -> UtcTime:
        """Return where it ends, or now."""
        return min(self.days.until, self.now)


class _Day(NamedTuple):
    counts: Counts
    cells: Cells
    load: Load
    left_out: int


class Figures(NamedTuple):
    """What came of a period's alerts and how long it took."""

    tallies: list[Tally]  # not of all devices and trails where only some were asked for
    groups: Mapping[By, int]  # how many kinds, devices, trails and days there are
    cells: Cells
    loads: dict[date, Load]
    left_out: int  # incidents and alerts of days that had too many
    pending: int  # days that are not counted yet
    waiting: list[Incident]  # now, whatever the period; those that wait longest, in order
    waiting_total: int  # exercises included


class Watch(NamedTuple):
    """What devices saw and our units walked in a period."""

    hours: BlindHours
    seen_h: dict[str, float]  # by device
    unknown_h: float  # fusion did not run, or kept no history
    lines: list[Line]
    patrolled: tuple[Patrolled, ...]
    vague: int  # positions left out
    pending: int


_Asked = tuple[Days, bool, int | None]


class Reading:
    """Answers for one sector; keeps what it counted. Safe to use from several threads."""

    def __init__(self, sector: Sector) -> None:
        """Begin with nothing counted."""
        self._sector = sector
        self._counted: DayCache[_Day] = DayCache()
        self._watched: DayCache[WatchedDay] = DayCache()
        self._answer: tuple[_Asked, UtcTime, Figures] | None = None  # the last

    def figures(
        self,
        store: FigureStore,
        period: Period,
        *,
        budget_s: float = BUDGET_S,
        most: int | None = None,
    ) -> Figures:
        """Count incidents and alerts, as many days as there is time for.

        Whoever asks again within seconds is told the same.

        Args:
            store: Where they are.
            period: Which.
            budget_s: How long to count.
            most: Of devices and of trails those that have most; None: all, which may take long
                where there are thousands.
        """
        asked = period.days, period.simulated, most
        last = self._answer
        if last is not None and last[0] == asked:
            age_s = period.now.seconds_since(last[1])
            if 0.0 <= age_s < _FRESH_S:
                return last[2]
        found = self._figures(store, period, budget_s, most=most)
        self._answer = None if found.pending else (asked, period.now, found)
        return found

    def _figures(
        self, store: FigureStore, period: Period, budget_s: float, *, most: int | None
    ) -> Figures:
        with store.day_record(self._sector.id) as record:
            stamps = [(day, record.stamp(*_ends(day, period))) for day in period.days.each()]
            total, waiting = record.waiting(MOST_WAITING)
        # A day that goes on is longer now, though nothing happened in it.
        today = period.now.astimezone(period.days.timezone).date()
        moment = int(period.now.timestamp() // _FRESH_S)
        aging = ((day, (stamp, moment if day == today else None)) for day, stamp in stamps)

        def count(day: date) -> _Day:
            with store.day_record(self._sector.id) as record:
                return self._count(record, day, period)

        found = self._counted.fill(aging, count, simulated=period.simulated, budget_s=budget_s)
        days = list(found.days.values())
        counts = added(one.counts for one in days)
        return Figures(
            tallies=self._tallies(_busiest(counts, most), found, period),
            groups=Counter(by for by, _ in counts),
            cells=places.added(one.cells for one in days),
            loads={day: one.load for day, one in found.days.items()},
            left_out=sum(one.left_out for one in days),
            pending=found.pending,
            waiting=[one for one in waiting if one.simulated is period.simulated],
            waiting_total=total,
        )

    def watch(self, store: FigureStore, period: Period, *, budget_s: float = BUDGET_S) -> Watch:
        """Look at coverage and patrols, as many days as there is time for."""

        def count(day: date) -> WatchedDay:
            since, until = _ends(day, period)
            with store.past(self._sector.id) as past:
                return watched_day(self._sector, past, since, until, simulated=period.simulated)

        found = self._watched.fill(
            self._ages(period), count, simulated=period.simulated, budget_s=budget_s
        )
        hours, seen_h = BlindHours(), dict[str, float]()
        for one in found.days.values():
            hours.join(one.hours)
            for device, seen in one.seen_h.items():
                seen_h[device] = seen_h.get(device, 0.0) + seen
        return Watch(
            hours=hours,
            seen_h=seen_h,
            unknown_h=sum(one.unknown_h for one in found.days.values()),
            lines=list(lines_of(self._sector)),
            patrolled=patrolled(self._sector, (one.steps for one in found.days.values())),
            vague=sum(one.vague for one in found.days.values()),
            pending=found.pending,
        )

    # -- inside ------------------------------------------------------------------------------

    def _count(self, record: DayRecord, day: date, period: Period) -> _Day:
        since, until = _ends(day, period)
        timezone, simulated = period.days.timezone, period.simulated
        # With those about it: work on one may go on in another.
        begin, end = since.after(-_NEAR_S), until.after(_NEAR_S)
        near = record.incidents(begin, end)
        incidents = [one for one in near if since <= one.opened_at < until]
        sounds = record.sounds(since, until)
        stamp = record.stamp(since, until)
        counts = counted(
            incidents,
            record.waits(near, begin, end) if incidents else {},
            timezone=timezone,
            simulated=simulated,
        )
        if since < until:  # a quiet day is a day with none, not one that is left out
            counts.setdefault(("day", day.isoformat()), Count.none())
        return _Day(
            counts=counts,
            cells=cells_of(incidents, timezone=timezone, simulated=simulated),
            load=load_of(sounds, since, until, simulated=simulated),
            left_out=stamp.incidents - len(incidents) + stamp.alerts - len(sounds),
        )

    def _tallies(self, counts: Counts, found: Filled[_Day], period: Period) -> list[Tally]:
        """Say what the days that are counted hold; of a period that has begun, so far."""
        since = period.days.since
        if found.pending and found.days:
            since = Days(min(found.days), period.days.last, period.days.timezone).since
        return told(
            counts,
            since=since,
            until=max(period.until, since.after(1.0)),
            timezone=period.days.timezone,
            border_km=self._sector.border.length_m / 1000.0,
        )

    def _ages(self, period: Period) -> Iterator[tuple[date, Hashable]]:
        for day in period.days.each():
            _, until = _ends(day, period)
            is_over = period.now.seconds_since(until) > _SETTLED_S
            yield day, None if is_over else int(period.now.timestamp() // _ANEW_S)


def _ends(day: date, period: Period) -> tuple[UtcTime, UtcTime]:
    """Return from when until when a day is counted: no later than now."""
    one = Days(day, day, period.days.timezone)
    return one.since, min(one.until, period.now)


def _busiest(counts: Counts, most: int | None) -> Counts:
    """Leave out all but the devices and the trails that have most."""
    if most is None:
        return counts
    found = {key: one for key, one in counts.items() if key[0] not in {"device", "trail"}}
    for by in ("device", "trail"):
        its = [(key, one) for key, one in counts.items() if key[0] == by]
        found.update(sorted(its, key=lambda one: (-one[1].came.total(), one[0]))[:most])
    return found
