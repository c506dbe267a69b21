"""A flight log as a table: CSV with the columns named below, units in their names.

The first line names the columns; either `media_time_s` or `captured_at` (RFC 3339) must be there.
It also shows what separates them: commas, semicolons or tabs. An empty field is unknown. An
unknown column is refused by name: it may be a misspelt one, or one in other units.
"""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec

from edge.messages import UtcTime
from edge.telemetry.samples import Sample, TelemetryError, media_time, position

COLUMNS: Final = (
    "media_time_s",
    "captured_at",
    "lat",
    "lon",
    "alt_m",
    "alt_msl_m",
    "rel_alt_m",
    "yaw_deg",
    "pitch_deg",
    "roll_deg",
    "hfov_deg",
)
BAD_ROW: Final = "rows with a field that cannot be right"
NO_TIME: Final = "rows without a time"

SEPARATORS: Final = (",", ";", "\t")
_WITH_OFFSET: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)

_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "lat": (-90.0, 90.0),
    "lon": (-180.0, 180.0),
    "alt_m": (-1000.0, 100_000.0),
    "alt_msl_m": (-1000.0, 100_000.0),
    "rel_alt_m": (-1000.0, 100_000.0),
    "yaw_deg": (-360.0, 360.0),
    "pitch_deg": (-90.0, 90.0),
    "roll_deg": (-180.0, 180.0),
    "hfov_deg": (1e-6, 179.999999),
}


def looks_like(text: str) -> bool:
    """Tell whether a text begins with a line that names columns of ours."""
    first_line = text.lstrip().partition("\n")[0]
    return bool(set(_names(first_line, separator_of(first_line))) & set(COLUMNS))


def separator_of(header: str, known: Iterable[str] = COLUMNS) -> str:
    """Return what separates the names of a first line: that which shows most of the known ones."""
    names = set(known)
    return max(SEPARATORS, key=lambda mark: len(names.intersection(_names(header, mark))))


def read_table(
    text: str, skipped: Counter[str], *, name: str, wrong: list[str] | None = None
) -> list[Sample]:
    """Read a table; rows that are broken are counted in `skipped`.

    Args:
        text: The whole file.
        skipped: Gets a count by reason.
        name: Of the file, for errors.
        wrong: Gets what is wrong with the first broken row, behind the file's name.

    Raises:
        TelemetryError: The columns are not what they should be.
    """
    blank = text[: len(text) - len(text.lstrip())].count("\n")
    first_line, *lines = text.lstrip().splitlines() or [""]
    mark = separator_of(first_line)
    header = _names(first_line, mark)
    _check(header, name)
    samples: list[Sample] = []
    anchor: tuple[float, UtcTime] | None = None  # a row that had both times, the last one
    for number, line in enumerate(lines, start=blank + 2):
        if not line.strip(" \t,;"):
            continue
        try:
            values, captured_at = _values(header, _names(line, mark))
        except ValueError as error:
            skipped[BAD_ROW] += 1
            if wrong is not None and not wrong:
                wrong.append(f":{number}: {error}")
            continue
        seconds = values.pop("media_time_s", None)
        by_clock = seconds is None
        if captured_at is not None:
            if seconds is None and (anchor is not None or "media_time_s" not in header):
                zero_s, then = anchor or (0.0, captured_at)
                seconds = zero_s + captured_at.seconds_since(then)
                anchor = anchor or (zero_s, then)
            elif seconds is not None:
                anchor = seconds, captured_at
        if seconds is None or media_time(seconds) is None:
            skipped[NO_TIME] += 1
            continue
        clock_s = None if captured_at is None else captured_at.timestamp()
        samples.append(
            msgspec.structs.replace(
                Sample(
                    media_time_s=seconds,
                    captured_at=captured_at,
                    clock_s=clock_s,
                    timed_by_clock=by_clock,
                ),
                **values,
            )
        )
    return samples


def write_table(samples: Iterable[Sample]) -> str:
    """Write samples; reading them gives the same numbers, instants to the millisecond."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sample in samples:
        row: list[str] = []
        for column in COLUMNS:
            value = getattr(sample, column)
            if isinstance(value, UtcTime):
                row.append(value.rfc3339())
            else:
                row.append("" if value is None else repr(float(value)))
        writer.writerow(row)
    return out.getvalue()


def _names(line: str, mark: str) -> list[str]:
    """Return the fields of a line. No field of ours holds a separator or a line's end.

    So a stray quotation mark spoils its own row and not, as in CSV at large, all rows up to the
    next one.
    """
    return [name.strip().strip('"').strip() for name in line.split(mark)]


def _check(header: list[str], name: str) -> None:
    for column in header:
        if column not in COLUMNS:
            msg = f"{name}: unknown column {column!r}; known are {', '.join(COLUMNS)}"
            raise TelemetryError(msg)
        if header.count(column) > 1:
            msg = f"{name}: the column {column!r} stands there twice"
            raise TelemetryError(msg)
    if not {"media_time_s", "captured_at"} & set(header):
        msg = f"{name}: needs a column media_time_s or captured_at"
        raise TelemetryError(msg)


def _values(header: list[str], row: list[str]) -> tuple[dict[str, float], UtcTime | None]:
    """Read the fields of one row.

    Raises:
        ValueError: One cannot be right, or their number is another than the header's.
    """
    if len(row) != len(header):
        msg = f"{len(row)} fields for {len(header)} columns"
        raise ValueError(msg)
    values: dict[str, float] = {}
    captured_at: UtcTime | None = None
    for column, field in zip(header, row, strict=True):
        text = field.strip()
        if not text:
            continue
        if column == "captured_at":
            captured_at = _instant(text)
        else:
            values[column] = _number(column, text)
    if position(values.get("lat"), values.get("lon")) == (None, None):
        # 0, 0 is what receivers say without a fix.
        values.pop("lat", None)
        values.pop("lon", None)
    return values, captured_at


def _instant(text: str) -> UtcTime:
    if _WITH_OFFSET.fullmatch(text) is None:
        msg = (
            f"captured_at = {text!r}: is no time such as 2026-03-14T17:00:00.058Z or "
            "2026-03-15T00:00:00+07:00"
        )
        raise ValueError(msg)
    try:
        return UtcTime.of(datetime.fromisoformat(text.upper()))
    except (ValueError, OverflowError) as error:
        msg = f"captured_at = {text!r}: there is no such time"
        raise ValueError(msg) from error


def _number(column: str, text: str) -> float:
    value = math.nan
    if text.isascii() and "_" not in text:  # which `float` would take
        try:
            value = float(text)
        except ValueError:
            value = math.nan
    if not math.isfinite(value):
        hint = ": write a decimal point" if "," in text else ""
        msg = f"{column} = {text!r}: is no number{hint}"
        raise ValueError(msg)
    least, most = _RANGES.get(column, (-math.inf, math.inf))
    if not least <= value <= most:
        msg = f"{column} = {text!r}: is not within {least:g} to {most:g}"
        raise ValueError(msg)
    return value
