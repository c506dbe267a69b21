"""Who is let in, who is not, and for how long."""

import logging
import unicodedata

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from edge.messages import RefusedError
from fusion.tables import ACCOUNT, KNOWN_BROWSER, LOGIN_SESSION
from maps.people import attempts
from maps.people.accounts import FIRST, ONE_TIME_S, Changer, NewAccount
from maps.people.log_in import Entry, Refusal, Why
from maps.people.passwords import Passwords, complaint_about, one_time
from maps.people.roles import Role
from maps.people.sessions import IDLE_S, WHOLE_S

PASSWORD = "đường tuần tra số bảy"
BY = Changer("a test", "192.0.2.9")


def why(outcome) -> Why | None:
    return outcome.why if isinstance(outcome, Refusal) else None


def account_in_session(log_in, entry) -> str | None:
    session = log_in.sessions.find(entry.session_id, now=log_in.clock())
    return None if session is None else session.account


# -- the first account ---------------------------------------------------------------------------


def test_the_first_start_makes_one_administrator_and_the_second_none(log_in, clock) -> None:
    password = log_in.accounts.make_first(now=clock())
    assert log_in.accounts.make_first(now=clock()) is None
    (only,) = log_in.accounts.all()
    assert (only.account, only.role, only.must_change) == (FIRST, Role.ADMINISTRATOR, True)
    assert log_in.passwords.fits(only.password_hash, password)


def test_passwords_that_are_handed_out_are_never_the_same() -> None:
    made = {one_time() for _ in range(200)}
    assert len(made) == 200
    assert all(complaint_about(one, account="quan-tri") is None for one in made)


# -- passwords -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "complaint"),
    [
        ("mười một kt", "short"),
        ("x" * 257, "long"),
        ("Nguyen.Van.An", "name"),
        ("nguyen.van.annguyen.van.an", "name"),
        ("password1234", "common"),
        ("MatKhau12345", "common"),
        ("aaaaaaaaaaaaaaaa", "common"),
        ("toàn chữ thường thôi", None),
        ("            x            y   z w", None),
    ],
)
def test_a_password_is_held_to_its_length_and_to_what_is_guessed_first(
    password, complaint
) -> None:
    assert complaint_about(password, account="nguyen.van.an") == complaint


def test_a_password_fits_however_the_keyboard_composes_its_letters(make, enter) -> None:
    make()
    decomposed = unicodedata.normalize("NFD", PASSWORD)
    assert decomposed != PASSWORD
    assert isinstance(enter(password=decomposed), Entry)


def test_a_password_kept_at_an_older_cost_is_kept_anew_at_the_log_in(log_in, make, enter) -> None:
    make()
    before = log_in.accounts.find("an.nv").password_hash
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    log_in.passwords = log_in.accounts._passwords = dearer
    assert isinstance(enter(), Entry)
    after = log_in.accounts.find("an.nv").password_hash
    assert after != before
    assert dearer.fits(after, PASSWORD)
    assert not dearer.is_outdated(after)


def test_what_is_kept_is_neither_password_nor_session_id_nor_browser_secret(
    make, enter, book
) -> None:
    make()
    entry = enter()
    with book.reading() as connection:
        kept = [
            str(tuple(row))
            for table in (ACCOUNT, LOGIN_SESSION, KNOWN_BROWSER)
            for row in connection.execute(sa.select(table))
        ]
    text = "\n".join(kept)
    assert "$argon2id$" in text
    assert not [secret for secret in (PASSWORD, entry.session_id, entry.browser) if secret in text]


# -- who is let in -------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", ["an.nv", " AN.NV ", "\uff41\uff4e\uff0e\uff4e\uff56"])
def test_a_name_is_the_same_in_capitals_and_in_wide_letters(make, enter, typed) -> None:
    make()
    assert isinstance(enter(typed), Entry)


def test_an_unknown_name_and_a_wrong_password_are_refused_alike(make, enter) -> None:
    make()
    assert enter(password="sai mật khẩu rồi") == enter("khong-co") == Refusal(Why.WRONG)


def test_an_unknown_name_costs_the_same_work(log_in, make, enter, monkeypatch) -> None:
    """Time tells whether there is an account: each refusal verifies exactly one hash."""
    make()
    verified = []
    hasher = log_in.passwords._hasher
    real = hasher.verify

    class Counting:
        hash = staticmethod(hasher.hash)
        check_needs_rehash = staticmethod(hasher.check_needs_rehash)

        @staticmethod
        def verify(kept: str, password: str) -> bool:
            verified.append(kept.split("$")[3])  # the parameters: the same cost
            return real(kept, password)

    monkeypatch.setattr(log_in.passwords, "_hasher", Counting)
    for account in ("an.nv", "khong-co"):
        enter(account, "sai mật khẩu rồi")
    log_in.accounts.lock("an.nv", by=BY)
    enter(password="sai mật khẩu rồi")
    assert len(verified) == 3
    assert len(set(verified)) == 1


