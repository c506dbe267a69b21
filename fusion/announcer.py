"""What fusion says over MQTT: alerts, track lines, receipts, how it is."""

import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Final, NamedTuple, Self

from edge.messages import (
    FUSION,
    Alert,
    AnyFieldMessage,
    CommandReply,
    FusionStatus,
    ReceiptsMessage,
    Topic,
    TrackUpdate,
    UtcTime,
    encode,
)
from fusion.engine import Counts
from fusion.intake import Intake, Refusals, sender_of
from fusion.link import Link

TOLD: Final = 50  # devices of each kind of oddity
_RECEIPTS_S: Final = 2.0
_IDS: Final = 500  # in one message: 64 KiB at most
_VERSION: Final = version("tuanbien")


class Door(NamedTuple):
    """What the engine's intake and the decoder had to do, by device."""

    refused_by: dict[str, dict[str, int]]
    clock_offsets_s: dict[str, float]
    noted: dict[str, dict[str, int]]

    @classmethod
    def of(cls, intake: Intake, malformed: Refusals) -> Self:
        """Tell of the worst; a status message stays small."""
        offsets_s, noted = intake.clock_offsets_s, intake.flags
        far = sorted(offsets_s, key=lambda name: (-abs(offsets_s[name]), name))[:TOLD]
        odd = sorted(noted, key=lambda name: (-sum(noted[name].values()), name))[:TOLD]
        return cls(
            intake.refusals.worst(TOLD, malformed),
            {name: offsets_s[name] for name in sorted(far)},
            {name: noted[name] for name in sorted(odd)},
        )


QUIET: Final = Door({}, {}, {})


class Passed(NamedTuple):
    """A canary that came through the whole chain."""

    at: UtcTime  # published
    took_s: float  # until it was stored


class Receipts:
    """Tells each device what is on our disk, so that it may forget it.

    Said every two seconds: a receipt for each message would be as much work as the messages.
    """

    def __init__(self, sector_id: str, link: Link) -> None:
        """Speak over this link."""
        self._sector_id = sector_id
        self._link = link
        self._by_sender: dict[str, list[str]] = {}
        self._sent_s = time.monotonic()

    def add(self, messages: Iterable[AnyFieldMessage]) -> None:
        """Note what is on the disk."""
        for message in messages:
            self._by_sender.setdefault(sender_of(message), []).append(message.message_id)

    def send_due(self) -> None:
        """Send them if it is time."""
        if time.monotonic() >= self._sent_s + _RECEIPTS_S:
            self.send()

    def send(self) -> None:
        """Send them."""
        self._sent_s = time.monotonic()
        by_sender, self._by_sender = self._by_sender, {}
        for sender, message_ids in by_sender.items():
            topic = str(Topic(self._sector_id, sender, "receipts"))
            for begin in range(0, len(message_ids), _IDS):
                part = tuple(message_ids[begin : begin + _IDS])
                receipts = ReceiptsMessage(v=1, message_ids=part)
                self._link.publish(topic, encode(receipts), qos=1)


class Announcer:
    """Speaks for one sector, and remembers which alerts the broker has not taken yet."""

    def __init__(self, sector_id: str, link: Link) -> None:
        """Speak over this link."""
        self._sector_id = sector_id
        self._link = link
        self._on_their_way: dict[int, str] = {}  # number of a message -> alert id

    def alerts(self, alerts: Sequence[Alert]) -> None:
        """Publish alerts that are not on their way yet."""
        on_their_way = set(self._on_their_way.values())
        for alert in alerts:
            if alert.alert_id not in on_their_way:
                number = self._link.publish(self._topic("alerts"), encode(alert), qos=1)
                if number is not None:
                    self._on_their_way[number] = alert.alert_id

    @property
    def waits(self) -> bool:
        """Whether an alert is on its way to the broker."""
        return bool(self._on_their_way)

    def alerts_taken(self) -> list[str]:
        """Return the alerts that the broker has taken since the last call."""
        numbers = self._link.taken() & self._on_their_way.keys()
        return [self._on_their_way.pop(number) for number in sorted(numbers)]

    def replies(self, replies: Iterable[CommandReply]) -> None:
        """Answer commands; who asked and hears nothing finds the answer in the store."""
        for reply in replies:
            self._link.publish(self._topic("replies"), encode(reply), qos=1)

    def tracks(self, updates: Iterable[TrackUpdate]) -> None:
        """Publish track lines; who is not listening now misses them."""
        self._link.publish_all(self._topic("tracks"), map(encode, updates))

    def status(  # noqa: PLR0913 - what a status says
        self,
        counts: Counts,
        *,
        rejected: int,
        at: UtcTime,
        online: bool,
        door: Door = QUIET,
        canary: Passed | None = None,
        history_forgotten: int = 0,
        evidence_kept: int = 0,
        evidence_lost: int = 0,
        evidence_forgotten: int = 0,
    ) -> None:
        """Tell how fusion is; that it goes offline is waited for a little."""
        status = FusionStatus(
            v=1,
            sector=self._sector_id,
            online=online,
            at=at,
            version=_VERSION,
            messages=counts.messages,
            detections=counts.detections,
            rejected=rejected,
            duplicates=counts.duplicates,
            late=counts.late,
            tracks=counts.tracks,
            alerts=counts.alerts,
            untracked=counts.untracked,
            refused_by=door.refused_by or None,
            clock_offsets_s=door.clock_offsets_s or None,
            noted=door.noted or None,
            canary_at=None if canary is None else canary.at,
            canary_s=None if canary is None else round(canary.took_s, 3),
            history_forgotten=history_forgotten or None,
            evidence_kept=evidence_kept or None,
            evidence_lost=evidence_lost or None,
            evidence_forgotten=evidence_forgotten or None,
        )
        if not online:
            self._link.publish_last(self._topic("status"), encode(status))
        elif self._link.connected:
            # Without a broker it would only wait there to be told when it is no longer true.
            self._link.publish(self._topic("status"), encode(status), qos=1, retain=True)

    def _topic(self, kind: str) -> str:
        return str(Topic(self._sector_id, FUSION, kind))
