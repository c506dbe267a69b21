"""The figures over HTTP: what they add up to, whom they are for, and what they say of nothing."""

import asyncio
import csv
import io
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from msgspec.structs import replace

from edge.messages import Outcome, RefusedError, UtcTime
from fusion.events import IncidentChanged
from fusion.sector import Sector
from fusion.steps import ENDED
from fusion.store import Store
from maps import assets
from maps.app import create_app
from maps.feed import Feed
from maps.figures.day_cache import DayCache
from maps.people.door import person_of
from maps.people.roles import Person, Role
from tests.maps.ninety_days import DEVICES, fill

NOW = UtcTime.parse("2026-11-28T15:00:00.000Z")  # 22:00 there
Asks = Callable[..., Any]


def get(app: FastAPI, path: str) -> httpx.Response:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    return asyncio.run(once())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.open(f"sqlite:///{tmp_path / 'figures.db'}", migrate=True)
    yield made
    made.close()


@pytest.fixture
def clock() -> list[UtcTime]:
    return [NOW]


@pytest.fixture
def app(store: Store, sector: Sector, clock: list[UtcTime]) -> FastAPI:
    assets.bring()
    feed = Feed(
        "bien-thu",
        broker_url="mqtt://127.0.0.1:1",
        open_store=lambda: store,
        clock=lambda: clock[0],
        run_id="run1",
    )
    return create_app(sector=sector, feed=feed)


@pytest.fixture
def ask(app: FastAPI) -> Asks:
    """Return a function that asks until every day is counted."""

    def until_counted(query: str = "days=10", *, what: str = "", status: int = 200) -> Any:
        for _ in range(200):
            answer = get(app, f"/api/v1/figures{what}?{query}")
            assert answer.status_code == status, answer.text
            if status != 200 or not answer.json()["pending"]:
                return answer.json()
        pytest.fail("the days are never counted")

    return until_counted


def columns(found: Any, table: str) -> dict[str, list[Any]]:
    its = found["tables"][table]
    names = [one["name"] for one in its["columns"]]
    return {name: [row[at] for row in its["rows"]] for at, name in enumerate(names)}


def test_every_table_adds_up_to_the_same_incidents(store: Store, ask: Asks) -> None:
    incidents = fill(store, now=NOW, days=10, per_day=12)
    found = ask()
    assert found["all"]["incidents"] == len(incidents)
    for table in ("came_kind", "came_day"):
        its = columns(found, table)
        rest = its["incidents"][1:] if table == "came_kind" else its["incidents"]
        assert sum(rest) == len(incidents)
    assert sum(columns(found, "came_device")["incidents"]) == len(incidents)  # one device each
    of_people = [one for one in incidents if one.kind.value != "device"]
    for table in ("places_hours", "places_weekdays"):
        its = columns(found, table)
        assert sum(its.pop("incidents")) == len(of_people)
        del its["place"]
        assert sum(map(sum, its.values())) == len(of_people)
    load = columns(found, "load_day")
    assert sum(load["sounded"]) + sum(load["quiet"]) == len(incidents)  # one alert each
    assert load["hours"] == [24.0] * 9 + [22.0]
    open_ones = [one for one in incidents if one.state not in ENDED]
    assert found["waiting"] == len(open_ones)
    assert sum(columns(found, "waiting_states")["incidents"]) == len(open_ones)
    oldest = min(open_ones, key=lambda one: one.opened_at)
    assert found["oldest"]["incident_id"] == oldest.incident_id
    waiting = columns(found, "waiting")["opened"]
    assert waiting == sorted(waiting)


def test_periods_that_touch_count_nothing_twice(store: Store, ask: Asks) -> None:
    fill(store, now=NOW, days=9, per_day=10, with_history=False)
    whole = ask("from=2026-11-20&to=2026-11-28")
    parts = [ask("from=2026-11-20&to=2026-11-24"), ask("from=2026-11-25&to=2026-11-28")]
    for name in ("incidents", "true", "nuisance", "caught", "got_away"):
        assert sum(part["all"][name] for part in parts) == whole["all"][name]
    days = [columns(part, "came_day") for part in parts]
    assert [*days[0]["date"], *days[1]["date"]] == columns(whole, "came_day")["date"]
    assert (
        columns(ask("days=9"), "came_day") == columns(whole, "came_day")  # the same days
    )


