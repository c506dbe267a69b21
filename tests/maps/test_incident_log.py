"""The incident log over HTTP: found, paged, kept from whom it does not concern, taken away."""

import asyncio
import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from xml.etree import ElementTree as ET

import httpx
import pytest
from fastapi import FastAPI

from edge.messages import UtcTime
from fusion.events import AlertIssued, IncidentChanged
from fusion.store import Store
from maps import assets, incident_export
from maps.app import create_app
from maps.feed import Feed
from maps.people.door import person_of
from maps.people.roles import Person, Right, Role, rights_of

LIST = "/api/v1/incidents"
FORMULA = '=HYPERLINK("http://x","y")'


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path}/store.db", migrate=True)
    yield opened
    opened.close()


@pytest.fixture
def app(sector, store, noon) -> FastAPI:
    assets.bring()
    feed = Feed(
        "bien-thu",
        broker_url="mqtt://127.0.0.1:1",
        open_store=lambda: store,
        clock=lambda: noon,
        run_id="run1",
    )
    return create_app(sector=sector, feed=feed)


@pytest.fixture
def get(app) -> Callable[..., httpx.Response]:
    def ask(path: str, params: object = None, **options: object) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as one:
                return await one.get(path, params=params, **options)

        return asyncio.run(once())

    return ask


@pytest.fixture
def log(store, say, noon) -> Callable[..., None]:
    """Return a function that puts incidents into the log, the n-th opened n seconds after noon."""

    def put(*changes: dict[str, object]) -> None:
        for number, changed in enumerate(changes):
            alert = say.alert(f"alert-{number}", noon.after(number))
            one = say.incident(alert, **changed)
            store.save([AlertIssued(alert), IncidentChanged(one)], sector="bien-thu")

    return put


def sit(app: FastAPI, role: Role, unit: str | None = None) -> None:
    """Let somebody of a role ask from now on."""
    app.dependency_overrides[person_of] = lambda: Person("id", "Lan", role, unit)


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["incident_id"].removeprefix("incident-of-alert-") for one in answer.json()]


def link(answer: httpx.Response, rel: str) -> str | None:
    found = re.search(rf'<([^>]*)>; rel="{rel}"', answer.headers.get("Link", ""))
    return found and found[1]


def test_every_filter_finds_what_it_says(get, log) -> None:
    log(
        {"state": "closed", "outcome": "bat_giu", "severity": "low"},
        {"unit": "don-1", "simulated": True, "kind": "zone"},
        {"assigned_to": "hai-quan", "place": {"trail_id": "trail-9", "text": "Khe Lạnh"}},
        {
            "overdue": {"step": "arrive", "since": "2026-03-14T12:00:00.000Z"},
            "state": "dispatched",
        },
    )
    for asked, expected in (
        ({"state": "closed"}, ["0"]),
        ({"state": "open"}, ["3", "2", "1"]),
        ({"state": ["closed", "dispatched"]}, ["3", "0"]),
        ({"outcome": "bat_giu"}, ["0"]),
        ({"severity": "low"}, ["0"]),
        ({"kind": "zone"}, ["1"]),
        ({"unit": "don-1"}, ["1"]),
        ({"unit": "hai-quan"}, ["2"]),
        ({"trail": "trail-9"}, ["2"]),
        ({"text": "khe lanh"}, ["2"]),
        ({"overdue": "true"}, ["3"]),
        ({"simulated": "false"}, ["3", "2", "0"]),
        ({"since": "2026-03-14T12:00:01Z", "until": "2026-03-14T12:00:03Z"}, ["2", "1"]),
        ({"since": "2026-03-14", "until": "2026-03-14"}, ["3", "2", "1", "0"]),
        ({"since": "2026-03-15"}, []),
        ({"cursor": ""}, ["3", "2", "1", "0"]),
        ({"state": "closed", "text": "khe"}, []),
    ):
        assert ids(get(LIST, asked)) == expected, asked


def test_links_lead_through_the_log_and_keep_what_was_asked(get, log) -> None:
    log(*[{}] * 5)
    first = get(LIST, {"simulated": "false", "text": "crossed", "limit": 2})
    second = get(link(first, "next"))
    third = get(link(second, "next"))
    assert [ids(one) for one in (first, second, third)] == [["4", "3"], ["2", "1"], ["0"]]
    assert link(third, "next") is None
    assert ids(get(link(second, "prev"))) == ["4", "3"]
    assert ids(get(link(first, "prev"))) == []
    assert "simulated=false" in link(first, "next")


def test_without_parameters_it_is_the_live_picture_as_ever(app, get, log, say) -> None:
    log({})
    assert ids(get(LIST)) == []
    app.state.feed.picture.take_incidents([say.incident(say.alert("alert-9"))])
    assert ids(get(LIST)) == ids(get(LIST, {"limit": 3})) == ["9"]


