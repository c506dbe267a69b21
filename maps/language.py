"""Every word on the pages, Vietnamese first: `locale/vi.json`, `locale/en.json`, the same keys."""

import json
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

LANGUAGES: Final = ("vi", "en")
_FOLDER: Final = Path(__file__).parent / "locale"


@cache
def words(language: str) -> MappingProxyType[str, str]:
    """Return the words of one of `LANGUAGES` by key."""
    text = (_FOLDER / f"{language}.json").read_text(encoding="utf-8")
    return MappingProxyType(json.loads(text))


def chosen(asked: str | None) -> str:
    """Return the language asked for, or Vietnamese."""
    return asked if asked in LANGUAGES else LANGUAGES[0]
