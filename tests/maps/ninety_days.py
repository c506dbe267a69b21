"""Fills a store with days of a sector as a duty room would leave them: for tests and for looking.

`python -m tests.maps.ninety_days sqlite:///figures.db --days 90 --per-day 30 --seed 6`
"""

import argparse
import math
import random
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from msgspec import UNSET

from edge.messages import (
    Alert,
    AlertKind,
    CommandReply,
    Deed,
    Incident,
    Outcome,
    Overdue,
    Place,
    Polygon,
    PositionMessage,
    Reason,
    Result,
    Scene,
    Sensor,
    SensorKind,
    Severity,
    StatusMessage,
    UtcTime,
    Verb,
    encode,
)
from fusion.days import start_of_day
from fusion.events import AlertIssued, CommandAnswered, Event, IncidentChanged
from fusion.history import UNIT, Span
from fusion.local_frame import Metres
from fusion.sector import load_sector
from fusion.store import Store

SECTOR_FILE = Path(__file__).parent / "sector" / "sector.toml"
_SECTOR = load_sector(SECTOR_FILE)
HOUR_S = 3600.0
DAY_S = 86_400.0
DEVICES = ("cam-01", "cam-02", "tram-03")
# Night draws more than day: weights of the hours of the sector's day.
HOURS = (*(9, 10, 10, 8, 6, 3), *(1, 1, 1, 2, 2, 1), *(1, 1, 1, 1, 2, 3), *(4, 6, 8, 9, 10, 9))
KINDS = (
    *(AlertKind.APPROACH,) * 8, *(AlertKind.CROSSING,) * 4, *(AlertKind.ZONE,) * 3,
    AlertKind.LOITERING, AlertKind.RENDEZVOUS, *(AlertKind.DEVICE,) * 2,
)  # fmt: skip
OUTCOMES = (
    *(Outcome.BAT_GIU,) * 3, *(Outcome.QUAY_LAI,) * 5, *(Outcome.THOAT,) * 2,
    *(Outcome.NGUOI_DIA_PHUONG,) * 4, *(Outcome.DONG_VAT,) * 4, *(Outcome.MOI_TRUONG,) * 2,
    Outcome.LUC_LUONG_TA, Outcome.LOI_HE_THONG, Outcome.KHONG_RO, Outcome.CUU_HO,
)  # fmt: skip
# Where people come: trail or None, chainage, lat, lon; and how many of them.
PLACES = (
    ("trail-1", "Khe Đá", 420.0, 1.2001, -12.3018, 6),
    ("trail-2", "Suối Lạnh", 700.0, 1.1999, -12.2995, 3),
    ("road-1", "Đường cửa khẩu", 1020.0, 1.2002, -12.2964, 1),
    (None, None, 150.0, 1.2001, -12.3045, 1),
)
VIEWS = {
    "cam-01": ((-12.3026, 1.1985), (-12.3028, 1.2012), (-12.3010, 1.2012), (-12.3014, 1.1985)),
    "cam-02": ((-12.3001, 1.1985), (-12.3003, 1.2012), (-12.2988, 1.2012), (-12.2990, 1.1985)),
    "tram-03": ((-12.2970, 1.1990), (-12.2972, 1.2008), (-12.2955, 1.2008), (-12.2958, 1.1990)),
}


