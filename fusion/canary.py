"""A message of our own that passes through the whole chain every minute: is anybody heard at all?

    canary ──▶ broker ──▶ reception ──▶ journal ──▶ engine ──▶ store: it came through, in so long
       └ none has for three minutes: an alert of the chain, by whoever can still say it

It is an empty `detections` message of the reserved name `canary`, marked simulated: it saw
nothing, so it makes no track, and it is no patrol. Journal and replay know it as any message. That
none comes through is no message: its incident is the service's own, and a replay has none.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace

from edge.messages import (
    CANARY,
    Alert,
    AlertKind,
    AnyFieldMessage,
    DetectionsMessage,
    Incident,
    Reason,
    Sensor,
    SensorKind,
    Severity,
    Topic,
    UtcTime,
    encode,
)
from fusion.announcer import Passed
from fusion.link import Link
from fusion.local_frame import Metres
from fusion.rules import NEW
from fusion.sector import Sector
from fusion.situation.places import place_of
from fusion.tracking.track import derived_id

EVERY_S: Final = 60.0
MISSED_S: Final = 180.0
_CODE: Final = "chain_broken"


class Canary:
    """Sends it, times it, and knows since when none came through. Times are monotonic seconds."""

    def __init__(self, sector: Sector, link: Link, clock: Callable[[], UtcTime]) -> None:
        """Prepare; nothing is sent before `begin`."""
        self._sector = sector
        self._link = link
        self._clock = clock
        self._boot = uuid.uuid4().hex[:12]
        self._count = 0
        self._due_s = self._well_s = 0.0  # since when the chain is known, or supposed, to be well
        self._well_at = clock()
        self._under_way: dict[str, tuple[UtcTime, float]] = {}  # published, by message
        self._here: list[str] = []  # the engine has them, the store has not
        self._open: Incident | None = None
        self._is_back = False
        self.last: Passed | None = None

    def begin(self, now_s: float, incidents: Sequence[Incident]) -> None:
        """Begin to count; among the incidents may be one of an earlier life that lasts."""
        self._due_s, self._well_s, self._well_at = now_s + EVERY_S, now_s, self._clock()
        lasting = (one for one in incidents if is_of_chain(one) and one.ended_at is UNSET)
        self._open = next(lasting, None)

    def fly(self, now_s: float) -> None:
        """Publish the next one if it is time; without a broker none would be on its way."""
        if now_s < self._due_s or not self._link.connected:
            return
        self._due_s = now_s + EVERY_S
        self._count += 1
        at = self._clock()
        sector = self._sector
        message = DetectionsMessage(
            v=1,
            message_id=f"{CANARY}-{self._boot}-{self._count}",
            device_id=CANARY,
            sector=sector.id,
            boot_id=self._boot,
            seq=self._count,
            captured_at=at,
            sent_at=at,
            simulated=True,
            sensor=Sensor(kind=SensorKind.CAMERA, lat=sector.frame.lat, lon=sector.frame.lon),
            detections=(),
        )
        topic = Topic(sector.id, CANARY, message.kind)
        if self._link.publish(str(topic), encode(message), qos=1) is not None:
            limit_s = now_s - 2.0 * MISSED_S
            self._under_way = {
                name: sent for name, sent in self._under_way.items() if sent[1] > limit_s
            }
            self._under_way[message.message_id] = at, now_s

    def came(self, messages: Iterable[AnyFieldMessage]) -> None:
        """Note which of these are ours: the engine has them."""
        self._here += [one.message_id for one in messages if one.message_id in self._under_way]

    def stored(self, now_s: float) -> None:
        """Note that the store has what the engine had."""
        here, self._here = self._here, []
        for name in here:
            sent = self._under_way.pop(name, None)
            if sent is not None:
                at, sent_s = sent
                self.last = Passed(at, now_s - sent_s)
                self._well_s, self._well_at = now_s, at
                self._is_back = True

    def missed(self, now_s: float) -> Incident | None:
        """Return the incident that none came through for so long; None: known, or all is well."""
        if self._open is not None or now_s - self._well_s < MISSED_S:
            return None
        self._is_back = False
        name = derived_id("inc", CANARY, self._sector.id, self._well_at.rfc3339())
        self._open = Incident(
            incident_id=name,
            state=NEW,
            opened_at=self._well_at,
            updated_at=self._clock(),
            alert_ids=(derived_id("alr", name),),
            **self._facts(),
        )
        return self._open

    def back(self) -> Incident | None:
        """Return the incident that is over now that one came through; None: none was open."""
        if not self._is_back:
            return None
        over, self._open, self._is_back = self._open, None, False
        return over

    def alert(self, incident: Incident, now: UtcTime) -> Alert:
        """Write the alert of an incident."""
        where = "takes it" if self._link.connected else "is not reached"
        lasts_s = round(now.seconds_since(incident.opened_at))
        text = (
            f"nothing came through broker, journal and store for {lasts_s} s: the broker {where}"
        )
        return Alert(
            alert_id=incident.alert_ids[0],
            incident_id=incident.incident_id,
            raised_at=incident.opened_at,
            issued_at=now,
            probability=1.0,
            reasons=(Reason(code=_CODE, text=text, value=float(lasts_s)),),
            **self._facts(),
        )

    def _facts(self) -> dict[str, Any]:
        frame = self._sector.frame
        return {
            "sector": self._sector.id,
            "unit": self._sector.unit,
            "kind": AlertKind.DEVICE,
            "severity": Severity.HIGH,
            "headcount": 0,
            "headcount_min": 0,
            "headcount_max": 0,
            "lat": frame.lat,
            "lon": frame.lon,
            "place": place_of(self._sector, Metres(0.0, 0.0)),
            "track_ids": (),
            "devices": (CANARY,),
        }


def is_of_chain(incident: Incident) -> bool:
    """Tell whether an incident is that no canary came through."""
    return incident.devices == (CANARY,)


def ended(incident: Incident, at: UtcTime) -> Incident:
    """Say that an incident's matter is over, whatever people did about it."""
    return replace(incident, ended_at=at, updated_at=at)
