"""What a search of the incident log finds as a table: CSV and XLSX, for people's own tools.

A cell never runs: spreadsheets take what begins with "=" for a formula, whoever wrote it.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import xlsxwriter
from babel.dates import format_datetime
from babel.numbers import format_decimal

from edge.messages import Incident
from maps.language import words
from maps.place_words import LOCALES, place_text

MOST_ROWS: Final = 50_000
# A column's head is the word `log.col_NAME`.
COLUMNS: Final = (
    *("id", "opened", "kind", "direction", "severity", "state", "overdue", "outcome", "place"),
    *("lat", "lon", "people", "people_min", "people_max", "unit", "assigned_to", "acted_by"),
    *("acted_at", "devices", "simulated"),
)
_TIME: Final = "dd/MM/yyyy HH:mm:ss"
_RUNS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
_WIDTHS: Final = {"id": 22, "opened": 19, "kind": 28, "place": 60, "acted_at": 19, "devices": 24}

Cell = str | float | datetime | None


def rows_of(
    incidents: Iterable[Incident], *, language: str, timezone: ZoneInfo
) -> Iterator[list[Cell]]:
    """Yield a row of `COLUMNS` for each; times are local ones without a zone."""
    said = words(language)

    def word(key: str, code: str | None) -> str | None:
        return None if code is None else said.get(f"{key}.{code}", code)

    def local(moment: datetime | None) -> datetime | None:
        return None if moment is None else moment.astimezone(timezone).replace(tzinfo=None)

    for one in incidents:
        overdue = one.overdue or None
        yield [
            one.incident_id,
            local(one.opened_at),
            word("kind", one.kind.value),
            word("direction", one.direction.value if one.direction else None),
            word("severity", one.severity.value),
            word("incident", one.state),
            word("log", f"overdue_{overdue.step}" if overdue else None),
            word("outcome", one.outcome.value if one.outcome else None),
            place_text(one.place, language),
            one.lat,
            one.lon,
            one.headcount,
            one.headcount_min,
            one.headcount_max,
            one.unit,
            one.assigned_to or None,
            one.acted_by or None,
            local(one.acted_at or None),
            ", ".join(one.devices),
            said["log.yes"] if one.simulated else None,
        ]


def heads_of(language: str, timezone: ZoneInfo) -> list[str]:
    """Return the heads of the columns; of times, with their zone."""
    said = words(language)
    heads = {name: said[f"log.col_{name}"] for name in COLUMNS}
    for name in ("opened", "acted_at"):
        heads[name] = f"{heads[name]} ({timezone.key})"
    return list(heads.values())


def csv_text(
    incidents: Iterator[Incident], *, language: str, timezone: ZoneInfo
) -> Iterator[bytes]:
    """Yield a CSV file piece by piece: UTF-8 with BOM; semicolons where the comma is decimal."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";" if language == "vi" else ",", lineterminator="\r\n")
    buffer.write("\N{BYTE ORDER MARK}")
    writer.writerow(heads_of(language, timezone))
    count = 0
    for count, row in enumerate(  # noqa: B007 - how many there were
        rows_of(_most(incidents), language=language, timezone=timezone), 1
    ):
        writer.writerow([cell_text(cell, language) for cell in row])
        yield _taken(buffer)
    if _is_cut(count, incidents):
        writer.writerow([_cut_text(language)])
    yield _taken(buffer)


def write_xlsx(
    path: Path, incidents: Iterator[Incident], *, language: str, timezone: ZoneInfo
) -> None:
    """Write an XLSX file row by row: dates and numbers are such, texts are never formulas."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(path, options) as book:
        sheet = book.add_worksheet(words(language)["page.incidents"][:31])
        bold = book.add_format({"bold": True})
        time = book.add_format({"num_format": "dd/mm/yyyy hh:mm:ss"})
        for column, name in enumerate(COLUMNS):
            sheet.set_column(column, column, _WIDTHS.get(name, 14))
        sheet.freeze_panes(1, 1)
        sheet.write_row(0, 0, heads_of(language, timezone), bold)
        number = 0
        for number, row in enumerate(
            rows_of(_most(incidents), language=language, timezone=timezone), 1
        ):
            for column, cell in enumerate(row):
                if isinstance(cell, datetime):
                    sheet.write_datetime(number, column, cell, time)
                elif isinstance(cell, int | float):
                    sheet.write_number(number, column, cell)
                elif cell is not None:
                    sheet.write_string(number, column, cell)
        if _is_cut(number, incidents):
            sheet.write_string(number + 1, 0, _cut_text(language), bold)
        sheet.autofilter(0, 0, max(number, 1), len(COLUMNS) - 1)


def _most(incidents: Iterator[Incident]) -> Iterator[Incident]:
    return (one for _, one in zip(range(MOST_ROWS), incidents, strict=False))


def _is_cut(count: int, rest: Iterator[Incident]) -> bool:
    return count == MOST_ROWS and next(rest, None) is not None


def _cut_text(language: str) -> str:
    most = format_decimal(MOST_ROWS, locale=LOCALES[language])
    return words(language)["log.cut"].format(n=most)


def cell_text(cell: Cell, language: str) -> str:
    """Write a cell of a CSV file in a language's way; no spreadsheet takes it for a formula."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return format_datetime(cell, _TIME, locale=LOCALES[language])
    if isinstance(cell, float):
        return format_decimal(cell, "0.######", locale=LOCALES[language])
    text = str(cell)
    return f"'{text}" if text.startswith(_RUNS) else text


def _taken(buffer: io.StringIO) -> bytes:
    taken = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return taken
