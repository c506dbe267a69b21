"""When one device was heard, and how its picture was, whatever the order in which it told.

    heard     ──────┤          ├──────────┤              ├───▶     runs; a longer pause is a spell
                    silent                 offline: it said good-bye

    statuses  · · c c c · · c c c c c c · · · · · ·                c: covered
                                  └ known   └ over                 (held for `sustain_s`)

Everything is a function of the set of its messages: runs are their times joined where no pause is
longer than `silent_s`, and statuses are gone through in order of their time. What lies beyond the
horizon is folded into one state, so memory is bounded.
"""

from bisect import bisect_left
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from edge.messages import Polygon, Scene, Sensor, SensorKind, StatusMessage
from fusion.rulebook import DevicesRule

_HOLDS_S: Final = 15.0  # what a status says holds until the next one, but no longer
_GOODBYE_S: Final = 2.0  # frames that were on the way are told after the good-bye


class Cause(StrEnum):
    """What is wrong with a device; the worst of a picture first."""

    ALL_SILENT = "all_silent"  # nobody is heard any more: the broker or the link to it
    COVERED = "covered"
    MOVED = "moved"
    FROZEN = "frozen"
    STALE = "stale"  # no frame came for long
    DARK = "dark"
    BLURRED = "blurred"
    SILENT = "silent"
    OFFLINE = "offline"  # it said good-bye
    LINK = "link"  # messages pile up behind its link: late, and not blind


_OF_SCENE: Final = {
    Scene.DARK: Cause.DARK,
    Scene.BLURRED: Cause.BLURRED,
    Scene.COVERED: Cause.COVERED,
    Scene.MOVED: Cause.MOVED,
    Scene.FROZEN: Cause.FROZEN,
}


class Spell(NamedTuple):
    """A time in which one thing was wrong with one device. Event times, seconds since 1970."""

    cause: Cause
    device: str
    began_s: float
    known_s: float | None  # None: it may be one, and did not last long enough yet
    ended_s: float | None


class Mark(NamedTuple):
    """How a device was, by one status message."""

    at_s: float
    online: bool
    causes: tuple[Cause, ...]  # what was wrong with its picture
    depth: int  # messages that wait behind its link


class _Open(NamedTuple):
    began_s: float
    sum_s: float  # how long it was so, all in all
    clear_s: float | None  # since when it is not
    known_s: float | None


class Pictures:
    """What came of the statuses up to one of them."""

    def __init__(self) -> None:
        """Begin before all of them."""
        self.last: Mark | None = None
        self.open: dict[Cause, _Open] = {}
        self.over: list[Spell] = []

    def copy(self) -> "Pictures":
        """Return an independent copy."""
        twin = Pictures()
        twin.last, twin.open, twin.over = self.last, dict(self.open), list(self.over)
        return twin

    def take(self, mark: Mark, device: str, rule: DevicesRule) -> None:
        """Take in the next status."""
        last, now = self.last, set(mark.causes)
        if mark.depth >= rule.queue_depth and (last is None or mark.depth >= last.depth):
            now.add(Cause.LINK)
        for cause, one in list(self.open.items()):
            if one.clear_s is None and last is not None:
                sum_s = one.sum_s + min(mark.at_s - last.at_s, _HOLDS_S)
                known_s = one.known_s
                if known_s is None and sum_s >= rule.sustain_s:
                    known_s = mark.at_s
                clear_s = None if cause in now else mark.at_s
                self.open[cause] = _Open(one.began_s, sum_s, clear_s, known_s)
            elif one.clear_s is not None:
                patience_s = rule.sustain_s if one.known_s is None else rule.join_s
                if mark.at_s - one.clear_s > patience_s:
                    del self.open[cause]
                    if one.known_s is not None:
                        self.over.append(
                            Spell(cause, device, one.began_s, one.known_s, one.clear_s)
                        )
                elif cause in now:
                    self.open[cause] = one._replace(clear_s=None)
        for cause in now - self.open.keys():
            self.open[cause] = _Open(mark.at_s, 0.0, None, None)
        self.last = mark

    def spells(self, device: str, rule: DevicesRule) -> Iterator[Spell]:
        """Yield what was and is wrong, and what may become so."""
        yield from self.over
        for cause, one in self.open.items():
            if one.clear_s is None:
                yield Spell(cause, device, one.began_s, one.known_s, None)
            elif one.known_s is not None and self.last is not None:
                # Flapping is one spell: it is over when it has kept away for some time.
                is_over = self.last.at_s - one.clear_s >= rule.sustain_s
                ended_s = one.clear_s if is_over else None
                yield Spell(cause, device, one.began_s, one.known_s, ended_s)


