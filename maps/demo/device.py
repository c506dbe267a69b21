"""One simulated device: pictures of the demo world through the real edge pipeline."""

import argparse
import logging
import secrets
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from math import floor
from pathlib import Path
from typing import Final

import cv2

from edge.config import load_device
from edge.evidence import EvidenceCropper
from edge.frames import Clock, Frame
from edge.messages import RefusedError, UtcTime
from edge.pipeline import run
from edge.publisher import MqttPublisher
from edge.weights import cache_folder
from maps.demo.people import load_figures
from maps.demo.render import Renderer
from maps.demo.view import Eye

FPS: Final = 4.0
FAREWELL_S: Final = 2.0


class WorldSource:
    """A source of frames that draws what the device sees, at the world's own time."""

    def __init__(self, eye: Eye, renderer: Renderer, *, began_at: UtcTime, clock: Clock) -> None:
        self._eye = eye
        self._renderer = renderer
        self._began_at = began_at
        self._clock = clock
        self._closed = threading.Event()
        self._newest: UtcTime | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Wait for the next moment of the frame rate; moments that were missed are left out."""
        number = -1
        while not self._closed.is_set():
            number = max(number + 1, floor(self._night_s() * FPS))
            if self._closed.wait(max(number / FPS - self._night_s(), 0.0)):
                return
            night_s = number / FPS
            image = self._renderer.picture(night_s)
            self._newest = self._began_at.after(night_s)
            yield Frame(image, self._newest, self._eye.reported_pose(night_s))

    def frame_age_s(self, now: UtcTime) -> float | None:
        """Return how long ago the newest picture came, or None before the first."""
        return None if self._newest is None else now.seconds_since(self._newest)

    def close(self) -> None:
        """End the iteration soon."""
        self._closed.set()

    def _night_s(self) -> float:
        return self._clock().seconds_since(self._began_at)


def main(argv: Sequence[str]) -> int:
    """Run one device until SIGTERM or SIGINT.

    Raises:
        RefusedError: The device file, the weights, the people or the broker's address are wrong.
    """
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    from edge.detector import YoloDetector  # noqa: PLC0415 - slow to import, and may refuse

    cv2.setNumThreads(1)
    config = load_device(arguments.device)
    eye = Eye.of(config)
    detector = YoloDetector(config.detector, config.camera, base=config.base)
    figures = load_figures(cache_folder())
    if arguments.prepare:
        return 0
    renderer = Renderer(eye, figures, seed=arguments.seed)
    clock = partial(UtcTime.read_clock, offset_s=arguments.clock_offset_s)
    boot_id = secrets.token_hex(4)
    publisher = MqttPublisher(
        arguments.broker or config.broker_url,
        sector=config.sector,
        device_id=config.device_id,
        boot_id=boot_id,
        clock=clock,
    )
    evidence = EvidenceCropper(config, publisher.publish_evidence) if config.evidence.on else None
    source = WorldSource(eye, renderer, began_at=arguments.began_at or clock(), clock=clock)
    try:
        run(
            config, source, detector, publisher,
            clock=clock, stop=stop, boot_id=boot_id, simulated=True, evidence=evidence,
        )  # fmt: skip
    finally:
        publisher.close(FAREWELL_S)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m maps.demo.device", description=__doc__)
    parser.add_argument("device", type=Path, metavar="DEVICE.toml")
    parser.add_argument("--broker", help="mqtt://host:port (default: the one in the file)")
    parser.add_argument(
        "--began-at",
        type=UtcTime.parse,
        metavar="RFC3339",
        help="when the night began (default: now)",
    )
    parser.add_argument("--clock-offset-s", type=float, default=0.0)
    parser.add_argument(
        "--prepare", action="store_true", help="only fetch, export and cut out what is needed"
    )
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except RefusedError as error:
        sys.exit(str(error))
