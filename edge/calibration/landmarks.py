"""Landmarks of one picture: a CSV of pixels and surveyed places to checked arrays.

`u,v,lat,lon,alt_m[,sigma_px][,name][,kind]`, with these names as its first line or, without
such a line, in this order. A named column `sigma_m` is one sigma of each landmark's own place
along each axis. `kind` is `landmark` (also when empty) or `horizon`: a pixel on the
far, level skyline, whose `lat`, `lon` and `alt_m` stay empty. `alt_m` is above the ellipsoid; a
column `alt_msl_m` in its place is above the sea. Semicolons or tabs may stand for the commas.
"""

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from edge.camera import Camera, FloatArray, in_picture
from edge.geoid import GeoidError, undulation_m
from edge.messages import RefusedError

COLUMNS: Final = ("u", "v", "lat", "lon", "alt_m", "sigma_px", "name", "kind")
_ABOVE_SEA: Final = "alt_msl_m"
_OWN_SIGMA: Final = "sigma_m"
_KNOWN: Final = (*COLUMNS[:5], _ABOVE_SEA, COLUMNS[5], _OWN_SIGMA, *COLUMNS[6:])
_REQUIRED: Final = COLUMNS[:4]
_KINDS: Final = ("landmark", "horizon")
LEAST_SIGMA_PX: Final = 0.01
MOST_SIGMA_PX: Final = 1000.0
MOST_SIGMA_M: Final = 100.0
_LIMITS: Final = {
    "u": (-0.5, 32768.0),
    "v": (-0.5, 32768.0),
    "lat": (-90.0, 90.0),
    "lon": (-180.0, 180.0),
    "alt_m": (-1000.0, 100_000.0),
    _ABOVE_SEA: (-1000.0, 100_000.0),
    "sigma_px": (LEAST_SIGMA_PX, MOST_SIGMA_PX),
    _OWN_SIGMA: (0.0, MOST_SIGMA_M),
}
_MOST: Final = 1000
_SEPARATORS: Final = (",", ";", "\t")
EXACT_PLACES: Final = (
    "the landmarks' places were taken to be exact; what the receiver was off belongs into "
    "--landmarks-sigma-m (all alike) and the column sigma_m (each its own)"
)


class LandmarksError(RefusedError):
    """A file of landmarks that cannot be used. One sentence naming file, line and column."""


class Landmarks(NamedTuple):
    """What a technician measured in one picture."""

    pixels: FloatArray  # (N, 2)
    lat: FloatArray  # (N,) degrees
    lon: FloatArray  # (N,) degrees
    alt_m: FloatArray  # (N,) above the ellipsoid
    sigma_px: FloatArray  # (N,) one sigma along each axis of the picture
    names: tuple[str, ...]
    horizon: FloatArray  # (H, 2) pixels on the level skyline
    horizon_sigma_px: FloatArray  # (H,) one sigma across it
    horizon_names: tuple[str, ...]
    sigma_m: FloatArray | None = None  # (N,) of each one's own place along each axis; None: exact

    @property
    def own_sigma_m(self) -> FloatArray:
        """One sigma (N,) of each landmark's own place."""
        return np.zeros(len(self.names)) if self.sigma_m is None else self.sigma_m


def taken_to_be_exact(landmarks: Landmarks, survey_sigma_m: float) -> bool:
    """Tell whether nobody said what the places of landmarks are off."""
    return survey_sigma_m == 0.0 and not landmarks.own_sigma_m.any()


class _Row(NamedTuple):
    name: str
    is_horizon: bool
    u: float
    v: float
    sigma_px: float
    lat: float
    lon: float
    alt_m: float
    above_sea: bool
    sigma_m: float


