"""The HTTP interface (CONTRACT.md, "HTTP (maps)"): JSON or GeoJSON, and server-sent events."""

import json
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from edge.messages import encode, json_schemas
from fusion.sector import Sector
from fusion.situation.coordinates import written
from maps.feed import Feed
from maps.layers import Feature, collection
from maps.metrics import CONTENT_TYPE, exposition
from maps.own_incidents import Seeing
from maps.people.door import having, on_loopback, person_of, session_of, while_logged_in
from maps.people.roles import Right, rights_of

GEOJSON: Final = "application/geo+json"
MAX_VIEWERS: Final = 250
_JSON: Final = "application/json"

router = APIRouter()
_KNOWN_TO_ALL: Final = frozenset({"border", "markers"})  # layers
_PICTURE: Final = [Depends(having(Right.SEE_PICTURE))]


def _feed(request: Request) -> Feed:
    feed: Feed = request.app.state.feed
    return feed


def _sector(request: Request) -> Sector:
    sector: Sector = request.app.state.sector
    return sector


LiveFeed = Annotated[Feed, Depends(_feed)]
ServedSector = Annotated[Sector, Depends(_sector)]
Accept = Annotated[str, Header(include_in_schema=False)]
Limit = Annotated[int, Query(ge=1, le=500, description="At most so many, newest first.")]


def _responses(schema: str) -> dict[int | str, dict[str, Any]]:
    """Describe both forms of a list for OpenAPI."""
    items = {"type": "array", "items": {"$ref": f"#/components/schemas/{schema}"}}
    layer = {"type": "object", "description": "A FeatureCollection (RFC 7946)."}
    return {200: {"content": {_JSON: {"schema": items}, GEOJSON: {"schema": layer}}}}


@router.get(
    "/api/v1/tracks",
    responses=_responses("TrackUpdate"),
    response_class=Response,
    dependencies=_PICTURE,
)
async def tracks(feed: LiveFeed, accept: Accept = "") -> Response:
    """The last line of every track that was updated in the last minute."""
    if GEOJSON in accept:
        return _geojson(feed, "track")
    return json_response(feed.picture.tracks())


@router.get(
    "/api/v1/alerts",
    responses=_responses("Alert"),
    response_class=Response,
    dependencies=_PICTURE,
)
async def alerts(feed: LiveFeed, limit: Limit = 200, accept: Accept = "") -> Response:
    """The latest alerts by `raised_at`, newest first. An alert is a lead for a person to check."""
    if GEOJSON in accept:
        return _geojson(feed, "alert", limit)
    return json_response(feed.picture.alerts()[:limit])


@router.get(
    "/api/v1/devices",
    responses=_responses("StatusMessage"),
    response_class=Response,
    dependencies=_PICTURE,
)
async def devices(feed: LiveFeed, accept: Accept = "") -> Response:
    """Every device's last status, with `health` (ok, degraded, silent, offline) and `heard_at`."""
    if GEOJSON in accept:
        return _geojson(feed, "device")
    return json_response(feed.picture.devices())


@router.get(
    "/api/v1/patrols",
    responses=_responses("PositionMessage"),
    response_class=Response,
    dependencies=_PICTURE,
)
async def patrols(feed: LiveFeed, accept: Accept = "") -> Response:
    """The last position of each of our own units."""
    if GEOJSON in accept:
        return _geojson(feed, "patrol")
    return json_response(feed.picture.patrols())


@router.get("/api/v1/sector")
async def sector(sector: ServedSector, person: Seeing) -> Response:
    """The sector's name, time zone and layers (each a FeatureCollection).

    Whoever may not see the picture gets the border and its markers, which everybody knows: trails
    and zones are part of the picture.
    """
    sees_picture = Right.SEE_PICTURE in rights_of(person.role)
    layers = {
        name: layer if sees_picture or name in _KNOWN_TO_ALL else collection([])
        for name, layer in sector.layers.items()
    }
    return json_response(
        {
            "id": sector.id,
            "name": sector.name,
            "unit": sector.unit,
            "timezone": sector.timezone.key,
            "layers": layers,
        }
    )


@router.get("/api/v1/coordinates", dependencies=[Depends(having(Right.SEE_INCIDENTS))])
async def coordinates(
    sector: ServedSector,
    lat: Annotated[float, Query(ge=-90.0, le=90.0)],
    lon: Annotated[float, Query(ge=-180.0, le=180.0)],
) -> Response:
    """A position of WGS 84 as people write it: `decimal`, `dms`, `mgrs`, `vn2000` (or null)."""
    return json_response(written(lat, lon, sector.vn2000_meridian_deg)._asdict())


@router.get("/api/v1/snapshot", dependencies=_PICTURE)
async def snapshot(feed: LiveFeed) -> Response:
    """The whole live picture as layers, and `event_id`: ask the stream for what comes after."""
    return json_response(feed.snapshot())


@router.get("/api/v1/stream", response_class=StreamingResponse, dependencies=_PICTURE)
async def stream(
    request: Request,
    feed: LiveFeed,
    after: Annotated[str | None, Query(max_length=64)] = None,
    last_event_id: Annotated[str | None, Header(max_length=64)] = None,
) -> Response:
    """Server-sent events: what changed since `Last-Event-ID`, else since `after`, else from now.

    The event `reset` means: what you have is too old, fetch the snapshot again. The answer ends
    with the session that asked for it.
    """
    if feed.stream.viewer_count >= MAX_VIEWERS:
        return json_response({"detail": "too many viewers"}, status=503)
    return StreamingResponse(
        while_logged_in(request, feed.stream.view(last_event_id or after)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get("/healthz")
async def healthz(request: Request, feed: LiveFeed) -> Response:
    """200 while the broker is connected and the store answers, else 503 with the reasons.

    `reasons` name addresses: they are for this machine and for whoever is logged in.
    `fusion` says how fusion is (`online`, `offline since …`, `silent since …`, `never heard`) and
    leaves the status as it is: to restart the map because fusion died would help nobody.
    """
    complaints = feed.complaints()
    is_known = on_loopback(request) or session_of(request) is not None
    reasons = complaints if is_known else []
    body = {"ok": not complaints, "reasons": reasons, "fusion": feed.tell_fusion()}
    return json_response(body, status=503 if complaints else 200)


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request, feed: LiveFeed) -> Response:
    """Figures for Prometheus; from another machine only to whoever may see figures."""
    if not on_loopback(request):
        having(Right.SEE_FIGURES)(person_of(request))
    tiles = request.app.state.base_map.answers
    return Response(exposition(feed, tiles), media_type=CONTENT_TYPE)


def wire_schemas() -> dict[str, Any]:
    """Return the wire's JSON Schemas as OpenAPI components: one source for both."""
    text = json.dumps(json_schemas()["$defs"])
    schemas: dict[str, Any] = json.loads(text.replace("#/$defs/", "#/components/schemas/"))
    return schemas


def json_response(content: object, *, status: int = 200) -> Response:
    """Answer in JSON that nobody keeps."""
    return Response(encode(content), status_code=status, media_type=_JSON, headers=_HEADERS)


def _geojson(feed: Feed, kind: str, limit: int | None = None) -> Response:
    return _layer(feed.picture.features(kind)[:limit])


def _layer(features: list[Feature]) -> Response:
    layer = collection(features)
    return Response(encode(layer), media_type=GEOJSON, headers=_HEADERS)


_HEADERS: Final = {"Cache-Control": "no-store", "Vary": "Accept"}
