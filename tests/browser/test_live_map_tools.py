"""What a guard does on the live map besides looking: find, measure, filter, acknowledge, by key."""

import re
from typing import TYPE_CHECKING

import pytest

from edge.messages import UtcTime

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"
# Ask the page until it says yes; its policy forbids it to evaluate strings.
UNTIL = """(holds) => new Promise((done, refuse) => {
  const ask = (left) => {
    if (HOLDS) done(true);
    else if (left === 0) refuse(new Error("it never came to hold"));
    else setTimeout(ask, 50, left - 1);
  };
  ask(300);
})"""


def wait_until(page: "Page", holds: str) -> None:
    """Wait until an expression of JavaScript holds."""
    page.evaluate(UNTIL.replace("HOLDS", holds))


def is_shown(lat: float, lon: float) -> str:
    """Say in JavaScript that the middle of the map is within a metre or so."""
    middle = "map_live.getCenter()"
    return f"Math.hypot({middle}.lat - {lat}, {middle}.lng - {lon}) < 2e-5"


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("theme", ["night", "day"])
def test_the_map_is_accessible_by_day_and_by_night(
    live_map, field, open_page, check_axe, language, theme
) -> None:
    field.fusion_status()
    field.status("cam-01")
    field.alert("alert-1")
    page = open_page(f"{live_map.url}?lang={language}").page
    page.locator(".alert").wait_for()
    page.locator('#state[data-state="live"]').wait_for()
    field.track("track-1")
    page.locator(".track-cursor").wait_for()
    if theme == "day":
        page.locator("#theme").click()
    check_axe(page)


def test_the_search_finds_without_diacritics_and_by_coordinate(live_map, field, open_page) -> None:
    field.fusion_status()
    field.status("cam-01")
    field.alert("alert-1")
    page = open_page(live_map.url).page
    page.locator(".eye").wait_for()
    found = page.get_by_role("option")
    page.keyboard.press("/")
    page.keyboard.type("khe da")
    page.get_by_role("option", name="Khe Đá").wait_for()
    page.keyboard.press("Enter")
    wait_until(page, is_shown(1.19968, -12.30198))
    for asked, lat, lon in (
        ("1.2005, -12.301", 1.2005, -12.301),
        ("1,1995 -12,302", 1.1995, -12.302),
        ("1°12\N{PRIME}03.6\N{DOUBLE PRIME}N 12°18\N{PRIME}00\N{DOUBLE PRIME}W", 1.201, -12.3),
    ):
        page.locator("#search").fill(asked)
        found.filter(has_text="tọa độ").wait_for()
        page.keyboard.press("Enter")
        wait_until(page, is_shown(lat, lon))
    page.locator("#search").fill("1.1997, -12.3015")
    found.filter(has_text="tọa độ").wait_for()
    # Whoever is quicker than the map, which still zooms, is taken there all the same.
    page.evaluate(
        """() => {
          const enter = new KeyboardEvent("keydown", { key: "Enter" });
          const press = () => document.getElementById("search").dispatchEvent(enter);
          map_live.once("zoomanim", () => setTimeout(press, 20));
          map_live.setZoom(map_live.getZoom() - 1);
        }"""
    )
    wait_until(page, is_shown(1.1997, -12.3015))
    page.locator("#search").fill("cam-01")
    found.first.click()
    page.locator(".leaflet-popup-content", has_text="camera giám sát").wait_for()
    page.locator("#search").fill("alert-1")
    found.first.click()
    page.locator(".alert.is-selected").wait_for()
    for nothing in ("95 200", "nowhere at all", HOSTILE):
        page.locator("#search").fill(nothing)
        page.locator(".search-none").wait_for()


def test_distances_are_measured_by_mouse_and_by_keyboard(live_map, field, open_page) -> None:
    field.fusion_status()
    page = open_page(f"{live_map.url}?lang=en").page
    page.locator('#state[data-state="blind"]').wait_for()
    page.evaluate("map_live.setView([1.2, -12.3], 20, { animate: false })")
    page.keyboard.press("d")
    page.keyboard.press("Enter")
    page.evaluate("map_live.setView([1.2009, -12.3], 20, { animate: false })")  # 100 m north
    page.keyboard.press("Enter")
    page.locator("#measured", has_text="100 m · last leg 100 m, bearing 0° (north)").wait_for()
    page.mouse.click(700, 450)
    page.locator("#measured", has_text="bearing").filter(has_not_text="100 m ·").wait_for()
    page.keyboard.press("d")
    page.locator("#measured").wait_for(state="hidden")


