"""Server-sent events: what changed on the map since the last id, to any number of viewers.

Every change is encoded once. A ring keeps the last ones, so that a viewer who was away resumes
from its `Last-Event-ID`. An id that is too old, unknown or of another run of the server gets the
event `reset`: fetch the snapshot again. A viewer who reads slowly gets the latest state of each
thing and misses what lay between, so its queue never outgrows the picture.

    id: 5f0c2a-4711            <- run, number; only ever grows within a run
    event: track               <- track, alert, incident, device, patrol, fusion, reset, beat
    data: {"type":"Feature",…} <- or {"id":…,"removed":true}
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, NamedTuple

from edge.messages import encode
from maps.picture import Change

KEPT_EVENTS: Final = 8192
MAX_PENDING: Final = 4096  # things, not events: beyond it a new snapshot is cheaper
BATCH: Final = 256  # events in one write
BEAT_S: Final = 5.0
HELLO: Final = b"retry: 1000\n\n"  # a browser comes back after a second


class Event(NamedTuple):
    """One change, ready to send."""

    number: int
    thing: tuple[str, str]  # kind and id: a later event of the same thing makes this one obsolete
    wire: bytes


class Viewer:
    """What one connection has yet to be sent."""

    def __init__(self) -> None:
        """Start with nothing to send."""
        self.wake = asyncio.Event()
        self.lost = False  # it missed what we no longer have
        self._pending: dict[tuple[str, str], Event] = {}

    def put(self, event: Event) -> None:
        """Queue an event in place of an earlier one of the same thing."""
        self._pending.pop(event.thing, None)  # and to the end: ids must grow
        self._pending[event.thing] = event
        if len(self._pending) > MAX_PENDING:
            self.lose()
        self.wake.set()

    def lose(self) -> None:
        """Give up on resuming: this viewer needs a new snapshot."""
        self._pending.clear()
        self.lost = True
        self.wake.set()

    def take(self) -> list[Event]:
        """Return the next events to send, oldest first."""
        things = list(self._pending)[:BATCH]
        if len(things) == len(self._pending):
            self.wake.clear()
        return [self._pending.pop(thing) for thing in things]


class Stream:
    """The events of one run of the server. One event loop owns it."""

    def __init__(
        self, run_id: str, *, beat: Callable[[], object], kept_events: int = KEPT_EVENTS
    ) -> None:
        """Start at event 0.

        Args:
            run_id: Tells this run from others; no `-` in it.
            beat: What a heartbeat carries, asked anew for each.
            kept_events: How many events back a viewer may resume.
        """
        self._run_id = run_id
        self._beat = beat
        self._number = 0
        self._ring: deque[Event] = deque(maxlen=kept_events)
        self._viewers: set[Viewer] = set()
        self._closed = False

    @property
    def last_id(self) -> str:
        """The id of the latest event: what a snapshot taken now already holds."""
        return f"{self._run_id}-{self._number}"

    @property
    def event_count(self) -> int:
        """How many events there have been."""
        return self._number

    @property
    def viewer_count(self) -> int:
        """How many connections are open."""
        return len(self._viewers)

    def publish(self, changes: Iterable[Change]) -> None:
        """Encode changes and queue them for every viewer."""
        for change in changes:
            self._number += 1
            data = {"id": change.id, "removed": True} if change.data is None else change.data
            wire = _wire(change.kind, data, event_id=self.last_id)
            event = Event(self._number, (change.kind, change.id), wire)
            self._ring.append(event)
            for viewer in self._viewers:
                viewer.put(event)

    def close(self) -> None:
        """End every connection, so that the server can stop at once."""
        self._closed = True
        for viewer in self._viewers:
            viewer.wake.set()

    async def view(self, after: str | None) -> AsyncIterator[bytes]:
        """Yield the bytes for one connection until it goes away or the stream closes.

        Args:
            after: The last id the viewer has; None: only what comes from now on.
        """
        viewer = self._enter(after)
        loop = asyncio.get_running_loop()
        next_beat_s = loop.time() + BEAT_S
        try:
            yield HELLO + self._wire_beat()
            while not self._closed:
                if viewer.lost:
                    viewer.lost = False
                    yield _wire("reset", {}, event_id=self.last_id)
                if batch := viewer.take():
                    yield b"".join(event.wire for event in batch)
                if loop.time() >= next_beat_s:
                    next_beat_s = loop.time() + BEAT_S
                    yield self._wire_beat()
                await _wait(viewer.wake, until_s=next_beat_s)
        finally:
            self._viewers.discard(viewer)

    def _enter(self, after: str | None) -> Viewer:
        viewer = Viewer()
        if after is not None:
            missed = self._since(after)
            if missed is None:
                viewer.lose()
            else:
                for event in missed:
                    viewer.put(event)
        self._viewers.add(viewer)
        return viewer

    def _since(self, event_id: str) -> list[Event] | None:
        """Return the events after an id, or None if they are not all here."""
        run_id, _, text = event_id.rpartition("-")
        if run_id != self._run_id or not (text.isascii() and text.isdigit()):
            return None
        number = int(text[:20])
        oldest = self._number - len(self._ring)
        if not oldest <= number <= self._number:
            return None
        return [event for event in self._ring if event.number > number]

    def _wire_beat(self) -> bytes:
        # No id: a heartbeat is nothing to resume from.
        return _wire("beat", self._beat())


def _wire(kind: str, data: object, *, event_id: str | None = None) -> bytes:
    head = b"" if event_id is None else b"id: " + event_id.encode() + b"\n"
    # JSON escapes line breaks, so the data is one line whatever a message holds.
    return head + b"event: " + kind.encode() + b"\ndata: " + encode(data) + b"\n\n"


async def _wait(wake: asyncio.Event, *, until_s: float) -> None:
    try:
        async with asyncio.timeout_at(until_s):
            await wake.wait()
    except TimeoutError:
        return
