"""Accounts: who may log in, as what, for which sectors. Never deleted, only locked.

Whatever changes what an account may do, or who may use it, ends its sessions in the same
transaction.
"""

from typing import Final, NamedTuple

import sqlalchemy as sa

from edge.messages import UtcTime
from fusion.tables import ACCOUNT, LOGIN_SESSION
from maps.people.account_rules import (
    ACCOUNT_NAME,
    EVERY_SECTOR,
    NotAllowedError,
    Refusal,
    hold_to_names,
    hold_to_unit,
    hold_within,
    normal,
    sectors_of,
)
from maps.people.attempts import forget_browsers
from maps.people.book import Book
from maps.people.passwords import Passwords, hold_to_rule, one_time
from maps.people.record import note
from maps.people.roles import Role
from maps.people.sessions import end_all

FIRST: Final = "quan-tri"
ONE_TIME_S: Final = 7 * 86_400.0  # how long a password that was handed out is good for
_WITH_SESSIONS: Final = sa.select(
    ACCOUNT,
    sa.select(sa.func.count())
    .where(LOGIN_SESSION.c.account == ACCOUNT.c.account)
    .scalar_subquery()
    .label("sessions"),
)


class Account(NamedTuple):
    """An account as it stands."""

    account: str
    shown_name: str
    role: Role
    unit: str | None
    sectors: str  # ids with blanks between, or `*`
    password_hash: str | None
    subject: str | None
    must_change: bool
    password_at: UtcTime
    locked: bool
    created_at: UtcTime
    logged_in_at: UtcTime | None
    sessions: int = 0

    def told(self) -> dict[str, object]:
        """Return what may be shown of it."""
        return {
            "account": self.account,
            "shown_name": self.shown_name,
            "role": self.role.value,
            "unit": self.unit,
            "sectors": self.sectors.split(),
            "locked": self.locked,
            "must_change": self.must_change,
            "elsewhere": None if self.subject is None else self.subject.split()[0],
            "created_at": self.created_at.rfc3339(),
            "logged_in_at": self.logged_in_at and self.logged_in_at.rfc3339(),
            "sessions": self.sessions,
        }


class NewAccount(NamedTuple):
    """An account to be made."""

    account: str
    shown_name: str
    role: Role
    unit: str | None = None
    sectors: str = EVERY_SECTOR


class Changer(NamedTuple):
    """Who changes an account, for the log and for what they may not."""

    who: str
    address: str
    account: str | None = None  # None: at the command line, where the database is open anyway
    sectors: str = EVERY_SECTOR


