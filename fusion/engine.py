"""`step(message) -> events`: one sector's engine, pure and deterministic. Time is an argument.

    arrivals ──▶ log, sorted by event time ──▶ core (tracks, units, cases) ──▶ what changed
                 └─ late: back to a checkpoint, and again from there

The core sees messages in order of `captured_at` only. Ordinary jitter is absorbed by waiting
`hold_back_s` behind the clock. For whatever comes later than that, within the horizon, what it can
have touched is run again (`fusion.rerun`), a little with every message, while the rest goes on. So
within the horizon the order of arrival changes no track and no incident. What was issued meanwhile
stays issued: incidents are amended or withdrawn. What comes later still is gone through by itself
(`fusion.forensic`): it may add incidents.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from edge.messages import (
    AnyFieldMessage,
    CommandMessage,
    Deed,
    DetectionsMessage,
    Incident,
    PositionMessage,
    SensorKind,
    TrackUpdate,
    UtcTime,
)
from fusion.core import TICK_S, Core, grid_after
from fusion.course import Course
from fusion.events import Event, MessageLate, MessageRefused, TracksRevised, TracksUpdated
from fusion.forensic import Forensic
from fusion.intake import Admitted, Intake, Refused, sender_of
from fusion.notices import of_fault
from fusion.reorder import Arrivals, Entry, Verdict
from fusion.rerun import Rerun, touched
from fusion.sector import Sector
from fusion.situation.devices import DeviceWatch
from fusion.situation.patrols import UnitFix, unit_fix
from fusion.situation.tips import is_tip, reach_of, tips_of
from fusion.snapshot import UnfitSnapshotError, dumped, loaded
from fusion.telling import Telling
from fusion.tracking.fixes import Look
from fusion.tracking.lines import Written
from fusion.tracking.placing import look_of
from fusion.trodden import Trodden, cells_about
from fusion.workflow import Workflow

_RERUN_AFTER_S: Final = 0.5  # late messages are gathered so long
_RERUN_PAUSE_S: Final = 0.01  # for each message of the last re-run: 2 % of the time at most
_RERUN_LONGEST_S: Final = 60.0
# How far a re-run goes on at once (a message costs 1 and each of its fixes 1, some 50 µs): when
# it begins, with each message beside what the message itself costs, and on the clock's grid.
_RERUN_AT_FIRST: Final = 4_000.0
_RERUN_A_MESSAGE: Final = 10.0
_RERUN_SHARE: Final = 2.0
_RERUN_A_TICK: Final = 400.0
_EVERYONE: Final = ""  # no sender's name: everything must be run again
_CLOCK_BACK_S: Final = 5.0  # a clock that falls back farther was wrong before: it is followed
_SLACK_S: Final = 5.0  # not every second
_LINES_KEPT_S: Final = 30.0  # beyond the oldest stretch: lines that a confirmation wrote late


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


class Engine:
    """One sector's engine."""

    def __init__(self, sector: Sector) -> None:
        """Begin with an empty picture."""
        self._sector = sector
        self._time = sector.rules.time
        self._intake = Intake(sector.rules, sector.frame, sector.id)
        self._arrivals = Arrivals(self._time)
        self._trodden = Trodden()
        self._course = Course(Core(sector, self._trodden))
        self._telling = Telling(sector)
        self._forensic = Forensic(sector, self._telling)
        self._workflow = Workflow(sector.rules)
        self._devices = DeviceWatch(sector)
        self._clock_s = -math.inf
        self._late: dict[str, float] = {}  # the earliest message of each sender that came too late
        self._late_since_s = 0.0  # by the clock
        self._rerun: Rerun | None = None
        self._rerun_size = 0  # of the last one
        self._fresh: list[Written] = []  # lines that were not told yet
        self._void: list[Written] = []  # lines that were told and no longer stand
        self._forgot_s = -math.inf
        self._confirmed = 0  # tracks ever confirmed
        self._counts = Counts()

    @property
    def counts(self) -> Counts:
        """Return how much came in and what became of it."""
        return self._counts._replace(
            tracks=self._confirmed,
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
        oldest_s = self._course.began_s - _LINES_KEPT_S
        return UtcTime.from_epoch_s(oldest_s) if math.isfinite(oldest_s) else None

    def step(self, message: AnyFieldMessage, *, received_at: UtcTime) -> list[Event]:
        """Take in one message; return what it (and the time that passed) made happen."""
        received_s = received_at.timestamp()
        events = self._pass(received_s)
        before_s = self._clock_to(received_s)
        events.extend(self._accept(message, received_s))
        fixes = len(message.detections) if isinstance(message, DetectionsMessage) else 0
        budget = max(_RERUN_A_MESSAGE, _RERUN_SHARE * (1.0 + fixes))
        events.extend(self._advance(before_s, budget))
        return events

    def tick(self, now: UtcTime) -> list[Event]:
        """Let the clock pass without a message.

        When it is called, and how often, changes nothing that is ever said: recovery and replay,
        where nobody ticks, decide as the live service did.
        """
        now_s = now.timestamp()
        if now_s < self._clock_s:
            return self._advance(self._clock_to(now_s), 0.0)
        return self._pass(now_s)

    def flush(self) -> list[Event]:
        """Let the clock pass until nothing waits any more: the end of a recording.

        What is said then is what a live service says after its last message, word for word.
        """
        events: list[Event] = []
        while not self._is_idle:
            events.extend(self._pass(grid_after(self._clock_s), over=True))
        return events + self._settle_devices()

    def _pass(self, to_s: float, *, over: bool = False) -> list[Event]:
        """Let the clock pass on the grid of ticks, up to an instant (inclusive).

        When a recording is `over`, no device falls silent any more.
        """
        events: list[Event] = []
        while (at_s := grid_after(self._clock_s)) <= to_s:
            if self._is_idle:
                due_s = math.ceil(min(self._devices.due_s, to_s) / TICK_S) * TICK_S
                at_s = max(at_s, min(due_s, math.floor(to_s / TICK_S) * TICK_S))
            before_s = self._clock_to(at_s)
            events.extend(self._take_in(self._intake.release(at_s)))
            events.extend(self._advance(before_s, _RERUN_A_TICK, over=over))
            events.extend(self._workflow.tick(at_s))
        return events

    @property
    def _is_idle(self) -> bool:
        """Whether time alone can change nothing."""
        behind = self._course.next < len(self._arrivals.log) or self._late or self._rerun
        waits = self._intake.holds or self._forensic.waits
        return not behind and not waits and self._course.core.is_still

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
        self._late_since_s = min(self._late_since_s, now_s)
        frontier_s = now_s - self._time.hold_back_s
        self._arrivals.forget_after(now_s + self._time.clock_ahead_s)
        course, arrivals = self._course, self._arrivals
        if self._rerun is not None:
            self._is_late(_EVERYONE, self._rerun.began_s)
            self._rerun = None
        if course.began_s > frontier_s:
            # Nothing is left from before: begin again, with the cases that people were told of.
            fresh = Core(self._sector, self._trodden)
            fresh.cases = dict(course.core.cases)
            fresh.notices = course.core.notices.copy()
            self._course = Course(fresh)
            self._course.run(arrivals, frontier_s, self._fresh.append)
        elif course.done_s > frontier_s:
            self._revoke(course.go_back(arrivals, frontier_s))
            course.run(arrivals, frontier_s, self._fresh.append)
        self._late = {name: at_s for name, at_s in self._late.items() if at_s <= frontier_s}
        return now_s

    def _accept(self, message: AnyFieldMessage, received_s: float) -> list[Event]:
        """Count a message and judge it, with those that were held until now; file what is fit."""
        counts = self._counts = self._counts._replace(messages=self._counts.messages + 1)
        if isinstance(message, CommandMessage):
            if self._workflow.knows(message.message_id):
                self._counts = counts._replace(duplicates=counts.duplicates + 1)
            return self._workflow.apply(message, UtcTime.from_epoch_s(received_s))
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
        # Whatever lies before the oldest stretch is late, however the clock was set meanwhile.
        clock_s = max(self._clock_s, self._course.began_s + self._time.horizon_s)
        verdict = self._arrivals.judge(message, sender=sender, at_s=at_s, clock_s=clock_s)
        if verdict is not Verdict.DUPLICATE:
            self._devices.note(message, at_s, self._clock_s)
        if verdict is Verdict.DUPLICATE:
            self._counts = counts._replace(duplicates=counts.duplicates + 1)
        elif verdict is Verdict.LATE:
            return self._too_late(admitted, sender, clock_s)
        elif isinstance(message, DetectionsMessage) and at_s is not None:
            look = self._look(message, at_s, admitted.sigma_t_s)
            self._counts = counts._replace(
                detections=counts.detections + len(message.detections),
                untracked=counts.untracked + look.untracked,
            )
            self._mark(look, at_s)
            self._file(Entry(at_s, sender, message.message_id, look))
        elif isinstance(message, PositionMessage) and at_s is not None:
            fix = unit_fix(message, self._sector.frame)._replace(at_s=at_s)
            self._forensic.note(fix)
            self._file(Entry(at_s, sender, message.message_id, fix))
        return None

    def _look(self, message: DetectionsMessage, at_s: float, sigma_t_s: float) -> Look:
        rules, is_word = self._sector.rules, message.sensor.kind is SensorKind.TIP
        return look_of(
            message,
            self._sector.frame,
            at_s=at_s,
            sigma_t_s=sigma_t_s,
            max_sigma_m=rules.tip.max_sigma_m if is_word else rules.tracking.max_sigma_m,
        )

    def _too_late(self, admitted: Admitted, sender: str, clock_s: float) -> Event:
        """Count what comes from beyond the horizon, and leave it to be gone through by itself."""
        message, at_s = admitted.message, admitted.at_s
        self._counts = self._counts._replace(late=self._counts.late + 1)
        self._intake.refusals.count(sender, "late")
        if at_s is None or clock_s - at_s > self._time.look_back_s:
            longest_s = max(self._time.horizon_s, self._time.look_back_s)
            return MessageLate(message, f"captured more than {longest_s:g} s ago: not looked at")
        item: Look | UnitFix | None = None
        if isinstance(message, DetectionsMessage):
            item = self._look(message, at_s, admitted.sigma_t_s)
        elif isinstance(message, PositionMessage):
            item = unit_fix(message, self._sector.frame)._replace(at_s=at_s)
        if item is not None:
            self._forensic.add(Entry(at_s, sender, message.message_id, item), self._clock_s)
        why = f"captured more than the horizon of {self._time.horizon_s:g} s ago"
        return MessageLate(message, why)

    def _mark(self, look: Look, at_s: float) -> None:
        """Note where somebody may have been, or all those whom a tip may speak of."""
        if is_tip(look):
            for tip in tips_of(look):
                for cell in reach_of(tip, self._sector.rules.tip):
                    self._trodden.mark_cell(cell, at_s)
            return
        gate = self._sector.rules.tracking.gate
        for fix in look.fixes:
            reach_m = math.sqrt(gate * fix.cov[0]), math.sqrt(gate * fix.cov[2])
            for cell in cells_about(fix.x_m, fix.y_m, *reach_m):
                self._trodden.mark_cell(cell, at_s)

    def _file(self, entry: Entry) -> None:
        index = self._arrivals.insert(entry)
        # The indices of the next messages shift with what is filed before them.
        if self._rerun is not None and index < self._rerun.next:
            self._rerun.next += 1
        if entry.at_s <= self._course.done_s:
            self._course.next += 1
            self._is_late(entry.sender, entry.at_s)

    def _is_late(self, sender: str, at_s: float) -> None:
        if not self._late:
            self._late_since_s = self._clock_s
        self._late[sender] = min(at_s, self._late.get(sender, at_s))

    def _advance(self, before_s: float, budget: float, *, over: bool = False) -> list[Event]:
        """Run up to the frontier, and whatever is run again a little farther."""
        events = self._forensic.go_on(self._arrivals, self._clock_s, budget)
        rerun = self._run_again(budget)
        self._course.run(
            self._arrivals, self._clock_s - self._time.hold_back_s, self._fresh.append
        )
        self._forget()
        events.extend(self._told())
        faulty = not over and self._devices.advance(self._clock_s)
        if faulty or rerun or self._course.core.revision != self._telling.revision:
            issued = (self._clock_s if rerun else before_s, self._clock_s)
            events.extend(self._changes(issued=issued, rerun=rerun))
        return self._workflow.overlay(events, self._clock_s)

    def _settle_devices(self) -> list[Event]:
        """Say what is wrong with devices by what a recording holds, now that it is over."""
        if not self._devices.settle():
            return []
        issued = (self._clock_s, self._clock_s)
        return self._workflow.overlay(list(self._changes(issued=issued, rerun=False)), issued[0])

    def _changes(self, *, issued: tuple[float, float], rerun: bool) -> Iterator[Event]:
        return self._telling.changes(
            self._course.core,
            {name: of_fault(one) for name, one in self._devices.faults.items()},
            at_s=self._course.done_s,
            settled_s=self._course.began_s,
            issued=issued,
            rerun=rerun,
        )

    def _run_again(self, budget: float) -> bool:
        """Go on with a re-run, or begin one for the late messages; tell whether one was ended."""
        if self._rerun is None:
            pause_s = min(_RERUN_LONGEST_S, _RERUN_PAUSE_S * self._rerun_size)
            due_s = self._late_since_s + max(_RERUN_AFTER_S, pause_s)
            if not self._late or self._clock_s < due_s:
                return False
            late, self._late = self._late, {}
            region = None
            if _EVERYONE not in late:
                region = touched(self._course, self._arrivals, self._trodden, late)
            self._rerun = Rerun(self._course, self._arrivals, min(late.values()), region)
            budget = max(budget, _RERUN_AT_FIRST)
        rerun = self._rerun
        caught_up = rerun.go_on(self._course, self._arrivals, budget)
        if not caught_up and not rerun.was_left:
            return False
        self._rerun = rerun.wider(self._course, self._arrivals, self._trodden)
        if self._rerun is not None:
            return False
        self._rerun_size = rerun.size
        void, new = rerun.put_in(self._course)
        self._revoke(void)
        self._fresh += new
        return True

    def _revoke(self, void: list[Written]) -> None:
        """Take lines back; of those that nobody was told of yet, nobody need be told."""
        gone, untold = {id(one) for one in void}, {id(one) for one in self._fresh}
        self._void += [one for one in void if id(one) not in untold]
        self._fresh = [one for one in self._fresh if id(one) not in gone]

    def _told(self) -> Iterator[Event]:
        """Say what is new among the lines; after a re-run, from where on each track differs."""
        void, new = self._void, self._fresh
        self._void, self._fresh = [], []
        self._confirmed += sum(one.first for one in new) - sum(one.first for one in void)
        lines = [one.line for one in new]
        if void:
            since, lines = _differing([one.line for one in void], lines)
            if since:
                yield TracksRevised(since)
        if lines:
            yield TracksUpdated(tuple(sorted(lines, key=_line_order)))

    def _forget(self) -> None:
        """Drop what lies beyond the horizon, but for what is being run again or will be.

        The horizon is that of the messages: a clock that jumps ahead forgets nothing.
        """
        course, arrivals = self._course, self._arrivals
        last_s = course.stretches[-1].at_s
        if last_s == self._forgot_s:
            return
        self._forgot_s = last_s
        pinned_s = None if self._rerun is None else self._rerun.began_s
        before_s = min(self._clock_s, last_s) - self._time.horizon_s
        needed_s = [*self._late.values(), *(() if pinned_s is None else (pinned_s,))]
        course.forget(min((before_s, *needed_s)), pinned_s)
        # What a device saw a little earlier tells which of its tracks a late look concerns.
        oldest_s = course.began_s - course.core.looks_back_s
        if math.isfinite(oldest_s) and arrivals.log and arrivals.log[0].at_s < oldest_s - _SLACK_S:
            gone = arrivals.forget_before(oldest_s)
            course.next -= gone
            if self._rerun is not None:
                self._rerun.next -= gone
            self._trodden.forget(oldest_s)

    def remember(self, incidents: Sequence[Incident], deeds: Sequence[Deed]) -> None:
        """Take over the work of people that another life has kept (`Workflow.remember`)."""
        self._workflow.remember(incidents, deeds)

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


def _differing(
    void: Sequence[TrackUpdate], new: Sequence[TrackUpdate]
) -> tuple[dict[str, UtcTime], list[TrackUpdate]]:
    """Return from when on each track's lines are void, and the lines from there on."""
    stood, stand = _by_track(void), _by_track(new)
    since: dict[str, UtcTime] = {}
    told: list[TrackUpdate] = []
    for name in {**stood, **stand}:
        old, now = stood.get(name, ()), stand.get(name, ())
        same = next(
            (i for i, (a, b) in enumerate(zip(old, now, strict=False)) if a != b),
            min(len(old), len(now)),
        )
        if same < len(old):
            since[name] = min(line.t for line in (*old[same : same + 1], *now[same : same + 1]))
        told += now[same:]
    return since, told


def _by_track(lines: Sequence[TrackUpdate]) -> dict[str, list[TrackUpdate]]:
    found: dict[str, list[TrackUpdate]] = {}
    for line in lines:
        found.setdefault(line.track_id, []).append(line)
    for told in found.values():
        told.sort(key=_time_of)
    return found


def _time_of(line: TrackUpdate) -> UtcTime:
    return line.t


def _line_order(line: TrackUpdate) -> tuple[UtcTime, str]:
    return line.t, line.track_id
