"""`tuanbien users`: accounts, for whoever may read the store. Prints JSON, one account a line."""

import argparse
import getpass
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import NamedTuple

from edge.messages import RefusedError, UtcTime
from maps.people.account_rules import EVERY_SECTOR
from maps.people.accounts import Account, Accounts, Changer, NewAccount
from maps.people.attempts import Attempts
from maps.people.book import Book
from maps.people.passwords import Passwords
from maps.people.roles import Role


class _Desk(NamedTuple):
    """What a command works with."""

    accounts: Accounts
    attempts: Attempts
    by: Changer
    now: UtcTime


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with closing(Book.open(options.store)) as book:
        by = Changer(who=f"{_login_name()} at the command line", address="this machine")
        desk = _Desk(Accounts(book, Passwords()), Attempts(book), by, UtcTime.read_clock())
        options.run(desk, options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tuanbien users", description="Who may log in (docs/accounts.md)."
    )
    parser.add_argument(
        "--store",
        default=os.environ.get("TUANBIEN_STORE", "sqlite:///tuanbien.db"),
        help="fusion's store (default sqlite:///tuanbien.db, or TUANBIEN_STORE)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="print every account")
    listing.set_defaults(run=_list)

    adding = _command(commands, "add", _add, "make an account, print its one-time password")
    adding.add_argument("--shown-name", required=True, metavar="NAME", help="as steps are signed")
    adding.add_argument("--role", type=Role, choices=list(Role), required=True)
    adding.add_argument("--unit", help="a partner sees what was handed over to it")
    adding.add_argument("--sectors", default=EVERY_SECTOR, help="ids with commas (default: all)")
    _take_password(adding)

    role = _command(commands, "role", _role, "give another role")
    role.add_argument("role", type=Role, choices=list(Role))
    unit = _command(commands, "unit", _unit, "put into a unit, or into none")
    unit.add_argument("unit", nargs="?", metavar="UNIT")
    sectors = _command(commands, "sectors", _sectors, "say for which sectors it is")
    sectors.add_argument("sectors", metavar="ID,ID…|*")
    _take_password(_command(commands, "password", _password, "print a new one-time password"))
    _command(commands, "lock", _lock, "let nobody in by it")
    _command(commands, "unlock", _unlock, "let in again, also after too many failures")
    _command(commands, "end-sessions", _end_sessions, "log it out everywhere")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[_Desk, argparse.Namespace], None],
    what: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=what)
    command.add_argument("account", metavar="ACCOUNT")
    command.set_defaults(run=run)
    return command


def _take_password(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the one-time password from stdin (a command line can be read by others)",
    )


def _list(desk: _Desk, _: argparse.Namespace) -> None:
    for account in desk.accounts.all():
        _print(account)


def _add(desk: _Desk, options: argparse.Namespace) -> None:
    new = NewAccount(
        account=options.account,
        shown_name=options.shown_name,
        role=options.role,
        unit=options.unit,
        sectors=options.sectors,
    )
    given = _given(options)
    password = desk.accounts.make(new, by=desk.by, now=desk.now, password=given)
    _tell(desk, options.account, password=None if given else password)


def _password(desk: _Desk, options: argparse.Namespace) -> None:
    given = _given(options)
    password = desk.accounts.hand_out(options.account, by=desk.by, now=desk.now, password=given)
    desk.attempts.lift(options.account)
    _tell(desk, options.account, password=None if given else password)


def _role(desk: _Desk, options: argparse.Namespace) -> None:
    desk.accounts.give_role(options.account, options.role, by=desk.by)
    _tell(desk, options.account)


def _unit(desk: _Desk, options: argparse.Namespace) -> None:
    desk.accounts.give_unit(options.account, options.unit, by=desk.by)
    _tell(desk, options.account)


def _sectors(desk: _Desk, options: argparse.Namespace) -> None:
    desk.accounts.give_sectors(options.account, options.sectors, by=desk.by)
    _tell(desk, options.account)


def _lock(desk: _Desk, options: argparse.Namespace) -> None:
    desk.accounts.lock(options.account, by=desk.by)
    _tell(desk, options.account)


def _unlock(desk: _Desk, options: argparse.Namespace) -> None:
    desk.accounts.unlock(options.account, by=desk.by)
    desk.attempts.lift(options.account)
    _tell(desk, options.account)


def _end_sessions(desk: _Desk, options: argparse.Namespace) -> None:
    ended = desk.accounts.end_sessions(options.account, by=desk.by)
    _tell(desk, options.account, sessions_ended=ended)


def _tell(desk: _Desk, name: str, **more: object) -> None:
    account = desk.accounts.find(name)
    if account is not None:
        _print(account, **{key: value for key, value in more.items() if value is not None})


def _print(account: Account, **more: object) -> None:
    print(json.dumps(account.told() | more, ensure_ascii=False))


def _given(options: argparse.Namespace) -> str | None:
    """Return the password on stdin, where that was asked for.

    Raises:
        RefusedError: There is none.
    """
    if not options.password_stdin:
        return None
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        msg = "--password-stdin: there is no line on stdin"
        raise RefusedError(msg)
    return line


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"  # a container knows no names
