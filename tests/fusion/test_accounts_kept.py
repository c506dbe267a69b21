"""Accounts and sessions in both databases: the tables are fusion's, the log-in is the map's."""

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