def test_on_demand_it_is_geojson(get, log) -> None:
    log({})
    answer = get(LIST, {"text": "crossed"}, headers={"Accept": "application/geo+json"})
    (feature,) = answer.json()["features"]
    assert feature["geometry"]["coordinates"] == [-12.302, 1.2002]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"kind": "nothing"}, "kind"),
        ({"state": "nothing"}, "state 'nothing' is none of open"),
        ({"since": "yesterday"}, "since 'yesterday' is neither a day"),
        ({"until": "9999-12-31"}, "until '9999-12-31'"),
        ({"text": "%"}, "text '%' has no letter or digit"),
        ({"text": "x" * 10_000}, "text is 10000 characters long"),
        ({"cursor": "before:x"}, "cursor 'before:x' is none"),
        ({"limit": 501}, "limit"),
        ({"trail": ["x"] * 21}, "trail"),
        ({"overdue": "perhaps"}, "overdue"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_in_words(get, log, asked, why) -> None:
    log({})
    answer = get(LIST, asked)
    assert answer.status_code == 422
    assert why in answer.json()["detail"]


@pytest.mark.parametrize("text", ["' OR 1=1 --", 'a"b', "a AND NOT", "a*", "\0a", "a & !b"])
def test_hostile_text_is_only_text(get, log, text) -> None:
    log({})
    assert ids(get(LIST, {"text": text})) == []
    assert ids(get(LIST, {"trail": text, "unit": text})) == []


def test_a_partner_sees_what_was_handed_over_to_it_and_nothing_else(app, get, log, say) -> None:
    log({}, {"assigned_to": "hai-quan"}, {"unit": "hai-quan"}, {"assigned_to": "cong-an"})
    app.state.feed.picture.take_incidents(
        [
            say.incident(say.alert("alert-7")),
            say.incident(say.alert("alert-8"), assigned_to="hai-quan"),
        ]
    )
    sit(app, Role.PARTNER, "hai-quan")
    for asked in ({"cursor": ""}, {"text": "crossed"}, {"simulated": "false"}):
        assert ids(get(LIST, asked)) == ["1"]
    assert ids(get(LIST, {"unit": "cong-an"})) == []
    assert ids(get(LIST)) == ["8"]
    assert get("/api/v1/incident-choices").json()["trails"] == []
    sit(app, Role.PARTNER)
    assert ids(get(LIST, {"cursor": ""})) == ids(get(LIST)) == []


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_only_who_may_export_takes_the_log_away(app, get, log, role, ending) -> None:
    log({})
    sit(app, role, "hai-quan")
    allowed = Right.EXPORT in rights_of(role)
    assert get(f"{LIST}.{ending}", {"cursor": ""}).status_code == (200 if allowed else 403)


# -- to take away


def table(answer: httpx.Response, delimiter: str) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    assert answer.content.startswith(b"\xef\xbb\xbf")
    return list(
        csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=delimiter)
    )


def test_csv_is_in_the_language_asked_for_with_its_own_numbers(get, log, sector) -> None:
    log(
        {
            "place": {
                "text": "mốc 234",
                "marker": "234",
                "marker_distance_m": 320.0,
                "marker_bearing_deg": 315.0,
            }
        }
    )
    zone = sector.timezone.key
    (vi,) = table(get(f"{LIST}.csv"), ";")
    assert (vi["Vĩ độ"], vi["Kinh độ"], vi["Địa điểm"], vi["Trạng thái"]) == (
        *("1,2002", "-12,302"),
        *("mốc 234", "MỚI"),
    )
    local = UtcTime.parse("2026-03-14T12:00:00.000Z").astimezone(sector.timezone)
    assert vi[f"Thời điểm ({zone})"] == local.strftime("%d/%m/%Y %H:%M:%S")
    (en,) = table(get(f"{LIST}.csv", {"lang": "en"}), ",")
    assert (en["Latitude"], en["State"]) == ("1.2002", "NEW")
    assert en["Place"].startswith("marker 234 + 320 m")


def test_csv_holds_what_the_filters_find_and_defuses_formulas(get, log) -> None:
    log({"acted_by": FORMULA}, {"state": "closed", "acted_by": "-2+3"}, {"acted_by": "@SUM(A1)"})
    rows = table(get(f"{LIST}.csv", {"state": "open", "lang": "en"}), ",")
    assert [row["Handled by"] for row in rows] == ["'@SUM(A1)", f"'{FORMULA}"]
    assert float(rows[0]["Longitude"]) == -12.302  # a number is one, though it begins with "-"


def test_xlsx_has_real_dates_and_numbers_and_no_formula(get, log, sector) -> None:
    log({"acted_by": FORMULA})
    answer = get(f"{LIST}.xlsx", {"lang": "en"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "=HYPERLINK" in sheet
    space = {"x": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    cells = {
        cell.get("r"): cell
        for cell in ET.fromstring(sheet).iterfind(".//x:c", space)  # noqa: S314 - ours
    }
    serial = float(cells["B2"].findtext("x:v", namespaces=space))
    local = UtcTime.parse("2026-03-14T12:00:00.000Z").astimezone(sector.timezone)
    days = (local.replace(tzinfo=None) - datetime(1899, 12, 30)).total_seconds() / 86_400  # noqa: DTZ001
    assert serial == pytest.approx(days)
    latitude = cells["J2"]
    assert (latitude.get("t"), latitude.findtext("x:v", namespaces=space)) == (None, "1.2002")


def test_it_says_so_where_it_was_cut(get, log, monkeypatch) -> None:
    log(*[{}] * 4)
    monkeypatch.setattr(incident_export, "MOST_ROWS", 3)
    rows = get(f"{LIST}.csv", {"lang": "en"}).text.splitlines()
    assert len(rows) == 5
    assert rows[-1] == "Only the first 3 rows: narrow the search."
    with zipfile.ZipFile(io.BytesIO(get(f"{LIST}.xlsx", {"lang": "en"}).content)) as book:
        assert b"Only the first 3 rows" in book.read("xl/worksheets/sheet1.xml")
    monkeypatch.setattr(incident_export, "MOST_ROWS", 4)
    assert "Only the first" not in get(f"{LIST}.csv", {"lang": "en"}).text
