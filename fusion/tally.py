"""What came of the alerts: precision and nuisance, by device, trail, kind and day.

Counted is what people said of incidents (docs/incidents.md). What the system ended or took back by
itself is no judgement and stays apart; so does what is still open. Simulated incidents are counted
by themselves or not at all. How long people took is said of the same groups. Counts of times that
do not overlap add up, so a day that is over need not be counted again. Pure.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from edge.messages import Incident, Outcome, UtcTime, Wire
from fusion.bounds import binomial_lower, binomial_upper, poisson_lower, poisson_upper
from fusion.days import start_of_day
from fusion.steps import SYSTEM, State
from fusion.waits import Wait, Waits

TRUE: Final = frozenset({
    Outcome.BAT_GIU, Outcome.QUAY_LAI, Outcome.THOAT, Outcome.CUU_HO, Outcome.NGHI_NAN_NHAN,
})  # fmt: skip
NUISANCE: Final = frozenset({
    Outcome.NGUOI_DIA_PHUONG, Outcome.LUC_LUONG_TA, Outcome.DONG_VAT, Outcome.MOI_TRUONG,
})  # fmt: skip
LAST_DAYS: Final = 30.0  # what is counted unless somebody asks for another time
_DAY_S: Final = 86_400.0
_SHOWN: Final = 4  # digits behind the point

By = Literal["all", "kind", "device", "trail", "day"]
Key = tuple[By, str]
_ORDER: Final[tuple[By, ...]] = ("all", "kind", "device", "trail", "day")


class Count(NamedTuple):
    """What came of the incidents of a group, and how long people took, s; grows in place."""

    came: Counter[Outcome | Literal["open", "by_itself"]]
    acknowledge_s: "array[float]"  # no generic class before Python 3.12
    dispatch_s: "array[float]"
    resolve_s: "array[float]"

    @classmethod
    def none(cls) -> "Count":
        """Begin with nothing."""
        return cls(Counter(), array("d"), array("d"), array("d"))

    def add(self, other: "Count") -> None:
        """Add what was counted elsewhere."""
        self.came.update(other.came)
        for mine, theirs in zip(self[1:], other[1:], strict=True):
            mine.extend(theirs)


Counts = dict[Key, Count]


class Tally(Wire, frozen=True, kw_only=True, omit_defaults=False):
    """The incidents that have something in common, and what came of them.

    `days` is the length of the time they were looked for in, not that in which a device was up.
    """

    by: By
    name: str
    incidents: int
    true: int
    nuisance: int  # real, and nobody's business: a resident, a patrol, an animal, the weather
    false: int  # a fault of the system
    unclear: int
    open: int  # nobody said yet
    by_itself: int  # the system ended it or took it back, and nobody acted
    precision: float | None  # true of those that were judged clearly; None: none was
    precision_low: float  # 95 %, Clopper-Pearson
    precision_high: float  # the same from above
    # Of DOMAIN.md 2.1: whoever crossed or tried to, and was caught, turned back, or got away.
    caught: int
    turned_back: int
    got_away: int
    interdiction: float | None  # caught and turned back of all three; None: there is none
    interdiction_low: float  # 95 %, Clopper-Pearson
    interdiction_high: float
    days: float
    unwanted_per_day: float  # nuisance and false
    unwanted_per_day_low: float  # 95 %, Poisson
    unwanted_per_day_high: float  # 95 %, Poisson
    unwanted_per_km_day_high: float | None  # of the border line; None: where that says nothing
    # From the alert until the step was first taken; None: in no incident.
    to_acknowledge: Wait | None
    to_dispatch: Wait | None
    to_resolve: Wait | None


def tallies(  # noqa: PLR0913 - what a count is a count of
    incidents: Iterable[Incident],
    *,
    since: UtcTime,
    until: UtcTime,
    timezone: ZoneInfo,
    border_km: float,
    waits: Mapping[str, Waits] = MappingProxyType({}),
    simulated: bool = False,
) -> list[Tally]:
    """Count incidents: all, then by kind, device, trail and day, each in order of its names.

    Args:
        incidents: Those that were opened in the time that is counted.
        since: Where that begins.
        until: Where it ends, later.
        timezone: Whose days.
        border_km: Length of the sector's border line.
        waits: How long people took, by incident.
        simulated: Count those of exercises instead.
    """
    counts = counted(incidents, waits, timezone=timezone, simulated=simulated)
    return told(counts, since=since, until=until, timezone=timezone, border_km=border_km)


def counted(
    incidents: Iterable[Incident],
    waits: Mapping[str, Waits],
    *,
    timezone: ZoneInfo,
    simulated: bool = False,
) -> Counts:
    """Count incidents by what they have in common; `all` is always there."""
    counts: Counts = {("all", ""): Count.none()}
    for incident in incidents:
        if is_counted(incident, simulated=simulated):
            came = _came(incident)
            wait = waits.get(incident.incident_id, Waits())
            for key in _keys(incident, timezone):
                count = counts.setdefault(key, Count.none())
                count.came[came] += 1
                for taken_s, known_s in zip(wait, count[1:], strict=True):
                    if taken_s is not None:
                        known_s.append(taken_s)
    return counts


def is_counted(incident: Incident, *, simulated: bool) -> bool:
    """Tell whether an incident counts: the work on some goes on in others."""
    return incident.simulated is simulated and not isinstance(incident.continued_as, str)


def added(parts: Iterable[Counts]) -> Counts:
    """Add counts of times that do not overlap."""
    total: Counts = {("all", ""): Count.none()}
    for part in parts:
        for key, count in part.items():
            total.setdefault(key, Count.none()).add(count)
    return total


def told(
    counts: Counts, *, since: UtcTime, until: UtcTime, timezone: ZoneInfo, border_km: float
) -> list[Tally]:
    """Say what was counted from `since` to `until`: all, then by kind, device, trail and day."""
    return [
        _tally(
            key,
            count,
            days=_days(*key, since, until, timezone),
            border_km=border_km if key[0] in {"all", "kind", "day"} else None,
        )
        for key, count in sorted(
            counts.items(), key=lambda one: (_ORDER.index(one[0][0]), one[0][1])
        )
    ]


def _keys(incident: Incident, timezone: ZoneInfo) -> Iterator[Key]:
    yield "all", ""
    yield "kind", incident.kind.value
    for device in incident.devices:
        yield "device", device
    if incident.place.trail_id is not None:
        yield "trail", incident.place.trail_id
    yield "day", incident.opened_at.astimezone(timezone).date().isoformat()


def _days(by: By, name: str, since: UtcTime, until: UtcTime, timezone: ZoneInfo) -> float:
    """Return how many days are counted; of a day at either end, the part that is.

    A day is 24 h, but for those on which clocks are set.
    """
    if by == "day":
        day = date.fromisoformat(name)
        since = max(since, start_of_day(day, timezone))
        until = min(until, start_of_day(day + timedelta(days=1), timezone))
    return max(0.0, until.seconds_since(since)) / _DAY_S


def _tally(key: Key, count: Count, *, days: float, border_km: float | None) -> Tally:
    came = count.came
    true = sum(came[one] for one in TRUE)
    nuisance = sum(came[one] for one in NUISANCE)
    false = came[Outcome.LOI_HE_THONG]
    clear = true + nuisance + false
    caught, turned_back = came[Outcome.BAT_GIU], came[Outcome.QUAY_LAI]
    met, got_away = caught + turned_back, came[Outcome.THOAT]
    high = poisson_upper(nuisance + false)
    km_days = days * (border_km or 0.0)
    by, name = key
    return Tally(
        by=by,
        name=name,
        incidents=came.total(),
        true=true,
        nuisance=nuisance,
        false=false,
        unclear=came[Outcome.KHONG_RO],
        open=came["open"],
        by_itself=came["by_itself"],
        precision=round(true / clear, _SHOWN) if clear else None,
        precision_low=round(binomial_lower(true, clear), _SHOWN),
        precision_high=round(binomial_upper(true, clear), _SHOWN),
        caught=caught,
        turned_back=turned_back,
        got_away=got_away,
        interdiction=round(met / (met + got_away), _SHOWN) if met + got_away else None,
        interdiction_low=round(binomial_lower(met, met + got_away), _SHOWN),
        interdiction_high=round(binomial_upper(met, met + got_away), _SHOWN),
        days=round(days, _SHOWN),
        unwanted_per_day=round((nuisance + false) / days, _SHOWN),
        unwanted_per_day_low=round(poisson_lower(nuisance + false) / days, _SHOWN),
        unwanted_per_day_high=round(high / days, _SHOWN),
        unwanted_per_km_day_high=round(high / km_days, _SHOWN) if km_days else None,
        to_acknowledge=Wait.of(count.acknowledge_s),
        to_dispatch=Wait.of(count.dispatch_s),
        to_resolve=Wait.of(count.resolve_s),
    )


def _came(incident: Incident) -> Outcome | Literal["open", "by_itself"]:
    outcome = _outcome(incident)
    if outcome is not None:
        return outcome
    return "by_itself" if _ended_by_itself(incident) else "open"


def _outcome(incident: Incident) -> Outcome | None:
    """Return what people said came of it; None: nobody said."""
    if incident.acted_by == SYSTEM or not isinstance(incident.outcome, Outcome):
        return None
    return incident.outcome


def _ended_by_itself(incident: Incident) -> bool:
    over = incident.acted_by == SYSTEM or incident.state == State.WITHDRAWN
    return over and _outcome(incident) is None
