"""The tables of `sector.toml` (`CONTRACT.md`, "A sector on disk"), unknown keys refused."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from edge.file_words import in_words
from edge.messages import Name, RefusedError

_Side = Literal["left", "right"]
_LineStatus = Literal["demarcated", "undemarcated", "river"]
_TrailKind = Literal["duong_mon", "loi_mon", "road", "river"]
_ZoneKind = Literal["crossing_point", "restricted", "farmland", "settlement"]
TRAIL_KINDS: tuple[str, ...] = get_args(_TrailKind)
ZONE_KINDS: tuple[str, ...] = get_args(_ZoneKind)
LINE_STATUS: tuple[str, ...] = get_args(_LineStatus)


class SectorTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose sector it is."""

    id: Name
    name: Annotated[str, Meta(min_length=1, max_length=200)]
    timezone: str
    unit: Name | None = None
    # Of the province's zone of 3 degrees; None: its maps are of the zones of UTM.
    vn2000_meridian_deg: Annotated[float, Meta(ge=102.0, le=111.0)] | None = None


class LayerTable(Struct, frozen=True, forbid_unknown_fields=True):
    """A layer that needs more words than its file's name; the properties are defaults."""

    file: str
    crs: str | None = None  # EPSG code, WKT or PROJ string; None: the file's own
    layer: str | None = None  # of a file that holds several

    def properties(self) -> dict[str, Any]:
        """Return what features have that do not say otherwise."""
        own = msgspec.structs.asdict(self)
        return {
            key: value
            for key, value in own.items()
            if key not in LayerTable.__struct_fields__ and value is not None
        }


class _BorderTable(LayerTable, frozen=True):
    home_side: _Side | None = None
    status: _LineStatus | None = None
    sigma_m: Annotated[float, Meta(gt=0.0)] | None = None
    strip_m: Annotated[float, Meta(gt=0.0)] | None = None
    river_width_m: Annotated[float, Meta(gt=0.0)] | None = None


class _TrailsTable(LayerTable, frozen=True):
    kind: _TrailKind | None = None


class _ZonesTable(LayerTable, frozen=True):
    kind: _ZoneKind | None = None
    schedule: str | None = None


class LayersTable(Struct, frozen=True, forbid_unknown_fields=True):
    """Where its layers are: a file's name, or a table where that is not enough."""

    border: str | _BorderTable
    trails: str | _TrailsTable | None = None
    zones: str | _ZonesTable | None = None
    markers: str | LayerTable | None = None


class SectorFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `sector.toml`."""

    sector: SectorTable
    layers: LayersTable
    rules: dict[str, Any] = {}


def read_sector_file(path: Path) -> SectorFile:
    """Read `sector.toml`.

    Raises:
        RefusedError: It cannot be read, is no TOML, or a field is wrong.
    """
    tables = read_toml(path)
    try:
        return msgspec.convert(tables, SectorFile)
    except msgspec.ValidationError as error:
        msg = f"{path}: {in_words(str(error), tables, SectorFile)}"
        raise RefusedError(msg) from error


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        RefusedError: It cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error})"
        raise RefusedError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: is not TOML ({error})"
        raise RefusedError(msg) from error
    except RecursionError as error:
        msg = f"{path}: its values are nested too deeply"
        raise RefusedError(msg) from error
