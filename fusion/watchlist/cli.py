"""`tuanbien watchlist …`: ask a watchlist what a plate may be: leads, never verdicts."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge.messages import RefusedError, UtcTime, encode
from fusion.rulebook import WatchlistRule
from fusion.tracking.plates import canonical
from fusion.watchlist.register import read_watchlist

DEFAULT_FILE: Final = "watchlist.csv"


def main(argv: Sequence[str]) -> int:
    """Run one command; return its exit status."""
    arguments = _parser().parse_args(argv)
    return int(arguments.run(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tuanbien watchlist", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    match = commands.add_parser("match", help="print the leads of a plate, one a line")
    match.add_argument("--plate", required=True, metavar="TEXT", help="as read")
    match.add_argument(
        "--file",
        type=Path,
        default=Path(os.environ.get("TUANBIEN_WATCHLIST", DEFAULT_FILE)),
        metavar="FILE",
        help="the watchlist (TUANBIEN_WATCHLIST; default: %(default)s)",
    )
    match.add_argument("--vehicle", default="", metavar="LABEL", help="what it looks like: car, …")
    match.add_argument("--at", type=_instant, metavar="TIME", help="default: now")
    match.add_argument(
        "--min-score",
        type=float,
        default=WatchlistRule().min_score,
        metavar="FLOAT",
        help="what scores less is no lead (default: %(default)g)",
    )
    match.set_defaults(run=_match)
    return parser


def _match(arguments: argparse.Namespace) -> int:
    text = canonical(arguments.plate)
    if not text:
        msg = f"--plate {arguments.plate!r} holds no letter and no digit"
        raise RefusedError(msg)
    watchlist = read_watchlist(arguments.file)
    for sentence in watchlist.refused:
        print(f"refused: {sentence}", file=sys.stderr)
    at = arguments.at or UtcTime.read_clock()
    hits = watchlist.hits(
        ((text, 1.0),),
        at.timestamp(),
        label=arguments.vehicle,
        min_score=arguments.min_score,
    )
    for hit in hits:
        print(encode(hit.lead).decode())
    return 0


def _instant(text: str) -> UtcTime:
    try:
        return UtcTime.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
