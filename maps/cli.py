"""`tuanbien maps serve | draw`."""

import argparse
import json
import logging
import os
import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from edge.messages import UtcTime
from fusion.broker import port_number
from maps.draw import draw


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
    serve.add_argument("--host", default="127.0.0.1", help="loopback only (default %(default)s)")
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
    return parser


def _serve(options: argparse.Namespace) -> int:
    # Only serving needs the store, the sector and the web server.
    from fusion.sector import load_sector  # noqa: PLC0415
    from fusion.store import Store, connect  # noqa: PLC0415
    from maps.app import create_app  # noqa: PLC0415
    from maps.base_map.online import online_tiles  # noqa: PLC0415
    from maps.base_map.served import BaseMap  # noqa: PLC0415
    from maps.feed import Feed  # noqa: PLC0415
    from maps.server import listen, serve  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it reports every look at the store
    sector = load_sector(options.sector)
    connect(options.store).dispose()  # refuses a wrong address now; the database may come later
    feed = Feed(
        sector.id,
        broker_url=options.broker,
        open_store=partial(Store.open, options.store),
        clock=partial(UtcTime.read_clock, offset_s=options.clock_offset_s),
        run_id=secrets.token_hex(4),
    )
    base_map = BaseMap(
        tiles=options.base_map,
        elevation=options.elevation,
        online=online_tiles(options.online_tiles, options.online_attribution),
    )
    app = create_app(sector=sector, feed=feed, base_map=base_map)
    listener = listen(options.host, options.port)
    host, port = listener.getsockname()[:2]
    print(f"live map: http://{f'[{host}]' if ':' in host else host}:{port}/", flush=True)
    serve(app, listener, on_stop=feed.stream.close)
    return 0


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
