"""The sector of a night: a line with bends, trails over it, a road behind, an open crossing point.

abroad        |        |        |              +160 m, where trails end
---o----------+---o----+--------+---[gate]---  the line, with markers
home       (field)     |  (wood)|      |       cameras look at 30 to 60 m from it
=======================+========+======+=====  -240 m: the road, where vehicles stop
              |        |        |              -330 m: where trails begin
"""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from tests.benchmarks.scoreboard.sector import (
    Disc,
    FloatArray,
    Land,
    along,
    feature,
    length_m,
    write,
)

BEGINS_M: Final = -330.0  # y of the southern end of every trail
ROAD_M: Final = -240.0
_ENDS_M: Final = 160.0
_APART_M: Final = 290.0  # trails
_MARKERS_APART_M: Final = 250.0
_GATE_HALF_M: Final = (20.0, 45.0)  # of the crossing point, along the line and across it


class Ground(NamedTuple):
    """What the ground looks like."""

    border: tuple[tuple[float, float], ...]  # vertices, from west to east
    land: Land
    road: FloatArray  # (N, 2)
    gate_x_m: float | None  # of the crossing point
    zone: Disc | None = None  # restricted

    def line_y_m(self, x_m: FloatArray | float) -> FloatArray:
        """Return where the line is at some x."""
        vertices = np.array(self.border)
        return np.asarray(np.interp(x_m, vertices[:, 0], vertices[:, 1]))

    def home_m(self, xy_m: FloatArray) -> FloatArray:
        """Return how far points (..., 2) are from the line, negative abroad; nan stays nan."""
        vertices = np.array(self.border)
        starts, ways = vertices[:-1], np.diff(vertices, axis=0)
        gap = xy_m[..., None, :] - starts
        share = (gap * ways).sum(axis=-1) / (ways**2).sum(axis=-1)
        gap -= np.clip(share, 0.0, 1.0)[..., None] * ways
        away_m = np.hypot(gap[..., 0], gap[..., 1]).min(axis=-1)
        return np.asarray(np.sign(self.line_y_m(xy_m[..., 0]) - xy_m[..., 1]) * away_m)

    def exit_of(self, trail: FloatArray) -> tuple[float, float]:
        """Return where a trail (N, 2) comes over the line."""
        at_m = np.arange(0.0, length_m(trail), 0.5)
        points = along(trail, at_m)
        x_m, y_m = points[int(np.argmin(np.abs(self.home_m(points))))].tolist()
        return x_m, y_m

    def path_beside(self, from_x_m: float, to_x_m: float, away_m: float) -> FloatArray:
        """Return a way (N, 2) along the line, so far from it on the home side."""
        count = max(2, round(abs(to_x_m - from_x_m) / 10.0))
        x = np.linspace(from_x_m, to_x_m, count)
        return np.column_stack((x, self.line_y_m(x) - away_m))


def grown(
    chance: np.random.Generator, *, trails: int, woods: int, fields: int, gate: bool
) -> Ground:
    """Lay a sector of some 290 m of line a trail, and as much again for a gate."""
    wide_m = _APART_M * (trails + gate)
    count = max(3, round(wide_m / 350.0) + 1)
    x = np.linspace(-0.5 * wide_m, 0.5 * wide_m, count)
    y = chance.normal(0.0, 14.0, count)
    ends = ((-0.5 * wide_m - 300.0, float(y[0])), (0.5 * wide_m + 300.0, float(y[-1])))
    border = (ends[0], *zip(x.tolist(), y.tolist(), strict=True), ends[1])
    slots = (np.arange(trails + gate) + 0.5) * _APART_M - 0.5 * wide_m
    gate_x_m = float(slots[-1]) if gate else None
    ways = [_trail(chance, float(middle)) for middle in slots[:trails]]
    ground = Ground(border, Land(tuple(ways), (), ()), _road(wide_m), gate_x_m)
    discs = [_wood(chance, ground, ways[number % trails]) for number in range(woods)]
    yards = []
    for number in range(fields):
        x_m = float(slots[number % trails]) + float(
            chance.choice((-1.0, 1.0)) * chance.uniform(35, 60)
        )
        # Every third reaches up to 12 m from the line.
        off_m = 37.0 if number % 3 == 0 else chance.uniform(60.0, 140.0)
        yards.append(Disc(x_m, float(ground.line_y_m(x_m)) - off_m, 25.0))
    return ground._replace(land=Land(tuple(ways), tuple(discs), tuple(yards)))


