"""What each role may see and do. Pure; the table below is the whole of it.

The server holds to it at every request; pages only hide what would be refused.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from edge.messages import Verb


class Role(StrEnum):
    """What somebody is here for."""

    GUARD = "guard"  # watches the map
    DUTY_OFFICER = "duty_officer"  # decides what is done about an incident
    COMMANDER = "commander"
    ADMINISTRATOR = "administrator"  # of accounts; decides about nobody's incident
    PARTNER = "partner"  # another agency: sees what was handed over to it


class Right(StrEnum):
    """Something that one may or may not."""

    SEE_PICTURE = "see_picture"  # the live map, playback, devices, tracks
    SEE_INCIDENTS = "see_incidents"
    SEE_FIGURES = "see_figures"  # what came of the alerts, how long it took, who saw what
    EXPORT = "export"
    SHIFT = "shift"  # hand a shift over
    MANAGE_PEOPLE = "manage_people"


class Person(NamedTuple):
    """Who asks."""

    id: str  # of the account
    name: str  # as it is shown and written down
    role: Role
    unit: str | None = None  # a partner sees the incidents that were handed over to it


_WATCH: Final = frozenset({Right.SEE_PICTURE, Right.SEE_INCIDENTS})
_RIGHTS: Final = MappingProxyType(
    {
        Role.GUARD: _WATCH | {Right.SHIFT},
        Role.DUTY_OFFICER: _WATCH | {Right.SEE_FIGURES, Right.EXPORT, Right.SHIFT},
        Role.COMMANDER: _WATCH | {Right.SEE_FIGURES, Right.EXPORT, Right.SHIFT},
        Role.ADMINISTRATOR: _WATCH | {Right.SEE_FIGURES, Right.MANAGE_PEOPLE},
        Role.PARTNER: frozenset({Right.SEE_INCIDENTS}),
    }
)
_STEPS: Final = MappingProxyType(
    {
        Role.GUARD: frozenset({Verb.ACKNOWLEDGE, Verb.ARRIVE, Verb.NOTE}),
        Role.DUTY_OFFICER: frozenset(Verb) - {Verb.REOPEN},
        Role.COMMANDER: frozenset(Verb),
        Role.ADMINISTRATOR: frozenset(),
        Role.PARTNER: frozenset({Verb.NOTE}),
    }
)
# Any step can carry these fields: whoever may not decide them does not slip them into a note.
_DECIDED_BY: Final = MappingProxyType(
    {
        "assigned_to": frozenset({Verb.DISPATCH, Verb.HAND_OVER}),
        "cause": frozenset({Verb.DISMISS}),
        "outcome": frozenset({Verb.DISMISS, Verb.RESOLVE, Verb.CLOSE}),
    }
)
_PAGES: Final = MappingProxyType(
    {
        "map": Right.SEE_PICTURE,
        "playback": Right.SEE_PICTURE,
        "incidents": Right.SEE_INCIDENTS,
        "shift": Right.SHIFT,
        "figures": Right.SEE_FIGURES,
        "people": Right.MANAGE_PEOPLE,
    }
)
# Until there is a log-in: whoever sits at this machine, which is all that reaches it.
AT_THE_MACHINE: Final = Person("at-the-machine", "tại máy này", Role.COMMANDER)


def rights_of(role: Role) -> frozenset[Right]:
    """Return what a role may."""
    return _RIGHTS[role]


def steps_of(role: Role) -> frozenset[Verb]:
    """Return the steps of an incident's work that a role may take."""
    return _STEPS[role]


def may_say(role: Role, field: str) -> bool:
    """Tell whether a role's steps may carry a field: one of the steps that decide it is theirs."""
    return field not in _DECIDED_BY or bool(_DECIDED_BY[field] & _STEPS[role])


def pages_of(role: Role) -> list[str]:
    """Return the pages that a role may open, in the order of the bar."""
    return [page for page, right in _PAGES.items() if right in _RIGHTS[role]]
