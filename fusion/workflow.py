"""What people do about incidents, put on what the engine says of them.

    command ──▶ steps: may they? ──▶ deed ──▶ work ──┐
    telling ──▶ incident as the evidence has it ─────┴──▶ incident as people see it

Commands count in the order in which they are accepted: they are deeds, not observations. Work
belongs to the alert. So when late data make another incident of the same group, which takes over
its alert, it takes over the work as well; and what the evidence takes back, or says anew, never
undoes what people did. Nothing here reads a clock: a step is overdue when the engine's says so.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from edge.messages import (
    CommandMessage,
    CommandReply,
    Deed,
    Incident,
    Outcome,
    Overdue,
    Result,
    UtcTime,
)
from fusion.core import TICK_S
from fusion.events import AlertIssued, CommandAnswered, Event, IncidentChanged
from fusion.rulebook import Rules
from fusion.steps import AWAITS, ENDED, SYSTEM, State, Work, judged, worked

KEPT: Final = 4096  # incidents that can be worked on; some 2 KB each
DEEDS_KEPT: Final = 4096  # whose command may come again
_SHED: Final = 256
_UNTOUCHED: Final = Work()


class Workflow:
    """The work on a sector's incidents; memory is bounded."""

    def __init__(self, rules: Rules) -> None:
        """Begin with none."""
        self._rules = rules
        # By incident: as the evidence has it, and the alert that it came with.
        self._told: dict[str, Incident] = {}
        self._alert: dict[str, str] = {}
        # By alert: who stands for it now, what was done, since when it is known, what waits.
        self._holder: dict[str, str] = {}
        self._work: dict[str, Work] = {}
        self._raised_s: dict[str, float] = {}
        self._due_s: dict[str, float] = {}
        self._overdue: dict[str, Overdue] = {}
        self._next_due_s = math.inf
        self._deeds: dict[str, Deed] = {}  # by message, oldest first

    def knows(self, message_id: str) -> bool:
        """Tell whether a command was judged already."""
        return message_id in self._deeds

    def apply(self, command: CommandMessage, received_at: UtcTime) -> list[Event]:
        """Judge a command; return what it changed, and the answer. A copy changes nothing."""
        events: list[Event] = []
        incident = self._told.get(command.incident_id)
        deed = self._deeds.get(command.message_id)
        if deed is None:
            alert_id = self._alert.get(command.incident_id, "")
            work = self._work.get(alert_id, _UNTOUCHED)
            deed = judged(
                command,
                None if incident is None else self._judged_as(incident),
                work,
                received_at=received_at,
                ahead_s=self._rules.time.clock_ahead_s,
            )
            self._keep(deed)
            if incident is not None and deed.result is Result.APPLIED:
                self._work[alert_id] = worked(work, deed)
                self._reckon(alert_id)
                events.append(IncidentChanged(self._seen(incident)))
                if work is _UNTOUCHED:  # from now on it is said where the work goes on
                    events += self._continued(alert_id)
        shown = None if incident is None else self._seen(incident)
        return [*events, CommandAnswered(CommandReply(deed=deed, incident=shown))]

    def overlay(self, events: Iterable[Event], at_s: float) -> list[Event]:
        """Put what people did on the incidents among some events.

        Args:
            events: What the telling says, in order.
            at_s: The engine's clock.
        """
        said: list[Event] = []
        for event in events:
            if isinstance(event, IncidentChanged):
                said += self._heard(event.incident, at_s)
                continue
            if isinstance(event, AlertIssued):
                alert_id = self._alert.setdefault(event.alert.incident_id, event.alert.alert_id)
                self._raised_s.setdefault(alert_id, event.alert.issued_at.timestamp())
            said.append(event)
        return said

    def tick(self, now_s: float) -> list[Event]:
        """Say what has become overdue by now."""
        if now_s < self._next_due_s:
            return []
        events: list[Event] = []
        for due_s, alert_id in sorted((due_s, name) for name, due_s in self._due_s.items()):
            if due_s > now_s:
                break
            del self._due_s[alert_id]
            incident = self._told[self._holder[alert_id]]
            step = AWAITS[State(self._seen(incident).state)]
            self._overdue[alert_id] = Overdue(step=step, since=UtcTime.from_epoch_s(due_s))
            events.append(IncidentChanged(self._seen(incident)))
        self._next_due_s = min(self._due_s.values(), default=math.inf)
        return events

    def remember(self, incidents: Sequence[Incident], deeds: Sequence[Deed]) -> None:
        """Take over what another life has kept, where no snapshot of it is left.

        What was done and is known already is not done again.

        Args:
            incidents: As people saw them last, oldest first.
            deeds: What was done about them, in order.
        """
        alerts = {incident.incident_id: incident.alert_ids[0] for incident in incidents}
        for deed in deeds:
            alert_id = alerts.get(deed.incident_id)
            is_new = not self.knows(deed.message_id)
            self._keep(deed)
            if is_new and alert_id is not None and deed.result is Result.APPLIED:
                self._work[alert_id] = worked(self._work.get(alert_id, _UNTOUCHED), deed)
        for incident in incidents:
            alert_id = alerts[incident.incident_id]
            work = self._work.get(alert_id, _UNTOUCHED)
            if work is not _UNTOUCHED and incident.continued_as is UNSET:
                self._holder[alert_id] = incident.incident_id  # withdrawn by now or not
            self._heard(_bare(incident, work), incident.updated_at.timestamp())

    def _heard(self, incident: Incident, at_s: float) -> list[Event]:
        """Take in what the evidence says of an incident; return what people are to see."""
        name = incident.incident_id
        self._told[name] = incident
        alert_id = self._alert.setdefault(name, incident.alert_ids[0])
        before = self._holder.setdefault(alert_id, name)
        self._raised_s.setdefault(alert_id, at_s)
        if incident.state != State.WITHDRAWN:
            self._holder[alert_id] = name
        self._reckon(alert_id)
        said: list[Event] = [IncidentChanged(self._seen(incident))]
        if before not in {name, self._holder[alert_id]} and alert_id in self._work:
            said += [one for one in self._continued(alert_id) if one.incident.incident_id != name]
        self._shed()
        return said

    def _judged_as(self, incident: Incident) -> Incident:
        """Return an incident as a step finds it: on one that goes on as another none is taken."""
        holder = self._holder[self._alert[incident.incident_id]]
        seen = self._seen(incident)
        return seen if holder == incident.incident_id else replace(seen, continued_as=holder)

    def _continued(self, alert_id: str) -> list[IncidentChanged]:
        """Say which incidents an alert was told with before the one that it stands in now."""
        holder = self._holder[alert_id]
        return [
            IncidentChanged(self._seen(self._told[name]))
            for name, one in self._alert.items()
            if one == alert_id and name != holder and name in self._told
        ]

    def _seen(self, incident: Incident) -> Incident:
        """Return an incident as people see it."""
        alert_id = self._alert[incident.incident_id]
        work, holder = self._work.get(alert_id), self._holder[alert_id]
        if holder != incident.incident_id:
            return incident if work is None else replace(incident, continued_as=holder)
        seen = replace(_by_itself(incident), overdue=self._overdue.get(alert_id, UNSET))
        return seen if work is None else _worked_on(seen, work)

    def _reckon(self, alert_id: str) -> None:
        """Find out until when the next step of an incident may take."""
        work = self._work.get(alert_id, _UNTOUCHED)
        incident = self._told[self._holder[alert_id]]
        step = AWAITS.get(work.state or State(incident.state))
        limit_s = 0.0
        if step is not None:
            severity = "critical" if work.rescue else incident.severity.value
            limit_s = self._rules.escalation.limit_s(step, severity)
        since_s = self._raised_s[alert_id] if work.since is None else work.since.timestamp()
        due_s = math.ceil((since_s + limit_s) / TICK_S) * TICK_S
        overdue = self._overdue.get(alert_id)
        if (
            overdue is not None
            and limit_s
            and (step, due_s)
            == (
                overdue.step,
                overdue.since.timestamp(),
            )
        ):
            return
        self._overdue.pop(alert_id, None)
        self._due_s.pop(alert_id, None)
        if limit_s:
            self._due_s[alert_id] = due_s
        self._next_due_s = min(self._due_s.values(), default=math.inf)

    def _keep(self, deed: Deed) -> None:
        self._deeds[deed.message_id] = deed
        if len(self._deeds) > DEEDS_KEPT:
            del self._deeds[next(iter(self._deeds))]

    def _shed(self) -> None:
        """Let go of the oldest incidents, those that people are at last."""
        if len(self._told) <= KEPT:
            return
        gone = set(sorted(self._holder, key=self._worth)[:_SHED])
        self._alert = {name: one for name, one in self._alert.items() if one not in gone}
        self._told = {name: one for name, one in self._told.items() if name in self._alert}
        for book in (self._holder, self._work, self._raised_s, self._overdue, self._due_s):
            for alert_id in gone:
                book.pop(alert_id, None)
        self._next_due_s = min(self._due_s.values(), default=math.inf)

    def _worth(self, alert_id: str) -> tuple[bool, UtcTime, str]:
        state = self._work.get(alert_id, _UNTOUCHED).state
        opened_at = self._told[self._holder[alert_id]].opened_at
        return state is not None and state not in ENDED, opened_at, alert_id


