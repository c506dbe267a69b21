"""The ways of an OpenStreetMap extract as trails: which of them people walk, and as what.

Its tags are the map's own (wiki.openstreetmap.org, "Key:highway"); the file is read by GDAL, as
`fusion.gis_files` does with others.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from edge.messages import RefusedError
from fusion.drawn import Drawn
from fusion.gis_files import OSM_ENDINGS, read_gis

LINES: Final = "lines"  # of what GDAL makes of such a file
_KINDS: Final = {
    ("highway", "path"): "duong_mon",
    ("highway", "footway"): "duong_mon",
    ("highway", "bridleway"): "duong_mon",
    ("highway", "steps"): "duong_mon",
    ("highway", "track"): "road",
    ("waterway", "river"): "river",
    **{
        ("highway", f"{road}{link}"): "road"
        for road in ("trunk", "primary", "secondary", "tertiary")
        for link in ("", "_link")
    },
    **{
        ("highway", road): "road"
        for road in ("road", "unclassified", "residential", "living_street", "service")
    },
}


def is_osm(path: Path) -> bool:
    """Tell by its ending whether a file is an extract of OpenStreetMap."""
    return path.suffix.lower() in OSM_ENDINGS


def read_osm(path: Path) -> tuple[list[Drawn], int]:
    """Read the ways that are trails of a kind; return them, and how many others there are.

    Raises:
        RefusedError: One sentence naming the file; or it holds no such way.
    """
    drawn, _ = read_gis(path, table=LINES, declared=None)
    trails = list(_trails(drawn))
    if not trails:
        msg = f"{path}: holds no way with highway = path, footway, track or another that is walked"
        raise RefusedError(msg)
    return trails, len(drawn) - len(trails)


def _trails(drawn: list[Drawn]) -> Iterator[Drawn]:
    for way in drawn:
        kind = next((_KINDS[tag] for tag in _tags(way) if tag in _KINDS), None)
        if kind is not None:
            told = {"id": way.properties["osm_id"], "name": way.properties["name"], "kind": kind}
            yield way._replace(properties=told)


def _tags(way: Drawn) -> Iterator[tuple[str, Any]]:
    for key in ("highway", "waterway"):
        yield key, way.properties[key]
