"""`step(message) -> events`: one sector's engine, pure and deterministic. Time is an argument.

    arrivals ──▶ log, sorted by event time ──▶ core (tracks, units, cases) ──▶ what changed
                 └─ late: back to a checkpoint, and again from there

The core sees messages in order of `captured_at` only. Ordinary jitter is absorbed by waiting
`hold_back_s` behind the clock; whatever comes later than that, within the horizon, sends the core
back to the newest checkpoint before it. So within the horizon the order of arrival changes no
track and no incident. What was issued meanwhile stays issued: incidents are amended or withdrawn.
"""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from edge.messages import (
    AnyFieldMessage,
    DetectionsMessage,
    PositionMessage,
    TrackUpdate,
    UtcTime,
)
from fusion.core import TICK_S, Core, grid_after
from fusion.events import Event, MessageLate, MessageRefused, TracksRevised, TracksUpdated
from fusion.intake import Admitted, Intake, Refused, sender_of
from fusion.reorder import Arrivals, Entry, Verdict
from fusion.sector import Sector
from fusion.situation.patrols import unit_fix
from fusion.snapshot import UnfitSnapshotError, dumped, loaded
from fusion.telling import Telling
from fusion.tracking.fixes import look_of

_CHECKPOINT_S: Final = 1.0  # of event time
_FINE_S: Final = 30.0  # older checkpoints are thinned
_COARSE_S: Final = 5.0
_RERUN_AFTER_S: Final = 0.5  # late messages are gathered so long
_RERUN_PAUSE_S: Final = 0.01  # for each message of the last re-run: 2 % of the time at most
_RERUN_LONGEST_S: Final = 60.0
_CLOCK_BACK_S: Final = 5.0  # a clock that falls back farther was wrong before: it is followed
_LINES_KEPT_S: Final = 30.0  # beyond the oldest checkpoint: lines that a confirmation wrote late


class Counts(NamedTuple):
    """How much came in and what became of it."""

    messages: int = 0  # well-formed ones, duplicates and late ones included
    detections: int = 0  # of the accepted messages
    duplicates: int = 0
    late: int = 0
    refused: int = 0  # their clock ran ahead, or they came from nowhere near
    untracked: int = 0  # detections too vague to track, or nowhere near the sector
    tracks: int = 0  # ever confirmed
    alerts: int = 0  # issued
    incidents: int = 0  # told, withdrawn ones included


class _Checkpoint(NamedTuple):
    at_s: float  # holds every message from before this instant, and none from it on
    core: Core
    lines: int  # lines written until then


