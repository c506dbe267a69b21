"""An incident worked on from new to closed, by one person and by two, in a real browser."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.messages import decode_as, encode
from fusion.events import AlertSuppressed, IncidentChanged, SuppressedAlert

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"
SECTOR = Path(__file__).parents[1] / "maps" / "sector" / "sector.toml"
# Ask until there is an answer.
UNTIL = """([address, found]) => new Promise((resolve) => {
  const answer = new Function("said", `return ${found}`);
  const ask = () => fetch(address).then((one) => one.json()).then(answer)
    .then((one) => { if (one) resolve(one); else setTimeout(ask, 100); });
  ask();
})"""


@pytest.fixture
def crossed(field, fusion, live_map, open_page) -> str:
    """The address of the incident that fusion made of a crossing."""
    assert fusion
    page = open_page(f"{live_map.url}docs").page
    # Fusion answers a step only once it runs; what is said before waits with the broker.
    page.evaluate(UNTIL, ["/healthz", "said.fusion === 'online'"])
    field.walk_over("cam-01")
    incident_id = page.evaluate(UNTIL, ["/api/v1/incidents", "said[0]?.incident_id"])
    return f"{live_map.url}incidents/{incident_id}"


def take(page, verb: str, state: str, **fields: str) -> None:
    """Take a step by its button and wait until the page says where the incident stands."""
    page.locator(f'#steps button[data-verb="{verb}"]').click()
    for name, value in fields.items():
        field = page.locator(f'#step [name="{name}"]')
        if field.evaluate("(one) => one.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    page.locator("#step-send").click()
    page.locator(f"#head .badge.state-{state}").wait_for()


def sign(page, actor: str, role: str = "truc-ban") -> Callable[..., None]:
    """Return a way to take steps as somebody; they say who they are with the first one."""

    def step(verb: str, state: str, **fields: str) -> None:
        take(page, verb, state, actor=actor, role=role, **fields)

    return step


@pytest.mark.parametrize("language", ["vi", "en"])
def test_an_incident_is_worked_on_from_new_to_closed(
    crossed, open_page, check_axe, language
) -> None:
    page = open_page(f"{crossed}?lang={language}").page
    page.locator("#case").wait_for()
    buttons = page.locator("#steps button")
    assert (
        buttons.all_inner_texts()
        == {
            "vi": ["Tiếp nhận", "Ghi chú"],
            "en": ["Acknowledge", "Note"],
        }[language]
    )
    check_axe(page)
    step = sign(page, "Lan")
    step("acknowledge", "acknowledged")
    step("note", "acknowledged", reason="Đã gọi tổ 3")
    page.locator("#timeline .said", has_text="Đã gọi tổ 3").wait_for()
    step("assess", "assessing")
    page.locator('#steps button[data-verb="dispatch"]').click()
    page.locator('#step [name="assigned_to"]').fill("Tổ 3")
    page.locator("#step-send").click()  # no unit's id: said in words, nothing is sent
    said = {"vi": "Mã đơn vị chỉ gồm", "en": "A unit's id is"}[language]
    page.locator("#step-problem", has_text=said).wait_for()
    step("dispatch", "dispatched", assigned_to="to-tuan-tra-3")
    step("arrive", "on_scene")

    page.locator('#steps button[data-verb="resolve"]').click()
    check_axe(page)
    page.locator("#step-send").click()  # without its outcome nothing is sent
    assert page.locator("#step-problem").is_visible()
    assert page.evaluate("document.activeElement.name") == "outcome"
    take(page, "resolve", "resolved", outcome="quay_lai", reason="một người, đã quay lại")
    step("close", "closed")
    assert buttons.count() == 2  # reopen, note
    said = page.locator("#head").inner_text()
    assert {"vi": "quay lại", "en": "turned back"}[language] in said
    assert "Lan" in said
    entries = page.locator("#timeline li").all_inner_texts()
    assert len(entries) == 8  # the alert and seven deeds
    assert "to-tuan-tra-3" in page.locator("#timeline").inner_text()
    page.locator("#theme").click()
    check_axe(page)


def test_two_people_on_one_incident_see_each_other_and_only_one_is_first(
    crossed, open_page
) -> None:
    lan, minh = (open_page(crossed).page for _ in range(2))
    for page, name in ((lan, "Hạ sĩ Lan"), (minh, "Thượng sĩ Minh")):
        page.locator('#steps button[data-verb="acknowledge"]').click()
        page.locator('#step [name="actor"]').fill(name)
        page.locator('#step [name="role"]').fill("truc-ban")
    minh.locator('#step [name="reason"]').fill("tôi nhận vụ này")
    lan.locator("#present", has_text="Thượng sĩ Minh đang nhập").wait_for()

    lan.locator("#step-send").click()
    # It comes to the other one without asking, and nothing typed is lost.
    notice = minh.locator("#step-notice")
    notice.wait_for(timeout=2_000)
    assert "Hạ sĩ Lan đã xử lý trước" in notice.inner_text()
    assert "ĐÃ TIẾP NHẬN" in notice.inner_text()
    assert minh.locator('#step [name="reason"]').input_value() == "tôi nhận vụ này"
    assert minh.locator("#step-send").is_disabled()
    minh.locator("#step-cancel").click()
    sign(minh, "Thượng sĩ Minh")("note", "acknowledged", reason="đã biết")
    lan.locator("#timeline .said", has_text="đã biết").wait_for()

    minh.locator("#present", has_text="Hạ sĩ Lan đang mở sự vụ này").wait_for()
    lan.goto("about:blank")
    minh.locator("#present:empty").wait_for(state="attached")


def test_who_sends_at_the_same_time_is_told_who_was_first(crossed, open_page) -> None:
    watched = open_page(crossed)
    page = watched.page
    page.locator('#steps button[data-verb="acknowledge"]').click()
    for name, value in (("actor", "Minh"), ("role", "truc-ban"), ("reason", "giữ lại")):
        page.locator(f'#step [name="{name}"]').fill(value)
    # Another is faster than the page can hear of it.
    page.evaluate(
        """async () => {
          const { pathname } = window.location;
          await fetch(`/api/v1${pathname}/acknowledge`, {
            method: "POST", headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ actor: "Lan", role: "truc-ban", expected_version: 0 }),
          });
          document.getElementById("step").requestSubmit();
        }"""
    )
    page.locator("#step-notice", has_text="Lan đã xử lý trước").wait_for()
    assert page.locator('#step [name="reason"]').input_value() == "giữ lại"
    watched.forgive("status of 409")


def test_two_clicks_are_one_step(crossed, open_page) -> None:
    page = open_page(crossed).page
    page.locator('#steps button[data-verb="note"]').click()
    for name, value in (("actor", "Lan"), ("role", "truc-ban"), ("reason", "một lần")):
        page.locator(f'#step [name="{name}"]').fill(value)
    page.locator("#step-send").dblclick()
    page.locator("#timeline .said", has_text="một lần").wait_for()
    deeds = page.evaluate("fetch(`/api/v1${location.pathname}/deeds`).then(a => a.json())")
    assert [deed["result"] for deed in deeds] == ["applied"]


def test_without_an_answer_it_is_sent_again_and_counts_once(crossed, fusion, open_page) -> None:
    watched = open_page(crossed)
    page = watched.page
    page.locator('#steps button[data-verb="note"]').click()
    for name, value in (("actor", "Lan"), ("role", "truc-ban"), ("reason", "đường trơn")):
        page.locator(f'#step [name="{name}"]').fill(value)
    bodies: list[str] = []
    page.on(
        "request", lambda one: bodies.append(one.post_data or "") if "/note" in one.url else None
    )
    page.route("**/note", lambda route: route.abort())
    page.locator("#step-send").click()
    page.locator("#step-problem", has_text="Chưa có trả lời").wait_for()
    assert page.locator("#step-send").inner_text() == "Gửi lại"
    assert page.locator('#step [name="reason"]').is_disabled()
    page.unroute("**/note")
    page.locator("#step-send").click()
    page.locator("#timeline .said", has_text="đường trơn").wait_for()
    first, again = (json.loads(body) for body in bodies)
    assert first == again
    assert fusion.is_alive()
    watched.forgive("net::ERR_FAILED")


def test_a_server_that_is_gone_is_said_and_its_return_is_noticed(
    field, live_map, serve_map, open_page
) -> None:
    field.fusion_status()
    field.alert("alert-1")
    page = open_page(f"{live_map.url}incidents/incident-of-alert-1").page
    page.locator('#steps button[data-verb="note"]').click()
    page.locator('#step [name="reason"]').fill("đang viết dở")
    live_map.stop()
    page.locator("#problem", has_text="Mất kết nối tới máy chủ").wait_for(timeout=30_000)
    field.incident("alert-1", severity="critical")
    serve_map("--port", live_map.url.rstrip("/").rpartition(":")[2])
    page.locator("#head .is-critical").first.wait_for(timeout=30_000)
    page.locator("#problem").wait_for(state="hidden")
    assert page.locator('#step [name="reason"]').input_value() == "đang viết dở"


def test_hostile_text_is_shown_and_never_run(field, live_map, open_page) -> None:
    field.fusion_status()
    reasons = [{"code": "x", "text": HOSTILE, "value": None}]
    place = {"trail_id": HOSTILE, "trail_name": HOSTILE, "marker": HOSTILE}
    field.alert("alert-1", reasons=reasons, place=place, unit=HOSTILE)
    known = field.store.incident("incident-of-alert-1")
    held = {
        "suppressed_id": "held-1",
        "sector": "bien-thu",
        "kind": "crossing",
        "severity": "high",
        "raised_at": known.opened_at,
        "lat": 1.2,
        "lon": -12.3,
        "probability": 0.6,
        "headcount": 1,
        "headcount_min": 1,
        "headcount_max": 1,
        "track_ids": ["track-1"],
        "devices": ["cam-01"],
        "place": place,
        "reason": "own_force",
        "text": HOSTILE,
    }
    field.store.save(
        [
            AlertSuppressed(decode_as(encode(held), SuppressedAlert)),
            IncidentChanged(known),
        ],
        sector="bien-thu",
    )
    page = open_page(f"{live_map.url}incidents/incident-of-alert-1").page
    page.locator("#speaks-for", has_text=HOSTILE).wait_for()
    assert HOSTILE in page.locator("#head").inner_text()
    assert "đã được giữ lại: lực lượng ta" in page.locator("#speaks-against").inner_text()
    page.evaluate(
        """(name) => fetch(`/api/v1${location.pathname}/presence`, {
          method: "POST", headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ window: "other", typing: true, name }),
        })""",
        HOSTILE,
    )
    page.locator("#present", has_text=HOSTILE).wait_for()
    assert page.locator("main img").count() == 0
    assert page.evaluate("document.querySelectorAll('img[src=x]').length") == 0


def test_an_incident_that_there_is_not_is_said(field, live_map, open_page) -> None:
    field.fusion_status()
    watched = open_page(f"{live_map.url}incidents/nothing")
    watched.page.locator("#problem", has_text="Không có sự vụ nothing").wait_for()
    assert watched.page.locator("#case").is_hidden()
    watched.forgive("status of 404")


@pytest.mark.parametrize("size", [(1366, 768), (390, 844)])
def test_it_fits_the_screen(field, live_map, open_page, size) -> None:
    field.fusion_status()
    field.alert("alert-1")
    url = f"{live_map.url}incidents/incident-of-alert-1"
    page = open_page(url, viewport={"width": size[0], "height": size[1]}).page
    page.locator("#case").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.locator(".case-map path.border-line").count() > 0


def test_on_paper_it_is_black_on_white_with_utc_and_ids(field, live_map, open_page) -> None:
    field.fusion_status()
    field.alert("alert-1")
    page = open_page(f"{live_map.url}incidents/incident-of-alert-1").page
    page.locator("#case").wait_for()
    page.emulate_media(media="print")
    head = page.locator("#head").inner_text()
    assert "incident-of-alert-1" in head
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", head)
    assert page.locator("#steps").is_hidden()
    colours = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('#head dd')).color]"
    )
    assert colours == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    pages = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4")))
    assert 1 <= pages <= 2
