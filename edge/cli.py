"""`tuanbien edge …`: run a device, check its file, place a pixel, fetch weights."""

import argparse
import json
import logging
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from edge.address import BrokerAddress, without_password
from edge.calibration.command import FOCAL, SIGMA_PX, Wish
from edge.calibration.command import run as run_calibration
from edge.calibration.landmarks import LEAST_SIGMA_PX, MOST_SIGMA_M, MOST_SIGMA_PX
from edge.config import DeviceConfig, load_device
from edge.detector import YoloDetector
from edge.doubts import doubts
from edge.evidence import TOO_MANY_WAIT, EvidenceCropper
from edge.frames import Clock, LiveSource, film_length_s, open_source
from edge.messages import RefusedError, UtcTime, encode, to_builtins
from edge.onvif import topics
from edge.onvif_bridge import OnvifBridge, run_bridge
from edge.pipeline import check_shape, run
from edge.publisher import FilePublisher, MqttPublisher
from edge.subscriber import MqttSubscriber
from edge.survey import features, locate, summary
from edge.telemetry import read_telemetry
from edge.telemetry.telling import lines
from edge.weights import DEFAULT, cache_folder, find_weights

DRAIN_S: Final = 30.0
FAREWELL_S: Final = 1.5
_LOOK_EVERY_S: Final = 0.1
_FIRST_PICTURE_S: Final = 15.0


