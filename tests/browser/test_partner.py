"""Another agency logs in: it works on what was handed over to it, and learns of nothing else."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge.messages import UtcTime
from maps.people.accounts import Accounts, Changer, NewAccount
from maps.people.book import Book
from maps.people.passwords import Passwords
from maps.people.roles import Role

if TYPE_CHECKING:
    from playwright.sync_api import Page

OWN = "một câu thật dài của tôi"
OTHERS = ("incident-of-ours", "cam-07", "to-1")


pytestmark = pytest.mark.slow


def make_accounts(folder: Path) -> None:
    """Make one of another agency and one of the station."""
    book = Book.open(f"sqlite:///{folder / 'tuanbien.db'}")
    accounts, now = Accounts(book, Passwords()), UtcTime.read_clock()
    for new in (
        NewAccount("cong-an", "Công an xã", Role.PARTNER, unit="cong-an-xa"),
        NewAccount("truc-ban", "Lan", Role.DUTY_OFFICER),
    ):
        accounts.make(new, by=Changer("a test", "here"), now=now)
        accounts.set_own_password(new.account, OWN, address="here", now=now)
    book.close()


def log_in(page: "Page", account: str) -> None:
    page.fill("[name=account]", account)
    page.fill("[name=password]", OWN)
    page.click("form button.is-main")


@pytest.mark.parametrize(
    ("language", "theme", "size"),
    [("vi", "night", (1366, 768)), ("en", "day", (390, 844))],
)
def test_a_partner_sees_what_was_handed_over_to_its_unit_and_nothing_else(
    serve_map, field, open_page, check_axe, tmp_path, language, theme, size
) -> None:
    make_accounts(tmp_path)
    field.alert("theirs")
    field.incident("theirs", state="handed_over", assigned_to="cong-an-xa")
    field.alert("ours", unit="don-bp-bien-thu", devices=["cam-07"])
    field.status("cam-07")
    field.position("to-1")
    served = serve_map(log_in=True)
    watched = open_page(
        f"{served.url}login?lang={language}", viewport={"width": size[0], "height": size[1]}
    )
    page = watched.page
    log_in(page, "cong-an")
    page.wait_for_url("**/incidents")  # where the map would be
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    rows = page.locator("#rows tr")
    rows.first.wait_for()
    assert rows.count() == 1
    assert page.locator(".bar-pages a:visible").count() == 1  # the incidents
    check_axe(page)
    assert [other for other in OTHERS if other in page.content()] == []

    rows.locator("a").click()
    page.locator("#case").wait_for()
    assert page.locator("#steps button").evaluate_all(
        "(all) => all.map((b) => b.dataset.verb)"
    ) == ["note"]
    assert page.locator("#to-playback, #to-export").locator("visible=true").count() == 0
    check_axe(page)
    assert [other for other in OTHERS if other in page.content()] == []

    page.goto(f"{served.url}incidents/incident-of-ours")
    page.get_by_text({"vi": "không thuộc phạm vi", "en": "not yours to see"}[language]).wait_for()
    assert page.locator("#case").is_hidden()
    for closed in ("playback", "shift", "figures", "people", "docs"):
        answer = page.goto(f"{served.url}{closed}")
        assert answer is not None
        assert answer.status == 403, closed
        assert (
            page.get_by_role("heading", level=2).or_(page.get_by_role("heading", level=1)).count()
        )
    watched.forgive("status of 403", "status of 404")


def test_an_incident_can_be_handed_over_to_the_agencies_that_have_an_account(
    serve_map, field, open_page, tmp_path
) -> None:
    make_accounts(tmp_path)
    field.alert("ours")
    served = serve_map(log_in=True)
    page = open_page(f"{served.url}login?next=/incidents/incident-of-ours").page
    log_in(page, "truc-ban")
    page.locator('#units option[value="cong-an-xa"]').wait_for(state="attached")
