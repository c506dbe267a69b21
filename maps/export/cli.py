"""`tuanbien maps export`: an incident's bundle without a server."""

import argparse
import getpass
import json
import os
from pathlib import Path

from edge.messages import RefusedError, UtcTime
from maps.language import LANGUAGES


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command; what it needs is imported when it runs."""
    parser = commands.add_parser("export", help="write an incident as a bundle (docs/evidence.md)")
    parser.add_argument("incident_id", metavar="INCIDENT_ID")
    parser.add_argument("--sector", type=Path, required=True, metavar="SECTOR.toml")
    parser.add_argument(
        "--store",
        default=os.environ.get("TUANBIEN_STORE", "sqlite:///tuanbien.db"),
        help="fusion's store (default sqlite:///tuanbien.db, or TUANBIEN_STORE)",
    )
    parser.add_argument(
        "--evidence",
        type=Path,
        metavar="DIR",
        help="fusion's folder of crops (default: evidence, or TUANBIEN_EVIDENCE)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.zip")
    parser.add_argument(
        "--lang", choices=LANGUAGES, default=LANGUAGES[0], help="the page opens in it"
    )
    parser.add_argument(
        "--by", metavar="NAME", help="who exports (default: the name of this machine's user)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the bundle and say so."""
    from fusion.evidence import EvidenceFolder  # noqa: PLC0415 - only here and for serving
    from fusion.sector import load_sector  # noqa: PLC0415
    from fusion.store import Store  # noqa: PLC0415
    from maps.evidence import default_folder  # noqa: PLC0415
    from maps.export.bundle import Made  # noqa: PLC0415
    from maps.export.making import make  # noqa: PLC0415
    from maps.people.roles import AT_THE_MACHINE  # noqa: PLC0415

    sector = load_sector(options.sector)
    out: Path = options.out
    if out.exists():
        msg = f"--out {out}: is there already; nothing is overwritten"
        raise RefusedError(msg)
    store = Store.open(options.store)
    try:
        incident = store.incident(options.incident_id)
        if incident is None or incident.sector != sector.id:
            msg = f"there is no incident {options.incident_id!r} of the sector {sector.id!r}"
            raise RefusedError(msg)
        part = out.with_name(f"{out.name}.part")
        try:
            digest = make(
                part,
                incident,
                store=store,
                folder=EvidenceFolder(options.evidence or default_folder(), sector.id),
                sector=sector,
                made=Made(
                    AT_THE_MACHINE._replace(name=options.by or getpass.getuser()),
                    UtcTime.read_clock(),
                ),
                language=options.lang,
            )
            part.replace(out)
        except OSError as error:
            msg = f"--out {out}: cannot be written: {error.strerror}"
            raise RefusedError(msg) from error
        finally:
            part.unlink(missing_ok=True)
    finally:
        store.close()
    print(json.dumps({"file": str(out), "manifest_sha256": digest}, ensure_ascii=False))
    return 0
