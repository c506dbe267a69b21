"""The watchlist file (CONTRACT.md): read, row by row, and asked for what a plate may be.

A row that lacks what the law asks for is refused and never matches; the others stand. Of an entry
only what is matched stays in memory: no name, no purpose. A hit is a lead for a person.
"""

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from edge.messages import Lead, RefusedError, UtcTime
from fusion.tracking.fixes import kind_of
from fusion.tracking.plates import Plates, canonical
from fusion.watchlist.plates import (
    CAR,
    MOTORCYCLE,
    all_like,
    as_near,
    cost,
    keys_of,
    score,
    shapes_of,
)


class Category(StrEnum):
    """Why somebody or something is on the list."""

    VEHICLE_OF_INTEREST = "vehicle_of_interest"
    ORGANISER = "organiser"
    WANTED = "wanted"
    MISSING = "missing"
    POSSIBLE_VICTIM = "possible_victim"


COLUMNS: Final = (
    "entry_id", "category", "plate", "vessel", "tracker_id", "full_name", "born", "document_no",
    "purpose", "legal_basis", "requested_by", "approved_by", "valid_from", "expires_at",
)  # fmt: skip
VEHICLE: Final = "vehicle"  # the one column that may be left out: a label, as detectors say it
_NEEDED: Final = ("entry_id", "category", "purpose", "legal_basis", "requested_by", "approved_by",
                  "expires_at")  # fmt: skip
_NAMING: Final = ("plate", "vessel", "tracker_id", "full_name", "document_no")
_MATCHED: Final = frozenset({Category.VEHICLE_OF_INTEREST, Category.ORGANISER})
_LONGEST: Final = 128
_SHORTEST_PLATE: Final = 5
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_OTHER_VEHICLE: Final = 0.7  # what is left of a score where the vehicle is of another kind
_TWO_WHEELS: Final = frozenset({"motorcycle", "motorbike", "bicycle"})


class Entry(NamedTuple):
    """What is matched of one entry. Times in seconds since 1970."""

    entry_id: str
    category: Category
    plate: str  # canonical; "": none
    vehicle: str  # its label; "": not said
    valid_from_s: float
    expires_s: float

    def holds(self, at_s: float) -> bool:
        """Tell whether it may be matched at an instant."""
        return self.valid_from_s <= at_s < self.expires_s


class Hit(NamedTuple):
    """An entry that a vehicle may be."""

    entry: Entry
    lead: Lead
    read: str  # the reading that fits best
    is_partial: bool  # which has fewer characters than the plate


class Watchlist:
    """The entries of one file. `refused` holds a sentence for each row that is none."""

    def __init__(
        self,
        entries: Sequence[Entry] = (),
        refused: Sequence[str] = (),
        *,
        source: str = "",
        sha256: str = "",
    ) -> None:
        """Index the entries whose plate may be matched."""
        self.entries, self.refused = tuple(entries), tuple(refused)
        self.source, self.sha256 = source, sha256
        self._plates: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if entry.plate and entry.category in _MATCHED:
                for key in keys_of(entry.plate):
                    self._plates.setdefault(key, []).append(entry)
        self._count = sum(1 for one in self.entries if one.plate and one.category in _MATCHED)

    def __bool__(self) -> bool:
        """Tell whether any plate can be matched."""
        return self._count > 0

    def hits(
        self, plates: Plates, at_s: float, *, label: str = "", min_score: float
    ) -> tuple[Hit, ...]:
        """Return the entries that a vehicle may be, the likeliest first.

        Args:
            plates: Its plate as read: summed confidence by canonical text.
            at_s: Event time: an entry matches neither before it is valid nor after its end.
            label: What the vehicle looks like; "": not known.
            min_score: What scores less is none.
        """
        found: dict[str, Entry] = {}
        for text, _ in plates:
            for key in keys_of(text):
                found.update((one.entry_id, one) for one in self._plates.get(key, ()))
        hits = [
            _hit(entry, plates, label, self._count)
            for entry in found.values()
            if entry.holds(at_s)
        ]
        kept = [hit for hit in hits if hit.lead.score >= min_score]
        return tuple(sorted(kept, key=lambda hit: (-hit.lead.score, hit.entry.entry_id)))

    def like(self, text: str) -> frozenset[str]:
        """Return the ids of the entries that a canonical reading may ever be a hit of."""
        entries = (one for key in keys_of(text) for one in self._plates.get(key, ()))
        return frozenset(one.entry_id for one in entries)

    def counts(self, at_s: float) -> dict[str, int]:
        """Count what is in it, for whoever checks it."""
        return {
            "entries": len(self.entries),
            "refused": len(self.refused),
            "expired": sum(one.expires_s <= at_s for one in self.entries),
            "not_yet_valid": sum(one.valid_from_s > at_s for one in self.entries),
            "plates_matched": sum(
                bool(one.plate) and one.category in _MATCHED and one.holds(at_s)
                for one in self.entries
            ),
        }


