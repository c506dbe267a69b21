"""The running fusion service: MQTT -> journal -> engine -> store -> MQTT.

Order is everything. A message is written to the journal and flushed to the disk before the broker
may forget it; then the engine steps; then what happened is saved, with the place in the journal,
in one transaction; only then is it published. So whatever dies, the next start finds a message
either at the broker or in the journal, and knows which of them the store has seen. It begins with
the last snapshot of the engine and what the journal has behind it.
"""

import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeVar

from edge.messages import (
    AnyFieldMessage,
    InvalidMessageError,
    PositionMessage,
    Topic,
    UtcTime,
    decode,
    encode,
)
from fusion.announcer import Announcer, Door
from fusion.engine import Engine
from fusion.events import Event, MessageLate, MessageRefused, TracksUpdated
from fusion.intake import Refusals, sender_of, sender_on
from fusion.journal import Journal, Position, Recorded
from fusion.link import Delivery, Link, is_ours
from fusion.saving import Rejection
from fusion.sector import Sector
from fusion.snapshot import UnfitSnapshotError
from fusion.snapshot_folder import ignored
from fusion.snapshotter import Snapshotter
from fusion.store import Store, StoreUnavailableError

Clock = Callable[[], UtcTime]

TICK_S: Final = 0.5
STATUS_S: Final = 5.0
BATCH: Final = 256  # messages that share one flush to the disk and one transaction
RECOVERY_HORIZONS: Final = 2.0  # how much of the journal rebuilds the state without a snapshot
_NOTE_S: Final = 0.02  # an alert that was taken is noted so soon: else a restart repeats it
_RETRY_S: Final = (0.2, 5.0)  # first and longest wait for a disk or database that refuses
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class _StoppedError(Exception):
    """`stop` came while a disk or database kept refusing, or during recovery."""


class _Accepted(NamedTuple):
    recorded: Recorded
    message: AnyFieldMessage


