"""A recording through the very engine that runs live, its `received_at` as the clock.

Same input, same output, byte for byte (but for the timings in summary.json). Memory is bounded:
track lines are written as soon as nothing can change them any more.
"""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Self, TextIO

from msgspec import UNSET
from msgspec.structs import replace

from edge.messages import (
    AnyFieldMessage,
    Incident,
    InvalidMessageError,
    Overdue,
    RefusedError,
    TrackUpdate,
    UtcTime,
    decode,
    encode,
    to_builtins,
)
from fusion.engine import Engine
from fusion.events import (
    AlertIssued,
    AlertSuppressed,
    CommandAnswered,
    Event,
    IncidentChanged,
    MessageLate,
    MessageRefused,
    SuppressedAlert,
    SuppressionLifted,
    TracksRevised,
    TracksUpdated,
    is_void,
)
from fusion.journal import parse_line
from fusion.sector import Sector

FILES: Final = (
    "alerts.jsonl",
    "incidents.jsonl",
    "tracks.jsonl",
    "rejected.jsonl",
    "suppressed.jsonl",
    "late.jsonl",
    "commands.jsonl",
    "overdue.jsonl",
)
_SETTLE_EVERY: Final = 20_000  # track lines in memory


def replay(sector: Sector, lines: Iterable[bytes], out: Path) -> dict[str, Any]:
    """Run a recording; write the files of CONTRACT.md, "Replay", and return the summary.

    Args:
        sector: The sector the recording is from.
        lines: Lines of a recording, in order of arrival.
        out: Folder for the results; made if missing.

    Raises:
        RefusedError: The folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _Results(out) as results:
            return _run(Engine(sector), sector, lines, results)
    except OSError as error:
        msg = f"{out}: cannot be written ({error.strerror or error})"
        raise RefusedError(msg) from error


def _run(
    engine: Engine, sector: Sector, lines: Iterable[bytes], results: "_Results"
) -> dict[str, Any]:
    started = time.perf_counter()
    number = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            message, received_at = recorded(line, sector)
        except InvalidMessageError as error:
            results.reject(number, line, str(error))
            continue
        for event in engine.step(message, received_at=received_at):
            results.take(event, number, line)
        results.settle(engine.settled_until)
    for event in engine.flush():
        results.take(event, number, b"")
    counts = engine.counts
    seconds = time.perf_counter() - started
    return results.close_with(
        {
            "messages": counts.messages,
            "detections": counts.detections,
            "rejected": results.rejected,
            "duplicates": counts.duplicates,
            "late": counts.late,
            "untracked": counts.untracked,
            "suppressed": len(results.suppressed),
            "tracks": counts.tracks,
            "alerts": counts.alerts,
            "incidents": len(results.incidents),
            "seconds": round(seconds, 3),
            "detections_per_s": round(counts.detections / seconds, 1) if seconds > 0.0 else 0.0,
        }
    )


def recorded(line: bytes, sector: Sector) -> tuple[AnyFieldMessage, UtcTime]:
    """Read one line of a recording: `{"received_at", "topic", "payload"}`.

    Raises:
        InvalidMessageError: It is no such line, its message breaks the contract, or it belongs
            to another sector.
    """
    entry = parse_line(line)
    message = decode(entry.topic, entry.payload)
    if message.sector != sector.id:
        msg = f"sector {message.sector!r} is not {sector.id!r}, which this engine owns"
        raise InvalidMessageError(msg)
    return message, entry.received_at


class _Results:
    """The files of one replay."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._files: dict[str, TextIO] = {}
        self._tracks: list[TrackUpdate] = []
        self._settle_at = _SETTLE_EVERY
        self.incidents: dict[str, Incident] = {}
        self.suppressed: dict[str, SuppressedAlert] = {}
        self.rejected = 0
        self._overdue: dict[str, Overdue] = {}

    def __enter__(self) -> Self:
        for name in FILES:
            self._files[name] = (self._out / name).open("w", encoding="utf-8", newline="\n")
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def take(self, event: Event, number: int, line: bytes) -> None:
        match event:
            case TracksUpdated(updates):
                self._tracks.extend(updates)
            case TracksRevised(since):
                self._tracks = [one for one in self._tracks if not is_void(one, since)]
            case AlertIssued(alert):
                self._write("alerts.jsonl", alert)
            case IncidentChanged(incident):
                self._take_incident(incident)
            case AlertSuppressed(record):
                self.suppressed[record.suppressed_id] = record
            case SuppressionLifted(suppressed_id):
                self.suppressed.pop(suppressed_id, None)
            case MessageRefused(_, reason):
                self.reject(number, line, reason)
            case MessageLate(_, reason):
                self._write("late.jsonl", _set_aside(number, line, reason))
            case CommandAnswered(reply):
                self._write("commands.jsonl", reply.deed)

    def _take_incident(self, incident: Incident) -> None:
        """Keep how an incident stands; that a step is overdue depends on the order of arrival."""
        before = self._overdue.get(incident.incident_id)
        if isinstance(incident.overdue, Overdue) and incident.overdue != before:
            self._overdue[incident.incident_id] = incident.overdue
            named = {"incident_id": incident.incident_id, **to_builtins(incident.overdue)}
            self._write("overdue.jsonl", named)
        self.incidents[incident.incident_id] = replace(incident, overdue=UNSET)

    def reject(self, number: int, line: bytes, reason: str) -> None:
        self.rejected += 1
        self._write("rejected.jsonl", _set_aside(number, line, reason))

    def settle(self, until: UtcTime | None) -> None:
        """Write the track lines that nothing can change any more."""
        if until is None or len(self._tracks) < self._settle_at:
            return
        self._write_tracks([update for update in self._tracks if update.t < until])
        self._tracks = [update for update in self._tracks if update.t >= until]
        self._settle_at = len(self._tracks) + _SETTLE_EVERY

    def close_with(self, summary: dict[str, Any]) -> dict[str, Any]:
        self._write_tracks(self._tracks)
        for incident in sorted(
            self.incidents.values(), key=lambda one: (one.opened_at.rfc3339(), one.incident_id)
        ):
            self._write("incidents.jsonl", incident)
        for record in sorted(
            self.suppressed.values(), key=lambda one: (one.raised_at, one.suppressed_id)
        ):
            self._write("suppressed.jsonl", record)
        text = json.dumps(summary, indent=2) + "\n"
        (self._out / "summary.json").write_text(text, encoding="utf-8")
        return summary

    def _write_tracks(self, updates: list[TrackUpdate]) -> None:
        for update in sorted(updates, key=lambda one: (one.t.rfc3339(), one.track_id)):
            self._write("tracks.jsonl", update)

    def _write(self, name: str, record: object) -> None:
        self._files[name].write(encode(record).decode() + "\n")


def _set_aside(number: int, line: bytes, reason: str) -> dict[str, Any]:
    """Keep a message that was not used: where it stood, why, and the message itself."""
    kept: dict[str, Any] = {"line": number, "reason": reason}
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if isinstance(entry, dict) and _is_writable(entry):
        return kept | {"record": to_builtins(entry)}
    return kept | {"text": line.decode("utf-8", errors="replace").rstrip("\r\n")}


def _is_writable(entry: dict[str, Any]) -> bool:
    try:
        json.dumps(entry, allow_nan=False).encode()
        encode(entry)
    except (ValueError, TypeError, OverflowError, RecursionError):
        return False
    return True
