"""Keeps the picture live: broker and store on one side, the stream of events on the other.

Everything that touches the picture runs in the server's event loop; paho's thread and the store's
calls only hand over. What cannot be reached is said by `complaints` and tried again.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import Any, Final, Protocol, TypeVar

from msgspec import Raw

from edge.messages import (
    Alert,
    CommandMessage,
    CommandReply,
    Deed,
    Incident,
    InvalidMessageError,
    RefusedError,
    Topic,
    TrackUpdate,
    UtcTime,
    encode,
)
from fusion.day_record import DayRecord
from fusion.events import SuppressedAlert
from fusion.evidence_index import Crop
from fusion.handovers import Signature
from fusion.incident_search import Cursor, IncidentPage, Search
from fusion.past import Past
from fusion.waits import Waits
from maps.layers import collection
from maps.picture import KEPT, Change, Picture
from maps.steps import Steps, UnansweredError
from maps.stream import Stream
from maps.subscriber import Subscriber

log = logging.getLogger(__name__)

POLL_S: Final = 1.0
STORE_LATE_S: Final = 5.0
FUSION_LATE_S: Final = 10.0  # it speaks every 5 s
FUSION_SILENT_S: Final = 15.0
CANARY_LATE_S: Final = 180.0  # one passes through the whole chain every minute
LOG_REJECTED_EVERY_S: Final = 10.0
SNAPSHOT_KEPT_S: Final = 1.0
TAKEN_AT_ONCE: Final = 200

Clock = Callable[[], UtcTime]
_T = TypeVar("_T")


class ReadStore(Protocol):
    """What the maps ask of the store, and the hand-overs they keep there; `Store` is one."""

    def alerts(self, limit: int, *, sector: str) -> list[Alert]:
        """Return a sector's newest alerts, newest first."""

    def incidents_changed_since(
        self, revision: int, *, limit: int, sector: str
    ) -> tuple[int, list[Incident]]:
        """Return the latest incidents changed after a revision (0: all), and the last revision."""

    def incidents_opened(self, since: UtcTime, until: UtcTime, *, sector: str) -> list[Incident]:
        """Return a sector's incidents that were opened in a time, in order."""

    def waits(
        self, incidents: Sequence[Incident], since: UtcTime, until: UtcTime, *, sector: str
    ) -> dict[str, Waits]:
        """Return how long people took for incidents that were opened in a time, by incident."""

    def find_incidents(
        self, search: Search, *, limit: int, cursor: Cursor | None = None
    ) -> IncidentPage:
        """Return the newest incidents that match, or those next to a cursor."""

    def incident(self, incident_id: str) -> Incident | None:
        """Return an incident as it stands."""

    def alerts_named(self, alert_ids: Sequence[str]) -> list[Alert]:
        """Return these alerts, those that there are, in the order in which they were issued."""

    def incidents_named(self, incident_ids: Sequence[str]) -> list[Incident]:
        """Return these incidents as they stand, those that there are, in order."""

    def tracks_named(self, track_ids: Sequence[str]) -> list[TrackUpdate]:
        """Return the last line of each of these tracks that there are."""

    def crops_of(self, track_ids: Sequence[str], *, sector: str) -> list[Crop]:
        """Return the crops that show some tracks, in order of their time."""

    def crop(self, evidence_id: str, *, sector: str) -> Crop | None:
        """Return a crop; None: there is none."""

    def incidents_shown_by(self, evidence_id: str, *, sector: str) -> list[Incident]:
        """Return the incidents that a crop's tracks were ever said to be of."""

    def held_back(
        self, since: UtcTime, until: UtcTime, *, sector: str, limit: int
    ) -> list[SuppressedAlert]:
        """Return what was held back in a time, in order; the latest."""

    def open_incidents(self, limit: int, *, sector: str) -> tuple[int, list[Incident]]:
        """Return how many incidents wait for people, and the latest of them, newest first."""

    def steps_taken(self, since: UtcTime, until: UtcTime, *, sector: str) -> dict[str, int]:
        """Return how many steps of each verb people took in a time."""

    def sign(self, signature: Signature) -> Signature:
        """Keep a signature under a hand-over; return what is kept: of two the first."""

    def signatures_of(self, handover_id: str) -> list[Signature]:
        """Return the signatures under a hand-over: who gave it, then who took it."""

    def signatures(self, limit: int, *, sector: str) -> list[Signature]:
        """Return a sector's latest signatures, newest first."""

    def deeds(self, incident_id: str) -> list[Deed]:
        """Return every command about an incident, in order."""

    def deed(self, message_id: str) -> Deed | None:
        """Return what became of a command."""

    def day_record(self, sector: str) -> AbstractContextManager[DayRecord]:
        """Give what the figures of a sector's days are made of."""

    def past(self, sector: str) -> AbstractContextManager[Past]:
        """Give what the store knows of a sector's past."""


