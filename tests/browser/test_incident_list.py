"""The incident log in a real browser: searched, paged, shared, read by keyboard, printed."""

import re
from collections.abc import Callable

import pytest

from edge.messages import Incident, UtcTime, decode_as, encode
from fusion.events import IncidentChanged

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"
HEAD = {"vi": "Nghi vấn vượt biên", "en": "Suspected crossing"}


@pytest.fixture
def log(field) -> Callable[..., None]:
    """Return a function that puts an incident into the log, opened so many seconds ago."""
    begin = UtcTime.read_clock()

    def put(number: int, *, ago_s: float = 0.0, **changed: object) -> None:
        at = begin.after(-ago_s)
        common = {
            "incident_id": f"inc-{number:06d}",
            "sector": "bien-thu",
            "unit": "don-1",
            "kind": "crossing",
            "state": "new",
            "severity": "high",
            "opened_at": at,
            "updated_at": at,
            "direction": "outbound",
            "headcount": 3,
            "headcount_min": 2,
            "headcount_max": 4,
            "lat": 1.2,
            "lon": -12.3,
            "place": {"trail_id": "trail-1", "trail_name": "Khe Lạnh", "marker": "234"},
            "alert_ids": [f"alert-{number}"],
            "track_ids": ["t1"],
            "devices": ["cam-01"],
        }
        one = decode_as(encode(common | changed), Incident)
        field.store.save([IncidentChanged(one)], sector="bien-thu")

    return put


def rows(page) -> list[str]:
    """Return the ids on the page, once it shows what was asked for."""
    return page.locator("#rows tr").evaluate_all("rows => rows.map(row => row.dataset.incident)")


def shows(page, count: int) -> None:
    from playwright.sync_api import expect  # noqa: PLC0415 - where there is a browser

    expect(page.locator("#rows tr")).to_have_count(count)


@pytest.mark.parametrize("language", ["vi", "en"])
def test_people_search_filter_share_and_go_back(
    log, live_map, open_page, check_axe, language
) -> None:
    for number in range(4):
        log(number, ago_s=100.0 - number)
    log(
        4, ago_s=50.0, state="closed", outcome="bat_giu", place={"text": "đèo Gió"}, acted_by="Lan"
    )
    watched = open_page(f"{live_map.url}incidents?lang={language}")
    page = watched.page
    shows(page, 5)
    check_axe(page)
    assert HEAD[language] in page.locator("#rows").inner_text()
    page.keyboard.press("/")
    page.keyboard.type("deo gio")
    shows(page, 1)
    assert "text=deo+gio" in page.url
    page.locator("#more summary").click()
    page.locator("[name=state]").select_option("open")
    page.locator("#nothing button").first.wait_for()
    check_axe(page)
    shared = page.url
    page.locator("#nothing button").first.click()  # widen: without the text
    shows(page, 4)
    page.go_back()
    page.locator("#nothing button").first.wait_for()
    other = open_page(shared).page
    other.locator("#nothing button").first.wait_for()
    assert other.locator("[name=state]").input_value() == "open"
    page.locator("#clear").click()
    shows(page, 5)


def test_pages_go_on_and_back_and_new_ones_are_announced_and_move_nothing(
    log, live_map, open_page
) -> None:
    for number in range(60):
        log(number, ago_s=1000.0 - number)
    page = open_page(f"{live_map.url}incidents?lang=vi").page
    shows(page, 50)
    page.locator("#older").click()
    shows(page, 10)
    page.locator("#newer").click()
    shows(page, 50)
    before = rows(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("j")
    assert (
        page.evaluate("document.activeElement.getAttribute('href')") == f"/incidents/{before[1]}"
    )
    log(59, ago_s=941.0, state="acknowledged")
    log(100)
    page.get_by_text("1 sự vụ mới").wait_for()
    page.locator("#rows tr").first.get_by_text("ĐÃ TIẾP NHẬN").wait_for()
    assert rows(page) == before
    assert (
        page.evaluate("document.activeElement.getAttribute('href')") == f"/incidents/{before[1]}"
    )
    page.locator("#new-ones").click()
    page.locator("[data-incident='inc-000100']").wait_for()
    with page.expect_navigation(url=re.compile("/incidents/inc-000100")):
        page.keyboard.press("Enter")


def test_hostile_text_in_every_field_is_only_text(log, live_map, open_page, check_axe) -> None:
    log(
        1,
        acted_by=HOSTILE,
        unit=HOSTILE,
        place={"trail_id": HOSTILE, "trail_name": HOSTILE, "marker": HOSTILE, "text": HOSTILE},
        incident_id=HOSTILE,
        state=HOSTILE,
    )
    page = open_page(f"{live_map.url}incidents?lang=en&simulated=false").page
    shows(page, 1)
    assert page.locator("#rows img").count() == 0
    assert page.locator("#rows").inner_text().count("<img src=x") >= 4
    check_axe(page)
    page.locator("[name=text]").fill(HOSTILE)
    page.locator("#rows tr").wait_for()
    page.locator("[name=unit]").fill("nobody")
    page.locator("#nothing button").first.wait_for()
    assert page.locator("img[src=x]").count() == 0


def test_text_without_a_word_is_refused_in_words_and_a_lost_server_is_said(
    log, live_map, open_page
) -> None:
    log(1)
    watched = open_page(f"{live_map.url}incidents?lang=vi")
    page = watched.page
    shows(page, 1)
    page.locator("[name=text]").fill("%%%")
    page.get_by_text("ít nhất một chữ cái hoặc chữ số").wait_for()
    watched.forgive("status of 422")
    page.locator("[name=text]").fill("khe lanh")
    page.locator("#problem").wait_for(state="hidden")
    shows(page, 1)
    live_map.stop()
    page.get_by_text("Không kết nối được máy chủ").wait_for()
    shows(page, 1)


def test_on_a_phone_and_on_paper(log, live_map, open_page, check_axe) -> None:
    log(1, overdue={"step": "acknowledge", "since": UtcTime.read_clock()}, simulated=True)
    address = f"{live_map.url}incidents?lang=vi&state=open"
    phone = open_page(address, viewport={"width": 390, "height": 844}).page
    shows(phone, 1)
    check_axe(phone)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    assert "QUÁ HẠN" in phone.locator("#rows").inner_text().upper()
    phone.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    phone.emulate_media(media="print")
    assert "Trạng thái: đang mở" in phone.locator("#printed").inner_text()
    assert not phone.locator("#filters").is_visible()
    with phone.expect_download() as download:
        phone.emulate_media(media="screen")
        phone.locator("#csv").click()
    assert download.value.suggested_filename == "incidents-bien-thu.csv"
