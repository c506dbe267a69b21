"""Which step leads on from which state of an incident, and what it must say.

    new ──▶ acknowledged ──▶ assessing ──┬──▶ no_threat ───────────────────────┬──▶ closed
                                 ▲       └──▶ dispatched ─▶ on_scene ─▶ resolved ┘
                                 └─────────────── called back

and besides: `handed_over` to another unit, which acknowledges or closes it; `reopened`, which is
acknowledged anew; `withdrawn` by later evidence, which a person may reopen. Pure.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from msgspec.structs import replace

from edge.messages import (
    Cause,
    CommandMessage,
    Deed,
    Incident,
    Outcome,
    Result,
    UtcTime,
    Verb,
    encode,
)

SYSTEM: Final = "system"  # who ended what ended by itself


class State(StrEnum):
    """Where the work on an incident stands."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    ASSESSING = "assessing"
    NO_THREAT = "no_threat"
    DISPATCHED = "dispatched"
    ON_SCENE = "on_scene"
    RESOLVED = "resolved"
    CLOSED = "closed"
    HANDED_OVER = "handed_over"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"  # later evidence took it back before anybody took it on


def _to(state: State, *froms: State) -> Mapping[State, State]:
    return MappingProxyType(dict.fromkeys(froms, state))


# Where each verb leads, from every state in which it is legal.
STEPS: Final[Mapping[Verb, Mapping[State, State]]] = MappingProxyType({
    Verb.ACKNOWLEDGE: _to(State.ACKNOWLEDGED, State.NEW, State.REOPENED, State.HANDED_OVER),
    Verb.ASSESS: _to(State.ASSESSING, State.ACKNOWLEDGED, State.DISPATCHED),
    Verb.DISMISS: _to(State.NO_THREAT, State.ASSESSING),
    Verb.DISPATCH: _to(State.DISPATCHED, State.ASSESSING),
    Verb.ARRIVE: _to(State.ON_SCENE, State.DISPATCHED),
    Verb.RESOLVE: _to(State.RESOLVED, State.ON_SCENE),
    Verb.CLOSE: _to(State.CLOSED, State.NO_THREAT, State.RESOLVED, State.HANDED_OVER),
    Verb.HAND_OVER: _to(
        State.HANDED_OVER, State.ACKNOWLEDGED, State.ASSESSING, State.DISPATCHED, State.ON_SCENE
    ),
    Verb.REOPEN: _to(
        State.REOPENED, State.NO_THREAT, State.RESOLVED, State.CLOSED, State.WITHDRAWN
    ),
    Verb.NOTE: MappingProxyType({state: state for state in State}),
})  # fmt: skip
# The step that a state waits for; the others wait for none.
AWAITS: Final[Mapping[State, Literal["acknowledge", "decide", "arrive"]]] = MappingProxyType({
    State.NEW: "acknowledge",
    State.REOPENED: "acknowledge",
    State.HANDED_OVER: "acknowledge",
    State.ACKNOWLEDGED: "decide",  # to dismiss it or to dispatch somebody
    State.ASSESSING: "decide",
    State.DISPATCHED: "arrive",
})  # fmt: skip
# What a step must say; closing keeps the outcome that there is.
MUST_SAY: Final[Mapping[Verb, str]] = MappingProxyType({
    Verb.DISMISS: "cause",
    Verb.RESOLVE: "outcome",
    Verb.CLOSE: "outcome",
    Verb.HAND_OVER: "assigned_to",
    Verb.REOPEN: "reason",
    Verb.NOTE: "reason",
})  # fmt: skip
_CHOICES: Final = MappingProxyType({"cause": Cause, "outcome": Outcome})
ENDED: Final = frozenset({State.NO_THREAT, State.RESOLVED, State.CLOSED, State.WITHDRAWN})


class Work(NamedTuple):
    """What people have done about an incident so far."""

    state: State | None = None  # None: they only noted something, it goes on by itself
    version: int = 0
    actor: str = ""
    at: UtcTime | None = None
    since: UtcTime | None = None  # it waits for its next step, by fusion's clock
    outcome: Outcome | None = None
    cause: Cause | None = None
    assigned_to: str | None = None
    rescue: bool = False


def worked(work: Work, deed: Deed) -> Work:
    """Return the work after one more deed that was applied."""
    state = work.state if deed.verb is Verb.NOTE else State(deed.state)
    reopened = deed.verb is Verb.REOPEN
    outcome, cause = (None, None) if reopened else (work.outcome, work.cause)
    step = None if state is None else AWAITS.get(state)
    before = None if work.state is None else AWAITS.get(work.state)
    goes_on = state is work.state or (step is not None and step == before)
    return Work(
        state=state,
        version=deed.version,
        actor=deed.actor,
        at=deed.at,
        since=work.since if goes_on else deed.received_at,
        outcome=deed.outcome or outcome,
        cause=deed.cause or cause,
        assigned_to=deed.assigned_to or work.assigned_to,
        rescue=work.rescue if deed.rescue is None else deed.rescue,
    )