def as_of(incident: Incident, deeds: Iterable[Deed], at: UtcTime) -> Incident:
    """Return an incident as people had worked on it by an instant; the evidence is that of now.

    Args:
        incident: As it stands now.
        deeds: All that was done about it, in order.
        at: The instant, by fusion's clock.
    """
    done = [deed for deed in deeds if deed.result is Result.APPLIED]
    whole, then = _UNTOUCHED, _UNTOUCHED
    for deed in done:
        whole = worked(whole, deed)
        if deed.received_at <= at:
            then = worked(then, deed)
    bare = _bare(incident, whole)
    if isinstance(bare.ended_at, UtcTime) and bare.ended_at > at:
        bare = replace(bare, state=State.NEW.value, ended_at=UNSET)  # it had not ended yet
    seen = _by_itself(bare)
    return seen if then is _UNTOUCHED else _worked_on(seen, then)


def _worked_on(seen: Incident, work: Work) -> Incident:
    """Put what people did on an incident as the evidence has it."""
    taken_on = work.state is not None
    # Whoever only noted something has not ended what ended by itself.
    ended = not taken_on and seen.acted_by == SYSTEM
    withdrawn = taken_on and seen.state == State.WITHDRAWN
    return replace(
        seen,
        state=work.state.value if work.state is not None else seen.state,
        version=work.version,
        acted_by=seen.acted_by if ended else work.actor,
        acted_at=seen.acted_at if ended else (work.at or UNSET),
        assigned_to=work.assigned_to or UNSET,
        outcome=work.outcome or (UNSET if taken_on else seen.outcome),
        cause=work.cause or UNSET,
        rescue=work.rescue or UNSET,
        withdrawn=withdrawn or UNSET,
    )


def _by_itself(incident: Incident) -> Incident:
    """Say who ended what nobody ended: whoever was on the way to the line turned back."""
    state = State(incident.state)
    if state not in {State.NO_THREAT, State.CLOSED}:
        return incident
    outcome = Outcome.QUAY_LAI if state is State.NO_THREAT else UNSET
    return replace(incident, acted_by=SYSTEM, acted_at=incident.ended_at, outcome=outcome)


def _bare(incident: Incident, work: Work) -> Incident:
    """Return an incident as the evidence had it, from how people saw it."""
    state = incident.state
    if work.state is not None and incident.continued_as is UNSET:
        state = State.WITHDRAWN.value if incident.withdrawn is True else State.NEW.value
    return replace(
        incident,
        state=state,
        version=UNSET,
        acted_by=UNSET,
        acted_at=UNSET,
        assigned_to=UNSET,
        outcome=UNSET,
        cause=UNSET,
        rescue=UNSET,
        withdrawn=UNSET,
        continued_as=UNSET,
        overdue=UNSET,
    )
