"""What an account may be called, belong to and be for; each refusal with its reason."""

import re
import unicodedata
from enum import StrEnum
from typing import Final

from edge.messages import RefusedError
from maps.people.roles import Role

EVERY_SECTOR: Final = "*"
ACCOUNT_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")  # as CONTRACT.md has it
_LONGEST_NAME: Final = 64


class Refusal(StrEnum):
    """Why an account is not made or changed; the page says it as `people.refused_REASON`."""

    ACCOUNT = "account"
    SHOWN_NAME = "shown_name"
    TAKEN = "taken"
    SHOWN_TAKEN = "shown_taken"
    UNIT = "unit"
    NO_UNIT = "no_unit"
    SECTORS = "sectors"
    BEYOND = "beyond"
    OWN_RIGHT = "own_right"
    OWN_ROLE = "own_role"
    LAST = "last"
    ELSEWHERE = "elsewhere"
    NONE = "none"


class NotAllowedError(RefusedError):
    """An account cannot be made or changed so."""

    def __init__(self, reason: Refusal, said: str) -> None:
        """Say why: for programs, and as a sentence."""
        super().__init__(said)
        self.reason = reason


def hold_to_names(account: str, shown_name: str) -> None:
    """Refuse names that cannot be typed, shown or written down as one line.

    Raises:
        NotAllowedError: One of them is none.
    """
    if not ACCOUNT_NAME.fullmatch(account):
        msg = f"account: {account!r} is not 1 to 64 of a-z, 0-9, . and -, a letter or digit first"
        raise NotAllowedError(Refusal.ACCOUNT, msg)
    shown = normal(shown_name)
    if not shown or len(shown) > _LONGEST_NAME or not shown.isprintable():
        msg = f"shown_name: {shown_name[:80]!r} is not a name of 1 to {_LONGEST_NAME} characters"
        raise NotAllowedError(Refusal.SHOWN_NAME, msg)


def sectors_of(text: str) -> str:
    """Return sectors as they are kept: `*`, or ids with blanks between.

    Raises:
        NotAllowedError: One of them is no id.
    """
    if text.strip() == EVERY_SECTOR:
        return EVERY_SECTOR
    ids = sorted(set(re.split(r"[\s,]+", text.strip())))
    for one in ids:
        if not _NAME.fullmatch(one):
            msg = f"sectors: {one!r} is neither the id of a sector nor {EVERY_SECTOR!r} alone"
            raise NotAllowedError(Refusal.SECTORS, msg)
    return " ".join(ids)


def is_for(sectors: str, sector_id: str) -> bool:
    """Tell whether an account of these sectors is for one of them."""
    return sectors == EVERY_SECTOR or sector_id in sectors.split()


def is_within(sectors: str, others: str) -> bool:
    """Tell whether sectors are all among others, so that who administers these may change them."""
    return all(is_for(others, one) for one in sectors.split())


def hold_to_unit(role: Role, unit: str | None) -> None:
    """Refuse a unit that is none, and a partner without one.

    Raises:
        NotAllowedError: So it is.
    """
    if unit is not None and not _NAME.fullmatch(unit):
        msg = f"unit: {unit!r} is not a-z, 0-9 and -, at most 64"
        raise NotAllowedError(Refusal.UNIT, msg)
    if role is Role.PARTNER and unit is None:
        msg = "unit: a partner sees what is handed over to its unit, so it needs one"
        raise NotAllowedError(Refusal.NO_UNIT, msg)


def hold_within(sectors: str, *, within: str, of: str) -> None:
    """Refuse an administrator of some sectors what reaches beyond them.

    Raises:
        NotAllowedError: It does.
    """
    beyond = [one for one in sectors.split() if not is_for(within, one)]
    if beyond:
        msg = f"sectors: {of} administers {within!r}, not {beyond[0]!r}"
        raise NotAllowedError(Refusal.BEYOND, msg)


def normal(shown_name: str) -> str:
    """Return a name as it is kept, however it was typed."""
    return unicodedata.normalize("NFC", " ".join(shown_name.split(" ")).strip())