def _trail(chance: np.random.Generator, middle_m: float) -> FloatArray:
    y = np.linspace(BEGINS_M, _ENDS_M, 12)
    sway = np.cumsum(chance.normal(0.0, 9.0, 12))
    return np.column_stack((middle_m + chance.uniform(-40, 40) + sway - sway[8], y))


def _road(wide_m: float) -> FloatArray:
    x = np.linspace(-0.5 * wide_m - 250.0, 0.5 * wide_m + 250.0, 9)
    return np.column_stack((x, ROAD_M + 8.0 * np.sin(x / 300.0)))


def _wood(chance: np.random.Generator, ground: Ground, way: FloatArray) -> Disc:
    """Put a wood on a trail, one in five where it hides who comes over the line."""
    points = along(way, np.arange(0.0, length_m(way), 1.0))
    home_m = ground.home_m(points)
    off_m = chance.uniform(-5.0, 10.0) if chance.random() < 0.2 else chance.uniform(45.0, 190.0)
    x_m, y_m = points[int(np.argmin(np.abs(home_m - off_m)))].tolist()
    return Disc(x_m, y_m, float(chance.uniform(4.8, 9.0)))


def written(folder: Path, ground: Ground) -> Path:
    """Write the sector's files; return sector.toml."""
    zones = [
        feature("Polygon", _circle(field), id=f"field-{number}", kind="farmland")
        for number, field in enumerate(ground.land.fields, 1)
    ]
    if (ring := _gate(ground)) is not None:
        zones.append(feature("Polygon", ring, id="gate", kind="crossing_point"))
    if ground.zone is not None:
        zones.append(feature("Polygon", _circle(ground.zone), id="closed", kind="restricted"))
    first_m, last_m = ground.border[0][0], ground.border[-1][0]
    x = np.arange(first_m + 100.0, last_m, _MARKERS_APART_M)
    markers = [
        feature("Point", np.array([at]), id=str(231 + number))
        for number, at in enumerate(np.column_stack((x, ground.line_y_m(x))))
    ]
    more = {"zones": zones, "markers": markers} if zones else {"markers": markers}
    return write(folder, ground.land, border=ground.border, road=ground.road, more=more)


def _circle(disc: Disc) -> FloatArray:
    angle = np.linspace(0.0, 2.0 * np.pi, 17)
    ring = np.array([disc.x_m, disc.y_m]) + disc.radius_m * np.column_stack(
        (np.cos(angle), np.sin(angle))
    )
    ring[-1] = ring[0]
    return np.asarray(ring)


def _gate(ground: Ground) -> FloatArray | None:
    if ground.gate_x_m is None:
        return None
    x_m, y_m = ground.gate_x_m, float(ground.line_y_m(ground.gate_x_m))
    wide_m, deep_m = _GATE_HALF_M
    corners = ((-wide_m, -deep_m), (wide_m, -deep_m), (wide_m, deep_m), (-wide_m, deep_m))
    return np.array([(x_m + dx, y_m + dy) for dx, dy in (*corners, corners[0])])


def gate_way(ground: Ground) -> FloatArray:
    """Return the way of travellers through the gate (N, 2), from home to abroad."""
    assert ground.gate_x_m is not None
    return np.array(
        [(ground.gate_x_m, ROAD_M), (ground.gate_x_m, -60.0), (ground.gate_x_m, 130.0)]
    )
