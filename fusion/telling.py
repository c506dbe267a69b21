"""What people were told about cases, and what they must be told now that the core knows better.

An alert once issued is never un-issued: its incident is amended or withdrawn. When late data give
one group's case another id, the new incident takes over the alert of the old one: no second alert.
It does so by who they were, and an alert passes on to one incident only: whoever crosses at that
place later is news.

What was told stays known for days after the core has forgotten it. A case that late messages from
beyond the horizon show (`fusion.forensic`) is told only if it was not: by where and when they came
over the line, since other devices saw them. Else its count may raise that of the incident.
"""

from collections.abc import Iterator, Mapping
from enum import Enum, auto
from itertools import chain
from typing import Final, NamedTuple

from msgspec.structs import replace

from edge.messages import Incident, UtcTime
from fusion.budget import Budget, budgeted
from fusion.core import Core
from fusion.events import (
    AlertIssued,
    AlertSuppressed,
    Event,
    HeldBecause,
    IncidentChanged,
    SuppressedAlert,
    SuppressionLifted,
)
from fusion.incidents import Case, Held, are_one, gap_s
from fusion.notices import Notice, are_one_notice
from fusion.rulebook import GroupsRule
from fusion.rules import (
    WITHDRAWN,
    Matter,
    alert_id,
    alert_of,
    incident_of,
    state_of,
    suppressed_id,
    suppressed_of,
)
from fusion.sector import Sector


class _Stands(Enum):
    RAISED = auto()
    HELD = auto()
    WITHDRAWN = auto()
    LIFTED = auto()  # nothing stands
    KNOWN = auto()  # a late case that is another incident: it only counts there


_STANDING: Final = {_Stands.RAISED, _Stands.HELD}
_PAST: Final = 8_192  # cases that the core has forgotten; some 2 KB each
_SHED: Final = 512

_Heads = tuple[int, int, int]  # least, likely, most
_NOBODY: Final[_Heads] = (0, 0, 0)


class _Told(NamedTuple):
    case: Matter
    stands: _Stands
    alert_ids: tuple[str, ...] = ()
    amended: bool = False
    record: Incident | SuppressedAlert | None = None  # in the very words
    of: str = ""  # the incident that a known one is
    seen_late: _Heads = _NOBODY  # what late messages showed besides: the count is no less
    settled: _Heads = _NOBODY  # of that, what stays


_Book = dict[str, _Told]  # by case


