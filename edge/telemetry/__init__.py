"""Flight logs: where the lens was and where it looked at every moment of a film.

Formats are told by content, not by the file's name: DJI subtitles, MISB ST 0601 (bare KLV or
inside an MPEG transport stream), MAVLink ground station logs, and a CSV table.
"""

import mmap
from collections import Counter
from datetime import tzinfo
from pathlib import Path
from typing import Final

from edge.telemetry import mavlink, mavlink_frames, misb, mpegts, table
from edge.telemetry.dji_srt import read_srt
from edge.telemetry.join import Mounting, PoseAt, Telemetry
from edge.telemetry.klv import KEY
from edge.telemetry.order import in_order
from edge.telemetry.samples import (
    FrameCenter,
    Quality,
    Sample,
    TelemetryError,
    with_ellipsoid,
)

__all__ = [
    "FrameCenter",
    "Mounting",
    "PoseAt",
    "Quality",
    "Sample",
    "Telemetry",
    "TelemetryError",
    "parse_telemetry",
    "read_telemetry",
]

SRT: Final = "DJI SRT"
MISB: Final = "MISB ST 0601"
MAVLINK: Final = "MAVLink"
TABLE: Final = "table"

_DATAFLASH: Final = b"\xa3\x95\x80\x80"
_LOOKED_AT: Final = 1 << 16
_MOST_BYTES: Final = 1 << 29
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_KNOWN: Final = "DJI SRT, MISB ST 0601 KLV (also in MPEG-TS), MAVLink .tlog or a CSV table"


def read_telemetry(path: Path, *, zone: tzinfo | None = None) -> Telemetry:
    """Read one flight log.

    Args:
        path: The log, or a film in an MPEG transport stream that carries it.
        zone: Of a DJI subtitle's clock, which does not say its own; None: unknown, so that its
            samples have no instant (joining them to frames needs none).

    Raises:
        TelemetryError: It cannot be read, is no log of a known format, or holds no whole sample.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                msg = f"{path}: is empty"
                raise TelemetryError(msg)
            film = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise TelemetryError(msg) from error
    # Only a film may be larger than memory; it is read packet by packet.
    if _is_stream(film[:_LOOKED_AT]):
        return parse_telemetry(film, path)
    if len(film) > _MOST_BYTES:
        msg = f"{path}: {len(film)} bytes are no flight log ({_KNOWN})"
        raise TelemetryError(msg)
    return parse_telemetry(film[:], path, zone=zone)


def parse_telemetry(
    data: bytes | mmap.mmap, path: Path, *, zone: tzinfo | None = None
) -> Telemetry:
    """Read the bytes of one flight log, as `read_telemetry` does; `path` is for errors."""
    skipped: Counter[str] = Counter()
    notes: tuple[str, ...] = ()
    wrong: list[str] = []
    start = data[:_LOOKED_AT]
    if _is_stream(start):
        kind = MISB
        samples, notes = misb.read_ts(data, skipped, name=str(path))
    elif not isinstance(data, bytes):
        return parse_telemetry(data[:], path, zone=zone)
    elif KEY in start:
        kind = MISB
        samples, notes = misb.read_klv(data, skipped)
    elif mavlink_frames.looks_like(start):
        kind = MAVLINK
        samples, notes = mavlink.read_tlog(data, skipped)
    else:
        kind, samples = _from_text(data, path, skipped, zone, wrong)
        if wrong:
            notes = (f"the first of its rows that are left out is {path.name}{wrong[0]}",)
    counted = {reason: count for reason, count in skipped.items() if count}
    if not samples:
        said = "; ".join(f"{count} {reason}" for reason, count in counted.items())
        msg = f"{path}: no whole sample of {kind} in it" + (f" ({said})" if said else "")
        if wrong:
            msg = f"{path}{wrong[0]}; no row is whole ({said})"
        raise TelemetryError(msg)
    ordered = in_order(samples, skipped)
    filled, more_notes = with_ellipsoid(ordered)
    counted = {reason: count for reason, count in skipped.items() if count}
    return Telemetry(path, kind, tuple(filled), counted, (*notes, *more_notes))


def _is_stream(start: bytes) -> bool:
    """Tell an MPEG transport stream from what happens to repeat its G every 188 bytes.

    That is text of even lines, and bare KLV of even packets (a latitude of 50 begins with a G).
    """
    other = b"\0" not in start or start.startswith((*_UTF16, KEY))
    return not other and mpegts.in_step(start) is not None


def _from_text(
    data: bytes, path: Path, skipped: Counter[str], zone: tzinfo | None, wrong: list[str]
) -> tuple[str, list[Sample]]:
    start = data[:_LOOKED_AT]
    wide = start.startswith(_UTF16)
    if start.startswith(_DATAFLASH):
        msg = f"{path}: a DataFlash log (.bin) is not read; give the ground station's .tlog"
        raise TelemetryError(msg)
    if wide or b"\0" not in start:
        text = data.decode("utf-16" if wide else "utf-8-sig", errors="replace")
        if "-->" in text[:_LOOKED_AT]:
            return SRT, read_srt(text, skipped, zone=zone)
        if table.looks_like(text):
            return TABLE, table.read_table(text, skipped, name=str(path), wrong=wrong)
    msg = f"{path}: no telemetry that we know ({_KNOWN})"
    raise TelemetryError(msg)
