"""The door of the engine: may a well-formed message be true, and when was it captured really.

    message ──▶ whose sector? ──▶ clock of its device ──▶ flood? ──▶ jump? ──▶ at_s, sigma_t_s
                                  └ unsure: held for seconds, until the next ones tell

Whatever is wrong with one device stays with that device: its times are moved by what its clock is
off, what cannot be true is refused, and both are counted by device and reason. A right clock and
a receiver that does not jump leave no trace here, in whatever order their messages come.
Pure: time comes with the messages.
"""

import math
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from edge.messages import (
    FUSION,
    AnyFieldMessage,
    DetectionsMessage,
    PositionMessage,
    Sensor,
    SensorKind,
    StatusMessage,
)
from fusion.device_clock import DeviceClock, Heard, Lag
from fusion.local_frame import LocalFrame
from fusion.rulebook import Rules
from fusion.whereabouts import Spot, Whereabouts

SENDERS_KEPT: Final = 4096  # beyond, those not heard for longest are forgotten
_SHED: Final = 512
_COUNTED: Final = 1000  # senders; beyond, all others count together
_HELD: Final = 256  # messages of one sender
_HELD_IN_ALL: Final = 4096
_HELD_S: Final = 10.0
_LATE_MARGIN_S: Final = 30.0
_SECONDS: Final = 1024  # event seconds of a device that are counted at once
_R68_PER_SIGMA: Final = 1.5096
_TOUCHES: Final = 3  # messages from another place that make it the place of a fixed sensor
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_INF: Final = float("inf")


class Admitted(NamedTuple):
    """A message that may be filed."""

    message: AnyFieldMessage
    at_s: float | None  # when it was captured really, seconds since 1970; None: a last will
    sigma_t_s: float  # error of that; 0 for a clock that is believed


class Refused(NamedTuple):
    """A message that cannot be true."""

    message: AnyFieldMessage
    code: str  # docs/sector.md says of each what it means
    text: str


class Refusals:
    """How many messages were refused, by device and reason; memory is bounded."""

    def __init__(self) -> None:
        """Begin with none."""
        self._counts: dict[str, dict[str, int]] = {}

    def count(self, sender: str, code: str, number: int = 1) -> None:
        """Count; senders beyond the bound count together, under a name that no device has."""
        if sender not in self._counts and len(self._counts) >= _COUNTED:
            sender = FUSION
        codes = self._counts.setdefault(sender, {})
        codes[code] = codes.get(code, 0) + number

    @property
    def by_sender(self) -> Mapping[str, Mapping[str, int]]:
        """Return every count."""
        return self._counts

    def worst(self, limit: int, *others: "Refusals") -> dict[str, dict[str, int]]:
        """Return the counts of the senders with most, those of others added, by name."""
        both = Refusals()
        for one in (self, *others):
            for sender, codes in one.by_sender.items():
                for code, number in codes.items():
                    both.count(sender, code, number)
        total = sorted(both._counts, key=lambda name: (-sum(both._counts[name].values()), name))
        return {name: dict(sorted(both._counts[name].items())) for name in sorted(total[:limit])}


class _Frames:
    """How many frames fell into each second of a device's time: a ring, two bytes a second."""

    __slots__ = ("_counts", "_turns")

    def __init__(self) -> None:
        self._turns = bytearray(_SECONDS)  # how often the ring had gone round then, modulo 256
        self._counts = bytearray(_SECONDS)

    def one_more(self, at_s: float) -> int:
        """Count one; return how many there are now in its second, at most 255."""
        turn, slot = divmod(math.floor(at_s), _SECONDS)
        turn &= 0xFF
        if self._turns[slot] != turn:
            self._turns[slot], self._counts[slot] = turn, 0
        count = min(255, self._counts[slot] + 1)
        self._counts[slot] = count
        return count


class _Sender:
    """What is known of one device or unit."""

    __slots__ = ("away", "clock", "flags", "frames", "heard_s", "held", "place", "whereabouts")

    def __init__(self, clock: DeviceClock) -> None:
        self.clock = clock
        self.heard_s = -_INF
        self.frames: _Frames | None = None
        self.whereabouts: Whereabouts | None = None
        self.place: Sensor | None = None  # of a fixed sensor
        self.away = 0  # messages in a row from another place
        self.held: list[tuple[float, AnyFieldMessage]] = []
        self.flags: dict[str, int] = {}