class Telling:
    """The last word on each case of the last horizons."""

    def __init__(self, sector: Sector) -> None:
        """Begin with nothing told."""
        self._sector = sector
        self._told: _Book = {}  # cases of the core
        self._late: _Book = {}  # cases that late messages show, all of which are still there
        self._past: _Book = {}  # both, once the core or the late messages are gone
        self._budget = Budget()
        self.revision = 0  # of the core, when it was last compared
        self.alerts = 0
        self.incidents = 0

    def changes(  # noqa: PLR0913 - what is known, and when
        self,
        core: Core,
        faults: Mapping[str, Notice],
        *,
        at_s: float,
        settled_s: float,
        issued: tuple[float, float],
        rerun: bool,
    ) -> Iterator[Event]:
        """Compare the core's cases with what was told; yield what must be said.

        Args:
            core: The picture as it is now.
            faults: What is wrong with devices, by id.
            at_s: The event time it has reached.
            settled_s: The event time behind which it will never go back.
            issued: The clock between these instants, seconds since 1970, when it was decided.
            rerun: Late messages were taken in: what differs was amended by them.
        """
        self.revision = core.revision
        matters: dict[str, Matter] = {**core.cases, **core.notices.by_id, **faults}
        # Nearly always nothing is gone, and nearly nothing is new.
        is_all_there = self._told.keys() <= matters.keys()
        if not is_all_there:
            yield from self._vanished(matters, at_s - core.case_kept_s)
        for case in matters.values():
            told = self._told.get(case.id)
            if case.waits_until_s is not None or _is_told(told, case):
                continue
            if case.held is not None:
                yield from self._hold(self._told, case, case.held)
            else:
                yield from self._raise(self._told, case, issued, rerun=rerun)
        if not is_all_there:
            self._forget(matters, settled_s - core.case_kept_s)

    def late(
        self, found: Mapping[str, Case], *, since_s: float, until_s: float, at_s: float
    ) -> Iterator[Event]:
        """Say what late messages from beyond the horizon show, where it was not told.

        Args:
            found: Every case that they show in a span of event time, by its id.
            since_s: Where the span begins; what was found in it, and is not now, is withdrawn.
            until_s: Where it ends.
            at_s: The clock.
        """
        recounted: dict[str, None] = {}
        for told in list(self._late.values()):
            if told.case.id not in found and since_s <= told.case.opened_s <= until_s:
                recounted[told.of] = None
                yield from self._vanish(self._late, told)
        for case in sorted(found.values(), key=lambda one: (one.opened_s, one.id)):
            before = self._late.get(case.id)
            if _is_told(before, case):
                continue
            if before is not None:
                recounted[before.of] = None
            if (of := self._known(case)) is not None:
                if before is not None:
                    yield from self._vanish(self._late, before)
                recounted[of] = None
                known = self._late.get(case.id) or _Told(case, _Stands.KNOWN)
                self._late[case.id] = known._replace(case=case, stands=_Stands.KNOWN, of=of)
            elif case.held is not None:
                yield from self._hold(self._late, case, case.held)
            else:
                yield from self._raise(self._late, case, (at_s, at_s), rerun=True)
        for case_id in recounted:
            yield from self._recount(case_id)

    def settle_late(self, since_s: float, until_s: float) -> None:
        """Let what was told of late messages stand: those of this span of event time are gone."""
        for told in list(self._late.values()):
            if told.case.last_s >= since_s and told.case.opened_s <= until_s:
                book = self._told if told.of in self._told else self._past
                if told.stands is _Stands.KNOWN and (of := book.get(told.of)) is not None:
                    heads = _most(of.settled, _heads_of(told.case))
                    book[told.of] = of._replace(settled=heads)
                self._remember(self._late.pop(told.case.id))

    def _known(self, case: Case) -> str | None:
        """Find what was told of the group of a late case; return the id of its incident.

        What was withdrawn stays so, unless other devices now saw it too.
        """
        found = [
            (told.stands not in _STANDING, apart_s, told.case.id)
            for told in chain(self._told.values(), self._past.values())
            if (apart_s := _gap_s(told.case, case, self._sector.rules.groups)) is not None
            and (
                told.stands in _STANDING
                or (told.alert_ids and set(case.devices) <= set(told.case.devices))
            )
        ]
        return min(found)[2] if found else None

    def _recount(self, case_id: str) -> Iterator[Event]:
        """Let an incident count those whom late messages show, if they are more."""
        book = self._told if case_id in self._told else self._past
        told = book.get(case_id)
        if told is None or told.stands is not _Stands.RAISED:
            return
        heads = told.settled
        for one in self._late.values():
            if one.stands is _Stands.KNOWN and one.of == case_id:
                heads = _most(heads, _heads_of(one.case))
        now = told._replace(seen_late=heads)
        before, incident = self._incident(told), self._incident(now)
        if _counts(before) != _counts(incident):
            now = now._replace(amended=True)
            incident = self._incident(now)
            yield IncidentChanged(incident)
        book[case_id] = now._replace(record=incident)

    def _vanished(self, matters: Mapping[str, Matter], kept_s: float) -> Iterator[Event]:
        """Withdraw what is no longer known, unless it merely grew too old to keep."""
        for told in list(self._told.values()):
            if told.case.id not in matters and told.case.last_s >= kept_s:
                yield from self._vanish(self._told, told)

    def _vanish(self, book: _Book, told: _Told) -> Iterator[Event]:
        if told.stands is _Stands.RAISED:
            yield self._withdraw(book, told)
        elif told.stands is _Stands.HELD:
            book[told.case.id] = told._replace(stands=_Stands.LIFTED)
            yield SuppressionLifted(suppressed_id(told.case))
        elif told.stands is _Stands.KNOWN:
            book[told.case.id] = told._replace(stands=_Stands.LIFTED)

    def _withdraw(self, book: _Book, told: _Told) -> Event:
        now = told._replace(stands=_Stands.WITHDRAWN, amended=True)
        incident = self._incident(now)
        book[told.case.id] = now._replace(record=incident)
        return IncidentChanged(incident)

    def _hold(self, book: _Book, case: Matter, held: Held) -> Iterator[Event]:
        known = book.get(case.id) or _Told(case, _Stands.HELD)
        if known.stands is _Stands.RAISED:
            yield self._withdraw(book, known._replace(case=case))
            known = book[case.id]
        record = suppressed_of(self._sector, case, held)
        book[case.id] = known._replace(case=case, stands=_Stands.HELD, record=record)
        if known.stands is not _Stands.HELD or known.record != record:
            yield AlertSuppressed(record)

    def _raise(
        self, book: _Book, case: Matter, issued: tuple[float, float], *, rerun: bool
    ) -> Iterator[Event]:
        told, late = book.get(case.id), book is self._late
        if told is not None and told.stands is _Stands.HELD:
            yield SuppressionLifted(suppressed_id(case))
        if told is not None and told.alert_ids:
            amended = told.amended or (rerun and _counts(told.case) != _counts(case))
            now = told._replace(case=case, stands=_Stands.RAISED, amended=amended)
        elif not late and (found := self._found_late(case)) is not None:
            # The messages of one crossing lie on both sides of the horizon.
            yield self._withdraw(*found)
            _, by_late = found
            heads = _most(by_late.seen_late, _heads_of(by_late.case))
            now = _Told(case, _Stands.RAISED, by_late.alert_ids, amended=True)
            now = now._replace(seen_late=heads, settled=heads)
            self.incidents += 1
        elif (orphan := self._orphan_of(case, late=late)) is not None:
            now = orphan._replace(case=case, stands=_Stands.RAISED, amended=True)
            self.incidents += 1
        else:
            earliest_s, latest_s = issued
            decided_s = case.decided_s + self._sector.rules.time.hold_back_s
            at = UtcTime.from_epoch_s(max(earliest_s, min(decided_s, latest_s)))
            now = _Told(case, _Stands.RAISED, (alert_id(case),))
            self.alerts += 1
            self.incidents += 1
            alert = alert_of(self._sector, case, issued_at=at, late=late)
            self._budget, alert = budgeted(self._budget, alert, self._sector.rules.budget)
            yield AlertIssued(alert)
        incident = self._incident(now)
        book[case.id] = now._replace(record=incident)
        if told is None or told.record != incident:
            yield IncidentChanged(incident)

    def _orphan_of(self, case: Matter, *, late: bool) -> _Told | None:
        """Find the withdrawn incident that was this very group under another id.

        Its alert must not have passed on to another incident already.
        """
        # Late messages may have shown it, or show now what others had shown.
        books = (self._told, self._late, self._past) if late else (self._told,)
        taken = {
            one
            for told in chain.from_iterable(book.values() for book in books)
            if told.stands in _STANDING
            for one in told.alert_ids
        }
        rule = self._sector.rules.groups
        for told in chain.from_iterable(reversed(book.values()) for book in books):
            if (
                told.stands not in _STANDING
                and told.alert_ids
                and taken.isdisjoint(told.alert_ids)
                and (
                    _are_one(told.case, case, rule)
                    or (late and _gap_s(told.case, case, rule) is not None)
                )
            ):
                return told
        return None

    def _found_late(self, case: Matter) -> tuple[_Book, _Told] | None:
        """Find the incident that only late messages showed until now, where the core shows it."""
        for book in (self._late, self._past):
            for told in book.values():
                if (
                    told.stands is _Stands.RAISED
                    and _gap_s(told.case, case, self._sector.rules.groups) is not None
                ):
                    return book, told
        return None

    def _incident(self, told: _Told) -> Incident:
        state = WITHDRAWN if told.stands is _Stands.WITHDRAWN else state_of(told.case)
        incident = incident_of(
            self._sector, told.case, state=state, alert_ids=told.alert_ids, amended=told.amended
        )
        if told.seen_late == _NOBODY:
            return incident
        least, likely, most = _most(_counts(incident), told.seen_late)
        return replace(incident, headcount_min=least, headcount=likely, headcount_max=most)

    def _forget(self, matters: Mapping[str, Matter], before_s: float) -> None:
        old = [
            case_id
            for case_id, told in self._told.items()
            if told.case.last_s < before_s and case_id not in matters
        ]
        for case_id in old:
            self._remember(self._told.pop(case_id))

    def _remember(self, told: _Told) -> None:
        """Keep what was told of a case for the late messages that may yet show it again."""
        if told.stands in {_Stands.LIFTED, _Stands.KNOWN} or isinstance(told.case, Notice):
            return  # late messages show crossings and nothing else
        self._past[told.case.id] = told._replace(record=None)
        if len(self._past) > _PAST:
            # What an open crossing point explains it would explain again.
            oldest = sorted(
                self._past.values(), key=lambda one: (not _is_lawful(one), one.case.last_s)
            )
            for gone in oldest[:_SHED]:
                del self._past[gone.case.id]


