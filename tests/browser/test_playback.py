"""Playback in a real browser: what was, at its own pace, and never to be taken for live."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from edge.messages import (
    Scene,
    Sensor,
    SensorKind,
    StatusMessage,
    TrackState,
    TrackUpdate,
    UtcTime,
    encode,
)
from fusion.events import TracksUpdated
from fusion.history import Span

if TYPE_CHECKING:
    from tests.browser.conftest import Field, Served, Watched

Visit = Callable[..., "Watched"]
NOON = UtcTime.parse("2026-03-14T05:00:00.000Z")  # in Hà Nội
SHOWN_S = 1800.0
HOSTILE = "<img src=x onerror=alert(1)>"


def walk(track_id: str, seconds: range, *, lon: float = -12.3018) -> TracksUpdated:
    """Somebody who walks north, a line a second."""
    return TracksUpdated(
        tuple(
            TrackUpdate(
                track_id=track_id,
                t=NOON.after(second),
                lat=1.1985 + second * 1.2e-5,
                lon=lon,
                cov_m2=(9.0, 2.0, 16.0),
                velocity_mps=(0.0, 1.3),
                label="person",
                state=TrackState.CONFIRMED,
                devices=("cam-01",),
            )
            for second in seconds
        )
    )


def span(sender: str, since_s: float, until_s: float, document: str = "") -> Span:
    return Span(sender, NOON.after(since_s), NOON.after(until_s), is_over=False, document=document)


@pytest.fixture
def night(field: "Field") -> None:
    """Half an hour in which fusion ran but for five minutes; one alert after two."""
    camera = StatusMessage(
        v=1,
        message_id="status",
        sector="bien-thu",
        device_id="cam-01",
        online=True,
        captured_at=NOON,
        sensor=Sensor(kind=SensorKind.CAMERA, lat=1.1985, lon=-12.3022),
        scene=Scene.CLEAR,
        fps=10.0,
    )
    for alert_id, seconds, changed in (
        ("alert-1", 120.0, {"track_ids": ["walker"]}),
        ("alert-2", 300.0, {"severity": "low", "place": {"trail_id": HOSTILE}}),
    ):
        at = dict.fromkeys(
            ("raised_at", "issued_at", "opened_at", "updated_at"), NOON.after(seconds)
        )
        field.alert(alert_id, **at, **changed)
    field.store.save(
        [
            walk("walker", range(150)),
            walk("stranger", range(60, 1500), lon=-12.3),
        ],
        sector="bien-thu",
        heard=[
            span("fusion", 0.0, 600.0),
            span("fusion", 900.0, SHOWN_S),
            span("cam-01", 0.0, SHOWN_S, encode(camera).decode()),
        ],
    )


def asked(at_s: float, **more: str) -> str:
    values = {
        "since": NOON.rfc3339(),
        "until": NOON.after(SHOWN_S).rfc3339(),
        "at": NOON.after(at_s).rfc3339(),
    } | more
    return "/playback?" + "&".join(f"{name}={value}" for name, value in values.items())


def shows(page: "Watched", time: str, *, alerts: int, tracks: int) -> None:
    page.page.wait_for_function(
        """([time, alerts, tracks]) => {
          const text = (id) => document.getElementById(id).textContent;
          return text("replay-time").endsWith(time) && text("count-alerts") === String(alerts)
            && text("count-tracks") === String(tracks);
        }""",
        arg=[time, alerts, tracks],
    )


@pytest.mark.usefixtures("night")
@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("theme", ["night", "day"])
def test_the_past_is_shown_and_cannot_be_taken_for_live(
    live_map: "Served", open_page: Visit, check_axe: Any, language: str, theme: str
) -> None:
    page = open_page(f"{live_map.url.rstrip('/')}{asked(125.0, lang=language)}")
    if theme == "day":
        page.page.click("#theme")
    shows(page, "12:02:05", alerts=1, tracks=2)
    banner = page.page.locator(".replay-banner").inner_text()
    assert {"vi": "XEM LẠI", "en": "PLAYBACK"}[language] in banner
    assert page.page.locator("#gap").is_hidden()
    assert page.page.locator("#timeline-gaps rect").count() == 1
    assert page.page.locator("#timeline-alerts rect").count() == 2
    check_axe(page.page)


@pytest.mark.usefixtures("night")
def test_time_runs_and_what_happened_happens_again(live_map: "Served", open_page: Visit) -> None:
    page = open_page(f"{live_map.url.rstrip('/')}{asked(110.0)}")
    shows(page, "12:01:50", alerts=0, tracks=2)
    page.page.select_option("#speed", "120")
    page.page.locator(".replay-banner").click()
    page.page.keyboard.press("Space")
    page.page.wait_for_function(
        "() => document.querySelectorAll('#alerts-list > li').length === 2"
    )
    page.page.keyboard.press("Space")
    assert HOSTILE in (page.page.locator("#alerts-list").text_content() or "")
    page.page.keyboard.press("Home")
    shows(page, "12:00:00", alerts=0, tracks=1)


@pytest.mark.usefixtures("night")
def test_alerts_are_jumped_to_and_the_address_is_a_link_to_the_moment(
    live_map: "Served", open_page: Visit
) -> None:
    page = open_page(f"{live_map.url.rstrip('/')}{asked(0.0)}")
    shows(page, "12:00:00", alerts=0, tracks=1)
    page.page.click("#next")
    shows(page, "12:02:00", alerts=1, tracks=2)
    page.page.locator("#slider").press("ArrowRight")
    shows(page, "12:02:10", alerts=1, tracks=2)
    again = open_page(page.page.url)
    shows(again, "12:02:10", alerts=1, tracks=2)
    page.page.click("#next")
    shows(page, "12:05:00", alerts=2, tracks=1)
    page.page.click("#previous")
    shows(page, "12:02:00", alerts=1, tracks=2)


@pytest.mark.usefixtures("night")
def test_where_nobody_followed_the_page_does_not_look_quiet(
    live_map: "Served", open_page: Visit
) -> None:
    page = open_page(f"{live_map.url.rstrip('/')}{asked(700.0)}")
    page.page.locator("#gap").wait_for(state="visible")
    assert "không có nghĩa là yên tĩnh" in page.page.locator("#gap").inner_text()
    page.page.locator("#slider").press("End")
    page.page.locator("#gap").wait_for(state="hidden")


@pytest.mark.usefixtures("night")
def test_an_incident_is_played_from_before_its_first_track_with_its_tracks_in_rings(
    live_map: "Served", open_page: Visit
) -> None:
    at = NOON.after(100.0).rfc3339()
    page = open_page(f"{live_map.url}playback?incident=incident-of-alert-1&at={at}")
    shows(page, "12:01:40", alerts=0, tracks=2)
    assert page.page.locator("path.ring").count() == 1
    assert page.page.input_value("#since").endswith("T11:58")


@pytest.mark.usefixtures("night")
def test_a_period_that_is_none_is_refused_in_words(live_map: "Served", open_page: Visit) -> None:
    page = open_page(f"{live_map.url.rstrip('/')}{asked(0.0)}")
    shows(page, "12:00:00", alerts=0, tracks=1)
    page.page.fill("#since", "2026-03-14T13:00:00")
    page.page.fill("#until", "2026-03-14T12:00:00")
    page.page.click("#period button")
    said = page.page.locator("#period-said")
    said.filter(has_text="phải trước").wait_for()
    page.page.fill("#since", "2026-03-01T12:00:00")
    page.page.click("#period button")
    said.filter(has_text="48").wait_for()


@pytest.mark.usefixtures("night")
def test_on_a_phone_everything_is_in_reach(live_map: "Served", open_page: Visit) -> None:
    url = f"{live_map.url.rstrip('/')}{asked(125.0)}"
    page = open_page(url, viewport={"width": 390, "height": 844})
    shows(page, "12:02:05", alerts=1, tracks=2)
    for part in ("#play", "#slider", ".replay-banner"):
        box = page.page.locator(part).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["y"] + box["height"] <= 844
