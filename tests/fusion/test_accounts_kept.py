"""Accounts and sessions in both databases: the tables are fusion's, the log-in is the map's."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher

from edge.messages import RefusedError, UtcTime
from maps.people.accounts import FIRST, Changer, NewAccount
from maps.people.attempts import MOST_OF_ACCOUNT
from maps.people.book import Book
from maps.people.log_in import Entry, LogIn, Why
from maps.people.passwords import Passwords
from maps.people.roles import Role

BY = Changer("a test", "192.0.2.9")


def test_a_life_of_accounts_in_sqlite_and_postgresql(database_url) -> None:
    now = [UtcTime.read_clock()]
    cheap = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    book = Book.open(database_url)
    log_in = LogIn(book, sector_id="s", is_https=False, clock=lambda: now[0], passwords=cheap)
    accounts = log_in.accounts

    def enter(password, browser=None) -> object:
        return log_in.enter(
            FIRST, password, address="192.0.2.1", browser=browser, old_session=None
        )

    password = accounts.make_first(now=now[0])
    assert accounts.make_first(now=now[0]) is None
    entry = enter(password)
    assert isinstance(entry, Entry)
    now[0] = now[0].after(100)
    assert log_in.sessions.find(entry.session_id, now=now[0]).account == FIRST

    refused = [enter("x").why for _ in range(MOST_OF_ACCOUNT + 1)]
    assert refused[-2:] == [Why.WRONG, Why.TOO_MANY]
    assert log_in.attempts.stopped(now=now[0])
    assert isinstance(enter(password, entry.browser), Entry)
    log_in.attempts.lift(FIRST)
    assert not log_in.attempts.stopped(now=now[0])

    accounts.make(NewAccount("an.nv", "An", Role.GUARD), by=BY, now=now[0])
    with pytest.raises(RefusedError, match="already"):
        accounts.make(NewAccount("an.nv", "Another", Role.GUARD), by=BY, now=now[0])
    with pytest.raises(RefusedError, match="last administrator"):
        accounts.lock(FIRST, by=BY)
    assert [(one.account, one.sessions) for one in accounts.all()] == [("an.nv", 0), (FIRST, 2)]
    assert accounts.end_sessions(FIRST, by=BY) == 2
    assert log_in.sessions.find(entry.session_id, now=now[0]) is None
    book.close()


def at_once(question: Callable[[], object], *, count: int = 8) -> list[object]:
    """Ask from several threads at the same moment."""
    together = threading.Barrier(count)

    def one(_: int) -> object:
        together.wait(10)
        return question()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_several_at_the_same_moment_are_several(database_url) -> None:
    """On PostgreSQL two first failures of an address, or two first starts, were an error."""
    now = UtcTime.read_clock()
    cheap = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    book = Book.open(database_url)
    log_in = LogIn(book, sector_id="s", is_https=False, clock=lambda: now, passwords=cheap)
    made = at_once(lambda: log_in.accounts.make_first(now=now))
    assert len([one for one in made if one is not None]) == 1
    begin = log_in.attempts.begin
    tries = at_once(lambda: begin("x", address="192.0.2.1", browser=None, now=now))
    assert [one.wait_s for one in tries] == [None] * 8
    more = [begin("x", address="192.0.2.1", browser=None, now=now) for _ in range(3)]
    assert [one.wait_s is None for one in more] == [True, True, False]
    book.close()


def test_a_name_that_no_database_takes_is_none(database_url) -> None:
    """A NUL in the name was said to be a database that is away."""
    now = UtcTime.read_clock()
    cheap = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    book = Book.open(database_url)
    log_in = LogIn(book, sector_id="s", is_https=False, clock=lambda: now, passwords=cheap)
    refused = log_in.enter("a\0b", "x", address="192.0.2.1", browser=None, old_session=None)
    assert refused.why is Why.WRONG
    with pytest.raises(RefusedError, match="there is no account"):
        log_in.accounts.lock("a\0b", by=BY)
    book.close()
