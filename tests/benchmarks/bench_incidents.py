"""Pages of the incident log at a million rows, on SQLite and on PostgreSQL.

The rows are laid down as an older version kept them and brought up to date by the migration, then
some hundreds of random pages are asked for: every filter alone, in pairs, text, text with filters,
the first page and pages deep down, and what is not there. `--rows N`, `--queries N`, `--seed N`.
"""

import argparse
import json
import random
import socket
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from alembic import command
from msgspec.structs import replace

from edge.messages import (
    Alert,
    AlertKind,
    Deed,
    Incident,
    Outcome,
    Overdue,
    Place,
    Reason,
    Result,
    Severity,
    UtcTime,
    Verb,
    encode,
)
from fusion import store as store_module
from fusion.incident_search import Cursor, Search, first_place
from fusion.incident_words import Facet
from fusion.steps import State
from fusion.store import Store
from fusion.tables import ALERT, DEED, INCIDENT
from tests.fusion.postgres import NoPostgresError, running_postgres

SECTOR = "bien-thu"
BEGIN = UtcTime.parse("2024-01-01T00:00:00.000Z")
SPAN = timedelta(days=1000)
BEFORE = "0004"  # the version before the log
TRAILS = 2000
PAGE = 50
KINDS = dict(zip(AlertKind, (30, 12, 18, 14, 3, 2, 16, 5), strict=True))
SEVERITIES = dict(zip(Severity, (40, 35, 20, 5), strict=True))
OUTCOMES = dict(zip(Outcome, (6, 9, 5, 0.1, 0.02, 30, 10, 20, 12, 5, 3), strict=True))
STATES = {
    State.CLOSED: 88,
    State.NO_THREAT: 6,
    State.RESOLVED: 3,
    State.WITHDRAWN: 2,
    State.HANDED_OVER: 1,
}
OPEN = (
    State.NEW,
    State.ACKNOWLEDGED,
    State.ASSESSING,
    State.DISPATCHED,
    State.ON_SCENE,
    State.REOPENED,
)
UNITS = ("don-bp-lung-cu", "don-bp-sam-pun", "don-bp-bach-dich", "cong-an-xa", "hai-quan")
NAMES = (
    "Khe Lạnh",
    "Đèo Gió",
    "Suối Đá",
    "Nà Ngần",
    "Mỏ Phàng",
    "Sín Chải",
    "Lũng Cẩm",
    "Phìn Hồ",
)
WHO = ("Hạ sĩ Lan", "Thiếu úy Đức", "Trung úy Hòa", "Đại úy Minh")
NOTES = ("hai người gùi hàng quay lại", "dân bản đi nương về muộn", "trâu bò", "chưa rõ")


def pick(chance: random.Random, weights: dict[Any, float]) -> Any:
    """Pick one by its weight."""
    return chance.choices(list(weights), list(weights.values()))[0]


