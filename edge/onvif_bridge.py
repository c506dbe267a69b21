"""An ONVIF Profile M camera as a device: what its analytics found becomes our detections.

The camera looks, follows and classifies; we place what it found on the ground, with the pose and
the errors of the device file, just as we place what our own detector finds.

A camera gives no error with a `GeoLocation` (and its elevation is above the sea), so that is
counted and not used. Events ("somebody crossed line 1") have no position at all: they are counted,
for they show that a rule is at work, and make no detection. Those by which the camera complains of
its own picture become the `scene` of the status.
"""

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Protocol

from msgspec.structs import replace

from edge.config import DeviceConfig
from edge.detector import Detection
from edge.frames import Clock
from edge.messages import DetectionsMessage, Scene, Sensor, UtcTime
from edge.onvif import Looks, OnvifError, OnvifTopic, SceneFrame, read_event, read_metadata
from edge.onvif_objects import LeftOut, ObjectReader
from edge.onvif_scene import SceneReports
from edge.pipeline import Sink, StatusReporter
from edge.subscriber import Heard
from edge.teller import LOST_DEG, Teller, derived_id

TURNING: Final = "frame of a camera on the move"
ELSEWHERE: Final = "frame of a camera that looked elsewhere"
UNREAD: Final = "object that is not what ONVIF says"
UNCLEAR: Final = "frame of which no object could be read"
_REMEMBERED: Final = 4096  # frames, to know a repeated one
_MOST_EVENT_KINDS: Final = 64
_OTHER_EVENTS: Final = "others"
_AHEAD_S: Final = 60.0
# Of a turning camera's own units, -1 to 1: of a whole turn, 0.36 degrees.
_HOME_TOLERANCE: Final = 0.002
_LOG = logging.getLogger(__name__)


class Source(Protocol):
    """Where a camera is heard."""

    overflowed: int

    def __iter__(self) -> Iterator[Heard]:
        """Wait for the next message."""
        ...

    def close(self) -> None:
        """End the iteration soon, from any thread."""
        ...


@dataclass(slots=True)
class BridgeCounts:
    """What became of all that was heard."""

    frames: int = 0
    detections: int = 0
    repeated: int = 0  # frames that came again
    refused: int = 0  # messages that were no JSON, or not what ONVIF says
    zone_missing: int = 0  # frames whose time said no zone; taken as UTC
    ahead: int = 0  # frames from over a minute later than this machine's clock
    geo_locations: int = 0  # not used: without an error
    likelihood_missing: int = 0  # objects of a class without one; taken as 0.5
    left_out: Counter[str] = field(default_factory=Counter)  # objects and frames, by reason
    personal: Counter[str] = field(default_factory=Counter)  # parts of objects, not read
    events: Counter[str] = field(default_factory=Counter)  # by their topic


class CameraTeller(Teller):
    """Tells what a camera found; and how it is, as it says itself."""

    def __init__(self, config: DeviceConfig, *, boot_id: str, simulated: bool = False) -> None:
        """Begin without a complaint."""
        super().__init__(config, boot_id=boot_id, simulated=simulated)
        self._reports = SceneReports()

    def hear(self, reporter: str, name: str, *, holds: bool | None) -> None:
        """Note an event; a camera that says its scene has changed looks who knows where."""
        self._reports.take(reporter, name, holds=holds)
        self.distrust(LOST_DEG if self._reports.worst is Scene.MOVED else 0.0)

    def _scene(self, frame_age_s: float | None) -> Scene | None:
        del frame_age_s
        return self._reports.worst

    def _sensor(self) -> Sensor:
        # Its boxes come from its own tracker, which draws them on where it sees nothing new.
        return replace(super()._sensor(), smoothed=True)