def test_a_quiet_day_is_listed_with_none(store: Store, ask: Asks) -> None:
    fill(store, now=NOW.after(-3 * 86_400.0), days=2, per_day=4, with_history=False)
    its = columns(ask("days=6"), "came_day")
    assert len(its["date"]) == 6
    assert its["incidents"][0] == 0
    assert min(its["incidents"][1:3]) > 0
    assert its["incidents"][3:] == [0, 0, 0]
    assert its["precision"][3:] == [None, None, None]


def test_a_day_is_counted_anew_when_something_of_it_changes(
    store: Store, ask: Asks, clock: list[UtcTime]
) -> None:
    incidents = fill(store, now=NOW, days=4, per_day=8, with_history=False)
    before = ask("days=4")["all"]
    changed = next(one for one in incidents if one.outcome is Outcome.DONG_VAT)
    store.save([IncidentChanged(replace(changed, outcome=Outcome.BAT_GIU))], sector="bien-thu")
    assert ask("days=4")["all"] == before  # for some seconds
    clock[0] = NOW.after(5.0)
    after = ask("days=4")["all"]
    assert after["nuisance"] == before["nuisance"] - 1
    assert after["caught"] == before["caught"] + 1


def test_exercises_stay_apart(store: Store, ask: Asks) -> None:
    real = fill(store, now=NOW, days=3, per_day=6, with_history=False)
    drill = fill(store, now=NOW, days=3, per_day=4, seed=7, simulated=True, with_history=False)
    found = ask("days=3"), ask("days=3&simulated=true")
    assert [one["all"]["incidents"] for one in found] == [len(real), len(drill)]
    assert [one["simulated"] for one in found] == [False, True]
    assert found[0]["waiting_total"] == found[1]["waiting"] + found[0]["waiting"]


def test_coverage_knows_what_was_heard_and_says_what_is_not_known(store: Store, ask: Asks) -> None:
    fill(store, now=NOW, days=14, per_day=1)
    found = ask("days=14", what="/watch")
    assert found["known_h"] + found["unknown_h"] == pytest.approx(13 * 24 + 22, abs=0.2)
    assert found["unknown_h"] == pytest.approx(2.0, abs=0.1)  # fusion was off once
    devices = columns(found, "seen_devices")
    assert devices["device"] == sorted(DEVICES)
    hours = dict(zip(devices["device"], devices["blind_h"], strict=True))
    assert hours["cam-01"] == 0.0
    assert 0.0 < hours["cam-02"] < 14 * 3.0  # dark at times
    assert hours["tram-03"] == pytest.approx(7 * 24 - 2, abs=0.5)  # a week silent, then gone
    lines = columns(found, "seen_lines")
    assert lines["line"] == ["", "Khe Đá", "Suối Lạnh", "Đường cửa khẩu"]
    assert all(0.0 < seen < 1.0 for seen in lines["seen"])
    walked = columns(found, "patrols")
    patrols = dict(zip(walked["trail"], walked["walked_share"], strict=True))
    assert patrols["Đường cửa khẩu"] == 0.0
    assert patrols["Khe Đá"] > 0.6


def test_where_nothing_happened_nothing_is_claimed(ask: Asks) -> None:
    found = ask("days=7")
    assert (found["all"]["incidents"], found["all"]["precision"]) == (0, None)
    assert found["oldest"] is None
    assert found["all"]["interdiction"] is None
    watch = ask("days=7", what="/watch")
    assert watch["known_h"] == 0.0
    assert set(columns(watch, "seen_lines")["seen"]) == {None}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=2026-11-29", "from 2026-11-29 is after today, 2026-11-28"),
        ("from=2026-11-20&to=2026-11-01", "from 2026-11-20 to 2026-11-01 are no days"),
        ("from=2020-01-01", "more than 366"),
        ("days=7&from=2026-11-01", "give one"),
        ("days=0", "days"),
        ("days=1e999", "days"),
        ("from=0001-01-01&to=0001-01-02", "to 0001-01-02 is before the year"),
        ("to=0001-01-01", "to 0001-01-01 is before the year"),
        ("from=2026-02-30", "from"),
    ],
)
def test_days_that_are_none_are_refused_in_words(ask: Asks, query: str, said: str) -> None:
    assert said in ask(query, status=422)["detail"]


