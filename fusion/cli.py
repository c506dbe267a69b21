"""`tuanbien fusion …`: serve, replay, record, check, coverage, patrols, tally and more."""

import argparse
import gc
import json
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from edge.messages import RefusedError, UtcTime, encode, json_schemas
from fusion.command_files import instant, read_lines, write_json
from fusion.doubts import doubts
from fusion.journal_check import check_journal
from fusion.layers import RefusedFeatureError
from fusion.patrols.cli import add_commands as add_patrol_commands
from fusion.replay import replay
from fusion.results import read_outcomes, read_run, write_lines
from fusion.sector import load_sector
from fusion.snapshotter import EVERY_S
from fusion.survey import drawn, refused, understood
from fusion.what_if import compare, counted, table
from fusion.who_sees import drawn as drawn_sight
from fusion.who_sees import sight_at, told

DEFAULT_BROKER: Final = "mqtt://127.0.0.1:1883"
DEFAULT_STORE: Final = "sqlite:///tuanbien.db"
DEFAULT_JOURNAL: Final = "journal"
DEFAULT_KEEP_DAYS: Final = "90"
DEFAULT_HISTORY_DAYS: Final = "30"
DEFAULT_EVIDENCE_DAYS: Final = "30"
WHAT_IF: Final = "what_if.jsonl"
OWN_RULES: Final = "own_rules"  # beside it: the results by the sector's own rules
FOR_EVER: Final = "forever"
_DAY_S: Final = 86_400.0
_MOST_DAYS: Final = 36_500
# Nothing in the engine goes round in circles, and a horizon of it is millions of objects: to look
# through them all for what does took a quarter of the time, up to a second at once. What is young
# is still looked through.
COLLECTIONS: Final = (50_000, 5, 1000)


