"""What the duty officer sees, in a real browser, with no address outside this machine."""

import json
import re
from pathlib import Path

import pytest

from edge.command import main
from edge.messages import UtcTime

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"


def count_painted(page, selector: str) -> int:
    """Count the pixels that a canvas layer has painted."""
    return page.evaluate(
        """(selector) => {
          const canvas = document.querySelector(selector);
          if (!canvas) return 0;
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let painted = 0;
          for (let i = 3; i < data.length; i += 4) if (data[i] > 0) painted += 1;
          return painted;
        }""",
        selector,
    )


def test_an_alert_appears_in_the_list_and_on_the_map(live_map, field, open_page) -> None:
    field.fusion_status()
    field.status("cam-01", simulated=True)
    watched = open_page(live_map.url)
    page = watched.page
    page.locator('#state[data-state="live"]').wait_for()
    assert page.locator("#state-text").inner_text() == "Trực tuyến"
    assert page.locator("#alerts-none").is_visible()

    assert page.locator("#stale").is_hidden()

    field.track("track-1")
    page.locator("#count-tracks", has_text="1").wait_for()
    page.locator('canvas.moving[data-drawn="1"]').wait_for(state="attached")
    assert count_painted(page, "canvas.moving") > 50

    reasons = [("crossed_line", 0.97), ("stepped_over", 14.8)]
    field.alert(
        "alert-1",
        reasons=[{"code": code, "text": code, "value": value} for code, value in reasons],
    )
    card = page.locator(".alert")
    card.wait_for()
    text = card.inner_text()
    for said in (
        "CAO",
        "Nghi vấn vượt biên",
        "hướng xuất cảnh",
        "3 người (2\N{EN DASH}4)",
        "xác suất 97 %",
        "mốc 234 + 117 m về phía Tây",
        "lối mòn «Khe Đá»",  # its own kind of trail
        "GIẢ LẬP",
        "cam-01, cam-02",
        "sang phía kia đường biên, xác suất 97 %",
        "đã đi 14,8 m về phía",  # a decimal comma
    ):
        assert said in text
    pin = page.locator(".alert-pin.is-high")
    pin.wait_for()
    assert "is-new" in (pin.get_attribute("class") or "")
    assert "Cảnh báo mới, mức Cao" in page.locator("#announcer").inner_text()
    assert page.locator("#simulated").is_visible()
    assert re.fullmatch(r"\d\d:\d\d:\d\d", page.locator("#clock").inner_text())


def test_a_click_on_an_alert_takes_the_map_there(live_map, field, open_page) -> None:
    field.fusion_status()
    field.alert("alert-1")
    page = open_page(live_map.url).page
    page.locator(".alert-go").click()
    page.locator(".alert.is-selected").wait_for()
    # Not `wait_for_function`: the page's policy forbids it to evaluate strings.
    centre = page.evaluate(
        """() => new Promise((done) => {
          const look = (left) => {
            const { lat, lng } = map_live.getCenter();
            const there = map_live.getZoom() >= 18 && Math.abs(lat - 1.20025) < 1e-5;
            if (there || left === 0) done([lng, lat]);
            else setTimeout(look, 50, left - 1);
          };
          look(200);
        })"""
    )
    assert centre == pytest.approx([-12.30184, 1.20025], abs=1e-5)
    # Of the alert that is picked: in the grids of the maps that a patrol carries.
    page.locator(".alert-foot", has_text="MGRS 28N").wait_for()
    assert "12°18\N{PRIME}06.62\N{DOUBLE PRIME}W" in page.locator(".alert-foot").inner_text()


def test_the_page_speaks_english_on_demand(live_map, field, open_page) -> None:
    field.fusion_status()
    field.alert("alert-1", headcount=1, headcount_min=1, headcount_max=1)
    page = open_page(live_map.url).page
    page.locator(".alert").wait_for()
    page.locator('.languages a[hreflang="en"]').click()
    page.locator('html[lang="en"] .alert').wait_for()
    text = page.locator(".alert").inner_text()
    for said in ("HIGH", "Suspected crossing", "outbound", "marker 234 + 117 m west", "SIMULATED"):
        assert said in text
    assert "not a verdict" in page.locator(".foot").inner_text()


