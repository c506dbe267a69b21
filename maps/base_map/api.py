"""Tiles over HTTP. A tile that is not there is 204: the page shows what lies above it."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request, Response

from maps.base_map.archive import MOST_ZOOM
from maps.base_map.served import BaseMap
from maps.base_map.tile import Tile
from maps.people.door import having
from maps.people.roles import Right

# An address names the edition of its file, so what it gives never changes; `private`: a cache
# between server and guards does not know who may see it.
_FOREVER: Final = "private, max-age=31536000, immutable"
_MOST_INDEX: Final = 2**MOST_ZOOM - 1

router = APIRouter(dependencies=[Depends(having(Right.SEE_PICTURE))])


def _base_map(request: Request) -> BaseMap:
    base_map: BaseMap = request.app.state.base_map
    return base_map


Served = Annotated[BaseMap, Depends(_base_map)]
Zoom = Annotated[int, Path(ge=0, le=MOST_ZOOM)]
Index = Annotated[int, Path(ge=0, le=_MOST_INDEX)]
Edition = Annotated[str, Query(max_length=16, description="As the base map's address names it.")]


@router.get("/api/v1/base-map")
async def base_map(served: Served) -> dict[str, Any]:
    """What lies under the map: `tiles`, `hillshade`, `online`; each null where there is none."""
    return served.describe()


@router.get("/tiles/{z}/{x}/{y}", response_class=Response)
async def tile(served: Served, z: Zoom, x: Index, y: Index, edition: Edition = "") -> Response:
    """A tile of the file of tiles, as it lies there; 204 where there is none."""
    _hold_to_zoom(z, x, y)
    return _answer(await served.stored_tile(z, x, y), edition == served.edition("tiles"))


@router.get("/hillshade/{z}/{x}/{y}", response_class=Response)
async def hillshade(
    served: Served, z: Zoom, x: Index, y: Index, edition: Edition = ""
) -> Response:
    """A tile of the shaded relief (PNG, grey and alpha); 204 where there are no heights."""
    _hold_to_zoom(z, x, y)
    return _answer(await served.shade_tile(z, x, y), edition == served.edition("hillshade"))


def _hold_to_zoom(z: int, x: int, y: int) -> None:
    if max(x, y) >= 1 << z:
        raise HTTPException(404, f"zoom {z} has no tile {x}/{y}")


def _answer(found: Tile | None, lasting: bool) -> Response:  # noqa: FBT001 - what an address says
    headers = {"Cache-Control": _FOREVER if lasting else "no-cache"}
    if found is None:
        return Response(status_code=204, headers=headers)
    if found.encoding is not None:
        headers["Content-Encoding"] = found.encoding
    return Response(found.data, media_type=found.media_type, headers=headers)