class NextStep(NamedTuple):
    """A step that leads on from where an incident stands."""

    verb: Verb
    to: State
    must_say: str | None  # the field of the command that it does not go without


def next_steps(incident: Incident) -> list[NextStep]:
    """Return the steps that lead on from where an incident stands, in the order of the work.

    From one that goes on as another none does.
    """
    if isinstance(incident.continued_as, str):
        return []
    state = State(incident.state)
    return [
        NextStep(verb, leads[state], asked_for(verb, incident))
        for verb, leads in STEPS.items()
        if state in leads
    ]


def asked_for(verb: Verb, incident: Incident) -> str | None:
    """Return the field that a person is asked for: what the step must say, or whom it sends.

    A command without the unit is taken all the same: a journal may hold such.
    """
    if verb is Verb.DISPATCH and not incident.assigned_to:
        return "assigned_to"
    return must_say(verb, incident)


def must_say(verb: Verb, incident: Incident) -> str | None:
    """Return the field of a command without which a step is refused."""
    if verb is Verb.CLOSE and isinstance(incident.outcome, str):
        return None
    return MUST_SAY.get(verb)


def judged(
    command: CommandMessage,
    incident: Incident | None,
    work: Work,
    *,
    received_at: UtcTime,
    ahead_s: float,
) -> Deed:
    """Say what becomes of a command.

    Args:
        command: What somebody wants to do.
        incident: As they see it now, their work included; None: there is none.
        work: What was done about it so far.
        received_at: When fusion took the command in.
        ahead_s: How far the clock of a map may run ahead of that.
    """
    deed = Deed(
        message_id=command.message_id,
        incident_id=command.incident_id,
        sector=command.sector,
        verb=command.verb,
        actor=command.actor,
        role=command.role,
        at=command.captured_at,
        received_at=received_at,
        reason=command.reason,
        outcome=command.outcome,
        cause=command.cause,
        assigned_to=command.assigned_to,
        rescue=command.rescue,
        result=Result.UNKNOWN,
        why=f"there is no incident {command.incident_id}, or it is too old to be worked on",
    )
    if incident is None:
        return deed
    state = State(incident.state)
    as_it_stands = {
        "state": state.value,
        "version": work.version,
        "evidence_sha256": hashlib.sha256(encode(incident)).hexdigest(),
    }
    result, why = _refusal(command, incident, work)
    if result is Result.APPLIED and command.captured_at > received_at.after(ahead_s):
        at = command.captured_at.rfc3339()
        result, why = Result.INVALID, f"at {at} lies in the future: the map's clock is wrong"
    if result is not Result.APPLIED:
        return replace(deed, result=result, why=why, **as_it_stands)
    as_it_stands |= {"state": STEPS[command.verb][state].value, "version": work.version + 1}
    outcome = command.outcome or _implied(command, incident)
    return replace(deed, result=result, why="", outcome=outcome, **as_it_stands)


def _refusal(command: CommandMessage, incident: Incident, work: Work) -> tuple[Result, str]:
    verb, state = command.verb, State(incident.state)
    if command.actor == SYSTEM:
        return Result.INVALID, f"actor {SYSTEM!r} is nobody: what ends by itself is said so"
    if isinstance(incident.continued_as, str):
        why = f"incident {incident.incident_id} goes on as {incident.continued_as}"
        return Result.ILLEGAL, why
    if command.expected_version != work.version:
        last = f"; the last step was {work.actor}'s" if work.version else ""
        why = (
            f"incident {incident.incident_id} is {state} at version {work.version}, "
            f"not {command.expected_version}{last}"
        )
        return Result.STALE, why
    if state not in STEPS[verb]:
        legal = ", ".join(one.value for one in Verb if state in STEPS[one])
        why = f"incident {incident.incident_id} is {state}: {verb} is none of {legal}"
        return Result.ILLEGAL, why
    lacks = _lacks(command, incident)
    return (Result.INVALID, f"{verb} must say {lacks}") if lacks else (Result.APPLIED, "")


def _lacks(command: CommandMessage, incident: Incident) -> str:
    """Return what a step must say and does not."""
    field = must_say(command.verb, incident)
    if field is None:
        return ""
    said = getattr(command, field)
    if said is not None and (field != "reason" or said.strip()):
        return ""
    if field in _CHOICES:
        return f"its {field}: {', '.join(_CHOICES[field])}"
    return "to whom: assigned_to" if field == "assigned_to" else f"its {field}"


def _implied(command: CommandMessage, incident: Incident) -> Outcome | None:
    """Return the outcome of a step that says none.

    What is dismissed was what set the alert off; what is closed keeps the one that it has.
    """
    if command.verb is Verb.DISMISS and command.cause is not None:
        return Outcome(command.cause.value)
    if command.verb is Verb.CLOSE and isinstance(incident.outcome, Outcome):
        return incident.outcome
    return None