def test_only_after_the_right_password_is_it_said_that_an_account_is_locked(
    log_in, make, enter
) -> None:
    make()
    log_in.accounts.lock("an.nv", by=BY)
    assert why(enter(password="sai mật khẩu rồi")) is Why.WRONG
    assert why(enter()) is Why.LOCKED


@pytest.mark.parametrize(
    ("sectors", "lets_in"), [("*", True), ("bien-thu", True), ("a,bien-thu", True), ("a", False)]
)
def test_an_account_is_for_the_sectors_it_names(make, enter, sectors, lets_in) -> None:
    make(sectors=sectors)
    assert why(enter()) is (None if lets_in else Why.SECTOR)


def test_a_one_time_password_is_good_for_a_week(log_in, clock, enter) -> None:
    new = NewAccount("an.nv", "An", Role.GUARD)
    password = log_in.accounts.make(new, by=BY, now=clock())
    clock.pass_(ONE_TIME_S)
    assert isinstance(enter(password=password), Entry)
    clock.pass_(1)
    assert why(enter(password=password)) is Why.ONE_TIME_OVER


# -- failures ------------------------------------------------------------------------------------


def fail(enter, times, **options: str) -> list[Why | None]:
    return [why(enter(password="sai mật khẩu rồi", **options)) for _ in range(times)]


def test_too_many_failures_stop_an_account_for_a_while_even_with_the_right_password(
    make, enter, clock
) -> None:
    make()
    assert set(fail(enter, attempts.MOST_OF_ACCOUNT)) == {Why.WRONG}
    assert why(enter()) is Why.TOO_MANY
    clock.pass_(attempts.WINDOW_S - 1)
    assert why(enter()) is Why.TOO_MANY  # asking on does not make it longer
    clock.pass_(1)
    assert isinstance(enter(), Entry)


def test_a_name_without_an_account_is_stopped_alike(make, enter) -> None:
    make()
    told = [fail(enter, attempts.MOST_OF_ACCOUNT + 1, account=name) for name in ("an.nv", "ai-do")]
    assert told[0] == told[1]


def test_strangers_cannot_lock_out_a_browser_that_the_account_knows(make, enter, clock) -> None:
    make()
    known = enter().browser
    for minute in range(60):  # an attacker who goes on for an hour, from everywhere
        clock.pass_(60)
        fail(enter, 5, address=f"203.0.113.{minute}")
    assert why(enter(address="203.0.113.99")) is Why.TOO_MANY
    assert isinstance(enter(browser=known), Entry)


def test_a_known_browser_is_counted_too(make, enter) -> None:
    make()
    known = enter().browser
    assert set(fail(enter, attempts.MOST_OF_BROWSER, browser=known)) == {Why.WRONG}
    assert why(enter(browser=known)) is Why.TOO_MANY


def test_a_browser_is_known_to_the_account_that_logged_in_there_alone(make, enter) -> None:
    """An attacker's own account must not make his browser a trusted one for others."""
    make()
    make("binh.tt")
    attackers = enter("binh.tt").browser
    fail(enter, attempts.MOST_OF_ACCOUNT)
    assert why(enter(browser=attackers)) is Why.TOO_MANY


def test_an_address_is_stopped_whatever_names_it_tries(make, enter) -> None:
    make()
    told = [
        why(enter(f"ten-{number}", "sai mật khẩu rồi"))
        for number in range(attempts.MOST_OF_ADDRESS + 1)
    ]
    assert told[-2:] == [Why.WRONG, Why.TOO_MANY]
    assert why(enter()) is Why.TOO_MANY
    assert isinstance(enter(address="203.0.113.1"), Entry)


def test_to_know_one_password_does_not_clear_an_address(make, enter) -> None:
    make()
    for number in range(attempts.MOST_OF_ADDRESS):
        assert why(enter(f"ten-{number}", "sai mật khẩu rồi")) is Why.WRONG
        if number % 5 == 0 and number < attempts.MOST_OF_ADDRESS - 1:
            assert isinstance(enter(), Entry)
    assert why(enter()) is Why.TOO_MANY


def test_neighbours_in_one_network_of_ip_6_are_one_address(enter) -> None:
    for number in range(attempts.MOST_OF_ADDRESS):
        enter(f"ten-{number}", "x", address=f"2001:db8::{number:x}")
    assert why(enter("ai-do", "x", address="2001:db8::ffff")) is Why.TOO_MANY
    assert why(enter("ai-do", "x", address="2001:db8:0:1::1")) is Why.WRONG


def test_an_administrator_lifts_it(log_in, make, enter) -> None:
    make()
    known = enter().browser
    fail(enter, attempts.MOST_OF_ACCOUNT)
    fail(enter, attempts.MOST_OF_BROWSER, browser=known)
    log_in.attempts.lift("an.nv")
    assert isinstance(enter(browser=known), Entry)
    assert isinstance(enter(address="203.0.113.1"), Entry)


