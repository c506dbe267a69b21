"""Makes an export for somebody, and writes down that it was made."""

import logging
import tempfile
from pathlib import Path
from typing import Final

from edge.messages import Incident
from fusion.evidence import EvidenceFolder
from fusion.sector import Sector
from maps.export.bundle import Made, write_bundle
from maps.export.matter import gather
from maps.feed import ReadStore

_log: Final = logging.getLogger("maps.export")


def make(  # noqa: PLR0913 - what, from where, for whom
    path: Path,
    incident: Incident,
    *,
    store: ReadStore,
    folder: EvidenceFolder,
    sector: Sector,
    made: Made,
    language: str,
) -> str:
    """Write the bundle of an incident; return the SHA-256 of its manifest.

    Raises:
        RefusedError: The store does not answer, or the web assets are missing.
        OSError: The file cannot be written.
    """
    matter = gather(store, folder, incident, sector, made.by)
    digest = write_bundle(path, matter, made, language=language)
    # Here the audit log gets its entry (who, what, when, this digest) once there is one.
    _log.info(
        "export of %r by %r (%s, account %r) at %s: manifest sha256 %s",
        incident.incident_id,
        made.by.name,
        made.by.role.value,
        made.by.id,
        made.at.rfc3339(),
        digest,
    )
    return digest


def temporary_file() -> Path:
    """Return a new file that the caller deletes."""
    with tempfile.NamedTemporaryFile(prefix="tuanbien-", suffix=".zip", delete=False) as file:
        return Path(file.name)
