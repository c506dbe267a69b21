"""Text that people type into a form and others read: notes, reasons, remarks, names."""

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator

_LINES: Final = frozenset("\n\r\t")
# They turn round what follows: "exe.png" is read where "gnp.exe" was written (Unicode TR 36).
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _readable(text: str) -> str:
    for one in text:
        if one in _TURNING or (unicodedata.category(one) == "Cc" and one not in _LINES):
            msg = f"the character U+{ord(one):04X} cannot be read or turns round what follows"
            raise ValueError(msg)
    return text


Typed = Annotated[str, AfterValidator(_readable)]