def rows(count: int, seed: int) -> Iterator[tuple[Incident, Alert | None, Deed | None]]:
    """Yield incidents as a busy sector has them, oldest first."""
    chance = random.Random(seed)
    for number in range(count):
        opened_at = UtcTime.of(BEGIN + SPAN * (number / count)).after(chance.random())
        opened_at = UtcTime.of(opened_at.replace(microsecond=opened_at.microsecond // 1000 * 1000))
        recent = number > count * 0.9995
        state = chance.choice(OPEN) if recent else pick(chance, STATES)
        trail = int(TRAILS * chance.random() ** 3)
        marker = chance.randrange(200, 480)
        name = f"{chance.choice(NAMES)} {trail}"
        unit = pick(chance, dict.fromkeys(UNITS[:3], 1.0))
        common = {
            "incident_id": f"inc-{chance.getrandbits(64):016x}",
            "sector": SECTOR,
            "unit": unit,
            "kind": pick(chance, KINDS),
            "severity": pick(chance, SEVERITIES),
            "lat": 22.9,
            "lon": 105.3,
            "headcount": 2,
            "headcount_min": 1,
            "headcount_max": 3,
            "track_ids": (f"trk-{number}",),
            "devices": (f"cam-{chance.randrange(300):03d}",),
            "simulated": 0.30 < number / count < 0.31,
            "place": Place(
                trail_id=f"trail-{trail}",
                trail_name=name,
                marker=str(marker),
                marker_distance_m=320.0,
                marker_bearing_deg=315.0,
                text=f"mốc {marker} + 320 m về phía Tây Bắc, đường mòn «{name}»",
            ),
        }
        alert_id = f"alert-{number}"
        incident = Incident(
            **common,
            state=state.value,
            opened_at=opened_at,
            updated_at=opened_at,
            alert_ids=(alert_id,),
        )
        if state in {State.CLOSED, State.NO_THREAT, State.RESOLVED}:
            incident = replace(incident, outcome=pick(chance, OUTCOMES), version=4)
        if state is State.HANDED_OVER or chance.random() < 0.05:
            incident = replace(incident, assigned_to=chance.choice(UNITS))
        if recent and chance.random() < 0.2:
            incident = replace(incident, overdue=Overdue(step="acknowledge", since=opened_at))
        alert = deed = None
        if chance.random() < 0.2:
            alert = Alert(
                **common,
                alert_id=alert_id,
                raised_at=opened_at,
                issued_at=opened_at,
                probability=0.97,
                reasons=(Reason(code="crossed_line", text="crossed the line", value=0.97),),
            )
        if chance.random() < 0.1:
            plate = f"29A-{chance.randrange(100, 999)}.{chance.randrange(10, 99)}"
            deed = Deed(
                message_id=f"deed-{number}",
                incident_id=incident.incident_id,
                sector=SECTOR,
                verb=Verb.NOTE,
                actor=chance.choice(WHO),
                role="duty_officer",
                at=opened_at,
                received_at=opened_at,
                reason=f"{chance.choice(NOTES)}, xe {plate}"
                if chance.random() < 0.3
                else chance.choice(NOTES),
                result=Result.APPLIED,
                state=incident.state,
                version=1,
            )
        yield incident, alert, deed


def lay_down(url: str, count: int, seed: int) -> float:
    """Make a store of that many incidents; return how long the migration took, in seconds."""
    store = Store.open(url, migrate=True)
    config = store_module._alembic()
    with store._engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, BEFORE)
        kept: dict[sa.Table, list[dict[str, Any]]] = defaultdict(list)
        for number, (incident, alert, deed) in enumerate(rows(count, seed), 1):
            kept[INCIDENT].append(_row(INCIDENT, incident, revision=number))
            if alert is not None:
                kept[ALERT].append(_row(ALERT, alert, published=True))
            if deed is not None:
                kept[DEED].append(_row(DEED, deed))
            if number % 2000 == 0 or number == count:
                for table, new in kept.items():
                    connection.execute(sa.insert(table), new)
                kept.clear()
    began_s = time.perf_counter()
    store._migrate()
    took_s = time.perf_counter() - began_s
    with store._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE" if "postgres" in url else "ANALYZE")
    store.close()
    return took_s


def _row(table: sa.Table, struct: Any, **more: object) -> dict[str, Any]:
    fields = {one.name: getattr(struct, one.name, None) for one in table.columns}
    plain = {key: getattr(value, "value", value) for key, value in fields.items()}
    return plain | {"document": encode(struct).decode()} | more


def searches(count: int, seed: int) -> Iterator[tuple[str, Search, Cursor | None]]:
    """Yield what is asked for: a name of its kind, the search, and where in the log."""
    chance = random.Random(seed)
    values: dict[Facet, Any] = {
        Facet.KIND: lambda: chance.choice(list(AlertKind)).value,
        Facet.SEVERITY: lambda: chance.choice(list(Severity)).value,
        Facet.STATE: lambda: chance.choice(list(State)).value,
        Facet.TRAIL: lambda: f"trail-{chance.randrange(TRAILS)}",
        Facet.UNIT: lambda: chance.choice(UNITS),
        Facet.ASSIGNED_TO: lambda: chance.choice(UNITS),
        Facet.OUTCOME: lambda: chance.choice(list(Outcome)).value,
        Facet.OVERDUE: lambda: chance.choice(["yes", "no"]),
        Facet.SIMULATED: lambda: chance.choice(["yes", "no"]),
    }
    texts = (
        *("khe lanh", "Đèo Gió", "moc 234", "huong ve phia tay bac", "29A-123.45", "lan"),
        *("hạ sĩ", "trau bo", "cam-007", "nuong muon", "khong co gi nhu the", "duong mon 1"),
    )
    everything = [(facet,) for facet in values]
    everything += [(one, two) for one in values for two in values if one < two]
    for number in range(count):
        shape = ("facets", "text", "text and filters", "time and filters")[number % 4]
        chosen = () if shape == "text" else everything[(number // 4) % len(everything)]
        search = Search(
            SECTOR,
            facets={facet: [values[facet]()] for facet in chosen},
            text=chance.choice(texts) if "text" in shape else "",
        )
        if "time" in shape:
            since = UtcTime.of(BEGIN + SPAN * chance.random())
            search = search._replace(
                since=since, until=since.after(86_400.0 * chance.choice((1, 30, 300)))
            )
        deep = chance.random() < 0.4
        place = first_place(UtcTime.of(BEGIN + SPAN * chance.random()))
        cursor = Cursor(place, newer=chance.random() < 0.3) if deep else None
        yield f"{shape}{', deep' if deep else ''}", search, cursor


def measure(url: str, queries: int, seed: int) -> dict[str, Any]:
    """Ask for pages; return their times in milliseconds."""
    times_ms: dict[str, list[float]] = defaultdict(list)
    slowest: tuple[float, Search, Cursor | None] = (0.0, Search(SECTOR), None)
    found = 0
    with closing(Store.open(url)) as store:
        for shape, search, cursor in searches(queries, seed):
            began_s = time.perf_counter()
            page = store.find_incidents(search, limit=PAGE, cursor=cursor)
            took_ms = (time.perf_counter() - began_s) * 1000.0
            times_ms[shape].append(took_ms)
            slowest = max(slowest, (took_ms, search, cursor), key=lambda one: one[0])
            found += bool(page.incidents)
        every = sorted(one for some in times_ms.values() for one in some)
        print(f"slowest: {slowest[0]:.0f} ms, {slowest[1]}, {slowest[2]}", file=sys.stderr)
        for line in plan(store, slowest[1], slowest[2]):
            print(f"    {line}", file=sys.stderr)
    return {
        "p50 ms": round(statistics.median(every), 1),
        "p95 ms": round(every[int(len(every) * 0.95)], 1),
        "max ms": round(every[-1], 1),
        "found something": round(found / queries, 2),
        "p95 ms of": {
            shape: round(sorted(some)[int(len(some) * 0.95)], 1)
            for shape, some in sorted(times_ms.items())
        },
    }


def plan(store: Store, search: Search, cursor: Cursor | None) -> list[str]:
    """Return how the database answered a search: the plan of each of its statements."""
    lines: list[str] = []
    explain = (
        "EXPLAIN QUERY PLAN " if store._engine.dialect.name == "sqlite" else "EXPLAIN (ANALYZE) "
    )

    def note(
        connection: Any, _cursor: Any, statement: str, given: Any, _context: Any, _many: Any
    ) -> None:
        if statement.startswith(("SELECT", "WITH")):
            rows = connection.connection.cursor().execute(explain + statement, given).fetchall()
            lines.extend(str(row[-1]) for row in rows)

    sa.event.listen(store._engine, "before_cursor_execute", note)
    try:
        store.find_incidents(search, limit=PAGE, cursor=cursor)
    finally:
        sa.event.remove(store._engine, "before_cursor_execute", note)
    return lines


def figures_of(url: str, given: argparse.Namespace) -> dict[str, Any]:
    """Lay the rows down in an empty database and measure."""
    migration_s = lay_down(url, given.rows, given.seed)
    print(f"{url}: migrated in {migration_s:.0f} s", file=sys.stderr)
    return {"migration s": round(migration_s, 1), **measure(url, given.queries, given.seed)}


def main() -> int:
    """Measure both databases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--seed", type=int, default=6)
    given = parser.parse_args()
    figures: dict[str, Any] = {"rows": given.rows}
    with tempfile.TemporaryDirectory(prefix="tuanbien-incidents-") as folder:
        figures["sqlite"] = figures_of(f"sqlite:///{Path(folder) / 'store.db'}", given)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        with running_postgres(port) as address:
            with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
                connection.execute("CREATE DATABASE bench")
            figures["postgresql"] = figures_of(f"{address}/bench", given)
    except NoPostgresError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
