"""An engine's whole state as bytes, and back: what recovery begins with instead of the journal.

The object graph is pickled as it is, so that what is added to the engine is in it by itself. The
sector stays outside: it comes back from the files it was read from, and with it whatever it holds
(its plane, its border, its rules). A pickle may name any function of the machine; this one is read
by a reader that knows the classes of the engine and nothing else.

On disk stands one line of JSON before it, which says what it is and what it belongs to:

    {"format":1,"code":…,"sector":…,"segment":…,"offset":…,"size":…,"sha256":…}
    the pickle, `size` bytes
"""

import hashlib
import io
import json
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from edge.messages import RefusedError, encode
from fusion.rulebook import Rule
from fusion.sector import Sector

FORMAT: Final = 1
PROTOCOL: Final = 5
_HEADER_MAX_BYTES: Final = 4096  # of a file that is none, no more is looked at
# What the engine's own classes are made of. No function in it does anything but build a value.
_BUILDING_BLOCKS: Final = frozenset(
    {
        ("builtins", "complex"),
        ("builtins", "bytearray"),
        ("builtins", "frozenset"),
        ("builtins", "set"),
        ("collections", "Counter"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("collections", "deque"),
        ("datetime", "datetime"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("msgspec._core", "UNSET"),
        ("msgspec._utils", "rebuild"),
    }
)
_OURS: Final = ("fusion.", "edge.messages")

# What the constructors of these are given: compiled (setup.py), there is no instance without.
_BUILT_FROM: Final[dict[str, tuple[str, ...]]] = {
    "fusion.core.Core": ("_sector", "_trodden"),
    "fusion.course.Course": ("core",),
    "fusion.course.Stretch": ("at_s", "_core"),
    "fusion.docket.Docket": (),
    "fusion.engine.Engine": ("_sector",),
    "fusion.telling.Telling": ("_sector",),
    "fusion.tracking.merging.Overlaps": (),
    "fusion.tracking.nearby.Nearby": ("_gate",),
    "fusion.tracking.tracker.Tracker": ("_sector", "_trodden"),
    "fusion.trodden.Fence": ("_region",),
    "fusion.trodden.Trodden": (),
}


class UnfitSnapshotError(RefusedError):
    """A snapshot that cannot be used: damaged, of another version, or of another sector."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot is and what it belongs to."""

    format: int
    code: str  # fingerprint of the program that wrote it
    sector: str  # fingerprint of the sector: its rules and layers
    segment: str  # the place in the journal behind the last message it holds
    offset: int
    size: int  # bytes of the body
    sha256: str  # of the body


def packed(body: bytes, *, code: str, sector: str, segment: str, offset: int) -> bytes:
    """Put the header before a body."""
    header = Header(
        format=FORMAT,
        code=code,
        sector=sector,
        segment=segment,
        offset=offset,
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
    )
    return encode(header) + b"\n" + body


def unpacked(content: bytes, *, code: str, sector: str) -> tuple[Header, bytes]:
    """Take a snapshot apart that was written by this program for this sector.

    Raises:
        UnfitSnapshotError: It is another's, or not what was written.
    """
    head, _, body = content.partition(b"\n")
    try:
        header = msgspec.json.decode(head[:_HEADER_MAX_BYTES], type=Header)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        msg = f"its header cannot be read ({error})"
        raise UnfitSnapshotError(msg) from error
    why = None
    if header.format != FORMAT:
        why = f"it is of format {header.format}, not {FORMAT}"
    elif header.code != code:
        why = "another version of the program wrote it"
    elif header.sector != sector:
        why = "the sector's rules, layers or watchlist have changed since"
    elif header.size != len(body):
        why = f"it has {len(body)} bytes of {header.size}"
    elif header.sha256 != hashlib.sha256(body).hexdigest():
        why = "its content is not what was written"
    if why is not None:
        raise UnfitSnapshotError(why)
    return header, body


def fingerprint_of(sector: Sector) -> str:
    """Return what changes whenever a sector's rules, layers or watchlist do."""
    said = [sector.id, sector.name, sector.unit, sector.timezone.key, dict(sector.layers)]
    # A layer from a database file may hold dates, which JSON does not know.
    layers = json.dumps(said, sort_keys=True, default=str).encode()
    listed = sector.watchlist.sha256.encode()
    return hashlib.sha256(encode(sector.rules) + layers + listed).hexdigest()


def dumped(state: object, sector: Sector) -> bytes:
    """Write a state that refers to parts of a sector, without these."""
    file = io.BytesIO()
    pickler = _Writer(file, protocol=PROTOCOL)
    names = {id(part): name for name, part in _parts(sector)}

    def reduced(part: Any) -> Any:  # noqa: ANN401 - whatever type the table names
        name = names.get(id(part))
        return (_part, (name,)) if name is not None else part.__reduce_ex__(PROTOCOL)

    # By type rather than by `persistent_id`, which would be asked about every single float.
    pickler.dispatch_table = {type(part): reduced for _, part in _parts(sector)}
    pickler.dump(state)
    return file.getvalue()


def loaded(body: bytes, sector: Sector) -> Any:  # noqa: ANN401 - what `dumped` was given
    """Read a state back into the sector that it was written for.

    Raises:
        UnfitSnapshotError: It is no pickle of the engine's classes.
    """
    try:
        return _Reader(body, dict(_parts(sector))).load()
    except UnfitSnapshotError:
        raise
    # A pickle's construction runs the constructors of our classes on whatever is in it.
    except Exception as error:
        msg = f"it cannot be read ({type(error).__name__}: {error})"
        raise UnfitSnapshotError(msg) from error


def _part(name: str) -> object:
    """Stand for a part of the sector; the reader puts the part itself in its place."""
    raise UnfitSnapshotError(name)


class _Writer(pickle.Pickler):
    def reducer_override(self, part: Any) -> Any:  # noqa: ANN401 - whatever is in the graph
        kind = type(part)
        names = _BUILT_FROM.get(f"{kind.__module__}.{kind.__qualname__}")
        if names is None:
            return NotImplemented
        state = part.__reduce_ex__(PROTOCOL)[2]
        return kind, tuple(getattr(part, name) for name in names), state


class _Reader(pickle.Unpickler):
    def __init__(self, body: bytes, parts: dict[str, object]) -> None:
        super().__init__(io.BytesIO(body))
        self._part: Callable[[str], object] = parts.__getitem__

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as the base says
        if (module, name) == (__name__, _part.__name__):
            return self._part
        if (module, name) in _BUILDING_BLOCKS:
            return super().find_class(module, name)
        if module.startswith(_OURS) and "." not in name and module in sys.modules:
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__ == module:
                return found
        msg = f"it names {module}.{name}, which is none of the engine's classes"
        raise UnfitSnapshotError(msg)


def _parts(sector: Sector) -> Iterator[tuple[str, object]]:
    """Name the parts of a sector that an engine may hold on to."""
    yield "sector", sector
    yield "frame", sector.frame
    yield "border", sector.border
    yield "timezone", sector.timezone
    yield "rules", sector.rules
    for field in msgspec.structs.fields(sector.rules):
        rule = getattr(sector.rules, field.name)
        if isinstance(rule, Rule):
            yield f"rules.{field.name}", rule
