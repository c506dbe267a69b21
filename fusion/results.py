"""What a replay wrote, read back; and what came of incidents, from wherever it was kept."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from edge.messages import Alert, Incident, InvalidMessageError, RefusedError, decode_as, encode
from fusion.events import SuppressedAlert
from fusion.steps import SYSTEM

_R = TypeVar("_R", Alert, Incident, SuppressedAlert)


class Run(NamedTuple):
    """What one set of rules made of a recording."""

    alerts: Sequence[Alert]
    incidents: Sequence[Incident]
    suppressed: Sequence[SuppressedAlert]


def read_run(folder: Path) -> Run:
    """Read what `fusion.replay.replay` wrote."""
    return Run(
        list(_read(folder / "alerts.jsonl", Alert)),
        list(_read(folder / "incidents.jsonl", Incident)),
        list(_read(folder / "suppressed.jsonl", SuppressedAlert)),
    )


def read_outcomes(path: Path) -> dict[str, str]:
    """Read what came of incidents: lines with `incident_id` and `outcome` (or `cause`).

    These are the lines of an incidents.jsonl, or commands, bare or as a recording holds them; the
    last word on an incident counts. A line without any says nothing, nor what ended by itself.

    Raises:
        RefusedError: The file cannot be read, or a line is no JSON object.
    """
    found: dict[str, str] = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        msg = f"{path}: cannot be read ({error.strerror or error})"
        raise RefusedError(msg) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            msg = f"{path}: line {number} is not a JSON object"
            raise RefusedError(msg)
        payload = entry.get("payload")
        told = payload if isinstance(payload, dict) else entry
        outcome = told.get("outcome") or told.get("cause")
        if told.get("acted_by") == SYSTEM:
            continue
        if isinstance(told.get("incident_id"), str) and isinstance(outcome, str):
            found[told["incident_id"]] = outcome
    return found


def write_lines(records: Iterable[object], path: Path) -> None:
    """Write one record a line.

    Raises:
        RefusedError: The file cannot be written.
    """
    try:
        path.write_bytes(b"".join(encode(one) + b"\n" for one in records))
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror or error})"
        raise RefusedError(msg) from error


def _read(path: Path, wanted: type[_R]) -> Iterator[_R]:
    with path.open("rb") as lines:
        for line in lines:
            try:
                yield decode_as(line, wanted)
            except InvalidMessageError as error:
                msg = f"{path}: {error}"
                raise RefusedError(msg) from error