def test_one_measures_from_a_marker_to_a_device_and_no_card_opens(
    live_map, field, open_page
) -> None:
    """A click on either opened its card and was no point."""
    field.fusion_status()
    field.status("cam-01")
    page = open_page(f"{live_map.url}?lang=en").page
    page.locator(".eye").wait_for()
    page.evaluate("map_live.setView([1.1994, -12.3015], 18, { animate: false })")
    page.keyboard.press("d")
    page.get_by_text("234", exact=True).click()
    page.locator(".eye").click()
    page.locator("#measured", has_text="bearing").wait_for()
    assert page.locator(".measure-end").count() == 2
    assert page.locator(".leaflet-popup").count() == 0
    page.keyboard.press("Escape")
    page.locator("#measured").wait_for(state="hidden")


def test_a_click_beside_everything_says_where_that_is(live_map, field, open_page) -> None:
    field.fusion_status()
    page = open_page(live_map.url).page
    page.locator('#state[data-state="blind"]').wait_for()
    page.evaluate("map_live.setView([1.1955, -12.31], 17, { animate: false })")
    page.mouse.click(500, 600)
    page.locator(".grid-text", has_text="MGRS 28N").wait_for()


def test_an_alert_is_unread_until_it_is_picked_by_key(live_map, field, open_page) -> None:
    field.fusion_status()
    field.alert("old")
    page = open_page(live_map.url).page
    page.locator(".alert").wait_for()
    assert page.locator(".alert.is-unread").count() == 0
    field.alert("first", severity="critical")
    page.locator('.alert.is-unread[data-id="first"]').wait_for()
    wait_until(page, "document.title.startsWith('(1) ')")
    field.alert("second", grouped_with="first", raised_at=UtcTime.read_clock().after(-90))
    page.locator('.alert[data-id="second"]').wait_for()
    assert "Khẩn cấp" in page.locator("#announcer").inner_text()  # the second calls nobody
    page.keyboard.press("j")
    page.locator('.alert.is-selected[data-id="first"]').wait_for()
    page.locator('.alert.is-unread[data-id="first"]').wait_for(state="detached")
    page.get_by_role("button", name="Khẩn cấp", exact=True).click()
    page.locator('.alert[data-id="first"]').wait_for(state="hidden")
    assert "1 cảnh báo" in page.locator("#alerts-hidden").inner_text()
    page.reload()
    page.locator('.alert[data-id="old"]').wait_for()
    assert page.locator('.alert[data-id="first"]').is_hidden()  # remembered


def test_the_switch_of_the_sound_says_what_the_browser_allows(live_map, field, open_page) -> None:
    field.fusion_status()
    page = open_page(f"{live_map.url}?lang=en").page
    sound = page.locator("#sound")
    sound.get_by_text("not allowed yet").wait_for()
    page.keyboard.press("m")
    sound.get_by_text("Sound: off").wait_for()
    page.keyboard.press("m")
    sound.get_by_text(re.compile("Sound: (on|not allowed)")).wait_for()
    page.keyboard.press("?")
    page.locator("#keys", has_text="Next alert").wait_for()
    page.keyboard.press("Escape")
    page.locator("#keys").wait_for(state="hidden")


def test_an_approach_shows_its_expected_way_and_time(live_map, field, open_page) -> None:
    """Along the trail to where it meets the border, for as long as the approach goes on."""
    field.fusion_status()
    leads = {"code": "predicted_exit", "text": "", "value": 0.85}
    field.alert("approach-1", kind="approach", eta_s=250.0, lat=1.1985, lon=-12.3021,
                reasons=[leads])  # fmt: skip
    page = open_page(live_map.url).page
    page.locator("path.approach:not(.is-straight)").wait_for(state="attached")
    label = page.locator(".approach-end")
    label.wait_for()
    assert re.search(r"tới đường biên sau khoảng 4 phút", label.inner_text())
    field.incident("approach-1", state="no_threat", updated_at=UtcTime.read_clock())
    label.wait_for(state="detached")


def test_many_are_one_circle_until_they_can_be_told_apart(live_map, field, open_page) -> None:
    field.fusion_status()
    page = open_page(live_map.url).page
    page.locator('#state[data-state="blind"]').wait_for()
    page.evaluate("map_live.setView([1.2, -12.302], 13, { animate: false })")
    for number in range(12):
        field.track(f"track-{number}", lat=1.1995 + number * 1e-5)
    field.track("lost", state="ended", lost_near_line=True)
    page.locator('canvas.moving[data-circled="12"][data-drawn="1"]').wait_for(state="attached")
    page.evaluate("map_live.setView([1.1995, -12.302], 18, { animate: false })")
    page.locator('canvas.moving[data-circled="0"][data-drawn="13"]').wait_for(state="attached")
    cursor = page.locator(".track-cursor")
    cursor.wait_for()  # within a second a track is offered; what is hidden takes no focus
    cursor.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.locator(".leaflet-popup-content", has_text="Phân loại: người").wait_for()


