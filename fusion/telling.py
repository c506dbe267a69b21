"""What people were told about cases, and what they must be told now that the core knows better.

An alert once issued is never un-issued: its incident is amended or withdrawn. When late data give
one group's case another id, the new incident takes over the alert of the old one: no second alert.
It does so by who they were, and an alert passes on to one incident only: whoever crosses at that
place later is news.
"""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, NamedTuple

from edge.messages import Incident, UtcTime
from fusion.core import Core
from fusion.events import (
    AlertIssued,
    AlertSuppressed,
    Event,
    IncidentChanged,
    SuppressedAlert,
    SuppressionLifted,
)
from fusion.incidents import Case, Held, are_one
from fusion.rules import (
    NEW,
    WITHDRAWN,
    alert_id,
    alert_of,
    incident_of,
    suppressed_id,
    suppressed_of,
)
from fusion.sector import Sector


class _Stands(Enum):
    RAISED = auto()
    HELD = auto()
    WITHDRAWN = auto()
    LIFTED = auto()


_STANDING: Final = {_Stands.RAISED, _Stands.HELD}


class _Told(NamedTuple):
    case: Case
    stands: _Stands
    alert_ids: tuple[str, ...] = ()
    amended: bool = False
    record: Incident | SuppressedAlert | None = None  # in the very words


class Telling:
    """The last word on each case of the last horizons."""

    def __init__(self, sector: Sector) -> None:
        """Begin with nothing told."""
        self._sector = sector
        self._told: dict[str, _Told] = {}
        self.revision = 0  # of the core, when it was last compared
        self.alerts = 0
        self.incidents = 0

    def changes(
        self,
        core: Core,
        *,
        at_s: float,
        settled_s: float,
        issued: tuple[float, float],
        rerun: bool,
    ) -> Iterator[Event]:
        """Compare the core's cases with what was told; yield what must be said.

        Args:
            core: The picture as it is now.
            at_s: The event time it has reached.
            settled_s: The event time behind which it will never go back.
            issued: The clock between these instants, seconds since 1970, when it was decided.
            rerun: Late messages were taken in: what differs was amended by them.
        """
        self.revision = core.revision
        yield from self._vanished(core, at_s)
        for case in list(core.cases.values()):
            told = self._told.get(case.id)
            if case.waits_until_s is not None or _is_told(told, case):
                continue
            if case.held is not None:
                yield from self._hold(case, case.held, told)
            else:
                yield from self._raise(case, told, issued, rerun=rerun)
        self._forget(core, settled_s - core.case_kept_s)

    def _vanished(self, core: Core, at_s: float) -> Iterator[Event]:
        """Withdraw what the core no longer knows, unless it merely grew too old to keep."""
        for told in list(self._told.values()):
            if told.case.id in core.cases or told.case.last_s < at_s - core.case_kept_s:
                continue
            if told.stands is _Stands.RAISED:
                yield self._withdraw(told)
            elif told.stands is _Stands.HELD:
                self._told[told.case.id] = told._replace(stands=_Stands.LIFTED)
                yield SuppressionLifted(suppressed_id(told.case))

    def _withdraw(self, told: _Told) -> Event:
        now = told._replace(stands=_Stands.WITHDRAWN, amended=True)
        incident = self._incident(now)
        self._told[told.case.id] = now._replace(record=incident)
        return IncidentChanged(incident)

    def _hold(self, case: Case, held: Held, told: _Told | None) -> Iterator[Event]:
        known = told or _Told(case, _Stands.HELD)
        if known.stands is _Stands.RAISED:
            yield self._withdraw(known._replace(case=case))
            known = self._told[case.id]
        record = suppressed_of(self._sector, case, held)
        self._told[case.id] = known._replace(case=case, stands=_Stands.HELD, record=record)
        if known.stands is not _Stands.HELD or known.record != record:
            yield AlertSuppressed(record)

    def _raise(
        self, case: Case, told: _Told | None, issued: tuple[float, float], *, rerun: bool
    ) -> Iterator[Event]:
        if told is not None and told.stands is _Stands.HELD:
            yield SuppressionLifted(suppressed_id(case))
        if told is not None and told.alert_ids:
            amended = told.amended or (rerun and _counts(told.case) != _counts(case))
            now = _Told(case, _Stands.RAISED, told.alert_ids, amended)
        elif (orphan := self._orphan_of(case)) is not None:
            now = _Told(case, _Stands.RAISED, orphan.alert_ids, amended=True)
            self.incidents += 1
        else:
            earliest_s, latest_s = issued
            decided_s = case.decided_s + self._sector.rules.time.hold_back_s
            at = UtcTime.from_epoch_s(max(earliest_s, min(decided_s, latest_s)))
            now = _Told(case, _Stands.RAISED, (alert_id(case),))
            self.alerts += 1
            self.incidents += 1
            yield AlertIssued(alert_of(self._sector, case, issued_at=at))
        incident = self._incident(now)
        self._told[case.id] = now._replace(record=incident)
        if told is None or told.record != incident:
            yield IncidentChanged(incident)

    def _orphan_of(self, case: Case) -> _Told | None:
        """Find the withdrawn incident that was this very group under another id.

        Its alert must not have passed on to another incident already.
        """
        taken = {
            one
            for told in self._told.values()
            if told.stands in _STANDING
            for one in told.alert_ids
        }
        for told in reversed(self._told.values()):
            if (
                told.stands not in _STANDING
                and told.alert_ids
                and taken.isdisjoint(told.alert_ids)
                and are_one(told.case, case, self._sector.rules.groups)
            ):
                return told
        return None

    def _incident(self, told: _Told) -> Incident:
        state = WITHDRAWN if told.stands is _Stands.WITHDRAWN else NEW
        return incident_of(
            self._sector, told.case, state=state, alert_ids=told.alert_ids, amended=told.amended
        )

    def _forget(self, core: Core, before_s: float) -> None:
        old = [
            case_id
            for case_id, told in self._told.items()
            if told.case.last_s < before_s and case_id not in core.cases
        ]
        for case_id in old:
            del self._told[case_id]


def _counts(case: Case) -> tuple[int, int, int]:
    return case.headcount_min, case.headcount, case.headcount_max


def _is_told(told: _Told | None, case: Case) -> bool:
    return told is not None and told.case == case and told.stands in _STANDING
