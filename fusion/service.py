"""The running fusion service: MQTT -> journal -> engine -> store -> MQTT.

Order is everything. A message is written to the journal and flushed to the disk before the broker
may forget it (`fusion.reception`); then the engine steps; then what happened is saved, with the
place in the journal, in one transaction; only then are alerts published. So whatever dies, the
next start finds a message either at the broker or in the journal, and knows which of them the
store has seen. It begins with the last snapshot of the engine and what the journal has behind it.
"""

import gc
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

from msgspec import UNSET

from edge.messages import (
    AnyFieldMessage,
    EvidenceMessage,
    Incident,
    InvalidMessageError,
    PositionMessage,
    Topic,
    UtcTime,
    encode,
)
from fusion.announcer import Announcer, Door, Receipts
from fusion.canary import Canary, ended, is_of_chain
from fusion.engine import Engine
from fusion.events import (
    AlertIssued,
    CommandAnswered,
    Event,
    IncidentChanged,
    MessageLate,
    MessageRefused,
    TracksRevised,
    TracksUpdated,
)
from fusion.evidence import EvidenceFolder
from fusion.evidence_room import EvidenceRoom
from fusion.history import Attendance, Span
from fusion.intake import Refusals, sender_of, sender_on
from fusion.journal import Journal, Position
from fusion.link import Delivery, Link
from fusion.patience import StoppedError, insist
from fusion.reception import BATCH, Accepted, Batch, Clock, Reception, decoded
from fusion.saving import Rejection
from fusion.sector import Sector
from fusion.snapshot import UnfitSnapshotError
from fusion.snapshot_folder import ignored
from fusion.snapshotter import Snapshotter
from fusion.store import Store, StoreUnavailableError
from fusion.workflow import DEEDS_KEPT, KEPT