class Accounts:
    """All accounts of one book."""

    def __init__(self, book: Book, passwords: Passwords) -> None:
        """Take over where they are written down."""
        self._book = book
        self._passwords = passwords

    # -- reading -----------------------------------------------------------------------------

    def all(self) -> list[Account]:
        """Return every account, by name."""
        with self._book.reading() as connection:
            rows = connection.execute(_WITH_SESSIONS.order_by(ACCOUNT.c.account))
            return [_account(row) for row in rows]

    def find(self, account: str) -> Account | None:
        """Return an account; None: there is none of that name."""
        if not ACCOUNT_NAME.fullmatch(account):
            return None  # and PostgreSQL takes no NUL
        return self._first(ACCOUNT.c.account == account)

    def of_subject(self, subject: str) -> Account | None:
        """Return the account of somebody who logs in elsewhere."""
        return self._first(ACCOUNT.c.subject == subject)

    # -- making ------------------------------------------------------------------------------

    def make_first(self, *, now: UtcTime) -> str | None:
        """Where there is no account at all, make one administrator; return its password."""
        password = one_time()
        kept = self._passwords.kept(password)
        try:
            with self._book.transaction() as connection:
                if connection.execute(sa.select(ACCOUNT.c.account).limit(1)).first() is not None:
                    return None
                row = _row(NewAccount(FIRST, "Quản trị", Role.ADMINISTRATOR), now=now)
                connection.execute(sa.insert(ACCOUNT).values(row | {"password_hash": kept}))
        except sa.exc.IntegrityError:  # another server made it at the same moment
            return None
        note("account made", account=FIRST, role=Role.ADMINISTRATOR, by="first start")
        return password

    def make(
        self,
        new: NewAccount,
        *,
        by: Changer,
        now: UtcTime,
        password: str | None = None,
        subject: str | None = None,
    ) -> str:
        """Make an account; return its one-time password ("" where it logs in elsewhere).

        Raises:
            RefusedError: A field is none, the name is taken, or `by` may not.
        """
        account, shown_name = new.account, normal(new.shown_name)
        hold_to_names(account, shown_name)
        new = new._replace(shown_name=shown_name, sectors=sectors_of(new.sectors))
        hold_to_unit(new.role, new.unit)
        hold_within(new.sectors, within=by.sectors, of=by.who)
        row = _row(new, now=now)
        if subject is not None:
            row |= {"subject": subject, "must_change": False}
        else:
            password = self._given(password, account)
            row |= {"password_hash": self._passwords.kept(password)}
        with self._book.transaction() as connection:
            taken = connection.execute(sa.select(ACCOUNT.c.account, ACCOUNT.c.shown_name)).all()
            if account in {one.account for one in taken}:
                msg = f"there is an account {account!r} already"
                raise NotAllowedError(Refusal.TAKEN, msg)
            if shown_name.casefold() in {one.shown_name.casefold() for one in taken}:
                msg = f"somebody else is shown as {shown_name!r}: what is signed names one person"
                raise NotAllowedError(Refusal.SHOWN_TAKEN, msg)
            connection.execute(sa.insert(ACCOUNT).values(row))
        note("account made", account=account, role=new.role, sectors=new.sectors, **_by(by))
        return password or ""

    # -- changing ----------------------------------------------------------------------------

    def give_role(self, account: str, role: Role, *, by: Changer) -> None:
        """Give another role."""
        self._change(account, {"role": role.value}, by=by)

    def give_unit(self, account: str, unit: str | None, *, by: Changer) -> None:
        """Put into another unit, or into none."""
        self._change(account, {"unit": unit}, by=by)

    def give_role_and_unit(
        self, account: str, role: Role, unit: str | None, *, by: Changer
    ) -> None:
        """Give both at once, as a provider says them."""
        self._change(account, {"role": role.value, "unit": unit}, by=by)

    def give_sectors(self, account: str, sectors: str, *, by: Changer) -> None:
        """Say for which sectors an account is: `*`, or ids with blanks or commas between."""
        sectors = sectors_of(sectors)
        hold_within(sectors, within=by.sectors, of=by.who)
        self._change(account, {"sectors": sectors}, by=by)

    def lock(self, account: str, *, by: Changer) -> None:
        """Let nobody in by an account."""
        self._change(account, {"locked": True}, by=by)

    def unlock(self, account: str, *, by: Changer) -> None:
        """Let somebody in by an account again."""
        self._change(account, {"locked": False}, by=by)

    def end_sessions(self, account: str, *, by: Changer) -> int:
        """End every session of an account; return how many there were."""
        return self._change(account, {}, by=by)

    def hand_out(
        self, account: str, *, by: Changer, now: UtcTime, password: str | None = None
    ) -> str:
        """Set a password to be used once, and return it; no browser of theirs is known any more.

        Raises:
            RefusedError: There is no such account, it logs in elsewhere, or `by` may not.
        """
        password = self._given(password, account)
        new = {"password_hash": self._passwords.kept(password), "must_change": True}
        self._change(account, new | {"password_at": now}, by=by)
        return password

    def set_own_password(self, account: str, password: str, *, address: str, now: UtcTime) -> None:
        """Set the password that somebody chose for themself.

        Raises:
            RefusedError: It is easily guessed (`passwords.hold_to_rule`).
        """
        hold_to_rule(password, account=account)
        new = {"password_hash": self._passwords.kept(password), "must_change": False}
        with self._book.transaction() as connection:
            mine = sa.update(ACCOUNT).where(ACCOUNT.c.account == account)
            connection.execute(mine.values(new | {"password_at": now}))
            end_all(connection, account)
        note("password changed", account=account, address=address)

    def keep_at_todays_cost(self, account: str, kept: str, password: str) -> None:
        """Keep a password that was right anew, unless it changed meanwhile."""
        mine = (ACCOUNT.c.account == account) & (ACCOUNT.c.password_hash == kept)
        new = self._passwords.kept(password)
        with self._book.transaction() as connection:
            connection.execute(sa.update(ACCOUNT).where(mine).values(password_hash=new))

    # -- within ------------------------------------------------------------------------------

    def _first(self, which: sa.ColumnElement[bool]) -> Account | None:
        with self._book.reading() as connection:
            row = connection.execute(_WITH_SESSIONS.where(which)).one_or_none()
        return None if row is None else _account(row)

    def _given(self, password: str | None, account: str) -> str:
        if password is None:
            return one_time()
        hold_to_rule(password, account=account)
        return password

    def _change(self, account: str, new: dict[str, object], *, by: Changer) -> int:
        """Change an account and end its sessions; return how many it had.

        Raises:
            RefusedError: There is no such account, `by` may not, or nobody could administer then.
        """
        if not ACCOUNT_NAME.fullmatch(account):
            raise _none(account)
        with self._book.transaction() as connection:
            # The administrators too: two of them must not lock each other out at once.
            query = sa.select(ACCOUNT).where(
                (ACCOUNT.c.account == account) | (ACCOUNT.c.role == Role.ADMINISTRATOR.value)
            )
            rows = connection.execute(query.with_for_update()).all()
            found = {row.account: _account(row) for row in rows}
            old = found.get(account)
            if old is None:
                raise _none(account)
            hold_within(old.sectors, within=by.sectors, of=by.who)
            _hold_to_change(old, new, by=by)
            others = [one for one in found.values() if one.account != account]
            if _administers(old) and not _administers(_with(old, new)):
                if account == by.account:
                    msg = "nobody takes their own right to administer: another administrator does"
                    raise NotAllowedError(Refusal.OWN_RIGHT, msg)
                if not any(_administers(one) for one in others):
                    msg = f"{account!r} is the last administrator of every sector"
                    raise NotAllowedError(Refusal.LAST, msg)
            if new:
                mine = sa.update(ACCOUNT).where(ACCOUNT.c.account == account)
                connection.execute(mine.values(new))
            if "password_hash" in new:
                forget_browsers(connection, account)
            ended = end_all(connection, account)
        shown = {name: value for name, value in new.items() if not name.startswith("password")}
        if "password_hash" in new:
            shown["handed_out"] = "a password"
        note("account changed", account=account, **shown, sessions_ended=ended, **_by(by))
        return ended