class Engine:
    """One sector's engine."""

    def __init__(self, sector: Sector) -> None:
        """Begin with an empty picture."""
        self._sector = sector
        self._time = sector.rules.time
        self._intake = Intake(sector.rules, sector.frame, sector.id)
        self._arrivals = Arrivals(self._time)
        self._core = Core(sector)
        self._telling = Telling(sector)
        self._checkpoints = [_Checkpoint(-math.inf, self._core.copy(), 0)]
        self._clock_s = -math.inf
        self._done_s = -math.inf  # event time that the core has reached
        self._next = 0  # index in the log of the first message not yet taken
        self._dirty_s: float | None = None  # the earliest message that came too late
        self._dirty_since_s = 0.0  # by the clock
        self._rerun_size = 0
        self._lines: list[TrackUpdate] = []
        self._lines_dropped = 0
        self._lines_told = 0
        self._counts = Counts()

    @property
    def counts(self) -> Counts:
        """Return how much came in and what became of it."""
        return self._counts._replace(
            tracks=self._core.tracker.confirmed,
            alerts=self._telling.alerts,
            incidents=self._telling.incidents,
        )

    @property
    def intake(self) -> Intake:
        """Return the door: what it refused, whose clock it corrects."""
        return self._intake

    @property
    def settled_until(self) -> UtcTime | None:
        """Return the event time before which no track line can change any more; None: none yet."""
        oldest_s = self._checkpoints[0].at_s - _LINES_KEPT_S
        return UtcTime.from_epoch_s(oldest_s) if math.isfinite(oldest_s) else None

    def step(self, message: AnyFieldMessage, *, received_at: UtcTime) -> list[Event]:
        """Take in one message; return what it (and the time that passed) made happen."""
        received_s = received_at.timestamp()
        events = self._pass(received_s)
        before_s = self._clock_to(received_s)
        events.extend(self._accept(message, received_s))
        events.extend(self._advance(before_s))
        return events

    def tick(self, now: UtcTime) -> list[Event]:
        """Let the clock pass without a message.

        When it is called, and how often, changes nothing that is ever said: recovery and replay,
        where nobody ticks, decide as the live service did.
        """
        now_s = now.timestamp()
        if now_s < self._clock_s:
            return self._advance(self._clock_to(now_s))
        return self._pass(now_s)

    def flush(self) -> list[Event]:
        """Empty every buffer: the end of a recording."""
        refused = self._take_in(self._intake.release())
        rerun = self._dirty_s is not None
        void = self._rerun()
        self._run(math.inf)
        while not self._core.is_still:
            self._done_s += TICK_S
            self._core.advance(self._done_s, self._lines.extend)
        issued = (self._clock_s, math.inf)
        return [
            *refused,
            *self._told(void),
            *self._changes(issued=issued, rerun=rerun),
        ]

    def _pass(self, to_s: float) -> list[Event]:
        """Let the clock pass on the grid of ticks, up to an instant (inclusive)."""
        events: list[Event] = []
        while (at_s := grid_after(self._clock_s)) <= to_s:
            if self._is_idle:
                at_s = math.floor(to_s / TICK_S) * TICK_S
            events.extend(self._advance(self._clock_to(at_s)))
        return events

    @property
    def _is_idle(self) -> bool:
        """Whether time alone can change nothing."""
        taken = self._next == len(self._arrivals.log) and self._dirty_s is None
        return taken and self._core.is_still

    def _clock_to(self, now_s: float) -> float:
        """Set the clock; return the instant since when decisions may have fallen.

        A clock never stands still for what was received a moment out of order. But when this
        machine's clock ran hours ahead and was set right, waiting for the time to come would make
        every message late until then. So what ran ahead of the corrected clock is taken back.
        """
        before_s = self._clock_s
        if before_s - now_s <= _CLOCK_BACK_S:
            self._clock_s = max(before_s, now_s)
            return before_s
        self._clock_s = now_s
        frontier_s = now_s - self._time.hold_back_s
        if self._checkpoints[0].at_s > frontier_s:
            # Nothing is left from before: begin again, with the cases that people were told of.
            fresh = Core(self._sector)
            fresh.cases = dict(self._core.cases)
            lines = self._lines_dropped + len(self._lines)
            self._checkpoints = [_Checkpoint(-math.inf, fresh, lines)]
        if self._done_s > frontier_s:
            known_s = math.inf if self._dirty_s is None else self._dirty_s
            self._dirty_s, self._dirty_since_s = min(frontier_s, known_s), -math.inf
        self._arrivals.forget_after(now_s + self._time.clock_ahead_s)
        return now_s

    def _accept(self, message: AnyFieldMessage, received_s: float) -> list[Event]:
        """Count a message and judge it, with those that were held until now; file what is fit."""
        counts = self._counts = self._counts._replace(messages=self._counts.messages + 1)
        if self._arrivals.knows(message, sender=sender_of(message)):
            self._counts = counts._replace(duplicates=counts.duplicates + 1)
            return []
        return self._take_in(self._intake.admit(message, received_s))

    def _take_in(self, judged: list[Admitted | Refused]) -> list[Event]:
        """File what was admitted; return the events that say why the rest was not."""
        events: list[Event] = []
        for one in judged:
            if isinstance(one, Refused):
                self._counts = self._counts._replace(refused=self._counts.refused + 1)
                events.append(MessageRefused(one.message, one.text))
            elif (late := self._sort_in(one)) is not None:
                events.append(late)
        return events

    def _sort_in(self, admitted: Admitted) -> Event | None:
        """File an admitted message by when it was captured really, unless it is too late."""
        counts, message, at_s = self._counts, admitted.message, admitted.at_s
        sender = sender_of(message)
        # Whatever lies before the oldest checkpoint is late, however the clock was set meanwhile.
        clock_s = max(self._clock_s, self._checkpoints[0].at_s + self._time.horizon_s)
        verdict = self._arrivals.judge(message, sender=sender, at_s=at_s, clock_s=clock_s)
        if verdict is Verdict.DUPLICATE:
            self._counts = counts._replace(duplicates=counts.duplicates + 1)
        elif verdict is Verdict.LATE:
            self._counts = counts._replace(late=counts.late + 1)
            self._intake.refusals.count(sender, "late")
            why = f"captured more than the horizon of {self._time.horizon_s:g} s ago"
            return MessageLate(message, why)
        elif isinstance(message, DetectionsMessage) and at_s is not None:
            look = look_of(
                message, self._sector.frame, max_sigma_m=self._sector.rules.tracking.max_sigma_m
            )
            self._counts = counts._replace(
                detections=counts.detections + len(message.detections),
                untracked=counts.untracked + look.untracked,
            )
            self._file(Entry(at_s, sender, message.message_id, look._replace(at_s=at_s)))
        elif isinstance(message, PositionMessage) and at_s is not None:
            fix = unit_fix(message, self._sector.frame)._replace(at_s=at_s)
            self._file(Entry(at_s, sender, message.message_id, fix))
        return None

    def _file(self, entry: Entry) -> None:
        self._arrivals.insert(entry)
        if entry.at_s <= self._done_s:
            # The index of the next message shifts with what is filed before it.
            self._next += 1
            if self._dirty_s is None:
                self._dirty_since_s = self._clock_s
                self._dirty_s = entry.at_s
            self._dirty_s = min(self._dirty_s, entry.at_s)

    def _advance(self, before_s: float) -> list[Event]:
        """Run the core up to the frontier; go back first if enough late messages gathered."""
        rerun = self._dirty_s is not None and self._clock_s - self._dirty_since_s >= max(
            _RERUN_AFTER_S, min(_RERUN_LONGEST_S, _RERUN_PAUSE_S * self._rerun_size)
        )
        void = self._rerun() if rerun else []
        self._run(self._clock_s - self._time.hold_back_s)
        events = list(self._told(void))
        if rerun or self._core.revision != self._telling.revision:
            issued = (self._clock_s if rerun else before_s, self._clock_s)
            events.extend(self._changes(issued=issued, rerun=rerun))
        return events

    def _changes(self, *, issued: tuple[float, float], rerun: bool) -> Iterator[Event]:
        return self._telling.changes(
            self._core,
            at_s=self._done_s,
            settled_s=self._checkpoints[0].at_s,
            issued=issued,
            rerun=rerun,
        )

    def _run(self, frontier_s: float) -> None:
        """Take every message up to the frontier, in order of event time."""
        log = self._arrivals.log
        while self._next < len(log) and log[self._next].at_s <= frontier_s:
            at_s = log[self._next].at_s
            if at_s - self._checkpoints[-1].at_s >= _CHECKPOINT_S:
                lines = self._lines_dropped + len(self._lines)
                self._checkpoints.append(_Checkpoint(at_s, self._core.copy(), lines))
                self._forget(at_s)
                log = self._arrivals.log
            self._core.advance(at_s, self._lines.extend)
            while self._next < len(log) and log[self._next].at_s == at_s:
                self._take(log[self._next])
            self._done_s = max(self._done_s, at_s)
        if math.isfinite(frontier_s) and frontier_s > self._done_s:
            self._core.advance(frontier_s, self._lines.extend)
            self._done_s = frontier_s

    def _take(self, entry: Entry) -> None:
        """Take one message; one that cannot be taken is dropped before its error goes up."""
        try:
            self._lines.extend(self._core.take(entry.item))
        except Exception:
            del self._arrivals.log[self._next]
            raise
        self._next += 1

    def _rerun(self) -> list[TrackUpdate]:
        """Go back to before the earliest late message, if any, and run again to where it was.

        Returns:
            The lines that were told and are void now.
        """
        since_s, self._dirty_s = self._dirty_s, None
        if since_s is None:
            return []
        while self._checkpoints[-1].at_s > since_s:
            self._checkpoints.pop()
        start = self._checkpoints[-1]
        self._core = start.core.copy()
        self._core.wake(start.at_s)
        cut = start.lines - self._lines_dropped
        void = self._lines[cut:]
        del self._lines[cut:]
        self._lines_told = min(self._lines_told, start.lines)
        self._next = first = self._arrivals.index_at(start.at_s)
        reached_s = min(self._done_s, self._clock_s - self._time.hold_back_s)
        self._done_s = start.at_s
        self._run(reached_s)
        self._rerun_size = self._next - first
        return void

    def _told(self, void: list[TrackUpdate]) -> Iterator[Event]:
        """Say what is new among the lines; after a re-run, from where on they differ."""
        new = self._lines[self._lines_told - self._lines_dropped :]
        self._lines_told = self._lines_dropped + len(self._lines)
        same = next(
            (i for i, (a, b) in enumerate(zip(void, new, strict=False)) if a != b),
            min(len(void), len(new)),
        )
        void, new = void[same:], new[same:]
        if void:
            since = min(line.t for line in (*void, *new))
            yield TracksRevised(since)
            new = [line for line in self._lines if line.t >= since]
        if new:
            yield TracksUpdated(tuple(sorted(new, key=_line_order)))

    def _forget(self, at_s: float) -> None:
        """Drop what lies beyond the horizon; thin out old checkpoints.

        The horizon is that of the messages: a clock that jumps ahead forgets nothing.
        """
        points, keep_s = self._checkpoints, min(self._clock_s, at_s) - self._time.horizon_s
        while len(points) > 1 and points[1].at_s <= keep_s:
            points.pop(0)
        fine_s, slot = self._done_s - _FINE_S, None
        kept: list[_Checkpoint] = []
        for point in points:
            now = math.floor(point.at_s / _COARSE_S) if math.isfinite(point.at_s) else None
            if point.at_s > fine_s or now != slot or not kept:
                kept.append(point)
            slot = now
        self._checkpoints = kept
        oldest_s = kept[0].at_s
        if not math.isfinite(oldest_s) or not self._arrivals.log:
            return
        if self._arrivals.log[0].at_s < oldest_s - _COARSE_S:
            self._next -= self._arrivals.forget_before(oldest_s)
            oldest = UtcTime.from_epoch_s(oldest_s - _LINES_KEPT_S)
            limit = kept[0].lines - self._lines_dropped
            count = next((i for i in range(limit) if self._lines[i].t >= oldest), max(0, limit))
            del self._lines[:count]
            self._lines_dropped += count

    def snapshot(self) -> bytes:
        """Return the whole state as bytes, without the sector."""
        return dumped(self, self._sector)

    @classmethod
    def restored(cls, sector: Sector, snapshot: bytes) -> "Engine":
        """Return the engine that a snapshot was taken of, in the sector as it was then.

        Raises:
            UnfitSnapshotError: It is no snapshot of an engine.
        """
        engine = loaded(snapshot, sector)
        if not isinstance(engine, cls):
            msg = f"it is of a {type(engine).__name__}, not of an engine"
            raise UnfitSnapshotError(msg)
        return engine


def _line_order(line: TrackUpdate) -> tuple[UtcTime, str]:
    return line.t, line.track_id
