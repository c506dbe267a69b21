"""Who is here, for the pages."""

from fastapi import APIRouter, Response

from maps.api import json_response
from maps.people.door import Asking
from maps.people.roles import pages_of, rights_of, steps_of

router = APIRouter()


@router.get("/api/v1/me", response_class=Response)
async def me(person: Asking) -> Response:
    """Who asks: name, role, unit, what they may (`rights`, `steps`) and see (`pages`)."""
    return json_response(
        {
            "id": person.id,
            "name": person.name,
            "role": person.role,
            "unit": person.unit,
            "rights": sorted(rights_of(person.role)),
            "steps": sorted(steps_of(person.role)),
            "pages": pages_of(person.role),
            "csrf": "",
        }
    )