class Intake:
    """Judges every message before it is filed; memory is bounded."""

    def __init__(self, rules: Rules, frame: LocalFrame, sector_id: str) -> None:
        """Know nobody."""
        self._rule = rules.intake
        self._time = rules.time
        self._frame = frame
        self._sector_id = sector_id
        self._senders: dict[str, _Sender] = {}
        self._clocks: dict[str, DeviceClock] = {}
        self._lag = Lag()
        self._held = 0
        self._release_s = _INF  # by then somebody's messages are released
        self.refusals = Refusals()

    @property
    def clock_offsets_s(self) -> dict[str, float]:
        """Return what is added to the times of each device whose clock is wrong."""
        return {
            name: clock.offset_s for name, clock in sorted(self._clocks.items()) if clock.offset_s
        }

    @property
    def flags(self) -> dict[str, dict[str, int]]:
        """Return what is odd about a device though its messages are taken, and how often."""
        flags = {name: dict(one.flags) for name, one in sorted(self._senders.items()) if one.flags}
        for name, clock in self._clocks.items():
            if clock.jumps:
                flags.setdefault(name, {})["clock_jump"] = clock.jumps
        return flags

    def admit(self, message: AnyFieldMessage, received_s: float) -> list[Admitted | Refused]:
        """Judge one message; with it may come earlier ones, which were held until now.

        A message that is held is in no list yet: `release` or another message brings it.
        """
        judged = self.release(received_s)
        name = sender_of(message)
        if message.sector != self._sector_id:
            judged.append(self._refused(message, name, "sector", f"{name} is of another sector"))
            return judged
        sender = self._senders.get(name) or self._met(name)
        sender.heard_s = received_s
        heard = self._listen(message, name, sender.clock, received_s)
        if heard is Heard.OPEN and self._may_hold(message, sender, received_s):
            sender.held.append((received_s, message))
            self._held += 1
            self._release_s = min(self._release_s, received_s + _HELD_S)
            return judged
        if sender.held:
            judged += self._release(name, sender)
        if heard is Heard.WRONG:
            text = f"sent_at lies after received_at: the clock of {name} is not settled"
            judged.append(self._refused(message, name, "clock_unsettled", text))
        else:
            judged.append(self._judge(message, name, sender, received_s))
        return judged

    @property
    def holds(self) -> bool:
        """Tell whether anything is held."""
        return self._held > 0

    def release(self, now_s: float) -> list[Admitted | Refused]:
        """Let go of what was held for long enough, and judge it."""
        judged: list[Admitted | Refused] = []
        if now_s < self._release_s:
            return judged
        self._release_s = _INF
        for name, sender in self._senders.items():
            if not sender.held:
                continue
            due_s = sender.held[0][0] + _HELD_S
            if now_s >= due_s:
                judged += self._release(name, sender)
            else:
                self._release_s = min(self._release_s, due_s)
        return judged

    # -- clocks ------------------------------------------------------------------------------

    def _listen(
        self, message: AnyFieldMessage, name: str, clock: DeviceClock, received_s: float
    ) -> Heard:
        if isinstance(message, StatusMessage) and message.online:
            clock.declare(message.clock_offset_s)
        if message.sent_at is None:
            return Heard.RIGHT
        gap_s = received_s - message.sent_at.timestamp()
        floor_s = 0.0
        if clock.needs_floor(gap_s):
            floor_s = self._lag.floor_s(name, received_s - 1.0)
        heard = clock.hear(received_s, gap_s, floor_s)
        if clock.sigma_s == 0.0 and heard is not Heard.WRONG:
            self._lag.note(received_s, gap_s, name)
        return heard

    def _may_hold(self, message: AnyFieldMessage, sender: _Sender, received_s: float) -> bool:
        """Only what would be filed; neither too many nor what would be too late by then."""
        if not isinstance(message, DetectionsMessage | PositionMessage):
            return False
        at_s = message.captured_at.timestamp() + sender.clock.offset_s
        in_time = received_s - at_s < self._time.horizon_s - _LATE_MARGIN_S
        return in_time and len(sender.held) < _HELD and self._held < _HELD_IN_ALL

    def _release(self, name: str, sender: _Sender) -> list[Admitted | Refused]:
        held, sender.held = sender.held, []
        self._held -= len(held)
        return [self._judge(message, name, sender, at_s) for at_s, message in held]

    # -- one message -------------------------------------------------------------------------

    def _judge(
        self, message: AnyFieldMessage, name: str, sender: _Sender, received_s: float
    ) -> Admitted | Refused:
        if message.captured_at is None:
            return Admitted(message, None, 0.0)
        clock = sender.clock
        captured_s = message.captured_at.timestamp()
        at_s = captured_s + clock.offset_s if clock.offset_s else captured_s
        if not isinstance(message, DetectionsMessage | PositionMessage):
            return Admitted(message, at_s, clock.sigma_s)
        if message.sent_at is not None:
            ahead_s = captured_s - message.sent_at.timestamp()
            if ahead_s > self._rule.clock_tolerance_s:
                text = "captured_at lies after sent_at: the clock of"
                return self._refused(message, name, "clock_contradicts", f"{text} {name} jumped")
        if at_s - received_s > self._time.clock_ahead_s:
            why = f"captured_at lies more than {self._time.clock_ahead_s:g} s after received_at"
            text = f"{why}: the clock of {name} is wrong"
            return self._refused(message, name, "clock_ahead", text)
        if sender.frames is None:
            sender.frames = _Frames()
        if sender.frames.one_more(at_s) > self._rule.max_frames_per_s:
            text = f"more than {self._rule.max_frames_per_s} frames of {name} within one second"
            return self._refused(message, name, "flood", text)
        if isinstance(message, PositionMessage):
            refused = self._moved(
                message, name, sender, (at_s, message.lat, message.lon, message.accuracy_m)
            )
        else:
            refused = self._looked_from(message, name, sender, at_s)
        return refused or Admitted(message, at_s, clock.sigma_s)

    def _looked_from(
        self, message: DetectionsMessage, name: str, sender: _Sender, at_s: float
    ) -> Refused | None:
        """Hold the place of a sensor against where it was."""
        sensor, place = message.sensor, sender.place
        if sensor.kind is SensorKind.DRONE:
            return self._moved(message, name, sender, (at_s, sensor.lat, sensor.lon, 0.0))
        if place is None:
            sender.place = sensor
        elif (sensor.lat != place.lat or sensor.lon != place.lon) and (
            sensor.kind is not SensorKind.TIP
        ):
            here = self._frame.to_metres(lat=sensor.lat, lon=sensor.lon)
            there = self._frame.to_metres(lat=place.lat, lon=place.lon)
            if math.dist(here, there) > self._rule.sensor_moved_m:
                sender.flags["sensor_moved"] = sender.flags.get("sensor_moved", 0) + 1
                sender.away += 1
                if sender.away >= _TOUCHES:
                    sender.place, sender.away = sensor, 0
        return None

    def _moved(
        self,
        message: DetectionsMessage | PositionMessage,
        name: str,
        sender: _Sender,
        fix: tuple[float, float, float, float],
    ) -> Refused | None:
        """Tell why a unit or a flying sensor cannot be where it says it is; None: it can."""
        at_s, lat, lon, accuracy_m = fix
        is_unit = isinstance(message, PositionMessage)
        x_m, y_m = self._frame.to_metres(lat=lat, lon=lon)
        if not self._frame.holds(x_m, y_m):
            if is_unit:
                return self._refused(
                    message, name, "elsewhere", f"{name} is nowhere near the sector"
                )
            return None
        speed_mps = self._rule.unit_speed_mps if is_unit else self._rule.drone_speed_mps
        if sender.whereabouts is None:
            sender.whereabouts = Whereabouts(speed_mps=speed_mps, confirm=self._rule.jump_fixes)
        if sender.whereabouts.believes(Spot(at_s, x_m, y_m, accuracy_m / _R68_PER_SIGMA)):
            return None
        text = f"{name} cannot have come so far: faster than {speed_mps:g} m/s"
        return self._refused(message, name, "jump", text)

    def _refused(self, message: AnyFieldMessage, name: str, code: str, text: str) -> Refused:
        self.refusals.count(name, code)
        return Refused(message, code, text)

    def _met(self, name: str) -> _Sender:
        if len(self._senders) >= SENDERS_KEPT:
            oldest = sorted(
                (one.heard_s, name) for name, one in self._senders.items() if not one.held
            )
            for _, gone in oldest[:_SHED]:
                del self._senders[gone], self._clocks[gone]
        clock = DeviceClock(
            tolerance_s=self._rule.clock_tolerance_s,
            settle_s=self._rule.clock_settle_s,
            patience_s=self._time.horizon_s,
        )
        sender = self._senders[name] = _Sender(clock)
        self._clocks[name] = clock
        return sender


def sender_of(message: AnyFieldMessage) -> str:
    """Return the name of the device or unit that a message is from."""
    return message.unit_id if isinstance(message, PositionMessage) else message.device_id


def sender_on(topic: str) -> str:
    """Return the name of whom a topic is, if it can be one; else that which no device has."""
    parts = topic.split("/")
    name = parts[-2] if len(parts) > 1 else ""
    return name if _NAME.fullmatch(name) else FUSION
