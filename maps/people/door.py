"""Who asks, and whether they may: what every route of the interface depends on."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from maps.people.roles import AT_THE_MACHINE, Person, Right, rights_of


def person_of(request: Request) -> Person:
    """Return who asks."""
    person: Person = getattr(request.state, "person", AT_THE_MACHINE)
    return person


Asking = Annotated[Person, Depends(person_of)]


def having(right: Right) -> Callable[[Person], Person]:
    """Return a dependency that lets pass who has a right, and gives them to the route."""

    def check(person: Asking) -> Person:
        if right not in rights_of(person.role):
            raise HTTPException(403, f"the role {person.role.value} may not {right.value}")
        return person

    return check