def _are_one(one: Matter, other: Matter, rule: GroupsRule) -> bool:
    """Tell whether two matters are one and the same under two ids."""
    if isinstance(one, Notice) and isinstance(other, Notice):
        return are_one_notice(one, other)
    if isinstance(one, Case) and isinstance(other, Case):
        return are_one(one, other, rule)
    return False


def _gap_s(one: Matter, other: Matter, rule: GroupsRule) -> float | None:
    """Return how long apart two groups came over the line, where both did."""
    if isinstance(one, Case) and isinstance(other, Case):
        return gap_s(one, other, rule)
    return None


def _is_lawful(told: _Told) -> bool:
    return told.case.held is not None and told.case.held.because is HeldBecause.LAWFUL


def _most(heads: _Heads, others: _Heads) -> _Heads:
    least, likely, most = map(max, zip(heads, others, strict=True))
    return least, likely, most


def _heads_of(case: Matter) -> _Heads:
    """Return how many crossed that nothing explains."""
    return _NOBODY if case.held is not None else _counts(case)


def _counts(case: Matter | Incident) -> _Heads:
    return case.headcount_min, case.headcount, case.headcount_max


def _is_told(told: _Told | None, case: Matter) -> bool:
    return told is not None and told.case == case and told.stands in _STANDING