def main(argv: Sequence[str]) -> int:
    """Run one command; return 0 done, 1 failed."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    # What GDAL says of a broken file stands in our own sentence.
    logging.getLogger("rasterio").setLevel(logging.CRITICAL)
    return int(arguments.command(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tuanbien edge", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    work = commands.add_parser("run", help="video to detections on the ground, over MQTT")
    work.add_argument("device", type=Path, metavar="DEVICE.toml")
    work.add_argument(
        "--fast", action="store_true", help="a recording as fast as possible, not at its own pace"
    )
    work.add_argument("--loop", action="store_true", help="begin a recording again at its end")
    work.add_argument(
        "--start-at", type=_time, metavar="RFC3339", help="when a recording began (default: now)"
    )
    work.add_argument("--frames", type=_count, metavar="N", help="stop after so many frames")
    work.add_argument(
        "--out", type=Path, metavar="FILE.jsonl", help="write a recording instead of sending"
    )
    work.add_argument(
        "--clock-offset-s",
        type=float,
        default=0.0,
        metavar="S",
        help="for exercises: seconds added to this machine's clock",
    )
    work.add_argument(
        "--simulated", action="store_true", help="for exercises: mark every message as simulated"
    )
    work.set_defaults(command=_run)

    check = commands.add_parser("check", help="say what a device file comes to")
    check.add_argument("device", type=Path, metavar="DEVICE.toml")
    check.add_argument("--geojson", type=Path, metavar="FILE", help="draw it, for `maps draw`")
    check.add_argument("--no-video", action="store_true", help="do not open its video")
    check.set_defaults(command=_check)

    where = commands.add_parser("locate", help="place one pixel on the ground")
    where.add_argument("device", type=Path, metavar="DEVICE.toml")
    where.add_argument("u", type=float, metavar="U", help="to the right; pixel centres are whole")
    where.add_argument("v", type=float, metavar="V", help="down")
    where.set_defaults(command=_locate)

    fit = commands.add_parser("calibrate", help="fit the camera to surveyed landmarks or a walk")
    fit.add_argument("device", type=Path, metavar="DEVICE.toml")
    fit.add_argument("landmarks", type=Path, nargs="?", metavar="LANDMARKS.csv")
    fit.add_argument(
        "--walk",
        type=Path,
        metavar="RECORDING.jsonl",
        help="learn from a patrol with a receiver that walks through the view",
    )
    fit.add_argument("--unit", metavar="UNIT", help="the patrol's unit_id (default: the only one)")
    fit.add_argument("--out", type=Path, metavar="FITTED.toml", help="write a new device file")
    fit.add_argument("--frame", type=Path, metavar="FRAME.jpg", help="what to draw on")
    fit.add_argument("--picture", type=Path, metavar="OUT.jpg", help="draw the fit on the frame")
    fit.add_argument(
        "--sigma-px",
        type=_sigma_px,
        default=SIGMA_PX,
        metavar="PX",
        help="error of the landmarks' pixels, where the file says none (default: %(default)s)",
    )
    fit.add_argument(
        "--landmarks-sigma-m",
        type=_sigma_m,
        default=0.0,
        metavar="M",
        help="error along each axis that all landmarks share, of one receiver on one day",
    )
    fit.add_argument(
        "--focal",
        choices=FOCAL,
        default=FOCAL[0],
        help="auto: fit it, starting from what is known to 5 %%; with --walk from 6 landmarks on",
    )
    fit.add_argument("--k1", action="store_true", help="fit distortion, from 8 landmarks on")
    fit.add_argument(
        "--homography", action="store_true", help="of flat ground, without the camera's height"
    )
    fit.set_defaults(command=_calibrate)

    log = commands.add_parser("telemetry", help="read a flight log, one JSON line a sample")
    log.add_argument("file", type=Path, metavar="FILE")
    log.add_argument(
        "--zone",
        type=_zone,
        metavar="NAME",
        help="time zone of a DJI subtitle's clock, such as Asia/Ho_Chi_Minh (default: unknown)",
    )
    log.set_defaults(command=_telemetry)

    weights = commands.add_parser("weights", help="fetch weights ahead of time")
    weights.add_argument("names", nargs="*", default=[DEFAULT], metavar="NAME")
    weights.add_argument("--to", type=Path, metavar="DIR", help="default: the cache folder")
    weights.set_defaults(command=_weights)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    config = load_device(arguments.device)
    if config.source.onvif is not None:
        return _bridge(config, config.source.onvif, arguments)
    clock = partial(UtcTime.read_clock, offset_s=arguments.clock_offset_s)
    boot_id = secrets.token_hex(4)
    stop = threading.Event()
    with ExitStack() as rest:
        rest.enter_context(_on_signal(signal.SIGTERM, _leave))
        source = open_source(
            config.source,
            clock=clock,
            fast=arguments.fast,
            base=config.base,
            start_at=arguments.start_at,
            loop=arguments.loop,
            flight=config.flight,
        )
        rest.callback(source.close)
        detector = YoloDetector(config.detector, config.camera, base=config.base)
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            rest.enter_context(_on_signal(signal_number, lambda *_: stop.set()))
        sink = _sink(config, arguments.out, boot_id=boot_id, clock=clock)
        rest.callback(sink.close, 0.0)
        evidence = None
        if config.evidence.on and isinstance(sink, MqttPublisher):
            evidence = EvidenceCropper(config, sink.publish_evidence)
        done = run(
            config,
            source,
            detector,
            sink,
            clock=clock,
            stop=stop,
            boot_id=boot_id,
            simulated=arguments.simulated,
            most_frames=arguments.frames,
            live=isinstance(source, LiveSource),
            evidence=evidence,
        )
        undelivered = _finish(sink, stop)
    said = {
        "frames": done.frames,
        "frames_skipped": source.frames_skipped,
        "frames_bad": done.frames_bad,
        "detections": done.detections,
        "frames_unposed": done.frames_unposed,
        "dropped": done.dropped | dict(+detector.dropped),
        "seconds": round(done.seconds, 3),
        "fps": round(done.fps, 2),
        "undelivered": undelivered,
        "overflowed": sink.overflowed,
    }
    if evidence is not None:
        said["crops"] = evidence.sent - sink.crops_given_up
        said["crops_dropped"] = dict(+evidence.dropped) | {TOO_MANY_WAIT: sink.crops_given_up}
    print(json.dumps(said))
    _refuse_missed(config, undelivered + sink.overflowed, stop)
    return 0


def _bridge(config: DeviceConfig, prefix: str, arguments: argparse.Namespace) -> int:
    """Run a device whose camera does the seeing."""
    if arguments.fast or arguments.loop or arguments.start_at is not None:
        msg = f"{config.path}: --fast, --loop and --start-at are for recordings, not for a camera"
        raise RefusedError(msg)
    clock = partial(UtcTime.read_clock, offset_s=arguments.clock_offset_s)
    boot_id = secrets.token_hex(4)
    stop = threading.Event()
    bridge = OnvifBridge(config, boot_id=boot_id, simulated=arguments.simulated)
    with ExitStack() as rest:
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            rest.enter_context(_on_signal(signal_number, lambda *_: stop.set()))
        sink = _sink(config, arguments.out, boot_id=boot_id, clock=clock)
        rest.callback(sink.close, 0.0)
        source = MqttSubscriber(
            config.source.onvif_broker or config.broker_url,
            topics(prefix, config.source.onvif_module),
            client_id=f"tuanbien-{config.device_id}-{boot_id}-onvif",
            clock=clock,
        )
        rest.callback(source.close)
        seconds = run_bridge(
            bridge, source, sink, clock=clock, stop=stop, most_frames=arguments.frames
        )
        undelivered = _finish(sink, stop)
    said = {
        **to_builtins(bridge.counts),
        "dropped": dict(+bridge.teller.dropped),
        "unheard": source.overflowed,
        "seconds": round(seconds, 3),
        "undelivered": undelivered,
        "overflowed": sink.overflowed,
    }
    print(json.dumps(said))
    _refuse_missed(config, undelivered + sink.overflowed, stop)
    return 0


def _finish(sink: MqttPublisher | FilePublisher, stop: threading.Event) -> int:
    """Hand over what waits; return how many messages were not taken.

    What ends by itself has time for that; after a signal there is none.
    """
    deadline_s = time.monotonic() + DRAIN_S
    while (
        (sink.queue_depth or sink.crops_waiting)
        and time.monotonic() < deadline_s
        and not stop.wait(_LOOK_EVERY_S)
    ):
        pass
    return sink.close(FAREWELL_S)


def _refuse_missed(config: DeviceConfig, missed: int, stop: threading.Event) -> None:
    if missed and not stop.is_set():
        msg = f"{BrokerAddress.parse(config.broker_url)} did not take {missed} messages"
        raise RefusedError(msg)


def _check(arguments: argparse.Namespace) -> int:
    config = load_device(arguments.device)
    said, film_s = summary(config), None
    if arguments.geojson is not None:
        _write(arguments.geojson, encode(features(config)))
    try:
        if not arguments.no_video and config.source.onvif is None:
            said["picture"] = _look(config)
            film_s = film_length_s(config.source, base=config.base)
    finally:
        # The errors at each distance are worth knowing before the camera hangs there.
        said["doubts"] = doubts(config, said, film_s=film_s)
        print(encode(said).decode())
        if sys.stderr.isatty():
            _say(_table(said["sights"]))
        for doubt in said["doubts"]:
            _say(f"{config.path}: doubtful: {doubt}")
    return 0


def _table(sights: list[dict[str, Any]]) -> str:
    """Return the errors at each distance for whoever stands at the camera."""
    lines = ["distance  90 % of places are within"]
    for sight in sights:
        error_m = sight["ce90_m"]
        words = f"{error_m:.1f} m" if error_m is not None else f"not seen ({sight['unseen']})"
        lines.append(f"{sight['range_m']:6.0f} m  {words}")
    return "\n".join(lines)


def _locate(arguments: argparse.Namespace) -> int:
    config = load_device(arguments.device)
    print(json.dumps(locate(config, arguments.u, arguments.v)))
    return 0


def _calibrate(arguments: argparse.Namespace) -> int:
    if (arguments.frame is None) != (arguments.picture is None):
        print("tuanbien edge calibrate: --frame and --picture need each other", file=sys.stderr)
        return 2
    if arguments.landmarks is None and arguments.walk is None:
        print("tuanbien edge calibrate: LANDMARKS.csv or --walk is needed", file=sys.stderr)
        return 2
    if arguments.walk is not None and (arguments.homography or arguments.k1):
        print("tuanbien edge calibrate: --walk fits no homography and no k1", file=sys.stderr)
        return 2
    if arguments.homography and (arguments.k1 or arguments.focal != FOCAL[0]):
        print("tuanbien edge calibrate: --homography fits no lens", file=sys.stderr)
        return 2
    if arguments.unit is not None and arguments.walk is None:
        print("tuanbien edge calibrate: --unit goes with --walk", file=sys.stderr)
        return 2
    wish = Wish(
        device=arguments.device,
        landmarks=arguments.landmarks,
        walk=arguments.walk,
        unit=arguments.unit,
        out=arguments.out,
        frame=arguments.frame,
        picture=arguments.picture,
        sigma_px=arguments.sigma_px,
        survey_sigma_m=arguments.landmarks_sigma_m,
        focal=arguments.focal,
        with_k1=arguments.k1,
        homography=arguments.homography,
    )
    print(json.dumps(run_calibration(wish), ensure_ascii=False))
    return 0


def _telemetry(arguments: argparse.Namespace) -> int:
    log = read_telemetry(arguments.file, zone=arguments.zone)
    for line in lines(log):
        print(json.dumps(line))
    for reason, count in log.skipped.items():
        _say(f"{arguments.file}: left out {count} {reason}")
    left_out = sum(log.skipped.values())
    if left_out > len(log.samples):
        share = left_out / (left_out + len(log.samples))
        _say(
            f"{arguments.file}: WARNING: {share:.0%} of its samples are left out, and only "
            f"{len(log.samples)} are used: do its times run backwards, or is it broken?"
        )
    for note in log.notes:
        _say(f"{arguments.file}: {note}")
    return 0


def _weights(arguments: argparse.Namespace) -> int:
    folder = cache_folder() if arguments.to is None else arguments.to
    for name in arguments.names or [DEFAULT]:
        found = find_weights(name, base=folder, cache=folder, say=_say)
        print(json.dumps({"name": name, "path": str(found)}))
    return 0


def _look(config: DeviceConfig) -> dict[str, Any]:
    """Open the video and measure one picture."""
    source = open_source(config.source, clock=UtcTime.read_clock, fast=True, base=config.base)
    patience = threading.Timer(_FIRST_PICTURE_S, source.close)
    patience.start()
    try:
        frame = next(iter(source), None)
    finally:
        patience.cancel()
        source.close()
    if frame is None:
        shown = without_password(str(config.source.video))
        msg = f"{config.path}: source.video {shown!r} gave no picture"
        raise RefusedError(msg)
    height_px, width_px = frame.image.shape[:2]
    check_shape(config, width_px, height_px)
    return {"width": width_px, "height": height_px}


def _sink(
    config: DeviceConfig, out: Path | None, *, boot_id: str, clock: Clock
) -> MqttPublisher | FilePublisher:
    if out is not None:
        return FilePublisher(out)
    return MqttPublisher(
        config.broker_url,
        sector=config.sector,
        device_id=config.device_id,
        boot_id=boot_id,
        clock=clock,
    )


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise RefusedError(msg) from error


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _time(text: str) -> UtcTime:
    try:
        return UtcTime.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _sigma_px(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not LEAST_SIGMA_PX <= value <= MOST_SIGMA_PX:
        msg = f"{text!r} is not within {LEAST_SIGMA_PX:g} to {MOST_SIGMA_PX:g} px"
        raise argparse.ArgumentTypeError(msg)
    return value


def _sigma_m(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= MOST_SIGMA_M:
        msg = f"{text!r} is not within 0 to {MOST_SIGMA_M:g} m"
        raise argparse.ArgumentTypeError(msg)
    return value


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        msg = f"{text!r} is no time zone"
        raise argparse.ArgumentTypeError(msg) from error


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        msg = f"{text!r} is no number of frames"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _leave(*_: object) -> None:
    """End at once: nothing runs yet that would have to be finished."""
    raise SystemExit(0)


@contextmanager
def _on_signal(number: signal.Signals, handler: Callable[..., object]) -> Iterator[None]:
    """Handle a signal for a while."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)
