"""From capture to arrival: jitter, copies, losses, links that come back after minutes."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from edge.messages import ROOT, DetectionsMessage, PositionMessage, encode
from tests.benchmarks.scoreboard.movers import Mover
from tests.benchmarks.scoreboard.sector import FRAME, ID
from tests.benchmarks.scoreboard.sightings import BEGAN_AT

_ACCURACY_SIGMAS: Final = 1.5096  # the radius that holds 68 % of a round error
_SENT_AFTER_S: Final = 0.05

Message = DetectionsMessage | PositionMessage


class Links(NamedTuple):
    """How the links of devices are."""

    jitter_s: float = 0.06  # mean of what comes on top of 50 ms
    copies: float = 0.01  # messages that arrive twice
    lost: float = 0.005
    late_share: float = 0.3  # devices whose link fails once, for 1 to 4 minutes; then all arrives
    dead_share: float = 0.1  # devices that are gone for a minute: nothing of it ever arrives


class Line(NamedTuple):
    """One line of a recording."""

    received_s: float  # since the scene began
    topic: str
    payload: bytes

    def encoded(self) -> bytes:
        """Write it as CONTRACT.md has it."""
        at = BEGAN_AT.after(self.received_s).rfc3339()
        head = f'{{"received_at":"{at}","topic":"{self.topic}","payload":'
        return head.encode() + self.payload + b"}\n"


def delivered(
    chance: np.random.Generator,
    sent: Iterable[tuple[float, Message]],
    links: Links,
    until_s: float,
) -> list[Line]:
    """Return what arrives of messages `(captured_s, message)`, in order of arrival."""
    lines: list[Line] = []
    outages: dict[str, tuple[float, float]] = {}
    deaths: dict[str, tuple[float, float]] = {}
    for captured_s, message in sent:
        sender = _sender(message)
        if sender not in outages:
            outages[sender] = _span(chance, links.late_share, (60.0, 240.0), until_s)
            deaths[sender] = _span(chance, links.dead_share, (60.0, 60.0), until_s)
        dead, silent = deaths[sender], outages[sender]
        if chance.random() < links.lost or dead[0] <= captured_s < dead[1]:
            continue
        sent_s = captured_s + _SENT_AFTER_S
        if silent[0] <= sent_s < silent[1]:
            sent_s = silent[1] + 0.02 * (captured_s - silent[0])  # fifty times as fast as live
        lines.append(_line(chance, message, sent_s, links))
        if chance.random() < links.copies:
            lines.append(_line(chance, message, sent_s + chance.uniform(0.5, 5.0), links))
    return sorted(lines)


def positions(
    chance: np.random.Generator, movers: Iterable[Mover], *, every_s: float, accuracy_m: float
) -> Iterator[tuple[float, Message]]:
    """Yield where our own patrols say they are."""
    for mover in movers:
        if mover.unit is None:
            continue
        times_s = np.arange(np.ceil(mover.times_s[0]), mover.times_s[-1], every_s)
        noise = chance.normal(0.0, accuracy_m / _ACCURACY_SIGMAS, (len(times_s), 2))
        for number, (x_m, y_m) in enumerate((mover.at(times_s) + noise).tolist()):
            lat, lon = FRAME.to_wgs84(x_m, y_m)
            yield (
                float(times_s[number]),
                PositionMessage(
                    v=1,
                    message_id=f"{mover.unit}-{number}",
                    unit_id=mover.unit,
                    sector=ID,
                    captured_at=BEGAN_AT.after(float(times_s[number])),
                    lat=round(lat, 8),
                    lon=round(lon, 8),
                    accuracy_m=accuracy_m,
                ),
            )


def _sender(message: Message) -> str:
    return message.unit_id if isinstance(message, PositionMessage) else message.device_id


def _span(
    chance: np.random.Generator, share: float, long_s: tuple[float, float], until_s: float
) -> tuple[float, float]:
    """Return when something happens to a device, or an empty span."""
    happens, start, length = chance.random() < share, chance.random(), chance.uniform(*long_s)
    length = min(length, 0.3 * until_s)
    return (start * (until_s - length), start * (until_s - length) + length) if happens else (0, 0)


def _line(chance: np.random.Generator, message: Message, sent_s: float, links: Links) -> Line:
    stamped = replace(message, sent_at=BEGAN_AT.after(sent_s))
    received_s = round(sent_s + 0.02 + chance.exponential(links.jitter_s), 3)
    topic = f"{ROOT}/{ID}/{_sender(message)}/{message.kind}"
    return Line(received_s, topic, encode(stamped))
