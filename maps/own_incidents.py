"""Which incidents somebody may see: a partner those that were handed over to it, others all."""

from typing import Annotated, Final

from fastapi import Depends, HTTPException, Path

from edge.messages import Incident
from maps.feed import Feed
from maps.people.door import having
from maps.people.roles import Person, Right, Role

# As the wire has ids; PostgreSQL takes no NUL at all.
IncidentId = Annotated[str, Path(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
Seeing = Annotated[Person, Depends(having(Right.SEE_INCIDENTS))]
_NONE: Final = "there is no incident {}"


def may_see(person: Person, incident: Incident) -> bool:
    """Tell whether somebody who may see incidents may see this one."""
    return person.role is not Role.PARTNER or (
        person.unit is not None and incident.assigned_to == person.unit
    )


async def seen_by(person: Person, feed: Feed, incident_id: str) -> Incident:
    """Return an incident as it stands.

    Raises:
        HTTPException: 404: there is none, or none that they may see.
        RefusedError: The store is away.
    """
    incident = await feed.ask(lambda store: store.incident(incident_id))
    of_here = incident is not None and incident.sector == feed.picture.sector_id
    if incident is None or not of_here or not may_see(person, incident):
        raise HTTPException(404, _NONE.format(incident_id))
    return incident
