"""`tuanbien maps serve | draw | export | base-map`."""

import argparse
import json
import logging
import math
import os
import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from edge.messages import RefusedError, UtcTime
from fusion.broker import port_number
from maps.draw import draw
from maps.export.cli import add_command as add_export

if TYPE_CHECKING:
    from collections.abc import Callable

    from maps.people.log_in import LogIn


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit status."""
    options = _parser().parse_args(arguments)
    status: int = options.run(options)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tuanbien maps", description="The live map of one border sector."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="serve the live map of a sector")
    serve.add_argument("sector", type=Path, metavar="SECTOR.toml")
    serve.add_argument(
        "--broker",
        default=os.environ.get("TUANBIEN_BROKER", "mqtt://127.0.0.1:1883"),
        help="MQTT broker (default %(default)s, or TUANBIEN_BROKER)",
    )
    serve.add_argument(
        "--store",
        default=os.environ.get("TUANBIEN_STORE", "sqlite:///tuanbien.db"),
        help="fusion's store (default sqlite:///tuanbien.db, or TUANBIEN_STORE)",
    )
    serve.add_argument(
        "--host", default="127.0.0.1", help="where to listen (default %(default)s, this machine)"
    )
    serve.add_argument(
        "--port", type=port_number, default=8000, help="0: a free one (default %(default)s)"
    )
    serve.add_argument(
        "--clock-offset-s",
        type=float,
        default=0.0,
        metavar="S",
        help="for exercises: seconds added to this machine's clock",
    )
    serve.add_argument(
        "--base-map", type=Path, metavar="FILE", help="tiles under the map: MBTiles or PMTiles"
    )
    serve.add_argument(
        "--elevation", type=Path, metavar="FILE", help="heights to shade: GeoTIFF, SRTM .hgt, …"
    )
    serve.add_argument(
        "--online-tiles",
        metavar="URL",
        help="tiles from the internet, with {z}, {x}, {y} (default: nothing from outside)",
    )
    serve.add_argument(
        "--online-attribution", metavar="TEXT", help="whose they are, as the map says it"
    )
    _add_evidence(serve)
    _add_log_in(serve)
    serve.set_defaults(run=_serve)

    checking = commands.add_parser("base-map", help="say what a file of tiles holds")
    checks = checking.add_subparsers(required=True, metavar="COMMAND")
    check = checks.add_parser("check", help="print it as JSON")
    check.add_argument("file", type=Path, metavar="FILE")
    check.add_argument(
        "--sector", type=Path, metavar="SECTOR.toml", help="whether it covers this sector"
    )
    check.set_defaults(run=_check_base_map)

    drawing = commands.add_parser("draw", help="draw a GeoJSON file on a page of its own")
    drawing.add_argument("file", type=Path, metavar="FILE.geojson")
    drawing.add_argument("--out", type=Path, metavar="PAGE.html", help="default: FILE.html")
    drawing.set_defaults(run=_draw)

    add_export(commands)
    return parser


def _add_evidence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--evidence",
        type=Path,
        metavar="DIR",
        help="fusion's folder of crops (default: evidence, or TUANBIEN_EVIDENCE)",
    )


def _add_log_in(serve: argparse.ArgumentParser) -> None:
    group = serve.add_argument_group("log-in", "docs/accounts.md; `tuanbien users` keeps accounts")
    group.add_argument(
        "--without-login",
        action="store_true",
        help="everybody at this machine sees and does everything (loopback only)",
    )
    group.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="speak https: PEM, with the whole chain"
    )
    group.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, without password")
    group.add_argument(
        "--behind-proxy",
        metavar="ADDRESS",
        help="a proxy at this IP address speaks https and says who asks (X-Forwarded-For)",
    )
    group.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="HOST",
        help="by which browsers may call this server (may be given more than once)",
    )
    group.add_argument(
        "--oidc", type=Path, metavar="FILE.toml", help="also log in there, by OpenID Connect"
    )
    group.add_argument(
        "--session-idle-min",
        type=_minutes,
        default=30.0,
        metavar="MIN",
        help="a session ends when no page of it was open for so long (default %(default)g)",
    )
    group.add_argument(
        "--session-hours",
        type=_hours,
        default=12.0,
        metavar="H",
        help="and so long after the log-in in any case (default %(default)g)",
    )


def _minutes(text: str) -> float:
    return _between(text, 1.0, 24 * 60.0, "minutes")


def _hours(text: str) -> float:
    return _between(text, 0.25, 7 * 24.0, "hours")


def _between(text: str, least: float, most: float, unit: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        msg = f"{text!r} is not {least:g} to {most:g} {unit}"
        raise argparse.ArgumentTypeError(msg)
    return value


def _serve(options: argparse.Namespace) -> int:
    # Only serving needs the store, the sector and the web server.
    from fusion.sector import load_sector  # noqa: PLC0415
    from fusion.store import Store, connect  # noqa: PLC0415
    from maps import assets  # noqa: PLC0415
    from maps.app import create_app  # noqa: PLC0415
    from maps.base_map.online import online_tiles  # noqa: PLC0415
    from maps.base_map.served import BaseMap  # noqa: PLC0415
    from maps.feed import Feed  # noqa: PLC0415
    from maps.people.oidc import read_oidc  # noqa: PLC0415
    from maps.server import Listening, address, listen, serve  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it reports every look at the store
    sector = load_sector(options.sector)
    connect(options.store).dispose()  # refuses a wrong address now; the database may come later
    clock = partial(UtcTime.read_clock, offset_s=options.clock_offset_s)
    listening = Listening(
        host=options.host,
        port=options.port,
        has_log_in=not options.without_login,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        proxy=options.behind_proxy,
        names=tuple(options.name),
    )
    listening.check()
    feed = Feed(
        sector.id,
        broker_url=options.broker,
        open_store=partial(Store.open, options.store),
        clock=clock,
        run_id=secrets.token_hex(4),
    )
    base_map = BaseMap(
        tiles=options.base_map,
        elevation=options.elevation,
        online=online_tiles(options.online_tiles, options.online_attribution),
    )
    if options.oidc is not None and options.without_login:
        msg = "--oidc is a way to log in: it does not go with --without-login"
        raise RefusedError(msg)
    oidc = None if options.oidc is None else read_oidc(options.oidc)
    assets.require()
    listener = listen(listening)
    log_in = None
    if listening.has_log_in:
        log_in = _log_in(options, sector.id, clock=clock, is_https=listening.is_https)
    app = create_app(
        sector=sector,
        feed=feed,
        base_map=base_map,
        log_in=log_in,
        oidc=oidc,
        names=listening.names,
        evidence=options.evidence,
    )
    print(f"live map: {address(listening, listener.getsockname()[1])}/", flush=True)
    serve(app, listener, listening=listening, on_stop=feed.stream.close)
    return 0


def _log_in(
    options: argparse.Namespace, sector_id: str, *, clock: "Callable[[], UtcTime]", is_https: bool
) -> "LogIn":
    """Open the accounts; where there are none, make the first and print its password, once."""
    from maps.people.accounts import FIRST  # noqa: PLC0415 - only for serving
    from maps.people.book import Book  # noqa: PLC0415
    from maps.people.log_in import LogIn  # noqa: PLC0415
    from maps.people.sessions import Lifetime  # noqa: PLC0415

    log_in = LogIn(
        Book.open(options.store),
        sector_id=sector_id,
        is_https=is_https,
        clock=clock,
        lifetime=Lifetime(
            idle_s=options.session_idle_min * 60.0, whole_s=options.session_hours * 3600.0
        ),
    )
    password = log_in.accounts.make_first(now=clock())
    if password is not None:
        print(f"first log-in: {FIRST}, once with the password {password}", flush=True)
    return log_in


def _check_base_map(options: argparse.Namespace) -> int:
    from fusion.sector import load_sector  # noqa: PLC0415 - only here and for serving
    from maps.base_map.check import check  # noqa: PLC0415

    sector = None if options.sector is None else load_sector(options.sector)
    print(json.dumps(check(options.file, sector), ensure_ascii=False))
    return 0


def _draw(options: argparse.Namespace) -> int:
    out = options.out or options.file.with_suffix(".html")
    count = draw(options.file, out)
    print(f"{out}: {count} features")
    return 0
