"""Write a device file anew, with what a calibration fitted in the place of what was guessed."""

import json
import os
import tomllib
from pathlib import Path
from typing import Any, Final

from edge.config import load_device
from edge.messages import RefusedError

# What in a device file names other files, relative to its folder.
_FILES: Final = (
    ("source", "video"),
    ("source", "telemetry"),
    ("detector", "model"),
    ("ground", "dem"),
)


def tables_of(path: Path) -> dict[str, Any]:
    """Read the tables of a device file that `load_device` has accepted."""
    return tomllib.loads(path.read_text(encoding="utf-8-sig"))


def write_fitted(path: Path, tables: dict[str, Any], *, origin: Path) -> None:
    """Write a new device file and hold it against what `load_device` wants.

    Args:
        path: Where; an existing file is never overwritten.
        tables: Of the new file.
        origin: The file that the tables come from: relative paths in them are moved along.

    Raises:
        RefusedError: The file exists, cannot be written, or would not be accepted.
    """
    refuse_existing(path)
    _move_files(tables, origin.parent, path.parent)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(toml_text(tables))
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror or error}"
        raise RefusedError(msg) from error
    try:
        load_device(path)
    except RefusedError:
        path.unlink()
        raise


def refuse_existing(path: Path) -> None:
    """Refuse to write over anything, or where nothing can be written.

    Raises:
        RefusedError: Something is there, or its folder is not.
    """
    if path.exists():
        msg = f"{path} exists; calibrate never overwrites a file"
        raise RefusedError(msg)
    if not path.parent.is_dir():
        msg = f"{path} cannot be written: there is no folder {path.parent}"
        raise RefusedError(msg)
    if not os.access(path.parent, os.W_OK):
        msg = f"{path} cannot be written: its folder is read-only"
        raise RefusedError(msg)


def toml_text(tables: dict[str, Any]) -> str:
    """Return TOML: one header a table, everything deeper on one line."""
    blocks = []
    for name, table in tables.items():
        lines = [f"{_key(key)} = {_value(value)}" for key, value in table.items()]
        blocks.append("\n".join((f"[{_key(name)}]", *lines)))
    return "\n\n".join(blocks) + "\n"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + " }"
    msg = f"{value!r} is nothing that a device file holds"
    raise TypeError(msg)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else _text(key)


def _text(text: str) -> str:
    """Return a basic string; what JSON escapes, TOML escapes alike, and DEL besides."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _move_files(tables: dict[str, Any], old: Path, new: Path) -> None:
    """Make paths that were relative to one folder relative to another."""
    if old.resolve() == new.resolve():
        return
    for table, key in _FILES:
        name = tables.get(table, {}).get(key)
        if isinstance(name, str) and not Path(name).is_absolute() and (old / name).exists():
            tables[table][key] = os.path.relpath((old / name).resolve(), new.resolve())
