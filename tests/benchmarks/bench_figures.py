"""The commanders' figures over a store of a million incidents, on SQLite: a thousand a day.

Measured are 90 days: until all are counted for the first time (many requests), the longest of
those requests, the next look, a look after one incident has changed, and the process's memory.
`--rows N`, `--seed N`.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa

from edge.messages import UtcTime
from fusion.days import Days
from fusion.sector import load_sector
from fusion.store import Store
from fusion.tables import ALERT, DEED, INCIDENT
from maps.figures.api import MOST_TOLD
from maps.figures.reading import Period, Reading
from tests.benchmarks.bench_incidents import BEGIN, SECTOR, SPAN, _row, rows

SECTOR_FILE = Path(__file__).parents[1] / "maps" / "sector" / "sector.toml"
DAYS = 90


def lay_down(store: Store, count: int, seed: int) -> None:
    """Keep that many incidents with their alerts and steps; the search's index stays empty."""
    kept: dict[sa.Table, list[dict[str, Any]]] = defaultdict(list)
    with store._engine.begin() as connection:
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


def measure(store: Store) -> dict[str, Any]:
    """Look at the last 90 days."""
    sector = load_sector(SECTOR_FILE)
    now = UtcTime.of(BEGIN + SPAN)  # it passes a little with every look
    today = now.astimezone(sector.timezone).date()
    first = today - timedelta(days=DAYS - 1)
    period = Period(Days(first, today, sector.timezone), now, simulated=False)
    reading, process = Reading(sector), psutil.Process()
    before = process.memory_info().rss

    def look() -> tuple[float, int, int]:
        nonlocal now
        now = now.after(10.0)  # no answer of seconds ago
        began_s = time.perf_counter()
        found = reading.figures(store, period._replace(now=now), most=MOST_TOLD)
        whole = next(one for one in found.tallies if one.by == "all")
        return time.perf_counter() - began_s, found.pending, whole.incidents

    requests = [look()]
    while requests[-1][1]:
        requests.append(look())
    again = [look()[0] for _ in range(20)]
    with store._engine.begin() as connection:
        some = sa.select(INCIDENT.c.incident_id).where(
            INCIDENT.c.sector == SECTOR, INCIDENT.c.opened_at < now.after(-40 * 86_400.0)
        )
        name = connection.execute(some.order_by(INCIDENT.c.opened_at.desc()).limit(1)).scalar_one()
        connection.execute(
            sa.update(INCIDENT)
            .where(INCIDENT.c.incident_id == name)
            .values(revision=sa.select(sa.func.max(INCIDENT.c.revision) + 1).scalar_subquery())
        )
    changed_s, _, _ = look()
    return {
        "incidents in 90 days": requests[-1][2],
        "first look s": round(sum(one[0] for one in requests), 1),
        "longest request s": round(max(one[0] for one in requests), 2),
        "next look ms": round(1000.0 * statistics.median(again), 1),
        "after a change ms": round(1000.0 * changed_s, 1),
        "grown by MB": round((process.memory_info().rss - before) / 1e6, 1),
    }


def main() -> int:
    """Lay the rows down and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=6)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tuanbien-figures-") as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'store.db'}", migrate=True)
        lay_down(store, given.rows, given.seed)
        figures = {"rows": given.rows, **measure(store)}
        store.close()
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