TICK_S: Final = 0.5
STATUS_S: Final = 5.0
RECOVERY_HORIZONS: Final = 2.0  # how much of the journal rebuilds the state without a snapshot
_NOTE_S: Final = 0.02  # an alert that was taken is noted so soon: else a restart repeats it
_EVENTS: Final = 4096  # that wait for the store at most
_SAVE_S: Final = 1.0  # where nothing but track lines is new: only the last of each is kept
_FAREWELL_S: Final = 1.0  # a clean stop gives what waits for the engine so long
HISTORY_KEEP_S: Final = 30 * 86_400.0
EVIDENCE_KEEP_S: Final = 30 * 86_400.0
_FORGOTTEN_AT_ONCE: Final = 500  # rows: some ms
_FORGET_S: Final = 60.0
_FORGET_MORE_S: Final = 2.0  # while there is more that is too old
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Service:
    """One sector's engine and what it is wired to. All but the reception runs in one thread."""

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
        history_keep_s: float = HISTORY_KEEP_S,
        evidence: EvidenceFolder | None = None,
        evidence_keep_s: float = EVIDENCE_KEEP_S,
    ) -> None:
        """Wire the parts; they stay the caller's to close.

        Without `snapshots` recovery has the journal alone. With `journal_keep_s`, segments of the
        journal that are older, and that no recovery would read, are removed. History is kept for
        `history_keep_s`; 0: none is, and what there is goes. Crops go to the folder `evidence`,
        those that no incident needs for `evidence_keep_s`.
        """
        self._sector = sector
        self._link = link
        self._journal = journal
        self._store = store
        self._clock = clock
        self._stop = stop
        self._snapshots = snapshots
        self._journal_keep_s = journal_keep_s
        self._history_keep_s = history_keep_s
        self._engine = Engine(sector)
        self._announcer = Announcer(sector.id, link)
        self._canary = Canary(sector, link, clock)
        self._reception = Reception(
            link=link,
            journal=journal,
            receipts=Receipts(sector.id, link),
            clock=clock,
            evidence=evidence,
        )
        self._room = (
            None
            if evidence is None
            else EvidenceRoom(sector.id, store, evidence, keep_s=evidence_keep_s)
        )
        self._taken: Position | None = None  # of the journal, the engine has what is before it
        # What the store does not have yet.
        self._events: list[Event] = []
        self._rejections: list[Rejection] = []
        self._refused: list[Delivery] = []
        self._attendance = Attendance()
        self._heard: list[Span] = []
        self._forget_s = -math.inf  # when to look for what history has that is too old
        self._forgotten = 0  # rows of history
        self._saved: Position | None = None
        self._saved_s = -_SAVE_S
        self._malformed = Refusals()
        self._last_fault = ""
        self._rejected = sum(store.rejected(sector.id).values())

    def run(self) -> None:
        """Recover, then serve until `stop`."""
        try:
            self._recover()
            self._link.start()
            self._reception.start()
            try:
                try:
                    self._serve()
                finally:
                    self._reception.stop()
                self._finish()
            finally:
                self._say_status(online=False)
                self._link.stop()
            self._note_taken()
            if self._snapshots is not None:
                self._snapshots.take_last(self._engine, self._taken)
        except StoppedError:
            _log.warning("stopped while it waited: the journal has what the store has not")
        finally:
            if self._snapshots is not None:
                self._snapshots.abandon()

    def _serve(self) -> None:
        next_tick_s = next_status_s = time.monotonic()
        self._canary.begin(next_tick_s, self._insist(self._last_incidents))
        was_connected = False
        while not self._stop.is_set():
            wait_s = max(0.0, next_tick_s - time.monotonic())
            if self._announcer.waits:
                wait_s = min(wait_s, _NOTE_S)
            if self._is_unsaved:
                wait_s = min(wait_s, max(0.0, self._saved_s + _SAVE_S - time.monotonic()))
            batch = self._reception.next_batch(within_s=wait_s)
            if batch is not None:
                self._take(batch)
            now_s = time.monotonic()
            if now_s >= next_tick_s:
                next_tick_s = now_s + TICK_S
                self._tick()
                self._tend_canary(now_s)
                self._attend()
                self._forget_history(now_s)
                if self._room is not None:
                    self._room.tidy(now_s, self._clock())
            if self._is_unsaved and (self._is_urgent or now_s >= self._saved_s + _SAVE_S):
                self._save()
            self._note_taken()
            self._keep_house()
            connected = self._link.connected
            if now_s >= next_status_s or (connected and not was_connected):
                next_status_s = now_s + STATUS_S
                self._say_status(online=True)
                waiting = partial(self._store.unpublished_alerts, self._sector.id)
                self._announcer.alerts(self._insist(waiting))
            was_connected = connected

    def _finish(self) -> None:
        """Take what waits yet; what there is no time for, the next start finds in the journal."""
        ends_s = time.monotonic() + _FAREWELL_S
        while time.monotonic() < ends_s:
            batch = self._reception.next_batch(within_s=0.0)
            if batch is None:
                break
            self._take(batch)
        self._attend(last=True)
        self._save()

    def _note_crop(self, message: AnyFieldMessage) -> None:
        if self._room is not None and isinstance(message, EvidenceMessage):
            self._room.note(message)

    def _tick(self) -> None:
        """Let the clock pass, unless what waits tells the engine the time."""
        if (now := self._reception.quiet_at()) is not None:
            events = self._advance(partial(self._engine.tick, now))
            self._note(events)
            self._rejections += _rejections(events, now)

    def _tend_canary(self, now_s: float) -> None:
        """Send the next one; say that none comes through any more, or that one does again."""
        self._canary.fly(now_s)
        if (missed := self._canary.missed(now_s)) is not None:
            self._tell_of_chain(missed)
        elif (over := self._canary.back()) is not None:
            known = self._insist(partial(self._store.incident, over.incident_id))
            self._tell_of_chain(ended(known or over, self._clock()))

    def _tell_of_chain(self, incident: Incident) -> None:
        """Tell of an incident that no message gave rise to, so that people can work on it."""
        if incident.ended_at is UNSET:
            self._events.append(AlertIssued(self._canary.alert(incident, self._clock())))
        self._events.append(IncidentChanged(incident))
        self._engine.remember([incident], [])

    def _last_incidents(self) -> list[Incident]:
        return self._store.incidents(KEPT, sector=self._sector.id)

    def _keep_house(self) -> None:
        """Take a snapshot when it is time, and let go of what no recovery needs any more.

        A snapshot stands where the store does: behind that, what happened would never be saved.
        """
        if self._snapshots is None or self._is_unsaved:
            return
        finished = self._snapshots.attend(self._engine, self._taken)
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

    def _attend(self, *, last: bool = False) -> None:
        """Note who is heard, and that fusion runs: what was not followed must not look quiet."""
        if self._history_keep_s > 0.0:
            # What waits tells the time by itself: by the clock all were silent meanwhile.
            if (now := self._reception.quiet_at()) is not None:
                self._attendance.ran(now)
            if (at := self._attendance.at) is not None:
                self._heard += self._attendance.due(at, last=last)

    def _forget_history(self, now_s: float) -> None:
        """Let go of a little of what history has kept for long enough."""
        if now_s < self._forget_s:
            return
        before = self._clock().after(-self._history_keep_s)
        try:
            gone = self._store.forget_history(
                self._sector.id, before=before, at_most=_FORGOTTEN_AT_ONCE
            )
        except StoreUnavailableError as error:
            _log.warning("history: %s", error)
            gone = 0
        self._forgotten += gone
        self._forget_s = now_s + (_FORGET_MORE_S if gone == _FORGOTTEN_AT_ONCE else _FORGET_S)

    def _take(self, batch: Batch) -> None:
        """Let the engine take what is in the journal now."""
        events: list[Event] = []
        for item in batch.accepted:
            self._attendance.hear(item.message, at=item.recorded.received_at)
            events += self._step(item, self._rejections)
            self._note_crop(item.message)
        self._note(events)
        for one in batch.rejections:
            self._malformed.count(sender_on(one.topic), "malformed")
        self._canary.came(one.message for one in batch.accepted)
        self._rejections += batch.rejections
        self._refused += batch.refused
        self._taken = batch.position or self._taken

    def _step(self, item: Accepted, rejections: list[Rejection]) -> Sequence[Event]:
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

    def _note(self, events: Sequence[Event]) -> None:
        """Publish track lines, which are lost on whoever is not there; the store gets all."""
        self._events += events
        self._announcer.tracks(
            line for one in events if isinstance(one, TracksUpdated) for line in one.updates
        )

    @property
    def _is_unsaved(self) -> bool:
        news = self._events or self._rejections or self._heard
        return bool(news or self._taken != self._saved)

    @property
    def _is_urgent(self) -> bool:
        """Whether somebody waits for what is new, or very much of it waits for the store."""
        if self._rejections or len(self._events) > _EVENTS:
            return True
        return not all(isinstance(one, TracksUpdated | TracksRevised) for one in self._events)

    def _save(self) -> None:
        """Save what happened, in one transaction; then publish the alerts."""
        events, rejections, refused = self._events, self._rejections, self._refused
        self._events, self._rejections, self._refused = [], [], []
        heard, self._heard = self._heard, []
        new = self._insist(
            partial(
                self._store.save,
                events,
                sector=self._sector.id,
                position=None if self._taken == self._saved else self._taken,
                rejections=rejections,
                heard=heard if self._history_keep_s > 0.0 else None,
                crops=() if self._room is None else self._room.noted,
            )
        )
        if self._room is not None:
            self._room.saved()
        self._saved, self._saved_s = self._taken, time.monotonic()
        self._canary.stored(self._saved_s)
        for rejection in rejections:
            _log.warning("refused a message on %r: %s", rejection.topic, rejection.reason)
        self._rejected += len(rejections)
        self._link.acknowledge_all(refused)
        self._announcer.alerts(new)
        self._announcer.replies(one.reply for one in events if isinstance(one, CommandAnswered))

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
            canary=self._canary.last,
            history_forgotten=self._forgotten,
            evidence_kept=0 if self._room is None else self._room.kept,
            evidence_lost=0 if self._room is None else self._room.lost,
            evidence_forgotten=0 if self._room is None else self._room.forgotten,
        )

    def _insist(self, action: Callable[[], _T]) -> _T:
        """Do it; meanwhile the journal keeps what comes, and then the broker."""
        return insist(action, stop=self._stop)

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
        if known is not None:
            self._remember(whole=begun is None)
        tail_s = RECOVERY_HORIZONS * self._sector.rules.time.horizon_s
        since = last.after(-tail_s) if begun is None and known is not None else None
        _log.info("recovering from %s", "the journal" if begun is None else f"a snapshot, {begun}")
        began_s, count, unsaved = time.monotonic(), 0, 0
        self._saved = known
        for recorded, position in self._journal.read(since=since, after=begun or known):
            if self._stop.is_set():
                raise StoppedError
            try:
                item = Accepted(recorded, decoded(recorded))
            except InvalidMessageError as error:
                _log.warning("left out of recovery: %s: %s", recorded.topic, error)
                continue
            count += 1
            if known is not None and position <= known:
                self._step(item, [])
                continue
            self._attendance.hear(item.message, at=recorded.received_at)
            self._heard += self._attendance.due(recorded.received_at)
            self._events += self._step(item, self._rejections)
            self._note_crop(item.message)
            unsaved += 1
            if unsaved % BATCH == 0:
                self._taken = position
                self._save()
        self._taken = self._journal.end
        # As far as it goes, before anything of now: in between nobody was there.
        self._heard += self._attendance.due(last, last=True)
        self._attendance = Attendance()
        if self._is_unsaved:
            self._save()
        _log.info(
            "recovered: %d messages read from the journal, %d of them new to the store, in %.1f s",
            count,
            unsaved,
            time.monotonic() - began_s,
        )

    def _remember(self, *, whole: bool) -> None:
        """Take over from the store what the engine cannot have from elsewhere.

        Without a snapshot that is people's `whole` work: it may be older than what is read of the
        journal. That the chain broke is in no journal anyway, nor in a snapshot from before it.
        """
        incidents = self._last_incidents()[::-1]
        if whole:
            deeds = self._store.last_deeds(DEEDS_KEPT, sector=self._sector.id)
            self._engine.remember(incidents, deeds)
            return
        for incident in filter(is_of_chain, incidents):
            self._engine.remember([incident], self._store.deeds(incident.incident_id))

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
    events: Sequence[Event], at: UtcTime, item: Accepted | None = None
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