def test_hostile_text_is_shown_and_never_run(live_map, field, open_page) -> None:
    """Names and labels come from outside; Leaflet would run a string as HTML."""
    field.fusion_status()
    field.status("cam-01", version=HOSTILE)
    field.alert(
        "alert-1",
        place={"trail_id": HOSTILE, "marker": HOSTILE, "marker_distance_m": 5.0},
        reasons=[{"code": HOSTILE, "text": HOSTILE, "value": None}],
    )
    page = open_page(live_map.url).page
    page.locator(".alert").wait_for()
    assert page.locator(".alert").inner_text().count(HOSTILE) == 3
    field.track("track-1", label=HOSTILE)
    page.locator('canvas.moving[data-drawn="1"]').wait_for(state="attached")
    for sign, title in ((".track-cursor", "Phân loại"), (".eye", "camera giám sát")):
        page.locator(f"{sign}:not([hidden])").first.dispatch_event("click")
        popup = page.locator(".leaflet-popup-content", has_text=title)
        popup.wait_for()
        assert HOSTILE in popup.inner_text()
    assert page.locator("img[src='x']").count() == 0


def test_a_blind_device_is_a_hole_on_the_map(live_map, field, open_page) -> None:
    field.fusion_status()
    field.status("cam-01")
    page = open_page(live_map.url).page
    page.locator(".eye.is-ok").wait_for()
    field.status("cam-01", scene="covered")
    page.locator(".eye.is-degraded").wait_for()
    assert page.locator(".eye-trouble").inner_text().lower() == "bị che"
    field.say(
        "cam-01",
        "status",
        {
            "v": 1,
            "message_id": "will",
            "sector": "bien-thu",
            "device_id": "cam-01",
            "online": False,
        },
    )
    page.locator(".eye.is-offline").wait_for()
    assert page.locator("path.view.is-offline").get_attribute("fill") == "url(#blind)"
    assert page.locator("#count-devices").inner_text() == "0/1"


def test_the_header_says_how_many_devices_are_looking(live_map, field, open_page) -> None:
    """Blind is not quiet: with every device dead the page once stayed green."""
    field.fusion_status()
    page = open_page(live_map.url).page
    banner = page.locator("#stale")
    page.locator('#state[data-state="blind"]').wait_for()  # no device at all
    field.status("cam-01")
    page.locator('#state[data-state="live"]').wait_for()
    assert banner.is_hidden()
    field.status("cam-02", scene="covered")
    page.locator('#state[data-state="partial"]').wait_for()
    assert page.locator("#state-text").inner_text() == "1/2 thiết bị quan sát được"
    assert banner.is_hidden()
    field.status("cam-01", online=False)
    page.locator('#state[data-state="blind"]').wait_for()
    assert page.locator("#state-text").inner_text() == "Không thiết bị nào quan sát được"
    assert "không có nghĩa là bình yên" in banner.inner_text()
    assert page.locator("body.is-stale").count() == 0  # the map is followed all the same
    field.fusion_status(online=False)  # weighs more
    page.locator('#state[data-state="fusion"]').wait_for()
    assert "Bộ hợp nhất dữ liệu không phản hồi" in banner.inner_text()


@pytest.mark.parametrize("language", ["vi", "en"])
def test_no_likelihood_is_told_as_certain(live_map, field, open_page, language) -> None:
    field.fusion_status()
    field.alert(
        "alert-1",
        probability=0.9994,
        reasons=[{"code": "crossed_line", "text": "crossed", "value": 0.9994}],
    )
    page = open_page(f"{live_map.url}?lang={language}").page
    page.locator(".alert").wait_for()
    text = page.locator(".alert").inner_text().replace("\N{NO-BREAK SPACE}", " ")
    assert text.count("> 99 %") == 2
    assert "100 %" not in text


def test_each_kind_of_alert_says_what_a_guard_asks_first(live_map, field, open_page) -> None:
    """Which zone, which device, how long; a vehicle on a list is not told as a person."""
    field.fusion_status()
    zone = {"kind": "zone", "direction": None, "lat": 1.199, "lon": -12.2985}
    field.alert(
        "zone-1", **zone, reasons=[{"code": "in_restricted_zone", "text": "", "value": 0.97}]
    )
    nobody = {"direction": None, "headcount": 0, "headcount_min": 0, "headcount_max": 0}
    field.alert(
        "device-1", **nobody, kind="device", devices=["cam-08"], severity="low", reasons=[]
    )
    stays = {"code": "stays", "text": "", "value": 300.0}
    alone = {"headcount": 1, "headcount_min": 1, "headcount_max": 1}
    field.alert("loitering-1", **alone, kind="loitering", direction=None, reasons=[stays])
    lead = {"entry_id": "xe-7", "score": 0.9, "agrees": ["plate"], "disagrees": ["vehicle"],
            "expected_false_hits": 0.02}  # fmt: skip
    match = {"code": "plate_may_match", "text": "", "value": 0.9}
    field.alert("lead-1", kind="watchlist", direction=None, lead=lead, reasons=[match])
    field.alert("approach-1", kind="approach", eta_s=250.0,
                reasons=[{"code": "eta", "text": "", "value": 250.0}])  # fmt: skip
    page = open_page(f"{live_map.url}?lang=en").page
    page.locator(".alert").nth(4).wait_for()

    def text(kind: str) -> str:
        return page.locator(f'.alert[data-id="{kind}-1"]').inner_text()

    assert "Surveillance lost · cam-08" in text("device")
    assert "people" not in text("device")
    field.incident("device-1", devices=tuple(f"cam-{n}" for n in range(10, 15)))
    page.locator(".alert", has_text="Surveillance lost · 5 devices").wait_for()
    assert "has stayed at one place for 5 min" in text("loitering")
    assert "1 person" in text("loitering")
    assert "watch-list entry xe-7" in text("lead")
    assert "disagrees: kind of vehicle" in text("lead")
    assert "people" not in text("lead")
    assert text("approach").count("line in") == 1  # told once
    assert "in about 4 min" in text("approach")
    assert "Presence in a restricted zone · Khu vực cấm" in text("zone")


