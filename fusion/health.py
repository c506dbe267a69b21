"""Ask over MQTT whether a service or device of a sector is alive: for a container's health check.

`python -m fusion.health SECTOR_ID [DEVICE_ID]` waits for the next status message; exit status 0:
it came and says online, 1: it did not.
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import Final

from edge.messages import FUSION, InvalidMessageError, RefusedError, Topic, Wire, decode_as
from fusion.link import Link

DEFAULT_BROKER: Final = "mqtt://127.0.0.1:1883"
WITHIN_S: Final = 12.0  # a service says how it is every 5 s, a device at least every 10 s


class _Online(Wire, frozen=True, kw_only=True):
    """What the status messages of fusion and of devices have in common."""

    online: bool


def is_alive(broker_url: str, topic: Topic, *, within_s: float) -> bool:
    """Wait for a status message on a topic; tell whether one came that says online.

    One that the broker had kept says nothing about now.

    Raises:
        RefusedError: The address is none of a broker.
    """
    link = Link(broker_url, topics=[str(topic)], session=None)
    deadline_s = time.monotonic() + within_s
    link.start()
    try:
        while (left_s := deadline_s - time.monotonic()) > 0.0:
            for delivery in link.receive(at_most=1, within_s=left_s):
                link.acknowledge(delivery)
                if not delivery.retained and _says_online(delivery.payload):
                    return True
        return False
    finally:
        link.stop()


def _says_online(payload: bytes) -> bool:
    try:
        return decode_as(payload, _Online).online
    except InvalidMessageError:
        return False


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(prog="python -m fusion.health", description=__doc__)
    parser.add_argument("sector", metavar="SECTOR_ID")
    parser.add_argument("device", metavar="DEVICE_ID", nargs="?", default=FUSION)
    parser.add_argument(
        "--broker",
        default=os.environ.get("TUANBIEN_BROKER", DEFAULT_BROKER),
        metavar="URL",
        help="MQTT broker (TUANBIEN_BROKER)",
    )
    return parser


def main(argv: Sequence[str]) -> int:
    """Ask once."""
    arguments = build_parser().parse_args(argv)
    topic = Topic(arguments.sector, arguments.device, "status")
    try:
        alive = is_alive(arguments.broker, topic, within_s=WITHIN_S)
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if not alive:
        sys.stderr.write(f"no status message on {topic} within {WITHIN_S:.0f} s\n")
    return 0 if alive else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