def fill(
    store: Store,
    *,
    now: UtcTime,
    days: int = 90,
    per_day: int = 30,
    seed: int = 6,
    simulated: bool = False,
    with_history: bool = True,
) -> list[Incident]:
    """Fill a store with the last days; return the incidents as they stand."""
    sector, draw = _SECTOR, random.Random(seed)
    found: list[Incident] = []
    for back in range(days - 1, -1, -1):
        day = now.astimezone(sector.timezone).date() - timedelta(days=back)
        since = start_of_day(day, sector.timezone)
        events: list[Event] = []
        for number in range(draw.randint(per_day // 2, per_day + per_day // 2)):
            hour = draw.choices(range(24), HOURS)[0]
            at = since.after((hour + draw.random()) * HOUR_S)
            if at < now:
                name = f"{'x' if simulated else 'i'}{day:%y%m%d}-{number:03}"
                one, its = _case(draw, name, at, is_old=back > 1, simulated=simulated)
                found.append(one)
                events += its
        spans = (
            list(_heard(draw, since, min(now, since.after(DAY_S)), back)) if with_history else []
        )
        store.save(events, sector=sector.id, heard=spans)
    return found


def _case(
    draw: random.Random, name: str, at: UtcTime, *, is_old: bool, simulated: bool
) -> tuple[Incident, list[Event]]:
    trail, trail_name, chainage_m, lat, lon, _ = draw.choices(
        PLACES, [place[-1] for place in PLACES]
    )[0]
    kind = draw.choice(KINDS)
    severity = draw.choice(list(Severity))
    waits_s = (
        draw.lognormvariate(3.6, 0.9),
        draw.lognormvariate(5.6, 0.8),
        draw.lognormvariate(7.6, 0.7),
    )
    steps, outcome = 0, None
    if is_old or draw.random() < 0.5:
        outcome = draw.choice(OUTCOMES)
        steps = 3 if outcome in {Outcome.BAT_GIU, Outcome.QUAY_LAI, Outcome.THOAT} else 1
    elif draw.random() < 0.4:
        steps = 1
    state = "closed" if outcome else ("acknowledged" if steps else "new")
    common = {
        "incident_id": name, "sector": "bien-thu", "kind": kind, "severity": severity,
        "lat": lat + draw.gauss(0.0, 2e-4), "lon": lon + draw.gauss(0.0, 2e-4),
        "headcount": 2, "headcount_min": 1, "headcount_max": 3, "track_ids": (f"t-{name}",),
        "devices": (draw.choices(DEVICES, (6, 3, 1))[0],), "simulated": simulated,
        "place": Place(trail_id=trail, trail_name=trail_name, chainage_m=chainage_m),
    }  # fmt: skip
    alert = Alert(
        alert_id=f"a-{name}", raised_at=at, issued_at=at, probability=0.9,
        reasons=(Reason(code="crossed_line", text="crossed", value=0.9),),
        grouped_with="a-other" if draw.random() < 0.05 else UNSET, **common,
    )  # fmt: skip
    is_late = state == "new" and draw.random() < 0.5
    incident = Incident(
        state=state, opened_at=at, updated_at=at, alert_ids=(alert.alert_id,),
        outcome=outcome or UNSET, version=steps or UNSET,
        acted_by="lan" if steps else UNSET, acted_at=at.after(waits_s[0]) if steps else UNSET,
        overdue=Overdue(step="acknowledge", since=at.after(300.0)) if is_late else UNSET, **common,
    )  # fmt: skip
    verbs = (Verb.ACKNOWLEDGE, Verb.DISPATCH, Verb.RESOLVE)[:steps]
    deeds = [
        CommandAnswered(CommandReply(deed=_deed(name, verb, at.after(wait_s), number)))
        for number, (verb, wait_s) in enumerate(zip(verbs, waits_s, strict=False))
    ]
    return incident, [IncidentChanged(incident), AlertIssued(alert), *deeds]


def _deed(name: str, verb: Verb, at: UtcTime, number: int) -> Deed:
    return Deed(
        message_id=f"{name}-{verb}", incident_id=name, sector="bien-thu", verb=verb, actor="lan",
        role="duty_officer", at=at, received_at=at, result=Result.APPLIED, version=number + 1,
    )  # fmt: skip


def _heard(draw: random.Random, since: UtcTime, until: UtcTime, back: int) -> Iterator[Span]:
    """Yield who was heard on a day: a camera is dark at times, the third one died of late."""
    length_s = until.seconds_since(since)
    off_s = 2.0 * HOUR_S if back % 11 == 5 else 0.0
    yield Span("fusion", since, since.after(max(1.0, length_s - off_s)), False, "")
    for device, ring in VIEWS.items():
        if device == "tram-03" and back < 9:
            continue
        dark_s = draw.uniform(0.0, 3.0) * HOUR_S if device == "cam-02" else 0.0
        for begin_s, end_s, scene in (
            (0.0, dark_s, Scene.DARK), (dark_s, length_s, Scene.CLEAR)
        ):  # fmt: skip
            if end_s > begin_s:
                yield _status(device, ring, since.after(begin_s), since.after(end_s), scene)
    for unit, number, hour in (("to-1", 0, 6.0), ("to-2", 1, 17.0)):
        way = _SECTOR.trails[number].line[: 4 + back % 3]
        for step, (lat, lon) in enumerate(_along(way)):
            at = since.after(hour * HOUR_S + step * 20.0)
            if at < until and (unit == "to-1" or back % 3 == 0):
                yield _position(unit, at, lat, lon)


def _along(way: Sequence[Metres]) -> Iterator[tuple[float, float]]:
    """Yield `(lat, lon)` every 15 m of a way."""
    for a, b in pairwise(way):
        for step in range(int(math.dist(a, b) // 15.0)):
            share = step * 15.0 / math.dist(a, b)
            yield _SECTOR.frame.to_wgs84(
                a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])
            )


def _status(
    device: str,
    ring: tuple[tuple[float, float], ...],
    since: UtcTime,
    until: UtcTime,
    scene: Scene,
) -> Span:
    status = StatusMessage(
        v=1, message_id=f"{device}-{since.rfc3339()}", sector="bien-thu", device_id=device,
        online=True, captured_at=since, fps=10.0, scene=scene,
        sensor=Sensor(kind=SensorKind.CAMERA, lat=ring[0][1], lon=ring[0][0]),
        footprint=Polygon(type="Polygon", coordinates=((*ring, ring[0]),)),
    )  # fmt: skip
    return Span(device, since, until, False, encode(status).decode())


def _position(unit: str, at: UtcTime, lat: float, lon: float) -> Span:
    said = PositionMessage(
        v=1, message_id=f"{unit}-{at.rfc3339()}", sector="bien-thu", unit_id=unit,
        captured_at=at, lat=lat, lon=lon, accuracy_m=4.0,
    )  # fmt: skip
    return Span(UNIT + unit, at, at, False, encode(said).decode())


def main() -> None:
    """Fill a store from the command line."""
    parser = argparse.ArgumentParser(description="fill a store with days of a sector")
    parser.add_argument("store")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--per-day", type=int, default=30)
    parser.add_argument("--seed", type=int, default=6)
    options = parser.parse_args()
    store = Store.open(options.store, migrate=True)
    found = fill(
        store, now=UtcTime.read_clock(), days=options.days, per_day=options.per_day,
        seed=options.seed,
    )  # fmt: skip
    store.close()
    sys.stdout.write(f"{len(found)} incidents\n")


if __name__ == "__main__":
    main()