def read_watchlist(path: Path) -> Watchlist:
    """Read a watchlist file.

    Raises:
        RefusedError: It cannot be read, is no UTF-8, or has other columns.
    """
    try:
        content = path.read_bytes()
        lines = io.StringIO(content.decode("utf-8-sig"), newline="")
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error})"
        raise RefusedError(msg) from error
    except UnicodeDecodeError as error:
        msg = f"{path}: is not UTF-8 ({error})"
        raise RefusedError(msg) from error
    table = csv.DictReader(lines, strict=True)
    entries: dict[str, Entry] = {}
    refused = []
    try:
        _check_columns(path, table.fieldnames or ())
        for row in table:
            where = f"{path}: line {table.line_num}"
            try:
                entry = _entry(row)
                if entry.entry_id in entries:
                    _refuse("entry_id", f"{entry.entry_id!r} was used before")
                entries[entry.entry_id] = entry
            except ValueError as error:
                refused.append(f"{where}: {error}")
    except csv.Error as error:
        msg = f"{path}: line {table.line_num}: is not CSV ({error})"
        raise RefusedError(msg) from error
    sha256 = hashlib.sha256(content).hexdigest()
    return Watchlist(tuple(entries.values()), refused, source=str(path), sha256=sha256)


def _check_columns(path: Path, names: Sequence[str]) -> None:
    missing = [name for name in COLUMNS if name not in names]
    if missing and len(names) == 1 and ";" in names[0]:
        msg = f"{path}: line 1: its columns are divided by semicolons; a watchlist has commas"
        raise RefusedError(msg)
    if missing:
        msg = f"{path}: line 1: column {missing[0]!r} is missing"
        raise RefusedError(msg)
    # Nothing else is kept about people, whatever somebody would like to keep.
    other = [name for name in names if name not in {*COLUMNS, VEHICLE}]
    twice = [name for name in names if list(names).count(name) > 1]
    if other or twice:
        what = f"column {other[0]!r} is unknown" if other else f"column {twice[0]!r} stands twice"
        msg = f"{path}: line 1: {what}"
        raise RefusedError(msg)


def _entry(row: Mapping[str | None, object]) -> Entry:
    """Turn a row into an entry, or say in a ValueError why not."""
    if None in row:
        _refuse("expires_at", "more fields than columns follow it")
    said = {
        str(name): unicodedata.normalize("NFC", str(value or "")).strip()
        for name, value in row.items()
    }
    for name in _NEEDED:
        if not said[name]:
            _refuse(name, "is missing")
    if len(said["entry_id"]) > _LONGEST:
        _refuse("entry_id", f"is longer than {_LONGEST} characters")
    if said["category"] not in set(Category):
        _refuse("category", f"{said['category']!r} is none of {', '.join(Category)}")
    if _as_name(said["requested_by"]) == _as_name(said["approved_by"]):
        _refuse("approved_by", f"{said['approved_by']!r} also requested it: it takes two people")
    if not any(said[name] for name in _NAMING):
        _refuse("plate", f"is missing, as are {', '.join(_NAMING[1:])}: it names nothing")
    plate = canonical(said["plate"])
    if said["plate"] and len(plate) < _SHORTEST_PLATE:
        _refuse("plate", f"{said['plate']!r} is only a part of a plate")
    valid_from_s = _instant("valid_from", said["valid_from"]) if said["valid_from"] else 0.0
    expires_s = _instant("expires_at", said["expires_at"])
    if valid_from_s >= expires_s:
        _refuse("expires_at", f"{said['expires_at']!r} is not after valid_from")
    return Entry(
        said["entry_id"],
        Category(said["category"]),
        plate,
        said.get(VEHICLE, "").lower(),
        valid_from_s,
        expires_s,
    )


def _as_name(text: str) -> str:
    return " ".join(text.casefold().split())


def _instant(name: str, text: str) -> float:
    """Return a time: RFC 3339 in UTC, or a date, which is its first instant in UTC."""
    try:
        if _DATE.fullmatch(text):
            return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        return UtcTime.parse(text).timestamp()
    except ValueError:
        _refuse(name, f"{text!r} is neither a date (2026-12-31) nor an RFC 3339 time in UTC")


def _refuse(name: str, why: str) -> NoReturn:
    msg = f"{name} {why}"
    raise ValueError(msg)


def _hit(entry: Entry, plates: Plates, label: str, entries: int) -> Hit:
    read = min(plates, key=lambda one: (cost(one[0], entry.plate), -one[1], one[0]))[0]
    apart = cost(read, entry.plate)
    agrees = ["plate" if read == entry.plate else "plate_but_for_mistakes"]
    disagrees: list[str] = []
    sure = score(plates, entry.plate)
    if label and (fits := _vehicle_fits(entry, label)) is not None:
        (agrees if fits else disagrees).append(VEHICLE)
        sure *= 1.0 if fits else _OTHER_VEHICLE
    if any(cost(text, entry.plate) > apart for text, _ in plates):
        disagrees.append("other_readings")
    lead = Lead(
        entry_id=entry.entry_id,
        score=round(sure, 4),
        agrees=tuple(agrees),
        disagrees=tuple(disagrees),
        expected_false_hits=float(
            f"{entries * as_near(entry.plate, apart) / all_like(entry.plate):.3g}"
        ),
    )
    return Hit(entry, lead, read, is_partial=len(read) < len(entry.plate))


def _vehicle_fits(entry: Entry, label: str) -> bool | None:
    """Tell whether a vehicle looks like the entry's, by its label or its plate's shape."""
    if entry.vehicle:
        return entry.vehicle == label
    if kind_of(label) != "vehicle":
        return None
    shapes = set(shapes_of(entry.plate))
    if shapes == {MOTORCYCLE}:
        return label in _TWO_WHEELS
    return label not in _TWO_WHEELS if shapes == {CAR} else None