def test_an_approach_shows_which_unit_can_be_there_first_and_its_way(
    live_map, field, open_page
) -> None:
    way = {"type": "LineString", "coordinates": [[-12.304, 1.199], [-12.3018, 1.1998]]}
    place = {"marker": "234", "marker_distance_m": 80.0, "marker_bearing_deg": 270.0}
    best = {
        "unit_id": "to-1",
        "as_of": "2026-03-14T17:00:00.000Z",
        "lat": 1.1998,
        "lon": -12.3018,
        "place": place,
        "probability": 0.8,
        "eta_s": 60.0,
        "latest_s": 90.0,
        "they_s": 200.0,
        "they_earliest_s": 150.0,
        "route_m": 250.0,
        "route": way,
    }
    reason = {"code": "interception", "text": "in English", "value": 60.0}
    field.fusion_status()
    field.alert("approach-1", kind="approach", interceptions=[best], reasons=[reason])
    page = open_page(live_map.url).page
    page.locator(".alert").wait_for()
    text = page.locator(".alert").inner_text()
    assert "to-1 có thể tới trước tại mốc 234 + 80 m về phía Tây: sau 60 giây" in text
    assert "đối tượng tới sau 3 phút" in text
    assert page.locator("path.route").count() == 0
    page.locator(".alert-go").click()
    page.locator("path.route").nth(1).wait_for(state="attached")  # the way, and where it ends


def test_what_became_of_an_incident_is_told_with_its_alert(live_map, field, open_page) -> None:
    field.fusion_status()
    field.alert("late-1", overdue={"step": "acknowledge", "since": "2026-03-14T17:00:00.000Z"})
    field.alert("done-1", state="resolved", outcome="quay_lai", acted_by="Lan", version=4,
                acted_at="2026-03-14T17:00:00.000Z", rescue=True)  # fmt: skip
    field.alert("gone-1", state="dispatched", withdrawn=True, assigned_to="to-2")
    field.alert("led-1", kind="approach", state="closed", led_to="inc-2",
                ended_at="2026-03-14T17:00:00.000Z")  # fmt: skip
    page = open_page(live_map.url).page
    page.locator(".alert").nth(3).wait_for()

    def text(alert: str) -> str:
        return page.locator(f'.alert[data-id="{alert}-1"]').inner_text()

    assert "QUÁ HẠN tiếp nhận từ" in text("late")
    assert "quay lại" in text("done")
    assert "người xử lý: Lan" in text("done")
    assert "CỨU HỘ" in text("done")
    assert "dữ liệu mới đã bác bỏ" in text("gone")
    assert "giao cho: to-2" in text("gone")
    assert "đã thành vượt biên" in text("led")


def test_alerts_stand_in_the_order_of_the_times_they_show(live_map, field, open_page) -> None:
    field.fusion_status()
    now = UtcTime.read_clock()
    field.alert("early", raised_at=now.after(-60), issued_at=now.after(-59))
    field.alert("last", raised_at=now.after(-2), issued_at=now.after(-1))
    page = open_page(f"{live_map.url}?lang=en").page
    page.locator(".alert").nth(1).wait_for()
    field.alert("late", raised_at=now.after(-30), issued_at=now)
    page.locator(".alert").nth(2).wait_for()
    told = page.locator(".alert").evaluate_all("items => items.map((item) => item.dataset.id)")
    assert told == ["last", "late", "early"]
    reported = page.locator(".alert-reported")
    assert [reported.nth(n).is_visible() for n in range(3)] == [False, True, False]
    assert re.fullmatch(r"reported \d\d:\d\d:\d\d", reported.nth(1).inner_text())