def main(argv: Sequence[str]) -> int:
    """Run one command; return its exit status."""
    arguments = _parser().parse_args(argv)
    gc.set_threshold(*COLLECTIONS)
    return int(arguments.run(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tuanbien fusion", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the service of one sector")
    serve.add_argument("sector", type=Path, metavar="SECTOR.toml")
    _add_watchlist(serve)
    _add_broker(serve)
    _add_store(serve)
    serve.add_argument(
        "--journal",
        type=Path,
        default=Path(os.environ.get("TUANBIEN_JOURNAL", DEFAULT_JOURNAL)),
        metavar="DIR",
        help="every accepted message is kept here (TUANBIEN_JOURNAL; default: %(default)s)",
    )
    serve.add_argument(
        "--journal-keep-days",
        type=_keep_s,
        default=os.environ.get("TUANBIEN_JOURNAL_KEEP_DAYS", DEFAULT_KEEP_DAYS),
        dest="journal_keep_s",
        metavar="DAYS",
        help="older parts of the journal are removed, or with `forever` never "
        f"(TUANBIEN_JOURNAL_KEEP_DAYS; default: {DEFAULT_KEEP_DAYS})",
    )
    serve.add_argument(
        "--keep-history-days",
        type=_history_s,
        default=os.environ.get("TUANBIEN_KEEP_HISTORY_DAYS", DEFAULT_HISTORY_DAYS),
        dest="history_keep_s",
        metavar="DAYS",
        help="what the picture was, for playback, is kept so long; 0: not at all "
        f"(TUANBIEN_KEEP_HISTORY_DAYS; default: {DEFAULT_HISTORY_DAYS})",
    )
    serve.add_argument(
        "--evidence",
        type=Path,
        default=os.environ.get("TUANBIEN_EVIDENCE"),
        metavar="DIR",
        help="crops are kept here (TUANBIEN_EVIDENCE; default: `evidence` beside the journal)",
    )
    serve.add_argument(
        "--keep-evidence-days",
        type=_history_s,
        default=os.environ.get("TUANBIEN_KEEP_EVIDENCE_DAYS", DEFAULT_EVIDENCE_DAYS),
        dest="evidence_keep_s",
        metavar="DAYS",
        help="crops that no incident needs are kept so long "
        f"(TUANBIEN_KEEP_EVIDENCE_DAYS; default: {DEFAULT_EVIDENCE_DAYS})",
    )
    serve.add_argument(
        "--snapshot-every-s",
        type=_positive,
        default=EVERY_S,
        metavar="FLOAT",
        help="how much of the journal a restart has to read (default: %(default)g)",
    )
    _add_clock(serve)
    serve.set_defaults(run=_serve)

    again = commands.add_parser("replay", help="run a recording through the engine")
    again.add_argument("sector", type=Path, metavar="SECTOR.toml")
    again.add_argument("messages", type=Path, metavar="MESSAGES.jsonl")
    again.add_argument("--out", type=Path, required=True, metavar="DIR", help="for the results")
    again.add_argument(
        "--rules",
        type=Path,
        metavar="FILE",
        help="[rules.*] tables that win; what they change is told, against the sector's own",
    )
    again.add_argument(
        "--outcomes",
        type=Path,
        metavar="FILE",
        help="with --rules: what came of incidents, as in an incidents.jsonl",
    )
    _add_watchlist(again)
    again.set_defaults(run=_replay)

    record = commands.add_parser("record", help="write the live messages as a recording")
    record.add_argument("sector", type=Path, metavar="SECTOR.toml")
    record.add_argument("out", type=Path, metavar="MESSAGES.jsonl")
    _add_broker(record)
    _add_clock(record)
    record.set_defaults(run=_record)

    check = commands.add_parser("check", help="say what was understood of a sector")
    check.add_argument("sector", type=Path, metavar="SECTOR.toml")
    _add_watchlist(check)
    check.add_argument("--geojson", type=Path, metavar="FILE", help="write it as GeoJSON too")
    check.set_defaults(run=_check)

    _add_coverage(commands)
    add_patrol_commands(commands)

    journal = commands.add_parser("journal", help="look after a journal")
    journal_commands = journal.add_subparsers(required=True, metavar="COMMAND")
    verify = journal_commands.add_parser("verify", help="tell whether it is what was written")
    verify.add_argument("folder", type=Path, metavar="DIR")
    verify.set_defaults(run=_verify)

    tally = commands.add_parser("tally", help="what came of the alerts, by device, trail and day")
    tally.add_argument("sector", type=Path, metavar="SECTOR.toml")
    _add_store(tally)
    tally.add_argument(
        "--since", type=instant, metavar="TIME", help="default: 30 days before the end"
    )
    tally.add_argument("--until", type=instant, metavar="TIME", help="default: now")
    tally.add_argument(
        "--simulated", action="store_true", help="count the incidents of exercises instead"
    )
    tally.set_defaults(run=_tally)

    schema = commands.add_parser("schema", help="print the JSON Schemas of all messages")
    schema.set_defaults(run=_schema)
    return parser


def _add_coverage(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    coverage = commands.add_parser("coverage", help="say who sees what at an instant")
    coverage.add_argument("sector", type=Path, metavar="SECTOR.toml")
    coverage.add_argument("messages", type=Path, metavar="MESSAGES.jsonl")
    coverage.add_argument(
        "--at", type=instant, metavar="TIME", help="default: the end of the recording"
    )
    coverage.add_argument("--geojson", type=Path, metavar="FILE", help="write it as GeoJSON too")
    coverage.set_defaults(run=_coverage)


def _add_broker(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--broker",
        default=os.environ.get("TUANBIEN_BROKER", DEFAULT_BROKER),
        metavar="URL",
        help="MQTT broker (TUANBIEN_BROKER; default: %(default)s)",
    )


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--store",
        default=os.environ.get("TUANBIEN_STORE", DEFAULT_STORE),
        help=f"database (default: {DEFAULT_STORE}, or TUANBIEN_STORE)",
    )


def _add_watchlist(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--watchlist", type=Path, metavar="FILE", help="plates to look out for (docs/watchlist.md)"
    )


def _add_clock(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--clock-offset-s",
        type=float,
        default=0.0,
        metavar="FLOAT",
        help="for exercises: seconds added to this machine's clock",
    )


def _positive(text: str) -> float:
    with suppress(ValueError):
        number = float(text)
        if math.isfinite(number) and number > 0.0:
            return number
    msg = f"{text!r} is not a number above 0"
    raise argparse.ArgumentTypeError(msg)


def _keep_s(text: str) -> float | None:
    return None if text == FOR_EVER else _positive(text) * _DAY_S


def _history_s(text: str) -> float:
    with suppress(ValueError):
        days = float(text)
        if 0.0 <= days <= _MOST_DAYS:
            return days * _DAY_S
    msg = f"{text!r} is not a number of days from 0 to {_MOST_DAYS}"
    raise argparse.ArgumentTypeError(msg)


def _serve(arguments: argparse.Namespace) -> int:
    from fusion.ingest import serve  # noqa: PLC0415 - replay and check need no database

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    sector = load_sector(arguments.sector, watchlist_file=arguments.watchlist)
    for warning in sector.warnings:
        logging.getLogger(__name__).warning("%s", warning)
    serve(
        sector,
        broker_url=arguments.broker,
        store_url=arguments.store,
        journal_dir=arguments.journal,
        clock=partial(UtcTime.read_clock, offset_s=arguments.clock_offset_s),
        stop=_stopped_by_signal(),
        snapshot_every_s=arguments.snapshot_every_s,
        journal_keep_s=arguments.journal_keep_s,
        history_keep_s=arguments.history_keep_s,
        evidence_dir=arguments.evidence,
        evidence_keep_s=arguments.evidence_keep_s,
    )
    return 0


def _record(arguments: argparse.Namespace) -> int:
    from fusion.ingest import record  # noqa: PLC0415 - replay and check need no broker

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    count = record(
        arguments.broker,
        load_sector(arguments.sector).id,
        arguments.out,
        partial(UtcTime.read_clock, offset_s=arguments.clock_offset_s),
        _stopped_by_signal(),
    )
    print(json.dumps({"messages": count, "file": str(arguments.out)}))
    return 0


def _stopped_by_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _replay(arguments: argparse.Namespace) -> int:
    if arguments.outcomes is not None and arguments.rules is None:
        msg = f"--outcomes {arguments.outcomes}: tells something only beside --rules FILE"
        raise RefusedError(msg)
    sector = load_sector(
        arguments.sector, rules_file=arguments.rules, watchlist_file=arguments.watchlist
    )
    for sentence in sector.watchlist.refused:
        print(f"refused: {sentence}", file=sys.stderr)
    outcomes = None if arguments.outcomes is None else read_outcomes(arguments.outcomes)
    summary = replay(sector, read_lines(arguments.messages), arguments.out)
    if arguments.rules is not None:
        summary |= {"what_if": _what_if(arguments, outcomes)}
    print(json.dumps(summary))
    return 0


def _what_if(arguments: argparse.Namespace, outcomes: dict[str, str] | None) -> dict[str, Any]:
    """Replay by the sector's own rules too; tell people what the others change of it."""
    sector = load_sector(arguments.sector, watchlist_file=arguments.watchlist)
    folder: Path = arguments.out / OWN_RULES
    replay(sector, read_lines(arguments.messages), folder)
    before, after = read_run(folder), read_run(arguments.out)
    changes = compare(before, after, sector.frame, outcomes)
    write_lines(changes, arguments.out / WHAT_IF)
    print(table(before, after, changes), file=sys.stderr)
    return counted(before, after, changes)


def _check(arguments: argparse.Namespace) -> int:
    try:
        sector = load_sector(arguments.sector, watchlist_file=arguments.watchlist)
    except RefusedFeatureError as error:
        if arguments.geojson is not None:
            write_json(arguments.geojson, refused(error))
        raise
    found = doubts(sector)
    for warning in sector.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for one in found:
        print(f"{one.severity}: {one.text}", file=sys.stderr)
    said = understood(sector, found)
    if arguments.watchlist is not None:
        counts = sector.watchlist.counts(UtcTime.read_clock().timestamp())
        said["watchlist"] = {"file": str(arguments.watchlist)} | counts
    print(json.dumps(said, ensure_ascii=False, indent=2))
    if arguments.geojson is not None:
        write_json(arguments.geojson, drawn(sector, found))
    return 0


def _coverage(arguments: argparse.Namespace) -> int:
    sector = load_sector(arguments.sector)
    at_s = math.inf if arguments.at is None else arguments.at.timestamp()
    sight = sight_at(sector, read_lines(arguments.messages), at_s)
    if sight.left_out:
        said = f"{len(sight.left_out)} lines left out, the first: {sight.left_out[0]}"
        print(said, file=sys.stderr)
    for line in told(sector, sight):
        print(json.dumps(line, ensure_ascii=False))
    if arguments.geojson is not None:
        write_json(arguments.geojson, drawn_sight(sector, sight))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    found = check_journal(arguments.folder)
    said = {
        "segments": found.segments,
        "lines": found.lines,
        "bytes": found.size,
        "bytes_without_checksum": found.unsummed,
        "first_received_at": found.first_received_at,
        "last_received_at": found.last_received_at,
        "in_use": found.in_use,
        "troubles": [
            {"file": one.file, "offset": one.offset, "what": one.what} for one in found.troubles
        ],
    }
    print(encode(said).decode())
    if found.troubles:
        more = len(found.troubles) - 1
        and_more = f" (and {more} more)" if more else ""
        msg = f"the journal {arguments.folder} is damaged: {found.troubles[0]}{and_more}"
        raise RefusedError(msg)
    return 0


def _tally(arguments: argparse.Namespace) -> int:
    from fusion.store import Store  # noqa: PLC0415 - replay and check need no database
    from fusion.tally import LAST_DAYS, tallies  # noqa: PLC0415 - nor this

    sector = load_sector(arguments.sector)
    until = arguments.until or UtcTime.read_clock()
    since = arguments.since or until.after(-LAST_DAYS * _DAY_S)
    if since >= until:
        msg = f"--since {since.rfc3339()} is not before --until {until.rfc3339()}"
        raise RefusedError(msg)
    store = Store.open(arguments.store)
    try:
        incidents = store.incidents_opened(since, until, sector=sector.id)
        waits = store.waits(incidents, since, until, sector=sector.id)
    finally:
        store.close()
    for line in tallies(
        incidents,
        since=since,
        until=until,
        timezone=sector.timezone,
        border_km=sector.border.length_m / 1000.0,
        waits=waits,
        simulated=arguments.simulated,
    ):
        print(encode(line).decode())
    return 0


def _schema(_: argparse.Namespace) -> int:
    json.dump(json_schemas(), sys.stdout, indent=2, ensure_ascii=False)
    print()
    return 0