class DeviceRecord:
    """What one device said of itself in the last horizon."""

    def __init__(self, device: str, rule: DevicesRule) -> None:
        """Begin with a device that nobody has heard."""
        self.device = device
        self._rule = rule
        self.runs: list[tuple[float, float]] = []  # begin and end, in order
        self._marks: list[Mark] = []  # at most one a second
        self._folded = Pictures()  # by what is older than the marks
        self._pictures = Pictures()
        self._floor_s = float("-inf")  # no status is taken in before it
        self.arrived_s = float("-inf")  # by the clock, the last of its messages
        self.will_s: float | None = None  # by the clock, the last last will
        self.promised = False  # it says how it is: its silence means something
        self.sensor: tuple[float, Sensor] | None = None  # and since when it is there
        self.footprint: tuple[float, Polygon] | None = None  # the last one of a clear picture
        self.simulated = True  # all its messages were

    @property
    def last_s(self) -> float:
        """Return the event time of its newest message."""
        return self.runs[-1][1] if self.runs else float("-inf")

    def hear(self, at_s: float) -> bool:
        """Note that it was alive; tell whether its runs are others now, but for the last end."""
        silent_s = self._rule.silent_s
        if self.runs:
            begin_s, end_s = self.runs[-1]
            if begin_s <= at_s < end_s + silent_s:
                if at_s > end_s:
                    self.runs[-1] = (begin_s, at_s)
                return False
        joined, apart = (at_s, at_s), []
        for begin_s, end_s in self.runs:
            if end_s + silent_s <= at_s or at_s + silent_s <= begin_s:
                apart.append((begin_s, end_s))
            else:
                joined = (min(begin_s, joined[0]), max(end_s, joined[1]))
        self.runs = sorted([*apart, joined])
        return True

    def stands(self, sensor: Sensor, at_s: float) -> None:
        """Note where it is."""
        if self.sensor is None or at_s > self.sensor[0]:
            self.sensor = (at_s, sensor)

    def tell(self, status: StatusMessage, at_s: float) -> bool:
        """Take in a status; tell whether anything but the time has changed by it."""
        if at_s < self._floor_s:
            return False
        self.promised = self.promised or status.online
        mark = Mark(at_s, status.online, self._causes(status), status.queue_depth or 0)
        known_s = float("-inf") if self.footprint is None else self.footprint[0]
        is_clear = status.online and not mark.causes
        if status.footprint is not None and is_clear and at_s > known_s:
            self.footprint = (at_s, status.footprint)
        marks, before = self._marks, self._pictures.open.copy()
        index = bisect_left(marks, mark)
        # Of each second the last one: what is kept depends on no order of arrival.
        if index > 0 and marks[index - 1].at_s // 1.0 == at_s // 1.0:
            index -= 1
            del marks[index]
        elif index < len(marks) and marks[index].at_s // 1.0 == at_s // 1.0:
            return False
        marks.insert(index, mark)
        if index == len(marks) - 1 and (self._pictures.last or mark).at_s // 1.0 < at_s // 1.0:
            self._pictures.take(mark, self.device, self._rule)
            return bool(before or self._pictures.open) or not status.online
        self._pictures = self._folded.copy()
        for one in marks:
            self._pictures.take(one, self.device, self._rule)
        return True

    def forget(self, before_s: float) -> None:
        """Fold together what is older; of what is over, nothing is left that ended before."""
        self._floor_s = max(self._floor_s, before_s)
        count = bisect_left(self._marks, before_s, key=lambda one: one.at_s)
        for mark in self._marks[:count]:
            self._folded.take(mark, self.device, self._rule)
        del self._marks[:count]
        for pictures in (self._folded, self._pictures):
            pictures.over = [one for one in pictures.over if (one.ended_s or before_s) >= before_s]
        while len(self.runs) > 1 and self.runs[1][0] < before_s:
            del self.runs[0]

    def spells(self, until_s: float, *, margin_s: float) -> Iterator[Spell]:
        """Yield all that was and is wrong with it, and what may become so.

        Args:
            until_s: The event time up to which it could have been heard.
            margin_s: So much shorter than `silent_s` a pause may be that may become a silence.
        """
        yield from self._pictures.spells(self.device, self._rule)
        if self.promised:
            yield from self._pauses(until_s, margin_s)

    def is_clear(self, until_s: float) -> bool:
        """Tell whether it is there, and its picture is to be trusted."""
        last = self._pictures.last
        here = until_s < self.last_s + self._rule.silent_s
        return here and last is not None and last.online and not last.causes

    def _pauses(self, until_s: float, margin_s: float) -> Iterator[Spell]:
        """Yield its silences; what begins again soon after is still the same."""
        silent_s, spell = self._rule.silent_s, None
        ends = [begin_s for begin_s, _ in self.runs[1:]]
        for (_, began_s), ended_s in zip(self.runs, [*ends, None], strict=True):
            known_s, is_known = began_s + silent_s, True
            if ended_s is None and until_s < known_s:
                if until_s < known_s - margin_s or self._said_goodbye(began_s):
                    break
                is_known = False
            cause = Cause.OFFLINE if self._said_goodbye(began_s) else Cause.SILENT
            if (
                spell is not None
                and spell.ended_s is not None
                and spell.cause is cause
                and began_s - spell.ended_s <= self._rule.join_s
                and is_known
            ):
                spell = spell._replace(ended_s=ended_s)
                continue
            if spell is not None:
                yield spell
            spell = Spell(cause, self.device, began_s, known_s if is_known else None, ended_s)
        if spell is not None:
            yield spell

    def _said_goodbye(self, at_s: float) -> bool:
        """Tell whether what it said last, up to an instant, was good-bye."""
        index = bisect_left(self._marks, at_s + 1e-6, key=lambda one: one.at_s)
        last = self._marks[index - 1] if index else self._folded.last
        return last is not None and not last.online and at_s - last.at_s <= _GOODBYE_S

    def _causes(self, status: StatusMessage) -> tuple[Cause, ...]:
        if not status.online:
            return ()
        if status.scene is not None and status.scene is not Scene.CLEAR:
            return (_OF_SCENE[status.scene],)
        none_yet = status.fps == 0.0 and status.frame_age_s is None
        is_stale = none_yet or (status.frame_age_s or 0.0) > self._rule.frame_age_s
        return (Cause.STALE,) if is_stale else ()

    @property
    def flies(self) -> bool:
        """Whether it comes and goes: a good-bye is no news."""
        return self.sensor is not None and self.sensor[1].kind is SensorKind.DRONE