def test_layers_stay_off_and_nothing_needs_storage(live_map, field, open_page) -> None:
    field.fusion_status()
    field.status("cam-01")
    page = open_page(live_map.url).page
    page.locator(".eye").wait_for()
    page.keyboard.press("l")
    page.get_by_label("Thiết bị giám sát").uncheck()
    page.reload()
    page.locator('#state[data-state="live"]').wait_for()
    page.locator(".eye").wait_for(state="detached")
    forbidden = open_page("about:blank").page
    forbidden.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('forbidden'); } })"
    )
    forbidden.goto(live_map.url)
    forbidden.locator(".eye").wait_for()
    forbidden.locator("#theme").click()
    assert forbidden.locator('html[data-theme="day"]').count() == 1


def test_a_wrong_clock_is_told_and_changes_no_age(serve_map, field, open_page) -> None:
    """Not that of an exercise, which runs at another time on purpose."""
    field.fusion_status()
    url = f"{serve_map('--clock-offset-s', '7200').url}?lang=en"
    page = open_page("about:blank").page
    page.add_init_script("const now = Date.now; Date.now = () => now() - 300_000")
    page.goto(url)
    page.locator("#wrong-clock", has_text="is 5 min behind").wait_for()
    there = UtcTime.read_clock(offset_s=7200.0)
    field.alert("alert-1", raised_at=there, issued_at=there)
    page.locator(".alert.is-new").wait_for()
    right = open_page(url).page
    right.locator(".alert.is-new").wait_for()
    assert right.locator("#wrong-clock").is_hidden()


def test_every_text_of_an_incident_is_shown_and_never_run(live_map, field, open_page) -> None:
    field.fusion_status()
    place = {"trail_id": "none", "trail_name": HOSTILE, "marker": HOSTILE}
    field.alert("alert-1", place=place, acted_by=HOSTILE, acted_at=UtcTime.read_clock(),
                version=1, state="acknowledged")  # fmt: skip
    page = open_page(live_map.url).page
    page.locator(".alert", has_text=f"người xử lý: {HOSTILE}").wait_for()
    page.locator('#state[data-state="blind"]').wait_for()  # it follows the sector
    field.track("track-1", label=HOSTILE)
    cursor = page.locator(".track-cursor")
    cursor.wait_for()
    assert HOSTILE in (cursor.get_attribute("aria-label") or "")
    page.locator("#search").fill("img src")
    page.get_by_role("option").first.wait_for()
    assert HOSTILE in page.locator("#search-list").inner_text()
    assert page.locator("img[src='x']").count() == 0


def test_an_incident_is_taken_by_key_and_who_is_second_is_told_who_was_first(
    live_map, field, fusion, open_page
) -> None:
    assert fusion
    watched = open_page(f"{live_map.url}?lang=en")
    page = watched.page
    page.locator("#state:not([data-state='fusion'])[data-state='blind']").wait_for(timeout=60_000)
    for name, lon in (("cam-01", -12.3008), ("cam-02", -12.2990)):
        field.walk_over(name, lon=lon)
    crossings = page.locator(".alert", has_text="Suspected crossing")
    mine, theirs = (crossings.filter(has_text=name) for name in ("cam-01", "cam-02"))
    theirs.wait_for(timeout=30_000)
    mine.locator(".alert-go").click()
    mine.get_by_role("button", name="Acknowledge", exact=True).wait_for()
    page.keyboard.press("a")
    page.locator("#said", has_text="Acknowledged.").wait_for()
    mine.get_by_text("ACKNOWLEDGED", exact=True).wait_for()
    assert mine.get_by_role("button", name="Acknowledge", exact=True).count() == 0
    link = mine.get_by_role("link", name="Incident")
    assert (link.get_attribute("href") or "").startswith("/incidents/")

    def be_second(route) -> None:
        said = {"actor": "Lan", "role": "duty_officer", "expected_version": 0}
        assert page.request.post(route.request.url, data=said).ok
        route.continue_()

    page.route("**/acknowledge", be_second)
    theirs.get_by_role("button", name="Acknowledge", exact=True).click()
    page.locator("#said", has_text="Lan was first").wait_for()
    watched.forgive("status of 409")
