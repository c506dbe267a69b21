"""The page of accounts, as an administrator uses it."""

import re

import pytest

from edge.messages import UtcTime
from maps.people.accounts import Accounts, Changer, NewAccount
from maps.people.book import Book
from maps.people.passwords import Passwords
from maps.people.roles import Role

OWN = "một câu thật dài của tôi"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "theme", "size"),
    [("vi", "night", (1366, 768)), ("en", "day", (390, 844))],
)
def test_an_administrator_makes_changes_and_locks_an_account(
    serve_map, open_page, check_axe, tmp_path, language, theme, size
) -> None:
    book = Book.open(f"sqlite:///{tmp_path / 'tuanbien.db'}")
    accounts = Accounts(book, Passwords())
    now = UtcTime.read_clock()
    accounts.make(
        NewAccount("chi", HOSTILE, Role.ADMINISTRATOR), by=Changer("a test", "here"), now=now
    )
    accounts.set_own_password("chi", OWN, address="here", now=now)
    served = serve_map(log_in=True)
    watched = open_page(
        f"{served.url}people?lang={language}", viewport={"width": size[0], "height": size[1]}
    )
    page = watched.page
    page.fill("[name=account]", "chi")
    page.fill("[name=password]", OWN)
    page.click("form button.is-main")
    page.locator("#people tr").first.wait_for()
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    check_axe(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert HOSTILE in page.locator("tr[data-account=chi]").inner_text()

    page.fill("#add [name=account]", "an.nv")
    page.fill("#add [name=shown_name]", "Nguyễn Văn An")
    page.select_option("#add [name=role]", "duty_officer")
    page.click("#add button")
    handed = page.locator("#said code").inner_text()
    assert re.fullmatch(r"(\w{5}-){3}\w{5}", handed)
    account = accounts.find("an.nv")
    assert account.role is Role.DUTY_OFFICER
    assert Passwords().fits(account.password_hash, handed)

    page.locator("tr[data-account='an.nv'] button").click()
    check_axe(page)
    page.select_option("#editor-role [name=role]", "partner")
    page.click("#editor-role button")
    page.locator("#editor-problem:not([hidden])").wait_for()  # a partner needs a unit
    page.fill("#editor-unit [name=unit]", "cong-an")
    page.click("#editor-unit button")
    page.locator("#editor").wait_for(state="hidden")
    page.locator("tr[data-account='an.nv'] button").click()
    page.click("#acts [data-act=lock]")
    page.locator("tr[data-account='an.nv'].is-locked").wait_for()
    assert accounts.find("an.nv").locked
    check_axe(page)

    page.locator("tr[data-account=chi] button").click()
    page.click("#acts [data-act=lock]")
    page.locator("#editor-problem:not([hidden])").wait_for()  # not one's own right
    assert not accounts.find("chi").locked
    book.close()
    watched.forgive("status of 422")
