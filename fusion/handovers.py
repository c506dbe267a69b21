"""Hand-overs of a shift: one officer gives it with all that is open, another takes it.

    give (what stood then, remarks) ──▶ take (remarks, digest of what was given) ──▶ the next give

Two signatures, each written once and never changed: a hand-over is what was signed. Each is over
the digest of the one before, so that none can be mended afterwards without it showing.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from edge.messages import Id, Name, UtcTime, encode

MOST_REMARKS: Final = 4000  # characters


class Act(StrEnum):
    """What somebody signed."""

    GIVE = "give"
    TAKE = "take"


class Signature(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one officer signed, and when."""

    handover_id: Id
    act: Act
    sector: Name
    signed_at: UtcTime
    account: Id
    name: Id
    role: Id
    remarks: Annotated[str, Meta(max_length=MOST_REMARKS)] = ""
    picture: Mapping[str, Any] | None = None  # as it stood; of what is given
    before_sha256: str = ""  # of the signature before: what is taken, or the last that was taken


def digest(signature: Signature) -> str:
    """Return the SHA-256 of a signature's JSON."""
    return hashlib.sha256(encode(signature)).hexdigest()
