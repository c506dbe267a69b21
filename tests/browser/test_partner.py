"""Another agency logs in: it works on what was handed over to it, and learns of nothing else."""

import re

import pytest

from edge.messages import UtcTime
from maps.people.accounts import Accounts, Changer, NewAccount
from maps.people.book import Book
from maps.people.passwords import Passwords
from maps.people.roles import Role

OWN = "một câu thật dài của tôi"
# The browser's own note of what is refused, which the page deals with.
REFUSED = re.compile(r"server responded with a status of (403|404)")
OTHERS = ("incident-of-ours", "cam-07", "to-1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "theme", "size"),
    [("vi", "night", (1366, 768)), ("en", "day", (390, 844))],
)
def test_a_partner_sees_what_was_handed_over_to_its_unit_and_nothing_else(
    serve_map, field, open_page, check_axe, tmp_path, language, theme, size
) -> None:
    book = Book.open(f"sqlite:///{tmp_path / 'tuanbien.db'}")
    accounts = Accounts(book, Passwords())
    now = UtcTime.read_clock()
    partner = NewAccount("cong-an", "Công an xã", Role.PARTNER, unit="cong-an-xa")
    accounts.make(partner, by=Changer("a test", "here"), now=now)
    accounts.set_own_password("cong-an", OWN, address="here", now=now)
    book.close()
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
    page.fill("[name=account]", "cong-an")
    page.fill("[name=password]", OWN)
    page.click("form button.is-main")
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
    watched.errors[:] = [one for one in watched.errors if not REFUSED.search(one)]
