"""Blind is not quiet: which devices say nothing, or nothing that is to be trusted, and since when.

Outside the core: a silence is at no place, and a device has no track. The engine tells of every
admitted message (`note`) and of the clock (`advance`), and asks for the `faults`.

**Order.** What is told is a function of the set of messages. How long a device is silent is
measured against the newest event time of anybody's message. Two things depend on the clock, and
only until the next message: a device whose old messages still come in is not called silent, and
when nothing comes in from anybody, event time goes on with the clock. At the end of a recording
(`settle`) neither counts: nobody is silent because the recording is over. A last will has no event
time: it explains a silence, and begins none.

**One notice.** Faults of one cause that begin together, at `storm` devices or at all of them, are
one fault: a mast, a link, the fog. Whoever stays away when half of them are back is told by name.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from edge.messages import (
    CANARY,
    AnyFieldMessage,
    CommandMessage,
    DetectionsMessage,
    Polygon,
    Reason,
    Severity,
    StatusMessage,
    UtcTime,
)
from fusion.local_frame import Metres
from fusion.sector import Sector
from fusion.situation.coverage import newly_blind
from fusion.situation.device_record import Cause, DeviceRecord, Spell
from fusion.tracking.track import derived_id

KEPT_S: Final = 900.0  # beyond the horizon what was wrong is remembered
DEVICES_KEPT: Final = 4096  # beyond, those not heard for longest are forgotten
_SHED: Final = 512
_FORGET_EVERY_S: Final = 60.0
_PAUSES: Final = frozenset({Cause.SILENT, Cause.OFFLINE})
_TEXTS: Final = {
    Cause.SILENT: "nothing was heard of it since {since}",
    Cause.OFFLINE: "it said good-bye at {since} and did not come back",
    Cause.ALL_SILENT: "no device was heard since {since}: the broker, or the link to it",
    Cause.COVERED: "its picture is covered since {since}",
    Cause.MOVED: "it looks elsewhere than it was surveyed, since {since}",
    Cause.FROZEN: "its picture stands still since {since}",
    Cause.STALE: "it gets no picture since {since}",
    Cause.DARK: "its picture is dark since {since}",
    Cause.BLURRED: "its picture is blurred since {since}",
    Cause.LINK: "messages pile up behind its link since {since}: what it sees comes late",
}


class DeviceFault(NamedTuple):
    """What is wrong with a device, or with several since the same moment. Event times, s."""

    id: str  # of the incident; from cause, first device and `began_s`
    cause: Cause
    devices: tuple[str, ...]  # by name
    began_s: float
    known_s: float  # when it had lasted long enough
    ended_s: float | None  # None: it lasts
    severity: Severity
    at: Metres | None  # where they stand, in the middle; None: nobody ever said
    simulated: bool  # they are of an exercise
    reasons: tuple[Reason, ...]

    @property
    def last_s(self) -> float:
        """Return when it last changed."""
        return self.known_s if self.ended_s is None else max(self.known_s, self.ended_s)


class DeviceWatch:
    """What is wrong with the devices of one sector; memory is bounded by the horizon."""

    def __init__(self, sector: Sector) -> None:
        """Know nobody."""
        self._sector = sector
        self._rule = sector.rules.devices
        self._kept_s = sector.rules.time.horizon_s + KEPT_S
        self._records: dict[str, DeviceRecord] = {}
        self._newest_s = -math.inf  # event time of anybody's message
        self._arrived_s = -math.inf  # by the clock
        self._clock_s = -math.inf
        self._forgot_s = -math.inf
        self._dirty = False
        self._due_now_s = math.inf  # event time until which nothing changes by itself
        self._due_clock_s = math.inf  # and the clock
        self._quiet: frozenset[str] = frozenset()  # silent, or soon so
        self._blind: dict[str, tuple[Reason, ...]] = {}  # by fault: what nobody sees since
        self.faults: Mapping[str, DeviceFault] = {}  # by id: what is and what was wrong
        self.revision = 0  # grows whenever they change

    def note(self, message: AnyFieldMessage, at_s: float | None, clock_s: float) -> None:
        """Take in that a message came.

        Args:
            message: Any that was admitted; of the canary, and of people, nothing is kept.
            at_s: When it was captured; None: a last will.
            clock_s: When it came.
        """
        if isinstance(message, CommandMessage):
            return
        if isinstance(message, DetectionsMessage | StatusMessage):
            if message.device_id == CANARY:
                return
            self._hear(message, at_s, clock_s)
        if at_s is not None:
            self._newest_s = max(self._newest_s, at_s)
        self._dirty = self._dirty or self._by_clock  # event time is the messages' again
        self._arrived_s = clock_s

    def advance(self, clock_s: float) -> bool:
        """Let the clock pass; tell whether the faults have changed."""
        if clock_s < self._clock_s:  # set right: it was never so late
            self._arrived_s = min(self._arrived_s, clock_s)
            for record in self._records.values():
                record.arrived_s = min(record.arrived_s, clock_s)
            self._dirty = True
        self._clock_s = clock_s
        if not self._dirty and clock_s < self._due_clock_s and self._now_s < self._due_now_s:
            return False
        return self._judge(self._now_s, settled=False)

    @property
    def due_s(self) -> float:
        """Return the clock before which `advance` changes nothing while no message comes."""
        if self._dirty or self._now_s >= self._due_now_s:
            return self._clock_s
        goes_on = self._by_clock or self._newest_s > self._clock_s
        return min(self._due_clock_s, self._due_now_s if goes_on else math.inf)

    def settle(self, at_s: float = math.inf) -> bool:
        """End a recording, or look at an instant of it; tell whether the faults changed.

        Args:
            at_s: Event time of the instant; no later than the newest message counts.
        """
        return self._judge(min(self._newest_s, at_s), settled=True)

    @property
    def heard(self) -> bool:
        """Whether anybody was heard."""
        return math.isfinite(self._newest_s)

    @property
    def devices(self) -> frozenset[str]:
        """Return the devices that say how they are."""
        return frozenset(name for name, one in self._records.items() if one.promised)

    def seeing(self, at_s: float = math.inf) -> dict[str, Polygon]:
        """Return what each device sees that is there and whose picture is to be trusted.

        Args:
            at_s: Event time, but for no later than the newest message.
        """
        now_s = min(self._newest_s, at_s)
        return {
            name: record.footprint[1]
            for name, record in sorted(self._records.items())
            if record.footprint is not None and record.is_clear(now_s)
        }

    # -- inside ------------------------------------------------------------------------------

    @property
    def _by_clock(self) -> bool:
        """Whether nobody was heard for so long that event time goes on with the clock."""
        return self._clock_s >= self._arrived_s + self._rule.silent_s

    @property
    def _now_s(self) -> float:
        """Return the event time up to which a device could have been heard."""
        return self._clock_s if self._by_clock else min(self._newest_s, self._clock_s)

    def _hear(
        self, message: DetectionsMessage | StatusMessage, at_s: float | None, clock_s: float
    ) -> None:
        name = message.device_id
        record = self._records.get(name)
        if record is None:
            if len(self._records) >= DEVICES_KEPT:
                self._shed()
            record = self._records[name] = DeviceRecord(name, self._rule)
        record.simulated = record.simulated and message.simulated
        if at_s is None:
            record.will_s = clock_s
            return
        if at_s < self._forgot_s:
            return
        record.arrived_s = clock_s
        if record.hear(at_s) or name in self._quiet:
            self._dirty = True
        if message.sensor is not None:
            record.stands(message.sensor, at_s)
        if isinstance(message, StatusMessage):
            promised = record.promised
            if record.tell(message, at_s) or record.promised is not promised:
                self._dirty = True

    def _judge(self, now_s: float, *, settled: bool) -> bool:
        self._dirty = False
        if now_s - self._forgot_s > self._kept_s + _FORGET_EVERY_S:
            self._forgot_s = min(self._newest_s, now_s) - self._kept_s
            for record in self._records.values():
                record.forget(self._forgot_s)
        spells = [
            spell
            for one in self._records.values()
            for spell in self._of(one, now_s, settled=settled)
        ]
        self._quiet = frozenset(
            one.device for one in spells if one.cause in _PAUSES and one.ended_s is None
        )
        faults = {one.id: one for one in self._grouped(spells, now_s)}
        self._plan(now_s, faults.values())
        if faults == self.faults:
            return False
        self._blind = {name: said for name, said in self._blind.items() if name in faults}
        self.faults = faults
        self.revision += 1
        return True

    def _of(self, record: DeviceRecord, now_s: float, *, settled: bool) -> Iterator[Spell]:
        """Yield what is wrong with a device; while its old messages come in, it is not silent."""
        rule = self._rule
        for spell in record.spells(now_s, margin_s=rule.together_s):
            if spell.cause is Cause.OFFLINE and record.flies:
                continue
            if spell.cause in _PAUSES and spell.ended_s is None and not settled:
                told_s = record.arrived_s + rule.silent_s
                if self._clock_s < told_s - rule.together_s:
                    continue
                if self._clock_s < told_s:
                    spell = spell._replace(known_s=None)  # noqa: PLW2901 - seen by no one else
            yield spell

    def _grouped(self, spells: Iterable[Spell], now_s: float) -> Iterator[DeviceFault]:
        ordered = sorted(spells, key=lambda one: (one.cause, one.began_s, one.device))
        for _, alike in groupby(ordered, key=lambda one: one.cause):
            for together in _chains(alike, self._rule.together_s):
                yield from self._told(together, now_s)

    def _told(self, together: Sequence[Spell], now_s: float) -> Iterator[DeviceFault]:
        """Yield what began together: one by one, or as one fault and who stays behind."""
        known = [one for one in together if one.known_s is not None]
        if not known:
            return
        is_all = together[0].cause is Cause.SILENT and self._are_all(together)
        if not is_all and len(together) < self._rule.storm:
            for one in known:
                yield self._fault([one], one.cause, one.ended_s, now_s)
            return
        ends = sorted(one.ended_s for one in together if one.ended_s is not None)
        needed = (len(together) + 1) // 2
        ended_s = ends[needed - 1] if len(ends) >= needed else None
        yield self._fault(together, Cause.ALL_SILENT if is_all else known[0].cause, ended_s, now_s)
        if ended_s is None:
            return
        left_s = ended_s + self._rule.silent_s
        for one in known:
            if (now_s if one.ended_s is None else one.ended_s) >= left_s:
                yield self._fault([one], one.cause, one.ended_s, now_s, behind=True)

    def _are_all(self, together: Sequence[Spell]) -> bool:
        """Tell whether nobody else was there when they fell silent."""
        names = {one.device for one in together}
        first_s, last_s = together[0].began_s, together[-1].began_s
        others = (
            record
            for name, record in self._records.items()
            if record.promised and name not in names
        )
        slack_s = self._rule.together_s
        return len(names) > 1 and not any(
            begin_s <= last_s and end_s > first_s + slack_s
            for record in others
            for begin_s, end_s in record.runs
        )

    def _fault(
        self,
        spells: Sequence[Spell],
        cause: Cause,
        ended_s: float | None,
        now_s: float,
        *,
        behind: bool = False,
    ) -> DeviceFault:
        began_s = spells[0].began_s
        known_s = min(one.known_s for one in spells if one.known_s is not None)
        devices = tuple(sorted(one.device for one in spells))
        parts = (cause.value, spells[0].device, f"{began_s:.3f}", *(("behind",) if behind else ()))
        fault_id = derived_id("inc", "device", *parts)
        records = [self._records[name] for name in devices]
        until_s = now_s if ended_s is None else ended_s
        reasons = self._reasons(fault_id, cause, spells, now_s, lasting=ended_s is None)
        return DeviceFault(
            id=fault_id,
            cause=cause,
            devices=devices,
            began_s=began_s,
            known_s=known_s,
            ended_s=ended_s,
            severity=self._rule.severity_of(cause.value, began_s, until_s),
            at=self._middle(records),
            simulated=all(one.simulated for one in records),
            reasons=reasons,
        )

    def _reasons(
        self,
        fault_id: str,
        cause: Cause,
        spells: Sequence[Spell],
        now_s: float,
        *,
        lasting: bool,
    ) -> tuple[Reason, ...]:
        began_s = spells[0].began_s
        records = [self._records[one.device] for one in spells]
        since = UtcTime.from_epoch_s(began_s).rfc3339()
        found = [Reason(code=f"device_{cause}", text=_TEXTS[cause].format(since=since))]
        if len(records) > 1:
            text = f"{len(records)} devices since the same moment"
            found.append(Reason(code="devices_together", text=text, value=float(len(records))))
        if cause is Cause.SILENT and any((one.will_s or -math.inf) >= began_s for one in records):
            text = "the broker lost its connection: its link, or its power"
            found.append(Reason(code="last_will", text=text))
        if cause is not Cause.LINK and fault_id not in self._blind and lasting:
            lost = {one.device: one.footprint[1] for one in records if one.footprint is not None}
            self._blind[fault_id] = newly_blind(self._sector, lost, self.seeing(now_s))
        return (*found, *self._blind.get(fault_id, ()))

    def _middle(self, records: Sequence[DeviceRecord]) -> Metres | None:
        frame = self._sector.frame
        sensors = [one.sensor[1] for one in records if one.sensor is not None]
        spots = [frame.to_metres(lat=one.lat, lon=one.lon) for one in sensors]
        if not spots:
            return None
        x_m, y_m = (math.fsum(axis) / len(spots) for axis in zip(*spots, strict=True))
        return Metres(x_m, y_m)

    def _plan(self, now_s: float, faults: Iterable[DeviceFault]) -> None:
        """Note when anything may change next though nobody says a word."""
        silent_s, margin_s = self._rule.silent_s, self._rule.together_s
        due_s = [self._arrived_s + silent_s]
        changes_s = [one.began_s + self._rule.long_s for one in faults if one.ended_s is None]
        changes_s += [one.ended_s + silent_s for one in faults if one.ended_s is not None]
        for record in self._records.values():
            if record.promised:
                known_s, told_s = record.last_s + silent_s, record.arrived_s + silent_s
                changes_s += [known_s - margin_s, known_s]
                due_s += [told_s - margin_s, told_s]
        self._due_now_s = min((one for one in changes_s if one > now_s), default=math.inf)
        self._due_clock_s = min((one for one in due_s if one > self._clock_s), default=math.inf)

    def _shed(self) -> None:
        oldest = sorted(self._records, key=lambda name: (self._records[name].last_s, name))
        for name in oldest[:_SHED]:
            del self._records[name]


def _chains(spells: Iterable[Spell], together_s: float) -> Iterator[list[Spell]]:
    """Yield what began together, of spells in order: link by link no farther apart."""
    chain: list[Spell] = []
    for spell in spells:
        if chain and spell.began_s - chain[-1].began_s > together_s:
            yield chain
            chain = []
        chain.append(spell)
    if chain:
        yield chain
