"""Passwords: the rule they must meet, how they are kept, and those that are handed out once.

Kept by argon2id with the library's own recommended cost (RFC 9106, 64 MiB); a cost that was
raised since is applied at the next log-in. One is worked out at a time: memory stays small
however many try.
"""

import secrets
import threading
import unicodedata
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from edge.messages import RefusedError

SHORTEST: Final = 12
LONGEST: Final = 256
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike
_GROUPS: Final = 4
_GROUP: Final = 5
_BESIDE_THE_NAME: Final = 6  # characters
_FEWEST_CHARACTERS: Final = 4
# The commonest that are long enough to meet the rule.
_COMMON: Final = frozenset(
    (
        *("123456789012", "1234567890123", "12345678901234", "123456789123", "123456123456"),
        *("1234567890abc", "0123456789abc", "1q2w3e4r5t6y", "1qaz2wsx3edc", "qwertyuiop12"),
        *("qwertyuiop123", "qwerty123456", "abcdefghijkl", "abc123456789", "abcd12345678"),
        *("password1234", "password12345", "password123456", "passwordpassword", "passw0rd1234"),
        *("iloveyou1234", "administrator", "administrator1", "admin1234567", "admin12345678"),
        *("welcome12345", "changeme1234", "letmein12345", "matkhau12345", "matkhau123456"),
        *("matkhaumatkhau", "quantrivien1", "quantrivien123", "bienphong123", "bodoibienphong"),
        *("anhyeuem1234", "vietnam12345", "vietnam123456", "hanoi1234567", "tuanbien1234"),
    )
)


class Passwords:
    """Keeps and checks passwords. Safe to use from several threads."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """Take the library's cost, or another (tests have no time for it)."""
        self._hasher = PasswordHasher() if hasher is None else hasher
        self._one_at_a_time = threading.Lock()
        # An account that is not there takes as long to refuse as one that is.
        self._nobodys = self._hasher.hash(secrets.token_hex(16))

    def kept(self, password: str) -> str:
        """Return what is kept of a password."""
        with self._one_at_a_time:
            return self._hasher.hash(_normal(password))

    def fits(self, kept: str | None, password: str) -> bool:
        """Tell whether a password is the one that was kept; None is none, in the same time."""
        with self._one_at_a_time:
            try:
                found = self._hasher.verify(kept or self._nobodys, _normal(password))
            except (VerificationError, InvalidHashError):
                return False
        return found and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Tell whether it was kept at another cost than today's."""
        return self._hasher.check_needs_rehash(kept)


def one_time() -> str:
    """Return a password to hand out, 99 random bits that one can read out."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


def hold_to_rule(password: str, *, account: str) -> None:
    """Refuse a password that is easily guessed.

    Raises:
        RefusedError: It is too short, too long, the name itself or one of the commonest.
    """
    if complaint := complaint_about(password, account=account):
        said = {
            "short": f"the password has fewer than {SHORTEST} characters",
            "long": f"the password has more than {LONGEST} characters",
            "name": "the password is the name of the account",
            "common": "the password is one of those that are guessed first",
        }
        raise RefusedError(said[complaint])


def complaint_about(password: str, *, account: str) -> str | None:
    """Return what is wrong with a new password: `short`, `long`, `name`, `common`, or None."""
    normal = _normal(password)
    if len(normal) < SHORTEST:
        return "short"
    if len(normal) > LONGEST:
        return "long"
    plain = normal.casefold()
    if len(plain.replace(account.casefold(), "").strip()) < _BESIDE_THE_NAME:
        return "name"  # or the name again and again, or with a word or a year
    if plain in _COMMON or len(set(plain)) < _FEWEST_CHARACTERS:
        return "common"
    return None


def _normal(password: str) -> str:
    """Return the same characters however a keyboard composes them: Vietnamese ones differ."""
    return unicodedata.normalize("NFKC", password)
