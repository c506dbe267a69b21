"""Server-sent events: what changed on the map since the last id, to any number of viewers.

Of each thing only its last event is kept, encoded once, in the order of their numbers:

    ... track-7 @4698 · alert-2 @4705 · track-9 gone @4709 · cam-01 @4711
                      ▲ a viewer has seen up to here: it is sent what stands to the right

So whoever was away for minutes, or reads slowly, gets the latest state of each thing that changed
and misses only what lay between; a viewer is no more than a number and makes nothing grow. An id
that is too old, unknown or of another run of the server gets the event `reset`: fetch the snapshot
again. What moves is gathered for a moment, so that all viewers are sent the same bytes; what calls
somebody is sent at once.

    id: 5f0c2a-4711            <- run, number; only ever grows within a run
    event: track               <- track, alert, incident, device, patrol, fusion, reset, beat, …
    data: {"type":"Feature",…} <- or {"id":…,"removed":true}
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from itertools import takewhile
from typing import Final, NamedTuple

from edge.messages import encode
from maps.picture import Change

KEPT_THINGS: Final = 40_000
GATHER_S: Final = 0.2
GATHERED: Final = frozenset({"track", "patrol"})  # the kinds that may wait so long
BATCH: Final = 512  # events in one write
BEAT_S: Final = 5.0
HELLO: Final = b"retry: 1000\n\n"  # a browser comes back after a second


class Event(NamedTuple):
    """The last change of a thing, ready to send."""

    number: int
    wire: bytes


class Stream:
    """The events of one run of the server. One event loop owns it."""

    def __init__(
        self,
        run_id: str,
        *,
        beat: Callable[[], object],
        kept_things: int = KEPT_THINGS,
        gather_s: float = GATHER_S,
    ) -> None:
        """Start at event 0.

        Args:
            run_id: Tells this run from others; no `-` in it.
            beat: What a heartbeat carries, asked anew for each.
            kept_things: Of how many things the last event is kept.
            gather_s: How long what moves may wait for more.
        """
        self._run_id = run_id
        self._beat = beat
        self._kept_things = kept_things
        self._gather_s = gather_s
        self._number = 0
        self._sent = 0  # the events up to here may be sent
        self._forgotten = 0  # the last number of which something is no longer here
        self._last: dict[tuple[str, str], Event] = {}  # by kind and id; numbers grow
        self._chunks: dict[int, tuple[bytes, int]] = {}  # what follows a number; for all viewers
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._viewers = 0
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
        return self._viewers

    def publish(self, changes: Iterable[Change]) -> None:
        """Encode changes and let every viewer have them."""
        waits, calls = False, False
        for change in changes:
            self._number += 1
            data = {"id": change.id, "removed": True} if change.data is None else change.data
            thing = (change.kind, change.id)
            self._last.pop(thing, None)  # and to the end: numbers must grow
            self._last[thing] = Event(
                self._number, _wire(change.kind, data, event_id=self.last_id)
            )
            if change.kind in GATHERED:
                waits = True
            else:
                calls = True
        while len(self._last) > self._kept_things:
            self._forgotten = self._last.pop(next(iter(self._last))).number
        if calls or not self._viewers or self._gather_s <= 0.0:
            self._send()
        elif waits and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._gather_s, self._send)

    def close(self) -> None:
        """End every connection, so that the server can stop at once."""
        self._closed = True
        self._send()

    async def view(self, after: str | None) -> AsyncGenerator[bytes, None]:
        """Yield the bytes for one connection until it goes away or the stream closes.

        Args:
            after: The last id the viewer has; None: only what comes from now on.
        """
        seen = self._number if after is None else self._number_of(after)
        loop = asyncio.get_running_loop()
        next_beat_s = loop.time() + BEAT_S
        self._viewers += 1
        try:
            yield HELLO + self._wire_beat()
            while True:
                news = self._news  # before looking: what comes meanwhile, the end too, wakes us
                if self._closed:
                    return
                if seen < self._forgotten:
                    seen = self._number
                    yield _wire("reset", {}, event_id=self.last_id)
                chunk, seen = self._after(seen)
                if chunk:
                    yield chunk
                if loop.time() >= next_beat_s:
                    next_beat_s = loop.time() + BEAT_S
                    yield self._wire_beat()
                if not chunk:
                    await _wait(news, until_s=next_beat_s)
        finally:
            self._viewers -= 1

    def _send(self) -> None:
        """Let the viewers have what was published up to now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._sent = self._number
        self._chunks.clear()
        self._news.set()
        self._news = asyncio.Event()

    def _after(self, seen: int) -> tuple[bytes, int]:
        """Return the next events after a number, and the number of the last of them."""
        if seen >= self._sent:
            return b"", seen
        known = self._chunks.get(seen)
        if known is None:
            newer = takewhile(lambda event: event.number > seen, reversed(self._last.values()))
            fit = [event for event in newer if event.number <= self._sent][-BATCH:][::-1]
            # What was superseded since is sent in its later form, with the next news.
            last = fit[-1].number if len(fit) == BATCH else self._sent
            known = b"".join(event.wire for event in fit), last
            self._chunks[seen] = known
        return known

    def _number_of(self, event_id: str) -> int:
        """Return the number of an id of this run; of any other what is older than all."""
        run_id, _, text = event_id.rpartition("-")
        if run_id != self._run_id or not (text.isascii() and text.isdigit()):
            return -1
        number = int(text[:20])
        return number if number <= self._number else -1

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
