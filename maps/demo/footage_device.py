"""The user's own device on the user's own footage: `edge run` with another video."""

import argparse
import logging
import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edge.config import load_device
from edge.frames import open_source
from edge.messages import RefusedError, UtcTime
from edge.pipeline import run
from edge.publisher import MqttPublisher
from maps.demo.device import FAREWELL_S


def main(argv: Sequence[str]) -> int:
    """Run the device at the video's own pace until its end or a signal.

    Raises:
        RefusedError: A file, the weights or the broker's address are wrong.
    """
    parser = argparse.ArgumentParser(
        prog="python -m maps.demo.footage_device", description=__doc__
    )
    parser.add_argument("device", type=Path, metavar="DEVICE.toml")
    parser.add_argument("--video", required=True)
    parser.add_argument("--broker", required=True)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    from edge.detector import YoloDetector  # noqa: PLC0415 - slow to import

    config = load_device(arguments.device)
    detector = YoloDetector(config.detector, config.camera, base=config.base)
    shown = msgspec.structs.replace(config.source, video=arguments.video)
    source = open_source(
        shown, clock=UtcTime.read_clock, fast=False, base=config.base, flight=config.flight
    )
    boot_id = secrets.token_hex(4)
    publisher = MqttPublisher(
        arguments.broker,
        sector=config.sector,
        device_id=config.device_id,
        boot_id=boot_id,
        clock=UtcTime.read_clock,
    )
    try:
        run(
            config, source, detector, publisher,
            clock=UtcTime.read_clock, stop=stop, boot_id=boot_id, simulated=True,
        )  # fmt: skip
    finally:
        publisher.close(FAREWELL_S)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RefusedError as error:
        sys.exit(str(error))
