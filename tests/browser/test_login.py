"""Logging in, out and in again, as somebody at a console does it."""

from collections.abc import Callable, Iterator

import pytest

from edge.messages import UtcTime
from maps.people.accounts import Accounts, Changer, NewAccount
from maps.people.book import Book
from maps.people.passwords import Passwords
from maps.people.roles import Role

OWN = "một câu thật dài của tôi"
PHONE = {"viewport": {"width": 390, "height": 844}}
# The browser's own note of an answer that the page deals with.
REFUSED = tuple(f"status of {number}" for number in (401, 403, 422, 429))


@pytest.fixture
def accounts(tmp_path) -> Iterator[Accounts]:
    book = Book.open(f"sqlite:///{tmp_path / 'tuanbien.db'}")
    yield Accounts(book, Passwords())
    book.close()


@pytest.fixture
def make(accounts) -> Callable[..., None]:
    """Return a function that makes an account with the password OWN."""

    def make_one(account: str, role: Role) -> None:
        new = NewAccount(account, f"Người {account}", role)
        now = UtcTime.read_clock()
        accounts.make(new, by=Changer("a test", "here"), now=now)
        accounts.set_own_password(account, OWN, address="here", now=now)

    return make_one


def fill(page, account: str, password: str) -> None:
    page.fill("[name=account]", account)
    page.fill("[name=password]", password)
    page.click("form button.is-main")


def come_back(page, account: str) -> None:
    """Log in anew in the window that the note of an ended session opens."""
    notice = page.locator(".expired")
    with page.context.expect_page() as window:
        notice.locator("a").click()
    fill(window.value, account, OWN)
    window.value.locator("#person summary").wait_for()
    window.value.close()
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    notice.wait_for(state="hidden")


@pytest.mark.slow
@pytest.mark.parametrize(("language", "wrong"), [("vi", "không đúng"), ("en", "not right")])
def test_the_first_log_in_from_the_printed_password_to_the_map_and_out(
    serve_map, open_page, check_axe, language, wrong
) -> None:
    served = serve_map(log_in=True)
    watched = open_page(f"{served.url}login?lang={language}")
    page = watched.page
    check_axe(page)
    fill(page, "quan-tri", "sai mật khẩu")
    page.get_by_text(wrong).wait_for()
    check_axe(page)
    fill(page, "quan-tri", served.first_password)
    page.wait_for_url("**/password")
    check_axe(page)
    page.fill("[name=password]", served.first_password)
    page.fill("[name=new]", OWN)
    page.fill("[name=again]", OWN)
    page.click("form button.is-main")
    page.wait_for_url(served.url)
    page.locator("#person summary").click()
    check_axe(page)
    page.locator("#person button").click()
    page.wait_for_url("**/login")
    page.go_back()
    page.wait_for_url("**/login**")  # nothing of the map is left to look at
    watched.forgive(*REFUSED)


@pytest.mark.slow
def test_the_log_in_works_without_scripts_and_on_a_phone_by_day(
    serve_map, open_page, make, check_axe
) -> None:
    make("an.nv", Role.GUARD)
    served = serve_map(log_in=True)
    watched = open_page(f"{served.url}incidents", java_script_enabled=False, **PHONE)
    assert "/login?next=%2Fincidents" in watched.page.url
    fill(watched.page, "an.nv", OWN)
    watched.page.wait_for_url("**/incidents")
    by_day = open_page(f"{served.url}login", **PHONE).page
    by_day.evaluate("document.documentElement.dataset.theme = 'day'")
    check_axe(by_day)
    assert by_day.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.slow
def test_a_session_that_ends_is_said_so_and_nothing_typed_is_lost(
    serve_map, open_page, make, accounts
) -> None:
    make("chi", Role.ADMINISTRATOR)
    served = serve_map(log_in=True)
    watched = open_page(f"{served.url}people")
    page = watched.page
    fill(page, "chi", OWN)
    page.locator("#people tr").first.wait_for()
    page.fill("#add [name=account]", "moi")
    page.fill("#add [name=shown_name]", "Người mới")
    accounts.end_sessions("chi", by=Changer("a test", "here"))
    page.click("#add button")
    notice = page.locator(".expired")
    notice.wait_for()
    assert "Phiên làm việc đã hết hạn" in notice.inner_text()
    assert page.input_value("#add [name=shown_name]") == "Người mới"
    come_back(page, "chi")
    page.click("#add button")  # with the new session's token
    page.locator("tr[data-account=moi]").wait_for()
    watched.forgive(*REFUSED)


@pytest.mark.slow
def test_an_incident_says_that_the_session_ended_and_others_are_seen_again_after_the_next(
    serve_map, field, open_page, make, accounts
) -> None:
    """It said that it would connect again by itself; and who else is here was lost until a reload."""
    make("an", Role.DUTY_OFFICER)
    make("binh", Role.COMMANDER)
    field.alert("alert-1")
    served = serve_map(log_in=True)
    opened = [open_page(f"{served.url}incidents/incident-of-alert-1") for _ in range(2)]
    mine, theirs = (watched.page for watched in opened)
    for page, account in ((mine, "an"), (theirs, "binh")):
        fill(page, account, OWN)
        page.locator("#case").wait_for()
    mine.locator("#present", has_text="Người binh").wait_for()
    accounts.end_sessions("an", by=Changer("a test", "here"))
    mine.locator(".expired").wait_for()
    assert "hết hạn" in mine.locator("#problem").inner_text()
    come_back(mine, "an")
    mine.locator('#steps button[data-verb="note"]').click()
    mine.locator("#step [name=reason]").press_sequentially("Đã gọi")
    theirs.locator("#present", has_text="Người an đang nhập").wait_for()
    for watched in opened:
        watched.forgive(*REFUSED)
