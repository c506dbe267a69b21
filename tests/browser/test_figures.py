"""The commanders' figures in a real browser: read, printed, taken away, and honest about nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from edge.messages import Place, UtcTime
from fusion.events import IncidentChanged
from tests.maps.ninety_days import fill

if TYPE_CHECKING:
    from tests.browser.conftest import Field, Served, Watched

Visit = Callable[..., "Watched"]
PARTS = ("now", "times", "precision", "stopping", "console", "places", "watching", "rounds")
COUNTED = """() => {
  const said = document.getElementById("progress").textContent;
  return said === "Đã tính xong." || said === "All counted.";
}"""
HOSTILE = "<img src=x onerror=alert(1)>"


def at(served: "Served", query: str) -> str:
    return f"{served.url.rstrip('/')}/figures?{query}"


def counted(page: "Watched") -> None:
    page.page.wait_for_function(COUNTED)


def cells(page: "Watched", table: str, number: int) -> list[str]:
    rows = page.page.locator(f'[data-table="{table}"] tbody tr')
    return rows.nth(number).locator("th, td").all_inner_texts()


@pytest.mark.parametrize(
    ("language", "theme", "width", "height"),
    [("vi", "night", 1366, 768), ("en", "day", 1366, 768), ("vi", "day", 390, 844)],
)
def test_a_commander_reads_a_month(
    field: "Field",
    live_map: "Served",
    open_page: Visit,
    check_axe: Any,
    language: str,
    theme: str,
    width: int,
    height: int,
) -> None:
    incidents = fill(field.store, now=UtcTime.read_clock(), days=30, per_day=4)
    page = open_page(
        at(live_map, f"days=30&lang={language}"), viewport={"width": width, "height": height}
    )
    if theme == "day":
        page.page.click("#theme")
    counted(page)
    whole = cells(page, "came_kind", 0)
    assert whole[0] == {"vi": "Tất cả", "en": "All"}[language]
    assert whole[1] == str(len(incidents))
    said = page.page.locator("#precision .figures-sentence").first.inner_text()
    assert {"vi": "với độ tin cậy 95 %", "en": "with 95 % confidence"}[language] in said
    for part in PARTS:
        assert page.page.locator(f"#{part} .figures-body > *").count() > 1
    assert page.page.locator(".chart-drawing").count() == 3
    assert page.page.locator(".place-circle").count() == 4
    # Every chart has its numbers as a table below it.
    assert page.page.locator('[data-table="waits_day"] tbody tr').count() == 30
    assert page.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    check_axe(page.page)


def test_the_period_is_in_the_address_and_the_oldest_leads_to_its_page(
    field: "Field", live_map: "Served", open_page: Visit
) -> None:
    incidents = fill(field.store, now=UtcTime.read_clock(), days=8, per_day=6)
    page = open_page(at(live_map, ""))
    counted(page)
    page.page.get_by_role("button", name="7 ngày qua").click()
    page.page.wait_for_function(
        "() => document.querySelectorAll('[data-table=came_day] tbody tr').length === 7"
    )
    assert "days=7" in page.page.url
    page.page.go_back()
    page.page.wait_for_function(
        "() => document.querySelectorAll('[data-table=came_day] tbody tr').length === 30"
    )
    oldest = page.page.locator("#now .figures-sentence a")
    waiting = [one for one in incidents if one.state in {"new", "acknowledged"}]
    assert oldest.inner_text() == min(waiting, key=lambda one: one.opened_at).incident_id
    oldest.click()
    page.page.wait_for_url("**/incidents/**")


def test_few_are_told_in_words_and_all_rows_come_when_asked_for(
    field: "Field", live_map: "Served", open_page: Visit
) -> None:
    fill(field.store, now=UtcTime.read_clock(), days=15, per_day=2, with_history=False)
    page = open_page(at(live_map, "days=15&lang=en"))
    counted(page)
    page.page.locator('[data-table="load_day"] button').click()
    assert page.page.locator('[data-table="load_day"] tbody tr:visible').count() == 15
    said = page.page.locator('[data-table="came_day"] .interval-text').all_inner_texts()
    assert any(" of " in one and "at least" in one for one in said)


def test_a_table_is_taken_away_and_the_page_is_printed(
    field: "Field", live_map: "Served", open_page: Visit, tmp_path: Path
) -> None:
    fill(field.store, now=UtcTime.read_clock(), days=20, per_day=3)
    page = open_page(at(live_map, "days=20"))
    counted(page)
    with page.page.expect_download() as taken:
        page.page.locator('[data-table="came_day"] a[download]').click()
    file = tmp_path / "came.csv"
    taken.value.save_as(file)
    assert "Kết quả theo ngày" in file.read_text(encoding="utf-8-sig")
    page.page.emulate_media(media="print")
    assert page.page.locator('[data-table="load_day"] tbody tr:visible').count() == 20
    assert not page.page.locator("#period").is_visible()


def test_nothing_yet_and_a_wrong_address_are_said_plainly(
    live_map: "Served", open_page: Visit, check_axe: Any
) -> None:
    page = open_page(at(live_map, "days=7&lang=en"))
    counted(page)
    assert page.page.locator("#now .figures-sentence").inner_text() == "No incident is waiting."
    said = page.page.locator("#precision .figures-sentence").first.inner_text()
    assert said == "There was no incident in this period."
    said = page.page.locator("#watching .figures-sentence").inner_text()
    assert said.startswith("Nothing was recorded")
    check_axe(page.page)


def test_a_server_that_is_gone_is_said_and_the_figures_stay(
    field: "Field", live_map: "Served", open_page: Visit
) -> None:
    fill(field.store, now=UtcTime.read_clock(), days=3, per_day=3, with_history=False)
    page = open_page(at(live_map, "days=3&lang=en"))
    counted(page)
    live_map.stop()
    page.page.get_by_role("button", name="Last 7 days").click()
    problem = page.page.locator("#problem")
    problem.wait_for(state="visible")
    assert "reconnects by itself" in problem.inner_text()
    assert page.page.locator('[data-table="came_kind"] tbody tr').count() > 0


def test_hostile_names_are_only_shown(
    field: "Field", live_map: "Served", open_page: Visit
) -> None:
    for one in fill(field.store, now=UtcTime.read_clock(), days=2, per_day=4):
        hostile = replace(one, place=Place(trail_id=HOSTILE, trail_name=HOSTILE))
        field.store.save([IncidentChanged(hostile)], sector="bien-thu")
    page = open_page(at(live_map, "days=2"))
    counted(page)
    assert cells(page, "came_trail", 0)[0] == HOSTILE
    assert page.page.locator("main img").count() == 0