def read_landmarks(path: Path, camera: Camera, *, sigma_px: float) -> Landmarks:
    """Read and check one file of landmarks.

    Args:
        path: The CSV, UTF-8.
        camera: Whose picture the pixels were read from.
        sigma_px: One sigma of a pixel, where the file says none.

    Raises:
        LandmarksError: It is missing, or something in it is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise LandmarksError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
        raise LandmarksError(msg) from error
    rows = list(_rows(path, text, camera, sigma_px))
    if len({row.name for row in rows}) < len(rows):
        seen = [row.name for row in rows]
        twice = next(name for name in seen if seen.count(name) > 1)
        msg = f"{path}: two landmarks are called {twice!r}; an outlier must be known by its name"
        raise LandmarksError(msg)
    points = [row for row in rows if not row.is_horizon]
    skyline = [row for row in rows if row.is_horizon]
    return Landmarks(
        pixels=np.array([(row.u, row.v) for row in points]).reshape(-1, 2),
        lat=np.array([row.lat for row in points]),
        lon=np.array([row.lon for row in points]),
        alt_m=_ellipsoidal_m(path, points),
        sigma_px=np.array([row.sigma_px for row in points]),
        names=tuple(row.name for row in points),
        horizon=np.array([(row.u, row.v) for row in skyline]).reshape(-1, 2),
        horizon_sigma_px=np.array([row.sigma_px for row in skyline]),
        horizon_names=tuple(row.name for row in skyline),
        sigma_m=np.array([row.sigma_m for row in points]),
    )


def _ellipsoidal_m(path: Path, points: list[_Row]) -> FloatArray:
    """Return the heights (N,) above the ellipsoid."""
    alt_m = np.array([row.alt_m for row in points])
    if not any(row.above_sea for row in points):
        return alt_m
    try:
        rise_m = undulation_m(lat=[row.lat for row in points], lon=[row.lon for row in points])
    except GeoidError as error:
        msg = f"{path}: column {_ABOVE_SEA}: {error}"
        raise LandmarksError(msg) from error
    above: FloatArray = alt_m + rise_m
    return above


def _rows(path: Path, text: str, camera: Camera, sigma_px: float) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text), delimiter=_separator(text), skipinitialspace=True)
    columns: tuple[str, ...] | None = None
    count = 0
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells) or cells[0].startswith("#"):
                continue
            where = f"{path}:{reader.line_num}"
            if columns is None:
                columns = _header(where, cells)
                if not _is_number(cells[0]):
                    continue
            if len(cells) > len(columns):
                msg = f"{where}: {len(cells)} values for {len(columns)} columns"
                raise LandmarksError(msg)
            count += 1
            if count > _MOST:
                msg = f"{where}: more than {_MOST} landmarks"
                raise LandmarksError(msg)
            said = dict.fromkeys(columns, "")
            said |= {name: cell.strip() for name, cell in zip(columns, cells, strict=False)}
            yield _row(where, reader.line_num, said, camera, sigma_px)
    except csv.Error as error:
        msg = f"{path}:{reader.line_num}: {error}"
        raise LandmarksError(msg) from error


def _separator(text: str) -> str:
    """Return what separates the first line that is no comment: that which comes most often."""
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    first = next(lines, "")
    return max(_SEPARATORS, key=first.count)


def _header(where: str, cells: list[str]) -> tuple[str, ...]:
    """Return the names of the columns; all of them in their order if the line holds numbers."""
    if _is_number(cells[0]):
        return COLUMNS
    columns = tuple(cell.strip() for cell in cells)
    for name in columns:
        if name not in _KNOWN:
            msg = f"{where}: column {name!r} is none of {', '.join(_KNOWN)}"
            raise LandmarksError(msg)
        if columns.count(name) > 1:
            msg = f"{where}: column {name!r} comes twice"
            raise LandmarksError(msg)
    for name in _REQUIRED:
        if name not in columns:
            msg = f"{where}: column {name!r} is missing"
            raise LandmarksError(msg)
    if ("alt_m" in columns) == (_ABOVE_SEA in columns):
        msg = f"{where}: one column of heights is needed, 'alt_m' or {_ABOVE_SEA!r}"
        raise LandmarksError(msg)
    return columns


def _row(
    where: str, line: int, said: dict[str, str], camera: Camera, default_sigma_px: float
) -> _Row:
    kind = said.get("kind", "") or "landmark"
    if kind not in _KINDS:
        msg = f"{where}: kind = {kind!r} is neither landmark nor horizon"
        raise LandmarksError(msg)
    is_horizon = kind == "horizon"
    u, v = (_number(where, name, said.get(name, "")) for name in ("u", "v"))
    if not in_picture(np.array([[u, v]]), camera)[0]:
        msg = (
            f"{where}: u, v = ({u:g}, {v:g}) lies outside the picture of "
            f"{camera.width_px} x {camera.height_px}"
        )
        raise LandmarksError(msg)
    place = [0.0, 0.0, 0.0]
    height = _ABOVE_SEA if _ABOVE_SEA in said else "alt_m"
    for index, name in enumerate(("lat", "lon", height)):
        cell = said.get(name, "")
        if is_horizon and cell:
            msg = f"{where}: {name} = {cell!r} of a horizon point, which has no place"
            raise LandmarksError(msg)
        if not is_horizon:
            place[index] = _number(where, name, cell)
    sigma, own = said.get("sigma_px", ""), said.get(_OWN_SIGMA, "")
    return _Row(
        name=said.get("name", "") or f"line {line}",
        is_horizon=is_horizon,
        u=u,
        v=v,
        sigma_px=_number(where, "sigma_px", sigma) if sigma else default_sigma_px,
        lat=place[0],
        lon=place[1],
        alt_m=place[2],
        above_sea=not is_horizon and height == _ABOVE_SEA,
        sigma_m=_number(where, _OWN_SIGMA, own) if own else 0.0,
    )


def _number(where: str, column: str, cell: str) -> float:
    if not cell:
        msg = f"{where}: {column} is missing"
        raise LandmarksError(msg)
    if not _is_number(cell):
        hint = "; write a decimal point" if "," in cell else ""
        msg = f"{where}: {column} = {cell!r} is not a number{hint}"
        raise LandmarksError(msg)
    value, (least, most) = float(cell), _LIMITS[column]
    if not least <= value <= most:
        hint = "; are lat and lon swapped?" if column == "lat" else ""
        msg = f"{where}: {column} = {cell} is not within {least:g} to {most:g}{hint}"
        raise LandmarksError(msg)
    return value


def _is_number(cell: str) -> bool:
    """Tell whether a cell is a finite decimal number."""
    if "_" in cell:
        return False
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False
