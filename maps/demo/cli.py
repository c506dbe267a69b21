"""`tuanbien demo`: a fictional border sector, the whole chain on it."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fusion.broker import port_number

DEFAULT_PORT: Final = 8000


def main(arguments: Sequence[str]) -> int:
    """Run one form of the demo; return 0 done, 1 failed.

    Raises:
        RefusedError: Something is missing, wrong or did not come: one sentence.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.video is None) != (options.device is None):
        parser.error("--video and --device belong together")
    if options.sector is not None and options.video is None:
        parser.error("--sector goes with --video")
    other_form = options.check or options.edge_only or options.video or options.write
    if options.minutes is not None and other_form:
        parser.error("--minutes goes with the plain demo and with --flight")
    if options.clock_offset_s and not options.edge_only:
        parser.error("--clock-offset-s goes with --edge-only")
    # Each form imports what it needs: OpenCV, the broker, the store.
    if options.write is not None:
        from maps.demo.world import write_world  # noqa: PLC0415

        files = write_world(options.write, broker_url=options.broker)
        print(*(files.sector, *files.devices), sep="\n")
        return 0
    if options.flight is not None:
        from maps.demo.flight import DEFAULT_MINUTES, run_flight  # noqa: PLC0415

        minutes = DEFAULT_MINUTES if options.minutes is None else options.minutes
        return run_flight(options.flight, minutes=minutes, broker_url=options.broker)
    if options.edge_only:
        from maps.demo.edge_only import run_edge_only  # noqa: PLC0415

        return run_edge_only(
            broker_url=options.broker, data=options.data, clock_offset_s=options.clock_offset_s
        )
    if options.video is not None:
        from maps.demo.footage import run_footage  # noqa: PLC0415

        return run_footage(
            video=options.video,
            device=options.device,
            sector=options.sector,
            data=options.data,
            port=DEFAULT_PORT if options.port is None else options.port,
        )
    if options.check:
        from maps.demo.check import check  # noqa: PLC0415

        return check(data=options.data, port=options.port or 0, say=_aside)
    from maps.demo.run import run  # noqa: PLC0415

    port = DEFAULT_PORT if options.port is None else options.port
    return run(data=options.data, port=port, minutes=options.minutes)


def _aside(text: str) -> None:
    """Tell the person, and keep stdout for the figures."""
    print(text, file=sys.stderr, flush=True)


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0.0 < minutes < math.inf:
        msg = f"{text!r} is not a number of minutes above 0"
        raise argparse.ArgumentTypeError(msg)
    return minutes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tuanbien demo",
        description="A fictional border sector: rendered cameras, the real chain, the live map.",
    )
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--check",
        action="store_true",
        help="no browser: exit 0 once the crossing is on the map's API, and print the figures",
    )
    forms.add_argument(
        "--video", type=Path, metavar="FILE", help="your own footage instead (with --device)"
    )
    forms.add_argument(
        "--edge-only",
        action="store_true",
        help="only the simulated devices and the patrol, for a broker that runs",
    )
    forms.add_argument(
        "--write", type=Path, metavar="DIR", help="only write the sector's and devices' files"
    )
    forms.add_argument(
        "--flight",
        type=Path,
        metavar="DIR",
        help="only write the drone's night: film, telemetry (KLV, CSV) and device file",
    )
    parser.add_argument("--device", type=Path, metavar="DEVICE.toml", help="what took the video")
    parser.add_argument(
        "--sector", type=Path, metavar="SECTOR.toml", help="its sector (default: one made up)"
    )
    parser.add_argument(
        "--port",
        type=port_number,
        help=f"of the page (default {DEFAULT_PORT}; with --check a free one)",
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        metavar="M",
        help="end after so long; with --flight: fly so long (default 3)",
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="keep all files there (default: a passing folder)"
    )
    parser.add_argument(
        "--broker",
        default="mqtt://127.0.0.1:1883",
        help="with --edge-only, --write and --flight (default %(default)s)",
    )
    parser.add_argument(
        "--clock-offset-s",
        type=float,
        default=0.0,
        metavar="S",
        help="with --edge-only: seconds added to this machine's clock",
    )
    return parser