class Feed:
    """The live picture of one sector and the stream of its changes."""

    def __init__(
        self,
        sector_id: str,
        *,
        broker_url: str,
        open_store: Callable[[], ReadStore],
        clock: Clock,
        run_id: str,
    ) -> None:
        """Prepare; `running` connects.

        Args:
            sector_id: Whose picture.
            broker_url: `mqtt://host[:port]`.
            open_store: Opens the store; may raise RefusedError until fusion has made it.
            clock: This process's clock.
            run_id: Tells the events of this run from those of others.

        Raises:
            RefusedError: The broker's address is none.
        """
        self.clock = clock
        self.picture = Picture(sector_id)
        self.stream = Stream(run_id, beat=self.beat)
        self.messages: Counter[str] = Counter()  # by last word of the topic
        self.rejected = 0
        self._subscriber = Subscriber(broker_url, sector_id, self._hand_over)
        self.steps = Steps(sector_id, self._subscriber.send)
        self._open_store = open_store
        self._store: ReadStore | None = None
        self._revision = 0
        self._store_answered_s: float | None = None  # monotonic
        self._store_complaint = "the store was not asked yet"
        self._logged_rejected_s = -LOG_REJECTED_EVERY_S
        self._layers: dict[str, Any] | None = None  # the last snapshot
        self._layers_made_s = 0.0
        self._handed: deque[tuple[str, bytes, bool]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen, poll and tick while the block lasts."""
        self._loop = asyncio.get_running_loop()
        self._subscriber.start()
        self._tasks = [asyncio.create_task(self._poll_store()), asyncio.create_task(self._tick())]
        try:
            yield
        finally:
            self.stream.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await asyncio.to_thread(self._subscriber.stop)

    def take(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """Accept one MQTT message; a bad one is counted, and never stops the feed."""
        try:
            changes = self.picture.take(
                topic, payload, received_at=self.clock(), retained=retained
            )
            if topic == self.steps.replies:
                self.steps.hear(payload)
        except InvalidMessageError as error:
            self.rejected += 1
            now_s = time.monotonic()
            if now_s - self._logged_rejected_s >= LOG_REJECTED_EVERY_S:
                self._logged_rejected_s = now_s
                log.warning("message on %r set aside (%d so far): %s", topic, self.rejected, error)
            return
        self.messages[Topic.parse(topic).kind] += 1
        self.stream.publish(changes)

    async def step(self, command: CommandMessage) -> CommandReply:
        """Let fusion take a step; an answer that was lost on its way is in the store.

        Raises:
            UnansweredError: It did not answer.
        """
        try:
            return await self.steps.take(command)
        except UnansweredError:
            with suppress(RefusedError):
                deed = await self.ask(lambda store: store.deed(command.message_id))
                if deed is not None:
                    now = await self.ask(lambda store: store.incident(command.incident_id))
                    return CommandReply(deed=deed, incident=now)
            raise

    async def ask(self, question: Callable[[ReadStore], _T]) -> _T:
        """Ask the store, in a thread of its own.

        Raises:
            RefusedError: It does not answer, or fusion has not made it yet.
        """
        return await asyncio.to_thread(lambda: question(self._opened()))

    def complaints(self) -> list[str]:
        """Return why the picture may not be live; empty when all is well."""
        complaints = []
        if not self._subscriber.connected:
            complaints.append(f"broker {self._subscriber.address} is not connected")
        if not self.store_answers:
            complaints.append(f"store: {self._store_complaint}")
        if any(task.done() for task in self._tasks):
            complaints.append("the map has stopped following the sector: restart it")
        return complaints

    @property
    def broker_connected(self) -> bool:
        """Whether the broker is there now."""
        return self._subscriber.connected

    @property
    def store_answers(self) -> bool:
        """Whether the store answered lately."""
        answered_s = self._store_answered_s
        return answered_s is not None and time.monotonic() - answered_s < STORE_LATE_S

    @property
    def fusion_age_s(self) -> float | None:
        """Seconds since fusion said how it is; None: never."""
        heard_at = self.picture.fusion_heard_at
        return None if heard_at is None else max(self.clock().seconds_since(heard_at), 0.0)

    @property
    def canary_age_s(self) -> float | None:
        """Seconds since a message of fusion's own set out that came through; None: none did yet.

        By fusion's clock, then by ours: how far the two are apart does not matter.
        """
        fusion, age_s = self.picture.fusion, self.fusion_age_s
        if fusion is None or age_s is None or fusion.at is None or fusion.canary_at is None:
            return None
        return max(fusion.at.seconds_since(fusion.canary_at), 0.0) + age_s

    def tell_fusion(self) -> str:
        """Say how fusion is: `online`, `offline since …`, `silent since …` or `never heard`.

        Or that it is there, and no message comes through to its store: `chain broken for … s`.
        """
        fusion, heard_at, age_s = (
            self.picture.fusion,
            self.picture.fusion_heard_at,
            self.fusion_age_s,
        )
        if fusion is None or heard_at is None or age_s is None:
            return "never heard"
        if not fusion.online:
            return f"offline since {heard_at.rfc3339()}"
        if age_s > FUSION_SILENT_S:
            return f"silent since {heard_at.rfc3339()}"
        canary_s = self.canary_age_s
        is_late = canary_s is not None and canary_s > CANARY_LATE_S
        return f"chain broken for {canary_s:.0f} s" if is_late else "online"

    def beat(self) -> dict[str, Any]:
        """Return what tells a viewer whether the picture is live."""
        fusion, age_s, canary_s = self.picture.fusion, self.fusion_age_s, self.canary_age_s
        return {
            "now": self.clock(),
            "broker_connected": self.broker_connected,
            "store_answers": self.store_answers,
            "fusion_online": fusion is not None and fusion.online,
            "fusion_age_s": age_s,
            "canary_age_s": canary_s,
            "live": (
                self.broker_connected
                and fusion is not None
                and fusion.online
                and age_s is not None
                and age_s <= FUSION_LATE_S
                and (canary_s is None or canary_s <= CANARY_LATE_S)
            ),
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the whole picture with the id of the last event that is in it.

        It may be a second old, so that many who come at once cost no more than one: the stream
        sends what came after its id.
        """
        made_s = time.monotonic()
        if self._layers is None or made_s - self._layers_made_s > SNAPSHOT_KEPT_S:
            kinds = ("track", "alert", "incident", "device", "patrol")
            layers = {f"{kind}s": collection(self.picture.features(kind)) for kind in kinds}
            self._layers = {
                "event_id": self.stream.last_id,
                **{name: Raw(encode(layer)) for name, layer in layers.items()},
            }
            self._layers_made_s = made_s
        return {"beat": self.beat(), **self._layers}

    # -- inside

    def _hand_over(self, topic: str, payload: bytes, retained: bool) -> None:  # noqa: FBT001 - paho's order
        """Bring a message from paho's thread to the event loop, with all that come meanwhile."""
        self._handed.append((topic, payload, retained))
        if len(self._handed) == 1 and self._loop is not None and not self._loop.is_closed():
            with suppress(RuntimeError):  # the loop closed between the question and the call
                self._loop.call_soon_threadsafe(self._take_handed)

    def _take_handed(self) -> None:
        """Take what paho's thread brought, some at a time: others want the event loop too."""
        try:
            for _ in range(min(len(self._handed), TAKEN_AT_ONCE)):
                topic, payload, retained = self._handed.popleft()
                self.take(topic, payload, retained=retained)
        finally:
            if self._handed and self._loop is not None:
                self._loop.call_soon(self._take_handed)

    async def _tick(self) -> None:
        while True:
            self.stream.publish(self.picture.tick(self.clock()))
            await asyncio.sleep(POLL_S)

    async def _poll_store(self) -> None:
        while True:
            try:
                alerts, incidents = await asyncio.to_thread(self._ask_store)
            except RefusedError as error:
                if str(error) != self._store_complaint:
                    log.warning("store: %s", error)
                self._store_complaint = str(error)
            else:
                self._store_answered_s = time.monotonic()
                self.stream.publish(self._merge(alerts, incidents))
            await asyncio.sleep(POLL_S)

    def _ask_store(self) -> tuple[Sequence[Alert], Sequence[Incident]]:
        """Ask what changed; alerts too, in case one was missed on MQTT. Blocks."""
        store, sector = self._opened(), self.picture.sector_id
        last, incidents = store.incidents_changed_since(
            self._revision, limit=KEPT["incident"], sector=sector
        )
        alerts = store.alerts(KEPT["alert"], sector=sector) if incidents else []
        self._revision = last  # only when both were read, else the next poll would miss them
        return alerts, incidents

    def _opened(self) -> ReadStore:
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _merge(self, alerts: Sequence[Alert], incidents: Sequence[Incident]) -> list[Change]:
        return [*self.picture.take_incidents(incidents), *self.picture.take_alerts(alerts)]