class OnvifBridge:
    """One camera's messages to ours. Pure: no broker, no clock."""

    def __init__(self, config: DeviceConfig, *, boot_id: str, simulated: bool = False) -> None:
        """Begin.

        Args:
            config: A device with `source.onvif`.
            boot_id: Of this run.
            simulated: Mark every message as simulated.
        """
        self.counts = BridgeCounts()
        self.teller = CameraTeller(config, boot_id=boot_id, simulated=simulated)
        self._config = config
        self._prefix = config.source.onvif or ""
        self._reader = ObjectReader(config)
        self._known_ids: OrderedDict[str, None] = OrderedDict()
        self._modules: set[str] = set()
        home = config.source.onvif_home
        self._home = None if home is None else Looks(*home)

    def take(self, heard: Heard) -> list[DetectionsMessage]:
        """Turn what was heard into messages, one a frame; whatever it is, it stops nothing."""
        try:
            topic = OnvifTopic.parse(heard.topic, prefix=self._prefix)
            if topic.is_event:
                holds = read_event(heard.payload)
                self._count_event(topic.name)
                self.teller.hear(heard.topic, topic.name, holds=holds)
                return []
            frames, errors = read_metadata(heard.payload)
        except OnvifError as error:
            frames, errors = (), (error,)
        for refusal in errors:
            self.counts.refused += 1
            if _now_and_then(self.counts.refused):
                _LOG.warning("%r refused: %s", heard.topic, refusal)
        if not frames:
            return []
        self._look_at_module(topic.name)
        messages = (self._message(frame, topic.name, heard.received_at) for frame in frames)
        return [message for message in messages if message is not None]

    def _message(
        self, frame: SceneFrame, module: str, received_at: UtcTime
    ) -> DetectionsMessage | None:
        """Say what one frame shows; None: nothing can be said, or it was said before."""
        # A profile is not part of it: each profile of a camera sends the same frames. What they
        # hold is: a camera may spread one picture's objects over several messages.
        held = blake2b(repr(frame.objects).encode(), digest_size=8).hexdigest()
        message_id = derived_id(self._config, "onvif", module, frame.captured_at.isoformat(), held)
        if self._is_known(message_id):
            self.counts.repeated += 1
            return None
        self.counts.zone_missing += frame.zone_missing
        self._look_at_clock(frame, received_at)
        if frame.turning:
            self.counts.left_out[TURNING] += 1
            return None
        if not self._looks_home(frame.looks):
            self.counts.left_out[ELSEWHERE] += 1
            return None
        boxes, unread = self._boxes(frame, module)
        if unread and not boxes:
            self.counts.left_out[UNCLEAR] += 1
            return None
        camera = self._config.camera
        message = self.teller.tell(
            boxes,
            frame.captured_at,
            size_px=(camera.width_px, camera.height_px),
            message_id=message_id,
        )
        self.counts.frames += 1
        self.counts.detections += len(message.detections)
        return message

    def _boxes(self, frame: SceneFrame, module: str) -> tuple[list[Detection], bool]:
        """Return a frame's boxes, and whether any of its objects could not be read."""
        boxes, any_unread = [], frame.unread > 0
        if frame.unread:
            self.counts.left_out[UNREAD] += frame.unread
        for found in frame.objects:
            self.counts.personal.update(found.personal)
            self.counts.geo_locations += found.has_geo_location
            self.counts.likelihood_missing += any(one[1] is None for one in found.types)
            try:
                boxes.append(self._reader.detection(found, module))
            except LeftOut as reason:
                self.counts.left_out[str(reason)] += 1
                any_unread |= reason.unread
        return boxes, any_unread

    def _looks_home(self, looks: Looks | None) -> bool:
        """Tell whether a turning camera looks where its file says; one that does not say, does.

        Without `source.onvif_home` that is where it looked first.
        """
        if looks is None:
            return True
        if self._home is None:
            self._home = looks
            _LOG.warning(
                "%s: source.onvif_home is missing; taking pan, tilt, zoom %s, where the camera "
                "looks now, for where [mount] was surveyed",
                self._config.path,
                list(looks),
            )
        return all(
            here is None or there is None or abs(here - there) <= _HOME_TOLERANCE
            for here, there in zip(looks, self._home, strict=True)
        )

    def _is_known(self, message_id: str) -> bool:
        known = message_id in self._known_ids
        self._known_ids[message_id] = None
        if len(self._known_ids) > _REMEMBERED:
            self._known_ids.popitem(last=False)
        return known

    def _count_event(self, name: str) -> None:
        events = self.counts.events
        if name not in events and len(events) >= _MOST_EVENT_KINDS:
            name = _OTHER_EVENTS
        if name not in events:
            _LOG.info("events %r have no position: counted, no detections", name)
        events[name] += 1

    def _look_at_module(self, module: str) -> None:
        """Say once that several modules are heard: each of them says what it does not see."""
        if module in self._modules or len(self._modules) > 1:
            return
        self._modules.add(module)
        if len(self._modules) > 1:
            _LOG.warning(
                "%s: several analytics modules send (%s); name one as source.onvif_module",
                self._config.path,
                ", ".join(map(repr, sorted(self._modules))),
            )

    def _look_at_clock(self, frame: SceneFrame, received_at: UtcTime) -> None:
        ahead_s = frame.captured_at.seconds_since(received_at)
        if ahead_s > _AHEAD_S:
            self.counts.ahead += 1
            if _now_and_then(self.counts.ahead):
                _LOG.warning(
                    "%s: the camera's time is %.0f s ahead of this clock; does it say local "
                    "time as UTC?",
                    self._config.path,
                    ahead_s,
                )


def run_bridge(  # noqa: PLR0913 - the composition of one device
    bridge: OnvifBridge,
    source: Source,
    sink: Sink,
    *,
    clock: Clock,
    stop: threading.Event,
    most_frames: int | None = None,
) -> float:
    """Work until the source ends, `stop` is set or `most_frames` are told; close the source.

    Returns:
        How many seconds it worked.
    """
    watched = _Watched(source, began_at=clock())
    reporter = StatusReporter(bridge.teller, watched, sink, clock=clock, stop=stop)
    reporter.start()
    began_s = time.monotonic()
    try:
        for heard in source:
            for message in bridge.take(heard):
                watched.frame_at = heard.received_at
                sink.publish(message)
                reporter.frames += 1
            if stop.is_set() or (most_frames is not None and reporter.frames >= most_frames):
                break
    finally:
        source.close()
        reporter.finish()
    return time.monotonic() - began_s


class _Watched:
    """A camera as the status sees it.

    One that never sends is as old as our listening: a camera may leave out empty frames, but then
    nobody can tell whether it still looks.
    """

    def __init__(self, source: Source, *, began_at: UtcTime) -> None:
        self.frame_at = began_at
        self._source = source

    def frame_age_s(self, now: UtcTime) -> float | None:
        """Return how long ago the last frame was heard."""
        return max(0.0, now.seconds_since(self.frame_at))

    def close(self) -> None:
        """Stop listening."""
        self._source.close()


def _now_and_then(count: int) -> bool:
    """Pick the 1st, 2nd, 3rd, 5th, 9th, 17th … of what may come by the thousand."""
    return (count - 1).bit_count() <= 1