def test_only_tracks_that_were_seen_lately_are_counted(live_map, field, open_page) -> None:
    """A predicted position is no person: a track may coast long after its last detection."""
    field.fusion_status()
    page = open_page(live_map.url).page
    page.locator('#state[data-state="blind"]').wait_for()  # it follows the sector
    field.track("ghost", t=UtcTime.read_clock().after(-21))
    field.track("predicted", state="coasting")
    field.track("seen")
    page.locator('canvas.moving[data-drawn="3"]').wait_for(state="attached")
    page.locator("#count-tracks", has_text=re.compile("^1$")).wait_for()


def test_tracks_coast_end_and_patrols_are_ours(live_map, field, open_page) -> None:
    field.fusion_status()
    field.status("cam-01")
    page = open_page(live_map.url).page
    page.locator('#state[data-state="live"]').wait_for()
    field.track("track-1", state="coasting")
    cursor = page.locator(".track-cursor")
    cursor.wait_for()
    assert "vị trí dự đoán" in (cursor.get_attribute("aria-label") or "")
    field.position("patrol-1")
    page.locator(".patrol", has_text="patrol-1").wait_for()
    field.track("track-1", state="ended")
    page.locator('canvas.moving[data-drawn="0"]').wait_for(state="attached")
    cursor.wait_for(state="hidden")


def test_a_page_that_hears_nothing_says_so(live_map, field, open_page) -> None:
    """Old data must look old: no alert is no peace when nobody is listening."""
    field.fusion_status()
    field.status("cam-01")
    field.track("track-1")
    page = open_page(live_map.url).page
    page.locator('#state[data-state="live"]').wait_for()
    field.fusion_status(online=False)  # fusion's last will
    page.locator('#state[data-state="fusion"]').wait_for()
    assert "không còn được cập nhật" in page.locator("#stale").inner_text()
    field.fusion_status()
    page.locator('#state[data-state="live"]').wait_for()
    assert page.locator("#stale").is_hidden()
    live_map.stop()
    page.locator('#state[data-state="lost"]').wait_for(timeout=20_000)
    assert page.locator("body.is-stale").count() == 1


def test_layers_can_be_switched_off(live_map, field, open_page) -> None:
    field.fusion_status()
    field.status("cam-01")
    page = open_page(live_map.url, viewport={"width": 1600, "height": 900}).page
    page.locator(".eye").wait_for()
    box = page.get_by_label("Thiết bị giám sát")
    box.uncheck()
    page.locator(".eye").wait_for(state="detached")
    box.check()
    page.locator(".eye").wait_for()


def test_the_page_fits_a_phone(live_map, field, open_page) -> None:
    field.fusion_status()
    field.alert("alert-1")
    page = open_page(live_map.url, viewport={"width": 390, "height": 844}).page
    page.locator(".alert").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("#map_live").bounding_box()["width"] == 390


def test_the_documentation_of_the_interface_loads_nothing_from_outside(
    live_map, open_page
) -> None:
    page = open_page(live_map.url + "docs").page
    page.locator(".opblock-summary-path", has_text="/api/v1/alerts").wait_for()


def test_a_drawn_file_opens_without_a_server(tmp_path: Path, open_page) -> None:
    source = tmp_path / "view.geojson"
    point = f'{{"type":"Point","coordinates":[-12.3,1.2]}},"properties":{{"name":"{HOSTILE}"}}'
    source.write_text(f'{{"type":"Feature","geometry":{point}}}', encoding="utf-8")
    assert main(["maps", "draw", str(source)]) == 0
    page = open_page((tmp_path / "view.html").as_uri()).page
    page.locator("#count", has_text="1").wait_for()
    page.locator("#map").click()  # the only feature lies in the middle
    assert HOSTILE in page.locator(".leaflet-popup-content").inner_text()


def test_what_is_wrong_with_a_sector_stands_beside_its_drawing(tmp_path: Path, open_page) -> None:
    """`fusion check --geojson` says it; nobody is to hunt for it by clicking on every point."""
    said = {"text": "zone a and zone b contradict", "severity": "error", "layer": "check"}
    features = [
        ("LineString", [[-12.4, 1.2], [-12.2, 1.2]], {"name": HOSTILE}),
        ("Point", [-12.39, 1.21], said),
    ]
    source = tmp_path / "check.geojson"
    drawn = [
        {
            "type": "Feature",
            "geometry": {"type": kind, "coordinates": coordinates},
            "properties": properties,
        }
        for kind, coordinates, properties in features
    ]
    source.write_text(json.dumps({"type": "FeatureCollection", "features": drawn}))
    assert main(["maps", "draw", str(source)]) == 0
    page = open_page((tmp_path / "check.html").as_uri()).page
    assert HOSTILE in page.locator(".name").inner_text()
    page.get_by_role("button", name="zone a and zone b contradict").click()
    page.locator(".leaflet-popup-content", has_text="error").wait_for()
