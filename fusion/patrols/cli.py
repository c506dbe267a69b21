"""`tuanbien fusion patrols | intercept`: what our units walked, and where they can be first."""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import NamedTuple

from edge.messages import RefusedError, UtcTime, encode
from fusion.command_files import instant, read_lines, write_json
from fusion.patrols import intercept, rounds
from fusion.sector import load_sector
from fusion.situation.interception import told


class _Unit(NamedTuple):
    name: str
    lat: float
    lon: float
    age_s: float


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands."""
    patrols = commands.add_parser("patrols", help="say which trails our patrols walked, when last")
    patrols.add_argument("sector", type=Path, metavar="SECTOR.toml")
    patrols.add_argument(
        "messages", type=Path, metavar="MESSAGES.jsonl", help="a recording, or a journal's folder"
    )
    patrols.add_argument("--since", type=instant, metavar="TIME", help="default: the beginning")
    patrols.add_argument("--until", type=instant, metavar="TIME", help="default: the end")
    patrols.add_argument("--geojson", type=Path, metavar="FILE", help="write it as GeoJSON too")
    patrols.set_defaults(run=_patrols)

    first = commands.add_parser("intercept", help="say where our units can be first")
    first.add_argument("sector", type=Path, metavar="SECTOR.toml")
    first.add_argument(
        "--at", type=_place, required=True, metavar="LAT,LON", help="where people are, on a trail"
    )
    first.add_argument(
        "--from",
        type=_place,
        dest="came_from",
        metavar="LAT,LON",
        help="where they were before (default: nobody knows which way they walk)",
    )
    first.add_argument(
        "--pace-mps",
        type=_pace,
        default=1.1,
        metavar="FLOAT",
        help="how fast they walk (default: %(default)g)",
    )
    first.add_argument(
        "--unit",
        type=_unit,
        action="append",
        required=True,
        metavar="ID=LAT,LON[,AGE_S]",
        help="a unit of ours, and how old its position is; as often as there are units",
    )
    first.add_argument("--geojson", type=Path, metavar="FILE", help="write it as GeoJSON too")
    first.set_defaults(run=_intercept)


def _patrols(arguments: argparse.Namespace) -> int:
    since, until = arguments.since, arguments.until
    if since is not None and until is not None and since >= until:
        msg = f"--since {since.rfc3339()} is not before --until {until.rfc3339()}"
        raise RefusedError(msg)
    sector = load_sector(arguments.sector)
    found = rounds.walked_in(
        sector,
        read_lines(arguments.messages),
        -math.inf if since is None else since.timestamp(),
        math.inf if until is None else until.timestamp(),
    )
    if found.left_out:
        said = f"{len(found.left_out)} lines left out, the first: {found.left_out[0]}"
        print(said, file=sys.stderr)
    print(rounds.table(found, sector), file=sys.stderr)
    for line in rounds.told(found):
        print(json.dumps(line, ensure_ascii=False))
    if arguments.geojson is not None:
        write_json(arguments.geojson, rounds.drawn(sector, found))
    return 0


def _intercept(arguments: argparse.Namespace) -> int:
    sector = load_sector(arguments.sector)
    lat, lon = arguments.at
    at, came_from = sector.frame.to_metres(lat=lat, lon=lon), None
    if arguments.came_from is not None:
        lat, lon = arguments.came_from
        came_from = sector.frame.to_metres(lat=lat, lon=lon)
    posts = [intercept.post_of(sector, *one) for one in arguments.unit]
    met = intercept.meetings_before(
        sector, at=at, came_from=came_from, pace_mps=arguments.pace_mps, posts=posts
    )
    now_s = UtcTime.read_clock().timestamp()
    found = [told(one, now_s, sector) for one in met]
    for one in found:
        print(encode(one).decode())
    late = sorted({one.name for one in arguments.unit} - {one.unit_id for one in found})
    if late:
        print(f"cannot be there first: {', '.join(late)}", file=sys.stderr)
    if arguments.geojson is not None:
        write_json(arguments.geojson, intercept.drawn(found))
    return 0


def _place(text: str) -> tuple[float, float]:
    try:
        return intercept.degrees(text)
    except ValueError as error:
        msg = f"{text!r} is not a place LAT,LON in degrees"
        raise argparse.ArgumentTypeError(msg) from error


def _pace(text: str) -> float:
    try:
        pace_mps = float(text)
    except ValueError:
        pace_mps = math.nan
    if not 0.0 < pace_mps < math.inf:
        msg = f"{text!r} is not a pace above 0"
        raise argparse.ArgumentTypeError(msg)
    return pace_mps


def _unit(text: str) -> _Unit:
    name, _, rest = text.partition("=")
    lat_lon, age = rest, "0"
    if rest.count(",") == 2:  # noqa: PLR2004 - LAT,LON,AGE_S
        lat_lon, _, age = rest.rpartition(",")
    try:
        lat, lon = intercept.degrees(lat_lon)
        age_s = float(age)
    except ValueError:
        age_s = math.nan
    if not name or not 0.0 <= age_s < math.inf:
        msg = f"{text!r} is not a unit ID=LAT,LON or ID=LAT,LON,AGE_S"
        raise argparse.ArgumentTypeError(msg)
    return _Unit(name, lat, lon, age_s)
