"""What commands are given and give: recordings line by line, times, GeoJSON."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edge.messages import RefusedError, UtcTime
from fusion.journal import segments_in


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a recording; of a folder, those of the journal that it is.

    Raises:
        RefusedError: It cannot be read, or is a folder without a journal.
    """
    segments = segments_in(path) if path.is_dir() else [path]
    if not segments:
        msg = f"{path}: holds no journal"
        raise RefusedError(msg)
    for segment in segments:
        try:
            with segment.open("rb") as file:
                yield from file
        except OSError as error:
            msg = f"{segment}: cannot be read ({error.strerror or error})"
            raise RefusedError(msg) from error


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a file of JSON.

    Raises:
        RefusedError: It cannot be written.
    """
    try:
        path.write_text(json.dumps(value, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror or error})"
        raise RefusedError(msg) from error


def instant(text: str) -> UtcTime:
    """Read an instant as an argument."""
    try:
        return UtcTime.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
