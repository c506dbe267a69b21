"""The fictional sector of the scenes: a border line, trails that cross, a road, woods, fields."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from fusion.local_frame import LocalFrame

FloatArray = npt.NDArray[np.float64]
Feature = dict[str, object]

ID: Final = "scoreboard"
FRAME: Final = LocalFrame(lat=1.2, lon=-12.3)
ROAD: Final = np.array([(-420.0, -215.0), (-120.0, -200.0), (150.0, -210.0), (420.0, -195.0)])
_BORDER: Final = ((-900.0, 30.0), (-250.0, 10.0), (0.0, 0.0), (300.0, 15.0), (900.0, -20.0))


class Disc(NamedTuple):
    """A round piece of ground."""

    x_m: float
    y_m: float
    radius_m: float

    def holds(self, xy_m: FloatArray) -> npt.NDArray[np.bool_]:
        """Tell which of some points (N, 2) lie on it; nan does not."""
        gap_m = np.hypot(xy_m[:, 0] - self.x_m, xy_m[:, 1] - self.y_m)
        return np.asarray(gap_m <= self.radius_m)


class Land(NamedTuple):
    """What the ground of one scene looks like."""

    trails: tuple[FloatArray, ...]  # vertices (N, 2), from home to abroad
    woods: tuple[Disc, ...]  # nobody is seen in them
    fields: tuple[Disc, ...]  # where farmers and cattle are


def grown(chance: np.random.Generator, *, trails: int, woods: int, fields: int) -> Land:
    """Lay trails from the south over the line to the north, with woods over some of their parts."""
    ends = np.linspace(-110.0, 110.0, trails) if trails > 1 else np.zeros(1)
    ways = []
    for start_x, end_x in zip(ends, chance.permutation(ends), strict=True):
        y = np.linspace(-170.0, 90.0, 7)
        x = np.linspace(start_x, end_x, 7) + chance.normal(0.0, 10.0, 7)
        ways.append(np.column_stack((x, y)))
    discs = []
    for number in range(woods):
        way = ways[number % trails]
        along_m = chance.uniform(0.25, 0.75) * length_m(way)
        x, y = along(way, np.array([along_m]))[0]
        # 8 to 15 s at 1.2 m/s from edge to edge
        discs.append(Disc(float(x), float(y), float(chance.uniform(4.8, 9.0))))
    yards = [
        Disc(float(chance.uniform(-130, 130)), float(chance.uniform(-150, -40)), 30.0)
        for _ in range(fields)
    ]
    return Land(tuple(ways), tuple(discs), tuple(yards))


def length_m(way: FloatArray) -> float:
    """Return the length of a polyline (N, 2)."""
    return float(np.hypot(*np.diff(way, axis=0).T).sum())


def along(way: FloatArray, at_m: FloatArray) -> FloatArray:
    """Return the points (N, 2) at distances along a polyline (M, 2), straight on at its ends."""
    steps_m = np.hypot(*np.diff(way, axis=0).T)
    ends_m = np.concatenate(([0.0], np.cumsum(steps_m)))
    leg = np.clip(np.searchsorted(ends_m, at_m, side="right") - 1, 0, len(steps_m) - 1)
    share = (at_m - ends_m[leg]) / steps_m[leg]
    return np.asarray(way[leg] + share[:, None] * (way[leg + 1] - way[leg]))


def write(
    folder: Path,
    land: Land,
    *,
    border: Sequence[tuple[float, float]] = _BORDER,
    road: FloatArray = ROAD,
    more: Mapping[str, Sequence[Feature]] = MappingProxyType({}),
) -> Path:
    """Write the sector's files as CONTRACT.md has them; return sector.toml.

    Args:
        folder: Where.
        land: Its trails.
        border: Vertices of the line from west to east, home to the south.
        road: Vertices (N, 2).
        more: Features of other layers, by their names.
    """
    line = feature("LineString", np.array(border), home_side="right")
    ways = [feature("LineString", way, id=f"trail-{i}") for i, way in enumerate(land.trails, 1)]
    ways.append(feature("LineString", road, id="road", kind="road"))
    layers = {"border": [line], "trails": ways, **more}
    for name, features in layers.items():
        text = json.dumps({"type": "FeatureCollection", "features": features})
        (folder / f"{name}.geojson").write_text(text, encoding="utf-8")
    (folder / "sector.toml").write_text(
        f'[sector]\nid = "{ID}"\nname = "Scoreboard"\ntimezone = "UTC"\n[layers]\n'
        + "".join(f'{name} = "{name}.geojson"\n' for name in layers),
        encoding="utf-8",
    )
    return folder / "sector.toml"


def feature(shape: str, way: FloatArray, **properties: str) -> Feature:
    """Draw a line, a ring or a point (N, 2) as GeoJSON has it."""
    # Drawn every 50 m: a line straight in degrees bends off the plane's.
    points = []
    for start, end in itertools.pairwise(way):
        count = max(1, math.ceil(float(np.hypot(*(end - start))) / 50.0))
        points += [start + (end - start) * i / count for i in range(count)]
    positions = [FRAME.to_wgs84(float(x), float(y)) for x, y in [*points, way[-1]]]
    coordinates = [[round(lon, 8), round(lat, 8)] for lat, lon in positions]
    drawn = {"LineString": coordinates, "Polygon": [coordinates], "Point": coordinates[0]}[shape]
    geometry = {"type": shape, "coordinates": drawn}
    return {"type": "Feature", "properties": properties, "geometry": geometry}
