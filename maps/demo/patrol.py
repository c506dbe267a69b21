"""The patrol's GPS: where it is, every few seconds, as the real receiver would say it."""

import argparse
import logging
import secrets
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from typing import Final

import numpy as np
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edge.messages import PositionMessage, RefusedError, Topic, UtcTime, encode
from edge.publisher import BrokerAddress
from maps.demo.landscape import SECTOR_ID, latlon_of
from maps.demo.walkers import PATROL_UNIT, patrol_at

EVERY_S: Final = 2.0
ACCURACY_M: Final = 3.0  # radius that holds the truth in 68 % of cases
_SIGMA_PER_RADIUS_68: Final = 1.0 / 1.5096  # of each axis: sqrt(-2 ln 0.32) sigmas
_AT_LEAST_ONCE: Final = 1


def position(night_s: float, *, began_at: UtcTime, boot_id: str) -> PositionMessage | None:
    """Return what the receiver says at this moment, or None while no patrol is out."""
    place = patrol_at(night_s)
    if place is None:
        return None
    number = round(night_s / EVERY_S)
    error_m = np.random.default_rng(number).normal(0.0, ACCURACY_M * _SIGMA_PER_RADIUS_68, 2)
    lat, lon = latlon_of(place.east_m + error_m[0], place.north_m + error_m[1])
    return PositionMessage(
        v=1,
        message_id=f"{PATROL_UNIT}-{boot_id}-{number}",
        sector=SECTOR_ID,
        boot_id=boot_id,
        seq=number,
        simulated=True,
        unit_id=PATROL_UNIT,
        captured_at=began_at.after(night_s),
        lat=lat,
        lon=lon,
        accuracy_m=ACCURACY_M,
    )


def main(argv: Sequence[str]) -> int:
    """Publish positions until SIGTERM or SIGINT.

    Raises:
        RefusedError: The broker's address is none.
    """
    parser = argparse.ArgumentParser(prog="python -m maps.demo.patrol", description=__doc__)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--began-at", type=UtcTime.parse, required=True, metavar="RFC3339")
    parser.add_argument("--clock-offset-s", type=float, default=0.0)
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    clock = partial(UtcTime.read_clock, offset_s=arguments.clock_offset_s)
    address = BrokerAddress.parse(arguments.broker)
    boot_id = secrets.token_hex(4)
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=f"tuanbien-{PATROL_UNIT}-{boot_id}"
    )
    client.connect_async(address.host, address.port)
    client.loop_start()
    moment = 0
    while True:
        now_s = clock().seconds_since(arguments.began_at)
        moment = max(moment + 1, int(now_s / EVERY_S))
        if stop.wait(max(moment * EVERY_S - now_s, 0.0)):
            break
        said = position(moment * EVERY_S, began_at=arguments.began_at, boot_id=boot_id)
        if said is not None:
            topic = Topic(SECTOR_ID, PATROL_UNIT, said.kind)
            client.publish(str(topic), encode(said), qos=_AT_LEAST_ONCE)
    client.disconnect()
    client.loop_stop()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RefusedError as error:
        sys.exit(str(error))
