"""A shift handed over in a real browser: given, taken, read again and printed."""

import re

import pytest

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}"


@pytest.fixture
def quiet_night(field) -> None:
    """Two open incidents, one of them late, and a device that is covered."""
    field.fusion_status()
    field.status("cam-01", scene="covered")
    field.alert("alert-1", acted_by="Lan", assigned_to="to-tuan-tra-3")
    field.alert("alert-2", severity="critical", place={"marker": HOSTILE, "trail_id": HOSTILE})


def sign(page, form: str, name: str, remarks: str) -> None:
    page.locator(f'{form} [name="name"]').fill(name)
    page.locator(f'{form} [name="remarks"]').fill(remarks)
    page.locator(f"{form} button").dblclick()  # which signs once


@pytest.mark.usefixtures("quiet_night")
@pytest.mark.parametrize("language", ["vi", "en"])
def test_one_gives_the_shift_and_another_takes_it(
    live_map, open_page, check_axe, language
) -> None:
    page = open_page(f"{live_map.url}shift?lang={language}").page
    page.locator("#open tr").first.wait_for()
    check_axe(page)
    text = page.locator("main").inner_text()
    for said in {
        "vi": ["Sự vụ đang mở", "Khẩn cấp · Nghi vấn vượt biên", "Lan · to-tuan-tra-3", "bị che"],
        "en": ["Open incidents", "Critical", "Lan · to-tuan-tra-3", "covered"],
    }[language]:
        assert said in text
    assert HOSTILE in text

    page.locator("#give button").click()  # without a name nothing is signed
    assert page.evaluate("document.activeElement.name") == "name"
    sign(page, "#give", "Hạ sĩ Lan", f"sương mù ở mốc 234 {HOSTILE}")
    page.locator("#waiting-text", has_text="Hạ sĩ Lan").wait_for()
    assert HOSTILE in page.locator("#waiting-remarks").inner_text()
    check_axe(page)
    sign(page, "#take", "Thượng sĩ Minh", "đã rõ")
    page.locator("#waiting").wait_for(state="hidden")
    earlier = page.locator("#earlier a")
    earlier.wait_for()
    assert earlier.count() == 1
    assert "Thượng sĩ Minh" in earlier.inner_text()

    earlier.click()
    page.locator("#signed .digest").first.wait_for()
    assert page.locator("#signed .digest").count() == 2
    assert HOSTILE in page.locator("#signed").inner_text()
    assert page.locator("#giving").is_hidden()
    page.locator("#theme").click()
    check_axe(page)
    page.emulate_media(media="print")
    assert re.search(r"\d\d:\d\d:\d\d UTC", page.locator("#signed").inner_text())
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) <= 2


@pytest.mark.usefixtures("quiet_night")
def test_what_is_being_written_outlives_a_server_that_is_gone(live_map, open_page) -> None:
    watched = open_page(f"{live_map.url}shift", viewport={"width": 390, "height": 844})
    page = watched.page
    page.locator("#open tr").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.set_offline(True)
    sign(page, "#give", "Lan", "đang viết")
    page.locator("#problem", has_text="ký lại cũng chỉ tính một lần").wait_for()
    assert page.locator('#give [name="remarks"]').input_value() == "đang viết"
    page.context.set_offline(False)
    page.locator("#give button").click()
    page.locator("#waiting-remarks", has_text="đang viết").wait_for()
    assert page.locator("#problem").is_hidden()
    watched.forgive("ERR_INTERNET_DISCONNECTED")