def test_a_store_that_does_not_answer_is_said_plainly(sector: Sector) -> None:
    def away() -> Store:
        msg = "the store is away"
        raise RefusedError(msg)

    feed = Feed(
        "bien-thu", broker_url="mqtt://127.0.0.1:1", open_store=away, clock=lambda: NOW,
        run_id="run1",
    )  # fmt: skip
    app = create_app(sector=sector, feed=feed)
    for what in ("", "/watch", "/tables/came_day.csv"):
        answer = get(app, f"/api/v1/figures{what}")
        assert (answer.status_code, answer.json()) == (503, {"detail": "the store is away"})


@pytest.mark.parametrize(
    ("role", "sees", "exports"),
    [
        (Role.GUARD, 403, 403),
        (Role.PARTNER, 403, 403),
        (Role.DUTY_OFFICER, 200, 200),
        (Role.COMMANDER, 200, 200),
        (Role.ADMINISTRATOR, 200, 403),
    ],
)
def test_figures_are_for_those_who_answer_for_them(
    app: FastAPI, role: Role, sees: int, exports: int
) -> None:
    app.dependency_overrides[person_of] = lambda: Person("id", "Lan", role, "hai-quan")
    for address in ("/figures", "/api/v1/figures", "/api/v1/figures/watch"):
        assert get(app, address).status_code == sees
    assert get(app, "/api/v1/figures/tables/came_day.csv").status_code == exports


@pytest.mark.parametrize(("language", "sign", "decimal"), [("vi", ";", ","), ("en", ",", ".")])
def test_each_table_goes_into_a_spreadsheet(
    store: Store, app: FastAPI, ask: Asks, language: str, sign: str, decimal: str
) -> None:
    fill(store, now=NOW, days=3, per_day=8)
    found = ask("days=3")
    names = [*found["tables"], *ask("days=3", what="/watch")["tables"]]
    assert len(names) == 15
    for name in names:
        answer = get(app, f"/api/v1/figures/tables/{name}.csv?days=3&lang={language}")
        assert answer.status_code == 200, answer.text
        assert answer.content.startswith(b"\xef\xbb\xbf")
        title, head, *rows = csv.reader(
            io.StringIO(answer.text.lstrip("\N{BYTE ORDER MARK}")), delimiter=sign
        )
        assert "26/11/2026 - 28/11/2026" in title[0]
        assert all(head)
        assert {len(row) for row in rows} <= {len(head)}
        assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)
    answer = get(app, f"/api/v1/figures/tables/load_day.csv?days=3&lang={language}")
    assert f"28/11/2026{sign}22" in answer.text
    assert decimal in answer.text.splitlines()[2]
    assert get(app, "/api/v1/figures/tables/nothing.csv").status_code == 404


def test_what_cannot_be_counted_now_is_counted_next_time() -> None:
    cache, counted = DayCache[int](), []

    def count(day: date) -> int:
        counted.append(day)
        return day.day

    stamps = [(date(2026, 3, day), "same") for day in (1, 2, 3)]
    pending = [cache.fill(stamps, count, simulated=False, budget_s=0.0).pending for _ in range(4)]
    assert pending == [2, 1, 0, 0]
    assert [day.day for day in counted] == [3, 2, 1]
    stamps[1] = (stamps[1][0], "another")
    assert cache.fill(stamps, count, simulated=False).days[date(2026, 3, 2)] == 2
    assert [day.day for day in counted] == [3, 2, 1, 2]
    assert cache.fill(stamps, count, simulated=True, budget_s=0.0).pending == 2
