"""The door: every message is decoded, on disk and acknowledged as it comes, whatever else goes on.

    link ──▶ decode ──▶ journal ──▶ acknowledge, receipt ──▶ batches that wait for the engine
                    └─ breaks the contract: acknowledged once the store has it

It has a thread of its own. So `received_at` is when a message came, not when the engine had time
for it: an engine that is busy falls behind for a while, and what waits for it is not late. Were it
stamped late it would be run again, out of order, by an engine that is too slow already.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from edge.messages import (
    AnyFieldMessage,
    EvidenceMessage,
    InvalidMessageError,
    RefusedError,
    UtcTime,
    decode,
    encode,
)
from fusion.announcer import Receipts
from fusion.evidence import EvidenceFolder
from fusion.journal import Journal, Position, Recorded
from fusion.link import Delivery, Link, is_ours
from fusion.patience import StoppedError, insist
from fusion.saving import Rejection

Clock = Callable[[], UtcTime]

BATCH: Final = 256  # messages that share one flush to the disk
_WAITING_BYTES: Final = 16 * 1024 * 1024  # of payloads; beyond, the broker keeps what comes
_CROPS: Final = f"/{EvidenceMessage.kind}"
_LOOK_S: Final = 0.25
# From one batch to the next: a flush for every message costs more than the message, and whatever
# this thread does makes the engine's wait for a moment.
_GATHER_S: Final = 0.02
_GATHER_BEHIND_S: Final = 0.1  # while batches wait for the engine, nobody waits for the next one


class Accepted(NamedTuple):
    """A message that is in the journal."""

    recorded: Recorded
    message: AnyFieldMessage


class Batch(NamedTuple):
    """What came together, in order of arrival."""

    accepted: list[Accepted]
    position: Position | None  # the journal's end behind the last of them; None: there is none
    rejections: list[Rejection]
    refused: list[Delivery]  # to be acknowledged once the rejections are kept

    @property
    def size(self) -> int:
        """Return how many bytes its payloads have."""
        accepted = sum(len(one.recorded.payload) for one in self.accepted)
        return accepted + sum(len(one.payload) for one in self.rejections)


class Reception:
    """Takes messages in, and holds them until the engine asks."""

    def __init__(
        self,
        *,
        link: Link,
        journal: Journal,
        receipts: Receipts,
        clock: Clock,
        evidence: EvidenceFolder | None = None,
    ) -> None:
        """Wire the parts; nothing is received before `start`.

        Without a folder for `evidence` crops stay in the journal.
        """
        self._link = link
        self._journal = journal
        self._receipts = receipts
        self._clock = clock
        self._evidence = evidence
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reception")
        self._changed = threading.Condition()
        self._batches: deque[Batch] = deque()
        self._waiting_bytes = 0
        self._under_way = False  # a batch has its time and is not among those that wait yet
        self._fault: Exception | None = None

    def start(self) -> None:
        """Receive, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End; what has been acknowledged waits to be asked for."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    def next_batch(self, *, within_s: float) -> Batch | None:
        """Return the first batch that waits; None: none came in time.

        Raises:
            Exception: The fault that ended the thread.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._batches or self._fault, within_s)
            if self._batches:
                batch = self._batches.popleft()
                self._waiting_bytes -= batch.size
                self._changed.notify_all()
                return batch
            if self._fault is not None:
                raise self._fault
        return None

    def quiet_at(self) -> UtcTime | None:
        """Return the time now if everything that came before it has been asked for.

        None: something waits or is under way, and will tell the engine the time itself.
        """
        with self._changed:
            return None if self._batches or self._under_way else self._clock()

    def take(self, deliveries: Sequence[Delivery], received_at: UtcTime) -> Batch:
        """Write messages down, then acknowledge them.

        Raises:
            StoppedError: The end came while the disk refused; nothing is acknowledged.
        """
        batch = Batch([], None, [], [])
        for delivery in deliveries:
            if is_ours(delivery.topic):
                continue
            recorded = Recorded(received_at, delivery.topic, delivery.payload)
            try:
                batch.accepted.append(self._accepted(recorded))
            except RefusedError as error:
                batch.rejections.append(Rejection(*recorded, reason=str(error)))
                batch.refused.append(delivery)
        if batch.accepted:
            lines = [one.recorded for one in batch.accepted]
            end = insist(partial(self._journal.append, lines), stop=self._closing)
            batch = batch._replace(position=end)
        refused = set(map(id, batch.refused))
        self._link.acknowledge_all(one for one in deliveries if id(one) not in refused)
        self._receipts.add(one.message for one in batch.accepted)
        return batch

    def _accepted(self, recorded: Recorded) -> Accepted:
        """Read one message; of a crop the picture goes to its folder, and the rest goes on.

        Raises:
            RefusedError: It breaks the contract, or the disk does not take the picture.
        """
        message = decoded(recorded)
        if self._evidence is None or not isinstance(message, EvidenceMessage):
            return Accepted(recorded, message)
        rest = self._evidence.take(message)
        return Accepted(recorded._replace(payload=encode(rest)), rest)

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                deliveries = self._link.receive(at_most=BATCH, within_s=_LOOK_S)
                began_s = time.monotonic()
                crops = [one for one in deliveries if one.topic.endswith(_CROPS)]
                rest = [one for one in deliveries if not one.topic.endswith(_CROPS)]
                for some in (rest, crops):  # no alert waits for pictures to be written
                    if some:
                        with self._changed:
                            self._under_way = True
                            now = self._clock()
                        self._hand_over(self.take(some, now))
                if deliveries:
                    gather_s = _GATHER_BEHIND_S if self._is_behind else _GATHER_S
                    self._closing.wait(max(0.0, began_s + gather_s - time.monotonic()))
                self._receipts.send_due()
            self._receipts.send()
        except StoppedError:
            return
        except Exception as error:  # noqa: BLE001 - raised again where the service runs
            with self._changed:
                self._fault = error
                self._changed.notify_all()

    @property
    def _is_behind(self) -> bool:
        with self._changed:
            return len(self._batches) > 1

    def _hand_over(self, batch: Batch) -> None:
        """Let it wait for the engine; while too much waits, nothing more is received."""
        with self._changed:
            self._batches.append(batch)
            self._waiting_bytes += batch.size
            self._under_way = False
            self._changed.notify_all()
            while self._waiting_bytes > _WAITING_BYTES and not self._closing.is_set():
                self._changed.wait(_LOOK_S)


def decoded(recorded: Recorded) -> AnyFieldMessage:
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
