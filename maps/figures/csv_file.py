"""A table of figures as CSV, like that of the incident log; units stand in the heads."""

import csv
import io
from collections.abc import Mapping
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

from edge.messages import UtcTime
from fusion.days import Days
from maps.figures.tables import Column, Is, Table, Value
from maps.incident_export import Cell, cell_text
from maps.language import words

_WORDS: Final[Mapping[Is, str]] = {
    "kind": "kind.", "state": "incident.", "severity": "severity.", "overdue": "log.overdue_",
}  # fmt: skip
_UNITS: Final[Mapping[Is, str]] = {"seconds": "s", "hours": "h", "km": "km", "metres": "m"}


def csv_of(table: Table, days: Days, *, language: str) -> bytes:
    """Write a table with its title and the period above it."""
    said, timezone = words(language), days.timezone
    period = f"{days.first:%d/%m/%Y} - {days.last:%d/%m/%Y}"
    file = io.StringIO()
    file.write("\N{BYTE ORDER MARK}")
    writer = csv.writer(file, delimiter=";" if language == "vi" else ",", lineterminator="\r\n")
    writer.writerow([cell_text(f"{said[f'figures.table_{table.name}']}, {period}", language)])
    writer.writerow([_head(column, said, timezone) for column in table.columns])
    for row in table.rows:
        writer.writerow(
            cell_text(_cell(value, column.holds, said, timezone), language)
            for value, column in zip(row, table.columns, strict=True)
        )
    return file.getvalue().encode()


def _head(column: Column, said: Mapping[str, str], timezone: ZoneInfo) -> str:
    hour = column.name.removeprefix("hour_")
    text = f"{hour}:00" if hour != column.name else said[f"figures.col_{column.name}"]
    unit = timezone.key if column.holds == "instant" else _UNITS.get(column.holds)
    return text if unit is None else f"{text} ({unit})"


def _cell(  # noqa: PLR0911 - one for each kind of cell
    value: Value, holds: Is, said: Mapping[str, str], timezone: ZoneInfo
) -> Cell:
    if value is None:
        return said["figures.place_none"] if holds == "place" else None
    if holds == "instant":
        return UtcTime.parse(str(value)).astimezone(timezone).replace(tzinfo=None)
    if holds == "date":
        return date.fromisoformat(str(value)).strftime("%d/%m/%Y")
    if holds == "place" and isinstance(value, int):
        return said["figures.place_km"].format(km=value, to=value + 1)
    if holds == "group":
        return said.get(f"kind.{value}", str(value)) if value else said["figures.all"]
    if holds == "line":
        return value or said["figures.border"]
    if holds in _WORDS:
        return said.get(f"{_WORDS[holds]}{value}", str(value))
    return value