class Service:
    """One sector's engine and what it is wired to. Everything runs in the caller's thread."""

    def __init__(  # noqa: PLR0913 - what a service is wired to
        self,
        sector: Sector,
        *,
        link: Link,
        journal: Journal,
        store: Store,
        clock: Clock,
        stop: threading.Event,
        snapshots: Snapshotter | None = None,
        journal_keep_s: float | None = None,
    ) -> None:
        """Wire the parts; they stay the caller's to close.

        Without `snapshots` recovery has the journal alone. With `journal_keep_s`, segments of the
        journal that are older, and that no recovery would read, are removed.
        """
        self._sector = sector
        self._link = link
        self._journal = journal
        self._store = store
        self._clock = clock
        self._stop = stop
        self._snapshots = snapshots
        self._journal_keep_s = journal_keep_s
        self._engine = Engine(sector)
        self._announcer = Announcer(sector.id, link)
        self._malformed = Refusals()
        self._last_fault = ""
        self._rejected = sum(store.rejected(sector.id).values())

    def run(self) -> None:
        """Recover, then serve until `stop`."""
        try:
            self._recover()
            self._link.start()
            try:
                self._serve()
            finally:
                self._say_status(online=False)
                self._link.stop()
            self._note_taken()
            if self._snapshots is not None:
                self._snapshots.take_last(self._engine, self._journal.end)
        except _StoppedError:
            _log.warning("stopped while it waited: the journal has what the store has not")
        finally:
            if self._snapshots is not None:
                self._snapshots.abandon()

    def _serve(self) -> None:
        next_tick_s = next_status_s = time.monotonic()
        was_connected = False
        while not self._stop.is_set():
            wait_s = max(0.0, next_tick_s - time.monotonic())
            if self._announcer.waits:
                wait_s = min(wait_s, _NOTE_S)
            deliveries = self._link.receive(at_most=BATCH, within_s=wait_s)
            if deliveries:
                self._take(deliveries)
            self._note_taken()
            now_s = time.monotonic()
            if now_s >= next_tick_s:
                next_tick_s = now_s + TICK_S
                self._tick()
                self._keep_house()
            connected = self._link.connected
            if now_s >= next_status_s or (connected and not was_connected):
                next_status_s = now_s + STATUS_S
                self._say_status(online=True)
                waiting = partial(self._store.unpublished_alerts, self._sector.id)
                self._announcer.alerts(self._insist(waiting))
            was_connected = connected

    def _tick(self) -> None:
        now = self._clock()
        events = self._advance(partial(self._engine.tick, now))
        self._keep(events, rejections=list(_rejections(events, now)))

    def _keep_house(self) -> None:
        """Take a snapshot when it is time, and let go of what no recovery needs any more.

        Called when the engine has taken every message of the journal and the store knows what
        came of it.
        """
        if self._snapshots is None:
            return
        finished = self._snapshots.attend(self._engine, self._journal.end)
        needed = self._snapshots.folder.first_segment_needed() if finished else None
        if needed is None or self._journal_keep_s is None:
            return
        keep_s = max(self._journal_keep_s, RECOVERY_HORIZONS * self._sector.rules.time.horizon_s)
        try:
            gone = self._journal.forget(
                before_segment=needed, older_than=self._clock().after(-keep_s)
            )
        except OSError as error:
            _log.error("cannot remove what is old of the journal: %s", error.strerror)
            return
        for name in gone:
            _log.info("removed %s: older than %.1f days", name, keep_s / 86_400.0)

    def _take(self, deliveries: Sequence[Delivery]) -> None:
        """Bring one batch all the way: disk, broker, engine, store, MQTT.

        A message is acknowledged once it is on disk: in the journal, or refused in the store.
        """
        accepted: list[_Accepted] = []
        rejections: list[Rejection] = []
        refused: list[Delivery] = []
        for delivery in deliveries:
            if is_ours(delivery.topic):
                continue
            recorded = Recorded(self._clock(), delivery.topic, delivery.payload)
            try:
                accepted.append(_Accepted(recorded, _decoded(recorded)))
            except InvalidMessageError as error:
                rejections.append(Rejection(*recorded, reason=str(error)))
                refused.append(delivery)
                self._malformed.count(sender_on(delivery.topic), "malformed")
        position = None
        if accepted:
            lines = [item.recorded for item in accepted]
            position = self._insist(partial(self._journal.append, lines))
        self._link.acknowledge_all(one for one in deliveries if one not in refused)
        events = [event for item in accepted for event in self._step(item, rejections)]
        self._keep(events, position, rejections)
        for delivery in refused:
            self._link.acknowledge(delivery)
        self._announcer.receipts(item.message for item in accepted)

    def _step(self, item: _Accepted, rejections: list[Rejection]) -> Sequence[Event]:
        """Let the engine take a message; refused or too late for it, it joins the rejections."""
        at = item.recorded.received_at
        # First the time that has passed, by itself: a fault in it must not cost this message.
        events = [
            *self._advance(partial(self._engine.tick, at)),
            *self._advance(partial(self._engine.step, item.message, received_at=at)),
        ]
        rejections.extend(_rejections(events, at, item))
        return events

    def _advance(self, action: Callable[[], Sequence[Event]]) -> Sequence[Event]:
        """Let the engine work; a fault of its own must not stop the stream for good."""
        try:
            return action()
        except Exception as error:  # noqa: BLE001 - logged whole; else one would stop all devices
            # The message that did it is in the journal: `fusion replay` shows the fault again.
            if repr(error) != self._last_fault:
                _log.exception("fault in the engine; going on")
            self._last_fault = repr(error)
            return ()

    def _keep(
        self,
        events: Sequence[Event],
        position: Position | None = None,
        rejections: Sequence[Rejection] = (),
    ) -> None:
        """Save what happened, then publish it."""
        if not (events or position or rejections):
            return
        new = self._insist(
            partial(
                self._store.save,
                events,
                sector=self._sector.id,
                position=position,
                rejections=rejections,
            )
        )
        for rejection in rejections:
            _log.warning("refused a message on %r: %s", rejection.topic, rejection.reason)
        self._rejected += len(rejections)
        self._announcer.alerts(new)
        for event in events:
            if isinstance(event, TracksUpdated):
                self._announcer.tracks(event.updates)

    def _note_taken(self) -> None:
        if alert_ids := self._announcer.alerts_taken():
            self._insist(partial(self._store.mark_published, alert_ids))

    def _say_status(self, *, online: bool) -> None:
        self._announcer.status(
            self._engine.counts,
            rejected=self._rejected,
            at=self._clock(),
            online=online,
            door=Door.of(self._engine.intake, self._malformed),
        )

    def _insist(self, action: Callable[[], _T]) -> _T:
        """Do it, and again until the disk or the database takes it.

        Meanwhile nothing more is acknowledged: the broker keeps what comes.
        """
        wait_s, longest_s = _RETRY_S
        told = False
        while True:
            try:
                return action()
            except (OSError, StoreUnavailableError) as error:
                if not told:
                    _log.error("%s; trying until it works", error)
                told = True
            if self._stop.wait(wait_s):
                raise _StoppedError
            wait_s = min(2.0 * wait_s, longest_s)

    def _recover(self) -> None:
        """Bring the engine to where it was, and the store to where the journal is.

        The engine begins with a snapshot, or empty and some way back in the journal; what the
        journal has behind that goes through it. Of what comes out, only that from behind the
        place which the store knows is new to it. A store that knows no place in this journal is
        filled from its beginning.
        """
        last = self._journal.last_received_at
        if last is None:
            return
        known = self._store.position(self._sector.id)
        if known is not None and not self._journal.holds(known):
            _log.warning("the store was filled from another journal; this one is read whole")
            known = None
        begun = None if known is None else self._restore(known)
        tail_s = RECOVERY_HORIZONS * self._sector.rules.time.horizon_s
        since = last.after(-tail_s) if begun is None and known is not None else None
        _log.info("recovering from %s", "the journal" if begun is None else f"a snapshot, {begun}")
        began_s, count, unsaved = time.monotonic(), 0, 0
        events: list[Event] = []
        rejections: list[Rejection] = []
        for recorded, position in self._journal.read(since=since, after=begun or known):
            if self._stop.is_set():
                raise _StoppedError
            try:
                item = _Accepted(recorded, _decoded(recorded))
            except InvalidMessageError as error:
                _log.warning("left out of recovery: %s: %s", recorded.topic, error)
                continue
            count += 1
            if known is not None and position <= known:
                self._step(item, [])
                continue
            events.extend(self._step(item, rejections))
            unsaved += 1
            if unsaved % BATCH == 0:
                self._keep(events, position, rejections)
                events, rejections = [], []
        self._keep(events, self._journal.end, rejections)
        _log.info(
            "recovered: %d messages read from the journal, %d of them new to the store, in %.1f s",
            count,
            unsaved,
            time.monotonic() - began_s,
        )

    def _restore(self, known: Position) -> Position | None:
        """Let the engine be what the newest fit snapshot holds; return its place in the journal.

        One that stands behind the place that the store knows is not fit: what happened between
        the two would never be saved.
        """
        if self._snapshots is None:
            return None
        for position, body in self._snapshots.folder.read():
            if position > known or not self._journal.holds(position):
                ignored(position, "the store, or the journal, is older than it")
                continue
            gc.disable()  # it would go through what is being built again and again
            try:
                self._engine = Engine.restored(self._sector, body)
            except UnfitSnapshotError as error:
                ignored(position, str(error))
                continue
            finally:
                gc.enable()
            self._snapshots.restored(position)
            return position
        return None


def _rejections(
    events: Sequence[Event], at: UtcTime, item: _Accepted | None = None
) -> Iterator[Rejection]:
    """Put on record what the engine refused: the message that came, or one held until now."""
    for event in events:
        if not isinstance(event, MessageRefused | MessageLate):
            continue
        message = event.message
        if item is not None and message is item.message:
            yield Rejection(*item.recorded, reason=event.reason)
            continue
        kind = "position" if isinstance(message, PositionMessage) else "detections"
        topic = Topic(message.sector, sender_of(message), kind)
        yield Rejection(at, str(topic), encode(message), event.reason)


def _decoded(recorded: Recorded) -> AnyFieldMessage:
    """Read one message.

    Raises:
        InvalidMessageError: It breaks the contract.
    """
    try:
        recorded.payload.decode()  # the decoder does not look into fields that it skips
    except UnicodeDecodeError as error:
        msg = f"the payload is not UTF-8 at byte {error.start}"
        raise InvalidMessageError(msg) from error
    return decode(recorded.topic, recorded.payload)
