"""Logging in: from what somebody typed to a session, or to why not.

Until the password was right, every answer is the same and takes as long, whether there is such an
account or not; only then is said what else stands in the way.
"""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from edge.messages import UtcTime
from maps.people.account_rules import is_for
from maps.people.accounts import ONE_TIME_S, Account, Accounts
from maps.people.attempts import Attempts
from maps.people.book import Book
from maps.people.passwords import Passwords
from maps.people.record import note
from maps.people.sessions import Lifetime, Sessions

_LONGEST_TYPED: Final = 64
_ASKING_AT_ONCE: Final = 4
_T = TypeVar("_T")


class Why(StrEnum):
    """Why somebody was not let in."""

    WRONG = "wrong"  # the name or the password
    TOO_MANY = "too_many"
    LOCKED = "locked"
    SECTOR = "sector"  # the account is for others
    ONE_TIME_OVER = "one_time_over"


class Refusal(NamedTuple):
    """Somebody was not let in."""

    why: Why
    wait_s: float = 0.0


class Entry(NamedTuple):
    """Somebody was let in: what the browser is to keep."""

    session_id: str
    browser: str
    account: str


class LogIn:
    """The log-in of one sector's server. Its methods wait for the database, so in a thread."""

    def __init__(  # noqa: PLR0913 - what a server is made of
        self,
        book: Book,
        *,
        sector_id: str,
        is_https: bool,
        clock: Callable[[], UtcTime],
        lifetime: Lifetime | None = None,
        passwords: Passwords | None = None,
    ) -> None:
        """Put accounts, sessions and counts together.

        Args:
            book: Where they are written down.
            sector_id: Whose server this is.
            is_https: Whether browsers reach it by https: cookies are bound to that.
            clock: This process's clock.
            lifetime: Of sessions.
            passwords: How they are kept.
        """
        self.book = book
        self.passwords = passwords or Passwords()
        self.accounts = Accounts(book, self.passwords)
        self.sessions = Sessions(book, lifetime or Lifetime())
        self.attempts = Attempts(book)
        self.sector_id = sector_id
        self.is_https = is_https
        self.clock = clock
        # Neither a flood of log-ins nor somebody's long table keeps a session waiting.
        self._asking = ThreadPoolExecutor(_ASKING_AT_ONCE, thread_name_prefix="sessions")
        self._trying = ThreadPoolExecutor(1, thread_name_prefix="log-in")

    async def ask(self, question: Callable[[], _T]) -> _T:
        """Ask the accounts and sessions something short, in a thread kept for that."""
        return await asyncio.get_running_loop().run_in_executor(self._asking, question)

    async def try_in_turn(self, attempt: Callable[[], _T]) -> _T:
        """Look at somebody's password, in the one thread kept for that."""
        return await asyncio.get_running_loop().run_in_executor(self._trying, attempt)

    def cookie(self, what: str) -> str:
        """Return a cookie's name. A browser binds `__Host-` to this very host, by https.

        The sector is in it: servers of several sectors may share a host, and cookies know no port.
        """
        name = f"{what}-{self.sector_id}"
        return f"__Host-{name}" if self.is_https else name

    def enter(
        self,
        typed: str,
        password: str,
        *,
        address: str,
        browser: str | None,
        old_session: str | None,
    ) -> Entry | Refusal:
        """Let somebody in by name and password, or say why not.

        Args:
            typed: The name, as it was typed.
            password: As it was typed.
            address: Where the request came from.
            browser: What the browser kept of earlier log-ins.
            old_session: The id of the session it had; it ends.
        """
        now = self.clock()
        name = as_kept(typed)
        attempt = self.attempts.begin(name, address=address, browser=browser, now=now)
        if attempt.wait_s is not None:
            return self._refused(Refusal(Why.TOO_MANY, attempt.wait_s), name, address)
        account = self.accounts.find(name)
        kept = None if account is None else account.password_hash
        if not self.passwords.fits(kept, password) or account is None or kept is None:
            return self._refused(Refusal(Why.WRONG), name, address)
        self.attempts.forgive(attempt)
        if self.passwords.is_outdated(kept):
            self.accounts.keep_at_todays_cost(name, kept, password)
        return self.let_in(account, address=address, browser=browser, old_session=old_session)

    def let_in(
        self, account: Account, *, address: str, browser: str | None, old_session: str | None
    ) -> Entry | Refusal:
        """Begin a session of somebody who has proved who they are, unless something else bars."""
        now = self.clock()
        name = account.account
        if account.locked:
            return self._refused(Refusal(Why.LOCKED), name, address)
        if not is_for(account.sectors, self.sector_id):
            return self._refused(Refusal(Why.SECTOR), name, address)
        if account.must_change and now.seconds_since(account.password_at) > ONE_TIME_S:
            return self._refused(Refusal(Why.ONE_TIME_OVER), name, address)
        browser = self.attempts.know(name, browser=browser, now=now)
        session_id = self.sessions.begin(name, now=now, ending=old_session)
        note("logged in", account=name, address=address, sector=self.sector_id)
        return Entry(session_id, browser, name)

    def _refused(self, refusal: Refusal, name: str, address: str) -> Refusal:
        # What is no account's name may be somebody's password, typed one field too early.
        is_there = self.accounts.find(name) is not None
        note(
            "log-in refused",
            account=name if is_there else "none of that name",
            why=refusal.why.value,
            address=address,
            sector=self.sector_id,
        )
        return refusal


def as_kept(typed: str) -> str:
    """Return a typed name as accounts are named: small letters, nothing around it."""
    return unicodedata.normalize("NFKC", typed[:_LONGEST_TYPED]).strip().casefold()