def test_attempts_that_never_ended_count(log_in, make, enter, clock) -> None:
    """A thousand at once are no more than a thousand in turn: each counts before it is looked at."""
    make()
    for _ in range(attempts.MOST_OF_ACCOUNT):
        log_in.attempts.begin("an.nv", address="203.0.113.5", browser=None, now=clock())
    assert why(enter()) is Why.TOO_MANY


# -- sessions ------------------------------------------------------------------------------------


def test_a_session_ends_when_nothing_was_heard_of_it(log_in, make, enter, clock) -> None:
    make()
    entry = enter()
    for _ in range(3):
        clock.pass_(IDLE_S - 1)
        assert account_in_session(log_in, entry) == "an.nv"
    clock.pass_(IDLE_S)
    assert account_in_session(log_in, entry) is None
    clock.pass_(-IDLE_S)
    assert account_in_session(log_in, entry) is None  # it is gone, not asleep


def test_a_session_ends_after_a_shift_however_busy(log_in, make, enter, clock) -> None:
    make()
    entry = enter()
    passed_s = 0.0
    while passed_s + 600 < WHOLE_S:
        clock.pass_(600)
        passed_s += 600
        assert account_in_session(log_in, entry) == "an.nv"
    clock.pass_(600)
    assert account_in_session(log_in, entry) is None


def test_a_session_that_a_wrong_clock_began_in_the_future_is_none(
    log_in, make, enter, clock
) -> None:
    """Once the clock was set right it would have lasted for a year and twelve hours."""
    make()
    clock.pass_(365 * 86_400.0)
    entry = enter()
    clock.pass_(-365 * 86_400.0)
    assert account_in_session(log_in, entry) is None
    entry = enter()
    clock.pass_(-60.0)  # another server's clock
    assert account_in_session(log_in, entry) == "an.nv"


def test_a_session_is_noted_at_most_once_a_minute(log_in, make, enter, clock, book) -> None:
    make()
    entry = enter()
    seen = set()
    for _ in range(120):
        clock.pass_(1)
        assert account_in_session(log_in, entry)
        with book.reading() as connection:
            seen.add(connection.execute(sa.select(LOGIN_SESSION.c.seen_at)).scalar_one())
    assert len(seen) == 3


def test_every_log_in_has_an_id_of_its_own_and_ends_the_one_before(log_in, make, enter) -> None:
    make()
    first = enter()
    second = enter(old_session=first.session_id)
    assert first.session_id != second.session_id
    assert account_in_session(log_in, first) is None
    assert account_in_session(log_in, second) == "an.nv"
    assert account_in_session(log_in, first._replace(session_id="made-up")) is None


CHANGES = {
    "role": lambda accounts, _: accounts.give_role("an.nv", Role.GUARD, by=BY),
    "unit": lambda accounts, _: accounts.give_unit("an.nv", "don-1", by=BY),
    "sectors": lambda accounts, _: accounts.give_sectors("an.nv", "bien-thu", by=BY),
    "lock": lambda accounts, _: accounts.lock("an.nv", by=BY),
    "unlock": lambda accounts, _: accounts.unlock("an.nv", by=BY),
    "handed out": lambda accounts, now: accounts.hand_out("an.nv", by=BY, now=now),
    "ended": lambda accounts, _: accounts.end_sessions("an.nv", by=BY),
    "own": lambda accounts, now: accounts.set_own_password(
        "an.nv", "một câu khác hẳn", address="192.0.2.1", now=now
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_an_account_ends_its_sessions_and_no_others(
    log_in, make, enter, clock, change
) -> None:
    make()
    make("binh.tt")
    mine, elsewhere, others = enter(), enter(address="203.0.113.8"), enter("binh.tt")
    CHANGES[change](log_in.accounts, clock())
    assert account_in_session(log_in, mine) is None
    assert account_in_session(log_in, elsewhere) is None
    assert account_in_session(log_in, others) == "binh.tt"


# -- the log -------------------------------------------------------------------------------------


def test_the_log_says_who_when_from_where_and_stays_one_line(log_in, make, enter, caplog) -> None:
    make()
    with caplog.at_level(logging.INFO, logger="maps.people"):
        enter()
        enter("an.nv", "x", address="203.0.113.4\n2026-01-01 logged in")
        enter("bí mật của tôi", "x", address="203.0.113.4")
        log_in.accounts.lock("an.nv", by=BY)
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == 'logged in account="an.nv" address="192.0.2.1" sector="bien-thu"'
    assert said[1].startswith('log-in refused account="an.nv" why="wrong" address="203.0.113.4\\n')
    assert said[2].startswith('log-in refused account="none of that name" why="wrong"')
    assert 'address="203.0.113.4"' in said[2]
    assert said[3].startswith('account changed account="an.nv" locked="True"')
    assert not [line for line in said if "\n" in line or "bí mật" in line or PASSWORD in line]


def test_a_database_that_is_away_is_one_sentence(tmp_path) -> None:
    from maps.people.book import Book  # noqa: PLC0415

    with pytest.raises(RefusedError, match="store"):
        Book.open(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}")
