"""Crops over HTTP: which an incident has, and each as a picture."""

import os
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi import Path as InPath

from edge.messages import RefusedError
from fusion.evidence import EvidenceFolder
from fusion.evidence_index import Crop
from fusion.sector import Sector
from maps.api import LiveFeed, ServedSector, json_response
from maps.feed import ReadStore
from maps.own_incidents import IncidentId, Seeing, may_see, seen_by
from maps.people.roles import Person, Role

router = APIRouter()

EvidenceId = Annotated[str, InPath(max_length=64, pattern=r"^evi-[0-9a-f]+$")]
_CACHED_S: Final = 3600  # a picture never changes; that it may be seen does
_NONE: Final = "there is no crop {}, or it is no longer kept"


def default_folder() -> Path:
    """Return where crops are kept unless somebody says otherwise: as `fusion serve` has it."""
    return Path(os.environ.get("TUANBIEN_EVIDENCE") or "evidence")


def add_evidence(app: FastAPI, sector: Sector, folder: Path | None) -> None:
    """Add the interface; the pictures are in `folder`."""
    app.state.evidence = EvidenceFolder(folder or default_folder(), sector.id)
    app.include_router(router)


def served_folder(request: Request) -> EvidenceFolder:
    """Return the folder of the sector that this server shows."""
    folder: EvidenceFolder = request.app.state.evidence
    return folder


@router.get("/api/v1/incidents/{incident_id}/evidence", response_class=Response)
async def evidence_of(
    incident_id: IncidentId, person: Seeing, feed: LiveFeed, sector: ServedSector
) -> Response:
    """The crops that show the incident's tracks, oldest first, 500 at most; often there are none.

    `captured_at` is by the device's clock; `sha256` that of the JPEG at `url`.
    """
    incident = await seen_by(person, feed, incident_id)
    try:
        crops = await feed.ask(lambda store: store.crops_of(incident.track_ids, sector=sector.id))
    except RefusedError as error:
        raise HTTPException(503, str(error)) from error
    return json_response({"evidence": [told(one) for one in crops]})


@router.get(
    "/api/v1/evidence/{evidence_id}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
async def picture(
    evidence_id: EvidenceId,
    person: Seeing,
    feed: LiveFeed,
    sector: ServedSector,
    request: Request,
) -> Response:
    """One crop: a JPEG, checked against its SHA-256 as it is read."""

    def read(store: ReadStore) -> tuple[Crop, bytes] | None:
        crop = store.crop(evidence_id, sector=sector.id)
        if crop is None or not _may_see(store, person, evidence_id, sector.id):
            return None
        jpeg = served_folder(request).read(crop.sha256)
        return None if jpeg is None else (crop, jpeg)

    try:
        found = await feed.ask(read)
    except RefusedError as error:
        raise HTTPException(503, str(error)) from error
    if found is None:
        raise HTTPException(404, _NONE.format(evidence_id))
    crop, jpeg = found
    headers = {
        "Cache-Control": f"private, max-age={_CACHED_S}",
        "Content-Disposition": f'inline; filename="{crop.evidence_id}.jpg"',
        "ETag": f'"{crop.sha256}"',
    }
    return Response(jpeg, media_type="image/jpeg", headers=headers)


def told(crop: Crop) -> dict[str, Any]:
    """Return a crop as the interface tells it."""
    return crop._asdict() | {"url": f"/api/v1/evidence/{crop.evidence_id}"}


def _may_see(store: ReadStore, person: Person, evidence_id: str, sector_id: str) -> bool:
    """Tell whether somebody may see a crop: a partner, if it shows who its incidents are about."""
    if person.role is not Role.PARTNER:
        return True
    for incident in store.incidents_shown_by(evidence_id, sector=sector_id):
        if may_see(person, incident):
            crops = store.crops_of(incident.track_ids, sector=sector_id)
            if any(one.evidence_id == evidence_id for one in crops):
                return True
    return False
