"""What came of the alerts: precision and nuisance, by device, trail, kind and day.

Counted is what people said of incidents (docs/incidents.md). What the system ended or took back by
itself is no judgement and stays apart; so does what is still open. Simulated incidents are counted
by themselves or not at all. How long people took is said of the same groups. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, Literal
from zoneinfo import ZoneInfo

from edge.messages import Incident, Outcome, UtcTime, Wire
from fusion.bounds import binomial_lower, poisson_upper
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
    days: float
    unwanted_per_day: float  # nuisance and false
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
    groups: dict[tuple[By, str], list[Incident]] = defaultdict(list)
    groups["all", ""] = []
    for incident in incidents:
        if incident.simulated is simulated and not isinstance(incident.continued_as, str):
            for key in _keys(incident, timezone):
                groups[key].append(incident)
    order = {by: number for number, by in enumerate(("all", "kind", "device", "trail", "day"))}
    return [
        _tally(
            key, group, [waits[one.incident_id] for one in group if one.incident_id in waits],
            days=_days(*key, since, until, timezone),
            border_km=border_km if key[0] in {"all", "kind", "day"} else None,
        )
        for key, group in sorted(groups.items(), key=lambda one: (order[one[0][0]], one[0]))
    ]  # fmt: skip


def _keys(incident: Incident, timezone: ZoneInfo) -> Iterator[tuple[By, str]]:
    yield "all", ""
    yield "kind", incident.kind.value
    for device in incident.devices:
        yield "device", device
    if incident.place.trail_id is not None:
        yield "trail", incident.place.trail_id
    yield "day", incident.opened_at.astimezone(timezone).date().isoformat()


def _days(by: By, name: str, since: UtcTime, until: UtcTime, timezone: ZoneInfo) -> float:
    """Return how many days are counted; of a day at either end, the part that is."""
    if by == "day":
        begins = UtcTime.fromisoformat(name).replace(tzinfo=timezone)
        since = max(since, UtcTime.of(begins))
        until = min(until, UtcTime.of(begins).after(_DAY_S))
    return max(0.0, until.seconds_since(since)) / _DAY_S


def _tally(
    key: tuple[By, str],
    group: list[Incident],
    waits: list[Waits],
    *,
    days: float,
    border_km: float | None,
) -> Tally:
    outcomes = [_outcome(one) for one in group]
    true = sum(one in TRUE for one in outcomes)
    nuisance = sum(one in NUISANCE for one in outcomes)
    false = outcomes.count(Outcome.LOI_HE_THONG)
    unclear = outcomes.count(Outcome.KHONG_RO)
    by_itself = sum(map(_ended_by_itself, group))
    clear = true + nuisance + false
    high = poisson_upper(nuisance + false)
    km_days = days * (border_km or 0.0)
    by, name = key
    return Tally(
        by=by,
        name=name,
        incidents=len(group),
        true=true,
        nuisance=nuisance,
        false=false,
        unclear=unclear,
        open=len(group) - clear - unclear - by_itself,
        by_itself=by_itself,
        precision=round(true / clear, _SHOWN) if clear else None,
        precision_low=round(binomial_lower(true, clear), _SHOWN),
        days=round(days, _SHOWN),
        unwanted_per_day=round((nuisance + false) / days, _SHOWN),
        unwanted_per_day_high=round(high / days, _SHOWN),
        unwanted_per_km_day_high=round(high / km_days, _SHOWN) if km_days else None,
        to_acknowledge=Wait.of([s for one in waits if (s := one.acknowledge_s) is not None]),
        to_dispatch=Wait.of([s for one in waits if (s := one.dispatch_s) is not None]),
        to_resolve=Wait.of([s for one in waits if (s := one.resolve_s) is not None]),
    )


def _outcome(incident: Incident) -> Outcome | None:
    """Return what people said came of it; None: nobody said."""
    if incident.acted_by == SYSTEM or not isinstance(incident.outcome, Outcome):
        return None
    return incident.outcome


def _ended_by_itself(incident: Incident) -> bool:
    over = incident.acted_by == SYSTEM or incident.state == State.WITHDRAWN
    return over and _outcome(incident) is None
