"""Failed log-ins: how many there may be, and for whom they count.

Whoever guesses from outside is stopped after a few: for the account and for the address. That lock
passes by itself, and would keep the duty officer out as well for as long as somebody goes on
guessing. So a browser in which an account has logged in before is known, and counted by itself:

    a known browser of the account   ->  its own count
    any other                        ->  the account's count (of all strangers) and the address's

An attempt counts before the password is looked at, so that many at once are no more than many in
turn. Names are counted as they are typed, whether there is such an account or not.
"""

import ipaddress
import secrets
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from edge.messages import UtcTime
from fusion.tables import KNOWN_BROWSER, LOGIN_FAILURE
from maps.people.book import Book, digest_of

WINDOW_S: Final = 15 * 60.0
MOST_OF_ACCOUNT: Final = 10
MOST_OF_BROWSER: Final = 10
MOST_OF_ADDRESS: Final = 30
KNOWN_FOR_S: Final = 90 * 86_400.0
_NETWORK_BITS: Final = 64  # one subscriber of IPv6


class Attempt(NamedTuple):
    """A log-in that is being tried."""

    whose: tuple[str, ...]  # the counts it stands in, the account's or the browser's first
    is_known: bool  # the browser
    wait_s: float | None = None  # too many: not before so long; None: go on


class Attempts:
    """The counts of one book."""

    def __init__(self, book: Book) -> None:
        """Take over where they are written down."""
        self._book = book

    def begin(self, account: str, *, address: str, browser: str | None, now: UtcTime) -> Attempt:
        """Count an attempt before it is looked at; it is refused where `wait_s` is set.

        Args:
            account: As it was typed.
            address: Of the network.
            browser: The secret that it keeps, if it sent one.
            now: When.
        """
        with self._book.transaction() as connection:
            _forget(connection, now)
            is_known = browser is not None and _knows(connection, browser, account)
            if is_known and browser is not None:
                most = {_of_browser(browser, account): MOST_OF_BROWSER}
            else:
                most = {
                    _of_account(account): MOST_OF_ACCOUNT,
                    _of_address(address): MOST_OF_ADDRESS,
                }
            failures = LOGIN_FAILURE.c["count"].label("failures")
            counted_now = sa.select(LOGIN_FAILURE.c.whose, LOGIN_FAILURE.c.began_at, failures)
            rows = connection.execute(
                counted_now.where(LOGIN_FAILURE.c.whose.in_(most)).with_for_update()
            ).all()
            waits_s = [
                WINDOW_S - now.seconds_since(UtcTime.of(row.began_at))
                for row in rows
                if row.failures >= most[row.whose]
            ]
            if waits_s:
                return Attempt(tuple(most), is_known, max(waits_s))
            for whose in sorted(most):  # in one order, so that no two wait for each other
                _count(connection, whose, now)
        return Attempt(tuple(most), is_known)

    def forgive(self, attempt: Attempt) -> None:
        """Take back an attempt that succeeded, and what failed before it for that account.

        Of the address only this one: others may guess from there.
        """
        first, *others = attempt.whose
        with self._book.transaction() as connection:
            connection.execute(sa.delete(LOGIN_FAILURE).where(LOGIN_FAILURE.c.whose == first))
            for whose in others:
                _add(connection, whose, -1)

    def lift(self, account: str) -> None:
        """Let an account try again at once, from known browsers and others."""
        ends = sa.or_(
            *(
                LOGIN_FAILURE.c.whose.endswith(digest_of(name))
                for name in (account, change_of(account))
            )
        )
        with self._book.transaction() as connection:
            connection.execute(sa.delete(LOGIN_FAILURE).where(ends))

    def stopped(self, *, now: UtcTime) -> frozenset[str]:
        """Return what stands for the accounts that strangers cannot try now (`stands_for`)."""
        many = sa.select(LOGIN_FAILURE.c.whose).where(
            LOGIN_FAILURE.c.whose.startswith("account "),
            LOGIN_FAILURE.c["count"] >= MOST_OF_ACCOUNT,
            LOGIN_FAILURE.c.began_at > now.after(-WINDOW_S),
        )
        with self._book.reading() as connection:
            return frozenset(connection.execute(many).scalars())

    def know(self, account: str, *, browser: str | None, now: UtcTime) -> str:
        """Remember that an account logged in with a browser; return the secret it is to keep."""
        with self._book.transaction() as connection:
            if browser is None or not _knows(connection, browser, account):
                # Never the one that was sent for another account: it may be an attacker's own.
                browser = secrets.token_urlsafe(32)
                row = {"digest": digest_of(browser), "account": account, "seen_at": now}
                connection.execute(sa.insert(KNOWN_BROWSER).values(row))
            else:
                known = sa.update(KNOWN_BROWSER).where(_is(browser, account))
                connection.execute(known.values(seen_at=now))
        return browser


def forget_browsers(connection: sa.Connection, account: str) -> None:
    """Know no browser of an account any more: somebody else may have its password."""
    connection.execute(sa.delete(KNOWN_BROWSER).where(KNOWN_BROWSER.c.account == account))


def change_of(account: str) -> str:
    """Return the name under which tries to change an account's password count.

    Nobody can type it at the log-in: names are made small before they count.
    """
    return f"Change of {account}"


def stands_for(account: str) -> str:
    """Return what stands for an account among the counts."""
    return _of_account(account)


def _forget(connection: sa.Connection, now: UtcTime) -> None:
    """Delete what counts no more, and what a clock that was wrong wrote."""
    began = LOGIN_FAILURE.c.began_at
    old = (began <= now.after(-WINDOW_S)) | (began > now)
    connection.execute(sa.delete(LOGIN_FAILURE).where(old))
    gone = KNOWN_BROWSER.c.seen_at < now.after(-KNOWN_FOR_S)
    connection.execute(sa.delete(KNOWN_BROWSER).where(gone))


def _add(connection: sa.Connection, whose: str, number: int) -> None:
    counted = sa.update(LOGIN_FAILURE).where(LOGIN_FAILURE.c.whose == whose)
    connection.execute(counted.values(count=LOGIN_FAILURE.c["count"] + number))


def _count(connection: sa.Connection, whose: str, now: UtcTime) -> None:
    """Add one to a count, or begin it: others may begin it at the same moment."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    begun = insert(LOGIN_FAILURE).values(whose=whose, count=1, began_at=now)
    more = {"count": LOGIN_FAILURE.c["count"] + 1}
    connection.execute(begun.on_conflict_do_update(index_elements=["whose"], set_=more))


def _is(browser: str, account: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        KNOWN_BROWSER.c.digest == digest_of(browser), KNOWN_BROWSER.c.account == account
    )


def _knows(connection: sa.Connection, browser: str, account: str) -> bool:
    found = sa.select(KNOWN_BROWSER.c.digest).where(_is(browser, account))
    return connection.execute(found).first() is not None


def _of_account(account: str) -> str:
    return f"account {digest_of(account)}"  # a digest: people type their password here


def _of_browser(browser: str, account: str) -> str:
    return f"browser {digest_of(browser)} {digest_of(account)}"


def _of_address(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return f"address {digest_of(address)}"  # a name that a test or a socket file gives
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return f"address {parsed.ipv4_mapped}"
        return f"address {ipaddress.ip_network((parsed, _NETWORK_BITS), strict=False)}"
    return f"address {parsed}"
