"""Who is here, for the pages."""

from fastapi import APIRouter, Request, Response

from maps.api import json_response
from maps.people.door import Asking, log_in_of
from maps.people.roles import pages_of, rights_of, steps_of

router = APIRouter()


@router.get("/api/v1/me", response_class=Response)
async def me(request: Request, person: Asking) -> Response:
    """Who asks: name, role, unit, what they may (`rights`, `steps`) and see (`pages`).

    `csrf` goes with every change, in the header X-CSRF-Token.
    """
    return json_response(
        {
            "id": person.id,
            "name": person.name,
            "role": person.role,
            "unit": person.unit,
            "rights": sorted(rights_of(person.role)),
            "steps": sorted(steps_of(person.role)),
            "pages": pages_of(person.role),
            "csrf": getattr(request.state, "csrf", ""),
            "can_log_out": log_in_of(request) is not None,
        }
    )