def _row(new: NewAccount, *, now: UtcTime) -> dict[str, object]:
    return new._asdict() | {
        "role": new.role.value,
        "password_hash": None,
        "subject": None,
        "must_change": True,
        "password_at": now,
        "locked": False,
        "created_at": now,
        "logged_in_at": None,
    }


def _account(row: sa.Row[tuple[object, ...]]) -> Account:
    said = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for a row as a mapping
    said["role"] = Role(said["role"])
    for name in ("password_at", "created_at", "logged_in_at"):
        said[name] = None if said[name] is None else UtcTime.of(said[name])
    return Account(**said)


def _with(account: Account, new: dict[str, object]) -> Account:
    said = dict(new)
    if "role" in said:
        said["role"] = Role(str(said["role"]))
    return account._replace(**said)  # type: ignore[arg-type]  # the columns' own names


def _administers(account: Account) -> bool:
    """Tell whether somebody can administer every account."""
    of_all = account.role is Role.ADMINISTRATOR and account.sectors == EVERY_SECTOR
    return of_all and not account.locked


def _hold_to_change(old: Account, new: dict[str, object], *, by: Changer) -> None:
    after = _with(old, new)
    hold_to_unit(after.role, after.unit)
    if old.account == by.account and (after.role, after.sectors) != (old.role, old.sectors):
        msg = "nobody changes their own role or sectors: another administrator does"
        raise NotAllowedError(Refusal.OWN_ROLE, msg)
    if "password_hash" in new and old.subject is not None:
        msg = f"{old.account!r} has no password here: it logs in at {old.subject.split()[0]}"
        raise NotAllowedError(Refusal.ELSEWHERE, msg)


def _none(account: str) -> NotAllowedError:
    return NotAllowedError(Refusal.NONE, f"there is no account {account!r}")


def _by(by: Changer) -> dict[str, str]:
    return {"by": by.who, "address": by.address}
