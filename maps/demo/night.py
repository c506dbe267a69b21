"""One night of the demo world on the running chain, and what came of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from edge.config import load_device
from edge.messages import (
    Alert,
    DetectionsMessage,
    InvalidMessageError,
    RefusedError,
    Topic,
    UtcTime,
    decode,
    decode_as,
)
from maps.demo.chain import Chain, Say
from maps.demo.observer import Heard, Observer
from maps.demo.processes import Child, Children
from maps.demo.score import DeviceScore, explained_by, quantiles
from maps.demo.view import Eye
from maps.demo.walkers import Role, TrueCrossing, crossings
from maps.demo.world import WorldFiles

SEED: Final = 1
_MEMORY_EVERY_S: Final = 2.0
PREPARED_WITHIN_S: Final = 400.0  # weights may have to be fetched and exported


class Night:
    """What is known of a night so far."""

    def __init__(
        self, chain: Chain, files: WorldFiles, observer: Observer, began_at: UtcTime
    ) -> None:
        self.chain = chain
        self.observer = observer
        self.began_at = began_at
        self.alerts: dict[str, Alert] = {}
        self.first_alert_s: float | None = None
        self._scores = {
            device: DeviceScore(eye, began_at=began_at, seed=SEED)
            for device, eye in ((eye.config.device_id, eye) for eye in map(_eye, files.devices))
        }
        self._capture_to_fusion_s: list[float] = []
        self._capture_to_map_s: list[float] = []
        self._memory_due_s = 0.0

    @property
    def night_s(self) -> float:
        """Seconds since the night began."""
        return self.chain.clock().seconds_since(self.began_at)

    @property
    def devices_silent(self) -> set[str]:
        """The devices that have not sent a frame yet."""
        return {device for device, score in self._scores.items() if not score.frames}

    def listen(self, *, within_s: float) -> Alert | None:
        """Take what comes next; return it if it is an alert not known yet.

        Raises:
            RefusedError: A process of the chain ended by itself.
        """
        self.chain.children.check()
        if time.monotonic() >= self._memory_due_s:
            self._memory_due_s = time.monotonic() + _MEMORY_EVERY_S
            self.chain.children.memory_mib()
        heard = self.observer.next(within_s=within_s)
        if heard is None:
            return None
        if heard.topic.startswith("stream/"):
            return self._take_event(heard)
        self._take_message(heard)
        return None

    def true_crossings(self, *, until_s: float) -> list[TrueCrossing]:
        """Return the steps over the line that should have raised an alert by now."""
        return [one for one in crossings(0.0, until_s, seed=SEED) if one.role is Role.GROUP]

    def explained(self, alert: Alert) -> list[TrueCrossing]:
        """Return the true crossings that an alert tells of."""
        return explained_by(alert, began_at=self.began_at, seed=SEED)

    def figures(self) -> dict[str, Any]:
        """Return the world's own error so far, as JSON would have it."""
        return {
            "night_s": self.night_s,
            "devices": {device: score.figures() for device, score in self._scores.items()},
            "capture_to_fusion": quantiles(self._capture_to_fusion_s),
            "capture_to_map": quantiles(self._capture_to_map_s),
            "alerts": len(self.alerts),
            "false_alerts": sum(not self.explained(alert) for alert in self.alerts.values()),
            "first_alert_night_s": self.first_alert_s,
            "memory_peak_mib": self.chain.children.memory_mib(),
        }

    def _take_message(self, heard: Heard) -> None:
        if Topic.parse(heard.topic).kind != DetectionsMessage.kind:
            return
        try:
            message = decode(heard.topic, heard.payload)
        except InvalidMessageError as error:
            msg = f"{heard.topic}: {error}"
            raise RefusedError(msg) from error
        score = self._scores.get(Topic.parse(heard.topic).device)
        if isinstance(message, DetectionsMessage) and score is not None:
            score.take(message)
            self._capture_to_fusion_s.append(heard.at.seconds_since(message.captured_at))

    def _take_event(self, heard: Heard) -> Alert | None:
        feature = msgspec.json.decode(heard.payload)
        properties = feature.get("properties") if isinstance(feature, dict) else None
        if properties is None:
            return None
        if heard.topic == "stream/track" and properties["state"] == "confirmed":
            seen_at = UtcTime.parse(properties["t"])
            self._capture_to_map_s.append(heard.at.seconds_since(seen_at))
        if heard.topic == "stream/alert":
            alert = decode_as(msgspec.json.encode(properties), Alert)
            if alert.alert_id not in self.alerts:
                self.alerts[alert.alert_id] = alert
                if self.first_alert_s is None:
                    self.first_alert_s = heard.at.seconds_since(self.began_at)
                return alert
        return None


@contextmanager
def running_night(
    chain: Chain, files: WorldFiles, *, say: Say, prepared_within_s: float = PREPARED_WITHIN_S
) -> Iterator[Night]:
    """Let the devices and the patrol loose while the block lasts.

    Raises:
        RefusedError: The chain or a device does not come up.
    """
    say("preparing the detector and the people (the first time takes longer)")
    preparing = start_preparing(chain.children, files)
    chain.wait_until_live()
    say(f"fusion and the map are ready: {chain.page_url}/")
    chain.children.finish(preparing, within_s=prepared_within_s)
    began_at = start_devices(
        chain.children, files, chain.broker_url, clock_offset_s=chain.clock_offset_s
    )
    observer = Observer(
        broker_url=chain.broker_url,
        sector=chain.sector.id,
        page_url=chain.page_url,
        clock=chain.clock,
    )
    with observer:
        say(f"the night begins, {began_at.astimezone(chain.sector.timezone):%H:%M:%S} local time")
        yield Night(chain, files, observer, began_at)


def start_preparing(children: Children, files: WorldFiles) -> Child:
    """Start what fetches the weights, exports them and cuts the people out; then it ends."""
    return children.start_module(
        "prepare", "maps.demo.device", str(files.devices[0]), "--prepare", lasting=False
    )


def start_devices(
    children: Children, files: WorldFiles, broker_url: str, *, clock_offset_s: float
) -> UtcTime:
    """Start the devices and the patrol; return when their night began."""
    now = UtcTime.read_clock(offset_s=clock_offset_s)
    began_at = UtcTime.parse(now.rfc3339())  # whole milliseconds, as on the wire
    words = (
        *("--broker", broker_url, "--began-at", began_at.rfc3339()),
        f"--clock-offset-s={clock_offset_s!r}",
    )
    for device in files.devices:
        children.start_module(
            device.stem, "maps.demo.device", str(device), *words, "--seed", str(SEED)
        )
    children.start_module("patrol", "maps.demo.patrol", *words)
    return began_at


def _eye(path: Path) -> Eye:
    return Eye.of(load_device(path))
